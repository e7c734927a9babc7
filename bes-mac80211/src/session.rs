//! The data path and the control plane together, as the bottom half sees them.

use crate::address::is_group;
use crate::beacon::Beacon;
use crate::config::DeviceConfig;
use crate::control::Control;
use crate::disconnect::{Disconnect, Membership};
use crate::event::Event;
use crate::indication;
use crate::mpdu::{receiver, FrameControl};
use crate::queue::{Backpressure, FifoId, FifoSet, Limits, Queued, TxQueues, INTERFACES, POOL};
use crate::rate_policy::{Acquisition, RatePolicies, RetryLimits, Upload};
use crate::rx::{self, RxStatus};
use crate::scheduler::Scheduler;
use crate::stats::Stats;
use crate::template;
use crate::tx::{self, Confirmed, TxContext, TxDrop, TxRefused, TxStatus, TxTag};
use crate::types::{AccessCategory, Cipher, TxInfo};
use crate::vif::Connection;
use crate::world::{Effect, Pieces};
use bes_hal::frame::{RxBuffer, Span, TxFrame};
use bes_hal::stack::{RxPart, Stack};
use bes_hal::transport::MAX_BATCH;
use bes_hal::{Duration, Instant, Memory, NoMemory};
use bes_pm::ledger::Owner;
use bes_pm::reason::Reason;
use bes_wsm::anomaly::Anomaly;
use bes_wsm::client::{Client, Command, CommandError, FrameSink, Offer, Outgoing, ReturnReason};
use bes_wsm::wire::mib::WriteMib;
use bes_wsm::wire::tx::TransmitConfirm;
use bes_wsm::wire::{InterfaceId, MessageId, Request as _, Status};

/// How long the chip may take to take over rate policies.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(6);
/// How long to wait before trying again after the chip refused them.
const UPLOAD_PAUSE: Duration = Duration::from_millis(100);

/// What travels with a frame through the chip.
#[derive(Clone, Copy, Debug)]
pub struct Tag {
    tx: TxTag,
    /// A frame of the driver itself: the stack never sees it.
    own: bool,
}

/// A value in its place. Not inlined, so that it is gone from the stack before the next one is made.
#[inline(never)]
pub(crate) fn place_default<T: Default, M: Memory>(
    memory: &mut M,
) -> Result<M::Place<T>, NoMemory> {
    memory.place(T::default())
}

/// What became of the first frame of a FIFO.
enum Taken<F> {
    /// It goes to the chip.
    Frame(Outgoing<F, Tag>),
    /// It waits for something; so do those behind it.
    Waits,
    /// It cannot be sent after all.
    Refused(Queued<F>, TxRefused),
}

/// Everything of a device but the bottom half.
pub(crate) struct Core<F, M: Memory> {
    pub(crate) control: M::Place<Control<M>>,
    pub(crate) queues: TxQueues<F, M>,
    scheduler: Scheduler,
    pub(crate) policies: M::Place<RatePolicies>,
    upload: Option<Upload>,
    upload_wanted: bool,
    upload_after: Instant,
    /// Frames of each interface inside the chip.
    in_chip: [usize; INTERFACES],
    pub(crate) stats: M::Place<Stats>,
    /// Authentication frames that wait for a join.
    held: [Option<(F, TxInfo)>; INTERFACES],
    /// Null frames that ask an access point whether it is there.
    nulls: [Option<F>; INTERFACES],
    /// Received frames of a burst, until they are handed up.
    parts: M::Place<Option<[RxPart<RxStatus>; MAX_BATCH]>>,
    part_count: usize,
    /// A command was answered or an indication came since the life cycle looked.
    pub(crate) stirred: bool,
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
        let core = Self {
            control: Control::placed(config, pieces, memory)?,
            queues: TxQueues::new(memory, POOL, Limits::DEFAULT)?,
            scheduler: Scheduler::new(),
            policies: place_default(memory)?,
            upload: None,
            upload_wanted: false,
            upload_after: Instant::ZERO,
            in_chip: [0; INTERFACES],
            stats: place_default(memory)?,
            held: [const { None }; INTERFACES],
            nulls: [const { None }; INTERFACES],
            parts: memory.place(None)?,
            part_count: 0,
            stirred: false,
        };
        memory.place(core)
    }

    /// Takes a frame of the stack.
    pub(crate) fn transmit(
        &mut self,
        interface: InterfaceId,
        frame: F,
        info: TxInfo,
        now: Instant,
    ) -> Result<(), (F, TxRefused)> {
        let fifo = FifoId::new(interface, info.access_category);
        let bytes = frame.bytes();
        let admitted = tx::check(bytes, &info)
            .and_then(|outline| Ok((outline, self.admit(interface, bytes, now)?)));
        let (outline, held) = match admitted {
            Ok(admitted) => admitted,
            Err(refused) => {
                self.stats.count_refused(fifo);
                return Err((frame, refused));
            }
        };
        let world = &mut self.control.world;
        world
            .power
            .touch(Reason::Tx, Owner::Interface(interface.raw()), now);
        if held {
            if let Some(slot) = self.held.get_mut(interface.index()) {
                if slot.is_none() {
                    *slot = Some((frame, info));
                    self.stats.count_queued(fifo);
                    return Ok(());
                }
            }
            // One is enough: the stack repeats it when it is lost.
            self.stats.count_refused(fifo);
            return Err((frame, TxRefused::QueueFull));
        }
        match self.queues.push_outlined(fifo, frame, info, outline, now) {
            Ok(()) => {
                self.stats.count_queued(fifo);
                Ok(())
            }
            Err(frame) => {
                self.stats.count_refused(fifo);
                Err((frame, TxRefused::QueueFull))
            }
        }
    }

    /// Whether a frame may be sent in the state of its interface; `true` if it has to wait for a join (specification:
    /// file 30, section 3.6; file 31, section 8.1).
    fn admit(
        &mut self,
        interface: InterfaceId,
        frame: &[u8],
        now: Instant,
    ) -> Result<bool, TxRefused> {
        let limit = self.control.world.config.join_limit;
        let vif = self
            .control
            .world
            .vif_mut(interface)
            .ok_or(TxRefused::NotRunning)?;
        let control = FrameControl::of(frame);
        let to = receiver(frame);
        let generic = vif.is_generic();
        if control.is_data() {
            let joined = vif.connection.is_joined() && vif.connection.joined_bssid() == to;
            return if joined {
                Ok(false)
            } else {
                Err(TxRefused::NotJoined)
            };
        }
        match control.kind() {
            FrameControl::AUTHENTICATION
            | FrameControl::ASSOCIATION_REQUEST
            | FrameControl::REASSOCIATION_REQUEST => match &mut vif.connection {
                Connection::Joined { bssid, until } if Some(*bssid) == to => {
                    // The attempt goes on.
                    *until = now.after(limit);
                    Ok(false)
                }
                Connection::Associated { bssid } if Some(*bssid) == to => Ok(false),
                Connection::Joining { bssid } if Some(*bssid) == to => Ok(true),
                _ if control.kind() != FrameControl::AUTHENTICATION || generic => {
                    Err(TxRefused::NotJoined)
                }
                _ => match vif.known_bss {
                    Some(bss) if Some(bss.bssid) == to => {
                        vif.work.join = Some(bss);
                        Ok(true)
                    }
                    _ => Err(TxRefused::NotJoined),
                },
            },
            FrameControl::DEAUTHENTICATION => {
                if vif.connection.is_joined() && vif.connection.joined_bssid() == to {
                    vif.work.unjoin = true;
                }
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// The FIFOs that have frames which may leave now.
    #[inline]
    fn ready(&self) -> FifoSet {
        let mut ready = self.queues.waiting();
        for id in InterfaceId::ALL {
            if ready.row(id) != 0 && !self.control.may_send(id) {
                ready = ready.minus(FifoSet::of_interface(id));
            }
        }
        ready
    }

    fn count_out(&mut self, interface: InterfaceId) {
        if let Some(count) = self.in_chip.get_mut(interface.index()) {
            *count = count.saturating_add(1);
        }
    }

    fn count_back(&mut self, interface: InterfaceId) {
        if let Some(count) = self.in_chip.get_mut(interface.index()) {
            *count = count.saturating_sub(1);
        }
    }

    /// Tells the control plane how many frames each interface has on their way.
    pub(crate) fn refresh_backlog(&mut self) {
        for id in InterfaceId::ALL {
            let in_chip = self.in_chip.get(id.index()).copied().unwrap_or(0);
            let queued = self.queues.interface_frames(id);
            if let Some(count) = self.control.world.backlog.get_mut(id.index()) {
                *count = in_chip.saturating_add(queued);
            }
        }
    }

    fn context(&self, interface: InterfaceId, now: Instant) -> TxContext {
        let world = &self.control.world;
        let greenfield = world
            .vif(interface)
            .and_then(|vif| vif.association.as_ref())
            .and_then(|association| association.ht.as_ref())
            .is_some_and(|ht| ht.greenfield);
        TxContext {
            greenfield,
            bluetooth: world.config.coexistence,
            millis: now.as_millis(),
        }
    }

    /// Takes the first frame of a FIFO and makes its message, unless something has to happen first.
    #[inline(always)]
    fn take_frame(&mut self, fifo: FifoId, ready: FifoSet, context: &TxContext) -> Taken<F> {
        let Some(front) = self.queues.front_mut(fifo) else {
            return Taken::Waits;
        };
        if let Some(key) = front.info.key.filter(|key| key.cipher == Cipher::Wep) {
            let vif = self.control.world.vif_mut(fifo.interface);
            if let Some(vif) = vif.filter(|vif| vif.wep_key != Some(key.index)) {
                // The chip has one default key; the frame waits until it is this one.
                self.stirred |= vif.work.wep_key != Some(key.index);
                vif.work.wep_key = Some(key.index);
                return Taken::Waits;
            }
        }
        let policy = match self.policies.acquire(front.info.rates, front.info.band) {
            Acquisition::Ready(policy) => policy,
            Acquisition::NeedsUpload => {
                // The command is to follow at once, not with the next message of the chip.
                self.stirred |= !self.upload_wanted && self.upload.is_none();
                self.upload_wanted = true;
                return Taken::Waits;
            }
            Acquisition::Exhausted => return Taken::Waits,
        };
        // In place: a frame with everything that is known about it is not moved more often than it must.
        let built = tx::encapsulate(front, &policy, context);
        let Some(queued) = self.queues.pop(fifo) else {
            self.policies.release(policy.index);
            return Taken::Waits;
        };
        match built {
            Ok(tag) => {
                self.stats.count_sent(fifo, tag.outline.len);
                self.scheduler
                    .charge(fifo, usize::from(tag.outline.len), ready);
                self.count_out(fifo.interface);
                Taken::Frame(Outgoing {
                    frame: queued.frame,
                    queue: fifo.access_category.number(),
                    interface: fifo.interface,
                    link: tag.info.link.raw(),
                    tag: Tag {
                        tx: tag,
                        own: false,
                    },
                })
            }
            Err(refused) => {
                self.policies.release(policy.index);
                Taken::Refused(queued, refused)
            }
        }
    }

    /// The messages of a policy upload, if one is wanted.
    fn upload_message(&mut self, now: Instant, out: &mut [u8]) -> Option<usize> {
        if !self.upload_wanted || now < self.upload_after {
            return None;
        }
        self.upload_wanted = false;
        let upload = self.policies.upload()?;
        // Policies belong to no interface; the message goes to 0 (file 21, section 2.19).
        match WriteMib(&upload).emit(InterfaceId::Zero, out) {
            Ok(len) => {
                self.upload = Some(upload);
                Some(len)
            }
            Err(_) => {
                self.policies.upload_failed(&upload);
                None
            }
        }
    }

    fn upload_done(&mut self, upload: &Upload, accepted: bool, now: Instant) {
        if accepted {
            self.policies.upload_confirmed(upload);
        } else {
            self.policies.upload_failed(upload);
            self.upload_after = now.after(UPLOAD_PAUSE);
        }
        // Frames that still need one ask again.
        self.upload_wanted = self.policies.needs_upload();
    }

    /// Whether frames wait for an upload that may go out now. The bottom half asks for commands before it asks for
    /// frames, so it has to be asked once more.
    pub(crate) fn upload_due(&self, now: Instant) -> bool {
        self.upload_wanted && self.upload_after.is_due(now)
    }

    /// When something of the data path is due.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let pause = (self.upload_after > now).then_some(self.upload_after);
        bes_hal::time::earliest(self.queues.next_deadline(), pause)
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
    fn give_back(&mut self, queued: Queued<S::Frame>, reason: TxDrop) {
        let status = TxStatus::dropped(reason);
        let len = u16::try_from(queued.frame.bytes().len()).unwrap_or(u16::MAX);
        self.core
            .stats
            .count_status(queued.admission.queue, len, &status);
        self.stack.tx_status(queued.frame, status);
    }

    fn give_back_held(&mut self, interface: InterfaceId, reason: TxDrop) {
        let held = self
            .core
            .held
            .get_mut(interface.index())
            .and_then(Option::take);
        if let Some((frame, info)) = held {
            let status = TxStatus::dropped(reason);
            let fifo = FifoId::new(interface, info.access_category);
            let len = u16::try_from(frame.bytes().len()).unwrap_or(u16::MAX);
            self.core.stats.count_status(fifo, len, &status);
            self.stack.tx_status(frame, status);
        }
    }

    /// Gives back what is too old.
    pub(crate) fn expire(&mut self, now: Instant) {
        let Self { core, stack } = self;
        let stats = &mut *core.stats;
        core.queues.expire(now, |queued| {
            let status = TxStatus::dropped(TxDrop::Expired);
            let len = u16::try_from(queued.frame.bytes().len()).unwrap_or(u16::MAX);
            stats.count_status(queued.admission.queue, len, &status);
            stack.tx_status(queued.frame, status);
        });
    }

    fn flush(&mut self, interface: InterfaceId) {
        let Self { core, stack } = self;
        let stats = &mut *core.stats;
        core.queues.flush(interface, |queued| {
            let status = TxStatus::dropped(TxDrop::Flushed);
            let len = u16::try_from(queued.frame.bytes().len()).unwrap_or(u16::MAX);
            stats.count_status(queued.admission.queue, len, &status);
            stack.tx_status(queued.frame, status);
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
                    self.core.upload_wanted = self.core.policies.needs_upload();
                }
                Effect::ReleaseHeld(id) => {
                    let held = self.core.held.get_mut(id.index()).and_then(Option::take);
                    if let Some((frame, info)) = held {
                        if let Err(frame) = self.core.queues.push(id, frame, info, now) {
                            let status = TxStatus::dropped(TxDrop::Refused(TxRefused::QueueFull));
                            self.stack.tx_status(frame, status);
                        }
                    }
                }
                Effect::DropHeld(id) => {
                    self.give_back_held(id, TxDrop::Refused(TxRefused::NotJoined));
                }
                Effect::SendNull(id) => self.send_null(id, now),
                Effect::RetryLimits { short, long } => {
                    self.core.policies.set_limits(RetryLimits { short, long });
                    self.core.upload_wanted = self.core.policies.needs_upload();
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
        let content = template::null(bssid, vif.address);
        match self.stack.allocate(&content) {
            Some(frame) => {
                if let Some(slot) = self.core.nulls.get_mut(id.index()) {
                    *slot = Some(frame);
                }
            }
            // Without memory it counts as one that was not answered.
            None => vif.beacon_loss.handle_null(false, now),
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
        core.queues.clear(|queued| {
            let status = TxStatus::dropped(TxDrop::Closed);
            let len = u16::try_from(queued.frame.bytes().len()).unwrap_or(u16::MAX);
            stats.count_status(queued.admission.queue, len, &status);
            stack.tx_status(queued.frame, status);
        });
        core.nulls = [const { None }; INTERFACES];
        if let Some(upload) = core.upload.take() {
            core.policies.upload_failed(&upload);
        }
        core.policies.reset();
        core.upload_wanted = false;
        core.upload_after = Instant::ZERO;
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
                self.core.stirred |= !self.core.upload_wanted && self.core.upload.is_none();
                self.core.upload_wanted = true;
                continue;
            };
            let frame = self.core.nulls.get_mut(id.index()).and_then(Option::take)?;
            let queued = Queued::unqueued(id, frame, info, now);
            let context = self.core.context(id, now);
            match tx::prepare(queued, &policy, &context) {
                Ok(outgoing) => {
                    self.core.count_out(id);
                    return Some(with_tag(outgoing, true));
                }
                Err(_) => {
                    self.core.policies.release(policy.index);
                    if let Some(vif) = self.core.control.world.vif_mut(id) {
                        vif.beacon_loss.handle_null(false, now);
                    }
                }
            }
        }
        None
    }

    #[inline(always)]
    fn finish(&mut self, frame: S::Frame, tag: &Tag, status: TxStatus, now: Instant) {
        let fifo = tag.tx.admission.queue;
        if tag.own {
            if let Some(vif) = self.core.control.world.vif_mut(fifo.interface) {
                vif.beacon_loss.handle_null(status.is_acked(), now);
            }
            return;
        }
        self.core
            .stats
            .count_status(fifo, tag.tx.outline.len, &status);
        self.stack.tx_status(frame, status);
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
            world
                .power
                .touch(Reason::Disconnect, Owner::Interface(interface.raw()), now);
            // Nobody is there to acknowledge them any more.
            world.ask(Effect::Flush(interface));
        }
    }
}

fn with_tag<F>(outgoing: Outgoing<F, TxTag>, own: bool) -> Outgoing<F, Tag> {
    let Outgoing {
        frame,
        tag,
        queue,
        interface,
        link,
    } = outgoing;
    Outgoing {
        frame,
        tag: Tag { tx: tag, own },
        queue,
        interface,
        link,
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
        if let Some(len) = self.core.upload_message(now, out) {
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
            self.core.upload_done(&upload, accepted, now);
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
        while let Some(fifo) = self.core.scheduler.next(ready) {
            let context = match context {
                Some((interface, context)) if interface == fifo.interface => context,
                _ => {
                    let fresh = self.core.context(fifo.interface, now);
                    context = Some((fifo.interface, fresh));
                    fresh
                }
            };
            match self.core.take_frame(fifo, ready, &context) {
                Taken::Frame(outgoing) => match sink.offer(outgoing) {
                    Offer::More => ready = ready.and(self.core.queues.waiting()),
                    Offer::Enough => return,
                    Offer::Unsendable(frame, tag) => {
                        self.returned(frame, tag, ReturnReason::Unsendable, now);
                        ready = ready.and(self.core.queues.waiting());
                    }
                },
                Taken::Waits => ready = ready.without(fifo),
                Taken::Refused(queued, refused) => {
                    self.give_back(queued, TxDrop::Refused(refused));
                    ready = ready.and(self.core.queues.waiting());
                }
            }
        }
    }

    fn backlog(&self) -> usize {
        self.core.queues.len()
    }

    fn confirmed(&mut self, frame: S::Frame, tag: Tag, confirm: &TransmitConfirm, now: Instant) {
        let fifo = tag.tx.admission.queue;
        self.core.count_back(fifo.interface);
        self.core.policies.release(tag.tx.policy);
        match tx::confirmed(frame, &tag.tx, confirm) {
            Confirmed::Done(frame, status) => self.finish(frame, &tag, status, now),
            Confirmed::Requeue(queued) if tag.own => {
                let status = TxStatus::dropped(TxDrop::Requeued);
                self.finish(queued.frame, &tag, status, now);
            }
            Confirmed::Requeue(queued) => {
                self.core.stats.count_requeued(fifo);
                if let Err(queued) = self.core.queues.requeue(queued) {
                    self.give_back(queued, TxDrop::Requeued);
                }
            }
        }
    }

    fn returned(&mut self, frame: S::Frame, tag: Tag, reason: ReturnReason, now: Instant) {
        self.core.count_back(tag.tx.admission.queue.interface);
        self.core.policies.release(tag.tx.policy);
        let (frame, status) = tx::returned(frame, &tag.tx, reason);
        self.finish(frame, &tag, status, now);
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
        let part = match rx::receive(buffer.bytes_mut(), message, generic, now) {
            Ok(part) => part,
            Err(reason) => {
                self.core.stats.count_drop(reason);
                return reason.anomaly().map_or(Ok(()), Err);
            }
        };
        let bytes = buffer.bytes();
        let frame = part.span.of(bytes);
        let control = FrameControl::of(frame);
        let interface = part.status.interface;
        if control.is_management() {
            let status = message
                .of(bytes)
                .get(4..8)
                .and_then(|word| word.first_chunk::<4>())
                .map_or(Status::Failure, |word| {
                    Status::from_raw(u32::from_le_bytes(*word))
                });
            self.note_management(frame, interface, status, now);
        } else if self.core.control.world.power.is_enabled()
            && control.is_data()
            && receiver(frame).is_some_and(|to| !is_group(to))
        {
            self.core
                .control
                .world
                .power
                .touch(Reason::Rx, Owner::Interface(interface.raw()), now);
        }
        // Lazily: sixteen copies for each frame would be half of its whole cost.
        #[allow(clippy::unnecessary_lazy_evaluations)]
        let parts = self.core.parts.get_or_insert_with(|| [part; MAX_BATCH]);
        let Some(slot) = parts.get_mut(self.core.part_count) else {
            return Err(Anomaly::Malformed(MessageId::RECEIVE));
        };
        *slot = part;
        self.core.part_count = self.core.part_count.saturating_add(1);
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
        let parts = self
            .core
            .parts
            .as_ref()
            .and_then(|parts| parts.get(..count));
        if let Some(parts) = parts.filter(|parts| !parts.is_empty()) {
            self.core.stats.deliveries = self.core.stats.deliveries.wrapping_add(1);
            self.stack.deliver(buffer, parts);
        }
        self.apply_effects(now);
        self.deliver_events();
    }
}
