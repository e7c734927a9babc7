//! What the program found, for people and for other programs. The field names of the JSON are part of the interface.

use serde::Serialize;

/// Boot: what the firmware download took.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Boot {
    /// Download messages sent.
    pub messages: u64,
    /// Bytes of images and data in them.
    pub bytes: u64,
    /// From power on to running firmware.
    pub virtual_ms: f64,
}

/// One network that a scan found.
#[derive(Clone, Debug, Serialize)]
pub struct Network {
    /// Name; empty if hidden.
    pub ssid: String,
    /// Address.
    pub bssid: String,
    /// Channel number.
    pub channel: u8,
    /// Signal.
    pub signal_dbm: i8,
}

/// A scan.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Scan {
    /// Networks.
    pub bss: Vec<Network>,
    /// How long it took.
    pub virtual_ms: f64,
}

/// A connection.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Join {
    /// From the wish to connect until data flows, for the slowest of the networks.
    pub virtual_ms: f64,
    /// Each network that was joined.
    pub networks: Vec<Joined>,
}

/// One connection.
#[derive(Clone, Debug, Serialize)]
pub struct Joined {
    /// Name.
    pub ssid: String,
    /// `open` or `wpa2`.
    pub security: &'static str,
    /// From the wish to connect until data flows.
    pub virtual_ms: f64,
}

/// A replayed capture.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Replay {
    /// Frames that went from the air up through the driver.
    pub frames_up: u64,
    /// Frames that went down through the driver to the air.
    pub frames_down: u64,
    /// Frames that came out different, or not at all.
    pub mismatched: u64,
    /// Frames of the capture that are nobody's here: control frames, and those of other stations.
    pub left_out: u64,
}

/// A saturated transfer in one direction.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Transfer {
    /// 802.11 data frames.
    pub frames: u64,
    /// Payload rate, counted in 802.11 frame bytes.
    pub mib_per_s: f64,
    /// Share of the raw bus rate that 802.11 frame bytes reached.
    pub bus_efficiency: f64,
    /// Messages per burst (received) or batch (sent).
    pub frames_per_burst: f64,
    /// SDIO commands per frame.
    pub bus_commands_per_frame: f64,
    /// How often the owner of the bus was woken.
    pub wakeups_per_1000_frames: f64,
    /// Hand-overs to the stack.
    pub dispatches_per_1000_frames: f64,
}

/// Credits at the end.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Credits {
    /// Input buffers of the chip.
    pub capacity: u16,
    /// Credits that are neither free nor held by anything.
    pub leaked: u16,
}

/// Everything the demonstration found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Demo {
    /// Boot.
    pub boot: Boot,
    /// Scan.
    pub scan: Scan,
    /// Connections.
    pub join: Join,
    /// Replayed capture.
    pub replay: Replay,
    /// Saturated download.
    pub rx: Transfer,
    /// Saturated upload.
    pub tx: Transfer,
    /// Credits.
    pub credits: Credits,
    /// What was not as it should be, as the driver counts it.
    pub anomalies: u32,
    /// What the driver did against the specification, as the chip counts it.
    pub violations: u64,
}

/// A soak.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Soak {
    /// Throughput.
    pub throughput: Throughput,
    /// Scans.
    pub scans: Scans,
    /// Frames.
    pub frames: Frames,
    /// What was not as it should be.
    pub anomalies: u32,
    /// Kinds of anomalies with their counts.
    pub anomaly_kinds: std::collections::BTreeMap<String, u32>,
    /// How often the program had to start the session anew, because the driver had given up.
    pub recoveries: u32,
    /// The candidate that the driver names, as numbered in the specification (file 50, section 4); 0 for none.
    pub diagnosis: u8,
    /// Failures that the driver did something about by itself.
    pub incidents: u32,
    /// What it did, by rung of the recovery ladder.
    pub rungs: std::collections::BTreeMap<String, u32>,
    /// Faults that were injected, by name.
    pub faults: std::collections::BTreeMap<String, u64>,
    /// Core dumps that the driver made.
    pub core_dumps: u32,
    /// The last of them; `bes-sim explain` reads it.
    #[serde(skip)]
    pub core_dump: Vec<u8>,
}

/// A soak with the pattern of somebody who reads web pages.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Browse {
    /// Virtual minutes.
    pub minutes: u32,
    /// Pages that were loaded.
    pub pages: u64,
    /// Sleep of the chip.
    pub sleep: SleepReport,
    /// Frames.
    pub frames: Frames,
    /// What was not as it should be.
    pub anomalies: u32,
    /// Kinds of anomalies with their counts.
    pub anomaly_kinds: std::collections::BTreeMap<String, u32>,
}

/// Sleep of the chip.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SleepReport {
    /// Share of the idle time in which the chip slept.
    pub idle_share: f64,
    /// Idle time.
    pub idle_seconds: f64,
    /// Of this, asleep.
    pub asleep_seconds: f64,
    /// How often the chip fell asleep, as it counts itself.
    pub sleeps: u64,
    /// Reasons to stay awake that outlived their owner and expired.
    pub reasons_expired: u32,
    /// What went wrong with falling asleep and waking.
    pub anomalies: u32,
}

/// Throughput over time.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Throughput {
    /// Mean of the minutes.
    pub mean_mib_per_s: f64,
    /// The worst minute over the mean.
    pub min_over_mean: f64,
    /// Mean over the mean of the same soak without faults; none without faults.
    pub kept: Option<f64>,
    /// Each minute.
    pub per_minute: Vec<f64>,
}

/// Scans during a soak.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Scans {
    /// Scans the stack asked for.
    pub started: u64,
    /// Requests that the chip refused.
    pub refused: u64,
}

/// Frames during a soak.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Frames {
    /// Frames that got through.
    pub delivered: u64,
    /// Frames that did not arrive, in both directions.
    pub lost: u64,
}
