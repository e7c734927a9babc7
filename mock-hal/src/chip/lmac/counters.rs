//! What the firmware counts: the counters table of MIB 0x100C, and what a test wants to know besides.

/// Counters since the Wi-Fi subsystem was started. The first 22 are the counters table in its order (file 21, section
/// 3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Counters {
    pub plcp_errors: u32,
    pub fcs_errors: u32,
    pub tx_packets: u32,
    pub rx_packets: u32,
    pub rx_packet_errors: u32,
    pub rx_decryption_failures: u32,
    pub rx_mic_failures: u32,
    pub rx_no_key: u32,
    pub tx_multicast: u32,
    pub tx_success: u32,
    pub tx_failure: u32,
    pub tx_retried: u32,
    pub tx_multi_retried: u32,
    pub rx_duplicates: u32,
    pub rts_success: u32,
    pub rts_failure: u32,
    pub ack_failures: u32,
    pub rx_multicast: u32,
    pub rx_success: u32,
    pub rx_cmac_icv_errors: u32,
    pub rx_cmac_replays: u32,
    pub rx_mgmt_ccmp_replays: u32,
    /// Received data frames that found the queue to the host full.
    pub rx_overflow: u32,
    /// Received frames that a filter stopped.
    pub rx_filtered: u32,
    /// Received data frames whose packet number had been seen.
    pub rx_replays: u32,
    /// Frames under a cipher that is not emulated (WAPI).
    pub unsupported_cipher: u32,
    /// Block ack agreements established as originator and as recipient.
    pub block_ack_agreements: u32,
    /// A-MPDUs sent.
    pub tx_aggregates: u32,
    /// Beacons of a joined BSS that were heard.
    pub beacons: u32,
    /// Scans that were started.
    pub scans: u32,
    /// Scan requests that were refused.
    pub scans_refused: u32,
    /// Commands that were executed.
    pub commands: u32,
    /// ARP requests and neighbour solicitations that the chip answered itself.
    pub answered_for_host: u32,
    /// Confirmations of single frames and records in confirmations of several.
    pub tx_confirmed: u32,
}

/// Frames and octets of one interface since it was last reset, as the host gave and got them: MAC header included, FCS
/// not, cipher header and trailer as far as the host sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames of the host that were acknowledged, or sent to a group.
    pub sent: u64,
    /// Octets of these.
    pub sent_octets: u64,
    /// Frames of the host that ended otherwise.
    pub failed: u64,
    /// Attempts without an acknowledgement, of whatever frame of the host.
    pub unacknowledged: u64,
    /// Data frames that went up, group frames included.
    pub received: u64,
    /// Octets of these.
    pub received_octets: u64,
    /// Data frames for the host that found no room.
    pub overflowed: u64,
    /// Beacons of the BSS that were heard, whether they went up or not.
    pub beacons: u64,
    /// Beacons for which the dozing radio woke up.
    pub woken_for: u64,
    /// Beacons that the dozing radio slept through.
    pub slept_through: u64,
    /// Trigger frames of unscheduled automatic power-save delivery that the chip sent by itself.
    pub triggers: u64,
}

impl Counters {
    /// Sets the counters table to zero and keeps the rest, as a reset of the statistics does.
    pub(crate) fn reset_table(&mut self) {
        *self = Self {
            rx_overflow: self.rx_overflow,
            rx_filtered: self.rx_filtered,
            rx_replays: self.rx_replays,
            unsupported_cipher: self.unsupported_cipher,
            block_ack_agreements: self.block_ack_agreements,
            tx_aggregates: self.tx_aggregates,
            beacons: self.beacons,
            scans: self.scans,
            scans_refused: self.scans_refused,
            commands: self.commands,
            answered_for_host: self.answered_for_host,
            tx_confirmed: self.tx_confirmed,
            ..Self::default()
        };
    }

    /// The counters table as MIB 0x100C gives it, 88 bytes.
    pub(crate) fn table(&self) -> Vec<u8> {
        [
            self.plcp_errors,
            self.fcs_errors,
            self.tx_packets,
            self.rx_packets,
            self.rx_packet_errors,
            self.rx_decryption_failures,
            self.rx_mic_failures,
            self.rx_no_key,
            self.tx_multicast,
            self.tx_success,
            self.tx_failure,
            self.tx_retried,
            self.tx_multi_retried,
            self.rx_duplicates,
            self.rts_success,
            self.rts_failure,
            self.ack_failures,
            self.rx_multicast,
            self.rx_success,
            self.rx_cmac_icv_errors,
            self.rx_cmac_replays,
            self.rx_mgmt_ccmp_replays,
        ]
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_88_bytes_in_the_order_of_the_specification() {
        let counters = Counters {
            plcp_errors: 1,
            ack_failures: 64,
            rx_mgmt_ccmp_replays: 84,
            ..Counters::default()
        };
        let table = counters.table();
        assert_eq!(table.len(), 88);
        assert_eq!((table[0], table[64], table[84]), (1, 64, 84));
    }
}
