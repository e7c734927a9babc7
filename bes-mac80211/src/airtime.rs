//! How long frames occupy the air, estimated before they are sent. The chip tells the truth afterwards, too late to decide who
//! may send; what it says about repetitions is added then.
//!
//! | part | estimate |
//! |---|---|
//! | bits | length over rate |
//! | everything else: contention, preamble, acknowledgement | 300 µs at DSSS and CCK rates, 100 µs at OFDM rates, 30 µs at HT rates, where many frames share it |

use bes_wsm::wire::RateId;

/// Microseconds for 256 bytes, by rate id: 1 to 11 Mbit/s, PBCC 22 and 33, 6 to 54, MCS 0 to 7 with the long guard interval
/// (specification: file 20, section 4.3).
const PER_256_BYTES: [u32; 22] = [
    2048, 1024, 372, 186, 93, 62, 341, 228, 171, 114, 85, 57, 43, 38, 315, 158, 105, 79, 53, 39,
    35, 32,
];

/// Estimated time of a frame of `len` bytes that goes out at once, in microseconds.
#[inline]
pub(crate) fn estimate(rate: RateId, len: u16) -> u32 {
    let cost = COSTS
        .get(usize::from(rate.raw()))
        .copied()
        .unwrap_or(SLOWEST);
    // At most 65535 * 2048, which fits.
    (u32::from(len).wrapping_mul(cost.per_256) >> 8).wrapping_add(cost.overhead)
}

/// What a frame costs at one rate, in microseconds.
#[derive(Clone, Copy)]
struct Cost {
    per_256: u32,
    overhead: u32,
}

const SLOWEST: Cost = Cost {
    per_256: 2048,
    overhead: 300,
};

/// By rate id.
static COSTS: [Cost; PER_256_BYTES.len()] = costs();

const fn costs() -> [Cost; PER_256_BYTES.len()] {
    let mut costs = [SLOWEST; PER_256_BYTES.len()];
    let mut rest: &mut [Cost] = &mut costs;
    let mut times: &[u32] = &PER_256_BYTES;
    let mut id = 0_u8;
    while let ([cost, others @ ..], [per_256, slower @ ..]) = (rest, times) {
        let overhead = match RateId::new(id) {
            Some(rate) if rate.is_ht() => 30,
            Some(rate) if rate.raw() < RateId::OFDM_6.raw() => 300,
            _ => 100,
        };
        *cost = Cost {
            per_256: *per_256,
            overhead,
        };
        id = id.wrapping_add(1);
        rest = others;
        times = slower;
    }
    costs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_those_of_the_rates() {
        let ms = |rate, len| estimate(rate, len) / 1000;
        assert_eq!(ms(RateId::DSSS_1, 1500), 12);
        assert_eq!(ms(RateId::OFDM_6, 1500), 2);
        // 1500 bytes at 54 and 65 Mbit/s.
        assert_eq!(estimate(RateId::OFDM_54, 1500), 322);
        let mcs = |index| RateId::from_mcs(index).expect("it exists");
        assert_eq!(estimate(mcs(7), 1500), 217);
        assert_eq!(estimate(mcs(0), 1500), 1875);
        assert_eq!(estimate(RateId::DSSS_1, 0), 300);
    }

    #[test]
    fn a_higher_rate_never_takes_longer_among_those_of_its_kind() {
        for kind in [0..=5_u8, 6..=13, 14..=21] {
            let times: Vec<_> = kind
                .map(|id| estimate(RateId::new(id).expect("it exists"), 1500))
                .collect();
            assert!(times.windows(2).all(|pair| pair[0] >= pair[1]), "{times:?}");
        }
    }
}
