//! Bands and channels (specification: file 30, section 1.1).

use bes_wsm::wire::unit::{Band, ChannelNumber};
use core::fmt;

/// A channel that the chip knows, by its number (specification: file 30, section 1.1).
///
/// Channels 184 to 196 are those of the 4.9 GHz band, 4920 to 4980 MHz. The numbers 200 to 216 of the C driver's
/// table name nothing: it registered them at 6000 MHz and above (file 30, D27).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel(u8);

impl Channel {
    /// Channel 1, 2412 MHz.
    pub const FIRST: Self = Self(1);

    /// The channel with this number.
    pub const fn new(number: u16) -> Option<Self> {
        let number = match number {
            // Two bytes on the wire, one is enough for every channel there is.
            0..=255 => number.to_le_bytes()[0],
            _ => return None,
        };
        match number {
            1..=14
            | 34
            | 36
            | 38
            | 40
            | 42
            | 44
            | 46
            | 48
            | 52
            | 56
            | 60
            | 64
            | 100
            | 104
            | 108
            | 112
            | 116
            | 120
            | 124
            | 128
            | 132
            | 136
            | 140
            | 149
            | 153
            | 157
            | 161
            | 165
            | 184
            | 188
            | 192
            | 196 => Some(Self(number)),
            _ => None,
        }
    }

    /// The channel with this centre frequency, in MHz.
    pub const fn from_frequency(mhz: u16) -> Option<Self> {
        let number = match mhz {
            2412..=2472 if (mhz.wrapping_sub(2407)) % 5 == 0 => mhz.wrapping_sub(2407) / 5,
            2484 => 14,
            4920..=4980 if mhz % 5 == 0 => mhz.wrapping_sub(4000) / 5,
            5170..=5825 if mhz % 5 == 0 => mhz.wrapping_sub(5000) / 5,
            _ => return None,
        };
        Self::new(number)
    }

    /// The number, as it stands in messages.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The number as messages take it.
    pub const fn wire(self) -> ChannelNumber {
        ChannelNumber(u16::from_le_bytes([self.0, 0]))
    }

    /// The band, by the chip's rule: above 14 is 5 GHz (file 20, section 12.7).
    pub const fn band(self) -> Band {
        if self.0 > 14 {
            Band::FiveGhz
        } else {
            Band::TwoPointFourGhz
        }
    }

    /// Centre frequency in MHz.
    pub const fn frequency(self) -> u16 {
        // The number is in the table above, so nothing here can overflow.
        let number = u16::from_le_bytes([self.0, 0]);
        match self.0 {
            14 => 2484,
            0..=13 => number.wrapping_mul(5).wrapping_add(2407),
            184..=u8::MAX => number.wrapping_mul(5).wrapping_add(4000),
            _ => number.wrapping_mul(5).wrapping_add(5000),
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "channel {} ({} MHz)", self.0, self.frequency())
    }
}

/// Width of a channel and where its second half lies; the values are those of the channel mode in messages (file
/// 20, section 4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChannelType {
    /// 20 MHz, no HT.
    #[default]
    NoHt,
    /// 20 MHz.
    Ht20,
    /// 40 MHz, the second half below.
    Ht40Minus,
    /// 40 MHz, the second half above.
    Ht40Plus,
}

impl ChannelType {
    /// The value in messages.
    pub const fn code(self) -> u8 {
        match self {
            Self::NoHt => 0,
            Self::Ht20 => 1,
            Self::Ht40Minus => 2,
            Self::Ht40Plus => 3,
        }
    }

    /// Whether the channel is 40 MHz wide.
    pub const fn is_40_mhz(self) -> bool {
        matches!(self, Self::Ht40Minus | Self::Ht40Plus)
    }
}

/// Channel width of a received frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bandwidth {
    /// 20 MHz.
    Mhz20,
    /// 40 MHz.
    Mhz40,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_follow_the_band_plan() {
        for (number, mhz) in [(1, 2412), (13, 2472), (14, 2484), (36, 5180), (165, 5825)] {
            let channel = Channel::new(number).unwrap();
            assert_eq!(channel.frequency(), mhz);
            assert_eq!(Channel::from_frequency(mhz), Some(channel));
        }
        assert_eq!(Channel::new(0), None);
        assert_eq!(Channel::new(35), None);
        assert_eq!(Channel::new(0x0101), None);
    }
    #[test]
    fn d27_channels_from_184_lie_in_the_4_9_ghz_band_or_do_not_exist() {
        assert_eq!(Channel::new(184).unwrap().frequency(), 4920);
        assert_eq!(Channel::new(196).unwrap().frequency(), 4980);
        assert_eq!(Channel::from_frequency(4920), Channel::new(184));
        assert_eq!(Channel::new(200), None);
        assert_eq!(Channel::new(216), None);
    }
    #[test]
    fn every_channel_is_found_by_its_frequency() {
        for number in 0..=u16::from(u8::MAX) {
            if let Some(channel) = Channel::new(number) {
                assert_eq!(Channel::from_frequency(channel.frequency()), Some(channel));
            }
        }
    }
}
