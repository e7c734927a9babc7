//! One guest: started, watched, killed when it takes too long, and asked what it found.

use crate::lab::kernel::Kernel;
use crate::lab::processor::Processor;
use crate::lab::report::Report;
use crate::lab::scenario::{Scenario, BOARD};
use crate::lab::tools::quiet;
use crate::lab::{dmesg, products::Products};
use anyhow::{Context, Result};
use rustix::process::{kill_process_group, Pid, Signal};
use serde_json::json;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The file that tells the guest what to do.
pub(crate) const JOB: &str = "job.json";
/// The word of the kernel's command line that names this file.
pub(crate) const JOB_VARIABLE: &str = "BES_LAB_JOB";
/// The file with the guest's result.
pub(crate) const RESULT: &str = "result.json";
/// The file with the step that the guest is at.
pub(crate) const STEP: &str = "step";
/// The kernel's log, as the guest saw it.
pub(crate) const DMESG: &str = "dmesg.txt";
/// What appeared on the guest's console.
pub(crate) const CONSOLE: &str = "console.txt";

/// How much longer than its own deadline a guest may take to power off.
const GRACE: Duration = Duration::from_secs(15);

/// What is wanted besides the scenario.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    /// A debug kernel looks for memory that is never freed.
    pub(crate) leaks: bool,
    /// Options of the emulator, for the scenario that measures.
    pub(crate) emulator: String,
}

/// Runs a scenario in a guest of its own; the result says what went wrong, also with the guest itself.
pub(crate) fn run(
    kernel: &Kernel,
    products: &Products,
    scenario: &Scenario,
    logs: &Path,
    wishes: &Wishes,
    processor: Processor,
) -> Report {
    let start = Instant::now();
    let mut report = Report::new(scenario.name, kernel.kind.name());
    match attempt(kernel, products, scenario, logs, wishes, processor) {
        Ok(found) => report = found,
        Err(error) => report.fail(&format!("{error:#}")),
    }
    let log = fs::read_to_string(logs.join(DMESG)).unwrap_or_default();
    let console = fs::read_to_string(logs.join(CONSOLE)).unwrap_or_default();
    // The console has what the guest did not live to write.
    let mut found = dmesg::reports(&log);
    if found.is_empty() {
        found = dmesg::reports(&console);
    }
    report.set("dmesg.warnings", found.len());
    if let Some(first) = found.first() {
        report.set("dmesg.first", first.as_str());
        report.fail(&format!("the kernel complains: {first}"));
    }
    report.number("seconds", start.elapsed().as_secs_f64());
    report
}

fn attempt(
    kernel: &Kernel,
    products: &Products,
    scenario: &Scenario,
    logs: &Path,
    wishes: &Wishes,
    processor: Processor,
) -> Result<Report> {
    let limit = Duration::from_secs(u64::from(scenario.seconds * kernel.kind.slowness()));
    fs::create_dir_all(logs)?;
    for old in [RESULT, STEP, DMESG] {
        let _ = fs::remove_file(logs.join(old));
    }
    let modules = products.install(kernel, logs)?;
    let job = json!({
        "scenario": scenario.name,
        "kernel": kernel.kind.name(),
        "slowness": kernel.kind.slowness(),
        "seconds": limit.as_secs(),
        "out": logs,
        "modules": modules,
        "sim": products.sim,
        "firmware": products.firmware,
        "vsdio_selftest": products.vsdio_selftest,
        "emulator": wishes.emulator,
    });
    fs::write(logs.join(JOB), serde_json::to_string_pretty(&job)?)?;
    let console = File::create(logs.join(CONSOLE))?;
    let mut command = command(kernel, logs, wishes.leaks)?;
    if scenario.name == BOARD {
        command.arg(format!("dtb={}", board(kernel, logs)?.display()));
    }
    command
        .stdin(Stdio::null())
        .stdout(console.try_clone()?)
        .stderr(console);
    let mut guest = processor.keep(|| Guest::start(&mut command))?;
    let ended = guest.wait(limit + GRACE)?;
    let step = fs::read_to_string(logs.join(STEP)).unwrap_or_default();
    let step = match step.trim() {
        "" => "boot",
        step => step,
    };
    if let Some(report) = fs::read_to_string(logs.join(RESULT))
        .ok()
        .and_then(|text| Report::read(&text))
    {
        return Ok(report);
    }
    anyhow::ensure!(
        ended,
        "the guest was killed after {} s; it hung at: {step}",
        (limit + GRACE).as_secs()
    );
    anyhow::bail!(
        "the guest ended without a result, at: {step}; its console:\n{}",
        tail(
            &fs::read_to_string(logs.join(CONSOLE)).unwrap_or_default(),
            12
        )
    )
}

/// The laboratory's board, as a kernel reads it; the compiler for it was built with the kernel.
fn board(kernel: &Kernel, logs: &Path) -> Result<PathBuf> {
    let (source, blob) = (logs.join("board.dts"), logs.join("board.dtb"));
    fs::write(&source, include_str!("../../../kmod/lab/board.dts"))?;
    quiet(
        Command::new(kernel.build.join("scripts/dtc/dtc"))
            .arg("-o")
            .arg(&blob)
            .arg(&source),
    )
    .context("the laboratory's device tree")?;
    Ok(blob)
}

/// The command that boots a guest whose init is this program. Without `leaks`, a debug kernel does not follow memory: that
/// makes it ten times faster.
fn command(kernel: &Kernel, logs: &Path, leaks: bool) -> Result<Command> {
    let own = std::env::current_exe().context("where is this program?")?;
    let mut command = tied(&kernel.build.join("linux"));
    command
        .args(kernel.kind.machine())
        .args([
            "root=/dev/root",
            "rootfstype=hostfs",
            "rootflags=/",
            "ro",
            "con=null",
            "con0=fd:0,fd:1",
            "quiet",
            "panic=0",
            "log_buf_len=4M",
        ])
        .args((!leaks).then_some("kmemleak=off"))
        .arg(format!("init={}", own.display()))
        .arg(format!("uml_dir={}", logs.join("uml").display()))
        .arg(format!("{JOB_VARIABLE}={}", logs.join(JOB).display()))
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        // The guest's memory is a file of this folder; a small /dev/shm, as containers have it, is not enough.
        .env("TMPDIR", memory_folder());
    Ok(command)
}

/// A command whose process ends with the thread that starts it, however that ends: a guest does not outlive the program
/// that looks after it. User-mode Linux does the same with its own processes.
fn tied(program: &Path) -> Command {
    match crate::lab::tools::find("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// A folder with room for the guest's memory, in memory if possible.
fn memory_folder() -> &'static str {
    let enough = rustix::fs::statvfs("/dev/shm")
        .is_ok_and(|info| info.f_bavail.saturating_mul(info.f_frsize) > 3 << 30);
    if enough {
        "/dev/shm"
    } else {
        "/tmp"
    }
}

/// Boots a guest with a shell on this terminal.
pub(crate) fn shell(kernel: &Kernel, products: &Products, logs: &Path) -> Result<()> {
    fs::create_dir_all(logs)?;
    let modules = products.install(kernel, logs)?;
    let job = json!({
        "scenario": "shell",
        "kernel": kernel.kind.name(),
        "slowness": kernel.kind.slowness(),
        "seconds": 0,
        "out": logs,
        "modules": modules,
        "sim": products.sim,
        "firmware": products.firmware,
        "vsdio_selftest": products.vsdio_selftest,
    });
    fs::write(logs.join(JOB), serde_json::to_string_pretty(&job)?)?;
    let mut command = command(kernel, logs, true)?;
    let mut guest = Processor::of(0).keep(|| command.spawn())?;
    let status = guest.wait()?;
    anyhow::ensure!(status.success(), "the guest ended with {status}");
    Ok(())
}

/// A running guest: user-mode Linux and the processes that it traces, one group.
struct Guest {
    child: Child,
    group: Option<Pid>,
}

impl Guest {
    fn start(command: &mut Command) -> Result<Self> {
        let child = command
            .process_group(0)
            .spawn()
            .context("cannot start the guest")?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Ok(Self { child, group })
    }

    /// Waits for its end; kills it after `limit` and says false.
    fn wait(&mut self, limit: Duration) -> Result<bool> {
        let start = Instant::now();
        while start.elapsed() < limit {
            if self.child.try_wait()?.is_some() {
                return Ok(true);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.kill();
        Ok(false)
    }

    fn kill(&mut self) {
        if let Some(group) = self.group {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // When this program ends early, the guest does not stay behind.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}

fn tail(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_takes_too_long_is_killed_with_its_children() {
        let mut guest = Guest::start(Command::new("sh").args(["-c", "sleep 60 & wait"])).unwrap();
        let group = guest.group.unwrap();
        assert!(!guest.wait(Duration::from_millis(50)).unwrap());
        // Nobody of the group is left, but for a moment a child that nobody has waited for.
        let start = Instant::now();
        while rustix::process::test_kill_process_group(group).is_ok() {
            assert!(start.elapsed() < Duration::from_secs(10));
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_guest_ends_with_the_thread_that_started_it() {
        let guest = std::thread::spawn(|| {
            let guest = tied(Path::new("sleep")).arg("600").spawn().unwrap();
            // The tie is there when the program is.
            let name = format!("/proc/{}/comm", guest.id());
            while fs::read_to_string(&name).unwrap() != "sleep\n" {
                std::thread::yield_now();
            }
            guest
        });
        let mut guest = guest.join().unwrap();
        let status = guest.wait().unwrap();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(9)
        );
    }

    #[test]
    fn a_guest_that_ends_is_not_killed() {
        let mut guest = Guest::start(&mut Command::new("true")).unwrap();
        assert!(guest.wait(Duration::from_secs(20)).unwrap());
    }

    #[test]
    fn the_end_of_a_console_is_shown() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a", 5), "a");
    }
}
