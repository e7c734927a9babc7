// SPDX-License-Identifier: GPL-2.0-only

//! A description in the device tree for a device that no driver of the device tree has made.
//!
//! C headers: `include/linux/of.h`, `include/linux/property.h`.

use super::bindings;
use kernel::device::Device;
use kernel::sync::aref::ARef;

/// The node that describes a device, for as long as this lives.
///
/// # Invariants
///
/// The device has no firmware node but the one that was set when this was made.
pub(crate) struct DeviceNode {
    device: ARef<Device>,
}

impl DeviceNode {
    /// Looks for a node at the root of the device tree that has the name of `device`. Without one, or without a device tree,
    /// the device has no description. The device's own description, if it had any, would be gone: only for a device that has
    /// none, and one value of this type at a time.
    pub(crate) fn by_name(device: &Device) -> Self {
        let node = Self {
            device: device.into(),
        };
        // INVARIANT: From here on it has what was found.
        // SAFETY: The device is valid. `Device` is transparent over the C type.
        unsafe { bindings::vsdio_describe(node.raw()) };
        node
    }

    fn raw(&self) -> *mut bindings::device {
        let device: *const Device = &*self.device;
        device.cast_mut().cast()
    }
}

impl Drop for DeviceNode {
    fn drop(&mut self) {
        // SAFETY: The device is valid, and by the type invariants its node is the one that was set.
        unsafe { bindings::vsdio_forget(self.raw()) };
    }
}
