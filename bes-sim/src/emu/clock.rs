//! Real time for the chip's clock.
//!
//! The chip's time is that of `CLOCK_MONOTONIC` since the start of the program. Reading that clock is a system call
//! where there is no vDSO, as under user-mode Linux, and costs as much as a whole bus command there; so the processor's
//! own counter is read instead, and set by the system's clock again once a second.

use bes_hal::time::Instant;
use quanta::Clock as Counter;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// After how long the counter is compared with the system's clock.
const RESYNC: u64 = 1_000_000_000;

/// Time since the start, read without a system call where the machine allows it.
pub struct Clock {
    counter: Counter,
    start: std::time::Instant,
    mapping: Mapping,
    /// Counter reading (in nanoseconds since the start of the counter) at which the mapping was last set.
    set_at: AtomicU64,
    origin: u64,
}

impl Clock {
    /// A clock that reads zero now.
    pub fn start() -> Self {
        let counter = Counter::new();
        let origin = counter.raw();
        Self {
            start: std::time::Instant::now(),
            mapping: Mapping::default(),
            set_at: AtomicU64::new(0),
            origin,
            counter,
        }
    }

    /// Time now. Never before what was returned earlier.
    pub fn now(&self) -> Instant {
        let raw = self.counter.delta_as_nanos(self.origin, self.counter.raw());
        let set_at = self.set_at.load(Ordering::Relaxed);
        if raw.saturating_sub(set_at) > RESYNC {
            self.set_at.store(raw, Ordering::Relaxed);
            self.mapping.set(raw, nanos(self.start.elapsed()));
        }
        Instant::from_nanos(self.mapping.read(raw))
    }

    /// How long until `instant`.
    pub fn until(&self, instant: Instant) -> Duration {
        instant.since(self.now())
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// From readings of a counter to time. Set by several threads at once it is still right to within what they differ by.
#[derive(Debug, Default)]
pub struct Mapping {
    /// Time minus reading, wrapping.
    offset: AtomicU64,
    /// The latest time that was told.
    latest: AtomicU64,
}

impl Mapping {
    /// The reading is this time.
    pub fn set(&self, reading: u64, time: u64) {
        self.offset
            .store(time.wrapping_sub(reading), Ordering::Relaxed);
    }

    /// The time of a reading; a correction backwards makes time stand still, not return.
    pub fn read(&self, reading: u64) -> u64 {
        let time = reading.wrapping_add(self.offset.load(Ordering::Relaxed));
        self.latest.fetch_max(time, Ordering::Relaxed).max(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_runs_fast_is_held_back_and_one_that_runs_slow_is_set_on() {
        let mapping = Mapping::default();
        assert_eq!(mapping.read(1_000), 1_000);
        // 1000 of the counter were 990 of the clock: time stands still for 10, then goes on.
        mapping.set(1_000, 990);
        assert_eq!(mapping.read(1_005), 1_000);
        assert_eq!(mapping.read(1_020), 1_010);
        mapping.set(1_020, 1_040);
        assert_eq!(mapping.read(1_021), 1_041);
    }

    #[test]
    fn the_clock_follows_the_system_s() {
        let clock = Clock::start();
        let system = std::time::Instant::now();
        let before = clock.now();
        std::thread::sleep(Duration::from_millis(20));
        let passed = clock.now().since(before);
        let real = system.elapsed();
        assert!(passed >= Duration::from_millis(19), "{passed:?}");
        assert!(
            passed <= real + Duration::from_millis(1),
            "{passed:?} of {real:?}"
        );
    }
}
