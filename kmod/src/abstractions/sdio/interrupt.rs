// SPDX-License-Identifier: GPL-2.0-only

//! The interrupt of an SDIO function whose handler may not use the bus.
//!
//! An SDIO interrupt is a level: it is there until the card was served. The MMC core masks it while the function's
//! handler runs and unmasks it right after, so a handler that only wakes somebody is called again and again until that
//! somebody has served the card; on hosts whose interrupt thread has real-time priority nobody else may run at all. So
//! the handler stays in here, with the bus given back, until the owner of the bus says that it is done:
//!
//! ```text
//!   MMC core's thread            owner of the bus
//!   mask, claim the bus
//!   handler: enter() ── ring ──► wakes
//!     gives the bus back          CMD52, CMD53, ... until the card has nothing more
//!     waits               ◄────── served()
//!     claims the bus              rests
//!   unmask
//! ```
//!
//! The owner is woken once for each interrupt, and while it is at work there are none. An owner that never says that it
//! is done costs [`LIMIT`] each time.

use super::super::bindings;
use core::sync::atomic::{AtomicU32, Ordering};
use kernel::prelude::*;
use kernel::types::Opaque;

/// Longest time that a handler waits for the owner, in milliseconds.
const LIMIT: u32 = 1000;

/// No handler may wait: the interrupt is about to be released.
const CLOSED: u32 = 1;
/// A handler is in here.
const INSIDE: u32 = 1 << 1;
/// A handler waits for the owner.
const WAITING: u32 = 1 << 2;

/// Where a handler waits.
///
/// # Invariants
///
/// `served` and `left` are initialised completions.
#[pin_data]
pub(crate) struct Gate {
    state: AtomicU32,
    #[pin]
    served: Opaque<bindings::completion>,
    #[pin]
    left: Opaque<bindings::completion>,
}

// SAFETY: Completions may be used from any thread.
unsafe impl Send for Gate {}
// SAFETY: Completions and atomics may be used from several threads at once.
unsafe impl Sync for Gate {}

impl Gate {
    /// A closed gate.
    pub(super) fn new() -> impl PinInit<Self> {
        // INVARIANT: Both completions are initialised here.
        pin_init!(Self {
            state: AtomicU32::new(CLOSED),
            served <- Opaque::ffi_init(|inner| {
                // SAFETY: `inner` is valid for writing.
                unsafe { bindings::bes_init_completion(inner) }
            }),
            left <- Opaque::ffi_init(|inner| {
                // SAFETY: `inner` is valid for writing.
                unsafe { bindings::bes_init_completion(inner) }
            }),
        })
    }

    /// Handlers may wait from now on.
    pub(super) fn open(&self) {
        self.state.fetch_and(!CLOSED, Ordering::AcqRel);
    }

    /// Sends the handler that waits away; later ones do not wait until the gate is opened again. The handler may still be
    /// on its way out when this returns.
    pub(super) fn let_go(&self) {
        let before = self.state.fetch_or(CLOSED, Ordering::AcqRel);
        if before & INSIDE != 0 {
            // SAFETY: Initialised by the type invariants.
            unsafe { bindings::complete(self.served.get()) };
        }
    }

    /// Sends the handler that waits away, and waits until it has left. Later ones do not wait. Sleeps.
    ///
    /// The bus must not be claimed by the caller: the handler claims it on its way out.
    pub(super) fn close(&self) {
        let before = self.state.fetch_or(CLOSED, Ordering::AcqRel);
        if before & CLOSED != 0 || before & INSIDE == 0 {
            return;
        }
        // SAFETY: Initialised by the type invariants.
        unsafe { bindings::complete(self.served.get()) };
        // SAFETY: As above. The handler waits for the completion just made, and then for the bus.
        unsafe { bindings::wait_for_completion(self.left.get()) };
    }

    /// A handler calls `ring` and waits until the owner has served the card.
    ///
    /// # Safety
    ///
    /// Called by the handler of the interrupt of `func`, so with the bus claimed by the calling thread.
    pub(super) unsafe fn enter(&self, func: *mut bindings::sdio_func, ring: impl FnOnce()) {
        // Before the bell rings: the owner may be done before this thread waits.
        // SAFETY: Initialised by the type invariants. Only this handler waits for it, and it is not called twice at once.
        unsafe { bindings::bes_reinit_completion(self.served.get()) };
        let before = self.state.fetch_or(INSIDE | WAITING, Ordering::AcqRel);
        ring();
        if before & CLOSED == 0 {
            // SAFETY: The bus is claimed by this thread, by the safety requirements.
            unsafe { bindings::sdio_release_host(func) };
            // SAFETY: Initialised by the type invariants.
            unsafe {
                bindings::wait_for_completion_timeout(
                    self.served.get(),
                    bindings::bes_msecs_to_jiffies_sdio(LIMIT),
                )
            };
            // SAFETY: The caller of the handler expects the bus claimed; `func` is valid while its handler runs.
            unsafe { bindings::sdio_claim_host(func) };
        }
        let before = self.state.fetch_and(!(INSIDE | WAITING), Ordering::AcqRel);
        if before & CLOSED != 0 {
            // SAFETY: Initialised by the type invariants.
            unsafe { bindings::complete(self.left.get()) };
        }
    }

    /// The owner has served the card: the handler that waits goes on. Does nothing if none does.
    pub(crate) fn served(&self) {
        if self.state.load(Ordering::Relaxed) & WAITING == 0 {
            return;
        }
        if self.state.fetch_and(!WAITING, Ordering::AcqRel) & WAITING != 0 {
            // SAFETY: Initialised by the type invariants.
            unsafe { bindings::complete(self.served.get()) };
        }
    }
}
