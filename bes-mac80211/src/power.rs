//! Putting the chip to sleep: who keeps it awake, and the messages before and after sleep.
//!
//! When, is decided by [`bes_pm::device_state::DeviceMachine`]; this module feeds it and does what it says.
//!
//! | | messages |
//! |---|---|
//! | before sleep, per associated interface | MIB 0x1001, 0x1007 {1, L}, 0x1030, SET_PM |
//! | before sleep | MIB 0x1006 = 0x12 |
//! | after sleep | MIB 0x1006 = 0x10 |
//! | after sleep, per associated interface | MIB 0x1001 off, 0x1007 {D, 0}, 0x1030 off, SET_PM active |
//!
//! Source: file 20, section 16.5; file 40, sections 3.5 and 3.6. Sleep is off by default
//! ([`DeviceConfig::idle_sleep`](crate::config::DeviceConfig::idle_sleep)).

use crate::command;
use crate::error::RequestError;
use crate::procedure::{Answer, Cursor, Next, Step};
use crate::request::Response;
use crate::world::World;
use bes_hal::{Duration, Instant, Memory, NoMemory};
use bes_pm::device_state::{DeviceMachine, Run, Settings};
use bes_pm::ledger::{Hold, Ledger, Owner};
use bes_pm::psm::{listen_interval, PmRequest};
use bes_pm::reason::{Reason, Times};
use bes_wsm::wire::mib::power::OperationalPowerMode;
use bes_wsm::wire::InterfaceId;

/// Interfaces that can be associated.
const STATIONS: [InterfaceId; 2] = [InterfaceId::Zero, InterfaceId::One];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PowerStep {
    Mode,
    Arp(InterfaceId),
    WakePeriod(InterfaceId),
    BroadcastFilter(InterfaceId),
    PowerSave(InterfaceId),
}

const fn interface_steps(id: InterfaceId) -> [PowerStep; 4] {
    [
        PowerStep::Arp(id),
        PowerStep::WakePeriod(id),
        PowerStep::BroadcastFilter(id),
        PowerStep::PowerSave(id),
    ]
}

const fn sleep_steps() -> [PowerStep; 9] {
    let [zero, one] = STATIONS;
    let [a, b, c, d] = interface_steps(zero);
    let [e, f, g, h] = interface_steps(one);
    [a, b, c, d, e, f, g, h, PowerStep::Mode]
}

const fn wake_steps() -> [PowerStep; 9] {
    let [zero, one] = STATIONS;
    let [a, b, c, d] = interface_steps(zero);
    let [e, f, g, h] = interface_steps(one);
    [PowerStep::Mode, a, b, c, d, e, f, g, h]
}

/// The messages before sleep.
#[derive(Debug, Default)]
pub(crate) struct SleepMessages {
    cursor: Cursor,
    power_save: Option<PmRequest>,
}

impl SleepMessages {
    pub(crate) fn next<M: Memory>(
        &mut self,
        world: &mut World<M>,
        _now: Instant,
        out: &mut [u8],
    ) -> Next {
        let sent = &mut self.power_save;
        self.cursor.next(&sleep_steps(), Response::Done, |step| {
            let (PowerStep::Arp(id)
            | PowerStep::WakePeriod(id)
            | PowerStep::BroadcastFilter(id)
            | PowerStep::PowerSave(id)) = step
            else {
                return command::operating_mode(out, OperationalPowerMode::QUIESCENT).into();
            };
            let Some(vif) = world.vif(id).filter(|vif| vif.connection.is_associated()) else {
                return Step::Skip;
            };
            match step {
                PowerStep::Arp(_) => match vif.arp_address {
                    Some(address) => command::arp_table(out, id, true, address).into(),
                    None => Step::Skip,
                },
                PowerStep::WakePeriod(_) => match listen_interval(vif.dtim_period) {
                    Some(listen) => command::wake_period(out, id, 1, u16::from(listen)).into(),
                    None => Step::Skip,
                },
                PowerStep::BroadcastFilter(_) => {
                    command::broadcast_filter(out, id, vif.arp_address.is_some()).into()
                }
                PowerStep::PowerSave(_) => match vif.power_save.sleep_request() {
                    Some(request) => {
                        *sent = Some(request);
                        command::set_pm(out, id, request).into()
                    }
                    None => Step::Skip,
                },
                PowerStep::Mode => Step::Skip,
            }
        })
    }

    pub(crate) fn answer<M: Memory>(
        &mut self,
        world: &mut World<M>,
        answer: Answer<'_>,
        _now: Instant,
    ) {
        let steps = sleep_steps();
        // A chip that did not take one of them is not put to sleep (file 40, P4).
        let outcome = answer.required().map(|_| ());
        if let (Some(PowerStep::PowerSave(id)), Ok(()), Some(request)) =
            (self.cursor.step(&steps), outcome, self.power_save)
        {
            if let Some(vif) = world.vif_mut(id) {
                vif.power_save.handle_confirmed(request);
            }
            world
                .power
                .machine
                .handle_power_save_sent(id.raw(), request.is_answered());
        }
        self.cursor.settle(outcome);
    }
}

/// The messages after sleep.
#[derive(Debug, Default)]
pub(crate) struct WakeMessages {
    cursor: Cursor,
}

impl WakeMessages {
    pub(crate) fn next<M: Memory>(&mut self, world: &mut World<M>, out: &mut [u8]) -> Next {
        self.cursor.next(&wake_steps(), Response::Done, |step| {
            let (PowerStep::Arp(id)
            | PowerStep::WakePeriod(id)
            | PowerStep::BroadcastFilter(id)
            | PowerStep::PowerSave(id)) = step
            else {
                return command::operating_mode(out, OperationalPowerMode::ACTIVE).into();
            };
            let Some(vif) = world.vif(id).filter(|vif| vif.connection.is_associated()) else {
                return Step::Skip;
            };
            match step {
                PowerStep::Arp(_) => match vif.arp_address {
                    Some(address) => command::arp_table(out, id, false, address).into(),
                    None => Step::Skip,
                },
                PowerStep::WakePeriod(_) => {
                    command::wake_period(out, id, vif.wake_periods(), 0).into()
                }
                PowerStep::BroadcastFilter(_) => command::broadcast_filter(out, id, false).into(),
                PowerStep::PowerSave(_) => match vif.power_save.wake_request() {
                    Some(request) => command::set_pm(out, id, request).into(),
                    None => Step::Skip,
                },
                PowerStep::Mode => Step::Skip,
            }
        })
    }

    pub(crate) fn answer<M: Memory>(&mut self, world: &mut World<M>, answer: Answer<'_>) {
        let steps = wake_steps();
        let outcome = match self.cursor.step(&steps) {
            // A chip that does not become active is lost.
            Some(PowerStep::Mode) => answer.required().map(|_| ()),
            Some(PowerStep::PowerSave(id)) => {
                if let (Answer::Success(_), Some(vif)) = (answer, world.vif_mut(id)) {
                    vif.power_save.handle_confirmed(PmRequest::ACTIVE);
                }
                answer.optional(world)
            }
            _ => answer.optional(world),
        };
        self.cursor.settle(outcome);
    }
}

/// A state of the device that keeps the chip awake while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) reason: Reason,
    pub(crate) owner: Owner,
    pub(crate) holds: bool,
}

/// Most conditions at a time.
const CONDITIONS: usize = 16;

/// Power of one device.
#[derive(Debug)]
pub(crate) struct Power {
    pub(crate) machine: DeviceMachine,
    /// The step under way.
    pub(crate) run: Option<Run>,
    enabled: bool,
    holds: [Option<Hold>; CONDITIONS],
}

impl Power {
    /// `idle_sleep`: how long nothing must have kept the chip awake; `None` never lets it sleep.
    pub(crate) fn new(idle_sleep: Option<Duration>) -> Self {
        let settings = Settings {
            sleep: idle_sleep.is_some(),
            ..Settings::default()
        };
        let times = Times {
            grace: idle_sleep.unwrap_or(Times::default().grace),
            ..Times::default()
        };
        Self {
            machine: DeviceMachine::new(settings, times),
            run: None,
            enabled: idle_sleep.is_some(),
            holds: [const { None }; CONDITIONS],
        }
    }

    /// The same where it stays.
    #[inline(never)]
    pub(crate) fn placed<M: Memory>(
        idle_sleep: Option<Duration>,
        memory: &mut M,
    ) -> Result<M::Place<Self>, NoMemory> {
        memory.place(Self::new(idle_sleep))
    }

    /// Whether the chip may be put to sleep at all.
    pub(crate) const fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Whether frames and requests may go to the chip.
    pub(crate) const fn is_open(&self) -> bool {
        !self.enabled || self.machine.is_awake()
    }

    pub(crate) const fn ledger(&self) -> &Ledger {
        self.machine.ledger()
    }

    pub(crate) fn start(&mut self, now: Instant) {
        self.holds = [const { None }; CONDITIONS];
        self.run = None;
        self.machine.start(now);
    }

    pub(crate) fn stop(&mut self) {
        self.holds = [const { None }; CONDITIONS];
        self.run = None;
        self.machine.stop();
    }

    /// Something happened that keeps the chip awake for a while.
    #[inline]
    pub(crate) fn touch(&mut self, reason: Reason, owner: Owner, now: Instant) {
        if self.enabled {
            self.machine.ledger_mut().touch(reason, owner, now);
        }
    }

    /// Takes over what the device is doing. Conditions are looked at, not counted: one that is over is released, so
    /// nothing that was forgotten keeps the chip awake (file 31, C17 and C25; file 40, P5 to P7).
    pub(crate) fn update(&mut self, conditions: &[Condition], now: Instant) {
        if !self.enabled {
            return;
        }
        let ledger = self.machine.ledger_mut();
        for (slot, condition) in self.holds.iter_mut().zip(conditions) {
            let reason = condition.reason;
            let alive = slot
                .as_ref()
                .is_some_and(|hold| ledger.renew(hold, now, reason.max_life()));
            match (condition.holds, alive) {
                (true, false) => {
                    *slot = Some(ledger.take(reason, condition.owner, now, reason.max_life()));
                }
                (false, true) => {
                    if let Some(hold) = slot.take() {
                        ledger.release(hold, now);
                    }
                }
                (true, true) => {}
                (false, false) => *slot = None,
            }
        }
    }

    /// The step under way is done.
    pub(crate) fn step_done(&mut self, result: Result<(), bes_pm::error::Cause>, now: Instant) {
        if let Some(run) = self.run.take() {
            self.machine.handle_step_done(run, result, now);
        }
    }
}

/// Why a procedure of messages failed, for the machine.
pub(crate) const fn cause_of(error: RequestError) -> bes_pm::error::Cause {
    match error {
        RequestError::TimedOut => bes_pm::error::Cause::TimedOut,
        _ => bes_pm::error::Cause::Request,
    }
}
