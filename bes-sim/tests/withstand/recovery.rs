//! The driver heals itself (specification: file 50, section 7): traffic flows again without anybody's help, by the gentlest
//! rung that helps, and each rung is counted.

use super::common::{air, ms, setup, Story, CHANNEL, OPEN};
use bes_hal::Duration;
use bes_mac80211::device::DeviceState;
use bes_mac80211::event::{Event, LossReason};
use bes_mac80211::recovery::{RecoveryPolicy, Rung, SharedCard};
use bes_mac80211::request::Request;
use bes_sim::rig::ADDRESS;
use bes_wsm::recovery::RecoveryReason;
use mock_hal::air::{Air, AirConfig, ApConfig, Channel};
use mock_hal::chip::lmac::{Cure, Deafness};
use mock_hal::chip::Chip;
use mock_hal::fault::{Fault, When};

fn story_with(policy: RecoveryPolicy) -> Story {
    let (air, ap) = air();
    let mut setup = setup(air);
    setup.device.recovery = policy;
    let mut story = Story::with(setup, ap);
    story.connect();
    story
}

fn story() -> Story {
    story_with(RecoveryPolicy::default())
}

fn counts(story: &Story) -> [u32; 7] {
    Rung::ALL.map(|rung| story.rig.device.recovery().record(rung).count)
}

/// The firmware says that it has crashed, and the other core of the chip does nothing any more either.
fn hang(story: &mut Story) {
    story.lmac(|lmac| lmac.raise_exception(2));
    story
        .rig
        .run_until(ms(100), |rig| rig.device.recovery().incidents() > 0);
    story.rig.handle.with_chip(Chip::hang);
}

/// Traffic in both directions, something happens in it, and traffic flows again. How long that took.
fn heals(story: &mut Story, what: &str, fail: impl FnOnce(&mut Story)) -> Duration {
    story.start_traffic();
    story.rig.run_for(ms(30));
    let before = story.rig.stack.meter.packets;
    assert!(before > 20, "{what}: {before}");
    fail(story);
    let failed = story.rig.now();
    let stats = |story: &Story| {
        (
            story.rig.device.recovery().incidents(),
            story.rig.device.state(),
        )
    };
    let noticed = story.rig.run_until(Duration::from_secs(20), |rig| {
        rig.device.recovery().incidents() > 0
    });
    assert!(noticed, "{what}: nobody noticed");
    let acked = story.rig.stack.counters.tx_acked;
    let received = story.rig.stack.meter.packets;
    let flows = story.rig.run_until(Duration::from_secs(30), |rig| {
        rig.stack.station.is_connected()
            && !rig.is_healing()
            && rig.stack.meter.packets > received + 20
            && rig.stack.counters.tx_acked > acked + 20
    });
    assert!(
        flows,
        "{what}: {:?}\n{}",
        stats(story),
        story.rig.device.recovery()
    );
    let took = story.rig.now().since(failed);
    story.stop_traffic();
    story.assert_good(what);
    took
}

#[test]
fn a_crash_in_traffic_is_over_in_less_than_three_seconds() {
    let mut story = story();
    let took = heals(&mut story, "exception", |story| {
        story.lmac(|lmac| lmac.raise_exception(4));
    });
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(counts(&story), [0, 0, 0, 1, 0, 1, 0]);
    let (_, dump) = story.rig.device.core_dump().expect("there is a dump");
    let dump = core::str::from_utf8(dump).expect("it is text");
    assert!(dump.contains("[exception]"), "{dump}");
}

#[test]
fn a_chip_that_only_a_download_brings_back_gets_one() {
    let mut story = story();
    let booted = story.rig.device.transport().stats().boot_bytes;
    let took = heals(&mut story, "hung", hang);
    assert!(took < Duration::from_secs(3) + download(&story), "{took:?}");
    assert_eq!(counts(&story), [0, 0, 0, 1, 1, 1, 0]);
    assert!(story.rig.device.transport().stats().boot_bytes > booted);
}

/// What the boot of these stories takes: the images, and the calibration that is kept.
fn download(_story: &Story) -> Duration {
    let (air, ap) = air();
    let mut fresh = Story::with(setup(air), ap);
    let before = fresh.rig.now();
    fresh
        .rig
        .request(Request::Boot, Duration::from_secs(30))
        .expect("it boots");
    fresh.rig.now().since(before)
}

#[test]
fn a_transfer_that_fails_often_is_repeated_and_nothing_is_lost() {
    let mut story = story();
    let outcome = story.exchange_with(ms(100), |story| {
        // More in a row than one transfer has attempts: a rule counts what no other has struck.
        for _ in 0..14 {
            story.faults.arm(Fault::NotMoved, When::Opportunity(40));
        }
    });
    outcome.assert_intact("not moved");
    assert_eq!(counts(&story), [1, 0, 0, 0, 0, 0, 0]);
    story.assert_good("after it");
}

#[test]
fn a_transfer_that_is_cut_off_is_aborted_and_nothing_is_lost() {
    let mut story = story();
    let outcome = story.exchange_with(ms(100), |story| {
        story.rig.run_for(ms(20));
        story.rig.handle.with(|world| world.cut_transfer());
    });
    assert_eq!(counts(&story), [1, 1, 0, 0, 0, 0, 0]);
    outcome.assert_intact("cut off");
    assert_eq!(story.rig.device.transport().stats().aborts, 1);
    story.assert_good("after it");
}

#[test]
fn every_rung_that_is_asked_for_lets_traffic_flow_again() {
    for rung in Rung::ALL {
        if rung == Rung::GiveUp {
            continue;
        }
        let mut story = story();
        story.start_traffic();
        story.rig.run_for(ms(20));
        story
            .rig
            .request(Request::Recover(rung), Duration::from_secs(30))
            .expect("it can be asked for");
        let connected = story.rig.run_until(Duration::from_secs(5), |rig| {
            rig.stack.station.is_connected() && !rig.is_healing()
        });
        assert!(connected, "{rung}");
        story.stop_traffic();
        let record = story.rig.device.recovery().record(rung);
        assert_eq!((record.count, record.asked), (1, 1), "{rung}");
        assert_eq!(
            record.last.map(|(_, reason)| reason),
            Some(RecoveryReason::Requested)
        );
        story.assert_good(rung.name());
    }
}

#[test]
fn a_card_that_is_gone_is_given_up_at_once_and_quietly() {
    let mut story = story();
    story.start_traffic();
    story.rig.run_for(ms(20));
    story.faults.arm(Fault::CardGone, When::Opportunity(0));
    let gone = story
        .rig
        .run_until(Duration::from_secs(2), |rig| rig.needs_recovery());
    assert!(gone);
    assert_eq!(counts(&story), [0, 0, 0, 0, 0, 0, 1]);
    story.rig.stack.events.clear();
    let commands = story.faults.commands();
    story.rig.run_for(Duration::from_secs(60));
    // No storm, and the bus is left alone.
    assert!(story.rig.stack.events.is_empty());
    assert_eq!(story.faults.commands(), commands);
    story.recover("the card is back");
}

#[test]
fn a_bus_that_stays_dead_is_given_up_within_a_bounded_time() {
    let mut story = story();
    story.start_traffic();
    story.rig.run_for(ms(20));
    story.faults.arm(Fault::Timeout, When::Always);
    let before = story.rig.now();
    let up = story
        .rig
        .run_until(Duration::from_secs(60), |rig| rig.needs_recovery());
    assert!(up, "{}", story.rig.device.recovery());
    assert!(story.rig.now().since(before) < Duration::from_secs(20));
    let told = story
        .rig
        .stack
        .events
        .iter()
        .filter(|event| matches!(event, Event::Recovering { .. }));
    assert!(told.count() <= 5);
    assert_eq!(story.rig.device.recovery().record(Rung::GiveUp).count, 1);
    // It can be taken away.
    story.rig.device.shutdown(&mut story.rig.stack);
    assert_eq!(story.rig.device.state(), DeviceState::Off);
    story.recover("the bus is back");
}

#[test]
fn bluetooth_on_the_same_chip_is_told_or_spared() {
    let mut told = story();
    told.rig
        .request(Request::Recover(Rung::CardReset), Duration::from_secs(30))
        .expect("it can be asked for");
    let events: Vec<_> = told
        .rig
        .stack
        .events
        .iter()
        .filter(|event| matches!(event, Event::CardReset { .. }))
        .collect();
    assert_eq!(
        events,
        [
            &Event::CardReset {
                done: false,
                bluetooth: false
            },
            &Event::CardReset {
                done: true,
                bluetooth: false
            }
        ]
    );

    let mut spared = story_with(RecoveryPolicy {
        shared: SharedCard::Spare,
        ..RecoveryPolicy::default()
    });
    hang(&mut spared);
    let up = spared
        .rig
        .run_until(Duration::from_secs(10), |rig| rig.needs_recovery());
    assert!(up);
    let record = spared.rig.device.recovery().record(Rung::CardReset);
    assert_eq!((record.count, record.skipped), (0, 1));
}

/// In a protected network, with the boot of these stories.
fn protected() -> Story {
    const PASSPHRASE: &str = "correct horse";
    let mut air = Air::new(AirConfig {
        seed: 1,
        ..AirConfig::default()
    });
    let channel = Channel::ht20(CHANNEL);
    let ap = air.add_access_point(ApConfig::wpa2(OPEN, channel, PASSPHRASE));
    let mut settings = setup(air);
    settings.device.recovery = RecoveryPolicy::default();
    let mut story = Story::with(settings, ap);
    story.rig.bring_up().expect("the chip comes up");
    story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
    story
        .rig
        .connect(OPEN, Some(PASSPHRASE))
        .expect("the passphrase is right");
    story
}

/// The chip crashes in the middle of encrypted traffic: the stack makes interface, association and keys anew, the chip has
/// both keys again, and no frame goes out in the clear or with a number that was used before.
#[test]
fn encrypted_traffic_flows_again_with_new_keys_in_less_than_three_seconds() {
    let key = |story: &Story| {
        let ap = story.ap;
        let view = story.rig.air(|air| air.access_point(ap).station(ADDRESS.0));
        view.and_then(|view| view.temporal_key)
    };
    for with_download in [false, true] {
        let name = if with_download { "hung" } else { "exception" };
        let mut story = protected();
        let before = key(&story);
        assert!(before.is_some());
        let took = heals(&mut story, name, |story| {
            if with_download {
                hang(story);
            } else {
                story.lmac(|lmac| lmac.raise_exception(4));
            }
        });
        let limit = Duration::from_secs(3);
        if with_download {
            assert!(took < limit + download(&story), "{name}: {took:?}");
            assert_eq!(counts(&story), [0, 0, 0, 1, 1, 1, 0]);
        } else {
            assert!(took < limit, "{name}: {took:?}");
            assert_eq!(counts(&story), [0, 0, 0, 1, 0, 1, 0]);
        }
        assert_eq!(story.lmac(|lmac| lmac.keys()), 2, "{name}");
        assert_eq!(story.rig.device.keys().iter().count(), 2, "{name}");
        assert!(key(&story).is_some() && key(&story) != before, "{name}");
        let ap = story.ap;
        let counters = story.rig.air(|air| air.access_point(ap).counters());
        assert_eq!(counters.handshakes, 2, "{name}");
        assert_eq!(counters.replays, 0, "{name}");
        assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
    }
}

/// The third rung: a chip of which one interface is dead until its RESET.
#[test]
fn an_interface_that_went_deaf_is_reset_and_the_chip_is_not_restarted() {
    let mut story = story();
    let boots = story.rig.device.transport().stats().boot_bytes;
    let took = heals(&mut story, "deaf interface", |story| {
        story.lmac(|lmac| lmac.go_deaf(Deafness::Interface(0), Cure::Download));
    });
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_eq!(
        counts(&story),
        [0, 0, 1, 0, 0, 0, 0],
        "{}",
        story.rig.device.recovery()
    );
    assert_eq!(story.rig.device.transport().stats().boot_bytes, boots);
    let lost = story.rig.stack.events.iter().filter(|event| {
        matches!(
            event,
            Event::ConnectionLost {
                reason: LossReason::Reset,
                ..
            }
        )
    });
    assert_eq!(lost.count(), 1);
}

/// Commands are not confirmed any more, the RESET of the third rung among them: the fourth helps.
#[test]
fn a_chip_that_is_deaf_to_commands_is_restarted_after_the_reset_did_not_help() {
    let mut story = story();
    heals(&mut story, "deaf to commands", |story| {
        story.lmac(|lmac| lmac.go_deaf(Deafness::Commands, Cure::WifiRestart));
        story
            .rig
            .ask(Request::ReadCounters)
            .expect("there is room for a request");
    });
    assert_eq!(counts(&story), [0, 0, 1, 1, 0, 1, 0]);
}

/// Bluetooth was on when the card had to be reset: it is on again before Wi-Fi is, and whoever drives it knows.
#[test]
fn bluetooth_comes_back_after_a_card_reset_if_that_is_wanted() {
    for again in [true, false] {
        let mut story = story_with(RecoveryPolicy {
            bluetooth_again: again,
            ..RecoveryPolicy::default()
        });
        story.rig.handle.with_chip(|chip| chip.set_bluetooth(true));
        let took = heals(&mut story, "hung", hang);
        assert!(took < Duration::from_secs(3) + download(&story), "{took:?}");
        assert_eq!(counts(&story), [0, 0, 0, 1, 1, 1, 0]);
        let on = story.rig.handle.with_chip(|chip| chip.is_bluetooth_on());
        assert_eq!(on, again);
        let told: Vec<_> = story
            .rig
            .stack
            .events
            .iter()
            .filter_map(|event| match event {
                Event::CardReset { done, bluetooth } => Some((*done, *bluetooth)),
                _ => None,
            })
            .collect();
        assert_eq!(told, [(false, true), (true, again)]);
    }
}
