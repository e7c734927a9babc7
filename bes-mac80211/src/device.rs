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
//! | any | the session cannot go on | needs recovery |
//! | needs recovery | [`Request::Boot`], [`Request::PowerOff`] | booting, off |
//!
//! Nothing here waits. [`Device::run`] does what is due and says when it wants to be called again; whatever waits has a
//! deadline. One owner calls it; interrupts and callers ring a doorbell (specification: file 31, section 2; file 50,
//! section 7).

use crate::coex::Coex;
use crate::config::DeviceConfig;
use crate::control::Lifecycle;
use crate::control_statistics::ControlStatistics;
use crate::error::RequestError;
use crate::event::Event;
use crate::figures;
use crate::key::KeyTable;
use crate::queue::FifoId;
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
use bes_pm::device_state::{Action, Step};
use bes_pm::error::Cause;
use bes_pm::ledger::{Ledger, Owner};
use bes_pm::reason::Reason;
use bes_wsm::anomaly::Anomalies;
use bes_wsm::bottom_half::{BottomHalf, Work};
use bes_wsm::recovery::RecoveryReason;
use bes_wsm::wire::mib::counters::Counters;
use bes_wsm::wire::InterfaceId;
use core::fmt;

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
    /// The session cannot go on.
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
            Self::NeedsRecovery(reason) => write!(f, "needs recovery: {reason}"),
        }
    }
}

/// What comes after Wi-Fi was switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Afterwards {
    Stay,
    PowerOff,
}

/// State with what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Off,
    Booting(Token),
    Ready,
    SwitchingOn(Token),
    AwaitStartup(Token),
    Configuring(Token),
    Running,
    Draining {
        token: Token,
        until: Instant,
        afterwards: Afterwards,
    },
    SwitchingOff {
        token: Token,
        result: Result<Response, RequestError>,
        afterwards: Afterwards,
    },
    PoweringOff(Token),
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
    pub fn transmit(
        &mut self,
        interface: InterfaceId,
        frame: S::Frame,
        info: TxInfo,
        now: Instant,
    ) -> Result<(), (S::Frame, TxRefused)> {
        if self.state != State::Running || !self.host_runs {
            return Err((frame, TxRefused::NotRunning));
        }
        self.core.transmit(interface, frame, info, now)
    }

    /// How many more frames of an interface and category the device wants now: what two transfers carry, so that the bus
    /// does not wait for frames, and no more, so that the stack above can still choose between those it has. One that
    /// gives no more than that, each time after [`run`](Self::run), is never asked to stop. 0 while nothing can be sent.
    pub fn room(&self, interface: InterfaceId, access_category: AccessCategory) -> usize {
        let world = &self.core.control.world;
        if self.state != State::Running || !self.host_runs || world.vif(interface).is_none() {
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
        let mut more = false;
        for _ in 0..TURNS {
            let now = self.now();
            self.core.refresh_backlog();
            self.core.control.tick(now);
            let mut moved = self.live(stack, now);
            if !self.host_runs {
                moved |= self.run_host(stack, now);
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
            let verdict = outcome.err().or(self.core.control.world.verdict);
            if let Some(reason) = verdict {
                self.fail(reason, stack);
                moved = true;
            }
            moved |= self.core.upload_due(now) && self.bottom_half.is_ready();
            more = outcome == Ok(Work::More);
            if more || !moved {
                break;
            }
        }
        if more {
            return Some(self.now());
        }
        self.next_deadline()
    }

    /// Where the device stands.
    pub fn state(&self) -> DeviceState {
        match self.state {
            State::Off | State::PoweringOff(_) => DeviceState::Off,
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
        if let Some(token) = self.end_session(stack, now) {
            self.complete(token, Err(RequestError::Aborted));
        }
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
        earliest(
            earliest(
                self.bottom_half.next_deadline(),
                self.core.next_deadline(self.now()),
            ),
            earliest(
                earliest(self.core.control.next_deadline(), self.poll_at),
                earliest(
                    earliest(drain, sleep),
                    self.core.control.world.host.next_deadline(),
                ),
            ),
        )
    }

    fn collect_anomalies(&mut self, now: Instant) {
        while let Some(anomaly) = self.core.control.world.anomalies.pop() {
            self.bottom_half.anomalies_mut().record(anomaly, now);
        }
    }

    /// Starts a transition of the transport. `false` if it refused; the device has failed then.
    fn begin(&mut self, transition: Transition, stack: &mut S, now: Instant) -> bool {
        match self.bottom_half.transport_mut().begin(transition, now) {
            Ok(()) => {
                self.poll_at = Some(now);
                true
            }
            Err(error) => {
                self.fail(RecoveryReason::Transport(error), stack);
                false
            }
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
        match self.state {
            State::Off | State::Ready | State::NeedsRecovery(_) => {
                self.core.control.refuse_until_lifecycle();
                self.begin_lifecycle(stack, now)
            }
            State::Running => self.begin_lifecycle(stack, now),
            State::Booting(token) => self.transition_done(stack, now, |device, _| {
                device.state = State::Ready;
                device.core.control.world.tell(Event::Booted);
                device.complete(token, Ok(Response::Done));
            }),
            State::SwitchingOn(token) => self.transition_done(stack, now, |device, now| {
                device.state = State::AwaitStartup(token);
                device.bottom_half.open(now);
            }),
            State::AwaitStartup(token) => {
                if !self.bottom_half.is_ready() {
                    return false;
                }
                self.core.control.begin_startup();
                self.state = State::Configuring(token);
                true
            }
            State::Configuring(token) => match self.core.control.take_started() {
                None => false,
                Some(Ok(_)) => {
                    self.state = State::Running;
                    self.core.control.world.power.start(now);
                    self.core.control.set_open(true);
                    self.complete(token, Ok(Response::Done));
                    true
                }
                Some(Err(error)) => {
                    self.switch_off(token, Err(error), Afterwards::Stay, stack, now);
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
                self.switch_off(token, Ok(Response::Done), afterwards, stack, now);
                true
            }
            State::SwitchingOff {
                token,
                result,
                afterwards,
            } => match self.poll_transition(now) {
                None => false,
                Some(Err(error)) => {
                    self.fail(RecoveryReason::Transport(error), stack);
                    true
                }
                Some(Ok(())) if afterwards == Afterwards::PowerOff => {
                    self.state = State::PoweringOff(token);
                    let _began = self.begin(Transition::PowerOff, stack, now);
                    true
                }
                Some(Ok(())) => {
                    self.state = State::Ready;
                    self.complete(token, result);
                    true
                }
            },
            State::PoweringOff(token) => self.transition_done(stack, now, |device, _| {
                device.state = State::Off;
                device.complete(token, Ok(Response::Done));
            }),
        }
    }

    fn complete(&mut self, token: Token, result: Result<Response, RequestError>) {
        let now = self.now();
        let control = &mut *self.core.control;
        if control.world.host.suspends_for() == Some(token) {
            // The power was to be cut, and is off.
            control.end_host_sleep(now);
        } else {
            control.complete(Some(token), result);
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
                self.fail(RecoveryReason::Transport(error), stack);
                true
            }
        }
    }

    /// Begins a request that changes the state of the device, if it is its turn.
    fn begin_lifecycle(&mut self, stack: &mut S, now: Instant) -> bool {
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
                self.state = State::Booting(token);
                let _began = self.begin(Transition::Boot, stack, now);
            }
            (State::Ready, Lifecycle::Start) => {
                self.state = State::SwitchingOn(token);
                let _began = self.begin(Transition::WifiOn, stack, now);
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
                self.complete(token, Ok(Response::Done));
            }
            (State::Ready, Lifecycle::PowerOff) => {
                self.state = State::PoweringOff(token);
                let _began = self.begin(Transition::PowerOff, stack, now);
            }
            // It is so already.
            (State::Off, Lifecycle::PowerOff | Lifecycle::Stop)
            | (State::Ready, Lifecycle::Boot | Lifecycle::Stop)
            | (State::Running, Lifecycle::Start) => self.complete(token, Ok(Response::Done)),
            _ => self.complete(token, Err(RequestError::WrongState)),
        }
        true
    }

    /// Ends the session in an orderly way and switches Wi-Fi off.
    fn switch_off(
        &mut self,
        token: Token,
        result: Result<Response, RequestError>,
        afterwards: Afterwards,
        stack: &mut S,
        now: Instant,
    ) {
        let _same_token = self.end_session(stack, now);
        self.core.control.close();
        self.state = State::SwitchingOff {
            token,
            result,
            afterwards,
        };
        let _began = self.begin(Transition::WifiOff, stack, now);
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
        match self.state {
            State::Booting(token)
            | State::SwitchingOn(token)
            | State::AwaitStartup(token)
            | State::Configuring(token)
            | State::Draining { token, .. }
            | State::SwitchingOff { token, .. }
            | State::PoweringOff(token) => Some(token),
            State::Off | State::Ready | State::Running | State::NeedsRecovery(_) => None,
        }
    }

    /// The session cannot go on: everything goes back, and the stack is told once.
    fn fail(&mut self, reason: RecoveryReason, stack: &mut S) {
        if let State::NeedsRecovery(_) = self.state {
            return;
        }
        let now = self.now();
        if let Some(token) = self.end_session(stack, now) {
            self.complete(token, Err(RequestError::Aborted));
        }
        self.core.control.abort();
        self.core.control.end_host_sleep(now);
        self.collect_anomalies(now);
        self.state = State::NeedsRecovery(reason);
        let mut session = Session {
            core: &mut self.core,
            stack,
        };
        session.deliver_events();
        session.stack.notify(Event::RecoveryNeeded(reason));
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
