// SPDX-License-Identifier: GPL-2.0-only

//! Abstractions of the kernel's C interfaces: the only place of the project with `unsafe` code.
//!
//! | module | what |
//! |---|---|
//! | [`sdio`] | drivers for SDIO functions, commands, the function's interrupt |
//! | [`scatterlist`] | memory of a data transfer, as the MMC core wants it |
//! | [`bus_thread`] | the thread that owns the bus, and the bell that wakes it |
//! | [`bottom_halves`] | bottom halves off, for locks that they take too |
//! | [`burst`] | the pages of a burst |
//! | [`completion`] | something that happens once, and waiting for it with a limit |
//! | [`core_dump`] | device core dumps |
//! | [`mac80211`] | the 802.11 stack |
//! | [`skb`] | socket buffers |
//! | [`tracepoints`] | trace events |
//! | [`clock`] | monotonic time |
//! | [`firmware`] | files from the firmware loader |
//! | [`gpio`] | GPIO lines |
//! | [`numbers`] | error numbers |
//! | [`platform`] | what firmware tables and device tree know about a device |
//!
//! No raw binding is visible outside of this folder.

mod bindings;

pub(crate) mod bottom_halves;
pub(crate) mod burst;
pub(crate) mod bus_thread;
pub(crate) mod clock;
pub(crate) mod completion;
pub(crate) mod core_dump;
pub(crate) mod firmware;
pub(crate) mod gpio;
pub(crate) mod mac80211;
pub(crate) mod numbers;
pub(crate) mod platform;
pub(crate) mod scatterlist;
pub(crate) mod sdio;
pub(crate) mod skb;
pub(crate) mod tracepoints;
