//! What sits above the bottom half.

use crate::anomaly::Anomaly;
use crate::in_flight::Route;
use crate::wire::tx::TransmitConfirm;
use crate::wire::InterfaceId;
use bes_hal::frame::{RxBuffer, Span, TxFrame};
use bes_hal::{Duration, Instant};
use thiserror::Error;

/// A command for the chip, already written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Length of the message in bytes, header included.
    pub len: usize,
    /// How long the chip may take to confirm (specification: file 20, section 3.1).
    pub timeout: Duration,
}

/// Why there is no confirm for a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CommandError {
    /// The chip did not confirm in time. The session ends as well.
    #[error("the chip did not confirm in time")]
    TimedOut,
    /// The session ended before.
    #[error("the session ended")]
    Closed,
    /// The message fits into no slot, or is none.
    #[error("the message cannot be sent")]
    Unsendable,
}

/// A data frame on its way down, complete but for packet id and sequence number.
#[derive(Debug)]
pub struct Outgoing<F, G> {
    /// The frame: a whole TRANSMIT message.
    pub frame: F,
    /// What the client wants back with the confirm.
    pub tag: G,
    /// Linux queue index, 0 to 3.
    pub queue: u8,
    /// Interface of the frame.
    pub interface: InterfaceId,
    /// Link id, 0 to 14.
    pub link: u8,
}

impl<F, G> Outgoing<F, G> {
    /// What the packet id says about it.
    #[inline]
    pub(crate) const fn route(&self) -> Route {
        Route {
            queue: self.queue,
            interface: self.interface.raw(),
            link: self.link,
        }
    }
}

/// What became of a frame that was [offered](FrameSink::offer).
#[derive(Debug)]
pub enum Offer<F, G> {
    /// It is on its way, and another one may be offered.
    More,
    /// It is on its way, and there is no room for another.
    Enough,
    /// It is no message, or fits into no slot. Another one may be offered.
    Unsendable(F, G),
}

/// Where a client's frames go, one batch at a time.
pub trait FrameSink<F, G> {
    /// Takes a frame.
    fn offer(&mut self, outgoing: Outgoing<F, G>) -> Offer<F, G>;
}

/// Why a frame came back without a confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReturnReason {
    /// The chip did not confirm it in time.
    #[error("its confirm was lost")]
    ConfirmLost,
    /// The session ended.
    #[error("the session ended")]
    Closed,
    /// It is longer than the largest slot, or not a message.
    #[error("it fits into no slot")]
    Unsendable,
}

/// What sits above the bottom half: the source of commands and frames, and the sink of what comes back.
///
/// Every call comes from [`BottomHalf::run`](crate::bottom_half::BottomHalf::run) or
/// [`close`](crate::bottom_half::BottomHalf::close), on the thread of the bus's owner, while the bus is not in use.
pub trait Client {
    /// A data frame.
    type Frame: TxFrame;
    /// A burst.
    type Buffer: RxBuffer;
    /// A small value that travels with a frame and comes back with its confirm.
    type Tag: Copy;

    /// The next command, if one is due: writes the whole message into `out`. Called only while none is outstanding.
    fn next_command(&mut self, now: Instant, out: &mut [u8]) -> Option<Command>;

    /// The answer to the outstanding command: its confirm, header included, or why there is none.
    fn command_done(&mut self, result: Result<&[u8], CommandError>, now: Instant);

    /// The data frames that are due, one after the other, until the sink has enough. Called only while a credit is free.
    fn frames(&mut self, now: Instant, sink: &mut impl FrameSink<Self::Frame, Self::Tag>);

    /// About how many frames could be sent now. A full batch is worth waiting for while others are in flight.
    fn backlog(&self) -> usize;

    /// A frame is back with its confirm. What its status means is the client's decision.
    fn confirmed(
        &mut self,
        frame: Self::Frame,
        tag: Self::Tag,
        confirm: &TransmitConfirm,
        now: Instant,
    );

    /// A frame is back without a confirm.
    fn returned(&mut self, frame: Self::Frame, tag: Self::Tag, reason: ReturnReason, now: Instant);

    /// A receive indication at `message` of `buffer`. The client remembers it until
    /// [`end_of_burst`](Self::end_of_burst).
    ///
    /// # Errors
    ///
    /// What is wrong with it; it is counted, and the frame is dropped.
    fn receive(
        &mut self,
        buffer: &mut Self::Buffer,
        message: Span,
        now: Instant,
    ) -> Result<(), Anomaly>;

    /// Any other indication, header included.
    ///
    /// # Errors
    ///
    /// What is wrong with it; it is counted.
    fn indication(&mut self, message: &[u8], now: Instant) -> Result<(), Anomaly>;

    /// The burst is done: the place to hand up what was gathered, in one go.
    fn end_of_burst(&mut self, buffer: Self::Buffer, now: Instant);
}
