//! Whole messages, batches of them, and the life cycle of the chip.
//!
//! [`Transport`] is what the message layer needs from any bus. `bes-sdio-bus` implements it on top of
//! [`crate::sdio::SdioFunction`].

use crate::error::{SdioError, TransportError};
use crate::frame::{RxBuffer, Span};
use crate::time::Instant;
use core::fmt;

/// Most messages that travel in one transfer, in either direction (specification: file 10, section 14).
pub const MAX_BATCH: usize = 16;

/// The messages of a burst that passed the check: each span holds a header and lies inside the buffer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spans {
    spans: [Span; MAX_BATCH],
    count: usize,
}

impl Spans {
    /// No messages.
    pub const EMPTY: Self = Self {
        spans: [Span { start: 0, len: 0 }; MAX_BATCH],
        count: 0,
    };

    /// Appends a span; `false` if there is no room for another.
    #[inline]
    pub fn push(&mut self, span: Span) -> bool {
        match self.spans.get_mut(self.count) {
            Some(entry) => {
                *entry = span;
                self.count = self.count.wrapping_add(1);
                true
            }
            None => false,
        }
    }

    /// The spans, in order.
    #[inline]
    pub fn as_slice(&self) -> &[Span] {
        self.spans.get(..self.count).unwrap_or(&[])
    }
}

/// What is wrong with a burst. Messages before the defect are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BurstDefect {
    /// A message header says 1 to 3 bytes, less than a header has.
    ShortLength(u16),
    /// A message reaches beyond the burst.
    BeyondEnd(u16),
    /// A message other than the first is longer than a slot.
    LongMessage(u16),
    /// There is a seventeenth message.
    TooManyMessages,
    /// The burst starts with the terminator although something was announced.
    NoMessage,
}

impl fmt::Display for BurstDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShortLength(len) => write!(f, "message of {len} bytes has no header"),
            Self::BeyondEnd(len) => write!(f, "message of {len} bytes reaches beyond the burst"),
            Self::LongMessage(len) => write!(f, "message of {len} bytes is longer than a slot"),
            Self::TooManyMessages => write!(f, "more than {MAX_BATCH} messages"),
            Self::NoMessage => f.write_str("no message"),
        }
    }
}

/// A burst from the chip: one buffer with up to [`MAX_BATCH`] messages in it.
#[derive(Debug)]
pub struct Burst<B> {
    /// The bytes, as they came from the bus.
    pub buffer: B,
    /// Where the messages are.
    pub messages: Spans,
    /// What was wrong behind the last good message, if anything.
    pub defect: Option<BurstDefect>,
}

/// Answer to "is there anything to receive?".
#[derive(Debug)]
pub enum Reception<B> {
    /// Nothing, and the chip says that this is genuine.
    Empty,
    /// The chip is still preparing something, or showed an old announcement: look again soon.
    Unsettled,
    /// A burst.
    Burst(Burst<B>),
}

/// Which messages may share a transfer: those whose class is equal and not alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotClass {
    /// Size class.
    pub index: u8,
    /// The message must travel in a transfer of its own.
    pub alone: bool,
    /// Shortest and longest message of the size class, header included, in bytes: whoever has seen one message of a class
    /// knows which others belong to it.
    pub lengths: (u16, u16),
}

/// A change of the chip's life cycle that takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transition {
    /// From power to main firmware running, subsystems off.
    Boot,
    /// Wi-Fi subsystem on. The chip speaks first afterwards.
    WifiOn,
    /// Wi-Fi subsystem off. Everything in flight is forgotten by the chip.
    WifiOff,
    /// The whole chip out of sleep.
    Wake,
    /// The whole chip may sleep.
    Sleep,
    /// Bluetooth subsystem on.
    BluetoothOn,
    /// Bluetooth subsystem off.
    BluetoothOff,
    /// Bluetooth out of low power.
    BluetoothWake,
    /// Bluetooth may enter low power.
    BluetoothSleep,
    /// Everything off, lines released, function disabled.
    PowerOff,
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boot => "boot",
            Self::WifiOn => "Wi-Fi on",
            Self::WifiOff => "Wi-Fi off",
            Self::Wake => "wake",
            Self::Sleep => "sleep",
            Self::BluetoothOn => "Bluetooth on",
            Self::BluetoothOff => "Bluetooth off",
            Self::BluetoothWake => "Bluetooth wake",
            Self::BluetoothSleep => "Bluetooth sleep",
            Self::PowerOff => "power off",
        })
    }
}

/// How far a transition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Finished.
    Done,
    /// Poll again at this time, or earlier if the chip raises its interrupt.
    Pending(Instant),
}

/// How well a bus does: counters that wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Transfers of data, repeated ones included.
    pub transfers: u64,
    /// Those of them that failed.
    pub failures: u64,
}

/// A bus that carries whole messages.
///
/// One owner calls it; nothing here blocks for longer than its bus commands. Waiting is done by the caller, between
/// calls of [`poll`](Self::poll).
pub trait Transport {
    /// A burst buffer, as the stack above will take it.
    type Buffer: RxBuffer;

    /// Time now.
    fn now(&self) -> Instant;

    /// Whether the chip has raised its interrupt since the last call.
    fn take_interrupt(&mut self) -> bool;

    /// Reads the announcement and, if there is one, the burst behind it.
    ///
    /// # Errors
    ///
    /// [`TransportError::WrongState`] unless Wi-Fi is on, [`TransportError::Bus`] after the allowed retries,
    /// [`TransportError::Oversized`] if the chip announces more than the protocol allows.
    fn receive(&mut self) -> Result<Reception<Self::Buffer>, TransportError>;

    /// The class of a message, header included; its id says whether it must travel alone.
    ///
    /// # Errors
    ///
    /// [`TransportError::MessageTooLong`].
    fn slot_class(&self, message: &[u8]) -> Result<SlotClass, TransportError>;

    /// Sends up to [`MAX_BATCH`] messages of one class in one transfer.
    ///
    /// Bytes of a slice behind the length in its message's header are sent too if the slot has room (the trailing
    /// time stamp of the protocol); the rest of each slot is zero.
    ///
    /// # Errors
    ///
    /// [`TransportError::BadBatch`], [`TransportError::MessageTooLong`], [`TransportError::WrongState`], or
    /// [`TransportError::Bus`] after the allowed retries.
    fn send(&mut self, batch: &[&[u8]]) -> Result<(), TransportError>;

    /// Ends a transfer that failed half-way, so that the next [`receive`](Self::receive) or [`send`](Self::send) begins with
    /// the announcement, or the batch, that is still due. Nothing that was announced or sent is forgotten.
    ///
    /// # Errors
    ///
    /// [`TransportError::Bus`]: the platform cannot do it, or the bus is dead.
    fn abort(&mut self) -> Result<(), TransportError> {
        Err(TransportError::Bus(SdioError::Unsupported))
    }

    /// Has the bus tuned again, or its clock lowered, because its commands fail too often.
    ///
    /// # Errors
    ///
    /// [`TransportError::Bus`]: the platform cannot do it, or the bus is dead.
    fn retune(&mut self) -> Result<(), TransportError> {
        Err(TransportError::Bus(SdioError::Unsupported))
    }

    /// How well the bus does. One that cannot say has made no transfers.
    fn health(&self) -> Health {
        Health::default()
    }

    /// Whether the Bluetooth subsystem of the chip is on: asked of the chip, or what was known last if it does not answer. A
    /// transport that cannot say knows of none.
    fn has_bluetooth(&mut self) -> bool {
        false
    }

    /// Starts a transition. [`TransportError::WrongState`] if another one is under way.
    fn begin(&mut self, transition: Transition, now: Instant) -> Result<(), TransportError>;

    /// Does what is due of the transition under way. `Done` if there is none.
    ///
    /// # Errors
    ///
    /// The reason why the transition failed; there is none under way any more.
    fn poll(&mut self, now: Instant) -> Result<Progress, TransportError>;

    /// Gives up the transition under way, releases every line, and puts the transport back to where only
    /// [`Transition::Boot`] is possible. Works on a dead bus and never waits.
    fn reset(&mut self);
}
