//! Scans, joins, keys, losses, sleep, and the end in every state.

use crate::common::{air, ms, setup, Story, CHANNEL, OPEN};
use bes_hal::Duration;
use bes_mac80211::device::DeviceState;
use bes_mac80211::event::{Event, LossReason};
use bes_mac80211::request::{InterfaceKind, PowerSaveParameters, Request, Response};
use bes_mac80211::types::MacAddress;
use bes_sim::rig::{Setup, ADDRESS};
use bes_sim::station::Failure;
use mock_hal::air::{Air, AirConfig, ApConfig, ApId, Channel, Msdu, BROADCAST};

const SECURE: &str = "story-secure";
const PASSPHRASE: &str = "correct horse";

fn count_events(story: &Story, is: impl Fn(&Event) -> bool) -> usize {
    story
        .rig
        .stack
        .events
        .iter()
        .filter(|event| is(event))
        .count()
}

/// A scan, its results, and how it ended: aborted, refused channels.
fn scan(story: &mut Story, channels: &[u8]) -> (Vec<String>, bool, u8) {
    story.rig.stack.station.heard.clear();
    story
        .rig
        .start_scan(channels, &[])
        .expect("the scan starts");
    let mut end = None;
    story.rig.run_until(Duration::from_secs(30), |rig| {
        let at = rig
            .stack
            .events
            .iter()
            .position(|event| matches!(event, Event::ScanCompleted { .. }));
        if let Some(Event::ScanCompleted {
            aborted,
            refused_channels,
            ..
        }) = at.and_then(|at| rig.stack.events.remove(at))
        {
            end = Some((aborted, refused_channels));
        }
        end.is_some()
    });
    let (aborted, refused) = end.expect("the scan ends");
    let heard = story.names_heard();
    (heard, aborted, refused)
}

/// Networks on both bands.
fn both_bands() -> (Air, ApId) {
    let mut air = Air::new(AirConfig {
        seed: 1,
        ..AirConfig::default()
    });
    let ap = air.add_access_point(ApConfig::open(OPEN, Channel::ht20(CHANNEL)));
    for (ssid, channel) in [
        ("one", 1),
        ("eleven", 11),
        ("36", 36),
        ("44", 44),
        ("149", 149),
    ] {
        air.add_access_point(ApConfig::open(ssid, Channel::ht20(channel)));
    }
    (air, ap)
}

#[test]
fn a_scan_of_both_bands_takes_5_ghz_channel_by_channel_and_is_never_refused() {
    let (air, ap) = both_bands();
    let mut story = Story::with(setup(air), ap);
    story.rig.bring_up().expect("the chip comes up");
    let (heard, aborted, refused) = scan(&mut story, &[]);
    assert_eq!(heard, ["149", "36", "44", "eleven", "one", OPEN]);
    assert_eq!((aborted, refused), (false, 0));
    let statistics = *story.rig.device.control_statistics();
    // One request for 2.4 GHz, one for each of nine 5 GHz channels.
    assert_eq!(statistics.scan_requests, 10);
    assert_eq!(statistics.scan_refusals, 0);
    story.rig.connect(OPEN, None).expect("joined");
    story.assert_good("after a scan of both bands");
}

#[test]
fn refused_channels_are_skipped_and_the_results_of_the_others_kept() {
    let (air, ap) = both_bands();
    let mut settings = setup(air);
    settings.lmac.max_5ghz_scan_channels = 0;
    let mut story = Story::with(settings, ap);
    story.rig.bring_up().expect("the chip comes up");
    let (heard, aborted, refused) = scan(&mut story, &[1, 36, 6, 44, 11, 149]);
    assert_eq!(heard, ["eleven", "one", OPEN]);
    assert_eq!((aborted, refused), (false, 3));
    // No storm: channels that are refused again and again are left alone for a while.
    for _ in 0..10 {
        let (heard, _, refused) = scan(&mut story, &[1, 36, 6, 44, 11, 149]);
        assert_eq!(heard, ["eleven", "one", OPEN]);
        assert_eq!(refused, 3);
    }
    let statistics = *story.rig.device.control_statistics();
    assert_eq!(statistics.scan_refusals, 9);
    assert_eq!(statistics.channels_left_out, 24);
    // And tried again later: somebody may have repaired the chip.
    story.lmac(|lmac| lmac.config_mut().max_5ghz_scan_channels = 1);
    story.rig.run_for(Duration::from_secs(20 * 60));
    let (heard, _, refused) = scan(&mut story, &[36, 44]);
    assert_eq!((heard.len(), refused), (2, 0));
}

#[test]
fn a_chip_that_is_tired_of_scans_keeps_its_connection() {
    let (air, ap) = both_bands();
    let mut settings = setup(air);
    settings.lmac.scans_until_exhausted = Some(4);
    let mut story = Story::with(settings, ap);
    story.connect();
    for _ in 0..6 {
        let outcome = story.exchange_with(ms(500), |story| {
            story
                .rig
                .start_scan(&[1, 6, 11], &[])
                .expect("the scan starts");
        });
        outcome.assert_intact("a tired chip");
    }
    assert!(story.rig.device.control_statistics().scan_refusals > 0);
    assert!(story.rig.stack.station.is_connected());
    story.assert_good("a tired chip");
}

#[test]
fn data_flows_during_a_background_scan_and_nothing_is_lost() {
    let (air, ap) = both_bands();
    let mut story = Story::with(setup(air), ap);
    story.connect();
    story.rig.stack.station.heard.clear();
    let outcome = story.exchange_with(ms(3_000), |story| {
        story.rig.start_scan(&[], &[]).expect("the scan starts");
    });
    outcome.assert_intact("background scan");
    assert_eq!(
        count_events(&story, |event| matches!(
            event,
            Event::ScanCompleted {
                aborted: false,
                refused_channels: 0,
                ..
            }
        )),
        1
    );
    // One channel in each request.
    assert_eq!(story.rig.device.control_statistics().scan_requests, 1 + 22);
    assert!(story.rig.stack.station.heard.len() >= 3);
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
    story.assert_good("after a background scan");
}

#[test]
fn a_scan_can_be_cancelled_at_any_moment() {
    let (air, ap) = both_bands();
    let mut story = Story::with(setup(air), ap);
    story.rig.bring_up().expect("the chip comes up");
    for joined in [false, true] {
        for moment in (0..600).step_by(31) {
            story
                .rig
                .start_scan(&[1, 6, 36, 11], &[])
                .expect("it starts");
            story.rig.run_for(ms(moment));
            let cancelled = story
                .rig
                .request(Request::CancelScan, Duration::from_secs(5));
            assert!(cancelled.is_ok(), "{moment}: {cancelled:?}");
            assert!(!story.rig.device.scan().is_active());
            assert_eq!(
                count_events(&story, |event| matches!(event, Event::ScanCompleted { .. })),
                1,
                "{moment}"
            );
            story.rig.stack.events.clear();
        }
        let (heard, aborted, _) = scan(&mut story, &[1, 6]);
        assert!(!aborted && heard.contains(&OPEN.to_owned()));
        if !joined {
            story.rig.connect(OPEN, None).expect("joined");
        }
    }
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
    story.assert_good("cancelled scans");
}

#[test]
fn a_refused_join_is_reset_and_reported_and_a_good_one_works() {
    let mut story = Story::new();
    let ap = story.ap;
    story.rig.bring_up().expect("the chip comes up");
    story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
    for _ in 0..3 {
        // Gone when the chip wants to hear it.
        story
            .rig
            .air(|air| air.access_point_mut(ap).set_present(false));
        assert!(story.rig.connect(OPEN, None).is_err());
        assert_eq!(story.rig.stack.station.failure, Some(Failure::Lost));
        assert_eq!(
            count_events(&story, |event| matches!(event, Event::JoinRefused { .. })),
            1
        );
        assert_eq!(
            count_events(&story, |event| matches!(
                event,
                Event::ConnectionLost {
                    reason: LossReason::JoinRefused,
                    ..
                }
            )),
            1
        );
        story.rig.stack.events.clear();
        story.rig.run_for(ms(100));
    }
    assert_eq!(story.rig.device.control_statistics().join_refusals, 3);
    story
        .rig
        .air(|air| air.access_point_mut(ap).set_present(true));
    story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
    story.rig.connect(OPEN, None).expect("joined");
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
    story.assert_good("after refused joins");
}

/// The protected network on the channel of the stories.
fn secure() -> (Setup, ApId) {
    let mut air = Air::new(AirConfig {
        seed: 1,
        ..AirConfig::default()
    });
    let ap = air.add_access_point(ApConfig::wpa2(SECURE, Channel::ht20(CHANNEL), PASSPHRASE));
    (setup(air), ap)
}

fn connect_secure(story: &mut Story) {
    story.rig.bring_up().expect("the chip comes up");
    story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
    story
        .rig
        .connect(SECURE, Some(PASSPHRASE))
        .expect("the passphrase is right");
}

#[test]
fn a_wrong_passphrase_fails_cleanly_and_the_right_one_works() {
    let (settings, ap) = secure();
    let mut story = Story::with(settings, ap);
    story.rig.bring_up().expect("the chip comes up");
    story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
    for _ in 0..2 {
        assert!(story.rig.connect(SECURE, Some("battery staple")).is_err());
        assert!(matches!(
            story.rig.stack.station.failure,
            Some(Failure::HandshakeTimeout | Failure::Disconnected)
        ));
        story.rig.run_for(Duration::from_secs(2));
        assert_eq!(story.lmac(|lmac| lmac.keys()), 0);
        assert_eq!(story.reason(), None);
    }
    assert!(story.rig.connect(SECURE, None).is_err());
    story
        .rig
        .connect(SECURE, Some(PASSPHRASE))
        .expect("the passphrase is right");
    assert_eq!(story.lmac(|lmac| lmac.keys()), 2);
    story.assert_good("the right passphrase");
    let counters = story.rig.air(|air| air.access_point(ap).counters());
    assert_eq!((counters.undecryptable, counters.replays), (0, 0));
}

#[test]
fn a_new_group_key_replaces_the_old_one_while_data_flows() {
    let (settings, ap) = secure();
    let mut story = Story::with(settings, ap);
    connect_secure(&mut story);
    for round in 0..5_u8 {
        let outcome = story.exchange_with(ms(300), |story| {
            let now = story.rig.now();
            story
                .rig
                .air(|air| air.access_point_mut(ap).rekey_group(now));
        });
        outcome.assert_intact("group key");
        // Longer than the access point waits for an answer.
        story.rig.run_for(Duration::from_secs(5));
        assert!(story.rig.stack.station.is_connected(), "round {round}");
        // What is sent to the group is understood with the new key.
        story.rig.stack.kept = Some(Vec::new());
        let payload = [0x45, round, 0, 0];
        let sent = story.rig.air(|air| {
            air.access_point_mut(ap).send(&Msdu {
                destination: BROADCAST,
                source: [0x02, 0, 0, 0, 0, 9],
                tid: 0,
                ethertype: 0x88B5,
                payload: &payload,
            })
        });
        assert!(sent);
        story.rig.run_for(ms(500));
        let kept = story.rig.stack.kept.take().expect("frames were kept");
        let understood = kept
            .iter()
            .filter(|kept| kept.frame.get(4..10) == Some(&BROADCAST[..]))
            .filter(|kept| kept.frame.ends_with(&payload))
            .filter(|kept| kept.status.protection.decrypted)
            .count();
        assert_eq!(understood, 1, "round {round}");
    }
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
    story.assert_good("after five group keys");
}

#[test]
fn an_access_point_that_vanishes_is_reported_and_joined_again_when_it_returns() {
    let mut story = Story::connected();
    let ap = story.ap;
    for _ in 0..2 {
        story.start_traffic();
        story.rig.run_for(ms(50));
        story
            .rig
            .air(|air| air.access_point_mut(ap).set_present(false));
        let lost = story.rig.run_until(Duration::from_secs(60), |rig| {
            !rig.stack.station.is_connected()
        });
        assert!(lost);
        assert_eq!(story.rig.stack.station.failure, Some(Failure::Lost));
        assert_eq!(
            count_events(&story, |event| matches!(
                event,
                Event::ConnectionLost {
                    reason: LossReason::Beacons,
                    ..
                }
            )),
            1
        );
        story.rig.stack.events.clear();
        story.stop_traffic();
        story.assert_balanced("vanished");
        assert_eq!(story.reason(), None);
        story
            .rig
            .air(|air| air.access_point_mut(ap).set_present(true));
        story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
        story.rig.connect(OPEN, None).expect("joined again");
        story.assert_good("returned");
    }
    assert_eq!(story.rig.device.control_statistics().beacon_losses, 2);
}

#[test]
fn an_access_point_that_is_back_in_time_is_not_lost() {
    let mut story = Story::connected();
    let ap = story.ap;
    // Beacons go on, nothing else: what the chip misses is not the link.
    story.rig.run_for(Duration::from_secs(2));
    story
        .rig
        .air(|air| air.access_point_mut(ap).set_ignoring(true));
    story.rig.run_for(Duration::from_secs(3));
    story
        .rig
        .air(|air| air.access_point_mut(ap).set_ignoring(false));
    story.rig.run_for(Duration::from_secs(10));
    assert!(story.rig.stack.station.is_connected());
    story.assert_good("back in time");
}

#[test]
fn a_deauthentication_by_the_access_point_ends_the_connection_and_a_new_one_works() {
    let mut story = Story::connected();
    let ap = story.ap;
    for kind in 0..4_u16 {
        story.start_traffic();
        story.rig.run_for(ms(50));
        let told = story.rig.air(|air| {
            let ap = air.access_point_mut(ap);
            if kind % 2 == 0 {
                ap.deauthenticate(ADDRESS.0, kind)
            } else {
                ap.disassociate(ADDRESS.0, kind)
            }
        });
        assert!(told);
        let ended = story.rig.run_until(Duration::from_secs(5), |rig| {
            !rig.stack.station.is_connected()
        });
        assert!(ended);
        assert_eq!(story.rig.stack.station.failure, Some(Failure::Disconnected));
        story.stop_traffic();
        story.assert_balanced("deauthenticated");
        story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
        story.rig.connect(OPEN, None).expect("joined again");
        story.assert_good("deauthenticated");
    }
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
}

#[test]
fn a_network_that_refuses_says_so_and_is_left() {
    let mut story = Story::new();
    let ap = story.ap;
    story.rig.bring_up().expect("the chip comes up");
    story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
    story
        .rig
        .air(|air| air.access_point_mut(ap).refuse_authentication(Some(13)));
    assert!(story.rig.connect(OPEN, None).is_err());
    assert_eq!(
        story.rig.stack.station.failure,
        Some(Failure::AuthenticationRefused(13))
    );
    story.rig.run_for(Duration::from_secs(5));
    story.rig.air(|air| {
        air.access_point_mut(ap).refuse_authentication(None);
        air.access_point_mut(ap).refuse_association(Some(17));
    });
    assert!(story.rig.connect(OPEN, None).is_err());
    assert_eq!(
        story.rig.stack.station.failure,
        Some(Failure::AssociationRefused(17))
    );
    story.rig.run_for(Duration::from_secs(5));
    story
        .rig
        .air(|air| air.access_point_mut(ap).refuse_association(None));
    story.rig.connect(OPEN, None).expect("joined");
    story.assert_good("after refusals");
}

/// What somebody asks for at any moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Stop,
    PowerOff,
    Start,
    Boot,
    Shutdown,
}

#[test]
fn the_end_may_come_in_every_state() {
    const LIMIT: Duration = Duration::from_secs(15);
    for end in [
        End::Stop,
        End::PowerOff,
        End::Start,
        End::Boot,
        End::Shutdown,
    ] {
        for moment in 0..24_u64 {
            let name = format!("{end:?} at moment {moment}");
            let mut story = Story::new();
            // How far it gets: off, in the middle of each request, and between them.
            let steps: [fn(&mut Story); 5] = [
                |story| story.rig.ask(Request::Boot).expect("asked"),
                |story| story.rig.ask(Request::Start).expect("asked"),
                |story| {
                    let added = story.rig.request(
                        Request::AddInterface {
                            kind: InterfaceKind::Station,
                            address: ADDRESS,
                        },
                        LIMIT,
                    );
                    let Ok(Response::Interface(interface)) = added else {
                        panic!("{added:?}");
                    };
                    story.rig.interface = Some(interface);
                    story
                        .rig
                        .start_scan(&[CHANNEL, 36], &[])
                        .expect("it starts");
                },
                |story| {
                    let now = story.rig.now();
                    let bss = story.rig.stack.station.heard[0].clone();
                    story.rig.stack.station.connect(&bss, None, now);
                },
                |story| story.start_traffic(),
            ];
            let waits = [0, 1, 7, 40, 1_000];
            let (full, part) = ((moment / 5) as usize, (moment % 5) as usize);
            for (index, step) in steps.iter().enumerate().take(full + 1) {
                step(&mut story);
                let wait = if index == full { waits[part] } else { 2_000 };
                story.rig.run_for(ms(wait));
            }
            match end {
                End::Shutdown => {
                    story.rig.device.shutdown(&mut story.rig.stack);
                    assert_eq!(story.rig.device.state(), DeviceState::Off, "{name}");
                }
                _ => {
                    let request = match end {
                        End::Stop => Request::Stop,
                        End::PowerOff => Request::PowerOff,
                        End::Start => Request::Start,
                        _ => Request::Boot,
                    };
                    // It may be impossible now; it is answered all the same.
                    let answer = story.rig.request(request, LIMIT);
                    if let Err(error) = &answer {
                        assert!(
                            !error.to_string().contains("not answered"),
                            "{name}: {error}"
                        );
                    }
                    if answer.is_ok() && end == End::PowerOff {
                        assert_eq!(story.rig.device.state(), DeviceState::Off, "{name}");
                    }
                }
            }
            assert_eq!(story.reason(), None, "{name}");
            story.stop_generators();
            story.rig.run_for(ms(500));
            story.rig.device.shutdown(&mut story.rig.stack);
            story.recover(&name);
            assert_eq!(
                story.rig.handle.all_violations(),
                Vec::<String>::new(),
                "{name}"
            );
        }
    }
}

#[test]
fn stopping_and_starting_again_and_again_changes_nothing() {
    let mut story = Story::connected();
    for round in 0..10 {
        story
            .rig
            .request(Request::Stop, Duration::from_secs(10))
            .expect("stopped");
        assert_eq!(story.rig.device.state(), DeviceState::Ready);
        story.rig.forget();
        story.rig.start().expect("started");
        story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
        story.rig.connect(OPEN, None).expect("joined");
        story.assert_good(&format!("round {round}"));
    }
    assert_eq!(story.rig.device.anomalies().total(), 0);
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
}

#[test]
fn an_idle_chip_sleeps_and_is_woken_by_frames_in_both_directions() {
    let (air, ap) = air();
    let mut settings = setup(air);
    settings.device.idle_sleep = Some(ms(50));
    let mut story = Story::with(settings, ap);
    story.connect();
    let interface = story.rig.interface.expect("there is one");
    // As mac80211 does: without power save and an address the chip has to stay awake for its connection.
    for request in [
        Request::PowerSave(
            interface,
            PowerSaveParameters {
                enabled: true,
                dynamic_timeout: ms(100),
            },
        ),
        Request::ArpAddresses(interface, &[[10, 0, 0, 2]]),
    ] {
        story
            .rig
            .request(request, Duration::from_secs(5))
            .expect("accepted");
    }
    for round in 0..5 {
        let asleep = story.rig.run_until(Duration::from_secs(20), |rig| {
            rig.device.state() == DeviceState::Asleep
        });
        assert!(
            asleep,
            "round {round}: {:?} {:?}",
            story.rig.device.state(),
            story.rig.device.power_ledger()
        );
        // It takes the chip a moment, and lasts: nothing is due.
        story.rig.run_for(ms(20));
        assert_eq!(story.rig.device.state(), DeviceState::Asleep);
        assert!(!story.rig.handle.with_chip(|chip| chip.is_awake()));
        story.exchange(ms(100)).assert_intact("woken by both");
        story.assert_balanced("woken by both");
    }
    assert!(story.rig.handle.statistics().sleeps >= 5);
    // By one direction alone.
    for downward in [true, false] {
        story.rig.run_until(Duration::from_secs(20), |rig| {
            rig.device.state() == DeviceState::Asleep
        });
        assert_eq!(story.rig.device.state(), DeviceState::Asleep);
        let sleeps = story.rig.handle.statistics().sleeps;
        let (received, acked) = (
            story.rig.stack.meter.packets,
            story.rig.stack.counters.tx_acked,
        );
        story.start_traffic();
        if downward {
            story.rig.upload = None;
        } else {
            let flow = story.flow();
            story
                .rig
                .air(|air| air.access_point_mut(ap).stop_flow(flow));
        }
        story.rig.run_for(ms(400));
        story.stop_traffic();
        if downward {
            assert!(story.rig.stack.meter.packets > 100, "{received}");
        } else {
            assert!(story.rig.stack.counters.tx_acked > acked + 100);
        }
        story.rig.run_until(Duration::from_secs(20), |rig| {
            rig.device.state() == DeviceState::Asleep
        });
        story.rig.run_for(ms(20));
        assert!(story.rig.handle.statistics().sleeps > sleeps);
    }
    assert_eq!(story.reason(), None);
    assert!(story.rig.stack.station.is_connected());
    assert_eq!(
        story.rig.device.anomalies().total(),
        0,
        "{:?}",
        story.anomalies()
    );
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
    // Requests wake it as well.
    story
        .rig
        .request(Request::ReadCounters, Duration::from_secs(5))
        .expect("read");
    story.rig.run_until(Duration::from_secs(20), |rig| {
        rig.device.state() == DeviceState::Asleep
    });
    story
        .rig
        .request(Request::Stop, Duration::from_secs(10))
        .expect("stopped from sleep");
}

#[test]
fn a_second_interface_does_not_disturb_the_first() {
    let mut story = Story::connected();
    let limit = Duration::from_secs(5);
    let address = bes_mac80211::address::derived(ADDRESS)[2];
    let mut second = None;
    let outcome = story.exchange_with(ms(300), |story| {
        let added = story.rig.request(
            Request::AddInterface {
                kind: InterfaceKind::P2pClient,
                address,
            },
            limit,
        );
        let Ok(Response::Interface(interface)) = added else {
            panic!("{added:?}");
        };
        second = Some(interface);
    });
    outcome.assert_intact("a second interface is added");
    let second = second.expect("it was added");
    assert_ne!(Some(second), story.rig.interface);
    assert_ne!(MacAddress(address.0), ADDRESS);
    let outcome = story.exchange_with(ms(300), |story| {
        story
            .rig
            .request(Request::RemoveInterface(second), limit)
            .expect("removed");
    });
    outcome.assert_intact("a second interface is removed");
    story.assert_good("one interface again");
}
