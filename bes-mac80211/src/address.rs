//! Hardware addresses, and which of them may name a device (specification: file 30, section 2; file 50, section 1).

use bes_wsm::wire::unit::MacAddress;

/// Everybody.
pub const BROADCAST: MacAddress = MacAddress([0xFF; 6]);

/// The address that many devices share by mistake.
pub const PLACEHOLDER: MacAddress = MacAddress([0xDE, 0xAD, 0xBE, 0xEF, 0x12, 0x34]);

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

/// The address at the start of `bytes`, if there are six.
#[inline]
pub fn from_bytes(bytes: &[u8]) -> Option<MacAddress> {
    bytes.first_chunk::<6>().map(|bytes| MacAddress(*bytes))
}

/// Whether an address names a group, broadcast included.
pub const fn is_group(address: MacAddress) -> bool {
    address.0[0] & 1 != 0
}

/// The address in `bytes`, for a device of its own: six bytes, not zero, not a group, not the placeholder.
///
/// # Errors
///
/// What is wrong with it.
pub fn for_device(bytes: &[u8]) -> Result<MacAddress, AddressError> {
    let address = MacAddress(bytes.try_into().map_err(|_| AddressError::Length)?);
    check_device(address)?;
    Ok(address)
}

/// Whether an address may name a device.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_device(address: MacAddress) -> Result<(), AddressError> {
    if address.0 == [0; 6] {
        Err(AddressError::Zero)
    } else if is_group(address) {
        Err(AddressError::Multicast)
    } else if address == PLACEHOLDER {
        Err(AddressError::Placeholder)
    } else {
        Ok(())
    }
}

/// The three addresses of a device with this permanent address; an interface with the address at index 0, 1, 2 gets
/// the interface id 0, 2, 1 (file 30, section 2).
pub const fn derived(permanent: MacAddress) -> [MacAddress; 3] {
    let MacAddress([a, b, c, d, e, f]) = permanent;
    let next = f.wrapping_add(1);
    [
        permanent,
        MacAddress([a, b, c, d, e, next]),
        MacAddress([a, b, c, d, e ^ 0x80, next]),
    ]
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
            assert_eq!(for_device(bytes), Err(error));
        }
        assert_eq!(
            for_device(&[2, 0, 0, 0, 0, 1]).unwrap().to_string(),
            "02:00:00:00:00:01"
        );
    }
    #[test]
    fn derived_addresses_follow_section_2() {
        let base = MacAddress([2, 0, 0, 0, 0x7F, 0xFF]);
        assert_eq!(
            derived(base),
            [
                base,
                MacAddress([2, 0, 0, 0, 0x7F, 0]),
                MacAddress([2, 0, 0, 0, 0xFF, 0]),
            ]
        );
    }
}
