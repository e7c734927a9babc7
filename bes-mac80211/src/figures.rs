//! Every counter of an interface by its name, as tools like `ethtool -S` show them: a list of names that never changes
//! while the driver runs, and as many values.
//!
//! Counters of frames are those of the interface; the chip, its control plane and the bus are one for all interfaces.

use crate::control_statistics::ControlStatistics;
use crate::stats::{RxCounters, TxCounters};
use bes_wsm::stats::Stats as Messages;
use bes_wsm::wire::mib::counters::Counters;

/// Longest name, in bytes: 32 with the zero behind it have to do for the Linux interface.
pub const MAX_NAME: usize = 31;

/// What the figures are taken from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sources {
    /// Frames down, all categories of the interface.
    pub tx: TxCounters,
    /// Frames up.
    pub rx: RxCounters,
    /// Received frames that did not go up, of the device.
    pub rx_dropped: u64,
    /// Scans, joins, commands.
    pub control: ControlStatistics,
    /// Messages over the bus.
    pub messages: Messages,
    /// What was not as it should be.
    pub anomalies: u64,
    /// The chip's own counters; zeros if they could not be read.
    pub chip: Counters,
}

macro_rules! figures {
    ($source:ident; $($name:literal => $value:expr,)+) => {
        /// Names of the figures.
        pub const NAMES: [&str; COUNT] = [$($name,)+];
        /// Number of figures.
        pub const COUNT: usize = [$($name,)+].len();

        impl Sources {
            /// The figures, in the order of [`NAMES`].
            pub fn figures(&self) -> [u64; COUNT] {
                let $source = self;
                [$($value,)+]
            }
        }
    };
}

figures! {
    from;
    "tx_queued" => from.tx.queued,
    "tx_sent" => from.tx.sent,
    "tx_sent_bytes" => from.tx.sent_bytes,
    "tx_acked" => from.tx.acked,
    "tx_acked_bytes" => from.tx.acked_bytes,
    "tx_not_acked" => from.tx.failed,
    "tx_ack_failures" => from.tx.ack_failures,
    "tx_aggregated" => from.tx.aggregated,
    "tx_requeued" => from.tx.requeued,
    "tx_expired" => from.tx.expired,
    "tx_flushed" => from.tx.flushed,
    "tx_lost" => from.tx.lost,
    "tx_refused" => from.tx.refused.wrapping_add(from.tx.dropped),
    "rx_frames" => from.rx.frames,
    "rx_bytes" => from.rx.bytes,
    "rx_aggregated" => from.rx.aggregated,
    "rx_not_decrypted" => from.rx.not_decrypted,
    "rx_mmic_errors" => from.rx.mmic_errors,
    "rx_dropped" => from.rx_dropped,
    "scans" => from.control.scans_started,
    "scans_aborted" => from.control.scans_aborted,
    "scan_requests" => from.control.scan_requests,
    "scan_refusals" => from.control.scan_refusals,
    "scan_channels_left_out" => from.control.channels_left_out,
    "scan_timeouts" => from.control.scan_timeouts,
    "joins" => from.control.joins,
    "join_refusals" => from.control.join_refusals,
    "unjoins" => from.control.unjoins,
    "channel_switches" => from.control.channel_switches,
    "beacon_losses" => from.control.beacon_losses,
    "neighbours_left_out" => from.control.neighbours_left_out,
    "neighbours_refused" => from.control.neighbours_refused,
    "commands_refused" => from.control.refused_commands,
    "interrupts" => from.messages.interrupts,
    "rx_bursts" => from.messages.rx_bursts,
    "rx_messages" => from.messages.rx_messages,
    "tx_batches" => from.messages.tx_batches,
    "tx_commands" => from.messages.tx_commands,
    "anomalies" => from.anomalies,
    "chip_tx_ok" => from.chip.tx_frames_ok.into(),
    "chip_tx_failures" => from.chip.tx_frame_failures.into(),
    "chip_tx_retried" => from.chip.tx_frames_retried.into(),
    "chip_tx_ack_failures" => from.chip.ack_failures.into(),
    "chip_rts_successes" => from.chip.rts_successes.into(),
    "chip_rts_failures" => from.chip.rts_failures.into(),
    "chip_rx_ok" => from.chip.rx_frames_ok.into(),
    "chip_rx_multicast" => from.chip.rx_multicast_frames.into(),
    "chip_rx_duplicates" => from.chip.rx_duplicates.into(),
    "chip_rx_fcs_errors" => from.chip.fcs_errors.into(),
    "chip_rx_plcp_errors" => from.chip.plcp_errors.into(),
    "chip_rx_decryption_failures" => from.chip.rx_decryption_failures.into(),
    "chip_rx_mic_failures" => from.chip.rx_mic_failures.into(),
    "chip_rx_no_key" => from.chip.rx_no_key_failures.into(),
    "chip_rx_mgmt_replays" => from.chip.rx_cmac_replays.wrapping_add(from.chip.rx_mgmt_ccmp_replays).into(),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_plain_and_different() {
        for (index, name) in NAMES.iter().enumerate() {
            assert!(name.len() <= MAX_NAME, "{name}");
            assert!(name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            assert!(!NAMES[..index].contains(name), "{name}");
        }
    }

    #[test]
    fn a_value_stands_at_the_place_of_its_name() {
        let sources = Sources {
            tx: TxCounters {
                acked: 7,
                ..TxCounters::default()
            },
            anomalies: 3,
            chip: Counters {
                tx_frames_ok: 9,
                ..Counters::default()
            },
            ..Sources::default()
        };
        let figures = sources.figures();
        let figure = |name| figures[NAMES.iter().position(|other| *other == name).unwrap()];
        assert_eq!(figure("tx_acked"), 7);
        assert_eq!(figure("anomalies"), 3);
        assert_eq!(figure("chip_tx_ok"), 9);
        assert_eq!(figure("rx_frames"), 0);
    }
}
