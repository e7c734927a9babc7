//! Scans: hidden networks, networks by name, channels where nothing may be sent, other addresses, and why a channel is
//! left out.

use crate::common::{air, setup, Story, CHANNEL, OPEN};
use bes_hal::Duration;
use bes_mac80211::event::Event;
use bes_mac80211::request::{Request, ScanChannel, ScanRequest, Ssid};
use bes_mac80211::types::{Channel as DriverChannel, Dbm, MacAddress};
use bes_sim::rig::ADDRESS;
use bes_wsm::wire::Status;
use mock_hal::air::{Air, AirConfig, ApConfig, ApId, Channel};

fn channel(number: u16, passive: bool) -> ScanChannel {
    ScanChannel {
        channel: DriverChannel::new(number).expect("a channel"),
        passive,
        max_power: Dbm(20),
    }
}

/// Runs a scan to its end.
fn scan(story: &mut Story, channels: &[ScanChannel], ssids: &[&str], source: Option<MacAddress>) {
    let ssids: Vec<_> = ssids
        .iter()
        .map(|ssid| Ssid::new(ssid.as_bytes()).expect("not too long"))
        .collect();
    let request = ScanRequest {
        channels,
        ssids: &ssids,
        elements: &[],
        no_cck: false,
        source,
    };
    let interface = story.rig.interface.expect("there is one");
    story.rig.stack.station.heard.clear();
    story
        .rig
        .request(Request::Scan(interface, &request), Duration::from_secs(10))
        .expect("the scan starts");
    let ended = story.rig.run_until(Duration::from_secs(30), |rig| {
        rig.stack
            .events
            .iter()
            .any(|event| matches!(event, Event::ScanCompleted { aborted: false, .. }))
    });
    assert!(ended);
    story.rig.stack.events.clear();
}

/// Three networks on channels 1, 6 and 11; the last may hide its name.
fn three(hidden: bool) -> (Air, [ApId; 3]) {
    let mut air = Air::new(AirConfig {
        seed: 1,
        ..AirConfig::default()
    });
    let one = air.add_access_point(ApConfig::open("one", Channel::ht20(1)));
    let six = air.add_access_point(ApConfig::open(OPEN, Channel::ht20(CHANNEL)));
    let eleven = air.add_access_point(ApConfig {
        hidden,
        ..ApConfig::open("hidden", Channel::ht20(11))
    });
    (air, [one, six, eleven])
}

fn brought_up(hidden: bool) -> (Story, [ApId; 3]) {
    let (air, aps) = three(hidden);
    let mut story = Story::with(setup(air), aps[1]);
    story.rig.bring_up().expect("the chip comes up");
    (story, aps)
}

#[test]
fn a_hidden_network_is_found_by_its_name_and_joined() {
    let (mut story, aps) = brought_up(true);
    let all = [1, 6, 11].map(|number| channel(number, false));
    scan(&mut story, &all, &[], None);
    assert_eq!(story.names_heard(), ["", "one", OPEN]);
    // Somebody else's name does not bring it out.
    scan(&mut story, &all, &["stranger"], None);
    assert!(!story.names_heard().contains(&"hidden".to_owned()));
    scan(&mut story, &all, &["hidden"], None);
    assert!(story.names_heard().contains(&"hidden".to_owned()));
    story.rig.connect("hidden", None).expect("joined");
    story.ap = aps[2];
    story.assert_good("a hidden network");
}

#[test]
fn c3_nothing_is_sent_on_a_channel_that_forbids_it_and_something_on_those_beside_it() {
    for joined in [false, true] {
        let (mut story, aps) = brought_up(false);
        if joined {
            scan(&mut story, &[channel(6, false)], &[], None);
            story.rig.connect(OPEN, None).expect("joined");
        }
        let probes = |story: &Story| {
            story
                .rig
                .air(|air| aps.map(|ap| air.access_point(ap).counters().probe_requests))
        };
        let before = probes(&story);
        // The one that forbids it comes first, in the middle, and last.
        for passive in [1, 6, 11] {
            let channels = [1, 6, 11].map(|number| channel(number, number == passive));
            scan(&mut story, &channels, &[], None);
        }
        let sent: Vec<_> = probes(&story)
            .iter()
            .zip(before)
            .map(|(after, before)| after - before)
            .collect();
        // Two probe requests in each of two scans; the chip may leave the second one out when it was answered.
        assert!(sent.iter().all(|sent| (2..=4).contains(sent)), "{sent:?}");
        let counted = sent.clone();
        let channels = [1, 6, 11].map(|number| channel(number, true));
        let before = probes(&story);
        scan(&mut story, &channels, &[], None);
        assert_eq!(probes(&story), before, "{counted:?}");
        if !joined {
            // The dwell is as long as a beacon interval, so passive channels are heard all the same.
            assert_eq!(story.names_heard(), ["hidden", "one", OPEN]);
        }
        assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
    }
}

#[test]
fn a_scan_under_another_address_finds_the_same_and_is_the_own_one_again_afterwards() {
    let (mut story, _) = brought_up(true);
    let all = [1, 6, 11].map(|number| channel(number, false));
    let other = MacAddress([0x06, 1, 2, 3, 4, 5]);
    scan(&mut story, &all, &[], Some(other));
    assert_eq!(story.names_heard(), ["", "one", OPEN]);
    let template = |story: &Story| story.lmac(|lmac| lmac.mib(0, 0x1002).map(<[u8]>::to_vec));
    let source = |template: Option<Vec<u8>>| {
        let template = template.expect("the template was written");
        // Behind type, rate and length; the source address of the frame.
        MacAddress(template[4 + 10..4 + 16].try_into().expect("six bytes"))
    };
    assert_eq!(source(template(&story)), other);
    scan(&mut story, &all, &[], None);
    assert_eq!(source(template(&story)), ADDRESS);
    // A group address is nobody's.
    let request = ScanRequest {
        channels: &all,
        ssids: &[],
        elements: &[],
        no_cck: false,
        source: Some(MacAddress([0x03, 0, 0, 0, 0, 1])),
    };
    let interface = story.rig.interface.expect("there is one");
    assert!(story
        .rig
        .request(Request::Scan(interface, &request), Duration::from_secs(5))
        .is_err());
    // Joined, the access point knows the station anyhow: its own address it is.
    story.rig.connect(OPEN, None).expect("joined");
    scan(&mut story, &all, &[], Some(other));
    assert_eq!(source(template(&story)), ADDRESS);
    story.assert_good("scans under other addresses");
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
}

#[test]
fn the_device_can_say_which_channels_it_leaves_out_and_why() {
    let (air, ap) = air();
    let mut settings = setup(air);
    settings.lmac.max_5ghz_scan_channels = 0;
    let mut story = Story::with(settings, ap);
    story.rig.bring_up().expect("the chip comes up");
    let channels = [channel(6, false), channel(36, false)];
    for scans in 1..=4_u8 {
        scan(&mut story, &channels, &[], None);
        let refusals: Vec<_> = story.rig.device.refused_channels().iter().collect();
        let [refusal] = refusals[..] else {
            panic!("{refusals:?}");
        };
        assert_eq!(refusal.channel.number(), 36);
        assert_eq!(refusal.status, Status::InvalidParameter);
        assert_eq!(refusal.in_a_row, scans.min(3));
        assert_eq!(refusal.left_out_until.is_some(), scans >= 3);
        assert_eq!(refusal.to_string().contains("left out until"), scans >= 3);
    }
    assert_eq!(story.names_heard(), [OPEN]);
}
