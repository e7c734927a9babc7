// SPDX-License-Identifier: GPL-2.0-only

//! Trace events of the driver, below `events/bes2600/` of the tracing file system. Each costs a branch while nobody
//! listens.
//!
//! C header: `shim/bes_trace.h`

use super::bindings;
use kernel::device::Device;

fn raw(device: &Device) -> *const bindings::device {
    // A `Device` is a `struct device`.
    core::ptr::from_ref(device).cast()
}

/// A CMD53 has ended.
pub(crate) fn transfer(device: &Device, write: bool, address: u32, bytes: u32, failed: bool) {
    // SAFETY: The device is valid; events may come from any context.
    unsafe { bindings::bes_trace_transfer(raw(device), write, address, bytes, failed) };
}

/// Messages travelled in one transfer: to the chip if `down`.
pub(crate) fn burst(device: &Device, down: bool, messages: u32, bytes: u32) {
    // SAFETY: As above.
    unsafe { bindings::bes_trace_burst(raw(device), down, messages, bytes) };
}

/// A message came from the chip, or went to it if `down`: its header word and its length.
pub(crate) fn message(device: &Device, down: bool, header: u16, len: u32) {
    // SAFETY: As above.
    unsafe {
        if down {
            bindings::bes_trace_message_down(raw(device), header, len);
        } else {
            bindings::bes_trace_message_up(raw(device), header, len);
        }
    }
}

/// Buffers of the chip in use changed.
pub(crate) fn credit(device: &Device, capacity: u32, outstanding: u32, waiting: u32) {
    // SAFETY: As above.
    unsafe { bindings::bes_trace_credit(raw(device), capacity, outstanding, waiting) };
}

/// The state of the device changed: its number, as the event names them.
pub(crate) fn state(device: &Device, state: u32) {
    // SAFETY: As above.
    unsafe { bindings::bes_trace_state(raw(device), state) };
}
