//! Requests other than transmit and start scan (file 20, sections 6 to 11 and 14).

use super::header::number;
use super::{mac_at, u16_at, u32_at, u8_at};

/// The name of a request of the LMAC class.
pub(crate) const fn name(request: u8) -> &'static str {
    match request {
        number::TRANSMIT => "TRANSMIT",
        number::READ_MIB => "READ_MIB",
        number::WRITE_MIB => "WRITE_MIB",
        number::START_SCAN => "START_SCAN",
        number::STOP_SCAN => "STOP_SCAN",
        number::CONFIGURATION => "CONFIGURATION",
        number::RESET => "RESET",
        number::JOIN => "JOIN",
        number::ADD_KEY => "ADD_KEY",
        number::REMOVE_KEY => "REMOVE_KEY",
        number::SET_PM => "SET_PM",
        number::SET_BSS => "SET_BSS_PARAMETERS",
        number::TX_QUEUE => "SET_TX_QUEUE",
        number::EDCA => "SET_EDCA",
        number::SWITCH_CHANNEL => "SWITCH_CHANNEL",
        number::START => "START",
        number::BEACON_TRANSMIT => "BEACON_TRANSMIT",
        number::START_FIND => "START_FIND",
        number::STOP_FIND => "STOP_FIND",
        number::UPDATE_IE => "UPDATE_IE",
        number::MAP_LINK => "MAP_LINK",
        number::RELEASE_BUFFER => "RELEASE_BUFFER",
        number::REQUEST_BUFFERS => "REQUEST_BUFFERS",
        number::CPU_SLEEP => "CPU_SLEEP",
        number::EPTA => "EPTA",
        _ => "unknown request",
    }
}

/// The length a request must have, header included, if it is always the same.
pub(crate) const fn fixed_len(request: u8) -> Option<usize> {
    Some(match request {
        number::READ_MIB => 8,
        number::STOP_SCAN | number::START_FIND | number::STOP_FIND => 4,
        number::RESET => 8,
        number::JOIN => 64,
        number::ADD_KEY => 48,
        number::REMOVE_KEY => 8,
        number::SET_PM => 8,
        number::SET_BSS => 16,
        number::TX_QUEUE => 16,
        number::EDCA => 48,
        number::SWITCH_CHANNEL => 8,
        number::START => 56,
        number::BEACON_TRANSMIT => 8,
        number::MAP_LINK => 12,
        number::RELEASE_BUFFER | number::REQUEST_BUFFERS | number::CPU_SLEEP => 8,
        number::EPTA => 16,
        _ => return None,
    })
}

/// Configuration request 0x0009.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Configuration {
    pub(crate) rts_threshold: u32,
    pub(crate) address: [u8; 6],
    /// Whether the block length agrees with the message.
    pub(crate) consistent: bool,
}

impl Configuration {
    /// Reads a request; `None` if the fixed part is cut.
    pub(crate) fn parse(message: &[u8]) -> Option<Self> {
        (message.len() >= 28).then(|| Self {
            rts_threshold: u32_at(message, 12),
            address: mac_at(message, 20),
            // The length counts from itself: 12 bytes of block header, then the parameters.
            consistent: usize::from(u16_at(message, 16)) == message.len() - 16,
        })
    }
}

/// Join request 0x000B.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Join {
    pub(crate) mode: u8,
    pub(crate) band: u8,
    pub(crate) channel: u16,
    pub(crate) bssid: [u8; 6],
    pub(crate) probe: bool,
    /// Join without waiting for a beacon.
    pub(crate) force: bool,
    pub(crate) ssid: Vec<u8>,
    /// In TU.
    pub(crate) beacon_interval: u32,
    pub(crate) basic_rates: u32,
}

impl Join {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn parse(message: &[u8]) -> Result<Self, &'static str> {
        if message.len() < 64 {
            return Err("shorter than 64 bytes");
        }
        let ssid_len = usize::try_from(u32_at(message, 20)).unwrap_or(usize::MAX);
        let ssid = message[24..56]
            .get(..ssid_len)
            .ok_or("SSID longer than 32 bytes")?;
        let join = Self {
            mode: u8_at(message, 4),
            band: u8_at(message, 5),
            channel: u16_at(message, 6),
            bssid: mac_at(message, 8),
            probe: u8_at(message, 17) != 0,
            force: u8_at(message, 19) & 4 != 0,
            ssid: ssid.to_vec(),
            beacon_interval: u32_at(message, 56),
            basic_rates: u32_at(message, 60),
        };
        if join.band > 1 || join.mode > 1 {
            return Err("no such band or mode");
        }
        if !valid_channel(join.channel) || (join.channel > 14) != (join.band == 1) {
            return Err("channel is not in the band");
        }
        if join.beacon_interval == 0 {
            return Err("beacon interval is zero");
        }
        Ok(join)
    }
}

/// Whether the radio has such a channel (file 20, section 8.2).
pub(crate) const fn valid_channel(number: u16) -> bool {
    matches!(number, 1..=14 | 34..=216)
}

/// Set BSS parameters 0x0011.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BssParameters {
    /// Missed beacons until the BSS counts as lost; 0 is never.
    pub(crate) beacon_lost: u8,
    pub(crate) aid: u16,
    pub(crate) rates: u32,
    pub(crate) ht_rates: u32,
}

impl BssParameters {
    pub(crate) fn parse(message: &[u8]) -> Self {
        Self {
            beacon_lost: u8_at(message, 5),
            aid: u16_at(message, 6),
            rates: u32_at(message, 8),
            ht_rates: u32_at(message, 12),
        }
    }
}

/// Start request 0x0017.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) mode: u8,
    pub(crate) channel: u16,
    /// In TU.
    pub(crate) beacon_interval: u32,
    pub(crate) dtim_period: u8,
    pub(crate) ssid: Vec<u8>,
}

impl Start {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn parse(message: &[u8]) -> Result<Self, &'static str> {
        if message.len() < 56 {
            return Err("shorter than 56 bytes");
        }
        let ssid = message[20..52]
            .get(..usize::from(u8_at(message, 19)))
            .ok_or("SSID longer than 32 bytes")?;
        let start = Self {
            mode: u8_at(message, 4) & 0x0F,
            channel: u16_at(message, 6),
            beacon_interval: u32_at(message, 12),
            dtim_period: u8_at(message, 16).max(1),
            ssid: ssid.to_vec(),
        };
        if start.mode > 2 {
            return Err("no such mode");
        }
        if !valid_channel(start.channel) {
            return Err("no such channel");
        }
        if start.beacon_interval == 0 {
            return Err("beacon interval is zero");
        }
        Ok(start)
    }
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    /// File 20, section 20.6.
    const JOIN: &str = "40000b20010006 00001a2b3c4d5e0000
        01010300040000007465737400000000
        00000000000000000000000000000000
        00000000000000006400000007000000";

    #[test]
    fn join_matches_the_worked_example() {
        let join = Join::parse(&hex(JOIN)).unwrap();
        assert_eq!((join.mode, join.band, join.channel), (1, 0, 6));
        assert_eq!(join.bssid, [0x00, 0x1A, 0x2B, 0x3C, 0x4D, 0x5E]);
        assert_eq!(join.ssid, b"test");
        assert_eq!((join.beacon_interval, join.basic_rates), (100, 7));
        assert!(join.probe && !join.force);
    }

    #[test]
    fn joins_with_impossible_fields_are_refused() {
        let refuse = |offset: usize, byte: u8| {
            let mut message = hex(JOIN);
            message[offset] = byte;
            Join::parse(&message).is_err()
        };
        assert!(refuse(5, 2) && refuse(5, 1) && refuse(4, 2));
        assert!(refuse(6, 15) && refuse(20, 33) && refuse(56, 0));
        assert!(Join::parse(&hex(JOIN)[..63]).is_err());
    }

    #[test]
    fn configuration_matches_the_worked_example() {
        // File 20, section 20.2, with the parameter block as zeros.
        let mut message = hex("5c0309400000000000000000000000004c030100021122334455 0500");
        message.resize(860, 0);
        let configuration = Configuration::parse(&message).unwrap();
        assert_eq!(configuration.address, [2, 0x11, 0x22, 0x33, 0x44, 0x55]);
        assert!(configuration.consistent);
        message.truncate(859);
        assert!(!Configuration::parse(&message).unwrap().consistent);
        assert!(Configuration::parse(&message[..27]).is_none());
    }

    #[test]
    fn start_refuses_a_long_ssid_and_an_unknown_channel() {
        let mut message = vec![0; 56];
        message[6] = 6;
        message[12] = 100;
        assert_eq!(Start::parse(&message).unwrap().channel, 6);
        message[19] = 33;
        assert!(Start::parse(&message).is_err());
        message[19] = 0;
        message[6] = 0;
        assert!(Start::parse(&message).is_err());
        assert!(Start::parse(&message[..55]).is_err());
    }
}
