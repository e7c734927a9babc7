//! Requests of the stack: what each becomes, and what it begins when its turn comes.
//!
//! What needs no command is done at once. The rest waits as an [`Order`], which owns what it speaks of.

use crate::association::Association;
use crate::channel_change::ChannelChange;
use crate::control::{Control, Flush};
use crate::edca::EdcaParameters;
use crate::error::RequestError;
use crate::filter::GroupFilter;
use crate::interface::{AddInterface, RemoveInterface};
use crate::join::Join;
use crate::key::{KeyParameters, KeySlot};
use crate::key_install::{InstallKey, RemoveKey};
use crate::neighbour::NeighbourOffload;
use crate::procedure::Procedure;
use crate::request::{
    AssociationParameters, BssDescription, InterfaceKind, Request, Response, Token,
};
use crate::setting::{ReadCounters, Setting};
use crate::types::{AccessCategory, Channel, ChannelType, Dbm, MacAddress};
use crate::unjoin::Unjoin;
use crate::world::Effect;
use bes_hal::{Instant, Memory};
use bes_wsm::wire::InterfaceId;

/// A request that waits, with everything it needs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Lifecycle(Lifecycle),
    AddInterface(InterfaceKind, MacAddress),
    RemoveInterface(InterfaceId),
    Scan,
    Join(InterfaceId, BssDescription),
    Unjoin(InterfaceId),
    Associated(InterfaceId, AssociationParameters),
    Disassociated(InterfaceId),
    SetKey(InterfaceId, KeyParameters),
    RemoveKey(KeySlot),
    ConfigureTx(InterfaceId, AccessCategory, EdcaParameters),
    TxPower(Dbm),
    RtsThreshold(u32),
    Arp(InterfaceId, Option<[u8; 4]>),
    Neighbours(InterfaceId, NeighbourOffload),
    Cqm(InterfaceId, Option<crate::request::CqmThreshold>),
    SlotTime(InterfaceId, bool),
    ReadCounters,
    Bandwidth(InterfaceId, ChannelType),
    SwitchChannel(Channel, ChannelType),
}

/// A request that changes the state of the whole device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifecycle {
    Boot,
    Start,
    Stop,
    PowerOff,
}

impl<M: Memory> Control<M> {
    /// Takes a request. What needs no command is done at once; the rest waits for its turn.
    pub(crate) fn request(
        &mut self,
        token: Token,
        request: Request<'_>,
        now: Instant,
    ) -> Result<(), RequestError> {
        let order = match request {
            Request::Boot => Order::Lifecycle(Lifecycle::Boot),
            Request::Start => Order::Lifecycle(Lifecycle::Start),
            Request::Stop => Order::Lifecycle(Lifecycle::Stop),
            Request::PowerOff => Order::Lifecycle(Lifecycle::PowerOff),
            Request::AddInterface { kind, address } => Order::AddInterface(kind, address),
            Request::RemoveInterface(id) => Order::RemoveInterface(id),
            Request::Scan(..) if !self.world.host.is_running() => {
                return Err(RequestError::WrongState);
            }
            Request::Suspend {
                triggers,
                power_kept,
            } => {
                let begun = self.world.host.suspend(token, &triggers, power_kept, now);
                return begun.then_some(()).ok_or(RequestError::Busy);
            }
            Request::Resume => {
                let begun = self.world.host.resume(token);
                return begun.then_some(()).ok_or(RequestError::Busy);
            }
            Request::Scan(id, scan) => {
                if self.orders.is_full() {
                    return Err(RequestError::QueueFull);
                }
                self.scan.accept(token, id, scan)?;
                Order::Scan
            }
            Request::CancelScan => {
                self.scan.cancel(&mut self.world, Some(token));
                return Ok(());
            }
            Request::BssKnown(id, bss) => {
                let vif = self.world.vif_mut(id).ok_or(RequestError::NoInterface)?;
                vif.known_bss = Some(bss);
                self.complete(Some(token), Ok(Response::Done));
                return Ok(());
            }
            Request::Join(id, parameters) => Order::Join(id, parameters.bss),
            Request::Unjoin(id) => Order::Unjoin(id),
            Request::Associated(id, parameters) => Order::Associated(id, parameters),
            Request::Disassociated(id) => Order::Disassociated(id),
            Request::SetKey(id, key) => Order::SetKey(id, key),
            Request::RemoveKey(slot) => Order::RemoveKey(slot),
            Request::KeyInSoftware(id) => {
                let vif = self.world.vif_mut(id).ok_or(RequestError::NoInterface)?;
                vif.software_cipher = true;
                self.complete(Some(token), Ok(Response::Done));
                return Ok(());
            }
            Request::ConfigureTx(id, category, parameters) => {
                Order::ConfigureTx(id, category, parameters)
            }
            Request::ConfigureFilter(filter) => {
                self.world.receive_filter = filter;
                self.filters_changed(token);
                return Ok(());
            }
            Request::Multicast(addresses) => {
                self.world.groups = GroupFilter::new(addresses);
                self.filters_changed(token);
                return Ok(());
            }
            Request::TxPower(power) => Order::TxPower(power),
            Request::RtsThreshold(threshold) => Order::RtsThreshold(threshold.map_or(0, u32::from)),
            Request::RetryLimits { short, long } => {
                if short == 0 || long == 0 {
                    return Err(RequestError::Invalid);
                }
                self.world.ask(Effect::RetryLimits { short, long });
                self.complete(Some(token), Ok(Response::Done));
                return Ok(());
            }
            Request::PowerSave(id, parameters) => {
                let vif = self.world.vif_mut(id).ok_or(RequestError::NoInterface)?;
                vif.power_save
                    .handle_power_save(parameters.enabled, parameters.dynamic_timeout);
                self.complete(Some(token), Ok(Response::Done));
                return Ok(());
            }
            // The chip has one entry: with none or several addresses the offload is off.
            Request::ArpAddresses(id, [address]) => Order::Arp(id, Some(*address)),
            Request::ArpAddresses(id, _) => Order::Arp(id, None),
            Request::NeighbourAddresses(id, addresses) => {
                Order::Neighbours(id, NeighbourOffload::new(addresses))
            }
            Request::Cqm(id, threshold) => Order::Cqm(id, threshold),
            Request::SlotTime { interface, short } => Order::SlotTime(interface, short),
            Request::Flush { interface, drop } => {
                return self.begin_flush(token, interface, drop, now);
            }
            Request::ReadCounters => Order::ReadCounters,
            Request::Bandwidth(id, channel_type) => Order::Bandwidth(id, channel_type),
            Request::SwitchChannel(channel, channel_type) => {
                Order::SwitchChannel(channel, channel_type)
            }
            Request::Recover(rung) => {
                if self.wanted.is_some() {
                    return Err(RequestError::Busy);
                }
                self.wanted = Some((token, rung));
                return Ok(());
            }
        };
        self.orders
            .push((token, order))
            .map_err(|_order| RequestError::QueueFull)?;
        // Whoever ends something does not wait for a chip that does not answer (file 31, C35; file 50, section 1, row 4).
        if matches!(
            order,
            Order::Unjoin(_)
                | Order::Disassociated(_)
                | Order::RemoveInterface(_)
                | Order::Lifecycle(Lifecycle::Stop | Lifecycle::PowerOff)
        ) {
            self.ends.begin(token, now);
        }
        Ok(())
    }

    fn filters_changed(&mut self, token: Token) {
        for vif in self.world.vifs_mut() {
            vif.work.filters = vif.connection.is_joined();
        }
        self.complete(Some(token), Ok(Response::Done));
    }

    fn begin_flush(
        &mut self,
        token: Token,
        interface: InterfaceId,
        drop: bool,
        now: Instant,
    ) -> Result<(), RequestError> {
        let until = now.after(self.world.config.flush_limit);
        let slot = self
            .flushes
            .get_mut(interface.index())
            .ok_or(RequestError::NoInterface)?;
        if slot.is_some() {
            return Err(RequestError::Busy);
        }
        *slot = Some(Flush { token, until });
        if drop {
            self.world.ask(Effect::Flush(interface));
        }
        Ok(())
    }

    /// Begins a request. `None`: there is nothing to send for it.
    pub(crate) fn begin_order(
        &mut self,
        order: Order,
        now: Instant,
    ) -> Result<Option<Procedure>, RequestError> {
        let world = &mut *self.world;
        Ok(Some(match order {
            Order::Lifecycle(_) | Order::Scan => return Err(RequestError::WrongState),
            Order::AddInterface(kind, address) => {
                Procedure::AddInterface(AddInterface::begin(world, kind, address)?)
            }
            Order::RemoveInterface(id) => {
                Procedure::RemoveInterface(RemoveInterface::begin(world, id, now)?)
            }
            Order::Join(id, bss) => {
                let vif = world.vif(id).ok_or(RequestError::NoInterface)?;
                if vif.connection.is_joined() && vif.connection.joined_bssid() == Some(bss.bssid) {
                    return Ok(None);
                }
                Procedure::Join(Join::begin(world, id, bss, now)?)
            }
            Order::Unjoin(id) | Order::Disassociated(id) => {
                let vif = world.vif(id).ok_or(RequestError::NoInterface)?;
                if vif.connection.joined_bssid().is_none() {
                    return Ok(None);
                }
                Procedure::Unjoin(Unjoin::begin(world, id, true, now))
            }
            Order::Associated(id, parameters) => {
                Procedure::Association(Association::begin(world, id, parameters, now)?)
            }
            Order::SetKey(id, key) => Procedure::InstallKey(InstallKey::begin(world, id, key)?),
            Order::RemoveKey(slot) => Procedure::RemoveKey(RemoveKey::begin(world, slot, now)?),
            Order::ConfigureTx(id, category, parameters) => {
                Procedure::Setting(Setting::queue(world, id, category, parameters)?)
            }
            Order::TxPower(power) => Procedure::Setting(Setting::power(power)),
            Order::RtsThreshold(threshold) => Procedure::Setting(Setting::rts(threshold)),
            Order::Arp(id, address) => {
                let vif = world.vif_mut(id).ok_or(RequestError::NoInterface)?;
                vif.arp_address = address;
                vif.awaits_address = None;
                if !vif.connection.is_associated() || address.is_none() {
                    return Ok(None);
                }
                world.coex.handle_address();
                Procedure::Setting(Setting::arp(id))
            }
            Order::Neighbours(id, offload) => {
                if let NeighbourOffload::TooMany(_) = offload {
                    let left_out = &mut world.statistics.neighbours_left_out;
                    *left_out = left_out.saturating_add(1);
                }
                let vif = world.vif_mut(id).ok_or(RequestError::NoInterface)?;
                vif.neighbours = offload;
                if !vif.connection.is_associated() || offload.address().is_none() {
                    return Ok(None);
                }
                Procedure::Setting(Setting::neighbours(id))
            }
            Order::Cqm(id, threshold) => {
                let vif = world.vif_mut(id).ok_or(RequestError::NoInterface)?;
                // Kept, so that events can be compared with it (file 31, C21).
                vif.cqm = threshold;
                if !vif.connection.is_associated() {
                    return Ok(None);
                }
                Procedure::Setting(Setting::signal(id))
            }
            Order::SlotTime(id, short) => Procedure::Setting(Setting::slot_time(world, id, short)?),
            Order::ReadCounters => Procedure::ReadCounters(ReadCounters::default()),
            Order::Bandwidth(id, channel_type) => {
                Procedure::ChannelChange(ChannelChange::width(world, id, channel_type)?)
            }
            Order::SwitchChannel(channel, channel_type) => {
                match ChannelChange::channel(world, channel, channel_type) {
                    Some(change) => Procedure::ChannelChange(change),
                    None => return Ok(None),
                }
            }
        }))
    }
}
