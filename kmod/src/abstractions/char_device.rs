// SPDX-License-Identifier: GPL-2.0-only

//! Character devices of a module, each with data of its own.
//!
//! [`kernel::miscdevice`] has neither `poll`, nor names made at run time, nor a reference to the module for each open
//! file.
//!
//! C headers: `include/linux/miscdevice.h`, `include/linux/fs.h`.

use super::wait_queue::Poll;
use core::marker::PhantomData;
use kernel::bindings;
use kernel::device::Device;
use kernel::error::to_result;
use kernel::ffi::{c_int, c_long, c_uint, c_ulong};
use kernel::fs::File;
use kernel::mm::virt::VmaNew;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::types::{ForeignOwnable, Opaque};

/// What can be read from a file now, for [`Operations::poll`].
#[derive(Clone, Copy)]
pub(crate) enum Readiness {
    /// Nothing.
    None,
    /// Something: `POLLIN`.
    Readable,
    /// It cannot be used yet, or any more: `POLLERR`.
    Error,
}

/// What a device's files can do.
///
/// All methods are called in process context, without locks other than the kernel's own for the call (`mmap` holds the
/// process's memory lock).
pub(crate) trait Operations: Sized {
    /// What the device keeps, for as long as it is registered.
    type Device: Send + Sync;

    /// What an open file keeps. Dropped when the last reference to the file goes.
    type Ptr: ForeignOwnable + Send + Sync;

    /// Opens a file.
    ///
    /// # Errors
    ///
    /// Become those of `open`.
    fn open(registration: &Registration<Self>) -> Result<Self::Ptr>;

    /// A command with its argument.
    ///
    /// # Errors
    ///
    /// Become those of `ioctl`. `ENOTTY` for unknown commands.
    fn ioctl(
        file: <Self::Ptr as ForeignOwnable>::Borrowed<'_>,
        command: u32,
        argument: usize,
    ) -> Result;

    /// What can be read. The lifetime has queues that are registered with `poll` belong to the file.
    fn poll<'a>(file: <Self::Ptr as ForeignOwnable>::Borrowed<'a>, poll: Poll<'a>) -> Readiness;

    /// Maps memory of the file, from `offset` bytes on.
    ///
    /// # Errors
    ///
    /// Become those of `mmap`.
    fn mmap(file: <Self::Ptr as ForeignOwnable>::Borrowed<'_>, vma: &VmaNew, offset: u64)
        -> Result;
}

/// A registered device, `/dev/NAME`. Unregistered when dropped.
///
/// The module cannot be unloaded while a file is open.
///
/// # Invariants
///
/// `misc` is registered from the end of the initialisation until drop; its name and operations are the fields below. It
/// is the first field, so that its address is that of the whole.
#[repr(C)]
#[pin_data(PinnedDrop)]
pub(crate) struct Registration<T: Operations> {
    #[pin]
    misc: Opaque<bindings::miscdevice>,
    operations: KBox<bindings::file_operations>,
    name: CString,
    data: T::Device,
    _operations: PhantomData<T>,
}

// SAFETY: A device may be unregistered on any thread; `T::Device` is `Send`.
unsafe impl<T: Operations> Send for Registration<T> {}

// SAFETY: Shared references give access to `T::Device` alone, which is `Sync`, and to the device, which is as well.
unsafe impl<T: Operations> Sync for Registration<T> {}

impl<T: Operations> Registration<T> {
    /// Registers `/dev/NAME`, for root alone (mode 0600).
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and those of `misc_register`: `EBUSY` when there are no more minor numbers, `EEXIST` for a name that
    /// there is already.
    pub(crate) fn new(
        module: &'static ThisModule,
        name: CString,
        data: T::Device,
    ) -> impl PinInit<Self, Error> {
        let operations = bindings::file_operations {
            owner: module.as_ptr(),
            open: Some(open::<T>),
            release: Some(release::<T>),
            unlocked_ioctl: Some(ioctl::<T>),
            // The commands are the same for a 32-bit process: all structures have fields of fixed size.
            compat_ioctl: bindings::compat_ptr_ioctl,
            poll: Some(poll::<T>),
            mmap: Some(mmap::<T>),
            ..pin_init::zeroed()
        };
        try_pin_init!(&this in Self {
            operations: KBox::new(operations, GFP_KERNEL)?,
            name,
            data,
            _operations: PhantomData,
            misc <- Opaque::try_ffi_init(move |slot: *mut bindings::miscdevice| {
                // SAFETY: All other fields stand before this one in the initialiser, so they are initialised.
                let (name, fops) = unsafe {
                    (
                        (*this.as_ptr()).name.as_char_ptr(),
                        core::ptr::from_ref(&*(*this.as_ptr()).operations),
                    )
                };
                let misc = bindings::miscdevice {
                    minor: bindings::MISC_DYNAMIC_MINOR as c_int,
                    name,
                    fops,
                    mode: 0o600,
                    ..pin_init::zeroed()
                };
                // SAFETY: `slot` is memory for it.
                unsafe { slot.write(misc) };
                // INVARIANT: Registered if this succeeds; else the initialisation fails.
                // SAFETY: The device, its name and its operations stay where they are until the drop unregisters it.
                to_result(unsafe { bindings::misc_register(slot) })
            }),
        }? Error)
    }

    /// What the device keeps.
    pub(crate) fn data(&self) -> &T::Device {
        &self.data
    }

    /// The device, as others may see it as their parent.
    pub(crate) fn device(&self) -> &Device {
        // SAFETY: By the type invariants the device is registered, so that `this_device` is valid for as long as `self`.
        unsafe { Device::from_raw((*self.misc.get()).this_device) }
    }
}

#[pinned_drop]
impl<T: Operations> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants it is registered.
        unsafe { bindings::misc_deregister(self.misc.get()) };
    }
}

/// # Safety
///
/// `file` is being opened, and belongs to a [`Registration<T>`].
unsafe extern "C" fn open<T: Operations>(
    _inode: *mut bindings::inode,
    file: *mut bindings::file,
) -> c_int {
    // SAFETY: `misc_open` has put a pointer to the `miscdevice` there.
    let misc = unsafe { (*file).private_data };
    // SAFETY: `misc` is the first field of a `Registration<T>`, which `misc_open` keeps from being unregistered.
    let registration = unsafe { &*misc.cast::<Registration<T>>() };
    match T::open(registration) {
        Ok(ptr) => {
            // SAFETY: The file belongs to this call.
            unsafe { (*file).private_data = ptr.into_foreign().cast() };
            0
        }
        Err(error) => error.to_errno(),
    }
}

/// # Safety
///
/// `file` was opened by [`open`], and its last reference goes.
unsafe extern "C" fn release<T: Operations>(
    _inode: *mut bindings::inode,
    file: *mut bindings::file,
) -> c_int {
    // SAFETY: `open` has put it there.
    let private = unsafe { (*file).private_data };
    // SAFETY: It comes from `into_foreign`, is taken back once, and nobody borrows it any more.
    drop(unsafe { <T::Ptr as ForeignOwnable>::from_foreign(private.cast()) });
    0
}

/// # Safety
///
/// `file` was opened by [`open`] and stays open during the call, and during the use of what is returned.
unsafe fn borrow<'a, T: Operations>(
    file: *mut bindings::file,
) -> <T::Ptr as ForeignOwnable>::Borrowed<'a> {
    // SAFETY: `open` has put it there.
    let private = unsafe { (*file).private_data };
    // SAFETY: It comes from `into_foreign`, and is taken back by `release` alone, which comes last.
    unsafe { <T::Ptr as ForeignOwnable>::borrow(private.cast()) }
}

/// # Safety
///
/// As [`borrow`].
unsafe extern "C" fn ioctl<T: Operations>(
    file: *mut bindings::file,
    command: c_uint,
    argument: c_ulong,
) -> c_long {
    // SAFETY: By the function's safety requirements.
    let borrowed = unsafe { borrow::<T>(file) };
    match T::ioctl(borrowed, command, argument) {
        Ok(()) => 0,
        Err(error) => error.to_errno() as c_long,
    }
}

/// # Safety
///
/// As [`borrow`]; `table` is null or valid.
unsafe extern "C" fn poll<T: Operations>(
    file: *mut bindings::file,
    table: *mut bindings::poll_table_struct,
) -> bindings::__poll_t {
    // SAFETY: By the function's safety requirements.
    let borrowed = unsafe { borrow::<T>(file) };
    // SAFETY: The file is valid during the call, and no `fdget_pos` is going on on this thread.
    let file = unsafe { File::from_raw_file(file) };
    // SAFETY: By the function's safety requirements. The lifetime is any that the implementation of `poll` is called
    // with, so that it has no queues for it but those that live as long as the file's data.
    let poll = unsafe { Poll::from_raw(file, table) };
    match T::poll(borrowed, poll) {
        Readiness::None => 0,
        Readiness::Readable => bindings::POLLIN | bindings::POLLRDNORM,
        Readiness::Error => bindings::POLLERR,
    }
}

/// # Safety
///
/// As [`borrow`]; `vma` is being set up for a mapping of `file`.
unsafe extern "C" fn mmap<T: Operations>(
    file: *mut bindings::file,
    vma: *mut bindings::vm_area_struct,
) -> c_int {
    // SAFETY: By the function's safety requirements.
    let borrowed = unsafe { borrow::<T>(file) };
    // SAFETY: By the function's safety requirements.
    let pages = unsafe { (*vma).vm_pgoff };
    let offset = (pages as u64).saturating_mul(kernel::page::PAGE_SIZE as u64);
    // SAFETY: By the function's safety requirements.
    let vma = unsafe { VmaNew::from_raw(vma) };
    match T::mmap(borrowed, vma, offset) {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}
