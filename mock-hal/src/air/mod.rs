//! The air around the emulated radio: one medium per channel, the access points and other stations on it, and the
//! signal between them and the station under test.
//!
//! The air knows IEEE 802.11 and nothing of the chip's messages. It has no clock: `now` goes in,
//! [`Air::next_event`] says when something happens next, and what the station's radio hears comes out of
//! [`Air::pop_heard`] in order of time.
//!
//! ```text
//!   LMAC ── exchange(frames, rate) ──►  medium ──►  access point ──► endpoint
//!        ◄── Outcome (airtime, acks)      │              │
//!        ◄── pop_heard() ─────────────────┴── beacons, answers, buffered and generated traffic
//! ```
//!
//! A world in a few lines:
//!
//! ```
//! use bes_hal::time::Instant;
//! use mock_hal::air::{Air, ApConfig, Channel, Flow};
//!
//! let mut air = Air::new(7);
//! let home = air.add_access_point(ApConfig::wpa2("home", Channel::ht40(36), "correct horse"));
//! air.set_loss(0.01);
//! // As soon as this station is connected, packets come as fast as it can take them.
//! let station = [0x02, 0, 0, 0, 0, 1];
//! air.access_point_mut(home).start_flow(station, Flow::default(), Instant::ZERO);
//! assert_eq!(air.access_point(home).counters().sent_acked, 0);
//! ```

pub mod access_point;
mod agreements;
pub mod air_counters;
pub mod airtime;
pub mod ap_config;
pub mod ap_counters;
pub mod authenticator;
mod beacon;
pub mod block_ack;
pub mod capture;
pub mod ccmp;
pub mod channel_switch;
pub mod cipher;
pub mod client;
mod downlink;
pub mod elements;
pub mod endpoint;
mod fill;
pub mod frame;
pub mod hostile;
mod keys;
pub mod loss;
mod management;
pub mod medium;
pub mod noise;
pub mod power_save;
mod radio;
pub mod replay;
pub mod shared;
pub mod station;
mod storm;
pub mod supplicant;
pub mod traffic;
mod uplink;
pub mod wpa;

pub use access_point::AccessPoint;
pub use air_counters::AirCounters;
pub use ap_config::{ApConfig, BssLoad, Security};
pub use ap_counters::{ApCounters, StationView};
pub use channel_switch::ChannelSwitch;
pub use cipher::Cipher;
pub use client::{Client, ClientConfig, ClientCounters, ClientState};
pub use elements::Country;
pub use endpoint::{Downlink, Endpoint, OwnedMsdu};
pub use frame::Msdu;
pub use medium::{Air, AirConfig, ApId, ClientId};
pub use noise::Noise;
pub use replay::{Injection, Recorded};
pub use shared::{Radio, SharedAir};
pub use station::StationState;
pub use traffic::{Flow, FlowCounters, Meter, Pace, Stamp};

use bes_hal::time::Instant;
use core::time::Duration;

/// A MAC address.
pub type Address = [u8; 6];

/// The address of everybody.
pub const BROADCAST: Address = [0xFF; 6];

/// A frequency band.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Band {
    /// 2.4 GHz: CCK, OFDM and HT rates; SIFS 10 µs.
    #[default]
    Ghz2_4,
    /// 5 GHz: OFDM and HT rates; SIFS 16 µs.
    Ghz5,
}

/// The width of a channel or of a PPDU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Width {
    /// 20 MHz.
    #[default]
    Ht20,
    /// 40 MHz.
    Ht40,
}

/// A channel, by the number of its primary 20 MHz.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Channel {
    /// Band.
    pub band: Band,
    /// Channel number, 1 to 14 or 34 to 165.
    pub number: u8,
    /// Widest PPDU that is received on it.
    pub width: Width,
}

impl Channel {
    /// The 20 MHz channel with this number; the band follows from the number.
    pub const fn ht20(number: u8) -> Self {
        Self::new(number, Width::Ht20)
    }

    /// The 40 MHz channel whose primary channel has this number.
    pub const fn ht40(number: u8) -> Self {
        Self::new(number, Width::Ht40)
    }

    /// The channel with this number and width; the band follows from the number.
    pub const fn new(number: u8, width: Width) -> Self {
        Self {
            band: if number > 14 {
                Band::Ghz5
            } else {
                Band::Ghz2_4
            },
            number,
            width,
        }
    }

    /// Centre frequency of the primary 20 MHz, in MHz.
    pub const fn frequency_mhz(self) -> u16 {
        match self.band {
            Band::Ghz2_4 if self.number == 14 => 2484,
            Band::Ghz2_4 => 2407 + 5 * self.number as u16,
            Band::Ghz5 => 5000 + 5 * self.number as u16,
        }
    }
}

/// A rate as the air knows it, independent of the chip's numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PhyRate {
    /// DSSS or CCK, in units of 500 kbit/s: 2, 4, 11 or 22.
    Cck(u8),
    /// OFDM, in Mbit/s: 6, 9, 12, 18, 24, 36, 48 or 54.
    Ofdm(u8),
    /// HT, one spatial stream.
    Ht {
        /// Modulation and coding scheme, 0 to 7.
        mcs: u8,
        /// Width of the PPDU.
        width: Width,
        /// Guard interval of 400 ns instead of 800 ns.
        short_gi: bool,
    },
}

impl PhyRate {
    /// The rate in units of 100 kbit/s, as data sheets give it (MCS 7, 40 MHz, short guard interval: 1500).
    pub fn units_100k(self) -> u32 {
        match self {
            Self::Cck(units) => u32::from(units) * 5,
            Self::Ofdm(mbits) => u32::from(mbits) * 10,
            Self::Ht { short_gi, .. } => {
                // Data bits per symbol; a symbol lasts 4 µs, or 3.6 µs with the short guard interval.
                let bits = airtime::data_bits_per_symbol(self);
                if short_gi {
                    bits * 100 / 36
                } else {
                    bits * 10 / 4
                }
            }
        }
    }
}

/// One attempt of the station to send, at one rate.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// MPDUs without FCS, at most 64. More than one are one A-MPDU.
    pub frames: &'a [&'a [u8]],
    /// Rate of all of them.
    pub rate: PhyRate,
    /// Whether an RTS and a CTS go first.
    pub rts: bool,
}

/// What became of an [`Exchange`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How long it took: waiting for the medium if it was busy, backoff, PPDU, SIFS, acknowledgement or its timeout.
    /// Zero when the air is unlimited.
    pub airtime: Duration,
    /// Bit n: frame n arrived and its acknowledgement came back. For group frames: it was sent.
    pub acked: u64,
}

/// A frame that the station's radio heard, whoever it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The MPDU without FCS.
    pub frame: Vec<u8>,
    /// End of the PPDU.
    pub at: Instant,
    /// Channel number it was heard on.
    pub channel: u8,
    /// Its rate.
    pub rate: PhyRate,
    /// Its signal in dBm.
    pub signal_dbm: i8,
    /// It is part of an A-MPDU.
    pub ampdu: bool,
    /// It is the first frame that was heard of its A-MPDU.
    pub first_of_ampdu: bool,
    /// It is the last frame that was heard of its A-MPDU.
    pub last_of_ampdu: bool,
}
