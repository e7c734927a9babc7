//! Leaving a network and switching off, in every state, within a second, also when nothing answers any more.

use crate::common::{air, ms, setup, Story, CHANNEL, OPEN};
use bes_hal::{Duration, Instant};
use bes_mac80211::device::DeviceState;
use bes_mac80211::request::Request;
use mock_hal::fault::{Fault, When};

/// Nothing may take longer.
const LIMIT: Duration = Duration::from_secs(1);

/// Brings a new device there.
type Reach = fn(&mut Story);

/// Where the device is when the end comes.
const STATES: [(&str, Reach); 12] = [
    ("idle", |story| up(story)),
    ("scanning", |story| {
        up(story);
        story
            .rig
            .start_scan(&[1, 6, 11, 36], &[])
            .expect("it starts");
        story.rig.run_for(ms(40));
    }),
    ("joining", |story| {
        joining(story);
        story.rig.run_for(ms(1));
    }),
    ("joining, later", |story| {
        joining(story);
        story.rig.run_for(ms(5));
    }),
    ("joined", |story| {
        let ap = story.ap;
        up(story);
        story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
        story
            .rig
            .air(|air| air.access_point_mut(ap).refuse_association(Some(30)));
        let _refused = story.rig.connect(OPEN, None);
    }),
    ("associated", |story| {
        story.connect();
    }),
    ("associated, with traffic", |story| {
        story.connect();
        story.start_traffic();
        story.rig.run_for(ms(50));
    }),
    ("associated, scanning, with traffic", |story| {
        story.connect();
        story.start_traffic();
        story.rig.start_scan(&[1, 11], &[]).expect("it starts");
        story.rig.run_for(ms(15));
    }),
    ("the access point is gone, with traffic", |story| {
        let ap = story.ap;
        story.connect();
        story.start_traffic();
        story.rig.run_for(ms(50));
        story
            .rig
            .air(|air| air.access_point_mut(ap).set_present(false));
        story.rig.run_for(ms(200));
    }),
    ("the chip is mute, with traffic", |story| {
        story.connect();
        story.start_traffic();
        story.rig.run_for(ms(50));
        story.lmac(|lmac| lmac.wedge());
        story.rig.run_for(ms(10));
    }),
    ("the chip is mute, idle", |story| {
        story.connect();
        story.lmac(|lmac| lmac.wedge());
        story.rig.run_for(ms(10));
    }),
    ("the bus is dead, with traffic", |story| {
        story.connect();
        story.start_traffic();
        story.rig.run_for(ms(50));
        story.faults.arm(Fault::Timeout, When::Always);
        story.rig.run_for(ms(10));
    }),
];

fn up(story: &mut Story) {
    story.rig.bring_up().expect("the chip comes up");
}

fn joining(story: &mut Story) {
    up(story);
    story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
    let now = story.rig.now();
    let bss = story.rig.stack.station.heard[0].clone();
    story.rig.stack.station.connect(&bss, None, now);
}

fn fresh() -> Story {
    let (air, ap) = air();
    Story::with(setup(air), ap)
}

fn took(start: Instant, story: &Story) -> Duration {
    story.rig.now().since(start)
}

#[test]
fn a_network_is_left_within_a_second_in_every_state() {
    for (name, reach) in STATES {
        let mut story = fresh();
        reach(&mut story);
        story.stop_generators();
        let interface = story.rig.interface.expect("there is one");
        let start = story.rig.now();
        let answer = story
            .rig
            .request(Request::Disassociated(interface), Duration::from_secs(20));
        if let Err(error) = &answer {
            assert!(
                !error.to_string().contains("not answered"),
                "{name}: {error}"
            );
        }
        let took = took(start, &story);
        assert!(took <= LIMIT, "{name}: {took:?} {answer:?}");
    }
}

#[test]
fn the_device_is_off_within_a_second_in_every_state() {
    for (name, reach) in STATES {
        let mut story = fresh();
        reach(&mut story);
        story.stop_generators();
        let start = story.rig.now();
        let answer = story
            .rig
            .request(Request::PowerOff, Duration::from_secs(20));
        let time = took(start, &story);
        assert!(time <= LIMIT, "{name}: {time:?} {answer:?}");
        let state = story.rig.device.state();
        assert!(
            matches!(state, DeviceState::Off | DeviceState::NeedsRecovery(_)),
            "{name}: {state:?}"
        );
        if state != DeviceState::Off {
            // What could not be ended in an orderly way is off at the second word.
            story.faults.disarm_all();
            story.rig.request(Request::PowerOff, LIMIT).expect("off");
        }
        story.assert_balanced(name);
    }
}
