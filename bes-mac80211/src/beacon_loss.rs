//! What is done when the chip reports that beacons stopped: ask the access point with null frames, then report.
//!
//! | state | event | next | action |
//! |---|---|---|---|
//! | idle | beacons lost | asking, first null frame, 1 s | send a null frame |
//! | idle | beacons lost while a scan runs | deferred, 10 s | |
//! | deferred | deadline, or 5 s after the scan | asking, 1 s | send a null frame |
//! | asking | null frame failed | asking, 200 ms | |
//! | asking | null frame acknowledged: the access point is there | idle | |
//! | asking, first null frame | deadline | asking, second null frame, 2 s | send a null frame |
//! | asking, second null frame | deadline | reporting, 5 s | |
//! | reporting | deadline | idle | report the loss |
//! | any | beacons again, unjoined | idle | |
//!
//! The state belongs to one interface; nothing is shared (specification: file 31, section 12.1 and C25).

use bes_hal::{Duration, Instant};

/// How long to wait for beacons after the first null frame.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How long to wait for beacons after the second null frame.
const SECOND_WAIT: Duration = Duration::from_secs(2);
/// How soon to go on after a null frame that nobody acknowledged.
const AFTER_FAILURE: Duration = Duration::from_millis(200);
/// How long beacons may still come back before the loss is reported.
const BEFORE_REPORT: Duration = Duration::from_secs(5);
/// How long a loss seen during a scan waits at most.
const DURING_SCAN: Duration = Duration::from_secs(10);
/// How long after a scan a loss that was seen during it is looked at.
const AFTER_SCAN: Duration = Duration::from_secs(5);

/// State of the procedure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BeaconLoss {
    /// Beacons come.
    #[default]
    Idle,
    /// Lost during a scan; looked at later.
    Deferred {
        /// When.
        until: Instant,
    },
    /// Null frames ask the access point.
    Asking {
        /// The second null frame is out.
        second: bool,
        /// When to go on.
        until: Instant,
    },
    /// About to be reported.
    Reporting {
        /// When.
        until: Instant,
    },
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossAction {
    /// Nothing.
    None,
    /// Send a null frame to the access point.
    SendNull,
    /// Report the connection as lost.
    Report,
}

impl BeaconLoss {
    /// The chip reports that beacons stopped.
    pub fn handle_lost(&mut self, scanning: bool, now: Instant) {
        if *self == Self::Idle {
            *self = if scanning {
                Self::Deferred {
                    until: now.after(DURING_SCAN),
                }
            } else {
                Self::Deferred { until: now }
            };
        }
    }

    /// Beacons come again, or nobody cares any more.
    pub fn reset(&mut self) {
        *self = Self::Idle;
    }

    /// A scan ended.
    pub fn handle_scan_end(&mut self, now: Instant) {
        if let Self::Deferred { until } = self {
            *until = (*until).min(now.after(AFTER_SCAN));
        }
    }

    /// The null frame came back; whether it was acknowledged.
    pub fn handle_null(&mut self, acknowledged: bool, now: Instant) -> bool {
        let Self::Asking { until, .. } = self else {
            return false;
        };
        if acknowledged {
            *self = Self::Idle;
            return true;
        }
        *until = (*until).min(now.after(AFTER_FAILURE));
        false
    }

    /// Nothing was looked at for so long: every deadline comes as much later.
    pub fn postpone(&mut self, by: Duration) {
        match self {
            Self::Idle => {}
            Self::Deferred { until } | Self::Asking { until, .. } | Self::Reporting { until } => {
                *until = until.after(by);
            }
        }
    }

    /// What is due.
    pub fn poll(&mut self, now: Instant) -> LossAction {
        match *self {
            Self::Deferred { until } if until.is_due(now) => {
                *self = Self::Asking {
                    second: false,
                    until: now.after(FIRST_WAIT),
                };
                LossAction::SendNull
            }
            Self::Asking {
                second: false,
                until,
            } if until.is_due(now) => {
                *self = Self::Asking {
                    second: true,
                    until: now.after(SECOND_WAIT),
                };
                LossAction::SendNull
            }
            Self::Asking {
                second: true,
                until,
            } if until.is_due(now) => {
                *self = Self::Reporting {
                    until: now.after(BEFORE_REPORT),
                };
                LossAction::None
            }
            Self::Reporting { until } if until.is_due(now) => {
                *self = Self::Idle;
                LossAction::Report
            }
            _ => LossAction::None,
        }
    }

    /// When something is due.
    pub const fn next_deadline(&self) -> Option<Instant> {
        match *self {
            Self::Idle => None,
            Self::Deferred { until } | Self::Asking { until, .. } | Self::Reporting { until } => {
                Some(until)
            }
        }
    }

    /// Whether beacons are missing.
    pub fn is_active(&self) -> bool {
        *self != Self::Idle
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, clippy::as_conversions)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// Steps to every deadline and notes what happens when.
    fn story(mut loss: BeaconLoss, nulls_fail: bool) -> Vec<(u64, LossAction)> {
        let mut told = Vec::new();
        while let Some(due) = loss.next_deadline() {
            let action = loss.poll(due);
            if action != LossAction::None {
                told.push((due.as_millis(), action));
            }
            if action == LossAction::SendNull && nulls_fail {
                assert!(!loss.handle_null(false, due));
            }
        }
        told
    }

    #[test]
    fn two_null_frames_are_sent_before_the_loss_is_reported() {
        let mut loss = BeaconLoss::default();
        loss.handle_lost(false, at(0));
        let expected = [
            (0, LossAction::SendNull),
            (1000, LossAction::SendNull),
            (8000, LossAction::Report),
        ];
        assert_eq!(story(loss, false), expected);
    }

    #[test]
    fn a_null_frame_that_fails_makes_it_faster() {
        let mut loss = BeaconLoss::default();
        loss.handle_lost(false, at(0));
        let expected = [
            (0, LossAction::SendNull),
            (200, LossAction::SendNull),
            (5400, LossAction::Report),
        ];
        assert_eq!(story(loss, true), expected);
    }

    /// The C driver reports the loss all the same (specification: file 31, section 12.1); a chip that forgets to tell that
    /// beacons are back would end every connection (file 50, section 4, candidate 6).
    #[test]
    fn an_access_point_that_acknowledges_is_there() {
        for second in [false, true] {
            let mut loss = BeaconLoss::default();
            loss.handle_lost(false, at(0));
            assert!(!loss.handle_null(true, at(0)));
            assert_eq!(loss.poll(at(0)), LossAction::SendNull);
            if second {
                assert!(!loss.handle_null(false, at(10)));
                assert_eq!(loss.poll(at(1_000)), LossAction::SendNull);
            }
            assert!(loss.handle_null(true, at(1_001)));
            assert!(!loss.is_active());
        }
    }

    #[test]
    fn beacons_that_come_back_end_it_at_any_point() {
        for stop_after in 0..4 {
            let mut loss = BeaconLoss::default();
            loss.handle_lost(false, at(0));
            for _ in 0..stop_after {
                let due = loss.next_deadline().unwrap();
                assert_ne!(loss.poll(due), LossAction::Report);
            }
            loss.reset();
            assert!(!loss.is_active());
            assert_eq!(loss.poll(at(100_000)), LossAction::None);
        }
    }

    #[test]
    fn a_loss_during_a_scan_waits_for_its_end() {
        let mut loss = BeaconLoss::default();
        loss.handle_lost(true, at(0));
        assert_eq!(loss.next_deadline(), Some(at(10_000)));
        loss.handle_scan_end(at(2_000));
        assert_eq!(loss.next_deadline(), Some(at(7_000)));
        assert_eq!(loss.poll(at(7_000)), LossAction::SendNull);
    }

    #[test]
    fn interfaces_do_not_share_the_count_of_attempts_c25() {
        let (mut one, mut two) = (BeaconLoss::default(), BeaconLoss::default());
        one.handle_lost(false, at(0));
        two.handle_lost(false, at(0));
        for loss in [&mut one, &mut two] {
            assert_eq!(loss.poll(at(0)), LossAction::SendNull);
            assert_eq!(loss.poll(at(1_000)), LossAction::SendNull);
        }
        one.reset();
        assert_eq!(two.poll(at(3_000)), LossAction::None);
        assert_eq!(two.poll(at(8_000)), LossAction::Report);
    }

    #[test]
    fn a_second_report_of_the_chip_changes_nothing() {
        let mut loss = BeaconLoss::default();
        loss.handle_lost(false, at(0));
        let _ = loss.poll(at(0));
        let before = loss;
        loss.handle_lost(false, at(500));
        assert_eq!(loss, before);
    }
}
