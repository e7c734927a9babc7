//! What the chip is told when an association stands.
//!
//! MIB 0x1044, 0x0007, 0x1045, 0x1043 (interface 0); SWITCH_CHANNEL and its indication; MIB 0x1021, 0x1010, 0x1025;
//! SET_BSS_PARAMETERS; MIB 0x1007; with HT 0x100E; for P2P 0x1019; the null frame template; MIB 0x0003, 0x1009; the answers
//! that the chip gives for its host
//! (specification: file 20, section 16.5, "Associated"; file 31, section 9.1).

use crate::aggregation::Situation;
use crate::command;
use crate::error::RequestError;
use crate::join::switched;
use crate::neighbour::NeighbourOffload;
use crate::procedure::{Answer, Cursor, Next, Step};
use crate::request::{AssociationParameters, InterfaceKind, Response};
use crate::template;
use crate::vif::{Connection, Vif};
use crate::world::World;
use bes_hal::{Instant, Memory};
use bes_wsm::wire::InterfaceId;

/// RTS threshold of an association when the stack never set one (file 21, section 2.5).
const DEFAULT_RTS: u32 = 2437;
/// Seconds without traffic after which the chip sends a null frame (file 21, section 2.26).
const KEEP_ALIVE: u16 = 15;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AssociatedStep {
    Protection,
    RtsThreshold,
    PowerTable,
    ShortGi,
    SwitchChannel,
    Switched,
    HtProtection,
    AssociationMode,
    KeepAlive,
    BssParameters,
    WakePeriod,
    BlockAck,
    P2pPowerSave,
    NullTemplate,
    SlotTime,
    SignalThreshold,
    ArpTemplate,
    NeighbourTemplate,
}

const STEPS: &[AssociatedStep] = &[
    AssociatedStep::Protection,
    AssociatedStep::RtsThreshold,
    AssociatedStep::PowerTable,
    AssociatedStep::ShortGi,
    AssociatedStep::SwitchChannel,
    AssociatedStep::Switched,
    AssociatedStep::HtProtection,
    AssociatedStep::AssociationMode,
    AssociatedStep::KeepAlive,
    AssociatedStep::BssParameters,
    AssociatedStep::WakePeriod,
    AssociatedStep::BlockAck,
    AssociatedStep::P2pPowerSave,
    AssociatedStep::NullTemplate,
    AssociatedStep::SlotTime,
    AssociatedStep::SignalThreshold,
    AssociatedStep::ArpTemplate,
    AssociatedStep::NeighbourTemplate,
];

/// Tells the chip that the association stands.
#[derive(Debug)]
pub(crate) struct Association {
    id: InterfaceId,
    parameters: AssociationParameters,
    cursor: Cursor,
}

impl Association {
    pub(crate) fn begin<M: Memory>(
        world: &mut World<M>,
        id: InterfaceId,
        parameters: AssociationParameters,
        now: Instant,
    ) -> Result<Self, RequestError> {
        let vif = world.vif_mut(id).ok_or(RequestError::NoInterface)?;
        let bssid = match vif.connection {
            Connection::Joined { bssid, .. } | Connection::Associated { bssid } => bssid,
            _ => return Err(RequestError::NotJoined),
        };
        if !(1..=2007).contains(&parameters.aid) {
            return Err(RequestError::Invalid);
        }
        vif.connection = Connection::Associated { bssid };
        vif.association = Some(parameters);
        vif.awaits_address = vif
            .arp_address
            .is_none()
            .then(|| now.after(bes_pm::reason::OPERATION_LIFE));
        if parameters.dtim_period != 0 {
            vif.dtim_period = parameters.dtim_period;
        }
        Ok(Self {
            id,
            parameters,
            cursor: Cursor::default(),
        })
    }

    pub(crate) fn next<M: Memory>(
        &mut self,
        world: &mut World<M>,
        now: Instant,
        out: &mut [u8],
    ) -> Next {
        let (id, parameters) = (self.id, self.parameters);
        let next = self.cursor.next(STEPS, Response::Done, |step| {
            message(world, id, &parameters, step, now, out)
        });
        if next == Next::Done(Ok(Response::Done)) {
            world.coex.handle_connected();
            // An address that was configured before the association was ignored then (file 40, P6 and P29).
            if world.vif(id).is_some_and(|vif| vif.arp_address.is_some()) {
                world.coex.handle_address();
            }
        }
        next
    }

    pub(crate) fn answer<M: Memory>(&mut self, world: &mut World<M>, answer: Answer<'_>) {
        let outcome = match self.cursor.step(STEPS) {
            Some(AssociatedStep::SwitchChannel) => {
                if matches!(answer, Answer::Refused(..)) {
                    world.switch_refused();
                }
                answer.optional(world)
            }
            // Without its association id the chip neither wakes for our traffic nor answers polls.
            Some(AssociatedStep::BssParameters) => answer.required().map(|_| ()),
            Some(AssociatedStep::RtsThreshold) => {
                if matches!(answer, Answer::Success(_)) {
                    world.rts_told = Some(world.rts.unwrap_or(DEFAULT_RTS));
                }
                answer.optional(world)
            }
            Some(AssociatedStep::NeighbourTemplate) => {
                neighbour_answered(world, self.id, &answer);
                answer.optional(world)
            }
            _ => answer.optional(world),
        };
        self.cursor.settle(outcome);
    }
}

fn message<M: Memory>(
    world: &mut World<M>,
    id: InterfaceId,
    parameters: &AssociationParameters,
    step: AssociatedStep,
    now: Instant,
    out: &mut [u8],
) -> Step {
    let first = id == InterfaceId::Zero;
    if step == AssociatedStep::Switched {
        return switched(world, now);
    }
    if step == AssociatedStep::SwitchChannel {
        let Some(home) = world.vif(id).and_then(|vif| vif.home) else {
            return Step::Skip;
        };
        world.begin_switch(now);
        return command::switch_channel(out, id, home, parameters.channel_type).into();
    }
    let rts = world.rts.unwrap_or(DEFAULT_RTS);
    let Some(vif) = world.vif(id) else {
        return Step::Fail(RequestError::NoInterface);
    };
    match step {
        AssociatedStep::Protection
        | AssociatedStep::RtsThreshold
        | AssociatedStep::PowerTable
        | AssociatedStep::ShortGi
            if !first =>
        {
            Step::Skip
        }
        AssociatedStep::Protection => command::protection_associated(out, id).into(),
        AssociatedStep::RtsThreshold => command::rts_threshold(out, rts).into(),
        AssociatedStep::PowerTable => command::power_table(out, id).into(),
        AssociatedStep::ShortGi => {
            let short_gi = parameters.ht.is_some_and(|ht| ht.short_gi);
            command::short_gi(out, id, short_gi).into()
        }
        AssociatedStep::SwitchChannel | AssociatedStep::Switched => Step::Skip,
        AssociatedStep::HtProtection => {
            let present = parameters.ht.is_some_and(|ht| ht.non_greenfield_present);
            command::ht_protection(out, id, present).into()
        }
        AssociatedStep::AssociationMode => command::association_mode(out, id, parameters).into(),
        AssociatedStep::KeepAlive => command::keep_alive(out, id, KEEP_ALIVE).into(),
        AssociatedStep::BssParameters => command::bss_parameters(out, id, parameters).into(),
        AssociatedStep::WakePeriod => command::wake_period(out, id, vif.wake_periods(), 0).into(),
        AssociatedStep::BlockAck if parameters.ht.is_none() => Step::Skip,
        AssociatedStep::BlockAck => command::block_ack(out, id, Situation::AssociatedHt).into(),
        AssociatedStep::P2pPowerSave if vif.kind != InterfaceKind::P2pClient => Step::Skip,
        AssociatedStep::P2pPowerSave => command::p2p_power_save(out, id).into(),
        AssociatedStep::NullTemplate => null_template(vif, parameters.qos, out),
        AssociatedStep::SlotTime => command::slot_time(out, id, parameters.short_slot).into(),
        AssociatedStep::SignalThreshold => command::signal_threshold(out, id, vif.cqm).into(),
        AssociatedStep::ArpTemplate => arp_template(vif, out),
        AssociatedStep::NeighbourTemplate => neighbour_template(vif, out),
    }
}

/// The null frame that the chip sends by itself. The C driver uploads one without QoS as the QoS one (file 31, C20;
/// file 20, D48).
fn null_template(vif: &Vif, qos: bool, out: &mut [u8]) -> Step {
    let Some(bssid) = vif.connection.joined_bssid() else {
        return Step::Skip;
    };
    if qos {
        let frame = template::qos_null(bssid, vif.address);
        command::qos_null_template(out, vif.id, &frame).into()
    } else {
        let frame = template::null(bssid, vif.address);
        command::null_template(out, vif.id, &frame).into()
    }
}

/// What a data frame of the connection needs, if there is one.
fn link(vif: &Vif) -> Option<template::Link> {
    Some(template::Link {
        bssid: vif.connection.joined_bssid()?,
        own: vif.address,
        qos: vif.association?.qos,
        cipher: vif.cipher,
    })
}

/// The answer to ARP requests that the chip gives while the host sleeps, if there is exactly one address.
pub(crate) fn arp_template(vif: &Vif, out: &mut [u8]) -> Step {
    let (Some(_), Some(link)) = (vif.arp_address, link(vif)) else {
        return Step::Skip;
    };
    let frame = template::arp_reply(link);
    command::arp_template(out, vif.id, frame.as_bytes()).into()
}

/// The answer to neighbour solicitations, in the same way.
pub(crate) fn neighbour_template(vif: &Vif, out: &mut [u8]) -> Step {
    let (Some(address), Some(link)) = (vif.neighbours.address(), link(vif)) else {
        return Step::Skip;
    };
    let frame = template::neighbour_advertisement(link, address);
    command::neighbour_template(out, vif.id, frame.as_bytes()).into()
}

/// A chip that refuses the offload is left alone with it.
pub(crate) fn neighbour_answered<M: Memory>(
    world: &mut World<M>,
    id: InterfaceId,
    answer: &Answer<'_>,
) {
    if let (Answer::Refused(..), Some(vif)) = (answer, world.vif_mut(id)) {
        vif.neighbours = NeighbourOffload::Refused;
        let refused = &mut world.statistics.neighbours_refused;
        *refused = refused.saturating_add(1);
    }
}
