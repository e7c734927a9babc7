//! Start-scan request 0x0007 (file 20, section 8).

use super::{u16_at, u32_at, u8_at};

/// One channel to scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScanChannel {
    pub(crate) number: u16,
    /// Shortest stay, in TU.
    pub(crate) min_dwell: u32,
    /// Longest stay, in TU.
    pub(crate) max_dwell: u32,
}

/// A start-scan request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StartScan {
    /// 0 is 2.4 GHz, 1 is 5 GHz.
    pub(crate) band: u8,
    pub(crate) background: bool,
    pub(crate) flags: u8,
    pub(crate) max_rate: u8,
    /// Probe requests per SSID and channel; 0 is passive.
    pub(crate) probes: u8,
    /// In microseconds.
    pub(crate) probe_delay: u8,
    pub(crate) channels: Vec<ScanChannel>,
    pub(crate) ssids: Vec<Vec<u8>>,
}

/// Bytes before the channel records.
const FIXED: usize = 16;
const CHANNEL: usize = 16;
const SSID: usize = 36;

impl StartScan {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn parse(message: &[u8]) -> Result<Self, &'static str> {
        if message.len() < FIXED {
            return Err("shorter than its fixed part");
        }
        let channels = usize::from(u8_at(message, 13));
        let ssids = usize::from(u8_at(message, 14));
        if message.len() != FIXED + CHANNEL * channels + SSID * ssids {
            return Err("length does not match its counts");
        }
        if !(1..=48).contains(&channels) {
            return Err("number of channels is not 1 to 48");
        }
        if ssids > 2 {
            return Err("more than two SSIDs");
        }
        let band = u8_at(message, 4);
        if band > 1 {
            return Err("no such band");
        }
        let records = &message[FIXED..];
        let (channel_records, ssid_records) = records.split_at(CHANNEL * channels);
        let mut scan = Self {
            band,
            background: u8_at(message, 5) & 1 != 0 || u8_at(message, 6) & 1 != 0,
            flags: u8_at(message, 6),
            max_rate: u8_at(message, 7),
            probes: u8_at(message, 12),
            probe_delay: u8_at(message, 15),
            channels: Vec::with_capacity(channels),
            ssids: Vec::with_capacity(ssids),
        };
        for record in channel_records.chunks_exact(CHANNEL) {
            scan.channels.push(ScanChannel {
                number: u16_at(record, 0),
                min_dwell: u32_at(record, 4),
                max_dwell: u32_at(record, 8),
            });
        }
        for record in ssid_records.chunks_exact(SSID) {
            let len = usize::try_from(u32_at(record, 0)).unwrap_or(usize::MAX);
            match record[4..].get(..len) {
                Some(ssid) => scan.ssids.push(ssid.to_vec()),
                None => return Err("SSID longer than 32 bytes"),
            }
        }
        Ok(scan)
    }
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    /// File 20, section 20.4.
    const EXAMPLE: &str = "640007e0000000000000000002030164
        01000000640000006400000000000000
        06000000640000006400000000000000
        0b000000640000006400000000000000
        04000000746573740000000000000000
        00000000000000000000000000000000
        00000000";

    #[test]
    fn the_worked_example_gives_its_fields() {
        let scan = StartScan::parse(&hex(EXAMPLE)).unwrap();
        assert_eq!((scan.band, scan.background, scan.flags), (0, false, 0));
        assert_eq!((scan.max_rate, scan.probes, scan.probe_delay), (0, 2, 100));
        assert_eq!(
            scan.channels.iter().map(|c| c.number).collect::<Vec<_>>(),
            [1, 6, 11]
        );
        assert!(scan
            .channels
            .iter()
            .all(|c| (c.min_dwell, c.max_dwell) == (100, 100)));
        assert_eq!(scan.ssids, [b"test".to_vec()]);
    }

    #[test]
    fn counts_that_do_not_match_the_length_are_refused() {
        let message = hex(EXAMPLE);
        for len in 0..message.len() {
            assert!(StartScan::parse(&message[..len]).is_err());
        }
        let mut longer = message.clone();
        longer[13] = 4;
        assert!(StartScan::parse(&longer).is_err());
        let mut long_ssid = message;
        long_ssid[64] = 33;
        assert_eq!(
            StartScan::parse(&long_ssid),
            Err("SSID longer than 32 bytes")
        );
    }
}
