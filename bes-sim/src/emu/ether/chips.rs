//! The side of the chips' radios.

use super::{address_at, octets, Ether};
use crate::emu::hwsim::{self, Address};
use crate::emu::lane::Lane;
use bes_hal::Instant;
use mock_hal::air::airtime::{self, Response};
use mock_hal::air::{Channel, Exchange, Heard, Outcome};

/// Signal of the chips' own frames in captures.
const OWN_SIGNAL: i8 = -20;

/// What the chips' radios do: the calls of [`mock_hal::chip::lmac::Medium`] with the number of the chip.
impl Ether {
    /// The address whose frames a chip acknowledges.
    pub fn set_station_address(&mut self, chip: usize, address: Address) {
        self.chips[chip].address = Some(address);
    }

    /// Tunes a chip.
    pub fn tune(&mut self, chip: usize, channel: Option<Channel>) {
        if let Some(channel) = channel {
            self.lane(channel.frequency_mhz());
        }
        self.chips[chip].tuned = channel;
    }

    /// One attempt of a chip.
    pub fn exchange(&mut self, chip: usize, exchange: &Exchange<'_>, now: Instant) -> Outcome {
        let frames = &exchange.frames[..exchange.frames.len().min(64)];
        let (Some(channel), Some(first)) = (self.chips[chip].tuned, frames.first()) else {
            return Outcome::default();
        };
        let index = self.lane(channel.frequency_mhz());
        let mut lane = std::mem::take(&mut self.lanes[index]);
        self.acting = Some(chip);
        self.land_if_due(&mut lane, now);
        self.acting = None;
        let group = first.get(4).is_none_or(|octet| octet & 1 != 0);
        let response = match (group, frames.len()) {
            (true, _) => Response::None,
            (false, 1) => Response::Ack,
            (false, _) => Response::BlockAck,
        };
        let start = lane.busy_until.max(now);
        let mut end = start;
        if self.config.limited {
            let octets = octets(frames.iter().map(|frame| frame.len()));
            let (rate, rts) = (exchange.rate, exchange.rts);
            end = start.after(airtime::exchange(lane.band, rate, octets, rts, response));
        }
        lane.busy_until = end;
        self.counters.chip_exchanges += 1;
        let mut acked = 0;
        for (position, mpdu) in frames.iter().enumerate() {
            if self.attempt(chip, mpdu, exchange, position, &lane, channel, end) {
                acked |= 1 << position;
            }
        }
        self.lanes[index] = lane;
        Outcome {
            airtime: end.since(now),
            acked,
        }
    }

    /// One frame of an attempt; whether it is acknowledged.
    #[allow(clippy::too_many_arguments)]
    fn attempt(
        &mut self,
        chip: usize,
        mpdu: &[u8],
        exchange: &Exchange<'_>,
        position: usize,
        lane: &Lane,
        channel: Channel,
        end: Instant,
    ) -> bool {
        self.counters.from_chips += 1;
        self.chips[chip].frames.0 += 1;
        if let Some(capture) = &mut self.capture {
            capture.write(mpdu, end, channel, exchange.rate, OWN_SIGNAL);
        }
        self.announced.look(mpdu);
        let Some(receiver) = address_at(mpdu, 4) else {
            return false;
        };
        let group = receiver[0] & 1 != 0;
        let fits = mpdu.len() <= hwsim::MAX_FRAME;
        let there = fits && self.acknowledges(receiver, lane.frequency, exchange.rate);
        if !group {
            self.counters.from_chips_acked += u64::from(there);
            self.counters.from_chips_failed += u64::from(!there);
        }
        if group || there || !fits {
            self.deliver_to_radios(mpdu, None, lane, exchange.rate);
        }
        let others = self
            .chips
            .iter()
            .enumerate()
            .any(|(index, other)| index != chip && other.is_on(lane.frequency));
        if others {
            let mut copy = self.memory();
            copy.extend_from_slice(mpdu);
            let ampdu = exchange.frames.len() > 1;
            let heard = Heard {
                frame: copy,
                at: end,
                channel: lane.number,
                rate: exchange.rate,
                signal_dbm: self.config.signal_dbm,
                ampdu,
                first_of_ampdu: ampdu && position == 0,
                last_of_ampdu: ampdu && position + 1 == exchange.frames.len(),
            };
            self.deliver_to_chips(heard, Some(chip), lane.frequency);
        }
        group || there
    }

    /// Until when a chip's channel is occupied.
    pub fn busy_until(&self, chip: usize) -> Instant {
        self.chip_lane(chip)
            .map_or(Instant::ZERO, |lane| lane.busy_until)
    }

    fn chip_lane(&self, chip: usize) -> Option<&Lane> {
        let frequency = self.chips[chip].tuned?.frequency_mhz();
        self.lanes.iter().find(|lane| lane.frequency == frequency)
    }

    /// How many more data frames a chip can take; whether that may change what happens next.
    pub fn set_receive_room(&mut self, chip: usize, frames: usize) -> bool {
        let chip = &mut self.chips[chip];
        let had_room = chip.room() > 0;
        chip.room = frames;
        (chip.room() > 0) != had_room
    }

    /// A block ack agreement; `window` 0 tears it down.
    pub fn set_block_ack(
        &mut self,
        chip: usize,
        peer: Address,
        tid: u8,
        from_station: bool,
        window: u8,
    ) {
        // The chip itself keeps those of which it is the originator.
        if from_station {
            return;
        }
        let agreements = &mut self.chips[chip].agreements;
        agreements.retain(|(theirs, other, _)| (*theirs, *other) != (peer, tid));
        if window != 0 {
            agreements.push((peer, tid, window));
        }
    }

    /// When something happens on a chip's channel. What was heard and not popped is no event.
    pub fn chip_event(&self, chip: usize) -> Option<Instant> {
        self.chip_lane(chip).and_then(|lane| self.lane_event(lane))
    }

    /// Lets everything happen that is due on a chip's channel.
    pub fn advance_chip(&mut self, chip: usize, now: Instant) {
        let Some(channel) = self.chips[chip].tuned else {
            return;
        };
        let lane = self.lane(channel.frequency_mhz());
        self.acting = Some(chip);
        self.advance_lane(lane, now);
        self.acting = None;
    }

    /// The next frame a chip heard.
    pub fn pop_heard(&mut self, chip: usize) -> Option<Heard> {
        self.chips[chip].heard.pop_front()
    }
}
