//! Stories of suspend and resume with a chip that answers from a table.

use crate::device::DeviceState;
use crate::error::RequestError;
use crate::event::{Event, LossReason};
use crate::request::{Request, Response, Resumed, Suspended};
use crate::test_bench::{channels, frame_from, frame_to, Answer, Bench, AP, OWN};
use crate::wake::{WakePattern, WakeReason, WakeTriggers, WakeUp};
use bes_hal::transport::Transition;
use bes_hal::Duration;
use bes_wsm::wire::InterfaceId;

const ZERO: InterfaceId = InterfaceId::Zero;
const DATA: [u8; 2] = [0x08, 0x01];
const DATA_DOWN: [u8; 2] = [0x08, 0x02];

const MAGIC: WakeTriggers<'static> = WakeTriggers {
    any: false,
    disconnect: true,
    magic_packet: true,
    patterns: &[],
};

fn suspend(bench: &mut Bench, triggers: WakeTriggers<'_>) -> Suspended {
    let request = Request::Suspend {
        triggers,
        power_kept: true,
    };
    let before = bench.now();
    let answer = bench.ask(request);
    assert!(bench.now().since(before) < Duration::from_secs(10));
    match answer {
        Ok(Response::Suspended(suspended)) => suspended,
        other => panic!("{other:?}"),
    }
}

fn resume(bench: &mut Bench) -> Resumed {
    match bench.ask(Request::Resume) {
        Ok(Response::Resumed(resumed)) => resumed,
        other => panic!("{other:?}"),
    }
}

fn armed(bench: &Bench) -> bool {
    bench
        .device
        .interface(ZERO)
        .is_some_and(crate::vif::Vif::has_wake_filters)
}

fn assert_traffic(bench: &mut Bench) {
    bench.stack.statuses.clear();
    assert!(bench.transmit(&frame_to(DATA, AP, &[0; 40])));
    bench.pass(Duration::from_millis(200));
    assert_eq!(bench.stack.statuses.len(), 1);
    assert!(bench.stack.statuses[0].1.is_acked());
}

#[test]
fn a_host_that_waits_for_magic_packets_arms_the_filters_and_takes_every_one_back() {
    let mut bench = Bench::associated();
    bench
        .ask(Request::Multicast(&[crate::types::MacAddress([
            1, 0, 0x5E, 0, 0, 0xFB,
        ])]))
        .unwrap();
    bench.pass(Duration::from_millis(10));
    bench.forget();
    let suspended = suspend(&mut bench, MAGIC);
    assert!(suspended.session_kept && suspended.asleep && suspended.armed.exact);
    // Power save comes first, so that its answer does not wake the host.
    let expected = [
        "0010/0", "W:1007/0", "W:1030/0", "W:101B/0", "W:101A/0", "W:1032/0", "W:0004/0",
        "W:1005/0", "W:101C/0", "W:1006/0",
    ];
    assert_eq!(bench.log(), expected);
    assert_eq!(bench.payload("W:101B/0")[..8], [3, 0, 0, 0, 1, 0, 0x43, 0]);
    assert_eq!(
        bench.payload("W:101A/0"),
        [3, 1, 0, 0, 2, 0, 0x8E, 0x88, 2, 0, 0xB4, 0x88, 1, 0, 0xFF, 0xFF]
    );
    assert_eq!(bench.payload("W:1032/0")[..6], [1, 2, 0, 0, 2, 2]);
    assert_eq!(bench.payload("W:0004/0")[..8], [2, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(bench.payload("W:101C/0")[..4], [2, 36, 102, 0]);
    assert_eq!(bench.payload("W:101C/0")[100..], OWN.0);
    // Magic packets come as broadcasts.
    assert_eq!(bench.payload("W:1030/0")[..2], [1, 0]);
    assert_eq!(bench.payload("W:1006/0"), [0x12, 0, 0, 0]);
    assert_eq!(bench.chip().transitions.last(), Some(&Transition::Sleep));
    assert!(armed(&bench));

    // Nothing happens until the host is back.
    bench.forget();
    bench.pass(Duration::from_secs(3600));
    assert_eq!(bench.log(), [""; 0]);
    assert!(!bench.transmit(&frame_to(DATA, AP, &[0; 40])));

    assert_eq!(
        resume(&mut bench),
        Resumed {
            session_kept: true,
            woken_by: None
        }
    );
    let log = bench.log();
    let expected = [
        "W:1006/0", "W:101C/0", "W:1007/0", "W:1030/0", "W:1005/0", "W:0004/0", "W:101B/0",
        "W:101A/0", "W:1032/0", // The user does not want power save.
        "0010/0",
    ];
    assert_eq!(log, expected);
    for off in ["W:101A/0", "W:101B/0", "W:101C/0", "W:1032/0"] {
        assert_eq!(bench.payload(off), [0; 4], "{off}");
    }
    assert_eq!(bench.payload("W:0004/0")[..4], [1, 0, 0, 0]);
    assert!(!armed(&bench));
    assert_traffic(&mut bench);
}

#[test]
fn the_reason_is_that_of_the_frame_that_woke_the_host() {
    let mut magic = vec![0xAA, 0xAA, 3, 0, 0, 0, 8, 0];
    magic.extend_from_slice(&[0; 28]);
    magic.extend_from_slice(&[0xFF; 6]);
    for _ in 0..16 {
        magic.extend_from_slice(&OWN.0);
    }
    let other = [0xAA, 0xAA, 3, 0, 0, 0, 8, 0, 1, 2, 3];
    let pattern = WakePattern {
        offset: 14,
        bytes: &[1, 2],
        mask: &[3],
    };
    let patterns = [pattern];
    let by_pattern = WakeTriggers {
        patterns: &patterns,
        ..WakeTriggers::default()
    };
    let stories = [
        (
            MAGIC,
            frame_from(DATA_DOWN, AP, &magic),
            WakeReason::MagicPacket,
        ),
        (MAGIC, frame_from(DATA_DOWN, AP, &other), WakeReason::Other),
        (
            by_pattern,
            frame_from(DATA_DOWN, AP, &other),
            WakeReason::Pattern,
        ),
        (
            by_pattern,
            frame_from(DATA_DOWN, AP, &magic),
            WakeReason::Other,
        ),
        (
            MAGIC,
            frame_from([0xC0, 0], AP, &[3, 0]),
            WakeReason::Disconnect,
        ),
    ];
    for (triggers, frame, reason) in stories {
        let mut bench = Bench::associated();
        assert!(suspend(&mut bench, triggers).asleep);
        bench.chip().frame(0, 0, &frame);
        let resumed = resume(&mut bench);
        let expected = WakeUp {
            interface: ZERO,
            reason,
        };
        assert_eq!(resumed.woken_by, Some(expected));
        // The frame itself is the stack's.
        assert_eq!(bench.stack.frames.len(), 1);
        bench.pass(Duration::from_secs(1));
        let left = reason == WakeReason::Disconnect;
        let associated = bench
            .device
            .interface(ZERO)
            .is_some_and(|vif| vif.connection.is_associated());
        assert_eq!(associated, !left);
    }
}

#[test]
fn a_lost_access_point_is_a_disconnect() {
    let mut bench = Bench::associated();
    assert!(suspend(&mut bench, WakeTriggers::default()).asleep);
    bench.chip().say(0x0805, &[1, 0, 0, 0, 0, 0, 0, 0]);
    let woken_by = resume(&mut bench).woken_by.unwrap();
    assert_eq!(woken_by.reason, WakeReason::Disconnect);
}

#[test]
fn any_arms_nothing_and_disconnect_alone_lets_no_data_through() {
    let mut bench = Bench::associated();
    let any = WakeTriggers {
        any: true,
        ..WakeTriggers::default()
    };
    bench.forget();
    suspend(&mut bench, any);
    assert_eq!(
        bench.log(),
        ["0010/0", "W:1007/0", "W:1030/0", "W:1005/0", "W:1006/0"]
    );
    assert_eq!(bench.payload("W:1005/0"), [7, 0, 0, 0, 0, 0, 0, 0]);
    resume(&mut bench);
    assert_eq!(bench.payload("W:1005/0"), [0, 0, 0, 0, 1, 0, 0, 0]);
    bench.forget();
    suspend(&mut bench, WakeTriggers::default());
    assert_eq!(
        bench.payload("W:101C/0"),
        [2, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    );
    resume(&mut bench);
    assert!(!armed(&bench));
}

#[test]
fn one_hundred_suspends_leave_nothing_behind() {
    let mut bench = Bench::associated();
    for round in 0..100 {
        bench.forget();
        let triggers = if round % 2 == 0 {
            MAGIC
        } else {
            WakeTriggers::default()
        };
        let suspended = suspend(&mut bench, triggers);
        assert!(suspended.session_kept && suspended.asleep, "{round}");
        bench.pass(Duration::from_secs(600));
        assert!(resume(&mut bench).session_kept, "{round}");
        assert!(!armed(&bench));
        assert_traffic(&mut bench);
    }
    assert_eq!(bench.device.control_statistics().suspends, 100);
    assert_eq!(bench.device.control_statistics().suspends_awake, 0);
    assert_eq!(bench.device.anomalies().total(), 0);
}

/// P14, P15, P18, and file 50, section 3, item 9: whatever a suspend has got to, coming back undoes it.
#[test]
fn p14_p15_p18_a_suspend_that_is_interrupted_anywhere_leaves_nothing_armed() {
    for steps in 0..40 {
        let mut bench = Bench::associated();
        let token = bench
            .begin(Request::Suspend {
                triggers: MAGIC,
                power_kept: true,
            })
            .unwrap();
        for _ in 0..steps {
            bench
                .device
                .run(bes_hal::doorbell::Reasons::INTERRUPT, &mut bench.stack);
        }
        assert!(resume(&mut bench).session_kept, "after {steps}");
        let answer = bench.result(token);
        assert!(
            matches!(
                answer,
                Some(Err(RequestError::Aborted) | Ok(Response::Suspended(_)))
            ),
            "after {steps}: {answer:?}"
        );
        assert!(!armed(&bench), "after {steps}");
        let log = bench.log();
        let sent = |name: &str| log.iter().filter(|sent| **sent == name).count();
        for filter in ["W:101A/0", "W:101B/0", "W:101C/0", "W:1032/0"] {
            // Once armed, once disarmed; or never.
            assert!(matches!(sent(filter), 0 | 2), "after {steps}: {filter}");
        }
        assert_traffic(&mut bench);
    }
}

#[test]
fn a_filter_that_the_chip_refuses_does_not_keep_the_host_awake() {
    for filter in ["W:101A/0", "W:101B/0", "W:101C/0", "W:1032/0", "W:1007/0"] {
        let mut bench = Bench::associated();
        bench.chip().answer(filter, Answer::Status(2));
        let suspended = suspend(&mut bench, MAGIC);
        assert!(suspended.session_kept && suspended.asleep, "{filter}");
        assert!(resume(&mut bench).session_kept);
        assert!(!armed(&bench));
        assert_traffic(&mut bench);
    }
}

#[test]
fn a_filter_that_cannot_be_taken_back_needs_recovery_instead_of_dropping_every_frame() {
    let mut bench = Bench::associated();
    suspend(&mut bench, MAGIC);
    bench.chip().answer("W:101C/0", Answer::Status(2));
    assert!(!resume(&mut bench).session_kept);
    assert!(matches!(
        bench.device.state(),
        DeviceState::NeedsRecovery(_)
    ));
}

/// P17: and nobody was told.
#[test]
fn p17_a_chip_that_does_not_fall_asleep_lets_the_host_suspend_all_the_same() {
    let mut bench = Bench::associated();
    bench.chip().failing = Some(Transition::Sleep);
    let suspended = suspend(&mut bench, MAGIC);
    assert!(suspended.session_kept && !suspended.asleep);
    assert_eq!(bench.device.control_statistics().suspends_awake, 1);
    bench.chip().failing = None;
    assert!(resume(&mut bench).session_kept);
    assert!(!armed(&bench));
    assert_traffic(&mut bench);
}

#[test]
fn a_scan_a_join_and_frames_under_way_are_ended() {
    let mut bench = Bench::running();
    bench.chip().scan_time = Duration::from_millis(1500);
    let scan = bench.scan(&channels(&[1, 6, 11]));
    bench.run();
    assert_eq!(bench.result(scan), Some(Ok(Response::Done)));
    bench.chip().scan_time = Duration::from_millis(10);
    let suspended = suspend(&mut bench, WakeTriggers::default());
    assert!(suspended.asleep);
    assert!(matches!(bench.scan_end(), Some((true, _))));
    resume(&mut bench);

    let mut bench = Bench::joined();
    assert!(suspend(&mut bench, WakeTriggers::default()).asleep);
    assert!(bench.stack.events.contains(&Event::ConnectionLost {
        interface: ZERO,
        reason: LossReason::Suspended
    }));
    resume(&mut bench);
    assert_eq!(bench.join(), Ok(Response::Done));

    let mut bench = Bench::associated();
    bench.chip().frames_stay = true;
    for _ in 0..60 {
        assert!(bench.transmit(&frame_to(DATA, AP, &[0; 40])));
    }
    bench.run();
    let before = bench.now();
    assert!(suspend(&mut bench, WakeTriggers::default()).asleep);
    assert!(bench.now().since(before) < Duration::from_secs(2));
    assert_eq!(bench.device.queued_frames(), 0);
}

#[test]
fn a_dead_chip_lets_the_host_suspend_and_says_that_nothing_is_left() {
    let mut bench = Bench::associated();
    bench.chip().answer("W:1007/0", Answer::Silence);
    let suspended = suspend(&mut bench, MAGIC);
    assert!(!suspended.session_kept);
    assert!(matches!(
        bench.device.state(),
        DeviceState::NeedsRecovery(_)
    ));
    assert_eq!(resume(&mut bench), Resumed::default());
    assert_eq!(bench.ask(Request::Boot), Ok(Response::Done));
    assert_eq!(bench.ask(Request::Start), Ok(Response::Done));

    let mut bench = Bench::associated();
    suspend(&mut bench, MAGIC);
    bench.chip().failing = Some(Transition::Wake);
    assert_eq!(resume(&mut bench), Resumed::default());
    assert!(matches!(
        bench.device.state(),
        DeviceState::NeedsRecovery(_)
    ));
}

#[test]
fn without_power_everything_is_switched_off_and_started_anew() {
    let mut bench = Bench::associated();
    bench.forget();
    let cut = Request::Suspend {
        triggers: WakeTriggers::default(),
        power_kept: false,
    };
    let Ok(Response::Suspended(suspended)) = bench.ask(cut) else {
        panic!();
    };
    assert_eq!(suspended, Suspended::default());
    assert_eq!(bench.device.state(), DeviceState::Off);
    assert_eq!(bench.chip().transitions.last(), Some(&Transition::PowerOff));
    assert_eq!(resume(&mut bench), Resumed::default());
    assert_eq!(bench.ask(Request::Boot), Ok(Response::Done));
    assert_eq!(bench.ask(Request::Start), Ok(Response::Done));
    // From a device that is booted but not in use.
    assert_eq!(bench.ask(Request::Stop), Ok(Response::Done));
    assert!(bench.ask(cut).is_ok());
    assert_eq!(bench.device.state(), DeviceState::Off);
    assert!(bench.ask(Request::Resume).is_ok());
}

#[test]
fn a_device_that_is_not_in_use_suspends_and_resumes_too() {
    let mut bench = Bench::off(|_| {});
    for _ in 0..2 {
        assert_eq!(suspend(&mut bench, MAGIC), Suspended::default());
        assert_eq!(resume(&mut bench), Resumed::default());
        // Once more, for good measure.
        assert_eq!(resume(&mut bench), Resumed::default());
    }
    assert_eq!(bench.ask(Request::Boot), Ok(Response::Done));
    assert_eq!(suspend(&mut bench, MAGIC), Suspended::default());
    assert_eq!(bench.device.state(), DeviceState::Ready);
    resume(&mut bench);
    assert_eq!(bench.ask(Request::Start), Ok(Response::Done));
    // Without an association there is nothing to arm.
    bench.forget();
    assert!(suspend(&mut bench, MAGIC).session_kept);
    assert_eq!(bench.log(), ["W:1006/0"]);
    assert!(resume(&mut bench).session_kept);
}

#[test]
fn a_second_request_of_a_kind_is_refused() {
    let mut bench = Bench::associated();
    let request = Request::Suspend {
        triggers: MAGIC,
        power_kept: true,
    };
    bench.begin(request).unwrap();
    assert_eq!(bench.begin(request), Err(RequestError::Busy));
    bench.begin(Request::Resume).unwrap();
    assert_eq!(bench.begin(Request::Resume), Err(RequestError::Busy));
    bench.pass(Duration::from_secs(1));
    assert_traffic(&mut bench);
}
