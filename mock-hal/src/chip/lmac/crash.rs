//! How the firmware ends before its time: a crash with a report, or deafness without a word, and what it takes to heal.
//!
//! | end | what the host sees | what heals |
//! |---|---|---|
//! | [crash](Lmac::crash) | an exception indication (file 20, section 15.8), then silence | the [`Cure`] |
//! | [`Deafness::Everything`] | silence | the [`Cure`] |
//! | [`Deafness::Commands`] | frames go on, commands are never confirmed | the [`Cure`] |
//! | [`Deafness::Interface`] | one interface is dead: no confirmation, no indication, no frame | its RESET, and whatever is more |

use super::{Lmac, Medium};
use crate::chip::wire::header::{number, Class, Header};
use crate::chip::wire::indication;
use bes_hal::time::Instant;

/// What brings a firmware back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cure {
    /// Wi-Fi deactive and active.
    #[default]
    WifiRestart,
    /// Only a new download of the firmware, after the function was disabled or the card lost its power.
    Download,
}

/// What an exception indication tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// 0 undefined instruction, 1 prefetch abort, 2 data abort, 3 unknown; from 4 on an assertion.
    pub reason: u32,
    /// R0 to R12, SP, LR, PC, CPSR, SPSR. Of an assertion, R1 is the line.
    pub registers: [u32; 18],
    /// Name of a source file, at most 47 bytes are sent.
    pub text: String,
}

impl Exception {
    /// An exception with registers that a reader can tell apart.
    pub fn new(reason: u32) -> Self {
        Self {
            reason,
            registers: core::array::from_fn(|register| 0x2000_0000 + 4 * register as u32),
            text: String::from("emulated"),
        }
    }
}

/// When the firmware crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// At this time.
    At(Instant),
    /// When so many more messages of the host have come; 0 for with the next one. The last one is not confirmed.
    Requests(u32),
    /// When the host sends a command with this number (0x0B: join); it is not confirmed.
    Command(u8),
    /// When so many more received frames went up.
    Received(u32),
}

/// What a firmware that went deaf does no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deafness {
    /// It confirms no command; frames go on in both directions.
    Commands,
    /// It does nothing for one interface until its RESET.
    Interface(u8),
    /// It takes everything and answers nothing.
    Everything,
}

/// A crash that waits for its moment, and what the firmware suffers from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Doom {
    planned: Option<(Moment, Exception)>,
    deaf: Option<(Deafness, Cure)>,
}

impl<M: Medium> Lmac<M> {
    /// Crashes the firmware now, with its report.
    pub fn crash(&mut self, exception: &Exception) {
        self.send(indication::exception(
            exception.reason,
            &exception.registers,
            &exception.text,
        ));
        self.die(self.config.exception_cure);
    }

    /// Lets the firmware crash at a moment to come; `None` calls that off. The plan survives restarts.
    pub fn plan_crash(&mut self, plan: Option<(Moment, Exception)>) {
        self.changed();
        self.doom.planned = plan;
    }

    /// Makes the firmware deaf until it is cured.
    pub fn go_deaf(&mut self, deafness: Deafness, cure: Cure) {
        self.changed();
        if deafness == Deafness::Everything {
            return self.die(cure);
        }
        self.doom.deaf = Some((deafness, cure));
    }

    /// What the firmware is deaf to.
    pub fn deafness(&self) -> Option<Deafness> {
        self.doom.deaf.map(|(deafness, _)| deafness)
    }

    /// Silence from now on.
    fn die(&mut self, cure: Cure) {
        self.changed();
        self.doom.deaf = Some((Deafness::Everything, cure));
        self.dead = true;
    }

    /// The subsystem was switched off or on.
    pub(super) fn heal_by_restart(&mut self) {
        if matches!(self.doom.deaf, Some((_, Cure::WifiRestart))) {
            self.doom.deaf = None;
        }
        self.dead = matches!(self.doom.deaf, Some((Deafness::Everything, _)));
    }

    /// The firmware is gone and will be downloaded again.
    pub(super) fn heal_by_download(&mut self) {
        self.doom.deaf = None;
        self.dead = false;
    }

    /// An interface was reset.
    pub(super) fn heal_by_reset(&mut self, interface: u8) {
        if matches!(self.doom.deaf, Some((Deafness::Interface(deaf), _)) if deaf == interface) {
            self.doom.deaf = None;
        }
    }

    /// Whether this command is taken and never confirmed.
    pub(super) fn ignores_command(&self, header: Header) -> bool {
        match self.deafness() {
            Some(Deafness::Commands | Deafness::Everything) => true,
            Some(Deafness::Interface(interface)) => {
                header.class() == Class::Request
                    && header.interface() == interface
                    && header.number() != number::RESET
            }
            None => false,
        }
    }

    /// Whether nothing goes up for this interface, and none of its frames leaves.
    pub(super) fn is_deaf_on(&self, interface: u8) -> bool {
        self.deafness() == Some(Deafness::Interface(interface))
    }

    /// Whether an indication is kept back because its interface is dead.
    pub(super) fn swallows(&self, message: &[u8]) -> bool {
        self.doom.deaf.is_some()
            && Header::parse(message).is_some_and(|header| {
                header.class() == Class::Indication && self.is_deaf_on(header.interface())
            })
    }

    /// When the planned crash happens by itself.
    pub(super) fn doom_due(&self) -> Option<Instant> {
        match self.doom.planned {
            Some((Moment::At(at), _)) => Some(at),
            _ => None,
        }
    }

    /// Crashes if it is time.
    pub(super) fn doom_step(&mut self, now: Instant) {
        if self.doom_due().is_some_and(|at| at.is_due(now)) {
            self.meet_doom();
        }
    }

    /// A message of the host came. `true`: the firmware crashes over it.
    pub(super) fn crashes_over(&mut self, header: Header) -> bool {
        let struck = match &mut self.doom.planned {
            Some((Moment::Requests(left), _)) => count_down(left),
            Some((Moment::Command(wanted), _)) => {
                header.class() == Class::Request && header.number() == *wanted
            }
            _ => false,
        };
        if struck {
            self.meet_doom();
        }
        struck
    }

    /// A received frame went up.
    pub(super) fn frame_went_up(&mut self) {
        if let Some((Moment::Received(left), _)) = &mut self.doom.planned {
            if count_down(left) {
                self.meet_doom();
            }
        }
    }

    fn meet_doom(&mut self) {
        if let Some((_, exception)) = self.doom.planned.take() {
            self.crash(&exception);
        }
    }
}

/// Whether it was 0 already; one less otherwise.
fn count_down(left: &mut u32) -> bool {
    let over = *left == 0;
    *left = left.saturating_sub(1);
    over
}
