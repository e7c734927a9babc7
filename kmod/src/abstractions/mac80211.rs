// SPDX-License-Identifier: GPL-2.0-only

//! mac80211: the 802.11 stack above a driver.
//!
//! A driver implements [`Operations`] for the value that its callbacks share, makes a [`Hardware`] around it, and makes
//! it known with a [`Registration`].
//!
//! | context of a callback | evidence | what it may do |
//! |---|---|---|
//! | process, the wiphy's mutex is held | [`MaySleep`] | anything but wait for another callback |
//! | bottom halves are off, or a spin lock is held | [`Atomic`] | no sleeping |
//!
//! Functions that sleep ask for the evidence, so that calling them from an atomic callback does not compile.
//!
//! Frames go up, and statuses back, in batches: see [`Batch`](batch::Batch).
//!
//! C header: [`include/net/mac80211.h`](srctree/include/net/mac80211.h)

pub(crate) mod batch;
pub(crate) mod capabilities;
pub(crate) mod key;
pub(crate) mod multicast;
pub(crate) mod scan;
pub(crate) mod transmit;
pub(crate) mod vif;
pub(crate) mod wake;

mod callbacks;

use super::bindings;
use super::skb::SkBuff;

use core::marker::PhantomData;
use core::mem::{size_of, ManuallyDrop};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::device::Device;
use kernel::error::to_result;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use kernel::sync::Arc;
use kernel::types::NotThreadSafe;

use capabilities::{Capabilities, Tables};
use key::{Key, KeyCommand};
use multicast::GroupAddresses;
use scan::ScanRequest;
use transmit::TxDescription;
use vif::{Vif, VifKind};
use wake::{WakeTriggers, Woken};

/// Evidence: process context, mac80211 holds the wiphy's mutex, sleeping is allowed.
pub(crate) struct MaySleep(NotThreadSafe);

/// Evidence: bottom halves are off or a spin lock is held. Nothing may sleep.
pub(crate) struct Atomic(NotThreadSafe);

/// Channel access of one category, as `conf_tx` gives it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueParameters {
    /// Transmit opportunity in units of 32 µs.
    pub(crate) txop: u16,
    /// Smallest contention window, in slots.
    pub(crate) cw_min: u16,
    /// Largest contention window, in slots.
    pub(crate) cw_max: u16,
    /// Slots of the inter-frame space.
    pub(crate) aifs: u8,
    /// U-APSD is used.
    pub(crate) uapsd: bool,
}

/// Filter flags, as `configure_filter` gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Every group address.
    pub(crate) all_multicast: bool,
    /// Frames with a wrong check sequence.
    pub(crate) fcs_errors: bool,
    /// Beacons and probe responses of every network.
    pub(crate) beacons: bool,
    /// Frames of other networks.
    pub(crate) other_bss: bool,
    /// Probe requests.
    pub(crate) probe_requests: bool,
}

/// What changed in the configuration of the hardware, with the new values.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HardwareChange {
    /// Transmit power in dBm.
    pub(crate) power: Option<i32>,
    /// Attempts per frame: for short ones, for long ones.
    pub(crate) retry_limits: Option<(u8, u8)>,
    /// The channel: its centre in MHz and its width.
    pub(crate) channel: Option<(u16, vif::Width)>,
}

/// What a block-ack session is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AmpduAction {
    /// The peer opens or closes a session towards us.
    Receive,
    /// We should open or close one.
    Transmit,
}

/// Counters that `get_stats` asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LowLevelStatistics {
    /// Frames that were not acknowledged.
    pub(crate) ack_failures: u32,
    /// RTS that were not answered.
    pub(crate) rts_failures: u32,
    /// Frames with a wrong check sequence.
    pub(crate) fcs_errors: u32,
    /// RTS that were answered.
    pub(crate) rts_successes: u32,
}

/// Most IPv6 addresses of an interface that are told; of further ones only how many there are.
pub(crate) const MAX_IPV6_ADDRESSES: usize = 4;

/// What a driver does for mac80211. Its value is shared by all callbacks.
///
/// Each method is one member of `struct ieee80211_ops`; its documentation there says when it is called.
#[vtable]
pub(crate) trait Operations: Send + Sync + Sized + 'static {
    /// A list of group addresses.
    type Groups: Send;

    /// Takes a frame that belongs to no queue of the stack. `Err` gives it back: it is dropped and reported.
    fn tx(&self, context: &Atomic, frame: SkBuff, what: &TxDescription) -> Result<(), SkBuff>;

    /// There are frames in a queue of this access category, 0 to 3.
    fn wake_tx_queue(&self, context: &Atomic, category: u8);

    /// Switches the hardware on.
    fn start(&self, context: &MaySleep) -> Result;

    /// Switches it off. Nothing may be handed up afterwards.
    fn stop(&self, context: &MaySleep);

    /// A new interface of this kind.
    fn add_interface(&self, context: &MaySleep, vif: &Vif, kind: VifKind) -> Result;

    /// The interface becomes one of another kind.
    fn change_interface(&self, context: &MaySleep, vif: &Vif, kind: VifKind) -> Result;

    /// The interface goes away.
    fn remove_interface(&self, context: &MaySleep, vif: &Vif);

    /// The configuration of the hardware changed.
    fn config(&self, context: &MaySleep, change: &HardwareChange) -> Result;

    /// The configuration of an interface changed.
    fn vif_changed(&self, context: &MaySleep, vif: &Vif, change: vif::VifChange);

    /// The IPv6 addresses of an interface changed: how many there are, and as many as are known. Never without
    /// `CONFIG_IPV6`.
    fn ipv6_changed(
        &self,
        context: &Atomic,
        vif: &Vif,
        count: usize,
        addresses: [[u8; 16]; MAX_IPV6_ADDRESSES],
    );

    /// The configuration of its only link changed.
    fn link_changed(&self, context: &MaySleep, vif: &Vif, change: vif::LinkChange);

    /// The group addresses that are subscribed, for the call of [`Self::configure_filter`] that follows. `None` if there
    /// is no memory.
    fn prepare_multicast(addresses: GroupAddresses<'_>) -> Option<KBox<Self::Groups>>;

    /// What to receive. Without a list every group address is wanted.
    fn configure_filter(
        &self,
        context: &MaySleep,
        filter: Filter,
        groups: Option<KBox<Self::Groups>>,
    );

    /// Installs or removes a key. Answers with its slot in the hardware.
    fn set_key(
        &self,
        context: &MaySleep,
        command: KeyCommand,
        vif: &Vif,
        key: &mut Key<'_>,
    ) -> Result;

    /// Starts a scan.
    fn hw_scan(&self, context: &MaySleep, vif: &Vif, request: &ScanRequest) -> Result;

    /// Ends the scan; its end must have been told before this returns.
    fn cancel_hw_scan(&self, context: &MaySleep, vif: &Vif);

    /// Channel access of an access category, 0 to 3.
    fn conf_tx(
        &self,
        context: &MaySleep,
        vif: &Vif,
        category: u8,
        parameters: &QueueParameters,
    ) -> Result;

    /// RTS for frames longer than so many bytes; `None` for never.
    fn set_rts_threshold(&self, context: &MaySleep, threshold: Option<u16>) -> Result;

    /// Waits until the frames of the interface, or of all of them, are gone; with `drop` they need not be sent.
    fn flush(&self, context: &MaySleep, vif: Option<&Vif>, drop: bool);

    /// Block ack.
    fn ampdu_action(&self, context: &MaySleep, action: AmpduAction) -> Result;

    /// A management frame of a connection attempt is about to be sent: the interface must be on the channel.
    fn mgd_prepare_tx(&self, context: &MaySleep, vif: &Vif, leaving: bool);

    /// Counters.
    fn get_stats(&self, context: &MaySleep) -> Result<LowLevelStatistics>;

    /// Names of the figures that [`Self::get_et_stats`] reads. Linux: `get_et_sset_count`, `get_et_strings`.
    const FIGURES: &'static [&'static str];

    /// Reads the figures of an interface. What cannot be read stays as it is.
    fn get_et_stats(&self, context: &MaySleep, vif: &Vif, figures: &mut [u64]);
    /// The system is about to sleep and wants to be woken by these, with its connections kept. `false`: that cannot be
    /// had; connections are ended and the hardware is stopped first.
    fn suspend(&self, context: &MaySleep, triggers: WakeTriggers<'_>) -> bool;

    /// The system is back, or did not sleep after all; only after [`Self::suspend`] was true.
    fn resume(&self, context: &MaySleep) -> Woken;

    /// A restart of the hardware was asked for and is over.
    fn reconfig_complete(&self, context: &MaySleep, restarted: bool);
}

/// The private area of a `struct ieee80211_hw`.
struct Private<T> {
    /// The value that the callbacks share; the [`Hardware`] owns a reference.
    data: *const T,
    /// Between start and stop: frames may go up. Changed with the wiphy's mutex held, read inside RCU sections.
    open: AtomicBool,
}

/// An allocated, not necessarily registered, `struct ieee80211_hw`.
///
/// # Invariants
///
/// `hw` was allocated by `ieee80211_alloc_hw_nm` with the callbacks of `T`, is not freed, and its private area holds a
/// pointer to the value in `data`. `_tables` are those that the `wiphy` refers to.
pub(crate) struct Hardware<T: Operations> {
    hw: NonNull<bindings::ieee80211_hw>,
    data: Arc<T>,
    registered: AtomicBool,
    /// Freed before `hw`.
    closer: ManuallyDrop<Closer>,
    _tables: KBox<Tables>,
    _device: ARef<Device>,
}

/// Closes the interfaces of hardware.
///
/// # Invariants
///
/// Made by `bes_closer_new` for a `hw` that outlives it.
struct Closer(NonNull<bindings::bes_closer>);

impl Drop for Closer {
    fn drop(&mut self) {
        // SAFETY: Valid by the type invariants, and not used again.
        unsafe { bindings::bes_closer_free(self.0.as_ptr()) };
    }
}

// SAFETY: Everything that is done with `hw` through a shared reference may be done from any thread.
unsafe impl<T: Operations> Send for Hardware<T> {}
// SAFETY: As above.
unsafe impl<T: Operations> Sync for Hardware<T> {}

impl<T: Operations> Hardware<T> {
    /// Allocates hardware with these capabilities on `device`. Callbacks come once it is registered.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`].
    pub(crate) fn new(
        device: &Device,
        data: Arc<T>,
        capabilities: &Capabilities<'_>,
    ) -> Result<Arc<Self>> {
        let tables = Tables::new(capabilities)?;
        // SAFETY: The operations are constant, satisfy what mac80211 checks, and live for ever.
        let hw = unsafe {
            bindings::ieee80211_alloc_hw_nm(
                size_of::<Private<T>>(),
                callbacks::Callbacks::<T>::operations(),
                core::ptr::null(),
            )
        };
        let hw = NonNull::new(hw).ok_or(ENOMEM)?;
        // SAFETY: `hw` is valid.
        let Some(closer) = NonNull::new(unsafe { bindings::bes_closer_new(hw.as_ptr()) }) else {
            // SAFETY: `hw` is new and used by nobody.
            unsafe { bindings::ieee80211_free_hw(hw.as_ptr()) };
            return Err(ENOMEM);
        };
        // INVARIANT: As just made; freed before `hw`.
        let closer = ManuallyDrop::new(Closer(closer));
        // SAFETY: `hw` is new; the tables and the data live as long as this value, which frees `hw` when it goes.
        unsafe {
            (*hw.as_ptr()).priv_.cast::<Private<T>>().write(Private {
                data: Arc::as_ptr(&data),
                open: AtomicBool::new(false),
            });
            // A `Device` is a `struct device`.
            bindings::bes_hw_set_device(hw.as_ptr(), core::ptr::from_ref(device).cast_mut().cast());
            tables.describe(hw.as_ptr(), capabilities);
        }
        // INVARIANT: As just done.
        let this = Self {
            hw,
            data,
            registered: AtomicBool::new(false),
            closer,
            _tables: tables,
            _device: device.into(),
        };
        Ok(Arc::new(this, GFP_KERNEL)?)
    }

    fn as_ptr(&self) -> *mut bindings::ieee80211_hw {
        self.hw.as_ptr()
    }

    fn private(&self) -> &Private<T> {
        // SAFETY: Written when this value was made; lives as long as `hw`.
        unsafe { &*(*self.as_ptr()).priv_.cast::<Private<T>>() }
    }

    /// Tells that the hardware has lost its state: mac80211 configures everything anew, beginning with
    /// [`Operations::start`]. Returns at once.
    pub(crate) fn restart(&self) {
        // SAFETY: `hw` is valid. Only queues work.
        unsafe { bindings::ieee80211_restart_hw(self.as_ptr()) };
    }

    /// Closes every interface, as if the user had. Returns at once; the callbacks come from a work item.
    pub(crate) fn close_interfaces(&self) {
        // SAFETY: Valid by the type invariants of `Closer`. Only queues work.
        unsafe { bindings::bes_closer_close(self.closer.0.as_ptr()) };
    }

    /// Tells that a scan is over.
    pub(crate) fn scan_completed(&self, aborted: bool) {
        let mut info = bindings::cfg80211_scan_info {
            aborted,
            ..Default::default()
        };
        // SAFETY: `hw` is valid; the information is copied.
        unsafe { bindings::ieee80211_scan_completed(self.as_ptr(), &raw mut info) };
    }

    /// Tells that the connection of the interface with this number is lost.
    pub(crate) fn connection_lost(&self, number: u8) {
        self.for_each_vif(|vif| {
            if vif.number() == Some(number) {
                // SAFETY: The vif is valid. Only queues work.
                unsafe { bindings::ieee80211_connection_loss(vif.as_ptr()) };
            }
        });
    }

    /// Tells that the signal of the interface with this number crossed its threshold: upward if `high`.
    pub(crate) fn signal_crossed(&self, number: u8, high: bool, signal: i32) {
        let event = if high {
            bindings::nl80211_cqm_rssi_threshold_event_NL80211_CQM_RSSI_THRESHOLD_EVENT_HIGH
        } else {
            bindings::nl80211_cqm_rssi_threshold_event_NL80211_CQM_RSSI_THRESHOLD_EVENT_LOW
        };
        self.for_each_vif(|vif| {
            if vif.number() == Some(number) {
                // SAFETY: The vif is valid; the RCU section of the iteration forbids sleeping.
                unsafe {
                    bindings::ieee80211_cqm_rssi_notify(
                        vif.as_ptr(),
                        event,
                        signal,
                        bindings::BES_GFP_ATOMIC,
                    )
                };
            }
        });
    }

    /// Calls `each` for every active interface, inside an RCU section: no sleeping.
    fn for_each_vif<F: FnMut(&Vif)>(&self, mut each: F) {
        /// # Safety
        ///
        /// `data` points to an `F` that nobody else uses, and `vif` is valid.
        unsafe extern "C" fn trampoline<F: FnMut(&Vif)>(
            data: *mut core::ffi::c_void,
            _address: *mut u8,
            vif: *mut bindings::ieee80211_vif,
        ) {
            // SAFETY: `data` is the closure below, which nobody else uses meanwhile.
            let each = unsafe { &mut *data.cast::<F>() };
            // SAFETY: The vif is valid during the call.
            each(unsafe { Vif::from_ptr(vif) });
        }
        // SAFETY: `hw` is valid, and the closure outlives the call.
        unsafe {
            bindings::ieee80211_iterate_active_interfaces_atomic(
                self.as_ptr(),
                bindings::ieee80211_interface_iteration_flags_IEEE80211_IFACE_ITER_NORMAL,
                Some(trampoline::<F>),
                (&raw mut each).cast(),
            )
        };
    }
}

impl<T: Operations> Drop for Hardware<T> {
    fn drop(&mut self) {
        // SAFETY: Not used again: this is the drop of the value it belongs to.
        unsafe { ManuallyDrop::drop(&mut self.closer) };
        // SAFETY: Allocated by the type invariants; a registration holds a reference to this value, so it is not
        // registered any more. `tables` and `data` are dropped afterwards.
        unsafe { bindings::ieee80211_free_hw(self.as_ptr()) };
    }
}

/// Hardware that mac80211 knows. Dropping it makes it unknown again: interfaces are closed by the callbacks of `T`
/// before that returns, and none comes later. May sleep.
///
/// # Invariants
///
/// `hardware` is registered.
pub(crate) struct Registration<T: Operations> {
    hardware: Arc<Hardware<T>>,
}

impl<T: Operations> Registration<T> {
    /// Registers hardware. May sleep.
    ///
    /// # Errors
    ///
    /// [`EBUSY`] if it was registered before; what `ieee80211_register_hw` says: [`EINVAL`] for capabilities that
    /// contradict each other, [`ENOMEM`].
    pub(crate) fn new(hardware: Arc<Hardware<T>>) -> Result<Self> {
        if hardware.registered.swap(true, Ordering::Relaxed) {
            return Err(EBUSY);
        }
        // SAFETY: `hw` is valid, and was never registered.
        to_result(unsafe { bindings::ieee80211_register_hw(hardware.as_ptr()) })?;
        // INVARIANT: Registered just now.
        Ok(Self { hardware })
    }

    /// The value that the callbacks share.
    pub(crate) fn data(&self) -> &T {
        &self.hardware.data
    }
}

impl<T: Operations> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: Registered by the type invariants.
        unsafe { bindings::ieee80211_unregister_hw(self.hardware.as_ptr()) };
    }
}

/// Bottom halves are off and an RCU read section is open, as mac80211 wants it for frames.
///
/// # Invariants
///
/// Both hold while the value exists.
struct FrameSection(PhantomData<NotThreadSafe>);

impl FrameSection {
    fn enter() -> Self {
        // SAFETY: No requirements; undone in `drop`, in reverse order.
        unsafe {
            bindings::bes_local_bh_disable();
            bindings::bes_rcu_read_lock();
        }
        // INVARIANT: As just done.
        Self(PhantomData)
    }
}

impl Drop for FrameSection {
    fn drop(&mut self) {
        // SAFETY: Done in `enter`.
        unsafe {
            bindings::bes_rcu_read_unlock();
            bindings::bes_local_bh_enable();
        }
    }
}
