//! What an access point sends next: beacons, group frames after a DTIM, answers, and data by access category, alone or
//! as an A-MPDU under an agreement.

use super::access_point::{AccessPoint, Answer};
use super::fill::{fill, Makes};
use super::frame::{append_downlink, kind, set_sequence, EOSP, FROM_DS, MORE_DATA, RETRY};
use super::power_save::Category;
use super::station::{Outgoing, Purpose, TxAgreement};
use super::{Address, Band, PhyRate};
use bes_hal::time::{earliest, Instant};
use core::time::Duration;

/// Traffic identifiers in the order in which they are served.
const TIDS: [u8; 8] = [7, 6, 5, 4, 0, 3, 2, 1];

/// What goes out in one PPDU.
#[derive(Debug)]
pub(super) struct Burst {
    pub(super) frames: Vec<Outgoing>,
    pub(super) rate: PhyRate,
    pub(super) ampdu: bool,
    from: Source,
}

/// Which queue the frames of a burst are from, and go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// Sent once, whatever becomes of it.
    Once,
    Control,
    StationControl(usize),
    Data(usize, u8),
}

impl Default for Burst {
    fn default() -> Self {
        Self {
            frames: Vec::new(),
            rate: PhyRate::Ofdm(6),
            ampdu: false,
            from: Source::Once,
        }
    }
}

/// Buffers that are used again.
#[derive(Debug, Default)]
pub(super) struct Pool(Vec<Vec<u8>>);

impl Pool {
    const KEPT: usize = 256;

    pub(super) fn take(&mut self) -> Vec<u8> {
        let mut buffer = self.0.pop().unwrap_or_default();
        buffer.clear();
        buffer
    }

    pub(super) fn give(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() > 0 && self.0.len() < Self::KEPT {
            self.0.push(buffer);
        }
    }
}

impl AccessPoint {
    fn basic_rate(&self) -> PhyRate {
        match self.config.channel.band {
            Band::Ghz2_4 => PhyRate::Cck(2),
            Band::Ghz5 => PhyRate::Ofdm(6),
        }
    }

    fn anybody_dozes(&self) -> bool {
        self.stations.iter().any(|station| station.ps.is_dozing())
    }

    /// When it wants the medium; `None`: not before something else changes. `beacons`: whether anybody could hear
    /// them.
    pub(super) fn ready(&self, now: Instant, room: usize, beacons: bool) -> Option<Instant> {
        if !self.present {
            return None;
        }
        let mut ready = beacons.then_some(self.next_beacon);
        ready = earliest(ready, self.control.front().map(|answer| answer.ready));
        if self.group_release > 0 || !self.group_queue.is_empty() && !self.anybody_dozes() {
            ready = Some(now);
        }
        for station in &self.stations {
            ready = earliest(ready, station.ready(now, room));
        }
        ready.map(|at| at.max(self.not_before))
    }

    /// Fills `burst` with what is sent at `now`. `false`: nothing.
    pub(super) fn poll_transmit(
        &mut self,
        now: Instant,
        room: usize,
        beacons: bool,
        pool: &mut Pool,
        burst: &mut Burst,
    ) -> bool {
        burst.frames.clear();
        burst.ampdu = false;
        burst.rate = self.basic_rate();
        burst.from = Source::Once;
        if beacons && self.next_beacon.is_due(now) {
            let frame = self.beacon(now, pool.take());
            burst.frames.push(frame);
            return true;
        }
        let open_group = !self.group_queue.is_empty() && !self.anybody_dozes();
        if self.group_release > 0 || open_group {
            self.group_release = self.group_release.saturating_sub(1);
            if let Some(frame) = self.group_frame(pool) {
                burst.frames.push(frame);
                return true;
            }
        }
        if self
            .control
            .front()
            .is_some_and(|answer| answer.ready.is_due(now))
        {
            if let Some(answer) = self.control.pop_front() {
                burst.from = Source::Control;
                burst.frames.push(answer.frame);
                self.number(burst);
                return true;
            }
        }
        for turn in 0..self.stations.len() {
            let position = (self.next_station + turn) % self.stations.len();
            if self.stations[position]
                .ready(now, room)
                .is_some_and(|at| at.is_due(now))
                && self.station_burst(position, now, room, pool, burst)
            {
                self.next_station = position + 1;
                return true;
            }
        }
        false
    }

    /// Gives a management frame its sequence number on its first attempt.
    fn number(&mut self, burst: &mut Burst) {
        for frame in burst.frames.iter_mut().filter(|frame| frame.tries == 0) {
            self.sequence = (self.sequence + 1) & 0x0FFF;
            set_sequence(&mut frame.bytes, self.sequence);
        }
    }

    fn group_frame(&mut self, pool: &mut Pool) -> Option<Outgoing> {
        let msdu = self.group_queue.pop_front()?;
        let mut bytes = pool.take();
        let protected = self.description.privacy;
        append_downlink(
            &mut bytes,
            self.config.bssid,
            &msdu.as_msdu(),
            false,
            protected,
        );
        self.sequence = (self.sequence + 1) & 0x0FFF;
        set_sequence(&mut bytes, self.sequence);
        if self.group_release > 0 && !self.group_queue.is_empty() {
            bytes[1] |= MORE_DATA;
        }
        if protected {
            self.group_sent += 1;
            self.group_key
                .encrypt(&mut bytes, self.group_sent, self.group.id);
        }
        Some(Outgoing::new(
            bytes,
            Purpose::Data {
                tid: 0,
                sequence: self.sequence,
                flow: None,
            },
        ))
    }

    fn station_burst(
        &mut self,
        position: usize,
        now: Instant,
        room: usize,
        pool: &mut Pool,
        burst: &mut Burst,
    ) -> bool {
        let station = &mut self.stations[position];
        let dozing = station.ps.is_dozing();
        if let Some(frame) = station.control.pop_front() {
            burst.from = Source::StationControl(position);
            burst.frames.push(frame);
            if dozing {
                let more = station.shows(now);
                if let Some(frame) = burst.frames.first_mut() {
                    set_more_data(&mut frame.bytes, more);
                }
                station.ps.handle_sent(false);
            }
            self.number(burst);
            return true;
        }
        let tid = TIDS.into_iter().find(|&tid| {
            station.ps.may_send(Category::of_tid(tid)) && station.waits(tid, now, room)
        });
        let Some(tid) = tid else {
            if dozing {
                let frame = self.null(position);
                burst.frames.push(frame);
                self.number(burst);
            }
            return dozing;
        };
        let (bssid, ipv4, station_ipv4) = (
            self.config.bssid,
            self.config.ipv4,
            self.config.station_ipv4,
        );
        let makes = Makes {
            bssid,
            ipv4,
            station_ipv4,
            protected: self.description.privacy,
            sequence: &mut self.sequence,
        };
        fill(station, tid, now, room, pool, burst, makes);
        burst.from = Source::Data(position, tid);
        if dozing {
            let service = station.ps.service();
            let category = Category::of_tid(tid);
            let in_service = service > 0 && station.ps.is_delivered(category);
            let more = TIDS.into_iter().any(|tid| {
                station.waits(tid, now, room.saturating_sub(1))
                    && station.ps.is_delivered(Category::of_tid(tid)) == in_service
            });
            let last = in_service && (service == 1 || !more);
            if let Some(frame) = burst.frames.first_mut() {
                set_more_data(&mut frame.bytes, more);
                if last && frame.bytes[0] & 0x80 != 0 {
                    frame.bytes[24] |= EOSP;
                }
            }
            station.ps.handle_sent(last);
        }
        self.counters.sent_attempts += burst.frames.len() as u64;
        self.counters.sent_ampdus += u64::from(burst.ampdu);
        if let Some(rate) = self.throttle {
            let octets: usize = burst.frames.iter().map(|frame| frame.bytes.len()).sum();
            let nanos = octets as u64 * 1_000_000_000 / rate.max(1);
            station.throttled_until = now.after(Duration::from_nanos(nanos));
        }
        true
    }

    /// The answer to a poll or a trigger when nothing waits.
    fn null(&mut self, position: usize) -> Outgoing {
        let station = &mut self.stations[position];
        let mut bytes = Vec::with_capacity(26);
        bytes.extend_from_slice(&[kind::NULL, FROM_DS, 0, 0]);
        for address in [station.address, self.config.bssid, self.config.bssid] {
            bytes.extend_from_slice(&address);
        }
        bytes.extend_from_slice(&[0, 0]);
        if station.ps.service() > 0 {
            bytes[0] = kind::QOS_NULL;
            bytes.extend_from_slice(&[7 | EOSP, 0]);
        }
        station.ps.handle_sent(true);
        Outgoing::new(bytes, Purpose::Null)
    }

    /// What became of a burst; the medium has set `acked` in its frames.
    pub(super) fn handle_sent(&mut self, burst: &mut Burst, now: Instant, pool: &mut Pool) {
        let mut dropped = false;
        // From the last to the first, so that what goes back to the front of its queue keeps its order.
        while let Some(mut frame) = burst.frames.pop() {
            let done = frame.acked || burst.from == Source::Once;
            frame.tries += 1;
            if done || frame.tries >= frame.purpose.tries() {
                let lost = !done;
                self.handle_done(burst.from, &frame, lost, now);
                dropped |= lost && matches!(frame.purpose, Purpose::Data { .. });
                pool.give(frame.bytes);
                continue;
            }
            if let Some(flags) = frame.bytes.get_mut(1) {
                *flags |= RETRY;
            }
            frame.arrived = false;
            match burst.from {
                Source::Once => {}
                Source::Control => self.control.push_front(Answer { ready: now, frame }),
                Source::StationControl(position) => {
                    if let Some(station) = self.stations.get_mut(position) {
                        station.control.push_front(frame);
                    }
                }
                Source::Data(position, tid) => {
                    if let Some(station) = self.stations.get_mut(position) {
                        station.pending[usize::from(tid)].push_front(frame);
                    }
                }
            }
        }
        if let (true, Source::Data(position, tid)) = (dropped, burst.from) {
            self.request_window(position, tid);
        }
    }

    fn handle_done(&mut self, from: Source, frame: &Outgoing, lost: bool, now: Instant) {
        match (frame.purpose, from) {
            (Purpose::AssociationResponse, _) if !lost => {
                if let Some(receiver) = receiver(&frame.bytes) {
                    self.handle_associated(receiver, now);
                }
            }
            (Purpose::Farewell, Source::StationControl(position)) => self.remove_station(position),
            (Purpose::Data { flow, .. }, Source::Data(position, tid)) => {
                let Some(station) = self.stations.get_mut(position) else {
                    return;
                };
                let flow = flow.and_then(|at| station.flows.get_mut(at));
                if lost {
                    self.counters.sent_dropped += 1;
                } else {
                    self.counters.sent_acked += 1;
                }
                if let Some(flow) = flow {
                    let count = if lost {
                        &mut flow.counters.dropped
                    } else {
                        &mut flow.counters.acked
                    };
                    *count += 1;
                }
                if !lost {
                    self.consider_block_ack(position, tid, now);
                }
            }
            _ => {}
        }
    }

    /// Tells the recipient to wait no longer for what was given up.
    fn request_window(&mut self, position: usize, tid: u8) {
        let bssid = self.config.bssid;
        let Some(station) = self.stations.get_mut(position) else {
            return;
        };
        let at = usize::from(tid);
        if !matches!(station.tx[at], TxAgreement::Active { .. }) {
            return;
        }
        let start = match station.pending[at].front().map(|frame| frame.purpose) {
            Some(Purpose::Data { sequence, .. }) => sequence,
            _ => station.sequence[at],
        };
        let mut bytes = Vec::with_capacity(20);
        bytes.extend_from_slice(&[kind::BLOCK_ACK_REQUEST, 0, 0, 0]);
        bytes.extend_from_slice(&station.address);
        bytes.extend_from_slice(&bssid);
        bytes.extend_from_slice(&(u16::from(tid) << 12 | 0x0004).to_le_bytes());
        bytes.extend_from_slice(&(start << 4).to_le_bytes());
        station
            .control
            .push_back(Outgoing::new(bytes, Purpose::Management));
    }
}

fn receiver(frame: &[u8]) -> Option<Address> {
    let mut address = [0; 6];
    address.copy_from_slice(frame.get(4..10)?);
    Some(address)
}

fn set_more_data(frame: &mut [u8], more: bool) {
    if let Some(flags) = frame.get_mut(1) {
        *flags = *flags & !MORE_DATA | if more { MORE_DATA } else { 0 };
    }
}
