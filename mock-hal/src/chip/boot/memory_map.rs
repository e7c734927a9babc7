//! Which addresses of the chip a download may go to.

use std::iter;
use std::ops::Range;

/// The chip's memory, as far as the loader checks it.
///
/// Real sizes are not known to anybody outside of the vendor. The defaults hold every address that the specification
/// names (file 11, sections 6 and 7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryMap {
    /// Memory for images and data blocks.
    pub ram: Vec<Range<u32>>,
    /// Hardware registers, written one word at a time.
    pub registers: Vec<Range<u32>>,
}

impl Default for MemoryMap {
    fn default() -> Self {
        Self {
            ram: iter::once(0x2000_0000..0x2010_0000).collect(),
            registers: iter::once(0x4000_0000..0x4020_0000).collect(),
        }
    }
}

impl MemoryMap {
    /// Whether `len` bytes at `address` can be written.
    pub fn holds(&self, address: u32, len: u32) -> bool {
        let Some(end) = address.checked_add(len) else {
            return false;
        };
        let inside = |range: &Range<u32>| range.start <= address && end <= range.end;
        self.ram.iter().any(inside) || (len == 4 && self.registers.iter().any(inside))
    }

    /// Whether `address` is a hardware register.
    pub fn is_register(&self, address: u32) -> bool {
        self.registers.iter().any(|range| range.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_the_specification_is_there() {
        let map = MemoryMap::default();
        for (address, len) in [
            (0x4010_0000, 4),
            (0x4008_602C, 4),
            (0x2008_B000, 72),
            (0x2008_C000, 15_124),
            (0x2001_0000, 9_996),
        ] {
            assert!(map.holds(address, len), "{address:#010x}");
        }
    }

    #[test]
    fn what_reaches_beyond_memory_is_not_there() {
        let map = MemoryMap::default();
        assert!(!map.holds(0x200F_FFFC, 8));
        assert!(!map.holds(0xFFFF_FFFC, 8));
        assert!(!map.holds(0x4010_0000, 8));
        assert!(!map.holds(0, 4));
    }
}
