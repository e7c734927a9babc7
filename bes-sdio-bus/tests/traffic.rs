//! Bursts and batches against a scripted chip: file 10, sections 5, 6 and 16, and their traps.
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

use bes_hal::transport::{Burst, BurstDefect, Reception, Transition, Transport};
use bes_hal::{SdioError, TransportError};
use bes_sdio_bus::{Config, FirmwareType, SdioTransport};
use chip::{booted, files, message, online, run, Buffer, Chip, Device, Event, Fault};
use proptest::prelude::*;

fn burst(device: &mut Device) -> Burst<Buffer> {
    match device.receive() {
        Ok(Reception::Burst(burst)) => burst,
        other => panic!("{other:?}", other = other.map(|_| "no burst")),
    }
}

fn is_empty(device: &mut Device) -> bool {
    matches!(device.receive(), Ok(Reception::Empty))
}

fn is_unsettled(device: &mut Device) -> bool {
    matches!(device.receive(), Ok(Reception::Unsettled))
}

fn receive_error(device: &mut Device) -> TransportError {
    match device.receive() {
        Err(error) => error,
        Ok(_) => panic!("no error"),
    }
}

fn send(device: &mut Device, messages: &[Vec<u8>]) -> Result<(), TransportError> {
    let batch: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    device.send(&batch)
}

fn faults(chip: &mut Chip, count: usize, error: SdioError, moved: bool) {
    chip.faults = vec![Some(Fault { error, moved }); count].into();
}

/// File 10, section 16.1. The startup indication was burst number one, so both toggles are 1.
#[test]
fn the_receive_example_is_met_command_by_command() {
    let mut device = online();
    device
        .function_mut()
        .announce(&[(8, 0xA406), (12, 0xC805), (1074, 0xE804)]);
    let burst = burst(&mut device);
    let ids: Vec<_> = burst
        .messages
        .as_slice()
        .iter()
        .map(|span| span.of(&burst.buffer.0)[2..4].to_vec())
        .collect();
    assert_eq!(ids, [[0x06, 0xA4], [0x05, 0xC8], [0x04, 0xE8]]);
    assert_eq!(burst.defect, None);
    assert!(is_empty(&mut device));
    let log = device.function_mut().log();
    assert_eq!(log[0], Event::Read(0x001, 0x83));
    assert!(matches!(&log[1], Event::Data(0x1E0C_0003, data) if data.len() == 1536));
    assert_eq!(log[2], Event::Read(0x001, 0x80));
    assert_eq!(log[3], Event::Read(0x000, 0x01));
    assert_eq!(log.len(), 4);
}

#[test]
fn a_burst_of_one_block_is_read_in_byte_mode_with_alternating_toggles() {
    let mut device = online();
    for expected in [0x1604_0000, 0x1404_0000, 0x1604_0000] {
        device.function_mut().announce(&[(100, 0x0804)]);
        burst(&mut device);
        assert_eq!(device.function_mut().transfers(), [expected]);
    }
}

#[test]
fn one_register_read_per_announcement_and_nothing_else() {
    let mut device = online();
    let before = device.stats();
    for _ in 0..100 {
        device.function_mut().announce(&[(1500, 0x0804); 16]);
        burst(&mut device);
    }
    let after = device.stats();
    assert_eq!(after.cmd52 - before.cmd52, 100);
    assert_eq!(after.cmd53 - before.cmd53, 100);
    assert_eq!(after.messages_received - before.messages_received, 1600);
}

/// File 10, section 16.2.
#[test]
fn the_send_examples_are_met_command_by_command() {
    let mut device = online();
    let stamped = |len: u16, id| {
        let mut bytes = message(len, id);
        bytes.extend([0xAA; 4]);
        bytes
    };
    send(&mut device, &[stamped(16, 0x4006), stamped(52, 0x6004)]).unwrap();
    let log = device.function_mut().log();
    assert_eq!(log[0], Event::Tuning(true));
    let Event::Data(0x9C08_0002, data) = &log[1] else {
        panic!("{:?}", log[1]);
    };
    assert_eq!(data[..4], [0x10, 0, 0x06, 0x40]);
    assert_eq!(data[0x10..0x14], [0xAA; 4]);
    assert!(data[0x14..0x200].iter().all(|byte| *byte == 0));
    assert_eq!(data[0x200..0x204], [0x34, 0, 0x04, 0x60]);
    assert!(data[0x238..].iter().all(|byte| *byte == 0));

    for expected in [0x9E19_8607, 0x9C19_8607] {
        send(&mut device, &[stamped(1540, 4), stamped(1540, 4)]).unwrap();
        assert_eq!(device.function_mut().transfers(), [expected]);
    }
    send(&mut device, &[message(508, 4)]).unwrap();
    send(&mut device, &[message(508, 4)]).unwrap();
    assert_eq!(
        device.function_mut().transfers(),
        [0x9E04_0001, 0x9C04_0001]
    );
    let received = &device.function().received;
    assert_eq!(received.len(), 8);
    assert_eq!(received[2], message(1540, 4));
}

#[test]
fn sixteen_large_messages_travel_in_one_command() {
    let mut device = online();
    send(&mut device, &vec![message(1628, 4); 16]).unwrap();
    let log = device.function_mut().log();
    assert!(matches!(log.last(), Some(Event::Data(argument, data))
        if argument & 0x1FF == 51 && data.len() == 26112));
    assert_eq!(device.function().received.len(), 16);
}

#[test]
fn t1_an_announcement_above_the_buffer_is_refused_and_nothing_is_read() {
    let mut device = online();
    for byte in [0x80 | 65, 0xFF] {
        device.function_mut().announcement = byte;
        let bytes = u32::from(byte & 0x7F) * 512;
        assert_eq!(receive_error(&mut device), TransportError::Oversized(bytes));
    }
    assert!(device.function_mut().transfers().is_empty());
    // 32 KiB is the largest burst.
    device.function_mut().announce_bytes(vec![0; 64 * 512]);
    assert_eq!(burst(&mut device).defect, Some(BurstDefect::NoMessage));
}

#[test]
fn t2_t3_defects_are_reported_with_the_messages_before_them() {
    let mut device = online();
    let mut bytes = vec![0; 512];
    bytes[..4].copy_from_slice(&[8, 0, 4, 8]);
    bytes[8..12].copy_from_slice(&[0xFD, 0xFF, 4, 8]);
    device.function_mut().announce_bytes(bytes);
    let burst = burst(&mut device);
    assert_eq!(burst.messages.as_slice().len(), 1);
    assert_eq!(burst.defect, Some(BurstDefect::BeyondEnd(0xFFFD)));
    assert_eq!(device.stats().burst_defects, 1);
    assert!(is_empty(&mut device));
}

#[test]
fn a_stale_announcement_is_looked_at_seven_times() {
    let mut device = online();
    device.function_mut().announcement = 0x01;
    assert!(is_unsettled(&mut device));
    assert_eq!(
        device.function_mut().log(),
        vec![Event::Read(0x001, 0x01); 7]
    );
    assert_eq!(device.stats().stale_announcements, 7);
    device.function_mut().announcement = 0;
    device.function_mut().announce(&[(8, 0x0805)]);
    burst(&mut device);
}

#[test]
fn an_empty_announcement_counts_only_if_it_is_genuine() {
    let mut device = online();
    device.function_mut().genuine = false;
    assert!(is_unsettled(&mut device));
    let looks = [Event::Read(0x001, 0), Event::Read(0x000, 0)];
    assert_eq!(device.function_mut().log(), vec![looks; 7].concat());
    assert_eq!(device.stats().unsettled_looks, 7);
    // It may settle between two looks.
    let chip = device.function_mut();
    chip.shown.insert(0x000, [0, 0].into());
    chip.genuine = true;
    assert!(is_empty(&mut device));
}

#[test]
fn a_failed_look_at_the_flag_is_only_a_fruitless_look() {
    let mut device = online();
    device.function_mut().register_faults = [None, Some(SdioError::Crc)].into();
    assert!(is_empty(&mut device));
}

#[test]
fn t24_a_failed_look_is_followed_by_another_and_seven_failures_are_reported() {
    for error in [
        SdioError::Crc,
        SdioError::Timeout,
        SdioError::Busy,
        SdioError::Card,
    ] {
        let mut device = online();
        let chip = device.function_mut();
        chip.announce(&[(100, 0x0804)]);
        chip.register_faults = vec![Some(error); 7].into();
        assert_eq!(receive_error(&mut device), TransportError::Bus(error));
        // T12: nothing else is read on this way, so the announcement is still there.
        assert_eq!(
            device.function_mut().log(),
            vec![Event::Failed(0x001, error); 7]
        );
        device.function_mut().register_faults = vec![Some(error); 6].into();
        burst(&mut device);
    }
    let mut device = online();
    device.function_mut().register_faults = vec![Some(SdioError::OutOfRange)].into();
    assert_eq!(
        receive_error(&mut device),
        TransportError::Bus(SdioError::OutOfRange)
    );
    assert!(is_empty(&mut device));
}

#[test]
fn a_read_with_crc_errors_is_repeated_ten_times_with_the_same_toggle() {
    let mut device = online();
    let chip = device.function_mut();
    chip.announce(&[(100, 0x0804)]);
    faults(chip, 10, SdioError::Crc, false);
    assert_eq!(burst(&mut device).messages.as_slice().len(), 1);
    let log = device.function_mut().log();
    let failed = Event::Failed(0x1604_0000, SdioError::Crc);
    assert_eq!(log[1..11], vec![failed; 10]);
    assert!(matches!(log[11], Event::Data(0x1604_0000, _)));
    assert_eq!(device.stats().retries, 10);
}

#[test]
fn a_read_that_failed_for_good_goes_on_in_the_next_pass_with_the_same_toggle() {
    for moved in [false, true] {
        let mut device = online();
        let chip = device.function_mut();
        chip.announce(&[(100, 0x0804)]);
        chip.announce(&[(200, 0x0804)]);
        faults(chip, 11, SdioError::Crc, moved);
        assert_eq!(
            receive_error(&mut device),
            TransportError::Bus(SdioError::Crc)
        );
        device.function_mut().log();
        assert_eq!(burst(&mut device).messages.as_slice()[0].len, 100);
        // T12: no second look, which would acknowledge the announcement behind this one.
        assert_eq!(device.function_mut().log().len(), 1);
        assert_eq!(burst(&mut device).messages.as_slice()[0].len, 200);
        assert!(is_empty(&mut device));
    }
}

#[test]
fn t7_errors_before_the_command_leave_the_toggle_alone() {
    let mut device = online();
    let chip = device.function_mut();
    chip.announce(&[(100, 0x0804)]);
    chip.no_memory = 3;
    for _ in 0..3 {
        assert_eq!(
            receive_error(&mut device),
            TransportError::Bus(SdioError::NoMemory)
        );
    }
    burst(&mut device);
    assert_eq!(device.function_mut().transfers(), [0x1604_0000]);
}

#[test]
fn a_failed_but_moved_read_neither_loses_nor_doubles_a_burst() {
    let mut device = online();
    for round in 0..20u16 {
        let chip = device.function_mut();
        chip.announce(&[(100 + round, 0x0804)]);
        if round % 3 == 0 {
            faults(chip, 1, SdioError::Timeout, round % 2 == 0);
        }
        assert_eq!(burst(&mut device).messages.as_slice()[0].len, 100 + round);
    }
    assert!(is_empty(&mut device));
}

#[test]
fn a_failed_write_is_repeated_with_the_same_toggle_and_the_chip_drops_the_duplicate() {
    for (error, count) in [(SdioError::Crc, 10), (SdioError::Timeout, 2)] {
        for moved in [false, true] {
            let mut device = online();
            faults(device.function_mut(), count, error, moved);
            send(&mut device, &[message(100, 4)]).unwrap();
            send(&mut device, &[message(200, 4)]).unwrap();
            let chip = device.function_mut();
            assert_eq!(chip.received, [message(100, 4), message(200, 4)]);
            assert_eq!(chip.duplicates, if moved { count } else { 0 });
            let log = chip.log();
            assert_eq!(log[1], Event::Failed(0x9C04_0001, error));
        }
    }
}

#[test]
fn a_batch_that_failed_for_good_may_be_sent_again() {
    for moved in [false, true] {
        let mut device = online();
        faults(device.function_mut(), 11, SdioError::Crc, moved);
        let batch = [message(100, 4), message(101, 4)];
        assert_eq!(
            send(&mut device, &batch),
            Err(TransportError::Bus(SdioError::Crc))
        );
        send(&mut device, &batch).unwrap();
        assert_eq!(device.function().received, batch);
    }
}

#[test]
fn retuning_is_held_from_the_first_send_to_the_next_read() {
    let mut device = online();
    send(&mut device, &[message(100, 4)]).unwrap();
    send(&mut device, &[message(100, 4)]).unwrap();
    device.function_mut().announce(&[(8, 0x0404)]);
    burst(&mut device);
    send(&mut device, &[message(100, 4)]).unwrap();
    // A failed read releases it as well.
    let chip = device.function_mut();
    chip.announce(&[(8, 0x0404)]);
    faults(chip, 11, SdioError::Crc, false);
    receive_error(&mut device);
    let tuning: Vec<_> = device
        .function_mut()
        .log()
        .into_iter()
        .filter(|event| matches!(event, Event::Tuning(_)))
        .collect();
    let cycle = [Event::Tuning(true), Event::Tuning(false)];
    assert_eq!(tuning, vec![cycle; 2].concat());
    assert_eq!(device.stats().tune_holds, 2);
}

#[test]
fn bad_batches_never_reach_the_bus() {
    let mut device = online();
    for (batch, error) in [
        (vec![], TransportError::BadBatch),
        (vec![message(8, 4); 17], TransportError::BadBatch),
        (
            vec![message(8, 4), message(600, 4)],
            TransportError::BadBatch,
        ),
        (
            vec![message(16, 0x0C25), message(16, 4)],
            TransportError::BadBatch,
        ),
        (vec![message(1629, 4)], TransportError::MessageTooLong(1629)),
    ] {
        assert_eq!(send(&mut device, &batch), Err(error));
    }
    assert!(device.function_mut().log().is_empty());
    assert!(device.slot_class(&message(16, 0x0C25)).unwrap().alone);
}

#[test]
fn nothing_travels_unless_wifi_is_on() {
    let mut device = booted();
    assert_eq!(receive_error(&mut device), TransportError::WrongState);
    assert_eq!(
        send(&mut device, &[message(8, 4)]),
        Err(TransportError::WrongState)
    );
    let mut device = online();
    run(&mut device, Transition::WifiOff).unwrap();
    assert_eq!(receive_error(&mut device), TransportError::WrongState);
    assert_eq!(
        send(&mut device, &[message(8, 4)]),
        Err(TransportError::WrongState)
    );
}

#[test]
fn toggles_start_again_with_wifi() {
    let mut device = online();
    send(&mut device, &[message(8, 4)]).unwrap();
    run(&mut device, Transition::WifiOff).unwrap();
    run(&mut device, Transition::WifiOn).unwrap();
    device.function_mut().log();
    burst(&mut device);
    send(&mut device, &[message(8, 4)]).unwrap();
    assert_eq!(
        device.function_mut().transfers(),
        [0x1404_0000, 0x9C04_0001]
    );
}

#[test]
fn the_firmware_without_signalling_takes_one_message_per_transfer() {
    let config = Config {
        firmware: FirmwareType::NoSignal,
        ..Config::default()
    };
    let mut device = SdioTransport::new(Chip::new(), files(), config);
    run(&mut device, Transition::Boot).unwrap();
    run(&mut device, Transition::WifiOn).unwrap();
    send(&mut device, &vec![message(8, 4); 3]).unwrap();
    assert_eq!(device.stats().transfers_sent, 3);
    assert_eq!(device.function().received.len(), 3);
}

#[test]
fn a_host_with_few_segments_or_blocks_gets_several_transfers() {
    let mut narrow = Chip::new();
    narrow.limits.max_segments = 8;
    let mut device = SdioTransport::new(narrow, files(), Config::default());
    run(&mut device, Transition::Boot).unwrap();
    run(&mut device, Transition::WifiOn).unwrap();
    send(&mut device, &vec![message(8, 4); 16]).unwrap();
    assert_eq!(device.stats().transfers_sent, 4);
    assert_eq!(device.function().received.len(), 16);

    let mut short = Chip::new();
    short.limits.max_blocks = 8;
    let mut device = SdioTransport::new(short, files(), Config::default());
    run(&mut device, Transition::Boot).unwrap();
    run(&mut device, Transition::WifiOn).unwrap();
    burst(&mut device);
    send(&mut device, &vec![message(1628, 4); 16]).unwrap();
    assert_eq!(device.function().received.len(), 16);
    device.function_mut().log();
    // A burst of 20 blocks comes in three commands, each with its own length and toggle.
    device.function_mut().announce(&[(620, 0x0804); 16]);
    assert_eq!(burst(&mut device).messages.as_slice().len(), 16);
    assert_eq!(
        device.function_mut().transfers(),
        [0x1E20_0008, 0x1C20_0008, 0x1E10_0004]
    );
}

/// A host without a scatter list gets the same bytes in as many transfers, put together in one buffer; every other host
/// gets them from where they are.
#[test]
fn a_host_that_takes_one_piece_gets_each_transfer_in_one() {
    let mut copied = Vec::new();
    for segments in [1, 64] {
        let mut chip = Chip::new();
        chip.limits.max_segments = segments;
        let mut device = SdioTransport::new(chip, files(), Config::default());
        run(&mut device, Transition::Boot).unwrap();
        run(&mut device, Transition::WifiOn).unwrap();
        let before = device.stats();
        send(&mut device, &vec![message(1628, 4); 16]).unwrap();
        let after = device.stats();
        assert_eq!(after.transfers_sent - before.transfers_sent, 1);
        assert_eq!(device.function().received.len(), 16);
        copied.push(after.bytes_copied - before.bytes_copied);
    }
    assert_eq!(copied, [51 * 512, 0]);
}

#[test]
fn a_message_longer_than_the_longest_transfer_has_no_slot() {
    let mut short = Chip::new();
    short.limits.max_blocks = 3;
    let device = SdioTransport::new(short, files(), Config::default());
    assert!(device.slot_class(&message(1532, 4)).is_ok());
    assert_eq!(
        device.slot_class(&message(1533, 4)),
        Err(TransportError::MessageTooLong(1533))
    );
}

#[test]
fn a_host_without_multi_block_receives_in_turns_and_cannot_send() {
    let mut single = Chip::new();
    single.limits.multi_block = false;
    let mut device = SdioTransport::new(single, files(), Config::default());
    run(&mut device, Transition::Boot).unwrap();
    run(&mut device, Transition::WifiOn).unwrap();
    burst(&mut device);
    device.function_mut().log();
    device.function_mut().announce(&[(1200, 0x0804)]);
    // A failure in the middle does not start from the beginning.
    device.function_mut().faults = [None]
        .into_iter()
        .chain(
            [Some(Fault {
                error: SdioError::Crc,
                moved: true,
            }); 11],
        )
        .collect();
    assert_eq!(
        receive_error(&mut device),
        TransportError::Bus(SdioError::Crc)
    );
    let burst = burst(&mut device);
    assert_eq!(burst.messages.as_slice()[0].len, 1200);
    assert!(burst.buffer.0[4..1200].iter().all(|byte| *byte == 0x5A));
    assert_eq!(
        device.function_mut().transfers(),
        [0x1604_0000, 0x1404_0000, 0x1604_0000]
    );
    assert_eq!(
        send(&mut device, &[message(8, 4)]),
        Err(TransportError::Bus(SdioError::Unsupported))
    );
}

#[test]
fn a_card_that_is_gone_is_reported_without_retries() {
    let mut device = online();
    device.function_mut().announce(&[(8, 0x0804)]);
    let commands = device.function().commands;
    device.function_mut().dead_after = Some(commands);
    let no_card = TransportError::Bus(SdioError::NoCard);
    assert_eq!(receive_error(&mut device), no_card);
    assert_eq!(send(&mut device, &[message(8, 4)]), Err(no_card));
    assert_eq!(device.function().commands, commands + 2);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_the_chip_shows_spans_stay_inside_and_calls_end(
        announcements in proptest::collection::vec(any::<u8>(), 0..40),
        flags in proptest::collection::vec(any::<u8>(), 0..40),
        bytes in proptest::collection::vec(any::<u8>(), 512),
        faulty in proptest::collection::vec(prop::option::of(any::<bool>()), 0..40),
    ) {
        let mut device = online();
        let chip = device.function_mut();
        chip.shown.insert(0x001, announcements.into());
        chip.shown.insert(0x000, flags.into());
        chip.faults = faulty
            .into_iter()
            .map(|moved| moved.map(|moved| Fault { error: SdioError::Crc, moved }))
            .collect();
        for _ in 0..200 {
            let mut burst = bytes.clone();
            burst.resize(64 * 512, 0x11);
            chip.bursts.push_back(burst);
        }
        for _ in 0..40 {
            if let Ok(Reception::Burst(burst)) = device.receive() {
                for span in burst.messages.as_slice() {
                    prop_assert!(span.len >= 4);
                    prop_assert!(usize::from(span.start) + usize::from(span.len) <= burst.buffer.0.len());
                }
            }
        }
    }
}
