//! Channel access parameters per access category.
//!
//! | AC | AIFSN | CWmin | CWmax | TXOP (32 µs) |
//! |---|---|---|---|---|
//! | VO | 2 | 3 | 7 | 47 |
//! | VI | 2 | 7 | 15 | 94 |
//! | BE | 3 | 15 | 1023 | 0 |
//! | BK | 7 | 15 | 1023 | 0 |
//!
//! Source: file 31, section 3.1; file 20, section 9.5.

use crate::types::{AccessCategory, ACCESS_CATEGORIES};

/// Life time of a received frame in the chip, in the chip's units, for every category (file 20, section 9.5).
pub const RX_LIFETIME: u32 = 200;

/// How one access category contends for the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdcaParameters {
    /// Slots of the inter-frame space.
    pub aifs_number: u8,
    /// Smallest contention window, in slots.
    pub cw_min: u16,
    /// Largest contention window, in slots.
    pub cw_max: u16,
    /// Transmit opportunity in units of 32 µs, as 802.11 has it; 0 is one frame.
    pub txop: u16,
    /// The access point delivers frames of this category on trigger frames (U-APSD).
    pub uapsd: bool,
}

impl EdcaParameters {
    /// Transmit opportunity in microseconds. Limits above 2047 units do not fit into the message and become the
    /// longest that does, instead of wrapping to a short one (file 20, D49).
    pub const fn txop_micros(&self) -> u16 {
        self.txop.saturating_mul(32)
    }
}

/// The parameters of all four categories of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdcaSet {
    categories: [EdcaParameters; ACCESS_CATEGORIES],
}

impl Default for EdcaSet {
    fn default() -> Self {
        let category = |aifs_number, cw_min, cw_max, txop| EdcaParameters {
            aifs_number,
            cw_min,
            cw_max,
            txop,
            uapsd: false,
        };
        Self {
            categories: [
                category(2, 3, 7, 47),
                category(2, 7, 15, 94),
                category(3, 15, 1023, 0),
                category(7, 15, 1023, 0),
            ],
        }
    }
}

impl EdcaSet {
    /// Parameters of a category.
    pub fn category(&self, category: AccessCategory) -> EdcaParameters {
        let [voice, video, best_effort, background] = self.categories;
        match category {
            AccessCategory::Voice => voice,
            AccessCategory::Video => video,
            AccessCategory::BestEffort => best_effort,
            AccessCategory::Background => background,
        }
    }

    /// Changes a category.
    pub fn set(&mut self, category: AccessCategory, parameters: EdcaParameters) {
        if let Some(entry) = self.categories.get_mut(category.index()) {
            *entry = parameters;
        }
    }

    /// The four categories in the order of the message: background, best effort, video, voice (file 20, section 9.5).
    pub fn in_message_order(&self) -> [EdcaParameters; ACCESS_CATEGORIES] {
        let [voice, video, best_effort, background] = self.categories;
        [background, best_effort, video, voice]
    }

    /// U-APSD flags as the chip has them: bit 0 background, 1 best effort, 2 video, 3 voice (file 21, section 2.18).
    pub fn uapsd_flags(&self) -> u16 {
        self.in_message_order()
            .iter()
            .zip([1, 2, 4, 8])
            .filter(|(category, _)| category.uapsd)
            .fold(0, |flags, (_, bit)| flags | bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_txop_that_does_not_fit_becomes_the_longest_and_does_not_wrap_d49() {
        let mut parameters = EdcaSet::default().category(AccessCategory::Voice);
        assert_eq!(parameters.txop_micros(), 1504);
        parameters.txop = 2048;
        assert_eq!(parameters.txop_micros(), u16::MAX);
    }

    #[test]
    fn uapsd_bits_count_from_background() {
        let mut set = EdcaSet::default();
        assert_eq!(set.uapsd_flags(), 0);
        for (category, bit) in AccessCategory::ALL.into_iter().zip([8, 4, 2, 1]) {
            let mut only = set;
            let mut parameters = only.category(category);
            parameters.uapsd = true;
            only.set(category, parameters);
            assert_eq!(only.uapsd_flags(), bit);
        }
        set.set(
            AccessCategory::Background,
            EdcaParameters {
                aifs_number: 1,
                cw_min: 2,
                cw_max: 3,
                txop: 4,
                uapsd: false,
            },
        );
        assert_eq!(set.in_message_order()[0].cw_max, 3);
    }
}
