//! The radio of one chip: the lower MAC's seam to the medium that all chips of the process share.

use super::ether::Ether;
use bes_hal::time::Instant;
use mock_hal::air::{Channel, Exchange, Heard, Outcome};
use mock_hal::chip::lmac::Medium;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The medium, as threads share it.
pub type SharedEther = Arc<Mutex<Ether>>;

/// Locks the medium. It is held for one call or one batch, and nobody waits for anything else meanwhile.
pub fn lock(ether: &Mutex<Ether>) -> MutexGuard<'_, Ether> {
    ether.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The radio of one chip.
pub struct Radio {
    ether: SharedEther,
    chip: usize,
}

impl Radio {
    /// The radio of the chip with this number.
    pub fn new(ether: SharedEther, chip: usize) -> Self {
        Self { ether, chip }
    }
}

impl Medium for Radio {
    fn set_station_address(&mut self, address: [u8; 6]) {
        lock(&self.ether).set_station_address(self.chip, address);
    }

    fn tune(&mut self, channel: Option<Channel>, now: Instant) {
        let mut ether = lock(&self.ether);
        ether.advance_chip(self.chip, now);
        ether.tune(self.chip, channel);
    }

    fn exchange(&mut self, exchange: &Exchange<'_>, now: Instant) -> Outcome {
        lock(&self.ether).exchange(self.chip, exchange, now)
    }

    fn busy_until(&self) -> Instant {
        lock(&self.ether).busy_until(self.chip)
    }

    fn set_receive_room(&mut self, frames: usize) -> bool {
        lock(&self.ether).set_receive_room(self.chip, frames)
    }

    fn set_block_ack(&mut self, peer: [u8; 6], tid: u8, from_station: bool, window: u8) {
        lock(&self.ether).set_block_ack(self.chip, peer, tid, from_station, window);
    }

    fn next_event(&self) -> Option<Instant> {
        lock(&self.ether).chip_event(self.chip)
    }

    fn advance(&mut self, now: Instant) {
        lock(&self.ether).advance_chip(self.chip, now);
    }

    fn pop_heard(&mut self) -> Option<Heard> {
        lock(&self.ether).pop_heard(self.chip)
    }

    fn recycle(&mut self, buffer: Vec<u8>) {
        lock(&self.ether).recycle(buffer);
    }
}
