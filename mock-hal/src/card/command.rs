//! SDIO commands and responses as they stand on the command line.
//!
//! Layouts: SDIO specification, section 5; what this chip makes of them: file 10, sections 3.1 and 4.1.

use bes_hal::sdio::Count;
use thiserror::Error;

/// Argument of a CMD52.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Command52 {
    pub(crate) write: bool,
    pub(crate) function: u8,
    /// Read after write.
    pub(crate) read_back: bool,
    pub(crate) address: u32,
    pub(crate) data: u8,
}

impl Command52 {
    pub(crate) fn parse(argument: u32) -> Self {
        Self {
            write: argument >> 31 != 0,
            function: (argument >> 28 & 7) as u8,
            read_back: argument >> 27 & 1 != 0,
            address: argument >> 9 & 0x1_FFFF,
            data: argument as u8,
        }
    }

    pub(crate) fn argument(self) -> u32 {
        u32::from(self.write) << 31
            | u32::from(self.function) << 28
            | u32::from(self.read_back) << 27
            | (self.address & 0x1_FFFF) << 9
            | u32::from(self.data)
    }
}

/// Argument of a CMD53.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Command53 {
    pub(crate) write: bool,
    pub(crate) function: u8,
    /// OP code 1.
    pub(crate) incrementing: bool,
    pub(crate) address: u32,
    pub(crate) count: Count,
}

impl Command53 {
    pub(crate) fn parse(argument: u32) -> Self {
        let count = (argument & 0x1FF) as u16;
        let count = match (argument >> 27 & 1, count) {
            (0, 0) => Count::Bytes(512),
            (0, bytes) => Count::Bytes(bytes),
            (_, blocks) => Count::Blocks(blocks),
        };
        Self {
            write: argument >> 31 != 0,
            function: (argument >> 28 & 7) as u8,
            incrementing: argument >> 26 & 1 != 0,
            address: argument >> 9 & 0x1_FFFF,
            count,
        }
    }
}

/// Response R5, bits 15..0: flags in the high byte, data in the low byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct R5(pub u16);

impl R5 {
    /// Flag ERROR: a general error, for instance a function that is not enabled.
    pub const ERROR: u16 = 0x0800;
    /// Flag FUNCTION_NUMBER: there is no such function.
    pub const FUNCTION_NUMBER: u16 = 0x0200;
    /// Flag OUT_OF_RANGE. This chip never sets it (specification: file 10, section 15, item 3).
    pub const OUT_OF_RANGE: u16 = 0x0100;
    /// State of the card in the flags: ready for a command.
    const STATE_COMMAND: u16 = 0x1000;

    pub(crate) const fn good(data: u8) -> Self {
        Self(Self::STATE_COMMAND | data as u16)
    }

    pub(crate) const fn refused(flag: u16) -> Self {
        Self(Self::STATE_COMMAND | flag)
    }

    /// Data of a CMD52.
    pub const fn data(self) -> u8 {
        self.0 as u8
    }

    /// The error flags that are set.
    pub const fn errors(self) -> u16 {
        self.0 & (Self::ERROR | Self::FUNCTION_NUMBER | Self::OUT_OF_RANGE)
    }
}

/// Why a command had no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Silence {
    /// There is no card, or it has no power.
    #[error("no card")]
    NoCard,
    /// The card did not respond on the command line.
    #[error("no response")]
    NoResponse,
    /// The card responded, but no data came or none was taken.
    #[error("no data")]
    NoData,
    /// The response or the data arrived with a wrong CRC, on either side.
    #[error("broken on the way")]
    Broken,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// File 10, section 16.3.
    #[test]
    fn register_arguments_match_the_worked_examples() {
        assert_eq!(
            Command52::parse(0x1002_1800),
            Command52 {
                write: false,
                function: 1,
                read_back: false,
                address: 0x10C,
                data: 0
            }
        );
        let trigger = Command52::parse(0x9002_4021);
        assert!(trigger.write);
        assert_eq!((trigger.address, trigger.data), (0x120, 0x21));
        assert_eq!(trigger.argument(), 0x9002_4021);
    }

    /// File 10, section 16.2, and file 11, section 6.2.
    #[test]
    fn data_arguments_match_the_worked_examples() {
        let command = Command53::parse(0x9E19_8607);
        assert!(command.write && command.incrementing);
        assert_eq!(
            (command.address, command.count),
            (0x1_0CC3, Count::Blocks(7))
        );
        assert_eq!(Command53::parse(0x1404_0000).count, Count::Bytes(512));
        assert_eq!(Command53::parse(0x1400_1008).count, Count::Bytes(8));
    }
}
