//! A board that says in a device tree what it has: `kmod/lab/board.dts`.

use super::connect::WPA2;
use crate::lab::guest::bench::{connect, ping_all, ping_until_answer, Bench};
use crate::lab::guest::card::{
    interface, load_driver, load_host, unload_driver, wait_interface, Emulator,
};
use crate::lab::guest::measure::{ping, ping_station};
use crate::lab::guest::network::SHORT;
use crate::lab::guest::process::{run, until};
use crate::lab::guest::Lab;
use anyhow::{ensure, Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// `local-mac-address` of the board.
const ADDRESS: &str = "02:be:52:60:0d:17";

/// How long nothing happens, and how often the wake line is looked at meanwhile.
const IDLE: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(5);

/// Share of the idle time in which the chip has to be allowed to sleep.
const ASLEEP: f64 = 0.5;

/// Requests to and from a chip that sleeps, and what lies between them.
const REQUESTS: u32 = 8;
const APART: Duration = Duration::from_millis(700);

pub(crate) fn device_tree(lab: &mut Lab<'_>) -> Result<()> {
    waits_for_its_lines(lab)?;

    let wake = line(0)?;
    let options = format!("--wake-line {} --wake-line-active-low", wake.display());
    let bench = Bench::set_up(lab, &[WPA2], &options)?;
    lab.step("address and lines are those of the board");
    let address = fs::read_to_string(format!("/sys/class/net/{}/address", bench.interface))?;
    ensure!(
        address.trim() == ADDRESS,
        "the interface has the address {}, the board says {ADDRESS}",
        address.trim()
    );
    for name in ["wakeup", "host-wakeup"] {
        ensure!(is_used(name)?, "nobody uses the line {name}");
    }
    let mut station = bench.station(&WPA2, &[WPA2.megahertz()])?;
    connect(lab, &mut station)?;
    ping_until_answer(lab.job.limit(5))?;
    ping_all(lab, 20)?;

    lab.step("the chip sleeps while nothing happens");
    let asleep = released(&wake, IDLE)?;
    lab.report.number("sleep.idle_share", asleep);
    ensure!(
        asleep >= ASLEEP,
        "the chip was allowed to sleep in {:.0} % of the idle time",
        asleep * 100.0
    );

    lab.step("the station wakes it");
    let up = ping(REQUESTS, APART)?;
    lab.step("the air wakes it");
    let down = ping_station(REQUESTS, APART)?;
    for (name, found) in [("station", up), ("air", down)] {
        ensure!(
            found.lost == 0,
            "{} of {} requests were lost when the {name} woke the chip",
            found.lost,
            found.sent
        );
        if let Some(time) = found.median_ms {
            lab.report
                .number(&format!("sleep.woken_by_{name}_ms"), time);
        }
    }
    ensure!(
        released(&wake, IDLE)? >= ASLEEP,
        "the chip did not sleep again"
    );
    station.stop(lab.job.limit(10))?;
    let report = bench.tear_down(lab)?;
    let card = &report["cards"][0];
    for field in ["wake_ups", "sleeps"] {
        let count = card[field].as_u64().unwrap_or(0);
        lab.report.set(&format!("sleep.{field}"), count);
        ensure!(
            count >= u64::from(2 * REQUESTS),
            "the chip counts {count} {field}"
        );
    }
    ensure!(!is_used("wakeup")?, "the driver has kept its line");
    Ok(())
}

/// A driver whose lines are not there yet is asked again when they are.
fn waits_for_its_lines(lab: &mut Lab<'_>) -> Result<()> {
    lab.step("the driver comes before its lines");
    load_host()?;
    let emulator = Emulator::start(lab, "--own-network nobody")?;
    load_driver(lab)?;
    until("a probe that is deferred", lab.job.limit(10), || {
        let waiting = fs::read_to_string("/sys/kernel/debug/devices_deferred")?;
        Ok(waiting.contains("mmc").then_some(()))
    })?;
    ensure!(
        interface().is_none(),
        "there is an interface, and its lines are not there"
    );
    lab.step("the lines come");
    run("/run/modprobe gpio-sim", SHORT)?;
    wait_interface(lab)?;
    unload_driver(lab)?;
    emulator.finish(lab.job.limit(10))?;
    Ok(())
}

/// The file with the level of a simulated line.
fn line(number: u32) -> Result<PathBuf> {
    let wanted = format!("sim_gpio{number}/value");
    let mut folders = vec![PathBuf::from("/sys/devices/platform/gpio-simulator")];
    while let Some(folder) = folders.pop() {
        let file = folder.join(&wanted);
        if file.exists() {
            return Ok(file);
        }
        let inside = fs::read_dir(folder)?.flatten();
        folders.extend(
            inside
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path()),
        );
    }
    None.with_context(|| format!("no simulated line {number}"))
}

/// Whether somebody has asked for the line of this name.
fn is_used(name: &str) -> Result<bool> {
    let lines = fs::read_to_string("/sys/kernel/debug/gpio")?;
    Ok(lines
        .lines()
        .any(|line| line.split(['|', ' ', ')', '(']).any(|word| word == name)))
}

/// Share of a time in which the wake line, which is active low, was released.
fn released(line: &Path, time: Duration) -> Result<f64> {
    let start = Instant::now();
    let (mut looks, mut released) = (0_u32, 0_u32);
    while start.elapsed() < time {
        looks += 1;
        released += u32::from(fs::read_to_string(line)?.trim() == "1");
        std::thread::sleep(LOOK);
    }
    Ok(f64::from(released) / f64::from(looks.max(1)))
}
