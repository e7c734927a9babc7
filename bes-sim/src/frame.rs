//! Frames on their way down, as the simulated stack owns them.

use bes_hal::frame::{NoRoom, TxFrame};

/// Room in front of every frame: the driver's header, alignment and a cipher header.
pub const HEADROOM: usize = 48;

/// Room behind every frame: what the chip fills in, and the time stamp.
pub const TAILROOM: usize = 32;

/// A frame in a vector, with room around it.
#[derive(Debug, Default)]
pub struct SimFrame {
    memory: Vec<u8>,
    head: usize,
    tail: usize,
}

impl SimFrame {
    /// A frame with `content`, in `memory` that may have served before.
    pub fn new(mut memory: Vec<u8>, content: &[u8]) -> Self {
        let tail = HEADROOM + content.len();
        if memory.len() < tail + TAILROOM {
            memory.resize(tail + TAILROOM, 0);
        }
        memory[HEADROOM..tail].copy_from_slice(content);
        Self {
            memory,
            head: HEADROOM,
            tail,
        }
    }

    /// The memory, to be used again.
    pub fn into_memory(self) -> Vec<u8> {
        self.memory
    }
}

/// What makes room or takes it away is a call, as it is for a kernel's socket buffers (`skb_push`, `skb_put`): its cost is
/// the platform's.
impl TxFrame for SimFrame {
    fn bytes(&self) -> &[u8] {
        &self.memory[self.head..self.tail]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.head..self.tail]
    }

    #[inline(never)]
    fn push(&mut self, count: usize) -> Result<(), NoRoom> {
        let head = self.head.checked_sub(count).ok_or(NoRoom)?;
        self.memory[head..self.head].fill(0);
        self.head = head;
        Ok(())
    }

    #[inline(never)]
    fn pull(&mut self, count: usize) {
        self.head = (self.head + count).min(self.tail);
    }

    #[inline(never)]
    fn put(&mut self, count: usize) -> Result<(), NoRoom> {
        let tail = self.tail + count;
        self.memory.get_mut(self.tail..tail).ok_or(NoRoom)?.fill(0);
        self.tail = tail;
        Ok(())
    }

    #[inline(never)]
    fn trim(&mut self, len: usize) {
        self.tail = (self.head + len).min(self.tail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_served_before_leaks_nothing_into_the_next_frame() {
        let mut frame = SimFrame::new(vec![0xAA; 4096], &[1, 2, 3]);
        frame.push(24).expect("room in front");
        frame.put(12).expect("room behind");
        assert_eq!(frame.bytes()[..24], [0; 24]);
        assert_eq!(
            frame.bytes()[24..],
            [1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        );
    }

    #[test]
    fn a_frame_never_grows_beyond_its_memory() {
        let mut frame = SimFrame::new(Vec::new(), &[0; 10]);
        assert!(frame.push(HEADROOM + 1).is_err());
        assert!(frame.put(TAILROOM + 1).is_err());
        assert_eq!(frame.bytes().len(), 10);
    }
}
