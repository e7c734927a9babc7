//! Packages of newer Debian suites, fetched and unpacked without touching the machine's own package sources: a private
//! source list names the machine's own mirror with other suites, private folders hold what `apt-get` stores.

use crate::lab::cache::Cache;
use crate::lab::progress::Progress;
use crate::lab::tools::{find, quiet};
use anyhow::{bail, ensure, Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Suites that are asked, the steadiest first.
const SUITES: [&str; 3] = ["trixie", "trixie-backports", "unstable"];

/// Where Debian's own keys are when the machine's configuration does not say.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A private view of the archive.
pub(crate) struct Archive {
    folder: PathBuf,
}

impl Archive {
    /// Reads the lists of the newer suites.
    pub(crate) fn open(cache: &Cache) -> Result<Self> {
        ensure!(
            find("apt-get").is_some() && find("dpkg").is_some(),
            "this is not a Debian system"
        );
        let folder = cache.join("apt");
        for name in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(name))?;
        }
        let targets = quiet(Command::new("apt-get").args([
            "indextargets",
            "--format",
            "$(SITE)\t$(SIGNED_BY)\t$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)",
            "Created-By: Packages",
        ]))?;
        let list = source_list(&targets, Path::new(KEYRING).exists())
            .context("the machine's package sources name no Debian mirror")?;
        let archive = Self { folder };
        fs::write(archive.folder.join("sources.list"), list)?;
        let progress = Progress::start("lists of newer Debian suites", None);
        archive.apt(&["update"])?;
        progress.finish();
        Ok(archive)
    }

    /// The newest version of a package that begins with `prefix`; `(version without epoch and revision, full version)`.
    pub(crate) fn version(&self, package: &str, prefix: &str) -> Result<(String, String)> {
        let text = quiet(self.command("apt-cache").args(["madison", package]))?;
        newest(&text, prefix).with_context(|| {
            format!(
                "no version {prefix} of the package {package} in Debian's {}",
                SUITES.join(", ")
            )
        })
    }

    /// Fetches a package and unpacks it into a folder.
    pub(crate) fn unpack(&self, package: &str, version: &str, into: &Path) -> Result<()> {
        let progress = Progress::start(format!("download of {package} {version}"), None);
        let mut command = self.command("apt-get");
        command
            .current_dir(into)
            .args(["download", &format!("{package}={version}")]);
        quiet(&mut command)?;
        let package_file = fs::read_dir(into)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .with_context(|| format!("apt-get stored no file for {package}"))?;
        quiet(Command::new("dpkg").arg("-x").arg(&package_file).arg(into))?;
        fs::remove_file(package_file)?;
        progress.finish();
        Ok(())
    }

    fn apt(&self, words: &[&str]) -> Result<()> {
        quiet(self.command("apt-get").args(words)).map(drop)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let option = |name: &str, value: &Path| format!("{name}={}", value.display());
        for words in [
            option("Dir::Etc::sourcelist", &self.folder.join("sources.list")),
            "Dir::Etc::sourceparts=-".to_owned(),
            option("Dir::State::Lists", &self.folder.join("lists")),
            option("Dir::Cache", &self.folder.join("cache")),
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Retries=3".to_owned(),
        ] {
            command.arg("-o").arg(words);
        }
        command
    }
}

/// Makes the private source list of what `apt-get indextargets` says.
fn source_list(targets: &str, has_keyring: bool) -> Option<String> {
    for line in targets.lines() {
        let mut fields = line.split('\t');
        let (site, signed) = (fields.next()?, fields.next().unwrap_or(""));
        let uri = fields.next().unwrap_or("").trim_end_matches('/');
        let (release, component) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
        let address = if uri.is_empty() { site } else { uri };
        // Debian's own archive, not its security or third parties' one.
        if !address.ends_with("/debian") || component != "main" || release.contains("security") {
            continue;
        }
        let key = match (signed, has_keyring) {
            (path, _) if path.starts_with('/') => path,
            (_, true) => KEYRING,
            _ => return None,
        };
        return Some(
            SUITES
                .iter()
                .map(|suite| format!("deb [signed-by={key}] {address} {suite} main\n"))
                .collect(),
        );
    }
    None
}

/// Reads `apt-cache madison`: the first line, hence the newest, whose version begins with `prefix`.
fn newest(madison: &str, prefix: &str) -> Option<(String, String)> {
    madison.lines().find_map(|line| {
        let full = line.split('|').nth(1)?.trim();
        let upstream = full.split_once(':').map_or(full, |(_, rest)| rest);
        let upstream = upstream.split(['-', '+', '~']).next()?;
        let fits = upstream
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        fits.then(|| (upstream.to_owned(), full.to_owned()))
    })
}

/// Moves a folder out of an unpacked package.
pub(crate) fn take_folder(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        bail!("the package has no folder {}", from.display());
    }
    fs::rename(from, to).with_context(|| format!("cannot move to {}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_private_list_has_the_machines_mirror_and_key() {
        let targets = "http://packages.example/apt\t\thttp://packages.example/apt/\tcloud\tmain\n\
                       http://mirror.example/debian\t/keys/debian.gpg\thttp://mirror.example/debian/\tbookworm\tmain\n";
        let list = source_list(targets, true).unwrap();
        assert!(list.starts_with(
            "deb [signed-by=/keys/debian.gpg] http://mirror.example/debian trixie main\n"
        ));
        assert_eq!(list.lines().count(), SUITES.len());
    }

    #[test]
    fn a_machine_without_a_debian_mirror_has_no_private_list() {
        assert_eq!(
            source_list("http://x.example/ubuntu\t\t\tnoble\tmain\n", true),
            None
        );
        assert_eq!(source_list("", true), None);
    }

    #[test]
    fn the_newest_fitting_version_is_taken() {
        let text = "linux-source-7.2 | 7.2.13-1 | http://m unstable/main amd64 Packages\n\
                    linux-source-7.2 | 7.2.12-1~bpo13+1 | http://m trixie-backports/main amd64 Packages\n";
        assert_eq!(
            newest(text, "7.2"),
            Some(("7.2.13".to_owned(), "7.2.13-1".to_owned()))
        );
        assert_eq!(newest(text, "7.3"), None);
        let rust = "rust-src | 1.95.0+dfsg1-2~bpo13+1 | x\nrust-src | 1.9.0 | x\n";
        assert_eq!(newest(rust, "1.95.0").unwrap().1, "1.95.0+dfsg1-2~bpo13+1");
        assert_eq!(newest(rust, "1.9").unwrap().0, "1.9.0");
    }
}
