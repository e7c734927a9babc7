//! The legacy ciphers, WEP and TKIP, on frame bodies: what chip and access points both need (IEEE 802.11-2016, sections
//! 12.3 and 12.5.2).
//!
//! They are broken ciphers. They are here because the chip does them in hardware and old networks exist.

pub mod tkip;
pub mod wep;

use rc4::consts::{U16, U8};
use rc4::{Key, KeyInit, Rc4, StreamCipher};

/// Octets of the integrity check value of both ciphers.
pub const ICV: usize = 4;

/// Applies RC4 with a key of 8 or 16 octets; with another length nothing happens.
fn rc4(key: &[u8], data: &mut [u8]) {
    match key.len() {
        8 => Rc4::<U8>::new(Key::<U8>::from_slice(key)).apply_keystream(data),
        16 => Rc4::<U16>::new(Key::<U16>::from_slice(key)).apply_keystream(data),
        _ => {}
    }
}

/// Writes the check value of what is in front of it, and encrypts both.
fn seal(key: &[u8], body: &mut [u8]) {
    let Some(at) = body.len().checked_sub(ICV) else {
        return;
    };
    let icv = crc32fast::hash(&body[..at]);
    body[at..].copy_from_slice(&icv.to_le_bytes());
    rc4(key, body);
}

/// Decrypts, and says whether the check value behind it is right.
fn unseal(key: &[u8], body: &mut [u8]) -> bool {
    let Some(at) = body.len().checked_sub(ICV) else {
        return false;
    };
    rc4(key, body);
    crc32fast::hash(&body[..at]).to_le_bytes() == body[at..]
}
