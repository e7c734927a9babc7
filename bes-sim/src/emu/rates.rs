//! Rates as `mac80211_hwsim` numbers them.

use super::hwsim::{rate_flag, Rate};
use mock_hal::air::{Band, PhyRate, Width};

/// Legacy rates of the 2.4 GHz band; the 5 GHz band has them from [`FIRST_OFDM`] on.
const LEGACY: [PhyRate; 12] = [
    PhyRate::Cck(2),
    PhyRate::Cck(4),
    PhyRate::Cck(11),
    PhyRate::Cck(22),
    PhyRate::Ofdm(6),
    PhyRate::Ofdm(9),
    PhyRate::Ofdm(12),
    PhyRate::Ofdm(18),
    PhyRate::Ofdm(24),
    PhyRate::Ofdm(36),
    PhyRate::Ofdm(48),
    PhyRate::Ofdm(54),
];

/// Index of the first OFDM rate of the 2.4 GHz band.
const FIRST_OFDM: usize = 4;

/// The legacy rates that stand for MCS 0 to 7 where only legacy rates have numbers.
const INSTEAD_OF_MCS: [usize; 8] = [4, 6, 7, 8, 9, 10, 11, 11];

const fn first(band: Band) -> usize {
    match band {
        Band::Ghz2_4 => 0,
        Band::Ghz5 => FIRST_OFDM,
    }
}

/// What a rate of a series means on the air; `None` if it is none. Streams beyond the first do not exist here, and
/// VHT counts as HT.
pub fn to_phy(band: Band, rate: Rate) -> Option<PhyRate> {
    let index = usize::try_from(rate.index).ok()?;
    let has = |flag: u16| rate.flags & flag != 0;
    if has(rate_flag::MCS | rate_flag::VHT) {
        let mcs = if has(rate_flag::VHT) {
            (index & 0x0F).min(7)
        } else {
            index & 7
        };
        return Some(PhyRate::Ht {
            mcs: u8::try_from(mcs).unwrap_or(7),
            width: if has(rate_flag::WIDTH_40) {
                Width::Ht40
            } else {
                Width::Ht20
            },
            short_gi: has(rate_flag::SHORT_GI),
        });
    }
    LEGACY.get(first(band) + index).copied()
}

/// The number of a rate, or of the nearest legacy rate if it is an HT rate.
pub fn legacy_index(band: Band, rate: PhyRate) -> u32 {
    let at = match rate {
        PhyRate::Ht { mcs, .. } => INSTEAD_OF_MCS[usize::from(mcs & 7)],
        legacy => LEGACY
            .iter()
            .position(|known| *known == legacy)
            .unwrap_or_else(|| first(band)),
    };
    let index = at.saturating_sub(first(band));
    u32::try_from(index).unwrap_or(0)
}

/// The lowest rate of a band.
pub const fn lowest(band: Band) -> PhyRate {
    LEGACY[first(band)]
}

/// The band and the number of the 20 MHz channel around a frequency in MHz; `None` if there is none the chip could use.
pub const fn channel_number(frequency: u16) -> Option<(Band, u8)> {
    match frequency {
        2484 => Some((Band::Ghz2_4, 14)),
        2412..=2472 if (frequency - 2407) % 5 == 0 => {
            Some((Band::Ghz2_4, ((frequency - 2407) / 5) as u8))
        }
        5170..=5885 if frequency % 5 == 0 => Some((Band::Ghz5, ((frequency - 5000) / 5) as u8)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mock_hal::air::Channel;

    const fn legacy(index: i8) -> Rate {
        Rate {
            index,
            tries: 1,
            flags: 0,
        }
    }

    #[test]
    fn legacy_rates_survive_the_way_there_and_back() {
        for (band, count) in [(Band::Ghz2_4, 12), (Band::Ghz5, 8)] {
            for index in 0..count {
                let phy = to_phy(band, legacy(index)).expect("a rate");
                assert_eq!(legacy_index(band, phy), index as u32);
            }
            assert_eq!(to_phy(band, legacy(count)), None);
            assert_eq!(to_phy(band, legacy(-1)), None);
        }
    }

    #[test]
    fn ht_rates_have_their_width_and_guard_interval() {
        let rate = Rate {
            index: 7,
            tries: 1,
            flags: rate_flag::MCS | rate_flag::WIDTH_40 | rate_flag::SHORT_GI,
        };
        let phy = to_phy(Band::Ghz5, rate).expect("a rate");
        assert_eq!(phy.units_100k(), 1500);
        assert_eq!(legacy_index(Band::Ghz5, phy), 7);
        assert_eq!(legacy_index(Band::Ghz2_4, phy), 11);
    }

    #[test]
    fn frequencies_are_those_of_their_channels() {
        for number in (1..=14).chain([36, 40, 64, 100, 149, 165]) {
            let channel = Channel::ht20(number);
            assert_eq!(
                channel_number(channel.frequency_mhz()),
                Some((channel.band, number))
            );
        }
        assert_eq!(channel_number(2413), None);
        assert_eq!(channel_number(5955), None);
        assert_eq!(channel_number(0), None);
    }
}
