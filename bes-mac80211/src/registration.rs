//! What the device can do, as the stack above has to know it before anything else: bands, channels, rates, HT
//! capabilities, interfaces, limits. Constant data; a port translates it into the types of its stack.
//!
//! Left out on purpose: IBSS and mesh, whose frames the C driver dropped without exception (file 30, D28); the channels
//! above 165, which it registered at frequencies where they are not (file 30, D27); access points, P2P and staying on
//! another channel, for which there is no [`Request`](crate::request::Request). What is announced here works.
//!
//! Source: file 30, section 1.

use crate::channel::Channel;
use crate::tx::{HEADROOM, TAILROOM};
use crate::types::{Band, Dbm, ACCESS_CATEGORIES};
use crate::wake;
use bes_wsm::wire::{RateId, RateMask};

/// A legacy rate of a band; its index in the list is what rate lists and statuses name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegacyRate {
    /// In units of 100 kbit/s.
    pub hundred_kbps: u16,
    /// The chip's id of the rate.
    pub id: RateId,
}

const fn rate(hundred_kbps: u16, id: u8) -> LegacyRate {
    let id = match RateId::new(id) {
        Some(id) => id,
        None => RateId::DSSS_1,
    };
    LegacyRate { hundred_kbps, id }
}

/// Rates of the 2.4 GHz band, 1 to 54 Mbit/s. None has a short preamble.
pub const RATES_2G4: [LegacyRate; 12] = [
    rate(10, 0),
    rate(20, 1),
    rate(55, 2),
    rate(110, 3),
    rate(60, 6),
    rate(90, 7),
    rate(120, 8),
    rate(180, 9),
    rate(240, 10),
    rate(360, 11),
    rate(480, 12),
    rate(540, 13),
];

/// Rates of the 5 GHz band, 6 to 54 Mbit/s.
pub const RATES_5G: [LegacyRate; 8] = [
    rate(60, 6),
    rate(90, 7),
    rate(120, 8),
    rate(180, 9),
    rate(240, 10),
    rate(360, 11),
    rate(480, 12),
    rate(540, 13),
];

const fn channels<const N: usize>(numbers: [u16; N]) -> [Channel; N] {
    let mut list = [Channel::FIRST; N];
    let mut from = numbers.as_slice();
    let mut to: &mut [Channel] = &mut list;
    while let (Some((number, numbers)), Some((place, places))) =
        (from.split_first(), to.split_first_mut())
    {
        match Channel::new(*number) {
            Some(channel) => *place = channel,
            // Only the lists below are translated, by the compiler: a number that is no channel does not compile.
            None => unreachable!(),
        }
        from = numbers;
        to = places;
    }
    list
}

/// Channels of the 2.4 GHz band.
pub const CHANNELS_2G4: [Channel; 14] = channels([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);

/// Channels of the 5 GHz band.
pub const CHANNELS_5G: [Channel; 28] = channels([
    34, 36, 38, 40, 42, 44, 46, 48, 52, 56, 60, 64, 100, 104, 108, 112, 116, 120, 124, 128, 132,
    136, 140, 149, 153, 157, 161, 165,
]);

/// HT capabilities, as in the element of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HtCapabilities {
    /// Capability field: 20/40 MHz, greenfield, short guard interval at 20 and 40 MHz, A-MSDU up to 7935 bytes.
    pub capabilities: u16,
    /// Exponent of the longest A-MPDU: 2 is 32 KiB.
    pub ampdu_factor: u8,
    /// Least distance of frames in an A-MPDU; 0 is none.
    pub ampdu_density: u8,
    /// MCS that can be received: bit n of byte m is MCS 8m + n.
    pub rx_mcs: [u8; 10],
    /// Highest rate that can be received, in Mbit/s; 0 does not say.
    pub rx_highest: u16,
    /// The set of MCS to send is the same as that to receive.
    pub tx_parameters: u8,
}

const fn ht(rx_highest: u16) -> HtCapabilities {
    HtCapabilities {
        capabilities: 0x0872,
        ampdu_factor: 2,
        ampdu_density: 0,
        rx_mcs: [0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        rx_highest,
        tx_parameters: 0x01,
    }
}

/// A band with everything in it.
#[derive(Clone, Copy, Debug)]
pub struct BandData {
    /// Which band.
    pub band: Band,
    /// Its channels.
    pub channels: &'static [Channel],
    /// Its rates.
    pub rates: &'static [LegacyRate],
    /// HT capabilities.
    pub ht: HtCapabilities,
    /// Highest power on any channel. Regulation says less for most.
    pub max_power: Dbm,
}

/// Both bands.
pub const BANDS: [BandData; 2] = [
    BandData {
        band: Band::TwoPointFourGhz,
        channels: &CHANNELS_2G4,
        rates: &RATES_2G4,
        ht: ht(0),
        max_power: Dbm(30),
    },
    BandData {
        band: Band::FiveGhz,
        channels: &CHANNELS_5G,
        rates: &RATES_5G,
        ht: ht(65),
        max_power: Dbm(30),
    },
];

/// The set of rates whose indexes in the list of `band` are the bits of `indexes`: how stacks name basic rates. Bits
/// beyond the list name nothing (file 30, D35; file 20, D45).
pub fn rate_mask(indexes: u32, band: Band) -> RateMask {
    let rates: &[LegacyRate] = match band {
        Band::TwoPointFourGhz => &RATES_2G4,
        Band::FiveGhz => &RATES_5G,
    };
    let mut rest = indexes;
    let mut mask = RateMask::NONE;
    for rate in rates {
        if rest & 1 != 0 {
            mask = mask.with(rate.id);
        }
        rest >>= 1;
    }
    mask
}

/// Capabilities of the hardware that the stack has to be told. Linux: `ieee80211_hw_flags`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HardwareFlag {
    /// Signal strengths are in dBm.
    SignalDbm,
    /// Can save power.
    SupportsPs,
    /// Can save power between frames.
    SupportsDynamicPs,
    /// Reports whether frames were acknowledged.
    ReportsTxAckStatus,
    /// The DTIM period has to be known before association.
    NeedDtimBeforeAssociation,
    /// The chip negotiates aggregation.
    TxAmpduSetupInHardware,
    /// Frames may be aggregated.
    AmpduAggregation,
    /// The driver finds out itself that a connection is lost.
    ConnectionMonitor,
    /// Management frames can be protected.
    MfpCapable,
}

/// The flags that are set.
pub const HARDWARE_FLAGS: [HardwareFlag; 9] = [
    HardwareFlag::SignalDbm,
    HardwareFlag::SupportsPs,
    HardwareFlag::SupportsDynamicPs,
    HardwareFlag::ReportsTxAckStatus,
    HardwareFlag::NeedDtimBeforeAssociation,
    HardwareFlag::TxAmpduSetupInHardware,
    HardwareFlag::AmpduAggregation,
    HardwareFlag::ConnectionMonitor,
    HardwareFlag::MfpCapable,
];

/// Kinds of interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InterfaceMode {
    /// Station.
    Station,
}

/// So many interfaces of these kinds together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceLimit {
    /// Most of them.
    pub max: u8,
    /// The kinds.
    pub modes: &'static [InterfaceMode],
}

/// Which interfaces can exist side by side: two stations on one channel. The chip's third interface joins nothing.
pub const INTERFACE_COMBINATION: [InterfaceLimit; 1] = [InterfaceLimit {
    max: 2,
    modes: &[InterfaceMode::Station],
}];

/// What may wake a suspended host (Linux: `wiphy_wowlan_support`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WakeSupport {
    /// Whatever arrives.
    pub any: bool,
    /// The end of the connection.
    pub disconnect: bool,
    /// Magic packets in UDP over IPv4.
    pub magic_packet: bool,
    /// Patterns at a time.
    pub patterns: u8,
    /// Fewest and most bytes of a pattern.
    pub pattern_len: (u8, u8),
    /// Most bytes in front of a pattern, counted from the Ethernet header.
    pub max_pattern_offset: u16,
}

/// The triggers that the chip can do. Those that it cannot are not announced: rekeying and EAP in its own hands, the
/// rfkill switch, TCP connections of its own, networks found by scanning.
pub const WAKE_SUPPORT: WakeSupport = WakeSupport {
    any: true,
    disconnect: true,
    magic_packet: true,
    patterns: wake::MAX_PATTERNS,
    pattern_len: (1, wake::MAX_PATTERN),
    max_pattern_offset: wake::MAX_PATTERN_OFFSET,
};

/// Most interfaces together.
pub const MAX_INTERFACES: usize = 2;
/// Channels that interfaces can be on at the same time.
pub const DIFFERENT_CHANNELS: usize = 1;
/// Transmit queues, one for each access category.
pub const QUEUES: usize = ACCESS_CATEGORIES;
/// Rates in the list of a frame.
pub const MAX_RATES: u8 = 8;
/// Attempts at one rate.
pub const MAX_RATE_TRIES: u8 = 15;
pub use crate::request::{MAX_SCAN_ELEMENTS, MAX_SCAN_SSIDS};

/// Room in front of a frame, in bytes. Linux: `extra_tx_headroom`. The stack makes room for cipher headers itself.
pub const TX_HEADROOM: usize = HEADROOM;
/// Room behind a frame, in bytes.
pub const TX_TAILROOM: usize = TAILROOM;

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use crate::rx::RxRate;

    #[test]
    fn rate_lists_and_ids_agree() {
        for band in &BANDS {
            for rate in band.rates {
                assert_eq!(rate.hundred_kbps, rate.id.hundred_kbps());
            }
        }
        let cut: Vec<_> = RATES_2G4[4..].to_vec();
        assert_eq!(cut, RATES_5G);
    }

    #[test]
    fn received_rates_are_indexes_into_these_lists() {
        use bes_hal::frame::Span;
        use bes_wsm::wire::rx::{ReceiveHeader, RxFlags};
        use bes_wsm::wire::{ChannelNumber, InterfaceId, ReportedRate, Status};

        for band in &BANDS {
            for (index, rate) in band.rates.iter().enumerate() {
                let header = ReceiveHeader::new(
                    Status::Success,
                    ChannelNumber(u16::from(band.channels[0].number())),
                    ReportedRate::Known(rate.id),
                    100,
                    RxFlags::new(),
                );
                let mut burst = [0; 64];
                let len = header
                    .emit(InterfaceId::Zero, &[8; 32], &mut burst)
                    .unwrap();
                let message = Span {
                    start: 0,
                    len: u16::try_from(len).unwrap(),
                };
                let part =
                    crate::rx::receive(&mut burst, message, None, bes_hal::Instant::ZERO).unwrap();
                let index = u8::try_from(index).unwrap();
                assert_eq!(part.status.rate, RxRate::Legacy { index });
            }
        }
    }

    #[test]
    fn channels_are_those_of_their_band_in_rising_order() {
        for band in &BANDS {
            assert!(band
                .channels
                .iter()
                .all(|channel| channel.band() == band.band));
            assert!(band
                .channels
                .windows(2)
                .all(|pair| pair[0].number() < pair[1].number()));
        }
    }

    /// File 30, D35; file 20, D45.
    #[test]
    fn d35_bits_beyond_the_rate_list_name_nothing() {
        assert_eq!(
            rate_mask(u32::MAX, Band::TwoPointFourGhz),
            RateMask::LEGACY_2G4
        );
        assert_eq!(rate_mask(u32::MAX, Band::FiveGhz), RateMask::LEGACY_5G);
        assert_eq!(rate_mask(0xFF0, Band::FiveGhz).0, 0x3C00);
        assert_eq!(rate_mask(0b1_1111, Band::TwoPointFourGhz).0, 0x4F);
    }

    /// File 30, D27.
    #[test]
    fn d27_no_channel_is_registered_outside_its_band() {
        for channel in CHANNELS_5G {
            assert!((5170..=5825).contains(&channel.frequency()), "{channel}");
        }
    }

    /// File 30, D28: what the device announces, it can do. The type has no other modes.
    #[test]
    fn d28_nothing_is_announced_that_there_is_no_request_for() {
        let modes: Vec<_> = INTERFACE_COMBINATION
            .iter()
            .flat_map(|limit| limit.modes)
            .collect();
        assert_eq!(modes, [&InterfaceMode::Station]);
        let most: u8 = INTERFACE_COMBINATION.iter().map(|limit| limit.max).sum();
        assert!(usize::from(most) >= MAX_INTERFACES);
    }

    /// What is announced is what a suspend can arm exactly.
    #[test]
    fn every_announced_trigger_is_armed_exactly() {
        use crate::wake::{WakePattern, WakePlan, WakeTriggers};
        let bytes = [0x5A; 128];
        let longest = [WakePattern {
            offset: WAKE_SUPPORT.max_pattern_offset,
            bytes: &bytes[..usize::from(WAKE_SUPPORT.pattern_len.1)],
            mask: &[0xFF; 16],
        }];
        let none = WakeTriggers::default();
        let all = [
            WakeTriggers { any: true, ..none },
            WakeTriggers {
                disconnect: true,
                ..none
            },
            WakeTriggers {
                magic_packet: true,
                ..none
            },
            WakeTriggers {
                patterns: &longest,
                ..none
            },
        ];
        for triggers in all {
            assert!(WakePlan::new(&triggers).armed.exact, "{triggers:?}");
        }
    }

    #[test]
    fn ht_capabilities_are_those_of_the_chip() {
        let [low, high] = BANDS.map(|band| band.ht);
        assert_eq!(low.capabilities, 0x0002 | 0x0010 | 0x0020 | 0x0040 | 0x0800);
        assert_eq!(low.rx_mcs[0], 0xFF);
        assert_eq!((low.rx_highest, high.rx_highest), (0, 65));
        assert_eq!(
            low,
            HtCapabilities {
                rx_highest: 0,
                ..high
            }
        );
    }
}
