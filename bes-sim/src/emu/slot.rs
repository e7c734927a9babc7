//! One emulated card with what its threads share: the world, the level of the interrupt as the host knows it, and who
//! looks after the next thing that happens by itself.
//!
//! Two threads move a world: the card's own, with every bus command and at the end of every wait, and the medium's, when
//! frames came for it. Locks are taken in this order: line, world, medium.

use super::radio::Radio;
use super::source::InterruptLine;
use bes_hal::time::Instant;
use mock_hal::chip::lmac::Lmac;
use mock_hal::Handle;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the host knows of the card's interrupt.
#[derive(Debug, Default)]
pub struct Line {
    /// Level it was told; `None` if it may have missed the last one.
    pub told: Option<bool>,
    /// The answer under way lowers the level, and may arrive after a level that the medium's thread sets.
    pub lowering: bool,
    /// Until when the card's thread waits; `None` while it works, and will look at everything before it waits again.
    pub waits_until: Option<Instant>,
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
        if line.told != Some(level) {
            line.told = Some(level);
            let mut told = self.interrupt.set(level);
            if level && line.lowering {
                // The answer may be taken after this: the card's thread must look again when it was.
                told = told.and_then(|()| self.interrupt.wake());
            }
            if told.is_err() {
                // The host is gone, as the card's thread will find out.
                line.told = None;
            }
        }
        next.filter(|next| *next < until)
    }
}
