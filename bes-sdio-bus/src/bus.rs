//! Single bus commands with their retries and counters: the only place that touches the platform's bus.

use crate::bounce::WritePath;
use crate::config::Timing;
use crate::regs::{self, DoorbellWord, Status};
use crate::stats::{count, count_by, Stats};
use bes_hal::sdio::{Cmd53, Count, HostLimits, SdioFunction};
use bes_hal::SdioError;

/// Attempts of a CMD52 for status, doorbell and boot registers (file 10, section 14).
const REGISTER_ATTEMPTS: u8 = 30;

/// Attempts of a CMD53 that fails with a CRC error while Wi-Fi is on (file 10, sections 5.2 and 6.5).
pub(crate) const CRC_ATTEMPTS: u8 = 11;

/// Attempts of a CMD53 that fails in another way which may pass, while Wi-Fi is on. Such a command may or may not have
/// moved the data; repeating it with the same toggle is right in both cases, because the chip repeats a burst and
/// drops a duplicate (file 10, section 15, item 9). Fewer, because a host that times out is slow to do so.
pub(crate) const OTHER_ATTEMPTS: u8 = 3;

/// Attempts of a CMD53 while booting, 1 ms apart (file 11, section 3).
pub(crate) const BOOT_ATTEMPTS: u8 = 3;

/// Attempts to enable the function.
const ENABLE_ATTEMPTS: u8 = 3;

/// Most attempts of a data command that failed with `error`.
const fn data_attempts(error: SdioError) -> u8 {
    match error {
        SdioError::Crc => CRC_ATTEMPTS,
        SdioError::Timeout | SdioError::Busy | SdioError::Card => OTHER_ATTEMPTS,
        _ => 1,
    }
}

/// Whether the same command may succeed when it is repeated.
pub(crate) const fn is_transient(error: SdioError) -> bool {
    matches!(
        error,
        SdioError::Crc | SdioError::Timeout | SdioError::Busy | SdioError::Card
    )
}

/// The platform's function with what the transport adds to each command.
pub(crate) struct Bus<S: SdioFunction> {
    pub(crate) function: S,
    pub(crate) stats: Stats,
    pub(crate) timing: Timing,
    pub(crate) limits: HostLimits,
    /// The chip raised its interrupt and nobody has looked yet.
    pub(crate) interrupt: bool,
    tune_held: bool,
    path: WritePath<S::Buffer>,
}

impl<S: SdioFunction> Bus<S> {
    pub(crate) fn new(function: S, timing: Timing) -> Self {
        let limits = function.limits();
        Self {
            function,
            stats: Stats::default(),
            timing,
            limits,
            interrupt: false,
            tune_held: false,
            path: WritePath::for_host(limits),
        }
    }

    /// Whether the interrupt was raised since the last call, seen by whomever.
    pub(crate) fn take_interrupt(&mut self) -> bool {
        let raised = self.function.take_interrupt();
        core::mem::take(&mut self.interrupt) || raised
    }

    /// One CMD52 read, one attempt.
    #[inline]
    pub(crate) fn read_once(&mut self, address: u32) -> Result<u8, SdioError> {
        count(&mut self.stats.cmd52);
        self.function.read_register(address)
    }

    fn with_attempts<T>(
        &mut self,
        mut command: impl FnMut(&mut Self) -> Result<T, SdioError>,
    ) -> Result<T, SdioError> {
        let mut attempt = 1;
        loop {
            match command(self) {
                Err(error) if is_transient(error) && attempt < REGISTER_ATTEMPTS => {
                    attempt = attempt.saturating_add(1);
                    count(&mut self.stats.retries);
                }
                result => return result,
            }
        }
    }

    /// CMD52 read with up to 30 attempts.
    pub(crate) fn read_register(&mut self, address: u32) -> Result<u8, SdioError> {
        self.with_attempts(|bus| bus.read_once(address))
    }

    /// Two CMD52 reads, lowest address first.
    pub(crate) fn read_register_16(&mut self, address: u32) -> Result<u16, SdioError> {
        let low = self.read_register(address)?;
        let high = self.read_register(address.wrapping_add(1))?;
        Ok(u16::from_le_bytes([low, high]))
    }

    fn write_register(&mut self, address: u32, value: u8) -> Result<(), SdioError> {
        self.with_attempts(|bus| {
            count(&mut bus.stats.cmd52);
            bus.function.write_register(address, value)
        })
    }

    /// The status register.
    pub(crate) fn status(&mut self) -> Result<Status, SdioError> {
        self.read_register(regs::STATUS).map(Status::new)
    }

    /// Rings the doorbell: high byte first, the low byte is the trigger.
    pub(crate) fn ring(&mut self, word: DoorbellWord) -> Result<(), SdioError> {
        let [high, low] = word.bytes();
        self.write_register(regs::DOORBELL_HIGH, high)?;
        self.write_register(regs::DOORBELL_LOW, low)?;
        count(&mut self.stats.handshake_rounds);
        Ok(())
    }

    /// Enables function and interrupt.
    pub(crate) fn enable(&mut self) -> Result<(), SdioError> {
        let mut attempt = 1;
        loop {
            match self.function.enable() {
                Err(error) if is_transient(error) && attempt < ENABLE_ATTEMPTS => {
                    attempt = attempt.saturating_add(1);
                    count(&mut self.stats.retries);
                }
                result => return result,
            }
        }
    }

    /// Holds or allows re-tuning; does nothing if it is so already.
    #[inline]
    pub(crate) fn hold_tuning(&mut self, hold: bool) {
        if self.tune_held != hold {
            self.tune_held = hold;
            self.function.hold_tuning(hold);
            if hold {
                count(&mut self.stats.tune_holds);
            }
        }
    }

    /// One CMD53 read, one attempt.
    pub(crate) fn read_data_once(
        &mut self,
        command: Cmd53,
        buffer: &mut [u8],
    ) -> Result<(), SdioError> {
        count(&mut self.stats.cmd53);
        if let Err(error) = self.function.read_data(command, buffer) {
            count(&mut self.stats.data_failures);
            return Err(error);
        }
        count_by(&mut self.stats.bytes_read, buffer.len());
        Ok(())
    }

    /// One CMD53 write, one attempt.
    pub(crate) fn write_data_once(
        &mut self,
        command: Cmd53,
        segments: &[&[u8]],
    ) -> Result<(), SdioError> {
        count(&mut self.stats.cmd53);
        let written = match self.path.collect(&mut self.function, segments)? {
            None => self.function.write_data(command, segments),
            Some(whole) => {
                count_by(&mut self.stats.bytes_copied, whole.len());
                self.function.write_data(command, &[whole])
            }
        };
        if let Err(error) = written {
            count(&mut self.stats.data_failures);
            return Err(error);
        }
        count_by(&mut self.stats.bytes_written, command.count.bytes());
        Ok(())
    }

    /// CMD53 read, repeated as allowed while Wi-Fi is on. The command, and so the toggle in it, stays the same.
    pub(crate) fn read_data(&mut self, command: Cmd53, buffer: &mut [u8]) -> Result<(), SdioError> {
        let mut attempt = 1;
        loop {
            match self.read_data_once(command, buffer) {
                Ok(()) => return Ok(()),
                Err(error) if attempt < data_attempts(error) => {
                    attempt = attempt.saturating_add(1);
                    count(&mut self.stats.retries);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// CMD53 write, repeated as allowed while Wi-Fi is on. The command, and so the toggle in it, stays the same.
    pub(crate) fn write_data(
        &mut self,
        command: Cmd53,
        segments: &[&[u8]],
    ) -> Result<(), SdioError> {
        let mut attempt = 1;
        loop {
            match self.write_data_once(command, segments) {
                Ok(()) => return Ok(()),
                Err(error) if attempt < data_attempts(error) => {
                    attempt = attempt.saturating_add(1);
                    count(&mut self.stats.retries);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// The next command of a transfer with `remaining` bytes, for everything but Wi-Fi writes: how much it moves on the
/// wire, and how many of the `remaining` bytes that is, which is also its L16 (file 10, section 4.2).
///
/// More than 512 bytes go in block mode, the rest in byte mode. A host without multi-block commands gets byte mode
/// only, one with a small block limit gets several commands; each carries its own length.
pub(crate) fn next_chunk(limits: HostLimits, remaining: usize) -> (Count, u16) {
    let block = Count::BLOCK_SIZE;
    if remaining <= block || !limits.multi_block {
        let len = u16::try_from(remaining.min(block)).unwrap_or(0);
        return (Count::Bytes(len), len);
    }
    // 32768 bytes are the longest transfer there is, so 16 bits hold both values.
    let blocks = remaining
        .div_ceil(block)
        .min(usize::from(limits.max_blocks.max(1)))
        .min(MAX_CHUNK_BLOCKS);
    let len = remaining.min(blocks.saturating_mul(block));
    (
        Count::Blocks(u16::try_from(blocks).unwrap_or(1)),
        u16::try_from(len).unwrap_or(0),
    )
}

/// Blocks of the longest chunk whose length fits L16 as a whole number of blocks.
const MAX_CHUNK_BLOCKS: usize = 127;

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(max_blocks: u16, multi_block: bool) -> HostLimits {
        HostLimits {
            max_blocks,
            multi_block,
            ..HostLimits::default()
        }
    }

    #[test]
    fn up_to_512_bytes_go_in_byte_mode_and_more_in_block_mode() {
        let host = limits(511, true);
        assert_eq!(next_chunk(host, 8), (Count::Bytes(8), 8));
        assert_eq!(next_chunk(host, 512), (Count::Bytes(512), 512));
        assert_eq!(next_chunk(host, 1536), (Count::Blocks(3), 1536));
        assert_eq!(next_chunk(host, 15124), (Count::Blocks(30), 15124));
        assert_eq!(next_chunk(host, 1828), (Count::Blocks(4), 1828));
    }

    #[test]
    fn a_host_without_multi_block_moves_512_bytes_at_a_time() {
        let host = limits(511, false);
        assert_eq!(next_chunk(host, 1536), (Count::Bytes(512), 512));
        assert_eq!(next_chunk(host, 292), (Count::Bytes(292), 292));
    }

    #[test]
    fn a_host_with_few_blocks_moves_them_in_turns() {
        let host = limits(8, true);
        assert_eq!(next_chunk(host, 15124), (Count::Blocks(8), 4096));
        assert_eq!(next_chunk(host, 700), (Count::Blocks(2), 700));
        assert_eq!(next_chunk(limits(0, true), 700), (Count::Blocks(1), 512));
    }
}
