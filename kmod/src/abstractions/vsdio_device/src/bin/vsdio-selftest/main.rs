// SPDX-License-Identifier: GPL-2.0-only

//! Tests `vsdio.ko` on the machine it runs on: needs root, the module loaded with four slots that nobody uses, sysfs and
//! `/dev` mounted. `docs/vsdio.md` says how it is run.
//!
//! One line a check; exit code 0: all passed, 1: not, 2: stuck.

mod answers;
mod card;
mod checks;
mod hostile;
mod kernel_log;
mod lives;
mod serve;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Longer than all checks take on a kernel with all of its own checks on.
const WATCHDOG: Duration = Duration::from_secs(240);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => run(),
        ["card", mode @ ("hold" | "serve"), path] => {
            match lives::run_child(mode, Path::new(path)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("{error}");
                    ExitCode::FAILURE
                }
            }
        }
        _ => {
            eprintln!("usage: vsdio-selftest");
            ExitCode::FAILURE
        }
    }
}

fn run() -> ExitCode {
    std::thread::spawn(|| {
        std::thread::sleep(WATCHDOG);
        println!("FAILED stuck: no end after {WATCHDOG:?}");
        std::process::exit(2);
    });
    let log = match kernel_log::KernelLog::from_now() {
        Ok(log) => log,
        Err(error) => {
            println!("FAILED /dev/kmsg: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut failed = 0;
    let mut report = |name: &str, started: Instant, result: serve::Check| match result {
        Ok(()) => println!("ok     {name} ({} ms)", started.elapsed().as_millis()),
        Err(error) => {
            failed += 1;
            println!("FAILED {name}: {error}");
        }
    };
    for (name, check) in checks::CHECKS {
        let started = Instant::now();
        report(name, started, check());
    }
    let started = Instant::now();
    report("the kernel complains of nothing", started, log.complaints());
    println!(
        "{} of {} checks passed",
        checks::CHECKS.len() + 1 - failed,
        checks::CHECKS.len() + 1
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
