//! Transfers from the host: slots, duplicates, padding.
//!
//! Specification: file 10, sections 6.3 and 6.4 and section 15, items 2 and 9.

use super::firmware::Firmware;
use crate::statistics::Statistics;
use crate::violation::{Violation, Violations};
use bes_hal::time::Instant;
use bes_hal::transport::MAX_BATCH;

/// Bytes per slot by the low two bits of the length code.
const STRIDE: [usize; 4] = [512, 1024, 1536, 1632];
/// A message header: length and id.
const HEADER: usize = 4;
/// The host's time stamp behind a message, which its length does not count (file 10, section 6.2).
const TRAILER: usize = 4;
/// Both set: the message belongs to the MCU class and travels alone.
const MCU_CLASS: u16 = 0x0C00;

/// Enough of a transfer to tell a retransmission from new data: two transfers of the same length that begin with the
/// same message, sequence number included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fingerprint {
    length_code: u16,
    start: [u8; 16],
}

impl Fingerprint {
    fn of(length_code: u16, segments: &[&[u8]]) -> Self {
        let mut start = [0; 16];
        let bytes = segments.iter().flat_map(|segment| segment.iter());
        for (to, from) in start.iter_mut().zip(bytes) {
            *to = *from;
        }
        Self { length_code, start }
    }
}

/// Reads scattered bytes in order, borrowing where a piece lies in one segment.
struct Reader<'a> {
    segments: &'a [&'a [u8]],
    rest: &'a [u8],
    scratch: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn new(segments: &'a [&'a [u8]], scratch: Vec<u8>) -> Self {
        Self {
            segments,
            rest: &[],
            scratch,
        }
    }

    fn refill(&mut self) -> bool {
        while self.rest.is_empty() {
            let Some((first, others)) = self.segments.split_first() else {
                return false;
            };
            self.rest = first;
            self.segments = others;
        }
        true
    }

    /// The next `len` bytes, fewer at the end.
    fn take(&mut self, len: usize) -> &[u8] {
        self.refill();
        if self.rest.len() >= len {
            let (here, rest) = self.rest.split_at(len);
            self.rest = rest;
            return here;
        }
        self.scratch.clear();
        while self.scratch.len() < len && self.refill() {
            let (here, rest) = self
                .rest
                .split_at(self.rest.len().min(len - self.scratch.len()));
            self.scratch.extend_from_slice(here);
            self.rest = rest;
        }
        &self.scratch
    }

    /// The next two bytes, without moving on.
    fn peek_length(&mut self) -> u16 {
        self.refill();
        match self.rest {
            [low, high, ..] => u16::from_le_bytes([*low, *high]),
            _ => {
                let mut bytes = self
                    .rest
                    .iter()
                    .chain(self.segments.iter().flat_map(|segment| segment.iter()));
                let mut next = || bytes.next().copied().unwrap_or(0);
                u16::from_le_bytes([next(), next()])
            }
        }
    }

    /// Skips `len` bytes and tells whether all were zero.
    fn skip(&mut self, mut len: usize, look: bool) -> bool {
        let mut zero = true;
        while len > 0 && self.refill() {
            let (here, rest) = self.rest.split_at(self.rest.len().min(len));
            len -= here.len();
            self.rest = rest;
            zero &= !look || is_zero(here);
        }
        zero
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    let (words, tail) = bytes.split_at(bytes.len() & !15);
    words.chunks_exact(16).all(|word| word == [0; 16]) && tail.iter().all(|byte| *byte == 0)
}

/// The chip's side of the transmit path.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    /// Toggle that the next new transfer carries.
    toggle: bool,
    last: Option<Fingerprint>,
    scratch: Vec<u8>,
}

/// What a transfer is judged by.
pub(crate) struct Context<'a> {
    pub(crate) firmware: &'a mut dyn Firmware,
    pub(crate) statistics: &'a mut Statistics,
    pub(crate) violations: &'a mut Violations,
    pub(crate) check_padding: bool,
    /// Most slots per transfer: 16, or 1 for firmware without signalling.
    pub(crate) slots: usize,
    pub(crate) now: Instant,
}

impl Receiver {
    /// A CMD53 write that carries `toggle`; `length_code` is what the address field says.
    pub(crate) fn write(
        &mut self,
        toggle: bool,
        length_code: u16,
        segments: &[&[u8]],
        context: &mut Context<'_>,
    ) {
        let fingerprint = Fingerprint::of(length_code, segments);
        if toggle != self.toggle {
            context.statistics.duplicate_writes += 1;
            if self.last != Some(fingerprint) {
                context.violations.note(context.now, Violation::WriteToggle);
            }
            return;
        }
        self.toggle = !self.toggle;
        self.last = Some(fingerprint);

        let stride = STRIDE[usize::from(length_code & 3)];
        let length = usize::from(length_code & !3);
        let slots = length / stride;
        let bytes: usize = segments.iter().map(|segment| segment.len()).sum();
        if length % stride != 0 || bytes != length.next_multiple_of(512) {
            context.violations.note(
                context.now,
                Violation::WriteLength {
                    length_code,
                    bytes: bytes as u32,
                },
            );
        }
        if slots == 0 || slots > context.slots {
            context.violations.note(
                context.now,
                Violation::SlotCount {
                    slots: slots as u32,
                },
            );
        }
        let slots = slots.min(MAX_BATCH).min(bytes.div_ceil(stride));
        let mut reader = Reader::new(segments, std::mem::take(&mut self.scratch));
        for slot in 0..slots {
            take_slot(&mut reader, slot as u32, slots, stride, context);
        }
        if !reader.skip(usize::MAX, context.check_padding) {
            context
                .violations
                .note(context.now, Violation::ForeignMemory { slot: slots as u32 });
        }
        self.scratch = reader.scratch;
        context.statistics.transfers += 1;
        context.statistics.messages_per_transfer[slots] += 1;
    }
}

fn take_slot(
    reader: &mut Reader<'_>,
    slot: u32,
    slots: usize,
    stride: usize,
    context: &mut Context<'_>,
) {
    let header = reader.peek_length();
    let length = usize::from(header);
    if length < HEADER || length > stride {
        context.violations.note(
            context.now,
            Violation::MessageLength {
                slot,
                length: header,
                stride: stride as u32,
            },
        );
        reader.skip(stride, false);
        return;
    }
    let message = reader.take(length);
    if message.len() == length {
        let id = u16::from_le_bytes([message[2], message[3]]);
        if id & MCU_CLASS == MCU_CLASS && slots > 1 {
            context
                .violations
                .note(context.now, Violation::McuClassNotAlone { slot });
        }
        context.statistics.messages_down += 1;
        context.statistics.message_bytes_down += length as u64;
        context.firmware.request(message, context.now);
    }
    let trailer = TRAILER.min(stride - length);
    reader.skip(trailer, false);
    if !reader.skip(stride - length - trailer, context.check_padding) {
        context
            .violations
            .note(context.now, Violation::ForeignMemory { slot });
    }
}

#[cfg(test)]
mod tests {
    use super::super::scripted::ScriptedFirmware;
    use super::*;

    struct Bench {
        receiver: Receiver,
        firmware: ScriptedFirmware,
        statistics: Statistics,
        violations: Violations,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                receiver: Receiver::default(),
                firmware: ScriptedFirmware::default(),
                statistics: Statistics::default(),
                violations: Violations::default(),
            }
        }

        fn write(&mut self, toggle: bool, length_code: u16, segments: &[&[u8]]) {
            self.receiver.write(
                toggle,
                length_code,
                segments,
                &mut Context {
                    firmware: &mut self.firmware,
                    statistics: &mut self.statistics,
                    violations: &mut self.violations,
                    check_padding: true,
                    slots: 16,
                    now: Instant::ZERO,
                },
            );
        }

        fn violations(&self) -> Vec<Violation> {
            self.violations
                .as_slice()
                .iter()
                .map(|(_, violation)| violation.clone())
                .collect()
        }
    }

    fn message(len: u16, id: u16) -> Vec<u8> {
        let mut bytes = vec![0x11; usize::from(len)];
        bytes[..2].copy_from_slice(&len.to_le_bytes());
        bytes[2..4].copy_from_slice(&id.to_le_bytes());
        bytes
    }

    fn in_slot(message: &[u8], stride: usize) -> Vec<u8> {
        let mut slot = message.to_vec();
        slot.extend_from_slice(&[0xEE; 4]);
        slot.resize(stride, 0);
        slot
    }

    /// File 10, section 16.2: two frames, however they are scattered.
    #[test]
    fn slots_are_found_wherever_the_segments_are_cut() {
        let (a, b) = (message(16, 0x4006), message(52, 0x6004));
        let transfer = [in_slot(&a, 512), in_slot(&b, 512)].concat();
        for cut in [0, 1, 2, 3, 10, 16, 18, 511, 512, 513, 514, 560, 1024] {
            let (first, second) = transfer.split_at(cut);
            let mut bench = Bench::new();
            bench.write(false, 0x0400, &[first, second]);
            assert_eq!(bench.firmware.requests, [a.clone(), b.clone()], "{cut}");
            assert_eq!(bench.violations(), []);
        }
    }

    #[test]
    fn the_large_stride_leaves_a_block_surplus() {
        let (a, b) = (message(1540, 0x0004), message(1540, 0x2004));
        let mut transfer = [in_slot(&a, 1632), in_slot(&b, 1632)].concat();
        transfer.resize(7 * 512, 0);
        let mut bench = Bench::new();
        bench.write(false, 0x0CC3, &[&transfer]);
        assert_eq!(bench.firmware.requests, [a, b]);
        assert_eq!(bench.violations(), []);
    }

    #[test]
    fn the_same_toggle_again_is_a_duplicate() {
        let transfer = in_slot(&message(16, 0x0006), 512);
        let mut bench = Bench::new();
        bench.write(false, 0x0200, &[&transfer]);
        bench.write(false, 0x0200, &[&transfer]);
        assert_eq!(bench.firmware.requests.len(), 1);
        assert_eq!(bench.statistics.duplicate_writes, 1);
        assert_eq!(bench.violations(), []);
    }

    #[test]
    fn new_data_with_the_old_toggle_is_a_violation() {
        let mut bench = Bench::new();
        bench.write(false, 0x0200, &[&in_slot(&message(16, 0x0006), 512)]);
        bench.write(false, 0x0200, &[&in_slot(&message(16, 0x2006), 512)]);
        assert_eq!(bench.violations(), [Violation::WriteToggle]);
    }

    #[test]
    fn foreign_memory_behind_a_message_is_seen() {
        let mut transfer = in_slot(&message(16, 0x0006), 512);
        transfer[300] = 1;
        let mut bench = Bench::new();
        bench.write(false, 0x0200, &[&transfer]);
        assert_eq!(bench.violations(), [Violation::ForeignMemory { slot: 0 }]);

        let mut transfer = in_slot(&message(1600, 0x0004), 1632);
        transfer.resize(4 * 512, 0);
        transfer[2047] = 1;
        let mut bench = Bench::new();
        bench.write(false, 1632 | 3, &[&transfer]);
        assert_eq!(bench.violations(), [Violation::ForeignMemory { slot: 1 }]);
    }

    #[test]
    fn lengths_that_do_not_fit_are_violations_and_nothing_is_taken() {
        for length in [0, 3, 513] {
            let mut transfer = vec![0; 512];
            transfer[..2].copy_from_slice(&u16::to_le_bytes(length));
            let mut bench = Bench::new();
            bench.write(false, 0x0200, &[&transfer]);
            assert_eq!(bench.firmware.requests.len(), 0);
            assert_eq!(
                bench.violations(),
                [Violation::MessageLength {
                    slot: 0,
                    length,
                    stride: 512
                }]
            );
        }
    }

    #[test]
    fn a_length_code_that_lies_is_a_violation() {
        let transfer = in_slot(&message(16, 0x0006), 512);
        let mut bench = Bench::new();
        bench.write(false, 0x0400, &[&transfer]);
        assert_eq!(
            bench.violations(),
            [Violation::WriteLength {
                length_code: 0x0400,
                bytes: 512
            }]
        );
        assert_eq!(bench.firmware.requests.len(), 1);
    }

    #[test]
    fn an_mcu_class_message_travels_alone() {
        let transfer = [
            in_slot(&message(16, 0x0006), 512),
            in_slot(&message(16, 0x0C25), 512),
        ]
        .concat();
        let mut bench = Bench::new();
        bench.write(false, 0x0400, &[&transfer]);
        assert_eq!(
            bench.violations(),
            [Violation::McuClassNotAlone { slot: 1 }]
        );
    }
}
