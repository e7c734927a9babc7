// SPDX-License-Identifier: GPL-2.0-only

//! Bindings that bindgen made from the kernel's headers, for what the `kernel` crate has no abstraction of.
//!
//! Types that the `kernel` crate has bindings of too (`struct device`) are distinct types here: pointers to them are
//! cast where the two meet.

#![allow(
    clippy::all,
    clippy::as_underscore,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]
#![cfg_attr(
    CONFIG_RUSTC_HAS_UNNECESSARY_TRANSMUTES,
    allow(unnecessary_transmutes)
)]
#![cfg_attr(
    CONFIG_RUSTC_HAS_SUSPICIOUS_RUNTIME_SYMBOL_DEFINITIONS,
    allow(suspicious_runtime_symbol_definitions)
)]

use pin_init::{MaybeZeroable, Zeroable};

// Manual definitions for types that rust/bindgen_parameters leaves out.
type __kernel_size_t = usize;
type __kernel_ssize_t = isize;
type __kernel_ptrdiff_t = isize;

// SAFETY: `__BindgenBitfieldUnit<Storage>` is a newtype around `Storage`.
unsafe impl<Storage> Zeroable for __BindgenBitfieldUnit<Storage> where Storage: Zeroable {}

include!(concat!(env!("BES_KMOD_OBJ"), "/bindings_generated.rs"));
