// SPDX-License-Identifier: GPL-2.0-only

//! Registration of drivers for SDIO functions.

use super::super::bindings;
use super::bus::{Bus, Shared};
use core::marker::PhantomData;
use core::mem::offset_of;
use core::ptr::{self, NonNull};
use kernel::device::{self, Device};
use kernel::device_id::{RawDeviceId, RawDeviceIdIndex};
use kernel::driver;
use kernel::error::{from_result, to_result};
use kernel::prelude::*;
use kernel::str::CStr;
use kernel::sync::Arc;
use kernel::types::Opaque;

/// Which functions a driver is for.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct DeviceId(bindings::sdio_device_id);

impl DeviceId {
    /// Any function with this vendor and device number. C: `SDIO_DEVICE`.
    pub(crate) const fn new(vendor: u16, device: u16) -> Self {
        Self(bindings::sdio_device_id {
            // SDIO_ANY_ID, which is (~0), in the width of the field.
            class: u8::MAX,
            vendor,
            device,
            driver_data: 0,
        })
    }
}

// SAFETY: `DeviceId` is a transparent wrapper of `sdio_device_id`.
unsafe impl RawDeviceId for DeviceId {
    type RawType = bindings::sdio_device_id;
}

// SAFETY: The offset is that of `driver_data`.
unsafe impl RawDeviceIdIndex for DeviceId {
    const DRIVER_DATA_OFFSET: usize = offset_of!(bindings::sdio_device_id, driver_data);

    fn index(&self) -> usize {
        self.0.driver_data
    }
}

/// A table of functions that a driver is for.
pub(crate) type IdTable<T> = &'static dyn kernel::device_id::IdTable<DeviceId, T>;

/// Makes an [`IdTable`], and tells modpost about it so that the module is loaded by its alias.
#[macro_export]
macro_rules! sdio_device_table {
    ($table_name:ident, $module_table_name:ident, $table_data:expr) => {
        const $table_name: ::kernel::device_id::IdArray<
            $crate::abstractions::sdio::DeviceId,
            (),
            { $table_data.len() },
        > = ::kernel::device_id::IdArray::new($table_data);

        ::kernel::module_device_table!("sdio", $module_table_name, $table_name);
    };
}

/// Declares a module that consists of one SDIO driver.
#[macro_export]
macro_rules! module_sdio_driver {
    ($($f:tt)*) => {
        ::kernel::module_driver!(<T>, $crate::abstractions::sdio::Adapter<T>, { $($f)* });
    };
}

/// A driver for SDIO functions.
pub(crate) trait Driver: Sized + 'static {
    /// What the driver keeps for each function.
    type Data: Send + Sync + 'static;

    /// The functions it is for.
    const ID_TABLE: IdTable<()>;

    /// A function was found. `bus` works from [`start`](Self::start) on.
    fn probe(function: &Function, bus: Bus) -> impl PinInit<Self::Data, Error>;

    /// The data is in place: interrupts find it.
    ///
    /// # Errors
    ///
    /// The function is given up, and `data` dropped, without a call of [`remove`](Self::remove).
    fn start(function: &Function, data: Pin<&Self::Data>) -> Result;

    /// The card has raised its interrupt. Called in a thread; may not use the bus. The interrupt is not raised again
    /// until [`Bus::served`] is called.
    fn interrupt(data: Pin<&Self::Data>);

    /// The system is about to sleep; with `power_kept` the card keeps its power. Nothing may use the bus when this
    /// returns: what does nevertheless waits until the system is back.
    fn suspend(function: &Function, data: Pin<&Self::Data>, power_kept: bool);

    /// The system is back, or did not sleep after all. The bus can be used.
    fn resume(function: &Function, data: Pin<&Self::Data>);

    /// The function is about to go away, or has gone already. Nothing may use the bus any more when this returns.
    fn remove(function: &Function, data: Pin<&Self::Data>);
}

/// An SDIO function whose driver is being bound, or is bound.
///
/// # Invariants
///
/// The function is valid.
#[repr(transparent)]
pub(crate) struct Function(Opaque<bindings::sdio_func>);

impl Function {
    /// # Safety
    ///
    /// `func` is valid for the life of the reference, and its driver is being bound or is bound.
    unsafe fn from_raw<'a>(func: *mut bindings::sdio_func) -> &'a Self {
        // SAFETY: A `Function` is a transparent wrapper.
        unsafe { &*func.cast() }
    }

    /// The device.
    pub(crate) fn device(&self) -> &Device<device::Bound> {
        // SAFETY: The function is valid by the type invariants.
        let device = unsafe { &raw mut (*self.0.get()).dev };
        // SAFETY: The device of a valid function is valid, and a driver is bound to it.
        unsafe { Device::from_raw(device.cast()) }
    }

    /// What the host can do for the card while the system sleeps.
    fn sleep_capabilities(&self) -> u32 {
        // SAFETY: The function is valid by the type invariants.
        unsafe { bindings::sdio_get_host_pm_caps(self.0.get()) }
    }

    fn as_c_device(&self) -> *mut bindings::device {
        // SAFETY: The function is valid by the type invariants.
        unsafe { &raw mut (*self.0.get()).dev }
    }

    /// Its number on the card, 1 to 7.
    pub(crate) fn number(&self) -> u32 {
        // SAFETY: The function is valid by the type invariants.
        unsafe { (*self.0.get()).num }
    }
}

/// What is kept for a bound function.
#[pin_data]
pub(crate) struct Private<D> {
    #[pin]
    data: D,
    shared: Arc<Shared>,
}

/// Connects a [`Driver`] with the kernel's driver core.
pub(crate) struct Adapter<T: Driver>(PhantomData<T>);

// SAFETY:
// - `sdio_driver` is a C type declared as `repr(C)`.
// - `Private<T::Data>` is the type of the driver's private data.
// - `sdio_driver` embeds a `struct device_driver` at this offset.
unsafe impl<T: Driver> driver::DriverLayout for Adapter<T> {
    type DriverType = bindings::sdio_driver;
    type DriverData<'bound> = Private<T::Data>;
    const DEVICE_DRIVER_OFFSET: usize = offset_of!(bindings::sdio_driver, drv);
}

// SAFETY: What `register()` has registered can be unregistered with `unregister()`.
unsafe impl<T: Driver> driver::RegistrationOps for Adapter<T> {
    unsafe fn register(
        driver: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        // SAFETY: Nobody else knows the driver yet.
        unsafe {
            (*driver.get()).name = name.as_char_ptr().cast_mut();
            (*driver.get()).id_table = T::ID_TABLE.as_ptr();
            (*driver.get()).probe = Some(Self::probe_callback);
            (*driver.get()).remove = Some(Self::remove_callback);
            (*driver.get()).drv.pm = Self::SLEEP;
        }
        // SAFETY: The driver stays valid until it was unregistered, by the safety requirements.
        to_result(unsafe { bindings::__sdio_register_driver(driver.get(), module.as_ptr().cast()) })
    }

    unsafe fn unregister(driver: &Opaque<Self::DriverType>) {
        // SAFETY: The driver is registered, by the safety requirements.
        unsafe { bindings::sdio_unregister_driver(driver.get()) };
    }
}

impl<T: Driver> Adapter<T> {
    /// A driver without these would have its card removed when the system goes to sleep.
    const SLEEP: &'static bindings::dev_pm_ops = &bindings::dev_pm_ops {
        suspend: Some(Self::suspend_callback),
        resume: Some(Self::resume_callback),
        // SAFETY: A structure of function pointers, of which null is none.
        ..unsafe { core::mem::zeroed() }
    };

    /// The function of a device, and what is kept for it.
    ///
    /// # Safety
    ///
    /// `device` is that of a function to which this driver is bound.
    unsafe fn bound<'a>(
        device: *mut bindings::device,
    ) -> (&'a Function, Pin<&'a Private<T::Data>>) {
        // SAFETY: By the safety requirements, the device is a part of a valid function.
        unsafe {
            let func = device
                .byte_sub(offset_of!(bindings::sdio_func, dev))
                .cast::<bindings::sdio_func>();
            (
                Function::from_raw(func),
                Self::device(func).drvdata_borrow::<Private<T::Data>>(),
            )
        }
    }

    /// The system goes to sleep, for whatever kind of sleep. It is never held up.
    ///
    /// # Safety
    ///
    /// Called by the driver core for a device of this driver.
    unsafe extern "C" fn suspend_callback(device: *mut bindings::device) -> kernel::ffi::c_int {
        // SAFETY: By the safety requirements.
        let (function, private) = unsafe { Self::bound(device) };
        let can = function.sleep_capabilities();
        let power_kept = can & bindings::BES_PM_KEEP_POWER != 0;
        // SAFETY: `data` is pinned as a part of `Private`.
        let data = unsafe { private.map_unchecked(|private| &private.data) };
        T::suspend(function, data, power_kept);
        private.shared.sleep(power_kept);
        let mut wanted = can & bindings::BES_PM_KEEP_POWER;
        // SAFETY: The device of a valid function is valid.
        if unsafe { bindings::bes_device_may_wakeup(function.as_c_device()) } {
            wanted |= can & bindings::BES_PM_WAKE_SDIO_IRQ;
        }
        // SAFETY: The function is valid. Nothing is asked for that the host cannot do.
        unsafe { bindings::sdio_set_host_pm_flags(function.0.get(), wanted) };
        0
    }

    /// # Safety
    ///
    /// As above.
    unsafe extern "C" fn resume_callback(device: *mut bindings::device) -> kernel::ffi::c_int {
        // SAFETY: By the safety requirements.
        let (function, private) = unsafe { Self::bound(device) };
        private.shared.wake();
        // SAFETY: `data` is pinned as a part of `Private`.
        let data = unsafe { private.map_unchecked(|private| &private.data) };
        T::resume(function, data);
        0
    }

    /// The device of a function, as only a bus may see it.
    ///
    /// # Safety
    ///
    /// `func` is valid.
    unsafe fn device<'a>(func: *mut bindings::sdio_func) -> &'a Device<device::CoreInternal<'a>> {
        // SAFETY: `func` is valid, and a `Device` is a transparent wrapper of a `struct device`.
        unsafe { &*ptr::addr_of!((*func).dev).cast() }
    }

    extern "C" fn probe_callback(
        func: *mut bindings::sdio_func,
        _id: *const bindings::sdio_device_id,
    ) -> kernel::ffi::c_int {
        // SAFETY: The SDIO bus calls this with a valid function.
        let (function, device) = unsafe { (Function::from_raw(func), Self::device(func)) };
        from_result(|| {
            let func = NonNull::new(func).ok_or(EINVAL)?;
            let wakes = function.sleep_capabilities() & bindings::BES_PM_WAKE_SDIO_IRQ != 0;
            // SAFETY: The device of a valid function is valid.
            unsafe { bindings::bes_device_set_wakeup_capable(function.as_c_device(), wakes) };
            let shared = Arc::pin_init(Shared::new(Self::interrupt_callback), GFP_KERNEL)?;
            let bus = Bus::new(shared.clone());
            let kept = shared.clone();
            device.set_drvdata(try_pin_init!(Private {
                data <- T::probe(function, bus),
                shared: kept,
            }))?;
            // SAFETY: The data was just stored.
            let private = unsafe { device.drvdata_borrow::<Private<T::Data>>() };
            // SAFETY: The function stays valid until its driver is unbound, which revokes it; the data that the handler
            // needs is in place, and is dropped after that.
            unsafe { shared.bind(func) };
            // SAFETY: `data` is pinned as a part of `Private`.
            let data = unsafe { private.map_unchecked(|private| &private.data) };
            T::start(function, data).inspect_err(|_| shared.revoke())?;
            Ok(0)
        })
    }

    extern "C" fn remove_callback(func: *mut bindings::sdio_func) {
        // SAFETY: The SDIO bus calls this with a valid function to which this driver is bound, so the data is there.
        let (function, private) = unsafe {
            (
                Function::from_raw(func),
                Self::device(func).drvdata_borrow::<Private<T::Data>>(),
            )
        };
        // SAFETY: `data` is pinned as a part of `Private`.
        let data = unsafe { private.map_unchecked(|private| &private.data) };
        T::remove(function, data);
        private.shared.revoke();
    }

    /// Called by the MMC core with the host claimed.
    ///
    /// # Safety
    ///
    /// The MMC core calls it for a function that [`Shared::bind`] was called for, and that was not revoked.
    unsafe extern "C" fn interrupt_callback(func: *mut bindings::sdio_func) {
        // SAFETY: By the safety requirements, the data is in place until the function was revoked.
        let private = unsafe { Self::device(func).drvdata_borrow::<Private<T::Data>>() };
        // SAFETY: `data` is pinned as a part of `Private`.
        let data = unsafe { private.map_unchecked(|private| &private.data) };
        // SAFETY: The host is claimed by this thread.
        unsafe { private.shared.gate.enter(func, || T::interrupt(data)) };
    }
}
