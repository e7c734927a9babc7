//! The one owner of the bus.
//!
//! [`BottomHalf`] owns the transport, the chip's credits, the frames in flight, the outstanding command and the sequence
//! numbers. It is `Send`, never shared: interrupts and callers ring a [`bes_hal::doorbell::Doorbell`], nothing else.
//!
//! [`run`](BottomHalf::run) alternates between receiving and sending until both are drained:
//!
//! ```text
//!   interrupt? ─► receive one burst ─► check, dispatch in order ─► hand up in one go ─┐
//!        ▲                                                                          │
//!        └───────────── send one batch of same-sized slots ◄────────────────────────┘
//! ```
//!
//! Received bursts are followed by another look until the chip says that nothing is left; then, and only then, the
//! interrupt is served. A look costs one register read when it finds a burst and two when it does not.
//!
//! Sharing the owner does not compile,
//! ```compile_fail,E0277
//! # use bes_hal::{frame::ArrayFrame, transport::Transport};
//! fn shared<T: Sync>() {}
//! fn second_context<T: Transport + Sync>() {
//!     shared::<bes_wsm::bottom_half::BottomHalf<T, ArrayFrame<64>, ()>>();
//! }
//! ```
//! and neither does the race that wedged the C driver: a second context that handles a confirm, and so gives a credit
//! back, while the owner is at work.
//! ```compile_fail,E0499
//! # use bes_hal::{frame::ArrayFrame, transport::Transport};
//! # use bes_wsm::{bottom_half::BottomHalf, client::Client};
//! fn campaign<T, C>(owner: &mut BottomHalf<T, ArrayFrame<64>, ()>, worker: &mut C, client: &mut C)
//! where
//!     T: Transport + Send,
//!     C: Client<Frame = ArrayFrame<64>, Buffer = T::Buffer, Tag = ()> + Send,
//! {
//!     std::thread::scope(|scope| {
//!         scope.spawn(|| owner.run(worker)); // the "other worker" takes the confirm ...
//!         let _ = owner.run(client); // ... while the bottom half sends
//!     });
//! }
//! ```
//! One context after the other does:
//! ```
//! # use bes_hal::{frame::ArrayFrame, transport::Transport};
//! # use bes_wsm::{bottom_half::BottomHalf, client::Client};
//! fn moved<T, C>(mut owner: BottomHalf<T, ArrayFrame<64>, ()>, client: &mut C)
//! where
//!     T: Transport + Send,
//!     C: Client<Frame = ArrayFrame<64>, Buffer = T::Buffer, Tag = ()> + Send,
//! {
//!     std::thread::scope(|scope| {
//!         scope.spawn(move || owner.run(client).is_ok());
//!     });
//! }
//! ```

use crate::anomaly::{Anomalies, Anomaly};
use crate::client::{Client, CommandError, ReturnReason};
use crate::command::{CommandSlot, Match, CONFIRM, IDENTITY};
use crate::in_flight::{InFlight, Route};
use crate::recovery::RecoveryReason;
use crate::sequence::{Sequence, SequenceClass};
use crate::stats::Stats;
use crate::tx_window::TxWindow;
use crate::wire::startup::Startup;
use crate::wire::tx::{MultiTransmitConfirm, TransmitConfirm};
use crate::wire::{Confirm, MessageId};
use bes_hal::frame::{RxBuffer, Span, TxFrame};
use bes_hal::time::earliest;
use bes_hal::transport::{Burst, Reception, SlotClass, Transport, MAX_BATCH};
use bes_hal::{Duration, Instant};
use core::cell::Cell;
use core::marker::PhantomData;

/// The chip must report its start within this time (file 20, section 6.1).
pub const STARTUP_TIMEOUT: Duration = Duration::from_secs(10);

/// While frames are in flight, some confirm must come within this time (file 10, section 6.7).
pub const PROGRESS_TIMEOUT: Duration = Duration::from_secs(3);

/// A frame whose confirm has not come after this time is given back although others are confirmed. The C driver gives
/// up the whole device then (file 20, section 15.6).
pub const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);

/// How often overdue frames are looked for.
const SWEEP_PERIOD: Duration = Duration::from_secs(1);

/// While an answer is due, the announcement is looked at this often even without an interrupt: the safety net for lost
/// ones (file 10, section 5.1).
pub const POLL_BUSY: Duration = Duration::from_millis(20);

/// The same while the chip is awake and nothing is due.
pub const POLL_IDLE: Duration = Duration::from_secs(1);

/// For so long after a burst more is expected, and a lost interrupt is made up for as fast as if an answer were due.
const LIVELY: Duration = Duration::from_secs(1);

/// How long to wait when the chip is undecided about its announcement, and how often before it counts as an anomaly.
const SETTLE: Duration = Duration::from_micros(500);
const SETTLE_LOOKS: u8 = 20;

/// One `run` does at most this many rounds, so that a chip that never stops cannot hold its caller.
const ROUNDS: usize = 256;

/// With at least this many frames in flight the air has work, and a batch smaller than this waits for more credits.
/// Small batches cost a bus command each; the confirms that are due will make the batch larger.
const FULL_ENOUGH: usize = 8;

/// Whether a run left work behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Nothing to do before the next deadline or ring.
    Drained,
    /// The bound of one run was reached; call again.
    More,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Session {
    /// No session: nothing is received or sent.
    Closed,
    /// The chip has to report its start.
    AwaitStartup(Instant),
    /// Messages flow.
    Ready,
}

/// A message of the batch being built.
#[derive(Clone, Copy)]
enum Item {
    Command,
    Frame(usize),
}

/// The one owner of the bus. See the [module](self).
#[derive(Debug)]
pub struct BottomHalf<T: Transport, F, G> {
    transport: T,
    session: Session,
    awake: bool,
    window: TxWindow,
    in_flight: InFlight<F, G>,
    command: CommandSlot,
    tx_sequence: Sequence,
    rx_sequence: Sequence,
    /// A frame that is in the table but did not fit into the last batch.
    carry: Option<usize>,
    /// The announcement has to be read.
    rx_due: bool,
    /// It has to be read again at this time, for the n-th time.
    settle: Option<(Instant, u8)>,
    last_look: Instant,
    last_burst: Instant,
    last_confirm: Instant,
    sweep_at: Instant,
    anomalies: Anomalies,
    stats: Stats,
    /// `Send`, but not `Sync`.
    not_shared: PhantomData<Cell<()>>,
}

impl<T: Transport, F: TxFrame, G: Copy> BottomHalf<T, F, G> {
    /// The owner of a transport, without a session.
    pub fn new(transport: T) -> Self {
        Self {
            transport,
            session: Session::Closed,
            awake: true,
            window: TxWindow::new(),
            in_flight: InFlight::new(),
            command: CommandSlot::new(),
            tx_sequence: Sequence::START,
            rx_sequence: Sequence::START,
            carry: None,
            rx_due: false,
            settle: None,
            last_look: Instant::ZERO,
            last_burst: Instant::ZERO,
            last_confirm: Instant::ZERO,
            sweep_at: Instant::NEVER,
            anomalies: Anomalies::default(),
            stats: Stats::default(),
            not_shared: PhantomData,
        }
    }

    /// The transport.
    pub const fn transport(&self) -> &T {
        &self.transport
    }

    /// The transport, for its transitions.
    pub const fn transport_mut(&mut self) -> &mut T {
        &mut self.transport
    }

    /// The transport has switched Wi-Fi on. Credits and sequence numbers start anew, and the chip speaks first.
    pub fn open(&mut self, now: Instant) {
        self.session = Session::AwaitStartup(now.after(STARTUP_TIMEOUT));
        self.awake = true;
        self.tx_sequence = Sequence::START;
        self.rx_sequence = Sequence::START;
        self.rx_due = true;
        self.settle = None;
        self.last_look = now;
        self.last_burst = now;
        self.last_confirm = now;
    }

    /// Whether the chip has reported its start and messages flow.
    pub fn is_ready(&self) -> bool {
        self.session == Session::Ready
    }

    /// Whether the bus may be used. While the chip sleeps nothing is read or sent; what comes meanwhile waits.
    pub fn set_awake(&mut self, awake: bool) {
        self.awake = awake;
    }

    /// Credits.
    pub const fn window(&self) -> &TxWindow {
        &self.window
    }

    /// Credits that are out although neither a frame nor a command holds them. Always 0: a test asserts it.
    pub fn leaked_credits(&self) -> u16 {
        let held = u16::try_from(self.in_flight.len()).unwrap_or(u16::MAX);
        self.window
            .outstanding()
            .saturating_sub(held)
            .saturating_sub(u16::from(self.command.is_sent()))
    }

    /// Frames in flight.
    pub const fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Frames in flight whose tag `matches`.
    pub fn in_flight_where(&self, matches: impl Fn(&G) -> bool) -> usize {
        self.in_flight.count_where(matches)
    }

    /// Whether neither a frame nor a command is inside the chip.
    pub const fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.command.is_idle()
    }

    /// What was counted.
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// What was not as it should be.
    pub const fn anomalies(&self) -> &Anomalies {
        &self.anomalies
    }

    /// The same, so that the layers above count in the same place.
    pub const fn anomalies_mut(&mut self) -> &mut Anomalies {
        &mut self.anomalies
    }

    /// When to call [`run`](Self::run) again at the latest, if nobody rings before.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.session == Session::Closed || !self.awake {
            return None;
        }
        let startup = match self.session {
            Session::AwaitStartup(deadline) => Some(deadline),
            _ => None,
        };
        let progress = (!self.in_flight.is_empty())
            .then(|| self.last_confirm.after(PROGRESS_TIMEOUT).min(self.sweep_at));
        let settle = self.settle.map(|(at, _)| at);
        earliest(
            earliest(startup, progress),
            earliest(
                self.command.deadline(),
                earliest(settle, Some(self.poll_at())),
            ),
        )
    }

    /// Does what there is to do: receives, sends, and looks after deadlines, until nothing is left or the bound of one
    /// run is reached.
    ///
    /// # Errors
    ///
    /// Why the session cannot go on. The caller [`close`](Self::close)s it.
    pub fn run<C>(&mut self, client: &mut C) -> Result<Work, RecoveryReason>
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        if self.transport.take_interrupt() {
            self.rx_due = true;
            self.stats.interrupts = self.stats.interrupts.wrapping_add(1);
        }
        if self.session == Session::Closed || !self.awake {
            return Ok(Work::Drained);
        }
        let mut now = self.transport.now();
        // A burst found by a look that nothing but the period asked for had its interrupt lost.
        let mut polled = !self.rx_due && self.settle.is_none();
        self.look_if_due(now);
        for _ in 0..ROUNDS {
            let mut progress = false;
            if self.rx_due {
                match self.transport.receive()? {
                    Reception::Burst(burst) => {
                        now = self.transport.now();
                        if polled && !self.transport.take_interrupt() {
                            self.anomalies.record(Anomaly::LostInterrupt, now);
                        }
                        self.settle = None;
                        self.last_burst = now;
                        self.dispatch_burst(client, burst, now)?;
                        progress = true;
                    }
                    Reception::Empty => {
                        self.rx_due = false;
                        self.settle = None;
                    }
                    Reception::Unsettled => self.look_again(now),
                }
                self.last_look = now;
                polled = false;
            }
            if self.session == Session::Ready && self.send_batch(client, now)? {
                now = self.transport.now();
                progress = true;
            }
            if self.transport.take_interrupt() {
                self.stats.interrupts = self.stats.interrupts.wrapping_add(1);
                self.rx_due = true;
                polled = false;
                progress = true;
            }
            if !progress && !self.rx_due {
                self.check_deadlines(client, now)?;
                return Ok(Work::Drained);
            }
        }
        self.check_deadlines(client, now)?;
        Ok(Work::More)
    }

    /// Ends the session: the outstanding command and every frame in flight go back to the client, and credits are void.
    /// The transport is not touched.
    pub fn close<C>(&mut self, client: &mut C, now: Instant)
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        self.session = Session::Closed;
        self.rx_due = false;
        self.settle = None;
        self.carry = None;
        let outstanding = !self.command.is_idle();
        if let Some(slot) = self.command.clear() {
            self.window.release(slot);
        }
        if outstanding {
            client.command_done(Err(CommandError::Closed), now);
        }
        while let Some(entry) = self.in_flight.pop() {
            self.window.release(entry.slot);
            if let Some(frame) = entry.frame {
                client.returned(frame, entry.tag, ReturnReason::Closed, now);
            }
        }
        self.window.close();
    }

    /// When the announcement is to be read even without an interrupt.
    fn poll_at(&self) -> Instant {
        let busy = self.session != Session::Ready
            || !self.is_idle()
            || self.last_look.since(self.last_burst) < LIVELY;
        self.last_look
            .after(if busy { POLL_BUSY } else { POLL_IDLE })
    }

    /// Decides whether the announcement is to be read without an interrupt.
    fn look_if_due(&mut self, now: Instant) {
        match self.settle {
            Some((at, _)) => self.rx_due = at.is_due(now),
            None => self.rx_due |= self.poll_at().is_due(now),
        }
    }

    /// The chip is undecided: look again a little later, and in the end believe that there is nothing.
    fn look_again(&mut self, now: Instant) {
        self.rx_due = false;
        let looks = self.settle.map_or(0, |(_, looks)| looks);
        if looks < SETTLE_LOOKS {
            self.settle = Some((now.after(SETTLE), looks.saturating_add(1)));
        } else {
            self.settle = None;
            self.anomalies.record(Anomaly::Unsettled, now);
        }
    }

    fn dispatch_burst<C>(
        &mut self,
        client: &mut C,
        burst: Burst<T::Buffer>,
        now: Instant,
    ) -> Result<(), RecoveryReason>
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        let Burst {
            mut buffer,
            messages,
            defect,
        } = burst;
        self.stats.rx_bursts = self.stats.rx_bursts.wrapping_add(1);
        let mut result = Ok(());
        for span in messages.as_slice() {
            self.stats.rx_messages = self.stats.rx_messages.wrapping_add(1);
            result = self.dispatch(client, &mut buffer, *span, now);
            if result.is_err() {
                break;
            }
        }
        if let Some(defect) = defect {
            self.anomalies.record(Anomaly::BurstDefect(defect), now);
        }
        // What was good before the end of the session is handed up all the same.
        client.end_of_burst(buffer, now);
        result
    }

    /// One message. Everything in it is hostile.
    fn dispatch<C>(
        &mut self,
        client: &mut C,
        buffer: &mut T::Buffer,
        span: Span,
        now: Instant,
    ) -> Result<(), RecoveryReason>
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        let message = span.of(buffer.bytes());
        let Some(&[_, _, low, high]) = message.first_chunk() else {
            // The transport lets no such message through.
            self.anomalies.record(Anomaly::BadFrame, now);
            return Ok(());
        };
        let id = u16::from_le_bytes([low, high]);
        // The exception is outside the sequence (file 20, section 2.4).
        if id & IDENTITY == 0x0800 {
            self.note(client.indication(message, now), now);
            return Err(RecoveryReason::Exception);
        }
        self.rx_sequence
            .check(id)
            .map_err(|due| RecoveryReason::Sequence {
                class: SequenceClass::of(id),
                due,
                got: u8::try_from(id >> 13).unwrap_or(0),
            })?;
        let unknown_interface = (id >> 6) & 0xF > 2;
        if unknown_interface {
            self.anomalies
                .record(Anomaly::UnknownInterface(MessageId::from_raw(id)), now);
        }
        match id & IDENTITY {
            0x0804 if unknown_interface => {}
            0x0804 => {
                self.stats.rx_frames = self.stats.rx_frames.wrapping_add(1);
                let outcome = client.receive(buffer, span, now);
                self.note(outcome, now);
            }
            0x0404 => self.confirm_one(client, message, id, now),
            0x041E => self.confirm_many(client, message, id, now),
            0x0801 => self.startup(client, message, now)?,
            id_class => match id_class & 0x0C00 {
                0x0400 => self.confirm_command(client, message, id, now),
                0x0800 if unknown_interface => {}
                0x0800 => self.note(client.indication(message, now), now),
                0x0C00 => self.mcu(client, message, id, now),
                // A chip sends no requests.
                _ => self
                    .anomalies
                    .record(Anomaly::UnknownMessage(MessageId::from_raw(id)), now),
            },
        }
        Ok(())
    }

    fn note(&mut self, outcome: Result<(), Anomaly>, now: Instant) {
        if let Err(anomaly) = outcome {
            self.anomalies.record(anomaly, now);
        }
    }

    fn startup<C>(
        &mut self,
        client: &mut C,
        message: &[u8],
        now: Instant,
    ) -> Result<(), RecoveryReason>
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        if self.session == Session::Ready {
            return Err(RecoveryReason::Restarted);
        }
        let startup =
            Startup::parse(message).map_err(|_| RecoveryReason::StartupRefused(u32::MAX))?;
        // One buffer is kept for commands, so data needs a second one.
        if !startup.is_usable() || startup.input_buffers < 2 {
            return Err(RecoveryReason::StartupRefused(startup.status.raw()));
        }
        self.window.open(
            startup
                .input_buffers
                .min(u16::try_from(crate::in_flight::CAPACITY).unwrap_or(u16::MAX)),
        );
        self.session = Session::Ready;
        self.note(client.indication(message, now), now);
        Ok(())
    }

    fn confirm_one<C>(&mut self, client: &mut C, message: &[u8], id: u16, now: Instant)
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        match TransmitConfirm::parse(message) {
            Ok(confirm) => self.confirm(client, &confirm, now),
            Err(_) => self
                .anomalies
                .record(Anomaly::Truncated(MessageId::from_raw(id)), now),
        }
    }

    fn confirm_many<C>(&mut self, client: &mut C, message: &[u8], id: u16, now: Instant)
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        // A list that is cut or lies about its count confirms nothing: its frames come back by their deadline (D41).
        match MultiTransmitConfirm::parse(message) {
            Ok(confirms) => {
                for confirm in confirms.iter() {
                    self.confirm(client, &confirm, now);
                }
            }
            Err(_) => self
                .anomalies
                .record(Anomaly::Truncated(MessageId::from_raw(id)), now),
        }
    }

    fn confirm<C>(&mut self, client: &mut C, confirm: &TransmitConfirm, now: Instant)
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        let packet = confirm.packet.raw();
        // A frame that waits for the next batch has not been sent: a confirm for it is made up.
        if self
            .carry
            .is_some_and(|index| u32::try_from(index) == Ok(packet & 0xFF))
        {
            self.anomalies.record(Anomaly::StalePacketId(packet), now);
            return;
        }
        match self.in_flight.take(packet) {
            Ok(entry) => {
                self.window.release(entry.slot);
                self.last_confirm = now;
                self.stats.tx_confirms = self.stats.tx_confirms.wrapping_add(1);
                match entry.frame {
                    Some(frame) => client.confirmed(frame, entry.tag, confirm, now),
                    None => self.anomalies.record(Anomaly::LateConfirm(packet), now),
                }
            }
            Err(anomaly) => self.anomalies.record(anomaly, now),
        }
    }

    fn confirm_command<C>(&mut self, client: &mut C, message: &[u8], id: u16, now: Instant)
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        match self.command.answer(id) {
            Match::Answer(slot) => {
                self.window.release(slot);
                client.command_done(Ok(message), now);
            }
            Match::Other => self
                .anomalies
                .record(Anomaly::ConfirmForOther(MessageId::from_raw(id)), now),
            Match::Nothing => self
                .anomalies
                .record(Anomaly::ConfirmWithoutRequest(MessageId::from_raw(id)), now),
        }
    }

    /// Confirm and indication of the MCU share an id; a label at offset 8 tells them apart (file 20, section 2.5).
    fn mcu<C>(&mut self, client: &mut C, message: &[u8], id: u16, now: Instant)
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        if message.len() < 16 {
            self.anomalies
                .record(Anomaly::Truncated(MessageId::from_raw(id)), now);
            return;
        }
        match message.get(8..12) {
            Some(&[0x0F, 0, 0, 0]) => self.confirm_command(client, message, id, now),
            Some(&[0xF0, 0, 0, 0]) => self.note(client.indication(message, now), now),
            Some(&[a, b, c, d]) => {
                self.anomalies
                    .record(Anomaly::McuLabel(u32::from_le_bytes([a, b, c, d])), now);
            }
            _ => {}
        }
    }

    /// Sends one batch: the command first, then frames of the same class. `true` if anything went down.
    fn send_batch<C>(&mut self, client: &mut C, now: Instant) -> Result<bool, RecoveryReason>
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        let mut items = [Item::Command; MAX_BATCH];
        let mut count = 0_usize;
        let mut class = None;
        let mut command_slot = None;

        self.write_command(client, now);
        if self.command.is_written() {
            if let Some(slot) = self.window.take() {
                match self.transport.slot_class(self.command.bytes()) {
                    Ok(of_command) => {
                        command_slot = Some(slot);
                        class = Some(of_command);
                        count = 1;
                        self.command.stamp(|id| self.tx_sequence.stamp(id));
                    }
                    Err(_) => {
                        self.window.release(slot);
                        let _ = self.command.clear();
                        client.command_done(Err(CommandError::Unsendable), now);
                    }
                }
            }
        }
        if self.is_worth_sending(client) {
            while count < MAX_BATCH && !class.is_some_and(|class: SlotClass| class.alone) {
                let Some((index, of_frame)) = self.next_entry(client, now) else {
                    break;
                };
                if class.is_some_and(|class| class != of_frame) {
                    self.carry = Some(index);
                    break;
                }
                class = Some(of_frame);
                self.stamp_frame(index);
                if let Some(item) = items.get_mut(count) {
                    *item = Item::Frame(index);
                }
                count = count.saturating_add(1);
            }
        }
        if count == 0 {
            return Ok(false);
        }

        let mut batch: [&[u8]; MAX_BATCH] = [&[]; MAX_BATCH];
        for (bytes, item) in batch.iter_mut().zip(items.iter().take(count)) {
            *bytes = match item {
                Item::Command => self.command.bytes(),
                Item::Frame(index) => self.in_flight.frame(*index).map_or(&[], TxFrame::bytes),
            };
        }
        let sent = self.transport.send(batch.get(..count).unwrap_or(&[]));
        let frames = count.saturating_sub(usize::from(command_slot.is_some()));
        self.stats.tx_batches = self.stats.tx_batches.wrapping_add(1);
        self.stats.tx_frames = self
            .stats
            .tx_frames
            .wrapping_add(u64::try_from(frames).unwrap_or(0));
        if let Some(slot) = command_slot {
            self.stats.tx_commands = self.stats.tx_commands.wrapping_add(1);
            self.command.sent(slot, now);
        }
        sent?;
        Ok(true)
    }

    fn write_command<C>(&mut self, client: &mut C, now: Instant)
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        // More than one only if the client writes commands that are none; it hears of each.
        for _ in 0..MAX_BATCH {
            if !self.command.is_idle() {
                return;
            }
            let Some(command) = client.next_command(now, self.command.buffer_mut()) else {
                return;
            };
            if self.command.accept(command, now) {
                return;
            }
            client.command_done(Err(CommandError::Unsendable), now);
        }
    }

    /// Whether to send frames now, or to wait for the confirms that are due and send a fuller batch.
    fn is_worth_sending<C>(&self, client: &C) -> bool
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        let free = usize::from(self.window.free_for_data());
        free >= FULL_ENOUGH
            || self.in_flight.len() < FULL_ENOUGH.saturating_add(usize::from(self.carry.is_some()))
            || client.backlog() <= free
    }

    /// The next frame for the batch, already in the table, with its class.
    fn next_entry<C>(&mut self, client: &mut C, now: Instant) -> Option<(usize, SlotClass)>
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        if let Some(index) = self.carry.take() {
            let class = self
                .transport
                .slot_class(self.in_flight.frame(index)?.bytes())
                .ok()?;
            return Some((index, class));
        }
        loop {
            let slot = self.window.take_for_data()?;
            let Some(outgoing) = client.next_frame(now) else {
                self.window.release(slot);
                return None;
            };
            let bytes = outgoing.frame.bytes();
            let well_formed = bytes.first_chunk().is_some_and(|&[low, high]| {
                let len = usize::from(u16::from_le_bytes([low, high]));
                (24..=bytes.len()).contains(&len)
            });
            let class = if well_formed {
                self.transport.slot_class(bytes).ok()
            } else {
                None
            };
            let Some(class) = class else {
                self.window.release(slot);
                client.returned(outgoing.frame, outgoing.tag, ReturnReason::Unsendable, now);
                continue;
            };
            if self.in_flight.is_empty() {
                // The supervision of confirms starts with the first frame.
                self.last_confirm = now;
                self.sweep_at = now.after(SWEEP_PERIOD);
            }
            let route = Route {
                queue: outgoing.queue,
                interface: outgoing.interface.raw(),
                link: outgoing.link,
            };
            match self
                .in_flight
                .insert(outgoing.frame, outgoing.tag, slot, route, now)
            {
                Ok((index, packet)) => {
                    let bytes = self
                        .in_flight
                        .frame_mut(index)
                        .map_or(&mut [][..], TxFrame::bytes_mut);
                    if let Some(field) = bytes.get_mut(4..8) {
                        field.copy_from_slice(&packet.to_le_bytes());
                    }
                    return Some((index, class));
                }
                // Not reached: the window is never larger than the table.
                Err((frame, tag, slot)) => {
                    self.window.release(slot);
                    client.returned(frame, tag, ReturnReason::Unsendable, now);
                    return None;
                }
            }
        }
    }

    fn stamp_frame(&mut self, index: usize) {
        if let Some(field) = self
            .in_flight
            .frame_mut(index)
            .and_then(|frame| frame.bytes_mut().get_mut(2..4))
        {
            if let Some(&[low, high]) = field.first_chunk() {
                let id = self.tx_sequence.stamp(u16::from_le_bytes([low, high]));
                field.copy_from_slice(&id.to_le_bytes());
            }
        }
    }

    fn check_deadlines<C>(&mut self, client: &mut C, now: Instant) -> Result<(), RecoveryReason>
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        if let Session::AwaitStartup(deadline) = self.session {
            if deadline.is_due(now) {
                return Err(RecoveryReason::StartupTimeout);
            }
        }
        if self
            .command
            .deadline()
            .is_some_and(|deadline| deadline.is_due(now))
        {
            let id = self.command.id().unwrap_or(0);
            if let Some(slot) = self.command.clear() {
                self.window.release(slot);
            }
            client.command_done(Err(CommandError::TimedOut), now);
            return Err(RecoveryReason::CommandTimeout(MessageId::from_raw(id)));
        }
        if self.in_flight.is_empty() {
            return Ok(());
        }
        // A command may keep the chip busy for longer; it has a deadline of its own (D23).
        let waiting = self.in_flight.len() > usize::from(self.in_flight.orphans());
        if waiting
            && !self.command.is_sent()
            && self.last_confirm.after(PROGRESS_TIMEOUT).is_due(now)
        {
            return Err(RecoveryReason::NoProgress);
        }
        if self.sweep_at.is_due(now) {
            self.sweep_at = now.after(SWEEP_PERIOD);
            // Anything at least this old has waited long enough.
            let age = now.since(Instant::ZERO).saturating_sub(CONFIRM_TIMEOUT);
            if age > Duration::ZERO {
                while let Some((frame, tag)) = self.in_flight.take_overdue(Instant::ZERO.after(age))
                {
                    self.anomalies.record(Anomaly::LostConfirm, now);
                    client.returned(frame, tag, ReturnReason::ConfirmLost, now);
                }
            }
            if self.in_flight.orphans().saturating_mul(2) >= self.window.capacity() {
                return Err(RecoveryReason::ConfirmsLost);
            }
        }
        Ok(())
    }
}

const _: () = assert!(CONFIRM == 0x0400);
