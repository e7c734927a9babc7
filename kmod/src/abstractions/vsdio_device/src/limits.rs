// SPDX-License-Identifier: GPL-2.0-only

//! What the virtual host can do.

use crate::abi;
use std::time::Duration;

/// What the host that the card sits in can do. The card chooses it, so that any host can be imitated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most blocks of one CMD53, 1 to 511. 1: no block mode.
    pub max_blocks: u32,
    /// Longest block in bytes, 1 to 2048.
    pub max_block_size: u32,
    /// Most bytes of one command, `max_block_size` to [`abi::DATA_SIZE`].
    pub max_request: u32,
    /// Slowest clock in Hz. The kernel looks for a card at 400, 300, 200 and 100 kHz, as far as this allows.
    pub min_clock: u32,
    /// Fastest clock in Hz, up to 50 MHz.
    pub max_clock: u32,
    /// Four data lines instead of one.
    pub four_bit: bool,
    /// High speed timing.
    pub high_speed: bool,
    /// The kernel switches the card off while it has no driver.
    pub power_off_unused: bool,
    /// Threads that exchange keep running while the system is put to sleep.
    pub awake_in_suspend: bool,
    /// How long a command may wait for its answer, up to a minute; whole milliseconds. `None`: as the module was told.
    pub deadline: Option<Duration>,
}

impl Default for Limits {
    /// A host of today: 511 blocks, 256 KiB, four bits, 50 MHz.
    fn default() -> Self {
        Self {
            max_blocks: abi::MAX_BLOCKS,
            max_block_size: abi::MAX_BLOCK_SIZE,
            max_request: abi::DATA_SIZE as u32,
            min_clock: 400_000,
            max_clock: abi::MAX_CLOCK,
            four_bit: true,
            high_speed: true,
            power_off_unused: false,
            awake_in_suspend: false,
            deadline: None,
        }
    }
}

impl Limits {
    pub(crate) fn insert(&self) -> abi::Insert {
        let flag = |on: bool, bit: u32| if on { bit } else { 0 };
        abi::Insert {
            version: abi::PROTOCOL_VERSION,
            flags: flag(self.four_bit, abi::INSERT_FOUR_BIT)
                | flag(self.high_speed, abi::INSERT_HIGH_SPEED)
                | flag(self.power_off_unused, abi::INSERT_POWER_OFF_UNUSED)
                | flag(self.awake_in_suspend, abi::INSERT_AWAKE_IN_SUSPEND),
            max_blocks: self.max_blocks,
            max_block_size: self.max_block_size,
            max_request: self.max_request,
            min_clock: self.min_clock,
            max_clock: self.max_clock,
            // Never 0 for a deadline that was given: 0 means the module's own.
            deadline_ms: self.deadline.map_or(0, |deadline| {
                u32::try_from(deadline.as_millis().max(1)).unwrap_or(u32::MAX)
            }),
            host: 0,
            reserved: [0; 7],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_below_a_millisecond_is_not_the_module_s_default() {
        let limits = Limits {
            deadline: Some(Duration::from_micros(3)),
            ..Limits::default()
        };
        assert_eq!(limits.insert().deadline_ms, 1);
        assert_eq!(Limits::default().insert().deadline_ms, 0);
    }

    #[test]
    fn every_flag_has_its_bit() {
        let none = Limits {
            four_bit: false,
            high_speed: false,
            ..Limits::default()
        };
        assert_eq!(none.insert().flags, 0);
        let all = Limits {
            four_bit: true,
            high_speed: true,
            power_off_unused: true,
            awake_in_suspend: true,
            ..none
        };
        assert_eq!(all.insert().flags, abi::INSERT_FLAGS);
    }
}
