//! Small quantities that many messages share: time units, powers, addresses, link ids, queues.

use super::code::closed_enum;
use super::error::WireError;
use core::fmt;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A time in 802.11 time units of 1024 µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tu(pub u32);

impl Tu {
    /// As a duration.
    pub const fn duration(self) -> bes_hal::Duration {
        // A product that does not fit would need 2^54 units; the wire has 2^32.
        let [a, b, c, d] = self.0.to_le_bytes();
        let units = u64::from_le_bytes([a, b, c, d, 0, 0, 0, 0]);
        bes_hal::Duration::from_micros(units.saturating_mul(1024))
    }
}

impl fmt::Display for Tu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} TU", self.0)
    }
}

/// A power in dBm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dbm(pub i8);

impl fmt::Display for Dbm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} dBm", self.0)
    }
}

/// A power in tenths of a dBm, as transmit powers are given to the chip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeciDbm(pub i32);

impl DeciDbm {
    /// From the word on the wire, two's complement.
    pub(super) const fn from_bits(bits: u32) -> Self {
        Self(i32::from_le_bytes(bits.to_le_bytes()))
    }

    /// The word on the wire, two's complement.
    pub(super) const fn into_bits(self) -> u32 {
        u32::from_le_bytes(self.0.to_le_bytes())
    }
}

impl fmt::Display for DeciDbm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        write!(f, "{sign}{}.{} dBm", magnitude / 10, magnitude % 10)
    }
}

/// An IEEE 802 MAC address.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(C)]
pub struct MacAddress(pub [u8; 6]);

impl From<[u8; 6]> for MacAddress {
    fn from(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// An 802.11 channel number as the chip takes it: 1 to 14 at 2.4 GHz, above at 5 GHz.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelNumber(pub u16);

impl ChannelNumber {
    /// The band of the channel (file 20, section 12.7).
    pub const fn band(self) -> Band {
        if self.0 <= 14 {
            Band::TwoPointFourGhz
        } else {
            Band::FiveGhz
        }
    }
}

impl fmt::Display for ChannelNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "channel {}", self.0)
    }
}

closed_enum! {
    /// Frequency band (file 20, section 4.3).
    pub enum Band: u8 {
        /// 2.4 GHz.
        TwoPointFourGhz = 0 => "2.4 GHz",
        /// 5 GHz.
        FiveGhz = 1 => "5 GHz",
    }
}

/// Number of a station in the chip: 0 is the own BSS, the access point or multicast; 1 to 14 are stations of an
/// access point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(u8);

impl LinkId {
    /// Own BSS, or multicast.
    pub const BSS: Self = Self(0);
    /// The largest one.
    pub const MAX: Self = Self(14);

    /// From the id on the wire.
    ///
    /// # Errors
    ///
    /// [`WireError::LinkId`] above 14.
    pub const fn new(raw: u8) -> Result<Self, WireError> {
        if raw <= Self::MAX.0 {
            Ok(Self(raw))
        } else {
            Err(WireError::LinkId(raw))
        }
    }

    /// The id on the wire.
    pub const fn raw(self) -> u8 {
        self.0
    }

    /// As an index into a table with 15 entries.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link {}", self.0)
    }
}

/// An access category, which the chip, Linux and the EDCA tables number in three ways (file 20, sections 4.3 and 9.5).
///
/// | category | WSM | Linux | EDCA table |
/// |---|---|---|---|
/// | voice | 3 | 0 | 3 |
/// | video | 2 | 1 | 2 |
/// | best effort | 0 | 2 | 1 |
/// | background | 1 | 3 | 0 |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueId {
    /// Voice.
    Voice,
    /// Video.
    Video,
    /// Best effort.
    BestEffort,
    /// Background.
    Background,
}

impl QueueId {
    /// All of them, in the order of Linux.
    pub const ALL: [Self; 4] = [Self::Voice, Self::Video, Self::BestEffort, Self::Background];

    /// The number that the chip uses.
    pub const fn wsm(self) -> u8 {
        match self {
            Self::BestEffort => 0,
            Self::Background => 1,
            Self::Video => 2,
            Self::Voice => 3,
        }
    }

    /// From the number that the chip uses; higher bits are ignored.
    pub const fn from_wsm(raw: u8) -> Self {
        match raw & 3 {
            0 => Self::BestEffort,
            1 => Self::Background,
            2 => Self::Video,
            _ => Self::Voice,
        }
    }

    /// The number that Linux uses, which packet ids carry.
    pub const fn linux(self) -> u8 {
        match self {
            Self::Voice => 0,
            Self::Video => 1,
            Self::BestEffort => 2,
            Self::Background => 3,
        }
    }

    /// From the number that Linux uses.
    ///
    /// # Errors
    ///
    /// [`WireError::Value`] above 3.
    pub const fn from_linux(raw: u8) -> Result<Self, WireError> {
        match raw {
            0 => Ok(Self::Voice),
            1 => Ok(Self::Video),
            2 => Ok(Self::BestEffort),
            3 => Ok(Self::Background),
            _ => Err(WireError::Value),
        }
    }

    /// The place in the tables of SET_EDCA_PARAMETERS.
    pub const fn edca_index(self) -> usize {
        match self {
            Self::Background => 0,
            Self::BestEffort => 1,
            Self::Video => 2,
            Self::Voice => 3,
        }
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Voice => "VO",
            Self::Video => "VI",
            Self::BestEffort => "BE",
            Self::Background => "BK",
        })
    }
}

/// Text of fixed size, padded with NULs, that came from outside: printable characters as they are, others as dots.
pub(super) struct Text<'a>(pub(super) &'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.iter().take_while(|byte| **byte != 0) {
            let shown = if byte.is_ascii_graphic() || *byte == b' ' {
                char::from(*byte)
            } else {
                '.'
            };
            write!(f, "{shown}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_numberings_of_queues_agree_with_the_specification() {
        // Map Linux to WSM: 0 to 3, 1 to 2, 2 to 0, 3 to 1.
        for (linux, wsm) in [(0, 3), (1, 2), (2, 0), (3, 1)] {
            let queue = QueueId::from_linux(linux).unwrap();
            assert_eq!(queue.wsm(), wsm);
            assert_eq!(QueueId::from_wsm(wsm), queue);
            assert_eq!(queue.edca_index(), usize::from(3 - linux));
        }
        assert_eq!(QueueId::from_linux(4), Err(WireError::Value));
    }

    #[test]
    fn fifteen_link_ids_exist() {
        assert_eq!(
            (0..=u8::MAX)
                .filter(|raw| LinkId::new(*raw).is_ok())
                .count(),
            15
        );
        assert_eq!(LinkId::new(15), Err(WireError::LinkId(15)));
    }

    #[test]
    fn quantities_are_shown_with_their_units() {
        assert_eq!(Tu(100).to_string(), "100 TU");
        assert_eq!(Dbm(-50).to_string(), "-50 dBm");
        assert_eq!(DeciDbm(200).to_string(), "20.0 dBm");
        assert_eq!(DeciDbm(-5).to_string(), "-0.5 dBm");
        assert_eq!(
            MacAddress([2, 0x11, 0x22, 0x33, 0x44, 0x55]).to_string(),
            "02:11:22:33:44:55"
        );
        assert_eq!(Text(b"a b\x01\0c").to_string(), "a b.");
    }

    #[test]
    fn a_time_unit_is_1024_microseconds() {
        assert_eq!(Tu(100).duration(), bes_hal::Duration::from_micros(102_400));
        assert_eq!(
            Tu(u32::MAX).duration(),
            bes_hal::Duration::from_micros(u64::from(u32::MAX) * 1024)
        );
    }

    #[test]
    fn channel_numbers_know_their_band() {
        assert_eq!(ChannelNumber(14).band(), Band::TwoPointFourGhz);
        assert_eq!(ChannelNumber(36).band(), Band::FiveGhz);
    }
}
