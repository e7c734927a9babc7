//! Why a request failed, and why a frame was not taken.

use bes_wsm::client::CommandError;
use bes_wsm::wire::{MessageId, Status};
use thiserror::Error;

/// Why a request was refused or did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Too many requests wait already; try again after one completed.
    #[error("too many requests wait already")]
    QueueFull,
    /// A value in the request is outside of what the protocol allows.
    #[error("invalid request")]
    Invalid,
    /// The device is in a state in which the request makes no sense.
    #[error("not possible in this state")]
    WrongState,
    /// Something of the same kind is under way.
    #[error("busy")]
    Busy,
    /// There is no such interface.
    #[error("no such interface")]
    NoInterface,
    /// There is nothing free of what the request needs: interfaces or key slots.
    #[error("nothing free")]
    Exhausted,
    /// The chip, or this driver, cannot do it.
    #[error("not supported")]
    Unsupported,
    /// The interface is not joined to a BSS.
    #[error("not joined")]
    NotJoined,
    /// The chip refused this command of the procedure with this status.
    #[error("chip refused {message} with status {status}")]
    Refused {
        /// Command that was refused.
        message: MessageId,
        /// What the chip said.
        status: Status,
    },
    /// It did not happen in time.
    #[error("timed out")]
    TimedOut,
    /// It was given up: cancelled, or the session ended.
    #[error("given up")]
    Aborted,
}

impl From<CommandError> for RequestError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::TimedOut => Self::TimedOut,
            CommandError::Closed => Self::Aborted,
            CommandError::Unsendable => Self::Invalid,
        }
    }
}
