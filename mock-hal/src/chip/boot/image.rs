//! Firmware images: which one was downloaded, and images for programs that have no real ones.
//!
//! A file is a 16-byte header (entry, param, stack pointer, load address), code, and a trailing word that is the
//! load address again; everything but the trailing word is sent (specification: file 11, section 2.1).
//!
//! The protocol does not say what an image is. The chip looks for a mark behind the header; an image without one is
//! judged by the order in which a driver sends them: the first RUN without calibration data is the calibration.

/// What a firmware image does when it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ImageKind {
    /// Calibrates, then speaks the download protocol again.
    Calibration,
    /// Normal operation.
    Main,
    /// RF tests without signalling: one slot per transfer.
    NoSignal,
    /// Bluetooth RF tests: no calibration needed, no Wi-Fi.
    BluetoothTest,
}

const HEADER: usize = 16;
const MARK: usize = 8;
/// Shortest file that has header, mark and trailing word.
pub const MIN_SIZE: usize = HEADER + MARK + 4;
/// As many bytes of an image as the loader keeps to find the mark.
pub(crate) const HEAD: usize = HEADER + MARK;

impl ImageKind {
    const ALL: [Self; 4] = [
        Self::Calibration,
        Self::Main,
        Self::NoSignal,
        Self::BluetoothTest,
    ];

    const fn mark(self) -> &'static [u8; MARK] {
        match self {
            Self::Calibration => b"EMU-CALI",
            Self::Main => b"EMU-MAIN",
            Self::NoSignal => b"EMU-NOSG",
            Self::BluetoothTest => b"EMU-BTRF",
        }
    }

    /// What the first bytes of a download say; `None` without a mark.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        let mark = head.get(HEADER..HEADER + MARK)?;
        Self::ALL.into_iter().find(|kind| kind.mark() == mark)
    }
}

/// A file that the emulated chip takes for an image of this kind: `size` bytes (at least [`MIN_SIZE`]), to be loaded
/// at `load_address`, with code that looks like code to nobody.
pub fn synthetic(kind: ImageKind, load_address: u32, size: usize) -> Vec<u8> {
    let size = size.max(MIN_SIZE);
    let mut file = Vec::with_capacity(size);
    for word in [load_address | 1, 0, 0x200F_F000, load_address] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(kind.mark());
    let code = size - MIN_SIZE;
    file.extend((0..code).map(|index| (index.wrapping_mul(31) >> 3) as u8));
    file.extend_from_slice(&load_address.to_le_bytes());
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_synthetic_image_says_what_it_is() {
        for kind in ImageKind::ALL {
            let file = synthetic(kind, 0x2001_0000, 10_000);
            assert_eq!(file.len(), 10_000);
            assert_eq!(ImageKind::of(&file[..HEAD]), Some(kind));
            assert_eq!(file[12..16], 0x2001_0000_u32.to_le_bytes());
            assert_eq!(file[9_996..], 0x2001_0000_u32.to_le_bytes());
        }
    }

    #[test]
    fn other_bytes_say_nothing() {
        assert_eq!(ImageKind::of(&[0; HEAD]), None);
        assert_eq!(ImageKind::of(&[0; 3]), None);
    }
}
