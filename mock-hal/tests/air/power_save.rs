//! Power save: what waits, how it shows, how it is fetched.

use crate::station::{Lab, HT, STATION};
use core::time::Duration;
use mock_hal::air::elements::{id, Elements};
use mock_hal::air::frame::{kind, Mpdu, EOSP, MORE_DATA, POWER_MANAGEMENT};
use mock_hal::air::{ApConfig, ApId, Channel, Flow, Heard, Msdu, BROADCAST};

fn config() -> ApConfig {
    ApConfig::open("net", Channel::ht20(6))
}

fn send_down(lab: &mut Lab, ap: ApId, destination: [u8; 6], tid: u8, payload: &[u8]) {
    assert!(lab.air.access_point_mut(ap).send(&Msdu {
        destination,
        source: [0x02, 0, 0, 0, 0, 0x77],
        tid,
        ethertype: 0x0800,
        payload,
    }));
}

/// The map of a beacon: control octet and bits.
fn map(beacon: &Heard) -> (u8, u8) {
    let tim = Elements::new(&beacon.frame[36..]).content(id::TIM).unwrap();
    (tim[2], tim[3])
}

fn poll(lab: &mut Lab, ap: ApId) {
    let bssid = lab.bssid(ap);
    let mut frame = vec![kind::PS_POLL, POWER_MANAGEMENT, 0x01, 0xC0];
    frame.extend_from_slice(&bssid);
    frame.extend_from_slice(&STATION);
    assert!(lab.send(&frame));
}

fn data_of(heard: &[Heard]) -> Vec<&Heard> {
    heard
        .iter()
        .filter(|heard| heard.frame[0] & 0x0C == 0x08)
        .collect()
}

#[test]
fn what_waits_for_a_dozing_station_shows_in_the_map_and_comes_by_poll() {
    let (mut lab, ap) = Lab::connected(1, config());
    let null = lab.null(ap, POWER_MANAGEMENT);
    assert!(lab.send(&null));
    assert!(lab.air.access_point(ap).station(STATION).unwrap().dozing);
    assert_eq!(map(&lab.hear(kind::BEACON).unwrap()), (0, 0));
    for payload in [b"one", b"two"] {
        send_down(&mut lab, ap, STATION, 0, payload);
    }
    let heard = lab.hear_for(Duration::from_millis(300));
    assert!(data_of(&heard).is_empty());
    assert_eq!(map(heard.last().unwrap()), (0, 0b10));

    poll(&mut lab, ap);
    let first = lab.hear(kind::QOS_DATA).unwrap().frame;
    assert!(Mpdu::parse(&first).unwrap().has(MORE_DATA));
    assert!(data_of(&lab.hear_for(Duration::from_millis(50))).is_empty());
    poll(&mut lab, ap);
    let second = lab.hear(kind::QOS_DATA).unwrap().frame;
    assert!(!Mpdu::parse(&second).unwrap().has(MORE_DATA));
    assert_eq!((&first[34..], &second[34..]), (&b"one"[..], &b"two"[..]));
    assert_eq!(map(&lab.hear(kind::BEACON).unwrap()), (0, 0));
}

#[test]
fn a_poll_without_anything_waiting_is_answered_with_a_null_frame() {
    let (mut lab, ap) = Lab::connected(1, config());
    let null = lab.null(ap, POWER_MANAGEMENT);
    assert!(lab.send(&null));
    poll(&mut lab, ap);
    assert!(lab.hear(kind::NULL).is_some());
    assert_eq!(lab.air.access_point(ap).counters().ps_polls, 1);
}

#[test]
fn waking_up_brings_everything_at_once() {
    let (mut lab, ap) = Lab::connected(1, config());
    let null = lab.null(ap, POWER_MANAGEMENT);
    assert!(lab.send(&null));
    for _ in 0..5 {
        send_down(&mut lab, ap, STATION, 0, b"data");
    }
    assert!(data_of(&lab.hear_for(Duration::from_millis(300))).is_empty());
    let null = lab.null(ap, 0);
    assert!(lab.send(&null));
    assert_eq!(data_of(&lab.hear_for(Duration::from_millis(20))).len(), 5);
}

#[test]
fn group_frames_wait_for_the_dtim_while_somebody_dozes() {
    let (mut lab, ap) = Lab::connected(1, config());
    let null = lab.null(ap, POWER_MANAGEMENT);
    assert!(lab.send(&null));
    // Start right behind a DTIM beacon.
    loop {
        let beacon = lab.hear(kind::BEACON).unwrap();
        if Elements::new(&beacon.frame[36..]).content(id::TIM).unwrap()[0] == 0 {
            break;
        }
    }
    send_down(&mut lab, ap, BROADCAST, 0, b"one");
    send_down(&mut lab, ap, BROADCAST, 0, b"two");
    let heard = lab.hear_for(Duration::from_millis(220));
    let kinds: Vec<u8> = heard.iter().map(|heard| heard.frame[0]).collect();
    assert_eq!(kinds, [kind::BEACON, kind::BEACON, kind::DATA, kind::DATA]);
    assert_eq!((map(&heard[0]).0, map(&heard[1]).0), (0, 1));
    assert!(Mpdu::parse(&heard[2].frame).unwrap().has(MORE_DATA));
    assert!(!Mpdu::parse(&heard[3].frame).unwrap().has(MORE_DATA));
}

#[test]
fn a_trigger_frame_starts_a_service_period_that_ends_with_its_mark() {
    let (mut lab, ap) = Lab::with(1, config());
    // All categories delivered, all frames per period.
    lab.join_with(ap, &HT, 0x0F).unwrap();
    let mut trigger = lab.null(ap, POWER_MANAGEMENT);
    trigger[0] = kind::QOS_NULL;
    trigger.extend_from_slice(&[6, 0]);
    assert!(lab.send(&trigger));
    // Nothing waited: the period is over at once.
    let heard = lab.hear(kind::QOS_NULL).unwrap().frame;
    assert_eq!(heard[24] & EOSP, EOSP);

    for _ in 0..3 {
        send_down(&mut lab, ap, STATION, 6, b"voice");
    }
    assert!(data_of(&lab.hear_for(Duration::from_millis(100))).is_empty());
    assert!(lab.send(&trigger));
    let heard = lab.hear_for(Duration::from_millis(20));
    let marks: Vec<(bool, bool)> = data_of(&heard)
        .iter()
        .map(|heard| {
            let mpdu = Mpdu::parse(&heard.frame).unwrap();
            (mpdu.has(MORE_DATA), mpdu.qos_control() & EOSP != 0)
        })
        .collect();
    assert_eq!(marks, [(true, false), (true, false), (false, true)]);
    assert_eq!(lab.air.access_point(ap).counters().service_periods, 2);
}

#[test]
fn generated_traffic_waits_for_a_dozing_station_too() {
    let (mut lab, ap) = Lab::connected(1, config());
    let null = lab.null(ap, POWER_MANAGEMENT);
    assert!(lab.send(&null));
    let now = lab.now;
    lab.air
        .access_point_mut(ap)
        .start_flow(STATION, Flow::default(), now);
    let heard = lab.hear_for(Duration::from_millis(250));
    assert!(data_of(&heard).is_empty());
    assert_eq!(map(heard.last().unwrap()), (0, 0b10));
    poll(&mut lab, ap);
    assert_eq!(data_of(&lab.hear_for(Duration::from_millis(20))).len(), 1);
}
