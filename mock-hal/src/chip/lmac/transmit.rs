//! Frames on their way to the air: four queues, rate series, aggregation (file 20, section 12; file 30, sections 3 and
//! 9). How they end is in [`completion`](super::completion).

use super::frame::{fc, Mpdu};
use super::interface::Role;
use super::join::TU;
use super::key::Protection;
use super::mib::id;
use super::rate_policy::Series;
use super::{packet_id_of, Lmac, Medium};
use crate::air::{Exchange, PhyRate, Width};
use crate::chip::wire::header::Header;
use crate::chip::wire::transmit::{Transmit, TxConfirm};
use crate::chip::wire::{rate, status};
use bes_hal::time::Instant;
use std::collections::VecDeque;

/// Most frames of one A-MPDU: the width of a block ack bitmap.
const MAX_AGGREGATE: usize = 64;

/// Why the chip sends a frame of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// Enter power save.
    Doze,
    /// Leave power save.
    Wake,
    /// Announce the absence of a background scan.
    LeaveForScan,
    KeepAlive,
    PsPoll,
    /// Begin of a service period.
    Trigger,
    AddbaRequest {
        tid: u8,
    },
    AddbaResponse {
        peer: [u8; 6],
        tid: u8,
        window: u8,
    },
    /// Nothing depends on it.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Host { packet_id: u32 },
    Own(Own),
}

#[derive(Clone, Debug)]
pub(super) struct TxFrame {
    pub(super) origin: Origin,
    pub(super) interface: u8,
    pub(super) link: u8,
    pub(super) queue: usize,
    pub(super) frame: Vec<u8>,
    pub(super) queued: Instant,
    pub(super) ready: Instant,
    pub(super) expires: Instant,
    pub(super) first: Option<Instant>,
    pub(super) series: Series,
    pub(super) failures: u8,
    pub(super) prepared: bool,
    pub(super) aggregated: bool,
}

/// Queues and what is on the air.
#[derive(Debug, Default)]
pub(crate) struct Transmitter {
    /// Frames of the chip itself go first.
    pub(super) own: VecDeque<TxFrame>,
    /// By WSM queue id: best effort, background, video, voice.
    pub(super) queues: [VecDeque<TxFrame>; 4],
    batch: Vec<TxFrame>,
    acked: u64,
    done: Option<Instant>,
    block_acked: bool,
    last_turn: bool,
    pub(super) confirms: Vec<(u8, TxConfirm)>,
    spare: Vec<Vec<u8>>,
}

/// WSM queues in the order in which they are served.
const PRIORITY: [usize; 4] = [3, 2, 0, 1];

impl Transmitter {
    pub(crate) const fn had_last_turn(&self) -> bool {
        self.last_turn
    }

    pub(crate) fn end_turn(&mut self) {
        self.last_turn = false;
    }

    /// Whether nothing of the host waits or is on the air.
    pub(crate) fn is_idle(&self) -> bool {
        self.done.is_none() && self.queues.iter().all(VecDeque::is_empty)
    }

    fn memory(&mut self, content: &[u8]) -> Vec<u8> {
        let mut memory = self.spare.pop().unwrap_or_default();
        memory.clear();
        memory.extend_from_slice(content);
        memory
    }

    pub(super) fn give_back(&mut self, memory: Vec<u8>) {
        if self.spare.len() < 64 {
            self.spare.push(memory);
        }
    }
}

impl<M: Medium> Lmac<M> {
    /// Takes a transmit request.
    pub(super) fn enqueue(&mut self, header: Header, message: &[u8], now: Instant) {
        let interface = header.interface();
        let parsed = Transmit::parse(message).filter(|_| usize::from(interface) < 3);
        let Some(transmit) = parsed else {
            self.violation(format!(
                "TRANSMIT of {} bytes on interface {interface}",
                message.len()
            ));
            let record = TxConfirm {
                packet_id: packet_id_of(message),
                status: status::INVALID_PARAMETER,
                ..TxConfirm::default()
            };
            self.transmitter.confirms.push((interface.min(2), record));
            return;
        };
        if transmit.link > 14 {
            self.violation(format!("TRANSMIT with link id {}", transmit.link));
        }
        if !matches!(transmit.ht & !0x80, 0..=2) {
            self.violation(format!("TRANSMIT with HT word {:#x}", transmit.ht));
        }
        let lowest = rate::lowest(self.band());
        let series = match self.policies.series(transmit.policy, transmit.max_rate) {
            Some(series) => series,
            None => {
                self.violation(format!(
                    "TRANSMIT with rate policy {}, which is empty or was never uploaded",
                    transmit.policy
                ));
                Series::fallback(transmit.max_rate, lowest)
            }
        };
        let ready = now.after(self.config.transmit_latency);
        let lifetime = match transmit.expire {
            0 => self.config.default_lifetime,
            units => TU * units.min(1_000_000),
        };
        let begin = if transmit.expires_from_reception {
            now
        } else {
            ready
        };
        let frame = self.transmitter.memory(transmit.frame);
        let queue = usize::from(transmit.queue);
        self.transmitter.queues[queue].push_back(TxFrame {
            origin: Origin::Host {
                packet_id: transmit.packet_id,
            },
            interface,
            link: transmit.link,
            queue,
            frame,
            queued: now,
            ready,
            expires: begin.after(lifetime),
            first: None,
            series,
            failures: 0,
            prepared: false,
            aggregated: false,
        });
    }

    /// Queues a frame of the chip itself.
    pub(super) fn send_own(&mut self, interface: u8, frame: Vec<u8>, why: Own, now: Instant) {
        let lowest = rate::lowest(self.band());
        self.transmitter.own.push_back(TxFrame {
            origin: Origin::Own(why),
            interface,
            link: 0,
            queue: 0,
            frame,
            queued: now,
            ready: now,
            expires: now.after(self.config.default_lifetime),
            first: None,
            series: Series::fixed(lowest, 7),
            failures: 0,
            prepared: false,
            aggregated: false,
        });
    }

    /// Queues a null frame; without a BSS there is nobody to tell, and what depended on it goes on at once.
    pub(super) fn send_null(&mut self, interface: u8, power_save: bool, why: Own, now: Instant) {
        match self.null_frame(interface, power_save) {
            Some(frame) => self.send_own(interface, frame, why, now),
            None => self.own_done(interface, why, false, now),
        }
    }

    /// When the transmitter has something to do.
    pub(super) fn transmit_due(&self) -> Option<Instant> {
        let transmitter = &self.transmitter;
        if !transmitter.confirms.is_empty() {
            return Some(self.now);
        }
        if transmitter.done.is_some() {
            return transmitter.done;
        }
        let heads = || transmitter.queues.iter().filter_map(VecDeque::front);
        let away = self.scan.as_ref().is_some_and(|scan| scan.is_away());
        if away {
            return heads().map(|head| head.expires).min();
        }
        let mut ready = transmitter.own.front().map(|head| head.ready);
        let stalled = self.stalled_until();
        for head in heads() {
            if self.is_deaf_on(head.interface) {
                // Not even its lifetime is looked after.
                continue;
            }
            let at = if self.is_held(head) {
                head.expires
            } else {
                head.ready.max(stalled).min(head.expires)
            };
            ready = Some(ready.map_or(at, |ready| ready.min(at)));
        }
        ready.map(|at| at.max(self.medium.busy_until()))
    }

    /// Whether a host frame has to wait for the end of a scan or of a power-save handshake.
    fn is_held(&self, frame: &TxFrame) -> bool {
        self.scan.is_some()
            || self.interfaces[usize::from(frame.interface)]
                .power
                .holds_frames()
    }

    /// Completes what is on the air and starts what can start, until the medium is taken or nothing is left.
    pub(super) fn transmit_step(&mut self, now: Instant) {
        loop {
            if let Some(done) = self.transmitter.done {
                if done > now {
                    return;
                }
                self.complete(done.max(self.now).min(now));
            }
            if !self.start_next(now) {
                return;
            }
        }
    }

    /// Starts one exchange or ends one frame without any. `false` if there is nothing to do.
    fn start_next(&mut self, now: Instant) -> bool {
        let away = self.scan.as_ref().is_some_and(|scan| scan.is_away());
        if !away {
            if let Some(head) = self.transmitter.own.front() {
                if head.ready > now || self.medium.busy_until() > now {
                    return false;
                }
                if let Some(frame) = self.transmitter.own.pop_front() {
                    self.attempt_own(frame, now);
                    return true;
                }
            }
        }
        for queue in PRIORITY {
            let Some(head) = self.transmitter.queues[queue].front() else {
                continue;
            };
            if self.is_deaf_on(head.interface) {
                continue;
            }
            if head.expires.is_due(now) {
                self.drop_head(queue, status::LIFETIME_EXCEEDED, now);
                return true;
            }
            if head.ready > now || away || self.stalled_until() > now {
                continue;
            }
            if self.home.is_none() {
                self.drop_head(queue, status::LINK_LOST, now);
                return true;
            }
            if self.is_held(head) {
                continue;
            }
            let (interface, link) = (head.interface, head.link);
            if self.must_wake_first(interface, now) {
                return true;
            }
            if self.is_asleep(interface, link) {
                self.drop_head(queue, status::REQUEUE, now);
                return true;
            }
            if self.medium.busy_until() > now {
                return false;
            }
            if self.attempt(queue, now) {
                return true;
            }
        }
        false
    }

    /// Prepares the frame at the head of a queue for its first attempt: power bit, cipher. `false` if it ended.
    fn prepare(&mut self, queue: usize, index: usize, now: Instant) -> bool {
        let dozing = |power: &super::power::PowerSave| power.is_dozing();
        let Some(frame) = self.transmitter.queues[queue].get_mut(index) else {
            return false;
        };
        if frame.prepared {
            return true;
        }
        frame.prepared = true;
        frame.first = Some(now);
        let interface = frame.interface;
        if dozing(&self.interfaces[usize::from(interface)].power) {
            frame.frame[1] |= fc::POWER_MANAGEMENT;
        }
        let status = match self.keys.protect(interface, &mut frame.frame) {
            Protection::Unchanged | Protection::Done => return true,
            Protection::NoKey => status::NO_KEY,
            Protection::Unsupported => {
                self.counters.unsupported_cipher += 1;
                status::NO_KEY
            }
            Protection::NoRoom => {
                self.violation("protected TRANSMIT without room for cipher header and MIC");
                status::FAILURE
            }
        };
        if let Some(frame) = self.transmitter.queues[queue].remove(index) {
            self.finish(frame, status, 0, now);
        }
        false
    }

    /// How many frames at the head of a queue go out together.
    fn aggregate(&mut self, queue: usize, phy: PhyRate, now: Instant) -> usize {
        let Some(head) = self.transmitter.queues[queue].front() else {
            return 0;
        };
        let Some(mpdu) = Mpdu::new(&head.frame).filter(|mpdu| mpdu.is_qos() && !mpdu.is_group())
        else {
            return 1;
        };
        let (peer, tid, interface) = (mpdu.a1(), mpdu.tid(), head.interface);
        let (rate_id, kind) = (head.series.rate(), mpdu.kind());
        let Some(window) = self.block_ack.window(interface, peer, tid) else {
            return 1;
        };
        let most = self
            .config
            .ampdu_frames
            .min(window.into())
            .clamp(1, MAX_AGGREGATE);
        // A firmware without memory gathers nothing.
        let most = if self.crawls() { 1 } else { most };
        let most_bytes = self.config.ampdu_bytes.min(rate::ampdu_bytes(phy));
        let mut bytes = 0;
        let mut count = 0;
        while count < most {
            let Some(frame) = self.transmitter.queues[queue].get(count) else {
                break;
            };
            let fits = frame.interface == interface
                && frame.series.rate() == rate_id
                && frame.ready <= now
                && Mpdu::new(&frame.frame).is_some_and(|mpdu| {
                    mpdu.kind() == kind && mpdu.a1() == peer && mpdu.tid() == tid
                });
            // Delimiter, FCS and padding to four bytes.
            bytes += (frame.frame.len() + 4 + 4 + 3) & !3;
            if !fits || (bytes > most_bytes && count > 0) {
                break;
            }
            count += 1;
        }
        count
    }

    /// One exchange with the head of a queue. `false` if there was no frame left to send.
    fn attempt(&mut self, queue: usize, now: Instant) -> bool {
        let Some(head) = self.transmitter.queues[queue].front() else {
            return false;
        };
        let width = self.home.map_or(Width::Ht20, |home| home.width);
        let short_gi = self.interfaces[usize::from(head.interface)].short_gi;
        let Some(phy) = rate::to_phy(head.series.rate(), width, short_gi) else {
            let rate = head.series.rate();
            self.violation(format!("rate id {rate} does not exist"));
            self.drop_head(queue, status::INVALID_PARAMETER, now);
            return true;
        };
        let mut count = self.aggregate(queue, phy, now);
        let mut index = 0;
        while index < count {
            if self.prepare(queue, index, now) {
                index += 1;
            } else {
                count -= 1;
            }
        }
        if count == 0 {
            return true;
        }
        let transmitter = &mut self.transmitter;
        transmitter
            .batch
            .extend(transmitter.queues[queue].drain(..count));
        let octets = transmitter.batch.iter().map(|sent| sent.frame.len()).sum();
        self.sent_under_ailment(octets, now);
        self.exchange(phy, now);
        true
    }

    /// One exchange with a frame of the chip itself.
    fn attempt_own(&mut self, mut frame: TxFrame, now: Instant) {
        if !frame.prepared {
            frame.prepared = true;
            frame.first = Some(now);
            let power = &self.interfaces[usize::from(frame.interface)].power;
            let null = Mpdu::new(&frame.frame).is_some_and(Mpdu::is_null);
            if power.is_dozing() && !null {
                // A frame without the bit would tell the access point that the station woke up.
                frame.frame[1] |= fc::POWER_MANAGEMENT;
            }
            if Mpdu::new(&frame.frame).is_some_and(Mpdu::is_protected) {
                self.keys.protect(frame.interface, &mut frame.frame);
            }
        }
        let phy = rate::to_phy(frame.series.rate(), Width::Ht20, false).unwrap_or(PhyRate::Ofdm(6));
        self.transmitter.batch.push(frame);
        self.exchange(phy, now);
    }

    fn exchange(&mut self, phy: PhyRate, now: Instant) {
        let batch = &self.transmitter.batch;
        let count = batch.len().min(MAX_AGGREGATE);
        let mut frames: [&[u8]; MAX_AGGREGATE] = [&[]; MAX_AGGREGATE];
        for (slot, frame) in frames.iter_mut().zip(batch) {
            *slot = &frame.frame;
        }
        let threshold = usize::try_from(self.mibs.word(0, id::RTS_THRESHOLD)).unwrap_or(usize::MAX);
        let longest = frames.iter().map(|frame| frame.len()).max().unwrap_or(0);
        let rts = threshold > 0 && longest > threshold;
        let exchange = Exchange {
            frames: &frames[..count],
            rate: phy,
            rts,
        };
        let outcome = self.medium.exchange(&exchange, now);
        let transmitter = &mut self.transmitter;
        transmitter.acked = outcome.acked;
        transmitter.done = Some(now.after(outcome.airtime));
        transmitter.block_acked = count > 1;
        transmitter.last_turn = true;
        if count > 1 {
            self.counters.tx_aggregates = self.counters.tx_aggregates.wrapping_add(1);
        }
        if rts {
            let counter = if outcome.acked == 0 {
                &mut self.counters.rts_failure
            } else {
                &mut self.counters.rts_success
            };
            *counter = counter.wrapping_add(1);
        }
    }

    /// The exchange on the air is over.
    fn complete(&mut self, now: Instant) {
        self.transmitter.done = None;
        let acked = self.transmitter.acked;
        let block_acked = self.transmitter.block_acked;
        let mut batch = std::mem::take(&mut self.transmitter.batch);
        let mut again = 0;
        for (index, mut frame) in batch.drain(..).enumerate() {
            let host = matches!(frame.origin, Origin::Host { .. });
            frame.aggregated |= block_acked;
            if acked >> index & 1 != 0 {
                let rate_id = frame.series.rate();
                self.acknowledged(&frame, rate_id, now);
                self.finish(frame, status::SUCCESS, rate_id, now);
                continue;
            }
            let rate_id = frame.series.rate();
            frame.failures = frame.failures.saturating_add(1);
            self.counters.ack_failures = self.counters.ack_failures.wrapping_add(1);
            if !frame.series.failed() {
                self.finish(frame, status::RETRY_EXCEEDED, rate_id, now);
            } else if frame.expires.is_due(now) {
                self.finish(frame, status::LIFETIME_EXCEEDED, rate_id, now);
            } else {
                frame.frame[1] |= fc::RETRY;
                let queue = if host {
                    &mut self.transmitter.queues[frame.queue]
                } else {
                    &mut self.transmitter.own
                };
                // Back to the head, in the order in which they were.
                queue.insert(again.min(queue.len()), frame);
                again += 1;
            }
        }
        batch.clear();
        self.transmitter.batch = batch;
    }

    fn acknowledged(&mut self, frame: &TxFrame, rate_id: u8, now: Instant) {
        let state = &mut self.interfaces[usize::from(frame.interface)];
        state.last_sent = now;
        if matches!(frame.origin, Origin::Host { .. }) {
            state.power.activity(now);
            self.count_for_block_ack(frame.interface, &frame.frame, rate_id, now);
        }
    }

    fn drop_head(&mut self, queue: usize, status: u32, now: Instant) {
        if let Some(frame) = self.transmitter.queues[queue].pop_front() {
            self.finish(frame, status, 0, now);
        }
    }

    /// Whether a station of an access point sleeps, so that its frames go back to the host.
    fn is_asleep(&self, interface: u8, link: u8) -> bool {
        match &self.interfaces[usize::from(interface)].role {
            Role::AccessPoint(ap) => ap.is_asleep(link),
            _ => false,
        }
    }
}
