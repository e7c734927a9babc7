//! What can go wrong at a seam. Small `Copy` values: a layer above counts them and decides.

use crate::firmware::FirmwareFile;
use crate::transport::Transition;
use thiserror::Error;

/// Failure of one SDIO command (specification: file 10, sections 4.1 and 6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum SdioError {
    /// The data or the response was damaged on the wire. Linux: `-EILSEQ` (-84).
    #[error("CRC error on the bus")]
    Crc,
    /// No response, or the data did not arrive in time. Linux: `-ETIMEDOUT`.
    #[error("the card did not answer in time")]
    Timeout,
    /// The host controller was busy. Linux: `-EBUSY`.
    #[error("the host controller is busy")]
    Busy,
    /// The card set the R5 flag ERROR. Linux: `-EIO`.
    #[error("the card reported an error (R5 ERROR)")]
    Card,
    /// The card set the R5 flag FUNCTION_NUMBER. Linux: `-EINVAL`.
    #[error("the card does not know the function (R5 FUNCTION_NUMBER)")]
    Function,
    /// The card set the R5 flag OUT_OF_RANGE. Linux: `-ERANGE`.
    #[error("the card refused the address or length (R5 OUT_OF_RANGE)")]
    OutOfRange,
    /// The card is gone. Nothing will work until it is detected again. Linux: `-ENOMEDIUM`.
    #[error("the card is gone")]
    NoCard,
    /// The platform has no memory for a burst buffer. Linux: `-ENOMEM`.
    #[error("no memory for a buffer")]
    NoMemory,
    /// The platform cannot do this (no reset line, no power switch). Linux: `-EOPNOTSUPP`.
    #[error("not supported by this platform")]
    Unsupported,
}

/// Why a boot ended (specification: file 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum BootError {
    /// A file the boot needs was not found.
    #[error("firmware file missing: {0}")]
    FileMissing(FirmwareFile),
    /// The file is too short or its size is not that of an image.
    #[error("firmware file is not an image: {0}")]
    FileInvalid(FirmwareFile),
    /// The chip can take no message of a usable size (file 11, section 4.2).
    #[error("chip offers a message size of {0} bytes, which is unusable")]
    MessageSize(u16),
    /// The chip has no free receive buffer although it had time to free one (file 11, B1).
    #[error("chip has no free receive buffer")]
    NoBuffer,
    /// The chip did not answer a download message (file 11, section 3).
    #[error("chip did not answer a download message")]
    NoAnswer,
    /// The answer has the wrong length, type or sequence number (file 11, section 4.3).
    #[error("chip gave a malformed answer to a download message")]
    BadAnswer,
    /// The chip refused the message with this result (file 11, section 4.3).
    #[error("chip refused a download message with result {0}")]
    Refused(u32),
    /// Calibration did not finish in time (file 11, section 7).
    #[error("calibration did not finish in time")]
    CalibrationTimeout,
    /// The calibration block has the wrong size or checksum (file 11, section 7).
    #[error("calibration data is damaged")]
    CalibrationData,
}

impl BootError {
    /// Whether the same boot may succeed when it is tried again, with a chip that was switched off and on: not if it is
    /// the files that are wrong.
    pub const fn may_pass(self) -> bool {
        !matches!(self, Self::FileMissing(_) | Self::FileInvalid(_))
    }
}

/// Failure of a transport operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum TransportError {
    /// A bus command failed for good, after every retry that is allowed.
    #[error("bus: {0}")]
    Bus(#[from] SdioError),
    /// The chip announced more bytes than any burst may have.
    #[error("chip announced a burst of {0} bytes, more than the buffer holds")]
    Oversized(u32),
    /// A message does not fit into any slot.
    #[error("message of {0} bytes fits no slot")]
    MessageTooLong(u32),
    /// The batch is empty, too large, or mixes messages that may not travel together.
    #[error("messages that may not travel together")]
    BadBatch,
    /// The operation is not possible in this state of the chip.
    #[error("not possible in this state")]
    WrongState,
    /// The chip never became ready for the request (file 10, section 8).
    #[error("chip is not ready for {0}")]
    NotReady(Transition),
    /// The chip never confirmed the request (file 10, section 8).
    #[error("chip did not confirm {0}")]
    NotConfirmed(Transition),
    /// The boot failed.
    #[error("boot: {0}")]
    Boot(#[from] BootError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_without_its_files_is_not_worth_another_try() {
        assert!(!BootError::FileMissing(FirmwareFile::Main).may_pass());
        assert!(!BootError::FileInvalid(FirmwareFile::Main).may_pass());
        assert!(BootError::NoAnswer.may_pass());
    }
}
