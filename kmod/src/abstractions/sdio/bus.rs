// SPDX-License-Identifier: GPL-2.0-only

//! Commands to an SDIO function, while its driver is bound.

use super::super::bindings;
use super::super::scatterlist::{Limits, ScatterList};
use super::interrupt::Gate;
use crate::errno::{errno, Errno};
use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::sync::{new_condvar, new_mutex, Arc, CondVar, Mutex};

/// The handler of a function's interrupt.
pub(super) type Handler = unsafe extern "C" fn(*mut bindings::sdio_func);

/// A function whose driver is bound.
///
/// # Invariants
///
/// The function is valid.
pub(super) struct Bound(NonNull<bindings::sdio_func>);

// SAFETY: A function may be used from any thread that has claimed its host.
unsafe impl Send for Bound {}

/// The function as its users find it.
struct Access {
    /// The function, until the driver is unbound.
    bound: Option<Bound>,
    /// The system sleeps, or is about to: nobody may use the bus.
    asleep: bool,
}

/// What driver core and owner of the bus share.
#[pin_data]
pub(super) struct Shared {
    #[pin]
    access: Mutex<Access>,
    #[pin]
    awake: CondVar,
    #[pin]
    pub(super) gate: Gate,
    handler: Handler,
}

impl Shared {
    pub(super) fn new(handler: Handler) -> impl PinInit<Self> {
        pin_init!(Self {
            access <- new_mutex!(Access { bound: None, asleep: false }),
            awake <- new_condvar!("bes2600::awake"),
            gate <- Gate::new(),
            handler,
        })
    }

    /// The function can be used from now on.
    ///
    /// # Safety
    ///
    /// `func` is valid until [`revoke`](Self::revoke) has returned, and `handler` may be called for it until then.
    pub(super) unsafe fn bind(&self, func: NonNull<bindings::sdio_func>) {
        // INVARIANT: Valid by the safety requirements.
        self.access.lock().bound = Some(Bound(func));
    }

    /// The function cannot be used any more, and its handler is not called. Sleeps until the command under way has
    /// ended.
    pub(super) fn revoke(&self) {
        self.gate.close();
        let bound = self.access.lock().bound.take();
        self.awake.notify_all();
        let Some(bound) = bound else {
            return;
        };
        let claimed = Claimed::new(&bound);
        claimed.release_interrupt();
    }

    /// The system goes to sleep: when this returns no command is under way, and later ones wait for [`wake`](Self::wake).
    /// Without `power_kept` the interrupt is given up, because the card will have forgotten it. Sleeps.
    pub(super) fn sleep(&self, power_kept: bool) {
        // A handler that waited longer would hold the system up.
        self.gate.let_go();
        let mut access = self.access.lock();
        access.asleep = true;
        if let (Some(bound), false) = (&access.bound, power_kept) {
            Claimed::new(bound).release_interrupt();
        }
    }

    /// The system is back.
    pub(super) fn wake(&self) {
        self.access.lock().asleep = false;
        self.gate.open();
        self.awake.notify_all();
    }
}

/// A function whose host is claimed: nobody else uses the bus.
struct Claimed<'a>(&'a Bound);

impl<'a> Claimed<'a> {
    fn new(bound: &'a Bound) -> Self {
        // SAFETY: The function is valid by the type invariants of `Bound`.
        unsafe { bindings::sdio_claim_host(bound.0.as_ptr()) };
        Self(bound)
    }

    fn raw(&self) -> *mut bindings::sdio_func {
        self.0 .0.as_ptr()
    }

    fn card(&self) -> *mut bindings::mmc_card {
        // SAFETY: The function is valid by the type invariants of `Bound`; its card lives as long.
        unsafe { (*self.raw()).card }
    }

    fn host(&self) -> *mut bindings::mmc_host {
        // SAFETY: As above; a card's host lives as long as the card.
        unsafe { (*self.card()).host }
    }

    fn release_interrupt(&self) {
        // SAFETY: The function is valid and its host claimed.
        unsafe {
            if (*self.raw()).irq_handler.is_some() {
                // Fails on a card that is gone, and has done all that matters then.
                bindings::sdio_release_irq(self.raw());
            }
        }
    }

    fn limits(&self) -> Limits {
        // SAFETY: The host is valid.
        let (entries, entry_len) =
            unsafe { ((*self.host()).max_segs, (*self.host()).max_seg_size) };
        Limits {
            entries: usize::from(entries.max(1)),
            // A host that says nothing takes a page.
            entry_len: usize::try_from(entry_len)
                .unwrap_or(usize::MAX)
                .max(kernel::page::PAGE_SIZE),
        }
    }

    /// One data command; what `mmc_io_rw_extended()` does, but with the argument as it is given.
    fn transfer(&self, transfer: Transfer, list: &mut ScatterList) -> Result<(), Errno> {
        let (table, entries) = list.table();
        let mut command = bindings::mmc_command {
            opcode: bindings::SD_IO_RW_EXTENDED,
            arg: transfer.argument,
            flags: bindings::MMC_RSP_SPI_R5 | bindings::MMC_RSP_R5 | bindings::MMC_CMD_ADTC,
            ..Default::default()
        };
        let mut data = bindings::mmc_data {
            blksz: transfer.block_size,
            blocks: transfer.blocks,
            flags: if transfer.write {
                bindings::BES_MMC_DATA_WRITE
            } else {
                bindings::BES_MMC_DATA_READ
            },
            sg: table,
            sg_len: entries,
            ..Default::default()
        };
        let mut request = bindings::mmc_request {
            cmd: &raw mut command,
            data: &raw mut data,
            ..Default::default()
        };
        // SAFETY: Card and host are valid and claimed, the request and what it points to live until the call returns, and
        // the list names memory that does, too.
        unsafe {
            bindings::mmc_set_data_timeout(&raw mut data, self.card());
            bindings::mmc_wait_for_req(self.host(), &raw mut request);
        }
        // SAFETY: `command` and `data` are plain memory again; read through the pointers that the core wrote through.
        let (command_error, data_error, response) = unsafe {
            (
                (&raw const command.error).read(),
                (&raw const data.error).read(),
                (&raw const command.resp).read()[0],
            )
        };
        errno(command_error)?;
        errno(data_error)?;
        // SAFETY: The host is valid.
        if unsafe { (*self.host()).caps } & bindings::MMC_CAP_SPI != 0 {
            // Hosts of that kind have looked at the response themselves.
            return Ok(());
        }
        if response & bindings::R5_ERROR != 0 {
            Err(Errno::IO)
        } else if response & bindings::R5_FUNCTION_NUMBER != 0 {
            Err(Errno::INVAL)
        } else if response & bindings::R5_OUT_OF_RANGE != 0 {
            Err(Errno::RANGE)
        } else {
            Ok(())
        }
    }
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        // SAFETY: Claimed in `new()` by this thread: a `Claimed` never leaves its function.
        unsafe { bindings::sdio_release_host(self.raw()) };
    }
}

/// A CMD53 to be sent as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    /// The argument as it stands on the command line. Which bits mean what: SDIO specification, IO_RW_EXTENDED.
    pub(crate) argument: u32,
    /// Direction, as in the argument.
    pub(crate) write: bool,
    /// Bytes of a block; in byte mode the number of bytes.
    pub(crate) block_size: u32,
    /// Number of blocks; in byte mode 1.
    pub(crate) blocks: u32,
}

/// What a host and its card can do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capabilities {
    /// Most blocks of one command.
    pub(crate) max_blocks: u32,
    /// Largest block of the host in bytes.
    pub(crate) max_block_size: u32,
    /// Largest block of the function in bytes.
    pub(crate) function_block_size: u32,
    /// Most bytes of one command.
    pub(crate) max_bytes: u32,
    /// Most entries of a scatter list.
    pub(crate) max_segments: u16,
    /// The card takes several blocks with one command (CCCR SMB).
    pub(crate) multi_block: bool,
    /// The card may keep its power while the system sleeps.
    pub(crate) keeps_power: bool,
}

/// The bus to an SDIO function, for the one who owns it.
///
/// # Errors
///
/// A command waits while the system sleeps. Every method fails with [`Errno::NO_CARD`] once the driver is unbound, and with what the MMC core reports: a command
/// is sent once, retries are the caller's business.
pub(crate) struct Bus(Arc<Shared>);

impl Bus {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    fn claimed<R>(&self, what: impl FnOnce(&Claimed<'_>) -> Result<R, Errno>) -> Result<R, Errno> {
        let mut access = self.0.access.lock();
        while access.asleep && access.bound.is_some() {
            self.0.awake.wait(&mut access);
        }
        let bound = access.bound.as_ref().ok_or(Errno::NO_CARD)?;
        let claimed = Claimed::new(bound);
        what(&claimed)
    }

    /// CMD52 read.
    pub(crate) fn read_register(&mut self, address: u32) -> Result<u8, Errno> {
        self.claimed(|claimed| {
            let mut error = 0;
            // SAFETY: The function is valid, its host claimed, and `error` is valid for writing.
            let value = unsafe { bindings::sdio_readb(claimed.raw(), address, &raw mut error) };
            errno(error).map(|()| value)
        })
    }

    /// CMD52 write.
    pub(crate) fn write_register(&mut self, address: u32, value: u8) -> Result<(), Errno> {
        self.claimed(|claimed| {
            let mut error = 0;
            // SAFETY: As above.
            unsafe { bindings::sdio_writeb(claimed.raw(), value, address, &raw mut error) };
            errno(error)
        })
    }

    /// CMD53 read. `buffer` has as many bytes as `transfer` moves.
    pub(crate) fn read(
        &mut self,
        transfer: Transfer,
        buffer: &mut [u8],
        list: &mut ScatterList,
    ) -> Result<(), Errno> {
        if transfer.write || !transfer.moves(buffer.len()) {
            return Err(Errno::INVAL);
        }
        self.claimed(|claimed| {
            let prepared = list.prepare_read(buffer, claimed.limits());
            claimed.transfer(transfer, prepared.map_err(|_| Errno::NO_MEMORY)?)
        })?;
        list.finish_read(buffer);
        Ok(())
    }

    /// CMD53 write of `segments` one after the other. Together they have as many bytes as `transfer` moves.
    pub(crate) fn write(
        &mut self,
        transfer: Transfer,
        segments: &[&[u8]],
        list: &mut ScatterList,
    ) -> Result<(), Errno> {
        let len = segments.iter().map(|segment| segment.len()).sum();
        if !transfer.write || !transfer.moves(len) {
            return Err(Errno::INVAL);
        }
        self.claimed(|claimed| {
            let prepared = list.prepare_write(segments, claimed.limits());
            claimed.transfer(transfer, prepared.map_err(|_| Errno::NO_MEMORY)?)
        })
    }

    /// Enables the function (CCCR IOEx, waits for IORx) and sets its block size.
    pub(crate) fn enable(&mut self, block_size: u32) -> Result<(), Errno> {
        self.claimed(|claimed| {
            // SAFETY: The function is valid and its host claimed.
            errno(unsafe { bindings::sdio_enable_func(claimed.raw()) })?;
            // SAFETY: As above.
            errno(unsafe { bindings::sdio_set_block_size(claimed.raw(), block_size) })
        })
    }

    /// Disables the function.
    pub(crate) fn disable(&mut self) -> Result<(), Errno> {
        self.claimed(|claimed| {
            // SAFETY: The function is valid and its host claimed.
            errno(unsafe { bindings::sdio_disable_func(claimed.raw()) })
        })
    }

    /// Enables the interrupt of the function; [`Driver::interrupt`](super::Driver::interrupt) is called for it.
    pub(crate) fn claim_interrupt(&mut self) -> Result<(), Errno> {
        let handler = self.0.handler;
        self.0.gate.open();
        self.claimed(|claimed| {
            // SAFETY: The function is valid, its host claimed, and the handler is for it.
            errno(unsafe { bindings::sdio_claim_irq(claimed.raw(), Some(handler)) })
        })
    }

    /// Disables the interrupt. The handler does not run afterwards.
    pub(crate) fn release_interrupt(&mut self) -> Result<(), Errno> {
        self.0.gate.close();
        self.claimed(|claimed| {
            claimed.release_interrupt();
            Ok(())
        })
    }

    /// The card was served: its interrupt may be raised again.
    pub(crate) fn served(&self) {
        self.0.gate.served();
    }

    /// Forbids or allows re-tuning between commands. The calls are counted by the core, so they have to be paired.
    pub(crate) fn hold_tuning(&mut self, hold: bool) {
        // Fails if there is no card, and then there is nothing to hold.
        let _ = self.claimed(|claimed| {
            // SAFETY: The function is valid and its host claimed.
            unsafe {
                if hold {
                    bindings::sdio_retune_hold_now(claimed.raw());
                } else {
                    bindings::sdio_retune_release(claimed.raw());
                }
            }
            Ok(())
        });
    }

    /// Ends the transfer of the function that the card may still believe to be under way (CCCR, IO abort).
    pub(crate) fn abort(&mut self) -> Result<(), Errno> {
        self.claimed(|claimed| {
            // SAFETY: The function is valid and its host claimed.
            errno(unsafe { bindings::bes_sdio_abort(claimed.raw()) })
        })
    }

    /// Has the bus tuned again before its next command.
    ///
    /// # Errors
    ///
    /// "Not supported" by hosts that are never tuned.
    pub(crate) fn retune(&mut self) -> Result<(), Errno> {
        self.claimed(|claimed| {
            // SAFETY: The host is valid and claimed.
            errno(unsafe { bindings::bes_mmc_retune(claimed.host()) })
        })
    }

    /// Switches the card off and on again and has the MMC core set it up anew. Function and interrupt must be disabled.
    ///
    /// # Errors
    ///
    /// [`Errno::NO_CARD`] if the core resets by detecting the card again: the driver will be unbound.
    pub(crate) fn power_cycle(&mut self) -> Result<(), Errno> {
        self.claimed(|claimed| {
            let mut error = 0;
            // A card that is gone needs no reset, and the core would complain about it.
            // SAFETY: The function is valid, its host claimed, and `error` is valid for writing.
            unsafe { bindings::sdio_f0_readb(claimed.raw(), 0, &raw mut error) };
            if errno(error) == Err(Errno::NO_CARD) {
                return Err(Errno::NO_CARD);
            }
            // SAFETY: The card is valid and its host claimed.
            match unsafe { bindings::mmc_hw_reset(claimed.card()) } {
                0 => Ok(()),
                error if error < 0 => errno(error),
                _ => Err(Errno::NO_CARD),
            }
        })
    }

    /// What host and card can do.
    pub(crate) fn capabilities(&self) -> Result<Capabilities, Errno> {
        self.claimed(|claimed| {
            // SAFETY: Function, card and host are valid.
            unsafe {
                let host = claimed.host();
                Ok(Capabilities {
                    max_blocks: (*host).max_blk_count,
                    max_block_size: (*host).max_blk_size,
                    function_block_size: (*claimed.raw()).max_blksize,
                    max_bytes: (*host).max_req_size,
                    max_segments: (*host).max_segs,
                    multi_block: (*claimed.card()).cccr.multi_block() != 0,
                    keeps_power: (*host).pm_caps & bindings::BES_PM_KEEP_POWER != 0,
                })
            }
        })
    }
}

impl Transfer {
    /// Whether it moves `len` bytes.
    fn moves(self, len: usize) -> bool {
        u64::from(self.block_size) * u64::from(self.blocks) == len as u64 && len != 0
    }
}
