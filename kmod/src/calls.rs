// SPDX-License-Identifier: GPL-2.0-only

//! What the callbacks of mac80211 share with the owner of the bus: a mailbox for requests, a queue for frames, and a
//! doorbell. Nothing here decides anything.
//!
//! ```text
//!   callback                         owner of the bus
//!   post ──► mailbox ──► take ──► Device::request ──► Device::run ──► Event::Completed
//!     └─ waits for its ticket, at most for its limit ◄── answered ──────────┘
//! ```
//!
//! A mailbox is closed when its owner ends: what is in it is answered with "given up", and so is whatever comes later.
//! So a callback returns within its limit, whatever happened to the bus.

use crate::abstractions::bottom_halves::BottomHalvesOff;
use crate::abstractions::bus_thread::Bell;
use crate::abstractions::completion::Once;
use crate::abstractions::mac80211::{self, MaySleep, MAX_IPV6_ADDRESSES};
use crate::abstractions::skb::SkBuffQueue;
use crate::debugfs::Inspection;
use crate::errno;
use crate::sample::Sample;
use bes_hal::doorbell::Reasons;
use bes_hal::Duration;
use bes_mac80211::error::RequestError;
use bes_mac80211::figures::COUNT as FIGURES;
use bes_mac80211::request::{
    Request, Response, ScanChannel, ScanRequest, Ssid, MAX_GROUP_ADDRESSES, MAX_SCAN_CHANNELS,
    MAX_SCAN_ELEMENTS, MAX_SCAN_SSIDS,
};
use bes_mac80211::types::{MacAddress, TxInfo};
use bes_mac80211::wake::{WakePattern, WakeTriggers, MAX_PATTERNS};
use bes_wsm::wire::mib::counters::Counters;
use bes_wsm::wire::InterfaceId;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicU8, Ordering};
use kernel::prelude::*;
use kernel::sync::{new_spinlock, Arc, SpinLock, SpinLockGuard};

/// Most requests that wait in the mailbox. mac80211 makes one at a time for each interface, and a few dozen that nobody
/// waits for when an interface comes up.
const MAILBOX: usize = 128;

/// Most readers of debugfs at a time.
const INSPECTIONS: usize = 8;

/// Most readers of the figures at a time: one for each interface.
const SAMPLES: usize = 4;

/// Most frames outside of the queues of the stack. They are management frames, one at a time, and what monitors inject.
const FRAMES: u32 = 128;

/// A scan with its lists.
pub(crate) struct OwnedScan {
    channels: KVec<ScanChannel>,
    ssids: KVec<Ssid>,
    elements: KVec<u8>,
    no_cck: bool,
    source: Option<MacAddress>,
}

impl OwnedScan {
    /// A copy of a request.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if it asks for more than the device can do, [`ENOMEM`].
    pub(crate) fn new(
        channels: impl Iterator<Item = ScanChannel>,
        ssids: impl Iterator<Item = Ssid>,
        elements: &[u8],
        no_cck: bool,
        source: Option<MacAddress>,
    ) -> Result<Self> {
        let mut scan = Self {
            channels: KVec::new(),
            ssids: KVec::new(),
            elements: KVec::new(),
            no_cck,
            source,
        };
        if elements.len() > MAX_SCAN_ELEMENTS {
            return Err(EINVAL);
        }
        for channel in channels {
            if scan.channels.len() == MAX_SCAN_CHANNELS {
                return Err(EINVAL);
            }
            scan.channels.push(channel, GFP_KERNEL)?;
        }
        for ssid in ssids {
            if scan.ssids.len() == MAX_SCAN_SSIDS {
                return Err(EINVAL);
            }
            scan.ssids.push(ssid, GFP_KERNEL)?;
        }
        scan.elements.extend_from_slice(elements, GFP_KERNEL)?;
        Ok(scan)
    }
}

/// What the system wants to be woken by.
pub(crate) struct OwnedTriggers {
    any: bool,
    disconnect: bool,
    magic_packet: bool,
    /// Offset, bytes, mask. More than one cannot be asked for: see [`MAX_PATTERNS`].
    pattern: Option<(u16, KVec<u8>, KVec<u8>)>,
}

const _: () = assert!(MAX_PATTERNS == 1);

impl OwnedTriggers {
    /// A copy.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`].
    pub(crate) fn new(triggers: &mac80211::wake::WakeTriggers<'_>) -> Result<Self> {
        let pattern = match triggers.patterns().next() {
            Some(pattern) => {
                let (mut bytes, mut mask) = (KVec::new(), KVec::new());
                bytes.extend_from_slice(pattern.bytes, GFP_KERNEL)?;
                mask.extend_from_slice(pattern.mask, GFP_KERNEL)?;
                Some((pattern.offset, bytes, mask))
            }
            None => None,
        };
        Ok(Self {
            any: triggers.any(),
            disconnect: triggers.disconnect(),
            magic_packet: triggers.magic_packet(),
            pattern,
        })
    }

    fn lend<R>(&self, with: impl FnOnce(Request<'_>) -> R) -> R {
        let pattern = self
            .pattern
            .as_ref()
            .map(|(offset, bytes, mask)| WakePattern {
                offset: *offset,
                bytes,
                mask,
            });
        with(Request::Suspend {
            triggers: WakeTriggers {
                any: self.any,
                disconnect: self.disconnect,
                magic_packet: self.magic_packet,
                patterns: pattern.as_slice(),
            },
            power_kept: true,
        })
    }
}

/// A request that owns what it speaks of.
pub(crate) enum Owned {
    /// One without lists.
    Plain(Request<'static>),
    /// [`Request::Scan`].
    Scan(InterfaceId, KBox<OwnedScan>),
    /// [`Request::Multicast`].
    Multicast(GroupList),
    /// [`Request::Suspend`] with the power kept.
    Suspend(KBox<OwnedTriggers>),
    /// [`Request::ArpAddresses`], with how many there are.
    ArpAddresses(InterfaceId, [[u8; 4]; 4], usize),
    /// [`Request::NeighbourAddresses`], with how many there are.
    NeighbourAddresses(InterfaceId, [[u8; 16]; MAX_IPV6_ADDRESSES], usize),
}

impl Owned {
    /// Calls `with` with the request.
    pub(crate) fn lend<R>(&self, with: impl FnOnce(Request<'_>) -> R) -> R {
        match self {
            Self::Plain(request) => with(*request),
            Self::Scan(interface, scan) => with(Request::Scan(
                *interface,
                &ScanRequest {
                    channels: &scan.channels,
                    ssids: &scan.ssids,
                    elements: &scan.elements,
                    no_cck: scan.no_cck,
                    source: scan.source,
                },
            )),
            Self::Suspend(triggers) => triggers.lend(with),
            Self::Multicast(list) => with(Request::Multicast(list.as_slice())),
            Self::ArpAddresses(interface, addresses, count) => with(Request::ArpAddresses(
                *interface,
                addresses.get(..*count).unwrap_or(addresses),
            )),
            Self::NeighbourAddresses(interface, addresses, count) => {
                with(Request::NeighbourAddresses(
                    *interface,
                    addresses.get(..*count).unwrap_or(addresses),
                ))
            }
        }
    }
}

/// Group addresses: as many as the device filters, or one more, which stands for "all".
#[derive(Clone, Copy)]
pub(crate) struct GroupList {
    addresses: [MacAddress; MAX_GROUP_ADDRESSES + 1],
    count: usize,
}

impl GroupList {
    /// No address.
    pub(crate) const NONE: Self = Self {
        addresses: [MacAddress([0; 6]); MAX_GROUP_ADDRESSES + 1],
        count: 0,
    };

    /// Every address.
    pub(crate) const ALL: Self = Self {
        addresses: [MacAddress([0xFF; 6]); MAX_GROUP_ADDRESSES + 1],
        count: MAX_GROUP_ADDRESSES + 1,
    };

    /// The addresses, of which those beyond the list only count.
    pub(crate) fn new(addresses: impl Iterator<Item = [u8; 6]>) -> Self {
        let mut list = Self::NONE;
        for (entry, address) in list.addresses.iter_mut().zip(addresses) {
            *entry = MacAddress(address);
            list.count += 1;
        }
        list
    }

    fn as_slice(&self) -> &[MacAddress] {
        self.addresses.get(..self.count).unwrap_or(&self.addresses)
    }
}

/// What a request was answered.
pub(crate) type Answer = Result<Response, RequestError>;

/// One who waits for the answer to a request.
#[pin_data]
pub(crate) struct Ticket {
    #[pin]
    answered: Once,
    #[pin]
    answer: SpinLock<Option<Answer>>,
}

impl Ticket {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                answered <- Once::new(),
                answer <- new_spinlock!(None, "bes2600::ticket"),
            }),
            GFP_KERNEL,
        )
    }

    /// Answers. The first answer counts.
    pub(crate) fn answer(&self, answer: Answer) {
        self.answer.lock().get_or_insert(answer);
        self.answered.happen();
    }

    fn wait(&self, limit: Duration) -> Answer {
        match self.answered.wait(limit) {
            Ok(()) => (*self.answer.lock()).unwrap_or(Err(RequestError::Aborted)),
            Err(_) => Err(RequestError::TimedOut),
        }
    }
}

/// A request in the mailbox, and who waits for it.
pub(crate) struct Posted {
    /// The request.
    pub(crate) request: Owned,
    /// Who waits, if anybody does.
    pub(crate) ticket: Option<Arc<Ticket>>,
}

struct Mailbox {
    posted: KVec<Posted>,
    /// Readers of debugfs.
    inspections: KVec<Arc<Inspection>>,
    /// Readers of the figures.
    samples: KVec<Arc<Sample>>,
    open: bool,
}

/// What the entrance counts.
#[derive(Default)]
pub(crate) struct EntranceCounters {
    /// Frames that were refused because the queue in front of the bus was full.
    pub(crate) frames_refused: AtomicU64,
    /// Requests that were not answered in time.
    pub(crate) timeouts: AtomicU64,
    /// Requests that nobody waits for and that failed.
    pub(crate) failures: AtomicU64,
}

/// What the stack has made of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Life {
    /// It does not use it.
    Stopped,
    /// It uses it.
    Started,
    /// It was asked to start it anew, because it has lost its state.
    Restarting,
}

/// What callbacks and owner share.
#[pin_data]
pub(crate) struct Calls {
    #[pin]
    mailbox: SpinLock<Mailbox>,
    /// Frames that belong to no queue of the stack, with what is known of them.
    #[pin]
    pub(crate) frames: SkBuffQueue<(TxInfo, InterfaceId)>,
    /// Access categories whose queues in the stack have frames: bit 0 is voice.
    waiting: AtomicU8,
    life: AtomicU8,
    /// A scan runs whose end the stack has not heard of.
    pub(crate) scanning: AtomicBool,
    /// The card may keep its power while the system sleeps.
    pub(crate) keeps_power: AtomicBool,
    bell: Arc<Bell>,
    /// Counters.
    pub(crate) counters: EntranceCounters,
}

/// The mailbox, locked. Bottom halves are off, because addresses change in them too.
struct Locked<'a> {
    mailbox: SpinLockGuard<'a, Mailbox>,
    /// Behind the guard, which goes first.
    _off: BottomHalvesOff,
}

impl Deref for Locked<'_> {
    type Target = Mailbox;

    fn deref(&self) -> &Mailbox {
        &self.mailbox
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Mailbox {
        &mut self.mailbox
    }
}

impl Calls {
    /// An open mailbox whose owner is woken by `bell`.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`].
    pub(crate) fn new(bell: Arc<Bell>) -> Result<Arc<Self>> {
        let posted = KVec::with_capacity(MAILBOX, GFP_KERNEL)?;
        let inspections = KVec::with_capacity(INSPECTIONS, GFP_KERNEL)?;
        let samples = KVec::with_capacity(SAMPLES, GFP_KERNEL)?;
        Arc::pin_init(
            pin_init!(Self {
                mailbox <- new_spinlock!(
                    Mailbox { posted, inspections, samples, open: true },
                    "bes2600::mailbox"
                ),
                frames <- SkBuffQueue::new(FRAMES),
                waiting: AtomicU8::new(0),
                life: AtomicU8::new(Life::Stopped as u8),
                scanning: AtomicBool::new(false),
                keeps_power: AtomicBool::new(false),
                bell,
                counters: EntranceCounters::default(),
            }),
            GFP_KERNEL,
        )
    }

    fn lock(&self) -> Locked<'_> {
        let off = BottomHalvesOff::new();
        Locked {
            mailbox: self.mailbox.lock(),
            _off: off,
        }
    }

    fn put(&self, posted: Posted) -> Result<(), RequestError> {
        {
            let mut mailbox = self.lock();
            if !mailbox.open {
                return Err(RequestError::Aborted);
            }
            if mailbox.posted.push_within_capacity(posted).is_err() {
                return Err(RequestError::QueueFull);
            }
        }
        self.bell.ring(Reasons::REQUEST);
        Ok(())
    }

    /// Posts a request whose answer nobody waits for. Any context. A failure is counted.
    pub(crate) fn tell(&self, request: Owned) {
        let posted = Posted {
            request,
            ticket: None,
        };
        if self.put(posted).is_err() {
            self.counters.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Posts a request and waits for its answer, at most for `limit`.
    ///
    /// # Errors
    ///
    /// What [`errno::of_request`] makes of the answer; [`ETIMEDOUT`], [`ENOMEM`].
    pub(crate) fn ask(
        &self,
        _context: &MaySleep,
        request: Owned,
        limit: Duration,
    ) -> Result<Response> {
        self.ask_outside(request, limit)
    }

    /// The same for callers outside of mac80211, in process context.
    ///
    /// # Errors
    ///
    /// As above.
    pub(crate) fn ask_outside(&self, request: Owned, limit: Duration) -> Result<Response> {
        let ticket = Ticket::new()?;
        self.put(Posted {
            request,
            ticket: Some(ticket.clone()),
        })
        .map_err(errno::of_request)?;
        ticket.wait(limit).map_err(|error| {
            if error == RequestError::TimedOut {
                self.counters.timeouts.fetch_add(1, Ordering::Relaxed);
            }
            errno::of_request(error)
        })
    }

    /// Asks the owner for a page of debugfs.
    ///
    /// # Errors
    ///
    /// [`ENODEV`] if there is no owner any more, [`EBUSY`] if too many ask.
    pub(crate) fn inspect(&self, inspection: Arc<Inspection>) -> Result {
        {
            let mut mailbox = self.lock();
            if !mailbox.open {
                return Err(ENODEV);
            }
            mailbox
                .inspections
                .push_within_capacity(inspection)
                .map_err(|_| EBUSY)?;
        }
        self.bell.ring(Reasons::REQUEST);
        Ok(())
    }

    /// Asks the owner for the figures of an interface; `chip` is what the chip counted.
    ///
    /// # Errors
    ///
    /// [`ENODEV`] if there is no owner any more, [`EBUSY`] if too many ask, [`ETIMEDOUT`], [`ENOMEM`].
    pub(crate) fn figures(
        &self,
        _context: &MaySleep,
        interface: InterfaceId,
        chip: Option<Counters>,
        limit: Duration,
    ) -> Result<[u64; FIGURES]> {
        let sample = Sample::new(interface, chip)?;
        {
            let mut mailbox = self.lock();
            if !mailbox.open {
                return Err(ENODEV);
            }
            mailbox
                .samples
                .push_within_capacity(sample.clone())
                .map_err(|_| EBUSY)?;
        }
        self.bell.ring(Reasons::REQUEST);
        sample.wait(limit)
    }

    /// The owner: takes the wish of a reader of the figures.
    pub(crate) fn take_sample(&self) -> Option<Arc<Sample>> {
        self.lock().samples.pop()
    }

    /// The owner: takes the wish of a reader of debugfs.
    pub(crate) fn take_inspection(&self) -> Option<Arc<Inspection>> {
        self.lock().inspections.pop()
    }

    /// The owner: takes the oldest request.
    pub(crate) fn take(&self) -> Option<Posted> {
        self.lock().posted.remove(0).ok()
    }

    /// The owner: there was no room for this one; it stays the oldest.
    pub(crate) fn put_back(&self, posted: Posted) {
        let refused = self.lock().posted.insert_within_capacity(0, posted);
        if refused.is_err() {
            // Others came meanwhile and filled the box; who waits for this one runs into its limit.
            self.counters.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The owner ends: every request is answered, and nothing more is taken. Frames are the owner's to give back.
    pub(crate) fn close(&self) {
        let (posted, inspections, samples) = {
            let mut mailbox = self.lock();
            mailbox.open = false;
            (
                core::mem::take(&mut mailbox.posted),
                core::mem::take(&mut mailbox.inspections),
                core::mem::take(&mut mailbox.samples),
            )
        };
        for sample in samples {
            sample.refuse();
        }
        for inspection in inspections {
            inspection.refuse();
        }
        for posted in posted {
            if let Some(ticket) = posted.ticket {
                ticket.answer(Err(RequestError::Aborted));
            }
        }
    }

    /// The stack started or stopped the device.
    pub(crate) fn set_life(&self, life: Life) {
        self.life.store(life as u8, Ordering::Release);
    }

    /// Whether this is what the stack has made of the device.
    pub(crate) fn is(&self, life: Life) -> bool {
        self.life.load(Ordering::Acquire) == life as u8
    }

    /// The owner: from started to restarting. `false` if the stack does not use the device.
    pub(crate) fn begin_restart(&self) -> bool {
        self.life
            .compare_exchange(
                Life::Started as u8,
                Life::Restarting as u8,
                Ordering::AcqRel,
                Ordering::Acquire,
            )
            .is_ok()
    }

    /// Notes that the stack has frames of this category, 0 to 3, and wakes the owner. Any context.
    pub(crate) fn mark(&self, category: u8) {
        let bit = 1_u8.wrapping_shl(category.into());
        self.waiting.fetch_or(bit, Ordering::Release);
        self.bell.ring(Reasons::FRAME);
    }

    /// The same without waking: the owner itself left frames where they were.
    pub(crate) fn mark_again(&self, bits: u8) {
        self.waiting.fetch_or(bits, Ordering::Relaxed);
    }

    /// The owner: takes the marks.
    pub(crate) fn take_marks(&self) -> u8 {
        self.waiting.swap(0, Ordering::Acquire)
    }

    /// Wakes the owner for frames.
    pub(crate) fn ring_for_frame(&self) {
        self.bell.ring(Reasons::FRAME);
    }
}
