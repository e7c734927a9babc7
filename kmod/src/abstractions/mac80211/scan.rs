// SPDX-License-Identifier: GPL-2.0-only

//! Scan requests of mac80211.

use super::super::bindings;
use super::vif::Name;
use kernel::types::Opaque;

/// A scan, as mac80211 wants it.
///
/// # Invariants
///
/// A valid `struct cfg80211_scan_request`.
#[repr(transparent)]
pub(crate) struct ScanRequest(Opaque<bindings::cfg80211_scan_request>);

/// Flags of channels on which nothing may be sent before somebody was heard: nobody may begin there, or radar has to be
/// looked for first.
const PASSIVE: u32 = bindings::ieee80211_channel_flags_IEEE80211_CHAN_NO_IR
    | bindings::ieee80211_channel_flags_IEEE80211_CHAN_RADAR;

/// One channel of a scan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScanChannel {
    /// Centre in MHz.
    pub(crate) frequency: u16,
    /// Nothing may be sent on it before a beacon was heard.
    pub(crate) passive: bool,
    /// Most power that may be used, in dBm.
    pub(crate) max_power: i32,
}

impl ScanRequest {
    /// # Safety
    ///
    /// `request` is valid for `'a`.
    pub(super) unsafe fn from_ptr<'a>(request: *mut bindings::cfg80211_scan_request) -> &'a Self {
        // SAFETY: By the requirements; the type is transparent.
        unsafe { &*request.cast() }
    }

    fn request(&self) -> &bindings::cfg80211_scan_request {
        // SAFETY: Valid by the type invariants; mac80211 changes it only between scans.
        unsafe { &*self.0.get() }
    }

    /// Networks to probe for.
    pub(crate) fn ssids(&self) -> impl Iterator<Item = Name> + '_ {
        let request = self.request();
        let count = usize::try_from(request.n_ssids).unwrap_or(0);
        (0..count).map(|index| {
            // SAFETY: `ssids` has `n_ssids` entries.
            let ssid = unsafe { &*request.ssids.add(index) };
            Name::new(&ssid.ssid[..usize::from(ssid.ssid_len).min(ssid.ssid.len())])
        })
    }

    /// Channels, in the order wanted.
    pub(crate) fn channels(&self) -> impl Iterator<Item = ScanChannel> + '_ {
        let request = self.request();
        (0..request.n_channels as usize).map(|index| {
            // SAFETY: `channels` has `n_channels` entries, each a channel of the wiphy.
            let channel = unsafe { &**request.channels.as_ptr().add(index) };
            ScanChannel {
                // Megahertz of both bands fit.
                frequency: channel.center_freq as u16,
                passive: channel.flags & PASSIVE != 0,
                max_power: channel.max_power,
            }
        })
    }

    /// Information elements for the probe requests.
    pub(crate) fn elements(&self) -> &[u8] {
        let request = self.request();
        if request.ie.is_null() {
            return &[];
        }
        // SAFETY: `ie` has `ie_len` bytes.
        unsafe { core::slice::from_raw_parts(request.ie, request.ie_len) }
    }

    /// Nothing may be sent at CCK rates.
    pub(crate) fn no_cck(&self) -> bool {
        self.request().no_cck
    }

    /// An address to use in the probe requests instead of the interface's own: made up anew with every call, as far as the
    /// request leaves it open. `None` if the own one will do.
    pub(crate) fn source(&self) -> Option<[u8; 6]> {
        let request = self.request();
        if request.flags & bindings::nl80211_scan_flags_NL80211_SCAN_FLAG_RANDOM_ADDR == 0 {
            return None;
        }
        let mut address = [0; 6];
        // SAFETY: Three times six bytes.
        unsafe {
            bindings::bes_random_address(
                address.as_mut_ptr(),
                request.mac_addr.as_ptr(),
                request.mac_addr_mask.as_ptr(),
            );
        }
        Some(address)
    }
}
