//! File 31.

use super::*;
use crate::event::{Event, LossReason};
use crate::request::ScanRequest;
use crate::test_bench::{channels, Answer};
use crate::types::Dbm;
use bes_wsm::anomaly::AnomalyKind;

const AUTH: [u8; 2] = [0xB0, 0];
const PROBE: [u8; 2] = [0x40, 0];

fn scan_of(bench: &mut Bench, interface: InterfaceId) -> crate::request::Token {
    let list = channels(&[1, 6]);
    let request = ScanRequest {
        channels: &list,
        ssids: &[],
        elements: &[],
        no_cck: false,
        source: None,
    };
    bench.begin(Request::Scan(interface, &request)).unwrap()
}

/// Sleeps within this time when nothing is left to do.
fn falls_asleep(bench: &mut Bench) {
    for _ in 0..100 {
        bench.pass(ms(100));
        if bench.device.state() == crate::device::DeviceState::Asleep {
            return;
        }
    }
    panic!("stays awake: {:?}", bench.device.power_ledger());
}

/// File 31, C1: many settings at a time are many settings, and none of them hides another.
#[test]
fn file_31_c1_settings_that_come_together_all_arrive() {
    let mut bench = Bench::associated();
    let requests = [
        Request::TxPower(Dbm(11)),
        Request::RetryLimits { short: 4, long: 2 },
        Request::RtsThreshold(Some(400)),
        Request::SwitchChannel(
            crate::types::Channel::new(6).unwrap(),
            crate::types::ChannelType::Ht40Plus,
        ),
    ];
    let tokens: Vec<_> = requests
        .into_iter()
        .map(|request| bench.begin(request).unwrap())
        .collect();
    bench.pass(ms(100));
    for token in tokens {
        assert_eq!(bench.result(token), Some(Ok(Response::Done)));
    }
    assert_eq!(bench.payload("W:0006/0"), 110_i32.to_le_bytes());
    assert_eq!(bench.payload("W:0007/0"), 400_u32.to_le_bytes());
    assert!(bench.log().contains(&"0016/0"));
}

/// File 31, C8: a probe request of an interface that is not there is refused, and nobody else is held up by it.
#[test]
fn file_31_c8_a_probe_of_a_missing_interface_is_refused_and_locks_nothing() {
    let mut bench = Bench::associated();
    let probe = frame_to(PROBE, crate::address::BROADCAST, &[0, 0]);
    let info = TxInfo::new(AccessCategory::Voice, Band::TwoPointFourGhz);
    let now = bench.now();
    let refused = bench
        .device
        .transmit(ONE, TestFrame::new(&probe), info, now);
    assert!(refused.is_err());
    assert!(bench.stack.statuses.is_empty(), "nothing was acknowledged");
    send_from(&mut bench, ZERO, 1);
    bench.pass(ms(50));
    assert!(bench.stack.statuses[0].1.is_acked());
}

/// File 31, C11; file 20, D50: whoever asked for a scan, it runs on interface 0 and is stopped there.
#[test]
fn file_31_c10_c11_the_scan_of_a_second_interface_is_stopped_where_it_runs() {
    let mut bench = Bench::running();
    add(&mut bench, ONE);
    bench.chip().scan_time = ms(300);
    scan_of(&mut bench, ONE);
    bench.pass(ms(50));
    let flags = bench.payload("0007/0")[2];
    assert_eq!(flags & 0x10, 0x10, "the second address");
    bench.ask(Request::CancelScan).unwrap();
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.device.state(), crate::device::DeviceState::Running);
    let log = bench.log();
    assert!(log.contains(&"0008/0"), "{log:?}");
    assert!(!log.contains(&"0008/1"));
    assert!(matches!(bench.scan_end(), Some((true, _))));
}

/// File 31, C13: stopping looks at every interface and every queue.
#[test]
fn file_31_c13_a_stop_gives_back_the_frames_of_every_interface_and_queue() {
    let mut bench = Bench::associated();
    add(&mut bench, ONE);
    add(&mut bench, TWO);
    connect(&mut bench, ONE);
    bench.forget();
    bench.chip().frames_stay = true;
    let mut made = 0;
    for category in AccessCategory::ALL {
        for interface in [ZERO, ONE] {
            for mark in 0..15 {
                let mut frame = frame_to(DATA, AP, &[mark; 40]);
                frame[10..16].copy_from_slice(&address_of(interface).0);
                let info = TxInfo::new(category, Band::TwoPointFourGhz);
                let now = bench.now();
                let frame = TestFrame::new(&frame);
                made += usize::from(bench.device.transmit(interface, frame, info, now).is_ok());
            }
        }
    }
    assert_eq!(made, 120);
    bench.pass(ms(5));
    assert_eq!(bench.ask(Request::Stop), Ok(Response::Done));
    assert_eq!(bench.stack.statuses.len(), made);
    assert_eq!(bench.device.queued_frames(), 0);
    assert_eq!(bench.device.bottom_half().leaked_credits(), 0);
}

/// File 31, C14: leaving is under way when the interface goes; nothing of it is left for the next one.
#[test]
fn file_31_c14_leaving_and_removing_at_once_leaves_nothing_for_the_next_interface() {
    for delay in 0..8 {
        let mut bench = Bench::associated();
        add(&mut bench, ONE);
        bench.forget();
        let leave = bench.begin(Request::Disassociated(ZERO)).unwrap();
        for _ in 0..delay {
            bench
                .device
                .run(bes_hal::doorbell::Reasons::INTERRUPT, &mut bench.stack);
        }
        let remove = bench.begin(Request::RemoveInterface(ZERO)).unwrap();
        bench.pass(ms(900));
        assert!(bench.result(leave).is_some(), "after {delay}");
        assert_eq!(bench.result(remove), Some(Ok(Response::Done)));
        assert!(bench.device.interface(ZERO).is_none());
        let resets = |bench: &Bench| bench.log().iter().filter(|name| **name == "000A/0").count();
        assert_eq!(resets(&bench), 1, "after {delay}: {:?}", bench.log());
        add(&mut bench, ZERO);
        connect(&mut bench, ZERO);
        bench.forget();
        bench.pass(Duration::from_secs(5));
        assert_eq!(resets(&bench), 0, "after {delay}: {:?}", bench.log());
        send_from(&mut bench, ZERO, 1);
        bench.pass(ms(50));
        assert!(bench.stack.statuses[0].1.is_acked());
    }
}

/// File 31, C25 and C5; file 40, P5 and P7: an association, a scan or an interface that ends in the middle of something
/// leaves no reason to stay awake.
#[test]
fn file_31_c25_file_40_p7_whatever_is_cut_short_leaves_the_device_free_to_sleep() {
    let cut: [fn(&mut Bench); 6] = [
        // An access point is thought lost while the station leaves it.
        |bench| {
            bench.chip().frame_status = 6;
            bench.chip().say(0x0805, &[1, 0, 0, 0, 0, 0, 0, 0]);
            bench.pass(ms(200));
            bench.ask(Request::Disassociated(ZERO)).unwrap();
        },
        |bench| {
            bench.chip().say(0x0805, &[1, 0, 0, 0, 0, 0, 0, 0]);
            bench.pass(ms(10));
            bench.ask(Request::RemoveInterface(ZERO)).unwrap();
        },
        // The interface of a scan goes, or the scan is refused.
        |bench| {
            bench.chip().scan_time = ms(300);
            scan_of(bench, ZERO);
            bench.pass(ms(10));
            bench.ask(Request::RemoveInterface(ZERO)).unwrap();
        },
        |bench| {
            bench.chip().answer("W:1002/0", Answer::Status(2));
            scan_of(bench, ZERO);
        },
        // A flush that nobody can finish.
        |bench| {
            bench.chip().frames_stay = true;
            send_from(bench, ZERO, 1);
            let flush = Request::Flush {
                interface: ZERO,
                drop: false,
            };
            bench.begin(flush).unwrap();
            bench.pass(ms(10));
            confirm_late(bench);
            bench.ask(Request::RemoveInterface(ZERO)).unwrap();
        },
        // A join that is refused.
        |bench| {
            bench.ask(Request::Unjoin(ZERO)).unwrap();
            bench.chip().answer("000B/0", Answer::Status(1));
            assert!(bench.join().is_err());
        },
    ];
    for (number, cut) in cut.iter().enumerate() {
        let mut bench = super::power::sleepy(&[[10, 0, 0, 2]]);
        bench.forget();
        cut(&mut bench);
        println!("cut short: {number}");
        falls_asleep(&mut bench);
    }
}

/// Confirms the frame that the chip has.
fn confirm_late(bench: &mut Bench) {
    let messages = bench.chip().messages.clone();
    let of_frame = |message: &&Vec<u8>| message[2] & 0x3F == 4 && message[3] & 0xC == 0;
    let frame = messages.iter().rfind(of_frame).expect("sent");
    let mut confirm = frame[4..8].to_vec();
    confirm.extend_from_slice(&[0; 16]);
    bench.chip().say(0x0404, &confirm);
}

/// File 31, C31: a flush of an interface that is not there, and one whose interface goes meanwhile.
#[test]
fn file_31_c31_a_flush_survives_the_end_of_its_interface() {
    let mut bench = Bench::associated();
    let flush = |interface| Request::Flush {
        interface,
        drop: false,
    };
    // Nothing is queued for it.
    assert_eq!(bench.ask(flush(ONE)), Ok(Response::Done));
    bench.chip().frames_stay = true;
    send_from(&mut bench, ZERO, 1);
    bench.run();
    let waits = bench.begin(flush(ZERO)).unwrap();
    let removed = bench.begin(Request::RemoveInterface(ZERO)).unwrap();
    bench.pass(Duration::from_secs(3));
    assert!(bench.result(waits).is_some());
    assert_eq!(bench.result(removed), Some(Ok(Response::Done)));
}

/// File 31, C33; file 20, D8: which station is meant is looked at, not assumed.
#[test]
fn file_31_c33_inactive_stations_that_do_not_exist_touch_nothing() {
    let mut bench = Bench::associated();
    for (data, told) in [
        (0_u32, &[][..]),
        (1, &[]),
        (1 << 15, &[]),
        (1 << 31, &[]),
        (1 | 1 << 1 | 1 << 14 | 1 << 20, &[1_u8, 14]),
    ] {
        let before = bench.device.anomalies().count(AnomalyKind::UnknownLink);
        bench.stack.events.clear();
        let [a, b, c, d] = data.to_le_bytes();
        bench.chip().say(0x0805, &[9, 0, 0, 0, a, b, c, d]);
        bench.run();
        let links: Vec<u8> = bench
            .stack
            .events
            .iter()
            .filter_map(|event| match event {
                Event::StationInactive { link, .. } => Some(link.raw()),
                _ => None,
            })
            .collect();
        assert_eq!(links, told, "{data:#x}");
        let noticed = bench.device.anomalies().count(AnomalyKind::UnknownLink) - before;
        assert_eq!(noticed, u32::from(told.is_empty()), "{data:#x}");
        assert_eq!(bench.stack.frames.len(), 0, "no frame is made up");
    }
}

/// File 31, L1: the end of a join that is never followed by an association, and the removal of its interface, at every
/// moment around each other.
#[test]
fn file_31_l1_a_join_that_times_out_and_a_removal_never_wait_for_each_other() {
    for millis in 2_990..3_010 {
        let mut bench = Bench::joined();
        bench.pass(ms(millis));
        let before = bench.now();
        let removed = bench.begin(Request::RemoveInterface(ZERO)).unwrap();
        while bench.result(removed).is_none() {
            bench.pass(ms(1));
            assert!(bench.now().since(before) < ms(1000), "after {millis} ms");
        }
        assert_eq!(bench.result(removed), Some(Ok(Response::Done)));
        add(&mut bench, ZERO);
        assert_eq!(bench.join(), Ok(Response::Done), "after {millis} ms");
    }
}

/// File 31, L6: leaving in the middle of a connection attempt is done then, and nothing stays locked behind it.
#[test]
fn file_31_l6_leaving_while_connecting_locks_nothing() {
    for delay in 0..14 {
        let mut bench = Bench::running();
        bench.ask(Request::BssKnown(ZERO, bss(AP))).unwrap();
        bench.forget();
        assert!(bench.transmit(&frame_to(AUTH, AP, &[0; 6])));
        for _ in 0..delay {
            bench
                .device
                .run(bes_hal::doorbell::Reasons::INTERRUPT, &mut bench.stack);
        }
        let leave = bench.begin(Request::Unjoin(ZERO)).unwrap();
        bench.pass(ms(800));
        assert_eq!(
            bench.result(leave),
            Some(Ok(Response::Done)),
            "after {delay}"
        );
        assert_eq!(bench.stack.statuses.len(), 1, "after {delay}");
        bench.ask(Request::BssKnown(ZERO, bss(AP))).unwrap();
        connect(&mut bench, ZERO);
        bench.forget();
        send_from(&mut bench, ZERO, 1);
        bench.pass(ms(50));
        assert!(bench.stack.statuses[0].1.is_acked(), "after {delay}");
        assert!(!bench.stack.events.iter().any(|event| matches!(
            event,
            Event::ConnectionLost {
                reason: LossReason::JoinTimeout,
                ..
            }
        )));
    }
}
