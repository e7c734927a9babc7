//! The same stories on a second platform: no scatter list, a one-bit bus, blocks of 512 bytes and no more of them in a command
//! than the longest burst has, no lines, and an interrupt that the host has to look for. Of the files, those that say nothing
//! about lines and sleep.

#[path = "../withstand/air.rs"]
mod air;
#[path = "../withstand/bursts.rs"]
mod bursts;
#[path = "../withstand/bus.rs"]
mod bus;
// Part of it is for the stories that are not told here.
#[allow(dead_code)]
#[path = "../withstand/common.rs"]
mod common;
#[path = "../withstand/messages.rs"]
mod messages;

mod copies;
