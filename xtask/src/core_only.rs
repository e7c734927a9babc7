//! Proves that the portable crates need nothing but `core`.
//!
//! They are built against a sysroot in which nothing else exists: a folder with copies of `core` and
//! `compiler_builtins`. `no_std` alone would not show it, because a dependency could still name `alloc` or `std`.
//! Build scripts and procedural macros run on the host and keep the full sysroot: `--target` makes cargo apply
//! `RUSTFLAGS` to the target's code only.

use crate::project::{Project, PORTABLE};
use anyhow::{ensure, Context, Result};
use std::path::{Path, PathBuf};
use xshell::{cmd, Shell};

/// Builds the sysroot, shows that it bites, and builds the portable crates with it.
pub(crate) fn run(project: &Project) -> Result<()> {
    let shell = project.shell()?;
    let folder = project.target.join("core-only");
    let target = host(&shell)?;
    let sysroot = sysroot(&shell, &folder, &target)?;

    let probe = |name: &str, source: &str| -> Result<(bool, String)> {
        let file = folder.join(format!("{name}.rs"));
        std::fs::write(&file, source)?;
        let output = cmd!(
            shell,
            "rustc --edition 2021 --crate-type rlib --target {target} --sysroot {sysroot} --out-dir {folder} {file}"
        )
        .quiet()
        .ignore_status()
        .output()?;
        Ok((
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ))
    };
    let (works, message) = probe(
        "probe_core",
        "#![no_std]\npub fn one() -> Option<u8> { Some(1) }\n",
    )?;
    ensure!(works, "the sysroot has no usable `core`:\n{message}");
    for missing in ["alloc", "std"] {
        let source = format!("#![no_std]\nextern crate {missing};\n");
        let (works, message) = probe(&format!("probe_{missing}"), &source)?;
        ensure!(
            !works,
            "the sysroot has `{missing}`, so the proof proves nothing"
        );
        ensure!(
            message.contains(&format!("can't find crate for `{missing}`")),
            "the probe for `{missing}` failed for another reason:\n{message}"
        );
    }
    println!("the sysroot has `core`; `extern crate alloc` and `extern crate std` do not compile with it");

    let packages = PORTABLE.iter().flat_map(|name| ["-p", name]);
    let flags = format!("--sysroot={}", sysroot.display());
    let _flags = shell.push_env("RUSTFLAGS", flags);
    let _folder = shell.push_env("CARGO_TARGET_DIR", folder.join("build"));
    cmd!(shell, "cargo build --lib --target {target} {packages...}").run()?;
    println!("{} need nothing but `core`", PORTABLE.join(", "));
    Ok(())
}

fn host(shell: &Shell) -> Result<String> {
    cmd!(shell, "rustc -vV")
        .quiet()
        .read()?
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .context("rustc does not say what its host is")
}

/// A sysroot with `core` and `compiler_builtins` alone.
fn sysroot(shell: &Shell, folder: &Path, target: &str) -> Result<PathBuf> {
    let full = PathBuf::from(cmd!(shell, "rustc --print sysroot").quiet().read()?);
    let libraries = Path::new("lib/rustlib").join(target).join("lib");
    let sysroot = folder.join("sysroot");
    shell.remove_path(&sysroot)?;
    let destination = sysroot.join(&libraries);
    shell.create_dir(&destination)?;
    let mut copied = 0;
    for path in shell.read_dir(full.join(&libraries))? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("libcore-") || name.starts_with("libcompiler_builtins-") {
            shell.copy_file(&path, destination.join(&*name))?;
            copied += 1;
        }
    }
    ensure!(
        copied >= 2,
        "{} has no `core`",
        full.join(&libraries).display()
    );
    Ok(sysroot)
}
