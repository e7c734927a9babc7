//! Steps that are run one after the other, timed, counted and summed up.

use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// What a step came to.
pub(crate) enum Outcome {
    /// That many tests.
    Tests { passed: u64, failed: u64 },
    /// One check.
    Check,
    /// It could not be run, and why.
    Skipped(String),
}

struct Line {
    name: String,
    time: Duration,
    passed: u64,
    failed: u64,
    note: String,
}

/// The steps so far.
#[derive(Default)]
pub(crate) struct Summary {
    lines: Vec<Line>,
}

impl Summary {
    /// Runs a step. An error fails the step and not the run, so that one run shows everything.
    pub(crate) fn step(&mut self, name: &str, run: impl FnOnce() -> Result<Outcome>) {
        println!("\n=== {name}");
        let start = Instant::now();
        let (passed, failed, note) = match run() {
            Ok(Outcome::Tests { passed, failed }) => (passed, failed, String::new()),
            Ok(Outcome::Check) => (1, 0, String::new()),
            Ok(Outcome::Skipped(why)) if crate::project::is_ci() => {
                (0, 1, format!("not skipped in CI: {why}"))
            }
            Ok(Outcome::Skipped(why)) => (0, 0, format!("skipped: {why}")),
            Err(error) => (0, 1, format!("{error:#}")),
        };
        let time = start.elapsed();
        if !note.is_empty() {
            println!("{note}");
        }
        self.lines.push(Line {
            name: name.to_owned(),
            time,
            passed,
            failed,
            note,
        });
    }

    /// Prints the table and the closing line.
    pub(crate) fn finish(self) -> ExitCode {
        println!(
            "\n{:<34} {:>8} {:>7} {:>7}",
            "step", "seconds", "passed", "failed"
        );
        for line in &self.lines {
            println!(
                "{:<34} {:>8.1} {:>7} {:>7}  {}",
                line.name,
                line.time.as_secs_f64(),
                line.passed,
                line.failed,
                line.note.lines().next().unwrap_or("")
            );
        }
        let passed: u64 = self.lines.iter().map(|line| line.passed).sum();
        let failed: u64 = self.lines.iter().map(|line| line.failed).sum();
        println!("\n{passed} passed, {failed} failed");
        if failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// Runs a command that passes or fails as a whole.
pub(crate) fn check(command: &mut Command) -> Result<Outcome> {
    echo(command);
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    anyhow::ensure!(status.success(), "{status}");
    Ok(Outcome::Check)
}

/// Runs `cargo test` and counts what it reports.
pub(crate) fn tests(command: &mut Command) -> Result<Outcome> {
    echo(command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo")?;
    let output = child.stdout.take().context("no output")?;
    let (mut passed, mut failed) = (0, 0);
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let mut terminal = std::io::stdout().lock();
        terminal.write_all(&line)?;
        terminal.write_all(b"\n")?;
        if let Some((ok, bad)) = test_result(&String::from_utf8_lossy(&line)) {
            passed += ok;
            failed += bad;
        }
    }
    let status = child.wait()?;
    if !status.success() && failed == 0 {
        // It did not even compile, or a test program died.
        failed = 1;
    }
    anyhow::ensure!(failed > 0 || passed > 0, "no test was run");
    Ok(Outcome::Tests { passed, failed })
}

/// Reads `test result: ok. 12 passed; 0 failed; ...`.
fn test_result(line: &str) -> Option<(u64, u64)> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let mut numbers = counts
        .split("; ")
        .filter_map(|part| part.split(' ').next()?.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

/// Runs a check with a part of the toolchain that may be missing.
pub(crate) fn check_with(component: &str, command: &mut Command) -> Result<Outcome> {
    let present = Command::new("cargo")
        .args([component, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !present {
        let name = if component == "fmt" {
            "rustfmt"
        } else {
            component
        };
        return Ok(Outcome::Skipped(format!("rustup component add {name}")));
    }
    check(command)
}

/// Shows a command before it is run.
pub(crate) fn echo(command: &Command) {
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}={:?}", name.display(), value));
        }
    }
    words.push(command.get_program().display().to_string());
    words.extend(command.get_args().map(|word| word.display().to_string()));
    println!("$ {}", words.join(" "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_of_a_test_program_is_counted() {
        assert_eq!(
            test_result(
                "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out"
            ),
            Some((12, 0))
        );
        assert_eq!(
            test_result("test result: FAILED. 2 passed; 1 failed; 0 ignored"),
            Some((2, 1))
        );
        assert_eq!(test_result("test some::test ... ok"), None);
    }

    #[test]
    fn a_step_that_fails_is_counted_and_the_next_is_run() {
        let mut summary = Summary::default();
        summary.step("fails", || anyhow::bail!("no"));
        summary.step("passes", || Ok(Outcome::Check));
        assert_eq!(
            summary
                .lines
                .iter()
                .map(|line| (line.passed, line.failed))
                .collect::<Vec<_>>(),
            [(0, 1), (1, 0)]
        );
    }
}
