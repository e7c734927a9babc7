// SPDX-License-Identifier: GPL-2.0-only

//! Group addresses that network interfaces subscribe.

use super::super::bindings;
use core::marker::PhantomData;

/// A list of group addresses, valid for `'a`.
///
/// # Invariants
///
/// `next` is an entry of a valid `struct netdev_hw_addr_list` or its head, `end` is the head, and the list does not
/// change during `'a`.
pub(crate) struct GroupAddresses<'a> {
    next: *const bindings::list_head,
    end: *const bindings::list_head,
    list: PhantomData<&'a bindings::list_head>,
}

impl GroupAddresses<'_> {
    /// # Safety
    ///
    /// `list` is valid, and locked during `'a`.
    pub(super) unsafe fn new(list: *mut bindings::netdev_hw_addr_list) -> Self {
        // INVARIANT: By the requirements of this function.
        // SAFETY: As above.
        unsafe {
            let end = &raw const (*list).list;
            Self {
                next: (*end).next,
                end,
                list: PhantomData,
            }
        }
    }
}

impl Iterator for GroupAddresses<'_> {
    type Item = [u8; 6];

    fn next(&mut self) -> Option<[u8; 6]> {
        if core::ptr::eq(self.next, self.end) {
            return None;
        }
        // SAFETY: By the type invariants this is the list head of an entry, which starts with it.
        let entry = unsafe { &*kernel::container_of!(self.next, bindings::netdev_hw_addr, list) };
        self.next = entry.list.next;
        let [a, b, c, d, e, f, ..] = entry.addr;
        Some([a, b, c, d, e, f])
    }
}
