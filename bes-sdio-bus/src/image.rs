//! Firmware images (file 11, section 2.1).
//!
//! ```text
//!   0       4       8    12          16               size-4
//!   entry | param | sp | exec_addr | code and data ... | alternative load address
//!   |<------------------- sent to the chip ----------->|
//! ```

use bes_hal::firmware::FirmwareFile;
use bes_hal::BootError;

/// Bytes of the header, which is sent with the rest.
const HEADER_LEN: usize = 16;

/// Bytes of the trailing word, which is not sent.
const TRAILER_LEN: usize = 4;

/// Size above which a file is certainly no image: the chip's RAM window, 0x20000000 to 0x20200000. The files in
/// circulation have a third of that.
pub const CHIP_MEMORY: usize = 2 * 1024 * 1024;

/// An image that passed the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image<'a> {
    /// Where the chip puts it, and where it starts to run it.
    pub load_address: u32,
    /// What is sent.
    pub content: &'a [u8],
}

/// A little-endian word at the start of `bytes`.
fn word(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().copied().map(u32::from_le_bytes)
}

impl<'a> Image<'a> {
    /// Checks `file`, which was read as `name`.
    ///
    /// The load address is the trailing word, or the word at 12 if that is zero. Which addresses the chip has is not
    /// known for every firmware, so only what cannot be right is refused here, and the chip refuses the rest.
    ///
    /// # Errors
    ///
    /// [`BootError::FileInvalid`] if the file has no room for header and trailing word (trap B12) or is larger than
    /// [`CHIP_MEMORY`], or if the load address is zero, not a multiple of 4, or so high that the image wraps around.
    pub fn parse(name: FirmwareFile, file: &'a [u8]) -> Result<Self, BootError> {
        let invalid = BootError::FileInvalid(name);
        if file.len() < HEADER_LEN.saturating_add(TRAILER_LEN) || file.len() > CHIP_MEMORY {
            return Err(invalid);
        }
        let (content, trailer) = file.split_last_chunk::<TRAILER_LEN>().ok_or(invalid)?;
        let exec_address = file.get(12..).and_then(word).ok_or(invalid)?;
        let load_address = match u32::from_le_bytes(*trailer) {
            0 => exec_address,
            address => address,
        };
        let len = u32::try_from(content.len()).map_err(|_| invalid)?;
        if load_address == 0 || load_address & 3 != 0 || load_address.checked_add(len).is_none() {
            return Err(invalid);
        }
        Ok(Self {
            load_address,
            content,
        })
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAIN: FirmwareFile = FirmwareFile::Main;

    fn file(len: usize, exec: u32, trailer: u32) -> Vec<u8> {
        let mut bytes = vec![0x5A; len];
        bytes[12..16].copy_from_slice(&exec.to_le_bytes());
        bytes[len - 4..].copy_from_slice(&trailer.to_le_bytes());
        bytes
    }

    #[test]
    fn a_trailing_word_that_is_not_zero_is_the_load_address() {
        let bytes = file(10000, 0x2000_0000, 0x2001_0000);
        let image = Image::parse(MAIN, &bytes).unwrap();
        assert_eq!(image.load_address, 0x2001_0000);
        assert_eq!(image.content.len(), 9996);
        assert_eq!(image.content, &bytes[..9996]);
    }

    #[test]
    fn a_trailing_word_of_zero_means_the_address_in_the_header() {
        let bytes = file(100, 0x2000_0000, 0);
        assert_eq!(
            Image::parse(MAIN, &bytes).unwrap().load_address,
            0x2000_0000
        );
    }

    #[test]
    fn b12_files_that_are_no_image_are_refused() {
        let invalid = Err(BootError::FileInvalid(MAIN));
        for len in 0..20 {
            assert_eq!(Image::parse(MAIN, &vec![1; len]), invalid);
        }
        for (exec, trailer) in [(0, 0), (0, 0x2001_0002), (0x2001_0001, 0), (0, 0xFFFF_FFF0)] {
            assert_eq!(Image::parse(MAIN, &file(100, exec, trailer)), invalid);
        }
        assert_eq!(
            Image::parse(MAIN, &file(CHIP_MEMORY + 4, 0, 0x2000_0000)),
            invalid
        );
    }

    proptest! {
        #[test]
        fn any_file_is_parsed_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(image) = Image::parse(MAIN, &bytes) {
                prop_assert_eq!(image.content.len() + 4, bytes.len());
            }
        }
    }
}
