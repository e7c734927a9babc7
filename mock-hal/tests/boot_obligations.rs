//! The chip side of the boot: file 11, section 14, one test per item.

mod host;

use bes_hal::sdio::{Cmd53, Count, SdioFunction};
use host::{message, Host, BT_READY, DPD_READY, LOAD, MCU_READY, WIFI_READY};
use mock_hal::chip::boot::image::{self, ImageKind};
use mock_hal::chip::boot::{blocks, Phase};
use mock_hal::{Config, Violation};
use std::time::Duration;

#[test]
fn f11_14_01_the_loader_has_buffers_and_a_message_size() {
    let mut host = Host::enabled(Config::default());
    assert!(host.read(0x108) >= 1);
    let size = u16::from_le_bytes([host.read(0x109), host.read(0x10A)]);
    assert_eq!(size, 4096);
}

#[test]
fn f11_14_02_messages_end_where_their_header_says_and_info_starts_over() {
    let mut host = Host::enabled(Config::default());
    // Filler behind the message is not zero, and the sequence number is any.
    let mut info = Host::info(200, 16, LOAD);
    info.resize(512, 0xFF);
    assert_eq!(host.exchange(&info), [0xB0, 200, 4, 0, 0, 0, 0, 0]);
    host.exchange(&Host::data(201, LOAD, &[1; 8]));
    assert_eq!(
        host.exchange(&Host::info(3, 4, LOAD)),
        [0xB0, 3, 4, 0, 0, 0, 0, 0]
    );
    host.exchange(&Host::data(4, LOAD, &[2; 4]));
    let crc = crc32fast::hash(&[2; 4]);
    assert_eq!(
        host.exchange(&Host::word(0xB3, 5, crc)),
        [0xB0, 5, 4, 0, 0, 0, 0, 0]
    );
    host.assert_well_behaved();
}

#[test]
fn f11_14_03_length_stands_before_the_interrupt_and_reading_0x001_clears_it() {
    let mut host = Host::enabled(Config::default());
    host.write_message(&Host::info(9, 4, LOAD)).unwrap();
    assert_eq!(host.read(0x000), 0, "not answered yet");
    let limit = host.card.now().after(Duration::from_secs(1));
    assert!(host.card.advance_to_interrupt(limit));
    assert_eq!(host.read(0x000), 8);
    assert!(host.card.interrupt_asserted());
    assert_eq!(host.read(0x001), 0);
    assert!(!host.card.interrupt_asserted());
    assert_eq!(host.read_answer(8).unwrap(), [0xB0, 9, 4, 0, 0, 0, 0, 0]);
    assert_eq!(host.waiting_length(), 0);
    assert_eq!(
        host.read_answer(8).unwrap()[1],
        9,
        "a read that failed on the host's side can be repeated"
    );
}

#[test]
fn f11_14_04_a_register_write_needs_no_end() {
    let mut host = Host::enabled(Config::default());
    for (address, value) in [(0x4010_0000, 0x0080_2006_u32), (0x4008_602C, 0x3E00_C000)] {
        host.exchange(&Host::info(0, 4, address));
        let answer = host.exchange(&Host::data(1, address, &value.to_le_bytes()));
        assert_eq!(answer, [0xB0, 1, 4, 0, 0, 0, 0, 0]);
    }
    assert_eq!(
        host.card.with_chip(|chip| chip.register_writes().to_vec()),
        [(0x4010_0000, 0x0080_2006), (0x4008_602C, 0x3E00_C000)]
    );
    host.assert_well_behaved();
}

#[test]
fn f11_14_05_end_compares_the_checksum_of_all_data() {
    let mut host = Host::enabled(Config::default());
    host.exchange(&Host::info(0, 8, LOAD));
    host.exchange(&Host::data(1, LOAD, b"1234"));
    host.exchange(&Host::data(2, LOAD + 4, b"5678"));
    let answer = host.exchange(&Host::word(0xB3, 3, crc32fast::hash(b"87654321")));
    assert_ne!(answer[4..], [0; 4]);
    host.send_block(LOAD, b"12345678");
    let downloads = host.card.with_chip(|chip| chip.downloads().to_vec());
    assert_eq!(downloads.len(), 1);
    assert_eq!(downloads[0].crc, crc32fast::hash(b"12345678"));
}

#[test]
fn f11_14_06_run_is_answered_first_and_the_function_survives() {
    let mut host = Host::enabled(Config::default());
    let file = image::synthetic(ImageKind::Calibration, LOAD, 1_000);
    host.download(&file, false);
    host.write_message(&Host::word(0xB4, 4, LOAD)).unwrap();
    host.wait(Duration::from_secs(1));
    assert_eq!(
        host.card.with_chip(|chip| chip.phase()),
        Phase::Loader,
        "the answer has not been read"
    );
    let len = host.waiting_length();
    assert_eq!(host.read_answer(len).unwrap()[4..], [0; 4]);
    assert_eq!(host.card.with_chip(|chip| chip.phase()), Phase::Calibrating);
    let enables: Vec<u8> = [0x02_u32, 0x04, 0x110, 0x111]
        .into_iter()
        .map(|address| {
            let response = host.card.with(|world| world.command52(address << 9));
            response.unwrap().data()
        })
        .collect();
    assert_eq!(enables, [2, 3, 0, 2]);
    host.assert_well_behaved();
}

#[test]
fn f11_14_07_calibration_ends_in_one_interrupt_and_a_good_block() {
    let mut host = Host::enabled(Config::default());
    host.download(&image::synthetic(ImageKind::Calibration, LOAD, 5_000), true);
    let before = host.card.statistics().interrupts;
    let began = host.card.now();
    host.wait_status(DPD_READY, DPD_READY);
    assert!(host.card.now().since(began) < Duration::from_secs(15));
    assert_eq!(host.card.statistics().interrupts, before + 1);
    assert!(host.card.interrupt_asserted());
    assert_eq!(host.read(0x000), 0x14);
    assert_eq!(host.read(0x001), 0x3B);
    assert!(!host.card.interrupt_asserted());
    let block = host.read_answer(15_124).unwrap();
    assert_eq!(block[..4], crc32fast::hash(&block[4..]).to_le_bytes());
    host.wait(Duration::from_secs(1));
    assert_eq!(host.card.statistics().interrupts, before + 1);
    host.exchange(&Host::info(0, 4, LOAD));
    host.assert_well_behaved();
}

#[test]
fn f11_14_08_the_main_image_is_ready_within_500_ms_and_silent() {
    let mut host = Host::enabled(Config::default());
    host.boot();
    let before = host.card.statistics().interrupts;
    assert_eq!(host.read(0x10C) & (MCU_READY | DPD_READY), MCU_READY);
    host.ring(0x01, 0x01);
    host.wait_status(BT_READY, BT_READY);
    host.ring(0x00, 0x21);
    host.wait_status(WIFI_READY, WIFI_READY);
    assert_eq!(host.card.statistics().interrupts, before);
    host.assert_well_behaved();

    let mut host = Host::enabled(Config::default());
    host.send_block(blocks::DPD_ADDRESS, &saved_calibration());
    host.download(&image::synthetic(ImageKind::Main, LOAD, 5_000), true);
    host.wait(Duration::from_millis(500));
    assert_eq!(host.read(0x10C) & MCU_READY, MCU_READY);
}

fn saved_calibration() -> Vec<u8> {
    let mut host = Host::enabled(Config::default());
    host.download(&image::synthetic(ImageKind::Calibration, LOAD, 5_000), true);
    host.wait_status(DPD_READY, DPD_READY);
    host.read_answer(15_124).unwrap()
}

#[test]
fn f11_14_09_a_calibration_block_written_back_replaces_calibration() {
    let block = saved_calibration();
    let mut host = Host::enabled(Config::default());
    host.send_block(blocks::DPD_ADDRESS, &block);
    // An image without a mark: the order alone says what it is.
    let mut file = image::synthetic(ImageKind::Main, LOAD, 5_000);
    file[16..24].fill(0x55);
    host.download(&file, true);
    assert_eq!(
        host.card.with_chip(|chip| chip.phase()),
        Phase::Starting(ImageKind::Main)
    );
    host.wait_status(MCU_READY, MCU_READY);
    host.assert_well_behaved();

    let mut damaged = block;
    damaged[5_000] ^= 1;
    let mut host = Host::enabled(Config::default());
    host.send_block(blocks::DPD_ADDRESS, &damaged);
    host.download(&file, true);
    assert_eq!(host.card.with_chip(|chip| chip.phase()), Phase::Calibrating);
    assert_eq!(host.card.violations()[0].1, Violation::DpdBlock);
}

/// The indication is the firmware's; the bus brings it at once, with sequence and toggle as it came.
#[test]
fn f11_14_10_the_startup_indication_follows_wifi_active() {
    let mut host = Host::booted(Config::default());
    host.firmware(|firmware| firmware.startup = vec![message(180, 0x0801)]);
    host.ring(0x00, 0x21);
    let limit = host.card.now().after(Duration::from_secs(10));
    assert!(host.card.advance_to_interrupt(limit));
    assert_eq!(host.read(0x001), 0x01);
    assert_eq!(host.read_burst(1)[..4], [180, 0, 0x01, 0x08]);
    host.assert_well_behaved();
}

#[test]
fn f11_14_11_function_disable_returns_the_chip_to_the_loader() {
    let mut host = Host::with_wifi();
    host.sdio.disable().unwrap();
    host.wait(Duration::from_millis(1));
    host.sdio.enable().unwrap();
    assert_eq!(host.read(0x10C), 0);
    assert!(host.read(0x108) >= 1);
    assert_eq!(host.firmware(|firmware| firmware.stops), 1);
    host.boot();
    host.ring(0x00, 0x21);
    host.wait_status(WIFI_READY, WIFI_READY);
    assert_eq!(host.firmware(|firmware| firmware.starts), 2);
    host.assert_well_behaved();
}

#[test]
fn f11_14_12_a_late_main_image_is_possible() {
    let mut config = Config::default();
    config.chip.boot.start = Some(Duration::from_secs(3));
    let mut host = Host::enabled(config);
    host.download(&image::synthetic(ImageKind::Calibration, LOAD, 5_000), true);
    host.wait_status(DPD_READY, DPD_READY);
    assert_eq!(host.waiting_length(), 15_124);
    host.read_answer(15_124).unwrap();
    host.download(&image::synthetic(ImageKind::Main, LOAD, 5_000), true);
    host.wait(Duration::from_millis(2_900));
    assert_eq!(host.read(0x10C) & MCU_READY, 0);
    host.wait(Duration::from_millis(200));
    assert_eq!(host.read(0x10C) & MCU_READY, MCU_READY);
    host.assert_well_behaved();
}

#[test]
fn f11_14_13_the_bluetooth_image_is_no_calibration() {
    let mut host = Host::enabled(Config::default());
    host.download(
        &image::synthetic(ImageKind::BluetoothTest, LOAD, 5_000),
        true,
    );
    let before = host.card.statistics().interrupts;
    host.wait(Duration::from_secs(20));
    assert_eq!(host.card.statistics().interrupts, before);
    assert_eq!(host.read(0x10C) & (MCU_READY | DPD_READY), MCU_READY);
    host.assert_well_behaved();
}

/// File 11, section 6.2, as raw commands.
#[test]
fn the_worked_example_of_the_first_register_write() {
    let host = Host::enabled(Config::default());
    let mut message = [0; 512];
    message[..12].copy_from_slice(&[0xB1, 0, 8, 0, 4, 0, 0, 0, 0, 0, 0x10, 0x40]);
    let write = host
        .card
        .with(|world| world.command53_write(0x9404_0000, &[&message]));
    assert_eq!(write.unwrap().errors(), 0);
    host.card
        .advance_to(host.card.now().after(Duration::from_millis(2)));
    let register = |argument| {
        let response = host.card.with(|world| world.command52(argument));
        response.unwrap().data()
    };
    assert_eq!(register(0x1000_0000), 8);
    assert_eq!(register(0x1000_0200), 0);
    let mut answer = [0xFF; 8];
    let read = host
        .card
        .with(|world| world.command53_read(0x1400_1008, &mut answer));
    assert_eq!(read.unwrap().errors(), 0);
    assert_eq!(answer, [0xB0, 0, 4, 0, 0, 0, 0, 0]);
}

/// A transfer that failed for the host but reached the chip must not be taken twice.
#[test]
fn a_data_message_sent_twice_because_it_seemed_to_fail_counts_once() {
    let mut host = Host::enabled(Config::default());
    host.exchange(&Host::info(0, 8, LOAD));
    host.write_message(&Host::data(1, LOAD, b"1234")).unwrap();
    let answer = host.exchange(&Host::data(1, LOAD, b"1234"));
    assert_eq!(answer, [0xB0, 1, 4, 0, 0, 0, 0, 0]);
    host.exchange(&Host::data(2, LOAD + 4, b"5678"));
    let crc = crc32fast::hash(b"12345678");
    let answer = host.exchange(&Host::word(0xB3, 3, crc));
    assert_eq!(answer[4..], [0; 4]);
    assert_eq!(host.card.statistics().duplicate_writes, 1);
    host.assert_well_behaved();
}

#[test]
fn a_download_outside_of_memory_or_larger_than_memory_is_refused() {
    let mut host = Host::enabled(Config::default());
    for (len, address) in [
        (0x0100_0000, LOAD),
        (100, 0),
        (100, 0x200F_FFF0),
        (8, u32::MAX),
    ] {
        let answer = host.exchange(&Host::info(0, len, address));
        assert_ne!(answer[4..], [0; 4], "{len} bytes at {address:#010x}");
    }
    assert_eq!(host.card.violations().len(), 4);
}

#[test]
fn a_busy_loader_has_no_buffer_and_loses_what_is_sent_anyway() {
    let mut config = Config::default();
    config.chip.boot.buffers = 1;
    config.chip.boot.answer = Duration::from_millis(20);
    let mut host = Host::enabled(config);
    host.write_message(&Host::info(0, 8, LOAD)).unwrap();
    assert_eq!(host.read(0x108), 0);
    host.write_message(&Host::info(7, 8, LOAD)).unwrap();
    host.wait(Duration::from_millis(20));
    assert_eq!(host.read(0x108), 1);
    assert_eq!(host.waiting_length(), 8);
    assert_eq!(host.read_answer(8).unwrap()[1], 0);
    assert_eq!(host.card.violations()[0].1, Violation::NoFreeBuffer);
}

#[test]
fn calibration_and_start_can_fail_to_come() {
    let mut config = Config::default();
    config.chip.boot.calibration = None;
    let mut host = Host::enabled(config);
    host.download(&image::synthetic(ImageKind::Calibration, LOAD, 5_000), true);
    host.wait(Duration::from_secs(60));
    assert_eq!(host.read(0x10C), 0);
    assert_eq!(host.card.next_event(), None);
}

#[test]
fn a_read_with_nothing_to_read_brings_no_data() {
    let mut host = Host::enabled(Config::default());
    let command = Cmd53 {
        address: 8,
        count: Count::Bytes(8),
    };
    assert!(host.sdio.read_data(command, &mut [0; 8]).is_err());
}

#[test]
fn a_factory_block_is_checked() {
    let mut host = Host::enabled(Config::default());
    let mut block = vec![0; blocks::FACTORY_SIZE];
    block[..4].copy_from_slice(&[0x80, 0xBA, 2, 0]);
    let crc = crc32fast::hash(&block[8..]);
    block[4..8].copy_from_slice(&crc.to_le_bytes());
    host.send_block(blocks::FACTORY_ADDRESS, &block);
    host.assert_well_behaved();
    block[9] = 1;
    host.send_block(blocks::FACTORY_ADDRESS, &block);
    assert_eq!(host.card.violations()[0].1, Violation::FactoryBlock);
}
