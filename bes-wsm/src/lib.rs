//! WSM messages of the BES2600, command matching, credits and the bottom half.
//!
//! | module | what |
//! |---|---|
//! | [`wire`] | every message: layouts, checks, names |
//! | [`bottom_half`] | the one owner of the bus: receives, sends, looks after deadlines |
//! | [`client`] | what sits above it |
//! | [`tx_window`] | credits as values that cannot be copied or made up |
//! | [`in_flight`] | frames inside the chip |
//! | [`command`] | the one outstanding command |
//! | [`sequence`] | sequence numbers |
//! | [`anomaly`] | what should not happen, counted |
//! | [`message_log`] | the last messages that were not frames |
//! | [`recovery`] | why a session cannot go on |
//! | [`stats`] | what was counted |
#![cfg_attr(not(test), no_std)]

pub mod anomaly;
pub mod bottom_half;
pub mod client;
pub mod command;
pub mod in_flight;
pub mod message_log;
pub mod recovery;
pub mod sequence;
pub mod stats;
pub mod tx_window;
pub mod wire;
