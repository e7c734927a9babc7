// SPDX-License-Identifier: GPL-2.0-only

//! Memory for the tables of the driver.

use bes_hal::{Memory, NoMemory};
use kernel::alloc::KVVec;
use kernel::prelude::*;

/// The kernel's memory: tables need not be one physical piece.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tables;

impl Memory for Tables {
    type Table<T> = KVVec<T>;
    type Place<T> = KBox<T>;

    fn table<T>(
        &mut self,
        count: usize,
        mut make: impl FnMut(usize) -> T,
    ) -> Result<KVVec<T>, NoMemory> {
        let mut table = KVVec::with_capacity(count, GFP_KERNEL).map_err(|_| NoMemory)?;
        for n in 0..count {
            table.push_within_capacity(make(n)).map_err(|_| NoMemory)?;
        }
        Ok(table)
    }

    fn place<T>(&mut self, value: T) -> Result<KBox<T>, NoMemory> {
        KBox::new(value, GFP_KERNEL).map_err(|_| NoMemory)
    }
}
