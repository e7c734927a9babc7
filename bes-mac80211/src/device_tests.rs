//! Stories of a device against a scripted chip: life cycle, recovery, and the order of messages.

use super::*;
use crate::event::LossReason;
use crate::request::InterfaceKind;
use crate::test_bench::*;
use crate::types::MacAddress;
use bes_hal::memory::Scarce;
use bes_hal::stack::RxPart;
use bes_hal::Duration;
use bes_wsm::anomaly::AnomalyKind;
use bes_wsm::wire::MessageId;

#[test]
fn start_is_the_sequence_of_the_specification() {
    let mut bench = Bench::off(|_| {});
    assert_eq!(bench.ask(Request::Boot), Ok(Response::Done));
    assert!(bench.stack.events.contains(&Event::Booted));
    assert_eq!(bench.device.state(), DeviceState::Ready);
    assert_eq!(bench.ask(Request::Start), Ok(Response::Done));
    assert_eq!(bench.log(), ["W:1024/0", "W:1024/1", "0009/0", "0009/1"]);
    assert_eq!(bench.payload("0009/0").len(), 856);
    assert_eq!(bench.payload("0009/0")[16..22], OWN.0);
}

#[test]
fn the_second_configuration_does_not_take_over_what_the_chip_says_d31() {
    let mut bench = Bench::off(|_| {});
    bench.ask(Request::Boot).unwrap();
    bench.chip().confirm_address(MacAddress([0; 6]));
    bench.ask(Request::Start).unwrap();
    assert_eq!(bench.payload("0009/1")[16..22], OWN.0);
    assert_eq!(
        bench.device.anomalies().count(AnomalyKind::AddressChanged),
        2
    );
}

#[test]
fn a_refused_configuration_ends_the_start_and_leaves_the_device_ready() {
    let mut bench = Bench::off(|_| {});
    bench.ask(Request::Boot).unwrap();
    bench.chip().answer("0009/0", Answer::Status(2));
    assert!(matches!(
        bench.ask(Request::Start),
        Err(RequestError::Refused {
            message: MessageId::CONFIGURATION,
            ..
        })
    ));
    assert_eq!(bench.device.state(), DeviceState::Ready);
    assert_eq!(bench.ask(Request::Start), Ok(Response::Done));
}

#[test]
fn requests_may_be_queued_before_the_device_runs() {
    let mut bench = Bench::off(|_| {});
    let tokens = [
        bench.begin(Request::Boot).unwrap(),
        bench.begin(Request::Start).unwrap(),
        bench
            .begin(Request::AddInterface {
                kind: InterfaceKind::Station,
                address: OWN,
            })
            .unwrap(),
    ];
    bench.pass(Duration::from_secs(1));
    assert!(tokens
        .iter()
        .all(|token| bench.result(*token).unwrap().is_ok()));
    assert_eq!(
        bench.log(),
        ["W:1024/0", "W:1024/1", "0009/0", "0009/1", "0013/0", "W:1013/0", "W:1009/0"]
    );
    assert_eq!(bench.payload("W:1009/0"), [0x0D, 0, 0, 16]);
}

#[test]
fn a_request_that_needs_a_running_device_is_refused_without_one() {
    let mut bench = Bench::off(|_| {});
    assert_eq!(
        bench.ask(Request::ReadCounters),
        Err(RequestError::WrongState)
    );
    assert_eq!(bench.ask(Request::Start), Err(RequestError::WrongState));
    bench.ask(Request::Boot).unwrap();
    assert_eq!(
        bench.ask(Request::ReadCounters),
        Err(RequestError::WrongState)
    );
}

#[test]
fn too_many_requests_are_refused_and_none_is_lost() {
    let mut bench = Bench::running();
    let mut tokens = Vec::new();
    loop {
        match bench.begin(Request::ReadCounters) {
            Ok(token) => tokens.push(token),
            Err(error) => {
                assert_eq!(error, RequestError::QueueFull);
                break;
            }
        }
    }
    assert_eq!(tokens.len(), 32);
    bench.pass(Duration::from_secs(1));
    for token in tokens {
        let Some(Ok(Response::Counters(counters))) = bench.result(token) else {
            panic!("no counters");
        };
        assert_eq!(counters.named()[21].1, 21);
    }
}

#[test]
fn stop_lets_frames_leave_and_switches_wifi_off() {
    let mut bench = Bench::associated();
    for n in 0..40 {
        assert!(bench.transmit(&frame_to([0x08, 1], AP, &[n; 100])));
    }
    assert_eq!(bench.ask(Request::Stop), Ok(Response::Done));
    assert_eq!(bench.device.state(), DeviceState::Ready);
    assert_eq!(bench.stack.statuses.len(), 40);
    assert!(bench
        .stack
        .statuses
        .iter()
        .all(|(_, status)| status.is_acked()));
    assert_eq!(bench.chip().transitions.last(), Some(&Transition::WifiOff));
    assert_eq!(bench.ask(Request::Start), Ok(Response::Done));
}

#[test]
fn stop_waits_three_seconds_for_a_chip_that_confirms_nothing_and_every_frame_comes_back() {
    let mut bench = Bench::associated();
    bench.chip().frames_stay = true;
    for n in 0..40 {
        assert!(bench.transmit(&frame_to([0x08, 1], AP, &[n; 100])));
    }
    bench.run();
    let before = bench.now();
    let token = bench.begin(Request::Stop).unwrap();
    while bench.result(token).is_none() {
        bench.pass(Duration::from_millis(100));
        assert!(bench.now().since(before) < Duration::from_secs(4));
    }
    assert_eq!(bench.stack.statuses.len(), 40);
    assert_eq!(bench.device.bottom_half().leaked_credits(), 0);
}

#[test]
fn power_off_from_running_stops_first() {
    let mut bench = Bench::running();
    assert_eq!(bench.ask(Request::PowerOff), Ok(Response::Done));
    assert_eq!(bench.device.state(), DeviceState::Off);
    let transitions = &bench.chip().transitions;
    assert_eq!(
        transitions[transitions.len() - 2..],
        [Transition::WifiOff, Transition::PowerOff]
    );
}

#[test]
fn a_chip_that_does_not_start_needs_recovery_after_ten_seconds() {
    let mut bench = Bench::off(|_| {});
    bench.ask(Request::Boot).unwrap();
    bench.chip().no_startup = true;
    let token = bench.begin(Request::Start).unwrap();
    bench.pass(Duration::from_secs(9));
    assert_eq!(bench.device.state(), DeviceState::Starting);
    bench.pass(Duration::from_secs(2));
    assert_eq!(
        bench.device.state(),
        DeviceState::NeedsRecovery(RecoveryReason::StartupTimeout)
    );
    assert_eq!(bench.result(token), Some(Err(RequestError::Aborted)));
}

#[test]
fn a_boot_that_fails_says_why() {
    let mut bench = Bench::off(|_| {});
    bench.chip().failing = Some(Transition::Boot);
    assert_eq!(bench.ask(Request::Boot), Err(RequestError::Aborted));
    let reason = RecoveryReason::Transport(TransportError::NotReady(Transition::Boot));
    assert_eq!(bench.device.state(), DeviceState::NeedsRecovery(reason));
    assert!(bench.stack.events.contains(&Event::RecoveryNeeded(reason)));
    bench.chip().failing = None;
    bench.forget();
    assert_eq!(bench.ask(Request::Boot), Ok(Response::Done));
}

#[test]
fn a_firmware_exception_gives_everything_back_and_a_boot_brings_the_device_back_c34() {
    let mut bench = Bench::associated();
    bench.chip().frames_stay = true;
    for n in 0..40 {
        assert!(bench.transmit(&frame_to([0x08, 1], AP, &[n; 50])));
    }
    bench.chip().answer("0005/0", Answer::Silence);
    let waiting = bench.begin(Request::ReadCounters).unwrap();
    let scan = bench.scan(&channels(&[1, 6, 11]));
    let flush = bench
        .begin(Request::Flush {
            interface: InterfaceId::Zero,
            drop: false,
        })
        .unwrap();
    bench.run();
    bench.chip().say(0x0800, &[0; 124]);
    bench.run();
    let reason = RecoveryReason::Exception;
    assert_eq!(bench.device.state(), DeviceState::NeedsRecovery(reason));
    let told = bench
        .stack
        .events
        .iter()
        .filter(|event| **event == Event::RecoveryNeeded(reason));
    assert_eq!(told.count(), 1);
    assert_eq!(bench.stack.statuses.len(), 40);
    for token in [waiting, scan, flush] {
        assert_eq!(bench.result(token), Some(Err(RequestError::Aborted)));
    }
    assert_eq!(bench.device.bottom_half().leaked_credits(), 0);
    assert_eq!(bench.device.queued_frames(), 0);
    assert!(bench.device.interface(InterfaceId::Zero).is_none());

    bench.chip().frames_stay = false;
    bench.forget();
    bench.ask(Request::Boot).unwrap();
    bench.ask(Request::Start).unwrap();
    let station = Request::AddInterface {
        kind: InterfaceKind::Station,
        address: OWN,
    };
    bench.ask(station).unwrap();
    bench.join().unwrap();
    bench
        .ask(Request::Associated(InterfaceId::Zero, association()))
        .unwrap();
    assert!(bench.transmit(&frame_to([0x08, 1], AP, &[7; 50])));
    bench.pass(Duration::from_millis(100));
    assert!(bench
        .stack
        .statuses
        .iter()
        .all(|(_, status)| status.is_acked()));
    assert_eq!(bench.stack.statuses.len(), 1);
    // Policies are uploaded again, filters written again (C22; file 50, section 3.5).
    assert!(bench.log().contains(&"W:1016/0"));
    assert!(bench.log().contains(&"W:1005/0"));
}

#[test]
fn a_command_that_is_not_confirmed_ends_the_session_c36() {
    let mut bench = Bench::running();
    bench.chip().answer("000B/0", Answer::Silence);
    let parameters = crate::request::JoinParameters { bss: bss(AP) };
    let token = bench
        .begin(Request::Join(InterfaceId::Zero, parameters))
        .unwrap();
    // The three seconds of the C driver's watchdog do not end a join.
    bench.pass(Duration::from_millis(6_500));
    assert_eq!(bench.device.state(), DeviceState::Running);
    bench.pass(Duration::from_secs(1));
    assert_eq!(
        bench.device.state(),
        DeviceState::NeedsRecovery(RecoveryReason::CommandTimeout(MessageId::JOIN))
    );
    assert_eq!(bench.result(token), Some(Err(RequestError::Aborted)));
}

#[test]
fn shutdown_works_in_every_state_and_gives_everything_back() {
    let states: [fn() -> Bench; 4] = [
        || Bench::off(|_| {}),
        Bench::running,
        Bench::associated,
        || {
            let mut bench = Bench::associated();
            bench.chip().frames_stay = true;
            bench.scan(&channels(&[1, 6]));
            bench.run();
            bench
        },
    ];
    for make in states {
        let mut bench = make();
        let mut accepted = 0;
        for n in 0..5 {
            accepted += usize::from(bench.transmit(&frame_to([0x08, 1], AP, &[n; 50])));
        }
        let token = bench.begin(Request::ReadCounters).unwrap();
        bench.device.shutdown(&mut bench.stack);
        assert_eq!(bench.device.state(), DeviceState::Off);
        assert_eq!(bench.stack.statuses.len(), accepted);
        assert_eq!(bench.result(token), Some(Err(RequestError::Aborted)));
        assert_eq!(bench.run(), None, "nothing is due any more");
        assert_eq!(bench.ask(Request::Boot), Ok(Response::Done));
    }
}

#[test]
fn an_idle_device_does_not_ask_to_be_called_in_a_busy_loop() {
    let mut bench = Bench::associated();
    // Right after the last message more is expected, and looked for more often; then it is idle.
    bench.pass(Duration::from_secs(2));
    let mut calls = 0;
    let end = bench.now().after(Duration::from_secs(60));
    while let Some(at) = bench.run() {
        if at >= end {
            break;
        }
        assert!(at > bench.now(), "a deadline lies in the future");
        bench.chip().now = at;
        calls += 1;
    }
    assert!(calls <= 70, "{calls} calls in a minute");
}

#[test]
fn an_address_of_its_own_is_given_to_the_chip_c15_c16() {
    let mut bench = Bench::off(|_| {});
    bench.ask(Request::Boot).unwrap();
    bench.ask(Request::Start).unwrap();
    bench.forget();
    let address = MacAddress([2, 0xEE, 0, 0, 0, 5]);
    let station = |address| Request::AddInterface {
        kind: InterfaceKind::Station,
        address,
    };
    assert_eq!(
        bench.ask(station(address)),
        Ok(Response::Interface(InterfaceId::Zero))
    );
    assert_eq!(bench.log(), ["W:0000/0", "0013/0", "W:1013/0", "W:1009/0"]);
    assert_eq!(bench.payload("W:0000/0"), address.0);
    assert_eq!(
        bench.ask(station(MacAddress([2, 0xEE, 0, 0, 0, 6]))),
        Err(RequestError::Exhausted)
    );
    assert_eq!(bench.ask(station(address)), Err(RequestError::Busy));
    assert_eq!(
        bench.ask(station(MacAddress([0; 6]))),
        Err(RequestError::Invalid)
    );
}

#[test]
fn interfaces_are_independent_of_each_other_c12() {
    let mut bench = Bench::running();
    let [_, generic, second] = crate::address::derived(OWN);
    let add = |kind, address| Request::AddInterface { kind, address };
    assert_eq!(
        bench.ask(add(InterfaceKind::P2pDevice, generic)),
        Ok(Response::Interface(InterfaceId::Two))
    );
    assert_eq!(bench.log(), ["W:1009/0"]);
    assert_eq!(
        bench.ask(add(InterfaceKind::Station, second)),
        Ok(Response::Interface(InterfaceId::One))
    );
    assert_eq!(
        bench.ask(Request::RemoveInterface(InterfaceId::Zero)),
        Ok(Response::Done)
    );
    assert!(bench.device.interface(InterfaceId::One).is_some());
    assert_eq!(
        bench.ask(Request::RemoveInterface(InterfaceId::Zero)),
        Err(RequestError::NoInterface)
    );
    let parameters = crate::request::JoinParameters { bss: bss(AP) };
    assert_eq!(
        bench.ask(Request::Join(InterfaceId::One, parameters)),
        Ok(Response::Done)
    );
    assert!(bench.log().contains(&"000B/1"));
    // Second MAC instance.
    assert_eq!(bench.payload("000B/1")[15], 0x10);
}

#[test]
fn removing_a_joined_interface_unjoins_and_gives_its_frames_back_c14_l8() {
    let mut bench = Bench::associated();
    bench.chip().frames_stay = true;
    for n in 0..40 {
        assert!(bench.transmit(&frame_to([0x08, 1], AP, &[n; 50])));
    }
    bench.run();
    let before = bench.now();
    let token = bench
        .begin(Request::RemoveInterface(InterfaceId::Zero))
        .unwrap();
    bench.pass(Duration::from_millis(900));
    assert_eq!(bench.result(token), Some(Ok(Response::Done)));
    assert!(bench.now().since(before) < Duration::from_secs(1));
    assert!(bench.log().contains(&"000A/0"));
    assert_eq!(bench.device.queued_frames(), 0);
}

#[test]
fn garbage_from_the_chip_is_counted_and_survived() {
    let mut bench = Bench::associated();
    for (id, payload) in [
        (0x0805u16, &[1, 0][..]),
        (0x0805 | 1 << 6, &[1, 0, 0, 0, 0, 0, 0, 0]),
        (0x0806, &[0; 8]),
        (0x080A, &[0; 4]),
        (0x080B, &[0; 4]),
        (0x080C, &[0; 4]),
        (0x082F, &[0; 4]),
        (0x0C30, &[0, 0, 0, 0, 0xF0, 0, 0, 0, 1, 2, 3, 4]),
        (0x0C3E, &[0, 0, 0, 0, 0xF0, 0, 0, 0, 0, 0, 0, 0]),
        (0x0805, &[8, 0, 0, 0, 0, 0, 0, 0]),
        (0x0805, &[9, 0, 0, 0, 1, 0, 0, 0x80]),
        (0x0804, &[0; 4]),
    ] {
        bench.chip().say(id, payload);
    }
    bench.run();
    assert_eq!(bench.device.state(), DeviceState::Running);
    let count = |kind| bench.device.anomalies().count(kind);
    // Scan complete, channel switch (D4, D5), find, suspend/resume, event 8.
    assert_eq!(count(AnomalyKind::UnexpectedIndication), 5);
    assert_eq!(count(AnomalyKind::UnknownLink), 1, "C33, D8");
    assert_eq!(count(AnomalyKind::UnknownInterface), 1);
    assert_eq!(count(AnomalyKind::Truncated), 2);
    assert_eq!(count(AnomalyKind::UnknownMessage), 2);
    assert!(bench.transmit(&frame_to([0x08, 1], AP, &[1; 50])));
    bench.pass(Duration::from_millis(50));
    assert_eq!(bench.stack.statuses.len(), 1);
}

#[test]
fn connection_loss_is_told_with_its_reason() {
    let mut bench = Bench::joined();
    bench.pass(Duration::from_millis(2_900));
    assert!(bench.log().is_empty());
    bench.pass(Duration::from_secs(1));
    assert!(bench.stack.events.contains(&Event::ConnectionLost {
        interface: InterfaceId::Zero,
        reason: LossReason::JoinTimeout
    }));
    assert!(bench.log().contains(&"000A/0"));
}

#[test]
fn a_stack_that_gives_what_there_is_room_for_is_never_asked_to_stop_and_loses_nothing() {
    use crate::types::{AccessCategory, Band, TxInfo};
    let mut bench = Bench::running();
    let (id, category) = (InterfaceId::Zero, AccessCategory::BestEffort);
    let info = TxInfo::new(category, Band::TwoPointFourGhz);
    // A management frame needs no association.
    let probe_request = {
        let mut frame = vec![0_u8; 40];
        frame[0] = 0x40;
        frame
    };
    assert_eq!(bench.device.room(InterfaceId::One, category), 0);
    let room = bench.device.room(id, category);
    assert!(room >= 32, "{room}");
    let mut given = 0;
    for _ in 0..5 {
        let room = bench.device.room(id, category);
        for _ in 0..room {
            let now = bench.device.transport().now();
            let frame = TestFrame::new(&probe_request);
            assert!(bench.device.transmit(id, frame, info, now).is_ok());
            given += 1;
        }
        assert_eq!(bench.device.room(id, category), 0);
        bench.run();
    }
    assert!(!bench
        .stack
        .events
        .iter()
        .any(|event| matches!(event, Event::QueueStop { .. } | Event::QueueWake { .. })));
    assert!(given >= room);
    assert_eq!(
        bench.stack.statuses.len()
            + bench.device.queued_frames()
            + bench.device.bottom_half().in_flight(),
        given
    );
}

/// A stack whose platform has little memory. Nothing is ever sent to it.
struct ScarceStack;

impl Stack for ScarceStack {
    type Frame = TestFrame;
    type Buffer = TestBuffer;
    type Memory = Scarce;
    type RxStatus = RxStatus;
    type TxStatus = TxStatus;
    type Event = Event;

    fn deliver(&mut self, _buffer: TestBuffer, _frames: &[RxPart<RxStatus>]) {}
    fn tx_status(&mut self, _frame: TestFrame, _status: TxStatus) {}
    fn notify(&mut self, _event: Event) {}
    fn allocate(&mut self, _content: &[u8]) -> Option<TestFrame> {
        None
    }
}

/// A kernel has 16 KiB of stack, and the owner of the bus begins near its top.
#[test]
fn a_device_and_everything_it_is_put_together_from_fit_a_small_stack() {
    let mut memory = Scarce::new(usize::MAX);
    let config = DeviceConfig::new(OWN, &PARAMETERS);
    let device = Device::<_, ScarceStack>::new(ScriptedTransport::new(), config, &mut memory);
    assert!(size_of_val(&device) <= 256, "{}", size_of_val(&device));
    assert!(memory.largest <= 2048, "{}", memory.largest);
}

#[test]
fn without_memory_there_is_no_device_whatever_is_missing() {
    let config = DeviceConfig::new(OWN, &PARAMETERS);
    let make = |count| {
        Device::<_, ScarceStack>::new(ScriptedTransport::new(), config, &mut Scarce::new(count))
            .map(|device| device.state())
    };
    let enough = (0..).find(|count| make(*count).is_ok()).unwrap();
    assert!((8..40).contains(&enough), "{enough}");
    assert_eq!(make(enough), Ok(DeviceState::Off));
}
