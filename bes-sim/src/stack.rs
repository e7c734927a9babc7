//! The stack above the driver: owns the station, counts what arrives, and keeps frames to be used again.

use crate::frame::SimFrame;
use crate::latency::Latency;
use crate::station::{Mark, Station};
use bes_hal::frame::RxBuffer;
use bes_hal::memory::Heap;
use bes_hal::stack::{RxPart, Stack};
use bes_hal::Instant;
use bes_mac80211::event::{Event, LossReason};
use bes_mac80211::rx::RxStatus;
use bes_mac80211::tx::TxStatus;
use bes_mac80211::types::AccessCategory;
use mock_hal::air::traffic::{Meter, Stamp};
use mock_hal::BurstVec;
use std::collections::VecDeque;

/// A received frame that was kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The frame.
    pub frame: Vec<u8>,
    /// How it was received.
    pub status: RxStatus,
}

/// Counters of the stack.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Frames received, of any kind.
    pub rx_frames: u64,
    /// 802.11 bytes of received data frames.
    pub rx_data_bytes: u64,
    /// Received data frames.
    pub rx_data_frames: u64,
    /// Hand-overs.
    pub deliveries: u64,
    /// Frames given to the driver.
    pub tx_given: u64,
    /// Frames back, acknowledged.
    pub tx_acked: u64,
    /// 802.11 bytes of them.
    pub tx_acked_bytes: u64,
    /// Frames back, not acknowledged.
    pub tx_failed: u64,
}

/// The stack.
pub struct SimStack {
    /// The station.
    pub station: Station,
    /// Counters.
    pub counters: Counters,
    /// Meter of generated downlink traffic.
    pub meter: Meter,
    /// Received frames, while they are kept.
    pub kept: Option<Vec<Kept>>,
    /// How long frames take, while it is measured.
    pub latency: Option<Latency>,
    /// Events that the program looks at.
    pub events: VecDeque<Event>,
    /// Queues that the driver stopped.
    pub stopped: [bool; 4],
    /// The driver runs again and knows nothing: interface and connection have to be made anew.
    pub restart: bool,
    /// Marks of frames under way, by their address in memory order of sending.
    marks: VecDeque<(Vec<u8>, Mark)>,
    spare: Vec<SimFrame>,
    now: Instant,
}

impl SimStack {
    /// A stack with its station.
    pub fn new(station: Station) -> Self {
        Self {
            station,
            counters: Counters::default(),
            meter: Meter::default(),
            kept: None,
            latency: None,
            events: VecDeque::new(),
            stopped: [false; 4],
            restart: false,
            marks: VecDeque::new(),
            spare: Vec::new(),
            now: Instant::ZERO,
        }
    }

    /// Tells the stack what time it is; statuses and frames that follow happen then.
    pub fn set_now(&mut self, now: Instant) {
        self.now = now;
    }

    /// A frame with `content`, in memory that may have served before.
    pub fn frame(&mut self, content: &[u8]) -> SimFrame {
        SimFrame::reuse(self.spare.pop().unwrap_or_default(), content)
    }

    /// Remembers a frame whose end matters to the station.
    pub fn mark(&mut self, frame: &[u8], mark: Mark) {
        self.marks.push_back((frame.to_vec(), mark));
    }

    /// Whether the driver takes more frames of a category.
    pub fn is_open(&self, category: AccessCategory) -> bool {
        !self.stopped[category.index()]
    }

    /// Takes the memory of a frame back.
    pub fn recycle(&mut self, frame: SimFrame) {
        if self.spare.len() < 256 {
            self.spare.push(frame);
        }
    }
}

impl Stack for SimStack {
    type Frame = SimFrame;
    type Buffer = BurstVec;
    type Memory = Heap;
    type RxStatus = RxStatus;
    type TxStatus = TxStatus;
    type Event = Event;

    fn deliver(&mut self, buffer: BurstVec, frames: &[RxPart<RxStatus>]) {
        self.counters.deliveries += 1;
        for part in frames {
            let frame = part.span.of(buffer.bytes());
            self.counters.rx_frames += 1;
            if let Some(kept) = &mut self.kept {
                kept.push(Kept {
                    frame: frame.to_vec(),
                    status: part.status,
                });
            }
            let is_data = frame.first().is_some_and(|control| control & 0x0C == 0x08);
            if is_data {
                self.counters.rx_data_frames += 1;
                self.counters.rx_data_bytes += frame.len() as u64;
                // Where a generated packet starts: header, QoS control, LLC/SNAP.
                let header = if frame[0] & 0x80 != 0 { 34 } else { 32 };
                if let Some(packet) = frame.get(header..) {
                    if Stamp::of_packet(packet).is_some() {
                        self.meter.count(packet, self.now);
                        continue;
                    }
                }
            }
            let signal = part.status.signal.map(|signal| signal.0);
            let channel = part.status.channel.number();
            self.station.handle(
                frame,
                signal,
                channel,
                part.status.protection.iv_stripped,
                self.now,
            );
        }
    }

    fn tx_status(&mut self, frame: SimFrame, status: TxStatus) {
        use bes_hal::frame::TxFrame;
        if status.is_acked() {
            self.counters.tx_acked += 1;
            self.counters.tx_acked_bytes += frame.bytes().len() as u64;
            if let Some(latency) = &mut self.latency {
                latency.note(frame.given());
            }
        } else {
            self.counters.tx_failed += 1;
        }
        if !self.marks.is_empty() {
            if let Some(at) = self
                .marks
                .iter()
                .position(|(marked, _)| marked == frame.bytes())
            {
                if let Some((_, mark)) = self.marks.remove(at) {
                    self.station.handle_sent(mark, status.is_acked(), self.now);
                }
            }
        }
        self.recycle(frame);
    }

    fn notify(&mut self, event: Event) {
        match event {
            Event::QueueStop {
                access_category, ..
            } => self.stopped[access_category.index()] = true,
            Event::QueueWake {
                access_category, ..
            } => self.stopped[access_category.index()] = false,
            // The driver's own doing, and no reason to stay away.
            Event::ConnectionLost {
                reason: LossReason::Reset,
                ..
            } => {
                self.station.handle_restart();
                self.station.reconnect(self.now);
                self.events.push_back(event);
            }
            Event::ChipRestarted => {
                self.station.handle_restart();
                self.stopped = [false; 4];
                self.restart = true;
                self.events.push_back(event);
            }
            Event::ConnectionLost { .. } => {
                self.station.handle_loss();
                self.events.push_back(event);
            }
            _ => self.events.push_back(event),
        }
    }

    fn allocate(&mut self, content: &[u8]) -> Option<SimFrame> {
        Some(self.frame(content))
    }
}
