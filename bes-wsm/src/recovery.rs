//! Why a session cannot go on. What is done about it is decided in one place, above.

use crate::sequence::SequenceClass;
use crate::wire::MessageId;
use bes_hal::TransportError;
use thiserror::Error;

/// Verdict "needs recovery", with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecoveryReason {
    /// The bus or the transport failed for good.
    #[error("{0}")]
    Transport(#[from] TransportError),
    /// A message carries another sequence number than the one due: something was lost.
    #[error("sequence number {got} where {due} was due ({class:?} class)")]
    Sequence {
        /// Class of the message.
        class: SequenceClass,
        /// Number that was due.
        due: u8,
        /// Number that came.
        got: u8,
    },
    /// The chip reported an exception of its firmware.
    #[error("firmware exception")]
    Exception,
    /// The chip started anew in the middle of a session.
    #[error("chip started anew")]
    Restarted,
    /// The chip did not report its start in time.
    #[error("chip did not report its start in time")]
    StartupTimeout,
    /// The chip reported its start with this status, a firmware type that is none, or no buffers.
    #[error("chip reported an unusable start (status {0})")]
    StartupRefused(u32),
    /// A command was not confirmed in time.
    #[error("no confirm for {0}")]
    CommandTimeout(MessageId),
    /// Frames are in flight, and no confirm came for too long.
    #[error("no transmit confirm for too long")]
    NoProgress,
    /// Half of the chip's buffers are held by frames whose confirm was lost.
    #[error("too many transmit confirms lost")]
    ConfirmsLost,
    /// An indication that had to come did not.
    #[error("no {0}")]
    IndicationTimeout(MessageId),
    /// A procedure that cannot be skipped was refused by the chip.
    #[error("chip refused {0}")]
    Refused(MessageId),
    /// Nothing failed, but the driver has seen what is wrong: the candidate of file 50, section 4.
    #[error("candidate {0} was diagnosed")]
    Diagnosed(u8),
    /// Somebody asked for it.
    #[error("asked for")]
    Requested,
}
