//! Buffered multicast in the hands of the chip. Not used by the normal build.
//!
//! RELEASE_BUFFER: u8 flags (1 for the first of a series), u8 0, u16 0; its confirm says nothing.
//! REQUEST_BUFFERS: u8 count, u8 0, u16 0; its confirm has no status: u32 mask of sleeping stations, u8 count.
//!
//! Source: file 20, section 11.5.

use super::prelude::*;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Wire {
    header: RawHeader,
    value: u8,
    reserved: u8,
    reserved2: U16,
}

const_assert_eq!(size_of::<Wire>(), 8);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ConfirmWire {
    header: RawHeader,
    sleeping: U32,
    count: u8,
}

const_assert_eq!(size_of::<ConfirmWire>(), 9);

const fn wire(value: u8) -> Wire {
    Wire {
        header: RawHeader::BLANK,
        value,
        reserved: 0,
        reserved2: U16::ZERO,
    }
}

/// Hands buffered multicast over to the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseBuffer {
    /// First of a series.
    pub first: bool,
}

impl ReleaseBuffer {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<Wire>(message, Self::ID)?;
        Ok(Self {
            first: wire.value & 1 != 0,
        })
    }
}

impl Request for ReleaseBuffer {
    const ID: MessageId = MessageId::RELEASE_BUFFER;
    type Confirm<'a> = BareConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        emit(Self::ID, interface, &wire(u8::from(self.first)), &[], out)
    }
}

impl fmt::Display for ReleaseBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.first {
            "release buffer, first"
        } else {
            "release buffer"
        })
    }
}

/// Takes buffers back from the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestBuffers {
    /// How many.
    pub count: u8,
}

impl RequestBuffers {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<Wire>(message, Self::ID)?;
        Ok(Self { count: wire.value })
    }
}

impl Request for RequestBuffers {
    const ID: MessageId = MessageId::REQUEST_BUFFERS;
    type Confirm<'a> = RequestBuffersConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        emit(Self::ID, interface, &wire(self.count), &[], out)
    }
}

impl fmt::Display for RequestBuffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request {} buffers", self.count)
    }
}

/// The answer to [`RequestBuffers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestBuffersConfirm {
    /// Bit n is set if the station with link id n sleeps.
    pub sleeping: u32,
    /// Buffers given back.
    pub count: u8,
}

impl RequestBuffersConfirm {
    /// Id of the message.
    pub const ID: MessageId = MessageId::REQUEST_BUFFERS.confirm();

    /// Writes the confirm with its three bytes of padding and returns its length.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`].
    pub fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = ConfirmWire {
            header: RawHeader::BLANK,
            sleeping: U32::new(self.sleeping),
            count: self.count,
        };
        emit(Self::ID, interface, &wire, &[0; 3], out)
    }
}

impl Confirm<'_> for RequestBuffersConfirm {
    fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<ConfirmWire>(message, Self::ID)?;
        Ok(Self {
            sleeping: wire.sleeping.get(),
            count: wire.count,
        })
    }
}

impl fmt::Display for RequestBuffersConfirm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "request buffers confirm: {}, sleeping {:#x}",
            self.count, self.sleeping
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, round_trips};

    #[test]
    fn requests_are_read_and_written() {
        let bytes = [8, 0, 0x22, 0, 1, 0, 0, 0];
        both_ways!(ReleaseBuffer, 8, bytes, ReleaseBuffer { first: true });
        let bytes = [8, 0, 0x23, 0, 4, 0, 0, 0];
        both_ways!(RequestBuffers, 8, bytes, RequestBuffers { count: 4 });
    }

    #[test]
    fn the_confirm_is_read_and_written() {
        both_ways!(
            RequestBuffersConfirm,
            9,
            [12, 0, 0x23, 0x04, 2, 0, 0, 0, 3, 0, 0, 0],
            RequestBuffersConfirm {
                sleeping: 2,
                count: 3
            }
        );
    }

    round_trips!(RequestBuffersConfirm, RequestBuffersConfirm::ID);
}
