//! Frames on their way up.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 4 | 4 | status |
//! | 8 | 2 | channel |
//! | 10 | 1 | rate id |
//! | 11 | 1 | RCPI in steps of half a dB above -110 dBm; 0 is "not measured" |
//! | 12 | 4 | flags |
//! | 16 | 16 | unknown words |
//! | 32 | n | frame without FCS, at least 16 bytes |
//!
//! Source: file 20, sections 12.7 to 12.10.

use super::codec::{fixed, Writer};
use super::error::WireError;
use super::header::{InterfaceId, RawHeader};
use super::id::MessageId;
use super::rate::ReportedRate;
use super::status::Status;
use super::unit::{ChannelNumber, Dbm, LinkId};
use bitfield_struct::bitfield;
use core::fmt;
use core::mem::{offset_of, size_of};
use static_assertions::const_assert_eq;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Where the frame starts in the message.
pub const FRAME_OFFSET: usize = 32;

/// Shortest frame that is accepted, in bytes.
pub const MIN_FRAME_LEN: usize = 16;

/// The state of a received frame's protection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encryption {
    /// It came without.
    #[default]
    None,
    /// WEP; decrypted, cipher header and trailer are still there.
    Wep,
    /// TKIP; decrypted, cipher header and trailer are still there.
    Tkip,
    /// CCMP; decrypted, cipher header and trailer are still there.
    Aes,
    /// WAPI; decrypted, cipher header and trailer are still there.
    Wapi,
    /// A code that the specification calls invalid: 5 or 6.
    Invalid(u8),
    /// Decrypted, cipher header and trailer are removed.
    Stripped,
}

impl Encryption {
    const fn from_bits(bits: u8) -> Self {
        match bits & 7 {
            0 => Self::None,
            1 => Self::Wep,
            2 => Self::Tkip,
            3 => Self::Aes,
            4 => Self::Wapi,
            7 => Self::Stripped,
            other => Self::Invalid(other),
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Wep => 1,
            Self::Tkip => 2,
            Self::Aes => 3,
            Self::Wapi => 4,
            Self::Invalid(other) => other & 7,
            Self::Stripped => 7,
        }
    }

    /// Bytes of cipher header (behind the 802.11 header) and cipher trailer (at the end) that are still in the frame.
    pub const fn overhead(self) -> (usize, usize) {
        match self {
            Self::None | Self::Invalid(_) | Self::Stripped => (0, 0),
            Self::Wep => (4, 4),
            Self::Tkip => (8, 12),
            Self::Aes => (8, 8),
            Self::Wapi => (18, 16),
        }
    }
}

/// Who sent a received frame, as an access point sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// A mapped station, or the own BSS.
    Link(LinkId),
    /// A station without a link id.
    Unmapped,
}

impl Peer {
    const fn from_bits(bits: u8) -> Self {
        match LinkId::new(bits & 0xF) {
            Ok(link) => Self::Link(link),
            Err(_) => Self::Unmapped,
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::Link(link) => link.raw(),
            Self::Unmapped => 15,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(link) => link.fmt(f),
            Self::Unmapped => f.write_str("unmapped station"),
        }
    }
}

/// Flags of a received frame (file 20, section 12.10).
#[bitfield(u32)]
#[derive(PartialEq, Eq, Hash)]
pub struct RxFlags {
    /// State of its protection.
    #[bits(3)]
    pub encryption: Encryption,
    /// Part of an A-MPDU.
    pub aggregated: bool,
    /// First of an A-MPDU.
    pub first_of_aggregate: bool,
    /// Last of an A-MPDU.
    pub last_of_aggregate: bool,
    /// Put together from fragments.
    pub defragmented: bool,
    /// It is a beacon.
    pub beacon: bool,
    /// Its TIM has the own AID.
    pub tim_own: bool,
    /// Its TIM has the multicast bit.
    pub tim_multicast: bool,
    /// Its SSID is that of the own BSS.
    pub ssid_match: bool,
    /// Its BSSID is that of the own BSS.
    pub bssid_match: bool,
    /// More data is waiting.
    pub more_data: bool,
    /// Received during a measurement.
    pub measurement: bool,
    /// Received with an HT rate.
    pub ht: bool,
    /// Received with STBC.
    pub stbc: bool,
    /// Address 1 is the own address.
    pub to_self: bool,
    /// Address 1 is a group address.
    pub to_group: bool,
    /// Address 1 is the broadcast address.
    pub to_broadcast: bool,
    /// Decrypted with a group key.
    pub group_key: bool,
    /// Index of the key.
    #[bits(4, access = RO)]
    pub key_index: u8,
    /// Not defined.
    #[bits(1)]
    __: u8,
    /// Who sent it.
    #[bits(4)]
    pub peer: Peer,
    /// Not defined.
    #[bits(3)]
    __: u8,
}

/// The 32 bytes in front of a received frame, read in place.
#[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ReceiveHeader {
    header: Blank,
    status: U32,
    channel: U16,
    rate: u8,
    rcpi: u8,
    flags: U32,
    unknown: [U32; 4],
}

/// The message header inside a [`ReceiveHeader`]: it says nothing about the frame.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Blank(RawHeader);

impl PartialEq for Blank {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Blank {}

const_assert_eq!(size_of::<ReceiveHeader>(), FRAME_OFFSET);
const_assert_eq!(offset_of!(ReceiveHeader, status), 4);
const_assert_eq!(offset_of!(ReceiveHeader, channel), 8);
const_assert_eq!(offset_of!(ReceiveHeader, rcpi), 11);
const_assert_eq!(offset_of!(ReceiveHeader, flags), 12);
const_assert_eq!(offset_of!(ReceiveHeader, unknown), 16);

impl ReceiveHeader {
    /// Id of the message.
    pub const ID: MessageId = MessageId::RECEIVE;

    /// A header as the chip would write it, with the unknown words 0.
    pub fn new(
        status: Status,
        channel: ChannelNumber,
        rate: ReportedRate,
        rcpi: u8,
        flags: RxFlags,
    ) -> Self {
        Self {
            header: Blank(RawHeader::BLANK),
            status: U32::new(status.raw()),
            channel: U16::new(channel.0),
            rate: rate.raw(),
            rcpi,
            flags: U32::new(flags.into_bits()),
            unknown: [U32::ZERO; 4],
        }
    }

    /// Checks a whole message and finds its header. The frame is what follows, at [`FRAME_OFFSET`].
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`] if there is no header or the frame has less than 16 bytes.
    pub fn parse(message: &[u8]) -> Result<&Self, WireError> {
        Self::split(message).map(|(header, _)| header)
    }

    /// Checks a whole message and takes it apart into header and frame.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn split(message: &[u8]) -> Result<(&Self, &[u8]), WireError> {
        let (header, frame) = fixed::<Self>(message, Self::ID)?;
        if frame.len() < MIN_FRAME_LEN {
            return Err(WireError::Truncated);
        }
        Ok((header, frame))
    }

    /// The interface that the frame is for.
    ///
    /// # Errors
    ///
    /// [`WireError::Interface`] above 2.
    #[inline]
    pub fn interface(&self) -> Result<InterfaceId, WireError> {
        self.header.0.interface()
    }

    /// What the chip says about the frame.
    pub const fn status(&self) -> Status {
        Status::from_raw(self.status.get())
    }

    /// Channel on which it was received.
    pub const fn channel(&self) -> ChannelNumber {
        ChannelNumber(self.channel.get())
    }

    /// Rate at which it was received.
    pub const fn rate(&self) -> ReportedRate {
        ReportedRate::from_raw(self.rate)
    }

    /// Signal strength, or `None` if it was not measured.
    pub fn signal(&self) -> Option<Dbm> {
        rcpi_to_dbm(self.rcpi)
    }

    /// Signal strength as on the wire, 0 if it was not measured.
    pub const fn rcpi(&self) -> u8 {
        self.rcpi
    }

    /// Flags.
    pub const fn flags(&self) -> RxFlags {
        RxFlags::from_bits(self.flags.get())
    }

    /// Writes the message with its `frame` and returns its length.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`], [`WireError::TooLong`].
    pub fn emit(
        &self,
        interface: InterfaceId,
        frame: &[u8],
        out: &mut [u8],
    ) -> Result<usize, WireError> {
        let mut writer = Writer::new(out);
        writer.put(self)?;
        writer.bytes(frame)?;
        writer.finish(Self::ID, interface)
    }
}

impl fmt::Debug for ReceiveHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiveHeader")
            .field("status", &self.status())
            .field("channel", &self.channel())
            .field("rate", &self.rate())
            .field("rcpi", &self.rcpi)
            .field("flags", &self.flags())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ReceiveHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "receive: {}, {}, {}",
            self.status(),
            self.channel(),
            self.rate()
        )?;
        match self.signal() {
            Some(signal) => write!(f, ", {signal}")?,
            None => f.write_str(", no signal")?,
        }
        write!(f, ", flags {:#x}", self.flags.get())
    }
}

/// Received channel power (unsigned Q7.1 above -110 dBm) in dBm; `None` for 0, which is "not measured" (file 20,
/// section 12.8).
pub fn rcpi_to_dbm(rcpi: u8) -> Option<Dbm> {
    if rcpi == 0 {
        return None;
    }
    let dbm = i16::from(rcpi / 2).saturating_sub(110);
    i8::try_from(dbm).ok().map(Dbm)
}

/// A power in dBm as RCPI, at most what a byte holds.
pub fn dbm_to_rcpi(dbm: Dbm) -> u8 {
    let steps = i16::from(dbm.0).saturating_add(110).saturating_mul(2);
    u8::try_from(steps.clamp(0, 255)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::header::stamp_sequence;
    use crate::wire::header::SequenceNumber;
    use proptest::prelude::*;

    const CAPTURE: [u8; 72] = [
        0x48, 0x00, 0x04, 0x28, 0x00, 0x00, 0x00, 0x00, 0x06, 0x00, 0x15, 0x78, 0x07, 0x40, 0x01,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x88, 0x02, 0x00, 0x00, 0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 0x00, 0x1a, 0x2b,
        0x3c, 0x4d, 0x5e, 0x00, 0x1a, 0x2b, 0x3c, 0x4d, 0x5f, 0x20, 0x00, 0x00, 0x00, 0xaa, 0xaa,
        0x03, 0x00, 0x00, 0x00, 0x08, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ];

    #[test]
    fn the_capture_is_read() {
        let (header, frame) = ReceiveHeader::split(&CAPTURE).unwrap();
        assert_eq!(header.status(), Status::Success);
        assert_eq!(header.channel(), ChannelNumber(6));
        assert_eq!(header.rate(), ReportedRate::from_raw(21));
        assert_eq!(header.signal(), Some(Dbm(-50)));
        let flags = header.flags();
        assert_eq!(flags.encryption(), Encryption::Stripped);
        assert!(flags.ht() && flags.to_self() && !flags.aggregated());
        assert_eq!(flags.peer(), Peer::Link(LinkId::BSS));
        assert_eq!(frame, &CAPTURE[FRAME_OFFSET..]);
        assert_eq!(frame.len(), 40);
        assert_eq!(
            header.to_string(),
            "receive: success, channel 6, MCS7, -50 dBm, flags 0x14007"
        );
    }

    #[test]
    fn the_capture_is_written() {
        let flags = RxFlags::new()
            .with_encryption(Encryption::Stripped)
            .with_ht(true)
            .with_to_self(true);
        let header = ReceiveHeader::new(
            Status::Success,
            ChannelNumber(6),
            ReportedRate::from_raw(21),
            dbm_to_rcpi(Dbm(-50)),
            flags,
        );
        let mut out = [0xee; 80];
        let frame = &CAPTURE[FRAME_OFFSET..];
        assert_eq!(header.emit(InterfaceId::Zero, frame, &mut out), Ok(72));
        stamp_sequence(&mut out, SequenceNumber::new(1)).unwrap();
        assert_eq!(out[..72], CAPTURE);
        for room in 0..72 {
            let written = header.emit(InterfaceId::Zero, frame, &mut out[..room]);
            assert_eq!(written, Err(WireError::NoRoom));
        }
    }

    #[test]
    fn a_message_cut_short_is_truncated() {
        for len in 0..CAPTURE.len() {
            assert_eq!(
                ReceiveHeader::parse(&CAPTURE[..len]),
                Err(WireError::Truncated)
            );
        }
        // The same with a header that admits it: a frame needs 16 bytes.
        for len in 4..72_u8 {
            let mut message = CAPTURE;
            message[0] = len;
            let parsed = ReceiveHeader::parse(&message);
            assert_eq!(parsed.is_ok(), len >= 48, "{len}");
            assert!(len >= 48 || parsed == Err(WireError::Truncated));
        }
    }

    #[test]
    fn flags_lie_where_the_specification_says() {
        assert!(RxFlags::from_bits(1 << 3).aggregated());
        assert!(RxFlags::from_bits(1 << 7).beacon());
        assert!(RxFlags::from_bits(1 << 14).ht());
        assert!(RxFlags::from_bits(1 << 19).group_key());
        assert_eq!(RxFlags::from_bits(0xa << 20).key_index(), 0xa);
        assert_eq!(RxFlags::from_bits(15 << 25).peer(), Peer::Unmapped);
        assert_eq!(RxFlags::from_bits(14 << 25).peer(), Peer::Link(LinkId::MAX));
        assert_eq!(
            RxFlags::new().with_peer(Peer::Unmapped).into_bits(),
            0x1e00_0000
        );
        for code in [5, 6] {
            assert_eq!(RxFlags::from_bits(code).encryption().overhead(), (0, 0));
        }
    }

    #[test]
    fn rcpi_is_half_decibels_above_minus_110_and_zero_is_unknown() {
        assert_eq!(rcpi_to_dbm(0), None);
        assert_eq!(rcpi_to_dbm(1), Some(Dbm(-110)));
        assert_eq!(rcpi_to_dbm(120), Some(Dbm(-50)));
        assert_eq!(rcpi_to_dbm(255), Some(Dbm(17)));
        for dbm in -109..=17 {
            assert_eq!(rcpi_to_dbm(dbm_to_rcpi(Dbm(dbm))), Some(Dbm(dbm)));
        }
        assert_eq!(dbm_to_rcpi(Dbm(i8::MIN)), 0);
        assert_eq!(dbm_to_rcpi(Dbm(i8::MAX)), 255);
    }

    proptest! {
        #[test]
        fn every_header_survives_reading_and_writing(body in proptest::array::uniform32(any::<u8>())) {
            let message = crate::wire::check::message(MessageId::RECEIVE, &[body, body].concat());
            let (header, frame) = ReceiveHeader::split(&message).unwrap();
            let mut out = [0; 128];
            let len = header.emit(InterfaceId::One, frame, &mut out).unwrap();
            prop_assert_eq!(&out[..len], &message[..]);
            let _text = (header.to_string(), header.status(), header.flags().peer());
        }
    }
}
