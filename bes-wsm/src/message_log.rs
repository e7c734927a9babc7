//! The last messages to and from the chip that were not frames: what somebody wants to read after a crash.
//!
//! Kept as they were, printed by [`crate::wire::describe()`], which shows no key material.

use crate::wire::describe::{describe, Direction};
use bes_hal::{Instant, Memory, NoMemory};
use core::fmt;

/// Messages that are kept.
pub const KEPT: usize = 64;

/// Bytes of each that are kept: an exception with its registers is the longest that matters (file 20, section 15.8).
pub const BYTES: usize = 128;

/// A message that crossed the bus.
#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Instant,
    direction: Direction,
    bytes: [u8; BYTES],
    kept: u8,
    len: u16,
}

const EMPTY: Entry = Entry {
    at: Instant::ZERO,
    direction: Direction::ToChip,
    bytes: [0; BYTES],
    kept: 0,
    len: 0,
};

/// A message of the log.
#[derive(Clone, Copy, Debug)]
pub struct Logged<'a> {
    /// When it crossed the bus.
    pub at: Instant,
    /// Which way.
    pub direction: Direction,
    /// Its first [`BYTES`] bytes.
    pub bytes: &'a [u8],
    /// How many it had.
    pub len: u16,
}

impl fmt::Display for Logged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at, describe(self.bytes, self.direction))?;
        if usize::from(self.len) > self.bytes.len() {
            let (kept, len) = (self.bytes.len(), self.len);
            write!(f, " (the first {kept} of {len} bytes)")?;
        }
        Ok(())
    }
}

/// A ring of messages, in memory of the platform.
pub struct MessageLog<M: Memory> {
    entries: M::Table<Entry>,
    /// Where the next one goes.
    next: usize,
}

impl<M: Memory> MessageLog<M> {
    /// An empty log.
    ///
    /// # Errors
    ///
    /// [`NoMemory`].
    pub fn new(memory: &mut M) -> Result<Self, NoMemory> {
        Ok(Self {
            entries: memory.table(KEPT, |_| EMPTY)?,
            next: 0,
        })
    }

    /// Keeps a message; the oldest is forgotten.
    #[inline(never)]
    pub fn note(&mut self, at: Instant, direction: Direction, message: &[u8]) {
        let Some(entry) = self.entries.get_mut(self.next) else {
            return;
        };
        entry.at = at;
        entry.direction = direction;
        entry.len = u16::try_from(message.len()).unwrap_or(u16::MAX);
        entry.kept = u8::try_from(message.len().min(BYTES)).unwrap_or(u8::MAX);
        for (to, from) in entry.bytes.iter_mut().zip(message) {
            *to = *from;
        }
        self.next = self.next.wrapping_add(1) % KEPT;
    }

    /// The messages, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Logged<'_>> + '_ {
        let (newer, older) = self.entries.split_at(self.next.min(self.entries.len()));
        older
            .iter()
            .chain(newer)
            .filter(|entry| entry.len > 0)
            .map(|entry| Logged {
                at: entry.at,
                direction: entry.direction,
                bytes: entry.bytes.get(..usize::from(entry.kept)).unwrap_or(&[]),
                len: entry.len,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bes_hal::memory::Heap;

    #[test]
    fn the_last_messages_are_kept_in_order_and_long_ones_are_cut() {
        let mut log = MessageLog::new(&mut Heap).unwrap();
        assert_eq!(log.iter().count(), 0);
        for n in 0..70_u16 {
            let mut message = vec![0; 4 + usize::from(n) * 3];
            message[..2].copy_from_slice(&(4 + n * 3).to_le_bytes());
            message[2] = 0x0B;
            log.note(
                Instant::from_millis(u64::from(n)),
                Direction::ToChip,
                &message,
            );
        }
        let times: Vec<_> = log.iter().map(|entry| entry.at.as_millis()).collect();
        assert_eq!(times, (6..70).collect::<Vec<_>>());
        let last = log.iter().last().unwrap();
        assert_eq!((last.bytes.len(), last.len), (128, 211));
        assert!(last.to_string().ends_with("(the first 128 of 211 bytes)"));
    }
}
