//! System suspend and resume as data: which steps, in which order, and what is undone when one fails
//! (specification: file 40, section 5).
//!
//! [`Sequence`] hands out one [`Work`] at a time and is told its result. A step that failed is not undone, those before
//! it are, each once and in reverse (file 40, P14, P15). Firmware and association are kept.

use crate::device_state::Interfaces;
use thiserror::Error;

/// A step of the suspend sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Stops configuration and scans from beginning, and refuses if one is under way or frames are queued.
    Quiesce,
    /// Stops handing frames to the chip.
    HoldFrames,
    /// Stops the timers of the station and remembers what was left of them. Refuses if a join is under way.
    HoldTimers,
    /// On one interface: a filter that the chip applies while the host sleeps.
    Filter(Filter, u8),
    /// Puts the chip to sleep. Must end asleep: a chip that stays awake refuses the suspend (file 40, P17).
    Sleep,
    /// Stops the owner of the bus, and refuses if something was received meanwhile.
    FreezeBus,
}

/// A filter that the chip applies while the host sleeps (file 40, section 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Filter {
    /// UDP port filter: DHCP server, SSDP and mDNS are dropped.
    UdpPorts,
    /// EtherType filter: EAPOL and WAI pass.
    EtherTypes,
    /// IPv6 is dropped.
    Ipv6,
    /// Keep-alive bit of the receive filter; access point only.
    KeepAlive,
    /// Multicast addresses become a wake filter.
    GroupAddresses,
}

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Do the step.
    Apply(Step),
    /// Undo the step.
    Undo(Step),
    /// Everything is done: the host may suspend, or has resumed.
    Done,
    /// A step failed and everything before it is undone: the host must not suspend.
    Refused(Refusal),
}

/// Why the host must not suspend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Refusal {
    /// Something is under way that must not be cut off. Linux: `-EBUSY`.
    #[error("busy")]
    Busy,
    /// Something was received meanwhile. Linux: `-EAGAIN`.
    #[error("something was received")]
    Received,
    /// The chip or the bus failed.
    #[error("chip or bus failed")]
    Failed,
}

/// Filters in the order in which they are set.
const FILTERS: [Filter; 5] = [
    Filter::UdpPorts,
    Filter::EtherTypes,
    Filter::Ipv6,
    Filter::KeepAlive,
    Filter::GroupAddresses,
];

/// Filters in the order in which they are removed at resume, timers between the second and the third.
const UNDONE_FIRST: [Filter; 2] = [Filter::KeepAlive, Filter::GroupAddresses];
const UNDONE_LAST: [Filter; 3] = [Filter::UdpPorts, Filter::EtherTypes, Filter::Ipv6];

/// Most interfaces that a sequence serves.
const INTERFACES: usize = 3;
/// Most steps of a sequence.
const STEPS: usize = 5 + FILTERS.len() * INTERFACES;

/// Steps in order.
#[derive(Clone, Copy, Debug)]
struct List {
    steps: [Option<Step>; STEPS],
    len: usize,
}

impl List {
    const fn new() -> Self {
        Self {
            steps: [None; STEPS],
            len: 0,
        }
    }

    fn push(&mut self, step: Step) {
        if let Some(place) = self.steps.get_mut(self.len) {
            *place = Some(step);
            self.len = self.len.saturating_add(1);
        }
    }

    fn filters(&mut self, filters: &[Filter], interfaces: Interfaces) {
        for interface in interfaces.iter().take(INTERFACES) {
            for filter in filters {
                self.push(Step::Filter(*filter, interface));
            }
        }
    }

    fn at(&self, position: usize) -> Option<Step> {
        self.steps.get(position).copied().flatten()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    /// Going through the list.
    Apply,
    /// Undoing, backwards, what was applied.
    RollBack(Refusal),
    /// Undoing, forwards, as the resume order says.
    Resume,
}

/// A suspend or a resume under way.
#[derive(Clone, Copy, Debug)]
pub struct Sequence {
    list: List,
    /// Applying or resuming: steps done. Rolling back: steps that are still applied.
    position: usize,
    direction: Direction,
}

impl Sequence {
    /// Suspend with these joined interfaces. Interfaces that do not exist are left out wherever they are
    /// (file 40, P16).
    pub fn suspend(interfaces: Interfaces) -> Self {
        let mut list = List::new();
        list.push(Step::Quiesce);
        list.push(Step::HoldFrames);
        list.push(Step::HoldTimers);
        list.filters(&FILTERS, interfaces);
        list.push(Step::Sleep);
        list.push(Step::FreezeBus);
        Self {
            list,
            position: 0,
            direction: Direction::Apply,
        }
    }

    /// Resume after a suspend with these interfaces.
    pub fn resume(interfaces: Interfaces) -> Self {
        let mut list = List::new();
        list.push(Step::FreezeBus);
        list.push(Step::Sleep);
        list.filters(&UNDONE_FIRST, interfaces);
        list.push(Step::HoldTimers);
        list.filters(&UNDONE_LAST, interfaces);
        list.push(Step::HoldFrames);
        list.push(Step::Quiesce);
        Self {
            list,
            position: 0,
            direction: Direction::Resume,
        }
    }

    /// What to do now. The same until [`handle_done`](Self::handle_done).
    pub fn work(&self) -> Work {
        match self.direction {
            Direction::Apply => self.list.at(self.position).map_or(Work::Done, Work::Apply),
            Direction::Resume => self.list.at(self.position).map_or(Work::Done, Work::Undo),
            Direction::RollBack(refusal) => self
                .position
                .checked_sub(1)
                .and_then(|last| self.list.at(last))
                .map_or(Work::Refused(refusal), Work::Undo),
        }
    }

    /// The work has ended. A failure while applying starts the way back; undoing goes on whatever happens, so that
    /// nothing stays held.
    pub fn handle_done(&mut self, result: Result<(), Refusal>) {
        match (self.direction, result) {
            (Direction::Apply, Err(refusal)) => self.direction = Direction::RollBack(refusal),
            (Direction::Apply | Direction::Resume, _) => {
                self.position = self.position.saturating_add(1).min(self.list.len);
            }
            (Direction::RollBack(_), _) => self.position = self.position.saturating_sub(1),
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const BOTH: Interfaces = Interfaces::NONE.with(0).with(2);

    /// Runs a sequence in which the step with this number fails.
    fn run(mut sequence: Sequence, failing: Option<usize>) -> (Vec<Work>, Work) {
        let mut done = Vec::new();
        for count in 0..100 {
            match sequence.work() {
                end @ (Work::Done | Work::Refused(_)) => return (done, end),
                work => {
                    done.push(work);
                    sequence.handle_done(if failing == Some(count) {
                        Err(Refusal::Busy)
                    } else {
                        Ok(())
                    });
                }
            }
        }
        panic!("the sequence does not end")
    }

    #[test]
    fn suspend_sets_the_filters_in_order_and_then_sleeps() {
        let (done, end) = run(Sequence::suspend(Interfaces::NONE.with(0)), None);
        let expected = [
            Step::Quiesce,
            Step::HoldFrames,
            Step::HoldTimers,
            Step::Filter(Filter::UdpPorts, 0),
            Step::Filter(Filter::EtherTypes, 0),
            Step::Filter(Filter::Ipv6, 0),
            Step::Filter(Filter::KeepAlive, 0),
            Step::Filter(Filter::GroupAddresses, 0),
            Step::Sleep,
            Step::FreezeBus,
        ];
        assert!(done.into_iter().eq(expected.map(Work::Apply)));
        assert_eq!(end, Work::Done);
    }

    #[test]
    fn resume_removes_the_filters_in_the_order_of_the_specification() {
        let (done, end) = run(Sequence::resume(Interfaces::NONE.with(1)), None);
        let expected = [
            Step::FreezeBus,
            Step::Sleep,
            Step::Filter(Filter::KeepAlive, 1),
            Step::Filter(Filter::GroupAddresses, 1),
            Step::HoldTimers,
            Step::Filter(Filter::UdpPorts, 1),
            Step::Filter(Filter::EtherTypes, 1),
            Step::Filter(Filter::Ipv6, 1),
            Step::HoldFrames,
            Step::Quiesce,
        ];
        assert!(done.into_iter().eq(expected.map(Work::Undo)));
        assert_eq!(end, Work::Done);
    }

    /// P14: a lock was released twice. P15: the step that failed was undone as well. P18: a flag stayed set.
    #[test]
    fn p14_p15_p18_a_failure_undoes_exactly_what_was_done() {
        let total = run(Sequence::suspend(BOTH), None).0.len();
        for failing in 0..total {
            let (done, end) = run(Sequence::suspend(BOTH), Some(failing));
            assert_eq!(end, Work::Refused(Refusal::Busy));
            let applied: Vec<_> = done[..failing]
                .iter()
                .map(|work| match work {
                    Work::Apply(step) => *step,
                    other => panic!("{other:?} on the way down"),
                })
                .collect();
            let undone: Vec<_> = done[failing + 1..]
                .iter()
                .map(|work| match work {
                    Work::Undo(step) => *step,
                    other => panic!("{other:?} on the way back"),
                })
                .collect();
            assert!(undone.into_iter().eq(applied.into_iter().rev()));
        }
    }

    /// P16: the iteration stopped at the first missing interface.
    #[test]
    fn p16_a_missing_interface_does_not_hide_the_next() {
        let (done, _) = run(Sequence::suspend(BOTH), None);
        let has = |interface| done.contains(&Work::Apply(Step::Filter(Filter::Ipv6, interface)));
        assert!(has(0) && !has(1) && has(2));
    }

    /// P17: with a reason left the chip stayed awake for the whole suspend.
    #[test]
    fn p17_a_chip_that_does_not_sleep_refuses_the_suspend() {
        let mut sequence = Sequence::suspend(Interfaces::NONE);
        while sequence.work() != Work::Apply(Step::Sleep) {
            sequence.handle_done(Ok(()));
        }
        sequence.handle_done(Err(Refusal::Busy));
        assert_eq!(sequence.work(), Work::Undo(Step::HoldTimers));
    }

    #[test]
    fn undoing_goes_on_when_it_fails() {
        let (done, end) = run(Sequence::resume(BOTH), Some(0));
        assert_eq!(done.len(), 5 + 2 * FILTERS.len());
        assert_eq!(end, Work::Done);
        let (_, end) = run(
            Sequence::suspend(Interfaces::NONE.with(0).with(1).with(2)),
            None,
        );
        assert_eq!(end, Work::Done);
    }
}
