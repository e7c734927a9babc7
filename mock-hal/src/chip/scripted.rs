//! A firmware that says what a test tells it to say, for tests of everything around it.

use super::firmware::Firmware;
use bes_hal::time::Instant;
use std::any::Any;
use std::collections::VecDeque;

/// Records what it is told and sends what it is given.
#[derive(Debug, Default)]
pub struct ScriptedFirmware {
    /// Messages from the host, in order.
    pub requests: Vec<Vec<u8>>,
    /// Messages for the host that have not been taken yet.
    pub outbox: VecDeque<Vec<u8>>,
    /// What [`Firmware::start`] puts into the outbox.
    pub startup: Vec<Vec<u8>>,
    /// How often Wi-Fi was switched on.
    pub starts: usize,
    /// How often Wi-Fi was switched off.
    pub stops: usize,
    /// Every change of sleep, in order.
    pub sleeps: Vec<bool>,
    /// Messages to be sent at a time, in order of time.
    pub timed: VecDeque<(Instant, Vec<u8>)>,
    /// Answer each request with its own bytes.
    pub echo: bool,
}

impl ScriptedFirmware {
    /// Queues a message of `len` bytes with a proper header and the id of an event indication.
    pub fn send(&mut self, len: usize) {
        self.outbox.push_back(Self::message(len));
    }

    /// A message of `len` bytes with a proper header and the id of an event indication.
    pub fn message(len: usize) -> Vec<u8> {
        let mut bytes = vec![0x77; len];
        let header = (len as u16).to_le_bytes();
        for (to, from) in bytes.iter_mut().zip([header[0], header[1], 0x05, 0x08]) {
            *to = from;
        }
        bytes
    }
}

impl Firmware for ScriptedFirmware {
    fn start(&mut self, _now: Instant) {
        self.starts += 1;
        self.outbox.extend(self.startup.iter().cloned());
    }

    fn stop(&mut self, _now: Instant) {
        self.stops += 1;
        self.outbox.clear();
        self.timed.clear();
    }

    fn request(&mut self, message: &[u8], _now: Instant) {
        self.requests.push(message.to_vec());
        if self.echo {
            self.outbox.push_back(message.to_vec());
        }
    }

    fn next_message(&mut self) -> Option<Vec<u8>> {
        self.outbox.pop_front()
    }

    fn pending(&self) -> usize {
        self.outbox.len()
    }

    fn next_event(&self) -> Option<Instant> {
        self.timed.front().map(|(at, _)| *at)
    }

    fn advance(&mut self, now: Instant) {
        while self.timed.front().is_some_and(|(at, _)| at.is_due(now)) {
            let Some((_, message)) = self.timed.pop_front() else {
                break;
            };
            self.outbox.push_back(message);
        }
    }

    fn sleep(&mut self, asleep: bool, _now: Instant) {
        self.sleeps.push(asleep);
    }

    fn violations(&self) -> &[String] {
        &[]
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
