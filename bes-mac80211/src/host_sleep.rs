//! Suspend and resume of the host, as the control plane sees them.
//!
//! [`bes_pm::suspend`] knows the order and the limits. Here is what belongs to this device: the request that waits for
//! each half, what may wake the host, and what it was that did. A suspend and a resume always succeed; what they answer
//! says what became of the connection.

use crate::request::Token;
use crate::types::MacAddress;
use crate::wake::{Armed, WakePlan, WakeReason, WakeTriggers, WakeUp, WakeWatch};
use bes_hal::{Duration, Instant};
use bes_pm::suspend::{Facts, Limits, Order, Phase, Suspension};
use bes_wsm::wire::InterfaceId;

/// State of the host, from the first request to suspend to the end of the resume.
#[derive(Debug)]
pub(crate) struct HostSleep {
    suspension: Suspension,
    watch: Option<WakeWatch>,
    /// The request to suspend, until it is answered.
    suspending: Option<Token>,
    /// The request to resume, until it is answered.
    resuming: Option<Token>,
    /// The host cuts the power of the card.
    power_off: bool,
    suspended_at: Instant,
}

impl HostSleep {
    pub(crate) const fn new() -> Self {
        Self {
            suspension: Suspension::new(Limits {
                quiet: Duration::from_secs(1),
                // Longer than the chip may take for a command, so that a dead one is found out here.
                sleep: Duration::from_secs(8),
            }),
            watch: None,
            suspending: None,
            resuming: None,
            power_off: false,
            suspended_at: Instant::ZERO,
        }
    }

    /// Whether the host runs, as nearly always.
    pub(crate) const fn is_running(&self) -> bool {
        self.suspension.is_running()
    }

    /// Whether nothing new may begin that takes long.
    pub(crate) const fn is_quiescing(&self) -> bool {
        self.suspension.is_quiescing()
    }

    pub(crate) const fn phase(&self) -> Phase {
        self.suspension.phase()
    }

    /// Whether the host cuts the power of the card in this suspend.
    pub(crate) const fn cuts_power(&self) -> bool {
        self.power_off
    }

    /// What the chip is to be told before it sleeps, if it sleeps with the host.
    pub(crate) fn plan(&self) -> Option<WakePlan> {
        match self.suspension.phase() {
            Phase::FallingAsleep { .. } | Phase::Suspended { .. } => {
                self.watch.as_ref().map(|watch| watch.plan)
            }
            Phase::Running | Phase::Quiescing { .. } | Phase::Waking => None,
        }
    }

    /// What is armed, for the answer to a suspend.
    pub(crate) fn armed(&self) -> Armed {
        self.watch
            .as_ref()
            .map_or(Armed::default(), |watch| watch.plan.armed)
    }

    /// A request to suspend. `false` if the host is not running.
    pub(crate) fn suspend(
        &mut self,
        token: Token,
        triggers: &WakeTriggers<'_>,
        power_kept: bool,
        now: Instant,
    ) -> bool {
        if !self.suspension.suspend(now) {
            return false;
        }
        self.watch = Some(WakeWatch::new(WakePlan::new(triggers)));
        self.suspending = Some(token);
        self.power_off = !power_kept;
        self.suspended_at = now;
        true
    }

    /// A request to resume. `false` if there is one already.
    pub(crate) fn resume(&mut self, token: Token) -> bool {
        if !self.suspension.resume() {
            return false;
        }
        self.resuming = Some(token);
        true
    }

    pub(crate) fn poll(&mut self, facts: Facts, now: Instant) -> Order {
        let order = self.suspension.poll(facts, now);
        if let Order::Suspended { .. } = order {
            self.suspended_at = now;
        }
        order
    }

    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        self.suspension.next_deadline(now)
    }

    /// Whether a request to suspend waits for its answer.
    pub(crate) const fn suspends_for(&self) -> Option<Token> {
        self.suspending
    }

    /// The request to suspend, to be answered.
    pub(crate) fn take_suspending(&mut self) -> Option<Token> {
        self.suspending.take()
    }

    /// The request to resume, to be answered.
    pub(crate) fn take_resuming(&mut self) -> Option<Token> {
        self.resuming.take()
    }

    /// There is no session any more: the host may suspend at once.
    pub(crate) fn cut(&mut self, now: Instant) {
        self.suspension.cut(now);
    }

    /// Since when the host has been suspended, or wants to be.
    pub(crate) const fn since(&self) -> Instant {
        self.suspended_at
    }

    /// What woke the host. Forgets what it watched for.
    pub(crate) fn take_wake_up(&mut self) -> Option<WakeUp> {
        self.watch.take().and_then(|watch| watch.found())
    }

    /// The session is over.
    pub(crate) fn end(&mut self) {
        self.suspension.end();
        self.watch = None;
        self.power_off = false;
    }

    /// Something came that may be what woke the host.
    pub(crate) fn note(&mut self, interface: InterfaceId, reason: WakeReason) {
        if let (Phase::Waking, Some(watch)) = (self.suspension.phase(), &mut self.watch) {
            watch.note(interface, reason);
        }
    }

    /// A data frame came.
    pub(crate) fn note_data(&mut self, interface: InterfaceId, frame: &[u8], own: MacAddress) {
        if let (Phase::Waking, Some(watch)) = (self.suspension.phase(), &mut self.watch) {
            watch.note_data(interface, frame, own);
        }
    }
}
