//! System suspend and resume: what is done in which order, how long it may take, and that it always ends
//! (specification: file 40, section 5).
//!
//! [`Suspension`] does nothing itself. It is told what is the case ([`Facts`]) and says what to do ([`Order`]); the
//! owner of the bus does it. Firmware and association are kept; what the chip is told for the time is part of
//! [`crate::device_state::Step::SleepMessages`] and undone in [`crate::device_state::Step::WakeMessages`], so that
//! nothing stays armed whatever happens in between (file 50, section 3, item 9).
//!
//! | phase | when | next | order |
//! |---|---|---|---|
//! | running | [`suspend`](Suspension::suspend) | quiescing | |
//! | quiescing | all quiet; or the deadline, and nothing half done | falling asleep | [`Order::Sleep`] |
//! | falling asleep | asleep | suspended | [`Order::Suspended`] |
//! | falling asleep | did not fall asleep, first time | falling asleep | [`Order::Sleep`] |
//! | falling asleep | did not fall asleep, again; or the deadline | suspended | [`Order::Suspended`] |
//! | suspended | [`resume`](Suspension::resume) | waking | [`Order::Wake`] |
//! | quiescing, falling asleep | [`resume`](Suspension::resume) | waking | [`Order::Wake`] |
//! | waking | awake, and what the chip had was taken | running | [`Order::Resumed`] |
//! | running | [`resume`](Suspension::resume) | waking | [`Order::Wake`] |
//! | quiescing, falling asleep | [`cut`](Suspension::cut): there is no session any more | suspended | |
//! | any | [`end`](Suspension::end): there is nothing to wake | running | |
//!
//! There is no way to refuse. The C driver refused a suspend because frames were queued, because a scan or a
//! configuration was under way, because something had just been received, and because the chip did not sleep: reasons
//! nobody at the keyboard can act on (46 suspends in a row were seen to fail: file 50, section 1). Here whatever is
//! under way is waited for or ended, within [`Limits`]. A chip that does not sleep costs power (file 40, P17), is said
//! to be awake, and does not keep the host awake as well.

use bes_hal::{Duration, Instant};

/// How long each phase may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For requests, scans and frames under way.
    pub quiet: Duration,
    /// For the messages before sleep and the handshake, both tries together.
    pub sleep: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            quiet: Duration::from_secs(1),
            sleep: Duration::from_secs(5),
        }
    }
}

/// What is the case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Nothing is under way: no request, no scan, no frame.
    pub quiet: bool,
    /// A procedure is half done or a command is out; the chip must not be put to sleep in the middle.
    pub half_done: bool,
    /// The chip may be used.
    pub awake: bool,
    /// The chip sleeps.
    pub asleep: bool,
    /// The chip has nothing left for the host.
    pub drained: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Order {
    /// Nothing, until something changes or [`Suspension::next_deadline`] passes.
    None,
    /// Put the chip to sleep, whatever would keep it awake. Frames that are still queued are given back.
    Sleep,
    /// The host may suspend.
    Suspended {
        /// The chip sleeps.
        asleep: bool,
    },
    /// Wake the chip.
    Wake,
    /// Everything is as it was before.
    Resumed,
}

/// Where a suspend stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// The host runs.
    #[default]
    Running,
    /// What is under way comes to its end.
    Quiescing {
        /// When it is cut off.
        until: Instant,
    },
    /// The chip is being put to sleep.
    FallingAsleep {
        /// When the host suspends all the same.
        until: Instant,
        /// The first try failed.
        again: bool,
    },
    /// The host may be suspended.
    Suspended {
        /// Since when.
        since: Instant,
        /// The chip sleeps.
        asleep: bool,
    },
    /// The chip is being woken.
    Waking,
}

/// Suspend and resume of one device. See the [module documentation](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Suspension {
    limits: Limits,
    phase: Phase,
    /// The chip was told to sleep and has not been seen awake for it yet: it is still on its way down.
    wake_due: bool,
}

impl Suspension {
    /// A host that runs.
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            phase: Phase::Running,
            wake_due: false,
        }
    }

    /// Where it stands.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether the host runs, as nearly always.
    pub const fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    /// Whether what is under way has to come to its end.
    pub const fn is_quiescing(&self) -> bool {
        matches!(self.phase, Phase::Quiescing { .. })
    }

    /// Whether the host may be suspended.
    pub const fn is_suspended(&self) -> bool {
        matches!(self.phase, Phase::Suspended { .. })
    }

    /// The host wants to suspend. `false` if it does already.
    #[must_use]
    pub fn suspend(&mut self, now: Instant) -> bool {
        if !self.is_running() {
            return false;
        }
        self.phase = Phase::Quiescing {
            until: now.after(self.limits.quiet),
        };
        true
    }

    /// The host is back, or never went. `false` if it comes back already.
    #[must_use]
    pub fn resume(&mut self) -> bool {
        if self.phase == Phase::Waking {
            return false;
        }
        self.phase = Phase::Waking;
        self.wake_due = true;
        true
    }

    /// The session is over, and with it everything the chip was told: the host may suspend at once.
    pub fn cut(&mut self, now: Instant) {
        if let Phase::Quiescing { .. } | Phase::FallingAsleep { .. } = self.phase {
            self.phase = Phase::Suspended {
                since: now,
                asleep: false,
            };
        }
    }

    /// There is nothing to wake: the host runs again.
    pub fn end(&mut self) {
        self.phase = Phase::Running;
        self.wake_due = false;
    }

    /// When to call [`poll`](Self::poll) at the latest. None for what is late already and waits for something that ends
    /// by itself.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        match self.phase {
            Phase::Quiescing { until } => (until > now).then_some(until),
            Phase::FallingAsleep { until, .. } => Some(until),
            Phase::Running | Phase::Suspended { .. } | Phase::Waking => None,
        }
    }

    /// What to do now.
    pub fn poll(&mut self, facts: Facts, now: Instant) -> Order {
        match self.phase {
            Phase::Running | Phase::Suspended { .. } => Order::None,
            Phase::Quiescing { until } => {
                let quiet = facts.quiet || until.is_due(now);
                if !quiet || facts.half_done || !facts.awake {
                    return Order::None;
                }
                self.phase = Phase::FallingAsleep {
                    until: now.after(self.limits.sleep),
                    again: false,
                };
                Order::Sleep
            }
            Phase::FallingAsleep { until, again } => {
                if !facts.asleep && !facts.awake && !until.is_due(now) {
                    return Order::None;
                }
                if facts.awake && !again && !until.is_due(now) {
                    self.phase = Phase::FallingAsleep { until, again: true };
                    return Order::Sleep;
                }
                self.phase = Phase::Suspended {
                    since: now,
                    asleep: facts.asleep,
                };
                Order::Suspended {
                    asleep: facts.asleep,
                }
            }
            Phase::Waking if core::mem::take(&mut self.wake_due) => Order::Wake,
            Phase::Waking => {
                if !facts.awake || !facts.drained {
                    return Order::None;
                }
                self.phase = Phase::Running;
                Order::Resumed
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AWAKE: Facts = Facts {
        quiet: true,
        half_done: false,
        awake: true,
        asleep: false,
        drained: true,
    };
    const DOWN: Facts = Facts {
        awake: false,
        ..AWAKE
    };
    const ASLEEP: Facts = Facts {
        awake: false,
        asleep: true,
        ..AWAKE
    };

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn begun() -> Suspension {
        let mut suspension = Suspension::default();
        assert!(suspension.suspend(at(0)));
        suspension
    }

    #[test]
    fn a_quiet_device_suspends_and_resumes() {
        let mut host = begun();
        assert_eq!(host.poll(AWAKE, at(0)), Order::Sleep);
        assert_eq!(host.poll(DOWN, at(1)), Order::None);
        assert_eq!(host.poll(ASLEEP, at(2)), Order::Suspended { asleep: true });
        assert_eq!(host.poll(ASLEEP, at(9000)), Order::None);
        assert!(host.resume());
        assert_eq!(host.poll(ASLEEP, at(9000)), Order::Wake);
        assert_eq!(host.poll(DOWN, at(9001)), Order::None);
        let more = Facts {
            drained: false,
            ..AWAKE
        };
        assert_eq!(host.poll(more, at(9002)), Order::None);
        assert_eq!(host.poll(AWAKE, at(9003)), Order::Resumed);
        assert!(host.is_running());
    }

    #[test]
    fn what_is_under_way_is_waited_for_and_then_cut_off_but_never_in_the_middle() {
        let mut host = begun();
        let busy = Facts {
            quiet: false,
            half_done: true,
            ..AWAKE
        };
        assert_eq!(host.poll(busy, at(999)), Order::None);
        assert_eq!(host.next_deadline(at(999)), Some(at(1000)));
        assert_eq!(host.poll(busy, at(1000)), Order::None);
        // It is not asked again and again until the procedure has ended.
        assert_eq!(host.next_deadline(at(1000)), None);
        let frames = Facts {
            quiet: false,
            ..AWAKE
        };
        assert_eq!(host.poll(frames, at(1000)), Order::Sleep);
    }

    /// P17: with a reason left the chip stayed awake for the whole suspend, and nobody was told.
    #[test]
    fn p17_a_chip_that_does_not_sleep_is_tried_twice_and_said_to_be_awake() {
        let mut host = begun();
        assert_eq!(host.poll(AWAKE, at(0)), Order::Sleep);
        assert_eq!(host.poll(DOWN, at(1)), Order::None);
        assert_eq!(host.poll(AWAKE, at(2)), Order::Sleep);
        assert_eq!(host.poll(AWAKE, at(3)), Order::Suspended { asleep: false });
        let mut host = begun();
        assert_eq!(host.poll(AWAKE, at(0)), Order::Sleep);
        assert_eq!(
            host.poll(DOWN, at(5000)),
            Order::Suspended { asleep: false }
        );
    }

    #[test]
    fn a_suspend_that_is_interrupted_wakes_the_chip_from_every_phase() {
        for steps in 0..4 {
            let mut host = begun();
            for facts in [AWAKE, DOWN, ASLEEP].into_iter().take(steps) {
                let _ = host.poll(facts, at(0));
            }
            assert!(host.resume());
            assert!(!host.resume());
            assert_eq!(host.poll(ASLEEP, at(1)), Order::Wake);
            assert_eq!(host.poll(AWAKE, at(2)), Order::Resumed);
        }
        // From where it runs, too: it may be told so for good measure.
        assert!(Suspension::default().resume());
    }

    #[test]
    fn a_second_suspend_changes_nothing() {
        let mut host = begun();
        assert!(!host.suspend(at(5)));
        assert_eq!(host.next_deadline(at(5)), Some(at(1000)));
        host.end();
        assert!(host.is_running());
    }

    #[test]
    fn without_a_session_the_host_suspends_at_once() {
        let mut host = begun();
        host.cut(at(3));
        assert!(host.is_suspended());
        assert!(host.resume());
        host.cut(at(4));
        assert!(!host.is_suspended());
        host.end();
        assert!(host.is_running());
    }

    proptest! {
        /// Whatever happens, as long as procedures end, a suspend ends within its limits.
        #[test]
        fn a_suspend_always_ends(facts in proptest::collection::vec((any::<bool>(), any::<bool>(), 0u8..3), 1..60)) {
            let mut host = begun();
            let mut now = at(0);
            for (quiet, half_done, chip) in facts {
                let facts = Facts { quiet, half_done, awake: chip == 0, asleep: chip == 1, drained: quiet };
                let _ = host.poll(facts, now);
                now = now.after(Duration::from_millis(50));
            }
            let _ = host.poll(AWAKE, now.after(Duration::from_secs(1)));
            let _ = host.poll(DOWN, now.after(Duration::from_secs(6)));
            let _ = host.poll(DOWN, now.after(Duration::from_secs(12)));
            prop_assert!(host.is_suspended());
        }
    }
}
