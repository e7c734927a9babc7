//! Virtual time: it moves only when a bus command is issued or when somebody says so.

use bes_hal::time::Instant;
use std::time::Duration;

/// The clock of one world.
#[derive(Clone, Copy, Debug, Default)]
pub struct VirtualClock {
    now: Instant,
}

impl VirtualClock {
    /// A clock that starts at `start`.
    pub const fn new(start: Instant) -> Self {
        Self { now: start }
    }

    /// Time now.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Moves to `instant`. Time never goes back: an earlier instant changes nothing.
    pub fn advance_to(&mut self, instant: Instant) {
        self.now = self.now.max(instant);
    }

    /// The instant `duration` from now.
    pub fn deadline(&self, duration: Duration) -> Instant {
        self.now.after(duration)
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
}
