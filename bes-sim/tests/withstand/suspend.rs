//! The host suspends and comes back: never refused, never left with a filter armed, and woken by what it asked for.

use crate::common::{air, images, ms, setup, Story, CHANNEL, OPEN};
use bes_hal::Duration;
use bes_mac80211::device::DeviceState;
use bes_mac80211::request::{Request, Response, Resumed, Suspended};
use bes_mac80211::wake::{WakePattern, WakeReason, WakeTriggers};
use bes_sim::rig::ADDRESS;
use mock_hal::air::{Msdu, BROADCAST};

const ANY: WakeTriggers<'static> = WakeTriggers {
    any: true,
    disconnect: false,
    magic_packet: false,
    patterns: &[],
};
const DISCONNECT: WakeTriggers<'static> = WakeTriggers {
    any: false,
    disconnect: true,
    ..ANY
};
const MAGIC: WakeTriggers<'static> = WakeTriggers {
    magic_packet: true,
    ..DISCONNECT
};

const IPV4: u16 = 0x0800;

fn suspend_with(story: &mut Story, triggers: WakeTriggers<'_>, power_kept: bool) -> Suspended {
    let request = Request::Suspend {
        triggers,
        power_kept,
    };
    let answer = story.rig.request(request, Duration::from_secs(12));
    match answer.expect("a suspend is not refused") {
        Response::Suspended(suspended) => suspended,
        other => panic!("{other:?}"),
    }
}

fn suspend(story: &mut Story, triggers: WakeTriggers<'_>) -> Suspended {
    suspend_with(story, triggers, true)
}

fn resume(story: &mut Story) -> Resumed {
    let answer = story.rig.request(Request::Resume, Duration::from_secs(12));
    match answer.expect("a resume is not refused") {
        Response::Resumed(resumed) => resumed,
        other => panic!("{other:?}"),
    }
}

/// Time passes while the host is suspended. Whether the chip wanted it awake.
fn asleep_for(story: &mut Story, time: Duration) -> bool {
    story
        .rig
        .run_until(time, |rig| rig.handle.interrupt_asserted())
}

fn send(story: &mut Story, destination: [u8; 6], ethertype: u16, payload: &[u8]) {
    let ap = story.ap;
    let sent = story.rig.air(|air| {
        air.access_point_mut(ap).send(&Msdu {
            destination,
            source: [0x02, 0, 0, 0, 0, 9],
            tid: 0,
            ethertype,
            payload,
        })
    });
    assert!(sent);
}

/// UDP over IPv4 with this payload.
fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17];
    packet.resize(20, 0);
    packet.extend_from_slice(&[0x12, 0x34]);
    packet.extend_from_slice(&port.to_be_bytes());
    packet.resize(28, 0);
    packet.extend_from_slice(payload);
    packet
}

fn magic_packet() -> Vec<u8> {
    let mut payload = vec![0xFF; 6];
    for _ in 0..16 {
        payload.extend_from_slice(&ADDRESS.0);
    }
    udp(9, &payload)
}

fn assert_clean(story: &Story) {
    assert_eq!(story.reason(), None, "{:?}", story.anomalies());
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
    let interface = story.rig.interface.expect("there is one");
    let vif = story.rig.device.interface(interface);
    assert!(vif.is_some_and(|vif| !vif.has_wake_filters()));
}

#[test]
fn one_hundred_suspends_with_traffic_before_and_after_lose_nothing() {
    let mut story = Story::connected();
    let plans = [ANY, DISCONNECT, MAGIC];
    for round in 0..100 {
        let name = format!("round {round}");
        story.exchange(ms(30)).assert_intact(&name);
        let suspended = suspend(&mut story, plans[round % 3]);
        assert!(suspended.session_kept && suspended.asleep, "{name}");
        // The wake line is released (file 40, P18 and P27), and the chip sleeps.
        story.rig.run_for(ms(20));
        assert!(
            !story.rig.handle.with_chip(|chip| chip.is_awake()),
            "{name}"
        );
        asleep_for(&mut story, Duration::from_secs(round as u64));
        let resumed = resume(&mut story);
        assert!(resumed.session_kept, "{name}");
        assert!(story.rig.stack.station.is_connected(), "{name}");
        story.exchange(ms(30)).assert_intact(&name);
        assert_clean(&story);
    }
    story.assert_balanced("a hundred suspends");
    let statistics = *story.rig.device.control_statistics();
    assert_eq!((statistics.suspends, statistics.suspends_awake), (100, 0));
    assert_eq!(statistics.refused_commands, 0);
}

#[test]
fn a_host_that_waits_for_a_magic_packet_sleeps_through_everything_else() {
    let mut story = Story::connected();
    // The block-ack agreement of the first frames is made while the host is awake: its request is a management frame,
    // which no filter holds back.
    story.exchange(ms(30)).assert_intact("before");
    for destination in [ADDRESS.0, BROADCAST] {
        assert!(suspend(&mut story, MAGIC).armed.exact);
        for port in [9, 53, 67, 1900, 5353] {
            send(&mut story, ADDRESS.0, IPV4, &udp(port, &[0x5A; 200]));
            send(&mut story, BROADCAST, IPV4, &udp(port, &[0x5A; 200]));
            send(&mut story, ADDRESS.0, 0x86DD, &[0x60; 80]);
            assert!(!asleep_for(&mut story, Duration::from_secs(2)), "{port}");
        }
        send(&mut story, destination, IPV4, &magic_packet());
        assert!(asleep_for(&mut story, Duration::from_secs(2)));
        let resumed = resume(&mut story);
        let woken_by = resumed.woken_by.expect("the chip woke the host");
        assert_eq!(woken_by.reason, WakeReason::MagicPacket);
        assert_eq!(Some(woken_by.interface), story.rig.interface);
        assert_clean(&story);
        story.assert_good("after a magic packet");
    }
}

#[test]
fn a_pattern_wakes_and_what_is_not_the_pattern_does_not() {
    let mut story = Story::connected();
    // Destination port 4711 of UDP over IPv4: 14 bytes of Ethernet, 20 of IPv4, 2 of UDP.
    let port = 4711u16.to_be_bytes();
    let patterns = [WakePattern {
        offset: 36,
        bytes: &port,
        mask: &[0b11],
    }];
    let triggers = WakeTriggers {
        patterns: &patterns,
        ..DISCONNECT
    };
    assert!(suspend(&mut story, triggers).armed.exact);
    send(&mut story, ADDRESS.0, IPV4, &udp(4712, &[1; 60]));
    assert!(!asleep_for(&mut story, Duration::from_secs(2)));
    send(&mut story, ADDRESS.0, IPV4, &udp(4711, &[1; 60]));
    assert!(asleep_for(&mut story, Duration::from_secs(2)));
    let woken_by = resume(&mut story).woken_by.expect("the chip woke the host");
    assert_eq!(woken_by.reason, WakeReason::Pattern);
    assert_clean(&story);
    story.assert_good("after a pattern");
}

#[test]
fn any_wakes_by_a_plain_frame() {
    let mut story = Story::connected();
    suspend(&mut story, ANY);
    assert!(!asleep_for(&mut story, Duration::from_secs(60)));
    send(&mut story, ADDRESS.0, IPV4, &udp(53, &[1; 60]));
    assert!(asleep_for(&mut story, Duration::from_secs(2)));
    let woken_by = resume(&mut story).woken_by.expect("the chip woke the host");
    assert_eq!(woken_by.reason, WakeReason::Other);
    assert_clean(&story);
    story.assert_good("after any");
}

#[test]
fn a_disconnect_wakes_a_host_that_no_data_wakes() {
    let mut story = Story::connected();
    let ap = story.ap;
    // Told to go, and left alone by an access point that vanishes.
    for told in [true, false] {
        suspend(&mut story, DISCONNECT);
        send(&mut story, ADDRESS.0, IPV4, &udp(53, &[1; 60]));
        assert!(!asleep_for(&mut story, Duration::from_secs(2)));
        story.rig.air(|air| {
            let ap = air.access_point_mut(ap);
            if told {
                assert!(ap.deauthenticate(ADDRESS.0, 3));
            } else {
                ap.set_present(false);
            }
        });
        assert!(asleep_for(&mut story, Duration::from_secs(60)), "{told}");
        let woken_by = resume(&mut story).woken_by.expect("the chip woke the host");
        assert_eq!(woken_by.reason, WakeReason::Disconnect, "{told}");
        story.rig.run_until(Duration::from_secs(20), |rig| {
            !rig.stack.station.is_connected()
        });
        story
            .rig
            .air(|air| air.access_point_mut(ap).set_present(true));
        // The driver leaves the network before it looks for it again.
        story.rig.run_for(ms(500));
        story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
        story.rig.connect(OPEN, None).expect("joined again");
        assert_clean(&story);
        story.assert_good("after a disconnect");
    }
}

#[test]
fn without_power_the_host_starts_anew() {
    let mut story = Story::connected();
    for round in 0..3 {
        let name = format!("round {round}");
        story.exchange(ms(30)).assert_intact(&name);
        assert_eq!(suspend_with(&mut story, MAGIC, false), Suspended::default());
        assert_eq!(story.rig.device.state(), DeviceState::Off);
        story.rig.run_for(Duration::from_secs(100));
        assert_eq!(resume(&mut story), Resumed::default());
        story.rig.forget();
        story.connect();
        story.assert_good(&name);
    }
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
}

/// The 46 suspends in a row that a driver refused (file 50, section 1): whatever is under way, it is not refused, it does
/// not take long, and a connection can be made afterwards.
#[test]
fn a_suspend_may_come_at_any_moment() {
    for millis in [0, 1, 3, 10, 30, 60, 90, 150, 300] {
        for while_scanning in [false, true] {
            let name = format!("{millis} ms, scanning: {while_scanning}");
            let mut story = Story::connected();
            if while_scanning {
                story.rig.start_scan(&[1, 6, 11], &[]).expect("begins");
            } else {
                story.rig.disconnect().expect("left");
                let now = story.rig.now();
                let bss = story.rig.stack.station.heard[0].clone();
                story.rig.stack.station.connect(&bss, None, now);
            }
            story.rig.run_for(ms(millis));
            let before = story.rig.now();
            let suspended = suspend(&mut story, MAGIC);
            let took = story.rig.now().since(before);
            assert!(suspended.session_kept && suspended.asleep, "{name}");
            assert!(took < Duration::from_secs(3), "{name}: {took:?}");
            asleep_for(&mut story, Duration::from_secs(5));
            assert!(resume(&mut story).session_kept, "{name}");
            story.rig.run_for(Duration::from_secs(5));
            if !story.rig.stack.station.is_connected() {
                story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
                story.rig.connect(OPEN, None).expect(&name);
            }
            assert_clean(&story);
            story.assert_good(&name);
        }
    }
}

#[test]
fn a_suspend_in_the_middle_of_traffic_is_not_kept_waiting_by_it() {
    let mut story = Story::connected();
    story.start_traffic();
    story.rig.run_for(ms(100));
    let before = story.rig.now();
    assert!(suspend(&mut story, ANY).asleep);
    assert!(story.rig.now().since(before) < Duration::from_secs(2));
    story.rig.run_for(ms(500));
    let resumed = resume(&mut story);
    assert!(resumed.session_kept && resumed.woken_by.is_some());
    story.stop_traffic();
    assert_clean(&story);
    story.assert_good("after traffic");
}

#[test]
fn an_idle_chip_that_sleeps_already_is_armed_and_sleeps_on() {
    let (air, ap) = air();
    let mut settings = setup(air);
    settings.images = images();
    settings.device.idle_sleep = Some(ms(50));
    let mut story = Story::with(settings, ap);
    story.rig.bring_up().expect("the chip comes up");
    let asleep = story.rig.run_until(Duration::from_secs(5), |rig| {
        rig.device.state() == DeviceState::Asleep
    });
    assert!(asleep);
    assert!(suspend(&mut story, MAGIC).asleep);
    assert!(resume(&mut story).session_kept);
    story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
    story.rig.connect(OPEN, None).expect("joined");
    for _ in 0..3 {
        assert!(suspend(&mut story, MAGIC).asleep);
        send(&mut story, ADDRESS.0, IPV4, &magic_packet());
        assert!(asleep_for(&mut story, Duration::from_secs(2)));
        let woken_by = resume(&mut story).woken_by.expect("woken");
        assert_eq!(woken_by.reason, WakeReason::MagicPacket);
        story.exchange(ms(50)).assert_intact("awake again");
    }
    assert_clean(&story);
}
