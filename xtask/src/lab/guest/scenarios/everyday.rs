//! What happens to a connection in a day, while somebody uses it.

use super::connect::WPA2;
use crate::lab::guest::bench::{connect, ping_until_answer, Bench};
use crate::lab::guest::control::Control;
use crate::lab::guest::measure::{ping, ping_of};
use crate::lab::guest::network::{Network, Security, AP_SPACE, SHORT};
use crate::lab::guest::process::run;
use crate::lab::guest::Lab;
use anyhow::{ensure, Context, Result};
use std::time::{Duration, Instant};

/// A network that does not say its name.
const HIDDEN: Network = Network::new("bes-hidden", Security::Wpa2, 1).hidden();

/// Where the access point moves to: channel 6.
const ELSEWHERE: u32 = 2437;

/// Beacons until it moves.
const BEACONS: u32 = 5;

/// Between two requests of `ping`.
const INTERVAL: Duration = Duration::from_millis(50);

/// Lets something happen in the middle of pings, of which not one may be lost.
fn during(
    lab: &mut Lab<'_>,
    what: &str,
    octets: u32,
    happens: impl FnOnce() -> Result<()>,
) -> Result<()> {
    lab.step(what);
    let found = std::thread::scope(|scope| {
        let pings = scope.spawn(|| ping_of(octets, 100, INTERVAL));
        std::thread::sleep(10 * INTERVAL);
        let happened = happens();
        let found = pings.join();
        happened?;
        found.unwrap_or_else(|_| anyhow::bail!("the thread of ping panicked"))
    })?;
    let before = lab.report.field("ping.lost").as_u64().unwrap_or(0);
    lab.report.set("ping.lost", before + found.lost);
    ensure!(
        found.lost == 0,
        "{what}: {} of {} requests of ping were lost",
        found.lost,
        found.sent
    );
    Ok(())
}

pub(crate) fn everyday(lab: &mut Lab<'_>) -> Result<()> {
    let bench = Bench::set_up(lab, &[WPA2, HIDDEN], "")?;
    let (interface, phy) = (bench.interface.clone(), bench.phy()?);
    let radio = bench.radios.interfaces.first().context("no radio")?.clone();
    let order = |text: &str| run(text, SHORT).map(drop);

    lab.step("a scan under another address");
    order(&format!("ip link set {interface} up"))?;
    let found = run(&format!("iw dev {interface} scan randomise"), SHORT)?.out;
    ensure!(
        found.contains(&format!("SSID: {}", WPA2.ssid)),
        "it does not find {}",
        WPA2.ssid
    );

    let mut station = bench.station(&WPA2, &[])?;
    connect(lab, &mut station)?;
    ping_until_answer(lab.job.limit(5))?;

    during(lab, "a scan of both bands", 56, || {
        let found = run(&format!("iw dev {interface} scan"), SHORT)?.out;
        let named = |network: &Network| found.contains(&format!("SSID: {}\n", network.ssid));
        ensure!(named(&WPA2), "the scan does not find {}", WPA2.ssid);
        ensure!(
            !named(&HIDDEN),
            "a scan that does not ask finds a hidden name"
        );
        Ok(())
    })?;
    during(lab, "a scan that is cancelled", 56, || {
        order(&format!("iw dev {interface} scan trigger"))?;
        std::thread::sleep(4 * INTERVAL);
        order(&format!("iw dev {interface} scan abort"))
    })?;
    during(lab, "power save off and on", 56, || {
        for word in ["off", "on", "off", "on"] {
            order(&format!("iw dev {interface} set power_save {word}"))?;
            std::thread::sleep(10 * INTERVAL);
        }
        Ok(())
    })?;
    during(lab, "RTS from 500 octets on", 1400, || {
        order(&format!("iw phy {phy} set rts 500"))
    })?;
    order(&format!("iw phy {phy} set rts off"))?;
    during(lab, "another country", 56, || {
        order("iw reg set DE")?;
        std::thread::sleep(10 * INTERVAL);
        order("iw reg set US")
    })?;

    lab.step("the access point moves to another channel");
    station.control.forget()?;
    let mut hostapd = Control::open(&format!("/run/hostapd/{radio}"), SHORT)?;
    hostapd.expect_ok(&format!("CHAN_SWITCH {BEACONS} {ELSEWHERE} ht"))?;
    hostapd.event(&["AP-CSA-FINISHED"], lab.job.limit(10))?;
    ping_until_answer(lab.job.limit(10))?;
    let shown = run(&format!("iw dev {interface} info"), SHORT)?.out;
    ensure!(
        shown.contains(&format!("({ELSEWHERE} MHz)")),
        "the station is not on {ELSEWHERE} MHz: {shown}"
    );
    let found = ping(40, INTERVAL)?;
    ensure!(found.lost == 0, "{} pings lost behind the move", found.lost);
    ensure!(
        !station.control.seen("CTRL-EVENT-DISCONNECTED")?,
        "the connection was lost"
    );

    lab.step("the access point sends the station away");
    let own = std::fs::read_to_string(format!("/sys/class/net/{interface}/address"))?;
    hostapd.expect_ok(&format!("DEAUTHENTICATE {}", own.trim()))?;
    let event = &["CTRL-EVENT-DISCONNECTED"];
    station.control.event(event, lab.job.limit(5))?;
    station.connected(lab.job.limit(25))?;
    ping_until_answer(lab.job.limit(5))?;

    lab.step("the access point is gone without a word");
    let start = Instant::now();
    order(&format!("ip -n {AP_SPACE} link set {radio} down"))?;
    station.control.event(event, lab.job.limit(20))?;
    lab.report
        .number("noticed_ms", start.elapsed().as_secs_f64() * 1e3);
    lab.step("the access point is back");
    order(&format!("ip -n {AP_SPACE} link set {radio} up"))?;
    station
        .control
        .event(&["CTRL-EVENT-CONNECTED"], lab.job.limit(40))?;
    ping_until_answer(lab.job.limit(5))?;
    station.stop(lab.job.limit(10))?;

    lab.step("a hidden network");
    let mut station = bench.station(&HIDDEN, &[])?;
    station.connect(lab.job.limit(25))?;
    order(&format!("ip neigh flush dev {interface}"))?;
    ping_until_answer(lab.job.limit(5))?;
    station.stop(lab.job.limit(10))?;
    bench.tear_down(lab)?;
    Ok(())
}
