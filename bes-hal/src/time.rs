//! Instants. Time is an argument everywhere: `now` goes in, a deadline comes out.

use core::fmt;
use core::time::Duration;

/// A point in time, in nanoseconds since an arbitrary start that is the same for one device.
///
/// All arithmetic saturates: an instant that cannot be represented is "never", not a panic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The start of time.
    pub const ZERO: Self = Self(0);
    /// Later than every deadline.
    pub const NEVER: Self = Self(u64::MAX);

    /// From nanoseconds since the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// From microseconds since the start.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// From milliseconds since the start.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole microseconds since the start.
    pub const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }

    /// Whole milliseconds since the start.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// This instant and `duration` more; [`Instant::NEVER`] if that is too far away.
    #[must_use]
    #[inline]
    pub fn after(self, duration: Duration) -> Self {
        // 2^64 ns are 584 years; a longer duration means "never". In 64 bits, because every deadline comes from here.
        match duration.as_secs().checked_mul(1_000_000_000) {
            Some(nanos) => Self(
                self.0
                    .saturating_add(nanos)
                    .saturating_add(u64::from(duration.subsec_nanos())),
            ),
            None => Self::NEVER,
        }
    }

    /// Time that passed since `earlier`; zero if `earlier` is later.
    #[inline]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Whether this deadline is reached at `now`.
    #[inline]
    pub fn is_due(self, now: Self) -> bool {
        self <= now
    }
}

impl fmt::Display for Instant {
    /// Seconds with microseconds, as in a kernel log: `12.000345`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.as_micros();
        write!(f, "{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

/// The earlier of two optional deadlines; `None` means there is none.
#[inline]
pub fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, None) => a,
        (None, b) => b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(
            Instant::from_nanos(u64::MAX - 1).after(Duration::from_secs(1)),
            Instant::NEVER
        );
        assert_eq!(Instant::ZERO.after(Duration::MAX), Instant::NEVER);
        assert_eq!(Instant::ZERO.since(Instant::from_millis(1)), Duration::ZERO);
    }

    #[test]
    fn prints_as_a_kernel_log_does() {
        assert_eq!(Instant::from_micros(12_000_345).to_string(), "12.000345");
    }

    #[test]
    fn the_earlier_deadline_wins_and_none_is_no_deadline() {
        let (a, b) = (Instant::from_millis(1), Instant::from_millis(2));
        assert_eq!(earliest(Some(b), Some(a)), Some(a));
        assert_eq!(earliest(None, Some(a)), Some(a));
        assert_eq!(earliest(None, None), None);
    }
}
