//! The chip's side of WSM: what it reads from the host and what it writes to it, byte by byte.
//!
//! Written from the specification (file 20) alone and deliberately independent of the driver's codec: an error in one
//! of them shows as a disagreement instead of cancelling out.

pub(crate) mod confirm;
pub(crate) mod header;
pub(crate) mod indication;
pub(crate) mod rate;
pub(crate) mod request;
pub(crate) mod scan;
pub(crate) mod transmit;

/// Status codes of confirmations and indications (file 20, section 4.1; 13: file 50, section 3).
pub(crate) mod status {
    pub(crate) const SUCCESS: u32 = 0;
    pub(crate) const FAILURE: u32 = 1;
    pub(crate) const INVALID_PARAMETER: u32 = 2;
    pub(crate) const WRONG_MODE: u32 = 3;
    pub(crate) const DECRYPTION_FAILURE: u32 = 4;
    pub(crate) const MIC_FAILURE: u32 = 5;
    pub(crate) const RETRY_EXCEEDED: u32 = 6;
    pub(crate) const LIFETIME_EXCEEDED: u32 = 7;
    pub(crate) const LINK_LOST: u32 = 8;
    pub(crate) const NO_KEY: u32 = 9;
    pub(crate) const REQUEUE: u32 = 11;
    pub(crate) const STILL_JOINED: u32 = 13;
}

/// The little-endian 16-bit word at `offset`; zero beyond the end.
pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    match bytes.get(offset..offset + 2) {
        Some(part) => u16::from_le_bytes([part[0], part[1]]),
        None => 0,
    }
}

/// The little-endian 32-bit word at `offset`; zero beyond the end.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    match bytes.get(offset..offset + 4) {
        Some(part) => u32::from_le_bytes([part[0], part[1], part[2], part[3]]),
        None => 0,
    }
}

/// The byte at `offset`; zero beyond the end.
pub(crate) fn u8_at(bytes: &[u8], offset: usize) -> u8 {
    bytes.get(offset).copied().unwrap_or(0)
}

/// The hardware address at `offset`; zero beyond the end.
pub(crate) fn mac_at(bytes: &[u8], offset: usize) -> [u8; 6] {
    let mut address = [0; 6];
    if let Some(part) = bytes.get(offset..offset + 6) {
        address.copy_from_slice(part);
    }
    address
}

/// Bytes written as hex pairs, for worked examples.
#[cfg(test)]
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
