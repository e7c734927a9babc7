//! The files a boot needs. The platform finds them; the transport checks and sends them.

use core::fmt;

/// A file of the boot (specification: file 11, sections 2 and 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FirmwareFile {
    /// Calibration image, run first.
    Calibration,
    /// Main image for normal operation.
    Main,
    /// Main image for RF tests without signalling.
    NoSignal,
    /// Bluetooth RF test image.
    BluetoothTest,
    /// Factory calibration text. Optional: a boot without it works, uncalibrated.
    Factory,
}

impl FirmwareFile {
    /// Name below the firmware search path of the system.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calibration => "bes2600/best2002_fw_boot_sdio.bin",
            Self::Main => "bes2600/best2002_fw_sdio.bin",
            Self::NoSignal => "bes2600/best2002_fw_sdio_nosignal.bin",
            Self::BluetoothTest => "bes2600/best2002_fw_sdio_btrf.bin",
            Self::Factory => "bes2600_factory.txt",
        }
    }
}

impl fmt::Display for FirmwareFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where the files come from: the kernel's firmware loader, a folder, memory.
pub trait FirmwareSource {
    /// The content of `file`, or `None` if there is none.
    fn file(&self, file: FirmwareFile) -> Option<&[u8]>;
}
