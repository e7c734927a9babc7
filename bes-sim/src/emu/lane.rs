//! One channel: what waits for the medium, what is on the air, and until when it is taken.

use super::hwsim::{rate_flag, Address, Rate, RATES};
use super::rates;
use bes_hal::time::Instant;
use bes_hal::Duration;
use mock_hal::air::airtime;
use mock_hal::air::{Band, Channel, PhyRate, Width};
use std::collections::VecDeque;

/// Most frames of one A-MPDU.
pub(in crate::emu) const AMPDU_FRAMES: usize = 32;
/// Most octets of one A-MPDU.
const AMPDU_OCTETS: usize = 32 * 1024;
/// Longest HT PPDU.
const LONGEST: Duration = Duration::from_micros(5_484);
/// How long a frame waits for a place in a chip's queue.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most attempts at a frame whose receiver is not there.
const MOST_TRIES: u32 = 7;

/// A frame of a radio that waits for the medium or is on the air.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Number of the radio.
    pub(super) radio: usize,
    pub(super) mpdu: Vec<u8>,
    pub(super) cookie: u64,
    pub(super) flags: u32,
    pub(super) rates: [Rate; RATES],
    pub(super) queued: Instant,
}

impl Waiting {
    fn address(&self, at: usize) -> Address {
        self.mpdu
            .get(at..at + 6)
            .and_then(|bytes| bytes.try_into().ok())
            .unwrap_or_default()
    }

    pub(super) fn receiver(&self) -> Address {
        self.address(4)
    }

    pub(super) fn transmitter(&self) -> Address {
        self.address(10)
    }

    fn control(&self) -> u8 {
        self.mpdu.first().copied().unwrap_or(0)
    }

    pub(super) fn is_data(&self) -> bool {
        self.control() & 0x0C == 0x08
    }

    /// Data with a QoS control field and a body.
    pub(super) fn is_qos(&self) -> bool {
        self.control() & 0xCC == 0x88
    }

    pub(super) fn tid(&self) -> u8 {
        let four_addresses = self.mpdu.get(1).is_some_and(|flags| flags & 3 == 3);
        let at = if four_addresses { 30 } else { 24 };
        self.mpdu.get(at).map_or(0, |octet| octet & 0x0F)
    }

    /// The rate that is tried first.
    pub(super) fn rate(&self, band: Band) -> PhyRate {
        rates::to_phy(band, self.rates[0]).unwrap_or(rates::lowest(band))
    }

    pub(super) fn is_protected_by_rts(&self) -> bool {
        self.rates[0].flags & rate_flag::RTS != 0
    }

    /// How often it is tried if nobody answers.
    pub(super) fn tries(&self) -> u32 {
        let tries = self
            .rates
            .iter()
            .take_while(|rate| rate.index >= 0)
            .map(|rate| u32::from(rate.tries))
            .sum::<u32>();
        tries.clamp(1, MOST_TRIES)
    }

    pub(super) fn expires(&self) -> Instant {
        self.queued.after(PATIENCE)
    }
}

/// What is on the air.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    /// When it is heard: the end of the PPDU.
    pub(super) at: Instant,
    pub(super) rate: PhyRate,
    /// Somebody will acknowledge.
    pub(super) there: bool,
    pub(super) ampdu: bool,
}

/// A channel.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Centre of the primary channel in MHz.
    pub(super) frequency: u16,
    pub(super) band: Band,
    /// Channel number; 0 if no chip could be tuned to it.
    pub(super) number: u8,
    pub(super) busy_until: Instant,
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) flight: Option<Flight>,
    /// The frames of the flight.
    pub(super) flying: Vec<Waiting>,
}

impl Lane {
    pub(super) fn new(frequency: u16) -> Self {
        let (band, number) = rates::channel_number(frequency).unwrap_or((
            if frequency < 3000 {
                Band::Ghz2_4
            } else {
                Band::Ghz5
            },
            0,
        ));
        Self {
            frequency,
            band,
            number,
            ..Self::default()
        }
    }

    /// The channel as a frame of this rate uses it.
    pub(super) fn channel(&self, rate: PhyRate) -> Channel {
        let width = match rate {
            PhyRate::Ht { width, .. } => width,
            _ => Width::Ht20,
        };
        Channel {
            band: self.band,
            number: self.number,
            width,
        }
    }

    /// Moves the frame at `first` and, up to `window`, those behind it that may share its A-MPDU to the flying ones.
    /// `best`: all of them go at `rate`, whatever was asked for.
    pub(super) fn gather(
        &mut self,
        first: usize,
        window: usize,
        rate: PhyRate,
        best: bool,
    ) -> &[Waiting] {
        self.flying.clear();
        let Some(head) = self.waiting.remove(first) else {
            return &self.flying;
        };
        let mut octets = airtime::ampdu_octets(std::iter::once(head.mpdu.len()));
        let identity = (head.radio, head.receiver(), head.tid());
        self.flying.push(head);
        let mut at = first;
        let most = window.min(AMPDU_FRAMES);
        while self.flying.len() < most && at < self.waiting.len() {
            let next = &self.waiting[at];
            let same = next.is_qos()
                && (next.radio, next.receiver(), next.tid()) == identity
                && (best || matches!(next.rate(self.band), PhyRate::Ht { .. }));
            if !same {
                at += 1;
                continue;
            }
            octets = octets.next_multiple_of(4)
                + airtime::ampdu_octets(std::iter::once(next.mpdu.len()));
            if octets > AMPDU_OCTETS || airtime::ppdu(self.band, rate, octets) > LONGEST {
                break;
            }
            // The frames behind keep their order; what is removed is near the front.
            if let Some(next) = self.waiting.remove(at) {
                self.flying.push(next);
            }
        }
        &self.flying
    }
}
