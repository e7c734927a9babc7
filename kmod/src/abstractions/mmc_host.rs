// SPDX-License-Identifier: GPL-2.0-only

//! SDIO hosts: what a driver of a host controller gives to the MMC core.
//!
//! C headers: `include/linux/mmc/host.h`, `include/linux/mmc/core.h`.

use super::bindings;
use super::shared_area::SharedArea;
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::device::Device;
use kernel::error::to_result;
use kernel::ffi::c_int;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::types::{ForeignOwnable, Opaque};

/// What the controller can do.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Slowest clock, Hz.
    pub(crate) min_clock: u32,
    /// Fastest clock, Hz.
    pub(crate) max_clock: u32,
    /// Most bytes of one request.
    pub(crate) max_request: u32,
    /// Longest block, bytes.
    pub(crate) max_block_size: u32,
    /// Most blocks of one request.
    pub(crate) max_blocks: u32,
    /// Four data lines instead of one.
    pub(crate) four_bit: bool,
    /// High speed timing.
    pub(crate) high_speed: bool,
    /// The core may take the power from a card that no driver uses.
    pub(crate) power_off_unused: bool,
}

/// Power of the card.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    /// None.
    Off,
    /// Voltage rises.
    Up,
    /// Full.
    On,
}

/// How the core wants the bus to be driven.
#[derive(Clone, Copy)]
pub(crate) struct Ios {
    /// Power of the card.
    pub(crate) power: Power,
    /// Hz; 0: the clock stands still.
    pub(crate) clock: u32,
    /// Four data lines instead of one.
    pub(crate) four_bit: bool,
    /// High speed timing.
    pub(crate) high_speed: bool,
}

/// Which response a command has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Response {
    /// None.
    None,
    /// 48 bits on the wire.
    Short,
    /// 136 bits on the wire.
    Long,
}

/// Which way data moves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Card to host.
    Read,
    /// Host to card.
    Write,
}

/// The data of a request.
#[derive(Clone, Copy)]
pub(crate) struct Data {
    /// Which way.
    pub(crate) direction: Direction,
    /// Bytes of a block.
    pub(crate) block_size: u32,
    /// Number of blocks.
    pub(crate) blocks: u32,
}

/// Why a command or its data failed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nothing came in time: `ETIMEDOUT`.
    Timeout,
    /// Something came broken: `EILSEQ`.
    Crc,
    /// There is no card: `ENOMEDIUM`.
    NoMedium,
    /// The host is busy with another command: `EBUSY`.
    Busy,
    /// The host cannot do this: `EINVAL`.
    Unsupported,
}

impl Failure {
    fn errno(self) -> c_int {
        let errno = match self {
            Self::Timeout => bindings::ETIMEDOUT,
            Self::Crc => bindings::EILSEQ,
            Self::NoMedium => bindings::ENOMEDIUM,
            Self::Busy => bindings::EBUSY,
            Self::Unsupported => bindings::EINVAL,
        };
        -(errno as c_int)
    }
}

/// How a request ended.
#[derive(Clone, Copy)]
pub(crate) struct Completion {
    /// The command's own failure.
    pub(crate) command: Option<Failure>,
    /// The failure of its data.
    pub(crate) data: Option<Failure>,
    /// Words of the response, highest first.
    pub(crate) response: [u32; 4],
    /// Bytes of data that moved.
    pub(crate) bytes: u32,
}

impl Completion {
    /// Failed before anything moved.
    pub(crate) fn failed(failure: Failure) -> Self {
        Self {
            command: Some(failure),
            data: None,
            response: [0; 4],
            bytes: 0,
        }
    }
}

/// A request of the core. Who owns it may, and has to, complete it, once; dropped, it fails.
///
/// # Invariants
///
/// `request` and its host, command and data (if any) are valid and belong to this value until it completes: the core
/// waits for the completion and keeps the host claimed so long, and removing a host claims it. There is neither a
/// `sbc` nor a `stop` command.
pub(crate) struct Request {
    host: NonNull<bindings::mmc_host>,
    request: NonNull<bindings::mmc_request>,
}

// SAFETY: A request may be completed on any thread.
unsafe impl Send for Request {}

impl Request {
    fn command_ptr(&self) -> *mut bindings::mmc_command {
        // SAFETY: By the type invariants the request is valid.
        unsafe { (*self.request.as_ptr()).cmd }
    }

    fn data_ptr(&self) -> Option<NonNull<bindings::mmc_data>> {
        // SAFETY: By the type invariants the request is valid.
        NonNull::new(unsafe { (*self.request.as_ptr()).data })
    }

    /// Command index.
    pub(crate) fn opcode(&self) -> u32 {
        // SAFETY: By the type invariants the command is valid.
        unsafe { (*self.command_ptr()).opcode }
    }

    /// The command's argument.
    pub(crate) fn argument(&self) -> u32 {
        // SAFETY: By the type invariants the command is valid.
        unsafe { (*self.command_ptr()).arg }
    }

    /// Which response the command has.
    pub(crate) fn response(&self) -> Response {
        // SAFETY: By the type invariants the command is valid.
        let flags = unsafe { (*self.command_ptr()).flags };
        if flags & bindings::MMC_RSP_PRESENT == 0 {
            Response::None
        } else if flags & bindings::MMC_RSP_136 == 0 {
            Response::Short
        } else {
            Response::Long
        }
    }

    /// What data moves, if any.
    pub(crate) fn data(&self) -> Option<Data> {
        let data = self.data_ptr()?;
        // SAFETY: By the type invariants the data is valid; it changes in `complete` alone.
        let data = unsafe { data.as_ref() };
        Some(Data {
            direction: if data.flags & bindings::VSDIO_MMC_DATA_WRITE != 0 {
                Direction::Write
            } else {
                Direction::Read
            },
            block_size: data.blksz,
            blocks: data.blocks,
        })
    }

    /// Moves the first `length` bytes of `area` into the request's buffers, as far as these and the area go. Returns
    /// how many moved.
    pub(crate) fn copy_from(&mut self, area: &SharedArea, length: usize) -> usize {
        let Some(data) = self.data_ptr() else {
            return 0;
        };
        // SAFETY: By the type invariants the data and its scatter list are valid, and belong to this value; the
        // function stops at the list's end, and `length` is limited to the area's size.
        unsafe {
            let data = data.as_ref();
            bindings::sg_copy_from_buffer(
                data.sg,
                data.sg_len,
                area.as_ptr(),
                length.min(area.size()),
            )
        }
    }

    /// Moves the request's data to the start of `area`, as far as this goes. Returns how many bytes moved.
    pub(crate) fn copy_to(&self, area: &SharedArea) -> usize {
        let Some(data) = self.data_ptr() else {
            return 0;
        };
        // SAFETY: As in `copy_from`.
        unsafe {
            let data = data.as_ref();
            bindings::sg_copy_to_buffer(data.sg, data.sg_len, area.as_ptr(), area.size())
        }
    }

    /// Ends the request. Must not be called with a lock held that [`Operations::request`] takes.
    pub(crate) fn complete(self, completion: &Completion) {
        core::mem::ManuallyDrop::new(self).end(completion);
    }

    /// Called once, as the last thing that happens to the value.
    fn end(&mut self, completion: &Completion) {
        let errno = |failure: Option<Failure>| failure.map_or(0, Failure::errno);
        // SAFETY: By the type invariants the command is valid and belongs to this value.
        unsafe {
            (*self.command_ptr()).resp = completion.response;
            (*self.command_ptr()).error = errno(completion.command);
        }
        if let Some(mut data) = self.data_ptr() {
            // SAFETY: By the type invariants the data is valid and belongs to this value.
            let data = unsafe { data.as_mut() };
            data.error = errno(completion.data);
            data.bytes_xfered = completion.bytes;
        }
        // SAFETY: By the type invariants both are valid, and the request is completed here for the first time. From
        // here on it belongs to the core.
        unsafe { bindings::mmc_request_done(self.host.as_ptr(), self.request.as_ptr()) };
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.end(&Completion::failed(Failure::NoMedium));
    }
}

/// What the core calls. All methods are called in process context and may sleep, except where said.
pub(crate) trait Operations: Send + Sync + 'static {
    /// Carries out a request. The core asks for one at a time. The call may take until the request is complete.
    fn request(&self, host: &HostRef, request: Request);

    /// Drives the bus differently.
    fn set_ios(&self, ios: &Ios);

    /// Whether there is a card.
    fn is_card_present(&self) -> bool;

    /// Begins or ends looking at the card's interrupt. Must not sleep.
    fn enable_sdio_irq(&self, host: &HostRef, enable: bool);

    /// The interrupt was served: looks at it again. Must not sleep.
    fn ack_sdio_irq(&self, host: &HostRef);
}

/// A host that the MMC core knows, borrowed.
///
/// # Invariants
///
/// The host was allocated, and is not yet freed.
#[repr(transparent)]
pub(crate) struct HostRef(Opaque<bindings::mmc_host>);

// SAFETY: The methods may be called on any thread.
unsafe impl Sync for HostRef {}

impl HostRef {
    /// # Safety
    ///
    /// `host` is valid for `'a`.
    unsafe fn from_raw<'a>(host: *mut bindings::mmc_host) -> &'a Self {
        // INVARIANT: By the function's safety requirements.
        // SAFETY: The type is transparent.
        unsafe { &*host.cast() }
    }

    /// Tells the core that the card's interrupt is asserted. It has the driver's handler called, and then
    /// [`Operations::ack_sdio_irq`], if a driver has claimed the interrupt. Does not sleep.
    pub(crate) fn signal_sdio_irq(&self) {
        // SAFETY: By the type invariants the host is valid; freeing it waits for the work that this schedules.
        unsafe { bindings::sdio_signal_irq(self.0.get()) };
    }

    /// The N of its name, `mmcN`.
    pub(crate) fn index(&self) -> u32 {
        // SAFETY: By the type invariants the host is valid.
        let index = unsafe { bindings::vsdio_mmc_index(self.0.get()) };
        u32::try_from(index).unwrap_or(0)
    }
}

/// A registered host. Dropping it removes it: drivers are unbound from its card, and when that is done no method of `T`
/// is called any more.
///
/// # Invariants
///
/// `host` is registered, its private memory holds a pointer from `Arc::<T>::into_foreign`, and its operations are
/// [`Vtable<T>`]'s.
pub(crate) struct Host<T: Operations> {
    host: NonNull<bindings::mmc_host>,
    _operations: PhantomData<Arc<T>>,
}

// SAFETY: A host may be removed on any thread that may sleep.
unsafe impl<T: Operations> Send for Host<T> {}

// SAFETY: Shared references give a `HostRef`, which is `Sync`.
unsafe impl<T: Operations> Sync for Host<T> {}

impl<T: Operations> Host<T> {
    /// Registers a host for SDIO cards below `parent`, which must stay registered as long as the host does. The core
    /// begins to look for a card at once.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and those of `mmc_add_host`.
    pub(crate) fn new(parent: &Device, limits: &Limits, operations: Arc<T>) -> Result<Self> {
        // SAFETY: The parent is valid, and the core takes a reference to it. `Device` is transparent over the C type.
        let host = unsafe {
            bindings::mmc_alloc_host(
                core::mem::size_of::<*mut kernel::ffi::c_void>() as c_int,
                core::ptr::from_ref(parent).cast_mut().cast(),
            )
        };
        let host = NonNull::new(host).ok_or(ENOMEM)?;
        let flag = |on: bool, flag: u32| if on { flag } else { 0 };
        // SAFETY: Just allocated, and nobody else knows of it yet.
        let raw = unsafe { &mut *host.as_ptr() };
        raw.ops = Vtable::<T>::OPERATIONS;
        raw.f_min = limits.min_clock;
        raw.f_max = limits.max_clock;
        raw.ocr_avail = bindings::MMC_VDD_32_33 | bindings::MMC_VDD_33_34;
        raw.caps = bindings::MMC_CAP_SDIO_IRQ
            | flag(limits.four_bit, bindings::MMC_CAP_4_BIT_DATA)
            | flag(limits.high_speed, bindings::MMC_CAP_SD_HIGHSPEED)
            | flag(limits.power_off_unused, bindings::MMC_CAP_POWER_OFF_CARD);
        raw.caps2 = bindings::MMC_CAP2_NO_SD
            | bindings::MMC_CAP2_NO_MMC
            | bindings::MMC_CAP2_NO_PRESCAN_POWERUP
            | bindings::MMC_CAP2_SDIO_IRQ_NOTHREAD;
        raw.pm_caps = bindings::MMC_PM_KEEP_POWER | bindings::MMC_PM_WAKE_SDIO_IRQ;
        raw.max_req_size = limits.max_request;
        raw.max_seg_size = limits.max_request;
        raw.max_segs = MAX_SEGMENTS;
        raw.max_blk_size = limits.max_block_size;
        raw.max_blk_count = limits.max_blocks;
        raw.ios.power_delay_ms = 1; // There is no voltage to rise.

        // SAFETY: The private memory has room for one pointer and is aligned for it.
        let private = unsafe { bindings::vsdio_mmc_priv(host.as_ptr()) }.cast();
        let foreign: *mut kernel::ffi::c_void = operations.into_foreign().cast();
        // SAFETY: As above.
        unsafe { core::ptr::write(private, foreign) };

        // SAFETY: The host is set up; from here on its operations may be called.
        let result = to_result(unsafe { bindings::mmc_add_host(host.as_ptr()) });
        if let Err(error) = result {
            // SAFETY: It was not registered, and nobody knows of it.
            unsafe { bindings::mmc_free_host(host.as_ptr()) };
            // SAFETY: From `into_foreign` above, and nobody else will take it.
            drop(unsafe { <Arc<T> as ForeignOwnable>::from_foreign(foreign.cast()) });
            return Err(error);
        }
        // INVARIANT: All of it was just done.
        Ok(Self {
            host,
            _operations: PhantomData,
        })
    }
}

/// More than any buffer of pages needs that a request may have.
const MAX_SEGMENTS: u16 = 512;

impl<T: Operations> core::ops::Deref for Host<T> {
    type Target = HostRef;

    fn deref(&self) -> &HostRef {
        // SAFETY: By the type invariants the host is valid as long as `self`.
        unsafe { HostRef::from_raw(self.host.as_ptr()) }
    }
}

impl<T: Operations> Drop for Host<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the private memory holds this pointer.
        let foreign = unsafe {
            core::ptr::read(
                bindings::vsdio_mmc_priv(self.host.as_ptr()).cast::<*mut kernel::ffi::c_void>(),
            )
        };
        // SAFETY: By the type invariants it is registered.
        unsafe { bindings::mmc_remove_host(self.host.as_ptr()) };
        // SAFETY: It is not registered any more, and this was the only owner. Waits for work that may still call the
        // operations.
        unsafe { bindings::mmc_free_host(self.host.as_ptr()) };
        // SAFETY: From `into_foreign`; the host is gone, so that nobody borrows from it any more.
        drop(unsafe { <Arc<T> as ForeignOwnable>::from_foreign(foreign.cast()) });
    }
}

/// The C functions of a host.
struct Vtable<T: Operations>(PhantomData<T>);

impl<T: Operations> Vtable<T> {
    const OPERATIONS: &'static bindings::mmc_host_ops = &bindings::mmc_host_ops {
        request: Some(Self::request),
        set_ios: Some(Self::set_ios),
        get_cd: Some(Self::get_cd),
        enable_sdio_irq: Some(Self::enable_sdio_irq),
        ack_sdio_irq: Some(Self::ack_sdio_irq),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `host` is a [`Host<T>`]'s, and the call is from the MMC core.
    unsafe fn with<R>(host: *mut bindings::mmc_host, call: impl FnOnce(&T) -> R) -> R {
        // SAFETY: By the invariants of `Host` the private memory holds this pointer.
        let foreign = unsafe {
            core::ptr::read(bindings::vsdio_mmc_priv(host).cast::<*mut kernel::ffi::c_void>())
        };
        // SAFETY: It comes from `into_foreign`, and is taken back when the core makes no more calls.
        let operations = unsafe { <Arc<T> as ForeignOwnable>::borrow(foreign.cast()) };
        call(&operations)
    }

    /// # Safety
    ///
    /// As [`Self::with`]; `request` is valid, has a command, and is completed by this host alone.
    unsafe extern "C" fn request(
        host: *mut bindings::mmc_host,
        request: *mut bindings::mmc_request,
    ) {
        let (Some(host_ptr), Some(request_ptr)) = (NonNull::new(host), NonNull::new(request))
        else {
            return;
        };
        // SAFETY: By the function's safety requirements.
        let alone = unsafe { (*request).sbc.is_null() && (*request).stop.is_null() };
        // INVARIANT: By the function's safety requirements. A request with more commands than one fails below, before
        // anybody else sees it.
        let request = Request {
            host: host_ptr,
            request: request_ptr,
        };
        if !alone {
            request.complete(&Completion::failed(Failure::Unsupported));
            return;
        }
        // SAFETY: By the function's safety requirements.
        let host_ref = unsafe { HostRef::from_raw(host) };
        // SAFETY: By the function's safety requirements.
        unsafe { Self::with(host, |operations| operations.request(host_ref, request)) };
    }

    /// # Safety
    ///
    /// As [`Self::with`]; `ios` is valid.
    unsafe extern "C" fn set_ios(host: *mut bindings::mmc_host, ios: *mut bindings::mmc_ios) {
        // SAFETY: By the function's safety requirements.
        let ios = unsafe { &*ios };
        let ios = Ios {
            power: match u32::from(ios.power_mode) {
                bindings::MMC_POWER_ON => Power::On,
                bindings::MMC_POWER_UP => Power::Up,
                _ => Power::Off,
            },
            clock: ios.clock,
            four_bit: u32::from(ios.bus_width) == bindings::MMC_BUS_WIDTH_4,
            high_speed: u32::from(ios.timing) == bindings::MMC_TIMING_SD_HS,
        };
        // SAFETY: By the function's safety requirements.
        unsafe { Self::with(host, |operations| operations.set_ios(&ios)) };
    }

    /// # Safety
    ///
    /// As [`Self::with`].
    unsafe extern "C" fn get_cd(host: *mut bindings::mmc_host) -> c_int {
        // SAFETY: By the function's safety requirements.
        unsafe { Self::with(host, |operations| operations.is_card_present()) }.into()
    }

    /// # Safety
    ///
    /// As [`Self::with`].
    unsafe extern "C" fn enable_sdio_irq(host: *mut bindings::mmc_host, enable: c_int) {
        // SAFETY: By the function's safety requirements.
        let host_ref = unsafe { HostRef::from_raw(host) };
        // SAFETY: By the function's safety requirements.
        unsafe {
            Self::with(host, |operations| {
                operations.enable_sdio_irq(host_ref, enable != 0);
            });
        }
    }

    /// # Safety
    ///
    /// As [`Self::with`].
    unsafe extern "C" fn ack_sdio_irq(host: *mut bindings::mmc_host) {
        // SAFETY: By the function's safety requirements.
        let host_ref = unsafe { HostRef::from_raw(host) };
        // SAFETY: By the function's safety requirements.
        unsafe { Self::with(host, |operations| operations.ack_sdio_irq(host_ref)) };
    }
}

/// The calling thread is not frozen any more when the system goes to sleep.
///
/// For threads that are hardware to the kernel: drivers talk to it after all others were frozen.
pub(crate) fn keep_thread_awake() {
    // SAFETY: Changes a flag of the calling thread, which only the thread itself changes.
    unsafe { bindings::vsdio_stay_awake() };
}
