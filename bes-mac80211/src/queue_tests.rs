//! Tests of the queues.

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

fn mark(frame: &Frame) -> u8 {
    frame.bytes()[0]
}

fn place(
    queues: &mut Queues,
    interface: InterfaceId,
    frame: Frame,
    info: TxInfo,
    now: Instant,
) -> Result<(), Frame> {
    let outline = Outline::of(frame.bytes(), &info);
    queues.push(
        FifoId::new(interface, info.access_category),
        frame,
        info,
        outline,
        now,
    )
}

/// Takes the next frame out, as for the chip.
fn pop(queues: &mut Queues, queue: FifoId) -> Option<(FrameNumber, Frame)> {
    match queues.depart(queue, &mut Unchanged) {
        Departed::Gone { number, frame, .. } => Some((number, frame)),
        _ => None,
    }
}

/// Takes it out for good.
fn discard(queues: &mut Queues, queue: FifoId) -> Option<Frame> {
    let (number, frame) = pop(queues, queue)?;
    queues.retire(number);
    Some(frame)
}

fn info(ac: AccessCategory) -> TxInfo {
    TxInfo::new(ac, Band::TwoPointFourGhz)
}

fn push(queues: &mut Queues, interface: InterfaceId, content: u8) {
    place(queues, interface, frame(content), info(BE), Instant::ZERO).unwrap();
}

fn marks(queues: &mut Queues, queue: FifoId) -> Vec<u8> {
    core::iter::from_fn(|| discard(queues, queue))
        .map(|frame| mark(&frame))
        .collect()
}

#[test]
fn frames_leave_in_the_order_they_came() {
    let mut queues = queues(64, Limits::DEFAULT);
    for content in 0..5 {
        push(&mut queues, InterfaceId::Zero, content);
    }
    assert_eq!(
        queues
            .front(FifoId::new(InterfaceId::Zero, BE))
            .map(|(frame, _)| mark(frame)),
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
    let refused = place(
        &mut queues,
        InterfaceId::Zero,
        frame(9),
        info(BE),
        Instant::ZERO,
    )
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
    let second = frame(2);
    assert!(place(
        &mut queues,
        InterfaceId::Zero,
        second,
        info(BE),
        Instant::ZERO
    )
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
        discard(&mut queues, queue).unwrap();
        assert_eq!(queues.poll_backpressure(), None);
    }
    discard(&mut queues, queue).unwrap();
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
    let _ = discard(&mut queues, queue);
    let _ = discard(&mut queues, queue);
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
    let first = pop(&mut queues, queue).unwrap();
    let (zero, now) = (InterfaceId::Zero, Instant::ZERO);
    while place(&mut queues, zero, frame(1), info(BE), now).is_ok() {}
    assert_eq!((queues.len(), queues.away_frames()), (59, 1));
    let stops = core::iter::from_fn(|| queues.poll_backpressure()).count();
    assert_eq!(stops, 12);
    assert_eq!(queues.stopped(), FifoSet::ALL);
    queues.put_back(first.0, first.1).unwrap();
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
        let taken: Vec<_> = (0..3).map(|_| pop(&mut queues, queue).unwrap()).collect();
        for index in order {
            let (number, frame) = taken[index].clone();
            queues.put_back(number, frame).unwrap();
        }
        assert_eq!(
            queues.front(queue).map(|(_, record)| record.requeues),
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
    let taken = pop(&mut queues, queue).unwrap();
    queues.put_back(taken.0, taken.1).unwrap();
    push(&mut queues, InterfaceId::Zero, 1);
    assert_eq!(marks(&mut queues, queue), [0, 1]);
}

/// File 30, D32.
#[test]
fn d32_time_to_live_holds_however_short_the_queue_is() {
    let mut queues = queues(64, Limits::DEFAULT);
    let start = Instant::from_millis(100);
    for ac in AccessCategory::ALL {
        let frame = frame(ac.number());
        place(&mut queues, InterfaceId::One, frame, info(ac), start).unwrap();
    }
    let mut gone = Vec::new();
    for seconds in [1, 2, 5, 10] {
        let deadline = start.after(Duration::from_secs(seconds));
        assert_eq!(queues.next_deadline(), Some(deadline));
        let before = Instant::from_nanos(deadline.as_nanos() - 1);
        queues.expire(before, |_| panic!("too early"));
        queues.expire(deadline, |removed| gone.push(mark(&removed.frame)));
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
    let taken = pop(&mut queues, queue).unwrap();
    queues.put_back(taken.0, taken.1).unwrap();
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
    queues.flush(InterfaceId::Zero, |removed| {
        flushed.push(mark(&removed.frame))
    });
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
    PutBack,
    Retire,
    Expire(u64),
    Flush(usize),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..3_usize, 0..4_usize).prop_map(|(i, ac)| Step::Push(i, ac)),
        8 => (0..3_usize, 0..4_usize).prop_map(|(i, ac)| Step::Pop(i, ac)),
        4 => Just(Step::PutBack),
        2 => Just(Step::Retire),
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
        let mut outside: Vec<(FifoId, FrameNumber, Frame)> = Vec::new();
        // By identity: when each frame is too old.
        let mut deadlines: Vec<Instant> = Vec::new();
        let mut now = Instant::ZERO;
        let at = |queue: FifoId| queue.interface.index() * 4 + queue.access_category.index();
        let id = |frame: &Frame| u64::from_le_bytes(frame.bytes()[..8].try_into().unwrap());
        for step in steps {
            match step {
                Step::Push(i, ac) => {
                    let (interface, ac) = (InterfaceId::ALL[i], AccessCategory::ALL[ac]);
                    let queue = FifoId::new(interface, ac);
                    let next = u64::try_from(deadlines.len()).unwrap();
                    let frame = Frame::new(4, &next.to_le_bytes()).unwrap();
                    if place(&mut queues, interface, frame, info(ac), now).is_ok() {
                        model[at(queue)].push_back(next);
                        deadlines.push(now.after(ac.time_to_live()));
                    } else {
                        let total: usize = model.iter().map(VecDeque::len).sum();
                        prop_assert!(total + outside.len() >= 30 || model[at(queue)].len() >= 12);
                    }
                }
                Step::Pop(i, ac) => {
                    let queue = FifoId::new(InterfaceId::ALL[i], AccessCategory::ALL[ac]);
                    let popped = pop(&mut queues, queue);
                    let popped_id = popped.as_ref().map(|(_, frame)| id(frame));
                    prop_assert_eq!(popped_id, model[at(queue)].pop_front());
                    outside.extend(popped.map(|(number, frame)| (queue, number, frame)));
                }
                Step::PutBack => {
                    if let Some((queue, number, frame)) = outside.pop() {
                        let mine = id(&frame);
                        queues.put_back(number, frame).expect("its place is kept");
                        let list = &mut model[at(queue)];
                        let place = list.partition_point(|other| *other < mine);
                        list.insert(place, mine);
                    }
                }
                Step::Retire => {
                    if let Some((_, number, frame)) = outside.pop() {
                        queues.retire(number);
                        // A second time is one too many, and changes nothing.
                        queues.retire(number);
                        prop_assert!(queues.put_back(number, frame).is_err());
                    }
                }
                Step::Expire(millis) => {
                    now = now.after(Duration::from_millis(millis));
                    let mut early = 0;
                    queues.expire(now, |removed| {
                        let mine = id(&removed.frame);
                        let deadline = deadlines[usize::try_from(mine).unwrap()];
                        early += usize::from(!deadline.is_due(now));
                        assert_eq!(model[at(removed.fifo)].pop_front(), Some(mine));
                    });
                    prop_assert_eq!(early, 0);
                    prop_assert!(queues.next_deadline().is_none_or(|deadline| deadline > now));
                }
                Step::Flush(i) => {
                    let interface = InterfaceId::ALL[i];
                    queues.flush(interface, |removed| {
                        let front = model[at(removed.fifo)].pop_front();
                        assert_eq!(front, Some(id(&removed.frame)));
                    });
                    prop_assert_eq!(queues.interface_frames(interface), 0);
                }
                Step::Clear => {
                    queues.clear(|removed| {
                        let front = model[at(removed.fifo)].pop_front();
                        assert_eq!(front, Some(id(&removed.frame)));
                    });
                    prop_assert!(queues.is_empty());
                }
            }
            for queue in FifoId::all() {
                let list = &model[at(queue)];
                prop_assert_eq!(queues.frames(queue), list.len());
                prop_assert_eq!(usize::try_from(queues.bytes(queue)).unwrap(), list.len() * 8);
                let front = queues.front(queue).map(|(frame, _)| id(frame));
                prop_assert_eq!(front, list.front().copied());
                prop_assert_eq!(queues.waiting().has(queue), !list.is_empty());
            }
            while queues.poll_backpressure().is_some() {}
            prop_assert_eq!(queues.len(), model.iter().map(VecDeque::len).sum::<usize>());
            prop_assert_eq!(queues.away_frames(), outside.len());
        }
    }
}
