//! What was counted: for each FIFO on the way down, for each interface on the way up.
//!
//! Counters only ever grow (and wrap after centuries); whoever wants rates takes differences. They are plain numbers,
//! because the owner of the bus is the only one who counts.

use crate::queue::{FifoId, Removed, INTERFACES};
use crate::rx::{RxDrop, RxStatus};
use crate::tx::{TxDrop, TxOutcome, TxStatus};
use bes_hal::stack::Stack;
use bes_wsm::wire::InterfaceId;

/// Frames on their way down, of one FIFO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxCounters {
    /// Taken into the queue.
    pub queued: u64,
    /// Not taken.
    pub refused: u64,
    /// Given to the chip; one that was requeued counts again.
    pub sent: u64,
    /// Bytes of those, without anything the driver added.
    pub sent_bytes: u64,
    /// Acknowledged.
    pub acked: u64,
    /// Bytes of those.
    pub acked_bytes: u64,
    /// Sent, but not acknowledged.
    pub failed: u64,
    /// Attempts without an acknowledgement, of all frames.
    pub ack_failures: u64,
    /// Sent as part of an A-MPDU.
    pub aggregated: u64,
    /// Given back by the chip, and queued again.
    pub requeued: u64,
    /// Too old to be sent.
    pub expired: u64,
    /// Given back by a flush, or because the session ended.
    pub flushed: u64,
    /// Never confirmed by the chip.
    pub lost: u64,
    /// Given back for other reasons.
    pub dropped: u64,
}

impl TxCounters {
    /// Frames that were taken in and have come out again.
    pub const fn finished(&self) -> u64 {
        self.acked
            .wrapping_add(self.failed)
            .wrapping_add(self.expired)
            .wrapping_add(self.flushed)
            .wrapping_add(self.lost)
            .wrapping_add(self.dropped)
    }
}

/// Frames on their way up, of one interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RxCounters {
    /// Handed up.
    pub frames: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Received as part of an A-MPDU.
    pub aggregated: u64,
    /// With a wrong Michael MIC.
    pub mmic_errors: u64,
    /// Protected, and handed up as they came because the chip has no key.
    pub not_decrypted: u64,
}

/// All counters of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// By [`FifoId::index`].
    tx: [TxCounters; FifoId::COUNT],
    /// What an index beyond them would get, if there were one.
    nobody: TxCounters,
    rx: [RxCounters; INTERFACES],
    rx_drops: [u64; RxDrop::KINDS],
    /// Hand-overs of received frames to the stack.
    pub deliveries: u64,
}

impl Stats {
    /// The counters of a FIFO.
    pub fn tx(&self, fifo: FifoId) -> &TxCounters {
        self.tx.get(fifo.index()).unwrap_or(&self.nobody)
    }

    /// The counters of a FIFO, to be counted up.
    #[inline]
    pub fn tx_mut(&mut self, fifo: FifoId) -> &mut TxCounters {
        match self.tx.get_mut(fifo.index()) {
            Some(counters) => counters,
            None => &mut self.nobody,
        }
    }

    /// The counters of an interface.
    pub const fn rx(&self, interface: InterfaceId) -> &RxCounters {
        let [a, b, c] = &self.rx;
        match interface {
            InterfaceId::Zero => a,
            InterfaceId::One => b,
            InterfaceId::Two => c,
        }
    }

    #[inline]
    fn rx_mut(&mut self, interface: InterfaceId) -> &mut RxCounters {
        let [a, b, c] = &mut self.rx;
        match interface {
            InterfaceId::Zero => a,
            InterfaceId::One => b,
            InterfaceId::Two => c,
        }
    }

    /// Received frames that did not go up, with the kind of reason that `example` has.
    pub fn rx_drops(&self, example: RxDrop) -> u64 {
        self.rx_drops.get(example.kind()).copied().unwrap_or(0)
    }

    /// Received frames that did not go up.
    pub fn rx_dropped(&self) -> u64 {
        self.rx_drops.iter().copied().fold(0, u64::wrapping_add)
    }

    /// All FIFOs together.
    pub fn tx_total(&self) -> TxCounters {
        sum(&self.tx)
    }

    /// The FIFOs of an interface together.
    pub fn tx_of(&self, interface: InterfaceId) -> TxCounters {
        sum(FifoId::all()
            .filter(|fifo| fifo.interface == interface)
            .map(|fifo| self.tx(fifo)))
    }

    /// All interfaces together.
    pub fn rx_total(&self) -> RxCounters {
        let mut total = RxCounters::default();
        for counters in &self.rx {
            let RxCounters {
                frames,
                bytes,
                aggregated,
                mmic_errors,
                not_decrypted,
            } = *counters;
            add(&mut total.frames, frames);
            add(&mut total.bytes, bytes);
            add(&mut total.aggregated, aggregated);
            add(&mut total.mmic_errors, mmic_errors);
            add(&mut total.not_decrypted, not_decrypted);
        }
        total
    }

    /// A frame was taken into a queue.
    #[inline]
    pub fn count_queued(&mut self, fifo: FifoId) {
        add(&mut self.tx_mut(fifo).queued, 1);
    }

    /// A frame was not taken.
    pub fn count_refused(&mut self, fifo: FifoId) {
        add(&mut self.tx_mut(fifo).refused, 1);
    }

    /// So many frames and bytes were given to the chip.
    #[inline]
    pub fn count_sent(&mut self, fifo: FifoId, frames: u16, bytes: u32) {
        let counters = self.tx_mut(fifo);
        add(&mut counters.sent, u64::from(frames));
        add(&mut counters.sent_bytes, u64::from(bytes));
    }

    /// The chip gave a frame back, and it was queued again.
    pub fn count_requeued(&mut self, fifo: FifoId) {
        add(&mut self.tx_mut(fifo).requeued, 1);
    }

    /// A frame of `len` bytes went back to the stack.
    #[inline]
    pub fn count_status(&mut self, fifo: FifoId, len: u16, status: &TxStatus) {
        let counters = self.tx_mut(fifo);
        add(&mut counters.ack_failures, u64::from(status.ack_failures));
        add(&mut counters.aggregated, u64::from(status.aggregated));
        match status.outcome {
            TxOutcome::Acked => {
                add(&mut counters.acked, 1);
                add(&mut counters.acked_bytes, u64::from(len));
            }
            TxOutcome::Failed(_) => add(&mut counters.failed, 1),
            TxOutcome::Dropped(reason) => match reason {
                TxDrop::Expired => add(&mut counters.expired, 1),
                TxDrop::Flushed | TxDrop::Closed => add(&mut counters.flushed, 1),
                TxDrop::ConfirmLost => add(&mut counters.lost, 1),
                TxDrop::Refused(_) | TxDrop::Requeued | TxDrop::Unsendable => {
                    add(&mut counters.dropped, 1);
                }
            },
        }
    }

    /// A frame goes back to the stack without having been sent.
    pub(crate) fn give_back<S: Stack<TxStatus = TxStatus>>(
        &mut self,
        stack: &mut S,
        removed: Removed<S::Frame>,
        reason: TxDrop,
    ) {
        let status = TxStatus::dropped(reason);
        self.count_status(removed.fifo, removed.len, &status);
        stack.tx_status(removed.frame, status);
    }

    /// A received frame of `len` bytes is handed up.
    #[inline]
    pub fn count_received(&mut self, len: u16, status: &RxStatus, protected: bool) {
        let counters = self.rx_mut(status.interface);
        add(&mut counters.frames, 1);
        add(&mut counters.bytes, u64::from(len));
        add(&mut counters.aggregated, u64::from(status.aggregate.part));
        add(
            &mut counters.mmic_errors,
            u64::from(status.protection.mmic_error),
        );
        let untouched = protected && !status.protection.decrypted;
        add(&mut counters.not_decrypted, u64::from(untouched));
    }

    /// A received frame does not go up.
    pub fn count_drop(&mut self, reason: RxDrop) {
        if let Some(counter) = self.rx_drops.get_mut(reason.kind()) {
            add(counter, 1);
        }
    }
}

fn add(counter: &mut u64, count: u64) {
    *counter = counter.wrapping_add(count);
}

/// Counters of several FIFOs together.
fn sum<'a>(counters: impl IntoIterator<Item = &'a TxCounters>) -> TxCounters {
    let mut total = TxCounters::default();
    for counters in counters {
        let TxCounters {
            queued,
            refused,
            sent,
            sent_bytes,
            acked,
            acked_bytes,
            failed,
            ack_failures,
            aggregated,
            requeued,
            expired,
            flushed,
            lost,
            dropped,
        } = *counters;
        add(&mut total.queued, queued);
        add(&mut total.refused, refused);
        add(&mut total.sent, sent);
        add(&mut total.sent_bytes, sent_bytes);
        add(&mut total.acked, acked);
        add(&mut total.acked_bytes, acked_bytes);
        add(&mut total.failed, failed);
        add(&mut total.ack_failures, ack_failures);
        add(&mut total.aggregated, aggregated);
        add(&mut total.requeued, requeued);
        add(&mut total.expired, expired);
        add(&mut total.flushed, flushed);
        add(&mut total.lost, lost);
        add(&mut total.dropped, dropped);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::RateSeries;
    use crate::types::AccessCategory;
    use bes_wsm::wire::Status;

    fn fifo() -> FifoId {
        FifoId::new(InterfaceId::One, AccessCategory::Video)
    }

    #[test]
    fn every_way_out_of_the_queue_is_counted_once() {
        let mut stats = Stats::default();
        let outcomes = [
            TxOutcome::Acked,
            TxOutcome::Failed(Status::RetryLimit),
            TxOutcome::Dropped(TxDrop::Expired),
            TxOutcome::Dropped(TxDrop::Flushed),
            TxOutcome::Dropped(TxDrop::Closed),
            TxOutcome::Dropped(TxDrop::ConfirmLost),
            TxOutcome::Dropped(TxDrop::Requeued),
            TxOutcome::Dropped(TxDrop::Unsendable),
        ];
        for outcome in outcomes {
            stats.count_queued(fifo());
            let status = TxStatus {
                outcome,
                rates: RateSeries::EMPTY,
                final_rate: None,
                ack_failures: 2,
                aggregated: true,
            };
            stats.count_status(fifo(), 100, &status);
        }
        let counters = stats.tx(fifo());
        assert_eq!(counters.queued, 8);
        assert_eq!(counters.finished(), 8);
        assert_eq!((counters.acked, counters.acked_bytes), (1, 100));
        assert_eq!((counters.ack_failures, counters.aggregated), (16, 8));
        assert_eq!(stats.tx_total(), *counters);
        let other = FifoId::new(InterfaceId::Zero, AccessCategory::Video);
        assert_eq!(*stats.tx(other), TxCounters::default());
    }

    #[test]
    fn drops_are_counted_by_kind() {
        let mut stats = Stats::default();
        stats.count_drop(RxDrop::Rate(4));
        stats.count_drop(RxDrop::Rate(22));
        stats.count_drop(RxDrop::TooShort);
        assert_eq!(stats.rx_drops(RxDrop::Rate(0)), 2);
        assert_eq!(stats.rx_drops(RxDrop::NoSignal), 0);
        assert_eq!(stats.rx_dropped(), 3);
    }
}
