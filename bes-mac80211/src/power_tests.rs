//! Stories of 802.11 power save with a chip that answers from a table.

use crate::device::DeviceState;
use crate::edca::{EdcaParameters, EdcaSet};
use crate::event::{Event, PowerSaveFault};
use crate::neighbour::NeighbourOffload;
use crate::request::{InterfaceKind, PowerSaveParameters, Request};
use crate::test_bench::{association, frame_to, Answer, Bench, AP, OWN};
use crate::types::AccessCategory;
use bes_hal::Duration;
use bes_pm::psm::Mode;
use bes_wsm::anomaly::AnomalyKind;
use bes_wsm::wire::InterfaceId;

const ZERO: InterfaceId = InterfaceId::Zero;
const DATA: [u8; 2] = [0x08, 0x01];
const ADDRESS: [[u8; 4]; 1] = [[10, 0, 0, 2]];

fn power_save(enabled: bool, millis: u64) -> Request<'static> {
    Request::PowerSave(
        ZERO,
        PowerSaveParameters {
            enabled,
            dynamic_timeout: Duration::from_millis(millis),
        },
    )
}

fn send(bench: &mut Bench) {
    let before = bench.stack.statuses.len();
    assert!(bench.transmit(&frame_to(DATA, AP, &[0; 40])));
    bench.run();
    // At once: nothing is held back for power save.
    assert_eq!(bench.stack.statuses.len(), before + 1);
    assert!(bench.stack.statuses[before].1.is_acked());
}

fn requests(bench: &Bench) -> usize {
    bench.log().iter().filter(|name| **name == "0010/0").count()
}

fn faults(bench: &Bench) -> Vec<PowerSaveFault> {
    let told = bench.stack.events.iter();
    told.filter_map(|event| match event {
        Event::PowerSaveUnsupported { fault, .. } => Some(*fault),
        _ => None,
    })
    .collect()
}

/// Associated, with power save wanted and no address yet.
fn saving() -> Bench {
    let mut bench = Bench::joined();
    bench.ask(power_save(true, 0)).unwrap();
    bench.ask(Request::Associated(ZERO, association())).unwrap();
    bench.forget();
    bench
}

#[test]
fn power_save_begins_with_the_address_and_follows_the_stack() {
    let mut bench = saving();
    bench.pass(Duration::from_secs(5));
    assert_eq!(requests(&bench), 0, "an address is waited for");
    bench.ask(Request::ArpAddresses(ZERO, &ADDRESS)).unwrap();
    bench.pass(Duration::from_millis(10));
    assert_eq!(bench.payload("0010/0"), [0x81, 200, 0, 0]);
    let mode = |bench: &Bench| bench.device.interface(ZERO).unwrap().power_save.in_force();
    assert_eq!(mode(&bench), Mode::FastPowerSave);
    // Traffic changes nothing: the chip sees to it.
    for _ in 0..20 {
        send(&mut bench);
        bench.pass(Duration::from_millis(300));
    }
    assert_eq!(requests(&bench), 1);
    bench.ask(power_save(true, 20)).unwrap();
    bench.pass(Duration::from_millis(10));
    assert_eq!(bench.payload("0010/0"), [0x81, 40, 0, 0]);
    bench.ask(power_save(false, 0)).unwrap();
    bench.pass(Duration::from_millis(10));
    assert_eq!(bench.payload("0010/0"), [0, 200, 0, 0]);
    assert_eq!(mode(&bench), Mode::Active);
    assert_eq!(requests(&bench), 3);
    assert_eq!(bench.device.anomalies().total(), 0);
}

/// P6, P29: an address that was there before the association, and a network without IPv4.
#[test]
fn p6_an_address_before_the_association_and_none_at_all_do_not_prevent_power_save() {
    let mut bench = Bench::joined();
    bench.ask(power_save(true, 0)).unwrap();
    bench.ask(Request::ArpAddresses(ZERO, &ADDRESS)).unwrap();
    bench.ask(Request::Associated(ZERO, association())).unwrap();
    bench.pass(Duration::from_millis(10));
    assert_eq!(requests(&bench), 1);

    let mut bench = saving();
    bench.pass(Duration::from_secs(61));
    assert_eq!(requests(&bench), 1);
}

/// File 40, section 2.3, and file 50, section 3, item 7.
#[test]
fn a_chip_that_never_answers_is_found_out_told_once_and_costs_nothing_afterwards() {
    let mut bench = saving();
    bench.chip().answer("0010/0", Answer::NoIndication);
    bench.ask(Request::ArpAddresses(ZERO, &ADDRESS)).unwrap();
    for _ in 0..40 {
        send(&mut bench);
        bench.pass(Duration::from_millis(100));
    }
    assert_eq!(faults(&bench), []);
    bench.pass(Duration::from_secs(2));
    assert_eq!(
        faults(&bench),
        [PowerSaveFault::Unanswered(Mode::FastPowerSave)]
    );
    let shown: Vec<_> = bench.device.unsupported_power_save().collect();
    assert_eq!(shown.len(), 1);
    assert_eq!(
        (shown[0].mode, shown[0].interface),
        (Mode::FastPowerSave, 0)
    );
    // The chip is told to be active, which needs no answer, and that was all.
    assert_eq!(bench.payload("0010/0"), [0, 200, 0, 0]);
    bench.forget();
    for enabled in [false, true, false, true] {
        bench.ask(power_save(enabled, 0)).unwrap();
        bench.pass(Duration::from_secs(600));
        send(&mut bench);
    }
    assert_eq!(requests(&bench), 0);
    assert_eq!(faults(&bench), []);
    assert_eq!(bench.device.anomalies().total(), 0);

    // A chip that was started anew is tested anew.
    bench.ask(Request::Stop).unwrap();
    bench.ask(Request::Start).unwrap();
    assert_eq!(bench.device.unsupported_power_save().count(), 0);
    let station = Request::AddInterface {
        kind: InterfaceKind::Station,
        address: OWN,
    };
    bench.ask(station).unwrap();
    bench.ask(power_save(true, 0)).unwrap();
    bench.ask(Request::ArpAddresses(ZERO, &ADDRESS)).unwrap();
    bench.join().unwrap();
    bench.ask(Request::Associated(ZERO, association())).unwrap();
    bench.pass(Duration::from_millis(10));
    assert_eq!(bench.payload("0010/0")[0], 0x81);
}

#[test]
fn with_u_apsd_the_mode_is_legacy_and_without_an_answer_to_it_fast() {
    let mut bench = Bench::joined();
    let uapsd = EdcaParameters {
        uapsd: true,
        ..EdcaSet::default().category(AccessCategory::BestEffort)
    };
    for category in AccessCategory::ALL {
        bench
            .ask(Request::ConfigureTx(ZERO, category, uapsd))
            .unwrap();
    }
    assert_eq!(bench.payload("W:1013/0")[..2], [0xF, 0]);
    bench.chip().answer("0010/0", Answer::NoIndication);
    bench.ask(power_save(true, 0)).unwrap();
    bench.ask(Request::ArpAddresses(ZERO, &ADDRESS)).unwrap();
    bench.ask(Request::Associated(ZERO, association())).unwrap();
    bench.pass(Duration::from_millis(10));
    assert_eq!(bench.payload("0010/0")[0], 1);
    bench.pass(Duration::from_secs(6));
    assert_eq!(
        faults(&bench),
        [PowerSaveFault::Unanswered(Mode::PowerSave)]
    );
    let shown = bench.device.unsupported_power_save().next().unwrap();
    assert!(shown
        .to_string()
        .starts_with("PM unsupported: no answer to legacy power save on interface 0"));
    assert_eq!(bench.payload("0010/0")[0], 0x81);
    assert_eq!(requests(&bench), 2);
}

/// P3, as the chip acts it: the answer of a request that was taken back comes after the next one.
#[test]
fn p3_a_late_answer_is_an_anomaly_and_not_an_answer() {
    let mut bench = saving();
    bench.ask(Request::ArpAddresses(ZERO, &ADDRESS)).unwrap();
    bench.pass(Duration::from_millis(10));
    bench.chip().say(0x0809, &[0, 0, 0, 0, 1]);
    bench.pass(Duration::from_millis(10));
    let kind = AnomalyKind::UnexpectedIndication;
    assert_eq!(bench.device.anomalies().count(kind), 1);
    assert_eq!(bench.device.anomalies().total(), 1);
}

#[test]
fn an_access_point_that_is_bad_at_power_save_is_left_alone_with_it() {
    let mut bench = saving();
    bench.ask(Request::ArpAddresses(ZERO, &ADDRESS)).unwrap();
    bench.pass(Duration::from_millis(10));
    for _ in 0..3 {
        bench.chip().say(0x0805, &[7, 0, 0, 0, 1, 0, 0, 0]);
        bench.pass(Duration::from_millis(10));
    }
    assert_eq!(faults(&bench), [PowerSaveFault::AccessPoint]);
    assert_eq!(bench.payload("0010/0"), [0, 200, 0, 0]);
    assert_eq!(requests(&bench), 2);
}

/// File 50, section 3, item 12: what SDIO cannot wake must not be put to sleep.
#[test]
fn without_a_wake_line_the_bus_stays_awake() {
    let mut bench = Bench::running_with(|config| {
        config.idle_sleep = Some(Duration::from_millis(50));
        config.wake_line = false;
    });
    let before = bench.chip().transitions.len();
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.device.state(), DeviceState::Asleep);
    assert_eq!(bench.payload("W:1006/0"), [0x12, 0, 0, 0]);
    bench.join().unwrap();
    assert_eq!(bench.chip().transitions.len(), before);
}

const FIRST: [u8; 16] = [0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const SECOND: [u8; 16] = [0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/// Associated, with an address, and asleep as soon as nothing happens.
fn sleeper(addresses: &[[u8; 16]]) -> Bench {
    let mut bench = Bench::running_with(|config| {
        config.idle_sleep = Some(Duration::from_millis(50));
    });
    bench.ask(power_save(true, 0)).unwrap();
    bench.ask(Request::ArpAddresses(ZERO, &ADDRESS)).unwrap();
    bench
        .ask(Request::NeighbourAddresses(ZERO, addresses))
        .unwrap();
    bench.join().unwrap();
    bench.ask(Request::Associated(ZERO, association())).unwrap();
    bench
}

fn falls_asleep(bench: &mut Bench) {
    for _ in 0..600 {
        if bench.device.state() == DeviceState::Asleep {
            return;
        }
        bench.pass(Duration::from_millis(100));
    }
    panic!("it stays awake: {:?}", bench.device.state());
}

/// A frame wakes the chip.
fn wakes(bench: &mut Bench) {
    assert!(bench.transmit(&frame_to(DATA, AP, &[0; 40])));
    bench.pass(Duration::from_millis(40));
    assert_eq!(bench.device.state(), DeviceState::Running);
}

fn messages(bench: &Bench, name: &str) -> usize {
    bench.log().iter().filter(|entry| **entry == name).count()
}

#[test]
fn one_ipv6_address_is_answered_for_while_the_chip_sleeps_and_only_then() {
    let mut bench = sleeper(&[FIRST]);
    assert_eq!(messages(&bench, "W:1034/0"), 0);
    falls_asleep(&mut bench);
    let mut on = vec![3, 0, 0, 0];
    on.extend_from_slice(&FIRST);
    assert_eq!(bench.payload("W:1034/0"), on);
    wakes(&mut bench);
    assert_eq!(messages(&bench, "W:1034/0"), 2);
    on[0] = 0;
    assert_eq!(bench.payload("W:1034/0"), on);
    // The template follows the addresses: ARP, then neighbour advertisement.
    bench.forget();
    bench
        .ask(Request::NeighbourAddresses(ZERO, &[SECOND]))
        .unwrap();
    bench.pass(Duration::from_millis(10));
    let template = bench.payload("W:1002/0");
    assert_eq!(template[..2], [7, 0xFF]);
    assert!(template.windows(16).any(|part| part == SECOND));
    assert_eq!(bench.device.control_statistics().neighbours_left_out, 0);
}

#[test]
fn several_ipv6_addresses_are_left_to_the_host_and_counted() {
    let mut bench = sleeper(&[FIRST, SECOND]);
    falls_asleep(&mut bench);
    assert_eq!(messages(&bench, "W:1034/0"), 0);
    assert_eq!(bench.device.control_statistics().neighbours_left_out, 1);
    let offload = bench.device.interface(ZERO).unwrap().neighbours;
    assert_eq!(offload, NeighbourOffload::TooMany(2));
    // One goes: the chip has room for the other.
    bench
        .ask(Request::NeighbourAddresses(ZERO, &[SECOND]))
        .unwrap();
    falls_asleep(&mut bench);
    assert_eq!(bench.payload("W:1034/0")[4..], SECOND);
}

#[test]
fn a_chip_that_does_not_know_neighbour_offload_sleeps_all_the_same_and_is_asked_once() {
    let mut bench = Bench::running_with(|config| {
        config.idle_sleep = Some(Duration::from_millis(50));
    });
    bench.chip().answer("W:1034/0", Answer::Status(2));
    bench.ask(power_save(true, 0)).unwrap();
    bench.ask(Request::ArpAddresses(ZERO, &ADDRESS)).unwrap();
    bench
        .ask(Request::NeighbourAddresses(ZERO, &[FIRST]))
        .unwrap();
    bench.join().unwrap();
    bench.ask(Request::Associated(ZERO, association())).unwrap();
    for _ in 0..3 {
        falls_asleep(&mut bench);
        wakes(&mut bench);
    }
    // On, refused; off, as it may have been taken; never again.
    assert_eq!(messages(&bench, "W:1034/0"), 2);
    assert_eq!(bench.device.control_statistics().neighbours_refused, 1);
    let offload = bench.device.interface(ZERO).unwrap().neighbours;
    assert_eq!(offload, NeighbourOffload::Refused);
    // Told once, too.
    assert_eq!(bench.device.anomalies().total(), 1);
}
