//! The six candidates for throughput that collapses with uptime (specification: file 50, section 4), acted out.
//!
//! | # | candidate | who acts | what the host can see | what heals |
//! |---|---|---|---|---|
//! | 1 | a resource of the firmware is exhausted | chip | scans refused with status 1 from a fixed count on, then data that crawls | a restart of the Wi-Fi subsystem |
//! | 2 | scans that fail slowly | chip | every scan refused after seconds in which nothing else is served | not to scan |
//! | 3 | the access point throttles its stations | air | an idle bus, a busy medium, retries in both directions, a BSS load near full | nothing |
//! | 4 | the power-save state sticks | chip and access point | one frame per beacon; no PM indication | SET_PM to active |
//! | 5 | the sampling point of the bus drifts | bus | CRC errors that grow | [tuning again](crate::World::retune) |
//! | 6 | announcements without their end | chip | scans that never complete, a BSS that is lost and never regained | nothing |
//!
//! ```
//! use mock_hal::candidate::Candidate;
//!
//! let act = Candidate::from_number(4).unwrap().preset();
//! assert_eq!(act.candidate, Candidate::PowerSaveStuck);
//! assert_eq!(act.begins.as_secs(), 360);
//! ```

use crate::air::ap_config::BssLoad;
use crate::air::Noise;
use crate::chip::lmac::{Ailments, EventLeak, Exhaustion, Lmac, SlowScans};
use crate::chip::Chip;
use crate::tuning::{Drift, Tuning};
use bes_hal::time::Instant;
use std::fmt;
use std::time::Duration;

/// One of the six candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Candidate {
    /// 1: a resource of the firmware is exhausted, one unit per scan or event.
    ResourceExhausted = 1,
    /// 2: scans that fail take the time of everything else.
    ScansStarve = 2,
    /// 3: the access point throttles its stations.
    AccessPointThrottles = 3,
    /// 4: the power-save state sticks.
    PowerSaveStuck = 4,
    /// 5: bus clock or tuning are degraded.
    BusDegraded = 5,
    /// 6: busy events leak.
    EventsLeak = 6,
}

impl Candidate {
    /// All of them, in the order of the specification.
    pub const ALL: [Self; 6] = [
        Self::ResourceExhausted,
        Self::ScansStarve,
        Self::AccessPointThrottles,
        Self::PowerSaveStuck,
        Self::BusDegraded,
        Self::EventsLeak,
    ];

    /// The candidate with this number in the specification, 1 to 6.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|candidate| candidate.number() == number)
    }

    /// Its number in the specification.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// What it is, in a few words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ResourceExhausted => "firmware resource exhausted",
            Self::ScansStarve => "failing scans starve the bus",
            Self::AccessPointThrottles => "access point throttles",
            Self::PowerSaveStuck => "power-save state stuck",
            Self::BusDegraded => "bus tuning degraded",
            Self::EventsLeak => "busy events leak",
        }
    }

    /// It as the field's reports suggest.
    pub fn preset(self) -> Act {
        let minutes = match self {
            Self::ResourceExhausted | Self::BusDegraded | Self::EventsLeak => 5,
            Self::PowerSaveStuck => 6,
            Self::AccessPointThrottles => 8,
            Self::ScansStarve => 13,
        };
        Act {
            candidate: self,
            begins: Duration::from_secs(60 * minutes),
            again: match self {
                Self::PowerSaveStuck => Some(Duration::from_secs(600)),
                _ => None,
            },
            exhaustion: Exhaustion::default(),
            slow_scans: SlowScans::default(),
            throttling: Throttling::default(),
            drift: Drift::default(),
            event_leak: EventLeak::default(),
        }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.number(), self.name())
    }
}

/// An access point that throttles its stations, in a crowded neighbourhood.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throttling {
    /// Octets per second that each station gets: what the access point grants.
    pub octets_per_second: u64,
    /// Share of the frames of either direction that are lost to collisions, 0.0 to 1.0.
    pub collisions: f64,
    /// Share of the time that others take the medium, 0.0 to 0.95.
    pub busy: f64,
    /// What its beacons tell about the load.
    pub load: BssLoad,
}

impl Default for Throttling {
    /// 512 KiB/s, every fourth frame lost, the medium half taken, 24 stations and 90 % use announced.
    fn default() -> Self {
        Self {
            octets_per_second: 512 * 1024,
            collisions: 0.25,
            busy: 0.5,
            load: BssLoad {
                stations: 24,
                utilisation: 230,
            },
        }
    }
}

/// A candidate with everything about it that can be set. What belongs to the others has no effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// Which one.
    pub candidate: Candidate,
    /// When it begins, counted from [`Handle::set_candidate`](crate::Handle::set_candidate).
    pub begins: Duration,
    /// How long after it began it begins again; only what heals at a word of the host does (candidate 4).
    pub again: Option<Duration>,
    /// Candidate 1.
    pub exhaustion: Exhaustion,
    /// Candidate 2.
    pub slow_scans: SlowScans,
    /// Candidate 3, at every access point.
    pub throttling: Throttling,
    /// Candidate 5.
    pub drift: Drift,
    /// Candidate 6.
    pub event_leak: EventLeak,
}

impl Act {
    /// As it is, but it begins after this time.
    #[must_use]
    pub fn beginning(self, begins: Duration) -> Self {
        Self { begins, ..self }
    }
}

/// An act that waits or runs.
#[derive(Debug)]
pub(crate) struct Acting {
    act: Act,
    next: Option<Instant>,
    began: Option<Instant>,
}

impl Acting {
    pub(crate) fn new(act: Act, now: Instant) -> Self {
        Self {
            next: Some(now.after(act.begins)),
            act,
            began: None,
        }
    }

    /// When it began.
    pub(crate) const fn began(&self) -> Option<Instant> {
        self.began
    }

    /// When it has something to do.
    pub(crate) const fn next_event(&self) -> Option<Instant> {
        self.next
    }

    /// Does what is due.
    pub(crate) fn advance(&mut self, now: Instant, chip: &mut Chip, tuning: &mut Tuning) {
        if self.next.is_none_or(|at| !at.is_due(now)) {
            return;
        }
        self.began.get_or_insert(now);
        self.next = self.act.again.map(|again| now.after(again));
        if self.act.candidate == Candidate::BusDegraded {
            tuning.set_drift(Some(self.act.drift), now);
            return;
        }
        let Some(lmac) = chip.firmware_mut().as_any_mut().downcast_mut::<Lmac>() else {
            return;
        };
        let act = &self.act;
        match act.candidate {
            Candidate::ResourceExhausted => lmac.set_ailments(Ailments {
                exhaustion: Some(act.exhaustion.clone()),
                ..Ailments::default()
            }),
            Candidate::ScansStarve => lmac.set_ailments(Ailments {
                slow_scans: Some(act.slow_scans.clone()),
                ..Ailments::default()
            }),
            Candidate::EventsLeak => lmac.set_ailments(Ailments {
                event_leak: Some(act.event_leak.clone()),
                ..Ailments::default()
            }),
            Candidate::PowerSaveStuck => lmac.stick_power_save(now),
            Candidate::AccessPointThrottles => throttle(lmac, Some(&act.throttling)),
            Candidate::BusDegraded => {}
        }
    }

    /// Ends it: everything is as before, but what the host has lost by it.
    pub(crate) fn end(&self, now: Instant, chip: &mut Chip, tuning: &mut Tuning) {
        if self.began.is_none() {
            return;
        }
        if self.act.candidate == Candidate::BusDegraded {
            tuning.set_drift(None, now);
        }
        if let Some(lmac) = chip.firmware_mut().as_any_mut().downcast_mut::<Lmac>() {
            lmac.set_ailments(Ailments::default());
            if self.act.candidate == Candidate::AccessPointThrottles {
                throttle(lmac, None);
            }
        }
    }
}

fn throttle(lmac: &mut Lmac, throttling: Option<&Throttling>) {
    let air = lmac.medium_mut();
    let mut channels = Vec::new();
    for access_point in air.access_points_mut() {
        access_point.set_throttle(throttling.map(|all| all.octets_per_second));
        access_point.set_collisions(throttling.map_or(0.0, |all| all.collisions));
        access_point.set_bss_load(throttling.map(|all| all.load));
        channels.push(access_point.config().channel.number);
    }
    channels.sort_unstable();
    channels.dedup();
    for channel in channels {
        air.set_noise(Noise::new(channel, throttling.map_or(0.0, |all| all.busy)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_specification() {
        for (index, candidate) in Candidate::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(candidate.number()), index + 1);
            assert_eq!(Candidate::from_number(candidate.number()), Some(candidate));
            assert_eq!(candidate.preset().candidate, candidate);
        }
        assert_eq!(Candidate::from_number(0), None);
        assert_eq!(Candidate::from_number(7), None);
    }
}
