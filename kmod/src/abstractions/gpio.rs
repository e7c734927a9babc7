// SPDX-License-Identifier: GPL-2.0-only

//! GPIO lines as a device uses them.
//!
//! C header: [`include/linux/gpio/consumer.h`](srctree/include/linux/gpio/consumer.h)

use super::bindings;
use core::ptr::NonNull;
use kernel::device::{Bound, Device};
use kernel::error::{to_result, Error};
use kernel::prelude::*;
use kernel::str::CStr;

/// What a line is for.
#[derive(Clone, Copy)]
pub(crate) enum Direction {
    /// It is read.
    Input,
    /// It is driven, and released to begin with.
    Output,
}

/// A GPIO line. Levels are logical: what is active on the wire is said by the device's description.
///
/// # Invariants
///
/// `line` is a GPIO descriptor that this value owns.
pub(crate) struct Line {
    line: NonNull<bindings::gpio_desc>,
}

// SAFETY: A descriptor belongs to no thread.
unsafe impl Send for Line {}
// SAFETY: gpiolib serialises access to a line.
unsafe impl Sync for Line {}

impl Line {
    /// The line that the device's description calls `name` (`name-gpios`), or `None` if it has none. May sleep.
    ///
    /// # Errors
    ///
    /// `EPROBE_DEFER` if the controller of the line is not there yet, [`EBUSY`] if the line is in use, [`EINVAL`] if the
    /// description is wrong.
    pub(crate) fn optional(
        device: &Device<Bound>,
        name: &CStr,
        direction: Direction,
    ) -> Result<Option<Self>> {
        let device: *const Device<Bound> = device;
        let device = device.cast_mut().cast();
        // SAFETY: `device` is valid, a `Device` is a `struct device`, and `name` ends with a NUL.
        let line = unsafe {
            match direction {
                Direction::Input => bindings::bes_gpiod_get_input(device, name.as_char_ptr()),
                Direction::Output => bindings::bes_gpiod_get_output(device, name.as_char_ptr()),
            }
        };
        // What `IS_ERR()` does: the last page of the address space holds error numbers.
        let number = line.addr() as isize;
        if (-4095..0).contains(&number) {
            return Err(Error::from_errno(i32::try_from(number).unwrap_or(-22)));
        }
        // INVARIANT: Not null and no error number, so it is a descriptor, and it was given to us.
        Ok(NonNull::new(line).map(|line| Self { line }))
    }

    /// Makes the line active or not. May sleep.
    ///
    /// # Errors
    ///
    /// What the controller of the line reports.
    pub(crate) fn set(&self, active: bool) -> Result {
        // SAFETY: The descriptor is valid by the type invariants.
        to_result(unsafe { bindings::bes_gpiod_set(self.line.as_ptr(), i32::from(active)) })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // SAFETY: The descriptor is ours by the type invariants, and not used again.
        unsafe { bindings::bes_gpiod_put(self.line.as_ptr()) };
    }
}
