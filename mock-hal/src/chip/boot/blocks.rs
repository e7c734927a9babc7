//! Data blocks of the boot: calibration result and factory data.
//!
//! Specification: file 11, sections 7 and 8.3.

/// Size of the calibration block in bytes.
pub const DPD_SIZE: usize = 15_124;
/// Where the host writes it back.
pub const DPD_ADDRESS: u32 = 0x2008_C000;
/// Where the block says its version.
const DPD_VERSION_OFFSET: usize = 0x3AF4;
/// Lowest version that hosts accept from a file.
pub const DPD_VERSION: u32 = 7;

/// Size of the factory block in bytes.
pub const FACTORY_SIZE: usize = 72;
/// Where the host writes it.
pub const FACTORY_ADDRESS: u32 = 0x2008_B000;
const FACTORY_MAGIC: u16 = 0xBA80;

/// A calibration block as the calibration firmware makes it: version, content and checksum.
pub(crate) fn calibration() -> Vec<u8> {
    let mut block: Vec<u8> = (0..DPD_SIZE)
        .map(|index| (index.wrapping_mul(7) >> 2) as u8)
        .collect();
    block[DPD_VERSION_OFFSET..DPD_VERSION_OFFSET + 4].copy_from_slice(&DPD_VERSION.to_le_bytes());
    let crc = crc32fast::hash(&block[4..]);
    block[..4].copy_from_slice(&crc.to_le_bytes());
    block
}

/// Whether a block that was written back is a calibration block.
pub(crate) fn is_calibration(block: &[u8]) -> bool {
    block.len() == DPD_SIZE
        && word(block, 0) == crc32fast::hash(&block[4..])
        && word(block, DPD_VERSION_OFFSET) >= DPD_VERSION
}

/// Whether a block is a factory block.
pub(crate) fn is_factory(block: &[u8]) -> bool {
    block.len() == FACTORY_SIZE
        && u16::from_le_bytes([block[0], block[1]]) == FACTORY_MAGIC
        && matches!(u16::from_le_bytes([block[2], block[3]]), 1 | 2)
        && word(block, 4) == crc32fast::hash(&block[8..])
}

fn word(block: &[u8], offset: usize) -> u32 {
    block
        .get(offset..offset + 4)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// File 11, section 8.4.
    pub(crate) const FACTORY_EXAMPLE: [u8; FACTORY_SIZE] = [
        0x80, 0xBA, 0x02, 0x00, 0x9F, 0x33, 0xCF, 0xB1, 0x00, 0x00, 0x00, 0x00, 0xA0, 0x00, 0x00,
        0x14, 0x00, 0x14, 0x00, 0x14, 0x00, 0xFF, 0x00, 0x00, 0x00, 0x14, 0x00, 0x14, 0x00, 0x14,
        0x00, 0x14, 0x00, 0x14, 0x00, 0x14, 0x00, 0x14, 0x00, 0x14, 0x00, 0x14, 0x00, 0x14, 0x00,
        0x14, 0x00, 0x14, 0x00, 0x14, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00,
        0x05, 0x00, 0x00, 0x00, 0x15, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ];

    #[test]
    fn the_worked_factory_block_is_one() {
        assert!(is_factory(&FACTORY_EXAMPLE));
        assert_eq!(crc32fast::hash(&FACTORY_EXAMPLE), 0xD24B_6CFA);
        let mut damaged = FACTORY_EXAMPLE;
        damaged[70] = 1;
        assert!(!is_factory(&damaged));
    }

    #[test]
    fn a_calibration_block_is_accepted_back_unless_damaged() {
        let mut block = calibration();
        assert!(is_calibration(&block));
        block[100] ^= 1;
        assert!(!is_calibration(&block));
        assert!(!is_calibration(&block[..100]));
    }
}
