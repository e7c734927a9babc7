//! Messages of the download protocol (file 11, section 4).
//!
//! ```text
//!   0      1          2        4
//!   type | sequence | length | payload (length bytes)
//! ```

use bes_hal::BootError;

/// Bytes of the header in front of every message.
pub const HEADER_LEN: usize = 4;

/// Bytes in front of the data of a DATA message: header and address.
pub const DATA_OVERHEAD: u16 = 8;

/// Bytes of an answer.
pub const ANSWER_LEN: u16 = 8;

/// Smallest usable message size: room for INFO and for 8 bytes of data (file 11, section 4.2, trap B4).
pub const MIN_MESSAGE: u16 = 16;

/// Largest usable message size (file 11, section 4.2).
pub const MAX_MESSAGE: u16 = 32768;

/// Type of an answer.
const ANSWER: u8 = 0xB0;

/// What of a message from the host is not the data itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// A block of `total` bytes for `address` follows.
    Info {
        /// Bytes of the block.
        total: u32,
        /// Where the chip puts it.
        address: u32,
    },
    /// The next `len` bytes of the block, for `address`.
    Data {
        /// Where the chip puts them.
        address: u32,
        /// How many follow the head of the message.
        len: u16,
    },
    /// The block is complete; its CRC-32.
    End {
        /// Checksum of all data since INFO.
        crc: u32,
    },
    /// Run at `address`.
    Run {
        /// The load address of the image.
        address: u32,
    },
}

/// The head of a message: everything but the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    bytes: [u8; 12],
    len: usize,
}

impl Head {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

impl Message {
    /// The bytes in front of the data, with this sequence number.
    pub fn emit(self, sequence: u8) -> Head {
        let (kind, len, words) = match self {
            Self::Info { total, address } => (0xB1, 8, [total, address]),
            Self::Data { address, len } => (0xB2, len.saturating_add(4), [address, 0]),
            Self::End { crc } => (0xB3, 4, [crc, 0]),
            Self::Run { address } => (0xB4, 4, [address, 0]),
        };
        let [l0, l1] = u16::to_le_bytes(len);
        let [[a0, a1, a2, a3], [b0, b1, b2, b3]] = words.map(u32::to_le_bytes);
        Head {
            bytes: [kind, sequence, l0, l1, a0, a1, a2, a3, b0, b1, b2, b3],
            len: if matches!(self, Self::Info { .. }) {
                12
            } else {
                8
            },
        }
    }
}

/// The largest message the chip takes, checked.
///
/// # Errors
///
/// [`BootError::MessageSize`] unless it is a multiple of 4 from 16 to 32768: smaller ones make the C driver underflow or
/// loop for ever, larger ones overrun its buffer (trap B4).
pub fn check_message_size(size: u16) -> Result<u16, BootError> {
    if (MIN_MESSAGE..=MAX_MESSAGE).contains(&size) && size & 3 == 0 {
        Ok(size)
    } else {
        Err(BootError::MessageSize(size))
    }
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The message with this sequence number was accepted.
    Accepted,
    /// It is the answer to another message, for instance one of a run that was given up.
    Foreign(u8),
}

impl Answer {
    /// Reads the answer to the message with this sequence number.
    ///
    /// # Errors
    ///
    /// [`BootError::BadAnswer`] for a wrong type or length, [`BootError::Refused`] with the chip's result.
    pub fn parse(bytes: [u8; 8], sequence: u8) -> Result<Self, BootError> {
        let [kind, answered, l0, l1, r0, r1, r2, r3] = bytes;
        if kind != ANSWER || u16::from_le_bytes([l0, l1]) != 4 {
            return Err(BootError::BadAnswer);
        }
        if answered != sequence {
            return Ok(Self::Foreign(answered));
        }
        match u32::from_le_bytes([r0, r1, r2, r3]) {
            0 => Ok(Self::Accepted),
            result => Err(BootError::Refused(result)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// File 11, section 6.2.
    #[test]
    fn heads_match_the_worked_examples() {
        let emit = |message: Message, sequence| message.emit(sequence).bytes().to_vec();
        assert_eq!(
            emit(
                Message::Info {
                    total: 4,
                    address: 0x4010_0000
                },
                0
            ),
            [0xB1, 0, 8, 0, 4, 0, 0, 0, 0, 0, 0x10, 0x40]
        );
        assert_eq!(
            emit(
                Message::Data {
                    address: 0x4010_0000,
                    len: 4
                },
                1
            ),
            [0xB2, 1, 8, 0, 0, 0, 0x10, 0x40]
        );
        assert_eq!(
            emit(
                Message::Info {
                    total: 72,
                    address: 0x2008_B000
                },
                0
            ),
            [0xB1, 0, 8, 0, 0x48, 0, 0, 0, 0, 0xB0, 0x08, 0x20]
        );
        assert_eq!(
            emit(
                Message::Data {
                    address: 0x2008_B000,
                    len: 72
                },
                1
            ),
            [0xB2, 1, 0x4C, 0, 0, 0xB0, 0x08, 0x20]
        );
        assert_eq!(
            emit(Message::End { crc: 0xD24B_6CFA }, 2),
            [0xB3, 2, 4, 0, 0xFA, 0x6C, 0x4B, 0xD2]
        );
        assert_eq!(
            emit(
                Message::Data {
                    address: 0,
                    len: 4088
                },
                1
            )[..4],
            [0xB2, 1, 0xFC, 0x0F]
        );
        assert_eq!(
            emit(
                Message::Data {
                    address: 0,
                    len: 1820
                },
                3
            )[..4],
            [0xB2, 3, 0x20, 0x07]
        );
        assert_eq!(
            emit(
                Message::Run {
                    address: 0x2001_0000
                },
                5
            ),
            [0xB4, 5, 4, 0, 0, 0, 1, 0x20]
        );
    }

    #[test]
    fn b4_unusable_message_sizes_are_refused() {
        for size in [0, 4, 8, 12, 15, 17, 18, 32770, 32772, 65535] {
            assert_eq!(check_message_size(size), Err(BootError::MessageSize(size)));
        }
        for size in [16, 20, 4096, 32768] {
            assert_eq!(check_message_size(size), Ok(size));
        }
    }

    #[test]
    fn b6_answers_are_checked() {
        assert_eq!(
            Answer::parse([0xB0, 7, 4, 0, 0, 0, 0, 0], 7),
            Ok(Answer::Accepted)
        );
        assert_eq!(
            Answer::parse([0xB0, 6, 4, 0, 0, 0, 0, 0], 7),
            Ok(Answer::Foreign(6))
        );
        assert_eq!(
            Answer::parse([0xB1, 7, 4, 0, 0, 0, 0, 0], 7),
            Err(BootError::BadAnswer)
        );
        assert_eq!(
            Answer::parse([0xB0, 7, 5, 0, 0, 0, 0, 0], 7),
            Err(BootError::BadAnswer)
        );
        assert_eq!(
            Answer::parse([0xB0, 7, 4, 0, 1, 0, 0, 0], 7),
            Err(BootError::Refused(1))
        );
    }
}
