//! The emulated chip and the driver: inserted, loaded, unloaded, asked what happened.

use super::network::{interface_of, phys, SHORT};
use super::process::{run, until, Daemon};
use super::Lab;
use anyhow::{ensure, Context, Result};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How a firmware ends by order.
#[derive(Clone, Copy)]
pub(crate) enum Ending {
    /// With a report of its exception.
    Crash,
    /// Without a word.
    Silence,
}

/// The files of the driver's folder in debugfs.
const PAGES: [&str; 9] = [
    "state",
    "counters",
    "queues",
    "in_flight",
    "anomalies",
    "messages",
    "recovery",
    "diagnosis",
    "dump",
];

/// The driver's folder in debugfs.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The folder of the card.
    pub(crate) fn of_the_card() -> Result<Self> {
        fs::read_dir("/sys/kernel/debug")?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| {
                let name = path.file_name().and_then(|name| name.to_str());
                name.is_some_and(|name| name.starts_with("bes2600-"))
            })
            .map(Self)
            .context("the driver has no folder in debugfs")
    }

    /// What a file says.
    pub(crate) fn read(&self, file: &str) -> Result<String> {
        fs::read_to_string(self.0.join(file)).with_context(|| format!("debugfs: {file}"))
    }

    /// All files, for whoever has to find out what went wrong.
    pub(crate) fn all(&self) -> String {
        let mut text = String::new();
        for page in PAGES {
            let page_text = self
                .read(page)
                .unwrap_or_else(|error| format!("{error:#}\n"));
            text.push_str(&format!("== {page}\n{page_text}\n"));
        }
        text
    }

    /// What was not as it should be, and how often: `3 late transmit confirm`.
    pub(crate) fn anomalies(&self) -> Result<Vec<String>> {
        Ok(counted(&self.read("anomalies")?))
    }

    /// Writes a word into a file.
    pub(crate) fn write(&self, file: &str, word: &str) -> Result<()> {
        fs::write(self.0.join(file), word).with_context(|| format!("debugfs: {word} to {file}"))
    }

    /// How often a rung of the recovery ladder was tried.
    pub(crate) fn rung(&self, name: &str) -> Result<u64> {
        rung(&self.read("recovery")?, name)
            .with_context(|| format!("debugfs: recovery has no {name}"))
    }
}

/// The lines of the anomalies that begin with a counter above zero; the others are single events with their time.
fn counted(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| {
            let count = line.split_whitespace().next().unwrap_or("");
            line.starts_with(' ') && count.parse::<u64>().is_ok_and(|count| count > 0)
        })
        .map(|line| line.trim().to_owned())
        .collect()
}

/// `wifi-restart     2 tried, 1 of them asked for, 0 left out; last at ...`
fn rung(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == name).then(|| words.next()?.parse().ok())?
    })
}

/// A running `bes-sim emu`: the card in slot 0, unless it was told otherwise, and the medium.
pub(crate) struct Emulator {
    daemon: Daemon,
}

impl Emulator {
    /// Starts it and waits until it is ready. The virtual host is loaded before, if a card is wanted.
    pub(crate) fn start(lab: &Lab<'_>, options: &str) -> Result<Self> {
        let program = lab.sim()?;
        let mut emulator = Self {
            daemon: Daemon::start("emu", &format!("{program} emu --json {options}"))?,
        };
        until("bes-sim emu: ready", lab.job.limit(10), || {
            emulator.daemon.check()?;
            Ok(emulator.text().contains("ready:").then_some(()))
        })?;
        Ok(emulator)
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.daemon.id()
    }

    /// Ends it in order, and returns what it reports.
    pub(crate) fn finish(mut self, limit: Duration) -> Result<Value> {
        self.daemon.check()?;
        self.daemon.terminate();
        let status = self.daemon.wait(limit)?;
        let text = self.text();
        ensure!(status.success(), "bes-sim emu: {status}: {}", text.trim());
        let report = text
            .lines()
            .rev()
            .find(|line| line.starts_with('{'))
            .context("bes-sim emu wrote no report")?;
        serde_json::from_str(report).context("bes-sim emu's report")
    }

    /// Ends the firmware of the card, which stays in its slot.
    pub(crate) fn end_firmware(&self, how: Ending) -> Result<()> {
        ensure!(!self.daemon.text().contains('{'), "bes-sim emu has ended");
        self.daemon.signal(match how {
            Ending::Crash => Signal::USR1,
            Ending::Silence => Signal::USR2,
        });
        Ok(())
    }

    /// Ends it in the middle of things: its cards are pulled out.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.daemon.kill()
    }

    fn text(&self) -> String {
        self.daemon.text()
    }
}

/// Loads the virtual host.
pub(crate) fn load_host() -> Result<()> {
    run("/run/modprobe vsdio", SHORT)?;
    until("/dev/vsdio0", SHORT, || {
        Ok(Path::new("/dev/vsdio0").exists().then_some(()))
    })
}

/// Loads the driver.
pub(crate) fn load_driver(lab: &Lab<'_>) -> Result<()> {
    run("/run/modprobe bes2600", lab.job.limit(20)).map(drop)
}

/// Unloads the driver.
pub(crate) fn unload_driver(lab: &Lab<'_>) -> Result<()> {
    run("/run/modprobe -r bes2600", lab.job.limit(20)).map(drop)
}

/// Whether a module is loaded.
pub(crate) fn is_loaded(module: &str) -> bool {
    Path::new("/sys/module").join(module).exists()
}

/// The network interface of the card, if the driver has registered one: its device is one of the SDIO bus.
pub(crate) fn interface() -> Option<String> {
    phys().iter().find_map(|phy| {
        let device = format!("/sys/class/ieee80211/{phy}/device/subsystem");
        let bus = fs::read_link(device).ok()?;
        (bus.file_name()? == "sdio").then(|| interface_of(phy))?
    })
}

/// The physical device of the card.
pub(crate) fn phy() -> Option<String> {
    let interface = interface()?;
    let link = fs::read_link(format!("/sys/class/net/{interface}/phy80211")).ok()?;
    Some(link.file_name()?.to_str()?.to_owned())
}

/// Waits until the driver has registered its interface.
pub(crate) fn wait_interface(lab: &Lab<'_>) -> Result<String> {
    until("a network interface of the card", lab.job.limit(15), || {
        Ok(interface())
    })
}

/// Waits until the driver has taken its interface away.
pub(crate) fn wait_gone(lab: &Lab<'_>) -> Result<()> {
    until("the interface is taken away", lab.job.limit(15), || {
        Ok(interface().is_none().then_some(()))
    })
}

/// Loads the driver, waits for the interface, switches it on; returns its name and the time that took.
pub(crate) fn bring_up(lab: &Lab<'_>) -> Result<(String, Duration)> {
    let start = Instant::now();
    load_driver(lab)?;
    let name = wait_interface(lab)?;
    run(&format!("ip link set {name} up"), lab.job.limit(10))?;
    Ok((name, start.elapsed()))
}

/// What the driver did against the specification, as the chip saw it: there must be nothing.
pub(crate) fn check_report(report: &Value) -> Result<()> {
    for card in report["cards"].as_array().into_iter().flatten() {
        let violations = card["violations"].as_u64().unwrap_or(0);
        ensure!(
            violations == 0,
            "the chip saw {violations} violations of the specification: {}",
            card["violation_texts"]
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anomalies_that_happened_are_found() {
        let text = "       0 credits leaked\n       2 interrupt lost, or overtaken by a look\n12.5 interrupt lost, or overtaken by a look\n";
        assert_eq!(counted(text), ["2 interrupt lost, or overtaken by a look"]);
    }

    #[test]
    fn the_counter_of_a_rung_is_found_by_its_name() {
        let text = "incidents 2\nretry            3 tried, 1 of them asked for, 0 left out; last at 7.5 s: busy\n\
                    card-reset       0 tried, 0 of them asked for, 0 left out\n";
        assert_eq!(
            (rung(text, "retry"), rung(text, "card-reset")),
            (Some(3), Some(0))
        );
        assert_eq!(rung(text, "card"), None);
    }
}
