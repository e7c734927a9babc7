//! What all threads share: the clock, the medium, the cards, the way to the kernel; and the medium's own thread.

use super::clock::Clock;
use super::ether::Ether;
use super::hwsim;
use super::netlink::Messages;
use super::radio::{lock, SharedEther};
use super::report::MediumShares;
use super::slot::{Doom, Slot};
use super::socket::{HwsimSocket, Received, Sender, BATCH};
use super::tracer::Tracer;
use anyhow::{Context, Result};
use bes_hal::time::{earliest, Instant};
use nix::poll::{ppoll, PollFd, PollFlags};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::sys::time::TimeSpec;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Most batches in a row before the cards are looked after.
const ROUNDS: usize = 4;
/// The longest wait of the medium's thread.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What all threads share.
pub struct Hub {
    clock: Clock,
    ether: SharedEther,
    slots: OnceLock<Vec<std::sync::Arc<Slot>>>,
    outlet: Option<Mutex<Outlet>>,
    tracer: Option<Mutex<Tracer>>,
    stopping: AtomicBool,
}

/// The way to the kernel. Whoever holds it sends what there is, so that batches keep their order.
struct Outlet {
    sender: Sender,
    batch: super::netlink::Writer,
    shares: Sent,
}

/// What was sent to the kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    /// System calls.
    pub calls: u64,
    /// Messages in them.
    pub messages: u64,
}

impl Hub {
    /// A hub; without a sender nothing leaves the process.
    pub fn new(
        clock: Clock,
        ether: SharedEther,
        sender: Option<Sender>,
        tracer: Option<Tracer>,
    ) -> Self {
        Self {
            clock,
            ether,
            slots: OnceLock::new(),
            outlet: sender.map(|sender| {
                Mutex::new(Outlet {
                    sender,
                    batch: super::netlink::Writer::default(),
                    shares: Sent::default(),
                })
            }),
            tracer: tracer.map(Mutex::new),
            stopping: AtomicBool::new(false),
        }
    }

    /// Tells which cards there are; once.
    pub fn set_slots(&self, slots: Vec<std::sync::Arc<Slot>>) {
        // A second call changes nothing.
        let _ = self.slots.set(slots);
    }

    fn slots(&self) -> &[std::sync::Arc<Slot>] {
        self.slots.get().map_or(&[], Vec::as_slice)
    }

    /// Time now.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The medium.
    pub fn ether(&self) -> std::sync::MutexGuard<'_, Ether> {
        lock(&self.ether)
    }

    /// Whether the program ends.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Ends the program: every thread returns at the end of its wait.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        for slot in self.slots() {
            // Whose host is gone has ended already.
            let _ = slot.interrupt().wake();
        }
    }

    /// Tells every card for whom the medium has news, except the one that is calling and knows.
    pub fn settle(&self, now: Instant, except: Option<usize>) {
        loop {
            let Some(chip) = self.ether().take_dirty() else {
                return;
            };
            if let Some(slot) = self.slots().get(chip) {
                slot.poke(now);
                // The medium's thread, which excepts nobody, finds what it has to wait for itself.
                let is_other = except.is_some_and(|calling| calling != chip);
                if is_other && slot.attend(now).is_some() {
                    // The card's thread waits for less; its host being gone is its own business.
                    let _ = slot.interrupt().wake();
                }
            }
        }
    }

    /// Whether something is to be sent to the kernel.
    pub fn has_outgoing(&self) -> bool {
        !self.ether().outgoing().is_empty()
    }

    /// Sends everything to the kernel.
    ///
    /// # Errors
    ///
    /// When the socket is broken.
    pub fn flush(&self) -> Result<()> {
        let Some(outlet) = &self.outlet else {
            self.ether().outgoing().clear();
            return Ok(());
        };
        let mut outlet = outlet.lock().unwrap_or_else(PoisonError::into_inner);
        let outlet = &mut *outlet;
        std::mem::swap(&mut outlet.batch, self.ether().outgoing());
        if outlet.batch.is_empty() {
            return Ok(());
        }
        let sent = outlet.sender.send(outlet.batch.bytes());
        outlet.shares.messages += outlet.batch.len() as u64;
        outlet.batch.clear();
        outlet.shares.calls += sent?;
        Ok(())
    }

    /// What was sent so far.
    pub fn sent(&self) -> Sent {
        self.outlet.as_ref().map_or(Sent::default(), |outlet| {
            outlet.lock().unwrap_or_else(PoisonError::into_inner).shares
        })
    }

    /// Writes what a card's bus did, if anybody wants to know.
    pub fn record_trace(&self, slot: &Slot) {
        if let Some(tracer) = &self.tracer {
            let records = slot.handle.with_trace(mock_hal::trace::Trace::take);
            tracer
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .write(slot.place, records);
        }
    }

    /// Ends the trace file.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn finish_trace(&self) -> Result<()> {
        match &self.tracer {
            Some(tracer) => tracer
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .finish(),
            None => Ok(()),
        }
    }

    /// Everything that is due and that no card's thread looks after; when the next such thing is due.
    fn attend(&self, now: Instant) -> Option<Instant> {
        let mut deadline = None;
        {
            let mut ether = self.ether();
            ether.advance_orphans(now);
            deadline = earliest(deadline, ether.orphan_event());
        }
        self.settle(now, None);
        for slot in self.slots() {
            deadline = earliest(deadline, slot.attend(now));
        }
        deadline
    }
}

/// The medium's thread: takes frames of the kernel's radios, and looks after what no card's thread waits for, until a
/// signal ends the program or a card's thread has ended.
///
/// # Errors
///
/// When the socket is broken.
pub fn run_medium(hub: &Hub, socket: &mut HwsimSocket, signals: &SignalFd) -> Result<MediumShares> {
    let mut shares = MediumShares::default();
    let family = socket.family();
    for slot in hub.slots() {
        // Whoever uses the slot stays awake when the machine sleeps, as cards do: see `vsdio.rs`.
        slot.interrupt().wake()?;
    }
    while !hub.is_stopping() {
        let now = hub.now();
        let deadline = hub.attend(now);
        hub.flush()?;
        let before = hub.now();
        shares.working += before.since(now);
        let wait = deadline.map_or(LONGEST_WAIT, |at| at.since(before).min(LONGEST_WAIT));
        let (readable, ended) = {
            let mut fds = [
                PollFd::new(socket.as_fd(), PollFlags::POLLIN),
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            ];
            match ppoll(&mut fds, Some(TimeSpec::from_duration(wait)), None) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error).context("cannot wait for the medium"),
            }
            (fds[0].any() == Some(true), fds[1].any() == Some(true))
        };
        shares.polls += 1;
        let woken = hub.now();
        shares.waiting += woken.since(before);
        if ended && obey(hub, signals)? {
            break;
        }
        if readable {
            receive(hub, socket, family, &mut shares)?;
            shares.working += hub.now().since(woken);
        }
    }
    Ok(shares)
}

/// Without a medium there is nothing to do but to wait until a signal ends the program or a card's thread has ended.
///
/// # Errors
///
/// When nothing can be waited for.
pub fn wait_for_end(hub: &Hub, signals: &SignalFd) -> Result<()> {
    while !hub.is_stopping() {
        let mut fds = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut fds, Some(TimeSpec::from_duration(LONGEST_WAIT)), None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error).context("cannot wait for a signal"),
        }
        if fds[0].any() == Some(true) && obey(hub, signals)? {
            break;
        }
    }
    Ok(())
}

/// Does what a signal asks for. `true`: the program ends.
fn obey(hub: &Hub, signals: &SignalFd) -> Result<bool> {
    let Some(signal) = signals.read_signal().context("cannot read a signal")? else {
        return Ok(false);
    };
    let number = i32::try_from(signal.ssi_signo).unwrap_or_default();
    let doom = match Signal::try_from(number) {
        Ok(Signal::SIGUSR1) => Doom::Crash,
        Ok(Signal::SIGUSR2) => Doom::Silence,
        _ => return Ok(true),
    };
    let now = hub.now();
    for slot in hub.slots() {
        slot.meet(doom, now);
        // The card's thread tells the host what changed.
        slot.interrupt().wake()?;
    }
    Ok(false)
}

fn receive(
    hub: &Hub,
    socket: &mut HwsimSocket,
    family: u16,
    shares: &mut MediumShares,
) -> Result<()> {
    for _round in 0..ROUNDS {
        let now = hub.now();
        let mut ether = None;
        let received = socket.receive(|datagram| {
            // Taken once for all datagrams of the batch, and not before the system call.
            let ether = ether.get_or_insert_with(|| hub.ether());
            for message in Messages(datagram) {
                if let Some(event) = hwsim::parse(family, &message) {
                    ether.handle(&event, now);
                }
            }
        })?;
        drop(ether);
        shares.receives += 1;
        match received {
            Received::Datagrams(count) => {
                shares.datagrams += count as u64;
                if count < BATCH {
                    break;
                }
            }
            Received::Overrun => hub.ether().note_overrun(),
        }
    }
    Ok(())
}
