//! 802.11 power save of a station: which mode is wanted, what is sent for it, and how often beacons are heard while
//! asleep (specification: file 40, sections 2, 3.3 and 3.5).
//!
//! The wanted mode is not sent when it changes but when the device falls asleep; on waking up the station goes back
//! to active mode.
//!
//! | event | wanted mode |
//! |---|---|
//! | power save off | active |
//! | power save on | fast; [`Settings::without_time_out`] if the stack gave no time-out |
//! | one address, joined, parameters not set yet | active |
//! | one address, joined, parameters set, power save changed before | unchanged |
//! | one address, joined, parameters set, otherwise | fast |
//! | the access point fails with power save | active, until the station leaves it |

use bes_hal::Duration;

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

/// How long the station stays active after traffic in fast power save. C: `BES2600_FASTPS_IDLE_TIME`.
pub const FAST_IDLE: Duration = Duration::from_millis(8);

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
    /// Back to active, as on every wake-up.
    pub const ACTIVE: Self = Self {
        mode: Mode::Active,
        idle: FAST_IDLE,
    };

    /// Whether the chip will say that power save has begun, so that waiting for it makes sense (file 40, P2).
    pub const fn is_answered(&self) -> bool {
        matches!(self.mode, Mode::FastPowerSave)
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

/// Power save of one interface.
#[derive(Clone, Copy, Debug, Default)]
pub struct PowerSave {
    settings: Settings,
    enabled: bool,
    wanted: Mode,
    change_pending: bool,
    access_point_is_bad: bool,
    uapsd: bool,
    last_sent: Option<PmRequest>,
}

impl PowerSave {
    /// A station that has not joined.
    pub const fn new(settings: Settings) -> Self {
        Self {
            settings,
            enabled: false,
            wanted: Mode::Active,
            change_pending: false,
            access_point_is_bad: false,
            uapsd: false,
            last_sent: None,
        }
    }

    /// The mode that is wanted.
    pub const fn wanted(&self) -> Mode {
        self.wanted
    }

    /// Whether the user switched power save off, so that a joined device has to stay awake
    /// ([`crate::reason::Reason::PowerSaveOff`]).
    pub const fn is_off(&self) -> bool {
        !self.enabled
    }

    /// Whether the access point proved to be bad at power save. Requests are left out while it is so.
    pub const fn access_point_is_bad(&self) -> bool {
        self.access_point_is_bad
    }

    /// The stack switched power save on or off. `time_out`: its dynamic time-out, zero if there is none.
    pub fn handle_power_save(&mut self, enabled: bool, time_out: Duration) {
        self.enabled = enabled;
        self.wanted = match (enabled && !self.access_point_is_bad, time_out) {
            (false, _) => Mode::Active,
            (true, Duration::ZERO) => self.settings.without_time_out,
            (true, _) => Mode::FastPowerSave,
        };
        self.change_pending = true;
    }

    /// The addresses of the interface changed to exactly one while joined. `parameters_set`: the parameters of the
    /// BSS have been sent to the chip.
    pub fn handle_address(&mut self, parameters_set: bool) {
        if !parameters_set || self.access_point_is_bad {
            self.wanted = Mode::Active;
        } else if !self.change_pending && self.enabled {
            self.wanted = Mode::FastPowerSave;
        }
        if parameters_set {
            self.change_pending = false;
        }
    }

    /// An access category switched U-APSD on, or none uses it any more.
    pub fn handle_uapsd(&mut self, any: bool) {
        self.uapsd = any;
    }

    /// The chip reported that the access point fails with power save. `true`: the device should wake up for it
    /// ([`crate::reason::Reason::BadPowerSave`]).
    #[must_use]
    pub fn handle_mode_error(&mut self, error: ModeError) -> bool {
        self.wanted = Mode::Active;
        let bad = error != ModeError::NoDataAfterTim && !self.uapsd;
        self.access_point_is_bad |= bad;
        bad
    }

    /// The station left the access point: what was learnt about it is forgotten, what the user wants is not.
    pub fn handle_unjoin(&mut self) {
        self.access_point_is_bad = false;
        self.last_sent = None;
        self.wanted = if self.enabled {
            self.settings.without_time_out
        } else {
            Mode::Active
        };
    }

    /// The request to send before sleep; `None` if there is nothing to ask for: the chip has it already, or the
    /// access point is bad at power save.
    pub fn sleep_request(&self) -> Option<PmRequest> {
        self.needed(PmRequest {
            mode: match (self.wanted, self.uapsd) {
                (Mode::FastPowerSave, true) => Mode::PowerSave,
                (mode, _) => mode,
            },
            idle: FAST_IDLE,
        })
    }

    /// The request to send after sleep; `None` if the chip has it already or power save was never asked for.
    pub fn wake_request(&self) -> Option<PmRequest> {
        self.needed(PmRequest::ACTIVE)
    }

    fn needed(&self, request: PmRequest) -> Option<PmRequest> {
        (!self.access_point_is_bad && self.last_sent != Some(request)).then_some(request)
    }

    /// The chip confirmed `request`. Only then does it count as sent; a request that failed is sent again.
    pub fn handle_confirmed(&mut self, request: PmRequest) {
        self.last_sent = Some(request);
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

    #[test]
    fn power_save_follows_the_user() {
        let mut station = PowerSave::default();
        assert!(station.is_off());
        station.handle_power_save(true, Duration::from_millis(100));
        assert_eq!(station.wanted(), Mode::FastPowerSave);
        station.handle_power_save(false, NONE);
        assert_eq!(station.wanted(), Mode::Active);
        assert!(station.is_off());
    }

    #[test]
    fn without_a_time_out_the_setting_decides_and_the_default_is_answered() {
        let mut station = PowerSave::default();
        station.handle_power_save(true, NONE);
        assert!(station.sleep_request().unwrap().is_answered());
        let mut station = PowerSave::new(Settings {
            without_time_out: Mode::PowerSave,
        });
        station.handle_power_save(true, NONE);
        assert!(!station.sleep_request().unwrap().is_answered());
    }

    #[test]
    fn an_address_before_the_parameters_keeps_the_station_active() {
        let mut station = PowerSave::new(Settings {
            without_time_out: Mode::PowerSave,
        });
        station.handle_power_save(true, NONE);
        station.handle_address(false);
        assert_eq!(station.wanted(), Mode::Active);
        // The change of power save is used up by the first address after the parameters.
        station.handle_power_save(true, NONE);
        station.handle_address(true);
        assert_eq!(station.wanted(), Mode::PowerSave);
        station.handle_address(true);
        assert_eq!(station.wanted(), Mode::FastPowerSave);
    }

    #[test]
    fn an_address_does_not_switch_power_save_on_against_the_user() {
        let mut station = PowerSave::default();
        station.handle_address(true);
        station.handle_address(true);
        assert_eq!(station.wanted(), Mode::Active);
    }

    #[test]
    fn a_request_is_sent_again_only_if_it_was_not_confirmed() {
        let mut station = PowerSave::default();
        station.handle_power_save(true, NONE);
        let request = station.sleep_request().unwrap();
        assert_eq!(station.sleep_request(), Some(request));
        station.handle_confirmed(request);
        assert_eq!(station.sleep_request(), None);
        station.handle_confirmed(station.wake_request().unwrap());
        assert_eq!(station.wake_request(), None);
        assert_eq!(station.sleep_request(), Some(request));
        station.handle_unjoin();
        assert_eq!(station.wake_request(), Some(PmRequest::ACTIVE));
    }

    #[test]
    fn uapsd_clears_the_fast_bit() {
        let mut station = PowerSave::default();
        station.handle_power_save(true, NONE);
        station.handle_uapsd(true);
        assert_eq!(station.sleep_request().unwrap().mode, Mode::PowerSave);
    }

    #[test]
    fn a_bad_access_point_is_remembered_until_the_station_leaves_it() {
        let mut station = PowerSave::default();
        station.handle_power_save(true, NONE);
        assert!(!station.handle_mode_error(ModeError::from(4)));
        assert!(!station.access_point_is_bad());
        assert!(station.handle_mode_error(ModeError::from(1)));
        assert_eq!(station.sleep_request(), None);
        station.handle_power_save(true, NONE);
        station.handle_address(true);
        assert_eq!(station.wanted(), Mode::Active);
        station.handle_unjoin();
        assert_eq!(station.wanted(), Mode::FastPowerSave);
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
