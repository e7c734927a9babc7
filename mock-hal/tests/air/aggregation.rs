//! Block ack agreements and A-MPDUs, both ways.

use crate::station::{Lab, MCS7, STATION};
use core::time::Duration;
use mock_hal::air::block_ack::Action;
use mock_hal::air::frame::{kind, set_sequence, Mpdu, RETRY};
use mock_hal::air::{ApConfig, ApId, Channel, Exchange, Flow, Heard};

fn config() -> ApConfig {
    ApConfig::open("net", Channel::ht20(6))
}

/// Answers the access point's request for an agreement.
fn accept(lab: &mut Lab, ap: ApId, status: u16) {
    let request = lab.hear(kind::ACTION).unwrap().frame;
    let Some(Action::Request {
        token,
        tid,
        window,
        start,
        ..
    }) = Action::parse(&request[24..])
    else {
        panic!("not a request: {request:02x?}");
    };
    assert_eq!((tid, window, start), (0, 64, 4));
    let answer = Action::Response {
        token,
        status,
        tid,
        window: 16,
        timeout: 0,
    };
    assert!(lab.action(ap, answer));
}

fn start(lab: &mut Lab, ap: ApId) {
    let now = lab.now;
    lab.air
        .access_point_mut(ap)
        .start_flow(STATION, Flow::default(), now);
}

fn data(heard: Vec<Heard>) -> Vec<Heard> {
    heard
        .into_iter()
        .filter(|heard| heard.frame[0] == kind::QOS_DATA)
        .collect()
}

#[test]
fn the_access_point_asks_after_a_few_frames_and_aggregates_only_when_it_may() {
    let (mut lab, ap) = Lab::connected(1, config());
    lab.air.set_receive_room(10_000);
    start(&mut lab, ap);
    accept(&mut lab, ap, 0);
    assert_eq!(
        lab.air
            .access_point(ap)
            .station(STATION)
            .unwrap()
            .tx_agreements,
        1
    );
    let heard = data(lab.hear_for(Duration::from_millis(20)));
    let whole: Vec<&Heard> = heard.iter().filter(|heard| heard.ampdu).collect();
    assert!(whole.len() > 30);
    let mut length = 0;
    for heard in whole {
        length += 1;
        assert_eq!(heard.first_of_ampdu, length == 1);
        if heard.last_of_ampdu {
            // The window of the answer.
            assert_eq!(length, 16);
            length = 0;
        }
    }
}

#[test]
fn without_an_agreement_frames_come_one_by_one() {
    let (mut lab, ap) = Lab::connected(1, config());
    lab.air.set_receive_room(10_000);
    start(&mut lab, ap);
    accept(&mut lab, ap, 37);
    let heard = data(lab.hear_for(Duration::from_millis(50)));
    assert!(heard.len() > 50);
    assert!(heard.iter().all(|heard| !heard.ampdu));
    // Declined for good: it does not ask again.
    let more = lab.hear_for(Duration::from_millis(50));
    assert!(more.iter().all(|heard| heard.frame[0] != kind::ACTION));
}

#[test]
fn an_agreement_that_the_radio_reports_counts_and_its_end_too() {
    let (mut lab, ap) = Lab::connected(1, config());
    let bssid = lab.bssid(ap);
    lab.air.set_receive_room(10_000);
    lab.air.set_block_ack(bssid, 0, false, 8);
    start(&mut lab, ap);
    let heard = data(lab.hear_for(Duration::from_millis(20)));
    assert!(heard.iter().all(|heard| heard.ampdu) && !heard.is_empty());
    lab.air.set_block_ack(bssid, 0, false, 0);
    let heard = data(lab.hear_for(Duration::from_millis(20)));
    assert!(heard[8..].iter().all(|heard| !heard.ampdu));
}

#[test]
fn lost_frames_of_an_ampdu_come_again_with_the_retry_bit_and_all_arrive() {
    let (mut lab, ap) = Lab::connected(3, config());
    let bssid = lab.bssid(ap);
    lab.air.set_receive_room(10_000);
    lab.air.set_loss(0.2);
    lab.air.set_block_ack(bssid, 0, false, 64);
    start(&mut lab, ap);
    let heard = data(lab.hear_for(Duration::from_millis(300)));
    let mut sequences: Vec<u16> = Vec::new();
    let mut retries = 0;
    for heard in &heard {
        let mpdu = Mpdu::parse(&heard.frame).unwrap();
        sequences.push(mpdu.sequence());
        retries += usize::from(mpdu.has(RETRY));
    }
    assert!(retries > heard.len() / 8);
    let ordered = sequences.windows(2).all(|pair| pair[0] < pair[1]);
    assert!(!ordered, "losses must change the order");
    sequences.sort_unstable();
    // No holes, besides those at the end whose retries are still to come.
    let known = sequences.len() - 64;
    assert!(sequences[..known]
        .windows(2)
        .all(|pair| pair[1] == pair[0] + 1));
}

#[test]
fn an_uplink_ampdu_needs_an_agreement() {
    let (mut lab, ap) = Lab::connected(1, config());
    lab.rate = MCS7;
    let mut frames: Vec<Vec<u8>> = (0..8).map(|number| lab.packet(ap, 0, number)).collect();
    for (number, frame) in frames.iter_mut().enumerate() {
        set_sequence(frame, 100 + number as u16);
    }
    let all: Vec<&[u8]> = frames.iter().map(|frame| &frame[..]).collect();
    let exchange = Exchange {
        frames: &all,
        rate: MCS7,
        rts: false,
    };
    lab.now = lab.now.max(lab.air.busy_until());
    assert_eq!(lab.air.exchange(&exchange, lab.now).acked, 0);
    assert_eq!(lab.air.access_point(ap).counters().unagreed_ampdus, 8);

    lab.now = lab.air.busy_until();
    assert!(lab.action(
        ap,
        Action::Request {
            token: 9,
            tid: 0,
            window: 64,
            timeout: 0,
            start: 100,
        }
    ));
    let answer = lab.hear(kind::ACTION).unwrap().frame;
    assert_eq!(
        Action::parse(&answer[24..]),
        Some(Action::Response {
            token: 9,
            status: 0,
            tid: 0,
            window: 64,
            timeout: 0
        })
    );
    let outcome = lab
        .air
        .exchange(&exchange, lab.now.max(lab.air.busy_until()));
    assert_eq!(outcome.acked, 0xFF);
    let meter = lab.air.access_point(ap).meter(1);
    assert_eq!((meter.packets, meter.out_of_order), (8, 0));
}

#[test]
fn holes_are_put_in_order_and_duplicates_counted() {
    let (mut lab, ap) = Lab::connected(1, config());
    let bssid = lab.bssid(ap);
    lab.air.set_block_ack(bssid, 0, true, 64);
    for number in [0, 2, 3, 1, 1, 4] {
        let mut frame = lab.packet(ap, 0, number);
        set_sequence(&mut frame, 500 + number as u16);
        assert!(lab.send_as_it_is(frame));
    }
    let meter = lab.air.access_point(ap).meter(1);
    assert_eq!((meter.packets, meter.out_of_order, meter.lost()), (5, 0, 0));
    assert_eq!(lab.air.access_point(ap).counters().duplicates, 1);
    // A hole that is never filled is given up after 100 ms.
    let mut frame = lab.packet(ap, 0, 6);
    set_sequence(&mut frame, 506);
    assert!(lab.send_as_it_is(frame));
    assert_eq!(lab.air.access_point(ap).meter(1).packets, 5);
    lab.hear_for(Duration::from_millis(110));
    assert_eq!(lab.air.access_point(ap).meter(1).packets, 6);
}

#[test]
fn a_teardown_by_the_station_ends_aggregation() {
    let (mut lab, ap) = Lab::connected(1, config());
    lab.air.set_receive_room(10_000);
    start(&mut lab, ap);
    accept(&mut lab, ap, 0);
    lab.hear_for(Duration::from_millis(5));
    assert!(lab.action(
        ap,
        Action::Delete {
            tid: 0,
            from_originator: false,
            reason: 39,
        }
    ));
    let heard = data(lab.hear_for(Duration::from_millis(20)));
    assert!(heard.iter().skip(32).all(|heard| !heard.ampdu));
}
