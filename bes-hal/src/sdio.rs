//! The lower seam: one SDIO function, its wake line, its power and its time.
//!
//! A platform implements [`SdioFunction`] once. Calls block until the command has ended; nothing else may use the
//! function meanwhile, because its owner is one value that is never shared.

use crate::error::SdioError;
use crate::frame::RxBuffer;
use crate::time::Instant;
use core::fmt;

/// How much a CMD53 moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Count {
    /// Byte mode, 1 to 512 bytes. On the wire 512 is written as 0.
    Bytes(u16),
    /// Block mode, 1 to 511 blocks of 512 bytes.
    Blocks(u16),
}

impl Count {
    /// Size of a block in bytes. The protocol works with no other (specification: file 10, section 2).
    pub const BLOCK_SIZE: usize = 512;

    /// Bytes on the wire.
    pub fn bytes(self) -> usize {
        match self {
            Self::Bytes(bytes) => usize::from(bytes),
            Self::Blocks(blocks) => usize::from(blocks).saturating_mul(Self::BLOCK_SIZE),
        }
    }
}

/// Direction of a data transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Chip to host.
    Read,
    /// Host to chip.
    Write,
}

/// One CMD53 of this function, always with incrementing address (OP code 1).
///
/// Specification: file 10, section 4.1. What the 17 bits of `address` mean is the caller's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cmd53 {
    /// 17-bit address field.
    pub address: u32,
    /// How much moves.
    pub count: Count,
}

impl Cmd53 {
    /// The 32-bit argument as it stands on the command line, for function 1.
    pub fn argument(self, direction: Direction) -> u32 {
        let (block_mode, count) = match self.count {
            Count::Bytes(bytes) => (0, u32::from(bytes)),
            Count::Blocks(blocks) => (1 << 27, u32::from(blocks)),
        };
        let write = match direction {
            Direction::Read => 0,
            Direction::Write => 1 << 31,
        };
        write | 1 << 28 | block_mode | 1 << 26 | (self.address & 0x1_FFFF) << 9 | count & 0x1FF
    }
}

impl fmt::Display for Cmd53 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            Count::Bytes(bytes) => write!(f, "address {:#07x}, {bytes} bytes", self.address),
            Count::Blocks(blocks) => write!(f, "address {:#07x}, {blocks} blocks", self.address),
        }
    }
}

/// What the host controller can do. A platform states it once; the transport chooses its way by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostLimits {
    /// Most blocks of one CMD53, 1 to 511.
    pub max_blocks: u16,
    /// Most segments of one scattered write. With 1 the transport puts messages together in a buffer of its own before it
    /// writes them, once each; with more it copies nothing.
    pub max_segments: u16,
    /// Whether card and host do block mode with several blocks (CCCR SMB).
    pub multi_block: bool,
}

impl Default for HostLimits {
    fn default() -> Self {
        Self {
            max_blocks: 511,
            max_segments: 64,
            multi_block: true,
        }
    }
}

/// One SDIO function with its side lines: what a platform provides.
///
/// # Errors
///
/// Each bus operation fails with what the platform saw, once: retries are the transport's decision. After
/// [`SdioError::NoCard`] every later operation fails the same way until the platform detects a card again.
///
/// A failed [`read_data`](Self::read_data) or [`write_data`](Self::write_data) may or may not have moved the data
/// (specification: file 50, section 3.14).
pub trait SdioFunction {
    /// A burst buffer, as the stack above will take it.
    type Buffer: RxBuffer;

    /// Time now.
    fn now(&self) -> Instant;

    /// What the host controller can do.
    fn limits(&self) -> HostLimits;

    /// CMD52 read of the 17-bit `address`.
    fn read_register(&mut self, address: u32) -> Result<u8, SdioError>;

    /// CMD52 write without read-back.
    fn write_register(&mut self, address: u32, value: u8) -> Result<(), SdioError>;

    /// A buffer of `len` bytes for [`read_data`](Self::read_data), from wherever the platform gets memory that can
    /// be handed up. Fails with [`SdioError::NoMemory`].
    fn allocate(&mut self, len: usize) -> Result<Self::Buffer, SdioError>;

    /// CMD53 read. Fills `buffer`, whose length is `command.count.bytes()`.
    fn read_data(&mut self, command: Cmd53, buffer: &mut [u8]) -> Result<(), SdioError>;

    /// CMD53 write of `segments` one after the other; together they have `command.count.bytes()` bytes.
    fn write_data(&mut self, command: Cmd53, segments: &[&[u8]]) -> Result<(), SdioError>;

    /// Enables the function and its interrupt in the CCCR. Done already is done.
    fn enable(&mut self) -> Result<(), SdioError>;

    /// Disables interrupt and function.
    fn disable(&mut self) -> Result<(), SdioError>;

    /// Whether the card has raised its interrupt since the last call. The platform rings the owner's doorbell when
    /// it happens; this tells the owner why.
    fn take_interrupt(&mut self) -> bool;

    /// Forbids (`true`) or allows (`false`) re-tuning of the bus clock between commands. Linux:
    /// `sdio_retune_hold_now`, `sdio_retune_release`. Hosts that never re-tune do nothing.
    fn hold_tuning(&mut self, hold: bool);

    /// Ends the transfer of the function that the card may still believe to be under way (CCCR, IO abort). What was read or
    /// written so far is void; registers, interrupt and everything above stay as they are. Linux: a write of the function's
    /// number to `SDIO_CCCR_ABORT`. A platform that cannot do it says [`SdioError::Unsupported`].
    fn abort(&mut self) -> Result<(), SdioError> {
        Err(SdioError::Unsupported)
    }

    /// Has the bus tuned again before its next command, or its clock lowered if that is what the platform does about
    /// commands that fail with [`SdioError::Crc`]. Linux: `mmc_retune_needed`. A platform that cannot do either says
    /// [`SdioError::Unsupported`].
    fn retune(&mut self) -> Result<(), SdioError> {
        Err(SdioError::Unsupported)
    }

    /// Asserts (`true`) or releases (`false`) the wake line, in logical levels: polarity is the platform's. A
    /// platform without the line does nothing.
    fn set_wake_line(&mut self, asserted: bool);

    /// Switches the card's power, or [`SdioError::Unsupported`].
    fn set_power(&mut self, on: bool) -> Result<(), SdioError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked examples of the specification: file 10, sections 16.1 and 16.2; file 11, section 6.2.
    #[test]
    fn arguments_match_the_worked_examples() {
        let read = |address, count| Cmd53 { address, count }.argument(Direction::Read);
        let write = |address, count| Cmd53 { address, count }.argument(Direction::Write);
        assert_eq!(read(0x1_0600, Count::Blocks(3)), 0x1E0C_0003);
        assert_eq!(read(0x0200, Count::Bytes(512)), 0x1404_0000);
        assert_eq!(read(0x1_0200, Count::Bytes(512)), 0x1604_0000);
        assert_eq!(write(0x0400, Count::Blocks(2)), 0x9C08_0002);
        assert_eq!(write(0x0CC3, Count::Blocks(7)), 0x9C19_8607);
        assert_eq!(write(0x1_0CC3, Count::Blocks(7)), 0x9E19_8607);
        assert_eq!(write(0x0200, Count::Bytes(512)), 0x9404_0000);
        assert_eq!(read(8, Count::Bytes(8)), 0x1400_1008);
        assert_eq!(read(0x3B14, Count::Blocks(30)), 0x1C76_281E);
    }
}
