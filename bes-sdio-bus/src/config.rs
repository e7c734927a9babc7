//! Settings of one transport.

use bes_hal::firmware::FirmwareFile;
use core::time::Duration;

/// Which main firmware to boot (file 11, sections 2 and 11.2). C: `fw_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FirmwareType {
    /// Normal operation: 16 slots per transfer, all requests.
    #[default]
    Signal,
    /// RF test without signalling: one slot per transfer, of all requests only Wi-Fi on.
    NoSignal,
    /// Bluetooth RF test: no Wi-Fi, no requests, no calibration image.
    BluetoothTest,
}

impl FirmwareType {
    /// The main image of this type.
    pub const fn image(self) -> FirmwareFile {
        match self {
            Self::Signal => FirmwareFile::Main,
            Self::NoSignal => FirmwareFile::NoSignal,
            Self::BluetoothTest => FirmwareFile::BluetoothTest,
        }
    }
}

/// Waits and bounds. The defaults are those of the specification where it has a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From asserting the wake line until the chip is usable (file 10, section 9.1).
    pub line_settle: Duration,
    /// Between two looks for MCU_READY.
    pub ready_period: Duration,
    /// Longest wait for MCU_READY. The C driver waits for ever (trap T9); 3 s after a boot were seen to be tolerated
    /// (file 11, section 14, item 12).
    pub ready_limit: Duration,
    /// From a Wi-Fi or Bluetooth on request to the look at its confirm bit (file 10, section 8).
    pub subsystem_on_round: Duration,
    /// The same for every other request.
    pub quick_round: Duration,
    /// Most rounds of an on or wake request.
    pub active_rounds: u16,
    /// Most rounds of an off or sleep request.
    pub deactive_rounds: u16,
    /// Longest wait for the answer to a download message (file 11, section 3).
    pub answer_limit: Duration,
    /// Between two looks for an answer whose interrupt does not come, because it may have been lost.
    pub answer_period: Duration,
    /// Between two looks for a free receive buffer of the chip.
    pub buffer_period: Duration,
    /// Longest wait for a free receive buffer (trap B1).
    pub buffer_limit: Duration,
    /// Between two attempts of a CMD53 while booting (file 11, section 3).
    pub boot_retry: Duration,
    /// Between two looks for the end of the calibration. The C driver looks every 100 ms (trap B13).
    pub calibration_period: Duration,
    /// Longest wait for the end of the calibration (file 11, section 7).
    pub calibration_limit: Duration,
    /// Between two looks for the start of the main firmware, instead of a fixed sleep of 500 ms (trap B13).
    pub start_period: Duration,
    /// Longest wait for the start of the main firmware (file 11, section 14, items 8 and 12).
    pub start_limit: Duration,
    /// After RUN of a firmware that does not show MCU_READY (file 11, section 5.3).
    pub start_blind: Duration,
    /// How long the power stays off (file 10, section 10).
    pub power_settle: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            line_settle: Duration::from_millis(10),
            ready_period: Duration::from_millis(2),
            ready_limit: Duration::from_secs(5),
            subsystem_on_round: Duration::from_millis(25),
            quick_round: Duration::from_millis(2),
            active_rounds: 201,
            deactive_rounds: 200,
            answer_limit: Duration::from_secs(1),
            answer_period: Duration::from_millis(100),
            buffer_period: Duration::from_millis(1),
            buffer_limit: Duration::from_secs(1),
            boot_retry: Duration::from_millis(1),
            calibration_period: Duration::from_millis(10),
            calibration_limit: Duration::from_secs(15),
            start_period: Duration::from_millis(10),
            start_limit: Duration::from_secs(5),
            start_blind: Duration::from_millis(500),
            power_settle: Duration::from_millis(10),
        }
    }
}

/// Settings of one transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Which main firmware to boot.
    pub firmware: FirmwareType,
    /// Keep the calibration block for later boots instead of calibrating again (file 11, section 7).
    pub keep_dpd: bool,
    /// Switch Bluetooth on as the last step of the boot, as the C driver does unasked (file 10, section 12).
    pub bluetooth_at_boot: bool,
    /// Verify the CRC line of the factory text; the C driver only parses it (trap B20).
    pub factory_crc_check: bool,
    /// Waits and bounds.
    pub timing: Timing,
}

impl Default for Config {
    /// Normal operation; the calibration is kept, Bluetooth is left alone, the CRC line of the factory text is not
    /// verified, because no boot has ever required it to be right.
    fn default() -> Self {
        Self {
            firmware: FirmwareType::Signal,
            keep_dpd: true,
            bluetooth_at_boot: false,
            factory_crc_check: false,
            timing: Timing::default(),
        }
    }
}
