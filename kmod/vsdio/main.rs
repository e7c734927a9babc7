// SPDX-License-Identifier: GPL-2.0-only

//! `vsdio.ko`: an SDIO host controller without hardware, whose cards are processes.
//!
//! | file | what |
//! |---|---|
//! | `main` | the module and its parameters |
//! | [`slot`] | a device file: who may open it, its `ioctl`s |
//! | [`card`] | a card: between the MMC core, which asks, and the process, which answers |
//! | [`command_slot`] | the one command on the bus, as a state machine |
//! | [`interrupt_line`] | the card's interrupt, as a state machine |
//! | [`abi`] | what process and module say to each other |
//!
//! The protocol is in `docs/vsdio.md`.

#[path = "../src/abstractions/vsdio_device/src/abi.rs"]
// Some of it is for user space alone, and there it is public.
#[allow(dead_code, unreachable_pub)]
mod abi;
#[path = "../src/abstractions/vsdio.rs"]
mod abstractions;
mod card;
mod command_slot;
mod interrupt_line;
mod slot;

use abstractions::char_device::Registration;
use kernel::prelude::*;
use kernel::str::CString;
use slot::{Opened, Slot};

module! {
    type: Vsdio,
    name: "vsdio",
    authors: ["The bes2600 project"],
    description: "Virtual SDIO host: a card is a process behind /dev/vsdioN",
    license: "GPL",
    params: {
        cards: u32 {
            default: 4,
            description: "Number of devices, 1 to 64",
        },
        deadline_ms: u32 {
            default: 2000,
            description: "Milliseconds a command waits for its answer where the card does not say, 1 to 60000",
        },
    },
}

/// The module: its devices.
struct Vsdio {
    _devices: KVec<Pin<KBox<Registration<Opened>>>>,
}

const MAX_CARDS: u32 = 64;

impl kernel::Module for Vsdio {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let cards = *module_parameters::cards.value();
        let deadline_ms = *module_parameters::deadline_ms.value();
        if !(1..=MAX_CARDS).contains(&cards) {
            pr_err!("cards={cards} is not within 1 to {MAX_CARDS}\n");
            return Err(EINVAL);
        }
        if !(1..=abi::MAX_DEADLINE_MS).contains(&deadline_ms) {
            pr_err!(
                "deadline_ms={deadline_ms} is not within 1 to {}\n",
                abi::MAX_DEADLINE_MS
            );
            return Err(EINVAL);
        }
        let mut devices = KVec::with_capacity(cards as usize, GFP_KERNEL)?;
        for number in 0..cards {
            let name = CString::try_from_fmt(fmt!("vsdio{number}"))?;
            let registration = Registration::new(module, name, Slot::new(deadline_ms)?);
            devices.push(KBox::pin_init(registration, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(Self { _devices: devices })
    }
}
