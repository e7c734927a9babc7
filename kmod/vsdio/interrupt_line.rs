// SPDX-License-Identifier: GPL-2.0-only

//! The interrupt of an SDIO card: a level, and a host that looks at it or does not.
//!
//! | what happens | MMC core's call | then |
//! |---|---|---|
//! | a driver claims the interrupt | `enable_sdio_irq(1)` | signal if asserted |
//! | the card asserts it | | signal, unless not enabled or still being served |
//! | signalled | | not looked at until acknowledged |
//! | the driver's handler has returned | `ack_sdio_irq` | looked at again: signal if still asserted |
//! | the last driver releases it | `enable_sdio_irq(0)` | not looked at |
//!
//! No kernel types: `cargo test -p vsdio-device` tests this file too.

/// State of the line. Methods return whether the MMC core has to be told now (`sdio_signal_irq`).
#[derive(Debug, Default)]
pub(crate) struct InterruptLine {
    asserted: bool,
    enabled: bool,
    /// Signalled and not yet acknowledged.
    serving: bool,
}

impl InterruptLine {
    /// The card sets the level.
    #[must_use]
    pub(crate) fn set_level(&mut self, asserted: bool) -> bool {
        self.asserted = asserted;
        self.look()
    }

    /// The first driver claims the interrupt, or the last one releases it.
    #[must_use]
    pub(crate) fn enable(&mut self, enabled: bool) -> bool {
        self.enabled = enabled;
        // The core forgets an interrupt that it has not served when nobody wants interrupts any more, and then it
        // does not acknowledge it either.
        self.serving = false;
        self.look()
    }

    /// The handler has returned.
    #[must_use]
    pub(crate) fn acknowledge(&mut self) -> bool {
        self.serving = false;
        self.look()
    }

    fn look(&mut self) -> bool {
        let signal = self.asserted && self.enabled && !self.serving;
        self.serving |= signal;
        signal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asserted_level_signals_again_after_each_acknowledge() {
        let mut line = InterruptLine::default();
        assert!(!line.enable(true));
        assert!(line.set_level(true));
        assert!(line.acknowledge());
        assert!(line.acknowledge());
        assert!(!line.set_level(false));
        assert!(!line.acknowledge());
    }

    #[test]
    fn an_interrupt_that_is_being_served_is_not_signalled_twice() {
        let mut line = InterruptLine::default();
        assert!(!line.enable(true));
        assert!(line.set_level(true));
        assert!(!line.set_level(true));
        assert!(!line.set_level(false));
        assert!(!line.set_level(true));
        assert!(line.acknowledge());
    }

    #[test]
    fn nothing_is_signalled_while_nobody_claims_it_and_the_level_is_kept() {
        let mut line = InterruptLine::default();
        assert!(!line.set_level(true));
        assert!(!line.acknowledge());
        assert!(line.enable(true));
        assert!(!line.enable(false));
        assert!(!line.acknowledge());
        assert!(line.enable(true));
    }
}
