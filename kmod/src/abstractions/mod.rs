// SPDX-License-Identifier: GPL-2.0-only

//! Abstractions of the kernel's C interfaces: the only place of the project with `unsafe` code.
//!
//! No raw binding is visible outside of this folder.

mod bindings;
