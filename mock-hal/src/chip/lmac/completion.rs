//! How frames end: status, confirmation, and what depended on the chip's own frames (file 20, sections 12.5 and 12.6).
//!
//! | a frame | ends with status |
//! |---|---|
//! | acknowledged, or sent to a group | 0 |
//! | its rate series is exhausted | 6 |
//! | its lifetime is over | 7 |
//! | the radio is off, or its interface was reset | 8 |
//! | protected, but there is no key for it | 9 |
//! | for a station that sleeps (AP mode) | 11 with the requeue flag |
//!
//! Every transmit request is confirmed exactly once.

use super::transmit::{Origin, Own, TxFrame};
use super::{Lmac, Medium};
use crate::chip::wire::transmit::{flags, TxConfirm};
use crate::chip::wire::{confirm, status};
use bes_hal::time::Instant;

fn micros(from: Instant, to: Instant) -> u32 {
    u32::try_from(to.since(from).as_micros()).unwrap_or(u32::MAX)
}

impl<M: Medium> Lmac<M> {
    /// Ends a frame with a status.
    pub(super) fn finish(&mut self, frame: TxFrame, status: u32, rate_id: u8, now: Instant) {
        let packet_id = match frame.origin {
            Origin::Own(why) => {
                let acked = status == status::SUCCESS;
                self.transmitter.give_back(frame.frame);
                return self.own_done(frame.interface, why, acked, now);
            }
            Origin::Host { packet_id } => packet_id,
        };
        let leaked = self.leaks_confirm();
        let traffic = &mut self.interfaces[usize::from(frame.interface)].traffic;
        traffic.unacknowledged += u64::from(frame.failures);
        if status == status::SUCCESS {
            traffic.sent += 1;
            traffic.sent_octets += frame.frame.len() as u64;
        } else {
            traffic.failed += 1;
        }
        let group = frame.frame.get(4).is_some_and(|byte| byte & 1 != 0);
        let counters = &mut self.counters;
        let count = |counter: &mut u32| *counter = counter.wrapping_add(1);
        count(&mut counters.tx_packets);
        count(&mut counters.tx_confirmed);
        if group {
            count(&mut counters.tx_multicast);
        }
        if status == status::SUCCESS {
            count(&mut counters.tx_success);
        } else {
            count(&mut counters.tx_failure);
        }
        if frame.failures > 0 {
            count(&mut counters.tx_retried);
        }
        if frame.failures > 1 {
            count(&mut counters.tx_multi_retried);
        }
        let mut bits = 0;
        if frame.aggregated {
            bits |= flags::AGGREGATED | flags::BLOCK_ACK;
        } else if group {
            bits |= flags::NO_ACK;
        }
        if status == status::REQUEUE {
            bits |= flags::REQUEUE;
        }
        let first = frame.first.unwrap_or(now);
        let record = TxConfirm {
            packet_id,
            status,
            rate: rate_id,
            ack_failures: frame.failures,
            flags: bits,
            media_delay: micros(first, now),
            queue_delay: micros(frame.queued, first),
        };
        if leaked {
            self.outstanding = self.outstanding.saturating_sub(1);
        } else {
            self.transmitter.confirms.push((frame.interface, record));
        }
        self.transmitter.give_back(frame.frame);
    }

    /// A frame of the chip itself is through, or failed.
    pub(super) fn own_done(&mut self, interface: u8, why: Own, acked: bool, now: Instant) {
        match why {
            Own::Doze | Own::Wake | Own::PsPoll | Own::Trigger => {
                self.power_frame_done(interface, why, acked, now);
            }
            Own::LeaveForScan => self.left_for_scan(now),
            Own::AddbaRequest { tid } => self.block_ack_requested(interface, tid, acked, now),
            Own::AddbaResponse { peer, tid, window } => {
                if acked {
                    self.block_ack_accepted(interface, peer, tid, window);
                }
            }
            Own::KeepAlive | Own::Other => {}
        }
    }

    /// Ends every host frame of an interface.
    pub(super) fn abandon(&mut self, interface: u8, status: u32, now: Instant) {
        for queue in 0..4 {
            let frames = std::mem::take(&mut self.transmitter.queues[queue]);
            for frame in frames {
                if frame.interface == interface {
                    self.finish(frame, status, 0, now);
                } else {
                    self.transmitter.queues[queue].push_back(frame);
                }
            }
        }
        self.transmitter
            .own
            .retain(|frame| frame.interface != interface);
        // What is on the air ends with its exchange, whatever became of the interface.
    }

    /// Sends the confirmations of what ended, together where the host allowed it.
    pub(super) fn flush_confirms(&mut self) {
        if self.transmitter.confirms.is_empty() {
            return;
        }
        let mut confirms = std::mem::take(&mut self.transmitter.confirms);
        let mut start = 0;
        while start < confirms.len() {
            let interface = confirms[start].0;
            let together =
                self.config.multi_confirm && self.interfaces[usize::from(interface)].multi_confirm;
            let run = confirms[start..]
                .iter()
                .take_while(|(other, _)| *other == interface)
                .take(if together { confirm::MAX_RECORDS } else { 1 })
                .count();
            let message = if run == 1 {
                confirm::transmit(interface, &confirms[start].1)
            } else {
                let records: Vec<TxConfirm> = confirms[start..start + run]
                    .iter()
                    .map(|(_, record)| *record)
                    .collect();
                confirm::multi_transmit(interface, &records)
            };
            self.confirm(message, run);
            start += run;
        }
        confirms.clear();
        self.transmitter.confirms = confirms;
    }
}
