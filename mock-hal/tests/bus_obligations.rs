//! The chip side of the SDIO transport: file 10, section 15, one test per item.

mod host;

use bes_hal::error::SdioError;
use bes_hal::sdio::{Cmd53, Count, SdioFunction};
use bes_hal::time::Instant;
use host::{message, Host, BT_AWAKE, BT_READY, MCU_AWAKE, MCU_READY, WIFI_READY};
use mock_hal::card::R5;
use mock_hal::chip::settings::SleepAccess;
use mock_hal::{Config, Violation};
use std::time::Duration;

fn card_register(host: &Host, address: u32) -> u8 {
    host.card
        .with(|world| world.command52(address << 9))
        .unwrap()
        .data()
}

#[test]
fn f10_15_01_identity_multi_block_and_enables_are_those_of_the_specification() {
    let mut host = Host::new(Config::default());
    let tuple = |start: u32| -> Vec<u8> {
        (start..start + 6)
            .map(|address| card_register(&host, address))
            .collect()
    };
    for pointer in [0x09, 0x109] {
        let cis = u32::from_le_bytes([
            card_register(&host, pointer),
            card_register(&host, pointer + 1),
            card_register(&host, pointer + 2),
            0,
        ]);
        assert_eq!(tuple(cis), [0x20, 4, 0x57, 0xBE, 0x02, 0x20]);
    }
    assert_eq!(card_register(&host, 0x08) & 2, 2, "SMB");
    assert_eq!(card_register(&host, 0x03) & 2, 0, "not ready yet");
    host.sdio.enable().unwrap();
    assert_eq!(card_register(&host, 0x02) & 2, 2, "IOE");
    assert_eq!(card_register(&host, 0x03) & 2, 2, "IOR");
    assert_eq!(card_register(&host, 0x04), 3, "IEN");
    assert_eq!(card_register(&host, 0x05), 0, "INT");
    host.write_message(&Host::info(0, 4, 0x4010_0000)).unwrap();
    host.wait(Duration::from_millis(1));
    assert_eq!(card_register(&host, 0x05), 2, "INT");
}

#[test]
fn f10_15_02_length_comes_from_the_length_code_and_padding_is_ignored() {
    let mut host = Host::with_wifi();
    let long = message(1_540, 0x0004);
    let mut transfer = vec![0; 4 * 512];
    transfer[..1_540].copy_from_slice(&long);
    // The block surplus behind the slot is the host's business on the wire; the chip only complains.
    transfer[2_000] = 0xFF;
    let command = Cmd53 {
        address: 1_632 | 3,
        count: Count::Blocks(4),
    };
    host.sdio.write_data(command, &[&transfer]).unwrap();
    assert_eq!(host.firmware(|firmware| firmware.requests.clone()), [long]);
    assert_eq!(
        host.card.violations().pop().unwrap().1,
        Violation::ForeignMemory { slot: 1 }
    );
}

#[test]
fn f10_15_03_no_error_flag_for_a_pseudo_address() {
    let host = Host::with_wifi();
    let mut data = [0; 512];
    for argument in [0x1404_0000_u32, 0x1600_0000, 0x17FF_FE01, 0x1DFF_FE01] {
        let response = host
            .card
            .with(|world| world.command53_read(argument, &mut data))
            .unwrap();
        assert_eq!(response.errors(), 0, "{argument:#010x}");
    }
    let nowhere = host
        .card
        .with(|world| world.command52(1 << 28 | 0x1_FFFF << 9))
        .unwrap();
    assert_eq!(nowhere.errors(), 0);
    // What SDIO refuses is refused: a function that does not exist.
    let missing = host.card.with(|world| world.command52(2 << 28)).unwrap();
    assert_eq!(missing.errors(), R5::FUNCTION_NUMBER);
}

#[test]
fn f10_15_04_mcu_ready_says_whether_a_doorbell_is_acceptable() {
    let mut host = Host::enabled(Config::default());
    assert_eq!(host.read(0x10C), 0);
    host.ring(0x00, 0x21);
    assert_eq!(
        host.card.violations().pop().unwrap().1,
        Violation::DoorbellNotReady { value: 0x0021 }
    );
    host.boot();
    assert_eq!(host.read(0x10C) & MCU_READY, MCU_READY);
    host.ring(0x01, 0x01);
    host.wait_status(BT_READY | BT_AWAKE, BT_READY | BT_AWAKE);
    host.ring(0x08, 0x01);
    host.wait_status(BT_AWAKE, 0);
    host.ring(0x04, 0x01);
    host.wait_status(BT_AWAKE, BT_AWAKE);
    host.ring(0x00, 0x81);
    host.wait_status(BT_READY | BT_AWAKE, 0);
    assert_eq!(host.card.violations().len(), 1);
}

#[test]
fn f10_15_05_the_low_byte_triggers_and_repeats_are_harmless() {
    let mut host = Host::booted(Config::default());
    host.sdio.write_register(0x121, 0x00).unwrap();
    host.wait(Duration::from_millis(100));
    assert_eq!(host.read(0x10C) & WIFI_READY, 0);
    host.sdio.write_register(0x120, 0x20).unwrap();
    host.wait(Duration::from_millis(100));
    assert_eq!(host.read(0x10C) & WIFI_READY, 0, "bit 0 is the trigger");
    for _ in 0..3 {
        host.ring(0x00, 0x21);
        host.wait(Duration::from_millis(25));
        assert_eq!(host.read(0x10C) & WIFI_READY, WIFI_READY);
    }
    assert_eq!(host.firmware(|firmware| firmware.starts), 1);
    host.assert_well_behaved();
}

#[test]
fn f10_15_06_wifi_active_starts_over_and_deactive_forgets() {
    let mut host = Host::booted(Config::default());
    host.firmware(|firmware| firmware.startup = vec![message(16, 0x0801)]);
    for round in 0..2 {
        host.ring(0x00, 0x21);
        host.wait_status(WIFI_READY, WIFI_READY);
        assert!(host.card.interrupt_asserted());
        assert_eq!(host.read(0x001), 0x01, "announcement toggle 0");
        host.read_toggle = false;
        let burst = host.read_burst(1);
        assert_eq!(burst[..4], [16, 0, 0x01, 0x08], "round {round}");
        host.write_toggle = false;
        host.send(&[&message(8, 0x0006)]);
        host.chip_sends(8);
        assert!(host.card.interrupt_asserted());
        host.ring(0x00, 0x11);
        host.wait_status(WIFI_READY, 0);
        assert!(!host.card.interrupt_asserted());
        assert_eq!(host.read(0x001) & 0x7F, 0);
    }
    let (starts, stops, requests) =
        host.firmware(|firmware| (firmware.starts, firmware.stops, firmware.requests.len()));
    assert_eq!((starts, stops, requests), (2, 2, 2));
    host.assert_well_behaved();
}

#[test]
fn f10_15_07_announcement_stands_until_its_data_was_read_and_then_alternates() {
    let mut host = Host::with_wifi();
    host.firmware(|firmware| {
        for len in [8, 12, 1_074] {
            firmware.send(len);
        }
    });
    assert!(host.card.interrupt_asserted());
    assert!(host.sdio.take_interrupt());
    // File 10, section 16.1: 8 + 12 + 1076 bytes are 3 blocks.
    assert_eq!(host.read(0x001), 0x03);
    assert!(!host.card.interrupt_asserted(), "reading acknowledges");
    assert_eq!(host.read(0x001), 0x03, "kept until the data was read");
    host.chip_sends(20);
    assert!(!host.card.interrupt_asserted());
    let burst = host.read_burst(3);
    assert_eq!(burst[..4], [8, 0, 0x05, 0x08]);
    assert_eq!(burst[8..12], [12, 0, 0x05, 0x08]);
    assert_eq!(burst[20..24], [0x32, 0x04, 0x05, 0x08]);
    assert_eq!(burst[1_096..1_098], [0, 0], "terminator");
    assert!(host.card.interrupt_asserted(), "the next one at once");
    assert_eq!(host.read(0x001), 0x81, "opposite toggle");
    host.read_burst(1);
    assert_eq!(host.read(0x001) & 0x7F, 0);
    assert_eq!(host.read(0x000) & 1, 1, "empty is genuine");
    host.assert_well_behaved();
}

#[test]
fn f10_15_08_emptiness_is_not_genuine_while_something_is_prepared() {
    let mut config = Config::default();
    config.chip.receive.prepare = Duration::from_micros(60);
    let mut host = Host::booted(config);
    host.ring(0x00, 0x21);
    host.wait_status(WIFI_READY, WIFI_READY);
    host.chip_sends(8);
    assert_eq!(host.read(0x001), 0x01);
    host.chip_sends(8);
    host.read_burst(1);
    let mut looks = 0;
    loop {
        let announcement = host.read(0x001);
        if announcement != 0 {
            assert_eq!(announcement, 0x81);
            break;
        }
        assert_eq!(host.read(0x000) & 1, 0);
        looks += 1;
        assert!(looks <= 6);
    }
    assert!(looks > 0);
}

#[test]
fn f10_15_09_an_unchanged_toggle_repeats_a_read_and_drops_a_write() {
    let mut host = Host::with_wifi();
    host.chip_sends(8);
    host.chip_sends(12);
    assert_eq!(host.read(0x001), 0x01);
    let first = host.read_burst(1);
    host.chip_sends(100);
    let again = host.read_with_toggle(1, false).unwrap();
    assert_eq!(first, again);
    assert_eq!(host.read(0x001), 0x81, "the new announcement is untouched");
    let second = host.read_burst(1);
    assert_eq!(second[..2], [12, 0]);

    let request = message(16, 0x0006);
    host.send_with_toggle(&[&request], false).unwrap();
    host.send_with_toggle(&[&request], false).unwrap();
    host.send_with_toggle(&[&request], true).unwrap();
    assert_eq!(host.firmware(|firmware| firmware.requests.len()), 2);
    let statistics = host.card.statistics();
    assert_eq!(statistics.repeated_reads, 1);
    assert_eq!(statistics.duplicate_writes, 1);
    host.assert_well_behaved();
}

/// The firmware confirms; the bus brings each request to it and each confirm back, once and at once.
#[test]
fn f10_15_10_every_request_reaches_the_firmware_once_and_its_confirm_the_host() {
    let mut host = Host::with_wifi();
    host.firmware(|firmware| firmware.echo = true);
    let requests: Vec<_> = (0..16).map(|index| message(20 + index, 0x0006)).collect();
    let slices: Vec<&[u8]> = requests.iter().map(Vec::as_slice).collect();
    host.send(&slices);
    assert_eq!(
        host.firmware(|firmware| firmware.requests.clone()),
        requests
    );
    let blocks = host.read(0x001) & 0x7F;
    let burst = host.read_burst(blocks.into());
    let mut rest = &burst[..];
    for request in &requests {
        assert_eq!(&rest[..request.len()], request);
        rest = &rest[request.len().next_multiple_of(4)..];
    }
    host.assert_well_behaved();
}

/// The counters are the firmware's; the bus keeps the order in which it gave its messages.
#[test]
fn f10_15_11_messages_keep_their_order_across_bursts() {
    let mut host = Host::with_wifi();
    host.firmware(|firmware| {
        for index in 0..40_u16 {
            firmware.outbox.push_back(message(8, index));
        }
    });
    let mut ids = Vec::new();
    while let blocks @ 1.. = host.read(0x001) & 0x7F {
        let burst = host.read_burst(blocks.into());
        for message in burst.chunks_exact(8).take_while(|bytes| bytes[0] != 0) {
            ids.push(u16::from_le_bytes([message[2], message[3]]));
        }
    }
    assert_eq!(ids, (0..40).collect::<Vec<_>>());
}

#[test]
fn f10_15_12_no_interrupt_between_the_last_boot_message_and_wifi_active() {
    let mut host = Host::booted(Config::default());
    let before = host.card.statistics().interrupts;
    host.wait(Duration::from_secs(60));
    host.ring(0x01, 0x01);
    host.wait_status(BT_READY, BT_READY);
    host.wait(Duration::from_secs(60));
    assert_eq!(host.card.statistics().interrupts, before);
    assert!(!host.card.interrupt_asserted());
}

#[test]
fn f10_15_13_no_announcement_exceeds_64_blocks_or_16_messages() {
    let mut host = Host::with_wifi();
    host.firmware(|firmware| {
        // First frames may be longer than a slot: then the burst is long as well.
        firmware.send(12_000);
        for _ in 0..40 {
            firmware.send(1_632);
        }
        firmware.send(20_000);
        firmware.send(60_000);
    });
    let mut count = 0;
    let mut lengths = Vec::new();
    while let blocks @ 1.. = host.read(0x001) & 0x7F {
        lengths.push(blocks);
        let burst = host.read_burst(blocks.into());
        let before = count;
        let mut start = 0;
        while let Some([low, high, ..]) = burst.get(start..start + 4) {
            let len = usize::from(u16::from_le_bytes([*low, *high]));
            if len == 0 {
                break;
            }
            count += 1;
            start += len.next_multiple_of(4);
        }
        assert!(count - before <= 16);
    }
    assert_eq!(count, 42, "only the message that no burst can hold is lost");
    assert_eq!(host.card.statistics().messages_too_long, 1);
    assert!(lengths.iter().all(|blocks| *blocks <= 64), "{lengths:?}");
    host.assert_well_behaved();
}

#[test]
fn f10_15_14_wifi_active_implies_an_awake_mcu() {
    let mut host = Host::with_wifi();
    host.ring(0x00, 0x05);
    host.wait_status(MCU_AWAKE, 0);
    host.ring(0x00, 0x11);
    host.wait_status(WIFI_READY, 0);
    host.ring(0x00, 0x21);
    host.wait_status(WIFI_READY, WIFI_READY);
    host.sdio.set_wake_line(false);
    host.wait(Duration::from_secs(1));
    assert!(host.card.with_chip(|chip| chip.is_awake()));
    host.write_toggle = false;
    host.send(&[&message(8, 0x0006)]);
    assert_eq!(host.firmware(|firmware| firmware.requests.len()), 1);
    host.assert_well_behaved();
}

#[test]
fn f10_15_15_a_line_that_stays_asserted_is_signalled_again() {
    let mut host = Host::with_wifi();
    let before = host.card.statistics().interrupts;
    host.chip_sends(8);
    assert!(host.sdio.take_interrupt());
    assert!(host.sdio.take_interrupt(), "not acknowledged yet");
    host.read(0x001);
    assert!(!host.sdio.take_interrupt());
    let edges = host.card.statistics().interrupts - before;
    assert_eq!(edges, 1);
}

/// File 50, section 3.12, and file 10, section 9.
#[test]
fn f50_3_12_only_the_wake_line_wakes_a_sleeping_chip() {
    let mut host = Host::with_wifi();
    host.ring(0x00, 0x05);
    host.wait_status(MCU_AWAKE, 0);
    assert!(host.card.with_chip(|chip| chip.is_awake()), "the line");
    host.sdio.set_wake_line(false);
    host.wait(Duration::from_millis(10));
    assert!(!host.card.with_chip(|chip| chip.is_awake()));
    assert_eq!(host.firmware(|firmware| firmware.sleeps.clone()), [true]);

    // Something for the host: it is told, but gets nothing before the line has settled.
    host.chip_sends(8);
    assert!(host.card.interrupt_asserted());
    assert_eq!(host.read(0x001), 0x01);
    assert_eq!(host.read_with_toggle(1, false), Err(SdioError::Timeout));
    assert_eq!(host.read(0x10C) & MCU_READY, 0);
    host.sdio.set_wake_line(true);
    assert_eq!(host.read_with_toggle(1, false), Err(SdioError::Timeout));
    host.wait(Duration::from_millis(10));
    host.read_burst(1);
    host.ring(0x00, 0x09);
    host.wait_status(MCU_AWAKE, MCU_AWAKE);
    assert_eq!(
        host.firmware(|firmware| firmware.sleeps.clone()),
        [true, false]
    );
    let noted: Vec<_> = host
        .card
        .violations()
        .into_iter()
        .map(|(_, violation)| violation)
        .collect();
    assert_eq!(
        noted,
        [Violation::DataWhileAsleep, Violation::DataWhileAsleep]
    );
}

/// File 10, section 18, item 8.
#[test]
fn a_sleeping_chip_may_not_answer_at_all() {
    let mut config = Config::default();
    config.chip.sleep.access = SleepAccess::Nothing;
    let mut host = Host::booted(config);
    host.ring(0x00, 0x05);
    host.wait_status(MCU_AWAKE, 0);
    host.sdio.set_wake_line(false);
    host.wait(Duration::from_millis(10));
    assert_eq!(host.sdio.read_register(0x10C), Err(SdioError::Timeout));
    assert_eq!(host.sdio.write_register(0x120, 9), Err(SdioError::Timeout));
    host.sdio.set_wake_line(true);
    host.wait(Duration::from_millis(10));
    assert_eq!(host.read(0x10C) & MCU_READY, MCU_READY);
}

/// A saturated host needs one CMD52 and one CMD53 per burst.
#[test]
fn bursts_follow_each_other_with_two_commands_each() {
    let mut host = Host::with_wifi();
    host.firmware(|firmware| {
        for _ in 0..160 {
            firmware.send(1_560);
        }
    });
    let before = host.card.statistics();
    for index in 0..10 {
        let announcement = host.read(0x001);
        assert_eq!(announcement >> 7, index & 1);
        host.read_burst((announcement & 0x7F).into());
    }
    let spent = host.card.statistics().since(&before);
    assert_eq!(spent.commands(), 20);
    assert_eq!(spent.messages_up, 9 * 16, "the first one was packed before");
    assert_eq!(host.read(0x001) & 0x7F, 0);
    host.assert_well_behaved();
}

#[test]
fn a_lost_interrupt_is_not_told_but_the_announcement_stands() {
    let mut host = Host::with_wifi();
    host.sdio.take_interrupt();
    host.card.with(|world| world.lose_interrupts(1));
    host.chip_sends(8);
    assert!(!host.sdio.take_interrupt());
    assert_eq!(host.read(0x001), 0x01);
    host.read_burst(1);
    host.chip_sends(8);
    assert!(host.sdio.take_interrupt());
}

#[test]
fn a_wedged_chip_keeps_its_registers_and_only_power_helps() {
    let mut host = Host::with_wifi();
    host.card.with_chip(mock_hal::chip::Chip::hang);
    host.chip_sends(8);
    assert!(!host.card.interrupt_asserted());
    assert_eq!(host.read(0x10C) & (MCU_READY | WIFI_READY), WIFI_READY);
    assert_eq!(
        host.send_with_toggle(&[&message(8, 6)], false),
        Err(SdioError::Timeout)
    );
    host.sdio.disable().unwrap();
    host.sdio.enable().unwrap();
    assert_eq!(host.read(0x108), 0);
    host.sdio.set_power(false).unwrap();
    host.sdio.set_power(true).unwrap();
    host.sdio.enable().unwrap();
    host.boot();
}

#[test]
fn time_stops_at_the_interrupt_if_asked_to() {
    let mut host = Host::with_wifi();
    let at = host.card.now().after(Duration::from_millis(7));
    host.firmware(|firmware| firmware.timed.push_back((at, message(8, 0x0805))));
    assert_eq!(host.card.next_event(), Some(at));
    assert!(host
        .card
        .advance_to_interrupt(Instant::from_millis(100_000)));
    assert_eq!(host.card.now(), at);
    host.read(0x001);
    host.read_burst(1);
    let end = host.card.now().after(Duration::from_secs(1));
    assert!(!host.card.advance_to_interrupt(end));
    assert_eq!(host.card.now(), end);
}
