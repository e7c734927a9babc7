//! The station's radio: what it is tuned to, its attempts to send, and what it hears.

use super::access_point::AccessPoint;
use super::airtime::Response;
use super::frame::{Mpdu, MORE_FRAGMENTS};
use super::loss;
use super::medium::{chance, is_audible, psdu_octets, Air};
use super::replay::Recorded;
use super::{Address, Channel, Exchange, Heard, Outcome, PhyRate, Width};
use bes_hal::time::Instant;

impl Air {
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
        self.changed();
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
        self.changed();
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
        let start = self.busy_of(channel.number).after(self.wait).max(now);
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
        self.counters.rts += u64::from(exchange.rts);
        let is_fragment = |frame: &&&[u8]| {
            matches!(frame, [_, flags, ..] if flags & MORE_FRAGMENTS != 0)
                || frame.get(22).is_some_and(|control| control & 0x0F != 0)
        };
        self.counters.fragments += frames.iter().filter(is_fragment).count() as u64;
        self.counters.deferred += u64::from(start > now);
        self.counters.station_airtime += end.since(start);
        self.others_waited(end.since(start));
        self.wait = self.draw();

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
                    access_point.deafness.max(access_point.collisions)
                } else {
                    access_point.collisions
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
        arrived |= self.arrive_at_clients(mpdu, rate, ampdu, at);
        arrived && (group || !chance(&mut self.rng, self.config.ack_loss))
    }

    pub(super) fn is_lost(&mut self, rate: PhyRate, signal: i8, octets: usize, more: f64) -> bool {
        let by_signal = loss::probability(rate, signal, octets);
        if by_signal == 0.0 && self.config.loss == 0.0 && more == 0.0 {
            return false;
        }
        let arrives = (1.0 - by_signal) * (1.0 - self.config.loss) * (1.0 - more);
        !chance(&mut self.rng, arrives)
    }

    /// Until when the medium is occupied on the station's channel; the station transmits not before.
    pub fn busy_until(&self) -> Instant {
        self.tuned.map_or(Instant::ZERO, |channel| {
            self.busy_of(channel.number).after(self.wait)
        })
    }

    /// Whether any radio is tuned to the channel of an access point.
    pub(super) fn is_audible(&self, access_point: &AccessPoint) -> bool {
        is_audible(self.tuned, access_point)
            || self
                .radios
                .iter()
                .any(|radio| is_audible(radio.tuned(), access_point))
    }

    /// How many more data frames the station can take, what is still to be popped not subtracted: simply the free
    /// places of its receive queue. Generated traffic waits while there are none. 64 at the start.
    pub fn set_receive_room(&mut self, frames: usize) {
        self.room = frames;
    }

    /// Whether generated traffic may go on.
    pub(crate) fn has_room(&self) -> bool {
        self.effective_room() > 0
    }

    pub(super) fn effective_room(&self) -> usize {
        let own = self.room.saturating_sub(self.generated_heard);
        // The one with the least room decides; the place of the selected one is empty.
        let others = self.radios.iter().enumerate();
        others
            .filter(|(radio, _)| *radio != self.selected)
            .fold(own, |least, (_, radio)| least.min(radio.room()))
    }

    /// A block ack agreement as the station negotiated it. `from_station`: the station is the originator. `window` 0:
    /// torn down. An access point aggregates towards the station only under an agreement.
    pub fn set_block_ack(&mut self, peer: Address, tid: u8, from_station: bool, window: u8) {
        self.changed();
        // An access point knows the station by one of its addresses.
        for access_point in &mut self.access_points {
            if access_point.config.bssid == peer {
                for &station in &self.stations {
                    access_point.set_block_ack(station, tid, from_station, window);
                }
            }
        }
    }

    /// Room for generated frames. Without limits nothing is generated that nobody hears: it would never end.
    pub(super) fn room_for(&self, audible: bool) -> usize {
        if audible || !self.config.unlimited {
            self.effective_room()
        } else {
            0
        }
    }

    /// Whether the station's radio receives frames of this kind on what it is tuned to.
    pub(super) fn receives(&self, rate: PhyRate) -> bool {
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

    /// Keeps what was heard in order of time, also when the radio has changed the channel in the middle of a frame.
    pub(super) fn push_heard(&mut self, entry: (Heard, bool)) {
        if self
            .heard
            .back()
            .is_none_or(|(last, _)| last.at <= entry.0.at)
        {
            self.heard.push_back(entry);
            return;
        }
        let at = self
            .heard
            .partition_point(|(heard, _)| heard.at <= entry.0.at);
        self.heard.insert(at, entry);
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
