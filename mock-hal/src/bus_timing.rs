//! What a bus command costs in virtual time.

use bes_hal::sdio::Count;
use std::time::Duration;

/// Timing model of the SDIO bus and its host controller. Every figure is a setting.
///
/// A CMD52 costs [`command`](Self::command). A CMD53 costs the same and, for each block, its bits on the data lines
/// plus [`block_overhead_clocks`](Self::block_overhead_clocks); a transfer in byte mode is one short block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusTiming {
    /// Data lines: 1 or 4.
    pub width_bits: u8,
    /// Bus clock in hertz; 0 makes data free.
    pub clock_hz: u32,
    /// Command and response on the command line, plus what the host controller needs around them.
    pub command: Duration,
    /// Clocks per block besides its bytes: start and end bit and CRC-16 on each line.
    pub block_overhead_clocks: u32,
}

impl BusTiming {
    /// 4 bit at 50 MHz, 8 µs per command, 18 clocks per block.
    pub const HIGH_SPEED: Self = Self {
        width_bits: 4,
        clock_hz: 50_000_000,
        command: Duration::from_micros(8),
        block_overhead_clocks: 18,
    };

    /// Nothing costs anything.
    pub const NONE: Self = Self {
        width_bits: 4,
        clock_hz: 0,
        command: Duration::ZERO,
        block_overhead_clocks: 0,
    };

    /// Cost of one CMD52.
    pub const fn register_access(&self) -> Duration {
        self.command
    }

    /// Cost of one CMD53 that moves `count`.
    pub fn data(&self, count: Count) -> Duration {
        let (blocks, bytes) = match count {
            Count::Bytes(bytes) => (1, u64::from(bytes)),
            Count::Blocks(blocks) => (u64::from(blocks), Count::BLOCK_SIZE as u64),
        };
        if self.clock_hz == 0 {
            return self.command;
        }
        let width = u64::from(self.width_bits.max(1));
        let clocks = blocks * ((bytes * 8).div_ceil(width) + u64::from(self.block_overhead_clocks));
        self.command + Duration::from_nanos(clocks * 1_000_000_000 / u64::from(self.clock_hz))
    }

    /// Bytes per second on the data lines without any overhead; `None` if data is free.
    pub fn raw_bytes_per_second(&self) -> Option<f64> {
        (self.clock_hz != 0).then(|| f64::from(self.clock_hz) * f64::from(self.width_bits) / 8.0)
    }
}

impl Default for BusTiming {
    fn default() -> Self {
        Self::HIGH_SPEED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_moves_25_megabytes_per_second_at_most() {
        assert_eq!(
            BusTiming::default().raw_bytes_per_second(),
            Some(25_000_000.0)
        );
    }

    /// 51 blocks of 1024 data clocks and 18 more at 20 ns each, and the command: file 50, section 2, "about 1.1 ms".
    #[test]
    fn a_full_burst_takes_as_long_as_its_clocks() {
        let cost = BusTiming::default().data(Count::Blocks(51));
        assert_eq!(cost, Duration::from_nanos(51 * 1042 * 20 + 8_000));
    }

    #[test]
    fn byte_mode_is_one_short_block() {
        let timing = BusTiming::default();
        assert_eq!(
            timing.data(Count::Bytes(8)),
            Duration::from_nanos((16 + 18) * 20 + 8_000)
        );
        assert_eq!(
            timing.data(Count::Bytes(512)),
            timing.data(Count::Blocks(1))
        );
    }

    #[test]
    fn none_is_free() {
        assert_eq!(BusTiming::NONE.data(Count::Blocks(64)), Duration::ZERO);
        assert_eq!(BusTiming::NONE.register_access(), Duration::ZERO);
    }
}
