//! Frames on their way down. What became of them is in [`tx_confirm`](super::tx_confirm).
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
//! Source: file 20, sections 12.1 to 12.3.

use super::codec::fixed;
use super::error::WireError;
use super::header::{Header, InterfaceId, RawHeader, MAX_MESSAGE_LEN};
use super::id::MessageId;
use super::packet_id::PacketId;
use super::rate::{RateId, RatePolicyIndex};
use super::unit::{LinkId, QueueId, Tu};
use bitfield_struct::bitfield;
use core::fmt;
use core::mem::{offset_of, size_of};
use static_assertions::const_assert_eq;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

pub use super::tx_confirm::{AckType, MultiTransmitConfirm, TransmitConfirm, TxConfirmFlags};

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

/// What the headers of many frames have in common, put together once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransmitTemplate {
    /// Message id with the interface.
    id: u16,
    /// Rate, queue and flags, as they lie on the wire.
    word: u32,
    ht: u32,
    /// Flags that are those of each frame.
    own: u8,
}

impl TransmitTemplate {
    /// From the header of one of the frames; packet id, link, length, shift and priority are those of each frame.
    pub fn new(header: &TransmitHeader) -> Self {
        let common = TxFlags::new()
            .with_lifetime_from_arrival(header.flags.lifetime_from_arrival())
            .with_policy(header.flags.policy());
        Self {
            id: Header::new(TransmitHeader::ID, header.interface, 0)
                .word
                .into_bits(),
            word: u32::from_le_bytes([
                header.max_rate.raw(),
                header.queue.wsm(),
                0,
                common.into_bits(),
            ]),
            ht: header.ht.into_bits(),
            own: TxFlags::new()
                .with_epta_priority(EptaPriority::Eapol)
                .with_shifted(true)
                .into_bits(),
        }
    }

    /// The same for frames whose urgency is not told.
    #[must_use]
    pub const fn without_priority(self) -> Self {
        Self {
            own: TxFlags::new().with_shifted(true).into_bits(),
            ..self
        }
    }

    /// The same as [`TransmitHeader::write`] for a message of `len` bytes, shift included, to `link`, of whose `flags` only
    /// shift and priority count. The packet id and the time to live are 0.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`], [`WireError::TooLong`].
    #[inline(always)]
    pub fn write(
        &self,
        link: LinkId,
        flags: TxFlags,
        len: usize,
        out: &mut [u8],
    ) -> Result<(), WireError> {
        if len > MAX_MESSAGE_LEN {
            return Err(WireError::TooLong);
        }
        let len = u16::try_from(len).map_err(|_error| WireError::TooLong)?;
        let word = self.word
            | u32::from(link.raw()).wrapping_shl(10)
            | u32::from(flags.into_bits() & self.own).wrapping_shl(24);
        let wire = TransmitWords {
            head: U64::new(u64::from(len) | u64::from(self.id).wrapping_shl(16)),
            rates: U64::new(u64::from(word)),
            rest: U64::new(u64::from(self.ht).wrapping_shl(32)),
        };
        wire.write_to_prefix(out)
            .map_err(|_error| WireError::NoRoom)
    }
}

/// The same bytes as [`TransmitWire`], for few stores.
#[derive(IntoBytes, Immutable, Unaligned)]
#[repr(C)]
struct TransmitWords {
    head: U64,
    rates: U64,
    rest: U64,
}

const_assert_eq!(size_of::<TransmitWords>(), TRANSMIT_HEADER_LEN);

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
    #[inline]
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
    #[inline]
    pub fn write(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let len = self.message_len();
        if len > MAX_MESSAGE_LEN {
            return Err(WireError::TooLong);
        }
        let wire_len = u16::try_from(len).map_err(|_error| WireError::TooLong)?;
        let wire = TransmitWire {
            header: Header::new(Self::ID, self.interface, wire_len).raw(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::packet_id::QueueGeneration;

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
    fn a_template_writes_what_the_header_would() {
        for bits in 0..=u8::MAX {
            let flags = TxFlags::from_bits(bits);
            for (len, queue) in (1500..1610).zip(QueueId::ALL.into_iter().cycle()) {
                let header = TransmitHeader {
                    packet: PacketId::from_raw(0),
                    interface: InterfaceId::Two,
                    queue,
                    link: LinkId::MAX,
                    flags,
                    frame_len: len,
                    ..header()
                };
                let (mut one, mut other) = ([0xEE; 24], [0xEE; 24]);
                let written = TransmitTemplate::new(&header).write(
                    header.link,
                    header.flags,
                    header.message_len(),
                    &mut other,
                );
                assert_eq!(header.write(&mut one).map(|_len| ()), written);
                assert_eq!(one, other);
                if let Ok(quiet) = TransmitTemplate::new(&header).without_priority().write(
                    header.link,
                    header.flags,
                    header.message_len(),
                    &mut other,
                ) {
                    let flags = flags.with_epta_priority(EptaPriority::None);
                    TransmitHeader { flags, ..header }.write(&mut one).unwrap();
                    assert_eq!((quiet, one), ((), other));
                }
            }
        }
        let template = TransmitTemplate::new(&header());
        assert_eq!(
            template.write(LinkId::BSS, TxFlags::new(), 100, &mut [0; 23]),
            Err(WireError::NoRoom)
        );
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
}
