// SPDX-License-Identifier: GPL-2.0-only

//! The memory of one data transfer, as the MMC core wants it: a list of pieces of the kernel's linear map.
//!
//! C header: [`include/linux/scatterlist.h`](srctree/include/linux/scatterlist.h)
//!
//! Memory that is not in the linear map (what `vmalloc` gave, constants of a module, a stack) cannot be in such a list.
//! It goes through a bounce buffer that every list has; this is the one place that decides so:
//!
//! | memory | write | read |
//! |---|---|---|
//! | linear map | in place, but for the last 1 to 3 bytes of a piece that is no multiple of 4 long | in place if aligned to [`ALIGN`] |
//! | other | bounce buffer | bounce buffer |
//! | more pieces than the host takes | all in the bounce buffer | |
//!
//! What follows a piece in the bounce buffer is joined to it, so a frame and the zeros behind it are two entries, and
//! lengths are multiples of 4, without which some hosts (`dw_mmc`) give up DMA.

use super::bindings;
use core::ptr;
use kernel::prelude::*;

/// Alignment of a buffer that is read into directly, in bytes: at least a cache line, so that nothing else shares one
/// with it.
pub(crate) const ALIGN: usize = 128;

/// Most entries of a list: 16 frames, each with the zeros behind it, and what long ones are cut into.
const ENTRIES: usize = 64;

/// A piece of memory.
#[derive(Clone, Copy)]
struct Piece {
    start: *const u8,
    len: usize,
}

/// What a host takes.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Most entries.
    pub(super) entries: usize,
    /// Most bytes of one.
    pub(super) entry_len: usize,
}

/// A list that is used for one transfer after the other.
///
/// # Invariants
///
/// `bounce` is in the linear map. `table` has [`ENTRIES`] elements, `pieces` has room for as many.
pub(crate) struct ScatterList {
    table: KVec<bindings::scatterlist>,
    pieces: KVec<Piece>,
    bounce: KVec<u8>,
    /// Bytes of `bounce` in use.
    bounced: usize,
}

// SAFETY: The pointers in it are only used during a transfer, through an exclusive reference.
unsafe impl Send for ScatterList {}

impl ScatterList {
    /// A list with a bounce buffer of `bounce` bytes.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`].
    pub(crate) fn new(bounce: usize) -> Result<Self> {
        // INVARIANT: `KVec` is memory of kmalloc(), which is in the linear map.
        Ok(Self {
            table: KVec::from_elem(bindings::scatterlist::default(), ENTRIES, GFP_KERNEL)?,
            pieces: KVec::with_capacity(ENTRIES, GFP_KERNEL)?,
            bounce: KVec::from_elem(0, bounce, GFP_KERNEL)?,
            bounced: 0,
        })
    }

    fn clear(&mut self) {
        self.pieces.clear();
        self.bounced = 0;
    }

    /// Appends memory that is in the linear map.
    fn push(&mut self, start: *const u8, len: usize, limits: Limits) -> Result {
        let mut start = start;
        let mut len = len;
        if let Some(last) = self.pieces.last_mut() {
            // Behind each other, so that the bounce buffer's parts become one.
            if last.start.wrapping_add(last.len) == start && last.len < limits.entry_len {
                let joined = len.min(limits.entry_len - last.len);
                last.len += joined;
                start = start.wrapping_add(joined);
                len -= joined;
            }
        }
        while len > 0 {
            if self.pieces.len() >= limits.entries.min(ENTRIES) {
                return Err(E2BIG);
            }
            let part = len.min(limits.entry_len);
            self.pieces
                .push_within_capacity(Piece { start, len: part })
                .map_err(|_| E2BIG)?;
            start = start.wrapping_add(part);
            len -= part;
        }
        Ok(())
    }

    /// Appends a copy of `bytes`.
    fn push_copy(&mut self, bytes: &[u8], limits: Limits) -> Result {
        let end = self.bounced.checked_add(bytes.len()).ok_or(EINVAL)?;
        let target = self.bounce.get_mut(self.bounced..end).ok_or(EINVAL)?;
        target.copy_from_slice(bytes);
        let start = target.as_ptr();
        self.bounced = end;
        self.push(start, bytes.len(), limits)
    }

    fn gather(&mut self, segments: &[&[u8]], limits: Limits) -> Result {
        self.clear();
        for segment in segments {
            let direct = if is_linear(segment) {
                segment.len() & !3
            } else {
                0
            };
            let (direct, copied) = segment.split_at(direct);
            self.push(direct.as_ptr(), direct.len(), limits)?;
            self.push_copy(copied, limits)?;
        }
        Ok(())
    }

    /// Fills the list with `segments`, to be written.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if what has to be copied is more than the bounce buffer holds.
    pub(super) fn prepare_write(
        &mut self,
        segments: &[&[u8]],
        limits: Limits,
    ) -> Result<&mut Self> {
        if self.gather(segments, limits).is_err() {
            self.clear();
            for segment in segments {
                self.push_copy(segment, limits)?;
            }
        }
        Ok(self)
    }

    /// Fills the list with `buffer`, to be read into. [`finish_read`](Self::finish_read) has to follow.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if it has to be bounced and is larger than the bounce buffer.
    pub(super) fn prepare_read(&mut self, buffer: &mut [u8], limits: Limits) -> Result<&mut Self> {
        self.clear();
        let aligned = buffer.as_ptr().addr() % ALIGN == 0;
        if aligned
            && is_linear(buffer)
            && self.push(buffer.as_mut_ptr(), buffer.len(), limits).is_ok()
        {
            return Ok(self);
        }
        self.clear();
        let bounce = self.bounce.get_mut(..buffer.len()).ok_or(EINVAL)?;
        let start = bounce.as_ptr();
        self.bounced = buffer.len();
        self.push(start, buffer.len(), limits)?;
        Ok(self)
    }

    /// Moves what was read to where it belongs.
    pub(super) fn finish_read(&self, buffer: &mut [u8]) {
        if self.bounced != 0 {
            if let Some(bytes) = self.bounce.get(..buffer.len()) {
                buffer.copy_from_slice(bytes);
            }
        }
    }

    /// The list for the kernel: its first entry, and how many there are.
    ///
    /// It is valid until the next change of this value, and as long as the memory is that was put into it.
    pub(super) fn table(&mut self) -> (*mut bindings::scatterlist, u32) {
        let count = self.pieces.len().min(self.table.len());
        let table = self.table.as_mut_ptr();
        let length = u32::try_from(count).unwrap_or(0);
        if length == 0 {
            return (ptr::null_mut(), 0);
        }
        // SAFETY: `table` has at least `count` entries, by the type invariants.
        unsafe { bindings::sg_init_table(table, length) };
        for (n, piece) in self.pieces.iter().enumerate().take(count) {
            let len = u32::try_from(piece.len).unwrap_or(0);
            // SAFETY: `n` is less than `count`, and every piece is in the linear map.
            unsafe { bindings::bes_sg_set_buf(table.add(n), piece.start.cast(), len) };
        }
        (table, length)
    }
}

/// Whether all of `bytes` is in the kernel's linear map.
fn is_linear(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last() else {
        return true;
    };
    // SAFETY: Looks at the addresses only.
    unsafe {
        bindings::bes_virt_addr_valid(bytes.as_ptr().cast())
            && bindings::bes_virt_addr_valid(ptr::from_ref(last).cast())
    }
}
