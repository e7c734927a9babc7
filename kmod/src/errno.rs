// SPDX-License-Identifier: GPL-2.0-only

//! Error numbers of the kernel, and what they mean to the portable crates.

use crate::abstractions::numbers;
use bes_hal::SdioError;
use bes_mac80211::error::RequestError;
use kernel::error::Error;

/// A negative error number of a bus command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(i32);

impl Errno {
    /// The R5 flag ERROR, or something unknown.
    pub(crate) const IO: Self = Self(-numbers::EIO);
    /// The R5 flag FUNCTION_NUMBER, or a malformed request.
    pub(crate) const INVAL: Self = Self(-numbers::EINVAL);
    /// The R5 flag OUT_OF_RANGE.
    pub(crate) const RANGE: Self = Self(-numbers::ERANGE);
    /// The card is gone.
    pub(crate) const NO_CARD: Self = Self(-numbers::ENOMEDIUM);
    /// No memory, or none that the bus can reach.
    pub(crate) const NO_MEMORY: Self = Self(-numbers::ENOMEM);
}

/// The result that a C function returned as an error number.
pub(crate) fn errno(number: i32) -> Result<(), Errno> {
    if number < 0 {
        Err(Errno(number))
    } else {
        Ok(())
    }
}

impl From<Errno> for SdioError {
    /// Specification: file 10, sections 4.1 and 6.5.
    fn from(errno: Errno) -> Self {
        match -errno.0 {
            numbers::EILSEQ => Self::Crc,
            numbers::ETIMEDOUT | numbers::ETIME => Self::Timeout,
            numbers::EBUSY => Self::Busy,
            numbers::EINVAL => Self::Function,
            numbers::ERANGE => Self::OutOfRange,
            numbers::ENOMEDIUM | numbers::ENODEV | numbers::ESHUTDOWN | numbers::ENXIO => {
                Self::NoCard
            }
            numbers::ENOMEM => Self::NoMemory,
            numbers::EOPNOTSUPP => Self::Unsupported,
            _ => Self::Card,
        }
    }
}

/// What a refused or failed request is to user space and to the kernel's callers.
pub(crate) fn of_request(error: RequestError) -> Error {
    let number = match error {
        RequestError::QueueFull | RequestError::Busy => numbers::EBUSY,
        RequestError::Invalid => numbers::EINVAL,
        RequestError::WrongState | RequestError::NoInterface => numbers::ENETDOWN,
        RequestError::Exhausted => numbers::ENOSPC,
        RequestError::Unsupported => numbers::EOPNOTSUPP,
        RequestError::NotJoined => numbers::ENOTCONN,
        RequestError::Refused { .. } => numbers::EIO,
        RequestError::TimedOut => numbers::ETIMEDOUT,
        RequestError::Aborted => numbers::ENODEV,
    };
    Error::from_errno(-number)
}
