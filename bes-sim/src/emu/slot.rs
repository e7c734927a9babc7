//! One emulated card with what its threads share: the world, the level of the interrupt as the host knows it, and who
//! looks after the next thing that happens by itself.
//!
//! Two threads move a world: the card's own, with every bus command and at the end of every wait, and the medium's, when
//! frames came for it. Locks are taken in this order: line, world, medium.

use super::radio::Radio;
use super::source::InterruptLine;
use bes_hal::time::Instant;
use mock_hal::chip::lmac::{Cure, Deafness, Exception, Lmac, Medium};
use mock_hal::Handle;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How a firmware ends by order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doom {
    /// It reports an exception and is silent; Wi-Fi off and on heals it.
    Crash,
    /// It is silent without a word; only a new download heals it.
    Silence,
}

impl Doom {
    fn strike<M: Medium>(self, lmac: &mut Lmac<M>) {
        match self {
            Self::Crash => lmac.crash(&Exception::new(2)),
            Self::Silence => lmac.go_deaf(Deafness::Everything, Cure::Download),
        }
    }
}

/// What the host knows of the card's interrupt.
#[derive(Debug, Default)]
pub struct Line {
    /// Level it was told; `None` if it may have missed the last one.
    pub told: Option<bool>,
    /// The exchange under way lowers the level, and may arrive after a level that the medium's thread sets.
    pub lowering: bool,
    /// Until when the card's thread waits; `None` while it works, and will look at everything before it waits again.
    pub waits_until: Option<Instant>,
}

/// What the medium's thread tells the host of the interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    /// Nothing.
    None,
    /// The level.
    Level,
    /// The level, and the exchange that may overtake it is to end, so that the card's thread says it again.
    Overtaken,
}

impl Line {
    /// The medium's thread sees this level while the card's thread waits.
    fn see(&mut self, level: bool) -> News {
        if self.told == Some(level) {
            return News::None;
        }
        if level && self.lowering {
            // The exchange may arrive after what is told now: nobody knows what the host knows then.
            self.told = None;
            return News::Overtaken;
        }
        self.told = Some(level);
        News::Level
    }
}

/// A card.
pub struct Slot {
    /// Its number among the chips of this process.
    pub number: usize,
    /// The slot of the virtual host it is in.
    pub place: usize,
    /// Its world.
    pub handle: Handle,
    line: Mutex<Line>,
    interrupt: Box<dyn InterruptLine>,
}

impl Slot {
    /// A card in its slot.
    pub fn new(
        number: usize,
        place: usize,
        handle: Handle,
        interrupt: Box<dyn InterruptLine>,
    ) -> Self {
        Self {
            number,
            place,
            handle,
            line: Mutex::default(),
            interrupt,
        }
    }

    /// What the host knows of the interrupt.
    pub fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The interrupt line.
    pub fn interrupt(&self) -> &dyn InterruptLine {
        &*self.interrupt
    }

    /// The medium has news for the chip: whatever is due happens.
    pub fn poke(&self, now: Instant) {
        self.handle.with(|world| {
            world.with_chip(|chip| {
                let firmware = chip.firmware_mut().as_any_mut();
                if let Some(lmac) = firmware.downcast_mut::<Lmac<Radio>>() {
                    // Whoever takes the radio makes the firmware look at it anew.
                    let _ = lmac.medium_mut();
                }
            });
            world.advance_to(now);
        });
    }

    /// The firmware ends.
    pub fn meet(&self, doom: Doom, now: Instant) {
        self.handle.with(|world| {
            world.advance_to(now);
            world.with_chip(|chip| {
                let firmware = chip.firmware_mut().as_any_mut();
                if let Some(lmac) = firmware.downcast_mut::<Lmac<Radio>>() {
                    doom.strike(lmac);
                } else if let Some(lmac) = firmware.downcast_mut::<Lmac>() {
                    doom.strike(lmac);
                }
            });
            world.advance_to(now);
        });
    }

    /// For the medium's thread: tells the host about the interrupt if it has changed, and says when something happens
    /// that the card's thread does not wait for.
    pub fn attend(&self, now: Instant) -> Option<Instant> {
        let mut line = self.line();
        // A thread that works will tell the host itself.
        let until = line.waits_until?;
        let (level, next) = self.handle.with(|world| {
            if world.next_event().is_some_and(|at| at.is_due(now)) {
                world.advance_to(now);
            }
            (world.interrupt_asserted(), world.next_event())
        });
        let told = match line.see(level) {
            News::None => Ok(()),
            News::Level => self.interrupt.set(level),
            News::Overtaken => self
                .interrupt
                .set(level)
                .and_then(|()| self.interrupt.wake()),
        };
        if told.is_err() {
            // The host is gone, as the card's thread will find out.
            line.told = None;
        }
        next.filter(|next| *next < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_told_once() {
        let mut line = Line {
            told: Some(false),
            ..Line::default()
        };
        assert_eq!(line.see(true), News::Level);
        assert_eq!(line.see(true), News::None);
        assert_eq!(line.see(false), News::Level);
    }

    #[test]
    fn a_level_that_the_exchange_may_overtake_is_said_again_by_the_card_s_thread() {
        let mut line = Line {
            told: Some(false),
            lowering: true,
            ..Line::default()
        };
        assert_eq!(line.see(true), News::Overtaken);
        assert_eq!(line.told, None);
    }
}
