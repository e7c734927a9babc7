//! Putting the chip to sleep: who keeps it awake, and the messages before and after sleep.
//!
//! When, is decided by [`bes_pm::device_state::DeviceMachine`]; this module feeds it and does what it says.
//!
//! | | messages |
//! |---|---|
//! | before sleep, per associated interface | MIB 0x1001, 0x1034, 0x1007 {1, L}, 0x1030 |
//! | before sleep | MIB 0x1006 = 0x12 |
//! | after sleep | MIB 0x1006 = 0x10 |
//! | after sleep, per associated interface | MIB 0x1001 off, 0x1034 off, 0x1007 {D, 0}, 0x1030 off |
//!
//! While the host is suspended, and only then, more is set per interface, as [`WakePlan`] says: MIB 0x101B, 0x101A,
//! 0x1032, 0x0004 = 2, 0x101C. What was set is remembered until the chip has confirmed that it is off again, and every
//! way back to an awake chip goes through the messages after sleep.
//!
//! SET_PM is not among them: 802.11 power save follows the stack and stays in force ([`bes_pm::psm`]).
//!
//! Source: file 20, section 16.5; file 40, sections 3.5 and 3.6. Sleep is off by default
//! ([`DeviceConfig::idle_sleep`](crate::config::DeviceConfig::idle_sleep)).

use crate::association::neighbour_answered;
use crate::command;
use crate::error::RequestError;
use crate::filter::{BeaconControl, GroupFilter};
use crate::procedure::{Answer, Cursor, Next, Step};
use crate::request::{ReceiveFilter, Response};
use crate::vif::Vif;
use crate::wake::WakePlan;
use crate::world::World;
use bes_hal::{Duration, Instant, Memory, NoMemory};
use bes_pm::device_state::{DeviceMachine, Run, Settings};
use bes_pm::ledger::{Hold, Ledger, Owner};
use bes_pm::psm::{listen_interval, Support};
use bes_pm::reason::{Reason, Times};
use bes_wsm::wire::mib::power::OperationalPowerMode;
use bes_wsm::wire::InterfaceId;

/// Interfaces that can be associated.
const STATIONS: [InterfaceId; 2] = [InterfaceId::Zero, InterfaceId::One];

/// What one message before or after sleep is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Arp,
    Neighbours,
    WakePeriod,
    BroadcastFilter,
    Wake(WakeFilter),
}

/// A filter that is armed only while the host is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WakeFilter {
    UdpPorts,
    EtherTypes,
    Ipv6,
    Groups,
    Beacons,
    Pattern,
}

/// The wake filters that an interface may have in the chip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WakeFilters(u8);

impl WakeFilters {
    const fn bit(filter: WakeFilter) -> u8 {
        match filter {
            WakeFilter::UdpPorts => 1,
            WakeFilter::EtherTypes => 2,
            WakeFilter::Ipv6 => 4,
            WakeFilter::Groups => 8,
            WakeFilter::Pattern => 16,
            WakeFilter::Beacons => 32,
        }
    }

    const fn has(self, filter: WakeFilter) -> bool {
        self.0 & Self::bit(filter) != 0
    }

    fn set(&mut self, filter: WakeFilter, armed: bool) {
        self.0 = if armed {
            self.0 | Self::bit(filter)
        } else {
            self.0 & !Self::bit(filter)
        };
    }

    /// Whether none is armed.
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PowerStep {
    Mode,
    Of(InterfaceId, Subject),
}

/// Messages about one interface.
const SUBJECTS: usize = 10;
/// Messages in all.
const STEPS: usize = 21;

/// The order before sleep; a pattern, which shuts out everything, is armed last.
const BEFORE: [Subject; SUBJECTS] = [
    Subject::Arp,
    Subject::Neighbours,
    Subject::WakePeriod,
    Subject::BroadcastFilter,
    Subject::Wake(WakeFilter::UdpPorts),
    Subject::Wake(WakeFilter::EtherTypes),
    Subject::Wake(WakeFilter::Ipv6),
    Subject::Wake(WakeFilter::Groups),
    Subject::Wake(WakeFilter::Beacons),
    Subject::Wake(WakeFilter::Pattern),
];

/// The order after sleep; a pattern is disarmed first.
const AFTER: [Subject; SUBJECTS] = [
    Subject::Wake(WakeFilter::Pattern),
    Subject::Arp,
    Subject::Neighbours,
    Subject::WakePeriod,
    Subject::BroadcastFilter,
    Subject::Wake(WakeFilter::Beacons),
    Subject::Wake(WakeFilter::Groups),
    Subject::Wake(WakeFilter::UdpPorts),
    Subject::Wake(WakeFilter::EtherTypes),
    Subject::Wake(WakeFilter::Ipv6),
];

fn steps(order: [Subject; SUBJECTS]) -> impl Iterator<Item = PowerStep> {
    STATIONS
        .into_iter()
        .flat_map(move |id| order.map(|subject| PowerStep::Of(id, subject)))
}

fn listed(steps: impl Iterator<Item = PowerStep>) -> [PowerStep; STEPS] {
    let mut list = [PowerStep::Mode; STEPS];
    for (place, step) in list.iter_mut().zip(steps) {
        *place = step;
    }
    list
}

fn sleep_steps() -> [PowerStep; STEPS] {
    listed(steps(BEFORE).chain(core::iter::once(PowerStep::Mode)))
}

fn wake_steps() -> [PowerStep; STEPS] {
    listed(core::iter::once(PowerStep::Mode).chain(steps(AFTER)))
}

/// The messages before sleep.
#[derive(Debug, Default)]
pub(crate) struct SleepMessages {
    cursor: Cursor,
}

impl SleepMessages {
    pub(crate) fn next<M: Memory>(
        &mut self,
        world: &mut World<M>,
        _now: Instant,
        out: &mut [u8],
    ) -> Next {
        self.cursor.next(&sleep_steps(), Response::Done, |step| {
            let PowerStep::Of(id, subject) = step else {
                return command::operating_mode(out, OperationalPowerMode::QUIESCENT).into();
            };
            let plan = world.host.plan();
            let Some(vif) = world.vif(id).filter(|vif| vif.connection.is_associated()) else {
                return Step::Skip;
            };
            match subject {
                Subject::Arp => match vif.arp_address {
                    Some(address) => command::arp_table(out, id, true, address).into(),
                    None => Step::Skip,
                },
                Subject::Neighbours => {
                    let Some(address) = vif.neighbours.address() else {
                        return Step::Skip;
                    };
                    if let Some(vif) = world.vif_mut(id) {
                        vif.neighbours_armed = true;
                    }
                    command::neighbour_table(out, id, true, address).into()
                }
                Subject::WakePeriod => match listen_interval(vif.dtim_period) {
                    Some(listen) => command::wake_period(out, id, 1, u16::from(listen)).into(),
                    None => Step::Skip,
                },
                Subject::BroadcastFilter => {
                    let drop = vif.arp_address.is_some()
                        && plan.is_none_or(|plan| plan.drops_broadcasts());
                    command::broadcast_filter(out, id, drop).into()
                }
                Subject::Wake(filter) => {
                    let Some(plan) = plan else {
                        return Step::Skip;
                    };
                    let step = arm(&plan, filter, vif, &world.groups, out);
                    if let (Step::Send(_), Some(vif)) = (step, world.vif_mut(id)) {
                        // From now on it may be armed, whatever becomes of the answer.
                        vif.wake_filters.set(filter, true);
                    }
                    step
                }
            }
        })
    }

    pub(crate) fn answer<M: Memory>(
        &mut self,
        world: &mut World<M>,
        answer: Answer<'_>,
        _now: Instant,
    ) {
        let step = self.cursor.step(&sleep_steps());
        let suspending = world.host.plan().is_some();
        let outcome = match step {
            // What the chip does not filter wakes the host once too often, which is no reason to stay awake.
            Some(PowerStep::Of(id, Subject::Wake(filter))) => {
                if let (Answer::Refused(..), Some(vif)) = (answer, world.vif_mut(id)) {
                    vif.wake_filters.set(filter, false);
                }
                answer.optional(world)
            }
            // Nobody knows whether it can: the host answers solicitations itself, then.
            Some(PowerStep::Of(id, Subject::Neighbours)) => {
                neighbour_answered(world, id, &answer);
                answer.optional(world)
            }
            Some(PowerStep::Of(..)) if suspending => answer.optional(world),
            // A chip that did not take one of them is not put to sleep (file 40, P4).
            _ => answer.required().map(|_| ()),
        };
        self.cursor.settle(outcome);
    }
}

/// Arms a filter for a suspend, if the plan has it.
fn arm(
    plan: &WakePlan,
    filter: WakeFilter,
    vif: &Vif,
    groups: &GroupFilter,
    out: &mut [u8],
) -> Step {
    let id = vif.id;
    match filter {
        // Beacons that the stack listens to, or waits for after a join, are nothing to wake a host for.
        WakeFilter::Beacons if vif.filters.sent != Some(BeaconControl::FILTERED) => {
            command::beacon_control(out, id, BeaconControl::FILTERED).into()
        }
        WakeFilter::Groups if !groups.addresses().is_empty() => {
            command::suspended_groups(out, id, groups).into()
        }
        WakeFilter::UdpPorts if plan.filters_protocols() => {
            command::wake_ports(out, id, true).into()
        }
        WakeFilter::Ipv6 if plan.filters_protocols() => command::wake_ipv6(out, id, true).into(),
        WakeFilter::EtherTypes if plan.filters() => command::wake_ether_types(out, id, true).into(),
        WakeFilter::Pattern => match plan.pattern(vif.address) {
            Some(pattern) => {
                command::wake_pattern(out, id, Some((pattern.offset(), pattern.bytes()))).into()
            }
            None => Step::Skip,
        },
        _ => Step::Skip,
    }
}

/// Undoes [`arm`].
fn disarm(
    filter: WakeFilter,
    vif: &Vif,
    wanted: &ReceiveFilter,
    groups: &GroupFilter,
    out: &mut [u8],
) -> Step {
    let id = vif.id;
    match filter {
        WakeFilter::Beacons => {
            let control = wanted.beacon_control(vif.kind, vif.filters.beacon_seen);
            command::beacon_control(out, id, control).into()
        }
        WakeFilter::Groups => command::groups(out, id, groups).into(),
        WakeFilter::UdpPorts => command::wake_ports(out, id, false).into(),
        WakeFilter::Ipv6 => command::wake_ipv6(out, id, false).into(),
        WakeFilter::EtherTypes => command::wake_ether_types(out, id, false).into(),
        WakeFilter::Pattern => command::wake_pattern(out, id, None).into(),
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
            let PowerStep::Of(id, subject) = step else {
                return command::operating_mode(out, OperationalPowerMode::ACTIVE).into();
            };
            let Some(vif) = world.vif(id) else {
                return Step::Skip;
            };
            // Whatever became of the association meanwhile: a filter that stays armed drops every frame.
            if let Subject::Wake(filter) = subject {
                return if vif.wake_filters.has(filter) {
                    disarm(filter, vif, &world.receive_filter, &world.groups, out)
                } else {
                    Step::Skip
                };
            }
            if subject == Subject::Neighbours {
                let address = vif.neighbours.address().unwrap_or_default();
                return if vif.neighbours_armed {
                    command::neighbour_table(out, id, false, address).into()
                } else {
                    Step::Skip
                };
            }
            if !vif.connection.is_associated() {
                return Step::Skip;
            }
            match subject {
                Subject::Arp => match vif.arp_address {
                    Some(address) => command::arp_table(out, id, false, address).into(),
                    None => Step::Skip,
                },
                Subject::WakePeriod => command::wake_period(out, id, vif.wake_periods(), 0).into(),
                Subject::BroadcastFilter => command::broadcast_filter(out, id, false).into(),
                Subject::Neighbours | Subject::Wake(_) => Step::Skip,
            }
        })
    }

    pub(crate) fn answer<M: Memory>(&mut self, world: &mut World<M>, answer: Answer<'_>) {
        let steps = wake_steps();
        let outcome = match self.cursor.step(&steps) {
            // A chip that does not become active is lost.
            Some(PowerStep::Mode) => answer.required().map(|_| ()),
            // So is one that keeps a filter armed.
            Some(PowerStep::Of(id, Subject::Wake(filter))) => {
                if let (Answer::Success(_), Some(vif)) = (answer, world.vif_mut(id)) {
                    vif.wake_filters.set(filter, false);
                    if filter == WakeFilter::Beacons {
                        // Written again by whoever wants it otherwise.
                        vif.filters.sent = None;
                    }
                }
                answer.required().map(|_| ())
            }
            Some(PowerStep::Of(id, Subject::Neighbours)) => {
                if let Some(vif) = world.vif_mut(id) {
                    vif.neighbours_armed = false;
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

/// How long a host that suspends or resumes keeps the chip awake each time it asks.
const HOST_WAKE: Duration = Duration::from_secs(1);

/// How long a sent frame keeps the chip awake. Its answer comes within this, or behind a beacon whether the chip sleeps
/// or not: 802.11 power save follows after as much. The 1.5 s of the C driver keep it awake for ever under traffic that
/// comes each second (file 40, P25).
const AFTER_SENDING: Duration = Duration::from_millis(200);

/// Most conditions at a time.
const CONDITIONS: usize = 17;

/// Power of one device.
#[derive(Debug)]
pub(crate) struct Power {
    pub(crate) machine: DeviceMachine,
    /// The step under way.
    pub(crate) run: Option<Run>,
    /// What the chip answers of 802.11 power save.
    pub(crate) support: Support,
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
            tx: AFTER_SENDING,
            ..Times::default()
        };
        Self {
            machine: DeviceMachine::new(settings, times),
            run: None,
            support: Support::NEW,
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

    /// Whether the chip may be put to sleep when it is idle.
    pub(crate) const fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Whether there is anything to look after: idle sleep, or sleep with the host.
    pub(crate) const fn is_at_work(&self) -> bool {
        self.enabled || !self.machine.is_awake()
    }

    /// Whether frames and requests may go to the chip.
    pub(crate) const fn is_open(&self) -> bool {
        self.machine.is_awake()
    }

    pub(crate) const fn ledger(&self) -> &Ledger {
        self.machine.ledger()
    }

    pub(crate) fn start(&mut self, now: Instant) {
        self.holds = [const { None }; CONDITIONS];
        self.run = None;
        self.support = Support::NEW;
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

    /// The host needs the chip awake, for as long as it takes to begin what it is needed for.
    pub(crate) fn wake(&mut self, now: Instant) {
        self.machine
            .ledger_mut()
            .touch_for(Reason::Operation, Owner::Host, now, HOST_WAKE);
    }

    /// Takes over what the device is doing. Conditions are looked at, not counted: one that is over is released, so
    /// nothing that was forgotten keeps the chip awake (file 31, C17 and C25; file 40, P5 to P7).
    pub(crate) fn update(&mut self, conditions: &[Condition], now: Instant) {
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
