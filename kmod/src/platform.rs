// SPDX-License-Identifier: GPL-2.0-only

//! The side lines of the chip, each of which a board may have or not.

use crate::abstractions::gpio::{Direction, Line};
use kernel::device::{Bound, Device};
use kernel::prelude::*;

/// GPIO lines of one device. Names as in the device tree binding, with `-gpios` behind.
pub(crate) struct Lines {
    /// `wakeup`: wakes the chip.
    wake: Option<Line>,
    /// `powerup`: switches the chip's power.
    power: Option<Line>,
    /// `reset`: holds the chip in reset. Only released here: the chip is restarted through the card's power.
    _reset: Option<Line>,
    /// `host-wakeup`: the chip wakes the machine. Only held: the SDIO interrupt says the same while the machine runs.
    _host_wake: Option<Line>,
}

impl Lines {
    /// The lines that the device's description names.
    ///
    /// # Errors
    ///
    /// `EPROBE_DEFER` if the controller of one is not there yet; what is wrong with a description that is wrong.
    pub(crate) fn new(device: &Device<Bound>) -> Result<Self> {
        Ok(Self {
            wake: Line::optional(device, c"wakeup", Direction::Output)?,
            power: Line::optional(device, c"powerup", Direction::Output)?,
            _reset: Line::optional(device, c"reset", Direction::Output)?,
            _host_wake: Line::optional(device, c"host-wakeup", Direction::Input)?,
        })
    }

    /// Whether there is a line that wakes the chip.
    pub(crate) fn has_wake(&self) -> bool {
        self.wake.is_some()
    }

    /// Asserts or releases the wake line. Does nothing without one.
    ///
    /// # Errors
    ///
    /// What the controller of the line reports.
    pub(crate) fn set_wake(&self, asserted: bool) -> Result {
        self.wake.as_ref().map_or(Ok(()), |line| line.set(asserted))
    }

    /// Switches the power, if there is a line for it.
    ///
    /// # Errors
    ///
    /// What the controller of the line reports.
    pub(crate) fn set_power(&self, on: bool) -> Result {
        self.power.as_ref().map_or(Ok(()), |line| line.set(on))
    }
}
