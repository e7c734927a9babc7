//! Network names as scan and join carry them: a length and 32 bytes.
//!
//! Source: file 20, sections 8.3 and 9.1.

use super::prelude::*;

/// Longest network name.
pub const MAX_SSID_LEN: usize = 32;

/// The name of a network, up to 32 bytes of anything; the record of a scan request.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Ssid {
    len: U32,
    bytes: [u8; MAX_SSID_LEN],
}

const_assert_eq!(size_of::<Ssid>(), 36);

impl Ssid {
    /// A name.
    ///
    /// # Errors
    ///
    /// [`WireError::Count`] above 32 bytes.
    pub fn new(name: &[u8]) -> Result<Self, WireError> {
        let len = u32::try_from(name.len()).map_err(|_error| WireError::Count)?;
        let mut bytes = [0; MAX_SSID_LEN];
        bytes
            .get_mut(..name.len())
            .ok_or(WireError::Count)?
            .copy_from_slice(name);
        Ok(Self {
            len: U32::new(len),
            bytes,
        })
    }

    /// The name.
    pub fn name(&self) -> &[u8] {
        let len = usize::try_from(self.len.get()).unwrap_or(MAX_SSID_LEN);
        self.bytes.get(..len).unwrap_or(&self.bytes)
    }

    /// A copy whose length was checked and whose padding is zero: for records that came from outside.
    pub(super) fn checked(&self) -> Result<Self, WireError> {
        let len = usize::try_from(self.len.get()).map_err(|_error| WireError::Count)?;
        Self::new(self.bytes.get(..len).ok_or(WireError::Count)?)
    }

    /// The name and its padding.
    pub(super) const fn padded(&self) -> &[u8; MAX_SSID_LEN] {
        &self.bytes
    }
}

impl PartialEq for Ssid {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Ssid {}

impl fmt::Debug for Ssid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ssid({self})")
    }
}

impl fmt::Display for Ssid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.name().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_up_to_32_bytes() {
        assert_eq!(Ssid::new(b"test").unwrap().name(), b"test");
        assert_eq!(Ssid::new(&[0xff; 32]).unwrap().name(), [0xff; 32]);
        assert_eq!(Ssid::new(&[0; 33]), Err(WireError::Count));
        assert_eq!(Ssid::new(b"a\n\"").unwrap().to_string(), r#""a\n\"""#);
    }

    #[test]
    fn a_length_from_outside_is_checked() {
        for len in [33, u32::MAX] {
            let ssid = Ssid {
                len: U32::new(len),
                bytes: [1; 32],
            };
            assert_eq!(ssid.checked(), Err(WireError::Count));
            assert_eq!(ssid.name().len(), 32);
        }
    }
}
