//! Every figure and every habit of the firmware that a test may want to change.

use super::ailment::Ailments;
use super::crash::Cure;
use core::time::Duration;

/// What the firmware does with a foreground scan while it is joined (file 50, section 3, items 2 and 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForegroundScan {
    /// Refuses it with status 13.
    #[default]
    Refuse,
    /// Hangs: no message of the chip after it.
    Hang,
}

/// Settings of the firmware. The default is a healthy chip as the specification describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct LmacConfig {
    /// Input buffers, the host's credits (file 20, section 6.1).
    pub input_buffers: u16,
    /// Size of an input buffer in bytes, as the startup indication tells it.
    pub buffer_size: u16,
    /// Hardware id of the startup indication.
    pub hardware: u16,
    /// Status of the startup indication; not 0 is a chip that failed.
    pub startup_status: u16,
    /// Firmware type of the startup indication; above 4 is one the host does not know.
    pub firmware_type: u16,
    /// Label of the startup indication, at most 127 bytes are sent.
    pub label: String,
    /// From Wi-Fi activation to the startup indication.
    pub startup_delay: Duration,
    /// From a command to its execution. Commands are executed one by one.
    pub command_latency: Duration,
    /// From a transmit request to the earliest attempt.
    pub transmit_latency: Duration,
    /// From the confirmation of a channel switch to its indication.
    pub channel_switch_time: Duration,
    /// Most received data frames that wait for the host; more are dropped and counted. Everything else always fits.
    pub receive_queue: usize,
    /// How long a join waits for a beacon or a probe response.
    pub join_timeout: Duration,
    /// Whether legacy power save (mode 0x01) is answered by a PM indication. File 20, section 18, item 6 obliges the
    /// chip to; file 50, section 3, item 7 says that real firmware never does, and that is the default.
    pub legacy_ps_answered: bool,
    /// Whether fast power save (mode 0x81) is answered by a PM indication. Users report firmware that does not (file
    /// 40, section 8).
    pub fast_ps_answered: bool,
    /// Whether a change to active mode is answered by a PM indication.
    pub active_ps_answered: bool,
    /// Whether frames that ended together are confirmed together (0x041E), once the host has enabled it.
    pub multi_confirm: bool,
    /// Whether received frames lose their cipher header and MIC (encryption state 7) instead of keeping them (3).
    pub strip_cipher: bool,
    /// What a foreground scan while joined does.
    pub foreground_scan_while_joined: ForegroundScan,
    /// Most 5 GHz channels in one scan request (file 50, section 3, item 1).
    pub max_5ghz_scan_channels: usize,
    /// Whether a second join after a refused one wedges the chip (file 50, section 3, item 4).
    pub second_join_wedges: bool,
    /// Whether repeated frames are dropped instead of only counted.
    pub drop_duplicates: bool,
    /// Whether received frames are filtered at all. Off: everything the radio hears goes up on interface 0.
    pub receive_filters: bool,
    /// Whether the chip negotiates block ack by itself, in both directions.
    pub negotiate_block_ack: bool,
    /// Acknowledged data frames of a TID after which the chip asks for block ack. Authentication frames do not count.
    pub block_ack_after: u32,
    /// Most frames of one A-MPDU, at most 64.
    pub ampdu_frames: usize,
    /// Most bytes of one A-MPDU.
    pub ampdu_bytes: usize,
    /// Lifetime of a frame whose request does not say.
    pub default_lifetime: Duration,
    /// Unit of the AP-mode inactivity period (MIB 0x1035); the specification does not know it.
    pub inactivity_unit: Duration,
    /// Scans the firmware can do until it refuses every further one with status 1; `None` is a healthy chip. One of
    /// the suspects for throughput that collapses with uptime (file 50, section 4, candidate 1).
    pub scans_until_exhausted: Option<u32>,
    /// Received data reaches the host only with a beacon, as if the power-save state were stuck (file 50, section 4,
    /// candidate 4).
    pub data_only_with_beacons: bool,
    /// Highest transmit power in units of 0.1 dBm that the chip takes (MIB 0x0006); above it the write is refused with
    /// status 2 (file 50, section 3, item 11: some channels refuse 20 dBm). `None` takes everything.
    pub highest_power: Option<i32>,
    /// What brings the firmware back after it has crashed.
    pub exception_cure: Cure,
    /// Slow illnesses.
    pub ailments: Ailments,
}

impl Default for LmacConfig {
    fn default() -> Self {
        Self {
            input_buffers: 30,
            buffer_size: 1632,
            hardware: 0x0600,
            startup_status: 0,
            firmware_type: 2,
            label: String::from("emulated BES2600"),
            startup_delay: Duration::from_millis(5),
            command_latency: Duration::from_micros(200),
            transmit_latency: Duration::from_micros(20),
            channel_switch_time: Duration::from_millis(1),
            receive_queue: 64,
            join_timeout: Duration::from_millis(500),
            legacy_ps_answered: false,
            fast_ps_answered: true,
            active_ps_answered: false,
            multi_confirm: true,
            strip_cipher: true,
            foreground_scan_while_joined: ForegroundScan::Refuse,
            max_5ghz_scan_channels: 1,
            second_join_wedges: true,
            drop_duplicates: false,
            receive_filters: true,
            negotiate_block_ack: true,
            block_ack_after: 4,
            ampdu_frames: 32,
            ampdu_bytes: 32 * 1024,
            default_lifetime: Duration::from_secs(2),
            inactivity_unit: Duration::from_secs(30),
            scans_until_exhausted: None,
            data_only_with_beacons: false,
            highest_power: None,
            exception_cure: Cure::default(),
            ailments: Ailments::default(),
        }
    }
}
