//! What the whole stack must withstand, acted out by the driver on the emulated chip: nothing that arrives may panic,
//! hang, leak a credit or lose a frame without it being counted, and good traffic works again afterwards.

mod air;
mod bursts;
mod bus;
mod common;
mod connection;
mod files;
mod messages;
mod recovery;
mod suspend;
