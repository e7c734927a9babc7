//! The machine sleeps and wakes, many times.
//!
//! The access point is the emulator's own: `hostapd` would sleep with the machine. How far the machine goes is the kernel's
//! own test mode (`/sys/power/pm_test`): processes are frozen, all devices suspended and resumed, in no time.

use crate::lab::guest::bench::{connect, note, ping_all, ping_until_answer};
use crate::lab::guest::card::{bring_up, check_report, load_host, phy, unload_driver, Emulator};
use crate::lab::guest::measure::ping;
use crate::lab::guest::network::{Network, Security, Station, PASSPHRASE, SHORT};
use crate::lab::guest::process::{run, until};
use crate::lab::guest::Lab;
use anyhow::{ensure, Context, Result};
use std::fs;
use std::time::{Duration, Instant};

/// The emulator's network.
const OWN: Network = Network::new("bes-own", Security::Wpa2, 6);
/// How often the machine sleeps with its connection kept, woken by whatever arrives.
const KEPT: u32 = 60;
/// The same for each narrower way to be woken.
const NARROW: u32 = 10;
/// How often it sleeps without one.
const ENDED: u32 = 20;

/// Sleeps as far as the devices, and returns how long that took, there and back.
fn sleep() -> Result<Duration> {
    let start = Instant::now();
    fs::write("/sys/power/state", "freeze").context("cannot go to sleep")?;
    Ok(start.elapsed())
}

pub(crate) fn suspend(lab: &mut Lab<'_>) -> Result<()> {
    lab.step("insert the card");
    load_host()?;
    let emulator = Emulator::start(
        lab,
        &format!("--own-network {} --passphrase {PASSPHRASE}", OWN.ssid),
    )?;
    lab.step("load the driver");
    let (interface, time) = bring_up(lab)?;
    lab.report.number("up_ms", time.as_secs_f64() * 1e3);
    let phy = phy().context("the card has no physical device")?;
    fs::write("/sys/power/pm_test", "devices").context("/sys/power/pm_test")?;
    fs::write("/sys/module/suspend/parameters/pm_test_delay", "0").context("pm_test_delay")?;

    lab.step("sleep while the interface is not connected");
    sleep()?;
    let mut station = Station::start(&interface, &OWN, &[OWN.megahertz()])?;
    connect(lab, &mut station)?;
    ping_until_answer(lab.job.limit(5))?;
    ping_all(lab, 10)?;

    let mut slowest = Duration::ZERO;
    for (triggers, cycles) in [
        ("any", KEPT),
        ("disconnect", NARROW),
        ("magic-packet disconnect", NARROW),
    ] {
        run(&format!("iw phy {phy} wowlan enable {triggers}"), SHORT)?;
        station.control.forget()?;
        for cycle in 1..=cycles {
            lab.step(&format!("sleep {cycle} of {cycles}, woken by {triggers}"));
            slowest = slowest.max(sleep()?);
            let found = ping(2, Duration::from_millis(20))?;
            ensure!(
                found.lost == 0,
                "{} of {} requests of ping were lost after sleep {cycle}",
                found.lost,
                found.sent
            );
        }
        let state = station.status("wpa_state")?;
        ensure!(state == "COMPLETED", "the connection is {state} now");
        let lost = station.control.seen("CTRL-EVENT-DISCONNECTED")?;
        ensure!(!lost, "the connection was lost in between");
    }
    lab.report
        .number("suspend.slowest_ms", slowest.as_secs_f64() * 1e3);

    run(&format!("iw phy {phy} wowlan disable"), SHORT)?;
    let mut reconnected = Duration::ZERO;
    for cycle in 1..=ENDED {
        lab.step(&format!("sleep {cycle} of {ENDED} without a connection"));
        station.control.forget()?;
        sleep()?;
        let start = Instant::now();
        until("connected again", lab.job.limit(25), || {
            Ok((station.status("wpa_state")? == "COMPLETED").then_some(()))
        })?;
        ping_until_answer(lab.job.limit(10))?;
        reconnected = reconnected.max(start.elapsed());
    }
    lab.report
        .number("suspend.reconnected_ms", reconnected.as_secs_f64() * 1e3);
    lab.report
        .set("suspend.cycles", 1 + KEPT + 2 * NARROW + ENDED);
    ping_all(lab, 10)?;

    lab.step("sleep while a scan runs");
    run(&format!("iw dev {interface} scan trigger"), SHORT)?;
    sleep()?;
    until("connected again", lab.job.limit(25), || {
        Ok((station.status("wpa_state")? == "COMPLETED").then_some(()))
    })?;
    ping_until_answer(lab.job.limit(10))?;

    lab.step("sleep while the interface is down");
    station.stop(lab.job.limit(10))?;
    run(&format!("ip link set {interface} down"), SHORT)?;
    sleep()?;
    run(&format!("ip link set {interface} up"), lab.job.limit(10))?;

    lab.step("unload the driver");
    unload_driver(lab)?;
    lab.step("remove the card");
    let report = emulator.finish(lab.job.limit(10))?;
    note(lab, &report);
    check_report(&report)
}
