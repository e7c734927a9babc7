//! Stories of scans against a scripted chip.

use crate::beacon_loss::BeaconLoss;
use crate::device::DeviceState;
use crate::error::RequestError;
use crate::event::Event;
use crate::request::{Request, Response, ScanRequest, Ssid};
use crate::test_bench::*;
use crate::types::{ChannelType, Dbm};
use bes_hal::Duration;
use bes_wsm::anomaly::AnomalyKind;
use bes_wsm::recovery::RecoveryReason;
use bes_wsm::wire::{InterfaceId, MessageId};

const LONG: Duration = Duration::from_secs(30);

#[test]
fn a_scan_is_the_sequence_of_the_specification() {
    let mut bench = Bench::running_with(|config| config.coexistence = true);
    let token = bench.scan(&channels(&[1, 6, 11]));
    bench.run();
    assert_eq!(bench.result(token), Some(Ok(Response::Done)));
    assert_eq!(bench.scan_end(), None);
    bench.pass(LONG);
    assert_eq!(bench.scan_end(), Some((false, 0)));
    assert_eq!(bench.log(), ["W:1002/0", "0029/0", "0007/0", "0029/0"]);
    // Template: type 0, lowest rate, length; then the probe request with an empty SSID and the elements.
    let template = bench.payload("W:1002/0");
    assert_eq!(template[..4], [0, 0, 30, 0]);
    assert_eq!(template[4 + 10..4 + 16], OWN.0);
    assert_eq!(template[4 + 24..], [0, 0, 1, 2, 0x82, 0x84]);
    let scan = bench.payload("0007/0");
    assert_eq!(scan[..12], [0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 0, 100]);
    assert_eq!(
        scan[12..28],
        [1, 0, 0, 0, 100, 0, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0]
    );
}

#[test]
fn on_5_ghz_every_channel_has_its_own_request_without_cck_c4() {
    let mut bench = Bench::running();
    bench.scan(&channels(&[36, 40, 44, 100]));
    bench.pass(LONG);
    assert_eq!(bench.scan_end(), Some((false, 0)));
    assert_eq!(
        bench.log(),
        ["W:1002/0", "0007/0", "0007/0", "0007/0", "0007/0"]
    );
    assert_eq!(bench.payload("W:1002/0")[1], 6, "template rate");
    let scan = bench.payload("0007/0");
    assert_eq!(scan[..4], [1, 0, 0, 6], "band, type, flags, rate");
    assert_eq!(scan[9], 1, "one channel");
}

#[test]
fn passive_channels_are_never_probed_c3() {
    let mut bench = Bench::running();
    let mut list = channels(&[1, 2, 3, 4]);
    list[1].passive = true;
    list[2].passive = true;
    bench.scan(&list);
    bench.pass(LONG);
    let requests: Vec<(u8, u8)> = bench
        .chip()
        .messages
        .iter()
        .filter(|message| message[2] == 7)
        .map(|message| (message[12], message[13]))
        .collect();
    assert_eq!(requests, [(2, 1), (0, 2), (2, 1)], "probes, channels");
}

#[test]
fn a_scan_of_a_joined_station_is_short_in_the_background_and_lets_data_through_between() {
    let mut bench = Bench::associated();
    bench.scan(&channels(&[1, 6, 36]));
    bench.run();
    assert!(bench.device.scan().is_off_channel());
    assert!(bench.transmit(&frame_to([0x08, 1], AP, &[1; 50])));
    bench.run();
    assert!(
        !bench.log().contains(&"T"),
        "data waits while the chip is on another channel"
    );
    bench.pass(LONG);
    let log = bench.log();
    let at = |name| log.iter().position(|sent| *sent == name).unwrap();
    assert!(log.contains(&"T"));
    assert!(at("T") < log.iter().rposition(|sent| *sent == "0007/0").unwrap());
    assert_eq!(log.iter().filter(|sent| **sent == "0007/0").count(), 3);
    let scan = bench.payload("0007/0");
    // Background, forced, one channel, 10 to 25.
    assert_eq!((scan[1], scan[2], scan[9]), (1, 1, 1));
    assert_eq!(scan[16..24], [10, 0, 0, 0, 25, 0, 0, 0]);
    assert_eq!(bench.scan_end(), Some((false, 0)));
    assert!(bench.stack.statuses[0].1.is_acked());
}

#[test]
fn a_40_mhz_association_goes_to_20_mhz_for_a_scan_and_back() {
    let mut bench = Bench::joined();
    let mut wide = association();
    wide.channel_type = ChannelType::Ht40Plus;
    bench
        .ask(Request::Associated(InterfaceId::Zero, wide))
        .unwrap();
    bench.forget();
    bench.scan(&channels(&[1]));
    bench.pass(LONG);
    assert_eq!(bench.log(), ["W:1002/0", "0016/0", "0007/0", "0016/0"]);
    let switches: Vec<u8> = bench
        .chip()
        .messages
        .iter()
        .filter(|message| message[2] == 0x16)
        .map(|message| message[4])
        .collect();
    assert_eq!(switches, [0x80, 0xB0]);
}

#[test]
fn power_follows_the_channel_and_is_restored_c2() {
    let mut bench = Bench::running();
    bench.ask(Request::TxPower(Dbm(17))).unwrap();
    assert_eq!(bench.payload("W:0006/0"), 170i32.to_le_bytes());
    bench.forget();
    let mut list = channels(&[1, 2]);
    list[1].max_power = Dbm(12);
    bench.scan(&list);
    bench.pass(LONG);
    assert_eq!(
        bench.log(),
        ["W:1002/0", "0007/0", "W:0006/0", "0007/0", "W:0006/0"]
    );
    assert_eq!(bench.payload("W:0006/0"), 170i32.to_le_bytes());
}

#[test]
fn a_refused_channel_is_skipped_and_the_others_are_scanned() {
    let mut bench = Bench::running();
    bench.chip().answer("0007/0", Answer::Status(0));
    bench.chip().answer("0007/0", Answer::Status(2));
    bench.scan(&channels(&[1, 36, 40]));
    bench.pass(LONG);
    assert_eq!(bench.scan_end(), Some((false, 1)));
    assert_eq!(
        bench.log().iter().filter(|sent| **sent == "0007/0").count(),
        3
    );
    assert_eq!(bench.device.control_statistics().scan_refusals, 1);
}

#[test]
fn a_refused_request_of_several_channels_is_repeated_one_by_one() {
    let mut bench = Bench::running();
    bench.chip().answer("0007/0", Answer::Status(2));
    bench.scan(&channels(&[1, 6, 11]));
    bench.pass(LONG);
    assert_eq!(bench.scan_end(), Some((false, 0)));
    assert_eq!(
        bench.log().iter().filter(|sent| **sent == "0007/0").count(),
        4
    );
}

#[test]
fn refusals_do_not_become_a_storm() {
    let mut bench = Bench::running();
    // A stack that scans every five minutes for an hour, and a chip that always refuses.
    for round in 0..12 {
        bench.forget();
        for _ in 0..10 {
            bench.chip().answer("0007/0", Answer::Status(2));
        }
        bench.scan(&channels(&[36]));
        bench.pass(Duration::from_secs(300));
        assert_eq!(bench.scan_end(), Some((false, 1)), "{round}");
        bench.chip().answers.clear();
    }
    let statistics = bench.device.control_statistics();
    assert!(statistics.scan_refusals <= 7, "{statistics:?}");
    assert_eq!(statistics.scan_refusals + statistics.channels_left_out, 12);
}

#[test]
fn a_chip_that_says_it_is_still_joined_is_reset_once() {
    let mut bench = Bench::running();
    bench.chip().answer("0007/0", Answer::Status(13));
    bench.scan(&channels(&[1]));
    bench.pass(LONG);
    assert_eq!(bench.log(), ["W:1002/0", "0007/0", "000A/0", "0007/0"]);
    assert_eq!(bench.scan_end(), Some((false, 0)));
}

#[test]
fn a_refused_template_is_an_error_and_nothing_stays_busy_c5() {
    let mut bench = Bench::running();
    bench.chip().answer("W:1002/0", Answer::Status(1));
    let token = bench.scan(&channels(&[1]));
    bench.pass(LONG);
    assert!(matches!(
        bench.result(token),
        Some(Err(RequestError::Refused {
            message: MessageId::WRITE_MIB,
            ..
        }))
    ));
    assert_eq!(bench.scan_end(), None);
    assert!(!bench.device.scan().is_active());
    bench.forget();
    bench.scan(&channels(&[1]));
    bench.pass(LONG);
    assert_eq!(bench.scan_end(), Some((false, 0)));
}

#[test]
fn an_end_that_does_not_come_is_asked_for_and_then_needs_recovery() {
    let mut bench = Bench::running();
    bench.chip().answer("0007/0", Answer::NoIndication);
    bench.scan(&channels(&[1]));
    bench.pass(Duration::from_secs(5));
    assert!(!bench.log().contains(&"0008/0"));
    bench.pass(Duration::from_secs(1));
    assert!(bench.log().contains(&"0008/0"), "on interface 0 (C11)");
    assert_eq!(
        bench
            .device
            .anomalies()
            .count(AnomalyKind::MissingIndication),
        1
    );
    bench.pass(Duration::from_secs(2));
    assert_eq!(
        bench.device.state(),
        DeviceState::NeedsRecovery(RecoveryReason::IndicationTimeout(MessageId::SCAN_COMPLETE))
    );
    assert_eq!(bench.scan_end(), Some((true, 0)));
}

#[test]
fn a_late_end_after_stop_ends_the_scan_as_aborted() {
    let mut bench = Bench::running();
    bench.chip().answer("0007/0", Answer::NoIndication);
    bench.scan(&channels(&[1, 36]));
    bench.pass(Duration::from_secs(6));
    bench.chip().say(0x0806, &[0; 8]);
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.device.state(), DeviceState::Running);
    assert_eq!(bench.scan_end(), Some((true, 0)));
}

#[test]
fn the_end_may_come_before_the_confirm() {
    let mut bench = Bench::running();
    bench.chip().answer("0007/0", Answer::IndicationFirst);
    bench.scan(&channels(&[1]));
    bench.pass(LONG);
    assert_eq!(bench.scan_end(), Some((false, 0)));
    assert_eq!(
        bench
            .device
            .anomalies()
            .count(AnomalyKind::UnexpectedIndication),
        0
    );
}

#[test]
fn an_end_without_a_scan_is_an_anomaly_d5() {
    let mut bench = Bench::running();
    bench.chip().say(0x0806, &[0; 8]);
    bench.run();
    assert_eq!(
        bench
            .device
            .anomalies()
            .count(AnomalyKind::UnexpectedIndication),
        1
    );
    bench.scan(&channels(&[1]));
    bench.run();
    assert!(bench.device.scan().is_off_channel());
    assert_eq!(bench.scan_end(), None);
}

#[test]
fn a_failed_end_makes_the_scan_incomplete_c6() {
    let mut bench = Bench::running();
    bench.chip().answer("0007/0", Answer::NoIndication);
    bench.scan(&channels(&[1, 36]));
    bench.run();
    bench.chip().say(0x0806, &[1, 0, 0, 0, 0, 0, 0, 0]);
    bench.pass(LONG);
    assert_eq!(bench.scan_end(), Some((true, 0)));
    assert_eq!(
        bench.log().iter().filter(|sent| **sent == "0007/0").count(),
        2
    );
}

#[test]
fn a_scan_can_be_cancelled_at_any_moment() {
    for millis in [0, 1, 50, 120, 200, 330, 400] {
        let mut bench = Bench::associated();
        bench.chip().answer("0007/0", Answer::Status(0));
        let scan = bench.scan(&channels(&[1, 6, 36]));
        if millis > 0 {
            bench.pass(Duration::from_millis(millis));
        }
        let cancel = bench.begin(Request::CancelScan).unwrap();
        bench.pass(Duration::from_millis(20));
        if bench.device.scan().is_active() {
            // Stopped: the chip still owes its end.
            assert!(bench.log().contains(&"0008/0"), "{millis}");
        }
        bench.pass(Duration::from_secs(1));
        assert_eq!(bench.result(cancel), Some(Ok(Response::Done)), "{millis}");
        match bench.result(scan) {
            Some(Ok(_)) => assert_eq!(bench.scan_end(), Some((true, 0)), "{millis}"),
            Some(Err(error)) => {
                assert_eq!(error, RequestError::Aborted);
                assert_eq!(bench.scan_end(), None);
            }
            None => panic!("no answer, {millis}"),
        }
        let told = |event: &Event| match event {
            Event::ScanCompleted { .. } => true,
            Event::Completed { token, .. } => *token == cancel,
            _ => false,
        };
        let last = bench
            .stack
            .events
            .iter()
            .rfind(|event| told(event))
            .unwrap();
        assert!(
            matches!(last, Event::Completed { .. }),
            "the end is told first"
        );
        assert!(!bench.device.scan().is_active());
        assert!(bench.transmit(&frame_to([0x08, 1], AP, &[1; 50])));
        bench.pass(Duration::from_millis(20));
        assert_eq!(bench.stack.statuses.len(), 1);
    }
}

#[test]
fn results_are_delivered_before_the_end_is_told() {
    let mut bench = Bench::running();
    bench.chip().answer("0007/0", Answer::NoIndication);
    bench.scan(&channels(&[6]));
    bench.run();
    let mut beacon = frame_from([0x80, 0], OTHER_AP, &[0; 12]);
    beacon[4..10].fill(0xFF);
    bench.chip().frame(2, 0, &beacon);
    bench.chip().say(0x0806, &[0; 8]);
    bench.run();
    assert_eq!(bench.stack.frames.len(), 1);
    assert_eq!(bench.stack.frames[0].0, beacon);
    assert_eq!(bench.stack.frames[0].1.interface, InterfaceId::Zero);
    assert_eq!(bench.scan_end(), Some((false, 0)));
    bench.chip().frame(2, 0, &beacon);
    bench.run();
    assert_eq!(bench.stack.frames.len(), 1, "nobody listens any more");
}

#[test]
fn settings_do_not_wait_for_the_end_of_a_scan_but_a_join_does_l9() {
    let mut bench = Bench::running();
    bench.chip().scan_time = Duration::from_secs(2);
    bench.scan(&channels(&[1]));
    bench.run();
    let counters = bench.begin(Request::ReadCounters).unwrap();
    let join = bench
        .begin(Request::Join(
            InterfaceId::Zero,
            crate::request::JoinParameters { bss: bss(AP) },
        ))
        .unwrap();
    bench.pass(Duration::from_millis(10));
    assert!(bench.result(counters).is_some());
    assert_eq!(bench.result(join), None);
    assert!(!bench.log().contains(&"000B/0"));
    bench.pass(Duration::from_secs(3));
    assert_eq!(bench.result(join), Some(Ok(Response::Done)));
}

#[test]
fn a_second_scan_is_busy_and_bad_ones_are_invalid() {
    let mut bench = Bench::running();
    bench.scan(&channels(&[1]));
    let list = channels(&[1]);
    let request = |channels, ssids, elements| ScanRequest {
        channels,
        ssids,
        elements,
        no_cck: false,
        source: None,
    };
    let again = request(&list, &[], &[]);
    assert_eq!(
        bench.begin(Request::Scan(InterfaceId::Zero, &again)),
        Err(RequestError::Busy)
    );
    bench.pass(LONG);
    let three = [Ssid::default(); 3];
    let many = channels(&[1; 65]);
    for bad in [
        request(&[], &[], &[]),
        request(&list, &three, &[]),
        request(&list, &[], &[0; 1591]),
        request(&many, &[], &[]),
    ] {
        assert_eq!(
            bench.begin(Request::Scan(InterfaceId::Zero, &bad)),
            Err(RequestError::Invalid)
        );
    }
    // The longest elements fit into one message (C28).
    let long = request(&list, &[], &[7; 1590]);
    bench.forget();
    bench
        .begin(Request::Scan(InterfaceId::Zero, &long))
        .unwrap();
    bench.pass(LONG);
    assert_eq!(bench.scan_end(), Some((false, 0)));
    assert_eq!(bench.chip().messages[0].len(), 1628);
}

#[test]
fn a_scan_for_an_interface_that_is_gone_is_refused_c7() {
    let mut bench = Bench::running();
    bench
        .begin(Request::RemoveInterface(InterfaceId::Zero))
        .unwrap();
    let token = bench.scan(&channels(&[1]));
    bench.pass(LONG);
    assert_eq!(bench.result(token), Some(Err(RequestError::NoInterface)));
    assert!(!bench.device.scan().is_active());
}

#[test]
fn removing_the_interface_ends_its_scan_first() {
    let mut bench = Bench::running();
    bench.chip().scan_time = Duration::from_millis(700);
    bench.scan(&channels(&[1, 36]));
    bench.run();
    let remove = bench
        .begin(Request::RemoveInterface(InterfaceId::Zero))
        .unwrap();
    bench.pass(Duration::from_secs(3));
    assert_eq!(bench.scan_end(), Some((true, 0)));
    assert_eq!(bench.result(remove), Some(Ok(Response::Done)));
}

#[test]
fn a_scan_while_joined_but_not_associated_leaves_the_bss_first() {
    let mut bench = Bench::joined();
    bench.scan(&channels(&[1]));
    bench.pass(LONG);
    let log = bench.log();
    let at = |name| log.iter().position(|sent| *sent == name).unwrap();
    assert!(at("000A/0") < at("0007/0"));
    assert_eq!(bench.scan_end(), Some((false, 0)));
}

#[test]
fn beacons_lost_during_a_scan_are_looked_at_afterwards() {
    let mut bench = Bench::associated();
    bench.chip().scan_time = Duration::from_millis(900);
    bench.scan(&channels(&[1]));
    bench.run();
    bench.chip().say(0x0805, &[1, 0, 0, 0, 0, 0, 0, 0]);
    bench.pass(Duration::from_secs(3));
    assert_eq!(bench.scan_end(), Some((false, 0)));
    let loss = bench
        .device
        .interface(InterfaceId::Zero)
        .unwrap()
        .beacon_loss;
    assert!(matches!(loss, BeaconLoss::Deferred { .. }));
    assert_eq!(bench.stack.allocated, 0);
    bench.pass(Duration::from_secs(5));
    assert!(bench.stack.allocated > 0);
}
