//! The confirm that carries a status and nothing else.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | header |
//! | 4 | 4 | status; what follows is ignored |
//!
//! Source: file 20, section 5.

use super::codec::{emit, emit_bare, fixed};
use super::error::WireError;
use super::header::{Class, Header, InterfaceId, RawHeader};
use super::id::MessageId;
use super::status::Status;
use super::Confirm;
use core::fmt;
use static_assertions::const_assert_eq;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Wire {
    header: RawHeader,
    status: U32,
}

const_assert_eq!(core::mem::size_of::<Wire>(), 8);
const_assert_eq!(core::mem::offset_of!(Wire, status), 4);

/// The answer to most requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GenericConfirm {
    /// Id of the confirm.
    pub id: MessageId,
    /// Whether the request was carried out.
    pub status: Status,
}

impl GenericConfirm {
    /// Writes the confirm and returns its length.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`].
    pub fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = Wire {
            header: RawHeader::BLANK,
            status: U32::new(self.status.raw()),
        };
        emit(self.id, interface, &wire, &[], out)
    }
}

impl Confirm<'_> for GenericConfirm {
    /// Reads a confirm of any id.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`] below 8 bytes, [`WireError::Id`] if it is no confirm of the lower MAC.
    fn parse(message: &[u8]) -> Result<Self, WireError> {
        let id = Header::parse(message)?.id();
        if id.class() != Class::Confirm {
            return Err(WireError::Id(id));
        }
        let (wire, _) = fixed::<Wire>(message, id)?;
        Ok(Self {
            id,
            status: Status::from_raw(wire.status.get()),
        })
    }
}

impl fmt::Display for GenericConfirm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.status)
    }
}

/// A confirm whose content says nothing: only that the request was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BareConfirm {
    /// Id of the confirm.
    pub id: MessageId,
}

impl BareConfirm {
    /// Writes the confirm and returns its length.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`].
    pub fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        emit_bare(self.id, interface, out)
    }
}

impl Confirm<'_> for BareConfirm {
    fn parse(message: &[u8]) -> Result<Self, WireError> {
        let id = Header::parse(message)?.id();
        if id.class() == Class::Confirm {
            Ok(Self { id })
        } else {
            Err(WireError::Id(id))
        }
    }
}

impl fmt::Display for BareConfirm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, round_trips};

    #[test]
    fn the_confirm_of_a_mib_write_is_read_and_written() {
        both_ways!(
            GenericConfirm,
            8,
            [0x08, 0x00, 0x06, 0xa4, 0, 0, 0, 0],
            GenericConfirm {
                id: MessageId::WRITE_MIB.confirm(),
                status: Status::Success,
            }
        );
    }

    #[test]
    fn a_confirm_without_content_is_read_and_written() {
        let id = MessageId::CPU_SLEEP.confirm();
        both_ways!(BareConfirm, 4, [4, 0, 0x24, 0x04], BareConfirm { id });
    }

    #[test]
    fn an_indication_is_no_confirm() {
        assert_eq!(
            GenericConfirm::parse(&[8, 0, 0x0a, 0x08, 0, 0, 0, 0]),
            Err(WireError::Id(MessageId::CHANNEL_SWITCH_DONE))
        );
    }

    round_trips!(GenericConfirm, MessageId::JOIN.confirm());
}
