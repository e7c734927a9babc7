//! Things that happened on an interface.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 4 | 4 | event id |
//! | 8 | 4 | event data |
//!
//! Source: file 20, section 13.1.

use super::prelude::*;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Wire {
    header: RawHeader,
    id: U32,
    data: U32,
}

const_assert_eq!(size_of::<Wire>(), 12);

open_enum! {
    /// Which event it is.
    pub enum EventId: u32 {
        /// Something failed.
        Error = 0 => "error",
        /// Too many beacons were lost.
        BssLost = 1 => "BSS lost",
        /// Beacons are heard again.
        BssRegained = 2 => "BSS regained",
        /// Radar.
        Radar = 3 => "radar",
        /// The signal crossed a threshold.
        SignalThreshold = 4 => "signal threshold",
        /// Bluetooth is inactive.
        BtInactive = 5 => "Bluetooth inactive",
        /// Bluetooth is active.
        BtActive = 6 => "Bluetooth active",
        /// The access point does not do power save properly.
        PsModeError = 7 => "PS-mode error",
        /// Stations are inactive.
        Inactivity = 9 => "inactivity",
        /// Why the host was woken.
        WakeUp = 10 => "wake-up",
    }
}

open_enum! {
    /// What the access point did wrong in power save.
    pub enum PsModeError: u32 {
        /// Nothing.
        None = 0 => "none",
        /// It did not answer a PS-poll.
        NoPollAnswer = 1 => "no answer to PS-poll",
        /// It did not answer a U-APSD trigger.
        NoTriggerAnswer = 2 => "no answer to U-APSD trigger",
        /// It sent unicast while the station dozed.
        UnicastWhileDozing = 3 => "unicast while dozing",
        /// Its TIM promised data that did not come.
        NoDataAfterTim = 4 => "no data after TIM",
    }
}

/// An event with its data understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something failed.
    Error(Status),
    /// Too many beacons were lost.
    BssLost,
    /// Beacons are heard again.
    BssRegained,
    /// Radar.
    Radar,
    /// The signal crossed a threshold; the RCPI (or RSSI, as the threshold was set).
    SignalThreshold(u8),
    /// Bluetooth is inactive.
    BtInactive,
    /// Bluetooth is active.
    BtActive,
    /// The access point does not do power save properly.
    PsModeError(PsModeError),
    /// Stations are inactive.
    Inactivity(InactiveLinks),
    /// Why the host was woken.
    WakeUp {
        /// Reason, codes unknown.
        reason: u16,
        /// Source port of the frame that did it.
        port: u16,
    },
    /// Something that the specification does not define.
    Unknown(u32),
}

/// Stations of an access point that were not heard from: bit n is link id n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InactiveLinks(u32);

impl InactiveLinks {
    /// Their link ids, 1 to 14. Other bits name no station and are left out.
    pub fn iter(self) -> impl Iterator<Item = LinkId> {
        (1..=LinkId::MAX.raw())
            .filter(move |link| self.0.wrapping_shr(u32::from(*link)) & 1 != 0)
            .filter_map(|link| LinkId::new(link).ok())
    }
}

/// Something happened on the interface in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventIndication {
    /// What.
    pub id: EventId,
    /// Its data as it came.
    pub data: u32,
}

impl EventIndication {
    /// Id of the message.
    pub const ID: MessageId = MessageId::EVENT;

    /// What it means.
    pub const fn event(&self) -> Event {
        let [a, b, c, d] = self.data.to_le_bytes();
        match self.id {
            EventId::Error => Event::Error(Status::from_raw(self.data)),
            EventId::BssLost => Event::BssLost,
            EventId::BssRegained => Event::BssRegained,
            EventId::Radar => Event::Radar,
            EventId::SignalThreshold => Event::SignalThreshold(a),
            EventId::BtInactive => Event::BtInactive,
            EventId::BtActive => Event::BtActive,
            EventId::PsModeError => Event::PsModeError(PsModeError::from_raw(self.data)),
            EventId::Inactivity => Event::Inactivity(InactiveLinks(self.data)),
            EventId::WakeUp => Event::WakeUp {
                reason: u16::from_le_bytes([a, b]),
                port: u16::from_be_bytes([c, d]),
            },
            EventId::Unknown(id) => Event::Unknown(id),
        }
    }

    /// Writes the indication and returns its length.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`].
    pub fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = Wire {
            header: RawHeader::BLANK,
            id: U32::new(self.id.raw()),
            data: U32::new(self.data),
        };
        emit(Self::ID, interface, &wire, &[], out)
    }
}

impl Confirm<'_> for EventIndication {
    fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<Wire>(message, Self::ID)?;
        Ok(Self {
            id: EventId::from_raw(wire.id.get()),
            data: wire.data.get(),
        })
    }
}

impl fmt::Display for EventIndication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event: {}", self.id)?;
        match self.event() {
            Event::Error(status) => write!(f, ", {status}"),
            Event::PsModeError(error) => write!(f, ", {error}"),
            Event::SignalThreshold(rcpi) => write!(f, ", {rcpi}"),
            Event::Inactivity(links) => links.iter().try_for_each(|link| write!(f, ", {link}")),
            Event::WakeUp { reason, port } => write!(f, ", reason {reason}, port {port}"),
            Event::Unknown(_) => write!(f, ", data {:#x}", self.data),
            Event::BssLost
            | Event::BssRegained
            | Event::Radar
            | Event::BtInactive
            | Event::BtActive => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, round_trips};

    const fn event(id: EventId, data: u32) -> EventIndication {
        EventIndication { id, data }
    }

    #[test]
    fn the_captured_event_is_read_and_written() {
        both_ways!(
            EventIndication,
            12,
            [0x0c, 0x00, 0x05, 0x88, 1, 0, 0, 0, 0, 0, 0, 0],
            event(EventId::BssLost, 0)
        );
    }

    #[test]
    fn inactive_stations_are_those_that_can_exist() {
        let Event::Inactivity(links) = event(EventId::Inactivity, u32::MAX).event() else {
            panic!("not understood");
        };
        assert_eq!(
            links.iter().map(LinkId::raw).collect::<Vec<_>>(),
            (1..=14).collect::<Vec<_>>()
        );
        assert_eq!(InactiveLinks(0x8001).iter().count(), 0);
    }

    #[test]
    fn the_port_of_a_wake_up_is_in_network_order() {
        assert_eq!(
            event(EventId::WakeUp, 0x5000_0007).event(),
            Event::WakeUp {
                reason: 7,
                port: 80
            }
        );
    }

    #[test]
    fn data_is_understood_by_its_event() {
        assert_eq!(
            event(EventId::SignalThreshold, 0xffff_ff78).event(),
            Event::SignalThreshold(0x78)
        );
        assert_eq!(
            event(EventId::PsModeError, 4).event(),
            Event::PsModeError(PsModeError::NoDataAfterTim)
        );
        assert_eq!(event(EventId::from_raw(8), 1).event(), Event::Unknown(8));
        assert_eq!(
            event(EventId::from_raw(8), 1).to_string(),
            "event: unknown(8), data 0x1"
        );
    }

    round_trips!(EventIndication, EventIndication::ID);
}
