//! Block ack: the action frames, and putting frames of an A-MPDU back in order (IEEE 802.11-2016, sections 9.6.5 and
//! 10.24).

use bes_hal::time::Instant;
use core::time::Duration;
use std::collections::VecDeque;

/// Category of block ack action frames.
pub const CATEGORY: u8 = 3;
/// Action: ADDBA request.
pub const ADDBA_REQUEST: u8 = 0;
/// Action: ADDBA response.
pub const ADDBA_RESPONSE: u8 = 1;
/// Action: DELBA.
pub const DELBA: u8 = 2;

/// Status: success.
pub const STATUS_SUCCESS: u16 = 0;
/// Status: request declined.
pub const STATUS_DECLINED: u16 = 37;

/// A block ack action, from its category octet on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// ADDBA request.
    Request {
        /// Dialog token.
        token: u8,
        /// Traffic identifier.
        tid: u8,
        /// Frames the originator wants to have on the way.
        window: u16,
        /// Timeout in TU, 0 for none.
        timeout: u16,
        /// Sequence number of the first frame.
        start: u16,
    },
    /// ADDBA response.
    Response {
        /// Dialog token of the request.
        token: u8,
        /// Status code.
        status: u16,
        /// Traffic identifier.
        tid: u8,
        /// Frames the recipient buffers.
        window: u16,
        /// Timeout in TU, 0 for none.
        timeout: u16,
    },
    /// DELBA.
    Delete {
        /// Traffic identifier.
        tid: u8,
        /// The sender of this frame is the originator of the data.
        from_originator: bool,
        /// Reason code.
        reason: u16,
    },
}

impl Action {
    /// Reads an action body. `None` if it is another action or cut off.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u16::from_le_bytes([*body.get(at)?, *body.get(at + 1)?]));
        if *body.first()? != CATEGORY {
            return None;
        }
        match *body.get(1)? {
            ADDBA_REQUEST => {
                let parameters = word(3)?;
                Some(Self::Request {
                    token: *body.get(2)?,
                    tid: (parameters >> 2 & 15) as u8,
                    window: parameters >> 6,
                    timeout: word(5)?,
                    start: word(7)? >> 4,
                })
            }
            ADDBA_RESPONSE => {
                let parameters = word(5)?;
                Some(Self::Response {
                    token: *body.get(2)?,
                    status: word(3)?,
                    tid: (parameters >> 2 & 15) as u8,
                    window: parameters >> 6,
                    timeout: word(7)?,
                })
            }
            DELBA => {
                let parameters = word(2)?;
                Some(Self::Delete {
                    tid: (parameters >> 12) as u8,
                    from_originator: parameters & 0x0800 != 0,
                    reason: word(4)?,
                })
            }
            _ => None,
        }
    }

    /// Appends the action body to a management header.
    pub fn append(self, frame: &mut Vec<u8>) {
        // Immediate block ack, A-MSDU inside A-MPDU not permitted.
        let parameters =
            |tid: u8, window: u16| (0x0002 | u16::from(tid) << 2 | window << 6).to_le_bytes();
        match self {
            Self::Request {
                token,
                tid,
                window,
                timeout,
                start,
            } => {
                frame.extend_from_slice(&[CATEGORY, ADDBA_REQUEST, token]);
                frame.extend_from_slice(&parameters(tid, window));
                frame.extend_from_slice(&timeout.to_le_bytes());
                frame.extend_from_slice(&(start << 4).to_le_bytes());
            }
            Self::Response {
                token,
                status,
                tid,
                window,
                timeout,
            } => {
                frame.extend_from_slice(&[CATEGORY, ADDBA_RESPONSE, token]);
                frame.extend_from_slice(&status.to_le_bytes());
                frame.extend_from_slice(&parameters(tid, window));
                frame.extend_from_slice(&timeout.to_le_bytes());
            }
            Self::Delete {
                tid,
                from_originator,
                reason,
            } => {
                let initiator = if from_originator { 0x0800 } else { 0 };
                frame.extend_from_slice(&[CATEGORY, DELBA]);
                frame.extend_from_slice(&(u16::from(tid) << 12 | initiator).to_le_bytes());
                frame.extend_from_slice(&reason.to_le_bytes());
            }
        }
    }
}

/// Distance from `from` to `to` in sequence numbers, modulo 4096.
pub const fn distance(from: u16, to: u16) -> u16 {
    to.wrapping_sub(from) & 0x0FFF
}

/// How long a hole holds frames back.
const HOLE_TIMEOUT: Duration = Duration::from_millis(100);

/// Puts the frames of one agreement back in order.
#[derive(Clone, Debug)]
pub struct Reorder<T> {
    start: u16,
    window: u16,
    slots: Vec<Option<T>>,
    held: usize,
    released: VecDeque<T>,
    deadline: Option<Instant>,
}

/// What became of a frame given to a [`Reorder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is the next one and nothing is held back: use it now.
    InOrder,
    /// It was kept, or released others: call [`Reorder::pop`].
    Kept,
    /// It had arrived before, or it was given up.
    Old,
}

impl<T> Reorder<T> {
    /// A buffer of `window` frames (1 to 64) that expects `start` next.
    pub fn new(start: u16, window: u16) -> Self {
        let window = window.clamp(1, 64);
        Self {
            start,
            window,
            slots: (0..window).map(|_| None).collect(),
            held: 0,
            released: VecDeque::new(),
            deadline: None,
        }
    }

    /// Sequence number that is expected next.
    pub fn start(&self) -> u16 {
        self.start
    }

    /// When held frames are released although one in front of them is missing: [`Reorder::skip_hole`].
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// A frame arrived. `keep` makes what is stored; it is not called for a frame that can be used at once.
    pub fn insert(&mut self, sequence: u16, now: Instant, keep: impl FnOnce() -> T) -> Arrival {
        let ahead = distance(self.start, sequence);
        if ahead >= 2048 {
            return Arrival::Old;
        }
        if ahead == 0 && self.held == 0 && self.released.is_empty() {
            self.start = self.start.wrapping_add(1) & 0x0FFF;
            return Arrival::InOrder;
        }
        if ahead >= self.window {
            self.move_to(sequence.wrapping_sub(self.window - 1) & 0x0FFF);
        }
        let slot = &mut self.slots[usize::from(sequence % self.window)];
        if slot.is_some() {
            return Arrival::Old;
        }
        *slot = Some(keep());
        self.held += 1;
        self.release_ready();
        if self.held > 0 && self.deadline.is_none() {
            self.deadline = Some(now.after(HOLE_TIMEOUT));
        }
        Arrival::Kept
    }

    /// The next released frame.
    pub fn pop(&mut self) -> Option<T> {
        self.released.pop_front()
    }

    /// The originator gives up everything before `start` (block ack request).
    pub fn move_to(&mut self, start: u16) {
        if distance(self.start, start) >= 2048 {
            return;
        }
        // Beyond one window there are only holes.
        for _ in 0..distance(self.start, start).min(self.window) {
            self.release_one();
        }
        self.start = start;
        self.release_ready();
    }

    /// Gives up the hole in front of the held frames if its time has come.
    pub fn skip_hole(&mut self, now: Instant) {
        if !self.deadline.is_some_and(|deadline| deadline.is_due(now)) {
            return;
        }
        self.deadline = None;
        while self.held > 0 && self.slots[usize::from(self.start % self.window)].is_none() {
            self.start = self.start.wrapping_add(1) & 0x0FFF;
        }
        self.release_ready();
        if self.held > 0 {
            self.deadline = Some(now.after(HOLE_TIMEOUT));
        }
    }

    fn release_ready(&mut self) {
        while self.held > 0 && self.slots[usize::from(self.start % self.window)].is_some() {
            self.release_one();
        }
        if self.held == 0 {
            self.deadline = None;
        }
    }

    fn release_one(&mut self) {
        if let Some(frame) = self.slots[usize::from(self.start % self.window)].take() {
            self.held -= 1;
            self.released.push_back(frame);
        }
        self.start = self.start.wrapping_add(1) & 0x0FFF;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::ZERO;

    fn drain(reorder: &mut Reorder<u16>) -> Vec<u16> {
        core::iter::from_fn(|| reorder.pop()).collect()
    }

    #[test]
    fn actions_are_read_as_they_were_written() {
        let actions = [
            Action::Request {
                token: 1,
                tid: 5,
                window: 64,
                timeout: 0,
                start: 0xABC,
            },
            Action::Response {
                token: 1,
                status: 37,
                tid: 7,
                window: 32,
                timeout: 9,
            },
            Action::Delete {
                tid: 3,
                from_originator: true,
                reason: 39,
            },
        ];
        for action in actions {
            let mut body = Vec::new();
            action.append(&mut body);
            assert_eq!(Action::parse(&body), Some(action));
            for len in 0..body.len() {
                assert_eq!(Action::parse(&body[..len]), None);
            }
        }
    }

    #[test]
    fn frames_in_order_are_not_copied() {
        let mut reorder = Reorder::<u16>::new(4094, 8);
        for sequence in [4094, 4095, 0, 1] {
            let arrival = reorder.insert(sequence, NOW, || panic!("copied"));
            assert_eq!(arrival, Arrival::InOrder);
        }
        assert_eq!(reorder.start(), 2);
    }

    #[test]
    fn a_hole_holds_back_until_it_is_filled() {
        let mut reorder = Reorder::new(4095, 8);
        for sequence in [0, 1, 3] {
            assert_eq!(reorder.insert(sequence, NOW, || sequence), Arrival::Kept);
        }
        assert_eq!(drain(&mut reorder), []);
        assert_eq!(reorder.insert(1, NOW, || 99), Arrival::Old);
        assert_eq!(reorder.insert(4095, NOW, || 4095), Arrival::Kept);
        assert_eq!(drain(&mut reorder), [4095, 0, 1]);
        assert_eq!(reorder.insert(0, NOW, || 0), Arrival::Old);
        assert_eq!(reorder.insert(2, NOW, || 2), Arrival::Kept);
        assert_eq!(drain(&mut reorder), [2, 3]);
        assert_eq!(reorder.deadline(), None);
    }

    #[test]
    fn a_hole_is_given_up_after_its_time() {
        let mut reorder = Reorder::new(0, 8);
        reorder.insert(2, NOW, || 2);
        let deadline = reorder.deadline().unwrap();
        reorder.skip_hole(NOW);
        assert_eq!(drain(&mut reorder), []);
        reorder.skip_hole(deadline);
        assert_eq!(drain(&mut reorder), [2]);
        assert_eq!((reorder.start(), reorder.deadline()), (3, None));
    }

    #[test]
    fn a_frame_beyond_the_window_and_a_request_move_it() {
        let mut reorder = Reorder::new(0, 4);
        reorder.insert(1, NOW, || 1);
        reorder.insert(5, NOW, || 5);
        assert_eq!(drain(&mut reorder), [1]);
        assert_eq!(reorder.start(), 2);
        reorder.move_to(5);
        assert_eq!(drain(&mut reorder), [5]);
        assert_eq!(reorder.start(), 6);
        reorder.move_to(5);
        assert_eq!(reorder.start(), 6);
        reorder.move_to(1000);
        assert_eq!(reorder.insert(1000, NOW, || 0), Arrival::InOrder);
    }
}
