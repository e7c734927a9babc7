//! The catalogue of MIB objects.
//!
//! Source: file 21, section 1.

use core::fmt;

/// Which object it is. Ids that nobody knows are values like any other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MibId(u16);

impl MibId {
    /// From the id on the wire.
    pub const fn from_raw(raw: u16) -> Self {
        Self(raw)
    }

    /// The id on the wire.
    pub const fn raw(self) -> u16 {
        self.0
    }
}

/// The catalogue: constant, id, name.
macro_rules! catalogue {
    ($($(#[$meta:meta])* $constant:ident = $raw:literal => $name:literal,)+) => {
        impl MibId {
            $($(#[$meta])* pub const $constant: Self = Self($raw);)+

            /// Every object of the catalogue.
            pub const CATALOGUE: &'static [Self] = &[$(Self::$constant),+];

            /// The name; `None` if the catalogue lacks it.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($raw => Some($name),)+
                    _ => None,
                }
            }
        }
    };
}

catalogue! {
    /// MAC address.
    STATION_ID = 0x0000 => "station id",
    /// Lifetime of frames to send.
    MAX_TX_MSDU_LIFETIME = 0x0001 => "max TX MSDU lifetime",
    /// Lifetime of fragments received.
    MAX_RX_LIFETIME = 0x0002 => "max RX lifetime",
    /// Slot time.
    SLOT_TIME = 0x0003 => "slot time",
    /// Multicast addresses to receive.
    GROUP_ADDRESS_TABLE = 0x0004 => "group address table",
    /// WEP key to send with.
    DEFAULT_WEP_KEY_ID = 0x0005 => "default WEP key id",
    /// Transmit power.
    TX_POWER = 0x0006 => "TX power",
    /// RTS threshold.
    RTS_THRESHOLD = 0x0007 => "RTS threshold",
    /// Protection of non-ERP stations.
    NON_ERP_PROTECTION = 0x1000 => "non-ERP protection",
    /// ARP filter and reply.
    ARP_IPV4_TABLE = 0x1001 => "ARP IPv4 table",
    /// Frames that the chip sends by itself.
    TEMPLATE_FRAME = 0x1002 => "template frame",
    /// What to receive.
    RX_FILTER = 0x1003 => "RX filter",
    /// Elements that make a beacon worth passing on.
    BEACON_FILTER_TABLE = 0x1004 => "beacon filter table",
    /// Whether beacons are filtered.
    BEACON_FILTER_CONTROL = 0x1005 => "beacon filter control",
    /// Power mode of the device.
    OPERATIONAL_POWER_MODE = 0x1006 => "operational power mode",
    /// How often to wake for beacons.
    BEACON_WAKEUP_PERIOD = 0x1007 => "beacon wake-up period",
    /// Signal thresholds that raise an event.
    RCPI_RSSI_THRESHOLD = 0x1009 => "RCPI/RSSI threshold",
    /// Statistics.
    STATISTICS_TABLE = 0x100A => "statistics table",
    /// Power save in an IBSS.
    IBSS_PS_CONFIG = 0x100B => "IBSS PS config",
    /// Counters.
    COUNTERS_TABLE = 0x100C => "counters table",
    /// Block-ack information for tests.
    BLOCK_ACK_INFO = 0x100D => "block-ack info",
    /// TIDs with block ack.
    BLOCK_ACK_POLICY = 0x100E => "block-ack policy",
    /// Rate of frames that the chip sends by itself.
    OVERRIDE_INTERNAL_TX_RATE = 0x100F => "override internal TX rate",
    /// Properties of the association.
    ASSOCIATION_MODE = 0x1010 => "association mode",
    /// Coexistence configuration.
    EPTA_CONFIG = 0x1011 => "EPTA config data",
    /// Clear channel assessment.
    CCA_METHOD = 0x1012 => "CCA method",
    /// U-APSD.
    UAPSD_INFORMATION = 0x1013 => "U-APSD information",
    /// Calibration.
    AUTO_CALIBRATION_MODE = 0x1015 => "auto calibration mode",
    /// Rate policies.
    TX_RATE_RETRY_POLICY = 0x1016 => "TX rate retry policy",
    /// Which messages the host wants.
    HOST_MESSAGE_TYPE_FILTER = 0x1017 => "host message type filter",
    /// P2P find.
    P2P_FIND_INFO = 0x1018 => "P2P find info",
    /// P2P power save.
    P2P_PS_MODE = 0x1019 => "P2P PS mode",
    /// Data frames by ether type.
    ETHER_TYPE_FILTER = 0x101A => "ether-type filter",
    /// Data frames by UDP port.
    UDP_PORT_FILTER = 0x101B => "UDP port filter",
    /// Wake pattern.
    MAGIC_DATA_FILTER = 0x101C => "magic data filter",
    /// P2P device description.
    P2P_DEVICE_INFO = 0x101D => "P2P device info",
    /// Coexistence with cellular.
    WCDMA_BAND = 0x101E => "WCDMA band",
    /// Sequence counter of the group key.
    GROUP_TX_SEQUENCE_COUNTER = 0x101F => "group TX sequence counter",
    /// Protection of management frames.
    PROTECTED_MANAGEMENT_POLICY = 0x1020 => "protected management policy",
    /// HT protection.
    HT_PROTECTION = 0x1021 => "HT protection",
    /// Pins.
    GPIO_COMMAND = 0x1022 => "GPIO command",
    /// TSF timer.
    TSF_COUNTER = 0x1023 => "TSF counter",
    /// Confirm several frames with one message.
    MULTI_TX_CONFIRM = 0x1024 => "multi-TX confirm",
    /// Keep-alive period.
    KEEP_ALIVE_PERIOD = 0x1025 => "keep-alive period",
    /// Receive from other BSSs.
    DISABLE_BSSID_FILTER = 0x1026 => "disable BSSID filter",
    /// Data frames by MAC address.
    MAC_ADDRESS_FILTER = 0x1030 => "MAC address filter",
    /// Data frames by IPv4 address.
    IPV4_ADDRESS_FILTER = 0x1031 => "IPv4 address filter",
    /// Data frames by IPv6 address.
    IPV6_ADDRESS_FILTER = 0x1032 => "IPv6 address filter",
    /// Multicast forwarding in the chip.
    FORWARDING_OFFLOAD = 0x1033 => "forwarding offload",
    /// Neighbour discovery.
    NDP_TABLE = 0x1034 => "NDP table",
    /// Inactivity of stations.
    INACTIVITY = 0x1035 => "inactivity",
    /// Radio on or off.
    RF_ENABLE = 0x1040 => "RF enable",
    /// Keep-alive frame of a connection.
    IP_KEEP_ALIVE_FRAME = 0x1041 => "TCP/UDP keep-alive frame",
    /// Keep-alive period of connections.
    IP_KEEP_ALIVE_PERIOD = 0x1042 => "TCP/UDP keep-alive period",
    /// Short guard interval.
    TX_SHORT_GI = 0x1043 => "TX short GI",
    /// Retries and protection.
    TX_RX_OPTIMISATION = 0x1044 => "TX/RX optimisation",
    /// Power table.
    POWER_TABLE = 0x1045 => "power table",
}

impl fmt::Display for MibId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#06x}", self.0),
        }
    }
}

impl fmt::Debug for MibId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MibId({:#06x})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_objects_have_names_and_unknown_ones_survive() {
        assert_eq!(
            MibId::OPERATIONAL_POWER_MODE.to_string(),
            "operational power mode"
        );
        for undefined in [0x1008, 0x1014, 0x1027, 0x102f, 0x1036, 0x103f] {
            assert_eq!(MibId::from_raw(undefined).name(), None);
            assert_eq!(MibId::from_raw(undefined).raw(), undefined);
        }
        assert_eq!(MibId::from_raw(0x1008).to_string(), "0x1008");
    }

    #[test]
    fn the_catalogue_has_no_id_twice() {
        for (index, id) in MibId::CATALOGUE.iter().enumerate() {
            assert!(!MibId::CATALOGUE[..index].contains(id), "{id}");
        }
    }
}
