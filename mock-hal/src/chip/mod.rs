//! The chip behind the SDIO interface: boot ROM, doorbells, bursts, sleep, and the firmware.
//!
//! Specification: file 10, section 15; file 11, section 14; file 50.

mod firmware;

pub use firmware::Firmware;
