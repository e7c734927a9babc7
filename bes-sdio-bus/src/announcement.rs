//! The announcement byte at 0x001: is there a burst, and how long is it (file 10, sections 3.2 and 5.2)?
//!
//! ```text
//!   7        6                       0
//!   toggle   length in 512-byte blocks
//! ```

use crate::toggle::Toggle;

/// Most blocks that an announcement may name. The byte has room for 127, but no chip may exceed 32 KiB (file 10,
/// section 15, item 13), and a larger burst would not fit any buffer (trap T1).
pub const MAX_BLOCKS: u8 = 64;

/// What one look at the announcement byte means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Announcement {
    /// A burst of this many blocks, 1 to [`MAX_BLOCKS`], waits.
    Burst(u8),
    /// The announcement was consumed already: look again.
    Stale,
    /// Nothing; the flag at 0x000 says whether this is genuine.
    Nothing,
    /// A new announcement of more than [`MAX_BLOCKS`] blocks.
    Oversized(u8),
}

impl Announcement {
    /// Reads the byte; `expected` is the toggle of the next announcement.
    pub const fn parse(byte: u8, expected: Toggle) -> Self {
        let blocks = byte & 0x7F;
        if blocks == 0 {
            Self::Nothing
        } else if !expected.expects(byte & 0x80 != 0) {
            Self::Stale
        } else if blocks > MAX_BLOCKS {
            Self::Oversized(blocks)
        } else {
            Self::Burst(blocks)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn t1_more_than_64_blocks_is_oversized() {
        let expected = Toggle::default();
        assert_eq!(Announcement::parse(64, expected), Announcement::Burst(64));
        assert_eq!(
            Announcement::parse(65, expected),
            Announcement::Oversized(65)
        );
        assert_eq!(
            Announcement::parse(0x7F, expected),
            Announcement::Oversized(127)
        );
    }

    /// File 10, section 16.1.
    #[test]
    fn the_worked_example_announces_three_blocks() {
        let mut expected = Toggle::default();
        assert_eq!(Announcement::parse(0x83, expected), Announcement::Stale);
        expected.advance();
        assert_eq!(Announcement::parse(0x83, expected), Announcement::Burst(3));
        assert_eq!(Announcement::parse(0x00, expected), Announcement::Nothing);
        assert_eq!(Announcement::parse(0x80, expected), Announcement::Nothing);
    }

    proptest! {
        #[test]
        fn every_byte_has_exactly_one_meaning(byte: u8, flipped: bool) {
            let mut expected = Toggle::default();
            if flipped {
                expected.advance();
            }
            let blocks = byte & 0x7F;
            match Announcement::parse(byte, expected) {
                Announcement::Burst(n) => prop_assert!(n == blocks && (1..=64).contains(&n)),
                Announcement::Oversized(n) => prop_assert!(n == blocks && n > 64),
                Announcement::Nothing => prop_assert_eq!(blocks, 0),
                Announcement::Stale => prop_assert!(blocks != 0 && (byte >= 0x80) != flipped),
            }
        }
    }
}
