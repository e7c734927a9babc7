//! Interfaces come and go.
//!
//! | | messages |
//! |---|---|
//! | added, interface 0 or 1 | EDCA parameters, MIB 0x1013, MIB 0x1009 on interface 0 |
//! | added, interface 2 | MIB 0x1009 on interface 0 |
//! | removed | those of an unjoin, if it is joined |
//!
//! Source: file 20, section 16.5; file 31, section 3.

use crate::address::check_device;
use crate::command;
use crate::error::RequestError;
use crate::procedure::{Answer, Cursor, Next, Step};
use crate::request::{InterfaceKind, Response};
use crate::types::MacAddress;
use crate::unjoin::Unjoin;
use crate::vif::{interface_for, Vif};
use crate::world::{Effect, World};
use bes_hal::{Instant, Memory};
use bes_wsm::wire::InterfaceId;

#[derive(Clone, Copy, Debug)]
enum AddStep {
    Address,
    Edca,
    Uapsd,
    SignalThreshold,
}

const ADD: &[AddStep] = &[
    AddStep::Address,
    AddStep::Edca,
    AddStep::Uapsd,
    AddStep::SignalThreshold,
];

/// Adds an interface.
#[derive(Debug)]
pub(crate) struct AddInterface {
    id: InterfaceId,
    foreign_address: bool,
    cursor: Cursor,
}

impl AddInterface {
    /// Chooses the interface id and takes it.
    pub(crate) fn begin<M: Memory>(
        world: &mut World<M>,
        kind: InterfaceKind,
        address: MacAddress,
    ) -> Result<Self, RequestError> {
        check_device(address).map_err(|_error| RequestError::Invalid)?;
        if world.vifs().any(|vif| vif.address == address) {
            return Err(RequestError::Busy);
        }
        let own = interface_for(world.config.address, address);
        // An address that is none of the three (a randomised one) is possible for a station on interface 0, which is
        // then told its address. The C driver used interface 0 for it and told nobody (file 31, C15 and C16).
        let id = own.unwrap_or(InterfaceId::Zero);
        if own.is_none() && kind != InterfaceKind::Station {
            return Err(RequestError::Unsupported);
        }
        let slot = world
            .vifs
            .get_mut(id.index())
            .ok_or(RequestError::NoInterface)?;
        if slot.is_some() {
            return Err(RequestError::Exhausted);
        }
        *slot = Some(Vif::new(id, kind, address));
        Ok(Self {
            id,
            foreign_address: own.is_none(),
            cursor: Cursor::default(),
        })
    }

    pub(crate) fn next<M: Memory>(&mut self, world: &mut World<M>, out: &mut [u8]) -> Next {
        let (id, foreign) = (self.id, self.foreign_address);
        let Some(vif) = world.vif(id) else {
            return Next::Done(Err(RequestError::NoInterface));
        };
        let next = self
            .cursor
            .next(ADD, Response::Interface(id), |step| match step {
                AddStep::Address if !foreign => Step::Skip,
                AddStep::Address => command::station_address(out, id, vif.address).into(),
                AddStep::Edca | AddStep::Uapsd if vif.is_generic() => Step::Skip,
                AddStep::Edca => command::edca(out, id, &vif.edca).into(),
                AddStep::Uapsd => command::uapsd(out, id, 0).into(),
                AddStep::SignalThreshold => command::no_signal_threshold(out).into(),
            });
        if let Next::Done(Err(_)) = next {
            if let Some(slot) = world.vifs.get_mut(id.index()) {
                *slot = None;
            }
        }
        next
    }

    pub(crate) fn answer<M: Memory>(&mut self, world: &mut World<M>, answer: Answer<'_>) {
        let outcome = match self.cursor.step(ADD) {
            // Without its address it would not receive anything.
            Some(AddStep::Address) => answer.required().map(|_| ()),
            _ => answer.optional(world),
        };
        self.cursor.settle(outcome);
    }
}

/// Removes an interface, leaving its BSS first.
#[derive(Debug)]
pub(crate) struct RemoveInterface {
    id: InterfaceId,
    unjoin: Option<Unjoin>,
}

impl RemoveInterface {
    pub(crate) fn begin<M: Memory>(
        world: &mut World<M>,
        id: InterfaceId,
        now: Instant,
    ) -> Result<Self, RequestError> {
        let vif = world.vif(id).ok_or(RequestError::NoInterface)?;
        let joined = vif.connection.joined_bssid().is_some();
        // Frames that are still queued are given back at once; the C driver waited two seconds with transmission
        // locked by itself and then left them behind (file 31, L8).
        world.ask(Effect::Flush(id));
        world.ask(Effect::DropHeld(id));
        Ok(Self {
            id,
            unjoin: joined.then(|| Unjoin::begin(world, id, false, now)),
        })
    }

    pub(crate) fn next<M: Memory>(
        &mut self,
        world: &mut World<M>,
        now: Instant,
        out: &mut [u8],
    ) -> Next {
        if let Some(unjoin) = &mut self.unjoin {
            match unjoin.next(world, now, out) {
                Next::Done(Ok(_)) => self.unjoin = None,
                other => return other,
            }
        }
        if let Some(slot) = world.vifs.get_mut(self.id.index()) {
            *slot = None;
        }
        world.set_hold(self.id, false);
        world.ask(Effect::Flush(self.id));
        if world.vifs().next().is_none() {
            world.keys.clear();
        }
        Next::Done(Ok(Response::Done))
    }

    pub(crate) fn answer<M: Memory>(&mut self, world: &mut World<M>, answer: Answer<'_>) {
        if let Some(unjoin) = &mut self.unjoin {
            unjoin.answer(world, answer);
        }
    }
}
