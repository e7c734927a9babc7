//! The firmware against the whole air: scan, join, keys, traffic, power save and loss, driven by raw WSM messages.

mod ailments;
mod dozing;
mod ends;
mod legacy;
mod network;
mod rig;

use core::time::Duration;
use mock_hal::air::{AirConfig, ApConfig, Channel, Flow, Injection, Pace};
use mock_hal::chip::lmac::LinkState;
use pcap_file::pcap::PcapReader;
use rig::{Rig, STATION};
use std::io::Cursor;

const MS: Duration = Duration::from_millis(1);

fn open() -> ApConfig {
    ApConfig::open("open", Channel::ht20(6))
}

fn wpa2() -> ApConfig {
    ApConfig::wpa2("closed", Channel::ht20(6), "correct horse")
}

#[test]
fn a_scan_finds_the_access_point_and_ends() {
    let mut rig = Rig::new(1, open());
    let mut scan = vec![0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 0, 100];
    for channel in [1, 6] {
        scan.extend_from_slice(&[channel, 0, 0, 0, 50, 0, 0, 0, 110, 0, 0, 0, 0, 0, 0, 0]);
    }
    assert_eq!(rig.status(0x0007, &scan), 0);
    let seen = 0;
    let result = rig
        .wait(seen, |message| message.identity() == 0x0804)
        .expect("the access point answers");
    assert_eq!(result.0[32..34], [0x50, 0]);
    assert_eq!(result.0[8..10], [6, 0]);
    // -45 dBm.
    assert_eq!(result.0[11], 130);
    assert!(rig
        .wait(seen, |message| message.identity() == 0x0806)
        .is_some());
    rig.assert_clean();
}

#[test]
fn an_open_network_is_joined_and_data_passes_in_both_directions() {
    let mut rig = Rig::new(1, open());
    rig.connect();
    assert!(matches!(
        rig.lmac.link(0),
        Some(LinkState::Joined {
            aid: 1..,
            lost: false,
            ..
        })
    ));
    rig.count_only = true;
    let now = rig.now;
    let ap = rig.ap;
    let flow = Flow {
        limit: Some(500),
        ..Flow::default()
    };
    rig.lmac
        .medium_mut()
        .access_point_mut(ap)
        .start_flow(STATION, flow, now);
    rig.upload(Duration::from_secs(1));
    rig.run(Duration::from_secs(1));
    let counters = rig.lmac.medium().access_point(ap).counters();
    let meter = rig.lmac.medium().access_point(ap).meter(1);
    assert_eq!(rig.counted.0, 500);
    assert_eq!((rig.failed, rig.in_flight), (0, 0));
    assert_eq!((meter.lost(), meter.duplicates), (0, 0));
    assert!(meter.packets > 1000, "{meter:?}");
    assert_eq!(counters.unagreed_ampdus, 0);
    assert!(rig.lmac.counters().tx_aggregates > 10);
    // One agreement in each direction.
    assert_eq!(rig.lmac.counters().block_ack_agreements, 2);
    rig.assert_clean();
}

#[test]
fn neither_direction_starves_the_other() {
    let mut rig = Rig::new(1, open());
    rig.connect();
    rig.count_only = true;
    let (now, ap) = (rig.now, rig.ap);
    rig.lmac
        .medium_mut()
        .access_point_mut(ap)
        .start_flow(STATION, Flow::default(), now);
    rig.upload(Duration::from_secs(2));
    let up = rig.lmac.medium().access_point(ap).meter(1).octets as f64;
    let down = rig.counted.1 as f64;
    assert!(up / down > 0.5 && down / up > 0.5, "{up} {down}");
    rig.assert_clean();
}

#[test]
fn a_wpa2_network_is_joined_and_the_chip_encrypts_and_decrypts() {
    let mut rig = Rig::new(1, wpa2());
    rig.connect();
    let (now, ap) = (rig.now, rig.ap);
    assert_eq!(rig.lmac.medium().access_point(ap).counters().handshakes, 1);
    let flow = Flow {
        limit: Some(3),
        pace: Pace::Every(10 * MS),
        ..Flow::default()
    };
    rig.lmac
        .medium_mut()
        .access_point_mut(ap)
        .start_flow(STATION, flow, now);
    let seen = rig.messages.len();
    rig.run(Duration::from_millis(200));
    let data: Vec<_> = rig.messages[seen..]
        .iter()
        .filter(|message| message.identity() == 0x0804 && message.0[32] == 0x88)
        .collect();
    assert_eq!(data.len(), 3);
    for message in data {
        // Decrypted and stripped, protected bit still there, LLC/SNAP right behind the header.
        assert_eq!(message.word(12) & 7, 7);
        assert_eq!(message.0[33] & 0x40, 0x40);
        assert_eq!(message.0[58..66], [0xAA, 0xAA, 3, 0, 0, 0, 8, 0]);
        assert_eq!(message.0.len(), 32 + 26 + 8 + 1500);
    }
    rig.count_only = true;
    rig.upload(Duration::from_millis(500));
    rig.run(Duration::from_millis(500));
    let access_point = rig.lmac.medium().access_point(ap);
    let counters = access_point.counters();
    assert_eq!((counters.undecryptable, counters.replays), (0, 0));
    assert!(access_point.meter(1).packets > 500);
    assert_eq!(access_point.meter(1).lost(), 0);
    rig.assert_clean();
}

#[test]
fn lost_frames_are_sent_again_and_none_is_lost_or_doubled() {
    let mut rig = Rig::new(
        AirConfig {
            loss: 0.1,
            ack_loss: 0.05,
            ..AirConfig::default()
        },
        open(),
    );
    rig.connect();
    rig.count_only = true;
    rig.upload(Duration::from_secs(2));
    rig.run(Duration::from_secs(1));
    let ap = rig.ap;
    let meter = rig.lmac.medium().access_point(ap).meter(1);
    assert_eq!(rig.in_flight, 0);
    assert!(rig.lmac.counters().tx_retried > 50);
    // With nine tries a frame is hardly ever given up; what was confirmed as sent did arrive.
    assert!(meter.lost() <= rig.failed, "{meter:?} {}", rig.failed);
    assert_eq!(meter.duplicates, 0);
    rig.assert_clean();
}

#[test]
fn a_vanished_access_point_is_reported_and_so_is_its_return() {
    let mut rig = Rig::new(1, open());
    rig.connect();
    let ap = rig.ap;
    let seen = rig.messages.len();
    rig.lmac
        .medium_mut()
        .access_point_mut(ap)
        .set_present(false);
    rig.run(Duration::from_secs(6));
    let events = |rig: &Rig| -> Vec<u32> {
        rig.messages[seen..]
            .iter()
            .filter(|message| message.identity() == 0x0805)
            .map(|message| message.word(4))
            .collect()
    };
    assert_eq!(events(&rig), [1]);
    rig.lmac.medium_mut().access_point_mut(ap).set_present(true);
    rig.run(Duration::from_secs(1));
    assert_eq!(events(&rig), [1, 2]);
    rig.assert_clean();
}

#[test]
fn in_power_save_the_access_point_buffers_and_the_chip_fetches() {
    for mode in [0x01, 0x81] {
        let mut rig = Rig::new(1, open());
        rig.connect();
        assert_eq!(rig.status(0x0010, &[mode, 16, 0, 0]), 0);
        rig.run(20 * MS);
        let (now, ap) = (rig.now, rig.ap);
        let dozing = |rig: &Rig| {
            let view = rig.lmac.medium().access_point(ap).station(STATION);
            view.is_some_and(|view| view.dozing)
        };
        assert!(dozing(&rig));
        let flow = Flow {
            limit: Some(5),
            pace: Pace::Every(MS),
            ..Flow::default()
        };
        rig.count_only = true;
        rig.lmac
            .medium_mut()
            .access_point_mut(ap)
            .start_flow(STATION, flow, now);
        rig.run(Duration::from_secs(1));
        assert_eq!(rig.counted.0, 5, "mode {mode:#04x}");
        assert!(dozing(&rig));
        assert_eq!(rig.status(0x0010, &[0, 16, 0, 0]), 0);
        rig.run(20 * MS);
        assert!(!dozing(&rig));
        rig.assert_clean();
    }
}

#[test]
fn a_background_scan_while_joined_loses_nothing() {
    let mut rig = Rig::new(1, open());
    rig.connect();
    rig.count_only = true;
    let (now, ap) = (rig.now, rig.ap);
    let flow = Flow {
        limit: Some(200),
        pace: Pace::Every(MS),
        ..Flow::default()
    };
    rig.lmac
        .medium_mut()
        .access_point_mut(ap)
        .start_flow(STATION, flow, now);
    let mut scan = vec![0, 1, 1, 0, 0, 0, 0, 0, 2, 1, 0, 100];
    scan.extend_from_slice(&[1, 0, 0, 0, 10, 0, 0, 0, 25, 0, 0, 0, 0, 0, 0, 0]);
    let seen = rig.messages.len();
    assert_eq!(rig.status(0x0007, &scan), 0);
    rig.run(Duration::from_secs(1));
    let completed = rig.messages[seen..]
        .iter()
        .filter(|message| message.identity() == 0x0806)
        .count();
    assert_eq!(completed, 1);
    assert_eq!(rig.counted.0, 200);
    rig.assert_clean();
}

/// The frames of a capture of a stock access point and a stock station, without radiotap headers.
fn captured() -> Vec<Vec<u8>> {
    let bytes: &[u8] = include_bytes!("../data/open-2g4-ht20-excerpt.pcap");
    let mut reader = PcapReader::new(Cursor::new(bytes)).unwrap();
    let mut frames = Vec::new();
    while let Some(packet) = reader.next_packet() {
        let data = packet.unwrap().data.into_owned();
        let header = usize::from(u16::from_le_bytes([data[2], data[3]]));
        frames.push(data[header..].to_vec());
    }
    frames
}

#[test]
fn a_real_capture_passes_byte_for_byte_in_both_directions() {
    const STOCK_AP: [u8; 6] = [2, 0, 0, 0, 0, 0];
    const STOCK_STATION: [u8; 6] = [2, 0, 0, 0, 1, 0];
    let frames = captured();
    let mut rig = Rig::new(1, ApConfig::open("elsewhere", Channel::ht20(1)));
    rig.lmac.config_mut().negotiate_block_ack = false;
    rig.configure(0, STOCK_STATION);
    rig.lmac.medium_mut().record(STOCK_AP);
    let beacon = frames.iter().find(|frame| frame[0] == 0x80).unwrap();
    let at = rig.now.after(5 * MS);
    let injection = Injection::new(beacon.clone(), 6, at);
    rig.lmac.medium_mut().inject(injection);
    assert_eq!(rig.join_bss(6, STOCK_AP, b"bes-lab"), 0);
    let (mut up, mut down) = (0, 0);
    for frame in frames.iter().filter(|frame| frame[0] & 0x0C != 0x04) {
        while rig.lmac.medium_mut().pop_recorded().is_some() {}
        if frame[10..16] == STOCK_AP {
            let seen = rig.messages.len();
            let at = rig.now.after(MS);
            rig.lmac
                .medium_mut()
                .inject(Injection::new(frame.clone(), 6, at));
            rig.run(5 * MS);
            let received: Vec<&[u8]> = rig.messages[seen..]
                .iter()
                .filter(|message| message.identity() == 0x0804)
                .map(|message| &message.0[32..])
                .collect();
            assert_eq!(received, [frame.as_slice()]);
            up += 1;
        } else {
            rig.transmit(6, frame);
            rig.run(5 * MS);
            let recorded = rig.lmac.medium_mut().pop_recorded().map(|sent| sent.frame);
            assert_eq!(recorded.as_ref(), Some(frame));
            down += 1;
        }
    }
    assert!(up > 3 && down > 3, "{up} {down}");
    assert_eq!(rig.failed, 0);
    rig.assert_clean();
}
