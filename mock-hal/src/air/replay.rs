//! A transmitter that sends recorded or invented frames as they are, and a recorder for what the station sends to
//! addresses that belong to nobody else.

use super::{Address, PhyRate};
use bes_hal::time::Instant;
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

/// A frame to be put on the air as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    /// The MPDU without FCS; any bytes.
    pub frame: Vec<u8>,
    /// When it is sent, or later if the medium is busy then.
    pub at: Instant,
    /// Channel number.
    pub channel: u8,
    /// Its rate.
    pub rate: PhyRate,
    /// Its signal in dBm.
    pub signal_dbm: i8,
    /// It is marked as part of an A-MPDU.
    pub ampdu: bool,
}

impl Injection {
    /// A frame at a basic rate with a strong signal.
    pub fn new(frame: Vec<u8>, channel: u8, at: Instant) -> Self {
        Self {
            frame,
            at,
            channel,
            rate: PhyRate::Ofdm(6),
            signal_dbm: -40,
            ampdu: false,
        }
    }
}

/// A frame that the station sent to a recorded address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The MPDU without FCS.
    pub frame: Vec<u8>,
    /// When its exchange ended.
    pub at: Instant,
    /// Its rate.
    pub rate: PhyRate,
    /// It was part of an A-MPDU.
    pub ampdu: bool,
}

#[derive(Debug)]
struct Queued {
    injection: Injection,
    /// Keeps frames of one time in the order in which they were given.
    number: u64,
}

impl Queued {
    fn key(&self) -> (Instant, u64) {
        (self.injection.at, self.number)
    }
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// Frames to be injected, and frames that were recorded.
#[derive(Debug, Default)]
pub(super) struct Replay {
    queue: BinaryHeap<Reverse<Queued>>,
    number: u64,
    recorded_addresses: Vec<Address>,
    recorded: VecDeque<Recorded>,
}

impl Replay {
    pub(super) fn inject(&mut self, injection: Injection) {
        self.number += 1;
        self.queue.push(Reverse(Queued {
            injection,
            number: self.number,
        }));
    }

    /// Time and channel of the next injection.
    pub(super) fn next(&self) -> Option<(Instant, u8)> {
        self.queue
            .peek()
            .map(|Reverse(queued)| (queued.injection.at, queued.injection.channel))
    }

    pub(super) fn pop(&mut self) -> Option<Injection> {
        self.queue.pop().map(|Reverse(queued)| queued.injection)
    }

    pub(super) fn record_address(&mut self, address: Address) {
        if !self.records(address) {
            self.recorded_addresses.push(address);
        }
    }

    pub(super) fn records(&self, address: Address) -> bool {
        self.recorded_addresses.contains(&address)
    }

    pub(super) fn is_recording(&self) -> bool {
        !self.recorded_addresses.is_empty()
    }

    pub(super) fn record(&mut self, recorded: Recorded) {
        self.recorded.push_back(recorded);
    }

    pub(super) fn pop_recorded(&mut self) -> Option<Recorded> {
        self.recorded.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn injections_come_in_order_of_time_and_then_as_given() {
        let mut replay = Replay::default();
        for (byte, millis) in [(1, 5), (2, 3), (3, 5), (4, 3)] {
            replay.inject(Injection::new(vec![byte], 6, Instant::from_millis(millis)));
        }
        assert_eq!(replay.next(), Some((Instant::from_millis(3), 6)));
        let order: Vec<u8> = core::iter::from_fn(|| replay.pop().map(|one| one.frame[0])).collect();
        assert_eq!(order, [2, 4, 1, 3]);
    }
}
