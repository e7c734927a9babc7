//! TKIP: key mixing, RC4, and the message integrity code called Michael.
//!
//! ```text
//!   | TSC1 | seed | TSC0 | key id | TSC2..5 | data ... | MIC 8 | ICV 4 |
//!                                           '-------- encrypted -------'
//! ```

use super::{seal, unseal, ICV};
use std::sync::OnceLock;

/// Octets in front of the data.
pub const HEADER: usize = 8;
/// Octets of the message integrity code.
pub const MIC: usize = 8;
/// Octets behind the data.
pub const TRAILER: usize = MIC + ICV;

/// A key with the integrity keys of both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TkipKey {
    /// Temporal key.
    pub temporal: [u8; 16],
    /// Integrity key of what is sent with it.
    pub send_mic: [u8; 8],
    /// Integrity key of what is received with it.
    pub receive_mic: [u8; 8],
}

/// Why a body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is too short, or its check value is wrong: noise, or another key.
    Icv,
    /// The check value is right and the integrity code is wrong: an attack, or another integrity key.
    Mic,
}

/// What the integrity code covers in front of the data: who it is for, who it is from, and the priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MicHeader {
    /// Final destination.
    pub destination: [u8; 6],
    /// Original source.
    pub source: [u8; 6],
    /// Traffic identifier; 0 without QoS.
    pub priority: u8,
}

impl MicHeader {
    /// Of a data frame; `None` if its header is cut off.
    pub fn of(frame: &[u8]) -> Option<Self> {
        let address = |at: usize| -> Option<[u8; 6]> { frame.get(at..at + 6)?.try_into().ok() };
        let flags = *frame.get(1)?;
        let (destination, source) = match flags & 3 {
            0 => (address(4)?, address(10)?),
            1 => (address(16)?, address(10)?),
            2 => (address(4)?, address(16)?),
            _ => (address(16)?, address(24)?),
        };
        let qos = if flags & 3 == 3 { 30 } else { 24 };
        let priority = if frame.first()? & 0x80 != 0 {
            frame.get(qos)? & 0x0F
        } else {
            0
        };
        Some(Self {
            destination,
            source,
            priority,
        })
    }
}

impl TkipKey {
    /// Fills header, integrity code and check value of a body that has room for them, and encrypts. `false` if there is
    /// no room. `transmitter`: address 2; `sequence`: the TKIP sequence counter, 48 bits.
    pub fn protect(
        &self,
        body: &mut [u8],
        mic: MicHeader,
        transmitter: [u8; 6],
        sequence: u64,
        key_id: u8,
    ) -> bool {
        if body.len() < HEADER + TRAILER {
            return false;
        }
        let (header, rest) = body.split_at_mut(HEADER);
        let tsc = sequence.to_le_bytes();
        header.copy_from_slice(&[
            tsc[1],
            (tsc[1] | 0x20) & 0x7F,
            tsc[0],
            0x20 | key_id << 6,
            tsc[2],
            tsc[3],
            tsc[4],
            tsc[5],
        ]);
        let end = rest.len() - TRAILER;
        let code = michael(self.send_mic, mic, &rest[..end]);
        rest[end..end + MIC].copy_from_slice(&code);
        seal(&mix(&self.temporal, transmitter, sequence), rest);
        true
    }

    /// Decrypts a body in place; header and trailer stay. Returns its sequence counter.
    ///
    /// # Errors
    ///
    /// Why it is refused; it is damaged or decrypted then.
    pub fn open(
        &self,
        body: &mut [u8],
        mic: MicHeader,
        transmitter: [u8; 6],
    ) -> Result<u64, Refusal> {
        let sequence = sequence(body).ok_or(Refusal::Icv)?;
        if body.len() < HEADER + TRAILER {
            return Err(Refusal::Icv);
        }
        let rest = &mut body[HEADER..];
        if !unseal(&mix(&self.temporal, transmitter, sequence), rest) {
            return Err(Refusal::Icv);
        }
        let end = rest.len() - TRAILER;
        if michael(self.receive_mic, mic, &rest[..end]) != rest[end..end + MIC] {
            return Err(Refusal::Mic);
        }
        Ok(sequence)
    }
}

/// Sequence counter in the header of a body.
pub fn sequence(body: &[u8]) -> Option<u64> {
    let header = body.get(..HEADER)?;
    (header[3] & 0x20 != 0).then(|| {
        u64::from_le_bytes([
            header[2], header[0], header[4], header[5], header[6], header[7], 0, 0,
        ])
    })
}

/// Michael over the header and the data (section 12.5.2.3).
pub fn michael(key: [u8; 8], header: MicHeader, data: &[u8]) -> [u8; 8] {
    let mut message = Vec::with_capacity(16 + data.len() + 8);
    message.extend_from_slice(&header.destination);
    message.extend_from_slice(&header.source);
    message.extend_from_slice(&[header.priority, 0, 0, 0]);
    message.extend_from_slice(data);
    michael_of(key, message)
}

fn michael_of(key: [u8; 8], mut message: Vec<u8>) -> [u8; 8] {
    message.push(0x5A);
    // At least four zeros, and a multiple of four in all.
    message.extend_from_slice(&[0; 4]);
    message.resize(message.len().next_multiple_of(4), 0);
    let word = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let (mut left, mut right) = (word(&key[..4]), word(&key[4..]));
    for chunk in message.chunks_exact(4) {
        left ^= word(chunk);
        right ^= left.rotate_left(17);
        left = left.wrapping_add(right);
        right ^= (left & 0xFF00_FF00) >> 8 | (left & 0x00FF_00FF) << 8;
        left = left.wrapping_add(right);
        right ^= left.rotate_left(3);
        left = left.wrapping_add(right);
        right ^= left.rotate_right(2);
        left = left.wrapping_add(right);
    }
    let mut code = [0; 8];
    code[..4].copy_from_slice(&left.to_le_bytes());
    code[4..].copy_from_slice(&right.to_le_bytes());
    code
}

/// The key of one frame (section 12.5.2.5): both phases.
fn mix(temporal: &[u8; 16], transmitter: [u8; 6], sequence: u64) -> [u8; 16] {
    let tsc = sequence.to_le_bytes();
    let low = u16::from_le_bytes([tsc[0], tsc[1]]);
    let key = |at: usize| u16::from_le_bytes([temporal[at], temporal[at + 1]]);
    let address = |at: usize| u16::from_le_bytes([transmitter[at], transmitter[at + 1]]);
    let mut p = [
        u16::from_le_bytes([tsc[2], tsc[3]]),
        u16::from_le_bytes([tsc[4], tsc[5]]),
        address(0),
        address(2),
        address(4),
    ];
    for round in 0..8_u16 {
        let at = 2 * usize::from(round & 1);
        p[0] = p[0].wrapping_add(substitute(p[4] ^ key(at)));
        p[1] = p[1].wrapping_add(substitute(p[0] ^ key(4 + at)));
        p[2] = p[2].wrapping_add(substitute(p[1] ^ key(8 + at)));
        p[3] = p[3].wrapping_add(substitute(p[2] ^ key(12 + at)));
        p[4] = p[4]
            .wrapping_add(substitute(p[3] ^ key(at)))
            .wrapping_add(round);
    }
    let mut q = [p[0], p[1], p[2], p[3], p[4], p[4].wrapping_add(low)];
    for step in 0..6 {
        let before = q[(step + 5) % 6];
        q[step] = q[step].wrapping_add(substitute(before ^ key(2 * step)));
    }
    for step in 0..6 {
        let before = q[(step + 5) % 6];
        let mixed = if step < 2 {
            before ^ key(12 + 2 * step)
        } else {
            before
        };
        q[step] = q[step].wrapping_add(mixed.rotate_right(1));
    }
    let mut seed = [0; 16];
    seed[0] = tsc[1];
    seed[1] = (tsc[1] | 0x20) & 0x7F;
    seed[2] = tsc[0];
    seed[3] = ((q[5] ^ key(0)) >> 1) as u8;
    for (pair, word) in seed[4..].chunks_exact_mut(2).zip(q) {
        pair.copy_from_slice(&word.to_le_bytes());
    }
    seed
}

/// The substitution of a word: the table of the standard, which is that of AES times two and times three.
fn substitute(word: u16) -> u16 {
    static TABLE: OnceLock<[u16; 256]> = OnceLock::new();
    let table = TABLE.get_or_init(table);
    let [low, high] = word.to_le_bytes();
    table[usize::from(low)] ^ table[usize::from(high)].swap_bytes()
}

fn table() -> [u16; 256] {
    let double = |octet: u8| octet << 1 ^ if octet & 0x80 != 0 { 0x1B } else { 0 };
    let mut table = [0; 256];
    // p runs through all non-zero octets by powers of 3, q through their inverses.
    let (mut p, mut q) = (1_u8, 1_u8);
    loop {
        p ^= double(p);
        for shift in [1, 2, 4] {
            q ^= q << shift;
        }
        if q & 0x80 != 0 {
            q ^= 0x09;
        }
        let affine =
            q ^ q.rotate_left(1) ^ q.rotate_left(2) ^ q.rotate_left(3) ^ q.rotate_left(4) ^ 0x63;
        table[usize::from(p)] = entry(affine);
        if p == 1 {
            break;
        }
    }
    table[0] = entry(0x63);
    table
}

const fn entry(octet: u8) -> u16 {
    let double = octet << 1 ^ if octet & 0x80 != 0 { 0x1B } else { 0 };
    u16::from_be_bytes([double, double ^ octet])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// IEEE 802.11-2016, annex J.4: each code is the key of the next.
    #[test]
    fn michael_gives_the_codes_of_the_standard() {
        let mut key = [0; 8];
        for (text, code) in [
            ("", 0x8292_5C1C_A1D1_30B8_u64),
            ("M", 0x4347_21CA_4063_9B3F),
            ("Mi", 0xE8F9_BECA_E97E_5D29),
            ("Mic", 0x9003_8FC6_CF13_C1DB),
            ("Mich", 0xD55E_1005_1012_8986),
            ("Michael", 0x0A94_2B12_4ECA_A546),
        ] {
            key = michael_of(key, text.as_bytes().to_vec());
            assert_eq!(key, code.to_be_bytes(), "{text:?}");
        }
    }

    /// IEEE 802.11-2016, annex J.5.
    #[test]
    fn mixing_gives_the_keys_of_the_standard() {
        let temporal = core::array::from_fn(|octet| octet as u8);
        let transmitter = [0x10, 0x22, 0x33, 0x44, 0x55, 0x66];
        assert_eq!(
            mix(&temporal, transmitter, 0),
            [
                0x00, 0x20, 0x00, 0x33, 0xEA, 0x8D, 0x2F, 0x60, 0xCA, 0x6D, 0x13, 0x74, 0x23, 0x4A,
                0x66, 0x0B
            ]
        );
        assert_eq!(
            mix(&temporal, transmitter, 1),
            [
                0x00, 0x20, 0x01, 0x90, 0xFF, 0xDC, 0x31, 0x43, 0x89, 0xA9, 0xD9, 0xD0, 0x74, 0xFD,
                0x20, 0xAA
            ]
        );
    }

    const HEADER_OF_MIC: MicHeader = MicHeader {
        destination: [2; 6],
        source: [4; 6],
        priority: 5,
    };

    fn keys() -> (TkipKey, TkipKey) {
        let one = TkipKey {
            temporal: [0x11; 16],
            send_mic: [0x22; 8],
            receive_mic: [0x33; 8],
        };
        let other = TkipKey {
            send_mic: one.receive_mic,
            receive_mic: one.send_mic,
            ..one.clone()
        };
        (one, other)
    }

    fn sealed(sequence: u64) -> Vec<u8> {
        let mut body = vec![0; HEADER];
        body.extend_from_slice(b"hello, old network");
        body.extend_from_slice(&[0; TRAILER]);
        assert!(keys()
            .0
            .protect(&mut body, HEADER_OF_MIC, [4; 6], sequence, 1));
        body
    }

    #[test]
    fn what_one_end_seals_the_other_opens() {
        for number in [1, 0xFFFF, 0x1_0000, 0xFFFF_FFFF_FFFF] {
            let mut body = sealed(number);
            assert_eq!(sequence(&body), Some(number));
            assert_eq!(body[3], 0x60);
            assert_eq!(keys().1.open(&mut body, HEADER_OF_MIC, [4; 6]), Ok(number));
            assert_eq!(&body[8..26], b"hello, old network");
        }
    }

    #[test]
    fn a_wrong_check_value_is_noise_and_a_wrong_code_is_an_attack() {
        let other = keys().1;
        let mut damaged = sealed(1);
        damaged[12] ^= 1;
        let refused = other.open(&mut damaged, HEADER_OF_MIC, [4; 6]);
        assert_eq!(refused, Err(Refusal::Icv));
        let forged = MicHeader {
            priority: 6,
            ..HEADER_OF_MIC
        };
        let refused = other.open(&mut sealed(1), forged, [4; 6]);
        assert_eq!(refused, Err(Refusal::Mic));
        let refused = other.open(&mut sealed(1), HEADER_OF_MIC, [5; 6]);
        assert_eq!(refused, Err(Refusal::Icv));
        for len in 0..HEADER + TRAILER {
            let mut cut = sealed(1);
            let refused = other.open(&mut cut[..len], HEADER_OF_MIC, [4; 6]);
            assert_eq!(refused, Err(Refusal::Icv));
        }
    }

    #[test]
    fn addresses_of_the_code_follow_the_direction() {
        let mut frame = vec![0x88, 1, 0, 0];
        for octet in [1, 2, 3] {
            frame.extend_from_slice(&[octet; 6]);
        }
        frame.extend_from_slice(&[0, 0, 5, 0]);
        let ends = |flags: u8| {
            let mut frame = frame.clone();
            frame[1] = flags;
            MicHeader::of(&frame).map(|mic| (mic.destination[0], mic.source[0], mic.priority))
        };
        assert_eq!(ends(1), Some((3, 2, 5)));
        assert_eq!(ends(2), Some((1, 3, 5)));
        assert_eq!(ends(0), Some((1, 2, 5)));
        assert_eq!(MicHeader::of(&frame[..24]), None);
    }
}
