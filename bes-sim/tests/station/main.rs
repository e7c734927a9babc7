//! What a laptop expects of a station: the driver on the emulated chip finds networks, stays with its access point or goes
//! to another one, keeps its keys, its settings and its counters right, and ends in time whatever state it is in.

#[path = "../withstand/common.rs"]
#[allow(dead_code, reason = "shared with other stories, which use the rest")]
mod common;

mod endings;
mod keys;
mod legacy;
mod moving;
mod offload;
mod reassociation;
mod regulatory;
mod roaming;
mod scanning;
mod settings;
mod shapes;
mod statistics;
mod uapsd;
