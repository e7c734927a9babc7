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
use bes_hal::frame::RxBuffer;
use bes_hal::{BootError, SdioError, TransportError};

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

/// A place for one block: a burst buffer of the platform, once there was a block.
#[derive(Debug)]
pub struct Dpd<B> {
    buffer: Option<B>,
    present: bool,
}

impl<B> Default for Dpd<B> {
    fn default() -> Self {
        Self {
            buffer: None,
            present: false,
        }
    }
}

impl<B: RxBuffer> Dpd<B> {
    /// The block, if there is one. There is no other way to it, so nothing can use a block that is missing
    /// (trap B15).
    pub fn block(&self) -> Option<&[u8]> {
        let block = self.buffer.as_ref()?.bytes().get(..BLOCK_LEN)?;
        self.present.then_some(block)
    }

    /// Forgets the block and lends its place to the bus, whole blocks long. `allocate` is asked for a buffer of so many
    /// bytes the first time.
    ///
    /// # Errors
    ///
    /// What `allocate` says.
    pub(crate) fn receive(
        &mut self,
        allocate: impl FnOnce(usize) -> Result<B, SdioError>,
    ) -> Result<&mut [u8], SdioError> {
        self.present = false;
        let buffer = match self.buffer.take() {
            Some(buffer) => buffer,
            None => allocate(TRANSFER_LEN)?,
        };
        Ok(self.buffer.insert(buffer).bytes_mut())
    }

    /// Checks the block that was put in place.
    ///
    /// # Errors
    ///
    /// [`BootError::CalibrationData`] if its checksum is wrong; then there is none.
    pub(crate) fn accept(&mut self) -> Result<(), BootError> {
        let bytes = self.buffer.as_ref().map_or(&[][..], RxBuffer::bytes);
        self.present = bytes
            .get(..BLOCK_LEN)
            .and_then(<[u8]>::split_first_chunk::<4>)
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
    /// [`BootError::CalibrationData`] if its size or checksum is wrong or its version below 7, or what `allocate` says;
    /// then there is none.
    pub(crate) fn restore(
        &mut self,
        block: &[u8],
        allocate: impl FnOnce(usize) -> Result<B, SdioError>,
    ) -> Result<(), TransportError> {
        let version = block
            .get(VERSION_AT..)
            .and_then(|rest| rest.first_chunk())
            .copied()
            .map(u32::from_le_bytes);
        if block.len() != BLOCK_LEN || version.is_none_or(|version| version < MIN_FILE_VERSION) {
            self.clear();
            return Err(BootError::CalibrationData.into());
        }
        self.put(block, allocate)?;
        Ok(self.accept()?)
    }

    fn put(
        &mut self,
        block: &[u8],
        allocate: impl FnOnce(usize) -> Result<B, SdioError>,
    ) -> Result<(), SdioError> {
        for (place, byte) in self.receive(allocate)?.iter_mut().zip(block) {
            *place = *byte;
        }
        Ok(())
    }

    /// Forgets the block.
    pub(crate) fn clear(&mut self) {
        self.present = false;
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use bes_hal::frame::ArrayBuffer;

    type Buffer = ArrayBuffer<TRANSFER_LEN>;

    fn allocate(len: usize) -> Result<Buffer, SdioError> {
        Buffer::new(len).map_err(|_| SdioError::NoMemory)
    }

    fn store(dpd: &mut Dpd<Buffer>, block: &[u8]) -> Result<(), BootError> {
        dpd.put(block, allocate).unwrap();
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
        let mut dpd = Dpd::<Buffer>::default();
        assert_eq!(dpd.block(), None);
        store(&mut dpd, &block(3)).unwrap();
        assert_eq!(dpd.block(), Some(block(3).as_slice()));
        dpd.clear();
        assert_eq!(dpd.block(), None);
    }

    #[test]
    fn a_damaged_block_is_refused_and_the_old_one_forgotten() {
        let mut dpd = Dpd::<Buffer>::default();
        store(&mut dpd, &block(7)).unwrap();
        let mut bad = block(7);
        bad[9000] ^= 1;
        assert_eq!(store(&mut dpd, &bad), Err(BootError::CalibrationData));
        assert_eq!(dpd.block(), None);
        for len in [0, 3, 4, BLOCK_LEN - 1] {
            assert!(dpd.restore(&block(7)[..len], allocate).is_err());
        }
    }

    #[test]
    fn a_block_from_a_file_needs_version_7() {
        let mut dpd = Dpd::<Buffer>::default();
        assert_eq!(
            dpd.restore(&block(6), allocate),
            Err(BootError::CalibrationData.into())
        );
        assert_eq!(
            dpd.restore(&[], allocate),
            Err(BootError::CalibrationData.into())
        );
        dpd.restore(&block(7), allocate).unwrap();
        assert!(dpd.block().is_some());
    }

    #[test]
    fn without_memory_there_is_no_block_and_a_later_one_is_kept() {
        let mut dpd = Dpd::<Buffer>::default();
        assert_eq!(
            dpd.restore(&block(7), |_| Err(SdioError::NoMemory)),
            Err(TransportError::Bus(SdioError::NoMemory))
        );
        assert_eq!(dpd.block(), None);
        dpd.restore(&block(7), allocate).unwrap();
        // The place stays: a second block needs no memory.
        dpd.restore(&block(8), |_| Err(SdioError::NoMemory))
            .unwrap();
        assert_eq!(dpd.block(), Some(block(8).as_slice()));
    }

    #[test]
    fn the_announced_length_is_that_of_the_block() {
        assert_eq!(usize::from(ANNOUNCED_LEN), BLOCK_LEN);
        assert_eq!(ANNOUNCED_LEN.to_le_bytes(), [0x14, 0x3B]);
    }
}
