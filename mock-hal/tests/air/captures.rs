//! Frames of a stock access point and a stock station, captured from the radio interface of Linux: what was written
//! here must read them, and what is sent here must look like them.

use crate::station::{Lab, STATION};
use bes_hal::time::Instant;
use core::time::Duration;
use mock_hal::air::block_ack::Action;
use mock_hal::air::elements::{id, Elements, HtPeer, WMM};
use mock_hal::air::frame::{kind, management, set_sequence, Mpdu};
use mock_hal::air::{ApConfig, Channel, StationState};
use pcap_file::pcap::PcapReader;
use std::io::{Cursor, Write};
use std::sync::{Arc, Mutex};

const STOCK_AP: [u8; 6] = [2, 0, 0, 0, 0, 0];
const STOCK_STATION: [u8; 6] = [2, 0, 0, 0, 1, 0];

/// The frames of a capture, without radiotap header.
fn frames_of(pcap: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = PcapReader::new(Cursor::new(pcap)).unwrap();
    let mut frames = Vec::new();
    while let Some(packet) = reader.next_packet() {
        let data = packet.unwrap().data.into_owned();
        let header = usize::from(u16::from_le_bytes([data[2], data[3]]));
        frames.push(data[header..].to_vec());
    }
    frames
}

fn frames() -> Vec<Vec<u8>> {
    frames_of(include_bytes!("../data/open-2g4-ht20-excerpt.pcap"))
}

fn first(wanted: u8) -> Vec<u8> {
    frames()
        .into_iter()
        .find(|frame| frame[0] == wanted)
        .unwrap()
}

fn ids(body: &[u8]) -> Vec<u8> {
    Elements::new(body).map(|(id, _)| id).collect()
}

#[test]
fn our_beacon_and_probe_response_have_the_elements_of_a_stock_one_in_its_order() {
    let (mut lab, _) = Lab::with(1, ApConfig::open("bes-lab", Channel::ht20(6)));
    let ours = lab.hear(kind::BEACON).unwrap().frame;
    let stock = first(kind::BEACON);
    // Operating classes are the only thing that is left out.
    let expected: Vec<u8> = ids(&stock[36..])
        .into_iter()
        .filter(|&id| id != 59)
        .collect();
    assert_eq!(ids(&ours[36..]), expected);
    // Interval and capabilities (stock: privacy off, short slots).
    assert_eq!(ours[32..34], stock[32..34]);
    let (ours, stock) = (Elements::new(&ours[36..]), Elements::new(&stock[36..]));
    for element in [id::SSID, id::RATES, id::DS, id::EXTENDED_RATES] {
        assert_eq!(
            ours.content(element),
            stock.content(element),
            "element {element}"
        );
    }
    // WMM: parameters of the four categories.
    assert_eq!(
        ours.find_vendor(&WMM).unwrap()[4..],
        stock.find_vendor(&WMM).unwrap()[4..]
    );
    assert_eq!(
        ours.content(id::HT_OPERATION),
        stock.content(id::HT_OPERATION)
    );
}

#[test]
fn the_association_of_a_stock_station_is_understood() {
    let (mut lab, ap) = Lab::with(
        1,
        ApConfig {
            bssid: STOCK_AP,
            ..ApConfig::open("bes-lab", Channel::ht20(6))
        },
    );
    lab.air.set_station_address(STOCK_STATION);
    let mut authentication = first(kind::AUTHENTICATION);
    set_sequence(&mut authentication, 1);
    assert!(lab.send_as_it_is(authentication));
    lab.hear_for(Duration::from_millis(20));
    assert!(lab.send_as_it_is(first(kind::ASSOCIATION_REQUEST)));
    lab.hear_for(Duration::from_millis(20));
    let view = lab.air.access_point(ap).station(STOCK_STATION).unwrap();
    assert_eq!(view.state, StationState::Authorized);
    // Its own request for a block ack agreement, byte for byte.
    let request = frames()
        .into_iter()
        .find(|frame| frame[0] == kind::ACTION && frame[25] == 0 && frame[10..16] == STOCK_STATION);
    if let Some(request) = request {
        assert!(lab.send_as_it_is(request));
        let view = lab.air.access_point(ap).station(STOCK_STATION).unwrap();
        assert_ne!(view.rx_agreements, 0);
    }
}

#[test]
fn our_association_response_looks_like_a_stock_one() {
    let (mut lab, ap) = Lab::with(1, ApConfig::open("bes-lab", Channel::ht20(6)));
    lab.authenticate(ap).unwrap();
    let wmm = [0x00, 0x50, 0xF2, 0x02, 0, 1, 0];
    let ht = HtPeer::parse(
        Elements::new(&first(kind::ASSOCIATION_REQUEST)[28..])
            .content(45)
            .unwrap(),
    );
    assert_eq!(ht.unwrap().mcs, 7);
    let bssid = lab.bssid(ap);
    let mut request = management(kind::ASSOCIATION_REQUEST, bssid, STATION, bssid);
    request.extend_from_slice(&first(kind::ASSOCIATION_REQUEST)[24..]);
    assert!(lab.send(&request));
    let ours = lab.hear(kind::ASSOCIATION_RESPONSE).unwrap().frame;
    let stock = first(kind::ASSOCIATION_RESPONSE);
    // Capabilities, status, association id.
    assert_eq!(ours[26..30], stock[26..30]);
    // The BSS maximum idle period is the only thing that is left out.
    let expected: Vec<u8> = ids(&stock[30..])
        .into_iter()
        .filter(|&id| id != 90)
        .collect();
    assert_eq!(ids(&ours[30..]), expected);
    assert_eq!(wmm[..4], WMM);
}

#[test]
fn block_ack_actions_of_both_stock_sides_are_read_and_written_alike() {
    let mut seen = 0;
    for frame in frames().iter().filter(|frame| frame[0] == kind::ACTION) {
        let body = &frame[24..];
        let action = Action::parse(body).unwrap();
        match action {
            Action::Request {
                tid,
                window,
                timeout,
                ..
            } => assert_eq!((tid, window, timeout), (0, 64, 0)),
            Action::Response {
                status,
                tid,
                window,
                ..
            } => assert_eq!((status, tid, window), (0, 0, 64)),
            Action::Delete { .. } => panic!("no teardown was captured"),
        }
        // The stock ones permit A-MSDUs inside A-MPDUs (bit 0 of the parameters); ours never do.
        let mut written = management(kind::ACTION, STOCK_AP, STOCK_STATION, STOCK_AP);
        action.append(&mut written);
        let parameters = if body[1] == 0 { 3 } else { 5 };
        let mut expected = body.to_vec();
        expected[parameters] &= !1;
        assert_eq!(written[24..24 + expected.len()], expected);
        seen += 1;
    }
    assert!(seen >= 2);
}

#[test]
fn every_header_of_the_capture_is_understood() {
    for frame in frames() {
        match Mpdu::parse(&frame) {
            Some(mpdu) => assert!(mpdu.header_len() <= frame.len()),
            None => assert_eq!(frame[0], kind::ACK),
        }
    }
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_air_writes_what_it_carries_to_a_capture_file() {
    let out = Shared::default();
    let (mut lab, ap) = Lab::with(1, ApConfig::open("bes-lab", Channel::ht20(6)));
    lab.air.set_capture(Box::new(out.clone()));
    lab.join(ap).unwrap();
    let kinds: Vec<u8> = frames_of(&out.0.lock().unwrap())
        .iter()
        .map(|frame| frame[0])
        .filter(|&first| first != kind::BEACON)
        .collect();
    assert_eq!(kinds, [0xB0, 0xB0, 0x00, 0x10]);
    assert!(lab.now > Instant::ZERO);
}
