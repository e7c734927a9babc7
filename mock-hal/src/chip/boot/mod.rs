//! From power to running firmware: loader, calibration, start.
//!
//! | phase (file 11, section 1) | state | event | next |
//! |---|---|---|---|
//! | — | off | function enabled | loader |
//! | A | loader | RUN of the calibration image | calibrating |
//! | A | loader | RUN of another image | starting |
//! | B | calibrating | time | loader again, with a calibration block that waits |
//! | B | loader | RUN of the main image | starting |
//! | C | starting | time | running |
//! | any | | function disabled | off |

pub mod blocks;
pub mod image;
mod loader;
mod memory_map;

pub use image::ImageKind;
pub use loader::Download;
pub use memory_map::MemoryMap;

use super::settings::BootSettings;
use crate::statistics::Statistics;
use crate::violation::{Violation, Violations};
use bes_hal::time::{earliest, Instant};
use loader::{Action, Header, Loader, Outcome};

/// What the host can see of the phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Function 1 is disabled.
    Off,
    /// The loader takes downloads; `true` after calibration in this session.
    Loader,
    /// The calibration firmware works.
    Calibrating,
    /// A firmware was started and is not ready yet.
    Starting(ImageKind),
    /// A firmware runs.
    Running(ImageKind),
}

/// An answer that is being made or waits for the host.
#[derive(Debug)]
enum Answer {
    None,
    /// Ready at this time; then the action is carried out.
    Preparing(Instant, Vec<u8>),
    /// 0x000 and 0x001 say its length.
    Waiting(Vec<u8>),
    /// It was read; kept in case the host asks again.
    Read(Vec<u8>),
}

/// The boot half of the chip.
#[derive(Debug)]
pub(crate) struct Boot {
    phase: Phase,
    /// End of [`Phase::Calibrating`] or [`Phase::Starting`].
    phase_end: Option<Instant>,
    loader: Loader,
    answer: Answer,
    interrupt: bool,
    /// Whether the chip has calibration data, its own or written back.
    calibrated: bool,
    /// A calibration block was made in this session.
    dpd_ready: bool,
    /// What runs as soon as the answer to RUN has been made.
    run: Option<ImageKind>,
    last_header: Option<Header>,
    downloads: Vec<Download>,
    register_writes: Vec<(u32, u32)>,
}

impl Boot {
    /// A chip whose function is disabled.
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Off,
            phase_end: None,
            loader: Loader::default(),
            answer: Answer::None,
            interrupt: false,
            calibrated: false,
            dpd_ready: false,
            run: None,
            last_header: None,
            downloads: Vec::new(),
            register_writes: Vec::new(),
        }
    }

    /// Function enabled: phase A.
    pub(crate) fn enable(&mut self) {
        *self = Self::new();
        self.phase = Phase::Loader;
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn is_downloading(&self) -> bool {
        matches!(self.phase, Phase::Loader | Phase::Calibrating)
    }

    pub(crate) fn downloads(&self) -> &[Download] {
        &self.downloads
    }

    pub(crate) fn register_writes(&self) -> &[(u32, u32)] {
        &self.register_writes
    }

    pub(crate) fn interrupt(&self) -> bool {
        self.interrupt
    }

    pub(crate) fn is_dpd_ready(&self) -> bool {
        self.dpd_ready
    }

    fn waiting(&self) -> u16 {
        match &self.answer {
            Answer::Waiting(bytes) => bytes.len() as u16,
            _ => 0,
        }
    }

    /// 0x000.
    pub(crate) fn length_low(&self) -> u8 {
        self.waiting().to_le_bytes()[0]
    }

    /// 0x001, and the interrupt is acknowledged.
    pub(crate) fn length_high(&mut self) -> u8 {
        self.interrupt = false;
        self.waiting().to_le_bytes()[1]
    }

    /// 0x108.
    pub(crate) fn free_buffers(&self, settings: &BootSettings) -> u8 {
        if !self.is_downloading() {
            return 0;
        }
        let used = matches!(self.answer, Answer::Preparing(..)) || self.phase == Phase::Calibrating;
        settings.buffers.saturating_sub(u8::from(used))
    }

    /// 0x109 and 0x10A.
    pub(crate) fn message_size(&self, settings: &BootSettings) -> [u8; 2] {
        if self.is_downloading() {
            settings.message_size.to_le_bytes()
        } else {
            [0; 2]
        }
    }

    /// A CMD53 write in the boot phase. `bytes` are at least the message.
    pub(crate) fn write(
        &mut self,
        bytes: &[u8],
        settings: &BootSettings,
        statistics: &mut Statistics,
        violations: &mut Violations,
        now: Instant,
    ) {
        let Some(header) = Header::parse(bytes) else {
            return;
        };
        if self.phase == Phase::Calibrating || (self.dpd_ready && self.waiting() > 8) {
            violations.note(now, Violation::CalibrationDisturbed);
            if self.phase == Phase::Calibrating {
                return;
            }
        }
        let unread = matches!(self.answer, Answer::Preparing(..) | Answer::Waiting(_));
        if unread {
            // The answer to this very message has not been read: the host did not see that it had moved.
            if self.last_header == Some(header) {
                statistics.duplicate_writes += 1;
                self.interrupt = matches!(self.answer, Answer::Waiting(_));
                return;
            }
            if !header.is_info() {
                violations.note(
                    now,
                    Violation::AnswerUnread {
                        sequence: header.sequence,
                    },
                );
            }
        }
        if self.free_buffers(settings) == 0 {
            violations.note(now, Violation::NoFreeBuffer);
            return;
        }
        self.interrupt = false;
        self.last_header = Some(header);
        statistics.boot_messages += 1;
        let before = self.loader.bytes;
        let (outcome, action) =
            self.loader
                .handle(header, bytes, settings.message_size, &settings.memory);
        statistics.boot_bytes += self.loader.bytes - before;
        if outcome != Outcome::Accepted {
            violations.note(
                now,
                Violation::Refused {
                    message_type: header.message_type,
                    result: outcome as u32,
                },
            );
        }
        self.carry_out(action, violations, now);
        self.answer =
            Answer::Preparing(now.after(settings.answer), header.answer(outcome).to_vec());
        self.advance(now);
    }

    fn carry_out(&mut self, action: Action, violations: &mut Violations, now: Instant) {
        match action {
            Action::None => {}
            Action::Register(address, value) => self.register_writes.push((address, value)),
            Action::Completed(download) => {
                if download.address == blocks::DPD_ADDRESS {
                    if blocks::is_calibration(&download.content) {
                        self.calibrated = true;
                    } else {
                        violations.note(now, Violation::DpdBlock);
                    }
                }
                if download.address == blocks::FACTORY_ADDRESS
                    && !blocks::is_factory(&download.content)
                {
                    violations.note(now, Violation::FactoryBlock);
                }
                self.downloads.push(download);
            }
            Action::Run(head) => {
                let by_order = if self.calibrated {
                    ImageKind::Main
                } else {
                    ImageKind::Calibration
                };
                let kind = ImageKind::of(&head).unwrap_or(by_order);
                if matches!(kind, ImageKind::Main | ImageKind::NoSignal) && !self.calibrated {
                    violations.note(now, Violation::NotCalibrated);
                }
                self.run = Some(kind);
            }
        }
    }

    /// A CMD53 read in the boot phase. `false`: there is nothing, no data comes.
    pub(crate) fn read(
        &mut self,
        length_code: u16,
        buffer: &mut [u8],
        settings: &BootSettings,
        violations: &mut Violations,
        now: Instant,
    ) -> bool {
        let announced = self.waiting();
        let bytes = match std::mem::replace(&mut self.answer, Answer::None) {
            Answer::Waiting(bytes) => {
                if length_code != announced {
                    violations.note(
                        now,
                        Violation::AnswerLength {
                            announced,
                            asked: length_code,
                        },
                    );
                }
                bytes
            }
            Answer::Read(bytes) => bytes,
            other => {
                self.answer = other;
                violations.note(
                    now,
                    Violation::AnswerLength {
                        announced: 0,
                        asked: length_code,
                    },
                );
                return false;
            }
        };
        let len = bytes.len().min(buffer.len());
        let (front, surplus) = buffer.split_at_mut(len);
        front.copy_from_slice(&bytes[..len]);
        surplus.fill(0);
        self.answer = Answer::Read(bytes);
        self.interrupt = false;
        self.start_what_was_run(settings, now);
        true
    }

    pub(crate) fn next_event(&self) -> Option<Instant> {
        let answer = match &self.answer {
            Answer::Preparing(at, _) => Some(*at),
            _ => None,
        };
        earliest(answer, self.phase_end)
    }

    pub(crate) fn advance(&mut self, now: Instant) {
        match std::mem::replace(&mut self.answer, Answer::None) {
            // The length is there before the interrupt (file 11, section 14, item 3).
            Answer::Preparing(at, bytes) if at.is_due(now) => {
                self.answer = Answer::Waiting(bytes);
                self.interrupt = true;
            }
            other => self.answer = other,
        }
        if self.phase_end.is_some_and(|end| end.is_due(now)) {
            self.phase_end = None;
            match self.phase {
                Phase::Calibrating => {
                    self.phase = Phase::Loader;
                    self.calibrated = true;
                    self.dpd_ready = true;
                    self.answer = Answer::Waiting(blocks::calibration());
                    self.interrupt = true;
                }
                Phase::Starting(kind) => {
                    self.phase = Phase::Running(kind);
                    self.answer = Answer::None;
                    self.interrupt = false;
                }
                Phase::Off | Phase::Loader | Phase::Running(_) => {}
            }
        }
    }

    /// RUN: the answer is read first, then the image starts. File 11, section 14, item 6.
    fn start_what_was_run(&mut self, settings: &BootSettings, now: Instant) {
        let Some(kind) = self.run.take() else {
            return;
        };
        let (phase, time) = match kind {
            ImageKind::Calibration => (Phase::Calibrating, settings.calibration),
            kind => (Phase::Starting(kind), settings.start),
        };
        self.phase = phase;
        self.phase_end = time.map(|time| now.after(time));
        self.dpd_ready = false;
        self.loader = Loader::default();
        self.last_header = None;
    }
}
