//! MIB objects: settings and counters in the chip, and how they are written and read.
//!
//! READ MIB: u16 id, u16 reserved. Its confirm: u32 status, u16 id, u16 size, data. WRITE MIB: u16 id, u16 size, data
//! without padding.
//!
//! Source: file 20, section 7; file 21.

use super::codec::{emit, fixed, tail, Writer};
use super::error::WireError;
use super::generic::GenericConfirm;
use super::header::{InterfaceId, RawHeader};
use super::id::MessageId;
use super::status::Status;
use super::{Confirm, Request};
use core::fmt;
use core::mem::{offset_of, size_of};
use static_assertions::const_assert_eq;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

pub mod address;
pub mod association;
pub mod beacon;
pub mod counters;
pub mod data_filter;
pub mod filter;
pub mod id;
pub mod keep_alive;
pub mod p2p;
pub mod power;
pub mod rate_policy;
pub mod seldom;
pub mod template;
pub mod word;

mod describe;
mod prelude;

#[cfg(test)]
pub(crate) mod check;

pub(super) use describe::describe;
pub use id::MibId;

/// Writes an object that is one structure.
fn emit_data<T: IntoBytes + Immutable>(wire: &T, out: &mut [u8]) -> Result<usize, WireError> {
    wire.write_to_prefix(out)
        .map_err(|_error| WireError::NoRoom)?;
    Ok(size_of::<T>())
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ReadWire {
    header: RawHeader,
    id: U16,
    reserved: U16,
}

const_assert_eq!(size_of::<ReadWire>(), 8);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct WriteWire {
    header: RawHeader,
    id: U16,
    size: U16,
}

const_assert_eq!(size_of::<WriteWire>(), 8);
const_assert_eq!(offset_of!(WriteWire, size), 6);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ReadConfirmWire {
    header: RawHeader,
    status: U32,
    id: U16,
    size: U16,
}

const_assert_eq!(size_of::<ReadConfirmWire>(), 12);
const_assert_eq!(offset_of!(ReadConfirmWire, size), 10);

/// An object in the chip.
pub trait Mib {
    /// Which one.
    const ID: MibId;

    /// Writes the object's data, without any framing, and returns its size.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`] if `out` is too small, and what else the object's type says.
    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError>;
}

/// Writes an object into the chip.
#[derive(Debug)]
pub struct WriteMib<'a, M: Mib>(pub &'a M);

impl<M: Mib> Request for WriteMib<'_, M> {
    const ID: MessageId = MessageId::WRITE_MIB;
    type Confirm<'b> = GenericConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let mut writer = Writer::new(out);
        writer.header()?;
        writer.put(&U16::new(M::ID.raw()))?;
        writer.put(&U16::ZERO)?;
        let size = self.0.emit_data(writer.rest())?;
        writer.advance(size)?;
        let len = writer.finish(Self::ID, interface)?;
        let size = u16::try_from(size).map_err(|_error| WireError::TooLong)?;
        let (wire, _) = WriteWire::mut_from_prefix(out).map_err(|_error| WireError::NoRoom)?;
        wire.size.set(size);
        Ok(len)
    }
}

impl<M: Mib + fmt::Display> fmt::Display for WriteMib<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "write MIB {}: {}", M::ID, self.0)
    }
}

/// A write of any object, as the chip's side sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteMibRequest<'a> {
    /// Which object.
    pub id: MibId,
    /// Its data.
    pub data: &'a [u8],
}

impl<'a> WriteMibRequest<'a> {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`]; [`WireError::Count`] if the data is not as long as it says.
    pub fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let (wire, behind) = fixed::<WriteWire>(message, MessageId::WRITE_MIB)?;
        let (data, _) = tail(behind, usize::from(wire.size.get()))?;
        Ok(Self {
            id: MibId::from_raw(wire.id.get()),
            data,
        })
    }
}

impl Request for WriteMibRequest<'_> {
    const ID: MessageId = MessageId::WRITE_MIB;
    type Confirm<'b> = GenericConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = WriteWire {
            header: RawHeader::BLANK,
            id: U16::new(self.id.raw()),
            size: U16::new(u16::try_from(self.data.len()).map_err(|_error| WireError::TooLong)?),
        };
        emit(Self::ID, interface, &wire, self.data, out)
    }
}

impl fmt::Display for WriteMibRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "write MIB {}: {} bytes", self.id, self.data.len())
    }
}

/// Reads an object from the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadMib(pub MibId);

impl ReadMib {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<ReadWire>(message, Self::ID)?;
        Ok(Self(MibId::from_raw(wire.id.get())))
    }
}

impl Request for ReadMib {
    const ID: MessageId = MessageId::READ_MIB;
    type Confirm<'a> = ReadMibConfirm<'a>;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = ReadWire {
            header: RawHeader::BLANK,
            id: U16::new(self.0.raw()),
            reserved: U16::ZERO,
        };
        emit(Self::ID, interface, &wire, &[], out)
    }
}

impl fmt::Display for ReadMib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read MIB {}", self.0)
    }
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadMibConfirm<'a> {
    /// Whether the object could be read.
    pub status: Status,
    /// Which object.
    pub id: MibId,
    /// Its data; empty on failure.
    pub data: &'a [u8],
}

impl<'a> ReadMibConfirm<'a> {
    /// Id of the message.
    pub const ID: MessageId = MessageId::READ_MIB.confirm();

    /// Writes the confirm and returns its length.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`], [`WireError::TooLong`].
    pub fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = ReadConfirmWire {
            header: RawHeader::BLANK,
            status: U32::new(self.status.raw()),
            id: U16::new(self.id.raw()),
            size: U16::new(u16::try_from(self.data.len()).map_err(|_error| WireError::TooLong)?),
        };
        emit(Self::ID, interface, &wire, self.data, out)
    }

    /// The data, if it is that of `id`.
    ///
    /// # Errors
    ///
    /// [`WireError::Mib`] if it is that of another object.
    pub fn data_of(&self, id: MibId) -> Result<&'a [u8], WireError> {
        if self.id == id {
            Ok(self.data)
        } else {
            Err(WireError::Mib(self.id))
        }
    }
}

impl<'a> Confirm<'a> for ReadMibConfirm<'a> {
    /// # Errors
    ///
    /// [`WireError::Truncated`]; [`WireError::Count`] if the data is not as long as it says.
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let (wire, behind) = fixed::<ReadConfirmWire>(message, Self::ID)?;
        let (data, _) = tail(behind, usize::from(wire.size.get()))?;
        Ok(Self {
            status: Status::from_raw(wire.status.get()),
            id: MibId::from_raw(wire.id.get()),
            data,
        })
    }
}

impl fmt::Display for ReadMibConfirm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "read MIB confirm {}: {}, {} bytes",
            self.id,
            self.status,
            self.data.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, round_trips};

    struct Long(usize);

    impl Mib for Long {
        const ID: MibId = MibId::TEMPLATE_FRAME;

        fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
            out.get_mut(..self.0).ok_or(WireError::NoRoom)?.fill(7);
            Ok(self.0)
        }
    }

    #[test]
    fn a_write_is_framed_around_its_data() {
        let mut out = [0; 16];
        let len = WriteMib(&Long(3)).emit(InterfaceId::Two, &mut out).unwrap();
        assert_eq!(
            out[..len],
            [0x0b, 0x00, 0x86, 0x00, 0x02, 0x10, 0x03, 0x00, 7, 7, 7]
        );
        for room in 0..len {
            let written = WriteMib(&Long(3)).emit(InterfaceId::Two, &mut out[..room]);
            assert_eq!(written, Err(WireError::NoRoom));
        }
    }

    #[test]
    fn an_object_that_the_bus_cannot_carry_is_refused() {
        let mut out = [0; 2048];
        assert_eq!(
            WriteMib(&Long(1620)).emit(InterfaceId::Zero, &mut out),
            Ok(1628)
        );
        assert_eq!(
            WriteMib(&Long(1621)).emit(InterfaceId::Zero, &mut out),
            Err(WireError::TooLong)
        );
    }

    #[test]
    fn a_write_is_read_and_written() {
        both_ways!(
            WriteMibRequest<'_>,
            8,
            [0x0c, 0x00, 0x06, 0x80, 0x06, 0x10, 0x04, 0x00, 0x10, 0x00, 0x00, 0x00],
            WriteMibRequest {
                id: MibId::OPERATIONAL_POWER_MODE,
                data: &[0x10, 0, 0, 0],
            }
        );
    }

    #[test]
    fn a_read_is_read_and_written() {
        both_ways!(
            ReadMib,
            8,
            [0x08, 0x00, 0x05, 0x00, 0x0c, 0x10, 0x00, 0x00],
            ReadMib(MibId::COUNTERS_TABLE)
        );
    }

    #[test]
    fn a_read_confirm_is_read_and_written() {
        let bytes = [
            0x12, 0x00, 0x05, 0x04, 0, 0, 0, 0, 0x00, 0x00, 0x06, 0x00, 2, 0x11, 0x22, 0x33, 0x44,
            0x55,
        ];
        both_ways!(
            ReadMibConfirm<'_>,
            12,
            bytes,
            ReadMibConfirm {
                status: Status::Success,
                id: MibId::STATION_ID,
                data: &[2, 0x11, 0x22, 0x33, 0x44, 0x55],
            }
        );
        let confirm = ReadMibConfirm::parse(&bytes).unwrap();
        assert_eq!(
            confirm.data_of(MibId::COUNTERS_TABLE),
            Err(WireError::Mib(MibId::STATION_ID))
        );
        assert_eq!(confirm.data_of(MibId::STATION_ID).unwrap().len(), 6);
    }

    #[test]
    fn a_size_larger_than_the_message_is_refused() {
        let mut bytes = [
            0x0d, 0x00, 0x05, 0x04, 0, 0, 0, 0, 0x00, 0x00, 0x02, 0x00, 9,
        ];
        assert_eq!(ReadMibConfirm::parse(&bytes), Err(WireError::Count));
        bytes[10..12].fill(0xff);
        assert_eq!(ReadMibConfirm::parse(&bytes), Err(WireError::Count));
    }

    round_trips!(ReadMibConfirm<'_>, ReadMibConfirm::ID);
}
