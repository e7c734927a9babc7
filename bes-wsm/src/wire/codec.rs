//! How message structures get into and out of buffers.

use super::error::WireError;
use super::header::{Header, InterfaceId, RawHeader, MAX_MESSAGE_LEN};
use super::id::MessageId;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The bytes of a message, cut to the length in its header, after its id was checked.
pub(super) fn open(message: &[u8], id: MessageId) -> Result<&[u8], WireError> {
    let header = Header::parse(message)?;
    if header.id() != id {
        return Err(WireError::Id(header.id()));
    }
    message
        .get(..usize::from(header.len))
        .ok_or(WireError::Truncated)
}

/// The fixed part of a message, read in place, and the bytes behind it.
pub(super) fn fixed<T>(message: &[u8], id: MessageId) -> Result<(&T, &[u8]), WireError>
where
    T: FromBytes + KnownLayout + Immutable + Unaligned,
{
    prefix(open(message, id)?)
}

/// The structure at the start of `bytes`, read in place, and the bytes behind it.
pub(super) fn prefix<T>(bytes: &[u8]) -> Result<(&T, &[u8]), WireError>
where
    T: FromBytes + KnownLayout + Immutable + Unaligned,
{
    T::ref_from_prefix(bytes).map_err(|_error| WireError::Truncated)
}

/// `count` structures at the start of `bytes`, read in place, and the bytes behind them.
///
/// [`WireError::Count`] if there are fewer: the count came from the same message as the bytes, and one of them lies.
pub(super) fn array<T>(bytes: &[u8], count: usize) -> Result<(&[T], &[u8]), WireError>
where
    T: FromBytes + Immutable + Unaligned,
{
    <[T]>::ref_from_prefix_with_elems(bytes, count).map_err(|_error| WireError::Count)
}

/// The first `count` bytes of `bytes`, and those behind them; [`WireError::Count`] if there are fewer.
pub(super) fn tail(bytes: &[u8], count: usize) -> Result<(&[u8], &[u8]), WireError> {
    bytes.split_at_checked(count).ok_or(WireError::Count)
}

/// Puts structures one behind the other into a caller's buffer.
pub(super) struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut [u8]) -> Self {
        Self { out, at: 0 }
    }

    /// Appends a structure.
    pub(super) fn put<T>(&mut self, value: &T) -> Result<(), WireError>
    where
        T: IntoBytes + Immutable + ?Sized,
    {
        self.bytes(value.as_bytes())
    }

    /// Appends bytes.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let end = self.at.checked_add(bytes.len()).ok_or(WireError::NoRoom)?;
        self.out
            .get_mut(self.at..end)
            .ok_or(WireError::NoRoom)?
            .copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }

    /// Appends a blank header, for messages without a structure of their own.
    pub(super) fn header(&mut self) -> Result<(), WireError> {
        self.put(&RawHeader::BLANK)
    }

    /// Bytes appended so far.
    pub(super) const fn written(&self) -> usize {
        self.at
    }

    /// What is left of the buffer.
    pub(super) fn rest(&mut self) -> &mut [u8] {
        self.out.get_mut(self.at..).unwrap_or(&mut [])
    }

    /// Counts `count` bytes that were written into [`rest`](Self::rest).
    pub(super) fn advance(&mut self, count: usize) -> Result<(), WireError> {
        let end = self.at.checked_add(count).ok_or(WireError::NoRoom)?;
        if end > self.out.len() {
            return Err(WireError::NoRoom);
        }
        self.at = end;
        Ok(())
    }

    /// Fills in the header and returns the length of the message.
    pub(super) fn finish(self, id: MessageId, interface: InterfaceId) -> Result<usize, WireError> {
        if self.at > MAX_MESSAGE_LEN {
            return Err(WireError::TooLong);
        }
        let len = u16::try_from(self.at).map_err(|_error| WireError::TooLong)?;
        Header::new(id, interface, len).emit(self.out)?;
        Ok(self.at)
    }
}

/// Writes a message that is one structure and `tail` behind it.
pub(super) fn emit<T>(
    id: MessageId,
    interface: InterfaceId,
    fixed: &T,
    tail: &[u8],
    out: &mut [u8],
) -> Result<usize, WireError>
where
    T: IntoBytes + Immutable,
{
    let mut writer = Writer::new(out);
    writer.put(fixed)?;
    writer.bytes(tail)?;
    writer.finish(id, interface)
}

/// Writes a message that is a header and nothing else.
pub(super) fn emit_bare(
    id: MessageId,
    interface: InterfaceId,
    out: &mut [u8],
) -> Result<usize, WireError> {
    let mut writer = Writer::new(out);
    writer.header()?;
    writer.finish(id, interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_longer_than_the_bus_carries_is_refused() {
        let mut out = [0; 2048];
        let longest = [0; MAX_MESSAGE_LEN - 4];
        let id = MessageId::UPDATE_IE;
        let interface = InterfaceId::Zero;
        assert_eq!(
            emit(id, interface, &RawHeader::BLANK, &longest, &mut out),
            Ok(MAX_MESSAGE_LEN)
        );
        assert_eq!(
            emit(
                id,
                interface,
                &RawHeader::BLANK,
                &[0; MAX_MESSAGE_LEN - 3],
                &mut out
            ),
            Err(WireError::TooLong)
        );
    }

    #[test]
    fn a_message_of_another_id_is_refused() {
        assert_eq!(
            open(&[4, 0, 8, 4], MessageId::STOP_SCAN),
            Err(WireError::Id(MessageId::STOP_SCAN.confirm()))
        );
    }

    #[test]
    fn bytes_behind_the_length_are_not_part_of_the_message() {
        assert_eq!(
            open(&[5, 0, 0x48, 0, 1, 2, 3], MessageId::STOP_SCAN),
            Ok(&[5, 0, 0x48, 0, 1][..])
        );
    }
}
