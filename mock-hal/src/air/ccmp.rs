//! CCMP with 128-bit keys (IEEE 802.11-2016, section 12.5.3): the access point's side of encrypted data.

use super::frame::{Mpdu, PROTECTED};
use aes::Aes128;
use ccm::aead::generic_array::GenericArray;
use ccm::aead::{AeadInPlace, KeyInit};
use ccm::consts::{U13, U8};
use ccm::Ccm;
use core::fmt;

/// Octets of the CCMP header, between MAC header and data.
pub const HEADER: usize = 8;
/// Octets of the message integrity code, behind the data.
pub const MIC: usize = 8;

/// A temporal key, ready to be used.
#[derive(Clone)]
pub struct Key {
    bytes: [u8; 16],
    cipher: Ccm<Aes128, U8, U13>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// Prepares a temporal key.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self {
            bytes,
            cipher: Ccm::new(GenericArray::from_slice(&bytes)),
        }
    }

    /// The key itself.
    pub fn bytes(&self) -> [u8; 16] {
        self.bytes
    }

    /// Encrypts a frame in place. The CCMP header must be there already, eight octets of any value behind the MAC
    /// header; the MIC is appended. `false`: the frame has no room for that.
    pub fn encrypt(&self, frame: &mut Vec<u8>, packet_number: u64, key_id: u8) -> bool {
        let Some(mpdu) = Mpdu::parse(frame) else {
            return false;
        };
        let start = mpdu.header_len();
        if frame.len() < start + HEADER {
            return false;
        }
        frame[1] |= PROTECTED;
        let pn = packet_number.to_le_bytes();
        frame[start..start + HEADER].copy_from_slice(&[
            pn[0],
            pn[1],
            0,
            0x20 | key_id << 6,
            pn[2],
            pn[3],
            pn[4],
            pn[5],
        ]);
        let Some((nonce, aad, aad_len)) = parameters(frame, packet_number) else {
            return false;
        };
        let tag = self.cipher.encrypt_in_place_detached(
            &nonce.into(),
            &aad[..aad_len],
            &mut frame[start + HEADER..],
        );
        match tag {
            Ok(tag) => {
                frame.extend_from_slice(&tag);
                true
            }
            Err(_) => false,
        }
    }

    /// Decrypts a frame in place and cuts the MIC off; the CCMP header stays. Returns the packet number, or `None` if
    /// the frame is too short or the MIC is wrong (the frame is damaged then).
    pub fn decrypt(&self, frame: &mut Vec<u8>) -> Option<u64> {
        let start = Mpdu::parse(frame)?.header_len();
        let (packet_number, _) = packet_number(frame)?;
        let (nonce, aad, aad_len) = parameters(frame, packet_number)?;
        let end = frame
            .len()
            .checked_sub(MIC)
            .filter(|&end| end >= start + HEADER)?;
        let (data, tag) = frame.split_at_mut(end);
        self.cipher
            .decrypt_in_place_detached(
                &nonce.into(),
                &aad[..aad_len],
                &mut data[start + HEADER..],
                GenericArray::from_slice(tag),
            )
            .ok()?;
        frame.truncate(end);
        Some(packet_number)
    }
}

/// Packet number and key id in the CCMP header of a frame. `None` if it is cut off or has no extended IV.
pub fn packet_number(frame: &[u8]) -> Option<(u64, u8)> {
    let start = Mpdu::parse(frame)?.header_len();
    let header = frame.get(start..start + HEADER)?;
    if header[3] & 0x20 == 0 {
        return None;
    }
    let number = u64::from_le_bytes([
        header[0], header[1], header[4], header[5], header[6], header[7], 0, 0,
    ]);
    Some((number, header[3] >> 6))
}

/// Nonce and additional authenticated data (sections 12.5.3.3.3 and 12.5.3.3.4).
fn parameters(frame: &[u8], packet_number: u64) -> Option<([u8; 13], [u8; 30], usize)> {
    let mpdu = Mpdu::parse(frame)?;
    let mut aad = [0; 30];
    // Retry, power management and more data may change between attempts; so may the data subtype.
    aad[0] = if mpdu.is_management() {
        frame[0]
    } else {
        frame[0] & !0x70
    };
    aad[1] = frame[1] & !0x38 | PROTECTED;
    aad[2..20].copy_from_slice(&frame[4..22]);
    aad[20] = frame[22] & 0x0F;
    let mut len = 22;
    if mpdu.has(super::frame::TO_DS | super::frame::FROM_DS) {
        aad[len..len + 6].copy_from_slice(&frame[24..30]);
        len += 6;
    }
    if mpdu.is_qos() {
        aad[len] = mpdu.tid();
        len += 2;
    }
    let mut nonce = [0; 13];
    nonce[0] = mpdu.tid() | if mpdu.is_management() { 0x10 } else { 0 };
    nonce[1..7].copy_from_slice(&frame[10..16]);
    nonce[7..].copy_from_slice(&packet_number.to_be_bytes()[2..]);
    Some((nonce, aad, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// IEEE 802.11-2016, annex J.6.4.
    const KEY: [u8; 16] = [
        0xC9, 0x7C, 0x1F, 0x67, 0xCE, 0x37, 0x11, 0x85, 0x51, 0x4A, 0x8A, 0x19, 0xF2, 0xBD, 0xD5,
        0x2F,
    ];
    const HEADER_OCTETS: [u8; 24] = [
        0x08, 0x48, 0xC3, 0x2C, 0x0F, 0xD2, 0xE1, 0x28, 0xA5, 0x7C, 0x50, 0x30, 0xF1, 0x84, 0x44,
        0x08, 0xAB, 0xAE, 0xA5, 0xB8, 0xFC, 0xBA, 0x80, 0x33,
    ];
    const PLAIN: [u8; 20] = [
        0xF8, 0xBA, 0x1A, 0x55, 0xD0, 0x2F, 0x85, 0xAE, 0x96, 0x7B, 0xB6, 0x2F, 0xB6, 0xCD, 0xA8,
        0xEB, 0x7E, 0x78, 0xA0, 0x50,
    ];
    const SEALED: [u8; 36] = [
        0x0C, 0xE7, 0x00, 0x20, 0x76, 0x97, 0x03, 0xB5, 0xF3, 0xD0, 0xA2, 0xFE, 0x9A, 0x3D, 0xBF,
        0x23, 0x42, 0xA6, 0x43, 0xE4, 0x32, 0x46, 0xE8, 0x0C, 0x3C, 0x04, 0xD0, 0x19, 0x78, 0x45,
        0xCE, 0x0B, 0x16, 0xF9, 0x76, 0x23,
    ];

    #[test]
    fn the_test_vector_of_the_standard_comes_out() {
        let mut frame = HEADER_OCTETS.to_vec();
        frame.extend_from_slice(&[0; HEADER]);
        frame.extend_from_slice(&PLAIN);
        assert!(Key::new(KEY).encrypt(&mut frame, 0xB503_9776_E70C, 0));
        assert_eq!(frame[24..], SEALED);
    }

    #[test]
    fn the_test_vector_of_the_standard_is_opened() {
        let mut frame = HEADER_OCTETS.to_vec();
        frame.extend_from_slice(&SEALED);
        assert_eq!(Key::new(KEY).decrypt(&mut frame), Some(0xB503_9776_E70C));
        assert_eq!(frame[32..], PLAIN);
    }

    #[test]
    fn retry_and_more_data_may_change_but_nothing_else() {
        let mut sealed = HEADER_OCTETS.to_vec();
        sealed.extend_from_slice(&SEALED);
        let mut retried = sealed.clone();
        retried[1] |= 0x38;
        assert!(Key::new(KEY).decrypt(&mut retried).is_some());
        for at in [4, 12, 18, 24, 33, 50, 59] {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(Key::new(KEY).decrypt(&mut damaged).is_none(), "octet {at}");
        }
    }

    #[test]
    fn a_truncated_frame_is_refused_at_every_length() {
        let mut sealed = HEADER_OCTETS.to_vec();
        sealed.extend_from_slice(&SEALED);
        for len in 0..sealed.len() {
            assert!(Key::new(KEY).decrypt(&mut sealed[..len].to_vec()).is_none());
        }
    }
}
