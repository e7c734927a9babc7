//! Leave the BSS, stop the access point, or stop listening.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 4 | 4 | keep statistics: 0 or 1 |
//!
//! The specification lets a link id share the interface bits of the header; it is always 0.
//!
//! Source: file 20, section 6.4.

use super::prelude::*;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Wire {
    header: RawHeader,
    keep_statistics: U32,
}

const_assert_eq!(size_of::<Wire>(), 8);

/// Puts an interface back to where it was before a join or a start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reset {
    /// Do not reset the statistics.
    pub keep_statistics: bool,
}

impl Reset {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<Wire>(message, Self::ID)?;
        Ok(Self {
            keep_statistics: wire.keep_statistics != U32::ZERO,
        })
    }
}

impl Request for Reset {
    const ID: MessageId = MessageId::RESET;
    type Confirm<'a> = GenericConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = Wire {
            header: RawHeader::BLANK,
            keep_statistics: U32::new(u32::from(self.keep_statistics)),
        };
        emit(Self::ID, interface, &wire, &[], out)
    }
}

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.keep_statistics {
            "reset, statistics kept"
        } else {
            "reset"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, round_trips};

    #[test]
    fn it_is_read_and_written() {
        let bytes = [0x08, 0x00, 0x4a, 0x00, 0, 0, 0, 0];
        both_ways!(Reset, 8, bytes, Reset::default());
    }

    round_trips!(Reset, Reset::ID);
}
