//! One download procedure: INFO, DATA…, and for most of them END and RUN, each message answered (file 11, sections 3
//! to 5).
//!
//! | step | does | next |
//! |---|---|---|
//! | `Flush` | between runs: reads answers that came too late (trap B7) | `Buffers` |
//! | `Buffers` | waits until the chip has a free buffer (trap B1), reads its message size | `Write` |
//! | `Write` | sends the message, up to 3 attempts 1 ms apart | `Answer` |
//! | `Answer` | waits for the interrupt, reads the length of the answer | `Read` |
//! | `Read` | reads the answer and checks it, up to 3 attempts 1 ms apart | `Buffers` of the next message |
//!
//! A transfer that failed may have moved its data all the same. So a message is not sent again if its answer is there,
//! and an answer that can no longer be read counts as good where something later tells the truth: the checksum of END
//! for INFO and DATA, the status register for RUN.
//!
//! The sequence number goes on when the procedure is run again, so an answer to a message of the run before is
//! recognised and left aside.

use crate::bus::{is_transient, next_chunk, Bus, BOOT_ATTEMPTS};
use crate::crc32::Crc32;
use crate::message::{check_message_size, Answer, Message, ANSWER_LEN, DATA_OVERHEAD};
use crate::regs;
use crate::stats::{count, count_by};
use bes_hal::sdio::{Cmd53, Count, HostLimits, SdioFunction};
use bes_hal::transport::Progress;
use bes_hal::{BootError, Instant, SdioError, TransportError};

/// Runs of one procedure before it fails (file 11, section 5.4).
const RUNS: u8 = 4;

/// Looks at the length of an answer before the interrupt is taken for a stray one (file 11, section 3).
const LENGTH_LOOKS: u8 = 6;

/// Answers to other messages that are left aside while waiting for one.
const FOREIGN_ANSWERS: u8 = 4;

/// Steps in one poll. Bounds how long a chip that answers at once can keep the caller.
const STEPS_PER_POLL: u8 = 32;

/// Zeros behind a message, up to the least length of a transfer or to a whole block.
static ZEROS: [u8; Count::BLOCK_SIZE] = [0; Count::BLOCK_SIZE];

/// Which messages a procedure has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// INFO and DATA (file 11, section 5.1).
    Register,
    /// INFO, DATA… and END (file 11, section 5.2).
    Memory,
    /// INFO, DATA…, END and RUN (file 11, section 5.3).
    Image,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Info,
    Data,
    End,
    Run,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Flush,
    Buffers {
        next: Instant,
        until: Option<Instant>,
    },
    Write {
        next: Instant,
        attempt: u8,
        written: usize,
    },
    Answer {
        next: Instant,
        until: Instant,
    },
    Read {
        next: Instant,
        attempt: u8,
        until: Instant,
    },
}

/// Longest message that a host moves at once, in bytes; a multiple of 4.
fn longest_message(limits: HostLimits) -> u16 {
    let blocks = if limits.multi_block {
        limits.max_blocks.clamp(1, 64)
    } else {
        1
    };
    blocks.saturating_mul(512)
}

enum Turn {
    Again,
    Wait(Instant),
    Done,
}

/// One procedure under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Download {
    plan: Plan,
    address: u32,
    stage: Stage,
    step: Step,
    /// Bytes of the content that the chip has taken.
    taken: usize,
    crc: Crc32,
    max_message: u16,
    sequence: u8,
    run: u8,
    foreign: u8,
    started: bool,
}

impl Download {
    /// A procedure for content at `address`; `flush` if the one before failed.
    pub(crate) fn new(plan: Plan, address: u32, flush: bool, now: Instant) -> Self {
        Self {
            plan,
            address,
            stage: Stage::Info,
            step: if flush {
                Step::Flush
            } else {
                Step::buffers(now)
            },
            taken: 0,
            crc: Crc32::new(),
            max_message: crate::message::MIN_MESSAGE,
            sequence: 0,
            run: 1,
            foreign: 0,
            started: false,
        }
    }

    /// Bytes of the content that the chip has taken in this run.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    /// Does what is due. `content` is the same in every call.
    pub(crate) fn poll<S: SdioFunction>(
        &mut self,
        bus: &mut Bus<S>,
        content: &[u8],
        now: Instant,
    ) -> Result<Progress, TransportError> {
        for _ in 0..STEPS_PER_POLL {
            match self.step(bus, content, now) {
                Ok(Turn::Again) => {}
                Ok(Turn::Wait(until)) => return Ok(Progress::Pending(until)),
                Ok(Turn::Done) => return Ok(Progress::Done),
                Err(error) if self.may_rerun(error) => {
                    count(&mut bus.stats.boot_reruns);
                    self.rerun();
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Progress::Pending(now))
    }

    fn may_rerun(&self, error: TransportError) -> bool {
        let worth_it = match error {
            TransportError::Bus(error) => self.started && is_transient(error),
            TransportError::Boot(error) => matches!(
                error,
                BootError::NoAnswer | BootError::BadAnswer | BootError::Refused(_)
            ),
            _ => false,
        };
        worth_it && self.run < RUNS
    }

    fn rerun(&mut self) {
        self.run = self.run.saturating_add(1);
        self.stage = Stage::Info;
        self.step = Step::Flush;
        self.taken = 0;
        self.crc = Crc32::new();
        self.sequence = self.sequence.wrapping_add(1);
        self.foreign = 0;
    }

    fn step<S: SdioFunction>(
        &mut self,
        bus: &mut Bus<S>,
        content: &[u8],
        now: Instant,
    ) -> Result<Turn, TransportError> {
        match self.step {
            Step::Flush => {
                flush(bus);
                self.step = Step::buffers(now);
                Ok(Turn::Again)
            }
            Step::Buffers { next, .. } if !next.is_due(now) => Ok(Turn::Wait(next)),
            Step::Buffers { until, .. } => self.look_for_buffer(bus, until, now),
            Step::Write { next, .. } if !next.is_due(now) => Ok(Turn::Wait(next)),
            Step::Write {
                attempt, written, ..
            } => self.write(bus, content, attempt, written, now),
            Step::Answer { next, until } => self.look_for_answer(bus, next, until, now),
            Step::Read { next, .. } if !next.is_due(now) => Ok(Turn::Wait(next)),
            Step::Read { attempt, until, .. } => self.read(bus, content, attempt, until, now),
        }
    }

    fn look_for_buffer<S: SdioFunction>(
        &mut self,
        bus: &mut Bus<S>,
        until: Option<Instant>,
        now: Instant,
    ) -> Result<Turn, TransportError> {
        if bus.read_register(regs::FREE_BUFFERS)? == 0 {
            let until = until.unwrap_or(now.after(bus.timing.buffer_limit));
            if until.is_due(now) {
                return Err(BootError::NoBuffer.into());
            }
            let next = now.after(bus.timing.buffer_period).min(until);
            self.step = Step::Buffers {
                next,
                until: Some(until),
            };
            return Ok(Turn::Wait(next));
        }
        // One message is one transfer: the chip takes the start of a second one for the start of a message (file 11,
        // section 3). Each DATA says where its bytes belong, so shorter ones do as well.
        let most = check_message_size(bus.read_register_16(regs::MAX_MESSAGE)?)?;
        self.max_message = most.min(longest_message(bus.limits));
        self.step = Step::write(now);
        Ok(Turn::Again)
    }

    /// The data of the message to be sent now; empty unless it is DATA.
    fn data<'a>(&self, content: &'a [u8]) -> &'a [u8] {
        if self.stage != Stage::Data {
            return &[];
        }
        let rest = content.get(self.taken..).unwrap_or(&[]);
        let room = usize::from(self.max_message.saturating_sub(DATA_OVERHEAD));
        rest.get(..room).unwrap_or(rest)
    }

    fn message(&self, content: &[u8]) -> Message {
        match self.stage {
            Stage::Info => Message::Info {
                total: u32::try_from(content.len()).unwrap_or(u32::MAX),
                address: self.address,
            },
            Stage::Data => Message::Data {
                address: self
                    .address
                    .wrapping_add(u32::try_from(self.taken).unwrap_or(0)),
                len: u16::try_from(self.data(content).len()).unwrap_or(0),
            },
            Stage::End => Message::End {
                crc: self.crc.value(),
            },
            Stage::Run => Message::Run {
                address: self.address,
            },
        }
    }

    fn write<S: SdioFunction>(
        &mut self,
        bus: &mut Bus<S>,
        content: &[u8],
        attempt: u8,
        mut written: usize,
        now: Instant,
    ) -> Result<Turn, TransportError> {
        self.started = true;
        let head = self.message(content).emit(self.sequence);
        let data = self.data(content);
        let total = head
            .bytes()
            .len()
            .saturating_add(data.len())
            .max(Count::BLOCK_SIZE);
        let until = now.after(bus.timing.answer_limit);
        if written == 0 {
            // Interrupts of the past say nothing about the answer; from here on none is lost (trap B10). But behind an
            // attempt that failed, one says that the chip has the message.
            let raised = bus.take_interrupt();
            if raised && attempt > 1 && pending_length(bus)? == ANSWER_LEN {
                self.step = Step::Read {
                    next: now,
                    attempt: 1,
                    until,
                };
                return Ok(Turn::Again);
            }
        }
        while written < total {
            let (moves, len) = next_chunk(bus.limits, total.saturating_sub(written));
            let command = Cmd53 {
                address: u32::from(len),
                count: moves,
            };
            let parts = [head.bytes(), data, ZEROS.as_slice()];
            let (segments, used) = window(parts, written, moves.bytes());
            match bus.write_data_once(command, segments.get(..used).unwrap_or(&[])) {
                Ok(()) => written = written.saturating_add(usize::from(len)),
                Err(error) => {
                    let (next, attempt) = try_again(bus, error, attempt, now)?;
                    self.step = Step::Write {
                        next,
                        attempt,
                        written,
                    };
                    return Ok(Turn::Wait(next));
                }
            }
        }
        self.step = Step::answer(bus, until, now);
        Ok(Turn::Again)
    }

    /// Looks after an interrupt, because nothing says what the length register holds before; and from time to time
    /// without one, in case it was lost. An answer of the past that such a look may find has another sequence number.
    fn look_for_answer<S: SdioFunction>(
        &mut self,
        bus: &mut Bus<S>,
        next: Instant,
        until: Instant,
        now: Instant,
    ) -> Result<Turn, TransportError> {
        let over = until.is_due(now);
        let raised = bus.take_interrupt();
        if !raised && !next.is_due(now) {
            return Ok(Turn::Wait(next));
        }
        match pending_length(bus)? {
            ANSWER_LEN => {
                self.step = Step::Read {
                    next: now,
                    attempt: 1,
                    until,
                };
                Ok(Turn::Again)
            }
            0 if over => self.without_answer(),
            // Lost or a stray interrupt (trap B2).
            0 => {
                self.step = Step::answer(bus, until, now);
                Ok(Turn::Again)
            }
            // Nothing of another length is ever read here (trap B3).
            _ => Err(BootError::BadAnswer.into()),
        }
    }

    fn read<S: SdioFunction>(
        &mut self,
        bus: &mut Bus<S>,
        content: &[u8],
        attempt: u8,
        until: Instant,
        now: Instant,
    ) -> Result<Turn, TransportError> {
        let command = Cmd53 {
            address: u32::from(ANSWER_LEN),
            count: Count::Bytes(ANSWER_LEN),
        };
        if attempt > 1 {
            let length = pending_length(bus)?;
            if length != ANSWER_LEN {
                return self.answer_is_gone(bus, content, length, now);
            }
        }
        let mut answer = [0; 8];
        if let Err(error) = bus.read_data_once(command, &mut answer) {
            let (next, attempt) = try_again(bus, error, attempt, now)?;
            self.step = Step::Read {
                next,
                attempt,
                until,
            };
            return Ok(Turn::Wait(next));
        }
        match Answer::parse(answer, self.sequence)? {
            Answer::Foreign(_) => {
                self.foreign = self.foreign.saturating_add(1);
                if self.foreign > FOREIGN_ANSWERS {
                    return Err(BootError::BadAnswer.into());
                }
                self.step = Step::answer(bus, until, now);
                Ok(Turn::Again)
            }
            Answer::Accepted => Ok(self.accepted(bus, content, now)),
        }
    }

    /// An attempt to read the answer failed but moved it, and the chip has something else of this length, or nothing.
    fn answer_is_gone<S: SdioFunction>(
        &mut self,
        bus: &mut Bus<S>,
        content: &[u8],
        length: u16,
        now: Instant,
    ) -> Result<Turn, TransportError> {
        match self.stage {
            Stage::Info | Stage::Data if self.plan != Plan::Register && length == 0 => {
                Ok(self.accepted(bus, content, now))
            }
            _ => self.without_answer(),
        }
    }

    /// There is no answer to the message. RUN needs none: the chip got it, and its status tells what came of it.
    fn without_answer(&self) -> Result<Turn, TransportError> {
        if self.stage == Stage::Run {
            Ok(Turn::Done)
        } else {
            Err(BootError::NoAnswer.into())
        }
    }

    fn accepted<S: SdioFunction>(
        &mut self,
        bus: &mut Bus<S>,
        content: &[u8],
        now: Instant,
    ) -> Turn {
        count(&mut bus.stats.boot_messages);
        let data = self.data(content);
        self.crc.update(data);
        self.taken = self.taken.saturating_add(data.len());
        count_by(&mut bus.stats.boot_bytes, data.len());
        let complete = self.taken >= content.len();
        self.stage = match (self.stage, self.plan) {
            (Stage::Info | Stage::Data, _) if !complete => Stage::Data,
            (Stage::Info | Stage::Data, Plan::Memory | Plan::Image) => Stage::End,
            (Stage::End, Plan::Image) => Stage::Run,
            _ => return Turn::Done,
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.foreign = 0;
        self.step = if self.plan == Plan::Register {
            // The second message of a register write goes without a look (file 11, section 3).
            Step::write(now)
        } else {
            Step::buffers(now)
        };
        Turn::Again
    }
}

impl Step {
    fn buffers(now: Instant) -> Self {
        Self::Buffers {
            next: now,
            until: None,
        }
    }

    fn answer<S: SdioFunction>(bus: &Bus<S>, until: Instant, now: Instant) -> Self {
        Self::Answer {
            next: now.after(bus.timing.answer_period).min(until),
            until,
        }
    }

    fn write(now: Instant) -> Self {
        Self::Write {
            next: now,
            attempt: 1,
            written: 0,
        }
    }
}

/// Time and number of the next attempt after `error`, or `error` if there is none.
pub(crate) fn try_again<S: SdioFunction>(
    bus: &mut Bus<S>,
    error: SdioError,
    attempt: u8,
    now: Instant,
) -> Result<(Instant, u8), SdioError> {
    if !is_transient(error) || attempt >= BOOT_ATTEMPTS {
        return Err(error);
    }
    count(&mut bus.stats.retries);
    Ok((now.after(bus.timing.boot_retry), attempt.saturating_add(1)))
}

/// Length of what the chip has for the host, after up to six looks while it is zero. Acknowledges the interrupt.
pub(crate) fn pending_length<S: SdioFunction>(bus: &mut Bus<S>) -> Result<u16, SdioError> {
    for _ in 1..LENGTH_LOOKS {
        let length = bus.read_register_16(regs::LENGTH_LOW)?;
        if length != 0 {
            return Ok(length);
        }
    }
    bus.read_register_16(regs::LENGTH_LOW)
}

/// Reads and forgets what the chip may still want to say. Errors do not matter: the run that follows meets them.
fn flush<S: SdioFunction>(bus: &mut Bus<S>) {
    for _ in 0..FOREIGN_ANSWERS {
        let mut scratch = [0; Count::BLOCK_SIZE];
        let Ok(length) = bus.read_register_16(regs::LENGTH_LOW) else {
            return;
        };
        let Some(target) = scratch.get_mut(..usize::from(length)) else {
            return;
        };
        let command = Cmd53 {
            address: u32::from(length),
            count: Count::Bytes(length),
        };
        if length == 0 || bus.read_data_once(command, target).is_err() {
            return;
        }
    }
}

/// The part of `parts`, laid end to end, that starts at `start` and has `len` bytes: segments and how many.
fn window(parts: [&[u8]; 3], start: usize, len: usize) -> ([&[u8]; 3], usize) {
    let mut segments: [&[u8]; 3] = [&[]; 3];
    let mut used: usize = 0;
    let (mut skip, mut left) = (start, len);
    for part in parts {
        let from = skip.min(part.len());
        skip = skip.saturating_sub(from);
        let rest = part.get(from..).unwrap_or(&[]);
        let segment = rest.get(..left).unwrap_or(rest);
        left = left.saturating_sub(segment.len());
        if let (false, Some(entry)) = (segment.is_empty(), segments.get_mut(used)) {
            *entry = segment;
            used = used.saturating_add(1);
        }
    }
    (segments, used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_cuts_across_parts() {
        let parts: [&[u8]; 3] = [b"head", b"body", b"0000"];
        let cut = |start, len| {
            let (segments, used) = window(parts, start, len);
            segments[..used].concat()
        };
        assert_eq!(cut(0, 12), b"headbody0000");
        assert_eq!(cut(2, 4), b"adbo");
        assert_eq!(cut(6, 4), b"dy00");
        assert_eq!(cut(8, 2), b"00");
        assert_eq!(cut(12, 5), b"");
    }
}
