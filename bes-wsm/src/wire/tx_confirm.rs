//! What became of frames on their way down.
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
//! Source: file 20, sections 12.5 and 12.6.

use super::codec::{array, fixed, open, prefix, Writer};
use super::error::WireError;
use super::header::{InterfaceId, RawHeader};
use super::id::MessageId;
use super::packet_id::PacketId;
use super::rate::ReportedRate;
use super::status::Status;
use super::Confirm;
use bitfield_struct::bitfield;
use core::fmt;
use core::mem::{offset_of, size_of};
use static_assertions::const_assert_eq;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

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
