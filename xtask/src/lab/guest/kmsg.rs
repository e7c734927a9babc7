//! The kernel's log, followed line by line, so that it is complete even when the guest does not live to its end.

use super::system::OUT;
use super::Job;
use crate::lab::boot::DMESG;
use anyhow::{Context, Result};
use rustix::event::{poll, PollFd, PollFlags};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Writes a line into the kernel's log.
pub(crate) fn mark(text: &str) {
    // A log without the mark is still a log.
    let _ = OpenOptions::new()
        .write(true)
        .open("/dev/kmsg")
        .and_then(|mut file| file.write_all(format!("<6>lab: {text}\n").as_bytes()));
}

/// The thread that copies the log.
pub(crate) struct Follower {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Begins to copy the log to the host.
pub(crate) fn follow() -> Result<Follower> {
    let source = OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(rustix::fs::OFlags::NONBLOCK.bits())?)
        .open("/dev/kmsg")
        .context("cannot read the kernel's log")?;
    let target = File::create(Path::new(OUT).join(DMESG))?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = std::thread::Builder::new()
        .name("kmsg".to_owned())
        .spawn(move || copy(source, target, &stopped))?;
    Ok(Follower { stop, thread })
}

impl Follower {
    /// Copies what is left and ends.
    pub(crate) fn finish(self) {
        self.stop.store(true, Ordering::Release);
        let _ = self.thread.join();
    }
}

fn copy(mut source: File, mut target: File, stop: &AtomicBool) {
    let mut record = vec![0; 8192];
    loop {
        let last = stop.load(Ordering::Acquire);
        let mut text = String::new();
        loop {
            match source.read(&mut record) {
                Ok(length) => {
                    let raw = String::from_utf8_lossy(record.get(..length).unwrap_or_default());
                    if let Some(line) = line(&raw) {
                        text.push_str(&line);
                    }
                }
                // The reader was overtaken; the kernel goes on with the oldest record that is left.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
                Err(_) => break,
            }
        }
        if !text.is_empty() && target.write_all(text.as_bytes()).is_ok() {
            let _ = target.sync_data();
        }
        if last {
            return;
        }
        let mut wanted = [PollFd::new(&source, PollFlags::IN)];
        let timeout = rustix::event::Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        };
        if poll(&mut wanted, Some(&timeout)).is_err() {
            std::thread::sleep(Duration::from_millis(100));
        }
        // Reports come in many lines: one copy for all of them.
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// `6,339,5140900,-;text` becomes `[    5.140900] text`. Lines that continue a record (`KEY=value`) are left out.
fn line(record: &str) -> Option<String> {
    let (head, text) = record.split_once(';')?;
    let text = text.lines().next()?;
    let microseconds: u64 = head.split(',').nth(2)?.parse().ok()?;
    Some(format!(
        "[{:5}.{:06}] {}\n",
        microseconds / 1_000_000,
        microseconds % 1_000_000,
        text
    ))
}

/// Asks kmemleak, where the kernel has it, and puts what it found into the kernel's log.
pub(crate) fn leaks(job: &Job) {
    let file = Path::new("/sys/kernel/debug/kmemleak");
    if !file.exists() {
        return;
    }
    // Memory that was freed late, and pointers left on stacks, look like leaks in a first scan: an object is reported
    // only when a second scan, some seconds later, still finds nothing that points to it.
    for pause in [Duration::from_secs(5), job.limit(0)] {
        if std::fs::write(file, "scan").is_err() {
            return; // Switched off.
        }
        std::thread::sleep(pause);
    }
    let found = std::fs::read_to_string(file).unwrap_or_default();
    let _ = std::fs::write(Path::new(OUT).join("kmemleak.txt"), &found);
    for line in found.lines() {
        mark(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_becomes_a_line_as_dmesg_shows_it() {
        assert_eq!(
            line("6,339,5140900,-;mmc0: new SDIO card\n SUBSYSTEM=mmc\n DEVICE=+mmc:mmc0\n")
                .as_deref(),
            Some("[    5.140900] mmc0: new SDIO card\n")
        );
        assert_eq!(line("nonsense"), None);
    }
}
