//! Credits: how many messages the chip can still take (specification: file 10, section 6.6; file 20, section 15.4).
//!
//! The chip announces its input buffers once, at startup. Each message on its way occupies one until its confirm. A
//! credit is a [`TxSlot`]: it cannot be cloned or made up, it is moved into the entry of the message that goes down, and
//! it is moved back exactly once when the confirm arrives. The window itself is a plain counter that only its owner can
//! reach. C: `hw_bufs_used`, a plain integer reachable from 57 places.
//!
//! A slot cannot be forged,
//! ```compile_fail,E0451
//! let slot = bes_wsm::tx_window::TxSlot { session: 0 };
//! ```
//! nor copied,
//! ```compile_fail,E0599
//! fn twice(window: &mut bes_wsm::tx_window::TxWindow) {
//!     if let Some(slot) = window.take() {
//!         let copy = slot.clone();
//!     }
//! }
//! ```
//! nor released twice,
//! ```compile_fail,E0382
//! fn twice(window: &mut bes_wsm::tx_window::TxWindow) {
//!     if let Some(slot) = window.take() {
//!         window.release(slot);
//!         window.release(slot);
//!     }
//! }
//! ```
//! while releasing once is what it is for:
//! ```
//! let mut window = bes_wsm::tx_window::TxWindow::new();
//! window.open(2);
//! let slot = window.take().expect("two buffers are free");
//! assert_eq!(window.outstanding(), 1);
//! window.release(slot);
//! assert_eq!(window.outstanding(), 0);
//! ```

/// The right to have one message inside the chip.
///
/// Dropping it does not return the credit: the chip still holds the buffer until it confirms.
#[derive(Debug)]
#[must_use = "a slot that is dropped is a credit that never comes back"]
pub struct TxSlot {
    session: u8,
}

/// The chip's input buffers, counted.
#[derive(Debug, Default)]
pub struct TxWindow {
    capacity: u16,
    /// Without the buffer that is kept for commands.
    data_capacity: u16,
    outstanding: u16,
    session: u8,
}

impl TxWindow {
    /// A closed window: nothing can be sent.
    pub const fn new() -> Self {
        Self {
            capacity: 0,
            data_capacity: 0,
            outstanding: 0,
            session: 0,
        }
    }

    /// The chip has announced `capacity` buffers. Slots of an earlier session become worthless.
    pub fn open(&mut self, capacity: u16) {
        self.close();
        self.capacity = capacity;
        self.data_capacity = capacity.saturating_sub(1);
    }

    /// The session is over: nothing can be sent, and slots still out are worthless.
    pub fn close(&mut self) {
        self.session = self.session.wrapping_add(1);
        self.capacity = 0;
        self.data_capacity = 0;
        self.outstanding = 0;
    }

    /// Buffers the chip has, 0 while closed.
    pub const fn capacity(&self) -> u16 {
        self.capacity
    }

    /// Buffers in use.
    pub const fn outstanding(&self) -> u16 {
        self.outstanding
    }

    /// Buffers that data may still use: the last one is kept for commands.
    #[inline]
    pub const fn free_for_data(&self) -> u16 {
        self.data_capacity.saturating_sub(self.outstanding)
    }

    /// Whether one of them is left.
    #[inline]
    pub(crate) const fn has_for_data(&self) -> bool {
        self.outstanding < self.data_capacity
    }

    /// Takes a buffer for a command, if there is one.
    #[inline]
    pub fn take(&mut self) -> Option<TxSlot> {
        if self.outstanding >= self.capacity {
            return None;
        }
        self.outstanding = self.outstanding.saturating_add(1);
        Some(TxSlot {
            session: self.session,
        })
    }

    /// Takes a buffer for a data frame, if one is left beside the one kept for commands.
    #[inline]
    pub fn take_for_data(&mut self) -> Option<TxSlot> {
        if self.outstanding >= self.data_capacity {
            return None;
        }
        self.outstanding = self.outstanding.wrapping_add(1);
        Some(TxSlot {
            session: self.session,
        })
    }

    /// Gives a buffer back, once the chip has confirmed the message in it.
    #[inline]
    pub fn release(&mut self, slot: TxSlot) {
        // A slot of an earlier session was taken from a window that no longer exists.
        if slot.session == self.session {
            self.outstanding = self.outstanding.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_window_gives_nothing() {
        let mut window = TxWindow::new();
        assert!(window.take().is_none());
        assert!(window.take_for_data().is_none());
    }

    #[test]
    fn the_last_buffer_is_kept_for_a_command() {
        let mut window = TxWindow::new();
        window.open(3);
        let first = window.take_for_data().unwrap();
        let second = window.take_for_data().unwrap();
        assert!(window.take_for_data().is_none());
        let command = window.take().unwrap();
        assert!(window.take().is_none());
        for slot in [first, second, command] {
            window.release(slot);
        }
        assert_eq!(window.outstanding(), 0);
    }

    #[test]
    fn a_slot_of_an_earlier_session_does_not_open_the_new_one() {
        let mut window = TxWindow::new();
        window.open(2);
        let old = window.take().unwrap();
        window.open(2);
        let new = window.take().unwrap();
        window.release(old);
        assert_eq!(window.outstanding(), 1);
        window.release(new);
        assert_eq!(window.outstanding(), 0);
    }
}
