//! Access points that vanish, refuse, ignore, throttle; bad signal; hostile frames.

use crate::station::{Lab, MCS7, STATION};
use core::time::Duration;
use mock_hal::air::frame::kind;
use mock_hal::air::hostile::Hostile;
use mock_hal::air::{
    AirConfig, ApConfig, Channel, Exchange, Flow, Injection, Meter, Msdu, PhyRate,
};

fn config() -> ApConfig {
    ApConfig::open("net", Channel::ht20(6))
}

#[test]
fn a_vanished_access_point_is_silent_and_comes_back_without_memory() {
    let (mut lab, ap) = Lab::connected(1, config());
    lab.air.access_point_mut(ap).set_present(false);
    assert!(lab.hear_for(Duration::from_secs(2)).is_empty());
    let frame = lab.packet(ap, 0, 0);
    assert!(!lab.send(&frame));
    lab.air.access_point_mut(ap).set_present(true);
    // The beacons of the pause are not made up for.
    let beacons = lab.hear_for(Duration::from_millis(1024)).len();
    assert!((10..=11).contains(&beacons), "{beacons}");
    assert_eq!(lab.air.access_point(ap).station(STATION), None);
    assert_eq!(lab.join(ap), Ok(()));
}

#[test]
fn a_deauthentication_is_sent_and_the_station_forgotten() {
    let (mut lab, ap) = Lab::connected(1, config());
    assert!(lab.air.access_point_mut(ap).deauthenticate(STATION, 2));
    let heard = lab.hear(kind::DEAUTHENTICATION).unwrap().frame;
    assert_eq!(heard[24..], [2, 0]);
    assert_eq!(lab.air.access_point(ap).station(STATION), None);
    assert!(!lab.air.access_point_mut(ap).deauthenticate(STATION, 2));
}

#[test]
fn a_disassociation_reaches_even_a_station_that_does_not_acknowledge() {
    let (mut lab, ap) = Lab::connected(1, config());
    lab.air.set_ack_loss(1.0);
    assert!(lab.air.access_point_mut(ap).disassociate(STATION, 8));
    let heard = lab.hear_for(Duration::from_secs(1));
    let farewells = heard
        .iter()
        .filter(|heard| heard.frame[0] == kind::DISASSOCIATION)
        .count();
    assert_eq!(farewells, 7);
    assert_eq!(lab.air.access_point(ap).station(STATION), None);
}

#[test]
fn an_access_point_that_ignores_still_sends_beacons_and_acknowledges_nothing() {
    let (mut lab, ap) = Lab::connected(1, config());
    lab.air.access_point_mut(ap).set_ignoring(true);
    let frame = lab.packet(ap, 0, 0);
    assert!(!lab.send(&frame));
    assert!(lab.hear(kind::BEACON).is_some());
    lab.air.access_point_mut(ap).set_ignoring(false);
    assert!(lab.send(&frame));
}

#[test]
fn a_deaf_access_point_raises_the_retries_but_not_of_management_frames() {
    let (mut lab, ap) = Lab::connected(7, config());
    lab.air.access_point_mut(ap).set_deafness(0.5);
    let before = lab.air.counters();
    for number in 0..100 {
        let frame = lab.packet(ap, 0, number);
        lab.send(&frame);
    }
    let after = lab.air.counters();
    let attempts = after.exchanges - before.exchanges;
    assert!((160..260).contains(&attempts), "{attempts}");
    assert_eq!(lab.join(ap), Ok(()));
}

#[test]
fn a_throttle_limits_the_rate_and_not_the_station() {
    let (mut lab, ap) = Lab::connected(1, config());
    lab.air.set_receive_room(10_000);
    lab.air.access_point_mut(ap).set_throttle(Some(15_000));
    let now = lab.now;
    lab.air
        .access_point_mut(ap)
        .start_flow(STATION, Flow::default(), now);
    let mut meter = Meter::default();
    for heard in lab.hear_for(Duration::from_secs(5)) {
        if heard.frame[0] == kind::QOS_DATA {
            meter.count(&heard.frame[34..], heard.at);
        }
    }
    assert!((40..60).contains(&meter.packets), "{}", meter.packets);
}

#[test]
fn a_weak_signal_lowers_the_rate_and_a_lost_one_ends_everything() {
    let (mut lab, ap) = Lab::connected(1, config());
    lab.air.access_point_mut(ap).set_signal(-80);
    let msdu = Msdu {
        destination: STATION,
        source: [2; 6],
        tid: 0,
        ethertype: 0x0800,
        payload: &[0; 1000],
    };
    assert!(lab.air.access_point_mut(ap).send(&msdu));
    let heard = lab.hear(kind::QOS_DATA).unwrap();
    assert_eq!(heard.signal_dbm, -80);
    assert!(
        matches!(heard.rate, PhyRate::Ht { mcs: 2..=4, .. }),
        "{:?}",
        heard.rate
    );
    // 8 dB below the sensitivity of the highest rate, 236 octets arrive in 19 % of all attempts.
    let frame = lab.packet(ap, 0, 0);
    let mut acked = 0;
    for _ in 0..1000 {
        let exchange = Exchange {
            frames: &[&frame],
            rate: MCS7,
            rts: false,
        };
        lab.now = lab.now.max(lab.air.busy_until());
        acked += lab.air.exchange(&exchange, lab.now).acked;
    }
    assert!((150..230).contains(&acked), "{acked}");
    lab.hear_for(Duration::from_secs(1));
    lab.air.access_point_mut(ap).set_signal(-110);
    assert!(lab.hear_for(Duration::from_secs(1)).is_empty());
}

#[test]
fn a_lost_acknowledgement_makes_a_duplicate_that_is_counted() {
    let (mut lab, ap) = Lab::connected(1, config());
    lab.air.set_ack_loss(1.0);
    let frame = lab.packet(ap, 0, 0);
    assert!(!lab.send(&frame));
    lab.air.set_ack_loss(0.0);
    let counters = lab.air.access_point(ap).counters();
    assert_eq!((counters.duplicates, counters.received_msdus), (6, 1));
}

#[test]
fn a_station_moves_between_two_access_points_of_one_network() {
    let mut lab = Lab::new(1);
    let one = lab.air.add_access_point(config());
    let two = lab
        .air
        .add_access_point(ApConfig::open("net", Channel::ht20(11)));
    lab.tune(Some(Channel::ht20(6)));
    lab.join(one).unwrap();
    lab.air.access_point_mut(one).set_present(false);
    lab.tune(Some(Channel::ht20(11)));
    lab.join(two).unwrap();
    let frame = lab.packet(two, 0, 0);
    assert!(lab.send(&frame));
    assert_eq!(lab.air.access_point(two).meter(1).packets, 1);
    assert_ne!(lab.bssid(one), lab.bssid(two));
}

#[test]
fn the_same_seed_makes_the_same_losses() {
    let run = |seed: u64| {
        let lossy = AirConfig {
            seed,
            loss: 0.3,
            ..AirConfig::default()
        };
        let (mut lab, ap) = Lab::connected(lossy, config());
        (0..100)
            .map(|number| {
                let frame = lab.packet(ap, 0, number);
                let exchange = Exchange {
                    frames: &[&frame],
                    rate: MCS7,
                    rts: false,
                };
                lab.now = lab.now.max(lab.air.busy_until());
                lab.air.exchange(&exchange, lab.now).acked
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

#[test]
fn an_access_point_survives_hostile_stations() {
    let (mut lab, ap) = Lab::connected(1, ApConfig::wpa2("net", Channel::ht20(6), "12345678"));
    let bssid = lab.bssid(ap);
    // Made to look as if the station had sent them to the access point.
    let mut hostile = Hostile::new(4, bssid, STATION, b"net", Channel::ht20(6));
    for _ in 0..20_000 {
        let frame = hostile.frame();
        let exchange = Exchange {
            frames: &[&frame],
            rate: PhyRate::Ofdm(54),
            rts: true,
        };
        lab.now = lab.now.max(lab.air.busy_until());
        lab.air.exchange(&exchange, lab.now);
        while lab.air.pop_heard().is_some() {}
    }
    lab.hear_for(Duration::from_secs(10));
    assert_eq!(lab.join(ap), Ok(()));
}

#[test]
fn hostile_frames_can_be_injected() {
    let (mut lab, ap) = Lab::connected(1, config());
    let bssid = lab.bssid(ap);
    let mut hostile = Hostile::new(9, STATION, bssid, b"net", Channel::ht20(6));
    let frames: Vec<Vec<u8>> = (0..50).map(|_| hostile.frame()).collect();
    for frame in &frames {
        lab.air.inject(Injection::new(frame.clone(), 6, lab.now));
    }
    let heard = lab.hear_for(Duration::from_millis(500));
    for frame in frames {
        assert!(heard.iter().any(|heard| heard.frame == frame));
    }
}
