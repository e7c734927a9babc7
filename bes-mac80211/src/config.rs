//! Settings of a device.

use crate::recovery::RecoveryPolicy;
use crate::scan_policy::ScanPolicy;
use crate::types::{Dbm, MacAddress};
use bes_hal::Duration;

/// How long nothing must have kept the chip awake before it is put to sleep (file 40, section 3.2).
pub const IDLE_SLEEP: Duration = Duration::from_millis(50);

/// Settings of a device.
#[derive(Clone, Copy, Debug)]
pub struct DeviceConfig {
    /// Permanent address.
    pub address: MacAddress,
    /// Parameter block ("SDD") for the chip, 832 bytes (file 11, section 9).
    pub parameters: &'static [u8],
    /// Scan settings.
    pub scan: ScanPolicy,
    /// Transmit power until the stack sets one.
    pub power: Dbm,
    /// Tell the chip how to share the air with Bluetooth.
    pub coexistence: bool,
    /// An association has to follow a join within this time.
    pub join_limit: Duration,
    /// The chip has to tell that it switched the channel within this time.
    pub switch_limit: Duration,
    /// Frames may still leave for so long when Wi-Fi is stopped.
    pub stop_limit: Duration,
    /// A flush may take so long.
    pub flush_limit: Duration,
    /// Frames may still leave for so long when a BSS is left.
    pub leave_limit: Duration,
    /// Put the chip to sleep when nothing has kept it awake for so long ([`IDLE_SLEEP`] is what the C driver has); `None`
    /// keeps it awake. A platform that has a wake line switches it on.
    pub idle_sleep: Option<Duration>,
    /// What is done about failures.
    pub recovery: RecoveryPolicy,
    /// There is a line that wakes the chip. Without it the chip could not be woken (file 50, section 3, item 12), so it
    /// is only told to rest its radio, and its bus stays awake, while it or the host sleeps.
    pub wake_line: bool,
}

impl DeviceConfig {
    /// Default settings for a device with this address and parameter block.
    pub fn new(address: MacAddress, parameters: &'static [u8]) -> Self {
        Self {
            address,
            parameters,
            scan: ScanPolicy::default(),
            power: Dbm(20),
            coexistence: true,
            join_limit: Duration::from_secs(3),
            switch_limit: Duration::from_secs(2),
            stop_limit: Duration::from_millis(500),
            flush_limit: Duration::from_secs(2),
            leave_limit: Duration::from_millis(500),
            idle_sleep: None,
            recovery: RecoveryPolicy::default(),
            wake_line: true,
        }
    }
}
