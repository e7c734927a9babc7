//! Access points that move to another channel while the station is connected.

use crate::common::{ms, setup, Story, OPEN};
use bes_hal::Duration;
use bes_mac80211::event::{Event, LossReason};
use mock_hal::air::{Air, AirConfig, ApConfig, Channel, ChannelSwitch};

const PASSPHRASE: &str = "correct horse";

/// Connected to a network on `from`, which moves to each of `to` in turn while data flows.
fn follows(from: Channel, to: &[Channel], secure: bool) {
    let mut air = Air::new(AirConfig {
        seed: 1,
        ..AirConfig::default()
    });
    let (config, passphrase) = if secure {
        (ApConfig::wpa2(OPEN, from, PASSPHRASE), Some(PASSPHRASE))
    } else {
        (ApConfig::open(OPEN, from), None)
    };
    let ap = air.add_access_point(config);
    let mut story = Story::with(setup(air), ap);
    story.rig.bring_up().expect("the chip comes up");
    story.rig.scan(&[from.number], &[]).expect("the scan ends");
    story.rig.connect(OPEN, passphrase).expect("joined");
    story.assert_good("before");
    // Long enough that beacons in which nothing changed are filtered.
    story.rig.run_for(Duration::from_secs(2));
    for (round, channel) in to.iter().enumerate() {
        let name = format!("to channel {}", channel.number);
        let beacons = story.rig.stack.station.beacons;
        let outcome = story.exchange_with(ms(1_200), |story| {
            let now = story.rig.now();
            story.rig.air(|air| {
                let switch = ChannelSwitch::new(*channel, 5);
                air.access_point_mut(ap).switch_channel(switch, now);
            });
        });
        assert!(story.rig.stack.station.is_connected(), "{name}");
        let switches = story.rig.device.control_statistics().channel_switches;
        assert_eq!(switches, round as u64 + 1, "{name}");
        // Those that announce it, and the first ones on the new channel.
        assert!(story.rig.stack.station.beacons > beacons + 1, "{name}");
        let interface = story.rig.interface.expect("there is one");
        let home = story
            .rig
            .device
            .interface(interface)
            .and_then(|vif| vif.home);
        assert_eq!(
            home.map(|home| home.number()),
            Some(channel.number),
            "{name}"
        );
        // As mac80211 does it, the station moves in the beacon interval before the access point does: 102.4 ms, in which
        // what is sent meets nobody. Nothing else is lost.
        let gap = outcome.down_made - outcome.down.packets;
        assert!(gap <= 147, "{name}: {outcome:?}");
        let gap = outcome.up_made - outcome.up_packets;
        assert!(gap <= 114, "{name}: {outcome:?}");
        assert_eq!(outcome.up_duplicates, 0, "{name}: {outcome:?}");
        story.assert_good(&name);
    }
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
}

#[test]
fn a_station_follows_its_access_point_through_the_band() {
    follows(
        Channel::ht20(6),
        &[Channel::ht20(11), Channel::ht20(1), Channel::ht20(6)],
        false,
    );
}

#[test]
fn a_protected_connection_keeps_its_keys_when_the_access_point_moves() {
    follows(
        Channel::ht20(36),
        &[Channel::ht20(44), Channel::ht20(149)],
        true,
    );
}

#[test]
fn a_switch_in_the_middle_of_a_scan_ends_the_scan() {
    let mut story = Story::connected();
    let ap = story.ap;
    let now = story.rig.now();
    story.rig.air(|air| {
        let switch = ChannelSwitch::new(Channel::ht20(11), 4);
        air.access_point_mut(ap).switch_channel(switch, now);
    });
    story.rig.run_for(ms(250));
    story.rig.start_scan(&[], &[]).expect("the scan starts");
    story.rig.run_for(ms(800));
    let aborted = story
        .rig
        .stack
        .events
        .iter()
        .any(|event| matches!(event, Event::ScanCompleted { aborted: true, .. }));
    assert!(aborted, "{:?}", story.rig.stack.events);
    assert!(story.rig.stack.station.is_connected());
    story.assert_good("after the scan");
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
}

#[test]
fn who_cannot_follow_is_told_that_the_connection_is_lost() {
    use mock_hal::chip::lmac::{MessageFault, MessageKind};
    let mut story = Story::connected();
    let ap = story.ap;
    story.rig.run_for(Duration::from_secs(2));
    // The next confirm of a command is that of the switch, and its status says no.
    let refusal = MessageFault::WrongWord { offset: 4, xor: 2 };
    story.lmac(|lmac| lmac.fault(MessageKind::CommandConfirm, refusal));
    let now = story.rig.now();
    story.rig.air(|air| {
        let switch = ChannelSwitch::new(Channel::ht20(11), 3);
        air.access_point_mut(ap).switch_channel(switch, now);
    });
    let lost = story.rig.run_until(Duration::from_secs(3), |rig| {
        !rig.stack.station.is_connected()
    });
    assert!(lost);
    let told = story.rig.stack.events.iter().any(|event| {
        matches!(
            event,
            Event::ConnectionLost {
                reason: LossReason::ChannelSwitch,
                ..
            }
        )
    });
    assert!(told, "{:?}", story.rig.stack.events);
    story.lmac(|lmac| lmac.clear_faults());
    story.rig.run_for(ms(500));
    story.rig.scan(&[11], &[]).expect("the scan ends");
    story.rig.connect(OPEN, None).expect("joined");
    story.assert_good("found again");
}
