// SPDX-License-Identifier: GPL-2.0-only

//! The module: Linux driver for BES2600 Wi-Fi chips behind SDIO.

mod abstractions;

use kernel::prelude::*;

module! {
    type: Bes2600,
    name: "bes2600",
    authors: ["The bes2600 project"],
    description: "BES2600 SDIO Wi-Fi driver",
    license: "GPL",
}

struct Bes2600;

impl kernel::Module for Bes2600 {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("loaded: {:?}\n", bes_mac80211::device::DeviceState::Off);
        Ok(Self)
    }
}
