//! `ping` and `iperf3`, and what they found.

use super::network::{AP_ADDRESS, AP_SPACE, SHORT, STATION_ADDRESS};
use super::process::{attempt, run, Daemon};
use anyhow::{bail, Context, Result};
use serde_json::Value;
use std::time::Duration;

/// What `ping` found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ping {
    /// Requests sent.
    pub(crate) sent: u64,
    /// Requests without an answer.
    pub(crate) lost: u64,
    /// Time of the first answer.
    pub(crate) first_ms: Option<f64>,
    /// The time that half of the answers did not exceed.
    pub(crate) median_ms: Option<f64>,
    /// The time that 95 % of the answers did not exceed.
    pub(crate) p95_ms: Option<f64>,
}

/// Octets of data of a request, if nothing else is wanted: the default of `ping`.
const OCTETS: u32 = 56;

/// Sends `count` requests to the access point, `interval` apart.
pub(crate) fn ping(count: u32, interval: Duration) -> Result<Ping> {
    ping_from("", AP_ADDRESS, OCTETS, count, interval)
}

/// The same with so many octets of data.
pub(crate) fn ping_of(octets: u32, count: u32, interval: Duration) -> Result<Ping> {
    ping_from("", AP_ADDRESS, octets, count, interval)
}

/// Sends `count` requests from the access point to the station, `interval` apart.
pub(crate) fn ping_station(count: u32, interval: Duration) -> Result<Ping> {
    let inside = format!("ip netns exec {AP_SPACE} ");
    ping_from(&inside, STATION_ADDRESS, OCTETS, count, interval)
}

fn ping_from(
    prefix: &str,
    address: &str,
    octets: u32,
    count: u32,
    interval: Duration,
) -> Result<Ping> {
    let limit = interval * count + Duration::from_secs(20);
    let ending = attempt(
        &format!(
            "{prefix}ping -n -c {count} -i {:.3} -s {octets} -W 2 {address}",
            interval.as_secs_f64()
        ),
        limit,
    )?;
    read_ping(&ending.out).with_context(|| format!("ping: {}{}", ending.out, ending.error))
}

fn read_ping(text: &str) -> Option<Ping> {
    let summary = text
        .lines()
        .find(|line| line.contains("packets transmitted"))?;
    let mut numbers = summary
        .split(", ")
        .filter_map(|part| part.split(' ').next()?.parse::<u64>().ok());
    let (sent, received) = (numbers.next()?, numbers.next()?);
    let mut times: Vec<f64> = text
        .lines()
        .filter_map(|line| {
            let time = line.split_once("time=")?.1;
            time.split(' ').next()?.parse().ok()
        })
        .collect();
    let first_ms = times.first().copied();
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        let last = times.len().checked_sub(1)?;
        times.get(last * percent / 100).copied()
    };
    Some(Ping {
        sent,
        lost: sent.saturating_sub(received),
        first_ms,
        median_ms: at(50),
        p95_ms: at(95),
    })
}

/// One measurement with `iperf3`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flow {
    /// Towards the station.
    pub(crate) down: bool,
    /// Datagrams at this rate instead of a TCP stream.
    pub(crate) udp_mbit: Option<u32>,
}

/// The `iperf3` server on the access point's side.
pub(crate) struct Server(Daemon);

impl Server {
    /// Starts it.
    pub(crate) fn start() -> Result<Self> {
        Self::start_as("iperf3")
    }

    /// Starts one for [`Flow::TCP_UP`] at full speed: it reads when nothing else is to be done, and then much at once. Otherwise
    /// it is woken for each frame, because the access point's simulated radio delivers them singly, and its system
    /// calls take half of the only processor's time. Datagrams would be lost while it waits.
    pub(crate) fn start_in_the_background() -> Result<Self> {
        Self::start_as("chrt --idle 0 iperf3")
    }

    fn start_as(program: &str) -> Result<Self> {
        let mut daemon = Daemon::start(
            "iperf3-server",
            &format!("ip netns exec {AP_SPACE} {program} -s --forceflush"),
        )?;
        super::process::until("iperf3 server", SHORT, || {
            daemon.check()?;
            Ok(daemon.text().contains("Server listening").then_some(()))
        })?;
        Ok(Self(daemon))
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Ends it, and waits until it has given its port back for the next one. In the background that takes its time.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.0.kill()
    }
}

/// Length of a datagram. Three frames: a system call is dear in a guest, and the machine itself must not be the limit.
pub(crate) const DATAGRAM: u32 = 4300;

impl Flow {
    /// TCP towards the access point.
    pub(crate) const TCP_UP: Self = Self {
        down: false,
        udp_mbit: None,
    };
    /// TCP towards the station.
    pub(crate) const TCP_DOWN: Self = Self {
        down: true,
        udp_mbit: None,
    };

    /// Datagrams at a rate.
    pub(crate) const fn udp(down: bool, mbit: u32) -> Self {
        Self {
            down,
            udp_mbit: Some(mbit),
        }
    }

    /// The command of the client.
    pub(crate) fn command(self, seconds: u32) -> String {
        let mut text =
            format!("iperf3 -c {AP_ADDRESS} -J -i 0 -t {seconds} --connect-timeout 5000");
        if self.down {
            text.push_str(" -R");
        }
        if let Some(mbit) = self.udp_mbit {
            text.push_str(&format!(" -u -b {mbit}M -l {DATAGRAM}"));
        }
        text
    }

    /// Runs it, and returns the megabits per second that arrived.
    pub(crate) fn measure(self, seconds: u32) -> Result<f64> {
        let limit = Duration::from_secs(u64::from(seconds) + 30);
        let text = self.command(seconds);
        let ending = attempt(&text, limit)?;
        read_iperf(&ending.out).with_context(|| format!("`{text}` {}", ending.error))
    }

    /// Starts it without waiting.
    pub(crate) fn start(self, seconds: u32) -> Result<Daemon> {
        Daemon::start("iperf3-client", &self.command(seconds))
    }
}

/// Megabits per second at the receiver, from the report of the client.
fn read_iperf(text: &str) -> Result<f64> {
    let report: Value = serde_json::from_str(text).context("iperf3 wrote no JSON")?;
    if let Some(error) = report["error"].as_str() {
        bail!("iperf3: {error}");
    }
    let end = &report["end"];
    // TCP and newer versions have the receiver's sum; older ones have one sum for UDP, with what was lost.
    let received = &end["sum_received"]["bits_per_second"];
    let bits = match received.as_f64() {
        Some(bits) if bits > 0.0 => bits,
        _ => {
            let sum = &end["sum"];
            let sent = sum["bits_per_second"]
                .as_f64()
                .context("iperf3's report has no sum")?;
            sent * (1.0 - sum["lost_percent"].as_f64().unwrap_or(0.0) / 100.0)
        }
    };
    Ok(bits / 1e6)
}

/// Sets up the answer to `ping` and connects the two sides: an ARP exchange happens before anything is measured.
pub(crate) fn warm_up() -> Result<()> {
    run(&format!("ping -n -c 1 -W 5 {AP_ADDRESS}"), SHORT).map(drop)
}

/// Processor time that a process has used so far.
pub(crate) fn cpu_time(process: u32) -> Option<Duration> {
    // Exact where the kernel counts it, in ticks of 10 ms elsewhere.
    let exact = std::fs::read_to_string(format!("/proc/{process}/schedstat")).ok();
    if let Some(nanoseconds) = exact.and_then(|text| text.split(' ').next()?.parse().ok()) {
        return Some(Duration::from_nanos(nanoseconds));
    }
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields = stat.rsplit_once(") ")?.1;
    let mut ticks = fields
        .split(' ')
        .skip(11)
        .map_while(|word| word.parse().ok());
    let (user, system): (u64, u64) = (ticks.next()?, ticks.next()?);
    Some(Duration::from_millis((user + system) * 10))
}

/// How often the threads of these processes have gone to sleep so far, which is how often they were woken.
pub(crate) fn wakeups(processes: &[u32]) -> u64 {
    processes
        .iter()
        .filter_map(|process| {
            let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
            line.trim().parse::<u64>().ok()
        })
        .sum()
}

/// Memory that programs could still have, in KiB.
pub(crate) fn available_kib() -> Option<i64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Processes by the beginning of their name (as the kernel cuts it).
pub(crate) fn processes(name: &str) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let comm = std::fs::read_to_string(entry.path().join("comm")).ok()?;
            comm.starts_with(name).then_some(id)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_ping_is_read() {
        let text = "PING 10.0.0.1 (10.0.0.1) 56(84) bytes of data.\n\
            64 bytes from 10.0.0.1: icmp_seq=1 ttl=64 time=2.31 ms\n\
            64 bytes from 10.0.0.1: icmp_seq=2 ttl=64 time=0.401 ms\n\n\
            --- 10.0.0.1 ping statistics ---\n\
            3 packets transmitted, 2 received, 33.3333% packet loss, time 402ms\n";
        assert_eq!(
            read_ping(text),
            Some(Ping {
                sent: 3,
                lost: 1,
                first_ms: Some(2.31),
                median_ms: Some(0.401),
                p95_ms: Some(0.401),
            })
        );
    }

    #[test]
    fn errors_between_the_numbers_of_ping_do_not_matter() {
        let text = "10 packets transmitted, 0 received, +6 errors, 100% packet loss, time 9ms\n";
        assert_eq!(
            read_ping(text),
            Some(Ping {
                sent: 10,
                lost: 10,
                first_ms: None,
                median_ms: None,
                p95_ms: None,
            })
        );
        assert_eq!(read_ping("ping: sendmsg: Network is unreachable\n"), None);
    }

    #[test]
    fn what_arrived_counts_in_a_report_of_iperf() {
        let tcp = r#"{"end":{"sum_sent":{"bits_per_second":7e7},"sum_received":{"bits_per_second":6.5e7}}}"#;
        assert!((read_iperf(tcp).unwrap() - 65.0).abs() < 1e-9);
        let udp = r#"{"end":{"sum":{"bits_per_second":8e7,"lost_percent":25}}}"#;
        assert!((read_iperf(udp).unwrap() - 60.0).abs() < 1e-9);
    }

    #[test]
    fn an_error_of_iperf_is_an_error() {
        let error = read_iperf(r#"{"error":"unable to connect to server"}"#).unwrap_err();
        assert!(error.to_string().contains("unable to connect"));
        assert!(read_iperf("").is_err());
    }

    #[test]
    fn the_command_says_direction_and_rate() {
        assert!(!Flow::TCP_UP.command(10).contains("-R"));
        assert!(Flow::udp(true, 90).command(10).contains("-R -u -b 90M"));
    }
}
