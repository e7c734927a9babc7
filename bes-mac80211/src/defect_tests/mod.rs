//! What the C driver does wrong where several parts of it meet, each as a story in which ours does not. Numbers are those
//! of the specification; `docs/defects.md` lists them all.

mod control;
mod data_path;
mod power;

use crate::request::{InterfaceKind, JoinParameters, Request, Response};
use crate::test_bench::{association, bss, frame_to, Bench, TestFrame, AP, OWN};
use crate::types::{AccessCategory, Band, MacAddress, TxInfo};
use bes_hal::Duration;
use bes_wsm::wire::InterfaceId;

const ZERO: InterfaceId = InterfaceId::Zero;
const ONE: InterfaceId = InterfaceId::One;
const TWO: InterfaceId = InterfaceId::Two;
const DATA: [u8; 2] = [0x08, 0x01];

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn address_of(interface: InterfaceId) -> MacAddress {
    let [zero, two, one] = crate::address::derived(OWN);
    match interface {
        InterfaceId::Zero => zero,
        InterfaceId::One => one,
        InterfaceId::Two => two,
    }
}

/// Adds an interface of this number; a third one is what P2P discovers its peers with.
fn add(bench: &mut Bench, interface: InterfaceId) {
    let kind = match interface {
        InterfaceId::Two => InterfaceKind::P2pDevice,
        _ => InterfaceKind::Station,
    };
    let address = address_of(interface);
    assert_eq!(
        bench.ask(Request::AddInterface { kind, address }),
        Ok(Response::Interface(interface))
    );
}

/// A frame of an interface to the access point.
fn send_from(bench: &mut Bench, interface: InterfaceId, mark: u8) {
    let mut frame = frame_to(DATA, AP, &[mark; 40]);
    frame[10..16].copy_from_slice(&address_of(interface).0);
    let info = TxInfo::new(AccessCategory::BestEffort, Band::TwoPointFourGhz);
    let now = bench.now();
    let taken = bench
        .device
        .transmit(interface, TestFrame::new(&frame), info, now);
    assert!(taken.is_ok(), "interface {interface:?}, frame {mark}");
}

fn connect(bench: &mut Bench, interface: InterfaceId) {
    let parameters = JoinParameters { bss: bss(AP) };
    assert_eq!(
        bench.ask(Request::Join(interface, parameters)),
        Ok(Response::Done)
    );
    assert_eq!(
        bench.ask(Request::Associated(interface, association())),
        Ok(Response::Done)
    );
}

/// Only this interface, the others gone, and connected.
fn alone(interface: InterfaceId, change: impl FnOnce(&mut crate::config::DeviceConfig)) -> Bench {
    let mut bench = Bench::running_with(change);
    add(&mut bench, interface);
    bench.ask(Request::RemoveInterface(ZERO)).unwrap();
    connect(&mut bench, interface);
    bench.forget();
    bench
}
