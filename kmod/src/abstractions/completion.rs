// SPDX-License-Identifier: GPL-2.0-only

//! Something that happens once, and waiting for it with a limit. `kernel::sync::Completion` knows no limit.
//!
//! C header: [`include/linux/completion.h`](srctree/include/linux/completion.h)

use super::bindings;
use bes_hal::Duration;
use kernel::prelude::*;
use kernel::types::Opaque;

/// Something that happens once.
///
/// # Invariants
///
/// `inner` is an initialised completion.
#[pin_data]
pub(crate) struct Once {
    #[pin]
    inner: Opaque<bindings::completion>,
}

// SAFETY: A completion may be used from any thread.
unsafe impl Send for Once {}
// SAFETY: A completion may be used from several threads at once.
unsafe impl Sync for Once {}

impl Once {
    /// It has not happened yet.
    pub(crate) fn new() -> impl PinInit<Self> {
        // INVARIANT: Initialised here.
        pin_init!(Self {
            inner <- Opaque::ffi_init(|inner| {
                // SAFETY: `inner` is valid for writing.
                unsafe { bindings::bes_completion_init(inner) }
            }),
        })
    }

    /// It happens: who waits is woken, and whoever waits later need not. Any context.
    pub(crate) fn happen(&self) {
        // SAFETY: Initialised by the type invariants.
        unsafe { bindings::complete_all(self.inner.get()) };
    }

    /// Waits until it has happened, at most for `limit`. Sleeps.
    ///
    /// # Errors
    ///
    /// [`ETIMEDOUT`].
    pub(crate) fn wait(&self, limit: Duration) -> Result {
        let millis = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
        // SAFETY: No requirements.
        let jiffies = unsafe { bindings::bes_msecs_to_jiffies(millis) };
        // SAFETY: Initialised by the type invariants.
        let left = unsafe { bindings::wait_for_completion_timeout(self.inner.get(), jiffies) };
        if left == 0 {
            Err(ETIMEDOUT)
        } else {
            Ok(())
        }
    }
}
