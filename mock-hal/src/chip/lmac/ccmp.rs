//! CCMP-128 and BIP-CMAC-128 as IEEE 802.11 defines them, on the MPDUs of the chip.

use super::frame::Mpdu;
use aes::Aes128;
use ccm::aead::generic_array::GenericArray;
use ccm::aead::{AeadInPlace, KeyInit};
use ccm::consts::{U13, U8};
use ccm::Ccm;
use cmac::{Cmac, Mac};

/// Bytes of the CCMP header.
pub(crate) const HEADER: usize = 8;
/// Bytes of the MIC.
pub(crate) const MIC: usize = 8;
/// Bytes of a management MIC element, id and length included.
pub(crate) const MMIE: usize = 18;

/// A CCMP key, expanded once.
#[derive(Clone)]
pub(crate) struct CcmpKey(Ccm<Aes128, U8, U13>);

impl std::fmt::Debug for CcmpKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CcmpKey")
    }
}

/// The additional authenticated data of a frame, and its length.
fn authenticated_data(mpdu: Mpdu<'_>) -> ([u8; 30], usize) {
    let mut data = [0; 30];
    let mut len = 22;
    // Retry, power management and more data change on the way; so do the subtype bits of data frames.
    data[0] = mpdu.0[0] & if mpdu.is_data() { 0x8F } else { 0xFF };
    data[1] = mpdu.0[1] & 0xC7 | 0x40;
    if mpdu.is_qos() {
        data[1] &= 0x7F;
    }
    data[2..20].copy_from_slice(&mpdu.0[4..22]);
    data[20] = mpdu.0[22] & 0x0F;
    let mut at = 24;
    if mpdu.flags() & 3 == 3 && mpdu.is_data() {
        data[22..28].copy_from_slice(&mpdu.0[24..30]);
        len += 6;
        at += 6;
    }
    if mpdu.is_qos() {
        data[len] = mpdu.0[at] & 0x0F;
        len += 2;
    }
    (data, len)
}

fn nonce(mpdu: Mpdu<'_>, packet_number: u64) -> [u8; 13] {
    let mut nonce = [0; 13];
    nonce[0] = if mpdu.is_management() {
        0x10
    } else {
        mpdu.tid()
    };
    nonce[1..7].copy_from_slice(&mpdu.0[10..16]);
    nonce[7..].copy_from_slice(&packet_number.to_be_bytes()[2..]);
    nonce
}

/// Packet number and key id of a frame with a CCMP header behind its MAC header.
pub(crate) fn packet_number(mpdu: Mpdu<'_>) -> Option<(u64, u8)> {
    let iv = mpdu.body().get(..HEADER)?;
    let number = [0, 0, iv[7], iv[6], iv[5], iv[4], iv[1], iv[0]];
    Some((u64::from_be_bytes(number), iv[3] >> 6))
}

impl CcmpKey {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self(Ccm::new(&GenericArray::from(key)))
    }

    /// Fills the CCMP header and the MIC of a frame that has room for both, and encrypts what is between them. `None`
    /// if there is no room.
    pub(crate) fn protect(&self, frame: &mut [u8], packet_number: u64, key_id: u8) -> Option<()> {
        let mpdu = Mpdu::new(frame)?;
        let start = mpdu.header_len();
        if frame.len() < start + HEADER + MIC {
            return None;
        }
        let (data, len) = authenticated_data(mpdu);
        let nonce = nonce(mpdu, packet_number);
        let pn = packet_number.to_be_bytes();
        let iv = [
            pn[7],
            pn[6],
            0,
            0x20 | key_id << 6,
            pn[5],
            pn[4],
            pn[3],
            pn[2],
        ];
        frame[start..start + HEADER].copy_from_slice(&iv);
        let end = frame.len() - MIC;
        let (front, tag) = frame.split_at_mut(end);
        let mic = self
            .0
            .encrypt_in_place_detached(
                &GenericArray::from(nonce),
                &data[..len],
                &mut front[start + HEADER..],
            )
            .ok()?;
        tag.copy_from_slice(&mic);
        Some(())
    }

    /// Checks and decrypts in place; cipher header and MIC stay where they are. `None` if the frame is too short or its
    /// MIC is wrong.
    pub(crate) fn open(&self, frame: &mut [u8]) -> Option<()> {
        let mpdu = Mpdu::new(frame)?;
        let start = mpdu.header_len();
        if frame.len() < start + HEADER + MIC {
            return None;
        }
        let (number, _) = packet_number(mpdu)?;
        let (data, len) = authenticated_data(mpdu);
        let nonce = nonce(mpdu, number);
        let end = frame.len() - MIC;
        let (front, tag) = frame.split_at_mut(end);
        self.0
            .decrypt_in_place_detached(
                &GenericArray::from(nonce),
                &data[..len],
                &mut front[start + HEADER..],
                GenericArray::from_slice(tag),
            )
            .ok()
    }
}

/// The 64-bit MIC of a group-addressed management frame whose body ends with a management MIC element.
fn management_mic(key: [u8; 16], frame: &[u8]) -> Option<[u8; 8]> {
    let mpdu = Mpdu::new(frame)?;
    let mut mac = <Cmac<Aes128> as KeyInit>::new(&GenericArray::from(key));
    mac.update(&[mpdu.0[0], mpdu.0[1] & 0xC7]);
    mac.update(frame.get(4..22)?);
    let body = frame.get(24..)?;
    mac.update(&body[..body.len().checked_sub(MIC)?]);
    mac.update(&[0; MIC]);
    let mut mic = [0; 8];
    mic.copy_from_slice(&mac.finalize().into_bytes()[..8]);
    Some(mic)
}

/// Appends a management MIC element (BIP).
pub(crate) fn append_mmie(key: [u8; 16], key_id: u8, packet_number: u64, frame: &mut Vec<u8>) {
    frame.extend_from_slice(&[76, 16, key_id, 0]);
    frame.extend_from_slice(&packet_number.to_le_bytes()[..6]);
    frame.extend_from_slice(&[0; MIC]);
    if let Some(mic) = management_mic(key, frame) {
        let end = frame.len() - MIC;
        frame[end..].copy_from_slice(&mic);
    }
}

/// What the management MIC element of a frame says: key id and packet number; `None` if there is none.
pub(crate) fn mmie(frame: &[u8]) -> Option<(u8, u64)> {
    let element = frame.get(frame.len().checked_sub(MMIE)?.max(24)..)?;
    if element.len() != MMIE || element[..2] != [76, 16] {
        return None;
    }
    let mut number = [0; 8];
    number[..6].copy_from_slice(&element[4..10]);
    Some((element[2], u64::from_le_bytes(number)))
}

/// Whether the management MIC of a frame is right.
pub(crate) fn mmie_is_valid(key: [u8; 16], frame: &[u8]) -> bool {
    frame
        .get(frame.len().saturating_sub(MIC)..)
        .is_some_and(|mic| management_mic(key, frame).is_some_and(|right| right == mic))
}

/// Which packet numbers have been seen: the highest and the 64 below it, so that frames of an A-MPDU may arrive out of
/// order but none twice.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReplayWindow {
    top: u64,
    seen: u64,
}

impl ReplayWindow {
    /// Whether the number is new; it is not the next time.
    pub(crate) fn accept(&mut self, number: u64) -> bool {
        if number > self.top {
            let by = number - self.top;
            self.seen = if by >= 64 { 0 } else { self.seen << by };
            self.seen |= 1;
            self.top = number;
            return true;
        }
        let back = self.top - number;
        if number == 0 || back >= 64 || self.seen >> back & 1 != 0 {
            return false;
        }
        self.seen |= 1 << back;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::wire::hex;

    /// IEEE 802.11, annex J: CCMP test vector.
    #[test]
    fn ccmp_matches_the_test_vector_of_the_standard() {
        let mut key = [0; 16];
        key.copy_from_slice(&hex("c97c1f67ce371185514a8a19f2bdd52f"));
        let plain = hex("0848c32c0fd2e128a57c5030f1844408abaea5b8fcba8033");
        let text = hex("f8ba1a55d02f85ae967bb62fb6cda8eb7e78a050");
        let mut frame = plain.clone();
        frame.extend_from_slice(&[0; HEADER]);
        frame.extend_from_slice(&text);
        frame.extend_from_slice(&[0; MIC]);
        let ccmp = CcmpKey::new(key);
        ccmp.protect(&mut frame, 0xB503_9776_E70C, 0).unwrap();
        let mut expected = plain.clone();
        expected.extend(hex("0ce70020769703b5"));
        expected.extend(hex("f3d0a2fe9a3dbf2342a643e43246e80c3c04d019"));
        expected.extend(hex("7845ce0b16f97623"));
        assert_eq!(frame, expected);
        assert_eq!(packet_number(Mpdu(&frame)), Some((0xB503_9776_E70C, 0)));
        ccmp.open(&mut frame).unwrap();
        assert_eq!(frame[32..52], text);
    }

    #[test]
    fn a_changed_bit_or_a_missing_byte_does_not_open() {
        let ccmp = CcmpKey::new([7; 16]);
        let mut frame = vec![0x88, 0x41, 0, 0];
        frame.resize(26 + HEADER + 40 + MIC, 9);
        ccmp.protect(&mut frame, 1, 0).unwrap();
        for at in [0, 4, 10, 24, 40, frame.len() - 1] {
            let mut bad = frame.clone();
            bad[at] ^= 2;
            assert!(ccmp.open(&mut bad).is_none(), "byte {at}");
        }
        for len in 0..26 + HEADER + MIC {
            assert!(ccmp.open(&mut frame.clone()[..len]).is_none());
            assert!(ccmp.protect(&mut frame.clone()[..len], 2, 0).is_none());
        }
        let mut retried = frame.clone();
        retried[1] |= 0x08;
        assert!(ccmp.open(&mut retried).is_some());
    }

    /// IGTK id 4, IPN 4; the MIC was computed with another implementation.
    #[test]
    fn bip_matches_another_implementation() {
        let mut key = [0; 16];
        key.copy_from_slice(&hex("4ea9543e09cf2b1eca66ffc58bdecbcf"));
        let mut frame = hex("c0000000ffffffffffff02000000000002000000000080 0d 0200");
        append_mmie(key, 4, 4, &mut frame);
        assert_eq!(frame[26..], hex("4c10 0400 040000000000 48dfbfa7b8278872"));
        assert_eq!(mmie(&frame), Some((4, 4)));
        assert!(mmie_is_valid(key, &frame));
        frame[24] ^= 1;
        assert!(!mmie_is_valid(key, &frame));
        for len in 0..frame.len() {
            let _ = mmie(&frame[..len]);
            let _ = mmie_is_valid(key, &frame[..len]);
        }
    }

    #[test]
    fn the_window_takes_each_number_once_and_none_that_is_too_old() {
        let mut window = ReplayWindow::default();
        assert!(!window.accept(0));
        assert!(window.accept(3) && window.accept(1) && window.accept(2));
        assert!(!window.accept(2) && !window.accept(3));
        assert!(window.accept(100));
        assert!(window.accept(37) && !window.accept(36) && !window.accept(37));
    }
}
