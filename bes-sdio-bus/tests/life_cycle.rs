//! Transitions against a scripted chip: file 10, sections 8 to 10, and their traps.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod chip;

use bes_hal::time::Instant;
use bes_hal::transport::{Progress, Reception, Transition, Transport};
use bes_hal::{SdioError, TransportError};
use bes_sdio_bus::wake_line::{Anomaly, LineState, Owner};
use bes_sdio_bus::{Config, FirmwareType, SdioTransport};
use chip::{booted, device, files, finish, message, online, run, Chip, Device, Event, Fault};
use proptest::prelude::*;
use std::time::Duration;

fn millis_of(device: &mut Device, transition: Transition) -> (Result<(), TransportError>, u128) {
    let start = device.now();
    let result = run(device, transition);
    (result, device.now().since(start).as_millis())
}

fn doorbells(device: &mut Device) -> Vec<u16> {
    std::mem::take(&mut device.function_mut().doorbells)
}

/// File 10, section 16.3.
#[test]
fn wifi_on_is_met_command_by_command() {
    let mut device = booted();
    let (result, millis) = millis_of(&mut device, Transition::WifiOn);
    assert_eq!((result, millis), (Ok(()), 10 + 25));
    assert_eq!(
        device.function_mut().log(),
        [
            Event::Line(true),
            Event::Read(0x10C, 0x01),
            Event::Write(0x121, 0x00),
            Event::Write(0x120, 0x21),
            Event::Read(0x10C, 0x05),
        ]
    );
    // The device is awake from here on, without a request to that end.
    assert_eq!(device.wake_line(), LineState::Asserted);
    assert!(matches!(device.receive(), Ok(Reception::Burst(_))));
}

#[test]
fn an_interrupt_during_a_transition_is_not_lost() {
    let mut device = booted();
    device.begin(Transition::WifiOn, device.now()).unwrap();
    let mut seen = 0;
    loop {
        let now = device.now();
        match device.poll(now).unwrap() {
            Progress::Done => break,
            Progress::Pending(until) => device.function_mut().now = until,
        }
        seen += usize::from(device.take_interrupt());
    }
    assert_eq!(seen, 1);
    assert!(device.take_interrupt());
    assert!(!device.take_interrupt());
}

#[test]
fn every_request_has_its_word_and_waits_for_its_bit() {
    for (transition, word) in [
        (Transition::Wake, 0x0009),
        (Transition::Sleep, 0x0005),
        (Transition::BluetoothOn, 0x0101),
        (Transition::BluetoothWake, 0x0401),
        (Transition::BluetoothSleep, 0x0801),
        (Transition::BluetoothOff, 0x0081),
        (Transition::WifiOn, 0x0021),
    ] {
        let mut device = booted();
        // Off and sleep are confirmed by a cleared bit, so give them something to clear.
        device.function_mut().status |= 0x38;
        run(&mut device, transition).unwrap();
        assert_eq!(doorbells(&mut device), [word], "{transition}");
    }
}

#[test]
fn the_doorbell_is_rung_again_in_every_round() {
    let mut device = booted();
    device
        .function_mut()
        .shown
        .insert(0x10C, [1, 1, 1, 1].into());
    let (result, millis) = millis_of(&mut device, Transition::Wake);
    assert_eq!((result, millis), (Ok(()), 10 + 4 * 2));
    assert_eq!(doorbells(&mut device), [0x0009; 4]);
    assert_eq!(device.stats().handshake_rounds, 4);
}

#[test]
fn t9_the_wait_for_the_mcu_is_bounded() {
    let mut device = booted();
    device.function_mut().status = 0;
    let (result, millis) = millis_of(&mut device, Transition::WifiOn);
    assert_eq!(result, Err(TransportError::NotReady(Transition::WifiOn)));
    assert_eq!(millis, 10 + 5000);
    assert!(doorbells(&mut device).is_empty());
    assert_eq!(device.wake_line(), LineState::Released);
}

#[test]
fn t10_running_out_of_rounds_is_an_error_for_every_request() {
    for (transition, rounds, millis) in [
        (Transition::WifiOn, 201, 201 * 25),
        (Transition::BluetoothOn, 201, 201 * 25),
        (Transition::Wake, 201, 201 * 2),
        (Transition::BluetoothWake, 201, 201 * 2),
        (Transition::Sleep, 200, 200 * 2),
        (Transition::BluetoothOff, 200, 200 * 2),
        (Transition::BluetoothSleep, 200, 200 * 2),
    ] {
        let mut device = booted();
        let chip = device.function_mut();
        chip.deaf = true;
        let off = matches!(
            transition,
            Transition::Sleep | Transition::BluetoothOff | Transition::BluetoothSleep
        );
        chip.status = if off { 0x39 } else { 0x01 };
        let (result, waited) = millis_of(&mut device, transition);
        assert_eq!(result, Err(TransportError::NotConfirmed(transition)));
        assert_eq!(waited, 10 + millis);
        assert_eq!(doorbells(&mut device).len(), rounds);
        assert_eq!(device.wake_line(), LineState::Released);
        assert_eq!(device.poll(Instant::ZERO), Ok(Progress::Done));
    }
    let mut device = online();
    device.function_mut().deaf = true;
    assert_eq!(
        run(&mut device, Transition::WifiOff),
        Err(TransportError::NotConfirmed(Transition::WifiOff))
    );
}

#[test]
fn t8_b33_after_a_failed_wifi_on_nothing_travels_and_the_next_one_switches_off_first() {
    let mut device = booted();
    device.function_mut().deaf = true;
    assert!(run(&mut device, Transition::WifiOn).is_err());
    assert!(matches!(device.receive(), Err(TransportError::WrongState)));
    assert_eq!(
        device.send(&[&message(8, 4)]),
        Err(TransportError::WrongState)
    );
    device.function_mut().deaf = false;
    doorbells(&mut device);
    run(&mut device, Transition::WifiOn).unwrap();
    assert_eq!(doorbells(&mut device), [0x0011, 0x0021]);
    assert!(matches!(device.receive(), Ok(Reception::Burst(_))));
}

#[test]
fn t8_a_bus_error_during_wifi_on_leaves_the_transport_closed() {
    let mut device = booted();
    device.function_mut().register_faults = std::iter::repeat_n(None, 3)
        .chain(vec![Some(SdioError::Crc); 30])
        .collect();
    assert_eq!(
        run(&mut device, Transition::WifiOn),
        Err(TransportError::Bus(SdioError::Crc))
    );
    assert!(matches!(device.receive(), Err(TransportError::WrongState)));
    assert_eq!(device.stats().retries, 29);
}

#[test]
fn thirty_attempts_are_enough_for_29_errors() {
    let mut device = booted();
    device.function_mut().register_faults = vec![Some(SdioError::Timeout); 29].into();
    run(&mut device, Transition::WifiOn).unwrap();
}

#[test]
fn t13_the_wake_line_is_released_when_the_device_sleeps() {
    let mut device = online();
    run(&mut device, Transition::Sleep).unwrap();
    assert_eq!(device.wake_line(), LineState::Released);
    assert_eq!(
        device.function_mut().log().last(),
        Some(&Event::Line(false))
    );
    assert_eq!(
        device.send(&[&message(8, 4)]),
        Err(TransportError::WrongState)
    );
    let (result, millis) = millis_of(&mut device, Transition::Wake);
    assert_eq!((result, millis), (Ok(()), 10 + 2));
    assert_eq!(doorbells(&mut device), [0x0021, 0x0005, 0x0009]);
    device.send(&[&message(8, 4)]).unwrap();
}

#[test]
fn a_device_that_did_not_confirm_sleep_stays_awake() {
    let mut device = online();
    run(&mut device, Transition::Wake).unwrap();
    device.function_mut().deaf = true;
    assert_eq!(
        run(&mut device, Transition::Sleep),
        Err(TransportError::NotConfirmed(Transition::Sleep))
    );
    assert_eq!(device.wake_line(), LineState::Asserted);
    device.send(&[&message(8, 4)]).unwrap();
}

#[test]
fn a_bus_error_while_the_mcu_goes_to_sleep_means_that_it_sleeps() {
    let mut device = online();
    device.function_mut().status |= 0x10;
    device.function_mut().register_faults = std::iter::repeat_n(None, 3)
        .chain(vec![Some(SdioError::Timeout); 30])
        .collect();
    run(&mut device, Transition::Sleep).unwrap();
    assert_eq!(device.wake_line(), LineState::Released);
}

#[test]
fn a_receive_pass_on_a_sleeping_device_asserts_the_line_until_all_is_read() {
    let mut device = online();
    run(&mut device, Transition::Sleep).unwrap();
    device.function_mut().announce(&[(8, 0x0805)]);
    device.function_mut().log();
    assert!(matches!(device.receive(), Ok(Reception::Unsettled)));
    assert!(matches!(device.receive(), Ok(Reception::Unsettled)));
    assert_eq!(device.function_mut().log(), [Event::Line(true)]);
    let chip = device.function_mut();
    chip.now = chip.now.after(Duration::from_millis(10));
    assert!(matches!(device.receive(), Ok(Reception::Burst(_))));
    assert_eq!(device.wake_line(), LineState::Asserted);
    assert!(matches!(device.receive(), Ok(Reception::Empty)));
    assert_eq!(device.wake_line(), LineState::Released);
    // By the line alone: no request.
    assert_eq!(doorbells(&mut device), [0x0021, 0x0005]);
    assert_eq!(device.stats().wake_line_anomalies, 0);
}

#[test]
fn a_failed_receive_pass_on_a_sleeping_device_releases_the_line() {
    let mut device = online();
    run(&mut device, Transition::Sleep).unwrap();
    let _ = device.receive();
    let chip = device.function_mut();
    chip.now = chip.now.after(Duration::from_millis(10));
    chip.register_faults = [Some(SdioError::OutOfRange)].into();
    assert!(device.receive().is_err());
    assert_eq!(device.wake_line(), LineState::Released);
}

/// File 10, section 15, item 14.
#[test]
fn wifi_off_lets_an_mcu_sleep_that_was_told_to_stay_awake() {
    let mut device = online();
    run(&mut device, Transition::WifiOff).unwrap();
    assert_eq!(doorbells(&mut device), [0x0021, 0x0011]);
    run(&mut device, Transition::WifiOn).unwrap();
    run(&mut device, Transition::Wake).unwrap();
    run(&mut device, Transition::WifiOff).unwrap();
    assert_eq!(doorbells(&mut device), [0x0021, 0x0009, 0x0005, 0x0011]);
    assert_eq!(device.wake_line(), LineState::Released);
    run(&mut device, Transition::WifiOn).unwrap();
    run(&mut device, Transition::Sleep).unwrap();
    run(&mut device, Transition::WifiOff).unwrap();
    assert_eq!(doorbells(&mut device), [0x0021, 0x0005, 0x0011]);
    assert_eq!(device.wake_line(), LineState::Released);
}

#[test]
fn wifi_off_when_it_is_off_does_nothing() {
    let mut device = booted();
    run(&mut device, Transition::WifiOff).unwrap();
    assert!(device.function_mut().log().is_empty());
}

#[test]
fn traffic_goes_on_while_bluetooth_is_switched() {
    let mut device = online();
    device.begin(Transition::BluetoothOn, device.now()).unwrap();
    device.send(&[&message(8, 4)]).unwrap();
    assert!(matches!(device.receive(), Ok(Reception::Empty)));
    finish(&mut device).unwrap();
    device.begin(Transition::WifiOff, device.now()).unwrap();
    assert!(device.receive().is_err());
    finish(&mut device).unwrap();
}

#[test]
fn transitions_in_the_wrong_state_are_refused() {
    let wrong = Err(TransportError::WrongState);
    let mut fresh = device();
    for transition in [
        Transition::WifiOn,
        Transition::WifiOff,
        Transition::Wake,
        Transition::Sleep,
        Transition::BluetoothOn,
        Transition::BluetoothSleep,
    ] {
        assert_eq!(fresh.begin(transition, Instant::ZERO), wrong);
    }
    let mut device = online();
    let now = device.now();
    assert_eq!(device.begin(Transition::WifiOn, now), wrong);
    assert_eq!(device.begin(Transition::Boot, now), wrong);
    device.begin(Transition::Sleep, now).unwrap();
    assert_eq!(device.begin(Transition::Wake, now), wrong);
    assert_eq!(device.begin(Transition::PowerOff, now), wrong);
}

#[test]
fn the_test_firmwares_take_hardly_any_request() {
    for firmware in [FirmwareType::NoSignal, FirmwareType::BluetoothTest] {
        let config = Config {
            firmware,
            ..Config::default()
        };
        let mut device = SdioTransport::new(Chip::new(), files(), config);
        run(&mut device, Transition::Boot).unwrap();
        let now = device.now();
        for transition in [
            Transition::Wake,
            Transition::BluetoothOn,
            Transition::BluetoothWake,
        ] {
            assert_eq!(
                device.begin(transition, now),
                Err(TransportError::WrongState)
            );
        }
        let wifi = run(&mut device, Transition::WifiOn);
        assert_eq!(wifi.is_ok(), firmware == FirmwareType::NoSignal);
        doorbells(&mut device);
        for transition in [
            Transition::Sleep,
            Transition::BluetoothOff,
            Transition::BluetoothSleep,
            Transition::WifiOff,
        ] {
            run(&mut device, transition).unwrap();
        }
        assert!(doorbells(&mut device).is_empty());
        assert!(device.receive().is_err());
    }
}

#[test]
fn power_off_releases_everything_and_a_boot_follows() {
    let mut device = online();
    device.function_mut().powers = true;
    device.send(&[&message(8, 4)]).unwrap();
    device.function_mut().log();
    let (result, millis) = millis_of(&mut device, Transition::PowerOff);
    assert_eq!((result, millis), (Ok(()), 10));
    assert_eq!(
        device.function_mut().log(),
        [
            Event::Tuning(false),
            Event::Line(false),
            Event::Disable,
            Event::Power(false)
        ]
    );
    assert_eq!(device.wake_line(), LineState::Released);
    run(&mut device, Transition::Boot).unwrap();
    run(&mut device, Transition::WifiOn).unwrap();
}

#[test]
fn power_off_works_on_a_dead_bus_and_without_a_switch() {
    let mut device = online();
    device.function_mut().dead_after = Some(0);
    run(&mut device, Transition::PowerOff).unwrap();
    let mut fresh = chip::device();
    run(&mut fresh, Transition::PowerOff).unwrap();
}

#[test]
fn reset_gives_up_any_transition_on_a_dead_bus_at_once() {
    for transition in [
        Transition::WifiOff,
        Transition::Wake,
        Transition::Sleep,
        Transition::BluetoothOn,
        Transition::PowerOff,
    ] {
        let mut device = online();
        device.begin(transition, device.now()).unwrap();
        let now = device.now();
        let _ = device.poll(now);
        device.function_mut().dead_after = Some(0);
        device.reset();
        assert_eq!(device.wake_line(), LineState::Released);
        assert_eq!(device.poll(now), Ok(Progress::Done));
        assert!(device.receive().is_err());
        device.function_mut().dead_after = None;
        run(&mut device, Transition::Boot).unwrap();
        run(&mut device, Transition::WifiOn).unwrap();
        assert!(matches!(device.receive(), Ok(Reception::Burst(_))));
    }
}

#[test]
fn a_card_that_goes_away_during_any_transition_is_reported() {
    for transition in [
        Transition::WifiOff,
        Transition::Wake,
        Transition::Sleep,
        Transition::BluetoothOn,
    ] {
        for after in 0..4 {
            let mut device = online();
            // Something to clear, so that sleep takes its round.
            device.function_mut().status |= 0x10;
            let commands = device.function().commands;
            device.function_mut().dead_after = Some(commands + after);
            assert_eq!(
                run(&mut device, transition),
                Err(TransportError::Bus(SdioError::NoCard))
            );
        }
    }
}

#[test]
fn references_of_the_system_keep_the_line_asserted() {
    let mut device = online();
    let now = device.now();
    device.take_wake_line(Owner::HostSuspend, now).unwrap();
    assert_eq!(
        device.take_wake_line(Owner::HostSuspend, now),
        Err(Anomaly::TakenTwice(Owner::HostSuspend))
    );
    run(&mut device, Transition::Sleep).unwrap();
    assert_eq!(device.wake_line(), LineState::Asserted);
    device.release_wake_line(Owner::HostSuspend).unwrap();
    assert_eq!(device.wake_line(), LineState::Released);
    assert_eq!(
        device.release_wake_line(Owner::HostSuspend),
        Err(Anomaly::NotHeld(Owner::HostSuspend))
    );
    assert_eq!(device.stats().wake_line_anomalies, 2);
}

/// Something that happens to a device.
#[derive(Clone, Copy, Debug)]
enum Step {
    Begin(Transition),
    Poll(u64),
    Send(usize),
    Receive,
    Announce(usize),
    Interrupt,
    Reset,
    RegisterFaults(usize),
    DataFault(bool),
    Status(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let transition = prop::sample::select(vec![
        Transition::Boot,
        Transition::WifiOn,
        Transition::WifiOff,
        Transition::Wake,
        Transition::Sleep,
        Transition::BluetoothOn,
        Transition::BluetoothOff,
        Transition::BluetoothWake,
        Transition::BluetoothSleep,
        Transition::PowerOff,
    ]);
    let step = prop_oneof![
        4 => transition.prop_map(Step::Begin),
        8 => (0u64..40).prop_map(Step::Poll),
        4 => (0usize..18).prop_map(Step::Send),
        4 => Just(Step::Receive),
        2 => (1usize..17).prop_map(Step::Announce),
        1 => Just(Step::Interrupt),
        1 => Just(Step::Reset),
        1 => (0usize..40).prop_map(Step::RegisterFaults),
        1 => any::<bool>().prop_map(Step::DataFault),
        1 => any::<u8>().prop_map(Step::Status),
    ];
    proptest::collection::vec(step, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_calls_on_any_bus_leaves_the_books_in_order(steps in steps(), from_online: bool) {
        let mut device = if from_online { online() } else { device() };
        let batch = message(100, 4);
        for step in steps {
            let now = device.now();
            match step {
                Step::Begin(transition) => {
                    let _ = device.begin(transition, now);
                }
                Step::Poll(millis) => {
                    let now = now.after(Duration::from_millis(millis));
                    device.function_mut().now = now;
                    let _ = device.poll(now);
                }
                Step::Send(count) => {
                    let _ = device.send(&vec![batch.as_slice(); count]);
                }
                Step::Receive => {
                    let _ = device.receive();
                }
                Step::Announce(count) => {
                    let chip = device.function_mut();
                    if chip.wifi() {
                        chip.announce(&vec![(100, 0x0804); count]);
                    }
                }
                Step::Interrupt => device.function_mut().interrupt = true,
                Step::Reset => {
                    device.reset();
                    prop_assert_eq!(device.wake_line(), LineState::Released);
                }
                Step::RegisterFaults(count) => {
                    device.function_mut().register_faults = vec![Some(SdioError::Crc); count].into();
                }
                Step::DataFault(moved) => {
                    let fault = Fault { error: SdioError::Timeout, moved };
                    device.function_mut().faults.push_back(Some(fault));
                }
                Step::Status(status) => {
                    // Anything but Wi-Fi, which decides what the chip takes a transfer for.
                    let chip = device.function_mut();
                    chip.status = status & !0x04 | chip.status & 0x04;
                }
            }
        }
        // No reference was ever taken twice or released unheld, and all of it can be given up.
        prop_assert_eq!(device.stats().wake_line_anomalies, 0);
        device.reset();
        prop_assert_eq!(device.wake_line(), LineState::Released);
        let chip = device.function_mut();
        chip.register_faults.clear();
        chip.faults.clear();
        chip.answers.clear();
        chip.length = 0;
        run(&mut device, Transition::Boot).unwrap();
        run(&mut device, Transition::WifiOn).unwrap();
        prop_assert!(matches!(device.receive(), Ok(Reception::Burst(_))));
    }
}
