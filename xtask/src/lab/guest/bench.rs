//! What most scenarios begin and end with: access points, a card, the driver.

use super::card::{bring_up, check_report, load_host, phy, unload_driver, Emulator, Folder};
use super::measure::{ping, Ping};
use super::network::{AccessPoint, Network, Radios, Station};
use super::Lab;
use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::time::{Duration, Instant};

/// A set-up with access points, the card and the driver.
pub(crate) struct Bench {
    /// The access points' simulated radios.
    pub(crate) radios: Radios,
    /// The access points.
    pub(crate) access_points: Vec<AccessPoint>,
    /// The emulated chip.
    pub(crate) emulator: Emulator,
    /// The card's interface.
    pub(crate) interface: String,
}

impl Bench {
    /// Sets everything up; each network has an access point of its own.
    pub(crate) fn set_up(lab: &mut Lab<'_>, networks: &[Network], options: &str) -> Result<Self> {
        let (radios, access_points, emulator) = Self::without_driver(lab, networks, options)?;
        lab.step("load the driver");
        let (interface, time) = bring_up(lab)?;
        lab.report.number("up_ms", time.as_secs_f64() * 1e3);
        Ok(Self {
            radios,
            access_points,
            emulator,
            interface,
        })
    }

    /// Everything but the driver: the card is in its slot, and nobody looks at it.
    pub(crate) fn without_driver(
        lab: &Lab<'_>,
        networks: &[Network],
        options: &str,
    ) -> Result<(Radios, Vec<AccessPoint>, Emulator)> {
        lab.step("load the simulated radios");
        let radios = Radios::load(networks.len().max(1), 0)?;
        lab.step("insert the card");
        load_host()?;
        let emulator = Emulator::start(lab, options)?;
        let mut access_points = Vec::new();
        for (number, network) in networks.iter().enumerate() {
            lab.step(&format!("access point {}", network.ssid));
            let interface = radios
                .interfaces
                .get(number)
                .context("a radio has no interface")?;
            access_points.push(AccessPoint::start(number, interface, network)?);
        }
        Ok((radios, access_points, emulator))
    }

    /// A station on the card's interface, not connected yet.
    pub(crate) fn station(&self, network: &Network, frequencies: &[u32]) -> Result<Station> {
        Station::start(&self.interface, network, frequencies)
    }

    /// The card's physical device.
    pub(crate) fn phy(&self) -> Result<String> {
        phy().context("the card has no physical device")
    }

    /// Takes the driver and the card away and returns what the emulator reports.
    pub(crate) fn tear_down(self, lab: &mut Lab<'_>) -> Result<Value> {
        let anomalies = Folder::of_the_card()?.anomalies()?;
        lab.report.set("anomalies", anomalies);
        lab.step("unload the driver");
        unload_driver(lab)?;
        lab.step("remove the card");
        let report = self.emulator.finish(lab.job.limit(10))?;
        note(lab, &report);
        check_report(&report)?;
        Ok(report)
    }
}

/// Copies what the emulator counted into the result.
pub(crate) fn note(lab: &mut Lab<'_>, report: &Value) {
    let card = &report["cards"][0];
    for (field, name) in [
        ("bus.commands_per_frame", "commands_per_message"),
        ("bus.frames_per_burst", "messages_per_burst"),
        ("bus.frames_per_transfer", "messages_per_transfer"),
        ("time_shares.emulated_chip", "chip"),
    ] {
        let value = card[name].as_f64().or_else(|| card["time"][name].as_f64());
        if let (Some(value), true) = (value, lab.report.field(field).is_null()) {
            lab.report.number(field, value);
        }
    }
}

/// Connects, and says how long it took and how long the first `ping` after it.
pub(crate) fn connect(lab: &mut Lab<'_>, station: &mut Station) -> Result<Duration> {
    lab.step("connect");
    let time = station.connect(lab.job.limit(25))?;
    lab.report.number("connected_ms", time.as_secs_f64() * 1e3);
    Ok(time)
}

/// Pings; not one answer may be missing. On a slow kernel the requests are fewer and further apart: more than it can answer are
/// lost in the queues of the stacks.
pub(crate) fn ping_all(lab: &mut Lab<'_>, count: u32) -> Result<Ping> {
    lab.step("ping");
    let slowness = lab.job.slowness;
    let count = if slowness > 1 {
        count.div_ceil(4)
    } else {
        count
    };
    let found = ping(count, Duration::from_millis(50) * slowness)?;
    let before = lab.report.field("ping.lost").as_u64().unwrap_or(0);
    lab.report.set("ping.lost", before + found.lost);
    if let (Some(first), true) = (found.first_ms, lab.report.field("ping.first_ms").is_null()) {
        lab.report.number("ping.first_ms", first);
    }
    ensure!(
        found.lost == 0,
        "{} of {} requests of ping were lost",
        found.lost,
        found.sent
    );
    Ok(found)
}

/// Pings until an answer comes: the first frames after a connection may be lost with the ARP exchange.
pub(crate) fn ping_until_answer(limit: Duration) -> Result<()> {
    let start = Instant::now();
    loop {
        let found = ping(1, Duration::from_millis(100))?;
        if found.lost == 0 {
            return Ok(());
        }
        ensure!(
            start.elapsed() < limit,
            "no answer to ping within {} s",
            limit.as_secs_f64()
        );
    }
}
