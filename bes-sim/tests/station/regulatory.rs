//! The country changes under way: the stack gives new channel flags and new power. Scans obey the flags from then on, the
//! power is sent again, and a connection on a channel that is forbidden now ends when the stack says so.

use crate::common::{ms, setup, Story, CHANNEL, OPEN};
use bes_hal::Duration;
use bes_mac80211::event::Event;
use bes_mac80211::request::{Request, ScanChannel, ScanRequest};
use bes_mac80211::types::{Channel as DriverChannel, Dbm};
use mock_hal::air::{Air, AirConfig, ApConfig, ApId, Channel};

const LIMIT: Duration = Duration::from_secs(5);

fn allowed(number: u16, passive: bool, dbm: i8) -> ScanChannel {
    ScanChannel {
        channel: DriverChannel::new(number).expect("a channel"),
        passive,
        max_power: Dbm(dbm),
    }
}

/// Power as the chip has it, in dBm.
fn power(story: &Story) -> Option<i32> {
    story
        .lmac(|lmac| lmac.transmit_power(0))
        .map(|tenths| tenths / 10)
}

/// Three networks, on 6, on 13, and on 36.
fn networks() -> (Story, [ApId; 3]) {
    let mut air = Air::new(AirConfig {
        seed: 1,
        ..AirConfig::default()
    });
    let aps = [(OPEN, 6), ("thirteen", 13), ("thirty-six", 36)]
        .map(|(name, channel)| air.add_access_point(ApConfig::open(name, Channel::ht20(channel))));
    let mut story = Story::with(setup(air), aps[0]);
    story.rig.bring_up().expect("the chip comes up");
    (story, aps)
}

/// Scans these channels; the highest power that the chip had meanwhile, and which networks were heard.
fn scan(story: &mut Story, channels: &[ScanChannel]) -> (i32, Vec<String>) {
    let request = ScanRequest {
        channels,
        ssids: &[],
        elements: &[],
        no_cck: false,
        source: None,
    };
    let interface = story.rig.interface.expect("there is one");
    story.rig.stack.station.heard.clear();
    story
        .rig
        .request(Request::Scan(interface, &request), LIMIT)
        .expect("the scan starts");
    let mut highest = 0;
    let ended = story.rig.run_until(Duration::from_secs(30), |rig| {
        let now = rig.lmac(|lmac| lmac.transmit_power(0)).unwrap_or(0) / 10;
        highest = highest.max(now);
        rig.stack
            .events
            .iter()
            .any(|event| matches!(event, Event::ScanCompleted { aborted: false, .. }))
    });
    assert!(ended);
    story.rig.stack.events.clear();
    let names = story.names_heard();
    (highest, names)
}

fn probes(story: &Story, aps: [ApId; 3]) -> [u64; 3] {
    story
        .rig
        .air(|air| aps.map(|ap| air.access_point(ap).counters().probe_requests))
}

#[test]
fn scans_obey_the_new_flags_and_the_power_is_sent_again_while_connected() {
    let (mut story, aps) = networks();
    story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
    story.rig.connect(OPEN, None).expect("joined");
    let before = [
        allowed(6, false, 20),
        allowed(13, false, 20),
        allowed(36, false, 20),
    ];
    story
        .rig
        .request(Request::TxPower(Dbm(20)), LIMIT)
        .expect("taken");
    let start = probes(&story, aps);
    let (highest, _) = scan(&mut story, &before);
    assert_eq!(highest, 20);
    let sent = probes(&story, aps);
    assert!((0..3).all(|at| sent[at] > start[at]), "{start:?} {sent:?}");
    // The new country: less power, nothing may be sent first on 36, and 13 does not exist.
    let outcome = story.exchange_with(ms(300), |story| {
        story
            .rig
            .request(Request::TxPower(Dbm(14)), LIMIT)
            .expect("taken");
    });
    outcome.assert_intact("the power changes under traffic");
    assert_eq!(power(&story), Some(14));
    let after = [allowed(6, false, 14), allowed(36, true, 10)];
    for _ in 0..3 {
        let (highest, names) = scan(&mut story, &after);
        assert!(highest <= 14, "{highest}");
        assert!(!names.contains(&"thirteen".to_owned()), "{names:?}");
    }
    let quiet = probes(&story, aps);
    assert!(quiet[0] > sent[0]);
    assert_eq!(quiet[1..], sent[1..]);
    // Neither the scans nor another connection bring the old power back.
    assert_eq!(power(&story), Some(14));
    story.rig.disconnect().expect("left");
    story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
    story.rig.connect(OPEN, None).expect("joined");
    assert_eq!(power(&story), Some(14));
    story.assert_good("in the new country");
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
}

#[test]
fn a_connection_on_a_channel_that_is_forbidden_now_ends_as_the_stack_asks() {
    let (mut story, aps) = networks();
    story.ap = aps[1];
    story.rig.scan(&[13], &[]).expect("the scan ends");
    story.rig.connect("thirteen", None).expect("joined");
    story.start_traffic();
    story.rig.run_for(ms(100));
    // Less power, and out of there, in the middle of traffic.
    story
        .rig
        .ask(Request::TxPower(Dbm(12)))
        .expect("there is room for a request");
    let begun = story.rig.now();
    story.stop_generators();
    story.rig.disconnect().expect("left");
    assert!(story.rig.now().since(begun) < Duration::from_secs(1));
    let left = story.rig.air(|air| {
        let view = air.access_point(aps[1]).station(bes_sim::rig::ADDRESS.0);
        view.is_none()
    });
    assert!(left, "the access point was told");
    story.assert_balanced("left in traffic");
    assert_eq!(power(&story), Some(12));
    // Nothing is sent there any more, whatever the station scans for and joins.
    let before = probes(&story, aps);
    let (highest, names) = scan(&mut story, &[allowed(6, false, 12), allowed(36, true, 12)]);
    assert!(highest <= 12);
    assert_eq!(names, [OPEN, "thirty-six"]);
    story.ap = aps[0];
    story.rig.connect(OPEN, None).expect("joined");
    story.assert_good("elsewhere");
    let after = probes(&story, aps);
    assert_eq!(after[1..], before[1..]);
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
}
