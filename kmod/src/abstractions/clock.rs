// SPDX-License-Identifier: GPL-2.0-only

//! Monotonic time.
//!
//! C header: [`include/linux/timekeeping.h`](srctree/include/linux/timekeeping.h)

use super::bindings;
use bes_hal::Instant;

/// Time since the machine was started, without the time it was suspended (`CLOCK_MONOTONIC`).
#[inline]
pub(crate) fn now() -> Instant {
    // SAFETY: `ktime_get()` may be called in any context but NMI; nothing of this driver runs there.
    let nanos = unsafe { bindings::ktime_get() };
    // Never negative: it counts from the start of the machine.
    Instant::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

/// `instant` as the kernel's timers want it.
pub(super) fn ktime(instant: Instant) -> bindings::ktime_t {
    bindings::ktime_t::try_from(instant.as_nanos()).unwrap_or(bindings::ktime_t::MAX)
}
