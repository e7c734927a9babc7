//! Parameters of the BSS after association.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 4 | 1 | reserved |
//! | 5 | 1 | beacons that may be lost |
//! | 6 | 2 | AID |
//! | 8 | 4 | operational rate mask |
//! | 12 | 4 | HT rate mask |
//!
//! Source: file 20, section 9.3.

use super::prelude::*;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Wire {
    header: RawHeader,
    reserved: u8,
    beacon_lost_count: u8,
    aid: U16,
    operational_rates: U32,
    ht_rates: U32,
}

const_assert_eq!(size_of::<Wire>(), 16);
const_assert_eq!(offset_of!(Wire, aid), 6);

/// What the chip should know about the BSS it is associated with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetBssParameters {
    /// So many beacons may be lost in a row before the chip says so.
    pub beacon_lost_count: u8,
    /// Association id.
    pub aid: u16,
    /// Legacy rates of the peer; [`RateMask::ANY`] if it is not known.
    pub operational_rates: RateMask,
    /// HT rates of the peer.
    pub ht_rates: RateMask,
}

impl SetBssParameters {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<Wire>(message, Self::ID)?;
        Ok(Self {
            beacon_lost_count: wire.beacon_lost_count,
            aid: wire.aid.get(),
            operational_rates: RateMask(wire.operational_rates.get()),
            ht_rates: RateMask(wire.ht_rates.get()),
        })
    }
}

impl Request for SetBssParameters {
    const ID: MessageId = MessageId::SET_BSS_PARAMETERS;
    type Confirm<'a> = GenericConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = Wire {
            header: RawHeader::BLANK,
            reserved: 0,
            beacon_lost_count: self.beacon_lost_count,
            aid: U16::new(self.aid),
            operational_rates: U32::new(self.operational_rates.0),
            ht_rates: U32::new(self.ht_rates.0),
        };
        emit(Self::ID, interface, &wire, &[], out)
    }
}

impl fmt::Display for SetBssParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "set BSS parameters: AID {}, {} beacons may be lost, legacy {}, HT {}",
            self.aid, self.beacon_lost_count, self.operational_rates, self.ht_rates
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
            SetBssParameters,
            16,
            [0x10, 0x00, 0x11, 0x00, 0, 50, 0x01, 0xc0, 0xcf, 0x3f, 0, 0, 0x00, 0xc0, 0x3f, 0],
            SetBssParameters {
                beacon_lost_count: 50,
                aid: 0xc001,
                operational_rates: RateMask::LEGACY_2G4,
                ht_rates: RateMask::HT,
            }
        );
    }

    round_trips!(SetBssParameters, SetBssParameters::ID);
}
