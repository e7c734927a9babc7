//! Which FIFO may send next.
//!
//! Between interfaces: deficit round robin by bytes, so that none starves and none pays for another's long frames
//! (the C driver always began with interface 0: file 30, D16; file 20, D18). Inside an interface: the most urgent
//! access category first; a less urgent one that was passed over often enough gets a short burst, so that a saturated
//! category slows the others down but never stops them.
//!
//! ```text
//!   ready ∩ allowed ──► next() ──► a turn: a FIFO, and how much it may send; asking changes nothing
//!                       charge(FIFO, frames, bytes) after its turn, however much of it was used
//! ```
//!
//! A batch on the bus holds frames of one size class, so it pays to stay with one FIFO: a turn lasts as long as its
//! interface has deficit left and no other category is due.
//!
//! The caller takes FIFOs out of the ready set that may not send now: those whose first frame waits for a rate
//! policy, or whose stations sleep (file 30, section 4.2).

use crate::queue::{FifoId, FifoSet, INTERFACES};
use crate::types::{AccessCategory, ACCESS_CATEGORIES};
use bes_wsm::wire::header::InterfaceId;

/// Bytes that an interface may send before the next one has its turn: a full burst of the bus, roughly.
const QUANTUM: i32 = 16 * 1600;

/// Frames that a passed-over category may send in a row.
const CATCH_UP: u8 = 4;

/// Frames of more urgent categories that may pass a waiting category before it catches up. Voice is never passed.
const fn patience(access_category: AccessCategory) -> u16 {
    match access_category {
        AccessCategory::Voice => u16::MAX,
        AccessCategory::Video => 16,
        AccessCategory::BestEffort => 32,
        AccessCategory::Background => 64,
    }
}

#[derive(Clone, Copy, Debug)]
struct Share {
    /// Bytes that may still be sent in this turn; below zero is a debt for the next turn.
    deficit: i32,
    /// How many frames passed each category while it had some waiting.
    passed: [u16; ACCESS_CATEGORIES],
    /// The category that catches up, and how many frames it has left.
    catching_up: Option<(AccessCategory, u8)>,
}

impl Share {
    const NEW: Self = Self {
        deficit: 0,
        passed: [0; ACCESS_CATEGORIES],
        catching_up: None,
    };

    /// Frames that may pass the waiting categories behind `sent` before one of them is overdue.
    fn patience_left(&self, sent: AccessCategory, interface: InterfaceId, ready: FifoSet) -> u16 {
        AccessCategory::ALL
            .into_iter()
            .zip(self.passed)
            .filter(|(ac, _)| *ac > sent && ready.has(FifoId::new(interface, *ac)))
            .map(|(ac, passed)| patience(ac).saturating_sub(passed))
            .fold(u16::MAX, u16::min)
    }

    /// Frames of `queue` passed the categories behind it.
    fn pass(&mut self, queue: FifoId, frames: u16, ready: FifoSet) {
        let sent = queue.access_category;
        let waits = |ac| ready.has(FifoId::new(queue.interface, ac));
        let mut overdue = None;
        for ac in AccessCategory::ALL {
            if ac > sent && waits(ac) {
                let passed = self.passed(ac);
                *passed = passed.saturating_add(frames);
                if *passed >= patience(ac) && overdue.is_none() {
                    overdue = Some(ac);
                }
            }
        }
        self.catching_up = match self.catching_up {
            Some((ac, left)) if ac == sent && u16::from(left) > frames => {
                let sent = u8::try_from(frames).unwrap_or(left);
                Some((ac, left.saturating_sub(sent)))
            }
            Some((ac, left)) if ac != sent && waits(ac) => Some((ac, left)),
            _ => overdue.map(|ac| (ac, CATCH_UP)),
        };
    }

    fn passed(&mut self, access_category: AccessCategory) -> &mut u16 {
        let [voice, video, best_effort, background] = &mut self.passed;
        match access_category {
            AccessCategory::Voice => voice,
            AccessCategory::Video => video,
            AccessCategory::BestEffort => best_effort,
            AccessCategory::Background => background,
        }
    }
}

/// What a FIFO may send before [`Scheduler::next`] has to be asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The FIFO.
    pub fifo: FifoId,
    /// At most so many frames; at least 1.
    pub frames: u16,
    /// No further frame once so many bytes were sent; the first frame is always allowed.
    pub bytes: i32,
}

/// Decides the order between the FIFOs.
#[derive(Clone, Debug)]
pub struct Scheduler {
    turn: InterfaceId,
    shares: [Share; INTERFACES],
}

impl Default for Scheduler {
    fn default() -> Self {
        Self::new()
    }
}

impl Scheduler {
    /// Nobody has sent anything.
    pub const fn new() -> Self {
        Self {
            turn: InterfaceId::Zero,
            shares: [Share::NEW; INTERFACES],
        }
    }

    /// Whose turn it is among the FIFOs of `ready`; `None` if the set is empty.
    #[inline]
    pub fn next(&self, ready: FifoSet) -> Option<Turn> {
        let interface = self.interface(ready)?;
        let share = self.share(interface);
        let mine = interface == self.turn && share.deficit > 0;
        let bytes = if mine {
            share.deficit
        } else {
            share.deficit.min(0).saturating_add(QUANTUM)
        };
        let row = ready.row(interface);
        let (chosen, frames) = match share.catching_up {
            Some((ac, left)) if ready.has(FifoId::new(interface, ac)) => (ac, u16::from(left)),
            _ => {
                let chosen = match row.trailing_zeros() {
                    0 => AccessCategory::Voice,
                    1 => AccessCategory::Video,
                    2 => AccessCategory::BestEffort,
                    3 => AccessCategory::Background,
                    _ => return None,
                };
                let frames = if row.is_power_of_two() {
                    // It waits alone, as it does most of the time.
                    u16::MAX
                } else {
                    share.patience_left(chosen, interface, ready)
                };
                (chosen, frames)
            }
        };
        Some(Turn {
            fifo: FifoId::new(interface, chosen),
            frames: frames.max(1),
            bytes,
        })
    }

    /// So many frames and bytes were sent from `queue`, out of the same `ready` set.
    #[inline]
    pub fn charge(&mut self, queue: FifoId, frames: u16, bytes: u32, ready: FifoSet) {
        let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
        if queue.interface != self.turn {
            // Whoever had nothing to send does not save it up.
            let left = self.share_mut(self.turn);
            left.deficit = left.deficit.min(0);
            self.turn = queue.interface;
        }
        let share = self.share_mut(queue.interface);
        if share.deficit <= 0 {
            share.deficit = share.deficit.saturating_add(QUANTUM);
        }
        share.deficit = share.deficit.saturating_sub(bytes).max(-QUANTUM);

        let sent = queue.access_category;
        *share.passed(sent) = 0;
        if ready.row(queue.interface).is_power_of_two() && share.catching_up.is_none() {
            return;
        }
        share.pass(queue, frames, ready);
    }

    /// Forgets everything about an interface that is gone.
    pub fn reset(&mut self, interface: InterfaceId) {
        *self.share_mut(interface) = Share::NEW;
    }

    /// Whose turn it is among the interfaces that have something ready.
    #[inline]
    fn interface(&self, ready: FifoSet) -> Option<InterfaceId> {
        let is_ready = |interface| ready.row(interface) != 0;
        if is_ready(self.turn) && self.share(self.turn).deficit > 0 {
            return Some(self.turn);
        }
        let (second, third) = match self.turn {
            InterfaceId::Zero => (InterfaceId::One, InterfaceId::Two),
            InterfaceId::One => (InterfaceId::Two, InterfaceId::Zero),
            InterfaceId::Two => (InterfaceId::Zero, InterfaceId::One),
        };
        [second, third, self.turn]
            .into_iter()
            .find(|&interface| is_ready(interface))
    }

    const fn share(&self, interface: InterfaceId) -> &Share {
        let [a, b, c] = &self.shares;
        match interface {
            InterfaceId::Zero => a,
            InterfaceId::One => b,
            InterfaceId::Two => c,
        }
    }

    fn share_mut(&mut self, interface: InterfaceId) -> &mut Share {
        let [a, b, c] = &mut self.shares;
        match interface {
            InterfaceId::Zero => a,
            InterfaceId::One => b,
            InterfaceId::Two => c,
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn queue(interface: InterfaceId, ac: AccessCategory) -> FifoId {
        FifoId::new(interface, ac)
    }

    fn set(queues: &[FifoId]) -> FifoSet {
        queues.iter().fold(FifoSet::EMPTY, |set, &q| set.with(q))
    }

    fn bytes(frames: u16, each: usize) -> u32 {
        u32::from(frames) * u32::try_from(each).unwrap()
    }

    /// How many frames of one size a turn allows, of at most `most`.
    fn take(turn: Turn, size: usize, most: usize) -> u16 {
        let mut frames = 1_u16;
        while usize::from(frames) < most
            && frames < turn.frames
            && i64::from(bytes(frames, size)) < i64::from(turn.bytes)
        {
            frames += 1;
        }
        frames
    }

    /// Bytes sent by each queue when all of `ready` always have frames of these sizes.
    fn serve(ready: &[(FifoId, usize)], frames: usize) -> Vec<usize> {
        let mut scheduler = Scheduler::new();
        let mut sent = vec![0; ready.len()];
        let names: Vec<_> = ready.iter().map(|(queue, _)| *queue).collect();
        let all = set(&names);
        let mut left = frames;
        while left > 0 {
            let turn = scheduler.next(all).unwrap();
            let index = names.iter().position(|&q| q == turn.fifo).unwrap();
            let used = take(turn, ready[index].1, left);
            sent[index] += usize::from(used) * ready[index].1;
            left -= usize::from(used);
            scheduler.charge(turn.fifo, used, bytes(used, ready[index].1), all);
        }
        sent
    }

    #[test]
    fn nothing_ready_is_nothing_to_send() {
        assert_eq!(Scheduler::new().next(FifoSet::EMPTY), None);
    }

    #[test]
    fn asking_does_not_change_the_answer() {
        let scheduler = Scheduler::new();
        let ready = FifoSet::ALL;
        assert_eq!(scheduler.next(ready), scheduler.next(ready));
    }

    #[test]
    fn the_more_urgent_category_goes_first() {
        let scheduler = Scheduler::new();
        let ready = set(&[
            queue(InterfaceId::Zero, AccessCategory::Background),
            queue(InterfaceId::Zero, AccessCategory::Voice),
        ]);
        let next = scheduler.next(ready).unwrap();
        assert_eq!(next.fifo.access_category, AccessCategory::Voice);
    }

    #[test]
    fn a_saturated_voice_queue_does_not_stop_the_others() {
        let all = AccessCategory::ALL.map(|ac| (queue(InterfaceId::Zero, ac), 100));
        let sent = serve(&all, 1000);
        assert!(sent[0] > sent[1] && sent[1] > sent[2] && sent[2] > sent[3]);
        assert!(sent[3] >= 2000, "{sent:?}");
        assert!(sent[0] >= 50_000, "{sent:?}");
    }

    /// File 30, D16; file 20, D18.
    #[test]
    fn d16_d18_interfaces_share_by_bytes_not_by_number() {
        let sent = serve(
            &[
                (queue(InterfaceId::Zero, AccessCategory::BestEffort), 1500),
                (queue(InterfaceId::One, AccessCategory::BestEffort), 300),
                (queue(InterfaceId::Two, AccessCategory::BestEffort), 700),
            ],
            20_000,
        );
        let (least, most) = (sent.iter().min().unwrap(), sent.iter().max().unwrap());
        assert!(most - least <= 2 * 25_600, "{sent:?}");
    }

    #[test]
    fn a_queue_keeps_its_turn_for_a_batch() {
        let ready = [
            (queue(InterfaceId::Zero, AccessCategory::BestEffort), 1500),
            (queue(InterfaceId::One, AccessCategory::BestEffort), 1500),
        ];
        let names = set(&[ready[0].0, ready[1].0]);
        let mut scheduler = Scheduler::new();
        let mut changes = 0;
        let mut last = None;
        for _ in 0..180 {
            let next = scheduler.next(names).unwrap().fifo;
            changes += usize::from(last.is_some_and(|queue| queue != next));
            last = Some(next);
            scheduler.charge(next, 1, 1500, names);
        }
        assert!(changes <= 11, "{changes} changes in 180 frames");
    }

    #[test]
    fn an_idle_interface_does_not_save_up() {
        let mut scheduler = Scheduler::new();
        let a = queue(InterfaceId::Zero, AccessCategory::BestEffort);
        let b = queue(InterfaceId::One, AccessCategory::BestEffort);
        for _ in 0..1000 {
            scheduler.charge(a, 1, 1500, set(&[a]));
        }
        let both = set(&[a, b]);
        let mut run = 0;
        while scheduler.next(both).unwrap().fifo == a {
            scheduler.charge(a, 1, 1500, both);
            run += 1;
        }
        assert!(run <= 18, "the newcomer waited for {run} frames");
    }

    proptest! {
        /// A turn says no more than asking again after every frame would.
        #[test]
        fn turns_are_what_asking_for_each_frame_gives(
            mask in 1_u16..0x1000,
            sizes in proptest::collection::vec(100_usize..1600, 12),
        ) {
            let ready: Vec<_> = FifoId::all()
                .zip(sizes)
                .enumerate()
                .filter(|(index, _)| mask & (1 << index) != 0)
                .map(|(_, entry)| entry)
                .collect();
            let all = ready.iter().fold(FifoSet::EMPTY, |set, (queue, _)| set.with(*queue));
            let size = |fifo| ready.iter().find(|(queue, _)| *queue == fifo).unwrap().1;
            let (mut by_turns, mut one_by_one) = (Scheduler::new(), Scheduler::new());
            for _ in 0..100 {
                let turn = by_turns.next(all).unwrap();
                let used = take(turn, size(turn.fifo), 64);
                by_turns.charge(turn.fifo, used, bytes(used, size(turn.fifo)), all);
                for _ in 0..used {
                    let next = one_by_one.next(all).unwrap().fifo;
                    prop_assert_eq!(next, turn.fifo);
                    one_by_one.charge(next, 1, bytes(1, size(next)), all);
                }
            }
        }

        /// Whatever is always ready is served within a bounded number of frames.
        #[test]
        fn nobody_starves(mask in 1_u16..0x1000, sizes in proptest::collection::vec(100_usize..1600, 12)) {
            let ready: Vec<_> = FifoId::all()
                .zip(sizes)
                .enumerate()
                .filter(|(index, _)| mask & (1 << index) != 0)
                .map(|(_, entry)| entry)
                .collect();
            let sent = serve(&ready, 3000);
            prop_assert!(sent.iter().all(|&bytes| bytes > 0), "{:?}", sent);
        }
    }
}
