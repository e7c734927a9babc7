//! `cargo xtask lab`: the driver inside a real Linux, without the hardware.
//!
//! User-mode Linux is built once and kept in a cache. Each scenario is played in a guest of its own, whose init is this
//! very program (`guest`): guests see the host's files, so nothing has to be packed into an image.

mod boot;
mod cache;
mod config;
mod debian;
mod dmesg;
mod frames;
pub(crate) mod guest;
mod kernel;
mod processor;
mod products;
mod progress;
mod report;
mod scenario;
mod sources;
mod tools;

use crate::project::{is_ci, Project};
use crate::step::Outcome;
use anyhow::{bail, ensure, Context, Result};
use cache::Cache;
use kernel::{Kernel, Kind};
use processor::Processor;
use products::Products;
use report::Report;
use scenario::{Needs, Scenario};
use sources::Sources;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

/// The scenario in which a debug kernel always looks for leaks: loading, boot, unloading.
const LEAKS: &str = "probe";

/// Most guests at a time, a processor each.
const MOST_GUESTS: usize = 2;

/// What to play.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Scenarios, or `all`; `setup` only builds what is missing; `shell` boots a guest with a shell.
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Shows the scenarios.
    #[arg(long)]
    list: bool,
    /// One JSON object for each scenario on standard output.
    #[arg(long)]
    json: bool,
    /// With the kernel that looks for mistakes: KASAN, lockdep, kmemleak and others.
    #[arg(long)]
    debug_kernel: bool,
    /// Looks for memory that is never freed (debug kernel): ten times slower. `probe` always does.
    #[arg(long, requires = "debug_kernel")]
    leaks: bool,
    /// Keeps the logs of every scenario in this folder. Without it, those of failures are kept in the target folder.
    #[arg(long, value_name = "DIR")]
    keep_logs: Option<PathBuf>,
    /// `throughput`: the bus takes the time of 4 bits at 50 MHz, and so many microseconds more for each command.
    #[arg(long, value_name = "US")]
    bus: Option<u16>,
    /// `throughput`: frames take no airtime.
    #[arg(long)]
    no_air: bool,
    /// Guests that run at the same time; speed is only measured with 1.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    jobs: u8,
}

/// Runs the task.
pub(crate) fn run(project: &Project, options: &Options) -> Result<ExitCode> {
    if options.list {
        print!("{}", list());
        return Ok(ExitCode::SUCCESS);
    }
    let kind = if options.debug_kernel {
        Kind::Debug
    } else {
        Kind::Release
    };
    match words(&options.scenarios).as_slice() {
        ["setup"] => {
            let lab = Ready::prepare(kind)?;
            eprintln!(
                "lab: ready, kernel {} in {}",
                lab.kernel.release,
                lab.kernel.build.display()
            );
            Ok(ExitCode::SUCCESS)
        }
        ["shell"] => {
            let lab = Ready::prepare(kind)?;
            let products = Products::build(project, &lab.sources, &lab.kernel, Needs::Driver)
                .or_else(|error| {
                    eprintln!("lab: a shell without the driver: {error:#}");
                    Products::build(project, &lab.sources, &lab.kernel, Needs::Nothing)
                })?;
            let logs = logs_folder(project, options.keep_logs.as_deref())?;
            boot::shell(&lab.kernel, &products, &logs.join("shell"))?;
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            let chosen = scenario::select(&options.scenarios, kind).map_err(anyhow::Error::msg)?;
            let reports = play(
                project,
                kind,
                &chosen,
                options.keep_logs.as_deref(),
                usize::from(options.jobs),
                &boot::Wishes {
                    leaks: options.leaks,
                    emulator: emulator_options(options),
                },
                &|report| {
                    if options.json {
                        println!("{}", report.json());
                    } else {
                        println!("{}", report.text());
                    }
                },
            )?;
            Ok(if reports.iter().all(Report::passed) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
    }
}

/// What the options say of bus and air, in the emulator's words.
fn emulator_options(options: &Options) -> String {
    let mut words = Vec::new();
    if let Some(microseconds) = options.bus {
        words.push(format!("--bus-timing on --command-time {microseconds}"));
    }
    if options.no_air {
        words.push("--air-limit off".to_owned());
    }
    words.join(" ")
}

fn words(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

fn list() -> String {
    let mut text = String::new();
    for scenario in scenario::SCENARIOS {
        let ci = match scenario.ci {
            [] => "-".to_owned(),
            kinds => kinds
                .iter()
                .map(|kind| kind.name())
                .collect::<Vec<_>>()
                .join("+"),
        };
        text.push_str(&format!(
            "{:<12} {:<14} {}\n",
            scenario.name, ci, scenario.about
        ));
    }
    text.push_str(
        "all                         what CI runs (second column) on the chosen kernel\n",
    );
    text
}

/// A machine on which guests can be booted.
struct Ready {
    sources: Sources,
    kernel: Kernel,
}

impl Ready {
    fn prepare(kind: Kind) -> Result<Self> {
        ensure!(
            cfg!(all(target_os = "linux", target_arch = "x86_64")),
            "user-mode Linux needs Linux on x86-64"
        );
        let cache = Cache::find()?;
        let sources = {
            let _lock = cache.lock("sources")?;
            let llvm = tools::ensure_installed()?;
            Sources::prepare(&cache, llvm)?
        };
        // Scenarios play on one kernel while the other is built.
        let _lock = cache.lock(&format!("kernel-{}", kind.name()))?;
        let kernel = kernel::prepare(&cache, &sources, kind)?;
        Ok(Self { sources, kernel })
    }
}

/// Plays scenarios and returns their results; each is shown when it is there.
fn play(
    project: &Project,
    kind: Kind,
    chosen: &[&Scenario],
    keep: Option<&Path>,
    jobs: usize,
    wishes: &boot::Wishes,
    show: &(dyn Fn(&Report) + Sync),
) -> Result<Vec<Report>> {
    let lab = Ready::prepare(kind)?;
    let needs = chosen
        .iter()
        .map(|scenario| scenario.needs)
        .max()
        .unwrap_or(Needs::Nothing);
    let products = Products::build(project, &lab.sources, &lab.kernel, needs)?;
    let folder = logs_folder(project, keep)?;
    let queue = Mutex::new(chosen.iter());
    let reports = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for index in 0..jobs.max(1) {
            let processor = Processor::of(index);
            let (queue, reports, folder) = (&queue, &reports, &folder);
            let (lab, products) = (&lab, &products);
            scope.spawn(move || loop {
                let next = queue.lock().ok().and_then(|mut queue| queue.next());
                let Some(scenario) = next else {
                    return;
                };
                let logs = folder.join(format!("{}-{}", scenario.name, kind.name()));
                let wishes = boot::Wishes {
                    leaks: wishes.leaks || scenario.name == LEAKS,
                    ..wishes.clone()
                };
                let report = boot::run(&lab.kernel, products, scenario, &logs, &wishes, processor);
                show(&report);
                if !report.passed() {
                    eprintln!("       logs: {}", logs.display());
                } else if keep.is_none() {
                    let _ = fs::remove_dir_all(&logs);
                }
                if let Ok(mut reports) = reports.lock() {
                    reports.push(report);
                }
            });
        }
    });
    reports
        .into_inner()
        .map_err(|_| anyhow::anyhow!("a guest's thread panicked"))
}

/// The folder for logs: an absolute path, because the guest mounts it.
fn logs_folder(project: &Project, keep: Option<&Path>) -> Result<PathBuf> {
    let folder = match keep {
        Some(folder) => folder.to_owned(),
        None => project
            .target
            .join(format!("lab/logs-{}", std::process::id())),
    };
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create the folder {} for logs", folder.display()))?;
    let folder = folder.canonicalize()?;
    let text = folder.to_str().unwrap_or("");
    // It is a word of the guest's kernel command line and an option of its mount.
    if text.is_empty() || text.contains([' ', ',', '\'', '"']) {
        bail!(
            "{}: a folder for logs must not have blanks, commas or quotes in its path",
            folder.display()
        );
    }
    Ok(folder)
}

/// Begins to build the kernels while other steps run, in CI, where there is no cache. Steps that compile or test use one
/// processor for much of their time. What goes wrong is said by the laboratory's own steps, which do the same again.
pub(crate) fn prepare_in_background() {
    if is_ci() {
        std::thread::spawn(|| {
            // What is measured meanwhile comes first. Not being polite is no reason to stop.
            let _ = rustix::process::setpriority_process(None, 10);
            for kind in [Kind::Release, Kind::Debug] {
                if Ready::prepare(kind).is_err() {
                    return;
                }
            }
        });
    }
}

/// A step of `cargo xtask test`: everything that CI runs, on one kernel.
pub(crate) fn step(project: &Project, debug: bool) -> Result<Outcome> {
    let kind = if debug { Kind::Debug } else { Kind::Release };
    if !is_ci() {
        if let Some(why) = missing_means(kind) {
            return Ok(Outcome::Skipped(why));
        }
    }
    let chosen = scenario::select(&["all".to_owned()], kind).map_err(anyhow::Error::msg)?;
    // A debug kernel is so slow that anything beside it has access point and station repeat frames to each other that were
    // answered long ago.
    let guests = match kind {
        Kind::Release => processor::count().min(MOST_GUESTS),
        Kind::Debug => 1,
    };
    let reports = play(
        project,
        kind,
        &chosen,
        None,
        guests,
        &boot::Wishes::default(),
        &|report| {
            println!("{}", report.text());
        },
    )?;
    let passed = reports.iter().filter(|report| report.passed()).count();
    Ok(Outcome::Tests {
        passed: u64::try_from(passed)?,
        failed: u64::try_from(reports.len() - passed)?,
    })
}

/// Why the laboratory cannot be used without a set-up that somebody should ask for, or `None` if it can.
fn missing_means(kind: Kind) -> Option<String> {
    let packages = tools::missing();
    if !packages.is_empty() {
        return Some(format!(
            "THE LABORATORY (the driver in a real Linux) needs packages: apt-get install {}",
            packages.join(" ")
        ));
    }
    let built = Cache::find().is_ok_and(|cache| kernel::is_there(&cache, kind));
    (!built).then(|| {
        format!(
            "THE LABORATORY (the driver in a real Linux) has no kernel yet: cargo xtask lab setup{}",
            if kind == Kind::Debug {
                " --debug-kernel"
            } else {
                ""
            }
        )
    })
}

/// Whether there is a scenario of this name.
pub(crate) fn has_scenario(name: &str) -> bool {
    scenario::find(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_every_scenario_and_where_it_runs() {
        let text = list();
        for scenario in scenario::SCENARIOS {
            assert!(text.contains(scenario.name));
        }
        assert!(text
            .lines()
            .any(|line| line.starts_with("vsdio        release+debug")));
    }
}
