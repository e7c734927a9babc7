// SPDX-License-Identifier: GPL-2.0-only

//! The abstractions that `vsdio.ko` uses. Its root module includes this file by its path.
//!
//! No raw binding is visible outside of this folder.

mod bindings;
pub(crate) mod char_device;
pub(crate) mod described_device;
pub(crate) mod mmc_host;
pub(crate) mod shared_area;
pub(crate) mod vsdio_abi;
pub(crate) mod wait_queue;
