//! How long things take on the air: IEEE 802.11-2016 sections 15 to 19 (DSSS/CCK, OFDM, ERP, HT), one spatial stream.
//!
//! All durations are those of HT-mixed format, long CCK preambles and short slots. The backoff is its mean for the
//! best-effort category (AIFSN 3, CWmin 15): 7.5 slots.

use super::{Band, PhyRate, Width};
use core::time::Duration;

/// Octets of the frame check sequence, which frames in this crate do not carry.
pub const FCS: usize = 4;
/// Octets of an ACK or a CTS, with FCS.
pub const ACK: usize = 14;
/// Octets of an RTS, with FCS.
pub const RTS: usize = 20;
/// Octets of a compressed block ack, with FCS.
pub const BLOCK_ACK: usize = 32;
/// Octets of an A-MPDU delimiter.
pub const DELIMITER: usize = 4;

const SLOT_NANOS: u64 = 9_000;
const BACKOFF_NANOS: u64 = SLOT_NANOS * CW_MIN as u64 / 2;
const AIFSN: u64 = 3;

/// Largest number of slots that is drawn at first.
pub const CW_MIN: u32 = 15;
/// A slot.
pub const SLOT: Duration = Duration::from_nanos(SLOT_NANOS);
/// What is waited for on average before an exchange, beyond the fixed space.
pub const MEAN_BACKOFF: Duration = Duration::from_nanos(BACKOFF_NANOS);

/// Short interframe space.
pub const fn sifs(band: Band) -> Duration {
    Duration::from_nanos(sifs_nanos(band))
}

const fn sifs_nanos(band: Band) -> u64 {
    match band {
        Band::Ghz2_4 => 10_000,
        Band::Ghz5 => 16_000,
    }
}

/// Data bits per OFDM symbol; for CCK, bits per 4 µs.
pub const fn data_bits_per_symbol(rate: PhyRate) -> u32 {
    match rate {
        PhyRate::Cck(units) => 2 * units as u32,
        PhyRate::Ofdm(mbits) => 4 * mbits as u32,
        PhyRate::Ht { mcs, width, .. } => {
            let ht20 = match mcs {
                0 => 26,
                1 => 52,
                2 => 78,
                3 => 104,
                4 => 156,
                5 => 208,
                6 => 234,
                _ => 260,
            };
            match width {
                Width::Ht20 => ht20,
                // 108 data subcarriers instead of 52.
                Width::Ht40 => ht20 * 108 / 52,
            }
        }
    }
}

/// Duration of a PPDU with a PSDU of `octets` (FCS included).
pub const fn ppdu(band: Band, rate: PhyRate, octets: usize) -> Duration {
    Duration::from_nanos(ppdu_nanos(band, rate, octets))
}

const fn ppdu_nanos(band: Band, rate: PhyRate, octets: usize) -> u64 {
    let bits = 8 * octets as u64;
    // Sixteen service bits and six tail bits.
    let coded = bits + 22;
    // OFDM in 2.4 GHz is followed by a silence in which old receivers finish decoding.
    let extension = match band {
        Band::Ghz2_4 => 6_000,
        Band::Ghz5 => 0,
    };
    let per_symbol = data_bits_per_symbol(rate) as u64;
    match rate {
        PhyRate::Cck(units) => 192_000 + (bits * 2).div_ceil(units as u64) * 1_000,
        PhyRate::Ofdm(_) => 20_000 + 4_000 * coded.div_ceil(per_symbol) + extension,
        PhyRate::Ht { short_gi, .. } => {
            let symbols = coded.div_ceil(per_symbol);
            let data = if short_gi {
                // Rounded up to whole 4 µs, section 19.4.3.
                4_000 * (symbols * 9).div_ceil(10)
            } else {
                4_000 * symbols
            };
            36_000 + data + extension
        }
    }
}

/// The rate of the control frame that answers a frame at `rate`: the highest mandatory rate not above it.
pub const fn response_rate(rate: PhyRate) -> PhyRate {
    match rate {
        PhyRate::Cck(units) => PhyRate::Cck(if units < 4 { 2 } else { 4 }),
        PhyRate::Ofdm(0..=11) | PhyRate::Ht { mcs: 0, .. } => PhyRate::Ofdm(6),
        PhyRate::Ofdm(12..=23) | PhyRate::Ht { mcs: 1 | 2, .. } => PhyRate::Ofdm(12),
        PhyRate::Ofdm(_) | PhyRate::Ht { .. } => PhyRate::Ofdm(24),
    }
}

/// Octets of an A-MPDU's PSDU, from the lengths of its MPDUs without FCS: delimiter, MPDU, FCS, and padding to four
/// octets behind each but the last.
pub fn ampdu_octets(lengths: impl Iterator<Item = usize>) -> usize {
    let mut octets: usize = 0;
    for length in lengths {
        octets = octets.next_multiple_of(4) + DELIMITER + length + FCS;
    }
    octets
}

/// What answers a PPDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// Nothing: a group frame.
    None,
    /// An ACK.
    Ack,
    /// A compressed block ack.
    BlockAck,
}

/// Duration of a whole exchange: AIFS, mean backoff, RTS and CTS if wanted, PPDU of `octets` (FCS included), SIFS and
/// response. A response that does not come costs as much, because the sender waits for it.
pub const fn exchange(
    band: Band,
    rate: PhyRate,
    octets: usize,
    rts: bool,
    response: Response,
) -> Duration {
    Duration::from_nanos(
        access_nanos(band)
            + if rts { protection_nanos(band, rate) } else { 0 }
            + ppdu_nanos(band, rate, octets)
            + response_nanos(band, rate, response),
    )
}

/// From the end of the PPDU to the end of its response.
pub const fn response(band: Band, rate: PhyRate, response: Response) -> Duration {
    Duration::from_nanos(response_nanos(band, rate, response))
}

/// AIFS of best effort and the mean backoff.
pub const fn access(band: Band) -> Duration {
    Duration::from_nanos(access_nanos(band))
}

const fn access_nanos(band: Band) -> u64 {
    sifs_nanos(band) + AIFSN * SLOT_NANOS + BACKOFF_NANOS
}

const fn protection_nanos(band: Band, rate: PhyRate) -> u64 {
    let control = response_rate(rate);
    ppdu_nanos(band, control, RTS) + ppdu_nanos(band, control, ACK) + 2 * sifs_nanos(band)
}

const fn response_nanos(band: Band, rate: PhyRate, response: Response) -> u64 {
    let octets = match response {
        Response::None => return 0,
        Response::Ack => ACK,
        Response::BlockAck => BLOCK_ACK,
    };
    sifs_nanos(band) + ppdu_nanos(band, response_rate(rate), octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MCS7_20: PhyRate = PhyRate::Ht {
        mcs: 7,
        width: Width::Ht20,
        short_gi: false,
    };
    const MCS7_40_SGI: PhyRate = PhyRate::Ht {
        mcs: 7,
        width: Width::Ht40,
        short_gi: true,
    };

    fn micros(duration: Duration) -> u128 {
        assert_eq!(duration.as_nanos() % 1000, 0);
        duration.as_micros()
    }

    #[test]
    fn rates_have_the_figures_of_the_standard() {
        assert_eq!(MCS7_20.units_100k(), 650);
        assert_eq!(MCS7_40_SGI.units_100k(), 1500);
        let sgi20 = PhyRate::Ht {
            mcs: 7,
            width: Width::Ht20,
            short_gi: true,
        };
        assert_eq!(sgi20.units_100k(), 722);
        let mcs0 = PhyRate::Ht {
            mcs: 0,
            width: Width::Ht40,
            short_gi: false,
        };
        assert_eq!(mcs0.units_100k(), 135);
        assert_eq!(PhyRate::Cck(11).units_100k(), 55);
        assert_eq!(PhyRate::Ofdm(54).units_100k(), 540);
    }

    #[test]
    fn an_ack_at_24_mbit_takes_28_microseconds_on_5_ghz_and_6_more_on_2_4_ghz() {
        // 16 + 112 + 6 = 134 bits, 96 per symbol: 2 symbols.
        let rate = PhyRate::Ofdm(24);
        assert_eq!(micros(ppdu(Band::Ghz5, rate, ACK)), 28);
        assert_eq!(micros(ppdu(Band::Ghz2_4, rate, ACK)), 34);
        // 16 + 256 + 6 = 278 bits: 3 symbols.
        assert_eq!(micros(ppdu(Band::Ghz5, rate, BLOCK_ACK)), 32);
    }

    #[test]
    fn a_1500_octet_frame_takes_what_the_standard_says() {
        // 12022 bits: at 54 Mbit/s 216 per symbol, 56 symbols.
        assert_eq!(micros(ppdu(Band::Ghz5, PhyRate::Ofdm(54), 1500)), 20 + 224);
        // MCS 7, 20 MHz: 260 per symbol, 47 symbols of 4 µs after 36 µs of preamble.
        assert_eq!(micros(ppdu(Band::Ghz5, MCS7_20, 1500)), 36 + 188);
        // MCS 7, 40 MHz, short guard: 540 per symbol, 23 symbols of 3.6 µs = 82.8 µs, rounded up to 84.
        assert_eq!(micros(ppdu(Band::Ghz5, MCS7_40_SGI, 1500)), 36 + 84);
        // 11 Mbit/s: 12000 bits in 1090.9 µs after 192 µs.
        assert_eq!(
            micros(ppdu(Band::Ghz2_4, PhyRate::Cck(22), 1500)),
            192 + 1091
        );
    }

    #[test]
    fn a_beacon_at_1_mbit_takes_its_octets_times_eight() {
        assert_eq!(micros(ppdu(Band::Ghz2_4, PhyRate::Cck(2), 100)), 192 + 800);
    }

    #[test]
    fn an_exchange_adds_access_and_response() {
        // 16 + 27 + 67.5, PPDU 224, SIFS 16, ACK 28.
        assert_eq!(
            exchange(Band::Ghz5, MCS7_20, 1500, false, Response::Ack),
            Duration::from_nanos(110_500 + 224_000 + 16_000 + 28_000)
        );
        // RTS: 16 + 160 + 6 = 182 bits in 2 symbols: 28; CTS 28; two SIFS.
        assert_eq!(
            exchange(Band::Ghz5, MCS7_20, 1500, true, Response::None),
            Duration::from_nanos(110_500 + 28_000 + 28_000 + 32_000 + 224_000)
        );
    }

    #[test]
    fn an_ampdu_is_padded_between_but_not_behind() {
        assert_eq!(ampdu_octets([1501].into_iter()), 1509);
        assert_eq!(ampdu_octets([1501, 1501].into_iter()), 1512 + 1509);
    }

    #[test]
    fn responses_come_at_the_mandatory_rate_below() {
        assert_eq!(response_rate(MCS7_40_SGI), PhyRate::Ofdm(24));
        assert_eq!(response_rate(PhyRate::Ofdm(18)), PhyRate::Ofdm(12));
        assert_eq!(response_rate(PhyRate::Ofdm(9)), PhyRate::Ofdm(6));
        assert_eq!(response_rate(PhyRate::Cck(22)), PhyRate::Cck(4));
    }
}
