//! Reassociation: the access point sends the station away in the middle of traffic, and the stack reassociates, with the same
//! access point or with another one of the network. Keys are replaced, block-ack agreements are torn down and made anew, and
//! no frame is lost that was not in the air or given back.

use crate::common::{ms, setup, Story, CHANNEL, OPEN};
use bes_hal::Duration;
use bes_mac80211::request::Request;
use bes_sim::rig::ADDRESS;
use bes_sim::station::dot11::Bss;
use mock_hal::air::{Air, AirConfig, ApConfig, ApId, Channel};

const PASSPHRASE: &str = "correct horse";
/// Number of the uplink flow, as the rig stamps it.
const UPLINK: u32 = 1;

/// What an access point knows of the station: its key, and the identifiers under agreements in either direction.
fn view(story: &Story, ap: ApId) -> (Option<[u8; 16]>, u8, u8) {
    story
        .rig
        .air(|air| air.access_point(ap).station(ADDRESS.0))
        .map_or((None, 0, 0), |view| {
            (view.temporal_key, view.tx_agreements, view.rx_agreements)
        })
}

/// Data frames for which an access point had no associated station.
fn unauthorized(story: &Story, ap: ApId) -> u64 {
    story
        .rig
        .air(|air| air.access_point(ap).counters().unauthorized)
}

fn known(story: &mut Story) -> [Bss; 2] {
    story.rig.scan(&[CHANNEL, 11], &[]).expect("the scan ends");
    [CHANNEL, 11].map(|channel| {
        let heard = &story.rig.stack.station.heard;
        let bss = heard.iter().find(|bss| bss.channel == channel);
        bss.cloned().expect("both were heard")
    })
}

fn reassociates(secure: bool) {
    let mut air = Air::new(AirConfig {
        seed: 1,
        ..AirConfig::default()
    });
    let aps = [CHANNEL, 11].map(|channel| {
        let channel = Channel::ht20(channel);
        air.add_access_point(if secure {
            ApConfig::wpa2(OPEN, channel, PASSPHRASE)
        } else {
            ApConfig::open(OPEN, channel)
        })
    });
    let mut story = Story::with(setup(air), aps[0]);
    story.rig.bring_up().expect("the chip comes up");
    let known = known(&mut story);
    let passphrase = secure.then_some(PASSPHRASE);
    let now = story.rig.now();
    story.rig.stack.station.connect(&known[0], passphrase, now);
    let up = |story: &mut Story| {
        story.rig.run_until(Duration::from_secs(5), |rig| {
            rig.stack.station.is_connected() && rig.is_quiet()
        })
    };
    assert!(up(&mut story));
    let mut at = 0;
    let mut keys = Vec::new();
    // To the same, to the other, to the same, back.
    for (round, to) in [0, 1, 1, 0].into_iter().enumerate() {
        let name = format!("secure {secure}, round {round}");
        let (from_ap, to_ap) = (aps[at], aps[to]);
        let failed = story.rig.stack.counters.tx_failed;
        let refused = unauthorized(&story, from_ap);
        let arrived = story.rig.air(|air| air.access_point(from_ap).meter(UPLINK));
        let made = story.start_counted();
        story.rig.run_for(ms(150));
        let (key, down, upward) = view(&story, from_ap);
        assert_eq!(key.is_some(), secure, "{name}");
        assert!(down != 0 && upward != 0, "{name}: aggregation is at work");
        keys.push(key);
        let told = story
            .rig
            .air(|air| air.access_point_mut(from_ap).deauthenticate(ADDRESS.0, 3));
        assert!(told, "{name}");
        let left = story.rig.run_until(Duration::from_secs(2), |rig| {
            !rig.stack.station.is_connected()
        });
        assert!(left, "{name}");
        let made = story.stop_counted(made);
        // What was queued or in the chip comes back, acknowledged or not.
        let quiet = story
            .rig
            .run_until(Duration::from_secs(5), |rig| rig.is_quiet());
        assert!(quiet, "{name}");
        story.assert_balanced(&name);
        let now_arrived = story.rig.air(|air| air.access_point(from_ap).meter(UPLINK));
        let lost = made - (now_arrived.packets - arrived.packets);
        let given_back = story.rig.stack.counters.tx_failed - failed;
        // Those in the air: the radio acknowledged them, and the access point had no station for them any more.
        let too_late = unauthorized(&story, from_ap) - refused;
        assert!(
            lost <= given_back + too_late,
            "{name}: {lost} lost, {given_back} told, {too_late} too late"
        );
        assert_eq!(now_arrived.duplicates, arrived.duplicates, "{name}");
        let flow = story.flow();
        let down = story
            .rig
            .air(|air| air.access_point(from_ap).flow(flow))
            .expect("it is known");
        // What the radio acknowledged came up, once.
        assert_eq!(story.rig.stack.meter.packets, down.acked, "{name}");
        assert_eq!(story.rig.stack.meter.duplicates, 0, "{name}");
        // Nothing of the old connection is left.
        assert_eq!(story.lmac(|lmac| lmac.keys()), 0, "{name}");
        assert_eq!(story.rig.device.keys().iter().count(), 0, "{name}");
        let begun = story.rig.now();
        story
            .rig
            .stack
            .station
            .reassociate(&known[to], passphrase, begun);
        assert!(
            up(&mut story),
            "{name}: {:?}",
            story.rig.stack.station.failure
        );
        assert!(story.rig.now().since(begun) < ms(600), "{name}");
        let (key, down, upward) = view(&story, to_ap);
        assert!(!secure || (key.is_some() && !keys.contains(&key)), "{name}");
        assert_eq!((down, upward), (0, 0), "{name}: agreements begin anew");
        let wanted = if secure { 2 } else { 0 };
        assert_eq!(story.lmac(|lmac| lmac.keys()), wanted, "{name}");
        story.ap = to_ap;
        at = to;
        story.exchange(ms(150)).assert_intact(&name);
        let (_, down, upward) = view(&story, to_ap);
        assert!(down != 0 && upward != 0, "{name}: aggregation again");
    }
    let reassociations = aps.map(|ap| {
        story
            .rig
            .air(|air| air.access_point(ap).counters().reassociations)
    });
    assert_eq!(reassociations, [2, 2]);
    let counters = aps.map(|ap| story.rig.air(|air| air.access_point(ap).counters()));
    for counters in counters {
        assert_eq!((counters.undecryptable, counters.replays), (0, 0));
    }
    assert_eq!(story.reason(), None, "{:?}", story.anomalies());
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
    story
        .rig
        .request(Request::Stop, Duration::from_secs(5))
        .expect("stopped");
}

impl Story {
    /// Starts traffic; how many uplink packets were made before.
    fn start_counted(&mut self) -> u64 {
        self.start_traffic();
        self.rig.upload.map_or(0, |upload| upload.made)
    }

    /// Ends it; how many were made since.
    fn stop_counted(&mut self, before: u64) -> u64 {
        let made = self.rig.upload.map_or(before, |upload| upload.made);
        self.stop_generators();
        made - before
    }
}

#[test]
fn a_station_that_is_sent_away_reassociates_with_the_same_and_with_another_access_point() {
    reassociates(false);
}

#[test]
fn a_reassociation_replaces_keys_and_agreements_of_a_protected_connection() {
    reassociates(true);
}
