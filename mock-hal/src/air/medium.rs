//! The medium: who occupies which channel until when, and who hears what.

use super::access_point::{AccessPoint, ApConfig, TU};
use super::airtime::{self, Response};
use super::capture::Capture;
use super::downlink::{Burst, Pool};
use super::frame::Mpdu;
use super::loss;
use super::noise::{Noise, Noisy};
use super::replay::{Injection, Recorded, Replay};
use super::{Address, Channel, Exchange, Heard, Outcome, PhyRate, Width};
use bes_hal::time::{earliest, Instant};
use core::time::Duration;
use std::collections::VecDeque;
use std::io::Write;

/// What an [`Air`] is made of. `7u64.into()` is the default with another seed.
#[derive(Clone, Debug, PartialEq)]
pub struct AirConfig {
    /// Seed of everything random: losses, nonces, keys.
    pub seed: u64,
    /// The air does not limit: nothing takes airtime. For benchmarks of the bus.
    pub unlimited: bool,
    /// Share of frames that are lost besides what the signal loses, 0.0 to 1.0.
    pub loss: f64,
    /// Share of acknowledgements that are lost although the frame arrived, 0.0 to 1.0.
    pub ack_loss: f64,
}

impl Default for AirConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            unlimited: false,
            loss: 0.0,
            ack_loss: 0.0,
        }
    }
}

impl From<u64> for AirConfig {
    fn from(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }
}

/// Which access point of an [`Air`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ApId(usize);

/// What the air has counted, from the station's point of view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AirCounters {
    /// Attempts of the station.
    pub exchanges: u64,
    /// Frames in these attempts.
    pub frames: u64,
    /// Frames of these attempts that were not acknowledged; group frames never are.
    pub unacknowledged: u64,
    /// Attempts that found the medium busy.
    pub deferred: u64,
    /// Frames that the station heard.
    pub heard: u64,
    /// Time during which the station's own channel was used by the station.
    pub station_airtime: Duration,
    /// Time during which any channel was used by somebody else.
    pub other_airtime: Duration,
}

/// The air. See the [module](super).
#[derive(Debug)]
pub struct Air {
    config: AirConfig,
    now: Instant,
    rng: fastrand::Rng,
    stations: Vec<Address>,
    tuned: Option<Channel>,
    busy: Vec<(u8, Instant)>,
    access_points: Vec<AccessPoint>,
    noise: Vec<Noisy>,
    replay: Replay,
    /// What was heard, and whether it was generated.
    heard: VecDeque<(Heard, bool)>,
    generated_heard: usize,
    room: usize,
    pool: Pool,
    burst: Burst,
    capture: Option<Capture>,
    counters: AirCounters,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Deadline(usize),
    Replay,
    Noise(usize),
    Transmit(usize),
}

impl Air {
    /// An air without anybody in it.
    pub fn new(config: impl Into<AirConfig>) -> Self {
        let config = config.into();
        Self {
            rng: fastrand::Rng::with_seed(config.seed),
            config,
            now: Instant::ZERO,
            stations: Vec::new(),
            tuned: None,
            busy: Vec::new(),
            access_points: Vec::new(),
            noise: Vec::new(),
            replay: Replay::default(),
            heard: VecDeque::new(),
            generated_heard: 0,
            room: 64,
            pool: Pool::default(),
            burst: Burst::default(),
            capture: None,
            counters: AirCounters::default(),
        }
    }

    /// Adds an access point. Its first beacon comes within one beacon interval.
    pub fn add_access_point(&mut self, mut config: ApConfig) -> ApId {
        let index = self.access_points.len();
        if config.bssid == [0; 6] {
            config.bssid = [0x02, 0xA1, 0x12, 0, 0, index as u8 + 1];
        }
        // Access points are not synchronous: their beacons are spread over the interval.
        let interval = TU * u32::from(config.beacon_interval_tu.max(1));
        let offset = interval.mul_f64(((index as f64 + 1.0) * 0.381_966) % 1.0);
        let first = self.now.after(offset);
        let seed = self.rng.u64(..);
        self.access_points
            .push(AccessPoint::new(config, first, seed));
        ApId(index)
    }

    /// An access point.
    ///
    /// # Panics
    ///
    /// If the id is from another air.
    pub fn access_point(&self, id: ApId) -> &AccessPoint {
        &self.access_points[id.0]
    }

    /// An access point, to be told something. What it does about it happens at the next [`advance`](Self::advance).
    ///
    /// # Panics
    ///
    /// If the id is from another air.
    pub fn access_point_mut(&mut self, id: ApId) -> &mut AccessPoint {
        &mut self.access_points[id.0]
    }

    /// Adds traffic of others to a channel, or changes it; a share of 0 ends it.
    pub fn set_noise(&mut self, noise: Noise) {
        self.noise
            .retain(|noisy| noisy.noise.channel != noise.channel);
        if noise.share > 0.0 && !self.config.unlimited {
            self.noise.push(Noisy {
                noise,
                next: self.now,
            });
        }
    }

    /// Changes the share of frames that are lost besides what the signal loses, 0.0 to 1.0.
    pub fn set_loss(&mut self, share: f64) {
        self.config.loss = share.clamp(0.0, 1.0);
    }

    /// Changes the share of acknowledgements that are lost although the frame arrived, 0.0 to 1.0.
    pub fn set_ack_loss(&mut self, share: f64) {
        self.config.ack_loss = share.clamp(0.0, 1.0);
    }

    /// Whether nothing takes airtime.
    pub fn is_unlimited(&self) -> bool {
        self.config.unlimited
    }

    /// Switches the limits of the air off or on.
    pub fn set_unlimited(&mut self, unlimited: bool) {
        self.config.unlimited = unlimited;
    }

    /// Writes everything on the air to a pcap file from now on.
    pub fn set_capture(&mut self, out: Box<dyn Write + Send>) {
        self.capture = Some(Capture::new(out));
    }

    /// Puts a frame on the air as it is.
    pub fn inject(&mut self, injection: Injection) {
        self.replay.inject(injection);
    }

    /// Acknowledges and records what the station sends to this address, which is that of no access point.
    pub fn record(&mut self, address: Address) {
        self.replay.record_address(address);
    }

    /// The next recorded frame.
    pub fn pop_recorded(&mut self) -> Option<Recorded> {
        self.replay.pop_recorded()
    }

    /// What was counted.
    pub fn counters(&self) -> AirCounters {
        self.counters
    }

    /// The address whose frames the station's radio acknowledges; others set before are forgotten.
    pub fn set_station_address(&mut self, address: Address) {
        self.stations.clear();
        self.stations.push(address);
    }

    /// One more address whose frames the station's radio acknowledges.
    pub fn add_station_address(&mut self, address: Address) {
        if !self.stations.contains(&address) {
            self.stations.push(address);
        }
    }

    /// Tunes the station's radio; `None` switches it off, so that nothing is heard.
    pub fn tune(&mut self, channel: Option<Channel>, now: Instant) {
        self.advance(now);
        self.tuned = channel;
        // Beacons that nobody could hear were not made.
        for access_point in &mut self.access_points {
            if !is_audible(self.tuned, access_point) {
                continue;
            }
            if access_point.next_beacon < now {
                access_point.skip_beacons(now);
            }
        }
    }

    /// What the station's radio is tuned to.
    pub fn tuned(&self) -> Option<Channel> {
        self.tuned
    }

    /// ONE attempt of the station at one rate. What is acknowledged reaches its receiver at `now` + airtime. Retries
    /// and the choice of rates are the caller's.
    ///
    /// If the medium is busy at `now`, the attempt starts when it is idle, and the airtime counts from `now`. Only
    /// the first 64 frames are sent.
    pub fn exchange(&mut self, exchange: &Exchange<'_>, now: Instant) -> Outcome {
        self.advance(now);
        let frames = &exchange.frames[..exchange.frames.len().min(64)];
        let (Some(channel), Some(first)) = (self.tuned, frames.first()) else {
            return Outcome::default();
        };
        let group = first.get(4).is_some_and(|octet| octet & 1 == 1);
        let response = match (group, frames.len()) {
            (true, _) => Response::None,
            (false, 1) => Response::Ack,
            (false, _) => Response::BlockAck,
        };
        let octets = psdu_octets(frames.iter().map(|frame| frame.len()));
        let start = self.busy_of(channel.number).max(now);
        let end = self.occupy(
            channel,
            start,
            exchange.rate,
            octets,
            exchange.rts,
            response,
        );
        self.counters.exchanges += 1;
        self.counters.frames += frames.len() as u64;
        self.counters.deferred += u64::from(start > now);
        self.counters.station_airtime += end.since(start);

        let mut acked: u64 = 0;
        for (at, frame) in frames.iter().enumerate() {
            if let Some(capture) = &mut self.capture {
                capture.write(frame, end, channel, exchange.rate, -20);
            }
            if self.arrive(frame, exchange.rate, frames.len() > 1, end) {
                acked |= 1 << at;
            }
        }
        self.counters.unacknowledged += frames.len() as u64 - u64::from(acked.count_ones());
        Outcome {
            airtime: end.since(now),
            acked,
        }
    }

    /// A frame of the station is on the air; whether it is acknowledged.
    fn arrive(&mut self, frame: &[u8], rate: PhyRate, ampdu: bool, at: Instant) -> bool {
        let Some(receiver) = frame.get(4..10) else {
            return false;
        };
        let group = receiver[0] & 1 == 1;
        if self.replay.is_recording() {
            let mut address = [0; 6];
            address.copy_from_slice(receiver);
            if group || self.replay.records(address) {
                self.replay.record(Recorded {
                    frame: frame.to_vec(),
                    at,
                    rate,
                    ampdu,
                });
                if !group {
                    return true;
                }
            }
        }
        let Some(mpdu) = Mpdu::parse(frame) else {
            return group;
        };
        let mut arrived = group;
        for index in 0..self.access_points.len() {
            let access_point = &mut self.access_points[index];
            if !group && access_point.config.bssid != receiver {
                continue;
            }
            let hears = access_point.present
                && !access_point.ignoring
                && is_audible(self.tuned, access_point)
                && access_point.understands(rate);
            if hears {
                let signal = access_point.config.signal_dbm;
                let deafness = if mpdu.is_data() {
                    access_point.deafness
                } else {
                    0.0
                };
                let lost = self.is_lost(rate, signal, frame.len(), deafness);
                let access_point = &mut self.access_points[index];
                if !lost && (!ampdu || access_point.accepts_ampdu(mpdu)) {
                    access_point.handle_frame(mpdu, at);
                    arrived = true;
                }
            }
            if !group {
                break;
            }
        }
        arrived && (group || !chance(&mut self.rng, self.config.ack_loss))
    }

    fn is_lost(&mut self, rate: PhyRate, signal: i8, octets: usize, more: f64) -> bool {
        let by_signal = loss::probability(rate, signal, octets);
        if by_signal == 0.0 && self.config.loss == 0.0 && more == 0.0 {
            return false;
        }
        let arrives = (1.0 - by_signal) * (1.0 - self.config.loss) * (1.0 - more);
        !chance(&mut self.rng, arrives)
    }

    /// Until when the medium is occupied on the station's channel; the station transmits not before.
    pub fn busy_until(&self) -> Instant {
        self.tuned
            .map_or(Instant::ZERO, |channel| self.busy_of(channel.number))
    }

    fn busy_of(&self, channel: u8) -> Instant {
        self.busy
            .iter()
            .find(|(number, _)| *number == channel)
            .map_or(Instant::ZERO, |(_, until)| *until)
    }

    /// Takes the medium from `start` on; until when.
    fn occupy(
        &mut self,
        channel: Channel,
        start: Instant,
        rate: PhyRate,
        octets: usize,
        rts: bool,
        response: Response,
    ) -> Instant {
        if self.config.unlimited {
            return start;
        }
        let duration = airtime::exchange(channel.band, rate, octets, rts, response);
        let end = start.after(duration);
        self.set_busy(channel.number, end);
        end
    }

    fn set_busy(&mut self, channel: u8, until: Instant) {
        match self.busy.iter_mut().find(|(number, _)| *number == channel) {
            Some((_, busy)) => *busy = until.max(*busy),
            None => self.busy.push((channel, until)),
        }
    }

    /// How many more data frames the station can take, what is still to be popped not subtracted: simply the free
    /// places of its receive queue. Generated traffic waits while there are none. 64 at the start.
    pub fn set_receive_room(&mut self, frames: usize) {
        self.room = frames;
    }

    fn effective_room(&self) -> usize {
        self.room.saturating_sub(self.generated_heard)
    }

    /// A block ack agreement as the station negotiated it. `from_station`: the station is the originator. `window` 0:
    /// torn down. An access point aggregates towards the station only under an agreement.
    pub fn set_block_ack(&mut self, peer: Address, tid: u8, from_station: bool, window: u8) {
        // An access point knows the station by one of its addresses.
        for access_point in &mut self.access_points {
            if access_point.config.bssid == peer {
                for &station in &self.stations {
                    access_point.set_block_ack(station, tid, from_station, window);
                }
            }
        }
    }

    /// When something happens next. [`Air::advance`] to it, then [`Air::pop_heard`]. Frames that were heard by now
    /// and not popped are no event.
    pub fn next_event(&self) -> Option<Instant> {
        let heard = self
            .heard
            .back()
            .filter(|(last, _)| last.at > self.now)
            .and_then(|_| {
                self.heard
                    .iter()
                    .map(|(heard, _)| heard.at)
                    .find(|&at| at > self.now)
            });
        earliest(heard, self.next().map(|(at, _)| at))
    }

    fn next(&self) -> Option<(Instant, Next)> {
        let mut next: Option<(Instant, Next)> = None;
        let mut offer = |at: Option<Instant>, what: Next| {
            if let Some(at) = at {
                let at = at.max(self.now);
                if next.is_none_or(|(best, _)| at < best) {
                    next = Some((at, what));
                }
            }
        };
        for (index, access_point) in self.access_points.iter().enumerate() {
            offer(access_point.deadline(), Next::Deadline(index));
        }
        if let Some((at, channel)) = self.replay.next() {
            offer(Some(at.max(self.busy_of(channel))), Next::Replay);
        }
        for (index, noisy) in self.noise.iter().enumerate() {
            let busy = self.busy_of(noisy.noise.channel);
            offer(Some(noisy.next.max(busy)), Next::Noise(index));
        }
        for (index, access_point) in self.access_points.iter().enumerate() {
            let audible = is_audible(self.tuned, access_point);
            let room = self.room_for(audible);
            let ready = access_point.ready(self.now, room, audible);
            let busy = self.busy_of(access_point.config.channel.number);
            offer(ready.map(|at| at.max(busy)), Next::Transmit(index));
        }
        next
    }

    /// Room for generated frames. Without limits nothing is generated that nobody hears: it would never end.
    fn room_for(&self, audible: bool) -> usize {
        if audible || !self.config.unlimited {
            self.effective_room()
        } else {
            0
        }
    }

    /// Lets everything happen that is due at `now`.
    pub fn advance(&mut self, now: Instant) {
        while let Some((at, what)) = self.next() {
            if at > now {
                break;
            }
            self.now = at;
            match what {
                Next::Deadline(index) => self.access_points[index].handle_deadline(at),
                Next::Replay => self.replay_one(at),
                Next::Noise(index) => {
                    let jitter = self.rng.f64();
                    let noisy = &mut self.noise[index];
                    let end = noisy.burst(at, jitter);
                    let channel = noisy.noise.channel;
                    self.counters.other_airtime += end.since(at);
                    self.set_busy(channel, end);
                }
                Next::Transmit(index) => self.transmit(index, at),
            }
        }
        self.now = self.now.max(now);
    }

    fn replay_one(&mut self, start: Instant) {
        let Some(injection) = self.replay.pop() else {
            return;
        };
        let channel = Channel::ht20(injection.channel);
        let octets = injection.frame.len() + airtime::FCS;
        let group = injection.frame.get(4).is_none_or(|octet| octet & 1 == 1);
        let response = if group { Response::None } else { Response::Ack };
        let end = self.occupy(channel, start, injection.rate, octets, false, response);
        let at = self.end_of_ppdu(channel, end, injection.rate, response);
        self.counters.other_airtime += end.since(start);
        if let Some(capture) = &mut self.capture {
            capture.write(
                &injection.frame,
                at,
                channel,
                injection.rate,
                injection.signal_dbm,
            );
        }
        if self
            .tuned
            .is_some_and(|tuned| tuned.number == channel.number)
        {
            self.counters.heard += 1;
            self.heard.push_back((
                Heard {
                    frame: injection.frame,
                    at,
                    channel: channel.number,
                    rate: injection.rate,
                    signal_dbm: injection.signal_dbm,
                    ampdu: injection.ampdu,
                    first_of_ampdu: injection.ampdu,
                    last_of_ampdu: injection.ampdu,
                },
                false,
            ));
        }
    }

    fn end_of_ppdu(
        &self,
        channel: Channel,
        end: Instant,
        rate: PhyRate,
        response: Response,
    ) -> Instant {
        if self.config.unlimited {
            return end;
        }
        let answer = airtime::response(channel.band, rate, response);
        Instant::from_nanos(end.as_nanos().saturating_sub(answer.as_nanos() as u64))
    }

    /// An access point takes the medium.
    fn transmit(&mut self, index: usize, start: Instant) {
        let audible = is_audible(self.tuned, &self.access_points[index]);
        let room = self.room_for(audible);
        let mut burst = core::mem::take(&mut self.burst);
        let access_point = &mut self.access_points[index];
        if !access_point.poll_transmit(start, room, audible, &mut self.pool, &mut burst) {
            // It wanted the medium and then had nothing to say: it must not ask again at once.
            access_point.not_before = start.after(Duration::from_millis(1));
            self.burst = burst;
            return;
        }
        let channel = access_point.config.channel;
        let signal_dbm = access_point.config.signal_dbm;
        let rate = burst.rate;
        let group = is_group(&burst.frames[0].bytes);
        let response = match (group, burst.ampdu) {
            (true, _) => Response::None,
            (false, false) => Response::Ack,
            (false, true) => Response::BlockAck,
        };
        let octets = psdu_octets(burst.frames.iter().map(|frame| frame.bytes.len()));
        let end = self.occupy(channel, start, rate, octets, false, response);
        let at = self.end_of_ppdu(channel, end, rate, response);
        self.counters.other_airtime += end.since(start);
        let hears = audible && self.receives(rate);

        let mut first = None;
        let mut last = None;
        for position in 0..burst.frames.len() {
            let length = burst.frames[position].bytes.len();
            let lost = !hears || self.is_lost(rate, signal_dbm, length, 0.0);
            let frame = &mut burst.frames[position];
            if let Some(capture) = &mut self.capture {
                capture.write(&frame.bytes, at, channel, rate, signal_dbm);
            }
            if lost {
                continue;
            }
            frame.arrived = true;
            let ours = !group
                && frame
                    .bytes
                    .get(4..10)
                    .is_some_and(|receiver| self.stations.iter().any(|known| known == receiver));
            frame.acked = ours && !chance(&mut self.rng, self.config.ack_loss);
            first.get_or_insert(position);
            last = Some(position);
        }
        let mut acked = group;
        for (position, frame) in burst.frames.iter_mut().enumerate() {
            acked |= frame.acked;
            if !frame.arrived {
                continue;
            }
            // What will not be sent again is given away; the rest is copied.
            let consequences = matches!(
                frame.purpose,
                super::station::Purpose::AssociationResponse | super::station::Purpose::Farewell
            );
            let bytes = if (frame.acked || group) && !consequences {
                core::mem::take(&mut frame.bytes)
            } else {
                let mut copy = self.pool.take();
                copy.extend_from_slice(&frame.bytes);
                copy
            };
            let generated = frame.is_generated();
            self.generated_heard += usize::from(generated);
            self.counters.heard += 1;
            self.heard.push_back((
                Heard {
                    frame: bytes,
                    at,
                    channel: channel.number,
                    rate,
                    signal_dbm,
                    ampdu: burst.ampdu,
                    first_of_ampdu: burst.ampdu && first == Some(position),
                    last_of_ampdu: burst.ampdu && last == Some(position),
                },
                generated,
            ));
        }
        let access_point = &mut self.access_points[index];
        access_point.handle_sent(&mut burst, end, &mut self.pool);
        // The one who has just sent lets others go first; without limits, failures must take time.
        access_point.not_before = if !self.config.unlimited {
            end.after(Duration::from_nanos(1))
        } else if acked {
            end
        } else {
            end.after(Duration::from_millis(1))
        };
        self.burst = burst;
    }

    /// Whether the station's radio receives frames of this kind on what it is tuned to.
    fn receives(&self, rate: PhyRate) -> bool {
        match (rate, self.tuned) {
            (_, None) => false,
            (
                PhyRate::Ht {
                    width: Width::Ht40, ..
                },
                Some(channel),
            ) => channel.width == Width::Ht40,
            _ => true,
        }
    }

    /// The next frame that the station's radio has heard by now, in order of time.
    pub fn pop_heard(&mut self) -> Option<Heard> {
        if self.heard.front()?.0.at > self.now {
            return None;
        }
        let (heard, generated) = self.heard.pop_front()?;
        if generated {
            // It moves from the air to the station, which tells its room anew after that.
            self.generated_heard -= 1;
            self.room = self.room.saturating_sub(1);
        }
        Some(heard)
    }

    /// Takes back the buffer of a [`Heard`] frame, so that it is used again instead of allocated.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        self.pool.give(buffer);
    }
}

fn is_audible(tuned: Option<Channel>, access_point: &AccessPoint) -> bool {
    tuned.is_some_and(|channel| channel.number == access_point.config.channel.number)
}

fn is_group(frame: &[u8]) -> bool {
    frame.get(4).is_none_or(|octet| octet & 1 == 1)
}

fn chance(rng: &mut fastrand::Rng, share: f64) -> bool {
    share > 0.0 && (share >= 1.0 || rng.f64() < share)
}

fn psdu_octets(lengths: impl ExactSizeIterator<Item = usize>) -> usize {
    if lengths.len() == 1 {
        lengths.sum::<usize>() + airtime::FCS
    } else {
        airtime::ampdu_octets(lengths)
    }
}
