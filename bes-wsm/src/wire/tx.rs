//! Frames on their way down, and what became of them.
//!
//! TRANSMIT, 24 bytes in front of the frame:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 4 | 4 | packet id |
//! | 8 | 1 | highest rate id |
//! | 9 | 1 | queue (bits 0-1), link id (bits 2-7) |
//! | 10 | 1 | more: 0 |
//! | 11 | 1 | flags |
//! | 12 | 4 | reserved |
//! | 16 | 4 | expire time in TU, 0 = default |
//! | 20 | 4 | HT parameters |
//! | 24 | 0 or 2 | shift, so that the frame's body is aligned |
//! | 24 or 26 | n | frame without FCS |
//!
//! Transmit confirm, 24 bytes; multi-transmit confirm, a u32 count and as many records of bytes 4 to 23:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 4 | 4 | packet id |
//! | 8 | 4 | status |
//! | 12 | 1 | rate id used |
//! | 13 | 1 | ACK failures |
//! | 14 | 2 | flags |
//! | 16 | 4 | media delay in µs |
//! | 20 | 4 | queue delay in µs |
//!
//! Source: file 20, sections 12.1 to 12.6.

use super::codec::{array, fixed, open, prefix, Writer};
use super::error::WireError;
use super::header::{Header, InterfaceId, RawHeader, MAX_MESSAGE_LEN};
use super::id::MessageId;
use super::packet_id::PacketId;
use super::rate::{RateId, RatePolicyIndex, ReportedRate};
use super::status::Status;
use super::unit::{LinkId, QueueId, Tu};
use super::Confirm;
use bitfield_struct::bitfield;
use core::fmt;
use core::mem::{offset_of, size_of};
use static_assertions::const_assert_eq;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes in front of a frame that has no shift.
pub const TRANSMIT_HEADER_LEN: usize = 24;

/// Bytes of the shift that [`TxFlags::shifted`] announces.
pub const SHIFT_LEN: usize = 2;

/// Offset of the packet id in a TRANSMIT message.
pub const PACKET_ID_OFFSET: usize = offset_of!(TransmitWire, packet_id);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct TransmitWire {
    header: RawHeader,
    packet_id: U32,
    max_rate: u8,
    queue: u8,
    more: u8,
    flags: u8,
    reserved: U32,
    expire: U32,
    ht: U32,
}

const_assert_eq!(size_of::<TransmitWire>(), TRANSMIT_HEADER_LEN);
const_assert_eq!(offset_of!(TransmitWire, packet_id), 4);
const_assert_eq!(offset_of!(TransmitWire, flags), 11);
const_assert_eq!(offset_of!(TransmitWire, expire), 16);
const_assert_eq!(offset_of!(TransmitWire, ht), 20);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RecordWire {
    packet_id: U32,
    status: U32,
    rate: u8,
    ack_failures: u8,
    flags: U16,
    media_delay: U32,
    queue_delay: U32,
}

const_assert_eq!(size_of::<RecordWire>(), 20);
const_assert_eq!(offset_of!(RecordWire, rate), 8);
const_assert_eq!(offset_of!(RecordWire, flags), 10);
const_assert_eq!(offset_of!(RecordWire, queue_delay), 16);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ConfirmWire {
    header: RawHeader,
    record: RecordWire,
}

const_assert_eq!(size_of::<ConfirmWire>(), 24);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct MultiWire {
    header: RawHeader,
    count: U32,
}

const_assert_eq!(size_of::<MultiWire>(), 8);

/// How urgent a frame is against Bluetooth (file 20, section 4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EptaPriority {
    /// Not filled in: what is sent while no Bluetooth element is known.
    #[default]
    None,
    /// Data.
    Data,
    /// Management, action, video.
    Management,
    /// Voice.
    Voice,
    /// Key negotiation.
    Eapol,
    /// A code that the specification does not define: 1 to 3.
    Unknown(u8),
}

impl EptaPriority {
    const fn from_bits(bits: u8) -> Self {
        match bits & 7 {
            0 => Self::None,
            4 => Self::Data,
            5 => Self::Management,
            6 => Self::Voice,
            7 => Self::Eapol,
            other => Self::Unknown(other),
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Data => 4,
            Self::Management => 5,
            Self::Voice => 6,
            Self::Eapol => 7,
            Self::Unknown(other) => other & 3,
        }
    }
}

/// Flags of a TRANSMIT message (file 20, section 12.3).
#[bitfield(u8)]
#[derive(PartialEq, Eq, Hash)]
pub struct TxFlags {
    /// The lifetime counts from the arrival of the request in the chip, not from the first attempt.
    pub lifetime_from_arrival: bool,
    /// Priority against Bluetooth.
    #[bits(3)]
    pub epta_priority: EptaPriority,
    /// Rate policy of the frame.
    #[bits(3)]
    pub policy: RatePolicyIndex,
    /// The frame starts two bytes later, at offset 26.
    pub shifted: bool,
}

/// Format of an HT transmission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HtFormat {
    /// Not HT: for every legacy rate.
    #[default]
    NonHt,
    /// Mixed.
    Mixed,
    /// Greenfield.
    Greenfield,
    /// A code that the specification does not define: 3.
    Reserved,
}

impl HtFormat {
    const fn from_bits(bits: u32) -> Self {
        match bits & 3 {
            0 => Self::NonHt,
            1 => Self::Mixed,
            2 => Self::Greenfield,
            _ => Self::Reserved,
        }
    }

    const fn into_bits(self) -> u32 {
        match self {
            Self::NonHt => 0,
            Self::Mixed => 1,
            Self::Greenfield => 2,
            Self::Reserved => 3,
        }
    }
}

/// HT parameters of a TRANSMIT message (file 20, sections 4.3 and 12.1).
#[bitfield(u32)]
#[derive(PartialEq, Eq, Hash)]
pub struct HtTxParameters {
    /// Format.
    #[bits(2)]
    pub format: HtFormat,
    /// Not defined.
    #[bits(5)]
    __: u8,
    /// STBC may be used.
    pub stbc: bool,
    /// Not defined.
    #[bits(24)]
    __: u32,
}

/// The header of a frame on its way down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransmitHeader {
    /// Interface that sends.
    pub interface: InterfaceId,
    /// Comes back in the confirm.
    pub packet: PacketId,
    /// First rate of the frame's series.
    pub max_rate: RateId,
    /// Access category.
    pub queue: QueueId,
    /// Station that it is for.
    pub link: LinkId,
    /// Flags.
    pub flags: TxFlags,
    /// How long the frame may wait; 0 is the chip's default.
    pub expire: Tu,
    /// HT parameters: [`HtFormat::NonHt`] for every legacy rate.
    pub ht: HtTxParameters,
    /// Bytes of the frame, without header and shift.
    pub frame_len: u16,
}

impl TransmitHeader {
    /// Id of the message.
    pub const ID: MessageId = MessageId::TRANSMIT;

    /// Where the frame starts in the message.
    pub const fn frame_offset(&self) -> usize {
        if self.flags.shifted() {
            TRANSMIT_HEADER_LEN.wrapping_add(SHIFT_LEN)
        } else {
            TRANSMIT_HEADER_LEN
        }
    }

    /// Length of the message: header, shift and frame.
    pub fn message_len(&self) -> usize {
        self.frame_offset()
            .saturating_add(usize::from(self.frame_len))
    }

    /// Writes the header over the first 24 bytes of `out`, which may be the whole message or only those bytes. The
    /// two bytes of a shift are the caller's, to be zeroed. Returns the length of the message.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`], [`WireError::TooLong`].
    pub fn write(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let len = self.message_len();
        if len > MAX_MESSAGE_LEN {
            return Err(WireError::TooLong);
        }
        let wire = TransmitWire {
            header: RawHeader::BLANK,
            packet_id: U32::new(self.packet.raw()),
            max_rate: self.max_rate.raw(),
            queue: self.queue.wsm() | self.link.raw().wrapping_shl(2),
            more: 0,
            flags: self.flags.into_bits(),
            reserved: U32::ZERO,
            expire: U32::new(self.expire.0),
            ht: U32::new(self.ht.into_bits()),
        };
        wire.write_to_prefix(out)
            .map_err(|_error| WireError::NoRoom)?;
        let wire_len = u16::try_from(len).map_err(|_error| WireError::TooLong)?;
        Header::new(Self::ID, self.interface, wire_len).emit(out)?;
        Ok(len)
    }

    /// Reads the header of a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`]; [`WireError::Interface`], [`WireError::Rate`] and [`WireError::LinkId`] for what
    /// does not exist.
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let interface = Header::parse(message)?.interface()?;
        let (wire, behind) = fixed::<TransmitWire>(message, Self::ID)?;
        let flags = TxFlags::from_bits(wire.flags);
        let shift = if flags.shifted() { SHIFT_LEN } else { 0 };
        let frame_len = behind
            .len()
            .checked_sub(shift)
            .ok_or(WireError::Truncated)?;
        Ok(Self {
            interface,
            packet: PacketId::from_raw(wire.packet_id.get()),
            max_rate: RateId::try_from(wire.max_rate)?,
            queue: QueueId::from_wsm(wire.queue),
            link: LinkId::new(wire.queue >> 2)?,
            flags,
            expire: Tu(wire.expire.get()),
            ht: HtTxParameters::from_bits(wire.ht.get()),
            frame_len: u16::try_from(frame_len).map_err(|_error| WireError::TooLong)?,
        })
    }
}

impl fmt::Display for TransmitHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "transmit {}: {} {}, {} {}, {} bytes",
            self.packet,
            self.queue,
            self.link,
            self.max_rate,
            self.flags.policy(),
            self.frame_len
        )?;
        if self.flags.shifted() {
            f.write_str(" shifted")?;
        }
        Ok(())
    }
}

/// Writes the packet id into a TRANSMIT message that is complete otherwise.
///
/// # Errors
///
/// [`WireError::NoRoom`] if it has no TRANSMIT header.
pub fn stamp_packet_id(message: &mut [u8], packet: PacketId) -> Result<(), WireError> {
    let (wire, _) = TransmitWire::mut_from_prefix(message).map_err(|_error| WireError::NoRoom)?;
    wire.packet_id.set(packet.raw());
    Ok(())
}

/// How the receiver acknowledges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AckType {
    /// With an ACK frame.
    #[default]
    Normal,
    /// Not at all.
    NoAck,
    /// Without an explicit ACK.
    NoExplicitAck,
    /// With a block ACK.
    BlockAck,
}

impl AckType {
    const fn from_bits(bits: u16) -> Self {
        match bits & 3 {
            0 => Self::Normal,
            1 => Self::NoAck,
            2 => Self::NoExplicitAck,
            _ => Self::BlockAck,
        }
    }

    const fn into_bits(self) -> u16 {
        match self {
            Self::Normal => 0,
            Self::NoAck => 1,
            Self::NoExplicitAck => 2,
            Self::BlockAck => 3,
        }
    }
}

/// Flags of a transmit confirm (file 20, section 12.5).
#[bitfield(u16)]
#[derive(PartialEq, Eq, Hash)]
pub struct TxConfirmFlags {
    /// The frame was part of an A-MPDU.
    pub aggregated: bool,
    /// Together with [`Status::Requeue`]: send the frame again later.
    pub requeue: bool,
    /// How it was acknowledged.
    #[bits(2)]
    pub ack: AckType,
    /// Not defined.
    #[bits(12)]
    __: u16,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransmitConfirm {
    /// The id that was sent with the frame, as the chip returned it: not checked.
    pub packet: PacketId,
    /// [`Status::Success`] if it was acknowledged.
    pub status: Status,
    /// Rate of the last attempt.
    pub rate: ReportedRate,
    /// Attempts that were not acknowledged.
    pub ack_failures: u8,
    /// Flags.
    pub flags: TxConfirmFlags,
    /// Time on the air, in µs.
    pub media_delay_us: u32,
    /// Time in the chip's queue, in µs.
    pub queue_delay_us: u32,
}

impl TransmitConfirm {
    /// Id of the message.
    pub const ID: MessageId = MessageId::TRANSMIT_CONFIRM;

    /// Whether the frame must be sent again later.
    pub const fn is_requeue(&self) -> bool {
        matches!(self.status, Status::Requeue) && self.flags.requeue()
    }

    fn from_wire(wire: &RecordWire) -> Self {
        Self {
            packet: PacketId::from_raw(wire.packet_id.get()),
            status: Status::from_raw(wire.status.get()),
            rate: ReportedRate::from_raw(wire.rate),
            ack_failures: wire.ack_failures,
            flags: TxConfirmFlags::from_bits(wire.flags.get()),
            media_delay_us: wire.media_delay.get(),
            queue_delay_us: wire.queue_delay.get(),
        }
    }

    fn to_wire(self) -> RecordWire {
        RecordWire {
            packet_id: U32::new(self.packet.raw()),
            status: U32::new(self.status.raw()),
            rate: self.rate.raw(),
            ack_failures: self.ack_failures,
            flags: U16::new(self.flags.into_bits()),
            media_delay: U32::new(self.media_delay_us),
            queue_delay: U32::new(self.queue_delay_us),
        }
    }

    /// Writes the confirm and returns its length.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`].
    pub fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let mut writer = Writer::new(out);
        writer.header()?;
        writer.put(&self.to_wire())?;
        writer.finish(Self::ID, interface)
    }
}

impl Confirm<'_> for TransmitConfirm {
    fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<ConfirmWire>(message, Self::ID)?;
        Ok(Self::from_wire(&wire.record))
    }
}

impl fmt::Display for TransmitConfirm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "transmit confirm {}: {}, {}, {} ACK failures, {} us on air, {} us queued",
            self.packet,
            self.status,
            self.rate,
            self.ack_failures,
            self.media_delay_us,
            self.queue_delay_us
        )?;
        if self.flags.aggregated() {
            f.write_str(", aggregated")?;
        }
        Ok(())
    }
}

/// What became of several frames. The count was checked: every record is there.
#[derive(Clone, Copy)]
pub struct MultiTransmitConfirm<'a> {
    records: &'a [RecordWire],
}

impl<'a> MultiTransmitConfirm<'a> {
    /// Id of the message.
    pub const ID: MessageId = MessageId::MULTI_TRANSMIT_CONFIRM;

    /// How many frames; at least 1.
    pub const fn count(&self) -> usize {
        self.records.len()
    }

    /// What became of them, one after the other.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = TransmitConfirm> + 'a {
        self.records.iter().map(TransmitConfirm::from_wire)
    }

    /// Writes a confirm of `confirms` and returns its length.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`], [`WireError::TooLong`]; [`WireError::Count`] if there is none.
    pub fn emit_confirms(
        confirms: impl IntoIterator<Item = TransmitConfirm>,
        interface: InterfaceId,
        out: &mut [u8],
    ) -> Result<usize, WireError> {
        let mut writer = Writer::new(out);
        writer.header()?;
        writer.put(&U32::ZERO)?;
        let mut count = 0_u32;
        for confirm in confirms {
            writer.put(&confirm.to_wire())?;
            count = count.saturating_add(1);
        }
        if count == 0 {
            return Err(WireError::Count);
        }
        let len = writer.finish(Self::ID, interface)?;
        let (wire, _) = MultiWire::mut_from_prefix(out).map_err(|_error| WireError::NoRoom)?;
        wire.count.set(count);
        Ok(len)
    }

    /// Writes the confirm and returns its length.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`], [`WireError::TooLong`].
    pub fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        Self::emit_confirms(self.iter(), interface, out)
    }
}

impl<'a> Confirm<'a> for MultiTransmitConfirm<'a> {
    /// Reads the confirm and checks the count once and for all, before anybody acts on any record.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`]; [`WireError::Count`] if there are fewer records than the count says, or none.
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let (wire, behind) = prefix::<MultiWire>(open(message, Self::ID)?)?;
        let count = usize::try_from(wire.count.get()).map_err(|_error| WireError::Count)?;
        let (records, _) = array::<RecordWire>(behind, count)?;
        if records.is_empty() {
            return Err(WireError::Count);
        }
        Ok(Self { records })
    }
}

impl PartialEq for MultiTransmitConfirm<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for MultiTransmitConfirm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Display for MultiTransmitConfirm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "multi-transmit confirm: {} frames", self.count())?;
        for confirm in self.iter() {
            write!(f, "; {} {}", confirm.packet, confirm.status)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, round_trips};
    use crate::wire::packet_id::QueueGeneration;

    const CONFIRM: [u8; 24] = [
        0x18, 0x00, 0x04, 0xe4, 0x05, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x15, 0x00, 0x01,
        0x00, 0x52, 0x03, 0x00, 0x00, 0x90, 0x01, 0x00, 0x00,
    ];
    const MULTI: [u8; 48] = [
        0x30, 0x00, 0x1e, 0x04, 0x02, 0x00, 0x00, 0x00, 0x05, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x15, 0x00, 0x01, 0x00, 0x52, 0x03, 0x00, 0x00, 0x90, 0x01, 0x00, 0x00, 0x06, 0x00,
        0x02, 0x00, 0x06, 0x00, 0x00, 0x00, 0x0e, 0x07, 0x00, 0x00, 0xe0, 0x2e, 0x00, 0x00, 0xf4,
        0x01, 0x00, 0x00,
    ];

    fn header() -> TransmitHeader {
        TransmitHeader {
            interface: InterfaceId::Zero,
            packet: PacketId::from_raw(0x0002_0005),
            max_rate: RateId::from_mcs(7).unwrap(),
            queue: QueueId::BestEffort,
            link: LinkId::BSS,
            flags: TxFlags::new().with_policy(RatePolicyIndex::new(1).unwrap()),
            expire: Tu(0),
            ht: HtTxParameters::new().with_format(HtFormat::Mixed),
            frame_len: 100,
        }
    }

    fn first() -> TransmitConfirm {
        TransmitConfirm {
            packet: PacketId::from_raw(0x0002_0005),
            status: Status::Success,
            rate: ReportedRate::from_raw(21),
            ack_failures: 0,
            flags: TxConfirmFlags::new().with_aggregated(true),
            media_delay_us: 850,
            queue_delay_us: 400,
        }
    }

    fn second() -> TransmitConfirm {
        TransmitConfirm {
            packet: PacketId::from_raw(0x0002_0006),
            status: Status::RetryLimit,
            rate: ReportedRate::from_raw(14),
            ack_failures: 7,
            flags: TxConfirmFlags::new(),
            media_delay_us: 12_000,
            queue_delay_us: 500,
        }
    }

    #[test]
    fn the_header_is_written_in_front_of_the_frame() {
        let expected = [
            0x7c, 0x00, 0x04, 0x00, 0x05, 0x00, 0x02, 0x00, 0x15, 0x00, 0x00, 0x10, 0x00, 0x00,
            0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
        ];
        let mut message = [0xee; 124];
        assert_eq!(header().write(&mut message), Ok(124));
        assert_eq!(message[..24], expected);
        assert_eq!(message[24..], [0xee; 100]);
        assert_eq!(TransmitHeader::parse(&message), Ok(header()));
        // The 24 bytes alone are enough to write into, and not enough to read from.
        assert_eq!(header().write(&mut message[..24]), Ok(124));
        for len in 0..124 {
            assert_eq!(
                TransmitHeader::parse(&message[..len]),
                Err(WireError::Truncated)
            );
        }
        for len in 0..24 {
            assert_eq!(header().write(&mut message[..len]), Err(WireError::NoRoom));
        }
        assert!(header().to_string().contains("MCS7"));
    }

    #[test]
    fn a_shift_moves_the_frame_and_counts_in_the_length() {
        let mut shifted = header();
        shifted.flags.set_shifted(true);
        assert_eq!((shifted.frame_offset(), shifted.message_len()), (26, 126));
        let mut message = [0; 126];
        shifted.write(&mut message).unwrap();
        assert_eq!(message[11], 0x90);
        assert_eq!(TransmitHeader::parse(&message), Ok(shifted));
        // A shift that the message has no room for.
        message[..2].copy_from_slice(&[25, 0]);
        assert_eq!(TransmitHeader::parse(&message), Err(WireError::Truncated));
    }

    #[test]
    fn a_frame_that_the_bus_would_cut_is_refused() {
        let mut long = header();
        long.frame_len = 1604;
        assert_eq!(long.write(&mut [0; 24]), Ok(1628));
        long.frame_len = 1605;
        assert_eq!(long.write(&mut [0; 24]), Err(WireError::TooLong));
        long.frame_len = u16::MAX;
        assert_eq!(long.write(&mut [0; 24]), Err(WireError::TooLong));
    }

    #[test]
    fn link_and_queue_share_a_byte() {
        let mut header = header();
        header.link = LinkId::MAX;
        header.queue = QueueId::Voice;
        let mut message = [0; 124];
        header.write(&mut message).unwrap();
        assert_eq!(message[9], 0x3b);
        assert_eq!(TransmitHeader::parse(&message), Ok(header));
        message[9] = 15 << 2;
        assert_eq!(TransmitHeader::parse(&message), Err(WireError::LinkId(15)));
        message[3] = 0x01;
        assert_eq!(
            TransmitHeader::parse(&message),
            Err(WireError::Interface(4))
        );
    }

    #[test]
    fn the_packet_id_can_be_stamped_later() {
        let mut message = [0; 124];
        header().write(&mut message).unwrap();
        let packet = PacketId::new().with_queue_generation(QueueGeneration::new(3));
        stamp_packet_id(&mut message, packet).unwrap();
        assert_eq!(
            TransmitHeader::parse(&message),
            Ok(TransmitHeader { packet, ..header() })
        );
        assert_eq!(
            stamp_packet_id(&mut message[..23], packet),
            Err(WireError::NoRoom)
        );
    }

    #[test]
    fn flags_lie_where_the_chip_looks() {
        let flags = TxFlags::new()
            .with_lifetime_from_arrival(true)
            .with_epta_priority(EptaPriority::Voice)
            .with_policy(RatePolicyIndex::new(7).unwrap());
        assert_eq!(flags.into_bits(), 0x7d);
        assert_eq!(TxFlags::from_bits(0x7d), flags);
        for bits in 0..=u8::MAX {
            let flags = TxFlags::from_bits(bits);
            let copy = TxFlags::new()
                .with_lifetime_from_arrival(flags.lifetime_from_arrival())
                .with_epta_priority(flags.epta_priority())
                .with_policy(flags.policy())
                .with_shifted(flags.shifted());
            assert_eq!(copy.into_bits(), bits);
        }
        assert_eq!(HtTxParameters::new().with_stbc(true).into_bits(), 0x80);
    }

    #[test]
    fn a_confirm_is_read_and_written() {
        both_ways!(TransmitConfirm, 24, CONFIRM, first());
    }

    #[test]
    fn requeue_needs_both_status_and_flag() {
        let mut confirm = first();
        confirm.status = Status::Requeue;
        assert!(!confirm.is_requeue());
        confirm.flags.set_requeue(true);
        assert!(confirm.is_requeue());
        confirm.status = Status::Failure;
        assert!(!confirm.is_requeue());
    }

    #[test]
    fn a_multi_confirm_is_read_and_written() {
        let confirm = MultiTransmitConfirm::parse(&MULTI).unwrap();
        assert_eq!(confirm.iter().collect::<Vec<_>>(), [first(), second()]);
        both_ways!(MultiTransmitConfirm<'_>, 8, MULTI, confirm);
    }

    #[test]
    fn a_multi_confirm_counts_what_is_there() {
        for count in [0, 3, 0x1999_999a, u32::MAX] {
            let mut message = MULTI;
            message[4..8].copy_from_slice(&count.to_le_bytes());
            assert_eq!(MultiTransmitConfirm::parse(&message), Err(WireError::Count));
        }
        for len in 8..48_u8 {
            let mut message = MULTI;
            message[0] = len;
            assert_eq!(MultiTransmitConfirm::parse(&message), Err(WireError::Count));
        }
        let mut out = [0; 64];
        assert_eq!(
            MultiTransmitConfirm::emit_confirms([], InterfaceId::Zero, &mut out),
            Err(WireError::Count)
        );
    }

    round_trips!(MultiTransmitConfirm<'_>, MessageId::MULTI_TRANSMIT_CONFIRM);
}
