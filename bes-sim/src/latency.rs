//! How long frames take from the stack's hands into the air and back with their status.

use bes_hal::Instant;
use serde::Serialize;
use std::time::Duration;

/// Says what time it is.
type Clock = Box<dyn Fn() -> Instant + Send>;

/// Times of frames, as the stack sees them.
pub struct Latency {
    clock: Clock,
    taken: Vec<Duration>,
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// Frames.
    pub frames: usize,
    /// Half of them took at most so long.
    pub p50_ms: f64,
    /// 99 of 100 took at most so long.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

impl Latency {
    /// Nothing measured yet.
    pub fn new(clock: impl Fn() -> Instant + Send + 'static) -> Self {
        Self {
            clock: Box::new(clock),
            taken: Vec::new(),
        }
    }

    /// A frame that was given at `given` is back, acknowledged.
    pub fn note(&mut self, given: Instant) {
        self.taken.push((self.clock)().since(given));
    }

    /// The times so far.
    pub fn percentiles(&self) -> Percentiles {
        let mut sorted = self.taken.clone();
        sorted.sort_unstable();
        let at = |share: f64| {
            let last = sorted.len().saturating_sub(1);
            let index = (last as f64 * share).ceil() as usize;
            sorted
                .get(index)
                .map_or(0.0, |taken| taken.as_secs_f64() * 1e3)
        };
        Percentiles {
            frames: sorted.len(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            max_ms: at(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_times() {
        let mut latency = Latency::new(|| Instant::from_millis(200));
        assert_eq!(latency.percentiles(), Percentiles::default());
        for given in 0..=100 {
            latency.note(Instant::from_millis(given));
        }
        let found = latency.percentiles();
        assert_eq!(found.frames, 101);
        assert_eq!((found.p50_ms, found.p99_ms), (150.0, 199.0));
        assert_eq!(found.max_ms, 200.0);
    }
}
