//! The chip's wake line: a line of the kernel that has its level in a file, as simulated GPIO lines have it.
//!
//! Nothing tells when such a file changes, so it is read every millisecond: a chip takes longer to wake up, and its host waits
//! ten times as long.

use super::hub::Hub;
use super::slot::Slot;
use anyhow::{bail, Context, Result};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the line is looked at.
const PERIOD: Duration = Duration::from_millis(1);

/// A line of the host, and how its level is to be understood.
pub struct WakeLine {
    file: File,
    path: PathBuf,
    active_low: bool,
}

impl WakeLine {
    /// The line whose level, 0 or 1, is in a file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or has no level in it.
    pub fn open(path: &Path, active_low: bool) -> Result<Self> {
        let line = Self {
            file: File::open(path).with_context(|| format!("wake line: {}", path.display()))?,
            path: path.to_owned(),
            active_low,
        };
        line.asserted()?;
        Ok(line)
    }

    /// Whether the chip has to be awake.
    ///
    /// # Errors
    ///
    /// If the file is gone.
    pub fn asserted(&self) -> Result<bool> {
        let mut bytes = [0; 2];
        let read = self
            .file
            .read_at(&mut bytes, 0)
            .with_context(|| format!("wake line: {}", self.path.display()))?;
        match bytes[..read].first() {
            Some(b'0') => Ok(self.active_low),
            Some(b'1') => Ok(!self.active_low),
            _ => bail!(
                "wake line: {} has neither 0 nor 1 in it; it is the file `value` of a simulated GPIO line",
                self.path.display()
            ),
        }
    }

    /// Lets the chip follow the line until the program ends.
    ///
    /// # Errors
    ///
    /// If the file is gone.
    pub fn follow(&self, slot: &Slot, hub: &Hub) -> Result<()> {
        let mut before = None;
        while !hub.is_stopping() {
            let asserted = self.asserted()?;
            if before.replace(asserted) != Some(asserted) {
                let now = hub.now();
                slot.handle.with(|world| {
                    world.advance_to(now);
                    world.set_wake_line(asserted);
                });
            }
            // The chip wakes up a while after its line. When it has something to do next is not asked: this thread looks
            // again soon anyway.
            let _ = slot.attend(hub.now());
            std::thread::sleep(PERIOD);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, content: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("bes-wake-line-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        path
    }

    #[test]
    fn the_level_is_read_anew_each_time_and_its_polarity_is_respected() {
        let path = file("level", "0\n");
        let high = WakeLine::open(&path, false).unwrap();
        let low = WakeLine::open(&path, true).unwrap();
        assert_eq!(
            (high.asserted().unwrap(), low.asserted().unwrap()),
            (false, true)
        );
        std::fs::write(&path, "1\n").unwrap();
        assert_eq!(
            (high.asserted().unwrap(), low.asserted().unwrap()),
            (true, false)
        );
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_file_that_is_no_line_is_answered_with_what_would_be_one() {
        let path = file("none", "high\n");
        let error = format!("{:#}", WakeLine::open(&path, false).err().unwrap());
        assert!(error.contains("file `value`"), "{error}");
        std::fs::remove_file(&path).unwrap();
        let error = format!("{:#}", WakeLine::open(&path, false).err().unwrap());
        assert!(
            error.contains("wake line") && error.contains("No such file"),
            "{error}"
        );
    }
}
