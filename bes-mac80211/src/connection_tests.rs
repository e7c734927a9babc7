//! Stories of connections against a scripted chip: the order of messages, and what goes wrong.

use crate::device::DeviceState;
use crate::error::RequestError;
use crate::event::{Event, LossReason, SignalLevel};
use crate::key::{KeyParameters, KeySlot};
use crate::request::{
    BssDescription, CqmThreshold, JoinParameters, PowerSaveParameters, ReceiveFilter, Request,
    Response,
};
use crate::test_bench::*;
use crate::types::{AccessCategory, ChannelType, Cipher, Dbm, MacAddress};
use crate::vif::Connection;
use bes_hal::transport::Transition;
use bes_hal::Duration;
use bes_wsm::anomaly::AnomalyKind;
use bes_wsm::recovery::RecoveryReason;
use bes_wsm::wire::{InterfaceId, MessageId};

const ZERO: InterfaceId = InterfaceId::Zero;
const AUTH: [u8; 2] = [0xB0, 0];
const DEAUTH: [u8; 2] = [0xC0, 0];
const DATA: [u8; 2] = [0x08, 1];

const JOIN: [&str; 11] = [
    "W:1009/0", "W:100E/0", "W:1020/0", "0016/0", "W:1002/0", "000B/0", "W:1003/0", "W:1004/0",
    "W:1005/0", "W:1026/0", "W:0004/0",
];
const UNJOIN: [&str; 7] = [
    "W:1045/0", "W:1044/0", "W:1025/0", "000A/0", "W:0006/0", "W:1009/0", "W:100E/0",
];

fn lost(reason: LossReason) -> Event {
    Event::ConnectionLost {
        interface: ZERO,
        reason,
    }
}

fn ccmp(peer: Option<MacAddress>, index: u8) -> KeyParameters {
    KeyParameters::new(Cipher::Ccmp, peer, index, &[7; 16]).unwrap()
}

#[test]
fn join_is_the_sequence_of_the_specification() {
    let mut bench = Bench::running();
    assert_eq!(bench.join(), Ok(Response::Done));
    assert_eq!(bench.log(), JOIN);
    assert!(bench.stack.events.contains(&Event::Joined {
        interface: ZERO,
        bssid: AP
    }));
    assert_eq!(bench.payload("W:100E/0"), [0, 0, 0xB1, 0]);
    assert_eq!(bench.payload("W:1020/0"), [6, 0, 0, 0]);
    assert_eq!(bench.payload("0016/0"), [0x80, 0, 6, 0]);
    let join = bench.payload("000B/0");
    // Mode, band, channel, BSSID, ATIM, preamble, probe, DTIM, flags.
    assert_eq!(join[..4], [1, 0, 6, 0]);
    assert_eq!(join[4..10], AP.0);
    assert_eq!(join[10..16], [0, 0, 1, 1, 2, 0]);
    assert_eq!(join[16..24], [4, 0, 0, 0, b't', b'e', b's', b't']);
    assert_eq!(join[52..60], [100, 0, 0, 0, 7, 0, 0, 0]);
    assert_eq!(bench.payload("W:1005/0"), [0, 0, 0, 0, 1, 0, 0, 0]);
}

#[test]
fn an_authentication_frame_joins_and_is_sent_afterwards() {
    let mut bench = Bench::running();
    assert!(
        !bench.transmit(&frame_to(AUTH, AP, &[0; 6])),
        "nothing is known of the BSS"
    );
    bench.ask(Request::BssKnown(ZERO, bss(AP))).unwrap();
    assert!(bench.transmit(&frame_to(AUTH, AP, &[0; 6])));
    assert!(!bench.transmit(&frame_to(AUTH, OTHER_AP, &[0; 6])));
    bench.pass(Duration::from_millis(50));
    let log = bench.log();
    assert_eq!(log[..11], JOIN);
    assert_eq!(log[11..], ["W:1016/0", "T"]);
    assert_eq!(bench.stack.statuses.len(), 1);
    assert!(bench.stack.statuses[0].1.is_acked());
}

#[test]
fn a_refused_join_is_reset_and_reported_and_the_next_one_starts_clean_c30() {
    let mut bench = Bench::running();
    bench.ask(Request::BssKnown(ZERO, bss(AP))).unwrap();
    bench.chip().answer("000B/0", Answer::Status(1));
    assert!(bench.transmit(&frame_to(AUTH, AP, &[0; 6])));
    bench.pass(Duration::from_millis(50));
    let log = bench.log();
    assert_eq!(log[..6], JOIN[..6]);
    assert_eq!(log[6..], ["000A/0"]);
    assert!(bench
        .stack
        .events
        .iter()
        .any(|event| matches!(event, Event::JoinRefused { bssid: AP, .. })));
    assert!(bench.stack.events.contains(&lost(LossReason::JoinRefused)));
    assert_eq!(
        bench.stack.statuses.len(),
        1,
        "the frame that waited comes back"
    );
    assert!(!bench.stack.statuses[0].1.is_acked());
    assert_eq!(
        bench.device.interface(ZERO).unwrap().connection,
        Connection::Idle
    );
    bench.forget();
    assert_eq!(bench.join(), Ok(Response::Done));
    assert_eq!(bench.log(), JOIN);
}

#[test]
fn a_chip_that_refuses_the_reset_needs_recovery() {
    let mut bench = Bench::associated();
    bench.chip().answer("000A/0", Answer::Status(1));
    let _ = bench.begin(Request::Unjoin(ZERO)).unwrap();
    bench.pass(Duration::from_secs(1));
    assert_eq!(
        bench.device.state(),
        DeviceState::NeedsRecovery(RecoveryReason::Refused(MessageId::RESET))
    );
}

#[test]
fn a_channel_switch_that_is_never_indicated_needs_recovery_and_locks_nothing_for_ever_d4() {
    let mut bench = Bench::running();
    bench.chip().answer("0016/0", Answer::NoIndication);
    let _ = bench
        .begin(Request::Join(ZERO, JoinParameters { bss: bss(AP) }))
        .unwrap();
    bench.pass(Duration::from_secs(3));
    assert_eq!(
        bench.device.state(),
        DeviceState::NeedsRecovery(RecoveryReason::IndicationTimeout(
            MessageId::CHANNEL_SWITCH_DONE
        ))
    );
}

#[test]
fn a_channel_switch_may_be_indicated_before_its_confirm_or_be_refused() {
    let mut bench = Bench::running();
    bench.chip().answer("0016/0", Answer::IndicationFirst);
    assert_eq!(bench.join(), Ok(Response::Done));
    let mut bench = Bench::running();
    bench.chip().answer("0016/0", Answer::Status(2));
    assert!(matches!(
        bench.join(),
        Err(RequestError::Refused {
            message: MessageId::SWITCH_CHANNEL,
            ..
        })
    ));
    assert!(
        bench.log().contains(&"000A/0"),
        "whatever the chip heard of it is undone"
    );
    assert_eq!(bench.device.state(), DeviceState::Running);
}

#[test]
fn joining_another_bss_leaves_the_first() {
    let mut bench = Bench::associated();
    let other = JoinParameters { bss: bss(OTHER_AP) };
    assert_eq!(bench.ask(Request::Join(ZERO, other)), Ok(Response::Done));
    let log = bench.log();
    assert_eq!(log[..7], UNJOIN);
    assert_eq!(log[7..], JOIN);
    bench.forget();
    assert_eq!(bench.ask(Request::Join(ZERO, other)), Ok(Response::Done));
    assert!(bench.log().is_empty(), "it is joined already");
}

#[test]
fn association_is_the_sequence_of_the_specification() {
    let mut bench = Bench::joined();
    let request = Request::Associated(ZERO, association());
    assert_eq!(bench.ask(request), Ok(Response::Done));
    assert_eq!(
        bench.log(),
        [
            "W:1044/0", "W:0007/0", "W:1045/0", "W:1043/0", "0016/0", "W:1021/0", "W:1010/0",
            "W:1025/0", "0011/0", "W:1007/0", "W:100E/0", "W:1002/0", "W:0003/0", "W:1009/0"
        ]
    );
    assert_eq!(bench.payload("W:1044/0"), [2, 5, 0xB8, 0x0B]);
    assert_eq!(bench.payload("0016/0"), [0x90, 0, 6, 0]);
    assert_eq!(bench.payload("W:1021/0"), [2, 0, 0, 0]);
    assert_eq!(bench.payload("W:1010/0"), [0x1F, 1, 0, 0, 7, 0, 0, 0]);
    assert_eq!(bench.payload("W:1025/0"), [15, 0, 0, 0]);
    assert_eq!(
        bench.payload("0011/0"),
        [0, 50, 1, 0, 0xCF, 0x3F, 0, 0, 0, 0xC0, 0x3F, 0]
    );
    assert_eq!(bench.payload("W:1007/0"), [2, 0, 0, 0]);
    assert_eq!(bench.payload("W:100E/0"), [0xB1, 0, 0xB1, 0]);
    // A QoS null frame, at the chip's rate (C20, D48).
    assert_eq!(bench.payload("W:1002/0")[..6], [3, 0xFF, 26, 0, 0xC8, 1]);
    assert_eq!(bench.payload("W:0003/0"), [9, 0, 0, 0]);
    assert_eq!(bench.payload("W:1009/0"), [0x0D, 0, 0, 8]);
}

#[test]
fn association_without_ht_leaves_block_ack_off_and_the_stacks_rts_threshold_stands_d33() {
    let mut bench = Bench::joined();
    bench.ask(Request::RtsThreshold(Some(1000))).unwrap();
    assert_eq!(bench.log(), ["W:0007/0"]);
    bench.ask(Request::RtsThreshold(Some(1000))).unwrap();
    assert_eq!(bench.log(), ["W:0007/0"], "sent only when changed");
    let mut legacy = association();
    legacy.ht = None;
    legacy.channel_type = ChannelType::NoHt;
    bench.ask(Request::Associated(ZERO, legacy)).unwrap();
    assert!(!bench.log().contains(&"W:100E/0"));
    assert_eq!(bench.payload("W:0007/0"), 1000u32.to_le_bytes());
}

#[test]
fn association_needs_a_join_and_an_association_id() {
    let mut bench = Bench::running();
    let request = Request::Associated(ZERO, association());
    assert_eq!(bench.ask(request), Err(RequestError::NotJoined));
    bench.join().unwrap();
    for aid in [0, 2008] {
        let mut wrong = association();
        wrong.aid = aid;
        assert_eq!(
            bench.ask(Request::Associated(ZERO, wrong)),
            Err(RequestError::Invalid)
        );
    }
}

#[test]
fn unjoin_is_the_sequence_of_the_specification() {
    let mut bench = Bench::associated();
    assert_eq!(bench.ask(Request::Disassociated(ZERO)), Ok(Response::Done));
    assert_eq!(bench.log(), UNJOIN);
    assert_eq!(bench.payload("W:1044/0"), [1, 0, 0xD2, 7]);
    assert_eq!(bench.payload("W:1025/0"), [0; 4]);
    // Before the stack set a power: the default, not 0 dBm (C2).
    assert_eq!(bench.payload("W:0006/0"), 200i32.to_le_bytes());
    assert_eq!(bench.ask(Request::Unjoin(ZERO)), Ok(Response::Done));
    assert_eq!(bench.log(), UNJOIN, "there is nothing left to leave");
    assert!(!bench.transmit(&frame_to(DATA, AP, &[0; 40])));
}

#[test]
fn a_deauthentication_is_sent_before_the_chip_forgets_the_bss() {
    let mut bench = Bench::associated();
    assert!(bench.transmit(&frame_to(DEAUTH, AP, &[3, 0])));
    bench.pass(Duration::from_millis(700));
    let log = bench.log();
    assert_eq!(log[..2], ["W:1016/0", "T"]);
    assert_eq!(log[2..], UNJOIN);
}

#[test]
fn a_received_deauthentication_unjoins_and_goes_up() {
    let mut bench = Bench::associated();
    bench
        .chip()
        .frame(0, 0, &frame_from(DEAUTH, OTHER_AP, &[3, 0]));
    bench.pass(Duration::from_millis(50));
    assert!(bench.log().is_empty(), "another network's");
    bench.chip().frame(0, 0, &frame_from(DEAUTH, AP, &[3, 0]));
    bench.pass(Duration::from_millis(50));
    assert_eq!(bench.log(), UNJOIN);
    assert_eq!(bench.stack.frames.len(), 2);
}

#[test]
fn with_protected_management_a_plain_deauthentication_does_not_unjoin() {
    let mut bench = Bench::joined();
    let mut protected = association();
    protected.protected_management = true;
    bench.ask(Request::Associated(ZERO, protected)).unwrap();
    bench.forget();
    bench.chip().frame(0, 0, &frame_from(DEAUTH, AP, &[3, 0]));
    bench.pass(Duration::from_millis(50));
    assert!(bench.log().is_empty());
}

#[test]
fn rate_policies_are_uploaded_again_after_a_reset() {
    let mut bench = Bench::associated();
    assert!(bench.transmit(&frame_to(DATA, AP, &[0; 40])));
    bench.pass(Duration::from_millis(20));
    assert!(bench.transmit(&frame_to(DATA, AP, &[0; 40])));
    bench.pass(Duration::from_millis(20));
    assert_eq!(bench.log(), ["W:1016/0", "T", "T"]);
    bench.ask(Request::Unjoin(ZERO)).unwrap();
    bench.join().unwrap();
    bench.forget();
    assert!(bench.transmit(&frame_to(DATA, AP, &[0; 40])));
    bench.pass(Duration::from_millis(20));
    assert_eq!(bench.log(), ["W:1016/0", "T"]);
}

#[test]
fn a_refused_rate_policy_is_tried_again_after_a_pause_and_not_in_a_storm() {
    let mut bench = Bench::associated();
    for _ in 0..3 {
        bench.chip().answer("W:1016/0", Answer::Status(2));
    }
    assert!(bench.transmit(&frame_to(DATA, AP, &[0; 40])));
    bench.pass(Duration::from_secs(1));
    assert_eq!(
        bench.log(),
        ["W:1016/0", "W:1016/0", "W:1016/0", "W:1016/0", "T"]
    );
}

#[test]
fn data_flows_only_to_the_bss_that_is_joined() {
    let mut bench = Bench::running();
    assert!(!bench.transmit(&frame_to(DATA, AP, &[0; 40])));
    bench.join().unwrap();
    assert!(!bench.transmit(&frame_to(DATA, OTHER_AP, &[0; 40])));
    assert!(bench.transmit(&frame_to(DATA, AP, &[0; 40])));
    // A probe request may go anywhere.
    assert!(bench.transmit(&frame_to([0x40, 0], crate::address::BROADCAST, &[0, 0])));
}

#[test]
fn the_first_beacon_switches_the_beacon_filter_on_once_d21() {
    let mut bench = Bench::associated();
    let mut beacon = frame_from([0x80, 0], AP, &[0; 8]);
    beacon.extend_from_slice(&[100, 0, 1, 0, 5, 4, 0, 2, 0, 0]);
    for _ in 0..3 {
        bench.chip().frame(0, 0, &beacon);
        bench.pass(Duration::from_millis(20));
    }
    assert_eq!(bench.log(), JOIN[6..]);
    assert_eq!(bench.payload("W:1005/0"), [7, 0, 0, 0, 0, 0, 0, 0]);
    bench.forget();
    // A changed DTIM period is told.
    let at = beacon.len() - 3;
    beacon[at] = 3;
    bench.chip().frame(0, 0, &beacon);
    bench.pass(Duration::from_millis(20));
    assert_eq!(bench.log(), ["W:1007/0"]);
    assert_eq!(bench.payload("W:1007/0"), [3, 0, 0, 0]);
}

#[test]
fn filters_are_written_for_joined_interfaces_only() {
    let mut bench = Bench::running();
    let groups = [MacAddress([1, 0, 0x5E, 0, 0, 0xFB])];
    bench.ask(Request::Multicast(&groups)).unwrap();
    let filter = ReceiveFilter {
        probe_requests: true,
        ..ReceiveFilter::default()
    };
    bench.ask(Request::ConfigureFilter(filter)).unwrap();
    assert!(bench.log().is_empty());
    bench.join().unwrap();
    assert_eq!(bench.payload("W:1003/0"), [2, 0, 0, 0]);
    assert_eq!(bench.payload("W:1026/0"), [1, 0, 0, 0]);
    let table = bench.payload("W:0004/0");
    assert_eq!(
        (table.len(), &table[..8]),
        (56, &[1, 0, 0, 0, 1, 0, 0, 0][..])
    );
    assert_eq!(table[8..14], groups[0].0);
    bench.forget();
    bench
        .ask(Request::ConfigureFilter(ReceiveFilter::default()))
        .unwrap();
    bench.pass(Duration::from_millis(20));
    // The beacon filter did not change.
    assert_eq!(
        bench.log(),
        ["W:1003/0", "W:1004/0", "W:1026/0", "W:0004/0"]
    );
}

#[test]
fn queue_configuration_is_the_sequence_of_the_specification() {
    let mut bench = Bench::running();
    for category in AccessCategory::ALL {
        let mut parameters = crate::edca::EdcaSet::default().category(category);
        parameters.uapsd = true;
        bench
            .ask(Request::ConfigureTx(ZERO, category, parameters))
            .unwrap();
    }
    assert_eq!(bench.log(), ["0012/0", "0013/0", "W:1013/0"].repeat(4));
    assert_eq!(bench.payload("W:1013/0")[..2], [0x0F, 0]);
    // Background, best effort, video, voice.
    assert_eq!(bench.payload("0013/0")[..8], [15, 0, 15, 0, 7, 0, 3, 0]);
}

#[test]
fn keys_get_slots_that_are_given_back_and_counters_reach_the_chip_c23() {
    let mut bench = Bench::associated();
    let slot = |number| Response::Key(KeySlot::new(number).unwrap());
    assert_eq!(
        bench.ask(Request::SetKey(ZERO, ccmp(Some(AP), 0))),
        Ok(slot(0))
    );
    let group = ccmp(None, 1).with_receive_counter([1, 2, 3, 4, 5, 6, 0, 0]);
    assert_eq!(bench.ask(Request::SetKey(ZERO, group)), Ok(slot(1)));
    assert_eq!(bench.log(), ["000C/0", "000C/0"]);
    let message = bench.payload("000C/0");
    assert_eq!(message[..2], [4, 1]);
    assert_eq!(message[4 + 20..4 + 28], [1, 2, 3, 4, 5, 6, 0, 0]);
    assert_eq!(
        bench.ask(Request::RemoveKey(KeySlot::new(0).unwrap())),
        Ok(Response::Done)
    );
    assert_eq!(bench.payload("000D/0"), [0; 4]);
    assert_eq!(
        bench.ask(Request::RemoveKey(KeySlot::new(0).unwrap())),
        Err(RequestError::Invalid)
    );
    assert_eq!(
        bench.ask(Request::SetKey(ZERO, ccmp(Some(AP), 0))),
        Ok(slot(0))
    );
    for number in 2..11 {
        assert_eq!(
            bench.ask(Request::SetKey(ZERO, ccmp(None, 2))),
            Ok(slot(number))
        );
    }
    assert_eq!(
        bench.ask(Request::SetKey(ZERO, ccmp(None, 2))),
        Err(RequestError::Exhausted)
    );
}

#[test]
fn management_is_protected_only_after_the_key_was_accepted_c24() {
    let mut bench = Bench::associated();
    let igtk = KeyParameters::new(Cipher::AesCmac, None, 4, &[9; 16]).unwrap();
    bench.chip().answer("000C/0", Answer::Status(2));
    assert!(bench.ask(Request::SetKey(ZERO, igtk)).is_err());
    assert_eq!(bench.log(), ["000C/0"]);
    bench.forget();
    assert!(bench.ask(Request::SetKey(ZERO, igtk)).is_ok());
    assert_eq!(bench.log(), ["000C/0", "W:1020/0"]);
    assert_eq!(
        bench.payload("W:1020/0"),
        [7, 0, 0, 0],
        "the other bits stay"
    );
}

#[test]
fn the_arp_template_follows_the_address_and_the_key() {
    let mut bench = Bench::associated();
    bench
        .ask(Request::ArpAddresses(ZERO, &[[10, 0, 0, 2]]))
        .unwrap();
    assert_eq!(bench.log(), ["W:1002/0"]);
    assert_eq!(bench.payload("W:1002/0")[..2], [6, 0xFF]);
    bench.ask(Request::SetKey(ZERO, ccmp(Some(AP), 0))).unwrap();
    assert_eq!(bench.log()[1..], ["000C/0", "W:1002/0"]);
    assert_eq!(bench.payload("W:1002/0")[2..4], [78, 0]);
    bench.forget();
    bench
        .ask(Request::ArpAddresses(ZERO, &[[10, 0, 0, 2], [10, 0, 0, 3]]))
        .unwrap();
    assert!(bench.log().is_empty());
    assert_eq!(bench.device.interface(ZERO).unwrap().arp_address, None);
}

#[test]
fn an_address_known_before_the_association_counts_p29() {
    let mut bench = Bench::running_with(|config| config.coexistence = true);
    bench
        .ask(Request::ArpAddresses(ZERO, &[[10, 0, 0, 2]]))
        .unwrap();
    bench.join().unwrap();
    bench.forget();
    bench.ask(Request::Associated(ZERO, association())).unwrap();
    bench.pass(Duration::from_millis(50));
    let log = bench.log();
    // ARP template, then Wi-Fi status and three shares: connected, and the freeze of the join ends.
    assert_eq!(
        log[log.len() - 5..],
        ["W:1002/0", "0C27/0", "0029/0", "0029/0", "0029/0"]
    );
}

#[test]
fn signal_events_are_compared_with_the_threshold_c21() {
    let mut bench = Bench::associated();
    bench.chip().say(0x0805, &[4, 0, 0, 0, 60, 0, 0, 0]);
    bench.run();
    assert_eq!(
        bench
            .device
            .anomalies()
            .count(AnomalyKind::UnexpectedIndication),
        1
    );
    let cqm = CqmThreshold {
        threshold: Dbm(-70),
        hysteresis: 5,
    };
    bench.ask(Request::Cqm(ZERO, Some(cqm))).unwrap();
    assert_eq!(bench.payload("W:1009/0"), [1, 80, 90, 8]);
    bench.forget();
    bench.chip().say(0x0805, &[4, 0, 0, 0, 80, 0, 0, 0]);
    bench.chip().say(0x0805, &[4, 0, 0, 0, 90, 0, 0, 0]);
    bench.run();
    let signal = |level, dbm| Event::Signal {
        interface: ZERO,
        level,
        signal: Dbm(dbm),
    };
    assert_eq!(
        bench.stack.events,
        [
            signal(SignalLevel::Low, -70),
            signal(SignalLevel::High, -65)
        ]
    );
}

/// Status of a frame that nobody acknowledged: "retry limit exceeded".
const NOT_ACKNOWLEDGED: u32 = 6;

#[test]
fn lost_beacons_send_null_frames_and_then_report() {
    let mut bench = Bench::associated();
    bench.chip().frame_status = NOT_ACKNOWLEDGED;
    bench.chip().say(0x0805, &[1, 0, 0, 0, 0, 0, 0, 0]);
    bench.pass(Duration::from_millis(100));
    assert_eq!(
        bench.log(),
        ["W:1016/0", "T"],
        "with a rate policy of its own (D11)"
    );
    bench.pass(Duration::from_millis(5_000));
    assert!(bench.stack.events.is_empty());
    bench.pass(Duration::from_millis(1_000));
    assert_eq!(bench.stack.events, [lost(LossReason::Beacons)]);
    assert_eq!(bench.stack.allocated, 2);
    assert!(
        bench.stack.statuses.is_empty(),
        "the stack never sees these frames"
    );
}

/// Candidate 6 of file 50, section 4: a chip that never says that beacons are back.
#[test]
fn an_access_point_that_answers_is_not_lost_however_often_the_chip_says_so() {
    let mut bench = Bench::associated();
    for _ in 0..3 {
        bench.chip().say(0x0805, &[1, 0, 0, 0, 0, 0, 0, 0]);
        bench.pass(Duration::from_secs(30));
    }
    assert!(bench.stack.events.is_empty());
    assert_eq!(bench.stack.allocated, 3);
    assert_eq!(bench.device.diagnosis().number(bench.now()), 6);
}

#[test]
fn beacons_that_come_back_end_the_procedure() {
    let mut bench = Bench::associated();
    bench.chip().say(0x0805, &[1, 0, 0, 0, 0, 0, 0, 0]);
    bench.pass(Duration::from_millis(500));
    bench.chip().say(0x0805, &[2, 0, 0, 0, 0, 0, 0, 0]);
    bench.pass(Duration::from_secs(20));
    assert!(bench.stack.events.is_empty());
    assert_eq!(bench.stack.allocated, 1);
}

#[test]
fn a_change_of_width_switches_the_channel_once() {
    let mut bench = Bench::associated();
    bench
        .ask(Request::Bandwidth(ZERO, ChannelType::Ht40Minus))
        .unwrap();
    bench
        .ask(Request::Bandwidth(ZERO, ChannelType::Ht40Minus))
        .unwrap();
    assert_eq!(bench.log(), ["0016/0"]);
    assert_eq!(bench.payload("0016/0"), [0xA0, 0, 6, 0]);
}

#[test]
fn a_wep_frame_waits_until_its_key_is_the_default_one() {
    let mut bench = Bench::joined();
    let mut info = crate::types::TxInfo::new(
        AccessCategory::BestEffort,
        crate::types::Band::TwoPointFourGhz,
    );
    info.key = Some(crate::types::HardwareKey {
        cipher: Cipher::Wep,
        index: 2,
    });
    for _ in 0..2 {
        let frame = TestFrame::new(&frame_to([0x08, 0x41], AP, &[0; 40]));
        let now = bench.now();
        assert!(bench.device.transmit(ZERO, frame, info, now).is_ok());
    }
    bench.pass(Duration::from_millis(50));
    assert_eq!(bench.log(), ["W:0005/0", "W:1016/0", "T", "T"]);
    assert_eq!(bench.payload("W:0005/0"), [2, 0, 0, 0]);
}

#[test]
fn a_flush_waits_for_frames_or_drops_them_and_ends_in_time_c31() {
    let mut bench = Bench::associated();
    let flush = |drop| Request::Flush {
        interface: ZERO,
        drop,
    };
    assert_eq!(bench.ask(flush(false)), Ok(Response::Done));
    bench.chip().frames_stay = true;
    for _ in 0..40 {
        assert!(bench.transmit(&frame_to(DATA, AP, &[0; 40])));
    }
    bench.run();
    let before = bench.now();
    assert_eq!(bench.ask(flush(true)), Err(RequestError::TimedOut));
    assert!(bench.now().since(before) <= Duration::from_millis(2_100));
    assert_eq!(bench.device.queued_frames(), 0);
    assert!(!bench.stack.statuses.is_empty());
}

#[test]
fn an_idle_associated_device_sleeps_and_wakes_for_a_frame() {
    let mut bench =
        Bench::running_with(|config| config.idle_sleep = Some(Duration::from_millis(50)));
    let on = PowerSaveParameters {
        enabled: true,
        dynamic_timeout: Duration::from_millis(100),
    };
    bench.ask(Request::PowerSave(ZERO, on)).unwrap();
    bench.join().unwrap();
    bench.ask(Request::Associated(ZERO, association())).unwrap();
    bench
        .ask(Request::ArpAddresses(ZERO, &[[10, 0, 0, 2]]))
        .unwrap();
    bench.forget();
    bench.pass(Duration::from_secs(3));
    assert_eq!(bench.device.state(), DeviceState::Asleep);
    let log = bench.log();
    // Power save is in force before, and stays.
    let sleep = ["W:1001/0", "W:1007/0", "W:1030/0", "W:1006/0"];
    assert_eq!(log, sleep);
    assert_eq!(bench.payload("W:1006/0"), [0x12, 0, 0, 0]);
    assert_eq!(bench.payload("W:1007/0"), [1, 0, 2, 0]);
    assert_eq!(bench.chip().transitions.last(), Some(&Transition::Sleep));
    bench.forget();
    assert!(bench.transmit(&frame_to(DATA, AP, &[0; 40])));
    bench.pass(Duration::from_millis(100));
    assert_eq!(bench.device.state(), DeviceState::Running);
    let log = bench.log();
    assert_eq!(
        log,
        ["W:1006/0", "W:1001/0", "W:1007/0", "W:1030/0", "W:1016/0", "T"]
    );
    assert_eq!(bench.stack.statuses.len(), 1);
    assert!(bench.stack.statuses[0].1.is_acked());
    // Requests wake it as well.
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.device.state(), DeviceState::Asleep);
    assert!(matches!(
        bench.ask(Request::ReadCounters),
        Ok(Response::Counters(_))
    ));
}

#[test]
fn the_longest_join_of_a_hidden_bss_on_5_ghz_names_its_rates() {
    let mut bench = Bench::running();
    let bss = BssDescription {
        ssid: crate::request::Ssid::default(),
        channel: crate::types::Channel::new(100).unwrap(),
        dtim_period: 0,
        ..bss(AP)
    };
    bench
        .ask(Request::Join(ZERO, JoinParameters { bss }))
        .unwrap();
    let join = bench.payload("000B/0");
    assert_eq!(join[..4], [1, 1, 100, 0]);
    assert_eq!(join[14], 1, "DTIM period unknown");
    assert_eq!(join[56..60], [64, 0, 0, 0]);
    assert_eq!(bench.payload("W:1002/0")[1], 6);
}
