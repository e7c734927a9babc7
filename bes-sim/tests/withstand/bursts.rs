//! Bursts that no chip should send (specification: file 10, section 5.3).

use crate::common::{ms, Story, CHANNEL};
use bes_hal::transport::BurstDefect;
use bes_hal::{Duration, TransportError};
use bes_wsm::anomaly::{Anomaly, AnomalyKind};
use bes_wsm::recovery::RecoveryReason;
use mock_hal::fault::{Damage, Fault, When};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;

/// Sequence numbers have three bits, so eight messages, or any multiple, leave the counter where it was: a burst made
/// up of so many does not disturb those that follow.
const ROUND: usize = 8;

/// Identity of an event indication.
const EVENT: u16 = 0x0805;

/// Watches what passes and knows which sequence number comes next.
fn watch(story: &Story) -> Arc<AtomicU8> {
    let next = Arc::new(AtomicU8::new(u8::MAX));
    let seen = next.clone();
    story.faults.set_damage_hook(move |burst, _| {
        let mut rest = &burst[..];
        while let Some(&[low, high, id_low, id_high]) = rest.first_chunk() {
            let len = usize::from(u16::from_le_bytes([low, high]));
            let id = u16::from_le_bytes([id_low, id_high]);
            if len < 4 {
                break;
            }
            // The MCU class has a counter of its own.
            if id & 0x0C00 != 0x0C00 {
                seen.store(((id >> 13) as u8 + 1) & 7, Ordering::Relaxed);
            }
            rest = rest.get(len.next_multiple_of(4)..).unwrap_or(&[]);
        }
    });
    story.faults.arm(Fault::Damaged, When::Always);
    next
}

/// A connected, quiet driver, and the number of the next message.
fn quiet() -> (Story, u8) {
    let mut story = Story::new();
    let next = watch(&story);
    story.connect();
    story.assert_good("before");
    let next = next.load(Ordering::Relaxed);
    assert!(next < 8);
    (story, next)
}

/// A harmless message of `len` bytes (12 or more) with a sequence number: the event "Bluetooth inactive".
fn filler(len: usize, sequence: u8) -> Vec<u8> {
    let id = EVENT | u16::from(sequence & 7) << 13;
    let mut message = (len as u16).to_le_bytes().to_vec();
    message.extend(id.to_le_bytes());
    message.extend(5_u32.to_le_bytes());
    message.resize(len, 0);
    message
}

/// Messages of these lengths, numbered from `next` on, each padded to a multiple of 4.
fn burst(lens: &[usize], next: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, len) in lens.iter().enumerate() {
        bytes.extend(filler(*len, next.wrapping_add(index as u8)));
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

/// The same with the terminator behind them; the chip fills the rest with what it likes.
fn terminated(lens: &[usize], next: u8) -> Vec<u8> {
    let mut bytes = burst(lens, next);
    bytes.extend([0, 0]);
    bytes
}

/// Lets the chip announce a burst, and the driver take it. How many messages it found in it, and what was wrong.
fn take(story: &mut Story, bytes: Vec<u8>, blocks: u8) -> (u64, Option<BurstDefect>) {
    let before = story.rig.device.bottom_half().stats().rx_messages;
    let defects = story.count(AnomalyKind::BurstDefect);
    story
        .rig
        .handle
        .with_chip(|chip| chip.inject_burst(bytes, blocks));
    story.rig.run_until(ms(20), |rig| rig.needs_recovery());
    let messages = story.rig.device.bottom_half().stats().rx_messages - before;
    let last = story
        .rig
        .device
        .anomalies()
        .records()
        .last()
        .map(|record| record.anomaly);
    let defect = match last {
        Some(Anomaly::BurstDefect(defect)) => Some(defect),
        _ => None,
    };
    assert_eq!(
        story.count(AnomalyKind::BurstDefect) - defects,
        u32::from(defect.is_some())
    );
    (messages, defect)
}

/// A burst that must not disturb what follows.
fn goes_on(
    bytes: impl FnOnce(u8) -> Vec<u8>,
    blocks: u8,
    messages: u64,
    defect: Option<BurstDefect>,
) {
    let (mut story, next) = quiet();
    assert_eq!(take(&mut story, bytes(next), blocks), (messages, defect));
    story.assert_good("after the burst");
}

#[test]
fn a_burst_without_a_message_is_a_defect_and_nothing_else() {
    goes_on(|_| vec![0; 512], 1, 0, Some(BurstDefect::NoMessage));
}

#[test]
fn a_burst_of_one_message_is_taken() {
    let (mut story, _) = quiet();
    let before = story.rig.device.bottom_half().stats().rx_messages;
    story.lmac(|lmac| lmac.raise_event(0, 5, 0));
    story.rig.run_for(ms(20));
    assert!(story.rig.device.bottom_half().stats().rx_messages > before);
    assert_eq!(story.rig.device.anomalies().total(), 0);
    story.assert_good("one message");
}

#[test]
fn eight_and_sixteen_messages_are_taken() {
    goes_on(|next| terminated(&[12; ROUND], next), 1, 8, None);
    goes_on(|next| terminated(&[12; 2 * ROUND], next), 1, 16, None);
}

#[test]
fn the_seventeenth_message_is_a_defect() {
    goes_on(
        |next| burst(&[12; 2 * ROUND + 1], next),
        1,
        16,
        Some(BurstDefect::TooManyMessages),
    );
}

#[test]
fn a_length_of_zero_ends_a_burst() {
    goes_on(
        |next| {
            let mut bytes = burst(&[12; ROUND], next);
            bytes.extend([0, 0]);
            // What stands behind the terminator is nobody's.
            bytes.extend(burst(&[12; 3], 3));
            bytes
        },
        1,
        8,
        None,
    );
}

#[test]
fn lengths_of_one_to_three_are_defects_wherever_they_stand() {
    for len in 1..=3_u16 {
        for good in [0, ROUND] {
            goes_on(
                |next| {
                    let mut bytes = burst(&vec![12; good], next);
                    bytes.extend(len.to_le_bytes());
                    bytes.extend(EVENT.to_le_bytes());
                    bytes
                },
                1,
                good as u64,
                Some(BurstDefect::ShortLength(len)),
            );
        }
    }
}

#[test]
fn a_length_beyond_the_burst_is_a_defect_wherever_it_stands() {
    for len in [513_u16, 2_000, 32_769, u16::MAX - 2, u16::MAX] {
        for good in [0, ROUND] {
            goes_on(
                |next| {
                    let mut bytes = burst(&vec![12; good], next);
                    bytes.extend(len.to_le_bytes());
                    bytes.extend(EVENT.to_le_bytes());
                    bytes
                },
                1,
                good as u64,
                Some(BurstDefect::BeyondEnd(len)),
            );
        }
    }
}

#[test]
fn only_the_first_message_may_be_longer_than_1632() {
    let mut lens = [12; ROUND];
    lens[0] = 2_000;
    goes_on(move |next| terminated(&lens, next), 5, 8, None);
    for len in [1_633_usize, 1_700, 2_000] {
        goes_on(
            move |next| {
                let mut bytes = burst(&[12; ROUND], next);
                bytes.extend(filler(len, next));
                bytes
            },
            6,
            8,
            Some(BurstDefect::LongMessage(len as u16)),
        );
    }
    goes_on(
        |next| terminated(&[12, 12, 12, 12, 12, 12, 12, 1_632], next),
        4,
        8,
        None,
    );
}

#[test]
fn an_announcement_above_the_buffer_needs_recovery_and_one_that_fits_does_not() {
    goes_on(|next| terminated(&[12; ROUND], next), 64, 8, None);
    for blocks in [65_u8, 100, 127] {
        let (mut story, next) = quiet();
        assert_eq!(
            take(&mut story, burst(&[12; ROUND], next), blocks),
            (0, None)
        );
        assert_eq!(
            story.reason(),
            Some(RecoveryReason::Transport(TransportError::Oversized(
                u32::from(blocks) * 512
            )))
        );
        story.recover("oversized");
    }
}

#[test]
fn a_message_whose_padding_ends_with_the_burst_is_taken() {
    let mut lens = [12; ROUND];
    for unaligned in 0..4 {
        lens[ROUND - 1] = 512 - 12 * (ROUND - 1) - unaligned;
        goes_on(move |next| burst(&lens, next), 1, 8, None);
    }
}

#[test]
fn a_burst_without_terminator_ends_where_it_ends() {
    // Full to the last byte.
    goes_on(|next| burst(&[64; ROUND], next), 1, 8, None);
    // Behind the good ones, bytes that are no message.
    goes_on(
        |next| {
            let mut bytes = burst(&[12; ROUND], next);
            bytes.resize(512, 0xA5);
            bytes
        },
        1,
        8,
        Some(BurstDefect::BeyondEnd(0xA5A5)),
    );
}

#[test]
fn a_single_message_out_of_turn_needs_recovery() {
    let (mut story, next) = quiet();
    // Its number is the due one, so the chip's own next message comes with a number that was used.
    assert_eq!(take(&mut story, filler(12, next), 1).0, 1);
    assert_eq!(story.reason(), None);
    story.exchange(ms(20));
    assert!(
        matches!(story.reason(), Some(RecoveryReason::Sequence { due, got, .. }) if due == (next + 1) & 7 && got == next),
        "{:?}",
        story.reason()
    );
    story.recover("out of turn");
}

#[test]
fn every_damage_at_many_moments_ends_in_an_anomaly_or_a_verdict() {
    for damage in Damage::ALL {
        for moment in [0, 1, 2, 5, 11, 23, 40] {
            let name = format!("{damage:?} at burst {moment}");
            let mut story = Story::new();
            story.faults.set_damage(damage);
            // From boot to traffic: whatever the step, it ends.
            story.faults.arm(Fault::Damaged, When::Opportunity(moment));
            let up = story.rig.bring_up().is_ok()
                && story.rig.scan(&[CHANNEL], &[]).is_ok()
                && story.rig.connect(crate::common::OPEN, None).is_ok();
            if up {
                story.exchange(ms(50));
            }
            // What was lost shows at the latest when its deadline passes.
            story
                .rig
                .run_until(Duration::from_secs(15), |rig| rig.needs_recovery());
            assert!(story.faults.count(Fault::Damaged) == 1, "{name}");
            let survived = up && story.reason().is_none();
            if survived {
                story.settle(&name);
            } else {
                assert!(
                    story.reason().is_some() || story.rig.device.anomalies().total() > 0,
                    "{name}: failed without a trace"
                );
                story.rig.device.shutdown(&mut story.rig.stack);
                story.recover(&name);
            }
        }
    }
}

#[test]
fn garbage_in_every_tenth_burst_never_breaks_the_driver() {
    for seed in 0..5 {
        let mut story = Story::connected();
        let mut rng = fastrand::Rng::with_seed(seed);
        story.faults.set_damage_hook(move |burst, _| {
            let at = rng.usize(..burst.len());
            let len = rng.usize(..=64.min(burst.len() - at));
            rng.fill(&mut burst[at..at + len]);
        });
        for round in 0..5 {
            story.exchange_with(ms(50), |story| {
                story.faults.arm(Fault::Damaged, When::Every(10))
            });
            story.faults.disarm_all();
            story.rig.device.shutdown(&mut story.rig.stack);
            story.recover(&format!("seed {seed}, round {round}"));
        }
    }
}
