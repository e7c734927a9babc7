//! Joining a BSS.
//!
//! MIB 0x1009; 0x100E, 0x1020; SWITCH_CHANNEL and its indication; a probe request template, without which the firmware
//! asserts; JOIN; then the filters, with beacons passing until the first one was seen (specification: file 20, section
//! 16.5, "Join"; file 31, section 8.1).
//!
//! A refused JOIN leaves the firmware half-joined: a second one ends in a bus error. So it is followed by a RESET and
//! reported as a lost connection (file 50, section 3.4; file 31, C30).

use crate::aggregation::Situation;
use crate::command;
use crate::error::RequestError;
use crate::event::{Event, LossReason};
use crate::procedure::{Answer, Cursor, Next, Step};
use crate::request::{BssDescription, Response};
use crate::setting::{filter_answered, filter_message, FILTERS};
use crate::template;
use crate::unjoin::{after_reset, Unjoin};
use crate::vif::Connection;
use crate::world::{ChannelSwitch, Effect, World};
use bes_hal::{Instant, Memory};
use bes_wsm::recovery::RecoveryReason;
use bes_wsm::wire::{InterfaceId, MessageId, Status};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JoinStep {
    SignalThreshold,
    BlockAck,
    ManagementPolicy,
    SwitchChannel,
    Switched,
    ProbeRequest,
    Join,
}

const STEPS: &[JoinStep] = &[
    JoinStep::SignalThreshold,
    JoinStep::BlockAck,
    JoinStep::ManagementPolicy,
    JoinStep::SwitchChannel,
    JoinStep::Switched,
    JoinStep::ProbeRequest,
    JoinStep::Join,
];

/// Management policy before an association: unprotected frames pass, authentication frames may be encrypted (file 21,
/// section 2.23).
pub(crate) const MANAGEMENT_POLICY: u32 = 6;

#[derive(Debug)]
enum Phase {
    /// Leaving the BSS it is joined to.
    Leaving(Unjoin),
    /// The steps above.
    Joining(Cursor),
    /// Joined; the filters.
    Filters(Cursor),
    /// The chip refused; it is reset.
    Resetting(Option<Status>, RequestError),
    /// Reset.
    Over(RequestError),
}

/// Joins a BSS.
#[derive(Debug)]
pub(crate) struct Join {
    id: InterfaceId,
    bss: BssDescription,
    phase: Phase,
}

impl Join {
    pub(crate) fn begin<M: Memory>(
        world: &mut World<M>,
        id: InterfaceId,
        bss: BssDescription,
        now: Instant,
    ) -> Result<Self, RequestError> {
        let vif = world.vif_mut(id).ok_or(RequestError::NoInterface)?;
        if vif.is_generic() {
            return Err(RequestError::Unsupported);
        }
        vif.known_bss = Some(bss);
        let phase = if vif.connection.joined_bssid().is_some() {
            Phase::Leaving(Unjoin::begin(world, id, false, now))
        } else {
            Self::begin_joining(world, id, &bss)
        };
        Ok(Self { id, bss, phase })
    }

    fn begin_joining<M: Memory>(
        world: &mut World<M>,
        id: InterfaceId,
        bss: &BssDescription,
    ) -> Phase {
        if let Some(vif) = world.vif_mut(id) {
            vif.connection = Connection::Joining { bssid: bss.bssid };
        }
        world.set_hold(id, true);
        world.coex.handle_connecting(bss.channel.band());
        Phase::Joining(Cursor::default())
    }

    pub(crate) fn next<M: Memory>(
        &mut self,
        world: &mut World<M>,
        now: Instant,
        out: &mut [u8],
    ) -> Next {
        let (id, bss) = (self.id, self.bss);
        if let Phase::Leaving(unjoin) = &mut self.phase {
            match unjoin.next(world, now, out) {
                Next::Done(Ok(_)) => self.phase = Self::begin_joining(world, id, &bss),
                Next::Done(Err(error)) => return self.fail(world, error),
                other => return other,
            }
        }
        if let Phase::Joining(cursor) = &mut self.phase {
            let next = cursor.next(STEPS, Response::Done, |step| {
                joining_message(world, id, &bss, step, now, out)
            });
            match next {
                Next::Done(Ok(_)) => self.phase = Phase::Filters(Cursor::default()),
                // Whatever ended it, the chip may have heard half of it.
                Next::Done(Err(error)) => self.phase = Phase::Resetting(None, error),
                other => return other,
            }
        }
        match &mut self.phase {
            Phase::Leaving(_) | Phase::Joining(_) => Next::Done(Err(RequestError::WrongState)),
            Phase::Filters(cursor) => {
                let next = cursor.next(FILTERS, Response::Done, |step| {
                    filter_message(world, id, step, out)
                });
                if let Next::Done(_) = next {
                    return self.finish(world);
                }
                next
            }
            Phase::Resetting(_, error) => {
                if matches!(error, RequestError::TimedOut | RequestError::Aborted) {
                    let error = *error;
                    return self.fail(world, error);
                }
                match command::reset(out, id) {
                    Ok(len) => Next::Send(len),
                    Err(_) => Next::Done(Err(RequestError::Invalid)),
                }
            }
            Phase::Over(error) => {
                let error = *error;
                self.fail(world, error)
            }
        }
    }

    pub(crate) fn answer<M: Memory>(
        &mut self,
        world: &mut World<M>,
        answer: Answer<'_>,
        now: Instant,
    ) {
        match &mut self.phase {
            Phase::Leaving(unjoin) => unjoin.answer(world, answer),
            Phase::Joining(cursor) => match cursor.step(STEPS) {
                Some(JoinStep::SwitchChannel) => {
                    if matches!(answer, Answer::Refused(..)) {
                        world.switch_refused();
                    }
                    cursor.settle(answer.required().map(|_| ()));
                }
                Some(JoinStep::Join) => {
                    if let Answer::Refused(_, status) = answer {
                        let error = RequestError::Refused {
                            message: MessageId::JOIN,
                            status,
                        };
                        self.phase = Phase::Resetting(Some(status), error);
                        return;
                    }
                    cursor.settle(answer.required().map(|_| ()));
                    if matches!(answer, Answer::Success(_)) {
                        self.joined(world, now);
                    }
                }
                _ => cursor.settle(answer.optional(world)),
            },
            Phase::Filters(cursor) => {
                filter_answered(world, self.id, cursor.step(FILTERS), &answer);
                cursor.settle(answer.optional(world));
            }
            Phase::Resetting(status, error) => {
                let (status, error) = (*status, *error);
                if answer.required().is_err() {
                    world.give_up(RecoveryReason::Refused(MessageId::RESET));
                }
                self.was_reset(world, status);
                self.phase = Phase::Over(error);
            }
            Phase::Over(_) => {}
        }
    }

    fn joined<M: Memory>(&self, world: &mut World<M>, now: Instant) {
        let until = now.after(world.config.join_limit);
        let bss = self.bss;
        if let Some(vif) = world.vif_mut(self.id) {
            vif.forget_connection();
            vif.connection = Connection::Joined {
                bssid: bss.bssid,
                until,
            };
            vif.home = Some(bss.channel);
            vif.dtim_period = bss.dtim_period;
        }
        world.statistics.joins = world.statistics.joins.saturating_add(1);
    }

    fn finish<M: Memory>(&self, world: &mut World<M>) -> Next {
        world.set_hold(self.id, false);
        world.ask(Effect::ReleaseHeld(self.id));
        world.tell(Event::Joined {
            interface: self.id,
            bssid: self.bss.bssid,
        });
        Next::Done(Ok(Response::Done))
    }

    fn was_reset<M: Memory>(&self, world: &mut World<M>, status: Option<Status>) {
        world.statistics.join_refusals = world.statistics.join_refusals.saturating_add(1);
        after_reset(world, self.id);
        if let Some(status) = status {
            world.tell(Event::JoinRefused {
                interface: self.id,
                bssid: self.bss.bssid,
                status,
            });
        }
        world.tell(Event::ConnectionLost {
            interface: self.id,
            reason: LossReason::JoinRefused,
        });
    }

    fn fail<M: Memory>(&self, world: &mut World<M>, error: RequestError) -> Next {
        if let Some(vif) = world.vif_mut(self.id) {
            vif.forget_connection();
        }
        world.set_hold(self.id, false);
        world.ask(Effect::DropHeld(self.id));
        Next::Done(Err(error))
    }
}

fn joining_message<M: Memory>(
    world: &mut World<M>,
    id: InterfaceId,
    bss: &BssDescription,
    step: JoinStep,
    now: Instant,
    out: &mut [u8],
) -> Step {
    match step {
        JoinStep::SignalThreshold => command::no_signal_threshold(out).into(),
        JoinStep::BlockAck => command::block_ack(out, id, Situation::NotAssociated).into(),
        JoinStep::ManagementPolicy => command::management_policy(out, id, MANAGEMENT_POLICY).into(),
        JoinStep::SwitchChannel => {
            world.begin_switch(now);
            // Both this and JOIN name the channel of the BSS; the C driver took them from two places (C29).
            command::switch_channel(out, id, bss.channel, Default::default()).into()
        }
        JoinStep::Switched => switched(world, now),
        JoinStep::ProbeRequest => {
            let Some(vif) = world.vif(id) else {
                return Step::Fail(RequestError::NoInterface);
            };
            let frame = template::empty_probe_request(vif.address);
            command::probe_request(out, bss.channel.band(), &frame).into()
        }
        JoinStep::Join => {
            let p2p = world
                .vif(id)
                .is_some_and(|vif| vif.kind == crate::request::InterfaceKind::P2pClient);
            command::join(out, id, bss, p2p).into()
        }
    }
}

/// Waits for the indication of a channel switch. It may come before the confirm, after it, or, from a sick chip, never.
pub(crate) fn switched<M: Memory>(world: &mut World<M>, now: Instant) -> Step {
    match world.channel_switch {
        ChannelSwitch::Idle => Step::Skip,
        ChannelSwitch::Waiting { until } if until.is_due(now) => {
            world.give_up(RecoveryReason::IndicationTimeout(
                MessageId::CHANNEL_SWITCH_DONE,
            ));
            Step::Fail(RequestError::TimedOut)
        }
        ChannelSwitch::Waiting { until } => Step::Wait(until),
    }
}
