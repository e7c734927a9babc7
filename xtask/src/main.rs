//! Tasks of the project: `cargo xtask test`, `cargo xtask lab`, `cargo xtask fuzz`, `cargo xtask bench`.

mod bench;
mod callgrind;
mod core_only;
mod defects;
mod fuzz;
mod lab;
#[cfg(test)]
mod layers;
mod project;
mod report;
mod soak;
mod stack;
mod step;
mod test;
mod tree;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Tasks of the BES2600 driver.
#[derive(Parser)]
#[command(name = "cargo xtask", version, about)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that can be tested, with a summary at the end. With CI=true nothing may be skipped.
    Test(test::Options),
    /// The driver inside a real Linux, on an emulated chip.
    Lab(lab::Options),
    /// Feeds the parsers and the driver with mutated input.
    Fuzz(fuzz::Options),
    /// Throughput and cost on the emulated chip.
    Bench(bench::Options),
    /// An hour of traffic under each of the six candidates for throughput that collapses, and one without.
    Soak(soak::Options),
    /// Every figure, measured now, on one HTML page with plots.
    Report(report::Options),
    /// Counts the instructions of a command under Valgrind.
    Callgrind(callgrind::Options),
    /// Measures how much stack the driver takes.
    Stack,
    /// Proves that the portable crates need nothing but `core`.
    CoreOnly,
}

fn main() -> Result<ExitCode> {
    if let Some(job) = lab::guest::job() {
        lab::guest::main(&job);
    }
    let task = Arguments::parse().task;
    let project = project::Project::find()?;
    match task {
        Task::Test(options) => test::run(&project, &options),
        Task::Lab(options) => lab::run(&project, &options),
        Task::Fuzz(options) => fuzz::run(&project, &options),
        Task::Bench(options) => bench::run(&project, &options).map(|()| ExitCode::SUCCESS),
        Task::Soak(options) => soak::run(&project, &options),
        Task::Report(options) => report::run(&project, &options).map(|()| ExitCode::SUCCESS),
        Task::Callgrind(options) => callgrind::run(&project, &options).map(|()| ExitCode::SUCCESS),
        Task::Stack => stack::run(&project).map(|()| ExitCode::SUCCESS),
        Task::CoreOnly => core_only::run(&project).map(|()| ExitCode::SUCCESS),
    }
}
