//! The 4-byte header of every message (file 20, section 2).
//!
//! ```text
//!   0        2        4
//!   +--------+--------+----
//!   |  len   |   id   | body      id: 15-13 sequence | 12 zero | 11-10 class | 9-6 interface | 5-0 number
//!   +--------+--------+----
//! ```

use super::u16_at;

/// Numbers of the requests, without class, interface and sequence (file 20, section 3.1).
pub(crate) mod number {
    pub(crate) const TRANSMIT: u8 = 0x04;
    pub(crate) const READ_MIB: u8 = 0x05;
    pub(crate) const WRITE_MIB: u8 = 0x06;
    pub(crate) const START_SCAN: u8 = 0x07;
    pub(crate) const STOP_SCAN: u8 = 0x08;
    pub(crate) const CONFIGURATION: u8 = 0x09;
    pub(crate) const RESET: u8 = 0x0A;
    pub(crate) const JOIN: u8 = 0x0B;
    pub(crate) const ADD_KEY: u8 = 0x0C;
    pub(crate) const REMOVE_KEY: u8 = 0x0D;
    pub(crate) const SET_PM: u8 = 0x10;
    pub(crate) const SET_BSS: u8 = 0x11;
    pub(crate) const TX_QUEUE: u8 = 0x12;
    pub(crate) const EDCA: u8 = 0x13;
    pub(crate) const SWITCH_CHANNEL: u8 = 0x16;
    pub(crate) const START: u8 = 0x17;
    pub(crate) const BEACON_TRANSMIT: u8 = 0x18;
    pub(crate) const START_FIND: u8 = 0x19;
    pub(crate) const STOP_FIND: u8 = 0x1A;
    pub(crate) const UPDATE_IE: u8 = 0x1B;
    pub(crate) const MAP_LINK: u8 = 0x1C;
    pub(crate) const MULTI_TRANSMIT: u8 = 0x1E;
    pub(crate) const RELEASE_BUFFER: u8 = 0x22;
    pub(crate) const REQUEST_BUFFERS: u8 = 0x23;
    pub(crate) const CPU_SLEEP: u8 = 0x24;
    pub(crate) const EPTA: u8 = 0x29;
    /// MCU class: vendor RF command.
    pub(crate) const MCU_VENDOR_RF: u8 = 0x25;
    /// MCU class: driver to MCU command.
    pub(crate) const MCU_COMMAND: u8 = 0x27;
}

/// Message classes: bits 10 and 11 of the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Request,
    Confirm,
    Indication,
    Mcu,
}

impl Class {
    const fn bits(self) -> u16 {
        match self {
            Self::Request => 0,
            Self::Confirm => 0x0400,
            Self::Indication => 0x0800,
            Self::Mcu => 0x0C00,
        }
    }

    /// Which of the two sequence counters the class uses: 0 LMAC, 1 MCU.
    pub(crate) const fn counter(self) -> usize {
        match self {
            Self::Mcu => 1,
            _ => 0,
        }
    }
}

/// A message header as it lies on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Length of the message, header included.
    pub(crate) len: u16,
    /// Sequence, class, interface and number.
    pub(crate) id: u16,
}

impl Header {
    /// Size in bytes.
    pub(crate) const SIZE: usize = 4;

    /// Reads a header; `None` if there are not four bytes.
    pub(crate) fn parse(message: &[u8]) -> Option<Self> {
        (message.len() >= Self::SIZE).then(|| Self {
            len: u16_at(message, 0),
            id: u16_at(message, 2),
        })
    }

    /// Message number, 0 to 63.
    pub(crate) const fn number(self) -> u8 {
        (self.id & 0x3F) as u8
    }

    /// Interface id, 0 to 15; valid are 0 to 2.
    pub(crate) const fn interface(self) -> u8 {
        ((self.id >> 6) & 0x0F) as u8
    }

    /// Message class.
    pub(crate) const fn class(self) -> Class {
        match self.id & 0x0C00 {
            0 => Class::Request,
            0x0400 => Class::Confirm,
            0x0800 => Class::Indication,
            _ => Class::Mcu,
        }
    }

    /// Sequence number, 0 to 7.
    pub(crate) const fn sequence(self) -> u8 {
        (self.id >> 13) as u8
    }

    /// Number and class, which say what the message is.
    pub(crate) const fn identity(self) -> u16 {
        self.id & 0x0C3F
    }
}

/// Begins a message; [`finish`] writes its length. `room` is the expected size in bytes.
pub(crate) fn begin(class: Class, number: u8, interface: u8, room: usize) -> Vec<u8> {
    begin_in(Vec::new(), class, number, interface, room)
}

/// As [`begin`], in memory that is used again.
pub(crate) fn begin_in(
    mut message: Vec<u8>,
    class: Class,
    number: u8,
    interface: u8,
    room: usize,
) -> Vec<u8> {
    message.clear();
    message.reserve(room.max(Header::SIZE));
    let id = class.bits() | u16::from(interface & 0x0F) << 6 | u16::from(number & 0x3F);
    message.extend_from_slice(&[0, 0]);
    message.extend_from_slice(&id.to_le_bytes());
    message
}

/// Writes the length into a message that was begun with [`begin`].
pub(crate) fn finish(mut message: Vec<u8>) -> Vec<u8> {
    let len = u16::try_from(message.len()).unwrap_or(u16::MAX);
    message[..2].copy_from_slice(&len.to_le_bytes());
    message
}

/// Writes a sequence number into a message.
pub(crate) fn stamp(message: &mut [u8], sequence: u8) {
    if let Some(high) = message.get_mut(3) {
        *high = (*high & 0x1F) | (sequence & 7) << 5;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_fields_are_where_the_specification_puts_them() {
        let header = Header::parse(&[0x08, 0x00, 0x46, 0xA4]).unwrap();
        assert_eq!(header.len, 8);
        assert_eq!(header.class(), Class::Confirm);
        assert_eq!(header.number(), 6);
        assert_eq!(header.interface(), 1);
        assert_eq!(header.sequence(), 5);
        assert_eq!(header.identity(), 0x0406);
    }

    #[test]
    fn a_stamp_replaces_only_the_sequence() {
        let mut message = finish(begin(Class::Mcu, number::MCU_COMMAND, 0, 4));
        stamp(&mut message, 7);
        assert_eq!(message, [4, 0, 0x27, 0xEC]);
        stamp(&mut message, 1);
        assert_eq!(message, [4, 0, 0x27, 0x2C]);
    }

    #[test]
    fn fewer_than_four_bytes_are_no_header() {
        for len in 0..4 {
            assert_eq!(Header::parse(&[0; 4][..len]), None);
        }
    }
}
