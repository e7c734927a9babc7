//! CRC-32 (ISO-HDLC), computed piece by piece (file 11, section 2.1).

/// Remainders of the 16 nibbles for the reflected polynomial 0xEDB88320 (0x04C11DB7). Sixteen words instead of 256:
/// the table stays in one cache line, and only the boot computes checksums.
const NIBBLES: [u32; 16] = [
    0x0000_0000,
    0x1DB7_1064,
    0x3B6E_20C8,
    0x26D9_30AC,
    0x76DC_4190,
    0x6B6B_51F4,
    0x4DB2_6158,
    0x5005_713C,
    0xEDB8_8320,
    0xF00F_9344,
    0xD6D6_A3E8,
    0xCB61_B38C,
    0x9B64_C2B0,
    0x86D3_D2D4,
    0xA00A_E278,
    0xBDBD_F21C,
];

/// A checksum under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crc32(u32);

impl Default for Crc32 {
    fn default() -> Self {
        Self::new()
    }
}

impl Crc32 {
    /// Nothing seen yet.
    pub const fn new() -> Self {
        Self(u32::MAX)
    }

    /// Goes on with `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        let mut state = self.0;
        for byte in bytes {
            state ^= u32::from(*byte);
            state = shift_nibble(shift_nibble(state));
        }
        self.0 = state;
    }

    /// The checksum of everything seen.
    pub const fn value(self) -> u32 {
        !self.0
    }

    /// The checksum of `bytes`.
    pub fn of(bytes: &[u8]) -> u32 {
        let mut crc = Self::new();
        crc.update(bytes);
        crc.value()
    }
}

fn shift_nibble(state: u32) -> u32 {
    let [low, _, _, _] = state.to_le_bytes();
    let remainder = NIBBLES.get(usize::from(low & 0x0F)).copied().unwrap_or(0);
    remainder ^ state >> 4
}

#[cfg(test)]
mod tests {
    use super::*;

    /// File 11, section 2.1.
    #[test]
    fn check_value_is_that_of_the_specification() {
        assert_eq!(Crc32::of(b"123456789"), 0xCBF4_3926);
        assert_eq!(Crc32::of(b""), 0);
    }

    #[test]
    fn pieces_give_the_same_as_the_whole() {
        let mut crc = Crc32::new();
        crc.update(b"1234");
        crc.update(b"");
        crc.update(b"56789");
        assert_eq!(crc.value(), Crc32::of(b"123456789"));
    }
}
