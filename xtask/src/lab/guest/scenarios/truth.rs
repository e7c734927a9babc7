//! What the tools of a user say is what happened; and traffic goes on while the keys change.

use super::connect::WPA2;
use crate::lab::guest::bench::{connect, ping_all, ping_until_answer, Bench};
use crate::lab::guest::measure::{ping, Flow, Server};
use crate::lab::guest::network::{AP_SPACE, SHORT};
use crate::lab::guest::process::run;
use crate::lab::guest::Lab;
use anyhow::{ensure, Context, Result};
use std::time::Duration;

/// Frames that may pass between two looks at counters: null frames, management, ARP.
const BETWEEN: u64 = 40;

/// Two counts of the same frames agree, but for those that passed between the looks.
fn agree(what: &str, one: u64, other: u64) -> Result<()> {
    ensure!(
        one.abs_diff(other) <= BETWEEN,
        "{what}: {one} and {other} are different"
    );
    Ok(())
}

pub(crate) fn statistics(lab: &mut Lab<'_>) -> Result<()> {
    let bench = Bench::set_up(lab, &[WPA2], "")?;
    let mut station = bench.station(&WPA2, &[WPA2.megahertz()])?;
    connect(lab, &mut station)?;
    ping_until_answer(lab.job.limit(5))?;
    lab.step("traffic in both directions");
    let server = Server::start()?;
    Flow::TCP_UP.measure(2)?;
    Flow::TCP_DOWN.measure(2)?;
    server.stop()?;
    ping_all(lab, 20)?;

    lab.step("four counts of the same frames");
    let interface = &bench.interface;
    let ours = run(&format!("iw dev {interface} station dump"), SHORT)?.out;
    let radio = bench.radios.interfaces.first().context("no radio")?;
    let theirs = run(
        &format!("ip netns exec {AP_SPACE} iw dev {radio} station dump"),
        SHORT,
    )?
    .out;
    let driver = run(&format!("ethtool -S {interface}"), SHORT)?.out;
    let named = |text: &str, name: &str| -> Result<u64> {
        number(text, name).with_context(|| format!("no {name} in:\n{text}"))
    };
    let (sent, heard) = (named(&ours, "tx packets")?, named(&ours, "rx packets")?);
    ensure!(
        sent > 1000 && heard > 1000,
        "only {sent} frames sent and {heard} heard"
    );
    for (name, value) in [
        ("station_tx", sent),
        ("station_rx", heard),
        ("access_point_rx", named(&theirs, "rx packets")?),
        ("access_point_tx", named(&theirs, "tx packets")?),
        ("driver_tx_acked", named(&driver, "tx_acked")?),
        ("driver_rx", named(&driver, "rx_frames")?),
        ("chip_tx_ok", named(&driver, "chip_tx_ok")?),
        ("chip_rx_ok", named(&driver, "chip_rx_ok")?),
    ] {
        lab.report.set(&format!("counts.{name}"), value);
    }
    let failed = named(&driver, "tx_not_acked")?;
    // The air loses nothing: what mac80211 handed down arrived.
    agree(
        "sent, and heard by the access point",
        sent,
        named(&theirs, "rx packets")?,
    )?;
    agree(
        "sent, and acknowledged as the driver counts",
        sent,
        named(&driver, "tx_acked")? + failed,
    )?;
    agree(
        "acknowledged as the driver and as the chip count",
        named(&driver, "tx_acked")?,
        named(&driver, "chip_tx_ok")?,
    )?;
    agree(
        "heard, and acknowledged by us as the access point counts",
        heard,
        named(&theirs, "tx packets")?,
    )?;
    agree(
        "failed as iw and as the driver count",
        named(&ours, "tx failed")?,
        failed,
    )?;
    // The driver and the chip also count beacons, and everything else that is not for this station alone.
    ensure!(
        named(&driver, "rx_frames")? >= heard.saturating_sub(BETWEEN)
            && named(&driver, "chip_rx_ok")? >= heard.saturating_sub(BETWEEN),
        "the driver or the chip heard less than the {heard} frames that went up"
    );
    for rate in ["tx bitrate:", "rx bitrate:"] {
        ensure!(ours.contains(rate), "iw station dump shows no {rate}");
    }
    let signal = signed(&ours, "signal:").context("iw station dump shows no signal")?;
    ensure!(
        (-47..=-43).contains(&signal),
        "{signal} dBm; the medium has -45"
    );
    let survey = run(&format!("iw dev {interface} survey dump"), SHORT)?.out;
    ensure!(
        survey.contains(&format!("{} MHz [in use]", WPA2.megahertz())),
        "the survey does not show the channel in use"
    );

    lab.step("the chip's own count");
    let (acked, failures) = (
        named(&driver, "tx_acked")?,
        named(&driver, "chip_tx_failures")?,
    );
    station.stop(lab.job.limit(10))?;
    let report = bench.tear_down(lab)?;
    let transmitted = report["cards"][0]["frames_sent"]
        .as_u64()
        .context("the emulator does not say how many frames it sent")?;
    lab.report.set("counts.emulator_tx", transmitted);
    // Each attempt counts there, and those of the scan.
    agree(
        "acknowledged as the driver counts, and sent by the emulator",
        acked + failures,
        transmitted,
    )
}

/// How often the access point changes the pairwise key, in seconds.
const EVERY: u32 = 2;

pub(crate) fn rekey(lab: &mut Lab<'_>) -> Result<()> {
    let network = WPA2.rekeyed(EVERY);
    let bench = Bench::set_up(lab, &[network], "")?;
    let mut station = bench.station(&network, &[network.megahertz()])?;
    connect(lab, &mut station)?;
    ping_until_answer(lab.job.limit(5))?;
    station.control.forget()?;
    lab.step("ping while the keys change");
    let found = ping(600, Duration::from_millis(20))?;
    lab.report.set("ping.lost", found.lost);
    let changes = station.control.count("WPA: Key negotiation completed")?;
    lab.report.set("rekeyed", changes);
    ensure!(changes >= 3, "the keys changed {changes} times only");
    // Both ends have one pairwise key and no common clock: what is under way when one of them changes it cannot be
    // deciphered by the other (IEEE 802.11 has a second key id against that, which neither hostapd nor the chip uses).
    ensure!(
        found.lost <= u64::try_from(changes)?,
        "{} of {} requests of ping were lost in {changes} changes of the key",
        found.lost,
        found.sent
    );
    ensure!(
        !station.control.seen("CTRL-EVENT-DISCONNECTED")?,
        "the connection was lost"
    );
    station.stop(lab.job.limit(10))?;
    bench.tear_down(lab)?;
    Ok(())
}

/// The number behind a name and a colon.
fn number(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.split_whitespace().next()?.parse().ok())?
    })
}

/// The same with a sign.
fn signed(text: &str, name: &str) -> Option<i64> {
    text.lines().find_map(|line| {
        let value = line.trim().strip_prefix(name)?;
        value.split_whitespace().next()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_their_whole_name() {
        let dump = "Station 02:00:00:00:00:00 (on wlan0)\n\trx packets:\t112\n\ttx packets:\t98\n\ttx failed:\t0\n\
            \tsignal:  \t-45 [-45] dBm\n\tsignal avg:\t-44 dBm\n";
        assert_eq!(number(dump, "tx packets"), Some(98));
        assert_eq!(number(dump, "packets"), None);
        assert_eq!(signed(dump, "signal:"), Some(-45));
        assert_eq!(
            number("     tx_acked: 7\n     tx_acked_bytes: 9\n", "tx_acked"),
            Some(7)
        );
    }
}
