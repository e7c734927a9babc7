//! The firmware's part of the six candidates of file 50, section 4: exactly the symptoms that stand there, on the wire.

use crate::rig::{Rig, STATION};
use core::time::Duration;
use mock_hal::air::{ApConfig, Channel, Flow, Pace};
use mock_hal::chip::lmac::{Ailments, EventLeak, Exhaustion, SlowScans};
use mock_hal::chip::Firmware;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn connected() -> Rig {
    let mut rig = Rig::new(1, ApConfig::open("open", Channel::ht20(6)));
    rig.connect();
    rig
}

fn ill(rig: &mut Rig, ailments: Ailments) {
    rig.lmac.set_ailments(ailments);
}

/// A packet every 2 ms from now on.
fn download(rig: &mut Rig) {
    let (now, ap) = (rig.now, rig.ap);
    let flow = Flow {
        pace: Pace::Every(2 * MS),
        ..Flow::default()
    };
    let access_point = rig.lmac.medium_mut().access_point_mut(ap);
    access_point.start_flow(STATION, flow, now);
}

/// A background scan of channel 6, away for 25 TU.
fn background_scan() -> Vec<u8> {
    let mut scan = vec![0, 1, 1, 0, 0, 0, 0, 0, 2, 1, 0, 100];
    scan.extend_from_slice(&[1, 0, 0, 0, 10, 0, 0, 0, 25, 0, 0, 0, 0, 0, 0, 0]);
    scan
}

fn received(rig: &mut Rig, time: Duration) -> u64 {
    let before = rig.counted.0;
    rig.count_only = true;
    rig.run(time);
    rig.count_only = false;
    rig.counted.0 - before
}

fn events(rig: &Rig, seen: usize) -> Vec<u32> {
    rig.messages[seen..]
        .iter()
        .filter(|message| message.identity() == 0x0805)
        .map(|message| message.word(4))
        .collect()
}

fn completed(rig: &Rig, seen: usize) -> usize {
    let scans = rig.messages[seen..].iter();
    scans.filter(|message| message.identity() == 0x0806).count()
}

/// Candidate 1: refusals start at a fixed count, data crawls when nothing is left, a chip restart heals.
#[test]
fn f50_4_1_an_exhausted_firmware_refuses_scans_from_a_fixed_count_until_it_is_restarted() {
    for _ in 0..2 {
        let mut rig = connected();
        let exhaustion = Exhaustion {
            units: 6,
            reserve: 2,
            ..Exhaustion::default()
        };
        ill(
            &mut rig,
            Ailments {
                exhaustion: Some(exhaustion),
                ..Ailments::default()
            },
        );
        download(&mut rig);
        let healthy = received(&mut rig, SECOND);
        assert!((490..=510).contains(&healthy), "{healthy}");
        let mut statuses = Vec::new();
        for _ in 0..6 {
            statuses.push(rig.status(0x0007, &background_scan()));
            rig.run(200 * MS);
        }
        assert_eq!(statuses, [0, 0, 0, 0, 1, 1]);
        assert_eq!(rig.lmac.units_left(), Some(0));
        // 600 octets per second are one packet of 1500 in two and a half.
        let crawling = received(&mut rig, 20 * SECOND);
        assert!((5..=10).contains(&crawling), "{crawling}");
        // And the chip is still joined, with every beacon heard.
        assert_eq!(events(&rig, 0), [0; 0]);
        rig.lmac.stop(rig.now);
        rig.lmac.start(rig.now);
        assert_eq!(rig.lmac.units_left(), Some(6));
        rig.assert_clean();
    }
}

/// Candidate 1: an event takes a unit as well as a scan does.
#[test]
fn f50_4_1_events_exhaust_the_firmware_too() {
    let mut rig = connected();
    ill(
        &mut rig,
        Ailments {
            exhaustion: Some(Exhaustion::default()),
            ..Ailments::default()
        },
    );
    for _ in 0..64 {
        rig.lmac.raise_event(0, 4, 100);
    }
    rig.run(MS);
    assert_eq!(rig.lmac.units_left(), Some(32));
    assert_eq!(rig.status(0x0007, &background_scan()), 1);
}

/// Candidate 2: the refusal takes its time, and nothing else is served meanwhile. Nothing is lost by it.
#[test]
fn f50_4_2_a_scan_that_fails_slowly_takes_the_time_of_everything_else() {
    let mut rig = connected();
    ill(
        &mut rig,
        Ailments {
            slow_scans: Some(SlowScans::default()),
            ..Ailments::default()
        },
    );
    let ap = rig.ap;
    download(&mut rig);
    rig.run(SECOND);
    let scan = background_scan();
    let before = rig.now;
    rig.count_only = true;
    let counted = rig.counted.0;
    rig.post(0x0007, 0, &scan);
    rig.run(Duration::from_millis(1990));
    let during = rig.counted.0 - counted;
    // What was on its way when the scan came.
    assert!(during < 5, "{during}");
    let packet = rig.packet(1);
    rig.transmit(21, &packet);
    rig.run(5 * MS);
    assert_eq!(rig.in_flight, 1);
    rig.run(20 * MS);
    assert_eq!((rig.in_flight, rig.failed), (0, 0));
    let refusal = rig
        .messages
        .iter()
        .find(|message| message.identity() == 0x0407);
    assert_eq!(refusal.map(|message| message.word(4)), Some(2));
    assert!(rig.now.since(before) < Duration::from_secs(3));
    assert_eq!(completed(&rig, 0), 0);
    let lasting = received(&mut rig, SECOND);
    assert!(lasting >= 500, "{lasting}");
    assert!(rig.lmac.medium().access_point(ap).counters().sent_acked > 500);
    rig.assert_clean();
}

/// Candidate 4: one frame per beacon, no PM indication, and the request for active mode heals.
#[test]
fn f50_4_4_stuck_power_save_gives_one_frame_per_beacon_until_the_host_asks_for_active_mode() {
    let mut rig = connected();
    let ap = rig.ap;
    let dozing = |rig: &Rig| {
        let view = rig.lmac.medium().access_point(ap).station(STATION);
        view.is_some_and(|view| view.dozing)
    };
    download(&mut rig);
    rig.run(SECOND);
    let now = rig.now;
    let seen = rig.messages.len();
    rig.lmac.stick_power_save(now);
    rig.run(50 * MS);
    assert!(dozing(&rig));
    let stuck = received(&mut rig, 10 * SECOND);
    // A beacon comes every 102.4 ms.
    assert!((95..=100).contains(&stuck), "{stuck}");
    // Neither mode of power save is answered, and neither helps.
    for mode in [0x01, 0x81] {
        assert_eq!(rig.status(0x0010, &[mode, 16, 0, 0]), 0);
        rig.run(SECOND);
    }
    assert!(dozing(&rig) && rig.lmac.is_power_save_stuck(0));
    let indications = |rig: &Rig| {
        let all = rig.messages[seen..].iter();
        all.filter(|message| message.identity() == 0x0809).count()
    };
    assert_eq!(indications(&rig), 0);
    // Frames of the host still leave.
    let packet = rig.packet(1);
    rig.transmit(21, &packet);
    rig.run(20 * MS);
    assert_eq!((rig.in_flight, rig.failed), (0, 0));
    assert!(dozing(&rig));
    assert_eq!(rig.status(0x0010, &[0, 16, 0, 0]), 0);
    rig.run(50 * MS);
    assert!(!dozing(&rig) && !rig.lmac.is_power_save_stuck(0));
    let healed = received(&mut rig, SECOND);
    assert!(healed >= 495, "{healed}");
    rig.assert_clean();
}

/// Candidate 6: a scan that never completes, a BSS that is lost and never regained, a frame that is never confirmed.
#[test]
fn f50_4_6_announcements_stay_without_their_end() {
    let mut rig = connected();
    ill(
        &mut rig,
        Ailments {
            event_leak: Some(EventLeak {
                transmit_confirm_every: 3,
                ..EventLeak::default()
            }),
            ..Ailments::default()
        },
    );
    let seen = rig.messages.len();
    for _ in 0..4 {
        assert_eq!(rig.status(0x0007, &background_scan()), 0);
        rig.run(SECOND);
    }
    assert_eq!(completed(&rig, seen), 2);
    rig.run(Duration::from_secs(91));
    assert_eq!(events(&rig, seen), [1, 1, 1]);
    // The link is there all the time.
    let ap = rig.ap;
    for number in 0..6 {
        let packet = rig.packet(number);
        rig.transmit(21, &packet);
        rig.run(10 * MS);
    }
    assert_eq!(rig.lmac.medium().access_point(ap).meter(1).packets, 6);
    assert_eq!((rig.in_flight, rig.lmac.outstanding()), (2, 0));
    rig.assert_clean();
}
