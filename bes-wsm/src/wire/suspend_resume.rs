//! Stop or resume sending to stations.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 4 | 4 | flags: bit 0 resume (or stop), bits 1-2 queue, bit 3 multicast (or unicast) |
//!
//! The link id of a unicast request is not transmitted: it must not be guessed.
//!
//! Source: file 20, section 13.2.

use super::prelude::*;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Wire {
    header: RawHeader,
    flags: U32,
}

const_assert_eq!(size_of::<Wire>(), 8);

/// The word of a suspend/resume indication.
#[bitfield(u32)]
#[derive(PartialEq, Eq, Hash)]
pub struct SuspendResumeFlags {
    /// Resume; otherwise stop.
    pub resume: bool,
    /// Queue, as the chip numbers it.
    #[bits(2, access = RO)]
    pub queue: u8,
    /// For multicast; otherwise for one station that is not named.
    pub multicast: bool,
    /// Not defined.
    #[bits(28)]
    __: u32,
}

/// Stop or resume sending on the interface in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuspendResumeTx {
    /// What.
    pub flags: SuspendResumeFlags,
}

impl SuspendResumeTx {
    /// Id of the message.
    pub const ID: MessageId = MessageId::SUSPEND_RESUME_TX;

    /// Writes the indication and returns its length.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`].
    pub fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = Wire {
            header: RawHeader::BLANK,
            flags: U32::new(self.flags.into_bits()),
        };
        emit(Self::ID, interface, &wire, &[], out)
    }
}

impl Confirm<'_> for SuspendResumeTx {
    fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<Wire>(message, Self::ID)?;
        Ok(Self {
            flags: SuspendResumeFlags::from_bits(wire.flags.get()),
        })
    }
}

impl fmt::Display for SuspendResumeTx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} TX: {}",
            if self.flags.resume() {
                "resume"
            } else {
                "suspend"
            },
            if self.flags.multicast() {
                "multicast"
            } else {
                "unicast"
            }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, round_trips};

    #[test]
    fn it_is_read_and_written() {
        both_ways!(
            SuspendResumeTx,
            8,
            [0x08, 0x00, 0x0c, 0x08, 0x09, 0, 0, 0],
            SuspendResumeTx {
                flags: SuspendResumeFlags::new()
                    .with_resume(true)
                    .with_multicast(true),
            }
        );
        assert_eq!(SuspendResumeFlags::from_bits(6).queue(), 3);
    }

    round_trips!(SuspendResumeTx, SuspendResumeTx::ID);
}
