//! Fuzz targets: everything that reads bytes from the chip, from the air or from a file, and the whole driver on a chip
//! that lies.
//!
//! A target is a function of bytes. It must return for every input; a panic, a wrong result (the assertions below) or
//! an input that takes seconds is a bug. `cargo xtask fuzz` runs them: under libFuzzer where a nightly toolchain is
//! present, with the driver in `src/bin/driver.rs` otherwise. Seeds are in `corpus/`, written by `cargo run -p bes-fuzz --bin
//! corpus` from [`corpus`].
//!
//! To add a target: a function here, a line in [`TARGETS`], a file in `fuzz_targets/`, an entry in `Cargo.toml`,
//! seeds in [`corpus::seeds`]. A test checks that none of these was forgotten.

use bes_hal::firmware::FirmwareFile;
use bes_hal::transport::MAX_BATCH;
use std::fmt::Display;

pub mod corpus;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// Every target by name.
pub const TARGETS: [(&str, Target); 8] = [
    ("capture_file", capture_file),
    ("core_dump", core_dump),
    ("factory_text", factory_text),
    ("firmware_image", firmware_image),
    ("hostile_chip", hostile_chip),
    ("management_frame", management_frame),
    ("rx_burst", rx_burst),
    ("wsm_message", wsm_message),
];

/// Shows a value and throws the text away: printing must not panic either.
fn show(value: impl Display) {
    assert!(!value.to_string().is_empty());
}

/// A capture that somebody wants to replay (pcap or pcapng, perhaps cut or of another link).
pub fn capture_file(data: &[u8]) {
    use bes_sim::capture::Capture;
    let capture = match Capture::parse(data) {
        Ok(capture) => capture,
        Err(error) => return show(error),
    };
    assert!(!capture.frames.is_empty());
    for captured in &capture.frames {
        assert!(captured.frame.len() >= if captured.is_control() { 10 } else { 24 });
        // Nothing is invented: a record is never larger than its file.
        assert!(captured.frame.len() < data.len());
    }
    match capture.station() {
        Ok((station, _)) => assert!(capture
            .frames
            .iter()
            .any(|captured| captured.transmitter() == station)),
        Err(error) => show(error),
    }
}

/// A core dump of the driver, read back (a file that was copied, mailed and edited).
pub fn core_dump(data: &[u8]) {
    use bes_sim::explain::Digest;
    match Digest::read(data) {
        Ok(digest) => {
            let text = digest.to_string();
            assert!(text
                .chars()
                .all(|character| character == '\n' || !character.is_control()));
            for sentence in digest.advice() {
                assert!(!sentence.is_empty());
            }
        }
        Err(error) => show(error),
    }
}

/// The factory calibration text (a file that users edit).
pub fn factory_text(data: &[u8]) {
    use bes_sdio_bus::factory::Factory;
    let unchecked = Factory::parse(data, false);
    if let Ok(factory) = &unchecked {
        assert_eq!(factory.block()[..2], [0x80, 0xBA]);
        assert!(factory.warnings().count() <= 32);
    }
    match (Factory::parse(data, true), unchecked) {
        (Ok(checked), unchecked) => assert_eq!(Ok(checked), unchecked),
        (Err(error), _) => show(error),
    }
}

/// A firmware image (a file that may be cut or foreign).
pub fn firmware_image(data: &[u8]) {
    use bes_sdio_bus::image::Image;
    match Image::parse(FirmwareFile::Main, data) {
        Ok(image) => {
            assert_eq!(image.content.len() + 4, data.len());
            assert!(image
                .load_address
                .checked_add(image.content.len() as u32)
                .is_some());
        }
        Err(error) => show(error),
    }
}

/// Boot, scan, join and traffic with a chip that lies: see [`bes_sim::hostile::act`].
///
/// In a script most bytes are honest, and a session takes thousands of them. So that inputs stay short, a zero stands
/// together with the byte behind it for that many honest steps, and one more.
pub fn hostile_chip(data: &[u8]) {
    /// A session has no more steps in which lies matter.
    const LONGEST: usize = 20_000;

    let mut script = Vec::new();
    let mut bytes = data.iter().copied();
    while let Some(byte) = bytes.next() {
        let count = match byte {
            0 => usize::from(bytes.next().unwrap_or(0)) + 1,
            _ => 1,
        };
        script.extend(std::iter::repeat_n(byte, count));
        if script.len() >= LONGEST {
            break;
        }
    }
    bes_sim::hostile::act(&script);
}

/// A frame from the air: as it is, and inside a RECEIVE indication whose 28 bytes of status come first.
pub fn management_frame(data: &[u8]) {
    use bes_mac80211::disconnect::{Disconnect, Membership};
    use bes_mac80211::elements::elements;
    use bes_mac80211::{beacon::Beacon, mpdu};
    use bes_wsm::wire::Status;

    let control = mpdu::FrameControl::of(data);
    assert!(control.header_len() <= 36);
    let _addresses = (
        mpdu::receiver(data),
        mpdu::third_address(data),
        mpdu::tid(data),
    );
    for iv in [0, 4, 8, 18, usize::MAX] {
        let _kinds = (
            mpdu::is_block_ack_action(data, iv),
            mpdu::is_eapol(data, iv),
        );
    }
    if let Some(bssid) = mpdu::transmitter(data) {
        if let Some(beacon) = Beacon::of(data, bssid) {
            assert!(beacon.tim.is_none_or(|tim| tim.dtim_period != 0));
            assert_ne!(beacon.wake_up_period(), Some(0));
        }
        for pmf in [false, true] {
            let membership = Membership {
                address: mpdu::receiver(data).unwrap_or(bssid),
                bssid,
                pmf,
                connecting: !pmf,
            };
            let _verdict = Disconnect::judge(data, Status::Success, &membership);
        }
    }
    // Every start, so that elements are also read out of step.
    for start in 0..data.len().min(64) {
        let mut walk = elements(&data[start..]);
        let walked: usize = walk.by_ref().map(|(_, content)| content.len() + 2).sum();
        assert_eq!(walked + walk.rest().len(), data.len() - start);
    }
    receive(data);
}

/// The first 28 bytes are the status that the chip reports, the rest is the frame.
fn receive(data: &[u8]) {
    use bes_hal::{frame::Span, Instant};
    use bes_wsm::wire::InterfaceId;

    let Ok(len) = u16::try_from(data.len() + 4) else {
        return;
    };
    for id in [0x0804u16, 0x0844, 0x0884] {
        let mut message = [len.to_le_bytes(), id.to_le_bytes()].concat();
        message.extend_from_slice(data);
        let span = Span { start: 8, len };
        for generic in [None, Some(InterfaceId::One)] {
            // What stands around the message belongs to others.
            let mut burst = vec![0xA5; 8];
            burst.extend_from_slice(&message);
            burst.extend_from_slice(&[0xA5; 8]);
            match bes_mac80211::rx::receive(&mut burst, span, generic, Instant::ZERO) {
                Ok(part) => {
                    assert!(part.span.start >= span.start);
                    assert!(part.span.of(&burst).len() <= data.len());
                    assert!(
                        u32::from(part.span.start) + u32::from(part.span.len)
                            <= u32::from(span.start) + u32::from(len)
                    );
                }
                Err(drop) => show(drop),
            }
            assert_eq!(burst[..8], [0xA5; 8]);
            assert_eq!(burst[burst.len() - 8..], [0xA5; 8]);
        }
    }
}

/// A burst from the chip.
pub fn rx_burst(data: &[u8]) {
    // A burst is at most what 64 blocks hold; the transport never reads more.
    let data = data.get(..64 * 512).unwrap_or(data);
    let (messages, defect) = bes_sdio_bus::rx_batch::split(data);
    let messages = messages.as_slice();
    assert!(messages.len() <= MAX_BATCH);
    assert!(!messages.is_empty() || defect.is_some());
    let mut end = 0;
    for span in messages {
        let message = span.of(data);
        assert!(usize::from(span.start) >= end, "messages overlap");
        assert_eq!(usize::from(span.start) % 4, 0);
        assert_eq!(message.len(), usize::from(span.len));
        assert_eq!(message[..2], span.len.to_le_bytes());
        end = usize::from(span.start) + message.len();
        wsm_message(message);
    }
    if let Some(defect) = defect {
        show(defect);
    }
}

/// Reads messages of the chip; one that can be read can be shown.
macro_rules! from_chip {
    ($data:ident: $($message:ty),+ $(,)?) => {$(
        if let Ok(message) = <$message as Confirm>::parse($data) {
            show(message);
        }
    )+};
}

/// Reads requests of the host; one that can be read can be shown, written, and read again as the same.
macro_rules! from_host {
    ($data:ident: $($message:ty),+ $(,)?) => {$(
        if let Ok(request) = <$message>::parse($data) {
            show(&request);
            let mut out = [0; 4096];
            if let Ok(len) = request.emit(InterfaceId::Zero, &mut out) {
                let again = <$message>::parse(&out[..len]);
                assert_eq!(again.as_ref(), Ok(&request), "{}", stringify!($message));
            }
        }
    )+};
}

/// One message of the chip or of the host.
pub fn wsm_message(data: &[u8]) {
    use bes_wsm::wire::describe::{describe, Direction};
    use bes_wsm::wire::mib::{ReadMib, ReadMibConfirm, WriteMibRequest};
    use bes_wsm::wire::rx::ReceiveHeader;
    use bes_wsm::wire::startup::Startup;
    use bes_wsm::wire::tx::{MultiTransmitConfirm, TransmitConfirm, TransmitHeader};
    use bes_wsm::wire::{
        ap, bluetooth, bss, channel, configuration, edca, epta, event, exception, generic, header,
        join, key, mcu, mcu_calibration, multicast_forwarding, pm, reset, scan, suspend_resume,
        vendor_rf,
    };
    use bes_wsm::wire::{Confirm, Header, InterfaceId, Request, SequenceNumber};

    for direction in [Direction::ToChip, Direction::FromChip] {
        show(describe(data, direction));
    }
    match Header::parse(data) {
        Ok(header) => show(header),
        Err(error) => show(error),
    }
    from_chip!(data:
        ap::FindComplete, bluetooth::BluetoothReport, channel::ChannelSwitchDone,
        configuration::ConfigurationConfirm, event::EventIndication, exception::Exception, generic::BareConfirm,
        generic::GenericConfirm, join::JoinConfirm, mcu::McuConfirm, mcu::McuIndication, mcu::McuMessage,
        multicast_forwarding::RequestBuffersConfirm, pm::SetPowerModeResult, scan::ScanComplete, Startup,
        suspend_resume::SuspendResumeTx,
        vendor_rf::VendorRfResult, TransmitConfirm, ReadMibConfirm,
    );
    from_host!(data:
        ap::Start, ap::UpdateIe, ap::MapLink, ap::BeaconTransmit, ap::StartFind, ap::StopFind,
        bss::SetBssParameters, channel::SwitchChannel, configuration::Configuration, edca::SetTxQueueParameters,
        edca::SetEdcaParameters, epta::Epta, join::Join, key::AddKey, key::RemoveKey,
        multicast_forwarding::ReleaseBuffer, multicast_forwarding::RequestBuffers, pm::SetPowerMode, pm::CpuSleep,
        reset::Reset, scan::StartScan, scan::StopScan, ReadMib,
    );
    if let Ok(command) = mcu::McuCommand::parse(data) {
        show(command);
    }
    if let Ok(command) = vendor_rf::VendorRfCommand::parse(data) {
        show(command);
    }
    if let Ok(request) = mcu_calibration::SaveCalibration::parse(data) {
        show(request);
    }
    if let Ok(request) = WriteMibRequest::parse(data) {
        assert!(request.data.len() <= data.len());
        show(request.id);
    }
    if let Ok(confirms) = MultiTransmitConfirm::parse(data) {
        let count = confirms.iter().len();
        assert!(count * 20 <= data.len(), "more confirms than bytes");
        confirms.iter().for_each(show);
    }
    if let Ok(transmit) = TransmitHeader::parse(data) {
        assert!(usize::from(transmit.frame_len) <= data.len());
        show(transmit);
    }
    if let Ok((receive, frame)) = ReceiveHeader::split(data) {
        assert!(frame.len() < data.len());
        show(receive);
    }
    let mut copy = data.to_vec();
    for number in 0..8 {
        if header::stamp_sequence(&mut copy, SequenceNumber::new(number)).is_err() {
            assert!(data.len() < 4);
        }
    }
}
