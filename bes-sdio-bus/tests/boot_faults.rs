//! The boot on a bus that fails: retries, transfers that failed but moved, a card that goes away.
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
use bes_hal::transport::{Transition, Transport};
use bes_hal::{SdioError, TransportError};
use bes_sdio_bus::boot::FactoryReport;
use bes_sdio_bus::wake_line::LineState;
use chip::{device, run, Device, Fault, CALIBRATION_AT, MAIN_AT};
use proptest::prelude::*;

fn boot(device: &mut Device) -> Result<(), TransportError> {
    run(device, Transition::Boot)
}

fn fault(error: SdioError) -> Option<Fault> {
    Some(Fault {
        error,
        moved: false,
    })
}

#[test]
fn a_failed_transfer_is_tried_three_times_one_millisecond_apart() {
    let mut device = device();
    device.function_mut().faults = [
        fault(SdioError::Crc),
        fault(SdioError::Timeout),
        None,
        fault(SdioError::Crc),
        fault(SdioError::Timeout),
    ]
    .into();
    boot(&mut device).unwrap();
    assert_eq!(device.stats().retries, 4);
    assert_eq!(device.stats().boot_reruns, 0);
    assert!(device.now() >= Instant::from_millis(10 + 4));

    let mut device = chip::device();
    device.function_mut().faults = vec![fault(SdioError::Crc); 12].into();
    assert_eq!(boot(&mut device), Err(TransportError::Bus(SdioError::Crc)));
    assert_eq!(device.stats().cmd53, 12);
}

#[test]
fn a_write_that_failed_but_moved_is_healed_by_the_next_run() {
    for at in 0..40 {
        let mut device = device();
        let chip = device.function_mut();
        chip.faults = vec![None; at].into();
        chip.faults.push_back(Some(Fault {
            error: SdioError::Timeout,
            moved: true,
        }));
        let _ = boot(&mut device);
        // Whatever it did to the boot under way, the next one is good.
        device.function_mut().faults.clear();
        device.reset();
        let chip = device.function_mut();
        chip.answers.clear();
        chip.length = 0;
        chip.ran.clear();
        boot(&mut device).unwrap();
        assert_eq!(device.function().ran.last(), Some(&MAIN_AT));
    }
}

#[test]
fn an_answer_that_failed_but_moved_is_not_missed_where_the_checksum_vouches() {
    // Transfers 8 and 9 are INFO of the factory data and its answer, 10 and 11 DATA and its answer.
    for at in [9, 11] {
        let mut device = device();
        let chip = device.function_mut();
        chip.faults = vec![None; at].into();
        chip.faults.push_back(Some(Fault {
            error: SdioError::Crc,
            moved: true,
        }));
        boot(&mut device).unwrap();
        assert_eq!(device.stats().boot_reruns, 0);
        assert_eq!(device.factory_report(), FactoryReport::Sent);
    }
    // The answer to END is not guessed.
    let mut device = device();
    let chip = device.function_mut();
    chip.faults = vec![None; 13].into();
    chip.faults.push_back(Some(Fault {
        error: SdioError::Crc,
        moved: true,
    }));
    boot(&mut device).unwrap();
    assert_eq!(device.stats().boot_reruns, 1);
}

#[test]
fn a_message_that_failed_but_moved_is_not_sent_twice() {
    for at in [0, 8, 10, 12] {
        let mut device = device();
        let chip = device.function_mut();
        chip.faults = vec![None; at].into();
        chip.faults.push_back(Some(Fault {
            error: SdioError::Crc,
            moved: true,
        }));
        boot(&mut device).unwrap();
        assert_eq!(device.stats().boot_reruns, 0);
        let messages = &device.function().messages;
        assert!(messages.windows(2).all(|pair| pair[0] != pair[1]));
    }
}

#[test]
fn a_run_whose_answer_is_gone_is_judged_by_the_status() {
    // Eight transfers of register writes, six of factory data, ten of the calibration image, RUN, its answer.
    let mut device = device();
    let chip = device.function_mut();
    chip.faults = vec![None; 25].into();
    chip.faults.push_back(Some(Fault {
        error: SdioError::Timeout,
        moved: true,
    }));
    boot(&mut device).unwrap();
    assert_eq!(device.stats().boot_reruns, 0);
    assert_eq!(device.function().ran, [CALIBRATION_AT, MAIN_AT]);
    assert_eq!(
        device.stats().boot_messages + 1,
        device.function().messages.len() as u64
    );
}

#[test]
fn a_card_that_goes_away_at_any_moment_ends_the_boot_at_once() {
    let mut whole = device();
    boot(&mut whole).unwrap();
    let commands = whole.function().commands;
    for limit in 0..commands {
        let mut device = device();
        device.function_mut().dead_after = Some(limit);
        assert_eq!(
            boot(&mut device),
            Err(TransportError::Bus(SdioError::NoCard)),
            "after {limit} commands"
        );
        assert_eq!(device.wake_line(), LineState::Released);
        assert!(device.function().commands <= limit + 4);
        assert_eq!(
            device.begin(Transition::WifiOn, Instant::ZERO),
            Err(TransportError::WrongState)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_boot_with_any_noise_ends(
        registers in proptest::collection::vec((prop::sample::select(vec![0u32, 1, 0x108, 0x109, 0x10A, 0x10C]), any::<u8>()), 0..60),
        faults in proptest::collection::vec(prop::option::weighted(0.2, (0usize..5, any::<bool>())), 0..60),
        answers in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 8), 0..4),
        mute in 0usize..6,
    ) {
        let mut device = device();
        let chip = device.function_mut();
        for (address, value) in registers {
            chip.shown.entry(address).or_default().push_back(value);
        }
        let errors = [SdioError::Crc, SdioError::Timeout, SdioError::Busy, SdioError::Card, SdioError::OutOfRange];
        chip.faults = faults
            .into_iter()
            .map(|fault| fault.map(|(kind, moved)| Fault { error: errors[kind], moved }))
            .collect();
        for answer in answers {
            chip.say(answer);
        }
        chip.mute = mute;
        let result = boot(&mut device);
        let line = device.wake_line();
        prop_assert_eq!(line, LineState::Released);
        if result.is_ok() {
            prop_assert_eq!(device.function().ran.last(), Some(&MAIN_AT));
        }
    }
}
