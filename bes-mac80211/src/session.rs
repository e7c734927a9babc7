//! The data path and the control plane together, as the bottom half sees them.

use crate::beacon::Beacon;
use crate::config::DeviceConfig;
use crate::control::Control;
use crate::departure::TurnEnd;
use crate::disconnect::{Disconnect, Membership};
use crate::dump::Dump;
use crate::encapsulation::{self, encapsulate, may_go_back, outcome, restore, template};
use crate::event::Event;
use crate::indication;
use crate::policy_upload::{PolicyUpload, UPLOAD_TIMEOUT};
use crate::queue::{
    Backpressure, FifoId, FrameNumber, Limits, Record, Removed, TxQueues, INTERFACES, POOL,
};
use crate::rate_policy::{Acquisition, RatePolicies, RetryLimits};
use crate::recovery::{Recovery, RecoveryPolicy};
use crate::rx::{self, RxStatus};
use crate::scheduler::Scheduler;
use crate::stats::Stats;
use crate::template as frames;
use crate::tx::{Outline, TxDrop, TxRefused, TxStatus};
use crate::types::{AccessCategory, TxInfo};
use crate::wake::WakeReason;
use crate::world::{Effect, Pieces};
use bes_hal::frame::{RxBuffer, Span, TxFrame};
use bes_hal::stack::{RxPart, Stack};
use bes_hal::transport::MAX_BATCH;
use bes_hal::{Instant, Memory, NoMemory};
use bes_pm::ledger::Owner;
use bes_pm::reason::Reason;
use bes_wsm::anomaly::Anomaly;
use bes_wsm::client::{Client, Command, CommandError, FrameSink, Offer, Outgoing, ReturnReason};
use bes_wsm::wire::tx::TransmitConfirm;
use bes_wsm::wire::{InterfaceId, MessageId, Status};

/// What travels with a frame through the chip: the number of its place, where everything known about it is.
pub type Tag = FrameNumber;

/// A value in its place. Not inlined, so that it is gone from the stack before the next one is made.
#[inline(never)]
pub(crate) fn place_default<T: Default, M: Memory>(
    memory: &mut M,
) -> Result<M::Place<T>, NoMemory> {
    memory.place(T::default())
}

/// Everything of a device but the bottom half.
pub(crate) struct Core<F, M: Memory> {
    pub(crate) control: M::Place<Control<M>>,
    pub(crate) queues: TxQueues<F, M>,
    pub(crate) scheduler: Scheduler,
    pub(crate) policies: M::Place<RatePolicies>,
    pub(crate) upload: PolicyUpload,
    /// Frames of each interface inside the chip.
    pub(crate) in_chip: [usize; INTERFACES],
    pub(crate) stats: M::Place<Stats>,
    /// Authentication frames that wait for a join.
    pub(crate) held: [Option<(F, TxInfo)>; INTERFACES],
    /// Null frames that ask an access point whether it is there.
    pub(crate) nulls: [Option<F>; INTERFACES],
    /// Received frames of a burst, until they are handed up.
    parts: M::Place<[RxPart<RxStatus>; MAX_BATCH]>,
    part_count: usize,
    /// A command was answered or an indication came since the life cycle looked.
    pub(crate) stirred: bool,
    /// What is received may be what woke the host.
    pub(crate) watching: bool,
    /// Received unicast data frames.
    pub(crate) unicast: Unicast,
    /// The recovery ladder.
    pub(crate) recovery: M::Place<Recovery>,
    /// The last core dump.
    pub(crate) dump: Dump<M>,
}

/// Received unicast data frames, as the diagnosis wants them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unicast {
    pub(crate) frames: u64,
    /// Those with the retry bit: an earlier attempt was lost.
    pub(crate) repeated: u64,
    /// `frames` at the end of the last burst.
    seen: u64,
}

/// The ladder where it stays. Not inlined, so that it is gone from the stack when it has its place.
#[inline(never)]
fn place_recovery<M: Memory>(
    policy: RecoveryPolicy,
    memory: &mut M,
) -> Result<M::Place<Recovery>, NoMemory> {
    memory.place(Recovery::new(policy))
}

impl<F: TxFrame, M: Memory> Core<F, M> {
    /// A core where it stays. Pieces are made and placed one by one, so that none of them lies on the stack together with
    /// another.
    #[inline(never)]
    pub(crate) fn placed(
        config: DeviceConfig,
        pieces: Pieces<M>,
        memory: &mut M,
    ) -> Result<M::Place<Self>, NoMemory> {
        let recovery = place_recovery(config.recovery, memory)?;
        let core = Self {
            control: Control::placed(config, pieces, memory)?,
            queues: TxQueues::new(memory, POOL, Limits::DEFAULT)?,
            scheduler: Scheduler::new(),
            policies: place_default(memory)?,
            upload: PolicyUpload::new(),
            in_chip: [0; INTERFACES],
            stats: place_default(memory)?,
            held: [const { None }; INTERFACES],
            nulls: [const { None }; INTERFACES],
            parts: memory.place([rx::BLANK; MAX_BATCH])?,
            part_count: 0,
            stirred: false,
            watching: false,
            unicast: Unicast::default(),
            recovery,
            dump: Dump::new(memory)?,
        };
        memory.place(core)
    }

    /// Tells the control plane how many frames each interface has on their way.
    pub(crate) fn refresh_backlog(&mut self) {
        for id in InterfaceId::ALL {
            let in_chip = self.in_chip.get(id.index()).copied().unwrap_or(0);
            let queued = self.queues.interface_frames(id);
            let world = &mut self.control.world;
            if let Some(count) = world.backlog.get_mut(id.index()) {
                *count = in_chip.saturating_add(queued);
            }
            if let Some(count) = world.in_chip.get_mut(id.index()) {
                *count = in_chip;
            }
        }
    }

    /// Whether the chip has to answer an upload of policies.
    pub(crate) const fn is_uploading(&self) -> bool {
        self.upload.is_under_way()
    }

    /// Whether frames wait for an upload that may go out now. The bottom half asks for commands before it asks for
    /// frames, so it has to be asked once more.
    pub(crate) fn upload_due(&self, now: Instant) -> bool {
        self.upload.is_due(now)
    }

    /// When something of the data path is due.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        bes_hal::time::earliest(self.queues.next_deadline(), self.upload.pause(now))
    }
}

/// Core and stack together, for the time of one run.
pub(crate) struct Session<'a, S: Stack> {
    pub(crate) core: &'a mut Core<S::Frame, S::Memory>,
    pub(crate) stack: &'a mut S,
}

impl<S> Session<'_, S>
where
    S: Stack<RxStatus = RxStatus, TxStatus = TxStatus, Event = Event>,
{
    fn give_back(&mut self, removed: Removed<S::Frame>, reason: TxDrop) {
        self.core.stats.give_back(&mut *self.stack, removed, reason);
    }

    fn give_back_held(&mut self, interface: InterfaceId, reason: TxDrop) {
        let held = self
            .core
            .held
            .get_mut(interface.index())
            .and_then(Option::take);
        if let Some((frame, info)) = held {
            let fifo = FifoId::new(interface, info.access_category);
            let len = Outline::of(frame.bytes(), &info).len;
            self.give_back(Removed { frame, fifo, len }, reason);
        }
    }

    /// Gives back what is too old.
    pub(crate) fn expire(&mut self, now: Instant) {
        let Self { core, stack } = self;
        let stats = &mut *core.stats;
        core.queues.expire(now, |removed| {
            stats.give_back(*stack, removed, TxDrop::Expired);
        });
    }

    fn flush(&mut self, interface: InterfaceId) {
        let Self { core, stack } = self;
        let stats = &mut *core.stats;
        core.queues.flush(interface, |removed| {
            stats.give_back(*stack, removed, TxDrop::Flushed);
        });
        core.scheduler.reset(interface);
    }

    /// Does what the control plane wants of the data path.
    pub(crate) fn apply_effects(&mut self, now: Instant) {
        while let Some(effect) = self.core.control.world.effects.pop() {
            match effect {
                Effect::Flush(id) => self.flush(id),
                Effect::ForgetPolicies => {
                    self.core.policies.reset();
                    self.core.upload.refresh(&self.core.policies);
                }
                Effect::ReleaseHeld(id) => {
                    let held = self.core.held.get_mut(id.index()).and_then(Option::take);
                    if let Some((frame, info)) = held {
                        let fifo = FifoId::new(id, info.access_category);
                        let outline = Outline::of(frame.bytes(), &info);
                        let queues = &mut self.core.queues;
                        if let Err(frame) = queues.push(fifo, frame, info, outline, now) {
                            let len = outline.len;
                            let full = TxDrop::Refused(TxRefused::QueueFull);
                            self.give_back(Removed { frame, fifo, len }, full);
                        }
                    }
                }
                Effect::DropHeld(id) => {
                    self.give_back_held(id, TxDrop::Refused(TxRefused::NotJoined));
                }
                Effect::SendNull(id) => self.send_null(id, now),
                Effect::RetryLimits { short, long } => {
                    self.core.policies.set_limits(RetryLimits { short, long });
                    self.core.upload.refresh(&self.core.policies);
                }
            }
        }
    }

    fn send_null(&mut self, id: InterfaceId, now: Instant) {
        let Some(vif) = self.core.control.world.vif_mut(id) else {
            return;
        };
        let Some(bssid) = vif.connection.joined_bssid() else {
            return;
        };
        let content = frames::null(bssid, vif.address);
        match self.stack.allocate(&content) {
            Some(frame) => {
                if let Some(slot) = self.core.nulls.get_mut(id.index()) {
                    *slot = Some(frame);
                }
            }
            // Without memory it counts as one that was not answered.
            None => {
                let _no_answer = vif.beacon_loss.handle_null(false, now);
            }
        }
    }

    /// Tells the stack what happened. Never while a burst is being taken apart.
    pub(crate) fn deliver_events(&mut self) {
        while let Some(change) = self.core.queues.poll_backpressure() {
            let (
                FifoId {
                    interface,
                    access_category,
                },
                stop,
            ) = match change {
                Backpressure::Stop(fifo) => (fifo, true),
                Backpressure::Wake(fifo) => (fifo, false),
            };
            self.stack.notify(if stop {
                Event::QueueStop {
                    interface,
                    access_category,
                }
            } else {
                Event::QueueWake {
                    interface,
                    access_category,
                }
            });
        }
        while let Some(event) = self.core.control.world.events.pop() {
            self.stack.notify(event);
        }
    }

    /// The session is over: every frame goes back. Those inside the chip came back before.
    pub(crate) fn abandon(&mut self) {
        for id in InterfaceId::ALL {
            self.give_back_held(id, TxDrop::Closed);
        }
        let Self { core, stack } = self;
        let stats = &mut *core.stats;
        core.queues.clear(|removed| {
            stats.give_back(*stack, removed, TxDrop::Closed);
        });
        core.nulls = [const { None }; INTERFACES];
        core.upload.abandon(&mut core.policies);
        core.in_chip = [0; INTERFACES];
        core.part_count = 0;
        core.scheduler = Scheduler::new();
    }

    /// A null frame of the driver, if one waits and may leave.
    #[cold]
    fn find_null(&mut self, now: Instant) -> Option<Outgoing<S::Frame, Tag>> {
        for id in InterfaceId::ALL {
            let waits = self.core.nulls.get(id.index()).is_some_and(Option::is_some);
            if !waits || !self.core.control.may_send(id) {
                continue;
            }
            let vif = self.core.control.world.vif(id)?;
            let Some(home) = vif.home else {
                continue;
            };
            // Rates of its own: these frames decide whether the access point is lost (file 30, D11).
            let info = TxInfo::new(AccessCategory::Voice, home.band());
            let Acquisition::Ready(policy) = self.core.policies.acquire(info.rates, info.band)
            else {
                self.core.stirred |= self.core.upload.want();
                continue;
            };
            let frame = self.core.nulls.get_mut(id.index()).and_then(Option::take)?;
            let fifo = FifoId::new(id, info.access_category);
            let context = self.core.context(id, now);
            let queues = &mut self.core.queues;
            // There is a place: those at the end of the pool are for these frames.
            if let Ok(number) = queues.enlist(fifo, frame, info, now) {
                let made = queues.enlisted_mut(number).is_some_and(|(frame, record)| {
                    let template = template(fifo, &policy, &context);
                    encapsulate(frame, record, &policy, &template, &context).is_ok()
                });
                if let Some(frame) = queues.take_enlisted(number).filter(|_| made) {
                    self.core.count_out(id, 1);
                    return Some(Outgoing {
                        frame,
                        tag: number,
                        queue: fifo.access_category.number(),
                        interface: id,
                        link: info.link.raw(),
                    });
                }
                queues.retire(number);
            }
            self.core.policies.release(policy.index);
            if let Some(vif) = self.core.control.world.vif_mut(id) {
                let _no_answer = vif.beacon_loss.handle_null(false, now);
            }
        }
        None
    }

    /// A frame that was away has its status.
    #[inline(always)]
    fn finish(
        &mut self,
        mut frame: S::Frame,
        number: FrameNumber,
        now: Instant,
        status: impl FnOnce(&Record) -> TxStatus,
    ) {
        let core = &mut *self.core;
        let Some(record) = core.queues.retire(number) else {
            return;
        };
        let (fifo, len) = (record.fifo, record.outline.len);
        core.policies.release(record.policy);
        if let Some(count) = core.in_chip.get_mut(fifo.interface.index()) {
            *count = count.saturating_sub(1);
        }
        restore(&mut frame, record);
        let status = status(record);
        if record.own {
            let world = &mut core.control.world;
            let is_there = world
                .vif_mut(fifo.interface)
                .is_some_and(|vif| vif.beacon_loss.handle_null(status.is_acked(), now));
            if is_there {
                // The chip said that beacons stopped, and never that they came back.
                world.diagnosis.leaked(now);
            }
            return;
        }
        core.stats.count_status(fifo, len, &status);
        self.stack.tx_status(frame, status);
    }

    /// A frame was not acknowledged at its first attempt.
    #[inline(never)]
    fn confirmed_otherwise(
        &mut self,
        frame: S::Frame,
        number: FrameNumber,
        confirm: &TransmitConfirm,
        now: Instant,
    ) {
        if confirm.is_requeue() {
            self.put_back(frame, number, now);
            return;
        }
        if confirm.ack_failures > 0 {
            self.core.note_repetition(number, confirm);
        }
        self.finish(frame, number, now, |record| outcome(record, confirm));
    }

    /// The chip has not sent a frame.
    #[cold]
    fn put_back(&mut self, mut frame: S::Frame, number: FrameNumber, now: Instant) {
        let core = &mut *self.core;
        let Some(record) = core.queues.away(number) else {
            return;
        };
        if record.own || !may_go_back(record) {
            self.finish(frame, number, now, |_| TxStatus::dropped(TxDrop::Requeued));
            return;
        }
        let (fifo, policy) = (record.fifo, record.policy);
        restore(&mut frame, record);
        core.policies.release(policy);
        if let Some(count) = core.in_chip.get_mut(fifo.interface.index()) {
            *count = count.saturating_sub(1);
        }
        if core.queues.put_back(number, frame).is_ok() {
            core.stats.count_requeued(fifo);
        }
    }

    /// Beacons and disconnections concern the driver as well as the stack.
    fn note_management(
        &mut self,
        frame: &[u8],
        interface: InterfaceId,
        status: Status,
        now: Instant,
    ) {
        let world = &mut self.core.control.world;
        let Some(vif) = world.vif_mut(interface) else {
            return;
        };
        if !vif.connection.is_joined() {
            return;
        }
        let Some(bssid) = vif.connection.joined_bssid() else {
            return;
        };
        if let Some(beacon) = Beacon::of(frame, bssid) {
            // Once per join, not with every beacon (file 30, D21).
            if !vif.filters.beacon_seen {
                vif.filters.beacon_seen = true;
                vif.work.filters = true;
            }
            let period = beacon.tim.map_or(0, |tim| tim.dtim_period);
            if period != 0 && period != vif.dtim_period {
                vif.dtim_period = period;
                vif.work.wake_period = vif.connection.is_associated();
            }
            return;
        }
        let membership = Membership {
            address: vif.address,
            bssid,
            pmf: vif
                .association
                .is_some_and(|association| association.protected_management),
            connecting: !vif.connection.is_associated(),
        };
        if let Disconnect::Leave { .. } = Disconnect::judge(frame, status, &membership) {
            vif.work.unjoin = true;
            world.host.note(interface, WakeReason::Disconnect);
            world
                .power
                .touch(Reason::Disconnect, Owner::Interface(interface.raw()), now);
            // Nobody is there to acknowledge them any more.
            world.ask(Effect::Flush(interface));
        }
    }
}

impl<S> Client for Session<'_, S>
where
    S: Stack<RxStatus = RxStatus, TxStatus = TxStatus, Event = Event>,
{
    type Frame = S::Frame;
    type Buffer = S::Buffer;
    type Tag = Tag;

    fn next_command(&mut self, now: Instant, out: &mut [u8]) -> Option<Command> {
        let core = &mut *self.core;
        if let Some(len) = core.upload.message(&mut core.policies, now, out) {
            return Some(Command {
                len,
                timeout: UPLOAD_TIMEOUT,
            });
        }
        self.core.refresh_backlog();
        let command = self.core.control.next_command(now, out);
        self.apply_effects(now);
        command
    }

    fn command_done(&mut self, result: Result<&[u8], CommandError>, now: Instant) {
        self.core.stirred = true;
        if let Some(upload) = self.core.upload.take() {
            let answer = crate::procedure::Answer::new(result);
            let accepted = matches!(answer, crate::procedure::Answer::Success(_));
            let _ended_with_the_session = answer.optional(&mut self.core.control.world);
            let core = &mut *self.core;
            core.upload.done(&mut core.policies, &upload, accepted, now);
            return;
        }
        self.core.control.command_done(result, now);
        self.apply_effects(now);
    }

    fn frames(&mut self, now: Instant, sink: &mut impl FrameSink<S::Frame, Tag>) {
        while self.core.nulls.iter().any(Option::is_some) {
            let Some(null) = self.find_null(now) else {
                break;
            };
            match sink.offer(null) {
                Offer::More => {}
                Offer::Enough => return,
                Offer::Unsendable(frame, tag) => {
                    self.returned(frame, tag, ReturnReason::Unsendable, now);
                }
            }
        }
        let mut ready = self.core.ready();
        let mut context = None;
        while let Some(turn) = self.core.scheduler.next(ready) {
            let interface = turn.fifo.interface;
            let context = match context {
                Some((of, context)) if of == interface => context,
                _ => {
                    let fresh = self.core.context(interface, now);
                    context = Some((interface, fresh));
                    fresh
                }
            };
            match self.core.serve(turn, ready, &context, sink) {
                TurnEnd::Enough => return,
                TurnEnd::Waits => ready = ready.without(turn.fifo),
                TurnEnd::Over => {}
                TurnEnd::Refused(removed, refused) => {
                    self.give_back(removed, TxDrop::Refused(refused));
                }
                TurnEnd::Unsendable(frame, number) => {
                    self.returned(frame, number, ReturnReason::Unsendable, now);
                }
            }
            ready = ready.and(self.core.queues.waiting());
        }
    }

    fn backlog(&self) -> usize {
        self.core.queues.len()
    }

    #[inline(always)]
    fn confirmed(&mut self, frame: S::Frame, tag: Tag, confirm: &TransmitConfirm, now: Instant) {
        if confirm.status.is_success() && confirm.ack_failures == 0 {
            self.finish(frame, tag, now, |record| {
                encapsulation::at_once(record, confirm)
            });
        } else {
            self.confirmed_otherwise(frame, tag, confirm, now);
        }
    }

    fn returned(&mut self, frame: S::Frame, tag: Tag, reason: ReturnReason, now: Instant) {
        self.finish(frame, tag, now, |_| encapsulation::returned(reason));
    }

    fn receive(
        &mut self,
        buffer: &mut S::Buffer,
        message: Span,
        now: Instant,
    ) -> Result<(), Anomaly> {
        let generic = if self.core.control.scan.is_running() {
            self.core.control.scan.interface()
        } else {
            None
        };
        let received = match rx::examine(buffer.bytes_mut(), message, generic, now) {
            Ok(received) => received,
            Err(reason) => {
                self.core.stats.count_drop(reason);
                return reason.anomaly().map_or(Ok(()), Err);
            }
        };
        let rx::Received {
            part,
            control,
            group,
        } = received;
        let interface = part.status.interface;
        if control.is_management() {
            let bytes = buffer.bytes();
            let frame = part.span.of(bytes);
            let status = message
                .of(bytes)
                .get(4..8)
                .and_then(|word| word.first_chunk::<4>())
                .map_or(Status::Failure, |word| {
                    Status::from_raw(u32::from_le_bytes(*word))
                });
            self.note_management(frame, interface, status, now);
        } else if self.core.watching {
            let own = self
                .core
                .control
                .world
                .vif(interface)
                .map(|vif| vif.address);
            if let Some(own) = own.filter(|_| control.is_data()) {
                self.core.control.world.host.note_data(
                    interface,
                    part.span.of(buffer.bytes()),
                    own,
                );
            }
        } else if control.is_data() && !group {
            self.core
                .control
                .world
                .power
                .touch(Reason::Rx, Owner::Interface(interface.raw()), now);
        }
        if control.is_data() && !group {
            let unicast = &mut self.core.unicast;
            unicast.frames = unicast.frames.wrapping_add(1);
            unicast.repeated = unicast.repeated.wrapping_add(u64::from(control.is_retry()));
        }
        let Some(slot) = self.core.parts.get_mut(self.core.part_count) else {
            return Err(Anomaly::Malformed(MessageId::RECEIVE));
        };
        *slot = part;
        // At most as many as there are slots.
        self.core.part_count = self.core.part_count.wrapping_add(1);
        self.core
            .stats
            .count_received(part.span.len, &part.status, control.is_protected());
        Ok(())
    }

    fn indication(&mut self, message: &[u8], now: Instant) -> Result<(), Anomaly> {
        self.core.stirred = true;
        let outcome = indication::handle(&mut self.core.control, message, now);
        self.apply_effects(now);
        outcome
    }

    fn end_of_burst(&mut self, buffer: S::Buffer, now: Instant) {
        let count = core::mem::take(&mut self.core.part_count);
        let parts = self.core.parts.get(..count);
        if let Some(parts) = parts.filter(|parts| !parts.is_empty()) {
            self.core.stats.deliveries = self.core.stats.deliveries.wrapping_add(1);
            let unicast = &mut self.core.unicast;
            if core::mem::replace(&mut unicast.seen, unicast.frames) != unicast.frames {
                self.core.control.world.diagnosis.arrived(now);
            }
            self.stack.deliver(buffer, parts);
        }
        self.apply_effects(now);
        self.deliver_events();
    }
}
