// SPDX-License-Identifier: GPL-2.0-only

//! What mac80211 calls. Every callback becomes a request to the owner of the bus, or a frame in its queue; nothing is
//! decided here.
//!
//! | waits for the answer | goes its way |
//! |---|---|
//! | start, stop, interfaces, keys, scan, association, flush, counters | filters, EDCA, power, power save, thresholds |
//!
//! A connection: `mgd_prepare_tx` tells what is known of the BSS; the authentication frame that follows makes the
//! device join, and leaves when it has; `vif_changed` tells of the association, and of its end.

use crate::abstractions::mac80211::key::{Key, KeyCommand};
use crate::abstractions::mac80211::multicast::GroupAddresses;
use crate::abstractions::mac80211::scan::ScanRequest;
use crate::abstractions::mac80211::transmit::TxDescription;
use crate::abstractions::mac80211::vif::{LinkChange, Vif, VifChange, VifKind};
use crate::abstractions::mac80211::wake::{WakeTriggers, Woken};
use crate::abstractions::mac80211::{
    AmpduAction, Atomic, Filter, HardwareChange, LowLevelStatistics, MaySleep, Operations,
    QueueParameters, MAX_IPV6_ADDRESSES,
};
use crate::abstractions::skb::SkBuff;
use crate::calls::{Calls, GroupList, Life, Owned, OwnedScan};
use crate::convert;
use crate::errno;
use crate::sleep;
use bes_hal::Duration;
use bes_mac80211::edca::EdcaParameters;
use bes_mac80211::error::RequestError;
use bes_mac80211::figures;
use bes_mac80211::key::KeySlot;
use bes_mac80211::request::{CqmThreshold, PowerSaveParameters, ReceiveFilter, Request, Response};
use bes_mac80211::types::{AccessCategory, MacAddress};
use bes_wsm::wire::InterfaceId;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use kernel::device;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use kernel::sync::Arc;

/// Limit for loading the firmware. The device has limits of its own for every step; these only bound the caller's wait.
pub(crate) const BOOT_LIMIT: Duration = Duration::from_secs(30);
/// Limit for switching Wi-Fi on.
const START_LIMIT: Duration = Duration::from_secs(15);
/// Limit for the end of a scan: who cancels one holds the locks of the stack.
const CANCEL_LIMIT: Duration = Duration::from_secs(1);
/// Limit for everything else.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// The operations of one device.
pub(crate) struct MacOperations {
    pub(crate) device: ARef<device::Device>,
    pub(crate) calls: Arc<Calls>,
    /// mac80211 is starting the device anew.
    restarting: AtomicBool,
    /// The device was told that the system sleeps.
    pub(crate) asleep: AtomicBool,
    /// How often mac80211 restarted the device after it had lost its state.
    restarts: AtomicU64,
}

impl MacOperations {
    /// Operations that call the owner of the bus.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`].
    pub(crate) fn new(calls: Arc<Calls>, device: ARef<device::Device>) -> Result<Arc<Self>> {
        Ok(Arc::new(
            Self {
                device,
                calls,
                restarting: AtomicBool::new(false),
                asleep: AtomicBool::new(false),
                restarts: AtomicU64::new(0),
            },
            GFP_KERNEL,
        )?)
    }

    fn ask(
        &self,
        context: &MaySleep,
        request: Request<'static>,
        limit: Duration,
    ) -> Result<Response> {
        self.calls.ask(context, Owned::Plain(request), limit)
    }

    fn tell(&self, request: Request<'static>) {
        self.calls.tell(Owned::Plain(request));
    }
}

fn interface(vif: &Vif) -> Option<InterfaceId> {
    convert::interface(vif.number()?)
}

fn unsupported() -> Error {
    errno::of_request(RequestError::Unsupported)
}

#[vtable]
impl Operations for MacOperations {
    type Groups = GroupList;

    const FIGURES: &'static [&'static str] = &figures::NAMES;

    fn tx(&self, _context: &Atomic, frame: SkBuff, what: &TxDescription) -> Result<(), SkBuff> {
        let Some(note) = convert::transmit(what) else {
            return Err(frame);
        };
        let queued = self.calls.frames.push(frame, note);
        if queued.is_err() {
            self.calls
                .counters
                .frames_refused
                .fetch_add(1, Ordering::Relaxed);
        }
        self.calls.ring_for_frame();
        queued
    }

    fn wake_tx_queue(&self, _context: &Atomic, category: u8) {
        self.calls.mark(category);
    }

    fn start(&self, context: &MaySleep) -> Result {
        self.restarting
            .store(self.calls.is(Life::Restarting), Ordering::Relaxed);
        self.calls.set_life(Life::Stopped);
        // A device that was never booted, or that has lost its state, loads its firmware first. It answers at once if
        // the firmware runs.
        self.ask(context, Request::Boot, BOOT_LIMIT)?;
        self.ask(context, Request::Start, START_LIMIT)?;
        self.calls.set_life(Life::Started);
        Ok(())
    }

    fn stop(&self, context: &MaySleep) {
        self.calls.set_life(Life::Stopped);
        // A device that cannot be stopped has failed and is told so when it is started again.
        let _stopped = self.ask(context, Request::Stop, LIMIT);
    }

    fn add_interface(&self, context: &MaySleep, vif: &Vif, kind: VifKind) -> Result {
        let request = Request::AddInterface {
            kind: convert::kind(kind).ok_or_else(unsupported)?,
            address: MacAddress(vif.address()),
        };
        let Response::Interface(interface) = self.ask(context, request, LIMIT)? else {
            return Err(EIO);
        };
        if kind == VifKind::Station {
            vif.watches_beacons(context);
        }
        vif.set_number(Some(convert::number(interface)));
        if self.restarting.load(Ordering::Relaxed) {
            // The chip numbers protected frames itself and begins anew, so connections have to as well: their keys must
            // not be used again. mac80211 hears of it when it is through with the restart.
            vif.lose_connection(context);
        }
        Ok(())
    }

    fn change_interface(&self, context: &MaySleep, vif: &Vif, kind: VifKind) -> Result {
        convert::kind(kind).ok_or_else(unsupported)?;
        self.remove_interface(context, vif);
        self.add_interface(context, vif, kind)
    }

    fn remove_interface(&self, context: &MaySleep, vif: &Vif) {
        let Some(interface) = interface(vif) else {
            return;
        };
        vif.set_number(None);
        // On a device that has failed the interface is gone already.
        let _removed = self.ask(context, Request::RemoveInterface(interface), LIMIT);
    }

    fn config(&self, _context: &MaySleep, change: &HardwareChange) -> Result {
        if let Some(power) = change.power {
            self.tell(Request::TxPower(convert::dbm(power)));
        }
        if let Some((frequency, width)) = change.channel {
            if let Some(request) = convert::channel(frequency, width) {
                self.tell(request);
            }
        }
        if let Some((short, long)) = change.retry_limits {
            self.tell(Request::RetryLimits { short, long });
        }
        Ok(())
    }

    fn vif_changed(&self, context: &MaySleep, vif: &Vif, change: VifChange) {
        let Some(interface) = interface(vif) else {
            return;
        };
        let configuration = vif.configuration(context);
        if change.association && !self.restarting.load(Ordering::Relaxed) {
            let request = match convert::association(&configuration) {
                Some(parameters) if configuration.is_associated() => {
                    Request::Associated(interface, parameters)
                }
                _ => Request::Disassociated(interface),
            };
            if let Err(error) = self.ask(context, request, LIMIT) {
                dev_warn!(
                    self.device,
                    "the association was not taken over: error {}\n",
                    error.to_errno()
                );
            }
        }
        if change.addresses {
            let (count, addresses) = configuration.addresses();
            self.calls
                .tell(Owned::ArpAddresses(interface, addresses, count));
        }
        if let Some(timeout) = change.power_save {
            let parameters = PowerSaveParameters {
                enabled: configuration.power_save(),
                dynamic_timeout: Duration::from_millis(u64::try_from(timeout).unwrap_or(0)),
            };
            self.tell(Request::PowerSave(interface, parameters));
        }
    }

    fn ipv6_changed(
        &self,
        _context: &Atomic,
        vif: &Vif,
        count: usize,
        addresses: [[u8; 16]; MAX_IPV6_ADDRESSES],
    ) {
        if let Some(interface) = interface(vif) {
            self.calls
                .tell(Owned::NeighbourAddresses(interface, addresses, count));
        }
    }

    fn link_changed(&self, context: &MaySleep, vif: &Vif, change: LinkChange) {
        let Some(interface) = interface(vif) else {
            return;
        };
        let configuration = vif.configuration(context);
        if change.bssid && configuration.bssid().is_none() {
            // An attempt that failed before the association; the end of one was told already.
            self.tell(Request::Disassociated(interface));
        }
        if change.slot && configuration.is_associated() {
            self.tell(Request::SlotTime {
                interface,
                short: configuration.short_slot(),
            });
        }
        if change.signal_threshold {
            let (threshold, hysteresis) = configuration.signal_threshold();
            let threshold = (threshold != 0).then(|| CqmThreshold {
                threshold: convert::dbm(threshold),
                hysteresis: u8::try_from(hysteresis).unwrap_or(u8::MAX),
            });
            self.tell(Request::Cqm(interface, threshold));
        }
        if change.bandwidth && configuration.is_associated() {
            if let Some(width) = convert::width(&configuration) {
                self.tell(Request::Bandwidth(interface, width));
            }
        }
    }

    fn prepare_multicast(addresses: GroupAddresses<'_>) -> Option<KBox<GroupList>> {
        KBox::new(GroupList::new(addresses), GFP_ATOMIC).ok()
    }

    fn configure_filter(
        &self,
        _context: &MaySleep,
        filter: Filter,
        groups: Option<KBox<GroupList>>,
    ) {
        let groups = match groups {
            Some(groups) if !filter.all_multicast => *groups,
            _ => GroupList::ALL,
        };
        self.calls.tell(Owned::Multicast(groups));
        self.tell(Request::ConfigureFilter(ReceiveFilter {
            other_bss: filter.other_bss,
            fcs_errors: filter.fcs_errors,
            beacons: filter.beacons,
            probe_requests: filter.probe_requests,
        }));
    }

    fn set_key(
        &self,
        context: &MaySleep,
        command: KeyCommand,
        vif: &Vif,
        key: &mut Key<'_>,
    ) -> Result {
        match command {
            // Keys of connections that a restart ended.
            KeyCommand::Set if self.restarting.load(Ordering::Relaxed) => {
                return Err(unsupported());
            }
            KeyCommand::Set => {
                let interface = interface(vif).ok_or(ENODEV)?;
                let parameters = convert::key(key).inspect_err(|_| {
                    if key.peer().is_some() {
                        self.tell(Request::KeyInSoftware(interface));
                    }
                })?;
                let request = Request::SetKey(interface, parameters);
                let Response::Key(slot) = self.ask(context, request, LIMIT)? else {
                    return Err(EIO);
                };
                key.accept(slot.number());
            }
            KeyCommand::Disable => {
                // A chip that has failed has forgotten its keys.
                if let Some(slot) = KeySlot::new(key.slot()) {
                    let _removed = self.ask(context, Request::RemoveKey(slot), LIMIT);
                }
            }
        }
        Ok(())
    }

    fn hw_scan(&self, context: &MaySleep, vif: &Vif, request: &ScanRequest) -> Result {
        let interface = interface(vif).ok_or(ENODEV)?;
        let scan = OwnedScan::new(
            request.channels().filter_map(convert::scan_channel),
            request.ssids().filter_map(|name| convert::ssid(&name)),
            request.elements(),
            request.no_cck(),
            request.source().map(MacAddress),
        )?;
        let scan = Owned::Scan(interface, KBox::new(scan, GFP_KERNEL)?);
        // Its end may come before the answer is read.
        self.calls.scanning.store(true, Ordering::Release);
        self.calls
            .ask(context, scan, LIMIT)
            .map(|_| ())
            .inspect_err(|_| {
                self.calls.scanning.store(false, Ordering::Release);
            })
    }

    fn cancel_hw_scan(&self, context: &MaySleep, _vif: &Vif) {
        let _cancelled = self.ask(context, Request::CancelScan, CANCEL_LIMIT);
    }

    fn conf_tx(
        &self,
        _context: &MaySleep,
        vif: &Vif,
        category: u8,
        parameters: &QueueParameters,
    ) -> Result {
        let interface = interface(vif).ok_or(ENODEV)?;
        let category = AccessCategory::from_index(category).ok_or(EINVAL)?;
        let parameters = EdcaParameters {
            aifs_number: parameters.aifs,
            cw_min: parameters.cw_min,
            cw_max: parameters.cw_max,
            txop: parameters.txop,
            uapsd: parameters.uapsd,
        };
        self.tell(Request::ConfigureTx(interface, category, parameters));
        Ok(())
    }

    fn set_rts_threshold(&self, _context: &MaySleep, threshold: Option<u16>) -> Result {
        self.tell(Request::RtsThreshold(threshold));
        Ok(())
    }

    fn flush(&self, context: &MaySleep, vif: Option<&Vif>, drop: bool) {
        let only = vif.map(interface);
        for interface in InterfaceId::ALL {
            if only.is_some_and(|only| only != Some(interface)) {
                continue;
            }
            // Frames of an interface that does not exist are gone.
            let _flushed = self.ask(context, Request::Flush { interface, drop }, LIMIT);
        }
    }

    fn ampdu_action(&self, _context: &MaySleep, action: AmpduAction) -> Result {
        match action {
            // The chip negotiates; mac80211 has to put the frames in order.
            AmpduAction::Receive => Ok(()),
            AmpduAction::Transmit => Err(unsupported()),
        }
    }

    fn mgd_prepare_tx(&self, context: &MaySleep, vif: &Vif, leaving: bool) {
        let (Some(interface), false) = (interface(vif), leaving) else {
            return;
        };
        if let Some(bss) = convert::bss(&vif.configuration(context)) {
            self.tell(Request::BssKnown(interface, bss));
        }
    }

    fn get_stats(&self, context: &MaySleep) -> Result<LowLevelStatistics> {
        let Response::Counters(counters) = self.ask(context, Request::ReadCounters, LIMIT)? else {
            return Err(EIO);
        };
        Ok(LowLevelStatistics {
            ack_failures: counters.ack_failures,
            rts_failures: counters.rts_failures,
            fcs_errors: counters.fcs_errors,
            rts_successes: counters.rts_successes,
        })
    }

    fn get_et_stats(&self, context: &MaySleep, vif: &Vif, figures: &mut [u64]) {
        let Some(interface) = interface(vif) else {
            return;
        };
        // A chip that does not answer counts as one that counted nothing.
        let chip = match self.ask(context, Request::ReadCounters, LIMIT) {
            Ok(Response::Counters(counters)) => Some(counters),
            _ => None,
        };
        if let Ok(values) = self.calls.figures(context, interface, chip, LIMIT) {
            for (to, from) in figures.iter_mut().zip(values) {
                *to = from;
            }
        }
    }

    fn suspend(&self, context: &MaySleep, triggers: WakeTriggers<'_>) -> bool {
        sleep::suspend(self, context, &triggers)
    }

    fn resume(&self, context: &MaySleep) -> Woken {
        sleep::resume(self, context)
    }

    fn reconfig_complete(&self, _context: &MaySleep, _restarted: bool) {
        if self.restarting.swap(false, Ordering::Relaxed) {
            self.restarts.fetch_add(1, Ordering::Relaxed);
        }
    }
}
