//! Frames on their way down, as the simulated stack owns them.

use bes_hal::frame::{NoRoom, TxFrame};
use bes_hal::Instant;

/// Room in front of every frame: the driver's header, alignment and a cipher header.
pub const HEADROOM: usize = 48;

/// Room behind every frame: what the chip fills in, and the time stamp.
pub const TAILROOM: usize = 32;

/// A frame with room around it. What moves through the driver is a pointer, as it is with a kernel's socket buffer.
#[derive(Debug, Default)]
pub struct SimFrame(Box<Buffer>);

#[derive(Debug, Default)]
struct Buffer {
    memory: Vec<u8>,
    head: usize,
    tail: usize,
    given: Instant,
}

impl SimFrame {
    /// A frame with `content`, in the memory of one that has served before.
    pub fn reuse(spare: Self, content: &[u8]) -> Self {
        let mut frame = spare;
        let buffer = &mut *frame.0;
        let tail = HEADROOM + content.len();
        if buffer.memory.len() < tail + TAILROOM {
            buffer.memory.resize(tail + TAILROOM, 0);
        }
        buffer.memory[HEADROOM..tail].copy_from_slice(content);
        buffer.head = HEADROOM;
        buffer.tail = tail;
        frame
    }

    /// Remembers when it was given to the driver.
    pub fn set_given(&mut self, given: Instant) {
        self.0.given = given;
    }

    /// When it was given to the driver.
    pub fn given(&self) -> Instant {
        self.0.given
    }
}

/// What makes room or takes it away is a call, as it is for a kernel's socket buffers (`skb_push`, `skb_put`): its cost is
/// the platform's.
impl TxFrame for SimFrame {
    fn bytes(&self) -> &[u8] {
        &self.0.memory[self.0.head..self.0.tail]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        let buffer = &mut *self.0;
        &mut buffer.memory[buffer.head..buffer.tail]
    }

    #[inline(never)]
    fn push(&mut self, count: usize) -> Result<(), NoRoom> {
        let buffer = &mut *self.0;
        let head = buffer.head.checked_sub(count).ok_or(NoRoom)?;
        buffer.memory[head..buffer.head].fill(0);
        buffer.head = head;
        Ok(())
    }

    #[inline(never)]
    fn pull(&mut self, count: usize) {
        self.0.head = (self.0.head + count).min(self.0.tail);
    }

    #[inline(never)]
    fn put(&mut self, count: usize) -> Result<(), NoRoom> {
        let buffer = &mut *self.0;
        let tail = buffer.tail + count;
        buffer
            .memory
            .get_mut(buffer.tail..tail)
            .ok_or(NoRoom)?
            .fill(0);
        buffer.tail = tail;
        Ok(())
    }

    #[inline(never)]
    fn trim(&mut self, len: usize) {
        self.0.tail = (self.0.head + len).min(self.0.tail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_served_before_leaks_nothing_into_the_next_frame() {
        let dirty = SimFrame::reuse(SimFrame::default(), &[0xAA; 4096]);
        let mut frame = SimFrame::reuse(dirty, &[1, 2, 3]);
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
        let mut frame = SimFrame::reuse(SimFrame::default(), &[0; 10]);
        assert!(frame.push(HEADROOM + 1).is_err());
        assert!(frame.put(TAILROOM + 1).is_err());
        assert_eq!(frame.bytes().len(), 10);
    }
}
