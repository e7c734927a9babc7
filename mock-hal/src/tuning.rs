//! The sampling point of the host controller: how it drifts away, what commands suffer from it, and tuning it again.
//!
//! A healthy bus does not drift. One that does (specification: file 50, section 4, candidate 5) spoils a share of the
//! commands that grows with the time since it was last tuned. A read that is spoiled has happened in the card and its
//! data is garbage; a write that is spoiled has happened in one case of two (file 50, section 3, item 14); a register
//! access has one bit of data against the thousands of a transfer and is spoiled a tenth as often.

use bes_hal::time::Instant;
use fastrand::Rng;

/// How fast the sampling point drifts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// How much the share of spoiled transfers grows per minute, 0.0 to 1.0.
    pub per_minute: f64,
    /// The share it does not exceed, 0.0 to 1.0.
    pub worst: f64,
}

impl Default for Drift {
    /// 2 % more each minute, up to 30 %.
    fn default() -> Self {
        Self {
            per_minute: 0.02,
            worst: 0.3,
        }
    }
}

/// What happens to a command on a drifted bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing.
    Passes,
    /// The card has done it; the host sees a CRC error.
    SpoiledAfter,
    /// The card has not done it; the host sees a CRC error.
    SpoiledBefore,
}

/// The sampling point of one host controller.
#[derive(Debug)]
pub(crate) struct Tuning {
    drift: Option<Drift>,
    tuned_at: Instant,
    rng: Rng,
    pub(crate) held: bool,
    /// Tuned again as soon as it may.
    wanted: bool,
}

impl Tuning {
    pub(crate) fn new() -> Self {
        Self {
            drift: None,
            tuned_at: Instant::ZERO,
            rng: Rng::with_seed(0x7u64),
            held: false,
            wanted: false,
        }
    }

    /// From `now` on it drifts, or no more.
    pub(crate) fn set_drift(&mut self, drift: Option<Drift>, now: Instant) {
        self.drift = drift;
        self.tuned_at = now;
    }

    /// Tunes now or, while that is forbidden, before the first command after it. Whether it was now.
    pub(crate) fn retune(&mut self, now: Instant) -> bool {
        self.wanted = self.held;
        if !self.held {
            self.tuned_at = now;
        }
        !self.held
    }

    /// Forbids or allows tuning. Whether what was wanted meanwhile was done.
    pub(crate) fn hold(&mut self, held: bool, now: Instant) -> bool {
        self.held = held;
        self.wanted && self.retune(now)
    }

    /// Share of the transfers that are spoiled.
    pub(crate) fn spoiled_share(&self, now: Instant) -> f64 {
        self.drift.map_or(0.0, |drift| {
            let minutes = now.since(self.tuned_at).as_secs_f64() / 60.0;
            (minutes * drift.per_minute).min(drift.worst)
        })
    }

    fn strikes(&mut self, share: f64) -> bool {
        share > 0.0 && self.rng.f64() < share
    }

    /// What happens to a transfer.
    pub(crate) fn judge_data(&mut self, write: bool, now: Instant) -> Fate {
        if self.drift.is_none() {
            return Fate::Passes;
        }
        let share = self.spoiled_share(now);
        match (self.strikes(share), write) {
            (false, _) => Fate::Passes,
            (true, true) if self.rng.bool() => Fate::SpoiledBefore,
            (true, _) => Fate::SpoiledAfter,
        }
    }

    /// What happens to a register access.
    pub(crate) fn judge_register(&mut self, write: bool, now: Instant) -> Fate {
        if self.drift.is_none() {
            return Fate::Passes;
        }
        let share = self.spoiled_share(now) / 10.0;
        match (self.strikes(share), write) {
            (false, _) => Fate::Passes,
            // The address is in the command: a command with a wrong CRC is not carried out.
            (true, true) => Fate::SpoiledBefore,
            (true, false) => Fate::SpoiledAfter,
        }
    }

    /// Makes garbage of data.
    pub(crate) fn spoil(&mut self, buffer: &mut [u8]) {
        for byte in buffer.iter_mut().step_by(7) {
            *byte ^= self.rng.u8(1..);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn errors_grow_until_the_bus_is_tuned_again() {
        let mut tuning = Tuning::new();
        let mut now = Instant::from_millis(5);
        assert_eq!(tuning.judge_data(true, now.after(MINUTE)), Fate::Passes);
        tuning.set_drift(Some(Drift::default()), now);
        assert_eq!(tuning.spoiled_share(now), 0.0);
        now = now.after(MINUTE * 5);
        assert!((tuning.spoiled_share(now) - 0.1).abs() < 1e-9);
        assert!((tuning.spoiled_share(now.after(MINUTE * 60)) - 0.3).abs() < 1e-9);
        let spoiled = (0..1000)
            .filter(|_| tuning.judge_data(false, now) == Fate::SpoiledAfter)
            .count();
        assert!((60..150).contains(&spoiled), "{spoiled}");
        assert!(tuning.retune(now));
        assert_eq!(tuning.spoiled_share(now), 0.0);
    }

    #[test]
    fn a_tuning_that_is_forbidden_happens_when_it_is_allowed_again() {
        let mut tuning = Tuning::new();
        tuning.set_drift(Some(Drift::default()), Instant::ZERO);
        assert!(!tuning.hold(true, Instant::ZERO));
        let later = Instant::ZERO.after(MINUTE);
        assert!(!tuning.retune(later));
        assert!(tuning.spoiled_share(later) > 0.0);
        assert!(tuning.hold(false, later));
        assert_eq!(tuning.spoiled_share(later), 0.0);
        // Nobody asked for it this time.
        assert!(!tuning.hold(true, later) && !tuning.hold(false, later));
    }
}
