//! The room that ciphers need in a frame.
//!
//! Down, the stack leaves room for the cipher header, the driver adds room for the trailer, and the chip fills both
//! (file 30, section 3.4; file 20, section 12.4). Up, the chip has decrypted and usually stripped both (section 5.5).
//!
//! | cipher | header behind the 802.11 header | trailer |
//! |---|---|---|
//! | WEP | 4 | 4 |
//! | TKIP | 8 | 4 + 8 |
//! | CCMP | 8 | 8 |
//! | WAPI | 18 | 16 |
//! | AES-CMAC | 0 | 0: the chip adds the whole element |

use crate::mpdu::FrameControl;
use crate::types::{Cipher, HardwareKey};

/// Longest trailer, in bytes.
pub const MAX_TRAILER: usize = 16;

/// Room for a cipher, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Between the 802.11 header and the body; the stack has left it.
    pub header: u8,
    /// Behind the body; the driver adds it.
    pub trailer: u8,
}

impl Room {
    /// No cipher.
    pub const NONE: Self = Self {
        header: 0,
        trailer: 0,
    };

    /// What `cipher` needs.
    pub const fn of(cipher: Cipher) -> Self {
        let (header, trailer) = match cipher {
            Cipher::Wep => (4, 4),
            Cipher::Tkip => (8, 12),
            Cipher::Ccmp => (8, 8),
            Cipher::Wapi => (18, 16),
            Cipher::AesCmac => (0, 0),
        };
        Self { header, trailer }
    }

    /// What a frame needs that goes down with `key`. A frame that is not marked as protected is sent as it is, and so is
    /// a protected one without a key of the chip: software has encrypted it.
    #[inline]
    pub const fn for_frame(control: FrameControl, key: Option<HardwareKey>) -> Self {
        match key {
            Some(key) if control.is_protected() => Self::of(key.cipher),
            _ => Self::NONE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bes_wsm::wire::rx::Encryption;

    #[test]
    fn both_directions_agree_about_the_room() {
        for (cipher, encryption) in [
            (Cipher::Wep, Encryption::Wep),
            (Cipher::Tkip, Encryption::Tkip),
            (Cipher::Ccmp, Encryption::Aes),
            (Cipher::Wapi, Encryption::Wapi),
        ] {
            let room = Room::of(cipher);
            let room_of = (usize::from(room.header), usize::from(room.trailer));
            assert_eq!(room_of, encryption.overhead());
            assert!(usize::from(room.trailer) <= MAX_TRAILER);
        }
    }

    #[test]
    fn only_protected_frames_with_a_key_of_the_chip_get_room() {
        let key = Some(HardwareKey {
            cipher: Cipher::Ccmp,
            index: 0,
        });
        let (plain, protected) = (FrameControl(0x0088), FrameControl(0x4088));
        assert_eq!(Room::for_frame(protected, key), Room::of(Cipher::Ccmp));
        assert_eq!(Room::for_frame(plain, key), Room::NONE);
        assert_eq!(Room::for_frame(protected, None), Room::NONE);
    }
}
