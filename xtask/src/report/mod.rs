//! `cargo xtask report`: every figure of the project, measured now, on one HTML page with plots.
//!
//! | part | measured by | depends on the machine |
//! |---|---|---|
//! | bus and throughput | `bes-sim bench`, virtual time | no |
//! | instructions | the same under callgrind | no |
//! | growth with cards, access points, frame sizes | `bes-sim chips`, `bes-sim bench` | no |
//! | an hour of traffic, fault-free and with each fault candidate | `bes-sim soak`, virtual time | no |
//! | a real kernel | `cargo xtask lab throughput` (with `--lab`) | yes |

mod chart;
mod measure;
mod page;

use crate::project::Project;
use anyhow::{Context, Result};
use std::path::PathBuf;

/// What to measure, and where to write it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Folder for `index.html` and `report.json`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Leave out what takes minutes: instruction counts and hours of traffic.
    #[arg(long)]
    quick: bool,
    /// Run the laboratory's throughput scenario as well (needs its kernel; minutes).
    #[arg(long)]
    lab: bool,
    /// Show a result of `cargo xtask lab throughput --json` that was written to this file, instead of a new run.
    #[arg(long, value_name = "FILE", conflicts_with = "lab")]
    lab_json: Option<PathBuf>,
}

/// Measures and writes.
pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    let folder = options
        .out
        .clone()
        .unwrap_or_else(|| project.target.join("report"));
    // Before the minutes, not after them.
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let lab = match &options.lab_json {
        Some(path) => Some(measure::read_lab(path)?),
        None => None,
    };
    let mut figures = measure::all(project, options.quick)?;
    figures.lab = match lab {
        Some(lab) => Some(lab),
        None if options.lab => Some(measure::lab()?),
        None => None,
    };
    for (name, text) in [
        (
            "report.json",
            serde_json::to_string_pretty(&figures.json())?,
        ),
        ("index.html", page::page(&figures)?),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}
