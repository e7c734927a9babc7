//! Frames on their way up: from a RECEIVE indication in a burst to a frame with its status, without a copy.
//!
//! | check | what fails it |
//! |---|---|
//! | message | [`RxDrop::Message`] |
//! | interface: 2 stands for whoever scans or listens | [`RxDrop::NobodyListens`] |
//! | status: success, MIC failure and "no key" go up | [`RxDrop::Status`] |
//! | signal of beacons and probe responses | [`RxDrop::NoSignal`] |
//! | channel and rate exist | [`RxDrop::Channel`], [`RxDrop::Rate`] |
//! | room for what the cipher left in the frame | [`RxDrop::Encryption`], [`RxDrop::TooShort`] |
//!
//! Source: file 30, sections 5.2 to 5.5, without D25 and D26; file 20, sections 12.7 to 12.10, without D51.

pub use crate::beacon::{Beacon, Tim};
pub use crate::disconnect::{Disconnect, Membership};

use crate::mpdu::FrameControl;
use crate::types::{Band, Bandwidth, Channel, Dbm};
use bes_hal::frame::Span;
use bes_hal::stack::RxPart;
use bes_hal::Instant;
use bes_wsm::anomaly::Anomaly;
use bes_wsm::wire::rx::{Encryption, Peer, ReceiveHeader, RxFlags, FRAME_OFFSET};
use bes_wsm::wire::{InterfaceId, MessageId, RateId, ReportedRate, Status, WireError};
use core::fmt;

/// Rate of a received frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RxRate {
    /// Index into the rate list of the band (file 30, section 1.2).
    Legacy {
        /// The index.
        index: u8,
    },
    /// HT.
    Ht {
        /// MCS 0 to 7.
        mcs: u8,
    },
}

/// What the chip did with a frame's protection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RxProtection {
    /// The body is decrypted. Linux: `RX_FLAG_DECRYPTED`.
    pub decrypted: bool,
    /// The cipher header is gone, so nobody can check for replays any more. Linux: `RX_FLAG_IV_STRIPPED`.
    pub iv_stripped: bool,
    /// The trailer is gone: ICV, CCMP MIC. Linux: `RX_FLAG_ICV_STRIPPED`, `RX_FLAG_MIC_STRIPPED`.
    pub mic_stripped: bool,
    /// The Michael MIC of TKIP is checked and gone. Linux: `RX_FLAG_MMIC_STRIPPED`.
    pub mmic_stripped: bool,
    /// The Michael MIC of TKIP is wrong: countermeasures. Linux: `RX_FLAG_MMIC_ERROR`.
    pub mmic_error: bool,
}

/// Where in an A-MPDU a frame was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Aggregate {
    /// It was in one.
    pub part: bool,
    /// As the first.
    pub first: bool,
    /// As the last.
    pub last: bool,
}

/// How a frame was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RxStatus {
    /// When the burst was handled, in the time of the device.
    pub at: Instant,
    /// Channel, with its band and frequency.
    pub channel: Channel,
    /// Rate.
    pub rate: RxRate,
    /// Width; `None`, because this chip does not tell.
    pub bandwidth: Option<Bandwidth>,
    /// Short guard interval; `None`, because this chip does not tell.
    pub short_gi: Option<bool>,
    /// Signal strength, if it was measured.
    pub signal: Option<Dbm>,
    /// Interface that the frame is for.
    pub interface: InterfaceId,
    /// Station that it came from, in AP mode.
    pub peer: Peer,
    /// What the chip did with its protection.
    pub protection: RxProtection,
    /// Where in an A-MPDU it was.
    pub aggregate: Aggregate,
}

/// What a list of received frames holds where there is none.
pub(crate) const BLANK: RxPart<RxStatus> = RxPart {
    span: Span { start: 0, len: 0 },
    status: RxStatus {
        at: Instant::ZERO,
        channel: Channel::FIRST,
        rate: RxRate::Legacy { index: 0 },
        bandwidth: None,
        short_gi: None,
        signal: None,
        interface: InterfaceId::Zero,
        peer: Peer::Unmapped,
        protection: RxProtection {
            decrypted: false,
            iv_stripped: false,
            mic_stripped: false,
            mmic_stripped: false,
            mmic_error: false,
        },
        aggregate: Aggregate {
            part: false,
            first: false,
            last: false,
        },
    },
};

/// Why a received frame does not go up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RxDrop {
    /// The message is malformed.
    Message(WireError),
    /// It came for the generic interface while nobody scans or listens.
    NobodyListens,
    /// The chip reports that reception failed.
    Status(Status),
    /// A beacon or probe response without a signal strength.
    NoSignal,
    /// A channel that does not exist.
    Channel(u16),
    /// A rate that does not exist, or not on this band.
    Rate(u8),
    /// A state of encryption that does not exist.
    Encryption(u8),
    /// Shorter than its header and what its cipher left in it.
    TooShort,
}

impl RxDrop {
    /// Number of kinds.
    pub const KINDS: usize = 8;

    /// Index of the kind, for a table of counters.
    pub const fn kind(self) -> usize {
        match self {
            Self::Message(_) => 0,
            Self::NobodyListens => 1,
            Self::Status(_) => 2,
            Self::NoSignal => 3,
            Self::Channel(_) => 4,
            Self::Rate(_) => 5,
            Self::Encryption(_) => 6,
            Self::TooShort => 7,
        }
    }

    /// What the chip did wrong, if it is the chip's fault.
    pub const fn anomaly(self) -> Option<Anomaly> {
        match self {
            Self::NobodyListens | Self::Status(_) | Self::NoSignal => None,
            Self::Message(WireError::Truncated) => Some(Anomaly::Truncated(MessageId::RECEIVE)),
            Self::Message(WireError::Interface(_)) => {
                Some(Anomaly::UnknownInterface(MessageId::RECEIVE))
            }
            Self::Message(_) => Some(Anomaly::Malformed(MessageId::RECEIVE)),
            Self::Channel(_) | Self::Rate(_) | Self::Encryption(_) | Self::TooShort => {
                Some(Anomaly::BadFrame)
            }
        }
    }
}

impl fmt::Display for RxDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(error) => write!(f, "bad message: {error}"),
            Self::NobodyListens => f.write_str("nobody listens on the generic interface"),
            Self::Status(status) => write!(f, "reception failed: {status}"),
            Self::NoSignal => f.write_str("beacon without a signal strength"),
            Self::Channel(number) => write!(f, "channel {number} does not exist"),
            Self::Rate(rate) => write!(f, "rate id {rate} does not exist on the band"),
            Self::Encryption(code) => write!(f, "encryption state {code} does not exist"),
            Self::TooShort => f.write_str("shorter than its header and cipher"),
        }
    }
}

/// A received frame, and what the driver itself has to know of its bytes.
pub(crate) struct Received {
    pub(crate) part: RxPart<RxStatus>,
    pub(crate) control: FrameControl,
    /// It is for a group address.
    pub(crate) group: bool,
}

/// Checks the RECEIVE indication at `message` of a burst, and finds the frame in it and how it was received.
///
/// `generic` is the interface that scans or listens: what comes for interface 2 is its. WAPI header and trailer are
/// stripped here, in place; those of the other ciphers are the chip's business, or the stack's.
///
/// # Errors
///
/// Why the frame cannot go up. The rest of the burst is not concerned.
#[inline(always)]
pub fn receive(
    burst: &mut [u8],
    message: Span,
    generic: Option<InterfaceId>,
    at: Instant,
) -> Result<RxPart<RxStatus>, RxDrop> {
    examine(burst, message, generic, at).map(|received| received.part)
}

/// The same as [`receive`], which looks at the bytes of a frame once for everybody.
#[inline(always)]
pub(crate) fn examine(
    burst: &mut [u8],
    message: Span,
    generic: Option<InterfaceId>,
    at: Instant,
) -> Result<Received, RxDrop> {
    let bytes = message.of(burst);
    let (header, frame) = ReceiveHeader::split(bytes).map_err(RxDrop::Message)?;
    let interface = match header.interface().map_err(RxDrop::Message)? {
        InterfaceId::Two => generic.ok_or(RxDrop::NobodyListens)?,
        own => own,
    };
    let status = header.status();
    let control = FrameControl::of(frame);
    let group = frame.get(4).is_some_and(|first| first & 1 != 0);
    let signal = header.signal();
    if header.rcpi() == 0
        && matches!(
            control.kind(),
            FrameControl::BEACON | FrameControl::PROBE_RESPONSE
        )
    {
        return Err(RxDrop::NoSignal);
    }
    let channel = header.channel().0;
    let channel = Channel::new(channel).ok_or(RxDrop::Channel(channel))?;
    let rate = rate(header.rate(), channel.band())?;
    let flags = header.flags();
    let encryption = flags.encryption();
    let (protection, room) = protection(status, encryption)?;
    // A frame that is not decrypted may be any control frame; the stack checks those.
    if protection.decrypted {
        let needed = control
            .header_len()
            .saturating_add(room.0)
            .saturating_add(room.1);
        if frame.len() < needed {
            return Err(RxDrop::TooShort);
        }
    }
    let status = RxStatus {
        at,
        channel,
        rate,
        bandwidth: None,
        short_gi: None,
        signal,
        interface,
        peer: flags.peer(),
        protection,
        aggregate: aggregate(flags),
    };
    let frame_len = frame.len();
    let mut start = usize::from(message.start).saturating_add(FRAME_OFFSET);
    let mut len = frame_len;
    if encryption == Encryption::Wapi && protection.decrypted {
        let (header, trailer) = encryption.overhead();
        let moved = control.header_len();
        let whole = burst
            .get_mut(start..start.saturating_add(frame_len))
            .ok_or(RxDrop::TooShort)?;
        // The header moves up against the body, over the cipher header; `needed` was checked above.
        whole.copy_within(..moved, header);
        start = start.saturating_add(header);
        len = len.saturating_sub(header.saturating_add(trailer));
    }
    let span = Span {
        start: u16::try_from(start).map_err(|_error| RxDrop::TooShort)?,
        len: u16::try_from(len).map_err(|_error| RxDrop::TooShort)?,
    };
    Ok(Received {
        part: RxPart { span, status },
        control,
        group,
    })
}

/// The rate of a frame, if its band has it.
#[inline(always)]
const fn rate(reported: ReportedRate, band: Band) -> Result<RxRate, RxDrop> {
    let ReportedRate::Known(rate) = reported else {
        return Err(RxDrop::Rate(reported.raw()));
    };
    if let Some(mcs) = rate.mcs() {
        return Ok(RxRate::Ht { mcs });
    }
    let id = rate.raw();
    let below_ofdm = RateId::OFDM_6.raw();
    let index = match band {
        Band::TwoPointFourGhz if id <= RateId::CCK_11.raw() => id,
        Band::TwoPointFourGhz if id >= below_ofdm => id.wrapping_sub(2),
        Band::FiveGhz if id >= below_ofdm => id.wrapping_sub(below_ofdm),
        _ => return Err(RxDrop::Rate(id)),
    };
    Ok(RxRate::Legacy { index })
}

const fn aggregate(flags: RxFlags) -> Aggregate {
    Aggregate {
        part: flags.aggregated(),
        first: flags.first_of_aggregate(),
        last: flags.last_of_aggregate(),
    }
}

/// What the chip did with the protection, and how much of the cipher is still in the frame (file 30, section 5.5).
#[inline(always)]
const fn protection(
    status: Status,
    encryption: Encryption,
) -> Result<(RxProtection, (usize, usize)), RxDrop> {
    let untouched = RxProtection {
        decrypted: false,
        iv_stripped: false,
        mic_stripped: false,
        mmic_stripped: false,
        mmic_error: false,
    };
    let mic_failed = match status {
        Status::Success => false,
        Status::MicFailure => true,
        // Nobody gave the chip a key: the frame is as it came from the air, and a cipher in software can read it (file
        // 30, D26).
        Status::NoKey => return Ok((untouched, (0, 0))),
        other => return Err(RxDrop::Status(other)),
    };
    let decrypted = match encryption {
        Encryption::None => untouched,
        Encryption::Invalid(code) => return Err(RxDrop::Encryption(code)),
        Encryption::Wep | Encryption::Aes => RxProtection {
            decrypted: true,
            ..untouched
        },
        Encryption::Tkip => RxProtection {
            decrypted: true,
            mmic_stripped: true,
            ..untouched
        },
        Encryption::Wapi => RxProtection {
            decrypted: true,
            iv_stripped: true,
            mic_stripped: true,
            ..untouched
        },
        Encryption::Stripped => RxProtection {
            decrypted: true,
            iv_stripped: true,
            mic_stripped: true,
            mmic_stripped: true,
            ..untouched
        },
    };
    let (header, trailer) = encryption.overhead();
    if mic_failed {
        let failed = RxProtection {
            iv_stripped: true,
            mmic_error: true,
            ..decrypted
        };
        return Ok((failed, (header, 0)));
    }
    Ok((decrypted, (header, trailer)))
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use bes_wsm::wire::rx::dbm_to_rcpi;
    use bes_wsm::wire::ChannelNumber;
    use proptest::prelude::*;

    const AT: Instant = Instant::from_millis(7);

    struct Message {
        status: Status,
        channel: u16,
        rate: u8,
        rcpi: u8,
        flags: RxFlags,
        interface: InterfaceId,
        frame: Vec<u8>,
    }

    impl Message {
        fn new(control: [u8; 2], len: usize) -> Self {
            let mut frame: Vec<u8> = (0..len).map(|n| n.to_le_bytes()[0]).collect();
            frame[..2].copy_from_slice(&control);
            Self {
                status: Status::Success,
                channel: 6,
                rate: 21,
                rcpi: dbm_to_rcpi(Dbm(-50)),
                flags: RxFlags::new(),
                interface: InterfaceId::Zero,
                frame,
            }
        }

        fn data() -> Self {
            Self::new([0x88, 0x42], 100)
        }

        fn encrypted(self, encryption: Encryption) -> Self {
            let flags = self.flags.with_encryption(encryption);
            Self { flags, ..self }
        }

        /// In the middle of a burst, so that offsets matter.
        fn receive(
            &self,
            generic: Option<InterfaceId>,
        ) -> (Result<RxPart<RxStatus>, RxDrop>, Vec<u8>) {
            let header = ReceiveHeader::new(
                self.status,
                ChannelNumber(self.channel),
                ReportedRate::from_raw(self.rate),
                self.rcpi,
                self.flags,
            );
            let mut burst = vec![0xEE; 2048];
            let len = header
                .emit(self.interface, &self.frame, &mut burst[64..])
                .unwrap();
            let message = Span {
                start: 64,
                len: u16::try_from(len).unwrap(),
            };
            let result = receive(&mut burst, message, generic, AT);
            (result, burst)
        }

        fn status(&self) -> RxStatus {
            self.receive(None).0.unwrap().status
        }

        fn drop(&self) -> RxDrop {
            self.receive(None).0.unwrap_err()
        }
    }

    #[test]
    fn a_frame_goes_up_where_it_lies() {
        let message = Message::data().encrypted(Encryption::Stripped);
        let (part, burst) = message.receive(None);
        let part = part.unwrap();
        assert_eq!(part.span.of(&burst), message.frame);
        assert_eq!(
            part.status,
            RxStatus {
                at: AT,
                channel: Channel::new(6).unwrap(),
                rate: RxRate::Ht { mcs: 7 },
                bandwidth: None,
                short_gi: None,
                signal: Some(Dbm(-50)),
                interface: InterfaceId::Zero,
                peer: Peer::Link(crate::types::LinkId::BSS),
                protection: RxProtection {
                    decrypted: true,
                    iv_stripped: true,
                    mic_stripped: true,
                    mmic_stripped: true,
                    mmic_error: false,
                },
                aggregate: Aggregate::default(),
            }
        );
    }

    #[test]
    fn the_worked_example_is_received() {
        let mut burst = vec![0; 72];
        burst[..32].copy_from_slice(&[
            0x48, 0x00, 0x04, 0x28, 0, 0, 0, 0, 0x06, 0x00, 0x15, 0x78, 0x07, 0x40, 0x01, 0x00, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ]);
        burst[32..34].copy_from_slice(&[0x88, 0x02]);
        let whole = Span { start: 0, len: 72 };
        let part = receive(&mut burst, whole, None, AT).unwrap();
        assert_eq!(part.span, Span { start: 32, len: 40 });
        assert_eq!(part.status.signal, Some(Dbm(-50)));
        assert_eq!(part.status.rate, RxRate::Ht { mcs: 7 });
        assert!(part.status.protection.decrypted);
    }

    #[test]
    fn the_generic_interface_stands_for_whoever_listens() {
        let message = Message {
            interface: InterfaceId::Two,
            ..Message::data()
        };
        assert_eq!(message.drop(), RxDrop::NobodyListens);
        let (part, _) = message.receive(Some(InterfaceId::One));
        assert_eq!(part.unwrap().status.interface, InterfaceId::One);
    }

    #[test]
    fn legacy_rates_are_indexes_of_their_band() {
        for (channel, rate, index) in [
            (6, 0, 0),
            (6, 3, 3),
            (6, 6, 4),
            (6, 13, 11),
            (36, 6, 0),
            (36, 13, 7),
        ] {
            let message = Message {
                channel,
                rate,
                ..Message::data()
            };
            assert_eq!(message.status().rate, RxRate::Legacy { index });
        }
    }

    /// File 30, D25; file 20, D51.
    #[test]
    fn d25_d51_rates_that_the_band_does_not_have_are_dropped() {
        for (channel, rates) in [
            (6, &[4, 5, 22, 255][..]),
            (36, &[0, 1, 2, 3, 4, 5, 22, 255]),
        ] {
            for &rate in rates {
                let message = Message {
                    channel,
                    rate,
                    ..Message::data()
                };
                assert_eq!(message.drop(), RxDrop::Rate(rate));
                assert_eq!(message.drop().anomaly(), Some(Anomaly::BadFrame));
            }
        }
    }

    /// File 30, D25: what the chip tells about aggregates goes up, what it does not tell is not made up.
    #[test]
    fn d25_aggregates_are_reported() {
        let flags = RxFlags::new()
            .with_aggregated(true)
            .with_last_of_aggregate(true);
        let status = Message {
            flags,
            ..Message::data()
        }
        .status();
        assert_eq!(
            status.aggregate,
            Aggregate {
                part: true,
                first: false,
                last: true
            }
        );
        assert_eq!((status.bandwidth, status.short_gi), (None, None));
    }

    /// File 30, D26.
    #[test]
    fn d26_a_frame_without_a_key_in_the_chip_goes_up_as_it_came() {
        let message = Message {
            status: Status::NoKey,
            ..Message::data().encrypted(Encryption::Aes)
        };
        let (part, burst) = message.receive(None);
        let part = part.unwrap();
        assert_eq!(part.status.protection, RxProtection::default());
        assert_eq!(part.span.of(&burst), message.frame);
    }

    /// File 30, D20.
    #[test]
    fn d20_all_fourteen_stations_are_told_apart() {
        for link in 0..=14 {
            let link = crate::types::LinkId::new(link).unwrap();
            let flags = RxFlags::new().with_peer(Peer::Link(link));
            let message = Message {
                flags,
                ..Message::data()
            };
            assert_eq!(message.status().peer, Peer::Link(link));
        }
        let flags = RxFlags::new().with_peer(Peer::Unmapped);
        let message = Message {
            flags,
            ..Message::data()
        };
        assert_eq!(message.status().peer, Peer::Unmapped);
    }

    #[test]
    fn failed_receptions_are_dropped_and_are_no_anomaly() {
        for status in [
            Status::Failure,
            Status::DecryptionFailure,
            Status::Unknown(99),
        ] {
            let message = Message {
                status,
                ..Message::data()
            };
            assert_eq!(message.drop(), RxDrop::Status(status));
            assert_eq!(message.drop().anomaly(), None);
        }
    }

    #[test]
    fn a_michael_failure_goes_up_marked() {
        let message = Message {
            status: Status::MicFailure,
            ..Message::new([0x08, 0x42], 32)
        };
        let protection = message.encrypted(Encryption::Tkip).status().protection;
        assert!(protection.mmic_error && protection.iv_stripped && protection.decrypted);
    }

    #[test]
    fn beacons_without_signal_are_dropped_but_data_is_not() {
        for control in [[0x80, 0], [0x50, 0]] {
            let message = Message {
                rcpi: 0,
                ..Message::new(control, 60)
            };
            assert_eq!(message.drop(), RxDrop::NoSignal);
        }
        let message = Message {
            rcpi: 0,
            ..Message::data()
        };
        assert_eq!(message.status().signal, None);
    }

    #[test]
    fn channels_that_do_not_exist_are_dropped() {
        for channel in [0, 15, 200, 0x0106] {
            let message = Message {
                channel,
                ..Message::data()
            };
            assert_eq!(message.drop(), RxDrop::Channel(channel));
        }
    }

    #[test]
    fn ciphers_left_in_the_frame_need_their_room() {
        for (encryption, overhead) in [
            (Encryption::Wep, 8),
            (Encryption::Tkip, 20),
            (Encryption::Aes, 16),
            (Encryption::Wapi, 34),
        ] {
            let exact = Message::new([0x88, 0x42], 26 + overhead).encrypted(encryption);
            assert!(exact.receive(None).0.is_ok());
            let short = Message::new([0x88, 0x42], 25 + overhead).encrypted(encryption);
            assert_eq!(short.drop(), RxDrop::TooShort);
        }
        for code in [5, 6] {
            let message = Message::data().encrypted(Encryption::Invalid(code));
            assert_eq!(message.drop(), RxDrop::Encryption(code));
        }
    }

    #[test]
    fn wapi_is_stripped_in_place() {
        let message = Message::new([0x88, 0x42], 26 + 18 + 10 + 16).encrypted(Encryption::Wapi);
        let (part, burst) = message.receive(None);
        let part = part.unwrap();
        let body = [&message.frame[..26], &message.frame[44..54]].concat();
        assert_eq!(part.span.of(&burst), body);
        let protection = part.status.protection;
        assert!(protection.iv_stripped && protection.mic_stripped);
        // What lies beside the message is not touched.
        assert!(burst[..64].iter().all(|byte| *byte == 0xEE));
    }

    #[test]
    fn malformed_messages_are_anomalies() {
        let mut burst = vec![0; 64];
        burst[..4].copy_from_slice(&[64, 0, 0xC4, 0x08]);
        let whole = Span { start: 0, len: 64 };
        let drop = receive(&mut burst, whole, None, AT).unwrap_err();
        assert_eq!(drop, RxDrop::Message(WireError::Interface(3)));
        assert_eq!(
            drop.anomaly(),
            Some(Anomaly::UnknownInterface(MessageId::RECEIVE))
        );
        let drop = receive(&mut burst, Span { start: 0, len: 40 }, None, AT).unwrap_err();
        assert_eq!(drop.anomaly(), Some(Anomaly::Truncated(MessageId::RECEIVE)));
    }

    proptest! {
        #[test]
        fn nothing_a_chip_says_can_do_harm(
            body in proptest::collection::vec(any::<u8>(), 0..120),
            start in 0_u16..40,
            cut in 0_usize..8,
        ) {
            // A good message header in front, so that the rest is looked at.
            let len = u8::try_from(body.len() + 4).unwrap();
            let mut burst = vec![0x55; usize::from(start)];
            burst.extend([len, 0, 0x04, 0x08]);
            burst.extend(&body);
            burst.truncate(burst.len().saturating_sub(cut));
            let before = burst.clone();
            let message = Span { start, len: u16::from(len) };
            if let Ok(part) = receive(&mut burst, message, None, AT) {
                let end = usize::from(part.span.start) + usize::from(part.span.len);
                prop_assert!(part.span.start >= start + 32);
                prop_assert!(end <= usize::from(start) + usize::from(len) && end <= burst.len());
            }
            let beside = usize::from(start).min(before.len());
            prop_assert_eq!(&burst[..beside], &before[..beside]);
        }
    }
}
