//! Where the project is and what its crates are.

use anyhow::{Context, Result};
use serde_json::Value;
use std::path::PathBuf;
use xshell::{cmd, Shell};

/// The crates that run inside a kernel.
pub(crate) const PORTABLE: [&str; 5] = [
    "bes-hal",
    "bes-sdio-bus",
    "bes-wsm",
    "bes-pm",
    "bes-mac80211",
];

/// This workspace on this machine.
pub(crate) struct Project {
    /// Top folder.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
}

impl Project {
    /// Asks cargo.
    pub(crate) fn find() -> Result<Self> {
        let metadata = metadata()?;
        let folder = |name: &str| -> Result<PathBuf> {
            let path = metadata[name]
                .as_str()
                .context("cargo metadata has no folder")?;
            Ok(PathBuf::from(path))
        };
        Ok(Self {
            root: folder("workspace_root")?,
            target: folder("target_directory")?,
        })
    }

    /// A shell in the top folder.
    pub(crate) fn shell(&self) -> Result<Shell> {
        let shell = Shell::new()?;
        shell.change_dir(&self.root);
        Ok(shell)
    }
}

/// What cargo knows about the crates of this workspace.
pub(crate) fn metadata() -> Result<Value> {
    let shell = Shell::new()?;
    shell.change_dir(env!("CARGO_MANIFEST_DIR"));
    let text = cmd!(shell, "cargo metadata --format-version 1 --no-deps")
        .quiet()
        .read()
        .context("cargo metadata")?;
    Ok(serde_json::from_str(&text)?)
}

/// Whether nothing may be skipped.
pub(crate) fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}
