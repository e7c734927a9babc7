// SPDX-License-Identifier: GPL-2.0-only

//! The module: Linux driver for BES2600 Wi-Fi chips behind SDIO.
//!
//! ```text
//!   SDIO bus ──► probe ──► Owner on its thread: address, firmware, registration, and then every frame
//!            ──► remove ─► registration away, thread stopped
//! ```

mod abstractions;
mod bus;
mod calls;
mod convert;
mod debugfs;
mod errno;
mod firmware;
mod function;
mod log;
mod mac_policy;
mod ops;
mod platform;
mod sample;
mod sleep;
mod stack;
mod tables;
mod trace;

use abstractions::bus_thread::{Bell, BusThread};
use abstractions::sdio::{self, Bus, Function};
use bus::{Owner, Registry, Sleeper, Upper};
use function::{Interrupt, KernelFunction};
use kernel::prelude::*;
use kernel::sync::{new_mutex, Arc, Mutex};
use platform::Lines;
use stack::MacStack as Above;

// Vendor and device number in the card's information structure (specification: file 10, section 2).
crate::sdio_device_table!(
    TABLE,
    MODULE_TABLE,
    [(sdio::DeviceId::new(0xBE57, 0x2002), ())]
);

crate::module_sdio_driver! {
    type: Bes2600,
    name: "bes2600",
    authors: ["The bes2600 project"],
    description: "BES2600 SDIO Wi-Fi driver",
    license: "GPL",
    firmware: [
        "bes2600/best2002_fw_boot_sdio.bin",
        "bes2600/best2002_fw_sdio.bin",
    ],
}

/// The only function of the card that the driver uses.
const FUNCTION: u32 = 1;

struct Bes2600;

/// The thread of a device's owner, on its way from probe to remove.
enum Thread {
    /// The driver's data is not in place yet.
    Waiting(Owner<Above>),
    Running {
        /// Ends when it is dropped.
        _thread: BusThread<Owner<Above>>,
    },
    Stopped,
}

/// What is kept for a device.
#[pin_data]
struct Data {
    interrupt: Arc<Interrupt>,
    bell: Arc<Bell>,
    registry: Arc<Registry<<Above as Upper>::Registration>>,
    #[pin]
    thread: Mutex<Thread>,
}

impl sdio::Driver for Bes2600 {
    type Data = Data;

    const ID_TABLE: sdio::IdTable<()> = &TABLE;

    fn probe(function: &Function, bus: Bus) -> impl PinInit<Data, Error> {
        let prepared = prepare(function, bus);
        pin_init::pin_init_scope(move || {
            let (owner, interrupt) = prepared?;
            let (bell, registry) = (owner.bell.clone(), owner.registry.clone());
            Ok(try_pin_init!(Data {
                interrupt,
                bell,
                registry,
                thread <- new_mutex!(Thread::Waiting(owner)),
            }))
        })
    }

    fn start(_function: &Function, data: Pin<&Data>) -> Result {
        let mut thread = data.thread.lock();
        if let Thread::Waiting(owner) = core::mem::replace(&mut *thread, Thread::Stopped) {
            *thread = Thread::Running {
                _thread: BusThread::start(c"bes2600", data.bell.clone(), owner)?,
            };
        }
        Ok(())
    }

    fn interrupt(data: Pin<&Data>) {
        data.interrupt.raise();
    }

    fn suspend(_function: &Function, data: Pin<&Data>, power_kept: bool) {
        data.registry
            .with(|registration| registration.suspend(power_kept));
    }

    fn resume(_function: &Function, data: Pin<&Data>) {
        data.registry.with(Sleeper::resume);
    }

    fn remove(_function: &Function, data: Pin<&Data>) {
        // First, because callbacks of the stack above are answered by the thread.
        data.registry.close();
        let thread = core::mem::replace(&mut *data.thread.lock(), Thread::Stopped);
        drop(thread);
    }
}

/// Everything that can be found wrong at once.
fn prepare(function: &Function, bus: Bus) -> Result<(Owner<Above>, Arc<Interrupt>)> {
    let device = function.device();
    if function.number() != FUNCTION {
        return Err(ENODEV);
    }
    let lines = Lines::new(device)?;
    let bell = Arc::new(Bell::new(), GFP_KERNEL)?;
    let interrupt = Arc::new(Interrupt::new(bell.clone()), GFP_KERNEL)?;
    let owner = Owner {
        device: device.into(),
        function: KernelFunction::new(device.into(), bus, lines, interrupt.clone())?,
        bell,
        registry: Arc::pin_init(Registry::new(), GFP_KERNEL)?,
    };
    Ok((owner, interrupt))
}
