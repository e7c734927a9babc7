//! What the control plane does by time: flushes that take too long, attempts that lead nowhere, access points that went
//! silent, keys that do not come, indications that are missing, and callers that have waited long enough.

use crate::beacon_loss::LossAction;
use crate::control::Control;
use crate::error::RequestError;
use crate::event::{Event, LossReason, PowerSaveFault};
use crate::key_install;
use crate::request::Response;
use crate::vif::Connection;
use crate::world::Effect;
use bes_hal::time::earliest;
use bes_hal::{Instant, Memory};
use bes_wsm::recovery::RecoveryReason;
use bes_wsm::wire::{InterfaceId, MessageId};

impl<M: Memory> Control<M> {
    /// Does what is due by time.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.scan.tick(&mut self.world, now);
        if let Some(until) = self.world.switch_deadline() {
            if until.is_due(now) {
                self.world.give_up(RecoveryReason::IndicationTimeout(
                    MessageId::CHANNEL_SWITCH_DONE,
                ));
            }
        }
        for id in InterfaceId::ALL {
            self.tick_flush(id, now);
            key_install::tick(&mut self.world, id, now);
            self.tick_interface(id, now);
        }
        while let Some(token) = self.ends.poll(now) {
            self.world.tell(Event::Completed {
                token,
                result: Err(RequestError::TimedOut),
            });
        }
    }

    fn tick_flush(&mut self, id: InterfaceId, now: Instant) {
        let empty = self.world.backlog_of(id) == 0;
        let Some(slot) = self.flushes.get_mut(id.index()) else {
            return;
        };
        let Some(flush) = *slot else {
            return;
        };
        let result = if empty {
            Ok(Response::Done)
        } else if flush.until.is_due(now) {
            Err(RequestError::TimedOut)
        } else {
            return;
        };
        *slot = None;
        self.complete(Some(flush.token), result);
    }

    fn tick_interface(&mut self, id: InterfaceId, now: Instant) {
        let Some(vif) = self.world.vif_mut(id) else {
            return;
        };
        if let Connection::Joined { until, .. } = vif.connection {
            if until.is_due(now) && !vif.work.unjoin {
                vif.work.unjoin = true;
                self.world.tell(Event::ConnectionLost {
                    interface: id,
                    reason: LossReason::JoinTimeout,
                });
            }
            return;
        }
        if !vif.connection.is_associated() {
            vif.beacon_loss.reset();
            return;
        }
        if let Some(mode) = vif.power_save.poll(now) {
            self.world.power.support.latch(mode, id.raw(), now);
            self.world.tell(Event::PowerSaveUnsupported {
                interface: id,
                fault: PowerSaveFault::Unanswered(mode),
            });
        }
        let Some(vif) = self.world.vif_mut(id) else {
            return;
        };
        match vif.beacon_loss.poll(now) {
            LossAction::None => {}
            LossAction::SendNull => self.world.ask(Effect::SendNull(id)),
            LossAction::Report => {
                let statistics = &mut self.world.statistics;
                statistics.beacon_losses = statistics.beacon_losses.saturating_add(1);
                self.world.tell(Event::ConnectionLost {
                    interface: id,
                    reason: LossReason::Beacons,
                });
            }
        }
    }

    /// When something is due by time.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let support = &self.world.power.support;
        let vifs = self.world.vifs().fold(None, |deadline, vif| {
            let join = match vif.connection {
                Connection::Joined { until, .. } if !vif.work.unjoin => Some(until),
                _ => None,
            };
            let lost = vif.beacon_loss.next_deadline();
            let power_save = vif.power_save_deadline(support, now);
            earliest(
                earliest(deadline, power_save),
                earliest(join, earliest(lost, vif.rekey)),
            )
        });
        let flush = self.flushes.iter().flatten().fold(None, |deadline, flush| {
            earliest(deadline, Some(flush.until))
        });
        let waits = self.waits_until.filter(|until| *until != Instant::NEVER);
        earliest(
            earliest(vifs, earliest(flush, self.ends.next_deadline())),
            earliest(
                earliest(waits, self.scan.next_deadline()),
                self.world.switch_deadline(),
            ),
        )
    }
}
