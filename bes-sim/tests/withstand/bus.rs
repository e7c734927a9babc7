//! The bus fails.

use crate::common::{ms, Story};
use bes_hal::{Duration, SdioError, TransportError};
use bes_mac80211::device::DeviceState;
use bes_wsm::anomaly::AnomalyKind;
use bes_wsm::recovery::RecoveryReason;
use mock_hal::fault::{Fault, When};

/// Traffic with a fault that the transport has to survive: every packet arrives, once and in order.
fn survives(fault: Fault, share: f64, allowed: &[AnomalyKind]) {
    let mut story = Story::connected();
    let outcome = story.exchange_with(ms(400), |story| {
        story.faults.arm(fault, When::Probability(share));
    });
    assert_eq!(story.reason(), None, "{fault}");
    assert!(
        story.faults.count(fault) >= 5,
        "{fault}: only {}",
        story.faults.count(fault)
    );
    outcome.assert_intact(fault.name());
    story.assert_balanced(fault.name());
    for (kind, count) in story.rig.device.anomalies().iter() {
        assert!(allowed.contains(&kind), "{fault}: {count} {kind}");
    }
    assert_eq!(
        story.rig.handle.all_violations(),
        Vec::<String>::new(),
        "{fault}"
    );
    story.faults.disarm_all();
    story.assert_good(fault.name());
}

#[test]
fn crc_errors_lose_and_double_nothing() {
    survives(Fault::Crc, 0.03, &[]);
}

#[test]
fn timeouts_lose_and_double_nothing() {
    survives(Fault::Timeout, 0.02, &[]);
}

#[test]
fn transfers_that_failed_and_did_not_move_are_repeated() {
    survives(Fault::NotMoved, 0.1, &[]);
}

#[test]
fn transfers_that_failed_but_moved_are_repeated_with_the_same_toggle() {
    survives(Fault::Moved, 0.1, &[]);
}

#[test]
fn a_stale_announcement_is_not_read_again() {
    survives(Fault::Stale, 0.1, &[]);
}

#[test]
fn a_length_of_zero_that_is_genuine_ends_the_look_and_loses_nothing() {
    survives(Fault::ZeroLength, 0.1, &[AnomalyKind::LostInterrupt]);
}

#[test]
fn a_length_of_zero_that_is_not_genuine_is_looked_at_again() {
    survives(Fault::ZeroNotGenuine, 0.1, &[AnomalyKind::LostInterrupt]);
}

#[test]
fn spurious_interrupts_find_nothing_and_cost_nothing() {
    survives(Fault::SpuriousInterrupt, 0.1, &[]);
}

#[test]
fn lost_interrupts_are_found_by_looking() {
    survives(Fault::LostInterrupt, 0.1, &[AnomalyKind::LostInterrupt]);
}

#[test]
fn all_that_can_be_survived_at_once_is_survived() {
    let mut story = Story::connected();
    let outcome = story.exchange_with(ms(400), |story| {
        for fault in [
            Fault::Crc,
            Fault::Timeout,
            Fault::NotMoved,
            Fault::Moved,
            Fault::Stale,
            Fault::ZeroNotGenuine,
            Fault::SpuriousInterrupt,
            Fault::LostInterrupt,
        ] {
            story.faults.arm(fault, When::Probability(0.01));
        }
    });
    assert!(story.faults.total() > 10);
    outcome.assert_intact("everything");
    story.faults.disarm_all();
    story.assert_good("everything");
}

/// A fault that does not end: the session does, with its reason.
fn ends_the_session(fault: Fault, reason: TransportError) {
    let mut story = Story::connected();
    story.exchange_with(ms(100), |story| story.faults.arm(fault, When::Always));
    assert_eq!(
        story.reason(),
        Some(RecoveryReason::Transport(reason)),
        "{fault}"
    );
    story.recover(fault.name());
}

#[test]
fn crc_errors_without_end_need_recovery() {
    ends_the_session(Fault::Crc, TransportError::Bus(SdioError::Crc));
}

#[test]
fn timeouts_without_end_need_recovery() {
    ends_the_session(Fault::Timeout, TransportError::Bus(SdioError::Timeout));
}

#[test]
fn transfers_that_never_succeed_need_recovery() {
    ends_the_session(Fault::NotMoved, TransportError::Bus(SdioError::Crc));
    ends_the_session(Fault::Moved, TransportError::Bus(SdioError::Crc));
}

#[test]
fn an_oversized_announcement_needs_recovery() {
    ends_the_session(Fault::Oversized, TransportError::Oversized(127 * 512));
}

/// From power off to traffic; every step may fail, and says so.
fn whole_life(story: &mut Story) -> bool {
    let up = story.rig.bring_up().is_ok()
        && story.rig.scan(&[crate::common::CHANNEL], &[]).is_ok()
        && story.rig.connect(crate::common::OPEN, None).is_ok();
    if up {
        story.exchange(ms(10));
        if story.reason().is_none() {
            let _ = story.rig.disconnect();
        }
    }
    up && story.reason().is_none()
}

#[test]
fn the_card_may_go_at_any_moment() {
    let mut story = Story::new();
    assert!(whole_life(&mut story));
    let commands = story.faults.commands();
    assert!(commands > 300, "{commands}");
    // Every command of the first steps, then coarser: a prime step meets different kinds of commands.
    let moments = (0..40).chain((40..commands).step_by(7));
    for (index, moment) in moments.enumerate() {
        let mut story = Story::new();
        story.faults.arm(Fault::CardGone, When::Command(moment));
        assert!(!whole_life(&mut story), "command {moment}");
        // Whatever was under way, the next thing the driver touches tells it.
        story
            .rig
            .run_until(Duration::from_secs(3), |rig| rig.needs_recovery());
        assert_eq!(
            story.reason(),
            Some(RecoveryReason::Transport(TransportError::Bus(
                SdioError::NoCard
            ))),
            "command {moment}"
        );
        if index % 2 == 0 {
            // Another card.
            story.rig.handle.set_present(false);
            story.rig.handle.set_present(true);
        }
        story.recover(&format!("card gone at command {moment}"));
    }
}

#[test]
fn a_card_that_stays_away_keeps_the_driver_waiting_and_nothing_else() {
    let mut story = Story::connected();
    story.faults.arm(Fault::CardGone, When::Always);
    story
        .rig
        .run_until(Duration::from_secs(3), |rig| rig.needs_recovery());
    for _ in 0..3 {
        story.rig.forget();
        assert!(story.rig.bring_up().is_err());
        assert!(story.rig.needs_recovery());
    }
    story.recover("back again");
    assert_eq!(story.rig.device.state(), DeviceState::Running);
}

#[test]
fn faults_from_the_first_command_on_end_in_a_working_device_or_in_a_verdict() {
    let mut worked = 0;
    for fault in [
        Fault::Crc,
        Fault::Timeout,
        Fault::NotMoved,
        Fault::Moved,
        Fault::Stale,
        Fault::ZeroLength,
        Fault::ZeroNotGenuine,
        Fault::SpuriousInterrupt,
        Fault::LostInterrupt,
    ] {
        for every in [2, 3, 7, 20] {
            let name = format!("{fault}, every {every}");
            let mut story = Story::new();
            story.faults.arm(fault, When::Every(every));
            if whole_life(&mut story) {
                worked += 1;
            } else {
                story
                    .rig
                    .run_until(Duration::from_secs(15), |rig| rig.needs_recovery());
                assert!(
                    story.reason().is_some() || story.rig.stack.station.failure.is_some(),
                    "{name}: {:?}, {:?}",
                    story.rig.device.state(),
                    story.anomalies()
                );
            }
            assert!(story.faults.count(fault) > 0, "{name}");
            story.rig.device.shutdown(&mut story.rig.stack);
            story.recover(&name);
        }
    }
    assert!(worked >= 30, "only {worked} of 36 lives went well");
}
