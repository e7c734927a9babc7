//! `cargo xtask fuzz`: feeds the fuzz targets of `fuzz/`.
//!
//! With a nightly toolchain and a C++ compiler the targets run under libFuzzer, which is guided by coverage. Without
//! them they run on stable under the package's own driver, which mutates the corpus at random.

use crate::project::Project;
use crate::step::{echo, Outcome};
use anyhow::{ensure, Context, Result};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

/// Coverage for libFuzzer.
const COVERAGE: &str =
    "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// What to fuzz.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Seconds for each target.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only these targets.
    #[arg(long, value_name = "NAME")]
    target: Vec<String>,
    /// Do not use libFuzzer even if it could be used.
    #[arg(long)]
    stable: bool,
    /// Seed of the mutations, to repeat a run.
    #[arg(long)]
    seed: Option<u64>,
}

/// Fuzzes as the options say.
pub(crate) fn run(project: &Project, options: &Options) -> Result<ExitCode> {
    let (passed, failed) = fuzz(project, options)?;
    println!("\n{passed} targets passed, {failed} failed");
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A short run of every target, as one step of the tests.
pub(crate) fn step(project: &Project, seconds: u64) -> Result<Outcome> {
    let (passed, failed) = fuzz(
        project,
        &Options {
            seconds,
            target: Vec::new(),
            // Building for libFuzzer takes longer than this run; it is for `cargo xtask fuzz`.
            stable: true,
            seed: None,
        },
    )?;
    Ok(Outcome::Tests { passed, failed })
}

fn fuzz(project: &Project, options: &Options) -> Result<(u64, u64)> {
    let folder = project.root.join("fuzz");
    let known = targets(&folder)?;
    for name in &options.target {
        ensure!(
            known.contains(name),
            "no fuzz target `{name}`; there are {}",
            known.join(", ")
        );
    }
    let wanted: Vec<_> = known
        .iter()
        .filter(|name| options.target.is_empty() || options.target.contains(name))
        .collect();
    let engine = if options.stable || !has_libfuzzer() {
        println!("on stable, not guided by coverage; `cargo xtask fuzz` uses libFuzzer if there are nightly and a C++ compiler");
        Engine::stable(project)?
    } else {
        Engine::libfuzzer(project, &wanted)?
    };
    let (mut passed, mut failed) = (0, 0);
    for name in wanted {
        println!("\n--- {name}");
        let mut command = engine.command(&folder, name, options)?;
        echo(&command);
        // Both engines say much on the way; it matters only when something was found.
        let output = command.output().context("cannot run the fuzz target")?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        if output.status.success() {
            passed += 1;
            for line in lines.iter().filter(|line| is_summary(line)) {
                println!("{line}");
            }
        } else {
            failed += 1;
            println!("{}", lines[lines.len().saturating_sub(80)..].join("\n"));
            println!("{name} failed; the input is in fuzz/artifacts/{name}/");
        }
    }
    Ok((passed, failed))
}

/// Lines of an engine that say what was done.
fn is_summary(line: &str) -> bool {
    line.starts_with("seed ")
        || line.ends_with(" inputs")
        || line.starts_with("INFO: Seed:")
        || line.starts_with("stat::number_of_executed_units")
}

/// Names of the targets: the files of `fuzz_targets`.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder.join("fuzz_targets"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(
                path.file_stem()
                    .map(|name| name.to_string_lossy().into_owned()),
            );
        }
    }
    names.sort();
    ensure!(!names.is_empty(), "fuzz/fuzz_targets is empty");
    Ok(names)
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn has_libfuzzer() -> bool {
    succeeds(Command::new("cargo").args(["+nightly", "--version"]))
        && succeeds(Command::new("c++").arg("--version"))
}

enum Engine {
    LibFuzzer(std::path::PathBuf),
    Stable(std::path::PathBuf),
}

impl Engine {
    fn libfuzzer(project: &Project, names: &[&String]) -> Result<Self> {
        let version = Command::new("rustc").args(["+nightly", "-vV"]).output()?;
        let host = String::from_utf8_lossy(&version.stdout)
            .lines()
            .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
            .context("rustc does not say what its host is")?;
        let target = project.target.join("fuzz-nightly");
        let mut build = Command::new("cargo");
        build
            .args(["+nightly", "build", "--package", "bes-fuzz"])
            .args(["--profile", "fuzz", "--features", "libfuzzer"])
            .args(["--target", &host])
            // Not the driver on stable: it has no libFuzzer to link with.
            .args(names.iter().flat_map(|name| ["--bin", name]))
            .current_dir(&project.root)
            .env("RUSTFLAGS", COVERAGE)
            .env("CARGO_TARGET_DIR", &target);
        echo(&build);
        ensure!(build.status()?.success(), "the fuzz targets do not compile");
        Ok(Self::LibFuzzer(target.join(host).join("fuzz")))
    }

    fn stable(project: &Project) -> Result<Self> {
        // The profile, the folder and (as all of the workspace is named) the features of the tests, so that crates from
        // outside are built once. It is optimised, and it checks arithmetic.
        let mut build = Command::new("cargo");
        build
            .current_dir(&project.root)
            .args(["build", "--workspace", "--bin", "driver"]);
        echo(&build);
        ensure!(
            build.status()?.success(),
            "the fuzz driver does not compile"
        );
        Ok(Self::Stable(project.target.join("debug/driver")))
    }

    fn command(&self, folder: &Path, name: &str, options: &Options) -> Result<Command> {
        let corpus = folder.join("corpus").join(name);
        let artifacts = folder.join("artifacts").join(name);
        std::fs::create_dir_all(&artifacts)?;
        let seconds = options.seconds;
        Ok(match self {
            Self::LibFuzzer(programs) => {
                // New inputs go here, so that the corpus in the tree stays as it is.
                let found = programs.join("corpus").join(name);
                std::fs::create_dir_all(&found)?;
                let mut command = Command::new(programs.join(name));
                command
                    .arg(format!("-max_total_time={seconds}"))
                    .arg(format!("-artifact_prefix={}/", artifacts.display()))
                    .args([
                        "-max_len=33000",
                        "-timeout=10",
                        "-rss_limit_mb=2048",
                        "-print_final_stats=1",
                        "-verbosity=1",
                    ]);
                if let Some(seed) = options.seed {
                    command.arg(format!("-seed={seed}"));
                }
                command.arg(found).arg(corpus);
                command
            }
            Self::Stable(program) => {
                let mut command = Command::new(program);
                command
                    .arg(name)
                    .arg(corpus)
                    .arg(artifacts)
                    .arg(seconds.to_string());
                if let Some(seed) = options.seed {
                    command.arg(seed.to_string());
                }
                command
            }
        })
    }
}
