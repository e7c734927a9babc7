//! The medium: who occupies which channel until when, and who hears what.

use super::access_point::{AccessPoint, TU};
use super::air_counters::AirCounters;
use super::airtime::{self, Response};
use super::ap_config::ApConfig;
use super::capture::Capture;
use super::client::Client;
use super::downlink::{Burst, Pool};
use super::noise::{Noise, Noisy};
use super::replay::{Injection, Recorded, Replay};
use super::shared::RadioState;
use super::station::{Outgoing, Purpose};
use super::{Address, Channel, Heard, PhyRate};
use bes_hal::time::{earliest, Instant};
use core::cell::Cell;
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

/// Which client of an [`Air`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId(pub(super) usize);

/// The air. See the [module](super).
#[derive(Debug)]
pub struct Air {
    pub(super) config: AirConfig,
    pub(super) now: Instant,
    pub(super) rng: fastrand::Rng,
    pub(super) stations: Vec<Address>,
    pub(super) tuned: Option<Channel>,
    busy: Vec<(u8, Instant)>,
    pub(super) access_points: Vec<AccessPoint>,
    pub(super) clients: Vec<Client>,
    noise: Vec<Noisy>,
    pub(super) replay: Replay,
    /// What was heard, and whether it was generated.
    pub(super) heard: VecDeque<(Heard, bool)>,
    pub(super) generated_heard: usize,
    pub(super) room: usize,
    pub(super) pool: Pool,
    burst: Burst,
    pub(super) capture: Option<Capture>,
    pub(super) counters: AirCounters,
    /// Idle time that the selected radio has to wait for, where radios compete.
    pub(super) wait: Duration,
    /// The radios that are not selected, where there are several; see [`shared`](super::shared).
    pub(super) radios: Vec<RadioState>,
    pub(super) selected: usize,
    upcoming: Cell<Option<Upcoming>>,
}

/// What happens next, as long as nothing changes: it is asked for with every bus command and changes seldom.
#[derive(Clone, Copy, Debug)]
struct Upcoming {
    next: Option<(Instant, Next)>,
    /// When this was found out.
    asked: Instant,
    /// Whether there was room for generated frames then.
    room: bool,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Deadline(usize),
    Replay,
    Noise(usize),
    Transmit(usize),
    ClientDeadline(usize),
    Client(usize),
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
            clients: Vec::new(),
            noise: Vec::new(),
            replay: Replay::default(),
            heard: VecDeque::new(),
            generated_heard: 0,
            room: 64,
            pool: Pool::default(),
            burst: Burst::default(),
            capture: None,
            counters: AirCounters::default(),
            wait: Duration::ZERO,
            radios: Vec::new(),
            selected: 0,
            upcoming: Cell::new(None),
        }
    }

    /// Adds an access point. Its first beacon comes within one beacon interval.
    pub fn add_access_point(&mut self, mut config: ApConfig) -> ApId {
        self.changed();
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
        self.changed();
        &mut self.access_points[id.0]
    }

    /// All access points, in the order in which they were added.
    pub fn access_points_mut(&mut self) -> impl Iterator<Item = &mut AccessPoint> {
        self.changed();
        self.access_points.iter_mut()
    }

    /// Adds traffic of others to a channel, or changes it; a share of 0 ends it.
    pub fn set_noise(&mut self, noise: Noise) {
        self.changed();
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
        self.changed();
        self.config.unlimited = unlimited;
    }

    /// Writes everything on the air to a pcap file from now on.
    pub fn set_capture(&mut self, out: Box<dyn Write + Send>) {
        self.capture = Some(Capture::new(out));
    }

    /// Puts a frame on the air as it is.
    pub fn inject(&mut self, injection: Injection) {
        self.changed();
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

    pub(super) fn busy_of(&self, channel: u8) -> Instant {
        self.busy
            .iter()
            .find(|(number, _)| *number == channel)
            .map_or(Instant::ZERO, |(_, until)| *until)
    }

    /// Takes the medium from `start` on; until when.
    pub(super) fn occupy(
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
        let end = start.after(self.without_mean_wait(duration));
        self.count_down(channel.number, start);
        self.set_busy(channel.number, end);
        end
    }

    fn set_busy(&mut self, channel: u8, until: Instant) {
        self.changed();
        match self.busy.iter_mut().find(|(number, _)| *number == channel) {
            Some((_, busy)) => *busy = until.max(*busy),
            None => self.busy.push((channel, until)),
        }
    }

    /// When something happens next. [`Air::advance`] to it, then [`Air::pop_heard`]. Frames that were heard by now
    /// and not popped are no event.
    pub fn next_event(&self) -> Option<Instant> {
        let mut heard = self.heard.front().map(|(heard, _)| heard.at);
        if heard.is_some_and(|at| at <= self.now) {
            let due = self
                .heard
                .partition_point(|(heard, _)| heard.at <= self.now);
            heard = self.heard.get(due).map(|(heard, _)| heard.at);
        }
        earliest(heard, self.next().map(|(at, _)| at))
    }

    /// Something may have changed that [`next`](Self::next) depends on: anything but time and room.
    pub(super) fn changed(&mut self) {
        self.upcoming.set(None);
    }

    fn next(&self) -> Option<(Instant, Next)> {
        let room = self.has_room();
        if let Some(known) = self.upcoming.get() {
            // What is due now may be overtaken by what is due as well and more urgent; what is later stays.
            let ahead = known.next.is_none_or(|(at, _)| at > self.now);
            if known.room == room && (ahead || known.asked == self.now) {
                return known.next;
            }
        }
        let next = self.find_next();
        self.upcoming.set(Some(Upcoming {
            next,
            asked: self.now,
            room,
        }));
        next
    }

    fn find_next(&self) -> Option<(Instant, Next)> {
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
            let audible = self.is_audible(access_point);
            let room = self.room_for(audible);
            let ready = access_point.ready(self.now, room, audible);
            let busy = self.busy_of(access_point.config.channel.number);
            offer(ready.map(|at| at.max(busy)), Next::Transmit(index));
        }
        for (index, client) in self.clients.iter().enumerate() {
            offer(client.deadline(), Next::ClientDeadline(index));
            let busy = self.busy_of(client.config.channel.number);
            let ready = client.ready(self.now);
            offer(ready.map(|at| at.max(busy)), Next::Client(index));
        }
        next
    }

    /// Lets everything happen that is due at `now`.
    pub fn advance(&mut self, now: Instant) {
        while let Some((at, what)) = self.next() {
            if at > now {
                break;
            }
            self.now = at;
            self.changed();
            match what {
                Next::Deadline(index) => self.access_points[index].handle_deadline(at),
                Next::Replay => self.replay_one(at),
                Next::Noise(index) => {
                    let jitter = self.rng.f64();
                    let noisy = &mut self.noise[index];
                    let end = noisy.burst(at, jitter);
                    let channel = noisy.noise.channel;
                    self.counters.other_airtime += end.since(at);
                    self.others_waited(end.since(at));
                    self.count_down(channel, at);
                    self.set_busy(channel, end);
                }
                Next::Transmit(index) => self.transmit(index, at),
                Next::ClientDeadline(index) => self.clients[index].handle_deadline(at),
                Next::Client(index) => self.transmit_client(index, at),
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
            self.push_heard((
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

    pub(super) fn end_of_ppdu(
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
        let audible = self.is_audible(&self.access_points[index]);
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
        let collisions = if group { 0.0 } else { access_point.collisions };
        let response = match (group, burst.ampdu) {
            (true, _) => Response::None,
            (false, false) => Response::Ack,
            (false, true) => Response::BlockAck,
        };
        let octets = psdu_octets(burst.frames.iter().map(|frame| frame.bytes.len()));
        let end = self.occupy(channel, start, rate, octets, false, response);
        let at = self.end_of_ppdu(channel, end, rate, response);
        let selected = self.selected;
        let first_frame = &burst.frames[0].bytes;
        let for_others = (group && self.is_shared()).then(|| first_frame.clone());
        if !group {
            self.select_receiver(first_frame);
        }
        let airtime = end.since(start);
        self.counters.other_airtime += airtime;
        self.others_waited(airtime);
        let here = self
            .tuned
            .is_some_and(|tuned| tuned.number == channel.number);
        let hears = here && self.receives(rate);
        if hears && !group {
            self.counters.delivery_airtime += airtime;
        }

        let flood = burst.frames.iter().any(Outgoing::is_generated);
        let mut first = None;
        let mut last = None;
        for position in 0..burst.frames.len() {
            let length = burst.frames[position].bytes.len();
            let damaged = hears && self.is_lost(rate, signal_dbm, length, collisions);
            self.counters.damaged += u64::from(damaged);
            let lost = !hears || damaged;
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
                Purpose::AssociationResponse | Purpose::Farewell
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
            self.push_heard((
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
        if let Some(frame) = for_others {
            self.tell_others(&Heard {
                frame,
                at,
                channel: channel.number,
                rate,
                signal_dbm,
                ampdu: false,
                first_of_ampdu: false,
                last_of_ampdu: false,
            });
        }
        self.select(selected);
        let wait = self.draw();
        let access_point = &mut self.access_points[index];
        access_point.handle_sent(&mut burst, end, &mut self.pool);
        // The one who has just sent lets others go first; without limits, failures and floods must take time.
        access_point.not_before = if !self.config.unlimited {
            end.after(wait.max(Duration::from_nanos(1)))
        } else if acked && !(flood && room == 0) {
            end
        } else {
            end.after(Duration::from_millis(1))
        };
        self.burst = burst;
    }
}

pub(super) fn is_audible(tuned: Option<Channel>, access_point: &AccessPoint) -> bool {
    tuned.is_some_and(|channel| channel.number == access_point.config.channel.number)
}

pub(super) fn is_group(frame: &[u8]) -> bool {
    frame.get(4).is_none_or(|octet| octet & 1 == 1)
}

pub(super) fn chance(rng: &mut fastrand::Rng, share: f64) -> bool {
    share > 0.0 && (share >= 1.0 || rng.f64() < share)
}

pub(super) fn psdu_octets(lengths: impl ExactSizeIterator<Item = usize>) -> usize {
    if lengths.len() == 1 {
        lengths.sum::<usize>() + airtime::FCS
    } else {
        airtime::ampdu_octets(lengths)
    }
}
