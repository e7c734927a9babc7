//! Rate ids (file 20, section 4.2) and what they mean on the air.

use crate::air::{Band, PhyRate, Width};

/// Number of nibbles in a rate policy; ids 0 to 21 are defined.
pub(crate) const RATE_IDS: u8 = 24;

/// The lowest rate a band has: 1 Mbit/s or 6 Mbit/s.
pub(crate) const fn lowest(band: Band) -> u8 {
    match band {
        Band::Ghz2_4 => 0,
        Band::Ghz5 => 6,
    }
}

/// What a rate id means on the air, `None` for the unused ids and those above MCS 7.
pub(crate) const fn to_phy(id: u8, width: Width, short_gi: bool) -> Option<PhyRate> {
    Some(match id {
        0 => PhyRate::Cck(2),
        1 => PhyRate::Cck(4),
        2 => PhyRate::Cck(11),
        3 => PhyRate::Cck(22),
        6 => PhyRate::Ofdm(6),
        7 => PhyRate::Ofdm(9),
        8 => PhyRate::Ofdm(12),
        9 => PhyRate::Ofdm(18),
        10 => PhyRate::Ofdm(24),
        11 => PhyRate::Ofdm(36),
        12 => PhyRate::Ofdm(48),
        13 => PhyRate::Ofdm(54),
        14..=21 => PhyRate::Ht {
            mcs: id - 14,
            width,
            short_gi,
        },
        _ => return None,
    })
}

/// The rate id of a rate on the air. Bandwidth and guard interval are not part of it.
pub(crate) const fn from_phy(rate: PhyRate) -> u8 {
    match rate {
        PhyRate::Cck(4) => 1,
        PhyRate::Cck(11) => 2,
        PhyRate::Cck(22) => 3,
        PhyRate::Cck(_) => 0,
        PhyRate::Ofdm(9) => 7,
        PhyRate::Ofdm(12) => 8,
        PhyRate::Ofdm(18) => 9,
        PhyRate::Ofdm(24) => 10,
        PhyRate::Ofdm(36) => 11,
        PhyRate::Ofdm(48) => 12,
        PhyRate::Ofdm(54) => 13,
        PhyRate::Ofdm(_) => 6,
        PhyRate::Ht { mcs, .. } => 14 + if mcs > 7 { 7 } else { mcs },
    }
}

/// Most bytes of an A-MPDU at this rate that fit into the longest HT PPDU, 5.484 ms.
pub(crate) const fn ampdu_bytes(rate: PhyRate) -> usize {
    match rate {
        PhyRate::Ht { mcs, width, .. } => {
            // Bits per 4 us symbol of one spatial stream at 20 and at 40 MHz.
            let index = if mcs > 7 { 7 } else { mcs as usize };
            let bits = match width {
                Width::Ht20 => [26, 52, 78, 104, 156, 208, 234, 260][index],
                Width::Ht40 => [54, 108, 162, 216, 324, 432, 486, 540][index],
            };
            bits * 1371 / 8
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_defined_id_survives_the_way_to_the_air_and_back() {
        for id in 0..RATE_IDS {
            match to_phy(id, Width::Ht20, false) {
                Some(rate) => assert_eq!(from_phy(rate), id),
                None => assert!(matches!(id, 4 | 5 | 22 | 23)),
            }
        }
    }

    #[test]
    fn an_aggregate_at_mcs_0_is_shorter_than_one_at_mcs_7() {
        let at = |id| ampdu_bytes(to_phy(id, Width::Ht20, false).unwrap());
        assert_eq!(at(14), 4455);
        assert!(at(21) > 32 * 1024);
        assert_eq!(at(0), 0);
    }
}
