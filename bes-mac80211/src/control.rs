//! The control plane: one channel of commands, and who may use it when.
//!
//! ```text
//!   requests (first in, first out) ─┐
//!   work of the interfaces ─────────┼─► one procedure at a time ─┐
//!   scan, between its requests ─────┘                            ├─► one command at a time ─► bottom half
//!   coexistence ─────────────────────────────────────────────────┘
//! ```
//!
//! A procedure owns the configuration of the chip from its first message to its last. A scan gives it back while the chip
//! scans, so short settings need not wait for its end; joins and unjoins do, and a scan waits for them. Nothing blocks:
//! whatever waits has a deadline (specification: file 31, sections 15.3 and 15.5; file 20, section 15.3).

use crate::channel_change::ChannelChange;
use crate::command;
use crate::config::DeviceConfig;
use crate::ends::Ends;
use crate::error::RequestError;
use crate::event::{Event, LossReason};
use crate::interface_reset::InterfaceReset;
use crate::join::Join;
use crate::orders::{Lifecycle, Order};
use crate::power::{cause_of, SleepMessages, WakeMessages};
use crate::procedure::{Answer, Next, Procedure};
use crate::recovery::Rung;
use crate::request::{Response, Resumed, Suspended, Token};
use crate::ring::LargeRing;
use crate::scan::Scan;
use crate::setting::Setting;
use crate::startup::Startup;
use crate::unjoin::Unjoin;
use crate::vif::Connection;
use crate::world::{ChannelSwitch, Effect, Pieces, World};
use bes_hal::{Duration, Instant, Memory, NoMemory};
use bes_wsm::client::{Command, CommandError};
use bes_wsm::wire::{InterfaceId, MessageId};

/// Most requests that may wait.
pub(crate) const MAX_REQUESTS: usize = 32;

/// How long the chip may take for most commands, and for those that reset or join (file 20, section 3.1). The chip's
/// three-second watchdog of the C driver is not applied to commands (file 31, C36).
const TIMEOUT: Duration = Duration::from_secs(6);
const LONG_TIMEOUT: Duration = Duration::from_secs(7);

/// How long it may take while the driver heals: the firmware's own limit for a RESET is 2 s (file 20, D23).
const HEALING_TIMEOUT: Duration = Duration::from_secs(3);

/// Turns of the channel for one command: procedures that end without a message are followed by the next.
const TURNS: usize = 64;

/// Who sent the outstanding command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Procedure,
    Scan,
    Coexistence,
}

#[derive(Debug)]
pub(crate) struct Running {
    token: Option<Token>,
    pub(crate) procedure: Procedure,
}

/// A flush that waits for the end of the frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flush {
    pub(crate) token: Token,
    pub(crate) until: Instant,
}

/// The control plane of a device.
pub(crate) struct Control<M: Memory> {
    pub(crate) world: M::Place<World<M>>,
    pub(crate) scan: Scan<M>,
    pub(crate) orders: LargeRing<(Token, Order), M>,
    pub(crate) running: Option<Running>,
    outstanding: Option<Source>,
    pub(crate) flushes: [Option<Flush>; 3],
    pub(crate) ends: Ends,
    pub(crate) waits_until: Option<Instant>,
    open: bool,
    /// A rung of the recovery ladder that somebody asked for.
    pub(crate) wanted: Option<(Token, Rung)>,
    started: Option<Result<Response, RequestError>>,
}

impl<M: Memory> Control<M> {
    /// A control plane where it stays.
    #[inline(never)]
    pub(crate) fn placed(
        config: DeviceConfig,
        pieces: Pieces<M>,
        memory: &mut M,
    ) -> Result<M::Place<Self>, NoMemory> {
        let control = Self {
            world: World::placed(config, pieces, memory)?,
            scan: Scan::new(memory)?,
            orders: LargeRing::within(memory, MAX_REQUESTS)?,
            running: None,
            outstanding: None,
            flushes: [None; 3],
            ends: Ends::default(),
            waits_until: None,
            open: false,
            wanted: None,
            started: None,
        };
        memory.place(control)
    }

    /// A request that changes the state of the device, if it is its turn.
    pub(crate) fn lifecycle_due(&self) -> Option<Lifecycle> {
        match self.orders.front() {
            Some((_, Order::Lifecycle(lifecycle))) if self.running.is_none() => Some(*lifecycle),
            _ => None,
        }
    }

    /// Takes it. It is completed with [`complete`](Self::complete).
    pub(crate) fn take_lifecycle(&mut self) -> Option<Token> {
        self.lifecycle_due()?;
        self.orders.pop().map(|(token, _)| token)
    }

    /// Refuses requests that need a running device, up to the next one that changes that.
    pub(crate) fn refuse_until_lifecycle(&mut self) {
        while self.orders.front().is_some() && self.lifecycle_due().is_none() {
            match self.orders.pop() {
                Some((_, Order::Scan)) => self.scan.abort(&mut self.world),
                Some((token, _)) => self.complete(Some(token), Err(RequestError::WrongState)),
                None => return,
            }
        }
    }

    /// Answers a request.
    pub(crate) fn complete(
        &mut self,
        token: Option<Token>,
        result: Result<Response, RequestError>,
    ) {
        if let Some(token) = token {
            if self.ends.finish(token) {
                self.world.tell(Event::Completed { token, result });
            }
        }
    }

    /// The host wants to suspend: what takes long is ended.
    pub(crate) fn quiesce(&mut self) {
        if self.scan.is_active() {
            self.scan.cancel(&mut self.world, None);
        }
        for id in InterfaceId::ALL {
            let Some(vif) = self.world.vif_mut(id) else {
                continue;
            };
            vif.power_save.handle_host_sleep(true);
            let held = vif.work.join.take().is_some();
            let joining = matches!(
                vif.connection,
                Connection::Joining { .. } | Connection::Joined { .. }
            );
            vif.work.unjoin |= joining;
            if joining {
                self.world.tell(Event::ConnectionLost {
                    interface: id,
                    reason: LossReason::Suspended,
                });
            }
            if held {
                self.world.ask(Effect::DropHeld(id));
            }
        }
    }

    /// A procedure is half done, or a command is out.
    pub(crate) fn is_half_done(&self) -> bool {
        self.running.is_some() || self.outstanding.is_some() || self.scan.is_running()
    }

    /// Requests or work of the interfaces wait.
    pub(crate) fn has_waiting(&self, now: Instant) -> bool {
        let support = &self.world.power.support;
        !self.orders.is_empty()
            || self.world.coex.has_message()
            || self.flushes.iter().any(Option::is_some)
            || self.world.vifs().any(|vif| {
                // The chip passes the first beacon of a BSS whatever its filters say (file 20, section 18, item 13); it
                // would wake the host at once.
                let first_beacon = vif.connection.is_associated() && !vif.filters.beacon_seen;
                // An answer that comes later would wake it too.
                let power_save =
                    vif.power_save.is_awaited() || vif.power_save_due(support, now).is_some();
                vif.work.is_due() || first_beacon || power_save
            })
    }

    /// There is no session any more, so nothing keeps a suspend or a resume from ending.
    pub(crate) fn end_host_sleep(&mut self, now: Instant) {
        if let Some(token) = self.world.host.take_suspending() {
            self.world.host.cut(now);
            let answer = Response::Suspended(Suspended::default());
            self.complete(Some(token), Ok(answer));
        }
        if let Some(token) = self.world.host.take_resuming() {
            self.world.host.end();
            let answer = Response::Resumed(Resumed::default());
            self.complete(Some(token), Ok(answer));
        }
    }

    /// Whether requests may begin: not before the chip is configured, and not while Wi-Fi is being stopped.
    pub(crate) fn set_open(&mut self, open: bool) {
        self.open = open;
    }

    /// The chip reported its start: configure it. The outcome is taken with [`take_started`](Self::take_started).
    pub(crate) fn begin_startup(&mut self) {
        self.started = None;
        self.running = Some(Running {
            token: None,
            procedure: Procedure::Startup(Startup::default()),
        });
    }

    /// The outcome of the startup, once.
    pub(crate) fn take_started(&mut self) -> Option<Result<Response, RequestError>> {
        self.started.take()
    }

    /// A rung of the recovery ladder that somebody asked for.
    pub(crate) fn take_wanted_rung(&mut self) -> Option<(Token, Rung)> {
        self.wanted.take()
    }

    /// Whether a request to stop or to switch off is next, whatever is under way.
    pub(crate) fn wants_off(&self) -> bool {
        matches!(
            self.orders.front(),
            Some((_, Order::Lifecycle(Lifecycle::Stop | Lifecycle::PowerOff)))
        )
    }

    /// Takes the request that is next, if it changes the state of the device, whatever is under way.
    pub(crate) fn take_off_request(&mut self) -> Option<Token> {
        if self.wants_off() {
            self.orders.pop().map(|(token, _)| token)
        } else {
            None
        }
    }

    /// Resets every interface at once: what is under way is given up. With `forget` the stack makes them anew afterwards.
    /// `token` is answered at the end.
    pub(crate) fn begin_interface_reset(
        &mut self,
        token: Option<Token>,
        forget: bool,
        now: Instant,
    ) {
        // The answer to a command that is still outstanding belongs to nobody.
        self.outstanding = None;
        self.waits_until = None;
        self.world.verdict = None;
        self.scan.abort(&mut self.world);
        self.end_flushes();
        if let Some(running) = self.running.take() {
            if let Procedure::Sleep(_) | Procedure::Wake(_) = running.procedure {
                let cause = cause_of(RequestError::Aborted);
                self.world.power.step_done(Err(cause), now);
            }
            self.complete(running.token, Err(RequestError::Aborted));
        }
        if forget {
            self.drop_orders();
        }
        self.running = Some(Running {
            token,
            procedure: Procedure::InterfaceReset(InterfaceReset::begin(&mut self.world, forget)),
        });
    }

    fn end_flushes(&mut self) {
        for index in 0..self.flushes.len() {
            let flush = self.flushes.get_mut(index).and_then(Option::take);
            self.complete(flush.map(|flush| flush.token), Err(RequestError::Aborted));
        }
    }

    /// Requests that wait are answered, up to one that changes the state of the device.
    fn drop_orders(&mut self) {
        while let Some((_, order)) = self.orders.front() {
            if let Order::Lifecycle(_) = order {
                return;
            }
            if let Some((token, order)) = self.orders.pop() {
                if !matches!(order, Order::Scan) {
                    self.complete(Some(token), Err(RequestError::Aborted));
                }
            }
        }
    }

    /// The messages before sleep. `false` if something else is under way.
    pub(crate) fn begin_sleep(&mut self) -> bool {
        self.begin_power(Procedure::Sleep(SleepMessages::default()))
    }

    /// The messages after sleep.
    pub(crate) fn begin_wake(&mut self) -> bool {
        // Messages before sleep that are still under way are given up.
        if matches!(
            self.running,
            Some(Running {
                procedure: Procedure::Sleep(_),
                ..
            })
        ) && self.outstanding.is_none()
        {
            self.running = None;
        }
        self.begin_power(Procedure::Wake(WakeMessages::default()))
    }

    fn begin_power(&mut self, procedure: Procedure) -> bool {
        if self.running.is_some() {
            return false;
        }
        self.running = Some(Running {
            token: None,
            procedure,
        });
        true
    }

    /// The next command.
    pub(crate) fn next_command(&mut self, now: Instant, out: &mut [u8]) -> Option<Command> {
        if self.outstanding.is_some() || self.world.verdict.is_some() {
            return None;
        }
        self.waits_until = None;
        if self.has_nothing(now) {
            return None;
        }
        self.find_command(now, out)
    }

    /// Whether nobody wants a command: mostly so while frames flow, and asked for with each batch of them.
    #[inline]
    fn has_nothing(&self, now: Instant) -> bool {
        let support = &self.world.power.support;
        self.running.is_none()
            && self.orders.is_empty()
            && !self.world.coex.has_message()
            && !self.scan.wants_channel()
            && InterfaceId::ALL.into_iter().all(|id| {
                self.world.vif(id).is_none_or(|vif| {
                    !vif.work.is_due() && vif.power_save_due(support, now).is_none()
                })
            })
    }

    /// The next command of whoever wants one. Apart, because it is long, and what it might need is made ready at its start.
    #[inline(never)]
    fn find_command(&mut self, now: Instant, out: &mut [u8]) -> Option<Command> {
        for _ in 0..TURNS {
            if let Some(message) = self.world.coex.poll() {
                if let Ok(len) = command::coexistence(out, message) {
                    return Some(self.send(Source::Coexistence, len, out));
                }
            }
            if let Some(running) = &mut self.running {
                match running.procedure.next(&mut self.world, now, out) {
                    Next::Send(len) => return Some(self.send(Source::Procedure, len, out)),
                    Next::Wait(until) => {
                        self.waits_until = Some(until);
                        return None;
                    }
                    Next::Done(result) => {
                        self.finish(result, now);
                        continue;
                    }
                }
            }
            if !self.world.power.is_open() {
                return None;
            }
            if self.scan.wants_channel() {
                match self.scan.next(&mut self.world, now, out) {
                    Next::Send(len) => return Some(self.send(Source::Scan, len, out)),
                    Next::Wait(until) => {
                        self.waits_until = Some(until);
                        return None;
                    }
                    Next::Done(_) => continue,
                }
            }
            if !self.open || !self.begin_next(now) {
                return None;
            }
        }
        None
    }

    fn send(&mut self, source: Source, len: usize, out: &[u8]) -> Command {
        self.outstanding = Some(source);
        let id = out.get(2..4).and_then(|bytes| bytes.first_chunk::<2>());
        let id = id.map_or(0, |bytes| u16::from_le_bytes(*bytes));
        let healing = matches!(
            self.running,
            Some(Running {
                procedure: Procedure::InterfaceReset(_),
                ..
            })
        );
        let timeout = match MessageId::from_raw(id) {
            MessageId::RESET if healing => HEALING_TIMEOUT,
            MessageId::JOIN | MessageId::RESET | MessageId::START => LONG_TIMEOUT,
            _ => TIMEOUT,
        };
        Command { len, timeout }
    }

    /// The answer to the outstanding command.
    pub(crate) fn command_done(&mut self, result: Result<&[u8], CommandError>, now: Instant) {
        let answer = Answer::new(result);
        match self.outstanding.take() {
            Some(Source::Procedure) => {
                if let Some(running) = &mut self.running {
                    running.procedure.answer(&mut self.world, answer, now);
                }
            }
            Some(Source::Scan) => self.scan.answer(&mut self.world, answer, now),
            Some(Source::Coexistence) => {
                // Bluetooth gets a smaller or larger share than it should; nothing else depends on it.
                let _ended_with_the_session = answer.optional(&mut self.world);
            }
            None => {}
        }
    }

    fn finish(&mut self, result: Result<Response, RequestError>, now: Instant) {
        let Some(running) = self.running.take() else {
            return;
        };
        match running.procedure {
            Procedure::Startup(_) => self.started = Some(result),
            Procedure::Sleep(_) | Procedure::Wake(_) => {
                let result = result.map(|_| ()).map_err(cause_of);
                self.world.power.step_done(result, now);
            }
            _ => {}
        }
        self.complete(running.token, result);
    }

    /// Begins what is due next. `false` if there is nothing that may begin now.
    fn begin_next(&mut self, now: Instant) -> bool {
        if let Some(procedure) = self.begin_work(now) {
            self.running = Some(Running {
                token: None,
                procedure,
            });
            return true;
        }
        let Some((_, order)) = self.orders.front() else {
            return false;
        };
        let order = *order;
        if matches!(order, Order::Lifecycle(_)) || !self.may_begin(order) {
            return false;
        }
        let Some((token, _)) = self.orders.pop() else {
            return false;
        };
        if self.world.host.is_quiescing() && matches!(order, Order::Join(..)) {
            self.complete(Some(token), Err(RequestError::Aborted));
            return true;
        }
        if let Order::Scan = order {
            self.scan.begin(&mut self.world);
            return true;
        }
        match self.begin_order(order, now) {
            Ok(Some(procedure)) => {
                self.running = Some(Running {
                    token: Some(token),
                    procedure,
                });
            }
            Ok(None) => self.complete(Some(token), Ok(Response::Done)),
            Err(error) => self.complete(Some(token), Err(error)),
        }
        true
    }

    /// Whether a request may begin beside a running scan, and a scan beside the state of its interface.
    fn may_begin(&mut self, order: Order) -> bool {
        match order {
            // A scan narrows the channel and goes back to it: the width changes before or after it.
            Order::Join(..)
            | Order::Unjoin(_)
            | Order::Disassociated(_)
            | Order::Associated(..)
            | Order::Bandwidth(..) => !self.scan.is_running(),
            // The access point has moved; a scan would go on for seconds.
            Order::SwitchChannel(channel, channel_type) => {
                let scanning = self.scan.is_running()
                    && ChannelChange::is_needed(&self.world, channel, channel_type);
                if scanning {
                    self.scan.cancel(&mut self.world, None);
                }
                !scanning
            }
            Order::RemoveInterface(id) => {
                let mine = self.scan.is_running() && self.scan.interface() == Some(id);
                if mine {
                    self.scan.cancel(&mut self.world, None);
                }
                !mine
            }
            // The firmware cannot scan while it is joined but not associated (file 31, section 7.2).
            Order::Scan => {
                let mut waits = false;
                for vif in self.world.vifs_mut() {
                    if let Connection::Joined { .. } = vif.connection {
                        vif.work.unjoin = true;
                        waits = true;
                    }
                }
                !waits
            }
            _ => true,
        }
    }

    /// Work that the interfaces have by themselves.
    fn begin_work(&mut self, now: Instant) -> Option<Procedure> {
        let scanning = self.scan.is_running();
        // Requests were made before the frame that wants to join, the end of the last connection among them.
        let requests_first = self
            .orders
            .front()
            .is_some_and(|(_, order)| !matches!(order, Order::Scan | Order::Lifecycle(_)));
        let support = self.world.power.support;
        for id in InterfaceId::ALL {
            let Some(vif) = self.world.vif_mut(id) else {
                continue;
            };
            if vif.work.unjoin && !scanning {
                vif.work.unjoin = false;
                if vif.connection.joined_bssid().is_some() {
                    return Some(Procedure::Unjoin(Unjoin::begin(
                        &mut self.world,
                        id,
                        true,
                        now,
                    )));
                }
                continue;
            }
            if !scanning && !requests_first {
                if let Some(bss) = vif.work.join.take() {
                    match Join::begin(&mut self.world, id, bss, now) {
                        Ok(join) => return Some(Procedure::Join(join)),
                        Err(_) => self.world.ask(Effect::DropHeld(id)),
                    }
                    continue;
                }
            }
            if let Some(index) = vif.work.wep_key.take() {
                if vif.wep_key != Some(index) {
                    return Some(Procedure::Setting(Setting::wep_key(id, index)));
                }
            }
            if core::mem::take(&mut vif.work.filters) && vif.connection.is_joined() {
                return Some(Procedure::Setting(Setting::filters(id)));
            }
            if core::mem::take(&mut vif.work.awake) && vif.connection.is_associated() {
                vif.power_save.handle_awake(now);
                return Some(Procedure::Setting(Setting::awake(id)));
            }
            if core::mem::take(&mut vif.work.wake_period) && vif.connection.is_associated() {
                return Some(Procedure::Setting(Setting::wake_period(id)));
            }
            if let Some(request) = vif.power_save_due(&support, now) {
                vif.power_save.handle_sent(request, now);
                return Some(Procedure::Setting(Setting::power_save(id, request)));
            }
        }
        None
    }

    /// Whether frames of the interface may leave now.
    #[inline]
    pub(crate) fn may_send(&self, id: InterfaceId) -> bool {
        let held = self.world.hold.get(id.index()).copied().unwrap_or(true);
        !held
            && self.world.channel_switch == ChannelSwitch::Idle
            && !self.scan.is_off_channel()
            && self.world.verdict.is_none()
            && self.world.power.is_open()
    }

    /// The session is over: what is under way is answered, and what the chip knew is forgotten. Requests that wait stay
    /// where they are.
    pub(crate) fn close(&mut self) {
        self.open = false;
        self.outstanding = None;
        self.waits_until = None;
        self.started = None;
        self.scan.abort(&mut self.world);
        if let Some(running) = self.running.take() {
            self.complete(running.token, Err(RequestError::Aborted));
        }
        self.end_flushes();
        self.world.power.stop();
        self.world.reset();
    }

    /// The same, and requests that wait are answered as well.
    pub(crate) fn abort(&mut self) {
        self.close();
        while let Some((token, order)) = self.orders.pop() {
            // A scan that waited was answered with the others.
            if !matches!(order, Order::Scan) {
                self.complete(Some(token), Err(RequestError::Aborted));
            }
        }
    }

    /// The same as [`abort`](Self::abort), but requests that change the state of the device stay.
    pub(crate) fn end_for_restart(&mut self) {
        self.close();
        self.drop_orders();
    }

    /// Whether nothing is under way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.running.is_none() && self.outstanding.is_none() && !self.scan.is_active()
    }
}
