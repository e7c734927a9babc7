//! What a network does to its stations, and what the chip does for its host meanwhile.

use crate::rig::{Message, Rig, STATION};
use bes_hal::time::Instant;
use core::time::Duration;
use mock_hal::air::elements::{id, Elements};
use mock_hal::air::{
    ApConfig, Channel, ChannelSwitch, Country, Downlink, Flow, Msdu, OwnedMsdu, Pace,
};

use std::sync::{Arc, Mutex};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn open() -> ApConfig {
    ApConfig::open("open", Channel::ht20(6))
}

fn connected(config: ApConfig) -> Rig {
    let mut rig = Rig::new(1, config);
    rig.connect();
    rig
}

fn download(rig: &mut Rig) {
    let (now, ap) = (rig.now, rig.ap);
    let flow = Flow {
        pace: Pace::Every(2 * MS),
        ..Flow::default()
    };
    let access_point = rig.lmac.medium_mut().access_point_mut(ap);
    access_point.start_flow(STATION, flow, now);
}

fn received(rig: &mut Rig, time: Duration) -> u64 {
    let before = rig.counted.0;
    rig.count_only = true;
    rig.run(time);
    rig.count_only = false;
    rig.counted.0 - before
}

/// Frames of a kind that went up.
fn frames(messages: &[Message], kind: u8) -> Vec<&[u8]> {
    messages
        .iter()
        .filter(|message| message.identity() == 0x0804 && message.0[32] == kind)
        .map(|message| &message.0[32..])
        .collect()
}

#[test]
fn an_announced_channel_switch_counts_down_and_the_radio_follows_its_host_only() {
    let mut rig = connected(open());
    let seen = rig.messages.len();
    let (now, ap) = (rig.now, rig.ap);
    let switch = ChannelSwitch {
        action: true,
        quiet: true,
        ..ChannelSwitch::new(Channel::ht20(11), 4)
    };
    let access_point = rig.lmac.medium_mut().access_point_mut(ap);
    access_point.switch_channel(switch, now);
    rig.run(Duration::from_millis(410));
    let heard = &rig.messages[seen..];
    let announced: Vec<Vec<u8>> = frames(heard, 0x80)
        .iter()
        .filter_map(|beacon| Elements::new(&beacon[36..]).content(id::CHANNEL_SWITCH))
        .map(<[u8]>::to_vec)
        .collect();
    assert_eq!(announced, [[1, 11, 4], [1, 11, 3], [1, 11, 2], [1, 11, 1]]);
    // Category 0, action 4, then the same element; one beacon more is to come.
    assert_eq!(
        frames(heard, 0xD0)[0][24..],
        [0, 4, 37, 3, 1, 11, 5, 62, 1, 0]
    );
    rig.run(200 * MS);
    assert!(!rig.lmac.medium().access_point(ap).is_moving());
    download(&mut rig);
    assert_eq!(received(&mut rig, SECOND), 0);
    assert_eq!(rig.status(0x0016, &[0x90, 0, 11, 0]), 0);
    let after = received(&mut rig, SECOND);
    assert!(after >= 490, "{after}");
    let packet = rig.packet(1);
    rig.transmit(21, &packet);
    rig.run(20 * MS);
    assert_eq!((rig.in_flight, rig.failed), (0, 0));
    rig.assert_clean();
}

#[test]
fn an_access_point_that_moves_without_a_word_is_lost() {
    let mut rig = connected(open());
    let (now, ap) = (rig.now, rig.ap);
    let seen = rig.messages.len();
    let switch = ChannelSwitch::new(Channel::ht20(1), 0);
    let access_point = rig.lmac.medium_mut().access_point_mut(ap);
    access_point.switch_channel(switch, now);
    rig.run(6 * SECOND);
    let lost = rig.messages[seen..]
        .iter()
        .filter(|message| message.identity() == 0x0805 && message.word(4) == 1)
        .count();
    assert_eq!(lost, 1);
}

#[test]
fn a_pairwise_rekey_happens_under_the_old_key_and_loses_nothing() {
    let mut rig = connected(ApConfig::wpa2("home", Channel::ht20(6), "correct horse"));
    let ap = rig.ap;
    download(&mut rig);
    rig.run(100 * MS);
    let old = rig.key_of_access_point();
    let now = rig.now;
    let access_point = rig.lmac.medium_mut().access_point_mut(ap);
    assert!(access_point.rekey_pairwise(STATION, now));
    rig.answer_handshake("correct horse");
    rig.run(SECOND);
    assert_ne!(rig.key_of_access_point(), old);
    assert_eq!(rig.lmac.medium().access_point(ap).counters().handshakes, 2);
    let counters = rig.lmac.medium().access_point(ap).counters();
    assert_eq!((counters.undecryptable, counters.sent_dropped), (0, 0));
    assert_eq!(rig.lmac.counters().rx_decryption_failures, 0);
    let flow = rig
        .lmac
        .medium()
        .access_point(ap)
        .flow(Flow::default().number)
        .unwrap();
    assert_eq!(flow.dropped, 0);
    rig.assert_clean();
}

fn arp_request(ip: [u8; 4]) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 0x77, 10, 0, 0, 1];
    packet.extend_from_slice(&[0; 6]);
    packet.extend_from_slice(&ip);
    packet
}

/// File 21, 2.7 and 2.8: the request for the configured address is answered from the template and does not go up.
#[test]
fn f21_2_7_the_chip_answers_arp_for_its_host() {
    let mut rig = connected(open());
    let (ap, bssid) = (rig.ap, rig.bssid());
    let mut template = vec![0x88, 0x01, 0, 0];
    for address in [bssid, STATION, bssid] {
        template.extend_from_slice(&address);
    }
    template.extend_from_slice(&[0, 0, 0, 0]);
    template.extend_from_slice(&[0xAA, 0xAA, 3, 0, 0, 0, 8, 6]);
    template.extend_from_slice(&[0, 1, 8, 0, 6, 4, 0, 2]);
    template.extend_from_slice(&[0; 20]);
    let len = u16::try_from(template.len()).unwrap().to_le_bytes();
    rig.write_mib(0, 0x1002, &[&[6, 0xFF][..], &len, &template].concat());
    rig.write_mib(0, 0x1001, &[3, 0, 0, 0, 10, 0, 0, 2]);
    let collected = Arc::new(Mutex::new(Vec::new()));
    let behind = collected.clone();
    let collect = move |msdu: &Msdu<'_>, _: Instant, _: &mut Downlink| {
        behind.lock().unwrap().push(OwnedMsdu::from(msdu));
    };
    let access_point = rig.lmac.medium_mut().access_point_mut(ap);
    access_point.set_endpoint(collect);
    let seen = rig.messages.len();
    for ip in [[10, 0, 0, 2], [10, 0, 0, 3]] {
        let payload = arp_request(ip);
        let msdu = Msdu {
            destination: [0xFF; 6],
            source: [2, 0, 0, 0, 0, 0x77],
            tid: 0,
            ethertype: 0x0806,
            payload: &payload,
        };
        assert!(rig.lmac.medium_mut().access_point_mut(ap).send(&msdu));
    }
    rig.run(SECOND);
    // Neither went up: one was answered, the other is for somebody else.
    assert!(frames(&rig.messages[seen..], 0x08).is_empty());
    assert_eq!(rig.lmac.counters().answered_for_host, 1);
    let answers = collected.lock().unwrap().clone();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].destination, [2, 0, 0, 0, 0, 0x77]);
    assert_eq!((answers[0].source, answers[0].ethertype), (STATION, 0x0806));
    let mut expected = vec![0, 1, 8, 0, 6, 4, 0, 2];
    expected.extend_from_slice(&STATION);
    expected.extend_from_slice(&[10, 0, 0, 2]);
    expected.extend_from_slice(&[2, 0, 0, 0, 0, 0x77, 10, 0, 0, 1]);
    assert_eq!(answers[0].payload, expected);
    // Switched off, it goes up again.
    rig.write_mib(0, 0x1001, &[0, 0, 0, 0, 10, 0, 0, 2]);
    let payload = arp_request([10, 0, 0, 2]);
    let msdu = Msdu {
        destination: [0xFF; 6],
        source: [2, 0, 0, 0, 0, 0x77],
        tid: 0,
        ethertype: 0x0806,
        payload: &payload,
    };
    rig.lmac.medium_mut().access_point_mut(ap).send(&msdu);
    rig.run(SECOND);
    assert_eq!(frames(&rig.messages[seen..], 0x08).len(), 1);
    rig.assert_clean();
}

#[test]
fn f50_3_11_a_chip_may_refuse_a_transmit_power() {
    let mut rig = Rig::new(1, open());
    rig.write_mib(0, 0x0006, &200_i32.to_le_bytes());
    assert_eq!(rig.lmac.transmit_power(0), Some(200));
    rig.lmac.config_mut().highest_power = Some(160);
    let write = |rig: &mut Rig, power: i32| {
        let mut payload = vec![0x06, 0, 4, 0];
        payload.extend_from_slice(&power.to_le_bytes());
        rig.status(0x0006, &payload)
    };
    assert_eq!(write(&mut rig, 170), 2);
    assert_eq!(rig.lmac.transmit_power(0), Some(200));
    assert_eq!(write(&mut rig, 160), 0);
    assert_eq!(rig.lmac.transmit_power(0), Some(160));
}

#[test]
fn an_access_point_tells_its_country() {
    let mut rig = connected(ApConfig {
        country: Some(Country::new(*b"DE", 1, 13, 20)),
        ..open()
    });
    let seen = rig.messages.len();
    rig.run(SECOND);
    let beacon = frames(&rig.messages[seen..], 0x80)[0].to_vec();
    let country = Elements::new(&beacon[36..]).content(id::COUNTRY);
    assert_eq!(country, Some(&[b'D', b'E', b' ', 1, 13, 20][..]));
}

#[test]
fn the_chips_count_of_an_interface_is_that_of_the_air() {
    let mut rig = connected(open());
    let ap = rig.ap;
    let before = rig.lmac.traffic(0).unwrap();
    download(&mut rig);
    rig.count_only = true;
    rig.upload(SECOND);
    rig.run(SECOND);
    let flow = Flow::default().number;
    rig.lmac.medium_mut().access_point_mut(ap).stop_flow(flow);
    rig.run(50 * MS);
    let now = rig.lmac.traffic(0).unwrap();
    let access_point = rig.lmac.medium().access_point(ap);
    assert_eq!(now.sent - before.sent, access_point.meter(1).packets);
    assert_eq!((now.failed, now.overflowed), (0, 0));
    assert_eq!(now.received - before.received, rig.counted.0);
    assert_eq!(now.received_octets - before.received_octets, rig.counted.1);
    let flow = access_point.flow(Flow::default().number).unwrap();
    assert_eq!(now.received - before.received, flow.acked);
    assert!(now.beacons - before.beacons >= 19);
    // A reset starts over.
    assert_eq!(rig.status(0x000A, &[0; 4]), 0);
    assert_eq!(rig.lmac.traffic(0), Some(Default::default()));
}

/// MIB 0x0007: frames above the threshold are announced with an RTS, and the air counts them.
#[test]
fn f21_2_5_frames_above_the_threshold_go_with_rts() {
    let mut rig = connected(open());
    rig.write_mib(0, 0x0007, &1000_u32.to_le_bytes());
    let before = rig.lmac.medium().counters().rts;
    let packet = rig.packet(1);
    rig.transmit(21, &packet);
    rig.run(20 * MS);
    let short = rig.data(0x0800, &[0; 100]);
    rig.transmit(21, &short);
    rig.run(20 * MS);
    assert_eq!(rig.lmac.medium().counters().rts - before, 1);
    assert_eq!(rig.lmac.counters().rts_success, 1);
    rig.write_mib(0, 0x0007, &0_u32.to_le_bytes());
    let packet = rig.packet(2);
    rig.transmit(21, &packet);
    rig.run(20 * MS);
    assert_eq!(rig.lmac.medium().counters().rts - before, 1);
    rig.assert_clean();
}

/// The same network on three channels: each is found, joined and left for the next with a reassociation.
#[test]
fn a_station_roams_between_the_access_points_of_a_network() {
    let mut rig = connected(open());
    let others = [1, 11].map(|number| {
        let config = ApConfig::open("open", Channel::ht20(number));
        rig.lmac.medium_mut().add_access_point(config)
    });
    for other in others {
        let before = rig.ap;
        assert_eq!(rig.status(0x000A, &[0; 4]), 0);
        rig.ap = other;
        rig.reconnect(before);
        download(&mut rig);
        let here = received(&mut rig, SECOND);
        assert!(here >= 495, "{here}");
        let counters = rig.lmac.medium().access_point(other).counters();
        assert_eq!((counters.associations, counters.reassociations), (1, 1));
    }
    rig.assert_clean();
}

/// A storm of deauthentications: each goes up, the chip neither hangs nor leaves the BSS by itself.
#[test]
fn a_storm_of_deauthentications_is_survived() {
    let mut rig = connected(open());
    let ap = rig.ap;
    let seen = rig.messages.len();
    let now = rig.now;
    rig.lmac
        .medium_mut()
        .access_point_mut(ap)
        .storm(STATION, 500, 2 * MS, now);
    rig.run(3 * SECOND);
    let storm = frames(&rig.messages[seen..], 0xC0).len();
    assert!((495..=501).contains(&storm), "{storm}");
    assert_eq!(rig.status(0x0010, &[0, 16, 0, 0]), 0);
    assert!(rig
        .lmac
        .medium()
        .access_point(ap)
        .station(STATION)
        .is_none());
}
