//! Stories of the driver's transport on the emulated card: both were written from the specification, each on its own,
//! and this is where they meet.

use bes_hal::firmware::{FirmwareFile, FirmwareSource};
use bes_hal::frame::RxBuffer;
use bes_hal::transport::{Progress, Reception, Transition, Transport};
use bes_hal::{BootError, Duration, Instant, TransportError};
use bes_sdio_bus::{Config as BusConfig, SdioTransport};
use mock_hal::chip::ScriptedFirmware;
use mock_hal::{Card, Config, EmulatedSdio, Handle};

#[derive(Clone)]
struct Files {
    calibration: Option<Vec<u8>>,
    main: Option<Vec<u8>>,
}

impl FirmwareSource for Files {
    fn file(&self, file: FirmwareFile) -> Option<&[u8]> {
        match file {
            FirmwareFile::Calibration => self.calibration.as_deref(),
            FirmwareFile::Main => self.main.as_deref(),
            _ => None,
        }
    }
}

/// An image with its header and load address (file 11, section 2.1).
fn image(size: usize) -> Vec<u8> {
    let mut image: Vec<u8> = (0..size).map(|n| (n * 7) as u8).collect();
    for (at, word) in [
        (0, 0x2001_0041_u32),
        (4, 0),
        (8, 0x2008_0000),
        (12, 0x2001_0000),
        (size - 4, 0x2001_0000),
    ] {
        image[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    image
}

fn files() -> Files {
    Files {
        calibration: Some(image(10_000)),
        main: Some(image(60_001)),
    }
}

type Bus = SdioTransport<EmulatedSdio, Files>;

fn insert(files: Files) -> (Bus, Handle) {
    let (function, handle) = Card::insert(Config::default(), Box::<ScriptedFirmware>::default());
    (
        SdioTransport::new(function, files, BusConfig::default()),
        handle,
    )
}

/// Does a transition, stepping virtual time from deadline to deadline.
fn complete(
    bus: &mut Bus,
    handle: &Handle,
    transition: Transition,
) -> Result<Duration, TransportError> {
    let start = handle.now();
    bus.begin(transition, start)?;
    for _ in 0..100_000 {
        match bus.poll(handle.now())? {
            Progress::Done => return Ok(handle.now().since(start)),
            Progress::Pending(until) => {
                let _ = handle.advance_to_interrupt(until.max(handle.now()));
            }
        }
    }
    panic!(
        "{transition} neither ends nor fails; it is {}",
        handle.now()
    );
}

fn no_violations(handle: &Handle) {
    assert_eq!(handle.all_violations(), Vec::<String>::new());
}

#[test]
fn a_card_boots_switches_wifi_on_and_off_and_sleeps() {
    let (mut bus, handle) = insert(files());
    let boot = complete(&mut bus, &handle, Transition::Boot).unwrap();
    assert!(boot < Duration::from_secs(2), "no magic sleeps: {boot:?}");
    complete(&mut bus, &handle, Transition::WifiOn).unwrap();
    complete(&mut bus, &handle, Transition::Sleep).unwrap();
    assert!(
        !handle.with(|world| world.wake_line()),
        "the wake line has a released state (T13)"
    );
    complete(&mut bus, &handle, Transition::Wake).unwrap();
    assert!(handle.with(|world| world.wake_line()));
    complete(&mut bus, &handle, Transition::WifiOff).unwrap();
    complete(&mut bus, &handle, Transition::PowerOff).unwrap();
    no_violations(&handle);
}

#[test]
fn a_second_boot_writes_the_calibration_back_instead_of_calibrating() {
    let (mut bus, handle) = insert(files());
    let first = complete(&mut bus, &handle, Transition::Boot).unwrap();
    complete(&mut bus, &handle, Transition::PowerOff).unwrap();
    let second = complete(&mut bus, &handle, Transition::Boot).unwrap();
    assert!(second < first, "{second:?} is not shorter than {first:?}");
    no_violations(&handle);
}

#[test]
fn bluetooth_goes_on_sleeps_wakes_and_goes_off() {
    let (mut bus, handle) = insert(files());
    for transition in [
        Transition::Boot,
        Transition::BluetoothOn,
        Transition::BluetoothSleep,
        Transition::BluetoothWake,
        Transition::BluetoothOff,
    ] {
        complete(&mut bus, &handle, transition).unwrap();
    }
    no_violations(&handle);
}

#[test]
fn missing_empty_and_cut_firmware_ends_the_boot_with_its_reason() {
    let failure = |files: Files| {
        let (mut bus, handle) = insert(files);
        complete(&mut bus, &handle, Transition::Boot).unwrap_err()
    };
    let good = files();
    assert_eq!(
        failure(Files {
            main: None,
            ..good.clone()
        }),
        TransportError::Boot(BootError::FileMissing(FirmwareFile::Main))
    );
    for bytes in [vec![], vec![0; 15]] {
        assert_eq!(
            failure(Files {
                calibration: Some(bytes),
                ..good.clone()
            }),
            TransportError::Boot(BootError::FileInvalid(FirmwareFile::Calibration))
        );
    }
    // Larger than the memory of the chip, and a load address that is none.
    for bytes in [image(16 << 20), vec![0xFF; 4096]] {
        assert!(matches!(
            failure(Files {
                main: Some(bytes),
                ..good.clone()
            }),
            TransportError::Boot(_)
        ));
    }
}

fn receive_all(bus: &mut Bus) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Reception::Burst(burst) = bus.receive().unwrap() {
        assert_eq!(burst.defect, None);
        messages.extend(
            burst
                .messages
                .as_slice()
                .iter()
                .map(|span| span.of(burst.buffer.bytes()).to_vec()),
        );
    }
    messages
}

#[test]
fn messages_of_every_length_arrive_whole_in_order_and_in_few_commands() {
    let (mut bus, handle) = insert(files());
    complete(&mut bus, &handle, Transition::Boot).unwrap();
    complete(&mut bus, &handle, Transition::WifiOn).unwrap();
    let lengths: Vec<usize> = (4..1632).step_by(3).collect();
    let before = handle.statistics();
    handle.with_firmware(|firmware: &mut ScriptedFirmware| {
        lengths.iter().for_each(|len| firmware.send(*len))
    });
    // The chip looks at its queue as time passes.
    handle.advance_to(handle.now().after(Duration::from_millis(1)));
    let messages = receive_all(&mut bus);
    assert_eq!(messages.iter().map(Vec::len).collect::<Vec<_>>(), lengths);
    assert!(messages
        .iter()
        .all(|message| message[4..].iter().all(|byte| *byte == 0x77)));
    let used = handle.statistics().since(&before);
    assert_eq!(used.bursts as usize, lengths.len().div_ceil(16));
    assert!(
        used.commands() <= 2 * used.bursts + 2,
        "one look and one read per burst, two reads for the last look"
    );
    no_violations(&handle);
}

#[test]
fn batches_of_every_class_arrive_whole_and_nothing_foreign_leaks_into_their_slots() {
    let (mut bus, handle) = insert(files());
    complete(&mut bus, &handle, Transition::Boot).unwrap();
    complete(&mut bus, &handle, Transition::WifiOn).unwrap();
    let mut expected = Vec::new();
    for len in [4, 100, 508, 509, 1020, 1021, 1532, 1533, 1628] {
        let batch: Vec<Vec<u8>> = (0..16)
            .map(|n| {
                let mut message = vec![0xC0 | n; len];
                message[..2].copy_from_slice(&(len as u16).to_le_bytes());
                message[2..4].copy_from_slice(&[0x04, 0x00]);
                message
            })
            .collect();
        for count in [1, 2, 15, 16] {
            let slices: Vec<&[u8]> = batch[..count].iter().map(Vec::as_slice).collect();
            bus.send(&slices).unwrap();
            expected.extend(batch[..count].iter().cloned());
        }
    }
    let got = handle
        .with_firmware(|firmware: &mut ScriptedFirmware| firmware.requests.clone())
        .unwrap();
    assert_eq!(got, expected);
    no_violations(&handle);
}

#[test]
fn a_card_that_goes_away_fails_every_operation_and_nothing_hangs() {
    for at in 0..40 {
        let (mut bus, handle) = insert(files());
        let start = handle.now();
        bus.begin(Transition::Boot, start).unwrap();
        let mut polls = 0;
        let failed = loop {
            if polls == at {
                handle.set_present(false);
            }
            polls += 1;
            match bus.poll(handle.now()) {
                Ok(Progress::Done) => break false,
                Ok(Progress::Pending(until)) => {
                    let _ = handle.advance_to_interrupt(until.max(handle.now()));
                }
                Err(_) => break true,
            }
            assert!(polls < 10_000, "card gone at poll {at}");
        };
        if failed {
            bus.reset();
            assert!(bus.receive().is_err());
            assert!(!handle.with(|world| world.wake_line()));
        }
        handle.set_present(true);
        complete(
            &mut bus,
            &handle,
            if failed {
                Transition::Boot
            } else {
                Transition::PowerOff
            },
        )
        .unwrap();
        assert!(handle.now() > Instant::ZERO);
    }
}
