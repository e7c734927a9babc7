// SPDX-License-Identifier: GPL-2.0-only

//! The data area, shared with the kernel.

use crate::abi::DATA_SIZE;
use crate::Error;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

/// The data area of one device.
///
/// # Invariants
///
/// `start` is the first of [`DATA_SIZE`] readable and writable bytes that stay mapped as long as this value lives and
/// that nothing in this process reaches but through it. The kernel touches them during an exchange alone.
pub(crate) struct Mapping {
    start: NonNull<u8>,
}

// SAFETY: The mapping belongs to the process, not to a thread, and this value is its only owner.
unsafe impl Send for Mapping {}

// SAFETY: A shared reference only reads.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the data area of a device of which this process is the card.
    pub(crate) fn new(device: BorrowedFd<'_>) -> Result<Self, Error> {
        // SAFETY: A new mapping at an address of the kernel's choice touches no memory of this process.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                DATA_SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                device.as_raw_fd(),
                0,
            )
        };
        let error = io::Error::last_os_error();
        match NonNull::new(start.cast::<u8>()) {
            // INVARIANT: The kernel maps the area as a whole, and a device has one opener.
            Some(start) if start.as_ptr().cast() != libc::MAP_FAILED => Ok(Self { start }),
            _ => Err(Error::System {
                what: "mapping the data area",
                error,
            }),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: By the invariants the bytes are there; exchanges need the device exclusively, so none runs while
        // this borrow lasts, and the kernel does not write.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), DATA_SIZE) }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: As above; `&mut self` makes this the only borrow.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), DATA_SIZE) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: By the invariants this is exactly what `mmap` returned, and nothing borrows from it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), DATA_SIZE) };
    }
}
