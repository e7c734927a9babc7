// SPDX-License-Identifier: GPL-2.0-only

//! The owner of the bus: composes the portable crates and runs them on a thread of their own.
//!
//! What stands above is an [`Upper`]; this module knows nothing else of it.
//!
//! ```text
//!   probe ──► Owner ── thread ──► set up: address, device, boot ──► Upper::register
//!                │                     ▼
//!                └─ loop: answer the bell, Upper::take_over, Device::run, Upper::settle, rest
//! ```

use crate::abstractions::bus_thread::{Bell, Body};
use crate::firmware::Files;
use crate::function::{BurstMemory, KernelFunction};
use crate::log::Shown;
use crate::mac_policy;
use crate::tables::Tables;
use crate::trace::Traced;
use bes_hal::doorbell::Reasons;
use bes_hal::sdio::SdioFunction;
use bes_hal::stack::Stack;
use bes_mac80211::config::{DeviceConfig, IDLE_SLEEP};
use bes_mac80211::device::{Device, DeviceState};
use bes_mac80211::event::Event;
use bes_mac80211::request::{Request, Token};
use bes_mac80211::rx::RxStatus;
use bes_mac80211::tx::TxStatus;
use bes_mac80211::types::MacAddress;
use bes_sdio_bus::sdd::SDD;
use bes_sdio_bus::{Config as BusConfig, SdioTransport};
use kernel::device;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use kernel::sync::{new_mutex, Arc, Mutex};

/// The driver: the portable crates on the kernel's function, under the stack `S`.
pub(crate) type Driver<S> =
    Device<Traced<SdioTransport<KernelFunction<<S as Stack>::Buffer>, Files>>, S>;

/// Requests of the owner itself. Those of the stack above have other tokens; answers to this one are of no interest to it.
pub(crate) const OWNER: Token = Token(u32::MAX);

/// What stands above the device.
pub(crate) trait Upper:
    Stack<
        Memory = Tables,
        RxStatus = RxStatus,
        TxStatus = TxStatus,
        Event = Event,
        Buffer: BurstMemory,
    > + Sized
    + Send
    + 'static
{
    /// Keeps the device known to the stack above. Taking it away waits for callbacks, which the owner still answers.
    type Registration: Sleeper + Send + Unpin + 'static;

    /// What stands above a device with this address. `bell` wakes the owner. Called on the owner's thread, before anything
    /// else.
    ///
    /// # Errors
    ///
    /// The device is given up.
    fn new(bell: Arc<Bell>, device: ARef<device::Device>, address: MacAddress) -> Result<Self>;

    /// The firmware runs for the first time: makes the device known. Called on the owner's thread, so callbacks that need
    /// the owner are answered when this has returned.
    ///
    /// # Errors
    ///
    /// The device is given up.
    fn register(&mut self, driver: &mut Driver<Self>) -> Result<Self::Registration>;

    /// Hands requests and frames that callbacks left in queues over to the device.
    fn take_over(&mut self, driver: &mut Driver<Self>);

    /// Looks at what the device has done, after every run of it.
    fn settle(&mut self, driver: &mut Driver<Self>);

    /// The owner ends: whoever waits for it is told so, and nothing more is taken.
    fn close(&mut self);
}

/// What stands above a device when the system goes to sleep and comes back. Both are called with nothing locked that the
/// owner needs.
pub(crate) trait Sleeper {
    /// The system goes to sleep; with `power_kept` the card keeps its power. The owner does not use the bus afterwards.
    fn suspend(&self, power_kept: bool);

    /// The system is back.
    fn resume(&self);
}

/// Where the registration is, between the owner, who makes it, and the driver core, who takes it away.
enum Place<R> {
    Empty,
    Registered(R),
    Closed,
}

/// See [`Place`].
#[pin_data]
pub(crate) struct Registry<R> {
    #[pin]
    place: Mutex<Place<R>>,
}

impl<R: Send + Unpin> Registry<R> {
    /// Nothing is registered yet.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            place <- new_mutex!(Place::Empty),
        })
    }

    /// Registers with `make`, unless it is closed.
    fn fill(&self, make: impl FnOnce() -> Result<R>) -> Result {
        let mut place = self.place.lock();
        if let Place::Empty = *place {
            *place = Place::Registered(make()?);
        }
        Ok(())
    }

    /// Calls `what` with the registration, if there is one.
    pub(crate) fn with(&self, what: impl FnOnce(&R)) {
        if let Place::Registered(registration) = &*self.place.lock() {
            what(registration);
        }
    }

    /// Takes the registration away, for good. The owner has to answer meanwhile.
    pub(crate) fn close(&self) {
        let registered = core::mem::replace(&mut *self.place.lock(), Place::Closed);
        // Dropped with nothing locked.
        drop(registered);
    }
}

/// Everything the owner needs to begin.
pub(crate) struct Owner<S: Upper> {
    /// The device.
    pub(crate) device: ARef<device::Device>,
    /// The function.
    pub(crate) function: KernelFunction<S::Buffer>,
    /// The bell of the owner's thread.
    pub(crate) bell: Arc<Bell>,
    /// Where the registration goes.
    pub(crate) registry: Arc<Registry<S::Registration>>,
}

/// The owner at work.
struct Live<S: Upper> {
    device: ARef<device::Device>,
    driver: Driver<S>,
    stack: S,
    registry: Arc<Registry<S::Registration>>,
    stage: Stage,
}

/// How far the device is on its way to being registered.
enum Stage {
    Booting {
        /// The device was asked to.
        asked: bool,
    },
    /// Registered: what happens from here on is the business of the stack above.
    Registered,
    /// Given up. The thread waits to be stopped.
    Failed,
}

impl<S: Upper> Body for Owner<S> {
    fn run(self, bell: &Bell) {
        let device = self.device.clone();
        match self.set_up() {
            Ok(mut live) => live.run(bell),
            Err(error) => {
                dev_err!(device, "cannot be set up: error {}\n", error.to_errno());
                while !bell.answer().has(Reasons::STOP) {
                    bell.rest(None);
                }
            }
        }
    }
}

// Apart from the loop, and in steps that are apart from each other: what is put together here moves over the stack, which
// is small, and need not be there when the loop runs.
impl<S: Upper> Owner<S> {
    #[inline(never)]
    fn set_up(self) -> Result<KBox<Live<S>>> {
        if let Err(lack) = self.function.check() {
            dev_err!(self.device, "{}\n", lack);
            return Err(ENODEV);
        }
        let files = Files::new(self.device.clone());
        let address = mac_policy::address(&self.device, &files);
        let stack = S::new(self.bell, self.device.clone(), address)?;
        let driver = driver(self.function, files, &self.device, address)?;
        live(self.device, driver, stack, self.registry)
    }
}

#[inline(never)]
fn driver<S: Upper>(
    function: KernelFunction<S::Buffer>,
    files: Files,
    device: &ARef<device::Device>,
    address: MacAddress,
) -> Result<Driver<S>> {
    let wake_line = function.has_wake_line();
    let transport = SdioTransport::new(function, files, BusConfig::default());
    let transport = Traced::new(transport, device.clone());
    let mut config = DeviceConfig::new(address, &SDD);
    // Without the line a sleeping chip could not be woken.
    config.wake_line = wake_line;
    config.idle_sleep = wake_line.then_some(IDLE_SLEEP);
    Device::new(transport, config, &mut Tables).map_err(|_| ENOMEM)
}

#[inline(never)]
fn live<S: Upper>(
    device: ARef<device::Device>,
    driver: Driver<S>,
    stack: S,
    registry: Arc<Registry<S::Registration>>,
) -> Result<KBox<Live<S>>> {
    let live = Live {
        device,
        driver,
        stack,
        registry,
        stage: Stage::Booting { asked: false },
    };
    Ok(KBox::new(live, GFP_KERNEL)?)
}

impl<S: Upper> Live<S> {
    #[inline(never)]
    fn run(&mut self, bell: &Bell) {
        loop {
            let reasons = bell.answer();
            if reasons.has(Reasons::STOP) {
                break;
            }
            self.stack.take_over(&mut self.driver);
            let deadline = self.driver.run(reasons, &mut self.stack);
            let acted = self.advance();
            self.stack.settle(&mut self.driver);
            let function = self.driver.transport().function();
            if acted || deadline.is_some_and(|deadline| deadline.is_due(function.now())) {
                bell.breathe();
                continue;
            }
            function.rest();
            bell.rest(deadline);
        }
        self.end();
    }

    /// The way to the registration. `true` if the device may have been asked for something.
    fn advance(&mut self) -> bool {
        let Stage::Booting { asked } = self.stage else {
            return false;
        };
        match self.driver.state() {
            DeviceState::Off if !asked => self.boot(),
            DeviceState::Ready => {
                self.driver.transport_mut().firmware_mut().release();
                let (stack, driver) = (&mut self.stack, &mut self.driver);
                match self.registry.fill(|| stack.register(driver)) {
                    Ok(()) => {
                        self.stage = Stage::Registered;
                        return true;
                    }
                    Err(error) => {
                        dev_err!(
                            self.device,
                            "cannot be registered: error {}\n",
                            error.to_errno()
                        );
                        self.stage = Stage::Failed;
                    }
                }
                false
            }
            DeviceState::NeedsRecovery(reason) => {
                dev_err!(self.device, "boot failed: {}\n", Shown(reason));
                self.driver.transport_mut().firmware_mut().release();
                self.stage = Stage::Failed;
                false
            }
            _ => false,
        }
    }

    fn boot(&mut self) -> bool {
        self.stage = Stage::Booting { asked: true };
        let now = self.driver.transport().function().now();
        match self.driver.request(OWNER, Request::Boot, now) {
            Ok(()) => true,
            Err(error) => {
                dev_err!(self.device, "cannot boot: {}\n", Shown(error));
                self.stage = Stage::Failed;
                false
            }
        }
    }

    /// Everything goes back, and the chip waits for its firmware again, for whoever comes next.
    fn end(&mut self) {
        self.stack.close();
        self.driver.shutdown(&mut self.stack);
        // Fails on a card that is gone, and needs nothing then.
        let _ = self.driver.transport_mut().function_mut().set_power(false);
    }
}
