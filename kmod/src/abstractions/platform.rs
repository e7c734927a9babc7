// SPDX-License-Identifier: GPL-2.0-only

//! What firmware tables, device tree and non-volatile memory know about a device and about the machine it is in.
//!
//! C headers: [`include/linux/etherdevice.h`](srctree/include/linux/etherdevice.h),
//! [`include/linux/of_net.h`](srctree/include/linux/of_net.h), [`include/linux/dmi.h`](srctree/include/linux/dmi.h)

use super::bindings;
use kernel::device::Device;
use kernel::error::to_result;
use kernel::prelude::*;
use kernel::str::{CStr, CStrExt};

/// Bytes of a MAC address.
pub(crate) const ADDRESS_LEN: usize = 6;

/// Where a device's description may hold its address, in the order in which the kernel looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Description {
    /// The property `mac-address`.
    MacAddress,
    /// The property `local-mac-address`.
    LocalMacAddress,
    /// The property `address`.
    Address,
    /// Non-volatile memory: `nvmem-cells` with the name `mac-address`.
    Nvmem,
}

impl Description {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [
        Self::MacAddress,
        Self::LocalMacAddress,
        Self::Address,
        Self::Nvmem,
    ];

    /// As it stands in the description.
    pub(crate) fn name(self) -> &'static CStr {
        match self {
            Self::MacAddress => c"mac-address",
            Self::LocalMacAddress => c"local-mac-address",
            Self::Address => c"address",
            Self::Nvmem => c"nvmem-cells",
        }
    }
}

/// The address that the device's description holds at `place`, as it stands there: not checked. May sleep.
///
/// # Errors
///
/// [`EINVAL`] or [`ENOENT`] if there is none, `EPROBE_DEFER` if the memory is not there yet.
pub(crate) fn described_address(device: &Device, place: Description) -> Result<[u8; ADDRESS_LEN]> {
    let mut address = [0; ADDRESS_LEN];
    let device: *const Device = device;
    let device = device.cast_mut().cast();
    // SAFETY: `device` is valid, a `Device` is a `struct device`; `address` has room for an address, and the name ends
    // with a NUL.
    let result = unsafe {
        match place {
            Description::Nvmem => bindings::bes_nvmem_address(device, address.as_mut_ptr()),
            _ => bindings::bes_property_address(
                device,
                place.name().as_char_ptr(),
                address.as_mut_ptr(),
            ),
        }
    };
    to_result(result).map(|()| address)
}

/// Something that names this machine and no other, as its maker wrote it: the `n`-th of what there may be. Texts that
/// makers leave in by mistake are among them.
pub(crate) fn machine_name(n: u32) -> Option<&'static CStr> {
    // SAFETY: No requirements; the result is null or a string that lives as long as the kernel runs.
    let text = unsafe { bindings::bes_machine_name(n) };
    if text.is_null() {
        return None;
    }
    // SAFETY: As above.
    Some(unsafe { CStr::from_char_ptr(text) })
}

/// How many [machine names](machine_name) to look for.
pub(crate) const MACHINE_NAMES: u32 = bindings::BES_MACHINE_NAMES;

/// Random bytes for an address.
pub(crate) fn random_address() -> [u8; ADDRESS_LEN] {
    let mut address = [0; ADDRESS_LEN];
    // SAFETY: `address` is valid for its length.
    unsafe { bindings::get_random_bytes(address.as_mut_ptr().cast(), ADDRESS_LEN) };
    address
}
