// SPDX-License-Identifier: GPL-2.0-only

//! Device core dumps: `/sys/class/devcoredump` in user space, if the kernel is built with them.
//!
//! C header: [`include/linux/devcoredump.h`](srctree/include/linux/devcoredump.h)

use super::bindings;
use kernel::device::Device;

/// Hands a copy of `data` to user space as a core dump of `device`. Lost without a word if there is no memory, or if the
/// last one was not read yet. May sleep.
pub(crate) fn hand_over(device: &Device, data: &[u8]) {
    // A `Device` is a `struct device`.
    let raw: *const bindings::device = core::ptr::from_ref(device).cast();
    // SAFETY: The device is valid, and `data` is only read, during the call.
    unsafe { bindings::bes_core_dump(raw.cast_mut(), data.as_ptr().cast(), data.len()) };
}
