// SPDX-License-Identifier: GPL-2.0-only

//! Frames on their way down: what mac80211 says about them, and what it is told afterwards.

use super::super::bindings;
use super::super::skb::SkBuff;
use super::key::Suite;
use super::vif::Vif;
use super::{FrameSection, Hardware, Operations};
use core::ptr::NonNull;

/// Rates in the list of a frame.
pub(crate) const RATES: usize = bindings::IEEE80211_TX_MAX_RATES as usize;

/// One entry of a rate list.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rate {
    /// Index into the rates of the band, or an MCS; negative ends the list.
    pub(crate) index: i8,
    /// Attempts.
    pub(crate) count: u8,
    /// `index` is an MCS.
    pub(crate) mcs: bool,
}

/// What mac80211 says about a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TxDescription {
    /// The driver's number of its interface; `None` for a frame of no interface that the driver has.
    pub(crate) interface: Option<u8>,
    /// Access category, 0 (most urgent) to 3.
    pub(crate) category: u8,
    /// Band: 0 is 2.4 GHz, 1 is 5 GHz.
    pub(crate) band: u8,
    /// Rates to try.
    pub(crate) rates: [Rate; RATES],
    /// Key of the hardware that it is to be encrypted with, with its index of 802.11.
    pub(crate) key: Option<(Suite, u8)>,
}

/// What became of a frame that reached the hardware.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TxReport<R> {
    /// It was acknowledged, or sent and no acknowledgement is due.
    pub(crate) acked: bool,
    /// It was part of an A-MPDU.
    pub(crate) aggregated: bool,
    /// The rates that were tried; the beginning of a list like that of the frame.
    pub(crate) rates: R,
}

impl TxDescription {
    /// # Safety
    ///
    /// mac80211 has just handed the frame over, in the RCU section that is still open.
    pub(super) unsafe fn of(frame: &SkBuff) -> Self {
        let info = frame.tx_info();
        // SAFETY: The control part is valid, and so are the interface and the key that it names, until the RCU section
        // ends.
        unsafe {
            let control = &(*info).__bindgen_anon_1.control;
            let list = &control.__bindgen_anon_1.__bindgen_anon_1.rates;
            let rates = list.map(|rate| Rate {
                index: rate.idx,
                count: rate.count() as u8,
                mcs: u32::from(rate.flags())
                    & bindings::mac80211_rate_control_flags_IEEE80211_TX_RC_MCS
                    != 0,
            });
            let interface = if control.vif.is_null() {
                None
            } else {
                Vif::from_ptr(control.vif).number()
            };
            let key = (!control.hw_key.is_null()).then(|| {
                let key = &*control.hw_key;
                (
                    Suite::new(key.cipher),
                    u8::try_from(key.keyidx).unwrap_or(0),
                )
            });
            Self {
                interface,
                category: u8::try_from(frame.queue_mapping()).unwrap_or(3).min(3),
                band: (*info).band() as u8,
                rates,
                key,
            }
        }
    }
}

impl SkBuff {
    /// Writes what became of the frame to where mac80211 looks for it.
    pub(crate) fn report(&mut self, report: TxReport<impl Iterator<Item = Rate>>) {
        let info = self.tx_info();
        // SAFETY: The frame is owned, and its information valid. The rates stay where they are when the rest is
        // cleared.
        unsafe {
            let before = (*info).__bindgen_anon_1.status.rates;
            bindings::bes_tx_info_clear_status(info);
            let no_ack =
                (*info).flags & bindings::mac80211_tx_info_flags_IEEE80211_TX_CTL_NO_ACK != 0;
            if report.acked {
                (*info).flags |= if no_ack {
                    bindings::mac80211_tx_info_flags_IEEE80211_TX_STAT_NOACK_TRANSMITTED
                } else {
                    bindings::mac80211_tx_info_flags_IEEE80211_TX_STAT_ACK
                };
            }
            let status = &mut (*info).__bindgen_anon_1.status;
            if report.aggregated {
                (*info).flags |= bindings::mac80211_tx_info_flags_IEEE80211_TX_STAT_AMPDU;
                status.ampdu_len = 1;
                status.ampdu_ack_len = u8::from(report.acked);
            }
            let mut used = report.rates;
            for entry in &mut status.rates {
                let Some(rate) = used.next() else {
                    entry.idx = -1;
                    entry.set_count(0);
                    entry.set_flags(0);
                    continue;
                };
                let mcs = bindings::mac80211_rate_control_flags_IEEE80211_TX_RC_MCS as u16;
                // Width and guard interval are those that the rate was asked for with.
                let flags = before
                    .iter()
                    .find(|old| old.idx == rate.index && (old.flags() & mcs != 0) == rate.mcs)
                    .map_or(if rate.mcs { mcs } else { 0 }, |old| old.flags());
                entry.idx = rate.index;
                // Five bits.
                entry.set_count(rate.count.min(31).into());
                entry.set_flags(flags);
            }
        }
    }
}

impl<T: Operations> Hardware<T> {
    /// Takes frames of an access category (0 to 3) from the queues of the stack, in one section with bottom halves off:
    /// from the queues of an interface while `room` says so of its number. `take` gets them; what it gives back is
    /// dropped and reported. Returns how many were taken.
    ///
    /// Frames that were not linear or were shared are counted in `copies`.
    pub(crate) fn pull(
        &self,
        category: u8,
        copies: &mut u64,
        context: &mut impl TakeFrames,
    ) -> usize {
        let hw = self.as_ptr();
        let mut taken = 0_usize;
        let _section = FrameSection::enter();
        // SAFETY: `hw` is valid. The queues are valid in the RCU section; each is returned before the round ends.
        unsafe {
            bindings::ieee80211_txq_schedule_start(hw, category);
            loop {
                let queue = bindings::ieee80211_next_txq(hw, category);
                if queue.is_null() {
                    break;
                }
                let number = Vif::from_ptr((*queue).vif).number();
                while context.has_room(number, category) {
                    let Some(skb) = NonNull::new(bindings::ieee80211_tx_dequeue(hw, queue)) else {
                        break;
                    };
                    let Ok(frame) = SkBuff::from_raw(skb, copies) else {
                        continue;
                    };
                    let what = TxDescription::of(&frame);
                    match context.take(frame, &what) {
                        Ok(()) => taken = taken.wrapping_add(1),
                        Err(frame) => {
                            bindings::ieee80211_free_txskb(hw, frame.into_raw().as_ptr());
                        }
                    }
                }
                bindings::bes_return_txq(hw, queue);
            }
            bindings::bes_txq_schedule_end(hw, category);
        }
        taken
    }
}

/// Who takes frames from the queues of the stack. Nothing here may sleep.
pub(crate) trait TakeFrames {
    /// Whether there is room for one more frame of this interface and category.
    fn has_room(&mut self, interface: Option<u8>, category: u8) -> bool;

    /// Takes a frame, or gives it back to be dropped.
    fn take(&mut self, frame: SkBuff, what: &TxDescription) -> Result<(), SkBuff>;
}
