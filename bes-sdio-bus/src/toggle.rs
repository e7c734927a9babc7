//! The one-bit toggles that tell a repeated transfer from a new one (file 10, section 4.4).
//!
//! There are three: announcement, RX data, TX data. A transfer repeated after an error carries the same toggle, a new
//! transfer the opposite one. A toggle therefore advances in one place only, after success: advancing it when a
//! command is built and taking it back on an error loses the parity as soon as one error comes before the command
//! (trap T7).

/// A one-bit toggle, 0 at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Toggle(bool);

impl Toggle {
    /// Bit 16 of the CMD53 address field.
    const ADDRESS_BIT: u32 = 1 << 16;

    /// The transfer succeeded: the next one carries the opposite bit.
    pub fn advance(&mut self) {
        self.0 = !self.0;
    }

    /// Whether `bit` is the one that is expected next.
    pub const fn expects(self, bit: bool) -> bool {
        self.0 == bit
    }

    /// The toggle in its place in a CMD53 address.
    pub const fn address_bit(self) -> u32 {
        if self.0 {
            Self::ADDRESS_BIT
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_at_zero_and_alternates() {
        let mut toggle = Toggle::default();
        assert!(toggle.expects(false));
        assert_eq!(toggle.address_bit(), 0);
        toggle.advance();
        assert!(toggle.expects(true));
        assert_eq!(toggle.address_bit(), 0x1_0000);
        toggle.advance();
        assert_eq!(toggle, Toggle::default());
    }
}
