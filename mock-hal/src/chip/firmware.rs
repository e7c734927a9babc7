//! What the chip's boot ROM, bus interface and doorbells need from the firmware that speaks WSM.

use bes_hal::time::Instant;
use std::any::Any;

/// The firmware of the Wi-Fi subsystem, as the rest of the emulated chip sees it.
///
/// The chip calls it with whole messages and with time; it never sees SDIO. Every call is made with the time of the
/// event; [`advance`](Self::advance) is called whenever [`next_event`](Self::next_event) is due.
pub trait Firmware: Send {
    /// Wi-Fi active: sequence counters start at 0 and the startup indication is queued (specification: file 10,
    /// section 15, item 6).
    fn start(&mut self, now: Instant);

    /// Wi-Fi deactive, or the chip lost its firmware: forget everything, queue nothing.
    fn stop(&mut self, now: Instant);

    /// The memory of the firmware was lost: what runs next was downloaded anew.
    fn unload(&mut self, now: Instant) {
        let _ = now;
    }

    /// One message from the host, cut to the length in its header.
    fn request(&mut self, message: &[u8], now: Instant);

    /// The next message for the host in order, header included, ready for the bus.
    fn next_message(&mut self) -> Option<Vec<u8>>;

    /// How many messages wait to be taken with [`next_message`](Self::next_message).
    fn pending(&self) -> usize;

    /// When something happens by itself, if anything will.
    fn next_event(&self) -> Option<Instant>;

    /// Does everything that is due at `now`.
    fn advance(&mut self, now: Instant);

    /// [`advance`](Self::advance), if anything is due.
    fn advance_if_due(&mut self, now: Instant) {
        if self.next_event().is_some_and(|at| at.is_due(now)) {
            self.advance(now);
        }
    }

    /// The MCU fell asleep (`true`) or woke up (`false`).
    fn sleep(&mut self, asleep: bool, now: Instant);

    /// What the host did against the specification, in words, since the start.
    fn violations(&self) -> &[String];

    /// The firmware as what it is, for tests and programs that know it.
    fn as_any_mut(&mut self) -> &mut dyn Any;

    /// Gives back the memory of a message that has reached the host, so that it can be used again.
    fn recycle(&mut self, message: Vec<u8>) {
        drop(message);
    }
}
