//! What the LMAC needs from the air: the seam at which tests put a script instead of a world.

use crate::air::{Air, Channel, Exchange, Heard, Outcome};
use bes_hal::time::Instant;

/// The radio's view of the air. [`Air`] is the one that programs use; its documentation says what each call means.
pub trait Medium: Send {
    /// The address whose frames the radio acknowledges.
    fn set_station_address(&mut self, address: [u8; 6]);
    /// Tunes the radio; `None` switches it off.
    fn tune(&mut self, channel: Option<Channel>, now: Instant);
    /// One attempt at one rate.
    fn exchange(&mut self, exchange: &Exchange<'_>, now: Instant) -> Outcome;
    /// Until when the medium is occupied.
    fn busy_until(&self) -> Instant;
    /// How many more data frames the chip can take. Whether that may change [`next_event`](Self::next_event).
    fn set_receive_room(&mut self, frames: usize) -> bool;
    /// A block ack agreement; `window` 0 tears it down.
    fn set_block_ack(&mut self, peer: [u8; 6], tid: u8, from_station: bool, window: u8);
    /// When something happens next.
    fn next_event(&self) -> Option<Instant>;
    /// Lets everything happen that is due.
    fn advance(&mut self, now: Instant);
    /// The next frame that was heard.
    fn pop_heard(&mut self) -> Option<Heard>;
    /// Frames that arrived with a wrong FCS since the start of the world.
    fn damaged(&self) -> u64 {
        0
    }
    /// Takes back the buffer of a frame that was heard, so that it is used again.
    fn recycle(&mut self, buffer: Vec<u8>) {
        drop(buffer);
    }
}

impl Medium for Air {
    fn set_station_address(&mut self, address: [u8; 6]) {
        Air::set_station_address(self, address);
    }

    fn tune(&mut self, channel: Option<Channel>, now: Instant) {
        Air::tune(self, channel, now);
    }

    fn exchange(&mut self, exchange: &Exchange<'_>, now: Instant) -> Outcome {
        Air::exchange(self, exchange, now)
    }

    fn busy_until(&self) -> Instant {
        Air::busy_until(self)
    }

    fn set_receive_room(&mut self, frames: usize) -> bool {
        let had_room = self.has_room();
        Air::set_receive_room(self, frames);
        self.has_room() != had_room
    }

    fn set_block_ack(&mut self, peer: [u8; 6], tid: u8, from_station: bool, window: u8) {
        Air::set_block_ack(self, peer, tid, from_station, window);
    }

    fn next_event(&self) -> Option<Instant> {
        Air::next_event(self)
    }

    fn advance(&mut self, now: Instant) {
        Air::advance(self, now);
    }

    fn pop_heard(&mut self) -> Option<Heard> {
        Air::pop_heard(self)
    }

    fn damaged(&self) -> u64 {
        self.counters().damaged
    }

    fn recycle(&mut self, buffer: Vec<u8>) {
        Air::recycle(self, buffer);
    }
}
