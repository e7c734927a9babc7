//! What is wrong when throughput collapses: names one of the six candidates of the specification (file 50, section 4) from
//! what the driver itself sees, and says what heals it.
//!
//! | # | candidate | what speaks for it | what is done |
//! |---|---|---|---|
//! | 1 | a resource of the firmware is exhausted | scan requests refused at once, one after the other, on channels it scanned before | Wi-Fi restart |
//! | 2 | scan failures starve the bus | scan requests refused after a long time in which nothing else was served | scans are left out for a while, longer each time |
//! | 3 | the access point throttles the station | much less than before, and many frames arrive only at a later attempt, while the bus is idle | nothing; it is said |
//! | 4 | power-save state stuck | frames arrive at most once per beacon interval, in step with it | SET_PM to active |
//! | 5 | bus clock or tuning degraded | a share of the transfers fails | the bus is tuned again |
//! | 6 | busy events leak | a scan that never ends, a BSS that is lost although it answers | they expire |
//!
//! Everything is counted in windows, and each candidate needs evidence that repeats: a sighting is never a single event.
//! What was named stays named for [`MEMORY`]; with several, the one with the most sightings. Without traffic nothing is
//! concluded but what scans and the bus say by themselves.

use bes_hal::{Duration, Instant};
use core::fmt;

/// How long a candidate stays named after its last sighting.
pub const MEMORY: Duration = Duration::from_secs(3600);

/// Length of a window.
const WINDOW: Duration = Duration::from_secs(1);

/// A refusal that took longer kept the chip from everything else (candidate 2); a healthy chip answers within 20 ms.
const SLOW_REFUSAL: Duration = Duration::from_millis(400);

/// So many scan requests refused in a row are no property of a channel any more.
const REFUSALS: u8 = 5;

/// So many slow refusals in a row begin a back-off.
const SLOW_REFUSALS: u8 = 2;

/// Shortest and longest back-off of scans.
const BACK_OFF: Duration = Duration::from_secs(600);
const MOST_BACK_OFF: Duration = Duration::from_secs(3600);

/// Transfers in a window or more, before their failures say anything; and one in so many of them is too many.
const TRANSFERS: u64 = 50;
const FAILING_TRANSFER: u64 = 60;

/// Between two tunings of the bus.
const TUNING_PAUSE: Duration = Duration::from_secs(2);

/// Arrivals in step with the beacons, one after the other, that are no accident any more.
const IN_STEP: u8 = 12;

/// Arrivals closer than this are in step with nothing: no network has beacons so often.
const DENSE: Duration = Duration::from_millis(15);

/// How far an arrival may be away from a whole number of beacon intervals after the one before.
const STEP_TOLERANCE: Duration = Duration::from_millis(4);

/// Events without their end within an hour that are no accident any more.
const LEAKS: u8 = 2;

/// Windows with less than before and many late frames that are no accident any more.
const THROTTLED_WINDOWS: u8 = 10;

/// A candidate of file 50, section 4, by its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Candidate {
    /// 1: a resource of the firmware is exhausted.
    ResourceExhausted,
    /// 2: scan failures starve the bus.
    ScansStarve,
    /// 3: the access point throttles the station.
    AccessPointThrottles,
    /// 4: power-save state stuck.
    PowerSaveStuck,
    /// 5: bus clock or tuning degraded.
    BusDegraded,
    /// 6: busy events leak.
    EventsLeak,
}

impl Candidate {
    /// All of them, in order.
    pub const ALL: [Self; 6] = [
        Self::ResourceExhausted,
        Self::ScansStarve,
        Self::AccessPointThrottles,
        Self::PowerSaveStuck,
        Self::BusDegraded,
        Self::EventsLeak,
    ];

    /// Its number.
    pub const fn number(self) -> u8 {
        match self {
            Self::ResourceExhausted => 1,
            Self::ScansStarve => 2,
            Self::AccessPointThrottles => 3,
            Self::PowerSaveStuck => 4,
            Self::BusDegraded => 5,
            Self::EventsLeak => 6,
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::ResourceExhausted => 0,
            Self::ScansStarve => 1,
            Self::AccessPointThrottles => 2,
            Self::PowerSaveStuck => 3,
            Self::BusDegraded => 4,
            Self::EventsLeak => 5,
        }
    }

    /// What it is, in a few words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ResourceExhausted => "a resource of the firmware is exhausted",
            Self::ScansStarve => "scan failures starve the bus",
            Self::AccessPointThrottles => "the access point throttles",
            Self::PowerSaveStuck => "the power-save state is stuck",
            Self::BusDegraded => "the tuning of the bus is degraded",
            Self::EventsLeak => "busy events leak",
        }
    }

    /// What is done about it, in a few words.
    pub const fn healing(self) -> &'static str {
        match self {
            Self::ResourceExhausted => "Wi-Fi is restarted",
            Self::ScansStarve => "scans are left out for a while",
            Self::AccessPointThrottles => "nothing can be",
            Self::PowerSaveStuck => "the chip is told to stay awake",
            Self::BusDegraded => "the bus is tuned again",
            Self::EventsLeak => "they expire",
        }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.number(), self.name())
    }
}

/// What is to be done. Each is asked for once per sighting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Restart Wi-Fi.
    Restart,
    /// SET_PM to active.
    Awake,
    /// Tune the bus.
    Tune,
}

/// What speaks for a candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sightings {
    /// How often it was seen.
    pub count: u32,
    /// When last.
    pub last: Option<Instant>,
    /// The figure that decided the last time; what it is, see [`Diagnosis`]'s text.
    pub figure: u32,
}

/// What has passed since the device was made, as the owner of the bus counted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Received unicast data frames, those of them that were repeated, and bytes.
    pub(crate) received: u64,
    pub(crate) repeated: u64,
    pub(crate) received_bytes: u64,
    /// Sent bytes that were acknowledged.
    pub(crate) acked_bytes: u64,
    /// Transfers of the bus, and those of them that failed.
    pub(crate) transfers: u64,
    pub(crate) failures: u64,
}

impl Totals {
    fn since(&self, earlier: &Self) -> Self {
        Self {
            received: self.received.wrapping_sub(earlier.received),
            repeated: self.repeated.wrapping_sub(earlier.repeated),
            received_bytes: self.received_bytes.wrapping_sub(earlier.received_bytes),
            acked_bytes: self.acked_bytes.wrapping_sub(earlier.acked_bytes),
            transfers: self.transfers.wrapping_sub(earlier.transfers),
            failures: self.failures.wrapping_sub(earlier.failures),
        }
    }
}

/// The diagnosis of one device.
#[derive(Debug, Default)]
pub struct Diagnosis {
    seen: [Sightings; 6],
    /// When the window began, and the totals then.
    began: Option<Instant>,
    before: Totals,
    /// Transfers and failures that were too few to say anything.
    transfers: u64,
    failures: u64,
    /// Bytes per window that once were normal: a mean that rises fast and falls slowly.
    normal: u64,
    throttled: u8,
    tuned_at: Option<Instant>,
    /// Scan requests refused in a row, at once and late.
    refusals: u8,
    slow_refusals: u8,
    /// A scan request was ever accepted.
    accepted: bool,
    back_off: Duration,
    no_scans_until: Instant,
    /// The last burst with unicast data, and how many came in step with the beacons.
    last_arrival: Instant,
    interval: Duration,
    in_step: u8,
    leaks: u8,
    last_leak: Instant,
    restart: bool,
    awake: bool,
    tune: bool,
}

impl Diagnosis {
    /// The candidate that explains what is seen; `None` if all is well.
    pub fn candidate(&self, now: Instant) -> Option<Candidate> {
        Candidate::ALL
            .into_iter()
            .filter(|candidate| {
                self.sightings(*candidate)
                    .last
                    .is_some_and(|last| now.since(last) < MEMORY)
            })
            .max_by_key(|candidate| self.sightings(*candidate).count)
    }

    /// Its number, 0 if all is well.
    pub fn number(&self, now: Instant) -> u8 {
        self.candidate(now).map_or(0, Candidate::number)
    }

    /// What speaks for a candidate.
    pub fn sightings(&self, candidate: Candidate) -> Sightings {
        self.seen
            .get(candidate.index())
            .copied()
            .unwrap_or_default()
    }

    /// Whether the chip is known not to tell the end of everything it begins.
    pub fn loses_ends(&self, now: Instant) -> bool {
        self.candidate(now) == Some(Candidate::EventsLeak)
    }

    /// Whether scans are left out now.
    pub fn leaves_scans_out(&self, now: Instant) -> bool {
        now < self.no_scans_until
    }

    fn see(&mut self, candidate: Candidate, figure: u64, now: Instant) {
        if let Some(seen) = self.seen.get_mut(candidate.index()) {
            seen.count = seen.count.saturating_add(1);
            seen.last = Some(now);
            seen.figure = u32::try_from(figure).unwrap_or(u32::MAX);
        }
    }

    /// What is to be done next. A scan is not cut off for it.
    pub(crate) fn take_remedy(&mut self, scanning: bool) -> Option<Remedy> {
        if core::mem::take(&mut self.tune) {
            Some(Remedy::Tune)
        } else if core::mem::take(&mut self.awake) {
            Some(Remedy::Awake)
        } else if !scanning && core::mem::take(&mut self.restart) {
            Some(Remedy::Restart)
        } else {
            None
        }
    }

    /// The chip is another one now: what was seen of the old one explains nothing of it.
    pub(crate) fn handle_restart(&mut self) {
        self.refusals = 0;
        self.slow_refusals = 0;
        self.accepted = false;
        self.in_step = 0;
        self.began = None;
        self.restart = false;
        self.awake = false;
    }

    /// The chip took a scan request.
    pub(crate) fn scan_accepted(&mut self) {
        self.accepted = true;
        self.refusals = 0;
        self.slow_refusals = 0;
        self.back_off = Duration::ZERO;
    }

    /// The chip refused a scan request of one channel after so long.
    pub(crate) fn scan_refused(&mut self, took: Duration, now: Instant) {
        if took >= SLOW_REFUSAL {
            self.slow_refusals = self.slow_refusals.saturating_add(1);
            if self.slow_refusals >= SLOW_REFUSALS {
                let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                self.see(Candidate::ScansStarve, millis, now);
                self.back_off = self
                    .back_off
                    .saturating_mul(2)
                    .clamp(BACK_OFF, MOST_BACK_OFF);
                self.no_scans_until = now.after(self.back_off);
                // One request after it is enough to see that nothing has changed.
                self.slow_refusals = SLOW_REFUSALS.saturating_sub(1);
            }
            return;
        }
        self.slow_refusals = 0;
        self.refusals = self.refusals.saturating_add(1);
        // A chip that never scanned at all is another matter.
        if self.refusals >= REFUSALS && self.accepted {
            self.see(Candidate::ResourceExhausted, u64::from(self.refusals), now);
            self.refusals = 0;
            self.restart = true;
        }
    }

    /// Something that was announced never ended: a scan, or the loss of a BSS that answers.
    pub(crate) fn leaked(&mut self, now: Instant) {
        if now.since(self.last_leak) >= MEMORY {
            self.leaks = 0;
        }
        self.last_leak = now;
        self.leaks = self.leaks.saturating_add(1);
        if self.leaks >= LEAKS {
            self.see(Candidate::EventsLeak, u64::from(self.leaks), now);
        }
    }

    /// Beacons come so often.
    pub(crate) fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// A burst with unicast data came from the chip.
    #[inline]
    pub(crate) fn arrived(&mut self, now: Instant) {
        let gap = now.since(core::mem::replace(&mut self.last_arrival, now));
        if gap < DENSE {
            self.in_step = 0;
        } else {
            self.judge_step(gap, now);
        }
    }

    #[cold]
    fn judge_step(&mut self, gap: Duration, now: Instant) {
        // 64 bits: a kernel has no division of 128.
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let (gap, interval) = (micros(gap), micros(self.interval));
        let off = gap
            .checked_rem(interval)
            .map_or(u64::MAX, |rest| rest.min(interval.saturating_sub(rest)));
        // Longer gaps say nothing: anything is near a multiple of something.
        let few = gap <= interval.saturating_mul(3);
        if !few || off > micros(STEP_TOLERANCE) {
            self.in_step = 0;
            return;
        }
        self.in_step = self.in_step.saturating_add(1);
        // One frame per beacon interval is about 15 kB/s; a station that never had more has nothing to complain about.
        let had_more = self.normal > 100_000;
        if self.in_step >= IN_STEP && had_more {
            self.see(Candidate::PowerSaveStuck, u64::from(self.in_step), now);
            self.in_step = 0;
            self.awake = true;
        }
    }

    /// When the window is to be looked at.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.began.is_none_or(|began| now.since(began) >= WINDOW)
    }

    /// A window ended. `quiet`: no scan in it, and none now, so that its throughput means something.
    pub(crate) fn window(&mut self, totals: Totals, quiet: bool, now: Instant) {
        let began = self.began.replace(now);
        let new = totals.since(&core::mem::replace(&mut self.before, totals));
        let Some(began) = began else {
            return;
        };
        self.judge_bus(&new, now);
        if quiet {
            self.judge_throughput(&new, now.since(began), now);
        }
    }

    fn judge_bus(&mut self, new: &Totals, now: Instant) {
        self.transfers = self.transfers.saturating_add(new.transfers);
        self.failures = self.failures.saturating_add(new.failures);
        if self.transfers < TRANSFERS {
            return;
        }
        let transfers = core::mem::take(&mut self.transfers);
        let failures = core::mem::take(&mut self.failures);
        let pause = self
            .tuned_at
            .is_some_and(|tuned| now.since(tuned) < TUNING_PAUSE);
        if failures >= 2 && failures.saturating_mul(FAILING_TRANSFER) > transfers && !pause {
            let per_mille = failures
                .saturating_mul(1000)
                .checked_div(transfers)
                .unwrap_or(0);
            self.see(Candidate::BusDegraded, per_mille, now);
            self.tuned_at = Some(now);
            self.tune = true;
        }
    }

    fn judge_throughput(&mut self, new: &Totals, length: Duration, now: Instant) {
        let bytes = new.received_bytes.saturating_add(new.acked_bytes);
        let micros = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        let rate = bytes
            .saturating_mul(1_000_000)
            .checked_div(micros)
            .unwrap_or(0);
        // Enough frames to tell a share of, every tenth of them late, and less than two thirds of what was normal.
        let late = new.received >= 50 && new.repeated.saturating_mul(10) > new.received;
        let less = rate.saturating_mul(3) < self.normal.saturating_mul(2);
        if late && less {
            self.throttled = self.throttled.saturating_add(1);
            if self.throttled >= THROTTLED_WINDOWS {
                let per_mille = new
                    .repeated
                    .saturating_mul(1000)
                    .checked_div(new.received)
                    .unwrap_or(0);
                self.see(Candidate::AccessPointThrottles, per_mille, now);
                self.throttled = 0;
            }
            // What is normal does not follow down.
            return;
        }
        self.throttled = 0;
        if rate > self.normal {
            let rise = rate.saturating_sub(self.normal) / 4;
            self.normal = self.normal.saturating_add(rise);
        } else {
            let fall = self.normal.saturating_sub(rate) / 512;
            self.normal = self.normal.saturating_sub(fall);
        }
    }
}

/// One line for each candidate that was ever seen; what a reader of debugfs sees.
impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = Candidate::ALL
            .into_iter()
            .filter(|candidate| self.sightings(*candidate).count > 0);
        let mut any = false;
        for candidate in seen {
            any = true;
            let sightings = self.sightings(candidate);
            write!(f, "{candidate}: seen {} times", sightings.count)?;
            if let Some(last) = sightings.last {
                let figure = sightings.figure;
                write!(f, ", last at {last} (")?;
                match candidate {
                    Candidate::ResourceExhausted => {
                        write!(f, "{figure} scan requests refused in a row")?;
                    }
                    Candidate::ScansStarve => {
                        write!(f, "a scan request was refused after {figure} ms")?;
                    }
                    Candidate::AccessPointThrottles => {
                        write!(f, "{figure} of 1000 received frames were repeated")?;
                    }
                    Candidate::PowerSaveStuck => {
                        write!(f, "{figure} arrivals in step with the beacons")?;
                    }
                    Candidate::BusDegraded => write!(f, "{figure} of 1000 transfers failed")?,
                    Candidate::EventsLeak => write!(f, "{figure} events without their end")?,
                }
                write!(f, ")")?;
            }
            writeln!(f, "; {}", candidate.healing())?;
        }
        if !any {
            writeln!(f, "0: nothing wrong was seen")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    const BEACON: Duration = Duration::from_micros(102_400);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn secs(count: u64) -> Instant {
        at(count * 1000)
    }

    /// Windows of a second with so much in each.
    fn windows(
        diagnosis: &mut Diagnosis,
        totals: &mut Totals,
        new: Totals,
        seconds: core::ops::Range<u64>,
    ) {
        for second in seconds {
            totals.received += new.received;
            totals.repeated += new.repeated;
            totals.received_bytes += new.received_bytes;
            totals.transfers += new.transfers;
            totals.failures += new.failures;
            diagnosis.window(*totals, true, secs(second));
        }
    }

    const GOOD: Totals = Totals {
        received: 1700,
        repeated: 10,
        received_bytes: 2_500_000,
        acked_bytes: 0,
        transfers: 300,
        failures: 0,
    };

    #[test]
    fn a_good_hour_has_no_diagnosis() {
        let mut diagnosis = Diagnosis::default();
        let mut totals = Totals::default();
        windows(&mut diagnosis, &mut totals, GOOD, 0..3600);
        for second in 0..12 {
            diagnosis.scan_accepted();
            // A channel that is refused is a property of the channel.
            diagnosis.scan_refused(Duration::from_millis(2), secs(second));
        }
        assert_eq!(diagnosis.number(secs(3600)), 0);
        assert_eq!(diagnosis.take_remedy(false), None);
        assert_eq!(diagnosis.to_string(), "0: nothing wrong was seen\n");
    }

    #[test]
    fn refusals_in_a_row_of_a_chip_that_scanned_before_are_candidate_1() {
        let mut diagnosis = Diagnosis::default();
        diagnosis.scan_accepted();
        for n in 0..4 {
            diagnosis.scan_refused(Duration::from_millis(1), secs(n));
            assert_eq!(diagnosis.number(secs(n)), 0);
        }
        diagnosis.scan_refused(Duration::from_millis(1), secs(5));
        assert_eq!(diagnosis.number(secs(5)), 1);
        assert_eq!(diagnosis.take_remedy(false), Some(Remedy::Restart));
        assert_eq!(diagnosis.take_remedy(false), None);
        // It is remembered for an hour.
        assert_eq!(diagnosis.number(secs(3604)), 1);
        assert_eq!(diagnosis.number(secs(3605)), 0);
        let mut never = Diagnosis::default();
        for n in 0..20 {
            never.scan_refused(Duration::from_millis(1), secs(n));
        }
        assert_eq!(never.number(secs(20)), 0);
    }

    #[test]
    fn slow_refusals_are_candidate_2_and_scans_are_left_out_longer_each_time() {
        let mut diagnosis = Diagnosis::default();
        let slow = Duration::from_secs(2);
        diagnosis.scan_refused(slow, secs(2));
        assert!(!diagnosis.leaves_scans_out(secs(2)));
        diagnosis.scan_refused(slow, secs(4));
        assert_eq!(diagnosis.number(secs(4)), 2);
        assert!(diagnosis.leaves_scans_out(secs(603)));
        assert!(!diagnosis.leaves_scans_out(secs(604)));
        diagnosis.scan_refused(slow, secs(900));
        assert!(diagnosis.leaves_scans_out(secs(900 + 1199)));
        diagnosis.scan_accepted();
        diagnosis.scan_refused(slow, secs(4000));
        assert!(!diagnosis.leaves_scans_out(secs(4000)));
    }

    #[test]
    fn less_than_before_and_late_is_candidate_3() {
        let mut diagnosis = Diagnosis::default();
        let mut totals = Totals::default();
        windows(&mut diagnosis, &mut totals, GOOD, 0..60);
        let less = Totals {
            received: 350,
            repeated: 80,
            received_bytes: 500_000,
            ..GOOD
        };
        windows(&mut diagnosis, &mut totals, less, 60..65);
        assert_eq!(diagnosis.number(secs(65)), 0);
        windows(&mut diagnosis, &mut totals, less, 65..600);
        assert_eq!(diagnosis.number(secs(600)), 3);
        assert_eq!(diagnosis.take_remedy(false), None);
    }

    #[test]
    fn less_than_before_alone_is_nothing() {
        let mut diagnosis = Diagnosis::default();
        let mut totals = Totals::default();
        windows(&mut diagnosis, &mut totals, GOOD, 0..60);
        let less = Totals {
            received: 350,
            repeated: 2,
            received_bytes: 500_000,
            ..GOOD
        };
        windows(&mut diagnosis, &mut totals, less, 60..600);
        assert_eq!(diagnosis.number(secs(600)), 0);
    }

    #[test]
    fn arrivals_in_step_with_the_beacons_are_candidate_4() {
        let mut diagnosis = Diagnosis::default();
        let mut totals = Totals::default();
        windows(&mut diagnosis, &mut totals, GOOD, 0..60);
        diagnosis.set_interval(BEACON);
        let mut now = secs(60);
        for n in 0..13_u32 {
            assert_eq!(diagnosis.number(now), 0, "{n}");
            now = now.after(BEACON + Duration::from_micros(u64::from(n % 3) * 900));
            diagnosis.arrived(now);
        }
        assert_eq!(diagnosis.number(now), 4);
        assert_eq!(diagnosis.take_remedy(false), Some(Remedy::Awake));
    }

    #[test]
    fn a_ping_ten_times_a_second_is_not_in_step_and_neither_is_dense_traffic() {
        for gap in [1_u64, 30, 80, 95, 150, 1000] {
            let mut diagnosis = Diagnosis::default();
            let mut totals = Totals::default();
            windows(&mut diagnosis, &mut totals, GOOD, 0..60);
            diagnosis.set_interval(BEACON);
            for n in 0..100 {
                diagnosis.arrived(at(60_000 + n * gap));
            }
            assert_eq!(diagnosis.number(secs(170)), 0, "{gap}");
        }
    }

    #[test]
    fn failing_transfers_are_candidate_5_and_the_bus_is_tuned_but_not_all_the_time() {
        let mut diagnosis = Diagnosis::default();
        let mut totals = Totals::default();
        let bad = Totals {
            failures: 9,
            ..GOOD
        };
        windows(&mut diagnosis, &mut totals, bad, 0..2);
        assert_eq!(diagnosis.number(secs(2)), 5);
        assert_eq!(diagnosis.take_remedy(false), Some(Remedy::Tune));
        windows(&mut diagnosis, &mut totals, bad, 2..3);
        assert_eq!(diagnosis.take_remedy(false), None);
        windows(&mut diagnosis, &mut totals, bad, 3..4);
        assert_eq!(diagnosis.take_remedy(false), Some(Remedy::Tune));
        assert_eq!(
            diagnosis.to_string(),
            "5 (the tuning of the bus is degraded): seen 2 times, last at 3.000000 (30 of 1000 transfers failed); \
             the bus is tuned again\n"
        );
        // One failure here and there is the air of every bus.
        let mut diagnosis = Diagnosis::default();
        let mut totals = Totals::default();
        let rare = Totals {
            failures: 1,
            ..GOOD
        };
        windows(&mut diagnosis, &mut totals, rare, 0..600);
        assert_eq!(diagnosis.number(secs(600)), 0);
    }

    #[test]
    fn events_without_their_end_are_candidate_6() {
        let mut diagnosis = Diagnosis::default();
        diagnosis.leaked(secs(10));
        assert_eq!(diagnosis.number(secs(10)), 0);
        diagnosis.leaked(secs(40));
        assert_eq!(diagnosis.number(secs(40)), 6);
        let mut rare = Diagnosis::default();
        for hours in 1..10 {
            rare.leaked(secs(hours * 3600));
        }
        assert_eq!(rare.number(secs(9 * 3600)), 0);
    }

    #[test]
    fn numbers_and_places_agree() {
        for (index, candidate) in Candidate::ALL.into_iter().enumerate() {
            assert_eq!(candidate.index(), index);
            assert_eq!(usize::from(candidate.number()), index + 1);
            assert!(!candidate.healing().is_empty());
        }
    }
}
