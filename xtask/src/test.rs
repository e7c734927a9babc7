//! `cargo xtask test`: everything that can be tested.

use crate::project::Project;
use crate::step::{check, check_with, tests, Outcome, Summary};
use crate::{core_only, fuzz, lab, stack, tree};
use anyhow::Result;
use std::process::{Command, ExitCode};

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Seconds for each fuzz target.
    #[arg(long, default_value_t = 3)]
    fuzz_seconds: u64,
    /// Only steps whose name contains this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// Runs every step and prints the summary.
pub(crate) fn run(project: &Project, options: &Options) -> Result<ExitCode> {
    let mut summary = Summary::default();
    let wanted = |name: &str| {
        options
            .only
            .as_deref()
            .is_none_or(|only| name.contains(only))
    };
    let cargo = |words: &[&str]| {
        let mut command = Command::new("cargo");
        command.current_dir(&project.root).args(words);
        command
    };
    if options.only.is_none() {
        lab::prepare_in_background();
    }
    let mut step = |name: &str, run: &mut dyn FnMut() -> Result<Outcome>| {
        if wanted(name) {
            summary.step(name, run);
        }
    };

    step("format", &mut || {
        check_with("fmt", &mut cargo(&["fmt", "--all", "--check"]))
    });
    step("tree rules", &mut || tree::run(project));
    step("clippy", &mut || {
        check_with(
            "clippy",
            &mut cargo(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]),
        )
    });
    step("unit, property, story, doc tests", &mut || {
        tests(&mut cargo(&["test", "--workspace", "--no-fail-fast"]))
    });
    step("doorbell interleavings (loom)", &mut || {
        tests(
            cargo(&["test", "-p", "bes-hal", "--test", "loom", "--release"])
                .env("RUSTFLAGS", "--cfg loom")
                // To optimise it as a whole takes longer than it runs.
                .env("CARGO_PROFILE_RELEASE_LTO", "off")
                .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
                .env("CARGO_TARGET_DIR", project.target.join("loom")),
        )
    });
    step("core only", &mut || {
        core_only::run(project)?;
        Ok(Outcome::Check)
    });
    step("stack", &mut || {
        stack::run(project)?;
        Ok(Outcome::Check)
    });
    step("documentation", &mut || {
        check(cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
    });
    step("fuzz", &mut || fuzz::step(project, options.fuzz_seconds));
    // Last, because the kernels have been built meanwhile.
    step("laboratory", &mut || lab::step(project, false));
    step("laboratory, debug kernel", &mut || lab::step(project, true));
    Ok(summary.finish())
}
