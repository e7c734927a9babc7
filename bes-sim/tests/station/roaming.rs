//! From one access point to another: by the stack's wish, because the old one sends the station away again and again, and
//! with an eye on the signal.

use crate::common::{ms, setup, Story, CHANNEL, OPEN};
use bes_hal::Duration;
use bes_mac80211::event::{Event, SignalLevel};
use bes_mac80211::request::{CqmThreshold, Request};
use bes_mac80211::types::Dbm;
use bes_sim::rig::ADDRESS;
use bes_sim::station::dot11::Bss;
use mock_hal::air::{Air, AirConfig, ApConfig, ApId, Channel};

const PASSPHRASE: &str = "correct horse";

/// One network of two access points on two channels.
fn two(secure: bool) -> (Air, [ApId; 2]) {
    let mut air = Air::new(AirConfig {
        seed: 1,
        ..AirConfig::default()
    });
    let aps = [CHANNEL, 36].map(|channel| {
        let channel = Channel::ht20(channel);
        air.add_access_point(if secure {
            ApConfig::wpa2(OPEN, channel, PASSPHRASE)
        } else {
            ApConfig::open(OPEN, channel)
        })
    });
    (air, aps)
}

/// What the station knows of each access point.
fn known(story: &mut Story) -> [Bss; 2] {
    story.rig.scan(&[CHANNEL, 36], &[]).expect("the scan ends");
    [CHANNEL, 36].map(|channel| {
        let heard = &story.rig.stack.station.heard;
        let bss = heard.iter().find(|bss| bss.channel == channel);
        bss.cloned().expect("both were heard")
    })
}

fn roams(secure: bool) {
    let (air, aps) = two(secure);
    let mut story = Story::with(setup(air), aps[0]);
    story.rig.bring_up().expect("the chip comes up");
    let known = known(&mut story);
    let passphrase = secure.then_some(PASSPHRASE);
    for round in 0..10 {
        let to = round % 2;
        if round > 0 {
            // Traffic flows until the moment of the change.
            story.start_traffic();
            story.rig.run_for(ms(30));
            story.stop_generators();
        }
        let start = story.rig.now();
        story
            .rig
            .stack
            .station
            .connect(&known[to], passphrase, start);
        let connected = story.rig.run_until(Duration::from_secs(5), |rig| {
            rig.stack.station.is_connected() && rig.is_quiet()
        });
        assert!(
            connected,
            "round {round}: {:?}",
            story.rig.stack.station.failure
        );
        let took = story.rig.now().since(start);
        assert!(took < ms(600), "round {round}: {took:?}");
        story.ap = aps[to];
        story.assert_good(&format!("round {round}"));
        // Whoever was left has no key of this station any more, and the chip has none of theirs.
        assert_eq!(story.lmac(|lmac| lmac.keys()), if secure { 2 } else { 0 });
    }
    assert_eq!(story.reason(), None);
    assert_eq!(story.rig.device.control_statistics().joins, 10);
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
}

#[test]
fn a_station_roams_between_open_access_points_of_two_bands() {
    roams(false);
}

#[test]
fn a_station_roams_between_protected_access_points_of_two_bands() {
    roams(true);
}

#[test]
fn a_storm_of_deauthentications_ends_when_the_access_point_has_calmed_down() {
    let mut story = Story::connected();
    let ap = story.ap;
    let bss = story.rig.stack.station.heard[0].clone();
    let mut sent_away = 0;
    for round in 0..120_u64 {
        // At every moment of a connection: before it, in the middle, and with data flowing.
        let told = story
            .rig
            .air(|air| air.access_point_mut(ap).deauthenticate(ADDRESS.0, 7));
        sent_away += u32::from(told);
        story.rig.run_for(ms(1 + (round * 53) % 600));
        if story.rig.stack.station.is_idle() {
            let now = story.rig.now();
            story.rig.stack.station.connect(&bss, None, now);
        }
        if round % 3 == 0 && story.rig.upload.is_none() {
            story.start_traffic();
        }
    }
    assert!(sent_away > 40, "{sent_away}");
    story.stop_traffic();
    assert_eq!(story.reason(), None, "{:?}", story.anomalies());
    if !story.rig.stack.station.is_connected() {
        story.rig.run_for(Duration::from_secs(4));
        story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
        story.rig.connect(OPEN, None).expect("joined");
    }
    story.assert_good("after the storm");
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
}

/// File 31, C21: the threshold is kept, so the direction is right.
#[test]
fn c21_the_signal_is_compared_with_the_threshold_that_was_asked_for() {
    let mut story = Story::connected();
    let interface = story.rig.interface.expect("there is one");
    let limit = Duration::from_secs(5);
    let threshold = CqmThreshold {
        threshold: Dbm(-70),
        hysteresis: 4,
    };
    story
        .rig
        .request(Request::Cqm(interface, Some(threshold)), limit)
        .expect("taken");
    let levels = |story: &mut Story, dbm: i32| {
        let rcpi = u32::try_from((dbm + 110) * 2).expect("above -110 dBm");
        story.lmac(|lmac| lmac.raise_event(0, 4, rcpi));
        story.rig.run_for(ms(50));
        let told: Vec<_> = story
            .rig
            .stack
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Signal { level, signal, .. } => Some((*level, signal.0)),
                _ => None,
            })
            .collect();
        story.rig.stack.events.clear();
        told
    };
    assert_eq!(levels(&mut story, -75), [(SignalLevel::Low, -75)]);
    assert_eq!(levels(&mut story, -60), [(SignalLevel::High, -60)]);
    assert_eq!(levels(&mut story, -70), [(SignalLevel::Low, -70)]);
    story
        .rig
        .request(Request::Cqm(interface, None), limit)
        .expect("taken");
    assert_eq!(levels(&mut story, -80), []);
    story.assert_good("signal");
}
