// SPDX-License-Identifier: GPL-2.0-only

//! A virtual SDIO card as a process: safe access to `/dev/vsdioN`.
//!
//! The kernel module `vsdio.ko` is an SDIO host whose card is a process. [`Device::open`] puts the card in: the
//! kernel powers it up, enumerates it and binds its driver. The process answers one command after the other with
//! [`Device::exchange`], each with one system call. Dropping the [`Device`], or dying, takes the card out.
//!
//! The protocol below is `docs/vsdio.md`; this crate knows SDIO as little as the kernel module knows the card.
//!
//! ```no_run
//! use vsdio_device::{Answer, Device, Event, Limits, Status, Wait};
//!
//! let mut device = Device::open("/dev/vsdio0", &Limits::default())?;
//! let mut answer = None;
//! loop {
//!     match device.exchange(answer.take(), Wait::Forever)? {
//!         // A card that answers nothing: the kernel finds an empty slot.
//!         Event::Command(command) => answer = Some(Answer::new(&command, Status::CommandTimeout)),
//!         Event::Bus(bus) => println!("{bus:?}"),
//!         Event::Nothing => {}
//!     }
//! }
//! # #[allow(unreachable_code)]
//! # Ok::<(), vsdio_device::Error>(())
//! ```

pub mod abi;
mod command;
mod device;
mod error;
mod limits;
mod mapping;

#[cfg(test)]
#[path = "../../../../vsdio/command_slot.rs"]
mod command_slot;
#[cfg(test)]
#[path = "../../../../vsdio/interrupt_line.rs"]
mod interrupt_line;

pub use command::{Answer, Bus, Command, Counters, Direction, Event, Power, Response, Status};
pub use device::{Device, Interrupt, Wait};
pub use error::Error;
pub use limits::Limits;
