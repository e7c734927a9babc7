//! The boot against a scripted chip: file 11 step by step, and each of its traps.
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

use bes_hal::firmware::FirmwareFile;
use bes_hal::time::Instant;
use bes_hal::transport::{Progress, Transition, Transport};
use bes_hal::{BootError, TransportError};
use bes_sdio_bus::boot::FactoryReport;
use bes_sdio_bus::wake_line::LineState;
use bes_sdio_bus::{Config, FirmwareType, SdioTransport};
use chip::{device, files, finish, image, run, Chip, Device, Event, CALIBRATION_AT, MAIN_AT};
use std::time::Duration;

fn boot(device: &mut Device) -> Result<(), TransportError> {
    run(device, Transition::Boot)
}

fn boot_error(error: BootError) -> Result<(), TransportError> {
    Err(TransportError::Boot(error))
}

fn with(config: Config) -> Device {
    SdioTransport::new(Chip::new(), files(), config)
}

#[test]
fn everything_arrives_where_it_belongs_and_runs_in_order() {
    let mut device = device();
    boot(&mut device).unwrap();
    let chip = device.function();
    assert_eq!(
        chip.memory[&0x4010_0000],
        0x0080_2006u32.to_le_bytes().to_vec()
    );
    assert_eq!(
        chip.memory[&0x4008_602C],
        0x3E00_C000u32.to_le_bytes().to_vec()
    );
    assert_eq!(chip.memory[&0x2008_B000].len(), 72);
    assert_eq!(chip.memory[&CALIBRATION_AT], image(10000, 0)[..9996]);
    assert_eq!(chip.memory[&MAIN_AT], image(30001, 0)[..29997]);
    assert_eq!(chip.ran, [CALIBRATION_AT, MAIN_AT]);
    assert_eq!(device.dpd(), Some(chip.dpd.as_slice()));
    assert_eq!(device.factory_report(), FactoryReport::Sent);
    assert_eq!(device.wake_line(), LineState::Released);
    let total = 8 + 72 + 9996 + 29997;
    assert_eq!(device.boot_progress(), (total, total));
    assert_eq!(device.stats().boot_bytes, total as u64);
    assert_eq!(device.stats().boot_messages, chip.messages.len() as u64);
}

/// File 11, section 6.2: the first register write and the factory block, bus command by bus command.
#[test]
fn the_wire_example_is_met_to_the_byte() {
    let mut device = device();
    boot(&mut device).unwrap();
    let log = device.function_mut().log();
    let padded = |bytes: &[u8]| {
        let mut padded = bytes.to_vec();
        padded.resize(512, 0);
        padded
    };
    let first = [
        Event::Line(true),
        Event::Enable,
        Event::Read(0x108, 4),
        Event::Read(0x109, 0x00),
        Event::Read(0x10A, 0x10),
        Event::Data(
            0x9404_0000,
            padded(&[0xB1, 0, 8, 0, 4, 0, 0, 0, 0, 0, 0x10, 0x40]),
        ),
        Event::Read(0x000, 8),
        Event::Read(0x001, 0),
        Event::Data(0x1400_1008, vec![0xB0, 0, 4, 0, 0, 0, 0, 0]),
        // No look at the buffers before the second message of a register write.
        Event::Data(
            0x9404_0000,
            padded(&[0xB2, 1, 8, 0, 0, 0, 0x10, 0x40, 6, 0x20, 0x80, 0]),
        ),
        Event::Read(0x000, 8),
        Event::Read(0x001, 0),
        Event::Data(0x1400_1008, vec![0xB0, 1, 4, 0, 0, 0, 0, 0]),
    ];
    assert_eq!(log[..first.len()], first);
    let messages = &device.function().messages;
    assert_eq!(
        messages[4],
        [0xB1, 0, 8, 0, 0x48, 0, 0, 0, 0, 0xB0, 0x08, 0x20]
    );
    assert_eq!(messages[5][..8], [0xB2, 1, 0x4C, 0, 0, 0xB0, 0x08, 0x20]);
    assert_eq!(messages[6], [0xB3, 2, 4, 0, 0xFA, 0x6C, 0x4B, 0xD2]);
}

/// File 11, section 6.2: a file of 10000 bytes, M = 4096, and the calibration block.
#[test]
fn an_image_travels_in_messages_of_the_chips_size() {
    let mut device = device();
    boot(&mut device).unwrap();
    let messages = &device.function().messages;
    let data: Vec<_> = messages[7..].iter().take(6).map(|m| (m[0], m[1])).collect();
    assert_eq!(
        data,
        [
            (0xB1, 0),
            (0xB2, 1),
            (0xB2, 2),
            (0xB2, 3),
            (0xB3, 4),
            (0xB4, 5)
        ]
    );
    assert_eq!(messages[8][..8], [0xB2, 1, 0xFC, 0x0F, 0, 0, 0x01, 0x20]);
    assert_eq!(
        messages[9][..8],
        [0xB2, 2, 0xFC, 0x0F, 0xF8, 0x0F, 0x01, 0x20]
    );
    assert_eq!(
        messages[10][..8],
        [0xB2, 3, 0x20, 0x07, 0xF0, 0x1F, 0x01, 0x20]
    );
    let transfers = device.function_mut().transfers();
    for argument in [0x9C20_0008, 0x9C0E_4804, 0x1C76_281E] {
        assert!(transfers.contains(&argument), "{argument:#x}");
    }
}

#[test]
fn a_saved_calibration_is_written_back_instead_of_calibrating() {
    let mut device = device();
    boot(&mut device).unwrap();
    run(&mut device, Transition::PowerOff).unwrap();
    device.function_mut().ran.clear();
    boot(&mut device).unwrap();
    let chip = device.function();
    assert_eq!(chip.ran, [MAIN_AT]);
    assert_eq!(chip.memory[&0x2008_C000], chip.dpd);
    assert_eq!(device.boot_progress().1, 8 + 72 + 15124 + 29997);
}

#[test]
fn without_keeping_it_every_boot_calibrates() {
    let mut device = with(Config {
        keep_dpd: false,
        ..Config::default()
    });
    for _ in 0..2 {
        device.function_mut().ran.clear();
        boot(&mut device).unwrap();
        assert_eq!(device.function().ran, [CALIBRATION_AT, MAIN_AT]);
        device.reset();
    }
}

#[test]
fn a_calibration_from_a_file_is_checked_and_used() {
    let mut device = device();
    let block = device.function().dpd.clone();
    assert_eq!(
        device.restore_dpd(&block[1..]),
        Err(BootError::CalibrationData.into())
    );
    device.restore_dpd(&block).unwrap();
    boot(&mut device).unwrap();
    assert_eq!(device.function().ran, [MAIN_AT]);
}

#[test]
fn b1_b5_a_chip_without_free_buffers_is_waited_for_but_not_for_ever() {
    let mut late = device();
    late.function_mut()
        .shown
        .insert(0x108, [0, 0, 0].into_iter().collect());
    boot(&mut late).unwrap();
    let mut never = device();
    never.function_mut().free_buffers = 0;
    assert_eq!(boot(&mut never), boot_error(BootError::NoBuffer));
    assert_eq!(never.now(), Instant::from_millis(10 + 1000));
    assert!(never.function().messages.is_empty());
    assert_eq!(never.wake_line(), LineState::Released);
}

#[test]
fn b2_an_interrupt_without_a_length_is_not_an_answer() {
    let mut device = device();
    let chip = device.function_mut();
    // The answer is there, but the first six looks show nothing.
    chip.shown.insert(0x000, [0; 6].into_iter().collect());
    chip.shown.insert(0x001, [0; 6].into_iter().collect());
    boot(&mut device).unwrap();
    assert_eq!(device.stats().boot_reruns, 0);
}

#[test]
fn b3_an_answer_of_another_length_is_never_read() {
    let mut device = device();
    let chip = device.function_mut();
    chip.shown.insert(0x001, [0xFF; 64].into_iter().collect());
    assert_eq!(boot(&mut device), boot_error(BootError::BadAnswer));
    assert_eq!(device.function().messages.len(), 4);
    let transfers = device.function_mut().transfers();
    assert!(transfers.iter().all(|argument| argument >> 31 == 1));
}

#[test]
fn b4_unusable_message_sizes_end_the_boot() {
    for size in [0, 4, 8, 12, 17, 32772] {
        let mut device = device();
        device.function_mut().max_message = size;
        assert_eq!(boot(&mut device), boot_error(BootError::MessageSize(size)));
    }
    for size in [16, 32768] {
        let mut device = device();
        device.function_mut().max_message = size;
        boot(&mut device).unwrap();
    }
}

#[test]
fn b6_a_refused_register_write_ends_the_boot_after_four_runs() {
    let mut device = device();
    device.function_mut().results = [1; 4].into();
    assert_eq!(boot(&mut device), boot_error(BootError::Refused(1)));
    let sequences: Vec<_> = device.function().messages.iter().map(|m| m[1]).collect();
    assert_eq!(sequences, [0, 1, 2, 3]);
    assert_eq!(device.stats().boot_reruns, 3);
}

#[test]
fn b7_a_late_answer_does_not_spoil_the_next_run() {
    // Late, but before the next run: flushed.
    let mut device = device();
    device.function_mut().mute = 1;
    let now = device.now();
    device.begin(Transition::Boot, now).unwrap();
    while device.function().messages.is_empty() {
        let now = device.now();
        if let Progress::Pending(until) = device.poll(now).unwrap() {
            device.function_mut().now = until.min(Instant::from_millis(500));
        }
    }
    device.function_mut().no_interrupts = true;
    device
        .function_mut()
        .say(vec![0xB0, 0xEE, 4, 0, 0, 0, 0, 0]);
    device.function_mut().no_interrupts = false;
    finish(&mut device).unwrap();

    // Late, in the middle of the next run: left aside by its sequence number.
    let mut device = chip::device();
    device.function_mut().mute = 2;
    device.begin(Transition::Boot, Instant::ZERO).unwrap();
    while device.function().messages.len() < 2 {
        let now = device.now();
        if let Progress::Pending(until) = device.poll(now).unwrap() {
            if device.function().messages.len() < 2 {
                device.function_mut().now = until;
            }
        }
    }
    let chip = device.function_mut();
    assert_eq!((chip.messages[0][1], chip.messages[1][1]), (0, 1));
    chip.say(vec![0xB0, 0, 4, 0, 0, 0, 0, 0]);
    chip.say(vec![0xB0, 1, 4, 0, 0, 0, 0, 0]);
    finish(&mut device).unwrap();
    assert_eq!(device.function().ran, [CALIBRATION_AT, MAIN_AT]);
    assert_eq!(device.stats().boot_reruns, 1);
}

#[test]
fn b10_a_lost_interrupt_costs_a_tenth_of_a_second_and_not_the_boot() {
    let mut device = device();
    device.function_mut().no_interrupts = true;
    device.begin(Transition::Boot, Instant::ZERO).unwrap();
    for at in [0, 10, 109, 110] {
        assert_eq!(device.stats().boot_messages, 0);
        device.function_mut().now = Instant::from_millis(at);
        let now = device.now();
        device.poll(now).unwrap();
    }
    assert_eq!(device.stats().boot_messages, 1);
    device.function_mut().no_interrupts = false;
    finish(&mut device).unwrap();
    assert_eq!(device.stats().boot_reruns, 0);
}

#[test]
fn b13_nothing_sleeps_longer_than_the_chip_needs() {
    let mut device = device();
    boot(&mut device).unwrap();
    // The line, the calibration and the start of the firmware: 10 ms each.
    assert!(device.now() < Instant::from_millis(40), "{}", device.now());
}

#[test]
fn b14_the_last_look_at_the_calibration_counts() {
    let mut device = device();
    device.function_mut().calibration_never_ends = true;
    device.begin(Transition::Boot, Instant::ZERO).unwrap();
    let end = loop {
        let now = device.now();
        match device.poll(now).unwrap() {
            Progress::Done => panic!("no calibration"),
            Progress::Pending(until) if device.function().ran.is_empty() => {
                device.function_mut().now = until;
            }
            Progress::Pending(until) => break until.after(Duration::from_millis(14_990)),
        }
    };
    // A poll that comes late still looks before it gives up.
    let chip = device.function_mut();
    chip.now = end;
    chip.status |= 2;
    let block = chip.dpd.clone();
    chip.say(block);
    finish(&mut device).unwrap();
    assert!(device.dpd().is_some());
}

#[test]
fn b14_a_stray_interrupt_before_the_calibration_block_is_left_aside() {
    let mut device = device();
    device.function_mut().calibration_never_ends = true;
    device.begin(Transition::Boot, Instant::ZERO).unwrap();
    while device.function().ran.is_empty() {
        let now = device.now();
        if let Progress::Pending(until) = device.poll(now).unwrap() {
            device.function_mut().now = until;
        }
    }
    let chip = device.function_mut();
    chip.status |= 2;
    chip.interrupt = true;
    chip.now = chip.now.after(Duration::from_millis(20));
    let now = chip.now;
    assert!(matches!(device.poll(now), Ok(Progress::Pending(_))));
    assert!(matches!(device.poll(now), Ok(Progress::Pending(_))));
    let chip = device.function_mut();
    let block = chip.dpd.clone();
    chip.say(block);
    finish(&mut device).unwrap();
}

#[test]
fn a_calibration_that_does_not_end_fails_after_15_seconds() {
    let mut device = device();
    device.function_mut().calibration_never_ends = true;
    assert_eq!(boot(&mut device), boot_error(BootError::CalibrationTimeout));
    let waited = device.now().since(Instant::ZERO);
    assert!((15_000..15_100).contains(&waited.as_millis()));
}

#[test]
fn b15_a_damaged_calibration_block_fails_the_boot_and_the_next_one_calibrates() {
    let mut device = device();
    device.function_mut().dpd[5000] ^= 1;
    assert_eq!(boot(&mut device), boot_error(BootError::CalibrationData));
    assert_eq!(device.dpd(), None);
    let chip = device.function_mut();
    chip.dpd[5000] ^= 1;
    chip.ran.clear();
    boot(&mut device).unwrap();
    assert_eq!(device.function().ran, [CALIBRATION_AT, MAIN_AT]);
}

#[test]
fn a_corrupt_download_is_run_four_times() {
    let mut device = device();
    // Four messages of register writes, three of factory data, then the calibration image up to its END.
    let good = [0; 11];
    let mut results = good.to_vec();
    results.push(1);
    device.function_mut().results = results.into();
    boot(&mut device).unwrap();
    assert_eq!(device.stats().boot_reruns, 1);

    let mut device = chip::device();
    let mut results = vec![0; 7];
    for _ in 0..4 {
        results.extend([0, 0, 0, 0, 5]);
    }
    device.function_mut().results = results.into();
    assert_eq!(boot(&mut device), boot_error(BootError::Refused(5)));
    assert_eq!(device.stats().boot_reruns, 3);
}

#[test]
fn a_chip_that_never_answers_fails_after_four_seconds() {
    let mut device = device();
    device.function_mut().mute = usize::MAX;
    assert_eq!(boot(&mut device), boot_error(BootError::NoAnswer));
    assert_eq!(device.now(), Instant::from_millis(4010));
}

#[test]
fn missing_and_invalid_files_are_found_before_the_bus_is_touched() {
    for file in [FirmwareFile::Calibration, FirmwareFile::Main] {
        let mut set = files();
        set.0.remove(&file);
        let mut device = SdioTransport::new(Chip::new(), set, Config::default());
        assert_eq!(boot(&mut device), boot_error(BootError::FileMissing(file)));
        for content in [vec![], vec![1; 19], vec![0; 3 << 20]] {
            let mut set = files();
            set.0.insert(file, content);
            let mut device = SdioTransport::new(Chip::new(), set, Config::default());
            assert_eq!(boot(&mut device), boot_error(BootError::FileInvalid(file)));
            assert!(!device.function_mut().log().contains(&Event::Enable));
            assert_eq!(device.wake_line(), LineState::Released);
        }
    }
}

#[test]
fn unusable_factory_data_are_reported_and_the_boot_goes_on() {
    let mut set = files();
    set.0.remove(&FirmwareFile::Factory);
    let mut device = SdioTransport::new(Chip::new(), set, Config::default());
    boot(&mut device).unwrap();
    assert_eq!(device.factory_report(), FactoryReport::Missing);
    assert!(!device.function().memory.contains_key(&0x2008_B000));

    let mut set = files();
    set.0.insert(FirmwareFile::Factory, b"garbage".to_vec());
    let mut device = SdioTransport::new(Chip::new(), set, Config::default());
    boot(&mut device).unwrap();
    assert!(matches!(
        device.factory_report(),
        FactoryReport::Unusable(_)
    ));
    assert!(device.factory().is_none());
}

#[test]
fn factory_data_that_the_chip_refuses_do_not_end_the_boot() {
    let mut device = device();
    let mut results = vec![0; 4];
    results.extend([9; 4]);
    device.function_mut().results = results.into();
    boot(&mut device).unwrap();
    assert_eq!(
        device.factory_report(),
        FactoryReport::NotSent(TransportError::Boot(BootError::Refused(9)))
    );
    assert_eq!(device.function().ran, [CALIBRATION_AT, MAIN_AT]);
}

#[test]
fn test_firmwares_take_their_own_images() {
    let mut device = with(Config {
        firmware: FirmwareType::BluetoothTest,
        ..Config::default()
    });
    device.function_mut().main_never_starts = true;
    boot(&mut device).unwrap();
    assert_eq!(device.function().ran, [MAIN_AT]);
    assert_eq!(device.function().memory[&MAIN_AT].len(), 5996);
    // It need not say that it takes requests, but has its 500 ms.
    assert!(device.now() >= Instant::from_millis(500));

    let mut device = with(Config {
        firmware: FirmwareType::NoSignal,
        ..Config::default()
    });
    boot(&mut device).unwrap();
    assert_eq!(device.function().ran, [CALIBRATION_AT, MAIN_AT]);
    assert_eq!(device.function().memory[&MAIN_AT].len(), 4996);
}

#[test]
fn a_firmware_that_does_not_start_is_given_five_seconds() {
    let mut device = device();
    device.function_mut().main_never_starts = true;
    assert_eq!(
        boot(&mut device),
        Err(TransportError::NotReady(Transition::Boot))
    );
    assert!(device.now() >= Instant::from_millis(5000));
}

#[test]
fn bluetooth_is_switched_on_only_if_wanted() {
    let mut plain = device();
    boot(&mut plain).unwrap();
    assert!(plain.function().doorbells.is_empty());
    let mut wanted = with(Config {
        bluetooth_at_boot: true,
        ..Config::default()
    });
    boot(&mut wanted).unwrap();
    assert_eq!(wanted.function().doorbells, [0x0101]);
}

#[test]
fn a_host_without_multi_block_boots_512_bytes_at_a_time() {
    let mut device = device();
    device.function_mut().limits.multi_block = false;
    boot(&mut device).unwrap();
    let chip = device.function_mut();
    assert_eq!(chip.memory[&MAIN_AT], image(30001, 0)[..29997]);
    for argument in chip.transfers() {
        assert_eq!(argument & 1 << 27, 0, "block mode");
        assert_eq!(argument & 1 << 25, 0, "toggle");
        // Each command carries its own length as L16.
        let (len, count) = (argument >> 9 & 0xFFFF, argument & 0x1FF);
        assert_eq!(len, if count == 0 { 512 } else { count });
    }
}

#[test]
fn a_host_with_eight_blocks_boots_in_turns() {
    let mut device = device();
    let chip = device.function_mut();
    chip.limits.max_blocks = 8;
    chip.max_message = 32768;
    boot(&mut device).unwrap();
    assert_eq!(device.function().memory[&MAIN_AT], image(30001, 0)[..29997]);
}

#[test]
fn a_second_boot_needs_a_reset_and_cycles_the_power() {
    let mut device = device();
    device.function_mut().powers = true;
    boot(&mut device).unwrap();
    let now = device.now();
    assert_eq!(
        device.begin(Transition::Boot, now),
        Err(TransportError::WrongState)
    );
    device.reset();
    device.function_mut().log();
    boot(&mut device).unwrap();
    let log = device.function_mut().log();
    assert_eq!(
        log[..5],
        [
            Event::Line(true),
            Event::Disable,
            Event::Power(false),
            Event::Power(true),
            Event::Enable
        ]
    );
}

#[test]
fn polling_without_a_transition_is_done_and_early_polls_do_nothing() {
    let mut device = device();
    assert_eq!(device.poll(Instant::ZERO), Ok(Progress::Done));
    device.begin(Transition::Boot, Instant::ZERO).unwrap();
    for _ in 0..5 {
        assert_eq!(
            device.poll(Instant::ZERO),
            Ok(Progress::Pending(Instant::from_millis(10)))
        );
    }
    assert_eq!(device.function().commands, 0);
    assert_eq!(
        device.begin(Transition::Boot, Instant::ZERO),
        Err(TransportError::WrongState)
    );
}
