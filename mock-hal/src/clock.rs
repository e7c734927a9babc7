//! Virtual time: it moves only when a bus command is issued or when somebody says so.

use bes_hal::time::Instant;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

/// The clock of one world. Clones are the same clock, so that one may look at it without asking the world.
#[derive(Clone, Debug, Default)]
pub struct VirtualClock {
    nanos: Arc<AtomicU64>,
}

impl VirtualClock {
    /// A clock that starts at `start`.
    pub fn new(start: Instant) -> Self {
        Self {
            nanos: Arc::new(AtomicU64::new(start.as_nanos())),
        }
    }

    /// Time now.
    pub fn now(&self) -> Instant {
        // Nothing else is read because of it.
        Instant::from_nanos(self.nanos.load(Ordering::Relaxed))
    }

    /// Moves to `instant`. Time never goes back: an earlier instant changes nothing.
    pub fn advance_to(&mut self, instant: Instant) {
        self.nanos.fetch_max(instant.as_nanos(), Ordering::Relaxed);
    }

    /// The instant `duration` from now.
    pub fn deadline(&self, duration: Duration) -> Instant {
        self.now().after(duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_goes_back() {
        let mut clock = VirtualClock::new(Instant::from_millis(5));
        clock.advance_to(Instant::from_millis(3));
        assert_eq!(clock.now(), Instant::from_millis(5));
        clock.advance_to(clock.deadline(Duration::from_millis(1)));
        assert_eq!(clock.now(), Instant::from_millis(6));
    }

    #[test]
    fn a_clone_is_the_same_clock() {
        let mut clock = VirtualClock::default();
        let other = clock.clone();
        clock.advance_to(Instant::from_millis(7));
        assert_eq!(other.now(), Instant::from_millis(7));
    }
}
