// SPDX-License-Identifier: GPL-2.0-only

//! From the function pointers of `struct ieee80211_ops` to the methods of [`Operations`].

use super::super::bindings;
use super::super::skb::SkBuff;
use super::key::{Key, KeyCommand};
use super::multicast::GroupAddresses;
use super::scan::ScanRequest;
use super::transmit::TxDescription;
use super::vif::{channel_of, LinkChange, Vif, VifChange, VifKind};
#[cfg(CONFIG_PM)]
use super::wake::{WakeReason, WakeTriggers};
use super::{
    AmpduAction, Atomic, Filter, HardwareChange, MaySleep, Operations, Private, QueueParameters,
};
#[cfg(CONFIG_IPV6)]
use super::MAX_IPV6_ADDRESSES;
use core::ffi::{c_int, c_uint};
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;
use kernel::error::from_result;
use kernel::prelude::*;
use kernel::types::NotThreadSafe;

/// The callbacks for the operations of `T`.
///
/// # Safety
///
/// Every callback has the same requirements: `hw` is hardware with the operations of `T`, the other pointers are valid
/// during the call, and it is called in the context that the documentation of the member of `struct ieee80211_ops` with
/// its name says. mac80211 keeps to that; [`operations`](Self::operations) puts each callback at the place of its name.
pub(super) struct Callbacks<T>(PhantomData<T>);

/// Evidence for callbacks that may sleep.
const SLEEPS: MaySleep = MaySleep(NotThreadSafe);
/// Evidence for callbacks that may not.
const ATOMIC: Atomic = Atomic(NotThreadSafe);

/// # Safety
///
/// `hw` is hardware with the operations of `T`, valid for `'a`.
unsafe fn private<'a, T>(hw: *mut bindings::ieee80211_hw) -> &'a Private<T> {
    // SAFETY: Written before the hardware was registered, and never after.
    unsafe { &*(*hw).priv_.cast::<Private<T>>() }
}

/// # Safety
///
/// As for [`private`].
unsafe fn data<'a, T>(hw: *mut bindings::ieee80211_hw) -> &'a T {
    // SAFETY: The hardware owns a reference to the value while it exists.
    unsafe { &*private::<T>(hw).data }
}

/// Tells why the interface with this number woke the system.
///
/// # Safety
///
/// `hw` is registered.
#[cfg(CONFIG_PM)]
unsafe fn report_wake_up(hw: *mut bindings::ieee80211_hw, number: u8, reason: WakeReason) {
    struct Report {
        number: u8,
        wakeup: bindings::cfg80211_wowlan_wakeup,
    }
    /// # Safety
    ///
    /// `report` points to a [`Report`] that nobody else uses, and `vif` is valid.
    unsafe extern "C" fn each(
        report: *mut core::ffi::c_void,
        _address: *mut u8,
        vif: *mut bindings::ieee80211_vif,
    ) {
        // SAFETY: By the safety requirements.
        let report = unsafe { &mut *report.cast::<Report>() };
        // SAFETY: The vif is valid; the RCU section of the iteration forbids sleeping.
        unsafe {
            if Vif::from_ptr(vif).number() == Some(report.number) {
                bindings::ieee80211_report_wowlan_wakeup(
                    vif,
                    &raw mut report.wakeup,
                    bindings::BES_GFP_ATOMIC,
                );
            }
        }
    }
    let mut report = Report {
        number,
        wakeup: reason.report(),
    };
    // SAFETY: `hw` is valid, and the report outlives the call.
    unsafe {
        bindings::ieee80211_iterate_active_interfaces_atomic(
            hw,
            bindings::ieee80211_interface_iteration_flags_IEEE80211_IFACE_ITER_NORMAL,
            Some(each),
            (&raw mut report).cast(),
        )
    };
}

fn has(changed: u64, flag: bindings::ieee80211_bss_change) -> bool {
    // The type of a C enumeration is what its values need.
    changed & flag as u64 != 0
}

impl<T: Operations> Callbacks<T> {
    const OPERATIONS: bindings::ieee80211_ops = bindings::ieee80211_ops {
        tx: Some(Self::tx),
        wake_tx_queue: Some(Self::wake_tx_queue),
        start: Some(Self::start),
        stop: Some(Self::stop),
        add_interface: Some(Self::add_interface),
        change_interface: if T::HAS_CHANGE_INTERFACE {
            Some(Self::change_interface)
        } else {
            None
        },
        remove_interface: Some(Self::remove_interface),
        config: Some(Self::config),
        vif_cfg_changed: Some(Self::vif_cfg_changed),
        link_info_changed: Some(Self::link_info_changed),
        prepare_multicast: Some(Self::prepare_multicast),
        configure_filter: Some(Self::configure_filter),
        set_key: if T::HAS_SET_KEY {
            Some(Self::set_key)
        } else {
            None
        },
        hw_scan: if T::HAS_HW_SCAN {
            Some(Self::hw_scan)
        } else {
            None
        },
        cancel_hw_scan: if T::HAS_CANCEL_HW_SCAN {
            Some(Self::cancel_hw_scan)
        } else {
            None
        },
        conf_tx: if T::HAS_CONF_TX {
            Some(Self::conf_tx)
        } else {
            None
        },
        set_rts_threshold: if T::HAS_SET_RTS_THRESHOLD {
            Some(Self::set_rts_threshold)
        } else {
            None
        },
        flush: if T::HAS_FLUSH {
            Some(Self::flush)
        } else {
            None
        },
        ampdu_action: if T::HAS_AMPDU_ACTION {
            Some(Self::ampdu_action)
        } else {
            None
        },
        mgd_prepare_tx: if T::HAS_MGD_PREPARE_TX {
            Some(Self::mgd_prepare_tx)
        } else {
            None
        },
        get_stats: if T::HAS_GET_STATS {
            Some(Self::get_stats)
        } else {
            None
        },
        get_survey: Some(Self::get_survey),
        get_et_sset_count: Some(Self::get_et_sset_count),
        get_et_strings: Some(Self::get_et_strings),
        get_et_stats: Some(Self::get_et_stats),
        #[cfg(CONFIG_PM)]
        suspend: if T::HAS_SUSPEND {
            Some(Self::suspend)
        } else {
            None
        },
        #[cfg(CONFIG_PM)]
        resume: if T::HAS_RESUME {
            Some(Self::resume)
        } else {
            None
        },
        #[cfg(CONFIG_PM)]
        set_wakeup: if T::HAS_SUSPEND {
            Some(Self::set_wakeup)
        } else {
            None
        },
        #[cfg(CONFIG_IPV6)]
        ipv6_addr_change: if T::HAS_IPV6_CHANGED {
            Some(Self::ipv6_addr_change)
        } else {
            None
        },
        reconfig_complete: if T::HAS_RECONFIG_COMPLETE {
            Some(Self::reconfig_complete)
        } else {
            None
        },
        // One channel at a time, which JOIN and scans name themselves.
        add_chanctx: Some(bindings::ieee80211_emulate_add_chanctx),
        remove_chanctx: Some(bindings::ieee80211_emulate_remove_chanctx),
        change_chanctx: Some(bindings::ieee80211_emulate_change_chanctx),
        switch_vif_chanctx: Some(bindings::ieee80211_emulate_switch_vif_chanctx),
        // SAFETY: A structure of function pointers, of which null is none.
        ..unsafe { core::mem::zeroed() }
    };

    /// The operations.
    pub(super) const fn operations() -> &'static bindings::ieee80211_ops {
        &Self::OPERATIONS
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn tx(
        hw: *mut bindings::ieee80211_hw,
        _control: *mut bindings::ieee80211_tx_control,
        skb: *mut bindings::sk_buff,
    ) {
        let Some(skb) = NonNull::new(skb) else {
            return;
        };
        let mut copies = 0;
        // SAFETY: By the safety requirements; mac80211 gives the frame up, with bottom halves off inside an RCU section.
        unsafe {
            let Ok(frame) = SkBuff::from_raw(skb, &mut copies) else {
                return;
            };
            let what = TxDescription::of(&frame);
            if let Err(frame) = data::<T>(hw).tx(&ATOMIC, frame, &what) {
                bindings::ieee80211_free_txskb(hw, frame.into_raw().as_ptr());
            }
        }
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn wake_tx_queue(
        hw: *mut bindings::ieee80211_hw,
        queue: *mut bindings::ieee80211_txq,
    ) {
        // SAFETY: By the safety requirements.
        unsafe { data::<T>(hw).wake_tx_queue(&ATOMIC, (*queue).ac) };
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn start(hw: *mut bindings::ieee80211_hw) -> c_int {
        from_result(|| {
            // SAFETY: By the safety requirements.
            let private = unsafe { private::<T>(hw) };
            // SAFETY: By the safety requirements.
            unsafe { &*private.data }.start(&SLEEPS)?;
            private.open.store(true, Ordering::Relaxed);
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn stop(hw: *mut bindings::ieee80211_hw, _suspend: bool) {
        // SAFETY: By the safety requirements.
        let private = unsafe { private::<T>(hw) };
        // SAFETY: By the safety requirements.
        unsafe { &*private.data }.stop(&SLEEPS);
        private.open.store(false, Ordering::Relaxed);
        // SAFETY: Process context. A hand-over that still found the hardware open is over afterwards.
        unsafe { bindings::synchronize_rcu() };
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn add_interface(
        hw: *mut bindings::ieee80211_hw,
        vif: *mut bindings::ieee80211_vif,
    ) -> c_int {
        // SAFETY: By the safety requirements.
        let (data, vif) = unsafe { (data::<T>(hw), Vif::from_ptr(vif)) };
        from_result(|| data.add_interface(&SLEEPS, vif, vif.kind()).map(|()| 0))
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn change_interface(
        hw: *mut bindings::ieee80211_hw,
        vif: *mut bindings::ieee80211_vif,
        kind: bindings::nl80211_iftype,
        p2p: bool,
    ) -> c_int {
        // SAFETY: By the safety requirements.
        let (data, vif) = unsafe { (data::<T>(hw), Vif::from_ptr(vif)) };
        from_result(|| {
            data.change_interface(&SLEEPS, vif, VifKind::new(kind, p2p))
                .map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn remove_interface(
        hw: *mut bindings::ieee80211_hw,
        vif: *mut bindings::ieee80211_vif,
    ) {
        // SAFETY: By the safety requirements.
        unsafe { data::<T>(hw).remove_interface(&SLEEPS, Vif::from_ptr(vif)) };
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn config(
        hw: *mut bindings::ieee80211_hw,
        _radio: c_int,
        changed: u32,
    ) -> c_int {
        // SAFETY: By the safety requirements; the configuration changes only with the mutex held.
        let (data, configuration) = unsafe { (data::<T>(hw), &(*hw).conf) };
        let has = |flag| changed & flag != 0;
        let change = HardwareChange {
            power: has(bindings::ieee80211_conf_changed_IEEE80211_CONF_CHANGE_POWER)
                .then_some(configuration.power_level),
            retry_limits: has(bindings::ieee80211_conf_changed_IEEE80211_CONF_CHANGE_RETRY_LIMITS)
                .then_some((
                    configuration.short_frame_max_tx_count,
                    configuration.long_frame_max_tx_count,
                )),
            channel: has(bindings::ieee80211_conf_changed_IEEE80211_CONF_CHANGE_CHANNEL)
                // SAFETY: A channel of the wiphy, or null.
                .then(|| unsafe { channel_of(&configuration.chandef) })
                .flatten()
                .map(|(centre, _, width)| (centre, width)),
        };
        from_result(|| data.config(&SLEEPS, &change).map(|()| 0))
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn vif_cfg_changed(
        hw: *mut bindings::ieee80211_hw,
        vif: *mut bindings::ieee80211_vif,
        changed: u64,
    ) {
        let change = VifChange {
            association: has(changed, bindings::ieee80211_bss_change_BSS_CHANGED_ASSOC),
            addresses: has(
                changed,
                bindings::ieee80211_bss_change_BSS_CHANGED_ARP_FILTER,
            ),
            power_save: has(changed, bindings::ieee80211_bss_change_BSS_CHANGED_PS)
                // SAFETY: By the safety requirements; the configuration changes only with the mutex held.
                .then(|| unsafe { (*hw).conf.dynamic_ps_timeout }),
        };
        // SAFETY: By the safety requirements.
        unsafe { data::<T>(hw).vif_changed(&SLEEPS, Vif::from_ptr(vif), change) };
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    #[cfg(CONFIG_IPV6)]
    unsafe extern "C" fn ipv6_addr_change(
        hw: *mut bindings::ieee80211_hw,
        vif: *mut bindings::ieee80211_vif,
        idev: *mut bindings::inet6_dev,
    ) {
        let mut addresses = [[0; 16]; MAX_IPV6_ADDRESSES];
        let room = MAX_IPV6_ADDRESSES as c_uint;
        // SAFETY: `idev` is valid during the call, and there is room for as many addresses.
        let count = unsafe { bindings::bes_ipv6_addresses(idev, addresses.as_mut_ptr(), room) };
        // SAFETY: By the safety requirements.
        unsafe {
            data::<T>(hw).ipv6_changed(&ATOMIC, Vif::from_ptr(vif), count as usize, addresses)
        };
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn link_info_changed(
        hw: *mut bindings::ieee80211_hw,
        vif: *mut bindings::ieee80211_vif,
        _info: *mut bindings::ieee80211_bss_conf,
        changed: u64,
    ) {
        let change = LinkChange {
            bssid: has(changed, bindings::ieee80211_bss_change_BSS_CHANGED_BSSID),
            slot: has(changed, bindings::ieee80211_bss_change_BSS_CHANGED_ERP_SLOT),
            signal_threshold: has(changed, bindings::ieee80211_bss_change_BSS_CHANGED_CQM),
            bandwidth: has(
                changed,
                bindings::ieee80211_bss_change_BSS_CHANGED_BANDWIDTH,
            ),
        };
        // SAFETY: By the safety requirements.
        unsafe { data::<T>(hw).link_changed(&SLEEPS, Vif::from_ptr(vif), change) };
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn prepare_multicast(
        _hw: *mut bindings::ieee80211_hw,
        list: *mut bindings::netdev_hw_addr_list,
    ) -> u64 {
        // SAFETY: By the safety requirements; the list is locked during the call.
        let groups = T::prepare_multicast(unsafe { GroupAddresses::new(list) });
        groups.map_or(0, |groups| KBox::into_raw(groups) as u64)
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn configure_filter(
        hw: *mut bindings::ieee80211_hw,
        _changed: c_uint,
        total: *mut c_uint,
        multicast: u64,
    ) {
        // SAFETY: mac80211 gives what `prepare_multicast` returned to exactly one call of this function.
        let groups = (multicast != 0)
            .then(|| unsafe { KBox::from_raw(multicast as usize as *mut T::Groups) });
        use bindings::{
            ieee80211_filter_flags_FIF_ALLMULTI as ALL_MULTICAST,
            ieee80211_filter_flags_FIF_BCN_PRBRESP_PROMISC as BEACONS,
            ieee80211_filter_flags_FIF_FCSFAIL as FCS_ERRORS,
            ieee80211_filter_flags_FIF_OTHER_BSS as OTHER_BSS,
            ieee80211_filter_flags_FIF_PROBE_REQ as PROBE_REQUESTS,
        };
        // SAFETY: By the safety requirements.
        let flags = unsafe {
            *total &= ALL_MULTICAST | BEACONS | FCS_ERRORS | OTHER_BSS | PROBE_REQUESTS;
            *total
        };
        let filter = Filter {
            all_multicast: flags & ALL_MULTICAST != 0,
            fcs_errors: flags & FCS_ERRORS != 0,
            beacons: flags & BEACONS != 0,
            other_bss: flags & OTHER_BSS != 0,
            probe_requests: flags & PROBE_REQUESTS != 0,
        };
        // SAFETY: By the safety requirements.
        unsafe { data::<T>(hw).configure_filter(&SLEEPS, filter, groups) };
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn set_key(
        hw: *mut bindings::ieee80211_hw,
        command: bindings::set_key_cmd,
        vif: *mut bindings::ieee80211_vif,
        station: *mut bindings::ieee80211_sta,
        key: *mut bindings::ieee80211_key_conf,
    ) -> c_int {
        let command = match command {
            bindings::set_key_cmd_SET_KEY => KeyCommand::Set,
            _ => KeyCommand::Disable,
        };
        from_result(|| {
            let key = NonNull::new(key).ok_or(EINVAL)?;
            // SAFETY: By the safety requirements.
            let (data, vif, mut key) =
                unsafe { (data::<T>(hw), Vif::from_ptr(vif), Key::new(key, station)) };
            data.set_key(&SLEEPS, command, vif, &mut key).map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn hw_scan(
        hw: *mut bindings::ieee80211_hw,
        vif: *mut bindings::ieee80211_vif,
        request: *mut bindings::ieee80211_scan_request,
    ) -> c_int {
        // SAFETY: By the safety requirements.
        let (data, vif, request) = unsafe {
            (
                data::<T>(hw),
                Vif::from_ptr(vif),
                ScanRequest::from_ptr(&raw mut (*request).req),
            )
        };
        from_result(|| data.hw_scan(&SLEEPS, vif, request).map(|()| 0))
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn cancel_hw_scan(
        hw: *mut bindings::ieee80211_hw,
        vif: *mut bindings::ieee80211_vif,
    ) {
        // SAFETY: By the safety requirements.
        unsafe { data::<T>(hw).cancel_hw_scan(&SLEEPS, Vif::from_ptr(vif)) };
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn conf_tx(
        hw: *mut bindings::ieee80211_hw,
        vif: *mut bindings::ieee80211_vif,
        _link: c_uint,
        category: u16,
        parameters: *const bindings::ieee80211_tx_queue_params,
    ) -> c_int {
        // SAFETY: By the safety requirements.
        let (data, vif, from) = unsafe { (data::<T>(hw), Vif::from_ptr(vif), &*parameters) };
        let parameters = QueueParameters {
            txop: from.txop,
            cw_min: from.cw_min,
            cw_max: from.cw_max,
            aifs: from.aifs,
            uapsd: from.uapsd,
        };
        from_result(|| {
            let category = u8::try_from(category).map_err(|_| EINVAL)?;
            data.conf_tx(&SLEEPS, vif, category, &parameters)
                .map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn set_rts_threshold(
        hw: *mut bindings::ieee80211_hw,
        _radio: c_int,
        value: u32,
    ) -> c_int {
        // Larger than any frame means never.
        let threshold = u16::try_from(value).ok();
        // SAFETY: By the safety requirements.
        let data = unsafe { data::<T>(hw) };
        from_result(|| data.set_rts_threshold(&SLEEPS, threshold).map(|()| 0))
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn flush(
        hw: *mut bindings::ieee80211_hw,
        vif: *mut bindings::ieee80211_vif,
        _queues: u32,
        drop: bool,
    ) {
        // SAFETY: By the safety requirements; the interface is null for "all of them".
        unsafe {
            let vif = (!vif.is_null()).then(|| Vif::from_ptr(vif));
            data::<T>(hw).flush(&SLEEPS, vif, drop);
        }
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn ampdu_action(
        hw: *mut bindings::ieee80211_hw,
        _vif: *mut bindings::ieee80211_vif,
        parameters: *mut bindings::ieee80211_ampdu_params,
    ) -> c_int {
        // SAFETY: By the safety requirements.
        let (data, action) = unsafe { (data::<T>(hw), (*parameters).action) };
        let action = match action {
            bindings::ieee80211_ampdu_mlme_action_IEEE80211_AMPDU_RX_START
            | bindings::ieee80211_ampdu_mlme_action_IEEE80211_AMPDU_RX_STOP => AmpduAction::Receive,
            _ => AmpduAction::Transmit,
        };
        from_result(|| data.ampdu_action(&SLEEPS, action).map(|()| 0))
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn mgd_prepare_tx(
        hw: *mut bindings::ieee80211_hw,
        vif: *mut bindings::ieee80211_vif,
        info: *mut bindings::ieee80211_prep_tx_info,
    ) {
        // SAFETY: By the safety requirements.
        let (data, vif, subtype) = unsafe { (data::<T>(hw), Vif::from_ptr(vif), (*info).subtype) };
        let leaving = matches!(
            u32::from(subtype),
            bindings::IEEE80211_STYPE_DEAUTH | bindings::IEEE80211_STYPE_DISASSOC
        );
        data.mgd_prepare_tx(&SLEEPS, vif, leaving);
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn get_stats(
        hw: *mut bindings::ieee80211_hw,
        to: *mut bindings::ieee80211_low_level_stats,
    ) -> c_int {
        // SAFETY: By the safety requirements.
        let (data, to) = unsafe { (data::<T>(hw), &mut *to) };
        from_result(|| {
            let statistics = data.get_stats(&SLEEPS)?;
            to.dot11ACKFailureCount = statistics.ack_failures;
            to.dot11RTSFailureCount = statistics.rts_failures;
            to.dot11FCSErrorCount = statistics.fcs_errors;
            to.dot11RTSSuccessCount = statistics.rts_successes;
            Ok(0)
        })
    }

    /// What is known of the channels: which of them is used. The chip tells neither noise nor busy time.
    ///
    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn get_survey(
        hw: *mut bindings::ieee80211_hw,
        index: c_int,
        to: *mut bindings::survey_info,
    ) -> c_int {
        // SAFETY: By the safety requirements; the configuration changes only with the mutex held.
        let (channel, to) = unsafe { ((*hw).conf.chandef.chan, &mut *to) };
        if index != 0 || channel.is_null() {
            return ENOENT.to_errno();
        }
        to.channel = channel;
        to.filled = bindings::survey_info_flags_SURVEY_INFO_IN_USE;
        0
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn get_et_sset_count(
        _hw: *mut bindings::ieee80211_hw,
        _vif: *mut bindings::ieee80211_vif,
        set: c_int,
    ) -> c_int {
        if set == bindings::ethtool_stringset_ETH_SS_STATS as c_int {
            T::FIGURES.len() as c_int
        } else {
            0
        }
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn get_et_strings(
        _hw: *mut bindings::ieee80211_hw,
        _vif: *mut bindings::ieee80211_vif,
        set: u32,
        to: *mut u8,
    ) {
        const NAME: usize = bindings::ETH_GSTRING_LEN as usize;
        if set != bindings::ethtool_stringset_ETH_SS_STATS {
            return;
        }
        // SAFETY: The caller made room for as many names as `get_et_sset_count` said.
        let places = unsafe { core::slice::from_raw_parts_mut(to, T::FIGURES.len() * NAME) };
        for (place, name) in places.chunks_exact_mut(NAME).zip(T::FIGURES) {
            place.fill(0);
            // A zero stays behind the longest name.
            for (to, from) in place[..NAME - 1].iter_mut().zip(name.bytes()) {
                *to = from;
            }
        }
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn get_et_stats(
        hw: *mut bindings::ieee80211_hw,
        vif: *mut bindings::ieee80211_vif,
        _header: *mut bindings::ethtool_stats,
        to: *mut u64,
    ) {
        // SAFETY: By the safety requirements; the caller made room for as many values as `get_et_sset_count` said.
        let (data, vif, to) = unsafe {
            (
                data::<T>(hw),
                Vif::from_ptr(vif),
                core::slice::from_raw_parts_mut(to, T::FIGURES.len()),
            )
        };
        to.fill(0);
        data.get_et_stats(&SLEEPS, vif, to);
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    #[cfg(CONFIG_PM)]
    unsafe extern "C" fn suspend(
        hw: *mut bindings::ieee80211_hw,
        wowlan: *mut bindings::cfg80211_wowlan,
    ) -> c_int {
        // SAFETY: By the safety requirements; what to wake by does not change while the mutex is held.
        let (data, triggers) = unsafe { (data::<T>(hw), WakeTriggers::new(wowlan)) };
        c_int::from(!data.suspend(&SLEEPS, triggers))
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    #[cfg(CONFIG_PM)]
    unsafe extern "C" fn resume(hw: *mut bindings::ieee80211_hw) -> c_int {
        // SAFETY: By the safety requirements.
        let woken = unsafe { data::<T>(hw) }.resume(&SLEEPS);
        if let Some((number, reason)) = woken.by {
            // SAFETY: By the safety requirements.
            unsafe { report_wake_up(hw, number, reason) };
        }
        c_int::from(!woken.as_before)
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    #[cfg(CONFIG_PM)]
    unsafe extern "C" fn set_wakeup(hw: *mut bindings::ieee80211_hw, enabled: bool) {
        // SAFETY: By the safety requirements.
        unsafe { bindings::bes_hw_set_wakeup(hw, enabled) };
    }

    /// # Safety
    ///
    /// See [`Callbacks`].
    unsafe extern "C" fn reconfig_complete(
        hw: *mut bindings::ieee80211_hw,
        kind: bindings::ieee80211_reconfig_type,
    ) {
        let restarted = kind == bindings::ieee80211_reconfig_type_IEEE80211_RECONFIG_TYPE_RESTART;
        // SAFETY: By the safety requirements.
        unsafe { data::<T>(hw).reconfig_complete(&SLEEPS, restarted) };
    }
}
