// SPDX-License-Identifier: GPL-2.0-only

//! The buffer of a burst from the chip: pages that the bus fills, and that then become fragments of socket buffers.
//!
//! C headers: [`include/linux/gfp.h`](srctree/include/linux/gfp.h), [`include/linux/mm.h`](srctree/include/linux/mm.h)

use super::bindings;
use bes_hal::frame::RxBuffer;
use core::ptr::NonNull;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;

/// Pages with the bytes of a burst.
///
/// # Invariants
///
/// `page` is the first of `1 << order` pages of a compound page of which this value holds one reference, and `start`
/// is their address in the kernel's linear map. `len` is at most their size. Bytes of the pages are changed through
/// this value only, and never once [`share`](Self::share) was called.
pub(crate) struct BurstBuffer {
    page: NonNull<bindings::page>,
    start: NonNull<u8>,
    order: u32,
    len: usize,
}

// SAFETY: Pages belong to no thread.
unsafe impl Send for BurstBuffer {}

impl BurstBuffer {
    /// `len` zeroed bytes. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`], or [`EINVAL`] for no bytes at all.
    pub(crate) fn new(len: usize) -> Result<Self> {
        if len == 0 {
            return Err(EINVAL);
        }
        let order = len.div_ceil(PAGE_SIZE).next_power_of_two().trailing_zeros();
        // SAFETY: No requirements; null if there is no memory.
        let page = NonNull::new(unsafe { bindings::bes_alloc_pages(order) }).ok_or(ENOMEM)?;
        // SAFETY: The page was just allocated, not from high memory.
        let start = unsafe { bindings::bes_page_address(page.as_ptr()) };
        let Some(start) = NonNull::new(start.cast::<u8>()) else {
            // SAFETY: The reference is ours and is not used again.
            unsafe { bindings::bes_put_page(page.as_ptr()) };
            return Err(ENOMEM);
        };
        // INVARIANT: Allocated with this order, and `len` is at most that many bytes.
        Ok(Self {
            page,
            start,
            order,
            len,
        })
    }

    /// Memory that the pages take, in bytes.
    pub(super) fn footprint(&self) -> usize {
        PAGE_SIZE << self.order
    }

    /// One more reference to the pages, for a fragment, and the page to make it with.
    pub(super) fn share(&self) -> *mut bindings::page {
        // SAFETY: Valid by the type invariants; the caller gets the new reference.
        unsafe { bindings::bes_get_page(self.page.as_ptr()) };
        self.page.as_ptr()
    }
}

impl Drop for BurstBuffer {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the reference is ours; it is not used again.
        unsafe { bindings::bes_put_page(self.page.as_ptr()) };
    }
}

impl RxBuffer for BurstBuffer {
    fn bytes(&self) -> &[u8] {
        // SAFETY: By the type invariants; the pages were zeroed when they were allocated.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: As above, and nobody else uses the bytes until they are shared.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}
