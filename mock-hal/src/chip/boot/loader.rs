//! The download protocol: INFO, DATA, END, RUN.
//!
//! Specification: file 11, sections 4 and 5. The length in the header says where a message ends; INFO is taken at any
//! time and starts a transfer over; any sequence number is taken and echoed.

use super::blocks;
use super::image;
use super::memory_map::MemoryMap;

const HEADER: usize = 4;
const ANSWER: u8 = 0xB0;
const INFO: u8 = 0xB1;
const DATA: u8 = 0xB2;
const END: u8 = 0xB3;
const RUN: u8 = 0xB4;

/// Result in an answer. Only 0 and 1 are named by the specification; the others are this chip's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted = 0,
    Length = 1,
    Address = 2,
    Checksum = 3,
    Order = 4,
    Type = 5,
}

/// The header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) message_type: u8,
    pub(crate) sequence: u8,
    pub(crate) payload: u16,
}

impl Header {
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [message_type, sequence, low, high, ..] => Some(Self {
                message_type: *message_type,
                sequence: *sequence,
                payload: u16::from_le_bytes([*low, *high]),
            }),
            _ => None,
        }
    }

    pub(crate) fn is_info(self) -> bool {
        self.message_type == INFO
    }

    pub(crate) fn answer(self, outcome: Outcome) -> [u8; 8] {
        let [r0, r1, r2, r3] = (outcome as u32).to_le_bytes();
        [ANSWER, self.sequence, 4, 0, r0, r1, r2, r3]
    }
}

/// A completed download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// Where it went.
    pub address: u32,
    /// How long it is, in bytes.
    pub len: u32,
    /// CRC-32 of its bytes.
    pub crc: u32,
    /// The bytes of a small one, the first bytes of a large one.
    pub content: Vec<u8>,
}

/// Largest download that is kept as a whole.
const KEPT_WHOLE: usize = 16_384;

#[derive(Debug)]
struct Transfer {
    address: u32,
    total: u32,
    received: u32,
    hasher: crc32fast::Hasher,
    content: Vec<u8>,
}

/// What the rest of the chip has to do after a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    None,
    /// A register was written.
    Register(u32, u32),
    /// A download is complete.
    Completed(Download),
    /// The image with these first bytes runs, after the answer.
    Run(Vec<u8>),
}

/// State of the download protocol.
#[derive(Debug, Default)]
pub(crate) struct Loader {
    transfer: Option<Transfer>,
    /// Address and first bytes of the last completed download.
    loaded: Option<(u32, Vec<u8>)>,
    /// Bytes of DATA taken.
    pub(crate) bytes: u64,
}

impl Loader {
    /// Takes one message; `bytes` may be longer than the message.
    pub(crate) fn handle(
        &mut self,
        header: Header,
        bytes: &[u8],
        max: u16,
        memory: &MemoryMap,
    ) -> (Outcome, Action) {
        let len = usize::from(header.payload);
        let payload = bytes
            .get(HEADER..HEADER + len)
            .filter(|_| HEADER + len <= usize::from(max));
        let Some(payload) = payload else {
            return (Outcome::Length, Action::None);
        };
        match header.message_type {
            INFO => (self.info(payload, memory), Action::None),
            DATA => self.data(payload, memory),
            END => self.end(payload),
            RUN => self.run(payload),
            _ => (Outcome::Type, Action::None),
        }
    }

    fn info(&mut self, payload: &[u8], memory: &MemoryMap) -> Outcome {
        self.transfer = None;
        let (Some(total), Some(address), 8) = (word(payload, 0), word(payload, 4), payload.len())
        else {
            return Outcome::Length;
        };
        if total == 0 {
            return Outcome::Length;
        }
        if !memory.holds(address, total) {
            return Outcome::Address;
        }
        self.loaded = None;
        self.transfer = Some(Transfer {
            address,
            total,
            received: 0,
            hasher: crc32fast::Hasher::new(),
            content: Vec::new(),
        });
        Outcome::Accepted
    }

    fn data(&mut self, payload: &[u8], memory: &MemoryMap) -> (Outcome, Action) {
        let Some(transfer) = &mut self.transfer else {
            return (Outcome::Order, Action::None);
        };
        let Some(address) = word(payload, 0) else {
            return (Outcome::Length, Action::None);
        };
        let piece = &payload[4..];
        let len = piece.len() as u32;
        if len > transfer.total - transfer.received {
            return (Outcome::Length, Action::None);
        }
        if address != transfer.address + transfer.received {
            return (Outcome::Address, Action::None);
        }
        transfer.received += len;
        transfer.hasher.update(piece);
        let keep = if transfer.total as usize <= KEPT_WHOLE {
            KEPT_WHOLE
        } else {
            image::HEAD
        };
        let room = keep.saturating_sub(transfer.content.len());
        transfer
            .content
            .extend_from_slice(&piece[..piece.len().min(room)]);
        self.bytes += u64::from(len);
        if memory.is_register(transfer.address) && transfer.received == 4 {
            let value = word(&transfer.content, 0).unwrap_or(0);
            return (Outcome::Accepted, Action::Register(transfer.address, value));
        }
        (Outcome::Accepted, Action::None)
    }

    fn end(&mut self, payload: &[u8]) -> (Outcome, Action) {
        let Some(transfer) = self.transfer.take() else {
            return (Outcome::Order, Action::None);
        };
        let (Some(announced), 4) = (word(payload, 0), payload.len()) else {
            return (Outcome::Length, Action::None);
        };
        if transfer.received != transfer.total {
            return (Outcome::Length, Action::None);
        }
        let crc = transfer.hasher.finalize();
        if crc != announced {
            return (Outcome::Checksum, Action::None);
        }
        let head = transfer.content[..transfer.content.len().min(image::HEAD)].to_vec();
        self.loaded = Some((transfer.address, head));
        (
            Outcome::Accepted,
            Action::Completed(Download {
                address: transfer.address,
                len: transfer.total,
                crc,
                content: transfer.content,
            }),
        )
    }

    fn run(&mut self, payload: &[u8]) -> (Outcome, Action) {
        let (Some(address), 4) = (word(payload, 0), payload.len()) else {
            return (Outcome::Length, Action::None);
        };
        // A data block is no image.
        let is_data = [blocks::DPD_ADDRESS, blocks::FACTORY_ADDRESS].contains(&address);
        match self.loaded.take() {
            Some((loaded, head)) if loaded == address && !is_data => {
                (Outcome::Accepted, Action::Run(head))
            }
            Some(other) => {
                self.loaded = Some(other);
                (Outcome::Address, Action::None)
            }
            None => (Outcome::Order, Action::None),
        }
    }
}

fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    let bytes = bytes.get(offset..offset + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle(loader: &mut Loader, bytes: &[u8]) -> (Outcome, Action) {
        let header = Header::parse(bytes).expect("a header");
        loader.handle(header, bytes, 4096, &MemoryMap::default())
    }

    fn message(message_type: u8, words: &[u32], data: &[u8]) -> Vec<u8> {
        let len = (words.len() * 4 + data.len()) as u16;
        let mut bytes = vec![message_type, 0];
        bytes.extend_from_slice(&len.to_le_bytes());
        for word in words {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(data);
        bytes
    }

    fn outcome(loader: &mut Loader, message_type: u8, words: &[u32], data: &[u8]) -> Outcome {
        handle(loader, &message(message_type, words, data)).0
    }

    const LOAD: u32 = 0x2001_0000;

    /// File 11, section 6.2, first register write.
    #[test]
    fn a_register_write_matches_the_worked_example() {
        let mut loader = Loader::default();
        let mut info = [0; 512];
        info[..12].copy_from_slice(&[0xB1, 0, 8, 0, 4, 0, 0, 0, 0, 0, 0x10, 0x40]);
        assert_eq!(handle(&mut loader, &info).0, Outcome::Accepted);
        let data = [0xB2, 1, 8, 0, 0, 0, 0x10, 0x40, 6, 0x20, 0x80, 0];
        assert_eq!(
            handle(&mut loader, &data),
            (
                Outcome::Accepted,
                Action::Register(0x4010_0000, 0x0080_2006)
            )
        );
        let header = Header::parse(&data).expect("a header");
        assert_eq!(
            header.answer(Outcome::Accepted),
            [0xB0, 1, 4, 0, 0, 0, 0, 0]
        );
    }

    #[test]
    fn an_image_runs_only_at_its_load_address_and_only_when_complete() {
        let mut loader = Loader::default();
        let crc = crc32fast::hash(b"12345678");
        assert_eq!(outcome(&mut loader, RUN, &[LOAD], &[]), Outcome::Order);
        assert_eq!(
            outcome(&mut loader, INFO, &[8, LOAD], &[]),
            Outcome::Accepted
        );
        assert_eq!(
            outcome(&mut loader, DATA, &[LOAD], b"1234"),
            Outcome::Accepted
        );
        assert_eq!(
            outcome(&mut loader, DATA, &[LOAD + 4], b"5678"),
            Outcome::Accepted
        );
        assert_eq!(outcome(&mut loader, END, &[crc], &[]), Outcome::Accepted);
        assert_eq!(
            outcome(&mut loader, RUN, &[LOAD + 4], &[]),
            Outcome::Address
        );
        assert_eq!(
            handle(&mut loader, &message(RUN, &[LOAD], &[])),
            (Outcome::Accepted, Action::Run(b"12345678".to_vec()))
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_reason() {
        let mut loader = Loader::default();
        let crc = crc32fast::hash(b"12345678");
        assert_eq!(outcome(&mut loader, INFO, &[8], &[]), Outcome::Length);
        assert_eq!(outcome(&mut loader, INFO, &[8, 0], &[]), Outcome::Address);
        assert_eq!(
            outcome(&mut loader, INFO, &[0x0100_0000, LOAD], &[]),
            Outcome::Address
        );
        assert_eq!(outcome(&mut loader, DATA, &[LOAD], b"1"), Outcome::Order);
        assert_eq!(outcome(&mut loader, END, &[crc], &[]), Outcome::Order);
        assert_eq!(outcome(&mut loader, 0xB7, &[], &[]), Outcome::Type);

        outcome(&mut loader, INFO, &[8, LOAD], &[]);
        assert_eq!(
            outcome(&mut loader, DATA, &[LOAD + 4], b"1234"),
            Outcome::Address
        );
        assert_eq!(
            outcome(&mut loader, DATA, &[LOAD], b"123456789"),
            Outcome::Length
        );
        outcome(&mut loader, DATA, &[LOAD], b"1234");
        assert_eq!(outcome(&mut loader, END, &[crc], &[]), Outcome::Length);

        outcome(&mut loader, INFO, &[8, LOAD], &[]);
        outcome(&mut loader, DATA, &[LOAD], b"12345679");
        assert_eq!(outcome(&mut loader, END, &[crc], &[]), Outcome::Checksum);
    }

    #[test]
    fn a_header_that_says_more_than_came_is_a_length_error() {
        let mut loader = Loader::default();
        let mut info = message(INFO, &[8, LOAD], &[]);
        info[2] = 200;
        assert_eq!(handle(&mut loader, &info).0, Outcome::Length);
        let long = message(DATA, &[LOAD], &[0; 4096]);
        assert_eq!(handle(&mut loader, &long).0, Outcome::Length);
    }
}
