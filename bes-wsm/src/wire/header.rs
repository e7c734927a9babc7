//! The header of every message, and what its id word is made of.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 2 | length of the message in bytes, header included; at least 4 |
//! | 2 | 2 | id word: number (bits 0-5), interface (6-9), class (10-11), reserved (12), sequence (13-15) |
//!
//! Source: file 20, sections 2.1 to 2.4.

use super::error::WireError;
use super::id::MessageId;
use bitfield_struct::bitfield;
use core::fmt;
use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a message header.
pub const HEADER_LEN: usize = 4;

/// Longest message the bus carries, header included, without the trailing time stamp (file 20, section 1, row 2).
pub const MAX_MESSAGE_LEN: usize = 1628;

/// The header as it lies on the wire; the first field of every message structure.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawHeader {
    len: U16,
    id: U16,
}

static_assertions::assert_eq_size!(RawHeader, [u8; HEADER_LEN]);

impl RawHeader {
    /// A header to be filled in when the length of the message is known.
    pub(super) const BLANK: Self = Self {
        len: U16::ZERO,
        id: U16::ZERO,
    };

    /// The interface.
    #[inline]
    pub(super) const fn interface(&self) -> Result<InterfaceId, WireError> {
        let [raw, _] = IdWord::from_bits(self.id.get())
            .interface_bits()
            .to_le_bytes();
        InterfaceId::new(raw)
    }
}

/// One of the chip's three interfaces (file 20, section 2.3). Other ids cannot be expressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InterfaceId {
    /// Station or access point.
    #[default]
    Zero,
    /// P2P client, group owner or second station.
    One,
    /// P2P device, listening, off-channel: the "generic" interface.
    Two,
}

impl InterfaceId {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Zero, Self::One, Self::Two];

    /// From the id on the wire.
    ///
    /// # Errors
    ///
    /// [`WireError::Interface`] above 2.
    pub const fn new(raw: u8) -> Result<Self, WireError> {
        match raw {
            0 => Ok(Self::Zero),
            1 => Ok(Self::One),
            2 => Ok(Self::Two),
            other => Err(WireError::Interface(other)),
        }
    }

    /// The id on the wire.
    pub const fn raw(self) -> u8 {
        match self {
            Self::Zero => 0,
            Self::One => 1,
            Self::Two => 2,
        }
    }

    /// As an index into a table with one entry for each interface.
    pub const fn index(self) -> usize {
        match self {
            Self::Zero => 0,
            Self::One => 1,
            Self::Two => 2,
        }
    }
}

impl fmt::Display for InterfaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "if{}", self.raw())
    }
}

/// What kind of message it is: bits 10 and 11 of the id word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Request to the lower MAC.
    Request,
    /// Confirm from the lower MAC.
    Confirm,
    /// Indication from the lower MAC.
    Indication,
    /// Message to or from the other core; its label says what it is ([`mcu`](super::mcu)).
    Mcu,
}

impl Class {
    pub(super) const fn from_bits(bits: u16) -> Self {
        match bits & 3 {
            0 => Self::Request,
            1 => Self::Confirm,
            2 => Self::Indication,
            _ => Self::Mcu,
        }
    }

    pub(super) const fn into_bits(self) -> u16 {
        match self {
            Self::Request => 0,
            Self::Confirm => 1,
            Self::Indication => 2,
            Self::Mcu => 3,
        }
    }

    /// Which sequence counter counts it: 0 for the lower MAC, 1 for the MCU (file 20, section 2.4).
    pub const fn sequence_index(self) -> usize {
        match self {
            Self::Request | Self::Confirm | Self::Indication => 0,
            Self::Mcu => 1,
        }
    }
}

/// A sequence number: counts messages of one class in one direction, modulo 8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SequenceNumber(u8);

impl SequenceNumber {
    /// The first one after a start of the chip.
    pub const FIRST: Self = Self(0);

    /// From any number, modulo 8.
    pub const fn new(number: u8) -> Self {
        Self(number & 7)
    }

    /// 0 to 7.
    pub const fn raw(self) -> u8 {
        self.0
    }

    /// The one that follows.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1) & 7)
    }

    const fn from_bits(bits: u16) -> Self {
        let [low, _] = bits.to_le_bytes();
        Self::new(low)
    }

    const fn into_bits(self) -> u16 {
        u16::from_le_bytes([self.0, 0])
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seq {}", self.0)
    }
}

/// The id word of a header.
#[bitfield(u16)]
#[derive(PartialEq, Eq, Hash)]
pub struct IdWord {
    /// Message number.
    #[bits(6)]
    number: u16,
    /// Interface id as it came, unchecked.
    #[bits(4)]
    interface_bits: u16,
    /// Class.
    #[bits(2)]
    pub class: Class,
    /// Reserved: sent as 0, ignored when received.
    #[bits(1)]
    __: u16,
    /// Sequence number.
    #[bits(3)]
    pub sequence: SequenceNumber,
}

/// A message header whose length was checked against the bytes that hold the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// Length of the message in bytes, header included.
    pub len: u16,
    /// The id word.
    pub word: IdWord,
}

impl Header {
    /// A header with sequence number 0, which the bottom half replaces.
    pub fn new(id: MessageId, interface: InterfaceId, len: u16) -> Self {
        let word = IdWord::from_bits(id.raw()).with_interface_bits(u16::from(interface.raw()));
        Self { len, word }
    }

    /// Reads the header of a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`] if there are fewer bytes than a header or than the header says;
    /// [`WireError::ShortLength`] if the header says less than 4.
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (raw, _) =
            RawHeader::ref_from_prefix(message).map_err(|_error| WireError::Truncated)?;
        let len = raw.len.get();
        if usize::from(len) < HEADER_LEN {
            return Err(WireError::ShortLength(len));
        }
        if usize::from(len) > message.len() {
            return Err(WireError::Truncated);
        }
        Ok(Self {
            len,
            word: IdWord::from_bits(raw.id.get()),
        })
    }

    /// Writes the header over the first 4 bytes of a message.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`].
    pub fn emit(&self, message: &mut [u8]) -> Result<(), WireError> {
        self.raw()
            .write_to_prefix(message)
            .map_err(|_error| WireError::NoRoom)
    }

    /// As it stands on the wire.
    #[inline]
    pub(super) const fn raw(&self) -> RawHeader {
        RawHeader {
            len: U16::new(self.len),
            id: U16::new(self.word.into_bits()),
        }
    }

    /// Number and class of the message.
    pub const fn id(&self) -> MessageId {
        MessageId::from_raw(self.word.into_bits())
    }

    /// Class of the message.
    pub const fn class(&self) -> Class {
        self.word.class()
    }

    /// Sequence number.
    pub const fn sequence(&self) -> SequenceNumber {
        self.word.sequence()
    }

    /// The interface the message concerns.
    ///
    /// # Errors
    ///
    /// [`WireError::Interface`] above 2.
    pub const fn interface(&self) -> Result<InterfaceId, WireError> {
        let [raw, _] = self.word.interface_bits().to_le_bytes();
        InterfaceId::new(raw)
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} if{} {} {} bytes",
            self.id(),
            self.word.interface_bits(),
            self.sequence(),
            self.len
        )
    }
}

/// Writes the sequence number into a message that is complete otherwise.
///
/// # Errors
///
/// [`WireError::NoRoom`] if there is no header.
pub fn stamp_sequence(message: &mut [u8], sequence: SequenceNumber) -> Result<(), WireError> {
    let (raw, _) = RawHeader::mut_from_prefix(message).map_err(|_error| WireError::NoRoom)?;
    let word = IdWord::from_bits(raw.id.get()).with_sequence(sequence);
    raw.id.set(word.into_bits());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_the_id_word_are_taken_apart() {
        let header = Header::parse(&[0x0c, 0x00, 0x45, 0xa6, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!(header.len, 12);
        assert_eq!(header.id().raw(), 0x0405);
        assert_eq!(header.class(), Class::Confirm);
        assert_eq!(header.sequence(), SequenceNumber::new(5));
        assert_eq!(header.interface(), Err(WireError::Interface(9)));
    }

    #[test]
    fn a_header_written_is_the_header_read() {
        for interface in InterfaceId::ALL {
            let header = Header::new(MessageId::START_SCAN, interface, 4);
            let mut bytes = [0xee; 4];
            header.emit(&mut bytes).unwrap();
            assert_eq!(Header::parse(&bytes), Ok(header));
            assert_eq!(header.interface(), Ok(interface));
        }
    }

    #[test]
    fn stamping_changes_the_sequence_number_only() {
        let mut message = [0x04, 0x00, 0x48, 0xe0];
        stamp_sequence(&mut message, SequenceNumber::new(2)).unwrap();
        assert_eq!(message, [0x04, 0x00, 0x48, 0x40]);
        assert_eq!(
            stamp_sequence(&mut message[..3], SequenceNumber::FIRST),
            Err(WireError::NoRoom)
        );
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        for short in 0..4 {
            assert_eq!(
                Header::parse(&[short, 0, 1, 8, 0, 0, 0, 0]),
                Err(WireError::ShortLength(u16::from(short)))
            );
        }
        assert_eq!(
            Header::parse(&[9, 0, 1, 8, 0, 0, 0, 0]),
            Err(WireError::Truncated)
        );
        for len in 0..4 {
            assert_eq!(
                Header::parse(&[4, 0, 1, 8][..len]),
                Err(WireError::Truncated)
            );
        }
    }

    #[test]
    fn only_three_interfaces_exist() {
        for interface in InterfaceId::ALL {
            assert_eq!(InterfaceId::new(interface.raw()), Ok(interface));
            assert_eq!(interface.index(), usize::from(interface.raw()));
        }
        for raw in 3..=u8::MAX {
            assert_eq!(InterfaceId::new(raw), Err(WireError::Interface(raw)));
        }
    }

    #[test]
    fn sequence_numbers_wrap_at_eight() {
        let mut sequence = SequenceNumber::FIRST;
        for expected in 1..=16 {
            sequence = sequence.next();
            assert_eq!(sequence.raw(), expected % 8);
        }
    }

    #[test]
    fn the_mcu_class_has_its_own_sequence_counter() {
        assert_eq!(Class::from_bits(0x0c27 >> 10).sequence_index(), 1);
        assert_eq!(Class::from_bits(0x0801 >> 10).sequence_index(), 0);
    }
}
