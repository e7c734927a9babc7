//! WPA2: the 4-way handshake, encrypted data, group keys.

use crate::station::{Lab, STATION};
use core::time::Duration;
use mock_hal::air::frame::{kind, Mpdu, PROTECTED};
use mock_hal::air::wpa::{
    find_group_key, mic_is_right, unwrap, KeyFrame, SECURE, VERSION_2, WITH_MIC,
};
use mock_hal::air::{ApConfig, Channel, Msdu, StationState, BROADCAST};

fn config() -> ApConfig {
    ApConfig::wpa2("net", Channel::ht20(6), "correct horse")
}

fn msdu(destination: [u8; 6]) -> Msdu<'static> {
    Msdu {
        destination,
        source: [0x02, 0, 0, 0, 0, 0x77],
        tid: 0,
        ethertype: 0x0800,
        payload: b"down it goes",
    }
}

#[test]
fn the_handshake_installs_one_key_on_both_sides() {
    let (lab, ap) = Lab::connected(1, config());
    let view = lab.air.access_point(ap).station(STATION).unwrap();
    assert_eq!(view.temporal_key, Some(lab.ptk.unwrap().tk));
    assert_eq!(lab.air.access_point(ap).counters().handshakes, 1);
    assert!(lab.group_key.is_some());
}

#[test]
fn data_passes_encrypted_in_both_directions() {
    let (mut lab, ap) = Lab::connected(1, config());
    let frame = lab.packet(ap, 0, 0);
    assert!(lab.send(&frame) || frame.is_empty());
    // The header was authenticated with another sequence number's fragment only, so the frame is accepted.
    assert_eq!(lab.air.access_point(ap).meter(1).packets, 1);
    assert!(lab.air.access_point_mut(ap).send(&msdu(STATION)));
    let heard = lab.hear(kind::QOS_DATA).unwrap();
    assert!(Mpdu::parse(&heard.frame).unwrap().has(PROTECTED));
    assert_eq!(&lab.opened(heard.frame).unwrap()[8..], b"down it goes");
}

#[test]
fn data_in_the_clear_and_replayed_packet_numbers_are_dropped() {
    let (mut lab, ap) = Lab::connected(1, config());
    let key = lab.key.take();
    let clear = lab.packet(ap, 0, 0);
    assert!(lab.send(&clear));
    lab.key = key;
    let frame = lab.packet(ap, 0, 1);
    assert!(lab.send(&frame));
    // The same packet number under another sequence number.
    assert!(lab.send(&frame));
    let counters = lab.air.access_point(ap).counters();
    assert_eq!((counters.undecryptable, counters.replays), (1, 1));
    assert_eq!(counters.received_msdus, 1);
}

#[test]
fn data_before_the_handshake_is_dropped() {
    let (mut lab, ap) = Lab::with(1, config());
    lab.authenticate(ap).unwrap();
    let rsn = mock_hal::air::elements::RSN_CCMP_PSK;
    let wmm = [0x00, 0x50, 0xF2, 0x02, 0, 1, 0];
    lab.associate(ap, &[(48, &rsn), (221, &wmm)]).unwrap();
    let frame = lab.packet(ap, 0, 0);
    assert!(lab.send(&frame));
    let access_point = lab.air.access_point(ap);
    assert_eq!(access_point.counters().unauthorized, 1);
    assert_eq!(access_point.counters().received_msdus, 0);
    assert_eq!(
        access_point.station(STATION).unwrap().state,
        StationState::Associated
    );
}

#[test]
fn a_station_that_does_not_answer_is_sent_away() {
    let (mut lab, ap) = Lab::with(1, config());
    lab.authenticate(ap).unwrap();
    let rsn = mock_hal::air::elements::RSN_CCMP_PSK;
    lab.associate(ap, &[(48, &rsn)]).unwrap();
    let heard = lab.hear_for(Duration::from_secs(6));
    let messages = heard
        .iter()
        .filter(|heard| heard.frame[0] & 0x0C == 0x08)
        .count();
    assert_eq!(messages, 4);
    let farewell = heard
        .iter()
        .find(|heard| heard.frame[0] == kind::DEAUTHENTICATION)
        .unwrap();
    assert_eq!(farewell.frame[24..], [15, 0]);
    assert_eq!(lab.air.access_point(ap).station(STATION), None);
}

#[test]
fn group_frames_come_under_the_group_key_and_a_new_one_is_handed_out() {
    let (mut lab, ap) = Lab::connected(1, config());
    assert!(lab.air.access_point_mut(ap).send(&msdu(BROADCAST)));
    let heard = lab.hear(kind::DATA).unwrap().frame;
    assert_eq!(&lab.opened(heard).unwrap()[8..], b"down it goes");

    let now = lab.now;
    let old = lab.group_key.unwrap();
    lab.air.access_point_mut(ap).rekey_group(now);
    let bytes = lab.hear_eapol().unwrap();
    let ptk = lab.ptk.unwrap();
    assert!(mic_is_right(&ptk.kck, &bytes));
    let message = KeyFrame::parse(&bytes).unwrap();
    let new = find_group_key(&unwrap(&ptk.kek, &message.data).unwrap()).unwrap();
    assert_ne!(old, new);
    lab.group_key = Some(new);
    let answer = KeyFrame {
        info: VERSION_2 | WITH_MIC | SECURE,
        replay_counter: message.replay_counter,
        nonce: [0; 32],
        data: Vec::new(),
    };
    assert!(lab.eapol(ap, &answer.emit(Some(&ptk.kck))));
    // Answered: nothing is sent again.
    let again = lab.hear_for(Duration::from_secs(5));
    assert!(again.iter().all(|heard| heard.frame[0] == kind::BEACON));
    assert!(lab.air.access_point_mut(ap).send(&msdu(BROADCAST)));
    let heard = lab.hear(kind::DATA).unwrap().frame;
    assert_eq!(&lab.opened(heard).unwrap()[8..], b"down it goes");
}
