//! The air is full of frames that nobody with good intentions sends.

use crate::common::{ms, Story, CHANNEL, OPEN};
use bes_hal::Duration;
use bes_mac80211::event::Event;
use bes_sim::rig::ADDRESS;
use mock_hal::air::hostile::Hostile;
use mock_hal::air::{Address, Channel, Injection, PhyRate};

/// Somebody who is not the access point.
const STRANGER: Address = [0x02, 0xBA, 0xD0, 0, 0, 1];

/// Name of a network that does not exist.
const BAIT: &str = "bait";

/// Puts `count` frames on the air, one every 1.5 ms from now on. How long that takes.
fn attack(story: &mut Story, seed: u64, from: Address, count: u64) -> Duration {
    let step = Duration::from_micros(1_500);
    let mut hostile = Hostile::new(
        seed,
        ADDRESS.0,
        from,
        BAIT.as_bytes(),
        Channel::ht20(CHANNEL),
    );
    let mut at = story.rig.now();
    let mut rng = fastrand::Rng::with_seed(seed);
    story.rig.air(|air| {
        for _ in 0..count {
            at = at.after(step);
            let mut injection = Injection::new(hostile.frame(), CHANNEL, at);
            injection.rate = PhyRate::Ofdm(54);
            injection.ampdu = rng.u8(..8) == 0;
            injection.signal_dbm = rng.i8(-85..0);
            air.inject(injection);
        }
    });
    step.saturating_mul(count as u32)
}

#[test]
fn hostile_frames_of_strangers_do_not_disturb_a_connection() {
    for seed in 0..4 {
        let mut story = Story::connected();
        let before = story.rig.device.statistics().rx_total().frames;
        // Frames of others pass as well, so that the driver sees most of it.
        story.lmac(|lmac| lmac.config_mut().receive_filters = false);
        let time = attack(&mut story, seed, STRANGER, 3_000);
        story.rig.run_until(time, |rig| rig.needs_recovery());
        assert_eq!(story.reason(), None, "seed {seed}");
        let statistics = story.rig.device.statistics();
        assert!(
            statistics.rx_total().frames + statistics.rx_dropped() - before > 1_000,
            "seed {seed}: the driver saw {} frames",
            statistics.rx_total().frames
        );
        story.lmac(|lmac| lmac.config_mut().receive_filters = true);
        assert!(story.rig.stack.station.is_connected(), "seed {seed}");
        story.assert_good("strangers");
    }
}

#[test]
fn traffic_flows_through_hostile_frames_and_loses_nothing() {
    let mut story = Story::connected();
    let outcome = story.exchange_with(ms(600), |story| {
        attack(story, 77, STRANGER, 400);
    });
    outcome.assert_intact("in the middle of an attack");
    story.assert_good("after the attack");
}

#[test]
fn hostile_frames_in_the_name_of_the_access_point_end_at_worst_in_a_new_connection() {
    for seed in 10..14 {
        let mut story = Story::connected();
        let ap = story.ap;
        let bssid = story.rig.air(|air| air.access_point(ap).bssid());
        let time = attack(&mut story, seed, bssid, 3_000);
        story.rig.run_until(time, |rig| rig.needs_recovery());
        story.rig.run_for(ms(50));
        assert_eq!(story.reason(), None, "seed {seed}");
        story.assert_balanced("in the name of the access point");
        if !story.rig.stack.station.is_connected() {
            // An unprotected network believes a deauthentication.
            story.rig.run_for(Duration::from_secs(1));
            story.rig.stack.station.heard.clear();
            story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
            story.rig.connect(OPEN, None).expect("joined again");
        }
        story.assert_good("in the name of the access point");
    }
}

#[test]
fn hostile_frames_do_not_disturb_a_scan() {
    for seed in 20..24 {
        let mut story = Story::new();
        story.rig.bring_up().expect("the chip comes up");
        attack(&mut story, seed, STRANGER, 2_000);
        for _ in 0..3 {
            story
                .rig
                .scan(&[CHANNEL, 1, 11], &[])
                .expect("the scan ends");
            assert!(!story.rig.device.scan().is_active());
        }
        assert_eq!(story.reason(), None, "seed {seed}");
        story.rig.stack.station.heard.clear();
        story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
        story
            .rig
            .connect(OPEN, None)
            .expect("the real one is found");
        story.assert_good("hostile scan");
    }
}

#[test]
fn hostile_frames_do_not_disturb_a_scan_while_joined() {
    let mut story = Story::connected();
    let outcome = story.exchange_with(ms(800), |story| {
        attack(story, 31, STRANGER, 500);
        story
            .rig
            .start_scan(&[1, CHANNEL, 11], &[])
            .expect("the scan starts");
    });
    outcome.assert_intact("scan under attack");
    assert!(story
        .rig
        .stack
        .events
        .iter()
        .any(|event| matches!(event, Event::ScanCompleted { .. })));
    story.assert_good("after the scan");
}

#[test]
fn hostile_frames_do_not_disturb_a_join() {
    for seed in 40..46 {
        let mut story = Story::new();
        story.rig.bring_up().expect("the chip comes up");
        story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
        attack(&mut story, seed, STRANGER, 500);
        story.rig.connect(OPEN, None).expect("joined all the same");
        story.assert_good("hostile join");
    }
}

#[test]
fn a_chip_that_hands_up_raw_hostile_frames_as_its_own_is_survived() {
    // The descriptor says that all is well, with every state of encryption, link and aggregation.
    let mut story = Story::connected();
    let mut rng = fastrand::Rng::with_seed(5);
    let mut hostile = Hostile::new(
        5,
        ADDRESS.0,
        STRANGER,
        BAIT.as_bytes(),
        Channel::ht20(CHANNEL),
    );
    let before = story.rig.device.bottom_half().stats().rx_frames;
    for _ in 0..100 {
        story.lmac(|lmac| {
            for _ in 0..30 {
                let frame = hostile.frame();
                let frame = &frame[..frame.len().min(1_590)];
                let mut message = (frame.len() as u16 + 32).to_le_bytes().to_vec();
                message.extend([0x04, 0x08]);
                let status = if rng.u8(..4) == 0 { rng.u32(..12) } else { 0 };
                message.extend(status.to_le_bytes());
                let channel = if rng.u8(..4) == 0 { rng.u16(..) } else { 6 };
                message.extend(channel.to_le_bytes());
                message.extend([rng.u8(..24), rng.u8(..)]);
                message.extend(rng.u32(..).to_le_bytes());
                message.extend([0; 16]);
                message.extend(frame);
                lmac.inject_message(message);
            }
        });
        story.rig.run_until(ms(5), |rig| rig.needs_recovery());
    }
    assert_eq!(story.reason(), None);
    let seen = story.rig.device.bottom_half().stats().rx_frames - before;
    assert!(seen >= 3_000, "{seen}");
    let statistics = story.rig.device.statistics();
    assert!(statistics.rx_dropped() > 500, "{}", statistics.rx_dropped());
    story.assert_good("raw hostile frames");
}
