// SPDX-License-Identifier: GPL-2.0-only

//! Socket buffers on their way down: owned, linear, not shared.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

use super::bindings;
use bes_hal::frame::{NoRoom, TxFrame};
use core::marker::PhantomData;
use core::mem::{align_of, size_of, ManuallyDrop};
use core::pin::Pin;
use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::types::Opaque;

/// Flags of frames that mac80211 does not know. It never sets all of them.
const OWN: u32 = u32::MAX;

/// An owned socket buffer. Dropping it frees it.
///
/// # Invariants
///
/// The pointer is valid, and nobody else uses the buffer. The data is linear, and no clone shares it.
pub(crate) struct SkBuff(NonNull<bindings::sk_buff>);

// SAFETY: A socket buffer belongs to no thread.
unsafe impl Send for SkBuff {}

impl SkBuff {
    /// Takes over a socket buffer. One that is not linear or whose data is shared is copied first; how often that
    /// was necessary is counted in `copies`.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] if it would have to be copied and there is no memory. The buffer is freed.
    ///
    /// # Safety
    ///
    /// `skb` is a valid socket buffer, and the caller gives it up.
    pub(super) unsafe fn from_raw(
        skb: NonNull<bindings::sk_buff>,
        copies: &mut u64,
    ) -> Result<Self> {
        // SAFETY: By the requirements of this function.
        let (nonlinear, shared) = unsafe {
            (
                bindings::bes_skb_is_nonlinear(skb.as_ptr()),
                bindings::bes_skb_is_shared(skb.as_ptr()),
            )
        };
        if nonlinear || shared {
            *copies = copies.wrapping_add(1);
            // SAFETY: As above. Both calls leave a valid socket buffer, whether they succeed or not.
            let failed = unsafe {
                (nonlinear && bindings::bes_skb_linearize(skb.as_ptr()) != 0)
                    || (shared
                        && bindings::pskb_expand_head(skb.as_ptr(), 0, 0, bindings::BES_GFP_ATOMIC)
                            != 0)
            };
            if failed {
                // SAFETY: As above; it is not used again.
                unsafe { bindings::bes_kfree_skb(skb.as_ptr()) };
                return Err(ENOMEM);
            }
        }
        // INVARIANT: Owned by the requirements; linear and not shared as checked or made so above.
        Ok(Self(skb))
    }

    /// A new frame with `content`, with `headroom` bytes in front and `tailroom` behind it. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`].
    pub(crate) fn new(content: &[u8], headroom: usize, tailroom: usize) -> Result<Self> {
        let size = content
            .len()
            .checked_add(headroom)
            .and_then(|size| size.checked_add(tailroom))
            .and_then(|size| u32::try_from(size).ok())
            .ok_or(EINVAL)?;
        // SAFETY: No device is needed. A new socket buffer, or null.
        let skb = unsafe {
            bindings::__netdev_alloc_skb(core::ptr::null_mut(), size, bindings::BES_GFP_KERNEL)
        };
        let skb = NonNull::new(skb).ok_or(ENOMEM)?;
        // SAFETY: The buffer is new and has `size` bytes of room.
        unsafe { bindings::bes_skb_reserve(skb.as_ptr(), headroom as u32) };
        // INVARIANT: New, therefore owned, linear and not shared.
        let mut frame = Self(skb);
        // SAFETY: The control block is ours; mac80211 never sees this frame.
        unsafe { (*frame.tx_info()).flags = OWN };
        frame.put(content.len()).map_err(|NoRoom| ENOMEM)?;
        frame.bytes_mut().copy_from_slice(content);
        Ok(frame)
    }

    /// Whether it was made by [`new`](Self::new), so that mac80211 does not know it.
    pub(super) fn is_own(&self) -> bool {
        // SAFETY: Valid by the type invariants.
        unsafe { (*self.tx_info()).flags == OWN }
    }

    /// Gives the socket buffer up.
    pub(super) fn into_raw(self) -> NonNull<bindings::sk_buff> {
        ManuallyDrop::new(self).0
    }

    /// The socket buffer, still owned by `self`.
    pub(super) fn as_ptr(&self) -> *mut bindings::sk_buff {
        self.0.as_ptr()
    }

    /// The queue that the stack chose, 0 (most urgent) to 3.
    pub(crate) fn queue_mapping(&self) -> u16 {
        // SAFETY: Valid by the type invariants.
        unsafe { bindings::bes_skb_queue_mapping(self.as_ptr()) }
    }

    /// What mac80211 knows about the frame.
    pub(super) fn tx_info(&self) -> *mut bindings::ieee80211_tx_info {
        // SAFETY: Valid by the type invariants; mac80211 keeps its information in the control block.
        unsafe { (&raw mut (*self.as_ptr()).cb).cast() }
    }
}

impl Drop for SkBuff {
    fn drop(&mut self) {
        // SAFETY: Owned by the type invariants; not used again.
        unsafe { bindings::bes_kfree_skb(self.as_ptr()) };
    }
}

impl TxFrame for SkBuff {
    #[inline]
    fn bytes(&self) -> &[u8] {
        let skb = self.as_ptr();
        // SAFETY: By the type invariants the data is linear: `len` initialised bytes from `data`, which nobody else
        // changes.
        unsafe { core::slice::from_raw_parts((*skb).data, (*skb).len as usize) }
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        let skb = self.as_ptr();
        // SAFETY: As in `bytes`, and no clone shares the data.
        unsafe { core::slice::from_raw_parts_mut((*skb).data, (*skb).len as usize) }
    }

    #[inline]
    fn push(&mut self, count: usize) -> Result<(), NoRoom> {
        let skb = self.as_ptr();
        // SAFETY: Valid by the type invariants.
        let room = unsafe { bindings::bes_skb_headroom(skb) } as usize;
        if count > room {
            return Err(NoRoom);
        }
        // SAFETY: There is room for `count` bytes in front, and the data is not shared.
        unsafe {
            let start: *mut u8 = bindings::skb_push(skb, count as u32).cast();
            start.write_bytes(0, count);
        }
        Ok(())
    }

    #[inline]
    fn pull(&mut self, count: usize) {
        let count = count.min(self.bytes().len());
        // SAFETY: Valid by the type invariants; there are `count` bytes.
        unsafe { bindings::skb_pull(self.as_ptr(), count as u32) };
    }

    #[inline]
    fn put(&mut self, count: usize) -> Result<(), NoRoom> {
        let skb = self.as_ptr();
        // SAFETY: Valid by the type invariants.
        let room = unsafe { bindings::bes_skb_tailroom(skb) } as usize;
        if count > room {
            return Err(NoRoom);
        }
        // SAFETY: There is room for `count` bytes behind, and the data is linear and not shared.
        unsafe {
            let end: *mut u8 = bindings::skb_put(skb, count as u32).cast();
            end.write_bytes(0, count);
        }
        Ok(())
    }

    #[inline]
    fn trim(&mut self, len: usize) {
        let len = len.min(self.bytes().len());
        // SAFETY: Valid by the type invariants, linear, and not longer than it is.
        unsafe { bindings::skb_trim(self.as_ptr(), len as u32) };
    }
}

/// A bounded queue of socket buffers, each with a note of type `N`, that any context may use.
///
/// The note lies in the control block, behind the rates, where mac80211 leaves room for drivers. Nothing is allocated.
///
/// # Invariants
///
/// Every buffer in the queue satisfies the invariants of [`SkBuff`] and carries an initialised `N`.
#[pin_data(PinnedDrop)]
pub(crate) struct SkBuffQueue<N: Copy + Send> {
    #[pin]
    head: Opaque<bindings::sk_buff_head>,
    bound: u32,
    note: PhantomData<N>,
}

// SAFETY: The list has a lock of its own; buffers and notes may move between threads.
unsafe impl<N: Copy + Send> Send for SkBuffQueue<N> {}
// SAFETY: As above.
unsafe impl<N: Copy + Send> Sync for SkBuffQueue<N> {}

/// Where the note lies in the control block: behind the rates and what belongs to them.
const NOTE_OFFSET: usize = 24;

impl<N: Copy + Send> SkBuffQueue<N> {
    const FITS: () = {
        assert!(NOTE_OFFSET + size_of::<N>() <= size_of::<bindings::ieee80211_tx_info>());
        assert!(align_of::<N>() <= align_of::<u64>());
        assert!(size_of::<bindings::ieee80211_tx_info>() <= 48);
    };

    /// An empty queue for at most `bound` buffers.
    pub(crate) fn new(bound: u32) -> impl PinInit<Self> {
        // INVARIANT: An empty queue has no buffers.
        pin_init!(Self {
            head <- Opaque::ffi_init(|head| {
                // SAFETY: `head` is valid for writing.
                unsafe { bindings::bes_skb_queue_init(head) }
            }),
            bound,
            note: PhantomData,
        })
    }

    fn note(frame: &SkBuff) -> *mut N {
        let () = Self::FITS;
        // SAFETY: The control block is large enough, and its start is a multiple of 8.
        unsafe { frame.tx_info().cast::<u8>().add(NOTE_OFFSET).cast() }
    }

    /// Appends a buffer with its note. Full, it gives the buffer back.
    pub(crate) fn push(&self, frame: SkBuff, note: N) -> Result<(), SkBuff> {
        // SAFETY: Initialised by the type invariants.
        if unsafe { bindings::bes_skb_queue_len(self.head.get()) } >= self.bound {
            return Err(frame);
        }
        // SAFETY: There is room for the note, see `note`.
        unsafe { Self::note(&frame).write(note) };
        // INVARIANT: The note was just written.
        // SAFETY: The queue is initialised; the buffer is owned and is given up.
        unsafe { bindings::skb_queue_tail(self.head.get(), frame.into_raw().as_ptr()) };
        Ok(())
    }

    /// Takes the oldest buffer with its note.
    pub(crate) fn pop(&self) -> Option<(SkBuff, N)> {
        // SAFETY: Initialised by the type invariants.
        let skb = NonNull::new(unsafe { bindings::skb_dequeue(self.head.get()) })?;
        // INVARIANT: By the type invariants of the queue.
        let frame = SkBuff(skb);
        // SAFETY: By the type invariants the note is initialised.
        let note = unsafe { Self::note(&frame).read() };
        Some((frame, note))
    }
}

#[pinned_drop]
impl<N: Copy + Send> PinnedDrop for SkBuffQueue<N> {
    fn drop(self: Pin<&mut Self>) {
        while self.pop().is_some() {}
    }
}
