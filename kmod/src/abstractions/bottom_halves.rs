// SPDX-License-Identifier: GPL-2.0-only

//! Bottom halves off: for locks that they take too.

use super::bindings;
use core::marker::PhantomData;
use kernel::types::NotThreadSafe;

/// No bottom half runs on this processor.
///
/// # Invariants
///
/// Bottom halves were switched off once for this value.
pub(crate) struct BottomHalvesOff(PhantomData<NotThreadSafe>);

impl BottomHalvesOff {
    /// Switches them off. In every context but a hard interrupt, with interrupts on.
    pub(crate) fn new() -> Self {
        // SAFETY: No requirements; undone in `drop`.
        unsafe { bindings::bes_local_bh_disable() };
        // INVARIANT: As just done.
        Self(PhantomData)
    }
}

impl Drop for BottomHalvesOff {
    fn drop(&mut self) {
        // SAFETY: Switched off once by the type invariants.
        unsafe { bindings::bes_local_bh_enable() };
    }
}
