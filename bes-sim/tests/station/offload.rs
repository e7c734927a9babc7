//! What the chip answers for a host that sleeps: ARP (IPv4) and neighbour solicitations (IPv6). The host is not woken, and
//! whoever asked gets the right answer. No chip is known to have been asked for the second (specification: file 21,
//! section 3.3).

use crate::common::{air, ms, setup, Story, CHANNEL, OPEN};
use bes_hal::{Duration, Instant};
use bes_mac80211::device::DeviceState;
use bes_mac80211::neighbour::NeighbourOffload;
use bes_mac80211::recovery::RecoveryPolicy;
use bes_mac80211::request::{PowerSaveParameters, Request};
use bes_mac80211::wake::WakeTriggers;
use bes_sim::rig::ADDRESS;
use mock_hal::air::{Air, AirConfig, ApConfig, ApId, Channel, Downlink, Msdu, OwnedMsdu};
use std::sync::{Arc, Mutex};

const LIMIT: Duration = Duration::from_secs(12);
const IPV6: u16 = 0x86DD;
const ARP: u16 = 0x0806;
const PASSPHRASE: &str = "correct horse";

/// The station's address, another one of it, and that of who asks.
const OWN: [u8; 16] = [
    0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFE, 0, 1, 0x42,
];
const SECOND: [u8; 16] = [0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 7];
const ASKER: [u8; 16] = [0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
const ASKER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 9];

type Answers = Arc<Mutex<Vec<OwnedMsdu>>>;

/// One's complement sum of ICMPv6 with its pseudo header; 0xFFFF for a packet with the right checksum.
fn icmp_sum(packet: &[u8]) -> u16 {
    let mut sum = u32::try_from(packet.len() - 40).expect("short") + 58;
    for pair in packet[8..].chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
    }
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    u16::try_from(sum).expect("folded")
}

/// A neighbour solicitation for `target` (RFC 4861, section 4.3), and the group address that it is sent to.
fn solicitation(target: [u8; 16]) -> ([u8; 6], Vec<u8>) {
    let mut packet = vec![0x60, 0, 0, 0, 0, 32, 58, 255];
    packet.extend(ASKER);
    packet.extend([0xFF, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF]);
    packet.extend(&target[13..]);
    packet.extend([135, 0, 0, 0, 0, 0, 0, 0]);
    packet.extend(target);
    packet.extend([1, 1]);
    packet.extend(ASKER_MAC);
    let sum = !icmp_sum(&packet);
    packet[42..44].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(icmp_sum(&packet), 0xFFFF);
    let group = [0x33, 0x33, 0xFF, target[13], target[14], target[15]];
    (group, packet)
}

fn asks(story: &mut Story, target: [u8; 16]) {
    let (destination, payload) = solicitation(target);
    sends(story, destination, IPV6, &payload);
}

fn sends(story: &mut Story, destination: [u8; 6], ethertype: u16, payload: &[u8]) {
    let ap = story.ap;
    let sent = story.rig.air(|air| {
        air.access_point_mut(ap).send(&Msdu {
            destination,
            source: ASKER_MAC,
            tid: 0,
            ethertype,
            payload,
        })
    });
    assert!(sent);
}

/// Collects what the access point passes on.
fn collect(story: &Story) -> Answers {
    let answers = Answers::default();
    let behind = answers.clone();
    let ap = story.ap;
    story.rig.air(|air| {
        air.access_point_mut(ap).set_endpoint(
            move |msdu: &Msdu<'_>, _: Instant, _: &mut Downlink| {
                behind.lock().unwrap().push(OwnedMsdu::from(msdu));
            },
        );
    });
    answers
}

/// The advertisements among what was collected, each of them checked.
fn advertisements(answers: &Answers) -> usize {
    let answers = answers.lock().unwrap();
    let icmp = answers
        .iter()
        .filter(|msdu| msdu.ethertype == IPV6 && msdu.payload.get(6) == Some(&58));
    let mut count = 0;
    for msdu in icmp {
        assert_eq!(msdu.destination, ASKER_MAC);
        assert_eq!(msdu.source, ADDRESS.0);
        let packet = &msdu.payload;
        assert_eq!(packet.len(), 72);
        assert_eq!(packet[..8], [0x60, 0, 0, 0, 0, 32, 58, 255]);
        assert_eq!((&packet[8..24], &packet[24..40]), (&OWN[..], &ASKER[..]));
        assert_eq!(packet[40..42], [136, 0]);
        assert_eq!(icmp_sum(packet), 0xFFFF);
        // Solicited, overriding; the target and its link-layer address.
        assert_eq!(packet[44], 0x60);
        assert_eq!(packet[48..64], OWN);
        assert_eq!(packet[64..], [2, 1, 2, 0, 0, 0, 1, 0]);
        count += 1;
    }
    count
}

fn network(secure: bool) -> (Air, ApId) {
    if !secure {
        return air();
    }
    let mut air = Air::new(AirConfig {
        seed: 1,
        ..AirConfig::default()
    });
    let channel = Channel::ht20(CHANNEL);
    let ap = air.add_access_point(ApConfig::wpa2(OPEN, channel, PASSPHRASE));
    (air, ap)
}

/// Connected, with an IPv4 address and these of IPv6, to a chip that sleeps when it may.
fn sleeper(secure: bool, addresses: &[[u8; 16]], recovery: RecoveryPolicy) -> Story {
    let (air, ap) = network(secure);
    let mut settings = setup(air);
    settings.device.idle_sleep = Some(ms(50));
    settings.device.recovery = recovery;
    let mut story = Story::with(settings, ap);
    story.rig.bring_up().expect("the chip comes up");
    story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
    story
        .rig
        .connect(OPEN, secure.then_some(PASSPHRASE))
        .expect("joined");
    configure(&mut story, addresses);
    story
}

fn configure(story: &mut Story, addresses: &[[u8; 16]]) {
    let interface = story.rig.interface.expect("there is one");
    let power_save = PowerSaveParameters {
        enabled: true,
        dynamic_timeout: ms(100),
    };
    for request in [
        Request::PowerSave(interface, power_save),
        Request::ArpAddresses(interface, &[[10, 0, 0, 2]]),
        Request::NeighbourAddresses(interface, addresses),
    ] {
        story.rig.request(request, LIMIT).expect("taken");
    }
}

fn falls_asleep(story: &mut Story) {
    let asleep = story.rig.run_until(Duration::from_secs(20), |rig| {
        rig.device.state() == DeviceState::Asleep
    });
    assert!(asleep, "{:?}", story.rig.device.state());
}

/// First word of MIB 0x1034 in the chip.
fn enabled(story: &Story) -> u32 {
    story.lmac(|lmac| {
        lmac.mib(0, 0x1034).map_or(0, |data| {
            u32::from_le_bytes(data[..4].try_into().expect("it has a word"))
        })
    })
}

#[test]
fn a_sleeping_host_is_not_woken_by_a_neighbour_solicitation_and_the_answer_is_right() {
    for secure in [false, true] {
        let mut story = sleeper(secure, &[OWN], RecoveryPolicy::NONE);
        let answers = collect(&story);
        falls_asleep(&mut story);
        assert_eq!(enabled(&story), 3);
        // The radio sleeps through some of the group frames: whoever asks, asks again.
        for round in 0..9 {
            asks(&mut story, OWN);
            let woken = story.rig.run_until(ms(1_100), |rig| {
                rig.device.state() != DeviceState::Asleep || rig.handle.interrupt_asserted()
            });
            assert!(!woken, "secure {secure}, round {round}");
        }
        let count = advertisements(&answers);
        assert!(count >= 2, "secure {secure}: {count}");
        let answered = story.lmac(|lmac| lmac.counters().answered_for_host);
        assert_eq!(answered as usize, count);
        // Awake, under traffic, the host hears them and answers itself.
        story.exchange(ms(60)).assert_intact("awake");
        story.rig.stack.kept = Some(Vec::new());
        story.exchange_with(ms(400), |story| {
            story.rig.run_for(ms(100));
            assert_eq!(enabled(story), 0);
            asks(story, OWN);
        });
        let kept = story.rig.stack.kept.take().expect("frames were kept");
        let (_, asked) = solicitation(OWN);
        assert!(kept.iter().any(|kept| kept.frame.ends_with(&asked)));
        assert_eq!(advertisements(&answers), count);
        assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
        story.assert_good("after solicitations");
    }
}

/// An ARP packet (RFC 826): 1 asks, 2 answers.
fn arp(operation: u8, sender: ([u8; 6], [u8; 4]), target: ([u8; 6], [u8; 4])) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, operation];
    for (mac, ip) in [sender, target] {
        packet.extend(mac);
        packet.extend(ip);
    }
    packet
}

#[test]
fn a_sleeping_host_is_not_woken_by_an_arp_request_and_the_answer_is_right() {
    let (own, asker) = ((ADDRESS.0, [10, 0, 0, 2]), (ASKER_MAC, [10, 0, 0, 1]));
    for secure in [false, true] {
        let mut story = sleeper(secure, &[], RecoveryPolicy::NONE);
        let answers = collect(&story);
        falls_asleep(&mut story);
        for round in 0..9 {
            let request = arp(1, asker, ([0; 6], own.1));
            sends(&mut story, [0xFF; 6], ARP, &request);
            let woken = story.rig.run_until(ms(1_100), |rig| {
                rig.device.state() != DeviceState::Asleep || rig.handle.interrupt_asserted()
            });
            assert!(!woken, "secure {secure}, round {round}");
        }
        let answers = answers.lock().unwrap();
        let arps: Vec<_> = answers
            .iter()
            .filter(|msdu| msdu.ethertype == ARP)
            .collect();
        assert!(arps.len() >= 2, "secure {secure}: {}", arps.len());
        for answer in arps {
            assert_eq!((answer.destination, answer.source), (ASKER_MAC, ADDRESS.0));
            assert_eq!(answer.payload, arp(2, own, asker));
        }
    }
}

#[test]
fn a_suspended_host_is_not_woken_by_a_neighbour_solicitation() {
    let mut story = sleeper(false, &[OWN], RecoveryPolicy::NONE);
    let answers = collect(&story);
    let triggers = WakeTriggers {
        any: true,
        ..WakeTriggers::default()
    };
    let suspend = Request::Suspend {
        triggers,
        power_kept: true,
    };
    story.rig.request(suspend, LIMIT).expect("never refused");
    for round in 0..9 {
        asks(&mut story, OWN);
        let woken = story
            .rig
            .run_until(ms(1_100), |rig| rig.handle.interrupt_asserted());
        assert!(!woken, "round {round}");
    }
    assert!(advertisements(&answers) >= 2);
    story
        .rig
        .request(Request::Resume, LIMIT)
        .expect("never refused");
    assert_eq!(enabled(&story), 0);
    story.assert_good("after a suspend");
}

#[test]
fn with_two_addresses_the_host_is_woken_and_answers_itself() {
    let mut story = sleeper(false, &[OWN, SECOND], RecoveryPolicy::NONE);
    let answers = collect(&story);
    falls_asleep(&mut story);
    assert_eq!(enabled(&story), 0);
    story.rig.stack.kept = Some(Vec::new());
    for _ in 0..6 {
        asks(&mut story, SECOND);
        story.rig.run_for(ms(1_100));
    }
    let kept = story.rig.stack.kept.take().expect("frames were kept");
    let (_, asked) = solicitation(SECOND);
    assert!(kept.iter().any(|kept| kept.frame.ends_with(&asked)));
    assert_eq!(advertisements(&answers), 0);
    let interface = story.rig.interface.expect("there is one");
    let vif = story.rig.device.interface(interface).expect("it is there");
    assert_eq!(vif.neighbours, NeighbourOffload::TooMany(2));
    assert_eq!(story.rig.device.control_statistics().neighbours_left_out, 1);
}

#[test]
fn the_offload_ends_with_the_connection_and_with_the_chip() {
    let mut story = sleeper(false, &[OWN], RecoveryPolicy::default());
    // The access point is gone while the host sleeps.
    falls_asleep(&mut story);
    assert_eq!(enabled(&story), 3);
    let ap = story.ap;
    story
        .rig
        .air(|air| air.access_point_mut(ap).set_present(false));
    let lost = story.rig.run_until(Duration::from_secs(60), |rig| {
        !rig.stack.station.is_connected() && rig.is_quiet()
    });
    assert!(lost);
    assert_eq!(enabled(&story), 0);
    story
        .rig
        .air(|air| air.access_point_mut(ap).set_present(true));
    story.rig.run_for(ms(500));
    // The next connection has it again, without being told.
    story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
    story.rig.connect(OPEN, None).expect("joined");
    falls_asleep(&mut story);
    assert_eq!(enabled(&story), 3);
    // A chip that was started anew knows nothing of it; the stack tells its addresses again.
    story.lmac(|lmac| lmac.raise_exception(2));
    let healed = story.rig.run_until(Duration::from_secs(20), |rig| {
        rig.device.recovery().incidents() > 0
            && !rig.is_healing()
            && rig.stack.station.is_connected()
    });
    assert!(healed, "{}", story.rig.device.recovery());
    assert_eq!(enabled(&story), 0);
    let interface = story.rig.interface.expect("there is one");
    let vif = story.rig.device.interface(interface).expect("it is there");
    assert_eq!(vif.neighbours, NeighbourOffload::NoAddress);
    configure(&mut story, &[OWN]);
    falls_asleep(&mut story);
    assert_eq!(enabled(&story), 3);
}
