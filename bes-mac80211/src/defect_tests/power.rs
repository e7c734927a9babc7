//! File 40.

use super::*;
use crate::device::DeviceState;
use crate::request::{PowerSaveParameters, Suspended};
use crate::wake::WakeTriggers;
use bes_hal::transport::Transition;

const SLEEPY: Duration = Duration::from_millis(50);
const ADDRESSES: [[u8; 4]; 2] = [[10, 0, 0, 2], [10, 0, 0, 3]];
const MDNS: MacAddress = MacAddress([1, 0, 0x5E, 0, 0, 0xFB]);

/// Associated, with power save wanted, these addresses, and free to sleep.
pub(super) fn sleepy(addresses: &[[u8; 4]]) -> Bench {
    let mut bench = Bench::running_with(|config| config.idle_sleep = Some(SLEEPY));
    let power_save = PowerSaveParameters {
        enabled: true,
        dynamic_timeout: ms(100),
    };
    bench.ask(Request::PowerSave(ZERO, power_save)).unwrap();
    connect(&mut bench, ZERO);
    bench.ask(Request::ArpAddresses(ZERO, addresses)).unwrap();
    bench
}

fn is_asleep(bench: &Bench) -> bool {
    bench.device.state() == DeviceState::Asleep
}

/// How much of `seconds` the device sleeps while the host sends a frame each `period`.
fn share_asleep(bench: &mut Bench, seconds: u64, period: Duration) -> u64 {
    let end = bench.now().after(Duration::from_secs(seconds));
    let (mut asleep, mut total) = (0, 0);
    let mut next = bench.now();
    while bench.now() < end {
        if next <= bench.now() {
            send_from(bench, ZERO, 1);
            next = next.after(period);
        }
        bench.pass(ms(10));
        total += 1;
        asleep += u64::from(is_asleep(bench));
    }
    100 * asleep / total
}

/// File 40, P23: several IPv4 addresses are left to the host to answer for, and that is all: power save and sleep go on,
/// and the broadcasts that ask for them arrive.
#[test]
fn file_40_p23_two_addresses_cost_only_the_offload() {
    for count in 1..=2 {
        let mut bench = sleepy(&ADDRESSES[..count]);
        bench.pass(Duration::from_secs(10));
        assert!(bench.log().contains(&"0010/0"), "power save, {count}");
        assert_eq!(bench.payload("0010/0")[0], 0x81);
        assert!(is_asleep(&bench), "{count}");
        let filters = bench.payload("W:1030/0");
        let drops_broadcasts = filters[1] != 0;
        assert_eq!(drops_broadcasts, count == 1, "{count}");
        assert_eq!(bench.log().contains(&"W:1001/0"), count == 1, "{count}");
    }
}

/// File 40, P24: a subscription of a group does not shorten the sleep of the radio.
#[test]
fn file_40_p24_the_listen_interval_is_the_same_with_a_group_subscribed() {
    let period = |groups: &[MacAddress]| {
        let mut bench = sleepy(&ADDRESSES[..1]);
        bench.ask(Request::Multicast(groups)).unwrap();
        bench.forget();
        bench.pass(Duration::from_secs(10));
        assert!(is_asleep(&bench));
        bench.payload("W:1007/0")
    };
    let without = period(&[]);
    assert_eq!(without, [1, 0, 2, 0]);
    assert_eq!(period(&[MDNS]), without);
}

/// File 40, P25: a ping each second leaves most of the time to sleep, and each frame goes all the same.
#[test]
fn file_40_p25_periodic_traffic_does_not_keep_the_device_awake() {
    let mut bench = sleepy(&ADDRESSES[..1]);
    bench.pass(Duration::from_secs(10));
    bench.forget();
    let share = share_asleep(&mut bench, 30, Duration::from_secs(1));
    assert!(share >= 60, "asleep for {share} % of the time");
    let sent = bench.stack.statuses.len();
    assert_eq!(sent, 30);
    assert!(bench
        .stack
        .statuses
        .iter()
        .all(|(_, status)| status.is_acked()));
    // Dense traffic does not make it doze off and on.
    bench.forget();
    let share = share_asleep(&mut bench, 5, ms(40));
    assert_eq!(share, 0);
}

/// File 40, P16: a suspend with no interface before the one there is.
#[test]
fn file_40_p16_a_suspend_finds_the_only_interface_whatever_its_number() {
    let mut bench = alone(ONE, |_| {});
    let suspended = suspend(&mut bench, MAGIC);
    assert!(suspended.asleep && suspended.armed.exact);
    let log = bench.log();
    assert!(log.contains(&"W:101C/1"), "{log:?}");
    assert!(bench.device.interface(ONE).unwrap().has_wake_filters());
    bench.ask(Request::Resume).unwrap();
    assert!(!bench.device.interface(ONE).unwrap().has_wake_filters());
    bench.stack.statuses.clear();
    send_from(&mut bench, ONE, 1);
    bench.pass(ms(100));
    assert!(bench.stack.statuses[0].1.is_acked());
}

const MAGIC: WakeTriggers<'static> = WakeTriggers {
    any: false,
    disconnect: false,
    magic_packet: true,
    patterns: &[],
};

fn suspend(bench: &mut Bench, triggers: WakeTriggers<'_>) -> Suspended {
    let request = Request::Suspend {
        triggers,
        power_kept: true,
    };
    match bench.ask(request) {
        Ok(Response::Suspended(suspended)) => suspended,
        other => panic!("{other:?}"),
    }
}

/// File 40, P27 and P18: the wake line is released whenever the device sleeps, and also behind a suspend that was ended
/// before it was complete.
#[test]
fn file_40_p27_every_way_into_sleep_ends_with_the_bus_asleep() {
    let mut bench = sleepy(&ADDRESSES[..1]);
    bench.pass(Duration::from_secs(10));
    assert!(is_asleep(&bench));
    assert_eq!(bench.chip().transitions.last(), Some(&Transition::Sleep));
    for round in 0..5 {
        let request = Request::Suspend {
            triggers: MAGIC,
            power_kept: true,
        };
        bench.begin(request).unwrap();
        // Ended somewhere on its way.
        for _ in 0..round {
            bench
                .device
                .run(bes_hal::doorbell::Reasons::TIMER, &mut bench.stack);
        }
        bench.ask(Request::Resume).unwrap();
        bench.pass(Duration::from_secs(10));
        assert!(is_asleep(&bench), "round {round}");
        assert_eq!(bench.chip().transitions.last(), Some(&Transition::Sleep));
    }
}

/// Shares and status words that the chip was told, in order.
fn coexistence(bench: &Bench) -> Vec<String> {
    let transport = bench.device.transport();
    let sent = transport.log.iter().zip(&transport.messages);
    sent.filter(|(name, _)| matches!(name.as_str(), "0029/0" | "0C27/0"))
        .map(|(name, message)| {
            let word = |at: usize| u32::from_le_bytes(message[at..at + 4].try_into().unwrap());
            match name.as_str() {
                "0029/0" => format!("{} {} {}", word(4), word(8), word(12)),
                _ => "status".to_owned(),
            }
        })
        .collect()
}

/// File 40, P20 and P21: what scan and join held back is given back, whatever the order in which they come.
#[test]
fn file_40_p20_p21_scans_and_joins_give_bluetooth_its_share_back() {
    let mut bench = Bench::running_with(|config| config.coexistence = true);
    bench.pass(ms(100));
    bench.forget();
    let scan = |bench: &mut Bench| {
        bench.scan(&crate::test_bench::channels(&[1]));
        bench.pass(Duration::from_secs(1));
    };
    scan(&mut bench);
    assert_eq!(bench.device.coexistence().shares_told(), DEFAULT);
    connect(&mut bench, ZERO);
    bench
        .ask(Request::ArpAddresses(ZERO, &ADDRESSES[..1]))
        .unwrap();
    bench.pass(ms(100));
    assert_eq!(bench.device.coexistence().shares_told(), DEFAULT);
    scan(&mut bench);
    assert_eq!(bench.device.coexistence().shares_told(), DEFAULT);
    for line in coexistence(&bench) {
        // Wi-Fi never gets nothing, and no mode is made of several.
        assert!(
            line == "status" || !line.starts_with("0 "),
            "{:?}",
            coexistence(&bench)
        );
        let mode = line.rsplit(' ').next().unwrap_or_default();
        assert!(["status", "0", "3", "4"].contains(&mode), "{line}");
    }
}

const DEFAULT: Option<crate::coex::CoexMessage> = Some(crate::coex::CoexMessage::Shares {
    wifi: 20_000,
    bluetooth: 80_000,
    mode: 0,
});

/// File 40, P22: a chip that starts anew is told what Wi-Fi does as if it had never heard of it.
#[test]
fn file_40_p22_a_restarted_chip_is_told_the_shares_again() {
    let mut bench = Bench::running_with(|config| config.coexistence = true);
    let told = |bench: &mut Bench| {
        bench
            .ask(Request::ArpAddresses(ZERO, &ADDRESSES[..1]))
            .unwrap();
        connect(bench, ZERO);
        bench.pass(ms(100));
        coexistence(bench)
    };
    let first = told(&mut bench);
    assert!(first.contains(&"status".to_owned()), "{first:?}");
    bench.ask(Request::Stop).unwrap();
    bench.ask(Request::Start).unwrap();
    add(&mut bench, ZERO);
    bench.forget();
    assert_eq!(told(&mut bench), first);
}

/// File 40, P29: an address that the stack tells again at the end of an association is no address of a connection.
#[test]
fn file_40_p29_an_address_told_again_after_the_end_says_nothing_to_the_chip() {
    let mut bench = Bench::running_with(|config| config.coexistence = true);
    bench
        .ask(Request::ArpAddresses(ZERO, &ADDRESSES[..1]))
        .unwrap();
    connect(&mut bench, ZERO);
    bench.pass(ms(100));
    bench.ask(Request::Disassociated(ZERO)).unwrap();
    bench.pass(ms(100));
    bench.forget();
    for addresses in [&ADDRESSES[..1], &[]] {
        bench.ask(Request::ArpAddresses(ZERO, addresses)).unwrap();
        bench.pass(ms(100));
    }
    assert_eq!(bench.log(), [""; 0]);
}
