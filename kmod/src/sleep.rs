// SPDX-License-Identifier: GPL-2.0-only

//! The system sleeps and comes back. What the device does about it is its own business: `bes_pm::suspend`.
//!
//! | connections | on the way down | on the way up |
//! |---|---|---|
//! | kept (wake on wireless LAN) | mac80211's `suspend`, then SDIO's: the bus is closed | the bus is open, then mac80211's `resume` |
//! | ended | mac80211's `stop`, then SDIO's suspend tells the device and closes the bus | the bus is open, the device is told, then mac80211's `start` |
//!
//! A system that wants to sleep is never refused: a device that does not answer has its connections ended instead.

use crate::abstractions::mac80211::wake::{WakeReason, WakeSupport, WakeTriggers, Woken};
use crate::abstractions::mac80211::{MaySleep, Registration};
use crate::bus::Sleeper;
use crate::calls::{Life, Owned, OwnedTriggers};
use crate::convert;
use crate::ops::{MacOperations, LIMIT};
use bes_mac80211::request::{Request, Response};
use bes_mac80211::wake;
use core::sync::atomic::Ordering;
use kernel::prelude::*;

/// What the chip can be woken by.
pub(crate) const SUPPORT: WakeSupport = WakeSupport {
    patterns: wake::MAX_PATTERNS,
    pattern_len: wake::MAX_PATTERN,
    pattern_offset: wake::MAX_PATTERN_OFFSET,
};

/// The request of a system that keeps no connection.
const fn without_connections(power_kept: bool) -> Request<'static> {
    Request::Suspend {
        triggers: wake::WakeTriggers {
            any: false,
            disconnect: false,
            magic_packet: false,
            patterns: &[],
        },
        power_kept,
    }
}

/// mac80211 wants to keep its connections. `false`: it cannot.
pub(crate) fn suspend(
    operations: &MacOperations,
    context: &MaySleep,
    triggers: &WakeTriggers<'_>,
) -> bool {
    if !operations.calls.keeps_power.load(Ordering::Relaxed) {
        return false;
    }
    let asked = OwnedTriggers::new(triggers)
        .and_then(|triggers| Ok(KBox::new(triggers, GFP_KERNEL)?))
        .and_then(|triggers| {
            operations
                .calls
                .ask(context, Owned::Suspend(triggers), LIMIT)
        });
    let kept = matches!(asked, Ok(Response::Suspended(suspended)) if suspended.session_kept);
    if kept {
        operations.asleep.store(true, Ordering::Relaxed);
    } else {
        // The device runs on until it is stopped.
        let _resumed = operations
            .calls
            .ask(context, Owned::Plain(Request::Resume), LIMIT);
    }
    kept
}

/// The other end of it.
pub(crate) fn resume(operations: &MacOperations, context: &MaySleep) -> Woken {
    operations.asleep.store(false, Ordering::Relaxed);
    let answer = operations
        .calls
        .ask(context, Owned::Plain(Request::Resume), LIMIT);
    let resumed = match answer {
        Ok(Response::Resumed(resumed)) => resumed,
        _ => Default::default(),
    };
    if !resumed.session_kept {
        // Keys must not be used again on a chip that begins anew, so connections end: as after a restart.
        operations.calls.set_life(Life::Restarting);
    }
    Woken {
        as_before: resumed.session_kept,
        by: resumed.woken_by.map(|wake_up| {
            let reason = match wake_up.reason {
                wake::WakeReason::Disconnect => WakeReason::Disconnect,
                wake::WakeReason::MagicPacket => WakeReason::MagicPacket,
                wake::WakeReason::Pattern => WakeReason::Pattern(0),
                wake::WakeReason::Other => WakeReason::Other,
            };
            (convert::number(wake_up.interface), reason)
        }),
    }
}

impl Sleeper for Registration<MacOperations> {
    fn suspend(&self, power_kept: bool) {
        let operations = self.data();
        if operations.asleep.load(Ordering::Relaxed) {
            // mac80211 was before.
            return;
        }
        let request = Owned::Plain(without_connections(power_kept));
        if let Err(error) = operations.calls.ask_outside(request, LIMIT) {
            dev_warn!(
                operations.device,
                "did not take notice of the sleep: error {}\n",
                error.to_errno()
            );
        }
    }

    fn resume(&self) {
        let operations = self.data();
        if !operations.asleep.load(Ordering::Relaxed) {
            let _resumed = operations
                .calls
                .ask_outside(Owned::Plain(Request::Resume), LIMIT);
        }
    }
}
