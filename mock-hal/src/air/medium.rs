//! The medium: who occupies which channel until when, and what the station's radio hears.

use super::airtime::{self, Response};
use super::{Address, Channel, Exchange, Heard, Outcome};
use bes_hal::time::Instant;
use core::time::Duration;
use std::collections::VecDeque;

/// What an [`Air`] is made of. `7u64.into()` is the default with another seed.
#[derive(Clone, Debug, PartialEq)]
pub struct AirConfig {
    /// Seed of everything random: losses, nonces.
    pub seed: u64,
    /// The air does not limit: nothing takes airtime. For benchmarks of the bus.
    pub unlimited: bool,
}

impl Default for AirConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            unlimited: false,
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

/// The air. See the [module](super).
#[derive(Debug)]
pub struct Air {
    config: AirConfig,
    now: Instant,
    station: Address,
    tuned: Option<Channel>,
    busy_until: Instant,
    heard: VecDeque<Heard>,
    room: usize,
}

impl Air {
    /// An air without anybody in it.
    pub fn new(config: impl Into<AirConfig>) -> Self {
        Self {
            config: config.into(),
            now: Instant::ZERO,
            station: [0; 6],
            tuned: None,
            busy_until: Instant::ZERO,
            heard: VecDeque::new(),
            room: 64,
        }
    }

    /// The address whose frames the station's radio acknowledges.
    pub fn set_station_address(&mut self, address: Address) {
        self.station = address;
    }

    /// Tunes the station's radio; `None` switches it off, so that nothing is heard.
    pub fn tune(&mut self, channel: Option<Channel>, now: Instant) {
        self.advance(now);
        self.tuned = channel;
    }

    /// ONE attempt of the station at one rate. What is acknowledged reaches its receiver at `now` + airtime. Retries
    /// and the choice of rates are the caller's.
    ///
    /// If the medium is busy at `now`, the attempt starts when it is idle, and the airtime counts from `now`.
    pub fn exchange(&mut self, exchange: &Exchange<'_>, now: Instant) -> Outcome {
        self.advance(now);
        let (Some(channel), false) = (self.tuned, exchange.frames.is_empty()) else {
            return Outcome::default();
        };
        let single = exchange.frames.len() == 1;
        let lengths = exchange.frames.iter().map(|frame| frame.len());
        let octets = if single {
            lengths.sum::<usize>() + airtime::FCS
        } else {
            airtime::ampdu_octets(lengths)
        };
        let group = exchange
            .frames
            .iter()
            .all(|frame| frame.get(4).is_some_and(|byte| byte & 1 == 1));
        let response = match (group, single) {
            (true, _) => Response::None,
            (false, true) => Response::Ack,
            (false, false) => Response::BlockAck,
        };
        let airtime = if self.config.unlimited {
            Duration::ZERO
        } else {
            let start = self.busy_until.max(now);
            let end = start.after(airtime::exchange(
                channel.band,
                exchange.rate,
                octets,
                exchange.rts,
                response,
            ));
            self.busy_until = end;
            end.since(now)
        };
        Outcome {
            airtime,
            acked: if group {
                u64::MAX >> (64 - exchange.frames.len().min(64))
            } else {
                0
            },
        }
    }

    /// Until when the medium is occupied; the station transmits not before.
    pub fn busy_until(&self) -> Instant {
        self.busy_until
    }

    /// How many more data frames the station can take, those not yet popped included. Generated traffic waits while
    /// there is no room.
    pub fn set_receive_room(&mut self, frames: usize) {
        self.room = frames;
    }

    /// A block ack agreement as the station negotiated it. `from_station`: the station is the originator. `window` 0:
    /// torn down. An access point aggregates towards the station only under an agreement.
    pub fn set_block_ack(&mut self, peer: Address, tid: u8, from_station: bool, window: u8) {
        let _ = (peer, tid, from_station, window);
    }

    /// When something happens next. [`Air::advance`] to it, then [`Air::pop_heard`].
    pub fn next_event(&self) -> Option<Instant> {
        self.heard
            .front()
            .map(|heard| heard.at)
            .filter(|&at| at > self.now)
    }

    /// Lets everything happen that is due at `now`.
    pub fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// The next frame that the station's radio has heard by now, in order of time.
    pub fn pop_heard(&mut self) -> Option<Heard> {
        if self.heard.front()?.at <= self.now {
            self.heard.pop_front()
        } else {
            None
        }
    }
}
