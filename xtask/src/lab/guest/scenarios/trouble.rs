//! What goes wrong: things that vanish, lie, are missing, or happen in the wrong order. The kernel must not complain, no
//! process may hang, and afterwards everything works.

use super::connect::{OPEN, WPA2};
use crate::lab::guest::bench::{connect, note, ping_all, ping_until_answer, Bench};
use crate::lab::guest::card::{
    bring_up, check_report, interface, is_loaded, load_driver, unload_driver, wait_gone,
    wait_interface, Emulator,
};
use crate::lab::guest::measure::{Flow, Server};
use crate::lab::guest::network::{Station, SHORT};
use crate::lab::guest::process::{attempt, run, until, Daemon};
use crate::lab::guest::system::{firmware_folder, SCRATCH};
use crate::lab::guest::Lab;
use anyhow::{ensure, Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often the module is loaded and unloaded.
const RELOADS: u32 = 50;
/// The same on a kernel that looks for mistakes, where each time takes many seconds.
const SLOW_RELOADS: u32 = 3;

pub(crate) fn reload(lab: &mut Lab<'_>) -> Result<()> {
    let bench = Bench::set_up(lab, &[WPA2], "")?;
    let mut slowest = Duration::ZERO;
    let rounds = if lab.job.slowness > 1 {
        SLOW_RELOADS
    } else {
        RELOADS
    };
    for round in 1..=rounds {
        lab.step(&format!("round {round}: connect"));
        let mut station = bench.station(&WPA2, &[WPA2.megahertz()])?;
        let time = station.connect(lab.job.limit(20))?;
        if round == 1 {
            lab.report.number("connected_ms", time.as_secs_f64() * 1e3);
            ping_all(lab, 10)?;
        }
        lab.step(&format!("round {round}: unload while connected"));
        unload_driver(lab)?;
        ensure!(interface().is_none(), "the interface survived the module");
        // wpa_supplicant may end by itself when its interface goes away.
        let _ = station.stop(lab.job.limit(10));
        lab.step(&format!("round {round}: load"));
        let (name, time) = bring_up(lab)?;
        ensure!(
            name == bench.interface,
            "the interface is called {name} now, not {}",
            bench.interface
        );
        slowest = slowest.max(time);
    }
    lab.report.set("reloads", rounds);
    lab.report
        .number("slowest_up_ms", slowest.as_secs_f64() * 1e3);
    lab.step("connect after all rounds");
    let mut station = bench.station(&WPA2, &[WPA2.megahertz()])?;
    station.connect(lab.job.limit(20))?;
    ping_all(lab, 10)?;
    station.stop(lab.job.limit(10))?;
    bench.tear_down(lab)?;
    Ok(())
}

/// A new card in the slot works: it is found, boots, connects.
fn works_again(lab: &mut Lab<'_>) -> Result<()> {
    lab.step("a new card");
    let emulator = Emulator::start(lab, "")?;
    if !is_loaded("bes2600") {
        load_driver(lab)?;
    }
    let name = wait_interface(lab)?;
    lab.step("connect through the new card");
    let mut station = Station::start(&name, &WPA2, &[WPA2.megahertz()])?;
    station.connect(lab.job.limit(20))?;
    ping_until_answer(lab.job.limit(5))?;
    ping_all(lab, 10)?;
    station.stop(lab.job.limit(10))?;
    lab.step("unload the driver");
    unload_driver(lab)?;
    lab.step("remove the new card");
    let report = emulator.finish(lab.job.limit(10))?;
    note(lab, &report);
    check_report(&report)
}

pub(crate) fn gone(lab: &mut Lab<'_>) -> Result<()> {
    let bench = Bench::set_up(lab, &[WPA2], "")?;
    let mut station = bench.station(&WPA2, &[WPA2.megahertz()])?;
    connect(lab, &mut station)?;
    ping_all(lab, 10)?;
    lab.step("kill the emulator in the middle of traffic");
    let server = Server::start()?;
    let mut client = Flow::TCP_UP.start(60)?;
    std::thread::sleep(Duration::from_secs(2));
    client.check()?;
    let start = Instant::now();
    bench.emulator.kill()?;
    wait_gone(lab)?;
    lab.report
        .number("gone_ms", start.elapsed().as_secs_f64() * 1e3);
    lab.step("end the traffic");
    client.kill()?;
    server.stop()?;
    let _ = station.stop(lab.job.limit(10));
    lab.step("unload the module without a card");
    unload_driver(lab)?;
    // The access point's radio is on the medium of the kernel again, until the next emulator takes it.
    works_again(lab)
}

pub(crate) fn remove(lab: &mut Lab<'_>) -> Result<()> {
    let (_radios, _access_points, emulator) = Bench::without_driver(lab, &[WPA2], "")?;

    lab.step("remove during boot");
    let mut loader = Daemon::start("modprobe", "/run/modprobe bes2600")?;
    // The download of the firmware begins as soon as the module is there.
    until("the module is there", lab.job.limit(10), || {
        Ok(is_loaded("bes2600").then_some(()))
    })?;
    std::thread::sleep(Duration::from_millis(60));
    emulator.kill()?;
    let _ = loader.wait(lab.job.limit(15))?;
    wait_gone(lab)?;

    lab.step("remove during a scan");
    let emulator = Emulator::start(lab, "")?;
    let name = wait_interface(lab)?;
    run(&format!("ip link set {name} up"), SHORT)?;
    let mut scan = Daemon::start("iw-scan", &format!("iw dev {name} scan"))?;
    std::thread::sleep(Duration::from_millis(250));
    emulator.kill()?;
    wait_gone(lab)?;
    let _ = scan.wait(lab.job.limit(15))?;

    lab.step("remove during a join");
    let emulator = Emulator::start(lab, "")?;
    let name = wait_interface(lab)?;
    let mut station = Station::start(&name, &WPA2, &[WPA2.megahertz()])?;
    station.control.expect_ok("ENABLE_NETWORK 0")?;
    let _ = station.control.event(
        &["Trying to associate", "SME: Trying to auth"],
        lab.job.limit(10),
    );
    emulator.kill()?;
    wait_gone(lab)?;
    let _ = station.stop(lab.job.limit(10));

    lab.step("remove in the middle of traffic");
    let emulator = Emulator::start(lab, "")?;
    let name = wait_interface(lab)?;
    let mut station = Station::start(&name, &WPA2, &[WPA2.megahertz()])?;
    station.connect(lab.job.limit(20))?;
    let server = Server::start()?;
    let mut client = Flow::TCP_DOWN.start(60)?;
    std::thread::sleep(Duration::from_secs(2));
    emulator.kill()?;
    wait_gone(lab)?;
    client.kill()?;
    server.stop()?;
    let _ = station.stop(lab.job.limit(10));

    lab.step("remove while the module is unloaded");
    let emulator = Emulator::start(lab, "")?;
    wait_interface(lab)?;
    let mut loader = Daemon::start("modprobe", "/run/modprobe -r bes2600")?;
    std::thread::sleep(Duration::from_millis(20));
    emulator.kill()?;
    let _ = loader.wait(lab.job.limit(20))?;
    until("the module is gone", lab.job.limit(10), || {
        Ok((!is_loaded("bes2600")).then_some(()))
    })?;

    lab.step("unload the module while a scan runs");
    let emulator = Emulator::start(lab, "")?;
    let (name, _) = bring_up(lab)?;
    let mut scan = Daemon::start("iw-scan", &format!("iw dev {name} scan"))?;
    std::thread::sleep(Duration::from_millis(250));
    unload_driver(lab)?;
    let _ = scan.wait(lab.job.limit(15))?;
    emulator.kill()?;

    works_again(lab)
}

/// Ways in which the files can be wrong.
enum Wrong {
    Missing,
    Empty,
    Cut,
}

pub(crate) fn firmware(lab: &mut Lab<'_>) -> Result<()> {
    let good = PathBuf::from(
        lab.job
            .firmware
            .clone()
            .context("the host made no firmware images")?,
    );
    let (_radios, _access_points, emulator) = Bench::without_driver(lab, &[WPA2], "")?;
    emulator.kill()?;
    for (number, (name, wrong)) in [
        ("missing", Wrong::Missing),
        ("empty", Wrong::Empty),
        ("cut", Wrong::Cut),
    ]
    .into_iter()
    .enumerate()
    {
        lab.step(&format!("firmware {name}"));
        let folder = PathBuf::from(format!("{SCRATCH}/firmware-{number}"));
        fs::create_dir_all(&folder)?;
        spoil(&good, &folder, &wrong)?;
        firmware_folder(&folder.display().to_string())?;
        let emulator = Emulator::start(lab, "")?;
        load_driver(lab)?;
        // Long enough for a driver that tries again.
        std::thread::sleep(lab.job.limit(3));
        ensure!(
            interface().is_none(),
            "there is an interface although the firmware is {name}"
        );
        let log = run("dmesg", SHORT)?.out;
        let lines = log
            .lines()
            .filter(|line| line.contains("firmware") && line.contains("bes2600"))
            .count();
        ensure!(
            lines > 0,
            "the driver says nothing about firmware that is {name}"
        );
        unload_driver(lab)?;
        emulator.kill()?;
    }
    firmware_folder(&good.display().to_string())?;
    works_again(lab)
}

/// Copies a folder of firmware with every file wrong in the same way.
fn spoil(from: &Path, to: &Path, wrong: &Wrong) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            spoil(&entry.path(), &target, wrong)?;
            continue;
        }
        match wrong {
            Wrong::Missing => {}
            Wrong::Empty => fs::write(target, [])?,
            Wrong::Cut => {
                let bytes = fs::read(entry.path())?;
                fs::write(target, &bytes[..bytes.len() / 2 + 1])?;
            }
        }
    }
    Ok(())
}

pub(crate) fn wrong_order(lab: &mut Lab<'_>) -> Result<()> {
    let bench = Bench::set_up(lab, &[OPEN], "")?;
    let name = bench.interface.clone();
    let phy = bench.phy()?;
    // Nothing of this has to succeed. Everything has to end soon, and to leave the driver whole.
    let commands = [
        format!("ip link set {name} down"),
        format!("iw dev {name} scan"),
        format!("iw dev {name} disconnect"),
        format!("iw dev {name} connect nobody"),
        format!("iw dev {name} set power_save on"),
        format!("ip link set {name} up"),
        format!("iw dev {name} disconnect"),
        format!("iw dev {name} set channel 36 HT40+"),
        format!("iw dev {name} set type ibss"),
        format!("iw dev {name} set type monitor"),
        format!("iw dev {name} set type managed"),
        format!("iw dev {name} set bitrates legacy-2.4 1"),
        format!("iw phy {phy} interface add second type managed"),
        "ip link set second up".to_owned(),
        "iw dev second del".to_owned(),
        format!("iw phy {phy} set rts 500"),
        format!("iw phy {phy} set frag 800"),
        format!("iw phy {phy} set txpower fixed 99999"),
        format!("iw phy {phy} set antenna 0x3 0x3"),
        format!("iw dev {name} scan trigger"),
        format!("iw dev {name} scan trigger"),
        format!("iw dev {name} scan abort"),
        format!("iw dev {name} connect bes-open 5180"),
        format!("iw dev {name} connect bes-open"),
        format!("iw dev {name} connect bes-open"),
        format!("iw dev {name} scan"),
        format!("ip link set {name} address 02:11:22:33:44:55"),
        format!("iw dev {name} disconnect"),
        format!("iw dev {name} offchannel 2412 500"),
        "iw reg set 00".to_owned(),
        "iw reg set US".to_owned(),
        format!("ip link set {name} down"),
        format!("ip link set {name} down"),
        format!("iw dev {name} del"),
        format!("iw phy {phy} interface add {name} type managed"),
        format!("ip link set {name} up"),
    ];
    for command in &commands {
        lab.step(command);
        let _ = attempt(command, lab.job.limit(20))?;
    }
    lab.step("wpa_supplicant twice on one interface");
    run(&format!("ip link set {name} up"), SHORT)?;
    let station = bench.station(&OPEN, &[OPEN.megahertz()])?;
    let second = attempt(
        &format!("wpa_supplicant -B -D nl80211 -i {name} -c /run/lab/wpa_supplicant.conf"),
        lab.job.limit(10),
    )?;
    ensure!(
        !second.status.success(),
        "a second wpa_supplicant had the same interface"
    );
    station.stop(lab.job.limit(10))?;
    lab.step("everything works afterwards");
    let mut station = bench.station(&OPEN, &[OPEN.megahertz()])?;
    connect(lab, &mut station)?;
    ping_until_answer(lab.job.limit(5))?;
    lab.step("the interface goes down while connected");
    run(&format!("ip link set {name} down"), SHORT)?;
    run(&format!("ip link set {name} up"), SHORT)?;
    station.connected(lab.job.limit(25))?;
    ping_until_answer(lab.job.limit(10))?;
    ping_all(lab, 10)?;
    lab.step("unload while wpa_supplicant runs");
    bench.tear_down(lab)?;
    let _ = station.stop(lab.job.limit(10));
    Ok(())
}

pub(crate) fn hostile(lab: &mut Lab<'_>) -> Result<()> {
    let (_radios, _access_points, emulator) = Bench::without_driver(lab, &[WPA2], "--hostile")?;
    lab.step("a chip that lies");
    load_driver(lab)?;
    let start = Instant::now();
    let mut rounds = 0_u32;
    while start.elapsed() < Duration::from_secs(60) {
        rounds += 1;
        // Whatever the driver makes of it: nothing has to succeed, everything has to end.
        match interface() {
            Some(name) => {
                for command in [
                    format!("ip link set {name} up"),
                    format!("iw dev {name} scan"),
                    format!("iw dev {name} connect bes-open"),
                    format!("iw dev {name} disconnect"),
                    format!("ip link set {name} down"),
                ] {
                    lab.step(&format!("a chip that lies, round {rounds}: {command}"));
                    let _ = attempt(&command, lab.job.limit(30))?;
                }
            }
            None => {
                lab.step(&format!("a chip that lies, round {rounds}: load again"));
                std::thread::sleep(Duration::from_secs(1));
                if interface().is_none() {
                    unload_driver(lab)?;
                    load_driver(lab)?;
                    std::thread::sleep(lab.job.limit(1));
                }
            }
        }
    }
    lab.report.set("rounds", rounds);
    lab.step("unload the driver");
    unload_driver(lab)?;
    emulator.kill()?;
    works_again(lab)
}
