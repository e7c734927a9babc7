//! Where the laboratory keeps what is dear to make: outside the checkout, so that every checkout shares it.

use anyhow::{bail, Context, Result};
use rustix::fs::{flock, FlockOperation};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The cache folder.
pub(crate) struct Cache {
    /// Top folder.
    pub(crate) root: PathBuf,
}

impl Cache {
    /// `$BES_LAB_CACHE`, else `bes2600-lab` in the user's cache folder.
    pub(crate) fn find() -> Result<Self> {
        let root = folder(|name| std::env::var_os(name))
            .context("no home folder: set BES_LAB_CACHE to a folder for the laboratory's kernel")?;
        Ok(Self { root })
    }

    /// A folder of the cache.
    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join(name)
    }

    /// Waits until no other run makes this part of the cache, and keeps others out until the result is dropped.
    pub(crate) fn lock(&self, part: &str) -> Result<Lock> {
        fs::create_dir_all(&self.root)
            .with_context(|| format!("cannot create the cache folder {}", self.root.display()))?;
        let what = format!("set-up of the laboratory's {part}");
        Lock::take(&self.join(format!("lock-{part}")), &what)
    }
}

fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    if let Some(own) = set("BES_LAB_CACHE") {
        return Some(PathBuf::from(own));
    }
    let user = match set("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(set("HOME")?).join(".cache"),
    };
    Some(user.join("bes2600-lab"))
}

/// A file that one process at a time holds. The kernel lets go of it when the process ends, however it ends.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock; says so when somebody else has it, and waits.
    pub(crate) fn take(path: &Path, what: &str) -> Result<Self> {
        let mut file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let holder = fs::read_to_string(path).unwrap_or_default();
            eprintln!("waiting for another {what} (process {})", holder.trim());
            flock(&file, FlockOperation::LockExclusive)
                .with_context(|| format!("cannot lock {}", path.display()))?;
        }
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Self { _file: file })
    }
}

/// The proof that a step of the set-up was finished: a file that is written last.
pub(crate) struct Stamp(PathBuf);

impl Stamp {
    /// The stamp of a folder.
    pub(crate) fn of(folder: &Path) -> Self {
        Self(folder.join("done"))
    }

    /// What was noted when the step was finished, or `None` if it was not.
    pub(crate) fn read(&self) -> Option<String> {
        fs::read_to_string(&self.0)
            .ok()
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    }

    /// The step is finished.
    pub(crate) fn write(&self, note: &str) -> Result<()> {
        let part = self.0.with_extension("part");
        fs::write(&part, format!("{note}\n"))?;
        fs::rename(&part, &self.0).with_context(|| format!("cannot write {}", self.0.display()))
    }
}

/// Makes `folder` by means of `fill`, all of it or nothing: what an interrupted run left is thrown away.
pub(crate) fn fill(folder: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let Some(name) = folder.file_name() else {
        bail!("{} is no folder of the cache", folder.display());
    };
    let mut part = OsString::from("part-");
    part.push(name);
    let part = folder.with_file_name(part);
    if part.exists() {
        fs::remove_dir_all(&part)
            .with_context(|| format!("cannot remove what is left of {}", part.display()))?;
    }
    fs::create_dir_all(&part)?;
    fill(&part)?;
    fs::rename(&part, folder).with_context(|| format!("cannot create {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("bes-lab-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn the_cache_is_where_the_variables_say() {
        let with = |pairs: &'static [(&str, &str)]| {
            folder(move |name| {
                pairs
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| OsString::from(value))
            })
        };
        assert_eq!(
            with(&[("BES_LAB_CACHE", "/c"), ("HOME", "/h")]),
            Some(PathBuf::from("/c"))
        );
        assert_eq!(
            with(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]),
            Some(PathBuf::from("/x/bes2600-lab"))
        );
        assert_eq!(
            with(&[("BES_LAB_CACHE", ""), ("HOME", "/h")]),
            Some(PathBuf::from("/h/.cache/bes2600-lab"))
        );
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn an_interrupted_step_leaves_no_folder_and_does_not_disturb_the_next() {
        let top = scratch("fill");
        let folder = top.join("source");
        let first = fill(&folder, |part| {
            fs::write(part.join("half"), "")?;
            bail!("interrupted")
        });
        assert!(first.is_err() && !folder.exists());
        fill(&folder, |part| Ok(fs::write(part.join("whole"), "")?)).unwrap();
        assert!(folder.join("whole").exists() && !folder.join("half").exists());
        fill(&folder, |_| bail!("not called again")).unwrap();
        fs::remove_dir_all(top).unwrap();
    }

    #[test]
    fn a_stamp_is_there_only_after_the_step() {
        let top = scratch("stamp");
        let stamp = Stamp::of(&top);
        assert_eq!(stamp.read(), None);
        stamp.write("7.2.13-bes").unwrap();
        assert_eq!(stamp.read().as_deref(), Some("7.2.13-bes"));
        fs::remove_dir_all(top).unwrap();
    }

    #[test]
    fn a_lock_keeps_a_second_holder_waiting() {
        let top = scratch("lock");
        let path = top.join("lock");
        let held = Lock::take(&path, "test").unwrap();
        let file = File::open(&path).unwrap();
        assert!(flock(&file, FlockOperation::NonBlockingLockExclusive).is_err());
        drop(held);
        assert!(flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok());
        fs::remove_dir_all(top).unwrap();
    }
}
