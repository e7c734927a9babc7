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
pub mod control_statistics;
pub mod device;
pub mod diagnosis;
pub mod disconnect;
pub mod dump;
pub mod edca;
pub mod elements;
pub mod error;
pub mod event;
pub mod fifo;
pub mod figures;
pub mod key;
pub mod mpdu;
pub mod neighbour;
pub mod own_address;
pub mod queue;
pub mod rate;
pub mod rate_policy;
pub mod record;
pub mod recovery;
pub mod registration;
pub mod request;
pub mod rx;
pub mod scan;
pub mod scan_policy;
pub mod scheduler;
pub mod stats;
pub mod tx;
pub mod types;
pub mod vif;
pub mod wake;

mod airtime;
mod association;
mod awake;
mod channel_change;
mod command;
mod control;
mod deadlines;
mod departure;
mod encapsulation;
mod ends;
mod entrance;
mod filter;
mod host_sleep;
mod indication;
mod interface;
mod interface_reset;
mod join;
mod key_install;
mod orders;
mod policy_upload;
mod power;
mod procedure;
mod ring;
mod session;
mod setting;
mod startup;
mod template;
mod unjoin;
mod world;

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, clippy::as_conversions)]
mod test_bench;

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod connection_tests;

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod suspend_tests;

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod power_tests;

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod defect_tests;
