// SPDX-License-Identifier: GPL-2.0-only

//! A kernel thread that owns a bus: it sleeps until somebody rings its bell or until a deadline, and stops when told so.
//!
//! C headers: [`include/linux/kthread.h`](srctree/include/linux/kthread.h),
//! [`include/linux/hrtimer.h`](srctree/include/linux/hrtimer.h)

use super::{bindings, clock};
use bes_hal::doorbell::{Doorbell, Reasons};
use bes_hal::Instant;
use core::ffi::c_void;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};
use kernel::error::{to_result, Error};
use kernel::prelude::*;
use kernel::str::CStr;
use kernel::sync::Arc;

/// The bell of one thread: who needs the thread rings, and of all who ring while it sleeps one wakes it.
///
/// # Invariants
///
/// `task` is null, or a task of which this value holds a reference. It is set once.
pub(crate) struct Bell {
    doorbell: Doorbell,
    task: AtomicPtr<bindings::task_struct>,
}

impl Bell {
    /// A bell that no thread listens to yet. What is rung for is kept.
    pub(crate) const fn new() -> Self {
        // INVARIANT: `task` is null.
        Self {
            doorbell: Doorbell::new(),
            task: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Rings for `reasons`. Any context but NMI, and any lock may be held that is not taken by the scheduler.
    pub(crate) fn ring(&self, reasons: Reasons) {
        if self.doorbell.ring(reasons) {
            let task = self.task.load(Ordering::Acquire);
            if !task.is_null() {
                // SAFETY: By the type invariants this value holds a reference to the task.
                unsafe { bindings::wake_up_process(task) };
            }
        }
    }

    /// Takes the reasons that were rung for. From here on rings do not wake the thread until it [rests](Self::rest).
    ///
    /// Only the thread may call it.
    pub(crate) fn answer(&self) -> Reasons {
        self.doorbell.answer()
    }

    /// Sleeps until somebody rings or until `deadline`; does not sleep if somebody has rung since the last
    /// [`answer`](Self::answer). Only the thread may call it, with nothing locked.
    pub(crate) fn rest(&self, deadline: Option<Instant>) {
        // SAFETY: Changes the state of the calling task only; the full barrier in it orders it before the look at the
        // bell, so that whoever rings afterwards finds a task that it can wake.
        unsafe { bindings::bes_set_current_state(bindings::TASK_IDLE) };
        if self.doorbell.rest() {
            let mut expires = deadline.map_or(0, clock::ktime);
            let expires = match deadline {
                Some(_) => &raw mut expires,
                None => ptr::null_mut(),
            };
            // SAFETY: `expires` is null or valid for the duration of the call, and nothing is locked.
            unsafe {
                bindings::schedule_hrtimeout_range(
                    expires,
                    0,
                    bindings::hrtimer_mode_HRTIMER_MODE_ABS,
                )
            };
            // Whoever woke the thread has rung; a deadline rings here. Nobody is to be woken: it is awake.
            let _ = self.doorbell.ring(Reasons::TIMER);
        }
        // SAFETY: As above.
        unsafe { bindings::bes_set_current_state(bindings::TASK_RUNNING) };
    }

    /// Lets others run if they need to: for a thread that has no time to rest.
    pub(crate) fn breathe(&self) {
        // SAFETY: May sleep; called by a thread with nothing locked.
        unsafe { bindings::bes_cond_resched() };
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        let task = *self.task.get_mut();
        if !task.is_null() {
            // SAFETY: By the type invariants the reference is ours, and it is not used again.
            unsafe { bindings::bes_put_task_struct(task) };
        }
    }
}

/// What a [`BusThread`] does.
pub(crate) trait Body: Send + 'static {
    /// Runs until [`Reasons::STOP`] is rung. Called on the thread.
    fn run(self, bell: &Bell);
}

/// What the new thread takes over.
struct Start<B> {
    body: B,
    bell: Arc<Bell>,
}

/// A running thread. It is stopped when this value is dropped.
///
/// # Invariants
///
/// `task` is a thread made by [`BusThread::start`] that was not waited for yet, and `bell` holds a reference to it. `start`
/// comes from `KBox::into_raw()` and belongs to the thread, unless the thread ends without having run.
pub(crate) struct BusThread<B: Body> {
    bell: Arc<Bell>,
    task: NonNull<bindings::task_struct>,
    start: *mut Start<B>,
}

// SAFETY: A thread may be stopped from any other, and what `start` points to is `Send`.
unsafe impl<B: Body> Send for BusThread<B> {}
// SAFETY: There are no methods that change anything through a shared reference.
unsafe impl<B: Body> Sync for BusThread<B> {}

impl<B: Body> BusThread<B> {
    /// Starts a thread with the name `name` that runs `body` and listens to `bell`. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`], or [`EINTR`] if the caller was killed. [`EBUSY`] if another thread listens to `bell` already.
    pub(crate) fn start(name: &CStr, bell: Arc<Bell>, body: B) -> Result<Self> {
        let start = KBox::new(
            Start {
                body,
                bell: bell.clone(),
            },
            GFP_KERNEL,
        )?;
        let start = KBox::into_raw(start);
        // SAFETY: `entry` takes over `start` once the thread runs, and expects a `Start<B>`; the format is "%s" with one
        // string.
        let task = unsafe {
            bindings::kthread_create_on_node(
                Some(entry::<B>),
                start.cast(),
                bindings::NUMA_NO_NODE,
                c"%s".as_char_ptr(),
                name.as_char_ptr(),
            )
        };
        // What `IS_ERR()` does: the last page of the address space holds error numbers.
        let number = task.addr() as isize;
        if (-4095..0).contains(&number) {
            // SAFETY: There is no thread that would have taken it over.
            drop(unsafe { KBox::from_raw(start) });
            return Err(Error::from_errno(i32::try_from(number).unwrap_or(-12)));
        }
        // SAFETY: A new thread is valid until it was waited for or has run to its end, and it has not run yet.
        unsafe { bindings::bes_get_task_struct(task) };
        let listening =
            bell.task
                .compare_exchange(ptr::null_mut(), task, Ordering::AcqRel, Ordering::Acquire);
        if listening.is_err() {
            // SAFETY: The thread was never woken, so it ends without running `entry`; the reference is ours.
            unsafe {
                bindings::kthread_stop(task);
                bindings::bes_put_task_struct(task);
                drop(KBox::from_raw(start));
            }
            return Err(EBUSY);
        }
        // SAFETY: The bell holds a reference to the task.
        unsafe { bindings::wake_up_process(task) };
        // INVARIANT: Made above, not waited for, and the bell holds a reference.
        NonNull::new(task)
            .map(|task| Self { bell, task, start })
            .ok_or(ENOMEM)
    }
}

impl<B: Body> Drop for BusThread<B> {
    /// Rings for [`Reasons::STOP`] and waits until the thread has ended. Sleeps.
    fn drop(&mut self) {
        self.bell.ring(Reasons::STOP);
        // SAFETY: By the type invariants the thread was not waited for yet, and the bell's reference keeps the task.
        let result = unsafe { bindings::kthread_stop(self.task.as_ptr()) };
        // `entry` returns 0. Anything else means that the thread was stopped before it began.
        if to_result(result).is_err() {
            // SAFETY: By the type invariants it is ours then.
            drop(unsafe { KBox::from_raw(self.start) });
        }
    }
}

/// Where the thread starts.
///
/// # Safety
///
/// `data` comes from `KBox::into_raw()` of a `Start<B>`, and belongs to this function.
unsafe extern "C" fn entry<B: Body>(data: *mut c_void) -> kernel::ffi::c_int {
    // SAFETY: By the safety requirements.
    let start = unsafe { KBox::from_raw(data.cast::<Start<B>>()) };
    let Start { body, bell } = KBox::into_inner(start);
    body.run(&bell);
    drop(bell);
    // A thread that has ended can still be waited for: the bell's reference to its task, which the `BusThread` keeps
    // alive, outlives it.
    0
}
