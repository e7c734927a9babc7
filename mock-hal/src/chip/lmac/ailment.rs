//! Slow illnesses of the firmware: what file 50, section 4, suspects behind throughput that collapses with uptime, as
//! far as the firmware is the one that is ill. The [`candidate`](crate::candidate) module lets them begin.
//!
//! | ailment | what the host sees | what heals |
//! |---|---|---|
//! | [`Exhaustion`] | scans refused from a fixed count on, then data that crawls | a restart of the subsystem |
//! | [`SlowScans`] | every scan refused, after a long time in which nothing else is served | not to scan |
//! | [`EventLeak`] | announcements without their end: a scan that never completes, a BSS never regained | nothing |
//! | [stuck power save](Lmac::stick_power_save) | one frame per beacon, no PM indication | SET_PM to active |

use super::interface::Role;
use super::transmit::Own;
use super::{Lmac, Medium};
use crate::chip::wire::header::number;
use crate::chip::wire::indication::event;
use crate::chip::wire::{confirm, indication};
use bes_hal::time::{earliest, Instant};
use core::time::Duration;

/// The ailments of a firmware; the default is none. They last over restarts, what they have eaten does not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ailments {
    /// Candidate 1.
    pub exhaustion: Option<Exhaustion>,
    /// Candidate 2.
    pub slow_scans: Option<SlowScans>,
    /// Candidate 6.
    pub event_leak: Option<EventLeak>,
}

/// A resource of the firmware that is taken and never given back (file 50, section 4, candidate 1).
#[derive(Clone, Debug, PartialEq)]
pub struct Exhaustion {
    /// Units that the firmware has after a start.
    pub units: u32,
    /// Units that a scan request takes, also a refused one.
    pub per_scan: u32,
    /// Units that an event indication takes.
    pub per_event: u32,
    /// With this many units or fewer, scans are refused with status 1.
    pub reserve: u32,
    /// Octets of data per second that still pass in each direction when no unit is left. File 50, section 2, has
    /// measured 600 and 180.
    pub crawl: u32,
}

impl Default for Exhaustion {
    /// 96 units, one per scan request or event; the last 32 are not for scans; then 600 octets per second.
    fn default() -> Self {
        Self {
            units: 96,
            per_scan: 1,
            per_event: 1,
            reserve: 32,
            crawl: 600,
        }
    }
}

/// Scans that fail slowly (file 50, section 4, candidate 2; section 3, item 1).
#[derive(Clone, Debug, PartialEq)]
pub struct SlowScans {
    /// From the request to its refusal. Below the 3 s within which each request is confirmed (file 20, section 18,
    /// item 3).
    pub answer: Duration,
    /// The status of the refusal.
    pub status: u32,
    /// Whether the firmware serves nothing else meanwhile, neither data nor commands.
    pub stalls: bool,
}

impl Default for SlowScans {
    /// Status 2 after 2 s in which nothing else is served.
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(2),
            status: 2,
            stalls: true,
        }
    }
}

/// Announcements that are never followed by their end (file 50, section 4, candidate 6; file 40, P7).
#[derive(Clone, Debug, PartialEq)]
pub struct EventLeak {
    /// Every so many scans, the scan-complete indication is missing; 0 for never.
    pub scan_complete_every: u32,
    /// So often the BSS is reported as lost although it is there, and never as regained.
    pub bss_lost_every: Option<Duration>,
    /// Every so many confirmations of frames one is missing; 0 for never.
    pub transmit_confirm_every: u32,
}

impl Default for EventLeak {
    /// Every second scan does not end, every 30 s the BSS is lost; confirmations come.
    fn default() -> Self {
        Self {
            scan_complete_every: 2,
            bss_lost_every: Some(Duration::from_secs(30)),
            transmit_confirm_every: 0,
        }
    }
}

/// What the ailments have done since the start of the firmware.
#[derive(Clone, Debug, Default)]
pub(crate) struct Condition {
    /// Units of the resource that are gone.
    taken: u32,
    /// No frame of the host leaves before.
    crawl_out: Instant,
    /// No received data goes up before.
    crawl_in: Instant,
    /// A scan that is refused then, on this interface.
    refusal: Option<(Instant, u8)>,
    scans: u32,
    confirms: u32,
    next_loss: Option<Instant>,
}

impl<M: Medium> Lmac<M> {
    /// Makes the firmware ill or well. What a resource has lost already stays lost until a restart.
    pub fn set_ailments(&mut self, ailments: Ailments) {
        self.changed();
        self.condition.next_loss = ailments
            .event_leak
            .as_ref()
            .and_then(|leak| leak.bss_lost_every)
            .map(|every| self.now.after(every));
        self.config.ailments = ailments;
    }

    /// Units of the exhausted resource that are left; `None` if the firmware does not have this ailment.
    pub fn units_left(&self) -> Option<u32> {
        let exhaustion = self.config.ailments.exhaustion.as_ref()?;
        Some(exhaustion.units.saturating_sub(self.condition.taken))
    }

    /// The power-save state of every joined interface sticks (file 50, section 4, candidate 4): the access point is
    /// told that the station dozes, one frame is fetched per beacon, and no PM indication is sent, until the host
    /// asks for active mode.
    pub fn stick_power_save(&mut self, now: Instant) {
        self.changed();
        self.now = self.now.max(now);
        for index in 0..super::INTERFACES {
            let state = &mut self.interfaces[index];
            if !matches!(state.role, Role::Joined(_)) || state.bss.aid == 0 {
                continue;
            }
            state.power.stick();
            let interface = u8::try_from(index).unwrap_or(0);
            self.send_null(interface, true, Own::Doze, now);
        }
    }

    /// Whether the power-save state of an interface sticks.
    pub fn is_power_save_stuck(&self, interface: u8) -> bool {
        self.interfaces
            .get(usize::from(interface))
            .is_some_and(|state| state.power.is_stuck())
    }

    fn take_units(&mut self, units: u32) {
        if self.config.ailments.exhaustion.is_some() {
            self.condition.taken = self.condition.taken.saturating_add(units);
        }
    }

    /// A scan request takes its share of an exhausted resource. `true`: it has to be refused.
    pub(super) fn is_exhausted_by_scan(&mut self) -> bool {
        let Some(exhaustion) = self.config.ailments.exhaustion.clone() else {
            return false;
        };
        let refused = exhaustion.units.saturating_sub(self.condition.taken) <= exhaustion.reserve;
        self.take_units(exhaustion.per_scan);
        refused
    }

    /// An event indication takes its share of an exhausted resource.
    pub(super) fn event_sent(&mut self) {
        let units = self.config.ailments.exhaustion.as_ref();
        if let Some(units) = units.map(|exhaustion| exhaustion.per_event) {
            self.take_units(units);
        }
    }

    /// How fast data crawls; `None`: it does not.
    fn crawl(&self) -> Option<u32> {
        let exhaustion = self.config.ailments.exhaustion.as_ref()?;
        (self.condition.taken >= exhaustion.units).then_some(exhaustion.crawl.max(1))
    }

    /// Whether data crawls.
    pub(super) fn crawls(&self) -> bool {
        self.crawl().is_some()
    }

    /// When the firmware has digested so many octets while data crawls.
    fn digested(&self, octets: usize, now: Instant) -> Option<Instant> {
        let crawl = u64::from(self.crawl()?);
        let nanos = (octets as u64).saturating_mul(1_000_000_000) / crawl;
        Some(now.after(Duration::from_nanos(nanos)))
    }

    /// Until when no frame of the host leaves because of an ailment.
    pub(super) fn stalled_until(&self) -> Instant {
        let refusal = self.condition.refusal.map_or(Instant::ZERO, |(at, _)| {
            if self.stalls() {
                at
            } else {
                Instant::ZERO
            }
        });
        self.condition.crawl_out.max(refusal)
    }

    fn stalls(&self) -> bool {
        self.config
            .ailments
            .slow_scans
            .as_ref()
            .is_some_and(|slow| slow.stalls)
    }

    /// Whether received data waits in the firmware because it is busy with something else.
    pub(super) fn keeps_received(&self) -> bool {
        self.condition.refusal.is_some() && self.stalls()
    }

    /// A frame of the host goes out: the next one may have to wait.
    pub(super) fn sent_under_ailment(&mut self, octets: usize, now: Instant) {
        if let Some(until) = self.digested(octets, now) {
            self.condition.crawl_out = until;
        }
    }

    /// Whether a received data frame finds no memory in the firmware.
    pub(super) fn is_dropped_by_ailment(&mut self, octets: usize, now: Instant) -> bool {
        let Some(until) = self.digested(octets, now) else {
            return false;
        };
        let dropped = self.condition.crawl_in > now;
        if !dropped {
            self.condition.crawl_in = until;
        }
        dropped
    }

    /// A scan that will be refused slowly. `true` if it is, and its confirmation comes later.
    pub(super) fn refuse_slowly(&mut self, interface: u8, now: Instant) -> bool {
        let Some(slow) = &self.config.ailments.slow_scans else {
            return false;
        };
        self.condition.refusal = Some((now.after(slow.answer), interface));
        self.counters.scans_refused = self.counters.scans_refused.wrapping_add(1);
        true
    }

    /// Whether the end of this scan is not told.
    pub(super) fn leaks_scan_complete(&mut self) -> bool {
        let Some(leak) = &self.config.ailments.event_leak else {
            return false;
        };
        self.condition.scans = self.condition.scans.wrapping_add(1);
        self.condition.scans.checked_rem(leak.scan_complete_every) == Some(0)
    }

    /// Whether the end of this frame is not told.
    pub(super) fn leaks_confirm(&mut self) -> bool {
        let Some(leak) = &self.config.ailments.event_leak else {
            return false;
        };
        self.condition.confirms = self.condition.confirms.wrapping_add(1);
        let every = leak.transmit_confirm_every;
        self.condition.confirms.checked_rem(every) == Some(0)
    }

    /// When an ailment does something by itself.
    pub(super) fn ailment_due(&self) -> Option<Instant> {
        earliest(
            self.condition.refusal.map(|(at, _)| at),
            self.condition.next_loss,
        )
    }

    /// Does what an ailment does by itself.
    pub(super) fn ailment_step(&mut self, now: Instant) {
        if let Some((at, interface)) = self.condition.refusal {
            if at.is_due(now) {
                self.condition.refusal = None;
                let status = self
                    .config
                    .ailments
                    .slow_scans
                    .as_ref()
                    .map_or(SlowScans::default().status, |slow| slow.status);
                self.confirm(confirm::generic(number::START_SCAN, interface, status), 1);
                self.release_held_data();
                self.command_done(now);
            }
        }
        let every = self
            .config
            .ailments
            .event_leak
            .as_ref()
            .and_then(|leak| leak.bss_lost_every);
        match (every, self.condition.next_loss) {
            (None, _) => self.condition.next_loss = None,
            (Some(every), None) => self.condition.next_loss = Some(now.after(every)),
            (Some(every), Some(at)) if at.is_due(now) => {
                self.condition.next_loss = Some(now.after(every));
                for index in 0..super::INTERFACES {
                    let state = &self.interfaces[index];
                    if state.joined().is_some() && state.bss.aid != 0 {
                        let interface = u8::try_from(index).unwrap_or(0);
                        self.send(indication::event(interface, event::BSS_LOST, 0));
                    }
                }
            }
            _ => {}
        }
    }
}
