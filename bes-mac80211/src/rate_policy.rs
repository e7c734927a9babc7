//! The eight rate policies of the chip: which frame uses which, and when they have to be uploaded.
//!
//! The chip takes no list of rates with a frame. It takes the index of a policy, a table with a number of attempts for
//! each rate id, and starts at the highest rate that the frame names. Most frames of a connection use the same list,
//! so the policy of the last frame is tried first: a comparison of one word.
//!
//! ```text
//!          acquire, new list                upload()             upload_confirmed
//!   Empty ───────────────────► Wanted ───────────────► Sending ──────────────────► Ready ◄─┐
//!     ▲                          ▲ │                      │                          │ │   │ acquire,
//!     │                          │ └── another list ──┐   │ upload_failed            │ └───┘ release
//!     └──────────────────────────┼────────────────────┴───┘                          │
//!                                └───────────────────── reset, frames in the chip ───┘
//! ```
//!
//! A frame can only get a policy that is in the chip ([`Acquisition::Ready`]); until then it waits, and others go on.
//! A policy that is wanted but not there yet is kept for the frame that waits for it. After a WSM reset the chip has no
//! policy any more (file 50, section 3.5): [`RatePolicies::reset`].
//!
//! Source: file 30, section 3.7, without D11 to D14; file 21, section 2.19.

use crate::rate::{RateIndex, RateSeries, TxRate};
use crate::types::Band;
use bes_wsm::wire::mib::rate_policy::{RatePolicyEntry, RateTries, TxRateRetryPolicy};
use bes_wsm::wire::mib::{Mib, MibId};
use bes_wsm::wire::{RateId, RateMask, RatePolicyIndex, WireError};

/// Number of policies in the chip.
pub const POLICIES: usize = RatePolicyIndex::COUNT;

/// An index below the number of entries, a power of two, needs no check.
const MASK: usize = POLICIES - 1;
const _: () = assert!(POLICIES.is_power_of_two());

/// Most attempts that one rate of a policy can have.
const MAX_ATTEMPTS: u8 = 15;

/// What a frame without a list of rates gets: the driver's own null frames, which decide whether the access point is
/// lost, must not go out with whatever the chip last knew (file 30, D11).
const ROBUST_ATTEMPTS: u8 = 8;

/// How often the chip retries (file 21, section 2.19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryLimits {
    /// For frames up to the RTS threshold.
    pub short: u8,
    /// For longer ones.
    pub long: u8,
}

impl RetryLimits {
    /// Until the stack says otherwise.
    pub const DEFAULT: Self = Self {
        short: 31,
        long: 31,
    };
}

/// A number of attempts for each rate id, four bits each, as in the message: rate id 0 in the lowest bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts(u128);

impl Attempts {
    /// Attempts at a rate.
    pub fn at(self, rate: RateId) -> u8 {
        let [low, ..] = self.0.wrapping_shr(Self::shift(rate)).to_le_bytes();
        low & 0x0F
    }

    /// The twelve bytes of the message.
    pub const fn bytes(self) -> [u8; 12] {
        let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = self.0.to_le_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }

    /// The table of the message.
    pub fn tries(self) -> RateTries {
        let mut tries = RateTries::NONE;
        for rate in RateMask::ANY.iter() {
            tries.set(rate, self.at(rate));
        }
        tries
    }

    /// Adds attempts, up to the 15 that fit: adding, where the C driver joined the bits (file 30, D12).
    fn add(&mut self, rate: RateId, count: u8) {
        let sum = self.at(rate).saturating_add(count).min(MAX_ATTEMPTS);
        let shift = Self::shift(rate);
        self.0 &= !0x0F_u128.wrapping_shl(shift);
        self.0 |= u128::from(sum).wrapping_shl(shift);
    }

    /// Whether a frame that starts at `first` is treated the same by both.
    fn agrees(self, other: Self, first: RateId) -> bool {
        let unused = Self::shift(first).wrapping_add(4);
        let below = !u128::MAX.wrapping_shl(unused);
        (self.0 ^ other.0) & below == 0
    }

    fn shift(rate: RateId) -> u32 {
        u32::from(rate.raw()).wrapping_mul(4)
    }
}

/// A rate list, translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Translation {
    attempts: Attempts,
    first: RateId,
    series: RateSeries,
}

/// The policy that a frame uses. It is released with [`RatePolicies::release`] when the frame is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Number of the policy in the chip.
    pub index: RatePolicyIndex,
    /// Rate that the frame starts with.
    pub max_rate: RateId,
    /// The list as the chip will work through it; attempts are reported in terms of it.
    pub series: RateSeries,
}

/// Answer to [`RatePolicies::acquire`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquisition {
    /// The policy is in the chip and counted as used by one more frame.
    Ready(Policy),
    /// The policy has a place, but must be uploaded first. Nothing is counted; ask again after the upload.
    NeedsUpload,
    /// Every policy is used by frames in the chip. Ask again after one of them is back.
    Exhausted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Empty,
    Wanted,
    Sending,
    Ready,
}

/// The lists that were translated into a policy are keys: list, band. Several may end in the same policy; the latest
/// is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    series: RateSeries,
    band: Band,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    state: State,
    key: Key,
    policy: Policy,
    attempts: Attempts,
    users: u16,
    /// When it was used last, counted in searches: between two of them only one entry is used.
    used_at: u64,
}

/// Entries to be uploaded in one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upload {
    entries: [Attempts; POLICIES],
    /// Bit n: policy n is in the message.
    mask: u8,
    epoch: u32,
    /// Retry limits of all of them.
    pub limits: RetryLimits,
}

impl Upload {
    /// The policies, in order of their index.
    pub fn entries(&self) -> impl Iterator<Item = (RatePolicyIndex, Attempts)> + '_ {
        (0_u8..)
            .zip(self.entries)
            .filter(|(index, _)| self.mask & 1_u8.wrapping_shl(u32::from(*index)) != 0)
            .filter_map(|(index, attempts)| Some((RatePolicyIndex::new(index)?, attempts)))
    }

    fn has(&self, index: RatePolicyIndex) -> bool {
        self.mask & 1_u8.wrapping_shl(u32::from(index.raw())) != 0
    }
}

/// The message: `WriteMib(&upload)`, on interface 0.
impl Mib for Upload {
    const ID: MibId = TxRateRetryPolicy::ID;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let blank = RatePolicyEntry::new(RatePolicyIndex::default(), 0, 0, RateTries::NONE);
        let mut entries = [blank; POLICIES];
        let mut count = 0_usize;
        let RetryLimits { short, long } = self.limits;
        for ((index, attempts), place) in self.entries().zip(&mut entries) {
            *place = RatePolicyEntry::new(index, short, long, attempts.tries());
            count = count.saturating_add(1);
        }
        TxRateRetryPolicy(entries.get(..count).unwrap_or(&[])).emit_data(out)
    }
}

/// What the host knows about the chip's policies.
#[derive(Clone, Debug)]
pub struct RatePolicies {
    entries: [Entry; POLICIES],
    /// The entry that was acquired last.
    latest: usize,
    /// What an entry beyond the last one would hold, if there were one.
    nobody: Policy,
    limits: RetryLimits,
    searches: u64,
    /// Counts resets, so that the answer to an upload from before one is recognised.
    epoch: u32,
}

impl Default for RatePolicies {
    fn default() -> Self {
        Self::new()
    }
}

impl RatePolicies {
    /// No policy is in the chip.
    pub fn new() -> Self {
        let mut index = 0_u8;
        let entries = [(); POLICIES].map(|()| {
            let number = RatePolicyIndex::new(index).unwrap_or_default();
            index = index.wrapping_add(1);
            Entry {
                state: State::Empty,
                key: Key {
                    series: RateSeries::EMPTY,
                    band: Band::TwoPointFourGhz,
                },
                policy: Policy {
                    index: number,
                    max_rate: RateId::DSSS_1,
                    series: RateSeries::EMPTY,
                },
                attempts: Attempts(0),
                users: 0,
                used_at: 0,
            }
        });
        Self {
            entries,
            latest: 0,
            nobody: Policy {
                index: RatePolicyIndex::FIRST,
                max_rate: RateId::DSSS_1,
                series: RateSeries::EMPTY,
            },
            limits: RetryLimits::DEFAULT,
            searches: 0,
            epoch: 0,
        }
    }

    /// The policy for a frame with these rates on this band. It is the latest one from now on.
    pub fn acquire(&mut self, series: RateSeries, band: Band) -> Acquisition {
        if self.acquire_latest(series, band) {
            return Acquisition::Ready(*self.latest());
        }
        self.search(Key { series, band })
    }

    /// The same, if it is the one that was acquired last, as it mostly is. `false` and no change if it is not.
    #[inline]
    pub(crate) fn acquire_latest(&mut self, series: RateSeries, band: Band) -> bool {
        let Some(latest) = self.entries.get_mut(self.latest & MASK) else {
            return false;
        };
        let is_it =
            latest.state == State::Ready && latest.key.series == series && latest.key.band == band;
        if is_it {
            // As many as there are frames in the chip: far from the end of the range.
            latest.users = latest.users.wrapping_add(1);
            latest.used_at = self.searches;
        }
        is_it
    }

    /// The policy that was acquired last.
    #[inline]
    pub(crate) fn latest(&self) -> &Policy {
        match self.entries.get(self.latest & MASK) {
            Some(latest) => &latest.policy,
            None => &self.nobody,
        }
    }

    #[inline(never)]
    fn search(&mut self, key: Key) -> Acquisition {
        self.searches = self.searches.wrapping_add(1);
        let now = self.searches;
        let wanted = translate(key, self.limits);
        let known = |entry: &Entry| entry.state != State::Empty;
        let same =
            |entry: &Entry| known(entry) && entry.attempts.agrees(wanted.attempts, wanted.first);
        // One that is in the chip already saves an upload, so it goes first.
        let found = self
            .entries
            .iter()
            .position(|entry| entry.state == State::Ready && same(entry))
            .or_else(|| self.entries.iter().position(same));
        if let Some(entry) = found.and_then(|index| self.entries.get_mut(index)) {
            if entry.state != State::Ready {
                return Acquisition::NeedsUpload;
            }
            entry.key = key;
            entry.policy.max_rate = wanted.first;
            entry.policy.series = wanted.series;
            entry.users = entry.users.saturating_add(1);
            entry.used_at = now;
            let policy = entry.policy;
            self.latest = policy.index.index();
            return Acquisition::Ready(policy);
        }
        // Empty ones first, then the one that has not been used for the longest time. What somebody waits for, or what
        // is used by a frame in the chip, stays.
        let place = self
            .entries
            .iter_mut()
            .filter(|entry| entry.users == 0 && matches!(entry.state, State::Empty | State::Ready))
            .min_by_key(|entry| (known(entry), entry.used_at));
        let Some(entry) = place else {
            return if self
                .entries
                .iter()
                .any(|entry| entry.state == State::Wanted)
            {
                // Places will be free again after the upload, even if none of these is used after all.
                Acquisition::NeedsUpload
            } else {
                Acquisition::Exhausted
            };
        };
        entry.state = State::Wanted;
        entry.key = key;
        entry.attempts = wanted.attempts;
        entry.policy.max_rate = wanted.first;
        entry.policy.series = wanted.series;
        entry.used_at = now;
        Acquisition::NeedsUpload
    }

    /// A frame that used the policy is back.
    #[inline]
    pub fn release(&mut self, index: RatePolicyIndex) {
        if let Some(entry) = self.entries.get_mut(index.index()) {
            entry.users = entry.users.saturating_sub(1);
        }
    }

    /// Whether there is something to upload and no upload under way.
    pub fn needs_upload(&self) -> bool {
        let any = |state| self.entries.iter().any(|entry| entry.state == state);
        any(State::Wanted) && !any(State::Sending)
    }

    /// What has to be uploaded, if anything. Exactly one of [`upload_confirmed`](Self::upload_confirmed) and
    /// [`upload_failed`](Self::upload_failed) must follow.
    pub fn upload(&mut self) -> Option<Upload> {
        if !self.needs_upload() {
            return None;
        }
        let mut upload = Upload {
            entries: [Attempts(0); POLICIES],
            mask: 0,
            epoch: self.epoch,
            limits: self.limits,
        };
        for (entry, place) in self.entries.iter_mut().zip(&mut upload.entries) {
            if entry.state == State::Wanted {
                entry.state = State::Sending;
                *place = entry.attempts;
                upload.mask |= 1_u8.wrapping_shl(u32::from(entry.policy.index.raw()));
            }
        }
        Some(upload)
    }

    /// The chip confirmed an upload: only now may frames use the policies (file 30, D14).
    pub fn upload_confirmed(&mut self, upload: &Upload) {
        self.upload_done(upload, State::Ready);
    }

    /// The chip refused an upload, or never answered. The policies are gone; frames that need them ask again. A place
    /// that frames from before a reset still hold stays theirs until they are back.
    pub fn upload_failed(&mut self, upload: &Upload) {
        self.upload_done(upload, State::Empty);
    }

    fn upload_done(&mut self, upload: &Upload, state: State) {
        if upload.epoch != self.epoch {
            return;
        }
        for entry in &mut self.entries {
            if entry.state == State::Sending && upload.has(entry.policy.index) {
                entry.state = state;
            }
        }
    }

    /// The chip has forgotten every policy: WSM reset, or a restart. Frames in flight keep theirs counted.
    pub fn reset(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        for entry in &mut self.entries {
            entry.state = if entry.users > 0 {
                State::Wanted
            } else {
                State::Empty
            };
        }
    }

    /// The stack changed the retry limits: lists are translated anew, and uploaded with the new limits.
    pub fn set_limits(&mut self, limits: RetryLimits) {
        if limits != self.limits {
            self.limits = limits;
            self.reset();
        }
    }

    /// Frames in the chip that use a policy, all together.
    pub fn users(&self) -> usize {
        self.entries
            .iter()
            .map(|entry| usize::from(entry.users))
            .sum()
    }
}

/// The id of a rate, if the band has it.
fn rate_id(index: RateIndex, band: Band) -> Option<RateId> {
    match (index, band) {
        (RateIndex::Mcs(mcs), _) => RateId::from_mcs(mcs),
        (RateIndex::Legacy(index @ 0..=3), Band::TwoPointFourGhz) => RateId::new(index),
        (RateIndex::Legacy(index @ 4..=11), Band::TwoPointFourGhz) => {
            RateId::new(index.saturating_add(2))
        }
        (RateIndex::Legacy(index @ 0..=7), Band::FiveGhz) => RateId::new(index.saturating_add(6)),
        (RateIndex::Legacy(_), _) => None,
    }
}

/// Lowest rate of a band: 1 or 6 Mbit/s.
const fn lowest(band: Band) -> RateId {
    match band {
        Band::TwoPointFourGhz => RateId::DSSS_1,
        Band::FiveGhz => RateId::OFDM_6,
    }
}

/// A list in the making: at most four rates, each lower than the one before.
struct List {
    entries: [(RateId, TxRate); RateSeries::MAX],
    len: usize,
}

impl List {
    fn as_slice(&self) -> &[(RateId, TxRate)] {
        self.entries.get(..self.len).unwrap_or(&[])
    }

    fn as_mut_slice(&mut self) -> &mut [(RateId, TxRate)] {
        self.entries.get_mut(..self.len).unwrap_or(&mut [])
    }

    fn push(&mut self, id: RateId, rate: TxRate) {
        if let Some(entry) = self.entries.get_mut(self.len) {
            *entry = (id, rate);
            self.len = self.len.saturating_add(1);
        }
    }

    /// The stack's list: cut where the band has no such rate, equal rates added up, cut where rates rise again,
    /// because the chip can only go down. Rates are compared by their id, so that an MCS is never taken for the legacy
    /// rate with the same index (file 30, D12).
    fn merged(series: RateSeries, band: Band) -> Self {
        let unused = TxRate {
            index: RateIndex::Legacy(0),
            count: 0,
        };
        let mut list = Self {
            entries: [(lowest(band), unused); RateSeries::MAX],
            len: 0,
        };
        for rate in series.iter() {
            let Some(id) = rate_id(rate.index, band) else {
                break;
            };
            match list.as_mut_slice().last_mut() {
                Some((last, entry)) if *last == id => {
                    entry.count = entry.count.saturating_add(rate.count);
                }
                Some((last, _)) if *last < id => break,
                _ => list.push(id, rate),
            }
        }
        if list.len == 0 {
            let robust = TxRate {
                index: RateIndex::Legacy(0),
                count: ROBUST_ATTEMPTS,
            };
            list.push(lowest(band), robust);
        }
        list
    }

    /// At most `limit` attempts together, and at most 15 each, but at least one for each rate.
    fn limit(&mut self, limit: u8) {
        let len = u8::try_from(self.len).unwrap_or(u8::MAX);
        let mut left = limit.max(len);
        let mut behind = len;
        for (_, rate) in self.as_mut_slice() {
            behind = behind.saturating_sub(1);
            let most = left.saturating_sub(behind).min(MAX_ATTEMPTS);
            rate.count = rate.count.min(most);
            left = left.saturating_sub(rate.count);
        }
    }

    /// From OFDM straight down to 1 or 2 Mbit/s is a long way: two of the attempts at the first rate are made in
    /// between. Only on 2.4 GHz, where there are such rates (file 30, D12).
    fn bridge_cck_gap(&mut self, band: Band) {
        if band != Band::TwoPointFourGhz {
            return;
        }
        let &[(first_id, first), (last_id, last)] = self.as_slice() else {
            return;
        };
        let (RateIndex::Legacy(index @ 5..), RateIndex::Legacy(0..=1)) = (first.index, last.index)
        else {
            return;
        };
        if first.count <= 2 {
            return;
        }
        let step = |index, count| {
            let index = RateIndex::Legacy(index);
            rate_id(index, band).map(|id| (id, TxRate { index, count }))
        };
        let middle = index.saturating_add(4) / 2;
        let mut kept = first.count.saturating_sub(2);
        let steps = if middle == 4 {
            [step(4, 2), None]
        } else {
            let more = u8::from(kept >= 3);
            kept = kept.saturating_sub(more);
            [step(middle, 1), step(4, more.saturating_add(1))]
        };
        self.len = 0;
        self.push(
            first_id,
            TxRate {
                count: kept,
                ..first
            },
        );
        for (id, rate) in steps.into_iter().flatten() {
            self.push(id, rate);
        }
        self.push(last_id, last);
    }
}

/// Makes the chip's table of a list (file 30, section 3.7).
fn translate(key: Key, limits: RetryLimits) -> Translation {
    let mut list = List::merged(key.series, key.band);
    list.limit(limits.short);
    list.bridge_cck_gap(key.band);

    let second_is_mcs_0 = matches!(
        list.as_slice(),
        [
            _,
            (
                _,
                TxRate {
                    index: RateIndex::Mcs(0),
                    ..
                }
            ),
            ..
        ]
    );
    let len = u8::try_from(list.len).unwrap_or(u8::MAX);
    let mut bottom = 0_u8;
    let mut first = lowest(key.band);
    if let Some((id, rate)) = list.as_mut_slice().first_mut() {
        first = *id;
        if let RateIndex::Mcs(mcs) = rate.index {
            // HT lists end at MCS 0 at best; a legacy rate below it is the last resort.
            bottom = 1;
            if mcs < 3 {
                bottom = 3;
            }
            let weak = second_is_mcs_0 && rate.count == 1;
            if weak {
                rate.count = len;
            }
            if mcs == 0 || weak {
                bottom = bottom.saturating_add(2);
            }
        }
    }

    let mut attempts = Attempts(0);
    let mut rates = [TxRate {
        index: RateIndex::Legacy(0),
        count: 0,
    }; RateSeries::MAX];
    for ((id, rate), place) in list.as_slice().iter().zip(&mut rates) {
        attempts.add(*id, rate.count);
        *place = *rate;
    }
    attempts.add(lowest(key.band), bottom);
    Translation {
        attempts,
        first,
        series: RateSeries::new(&rates),
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
#[path = "rate_policy_tests.rs"]
mod tests;
