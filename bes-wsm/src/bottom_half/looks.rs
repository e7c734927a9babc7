//! Whether to look behind a burst without being asked.
//!
//! The chip raises its interrupt for each announcement (file 10, section 15, item 7), so a look behind a burst is never
//! needed. Under load it pays: the next burst is there already, found for one register read and without an interrupt. When
//! nothing is there it costs two reads. Each outcome decides the next.

use bes_hal::{Duration, Instant};

/// As many messages as a burst can have: there are probably more.
const FULL: usize = 16;

/// An interrupt so soon after a burst means that a look would have found something.
const SOON: Duration = Duration::from_micros(500);

/// For so long after an interrupt that nobody saw, every burst is looked behind.
const DISTRUST: Duration = Duration::from_secs(1);

/// What was learned from the looks before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looks {
    pays: bool,
    /// The last burst was not looked behind.
    skipped: bool,
    distrusted_until: Instant,
}

impl Looks {
    pub(super) const fn new() -> Self {
        Self {
            pays: true,
            skipped: false,
            distrusted_until: Instant::ZERO,
        }
    }

    /// A burst of so many messages came: whether to look behind it.
    pub(super) fn behind_burst(&mut self, messages: usize, now: Instant) -> bool {
        let look = self.pays || messages >= FULL || !self.distrusted_until.is_due(now);
        self.skipped = !look;
        look
    }

    /// A look behind a burst found nothing.
    pub(super) fn in_vain(&mut self) {
        self.pays = false;
    }

    /// The chip raised its interrupt, so long after the last burst.
    pub(super) fn interrupt(&mut self, after_burst: Duration) {
        self.pays |= self.skipped && after_burst < SOON;
    }

    /// An interrupt was lost.
    pub(super) fn lost(&mut self, now: Instant) {
        self.distrusted_until = now.after(DISTRUST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::ZERO.after(Duration::from_micros(10_000_000_u64.saturating_add(micros)))
    }

    #[test]
    fn looks_that_found_nothing_are_not_repeated_until_an_interrupt_comes_at_once() {
        let mut looks = Looks::new();
        assert!(looks.behind_burst(1, at(0)));
        looks.in_vain();
        assert!(!looks.behind_burst(1, at(1_000)));
        // Long after: there was nothing then.
        looks.interrupt(Duration::from_micros(900));
        assert!(!looks.behind_burst(1, at(2_000)));
        looks.interrupt(Duration::from_micros(100));
        assert!(looks.behind_burst(1, at(2_100)));
    }

    #[test]
    fn a_full_burst_is_always_looked_behind() {
        let mut looks = Looks::new();
        looks.in_vain();
        assert!(looks.behind_burst(16, at(0)));
        assert!(!looks.behind_burst(15, at(0)));
    }

    #[test]
    fn after_a_lost_interrupt_every_burst_is_looked_behind_for_a_second() {
        let mut looks = Looks::new();
        looks.in_vain();
        looks.lost(at(0));
        assert!(looks.behind_burst(1, at(999_000)));
        looks.in_vain();
        assert!(looks.behind_burst(1, at(999_500)));
        assert!(!looks.behind_burst(1, at(1_000_001)));
    }
}
