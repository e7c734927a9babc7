//! The ciphers of an access point, behind one face: CCMP, and the legacy ones of [`crate::cipher`].

use super::ccmp::{self, Key};
use super::frame::{Mpdu, PROTECTED};
use crate::cipher::tkip::{self, MicHeader, TkipKey};
use crate::cipher::wep::{self, WepKey};
use crate::cipher::ICV;

/// A key and what it is for.
///
/// Whatever the cipher, frames to be encrypted come with the room of a CCMP header behind the MAC header, and frames
/// that were decrypted have as much there: eight octets, of which WEP needs four on the air.
#[derive(Clone, Debug)]
pub enum Cipher {
    /// CCMP with 128 bits.
    Ccmp(Box<Key>),
    /// TKIP.
    Tkip(TkipKey),
    /// WEP, with the id of the key.
    Wep(WepKey, u8),
}

impl Cipher {
    /// CCMP with this temporal key.
    pub fn ccmp(temporal: [u8; 16]) -> Self {
        Self::Ccmp(Box::new(Key::new(temporal)))
    }

    /// The temporal key; `None` for WEP, which has none.
    pub fn temporal(&self) -> Option<[u8; 16]> {
        match self {
            Self::Ccmp(key) => Some(key.bytes()),
            Self::Tkip(key) => Some(key.temporal),
            Self::Wep(..) => None,
        }
    }

    /// Whether its frames are counted, so that a repeated one can be told.
    pub(super) const fn counts(&self) -> bool {
        !matches!(self, Self::Wep(..))
    }

    /// Encrypts a frame. `false`: it has no room for the header.
    pub(super) fn encrypt(&self, frame: &mut Vec<u8>, number: u64, key_id: u8) -> bool {
        if let Self::Ccmp(key) = self {
            return key.encrypt(frame, number, key_id);
        }
        let Some(mpdu) = Mpdu::parse(frame) else {
            return false;
        };
        let (start, transmitter) = (mpdu.header_len(), mpdu.transmitter());
        if frame.len() < start + ccmp::HEADER {
            return false;
        }
        frame[1] |= PROTECTED;
        let mic = MicHeader::of(frame);
        match (self, mic) {
            (Self::Wep(key, id), _) => {
                frame.drain(start..start + ccmp::HEADER - wep::HEADER);
                frame.extend_from_slice(&[0; ICV]);
                key.protect(&mut frame[start..], number as u32 & 0x00FF_FFFF, *id)
            }
            (Self::Tkip(key), Some(mic)) => {
                frame.extend_from_slice(&[0; tkip::TRAILER]);
                key.protect(&mut frame[start..], mic, transmitter, number, key_id)
            }
            _ => false,
        }
    }

    /// Decrypts a frame and cuts off what is behind the data. Returns its number, or `None` if it is refused.
    pub(super) fn decrypt(&self, frame: &mut Vec<u8>) -> Option<u64> {
        if let Self::Ccmp(key) = self {
            return key.decrypt(frame);
        }
        let mpdu = Mpdu::parse(frame)?;
        let (start, transmitter) = (mpdu.header_len(), mpdu.transmitter());
        let mic = MicHeader::of(frame)?;
        match self {
            Self::Wep(key, id) => {
                let body = &mut frame[start..];
                if wep::key_id(body)? != *id || !key.open(body) {
                    return None;
                }
                frame.truncate(frame.len() - ICV);
                let room = [0; ccmp::HEADER - wep::HEADER];
                frame.splice(start..start, room);
                Some(0)
            }
            Self::Tkip(key) => {
                let number = key.open(&mut frame[start..], mic, transmitter).ok()?;
                frame.truncate(frame.len() - tkip::TRAILER);
                Some(number)
            }
            Self::Ccmp(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ciphers() -> [(Cipher, Cipher); 3] {
        let tkip = TkipKey {
            temporal: [1; 16],
            send_mic: [2; 8],
            receive_mic: [3; 8],
        };
        let other = TkipKey {
            send_mic: [3; 8],
            receive_mic: [2; 8],
            ..tkip.clone()
        };
        let wep = WepKey::new(b"12345").unwrap();
        [
            (Cipher::ccmp([4; 16]), Cipher::ccmp([4; 16])),
            (Cipher::Tkip(tkip), Cipher::Tkip(other)),
            (Cipher::Wep(wep.clone(), 2), Cipher::Wep(wep, 2)),
        ]
    }

    #[test]
    fn every_cipher_takes_and_gives_frames_of_the_same_shape() {
        for ((one, other), overhead) in ciphers().into_iter().zip([8, 12, 0]) {
            let mut frame = vec![0x88, 0x02, 0, 0];
            frame.extend_from_slice(&[2; 18]);
            frame.extend_from_slice(&[0x10, 0, 5, 0]);
            frame.extend_from_slice(&[0; 8]);
            frame.extend_from_slice(b"some data");
            let len = frame.len();
            assert!(one.encrypt(&mut frame, 7, 0));
            assert_eq!(frame.len(), len + overhead, "{one:?}");
            assert!(!frame.ends_with(b"some data"));
            let mut damaged = frame.clone();
            damaged[len - 2] ^= 1;
            assert_eq!(other.decrypt(&mut damaged), None);
            let number = other.decrypt(&mut frame);
            assert_eq!(number, Some(if one.counts() { 7 } else { 0 }));
            assert_eq!(frame.len(), len);
            assert!(frame.ends_with(b"some data"));
        }
    }
}
