//! Buffers that pass through the driver without a copy.
//!
//! Down: a frame is owned, contiguous, and has room in front for the driver's header and behind for what the
//! chip fills in. A socket buffer is one. Up: a whole burst is one buffer; the driver reads it in place and hands
//! it to the stack together with a list of where the frames are, so a page and its fragments fit.

/// There is not enough room in front of or behind a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room in the frame's buffer")]
pub struct NoRoom;

/// A frame on its way down: owned, contiguous, with room in front and behind. Linux: `struct sk_buff`.
///
/// Where its bytes lie, modulo 4, does not change when the frame is moved: the driver looks once, when it takes the frame.
pub trait TxFrame {
    /// The bytes of the frame.
    fn bytes(&self) -> &[u8];
    /// The bytes of the frame, to be changed in place.
    fn bytes_mut(&mut self) -> &mut [u8];
    /// Makes the frame `count` zeroed bytes longer in front. Linux: `skb_push`.
    fn push(&mut self, count: usize) -> Result<(), NoRoom>;
    /// Makes the frame `count` bytes shorter in front, at most to nothing. Linux: `skb_pull`.
    fn pull(&mut self, count: usize);
    /// Makes the frame `count` zeroed bytes longer behind. Linux: `skb_put_zero`.
    fn put(&mut self, count: usize) -> Result<(), NoRoom>;
    /// Cuts the frame to `len` bytes if it is longer. Linux: `skb_trim`.
    fn trim(&mut self, len: usize);
}

/// A burst on its way up: read from the bus in one go, then shared out by the stack.
pub trait RxBuffer {
    /// The bytes of the burst.
    fn bytes(&self) -> &[u8];
    /// The bytes of the burst, to be filled by the bus or changed in place before they are handed up.
    fn bytes_mut(&mut self) -> &mut [u8];
}

/// Where a part of a burst buffer starts and how long it is, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u16,
    /// Length in bytes.
    pub len: u16,
}

impl Span {
    /// The part of `bytes` that this span names; empty if it lies outside.
    #[inline]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        let start = usize::from(self.start);
        bytes
            .get(start..start.saturating_add(usize::from(self.len)))
            .unwrap_or(&[])
    }

    /// The part of `bytes` that this span names, to be changed; empty if it lies outside.
    #[inline]
    pub fn of_mut(self, bytes: &mut [u8]) -> &mut [u8] {
        let start = usize::from(self.start);
        bytes
            .get_mut(start..start.saturating_add(usize::from(self.len)))
            .unwrap_or(&mut [])
    }
}

/// A frame in an array, for platforms without dynamic memory and for tests.
#[derive(Clone, Debug)]
pub struct ArrayFrame<const N: usize> {
    bytes: [u8; N],
    head: usize,
    tail: usize,
}

impl<const N: usize> ArrayFrame<N> {
    /// A frame with `content`, `headroom` bytes behind the start of the array.
    pub fn new(headroom: usize, content: &[u8]) -> Result<Self, NoRoom> {
        let mut bytes = [0; N];
        let tail = headroom.checked_add(content.len()).ok_or(NoRoom)?;
        bytes
            .get_mut(headroom..tail)
            .ok_or(NoRoom)?
            .copy_from_slice(content);
        Ok(Self {
            bytes,
            head: headroom,
            tail,
        })
    }
}

impl<const N: usize> TxFrame for ArrayFrame<N> {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(self.head..self.tail).unwrap_or(&[])
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.head..self.tail).unwrap_or(&mut [])
    }

    fn push(&mut self, count: usize) -> Result<(), NoRoom> {
        let head = self.head.checked_sub(count).ok_or(NoRoom)?;
        self.bytes.get_mut(head..self.head).ok_or(NoRoom)?.fill(0);
        self.head = head;
        Ok(())
    }

    fn pull(&mut self, count: usize) {
        self.head = self.head.saturating_add(count).min(self.tail);
    }

    fn put(&mut self, count: usize) -> Result<(), NoRoom> {
        let tail = self.tail.checked_add(count).ok_or(NoRoom)?;
        self.bytes.get_mut(self.tail..tail).ok_or(NoRoom)?.fill(0);
        self.tail = tail;
        Ok(())
    }

    fn trim(&mut self, len: usize) {
        self.tail = self.head.saturating_add(len).min(self.tail);
    }
}

/// A burst buffer in an array, for platforms without dynamic memory and for tests.
#[derive(Clone, Debug)]
pub struct ArrayBuffer<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> ArrayBuffer<N> {
    /// A zeroed buffer of `len` bytes.
    pub fn new(len: usize) -> Result<Self, NoRoom> {
        if len > N {
            return Err(NoRoom);
        }
        Ok(Self { bytes: [0; N], len })
    }
}

impl<const N: usize> RxBuffer for ArrayBuffer<N> {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.len).unwrap_or(&mut [])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_grows_and_shrinks_at_both_ends_and_new_bytes_are_zero() {
        let mut frame = ArrayFrame::<16>::new(4, &[1, 2, 3]).unwrap();
        frame.push(2).unwrap();
        frame.put(1).unwrap();
        assert_eq!(frame.bytes(), [0, 0, 1, 2, 3, 0]);
        frame.pull(3);
        frame.trim(2);
        assert_eq!(frame.bytes(), [2, 3]);
        // What was cut off must not come back with its old content.
        frame.put(1).unwrap();
        frame.push(1).unwrap();
        assert_eq!(frame.bytes(), [0, 2, 3, 0]);
    }

    #[test]
    fn a_frame_refuses_to_grow_beyond_its_buffer() {
        let mut frame = ArrayFrame::<8>::new(2, &[0; 4]).unwrap();
        assert_eq!(frame.push(3), Err(NoRoom));
        assert_eq!(frame.put(3), Err(NoRoom));
        assert_eq!(frame.put(usize::MAX), Err(NoRoom));
        assert!(ArrayFrame::<8>::new(usize::MAX, &[1]).is_err());
        assert!(ArrayBuffer::<8>::new(9).is_err());
    }

    #[test]
    fn a_span_outside_the_buffer_is_empty() {
        let bytes = [1, 2, 3];
        assert_eq!(Span { start: 1, len: 2 }.of(&bytes), [2, 3]);
        assert!(Span { start: 2, len: 2 }.of(&bytes).is_empty());
        assert!(Span {
            start: u16::MAX,
            len: u16::MAX
        }
        .of(&bytes)
        .is_empty());
    }
}
