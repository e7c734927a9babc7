//! Scanning, authentication, association.

use crate::station::{Lab, HT, STATION};
use core::time::Duration;
use mock_hal::air::elements::{append, id, Elements};
use mock_hal::air::frame::{kind, management, Mpdu};
use mock_hal::air::{Air, ApConfig, Channel, Injection, Security, StationState, BROADCAST};

#[test]
fn beacons_come_every_102_4_milliseconds_with_a_growing_time_stamp() {
    let (mut lab, ap) = Lab::with(1, ApConfig::open("net", Channel::ht20(6)));
    let heard = lab.hear_for(Duration::from_secs(5));
    assert_eq!(heard.len(), 49);
    let mut last = None;
    for heard in &heard {
        let mpdu = Mpdu::parse(&heard.frame).unwrap();
        assert_eq!(mpdu.kind(), kind::BEACON);
        let mut stamp = [0; 8];
        stamp.copy_from_slice(&mpdu.body()[..8]);
        let stamp = u64::from_le_bytes(stamp);
        if let Some(last) = last {
            assert_eq!(stamp - last, 102_400);
        }
        last = Some(stamp);
        let elements = Elements::new(&mpdu.body()[12..]);
        assert_eq!(elements.content(id::SSID), Some(&b"net"[..]));
        assert_eq!((heard.channel, heard.signal_dbm), (6, -45));
    }
    let dtims = heard
        .iter()
        .filter(|heard| {
            let body = Mpdu::parse(&heard.frame).unwrap().body();
            Elements::new(&body[12..]).content(id::TIM).unwrap()[..2] == [0, 2]
        })
        .count();
    assert!((24..=25).contains(&dtims));
    assert_eq!(lab.air.access_point(ap).counters().beacons, 49);
}

#[test]
fn another_channel_and_a_radio_that_is_off_hear_nothing() {
    let (mut lab, ap) = Lab::with(1, ApConfig::open("net", Channel::ht20(6)));
    lab.tune(Some(Channel::ht20(1)));
    assert!(lab.hear_for(Duration::from_secs(1)).is_empty());
    lab.tune(None);
    assert!(lab.hear_for(Duration::from_secs(1)).is_empty());
    // Nothing was built for nobody, and nothing is made up for it later.
    assert_eq!(lab.air.access_point(ap).counters().beacons, 0);
    lab.tune(Some(Channel::ht20(6)));
    assert_eq!(lab.hear_for(Duration::from_millis(1024)).len(), 10);
}

#[test]
fn only_those_answer_a_probe_request_whom_it_is_for() {
    let mut lab = Lab::new(1);
    let names = ["one", "two"];
    for name in names {
        lab.air
            .add_access_point(ApConfig::open(name, Channel::ht20(6)));
    }
    lab.air.add_access_point(ApConfig {
        hidden: true,
        ..ApConfig::open("hidden", Channel::ht20(6))
    });
    lab.air
        .add_access_point(ApConfig::open("far", Channel::ht20(11)));
    lab.tune(Some(Channel::ht20(6)));
    let mut answers = |ssid: &str| {
        let mut frame = management(kind::PROBE_REQUEST, BROADCAST, STATION, BROADCAST);
        append(&mut frame, id::SSID, ssid.as_bytes());
        lab.send(&frame);
        let mut found: Vec<String> = lab
            .hear_for(Duration::from_millis(20))
            .iter()
            .filter(|heard| heard.frame[0] == kind::PROBE_RESPONSE)
            .map(|heard| {
                let ssid = Elements::new(&heard.frame[36..]).content(id::SSID).unwrap();
                String::from_utf8(ssid.to_vec()).unwrap()
            })
            .collect();
        found.sort();
        found
    };
    assert_eq!(answers(""), ["one", "two"]);
    assert_eq!(answers("two"), ["two"]);
    assert_eq!(answers("hidden"), ["hidden"]);
    assert_eq!(answers("far"), [""; 0]);
}

#[test]
fn an_open_network_takes_a_station_in_and_forgets_it_when_it_leaves() {
    let (mut lab, ap) = Lab::connected(1, ApConfig::open("net", Channel::ht20(6)));
    let view = lab.air.access_point(ap).station(STATION).unwrap();
    assert_eq!((view.state, view.aid), (StationState::Authorized, 1));
    let bssid = lab.bssid(ap);
    let mut frame = management(kind::DEAUTHENTICATION, bssid, STATION, bssid);
    frame.extend_from_slice(&[3, 0]);
    assert!(lab.send(&frame));
    assert_eq!(lab.air.access_point(ap).station(STATION), None);
}

#[test]
fn refusals_carry_the_status_that_was_set() {
    let (mut lab, ap) = Lab::with(1, ApConfig::open("net", Channel::ht20(6)));
    lab.air.access_point_mut(ap).refuse_authentication(Some(17));
    assert_eq!(lab.join(ap), Err(17));
    lab.air.access_point_mut(ap).refuse_authentication(None);
    lab.air.access_point_mut(ap).refuse_association(Some(30));
    assert_eq!(lab.join(ap), Err(30));
    lab.air.access_point_mut(ap).refuse_association(None);
    assert_eq!(lab.join(ap), Ok(()));
}

#[test]
fn a_protected_network_refuses_a_station_without_its_element() {
    let (mut lab, ap) = Lab::with(1, ApConfig::wpa2("net", Channel::ht20(6), "12345678"));
    lab.authenticate(ap).unwrap();
    assert_eq!(lab.associate(ap, &[(id::HT_CAPABILITIES, &HT)]), Err(40));
    let mut wep = mock_hal::air::elements::RSN_CCMP_PSK;
    wep[11] = 1;
    assert_eq!(lab.associate(ap, &[(id::RSN, &wep)]), Err(43));
}

#[test]
fn data_of_a_stranger_is_answered_with_a_deauthentication() {
    let (mut lab, ap) = Lab::with(1, ApConfig::open("net", Channel::ht20(6)));
    let frame = lab.packet(ap, 0, 0);
    assert!(lab.send(&frame));
    let answer = lab.hear(kind::DEAUTHENTICATION).unwrap().frame;
    assert_eq!(answer[24..], [7, 0]);
    assert_eq!(lab.air.access_point(ap).counters().unauthorized, 1);
    assert_eq!(lab.air.access_point(ap).counters().received_msdus, 0);
}

#[test]
fn a_repeated_authentication_is_a_duplicate() {
    let (mut lab, ap) = Lab::with(1, ApConfig::open("net", Channel::ht20(6)));
    let bssid = lab.bssid(ap);
    let mut frame = management(kind::AUTHENTICATION, bssid, STATION, bssid);
    frame.extend_from_slice(&[0, 0, 1, 0, 0, 0]);
    assert!(lab.send_as_it_is(frame.clone()));
    frame[1] |= 0x08;
    assert!(lab.send_as_it_is(frame));
    let counters = lab.air.access_point(ap).counters();
    assert_eq!((counters.authentications, counters.duplicates), (1, 1));
}

#[test]
fn the_radio_of_an_air_without_access_points_waits_for_nothing() {
    let mut air = Air::new(1);
    air.tune(Some(Channel::ht20(6)), bes_hal::time::Instant::ZERO);
    assert_eq!(air.next_event(), None);
    let at = bes_hal::time::Instant::from_millis(5);
    air.inject(Injection::new(vec![1, 2, 3], 6, at));
    assert_eq!(air.next_event(), Some(at));
}

#[test]
fn a_reconfigured_access_point_offers_what_it_was_told() {
    let (mut lab, ap) = Lab::connected(1, ApConfig::open("net", Channel::ht20(6)));
    lab.air.access_point_mut(ap).set_security(Security::Wpa2 {
        passphrase: "12345678".into(),
    });
    assert_eq!(lab.air.access_point(ap).station(STATION), None);
    let beacon = lab.hear(kind::BEACON).unwrap().frame;
    assert!(Elements::new(&beacon[36..]).content(id::RSN).is_some());
    assert_eq!(lab.join(ap), Ok(()));
}
