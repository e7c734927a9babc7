//! The device: its life cycle, and the one place where everything comes together.
//!
//! | state | event | next |
//! |---|---|---|
//! | off | [`Request::Boot`] | booting |
//! | booting | firmware runs | ready |
//! | ready | [`Request::Start`] | starting: Wi-Fi on, the chip reports its start, configuration |
//! | starting | configured | running |
//! | starting | configuration refused | stopping |
//! | running | nothing keeps the chip awake | asleep, and back |
//! | running | [`Request::Stop`] | stopping: frames leave for a while, Wi-Fi off |
//! | stopping | Wi-Fi is off | ready |
//! | ready, running | [`Request::PowerOff`] | off |
//! | any | a failure | the same, or recovering: see [`crate::recovery`] |
//! | recovering | the chip runs again | ready or running, as before |
//! | recovering | [`Request::Stop`], [`Request::PowerOff`] | off |
//! | any | a failure about which nothing more is done | needs recovery |
//! | needs recovery | [`Request::Boot`], [`Request::PowerOff`] | booting, off |
//!
//! Nothing here waits. [`Device::run`] does what is due and says when it wants to be called again; whatever waits has a
//! deadline. One owner calls it; interrupts and callers ring a doorbell (specification: file 31, section 2; file 50,
//! section 7).

use crate::coex::Coex;
use crate::config::DeviceConfig;
use crate::control_statistics::ControlStatistics;
use crate::diagnosis::Diagnosis;
use crate::error::RequestError;
use crate::event::Event;
use crate::figures;
use crate::key::KeyTable;
use crate::orders::Lifecycle;
use crate::queue::FifoId;
use crate::recovery::{Recovery, Rung};
use crate::request::{Request, Response, Token};
use crate::rx::RxStatus;
use crate::scan::Scan;
use crate::scan_policy::RefusedChannels;
use crate::session::{Core, Session};
use crate::stats::Stats;
use crate::tx::{TxRefused, TxStatus};
use crate::types::{AccessCategory, TxInfo};
use crate::vif::Vif;
use crate::world::Pieces;

use bes_hal::doorbell::Reasons;
use bes_hal::stack::Stack;
use bes_hal::time::earliest;
use bes_hal::transport::{Progress, Transition, Transport, MAX_BATCH};
use bes_hal::{Instant, Memory, NoMemory, TransportError};
use bes_pm::device_state::{Action, DeviceMachine, Step};
use bes_pm::error::Cause;
use bes_pm::ledger::{Ledger, Owner};
use bes_pm::psm::Unsupported;
use bes_pm::reason::Reason;
use bes_wsm::anomaly::Anomalies;
use bes_wsm::bottom_half::{BottomHalf, Work};
use bes_wsm::recovery::RecoveryReason;
use bes_wsm::wire::mib::counters::Counters;
use bes_wsm::wire::{InterfaceId, MessageId};
use core::fmt;
use healing::{Healing, Repair};

#[path = "healing.rs"]
mod healing;

pub use crate::session::Tag;

/// Where a device stands; see the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceState {
    /// No power, or nothing known.
    Off,
    /// The firmware is being loaded.
    Booting,
    /// The firmware runs, Wi-Fi is off.
    Ready,
    /// Wi-Fi is being switched on and configured.
    Starting,
    /// Wi-Fi runs.
    Running,
    /// Wi-Fi runs, the chip sleeps.
    Asleep,
    /// Wi-Fi is being switched off.
    Stopping,
    /// A rung of the recovery ladder is under way: the chip is being started anew.
    Recovering(Rung),
    /// The ladder is at its end, and nothing is done any more.
    NeedsRecovery(RecoveryReason),
}

impl fmt::Display for DeviceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Booting => f.write_str("booting"),
            Self::Ready => f.write_str("ready"),
            Self::Starting => f.write_str("starting"),
            Self::Running => f.write_str("running"),
            Self::Asleep => f.write_str("asleep"),
            Self::Stopping => f.write_str("stopping"),
            Self::Recovering(rung) => write!(f, "recovering: {rung}"),
            Self::NeedsRecovery(reason) => write!(f, "needs recovery: {reason}"),
        }
    }
}

/// What comes after Wi-Fi was switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Afterwards {
    Stay,
    PowerOff,
    /// On again: the recovery ladder wants it.
    Restart,
}

/// Who wants a change of state: a request, or the recovery ladder.
type By = Option<Token>;

/// State with what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Off,
    Booting(By),
    Ready,
    SwitchingOn(By),
    AwaitStartup(By),
    Configuring(By),
    Running,
    Draining {
        token: Token,
        until: Instant,
        afterwards: Afterwards,
    },
    SwitchingOff {
        by: By,
        result: Result<Response, RequestError>,
        afterwards: Afterwards,
    },
    PoweringOff(Token),
    /// Bluetooth goes before the card is reset.
    QuietingBluetooth,
    /// The card was reset, and Bluetooth comes back.
    RestoringBluetooth,
    NeedsRecovery(RecoveryReason),
}

/// A place in the memory that the stack's platform handed in.
type Placed<V, S> = <<S as Stack>::Memory as Memory>::Place<V>;

/// The bottom half in a place of its own.
type PlacedBottomHalf<T, S> =
    Placed<BottomHalf<T, <S as Stack>::Frame, Tag, <S as Stack>::Memory>, S>;

/// The core in a place of its own.
type PlacedCore<S> = Placed<Core<<S as Stack>::Frame, <S as Stack>::Memory>, S>;

/// Frames of one kind that wait in the device, if the stack above follows [`Device::room`].
const FRAMES_AHEAD: usize = MAX_BATCH.saturating_mul(2);

/// Turns of one [`Device::run`]: changes of state that follow each other without waiting.
const TURNS: usize = 32;

/// One BES2600.
///
/// Small enough for a stack: everything large lies in memory that the platform handed in.
pub struct Device<T, S>
where
    T: Transport,
    S: Stack<Buffer = T::Buffer>,
{
    bottom_half: PlacedBottomHalf<T, S>,
    core: PlacedCore<S>,
    state: State,
    /// When the transition of the transport wants to be polled again.
    poll_at: Option<Instant>,
    /// A transition of sleep or wake-up is under way.
    power_transition: bool,
    /// The last pass over the bus left nothing behind.
    drained: bool,
    /// What takes long was ended for a suspend.
    quiesced: bool,
    /// The host neither suspends nor resumes. Kept here because every frame asks.
    host_runs: bool,
    /// A transfer that failed is repeated soon.
    repair: Option<Repair>,
    /// The chip is being started anew.
    healing: Option<Healing>,
}

impl<T, S> Device<T, S>
where
    T: Transport,
    S: Stack<Buffer = T::Buffer, RxStatus = RxStatus, TxStatus = TxStatus, Event = Event>,
{
    /// A device that is off. It asks for no more `memory` later.
    ///
    /// # Errors
    ///
    /// [`NoMemory`]; everything is dropped, the transport included.
    pub fn new(
        transport: T,
        config: DeviceConfig,
        memory: &mut S::Memory,
    ) -> Result<Self, NoMemory> {
        Ok(Self {
            bottom_half: BottomHalf::placed(transport, memory)?,
            core: {
                let pieces = Pieces::new(&config, memory)?;
                Core::placed(config, pieces, memory)?
            },
            state: State::Off,
            poll_at: None,
            power_transition: false,
            drained: false,
            quiesced: false,
            host_runs: true,
            repair: None,
            healing: None,
        })
    }

    /// Asks for something. The result comes as [`Event::Completed`] from a later [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// [`RequestError::QueueFull`]; [`RequestError::Invalid`] and [`RequestError::NoInterface`] for what can be seen to be
    /// wrong at once; [`RequestError::Busy`] for a second scan, or a second flush of an interface.
    pub fn request(
        &mut self,
        token: Token,
        request: Request<'_>,
        now: Instant,
    ) -> Result<(), RequestError> {
        self.core.control.request(token, request, now)?;
        self.host_runs = self.core.control.world.host.is_running();
        Ok(())
    }

    /// Gives a frame to be sent. It comes back exactly once, with its status.
    ///
    /// # Errors
    ///
    /// The frame, and why it is not taken.
    #[inline]
    pub fn transmit(
        &mut self,
        interface: InterfaceId,
        frame: S::Frame,
        info: TxInfo,
        now: Instant,
    ) -> Result<(), (S::Frame, TxRefused)> {
        // Every frame asks, and what belongs to the other states is not to be compared.
        if !matches!(self.state, State::Running) || !self.host_runs {
            return Err((frame, TxRefused::NotRunning));
        }
        self.core.transmit(interface, frame, info, now)
    }

    /// How many more frames of an interface and category the device wants now: what two transfers carry, so that the bus
    /// does not wait for frames, and no more, so that the stack above can still choose between those it has. One that
    /// gives no more than that, each time after [`run`](Self::run), is never asked to stop. 0 while nothing can be sent.
    pub fn room(&self, interface: InterfaceId, access_category: AccessCategory) -> usize {
        let world = &self.core.control.world;
        // Between two keys nobody can say yet how a frame is to be protected: it waits where it is.
        let vif = world.vif(interface);
        let takes_frames = vif.is_some_and(|vif| vif.rekey.is_none());
        if !matches!(self.state, State::Running) || !self.host_runs || !takes_frames {
            return 0;
        }
        let queues = &self.core.queues;
        let queue = FifoId::new(interface, access_category);
        if queues.stopped().has(queue) {
            return 0;
        }
        FRAMES_AHEAD
            .saturating_sub(queues.frames(queue))
            .min(queues.room(queue))
    }

    /// Does everything that is due: transitions, frames, commands, timers. Returns when to call again at the latest;
    /// `None`: only when the doorbell rings.
    #[inline(never)]
    pub fn run(&mut self, reasons: Reasons, stack: &mut S) -> Option<Instant> {
        if self.is_suspended() {
            return None;
        }
        let now = self.now();
        if reasons.has(Reasons::INTERRUPT) && self.core.control.world.power.machine.is_asleep() {
            // The chip has something for the host and must be awake to hand it over.
            self.core
                .control
                .world
                .power
                .touch(Reason::Rx, Owner::Device, now);
        }
        self.begin_wanted_rung(stack);
        if !self.repair_due() {
            // Nothing may use the bus before what failed was repeated.
            return self.next_deadline();
        }
        let mut more = false;
        for _ in 0..TURNS {
            let now = self.now();
            self.core.refresh_backlog();
            self.core.control.tick(now);
            let mut moved = self.live(stack, now);
            if !self.host_runs {
                moved |= self.run_host(now);
                if self.is_suspended() {
                    Session {
                        core: &mut self.core,
                        stack,
                    }
                    .deliver_events();
                    return None;
                }
            }
            moved |= self.run_power(now);
            let mut session = Session {
                core: &mut self.core,
                stack: &mut *stack,
            };
            session.expire(now);
            session.apply_effects(now);
            let outcome = self.bottom_half.run(&mut session);
            session.deliver_events();
            self.collect_anomalies(now);
            self.drained = outcome == Ok(Work::Drained);
            // An answer or an indication may have been what the life cycle waits for.
            moved |= core::mem::take(&mut self.core.stirred);
            if let Err(reason) = outcome {
                self.fail(reason, true, stack);
                moved = true;
            } else if let Some(reason) = self.overdue(now).or(self.core.control.world.verdict) {
                self.fail(reason, false, stack);
                moved = true;
            }
            if self.repair.is_some() {
                return self.next_deadline();
            }
            moved |= self.core.upload_due(now) && self.bottom_half.is_ready();
            more = outcome == Ok(Work::More);
            if more || !moved {
                break;
            }
        }
        self.diagnose(stack);
        if more {
            return Some(self.now());
        }
        self.next_deadline()
    }

    /// Where the device stands.
    pub fn state(&self) -> DeviceState {
        if let Some(healing) = &self.healing {
            return DeviceState::Recovering(healing.rung);
        }
        match self.state {
            State::Off | State::PoweringOff(_) | State::QuietingBluetooth => DeviceState::Off,
            State::RestoringBluetooth => DeviceState::Ready,
            State::Booting(_) => DeviceState::Booting,
            State::Ready => DeviceState::Ready,
            State::SwitchingOn(_) | State::AwaitStartup(_) | State::Configuring(_) => {
                DeviceState::Starting
            }
            State::Running if self.core.control.world.power.machine.is_asleep() => {
                DeviceState::Asleep
            }
            State::Running => DeviceState::Running,
            State::Draining { .. } | State::SwitchingOff { .. } => DeviceState::Stopping,
            State::NeedsRecovery(reason) => DeviceState::NeedsRecovery(reason),
        }
    }

    /// Ends everything at once, on a dead bus too: every frame and every request goes back, lines are released. Only
    /// [`Request::Boot`] is possible afterwards.
    pub fn shutdown(&mut self, stack: &mut S) {
        let now = self.now();
        let token = self.end_session(stack, now);
        self.complete(token, Err(RequestError::Aborted));
        self.end_healing(Err(RequestError::Aborted));
        self.core.control.abort();
        self.core.control.end_host_sleep(now);
        self.core.control.world.host.end();
        self.host_runs = true;
        self.bottom_half.transport_mut().reset();
        self.state = State::Off;
        let mut session = Session {
            core: &mut self.core,
            stack,
        };
        session.deliver_events();
    }

    /// The transport.
    pub fn transport(&self) -> &T {
        self.bottom_half.transport()
    }

    /// The transport, for what only its composer knows.
    pub fn transport_mut(&mut self) -> &mut T {
        self.bottom_half.transport_mut()
    }

    /// The bottom half: credits, frames in flight, counters of the bus.
    pub fn bottom_half(&self) -> &BottomHalf<T, S::Frame, Tag, S::Memory> {
        &self.bottom_half
    }

    /// What was not as it should be.
    pub fn anomalies(&self) -> &Anomalies {
        self.bottom_half.anomalies()
    }

    /// Counters of frames.
    pub fn statistics(&self) -> &Stats {
        &self.core.stats
    }

    /// Counters of scans, joins and commands.
    pub fn control_statistics(&self) -> &ControlStatistics {
        &self.core.control.world.statistics
    }

    /// Every counter of an interface by its name; `chip` is what [`Request::ReadCounters`] answered, if it was asked.
    pub fn figures(&self, interface: InterfaceId, chip: Option<Counters>) -> [u64; figures::COUNT] {
        let stats = &self.core.stats;
        let sources = figures::Sources {
            tx: stats.tx_of(interface),
            rx: *stats.rx(interface),
            rx_dropped: stats.rx_dropped(),
            control: self.core.control.world.statistics,
            messages: *self.bottom_half.stats(),
            anomalies: self.anomalies().total().into(),
            chip: chip.unwrap_or_default(),
        };
        sources.figures()
    }

    /// Sleep of the chip: where it stands, and what went wrong with it.
    pub fn sleep(&self) -> &DeviceMachine {
        &self.core.control.world.power.machine
    }

    /// The power-save modes that the chip turned out not to answer, and why they are not used any more.
    pub fn unsupported_power_save(&self) -> impl Iterator<Item = Unsupported> {
        self.core.control.world.power.support.unsupported()
    }

    /// What keeps the chip awake.
    pub fn power_ledger(&self) -> &Ledger {
        self.core.control.world.power.ledger()
    }

    /// The scan.
    pub fn scan(&self) -> &Scan<S::Memory> {
        &self.core.control.scan
    }

    /// Channels that the chip refused.
    pub fn refused_channels(&self) -> &RefusedChannels {
        &self.core.control.world.refused
    }

    /// An interface.
    pub fn interface(&self, id: InterfaceId) -> Option<&Vif> {
        self.core.control.world.vif(id)
    }

    /// Keys that the chip has.
    pub fn keys(&self) -> &KeyTable {
        &self.core.control.world.keys
    }

    /// Sharing the air with Bluetooth.
    pub fn coexistence(&self) -> &Coex {
        &self.core.control.world.coex
    }

    /// Frames of one kind that wait in the host.
    pub fn waiting(&self, queue: FifoId) -> usize {
        self.core.queues.frames(queue)
    }

    /// The recovery ladder: what was tried, how often, and why.
    pub fn recovery(&self) -> &Recovery {
        &self.core.recovery
    }

    /// What is wrong, if anything.
    pub fn diagnosis(&self) -> &Diagnosis {
        &self.core.control.world.diagnosis
    }

    /// Frames that wait in the host.
    pub fn queued_frames(&self) -> usize {
        self.core.queues.len()
    }

    fn now(&self) -> Instant {
        self.bottom_half.transport().now()
    }

    fn next_deadline(&self) -> Option<Instant> {
        let drain = match self.state {
            State::Draining { until, .. } => Some(until),
            _ => None,
        };
        let power = &self.core.control.world.power;
        let sleep = if power.is_at_work() && self.state == State::Running {
            power.machine.next_deadline(self.now())
        } else {
            None
        };
        if let Some(repair) = &self.repair {
            return Some(repair.at);
        }
        let sleep = earliest(sleep, self.healing.and_then(|healing| healing.until));
        earliest(
            earliest(
                self.bottom_half.next_deadline(),
                self.core.next_deadline(self.now()),
            ),
            earliest(
                earliest(self.core.control.next_deadline(self.now()), self.poll_at),
                earliest(
                    earliest(drain, sleep),
                    self.core.control.world.host.next_deadline(self.now()),
                ),
            ),
        )
    }

    fn collect_anomalies(&mut self, now: Instant) {
        while let Some(anomaly) = self.core.control.world.anomalies.pop() {
            self.bottom_half.anomalies_mut().record(anomaly, now);
        }
    }

    /// Starts a transition of the transport. If it refuses, the device has failed.
    fn begin(&mut self, transition: Transition, now: Instant) {
        match self.bottom_half.transport_mut().begin(transition, now) {
            Ok(()) => self.poll_at = Some(now),
            Err(error) => self
                .core
                .control
                .world
                .give_up(RecoveryReason::Transport(error)),
        }
    }

    /// Polls the transition under way.
    fn poll_transition(&mut self, now: Instant) -> Option<Result<(), TransportError>> {
        self.poll_at?;
        match self.bottom_half.transport_mut().poll(now) {
            Ok(Progress::Done) => {
                self.poll_at = None;
                Some(Ok(()))
            }
            Ok(Progress::Pending(at)) => {
                self.poll_at = Some(at);
                None
            }
            Err(error) => {
                self.poll_at = None;
                Some(Err(error))
            }
        }
    }

    /// The life cycle. `true` if the state changed.
    fn live(&mut self, stack: &mut S, now: Instant) -> bool {
        if self.healing.is_some() && self.stop_healing(stack, now) {
            return true;
        }
        match self.state {
            State::Off | State::Ready | State::NeedsRecovery(_) => {
                self.core.control.refuse_until_lifecycle();
                self.begin_lifecycle(now)
            }
            State::Running => self.begin_lifecycle(now),
            State::Booting(by) => self.transition_done(stack, now, |device, now| {
                device.state = State::Ready;
                device.core.control.world.tell(Event::Booted);
                device.complete(by, Ok(Response::Done));
                device.booted_again(now);
            }),
            State::SwitchingOn(by) => self.transition_done(stack, now, |device, now| {
                device.state = State::AwaitStartup(by);
                device.bottom_half.open(now);
            }),
            State::QuietingBluetooth => self.leave_bluetooth(now),
            State::RestoringBluetooth => self.bluetooth_restored(now),
            State::AwaitStartup(by) => {
                if !self.bottom_half.is_ready() {
                    return false;
                }
                self.core.control.begin_startup();
                self.state = State::Configuring(by);
                true
            }
            State::Configuring(by) => match self.core.control.take_started() {
                None => false,
                Some(Ok(_)) => {
                    self.state = State::Running;
                    self.core.control.world.power.start(now);
                    self.core.control.set_open(true);
                    self.complete(by, Ok(Response::Done));
                    self.runs_again(now);
                    true
                }
                Some(Err(_)) if by.is_none() => {
                    let reason = RecoveryReason::Refused(MessageId::CONFIGURATION);
                    self.fail(reason, false, stack);
                    true
                }
                Some(Err(error)) => {
                    self.switch_off(by, Err(error), Afterwards::Stay, stack, now);
                    true
                }
            },
            State::Draining {
                token,
                until,
                afterwards,
            } => {
                let empty = self.bottom_half.is_idle()
                    && self.core.queues.is_empty()
                    && self.core.control.is_quiet();
                if !empty && !until.is_due(now) {
                    return false;
                }
                self.switch_off(Some(token), Ok(Response::Done), afterwards, stack, now);
                true
            }
            State::SwitchingOff {
                by,
                result,
                afterwards,
            } => match self.poll_transition(now) {
                None => false,
                Some(Err(error)) => {
                    self.fail(RecoveryReason::Transport(error), false, stack);
                    true
                }
                Some(Ok(())) => {
                    match (afterwards, by) {
                        (Afterwards::PowerOff, Some(token)) => {
                            self.state = State::PoweringOff(token);
                            self.begin(Transition::PowerOff, now);
                        }
                        (Afterwards::Restart, _) => {
                            self.state = State::SwitchingOn(None);
                            self.begin(Transition::WifiOn, now);
                        }
                        _ => {
                            self.state = State::Ready;
                            self.complete(by, result);
                        }
                    }
                    true
                }
            },
            State::PoweringOff(token) => self.transition_done(stack, now, |device, _| {
                device.state = State::Off;
                device.complete(Some(token), Ok(Response::Done));
            }),
        }
    }

    fn complete(&mut self, by: By, result: Result<Response, RequestError>) {
        let now = self.now();
        let control = &mut *self.core.control;
        if by.is_some() && control.world.host.suspends_for() == by {
            // The power was to be cut, and is off.
            control.end_host_sleep(now);
        } else {
            control.complete(by, result);
        }
    }

    /// Goes on when the transition is done, and fails with it.
    fn transition_done(
        &mut self,
        stack: &mut S,
        now: Instant,
        then: impl FnOnce(&mut Self, Instant),
    ) -> bool {
        match self.poll_transition(now) {
            None => false,
            Some(Ok(())) => {
                then(self, now);
                true
            }
            Some(Err(error)) => {
                self.fail(RecoveryReason::Transport(error), false, stack);
                true
            }
        }
    }

    /// Begins a request that changes the state of the device, if it is its turn.
    fn begin_lifecycle(&mut self, now: Instant) -> bool {
        let Some(lifecycle) = self.core.control.lifecycle_due() else {
            return false;
        };
        // Asleep, nothing can be stopped in an orderly way: the waiting request wakes the chip.
        if self.state == State::Running && !self.core.control.world.power.is_open() {
            return false;
        }
        let Some(token) = self.core.control.take_lifecycle() else {
            return false;
        };
        match (self.state, lifecycle) {
            (State::Off | State::NeedsRecovery(_), Lifecycle::Boot) => {
                self.bottom_half.transport_mut().reset();
                self.core.control.world.reset();
                self.state = State::Booting(Some(token));
                self.begin(Transition::Boot, now);
            }
            (State::Ready, Lifecycle::Start) => {
                self.state = State::SwitchingOn(Some(token));
                self.begin(Transition::WifiOn, now);
            }
            (State::Running, Lifecycle::Stop | Lifecycle::PowerOff) => {
                self.core.control.set_open(false);
                let control = &mut *self.core.control;
                control.scan.cancel(&mut control.world, None);
                self.state = State::Draining {
                    token,
                    until: now.after(self.core.control.world.config.stop_limit),
                    afterwards: if lifecycle == Lifecycle::Stop {
                        Afterwards::Stay
                    } else {
                        Afterwards::PowerOff
                    },
                };
            }
            (State::NeedsRecovery(_), Lifecycle::PowerOff) => {
                self.bottom_half.transport_mut().reset();
                self.state = State::Off;
                self.complete(Some(token), Ok(Response::Done));
            }
            (State::Ready, Lifecycle::PowerOff) => {
                self.state = State::PoweringOff(token);
                self.begin(Transition::PowerOff, now);
            }
            // It is so already.
            (State::Off, Lifecycle::PowerOff | Lifecycle::Stop)
            | (State::Ready, Lifecycle::Boot | Lifecycle::Stop)
            | (State::Running, Lifecycle::Boot | Lifecycle::Start) => {
                self.complete(Some(token), Ok(Response::Done));
            }
            _ => self.complete(Some(token), Err(RequestError::WrongState)),
        }
        true
    }

    /// Ends the session in an orderly way and switches Wi-Fi off.
    fn switch_off(
        &mut self,
        by: By,
        result: Result<Response, RequestError>,
        afterwards: Afterwards,
        stack: &mut S,
        now: Instant,
    ) {
        let _same_token = self.end_session(stack, now);
        self.core.control.close();
        self.state = State::SwitchingOff {
            by,
            result,
            afterwards,
        };
        self.begin(Transition::WifiOff, now);
    }

    /// Frames and the outstanding command go back. Says which request was being carried out by the state.
    fn end_session(&mut self, stack: &mut S, now: Instant) -> Option<Token> {
        let mut session = Session {
            core: &mut self.core,
            stack,
        };
        self.bottom_half.close(&mut session, now);
        session.apply_effects(now);
        session.abandon();
        self.poll_at = None;
        self.power_transition = false;
        self.repair = None;
        match self.state {
            State::Booting(by)
            | State::SwitchingOn(by)
            | State::AwaitStartup(by)
            | State::Configuring(by)
            | State::SwitchingOff { by, .. } => by,
            State::Draining { token, .. } | State::PoweringOff(token) => Some(token),
            State::Off
            | State::Ready
            | State::Running
            | State::QuietingBluetooth
            | State::RestoringBluetooth
            | State::NeedsRecovery(_) => None,
        }
    }

    /// Sleep and wake-up. `true` if something changed.
    fn run_power(&mut self, now: Instant) -> bool {
        if self.state != State::Running || !self.core.control.world.power.is_at_work() {
            return false;
        }
        let mut moved = false;
        if self.power_transition {
            if let Some(result) = self.poll_transition(now) {
                self.power_transition = false;
                let result = result.map_err(|_error| Cause::Transport);
                self.core.control.world.power.step_done(result, now);
                moved = true;
            }
        }
        if self.core.control.world.power.is_enabled() {
            let conditions = self.core.control.conditions(now);
            self.core.control.world.power.update(&conditions, now);
        }
        let power = &mut self.core.control.world.power;
        let run = match power.machine.poll(now) {
            Action::None => return moved,
            Action::Recover(verdict) => {
                let reason = TransportError::NotConfirmed(match verdict.step {
                    Step::TransportSleep | Step::SleepMessages => Transition::Sleep,
                    Step::TransportWake | Step::WakeMessages => Transition::Wake,
                });
                self.core
                    .control
                    .world
                    .give_up(RecoveryReason::Transport(reason));
                return true;
            }
            Action::Run(run) => run,
        };
        power.run = Some(run);
        let failed = match run.step {
            Step::SleepMessages => (!self.core.control.begin_sleep()).then_some(Cause::Request),
            Step::WakeMessages => {
                self.bottom_half.set_awake(true);
                (!self.core.control.begin_wake()).then_some(Cause::Request)
            }
            // Without a line that wakes it the chip's bus stays awake.
            Step::TransportSleep | Step::TransportWake
                if !self.core.control.world.config.wake_line =>
            {
                self.bottom_half.set_awake(run.step == Step::TransportWake);
                self.core.control.world.power.step_done(Ok(()), now);
                return true;
            }
            Step::TransportSleep => {
                self.bottom_half.set_awake(false);
                self.begin_power(Transition::Sleep, now)
            }
            Step::TransportWake => self.begin_power(Transition::Wake, now),
        };
        if let Some(cause) = failed {
            self.core.control.world.power.step_done(Err(cause), now);
        }
        true
    }

    fn begin_power(&mut self, transition: Transition, now: Instant) -> Option<Cause> {
        match self.bottom_half.transport_mut().begin(transition, now) {
            Ok(()) => {
                self.poll_at = Some(now);
                self.power_transition = true;
                None
            }
            Err(_) => Some(Cause::Transport),
        }
    }
}

#[path = "device_suspend.rs"]
mod suspend;

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
#[path = "device_tests.rs"]
mod tests;
