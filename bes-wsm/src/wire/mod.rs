//! The messages of WSM, byte for byte.
//!
//! Every file has the same shape: the layout, the structure that lies on the wire with its sizes and offsets checked
//! by the compiler, the type a program works with, how it is shown in a trace, and tests against byte captures.
//! Bytes are checked once, in `parse`; a value that exists is right. Nothing here keeps state.
//!
//! * A [`Request`] is what the host asks for; it names the type of its answer.
//! * A [`Confirm`] is what comes from the chip: confirms and indications alike.
//! * A [`mib::Mib`] is an object in the chip that is written with [`mib::WriteMib`] and read with [`mib::ReadMib`].
//!
//! Both directions are written and read, so that tests and traces can stand on either side.
//!
//! Source: files 20 and 21.

mod code;
mod codec;
mod prelude;

pub mod ap;
pub mod bluetooth;
pub mod bss;
pub mod channel;
pub mod configuration;
pub mod confirm;
pub mod describe;
pub mod edca;
pub mod epta;
pub mod error;
pub mod event;
pub mod exception;
pub mod generic;
pub mod header;
pub mod id;
pub mod join;
pub mod key;
pub mod mcu;
pub mod mcu_calibration;
pub mod mib;
pub mod multicast_forwarding;
pub mod packet_id;
pub mod pm;
pub mod rate;
pub mod reset;
pub mod rx;
pub mod scan;
pub mod ssid;
pub mod startup;
pub mod status;
pub mod suspend_resume;
pub mod tx;
pub mod tx_confirm;
pub mod unit;
pub mod vendor_rf;

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
pub(crate) mod check;

pub use describe::{describe, Direction};
pub use error::WireError;
pub use generic::{BareConfirm, GenericConfirm};
pub use header::{Class, Header, InterfaceId, SequenceNumber, HEADER_LEN, MAX_MESSAGE_LEN};
pub use id::MessageId;
pub use packet_id::{PacketId, QueueGeneration};
pub use rate::{RateId, RateMask, RatePolicyIndex, ReportedRate};
pub use status::Status;
pub use unit::{Band, ChannelNumber, Dbm, DeciDbm, LinkId, MacAddress, QueueId, Tu};

/// A message from the host that the chip confirms.
pub trait Request {
    /// Number and class; the interface is an argument of [`emit`](Self::emit).
    const ID: MessageId;
    /// What the chip answers.
    type Confirm<'a>: Confirm<'a>;

    /// Writes the whole message and returns its length, header included.
    ///
    /// The sequence number is 0; the bottom half stamps it ([`header::stamp_sequence`]).
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`] if `out` is too small, [`WireError::TooLong`] if the bus cannot carry the message, and
    /// what else the message's type says.
    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError>;
}

/// A message from the chip: a confirm or an indication.
pub trait Confirm<'a>: Sized {
    /// Reads a whole message, header included. Bytes behind the length in the header are ignored.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`], [`WireError::Id`], and what else the message's type says.
    fn parse(message: &'a [u8]) -> Result<Self, WireError>;
}
