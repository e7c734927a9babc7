//! WPA2-PSK, the station's side of the 4-way handshake (IEEE 802.11, 12.7.6) and of the group key handshake (12.7.7).

use crate::station::dot11::RSN_PSK_CCMP;
use aes_kw::KekAes128;
use bes_mac80211::types::MacAddress;
use hmac::{Hmac, Mac};
use sha1::Sha1;

const KEY_INFO: usize = 5;
const REPLAY: usize = 9;
const NONCE: usize = 17;
const MIC: usize = 81;
const DATA_LEN: usize = 97;
const DATA: usize = 99;

const INFO_PAIRWISE: u16 = 0x0008;
const INFO_INSTALL: u16 = 0x0040;
const INFO_ACK: u16 = 0x0080;
const INFO_MIC: u16 = 0x0100;
const INFO_SECURE: u16 = 0x0200;
const INFO_ENCRYPTED: u16 = 0x1000;
/// Descriptor version 2: HMAC-SHA1-128 and AES key wrap.
const INFO_VERSION: u16 = 2;

/// Pairwise master key of a passphrase.
pub fn pairwise_master_key(passphrase: &str, ssid: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha1>(passphrase.as_bytes(), ssid, 4096, &mut key);
    key
}

/// What the handshake asks the station to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: not for us, or a repetition that needs no answer.
    Ignore,
    /// Send this EAPOL packet.
    Send(Vec<u8>),
    /// Send this EAPOL packet unprotected, then install the keys.
    SendThenInstall {
        /// Message 4.
        packet: Vec<u8>,
        /// Pairwise temporal key.
        pairwise: [u8; 16],
        /// Group key and its id.
        group: ([u8; 16], u8),
        /// Receive sequence counter of the group key.
        group_rsc: u64,
    },
    /// Send this EAPOL packet protected, and install the new group key.
    SendAndInstallGroup {
        /// Message 2 of the group key handshake.
        packet: Vec<u8>,
        /// Group key and its id.
        group: ([u8; 16], u8),
        /// Receive sequence counter of the group key.
        group_rsc: u64,
    },
}

/// Why a packet of the access point is no good.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too short, or no EAPOL key.
    Malformed,
    /// The message integrity code is wrong: wrong passphrase, or damaged.
    Mic,
    /// The group key cannot be unwrapped.
    GroupKey,
}

/// The station's side of one association.
#[derive(Debug)]
pub struct Supplicant {
    master: [u8; 32],
    own: MacAddress,
    authenticator: MacAddress,
    nonce: [u8; 32],
    ptk: Option<[u8; 48]>,
    /// Keys of a handshake that is to replace them; they count from its third message on.
    next: Option<[u8; 48]>,
    /// Replay counter of the last message with a good integrity code.
    replay: Option<u64>,
}

impl Supplicant {
    /// A fresh handshake with a nonce that the caller drew.
    pub fn new(
        master: [u8; 32],
        own: MacAddress,
        authenticator: MacAddress,
        nonce: [u8; 32],
    ) -> Self {
        Self {
            master,
            own,
            authenticator,
            nonce,
            ptk: None,
            next: None,
            replay: None,
        }
    }

    /// A packet of EtherType 888E arrived.
    pub fn handle(&mut self, packet: &[u8]) -> Result<Step, Refusal> {
        if packet.len() < DATA || packet[1] != 3 || packet[4] != 2 {
            return Err(Refusal::Malformed);
        }
        let info = u16::from_be_bytes([packet[KEY_INFO], packet[KEY_INFO + 1]]);
        if info & INFO_ACK == 0 {
            return Ok(Step::Ignore);
        }
        if info & INFO_MIC == 0 {
            // Message 1. Once there are keys it begins a handshake for new ones, with a nonce that was never used.
            if info & INFO_PAIRWISE == 0 {
                return Ok(Step::Ignore);
            }
            let their_nonce: [u8; 32] = packet[NONCE..NONCE + 32]
                .try_into()
                .map_err(|_| Refusal::Malformed)?;
            if self.replay.is_some() {
                self.nonce[31] = self.nonce[31].wrapping_add(1);
            }
            let ptk = self.derive(&their_nonce);
            if self.replay.is_some() {
                self.next = Some(ptk);
            } else {
                self.ptk = Some(ptk);
            }
            let nonce = self.nonce;
            return Ok(Step::Send(reply(
                packet,
                INFO_PAIRWISE | INFO_MIC,
                &nonce,
                &RSN_PSK_CCMP,
                &ptk,
            )));
        }
        let pairwise = info & INFO_PAIRWISE != 0;
        let Some(ptk) = self.next.filter(|_| pairwise).or(self.ptk) else {
            return Ok(Step::Ignore);
        };
        let mut unsigned = packet.to_vec();
        unsigned[MIC..MIC + 16].fill(0);
        if mic(&ptk, &unsigned) != packet[MIC..MIC + 16] {
            return Err(Refusal::Mic);
        }
        let mut counter = [0; 8];
        counter.copy_from_slice(&packet[REPLAY..REPLAY + 8]);
        let counter = u64::from_be_bytes(counter);
        if self.replay.is_some_and(|last| counter <= last) {
            return Ok(Step::Ignore);
        }
        // Message 3 installs; the first message of the group key handshake is secured by the keys of an earlier one.
        let expected = if pairwise {
            info & INFO_INSTALL != 0
        } else {
            info & INFO_SECURE != 0 && self.replay.is_some()
        };
        if !expected {
            return Ok(Step::Ignore);
        }
        let len = usize::from(u16::from_be_bytes([packet[DATA_LEN], packet[DATA_LEN + 1]]));
        let wrapped = packet.get(DATA..DATA + len).ok_or(Refusal::Malformed)?;
        let group =
            unwrap_group_key(&ptk, wrapped, info & INFO_ENCRYPTED != 0).ok_or(Refusal::GroupKey)?;
        let mut rsc = [0; 8];
        rsc[..6].copy_from_slice(&packet[65..71]);
        let group_rsc = u64::from_le_bytes(rsc);
        self.replay = Some(counter);
        if !pairwise {
            return Ok(Step::SendAndInstallGroup {
                packet: reply(packet, INFO_MIC | INFO_SECURE, &[0; 32], &[], &ptk),
                group,
                group_rsc,
            });
        }
        self.ptk = Some(ptk);
        self.next = None;
        let mut pairwise = [0; 16];
        pairwise.copy_from_slice(&ptk[32..48]);
        let info = INFO_PAIRWISE | INFO_MIC | INFO_SECURE;
        Ok(Step::SendThenInstall {
            packet: reply(packet, info, &[0; 32], &[], &ptk),
            pairwise,
            group,
            group_rsc,
        })
    }

    fn derive(&self, their_nonce: &[u8; 32]) -> [u8; 48] {
        let (own, theirs) = (self.own.0, self.authenticator.0);
        let mut data = Vec::with_capacity(76);
        data.extend(own.min(theirs));
        data.extend(own.max(theirs));
        data.extend(self.nonce.min(*their_nonce));
        data.extend(self.nonce.max(*their_nonce));
        let mut out = [0; 60];
        for (counter, chunk) in out.chunks_mut(20).enumerate() {
            let mut prf =
                <Hmac<Sha1> as Mac>::new_from_slice(&self.master).expect("HMAC takes any key");
            prf.update(b"Pairwise key expansion\0");
            prf.update(&data);
            prf.update(&[counter as u8]);
            chunk.copy_from_slice(&prf.finalize().into_bytes());
        }
        let mut ptk = [0; 48];
        ptk.copy_from_slice(&out[..48]);
        ptk
    }
}

/// An answer to a packet, signed with the keys of its handshake.
fn reply(to: &[u8], info: u16, nonce: &[u8; 32], data: &[u8], ptk: &[u8; 48]) -> Vec<u8> {
    let mut packet = vec![0; DATA];
    packet[..2].copy_from_slice(&[to[0], 3]);
    packet[2..4].copy_from_slice(&((DATA - 4 + data.len()) as u16).to_be_bytes());
    packet[4] = 2;
    packet[KEY_INFO..KEY_INFO + 2].copy_from_slice(&(info | INFO_VERSION).to_be_bytes());
    packet[REPLAY..REPLAY + 8].copy_from_slice(&to[REPLAY..REPLAY + 8]);
    packet[NONCE..NONCE + 32].copy_from_slice(nonce);
    packet[DATA_LEN..DATA_LEN + 2].copy_from_slice(&(data.len() as u16).to_be_bytes());
    packet.extend(data);
    let code = mic(ptk, &packet);
    packet[MIC..MIC + 16].copy_from_slice(&code);
    packet
}

fn mic(ptk: &[u8; 48], packet: &[u8]) -> [u8; 16] {
    let mut code = <Hmac<Sha1> as Mac>::new_from_slice(&ptk[..16]).expect("HMAC takes any key");
    code.update(packet);
    let mut out = [0; 16];
    out.copy_from_slice(&code.finalize().into_bytes()[..16]);
    out
}

fn unwrap_group_key(ptk: &[u8; 48], wrapped: &[u8], encrypted: bool) -> Option<([u8; 16], u8)> {
    let mut plain = vec![0; wrapped.len()];
    if encrypted {
        let key: [u8; 16] = ptk[16..32].try_into().ok()?;
        if wrapped.len() < 24 {
            return None;
        }
        plain.truncate(wrapped.len() - 8);
        KekAes128::from(key).unwrap(wrapped, &mut plain).ok()?;
    } else {
        plain.copy_from_slice(wrapped);
    }
    let found = crate::station::dot11::elements(&plain).find_map(|(id, body)| match (id, body) {
        (221, [0x00, 0x0F, 0xAC, 1, id, _, key @ ..]) => Some((key.try_into().ok()?, id & 3)),
        _ => None,
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_master_key_matches_the_test_vector_of_the_standard() {
        // IEEE 802.11, J.4.2: passphrase "password", SSID "IEEE".
        let key = pairwise_master_key("password", b"IEEE");
        assert_eq!(key[..8], [0xF4, 0x2C, 0x6F, 0xC5, 0x2D, 0xF0, 0xEB, 0xEF]);
        assert_eq!(key[24..], [0x3A, 0xED, 0x76, 0x2E, 0x97, 0x10, 0xA1, 0x2E]);
    }

    #[test]
    fn short_and_foreign_packets_are_refused() {
        let own = MacAddress([2, 0, 0, 0, 0, 1]);
        let mut supplicant = Supplicant::new([0; 32], own, own, [0; 32]);
        for len in 0..DATA {
            assert_eq!(supplicant.handle(&vec![3; len]), Err(Refusal::Malformed));
        }
    }
}
