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
//! Received bursts are followed by another look as long as such looks find something; when they do not, the chip's interrupt
//! says when to look (`looks.rs`). A look costs one register read when it finds a burst and two when it does not.
//!
//! Sharing the owner does not compile,
//! ```compile_fail,E0277
//! # use bes_hal::{frame::ArrayFrame, memory::Heap, transport::Transport};
//! fn shared<T: Sync>() {}
//! fn second_context<T: Transport + Sync>() {
//!     shared::<bes_wsm::bottom_half::BottomHalf<T, ArrayFrame<64>, (), Heap>>();
//! }
//! ```
//! and neither does the race that wedged the C driver: a second context that handles a confirm, and so gives a credit
//! back, while the owner is at work.
//! ```compile_fail,E0499
//! # use bes_hal::{frame::ArrayFrame, memory::Heap, transport::Transport};
//! # use bes_wsm::{bottom_half::BottomHalf, client::Client};
//! fn campaign<T, C>(owner: &mut BottomHalf<T, ArrayFrame<64>, (), Heap>, worker: &mut C, client: &mut C)
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
//! # use bes_hal::{frame::ArrayFrame, memory::Heap, transport::Transport};
//! # use bes_wsm::{bottom_half::BottomHalf, client::Client};
//! fn moved<T, C>(mut owner: BottomHalf<T, ArrayFrame<64>, (), Heap>, client: &mut C)
//! where
//!     T: Transport + Send,
//!     C: Client<Frame = ArrayFrame<64>, Buffer = T::Buffer, Tag = ()> + Send,
//! {
//!     std::thread::scope(|scope| {
//!         scope.spawn(move || owner.run(client).is_ok());
//!     });
//! }
//! ```

mod looks;
mod receive;
mod send;
mod supervision;

pub use send::GATHER;
pub use supervision::{CONFIRM_TIMEOUT, POLL_BUSY, POLL_IDLE, PROGRESS_TIMEOUT};

use crate::anomaly::{Anomalies, Anomaly};
use crate::client::{Client, CommandError, ReturnReason};
use crate::command::CommandSlot;
use crate::in_flight::InFlight;
use crate::message_log::MessageLog;
use crate::recovery::RecoveryReason;
use crate::sequence::Sequence;
use crate::stats::Stats;
use crate::tx_window::TxWindow;
use bes_hal::frame::TxFrame;
use bes_hal::transport::{Reception, Transport};
use bes_hal::{Duration, Instant, Memory, NoMemory};
use core::cell::Cell;
use core::marker::PhantomData;
use looks::Looks;

/// The chip must report its start within this time (file 20, section 6.1).
pub const STARTUP_TIMEOUT: Duration = Duration::from_secs(10);

/// One `run` does at most this many rounds, so that a chip that never stops cannot hold its caller.
const ROUNDS: usize = 256;

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

/// The one owner of the bus. See the [module](self).
pub struct BottomHalf<T: Transport, F, G, M: Memory> {
    transport: T,
    session: Session,
    awake: bool,
    window: TxWindow,
    in_flight: InFlight<F, G, M>,
    command: CommandSlot<M>,
    tx_sequence: Sequence,
    rx_sequence: Sequence,
    /// A frame that is in the table but did not fit into the last batch.
    carry: Option<u8>,
    /// A batch whose transfer failed: nothing else may be sent before it (file 10, section 4.4).
    unsent: Option<send::Unsent>,
    /// The announcement has to be read.
    rx_due: bool,
    looks: Looks,
    /// It has to be read again at this time, for the n-th time.
    settle: Option<(Instant, u8)>,
    /// Until when a small batch waits for more frames.
    gather_until: Option<Instant>,
    /// Frames of the client that could not be sent although nothing was to be waited for.
    stuck: usize,
    last_sent: Instant,
    last_look: Instant,
    last_burst: Instant,
    last_confirm: Instant,
    sweep_at: Instant,
    anomalies: Anomalies,
    log: MessageLog<M>,
    stats: Stats,
    /// `Send`, but not `Sync`.
    not_shared: PhantomData<Cell<()>>,
}

impl<T: Transport, F: TxFrame, G: Copy, M: Memory> BottomHalf<T, F, G, M> {
    /// The owner of a transport, without a session.
    ///
    /// # Errors
    ///
    /// [`NoMemory`].
    pub fn new(transport: T, memory: &mut M) -> Result<Self, NoMemory> {
        Ok(Self {
            transport,
            session: Session::Closed,
            awake: true,
            window: TxWindow::new(),
            in_flight: InFlight::new(memory)?,
            command: CommandSlot::new(memory)?,
            tx_sequence: Sequence::START,
            rx_sequence: Sequence::START,
            carry: None,
            unsent: None,
            rx_due: false,
            looks: Looks::new(),
            settle: None,
            gather_until: None,
            stuck: 0,
            last_sent: Instant::ZERO,
            last_look: Instant::ZERO,
            last_burst: Instant::ZERO,
            last_confirm: Instant::ZERO,
            sweep_at: Instant::NEVER,
            anomalies: Anomalies::default(),
            log: MessageLog::new(memory)?,
            stats: Stats::default(),
            not_shared: PhantomData,
        })
    }

    /// The same, where it stays. Not inlined, so that it is gone from the stack when it has its place.
    ///
    /// # Errors
    ///
    /// [`NoMemory`].
    #[inline(never)]
    pub fn placed(transport: T, memory: &mut M) -> Result<M::Place<Self>, NoMemory> {
        let owner = Self::new(transport, memory)?;
        memory.place(owner)
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
        self.looks = Looks::new();
        self.settle = None;
        self.gather_until = None;
        self.stuck = 0;
        self.last_look = now;
        self.last_burst = now;
        self.last_confirm = now;
    }

    /// Whether the chip has reported its start and messages flow.
    pub fn is_ready(&self) -> bool {
        self.session == Session::Ready
    }

    /// Whether there is a session.
    pub fn is_open(&self) -> bool {
        self.session != Session::Closed
    }

    /// Whether the bus may be used. While the chip sleeps nothing is read or sent; what comes meanwhile waits.
    ///
    /// A chip that wakes is looked at once: what it had for the host meanwhile need not have raised an interrupt that
    /// the host could see (file 40, section 5.3).
    pub fn set_awake(&mut self, awake: bool) {
        self.rx_due |= awake && !self.awake;
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

    /// The table of frames in flight: packet id, when the frame went down, and whether it was given back without a confirm.
    pub fn in_flight_table(&self) -> impl Iterator<Item = (u32, Instant, bool)> + '_ {
        self.in_flight.iter()
    }

    /// Frames in flight whose tag `matches`.
    pub fn in_flight_where(&self, matches: impl Fn(&G) -> bool) -> usize {
        self.in_flight.count_where(matches)
    }

    /// Whether nothing is due from the chip: neither the confirm of a frame nor that of a command.
    pub fn is_idle(&self) -> bool {
        !self.awaits_confirm() && self.command.is_idle()
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

    /// The last messages that were not frames.
    pub const fn messages(&self) -> &MessageLog<M> {
        &self.log
    }

    /// Gives every frame in flight back as lost. Their credits stay out: the chip may answer yet. For a chip that was
    /// told to forget them. Not while a batch has to be sent again: until the chip has that one, it takes nothing
    /// else, and then it confirms all of them.
    pub fn forget_frames<C>(&mut self, client: &mut C, now: Instant)
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        if self.unsent.is_some() {
            return;
        }
        self.carry = None;
        while let Some((frame, tag)) = self.in_flight.take_overdue(Instant::NEVER) {
            client.returned(frame, tag, ReturnReason::ConfirmLost, now);
        }
        self.last_confirm = now;
        // What was given up here says nothing about the chip before it had its time to answer.
        self.sweep_at = now.after(PROGRESS_TIMEOUT);
    }

    /// Does what there is to do: receives, sends, and looks after deadlines, until nothing is left or the bound of one
    /// run is reached.
    ///
    /// # Errors
    ///
    /// Why the session cannot go on. The caller [`close`](Self::close)s it. After [`RecoveryReason::Transport`] with
    /// [`TransportError::Bus`](bes_hal::TransportError::Bus) it may also run it again: what failed is repeated.
    pub fn run<C>(&mut self, client: &mut C) -> Result<Work, RecoveryReason>
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        let interrupt = self.transport.take_interrupt();
        if interrupt {
            self.rx_due = true;
            self.stats.interrupts = self.stats.interrupts.wrapping_add(1);
        }
        if self.session == Session::Closed || !self.awake {
            return Ok(Work::Drained);
        }
        let mut now = self.transport.now();
        if interrupt {
            self.looks.interrupt(now.since(self.last_burst));
        }
        // A burst found by a look that nothing but the period asked for had its interrupt lost.
        let mut polled = !self.rx_due && self.settle.is_none();
        self.look_if_due(now);
        // What failed goes first: until the chip has it for certain, nothing else may be sent, and no confirm is due for it.
        if self.unsent.is_some() {
            self.send_again(now)?;
        }
        let mut behind_burst = false;
        for _ in 0..ROUNDS {
            let mut progress = false;
            if self.rx_due {
                match self.transport.receive()? {
                    Reception::Burst(burst) => {
                        now = self.transport.now();
                        if polled && !self.transport.take_interrupt() {
                            self.anomalies.record(Anomaly::LostInterrupt, now);
                            self.looks.lost(now);
                        }
                        self.settle = None;
                        self.last_burst = now;
                        self.rx_due = self
                            .looks
                            .behind_burst(burst.messages.as_slice().len(), now);
                        behind_burst = true;
                        self.dispatch_burst(client, burst, now)?;
                        progress = true;
                    }
                    Reception::Empty => {
                        if behind_burst {
                            self.looks.in_vain();
                        }
                        behind_burst = false;
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
                self.looks.interrupt(now.since(self.last_burst));
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

    /// The bus failed half-way and works again: the announcement has to be read, whatever was known of it.
    pub fn resume(&mut self) {
        self.rx_due = true;
        self.settle = None;
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
        self.unsent = None;
        self.gather_until = None;
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
}
