//! The catalogue of messages: number and class, without interface and sequence number.
//!
//! Source: file 20, sections 2.2 and 3.

use super::header::Class;
use core::fmt;

/// Bits of the id word that say which message it is.
const IDENTITY: u16 = 0x0C3F;
const CLASS_CONFIRM: u16 = 0x0400;

/// Which message it is: number and class. Ids that nobody knows are values like any other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(u16);

impl MessageId {
    /// From an id word: interface and sequence number are left out.
    pub const fn from_raw(word: u16) -> Self {
        Self(word & IDENTITY)
    }

    /// Number and class in their places of the id word.
    pub const fn raw(self) -> u16 {
        self.0
    }

    /// Class.
    pub const fn class(self) -> Class {
        Class::from_bits(self.0 >> 10)
    }

    /// The id of the confirm to this request. An MCU message is confirmed under its own id.
    #[must_use]
    pub const fn confirm(self) -> Self {
        match self.class() {
            Class::Request => Self(self.0 | CLASS_CONFIRM),
            Class::Confirm | Class::Indication | Class::Mcu => self,
        }
    }

    /// The id of the request to this confirm. Other ids stay as they are.
    #[must_use]
    pub const fn request(self) -> Self {
        match self.class() {
            Class::Confirm => Self(self.0 & !CLASS_CONFIRM),
            Class::Request | Class::Indication | Class::Mcu => self,
        }
    }
}

/// The catalogue: constant, number and class, name.
macro_rules! catalogue {
    ($($(#[$meta:meta])* $constant:ident = $raw:literal => $name:literal,)+) => {
        impl MessageId {
            $($(#[$meta])* pub const $constant: Self = Self($raw);)+

            /// Every request and indication of the catalogue.
            pub const CATALOGUE: &'static [Self] = &[$(Self::$constant),+];

            /// The name without the class; `None` if the catalogue lacks it.
            pub const fn name(self) -> Option<&'static str> {
                match self.request().0 {
                    $($raw => Some($name),)+
                    0x001E => Some("multi-transmit"),
                    _ => None,
                }
            }
        }
    };
}

catalogue! {
    /// Data or management frame to the air.
    TRANSMIT = 0x0004 => "transmit",
    /// Read a MIB object.
    READ_MIB = 0x0005 => "read MIB",
    /// Write a MIB object.
    WRITE_MIB = 0x0006 => "write MIB",
    /// Start a scan.
    START_SCAN = 0x0007 => "start scan",
    /// Stop a scan.
    STOP_SCAN = 0x0008 => "stop scan",
    /// MAC address and parameter block.
    CONFIGURATION = 0x0009 => "configuration",
    /// Leave the BSS, stop the access point, stop listening.
    RESET = 0x000A => "reset",
    /// Join a BSS.
    JOIN = 0x000B => "join",
    /// Install a key.
    ADD_KEY = 0x000C => "add key",
    /// Remove a key.
    REMOVE_KEY = 0x000D => "remove key",
    /// 802.11 power-save mode.
    SET_PM = 0x0010 => "set power mode",
    /// Parameters of the BSS after association.
    SET_BSS_PARAMETERS = 0x0011 => "set BSS parameters",
    /// Parameters of a transmit queue.
    SET_TX_QUEUE_PARAMETERS = 0x0012 => "set TX queue parameters",
    /// EDCA parameters of all access categories.
    SET_EDCA_PARAMETERS = 0x0013 => "set EDCA parameters",
    /// Change the channel.
    SWITCH_CHANNEL = 0x0016 => "switch channel",
    /// Start an access point, group owner or P2P device.
    START = 0x0017 => "start",
    /// Start or stop beaconing.
    BEACON_TRANSMIT = 0x0018 => "beacon transmit",
    /// Start a P2P find.
    START_FIND = 0x0019 => "start find",
    /// Stop a P2P find.
    STOP_FIND = 0x001A => "stop find",
    /// Replace elements in templates.
    UPDATE_IE = 0x001B => "update IE",
    /// Map a station to a link id.
    MAP_LINK = 0x001C => "map link",
    /// Hand buffered multicast over to the chip.
    RELEASE_BUFFER = 0x0022 => "release buffer",
    /// Take buffers back from the chip.
    REQUEST_BUFFERS = 0x0023 => "request buffers",
    /// Let the chip's Wi-Fi CPU sleep, or not.
    CPU_SLEEP = 0x0024 => "CPU sleep control",
    /// Coexistence timing between Wi-Fi and Bluetooth.
    EPTA = 0x0029 => "EPTA",
    /// The firmware has crashed.
    EXCEPTION = 0x0800 => "exception",
    /// The firmware is up.
    STARTUP = 0x0801 => "startup",
    /// A frame from the air.
    RECEIVE = 0x0804 => "receive",
    /// Something happened on an interface.
    EVENT = 0x0805 => "event",
    /// A scan has ended.
    SCAN_COMPLETE = 0x0806 => "scan complete",
    /// The power-save mode has changed.
    SET_PM_RESULT = 0x0809 => "set-PM result",
    /// The channel has changed.
    CHANNEL_SWITCH_DONE = 0x080A => "channel switch done",
    /// A P2P find has ended.
    FIND_COMPLETE = 0x080B => "find complete",
    /// Stop or resume sending to stations.
    SUSPEND_RESUME_TX = 0x080C => "suspend/resume TX",
    /// Radio-frequency test command of the vendor.
    VENDOR_RF = 0x0C25 => "vendor RF",
    /// Command to the MCU.
    DRIVER_TO_MCU = 0x0C27 => "driver to MCU",
    /// What Bluetooth is doing.
    BLUETOOTH_ACTIVITY = 0x0C30 => "Bluetooth activity",
    /// Bluetooth has woken the chip.
    BLUETOOTH_WAKE_UP = 0x0C31 => "Bluetooth wake-up",
}

impl MessageId {
    /// What became of one frame.
    pub const TRANSMIT_CONFIRM: Self = Self::TRANSMIT.confirm();
    /// What became of several frames.
    pub const MULTI_TRANSMIT_CONFIRM: Self = Self(0x041E);
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = match self.class() {
            Class::Confirm => " confirm",
            Class::Request | Class::Indication | Class::Mcu => "",
        };
        match self.name() {
            Some(name) => write!(f, "{name}{class}"),
            None => write!(f, "{:#06x}", self.0),
        }
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({:#06x})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_and_sequence_number_are_no_part_of_the_identity() {
        assert_eq!(MessageId::from_raw(0xe047), MessageId::START_SCAN);
        assert_eq!(MessageId::from_raw(0x0c27), MessageId::DRIVER_TO_MCU);
    }

    #[test]
    fn requests_and_confirms_find_each_other() {
        assert_eq!(MessageId::JOIN.confirm().raw(), 0x040b);
        assert_eq!(MessageId::JOIN.confirm().request(), MessageId::JOIN);
        assert_eq!(MessageId::DRIVER_TO_MCU.confirm(), MessageId::DRIVER_TO_MCU);
        assert_eq!(MessageId::EVENT.request(), MessageId::EVENT);
    }

    #[test]
    fn names_say_the_class_of_confirms() {
        assert_eq!(MessageId::JOIN.to_string(), "join");
        assert_eq!(MessageId::JOIN.confirm().to_string(), "join confirm");
        assert_eq!(
            MessageId::MULTI_TRANSMIT_CONFIRM.to_string(),
            "multi-transmit confirm"
        );
        assert_eq!(MessageId::SCAN_COMPLETE.to_string(), "scan complete");
        assert_eq!(
            MessageId::BLUETOOTH_ACTIVITY.to_string(),
            "Bluetooth activity"
        );
    }

    #[test]
    fn unknown_ids_survive() {
        assert_eq!(MessageId::from_raw(0x083f).to_string(), "0x083f");
        assert_eq!(MessageId::from_raw(0x043f).to_string(), "0x043f");
    }

    #[test]
    fn the_catalogue_has_no_id_twice() {
        for (index, id) in MessageId::CATALOGUE.iter().enumerate() {
            assert_eq!(id.raw() & IDENTITY, id.raw());
            assert!(!MessageId::CATALOGUE[..index].contains(id), "{id}");
        }
    }
}
