// SPDX-License-Identifier: GPL-2.0-only

//! The address of a device: gathers what the kernel knows. Which of it counts is decided in `bes_mac80211::own_address`.

use crate::abstractions::platform::{self, Description};
use crate::firmware::Files;
use crate::log::Shown;
use bes_hal::firmware::{FirmwareFile, FirmwareSource};
use bes_mac80211::own_address::{choose, from_factory_text, from_machine, Source};
use bes_mac80211::types::MacAddress;
use kernel::device::Device;
use kernel::prelude::*;

/// The address for `device`. Says in the log where it comes from, and what was refused. May sleep.
pub(crate) fn address(device: &Device, files: &Files) -> MacAddress {
    let described = Description::ALL
        .into_iter()
        .filter_map(|place| platform::described_address(device, place).ok())
        .map(|address| (Source::Description, MacAddress(address)));
    let factory = core::iter::once_with(|| files.file(FirmwareFile::Factory))
        .flatten()
        .filter_map(from_factory_text)
        .map(|address| (Source::Factory, address));
    let machine = core::iter::once_with(|| {
        let names = (0..platform::MACHINE_NAMES).filter_map(platform::machine_name);
        from_machine(names.map(CStr::to_bytes), device.name().to_bytes())
    })
    .flatten()
    .map(|address| (Source::Machine, address));
    let (source, address) = choose(
        Iterator::chain(Iterator::chain(described, factory), machine),
        platform::random_address(),
        |source, _, error| {
            dev_warn!(
                device,
                "address from {} refused: {}\n",
                Shown(source),
                Shown(error)
            );
        },
    );
    dev_info!(device, "address {} ({})\n", Shown(address), Shown(source));
    address
}
