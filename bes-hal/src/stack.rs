//! The upper seam: what the driver tells the stack above. Linux: mac80211.
//!
//! What the stack tells the driver are calls of the device itself. The statuses and events are associated types:
//! they belong to the 802.11 layer, and this crate only says how they travel.

use crate::frame::{RxBuffer, Span, TxFrame};
use crate::memory::Memory;

/// One received frame inside a burst buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RxPart<S> {
    /// Where the frame lies in the buffer.
    pub span: Span,
    /// How it was received.
    pub status: S,
}

/// What the stack above provides.
///
/// Every call comes from the owner of the bus, never while the bus is being used, and with no lock of the driver
/// held. The stack may call the device only after the call has returned.
pub trait Stack {
    /// A frame on its way down, and back with its status.
    type Frame: TxFrame;
    /// A burst on its way up.
    type Buffer: RxBuffer;
    /// Where the driver's tables live.
    type Memory: Memory;
    /// How a frame was received.
    type RxStatus;
    /// What became of a frame that was sent.
    type TxStatus;
    /// Everything else the stack should know.
    type Event;

    /// Takes over a burst with the received frames in it, in the order in which they came from the air. One call
    /// is one hand-over; `frames` is never empty.
    fn deliver(&mut self, buffer: Self::Buffer, frames: &[RxPart<Self::RxStatus>]);

    /// Takes back a frame that was given to the driver. Every accepted frame comes back exactly once.
    fn tx_status(&mut self, frame: Self::Frame, status: Self::TxStatus);

    /// Tells the stack that something happened.
    fn notify(&mut self, event: Self::Event);

    /// A new frame with `content` and enough room around it for the driver, for frames that the driver itself
    /// originates; `None` if there is no memory.
    fn allocate(&mut self, content: &[u8]) -> Option<Self::Frame>;
}
