// SPDX-License-Identifier: GPL-2.0-only

//! A device that no driver of the device tree has made, with a description in the device tree.
//!
//! C headers: `include/linux/of.h`, `include/linux/property.h`.

use super::bindings;
use core::ops::Deref;
use kernel::device::Device;
use kernel::sync::aref::ARef;

/// A device that has a description in the device tree for as long as this lives.
///
/// # Invariants
///
/// The device has no firmware node but the one that was set when this was made.
pub(crate) struct DescribedDevice(ARef<Device>);

impl DescribedDevice {
    /// Looks for a node at the root of the device tree that has the name of `device`. Without one, or without a device tree,
    /// the device has no description. The device's own description, if it had any, would be gone: only for a device that has
    /// none, and one value of this type at a time.
    pub(crate) fn by_name(device: &Device) -> Self {
        let described = Self(device.into());
        // INVARIANT: From here on it has what was found.
        // SAFETY: The device is valid. `Device` is transparent over the C type.
        unsafe { bindings::vsdio_describe(described.raw()) };
        described
    }

    fn raw(&self) -> *mut bindings::device {
        let device: *const Device = &*self.0;
        device.cast_mut().cast()
    }
}

impl Deref for DescribedDevice {
    type Target = Device;

    fn deref(&self) -> &Device {
        &self.0
    }
}

impl Drop for DescribedDevice {
    fn drop(&mut self) {
        // SAFETY: The device is valid, and by the type invariants its node is the one that was set.
        unsafe { bindings::vsdio_forget(self.raw()) };
    }
}
