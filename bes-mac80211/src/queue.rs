//! Frames that wait in the host: one pool, and in it one FIFO for each interface and access category.
//!
//! ```text
//!   push ──► [if0 VO] [if0 VI] [if0 BE] [if0 BK] [if1 VO] … [if2 BK] ──► pop
//!                 ▲                                   │
//!                 └── requeue: back to where it was ──┴──► expire, flush, clear: handed back
//! ```
//!
//! | rule | why |
//! |---|---|
//! | each FIFO is bounded by frames and by bytes, and a full one gives the frame back | the C driver stopped the kernel (file 30, D6) |
//! | stop and wake have a distance between them | no ringing at the edge (file 30, section 3.8.3) |
//! | a frame leaves when its time to live is over, however short the queue is | file 30, D32 |
//! | flushing one interface touches no frame of another | file 30, D1 and D2 |
//! | a frame that comes back from the chip takes its old place in the order | file 30, section 3.12 |
//!
//! Every operation on one frame takes constant time, except that a requeue steps over the frames that were
//! requeued before it.

use crate::tx::Outline;
use crate::types::{AccessCategory, TxInfo, ACCESS_CATEGORIES};
use bes_hal::frame::TxFrame;
use bes_hal::time::{earliest, Instant};
use bes_hal::{Memory, NoMemory};
use bes_wsm::wire::header::InterfaceId;
use core::fmt;

/// Frames that the pool holds, unless said otherwise.
pub const POOL: u16 = 512;

/// Number of interfaces of the chip.
pub const INTERFACES: usize = InterfaceId::ALL.len();

/// Bytes of the longest frame, roughly.
const LONGEST: u32 = 1600;

const NONE: u16 = u16::MAX;

/// Places for FIFOs, a power of two.
const PLACES: usize = 16;
const MASK: usize = PLACES - 1;

const _: () = assert!(ACCESS_CATEGORIES * INTERFACES <= PLACES);

/// One of the twelve FIFOs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FifoId {
    /// Interface that the frames are sent on.
    pub interface: InterfaceId,
    /// Their access category.
    pub access_category: AccessCategory,
}

impl FifoId {
    /// The FIFO of this interface and category.
    pub const fn new(interface: InterfaceId, access_category: AccessCategory) -> Self {
        Self {
            interface,
            access_category,
        }
    }

    /// All of them, by interface, then by urgency.
    pub fn all() -> impl Iterator<Item = Self> {
        InterfaceId::ALL
            .into_iter()
            .flat_map(|interface| AccessCategory::ALL.map(|ac| Self::new(interface, ac)))
    }

    /// Its place among the twelve, by interface, then by urgency.
    #[inline]
    pub(crate) const fn index(self) -> usize {
        let row = match self.interface {
            InterfaceId::Zero => 0_usize,
            InterfaceId::One => 4,
            InterfaceId::Two => 8,
        };
        let column = match self.access_category {
            AccessCategory::Voice => 0_usize,
            AccessCategory::Video => 1,
            AccessCategory::BestEffort => 2,
            AccessCategory::Background => 3,
        };
        row.wrapping_add(column)
    }

    #[inline]
    const fn bit(self) -> u16 {
        let row = match self.interface {
            InterfaceId::Zero => 0_u32,
            InterfaceId::One => 4,
            InterfaceId::Two => 8,
        };
        let column = match self.access_category {
            AccessCategory::Voice => 0_u32,
            AccessCategory::Video => 1,
            AccessCategory::BestEffort => 2,
            AccessCategory::Background => 3,
        };
        1_u16.wrapping_shl(row.wrapping_add(column))
    }
}

impl fmt::Display for FifoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.interface, self.access_category)
    }
}

/// A set of FIFOs: which have frames, or which may send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FifoSet(u16);

impl FifoSet {
    /// No FIFO.
    pub const EMPTY: Self = Self(0);
    /// All twelve.
    pub const ALL: Self = Self(0x0FFF);

    /// The four FIFOs of one interface.
    #[inline]
    pub const fn of_interface(interface: InterfaceId) -> Self {
        match interface {
            InterfaceId::Zero => Self(0x00F),
            InterfaceId::One => Self(0x0F0),
            InterfaceId::Two => Self(0xF00),
        }
    }

    /// Those of one interface: the most urgent category in bit 0.
    #[inline]
    pub(crate) const fn row(self, interface: InterfaceId) -> u16 {
        let shift = match interface {
            InterfaceId::Zero => 0_u32,
            InterfaceId::One => 4,
            InterfaceId::Two => 8,
        };
        self.0.wrapping_shr(shift) & 0x0F
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `queue` is in the set.
    pub const fn has(self, queue: FifoId) -> bool {
        self.0 & queue.bit() != 0
    }

    /// The set with `queue` in it.
    #[must_use]
    pub const fn with(self, queue: FifoId) -> Self {
        Self(self.0 | queue.bit())
    }

    /// The set without `queue`.
    #[must_use]
    pub const fn without(self, queue: FifoId) -> Self {
        Self(self.0 & !queue.bit())
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Takes one FIFO out of the set: that of the lowest interface, the most urgent of it.
    #[inline]
    fn pop(&mut self) -> Option<FifoId> {
        let bit = self.0.trailing_zeros();
        let interface = match bit {
            0..=3 => InterfaceId::Zero,
            4..=7 => InterfaceId::One,
            8..=11 => InterfaceId::Two,
            _ => return None,
        };
        let access_category = match bit & 3 {
            0 => AccessCategory::Voice,
            1 => AccessCategory::Video,
            2 => AccessCategory::BestEffort,
            _ => AccessCategory::Background,
        };
        self.0 &= self.0.wrapping_sub(1);
        Some(FifoId::new(interface, access_category))
    }
}

impl Iterator for FifoSet {
    type Item = FifoId;

    fn next(&mut self) -> Option<FifoId> {
        self.pop()
    }
}

/// What the queues know about a frame. It travels with the frame through the chip, so that the frame can take its
/// old place again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The FIFO of the frame.
    pub queue: FifoId,
    /// When it is too old to be sent.
    pub deadline: Instant,
    /// How often the chip gave it back unsent.
    pub requeues: u8,
    order: u64,
}

/// A frame in a queue, or just taken out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued<F> {
    /// The frame, as the stack gave it.
    pub frame: F,
    /// What the stack said about it.
    pub info: TxInfo,
    /// What its own bytes say about it.
    pub outline: Outline,
    /// Its place.
    pub admission: Admission,
}

impl<F: TxFrame> Queued<F> {
    /// A frame that goes past the queues.
    pub(crate) fn unqueued(interface: InterfaceId, frame: F, info: TxInfo, now: Instant) -> Self {
        Self {
            outline: Outline::of(frame.bytes(), &info),
            frame,
            info,
            admission: Admission {
                queue: FifoId::new(interface, info.access_category),
                deadline: now.after(info.access_category.time_to_live()),
                requeues: 0,
                order: 0,
            },
        }
    }
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

#[derive(Debug)]
struct Slot<F> {
    next: u16,
    content: Option<Queued<F>>,
}

/// All frames that wait in the host.
pub struct TxQueues<F, M: Memory> {
    slots: M::Table<Slot<F>>,
    /// At this many used slots everybody is asked to stop.
    pool_mark: u16,
    /// At this many none is taken in. The slots above it are for frames that come back from the chip: a requeue must
    /// not fail because new frames were faster.
    pool_limit: u16,
    /// At this many they may go on. The distance keeps twelve queues from starting and stopping together with every
    /// frame.
    pool_rest: u16,
    free: u16,
    used: u16,
    /// By [`FifoId::index`]; more than there are, so that the index needs no check.
    fifos: [Fifo; PLACES],
    /// What an index beyond the places would get, if there were one.
    nobody: Fifo,
    waiting: FifoSet,
    limits: Limits,
    high_mark: Limits,
    low_mark: Limits,
    order: u64,
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
                next: if next == pool { NONE } else { next },
                content: None,
            }
        })?;
        Ok(Self {
            slots,
            pool_mark: pool.saturating_sub(pool / 8),
            pool_limit: pool.saturating_sub(pool / 16),
            pool_rest: pool / 2,
            free: 0,
            used: 0,
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

    /// Takes a frame in, at the end of its FIFO.
    ///
    /// # Errors
    ///
    /// The frame, if the FIFO or the pool is full.
    pub fn push(
        &mut self,
        interface: InterfaceId,
        frame: F,
        info: TxInfo,
        now: Instant,
    ) -> Result<(), F> {
        let queue = FifoId::new(interface, info.access_category);
        let outline = Outline::of(frame.bytes(), &info);
        self.push_outlined(queue, frame, info, outline, now)
    }

    /// The same for a frame that was looked at already.
    #[inline(always)]
    pub(crate) fn push_outlined(
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
        slot.content = Some(Queued {
            frame,
            info,
            outline,
            admission: Admission {
                queue,
                deadline: now.after(info.access_category.time_to_live()),
                requeues: 0,
                order: self.order,
            },
        });
        self.order = self.order.wrapping_add(1);
        fifo.frames = fifo.frames.wrapping_add(1);
        fifo.bytes = bytes;
        let bit = 1_u16.wrapping_shl(u32::try_from(place).unwrap_or(0));
        if self.high_mark.is_reached(fifo) {
            self.high.0 |= bit;
        }
        let tail = core::mem::replace(&mut fifo.tail, index);
        match self.slots.get_mut(usize::from(tail)) {
            Some(tail) => tail.next = index,
            None => fifo.head = index,
        }
        self.waiting.0 |= bit;
        self.used = self.used.wrapping_add(1);
        if self.used >= self.pool_mark {
            self.pool_high = true;
        }
        Ok(())
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

    /// Puts a frame that was taken out before back to its place, ahead of everything that was pushed after it.
    /// The limits of the FIFO do not apply.
    ///
    /// # Errors
    ///
    /// The frame, if the pool is full.
    pub fn requeue(&mut self, mut queued: Queued<F>) -> Result<(), Queued<F>> {
        let queue = queued.admission.queue;
        let order = queued.admission.order;
        let bytes = u32::from(queued.outline.len);
        queued.admission.requeues = queued.admission.requeues.saturating_add(1);
        let Some(slot) = self.take_slot() else {
            return Err(queued);
        };

        let mut before = NONE;
        let mut behind = self.fifo(queue).head;
        while let Some(entry) = self.slot(behind) {
            let earlier = entry
                .content
                .as_ref()
                .is_some_and(|other| other.admission.order < order);
            if !earlier {
                break;
            }
            before = behind;
            behind = entry.next;
        }
        if let Some(entry) = self.slot_mut(slot) {
            entry.next = behind;
            entry.content = Some(queued);
        }
        match self.slot_mut(before) {
            Some(entry) => entry.next = slot,
            None => self.fifo_mut(queue).head = slot,
        }
        if behind == NONE {
            self.fifo_mut(queue).tail = slot;
        }
        self.count_in(queue, bytes);
        Ok(())
    }

    /// The next frame of a FIFO.
    pub fn front(&self, queue: FifoId) -> Option<&Queued<F>> {
        self.slot(self.fifo(queue).head)?.content.as_ref()
    }

    /// The next frame of a FIFO, to be changed. What the queues count is its length when it came.
    pub(crate) fn front_mut(&mut self, queue: FifoId) -> Option<&mut Queued<F>> {
        let head = self.fifo(queue).head;
        self.slot_mut(head)?.content.as_mut()
    }

    /// Takes the next frame out of a FIFO.
    #[inline(always)]
    pub fn pop(&mut self, queue: FifoId) -> Option<Queued<F>> {
        let place = queue.index() & MASK;
        let fifo = self.fifos.get_mut(place)?;
        let index = fifo.head;
        let slot = self.slots.get_mut(usize::from(index))?;
        let queued = slot.content.take()?;
        let next = core::mem::replace(&mut slot.next, self.free);
        self.free = index;
        fifo.head = next;
        fifo.frames = fifo.frames.saturating_sub(1);
        fifo.bytes = fifo.bytes.saturating_sub(u32::from(queued.outline.len));
        let rest = !1_u16.wrapping_shl(u32::try_from(place).unwrap_or(0));
        if next == NONE {
            fifo.tail = NONE;
            self.waiting.0 &= rest;
        }
        if self.low_mark.is_kept(fifo) {
            self.high.0 &= rest;
        }
        self.used = self.used.saturating_sub(1);
        if self.used <= self.pool_rest {
            self.pool_high = false;
        }
        Some(queued)
    }

    /// Hands every frame back that is too old.
    pub fn expire(&mut self, now: Instant, mut back: impl FnMut(Queued<F>)) {
        for queue in self.waiting {
            while self
                .front(queue)
                .is_some_and(|queued| queued.admission.deadline.is_due(now))
            {
                if let Some(queued) = self.pop(queue) {
                    back(queued);
                }
            }
        }
    }

    /// When [`expire`](Self::expire) will have something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.waiting
            .filter_map(|queue| self.front(queue))
            .map(|queued| queued.admission.deadline)
            .fold(None, |first, deadline| earliest(first, Some(deadline)))
    }

    /// Hands every frame of one interface back, and touches nothing else.
    pub fn flush(&mut self, interface: InterfaceId, back: impl FnMut(Queued<F>)) {
        self.drain(FifoSet::of_interface(interface), back);
    }

    /// Hands every frame back.
    pub fn clear(&mut self, back: impl FnMut(Queued<F>)) {
        self.drain(FifoSet::ALL, back);
    }

    fn drain(&mut self, queues: FifoSet, mut back: impl FnMut(Queued<F>)) {
        for queue in queues.and(self.waiting) {
            while let Some(queued) = self.pop(queue) {
                back(queued);
            }
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
        let queue = FifoSet(wanted.0 ^ self.stopped.0).next()?;
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

    /// Frames of one interface.
    pub fn interface_frames(&self, interface: InterfaceId) -> usize {
        AccessCategory::ALL
            .iter()
            .map(|&ac| self.frames(FifoId::new(interface, ac)))
            .sum()
    }

    /// All frames.
    pub fn len(&self) -> usize {
        usize::from(self.used)
    }

    /// Whether no frame waits.
    pub const fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Takes an empty slot out of the free list; the caller fills it.
    fn take_slot(&mut self) -> Option<u16> {
        let index = self.free;
        let slot = self.slot_mut(index)?;
        let next = core::mem::replace(&mut slot.next, NONE);
        self.free = next;
        self.used = self.used.saturating_add(1);
        if self.used >= self.pool_mark {
            self.pool_high = true;
        }
        Some(index)
    }

    fn count_in(&mut self, queue: FifoId, bytes: u32) {
        let mark = self.high_mark;
        let fifo = self.fifo_mut(queue);
        fifo.frames = fifo.frames.saturating_add(1);
        fifo.bytes = fifo.bytes.saturating_add(bytes);
        let high = mark.is_reached(fifo);
        self.waiting = self.waiting.with(queue);
        if high {
            self.high = self.high.with(queue);
        }
    }

    fn slot(&self, index: u16) -> Option<&Slot<F>> {
        self.slots.get(usize::from(index))
    }

    fn slot_mut(&mut self, index: u16) -> Option<&mut Slot<F>> {
        self.slots.get_mut(usize::from(index))
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
mod tests {
    use super::*;
    use crate::types::Band;
    use bes_hal::frame::ArrayFrame;
    use bes_hal::memory::Heap;
    use bes_hal::Duration;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    type Frame = ArrayFrame<32>;
    type Queues = TxQueues<Frame, Heap>;
    const BE: AccessCategory = AccessCategory::BestEffort;

    fn queues(pool: u16, limits: Limits) -> Queues {
        TxQueues::new(&mut Heap, pool, limits).unwrap()
    }

    fn frame(mark: u8) -> Frame {
        Frame::new(8, &[mark; 10]).unwrap()
    }

    fn mark(queued: &Queued<Frame>) -> u8 {
        queued.frame.bytes()[0]
    }

    fn info(ac: AccessCategory) -> TxInfo {
        TxInfo::new(ac, Band::TwoPointFourGhz)
    }

    fn push(queues: &mut Queues, interface: InterfaceId, content: u8) {
        queues
            .push(interface, frame(content), info(BE), Instant::ZERO)
            .unwrap();
    }

    fn marks(queues: &mut Queues, queue: FifoId) -> Vec<u8> {
        core::iter::from_fn(|| queues.pop(queue))
            .map(|queued| mark(&queued))
            .collect()
    }

    #[test]
    fn frames_leave_in_the_order_they_came() {
        let mut queues = queues(64, Limits::DEFAULT);
        for content in 0..5 {
            push(&mut queues, InterfaceId::Zero, content);
        }
        assert_eq!(
            queues.front(FifoId::new(InterfaceId::Zero, BE)).map(mark),
            Some(0)
        );
        let queue = FifoId::new(InterfaceId::Zero, BE);
        assert_eq!(marks(&mut queues, queue), [0, 1, 2, 3, 4]);
        assert!(queues.is_empty() && queues.waiting().is_empty());
    }

    /// File 30, D6.
    #[test]
    fn d6_a_full_queue_gives_the_frame_back() {
        let limits = Limits {
            frames: 4,
            bytes: 1000,
        };
        let mut queues = queues(64, limits);
        for content in 0..4 {
            push(&mut queues, InterfaceId::Zero, content);
        }
        let refused = queues
            .push(InterfaceId::Zero, frame(9), info(BE), Instant::ZERO)
            .unwrap_err();
        assert_eq!(refused.bytes()[0], 9);
        push(&mut queues, InterfaceId::One, 5);
        assert_eq!(queues.len(), 5);
    }

    #[test]
    fn bytes_are_bounded_too_but_one_frame_always_fits() {
        let limits = Limits {
            frames: 100,
            bytes: 5,
        };
        let mut queues = queues(64, limits);
        push(&mut queues, InterfaceId::Zero, 1);
        assert!(queues
            .push(InterfaceId::Zero, frame(2), info(BE), Instant::ZERO)
            .is_err());
        assert_eq!(queues.bytes(FifoId::new(InterfaceId::Zero, BE)), 10);
    }

    #[test]
    fn stop_and_wake_are_told_once_and_keep_a_distance() {
        let limits = Limits {
            frames: 16,
            bytes: 1_000_000,
        };
        let mut queues = queues(64, limits);
        let queue = FifoId::new(InterfaceId::Zero, BE);
        for content in 0..11 {
            push(&mut queues, InterfaceId::Zero, content);
        }
        assert_eq!(queues.poll_backpressure(), None);
        push(&mut queues, InterfaceId::Zero, 11);
        assert_eq!(queues.poll_backpressure(), Some(Backpressure::Stop(queue)));
        assert_eq!(queues.poll_backpressure(), None);
        for _ in 0..5 {
            queues.pop(queue).unwrap();
            assert_eq!(queues.poll_backpressure(), None);
        }
        queues.pop(queue).unwrap();
        assert_eq!(queues.poll_backpressure(), Some(Backpressure::Wake(queue)));
        assert_eq!(queues.poll_backpressure(), None);
    }

    /// A stack that pulls its frames asks how many it may pull.
    #[test]
    fn what_there_is_room_for_is_taken_without_a_stop() {
        let limits = Limits {
            frames: 16,
            bytes: 16 * LONGEST,
        };
        let mut queues = queues(64, limits);
        let queue = FifoId::new(InterfaceId::Zero, BE);
        assert_eq!(queues.room(queue), 11);
        for left in (0..11).rev() {
            push(&mut queues, InterfaceId::Zero, 0);
            assert_eq!(queues.room(queue), left);
            assert_eq!(queues.poll_backpressure(), None);
        }
        // A stack that gives more all the same is asked to stop, and loses nothing.
        push(&mut queues, InterfaceId::Zero, 0);
        assert_eq!(queues.poll_backpressure(), Some(Backpressure::Stop(queue)));
        assert_eq!(queues.room(queue), 0);
        let _ = queues.pop(queue);
        let _ = queues.pop(queue);
        assert_eq!(queues.room(queue), 1);
    }

    #[test]
    fn room_is_that_of_the_pool_if_that_is_less() {
        let mut queues = queues(16, Limits::DEFAULT);
        let (zero, one) = (InterfaceId::Zero, InterfaceId::One);
        for _ in 0..10 {
            push(&mut queues, zero, 0);
        }
        assert_eq!(queues.room(FifoId::new(one, BE)), 3);
    }

    #[test]
    fn a_stop_that_is_over_before_it_was_told_is_not_told() {
        let limits = Limits {
            frames: 8,
            bytes: 1_000_000,
        };
        let mut queues = queues(64, limits);
        for content in 0..8 {
            push(&mut queues, InterfaceId::Zero, content);
        }
        queues.clear(drop);
        assert_eq!(queues.poll_backpressure(), None);
    }

    #[test]
    fn a_nearly_empty_pool_stops_everybody_and_leaves_room_for_requeues() {
        let limits = Limits {
            frames: 1000,
            bytes: 1_000_000,
        };
        let mut queues = queues(64, limits);
        let queue = FifoId::new(InterfaceId::Zero, BE);
        push(&mut queues, InterfaceId::Zero, 0);
        let first = queues.pop(queue).unwrap();
        while queues
            .push(InterfaceId::Zero, frame(1), info(BE), Instant::ZERO)
            .is_ok()
        {}
        assert_eq!(queues.len(), 60);
        let stops = core::iter::from_fn(|| queues.poll_backpressure()).count();
        assert_eq!(stops, 12);
        assert_eq!(queues.stopped(), FifoSet::ALL);
        queues.requeue(first).unwrap();
        assert_eq!(marks(&mut queues, queue)[..2], [0, 1]);
        let wakes = core::iter::from_fn(|| queues.poll_backpressure()).count();
        assert_eq!((wakes, queues.stopped()), (12, FifoSet::EMPTY));
    }

    #[test]
    fn requeued_frames_take_their_old_place_whatever_order_they_come_back_in() {
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let mut queues = queues(64, Limits::DEFAULT);
            let queue = FifoId::new(InterfaceId::Zero, BE);
            for content in 0..5 {
                push(&mut queues, InterfaceId::Zero, content);
            }
            let taken: Vec<_> = (0..3).map(|_| queues.pop(queue).unwrap()).collect();
            for index in order {
                queues.requeue(taken[index].clone()).unwrap();
            }
            assert_eq!(
                queues.front(queue).map(|queued| queued.admission.requeues),
                Some(1)
            );
            assert_eq!(marks(&mut queues, queue), [0, 1, 2, 3, 4]);
        }
    }

    #[test]
    fn a_frame_requeued_into_an_empty_queue_is_followed_by_new_ones() {
        let mut queues = queues(64, Limits::DEFAULT);
        let queue = FifoId::new(InterfaceId::Zero, BE);
        push(&mut queues, InterfaceId::Zero, 0);
        let taken = queues.pop(queue).unwrap();
        queues.requeue(taken).unwrap();
        push(&mut queues, InterfaceId::Zero, 1);
        assert_eq!(marks(&mut queues, queue), [0, 1]);
    }

    /// File 30, D32.
    #[test]
    fn d32_time_to_live_holds_however_short_the_queue_is() {
        let mut queues = queues(64, Limits::DEFAULT);
        let start = Instant::from_millis(100);
        for ac in AccessCategory::ALL {
            queues
                .push(InterfaceId::One, frame(ac.number()), info(ac), start)
                .unwrap();
        }
        let mut gone = Vec::new();
        for seconds in [1, 2, 5, 10] {
            let deadline = start.after(Duration::from_secs(seconds));
            assert_eq!(queues.next_deadline(), Some(deadline));
            let before = Instant::from_nanos(deadline.as_nanos() - 1);
            queues.expire(before, |_| panic!("too early"));
            queues.expire(deadline, |queued| gone.push(mark(&queued)));
        }
        assert_eq!(gone, [0, 1, 2, 3]);
        assert_eq!(queues.next_deadline(), None);
    }

    #[test]
    fn a_requeued_frame_keeps_its_deadline() {
        let mut queues = queues(64, Limits::DEFAULT);
        let queue = FifoId::new(InterfaceId::Zero, BE);
        push(&mut queues, InterfaceId::Zero, 0);
        let deadline = queues.next_deadline();
        let taken = queues.pop(queue).unwrap();
        queues.requeue(taken).unwrap();
        assert_eq!(queues.next_deadline(), deadline);
    }

    /// File 30, D1 and D2; file 20, D20.
    #[test]
    fn d1_d2_flushing_one_interface_touches_no_other() {
        let mut queues = queues(64, Limits::DEFAULT);
        for content in 0..6 {
            push(&mut queues, InterfaceId::One, content);
            push(&mut queues, InterfaceId::Zero, content + 10);
        }
        let mut flushed = Vec::new();
        queues.flush(InterfaceId::Zero, |queued| flushed.push(mark(&queued)));
        assert_eq!(flushed, [10, 11, 12, 13, 14, 15]);
        assert_eq!(queues.interface_frames(InterfaceId::Zero), 0);
        assert_eq!(queues.interface_frames(InterfaceId::One), 6);
        let queue = FifoId::new(InterfaceId::One, BE);
        assert_eq!(marks(&mut queues, queue), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn sets_name_every_queue_once() {
        let all: Vec<_> = FifoSet::ALL.collect();
        assert_eq!(all, FifoId::all().collect::<Vec<_>>());
        for queue in all {
            let only = FifoSet::EMPTY.with(queue);
            assert_eq!(only.collect::<Vec<_>>(), [queue]);
            assert!(!FifoSet::ALL.without(queue).has(queue));
            assert!(FifoSet::of_interface(queue.interface).has(queue));
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(usize, usize),
        Pop(usize, usize),
        Requeue,
        Expire(u64),
        Flush(usize),
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            12 => (0..3_usize, 0..4_usize).prop_map(|(i, ac)| Step::Push(i, ac)),
            8 => (0..3_usize, 0..4_usize).prop_map(|(i, ac)| Step::Pop(i, ac)),
            4 => Just(Step::Requeue),
            2 => (0..3000_u64).prop_map(Step::Expire),
            1 => (0..3_usize).prop_map(Step::Flush),
            1 => Just(Step::Clear),
        ]
    }

    proptest! {
        /// Nothing is lost, nothing is duplicated, the order holds, and the counts are right.
        #[test]
        fn queues_behave_as_lists_do(steps in proptest::collection::vec(step(), 1..200)) {
            let limits = Limits { frames: 12, bytes: 100 };
            let mut queues = queues(32, limits);
            let mut model: Vec<VecDeque<u64>> = vec![VecDeque::new(); 12];
            let mut outside: Vec<Queued<Frame>> = Vec::new();
            let mut next = 0_u64;
            let mut now = Instant::ZERO;
            let at = |queue: FifoId| queue.interface.index() * 4 + queue.access_category.index();
            let id = |queued: &Queued<Frame>| {
                u64::from_le_bytes(queued.frame.bytes()[..8].try_into().unwrap())
            };
            for step in steps {
                match step {
                    Step::Push(i, ac) => {
                        let (interface, ac) = (InterfaceId::ALL[i], AccessCategory::ALL[ac]);
                        let queue = FifoId::new(interface, ac);
                        let frame = Frame::new(4, &next.to_le_bytes()).unwrap();
                        if queues.push(interface, frame, info(ac), now).is_ok() {
                            model[at(queue)].push_back(next);
                            next += 1;
                        } else {
                            let total: usize = model.iter().map(VecDeque::len).sum();
                            prop_assert!(total >= 30 || model[at(queue)].len() >= 12);
                        }
                    }
                    Step::Pop(i, ac) => {
                        let queue = FifoId::new(InterfaceId::ALL[i], AccessCategory::ALL[ac]);
                        let popped = queues.pop(queue);
                        prop_assert_eq!(popped.as_ref().map(id), model[at(queue)].pop_front());
                        outside.extend(popped);
                    }
                    Step::Requeue => {
                        if let Some(queued) = outside.pop() {
                            let (queue, number) = (queued.admission.queue, id(&queued));
                            if queues.requeue(queued).is_ok() {
                                let list = &mut model[at(queue)];
                                let place = list.partition_point(|other| *other < number);
                                list.insert(place, number);
                            } else {
                                prop_assert_eq!(queues.len(), 32);
                            }
                        }
                    }
                    Step::Expire(millis) => {
                        now = now.after(Duration::from_millis(millis));
                        let mut early = 0;
                        queues.expire(now, |queued| {
                            early += usize::from(!queued.admission.deadline.is_due(now));
                            let list = &mut model[at(queued.admission.queue)];
                            assert_eq!(list.pop_front(), Some(id(&queued)));
                        });
                        prop_assert_eq!(early, 0);
                        prop_assert!(queues.next_deadline().is_none_or(|deadline| deadline > now));
                    }
                    Step::Flush(i) => {
                        let interface = InterfaceId::ALL[i];
                        queues.flush(interface, |queued| {
                            let list = &mut model[at(queued.admission.queue)];
                            assert_eq!(list.pop_front(), Some(id(&queued)));
                        });
                        prop_assert_eq!(queues.interface_frames(interface), 0);
                    }
                    Step::Clear => {
                        queues.clear(|queued| {
                            let list = &mut model[at(queued.admission.queue)];
                            assert_eq!(list.pop_front(), Some(id(&queued)));
                        });
                        prop_assert!(queues.is_empty());
                    }
                }
                for queue in FifoId::all() {
                    let list = &model[at(queue)];
                    prop_assert_eq!(queues.frames(queue), list.len());
                    prop_assert_eq!(usize::try_from(queues.bytes(queue)).unwrap(), list.len() * 8);
                    prop_assert_eq!(queues.front(queue).map(id), list.front().copied());
                    prop_assert_eq!(queues.waiting().has(queue), !list.is_empty());
                }
                while queues.poll_backpressure().is_some() {}
                prop_assert_eq!(queues.len(), model.iter().map(VecDeque::len).sum::<usize>());
            }
        }
    }
}
