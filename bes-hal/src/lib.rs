//! The two seams of the BES2600 driver.
//!
//! Everything between them is portable: no allocation, no `unsafe`, no clock of its own, no globals.
//!
//! ```text
//!   the 802.11 stack above            implements [`stack::Stack`]
//!   ───────────────────────────────────────────────────────────
//!   bes-mac80211, bes-wsm, bes-pm     speak to [`transport::Transport`]
//!   bes-sdio-bus                      implements it on top of
//!   ───────────────────────────────────────────────────────────
//!   the platform below                implements [`sdio::SdioFunction`]
//! ```
//!
//! A port to another SoC or operating system implements [`sdio::SdioFunction`] (bus, wake line, power, time)
//! and [`stack::Stack`] (what becomes of frames and events); nothing else.
//!
//! | module | what |
//! |---|---|
//! | [`sdio`] | CMD52, CMD53, the wake line, power, interrupt and time of one SDIO function |
//! | [`transport`] | whole messages and batches of them, and the life cycle of the chip |
//! | [`frame`] | buffers that pass through without a copy |
//! | [`stack`] | what the driver tells the stack above |
//! | [`memory`] | where the driver's tables live |
//! | [`firmware`] | the files a boot needs |
//! | [`doorbell`] | how interrupts and callers wake the one owner of the bus |
//! | [`time`] | instants; durations are [`core::time::Duration`] |
//! | [`error`] | what can go wrong at a seam |
#![cfg_attr(not(test), no_std)]

// For `memory::Heap` alone.
#[cfg(feature = "std")]
extern crate std;

pub mod doorbell;
pub mod error;
pub mod firmware;
pub mod frame;
pub mod memory;
pub mod sdio;
pub mod stack;
pub mod time;
pub mod transport;

pub use core::time::Duration;
pub use error::{BootError, SdioError, TransportError};
pub use memory::{Memory, NoMemory};
pub use time::Instant;
