// SPDX-License-Identifier: GPL-2.0-only

//! Files from the kernel's firmware loader.
//!
//! `kernel::firmware` does the same where `CONFIG_RUST_FW_LOADER_ABSTRACTIONS` is set. Nothing of the driver's own can set
//! it, and kernels that people run have no reason to; the loader itself is always there.
//!
//! C header: [`include/linux/firmware.h`](srctree/include/linux/firmware.h)

use super::bindings;
use core::ptr::{self, NonNull};
use kernel::device::Device;
use kernel::error::to_result;
use kernel::prelude::*;
use kernel::str::CStr;

/// A file.
///
/// # Invariants
///
/// `image` is a `struct firmware` that this value owns. Its bytes do not change.
pub(crate) struct Firmware {
    image: NonNull<bindings::firmware>,
}

// SAFETY: A file in memory belongs to no thread.
unsafe impl Send for Firmware {}
// SAFETY: It is only read.
unsafe impl Sync for Firmware {}

impl Firmware {
    /// The file called `name` below the system's firmware folders. The kernel does not complain if there is none. Sleeps.
    ///
    /// # Errors
    ///
    /// [`ENOENT`] if there is no such file, [`ENOMEM`], and whatever reading it brings.
    pub(crate) fn request(name: &CStr, device: &Device) -> Result<Self> {
        let mut image: *const bindings::firmware = ptr::null();
        let device: *const Device = device;
        // SAFETY: `image` is valid for writing, `name` ends with a NUL, and `device` is valid: a `Device` is a `struct
        // device`.
        to_result(unsafe {
            bindings::firmware_request_nowarn(
                &raw mut image,
                name.as_char_ptr(),
                device.cast_mut().cast(),
            )
        })?;
        // INVARIANT: A request that succeeded gives a file away.
        NonNull::new(image.cast_mut())
            .map(|image| Self { image })
            .ok_or(ENOENT)
    }

    /// The bytes.
    pub(crate) fn data(&self) -> &[u8] {
        // SAFETY: Valid by the type invariants.
        let (data, size) = unsafe { ((*self.image.as_ptr()).data, (*self.image.as_ptr()).size) };
        if data.is_null() {
            return &[];
        }
        // SAFETY: `data` has `size` bytes, which do not change, by the type invariants.
        unsafe { core::slice::from_raw_parts(data, size) }
    }
}

impl Drop for Firmware {
    fn drop(&mut self) {
        // SAFETY: Ours by the type invariants, and not used again.
        unsafe { bindings::release_firmware(self.image.as_ptr()) };
    }
}
