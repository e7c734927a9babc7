//! Hardware addresses, and which of them may name a device (specification: file 30, section 2; file 50, section 1).

use core::fmt;

/// What a hardware address must not be to name a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not six bytes.
    #[error("a MAC address has six bytes")]
    Length,
    /// All bytes are zero.
    #[error("MAC address of zeros")]
    Zero,
    /// A group address.
    #[error("MAC address is a group address")]
    Multicast,
    /// The placeholder of a widely copied device tree (file 50, section 1, row 11).
    #[error("MAC address de:ad:be:ef:12:34 is a placeholder that many devices share")]
    Placeholder,
}

/// A hardware address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// Everybody.
    pub const BROADCAST: Self = Self([0xFF; 6]);
    /// The address that many devices share by mistake.
    pub const PLACEHOLDER: Self = Self([0xDE, 0xAD, 0xBE, 0xEF, 0x12, 0x34]);

    /// The address at the start of `bytes`, if there are six.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk::<6>().map(|bytes| Self(*bytes))
    }

    /// The address as bytes, for a device of its own: six bytes, not zero, not a group, not the placeholder.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn for_device(bytes: &[u8]) -> Result<Self, AddressError> {
        let address = Self(bytes.try_into().map_err(|_| AddressError::Length)?);
        address.check_device()?;
        Ok(address)
    }

    /// Whether the address may name a device.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn check_device(self) -> Result<(), AddressError> {
        if self.0 == [0; 6] {
            Err(AddressError::Zero)
        } else if self.is_multicast() {
            Err(AddressError::Multicast)
        } else if self == Self::PLACEHOLDER {
            Err(AddressError::Placeholder)
        } else {
            Ok(())
        }
    }

    /// Whether it names a group, broadcast included.
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// The three addresses of a device whose permanent address is `self`; an interface with the address at an index
    /// gets the interface id 0, 2 and 1 in this order (file 30, section 2).
    #[must_use]
    pub const fn derived(self) -> [Self; 3] {
        let Self([a, b, c, d, e, f]) = self;
        let next = f.wrapping_add(1);
        [
            self,
            Self([a, b, c, d, e, next]),
            Self([a, b, c, d, e ^ 0x80, next]),
        ]
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_name_no_device_are_refused() {
        for (bytes, error) in [
            ([0; 6].as_slice(), AddressError::Zero),
            (&[1, 0, 0, 0, 0, 0], AddressError::Multicast),
            (&[0xFF; 6], AddressError::Multicast),
            (
                &[0xDE, 0xAD, 0xBE, 0xEF, 0x12, 0x34],
                AddressError::Placeholder,
            ),
            (&[2, 0, 0, 0, 0], AddressError::Length),
        ] {
            assert_eq!(MacAddress::for_device(bytes), Err(error));
        }
        assert_eq!(
            MacAddress::for_device(&[2, 0, 0, 0, 0, 1])
                .unwrap()
                .to_string(),
            "02:00:00:00:00:01"
        );
    }
    #[test]
    fn derived_addresses_follow_section_2() {
        let base = MacAddress([2, 0, 0, 0, 0x7F, 0xFF]);
        assert_eq!(
            base.derived(),
            [
                base,
                MacAddress([2, 0, 0, 0, 0x7F, 0]),
                MacAddress([2, 0, 0, 0, 0xFF, 0]),
            ]
        );
    }
}
