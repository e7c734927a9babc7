//! What an access point is.

use super::elements::{Country, Description};
use super::{Address, Channel, PhyRate};
use core::time::Duration;

/// How an access point protects its network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    #[default]
    Open,
    /// WPA2 with a pre-shared key and CCMP.
    Wpa2 {
        /// Passphrase, 8 to 63 characters.
        passphrase: String,
    },
    /// WEP with one key and open system authentication. Such a network offers no 802.11n.
    Wep {
        /// 5 or 13 octets.
        key: Vec<u8>,
        /// Key id, 0 to 3.
        id: u8,
    },
}

/// What an access point tells about its load (IEEE 802.11-2016, section 9.4.2.28).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BssLoad {
    /// Associated stations.
    pub stations: u16,
    /// Share of the time in which the medium is busy, in 255ths.
    pub utilisation: u8,
}

/// What an access point is.
#[derive(Clone, Debug, PartialEq)]
pub struct ApConfig {
    /// Network name, up to 32 octets.
    pub ssid: Vec<u8>,
    /// Its address. All zero: one is made up when it is added to the air.
    pub bssid: Address,
    /// Channel and width.
    pub channel: Channel,
    /// Protection.
    pub security: Security,
    /// Signal between it and the station, in dBm, in both directions.
    pub signal_dbm: i8,
    /// Beacon interval in TU.
    pub beacon_interval_tu: u16,
    /// Every how many beacons group frames are delivered, 1 or more.
    pub dtim_period: u8,
    /// Beacons do not tell the SSID, and probe requests without it get no answer.
    pub hidden: bool,
    /// The country it says it is in; `None`: it says nothing.
    pub country: Option<Country>,
    /// It offers 802.11n.
    pub ht: bool,
    /// It offers WMM; needed for 802.11n.
    pub wmm: bool,
    /// It offers unscheduled automatic power-save delivery.
    pub uapsd: bool,
    /// It asks for block ack agreements and accepts them.
    pub aggregation: bool,
    /// Rate of its data frames; `None`: the best for the signal and the station.
    pub downlink_rate: Option<PhyRate>,
    /// How long it thinks before it answers a management frame.
    pub response_delay: Duration,
    /// IPv4 address of the network behind it, source of generated packets.
    pub ipv4: [u8; 4],
    /// IPv4 address of its stations, destination of generated packets.
    pub station_ipv4: [u8; 4],
}

impl Default for ApConfig {
    /// An open 802.11n network "air" on channel 6.
    fn default() -> Self {
        Self {
            ssid: b"air".to_vec(),
            bssid: [0; 6],
            channel: Channel::ht20(6),
            security: Security::Open,
            signal_dbm: -45,
            beacon_interval_tu: 100,
            dtim_period: 2,
            hidden: false,
            country: None,
            ht: true,
            wmm: true,
            uapsd: true,
            aggregation: true,
            downlink_rate: None,
            response_delay: Duration::from_micros(200),
            ipv4: [10, 0, 0, 1],
            station_ipv4: [10, 0, 0, 2],
        }
    }
}

impl ApConfig {
    /// An open network.
    pub fn open(ssid: &str, channel: Channel) -> Self {
        Self {
            ssid: ssid.into(),
            channel,
            ..Self::default()
        }
    }

    /// A network with WPA2 and a pre-shared key.
    pub fn wpa2(ssid: &str, channel: Channel, passphrase: &str) -> Self {
        Self {
            security: Security::Wpa2 {
                passphrase: passphrase.into(),
            },
            ..Self::open(ssid, channel)
        }
    }

    pub(super) fn description(&self) -> Description {
        Description {
            ssid: self.ssid.clone(),
            channel: self.channel,
            ht: self.ht && self.wmm && !matches!(self.security, Security::Wep { .. }),
            wmm: self.wmm,
            uapsd: self.uapsd,
            rsn: matches!(self.security, Security::Wpa2 { .. }),
            privacy: self.security != Security::Open,
            country: self.country.clone(),
        }
    }
}
