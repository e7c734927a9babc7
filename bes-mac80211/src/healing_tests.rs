use super::*;
use crate::device::DeviceState;
use crate::event::LossReason;
use crate::recovery::{RecoveryPolicy, RungRecord};
use crate::request::{InterfaceKind, Request};
use crate::test_bench::{association, frame_to, Answer, Bench, AP, OWN};
use bes_hal::Duration;
use bes_wsm::wire::{InterfaceId, MessageId};

const ZERO: InterfaceId = InterfaceId::Zero;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// An associated station whose driver heals itself.
fn associated() -> Bench {
    associated_with(RecoveryPolicy::default())
}

fn associated_with(policy: RecoveryPolicy) -> Bench {
    let mut bench = Bench::running_with(|config| config.recovery = policy);
    associate(&mut bench);
    bench
}

fn associate(bench: &mut Bench) {
    bench.join().unwrap();
    bench.ask(Request::Associated(ZERO, association())).unwrap();
    bench.forget();
}

/// What the stack does when the chip runs again.
fn set_up_again(bench: &mut Bench) {
    assert_eq!(bench.ask(Request::Boot), Ok(Response::Done));
    assert_eq!(bench.ask(Request::Start), Ok(Response::Done));
    let station = Request::AddInterface {
        kind: InterfaceKind::Station,
        address: OWN,
    };
    assert_eq!(bench.ask(station), Ok(Response::Interface(ZERO)));
    associate(bench);
    assert_sends(bench, 5);
}

/// Frames go out and come back acknowledged.
fn assert_sends(bench: &mut Bench, count: u8) {
    bench.stack.statuses.clear();
    for n in 0..count {
        assert!(bench.transmit(&frame_to([0x08, 1], AP, &[n; 50])));
    }
    bench.pass(ms(100));
    assert_eq!(bench.stack.statuses.len(), usize::from(count));
    assert!(bench
        .stack
        .statuses
        .iter()
        .all(|(_, status)| status.is_acked()));
}

fn record(bench: &Bench, rung: Rung) -> RungRecord {
    bench.device.recovery().record(rung)
}

fn counts(bench: &Bench) -> [u32; 7] {
    Rung::ALL.map(|rung| record(bench, rung).count)
}

fn told(bench: &Bench, event: Event) -> usize {
    bench
        .stack
        .events
        .iter()
        .filter(|told| **told == event)
        .count()
}

#[test]
fn a_transfer_that_fails_is_repeated_with_everything_in_it() {
    let mut bench = associated();
    bench.chip().bad_sends = 1;
    for n in 0..5 {
        assert!(bench.transmit(&frame_to([0x08, 1], AP, &[n; 50])));
    }
    let counters = bench.begin(Request::ReadCounters).unwrap();
    bench.run();
    assert!(bench.stack.statuses.is_empty());
    assert_eq!(bench.device.state(), DeviceState::Running);
    assert!(bench.device.is_recovering());
    bench.pass(ms(10));
    assert_eq!(bench.stack.statuses.len(), 5);
    assert!(bench
        .stack
        .statuses
        .iter()
        .all(|(_, status)| status.is_acked()));
    assert!(matches!(
        bench.result(counters),
        Some(Ok(Response::Counters(_)))
    ));
    assert_eq!(counts(&bench), [1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bench.device.core_dump(), None);
    assert_eq!(bench.device.bottom_half().leaked_credits(), 0);
}

#[test]
fn what_a_retry_does_not_help_an_abort_may() {
    let mut bench = associated();
    bench.chip().bad_receives = 100;
    bench.chip().until_abort = true;
    bench.chip().say(0x0805, &[0; 8]);
    bench.pass(ms(50));
    assert_eq!(bench.chip().aborts, 1);
    assert_eq!(counts(&bench), [1, 1, 0, 0, 0, 0, 0]);
    assert_sends(&mut bench, 5);
}

#[test]
fn a_bus_that_fails_a_third_time_costs_the_connection_but_not_the_interface() {
    let mut bench = associated();
    bench.chip().bad_sends = 3;
    for n in 0..5 {
        assert!(bench.transmit(&frame_to([0x08, 1], AP, &[n; 50])));
    }
    bench.pass(ms(100));
    assert_eq!(counts(&bench), [1, 1, 1, 0, 0, 0, 0]);
    assert_eq!(bench.stack.statuses.len(), 5);
    let lost = Event::ConnectionLost {
        interface: ZERO,
        reason: LossReason::Reset,
    };
    assert_eq!(
        told(&bench, lost),
        1,
        "{:?} {:?}",
        bench.log(),
        bench.stack.events
    );
    assert!(bench.log().contains(&"000A/0"));
    assert_eq!(bench.device.state(), DeviceState::Running);
    associate(&mut bench);
    assert_sends(&mut bench, 5);
}

#[test]
fn a_command_that_is_not_confirmed_resets_the_interface() {
    let mut bench = associated();
    bench.chip().answer("0005/0", Answer::Silence);
    let counters = bench.begin(Request::ReadCounters).unwrap();
    bench.pass(Duration::from_secs(7));
    assert_eq!(bench.result(counters), Some(Err(RequestError::Aborted)));
    let reason = RecoveryReason::CommandTimeout(MessageId::READ_MIB);
    let rung = Rung::InterfaceReset;
    assert_eq!(told(&bench, Event::Recovering { rung, reason }), 1);
    assert_eq!(counts(&bench), [0, 0, 1, 0, 0, 0, 0]);
    associate(&mut bench);
    assert_sends(&mut bench, 3);
}

#[test]
fn an_exception_restarts_wifi_and_the_stack_sets_up_everything_again() {
    let mut bench = associated();
    bench.chip().frames_stay = true;
    for n in 0..5 {
        assert!(bench.transmit(&frame_to([0x08, 1], AP, &[n; 50])));
    }
    bench.run();
    bench.chip().frames_stay = false;
    bench.chip().transitions.clear();
    let mut exception = [0; 124];
    exception[0] = 4;
    exception[4..8].copy_from_slice(&0xDEAD_BEEF_u32.to_le_bytes());
    exception[76..82].copy_from_slice(b"lmac.c");
    bench.chip().say(0x0800, &exception);
    bench.pass(ms(50));
    // Everything came back before, and nobody was told that the device is lost.
    assert_eq!(bench.stack.statuses.len(), 5);
    assert_eq!(told(&bench, Event::ChipRestarted), 1);
    assert_eq!(
        told(&bench, Event::RecoveryNeeded(RecoveryReason::Exception)),
        0
    );
    assert_eq!(
        bench.chip().transitions,
        [Transition::WifiOff, Transition::WifiOn]
    );
    assert_eq!(bench.device.state(), DeviceState::Running);
    assert!(bench.device.interface(ZERO).is_none());
    assert_eq!(counts(&bench), [0, 0, 0, 1, 0, 1, 0]);

    let (number, dump) = bench.device.core_dump().unwrap();
    let dump = core::str::from_utf8(dump).unwrap();
    assert_eq!(number, 1);
    for part in [
        "bes2600 core dump 1\n[failure]\n",
        "reason firmware exception\nrung wifi-restart\n",
        "[exception]\n",
        "r0   deadbeef 00000000",
        "lmac.c line 0",
        "Associated",
        "5 of",
        "[messages]\n",
        "-> ",
    ] {
        assert!(dump.contains(part), "{part}:\n{dump}");
    }
    set_up_again(&mut bench);
}

const fn reset(done: bool, bluetooth: bool) -> Event {
    Event::CardReset { done, bluetooth }
}

#[test]
fn bluetooth_that_was_on_is_switched_on_again_and_wi_fi_does_not_depend_on_it() {
    for (works, again) in [(true, true), (false, true), (true, false)] {
        let mut bench = associated_with(RecoveryPolicy {
            bluetooth_again: again,
            ..RecoveryPolicy::default()
        });
        bench.chip().bluetooth = true;
        bench.chip().transitions.clear();
        bench.chip().failing = (!works).then_some(Transition::BluetoothOn);
        assert_eq!(
            bench.ask(Request::Recover(Rung::CardReset)),
            Ok(Response::Done)
        );
        let mut expected = vec![
            Transition::BluetoothOff,
            Transition::Boot,
            Transition::WifiOn,
        ];
        if again {
            expected.insert(2, Transition::BluetoothOn);
        }
        assert_eq!(bench.chip().transitions, expected);
        assert_eq!(told(&bench, reset(false, true)), 1);
        assert_eq!(told(&bench, reset(true, works && again)), 1);
        assert_eq!(counts(&bench), [0, 0, 0, 0, 1, 1, 0]);
        set_up_again(&mut bench);
    }
}

#[test]
fn a_chip_that_does_not_take_a_restart_is_booted() {
    let mut bench = associated();
    bench.chip().transitions.clear();
    bench.chip().failing = Some(Transition::WifiOff);
    bench.chip().say(0x0800, &[0; 124]);
    bench.pass(ms(50));
    assert_eq!(
        bench.chip().transitions,
        [
            Transition::WifiOff,
            Transition::BluetoothOff,
            Transition::Boot,
            Transition::WifiOn
        ]
    );
    assert_eq!(counts(&bench), [0, 0, 0, 1, 1, 1, 0]);
    assert_eq!(told(&bench, reset(false, false)), 1);
    assert_eq!(told(&bench, reset(true, false)), 1);
    assert_eq!(told(&bench, Event::ChipRestarted), 1);
    // One incident, one dump.
    assert_eq!(bench.device.core_dump().unwrap().0, 1);
    set_up_again(&mut bench);
}

#[test]
fn a_chip_that_does_not_start_in_time_is_booted() {
    let mut bench = associated();
    bench.chip().no_startup = true;
    bench.chip().say(0x0800, &[0; 124]);
    bench.pass(ms(900));
    assert_eq!(
        bench.device.state(),
        DeviceState::Recovering(Rung::WifiRestart)
    );
    assert_eq!(
        bench.ask(Request::ReadCounters),
        Err(RequestError::WrongState)
    );
    bench.pass(ms(110));
    bench.chip().no_startup = false;
    assert_eq!(
        bench.device.state(),
        DeviceState::Recovering(Rung::CardReset)
    );
    // The startup that this boot waits for never comes: the limit of a start is ten seconds.
    bench.pass(Duration::from_secs(11));
    assert_eq!(
        bench.device.state(),
        DeviceState::NeedsRecovery(RecoveryReason::StartupTimeout)
    );
    assert_eq!(counts(&bench), [0, 0, 0, 1, 1, 0, 1]);
}

#[test]
fn a_spared_bluetooth_is_not_reset() {
    let mut bench = associated_with(RecoveryPolicy {
        shared: SharedCard::Spare,
        ..RecoveryPolicy::default()
    });
    bench.chip().failing = Some(Transition::WifiOff);
    bench.chip().transitions.clear();
    bench.chip().say(0x0800, &[0; 124]);
    bench.pass(ms(50));
    assert_eq!(bench.chip().transitions, [Transition::WifiOff]);
    assert_eq!(record(&bench, Rung::CardReset).skipped, 1);
    assert!(matches!(
        bench.device.state(),
        DeviceState::NeedsRecovery(_)
    ));
    assert_eq!(told(&bench, reset(false, false)), 0);
}

#[test]
fn a_boot_that_fails_at_first_is_tried_again_before_anybody_hears_of_it() {
    let mut bench = Bench::off(|config| config.recovery = RecoveryPolicy::default());
    bench.chip().failing = Some(Transition::Boot);
    bench.chip().failures = Some(2);
    assert_eq!(bench.ask(Request::Boot), Ok(Response::Done));
    assert_eq!(bench.device.state(), DeviceState::Ready);
    assert_eq!(told(&bench, Event::ChipRestarted), 0);
    assert_eq!(counts(&bench), [0, 0, 0, 0, 1, 0, 0]);
}

#[test]
fn a_boot_that_always_fails_is_given_up_and_a_later_one_may_succeed() {
    let mut bench = Bench::off(|config| config.recovery = RecoveryPolicy::default());
    bench.chip().failing = Some(Transition::Boot);
    assert_eq!(bench.ask(Request::Boot), Err(RequestError::Aborted));
    assert!(matches!(
        bench.device.state(),
        DeviceState::NeedsRecovery(_)
    ));
    let boots = bench
        .chip()
        .transitions
        .iter()
        .filter(|transition| **transition == Transition::Boot);
    assert_eq!(boots.count(), 4);
    assert_eq!(bench.device.recovery().record(Rung::GiveUp).count, 1);
    bench.chip().failing = None;
    bench.forget();
    assert_eq!(bench.ask(Request::Boot), Ok(Response::Done));
}

#[test]
fn who_stops_the_device_while_it_recovers_has_it_off_at_once() {
    for request in [Request::Stop, Request::PowerOff] {
        let mut bench = associated();
        bench.chip().no_startup = true;
        bench.chip().say(0x0800, &[0; 124]);
        bench.pass(ms(50));
        let before = bench.now();
        assert_eq!(bench.ask(request), Ok(Response::Done));
        assert!(bench.now().since(before) < ms(100));
        assert_eq!(bench.device.state(), DeviceState::Off);
        assert!(!bench.device.is_recovering());
        bench.chip().no_startup = false;
        bench.forget();
        set_up_again(&mut bench);
    }
}

#[test]
fn a_device_that_fails_while_it_is_stopped_is_off() {
    let mut bench = associated();
    bench.chip().failing = Some(Transition::WifiOff);
    assert_eq!(bench.ask(Request::Stop), Ok(Response::Done));
    assert_eq!(bench.device.state(), DeviceState::Off);
    bench.chip().failing = None;
    bench.forget();
    set_up_again(&mut bench);
}

#[test]
fn every_rung_can_be_asked_for() {
    for rung in Rung::ALL {
        let mut bench = associated();
        assert_eq!(
            bench.ask(Request::Recover(rung)),
            Ok(Response::Done),
            "{rung}"
        );
        let tried = record(&bench, rung);
        assert_eq!((tried.count, tried.asked), (1, 1), "{rung}");
        let restarted = told(&bench, Event::ChipRestarted);
        match rung {
            Rung::Retry | Rung::Abort => {
                assert_eq!(restarted, 0);
                assert_sends(&mut bench, 3);
            }
            Rung::InterfaceReset => {
                assert_eq!(restarted, 0);
                associate(&mut bench);
                assert_sends(&mut bench, 3);
            }
            Rung::WifiRestart | Rung::CardReset | Rung::StackRestart => {
                assert_eq!(restarted, 1, "{rung}");
                set_up_again(&mut bench);
            }
            Rung::GiveUp => {
                let reason = RecoveryReason::Requested;
                assert_eq!(bench.device.state(), DeviceState::NeedsRecovery(reason));
                bench.forget();
                set_up_again(&mut bench);
            }
        }
    }
}

#[test]
fn a_rung_that_makes_no_sense_in_a_state_is_refused() {
    let mut bench = Bench::off(|config| config.recovery = RecoveryPolicy::default());
    for rung in Rung::ALL {
        let refused = Err(RequestError::WrongState);
        assert_eq!(bench.ask(Request::Recover(rung)), refused, "{rung}");
    }
    bench.ask(Request::Boot).unwrap();
    assert_eq!(
        bench.ask(Request::Recover(Rung::CardReset)),
        Ok(Response::Done)
    );
    assert_eq!(bench.device.state(), DeviceState::Ready);
    let first = bench.begin(Request::Recover(Rung::Retry));
    assert!(first.is_ok());
    assert_eq!(
        bench.begin(Request::Recover(Rung::Retry)),
        Err(RequestError::Busy)
    );
}
