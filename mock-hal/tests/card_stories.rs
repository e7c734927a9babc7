//! Stories of a whole card: raw commands as a host controller sends them, faults in front of it, and hosts that send
//! anything at all.

mod host;

use bes_hal::doorbell::{Doorbell, Reasons};
use bes_hal::error::SdioError;
use bes_hal::sdio::{Cmd53, Count, SdioFunction};
use host::{message, Host, WIFI_READY};
use mock_hal::card::Silence;
use mock_hal::chip::ScriptedFirmware;
use mock_hal::fault::{Damage, Fault, Faulty, Plan, When};
use mock_hal::trace::{Event, Line};
use mock_hal::{BusTiming, Config, World};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

fn world() -> World {
    World::new(Config::default(), Box::<ScriptedFirmware>::default())
}

/// What a host controller does when it finds a card, with nothing but raw commands.
#[test]
fn a_host_controller_identifies_and_enables_the_card_with_raw_commands() {
    let mut world = world();
    world.forget_identification();
    assert_eq!(world.command52(0), Err(Silence::NoResponse));
    assert_eq!(world.command(0, 0), Ok(0));
    let ocr = world.command(5, 0).unwrap();
    assert_eq!(ocr >> 28 & 7, 1, "one function");
    assert_eq!(ocr >> 27 & 1, 0, "no memory");
    assert_eq!(world.command(5, 0x0030_0000).unwrap() >> 31, 1, "ready");
    let address = world.command(3, 0).unwrap() & 0xFFFF_0000;
    assert_eq!(world.command(7, address), Ok(0));
    assert_eq!(world.command(41, 0), Err(Silence::NoResponse));
    // 4 bit, high speed, function 1.
    for (register, value) in [(0x07_u32, 0x02_u32), (0x13, 0x03), (0x02, 0x02)] {
        let argument = 1 << 31 | 1 << 27 | register << 9 | value;
        let response = world.command52(argument).unwrap();
        assert_eq!((response.errors(), u32::from(response.data())), (0, value));
    }
    world.advance_to(world.now().after(Duration::from_millis(1)));
    assert_eq!(world.command52(0x03 << 9).unwrap().data(), 2);
    // Block mode needs a block size; byte mode does not.
    let mut data = [0; 512];
    let blocks = world.command53_read(0x1C04_0001, &mut data).unwrap();
    assert_ne!(blocks.errors(), 0);
    for (register, value) in [(0x110_u32, 0x00_u32), (0x111, 0x02)] {
        let written = world.command52(1 << 31 | register << 9 | value);
        assert_eq!(written.unwrap().errors(), 0);
    }
    // The loader has nothing to say.
    assert_eq!(
        world.command53_read(0x1C04_0001, &mut data),
        Err(Silence::NoData)
    );
}

#[test]
fn the_doorbell_rings_once_per_edge_and_tells_whom_to_wake() {
    let mut host = Host::with_wifi();
    let doorbell = Arc::new(Doorbell::new());
    host.card.set_doorbell(doorbell.clone());
    host.chip_sends(8);
    assert!(host.card.take_wakeup());
    assert!(!host.card.take_wakeup());
    assert!(doorbell.answer().has(Reasons::INTERRUPT));
    assert!(doorbell.answer().is_none());
    host.read(0x001);
    host.read_burst(1);
    host.chip_sends(8);
    assert!(!host.card.take_wakeup(), "its owner is awake");
    assert!(doorbell.answer().has(Reasons::INTERRUPT));
    assert_eq!(host.card.statistics().wakeups, 1);
}

#[test]
fn a_trace_holds_commands_transfers_and_lines() {
    let mut host = Host::with_wifi();
    host.card.with_trace(|trace| trace.enable(true));
    host.chip_sends(8);
    host.read(0x001);
    host.read_burst(1);
    host.sdio.set_wake_line(false);
    let records = host.card.with_trace(mock_hal::trace::Trace::take);
    let mut lines = Vec::new();
    let mut bytes = 0;
    for record in &records {
        match &record.event {
            Event::Line { line, asserted } => lines.push((*line, *asserted)),
            Event::Data {
                argument,
                bytes: data,
                ..
            } => {
                assert_eq!(*argument, 0x1404_0000);
                assert_eq!(data[..4], [8, 0, 0x05, 0x08]);
                bytes += data.len();
            }
            Event::Register { argument, response } => {
                assert_eq!(*argument, 0x1000_0200);
                assert_eq!(response.unwrap().data(), 1);
            }
        }
    }
    assert_eq!(
        lines,
        [
            (Line::Interrupt, true),
            (Line::Interrupt, false),
            (Line::Wake, false)
        ]
    );
    assert_eq!(bytes, 512);
    assert!(records.is_sorted_by_key(|record| record.at.after(record.duration)));
}

/// File 50, section 3.14: the toggle tells "moved" and "not moved" apart, whichever it was.
#[test]
fn a_read_that_failed_is_repeated_whether_it_moved_or_not() {
    for fault in [Fault::NotMoved, Fault::Moved, Fault::Crc] {
        let host = Host::with_wifi();
        for index in 0..3_u16 {
            host.firmware(|firmware| firmware.outbox.push_back(message(500, index)));
        }
        let (mut sdio, faults) = Faulty::new(host.sdio, Plan::new(1));
        let mut toggle = 0_u32;
        let mut ids = Vec::new();
        for index in 0..4_u8 {
            let blocks = sdio.read_register(0x001).unwrap() & 0x7F;
            if blocks == 0 {
                break;
            }
            if index == 1 {
                faults.arm(fault, When::Opportunity(0));
            }
            let command = Cmd53 {
                address: (u32::from(blocks) * 512) | (toggle << 16),
                count: Count::Blocks(blocks.into()),
            };
            let mut burst = vec![0; usize::from(blocks) * 512];
            if sdio.read_data(command, &mut burst).is_err() {
                sdio.read_data(command, &mut burst).unwrap();
            }
            toggle ^= 1;
            for message in burst
                .chunks_exact(500)
                .take_while(|bytes| bytes[..2] == [0xF4, 1])
            {
                ids.push(message[2]);
            }
        }
        assert_eq!(ids, [0, 1, 2], "{fault}");
        assert_eq!(faults.count(fault), 1);
        assert_eq!(host.card.violations(), []);
    }
}

#[test]
fn a_write_that_failed_arrives_once_whether_it_moved_or_not() {
    for fault in [Fault::NotMoved, Fault::Moved, Fault::Crc] {
        let host = Host::with_wifi();
        let plan = Plan::new(1).with(fault, When::Opportunity(0));
        let card = host.card.clone();
        let (mut sdio, _) = Faulty::new(host.sdio, plan);
        let mut slot = message(16, 0x0006);
        slot.resize(512, 0);
        let command = Cmd53 {
            address: 512,
            count: Count::Blocks(1),
        };
        assert_eq!(sdio.write_data(command, &[&slot]), Err(SdioError::Crc));
        sdio.write_data(command, &[&slot]).unwrap();
        let requests =
            card.with_firmware(|firmware: &mut ScriptedFirmware| firmware.requests.len());
        assert_eq!(requests, Some(1), "{fault}");
        assert_eq!(card.violations(), []);
    }
}

#[test]
fn a_free_bus_takes_no_time() {
    let mut host = Host::with_wifi();
    host.card.with(|world| world.set_timing(BusTiming::NONE));
    let before = host.card.now();
    host.chip_sends(8);
    host.read(0x001);
    host.read_burst(1);
    assert_eq!(host.card.now(), before);
}

/// Something a host does, sensible or not.
#[derive(Clone, Debug)]
enum Step {
    Register(u32),
    Read(u32),
    Write(u32, Vec<u8>),
    Wake(bool),
    Wait(u32),
    Power(bool),
    Say(u16),
    Damage,
}

fn step() -> impl Strategy<Value = Step> {
    let register = prop_oneof![
        Just(0x000_u32),
        Just(0x001),
        Just(0x10C),
        Just(0x120),
        Just(0x121),
        0_u32..0x2_0000
    ];
    let function = prop_oneof![8 => Just(1_u32), 1 => 0_u32..8];
    let command52 = (any::<bool>(), function.clone(), register, any::<u8>()).prop_map(
        |(write, function, address, data)| {
            u32::from(write) << 31 | function << 28 | address << 9 | u32::from(data)
        },
    );
    let address = prop_oneof![
        Just(0x0200_u32),
        Just(0x1_0200),
        Just(0x0400),
        0_u32..0x2_0000
    ];
    let command53 = (function, any::<bool>(), address, 0_u32..8).prop_map(
        |(function, block, address, count)| {
            function << 28 | u32::from(block) << 27 | 1 << 26 | address << 9 | count
        },
    );
    prop_oneof![
        6 => command52.prop_map(Step::Register),
        4 => command53.clone().prop_map(Step::Read),
        4 => (command53, prop::collection::vec(any::<u8>(), 0..64))
            .prop_map(|(argument, data)| Step::Write(argument | 1 << 31, data)),
        1 => any::<bool>().prop_map(Step::Wake),
        2 => (0_u32..50_000).prop_map(Step::Wait),
        1 => any::<bool>().prop_map(Step::Power),
        2 => (0_u16..3_000).prop_map(Step::Say),
        1 => Just(Step::Damage),
    ]
}

fn perform(host: &mut Host, step: &Step) {
    let bytes = |argument: u32| match (argument >> 27 & 1, argument & 0x1FF) {
        (0, 0) => 512,
        (0, bytes) => bytes as usize,
        (_, blocks) => blocks as usize * 512,
    };
    match step {
        Step::Register(argument) => {
            let _ = host.card.with(|world| world.command52(*argument));
        }
        Step::Read(argument) => {
            let mut buffer = vec![0; bytes(*argument)];
            let _ = host
                .card
                .with(|world| world.command53_read(*argument, &mut buffer));
        }
        Step::Write(argument, data) => {
            let mut buffer = data.clone();
            buffer.resize(bytes(*argument), 0);
            let _ = host
                .card
                .with(|world| world.command53_write(*argument, &[&buffer]));
        }
        Step::Wake(asserted) => host.sdio.set_wake_line(*asserted),
        Step::Wait(micros) => host.wait(Duration::from_micros(u64::from(*micros))),
        Step::Power(on) => host.sdio.set_power(*on).unwrap(),
        Step::Say(len) => host.chip_sends(usize::from(*len)),
        Step::Damage => host.card.with_chip(|chip| {
            let mut burst = message(500, 0x0805);
            Damage::BitFlips.apply(&mut burst, &mut fastrand::Rng::with_seed(1));
            chip.inject_burst(burst, 1);
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// From an enabled function and from Wi-Fi: nothing a host sends panics or hangs the chip, and a power cycle
    /// always leads back to a chip that boots.
    #[test]
    fn no_host_can_break_the_chip(
        steps in prop::collection::vec(step(), 1..60),
        wifi in any::<bool>(),
    ) {
        let mut host = if wifi { Host::with_wifi() } else { Host::enabled(Config::default()) };
        for step in &steps {
            perform(&mut host, step);
        }
        host.sdio.set_wake_line(true);
        host.sdio.set_power(false).unwrap();
        host.sdio.set_power(true).unwrap();
        host.sdio.enable().unwrap();
        host.wait(Duration::from_millis(20));
        host.boot();
        host.ring(0x00, 0x21);
        host.wait_status(WIFI_READY, WIFI_READY);
    }
}
