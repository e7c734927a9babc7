//! 802.11 power save of a station: which mode is wanted, what is asked of the chip for it, and whether the chip
//! answers (specification: file 40, sections 2 and 3.5; file 50, section 3, item 7).
//!
//! Power save is asked for when the stack wants it and the association stands, and stays in force whether the host or
//! the chip sleeps or not: the chip dozes between beacons on its own, and putting the whole device to sleep needs no
//! request and no wait. The C driver asked for it each time the device fell asleep, held transmission for up to five
//! seconds until the chip answered, and took it back on every wake-up (`docs/decisions/0012-power-save-stays-in-force.md`).
//!
//! | state | event | next |
//! |---|---|---|
//! | any | another mode is wanted than the chip has | asked, once the chip confirms; for a doze mode it has to answer |
//! | answer awaited | the chip says that power save has begun | in force |
//! | answer awaited | it says that it has not | not in force, asked again after a while |
//! | answer awaited | the deadline | the mode is latched as unsupported: [`Support`] |
//! | answer awaited | active mode is wanted | asked at once; the answer, if it still comes, belongs to nothing |
//!
//! | the stack wants | mode |
//! |---|---|
//! | no power save | active |
//! | power save | fast; [`Settings::without_time_out`] if the stack gave no time-out |
//! | the same with U-APSD | legacy: U-APSD and fast exclude each other (section 2.1) |
//! | any, but the chip does not answer legacy | fast |
//! | any, but the chip does not answer fast | active |
//! | any, but the access point fails with power save | active, until the station leaves it |
//!
//! A chip that does not answer costs one deadline, during which nothing is held back, and nothing afterwards.

use bes_hal::time::earliest;
use bes_hal::{Duration, Instant};
use core::fmt;

/// Power-save mode of a station.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Always listening.
    #[default]
    Active,
    /// Legacy: every buffered frame is polled for. The firmware never says that it has begun (file 50, 3.7).
    PowerSave,
    /// Fast: the station announces itself active as soon as there is traffic.
    FastPowerSave,
}

/// How long the station stays active after traffic in fast power save, unless the stack says otherwise. It is what
/// mac80211 uses where it does this itself: an answer from the network that takes longer waits for a beacon. The C
/// driver, whose device had been idle for 1.5 s when it asked, had 8 ms (`BES2600_FASTPS_IDLE_TIME`).
pub const FAST_IDLE: Duration = Duration::from_millis(100);

/// Most that the message can say: 255 units of 500 µs.
const MAX_FAST_IDLE: Duration = Duration::from_micros(255 * 500);

/// How long the chip may take to say that power save has begun (section 2.3).
pub const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How long after a refusal power save is asked for again.
pub const AFTER_REFUSAL: Duration = Duration::from_secs(10);

/// Wanted number of beacon intervals between two that are heard. C: `CONFIG_BES2600_LISTEN_INTERVAL`.
pub const LISTEN_INTERVAL: u8 = 3;

/// The content of a power-save request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PmRequest {
    /// The mode.
    pub mode: Mode,
    /// How long the station stays active after traffic.
    pub idle: Duration,
}

impl PmRequest {
    /// Always listening.
    pub const ACTIVE: Self = Self {
        mode: Mode::Active,
        idle: FAST_IDLE,
    };
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::PowerSave => "legacy power save",
            Self::FastPowerSave => "fast power save",
        })
    }
}

/// What the chip said about power save of an interface (`SET_PM_COMPLETE`; section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Indication {
    /// Power save has begun.
    PowerSave,
    /// The station is active. Answers a request for active mode, which nobody waits for.
    Active,
    /// Power save did not begin: a status other than success, or a null frame that was not acknowledged.
    Failed,
}

/// What an indication was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Heard {
    /// The answer that was awaited, or nothing that matters.
    Expected,
    /// The answer that was awaited: no.
    Refused,
    /// It belongs to no request, or to one that was given up.
    OutOfTurn,
}

/// A mode that the chip does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// The mode.
    pub mode: Mode,
    /// The interface whose answer was missing.
    pub interface: u8,
    /// When it was given up.
    pub since: Instant,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PM unsupported: no answer to {} on interface {} until {}",
            self.mode, self.interface, self.since
        )
    }
}

/// The modes that the chip does not answer, as far as that has been found out. A property of the chip as it was started:
/// made anew, and tested anew, with every start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Support {
    legacy: Option<Unsupported>,
    fast: Option<Unsupported>,
}

impl Support {
    /// Nothing is known to be missing.
    pub const NEW: Self = Self {
        legacy: None,
        fast: None,
    };

    /// The modes that are not asked for any more, and why.
    pub fn unsupported(&self) -> impl Iterator<Item = Unsupported> {
        self.legacy.into_iter().chain(self.fast)
    }

    /// An answer did not come.
    pub fn latch(&mut self, mode: Mode, interface: u8, now: Instant) {
        let unsupported = Unsupported {
            mode,
            interface,
            since: now,
        };
        match mode {
            Mode::Active => {}
            Mode::PowerSave => {
                self.legacy.get_or_insert(unsupported);
            }
            Mode::FastPowerSave => {
                self.fast.get_or_insert(unsupported);
            }
        }
    }

    /// The mode to ask for instead, or the same.
    const fn instead_of(&self, mode: Mode) -> Mode {
        match (mode, self.legacy, self.fast) {
            (Mode::PowerSave, Some(_), None) => Mode::FastPowerSave,
            (Mode::PowerSave, Some(_), Some(_)) | (Mode::FastPowerSave, _, Some(_)) => Mode::Active,
            _ => mode,
        }
    }
}

/// What the access point did wrong while the station dozed (event 7; file 40, section 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModeError {
    /// Nothing in particular.
    None,
    /// It did not answer a PS-Poll.
    NoPollAnswer,
    /// It did not answer a U-APSD trigger.
    NoTriggerAnswer,
    /// It sent a unicast frame although the station dozed.
    SentWhileDozing,
    /// It announced data in the TIM and sent none. Harmless.
    NoDataAfterTim,
    /// A code that the specification does not know.
    Unknown(u32),
}

impl From<u32> for ModeError {
    fn from(code: u32) -> Self {
        match code {
            0 => Self::None,
            1 => Self::NoPollAnswer,
            2 => Self::NoTriggerAnswer,
            3 => Self::SentWhileDozing,
            4 => Self::NoDataAfterTim,
            other => Self::Unknown(other),
        }
    }
}

/// How power save is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Mode when the stack switches power save on without a dynamic time-out, which current kernels always do. The
    /// C driver took [`Mode::PowerSave`] and waited for an answer that never came.
    pub without_time_out: Mode,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            without_time_out: Mode::FastPowerSave,
        }
    }
}

/// An answer that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Awaited {
    mode: Mode,
    until: Instant,
}

/// Power save of one interface.
#[derive(Clone, Copy, Debug, Default)]
pub struct PowerSave {
    settings: Settings,
    enabled: bool,
    wanted: Mode,
    idle: Duration,
    access_point_is_bad: bool,
    uapsd: bool,
    host_sleeps: bool,
    last_sent: Option<PmRequest>,
    in_force: Mode,
    awaited: Option<Awaited>,
    /// An answer of a request that was given up may come until then.
    late_until: Option<Instant>,
    /// An answer of the wait under way was taken for a late one, so a missing one proves nothing.
    late_came: bool,
    /// After a refusal.
    not_before: Instant,
}

impl PowerSave {
    /// A station that has not joined.
    pub const fn new(settings: Settings) -> Self {
        Self {
            settings,
            enabled: false,
            wanted: Mode::Active,
            idle: Duration::ZERO,
            access_point_is_bad: false,
            uapsd: false,
            host_sleeps: false,
            last_sent: None,
            in_force: Mode::Active,
            awaited: None,
            late_until: None,
            late_came: false,
            not_before: Instant::ZERO,
        }
    }

    /// The mode that the stack wants.
    pub const fn wanted(&self) -> Mode {
        self.wanted
    }

    /// The mode that the chip says it is in.
    pub const fn in_force(&self) -> Mode {
        self.in_force
    }

    /// Whether the host suspends, or is suspended.
    pub const fn host_sleeps(&self) -> bool {
        self.host_sleeps
    }

    /// Whether an answer of the chip is due, for which it should stay awake. Bounded by [`ANSWER_LIMIT`].
    pub const fn is_awaited(&self) -> bool {
        self.awaited.is_some()
    }

    /// Whether the user switched power save off, so that a joined device has to stay awake
    /// ([`crate::reason::Reason::PowerSaveOff`]).
    pub const fn is_off(&self) -> bool {
        !self.enabled
    }

    /// Whether the access point proved to be bad at power save.
    pub const fn access_point_is_bad(&self) -> bool {
        self.access_point_is_bad
    }

    /// The stack switched power save on or off. `time_out`: how long to stay active after traffic, zero if it does not
    /// say.
    pub fn handle_power_save(&mut self, enabled: bool, time_out: Duration) {
        self.enabled = enabled;
        self.idle = time_out.min(MAX_FAST_IDLE);
        self.wanted = match (enabled, time_out) {
            (false, _) => Mode::Active,
            (true, Duration::ZERO) => self.settings.without_time_out,
            (true, _) => Mode::FastPowerSave,
        };
    }

    /// An access category switched U-APSD on, or none uses it any more.
    pub fn handle_uapsd(&mut self, any: bool) {
        self.uapsd = any;
    }

    /// The chip is told to be active whatever it believes: its power save seems stuck (file 50, section 4, candidate 4).
    /// Power save is asked for again after a while.
    pub fn handle_awake(&mut self, now: Instant) {
        self.last_sent = Some(PmRequest::ACTIVE);
        self.in_force = Mode::Active;
        if self.awaited.take().is_some() {
            self.late_until = Some(now.after(ANSWER_LIMIT));
        }
        self.not_before = now.after(AFTER_REFUSAL);
    }

    /// The host is about to suspend, or is back. While it sleeps there is power save whatever the user chose for when it
    /// does not.
    pub fn handle_host_sleep(&mut self, sleeps: bool) {
        self.host_sleeps = sleeps;
    }

    /// The chip reported that the access point fails with power save. `true`: power save is given up for this
    /// association, and the device should wake up for it ([`crate::reason::Reason::BadPowerSave`]).
    #[must_use]
    pub fn handle_mode_error(&mut self, error: ModeError) -> bool {
        let bad = error != ModeError::NoDataAfterTim && !self.uapsd;
        let news = bad && !self.access_point_is_bad;
        self.access_point_is_bad |= bad;
        news
    }

    /// The station left the access point: what was learnt about it is forgotten, what the user wants is not. The chip
    /// is active again.
    pub fn handle_unjoin(&mut self) {
        self.access_point_is_bad = false;
        self.last_sent = None;
        self.in_force = Mode::Active;
        self.awaited = None;
        self.late_until = None;
        self.not_before = Instant::ZERO;
    }

    /// What the chip should do.
    fn target(&self, support: &Support) -> PmRequest {
        let wanted = match (self.wanted, self.host_sleeps) {
            (Mode::Active, true) => Mode::FastPowerSave,
            (mode, _) => mode,
        };
        let mode = match (wanted, self.uapsd) {
            _ if self.access_point_is_bad => Mode::Active,
            (Mode::FastPowerSave, true) => Mode::PowerSave,
            (mode, _) => mode,
        };
        match support.instead_of(mode) {
            Mode::Active => PmRequest::ACTIVE,
            mode => PmRequest {
                mode,
                idle: if self.idle.is_zero() {
                    FAST_IDLE
                } else {
                    self.idle
                },
            },
        }
    }

    /// The request to send now, for a station whose association stands; `None` if there is nothing to ask for, or not
    /// yet (P2: nothing is waited for that was not asked).
    pub fn request(&self, support: &Support, now: Instant) -> Option<PmRequest> {
        let target = self.target(support);
        // After a join the chip is active.
        if self.last_sent.unwrap_or(PmRequest::ACTIVE) == target {
            return None;
        }
        let doze = target.mode != Mode::Active;
        if doze && (self.awaited.is_some() || !self.not_before.is_due(now)) {
            return None;
        }
        Some(target)
    }

    /// The request goes to the chip. Its answer may come before the confirm.
    pub fn handle_sent(&mut self, request: PmRequest, now: Instant) {
        if self.awaited.take().is_some() {
            self.late_until = Some(now.after(ANSWER_LIMIT));
        }
        if request.mode != Mode::Active {
            self.late_came = false;
            self.awaited = Some(Awaited {
                mode: request.mode,
                until: now.after(ANSWER_LIMIT),
            });
        }
    }

    /// The chip confirmed the request, or refused it. Only a confirmed one counts as sent.
    pub fn handle_confirmed(&mut self, request: PmRequest, accepted: bool, now: Instant) {
        if accepted {
            self.last_sent = Some(request);
            if request.mode == Mode::Active {
                self.in_force = Mode::Active;
            }
        } else {
            self.awaited = None;
            self.not_before = now.after(AFTER_REFUSAL);
            if request.mode == Mode::Active {
                // Not asked for again and again; the chip says so if it minds.
                self.last_sent = Some(request);
            }
        }
    }

    /// The chip said something.
    pub fn handle_indication(&mut self, indication: Indication, now: Instant) -> Heard {
        if indication == Indication::Active {
            return Heard::Expected;
        }
        if let Some(until) = self.late_until.take() {
            if !until.is_due(now) {
                self.late_came = true;
                return Heard::OutOfTurn;
            }
        }
        let Some(awaited) = self.awaited.take() else {
            return Heard::OutOfTurn;
        };
        if indication == Indication::Failed {
            self.last_sent = None;
            self.not_before = now.after(AFTER_REFUSAL);
            return Heard::Refused;
        }
        self.in_force = awaited.mode;
        Heard::Expected
    }

    /// Gives up an answer that is overdue. The mode, if that proves that the chip does not answer it: to be
    /// [latched](Support::latch).
    pub fn poll(&mut self, now: Instant) -> Option<Mode> {
        let awaited = self.awaited.filter(|awaited| awaited.until.is_due(now))?;
        self.awaited = None;
        self.late_until = Some(now.after(ANSWER_LIMIT));
        (!self.late_came).then_some(awaited.mode)
    }

    /// When to call [`poll`](Self::poll), or to ask for a [request](Self::request) again.
    pub fn next_deadline(&self, support: &Support, now: Instant) -> Option<Instant> {
        let again = (self.not_before > now
            && self.last_sent.unwrap_or(PmRequest::ACTIVE) != self.target(support))
        .then_some(self.not_before);
        earliest(self.awaited.map(|awaited| awaited.until), again)
    }
}

/// How many beacon intervals the station may sleep so that it hears every DTIM beacon it wakes for: the DTIM period
/// itself if it is 3 or more, else the largest multiple that fits into 3. `None` while the DTIM period is not known.
///
/// It applies whether or not a program listens to multicast: the C driver left it out then, that is nearly always
/// (file 40, P24).
pub const fn listen_interval(dtim_period: u8) -> Option<u8> {
    match dtim_period {
        0 => None,
        1 => Some(LISTEN_INTERVAL),
        2 => Some(2),
        long => Some(long),
    }
}

/// How long the device stays awake to hear multicast after it resumed: one DTIM period with 20 TU to spare for each
/// beacon ([`crate::reason::Reason::Multicast`]). `beacon_interval` in TU of 1024 µs.
pub fn multicast_time(dtim_period: u8, beacon_interval: u16) -> Duration {
    let tu = u64::from(dtim_period).saturating_mul(u64::from(beacon_interval).saturating_add(20));
    Duration::from_micros(tu.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Duration = Duration::ZERO;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// A station whose user wants power save.
    fn saving() -> PowerSave {
        let mut station = PowerSave::default();
        station.handle_power_save(true, NONE);
        station
    }

    /// Sends what is due and has it confirmed.
    fn ask(station: &mut PowerSave, support: &Support, now: Instant) -> Mode {
        let request = station.request(support, now).expect("a request is due");
        station.handle_sent(request, now);
        station.handle_confirmed(request, true, now);
        request.mode
    }

    #[test]
    fn power_save_follows_the_user_and_stays_in_force() {
        let (mut station, support) = (saving(), Support::NEW);
        assert!(!station.is_off());
        assert_eq!(ask(&mut station, &support, at(0)), Mode::FastPowerSave);
        assert_eq!(station.in_force(), Mode::Active);
        assert_eq!(
            station.handle_indication(Indication::PowerSave, at(1)),
            Heard::Expected
        );
        assert_eq!(station.in_force(), Mode::FastPowerSave);
        assert_eq!(station.request(&support, at(100_000)), None);
        assert_eq!(station.next_deadline(&support, at(1)), None);
        station.handle_power_save(false, NONE);
        assert!(station.is_off());
        assert_eq!(ask(&mut station, &support, at(2)), Mode::Active);
        assert_eq!(station.in_force(), Mode::Active);
        // The answer to that is nothing anybody waits for.
        assert_eq!(
            station.handle_indication(Indication::Active, at(3)),
            Heard::Expected
        );
        assert_eq!(station.poll(at(100_000)), None);
    }

    #[test]
    fn the_time_out_of_the_stack_is_what_the_message_can_say() {
        for (asked, said) in [(0, 100_000), (20, 20_000), (500, 127_500)] {
            let mut station = PowerSave::default();
            station.handle_power_save(true, Duration::from_millis(asked));
            let request = station.request(&Support::NEW, at(0)).unwrap();
            assert_eq!(request.idle, Duration::from_micros(said));
            assert_eq!(request.mode, Mode::FastPowerSave);
        }
    }

    /// P2: five seconds were waited for an answer although nothing had been asked.
    #[test]
    fn p2_without_a_request_nothing_is_waited_for() {
        let station = PowerSave::default();
        assert_eq!(station.request(&Support::NEW, at(0)), None);
        assert!(!station.is_awaited());
        assert_eq!(station.next_deadline(&Support::NEW, at(0)), None);
        let mut station = saving();
        let support = Support::NEW;
        ask(&mut station, &support, at(0));
        let _ = station.handle_indication(Indication::PowerSave, at(1));
        assert!(!station.is_awaited());
    }

    #[test]
    fn a_chip_that_never_answers_is_found_out_once_and_costs_nothing_afterwards() {
        let (mut station, mut support) = (saving(), Support::NEW);
        station.handle_uapsd(true);
        assert_eq!(ask(&mut station, &support, at(0)), Mode::PowerSave);
        assert!(station.is_awaited());
        assert_eq!(station.next_deadline(&support, at(0)), Some(at(5000)));
        assert_eq!(station.poll(at(4999)), None);
        let mode = station.poll(at(5000)).unwrap();
        support.latch(mode, 0, at(5000));
        assert_eq!(
            support.unsupported().next().unwrap().to_string(),
            "PM unsupported: no answer to legacy power save on interface 0 until 5.000000"
        );
        // Legacy is not answered: file 50, section 3, item 7. Fast is.
        assert_eq!(ask(&mut station, &support, at(12_000)), Mode::FastPowerSave);
        let mode = station.poll(at(17_000)).unwrap();
        support.latch(mode, 0, at(17_000));
        assert_eq!(support.unsupported().count(), 2);
        // Power save is off, and that was all.
        assert_eq!(ask(&mut station, &support, at(17_000)), Mode::Active);
        assert_eq!(station.request(&support, at(17_000)), None);
        assert_eq!(station.next_deadline(&support, at(17_000)), None);
        assert!(!station.is_awaited());
        // A chip that was started again is tested again.
        station.handle_unjoin();
        assert_eq!(
            ask(&mut station, &Support::NEW, at(20_000)),
            Mode::PowerSave
        );
    }

    /// P3: an answer of one request satisfied the wait of the next.
    #[test]
    fn p3_a_late_answer_does_not_satisfy_the_next_wait() {
        let (mut station, support) = (saving(), Support::NEW);
        ask(&mut station, &support, at(0));
        station.handle_power_save(false, NONE);
        assert_eq!(ask(&mut station, &support, at(10)), Mode::Active);
        station.handle_power_save(true, NONE);
        ask(&mut station, &support, at(20));
        assert_eq!(
            station.handle_indication(Indication::PowerSave, at(30)),
            Heard::OutOfTurn
        );
        assert!(station.is_awaited());
        assert_eq!(
            station.handle_indication(Indication::PowerSave, at(40)),
            Heard::Expected
        );
        assert_eq!(station.in_force(), Mode::FastPowerSave);
        assert_eq!(
            station.handle_indication(Indication::PowerSave, at(50)),
            Heard::OutOfTurn
        );
    }

    #[test]
    fn a_wait_that_a_late_answer_may_have_spoilt_proves_nothing() {
        let (mut station, support) = (saving(), Support::NEW);
        ask(&mut station, &support, at(0));
        station.handle_power_save(false, NONE);
        ask(&mut station, &support, at(10));
        station.handle_power_save(true, NONE);
        ask(&mut station, &support, at(20));
        let _ = station.handle_indication(Indication::PowerSave, at(30));
        assert_eq!(station.poll(at(5020)), None);
        assert!(!station.is_awaited());
    }

    #[test]
    fn an_answer_long_after_its_request_is_not_mistaken_for_a_late_one() {
        let (mut station, support) = (saving(), Support::NEW);
        ask(&mut station, &support, at(0));
        station.handle_power_save(false, NONE);
        ask(&mut station, &support, at(10));
        station.handle_power_save(true, NONE);
        ask(&mut station, &support, at(6_000));
        assert_eq!(
            station.handle_indication(Indication::PowerSave, at(6_001)),
            Heard::Expected
        );
    }

    #[test]
    fn a_refusal_is_asked_again_after_a_while() {
        let support = Support::NEW;
        // By the confirm.
        let mut station = saving();
        let request = station.request(&support, at(0)).unwrap();
        station.handle_sent(request, at(0));
        station.handle_confirmed(request, false, at(0));
        assert!(!station.is_awaited());
        assert_eq!(station.request(&support, at(9_999)), None);
        assert_eq!(station.next_deadline(&support, at(1)), Some(at(10_000)));
        assert_eq!(station.request(&support, at(10_000)), Some(request));
        // By the answer: the access point did not hear the null frame.
        let mut station = saving();
        ask(&mut station, &support, at(0));
        assert_eq!(
            station.handle_indication(Indication::Failed, at(1)),
            Heard::Refused
        );
        assert_eq!(station.request(&support, at(10_000)), None);
        assert_eq!(station.request(&support, at(10_001)), Some(request));
        // Active mode is not begged for.
        let mut station = saving();
        ask(&mut station, &support, at(0));
        station.handle_power_save(false, NONE);
        let active = station.request(&support, at(1)).unwrap();
        station.handle_sent(active, at(1));
        station.handle_confirmed(active, false, at(1));
        assert_eq!(station.request(&support, at(100_000)), None);
    }

    #[test]
    fn an_answer_before_the_confirm_counts() {
        let (mut station, support) = (saving(), Support::NEW);
        let request = station.request(&support, at(0)).unwrap();
        station.handle_sent(request, at(0));
        let _ = station.handle_indication(Indication::PowerSave, at(1));
        station.handle_confirmed(request, true, at(2));
        assert!(!station.is_awaited());
        assert_eq!(station.in_force(), Mode::FastPowerSave);
    }

    #[test]
    fn a_host_that_suspends_saves_power_against_its_user_and_only_meanwhile() {
        let (mut station, support) = (PowerSave::default(), Support::NEW);
        station.handle_host_sleep(true);
        assert_eq!(ask(&mut station, &support, at(0)), Mode::FastPowerSave);
        let _ = station.handle_indication(Indication::PowerSave, at(1));
        station.handle_host_sleep(false);
        assert_eq!(ask(&mut station, &support, at(2)), Mode::Active);
    }

    #[test]
    fn power_save_that_was_stuck_is_asked_for_again_after_a_while() {
        let (mut station, support) = (saving(), Support::NEW);
        ask(&mut station, &support, at(0));
        let _ = station.handle_indication(Indication::PowerSave, at(1));
        station.handle_awake(at(100));
        assert_eq!(station.request(&support, at(10_099)), None);
        assert_eq!(station.next_deadline(&support, at(100)), Some(at(10_100)));
        assert_eq!(ask(&mut station, &support, at(10_100)), Mode::FastPowerSave);
    }

    #[test]
    fn a_bad_access_point_is_remembered_until_the_station_leaves_it() {
        let (mut station, support) = (saving(), Support::NEW);
        ask(&mut station, &support, at(0));
        let _ = station.handle_indication(Indication::PowerSave, at(1));
        assert!(!station.handle_mode_error(ModeError::from(4)));
        assert!(!station.access_point_is_bad());
        assert!(station.handle_mode_error(ModeError::from(1)));
        // Said once.
        assert!(!station.handle_mode_error(ModeError::from(1)));
        assert_eq!(ask(&mut station, &support, at(2)), Mode::Active);
        station.handle_power_save(true, NONE);
        assert_eq!(station.request(&support, at(3)), None);
        station.handle_unjoin();
        assert_eq!(ask(&mut station, &support, at(4)), Mode::FastPowerSave);
        assert_eq!(ModeError::from(9), ModeError::Unknown(9));
    }

    /// P24, and the examples of section 3.5.
    #[test]
    fn p24_the_listen_interval_is_a_multiple_of_the_dtim_period() {
        assert_eq!(listen_interval(0), None);
        assert_eq!(listen_interval(1), Some(3));
        assert_eq!(listen_interval(2), Some(2));
        for long in 3..=u8::MAX {
            assert_eq!(listen_interval(long), Some(long));
        }
    }

    #[test]
    fn the_multicast_time_covers_one_dtim_period() {
        assert_eq!(multicast_time(1, 100), Duration::from_micros(120 * 1024));
        assert_eq!(
            multicast_time(u8::MAX, u16::MAX),
            Duration::from_micros(255 * 65_555 * 1024)
        );
    }
}
