// SPDX-License-Identifier: GPL-2.0-only

//! Memory that the kernel and a process share.
//!
//! C headers: `include/linux/vmalloc.h`.

use super::bindings;
use core::ptr::NonNull;
use kernel::error::to_result;
use kernel::ffi::c_void;
use kernel::mm::virt::{flags, VmaNew};
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;

/// Zeroed pages, contiguous for the kernel, that a process may map.
///
/// The process can change them at any time, so no reference to their contents is ever made: the kernel copies from and
/// to them and then works on its copy.
///
/// # Invariants
///
/// `start` is what `vmalloc_user` returned for `size` bytes and was not freed; `size` is a multiple of the page size
/// and not 0.
pub(crate) struct SharedArea {
    start: NonNull<c_void>,
    size: usize,
}

// SAFETY: The memory belongs to no thread, and `vfree` may be called on any that may sleep.
unsafe impl Send for SharedArea {}

// SAFETY: The contents are reached through raw pointers alone, by functions that bear concurrent changes.
unsafe impl Sync for SharedArea {}

impl SharedArea {
    /// Allocates `size` bytes.
    ///
    /// # Errors
    ///
    /// `EINVAL`: `size` is not a multiple of the page size, or 0. `ENOMEM`.
    pub(crate) fn new(size: usize) -> Result<Self> {
        if size == 0 || size % PAGE_SIZE != 0 {
            return Err(EINVAL);
        }
        // SAFETY: `vmalloc_user` may be called with any size, in a context that may sleep.
        let start = unsafe { bindings::vsdio_vmalloc_user(size) };
        // INVARIANT: Just allocated with this size, which was checked above.
        Ok(Self {
            start: NonNull::new(start).ok_or(ENOMEM)?,
            size,
        })
    }

    /// Bytes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Start of the area, for C functions that copy from or to it.
    pub(super) fn as_ptr(&self) -> *mut c_void {
        self.start.as_ptr()
    }

    /// Maps all of the area into a process. The mapping is not inherited over `fork`, cannot grow and is not dumped.
    ///
    /// # Errors
    ///
    /// `EINVAL`: not all of the area (or more than it), a private mapping, or one to run code in.
    pub(crate) fn map(&self, vma: &VmaNew) -> Result {
        let length = vma.end().wrapping_sub(vma.start());
        if length != self.size || vma.flags() & flags::SHARED == 0 {
            return Err(EINVAL);
        }
        vma.try_clear_mayexec()?;
        vma.set_dontcopy();
        // SAFETY: By the type invariants `start` is memory of `vmalloc_user`. `vma` is being set up, so that its lock
        // is held. The pages hold references of their own, so a mapping that outlives the area is no problem. The offset
        // 0 and the length were checked here and are checked again there.
        to_result(unsafe { bindings::remap_vmalloc_range(vma.as_ptr().cast(), self.as_ptr(), 0) })
    }
}

impl Drop for SharedArea {
    fn drop(&mut self) {
        // SAFETY: By the type invariants this is memory of `vmalloc_user`, and nothing borrows from `self` any more.
        unsafe { bindings::vfree(self.as_ptr()) };
    }
}
