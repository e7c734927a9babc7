// SPDX-License-Identifier: GPL-2.0-only

//! What the hardware can do, in the structures of cfg80211 and mac80211. Every number comes from
//! [`bes_mac80211::registration`].

use super::super::bindings;
use super::vif;
use super::wake::WakeSupport;
use bes_mac80211::registration::{self as chip, BandData, HardwareFlag, InterfaceMode};
use bes_mac80211::types::Band;
use kernel::prelude::*;

/// What is not the same for every device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capabilities<'a> {
    /// Addresses that interfaces may have, the permanent one first.
    pub(crate) addresses: &'a [[u8; 6]],
    /// What it can be woken by.
    pub(crate) wake: WakeSupport,
}

const BANDS: usize = chip::BANDS.len();
const CHANNELS: usize = chip::CHANNELS_2G4.len() + chip::CHANNELS_5G.len();
const RATES: usize = chip::RATES_2G4.len() + chip::RATES_5G.len();
const LIMITS: usize = chip::INTERFACE_COMBINATION.len();
const ADDRESSES: usize = 3;

/// Tables that the `wiphy` refers to. They may not move or go while it exists.
pub(super) struct Tables {
    bands: [bindings::ieee80211_supported_band; BANDS],
    channels: [bindings::ieee80211_channel; CHANNELS],
    rates: [bindings::ieee80211_rate; RATES],
    limits: [bindings::ieee80211_iface_limit; LIMITS],
    combination: bindings::ieee80211_iface_combination,
    addresses: [bindings::mac_address; ADDRESSES],
    wake: bindings::wiphy_wowlan_support,
}

// SAFETY: The pointers in the tables point into the tables, which nobody but cfg80211 changes.
unsafe impl Send for Tables {}
// SAFETY: As above.
unsafe impl Sync for Tables {}

const fn band_number(band: Band) -> bindings::nl80211_band {
    match band {
        Band::TwoPointFourGhz => bindings::nl80211_band_NL80211_BAND_2GHZ,
        Band::FiveGhz => bindings::nl80211_band_NL80211_BAND_5GHZ,
    }
}

const fn mode_bit(mode: InterfaceMode) -> u16 {
    let number = match mode {
        InterfaceMode::Station => bindings::nl80211_iftype_NL80211_IFTYPE_STATION,
    };
    1 << number
}

const fn flag_number(flag: HardwareFlag) -> u32 {
    match flag {
        HardwareFlag::SignalDbm => bindings::ieee80211_hw_flags_IEEE80211_HW_SIGNAL_DBM,
        HardwareFlag::SupportsPs => bindings::ieee80211_hw_flags_IEEE80211_HW_SUPPORTS_PS,
        HardwareFlag::SupportsDynamicPs => {
            bindings::ieee80211_hw_flags_IEEE80211_HW_SUPPORTS_DYNAMIC_PS
        }
        HardwareFlag::ReportsTxAckStatus => {
            bindings::ieee80211_hw_flags_IEEE80211_HW_REPORTS_TX_ACK_STATUS
        }
        HardwareFlag::NeedDtimBeforeAssociation => {
            bindings::ieee80211_hw_flags_IEEE80211_HW_NEED_DTIM_BEFORE_ASSOC
        }
        HardwareFlag::TxAmpduSetupInHardware => {
            bindings::ieee80211_hw_flags_IEEE80211_HW_TX_AMPDU_SETUP_IN_HW
        }
        HardwareFlag::AmpduAggregation => {
            bindings::ieee80211_hw_flags_IEEE80211_HW_AMPDU_AGGREGATION
        }
        HardwareFlag::ConnectionMonitor => {
            bindings::ieee80211_hw_flags_IEEE80211_HW_CONNECTION_MONITOR
        }
        HardwareFlag::MfpCapable => bindings::ieee80211_hw_flags_IEEE80211_HW_MFP_CAPABLE,
    }
}

fn fill_band(
    to: &mut bindings::ieee80211_supported_band,
    channels: &mut [bindings::ieee80211_channel],
    rates: &mut [bindings::ieee80211_rate],
    from: &BandData,
) {
    let band = band_number(from.band);
    for (to, channel) in channels.iter_mut().zip(from.channels) {
        to.band = band;
        to.center_freq = channel.frequency().into();
        to.hw_value = channel.number().into();
        to.max_power = from.max_power.0.into();
    }
    for (to, rate) in rates.iter_mut().zip(from.rates) {
        to.bitrate = rate.hundred_kbps;
        to.hw_value = rate.id.raw().into();
    }
    to.band = band;
    to.channels = channels.as_mut_ptr();
    to.n_channels = channels.len() as i32;
    to.bitrates = rates.as_mut_ptr();
    to.n_bitrates = rates.len() as i32;
    let ht = &mut to.ht_cap;
    ht.ht_supported = true;
    ht.cap = from.ht.capabilities;
    ht.ampdu_factor = from.ht.ampdu_factor;
    ht.ampdu_density = from.ht.ampdu_density;
    ht.mcs.rx_mask = from.ht.rx_mcs;
    ht.mcs.rx_highest = from.ht.rx_highest.to_le();
    ht.mcs.tx_params = from.ht.tx_parameters;
}

impl Tables {
    /// Tables with these capabilities.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`].
    pub(super) fn new(capabilities: &Capabilities<'_>) -> Result<KBox<Self>> {
        let mut tables = KBox::new(
            Self {
                bands: Default::default(),
                channels: [Default::default(); CHANNELS],
                rates: [Default::default(); RATES],
                limits: Default::default(),
                combination: Default::default(),
                addresses: Default::default(),
                wake: capabilities.wake.table(),
            },
            GFP_KERNEL,
        )?;
        let Self {
            bands,
            channels,
            rates,
            limits,
            combination,
            addresses,
            ..
        } = &mut *tables;
        let (mut channels, mut rates) = (channels.as_mut_slice(), rates.as_mut_slice());
        for (to, from) in bands.iter_mut().zip(&chip::BANDS) {
            let own_channels;
            let own_rates;
            (own_channels, channels) = channels.split_at_mut(from.channels.len());
            (own_rates, rates) = rates.split_at_mut(from.rates.len());
            fill_band(to, own_channels, own_rates, from);
        }
        for (to, from) in limits.iter_mut().zip(&chip::INTERFACE_COMBINATION) {
            to.max = from.max.into();
            to.types = from
                .modes
                .iter()
                .fold(0, |types, mode| types | mode_bit(*mode));
        }
        combination.limits = limits.as_ptr();
        combination.n_limits = LIMITS as u8;
        combination.max_interfaces = chip::MAX_INTERFACES as u16;
        combination.num_different_channels = chip::DIFFERENT_CHANNELS as u32;
        for (to, from) in addresses.iter_mut().zip(capabilities.addresses) {
            to.addr = *from;
        }
        Ok(tables)
    }

    /// Writes the capabilities to new hardware.
    ///
    /// # Safety
    ///
    /// `hw` is allocated and not registered, and is freed before these tables are.
    pub(super) unsafe fn describe(
        &self,
        hw: *mut bindings::ieee80211_hw,
        capabilities: &Capabilities<'_>,
    ) {
        // SAFETY: By the requirements nobody else uses `hw` and its wiphy.
        let (hw, wiphy) = unsafe { (&mut *hw, &mut *(*hw).wiphy) };
        for flag in chip::HARDWARE_FLAGS {
            // SAFETY: `hw` is valid, and the flag exists.
            unsafe { bindings::bes_hw_set_flag(hw, flag_number(flag)) };
        }
        // A pairwise key goes when the frames under it have left, and later ones wait for the next.
        // SAFETY: `hw` is valid.
        unsafe { bindings::bes_hw_can_replace_keys(hw) };
        hw.queues = chip::QUEUES as u16;
        hw.max_rates = chip::MAX_RATES;
        hw.max_rate_tries = chip::MAX_RATE_TRIES;
        hw.extra_tx_headroom = chip::TX_HEADROOM as u32;
        hw.vif_data_size = vif::PRIVATE_SIZE as i32;

        for band in &self.bands {
            wiphy.bands[band.band as usize] = core::ptr::from_ref(band).cast_mut();
        }
        for limit in &self.limits {
            wiphy.interface_modes |= limit.types;
        }
        wiphy.iface_combinations = &self.combination;
        wiphy.n_iface_combinations = 1;
        let addresses = capabilities.addresses.len().min(ADDRESSES);
        wiphy.addresses = self.addresses.as_ptr().cast_mut();
        wiphy.n_addresses = addresses as u16;
        if let Some(address) = capabilities.addresses.first() {
            // SAFETY: `hw` is valid; the six bytes are copied.
            unsafe { bindings::bes_hw_set_address(hw, address.as_ptr()) };
        }
        #[cfg(CONFIG_PM)]
        {
            wiphy.wowlan = &self.wake;
        }
        wiphy.max_scan_ssids = chip::MAX_SCAN_SSIDS as u8;
        wiphy.max_scan_ie_len = chip::MAX_SCAN_ELEMENTS as u16;
        // mac80211 would move the one channel itself, which only JOIN, SWITCH_CHANNEL and scans do here.
        wiphy.flags &= !(bindings::wiphy_flags_WIPHY_FLAG_HAS_REMAIN_ON_CHANNEL
            | bindings::wiphy_flags_WIPHY_FLAG_OFFCHAN_TX);
        // Probe requests of a scan carry the address that it names.
        wiphy.features |=
            bindings::nl80211_feature_flags_NL80211_FEATURE_SCAN_RANDOM_MAC_ADDR;
    }
}
