//! Rate series as the stack gives them, packed so that two can be compared in one step (specification: file 30,
//! sections 1.2, 3.7 and 3.11).

use core::fmt;

/// One entry of a frame's rate series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RateIndex {
    /// Index into the rate list of the band (file 30, section 1.2).
    Legacy(u8),
    /// HT modulation and coding scheme.
    Mcs(u8),
}

/// A rate and how often it is, or was, tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TxRate {
    /// The rate.
    pub index: RateIndex,
    /// Transmissions with it.
    pub count: u8,
}

/// Up to four rates of a frame, the first one first. Linux: `ieee80211_tx_info.control.rates`.
///
/// Packed into one word, because every frame is compared with the one before it: 16 bits per entry, the count in
/// the low byte, the index above it, bit 15 for MCS. A count of 0 ends the series.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct RateSeries(u64);

impl RateSeries {
    /// Most entries.
    pub const MAX: usize = 4;
    /// No rate at all: the driver chooses a robust one.
    pub const EMPTY: Self = Self(0);

    /// The series of these rates. It ends at the first entry with a count of 0 or an index above 127, or after four.
    pub fn new(rates: &[TxRate]) -> Self {
        let mut word = 0;
        let mut shift = 0_u32;
        for rate in rates.iter().take(Self::MAX) {
            let (index, mcs) = match rate.index {
                RateIndex::Legacy(index) => (index, 0),
                RateIndex::Mcs(index) => (index, 0x80),
            };
            if rate.count == 0 || index >= 0x80 {
                break;
            }
            let entry = u64::from(u16::from_le_bytes([rate.count, index | mcs]));
            word |= entry.wrapping_shl(shift);
            shift = shift.wrapping_add(16);
        }
        Self(word)
    }

    /// The series of one rate.
    pub fn single(index: RateIndex, count: u8) -> Self {
        Self::new(&[TxRate { index, count }])
    }

    /// The rates, in order.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = TxRate> + Clone {
        let [a, b, c, d, e, f, g, h] = self.0.to_le_bytes();
        [[a, b], [c, d], [e, f], [g, h]]
            .into_iter()
            .map_while(|[count, index]| {
                if count == 0 {
                    return None;
                }
                let index = if index & 0x80 == 0 {
                    RateIndex::Legacy(index)
                } else {
                    RateIndex::Mcs(index & 0x7F)
                };
                Some(TxRate { index, count })
            })
    }

    /// The first rate.
    pub fn first(self) -> Option<TxRate> {
        self.iter().next()
    }

    /// Whether there is no rate.
    pub const fn is_empty(self) -> bool {
        self.0 & 0xFF == 0
    }

    /// All transmissions of the series together.
    pub fn attempts(self) -> u32 {
        self.iter().map(|rate| u32::from(rate.count)).sum()
    }

    /// The same as [`used`](Self::used) for one transmission.
    #[must_use]
    #[inline]
    pub const fn once(self) -> Self {
        if self.is_empty() {
            Self::EMPTY
        } else {
            Self(self.0 & 0xFF00 | 1)
        }
    }

    /// The part of the series that `attempts` transmissions used, as the stack wants it reported (file 30,
    /// section 3.11): entries are used up in order, the last one that was reached says how often it was tried.
    #[must_use]
    pub fn used(self, attempts: u32) -> Self {
        let mut rest = attempts;
        let mut word = 0;
        let mut shift = 0_u32;
        for entry in [self.0, self.0 >> 16, self.0 >> 32, self.0 >> 48] {
            let [count, index, ..] = entry.to_le_bytes();
            if count == 0 || rest == 0 {
                break;
            }
            let used = count.min(u8::try_from(rest).unwrap_or(u8::MAX));
            rest = rest.wrapping_sub(u32::from(used));
            word |= u64::from(u16::from_le_bytes([used, index])).wrapping_shl(shift);
            shift = shift.wrapping_add(16);
        }
        Self(word)
    }
}

impl fmt::Debug for RateSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Display for RateSeries {
    /// `MCS7x4 MCS3x2 #0x1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, rate) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            match rate.index {
                RateIndex::Legacy(index) => write!(f, "#{index}x{}", rate.count)?,
                RateIndex::Mcs(index) => write!(f, "MCS{index}x{}", rate.count)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_series_ends_at_the_first_unused_entry() {
        let rate = |index, count| TxRate { index, count };
        let series = RateSeries::new(&[
            rate(RateIndex::Mcs(7), 4),
            rate(RateIndex::Legacy(0), 2),
            rate(RateIndex::Legacy(3), 0),
            rate(RateIndex::Legacy(1), 2),
        ]);
        assert_eq!(series.to_string(), "MCS7x4 #0x2");
        assert_eq!(series.attempts(), 6);
        assert_eq!(series.first(), Some(rate(RateIndex::Mcs(7), 4)));
        assert!(RateSeries::EMPTY.is_empty());
    }
    #[test]
    fn attempts_are_walked_entry_by_entry() {
        let series = RateSeries::new(&[
            TxRate {
                index: RateIndex::Mcs(7),
                count: 3,
            },
            TxRate {
                index: RateIndex::Mcs(2),
                count: 2,
            },
        ]);
        assert_eq!(series.used(0), RateSeries::EMPTY);
        assert_eq!(series.used(2).to_string(), "MCS7x2");
        assert_eq!(series.used(4).to_string(), "MCS7x3 MCS2x1");
        assert_eq!(series.used(99), series);
    }
    proptest! {
        #[test]
        fn a_series_gives_back_what_went_in(
            entries in proptest::collection::vec((any::<bool>(), 0_u8..0x80, 1_u8..), 0..=4)
        ) {
            let rates: Vec<TxRate> = entries
                .iter()
                .map(|&(mcs, index, count)| TxRate {
                    index: if mcs { RateIndex::Mcs(index) } else { RateIndex::Legacy(index) },
                    count,
                })
                .collect();
            let series = RateSeries::new(&rates);
            prop_assert_eq!(series.iter().collect::<Vec<_>>(), rates);
        }
    }
}
