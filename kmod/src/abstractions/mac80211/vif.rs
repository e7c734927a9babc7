// SPDX-License-Identifier: GPL-2.0-only

//! Interfaces, as mac80211 shows them to a driver.

use super::super::bindings;
use super::MaySleep;
use core::sync::atomic::{AtomicU32, Ordering};
use kernel::types::Opaque;

/// What an interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VifKind {
    /// A station.
    Station,
    /// The client of a P2P group.
    P2pClient,
    /// The P2P device.
    P2pDevice,
    /// Anything else.
    Other,
}

impl VifKind {
    pub(super) fn new(kind: bindings::nl80211_iftype, p2p: bool) -> Self {
        match kind {
            bindings::nl80211_iftype_NL80211_IFTYPE_STATION if p2p => Self::P2pClient,
            bindings::nl80211_iftype_NL80211_IFTYPE_STATION => Self::Station,
            bindings::nl80211_iftype_NL80211_IFTYPE_P2P_CLIENT => Self::P2pClient,
            bindings::nl80211_iftype_NL80211_IFTYPE_P2P_DEVICE => Self::P2pDevice,
            _ => Self::Other,
        }
    }
}

/// What of an interface changed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct VifChange {
    /// It is associated, or not any more.
    pub(crate) association: bool,
    /// Its IPv4 addresses.
    pub(crate) addresses: bool,
    /// Its power save: it stays awake for so many milliseconds after a frame.
    pub(crate) power_save: Option<i32>,
}

/// What of a link changed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LinkChange {
    /// The BSSID.
    pub(crate) bssid: bool,
    /// Slots: short or long.
    pub(crate) slot: bool,
    /// Threshold of the signal.
    pub(crate) signal_threshold: bool,
    /// Width of the channel.
    pub(crate) bandwidth: bool,
}

/// Width of a channel and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// 20 MHz, no HT.
    NoHt,
    /// 20 MHz.
    Mhz20,
    /// 40 MHz, the second half above the first.
    Mhz40Above,
    /// 40 MHz, the second half below the first.
    Mhz40Below,
}

/// A channel: its centre in MHz (the primary one), its band (0 is 2.4 GHz, 1 is 5 GHz) and its width.
///
/// # Safety
///
/// The channel of `definition` is null or valid.
pub(super) unsafe fn channel_of(
    definition: &bindings::cfg80211_chan_def,
) -> Option<(u16, u32, Width)> {
    if definition.chan.is_null() {
        return None;
    }
    // SAFETY: By the requirements.
    let (centre, band) = unsafe { ((*definition.chan).center_freq, (*definition.chan).band) };
    let width = match definition.width {
        bindings::nl80211_chan_width_NL80211_CHAN_WIDTH_20_NOHT => Width::NoHt,
        bindings::nl80211_chan_width_NL80211_CHAN_WIDTH_40
            if definition.center_freq1 > centre =>
        {
            Width::Mhz40Above
        }
        bindings::nl80211_chan_width_NL80211_CHAN_WIDTH_40 => Width::Mhz40Below,
        _ => Width::Mhz20,
    };
    // Megahertz of both bands fit.
    Some((centre as u16, band, width))
}

/// HT capabilities of a peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerHt {
    /// Capability field.
    pub(crate) capabilities: u16,
    /// Minimum start spacing of MPDUs, 0 to 7.
    pub(crate) density: u8,
    /// MCS 0 to 7 that it receives, one bit each.
    pub(crate) mcs: u8,
}

/// What is known of a peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Legacy rates in the bands 2.4 and 5 GHz, by index.
    pub(crate) rates: [u32; 2],
    /// HT, or none.
    pub(crate) ht: Option<PeerHt>,
    /// Management frames are protected.
    pub(crate) protected_management: bool,
}

/// An SSID.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Name {
    bytes: [u8; 32],
    len: usize,
}

impl Name {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let len = bytes.len().min(32);
        let mut name = Self {
            len,
            ..Self::default()
        };
        name.bytes[..len].copy_from_slice(&bytes[..len]);
        name
    }

    /// The bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// An interface.
///
/// # Invariants
///
/// A valid `struct ieee80211_vif` whose private area is an [`AtomicU32`].
#[repr(transparent)]
pub(crate) struct Vif(Opaque<bindings::ieee80211_vif>);

/// Size of the private area, which mac80211 zeroes for a new interface.
pub(super) const PRIVATE_SIZE: usize = core::mem::size_of::<AtomicU32>();

impl Vif {
    /// # Safety
    ///
    /// `vif` is an interface of hardware of this module, valid for `'a`.
    pub(super) unsafe fn from_ptr<'a>(vif: *mut bindings::ieee80211_vif) -> &'a Self {
        // SAFETY: By the requirements; the type is transparent.
        unsafe { &*vif.cast() }
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::ieee80211_vif {
        self.0.get()
    }

    fn private(&self) -> &AtomicU32 {
        // SAFETY: By the type invariants; the private area is aligned to a pointer.
        unsafe { &*(*self.as_ptr()).drv_priv.as_ptr().cast() }
    }

    /// The driver's number of the interface, once it has one. Any context.
    pub(crate) fn number(&self) -> Option<u8> {
        let word = self.private().load(Ordering::Relaxed);
        u8::try_from(word.checked_sub(1)?).ok()
    }

    /// Gives the interface its number, or takes it away.
    pub(crate) fn set_number(&self, number: Option<u8>) {
        let word = number.map_or(0, |number| u32::from(number) + 1);
        self.private().store(word, Ordering::Relaxed);
    }

    /// What it is.
    pub(crate) fn kind(&self) -> VifKind {
        // SAFETY: Valid by the type invariants; both change only with the wiphy's mutex held.
        unsafe { VifKind::new((*self.as_ptr()).type_, (*self.as_ptr()).p2p) }
    }

    /// Its address.
    pub(crate) fn address(&self) -> [u8; 6] {
        // SAFETY: Valid by the type invariants.
        unsafe { (*self.as_ptr()).addr }
    }

    /// Announces that the device watches a station's access point for the stack: it passes on only those beacons in which
    /// something changed, and tells when the signal crosses a threshold. The stack neither misses the others nor counts them.
    pub(crate) fn watches_beacons(&self, _context: &MaySleep) {
        // SAFETY: Valid by the type invariants; drivers set the flags in `add_interface`.
        unsafe {
            (*self.as_ptr()).driver_flags |=
                bindings::ieee80211_vif_flags_IEEE80211_VIF_SUPPORTS_CQM_RSSI
                    | bindings::ieee80211_vif_flags_IEEE80211_VIF_BEACON_FILTER;
        }
    }

    /// Tells that the connection of a station is lost. Returns at once: what follows happens when the mutex is free.
    pub(crate) fn lose_connection(&self, _context: &MaySleep) {
        if matches!(self.kind(), VifKind::Station | VifKind::P2pClient) {
            // SAFETY: Valid by the type invariants, and a station. Only queues work.
            unsafe { bindings::ieee80211_connection_loss(self.as_ptr()) };
        }
    }

    /// Its configuration. It changes only with the wiphy's mutex held.
    pub(crate) fn configuration<'a>(&'a self, context: &'a MaySleep) -> Configuration<'a> {
        Configuration {
            vif: self,
            _context: context,
        }
    }
}

/// The configuration of an interface, while the wiphy's mutex is held.
#[derive(Clone, Copy)]
pub(crate) struct Configuration<'a> {
    vif: &'a Vif,
    _context: &'a MaySleep,
}

impl Configuration<'_> {
    fn cfg(&self) -> &bindings::ieee80211_vif_cfg {
        // SAFETY: Valid, and nobody changes it while the mutex is held, of which there is evidence.
        unsafe { &(*self.vif.as_ptr()).cfg }
    }

    fn link(&self) -> &bindings::ieee80211_bss_conf {
        // SAFETY: As above. The hardware has one link, whose configuration lies in the interface.
        unsafe { &(*self.vif.as_ptr()).bss_conf }
    }

    /// It is associated.
    pub(crate) fn is_associated(&self) -> bool {
        self.cfg().assoc
    }

    /// Association id.
    pub(crate) fn aid(&self) -> u16 {
        self.cfg().aid
    }

    /// It may doze.
    pub(crate) fn power_save(&self) -> bool {
        self.cfg().ps
    }

    /// Its IPv4 addresses: how many there are, and as many as are known.
    pub(crate) fn addresses(&self) -> (usize, [[u8; 4]; 4]) {
        let cfg = self.cfg();
        let mut addresses = [[0; 4]; 4];
        for (to, from) in addresses.iter_mut().zip(cfg.arp_addr_list) {
            // Big endian in memory.
            *to = from.to_ne_bytes();
        }
        (usize::try_from(cfg.arp_addr_cnt).unwrap_or(0), addresses)
    }

    /// BSSID; `None` without a BSS.
    pub(crate) fn bssid(&self) -> Option<[u8; 6]> {
        let bssid = self.link().bssid;
        if bssid.is_null() {
            return None;
        }
        // SAFETY: Six bytes that live as long as the interface.
        let bssid = unsafe { *bssid.cast::<[u8; 6]>() };
        (bssid != [0; 6]).then_some(bssid)
    }

    /// Name of the BSS, and its DTIM period (0 if not known), as its beacons and probe responses tell them.
    pub(crate) fn bss(&self) -> Option<(Name, u8)> {
        let bss = self.link().bss;
        if bss.is_null() {
            return None;
        }
        let element = |id: u32| {
            let id = id as u8;
            // SAFETY: mac80211 holds a reference to the BSS while it is in the configuration; the RCU section covers
            // the element, of which `datalen` bytes follow the header. They are copied.
            unsafe {
                bindings::bes_rcu_read_lock();
                let element = bindings::ieee80211_bss_get_elem(bss, id);
                let copy = (!element.is_null()).then(|| {
                    let len = usize::from((*element).datalen);
                    Name::new(core::slice::from_raw_parts((*element).data.as_ptr(), len))
                });
                bindings::bes_rcu_read_unlock();
                copy
            }
        };
        let name = element(bindings::ieee80211_eid_WLAN_EID_SSID)?;
        // TIM: count, period, ...
        let period = element(bindings::ieee80211_eid_WLAN_EID_TIM)
            .and_then(|tim| tim.as_bytes().get(1).copied())
            .unwrap_or(0);
        Some((name, period))
    }

    /// Beacon interval in TU.
    pub(crate) fn beacon_interval(&self) -> u16 {
        self.link().beacon_int
    }

    /// DTIM period in beacons, 0 if not known.
    pub(crate) fn dtim_period(&self) -> u8 {
        self.link().dtim_period
    }

    /// Centre of the primary channel in MHz, its band (0 is 2.4 GHz, 1 is 5 GHz), and its width.
    pub(crate) fn channel(&self) -> Option<(u16, u32, Width)> {
        // SAFETY: A channel of the wiphy, which lives as long as the hardware, or null.
        unsafe { channel_of(&self.link().chanreq.oper) }
    }

    /// Rates that every member of the BSS can do, by index.
    pub(crate) fn basic_rates(&self) -> u32 {
        self.link().basic_rates
    }

    /// Short preambles are allowed.
    pub(crate) fn short_preamble(&self) -> bool {
        self.link().use_short_preamble
    }

    /// Short slots are used.
    pub(crate) fn short_slot(&self) -> bool {
        self.link().use_short_slot
    }

    /// QoS is used.
    pub(crate) fn qos(&self) -> bool {
        self.link().qos
    }

    /// Operation mode field of HT.
    pub(crate) fn ht_operation_mode(&self) -> u16 {
        self.link().ht_operation_mode
    }

    /// Threshold of the signal in dBm with its hysteresis in dB; a threshold of 0 is none.
    pub(crate) fn signal_threshold(&self) -> (i32, u32) {
        (self.link().cqm_rssi_thold, self.link().cqm_rssi_hyst)
    }

    /// The access point.
    pub(crate) fn peer(&self) -> Option<Peer> {
        let bssid = self.bssid()?;
        // SAFETY: The station is valid inside the RCU section; what is needed of it is copied.
        unsafe {
            bindings::bes_rcu_read_lock();
            let station = bindings::ieee80211_find_sta(self.vif.as_ptr(), bssid.as_ptr());
            let peer = (!station.is_null()).then(|| {
                let link = &(*station).deflink;
                let ht = &link.ht_cap;
                Peer {
                    rates: [link.supp_rates[0], link.supp_rates[1]],
                    ht: ht.ht_supported.then(|| PeerHt {
                        capabilities: ht.cap,
                        density: ht.ampdu_density,
                        mcs: ht.mcs.rx_mask[0],
                    }),
                    protected_management: (*station).mfp,
                }
            });
            bindings::bes_rcu_read_unlock();
            peer
        }
    }
}
