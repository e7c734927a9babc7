//! The state machine that puts the whole chip to sleep and wakes it (specification: file 40, section 3; file 10,
//! section 9; file 20, section 17).
//!
//! It does nothing itself. [`DeviceMachine::poll`] says which [`Step`] has to be run, the owner of the bus runs it and
//! reports with [`DeviceMachine::handle_step_done`]. Reasons to stay awake go into the [`Ledger`], which the machine
//! looks at again before every step and after it, so that a reason that comes at any moment is seen.
//!
//! | from | when | to | step to run |
//! |---|---|---|---|
//! | any | [`start`](DeviceMachine::start) | awake, for the grace time at least | |
//! | any | [`stop`](DeviceMachine::stop) | stopped | |
//! | awake | [`force_sleep`](DeviceMachine::force_sleep): from here on no reason counts | falling asleep | sleep messages |
//! | awake | no reason left, no hold-off | falling asleep | sleep messages |
//! | falling asleep, messages not begun | a reason | awake | |
//! | falling asleep, messages | done, no reason | falling asleep | transport sleep |
//! | falling asleep, messages | done and a reason, failed, or too late | waking | wake messages |
//! | falling asleep, transport not begun | a reason | waking | wake messages |
//! | falling asleep, transport | done | asleep | |
//! | falling asleep, transport | failed or too late | waking | transport wake |
//! | asleep | a reason | waking | transport wake |
//! | waking, transport | done | waking | wake messages |
//! | waking, messages | done | awake | |
//! | waking | failed or too late | failed | [`Action::Recover`] |
//! | failed | [`start`](DeviceMachine::start) after recovery | awake | |
//!
//! Whatever failed on the way down leads back to awake, with a hold-off before the next try: the machine never
//! believes the chip asleep when the chip did not say so.

use crate::error::{Anomalies, Anomaly, Cause, Verdict};
use crate::ledger::{Ledger, Owner};
use crate::reason::{Reason, Times};
use bes_hal::{Duration, Instant};
use core::fmt;

/// Something that takes time and that the owner of the bus runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The requests before sleep: per joined interface address table, wake-up period and broadcast filter, then the
    /// quiescent operating mode of the device (file 40, section 3.5). Power save of the station is not among them: it
    /// is in force already ([`crate::psm`]), and nothing is waited for.
    SleepMessages,
    /// The bus handshake that lets the chip sleep, and the release of the wake line.
    TransportSleep,
    /// The wake line and the bus handshake that wakes the chip.
    TransportWake,
    /// The requests after sleep, in which everything that [`Step::SleepMessages`] changed is changed back. They may
    /// follow a [`Step::SleepMessages`] that was done in part only (file 40, section 3.6).
    WakeMessages,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SleepMessages => "sleep messages",
            Self::TransportSleep => "transport sleep",
            Self::TransportWake => "transport wake",
            Self::WakeMessages => "wake messages",
        })
    }
}

/// One run of a step. Give it back with the result, so that a late result is not taken for a later run's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    /// What to run.
    pub step: Step,
    serial: u32,
}

/// What has to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Action {
    /// Nothing before [`DeviceMachine::next_deadline`], unless something happens.
    None,
    /// Run this step. A step of an earlier run that is still going on is to be given up.
    Run(Run),
    /// The device is lost without recovery; said once. [`DeviceMachine::start`] is the way out.
    Recover(Verdict),
}

/// Where the device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not in use.
    Stopped,
    /// Awake; frames may be sent. C: `LOCKED`.
    Awake {
        /// After a failed try to sleep: no new one before this.
        hold_off: Instant,
    },
    /// Falling asleep; frames wait. C: `UNLOCKING`.
    FallingAsleep {
        /// The step under way: [`Step::SleepMessages`] or [`Step::TransportSleep`].
        run: Run,
        /// When it is given up.
        deadline: Instant,
    },
    /// Asleep; frames wait. C: `UNLOCKED`.
    Asleep {
        /// Since when.
        since: Instant,
    },
    /// Waking; frames wait. C: `LOCKING`.
    Waking {
        /// The step under way: [`Step::TransportWake`] or [`Step::WakeMessages`].
        run: Run,
        /// When it is given up.
        deadline: Instant,
        /// No new try to sleep before this.
        hold_off: Instant,
    },
    /// Lost until recovery.
    Failed(Verdict),
}

/// How long steps may take, and whether the device may sleep at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether the device may be put to sleep.
    pub sleep: bool,
    /// For [`Step::SleepMessages`] and [`Step::WakeMessages`].
    pub messages: Duration,
    /// For [`Step::TransportSleep`] and [`Step::TransportWake`]. The handshake takes up to 201 polls of 2 ms after
    /// 10 ms for the wake line and the wait for the chip to be ready (file 40, section 4.3).
    pub transport: Duration,
    /// After a failed try to sleep, before the next.
    pub hold_off: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sleep: true,
            messages: Duration::from_secs(15),
            transport: Duration::from_secs(2),
            hold_off: Duration::from_secs(10),
        }
    }
}

/// Sleep and wake-up of one device. See the [module documentation](self).
#[derive(Clone, Debug)]
pub struct DeviceMachine {
    settings: Settings,
    state: State,
    ledger: Ledger,
    /// The step of the current state, until it is handed out.
    to_run: Option<Run>,
    /// The verdict, until it is handed out.
    to_tell: Option<Verdict>,
    /// The host suspends: no reason keeps the device awake, and none wakes it.
    forced: bool,
    next_serial: u32,
    anomalies: Anomalies,
}

impl Default for DeviceMachine {
    fn default() -> Self {
        Self::new(Settings::default(), Times::default())
    }
}

impl DeviceMachine {
    /// A stopped device.
    pub const fn new(settings: Settings, times: Times) -> Self {
        Self {
            settings,
            state: State::Stopped,
            ledger: Ledger::new(times),
            to_run: None,
            to_tell: None,
            forced: false,
            next_serial: 0,
            anomalies: Anomalies::NONE,
        }
    }

    /// The device is up and awake. Everything from before is forgotten.
    pub fn start(&mut self, now: Instant) {
        self.stop();
        self.ledger.grace(Reason::Operation, Owner::Device, now);
        self.state = State::Awake { hold_off: now };
    }

    /// The device is no longer in use: every reason is dropped and nothing more is asked for.
    pub fn stop(&mut self) {
        self.ledger.clear();
        self.to_run = None;
        self.to_tell = None;
        self.forced = false;
        self.state = State::Stopped;
    }

    /// The host suspends: the device falls asleep now, whatever would keep it awake and even if it may not sleep
    /// otherwise, and stays asleep until [`let_wake`](Self::let_wake). A failed try is not repeated by itself; calling
    /// this again tries again.
    pub fn force_sleep(&mut self, now: Instant) {
        self.forced = true;
        if let State::Awake { .. } = self.state {
            self.fall_asleep(Step::SleepMessages, now);
        }
    }

    /// The host is back: reasons count again. Give one to wake the device.
    pub fn let_wake(&mut self) {
        self.forced = false;
    }

    /// Where the device is.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Whether frames may be handed to the chip.
    pub const fn is_awake(&self) -> bool {
        matches!(self.state, State::Awake { .. })
    }

    /// Whether the chip sleeps.
    pub const fn is_asleep(&self) -> bool {
        matches!(self.state, State::Asleep { .. })
    }

    /// The settings in force.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Changes the settings. Deadlines that run keep theirs.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// The reasons to stay awake.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The reasons to stay awake, to be changed. [`poll`](Self::poll) afterwards: a new reason may have to wake the
    /// device.
    pub const fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// The next anomaly of the machine or its ledger that nobody has looked at.
    pub fn take_anomaly(&mut self) -> Option<Anomaly> {
        self.anomalies.pop().or_else(|| self.ledger.take_anomaly())
    }

    /// How many anomalies there have been, those of the ledger included.
    pub const fn anomalies(&self) -> u32 {
        self.anomalies
            .total()
            .saturating_add(self.ledger.anomalies())
    }

    /// When to call [`poll`](Self::poll) at the latest; `now` if there is something to do.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        if self.to_run.is_some() || self.to_tell.is_some() {
            return Some(now);
        }
        match self.state {
            State::Stopped | State::Failed(_) => None,
            State::Awake { hold_off } => (self.settings.sleep && !self.forced)
                .then(|| self.ledger.idle_at(now).unwrap_or(now).max(hold_off)),
            State::FallingAsleep { deadline, .. } | State::Waking { deadline, .. } => {
                Some(deadline)
            }
            State::Asleep { .. } => self.is_busy(now).then_some(now),
        }
    }

    /// Whether something keeps the device awake.
    fn is_busy(&self, now: Instant) -> bool {
        !self.forced && self.ledger.is_busy(now)
    }

    /// What has to be done next. Call it after every event and at every deadline.
    pub fn poll(&mut self, now: Instant) -> Action {
        self.ledger.expire(now);
        self.turn(now);
        if let Some(verdict) = self.to_tell.take() {
            return Action::Recover(verdict);
        }
        self.to_run.take().map_or(Action::None, Action::Run)
    }

    /// Changes the state as time and the ledger ask for.
    fn turn(&mut self, now: Instant) {
        let busy = self.is_busy(now);
        match self.state {
            State::Stopped | State::Failed(_) => {}
            State::Awake { hold_off } => {
                if self.settings.sleep && !self.forced && !busy && hold_off.is_due(now) {
                    self.fall_asleep(Step::SleepMessages, now);
                }
            }
            State::FallingAsleep { run, deadline, .. } => {
                if busy && self.to_run == Some(run) {
                    // The step was not handed out yet: nothing has to be undone that it would have done.
                    self.to_run = None;
                    match run.step {
                        Step::SleepMessages => self.state = State::Awake { hold_off: now },
                        _ => self.wake(Step::WakeMessages, now, now),
                    }
                } else if deadline.is_due(now) {
                    self.handle_step_done(run, Err(Cause::TimedOut), now);
                }
            }
            State::Asleep { .. } => {
                if busy {
                    self.wake(Step::TransportWake, now, now);
                }
            }
            State::Waking { run, deadline, .. } => {
                if deadline.is_due(now) {
                    self.handle_step_done(run, Err(Cause::TimedOut), now);
                }
            }
        }
    }

    /// A step has ended.
    pub fn handle_step_done(&mut self, run: Run, result: Result<(), Cause>, now: Instant) {
        let current = match self.state {
            State::FallingAsleep { run, .. } | State::Waking { run, .. } => Some(run),
            _ => None,
        };
        if current != Some(run) {
            self.anomalies.push(Anomaly::LateResult(run.step));
            return;
        }
        // It may have timed out before anybody asked for it.
        self.to_run = None;
        if let Err(cause) = result {
            let step = run.step;
            self.anomalies.push(Anomaly::StepFailed { step, cause });
        }
        let later = now.after(self.settings.hold_off);
        match self.state {
            State::FallingAsleep { .. } => match (run.step, result) {
                (Step::SleepMessages, Ok(())) if self.is_busy(now) => {
                    self.wake(Step::WakeMessages, now, now);
                }
                (Step::SleepMessages, Ok(())) => self.fall_asleep(Step::TransportSleep, now),
                (Step::SleepMessages, Err(_)) => self.wake(Step::WakeMessages, now, later),
                (_, Ok(())) => self.state = State::Asleep { since: now },
                // Nobody knows whether the chip sleeps, so it is woken.
                (_, Err(_)) => self.wake(Step::TransportWake, now, later),
            },
            State::Waking { hold_off, .. } => match (run.step, result) {
                (Step::TransportWake, Ok(())) => self.wake(Step::WakeMessages, now, hold_off),
                (_, Ok(())) => self.state = State::Awake { hold_off },
                (step, Err(cause)) => {
                    let verdict = Verdict { step, cause };
                    self.state = State::Failed(verdict);
                    self.to_tell = Some(verdict);
                }
            },
            _ => {}
        }
    }

    fn run(&mut self, step: Step) -> Run {
        let run = Run {
            step,
            serial: self.next_serial,
        };
        self.next_serial = run.serial.wrapping_add(1);
        self.to_run = Some(run);
        run
    }

    fn time_for(&self, step: Step) -> Duration {
        match step {
            Step::SleepMessages | Step::WakeMessages => self.settings.messages,
            Step::TransportSleep | Step::TransportWake => self.settings.transport,
        }
    }

    fn fall_asleep(&mut self, step: Step, now: Instant) {
        self.state = State::FallingAsleep {
            run: self.run(step),
            deadline: now.after(self.time_for(step)),
        };
    }

    fn wake(&mut self, step: Step, now: Instant, hold_off: Instant) {
        self.state = State::Waking {
            run: self.run(step),
            deadline: now.after(self.time_for(step)),
            hold_off,
        };
    }
}

#[cfg(test)]
#[path = "device_state_tests.rs"]
mod tests;
