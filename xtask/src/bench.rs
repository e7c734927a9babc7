//! `cargo xtask bench`: throughput on the emulated chip, and what a frame costs in instructions.

use crate::callgrind;
use crate::project::{Project, PORTABLE};
use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use std::process::Command;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
    /// Count the driver's instructions for each frame under Valgrind, the emulated chip excluded.
    #[arg(long)]
    instructions: bool,
}

/// Frames of the two runs whose difference is taken, so that boot and join do not count.
const FRAMES: [u64; 2] = [2_000, 6_000];

/// Measures and prints.
pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    let program = build(project)?;
    let mut result = measure(&program)?;
    result["machine"] = machine();
    if options.instructions {
        for direction in ["rx", "tx"] {
            let count = |frames: u64| -> Result<u64> {
                let words = [
                    program.as_str(),
                    "bench",
                    "--json",
                    "--only",
                    direction,
                    "--frames",
                    &frames.to_string(),
                ]
                .map(str::to_owned);
                let costs = callgrind::instructions(project, &words)?;
                Ok(PORTABLE.iter().filter_map(|name| costs.get(name)).sum())
            };
            let [few, many] = [count(FRAMES[0])?, count(FRAMES[1])?];
            let frames = FRAMES[1] - FRAMES[0];
            let each = many.saturating_sub(few) as f64 / frames as f64;
            result[direction]["instructions_per_frame"] = json!((each * 10.0).round() / 10.0);
        }
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&result)?);
    } else {
        print("", &result);
    }
    Ok(())
}

fn build(project: &Project) -> Result<String> {
    let status = Command::new("cargo")
        .current_dir(&project.root)
        .args(["build", "--quiet", "--release", "-p", "bes-sim"])
        .status()?;
    ensure!(status.success(), "bes-sim does not compile");
    Ok(project.target.join("release/bes-sim").display().to_string())
}

fn measure(program: &str) -> Result<Value> {
    let output = Command::new(program).args(["bench", "--json"]).output()?;
    ensure!(
        output.status.success(),
        "bes-sim bench failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).context("bes-sim bench did not print JSON")
}

/// What the figures were measured on.
fn machine() -> Value {
    let cpu = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let compiler = Command::new("rustc")
        .arg("--version")
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default();
    json!({ "cpu": cpu, "cores": cores, "os": std::env::consts::OS, "compiler": compiler })
}

/// One line for each figure: `rx.mib_per_s  22.1`.
fn print(prefix: &str, value: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}.{name}")
                };
                print(&name, value);
            }
        }
        other => println!("{prefix:<40} {other}"),
    }
}
