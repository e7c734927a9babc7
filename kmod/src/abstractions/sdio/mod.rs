// SPDX-License-Identifier: GPL-2.0-only

//! Drivers for SDIO functions.
//!
//! A driver implements [`Driver`] and is registered with [`module_sdio_driver!`](crate::module_sdio_driver). It gets its
//! function's [`Bus`] at probe, which works until the driver is unbound and fails with "no card" afterwards, so it may
//! be given to a thread without any care for the function's life.
//!
//! ```text
//!   MMC core ── probe, remove ──►  Driver          registration: driver.rs
//!      ▲    ── interrupt ───────►  Gate ─► Driver  interrupt.rs: held back until it was served
//!      └── CMD52, CMD53 ─────────  Bus             bus.rs
//! ```
//!
//! C header: [`include/linux/mmc/sdio_func.h`](srctree/include/linux/mmc/sdio_func.h)

mod bus;
mod driver;
mod interrupt;

pub(crate) use bus::{Bus, Transfer};
pub(crate) use driver::{Adapter, DeviceId, Driver, Function, IdTable};
