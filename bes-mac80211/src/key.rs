//! Keys in the chip: what the stack gives, and which of the eleven slots is whose.
//!
//! The slots are shared by all interfaces (specification: file 31, section 6). A slot is taken when the chip has
//! accepted the key and freed when it has removed it; unjoining frees none, because the stack removes its keys itself.

use crate::types::{Cipher, MacAddress};
use bes_wsm::wire::InterfaceId;
use core::fmt;

/// Number of key slots (file 20, section 4.4).
pub const KEY_SLOTS: usize = 11;

/// A slot of the chip's key table, 0 to 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeySlot(u8);

impl KeySlot {
    /// `slot` if there is such a slot.
    pub fn new(slot: u8) -> Option<Self> {
        (usize::from(slot) < KEY_SLOTS).then_some(Self(slot))
    }

    /// The number, 0 to 10.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for KeySlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A key, as the stack gives it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyParameters {
    cipher: Cipher,
    peer: Option<MacAddress>,
    index: u8,
    material: [u8; 32],
    len: u8,
    /// Receive sequence counter of a group key (IPN of a management group key), least significant byte first. The chip
    /// drops group frames up to it; without it replayed frames pass until the first new one (file 31, C23).
    pub receive_counter: [u8; 8],
}

impl fmt::Debug for KeyParameters {
    /// Everything but the key itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyParameters")
            .field("cipher", &self.cipher)
            .field("peer", &self.peer)
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl KeyParameters {
    /// A key of `cipher`, pairwise with `peer` or for the group, with its index of 802.11. `material` is as Linux has
    /// it: for TKIP 32 bytes, key, TX MIC key and RX MIC key of an authenticator.
    ///
    /// `None` if the length does not fit the cipher, the index is above 5, or a pairwise key is asked for of a cipher
    /// that has none.
    pub fn new(
        cipher: Cipher,
        peer: Option<MacAddress>,
        index: u8,
        material: &[u8],
    ) -> Option<Self> {
        let fits = match cipher {
            Cipher::Wep => matches!(material.len(), 5 | 13) && index <= 3,
            Cipher::Tkip | Cipher::Wapi => material.len() == 32 && index <= 3,
            Cipher::Ccmp => material.len() == 16 && index <= 3,
            Cipher::AesCmac => material.len() == 16 && matches!(index, 4 | 5) && peer.is_none(),
        };
        if !fits {
            return None;
        }
        let mut key = Self {
            cipher,
            peer,
            index,
            material: [0; 32],
            len: u8::try_from(material.len()).ok()?,
            receive_counter: [0; 8],
        };
        key.material
            .get_mut(..material.len())?
            .copy_from_slice(material);
        Some(key)
    }

    /// The same key with its receive sequence counter.
    #[must_use]
    pub const fn with_receive_counter(mut self, counter: [u8; 8]) -> Self {
        self.receive_counter = counter;
        self
    }

    /// Cipher.
    pub const fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// Station that shares a pairwise key.
    pub const fn peer(&self) -> Option<MacAddress> {
        self.peer
    }

    /// Key index of 802.11.
    pub const fn index(&self) -> u8 {
        self.index
    }

    /// The key material.
    pub fn material(&self) -> &[u8] {
        self.material.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// `N` bytes of the material from `start`; zeros where there is none.
    pub(crate) fn part<const N: usize>(&self, start: usize) -> [u8; N] {
        let mut part = [0; N];
        let source = self.material().get(start..).unwrap_or(&[]);
        for (to, from) in part.iter_mut().zip(source) {
            *to = *from;
        }
        part
    }
}

/// A key that the chip has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstalledKey {
    /// Interface it belongs to.
    pub interface: InterfaceId,
    /// Its cipher.
    pub cipher: Cipher,
    /// Station that shares it; `None` for a group key.
    pub peer: Option<MacAddress>,
    /// Key index of 802.11.
    pub index: u8,
}

/// Which slots are taken.
#[derive(Clone, Debug, Default)]
pub struct KeyTable {
    slots: [Option<InstalledKey>; KEY_SLOTS],
}

impl KeyTable {
    /// The first free slot.
    pub fn free_slot(&self) -> Option<KeySlot> {
        let at = self.slots.iter().position(Option::is_none)?;
        KeySlot::new(u8::try_from(at).ok()?)
    }

    /// Notes that the chip has a key.
    pub fn insert(&mut self, slot: KeySlot, key: InstalledKey) {
        if let Some(entry) = self.slots.get_mut(usize::from(slot.0)) {
            *entry = Some(key);
        }
    }

    /// Notes that the chip does not have the key any more. `None` if it never had it.
    pub fn remove(&mut self, slot: KeySlot) -> Option<InstalledKey> {
        self.slots.get_mut(usize::from(slot.0))?.take()
    }

    /// The key in a slot.
    pub fn key(&self, slot: KeySlot) -> Option<InstalledKey> {
        self.slots.get(usize::from(slot.0)).copied().flatten()
    }

    /// Every key with its slot.
    pub fn iter(&self) -> impl Iterator<Item = (KeySlot, InstalledKey)> + '_ {
        (0u8..)
            .zip(&self.slots)
            .filter_map(|(number, key)| Some((KeySlot::new(number)?, (*key)?)))
    }

    /// Forgets every key: the chip has started anew.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed() -> InstalledKey {
        InstalledKey {
            interface: InterfaceId::Zero,
            cipher: Cipher::Ccmp,
            peer: None,
            index: 1,
        }
    }

    #[test]
    fn eleven_slots_are_given_out_and_the_first_free_one_comes_next() {
        let mut table = KeyTable::default();
        for number in 0..11 {
            let slot = table.free_slot().unwrap();
            assert_eq!(slot.number(), number);
            table.insert(slot, installed());
        }
        assert_eq!(table.free_slot(), None);
        let fourth = KeySlot::new(4).unwrap();
        assert_eq!(table.remove(fourth), Some(installed()));
        assert_eq!(table.free_slot(), Some(fourth));
        assert_eq!(table.iter().count(), 10);
    }

    #[test]
    fn removing_a_key_that_is_not_there_is_no_catastrophe_c23() {
        let mut table = KeyTable::default();
        assert_eq!(table.remove(KeySlot::new(10).unwrap()), None);
        assert_eq!(KeySlot::new(11), None);
    }

    #[test]
    fn a_key_whose_length_does_not_fit_its_cipher_is_refused() {
        let peer = Some(MacAddress([2; 6]));
        let new = |cipher, peer, index, len: usize| {
            KeyParameters::new(cipher, peer, index, &[7; 64][..len]).is_some()
        };
        assert!(new(Cipher::Wep, None, 3, 5) && new(Cipher::Wep, None, 0, 13));
        assert!(!new(Cipher::Wep, None, 0, 16) && !new(Cipher::Wep, None, 4, 5));
        assert!(new(Cipher::Ccmp, peer, 0, 16) && !new(Cipher::Ccmp, peer, 0, 32));
        assert!(new(Cipher::Tkip, peer, 0, 32) && !new(Cipher::Tkip, peer, 0, 31));
        assert!(new(Cipher::AesCmac, None, 4, 16) && !new(Cipher::AesCmac, None, 1, 16));
        assert!(!new(Cipher::AesCmac, peer, 4, 16));
    }

    #[test]
    fn a_key_does_not_print_its_secret() {
        let key = KeyParameters::new(Cipher::Ccmp, None, 1, &[0xA5; 16]).unwrap();
        let text = format!("{key:?}");
        assert!(text.contains("Ccmp") && !text.contains("165") && !text.contains("a5"));
    }
}
