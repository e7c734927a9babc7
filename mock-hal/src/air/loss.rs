//! From signal to loss: how likely a frame of some length is lost at some rate.

use super::{PhyRate, Width};

/// Signal in dBm at which one in ten frames of 1000 octets is lost. IEEE 802.11-2016, table 19-23, asks receivers for
/// these figures at least (OFDM: table 17-18); usual ones are 8 dB better.
pub const fn sensitivity_dbm(rate: PhyRate) -> i32 {
    let minimum = match rate {
        PhyRate::Cck(0..=2) => -88,
        PhyRate::Cck(3..=4) => -86,
        PhyRate::Cck(5..=11) => -83,
        PhyRate::Cck(_) => -80,
        PhyRate::Ofdm(0..=6) => -82,
        PhyRate::Ofdm(7..=9) => -81,
        PhyRate::Ofdm(10..=12) => -79,
        PhyRate::Ofdm(13..=18) => -77,
        PhyRate::Ofdm(19..=24) => -74,
        PhyRate::Ofdm(25..=36) => -70,
        PhyRate::Ofdm(37..=48) => -66,
        PhyRate::Ofdm(_) => -65,
        PhyRate::Ht { mcs, width, .. } => {
            let ht20 = match mcs {
                0 => -82,
                1 => -79,
                2 => -77,
                3 => -74,
                4 => -70,
                5 => -66,
                6 => -65,
                _ => -64,
            };
            match width {
                Width::Ht20 => ht20,
                Width::Ht40 => ht20 + 3,
            }
        }
    };
    minimum - 8
}

/// Probability that a frame of `octets` at `rate` is lost at a signal of `signal_dbm`, 0.0 to 1.0.
///
/// At the sensitivity it is 0.1 for 1000 octets; each dB changes the odds by a factor of 3.2, and from 10 dB above on
/// nothing is lost.
pub fn probability(rate: PhyRate, signal_dbm: i8, octets: usize) -> f64 {
    let margin = i32::from(signal_dbm) - sensitivity_dbm(rate);
    if margin >= 10 {
        return 0.0;
    }
    if margin <= -10 {
        return 1.0;
    }
    let odds = (1.0 / 9.0) * (-f64::from(margin) * 1.15).exp();
    let of_1000 = odds / (1.0 + odds);
    1.0 - (1.0 - of_1000).powf(octets as f64 / 1000.0)
}

/// The fastest of `rates` (given from slow to fast) that loses at most one in ten frames of 1000 octets; the slowest
/// if none does.
pub fn best(rates: impl IntoIterator<Item = PhyRate>, signal_dbm: i8) -> Option<PhyRate> {
    let mut best: Option<PhyRate> = None;
    for rate in rates {
        if best.is_none() || i32::from(signal_dbm) >= sensitivity_dbm(rate) {
            best = Some(rate);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ht20(mcs: u8) -> PhyRate {
        PhyRate::Ht {
            mcs,
            width: Width::Ht20,
            short_gi: false,
        }
    }

    #[test]
    fn at_the_sensitivity_one_in_ten_is_lost() {
        let probability = probability(ht20(7), -72, 1000);
        assert!((probability - 0.1).abs() < 1e-6);
    }

    #[test]
    fn loss_grows_with_length_and_rate_and_falls_with_signal() {
        assert!(probability(ht20(7), -72, 1500) > probability(ht20(7), -72, 100));
        assert!(probability(ht20(7), -74, 1000) > probability(ht20(4), -74, 1000));
        assert!(probability(ht20(7), -70, 1000) < probability(ht20(7), -74, 1000));
        assert_eq!(probability(ht20(7), -40, 1500), 0.0);
        assert_eq!(probability(ht20(7), -95, 1500), 1.0);
    }

    #[test]
    fn the_best_rate_follows_the_signal() {
        let rates = || (0..8).map(ht20);
        assert_eq!(best(rates(), -40), Some(ht20(7)));
        assert_eq!(best(rates(), -80), Some(ht20(3)));
        assert_eq!(best(rates(), -110), Some(ht20(0)));
    }
}
