//! Neighbour offload: the chip answers neighbour solicitations (IPv6) while its host sleeps, as it answers ARP.
//!
//! | addresses of the interface | the chip | solicitations for a sleeping host |
//! |---|---|---|
//! | none | answers none | wake it, like every other frame |
//! | one | MIB 0x1034 and template 7, while it sleeps | are answered by the chip |
//! | several | answers none: it has room for one | wake it, and it answers itself |
//! | one, and the chip refused MIB or template | answers none, and is not asked again | wake it |
//!
//! With several addresses an answer for one of them might hold back solicitations for the others, because nobody knows
//! whether the filter of MIB 0x1034 does what that of MIB 0x1001 does. The C driver has the writers of both and no caller
//! (specification: file 21, sections 2.8 and 3.3; file 31, section 16.1; file 20, section 4.4: one entry): no chip is
//! known to have been asked.

use core::fmt;

/// What becomes of neighbour solicitations while the host sleeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NeighbourOffload {
    /// The interface has no IPv6 address.
    #[default]
    NoAddress,
    /// The chip answers for this address, in network order.
    For([u8; 16]),
    /// The interface has so many addresses that the chip answers for none.
    TooMany(usize),
    /// The chip refused to answer for the address; it is asked again when the addresses change, or after a restart.
    Refused,
}

impl NeighbourOffload {
    /// What follows from the addresses of an interface.
    pub const fn new(addresses: &[[u8; 16]]) -> Self {
        match addresses {
            [] => Self::NoAddress,
            [address] => Self::For(*address),
            _ => Self::TooMany(addresses.len()),
        }
    }

    /// The address that the chip answers for.
    pub const fn address(&self) -> Option<[u8; 16]> {
        match self {
            Self::For(address) => Some(*address),
            Self::NoAddress | Self::TooMany(_) | Self::Refused => None,
        }
    }
}

impl fmt::Display for NeighbourOffload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str("off: no IPv6 address"),
            Self::For(_) => f.write_str("on while asleep"),
            Self::TooMany(count) => write!(f, "off: {count} IPv6 addresses, room for one"),
            Self::Refused => f.write_str("off: the chip refused it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_address_is_answered_for() {
        let (one, two) = ([1; 16], [2; 16]);
        assert_eq!(NeighbourOffload::new(&[]).address(), None);
        assert_eq!(NeighbourOffload::new(&[one]).address(), Some(one));
        let several = NeighbourOffload::new(&[one, two]);
        assert_eq!(several, NeighbourOffload::TooMany(2));
        assert_eq!(several.address(), None);
        assert_eq!(several.to_string(), "off: 2 IPv6 addresses, room for one");
    }
}
