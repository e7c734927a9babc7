//! WEP with keys of 40 and 104 bits.
//!
//! ```text
//!   | IV 3 | key id 1 | data ... | ICV 4 |
//!                     '--- encrypted ----'
//! ```

use super::{seal, unseal, ICV};

/// Octets in front of the data.
pub const HEADER: usize = 4;

/// A key of 5 or 13 octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WepKey(Vec<u8>);

impl WepKey {
    /// `None` if the length is neither 5 nor 13.
    pub fn new(key: &[u8]) -> Option<Self> {
        matches!(key.len(), 5 | 13).then(|| Self(key.to_vec()))
    }

    fn seed(&self, iv: &[u8]) -> Vec<u8> {
        [iv, &self.0].concat()
    }

    /// Fills header and check value of a body that has room for both, and encrypts. `false` if there is no room.
    pub fn protect(&self, body: &mut [u8], iv: u32, key_id: u8) -> bool {
        if body.len() < HEADER + ICV {
            return false;
        }
        let (header, rest) = body.split_at_mut(HEADER);
        header[..3].copy_from_slice(&iv.to_le_bytes()[..3]);
        header[3] = key_id << 6;
        seal(&self.seed(&header[..3]), rest);
        true
    }

    /// Decrypts a body in place; header and check value stay. `false` if it is too short or the check value is wrong.
    pub fn open(&self, body: &mut [u8]) -> bool {
        if body.len() < HEADER + ICV {
            return false;
        }
        let (header, rest) = body.split_at_mut(HEADER);
        unseal(&self.seed(&header[..3]), rest)
    }
}

/// Key id in the header of a body.
pub fn key_id(body: &[u8]) -> Option<u8> {
    body.get(3).map(|octet| octet >> 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// LLC/SNAP and the first octets of an IPv4 packet.
    const PLAIN: [u8; 20] = [
        0xAA, 0xAA, 0x03, 0x00, 0x00, 0x00, 0x08, 0x00, 0x45, 0x00, 0x00, 0x4E, 0x66, 0x1A, 0x00,
        0x00, 0x80, 0x11, 0xBE, 0x64,
    ];

    fn body() -> Vec<u8> {
        let mut body = vec![0; HEADER];
        body.extend_from_slice(&PLAIN);
        body.extend_from_slice(&[0; ICV]);
        body
    }

    #[test]
    fn what_was_sealed_is_opened_and_the_check_value_is_the_crc_of_the_data() {
        let key = WepKey::new(&[0xFB, 0x02, 0x9E, 0x30, 0x31]).unwrap();
        assert!(WepKey::new(&[1; 6]).is_none());
        let mut body = body();
        assert!(key.protect(&mut body, 0x00C0_FFEE, 2));
        assert_eq!(body[..4], [0xEE, 0xFF, 0xC0, 0x80]);
        assert_ne!(body[4..24], PLAIN);
        assert_eq!(key_id(&body), Some(2));
        assert!(key.open(&mut body));
        assert_eq!(body[4..24], PLAIN);
        assert_eq!(body[24..], crc32fast::hash(&PLAIN).to_le_bytes());
    }

    /// RFC 6229, 64-bit key 0x0102030405060708: IV 01 02 03 and the rest of the key give its first octets.
    #[test]
    fn the_key_stream_is_that_of_rfc_6229() {
        let key = WepKey::new(&[4, 5, 6, 7, 8]).unwrap();
        let mut body = vec![0; HEADER + 16 + ICV];
        assert!(key.protect(&mut body, 0x0003_0201, 0));
        let stream = [
            0x97, 0xAB, 0x8A, 0x1B, 0xF0, 0xAF, 0xB9, 0x61, 0x32, 0xF2, 0xF6, 0x72, 0x58, 0xDA,
            0x15, 0xA8,
        ];
        assert_eq!(body[HEADER..HEADER + 16], stream);
    }

    #[test]
    fn what_is_damaged_cut_off_or_under_another_key_is_refused() {
        let key = WepKey::new(&[7; 13]).unwrap();
        let mut sealed = body();
        assert!(key.protect(&mut sealed, 1, 0));
        for at in [0, 4, 20, 27] {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(!key.open(&mut damaged), "octet {at}");
        }
        for len in 0..HEADER + ICV {
            assert!(!key.open(&mut sealed.clone()[..len]));
            assert!(!key.protect(&mut sealed.clone()[..len], 1, 0));
        }
        assert!(!WepKey::new(&[8; 13]).unwrap().open(&mut sealed));
    }
}
