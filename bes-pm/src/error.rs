//! What can go wrong, as small values that a layer above counts and decides upon.

use crate::device_state::Step;
use crate::ledger::Owner;
use crate::reason::Reason;
use core::fmt;
use thiserror::Error;

/// Something that should not have happened. Never fatal in itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Anomaly {
    /// A hold was neither released nor renewed within its life. It no longer keeps the device awake.
    #[error("hold of {owner} expired: {reason}")]
    HoldExpired {
        /// Why it was taken.
        reason: Reason,
        /// Who took it.
        owner: Owner,
    },
    /// There was no place for another hold. The device stays awake for the life of this one.
    #[error("no place for a hold of {owner}: {reason}")]
    LedgerFull {
        /// Why it should have been taken.
        reason: Reason,
        /// Who wanted it.
        owner: Owner,
    },
    /// A step of falling asleep or waking up failed.
    #[error("{step} failed: {cause}")]
    StepFailed {
        /// The step.
        step: Step,
        /// Why.
        cause: Cause,
    },
    /// A result came for a step that is not under way any more.
    #[error("late result of {0}")]
    LateResult(Step),
}

/// Why a step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Cause {
    /// It did not end in time.
    #[error("timed out")]
    TimedOut,
    /// The bus failed or the chip did not confirm the handshake.
    #[error("bus or handshake failed")]
    Transport,
    /// A request failed or was refused.
    #[error("a request failed")]
    Request,
}

/// The device cannot be used without recovery (file 50, section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// The step that failed for good.
    pub step: Step,
    /// Why.
    pub cause: Cause,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "needs recovery: {} failed: {}", self.step, self.cause)
    }
}

impl core::error::Error for Verdict {}

/// The anomalies that wait to be looked at, and how many there have been.
///
/// When nobody looks, later ones are counted but not kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anomalies {
    waiting: [Option<Anomaly>; Self::ROOM],
    total: u32,
}

impl Anomalies {
    const ROOM: usize = 8;

    pub(crate) const NONE: Self = Self {
        waiting: [None; Self::ROOM],
        total: 0,
    };

    pub(crate) fn push(&mut self, anomaly: Anomaly) {
        self.total = self.total.saturating_add(1);
        if let Some(place) = self.waiting.iter_mut().find(|place| place.is_none()) {
            *place = Some(anomaly);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Anomaly> {
        let first = self.waiting.first_mut()?.take();
        self.waiting.rotate_left(1);
        first
    }

    pub(crate) const fn total(&self) -> u32 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anomalies_come_out_in_order_and_all_are_counted() {
        let mut anomalies = Anomalies::NONE;
        let nth = |interface| Anomaly::HoldExpired {
            reason: Reason::Scan,
            owner: Owner::Interface(interface),
        };
        for interface in 0..20 {
            anomalies.push(nth(interface));
        }
        for interface in 0..8 {
            assert_eq!(anomalies.pop(), Some(nth(interface)));
        }
        assert_eq!(anomalies.pop(), None);
        assert_eq!(anomalies.total(), 20);
    }
}
