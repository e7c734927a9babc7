//! What this project brings into the guest: modules, emulator, firmware images.

use crate::lab::cache::Lock;
use crate::lab::frames;
use crate::lab::kernel::{Kernel, Kind};
use crate::lab::scenario::Needs;
use crate::lab::sources::{Sources, MODULE_FLAGS};
use crate::lab::tools::quiet;
use crate::project::Project;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What was built.
pub(crate) struct Products {
    /// The program `bes-sim`.
    pub(crate) sim: Option<PathBuf>,
    /// The firmware images.
    pub(crate) firmware: Option<PathBuf>,
    /// The tests of the virtual host.
    pub(crate) vsdio_selftest: Option<PathBuf>,
    /// Modules from outside the kernel's tree.
    modules: Vec<PathBuf>,
}

impl Products {
    /// Builds what the scenarios need.
    pub(crate) fn build(
        project: &Project,
        sources: &Sources,
        kernel: &Kernel,
        needs: Needs,
    ) -> Result<Self> {
        let mut products = Self {
            sim: None,
            firmware: None,
            vsdio_selftest: None,
            modules: Vec::new(),
        };
        if matches!(needs, Needs::Medium | Needs::Driver) {
            let program = cargo_build(project, "bes-sim", "bes-sim")?;
            let firmware = project.target.join("lab/firmware");
            fs::create_dir_all(&firmware)?;
            if needs == Needs::Driver {
                quiet(Command::new(&program).arg("firmware").arg(&firmware))
                    .context("the firmware images")?;
            }
            products.sim = Some(program);
            products.firmware = Some(firmware);
        }
        if needs >= Needs::Host {
            products.modules = modules(project, sources, kernel)?;
            products.vsdio_selftest = Some(cargo_build(project, "vsdio-device", "vsdio-selftest")?);
        }
        Ok(products)
    }

    /// Makes a folder of modules for one guest: the kernel's, and ours beside them.
    pub(crate) fn install(&self, kernel: &Kernel, logs: &Path) -> Result<PathBuf> {
        let folder = logs.join("modules");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let inner = Path::new("lib/modules").join(&kernel.release);
        copy_modules(&kernel.modules.join(&inner), &folder.join(&inner))?;
        let ours = folder.join(&inner).join("updates");
        fs::create_dir_all(&ours)?;
        for module in &self.modules {
            let name = module.file_name().context("a module without a name")?;
            fs::copy(module, ours.join(name))?;
        }
        let depmod = crate::lab::tools::find("depmod").context("apt-get install kmod")?;
        quiet(
            Command::new(depmod)
                .arg("-b")
                .arg(&folder)
                .arg(&kernel.release),
        )?;
        Ok(folder)
    }
}

/// Copies modules and what depmod reads; links to source and build folder stay behind.
fn copy_modules(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("no modules in {}", from.display()))? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            copy_modules(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn cargo_build(project: &Project, package: &str, program: &str) -> Result<PathBuf> {
    quiet(
        Command::new("cargo")
            .current_dir(&project.root)
            .args([
                "build",
                "--quiet",
                "--release",
                "-p",
                package,
                "--bin",
                program,
            ])
            .env("CARGO_TARGET_DIR", &project.target),
    )
    .with_context(|| format!("{program} does not build"))?;
    Ok(project.target.join("release").join(program))
}

/// Builds the modules of `kmod/` for a kernel, in a folder of their own.
fn modules(project: &Project, sources: &Sources, kernel: &Kernel) -> Result<Vec<PathBuf>> {
    let lab = project.target.join("lab");
    fs::create_dir_all(&lab)?;
    let _lock = Lock::take(&lab.join("lock"), "build of the modules")?;
    let made = lab.join(format!("kmod-{}", kernel.kind.name()));
    let mut command = Command::new("make");
    sources.environment(&mut command, kernel.kind);
    let jobs = std::thread::available_parallelism().map_or(2, usize::from);
    quiet(
        command
            .arg("-C")
            .arg(project.root.join("kmod"))
            .arg(format!("-j{jobs}"))
            .arg(format!("KDIR={}", kernel.build.display()))
            .arg(format!("MO={}", made.display()))
            .arg(MODULE_FLAGS),
    )
    .context("the modules do not build")?;
    let mut found = Vec::new();
    find_modules(&made, &mut found)?;
    for name in ["bes2600.ko", "vsdio.ko"] {
        anyhow::ensure!(
            found.iter().any(|path| path.ends_with(name)),
            "make built no {name} in {}",
            made.display()
        );
    }
    // Sanitizers make frames of their own.
    if kernel.kind == Kind::Release {
        for module in &found {
            frames::check(module)?;
        }
    }
    Ok(found)
}

fn find_modules(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            find_modules(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "ko") {
            found.push(path);
        }
    }
    Ok(())
}
