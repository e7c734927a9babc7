// SPDX-License-Identifier: GPL-2.0-only

//! Waiting under a mutex, with an exact or a coarse limit, and for `poll`.
//!
//! [`kernel::sync::CondVar`] counts in jiffies (10 ms on some machines) and cannot wait for so long without being
//! disturbed by signals; this does both.
//!
//! C headers: `include/linux/wait.h`, `include/linux/hrtimer.h`, `include/linux/poll.h`.

use core::marker::PhantomPinned;
use core::ptr;
use kernel::bindings;
use kernel::ffi::c_int;
use kernel::fs::File;
use kernel::prelude::*;
use kernel::sync::{LockClassKey, MutexGuard};
use kernel::time::Jiffies;
use kernel::types::Opaque;

/// When an interruptible wait ends by itself.
#[derive(Clone, Copy)]
pub(crate) struct Expiry(Option<bindings::ktime_t>);

impl Expiry {
    /// Never.
    pub(crate) const NEVER: Self = Self(None);

    /// So many nanoseconds from now. What lies beyond the clock's end is never.
    pub(crate) fn after(nanoseconds: u64) -> Self {
        // SAFETY: May be called at any time.
        let now = unsafe { bindings::ktime_get() };
        Self(
            i64::try_from(nanoseconds)
                .ok()
                .and_then(|nanoseconds| now.checked_add(nanoseconds)),
        )
    }
}

/// Why an interruptible wait ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    /// By [`WaitQueue::wake`], or for no reason.
    Up,
    /// The limit has passed.
    Expired,
    /// The thread has a signal to see to.
    Signal,
}

/// A kernel wait queue: threads that wait for a change of something that a mutex protects.
///
/// # Invariants
///
/// `head` is initialised and pinned.
#[pin_data]
pub(crate) struct WaitQueue {
    #[pin]
    head: Opaque<bindings::wait_queue_head>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: A wait queue may be used from any thread.
unsafe impl Send for WaitQueue {}

// SAFETY: A wait queue has a lock of its own.
unsafe impl Sync for WaitQueue {}

impl WaitQueue {
    /// A queue without waiters.
    pub(crate) fn new(name: &'static CStr, key: Pin<&'static LockClassKey>) -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: `slot` may be written, `name` and `key` live for ever.
            head <- Opaque::ffi_init(|slot| unsafe {
                bindings::__init_waitqueue_head(slot, name.as_char_ptr(), key.as_ptr())
            }),
            _pin: PhantomPinned,
        })
    }

    /// Gives up the mutex, waits for [`wake`](Self::wake), a signal or the `expiry`, and takes the mutex again.
    ///
    /// No wake is lost that comes after the mutex was given up. It may also return without one.
    pub(crate) fn wait_interruptible<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        expiry: Expiry,
    ) -> (MutexGuard<'a, T>, Woken) {
        let mut expired = false;
        let guard = self.wait(guard, bindings::TASK_INTERRUPTIBLE as c_int, || {
            let mut time = expiry.0.unwrap_or(0);
            let time = match expiry.0 {
                Some(_) => &raw mut time,
                None => ptr::null_mut(),
            };
            // SAFETY: `time` is null, for ever, or points to a time that lives as long as the call, which may sleep: no
            // lock is held here.
            let result = unsafe {
                bindings::schedule_hrtimeout_range(time, 0, bindings::hrtimer_mode_HRTIMER_MODE_ABS)
            };
            expired = result == 0;
        });
        let woken = if kernel::current!().signal_pending() {
            Woken::Signal
        } else if expired {
            Woken::Expired
        } else {
            Woken::Up
        };
        (guard, woken)
    }

    /// As [`wait_interruptible`](Self::wait_interruptible), but signals do not disturb it, and the limit is coarse and
    /// cheap. Returns what is left of it.
    pub(crate) fn wait_uninterruptible<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: Jiffies,
    ) -> (MutexGuard<'a, T>, Jiffies) {
        let mut left = 0;
        let limit = kernel::ffi::c_long::try_from(limit).unwrap_or(kernel::ffi::c_long::MAX);
        let guard = self.wait(guard, bindings::TASK_UNINTERRUPTIBLE as c_int, || {
            // SAFETY: May be called with any limit in a context that may sleep: no lock is held here.
            left = unsafe { bindings::schedule_timeout(limit) };
        });
        (guard, Jiffies::try_from(left).unwrap_or(0))
    }

    fn wait<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        state: c_int,
        sleep: impl FnOnce(),
    ) -> MutexGuard<'a, T> {
        let mutex = guard.lock_ref();
        let entry = Opaque::<bindings::wait_queue_entry>::uninit();
        // SAFETY: `entry` is memory for an entry, for the calling thread.
        unsafe { bindings::init_wait(entry.get()) };
        // SAFETY: By the type invariants the queue is initialised; `entry` was just initialised, and leaves the queue
        // below, before it goes out of scope.
        unsafe { bindings::prepare_to_wait(self.head.get(), entry.get(), state) };
        // From here on the thread is in the queue: whoever changes the state under the mutex finds it there.
        drop(guard);
        sleep();
        // SAFETY: As above.
        unsafe { bindings::finish_wait(self.head.get(), entry.get()) };
        mutex.lock()
    }

    /// Wakes all waiters.
    pub(crate) fn wake(&self) {
        // SAFETY: By the type invariants the queue is initialised.
        unsafe { bindings::__wake_up(self.head.get(), bindings::TASK_NORMAL, 0, ptr::null_mut()) };
    }
}

/// A `poll`, `select` or `epoll` that wants to know when to ask again.
///
/// # Invariants
///
/// `table` is null or valid for `'a`. What lives for `'a` also lives until `file` is released.
pub(crate) struct Poll<'a> {
    file: &'a File,
    table: *mut bindings::poll_table,
}

impl<'a> Poll<'a> {
    /// # Safety
    ///
    /// `table` is null or valid for `'a`, and belongs to a poll of `file` that is going on. What lives for `'a` also
    /// lives until `file` is released.
    pub(super) unsafe fn from_raw(file: &'a File, table: *mut bindings::poll_table) -> Self {
        // INVARIANT: By the function's safety requirements.
        Self { file, table }
    }

    /// Has the poll ask again when `queue` is woken.
    pub(crate) fn register(&self, queue: &'a WaitQueue) {
        // SAFETY: `file` and, by the type invariants, `table` are valid; the queue is initialised, and lives until the
        // file is released, when the kernel has removed all polls of it.
        unsafe { bindings::poll_wait(self.file.as_ptr(), queue.head.get(), self.table) };
    }
}
