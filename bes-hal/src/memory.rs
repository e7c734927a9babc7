//! Memory that the platform hands in, once, while the driver is put together.
//!
//! The driver has tables that are too large for a stack of a few KiB: frames that wait, frames inside the chip, events
//! that were not told yet. Their sizes are constants, and they never grow. A platform gives each of them a place of its
//! own when a device is made, so what the device itself holds, and what moves over the stack, stays small; afterwards the
//! driver asks for no memory any more, so nothing on the way of a frame can fail for want of it. The buffers of
//! [`crate::sdio::SdioFunction::allocate`] and [`crate::stack::Stack::allocate`] are the platform's own.
//!
//! Linux: `KVVec` for [`Memory::Table`], `KBox` for [`Memory::Place`]. With the standard library: [`Heap`]. A platform
//! without dynamic memory hands out parts of a static array.

use core::ops::DerefMut;
use thiserror::Error;

/// The platform has no memory for a table. Linux: `-ENOMEM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no memory for the driver's tables")]
pub struct NoMemory;

/// Where the driver's tables live.
///
/// What it hands out belongs to the driver until the driver drops it.
pub trait Memory {
    /// A table whose length does not change. Up to about 30 KiB, so it need not be one physical piece.
    type Table<T>: DerefMut<Target = [T]>;

    /// A place for one value. Up to 2 KiB.
    type Place<T>: DerefMut<Target = T>;

    /// A table of `count` entries; entry `n` is `make(n)`. Entries have at most a few hundred bytes.
    ///
    /// # Errors
    ///
    /// [`NoMemory`]; `make` may have been called for some of the entries.
    fn table<T>(
        &mut self,
        count: usize,
        make: impl FnMut(usize) -> T,
    ) -> Result<Self::Table<T>, NoMemory>;

    /// A place with `value` in it.
    ///
    /// # Errors
    ///
    /// [`NoMemory`]; the value is dropped.
    fn place<T>(&mut self, value: T) -> Result<Self::Place<T>, NoMemory>;
}

/// The memory of a program with the standard library.
#[cfg(any(test, feature = "std"))]
#[derive(Clone, Copy, Debug, Default)]
pub struct Heap;

#[cfg(any(test, feature = "std"))]
impl Memory for Heap {
    type Table<T> = std::boxed::Box<[T]>;
    type Place<T> = std::boxed::Box<T>;

    fn table<T>(
        &mut self,
        count: usize,
        make: impl FnMut(usize) -> T,
    ) -> Result<Self::Table<T>, NoMemory> {
        Ok((0..count).map(make).collect())
    }

    fn place<T>(&mut self, value: T) -> Result<Self::Place<T>, NoMemory> {
        Ok(std::boxed::Box::new(value))
    }
}

/// Memory that runs out: the given number of places and tables, and then none. For tests of what happens then.
#[cfg(any(test, feature = "std"))]
#[derive(Clone, Copy, Debug)]
pub struct Scarce {
    /// How many more there are.
    pub left: usize,
    /// Bytes of the largest value that moved into a table or a place so far.
    pub largest: usize,
}

#[cfg(any(test, feature = "std"))]
impl Scarce {
    /// Memory for `left` tables and places.
    pub const fn new(left: usize) -> Self {
        Self { left, largest: 0 }
    }

    fn take(&mut self, bytes: usize) -> Result<(), NoMemory> {
        self.left = self.left.checked_sub(1).ok_or(NoMemory)?;
        self.largest = self.largest.max(bytes);
        Ok(())
    }
}

#[cfg(any(test, feature = "std"))]
impl Memory for Scarce {
    type Table<T> = std::boxed::Box<[T]>;
    type Place<T> = std::boxed::Box<T>;

    fn table<T>(
        &mut self,
        count: usize,
        make: impl FnMut(usize) -> T,
    ) -> Result<Self::Table<T>, NoMemory> {
        self.take(size_of::<T>())?;
        Heap.table(count, make)
    }

    fn place<T>(&mut self, value: T) -> Result<Self::Place<T>, NoMemory> {
        self.take(size_of::<T>())?;
        Heap.place(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_every_entry_in_order() {
        let table = Heap.table(5, |n| n * n).unwrap();
        assert_eq!(*table, [0, 1, 4, 9, 16]);
        assert_eq!(*Heap.place('a').unwrap(), 'a');
    }

    #[test]
    fn scarce_memory_runs_out_and_knows_the_largest_value() {
        let mut memory = Scarce::new(2);
        assert!(memory.table(100, |_| 0_u16).is_ok());
        assert!(memory.place([0_u8; 12]).is_ok());
        assert_eq!(memory.place(0_u8).unwrap_err(), NoMemory);
        assert_eq!(memory.largest, 12);
    }
}
