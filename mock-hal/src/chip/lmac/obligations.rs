//! The obligations of an emulated chip: file 20, section 18, one test each, by number; file 30, section 9, likewise.

use super::script::*;
use super::{LmacConfig, MessageFault, MessageKind};
use crate::chip::wire::{u16_at, u32_at};
use crate::chip::Firmware;
use bes_hal::time::Instant;
use core::time::Duration;

const MS: Duration = Duration::from_millis(1);

#[test]
fn f20_18_01_the_first_message_is_the_startup_indication_with_sequence_0() {
    let host = Host::started();
    let (at, first) = &host.received[0];
    assert_eq!(u16_at(first, 2), 0x0801);
    assert_eq!(first.len(), 152);
    assert_eq!((u16_at(first, 4), u16_at(first, 6)), (30, 1632));
    assert!(at.since(Instant::from_millis(1)) < Duration::from_secs(10));
    assert_eq!(host.received.len(), 1);
}

#[test]
fn f20_18_02_both_classes_count_from_0_in_both_directions() {
    let mut host = Host::started();
    for round in 0..9_u8 {
        let confirm = host.command(0x0006, 0, &[0x03, 0, 4, 0, 9, 0, 0, 0]);
        // The startup indication had 0.
        assert_eq!(confirm[3] >> 5, (round + 1) & 7);
        let confirm = host.command(0x0C27, 0, &[3, 0, 0, 0, 5, 0, 0, 0]);
        assert_eq!(confirm[3] >> 5, round & 7);
    }
    host.assert_clean();
    let mut wrong = host.message(0x0006, 0, &[0x03, 0, 4, 0, 9, 0, 0, 0]);
    wrong[3] ^= 0x20;
    host.lmac.request(&wrong, host.now);
    assert_eq!(host.lmac.violation_count(), 1);
}

#[test]
fn f20_18_03_every_request_is_confirmed_within_3_s_with_an_interface_up_to_2() {
    let mut host = Host::started();
    host.associate();
    let fixed: &[(u16, usize)] = &[
        (0x0005, 4),
        (0x0008, 0),
        (0x000A, 4),
        (0x0010, 4),
        (0x0012, 12),
        (0x0013, 44),
        (0x0018, 4),
        (0x0019, 0),
        (0x001A, 0),
        (0x0022, 4),
        (0x0023, 4),
        (0x0024, 4),
        (0x0029, 12),
    ];
    for (id, len) in fixed {
        let before = host.now;
        let confirm = host.command(*id, 0, &vec![0; *len]);
        assert!(host.now.since(before) < Duration::from_secs(3));
        assert!(u16_at(&confirm, 2) >> 6 & 0x0F <= 2);
        assert_eq!(host.lmac.outstanding(), 0, "{id:#06x}");
    }
    // Also what is wrong: lengths, interfaces, ids.
    assert_eq!(host.status(0x0010, 0, &[0]), 2);
    assert_eq!(host.status(0x0010, 7, &[0; 4]), 2);
    assert_eq!(host.status(0x003F, 0, &[]), 2);
    assert_eq!(host.lmac.outstanding(), 0);
    // A join to nobody is the slowest of all.
    assert_eq!(host.status(0x000A, 0, &[0; 4]), 0);
    let before = host.now;
    assert_eq!(host.status(0x000B, 0, &join(11)), 1);
    assert!(host.now.since(before) < Duration::from_secs(3));
}

#[test]
fn f20_18_04_a_scan_ends_with_exactly_one_indication_also_when_stopped() {
    let mut host = Host::started();
    host.configure();
    host.write_mib(0, 0x1002, &probe_template());
    assert_eq!(host.status(0x0007, 0, &scan(0, &[1, 6, 11], None)), 0);
    host.run(Duration::from_secs(1));
    assert_eq!(host.all(0x0806).len(), 1);
    assert_eq!(host.all(0x0806)[0][4..], [0, 0, 0, 0, 0, 3, 0, 0]);
    assert_eq!(host.status(0x0007, 0, &scan(0, &[1, 6, 11], None)), 0);
    host.run(20 * MS);
    assert_eq!(host.status(0x0008, 0, &[]), 0);
    host.run(Duration::from_secs(1));
    assert_eq!(host.all(0x0806).len(), 2);
    // Refused: none. Stop without a scan: none.
    assert_eq!(host.status(0x0007, 0, &scan(0, &[36, 40], None)), 2);
    assert_eq!(host.status(0x0008, 0, &[]), 0);
    host.run(Duration::from_secs(1));
    assert_eq!(host.all(0x0806).len(), 2);
    host.assert_clean();
}

#[test]
fn f20_18_05_a_channel_switch_ends_with_exactly_one_indication_and_none_if_refused() {
    let mut host = Host::started();
    assert_eq!(host.status(0x0016, 0, &[0xB0, 0, 36, 0]), 0);
    host.run(50 * MS);
    assert_eq!(host.all(0x080A).len(), 1);
    host.assert_clean();
    assert_eq!(host.status(0x0016, 0, &[0x80, 0, 20, 0]), 2);
    host.run(50 * MS);
    assert_eq!(host.all(0x080A).len(), 1);
}

#[test]
fn f20_18_06_power_save_is_answered_by_an_indication_with_bit_0() {
    for mode in [0x01, 0x81] {
        let mut host = Host::new(LmacConfig {
            legacy_ps_answered: true,
            ..LmacConfig::default()
        });
        host.associate();
        assert_eq!(host.status(0x0010, 0, &[mode, 16, 0, 0]), 0);
        host.run(20 * MS);
        let indications = host.all(0x0809);
        assert_eq!(indications.len(), 1);
        assert_eq!(u32_at(indications[0], 4), 0);
        assert_eq!(indications[0][8] & 1, 1);
        host.assert_clean();
    }
}

#[test]
fn f50_3_07_legacy_power_save_is_not_answered_unless_set_so() {
    let mut host = Host::started();
    host.associate();
    assert_eq!(host.status(0x0010, 0, &[0x01, 16, 0, 0]), 0);
    host.run(Duration::from_secs(6));
    assert!(host.all(0x0809).is_empty());
    assert_eq!(host.status(0x0010, 0, &[0x81, 16, 0, 0]), 0);
    host.run(20 * MS);
    assert_eq!(host.all(0x0809).len(), 1);
}

#[test]
fn f20_18_07_configuration_echoes_the_address_in_44_bytes() {
    let mut host = Host::started();
    let confirm = host.command(0x0009, 0, &configuration(STA));
    assert_eq!(confirm.len(), 44);
    assert_eq!(confirm[8..14], STA);
    assert_eq!(host.lmac.medium().station, STA);
    assert_eq!(host.lmac.address(), STA);
    host.assert_clean();
}

#[test]
fn f20_18_08_a_driver_to_mcu_command_is_confirmed_by_16_bytes() {
    let mut host = Host::started();
    let confirm = host.command(0x0C27, 0, &[3, 0, 0, 0, 5, 0, 0, 0]);
    assert_eq!(confirm.len(), 16);
    assert_eq!(u32_at(&confirm, 8), 0x0F);
    assert_ne!(u32_at(&confirm, 12), 0);
    host.assert_clean();
}

#[test]
fn f20_18_09_packet_ids_come_back_bit_by_bit() {
    let mut host = Host::started();
    host.associate();
    let ids = [0, 0xFFFF_FFFF, 0x8765_4321, 0x0FF0_0F0F];
    for id in ids {
        host.transmit(id, 21, &data(true, 1, 10));
    }
    host.run(20 * MS);
    let confirmed: Vec<u32> = host.confirmed().iter().map(|record| record.0).collect();
    assert_eq!(confirmed, ids);
    host.assert_clean();
}

#[test]
fn f20_18_10_received_frames_have_28_bytes_in_front_16_of_them_zero() {
    let mut host = Host::started();
    host.associate();
    let frame = data(false, 5, 100);
    let at = host.now.after(MS);
    host.lmac.medium_mut().hear(at, 6, frame.clone());
    host.run(5 * MS);
    let received = host.all(0x0804);
    let message = received.last().unwrap();
    assert_eq!(message.len(), 32 + frame.len());
    assert_eq!(u32_at(message, 4), 0);
    assert_eq!(u16_at(message, 8), 6);
    assert_eq!((message[10], message[11]), (6, 120));
    assert_eq!(u32_at(message, 12), 1 << 16 | 1 << 11);
    assert!(message[16..32].iter().all(|byte| *byte == 0));
    assert_eq!(message[32..], frame);
}

#[test]
fn f20_18_11_any_length_is_taken_and_only_the_length_counts() {
    let mut host = Host::started();
    host.associate();
    for len in 10..40 {
        host.transmit(len as u32, 21, &data(true, 1, len));
        host.run(10 * MS);
    }
    let lengths: Vec<usize> = host
        .lmac
        .medium()
        .frames()
        .iter()
        .filter(|frame| frame[0] == 0x88)
        .map(|frame| frame.len())
        .collect();
    assert_eq!(lengths, (10..40).map(|len| 34 + len).collect::<Vec<_>>());
    host.assert_clean();
}

#[test]
fn f20_18_12_every_mib_is_taken_and_unknown_ones_get_status_2() {
    let mut host = Host::started();
    let known = [
        0x0000_u16, 0x0001, 0x0002, 0x0003, 0x0004, 0x0005, 0x0006, 0x0007, 0x1000, 0x1001, 0x1002,
        0x1003, 0x1004, 0x1005, 0x1006, 0x1007, 0x1009, 0x100A, 0x100B, 0x100C, 0x100D, 0x100E,
        0x100F, 0x1010, 0x1011, 0x1012, 0x1013, 0x1015, 0x1016, 0x1017, 0x1018, 0x1019, 0x101A,
        0x101B, 0x101C, 0x101D, 0x101E, 0x101F, 0x1020, 0x1021, 0x1022, 0x1023, 0x1024, 0x1025,
        0x1026, 0x1030, 0x1031, 0x1032, 0x1033, 0x1034, 0x1035, 0x1040, 0x1041, 0x1042, 0x1043,
        0x1044, 0x1045,
    ];
    for mib in known {
        // The length is not checked (file 50, section 3, item 8).
        assert_eq!(host.write_mib(0, mib, &[0; 4]), 0, "{mib:#06x}");
        let [low, high] = mib.to_le_bytes();
        let confirm = host.command(0x0005, 0, &[low, high, 0, 0]);
        assert_eq!((u32_at(&confirm, 4), u16_at(&confirm, 8)), (0, mib));
        assert_eq!(usize::from(u16_at(&confirm, 10)), confirm.len() - 12);
    }
    for mib in [0x1008, 0x1014, 0x1027, 0x103F, 0xFFFF] {
        assert_eq!(host.write_mib(0, mib, &[0; 4]), 2);
    }
    assert_eq!(host.write_mib(0, 0x0003, &[9, 0, 0, 0]), 0);
}

#[test]
fn f20_18_13_a_beacon_is_delivered_after_the_join() {
    let mut host = Host::started();
    assert_eq!(host.join(), 0);
    // Even if the host has set its filter before.
    host.write_mib(0, 0x1005, &[7, 0, 0, 0, 0, 0, 0, 0]);
    for beat in 1..4 {
        let at = host.now.after(MS * beat);
        host.lmac.medium_mut().hear(at, 6, beacon(&[]));
    }
    host.run(10 * MS);
    let beacons = host
        .all(0x0804)
        .iter()
        .filter(|message| message[32] == 0x80 && u32_at(message, 12) & 1 << 7 != 0)
        .count();
    assert_eq!(beacons, 1);
    host.assert_clean();
}

#[test]
fn block_ack_frames_are_protected_when_management_frames_are() {
    let key = |kind: u8, index: u8, block: &[u8]| {
        let mut request = vec![kind, index, 0, 0];
        request.extend_from_slice(block);
        request.resize(44, 0);
        request
    };
    let mut pairwise = AP.to_vec();
    pairwise.extend_from_slice(&[0, 0]);
    pairwise.extend_from_slice(&[0x42; 16]);
    let mut igtk = vec![0x77; 16];
    igtk.push(4);
    let asked = |with_igtk: bool| {
        let mut host = Host::started();
        host.associate();
        assert_eq!(host.status(0x000C, 0, &key(5, 0, &pairwise)), 0);
        if with_igtk {
            assert_eq!(host.status(0x000C, 0, &key(8, 1, &igtk)), 0);
        }
        for sequence in 0..6 {
            host.transmit(sequence, 21, &data(true, 100 + sequence as u16, 500));
            host.run(5 * MS);
        }
        let frames = host.lmac.medium().frames();
        let request = frames.into_iter().find(|frame| frame[0] == 0xD0);
        request.expect("the chip asks for block ack").to_vec()
    };
    let clear = asked(false);
    assert_eq!((clear[1] & 0x40, &clear[24..26]), (0, &[3, 0][..]));
    let mut protected = asked(true);
    assert_eq!(protected[1] & 0x40, 0x40);
    assert_eq!(protected.len(), clear.len() + 16);
    let cipher = super::ccmp::CcmpKey::new([0x42; 16]);
    cipher
        .open(&mut protected)
        .expect("the peer's key opens it");
    assert_eq!(protected[32..34], [3, 0]);
}

#[test]
fn f20_18_14_block_ack_is_the_chips_own_business_but_requests_go_up() {
    let mut host = Host::started();
    host.associate();
    for sequence in 0..6 {
        host.transmit(sequence, 21, &data(true, 100 + sequence as u16, 500));
        host.run(5 * MS);
    }
    let request = host
        .lmac
        .medium()
        .frames()
        .into_iter()
        .find(|frame| frame[0] == 0xD0)
        .expect("the chip asks for block ack")
        .to_vec();
    // Category 3, action 0; immediate, TID 0, 64 frames; behind what was sent.
    assert_eq!(request[24..26], [3, 0]);
    assert_eq!(u16_at(&request, 27), 0x1002);
    assert_eq!(u16_at(&request, 31) >> 4, 104);
    let answer = |body: &[u8]| {
        let mut frame = vec![0xD0, 0, 0, 0];
        for address in [STA, AP, AP] {
            frame.extend_from_slice(&address);
        }
        frame.extend_from_slice(&[0, 0, 3]);
        frame.extend_from_slice(body);
        frame
    };
    let seen = host.all(0x0804).len();
    let at = host.now.after(MS);
    let response = answer(&[1, request[26], 0, 0, 0x02, 0x10, 0, 0]);
    host.lmac.medium_mut().hear(at, 6, response);
    host.run(5 * MS);
    assert_eq!(host.lmac.medium().agreements, [(AP, 0, true, 64)]);
    assert_eq!(host.all(0x0804).len(), seen);
    // The other direction: answered by the chip, and forwarded.
    let at = host.now.after(MS);
    let theirs = answer(&[0, 9, 0x02, 0x10, 0, 0, 0, 0]);
    host.lmac.medium_mut().hear(at, 6, theirs.clone());
    host.run(5 * MS);
    assert_eq!(host.all(0x0804).last().unwrap()[32..], theirs);
    assert_eq!(
        host.lmac.medium().agreements.last(),
        Some(&(AP, 0, false, 64))
    );
    let sent = host.lmac.medium().frames();
    assert_eq!(sent.last().unwrap()[24..29], [3, 1, 9, 0, 0]);
    host.assert_clean();
}

#[test]
fn f20_18_15_the_ht_word_does_not_matter_with_a_legacy_rate() {
    for word in [0, 1, 2] {
        let mut host = Host::started();
        host.associate();
        host.write_mib(0, 0x1016, &policy(1, &[(6, 1)]));
        let mut payload = transmit(7, 6, 1, &data(true, 1, 50));
        payload[16] = word;
        host.post(0x0004, 0, &payload);
        host.run(10 * MS);
        let sent = host.lmac.medium().sent.last().unwrap();
        assert_eq!(sent.rate, crate::air::PhyRate::Ofdm(6));
        assert_eq!(host.confirmed().last().unwrap().1, 0);
        host.assert_clean();
    }
}

#[test]
fn f20_18_16_commands_about_a_bss_are_taken_after_its_reset() {
    let mut host = Host::started();
    host.associate();
    assert_eq!(host.status(0x000A, 0, &[0; 4]), 0);
    assert_eq!(host.write_mib(0, 0x1009, &[0x0D, 0, 0, 16]), 0);
    assert_eq!(host.write_mib(0, 0x0003, &[20, 0, 0, 0]), 0);
    let mut template = vec![6, 0xFF, 52, 0];
    template.resize(56, 0);
    assert_eq!(host.write_mib(0, 0x1002, &template), 0);
    assert_eq!(host.status(0x0012, 0, &[0; 12]), 0);
    assert_eq!(host.status(0x0013, 0, &[0; 44]), 0);
    assert_eq!(host.status(0x0C27, 0, &[3, 0, 0, 0, 0, 0, 0, 0]), 0);
    assert_eq!(host.status(0x000A, 0, &[0; 4]), 0);
    host.assert_clean();
}

#[test]
fn f30_9_01_every_frame_is_confirmed_exactly_once_singly_or_together() {
    for multi in [true, false] {
        let mut host = Host::new(LmacConfig {
            multi_confirm: multi,
            ..LmacConfig::default()
        });
        host.associate();
        for id in 0..29 {
            host.transmit(id, 21, &data(true, 1, 100));
        }
        host.run(100 * MS);
        let mut ids: Vec<u32> = host.confirmed().iter().map(|record| record.0).collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..29).collect::<Vec<_>>());
        assert_eq!(host.all(0x041E).is_empty(), !multi);
        assert_eq!(host.lmac.outstanding(), 0);
        host.assert_clean();
    }
}

#[test]
fn f30_9_01_more_messages_than_buffers_are_a_violation() {
    let mut host = Host::started();
    host.associate();
    for id in 0..31 {
        host.transmit(id, 21, &data(true, 1, 100));
    }
    assert_eq!(host.lmac.violation_count(), 1);
    host.run(100 * MS);
    assert_eq!(host.confirmed().len(), 31);
}

#[test]
fn f30_9_02_confirmations_come_within_3_s_even_if_nobody_acknowledges() {
    let mut host = Host::started();
    host.associate();
    host.lmac.medium_mut().deaf = true;
    host.lmac.medium_mut().airtime = Duration::from_millis(20);
    for id in 0..20 {
        host.transmit(id, 21, &data(true, 1, 100));
    }
    let mut last = host.now;
    while host.lmac.outstanding() > 0 {
        let before = host.confirmed().len();
        host.run(100 * MS);
        if host.confirmed().len() > before {
            last = host.now;
        }
        assert!(host.now.since(last) < Duration::from_secs(3));
    }
    assert_eq!(host.confirmed().len(), 20);
    assert!(host
        .confirmed()
        .iter()
        .all(|record| record.1 == 6 || record.1 == 7));
}

#[test]
fn f30_9_03_sequence_counters_are_exact_over_a_long_run() {
    let mut host = Host::started();
    host.associate();
    for id in 0..100 {
        host.transmit(id, 21, &data(true, 1, 100));
        let at = host.now.after(MS);
        host.lmac.medium_mut().hear(at, 6, data(false, 1, 100));
        host.run(5 * MS);
    }
    let mut expected = [0_u8; 2];
    for (_, message) in &host.received {
        let class = usize::from(u16_at(message, 2) & 0x0C00 == 0x0C00);
        assert_eq!(message[3] >> 5, expected[class]);
        expected[class] = (expected[class] + 1) & 7;
    }
    host.assert_clean();
}

#[test]
fn f30_9_04_frames_are_taken_with_and_without_the_shift() {
    let mut host = Host::started();
    host.associate();
    let frame = data(true, 1, 60);
    let mut payload = transmit(1, 21, 0, &frame);
    payload[7] |= 0x80;
    payload.splice(20..20, [0xDE, 0xAD]);
    host.post(0x0004, 0, &payload);
    host.transmit(2, 21, &frame);
    host.run(10 * MS);
    let sent = host.lmac.medium().frames();
    assert_eq!(sent[sent.len() - 2..], [&frame[..], &frame[..]]);
    host.assert_clean();
}

#[test]
fn f30_9_05_the_chip_writes_packet_number_and_mic() {
    let mut host = Host::started();
    host.associate();
    let mut key = vec![5, 0, 0, 0];
    key.extend_from_slice(&AP);
    key.extend_from_slice(&[0, 0]);
    key.extend_from_slice(&[7; 16]);
    key.resize(44, 0);
    assert_eq!(host.status(0x000C, 0, &key), 0);
    let mut frame = data(true, 1, 60);
    frame[1] |= 0x40;
    frame.splice(26..26, [0xEE; 8]);
    frame.extend_from_slice(&[0xEE; 8]);
    for id in 1..3 {
        host.transmit(id, 21, &frame);
    }
    host.run(10 * MS);
    let sent = host.lmac.medium().frames();
    for (number, sent) in (1..3).zip(&sent[sent.len() - 2..]) {
        assert_eq!(sent.len(), frame.len());
        assert_eq!(sent[26..34], [number, 0, 0, 0x20, 0, 0, 0, 0]);
        assert_ne!(sent[sent.len() - 8..], [0xEE; 8]);
        let mut clear = sent.to_vec();
        super::ccmp::CcmpKey::new([7; 16]).open(&mut clear).unwrap();
        assert_eq!(clear[34..clear.len() - 8], frame[34..frame.len() - 8]);
    }
    host.assert_clean();
}

#[test]
fn f30_9_06_scan_results_come_on_interface_2_with_a_signal() {
    let mut host = Host::started();
    host.configure();
    host.write_mib(0, 0x1002, &probe_template());
    assert_eq!(host.status(0x0007, 0, &scan(0, &[6], None)), 0);
    let channel = host.lmac.medium().tuned.last().and_then(|(_, to)| *to);
    assert_eq!(channel.map(|channel| channel.number), Some(6));
    let at = host.now.after(10 * MS);
    host.lmac.medium_mut().hear(at, 6, beacon(&[]));
    host.run(Duration::from_secs(1));
    let probes = &host.lmac.medium().sent;
    assert_eq!(probes.len(), 2);
    assert!(probes
        .iter()
        .all(|sent| sent.channel == channel && sent.frames[0][0] == 0x40));
    let received = host.all(0x0804);
    assert_eq!(received.len(), 1);
    assert_eq!(u16_at(received[0], 2) >> 6 & 0x0F, 2);
    assert_ne!(received[0][11], 0);
    // Station mode: the peer has link id 0.
    assert_eq!(u32_at(received[0], 12) >> 25 & 0x0F, 0);
    host.assert_clean();
}

#[test]
fn f30_9_07_multicast_is_resumed_at_each_dtim_while_a_station_sleeps() {
    let mut host = Host::started();
    host.configure();
    let mut start = vec![0, 0, 6, 0, 0, 0, 0, 0, 100, 0, 0, 0, 2, 1, 100, 4];
    start.extend_from_slice(b"test");
    start.resize(48, 0);
    start.extend_from_slice(&[0x0F, 0, 0, 0]);
    assert_eq!(host.status(0x0017, 0, &start), 0);
    let mut map = vec![4, 4, 4, 4, 4, 4, 0, 1];
    map[0] = 2;
    assert_eq!(host.status(0x001C, 0, &map), 0);
    host.run(Duration::from_secs(1));
    assert!(host.all(0x080C).is_empty());
    // The station sends a null frame with the power bit.
    let mut null = vec![0x48, 0x11, 0, 0];
    for address in [STA, [2, 4, 4, 4, 4, 4], STA] {
        null.extend_from_slice(&address);
    }
    null.extend_from_slice(&[0, 0]);
    let at = host.now.after(MS);
    host.lmac.medium_mut().hear(at, 6, null);
    host.run(Duration::from_millis(820));
    let resumed = host.all(0x080C);
    assert_eq!(resumed.len(), 4);
    assert!(resumed.iter().all(|message| u32_at(message, 4) == 0x9));
    // Its frames come back to be sent again later.
    host.upload_policy();
    let mut payload = transmit(5, 0, 0, &data(true, 1, 30));
    payload[5] = 1 << 2;
    host.post(0x0004, 0, &payload);
    host.run(10 * MS);
    let record = *host.confirmed().last().unwrap();
    assert_eq!((record.0, record.1, record.4 & 2), (5, 11, 2));
    // The link id of the sender goes up with its frames.
    let from_station = host.all(0x0804).last().map(|message| u32_at(message, 12));
    assert_eq!(from_station.unwrap() >> 25 & 0x0F, 1);
    host.assert_clean();
}

#[test]
fn f30_9_08_no_confirmation_has_an_id_the_host_does_not_know() {
    let mut host = Host::started();
    host.associate();
    let known = [
        0x0404, 0x041E, 0x0405, 0x0406, 0x0407, 0x0408, 0x0409, 0x040A, 0x040B, 0x040C, 0x040D,
        0x0410, 0x0411, 0x0412, 0x0413, 0x0416, 0x0417, 0x0418, 0x0419, 0x041A, 0x041B, 0x041C,
        0x0422, 0x0423, 0x0424, 0x0429,
    ];
    for number in 5..0x3F_u16 {
        let before = host.received.len();
        host.post(number, 0, &[0; 40]);
        host.run(Duration::from_secs(1));
        for (_, message) in &host.received[before..] {
            let id = identity(message);
            // A confirmation of a request nobody defined repeats its number; the host asked for it.
            let own = id == number | 0x0400;
            assert!(id & 0x0C00 != 0x0400 || known.contains(&id) || own);
        }
        assert_eq!(host.lmac.outstanding(), 0);
    }
}

#[test]
fn faults_on_demand_reach_the_host() {
    let mut host = Host::started();
    host.lmac
        .fault(MessageKind::ChannelSwitch, MessageFault::Duplicate);
    assert_eq!(host.status(0x0016, 0, &[0x80, 0, 6, 0]), 0);
    host.run(20 * MS);
    assert_eq!(host.all(0x080A).len(), 2);
    host.lmac
        .fault(MessageKind::CommandConfirm, MessageFault::Drop);
    host.post(0x0003, 0, &[]);
    host.run(20 * MS);
    assert!(host.all(0x0403).is_empty());
    host.lmac.inject_raw(vec![3, 0, 1]);
    host.lmac.inject_message(vec![4, 0, 0x3F, 0x08]);
    host.lmac.raise_exception(4);
    host.run(20 * MS);
    let tail: Vec<usize> = host
        .received
        .iter()
        .rev()
        .take(3)
        .map(|m| m.1.len())
        .collect();
    assert_eq!(tail, [128, 4, 3]);
    assert!(host.lmac.is_dead());
    host.post(0x0003, 0, &[]);
    host.run(Duration::from_secs(5));
    assert_eq!(host.received.last().unwrap().1.len(), 128);
}
