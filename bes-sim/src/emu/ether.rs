//! The medium: who is on which channel, who hears what, what is acknowledged, and how long it takes.
//!
//! ```text
//!   hwsim radios ── handle() ──► lane of the channel ── advance() ──► chips: pop_heard()
//!        ▲                                                    └─────► other radios, fates: outgoing()
//!        └────────── outgoing() ◄── exchange() ── chips
//! ```
//!
//! It has no clock, no thread and no socket. One channel is one lane: frames of radios wait in it until the medium
//! is free, fly, and land; then they are heard and their sender is told. What a chip sends is acknowledged at once and
//! takes its airtime.
//!
//! A unicast frame is acknowledged if and only if its receiver's address belongs to a chip tuned to the channel or to a
//! radio that was last heard on it. The kernel says when it refuses a frame for a radio that is elsewhere; then the
//! radio is nowhere until it is heard again.

mod chips;
mod delivery;

use super::ht::Announced;
use super::hwsim::{self, Address, Event, Frame};
use super::lane::{Flight, Lane, Waiting};
use super::netlink::Writer;
use bes_hal::time::{earliest, Instant};
use bes_hal::Duration;
use mock_hal::air::airtime::{self, Response};
use mock_hal::air::capture::Capture;
use mock_hal::air::{Channel, Heard, PhyRate, Width};
use serde::Serialize;
use std::collections::VecDeque;

/// Addresses that are remembered per radio: interfaces, and the ones it uses for scans.
const ADDRESSES: usize = 16;
/// Buffers that wait to be used again.
const POOLED: usize = 1024;
/// After how long a chip that is tuned to a channel does not look after it.
const OVERDUE: Duration = Duration::from_millis(50);

/// Settings of the medium.
#[derive(Clone, Copy, Debug)]
pub struct EtherConfig {
    /// Number of the netlink family.
    pub family: u16,
    /// Whether frames take airtime.
    pub limited: bool,
    /// Signal at which everybody hears everybody, in dBm.
    pub signal_dbm: i8,
    /// Whether HT data of radios goes at the best rate of both ends instead of the one the kernel asked for, see
    /// [`ht`](super::ht).
    pub best_rates: bool,
}

/// What the medium counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EtherCounters {
    /// Frames the radios sent.
    pub from_radios: u64,
    /// Of these: acknowledged.
    pub from_radios_acked: u64,
    /// Of these: for one receiver, who was not there.
    pub from_radios_failed: u64,
    /// Frames handed to radios, one per radio that may hear them.
    pub to_radios: u64,
    /// Attempts of chips.
    pub chip_exchanges: u64,
    /// Frames in these attempts.
    pub from_chips: u64,
    /// Of these: acknowledged.
    pub from_chips_acked: u64,
    /// Of these: for one receiver, who was not there.
    pub from_chips_failed: u64,
    /// Frames chips heard.
    pub to_chips: u64,
    /// Flights of radios' frames.
    pub flights: u64,
    /// Of these: more than one frame.
    pub aggregates: u64,
    /// Frames of radios that waited for a place in a chip's queue until they were too old.
    pub outdated: u64,
    /// Frames no radio could take: too long.
    pub undeliverable: u64,
    /// Frames and fates the kernel refused: the radio was on another channel, or gone.
    pub refused: u64,
    /// Frames the kernel could not hand to the medium because its queue was full.
    pub overruns: u64,
}

/// A radio of `mac80211_hwsim`.
#[derive(Clone, Debug)]
struct Radio {
    /// Hardware address.
    address: Address,
    /// Number, if it is known.
    id: Option<u32>,
    /// Addresses of its interfaces.
    addresses: Vec<Address>,
    /// Where it was last heard.
    frequency: Option<u16>,
    present: bool,
}

/// A chip's radio.
#[derive(Debug, Default)]
struct ChipRadio {
    address: Option<Address>,
    tuned: Option<Channel>,
    heard: VecDeque<Heard>,
    room: usize,
    /// Block ack agreements with the peer as originator: peer, traffic identifier, window.
    agreements: Vec<(Address, u8, u8)>,
    dirty: bool,
    /// Frames it sent, each attempt counted, and frames it heard.
    frames: (u64, u64),
}

impl ChipRadio {
    fn is_on(&self, frequency: u16) -> bool {
        self.tuned
            .is_some_and(|channel| channel.frequency_mhz() == frequency)
    }

    /// Whether it receives this kind of frame on what it is tuned to.
    fn receives(&self, rate: PhyRate) -> bool {
        match rate {
            PhyRate::Ht {
                width: Width::Ht40, ..
            } => self
                .tuned
                .is_some_and(|channel| channel.width == Width::Ht40),
            _ => true,
        }
    }

    fn room(&self) -> usize {
        self.room.saturating_sub(self.heard.len())
    }
}

/// The medium. See the [module](self).
pub struct Ether {
    config: EtherConfig,
    radios: Vec<Radio>,
    chips: Vec<ChipRadio>,
    lanes: Vec<Lane>,
    out: Writer,
    pool: Vec<Vec<u8>>,
    capture: Option<Capture>,
    counters: EtherCounters,
    announced: Announced,
    /// The chip that is calling: what it hears meanwhile is no news to it.
    acting: Option<usize>,
}

impl Ether {
    /// A medium with so many chips, whose radios are off.
    pub fn new(config: EtherConfig, chips: usize) -> Self {
        let chip = || ChipRadio {
            room: 64,
            ..ChipRadio::default()
        };
        Self {
            config,
            radios: Vec::new(),
            chips: (0..chips).map(|_| chip()).collect(),
            lanes: Vec::new(),
            out: Writer::default(),
            pool: Vec::new(),
            capture: None,
            counters: EtherCounters::default(),
            announced: Announced::default(),
            acting: None,
        }
    }

    /// Writes every frame to a capture from now on, or ends the capture.
    pub fn set_capture(&mut self, capture: Option<Capture>) {
        self.capture = capture;
    }

    /// What was counted.
    pub fn counters(&self) -> EtherCounters {
        self.counters
    }

    /// Frames a chip sent, each attempt counted, and frames it heard.
    pub fn frames(&self, chip: usize) -> (u64, u64) {
        self.chips[chip].frames
    }

    /// How many radios are there.
    pub fn radios(&self) -> usize {
        self.radios.iter().filter(|radio| radio.present).count()
    }

    /// Messages for the kernel, to be sent and [cleared](Writer::clear).
    pub fn outgoing(&mut self) -> &mut Writer {
        &mut self.out
    }

    /// The kernel dropped frames on the way to the medium.
    pub fn note_overrun(&mut self) {
        self.counters.overruns += 1;
    }

    /// A chip whose next event may have changed without its doing. Every chip is named once per change.
    pub fn take_dirty(&mut self) -> Option<usize> {
        let dirty = self.chips.iter().position(|chip| chip.dirty)?;
        self.chips[dirty].dirty = false;
        Some(dirty)
    }

    /// Takes what the kernel said.
    pub fn handle(&mut self, event: &Event<'_>, now: Instant) {
        match *event {
            Event::Frame(frame) => self.handle_frame(&frame, now),
            Event::AddressAdded { radio, address } => {
                let radio = self.radio(radio);
                self.learn(radio, address);
            }
            Event::AddressRemoved { radio, address } => {
                let radio = self.radio(radio);
                self.radios[radio]
                    .addresses
                    .retain(|known| *known != address);
            }
            Event::Radio { id } => {
                // Its number is all that is told; a radio that was made with an address of its own is found when it
                // is first heard.
                let known = self
                    .radios
                    .iter()
                    .any(|radio| radio.id == Some(id) && radio.present);
                if !known {
                    let radio = self.radio(hwsim::default_address(id));
                    self.radios[radio].id = Some(id);
                }
            }
            Event::RadioGone { id } => {
                for radio in &mut self.radios {
                    if radio.id == Some(id) {
                        radio.present = false;
                        radio.addresses.clear();
                        radio.frequency = None;
                    }
                }
            }
            Event::Answer { sequence, code } => self.handle_answer(sequence, code),
        }
    }

    fn handle_answer(&mut self, sequence: u32, code: i32) {
        if code == 0 {
            return;
        }
        self.counters.refused += 1;
        // A radio that listens elsewhere refuses what it is offered, and that says nothing about where it listens.
        for (index, radio) in self.radios.iter_mut().enumerate() {
            if radio
                .frequency
                .is_some_and(|frequency| delivery::sequence_of(index, frequency) == sequence)
            {
                radio.frequency = None;
            }
        }
    }

    /// The radio with this hardware address, which is new if it was not known.
    fn radio(&mut self, address: Address) -> usize {
        let known = self
            .radios
            .iter()
            .position(|radio| radio.address == address);
        let index = known.unwrap_or_else(|| {
            let free = self.radios.iter().position(|radio| !radio.present);
            let radio = Radio {
                address,
                id: None,
                addresses: Vec::with_capacity(ADDRESSES),
                frequency: None,
                present: true,
            };
            match free {
                Some(index) => {
                    self.radios[index] = radio;
                    index
                }
                None => {
                    self.radios.push(radio);
                    self.radios.len() - 1
                }
            }
        });
        self.radios[index].present = true;
        index
    }

    /// An address belongs to a radio from now on, and to no other.
    fn learn(&mut self, owner: usize, address: Address) {
        if address[0] & 1 != 0 || self.radios[owner].addresses.contains(&address) {
            return;
        }
        for radio in &mut self.radios {
            radio.addresses.retain(|known| *known != address);
        }
        let addresses = &mut self.radios[owner].addresses;
        if addresses.len() == ADDRESSES {
            addresses.remove(0);
        }
        addresses.push(address);
    }

    fn handle_frame(&mut self, frame: &Frame<'_>, now: Instant) {
        self.counters.from_radios += 1;
        let radio = self.radio(frame.radio);
        self.radios[radio].frequency = Some(frame.frequency);
        if let Some(transmitter) = address_at(frame.mpdu, 10) {
            self.learn(radio, transmitter);
        }
        self.announced.look(frame.mpdu);
        let lane = self.lane(frame.frequency);
        let mut memory = self.memory();
        memory.extend_from_slice(frame.mpdu);
        self.lanes[lane].waiting.push_back(Waiting {
            radio,
            mpdu: memory,
            cookie: frame.cookie,
            flags: frame.flags,
            rates: frame.rates,
            queued: now,
        });
        for chip in &mut self.chips {
            chip.dirty |= chip.is_on(frame.frequency);
        }
    }

    fn memory(&mut self) -> Vec<u8> {
        let mut memory = self
            .pool
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(hwsim::MAX_FRAME));
        memory.clear();
        memory
    }

    /// Takes back the memory of a frame.
    pub fn recycle(&mut self, memory: Vec<u8>) {
        if self.pool.len() < POOLED {
            self.pool.push(memory);
        }
    }

    fn lane(&mut self, frequency: u16) -> usize {
        let known = self
            .lanes
            .iter()
            .position(|lane| lane.frequency == frequency);
        known.unwrap_or_else(|| {
            self.lanes.push(Lane::new(frequency));
            self.lanes.len() - 1
        })
    }

    /// When something happens on a channel after which no chip looks. A chip looks after the channel it is tuned to;
    /// if its firmware is dead, that shows by what is overdue.
    fn orphan_event_of(&self, lane: &Lane) -> Option<Instant> {
        let watched = self.chips.iter().any(|chip| chip.is_on(lane.frequency));
        let grace = if watched { OVERDUE } else { Duration::ZERO };
        self.lane_event(lane).map(|at| at.after(grace))
    }

    /// When something happens on a channel after which no chip looks.
    pub fn orphan_event(&self) -> Option<Instant> {
        self.lanes.iter().fold(None, |next, lane| {
            earliest(next, self.orphan_event_of(lane))
        })
    }

    /// Lets everything happen that is due on channels after which no chip looks.
    pub fn advance_orphans(&mut self, now: Instant) {
        for lane in 0..self.lanes.len() {
            let orphaned = self.orphan_event_of(&self.lanes[lane]);
            if orphaned.is_some_and(|at| at.is_due(now)) {
                self.advance_lane(lane, now);
            }
        }
    }

    fn lane_event(&self, lane: &Lane) -> Option<Instant> {
        if let Some(flight) = &lane.flight {
            return Some(flight.at);
        }
        let mut next = None;
        for waiting in &lane.waiting {
            if self.can_start(lane, waiting) {
                return earliest(next, Some(waiting.queued.max(lane.busy_until)));
            }
            next = earliest(next, Some(waiting.expires()));
        }
        next
    }

    /// Whether a frame need not wait for a place in its receiver's queue.
    fn can_start(&self, lane: &Lane, waiting: &Waiting) -> bool {
        if !waiting.is_data() {
            return true;
        }
        let receiver = waiting.receiver();
        !self.chips.iter().any(|chip| {
            chip.address == Some(receiver) && chip.is_on(lane.frequency) && chip.room() == 0
        })
    }

    fn advance_lane(&mut self, index: usize, now: Instant) {
        // Taken out meanwhile, so that the rest can be used; it owns its queues and nothing is copied.
        let mut lane = std::mem::take(&mut self.lanes[index]);
        loop {
            self.land_if_due(&mut lane, now);
            if lane.flight.is_some() {
                break;
            }
            match self.lane_event(&lane) {
                Some(at) if at <= now => self.take_off(&mut lane, at, now),
                _ => break,
            }
        }
        self.lanes[index] = lane;
    }

    /// The next frames leave; or one that has waited for too long is given up.
    fn take_off(&mut self, lane: &mut Lane, start: Instant, now: Instant) {
        let Some(first) =
            (0..lane.waiting.len()).find(|at| self.can_start(lane, &lane.waiting[*at]))
        else {
            self.give_up(lane, now);
            return;
        };
        let head = &lane.waiting[first];
        let receiver = head.receiver();
        let (rate, best) = self.rate(head, lane);
        let group = receiver[0] & 1 != 0;
        let there = !group && self.acknowledges(receiver, lane.frequency, rate);
        let window = if there && head.is_qos() && matches!(rate, PhyRate::Ht { .. }) {
            self.window(head.transmitter(), receiver, head.tid())
        } else {
            1
        };
        let flight = lane.gather(first, window, rate, best);
        let frames = flight.len();
        self.counters.flights += 1;
        self.counters.aggregates += u64::from(frames > 1);
        let response = match (group, frames) {
            (true, _) => Response::None,
            (false, 1) => Response::Ack,
            (false, _) => Response::BlockAck,
        };
        let (mut at, mut end) = (start, start);
        if self.config.limited {
            let octets = octets(flight.iter().map(|frame| frame.mpdu.len()));
            let tries = if group || there { 1 } else { flight[0].tries() };
            let rts = flight[0].is_protected_by_rts();
            for _ in 0..tries {
                end = end.after(airtime::exchange(lane.band, rate, octets, rts, response));
            }
            let answer = airtime::response(lane.band, rate, response);
            at = Instant::from_nanos(
                end.as_nanos()
                    .saturating_sub(u64::try_from(answer.as_nanos()).unwrap_or(0)),
            );
        }
        lane.busy_until = lane.busy_until.max(end);
        lane.flight = Some(Flight {
            at,
            rate,
            there,
            ampdu: frames > 1,
        });
        self.land_if_due(lane, now);
    }

    /// The rate of a frame, and whether it is the best between its ends. Only HT stations announce anything, so data
    /// between two of them goes at an HT rate whatever the kernel has tried so far.
    fn rate(&self, frame: &Waiting, lane: &Lane) -> (PhyRate, bool) {
        let best = Some(frame)
            .filter(|frame| self.config.best_rates && frame.is_qos())
            .and_then(|frame| self.announced.best(frame.transmitter(), frame.receiver()));
        best.map_or((frame.rate(lane.band), false), |best| (best, true))
    }

    /// Frames that waited too long for a place in a chip's queue fail.
    fn give_up(&mut self, lane: &mut Lane, now: Instant) {
        let mut at = 0;
        while at < lane.waiting.len() {
            if !lane.waiting[at].expires().is_due(now) {
                at += 1;
                continue;
            }
            if let Some(frame) = lane.waiting.remove(at) {
                self.counters.outdated += 1;
                self.counters.from_radios_failed += 1;
                self.tell(&frame, false);
                self.recycle(frame.mpdu);
            }
        }
    }

    fn land_if_due(&mut self, lane: &mut Lane, now: Instant) {
        let Some(flight) = lane.flight.filter(|flight| flight.at <= now) else {
            return;
        };
        lane.flight = None;
        let last = lane.flying.len().saturating_sub(1);
        let mut flying = std::mem::take(&mut lane.flying);
        for (position, frame) in flying.drain(..).enumerate() {
            // Whoever has left meanwhile does not acknowledge.
            let acked =
                flight.there && self.acknowledges(frame.receiver(), lane.frequency, flight.rate);
            if frame.receiver()[0] & 1 == 0 {
                self.counters.from_radios_acked += u64::from(acked);
                self.counters.from_radios_failed += u64::from(!acked);
            }
            let channel = lane.channel(flight.rate);
            if let Some(capture) = &mut self.capture {
                capture.write(
                    &frame.mpdu,
                    flight.at,
                    channel,
                    flight.rate,
                    self.config.signal_dbm,
                );
            }
            self.deliver_to_radios(&frame.mpdu, Some(frame.radio), lane, flight.rate);
            self.tell(&frame, acked);
            let heard = Heard {
                frame: frame.mpdu,
                at: flight.at,
                channel: lane.number,
                rate: flight.rate,
                signal_dbm: self.config.signal_dbm,
                ampdu: flight.ampdu,
                first_of_ampdu: flight.ampdu && position == 0,
                last_of_ampdu: flight.ampdu && position == last,
            };
            self.deliver_to_chips(heard, None, lane.frequency);
        }
        lane.flying = flying;
    }
}

fn address_at(mpdu: &[u8], at: usize) -> Option<Address> {
    mpdu.get(at..at + 6)?.try_into().ok()
}

fn octets(lengths: impl ExactSizeIterator<Item = usize>) -> usize {
    if lengths.len() == 1 {
        lengths.sum::<usize>() + airtime::FCS
    } else {
        airtime::ampdu_octets(lengths)
    }
}
