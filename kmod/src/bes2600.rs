// SPDX-License-Identifier: GPL-2.0-only

//! The module: Linux driver for BES2600 Wi-Fi chips behind SDIO.

mod abstractions;
mod errno;

use abstractions::sdio::{self, Bus, Function};
use kernel::prelude::*;

crate::sdio_device_table!(TABLE, MODULE_TABLE, [(sdio::DeviceId::new(0xBE57, 0x2002), ())]);

struct Bes2600;
struct Data { _bus: Bus }
// x
impl sdio::Driver for Bes2600 {
    type Data = Data;
    const ID_TABLE: sdio::IdTable<()> = &TABLE;
    fn probe(function: &Function, bus: Bus) -> impl PinInit<Data, Error> {
        dev_info!(function.device(), "number {}\n", function.number());
        Ok(Data { _bus: bus })
    }
    fn start(_: &Function, _: Pin<&Data>) -> Result { Ok(()) }
    fn interrupt(_: Pin<&Data>) {}
    fn remove(_: &Function, _: Pin<&Data>) {}
}

crate::module_sdio_driver! {
    type: Bes2600,
    name: "bes2600",
    authors: ["The bes2600 project"],
    description: "BES2600 SDIO Wi-Fi driver",
    license: "GPL",
}
