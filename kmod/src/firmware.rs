// SPDX-License-Identifier: GPL-2.0-only

//! Firmware files through the kernel's firmware loader.

use crate::abstractions::firmware::Firmware;
use bes_hal::firmware::{FirmwareFile, FirmwareSource};
use core::sync::atomic::{AtomicU8, Ordering};
use kernel::device::Device;

use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::aref::ARef;
use kernel::sync::SetOnce;

/// Every file there is; a file's place is its number.
const FILES: [FirmwareFile; 5] = [
    FirmwareFile::Calibration,
    FirmwareFile::Main,
    FirmwareFile::NoSignal,
    FirmwareFile::BluetoothTest,
    FirmwareFile::Factory,
];

/// The files of one device: looked for when they are first asked for, kept until they are [released](Self::release).
pub(crate) struct Files {
    device: ARef<Device>,
    loaded: [SetOnce<Firmware>; FILES.len()],
    /// Files that are not there, one bit each.
    missing: AtomicU8,
    /// Files of which that was said already.
    reported: AtomicU8,
}

impl Files {
    /// The files for a device.
    pub(crate) fn new(device: ARef<Device>) -> Self {
        Self {
            device,
            loaded: [const { SetOnce::new() }; FILES.len()],
            missing: AtomicU8::new(0),
            reported: AtomicU8::new(0),
        }
    }

    /// Gives the memory of the files back. They are looked for again when they are needed again.
    pub(crate) fn release(&mut self) {
        self.loaded = [const { SetOnce::new() }; FILES.len()];
        *self.missing.get_mut() = 0;
    }

    fn load(&self, file: FirmwareFile, index: usize) -> Result<Firmware> {
        let bit = 1 << index;
        if self.missing.load(Ordering::Relaxed) & bit != 0 {
            return Err(ENOENT);
        }
        let name = CString::try_from_fmt(fmt!("{}", file.name()))?;
        Firmware::request(&name, &self.device).inspect_err(|error| {
            self.missing.fetch_or(bit, Ordering::Relaxed);
            if self.reported.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
                return;
            }
            if file == FirmwareFile::Factory {
                dev_info!(
                    self.device,
                    "no {} below /lib/firmware: transmit power is not calibrated\n",
                    file.name()
                );
            } else {
                dev_err!(
                    self.device,
                    "no firmware file {} below /lib/firmware, or it is empty (error {})\n",
                    file.name(),
                    error.to_errno()
                );
            }
        })
    }
}

impl FirmwareSource for Files {
    fn file(&self, file: FirmwareFile) -> Option<&[u8]> {
        let index = FILES.iter().position(|one| *one == file)?;
        let place = self.loaded.get(index)?;
        if place.as_ref().is_none() {
            // Nobody else fills it: the owner of the bus is alone.
            place.populate(self.load(file, index).ok()?);
        }
        place.as_ref().map(Firmware::data)
    }
}
