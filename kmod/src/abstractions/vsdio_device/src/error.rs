// SPDX-License-Identifier: GPL-2.0-only

//! What can go wrong between a card's process and the kernel.

use std::io;
use std::path::PathBuf;

/// Why an operation on the device failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The device file cannot be opened; most likely `vsdio.ko` is not loaded (`ENOENT`), or the caller is not root.
    #[error("cannot open {}: {error}", path.display())]
    Open {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another process is the card of this device.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The kernel module speaks another version of the protocol.
    #[error("vsdio.ko does not speak version {version} of the protocol", version = crate::abi::PROTOCOL_VERSION)]
    Version,
    /// A limit is out of its range.
    #[error("vsdio.ko refuses these limits")]
    Limits,
    /// The answer is to a command that is not outstanding: it came after the deadline, or it is the second one.
    #[error("answer to a command that is not outstanding (too late?)")]
    Stale,
    /// The length of the answer does not suit its command. The command still waits.
    #[error("answer of a wrong length")]
    Length,
    /// Another field of the answer is not valid. The command still waits.
    #[error("answer refused by vsdio.ko")]
    Refused,
    /// Another thread is exchanging on this device.
    #[error("two exchanges at once")]
    Busy,
    /// The [`Device`](crate::Device) of this handle was dropped.
    #[error("the card was taken out")]
    Gone,
    /// Anything else.
    #[error("{what}: {error}")]
    System {
        /// Which call.
        what: &'static str,
        /// Why.
        error: io::Error,
    },
}
