// SPDX-License-Identifier: GPL-2.0-only

//! Somebody outside of the bus thread wants the figures of an interface. Only the owner of the bus knows them; whoever
//! asks waits for its answer, within a limit.

use crate::abstractions::completion::Once;
use bes_hal::Duration;
use bes_mac80211::figures::COUNT;
use bes_wsm::wire::mib::counters::Counters;
use bes_wsm::wire::InterfaceId;
use kernel::prelude::*;
use kernel::sync::{new_spinlock, Arc, SpinLock};

/// Who asks for the figures, and what he gets.
#[pin_data]
pub(crate) struct Sample {
    /// Interface.
    pub(crate) interface: InterfaceId,
    /// What the chip counted, if it was asked.
    pub(crate) chip: Option<Counters>,
    #[pin]
    done: Once,
    #[pin]
    figures: SpinLock<Option<[u64; COUNT]>>,
}

impl Sample {
    /// One who asks.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`].
    pub(crate) fn new(interface: InterfaceId, chip: Option<Counters>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                interface,
                chip,
                done <- Once::new(),
                figures <- new_spinlock!(None, "bes2600::sample"),
            }),
            GFP_KERNEL,
        )
    }

    /// The owner: here they are.
    pub(crate) fn answer(&self, figures: [u64; COUNT]) {
        *self.figures.lock() = Some(figures);
        self.done.happen();
    }

    /// Nobody will answer.
    pub(crate) fn refuse(&self) {
        self.done.happen();
    }

    /// Waits for the answer.
    ///
    /// # Errors
    ///
    /// [`ETIMEDOUT`]; [`ENODEV`] if the owner is gone.
    pub(crate) fn wait(&self, limit: Duration) -> Result<[u64; COUNT]> {
        self.done.wait(limit)?;
        (*self.figures.lock()).ok_or(ENODEV)
    }
}
