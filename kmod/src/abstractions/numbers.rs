// SPDX-License-Identifier: GPL-2.0-only

//! Error numbers of this architecture that the `kernel` crate has no names for.

use super::bindings;

macro_rules! numbers {
    ($($name:ident),* $(,)?) => {
        $(
            #[doc = concat!("C: `", stringify!($name), "`.")]
            pub(crate) const $name: i32 = bindings::$name as i32;
        )*
    };
}

numbers! {
    EBUSY, EILSEQ, EINVAL, EIO, ENETDOWN, ENODEV, ENOMEDIUM, ENOMEM, ENOSPC, ENOTCONN, ENXIO, EOPNOTSUPP, ERANGE,
    ESHUTDOWN, ETIME, ETIMEDOUT,
}
