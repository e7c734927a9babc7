// SPDX-License-Identifier: GPL-2.0-only

//! What the kernel logs while the checks run.

use crate::serve::Check;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

/// What a kernel says when something in it is wrong.
const COMPLAINTS: [&str; 13] = [
    "WARNING:",
    "BUG:",
    "Oops",
    "KASAN",
    "UBSAN",
    "INFO: task",
    "INFO: possible",
    "possible circular",
    "suspicious RCU",
    "kmemleak",
    "refcount_t",
    "Call Trace",
    "stack-protector",
];

/// `/dev/kmsg`, from a point in time on.
pub(crate) struct KernelLog(File);

impl KernelLog {
    /// From now on.
    pub(crate) fn from_now() -> std::io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg")?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self(file))
    }

    /// Fails with the first complaint.
    pub(crate) fn complaints(mut self) -> Check {
        let mut record = [0; 8192];
        loop {
            match self.0.read(&mut record) {
                Ok(0) => return Ok(()),
                Ok(length) => {
                    let text = String::from_utf8_lossy(record.get(..length).unwrap_or_default());
                    if COMPLAINTS.iter().any(|complaint| text.contains(complaint)) {
                        return Err(text.trim().to_owned());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                // Overwritten before it was read: nothing can be said of it.
                Err(error) => return Err(format!("/dev/kmsg: {error}")),
            }
        }
    }
}
