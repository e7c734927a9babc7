//! What bus and driver can do when the air does not limit.

use crate::latency::{Latency, Percentiles};
use crate::report::Transfer;
use crate::rig::{Rig, Setup};
use crate::scene::{crowd, home, Scene, MOST_ACCESS_POINTS, OPEN};
use crate::transfer::{download, upload, MSDU};
use anyhow::Result;
use bes_hal::Duration;
use mock_hal::air::{ApId, Width};
use serde::Serialize;

/// Options of the command.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Bytes of each MSDU, LLC/SNAP included.
    #[arg(long, default_value_t = MSDU, value_name = "BYTES", value_parser = parse_msdu)]
    msdu: usize,
    /// Virtual time of each transfer, in milliseconds.
    #[arg(long, default_value_t = 2000, value_name = "MS")]
    time: u64,
    /// Only one direction: `down` or `up`. For instruction counts.
    #[arg(long, value_name = "DIRECTION")]
    only: Option<Direction>,
    /// So many access points in range, ours included, instead of the air of the demonstration. Adds a scan of the
    /// 2.4 GHz band to what is measured.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=i64::from(MOST_ACCESS_POINTS)))]
    access_points: Option<u8>,
    /// Print one JSON object instead of the table.
    #[arg(long)]
    json: bool,
}

/// Channels of the 2.4 GHz band.
const BAND_2_4: [u8; 13] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13];

/// Direction of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Direction {
    /// From the access point to the station.
    Down,
    /// From the station to the access point.
    Up,
}

fn parse_msdu(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes @ 100..=1560) => Ok(bytes),
        _ => Err(
            "give 100 to 1560 bytes: a frame has to hold its stamp and to fit a slot of 1632"
                .into(),
        ),
    }
}

/// What the command found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Bytes of each MSDU.
    pub msdu: usize,
    /// Raw rate of the bus in bytes per second.
    pub raw_bytes_per_s: f64,
    /// The scan, if access points were counted.
    pub scan: Option<Found>,
    /// Download.
    pub rx: Option<Transfer>,
    /// Upload.
    pub tx: Option<Transfer>,
    /// From the stack's hands to the acknowledgement, in the default air with as much to send as it takes.
    pub latency: Option<Percentiles>,
    /// Credits lost.
    pub leaked: u16,
    /// Anomalies.
    pub anomalies: u32,
    /// Violations.
    pub violations: u64,
}

/// What a scan found among several access points.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// Access points in range.
    pub access_points: u8,
    /// Those that the scan found.
    pub found: usize,
    /// How long it took.
    pub virtual_ms: f64,
}

/// A rig that is connected to the open network, with an air that does not limit.
pub fn connected(seed: u64) -> Result<(Rig, ApId)> {
    let Scene { air, open, .. } = home(seed, true, Width::Ht20);
    let mut rig = Rig::new(Setup::new(air));
    rig.bring_up()?;
    rig.scan(&[6], &[])?;
    rig.connect(OPEN, None)?;
    Ok((rig, open))
}

/// Measures.
pub fn measure(options: &Options) -> Result<Report> {
    let (mut rig, open, scan) = match options.access_points {
        None => {
            let (rig, open) = connected(1)?;
            (rig, open, None)
        }
        Some(access_points) => {
            let (air, open) = crowd(1, access_points);
            let mut rig = Rig::new(Setup::new(air));
            rig.bring_up()?;
            let start = rig.now();
            let found = rig.scan(&BAND_2_4, &[])?.len();
            let scan = Found {
                access_points,
                found,
                virtual_ms: rig.now().since(start).as_secs_f64() * 1e3,
            };
            rig.connect(OPEN, None)?;
            (rig, open, Some(scan))
        }
    };
    let time = Duration::from_millis(options.time);
    let rx =
        (options.only != Some(Direction::Up)).then(|| download(&mut rig, open, options.msdu, time));
    let tx = (options.only != Some(Direction::Down)).then(|| upload(&mut rig, options.msdu, time));
    let whole = options.only.is_none() && options.access_points.is_none();
    let latency = whole
        .then(|| latency(Width::Ht20, options.msdu, time))
        .transpose()?;
    Ok(Report {
        msdu: options.msdu,
        raw_bytes_per_s: rig
            .handle
            .with(|world| world.config().timing.raw_bytes_per_second())
            .unwrap_or(0.0),
        scan,
        rx,
        tx,
        latency,
        leaked: rig.device.bottom_half().leaked_credits(),
        anomalies: rig.device.anomalies().total(),
        violations: rig.violation_count(),
    })
}

/// How long frames take in the default air, of the given width, while the stack has as many as the driver asks for.
pub fn latency(width: Width, msdu: usize, time: Duration) -> Result<Percentiles> {
    let Scene { air, .. } = home(1, false, width);
    let mut rig = Rig::new(Setup::new(air));
    rig.bring_up()?;
    rig.scan(&[6], &[])?;
    rig.connect(OPEN, None)?;
    rig.pull = true;
    let handle = rig.handle.clone();
    rig.stack.latency = Some(Latency::new(move || handle.now()));
    let _ = upload(&mut rig, msdu, time);
    let latency = rig.stack.latency.take();
    Ok(latency.map_or_else(Percentiles::default, |latency| latency.percentiles()))
}

/// Runs the command.
pub fn run(options: &Options) -> Result<bool> {
    let report = measure(options)?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!(
            "bus: {:.1} MB/s raw; MSDUs of {} bytes; the air does not limit",
            report.raw_bytes_per_s / 1e6,
            report.msdu
        );
        if let Some(scan) = &report.scan {
            println!(
                "scan of the 2.4 GHz band: {} of {} access points in {:.0} ms",
                scan.found, scan.access_points, scan.virtual_ms
            );
        }
        print_transfers(report.rx.as_ref(), report.tx.as_ref());
        if let Some(latency) = &report.latency {
            println!(
                "latency of an uplink frame at saturation in the default air: {:.1} ms half of them, {:.1} ms 99 of 100",
                latency.p50_ms, latency.p99_ms
            );
        }
    }
    Ok(report.leaked == 0 && report.violations == 0)
}

/// Prints transfers as a table.
pub fn print_transfers(rx: Option<&Transfer>, tx: Option<&Transfer>) {
    println!(
        "{:<10} {:>9} {:>9} {:>8} {:>13} {:>15} {:>14} {:>17}",
        "",
        "frames",
        "MiB/s",
        "of bus",
        "frames/burst",
        "commands/frame",
        "wake-ups/1000",
        "dispatches/1000"
    );
    for (name, transfer) in [("download", rx), ("upload", tx)] {
        if let Some(transfer) = transfer {
            println!(
                "{:<10} {:>9} {:>9.2} {:>7.1}% {:>13.1} {:>15.3} {:>14.1} {:>17.1}",
                name,
                transfer.frames,
                transfer.mib_per_s,
                100.0 * transfer.bus_efficiency,
                transfer.frames_per_burst,
                transfer.bus_commands_per_frame,
                transfer.wakeups_per_1000_frames,
                transfer.dispatches_per_1000_frames
            );
        }
    }
}
