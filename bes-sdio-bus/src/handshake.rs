//! Requests to the MCU: ring the doorbell, wait for the confirm bit (file 10, section 8).
//!
//! | state | event | next |
//! |---|---|---|
//! | `Ready` | MCU_READY set | ring, `Round 1` |
//! | `Ready` | not in time | fails with `NotReady` |
//! | `Round n` | confirm bit as wanted | done |
//! | `Round n` | not, rounds left | ring, `Round n + 1` |
//! | `Round n` | not, no rounds left | fails with `NotConfirmed` |
//!
//! Every wait is bounded (trap T9), and running out of rounds is an error for every request (trap T10).

use crate::bus::Bus;
use crate::config::Timing;
use crate::regs::{DoorbellWord, Status};
use bes_hal::sdio::SdioFunction;
use bes_hal::transport::{Progress, Transition};
use bes_hal::{Instant, SdioError, TransportError};
use core::time::Duration;

/// What is asked of the MCU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// Stay awake.
    McuActive,
    /// May sleep.
    McuDeactive,
    /// Wi-Fi on.
    WifiActive,
    /// Wi-Fi off.
    WifiDeactive,
    /// Bluetooth on.
    BtActive,
    /// Bluetooth off.
    BtDeactive,
    /// Bluetooth out of low power.
    BtWakeup,
    /// Bluetooth may enter low power.
    BtSleep,
}

impl Request {
    /// The doorbell word of the request.
    pub const fn word(self) -> DoorbellWord {
        match self {
            Self::McuActive => DoorbellWord::MCU_ACTIVE,
            Self::McuDeactive => DoorbellWord::MCU_DEACTIVE,
            Self::WifiActive => DoorbellWord::WIFI_ACTIVE,
            Self::WifiDeactive => DoorbellWord::WIFI_DEACTIVE,
            Self::BtActive => DoorbellWord::BT_ACTIVE,
            Self::BtDeactive => DoorbellWord::BT_DEACTIVE,
            Self::BtWakeup => DoorbellWord::BT_WAKEUP,
            Self::BtSleep => DoorbellWord::BT_SLEEP,
        }
    }

    /// The confirm bit.
    const fn confirm(self) -> Status {
        match self {
            Self::McuActive | Self::McuDeactive => Status::MCU_AWAKE,
            Self::WifiActive | Self::WifiDeactive => Status::WIFI_READY,
            Self::BtActive | Self::BtDeactive => Status::BT_READY,
            Self::BtWakeup | Self::BtSleep => Status::BT_AWAKE,
        }
    }

    /// Whether the confirm bit becomes set (or else cleared).
    pub const fn is_active(self) -> bool {
        matches!(
            self,
            Self::McuActive | Self::WifiActive | Self::BtActive | Self::BtWakeup
        )
    }

    fn is_confirmed(self, status: Status) -> bool {
        status.has(self.confirm()) == self.is_active()
    }

    const fn round(self, timing: &Timing) -> Duration {
        match self {
            Self::WifiActive | Self::BtActive => timing.subsystem_on_round,
            _ => timing.quick_round,
        }
    }

    const fn rounds(self, timing: &Timing) -> u16 {
        if self.is_active() {
            timing.active_rounds
        } else {
            timing.deactive_rounds
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    Ready { next: Instant, until: Instant },
    Round { number: u16, due: Instant },
}

/// One request under way.
#[derive(Clone, Copy, Debug)]
pub struct Handshake {
    request: Request,
    transition: Transition,
    state: State,
}

impl Handshake {
    /// Starts `request` as part of `transition`, which its errors will name.
    pub(crate) fn new(
        request: Request,
        transition: Transition,
        now: Instant,
        timing: &Timing,
    ) -> Self {
        Self {
            request,
            transition,
            state: State::Ready {
                next: now,
                until: now.after(timing.ready_limit),
            },
        }
    }

    /// Whether the doorbell was rung, so that the chip may have acted.
    pub const fn has_rung(&self) -> bool {
        matches!(self.state, State::Round { .. })
    }

    /// Does what is due.
    pub(crate) fn poll<S: SdioFunction>(
        &mut self,
        bus: &mut Bus<S>,
        now: Instant,
    ) -> Result<Progress, TransportError> {
        let round = self.request.round(&bus.timing);
        match self.state {
            State::Ready { next, until } => {
                if !next.is_due(now) {
                    return Ok(Progress::Pending(next));
                }
                // The look comes before the test of the limit, so the last one counts.
                if !bus.status()?.has(Status::MCU_READY) {
                    if until.is_due(now) {
                        return Err(TransportError::NotReady(self.transition));
                    }
                    let next = now.after(bus.timing.ready_period).min(until);
                    self.state = State::Ready { next, until };
                    return Ok(Progress::Pending(next));
                }
                self.ring(1, bus, now, round)
            }
            State::Round { number, due } => {
                if !due.is_due(now) {
                    return Ok(Progress::Pending(due));
                }
                let confirmed = match bus.status() {
                    Ok(status) => self.request.is_confirmed(status),
                    // An MCU that sleeps may not answer; that it was told to sleep is known (file 10, section 8).
                    Err(error)
                        if self.request == Request::McuDeactive && error != SdioError::NoCard =>
                    {
                        true
                    }
                    Err(error) => return Err(error.into()),
                };
                if confirmed {
                    return Ok(Progress::Done);
                }
                if number >= self.request.rounds(&bus.timing) {
                    return Err(TransportError::NotConfirmed(self.transition));
                }
                self.ring(number.saturating_add(1), bus, now, round)
            }
        }
    }

    fn ring<S: SdioFunction>(
        &mut self,
        number: u16,
        bus: &mut Bus<S>,
        now: Instant,
        round: Duration,
    ) -> Result<Progress, TransportError> {
        let due = now.after(round);
        // Before the attempt: a write that fails may still have reached the chip.
        self.state = State::Round { number, due };
        bus.ring(self.request.word())?;
        Ok(Progress::Pending(due))
    }
}
