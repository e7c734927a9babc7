//! The 802.11 quantities that every part of this crate speaks of.
//!
//! Each type can only hold what is allowed, so that nothing behind it has to check again: an access category is one
//! of four, a link id is 0 to 14, a channel is one the chip knows.

use bes_hal::Duration;
use bes_wsm::wire::unit::QueueId;
use core::fmt;

pub use crate::address::AddressError;
pub use crate::channel::{Bandwidth, Channel, ChannelType};
pub use crate::rate::{RateIndex, RateSeries, TxRate};
pub use bes_wsm::wire::unit::{Band, Dbm, LinkId, MacAddress};

/// Number of access categories.
pub const ACCESS_CATEGORIES: usize = 4;

/// An access category, in the order of Linux: the lower the number, the more urgent (specification: file 20,
/// section 4.3, "Queue index").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccessCategory {
    /// AC_VO.
    Voice,
    /// AC_VI.
    Video,
    /// AC_BE.
    BestEffort,
    /// AC_BK.
    Background,
}

impl AccessCategory {
    /// All four, the most urgent first.
    pub const ALL: [Self; ACCESS_CATEGORIES] =
        [Self::Voice, Self::Video, Self::BestEffort, Self::Background];

    /// From the queue index of Linux, 0 to 3.
    pub const fn from_index(index: u8) -> Option<Self> {
        match index {
            0 => Some(Self::Voice),
            1 => Some(Self::Video),
            2 => Some(Self::BestEffort),
            3 => Some(Self::Background),
            _ => None,
        }
    }

    /// The category of a traffic identifier (802.11, table "UP-to-AC mappings"). TIDs 8 to 15 are best effort.
    pub const fn of_tid(tid: Tid) -> Self {
        match tid.0 {
            1 | 2 => Self::Background,
            4 | 5 => Self::Video,
            6 | 7 => Self::Voice,
            _ => Self::BestEffort,
        }
    }

    /// Queue index of Linux, 0 to 3; also what stands in a packet id (file 20, section 12.2).
    pub const fn index(self) -> usize {
        match self {
            Self::Voice => 0,
            Self::Video => 1,
            Self::BestEffort => 2,
            Self::Background => 3,
        }
    }

    /// [`index`](Self::index) as a byte.
    pub const fn number(self) -> u8 {
        match self {
            Self::Voice => 0,
            Self::Video => 1,
            Self::BestEffort => 2,
            Self::Background => 3,
        }
    }

    /// The queue of the messages (file 20, section 4.3).
    pub const fn queue(self) -> QueueId {
        match self {
            Self::Voice => QueueId::Voice,
            Self::Video => QueueId::Video,
            Self::BestEffort => QueueId::BestEffort,
            Self::Background => QueueId::Background,
        }
    }

    /// How long a frame of this category may wait in the host (file 30, section 3.8.1).
    pub const fn time_to_live(self) -> Duration {
        match self {
            Self::Voice => Duration::from_secs(1),
            Self::Video => Duration::from_secs(2),
            Self::BestEffort => Duration::from_secs(5),
            Self::Background => Duration::from_secs(10),
        }
    }
}

impl fmt::Display for AccessCategory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Voice => "VO",
            Self::Video => "VI",
            Self::BestEffort => "BE",
            Self::Background => "BK",
        })
    }
}

/// Traffic identifier, 0 to 15.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tid(u8);

impl Tid {
    /// `tid` if it is at most 15.
    pub const fn new(tid: u8) -> Option<Self> {
        if tid <= 15 {
            Some(Self(tid))
        } else {
            None
        }
    }

    /// From the first byte of a QoS control field.
    pub const fn from_qos_control(byte: u8) -> Self {
        Self(byte & 0x0F)
    }

    /// The number, 0 to 15.
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// Ciphers that the chip handles (file 30, section 1.5; WAPI: file 20, section 12.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cipher {
    /// WEP-40 and WEP-104.
    Wep,
    /// TKIP.
    Tkip,
    /// CCMP-128.
    Ccmp,
    /// WAPI SMS4.
    Wapi,
    /// BIP with AES-CMAC-128: protects group management frames without changing their length here.
    AesCmac,
}

/// The key in the chip that protects a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HardwareKey {
    /// Cipher of the key.
    pub cipher: Cipher,
    /// Key index of 802.11, 0 to 5; what a WEP frame's default key must be.
    pub index: u8,
}

/// What the stack says about a frame on its way down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxInfo {
    /// Queue that the stack chose.
    pub access_category: AccessCategory,
    /// Rates to try, in order; empty means that the driver chooses (its own null frames: file 30, D11).
    pub rates: RateSeries,
    /// Band of the channel the frame is sent on. It comes with the frame, because it need not be that of the channel
    /// the device happens to be on (file 30, D15).
    pub band: Band,
    /// Key of the chip that the frame is to be encrypted with; `None` leaves the frame as it is.
    pub key: Option<HardwareKey>,
    /// Station that the frame goes to, in AP mode; [`LinkId::BSS`] otherwise.
    pub link: LinkId,
}

impl TxInfo {
    /// A frame without key and rates for the own BSS.
    pub const fn new(access_category: AccessCategory, band: Band) -> Self {
        Self {
            access_category,
            rates: RateSeries::EMPTY,
            band,
            key: None,
            link: LinkId::BSS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_codes_are_those_of_the_chip_and_tids_map_as_802_11_says() {
        let codes = AccessCategory::ALL.map(|ac| ac.queue().wsm());
        assert_eq!(codes, [3, 2, 0, 1]);
        for (index, category) in AccessCategory::ALL.into_iter().enumerate() {
            assert_eq!(category.index(), index);
            assert_eq!(
                AccessCategory::from_index(category.number()),
                Some(category)
            );
        }
        assert_eq!(AccessCategory::from_index(4), None);
        let map: Vec<String> = (0..8)
            .map(|tid| AccessCategory::of_tid(Tid::new(tid).unwrap()).to_string())
            .collect();
        assert_eq!(map, ["BE", "BK", "BK", "BE", "VI", "VI", "VO", "VO"]);
    }
}
