//! Digital pre-distortion data: what the calibration firmware measured (file 11, section 7).
//!
//! ```text
//!   0        4                                    0x3AF4    0x3AF8      0x3B14
//!   CRC-32 | ...                                | version | ...       |
//!   of 4..0x3B14
//! ```
//!
//! The chip measures for seconds. The block is kept, so that a later boot writes it back instead.

use crate::crc32::Crc32;
use bes_hal::BootError;

/// Bytes of the block.
pub const BLOCK_LEN: usize = 15124;

/// The same, as the chip announces it.
pub const ANNOUNCED_LEN: u16 = 15124;

/// Where the block is written in the chip's memory.
pub const ADDRESS: u32 = 0x2008_C000;

/// Bytes of the 30 blocks that the bus moves for it.
const TRANSFER_LEN: usize = 30 * 512;

/// Offset of the version.
const VERSION_AT: usize = 0x3AF4;

/// Lowest version that may come from a file.
const MIN_FILE_VERSION: u32 = 7;

/// A place for one block.
#[derive(Clone, Debug)]
pub struct Dpd {
    bytes: [u8; TRANSFER_LEN],
    present: bool,
}

impl Default for Dpd {
    fn default() -> Self {
        Self {
            bytes: [0; TRANSFER_LEN],
            present: false,
        }
    }
}

impl Dpd {
    /// The block, if there is one. There is no other way to it, so nothing can use a block that is missing
    /// (trap B15).
    pub fn block(&self) -> Option<&[u8]> {
        let block = self.bytes.get(..BLOCK_LEN)?;
        self.present.then_some(block)
    }

    /// Forgets the block and lends its place to the bus, whole blocks long.
    pub(crate) fn receive(&mut self) -> &mut [u8] {
        self.present = false;
        &mut self.bytes
    }

    /// Checks the block that was put in place.
    ///
    /// # Errors
    ///
    /// [`BootError::CalibrationData`] if its checksum is wrong; then there is none.
    pub(crate) fn accept(&mut self) -> Result<(), BootError> {
        let block = self.bytes.get(..BLOCK_LEN).unwrap_or(&[]);
        self.present = block
            .split_first_chunk::<4>()
            .is_some_and(|(crc, content)| u32::from_le_bytes(*crc) == Crc32::of(content));
        if self.present {
            Ok(())
        } else {
            Err(BootError::CalibrationData)
        }
    }

    /// Stores a block that was saved in a file.
    ///
    /// # Errors
    ///
    /// [`BootError::CalibrationData`] if its size or checksum is wrong or its version below 7; then there is none.
    pub fn restore(&mut self, block: &[u8]) -> Result<(), BootError> {
        let version = block
            .get(VERSION_AT..)
            .and_then(|rest| rest.first_chunk())
            .copied()
            .map(u32::from_le_bytes);
        if block.len() != BLOCK_LEN || version.is_none_or(|version| version < MIN_FILE_VERSION) {
            self.clear();
            return Err(BootError::CalibrationData);
        }
        self.put(block);
        self.accept()
    }

    fn put(&mut self, block: &[u8]) {
        for (place, byte) in self.receive().iter_mut().zip(block) {
            *place = *byte;
        }
    }

    /// Forgets the block.
    pub fn clear(&mut self) {
        self.present = false;
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    fn store(dpd: &mut Dpd, block: &[u8]) -> Result<(), BootError> {
        dpd.put(block);
        dpd.accept()
    }

    fn block(version: u32) -> Vec<u8> {
        let mut bytes = vec![0x33; BLOCK_LEN];
        bytes[VERSION_AT..VERSION_AT + 4].copy_from_slice(&version.to_le_bytes());
        let crc = Crc32::of(&bytes[4..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    #[test]
    fn a_good_block_is_kept() {
        let mut dpd = Dpd::default();
        assert_eq!(dpd.block(), None);
        store(&mut dpd, &block(3)).unwrap();
        assert_eq!(dpd.block(), Some(block(3).as_slice()));
        dpd.clear();
        assert_eq!(dpd.block(), None);
    }

    #[test]
    fn a_damaged_block_is_refused_and_the_old_one_forgotten() {
        let mut dpd = Dpd::default();
        store(&mut dpd, &block(7)).unwrap();
        let mut bad = block(7);
        bad[9000] ^= 1;
        assert_eq!(store(&mut dpd, &bad), Err(BootError::CalibrationData));
        assert_eq!(dpd.block(), None);
        for len in [0, 3, 4, BLOCK_LEN - 1] {
            assert!(dpd.restore(&block(7)[..len]).is_err());
        }
    }

    #[test]
    fn a_block_from_a_file_needs_version_7() {
        let mut dpd = Dpd::default();
        assert_eq!(dpd.restore(&block(6)), Err(BootError::CalibrationData));
        assert_eq!(dpd.restore(&[]), Err(BootError::CalibrationData));
        dpd.restore(&block(7)).unwrap();
        assert!(dpd.block().is_some());
    }

    #[test]
    fn the_announced_length_is_that_of_the_block() {
        assert_eq!(usize::from(ANNOUNCED_LEN), BLOCK_LEN);
        assert_eq!(ANNOUNCED_LEN.to_le_bytes(), [0x14, 0x3B]);
    }
}
