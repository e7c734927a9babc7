//! The recovery ladder: what is done about a session that cannot go on (specification: file 50, section 7).
//!
//! | rung | what | begins with |
//! |---|---|---|
//! | retry | the same transfer again, same toggle, after a pause | a transfer that failed on the bus |
//! | abort | abort of the function, announcement read anew, the same transfer again | an impossible announcement |
//! | interface reset | WSM RESET of every interface; connections are reported lost | an answer that did not come |
//! | Wi-Fi restart | subsystem off and on; then the stack starts anew | lost messages, lost credits, an exception |
//! | card reset | power, firmware download, Wi-Fi on; then the stack starts anew | a chip that does not answer at all |
//! | stack restart | interfaces, keys and associations come back from the stack above | follows the two above |
//! | give up | everything is given back, the bus is left alone | a card that is gone; the end of the ladder |
//!
//! A failure begins an *incident*, at the rung that fits its reason. Every further failure within the incident goes to a
//! higher rung: each is tried once. The incident is over when nothing has failed for [`RecoveryPolicy::quiet`], which is
//! longer than any of the driver's limits, so a rung that did not help is never taken for one that did. More than
//! [`RecoveryPolicy::incidents`] within [`RecoveryPolicy::window`], and the chip is given up: it does not get well.
//!
//! | state | event | next |
//! |---|---|---|
//! | quiet | failure | incident, at the rung of its reason |
//! | incident | failure | incident, at the next rung that was not tried and may be |
//! | incident | failure, no rung left | given up: [`Event::RecoveryNeeded`](crate::event::Event::RecoveryNeeded) |
//! | incident | nothing failed for a while | quiet |
//! | any | [`Request::Recover`](crate::request::Request::Recover) | that rung, whatever was tried |
//!
//! This module only decides. [`Device`](crate::device::Device) does what it says.

use bes_hal::{Duration, Instant, SdioError, TransportError};
use bes_wsm::recovery::RecoveryReason;
use core::fmt;

/// A rung of the ladder, from the gentlest to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rung {
    /// The transfer again, with the same toggle.
    Retry,
    /// Abort of the function, and the announcement read anew.
    Abort,
    /// WSM RESET of every interface.
    InterfaceReset,
    /// Wi-Fi subsystem off and on.
    WifiRestart,
    /// Card reset with firmware download.
    CardReset,
    /// Restart through the stack above.
    StackRestart,
    /// Nothing more is tried.
    GiveUp,
}

impl Rung {
    /// Every rung, lowest first.
    pub const ALL: [Self; 7] = [
        Self::Retry,
        Self::Abort,
        Self::InterfaceReset,
        Self::WifiRestart,
        Self::CardReset,
        Self::StackRestart,
        Self::GiveUp,
    ];

    /// Rungs that a failure may lead to; a stack restart follows others by itself.
    const CLIMBED: [Self; 5] = [
        Self::Retry,
        Self::Abort,
        Self::InterfaceReset,
        Self::WifiRestart,
        Self::CardReset,
    ];

    /// Name for people and for debugfs: one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Abort => "abort",
            Self::InterfaceReset => "interface-reset",
            Self::WifiRestart => "wifi-restart",
            Self::CardReset => "card-reset",
            Self::StackRestart => "stack-restart",
            Self::GiveUp => "give-up",
        }
    }

    /// The rung of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rung| rung.name() == name)
    }

    /// Place in [`ALL`](Self::ALL).
    const fn index(self) -> usize {
        match self {
            Self::Retry => 0,
            Self::Abort => 1,
            Self::InterfaceReset => 2,
            Self::WifiRestart => 3,
            Self::CardReset => 4,
            Self::StackRestart => 5,
            Self::GiveUp => 6,
        }
    }

    /// Where the ladder begins for this reason.
    pub const fn first_for(reason: RecoveryReason) -> Self {
        match reason {
            RecoveryReason::Transport(TransportError::Bus(error)) => match error {
                SdioError::Crc | SdioError::Timeout | SdioError::Busy | SdioError::Card => {
                    Self::Retry
                }
                SdioError::NoMemory => Self::Retry,
                SdioError::Function | SdioError::OutOfRange => Self::Abort,
                SdioError::NoCard | SdioError::Unsupported => Self::GiveUp,
            },
            RecoveryReason::Transport(TransportError::Oversized(_)) => Self::Abort,
            RecoveryReason::Transport(TransportError::Boot(error)) => {
                if error.may_pass() {
                    Self::CardReset
                } else {
                    Self::GiveUp
                }
            }
            RecoveryReason::Transport(
                TransportError::NotReady(_) | TransportError::NotConfirmed(_),
            ) => Self::CardReset,
            RecoveryReason::CommandTimeout(_)
            | RecoveryReason::NoProgress
            | RecoveryReason::IndicationTimeout(_)
            | RecoveryReason::Refused(_) => Self::InterfaceReset,
            RecoveryReason::Transport(_)
            | RecoveryReason::Sequence { .. }
            | RecoveryReason::Exception
            | RecoveryReason::Restarted
            | RecoveryReason::StartupTimeout
            | RecoveryReason::StartupRefused(_)
            | RecoveryReason::ConfirmsLost
            | RecoveryReason::Diagnosed(_)
            | RecoveryReason::Requested => Self::WifiRestart,
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of rungs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rungs(u8);

impl Rungs {
    /// None.
    pub const NONE: Self = Self(0);
    /// Every rung.
    pub const ALL: Self = Self(0x7F);

    /// The same with another rung.
    #[must_use]
    pub const fn with(self, rung: Rung) -> Self {
        Self(self.0 | rung_bit(rung))
    }

    /// The same without a rung.
    #[must_use]
    pub const fn without(self, rung: Rung) -> Self {
        Self(self.0 & !rung_bit(rung))
    }

    /// Whether it is one of them.
    pub const fn has(self, rung: Rung) -> bool {
        self.0 & rung_bit(rung) != 0
    }
}

const fn rung_bit(rung: Rung) -> u8 {
    match rung {
        Rung::Retry => 1,
        Rung::Abort => 1 << 1,
        Rung::InterfaceReset => 1 << 2,
        Rung::WifiRestart => 1 << 3,
        Rung::CardReset => 1 << 4,
        Rung::StackRestart => 1 << 5,
        Rung::GiveUp => 1 << 6,
    }
}

/// What a card reset means for Bluetooth on the same chip, which it ends without a word (file 50, section 3.15).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SharedCard {
    /// Nobody else uses the chip.
    Alone,
    /// Bluetooth is switched off in an orderly way if the chip still listens, and whoever drives it is told before and
    /// after, by [`Event::CardReset`](crate::event::Event::CardReset). Afterwards it is on again if it was before; see
    /// [`RecoveryPolicy::bluetooth_again`].
    #[default]
    Tell,
    /// Bluetooth must not be disturbed: the rung is skipped.
    Spare,
}

/// Settings of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryPolicy {
    /// Rungs that the driver may try by itself. Without any, the first failure gives up, and what comes then is the stack's
    /// decision.
    pub rungs: Rungs,
    /// What a card reset has to take care of.
    pub shared: SharedCard,
    /// An incident is over when nothing has failed for so long.
    pub quiet: Duration,
    /// Most incidents within the window.
    pub incidents: u8,
    /// See `incidents`.
    pub window: Duration,
    /// Pause before the retry of a transfer, and before that after an abort.
    pub pause: Duration,
    /// A Wi-Fi restart that takes longer has failed. The chip needs some 30 ms of it.
    pub wifi_limit: Duration,
    /// Bluetooth has so long to go before a card reset.
    pub bluetooth_limit: Duration,
    /// Bluetooth that was on before a card reset with [`SharedCard::Tell`] is switched on again after it, before Wi-Fi. That
    /// costs Wi-Fi some 25 ms; a chip that does not do it holds Wi-Fi up for as long as the transport waits for it, and
    /// Wi-Fi goes on without. What the Bluetooth stack told the chip is lost all the same.
    pub bluetooth_again: bool,
    /// Boots that a card reset may need.
    pub boots: u8,
}

impl Default for RecoveryPolicy {
    fn default() -> Self {
        Self {
            rungs: Rungs::ALL,
            shared: SharedCard::Tell,
            quiet: Duration::from_secs(15),
            incidents: 10,
            window: Duration::from_secs(600),
            pause: Duration::from_millis(5),
            wifi_limit: Duration::from_secs(1),
            bluetooth_limit: Duration::from_millis(100),
            bluetooth_again: true,
            boots: 3,
        }
    }
}

impl RecoveryPolicy {
    /// No ladder: every failure is the stack's to decide upon.
    pub const NONE: Self = Self {
        rungs: Rungs::NONE,
        shared: SharedCard::Alone,
        quiet: Duration::from_secs(15),
        incidents: 0,
        window: Duration::from_secs(600),
        pause: Duration::from_millis(5),
        wifi_limit: Duration::from_secs(1),
        bluetooth_limit: Duration::from_millis(100),
        bluetooth_again: false,
        boots: 1,
    };
}

/// How often a rung was tried, and why the last time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RungRecord {
    /// How often it was tried.
    pub count: u32,
    /// How often it was asked for: those are part of `count`.
    pub asked: u32,
    /// How often it was due and left out, by setting or because the platform cannot do it.
    pub skipped: u32,
    /// When it was tried last, and why.
    pub last: Option<(Instant, RecoveryReason)>,
}

/// A failure and what followed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incident {
    /// When it began.
    pub began: Instant,
    /// What began it.
    pub reason: RecoveryReason,
    /// The last failure so far.
    pub last: Instant,
    /// What was tried.
    pub tried: Rungs,
}

/// What the device is able to do at the moment of a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Situation {
    /// Messages flow, and the failure came from their transfer: it can be repeated.
    pub(crate) transfer: bool,
    /// Wi-Fi runs: interfaces can be reset.
    pub(crate) running: bool,
    /// The firmware runs: Wi-Fi can be switched.
    pub(crate) booted: bool,
}

/// Incidents whose beginning is remembered for the budget.
const REMEMBERED: usize = 16;

/// The ladder of one device.
#[derive(Debug)]
pub struct Recovery {
    policy: RecoveryPolicy,
    records: [RungRecord; 7],
    incident: Option<Incident>,
    incidents: u32,
    began: [Option<Instant>; REMEMBERED],
    next: usize,
}

impl Recovery {
    /// Nothing has failed yet.
    pub(crate) const fn new(policy: RecoveryPolicy) -> Self {
        Self {
            policy,
            records: [RungRecord {
                count: 0,
                asked: 0,
                skipped: 0,
                last: None,
            }; 7],
            incident: None,
            incidents: 0,
            began: [None; REMEMBERED],
            next: 0,
        }
    }

    /// The settings.
    pub const fn policy(&self) -> &RecoveryPolicy {
        &self.policy
    }

    /// What became of a rung so far.
    pub fn record(&self, rung: Rung) -> RungRecord {
        self.records.get(rung.index()).copied().unwrap_or_default()
    }

    /// The incident that is not over at `now`.
    pub fn incident(&self, now: Instant) -> Option<Incident> {
        let quiet = self.policy.quiet;
        self.incident
            .filter(|incident| now.since(incident.last) < quiet)
    }

    /// Incidents since the device was made.
    pub const fn incidents(&self) -> u32 {
        self.incidents
    }

    /// Whether no rung was ever tried.
    pub fn is_clean(&self) -> bool {
        self.records.iter().all(|record| record.count == 0)
    }

    /// Something failed: which rung is next. It is counted as tried.
    pub(crate) fn climb(
        &mut self,
        reason: RecoveryReason,
        situation: Situation,
        now: Instant,
    ) -> Rung {
        let mut incident = match self.incident(now) {
            Some(incident) => incident,
            None => self.begin(reason, now),
        };
        incident.last = now;
        let rung = self.choose(&incident, reason, situation, now);
        incident.tried = incident.tried.with(rung);
        self.incident = Some(incident);
        self.note(rung, reason, now);
        rung
    }

    fn begin(&mut self, reason: RecoveryReason, now: Instant) -> Incident {
        self.incidents = self.incidents.saturating_add(1);
        if let Some(entry) = self.began.get_mut(self.next % REMEMBERED) {
            *entry = Some(now);
        }
        self.next = self.next.wrapping_add(1) % REMEMBERED;
        Incident {
            began: now,
            reason,
            last: now,
            tried: Rungs::NONE,
        }
    }

    fn choose(
        &mut self,
        incident: &Incident,
        reason: RecoveryReason,
        situation: Situation,
        now: Instant,
    ) -> Rung {
        let window = self.policy.window;
        let recent = self
            .began
            .iter()
            .flatten()
            .filter(|began| now.since(**began) < window)
            .count();
        let first = Rung::first_for(reason);
        if first == Rung::GiveUp || recent > usize::from(self.policy.incidents) {
            return Rung::GiveUp;
        }
        for rung in Rung::CLIMBED {
            // A rung below one that did not help does not help either.
            let beaten = Rung::CLIMBED
                .into_iter()
                .any(|higher| higher >= rung && incident.tried.has(higher));
            let possible = match rung {
                Rung::Retry | Rung::Abort => situation.transfer,
                Rung::InterfaceReset => situation.running,
                Rung::WifiRestart => situation.booted,
                _ => true,
            };
            if rung < first || beaten || !possible {
                continue;
            }
            let spared = rung == Rung::CardReset && self.policy.shared == SharedCard::Spare;
            if !self.policy.rungs.has(rung) || spared {
                self.note_skipped(rung);
                continue;
            }
            return rung;
        }
        Rung::GiveUp
    }

    /// Somebody asks for a rung, or it follows from another one.
    pub(crate) fn note(&mut self, rung: Rung, reason: RecoveryReason, now: Instant) {
        if let Some(record) = self.records.get_mut(rung.index()) {
            record.count = record.count.saturating_add(1);
            record.last = Some((now, reason));
            if reason == RecoveryReason::Requested {
                record.asked = record.asked.saturating_add(1);
            }
        }
    }

    fn note_skipped(&mut self, rung: Rung) {
        if let Some(record) = self.records.get_mut(rung.index()) {
            record.skipped = record.skipped.saturating_add(1);
        }
    }
}

/// One line per rung that was tried or left out; what a reader of debugfs sees.
impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "incidents {}", self.incidents)?;
        for (rung, record) in Rung::ALL.into_iter().zip(&self.records) {
            write!(
                f,
                "{:<16} {} tried, {} of them asked for, {} left out",
                rung.name(),
                record.count,
                record.asked,
                record.skipped
            )?;
            match record.last {
                Some((at, reason)) => writeln!(f, "; last at {at}: {reason}")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use bes_wsm::wire::MessageId;

    const CRC: RecoveryReason = RecoveryReason::Transport(TransportError::Bus(SdioError::Crc));
    const ALL: Situation = Situation {
        transfer: true,
        running: true,
        booted: true,
    };

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn climbed(ladder: &mut Recovery, reasons: &[RecoveryReason]) -> Vec<Rung> {
        reasons
            .iter()
            .zip(1..)
            .map(|(reason, n)| ladder.climb(*reason, ALL, at(n * 1000)))
            .collect()
    }

    #[test]
    fn each_rung_is_tried_once_per_incident_and_then_it_gives_up() {
        let mut ladder = Recovery::new(RecoveryPolicy::default());
        assert_eq!(
            climbed(&mut ladder, &[CRC; 7]),
            [
                Rung::Retry,
                Rung::Abort,
                Rung::InterfaceReset,
                Rung::WifiRestart,
                Rung::CardReset,
                Rung::GiveUp,
                Rung::GiveUp,
            ]
        );
        assert_eq!(ladder.incidents(), 1);
        assert_eq!(ladder.record(Rung::Abort).count, 1);
        assert_eq!(ladder.record(Rung::Abort).last, Some((at(2000), CRC)));
    }

    #[test]
    fn the_ladder_begins_where_the_reason_says_and_never_goes_down() {
        let mut ladder = Recovery::new(RecoveryPolicy::default());
        let reasons = [
            RecoveryReason::CommandTimeout(MessageId::JOIN),
            CRC,
            RecoveryReason::NoProgress,
        ];
        assert_eq!(
            climbed(&mut ladder, &reasons),
            [Rung::InterfaceReset, Rung::WifiRestart, Rung::CardReset]
        );
    }

    #[test]
    fn after_a_quiet_time_it_begins_anew() {
        let mut ladder = Recovery::new(RecoveryPolicy::default());
        assert_eq!(ladder.climb(CRC, ALL, at(0)), Rung::Retry);
        assert!(ladder.incident(at(14_999)).is_some());
        assert!(ladder.incident(at(15_000)).is_none());
        assert_eq!(ladder.climb(CRC, ALL, at(15_000)), Rung::Retry);
        assert_eq!(ladder.incidents(), 2);
        assert_eq!(ladder.climb(CRC, ALL, at(20_000)), Rung::Abort);
        assert_eq!(ladder.climb(CRC, ALL, at(34_000)), Rung::InterfaceReset);
    }

    #[test]
    fn a_chip_that_does_not_get_well_is_given_up() {
        let mut ladder = Recovery::new(RecoveryPolicy::default());
        for n in 0..10 {
            assert_eq!(ladder.climb(CRC, ALL, at(n * 20_000)), Rung::Retry);
        }
        assert_eq!(ladder.climb(CRC, ALL, at(200_000)), Rung::GiveUp);
        // The window moves on.
        assert_eq!(ladder.climb(CRC, ALL, at(900_000)), Rung::Retry);
    }

    #[test]
    fn rungs_that_may_not_or_cannot_be_tried_are_left_out() {
        let policy = RecoveryPolicy {
            shared: SharedCard::Spare,
            rungs: Rungs::ALL.without(Rung::WifiRestart),
            ..RecoveryPolicy::default()
        };
        let mut ladder = Recovery::new(policy);
        let exception = RecoveryReason::Exception;
        assert_eq!(ladder.climb(exception, ALL, at(0)), Rung::GiveUp);
        assert_eq!(ladder.record(Rung::WifiRestart).skipped, 1);
        assert_eq!(ladder.record(Rung::CardReset).skipped, 1);
        assert_eq!(ladder.record(Rung::CardReset).count, 0);

        let mut ladder = Recovery::new(RecoveryPolicy::default());
        let off = Situation::default();
        assert_eq!(ladder.climb(CRC, off, at(0)), Rung::CardReset);
        let mut ladder = Recovery::new(RecoveryPolicy::NONE);
        assert_eq!(ladder.climb(CRC, ALL, at(0)), Rung::GiveUp);
    }

    #[test]
    fn a_card_that_is_gone_and_files_that_are_missing_are_not_tried_again() {
        use bes_hal::firmware::FirmwareFile;
        use bes_hal::BootError;
        for error in [
            TransportError::Bus(SdioError::NoCard),
            TransportError::Boot(BootError::FileMissing(FirmwareFile::Main)),
        ] {
            let mut ladder = Recovery::new(RecoveryPolicy::default());
            let reason = RecoveryReason::Transport(error);
            assert_eq!(ladder.climb(reason, ALL, at(0)), Rung::GiveUp);
        }
    }

    #[test]
    fn names_are_read_back() {
        for (index, rung) in Rung::ALL.into_iter().enumerate() {
            assert_eq!(Rung::named(rung.name()), Some(rung));
            assert_eq!(rung.index(), index);
            assert!(Rungs::ALL.has(rung));
        }
        assert_eq!(Rung::named("reboot"), None);
    }

    #[test]
    fn it_prints_a_line_per_rung() {
        let mut ladder = Recovery::new(RecoveryPolicy::default());
        assert!(ladder.is_clean());
        ladder.climb(CRC, ALL, at(3));
        let text = ladder.to_string();
        assert_eq!(text.lines().count(), 8);
        assert!(text.contains("retry            1 tried, 0 of them asked for, 0 left out; last at"));
        assert!(text.contains("CRC error on the bus"));
    }
}
