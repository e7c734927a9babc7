//! Rates as the chip numbers them, masks of them, and rate policies.
//!
//! | rate id | PHY | rates |
//! |---|---|---|
//! | 0 to 3 | DSSS, CCK | 1, 2, 5.5, 11 Mbit/s |
//! | 4, 5 | PBCC, unused | 22, 33 Mbit/s |
//! | 6 to 13 | OFDM | 6, 9, 12, 18, 24, 36, 48, 54 Mbit/s |
//! | 14 to 21 | HT | MCS 0 to 7 |
//!
//! Source: file 20, section 4.2.

use super::error::WireError;
use core::fmt;

/// Rates in units of 100 kbit/s, by rate id. HT rates are those of 20 MHz with the long guard interval.
const RATES: [u16; 22] = [
    10, 20, 55, 110, 220, 330, 60, 90, 120, 180, 240, 360, 480, 540, 65, 130, 195, 260, 390, 520,
    585, 650,
];

const FIRST_OFDM: u8 = 6;
const FIRST_HT: u8 = 14;
const LAST: u8 = 21;

/// A rate id, 0 to 21.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RateId(u8);

impl RateId {
    /// 1 Mbit/s, DSSS.
    pub const DSSS_1: Self = Self(0);
    /// 2 Mbit/s, DSSS.
    pub const DSSS_2: Self = Self(1);
    /// 5.5 Mbit/s, CCK.
    pub const CCK_5_5: Self = Self(2);
    /// 11 Mbit/s, CCK.
    pub const CCK_11: Self = Self(3);
    /// 6 Mbit/s, OFDM.
    pub const OFDM_6: Self = Self(6);
    /// 54 Mbit/s, OFDM.
    pub const OFDM_54: Self = Self(13);

    /// From the id on the wire; `None` above 21.
    pub const fn new(raw: u8) -> Option<Self> {
        if raw <= LAST {
            Some(Self(raw))
        } else {
            None
        }
    }

    /// The rate id of HT MCS 0 to 7; `None` above 7.
    pub const fn from_mcs(mcs: u8) -> Option<Self> {
        if mcs <= 7 {
            Some(Self(mcs.wrapping_add(FIRST_HT)))
        } else {
            None
        }
    }

    /// The id on the wire.
    pub const fn raw(self) -> u8 {
        self.0
    }

    /// The HT MCS index, or `None` for a legacy rate.
    pub const fn mcs(self) -> Option<u8> {
        self.0.checked_sub(FIRST_HT)
    }

    /// Whether it is an HT rate.
    pub const fn is_ht(self) -> bool {
        self.0 >= FIRST_HT
    }

    /// Whether it is an OFDM rate without HT.
    pub const fn is_ofdm(self) -> bool {
        self.0 >= FIRST_OFDM && self.0 < FIRST_HT
    }

    /// In units of 100 kbit/s; HT rates as at 20 MHz with the long guard interval.
    pub fn hundred_kbps(self) -> u16 {
        RATES.get(usize::from(self.0)).copied().unwrap_or(0)
    }
}

impl fmt::Display for RateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(mcs) = self.mcs() {
            return write!(f, "MCS{mcs}");
        }
        let rate = self.hundred_kbps();
        match rate % 10 {
            0 => write!(f, "{} Mbit/s", rate / 10),
            tenths => write!(f, "{}.{tenths} Mbit/s", rate / 10),
        }
    }
}

/// A rate as the chip reports it: known, or a number that no rate has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReportedRate {
    /// One of the 22 rates.
    Known(RateId),
    /// Something else; not an index into anything.
    Unknown(u8),
}

impl ReportedRate {
    /// From the wire.
    pub const fn from_raw(raw: u8) -> Self {
        match RateId::new(raw) {
            Some(rate) => Self::Known(rate),
            None => Self::Unknown(raw),
        }
    }

    /// As on the wire.
    pub const fn raw(self) -> u8 {
        match self {
            Self::Known(rate) => rate.raw(),
            Self::Unknown(raw) => raw,
        }
    }

    /// The rate, if it is known.
    pub const fn known(self) -> Option<RateId> {
        match self {
            Self::Known(rate) => Some(rate),
            Self::Unknown(_) => None,
        }
    }
}

impl fmt::Display for ReportedRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(rate) => rate.fmt(f),
            Self::Unknown(raw) => write!(f, "rate {raw}"),
        }
    }
}

impl TryFrom<u8> for RateId {
    type Error = WireError;

    fn try_from(raw: u8) -> Result<Self, WireError> {
        Self::new(raw).ok_or(WireError::Rate(raw))
    }
}

/// A set of rates: bit n is rate id n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RateMask(pub u32);

impl RateMask {
    /// No rate.
    pub const NONE: Self = Self(0);
    /// Every legacy rate of 2.4 GHz.
    pub const LEGACY_2G4: Self = Self(0x3FCF);
    /// Every legacy rate of 5 GHz.
    pub const LEGACY_5G: Self = Self(0x3FC0);
    /// MCS 0 to 7.
    pub const HT: Self = Self(0x003F_C000);
    /// Whatever the chip wants: used when the peer is unknown (file 20, section 9.3).
    pub const ANY: Self = Self(u32::MAX);

    /// Whether `rate` is in the set.
    pub const fn contains(self, rate: RateId) -> bool {
        self.0 & Self::NONE.with(rate).0 != 0
    }

    /// The set with `rate` added.
    #[must_use]
    pub const fn with(self, rate: RateId) -> Self {
        // In const context there is no lossless conversion; the bytes are those of the id.
        let shift = u32::from_le_bytes([rate.raw(), 0, 0, 0]);
        Self(self.0 | 1_u32.wrapping_shl(shift))
    }

    /// The rates of the set, slowest id first. Bits above the last rate are ignored.
    pub fn iter(self) -> impl Iterator<Item = RateId> {
        (0..=LAST)
            .filter_map(RateId::new)
            .filter(move |rate| self.contains(*rate))
    }
}

impl fmt::Display for RateMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rates {:#x}", self.0)
    }
}

/// Index of one of the eight rate policies (MIB 0x1016), 0 to 7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RatePolicyIndex(u8);

impl RatePolicyIndex {
    /// How many there are.
    pub const COUNT: usize = 8;
    /// Policy 0.
    pub const FIRST: Self = Self(0);

    /// `None` above 7.
    pub const fn new(raw: u8) -> Option<Self> {
        if raw <= 7 {
            Some(Self(raw))
        } else {
            None
        }
    }

    /// 0 to 7.
    pub const fn raw(self) -> u8 {
        self.0
    }

    /// As an index into a table with one entry for each policy.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    pub(super) const fn from_bits(bits: u8) -> Self {
        Self(bits & 7)
    }

    pub(super) const fn into_bits(self) -> u8 {
        self.0
    }
}

impl fmt::Display for RatePolicyIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_two_rates_exist() {
        assert_eq!((0..=u8::MAX).filter_map(RateId::new).count(), 22);
        assert_eq!(RateId::try_from(22), Err(WireError::Rate(22)));
        assert_eq!(ReportedRate::from_raw(22), ReportedRate::Unknown(22));
        assert_eq!(ReportedRate::from_raw(22).raw(), 22);
        assert_eq!(ReportedRate::from_raw(21).known(), RateId::from_mcs(7));
    }

    #[test]
    fn names_are_what_people_say() {
        assert_eq!(RateId::CCK_5_5.to_string(), "5.5 Mbit/s");
        assert_eq!(RateId::OFDM_54.to_string(), "54 Mbit/s");
        assert_eq!(RateId::new(14).unwrap().to_string(), "MCS0");
        assert_eq!(ReportedRate::from_raw(99).to_string(), "rate 99");
    }

    #[test]
    fn mcs_and_rate_id_agree() {
        for mcs in 0..8 {
            assert_eq!(RateId::from_mcs(mcs).unwrap().mcs(), Some(mcs));
            assert!(RateId::from_mcs(mcs).unwrap().is_ht());
        }
        assert_eq!(RateId::from_mcs(8), None);
        assert_eq!(RateId::OFDM_54.mcs(), None);
        assert!(RateId::OFDM_54.is_ofdm() && !RateId::CCK_11.is_ofdm());
    }

    #[test]
    fn the_full_masks_hold_exactly_their_rates() {
        let ids = |mask: RateMask| mask.iter().map(RateId::raw).collect::<Vec<_>>();
        assert_eq!(
            ids(RateMask::LEGACY_2G4),
            [0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13]
        );
        assert_eq!(ids(RateMask::LEGACY_5G), [6, 7, 8, 9, 10, 11, 12, 13]);
        assert_eq!(ids(RateMask::HT), [14, 15, 16, 17, 18, 19, 20, 21]);
        assert_eq!(RateMask::ANY.iter().count(), 22);
        let built = RateMask::HT.iter().fold(RateMask::NONE, RateMask::with);
        assert_eq!(built, RateMask::HT);
    }

    #[test]
    fn eight_policies_exist() {
        assert_eq!((0..=u8::MAX).filter_map(RatePolicyIndex::new).count(), 8);
    }
}
