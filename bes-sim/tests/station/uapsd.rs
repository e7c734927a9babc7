//! Unscheduled automatic power-save delivery (specification: file 21, section 2.18; file 40, section 2): the access point
//! buffers, and delivers in service periods what the station has agreed to have delivered so.

use crate::common::{air, ms, setup, Story, CHANNEL, OPEN};
use bes_hal::Duration;
use bes_mac80211::edca::{EdcaParameters, EdcaSet};
use bes_mac80211::request::{PowerSaveParameters, Request};
use bes_mac80211::types::AccessCategory;
use bes_sim::rig::ADDRESS;
use bes_sim::station::dot11::{self, Data};
use mock_hal::air::Msdu;

const LIMIT: Duration = Duration::from_secs(5);
const VOICE: u8 = 6;
const BEST_EFFORT: u8 = 0;

/// Connected and dozing. `queues`: the categories under U-APSD, as the stack configures them (`uapsd_queues`), with the QoS
/// information that says the same to the access point.
fn dozing(queues: &[AccessCategory], qos_info: u8) -> Story {
    let (air, ap) = air();
    let mut settings = setup(air);
    // Firmware that answers legacy power save, which U-APSD needs: without, the driver takes the fast mode instead.
    settings.lmac.legacy_ps_answered = true;
    let mut story = Story::with(settings, ap);
    story.rig.bring_up().expect("the chip comes up");
    story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
    let interface = story.rig.interface.expect("there is one");
    for category in AccessCategory::ALL {
        let parameters = EdcaParameters {
            uapsd: queues.contains(&category),
            ..EdcaSet::default().category(category)
        };
        story
            .rig
            .request(Request::ConfigureTx(interface, category, parameters), LIMIT)
            .expect("taken");
    }
    story.rig.stack.station.uapsd = qos_info;
    story.rig.connect(OPEN, None).expect("joined");
    let parameters = PowerSaveParameters {
        enabled: true,
        dynamic_timeout: ms(100),
    };
    for request in [
        Request::PowerSave(interface, parameters),
        Request::ArpAddresses(interface, &[[10, 0, 0, 2]]),
    ] {
        story.rig.request(request, LIMIT).expect("taken");
    }
    let dozes = story.rig.run_until(LIMIT, |rig| {
        rig.air(|air| {
            let view = air.access_point(ap).station(ADDRESS.0);
            view.is_some_and(|view| view.dozing)
        })
    });
    assert!(dozes);
    // The frame that says so may be a trigger itself.
    story.rig.run_for(ms(100));
    story.rig.stack.kept = Some(Vec::new());
    story
}

/// The access point gets frames for the station.
fn send(story: &mut Story, tid: u8, count: u8) {
    let ap = story.ap;
    for number in 0..count {
        let sent = story.rig.air(|air| {
            air.access_point_mut(ap).send(&Msdu {
                destination: ADDRESS.0,
                source: [0x02, 0, 0, 0, 0, 9],
                tid,
                ethertype: 0x88B5,
                payload: &[tid, number, 0x5A, 0x5A],
            })
        });
        assert!(sent);
    }
}

/// Frames of this identifier that came up so far, by their numbers.
fn heard(story: &Story, tid: u8) -> Vec<u8> {
    let kept = story.rig.stack.kept.as_ref().expect("frames are kept");
    kept.iter()
        .filter_map(|kept| match kept.frame.get(kept.frame.len() - 4..)? {
            [theirs, number, 0x5A, 0x5A] if *theirs == tid => Some(*number),
            _ => None,
        })
        .collect()
}

/// The station sends one frame of its own.
fn speak(story: &mut Story, tid: u8, category: AccessCategory) {
    let bssid = story.rig.stack.station.bss().expect("joined").bssid;
    let mut frame = Vec::new();
    dot11::data_into(
        &mut frame,
        &Data {
            bssid,
            own: ADDRESS,
            destination: bssid,
            tid: Some(tid),
            sequence: 0,
            protected: None,
            ethertype: 0x88B5,
            payload: &[1; 60],
        },
    );
    let frame = story.rig.stack.frame(&frame);
    let info = story.rig.info(category, true, None);
    assert!(story.rig.transmit(frame, info).is_ok());
}

/// PS-polls and service periods, as the access point counts them, and trigger frames that the chip sent by itself.
fn counts(story: &Story) -> (u64, u64, u64) {
    let ap = story.ap;
    let counters = story.rig.air(|air| air.access_point(ap).counters());
    let triggers = story.lmac(|lmac| lmac.traffic(0).map_or(0, |traffic| traffic.triggers));
    (counters.ps_polls, counters.service_periods, triggers)
}

fn assert_dozes(story: &Story) {
    let ap = story.ap;
    let view = story.rig.air(|air| air.access_point(ap).station(ADDRESS.0));
    assert!(view.is_some_and(|view| view.dozing));
}

#[test]
fn voice_is_delivered_when_the_station_speaks_and_the_rest_is_polled_for() {
    let mut story = dozing(&[AccessCategory::Voice], 0x01);
    assert_eq!(
        story.lmac(|lmac| lmac.mib(0, 0x1013).map(|data| data[0])),
        Some(8)
    );
    let before = counts(&story);
    // Nothing shows in the map, so nobody fetches it: that is the point of a service period.
    send(&mut story, VOICE, 5);
    story.rig.run_for(ms(500));
    assert!(heard(&story, VOICE).is_empty());
    assert_eq!(counts(&story), before);
    // The station's own voice is the trigger.
    speak(&mut story, VOICE, AccessCategory::Voice);
    story.rig.run_for(ms(50));
    assert_eq!(heard(&story, VOICE), [0, 1, 2, 3, 4]);
    assert_eq!(counts(&story), (before.0, before.1 + 1, before.2));
    assert_dozes(&story);
    // Best effort is announced and fetched frame by frame, and speaking of it triggers nothing.
    send(&mut story, VOICE, 3);
    send(&mut story, BEST_EFFORT, 4);
    story.rig.run_for(ms(1_000));
    assert_eq!(heard(&story, BEST_EFFORT), [0, 1, 2, 3]);
    assert_eq!(heard(&story, VOICE).len(), 5);
    let polled = counts(&story);
    assert!(polled.0 >= before.0 + 4, "{polled:?}");
    assert_eq!(polled.1, before.1 + 1);
    speak(&mut story, BEST_EFFORT, AccessCategory::BestEffort);
    story.rig.run_for(ms(100));
    assert_eq!(heard(&story, VOICE).len(), 5);
    speak(&mut story, VOICE, AccessCategory::Voice);
    story.rig.run_for(ms(50));
    assert_eq!(heard(&story, VOICE).len(), 8);
    assert_dozes(&story);
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
}

#[test]
fn with_every_category_the_chip_triggers_by_itself_and_polls_for_nothing() {
    let mut story = dozing(&AccessCategory::ALL, 0x0F);
    assert_eq!(
        story.lmac(|lmac| lmac.mib(0, 0x1013).map(|data| data[0])),
        Some(15)
    );
    let before = counts(&story);
    for tid in [VOICE, BEST_EFFORT, 5, 1] {
        send(&mut story, tid, 3);
    }
    story.rig.run_for(ms(1_000));
    for tid in [VOICE, BEST_EFFORT, 5, 1] {
        assert_eq!(heard(&story, tid), [0, 1, 2], "{tid}");
    }
    let after = counts(&story);
    assert_eq!(after.0, before.0, "no poll");
    assert!(after.1 > before.1 && after.2 > before.2, "{after:?}");
    assert_dozes(&story);
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
}

#[test]
fn without_u_apsd_everything_is_polled_for() {
    let mut story = dozing(&[], 0);
    assert_eq!(story.rig.device.unsupported_power_save().count(), 0);
    let before = counts(&story);
    speak(&mut story, VOICE, AccessCategory::Voice);
    send(&mut story, VOICE, 3);
    story.rig.run_for(ms(1_000));
    assert_eq!(heard(&story, VOICE), [0, 1, 2]);
    assert_eq!(counts(&story).1, before.1);
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
}
