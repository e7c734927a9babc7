//! The program a newcomer runs first: `bes-sim --help` explains it.

use anyhow::Result;
use bes_sim::{bench, chips, demo, emu, explain, images, replay, soak, trace};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The BES2600 Wi-Fi driver and an emulated chip in one program.
///
/// Everything but `emu` runs in virtual time on an emulated SDIO bus; no hardware is needed, and none has been tried.
/// Without a command it runs `demo`.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Boots the chip, joins an open and a WPA2 network, replays a capture, and moves data at full rate.
    Demo(demo::Options),
    /// Sends a capture of one station through driver and chip, and compares every frame that comes out.
    Replay(replay::Options),
    /// Hours of traffic, scans and faults in virtual time, with throughput per minute.
    Soak(soak::Options),
    /// Shows everything that crosses the bus during boot, join and a little traffic.
    Trace(trace::Options),
    /// Several chips and drivers in one process, and what each of them costs.
    Chips(chips::Options),
    /// Reads a core dump of the driver and says what happened, and what to make of it.
    Explain(explain::Options),
    /// Saturated transfers on an unlimited air: what bus and driver can do. Used by `cargo xtask bench`.
    Bench(bench::Options),
    /// The emulated chip in real time, as a card of the kernel's virtual SDIO host, with mac80211_hwsim as its air.
    Emu(emu::Options),
    /// Writes made-up firmware files into a folder, under the names a kernel asks for.
    Firmware(images::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let command = arguments
        .command
        .unwrap_or_else(|| Command::Demo(demo::Options::default()));
    match run(command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bes-sim: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs a command; `false` means that it ran, and that what it showed is not as it should be.
fn run(command: Command) -> Result<bool> {
    match command {
        Command::Demo(options) => demo::run(&options),
        Command::Replay(options) => replay::run(&options),
        Command::Soak(options) => soak::run(&options),
        Command::Trace(options) => trace::run(&options),
        Command::Chips(options) => chips::run(&options),
        Command::Explain(options) => explain::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Emu(options) => emu::run(&options),
        Command::Firmware(options) => images::run(&options),
    }
}
