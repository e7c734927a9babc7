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
    /// When it was used last, counted in acquisitions.
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
    latest: usize,
    limits: RetryLimits,
    acquisitions: u64,
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
            limits: RetryLimits::DEFAULT,
            acquisitions: 0,
            epoch: 0,
        }
    }

    /// The policy for a frame with these rates on this band.
    #[inline]
    pub fn acquire(&mut self, series: RateSeries, band: Band) -> Acquisition {
        let key = Key { series, band };
        self.acquisitions = self.acquisitions.wrapping_add(1);
        let now = self.acquisitions;
        if let Some(latest) = self.entries.get_mut(self.latest) {
            if latest.state == State::Ready && latest.key == key {
                latest.users = latest.users.saturating_add(1);
                latest.used_at = now;
                return Acquisition::Ready(latest.policy);
            }
        }
        self.search(key, now)
    }

    #[inline(never)]
    fn search(&mut self, key: Key, now: u64) -> Acquisition {
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const G2: Band = Band::TwoPointFourGhz;
    const G5: Band = Band::FiveGhz;

    fn mcs(index: u8, count: u8) -> TxRate {
        TxRate {
            index: RateIndex::Mcs(index),
            count,
        }
    }

    fn legacy(index: u8, count: u8) -> TxRate {
        TxRate {
            index: RateIndex::Legacy(index),
            count,
        }
    }

    /// Rate ids with their attempts, the highest first.
    fn table(rates: &[TxRate], band: Band, limit: u8) -> Vec<(u8, u8)> {
        let key = Key {
            series: RateSeries::new(rates),
            band,
        };
        let limits = RetryLimits {
            short: limit,
            long: limit,
        };
        let attempts = translate(key, limits).attempts;
        (0..22)
            .rev()
            .map(|id| (id, attempts.at(RateId::new(id).unwrap())))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    fn uploaded(policies: &mut RatePolicies) -> Vec<u8> {
        let upload = policies.upload().unwrap();
        policies.upload_confirmed(&upload);
        upload.entries().map(|(index, _)| index.raw()).collect()
    }

    /// Acquires, with an upload if it takes one.
    fn acquire(policies: &mut RatePolicies, rates: &[TxRate], band: Band) -> Policy {
        let series = RateSeries::new(rates);
        if policies.acquire(series, band) == Acquisition::NeedsUpload {
            uploaded(policies);
        }
        match policies.acquire(series, band) {
            Acquisition::Ready(policy) => policy,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_ht_list_gets_a_legacy_bottom_rate() {
        assert_eq!(
            table(&[mcs(7, 4), mcs(5, 2)], G2, 31),
            [(21, 4), (19, 2), (0, 1)]
        );
        assert_eq!(table(&[mcs(7, 4)], G5, 31), [(21, 4), (6, 1)]);
        assert_eq!(table(&[mcs(2, 4)], G2, 31), [(16, 4), (0, 3)]);
        assert_eq!(table(&[mcs(0, 4)], G2, 31), [(14, 4), (0, 5)]);
        assert_eq!(
            table(&[mcs(4, 1), mcs(0, 2)], G2, 31),
            [(18, 2), (14, 2), (0, 3)]
        );
    }

    #[test]
    fn the_worked_table_lies_in_nibbles() {
        let key = Key {
            series: RateSeries::new(&[mcs(7, 4), legacy(4, 2)]),
            band: G2,
        };
        let bytes = translate(key, RetryLimits::DEFAULT).attempts.bytes();
        // Rate 21 is the high nibble of byte 10, rate 6 the low nibble of byte 3, rate 0 the low nibble of byte 0.
        assert_eq!(bytes, [0x01, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0x40, 0]);
    }

    #[test]
    fn equal_rates_are_added_up_and_rising_rates_end_the_list() {
        assert_eq!(
            table(&[legacy(7, 2), legacy(7, 3), legacy(2, 1)], G2, 31),
            [(9, 5), (2, 1)]
        );
        assert_eq!(
            table(&[legacy(3, 2), legacy(5, 3), legacy(2, 1)], G2, 31),
            [(3, 2)]
        );
    }

    #[test]
    fn the_limit_leaves_one_attempt_for_each_rate() {
        assert_eq!(
            table(&[legacy(11, 9), legacy(8, 9), legacy(3, 9)], G2, 10),
            [(13, 8), (10, 1), (3, 1)]
        );
        assert_eq!(
            table(&[legacy(11, 9), legacy(8, 9), legacy(3, 9)], G2, 1),
            [(13, 1), (10, 1), (3, 1)]
        );
    }

    #[test]
    fn the_gap_to_cck_is_bridged() {
        // 54 Mbit/s to 1 Mbit/s: one attempt at the middle, one or two at 6 Mbit/s.
        assert_eq!(
            table(&[legacy(11, 4), legacy(0, 3)], G2, 31),
            [(13, 2), (9, 1), (6, 1), (0, 3)]
        );
        assert_eq!(
            table(&[legacy(11, 5), legacy(0, 3)], G2, 31),
            [(13, 2), (9, 1), (6, 2), (0, 3)]
        );
        assert_eq!(
            table(&[legacy(5, 4), legacy(1, 3)], G2, 31),
            [(7, 2), (6, 2), (1, 3)]
        );
        assert_eq!(
            table(&[legacy(5, 2), legacy(1, 3)], G2, 31),
            [(7, 2), (1, 3)]
        );
    }

    /// File 21, section 2.19.
    #[test]
    fn an_upload_is_the_mib_with_the_entries_that_are_wanted() {
        use bes_wsm::wire::mib::WriteMib;
        use bes_wsm::wire::{InterfaceId, Request};

        let mut policies = RatePolicies::new();
        acquire(&mut policies, &[mcs(7, 4)], G2);
        for series in [[legacy(11, 3)], [legacy(0, 2)]] {
            policies.acquire(RateSeries::new(&series), G2);
        }
        let upload = policies.upload().unwrap();
        let mut out = [0; 256];
        let len = WriteMib(&upload).emit(InterfaceId::Zero, &mut out).unwrap();
        assert_eq!(out[..8], [52, 0, 0x06, 0, 0x16, 0x10, 44, 0]);
        assert_eq!(out[8..12], [2, 0, 0, 0]);
        assert_eq!(
            out[12..32],
            [1, 31, 31, 0x0C, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x30, 0, 0, 0, 0, 0]
        );
        assert_eq!(
            out[32..len],
            [2, 31, 31, 0x0C, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        );
    }

    /// File 30, D11.
    #[test]
    fn d11_a_frame_without_rates_gets_a_policy_of_its_own() {
        assert_eq!(table(&[], G2, 31), [(0, ROBUST_ATTEMPTS)]);
        assert_eq!(table(&[], G5, 31), [(6, ROBUST_ATTEMPTS)]);
        let policy = acquire(&mut RatePolicies::new(), &[], G5);
        assert_eq!(policy.max_rate, RateId::OFDM_6);
        assert_eq!(
            policy.series,
            RateSeries::new(&[legacy(0, ROBUST_ATTEMPTS)])
        );
    }

    /// File 30, D12.
    #[test]
    fn d12_mcs_and_legacy_rates_with_the_same_index_are_different_rates() {
        assert_eq!(
            table(&[mcs(4, 3), legacy(4, 2)], G2, 31),
            [(18, 3), (6, 2), (0, 1)]
        );
    }

    /// File 30, D12.
    #[test]
    fn d12_the_bottom_rate_is_added_to_what_is_there() {
        assert_eq!(table(&[mcs(0, 3), legacy(0, 4)], G2, 31), [(14, 3), (0, 9)]);
        assert_eq!(
            table(&[mcs(0, 3), legacy(0, 14)], G2, 31),
            [(14, 3), (0, 15)]
        );
    }

    /// File 30, D12.
    #[test]
    fn d12_the_cck_gap_is_left_alone_on_5_ghz() {
        assert_eq!(
            table(&[legacy(7, 4), legacy(0, 3)], G5, 31),
            [(13, 4), (6, 3)]
        );
    }

    #[test]
    fn rates_that_the_band_does_not_have_end_the_list() {
        assert_eq!(table(&[legacy(7, 4), legacy(8, 4)], G5, 31), [(13, 4)]);
        assert_eq!(table(&[mcs(8, 4)], G2, 31), [(0, ROBUST_ATTEMPTS)]);
    }

    /// File 30, D13.
    #[test]
    fn d13_a_policy_in_use_that_fits_is_used_even_if_none_is_free() {
        let mut policies = RatePolicies::new();
        for index in 0..8 {
            acquire(&mut policies, &[mcs(index, 2)], G2);
        }
        let first = policies.acquire(RateSeries::new(&[mcs(0, 2)]), G2);
        assert!(matches!(first, Acquisition::Ready(policy) if policy.index.raw() == 0));
        let other = RateSeries::new(&[legacy(5, 2)]);
        assert_eq!(policies.acquire(other, G2), Acquisition::Exhausted);
        assert_eq!(policies.users(), 9);
        policies.release(RatePolicyIndex::new(3).unwrap());
        assert_eq!(policies.acquire(other, G2), Acquisition::NeedsUpload);
        assert_eq!(uploaded(&mut policies), [3]);
    }

    /// File 30, D15.
    #[test]
    fn d15_the_band_comes_with_the_frame_and_not_from_the_channel() {
        let mut policies = RatePolicies::new();
        let low = acquire(&mut policies, &[legacy(0, 4)], G2);
        let high = acquire(&mut policies, &[legacy(0, 4)], G5);
        assert_eq!(
            (low.max_rate, high.max_rate),
            (RateId::DSSS_1, RateId::OFDM_6)
        );
        assert_ne!(low.index, high.index);
    }

    /// File 30, D14.
    #[test]
    fn d14_a_policy_is_used_only_after_the_chip_confirmed_it() {
        let mut policies = RatePolicies::new();
        let series = RateSeries::new(&[mcs(7, 4)]);
        assert_eq!(policies.acquire(series, G2), Acquisition::NeedsUpload);
        let upload = policies.upload().unwrap();
        assert_eq!(policies.upload(), None);
        assert_eq!(policies.acquire(series, G2), Acquisition::NeedsUpload);
        policies.upload_failed(&upload);
        assert_eq!(policies.upload(), None);
        assert_eq!(policies.acquire(series, G2), Acquisition::NeedsUpload);
        let upload = policies.upload().unwrap();
        policies.upload_confirmed(&upload);
        assert!(matches!(
            policies.acquire(series, G2),
            Acquisition::Ready(_)
        ));
        assert!(!policies.needs_upload());
    }

    /// File 50, section 3.5.
    #[test]
    fn after_a_reset_everything_is_uploaded_again_and_frames_in_flight_stay_counted() {
        let mut policies = RatePolicies::new();
        let held = acquire(&mut policies, &[mcs(7, 4)], G2);
        let free = acquire(&mut policies, &[mcs(3, 4)], G2);
        policies.release(free.index);
        policies.reset();
        assert_eq!(policies.users(), 1);
        for list in [[mcs(7, 4)], [mcs(3, 4)]] {
            let series = RateSeries::new(&list);
            assert_eq!(policies.acquire(series, G2), Acquisition::NeedsUpload);
        }
        assert_eq!(uploaded(&mut policies).len(), 2);
        policies.release(held.index);
        assert_eq!(policies.users(), 0);
    }

    #[test]
    fn the_answer_to_an_upload_from_before_a_reset_counts_for_nothing() {
        let mut policies = RatePolicies::new();
        let series = RateSeries::new(&[mcs(7, 4)]);
        assert_eq!(policies.acquire(series, G2), Acquisition::NeedsUpload);
        let old = policies.upload().unwrap();
        policies.reset();
        assert_eq!(policies.acquire(series, G2), Acquisition::NeedsUpload);
        let new = policies.upload().unwrap();
        policies.upload_confirmed(&old);
        assert_eq!(policies.acquire(series, G2), Acquisition::NeedsUpload);
        policies.upload_confirmed(&new);
        assert!(matches!(
            policies.acquire(series, G2),
            Acquisition::Ready(_)
        ));
    }

    #[test]
    fn a_list_that_is_the_lower_part_of_a_policy_uses_it() {
        let mut policies = RatePolicies::new();
        let whole = acquire(&mut policies, &[legacy(11, 4), legacy(8, 2)], G2);
        let part = acquire(&mut policies, &[legacy(8, 2)], G2);
        assert_eq!(part.index, whole.index);
        assert_eq!(part.max_rate.raw(), 10);
        assert_eq!(part.series, RateSeries::new(&[legacy(8, 2)]));
    }

    #[test]
    fn what_was_not_used_for_the_longest_time_makes_room() {
        let mut policies = RatePolicies::new();
        for index in 0..8 {
            let policy = acquire(&mut policies, &[mcs(index, 2)], G2);
            policies.release(policy.index);
        }
        let again = acquire(&mut policies, &[mcs(0, 2)], G2);
        policies.release(again.index);
        let new = acquire(&mut policies, &[legacy(5, 2)], G2);
        assert_eq!(new.index.raw(), 1);
    }

    #[test]
    fn new_limits_change_the_tables_and_are_uploaded() {
        let mut policies = RatePolicies::new();
        acquire(&mut policies, &[legacy(11, 9)], G2);
        policies.release(RatePolicyIndex::default());
        policies.set_limits(RetryLimits { short: 4, long: 7 });
        let series = RateSeries::new(&[legacy(11, 9)]);
        assert_eq!(policies.acquire(series, G2), Acquisition::NeedsUpload);
        let upload = policies.upload().unwrap();
        assert_eq!((upload.limits.short, upload.limits.long), (4, 7));
        let (_, attempts) = upload.entries().next().unwrap();
        assert_eq!(attempts.at(RateId::OFDM_54), 4);
    }

    fn any_series() -> impl Strategy<Value = RateSeries> {
        proptest::collection::vec((any::<bool>(), 0_u8..12, 0_u8..40), 0..=4).prop_map(|rates| {
            let rates: Vec<_> = rates
                .into_iter()
                .map(|(ht, index, count)| {
                    if ht {
                        mcs(index, count)
                    } else {
                        legacy(index, count)
                    }
                })
                .collect();
            RateSeries::new(&rates)
        })
    }

    proptest! {
        #[test]
        fn every_list_becomes_a_table_that_starts_at_its_first_rate(
            series in any_series(), five in any::<bool>(), limit in 0_u8..40
        ) {
            let band = if five { G5 } else { G2 };
            let limits = RetryLimits { short: limit, long: limit };
            let made = translate(Key { series, band }, limits);
            prop_assert!(made.attempts.at(made.first) > 0);
            prop_assert!(!made.series.is_empty());
            let first = made.series.first().unwrap();
            prop_assert_eq!(rate_id(first.index, band), Some(made.first));
            for id in made.first.raw() + 1..22 {
                prop_assert_eq!(made.attempts.at(RateId::new(id).unwrap()), 0);
            }
            if five {
                for id in 0..6 {
                    prop_assert_eq!(made.attempts.at(RateId::new(id).unwrap()), 0);
                }
            }
        }

        /// A frame only ever gets a policy that the chip holds with exactly its table, and users are counted right.
        #[test]
        fn policies_in_use_are_never_changed(
            steps in proptest::collection::vec((0_u8..6, any_series(), any::<bool>()), 1..120)
        ) {
            let mut policies = RatePolicies::new();
            let mut chip = [Attempts(0); 8];
            let mut held: Vec<(Policy, Attempts)> = Vec::new();
            let mut under_way: Option<Upload> = None;
            for (step, series, flag) in steps {
                let band = if flag { G5 } else { G2 };
                match step {
                    0..=2 => {
                        if let Acquisition::Ready(policy) = policies.acquire(series, band) {
                            let wanted = translate(Key { series, band }, RetryLimits::DEFAULT);
                            let there = chip[policy.index.index()];
                            prop_assert!(there.agrees(wanted.attempts, policy.max_rate));
                            prop_assert_eq!(policy.max_rate, wanted.first);
                            prop_assert_eq!(policy.series, wanted.series);
                            held.push((policy, there));
                        }
                    }
                    3 => if let Some((policy, _)) = held.pop() {
                        policies.release(policy.index);
                    },
                    4 => match under_way.take() {
                        Some(upload) if flag => {
                            for (index, attempts) in upload.entries() {
                                chip[index.index()] = attempts;
                            }
                            policies.upload_confirmed(&upload);
                        }
                        Some(upload) => policies.upload_failed(&upload),
                        None => under_way = policies.upload(),
                    },
                    _ => if flag {
                        under_way = None;
                        chip = [Attempts(0); 8];
                        policies.reset();
                        for (policy, table) in &mut held {
                            // The frames are gone from the chip, but not yet back.
                            let _ = policy;
                            *table = Attempts(0);
                        }
                    },
                }
                prop_assert_eq!(policies.users(), held.len());
                for (policy, table) in &held {
                    if *table != Attempts(0) {
                        prop_assert_eq!(chip[policy.index.index()], *table);
                    }
                }
            }
        }
    }
}
