//! How fast it is, and what it costs.

use super::connect::{OPEN, WPA2};
use crate::lab::guest::bench::{connect, ping_all, Bench};
use crate::lab::guest::measure::{available_kib, cpu_time, ping, processes, wakeups, Flow, Server};
use crate::lab::guest::network::{Network, Security, SHORT};
use crate::lab::guest::process::run;
use crate::lab::guest::trace::{Counts, Recording};
use crate::lab::guest::Lab;
use anyhow::{ensure, Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

/// How long each flow is measured.
const SECONDS: u32 = 10;

/// 40 MHz, in 5 GHz because 2.4 GHz has no room for it.
const WIDE: Network = Network::new("bes-wide", Security::Wpa2, 36).wide();

/// What one flow cost.
#[derive(Default)]
struct Cost {
    counts: Counts,
    received: u64,
    sent: u64,
    bytes: u64,
    wakeups: u64,
    driver: Duration,
    emulator: Duration,
    traffic: Duration,
    idle: Duration,
    whole: Duration,
}

impl Cost {
    fn frames(&self) -> u64 {
        self.received + self.sent
    }

    fn join(&mut self, other: &Self) {
        self.counts.join(&other.counts);
        self.received += other.received;
        self.sent += other.sent;
        self.bytes += other.bytes;
        self.wakeups += other.wakeups;
        self.driver += other.driver;
        self.emulator += other.emulator;
        self.traffic += other.traffic;
        self.idle += other.idle;
        self.whole += other.whole;
    }
}

pub(crate) fn throughput(lab: &mut Lab<'_>) -> Result<()> {
    // Tasklets that run while there is no driver are those of the access point's radio.
    let options = lab.job.emulator.clone();
    let (radios, access_points, emulator) = Bench::without_driver(lab, &[WPA2], &options)?;
    lab.step("which tasklets are the access point's");
    let recording = Recording::start()?;
    std::thread::sleep(Duration::from_secs(1));
    let known: BTreeSet<u64> = recording.finish()?.tasklets.into_keys().collect();
    lab.step("load the driver");
    let free = Free::look();
    let start = Instant::now();
    let (interface, time) = crate::lab::guest::card::bring_up(lab)?;
    lab.report.number("up_ms", time.as_secs_f64() * 1e3);
    free.note(lab, "memory.card_kib");
    let size = fs::read_to_string("/sys/module/bes2600/coresize")?;
    lab.report.number(
        "memory.module_kib",
        size.trim().parse::<f64>().context("coresize")? / 1024.0,
    );
    let mut bench = Bench {
        radios,
        access_points,
        emulator,
        interface,
    };
    let mut all = Cost::default();
    first_connection(lab, &bench, start)?;
    measure(lab, &bench, &WPA2, "", &mut all)?;
    lab.step("40 MHz");
    // The radio is the same, so its tasklet is.
    bench.access_points.clear();
    let radio = bench.radios.interfaces.first().context("no radio")?;
    let access_point = crate::lab::guest::network::AccessPoint::start(0, radio, &WIDE)?;
    bench.access_points.push(access_point);
    let mut wide = Cost::default();
    measure(lab, &bench, &WIDE, "ht40.", &mut wide)?;
    all.join(&wide);
    note(lab, &all, &known)?;
    bench.tear_down(lab)?;
    Ok(())
}

/// Memory that was available at a moment.
struct Free(Option<i64>);

impl Free {
    fn look() -> Self {
        Self(available_kib())
    }

    /// What has been used since; other programs use some of it.
    fn note(&self, lab: &mut Lab<'_>, field: &str) {
        // What was just given back may still be on its way.
        std::thread::sleep(Duration::from_millis(200));
        if let (Some(before), Some(now)) = (self.0, available_kib()) {
            lab.report.set(field, before - now);
        }
    }
}

/// From the module's load to a connection, what a connection takes of the memory, and how long an answer takes when
/// nothing else happens and when everything is full.
fn first_connection(lab: &mut Lab<'_>, bench: &Bench, loaded: Instant) -> Result<()> {
    let mut station = bench.station(&WPA2, &[WPA2.megahertz()])?;
    let free = Free::look();
    connect(lab, &mut station)?;
    lab.report
        .number("load_to_connected_ms", loaded.elapsed().as_secs_f64() * 1e3);
    let idle = ping_all(lab, 40)?;
    free.note(lab, "memory.connection_kib");
    let mut found = vec![("idle", idle)];
    let server = Server::start()?;
    for (name, flow) in [("up", Flow::TCP_UP), ("down", Flow::TCP_DOWN)] {
        lab.step(&format!("ping beside iperf3, {name}"));
        let mut client = flow.start(60)?;
        std::thread::sleep(Duration::from_secs(1));
        found.push((name, ping(40, Duration::from_millis(100))?));
        client.check()?;
        client.kill()?;
    }
    server.stop()?;
    for (name, ping) in found {
        let times = [("median_ms", ping.median_ms), ("p95_ms", ping.p95_ms)];
        for (field, time) in times {
            let time = time.with_context(|| format!("no answer to ping, {name}"))?;
            lab.report.number(&format!("latency.{name}.{field}"), time);
        }
        lab.report.set(&format!("latency.{name}.lost"), ping.lost);
    }
    station.stop(lab.job.limit(10))
}

fn measure(
    lab: &mut Lab<'_>,
    bench: &Bench,
    network: &Network,
    prefix: &str,
    all: &mut Cost,
) -> Result<()> {
    let mut station = bench.station(network, &[network.megahertz()])?;
    station.connect(lab.job.limit(25))?;
    ping_all(lab, 10)?;
    // A little more than the air carries: the surplus is dropped by the sender's queue, as with any socket.
    let udp = if network.wide { 180 } else { 85 };
    let flows = [
        ("tcp_down_mbit", Flow::TCP_DOWN),
        ("tcp_up_mbit", Flow::TCP_UP),
        ("udp_down_mbit", Flow::udp(true, udp)),
        ("udp_up_mbit", Flow::udp(false, udp)),
    ];
    for (name, flow) in flows {
        lab.step(&format!("iperf3, {prefix}{name}"));
        let server = if flow == Flow::TCP_UP {
            Server::start_in_the_background()?
        } else {
            Server::start()?
        };
        let before = Snapshot::take(bench, &server)?;
        let recording = Recording::start()?;
        let mbit = flow.measure(SECONDS)?;
        let counts = recording.finish()?;
        let cost = before.until_now(bench, &server, counts)?;
        lab.report.number(&format!("{prefix}{name}"), mbit);
        let frames = cost.frames() as f64;
        let place = format!("flows.{prefix}{}", name.trim_end_matches("_mbit"));
        lab.report.number(
            &format!("{place}.commands_per_frame"),
            cost.counts.commands() as f64 / frames,
        );
        let (in_direction, transfers) = if flow.down {
            (cost.received, cost.counts.reads)
        } else {
            (cost.sent, cost.counts.writes)
        };
        lab.report.number(
            &format!("{place}.frames_per_transfer"),
            in_direction as f64 / transfers as f64,
        );
        lab.report.number(
            &format!("{place}.driver_us_per_frame"),
            cost.driver.as_secs_f64() * 1e6 / frames,
        );
        lab.report.number(
            &format!("{place}.driver_ms_per_megabyte"),
            cost.driver.as_secs_f64() * 1e9 / cost.bytes as f64,
        );
        let whole = cost.whole.as_secs_f64();
        for (who, time) in [
            ("driver", cost.driver),
            ("emulator", cost.emulator),
            ("server", cost.traffic),
            ("idle", cost.idle),
        ] {
            lab.report
                .number(&format!("{place}.{who}"), time.as_secs_f64() / whole);
        }
        all.join(&cost);
        server.stop()?;
    }
    let link = run(&format!("iw dev {} link", bench.interface), SHORT)?.out;
    if let Some(rate) = link
        .lines()
        .find_map(|line| line.trim().strip_prefix("tx bitrate: "))
    {
        if let Some(limit) = rate.split(' ').next().and_then(|rate| rate.parse().ok()) {
            lab.report
                .number(&format!("limits.{prefix}air_tcp_mbit"), air_tcp_mbit(limit));
        }
        lab.report
            .set(&format!("limits.{prefix}air"), rate.to_owned());
    }
    station.stop(lab.job.limit(10))
}

/// What TCP gets of air of this physical rate when nothing else is slow, in Mbit/s: A-MPDUs of 32 KiB, the most that the
/// emulated chip and the access point send, answered by an A-MPDU with an acknowledgement for each two segments. IEEE 802.11-2016,
/// sections 10.22 (access: AIFSN 3 and 7.5 slots of backoff), 19.3 and 19.4.3 (HT-mixed PPDU); block acks at 24 Mbit/s;
/// MPDUs with QoS header, CCMP, LLC and FCS behind a delimiter.
fn air_tcp_mbit(rate: f64) -> f64 {
    const SEGMENT: f64 = 1448.0;
    const OVERHEAD: f64 = 26.0 + 16.0 + 8.0 + 4.0 + 4.0;
    // Microseconds: SIFS, three slots and the backoff, preamble with signal extension, SIFS and block ack. In 5 GHz there is
    // no extension and a longer SIFS, which comes to the same within 3 %.
    const EXCHANGE: f64 = (10.0 + 3.0 * 9.0 + 7.5 * 9.0) + (36.0 + 6.0) + (10.0 + 38.0);
    let data = 52.0 + SEGMENT + OVERHEAD;
    let frames = (32.0 * 1024.0 / data).floor();
    let acknowledgement = 52.0 + OVERHEAD;
    let bits = 8.0 * (frames * data + frames / 2.0 * acknowledgement);
    8.0 * frames * SEGMENT / (2.0 * EXCHANGE + bits / rate)
}

fn note(lab: &mut Lab<'_>, all: &Cost, known: &BTreeSet<u64>) -> Result<()> {
    ensure!(
        all.frames() > 1000,
        "only {} frames were moved",
        all.frames()
    );
    let frames = all.frames() as f64;
    lab.report.number(
        "bus.commands_per_frame",
        all.counts.commands() as f64 / frames,
    );
    let tasklets = all.counts.tasklets_without(known);
    lab.report.set("events.tasklets", tasklets);
    lab.report.number(
        "events.work_per_1000_frames",
        all.counts.all_work() as f64 * 1000.0 / frames,
    );
    for (function, count) in all.counts.busiest(5) {
        lab.report.number(
            &format!("events.work.{function}"),
            count as f64 * 1000.0 / frames,
        );
    }
    lab.report.number(
        "events.wakeups_per_1000_frames",
        all.wakeups as f64 * 1000.0 / frames,
    );
    lab.report.set("events.lost", all.counts.lost);
    lab.report
        .number("cpu_us_per_frame", all.driver.as_secs_f64() * 1e6 / frames);
    lab.report.number(
        "cpu_ms_per_megabyte",
        all.driver.as_secs_f64() * 1e9 / all.bytes as f64,
    );
    lab.report.set("limits.bus", "4 bit, 50 MHz: 200 Mbit/s");
    let whole = all.whole.as_secs_f64();
    for (name, time) in [
        ("driver", all.driver),
        ("emulator", all.emulator),
        ("iperf3", all.traffic),
        ("idle", all.idle),
        (
            // The rest: mac80211 and the IP stack below the tasks' own time, the medium, interrupts.
            "stacks_and_medium",
            all.whole
                .saturating_sub(all.driver + all.emulator + all.traffic + all.idle),
        ),
    ] {
        lab.report
            .number(&format!("time_shares.{name}"), time.as_secs_f64() / whole);
    }
    ensure!(
        tasklets == 0,
        "{tasklets} tasklets were scheduled by the driver"
    );
    Ok(())
}

/// Counters at one moment.
struct Snapshot {
    at: Instant,
    received: u64,
    sent: u64,
    bytes: u64,
    wakeups: u64,
    driver: Duration,
    emulator: Duration,
    server: Duration,
    idle: Duration,
}

impl Snapshot {
    fn take(bench: &Bench, server: &Server) -> Result<Self> {
        let statistic = |name: &str| -> Result<u64> {
            let path = format!("/sys/class/net/{}/statistics/{name}", bench.interface);
            Ok(fs::read_to_string(path)?.trim().parse()?)
        };
        Ok(Self {
            at: Instant::now(),
            received: statistic("rx_packets")?,
            sent: statistic("tx_packets")?,
            bytes: statistic("rx_bytes")? + statistic("tx_bytes")?,
            wakeups: wakeups(&processes("bes2600")),
            driver: processes("bes2600").into_iter().filter_map(cpu_time).sum(),
            emulator: threads_time(bench.emulator.id()),
            server: threads_time(server.id()),
            idle: idle_time()?,
        })
    }

    fn until_now(&self, bench: &Bench, server: &Server, counts: Counts) -> Result<Cost> {
        let now = Self::take(bench, server)?;
        Ok(Cost {
            counts,
            received: now.received - self.received,
            sent: now.sent - self.sent,
            bytes: now.bytes - self.bytes,
            wakeups: now.wakeups.saturating_sub(self.wakeups),
            driver: now.driver.saturating_sub(self.driver),
            emulator: now.emulator.saturating_sub(self.emulator),
            traffic: now.server.saturating_sub(self.server),
            idle: now.idle.saturating_sub(self.idle),
            whole: now.at - self.at,
        })
    }
}

/// Processor time of all threads of a process, and of those it started: `ip netns exec` becomes what it executes.
fn threads_time(process: u32) -> Duration {
    let Ok(entries) = fs::read_dir(format!("/proc/{process}/task")) else {
        return Duration::ZERO;
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(cpu_time)
        .sum()
}

fn idle_time() -> Result<Duration> {
    let text = fs::read_to_string("/proc/stat")?;
    let ticks: u64 = text
        .lines()
        .next()
        .and_then(|line| line.split_whitespace().nth(4))
        .and_then(|word| word.parse().ok())
        .context("/proc/stat")?;
    Ok(Duration::from_millis(ticks * 10))
}

/// A simpler measure for the medium without a card.
pub(crate) fn medium(lab: &mut Lab<'_>) -> Result<()> {
    use crate::lab::guest::card::Emulator;
    use crate::lab::guest::measure::warm_up;
    use crate::lab::guest::network::{interface_of, phys, AccessPoint, Radios, Station};
    lab.step("load the simulated radios");
    let radios = Radios::load(2, 1)?;
    let phy = phys().into_iter().next().context("no radio is left")?;
    let interface = interface_of(&phy).context("the radio has no interface")?;
    lab.step("start the medium");
    let emulator = Emulator::start(lab, "--cards none")?;
    for network in [OPEN, WPA2] {
        lab.step(&format!("access point {}", network.ssid));
        let radio = radios.interfaces.first().context("no radio")?;
        let _access_point = AccessPoint::start(0, radio, &network)?;
        let mut station = Station::start(&interface, &network, &[network.megahertz()])?;
        connect(lab, &mut station)?;
        warm_up()?;
        ping_all(lab, 20)?;
        if lab.job.slowness == 1 && network.security == Security::Wpa2 {
            lab.step("iperf3");
            let server = Server::start()?;
            let down = Flow::TCP_DOWN.measure(3)?;
            let up = Flow::TCP_UP.measure(3)?;
            lab.report.number("tcp_down_mbit", down);
            lab.report.number("tcp_up_mbit", up);
            server.stop()?;
        }
        station.stop(lab.job.limit(10))?;
    }
    lab.step("end the medium");
    let report = emulator.finish(lab.job.limit(10))?;
    ensure!(
        report["medium"]["from_radios"].as_u64().unwrap_or(0) > 100,
        "the medium carried nothing: {}",
        report["medium"]
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_gets_four_fifths_of_a_slow_air_and_less_of_a_fast_one() {
        // By hand: 21 MPDUs of 1558 octets and 10.5 of 110, 2 * 194.5 us beside them.
        let by_hand = 21.0 * 1448.0 * 8.0 / (389.0 + 8.0 * (21.0 * 1558.0 + 10.5 * 110.0) / 72.2);
        assert!((air_tcp_mbit(72.2) - by_hand).abs() < 0.05);
        assert!((58.0..60.0).contains(&air_tcp_mbit(72.2)));
        assert!((108.0..112.0).contains(&air_tcp_mbit(150.0)));
    }
}
