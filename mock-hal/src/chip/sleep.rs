//! When the MCU sleeps and what wakes it.
//!
//! Two things hold it awake: the host's word (doorbell MCU active, or Wi-Fi active, which implies it) and the wake
//! line. When both are gone it sleeps; then **only the line** wakes it (specification: file 50, section 3.12).
//!
//! | state | event | next |
//! |---|---|---|
//! | awake | neither held nor line | falling asleep after a while |
//! | falling asleep | held or line | awake |
//! | falling asleep | time | asleep |
//! | asleep | line asserted | waking |
//! | waking | line released | asleep |
//! | waking | time | awake |

use super::settings::SleepSettings;
use bes_hal::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Awake,
    FallingAsleep(Instant),
    Asleep,
    Waking(Instant),
}

/// A change that the firmware has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    FellAsleep,
    Woke,
}

/// Sleep of the MCU.
#[derive(Clone, Debug)]
pub(crate) struct Sleep {
    state: State,
    /// The host wants the MCU awake. True from the start: the chip does not sleep before it is allowed to.
    held: bool,
    line: bool,
}

impl Sleep {
    /// Awake, until the host allows sleep. The line is what it is.
    pub(crate) fn new(line: bool) -> Self {
        Self {
            state: State::Awake,
            held: true,
            line,
        }
    }

    pub(crate) fn is_awake(&self) -> bool {
        matches!(self.state, State::Awake | State::FallingAsleep(_))
    }

    pub(crate) fn set_line(&mut self, asserted: bool, settings: &SleepSettings, now: Instant) {
        self.line = asserted;
        self.update(settings, now);
    }

    pub(crate) fn line(&self) -> bool {
        self.line
    }

    /// Whether the host wants the MCU awake.
    pub(crate) fn is_held(&self) -> bool {
        self.held
    }

    pub(crate) fn hold(&mut self, held: bool, settings: &SleepSettings, now: Instant) {
        self.held = held;
        self.update(settings, now);
    }

    fn update(&mut self, settings: &SleepSettings, now: Instant) {
        let wanted = self.held || self.line;
        self.state = match self.state {
            State::Awake if !wanted => State::FallingAsleep(now.after(settings.fall_asleep)),
            State::FallingAsleep(_) if wanted => State::Awake,
            State::Asleep if self.line => State::Waking(now.after(settings.wake)),
            State::Waking(_) if !self.line => State::Asleep,
            same => same,
        };
    }

    pub(crate) fn next_event(&self) -> Option<Instant> {
        match self.state {
            State::FallingAsleep(at) | State::Waking(at) => Some(at),
            State::Awake | State::Asleep => None,
        }
    }

    pub(crate) fn advance(&mut self, now: Instant) -> Option<Change> {
        match self.state {
            State::FallingAsleep(at) if at.is_due(now) => {
                self.state = State::Asleep;
                Some(Change::FellAsleep)
            }
            State::Waking(at) if at.is_due(now) => {
                self.state = State::Awake;
                Some(Change::Woke)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SETTINGS: SleepSettings = SleepSettings {
        wake: Duration::from_millis(5),
        fall_asleep: Duration::from_millis(1),
        access: super::super::settings::SleepAccess::RegistersOnly,
        interrupt: true,
    };

    fn asleep() -> Sleep {
        let mut sleep = Sleep::new(false);
        sleep.hold(false, &SETTINGS, Instant::ZERO);
        assert_eq!(
            sleep.advance(Instant::from_millis(1)),
            Some(Change::FellAsleep)
        );
        sleep
    }

    #[test]
    fn a_chip_that_was_never_allowed_to_sleep_stays_awake() {
        let mut sleep = Sleep::new(true);
        sleep.set_line(false, &SETTINGS, Instant::ZERO);
        assert_eq!(sleep.next_event(), None);
        assert!(sleep.is_awake());
    }

    #[test]
    fn an_asserted_line_keeps_it_awake() {
        let mut sleep = Sleep::new(true);
        sleep.hold(false, &SETTINGS, Instant::ZERO);
        assert_eq!(sleep.next_event(), None);
        assert!(sleep.is_awake());
    }

    #[test]
    fn the_line_wakes_it_after_it_has_settled() {
        let mut sleep = asleep();
        sleep.set_line(true, &SETTINGS, Instant::from_millis(10));
        assert!(!sleep.is_awake());
        assert_eq!(sleep.next_event(), Some(Instant::from_millis(15)));
        assert_eq!(sleep.advance(Instant::from_millis(15)), Some(Change::Woke));
        assert!(sleep.is_awake());
    }

    #[test]
    fn the_hosts_word_alone_does_not_wake_it() {
        let mut sleep = asleep();
        sleep.hold(true, &SETTINGS, Instant::from_millis(10));
        assert_eq!(sleep.next_event(), None);
        assert!(!sleep.is_awake());
    }

    #[test]
    fn a_pulse_shorter_than_the_settling_time_does_not_wake_it() {
        let mut sleep = asleep();
        sleep.set_line(true, &SETTINGS, Instant::from_millis(10));
        sleep.set_line(false, &SETTINGS, Instant::from_millis(12));
        assert_eq!(sleep.next_event(), None);
        assert!(!sleep.is_awake());
    }
}
