// SPDX-License-Identifier: GPL-2.0-only

//! The upper seam of the driver in a kernel: what the device tells the stack goes to mac80211.
//!
//! One round of the owner of the bus:
//!
//! ```text
//!   take over ─► requests from the mailbox, frames from the queues of the stack
//!   run ───────► the device: bus, timers; frames, statuses and events gather here
//!   settle ────► statuses and frames in one section with bottom halves off, then events
//! ```
//!
//! Everything goes up from the thread that owns the bus, never while the bus is used and with no lock held. Events come
//! behind the frames of their round, so that what a scan found is known when the scan is over.

use crate::abstractions::burst::BurstBuffer;
use crate::abstractions::core_dump;
use crate::abstractions::bus_thread::Bell;
use crate::abstractions::mac80211::batch::Batch;
use crate::abstractions::mac80211::capabilities::Capabilities;
use crate::abstractions::mac80211::transmit::{TakeFrames, TxDescription, TxReport};
use crate::abstractions::mac80211::{Hardware, Registration};
use crate::abstractions::skb::SkBuff;
use crate::bus::{Driver, Upper};
use crate::calls::{Answer, Calls, Life, Ticket};
use crate::convert;
use crate::debugfs::Folder;
use crate::function::BurstMemory;
use crate::log::Shown;
use crate::ops::MacOperations;
use crate::sleep;
use crate::tables::Tables;
use crate::trace::Watch;
use bes_hal::sdio::SdioFunction;
use bes_hal::stack::{RxPart, Stack};
use bes_hal::Instant;
use bes_mac80211::address::derived;
use bes_mac80211::error::RequestError;
use bes_mac80211::event::{Event, SignalLevel};
use bes_mac80211::recovery::Rung;
use bes_mac80211::registration::{QUEUES, TX_HEADROOM, TX_TAILROOM};
use bes_mac80211::request::Token;
use bes_mac80211::rx::RxStatus;
use bes_mac80211::tx::{TxOutcome, TxStatus};
use bes_mac80211::types::{AccessCategory, MacAddress, TxInfo};
use bes_wsm::recovery::RecoveryReason;
use bes_wsm::wire::InterfaceId;
use core::sync::atomic::Ordering;
use kernel::device;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use kernel::sync::Arc;

/// Events of one round for which there is room without allocating.
const EVENTS: usize = 32;

/// Requests that wait for their answer: the device takes no more at a time.
const WAITING: usize = 64;

/// What the stack counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StackCounters {
    /// Rounds that handed something over.
    pub(crate) hand_overs: u64,
    /// Frames that went up.
    pub(crate) received: u64,
    /// Received frames for which there was no memory.
    pub(crate) receive_drops: u64,
    /// Statuses.
    pub(crate) sent: u64,
    /// Frames that the device gave back without having sent them.
    pub(crate) send_drops: u64,
    /// Frames that the device did not take.
    pub(crate) refused: u64,
    /// Frames that had to be copied because they were not linear or were shared.
    pub(crate) copies: u64,
    /// Times the device lost its state.
    pub(crate) recoveries: u64,
}

/// mac80211, as the device sees it.
pub(crate) struct MacStack {
    device: ARef<device::Device>,
    hardware: Arc<Hardware<MacOperations>>,
    calls: Arc<Calls>,
    batch: Batch,
    events: KVec<Event>,
    waiting: KVec<(Token, Arc<Ticket>)>,
    token: u32,
    ampdu: u32,
    /// The firmware was just loaded.
    booted: bool,
    /// Core dumps that were handed to user space.
    dumps: u32,
    counters: StackCounters,
    watch: Watch,
    /// Goes before what its readers wait for.
    _folder: Pin<KBox<Folder>>,
}

/// The driver under mac80211.
type MacDriver = Driver<MacStack>;

impl MacStack {
    /// Gives the device requests and frames. `true` if there were any.
    fn feed(&mut self, driver: &mut MacDriver) -> bool {
        let now = driver.transport().function().now();
        let mut fed = self.feed_requests(driver, now);
        fed |= self.feed_frames(driver, now);
        fed | self.feed_queues(driver, now)
    }

    fn next_token(&mut self) -> Token {
        self.token = self.token.wrapping_add(1);
        Token(self.token)
    }

    fn feed_requests(&mut self, driver: &mut MacDriver, now: Instant) -> bool {
        let mut fed = false;
        while let Some(posted) = self.calls.take() {
            let token = self.next_token();
            match posted
                .request
                .lend(|request| driver.request(token, request, now))
            {
                Ok(()) => {
                    fed = true;
                    let Some(ticket) = posted.ticket else {
                        continue;
                    };
                    if let Err(error) = self.waiting.push((token, ticket.clone()), GFP_KERNEL) {
                        let _no_memory: kernel::alloc::AllocError = error;
                        ticket.answer(Err(RequestError::Exhausted));
                    }
                }
                Err(RequestError::QueueFull) => {
                    self.calls.put_back(posted);
                    break;
                }
                Err(error) => match posted.ticket {
                    Some(ticket) => ticket.answer(Err(error)),
                    None => self.count_failure(),
                },
            }
        }
        fed
    }

    fn count_failure(&self) {
        self.calls.counters.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Frames that belong to no queue of the stack.
    fn feed_frames(&mut self, driver: &mut MacDriver, now: Instant) -> bool {
        let mut fed = false;
        while let Some((frame, (info, interface))) = self.calls.frames.pop() {
            match driver.transmit(interface, frame, info, now) {
                Ok(()) => fed = true,
                Err((frame, _refused)) => {
                    self.counters.refused = self.counters.refused.wrapping_add(1);
                    self.batch.push_dropped(frame);
                }
            }
        }
        // Nothing runs when there is nothing to run: these go up now.
        if !fed && !self.batch.is_empty() {
            self.hand_over();
        }
        fed
    }

    /// Frames from the queues of the stack, as many as the device wants.
    fn feed_queues(&mut self, driver: &mut MacDriver, now: Instant) -> bool {
        let marks = self.calls.take_marks();
        if marks == 0 {
            return false;
        }
        let mut fed = false;
        for category in 0..QUEUES as u8 {
            let bit = 1 << category;
            if marks & bit == 0 {
                continue;
            }
            let mut feeder = Feeder {
                driver: &mut *driver,
                now,
                full: false,
                refused: 0,
            };
            let taken = self
                .hardware
                .pull(category, &mut self.counters.copies, &mut feeder);
            if feeder.full {
                self.calls.mark_again(bit);
            }
            self.counters.refused = self.counters.refused.wrapping_add(feeder.refused);
            fed |= taken > 0;
        }
        fed
    }

    /// Hands over what has gathered: statuses, frames, then events.
    fn hand_over(&mut self) {
        if !self.batch.is_empty() {
            let done = self.hardware.hand_over(&mut self.batch);
            let counters = &mut self.counters;
            counters.hand_overs = counters.hand_overs.wrapping_add(1);
            counters.received = counters.received.wrapping_add(done.received as u64);
            counters.sent = counters.sent.wrapping_add(done.sent as u64);
        }
        let mut index = 0;
        while let Some(event) = self.events.get(index).copied() {
            index += 1;
            self.tell(event);
        }
        self.events.clear();
    }

    fn tell(&mut self, event: Event) {
        match event {
            Event::Completed { token, result } => self.answer(token, result),
            Event::ScanCompleted {
                interface: _,
                aborted,
                refused_channels,
            } => {
                if refused_channels > 0 {
                    dev_dbg!(
                        self.device,
                        "scan: the chip refused {refused_channels} channels\n"
                    );
                }
                self.end_scan(aborted);
            }
            Event::ConnectionLost { interface, reason } => {
                dev_info!(self.device, "connection lost: {reason:?}\n");
                self.hardware.connection_lost(convert::number(interface));
            }
            Event::Signal {
                interface,
                level,
                signal,
            } => self.hardware.signal_crossed(
                convert::number(interface),
                level == SignalLevel::High,
                signal.0.into(),
            ),
            Event::JoinRefused { bssid, status, .. } => {
                dev_info!(
                    self.device,
                    "the chip refused to join {}: {}\n",
                    Shown(bssid),
                    Shown(status)
                );
            }
            Event::PowerSaveUnsupported { .. } => {
                dev_info!(
                    self.device,
                    "power save is off: the access point does not do it well\n"
                );
            }
            Event::Recovering { rung, reason } => self.recovering(rung, reason),
            Event::CardReset { done, bluetooth } => {
                let what = if done { "was" } else { "is being" };
                let state = if bluetooth { "on" } else { "off" };
                dev_info!(
                    self.device,
                    "the chip {what} reset, and Bluetooth on it with it, which is {state}\n"
                );
            }
            Event::ChipRestarted => {
                if self.calls.begin_restart() {
                    self.hardware.restart();
                }
            }
            Event::RecoveryNeeded(reason) => self.given_up(reason),
            Event::Booted => self.booted = true,
            Event::Joined { .. }
            | Event::StationInactive { .. }
            | Event::QueueStop { .. }
            | Event::QueueWake { .. } => {}
        }
    }

    fn end_scan(&self, aborted: bool) {
        if self.calls.scanning.swap(false, Ordering::AcqRel) {
            self.hardware.scan_completed(aborted);
        }
    }

    fn answer(&mut self, token: Token, result: Answer) {
        match self.waiting.iter().position(|(theirs, _)| *theirs == token) {
            Some(at) => {
                if let Ok((_, ticket)) = self.waiting.remove(at) {
                    ticket.answer(result);
                }
            }
            None if result.is_err() => self.count_failure(),
            None => {}
        }
    }

    /// The driver does something about a failure. What costs no connection is only counted.
    fn recovering(&mut self, rung: Rung, reason: RecoveryReason) {
        if rung <= Rung::Abort {
            dev_dbg!(self.device, "{}: {}\n", Shown(reason), Shown(rung));
            return;
        }
        dev_warn!(self.device, "{}: {}\n", Shown(reason), Shown(rung));
        self.counters.recoveries = self.counters.recoveries.wrapping_add(1);
        self.end_scan(true);
    }

    /// Nothing more is tried. Interfaces are closed; whoever opens one again has the device booted once more.
    fn given_up(&self, reason: RecoveryReason) {
        dev_err!(self.device, "given up: {}\n", Shown(reason));
        self.end_scan(true);
        if !self.calls.is(Life::Stopped) {
            self.hardware.close_interfaces();
        }
    }

    /// Hands the core dump of an incident to user space, once.
    fn hand_over_dump(&mut self, driver: &MacDriver) {
        if let Some((number, text)) = driver.core_dump() {
            if self.dumps != number {
                self.dumps = number;
                core_dump::hand_over(&self.device, text);
            }
        }
    }
}

impl Upper for MacStack {
    type Registration = Registration<MacOperations>;

    fn new(bell: Arc<Bell>, device: ARef<device::Device>, address: MacAddress) -> Result<Self> {
        let calls = Calls::new(bell)?;
        let operations = MacOperations::new(calls.clone(), device.clone())?;
        let addresses = derived(address).map(|address| address.0);
        let capabilities = Capabilities {
            addresses: &addresses,
            wake: sleep::SUPPORT,
        };
        let hardware = Hardware::new(&device, operations, &capabilities)?;
        let folder = Folder::new(&device, &calls)?;
        Ok(Self {
            device,
            hardware,
            calls,
            batch: Batch::EMPTY,
            events: KVec::with_capacity(EVENTS, GFP_KERNEL)?,
            waiting: KVec::with_capacity(WAITING, GFP_KERNEL)?,
            token: 0,
            ampdu: 0,
            booted: false,
            dumps: 0,
            counters: StackCounters::default(),
            watch: Watch::default(),
            _folder: folder,
        })
    }

    fn register(&mut self, driver: &mut MacDriver) -> Result<Self::Registration> {
        let keeps_power = driver.transport().function().keeps_power();
        self.calls.keeps_power.store(keeps_power, Ordering::Relaxed);
        Registration::new(self.hardware.clone())
    }

    fn take_over(&mut self, driver: &mut MacDriver) {
        self.feed(driver);
    }

    fn settle(&mut self, driver: &mut MacDriver) {
        self.hand_over();
        self.hand_over_dump(driver);
        if core::mem::take(&mut self.booted) {
            driver.transport_mut().firmware_mut().release();
        }
        let now = driver.transport().function().now();
        while let Some(sample) = self.calls.take_sample() {
            sample.answer(driver.figures(sample.interface, sample.chip));
        }
        while let Some(inspection) = self.calls.take_inspection() {
            inspection.answer(driver, &self.counters, &self.calls, now);
        }
        let window = driver.bottom_half().window();
        self.watch.look(
            &self.device,
            driver.state(),
            window.capacity(),
            window.outstanding(),
            driver.queued_frames(),
        );
        if self.feed(driver) {
            // What was just fed has to be run: the owner must not rest.
            self.calls.ring_for_frame();
        }
    }

    fn close(&mut self) {
        self.calls.close();
    }
}

impl Drop for MacStack {
    /// Frames that the device gave back when it ended, and everybody who still waits.
    fn drop(&mut self) {
        self.calls.close();
        while let Some((frame, _)) = self.calls.frames.pop() {
            self.batch.push_dropped(frame);
        }
        self.hand_over();
        self.end_scan(true);
        for (_, ticket) in self.waiting.drain_all() {
            ticket.answer(Err(RequestError::Aborted));
        }
    }
}

impl BurstMemory for BurstBuffer {
    fn allocate(len: usize) -> Option<Self> {
        Self::new(len).ok()
    }
}

impl Stack for MacStack {
    type Frame = SkBuff;
    type Buffer = BurstBuffer;
    type Memory = Tables;
    type RxStatus = RxStatus;
    type TxStatus = TxStatus;
    type Event = Event;

    fn deliver(&mut self, buffer: BurstBuffer, frames: &[RxPart<RxStatus>]) {
        for part in frames {
            if part.status.aggregate.first {
                self.ampdu = self.ampdu.wrapping_add(1);
            }
            let what = convert::receive(&part.status, self.ampdu);
            if !self
                .batch
                .push_received(&buffer, part.span, frames.len(), &what)
            {
                self.counters.receive_drops = self.counters.receive_drops.wrapping_add(1);
            }
        }
    }

    fn tx_status(&mut self, mut frame: SkBuff, status: TxStatus) {
        match status.outcome {
            TxOutcome::Acked | TxOutcome::Failed(_) => {
                frame.report(TxReport {
                    acked: status.is_acked(),
                    aggregated: status.aggregated,
                    rates: convert::rates(status.rates),
                });
                self.batch.push_sent(frame);
            }
            TxOutcome::Dropped(_) => {
                self.counters.send_drops = self.counters.send_drops.wrapping_add(1);
                self.batch.push_dropped(frame);
            }
        }
    }

    fn notify(&mut self, event: Event) {
        if self.events.push_within_capacity(event).is_err() {
            // More than usual: what came before goes up first, and makes room.
            self.hand_over();
            if self.events.push(event, GFP_KERNEL).is_err() {
                self.tell(event);
            }
        }
    }

    fn allocate(&mut self, content: &[u8]) -> Option<SkBuff> {
        SkBuff::new(content, TX_HEADROOM, TX_TAILROOM).ok()
    }
}

/// Gives frames from the queues of the stack to the device.
struct Feeder<'a> {
    driver: &'a mut MacDriver,
    now: Instant,
    /// Frames were left because the device did not want more.
    full: bool,
    refused: u64,
}

impl TakeFrames for Feeder<'_> {
    fn has_room(&mut self, interface: Option<u8>, category: u8) -> bool {
        let place = interface
            .and_then(convert::interface)
            .zip(AccessCategory::from_index(category));
        match place {
            // While the device cannot send at all, frames stay where they are.
            Some((interface, category)) => {
                let room = self.driver.room(interface, category) > 0;
                self.full |= !room;
                room
            }
            // Frames of an interface that is gone are taken, to be dropped.
            None => true,
        }
    }

    fn take(&mut self, frame: SkBuff, what: &TxDescription) -> Result<(), SkBuff> {
        let taken: Option<(TxInfo, InterfaceId)> = convert::transmit(what);
        let refused = match taken {
            Some((info, interface)) => {
                match self.driver.transmit(interface, frame, info, self.now) {
                    Ok(()) => return Ok(()),
                    Err((frame, _refused)) => frame,
                }
            }
            None => frame,
        };
        self.refused = self.refused.wrapping_add(1);
        Err(refused)
    }
}
