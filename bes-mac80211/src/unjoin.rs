//! Leaving a BSS: MIB 0x1045, 0x1044, 0x1025, RESET, then power, signal threshold and block-ack policy as they are
//! without a BSS (specification: file 20, section 16.5, "Unjoin"; file 31, section 8.3).
//!
//! Frames that are queued may leave first, for a short time: a deauthentication has to be sent before the chip forgets
//! the BSS. Transmission of the interface is held from the first message to the last, and never longer: the C driver
//! could keep it locked while it waited for frames that the lock held back (L6).

use crate::aggregation::Situation;
use crate::command;
use crate::error::RequestError;
use crate::procedure::{Answer, Cursor, Next, Step};
use crate::request::Response;
use crate::types::MacAddress;
use crate::vif::Connection;
use crate::world::{Effect, World};
use bes_hal::{Instant, Memory};
use bes_wsm::recovery::RecoveryReason;
use bes_wsm::wire::{InterfaceId, MessageId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LeaveStep {
    Drain,
    PowerTable,
    Protection,
    KeepAlive,
    Reset,
    Power,
    SignalThreshold,
    BlockAck,
}

const STEPS: &[LeaveStep] = &[
    LeaveStep::Drain,
    LeaveStep::PowerTable,
    LeaveStep::Protection,
    LeaveStep::KeepAlive,
    LeaveStep::Reset,
    LeaveStep::Power,
    LeaveStep::SignalThreshold,
    LeaveStep::BlockAck,
];

/// Leaves the BSS of an interface.
#[derive(Debug)]
pub(crate) struct Unjoin {
    id: InterfaceId,
    until: Instant,
    cursor: Cursor,
}

impl Unjoin {
    /// Begins. With `drain`, frames that are queued may leave first.
    pub(crate) fn begin<M: Memory>(
        world: &mut World<M>,
        id: InterfaceId,
        drain: bool,
        now: Instant,
    ) -> Self {
        let limit = world.config.leave_limit;
        if let Some(vif) = world.vif_mut(id) {
            let bssid = vif.connection.joined_bssid().unwrap_or(MacAddress([0; 6]));
            vif.connection = Connection::Leaving { bssid };
            vif.beacon_loss.reset();
            vif.work.unjoin = false;
        }
        let keyless = world
            .vif_mut(id)
            .is_some_and(|vif| vif.rekey.take().is_some());
        // Frames that wait for a key that will not come need not be waited for.
        if !drain || keyless {
            world.ask(Effect::Flush(id));
        }
        Self {
            id,
            until: now.after(limit),
            cursor: Cursor::default(),
        }
    }

    pub(crate) fn next<M: Memory>(
        &mut self,
        world: &mut World<M>,
        now: Instant,
        out: &mut [u8],
    ) -> Next {
        let id = self.id;
        if self.cursor.step(STEPS) == Some(LeaveStep::Drain) {
            if world.backlog_of(id) > 0 && !self.until.is_due(now) {
                return Next::Wait(self.until);
            }
            world.ask(Effect::Flush(id));
            world.set_hold(id, true);
            self.cursor.advance();
        }
        let power = world.tx_power;
        let next = self.cursor.next(STEPS, Response::Done, |step| match step {
            LeaveStep::Drain => Step::Skip,
            LeaveStep::PowerTable => command::power_table(out, id).into(),
            LeaveStep::Protection => command::protection_unjoined(out, id).into(),
            LeaveStep::KeepAlive => command::keep_alive(out, id, 0).into(),
            LeaveStep::Reset => command::reset(out, id).into(),
            LeaveStep::Power => command::power(out, id, power).into(),
            LeaveStep::SignalThreshold => command::no_signal_threshold(out).into(),
            LeaveStep::BlockAck => command::block_ack(out, id, Situation::NotAssociated).into(),
        });
        if let Next::Done(result) = next {
            world.set_hold(id, false);
            if result.is_ok() {
                world.statistics.unjoins = world.statistics.unjoins.saturating_add(1);
            }
        }
        next
    }

    pub(crate) fn answer<M: Memory>(&mut self, world: &mut World<M>, answer: Answer<'_>) {
        let step = self.cursor.step(STEPS);
        let outcome = if step == Some(LeaveStep::Reset) {
            self.reset_answered(world, answer)
        } else {
            if step == Some(LeaveStep::Power) && matches!(answer, Answer::Success(_)) {
                world.tx_power_told = Some(world.tx_power);
            }
            answer.optional(world)
        };
        self.cursor.settle(outcome);
    }

    fn reset_answered<M: Memory>(
        &self,
        world: &mut World<M>,
        answer: Answer<'_>,
    ) -> Result<(), RequestError> {
        if let Err(error) = answer.required() {
            // A chip that does not leave is joined to a BSS the host has forgotten. Every scan would be refused
            // (file 50, section 3.2).
            world.give_up(RecoveryReason::Refused(MessageId::RESET));
            return Err(error);
        }
        after_reset(world, self.id);
        Ok(())
    }
}

/// What a RESET empties: the connection, and the rate policies of the whole chip (file 50, section 3.5).
pub(crate) fn after_reset<M: Memory>(world: &mut World<M>, id: InterfaceId) {
    let associated = world
        .vifs()
        .any(|vif| vif.id != id && vif.connection.is_associated());
    if let Some(vif) = world.vif_mut(id) {
        vif.forget_connection();
    }
    world.ask(Effect::ForgetPolicies);
    if !associated {
        world.coex.handle_disconnected();
    }
}
