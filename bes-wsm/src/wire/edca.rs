//! Transmit queues and their channel access.
//!
//! SET_TX_QUEUE_PARAMETERS: u8 queue, u8 0, u8 ACK policy, u8 0, u32 max TX lifetime, u16 allowed medium time in
//! 32 µs per second, u16 0.
//!
//! SET_EDCA_PARAMETERS, every table in the order background, best effort, video, voice:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 4 | 4×2 | CWmin in slots |
//! | 12 | 4×2 | CWmax in slots |
//! | 20 | 4×1 | AIFS number |
//! | 24 | 4×2 | TXOP limit in µs |
//! | 32 | 4×4 | max RX lifetime |
//!
//! Source: file 20, sections 9.4 and 9.5.

use super::prelude::*;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct QueueWire {
    header: RawHeader,
    queue: u8,
    reserved: u8,
    ack_policy: u8,
    reserved2: u8,
    max_lifetime: U32,
    medium_time: U16,
    reserved3: U16,
}

const_assert_eq!(size_of::<QueueWire>(), 16);
const_assert_eq!(offset_of!(QueueWire, max_lifetime), 8);

#[derive(Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct EdcaWire {
    header: RawHeader,
    cw_min: [U16; 4],
    cw_max: [U16; 4],
    aifs: [u8; 4],
    txop: [U16; 4],
    max_rx_lifetime: [U32; 4],
}

const_assert_eq!(size_of::<EdcaWire>(), 48);
const_assert_eq!(offset_of!(EdcaWire, cw_max), 12);
const_assert_eq!(offset_of!(EdcaWire, aifs), 20);
const_assert_eq!(offset_of!(EdcaWire, txop), 24);
const_assert_eq!(offset_of!(EdcaWire, max_rx_lifetime), 32);

closed_enum! {
    /// How frames of a queue are acknowledged.
    pub enum AckPolicy: u8 {
        /// With an ACK.
        Normal = 0 => "normal ACK",
        /// Not at all.
        NoAck = 1 => "no ACK",
    }
}

/// Parameters of one transmit queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetTxQueueParameters {
    /// Which queue.
    pub queue: QueueId,
    /// How its frames are acknowledged.
    pub ack_policy: AckPolicy,
    /// Lifetime of its frames; 0 is the default.
    pub max_lifetime: u32,
    /// Time on the air in units of 32 µs per second; 0 is no limit.
    pub medium_time: u16,
}

impl SetTxQueueParameters {
    /// The parameters that are always sent.
    pub const fn new(queue: QueueId) -> Self {
        Self {
            queue,
            ack_policy: AckPolicy::Normal,
            max_lifetime: 0,
            medium_time: 0,
        }
    }

    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`], [`WireError::Value`].
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<QueueWire>(message, Self::ID)?;
        if wire.queue > 3 {
            return Err(WireError::Value);
        }
        Ok(Self {
            queue: QueueId::from_wsm(wire.queue),
            ack_policy: AckPolicy::from_raw(wire.ack_policy)?,
            max_lifetime: wire.max_lifetime.get(),
            medium_time: wire.medium_time.get(),
        })
    }
}

impl Request for SetTxQueueParameters {
    const ID: MessageId = MessageId::SET_TX_QUEUE_PARAMETERS;
    type Confirm<'a> = GenericConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = QueueWire {
            header: RawHeader::BLANK,
            queue: self.queue.wsm(),
            reserved: 0,
            ack_policy: self.ack_policy.raw(),
            reserved2: 0,
            max_lifetime: U32::new(self.max_lifetime),
            medium_time: U16::new(self.medium_time),
            reserved3: U16::ZERO,
        };
        emit(Self::ID, interface, &wire, &[], out)
    }
}

impl fmt::Display for SetTxQueueParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "set TX queue parameters: {}, {}",
            self.queue, self.ack_policy
        )
    }
}

/// Channel access of one access category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdcaParameters {
    /// Smallest contention window in slots.
    pub cw_min: u16,
    /// Largest contention window in slots.
    pub cw_max: u16,
    /// AIFS number.
    pub aifs: u8,
    /// TXOP limit in µs.
    pub txop_us: u16,
    /// Lifetime of received fragments.
    pub max_rx_lifetime: u32,
}

impl EdcaParameters {
    /// The lifetime that is always sent.
    pub const MAX_RX_LIFETIME: u32 = 200;

    /// From the values of 802.11, the TXOP limit in units of 32 µs. A limit that 16 bits of µs cannot hold becomes
    /// the largest one they can, not a small one.
    pub const fn new(cw_min: u16, cw_max: u16, aifs: u8, txop_units: u16) -> Self {
        Self {
            cw_min,
            cw_max,
            aifs,
            txop_us: txop_units.saturating_mul(32),
            max_rx_lifetime: Self::MAX_RX_LIFETIME,
        }
    }
}

/// Channel access of all access categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetEdcaParameters {
    /// Voice.
    pub voice: EdcaParameters,
    /// Video.
    pub video: EdcaParameters,
    /// Best effort.
    pub best_effort: EdcaParameters,
    /// Background.
    pub background: EdcaParameters,
}

impl Default for SetEdcaParameters {
    /// What an interface starts with.
    fn default() -> Self {
        Self {
            voice: EdcaParameters::new(3, 7, 2, 47),
            video: EdcaParameters::new(7, 15, 2, 94),
            best_effort: EdcaParameters::new(15, 1023, 3, 0),
            background: EdcaParameters::new(15, 1023, 7, 0),
        }
    }
}

impl SetEdcaParameters {
    /// The parameters of a queue, to be changed.
    pub fn of_mut(&mut self, queue: QueueId) -> &mut EdcaParameters {
        match queue {
            QueueId::Voice => &mut self.voice,
            QueueId::Video => &mut self.video,
            QueueId::BestEffort => &mut self.best_effort,
            QueueId::Background => &mut self.background,
        }
    }

    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<EdcaWire>(message, Self::ID)?;
        let mut parameters = Self::default();
        let rows = wire.cw_min.iter().zip(&wire.cw_max).zip(&wire.aifs);
        let rows = rows.zip(&wire.txop).zip(&wire.max_rx_lifetime);
        for (queue, ((((cw_min, cw_max), aifs), txop), lifetime)) in ORDER.into_iter().zip(rows) {
            *parameters.of_mut(queue) = EdcaParameters {
                cw_min: cw_min.get(),
                cw_max: cw_max.get(),
                aifs: *aifs,
                txop_us: txop.get(),
                max_rx_lifetime: lifetime.get(),
            };
        }
        Ok(parameters)
    }

    const fn in_order(&self) -> [EdcaParameters; 4] {
        [self.background, self.best_effort, self.video, self.voice]
    }
}

/// Order of the tables.
const ORDER: [QueueId; 4] = [
    QueueId::Background,
    QueueId::BestEffort,
    QueueId::Video,
    QueueId::Voice,
];

impl Request for SetEdcaParameters {
    const ID: MessageId = MessageId::SET_EDCA_PARAMETERS;
    type Confirm<'a> = GenericConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let rows = self.in_order();
        let wire = EdcaWire {
            header: RawHeader::BLANK,
            cw_min: rows.map(|row| U16::new(row.cw_min)),
            cw_max: rows.map(|row| U16::new(row.cw_max)),
            aifs: rows.map(|row| row.aifs),
            txop: rows.map(|row| U16::new(row.txop_us)),
            max_rx_lifetime: rows.map(|row| U32::new(row.max_rx_lifetime)),
        };
        emit(Self::ID, interface, &wire, &[], out)
    }
}

impl fmt::Display for SetEdcaParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("set EDCA parameters:")?;
        for (queue, row) in ORDER.into_iter().zip(self.in_order()) {
            write!(
                f,
                " {queue} {}/{}..{}/{}us",
                row.aifs, row.cw_min, row.cw_max, row.txop_us
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, round_trips};

    #[test]
    fn queue_parameters_are_read_and_written() {
        both_ways!(
            SetTxQueueParameters,
            16,
            [0x10, 0x00, 0x12, 0x00, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            SetTxQueueParameters::new(QueueId::Voice)
        );
    }

    #[test]
    fn a_queue_that_does_not_exist_is_refused() {
        let message = [0x10, 0x00, 0x12, 0x00, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(SetTxQueueParameters::parse(&message), Err(WireError::Value));
    }

    #[test]
    fn the_defaults_are_read_and_written_background_first() {
        both_ways!(
            SetEdcaParameters,
            48,
            [
                0x30, 0x00, 0x13, 0x00, 15, 0, 15, 0, 7, 0, 3, 0, 0xff, 3, 0xff, 3, 15, 0, 7, 0, 7,
                3, 2, 2, 0, 0, 0, 0, 0xc0, 0x0b, 0xe0, 0x05, 200, 0, 0, 0, 200, 0, 0, 0, 200, 0, 0,
                0, 200, 0, 0, 0
            ],
            SetEdcaParameters::default()
        );
    }

    #[test]
    fn the_tables_are_in_the_order_that_queue_ids_say() {
        for (index, queue) in ORDER.into_iter().enumerate() {
            assert_eq!(queue.edca_index(), index);
        }
    }

    #[test]
    fn a_txop_limit_too_long_for_the_field_does_not_wrap() {
        assert_eq!(EdcaParameters::new(3, 7, 2, 47).txop_us, 1504);
        assert_eq!(EdcaParameters::new(3, 7, 2, 2048).txop_us, u16::MAX);
    }

    round_trips!(SetEdcaParameters, SetEdcaParameters::ID);
}
