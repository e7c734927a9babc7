//! The third rung of the recovery ladder: RESET of every interface, and what a RESET empties is forgotten.
//!
//! | step | messages |
//! |---|---|
//! | per interface 0 and 1 that exists | RESET |
//!
//! The chip must take it, or the next rung follows. Connections are reported lost: the stack connects again. Source: file
//! 50, section 7; file 20, section 6.4; file 50, section 3.5.

use crate::command;
use crate::event::{Event, LossReason};
use crate::procedure::{Answer, Next};
use crate::request::Response;
use crate::unjoin::after_reset;
use crate::world::{Effect, World};
use bes_hal::Memory;
use bes_wsm::recovery::RecoveryReason;
use bes_wsm::wire::{InterfaceId, MessageId};

/// RESET of every interface.
#[derive(Debug)]
pub(crate) struct InterfaceReset {
    /// Interfaces that are left, the one under way first.
    left: &'static [InterfaceId],
    /// The stack restarts: interfaces and keys go as well.
    forget: bool,
    failed: Option<crate::error::RequestError>,
}

/// Interfaces that can be joined; the generic one holds nothing in the chip.
const JOINABLE: [InterfaceId; 2] = [InterfaceId::Zero, InterfaceId::One];

impl InterfaceReset {
    /// Begins: frames of the interfaces go back, and nothing is sent until they are reset. With `forget`, interfaces and
    /// keys are gone afterwards and the stack is told to make them anew.
    pub(crate) fn begin<M: Memory>(world: &mut World<M>, forget: bool) -> Self {
        for id in InterfaceId::ALL {
            world.ask(Effect::Flush(id));
            world.ask(Effect::DropHeld(id));
            world.set_hold(id, true);
        }
        world.switch_refused();
        Self {
            left: &JOINABLE,
            forget,
            failed: None,
        }
    }

    pub(crate) fn next<M: Memory>(&mut self, world: &mut World<M>, out: &mut [u8]) -> Next {
        if let Some(error) = self.failed {
            return Next::Done(Err(error));
        }
        while let Some((id, rest)) = self.left.split_first() {
            if world.vif(*id).is_some() {
                match command::reset(out, *id) {
                    Ok(len) => return Next::Send(len),
                    Err(_) => self.left = rest,
                }
            } else {
                self.left = rest;
            }
        }
        for id in InterfaceId::ALL {
            world.set_hold(id, false);
        }
        if self.forget {
            for vif in &mut *world.vifs {
                *vif = None;
            }
            world.keys.clear();
            world.tell(Event::ChipRestarted);
        }
        Next::Done(Ok(Response::Done))
    }

    pub(crate) fn answer<M: Memory>(&mut self, world: &mut World<M>, answer: Answer<'_>) {
        let Some((id, rest)) = self.left.split_first() else {
            return;
        };
        if let Err(error) = answer.required() {
            self.failed = Some(error);
            // A command that was not answered ends the session by itself.
            if let Answer::Refused(..) = answer {
                world.give_up(RecoveryReason::Refused(MessageId::RESET));
            }
            return;
        }
        self.left = rest;
        let lost = world.vif(*id).is_some_and(|vif| vif.connection.is_joined());
        // Its keys are the stack's to remove, as after every lost connection.
        after_reset(world, *id);
        // So are frames that were given meanwhile: under another connection an access point would take offence at them.
        world.ask(Effect::Flush(*id));
        if lost && !self.forget {
            world.tell(Event::ConnectionLost {
                interface: *id,
                reason: LossReason::Reset,
            });
        }
    }
}
