//! The eleven key slots (file 20, section 10).

use super::ccmp::{self, CcmpKey, ReplayWindow};
use super::frame::Mpdu;
use crate::chip::wire::{mac_at, u8_at};
use crate::cipher::tkip::{self, MicHeader, TkipKey};
use crate::cipher::wep::{self, WepKey};

/// Slots of the key table.
const SLOTS: usize = 11;

/// What a slot holds.
#[derive(Clone, Debug)]
enum Material {
    AesGroup {
        key: CcmpKey,
        id: u8,
    },
    AesPairwise {
        key: CcmpKey,
        peer: [u8; 6],
    },
    Igtk {
        key: [u8; 16],
        id: u8,
    },
    /// Of one peer, or the default key with an id.
    Wep {
        key: WepKey,
        peer: Option<[u8; 6]>,
        id: u8,
    },
    /// Of one peer, or the group key with an id.
    Tkip {
        key: TkipKey,
        peer: Option<[u8; 6]>,
        id: u8,
    },
    /// WAPI: accepted, but no frame is protected or opened with it.
    Other {
        peer: Option<[u8; 6]>,
    },
}

#[derive(Clone, Debug)]
struct Key {
    interface: u8,
    material: Material,
    sent: u64,
    /// By TID; the last is for management frames.
    received: [ReplayWindow; 17],
}

/// A cipher of the chip, as far as its place in a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cipher {
    Wep,
    Tkip,
    Aes,
}

impl Cipher {
    /// Octets in front of the payload.
    pub(crate) const fn header(self) -> usize {
        match self {
            Self::Wep => wep::HEADER,
            Self::Tkip => tkip::HEADER,
            Self::Aes => ccmp::HEADER,
        }
    }

    /// Octets behind it.
    pub(crate) const fn trailer(self) -> usize {
        match self {
            Self::Wep => crate::cipher::ICV,
            Self::Tkip => tkip::TRAILER,
            Self::Aes => ccmp::MIC,
        }
    }
}

/// How a frame to be sent was treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    /// Nothing to do: not protected, or protected by the host, with no key in the chip.
    Unchanged,
    /// Encrypted or signed.
    Done,
    /// There are keys, but none for this frame.
    NoKey,
    /// The key is of a cipher that is not emulated.
    Unsupported,
    /// No room for cipher header and MIC.
    NoRoom,
}

/// How a received frame was treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// Not protected, or protected and no key is installed.
    Unchanged,
    /// Decrypted in place.
    Decrypted {
        group: bool,
        slot: u8,
        cipher: Cipher,
    },
    /// Decrypted, but Michael says that it is forged.
    Forged { group: bool, slot: u8 },
    /// Signed, and the signature is right.
    Signed,
    /// There are keys, but none for this frame.
    NoKey,
    /// The key is of a cipher that is not emulated.
    Unsupported,
    /// The MIC is wrong.
    Failed,
    /// The packet number has been seen.
    Replayed,
    /// The management MIC element is missing or wrong.
    BadSignature,
}

/// The key table.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyTable {
    slots: [Option<Key>; SLOTS],
    /// Id of the default WEP key to send with, by interface (MIB 0x0005).
    default_wep: [u8; 3],
}

impl KeyTable {
    /// Installs the key of an add-key request; `message` is the whole request.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn add(&mut self, interface: u8, message: &[u8]) -> Result<(), &'static str> {
        let block = message.get(8..48).ok_or("shorter than 48 bytes")?;
        let slot = self
            .slots
            .get_mut(usize::from(u8_at(message, 5)))
            .ok_or("index above 10")?;
        let mut key = [0; 16];
        let mut take = |at: usize| key.copy_from_slice(&block[at..at + 16]);
        let material = match u8_at(message, 4) {
            4 => {
                take(0);
                Material::AesGroup {
                    key: CcmpKey::new(key),
                    id: block[16],
                }
            }
            5 => {
                take(8);
                Material::AesPairwise {
                    key: CcmpKey::new(key),
                    peer: mac_at(block, 0),
                }
            }
            8 => {
                take(0);
                Material::Igtk { key, id: block[16] }
            }
            0 => {
                if block[0] > 3 || !matches!(block[1], 5..=16) {
                    return Err("WEP key id or length");
                }
                Material::Wep {
                    key: wep_key(&block[4..20], block[1])?,
                    peer: None,
                    id: block[0],
                }
            }
            1 => Material::Wep {
                key: wep_key(&block[8..24], block[7])?,
                peer: Some(mac_at(block, 0)),
                id: 0,
            },
            2 => {
                take(0);
                // One integrity key: that of the access point, whichever end this is.
                let mic = octets(block, 16);
                Material::Tkip {
                    key: TkipKey {
                        temporal: key,
                        send_mic: mic,
                        receive_mic: mic,
                    },
                    peer: None,
                    id: block[24],
                }
            }
            3 => {
                take(8);
                Material::Tkip {
                    key: TkipKey {
                        temporal: key,
                        send_mic: octets(block, 32),
                        receive_mic: octets(block, 24),
                    },
                    peer: Some(mac_at(block, 0)),
                    id: 0,
                }
            }
            6 => Material::Other { peer: None },
            7 => Material::Other {
                peer: Some(mac_at(block, 0)),
            },
            _ => return Err("no such key type"),
        };
        *slot = Some(Key {
            interface,
            material,
            sent: 0,
            received: Default::default(),
        });
        Ok(())
    }

    /// Which of its default WEP keys an interface sends with.
    pub(crate) fn set_default_wep(&mut self, interface: u8, id: u32) {
        if let Some(default) = self.default_wep.get_mut(usize::from(interface)) {
            *default = u8::try_from(id & 3).unwrap_or(0);
        }
    }

    /// Removes a key. `false` if there is none at this index.
    pub(crate) fn remove(&mut self, index: u8) -> bool {
        self.slots
            .get_mut(usize::from(index))
            .is_some_and(|slot| slot.take().is_some())
    }

    /// Number of installed keys.
    pub(crate) fn len(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// Whether management frames for one peer are protected: there is a management group key, which only comes with
    /// that protection, and a pairwise key.
    pub(crate) fn protects_management(&self, interface: u8, to: [u8; 6]) -> bool {
        let has = |wanted: &dyn Fn(&Material) -> bool| {
            let mut keys = self.slots.iter().flatten();
            keys.any(|key| key.interface == interface && wanted(&key.material))
        };
        has(&|material| matches!(material, Material::Igtk { .. }))
            && has(
                &|material| matches!(material, Material::AesPairwise { peer, .. } if *peer == to),
            )
    }

    /// Whether no key is installed on the interface, the management key not counted.
    fn is_open(&self, interface: u8) -> bool {
        !self
            .slots
            .iter()
            .flatten()
            .any(|key| key.interface == interface && !matches!(key.material, Material::Igtk { .. }))
    }

    /// Protects a frame that is about to be sent for the first time.
    pub(crate) fn protect(&mut self, interface: u8, frame: &mut Vec<u8>) -> Protection {
        let Some(mpdu) = Mpdu::new(frame) else {
            return Protection::Unchanged;
        };
        if !mpdu.is_protected() {
            return self.sign(interface, frame);
        }
        if self.is_open(interface) {
            return Protection::Unchanged;
        }
        let (receiver, group) = (mpdu.a1(), mpdu.is_group());
        let (transmitter, start) = (mpdu.a2(), mpdu.header_len());
        let default = self.default_wep.get(usize::from(interface)).copied();
        let mut unsupported = false;
        for key in self.slots.iter_mut().flatten() {
            if key.interface != interface {
                continue;
            }
            let for_peer =
                |peer: &Option<[u8; 6]>| peer.is_some_and(|peer| !group && peer == receiver);
            let (cipher, id) = match &key.material {
                Material::Wep { key: wep, peer, id }
                    if for_peer(peer) || peer.is_none() && Some(*id) == default =>
                {
                    key.sent += 1;
                    let iv = u32::try_from(key.sent & 0x00FF_FFFF).unwrap_or(0);
                    return done(wep.protect(&mut frame[start..], iv, *id));
                }
                Material::Tkip {
                    key: tkip,
                    peer,
                    id,
                } if for_peer(peer) || peer.is_none() && group => {
                    let Some(mic) = MicHeader::of(frame) else {
                        return Protection::NoRoom;
                    };
                    key.sent += 1;
                    let body = &mut frame[start..];
                    return done(tkip.protect(body, mic, transmitter, key.sent, *id));
                }
                Material::AesPairwise { key, peer } if !group && *peer == receiver => (key, 0),
                Material::AesGroup { key, id } if group => (key, *id),
                Material::Other { peer } => {
                    unsupported |= peer.is_none_or(|peer| peer == receiver);
                    continue;
                }
                _ => continue,
            };
            key.sent += 1;
            return match cipher.protect(frame, key.sent, id) {
                Some(()) => Protection::Done,
                None => Protection::NoRoom,
            };
        }
        if unsupported {
            Protection::Unsupported
        } else {
            Protection::NoKey
        }
    }

    /// Appends the management MIC element to a group-addressed robust management frame.
    fn sign(&mut self, interface: u8, frame: &mut Vec<u8>) -> Protection {
        if !is_robust_group(frame) || ccmp::mmie(frame).is_some() {
            return Protection::Unchanged;
        }
        for key in self.slots.iter_mut().flatten() {
            if let (true, Material::Igtk { key: igtk, id }) =
                (key.interface == interface, &key.material)
            {
                key.sent += 1;
                ccmp::append_mmie(*igtk, *id, key.sent, frame);
                return Protection::Done;
            }
        }
        Protection::Unchanged
    }

    /// Opens a received frame in place.
    pub(crate) fn open(&mut self, interface: u8, frame: &mut [u8]) -> Opened {
        let Some(mpdu) = Mpdu::new(frame) else {
            return Opened::Unchanged;
        };
        if !mpdu.is_protected() {
            return self.verify(interface, frame);
        }
        if self.is_open(interface) {
            return Opened::Unchanged;
        }
        let (sender, group) = (mpdu.a2(), mpdu.is_group());
        let lane = if mpdu.is_management() {
            16
        } else {
            usize::from(mpdu.tid())
        };
        let start = mpdu.header_len();
        let Some(id) = wep::key_id(mpdu.body()) else {
            return Opened::Failed;
        };
        let number = ccmp::packet_number(mpdu).map(|(number, _)| number);
        let mut unsupported = false;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let Some(key) = slot.as_mut().filter(|key| key.interface == interface) else {
                continue;
            };
            let slot = u8::try_from(index).unwrap_or(0);
            let of_peer =
                |peer: &Option<[u8; 6]>| peer.is_some_and(|peer| !group && peer == sender);
            let cipher = match &key.material {
                Material::Wep {
                    key,
                    peer,
                    id: key_id,
                } if of_peer(peer) || peer.is_none() && *key_id == id => {
                    return if key.open(&mut frame[start..]) {
                        Opened::Decrypted {
                            group,
                            slot,
                            cipher: Cipher::Wep,
                        }
                    } else {
                        Opened::Failed
                    };
                }
                Material::Tkip {
                    key: tkip,
                    peer,
                    id: key_id,
                } if of_peer(peer) || peer.is_none() && group && *key_id == id => {
                    let Some(mic) = MicHeader::of(frame) else {
                        return Opened::Failed;
                    };
                    return match tkip.open(&mut frame[start..], mic, sender) {
                        Err(tkip::Refusal::Icv) => Opened::Failed,
                        // Only what was not replayed can be an attack on the integrity (12.5.2.4).
                        Err(tkip::Refusal::Mic) => Opened::Forged { group, slot },
                        Ok(number) if !key.received[lane].accept(number) => Opened::Replayed,
                        Ok(_) => Opened::Decrypted {
                            group,
                            slot,
                            cipher: Cipher::Tkip,
                        },
                    };
                }
                Material::AesPairwise { key, peer } if !group && *peer == sender => key,
                Material::AesGroup { key, id: key_id } if group && *key_id == id => key,
                Material::Other { peer } => {
                    unsupported |= peer.is_none_or(|peer| peer == sender);
                    continue;
                }
                _ => continue,
            };
            let Some(number) = number.filter(|_| cipher.open(frame).is_some()) else {
                return Opened::Failed;
            };
            // Only a number that was authenticated may move the window.
            if !key.received[lane].accept(number) {
                return Opened::Replayed;
            }
            return Opened::Decrypted {
                group,
                slot,
                cipher: Cipher::Aes,
            };
        }
        if unsupported {
            Opened::Unsupported
        } else {
            Opened::NoKey
        }
    }

    fn verify(&mut self, interface: u8, frame: &[u8]) -> Opened {
        if !is_robust_group(frame) {
            return Opened::Unchanged;
        }
        let found = self
            .slots
            .iter_mut()
            .flatten()
            .find_map(|key| match &key.material {
                Material::Igtk { key: igtk, id } if key.interface == interface => {
                    Some((*igtk, *id, &mut key.received[16]))
                }
                _ => None,
            });
        let Some((igtk, id, window)) = found else {
            return Opened::Unchanged;
        };
        match ccmp::mmie(frame) {
            Some((key_id, number)) if key_id == id && ccmp::mmie_is_valid(igtk, frame) => {
                if window.accept(number) {
                    Opened::Signed
                } else {
                    Opened::Replayed
                }
            }
            _ => Opened::BadSignature,
        }
    }
}

/// What became of a frame whose cipher needs room.
const fn done(sealed: bool) -> Protection {
    if sealed {
        Protection::Done
    } else {
        Protection::NoRoom
    }
}

fn wep_key(octets: &[u8], len: u8) -> Result<WepKey, &'static str> {
    octets
        .get(..usize::from(len))
        .and_then(WepKey::new)
        .ok_or("WEP key length")
}

fn octets(block: &[u8], at: usize) -> [u8; 8] {
    let mut octets = [0; 8];
    octets.copy_from_slice(&block[at..at + 8]);
    octets
}

/// Whether a frame is a group-addressed robust management frame: deauthentication, disassociation, or an action frame
/// that is not of a public category.
fn is_robust_group(frame: &[u8]) -> bool {
    use super::frame::kind;
    let Some(mpdu) = Mpdu::new(frame).filter(|mpdu| mpdu.is_management() && mpdu.is_group()) else {
        return false;
    };
    match mpdu.kind() {
        kind::DEAUTHENTICATION | kind::DISASSOCIATION => true,
        // Public (4), self-protected (15), unprotected (127 vendor, 11 WNM, 20 DMG, 21 VHT) are not robust.
        kind::ACTION => mpdu
            .body()
            .first()
            .is_some_and(|category| !matches!(category, 4 | 7 | 11 | 15 | 20 | 21 | 127)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: [u8; 6] = [2, 0, 0, 0, 0, 9];
    const OWN: [u8; 6] = [2, 0, 0, 0, 0, 1];

    fn add_key(kind: u8, index: u8, block: &[u8]) -> Vec<u8> {
        let mut message = vec![48, 0, 0x0C, 0, kind, index, 0, 0];
        message.extend_from_slice(block);
        message.resize(48, 0);
        message
    }

    fn pairwise(index: u8) -> Vec<u8> {
        let mut block = PEER.to_vec();
        block.extend_from_slice(&[0, 0]);
        block.extend_from_slice(&[0x42; 16]);
        add_key(5, index, &block)
    }

    fn data(receiver: [u8; 6], sender: [u8; 6], to_ds: bool) -> Vec<u8> {
        let mut frame = vec![0x88, 0x40 | if to_ds { 1 } else { 2 }, 0, 0];
        for address in [receiver, sender, PEER] {
            frame.extend_from_slice(&address);
        }
        frame.extend_from_slice(&[0x10, 0, 0, 0]);
        frame.resize(26 + 8 + 20 + 8, 0x55);
        frame
    }

    #[test]
    fn both_ends_with_one_key_understand_each_other_and_a_repeat_is_refused() {
        let mut sender = KeyTable::default();
        let mut receiver = KeyTable::default();
        sender.add(0, &pairwise(3)).unwrap();
        let mut block = OWN.to_vec();
        block.extend_from_slice(&[0, 0]);
        block.extend_from_slice(&[0x42; 16]);
        receiver.add(1, &add_key(5, 0, &block)).unwrap();
        let mut frame = data(PEER, OWN, true);
        assert_eq!(sender.protect(0, &mut frame), Protection::Done);
        let mut again = frame.clone();
        assert_eq!(
            receiver.open(1, &mut frame),
            Opened::Decrypted {
                group: false,
                slot: 0,
                cipher: Cipher::Aes,
            }
        );
        assert!(frame[34..54].iter().all(|byte| *byte == 0x55));
        assert_eq!(receiver.open(1, &mut again), Opened::Replayed);
    }

    #[test]
    fn protected_frames_pass_unchanged_only_while_there_is_no_key() {
        let mut table = KeyTable::default();
        let mut frame = data(PEER, OWN, true);
        let before = frame.clone();
        assert_eq!(table.protect(0, &mut frame), Protection::Unchanged);
        assert_eq!(table.open(0, &mut frame), Opened::Unchanged);
        assert_eq!(frame, before);
        table.add(0, &pairwise(0)).unwrap();
        let mut other = data([2, 9, 9, 9, 9, 9], OWN, true);
        assert_eq!(table.protect(0, &mut other), Protection::NoKey);
        assert_eq!(table.open(0, &mut data(OWN, OWN, false)), Opened::NoKey);
        assert_eq!(table.protect(1, &mut other), Protection::Unchanged);
    }

    #[test]
    fn keys_that_are_not_emulated_are_accepted_and_typed() {
        let mut table = KeyTable::default();
        for (index, kind) in [6, 7].into_iter().enumerate() {
            let index = u8::try_from(index).unwrap();
            table.add(0, &add_key(kind, index, &[1, 13, 0, 0])).unwrap();
        }
        assert_eq!(table.len(), 2);
        assert_eq!(
            table.protect(0, &mut data(PEER, OWN, true)),
            Protection::Unsupported
        );
        assert_eq!(
            table.open(0, &mut data(OWN, PEER, false)),
            Opened::Unsupported
        );
    }

    #[test]
    fn impossible_keys_are_refused() {
        let mut table = KeyTable::default();
        assert!(table.add(0, &add_key(9, 0, &[])).is_err());
        assert!(table.add(0, &add_key(5, 11, &[])).is_err());
        assert!(table.add(0, &add_key(0, 0, &[4, 5])).is_err());
        assert!(table.add(0, &add_key(0, 0, &[1, 6])).is_err());
        assert!(table.add(0, &pairwise(0)[..47]).is_err());
        assert!(!table.remove(0) && !table.remove(200));
        table.add(0, &pairwise(10)).unwrap();
        assert!(table.remove(10));
    }

    #[test]
    fn group_management_frames_are_signed_and_checked() {
        let mut table = KeyTable::default();
        let mut block = vec![0x77; 16];
        block.push(4);
        table.add(0, &add_key(8, 2, &block)).unwrap();
        let mut frame = vec![0xC0, 0, 0, 0];
        for address in [[0xFF; 6], PEER, PEER] {
            frame.extend_from_slice(&address);
        }
        frame.extend_from_slice(&[0, 0, 7, 0]);
        let unsigned = frame.clone();
        assert_eq!(table.protect(0, &mut frame), Protection::Done);
        assert_eq!(frame.len(), unsigned.len() + ccmp::MMIE);
        assert_eq!(table.open(0, &mut frame.clone()), Opened::Signed);
        assert_eq!(table.open(0, &mut frame.clone()), Opened::Replayed);
        assert_eq!(table.open(0, &mut unsigned.clone()), Opened::BadSignature);
        frame[24] ^= 1;
        assert_eq!(table.open(0, &mut frame), Opened::BadSignature);
    }
}
