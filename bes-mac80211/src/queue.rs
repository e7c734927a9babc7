//! Frames on their way down: one pool, and in it one FIFO for each interface and access category.
//!
//! ```text
//!   push ──► [if0 VO] [if0 VI] [if0 BE] [if0 BK] [if1 VO] … [if2 BK] ──► depart ──► chip ──► retire
//!                 ▲                                   │                              │
//!                 │                                   └──► expire, flush, clear: handed back
//!                 └─────────────── put_back: where it was ───────────────────────────┘
//! ```
//!
//! A frame has one place in the pool from its arrival until its status, and what is known about it is written there
//! once, as its [`Record`]. What goes to the chip is the frame and the number of its place; what comes back is found by
//! that number.
//!
//! | rule | why |
//! |---|---|
//! | each FIFO is bounded by frames and by bytes, and a full one gives the frame back | the C driver stopped the kernel (file 30, D6) |
//! | stop and wake have a distance between them | no ringing at the edge (file 30, section 3.8.3) |
//! | a frame leaves when its time to live is over, however short the queue is | file 30, D32 |
//! | flushing one interface touches no frame of another | file 30, D1 and D2 |
//! | a frame that comes back from the chip takes its old place in the order, and always finds room | file 30, section 3.12 |
//!
//! Every operation on one frame takes constant time, except that a frame that is put back steps over those that were put
//! back before it.

pub use crate::fifo::{FifoId, FifoSet, INTERFACES};
pub use crate::record::{FrameNumber, Record};

use crate::fifo::PLACES;
use crate::tx::{Outline, TxRefused};
use crate::types::{AccessCategory, LinkId, TxInfo};
use bes_hal::frame::TxFrame;
use bes_hal::time::{earliest, Instant};
use bes_hal::{Memory, NoMemory};
use bes_wsm::wire::header::InterfaceId;
use bes_wsm::wire::RateId;

/// Frames that the pool holds, unless said otherwise; those inside the chip are among them.
pub const POOL: u16 = 512;

/// Bytes of the longest frame, roughly.
const LONGEST: u32 = 1600;

const NONE: u16 = u16::MAX;
const MASK: usize = PLACES - 1;

/// A frame that left the queues without having been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed<F> {
    /// The frame, as the stack gave it.
    pub frame: F,
    /// Where it waited.
    pub fifo: FifoId,
    /// Its length in bytes.
    pub len: u16,
}

/// What is to become of the first frame of a FIFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    /// It goes to the chip.
    Go,
    /// It stays where it is.
    Stay,
    /// It cannot be sent, and leaves.
    Refuse(TxRefused),
}

/// Who decides what is to become of a frame, and makes it ready to go.
pub(crate) trait Loader<F> {
    /// Looks at the first frame of a FIFO. One that does not go is left as it was.
    fn load(&mut self, frame: &mut F, record: &mut Record) -> Departure;
}

/// Lets every frame go as it is.
struct Unchanged;

impl<F> Loader<F> for Unchanged {
    fn load(&mut self, _frame: &mut F, _record: &mut Record) -> Departure {
        Departure::Go
    }
}

/// What became of the first frame of a FIFO.
#[derive(Debug)]
pub(crate) enum Departed<F> {
    /// It is on its way.
    Gone {
        /// Number of its place.
        number: FrameNumber,
        /// The frame.
        frame: F,
        /// Its length as the stack gave it, in bytes.
        len: u16,
        /// Station that it goes to.
        link: LinkId,
        /// Rate of its first attempt.
        rate: RateId,
    },
    /// It stays; or there is none.
    Stayed,
    /// It left unsent.
    Refused(Removed<F>, TxRefused),
}

/// Bounds of every FIFO. The stack is asked to stop at three quarters and to go on at three eighths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most frames.
    pub frames: u16,
    /// Most bytes.
    pub bytes: u32,
}

impl Limits {
    /// 128 frames as the C driver has, and as many bytes as those have at full length.
    pub const DEFAULT: Self = Self {
        frames: 128,
        bytes: 128 * 1600,
    };

    /// Where the stack is asked to stop.
    const fn high(self) -> Self {
        Self {
            frames: (self.frames / 4).saturating_mul(3),
            bytes: (self.bytes / 4).saturating_mul(3),
        }
    }

    /// Where it is asked to go on.
    const fn low(self) -> Self {
        Self {
            frames: (self.frames / 8).saturating_mul(3),
            bytes: (self.bytes / 8).saturating_mul(3),
        }
    }

    const fn is_reached(self, fifo: &Fifo) -> bool {
        fifo.frames >= self.frames || fifo.bytes >= self.bytes
    }

    const fn is_kept(self, fifo: &Fifo) -> bool {
        fifo.frames <= self.frames && fifo.bytes <= self.bytes
    }
}

/// What the stack above should do with one of its queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backpressure {
    /// Give no more frames.
    Stop(FifoId),
    /// Give frames again.
    Wake(FifoId),
}

#[derive(Clone, Copy, Debug)]
struct Fifo {
    head: u16,
    tail: u16,
    frames: u16,
    bytes: u32,
}

impl Fifo {
    const EMPTY: Self = Self {
        head: NONE,
        tail: NONE,
        frames: 0,
        bytes: 0,
    };
}

/// Whose a place of the pool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Free,
    /// A frame waits in its FIFO.
    Waiting,
    /// The frame is inside the chip, or about to be.
    Away,
}

#[derive(Debug)]
struct Slot<F> {
    /// `None` while the frame is away.
    frame: Option<F>,
    record: Record,
    next: u16,
    state: Use,
}

/// All frames on their way down.
pub struct TxQueues<F, M: Memory> {
    slots: M::Table<Slot<F>>,
    /// At this many used slots everybody is asked to stop.
    pool_mark: u16,
    /// At this many none is taken in. The slots above it are for the driver's own frames.
    pool_limit: u16,
    /// At this many they may go on. The distance keeps twelve queues from starting and stopping together with every
    /// frame.
    pool_rest: u16,
    free: u16,
    /// Slots in use.
    used: u16,
    /// Frames that wait.
    frames: u16,
    /// By [`FifoId::index`]; more than there are, so that the index needs no check.
    fifos: [Fifo; PLACES],
    /// What an index beyond the places would get, if there were one.
    nobody: Fifo,
    waiting: FifoSet,
    limits: Limits,
    high_mark: Limits,
    low_mark: Limits,
    order: u32,
    /// FIFOs that are above their own limit.
    high: FifoSet,
    /// The pool as a whole is nearly used up.
    pool_high: bool,
    /// FIFOs that the stack was told to stop.
    stopped: FifoSet,
}

impl<F: TxFrame, M: Memory> TxQueues<F, M> {
    /// Empty queues with a pool of `pool` frames, 16 to 65534.
    ///
    /// # Errors
    ///
    /// [`NoMemory`].
    pub fn new(memory: &mut M, pool: u16, limits: Limits) -> Result<Self, NoMemory> {
        let mut next = 0_u16;
        let slots = memory.table(usize::from(pool), |_| {
            next = next.wrapping_add(1);
            Slot {
                frame: None,
                record: Record::BLANK,
                next: if next == pool { NONE } else { next },
                state: Use::Free,
            }
        })?;
        Ok(Self {
            slots,
            pool_mark: pool.saturating_sub(pool / 8),
            pool_limit: pool.saturating_sub(pool / 16),
            pool_rest: pool / 2,
            free: 0,
            used: 0,
            frames: 0,
            fifos: [Fifo::EMPTY; PLACES],
            nobody: Fifo::EMPTY,
            waiting: FifoSet::EMPTY,
            limits,
            high_mark: limits.high(),
            low_mark: limits.low(),
            order: 0,
            high: FifoSet::EMPTY,
            pool_high: false,
            stopped: FifoSet::EMPTY,
        })
    }

    /// Takes a frame in, at the end of its FIFO. `outline` is what its bytes say.
    ///
    /// # Errors
    ///
    /// The frame, if the FIFO or the pool is full.
    #[inline(always)]
    pub fn push(
        &mut self,
        queue: FifoId,
        frame: F,
        info: TxInfo,
        outline: Outline,
        now: Instant,
    ) -> Result<(), F> {
        let place = queue.index() & MASK;
        let Some(fifo) = self.fifos.get_mut(place) else {
            return Err(frame);
        };
        let bytes = fifo.bytes.saturating_add(u32::from(outline.len));
        let full = fifo.frames >= self.limits.frames
            || (fifo.frames > 0 && bytes > self.limits.bytes)
            || self.used >= self.pool_limit;
        let index = self.free;
        let Some(slot) = self.slots.get_mut(usize::from(index)).filter(|_| !full) else {
            return Err(frame);
        };
        self.free = core::mem::replace(&mut slot.next, NONE);
        slot.state = Use::Waiting;
        slot.record = Record::new(queue, info, outline, self.order, now);
        slot.frame = Some(frame);
        self.order = self.order.wrapping_add(1);
        fifo.frames = fifo.frames.wrapping_add(1);
        fifo.bytes = bytes;
        if self.high_mark.is_reached(fifo) {
            self.high = self.high.with(queue);
        }
        let tail = core::mem::replace(&mut fifo.tail, index);
        match self.slots.get_mut(usize::from(tail)) {
            Some(tail) => tail.next = index,
            None => fifo.head = index,
        }
        self.waiting = self.waiting.with(queue);
        self.frames = self.frames.wrapping_add(1);
        self.used = self.used.wrapping_add(1);
        if self.used >= self.pool_mark {
            self.pool_high = true;
        }
        Ok(())
    }

    /// Takes a frame in that goes past the FIFOs: one of the driver itself. It counts as away from now on.
    ///
    /// # Errors
    ///
    /// The frame, if the pool is used up.
    pub(crate) fn enlist(
        &mut self,
        queue: FifoId,
        frame: F,
        info: TxInfo,
        now: Instant,
    ) -> Result<FrameNumber, F> {
        let outline = Outline::of(frame.bytes(), &info);
        let index = self.free;
        let Some(slot) = self.slots.get_mut(usize::from(index)) else {
            return Err(frame);
        };
        self.free = core::mem::replace(&mut slot.next, NONE);
        slot.state = Use::Away;
        slot.record = Record::new(queue, info, outline, self.order, now);
        slot.record.own = true;
        slot.frame = Some(frame);
        self.used = self.used.saturating_add(1);
        if self.used >= self.pool_mark {
            self.pool_high = true;
        }
        Ok(FrameNumber(index))
    }

    /// A frame that was [enlisted](Self::enlist) and not taken yet, with its record.
    pub(crate) fn enlisted_mut(&mut self, number: FrameNumber) -> Option<(&mut F, &mut Record)> {
        let slot = self.away_mut(number)?;
        Some((slot.frame.as_mut()?, &mut slot.record))
    }

    /// Takes it; its place stays.
    pub(crate) fn take_enlisted(&mut self, number: FrameNumber) -> Option<F> {
        self.away_mut(number)?.frame.take()
    }

    /// How many more frames of full length a FIFO takes before the stack is asked to stop.
    pub fn room(&self, queue: FifoId) -> usize {
        let fifo = self.fifo(queue);
        let frames = self.high_mark.frames.saturating_sub(fifo.frames);
        let bytes = self.high_mark.bytes.saturating_sub(fifo.bytes) / LONGEST;
        let pool = self.pool_mark.saturating_sub(self.used);
        // One less than what reaches a mark.
        let room = u32::from(frames.min(pool)).min(bytes).saturating_sub(1);
        usize::try_from(room).unwrap_or(0)
    }

    /// Puts a frame that is away back to its place in its FIFO, ahead of everything that was pushed after it. The limits
    /// of the FIFO do not apply, and there is always room: the frame has kept its slot.
    ///
    /// # Errors
    ///
    /// The frame, if no frame with this number is away.
    pub fn put_back(&mut self, number: FrameNumber, frame: F) -> Result<(), F> {
        let Some(slot) = self.away_mut(number) else {
            return Err(frame);
        };
        slot.state = Use::Waiting;
        slot.frame = Some(frame);
        slot.record.requeues = slot.record.requeues.saturating_add(1);
        let (queue, bytes) = (slot.record.fifo, u32::from(slot.record.outline.len));
        let record = slot.record;

        let mut before = NONE;
        let mut behind = self.fifo(queue).head;
        while let Some(other) = self.slot(behind) {
            if !other.record.is_before(&record) {
                break;
            }
            before = behind;
            behind = other.next;
        }
        if let Some(slot) = self.slot_mut(number.0) {
            slot.next = behind;
        }
        match self.slot_mut(before) {
            Some(earlier) => earlier.next = number.0,
            None => self.fifo_mut(queue).head = number.0,
        }
        if behind == NONE {
            self.fifo_mut(queue).tail = number.0;
        }
        let mark = self.high_mark;
        let fifo = self.fifo_mut(queue);
        fifo.frames = fifo.frames.saturating_add(1);
        fifo.bytes = fifo.bytes.saturating_add(bytes);
        let high = mark.is_reached(fifo);
        self.waiting = self.waiting.with(queue);
        self.frames = self.frames.saturating_add(1);
        if high {
            self.high = self.high.with(queue);
        }
        Ok(())
    }

    /// The next frame of a FIFO, and its record.
    pub fn front(&self, queue: FifoId) -> Option<(&F, &Record)> {
        let slot = self.slot(self.fifo(queue).head)?;
        Some((slot.frame.as_ref()?, &slot.record))
    }

    /// Shows the next frame of a FIFO to `loader` and does what it says. A frame that goes is away until it is
    /// [retired](Self::retire) or [put back](Self::put_back).
    #[inline(always)]
    pub(crate) fn depart(&mut self, queue: FifoId, loader: &mut impl Loader<F>) -> Departed<F> {
        let place = queue.index() & MASK;
        let Some(fifo) = self.fifos.get_mut(place) else {
            return Departed::Stayed;
        };
        let index = fifo.head;
        let Some(slot) = self.slots.get_mut(usize::from(index)) else {
            return Departed::Stayed;
        };
        let Some(frame) = &mut slot.frame else {
            return Departed::Stayed;
        };
        let refused = match loader.load(frame, &mut slot.record) {
            Departure::Go => None,
            Departure::Stay => return Departed::Stayed,
            Departure::Refuse(refused) => Some(refused),
        };
        let Some(frame) = slot.frame.take() else {
            return Departed::Stayed;
        };
        let next = core::mem::replace(&mut slot.next, NONE);
        let (len, link) = (slot.record.outline.len, slot.record.info.link);
        let rate = slot.record.rate;
        slot.state = Use::Away;
        fifo.head = next;
        fifo.frames = fifo.frames.wrapping_sub(1);
        fifo.bytes = fifo.bytes.wrapping_sub(u32::from(len));
        self.frames = self.frames.wrapping_sub(1);
        if next == NONE {
            fifo.tail = NONE;
            self.waiting = self.waiting.without(queue);
        }
        if self.low_mark.is_kept(fifo) {
            self.high = self.high.without(queue);
        }
        let number = FrameNumber(index);
        match refused {
            None => Departed::Gone {
                number,
                frame,
                len,
                link,
                rate,
            },
            Some(refused) => {
                self.retire(number);
                let fifo = queue;
                Departed::Refused(Removed { frame, fifo, len }, refused)
            }
        }
    }

    /// What is known about a frame that is away.
    #[inline]
    pub(crate) fn away(&self, number: FrameNumber) -> Option<&Record> {
        let slot = self.slots.get(usize::from(number.0))?;
        (slot.state == Use::Away).then_some(&slot.record)
    }

    /// A frame that is away has its status: its place is free. What was known about it can be looked at until another
    /// frame comes; `None` if no frame with this number is away.
    #[inline(always)]
    pub(crate) fn retire(&mut self, number: FrameNumber) -> Option<&Record> {
        let slot = self
            .slots
            .get_mut(usize::from(number.0))
            .filter(|slot| slot.state == Use::Away)?;
        slot.state = Use::Free;
        slot.next = self.free;
        self.free = number.0;
        self.used = self.used.wrapping_sub(1);
        if self.used <= self.pool_rest {
            self.pool_high = false;
        }
        Some(&slot.record)
    }

    /// Hands every frame back that is too old.
    pub fn expire(&mut self, now: Instant, mut back: impl FnMut(Removed<F>)) {
        for queue in self.waiting {
            while self
                .front(queue)
                .is_some_and(|(_, record)| record.deadline().is_due(now))
            {
                let Some(removed) = self.remove(queue) else {
                    break;
                };
                back(removed);
            }
        }
    }

    /// When [`expire`](Self::expire) will have something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.waiting
            .filter_map(|queue| self.front(queue))
            .map(|(_, record)| record.deadline())
            .fold(None, |first, deadline| earliest(first, Some(deadline)))
    }

    /// Hands every frame of one interface back that waits, and touches nothing else.
    pub fn flush(&mut self, interface: InterfaceId, back: impl FnMut(Removed<F>)) {
        self.drain(FifoSet::of_interface(interface), back);
    }

    /// Hands every frame back that waits.
    pub fn clear(&mut self, back: impl FnMut(Removed<F>)) {
        self.drain(FifoSet::ALL, back);
    }

    fn drain(&mut self, queues: FifoSet, mut back: impl FnMut(Removed<F>)) {
        for queue in queues.and(self.waiting) {
            while let Some(removed) = self.remove(queue) {
                back(removed);
            }
        }
    }

    /// Takes the next frame of a FIFO out for good.
    fn remove(&mut self, queue: FifoId) -> Option<Removed<F>> {
        match self.depart(queue, &mut Unchanged) {
            Departed::Gone {
                number, frame, len, ..
            } => {
                self.retire(number);
                let fifo = queue;
                Some(Removed { frame, fifo, len })
            }
            Departed::Stayed | Departed::Refused(..) => None,
        }
    }

    /// What the stack should be told next, until there is nothing. Each change is told once.
    #[inline]
    pub fn poll_backpressure(&mut self) -> Option<Backpressure> {
        let wanted = if self.pool_high {
            FifoSet::ALL
        } else {
            self.high
        };
        if wanted == self.stopped {
            return None;
        }
        let queue = wanted.differing(self.stopped).next()?;
        if wanted.has(queue) {
            self.stopped = self.stopped.with(queue);
            Some(Backpressure::Stop(queue))
        } else {
            self.stopped = self.stopped.without(queue);
            Some(Backpressure::Wake(queue))
        }
    }

    /// The FIFOs that have frames.
    pub const fn waiting(&self) -> FifoSet {
        self.waiting
    }

    /// The FIFOs that the stack was told to stop.
    pub const fn stopped(&self) -> FifoSet {
        self.stopped
    }

    /// Frames in a FIFO.
    pub fn frames(&self, queue: FifoId) -> usize {
        usize::from(self.fifo(queue).frames)
    }

    /// Bytes in a FIFO.
    pub fn bytes(&self, queue: FifoId) -> u32 {
        self.fifo(queue).bytes
    }

    /// Frames of one interface that wait.
    pub fn interface_frames(&self, interface: InterfaceId) -> usize {
        AccessCategory::ALL
            .iter()
            .map(|&ac| self.frames(FifoId::new(interface, ac)))
            .sum()
    }

    /// All frames that wait.
    pub fn len(&self) -> usize {
        usize::from(self.frames)
    }

    /// Whether no frame waits.
    pub const fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// Frames that are away: in the chip, or about to be.
    pub fn away_frames(&self) -> usize {
        usize::from(self.used.saturating_sub(self.frames))
    }

    fn slot(&self, index: u16) -> Option<&Slot<F>> {
        self.slots.get(usize::from(index))
    }

    fn slot_mut(&mut self, index: u16) -> Option<&mut Slot<F>> {
        self.slots.get_mut(usize::from(index))
    }

    #[inline]
    fn away_mut(&mut self, number: FrameNumber) -> Option<&mut Slot<F>> {
        self.slots
            .get_mut(usize::from(number.0))
            .filter(|slot| slot.state == Use::Away)
    }

    #[inline]
    fn fifo(&self, queue: FifoId) -> &Fifo {
        self.fifos.get(queue.index() & MASK).unwrap_or(&self.nobody)
    }

    #[inline]
    fn fifo_mut(&mut self, queue: FifoId) -> &mut Fifo {
        match self.fifos.get_mut(queue.index() & MASK) {
            Some(fifo) => fifo,
            None => &mut self.nobody,
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
#[path = "queue_tests.rs"]
mod tests;
