//! A queue of fixed size.

use bes_hal::{Memory, NoMemory};

/// Where the values of a [`Ring`] lie: in it, or in memory of the platform.
pub(crate) trait Slots {
    /// What is queued.
    type Value;
    fn slots(&self) -> &[Option<Self::Value>];
    fn slots_mut(&mut self) -> &mut [Option<Self::Value>];
}

impl<T, const N: usize> Slots for [Option<T>; N] {
    type Value = T;

    fn slots(&self) -> &[Option<T>] {
        self
    }

    fn slots_mut(&mut self) -> &mut [Option<T>] {
        self
    }
}

/// Slots in memory of the platform.
pub(crate) struct Table<T, M: Memory>(M::Table<Option<T>>);

impl<T, M: Memory> Slots for Table<T, M> {
    type Value = T;

    fn slots(&self) -> &[Option<T>] {
        &self.0
    }

    fn slots_mut(&mut self) -> &mut [Option<T>] {
        &mut self.0
    }
}

/// First in, first out, at most as many values as there are slots.
#[derive(Debug)]
pub(crate) struct Ring<B> {
    slots: B,
    head: usize,
    len: usize,
}

/// A ring of a few small values.
pub(crate) type SmallRing<T, const N: usize> = Ring<[Option<T>; N]>;

/// A ring in memory of the platform.
pub(crate) type LargeRing<T, M> = Ring<Table<T, M>>;

impl<T, const N: usize> SmallRing<T, N> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: [const { None }; N],
            head: 0,
            len: 0,
        }
    }
}

impl<T, M: Memory> LargeRing<T, M> {
    pub(crate) fn within(memory: &mut M, count: usize) -> Result<Self, NoMemory> {
        Ok(Self {
            slots: Table(memory.table(count, |_| None)?),
            head: 0,
            len: 0,
        })
    }
}

impl<B: Slots> Ring<B> {
    /// Appends a value; gives it back if there is no room.
    pub(crate) fn push(&mut self, value: B::Value) -> Result<(), B::Value> {
        if self.is_full() {
            return Err(value);
        }
        let at = self.wrap(self.head.wrapping_add(self.len));
        match self.slots.slots_mut().get_mut(at) {
            Some(slot) => {
                *slot = Some(value);
                self.len = self.len.saturating_add(1);
                Ok(())
            }
            None => Err(value),
        }
    }

    /// Takes the oldest value.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<B::Value> {
        if self.len == 0 {
            return None;
        }
        let value = self.slots.slots_mut().get_mut(self.head)?.take();
        self.head = self.wrap(self.head.wrapping_add(1));
        self.len = self.len.saturating_sub(1);
        value
    }

    /// The oldest value.
    pub(crate) fn front(&self) -> Option<&B::Value> {
        if self.len == 0 {
            return None;
        }
        self.slots.slots().get(self.head)?.as_ref()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len >= self.slots.slots().len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        while self.pop().is_some() {}
    }

    fn wrap(&self, at: usize) -> usize {
        let count = self.slots.slots().len();
        if at >= count {
            at.wrapping_sub(count)
        } else {
            at
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use bes_hal::memory::Heap;

    fn keeps_order(mut ring: Ring<impl Slots<Value = u8>>) {
        for round in 0..5 {
            for n in 0..3 {
                assert_eq!(ring.push(round + n), Ok(()));
            }
            assert_eq!(ring.push(99), Err(99));
            assert_eq!(ring.front(), Some(&round));
            assert_eq!(ring.pop(), Some(round));
            assert_eq!(ring.push(round + 3), Ok(()));
            assert_eq!(
                [ring.pop(), ring.pop(), ring.pop()],
                [1, 2, 3].map(|n| Some(round + n))
            );
            assert!(ring.is_empty() && ring.pop().is_none() && ring.front().is_none());
        }
    }

    #[test]
    fn a_ring_keeps_order_and_refuses_what_does_not_fit() {
        keeps_order(SmallRing::<u8, 3>::new());
        keeps_order(LargeRing::within(&mut Heap, 3).unwrap());
    }
}
