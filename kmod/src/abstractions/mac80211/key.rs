// SPDX-License-Identifier: GPL-2.0-only

//! Keys of mac80211.

use super::super::bindings;
use core::marker::PhantomData;
use core::ptr::NonNull;

/// What to do with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyCommand {
    /// Install it.
    Set,
    /// Remove it.
    Disable,
}

/// A cipher suite selector. Linux: `WLAN_CIPHER_SUITE_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    /// WEP-40 and WEP-104.
    Wep,
    /// TKIP.
    Tkip,
    /// CCMP-128.
    Ccmp,
    /// BIP with AES-CMAC-128.
    AesCmac,
    /// WAPI SMS4.
    Wapi,
    /// Another one.
    Other(u32),
}

impl Suite {
    pub(super) const fn new(selector: u32) -> Self {
        // OUI and type, as 802.11 has them; the macros of the kernel shift and so are none for bindgen.
        match selector {
            0x000F_AC01 | 0x000F_AC05 => Self::Wep,
            0x000F_AC02 => Self::Tkip,
            0x000F_AC04 => Self::Ccmp,
            0x000F_AC06 => Self::AesCmac,
            0x0014_7201 => Self::Wapi,
            other => Self::Other(other),
        }
    }
}

/// A key that is to be installed or removed.
///
/// # Invariants
///
/// `key` is valid for `'a`, and used by nobody else but for its flags.
pub(crate) struct Key<'a> {
    key: NonNull<bindings::ieee80211_key_conf>,
    peer: Option<[u8; 6]>,
    life: PhantomData<&'a mut bindings::ieee80211_key_conf>,
}

impl Key<'_> {
    /// # Safety
    ///
    /// `key` is valid for the life time of the result, and `peer` is null or a valid station.
    pub(super) unsafe fn new(
        key: NonNull<bindings::ieee80211_key_conf>,
        peer: *mut bindings::ieee80211_sta,
    ) -> Self {
        // INVARIANT: By the requirements.
        Self {
            key,
            // SAFETY: By the requirements.
            peer: (!peer.is_null()).then(|| unsafe { (*peer).addr }),
            life: PhantomData,
        }
    }

    /// Its cipher.
    pub(crate) fn suite(&self) -> Suite {
        // SAFETY: Valid by the type invariants.
        Suite::new(unsafe { (*self.key.as_ptr()).cipher })
    }

    /// Key index of 802.11.
    pub(crate) fn index(&self) -> u8 {
        // SAFETY: Valid by the type invariants.
        u8::try_from(unsafe { (*self.key.as_ptr()).keyidx }).unwrap_or(0)
    }

    /// The station that shares it, if it is pairwise.
    pub(crate) fn peer(&self) -> Option<[u8; 6]> {
        // SAFETY: Valid by the type invariants.
        let flags = u32::from(unsafe { (*self.key.as_ptr()).flags });
        if flags & bindings::ieee80211_key_flags_IEEE80211_KEY_FLAG_PAIRWISE != 0 {
            self.peer
        } else {
            None
        }
    }

    /// The key material.
    pub(crate) fn material(&self) -> &[u8] {
        let key = self.key.as_ptr();
        // SAFETY: Valid by the type invariants; `keylen` bytes follow.
        unsafe { core::slice::from_raw_parts((*key).key.as_ptr(), usize::from((*key).keylen)) }
    }

    /// Receive sequence counter of a group key, least significant byte first.
    pub(crate) fn receive_counter(&self) -> [u8; 8] {
        let mut sequence = bindings::ieee80211_key_seq::default();
        // SAFETY: The key is valid; TID 0 exists for every cipher and is the one that management keys use.
        unsafe { bindings::ieee80211_get_key_rx_seq(self.key.as_ptr(), 0, &raw mut sequence) };
        let [a, b, c, d, e, f] = match self.suite() {
            // SAFETY: Plain bytes, written for these ciphers, most significant byte first.
            Suite::Ccmp => unsafe { sequence.__bindgen_anon_1.ccmp.pn },
            // SAFETY: As above.
            Suite::AesCmac => unsafe { sequence.__bindgen_anon_1.aes_cmac.pn },
            Suite::Tkip => {
                // SAFETY: As above, as numbers.
                let (high, low) = unsafe {
                    let tkip = sequence.__bindgen_anon_1.tkip;
                    (tkip.iv32.to_be_bytes(), tkip.iv16.to_be_bytes())
                };
                [high[0], high[1], high[2], high[3], low[0], low[1]]
            }
            _ => [0; 6],
        };
        [f, e, d, c, b, a, 0, 0]
    }

    /// The slot that the driver gave it.
    pub(crate) fn slot(&self) -> u8 {
        // SAFETY: Valid by the type invariants.
        unsafe { (*self.key.as_ptr()).hw_key_idx }
    }

    /// The hardware has the key in this slot; it makes the cipher headers and trailers itself, in room that mac80211
    /// leaves for them.
    pub(crate) fn accept(&mut self, slot: u8) {
        let flags = bindings::ieee80211_key_flags_IEEE80211_KEY_FLAG_PUT_IV_SPACE
            | bindings::ieee80211_key_flags_IEEE80211_KEY_FLAG_RESERVE_TAILROOM;
        // SAFETY: Valid by the type invariants; drivers set both in `set_key`.
        unsafe {
            (*self.key.as_ptr()).hw_key_idx = slot;
            (*self.key.as_ptr()).flags |= flags as u16;
        }
    }
}
