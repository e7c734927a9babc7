//! What a device does while the host suspends and resumes. When, is decided by [`bes_pm::suspend`].

use super::{Afterwards, Device, State};
use crate::error::RequestError;
use crate::event::Event;
use crate::request::{Response, Resumed, Suspended};
use crate::rx::RxStatus;
use crate::tx::TxStatus;
use crate::world::Effect;
use bes_hal::stack::Stack;
use bes_hal::transport::{Transition, Transport};
use bes_hal::Instant;
use bes_pm::suspend::{Facts, Order, Phase};
use bes_wsm::wire::InterfaceId;

impl<T, S> Device<T, S>
where
    T: Transport,
    S: Stack<Buffer = T::Buffer, RxStatus = RxStatus, TxStatus = TxStatus, Event = Event>,
{
    /// Where a suspend of the host stands.
    pub fn host_sleep(&self) -> Phase {
        self.core.control.world.host.phase()
    }

    /// Whether the host may be suspended, so that nothing is done.
    #[inline]
    pub(super) fn is_suspended(&self) -> bool {
        !self.host_runs && matches!(self.host_sleep(), Phase::Suspended { .. })
    }

    /// Goes on with a suspend or resume. `true` if something changed.
    pub(super) fn run_host(&mut self, now: Instant) -> bool {
        let moved = match self.state {
            State::Running if self.core.control.world.host.cuts_power() => self.cut_power(now),
            State::Running => self.sleep_with_host(now),
            State::Ready if self.core.control.world.host.cuts_power() => self.cut_power(now),
            State::Off | State::Ready | State::NeedsRecovery(_) => {
                self.core.control.end_host_sleep(now);
                true
            }
            // Under way, with a deadline of its own.
            _ => false,
        };
        self.host_runs = self.core.control.world.host.is_running();
        self.core.watching = self.host_sleep() == Phase::Waking;
        moved
    }

    /// The host cuts the power: everything is switched off first, or nothing is done if it did not after all.
    fn cut_power(&mut self, now: Instant) -> bool {
        let host = &mut self.core.control.world.host;
        let (Phase::Quiescing { until }, Some(token)) = (host.phase(), host.suspends_for()) else {
            return self.sleep_with_host(now);
        };
        if self.state == State::Ready {
            self.state = State::PoweringOff(token);
            self.begin(Transition::PowerOff, now);
            return true;
        }
        self.core.control.set_open(false);
        self.core.control.quiesce();
        self.state = State::Draining {
            token,
            until,
            afterwards: Afterwards::PowerOff,
        };
        true
    }

    /// The chip sleeps and wakes with the host.
    fn sleep_with_host(&mut self, now: Instant) -> bool {
        let quiescing = self.core.control.world.host.is_quiescing();
        if quiescing && !self.quiesced {
            self.core.control.quiesce();
        }
        self.quiesced = quiescing;
        let facts = self.host_facts(now);
        let control = &mut *self.core.control;
        if quiescing && !facts.awake {
            control.world.power.wake(now);
        }
        match control.world.host.poll(facts, now) {
            Order::None => return false,
            Order::Sleep => {
                for id in InterfaceId::ALL {
                    control.world.ask(Effect::Flush(id));
                }
                control.world.power.machine.force_sleep(now);
            }
            Order::Suspended { asleep } => {
                let statistics = &mut control.world.statistics;
                statistics.suspends = statistics.suspends.saturating_add(1);
                if !asleep {
                    statistics.suspends_awake = statistics.suspends_awake.saturating_add(1);
                }
                let answer = Response::Suspended(Suspended {
                    session_kept: true,
                    asleep,
                    armed: control.world.host.armed(),
                });
                let token = control.world.host.take_suspending();
                control.complete(token, Ok(answer));
            }
            Order::Wake => {
                if let Some(token) = control.world.host.take_suspending() {
                    // The host did not suspend after all.
                    control.complete(Some(token), Err(RequestError::Aborted));
                }
                let slept = now.since(control.world.host.since());
                for vif in control.world.vifs_mut() {
                    vif.power_save.handle_host_sleep(false);
                    vif.postpone(slept);
                }
                control.world.power.machine.let_wake();
                control.world.power.wake(now);
                self.drained = false;
            }
            Order::Resumed => {
                let woken_by = control.world.host.take_wake_up();
                let token = control.world.host.take_resuming();
                let answer = Response::Resumed(Resumed {
                    session_kept: true,
                    woken_by,
                });
                control.complete(token, Ok(answer));
            }
        }
        true
    }

    fn host_facts(&self, now: Instant) -> Facts {
        let control = &self.core.control;
        let machine = &control.world.power.machine;
        let half_done = control.is_half_done() || self.core.is_uploading();
        let empty = self.core.queues.is_empty() && self.bottom_half.is_idle();
        Facts {
            quiet: empty && !half_done && !control.has_waiting(now) && !control.scan.is_active(),
            half_done,
            awake: machine.is_awake(),
            asleep: machine.is_asleep(),
            drained: self.drained,
        }
    }
}
