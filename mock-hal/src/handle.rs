//! What tests and programs hold while the driver holds the card.

use crate::air::Air;
use crate::candidate::Act;
use crate::chip::lmac::Lmac;
use crate::chip::{Chip, Firmware};
use crate::clock::VirtualClock;
use crate::statistics::Statistics;
use crate::trace::Trace;
use crate::violation::Violation;
use crate::world::World;
use bes_hal::doorbell::Doorbell;
use bes_hal::time::Instant;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Access to the world of one card, next to the driver's. Clones are handles of the same world.
#[derive(Clone)]
pub struct Handle {
    world: Arc<Mutex<World>>,
    clock: VirtualClock,
}

/// Locks a world. A panic of somebody who held it is that one's failure; the world is still consistent enough to be
/// looked at.
pub(crate) fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Handle {
    pub(crate) fn new(world: Arc<Mutex<World>>) -> Self {
        let clock = lock(&world).clock().clone();
        Self { world, clock }
    }

    /// Lets `f` use the world. The driver's next bus command waits meanwhile: `f` must not use the driver.
    pub fn with<R>(&self, f: impl FnOnce(&mut World) -> R) -> R {
        f(&mut lock(&self.world))
    }

    /// Time now.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// When something happens by itself, if anything will.
    pub fn next_event(&self) -> Option<Instant> {
        self.with(|world| world.next_event())
    }

    /// Moves time to `instant`; everything on the way happens at its time.
    pub fn advance_to(&self, instant: Instant) {
        self.with(|world| world.advance_to(instant));
    }

    /// Moves time to `limit`, or to the first edge of the interrupt before it. Returns whether there was one.
    pub fn advance_to_interrupt(&self, limit: Instant) -> bool {
        self.with(|world| world.advance_to_interrupt(limit))
    }

    /// The level of the interrupt line.
    pub fn interrupt_asserted(&self) -> bool {
        self.with(|world| world.interrupt_asserted())
    }

    /// The logical level of the host-wake line: the chip sleeps and has something for the host, which may sleep too.
    pub fn host_wake_asserted(&self) -> bool {
        self.with(|world| world.host_wake_asserted())
    }

    /// Moves time to `limit`, or to the first time the host-wake line is asserted. Returns whether it is.
    pub fn advance_to_host_wake(&self, limit: Instant) -> bool {
        self.with(|world| world.advance_to_host_wake(limit))
    }

    /// Rings `doorbell` on every edge of the interrupt from now on.
    pub fn set_doorbell(&self, doorbell: Arc<Doorbell>) {
        self.with(|world| world.set_doorbell(doorbell));
    }

    /// Whether a ring since the last call had to wake the doorbell's owner.
    pub fn take_wakeup(&self) -> bool {
        self.with(World::take_wakeup)
    }

    /// Lets `f` do something to the chip; what follows from it happens at once.
    pub fn with_chip<R>(&self, f: impl FnOnce(&mut Chip) -> R) -> R {
        self.with(|world| world.with_chip(f))
    }

    /// Lets `f` use the firmware as what it is; `None` if it is something else.
    pub fn with_firmware<F: Firmware + 'static, R>(
        &self,
        f: impl FnOnce(&mut F) -> R,
    ) -> Option<R> {
        self.with_chip(|chip| chip.firmware_mut().as_any_mut().downcast_mut().map(f))
    }

    /// Lets `f` use the firmware; `None` if the card was made with another one than [`Lmac`] on [`Air`].
    pub fn with_lmac<R>(&self, f: impl FnOnce(&mut Lmac) -> R) -> Option<R> {
        self.with_firmware(f)
    }

    /// Lets `f` use the air; `None` if the card was made with another firmware than [`Lmac`] on [`Air`].
    pub fn with_air<R>(&self, f: impl FnOnce(&mut Air) -> R) -> Option<R> {
        self.with_lmac(|lmac| f(lmac.medium_mut()))
    }

    /// Lets `f` use the trace.
    pub fn with_trace<R>(&self, f: impl FnOnce(&mut Trace) -> R) -> R {
        self.with(|world| f(world.trace_mut()))
    }

    /// A copy of the counters.
    pub fn statistics(&self) -> Statistics {
        self.with(|world| world.statistics().clone())
    }

    /// What the host did against the specification, as bus and boot saw it: the first thousand.
    pub fn violations(&self) -> Vec<(Instant, Violation)> {
        self.with(|world| world.violations().as_slice().to_vec())
    }

    /// How often bus and boot saw the host do something against the specification.
    pub fn violation_count(&self) -> u64 {
        self.with(|world| world.violations().count())
    }

    /// Everything the host did against the specification in words: bus, boot and firmware.
    pub fn all_violations(&self) -> Vec<String> {
        self.with(|world| {
            let bus = world.violations().as_slice().iter();
            let mut all: Vec<String> = bus
                .map(|(at, violation)| format!("{at}: {violation}"))
                .collect();
            all.extend(world.chip().firmware().violations().iter().cloned());
            all
        })
    }

    /// Lets one of the six candidates of file 50, section 4, begin after the time it says; `None` ends the one before.
    pub fn set_candidate(&self, act: Option<Act>) {
        self.with(|world| world.set_candidate(act));
    }

    /// When the candidate that was set began; `None` if it has not.
    pub fn candidate_began(&self) -> Option<Instant> {
        self.with(|world| world.candidate_began())
    }

    /// Pulls the card out (`false`) or puts it back (`true`), as new and identified.
    pub fn set_present(&self, present: bool) {
        self.with(|world| world.set_present(present));
    }
}
