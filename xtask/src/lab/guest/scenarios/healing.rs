//! The firmware ends, with a report and without; every rung of the recovery ladder is asked for; and each time the
//! connection comes back without anybody's help.

use super::connect::WPA2;
use crate::lab::guest::bench::{connect, ping_all, ping_until_answer, Bench};
use crate::lab::guest::card::{Ending, Folder};
use crate::lab::guest::measure::{Flow, Server};
use crate::lab::guest::network::SHORT;
use crate::lab::guest::process::{run, until};
use crate::lab::guest::Lab;
use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The rungs that keep or bring back the connection, as the driver calls them.
const RUNGS: [&str; 5] = [
    "retry",
    "abort",
    "interface-reset",
    "wifi-restart",
    "card-reset",
];

/// A chip that is silent is noticed when the driver waits for it in vain, and every rung below the download is tried.
const UNTIL_NOTICED: u32 = 60;

pub(crate) fn recover(lab: &mut Lab<'_>) -> Result<()> {
    let bench = Bench::set_up(lab, &[WPA2], "")?;
    let mut station = bench.station(&WPA2, &[WPA2.megahertz()])?;
    connect(lab, &mut station)?;
    ping_until_answer(lab.job.limit(5))?;
    ping_all(lab, 10)?;
    let folder = Folder::of_the_card()?;

    for rung in RUNGS {
        lab.step(&format!("somebody asks for {rung}"));
        let before = folder.rung(rung)?;
        let start = Instant::now();
        folder.write("recovery", rung)?;
        let tried = folder.rung(rung)? - before;
        ensure!(tried == 1, "{rung} was tried {tried} times, not once");
        ping_until_answer(lab.job.limit(30))?;
        lab.report.number(
            &format!("recovered_ms.{rung}"),
            start.elapsed().as_secs_f64() * 1e3,
        );
        ping_all(lab, 10)?;
    }

    lab.step("the firmware crashes in the middle of traffic");
    forget_dumps()?;
    let server = Server::start()?;
    let mut client = Flow::TCP_UP.start(60)?;
    std::thread::sleep(Duration::from_secs(1));
    client.check()?;
    let before = folder.rung("wifi-restart")?;
    let start = Instant::now();
    bench.emulator.end_firmware(Ending::Crash)?;
    until("the crash is noticed", lab.job.limit(10), || {
        Ok(folder
            .rung("wifi-restart")
            .is_ok_and(|tried| tried > before)
            .then_some(()))
    })?;
    ping_until_answer(lab.job.limit(20))?;
    lab.report
        .number("recovered_ms.crash", start.elapsed().as_secs_f64() * 1e3);
    client.check().context("the traffic did not go on")?;
    client.kill()?;
    server.stop()?;
    ping_all(lab, 10)?;
    let state = station.status("wpa_state")?;
    ensure!(state == "COMPLETED", "the connection is {state} now");

    lab.step("the core dump");
    let dump = until("a device core dump", lab.job.limit(5), || Ok(dumps().pop()))?;
    let text = fs::read_to_string(dump.join("data")).context("the core dump")?;
    for wanted in [
        "bes2600 core dump 1",
        "[failure]",
        "[exception]",
        "[messages]",
    ] {
        ensure!(text.contains(wanted), "the core dump has no {wanted}");
    }
    ensure!(
        text == folder.read("dump")?,
        "the core dump is another one than that in debugfs"
    );
    explained(lab, &dump.join("data"))?;
    forget_dumps()?;

    lab.step("the firmware falls silent");
    let before = folder.rung("card-reset")?;
    let start = Instant::now();
    bench.emulator.end_firmware(Ending::Silence)?;
    until(
        "the firmware is loaded again",
        lab.job.limit(UNTIL_NOTICED),
        || {
            // Somebody has to want something of the chip.
            let _ = ping_until_answer(Duration::ZERO);
            // A driver that is busy with a rung may not answer in time.
            Ok(folder
                .rung("card-reset")
                .is_ok_and(|tried| tried > before)
                .then_some(()))
        },
    )?;
    ping_until_answer(lab.job.limit(30))?;
    lab.report
        .number("recovered_ms.silence", start.elapsed().as_secs_f64() * 1e3);
    ping_all(lab, 10)?;

    lab.step("somebody gives the chip up");
    folder.write("recovery", "give-up")?;
    until("the interface is closed", lab.job.limit(10), || {
        let flags = fs::read_to_string(format!("/sys/class/net/{}/flags", bench.interface))?;
        let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16)?;
        Ok((flags & 1 == 0).then_some(()))
    })?;
    lab.step("opening the interface boots again");
    run(
        &format!("ip link set {} up", bench.interface),
        lab.job.limit(15),
    )?;
    ping_until_answer(lab.job.limit(40))?;
    ping_all(lab, 10)?;
    for page in ["state", "anomalies", "diagnosis", "counters", "recovery"] {
        ensure!(!folder.read(page)?.is_empty(), "debugfs: {page} is empty");
    }
    lab.report.set("recovery.text", folder.read("recovery")?);

    station.stop(lab.job.limit(10))?;
    bench.tear_down(lab)?;
    Ok(())
}

/// `bes-sim explain` reads what the kernel made, and knows what happened.
fn explained(lab: &Lab<'_>, dump: &Path) -> Result<()> {
    let program = lab.sim()?;
    let words = format!("{program} explain --json {}", dump.display());
    let digest: Value = serde_json::from_str(&run(&words, lab.job.limit(10))?.out)?;
    for (field, wanted) in [("reason", "firmware exception"), ("rung", "wifi-restart")] {
        let found = digest[field].as_str().unwrap_or_default();
        ensure!(
            found.contains(wanted),
            "{field} of the core dump: {found:?}"
        );
    }
    ensure!(
        digest["exception"]["registers"]
            .as_array()
            .is_some_and(|registers| registers.len() == 18),
        "the core dump has no registers: {}",
        digest["exception"]
    );
    for field in ["unreadable", "credits.leaked"] {
        let place = format!("/{}", field.replace('.', "/"));
        ensure!(
            digest.pointer(&place) == Some(&Value::from(0)),
            "{field} of the core dump is not 0: {digest}"
        );
    }
    Ok(())
}

/// The device core dumps there are.
fn dumps() -> Vec<PathBuf> {
    fs::read_dir("/sys/class/devcoredump")
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.join("data").exists())
                .collect()
        })
        .unwrap_or_default()
}

/// A dump is kept until somebody writes into it; a newer one would be lost.
fn forget_dumps() -> Result<()> {
    for dump in dumps() {
        fs::write(dump.join("data"), "0").context("cannot put a core dump away")?;
    }
    until("no core dump is left", SHORT, || {
        Ok(dumps().is_empty().then_some(()))
    })
}
