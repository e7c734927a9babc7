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

/// Name of a direction in the result, and on the command line of `bes-sim`.
const DIRECTIONS: [(&str, &str); 2] = [("rx", "down"), ("tx", "up")];

/// Milliseconds of virtual time of two runs. Their difference leaves out boot and join.
const TIMES: [&str; 2] = ["200", "600"];

/// Measures and prints.
pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    let program = build(project)?;
    let result = figures(project, &program, options.instructions)?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&result)?);
    } else {
        print("", &result);
    }
    Ok(())
}

/// Measures with `program`, which [`build`] made.
pub(crate) fn figures(project: &Project, program: &str, instructions: bool) -> Result<Value> {
    let mut result = measure(program)?;
    result["machine"] = machine();
    if instructions {
        for (name, direction) in DIRECTIONS {
            let [few, many] = TIMES.map(|time| count(project, program, name, direction, time));
            let (few, many) = (few?, many?);
            let frames = many.frames.saturating_sub(few.frames);
            ensure!(frames > 0, "no frames were moved");
            let each = many.instructions.saturating_sub(few.instructions) as f64 / frames as f64;
            result[name]["instructions_per_frame"] = json!((each * 10.0).round() / 10.0);
        }
    }
    Ok(result)
}

/// One run under Valgrind.
struct Count {
    /// Of the driver's crates.
    instructions: u64,
    frames: u64,
}

fn count(
    project: &Project,
    program: &str,
    name: &str,
    direction: &str,
    time: &str,
) -> Result<Count> {
    let words = [
        program, "bench", "--json", "--only", direction, "--time", time,
    ];
    let (costs, output) = callgrind::instructions(project, &words.map(str::to_owned))?;
    let report: Value =
        serde_json::from_slice(&output).context("bes-sim bench did not print JSON")?;
    Ok(Count {
        instructions: PORTABLE.iter().filter_map(|name| costs.get(name)).sum(),
        frames: report[name]["frames"]
            .as_u64()
            .context("no number of frames")?,
    })
}

/// Builds `bes-sim` and says where it is.
pub(crate) fn build(project: &Project) -> Result<String> {
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
