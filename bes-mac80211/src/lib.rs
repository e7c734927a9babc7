//! 802.11 glue of the BES2600: scan, join, keys, queues, rate policies, RX status.
#![cfg_attr(not(test), no_std)]

pub mod address;
pub mod channel;
pub mod rate;
pub mod types;
