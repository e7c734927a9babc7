//! 802.11 glue of the BES2600: scan, join, keys, queues, rate policies, RX status.
#![cfg_attr(not(test), no_std)]

pub mod address;
pub mod aggregation;
pub mod beacon;
pub mod beacon_loss;
pub mod channel;
pub mod cipher;
pub mod coex;
pub mod config;
pub mod disconnect;
pub mod edca;
pub mod elements;
pub mod error;
pub mod event;
pub mod key;
pub mod mpdu;
pub mod queue;
pub mod rate;
pub mod rate_policy;
pub mod registration;
pub mod request;
pub mod rx;
pub mod scan_policy;
pub mod scheduler;
pub mod stats;
pub mod tx;
pub mod types;

mod ring;
