//! Several independent chips and drivers in one process.

use crate::bench::connected;
use crate::report::Transfer;
use crate::transfer::{download, upload, MSDU};
use anyhow::Result;
use bes_hal::Duration;
use serde::Serialize;
use std::time::Instant as WallClock;

/// Options of the command.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// How many chips, 1 to 64.
    #[arg(default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    chips: u8,
    /// Virtual time of each transfer, in milliseconds.
    #[arg(long, default_value_t = 500, value_name = "MS")]
    time: u64,
    /// Print one JSON object instead of the table.
    #[arg(long)]
    json: bool,
}

/// What one chip did and cost.
#[derive(Clone, Debug, Serialize)]
pub struct Chip {
    /// Download.
    pub rx: Transfer,
    /// Upload.
    pub tx: Transfer,
    /// Credits lost.
    pub leaked: u16,
    /// Anomalies.
    pub anomalies: u32,
}

/// What the command found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How many chips there were.
    pub chips: u8,
    /// Bytes of a driver with its transport, queues and tables.
    pub driver_bytes: usize,
    /// Real time of boot, join and both transfers, per chip, in milliseconds. Machines differ; compare, do not quote.
    pub real_ms_per_chip: f64,
    /// Each chip.
    pub per_chip: Vec<Chip>,
}

/// Boots N chips, connects each, and moves data on all of them in turns.
pub fn measure(chips: u8, time: Duration) -> Result<Report> {
    let start = WallClock::now();
    let mut rigs = (0..chips)
        .map(|n| connected(u64::from(n) + 1))
        .collect::<Result<Vec<_>>>()?;
    // In slices, so that all of them are alive at once and nothing can hide in a global.
    let mut per_chip = Vec::with_capacity(rigs.len());
    for (rig, open) in &mut rigs {
        let rx = download(rig, *open, MSDU, time);
        per_chip.push(Chip {
            rx,
            tx: Transfer::default(),
            leaked: 0,
            anomalies: 0,
        });
    }
    for ((rig, _), chip) in rigs.iter_mut().zip(&mut per_chip) {
        chip.tx = upload(rig, MSDU, time);
        chip.leaked = rig.device.bottom_half().leaked_credits();
        chip.anomalies = rig.device.anomalies().total();
    }
    Ok(Report {
        chips,
        driver_bytes: rigs
            .first()
            .map_or(0, |(rig, _)| std::mem::size_of_val(&rig.device)),
        real_ms_per_chip: start.elapsed().as_secs_f64() * 1e3 / f64::from(chips),
        per_chip,
    })
}

/// Runs the command.
pub fn run(options: &Options) -> Result<bool> {
    let report = measure(options.chips, Duration::from_millis(options.time))?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!(
            "{:>5} {:>15} {:>13} {:>8} {:>10}",
            "chip", "download MiB/s", "upload MiB/s", "leaked", "anomalies"
        );
        for (number, chip) in report.per_chip.iter().enumerate() {
            println!(
                "{:>5} {:>15.2} {:>13.2} {:>8} {:>10}",
                number, chip.rx.mib_per_s, chip.tx.mib_per_s, chip.leaked, chip.anomalies
            );
        }
        println!(
            "per chip: {} bytes of driver state, {:.1} ms of real time on this machine (boot, join, both transfers)",
            report.driver_bytes, report.real_ms_per_chip
        );
    }
    Ok(report.per_chip.iter().all(|chip| chip.leaked == 0))
}
