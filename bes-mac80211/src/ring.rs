//! A queue of fixed size.

/// First in, first out, at most `N` values.
#[derive(Debug)]
pub(crate) struct Ring<T, const N: usize> {
    slots: [Option<T>; N],
    head: usize,
    len: usize,
}

impl<T, const N: usize> Ring<T, N> {
    pub(crate) fn new() -> Self {
        Self {
            slots: [const { None }; N],
            head: 0,
            len: 0,
        }
    }

    /// Appends a value; gives it back if there is no room.
    pub(crate) fn push(&mut self, value: T) -> Result<(), T> {
        if self.len >= N {
            return Err(value);
        }
        let at = Self::wrap(self.head.wrapping_add(self.len));
        match self.slots.get_mut(at) {
            Some(slot) => {
                *slot = Some(value);
                self.len = self.len.saturating_add(1);
                Ok(())
            }
            None => Err(value),
        }
    }

    /// Takes the oldest value.
    pub(crate) fn pop(&mut self) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        let value = self.slots.get_mut(self.head)?.take();
        self.head = Self::wrap(self.head.wrapping_add(1));
        self.len = self.len.saturating_sub(1);
        value
    }

    /// The oldest value.
    pub(crate) fn front(&self) -> Option<&T> {
        if self.len == 0 {
            return None;
        }
        self.slots.get(self.head)?.as_ref()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len >= N
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    const fn wrap(at: usize) -> usize {
        if at >= N {
            at.wrapping_sub(N)
        } else {
            at
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_keeps_order_and_refuses_what_does_not_fit() {
        let mut ring = Ring::<u8, 3>::new();
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
}
