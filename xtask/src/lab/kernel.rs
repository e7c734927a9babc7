//! The laboratory's kernels: configured from `kmod/lab/*.config`, built once for each configuration and set of tools.

use crate::lab::cache::{Cache, Stamp};
use crate::lab::config::{key, merge, refused};
use crate::lab::progress::Progress;
use crate::lab::sources::{Sources, KCFLAGS, MODULE_FLAGS};
use crate::lab::tools::quiet;
use anyhow::{bail, Context, Result};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What every kernel of the laboratory has.
pub(crate) const BASE: &str = include_str!("../../../kmod/lab/base.config");
/// What the kernel that looks for mistakes has in addition.
pub(crate) const DEBUG: &str = include_str!("../../../kmod/lab/debug.config");

/// Added to the C flags of the kernel alone, not of modules: to look for what the kernel's own sources could be warned of
/// takes a twentieth of the time.
const QUIET: &str = "-w";

/// Which kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As fast as a distribution's.
    Release,
    /// KASAN, lockdep and the others.
    Debug,
}

impl Kind {
    /// Its name in reports and folders.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Debug => "debug",
        }
    }

    /// Whether Clang compiles its C: Rust with KASAN exists with Clang alone. Otherwise it is GCC, as with the kernels of
    /// distributions, in half the time.
    pub(crate) fn is_clang(self) -> bool {
        self == Self::Debug
    }

    /// Its whole configuration.
    fn config(self) -> String {
        match self {
            Self::Release => merge(&[BASE]),
            Self::Debug => merge(&[BASE, DEBUG]),
        }
    }

    /// About how many lines a build prints; only the progress display uses it.
    fn lines(self) -> usize {
        match self {
            Self::Release => 1100,
            Self::Debug => 1150,
        }
    }

    /// Memory of a guest.
    pub(crate) fn machine(self) -> &'static [&'static str] {
        match self {
            Self::Release => &["mem=512M"],
            // One processor: user-mode Linux has more only where seccomp is allowed.
            Self::Debug => &["mem=1G"],
        }
    }

    /// How much longer everything takes.
    pub(crate) fn slowness(self) -> u32 {
        match self {
            Self::Release => 1,
            Self::Debug => 6,
        }
    }
}

/// A kernel that is built.
pub(crate) struct Kernel {
    /// Which one.
    pub(crate) kind: Kind,
    /// Build folder: `KDIR` of modules. Its file `linux` is the executable.
    pub(crate) build: PathBuf,
    /// Installed modules: the folder that has `lib/modules`.
    pub(crate) modules: PathBuf,
    /// What `uname -r` says in it.
    pub(crate) release: String,
}

/// Builds a kernel unless the cache has it.
pub(crate) fn prepare(cache: &Cache, sources: &Sources, kind: Kind) -> Result<Kernel> {
    let config = kind.config();
    let id = key([
        sources.kernel_version.as_str(),
        &sources.kernel.display().to_string(),
        &sources.rustc_version,
        &sources.compiler_version(kind)?,
        KCFLAGS,
        QUIET,
        MODULE_FLAGS,
        &config,
    ]);
    let folder = cache.join(format!(
        "linux-{}-{}-{id}",
        sources.kernel_version,
        kind.name()
    ));
    let kernel = |release: String| Kernel {
        kind,
        build: folder.join("build"),
        modules: folder.join("modules"),
        release,
    };
    let stamp = Stamp::of(&folder);
    if let Some(release) = stamp.read() {
        let kernel = kernel(release);
        if kernel.build.join("linux").exists() && kernel.modules.exists() {
            return Ok(kernel);
        }
    }
    let build = folder.join("build");
    // What an interrupted run left is not thrown away: make knows what is up to date.
    fs::create_dir_all(&build)?;
    let log = folder.join("build.log");
    let mut output = File::create(&log)?;
    let make = || {
        let mut command = Command::new("make");
        sources.environment(&mut command, kind);
        command
            .env("KCFLAGS", format!("{KCFLAGS} {QUIET}"))
            .arg("-C")
            .arg(&sources.kernel)
            .arg(format!("O={}", build.display()))
            .arg(MODULE_FLAGS);
        command
    };
    let wanted = folder.join("wanted.config");
    fs::write(&wanted, &config)?;
    run(make().arg("rustavailable"), &mut output, None)
        .with_context(|| format!("Rust for the kernel is not complete, see {}", log.display()))?;
    run(
        make().arg("allnoconfig").env("KCONFIG_ALLCONFIG", &wanted),
        &mut output,
        None,
    )
    .with_context(|| format!("cannot configure the kernel, see {}", log.display()))?;
    for line in refused(&config, &fs::read_to_string(build.join(".config"))?) {
        eprintln!("lab: kernel configuration: wanted {line}");
    }
    let jobs = std::thread::available_parallelism().map_or(2, usize::from);
    let mut progress = Progress::start(format!("kernel ({})", kind.name()), Some(kind.lines()));
    run(
        make().arg(format!("-j{jobs}")).arg("all"),
        &mut output,
        Some(&mut progress),
    )
    .with_context(|| {
        format!(
            "the kernel does not build; the end of {}:\n{}",
            log.display(),
            errors(&fs::read_to_string(&log).unwrap_or_default())
        )
    })?;
    let modules = folder.join("modules");
    run(
        make()
            .arg("modules_install")
            .arg(format!("INSTALL_MOD_PATH={}", modules.display())),
        &mut output,
        None,
    )
    .with_context(|| format!("cannot install the kernel's modules, see {}", log.display()))?;
    let release = quiet(make().args(["-s", "kernelrelease"]))?
        .trim()
        .to_owned();
    progress.finish();
    stamp.write(&release)?;
    Ok(kernel(release))
}

/// Whether some kernel of this kind was finished, for whatever tools: building a first one takes minutes, which nobody
/// expects who only runs the tests.
pub(crate) fn is_there(cache: &Cache, kind: Kind) -> bool {
    let part = format!("-{}-", kind.name());
    fs::read_dir(&cache.root).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("linux-")
                && name.contains(&part)
                && Stamp::of(&entry.path()).read().is_some()
        })
    })
}

/// Runs a step of the build with its output in the log.
fn run(command: &mut Command, log: &mut File, progress: Option<&mut Progress>) -> Result<()> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log.try_clone()?)
        .spawn()
        .context("cannot run make")?;
    let lines = child.stdout.take().context("no output")?;
    let mut progress = progress;
    for line in BufReader::new(lines).split(b'\n') {
        let line = line?;
        log.write_all(&line)?;
        log.write_all(b"\n")?;
        if let Some(progress) = progress.as_deref_mut() {
            progress.advance();
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("make: {status}");
    }
    Ok(())
}

/// The lines of a build's log that say what went wrong.
fn errors(log: &str) -> String {
    let mut lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("error") || line.contains("***"))
        .collect();
    let from = lines.len().saturating_sub(12);
    lines.split_off(from).join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debug_kernel_adds_to_the_release_kernel() {
        let release = Kind::Release.config();
        let debug = Kind::Debug.config();
        assert!(release.contains("CONFIG_MAC80211=m\n") && debug.contains("CONFIG_MAC80211=m\n"));
        assert!(!release.contains("CONFIG_KASAN=y"));
        for option in [
            "KASAN",
            "PROVE_LOCKING",
            "DEBUG_ATOMIC_SLEEP",
            "DEBUG_KMEMLEAK",
            "UBSAN",
            "FAIL_MMC_REQUEST",
        ] {
            assert!(debug.contains(&format!("CONFIG_{option}=y\n")), "{option}");
        }
    }

    #[test]
    fn the_errors_of_a_build_are_found_in_its_log() {
        let log = "  CC a.o\na.c:1: error: no\n  CC b.o\nmake[1]: *** [a.o] Error 1\n";
        assert_eq!(errors(log), "a.c:1: error: no\nmake[1]: *** [a.o] Error 1");
    }
}
