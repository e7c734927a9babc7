//! Keys and key frames of WPA2 with a pre-shared key (IEEE 802.11-2016, section 12.7). Both sides of a handshake can
//! be built from it.

use super::Address;
use aes_kw::KekAes128;
use hmac::{Hmac, Mac};
use sha1::Sha1;

/// A pairwise master key.
pub type Pmk = [u8; 32];
/// A nonce.
pub type Nonce = [u8; 32];

/// The master key of a passphrase and a network name (annex J.4): 4096 rounds of PBKDF2.
pub fn pmk(passphrase: &str, ssid: &[u8]) -> Pmk {
    let mut key = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha1>(passphrase.as_bytes(), ssid, 4096, &mut key);
    key
}

/// The pseudo-random function of section 12.7.1.2.
pub fn prf(key: &[u8], label: &[u8], data: &[u8], out: &mut [u8]) {
    for (counter, chunk) in out.chunks_mut(20).enumerate() {
        let mut mac = hmac(key);
        mac.update(label);
        mac.update(&[0]);
        mac.update(data);
        mac.update(&[counter as u8]);
        let digest = mac.finalize().into_bytes();
        chunk.copy_from_slice(&digest[..chunk.len()]);
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha1> {
    // HMAC takes keys of every length; the error type exists for other constructions.
    match Hmac::<Sha1>::new_from_slice(key) {
        Ok(mac) => mac,
        Err(_) => Hmac::<Sha1>::new(&Default::default()),
    }
}

/// A pairwise transient key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ptk {
    /// Confirms key frames.
    pub kck: [u8; 16],
    /// Encrypts key data.
    pub kek: [u8; 16],
    /// Encrypts data frames.
    pub tk: [u8; 16],
}

impl Ptk {
    /// Derives the key; who is who does not matter for the order of the addresses and nonces.
    pub fn derive(
        pmk: &Pmk,
        authenticator: Address,
        supplicant: Address,
        anonce: &Nonce,
        snonce: &Nonce,
    ) -> Self {
        let mut data = [0; 76];
        data[..6].copy_from_slice(&authenticator.min(supplicant));
        data[6..12].copy_from_slice(&authenticator.max(supplicant));
        data[12..44].copy_from_slice(anonce.min(snonce));
        data[44..].copy_from_slice(anonce.max(snonce));
        let mut out = [0; 48];
        prf(pmk, b"Pairwise key expansion", &data, &mut out);
        let part = |at: usize| {
            let mut key = [0; 16];
            key.copy_from_slice(&out[at..at + 16]);
            key
        };
        Self {
            kck: part(0),
            kek: part(16),
            tk: part(32),
        }
    }
}

/// Key information: version 2, that is HMAC-SHA1 and AES key wrap.
pub const VERSION_2: u16 = 2;
/// Key information: a pairwise key.
pub const PAIRWISE: u16 = 0x0008;
/// Key information: install the key.
pub const INSTALL: u16 = 0x0040;
/// Key information: an answer is expected.
pub const ACK: u16 = 0x0080;
/// Key information: the frame has a MIC.
pub const WITH_MIC: u16 = 0x0100;
/// Key information: the key exchange is complete.
pub const SECURE: u16 = 0x0200;
/// Key information: the key data is encrypted.
pub const ENCRYPTED: u16 = 0x1000;

const FIXED: usize = 99;
const MIC_AT: usize = 81;

/// An EAPOL-Key frame, starting with the EAPOL version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFrame {
    /// Key information.
    pub info: u16,
    /// Replay counter.
    pub replay_counter: u64,
    /// Nonce.
    pub nonce: Nonce,
    /// Key data, as it travels.
    pub data: Vec<u8>,
}

impl KeyFrame {
    /// Reads a frame; `None` unless it is a whole EAPOL-Key frame of RSN with a known version.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let fixed = bytes.get(..FIXED)?;
        if fixed[1] != 3 || fixed[4] != 2 {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        let data_len = usize::from(u16::from_be_bytes([fixed[97], fixed[98]]));
        if length < FIXED - 4 + data_len {
            return None;
        }
        let info = u16::from_be_bytes([fixed[5], fixed[6]]);
        let mut counter = [0; 8];
        counter.copy_from_slice(&fixed[9..17]);
        let mut nonce = [0; 32];
        nonce.copy_from_slice(&fixed[17..49]);
        (info & 7 == VERSION_2).then_some(())?;
        Some(Self {
            info,
            replay_counter: u64::from_be_bytes(counter),
            nonce,
            data: bytes.get(FIXED..FIXED + data_len)?.to_vec(),
        })
    }

    /// Writes the frame, with a MIC if `kck` is given.
    pub fn emit(&self, kck: Option<&[u8; 16]>) -> Vec<u8> {
        let mut out = vec![0; FIXED];
        // EAPOL version 2, packet type Key, descriptor type RSN.
        out[..2].copy_from_slice(&[2, 3]);
        out[2..4].copy_from_slice(&((FIXED - 4 + self.data.len()) as u16).to_be_bytes());
        out[4] = 2;
        out[5..7].copy_from_slice(&self.info.to_be_bytes());
        if self.info & PAIRWISE != 0 && self.info & ACK != 0 {
            // Length of a CCMP key.
            out[8] = 16;
        }
        out[9..17].copy_from_slice(&self.replay_counter.to_be_bytes());
        out[17..49].copy_from_slice(&self.nonce);
        out[97..99].copy_from_slice(&(self.data.len() as u16).to_be_bytes());
        out.extend_from_slice(&self.data);
        if let Some(kck) = kck {
            let mic = mic(kck, &out);
            out[MIC_AT..MIC_AT + 16].copy_from_slice(&mic);
        }
        out
    }
}

fn mic(kck: &[u8; 16], frame: &[u8]) -> [u8; 16] {
    let mut mac = hmac(kck);
    mac.update(frame);
    let mut out = [0; 16];
    out.copy_from_slice(&mac.finalize().into_bytes()[..16]);
    out
}

/// Whether the MIC of an EAPOL-Key frame is that of the key.
pub fn mic_is_right(kck: &[u8; 16], bytes: &[u8]) -> bool {
    let Some(fixed) = bytes.get(..FIXED) else {
        return false;
    };
    // What follows the EAPOL packet (padding) is not covered.
    let length = 4 + usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    let Some(covered) = bytes.get(..length.max(FIXED)) else {
        return false;
    };
    let mut blank = covered.to_vec();
    blank[MIC_AT..MIC_AT + 16].fill(0);
    mic(kck, &blank) == fixed[MIC_AT..MIC_AT + 16]
}

/// Wraps key data: padded to whole 8 octets as section 12.7.2 says, then encrypted.
pub fn wrap(kek: &[u8; 16], data: &[u8]) -> Vec<u8> {
    let mut padded = data.to_vec();
    if padded.len() % 8 != 0 || padded.len() < 16 {
        padded.push(0xDD);
        while padded.len() % 8 != 0 || padded.len() < 16 {
            padded.push(0);
        }
    }
    let mut out = vec![0; padded.len() + 8];
    match KekAes128::from(*kek).wrap(&padded, &mut out) {
        Ok(()) => out,
        // Only a length that is not whole blocks fails, and the padding made it whole.
        Err(_) => Vec::new(),
    }
}

/// Unwraps key data; `None` if it was not wrapped with this key.
pub fn unwrap(kek: &[u8; 16], data: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0; data.len().checked_sub(8)?];
    KekAes128::from(*kek).unwrap(data, &mut out).ok()?;
    Some(out)
}

/// The key data encapsulation of a group key.
pub fn group_key_data(key_id: u8, key: &[u8; 16]) -> Vec<u8> {
    let mut data = vec![0xDD, 22, 0x00, 0x0F, 0xAC, 1, key_id & 3, 0];
    data.extend_from_slice(key);
    data
}

/// Key id and group key in unwrapped key data.
pub fn find_group_key(data: &[u8]) -> Option<(u8, [u8; 16])> {
    let content = super::elements::Elements::new(data).find_vendor(&[0x00, 0x0F, 0xAC, 1])?;
    let mut key = [0; 16];
    key.copy_from_slice(content.get(2..18)?);
    Some((content[0] & 3, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len() / 2)
            .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn the_passphrase_example_of_the_standard_comes_out() {
        assert_eq!(
            pmk("password", b"IEEE").to_vec(),
            hex("f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e")
        );
    }

    #[test]
    fn the_prf_example_of_the_standard_comes_out() {
        let mut out = [0; 64];
        prf(&[0x0B; 20], b"prefix", b"Hi There", &mut out);
        assert_eq!(
            out.to_vec(),
            hex(
                "bcd4c650b30b9684951829e0d75f9d54b862175ed9f00606e17d8da35402ffee\
                 75df78c3d31e0f889f012120c0862beb67753e7439ae242edb8373698356cf5a"
            )
        );
    }

    #[test]
    fn both_sides_derive_the_same_key() {
        let (a, b) = ([1; 6], [2; 6]);
        let (m, n) = ([3; 32], [4; 32]);
        assert_eq!(
            Ptk::derive(&[9; 32], a, b, &m, &n),
            Ptk::derive(&[9; 32], b, a, &n, &m)
        );
        assert_ne!(
            Ptk::derive(&[9; 32], a, b, &m, &n),
            Ptk::derive(&[8; 32], a, b, &m, &n)
        );
    }

    #[test]
    fn a_key_frame_is_read_as_it_was_written_and_refused_when_cut_off() {
        let frame = KeyFrame {
            info: VERSION_2 | PAIRWISE | WITH_MIC,
            replay_counter: 77,
            nonce: [5; 32],
            data: vec![1, 2, 3],
        };
        let bytes = frame.emit(Some(&[7; 16]));
        assert_eq!(KeyFrame::parse(&bytes), Some(frame));
        assert!(mic_is_right(&[7; 16], &bytes));
        assert!(!mic_is_right(&[8; 16], &bytes));
        let mut damaged = bytes.clone();
        damaged[100] ^= 1;
        assert!(!mic_is_right(&[7; 16], &damaged));
        for len in 0..bytes.len() {
            assert_eq!(KeyFrame::parse(&bytes[..len]), None);
            assert!(!mic_is_right(&[7; 16], &bytes[..len]));
        }
    }

    #[test]
    fn a_wrapped_group_key_is_found_again() {
        let data = group_key_data(2, &[6; 16]);
        let wrapped = wrap(&[1; 16], &data);
        assert_eq!(
            unwrap(&[1; 16], &wrapped).and_then(|data| find_group_key(&data)),
            Some((2, [6; 16]))
        );
        assert_eq!(unwrap(&[2; 16], &wrapped), None);
    }
}
