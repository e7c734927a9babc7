//! Other people's traffic: it takes airtime and says nothing.

use bes_hal::time::Instant;
use core::time::Duration;

/// Traffic of others on one channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Channel number.
    pub channel: u8,
    /// Share of the time that it takes, 0.0 to 0.95.
    pub share: f64,
    /// How long it takes the medium each time.
    pub burst: Duration,
}

impl Noise {
    /// Bursts of 1 ms that take `share` of the time of a channel.
    pub const fn new(channel: u8, share: f64) -> Self {
        Self {
            channel,
            share,
            burst: Duration::from_millis(1),
        }
    }
}

/// Noise under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noisy {
    pub(super) noise: Noise,
    pub(super) next: Instant,
}

impl Noisy {
    /// The burst that starts at `now` ends when? The next one is set for such a time that the share comes out;
    /// `jitter`, 0.0 to 1.0, spreads it around that.
    pub(super) fn burst(&mut self, now: Instant, jitter: f64) -> Instant {
        let share = self.noise.share.clamp(0.001, 0.95);
        let pause = self
            .noise
            .burst
            .mul_f64((1.0 / share - 1.0) * (0.5 + jitter));
        let end = now.after(self.noise.burst);
        self.next = end.after(pause);
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_time_means_three_bursts_of_pause() {
        let mut noisy = Noisy {
            noise: Noise::new(6, 0.25),
            next: Instant::ZERO,
        };
        let end = noisy.burst(Instant::ZERO, 0.5);
        assert_eq!(end, Instant::from_millis(1));
        assert_eq!(noisy.next, Instant::from_millis(4));
    }
}
