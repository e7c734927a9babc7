//! Tests of the rate policies.

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
