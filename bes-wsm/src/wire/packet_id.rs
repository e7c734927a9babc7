//! The name of a frame while it is in the chip.
//!
//! | bits | field |
//! |---|---|
//! | 0-7 | slot in the software queue |
//! | 8-15 | generation of the slot |
//! | 16-19 | queue, as Linux numbers it |
//! | 20-23 | interface |
//! | 24-27 | link id |
//! | 28-31 | generation of the queue |
//!
//! The chip returns it unchanged in the confirm, or should: what comes back is checked field by field when it is
//! used, never when it is stored.
//!
//! Source: file 20, section 12.2.

use super::error::WireError;
use super::header::InterfaceId;
use super::unit::{LinkId, QueueId};
use bitfield_struct::bitfield;
use core::fmt;

/// How often a queue was flushed, modulo 16: confirms of frames from before a flush are known by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct QueueGeneration(u8);

impl QueueGeneration {
    /// From any number, modulo 16.
    pub const fn new(number: u8) -> Self {
        Self(number & 0xF)
    }

    /// 0 to 15.
    pub const fn raw(self) -> u8 {
        self.0
    }

    /// The one after the next flush.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::new(self.0.wrapping_add(1))
    }

    const fn from_bits(bits: u8) -> Self {
        Self::new(bits)
    }

    const fn into_bits(self) -> u8 {
        self.0
    }
}

/// Name of a frame in the chip.
#[bitfield(u32)]
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId {
    /// Slot that holds the frame.
    pub slot: u8,
    /// How often the slot was used: tells a late confirm from one for the slot's present frame.
    pub slot_generation: u8,
    #[bits(4)]
    queue_bits: u8,
    #[bits(4)]
    interface_bits: u8,
    #[bits(4)]
    link_bits: u8,
    /// How often the queue was flushed.
    #[bits(4)]
    pub queue_generation: QueueGeneration,
}

impl PacketId {
    /// From the word on the wire; any word is possible.
    pub const fn from_raw(raw: u32) -> Self {
        Self::from_bits(raw)
    }

    /// The word on the wire.
    pub const fn raw(self) -> u32 {
        self.into_bits()
    }

    /// Queue that the frame came from.
    ///
    /// # Errors
    ///
    /// [`WireError::Value`] above 3.
    pub const fn queue(self) -> Result<QueueId, WireError> {
        QueueId::from_linux(self.queue_bits())
    }

    /// The same id with another queue.
    #[must_use]
    pub const fn with_queue(self, queue: QueueId) -> Self {
        self.with_queue_bits(queue.linux())
    }

    /// Interface that sent the frame.
    ///
    /// # Errors
    ///
    /// [`WireError::Interface`] above 2.
    pub const fn interface(self) -> Result<InterfaceId, WireError> {
        InterfaceId::new(self.interface_bits())
    }

    /// The same id with another interface.
    #[must_use]
    pub const fn with_interface(self, interface: InterfaceId) -> Self {
        self.with_interface_bits(interface.raw())
    }

    /// Station that the frame is for.
    ///
    /// # Errors
    ///
    /// [`WireError::LinkId`] above 14.
    pub const fn link(self) -> Result<LinkId, WireError> {
        LinkId::new(self.link_bits())
    }

    /// The same id with another link id.
    #[must_use]
    pub const fn with_link(self, link: LinkId) -> Self {
        self.with_link_bits(link.raw())
    }
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.raw())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_lie_where_the_specification_says() {
        let packet = PacketId::new()
            .with_slot(0x5a)
            .with_slot_generation(0x3c)
            .with_queue(QueueId::Background)
            .with_interface(InterfaceId::Two)
            .with_link(LinkId::MAX)
            .with_queue_generation(QueueGeneration::new(0xb));
        assert_eq!(packet.raw(), 0xbe23_3c5a);
        assert_eq!(packet.slot(), 0x5a);
        assert_eq!(packet.slot_generation(), 0x3c);
        assert_eq!(packet.queue(), Ok(QueueId::Background));
        assert_eq!(packet.interface(), Ok(InterfaceId::Two));
        assert_eq!(packet.link(), Ok(LinkId::MAX));
        assert_eq!(packet.queue_generation().raw(), 0xb);
        assert_eq!(packet.to_string(), "0xbe233c5a");
    }

    #[test]
    fn the_example_of_the_specification_is_slot_5_of_best_effort() {
        let packet = PacketId::from_raw(0x0002_0005);
        assert_eq!(packet.slot(), 5);
        assert_eq!(packet.queue(), Ok(QueueId::BestEffort));
    }

    #[test]
    fn fields_that_name_nothing_are_refused_and_survive() {
        let packet = PacketId::from_raw(u32::MAX);
        assert_eq!(packet.queue(), Err(WireError::Value));
        assert_eq!(packet.interface(), Err(WireError::Interface(15)));
        assert_eq!(packet.link(), Err(WireError::LinkId(15)));
        assert_eq!(packet.raw(), u32::MAX);
    }

    #[test]
    fn queue_generations_wrap_at_sixteen() {
        assert_eq!(QueueGeneration::new(15).next(), QueueGeneration::default());
        assert_eq!(QueueGeneration::new(31).raw(), 15);
    }
}
