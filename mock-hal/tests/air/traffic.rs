//! Throughput: what the figures of 802.11n allow, and what back-pressure does.

use crate::station::{Lab, HT40, MCS7, STATION};
use bes_hal::time::Instant;
use core::time::Duration;
use mock_hal::air::frame::{kind, set_sequence};
use mock_hal::air::{
    Air, AirConfig, ApConfig, ApId, Channel, Downlink, Exchange, Flow, Msdu, Noise, Pace, PhyRate,
    Stamp, Width,
};
use mock_hal::air::{Injection, Meter};
use std::collections::HashSet;

fn unlimited() -> AirConfig {
    AirConfig {
        unlimited: true,
        ..AirConfig::default()
    }
}

fn flow(lab: &mut Lab, ap: ApId, flow: Flow) {
    let now = lab.now;
    lab.air.access_point_mut(ap).start_flow(STATION, flow, now);
}

/// Mbit/s of IP packets that a saturated flow brings.
fn download(config: ApConfig, ht: &[u8; 26], window: u8) -> f64 {
    let (mut lab, ap) = Lab::with(1, config);
    lab.join_with(ap, ht, 0).unwrap();
    let bssid = lab.bssid(ap);
    lab.air.set_block_ack(bssid, 0, false, window);
    flow(&mut lab, ap, Flow::default());
    let mut meter = Meter::default();
    let until = lab.now.after(Duration::from_secs(1));
    while lab.step(until) {
        while let Some(heard) = lab.air.pop_heard() {
            if heard.frame[0] == kind::QOS_DATA {
                meter.count(&heard.frame[34..], heard.at);
            }
            lab.air.recycle(heard.frame);
        }
        lab.air.set_receive_room(64);
    }
    assert_eq!(meter.lost(), 0);
    meter.bits_per_second() / 1e6
}

#[test]
fn a_download_reaches_what_802_11n_allows() {
    // Single frames at 72.2 Mbit/s: 110.5 us of waiting and about 230 us of frame and acknowledgement.
    let single = download(
        ApConfig::open("net", Channel::ht20(36)),
        &crate::station::HT,
        0,
    );
    assert!((31.0..38.0).contains(&single), "{single}");
    let narrow = download(
        ApConfig::open("net", Channel::ht20(36)),
        &crate::station::HT,
        64,
    );
    assert!((62.0..70.0).contains(&narrow), "{narrow}");
    let wide = download(ApConfig::open("net", Channel::ht40(36)), &HT40, 64);
    assert!((122.0..142.0).contains(&wide), "{wide}");
}

#[test]
fn noise_takes_its_share() {
    let (mut lab, ap) = Lab::connected(1, ApConfig::open("net", Channel::ht20(36)));
    lab.air.set_noise(Noise::new(36, 0.5));
    flow(&mut lab, ap, Flow::default());
    let until = lab.now.after(Duration::from_secs(1));
    let mut frames = 0;
    while lab.step(until) {
        while lab.air.pop_heard().is_some() {
            frames += 1;
        }
        lab.air.set_receive_room(64);
    }
    // Without noise about 2900.
    assert!((1100..1800).contains(&frames), "{frames}");
}

#[test]
fn a_flow_waits_when_the_station_has_no_room() {
    for config in [AirConfig::default(), unlimited()] {
        let (mut lab, ap) = Lab::connected(config, ApConfig::open("net", Channel::ht20(36)));
        lab.air.set_receive_room(10);
        flow(&mut lab, ap, Flow::default());
        let data = |lab: &mut Lab| {
            lab.hear_for(Duration::from_millis(100))
                .iter()
                .filter(|heard| heard.frame[0] == kind::QOS_DATA)
                .count()
        };
        assert_eq!(data(&mut lab), 10);
        assert_eq!(data(&mut lab), 0);
        lab.air.set_receive_room(3);
        assert_eq!(data(&mut lab), 3);
        lab.air.access_point_mut(ap).stop_flow(0);
        lab.air.set_receive_room(100);
        assert_eq!(data(&mut lab), 0);
        assert_eq!(lab.air.access_point(ap).flow(0).unwrap().acked, 13);
    }
}

#[test]
fn a_flood_does_not_wait_and_ends_even_without_limits() {
    for config in [AirConfig::default(), unlimited()] {
        flood(config);
    }
}

fn flood(config: AirConfig) {
    let (mut lab, ap) = Lab::connected(config, ApConfig::open("net", Channel::ht20(36)));
    lab.air.set_receive_room(0);
    let flood = Flow {
        pace: Pace::Flood,
        ..Flow::default()
    };
    flow(&mut lab, ap, flood);
    let heard = lab.hear_for(Duration::from_millis(100));
    let data = heard
        .iter()
        .filter(|heard| heard.frame[0] == kind::QOS_DATA);
    assert!((90..400).contains(&data.count()));
}

#[test]
fn a_paced_flow_keeps_its_pace_and_its_latency_is_small() {
    let (mut lab, ap) = Lab::connected(1, ApConfig::open("net", Channel::ht20(36)));
    lab.air.set_receive_room(10_000);
    let paced = Flow {
        number: 5,
        tid: 6,
        octets: 200,
        pace: Pace::Every(Duration::from_millis(20)),
        limit: None,
    };
    flow(&mut lab, ap, paced);
    let mut meter = Meter::default();
    for heard in lab.hear_for(Duration::from_secs(2)) {
        if heard.frame[0] == kind::QOS_DATA {
            assert_eq!(heard.frame[24], 6);
            meter.count(&heard.frame[34..], heard.at);
        }
    }
    assert!((99..=101).contains(&meter.packets));
    assert!(meter.latency_max < Duration::from_millis(3));
    assert_eq!(meter.lost(), 0);
}

#[test]
fn station_and_access_point_share_a_saturated_medium() {
    let (mut lab, ap) = Lab::connected(1, ApConfig::open("net", Channel::ht20(36)));
    flow(&mut lab, ap, Flow::default());
    let until = lab.now.after(Duration::from_millis(500));
    let mut sent = 0;
    while lab.now < until {
        let mut frame = lab.packet(ap, 0, sent);
        set_sequence(&mut frame, (sent & 0xFFF) as u16);
        let exchange = Exchange {
            frames: &[&frame],
            rate: MCS7,
            rts: false,
        };
        lab.now = lab.now.max(lab.air.busy_until());
        let outcome = lab.air.exchange(&exchange, lab.now);
        assert_eq!(outcome.acked, 1);
        lab.now = lab.now.after(outcome.airtime);
        lab.air.advance(lab.now);
        while lab.air.pop_heard().is_some() {}
        lab.air.set_receive_room(64);
        sent += 1;
    }
    let received = lab.air.access_point(ap).flow(0).unwrap().acked;
    let share = received as f64 / sent as f64;
    assert!((0.9..1.1).contains(&share), "down {received}, up {sent}");
}

#[test]
fn without_limits_time_stands_still_while_frames_pass() {
    let (mut lab, ap) = Lab::connected(unlimited(), ApConfig::open("net", Channel::ht20(36)));
    let bssid = lab.bssid(ap);
    lab.air.set_block_ack(bssid, 0, false, 64);
    flow(&mut lab, ap, Flow::default());
    let before = lab.now;
    let mut frames = 0;
    for _ in 0..100 {
        lab.air.set_receive_room(64);
        assert_eq!(lab.air.next_event(), Some(before));
        lab.air.advance(before);
        while let Some(heard) = lab.air.pop_heard() {
            assert_eq!(heard.at, before);
            frames += usize::from(heard.frame[0] == kind::QOS_DATA);
            lab.air.recycle(heard.frame);
        }
    }
    assert_eq!(frames, 6400);
    let frame = lab.packet(ap, 0, 0);
    let exchange = Exchange {
        frames: &[&frame],
        rate: MCS7,
        rts: false,
    };
    let outcome = lab.air.exchange(&exchange, before);
    assert_eq!((outcome.airtime, outcome.acked), (Duration::ZERO, 1));
}

#[test]
fn an_endpoint_answers() {
    let (mut lab, ap) = Lab::connected(1, ApConfig::open("net", Channel::ht20(6)));
    lab.air.access_point_mut(ap).set_endpoint(
        |msdu: &Msdu<'_>, _: Instant, downlink: &mut Downlink| {
            downlink.send(&Msdu {
                destination: msdu.source,
                source: msdu.destination,
                ..*msdu
            });
        },
    );
    let frame = lab.packet(ap, 5, 77);
    assert!(lab.send(&frame));
    let echo = lab.hear(kind::QOS_DATA).unwrap().frame;
    assert_eq!(echo[24], 5);
    assert_eq!(Stamp::of_packet(&echo[34..]).unwrap().sequence, 77);
}

#[test]
fn a_wide_ppdu_is_lost_on_a_narrow_channel() {
    let (mut lab, ap) = Lab::connected(1, ApConfig::open("net", Channel::ht20(36)));
    lab.rate = PhyRate::Ht {
        mcs: 0,
        width: Width::Ht40,
        short_gi: false,
    };
    let frame = lab.packet(ap, 0, 0);
    assert!(!lab.send(&frame));
    lab.rate = PhyRate::Cck(2);
    assert!(!lab.send(&frame));
    lab.rate = MCS7;
    assert!(lab.send(&frame));
}

#[test]
fn full_rate_needs_few_steps_and_no_new_memory() {
    let (mut lab, ap) = Lab::with(1, ApConfig::open("net", Channel::ht40(36)));
    lab.join_with(ap, &HT40, 0).unwrap();
    let bssid = lab.bssid(ap);
    lab.air.set_block_ack(bssid, 0, false, 64);
    flow(&mut lab, ap, Flow::default());
    let until = lab.now.after(Duration::from_secs(10));
    let (mut frames, mut steps) = (0, 0);
    let mut buffers = HashSet::new();
    while lab.step(until) {
        steps += 1;
        while let Some(heard) = lab.air.pop_heard() {
            frames += 1;
            buffers.insert(heard.frame.as_ptr());
            lab.air.recycle(heard.frame);
        }
        lab.air.set_receive_room(64);
    }
    assert!(frames > 100_000);
    // An A-MPDU costs two steps: it begins and it is heard.
    assert!(steps < frames / 5, "{steps} steps for {frames} frames");
    assert!(buffers.len() < 300, "{} buffers", buffers.len());
}

#[test]
fn what_is_injected_is_heard_unchanged_and_what_is_recorded_is_acknowledged() {
    let mut air = Air::new(1);
    let peer = [0x02, 0, 0, 0, 0, 0];
    air.set_station_address(STATION);
    air.tune(Some(Channel::ht20(6)), Instant::ZERO);
    air.record(peer);
    let frame: Vec<u8> = (0..200).collect();
    air.inject(Injection::new(frame.clone(), 6, Instant::from_millis(3)));
    air.inject(Injection::new(vec![9; 50], 11, Instant::from_millis(2)));
    assert_eq!(air.next_event(), Some(Instant::from_millis(2)));
    air.advance(Instant::from_millis(10));
    let heard = air.pop_heard().unwrap();
    assert_eq!(heard.frame, frame);
    assert!(heard.at > Instant::from_millis(3));
    assert_eq!(air.pop_heard(), None);

    let mut up = vec![0x08, 1, 0, 0];
    up.extend_from_slice(&peer);
    up.extend_from_slice(&[7; 40]);
    let exchange = Exchange {
        frames: &[&up, &up],
        rate: MCS7,
        rts: false,
    };
    assert_eq!(air.exchange(&exchange, Instant::from_millis(10)).acked, 3);
    let recorded = air.pop_recorded().unwrap();
    assert_eq!((recorded.frame, recorded.ampdu), (up, true));
}
