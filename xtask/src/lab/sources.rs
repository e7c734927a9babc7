//! What the kernel is built from: its source, the source of Rust's standard library, and bindgen.

use crate::lab::cache::{fill, Cache};
use crate::lab::debian::{take_folder, Archive};
use crate::lab::kernel::Kind;
use crate::lab::progress::Progress;
use crate::lab::tools::{find, first_line, quiet, Llvm};
use anyhow::{bail, ensure, Context, Result};
use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The kernel series.
const SERIES: (u32, u32) = (7, 2);
/// The bindgen that this series of kernels is made for.
const BINDGEN: &str = "0.72.1";

/// Added to the C flags of the kernel. With the large code model, which user-mode Linux uses, Clang (and a GCC from 14 on)
/// puts data into sections `.ldata` and `.lbss`. The kernel's linker script does not know them, and they end up behind `_end`: lockdep
/// then takes static locks for dynamic ones and switches itself off at boot, and kmemleak does not look there for
/// pointers. With an endless threshold, no data is large. The parts that have the small code model (the vDSO) must not
/// complain about it.
pub(crate) const KCFLAGS: &str =
    "-mlarge-data-threshold=2147483647 -Wno-unused-command-line-argument";

/// Takes that back for modules, as an argument of make: they live above 2 GiB, where what is not large cannot be reached,
/// and the module loader does know their sections.
pub(crate) const MODULE_FLAGS: &str = "CFLAGS_MODULE=-mlarge-data-threshold=0";

/// Everything that the kernel is built from.
pub(crate) struct Sources {
    /// The kernel's source; never written to.
    pub(crate) kernel: PathBuf,
    /// Its version.
    pub(crate) kernel_version: String,
    /// The standard library's source, of the compiler in use.
    pub(crate) rust_library: PathBuf,
    /// What `rustc` says about itself.
    pub(crate) rustc_version: String,
    /// Folder of the program `bindgen`.
    pub(crate) bindgen: PathBuf,
    /// Clang and its tools.
    pub(crate) llvm: Llvm,
}

impl Sources {
    /// Finds or fetches everything.
    pub(crate) fn prepare(cache: &Cache, llvm: Llvm) -> Result<Self> {
        let archive = OnceCell::new();
        let debian = || -> Result<&Archive> {
            if archive.get().is_none() {
                let opened = Archive::open(cache)?;
                return Ok(archive.get_or_init(|| opened));
            }
            archive.get().context("the archive is open")
        };
        let (kernel, kernel_version) = kernel(cache, &debian)?;
        let rustc_version = first_line(Command::new("rustc").arg("--version"))?;
        let rust_library = rust_library(cache, &rustc_version, &debian)?;
        let bindgen = bindgen(cache, &llvm)?;
        Ok(Self {
            kernel,
            kernel_version,
            rust_library,
            rustc_version,
            bindgen,
            llvm,
        })
    }

    /// What the C compiler of a kind of kernel says about itself.
    pub(crate) fn compiler_version(&self, kind: Kind) -> Result<String> {
        let program = if kind.is_clang() {
            format!("clang{}", self.llvm.suffix)
        } else {
            "gcc".to_owned()
        };
        first_line(Command::new(program).arg("--version"))
    }

    /// Gives make what it needs to find all this.
    pub(crate) fn environment(&self, command: &mut Command, kind: Kind) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.bindgen.clone())
            .chain(std::env::split_paths(&path))
            .chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
        if let Ok(path) = std::env::join_paths(folders) {
            command.env("PATH", path);
        }
        if kind.is_clang() {
            command.env("LLVM", &self.llvm.suffix);
        } else {
            command.env_remove("LLVM");
        }
        command
            .env("LIBCLANG_PATH", &self.llvm.libclang)
            .env("RUST_LIB_SRC", &self.rust_library)
            .env("ARCH", "um")
            .env("KCFLAGS", KCFLAGS)
            // Make's own variables, when make started us, are about another tree; cargo's are about xtask.
            .env_remove("MAKEFLAGS")
            .env_remove("MFLAGS")
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("KBUILD_OUTPUT");
    }
}

type Debian<'a> = dyn Fn() -> Result<&'a Archive> + 'a;

fn kernel(cache: &Cache, debian: &Debian<'_>) -> Result<(PathBuf, String)> {
    if let Some(own) = std::env::var_os("BES_KERNEL_SRC").filter(|value| !value.is_empty()) {
        let folder = PathBuf::from(own);
        let version = source_version(&folder)
            .with_context(|| format!("BES_KERNEL_SRC={}", folder.display()))?;
        return Ok((folder.canonicalize()?, version));
    }
    if let Some(found) = newest_source(cache)? {
        return Ok(found);
    }
    let series = format!("{}.{}", SERIES.0, SERIES.1);
    let advice =
        format!("no source of Linux {series}: unpack one and set BES_KERNEL_SRC to its folder");
    let archive = debian().context(advice.clone())?;
    let package = format!("linux-source-{series}");
    let (version, full) = archive.version(&package, &series).context(advice)?;
    let folder = cache.join(format!("source-{version}"));
    fill(&folder, |part| {
        archive.unpack(&package, &full, part)?;
        let packed = part.join(format!("usr/src/{package}.tar.xz"));
        let progress = Progress::start(format!("unpacking Linux {version}"), None);
        quiet(
            Command::new("tar")
                .args(["-x", "-f"])
                .arg(&packed)
                .arg("-C")
                .arg(part),
        )?;
        fs::remove_dir_all(part.join("usr"))?;
        progress.finish();
        take_folder(&part.join(&package), &part.join("linux"))
    })?;
    let source = folder.join("linux");
    let version = source_version(&source)?;
    Ok((source, version))
}

/// The newest source in the cache.
fn newest_source(cache: &Cache) -> Result<Option<(PathBuf, String)>> {
    let Ok(entries) = fs::read_dir(&cache.root) else {
        return Ok(None);
    };
    let mut found: Vec<(u32, PathBuf, String)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            name.strip_prefix("source-")?;
            let source = entry.path().join("linux");
            let version = source_version(&source).ok()?;
            let patch = version.rsplit('.').next()?.parse().ok()?;
            Some((patch, source, version))
        })
        .collect();
    found.sort();
    Ok(found.pop().map(|(_, source, version)| (source, version)))
}

/// Reads the version of a kernel's source; only the right series is accepted.
fn source_version(folder: &Path) -> Result<String> {
    let text = fs::read_to_string(folder.join("Makefile"))
        .with_context(|| format!("no kernel source in {}", folder.display()))?;
    let version = version_of_makefile(&text).context("its Makefile has no VERSION")?;
    ensure!(
        (version.0, version.1) == SERIES,
        "this is Linux {}.{}, the laboratory needs {}.{}",
        version.0,
        version.1,
        SERIES.0,
        SERIES.1
    );
    ensure!(
        !folder.join(".config").exists(),
        "{} was built in place: make -C {} mrproper",
        folder.display(),
        folder.display()
    );
    Ok(format!("{}.{}.{}", version.0, version.1, version.2))
}

fn version_of_makefile(text: &str) -> Option<(u32, u32, u32)> {
    let number = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then(|| value.trim().parse().ok())?
        })
    };
    Some((
        number("VERSION")?,
        number("PATCHLEVEL")?,
        number("SUBLEVEL").unwrap_or(0),
    ))
}

fn rust_library(cache: &Cache, rustc: &str, debian: &Debian<'_>) -> Result<PathBuf> {
    if let Some(own) = std::env::var_os("RUST_LIB_SRC").filter(|value| !value.is_empty()) {
        let folder = PathBuf::from(own);
        ensure!(
            folder.join("core/src/lib.rs").exists(),
            "RUST_LIB_SRC={} has no core/src/lib.rs",
            folder.display()
        );
        return Ok(folder);
    }
    let sysroot = first_line(Command::new("rustc").args(["--print", "sysroot"]))?;
    let own = Path::new(&sysroot).join("lib/rustlib/src/rust/library");
    if own.join("core/src/lib.rs").exists() {
        return Ok(own);
    }
    let version = rustc.split(' ').nth(1).unwrap_or("");
    let folder = cache.join(format!("rust-library-{version}"));
    if !folder.exists() {
        let advice = format!(
            "no source of Rust's standard library {version}: rustup component add rust-src"
        );
        if find("rustup").is_some() {
            let added = Command::new("rustup")
                .args(["component", "add", "rust-src"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success());
            if added && own.join("core/src/lib.rs").exists() {
                return Ok(own);
            }
        }
        let archive = debian().context(advice.clone())?;
        let (_, full) = archive.version("rust-src", version).context(advice)?;
        fill(&folder, |part| {
            archive.unpack("rust-src", &full, part)?;
            take_folder(
                &part.join(format!("usr/src/rustc-{version}/library")),
                &part.join("library"),
            )?;
            Ok(fs::remove_dir_all(part.join("usr"))?)
        })?;
    }
    Ok(folder.join("library"))
}

fn bindgen(cache: &Cache, llvm: &Llvm) -> Result<PathBuf> {
    let fits = |program: &Path| {
        first_line(Command::new(program).arg("--version"))
            .is_ok_and(|said| said.contains(&format!(" {BINDGEN}")))
    };
    if let Some(folder) = find("bindgen")
        .filter(|program| fits(program))
        .and_then(|program| Some(program.parent()?.to_owned()))
    {
        return Ok(folder);
    }
    let root = cache.join(format!("bindgen-{BINDGEN}"));
    let folder = root.join("bin");
    if !fits(&folder.join("bindgen")) {
        let progress = Progress::start(format!("cargo install bindgen-cli {BINDGEN}"), None);
        let mut command = Command::new("cargo");
        command
            .args([
                "install",
                "--quiet",
                "--locked",
                "bindgen-cli",
                "--version",
                BINDGEN,
            ])
            .arg("--root")
            .arg(&root)
            .env("CARGO_TARGET_DIR", root.join("build"))
            // It runs a few times and for seconds: to optimise it in full takes longer than that.
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("LIBCLANG_PATH", &llvm.libclang)
            .env_remove("RUSTFLAGS");
        quiet(&mut command)?;
        let _ = fs::remove_dir_all(root.join("build"));
        if !fits(&folder.join("bindgen")) {
            bail!("bindgen {BINDGEN} was installed and does not run");
        }
        progress.finish();
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_in_the_makefile() {
        let text = "# SPDX\nVERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 13\nEXTRAVERSION =\n";
        assert_eq!(version_of_makefile(text), Some((7, 2, 13)));
        assert_eq!(version_of_makefile("all:\n"), None);
    }

    #[test]
    fn a_folder_without_a_kernel_is_refused() {
        let error = source_version(Path::new("/no/such/folder")).unwrap_err();
        assert!(format!("{error:#}").contains("no kernel source in /no/such/folder"));
    }
}
