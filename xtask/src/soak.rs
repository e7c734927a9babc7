//! `cargo xtask soak`: an hour of traffic under each candidate for throughput that collapses, and one without.

use crate::bench;
use crate::project::Project;
use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::process::{Command, ExitCode};

/// How long and how much.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Virtual minutes of each soak.
    #[arg(long, default_value_t = 60)]
    minutes: u32,
    /// Offered download in MiB/s of packets.
    #[arg(long, default_value_t = 2.4)]
    rate: f64,
}

/// Least share of the throughput that has to be kept under a candidate.
const KEPT: f64 = 0.8;
/// Least share of the mean that the worst healthy minute has to reach.
const FLAT: f64 = 0.95;

/// Runs all of them and prints a table.
pub(crate) fn run(project: &Project, options: &Options) -> Result<ExitCode> {
    let program = bench::build(project)?;
    let mut good = true;
    println!(
        "{:<10} {:>9} {:>8} {:>8} {:>6}",
        "candidate", "diagnosis", "kept", "flat", ""
    );
    for candidate in 0..=6_u64 {
        let soak = soak(&program, candidate, options)?;
        let diagnosis = soak["diagnosis"].as_u64();
        let kept = soak["throughput"]["kept"].as_f64();
        let flat = soak["throughput"]["min_over_mean"].as_f64().unwrap_or(0.0);
        let enough = match kept {
            Some(kept) => kept >= KEPT,
            None => flat >= FLAT,
        };
        let passed = diagnosis == Some(candidate) && enough;
        good &= passed;
        println!(
            "{candidate:<10} {:>9} {:>8} {flat:>8.3} {:>6}",
            diagnosis.map_or_else(|| "none".into(), |number| number.to_string()),
            kept.map_or_else(|| "-".into(), |kept| format!("{kept:.3}")),
            if passed { "ok" } else { "FAILED" }
        );
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn soak(program: &str, candidate: u64, options: &Options) -> Result<Value> {
    let (minutes, rate) = (options.minutes.to_string(), options.rate.to_string());
    let mut command = Command::new(program);
    command.args(["soak", "--json", "--scan-every", "300", "--minutes"]);
    command.args([&minutes, "--rate", &rate]);
    if candidate != 0 {
        command.args(["--fault", &candidate.to_string()]);
    }
    let output = command.output().context("cannot run bes-sim")?;
    ensure!(
        output.status.success(),
        "bes-sim soak: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).context("bes-sim soak printed no JSON")
}
