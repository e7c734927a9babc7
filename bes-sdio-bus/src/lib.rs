//! SDIO transport of the BES2600: registers, toggles, bursts, slots, boot download, wake handshake.
//!
//! [`SdioTransport`] implements [`bes_hal::transport::Transport`] on top of [`bes_hal::sdio::SdioFunction`]. Nothing is
//! allocated here, nothing sleeps, and nothing has a clock of its own.
//!
//! ```text
//!   Transport:  receive / send              begin / poll
//!                  │      │                     │
//!   announcement, rx_batch  tx_batch         boot ─ download ─ message    handshake
//!        toggle                              image, factory, dpd          wake_line
//!                  └──────┴──────── bus ────────┴────────────────────────────┘
//!                          regs, retries, counters
//!                                   │
//!                              SdioFunction
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`regs`] | the register map, status bits, doorbell words |
//! | [`announcement`], [`toggle`], [`rx_batch`] | the receive path |
//! | [`tx_batch`] | slots and gather lists of the send path |
//! | [`handshake`], [`wake_line`] | requests to the MCU, and the line that wakes it |
//! | [`boot`] | from power to main firmware; with [`image`], [`factory`], [`dpd`], [`message`], [`crc32`] |
//! | [`sdd`] | the static configuration block that the message layer sends |
//! | [`transport`], [`config`], [`stats`] | composition, settings, counters |
#![cfg_attr(not(test), no_std)]

pub mod announcement;
pub mod boot;
mod bounce;
mod bus;
pub mod config;
pub mod crc32;
mod download;
pub mod dpd;
pub mod factory;
pub mod handshake;
pub mod image;
mod life_cycle;
pub mod message;
pub mod regs;
pub mod rx_batch;
pub mod sdd;
pub mod stats;
pub mod toggle;
pub mod transport;
pub mod tx_batch;
pub mod wake_line;

pub use config::{Config, FirmwareType, Timing};
pub use stats::Stats;
pub use transport::SdioTransport;
