//! What the host did against the specification.
//!
//! The chip survives all of it in some defined way; the list says what a driver must not do. A good driver on a good
//! bus leaves it empty.

use bes_hal::time::Instant;
use thiserror::Error;

/// One thing the host must not do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// A function-1 register outside of file 10, section 3.2, or one that may not be written or read.
    #[error("{} of register {address:#05x}, which has none", if *.write { "write" } else { "read" })]
    Register {
        /// Address of the register.
        address: u32,
        /// Whether it was written.
        write: bool,
    },
    /// CMD53 with a fixed address (OP code 0): file 10, section 4.1.
    #[error("CMD53 with OP code 0: {argument:#010x}")]
    FixedAddress {
        /// The argument of the command.
        argument: u32,
    },
    /// A doorbell although `MCU_READY` is 0: file 10, section 8.
    #[error("doorbell {value:#06x} while the MCU is not ready")]
    DoorbellNotReady {
        /// Both doorbell registers.
        value: u16,
    },
    /// A doorbell that asks for nothing known: file 10, section 3.3.
    #[error("doorbell {value:#06x} asks for nothing known")]
    DoorbellUnknown {
        /// Both doorbell registers.
        value: u16,
    },
    /// Data moved while the chip sleeps: file 50, section 3.12.
    #[error("CMD53 while the chip is asleep")]
    DataWhileAsleep,
    /// A Wi-Fi transfer although Wi-Fi is off.
    #[error("CMD53 {} while Wi-Fi is off", if *.write { "write" } else { "read" })]
    WifiOff {
        /// Whether it was a write.
        write: bool,
    },
    /// A burst was read although none is announced.
    #[error("CMD53 read of {length} bytes without an announcement")]
    ReadWithoutAnnouncement {
        /// Length in the address field.
        length: u16,
    },
    /// A burst was read before its announcement.
    #[error("CMD53 read before the announcement was read")]
    ReadUnseen,
    /// The length read is not the one that was announced.
    #[error("CMD53 read of {asked} bytes, {announced} are announced")]
    ReadLength {
        /// What the chip announced, in bytes.
        announced: u32,
        /// What the address field or the count says, in bytes.
        asked: u32,
    },
    /// The first read after Wi-Fi active carries toggle 1: file 10, section 4.4.
    #[error("the first CMD53 read carries toggle 1")]
    ReadToggle,
    /// New data carries the toggle of the data before: it is lost as a duplicate. File 10, section 4.4.
    #[error("CMD53 write of new data with the toggle of the data before")]
    WriteToggle,
    /// Number of bytes on the bus and length code do not fit together: file 10, section 6.4.
    #[error("CMD53 write with length code {length_code:#06x} moves {bytes} bytes")]
    WriteLength {
        /// Bits 15..0 of the address field.
        length_code: u16,
        /// Bytes on the bus.
        bytes: u32,
    },
    /// No slot, or more than the firmware takes in one transfer: file 10, section 6.4.
    #[error("CMD53 write of {slots} slots")]
    SlotCount {
        /// Slots in the transfer.
        slots: u32,
    },
    /// The header of a message has a length that does not fit its slot.
    #[error("slot {slot}: message of {length} bytes in a slot of {stride}")]
    MessageLength {
        /// Which slot, from 0.
        slot: u32,
        /// Length in the header.
        length: u16,
        /// Bytes of the slot.
        stride: u32,
    },
    /// An MCU-class message shares a transfer: file 10, section 6.4.
    #[error("slot {slot}: an MCU-class message shares its transfer")]
    McuClassNotAlone {
        /// Which slot, from 0.
        slot: u32,
    },
    /// Bytes behind a message that are neither its time stamp nor zero: file 10, traps T4 and T6.
    #[error("slot {slot}: foreign memory behind the message")]
    ForeignMemory {
        /// Which slot, from 0; the number of slots for the bytes behind the last one.
        slot: u32,
    },
    /// A download message before the answer to the one before was read: file 11, section 14, item 2.
    #[error("download message {sequence} before the last answer was read")]
    AnswerUnread {
        /// Sequence number of the new message.
        sequence: u8,
    },
    /// A download message although the chip has no free receive buffer: file 11, trap B1.
    #[error("download message without a free receive buffer")]
    NoFreeBuffer,
    /// A download message while the calibration runs or its result waits.
    #[error("download message while calibration is under way")]
    CalibrationDisturbed,
    /// A download message that the chip had to refuse.
    #[error("download message {message_type:#04x} refused with result {result}")]
    Refused {
        /// Type byte of the message.
        message_type: u8,
        /// Result in the answer.
        result: u32,
    },
    /// A read in the boot phase with another length than the registers say.
    #[error("CMD53 read of {asked} bytes in the boot phase, {announced} wait")]
    AnswerLength {
        /// What 0x000 and 0x001 say.
        announced: u16,
        /// What the command asks for.
        asked: u16,
    },
    /// The main image was run on a chip without calibration data: file 11, section 2.
    #[error("main image run without calibration data")]
    NotCalibrated,
    /// The factory block has a wrong magic number, version or checksum: file 11, section 8.3.
    #[error("factory block is damaged")]
    FactoryBlock,
    /// The calibration block written back has a wrong size or checksum: file 11, section 7.
    #[error("calibration block is damaged")]
    DpdBlock,
    /// Not the host's fault: the firmware's next event does not move although it was handled.
    #[error("the emulated firmware makes no progress")]
    NoProgress,
}

/// How many violations are kept; all are counted.
const KEPT: usize = 1_000;

/// The violations so far.
#[derive(Clone, Debug, Default)]
pub struct Violations {
    list: Vec<(Instant, Violation)>,
    count: u64,
}

impl Violations {
    /// Notes a violation.
    pub(crate) fn note(&mut self, now: Instant, violation: Violation) {
        self.count += 1;
        if self.list.len() < KEPT {
            self.list.push((now, violation));
        }
    }

    /// The first thousand, in order.
    pub fn as_slice(&self) -> &[(Instant, Violation)] {
        &self.list
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_are_kept() {
        let mut violations = Violations::default();
        for _ in 0..KEPT + 5 {
            violations.note(Instant::ZERO, Violation::NoFreeBuffer);
        }
        assert_eq!(violations.count(), KEPT as u64 + 5);
        assert_eq!(violations.as_slice().len(), KEPT);
    }

    #[test]
    fn prints_what_was_done() {
        let violation = Violation::Register {
            address: 0x200,
            write: true,
        };
        assert_eq!(
            violation.to_string(),
            "write of register 0x200, which has none"
        );
    }
}
