//! Finding the card, finding networks, connecting to them.

use crate::lab::guest::bench::{connect, ping_all, ping_until_answer, Bench};
use crate::lab::guest::network::{Network, Security, Station, SHORT};
use crate::lab::guest::process::run;
use crate::lab::guest::Lab;
use anyhow::{ensure, Context, Result};
use std::fs;
use std::time::Duration;

/// An open network.
pub(crate) const OPEN: Network = Network::new("bes-open", Security::Open, 6);
/// A network of the first WPA.
const TKIP: Network = Network::new("bes-tkip", Security::Tkip, 1);
/// A WEP network.
const WEP: Network = Network::new("bes-wep", Security::Wep, 6);
/// A WPA2 network.
pub(crate) const WPA2: Network = Network::new("bes-wpa2", Security::Wpa2, 11);
/// A WPA3 network.
pub(crate) const WPA3: Network = Network::new("bes-wpa3", Security::Wpa3, 1);
/// A WPA3 network on 5 GHz, with 40 MHz.
pub(crate) const WPA3_5G: Network = Network::new("bes-wpa3-5g", Security::Wpa3, 36).wide();

/// What `iw phy` has to show of specification file 30: bands, one spatial stream, cipher suites, interface types.
const CAPABILITIES: [(&str, &str); 9] = [
    ("Band 1:", "2.4 GHz"),
    ("Band 2:", "5 GHz"),
    ("2412", "channel 1"),
    ("5180", "channel 36"),
    ("HT20/HT40", "40 MHz"),
    ("RX HT20 SGI", "short guard interval"),
    ("CCMP-128 (00-0f-ac:4)", "CCMP"),
    ("* managed", "station"),
    (
        "HT TX/RX MCS rate indexes supported: 0-7",
        "one spatial stream",
    ),
];

pub(crate) fn probe(lab: &mut Lab<'_>) -> Result<()> {
    let bench = Bench::set_up(lab, &[], "")?;
    lab.step("capabilities");
    let phy = bench.phy()?;
    let shown = run(&format!("iw phy {phy} info"), SHORT)?.out;
    for (text, what) in CAPABILITIES {
        ensure!(
            shown.contains(text),
            "iw phy does not show {what} (`{text}`)"
        );
    }
    ensure!(
        bench.interface == "wlan0",
        "the interface is called {}, not wlan0",
        bench.interface
    );
    let address = fs::read_to_string("/sys/class/net/wlan0/address")?;
    let first = u8::from_str_radix(address.get(..2).unwrap_or(""), 16).context("address")?;
    ensure!(
        first & 1 == 0 && address.trim() != "00:00:00:00:00:00",
        "{} is no address of a station",
        address.trim()
    );
    bench.tear_down(lab)?;
    Ok(())
}

pub(crate) fn scan(lab: &mut Lab<'_>) -> Result<()> {
    let networks = [OPEN, WPA2, WPA3_5G];
    let bench = Bench::set_up(lab, &networks, "")?;
    for attempt in 1..=3 {
        lab.step(&format!("scan {attempt}"));
        let found = run(
            &format!("iw dev {} scan", bench.interface),
            lab.job.limit(20),
        )?;
        lab.report.number("scan_ms", found.time.as_secs_f64() * 1e3);
        for (network, access_point) in networks.iter().zip(&bench.access_points) {
            ensure!(
                found.out.contains(&format!("BSS {}", access_point.bssid))
                    && found.out.contains(&format!("SSID: {}", network.ssid)),
                "scan {attempt} did not find {} on channel {}",
                network.ssid,
                network.channel
            );
        }
    }
    bench.tear_down(lab)?;
    Ok(())
}

/// Connects to one network, with a scan of all channels as a user's machine does it.
pub(crate) fn join(lab: &mut Lab<'_>, network: Network) -> Result<()> {
    let bench = Bench::set_up(lab, &[network], "")?;
    let mut station = bench.station(&network, &[])?;
    connect(lab, &mut station)?;
    ping_all(lab, 40)?;
    check(&bench, 0, &mut station, &network)?;
    lab.step("disconnect");
    station.disconnect(lab.job.limit(10))?;
    lab.step("connect again");
    station.connect(lab.job.limit(25))?;
    ping_all(lab, 10)?;
    station.stop(lab.job.limit(10))?;
    bench.tear_down(lab)?;
    Ok(())
}

fn check(bench: &Bench, number: usize, station: &mut Station, network: &Network) -> Result<()> {
    let access_point = bench.access_points.get(number).context("no access point")?;
    ensure!(
        station.status("bssid")? == access_point.bssid,
        "connected to somebody else"
    );
    let (management, pairwise) = (
        station.status("key_mgmt")?,
        station.status("pairwise_cipher")?,
    );
    let wanted = match network.security {
        Security::Open => ("NONE", "NONE"),
        Security::Wep => ("NONE", "WEP-40"),
        Security::Tkip => ("WPA-PSK", "TKIP"),
        Security::Wpa2 => ("WPA2-PSK", "CCMP"),
        Security::Wpa3 => ("SAE", "CCMP"),
    };
    ensure!(
        (management.as_str(), pairwise.as_str()) == wanted,
        "protected by {management} and {pairwise}, not {} and {}",
        wanted.0,
        wanted.1
    );
    if network.security == Security::Wpa3 {
        ensure!(
            station.status("pmf")? == "2",
            "management frames are not protected"
        );
    }
    if network.wide {
        let shown = run(&format!("iw dev {} info", bench.interface), SHORT)?.out;
        ensure!(
            shown.contains("width: 40 MHz"),
            "not 40 MHz wide: {}",
            shown.trim()
        );
    }
    Ok(())
}

/// Old networks, one after the other. Frames are encrypted by the chip on one side and by mac80211 on the other.
pub(crate) fn legacy(lab: &mut Lab<'_>) -> Result<()> {
    let networks = [(TKIP, "00-0f-ac:2"), (WEP, "00-0f-ac:1")];
    let bench = Bench::set_up(lab, &networks.map(|(network, _)| network), "")?;
    for (number, (network, cipher)) in networks.into_iter().enumerate() {
        let mut station = bench.station(&network, &[network.megahertz()])?;
        connect(lab, &mut station)?;
        check(&bench, number, &mut station, &network)?;
        // The access points have the same IP address.
        run(&format!("ip neigh flush dev {}", bench.interface), SHORT)?;
        ping_until_answer(lab.job.limit(5))?;
        ping_all(lab, 40)?;
        lab.step("keys");
        let keys = keys(&bench.phy()?)?;
        ensure!(
            !keys.is_empty() && keys.iter().all(|key| key.cipher == cipher && key.in_chip),
            "the chip does not encrypt with {cipher}: {keys:?}"
        );
        ensure!(
            keys.iter().all(|key| key.failures == 0),
            "frames were refused: {keys:?}"
        );
        station.stop(lab.job.limit(10))?;
    }
    bench.tear_down(lab)?;
    Ok(())
}

/// A key, as mac80211 shows it.
#[derive(Debug)]
struct Key {
    /// Its cipher suite.
    cipher: String,
    /// The driver took it.
    in_chip: bool,
    /// Frames whose Michael MIC was wrong.
    failures: u64,
}

fn keys(phy: &str) -> Result<Vec<Key>> {
    let mut keys = Vec::new();
    let folder = format!("/sys/kernel/debug/ieee80211/{phy}/keys");
    for entry in fs::read_dir(&folder).with_context(|| folder.clone())? {
        let entry = entry?.path();
        let text = |name: &str| -> Result<String> {
            Ok(fs::read_to_string(entry.join(name))?.trim().to_owned())
        };
        let flags = text("flags")?;
        let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16)?;
        keys.push(Key {
            cipher: text("algorithm")?,
            // KEY_FLAG_UPLOADED_TO_HARDWARE
            in_chip: flags & 1 != 0,
            // Only TKIP has it.
            failures: match text("mic_failures") {
                Ok(count) => count.parse()?,
                Err(_) => 0,
            },
        });
    }
    Ok(keys)
}

pub(crate) fn roam(lab: &mut Lab<'_>) -> Result<()> {
    let networks = [WPA2.on_channel(1), WPA2.on_channel(11)];
    let bench = Bench::set_up(lab, &networks, "")?;
    let frequencies = networks.map(|network| network.megahertz());
    let mut station = bench.station(&WPA2, &frequencies)?;
    connect(lab, &mut station)?;
    ping_until_answer(lab.job.limit(5))?;
    let mut slowest = Duration::ZERO;
    for round in 1..=4 {
        let here = station.status("bssid")?;
        let there = bench
            .access_points
            .iter()
            .map(|access_point| access_point.bssid.clone())
            .find(|bssid| *bssid != here)
            .context("there is only one access point")?;
        lab.step(&format!("roam {round}: from {here} to {there}"));
        station.control.forget()?;
        let start = std::time::Instant::now();
        station.control.expect_ok(&format!("ROAM {there}"))?;
        station.connected(lab.job.limit(15))?;
        slowest = slowest.max(start.elapsed());
        ensure!(
            station.status("bssid")? == there,
            "still at {here} after the roam"
        );
        // The two access points share no wire: the other one has the same IP address with another hardware address.
        run(&format!("ip neigh flush dev {}", bench.interface), SHORT)?;
        ping_until_answer(lab.job.limit(5))?;
        ping_all(lab, 10)?;
    }
    lab.report.number("roam_ms", slowest.as_secs_f64() * 1e3);
    station.stop(lab.job.limit(10))?;
    bench.tear_down(lab)?;
    Ok(())
}
