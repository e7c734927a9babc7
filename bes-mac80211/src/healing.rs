//! How the device does what the recovery ladder says: see [`crate::recovery`].
//!
//! | rung | state of the device | ends when |
//! |---|---|---|
//! | retry, abort | as it was; the bus rests | the transfer was repeated |
//! | interface reset, stack restart | running | every RESET was confirmed |
//! | Wi-Fi restart | recovering: off, on, configuration | running, within [`RecoveryPolicy::wifi_limit`](crate::recovery::RecoveryPolicy::wifi_limit) |
//! | card reset | recovering: Bluetooth off, boot, Bluetooth on, Wi-Fi on, configuration | as it was before: ready or running |
//! | give up | needs recovery | at once |
//!
//! A device that was being stopped is not started again: it is off, and boots when it is needed.

use super::{Afterwards, By, Device, DeviceState, State};
use crate::diagnosis::{Candidate, Remedy, Totals};
use crate::dump::{self, Writer};
use crate::error::RequestError;
use crate::event::Event;
use crate::queue::FifoId;
use crate::recovery::{Incident, Rung, Rungs, SharedCard, Situation};
use crate::request::Response;
use crate::rx::RxStatus;
use crate::session::Session;
use crate::tx::TxStatus;
use bes_hal::stack::Stack;
use bes_hal::transport::{Transition, Transport};
use bes_hal::{Duration, Instant, TransportError};
use bes_wsm::recovery::RecoveryReason;
use core::fmt::{self, Write};

/// A transfer that failed and is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repair {
    /// When.
    pub(super) at: Instant,
    /// After an abort of the function.
    abort: bool,
    asked: By,
}

/// A chip that is being started anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Healing {
    pub(super) rung: Rung,
    reason: RecoveryReason,
    /// Wi-Fi has to run at its end; otherwise only the firmware.
    running: bool,
    /// The stack had interfaces, and has to make them anew.
    used: bool,
    /// The request that was being carried out when it failed; it is answered at the end.
    lifecycle: By,
    /// The request that asked for it.
    asked: By,
    /// It must be over at this time.
    pub(super) until: Option<Instant>,
    /// Boots that may still fail.
    boots: u8,
    /// Bluetooth was on before the card was reset.
    bluetooth: bool,
}

impl<T, S> Device<T, S>
where
    T: Transport,
    S: Stack<Buffer = T::Buffer, RxStatus = RxStatus, TxStatus = TxStatus, Event = Event>,
{
    /// Something failed. `transfer`: in a transfer of the session, which can be repeated.
    pub(super) fn fail(&mut self, reason: RecoveryReason, transfer: bool, stack: &mut S) {
        if let State::NeedsRecovery(_) = self.state {
            return;
        }
        let now = self.now();
        self.core.control.world.verdict = None;
        if self.boots_again(reason, now) {
            return;
        }
        let stopping = matches!(
            self.state,
            State::Draining { .. }
                | State::PoweringOff(_)
                | State::SwitchingOff { by: Some(_), .. }
        );
        let situation = Situation {
            transfer: transfer && self.bottom_half.is_open(),
            running: self.state == State::Running,
            booted: !stopping
                && matches!(
                    self.state,
                    State::Running
                        | State::SwitchingOn(_)
                        | State::AwaitStartup(_)
                        | State::Configuring(_)
                ),
        };
        let rung = self.core.recovery.climb(reason, situation, now);
        if stopping && rung == Rung::CardReset {
            self.be_off(stack, now);
        } else {
            self.begin_rung(rung, reason, None, stack, now);
        }
    }

    /// A boot of a card reset failed: whether it is tried once more.
    fn boots_again(&mut self, reason: RecoveryReason, now: Instant) -> bool {
        let (Some(healing), State::Booting(None)) = (&mut self.healing, self.state) else {
            return false;
        };
        if healing.boots == 0 || Rung::first_for(reason) == Rung::GiveUp {
            return false;
        }
        healing.boots = healing.boots.saturating_sub(1);
        self.reset_card(now);
        true
    }

    /// Somebody asks for a rung.
    pub(super) fn begin_wanted_rung(&mut self, stack: &mut S) {
        let Some((token, rung)) = self.core.control.take_wanted_rung() else {
            return;
        };
        let open = self.state == State::Running && self.healing.is_none();
        let possible = match rung {
            Rung::Retry | Rung::Abort => open && self.bottom_half.is_open(),
            Rung::InterfaceReset | Rung::WifiRestart | Rung::StackRestart => {
                open && self.core.control.world.power.is_open()
            }
            Rung::CardReset => open || self.state == State::Ready,
            Rung::GiveUp => self.state != State::Off,
        };
        if !possible {
            self.complete(Some(token), Err(RequestError::WrongState));
            return;
        }
        let now = self.now();
        let reason = RecoveryReason::Requested;
        self.core.recovery.note(rung, reason, now);
        self.begin_rung(rung, reason, Some(token), stack, now);
    }

    fn begin_rung(
        &mut self,
        rung: Rung,
        reason: RecoveryReason,
        asked: By,
        stack: &mut S,
        now: Instant,
    ) {
        if rung > Rung::Abort {
            self.write_dump(rung, reason, now);
        }
        if rung != Rung::GiveUp {
            self.core
                .control
                .world
                .tell(Event::Recovering { rung, reason });
        }
        match rung {
            Rung::Retry | Rung::Abort => {
                self.repair = Some(Repair {
                    at: now.after(self.core.recovery.policy().pause),
                    abort: rung == Rung::Abort,
                    asked,
                });
            }
            Rung::InterfaceReset | Rung::StackRestart => {
                let forget = rung == Rung::StackRestart;
                self.core.control.begin_interface_reset(asked, forget, now);
                let mut session = Session {
                    core: &mut self.core,
                    stack,
                };
                // The chip forgets them with the reset.
                self.bottom_half.forget_frames(&mut session, now);
                session.apply_effects(now);
            }
            Rung::WifiRestart => {
                self.begin_healing(rung, reason, asked, stack, now);
                let until = now.after(self.core.recovery.policy().wifi_limit);
                if let Some(healing) = &mut self.healing {
                    healing.until = Some(until);
                }
                self.state = State::SwitchingOff {
                    by: None,
                    result: Ok(Response::Done),
                    afterwards: Afterwards::Restart,
                };
                self.begin(Transition::WifiOff, now);
            }
            Rung::CardReset => {
                self.begin_healing(rung, reason, asked, stack, now);
                self.begin_card_reset(now);
            }
            Rung::GiveUp => {
                let token = self.end_session(stack, now);
                self.complete(token, Err(RequestError::Aborted));
                self.end_healing(Err(RequestError::Aborted));
                self.core.control.abort();
                self.core.control.end_host_sleep(now);
                self.collect_anomalies(now);
                self.complete(asked, Ok(Response::Done));
                self.state = State::NeedsRecovery(reason);
                let mut session = Session {
                    core: &mut self.core,
                    stack,
                };
                session.deliver_events();
                session.stack.notify(Event::RecoveryNeeded(reason));
            }
        }
    }

    /// The session ends, and everything goes back. What was under way decides where the ladder has to lead.
    fn begin_healing(
        &mut self,
        rung: Rung,
        reason: RecoveryReason,
        asked: By,
        stack: &mut S,
        now: Instant,
    ) {
        let earlier = self.healing.take();
        let running = earlier.map_or(
            !matches!(self.state, State::Ready | State::Booting(_)),
            |healing| healing.running,
        );
        let used = earlier.map_or(self.state == State::Running, |healing| healing.used);
        let token = self.end_session(stack, now);
        let boots = self.core.recovery.policy().boots;
        self.healing = Some(Healing {
            rung,
            reason,
            running,
            used,
            lifecycle: token.or(earlier.and_then(|healing| healing.lifecycle)),
            asked: asked.or(earlier.and_then(|healing| healing.asked)),
            until: None,
            boots: boots.saturating_sub(1),
            bluetooth: earlier.is_some_and(|healing| healing.bluetooth),
        });
        self.core.control.end_for_restart();
        self.core.control.end_host_sleep(now);
        self.collect_anomalies(now);
    }

    fn begin_card_reset(&mut self, now: Instant) {
        let policy = *self.core.recovery.policy();
        if policy.shared == SharedCard::Tell {
            let bluetooth = self.bottom_half.transport_mut().has_bluetooth();
            if let Some(healing) = &mut self.healing {
                // A reset that did not help has ended it already.
                healing.bluetooth |= bluetooth;
            }
            let done = false;
            self.core
                .control
                .world
                .tell(Event::CardReset { done, bluetooth });
            // A chip that listens no more is not waited for.
            let bluetooth = Transition::BluetoothOff;
            if self
                .bottom_half
                .transport_mut()
                .begin(bluetooth, now)
                .is_ok()
            {
                self.poll_at = Some(now);
                self.state = State::QuietingBluetooth;
                if let Some(healing) = &mut self.healing {
                    healing.until = Some(now.after(policy.bluetooth_limit));
                }
                return;
            }
        }
        self.reset_card(now);
    }

    /// From nothing: everything the chip knew is gone, and it boots.
    pub(super) fn reset_card(&mut self, now: Instant) {
        self.poll_at = None;
        if let Some(healing) = &mut self.healing {
            healing.until = None;
        }
        self.bottom_half.transport_mut().reset();
        self.core.control.world.reset();
        self.state = State::Booting(None);
        self.begin(Transition::Boot, now);
    }

    /// The firmware runs. If the ladder wanted it, it goes on or is at its goal.
    pub(super) fn booted_again(&mut self, now: Instant) {
        let Some(healing) = self.healing else {
            return;
        };
        let again = healing.bluetooth && self.core.recovery.policy().bluetooth_again;
        let transport = self.bottom_half.transport_mut();
        if again
            && !transport.has_bluetooth()
            && transport.begin(Transition::BluetoothOn, now).is_ok()
        {
            self.poll_at = Some(now);
            self.state = State::RestoringBluetooth;
        } else {
            self.go_on(now);
        }
    }

    /// Bluetooth is on again, or cannot be switched on: the reset goes on in either case. `true` if so.
    pub(super) fn bluetooth_restored(&mut self, now: Instant) -> bool {
        if self.poll_transition(now).is_none() {
            return false;
        }
        self.state = State::Ready;
        self.go_on(now);
        true
    }

    /// The firmware runs, and what the ladder wants next begins.
    fn go_on(&mut self, now: Instant) {
        let Some(healing) = self.healing else {
            return;
        };
        if healing.running {
            self.state = State::SwitchingOn(None);
            self.begin(Transition::WifiOn, now);
        } else {
            self.end_healing(Ok(Response::Done));
        }
    }

    /// Wi-Fi runs. If the ladder wanted it, the stack has to make its interfaces anew.
    pub(super) fn runs_again(&mut self, now: Instant) {
        let Some(healing) = self.healing else {
            return;
        };
        if healing.used {
            self.core
                .recovery
                .note(Rung::StackRestart, healing.reason, now);
        }
        self.end_healing(Ok(Response::Done));
        if healing.used {
            self.core.control.world.tell(Event::ChipRestarted);
        }
    }

    /// Answers those who wait for the end of the ladder.
    pub(super) fn end_healing(&mut self, result: Result<Response, RequestError>) {
        let Some(healing) = self.healing.take() else {
            return;
        };
        if healing.rung == Rung::CardReset
            && result.is_ok()
            && self.core.recovery.policy().shared == SharedCard::Tell
        {
            let bluetooth = self.bottom_half.transport_mut().has_bluetooth();
            let done = true;
            self.core
                .control
                .world
                .tell(Event::CardReset { done, bluetooth });
        }
        self.complete(healing.lifecycle, result);
        self.complete(healing.asked, result);
    }

    /// While the chip is being started anew, requests are refused, and one to stop ends it all. `true` if it did.
    pub(super) fn stop_healing(&mut self, stack: &mut S, now: Instant) -> bool {
        if !self.core.control.wants_off() {
            if !matches!(self.state, State::Configuring(_)) {
                self.core.control.refuse_until_lifecycle();
            }
            return false;
        }
        let token = self.core.control.take_off_request();
        self.be_off(stack, now);
        self.complete(token, Ok(Response::Done));
        true
    }

    /// Off, whatever the chip thinks of it: it boots when it is needed.
    fn be_off(&mut self, stack: &mut S, now: Instant) {
        let token = self.end_session(stack, now);
        self.end_healing(Err(RequestError::Aborted));
        self.core.control.end_for_restart();
        self.bottom_half.transport_mut().reset();
        self.state = State::Off;
        self.complete(token, Ok(Response::Done));
    }

    /// Bluetooth went, or had its time: the card is reset. `true` if so.
    pub(super) fn leave_bluetooth(&mut self, now: Instant) -> bool {
        let late = self
            .healing
            .and_then(|healing| healing.until)
            .is_some_and(|until| until.is_due(now));
        // Whether it went or not is not asked: it is gone in a moment.
        if !late && self.poll_transition(now).is_none() {
            return false;
        }
        self.reset_card(now);
        true
    }

    /// What has taken too long.
    pub(super) fn overdue(&self, now: Instant) -> Option<RecoveryReason> {
        let until = self.healing?.until?;
        if !until.is_due(now) {
            return None;
        }
        Some(match self.state {
            State::SwitchingOff { .. } => {
                RecoveryReason::Transport(TransportError::NotConfirmed(Transition::WifiOff))
            }
            State::SwitchingOn(_) => {
                RecoveryReason::Transport(TransportError::NotConfirmed(Transition::WifiOn))
            }
            _ => RecoveryReason::StartupTimeout,
        })
    }

    /// Repeats what failed, if its time has come. `false` if it has not.
    pub(super) fn repair_due(&mut self) -> bool {
        let Some(repair) = self.repair else {
            return true;
        };
        let now = self.now();
        if !repair.at.is_due(now) {
            return false;
        }
        self.repair = None;
        if repair.abort {
            // A platform that cannot do it goes on without: the announcement is read anew in any case, and the transfer
            // repeated. On a dead bus that fails, and the ladder goes on.
            let _aborted = self.bottom_half.transport_mut().abort();
        }
        self.bottom_half.resume();
        self.complete(repair.asked, Ok(Response::Done));
        true
    }

    /// Looks at what has passed, and does what heals. Costs nothing but a comparison, most of the time.
    pub(super) fn diagnose(&mut self, stack: &mut S) {
        if self.state != State::Running || self.is_recovering() {
            return;
        }
        let now = self.now();
        if self.core.control.world.diagnosis.is_due(now) {
            self.end_window(now);
        }
        let scanning = self.core.control.scan.is_active();
        let world = &mut self.core.control.world;
        match world.diagnosis.take_remedy(scanning) {
            None => {}
            Some(Remedy::Tune) => {
                // A platform that cannot do it goes on as it is.
                let _tuned = self.bottom_half.transport_mut().retune();
            }
            Some(Remedy::Awake) => {
                for vif in world.vifs_mut() {
                    vif.work.awake = vif.connection.is_associated();
                }
                // The message is to follow at once.
                self.core.stirred = true;
            }
            Some(Remedy::Restart) => {
                let rung = Rung::WifiRestart;
                if self.core.recovery.policy().rungs.has(rung) {
                    let reason = RecoveryReason::Diagnosed(Candidate::ResourceExhausted.number());
                    self.core.recovery.note(rung, reason, now);
                    self.begin_rung(rung, reason, None, stack, now);
                }
            }
        }
    }

    fn end_window(&mut self, now: Instant) {
        let health = self.bottom_half.transport().health();
        let totals = Totals {
            received: self.core.unicast.frames,
            repeated: self.core.unicast.repeated,
            received_bytes: self.core.stats.rx_total().bytes,
            acked_bytes: self.core.stats.tx_total().acked_bytes,
            transfers: health.transfers,
            failures: health.failures,
        };
        let quiet = !self.core.control.scan.is_active();
        let world = &mut self.core.control.world;
        let interval = world
            .vifs()
            .find_map(|vif| vif.association)
            .map_or(100, |association| association.beacon_interval);
        // Time units of 1024 µs.
        let interval = Duration::from_micros(u64::from(interval).saturating_mul(1024));
        world.diagnosis.set_interval(interval);
        world.diagnosis.window(totals, quiet, now);
    }

    /// Writes a core dump, once per incident and for whoever asks for a rung.
    fn write_dump(&mut self, rung: Rung, reason: RecoveryReason, now: Instant) {
        let again = self
            .core
            .recovery
            .incident(now)
            .is_some_and(|incident| dumped(&incident, rung));
        if again && reason != RecoveryReason::Requested {
            return;
        }
        let Some(mut memory) = self.core.dump.take() else {
            return;
        };
        let mut writer = Writer::new(&mut memory);
        // One that is too long is cut.
        let _cut = self.write_failure(&mut writer, rung, reason, now);
        let len = writer.finish();
        self.core.dump.fill(memory, len, now);
    }

    fn write_failure(
        &self,
        out: &mut impl Write,
        rung: Rung,
        reason: RecoveryReason,
        now: Instant,
    ) -> fmt::Result {
        writeln!(out, "bes2600 core dump 1")?;
        writeln!(out, "[failure]")?;
        writeln!(out, "time {now}")?;
        writeln!(out, "device {}", self.state())?;
        writeln!(out, "reason {reason}")?;
        writeln!(out, "rung {rung}")?;
        self.describe(out)
    }

    /// Writes everything about the device that a dump has, as text: see [`crate::dump`].
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn describe(&self, out: &mut impl Write) -> fmt::Result {
        let now = self.now();
        let world = &self.core.control.world;
        write!(out, "[recovery]\n{}", *self.core.recovery)?;
        write!(out, "[diagnosis]\n{}", *world.diagnosis)?;
        dump::write_exception(self.bottom_half.messages(), out)?;
        writeln!(out, "[interfaces]")?;
        for vif in world.vifs() {
            writeln!(out, "{}: {:?}, {:?}", vif.id, vif.kind, vif.connection)?;
            writeln!(out, "{}: neighbour offload {}", vif.id, vif.neighbours)?;
        }
        for (slot, key) in world.keys.iter() {
            writeln!(out, "key {slot}: {key:?}")?;
        }
        writeln!(out, "scan {:?}", self.core.control.scan.phase())?;
        writeln!(out, "[power]")?;
        for entry in world.power.ledger().entries(now) {
            writeln!(out, "awake for {entry}")?;
        }
        writeln!(out, "[queues]")?;
        let window = self.bottom_half.window();
        writeln!(
            out,
            "credits {} of {}, {} leaked",
            window.outstanding(),
            window.capacity(),
            self.bottom_half.leaked_credits()
        )?;
        for fifo in FifoId::all() {
            let waiting = self.core.queues.frames(fifo);
            if waiting > 0 {
                writeln!(out, "{fifo}: {waiting} waiting")?;
            }
        }
        for (packet, sent_at, returned) in self.bottom_half.in_flight_table() {
            let age = now.since(sent_at).as_micros();
            let note = if returned { ", given back" } else { "" };
            writeln!(out, "{packet:#010x}: {age} us{note}")?;
        }
        writeln!(out, "[counters]")?;
        writeln!(out, "down {:?}", self.core.stats.tx_total())?;
        writeln!(out, "up {:?}", self.core.stats.rx_total())?;
        writeln!(out, "control {:?}", world.statistics)?;
        writeln!(out, "messages {:?}", self.bottom_half.stats())?;
        writeln!(out, "[anomalies]")?;
        for (kind, count) in self.bottom_half.anomalies().iter() {
            writeln!(out, "{count:8} {kind}")?;
        }
        for record in self.bottom_half.anomalies().records() {
            writeln!(out, "{} {}", record.at, record.anomaly)?;
        }
        writeln!(out, "[messages]")?;
        for logged in self.bottom_half.messages().iter() {
            writeln!(out, "{logged}")?;
        }
        Ok(())
    }

    /// The last core dump, and which one since the device was made; see [`crate::dump`].
    pub fn core_dump(&self) -> Option<(u32, &[u8])> {
        Some((self.core.dump.count(), self.core.dump.text()?))
    }

    /// What of the ladder shows in the state; for those who only want to know whether to wait.
    pub fn is_recovering(&self) -> bool {
        self.repair.is_some() || matches!(self.state(), DeviceState::Recovering(_))
    }
}

/// Whether an incident has had its dump before it came to this rung.
fn dumped(incident: &Incident, rung: Rung) -> bool {
    [Rung::InterfaceReset, Rung::WifiRestart, Rung::CardReset]
        .into_iter()
        .any(|earlier| earlier != rung && incident.tried.has(earlier))
        && incident.tried != Rungs::NONE
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
#[path = "healing_tests.rs"]
mod tests;
