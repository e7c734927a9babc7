//! The processor that a guest has for itself.
//!
//! User-mode Linux has one processor, but its kernel and the programs below it are processes of the host that wait for each
//! other. On two processors every system call of the guest wakes the other one from its sleep, which takes longer than the
//! call; on one it is a change from one process to the next. Kept on one processor, a guest is half as fast again.

use rustix::thread::{sched_getaffinity, sched_setaffinity, CpuSet};

/// Processors that are looked at.
const MOST: usize = CpuSet::MAX_CPU;

/// One of the processors that this program may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Processor(Option<usize>);

impl Processor {
    /// The one of a guest that runs beside `index` others. The last one first: interrupts of the host are often dealt with by
    /// the first.
    pub(crate) fn of(index: usize) -> Self {
        let Ok(allowed) = sched_getaffinity(None) else {
            return Self(None);
        };
        let processors: Vec<usize> = (0..MOST).filter(|one| allowed.is_set(*one)).collect();
        let place = index % processors.len().max(1);
        Self(processors.iter().rev().nth(place).copied())
    }

    /// Has what `start` starts run on this processor, as far as the host lets it; this thread goes on where it may.
    pub(crate) fn keep<T>(self, start: impl FnOnce() -> T) -> T {
        let before = sched_getaffinity(None);
        if let Some(processor) = self.0 {
            let mut only = CpuSet::new();
            only.set(processor);
            // Not being kept there costs speed only.
            let _ = sched_setaffinity(None, &only);
        }
        let started = start();
        if let Ok(before) = before {
            let _ = sched_setaffinity(None, &before);
        }
        started
    }
}

/// How many guests can each have a processor.
pub(crate) fn count() -> usize {
    sched_getaffinity(None).map_or(1, |allowed| allowed.count() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn what_is_started_stays_on_one_processor_and_this_thread_does_not() {
        let before = sched_getaffinity(None).unwrap();
        let out = Processor::of(0)
            .keep(|| Command::new("nproc").env_remove("OMP_NUM_THREADS").output())
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&out.stdout).trim(), "1");
        assert_eq!(sched_getaffinity(None).unwrap(), before);
    }

    #[test]
    fn guests_have_different_processors_while_there_are_enough() {
        let count = count();
        let found: Vec<_> = (0..count).map(Processor::of).collect();
        for (index, one) in found.iter().enumerate() {
            assert!(one.0.is_some() && !found[..index].contains(one));
        }
        assert_eq!(Processor::of(count), found[0]);
    }
}
