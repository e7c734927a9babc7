//! The ledger of reasons to stay awake: who holds the device awake, why, since when, and until when at the latest.
//!
//! Every entry ends by itself. A *hold* is a token that its owner gives back; if it never does, the hold expires, no
//! longer counts, and is reported as [`Anomaly::HoldExpired`]. A *timed* reason has no token: something happened, and
//! the device stays awake for a while after it. Specification: file 40, sections 3.2 and 3.3.
//!
//! Holds nest: each has a place and an expiry of its own, so a forgotten one is not kept alive by others for the
//! same reason. When every place is taken the device stays awake for the life of the hold that found none
//! (file 40, P10: the ledger can be full, and errs on the side of being awake).

use crate::error::{Anomalies, Anomaly};
use crate::reason::{Reason, Times};
use bes_hal::time::earliest;
use bes_hal::{Duration, Instant};
use core::fmt;
use core::num::NonZeroU32;

/// Who keeps the device awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// The device as a whole.
    Device,
    /// The interface with this id.
    Interface(u8),
    /// The host: suspend, debug interface.
    Host,
    /// The sequence that puts the device to sleep or wakes it. Its own requests are listed and expire like all
    /// others, but they must not keep the device awake. C recognised them by the identity of the task.
    Sequence,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device => f.write_str("device"),
            Self::Interface(id) => write!(f, "interface {id}"),
            Self::Host => f.write_str("host"),
            Self::Sequence => f.write_str("sleep sequence"),
        }
    }
}

/// Proof that the device was asked to stay awake. Give it back with [`Ledger::release`].
///
/// It cannot be copied, so it cannot be given back twice. One that is dropped instead expires.
///
/// ```compile_fail
/// use bes_hal::{Duration, Instant};
/// use bes_pm::ledger::{Ledger, Owner};
/// use bes_pm::reason::Reason;
/// let mut ledger = Ledger::default();
/// let hold = ledger.take(Reason::Scan, Owner::Device, Instant::ZERO, Duration::from_secs(1));
/// ledger.release(hold, Instant::ZERO);
/// ledger.release(hold, Instant::ZERO);
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a hold that is dropped keeps the device awake until it expires"]
pub struct Hold {
    reason: Reason,
    /// Tells this hold from all others of this ledger; `None` if the ledger was full.
    serial: Option<NonZeroU32>,
}

impl Hold {
    /// Why the device was asked to stay awake.
    pub const fn reason(&self) -> Reason {
        self.reason
    }
}

/// One line of the ledger, for a debug view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Why.
    pub reason: Reason,
    /// Who.
    pub owner: Owner,
    /// Since when.
    pub since: Instant,
    /// When it ends at the latest.
    pub expiry: Instant,
    /// A hold with a token, or a timed reason.
    pub held: bool,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.held { "held" } else { "timed" };
        write!(
            f,
            "{} ({}), {kind} since {}, at the latest until {}",
            self.reason, self.owner, self.since, self.expiry
        )
    }
}

/// A hold in its place: an [`Entry`] and the serial number of its token, in 24 bytes.
#[derive(Clone, Copy, Debug)]
struct Held {
    since: Instant,
    expiry: Instant,
    serial: NonZeroU32,
    owner: Owner,
    reason: Reason,
}

const _: () = assert!(size_of::<Option<Held>>() <= 24);

impl Held {
    const fn entry(&self) -> Entry {
        Entry {
            reason: self.reason,
            owner: self.owner,
            since: self.since,
            expiry: self.expiry,
            held: true,
        }
    }
}

/// The reasons to stay awake of one device.
#[derive(Clone, Debug)]
pub struct Ledger {
    times: Times,
    holds: [Option<Held>; Self::CAPACITY],
    timed: [Option<Entry>; Reason::COUNT],
    /// The last hold that was released: its grace keeps the device awake.
    grace: Option<Entry>,
    /// The hold without a place that lasts longest.
    overflow: Option<Entry>,
    /// Comes round after four thousand million holds, which live for minutes.
    next_serial: NonZeroU32,
    expired: [u32; Reason::COUNT],
    anomalies: Anomalies,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new(Times::default())
    }
}

impl Ledger {
    /// Most holds at a time that have a place of their own.
    pub const CAPACITY: usize = 40;

    /// An empty ledger.
    pub const fn new(times: Times) -> Self {
        Self {
            times,
            holds: [None; Self::CAPACITY],
            timed: [None; Reason::COUNT],
            grace: None,
            overflow: None,
            next_serial: NonZeroU32::MIN,
            expired: [0; Reason::COUNT],
            anomalies: Anomalies::NONE,
        }
    }

    /// The times in force.
    pub const fn times(&self) -> &Times {
        &self.times
    }

    /// Changes the times. Entries that exist keep theirs.
    pub fn set_times(&mut self, times: Times) {
        self.times = times;
    }

    /// Keeps the device awake until the hold is released, at most for `limit` and never longer than
    /// [`Reason::max_life`].
    pub fn take(&mut self, reason: Reason, owner: Owner, now: Instant, limit: Duration) -> Hold {
        let entry = Entry {
            reason,
            owner,
            since: now,
            expiry: now.after(limit.min(reason.max_life())),
            held: true,
        };
        // An expired hold gives up its place to a live one.
        self.expire(now);
        let Some(place) = self.holds.iter_mut().find(|place| place.is_none()) else {
            self.anomalies.push(Anomaly::LedgerFull { reason, owner });
            if self.overflow.is_none_or(|old| old.expiry < entry.expiry) {
                self.overflow = Some(entry);
            }
            return Hold {
                reason,
                serial: None,
            };
        };
        let serial = self.next_serial;
        self.next_serial = serial.checked_add(1).unwrap_or(NonZeroU32::MIN);
        *place = Some(Held {
            since: entry.since,
            expiry: entry.expiry,
            serial,
            owner,
            reason,
        });
        Hold {
            reason,
            serial: Some(serial),
        }
    }

    /// Lets a hold live on: `limit` from now, never longer than [`Reason::max_life`]. `false` if it has expired or
    /// its owner was dismissed, so that the caller has to take a new one.
    #[must_use]
    pub fn renew(&mut self, hold: &Hold, now: Instant, limit: Duration) -> bool {
        self.expire(now);
        match self
            .holds
            .iter_mut()
            .flatten()
            .find(|held| Some(held.serial) == hold.serial)
        {
            Some(held) => {
                held.expiry = now.after(limit.min(held.reason.max_life()));
                true
            }
            None => false,
        }
    }

    /// Gives a hold back. The device stays awake for the grace time. A hold that has expired or whose owner was
    /// dismissed is simply gone.
    pub fn release(&mut self, hold: Hold, now: Instant) {
        self.expire(now);
        let place = self
            .holds
            .iter_mut()
            .find(|place| matches!(place, Some(held) if Some(held.serial) == hold.serial));
        if let Some(held) = place.and_then(Option::take) {
            self.begin_grace(held.entry(), now);
        }
    }

    /// Something happened: the device stays awake for the time of `reason` in [`Times`] and the grace.
    pub fn touch(&mut self, reason: Reason, owner: Owner, now: Instant) {
        self.touch_for(reason, owner, now, self.times.of(reason));
    }

    /// The same with a time that only the caller knows. The reason ends at the later of this and what an earlier
    /// touch asked for. At most [`Reason::max_life`] (file 40, P11: a deadline that was computed wrongly must not
    /// become hours).
    pub fn touch_for(&mut self, reason: Reason, owner: Owner, now: Instant, time: Duration) {
        let time = time.min(reason.max_life()).saturating_add(self.times.grace);
        let expiry = now.after(time);
        let Some(place) = self.timed.get_mut(reason.index()) else {
            return;
        };
        match place {
            Some(entry) if !entry.expiry.is_due(now) => {
                entry.owner = owner;
                entry.expiry = entry.expiry.max(expiry);
            }
            _ => {
                *place = Some(Entry {
                    reason,
                    owner,
                    since: now,
                    expiry,
                    held: false,
                });
            }
        }
    }

    /// Keeps the device awake until `deadline`; nothing happens if that has passed (file 40, P11).
    pub fn touch_until(&mut self, reason: Reason, owner: Owner, now: Instant, deadline: Instant) {
        if !deadline.is_due(now) {
            self.touch_for(reason, owner, now, deadline.since(now));
        }
    }

    /// Lets a timed reason end no later than `time` from now, as the suspend sequence does with [`Reason::Tx`]
    /// (file 40, section 5.2, step 5).
    pub fn shorten(&mut self, reason: Reason, now: Instant, time: Duration) {
        if let Some(Some(entry)) = self.timed.get_mut(reason.index()) {
            entry.expiry = entry.expiry.min(now.after(time));
        }
    }

    /// Drops everything that `owner` holds, as when its interface is removed (file 40, P5). Tokens still in its hands
    /// mean nothing any more.
    pub fn dismiss(&mut self, owner: Owner, now: Instant) {
        self.expire(now);
        let mut last = None;
        for place in &mut self.holds {
            if matches!(place, Some(held) if held.owner == owner) {
                last = place.take();
            }
        }
        for place in &mut self.timed {
            if matches!(place, Some(entry) if entry.owner == owner) {
                *place = None;
            }
        }
        if let Some(held) = last {
            self.begin_grace(held.entry(), now);
        }
    }

    /// Drops everything, as when the device stops or starts.
    pub fn clear(&mut self) {
        self.holds = [None; Self::CAPACITY];
        self.timed = [None; Reason::COUNT];
        self.grace = None;
        self.overflow = None;
    }

    /// Keeps the device awake for the grace time, as after a start.
    pub fn grace(&mut self, reason: Reason, owner: Owner, now: Instant) {
        let entry = Entry {
            reason,
            owner,
            since: now,
            expiry: now,
            held: false,
        };
        self.begin_grace(entry, now);
    }

    fn begin_grace(&mut self, entry: Entry, now: Instant) {
        if entry.owner != Owner::Sequence {
            self.grace = Some(Entry {
                expiry: now.after(self.times.grace),
                held: false,
                ..entry
            });
        }
    }

    /// Moves holds whose life is over to the anomalies. Called by every method that changes a hold; calling it is
    /// never needed for [`is_busy`](Self::is_busy) to be right, only for the count to be up to date.
    pub fn expire(&mut self, now: Instant) {
        for place in &mut self.holds {
            let Some(held) = place else { continue };
            if !held.expiry.is_due(now) {
                continue;
            }
            let Held { reason, owner, .. } = *held;
            if let Some(count) = self.expired.get_mut(reason.index()) {
                *count = count.saturating_add(1);
            }
            self.anomalies.push(Anomaly::HoldExpired { reason, owner });
            *place = None;
        }
    }

    /// Whether anything keeps the device awake.
    pub fn is_busy(&self, now: Instant) -> bool {
        self.idle_at(now).is_some()
    }

    /// When the first entry ends, if it is not touched, renewed or released before.
    pub fn next_expiry(&self, now: Instant) -> Option<Instant> {
        self.entries(now)
            .fold(None, |first, entry| earliest(first, Some(entry.expiry)))
    }

    /// When the device may sleep if nothing else happens; `None` if it may now.
    pub fn idle_at(&self, now: Instant) -> Option<Instant> {
        self.busy_entries(now).map(|entry| entry.expiry).max()
    }

    /// What keeps the device awake, and what the sleep sequence holds, for a debug view.
    pub fn entries(&self, now: Instant) -> impl Iterator<Item = Entry> + '_ {
        self.holds
            .iter()
            .flatten()
            .map(Held::entry)
            .chain(self.timed.iter().flatten().copied())
            .chain(self.overflow)
            .chain(self.grace)
            .filter(move |entry| !entry.expiry.is_due(now))
    }

    fn busy_entries(&self, now: Instant) -> impl Iterator<Item = Entry> + '_ {
        self.entries(now)
            .filter(|entry| entry.owner != Owner::Sequence)
    }

    /// How many holds `owner` has for `reason`.
    pub fn count(&self, reason: Reason, owner: Owner, now: Instant) -> usize {
        self.entries(now)
            .filter(|entry| entry.held && entry.reason == reason && entry.owner == owner)
            .count()
    }

    /// How many holds for `reason` have expired since the ledger was made.
    pub fn expired(&self, reason: Reason) -> u32 {
        self.expired.get(reason.index()).copied().unwrap_or(0)
    }

    /// The next anomaly that nobody has looked at.
    pub fn take_anomaly(&mut self) -> Option<Anomaly> {
        self.anomalies.pop()
    }

    /// How many anomalies there have been.
    pub const fn anomalies(&self) -> u32 {
        self.anomalies.total()
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use crate::reason::{EXCHANGE_LIFE, OPERATION_LIFE, SETTING_LIFE};
    use proptest::prelude::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn a_hold_keeps_the_device_awake_until_the_grace_after_its_release() {
        let mut ledger = Ledger::default();
        let hold = ledger.take(Reason::Scan, Owner::Interface(0), at(0), LONG);
        assert!(ledger.is_busy(at(1000)));
        ledger.release(hold, at(1000));
        assert!(ledger.is_busy(at(1049)));
        assert!(!ledger.is_busy(at(1050)));
        assert_eq!(ledger.anomalies(), 0);
    }

    #[test]
    fn holds_nest_and_each_is_released_on_its_own() {
        let mut ledger = Ledger::default();
        let first = ledger.take(Reason::Request, Owner::Device, at(0), LONG);
        let second = ledger.take(Reason::Request, Owner::Device, at(0), LONG);
        assert_eq!(ledger.count(Reason::Request, Owner::Device, at(0)), 2);
        ledger.release(first, at(10));
        assert!(ledger.is_busy(at(100)));
        ledger.release(second, at(100));
        assert!(!ledger.is_busy(at(150)));
    }

    #[test]
    fn a_timed_reason_ends_by_itself_and_touching_never_shortens_it() {
        let mut ledger = Ledger::default();
        ledger.touch(Reason::Tx, Owner::Device, at(0));
        ledger.touch_for(Reason::Tx, Owner::Device, at(10), Duration::from_millis(10));
        assert!(ledger.is_busy(at(1549)));
        assert!(!ledger.is_busy(at(1550)));
        ledger.touch(Reason::Tx, Owner::Device, at(2000));
        ledger.shorten(Reason::Tx, at(2000), Duration::from_millis(10));
        assert!(!ledger.is_busy(at(2010)));
        assert_eq!(ledger.anomalies(), 0);
    }

    /// P5, C17: an access point session that never ended left the device awake for ever.
    #[test]
    fn p5_removing_an_interface_drops_its_holds_and_stale_tokens_mean_nothing() {
        let mut ledger = Ledger::default();
        let access_point = ledger.take(Reason::AccessPoint, Owner::Interface(1), at(0), LONG);
        let scan = ledger.take(Reason::Scan, Owner::Interface(0), at(0), LONG);
        ledger.touch(Reason::Tx, Owner::Interface(1), at(0));
        ledger.dismiss(Owner::Interface(1), at(10));
        ledger.release(scan, at(10));
        assert!(!ledger.is_busy(at(60)));
        let other = ledger.take(Reason::Scan, Owner::Interface(0), at(70), LONG);
        ledger.release(access_point, at(80));
        assert!(ledger.is_busy(at(1000)));
        ledger.release(other, at(1000));
    }

    /// P6: on a network without IPv4 nobody ever reports an address.
    #[test]
    fn p6_waiting_for_an_address_ends_without_one() {
        let mut ledger = Ledger::default();
        let _never_released = ledger.take(Reason::AwaitAddress, Owner::Interface(0), at(0), LONG);
        let end = at(0).after(OPERATION_LIFE);
        assert!(ledger.is_busy(at(59_999)));
        assert!(!ledger.is_busy(end));
        ledger.expire(end);
        assert_eq!(ledger.expired(Reason::AwaitAddress), 1);
    }

    /// P7: constant events leaked from scan, flush and BSS loss.
    #[test]
    fn p7_every_forgotten_hold_expires_and_is_counted() {
        let mut ledger = Ledger::default();
        for reason in Reason::ALL {
            drop(ledger.take(reason, Owner::Device, at(0), Duration::MAX));
        }
        let end = at(0).after(SETTING_LIFE);
        assert!(!ledger.is_busy(end));
        ledger.expire(end);
        assert_eq!(ledger.anomalies(), 19);
        assert_eq!(
            ledger.take_anomaly(),
            Some(Anomaly::HoldExpired {
                reason: Reason::Scan,
                owner: Owner::Device
            })
        );
    }

    #[test]
    fn a_forgotten_hold_is_not_kept_alive_by_others_for_the_same_reason() {
        let mut ledger = Ledger::default();
        drop(ledger.take(Reason::Request, Owner::Device, at(0), LONG));
        let mut now = at(0);
        for _ in 0..200 {
            let hold = ledger.take(Reason::Request, Owner::Device, now, LONG);
            ledger.release(hold, now);
            now = now.after(Duration::from_millis(100));
        }
        assert!(!ledger.is_busy(now));
        assert_eq!(ledger.expired(Reason::Request), 1);
    }

    #[test]
    fn a_setting_lives_as_long_as_its_owner_renews_it() {
        let mut ledger = Ledger::default();
        let mut now = at(0);
        let hold = ledger.take(Reason::PowerSaveOff, Owner::Interface(0), now, SETTING_LIFE);
        for _ in 0..20 {
            now = now.after(SETTING_LIFE / 2);
            assert!(ledger.renew(&hold, now, SETTING_LIFE));
            assert!(ledger.is_busy(now));
        }
        now = now.after(SETTING_LIFE);
        assert!(!ledger.renew(&hold, now, SETTING_LIFE));
        assert_eq!(ledger.expired(Reason::PowerSaveOff), 1);
    }

    /// P10: 40 slots were a BUG away from a panic.
    #[test]
    fn p10_a_full_ledger_stays_awake_for_the_hold_without_a_place() {
        let mut ledger = Ledger::default();
        let mut holds = [const { None }; Ledger::CAPACITY];
        for place in &mut holds {
            *place = Some(ledger.take(Reason::Request, Owner::Device, at(0), LONG));
        }
        let extra = ledger.take(Reason::Flush, Owner::Device, at(0), LONG);
        assert_eq!(
            ledger.take_anomaly(),
            Some(Anomaly::LedgerFull {
                reason: Reason::Flush,
                owner: Owner::Device
            })
        );
        for hold in holds.into_iter().flatten() {
            ledger.release(hold, at(10));
        }
        ledger.release(extra, at(10));
        assert!(ledger.is_busy(at(14_999)));
        assert!(!ledger.is_busy(at(0).after(EXCHANGE_LIFE)));
    }

    /// P11: times were multiplied in 32 bits, and a deadline in the past became hours.
    #[test]
    fn p11_times_do_not_overflow_and_a_past_deadline_is_nothing() {
        let mut ledger = Ledger::default();
        ledger.touch_until(Reason::QueueExpiry, Owner::Device, at(100), at(99));
        assert!(!ledger.is_busy(at(100)));
        ledger.touch_until(Reason::QueueExpiry, Owner::Device, at(100), Instant::NEVER);
        assert!(!ledger.is_busy(
            at(100)
                .after(EXCHANGE_LIFE)
                .after(Duration::from_millis(50))
        ));
        ledger.touch_for(
            Reason::Multicast,
            Owner::Device,
            Instant::NEVER,
            Duration::MAX,
        );
        assert_eq!(ledger.next_expiry(at(20_000)), Some(Instant::NEVER));
    }

    /// P25: traffic with gaps below 1.5 s prevented sleep; the time is a setting.
    #[test]
    fn p25_with_a_shorter_time_periodic_traffic_lets_the_device_sleep() {
        let mut ledger = Ledger::new(Times {
            tx: Duration::from_millis(200),
            ..Times::default()
        });
        ledger.touch(Reason::Tx, Owner::Device, at(0));
        assert!(!ledger.is_busy(at(250)));
        ledger.touch(Reason::Tx, Owner::Device, at(1000));
        assert!(ledger.is_busy(at(1249)));
    }

    #[test]
    fn the_sequence_itself_does_not_keep_the_device_awake() {
        let mut ledger = Ledger::default();
        let hold = ledger.take(Reason::Request, Owner::Sequence, at(0), LONG);
        assert!(!ledger.is_busy(at(0)));
        assert_eq!(ledger.entries(at(0)).count(), 1);
        ledger.release(hold, at(0));
        assert!(!ledger.is_busy(at(0)));
    }

    #[test]
    fn the_view_says_who_and_since_when() {
        let mut ledger = Ledger::default();
        drop(ledger.take(
            Reason::Scan,
            Owner::Interface(2),
            at(1500),
            Duration::from_secs(2),
        ));
        let entry = ledger.entries(at(1500)).next().unwrap();
        assert_eq!(
            entry.to_string(),
            "scan (interface 2), held since 1.500000, at the latest until 3.500000"
        );
        assert_eq!(ledger.idle_at(at(1500)), Some(at(3500)));
    }

    proptest! {
        /// Whatever is done, with time the ledger is idle, and an entry never outlives the longest life.
        #[test]
        fn with_time_the_ledger_is_always_idle(
            events in proptest::collection::vec((0u8..6, 0usize..Reason::COUNT, 0u8..4, 0u64..5_000), 0..200)
        ) {
            let mut ledger = Ledger::default();
            let mut holds = std::vec::Vec::new();
            let mut now = Instant::ZERO;
            for (what, reason, owner, millis) in events {
                let reason = Reason::ALL[reason];
                let owner = if owner == 3 { Owner::Device } else { Owner::Interface(owner) };
                match what {
                    0 | 1 => holds.push(ledger.take(reason, owner, now, Duration::from_millis(millis * 100))),
                    2 => if let Some(hold) = holds.pop() {
                        ledger.release(hold, now);
                    },
                    3 => ledger.touch(reason, owner, now),
                    4 => ledger.dismiss(owner, now),
                    _ => now = now.after(Duration::from_millis(millis)),
                }
                let bound = now.after(SETTING_LIFE).after(Duration::from_millis(50));
                prop_assert!(ledger.entries(now).all(|entry| entry.expiry <= bound));
                prop_assert_eq!(ledger.is_busy(now), ledger.idle_at(now).is_some());
            }
            prop_assert!(!ledger.is_busy(now.after(SETTING_LIFE).after(Duration::from_millis(50))));
        }
    }
}
