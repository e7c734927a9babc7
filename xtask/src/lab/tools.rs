//! The programs of the distribution that the laboratory uses: which are missing, and what installs them.

use crate::lab::progress::Progress;
use anyhow::{bail, ensure, Context, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file that shows that a Debian package is installed, and the package.
struct Need {
    /// Looked for in the folders of programs, or an absolute path where `*` stands for any one folder.
    file: &'static str,
    package: &'static str,
}

const fn need(file: &'static str, package: &'static str) -> Need {
    Need { file, package }
}

/// What builds kernels and modules, beside [`Llvm`].
const BUILD: &[Need] = &[
    need("make", "make"),
    need("gcc", "gcc"),
    need("flex", "flex"),
    need("bison", "bison"),
    need("bc", "bc"),
    need("xz", "xz-utils"),
    need("/usr/include/libelf.h", "libelf-dev"),
    need("/usr/include/openssl/ssl.h", "libssl-dev"),
];

/// What runs inside the guest, which sees the host's files.
const GUEST: &[Need] = &[
    need("depmod", "kmod"),
    need("iw", "iw"),
    need("ip", "iproute2"),
    need("hostapd", "hostapd"),
    need("wpa_supplicant", "wpasupplicant"),
    need("ethtool", "ethtool"),
    need("iperf3", "iperf3"),
    need("ping", "iputils-ping"),
    need("/lib/firmware/regulatory.db", "wireless-regdb"),
];

/// Major versions of Clang that are used when they are there, the preferred one first.
const CLANG: [u32; 5] = [19, 20, 21, 22, 18];

/// An LLVM: the compiler and linker of the debug kernel, and bindgen's eyes for every kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Llvm {
    /// The value of make's `LLVM` variable: `-19`.
    pub(crate) suffix: String,
    /// Folder of `libclang.so`, for bindgen.
    pub(crate) libclang: PathBuf,
}

impl Llvm {
    /// The first version of which compiler, linker and libclang are there.
    fn find() -> Option<Self> {
        CLANG.iter().find_map(|version| {
            let libclang = PathBuf::from(format!("/usr/lib/llvm-{version}/lib"));
            let complete = find(&format!("clang-{version}")).is_some()
                && find(&format!("ld.lld-{version}")).is_some()
                && find(&format!("llvm-nm-{version}")).is_some()
                && libclang.join("libclang.so").exists();
            complete.then(|| Self {
                suffix: format!("-{version}"),
                libclang,
            })
        })
    }
}

/// Makes sure that everything is there; installs what is missing when run by root on a Debian system.
pub(crate) fn ensure_installed() -> Result<Llvm> {
    let missing = missing();
    if !missing.is_empty() {
        let command = format!("apt-get install -y {}", missing.join(" "));
        let root = rustix::process::geteuid().is_root();
        ensure!(
            find("apt-get").is_some(),
            "the laboratory lacks programs that Debian has in the packages {}: install them",
            missing.join(" ")
        );
        ensure!(root, "the laboratory lacks programs: sudo {command}");
        install(&missing)?;
        let still = self::missing();
        ensure!(
            still.is_empty(),
            "still missing after `{command}`: {}",
            still.join(" ")
        );
    }
    Llvm::find().context("Clang is not complete: apt-get install clang-19 lld-19 llvm-19")
}

/// The packages that have to be installed.
pub(crate) fn missing() -> Vec<&'static str> {
    let mut packages: Vec<_> = BUILD
        .iter()
        .chain(GUEST)
        .filter(|need| !present(need.file))
        .map(|need| need.package)
        .collect();
    if Llvm::find().is_none() {
        packages.extend(["clang-19", "lld-19", "llvm-19", "libclang-19-dev"]);
    }
    packages
}

fn install(packages: &[&str]) -> Result<()> {
    let progress = Progress::start(format!("packages {}", packages.join(" ")), None);
    let apt = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .arg("-qq")
            .args(words);
        quiet(&mut command)
    };
    apt(&["update"])?;
    let mut words = vec!["install", "-y", "--no-install-recommends"];
    words.extend(packages);
    apt(&words)?;
    progress.finish();
    Ok(())
}

fn present(file: &str) -> bool {
    if file.starts_with('/') {
        Path::new(file).exists()
    } else {
        find(file).is_some()
    }
}

/// Looks for a program where the guest will look: not every user has the administrator's folders in the path.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Runs a command, shows what it said only when it failed.
pub(crate) fn quiet(command: &mut Command) -> Result<String> {
    let name = command.get_program().display().to_string();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {name}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let wrong = String::from_utf8_lossy(&output.stderr);
        let tail: Vec<_> = wrong.lines().rev().take(15).collect();
        let tail: Vec<_> = tail.into_iter().rev().collect();
        bail!("{name}: {}\n{}", output.status, tail.join("\n"));
    }
    Ok(said)
}

/// The first line of what a command says.
pub(crate) fn first_line(command: &mut Command) -> Result<String> {
    Ok(quiet(command)?
        .lines()
        .next()
        .unwrap_or("")
        .trim()
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_nobody_has_is_missing() {
        assert_eq!(find("no-such-program-anywhere"), None);
        assert!(find("sh").is_some());
    }

    #[test]
    fn a_command_that_fails_shows_what_it_said() {
        let error = quiet(Command::new("sh").args(["-c", "echo because >&2; exit 3"])).unwrap_err();
        assert!(format!("{error}").contains("because"));
        assert!(quiet(&mut Command::new("no-such-program-anywhere")).is_err());
    }
}
