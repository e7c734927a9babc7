//! What can be wrong with a message.

use super::id::MessageId;
use super::mib::MibId;

/// Why bytes are not the message they should be, or why a message does not fit into a buffer.
///
/// A status code from the chip is never an error here: it is data ([`Status`](super::status::Status)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum WireError {
    /// The message is shorter than its layout, or than the length in its header.
    #[error("truncated")]
    Truncated,
    /// The length in the header is smaller than the header itself.
    #[error("length {0} is shorter than a header")]
    ShortLength(u16),
    /// Another message was expected.
    #[error("unexpected message {0}")]
    Id(MessageId),
    /// Another MIB object was expected.
    #[error("unexpected MIB {0}")]
    Mib(MibId),
    /// There are interfaces 0, 1 and 2 only.
    #[error("interface {0} does not exist")]
    Interface(u8),
    /// There are link ids 0 to 14 only.
    #[error("link id {0} does not exist")]
    LinkId(u8),
    /// There are rate ids 0 to 21 only.
    #[error("rate id {0} does not exist")]
    Rate(u8),
    /// A count in the message does not agree with the message's length or with a limit of the protocol.
    #[error("count does not agree with the length")]
    Count,
    /// A field has a value that the protocol does not define.
    #[error("undefined value")]
    Value,
    /// An MCU message is neither a confirm nor an indication.
    #[error("MCU label {0:#x} is neither confirm nor indication")]
    Label(u32),
    /// The caller's buffer is too small.
    #[error("no room in the buffer")]
    NoRoom,
    /// The message would be longer than the bus can carry.
    #[error("message too long for the bus")]
    TooLong,
}
