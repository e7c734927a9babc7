//! 802.11 power save against a whole access point (file 40, section 2; file 21, sections 2.13, 2.18, 2.21 and 2.30; file
//! 50, sections 3.7 and 3.9).

use crate::rig::{Message, Rig, STATION};
use bes_hal::time::Instant;
use core::time::Duration;
use mock_hal::air::{ApConfig, Channel, Flow, Msdu, Pace};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const GROUP: [u8; 6] = [1, 0, 0x5E, 0, 0, 0xFB];

fn dozing(mode: u8, config: ApConfig) -> Rig {
    let mut rig = Rig::new(1, config);
    rig.connect();
    assert_eq!(rig.status(0x0010, &[mode, 16, 0, 0]), 0);
    rig.run(50 * MS);
    assert!(dozes(&rig));
    rig
}

fn open() -> ApConfig {
    ApConfig::open("open", Channel::ht20(6))
}

fn dozes(rig: &Rig) -> bool {
    let view = rig.lmac.medium().access_point(rig.ap).station(STATION);
    view.is_some_and(|view| view.dozing)
}

/// A UDP packet for the station or a group, to a port.
fn send(rig: &mut Rig, destination: [u8; 6], port: u16, text: &[u8]) {
    let mut packet = vec![
        0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ];
    packet.extend_from_slice(&[0x10, 0x92]);
    packet.extend_from_slice(&port.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 0]);
    packet.extend_from_slice(text);
    let len = u16::try_from(packet.len()).unwrap().to_be_bytes();
    packet[2..4].copy_from_slice(&len);
    send_as(rig, destination, 0x0800, &packet);
}

fn send_as(rig: &mut Rig, destination: [u8; 6], ethertype: u16, payload: &[u8]) {
    let msdu = Msdu {
        destination,
        source: [2, 0, 0, 0, 0, 0x77],
        tid: 0,
        ethertype,
        payload,
    };
    let ap = rig.ap;
    assert!(rig.lmac.medium_mut().access_point_mut(ap).send(&msdu));
}

/// Data frames that went up.
fn data(messages: &[Message]) -> usize {
    messages
        .iter()
        .filter(|message| message.identity() == 0x0804 && message.0[32] & 0x0C == 0x08)
        .count()
}

fn delay(rig: &mut Rig) -> Duration {
    let start = rig.now;
    let seen = rig.messages.len();
    send(rig, STATION, 5000, b"hello");
    let end: Instant = start.after(3 * SECOND);
    while data(&rig.messages[seen..]) == 0 && rig.step(end) {}
    rig.now.since(start)
}

/// Without a listen interval the DTIM period counts; with one the frame waits for it.
#[test]
fn f21_2_13_a_longer_wake_up_period_sleeps_through_beacons_and_delays_frames() {
    let mut rig = dozing(0x01, open());
    let count = |rig: &Rig| {
        let traffic = rig.lmac.traffic(0).unwrap();
        (traffic.woken_for, traffic.slept_through)
    };
    let passed = |rig: &mut Rig, wake_up: [u8; 4]| {
        rig.write_mib(0, 0x1007, &wake_up);
        rig.run(SECOND);
        let before = count(rig);
        rig.run(Duration::from_micros(102_400 * 60));
        let after = count(rig);
        (after.0 - before.0, after.1 - before.1)
    };
    assert_eq!(passed(&mut rig, [1, 0, 0, 0]), (60, 0));
    // DTIM period 2.
    assert_eq!(passed(&mut rig, [2, 0, 0, 0]), (30, 30));
    assert_eq!(passed(&mut rig, [1, 0, 10, 0]), (6, 54));
    let slow: Vec<Duration> = (0..5).map(|_| delay(&mut rig)).collect();
    assert!(
        slow.iter()
            .all(|delay| *delay < Duration::from_millis(1200)),
        "{slow:?}"
    );
    assert!(slow.iter().any(|delay| *delay > 300 * MS), "{slow:?}");
    rig.write_mib(0, 0x1007, &[1, 0, 0, 0]);
    rig.run(SECOND);
    assert!(delay(&mut rig) < 110 * MS);
    // The link was never in doubt.
    assert!(rig
        .messages
        .iter()
        .all(|message| message.identity() != 0x0805));
    assert!(dozes(&rig));
    rig.assert_clean();
}

/// P24: group frames come behind the DTIM, and only who wakes for it gets them.
#[test]
fn p24_group_frames_come_with_the_dtim_and_a_listen_interval_may_sleep_through_them() {
    let mut rig = dozing(
        0x01,
        ApConfig {
            dtim_period: 2,
            ..open()
        },
    );
    let groups = |rig: &mut Rig| {
        let seen = rig.messages.len();
        for _ in 0..20 {
            send(rig, GROUP, 5353, b"who is there");
            send(rig, GROUP, 5353, b"who else");
            rig.run(Duration::from_micros(102_400 * 2));
        }
        data(&rig.messages[seen..])
    };
    rig.write_mib(0, 0x1007, &[2, 0, 0, 0]);
    rig.run(SECOND);
    let all = groups(&mut rig);
    assert!((38..=40).contains(&all), "{all}");
    rig.write_mib(0, 0x1007, &[1, 0, 5, 0]);
    rig.run(SECOND);
    let some = groups(&mut rig);
    assert!(some < 20, "{some}");
    rig.assert_clean();
}

/// Unscheduled automatic power-save delivery in every category: a trigger frame instead of a PS-Poll.
#[test]
fn f21_2_18_u_apsd_fetches_with_triggers_what_legacy_fetches_with_polls() {
    for all in [false, true] {
        let mut rig = Rig::new(1, open());
        rig.qos_info = if all { 0x0F } else { 0 };
        rig.connect();
        if all {
            rig.write_mib(0, 0x1013, &[0x0F, 0, 0, 0, 0, 0, 0, 0]);
        }
        assert_eq!(rig.status(0x0010, &[0x01, 16, 0, 0]), 0);
        rig.run(50 * MS);
        let (now, ap) = (rig.now, rig.ap);
        let flow = Flow {
            limit: Some(40),
            pace: Pace::Every(5 * MS),
            ..Flow::default()
        };
        let access_point = rig.lmac.medium_mut().access_point_mut(ap);
        access_point.start_flow(STATION, flow, now);
        let seen = rig.messages.len();
        rig.run(2 * SECOND);
        assert_eq!(data(&rig.messages[seen..]), 40, "all {all}");
        let counters = rig.lmac.medium().access_point(ap).counters();
        assert_eq!(counters.ps_polls == 0, all);
        assert_eq!(counters.service_periods > 0, all);
        assert_eq!(rig.lmac.traffic(0).unwrap().triggers > 0, all);
        assert!(dozes(&rig));
        rig.assert_clean();
    }
}

/// File 40, 8: firmware that never says that it entered power save, in either mode, still does.
#[test]
fn f40_8_a_chip_may_never_answer_any_power_save_request() {
    let mut rig = Rig::new(1, open());
    rig.lmac.config_mut().fast_ps_answered = false;
    rig.connect();
    for mode in [0x81, 0x01] {
        assert_eq!(rig.status(0x0010, &[mode, 16, 0, 0]), 0);
        rig.run(6 * SECOND);
        assert!(dozes(&rig));
        assert!(rig
            .messages
            .iter()
            .all(|message| message.identity() != 0x0809));
        assert_eq!(rig.status(0x0010, &[0, 16, 0, 0]), 0);
        rig.run(50 * MS);
        assert!(!dozes(&rig));
    }
}

/// File 40, 5.4, and file 50, 3.9: what the suspend filters let through, and that a magic-packet filter left armed
/// drops everything.
#[test]
fn f50_3_9_wake_filters_pass_what_they_are_for_and_an_armed_one_drops_everything_else() {
    let mut rig = Rig::new(1, open());
    rig.connect();
    let arrives = |rig: &mut Rig, act: &dyn Fn(&mut Rig)| {
        let seen = rig.messages.len();
        act(rig);
        rig.run(500 * MS);
        data(&rig.messages[seen..]) == 1
    };
    let udp = |port: u16| move |rig: &mut Rig| send(rig, STATION, port, b"text");
    let eapol = |rig: &mut Rig| send_as(rig, STATION, 0x88B4, &[1; 40]);
    let ipv6 = |rig: &mut Rig| {
        let mut packet = vec![0x60, 0, 0, 0, 0, 8, 17, 64];
        packet.extend_from_slice(&[0x20; 32]);
        packet.extend_from_slice(&[0x10, 0x92, 0x10, 0x92, 0, 8, 0, 0]);
        send_as(rig, STATION, 0x86DD, &packet);
    };
    let mut magic = vec![0xFF; 6];
    for _ in 0..16 {
        magic.extend_from_slice(&STATION);
    }
    let wake = magic.clone();
    let wake = move |rig: &mut Rig| send_as(rig, STATION, 0x0842, &wake);
    // Nothing armed: everything passes.
    assert!(arrives(&mut rig, &udp(67)) && arrives(&mut rig, &udp(5000)));
    assert!(arrives(&mut rig, &ipv6) && arrives(&mut rig, &eapol) && arrives(&mut rig, &wake));
    // The UDP port filter of a suspend: destination ports 67, 1900 and 5353 are dropped.
    rig.write_mib(
        0,
        0x101B,
        &[3, 0, 0, 0, 1, 0, 67, 0, 1, 0, 0x6C, 7, 1, 0, 0xE9, 0x14],
    );
    assert!(!arrives(&mut rig, &udp(67)) && !arrives(&mut rig, &udp(1900)));
    assert!(!arrives(&mut rig, &udp(5353)) && arrives(&mut rig, &udp(5000)));
    rig.write_mib(0, 0x101B, &[0; 4]);
    assert!(arrives(&mut rig, &udp(67)));
    // The IPv6 filter of a suspend passes one address that nobody has.
    let mut only = vec![1, 2, 0, 0, 2, 2, 0, 0];
    only.extend_from_slice(&[0x28; 16]);
    rig.write_mib(0, 0x1032, &only);
    assert!(!arrives(&mut rig, &ipv6) && arrives(&mut rig, &udp(5000)));
    rig.write_mib(0, 0x1032, &[0; 4]);
    assert!(arrives(&mut rig, &ipv6));
    // Magic packet behind LLC/SNAP: action "in", offset 8, length, reserved, pattern.
    let mut filter = vec![2, 8, u8::try_from(magic.len()).unwrap(), 0];
    filter.extend_from_slice(&magic);
    rig.write_mib(0, 0x101C, &filter);
    assert!(arrives(&mut rig, &wake));
    assert!(!arrives(&mut rig, &udp(5000)) && !arrives(&mut rig, &ipv6));
    assert!(!arrives(&mut rig, &eapol));
    rig.write_mib(0, 0x101C, &[0; 4]);
    assert!(arrives(&mut rig, &udp(5000)) && arrives(&mut rig, &eapol));
    rig.assert_clean();
}

/// A disconnection wakes the host whatever filter is armed.
#[test]
fn a_deauthentication_passes_every_wake_filter() {
    let mut rig = Rig::new(1, open());
    rig.connect();
    rig.write_mib(0, 0x101C, &[2, 8, 2, 0, 0xFF, 0xFF]);
    rig.write_mib(
        0,
        0x101A,
        &[
            3, 1, 0, 0, 2, 0, 0x8E, 0x88, 2, 0, 0xB4, 0x88, 1, 0, 0xFF, 0xFF,
        ],
    );
    let seen = rig.messages.len();
    let ap = rig.ap;
    let access_point = rig.lmac.medium_mut().access_point_mut(ap);
    assert!(access_point.deauthenticate(STATION, 3));
    rig.run(500 * MS);
    let told = rig.messages[seen..]
        .iter()
        .filter(|message| message.identity() == 0x0804 && message.0[32] == 0xC0)
        .count();
    assert_eq!(told, 1);
    rig.assert_clean();
}
