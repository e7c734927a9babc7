//! WEP and TKIP by the chip (file 20, section 10; file 30, section 5.5), against an access point that does the same.

use crate::rig::{Message, Rig, STATION};
use core::time::Duration;
use mock_hal::air::{ApConfig, Channel, Cipher, Flow, Pace, Security};
use mock_hal::cipher::tkip::{MicHeader, TkipKey, HEADER, TRAILER};
use mock_hal::cipher::wep::WepKey;

const MS: Duration = Duration::from_millis(1);

fn add_key(rig: &mut Rig, kind: u8, slot: u8, block: &[u8]) {
    let mut key = vec![kind, slot, 0, 0];
    key.extend_from_slice(block);
    key.resize(44, 0);
    assert_eq!(rig.status(0x000C, &key), 0);
}

/// Ten packets down, ten up; the ones that came down.
fn both_ways(rig: &mut Rig, room: (usize, usize)) -> Vec<Message> {
    let (now, ap) = (rig.now, rig.ap);
    let flow = Flow {
        limit: Some(10),
        pace: Pace::Every(5 * MS),
        ..Flow::default()
    };
    let access_point = rig.lmac.medium_mut().access_point_mut(ap);
    access_point.start_flow(STATION, flow, now);
    let seen = rig.messages.len();
    let before = rig.lmac.medium().access_point(ap).meter(1).packets;
    for number in 0..10 {
        let frame = rig.packet_with_room(before + number, room);
        rig.transmit(6, &frame);
        rig.run(10 * MS);
    }
    assert_eq!((rig.in_flight, rig.failed), (0, 0));
    let access_point = rig.lmac.medium().access_point(ap);
    assert_eq!(access_point.counters().undecryptable, 0);
    assert_eq!(access_point.meter(1).packets, before + 10);
    rig.messages[seen..]
        .iter()
        .filter(|message| message.identity() == 0x0804 && message.0[32] & 0x8C == 0x88)
        .cloned()
        .collect()
}

#[test]
fn f20_10_1_wep_by_the_chip_with_the_default_key_that_was_chosen() {
    for length in [5, 13] {
        let key = vec![0x42; length];
        let security = Security::Wep {
            key: key.clone(),
            id: 2,
        };
        let mut rig = Rig::new(
            1,
            ApConfig {
                security,
                ..ApConfig::open("old", Channel::ht20(6))
            },
        );
        rig.connect();
        let mut block = vec![2, u8::try_from(length).unwrap(), 0, 0];
        block.extend_from_slice(&key);
        add_key(&mut rig, 0, 0, &block);
        rig.write_mib(0, 0x0005, &2_u32.to_le_bytes());
        let received = both_ways(&mut rig, (4, 4));
        assert_eq!(received.len(), 10);
        for message in &received {
            // Decrypted and stripped; the protected bit stays.
            assert_eq!((message.word(4), message.word(12) & 7), (0, 7));
            assert_eq!(message.0[33] & 0x40, 0x40);
            assert_eq!(message.0[58..66], [0xAA, 0xAA, 3, 0, 0, 0, 8, 0]);
            assert_eq!(message.0.len(), 32 + 26 + 8 + 1500);
        }
        // With the cipher left in place: IV and ICV are still there, state 1.
        rig.lmac.config_mut().strip_cipher = false;
        let received = both_ways(&mut rig, (4, 4));
        for message in &received {
            assert_eq!((message.word(4), message.word(12) & 7), (0, 1));
            assert_eq!(message.0[61] >> 6, 2);
            assert_eq!(message.0[62..70], [0xAA, 0xAA, 3, 0, 0, 0, 8, 0]);
            assert_eq!(message.0.len(), 32 + 26 + 4 + 8 + 1500 + 4);
        }
        rig.assert_clean();
    }
}

#[test]
fn another_default_key_than_the_one_in_the_chip_is_no_key() {
    let security = Security::Wep {
        key: vec![7; 13],
        id: 0,
    };
    let mut rig = Rig::new(
        1,
        ApConfig {
            security,
            ..ApConfig::open("old", Channel::ht20(6))
        },
    );
    rig.connect();
    let mut block = vec![0, 13, 0, 0];
    block.extend_from_slice(&[7; 13]);
    add_key(&mut rig, 0, 0, &block);
    rig.write_mib(0, 0x0005, &1_u32.to_le_bytes());
    let frame = rig.packet_with_room(1, (4, 4));
    rig.transmit(6, &frame);
    rig.run(10 * MS);
    // Status 9: there are keys, but none for this frame.
    let confirm = rig.messages.iter().rev();
    let confirm = confirm
        .clone()
        .find(|message| message.identity() == 0x0404)
        .unwrap();
    assert_eq!(confirm.word(8), 9);
}

/// What the station has, and what the access point has.
fn tkip() -> (TkipKey, TkipKey, TkipKey) {
    let station = TkipKey {
        temporal: core::array::from_fn(|octet| octet as u8),
        send_mic: [0xA1; 8],
        receive_mic: [0xB2; 8],
    };
    let access_point = TkipKey {
        send_mic: station.receive_mic,
        receive_mic: station.send_mic,
        ..station.clone()
    };
    let group = TkipKey {
        temporal: [0x5C; 16],
        send_mic: [0xC3; 8],
        receive_mic: [0xC3; 8],
    };
    (station, access_point, group)
}

fn with_tkip() -> Rig {
    let (station, access_point, group) = tkip();
    let mut rig = Rig::new(
        1,
        ApConfig {
            ht: false,
            ..ApConfig::open("old", Channel::ht20(6))
        },
    );
    rig.connect();
    let (ap, bssid) = (rig.ap, rig.bssid());
    rig.lmac.medium_mut().access_point_mut(ap).install_keys(
        STATION,
        Cipher::Tkip(access_point),
        (Cipher::Tkip(group.clone()), 1),
    );
    let mut block = bssid.to_vec();
    block.extend_from_slice(&[0, 0]);
    block.extend_from_slice(&station.temporal);
    block.extend_from_slice(&station.receive_mic);
    block.extend_from_slice(&station.send_mic);
    add_key(&mut rig, 3, 0, &block);
    let mut block = group.temporal.to_vec();
    block.extend_from_slice(&group.receive_mic);
    block.push(1);
    add_key(&mut rig, 2, 1, &block);
    rig
}

#[test]
fn f20_10_1_tkip_by_the_chip_in_both_directions_and_for_groups() {
    let mut rig = with_tkip();
    let received = both_ways(&mut rig, (HEADER, TRAILER));
    assert_eq!(received.len(), 10);
    for message in &received {
        assert_eq!((message.word(4), message.word(12) & 7), (0, 7));
        assert_eq!(message.0[58..66], [0xAA, 0xAA, 3, 0, 0, 0, 8, 0]);
        assert_eq!(message.0.len(), 32 + 26 + 8 + 1500);
    }
    rig.lmac.config_mut().strip_cipher = false;
    let received = both_ways(&mut rig, (HEADER, TRAILER));
    for message in &received {
        assert_eq!((message.word(4), message.word(12) & 7), (0, 2));
        assert_eq!(message.0.len(), 32 + 26 + HEADER + 8 + 1500 + TRAILER);
    }
    rig.lmac.config_mut().strip_cipher = true;
    let ap = rig.ap;
    let msdu = mock_hal::air::Msdu {
        destination: [0xFF; 6],
        source: [2; 6],
        tid: 0,
        ethertype: 0x0806,
        payload: &[9; 28],
    };
    assert!(rig.lmac.medium_mut().access_point_mut(ap).send(&msdu));
    let seen = rig.messages.len();
    rig.run(500 * MS);
    let group = rig.messages[seen..]
        .iter()
        .find(|message| message.identity() == 0x0804 && message.0[32] & 0x0C == 8)
        .unwrap();
    // Stripped, with the group key of slot 1.
    assert_eq!(group.word(12) & 7, 7);
    assert_eq!(group.word(12) >> 19 & 0x1F, 1 | 1 << 1);
    rig.assert_clean();
}

/// Status 5: the check value is right and Michael says that the frame is forged. The host gets it without trailer.
#[test]
fn a_forged_tkip_frame_goes_up_with_status_5_and_a_replayed_one_does_not() {
    let mut rig = with_tkip();
    let (_, access_point, _) = tkip();
    let bssid = rig.bssid();
    let sealed = |sequence: u64, forged: bool| {
        let mut frame = vec![0x88, 0x42, 0, 0];
        for address in [STATION, bssid, [2; 6]] {
            frame.extend_from_slice(&address);
        }
        frame.extend_from_slice(&((sequence as u16) << 4).to_le_bytes());
        frame.extend_from_slice(&[0, 0]);
        frame.extend_from_slice(&[0; HEADER]);
        frame.extend_from_slice(&[0xAA, 0xAA, 3, 0, 0, 0, 8, 0]);
        frame.extend_from_slice(&[0x45; 40]);
        frame.extend_from_slice(&[0; TRAILER]);
        let mut mic = MicHeader::of(&frame).unwrap();
        mic.priority ^= u8::from(forged);
        access_point.protect(&mut frame[26..], mic, bssid, sequence, 0);
        frame
    };
    let hear = |rig: &mut Rig, frame: Vec<u8>| {
        let at = rig.now.after(MS);
        let seen = rig.messages.len();
        let injection = mock_hal::air::Injection::new(frame, 6, at);
        rig.lmac.medium_mut().inject(injection);
        rig.run(5 * MS);
        let mut data = rig.messages[seen..]
            .iter()
            .filter(|message| message.identity() == 0x0804 && message.0[32] & 0x0C == 8);
        data.next()
            .map(|message| (message.word(4), message.0.len()))
    };
    let whole = 32 + 26 + 8 + 40;
    assert_eq!(hear(&mut rig, sealed(1, false)), Some((0, whole)));
    assert_eq!(hear(&mut rig, sealed(1, false)), None);
    assert_eq!(hear(&mut rig, sealed(2, true)), Some((5, whole)));
    assert_eq!(rig.lmac.counters().rx_mic_failures, 1);
    // The forged number was not taken over.
    assert_eq!(hear(&mut rig, sealed(2, false)), Some((0, whole)));
    let mut noise = sealed(3, false);
    noise[40] ^= 1;
    assert_eq!(hear(&mut rig, noise).map(|seen| seen.0), Some(4));
    rig.assert_clean();
}

#[test]
fn a_key_of_six_octets_is_no_wep_key() {
    assert!(WepKey::new(&[1; 6]).is_none());
    let mut rig = Rig::new(1, ApConfig::open("old", Channel::ht20(6)));
    let mut key = vec![0, 0, 0, 0, 0, 6, 0, 0];
    key.resize(44, 1);
    assert_eq!(rig.status(0x000C, &key), 2);
}
