//! Which FIFO may send next.
//!
//! Between interfaces: by the time that their frames take in the air, so that none starves, and none pays for another's low
//! rates or long frames (the C driver always began with interface 0: file 30, D16; file 20, D18). Each interface has a
//! clock that runs while its frames are in the air; the one whose clock is behind sends next. Who had nothing to send does
//! not save it up. Inside an interface: the most urgent access category first; a less urgent one that was passed over often
//! enough gets a short burst, so that a saturated category slows the others down but never stops them.
//!
//! ```text
//!   ready ∩ allowed ──► next() ──► a turn: a FIFO, and how much it may send; asking changes nothing
//!                       charge(FIFO, frames, airtime) after its turn, however much of it was used
//!                       repeated(interface, airtime) when the chip says that a frame needed several attempts
//! ```
//!
//! A batch on the bus holds frames of one size class, so it pays to stay with one FIFO: a turn is about as long as a full
//! batch, and ends earlier only if another category is due.
//!
//! The caller takes FIFOs out of the ready set that may not send now: those whose first frame waits for a rate
//! policy, or whose stations sleep (file 30, section 4.2).

use crate::queue::{FifoId, FifoSet, INTERFACES};
use crate::types::{AccessCategory, ACCESS_CATEGORIES};
use bes_wsm::wire::header::InterfaceId;

/// Airtime of a turn, in microseconds: a full batch at 65 Mbit/s, roughly.
const TURN: u32 = 4_000;

/// How far the clock of an interface with nothing to send may stay behind, in microseconds.
const LAG: u64 = 8_000;

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
    /// Airtime so far, in microseconds; only differences mean something.
    clock: u64,
    /// How many frames passed each category while it had some waiting.
    passed: [u16; ACCESS_CATEGORIES],
    /// The category that catches up, and how many frames it has left.
    catching_up: Option<(AccessCategory, u8)>,
}

impl Share {
    const NEW: Self = Self {
        clock: 0,
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
    /// No further frame once so much airtime was used, in microseconds; the first frame is always allowed.
    pub airtime: u32,
}

/// Decides the order between the FIFOs.
#[derive(Clone, Debug)]
pub struct Scheduler {
    turn: InterfaceId,
    /// What is left of its turn, in microseconds.
    left: u32,
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
            left: 0,
            shares: [Share::NEW; INTERFACES],
        }
    }

    /// Whose turn it is among the FIFOs of `ready`; `None` if the set is empty.
    #[inline]
    pub fn next(&self, ready: FifoSet) -> Option<Turn> {
        let interface = self.interface(ready)?;
        let share = self.share(interface);
        let airtime = if interface == self.turn && self.left > 0 {
            self.left
        } else {
            TURN
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
            airtime,
        })
    }

    /// So many frames, together so many microseconds, were sent from `queue`, out of the same `ready` set.
    #[inline]
    pub fn charge(&mut self, queue: FifoId, frames: u16, airtime: u32, ready: FifoSet) {
        if queue.interface != self.turn || self.left == 0 {
            self.turn = queue.interface;
            self.left = TURN;
        }
        self.left = self.left.saturating_sub(airtime);
        let share = self.share_mut(queue.interface);
        share.clock = share.clock.saturating_add(u64::from(airtime));
        let clock = share.clock;
        for other in InterfaceId::ALL {
            if ready.row(other) == 0 {
                // It waits for the stack for a moment, or has nothing to send at all.
                let share = self.share_mut(other);
                share.clock = share.clock.max(clock.saturating_sub(LAG));
            }
        }
        let share = self.share_mut(queue.interface);
        let sent = queue.access_category;
        *share.passed(sent) = 0;
        if ready.row(queue.interface).is_power_of_two() && share.catching_up.is_none() {
            return;
        }
        share.pass(queue, frames, ready);
    }

    /// The chip needed so many microseconds more than were charged.
    pub fn repeated(&mut self, interface: InterfaceId, airtime: u32) {
        let share = self.share_mut(interface);
        share.clock = share.clock.saturating_add(u64::from(airtime));
    }

    /// Forgets everything about an interface that is gone; the next one in its place starts level with the others.
    pub fn reset(&mut self, interface: InterfaceId) {
        let clock = self.shares.iter().map(|share| share.clock).max();
        *self.share_mut(interface) = Share {
            clock: clock.unwrap_or(0),
            ..Share::NEW
        };
    }

    /// Whose turn it is among the interfaces that have something ready.
    #[inline]
    fn interface(&self, ready: FifoSet) -> Option<InterfaceId> {
        let is_ready = |interface| ready.row(interface) != 0;
        if is_ready(self.turn) && self.left > 0 {
            return Some(self.turn);
        }
        let (second, third) = match self.turn {
            InterfaceId::Zero => (InterfaceId::One, InterfaceId::Two),
            InterfaceId::One => (InterfaceId::Two, InterfaceId::Zero),
            InterfaceId::Two => (InterfaceId::Zero, InterfaceId::One),
        };
        // The first of those that are equally far behind.
        [second, third, self.turn]
            .into_iter()
            .filter(|&interface| is_ready(interface))
            .min_by_key(|&interface| self.share(interface).clock)
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

    fn airtime(frames: u16, each: usize) -> u32 {
        u32::from(frames) * u32::try_from(each).unwrap()
    }

    /// How many frames of one size a turn allows, of at most `most`.
    fn take(turn: Turn, size: usize, most: usize) -> u16 {
        let mut frames = 1_u16;
        while usize::from(frames) < most
            && frames < turn.frames
            && i64::from(airtime(frames, size)) < i64::from(turn.airtime)
        {
            frames += 1;
        }
        frames
    }

    /// Airtime of each queue when all of `ready` always have frames that take so long.
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
            scheduler.charge(turn.fifo, used, airtime(used, ready[index].1), all);
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
    fn d16_d18_interfaces_share_by_airtime_not_by_number() {
        let sent = serve(
            &[
                (queue(InterfaceId::Zero, AccessCategory::BestEffort), 1500),
                (queue(InterfaceId::One, AccessCategory::BestEffort), 300),
                (queue(InterfaceId::Two, AccessCategory::BestEffort), 700),
            ],
            20_000,
        );
        let (least, most) = (sent.iter().min().unwrap(), sent.iter().max().unwrap());
        assert!(most - least <= 2 * 4_000, "{sent:?}");
    }

    /// One interface sends at 65 Mbit/s, one at 1 Mbit/s, one at 6 Mbit/s with every other frame repeated, and none has frames
    /// all the time: each is refilled after a batch, as by a stack that is asked for frames.
    #[test]
    fn interfaces_share_the_air_within_a_tenth_whatever_their_rates() {
        let costs = [(217, 0), (12_300, 0), (2_100, 2_100)];
        let mut scheduler = Scheduler::new();
        let mut used = [0_u64; INTERFACES];
        let (mut waiting, mut sent) = ([32_u16; INTERFACES], 0_u32);
        while used.iter().sum::<u64>() < 30_000_000 {
            // A batch of 16, then everybody is refilled.
            let mut room = 16_u16;
            while room > 0 {
                let ready = InterfaceId::ALL
                    .into_iter()
                    .filter(|id| waiting[id.index()] > 0)
                    .fold(FifoSet::EMPTY, |set, id| {
                        set.with(queue(id, AccessCategory::BestEffort))
                    });
                let Some(turn) = scheduler.next(ready) else {
                    break;
                };
                let id = turn.fifo.interface;
                let (cost, repetition) = costs[id.index()];
                let most = usize::from(room.min(waiting[id.index()]));
                let frames = take(turn, cost, most);
                scheduler.charge(turn.fifo, frames, airtime(frames, cost), ready);
                used[id.index()] += u64::from(airtime(frames, cost));
                for _ in 0..frames {
                    sent += 1;
                    if sent % 2 == 0 && repetition > 0 {
                        scheduler.repeated(id, airtime(1, repetition));
                        used[id.index()] += u64::from(airtime(1, repetition));
                    }
                }
                waiting[id.index()] -= frames;
                room -= frames;
            }
            waiting = [32; INTERFACES];
        }
        for share in used {
            assert!((9_000_000..=11_000_000).contains(&share), "{used:?}");
        }
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
            // 1500 bytes at 65 Mbit/s.
            scheduler.charge(next, 1, 217, names);
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
                by_turns.charge(turn.fifo, used, airtime(used, size(turn.fifo)), all);
                for _ in 0..used {
                    let next = one_by_one.next(all).unwrap().fifo;
                    prop_assert_eq!(next, turn.fifo);
                    one_by_one.charge(next, 1, airtime(1, size(next)), all);
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
