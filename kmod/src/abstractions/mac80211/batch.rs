// SPDX-License-Identifier: GPL-2.0-only

//! Frames on their way up and statuses on their way back: gathered, then handed over in one section.
//!
//! ```text
//!   push_received ─┐
//!   push_sent ─────┼─► Batch ──► hand_over: statuses, drops, then frames, with bottom halves off
//!   push_dropped ──┘
//! ```
//!
//! mac80211 forbids to mix its ways of receiving, to call them at the same time on two threads, and to let them meet
//! the reporting of statuses. Whoever owns the batch hands over, so one owner is enough to satisfy all of that.

use super::super::bindings;
use super::super::burst::BurstBuffer;
use super::super::skb::SkBuff;
use super::{FrameSection, Hardware, Operations};
use bes_hal::frame::{RxBuffer, Span};
use core::ptr::{null_mut, NonNull};
use core::sync::atomic::Ordering;

/// Frames up to this length are copied: the pages of the burst are free earlier, and a fragment is dearer.
const COPY: usize = 256;

/// How much of a longer frame is copied to the linear part: every header up to that of TCP with its options.
const LINEAR: usize = 128;

/// Rate of a received frame.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RxRate {
    /// Index into the rates of the band.
    Legacy(u8),
    /// MCS.
    Ht(u8),
}

/// What mac80211 learns about a received frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RxDescription {
    /// Centre of the channel in MHz.
    pub(crate) frequency: u16,
    /// Band: 0 is 2.4 GHz, 1 is 5 GHz.
    pub(crate) band: u8,
    /// Rate.
    pub(crate) rate: RxRate,
    /// 40 MHz wide.
    pub(crate) wide: bool,
    /// Short guard interval.
    pub(crate) short_gi: bool,
    /// Signal strength in dBm, if it was measured.
    pub(crate) signal: Option<i8>,
    /// The body is decrypted.
    pub(crate) decrypted: bool,
    /// The cipher header is gone.
    pub(crate) iv_stripped: bool,
    /// The trailer is gone: ICV and MIC.
    pub(crate) mic_stripped: bool,
    /// The Michael MIC is checked and gone.
    pub(crate) mmic_stripped: bool,
    /// The Michael MIC is wrong.
    pub(crate) mmic_error: bool,
    /// In an A-MPDU: `Some(last)`.
    pub(crate) ampdu: Option<bool>,
    /// Number of the A-MPDU.
    pub(crate) ampdu_reference: u32,
}

/// A list of socket buffers, linked through themselves.
///
/// # Invariants
///
/// `first` starts a chain of owned buffers, linked by `next`, that ends with null; `last` is its last one. Both are null
/// for an empty list.
struct List {
    first: *mut bindings::sk_buff,
    last: *mut bindings::sk_buff,
    count: usize,
}

impl List {
    const EMPTY: Self = Self {
        first: null_mut(),
        last: null_mut(),
        count: 0,
    };

    /// # Safety
    ///
    /// `skb` is valid, and the caller gives it up.
    unsafe fn push(&mut self, skb: *mut bindings::sk_buff) {
        // SAFETY: By the requirements, and `last` by the type invariants.
        unsafe {
            (*skb).__bindgen_anon_1.__bindgen_anon_1.next = null_mut();
            (*skb).__bindgen_anon_1.__bindgen_anon_1.prev = null_mut();
            if self.last.is_null() {
                self.first = skb;
            } else {
                (*self.last).__bindgen_anon_1.__bindgen_anon_1.next = skb;
            }
        }
        // INVARIANT: The chain ends with the new buffer.
        self.last = skb;
        self.count = self.count.wrapping_add(1);
    }

    /// The caller owns what it gets, linked to nothing.
    fn pop(&mut self) -> Option<NonNull<bindings::sk_buff>> {
        let skb = NonNull::new(self.first)?;
        // SAFETY: Valid by the type invariants.
        unsafe {
            self.first = (*skb.as_ptr()).__bindgen_anon_1.__bindgen_anon_1.next;
            (*skb.as_ptr()).__bindgen_anon_1.__bindgen_anon_1.next = null_mut();
        }
        if self.first.is_null() {
            self.last = null_mut();
        }
        self.count = self.count.wrapping_sub(1);
        Some(skb)
    }
}

impl Drop for List {
    fn drop(&mut self) {
        while let Some(skb) = self.pop() {
            // SAFETY: Owned, and not used again.
            unsafe { bindings::bes_kfree_skb(skb.as_ptr()) };
        }
    }
}

/// What waits to be handed over.
pub(crate) struct Batch {
    received: List,
    sent: List,
    dropped: List,
}

// SAFETY: The lists own their buffers, which belong to no thread.
unsafe impl Send for Batch {}

impl Batch {
    /// Nothing waits.
    pub(crate) const EMPTY: Self = Self {
        received: List::EMPTY,
        sent: List::EMPTY,
        dropped: List::EMPTY,
    };

    /// Whether nothing waits.
    pub(crate) const fn is_empty(&self) -> bool {
        self.received.count == 0 && self.sent.count == 0 && self.dropped.count == 0
    }

    /// A frame came back from the hardware; its status stands in it, see [`SkBuff::report`]. One that
    /// mac80211 does not know is freed.
    pub(crate) fn push_sent(&mut self, frame: SkBuff) {
        if frame.is_own() {
            return;
        }
        // SAFETY: Owned and given up.
        unsafe { self.sent.push(frame.into_raw().as_ptr()) };
    }

    /// A frame was not sent.
    pub(crate) fn push_dropped(&mut self, frame: SkBuff) {
        if frame.is_own() {
            return;
        }
        // SAFETY: Owned and given up.
        unsafe { self.dropped.push(frame.into_raw().as_ptr()) };
    }

    /// A frame was received: `span` of `buffer`, which holds `frames` of them. Long ones keep their place in the pages
    /// of the buffer, of which the socket buffer becomes a user. May sleep. `false` if there is no memory, or no frame.
    pub(crate) fn push_received(
        &mut self,
        buffer: &BurstBuffer,
        span: Span,
        frames: usize,
        what: &RxDescription,
    ) -> bool {
        let bytes = span.of(buffer.bytes());
        // Shorter than an acknowledgement there is no frame.
        let Some(&[low, high]) = bytes.get(..2).and_then(|control| control.first_chunk()) else {
            return false;
        };
        // SAFETY: No requirements; the argument is the frame control field as it stands in the frame.
        let header = unsafe { bindings::ieee80211_hdrlen(u16::from_le_bytes([low, high]).to_le()) };
        // The network stack wants what follows the header on a multiple of 4.
        let shift = 4_usize.wrapping_sub(header as usize) & 3;
        let linear = if bytes.len() <= COPY {
            bytes.len()
        } else {
            LINEAR
        };
        // SAFETY: No device is needed. A new socket buffer or null.
        let skb = unsafe {
            bindings::__netdev_alloc_skb(
                null_mut(),
                (linear + shift) as u32,
                bindings::BES_GFP_KERNEL,
            )
        };
        if skb.is_null() {
            return false;
        }
        // SAFETY: The socket buffer is new and has room for what is put in. The fragment lies inside the pages, of
        // which it takes over a reference.
        unsafe {
            bindings::bes_skb_reserve(skb, shift as u32);
            let to: *mut u8 = bindings::skb_put(skb, linear as u32).cast();
            to.copy_from_nonoverlapping(bytes.as_ptr(), linear);
            if linear < bytes.len() {
                let share = buffer.footprint() / frames.max(1);
                bindings::bes_skb_add_rx_frag(
                    skb,
                    buffer.share(),
                    (usize::from(span.start) + linear) as u32,
                    (bytes.len() - linear) as u32,
                    share.max(bytes.len() - linear) as u32,
                );
            }
            let status: *mut bindings::ieee80211_rx_status = (&raw mut (*skb).cb).cast();
            status.write(rx_status(what));
            self.received.push(skb);
        }
        true
    }
}

fn rx_status(what: &RxDescription) -> bindings::ieee80211_rx_status {
    let mut status = bindings::ieee80211_rx_status::default();
    status.set_freq(what.frequency);
    status.band = what.band;
    match what.rate {
        RxRate::Legacy(index) => status.rate_idx = index,
        RxRate::Ht(mcs) => {
            status.set_encoding(bindings::mac80211_rx_encoding_RX_ENC_HT as u8);
            status.rate_idx = mcs;
            if what.short_gi {
                status.enc_flags |= bindings::mac80211_rx_encoding_flags_RX_ENC_FLAG_SHORT_GI as u8;
            }
        }
    }
    if what.wide {
        status.set_bw(bindings::rate_info_bw_RATE_INFO_BW_40 as u8);
    }
    let mut flags = 0;
    match what.signal {
        Some(signal) => {
            status.signal = signal;
            status.chains = 1;
            status.chain_signal[0] = signal;
        }
        None => flags |= bindings::mac80211_rx_flags_RX_FLAG_NO_SIGNAL_VAL,
    }
    for (set, flag) in [
        (
            what.decrypted,
            bindings::mac80211_rx_flags_RX_FLAG_DECRYPTED,
        ),
        (
            what.iv_stripped,
            bindings::mac80211_rx_flags_RX_FLAG_IV_STRIPPED,
        ),
        (
            what.mic_stripped,
            bindings::mac80211_rx_flags_RX_FLAG_ICV_STRIPPED
                | bindings::mac80211_rx_flags_RX_FLAG_MIC_STRIPPED,
        ),
        (
            what.mmic_stripped,
            bindings::mac80211_rx_flags_RX_FLAG_MMIC_STRIPPED,
        ),
        (
            what.mmic_error,
            bindings::mac80211_rx_flags_RX_FLAG_MMIC_ERROR,
        ),
    ] {
        if set {
            flags |= flag;
        }
    }
    if let Some(last) = what.ampdu {
        flags |= bindings::mac80211_rx_flags_RX_FLAG_AMPDU_DETAILS
            | bindings::mac80211_rx_flags_RX_FLAG_AMPDU_LAST_KNOWN;
        if last {
            flags |= bindings::mac80211_rx_flags_RX_FLAG_AMPDU_IS_LAST;
        }
        status.ampdu_reference = what.ampdu_reference;
    }
    status.flag = flags;
    status
}

/// What a hand-over did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HandedOver {
    /// Frames that went up.
    pub(crate) received: usize,
    /// Statuses.
    pub(crate) sent: usize,
}

impl<T: Operations> Hardware<T> {
    /// Hands everything over, in one section with bottom halves off. What mac80211 does in it may call back into
    /// [`Operations::tx`] and [`Operations::wake_tx_queue`]: no lock that those take may be held.
    ///
    /// While the hardware is not started, received frames are dropped.
    pub(crate) fn hand_over(&self, batch: &mut Batch) -> HandedOver {
        let mut done = HandedOver::default();
        if batch.is_empty() {
            return done;
        }
        let hw = self.as_ptr();
        let section = FrameSection::enter();
        let mut finished = Chain::new();
        let mut up = Chain::new();
        // SAFETY: The two heads stay where they are until they are empty.
        let (finished, up) = unsafe { (finished.start(), up.start()) };
        while let Some(skb) = batch.sent.pop() {
            done.sent += 1;
            // SAFETY: Owned, and given up to mac80211, which links it into the chain of finished frames at most.
            unsafe { self.report_sent(skb, finished) };
        }
        while let Some(skb) = batch.dropped.pop() {
            // SAFETY: Owned and given up.
            unsafe { bindings::ieee80211_free_txskb(hw, skb.as_ptr()) };
        }
        let open = self.private().open.load(Ordering::Relaxed);
        while let Some(skb) = batch.received.pop() {
            if !open {
                // SAFETY: Owned and given up.
                unsafe { bindings::bes_kfree_skb(skb.as_ptr()) };
                continue;
            }
            done.received += 1;
            // SAFETY: Owned and given up; status and channel are those of a band that is registered. Bottom halves are
            // off, and nobody else delivers.
            unsafe { bindings::ieee80211_rx_list(hw, null_mut(), skb.as_ptr(), up) };
        }
        // SAFETY: Both chains are valid lists of socket buffers that are ours to give up.
        unsafe {
            if !Chain::is_empty(up) {
                bindings::netif_receive_skb_list(up);
            }
            while let Some(skb) = Chain::pop(finished) {
                bindings::bes_consume_skb(skb);
            }
        }
        drop(section);
        done
    }

    /// # Safety
    ///
    /// `skb` is valid, and the caller gives it up; `finished` is a valid list head; a section is open.
    unsafe fn report_sent(
        &self,
        skb: NonNull<bindings::sk_buff>,
        finished: *mut bindings::list_head,
    ) {
        let hw = self.as_ptr();
        // SAFETY: By the requirements: bottom halves are off and the RCU section covers the station.
        unsafe {
            let data =
                core::slice::from_raw_parts((*skb.as_ptr()).data, (*skb.as_ptr()).len as usize);
            // Receiver and transmitter.
            let station = match data.get(4..16) {
                Some(addresses) => bindings::ieee80211_find_sta_by_ifaddr(
                    hw,
                    addresses.as_ptr(),
                    addresses.as_ptr().add(6),
                ),
                None => null_mut(),
            };
            let mut status = bindings::ieee80211_tx_status {
                sta: station,
                info: (&raw mut (*skb.as_ptr()).cb).cast(),
                skb: skb.as_ptr(),
                free_list: finished,
                ..Default::default()
            };
            bindings::ieee80211_tx_status_ext(hw, &raw mut status);
        }
    }
}

/// Head of a list of socket buffers that are linked by their `list` member.
struct Chain(bindings::list_head);

impl Chain {
    const fn new() -> Self {
        Self(bindings::list_head {
            next: null_mut(),
            prev: null_mut(),
        })
    }

    /// Makes it an empty list.
    ///
    /// # Safety
    ///
    /// The value is not moved while the list is used.
    unsafe fn start(&mut self) -> *mut bindings::list_head {
        let head = &raw mut self.0;
        self.0.next = head;
        self.0.prev = head;
        head
    }

    /// # Safety
    ///
    /// `head` is a valid list head.
    unsafe fn is_empty(head: *const bindings::list_head) -> bool {
        // SAFETY: By the requirements.
        core::ptr::eq(unsafe { (*head).next }, head)
    }

    /// # Safety
    ///
    /// `head` is a valid head of a list of socket buffers that the caller owns.
    unsafe fn pop(head: *mut bindings::list_head) -> Option<*mut bindings::sk_buff> {
        // SAFETY: By the requirements. The links of a socket buffer are its first member.
        unsafe {
            if Self::is_empty(head) {
                return None;
            }
            let entry = (*head).next;
            (*head).next = (*entry).next;
            (*(*entry).next).prev = head;
            let skb: *mut bindings::sk_buff = entry.cast();
            (*skb).__bindgen_anon_1.__bindgen_anon_1.next = null_mut();
            (*skb).__bindgen_anon_1.__bindgen_anon_1.prev = null_mut();
            Some(skb)
        }
    }
}
