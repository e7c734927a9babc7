//! How interrupts and callers wake the one owner of the bus.
//!
//! Ringing is all that anybody but the owner may do: it stores a reason and says whether the owner has to be woken.
//! It never touches the bus, a credit or a queue.
//!
//! ```text
//!   interrupt, caller          owner
//!   ring(reason) ── true ──►   woken; answer() ... work ... rest()
//!                └─ false      is awake already and will see the reason
//! ```

#[cfg(loom)]
use loom::sync::atomic::{AtomicU32, Ordering};

#[cfg(not(loom))]
use core::sync::atomic::{AtomicU32, Ordering};

/// A set of reasons to ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reasons(u32);

impl Reasons {
    /// No reason.
    pub const NONE: Self = Self(0);
    /// The chip raised its interrupt.
    pub const INTERRUPT: Self = Self(1);
    /// A frame was queued.
    pub const FRAME: Self = Self(1 << 1);
    /// A request was made.
    pub const REQUEST: Self = Self(1 << 2);
    /// A deadline may have come.
    pub const TIMER: Self = Self(1 << 3);
    /// The owner must stop.
    pub const STOP: Self = Self(1 << 4);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any of `other` is in the set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is no reason.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// Set while the owner is awake and will look at the reasons again before it rests.
const AWAKE: u32 = 1 << 31;

/// The doorbell of one device.
#[derive(Debug)]
pub struct Doorbell {
    word: AtomicU32,
}

impl Default for Doorbell {
    fn default() -> Self {
        Self::new()
    }
}

impl Doorbell {
    /// A doorbell whose owner rests.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self {
            word: AtomicU32::new(0),
        }
    }

    /// A doorbell whose owner rests.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self {
            word: AtomicU32::new(0),
        }
    }

    /// Rings for `reasons`. `true` means that the owner rests and the caller has to wake it; of all who ring while
    /// it rests, exactly one is told so.
    #[must_use]
    pub fn ring(&self, reasons: Reasons) -> bool {
        // Release: what the caller queued before is visible to the owner that takes the reason.
        self.word.fetch_or(reasons.0 | AWAKE, Ordering::AcqRel) & AWAKE == 0
    }

    /// The owner is awake and takes the reasons that have been rung for.
    pub fn answer(&self) -> Reasons {
        Reasons(self.word.swap(AWAKE, Ordering::AcqRel) & !AWAKE)
    }

    /// The owner has no work left. `true`: it rests, and the next ring wakes it. `false`: somebody rang meanwhile, so
    /// it must [`answer`](Self::answer) again.
    #[must_use]
    pub fn rest(&self) -> bool {
        self.word
            .compare_exchange(AWAKE, 0, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_ring_has_to_wake_the_owner() {
        let bell = Doorbell::new();
        assert!(bell.ring(Reasons::INTERRUPT));
        assert!(!bell.ring(Reasons::FRAME));
        let reasons = bell.answer();
        assert!(reasons.has(Reasons::INTERRUPT) && reasons.has(Reasons::FRAME));
        assert!(bell.answer().is_none());
    }

    #[test]
    fn a_ring_before_rest_keeps_the_owner_awake() {
        let bell = Doorbell::new();
        assert!(bell.ring(Reasons::FRAME));
        let _ = bell.answer();
        assert!(!bell.ring(Reasons::REQUEST));
        assert!(!bell.rest());
        assert!(bell.answer().has(Reasons::REQUEST));
        assert!(bell.rest());
        assert!(bell.ring(Reasons::TIMER));
    }
}
