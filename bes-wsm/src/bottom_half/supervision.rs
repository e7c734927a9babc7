//! Deadlines: lost interrupts, undecided announcements, and answers that do not come.

use super::{BottomHalf, Session};
use crate::anomaly::Anomaly;
use crate::client::{Client, CommandError, ReturnReason};
use crate::recovery::RecoveryReason;
use crate::wire::MessageId;
use bes_hal::frame::TxFrame;
use bes_hal::time::earliest;
use bes_hal::transport::Transport;
use bes_hal::{Duration, Instant, Memory};

/// While frames are in flight, some confirm must come within this time (file 10, section 6.7).
pub const PROGRESS_TIMEOUT: Duration = Duration::from_secs(3);

/// A frame whose confirm has not come after this time is given back although others are confirmed. The C driver gives
/// up the whole device then (file 20, section 15.6).
pub const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);

/// How often overdue frames are looked for.
const SWEEP_PERIOD: Duration = Duration::from_secs(1);

/// While an answer is due, the announcement is looked at this often even without an interrupt: the safety net for lost
/// ones (file 10, section 5.1).
pub const POLL_BUSY: Duration = Duration::from_millis(20);

/// The same while the chip is awake and nothing is due.
pub const POLL_IDLE: Duration = Duration::from_secs(1);

/// For so long after a burst more is expected, and a lost interrupt is made up for as fast as if an answer were due.
const LIVELY: Duration = Duration::from_secs(1);

/// How long to wait when the chip is undecided about its announcement, and how often before it counts as an anomaly.
const SETTLE: Duration = Duration::from_micros(500);
const SETTLE_LOOKS: u8 = 20;

impl<T: Transport, F: TxFrame, G: Copy, M: Memory> BottomHalf<T, F, G, M> {
    /// When to call [`run`](Self::run) again at the latest, if nobody rings before.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.session == Session::Closed || !self.awake {
            return None;
        }
        let startup = match self.session {
            Session::AwaitStartup(deadline) => Some(deadline),
            _ => None,
        };
        // As in `check_deadlines`: what is not acted upon there must not wake anybody here.
        let waiting = self.awaits_confirm();
        let progress =
            (waiting && !self.command.is_sent()).then(|| self.last_confirm.after(PROGRESS_TIMEOUT));
        let progress = earliest(progress, waiting.then_some(self.sweep_at));
        let settle = earliest(self.settle.map(|(at, _)| at), self.gather_until);
        earliest(
            earliest(startup, progress),
            earliest(
                self.command.deadline(),
                earliest(settle, Some(self.poll_at())),
            ),
        )
    }

    /// When the announcement is to be read even without an interrupt.
    pub(super) fn poll_at(&self) -> Instant {
        let busy = self.session != Session::Ready
            || !self.is_idle()
            || self.last_look.since(self.last_burst) < LIVELY;
        self.last_look
            .after(if busy { POLL_BUSY } else { POLL_IDLE })
    }

    /// Whether the confirm of a frame is due. A frame that was given up keeps its credit until its confirm comes after
    /// all, but nothing waits for it.
    pub(super) fn awaits_confirm(&self) -> bool {
        self.in_flight.len() > usize::from(self.in_flight.orphans())
    }

    /// Decides whether the announcement is to be read without an interrupt.
    pub(super) fn look_if_due(&mut self, now: Instant) {
        match self.settle {
            Some((at, _)) => self.rx_due = at.is_due(now),
            None => self.rx_due |= self.poll_at().is_due(now),
        }
    }

    /// The chip is undecided: look again a little later, and in the end believe that there is nothing.
    pub(super) fn look_again(&mut self, now: Instant) {
        self.rx_due = false;
        let looks = self.settle.map_or(0, |(_, looks)| looks);
        if looks < SETTLE_LOOKS {
            self.settle = Some((now.after(SETTLE), looks.saturating_add(1)));
        } else {
            self.settle = None;
            self.anomalies.record(Anomaly::Unsettled, now);
        }
    }

    /// The first frame goes down: confirms are due from now on.
    pub(super) fn supervise(&mut self, now: Instant) {
        self.last_confirm = now;
        self.sweep_at = now.after(SWEEP_PERIOD);
    }

    pub(super) fn check_deadlines<C>(
        &mut self,
        client: &mut C,
        now: Instant,
    ) -> Result<(), RecoveryReason>
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        if let Session::AwaitStartup(deadline) = self.session {
            if deadline.is_due(now) {
                return Err(RecoveryReason::StartupTimeout);
            }
        }
        if self
            .command
            .deadline()
            .is_some_and(|deadline| deadline.is_due(now))
        {
            let id = self.command.id().unwrap_or(0);
            if let Some(slot) = self.command.clear() {
                self.window.release(slot);
            }
            client.command_done(Err(CommandError::TimedOut), now);
            return Err(RecoveryReason::CommandTimeout(MessageId::from_raw(id)));
        }
        if self.in_flight.is_empty() {
            return Ok(());
        }
        // A command may keep the chip busy for longer; it has a deadline of its own (D23).
        if self.awaits_confirm()
            && !self.command.is_sent()
            && self.last_confirm.after(PROGRESS_TIMEOUT).is_due(now)
        {
            return Err(RecoveryReason::NoProgress);
        }
        if self.sweep_at.is_due(now) {
            self.sweep_at = now.after(SWEEP_PERIOD);
            // Anything at least this old has waited long enough.
            let age = now.since(Instant::ZERO).saturating_sub(CONFIRM_TIMEOUT);
            if age > Duration::ZERO {
                while let Some((frame, tag)) = self.in_flight.take_overdue(Instant::ZERO.after(age))
                {
                    self.anomalies.record(Anomaly::LostConfirm, now);
                    client.returned(frame, tag, ReturnReason::ConfirmLost, now);
                }
            }
            if self.in_flight.orphans().saturating_mul(2) >= self.window.capacity() {
                return Err(RecoveryReason::ConfirmsLost);
            }
        }
        Ok(())
    }
}
