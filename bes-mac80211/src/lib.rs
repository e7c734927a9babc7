//! 802.11 glue of the BES2600: scan, join, keys, queues, rate policies, RX status.
#![cfg_attr(not(test), no_std)]

pub mod address;
pub mod beacon;
pub mod channel;
pub mod cipher;
pub mod disconnect;
pub mod elements;
pub mod mpdu;
pub mod queue;
pub mod rate;
pub mod rate_policy;
pub mod rx;
pub mod scheduler;
pub mod types;
