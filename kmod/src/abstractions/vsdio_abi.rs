// SPDX-License-Identifier: GPL-2.0-only

//! Copying the structures of `vsdio.ko`'s protocol from and to user space.

use crate::abi;
use kernel::bindings;
use kernel::error::Error;
use kernel::transmute::{AsBytes, FromBytes};

// SAFETY: `repr(C)`, all fields are integers or arrays of them, so every bit pattern is valid.
unsafe impl FromBytes for abi::Insert {}
// SAFETY: `repr(C)` of integers without padding: the sizes that `abi` asserts are the sums of the fields' sizes.
unsafe impl AsBytes for abi::Insert {}

// SAFETY: As for `Insert`.
unsafe impl FromBytes for abi::Answer {}
// SAFETY: As for `Insert`.
unsafe impl AsBytes for abi::Event {}

/// An error number of the protocol that the `kernel` crate has no constant for.
#[derive(Clone, Copy)]
pub(crate) enum Errno {
    /// `ESTALE`
    Stale,
    /// `ENOTCONN`
    NotConnected,
    /// `EPROTONOSUPPORT`
    ProtocolNotSupported,
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        let errno = match errno {
            Errno::Stale => bindings::ESTALE,
            Errno::NotConnected => bindings::ENOTCONN,
            Errno::ProtocolNotSupported => bindings::EPROTONOSUPPORT,
        };
        Self::from_errno(-(errno as i32))
    }
}
