//! The virtual SDIO host by itself.

use crate::lab::guest::process::{attempt, run};
use crate::lab::guest::Lab;
use anyhow::{ensure, Context, Result};

pub(crate) fn vsdio(lab: &mut Lab<'_>) -> Result<()> {
    lab.step("load the virtual host");
    crate::lab::guest::card::load_host()?;
    lab.step("its tests");
    let program = lab
        .job
        .vsdio_selftest
        .as_deref()
        .context("the host built no vsdio-selftest")?;
    let ending = attempt(program, lab.job.limit(50))?;
    let failed: Vec<_> = ending
        .out
        .lines()
        .filter(|line| line.starts_with("FAILED"))
        .collect();
    ensure!(
        failed.is_empty() && ending.status.success(),
        "vsdio-selftest: {}: {}{}",
        ending.status,
        failed.join(" / "),
        ending.error.trim()
    );
    let checks = ending
        .out
        .lines()
        .filter(|line| line.starts_with("ok "))
        .count();
    lab.report.set("checks", checks);
    lab.step("unload it");
    run("/run/modprobe -r vsdio", lab.job.limit(20)).map(drop)
}
