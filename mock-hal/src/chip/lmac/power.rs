//! 802.11 power save (file 20, sections 9.6 and 9.7; file 40, section 2; file 50, section 3, item 7).
//!
//! | state | event | next |
//! |---|---|---|
//! | awake | SET_PM asks for power save, or fast mode was idle long enough | going: a null frame with the power bit |
//! | going | the null frame was acknowledged | dozing; PM indication if the host asked |
//! | going | it was not | awake; PM indication "unknown" if the host asked |
//! | dozing, fast | the beacon says frames wait, or the host has a frame | waking: a null frame without the power bit |
//! | waking | the null frame is through, or failed | awake |
//! | dozing, legacy | the beacon says frames wait, or "more data" | PS-poll, still dozing |
//! | dozing, legacy, all categories U-APSD | the same | trigger frame, still dozing |
//! | any | SET_PM asks for active | waking |
//!
//! Which beacons the radio hears while it dozes is in [`doze`](super::doze).

use super::frame;
use super::mib::id;
use super::transmit::Own;
use super::{Lmac, Medium};
use crate::chip::wire::header::number;
use crate::chip::wire::indication::event;
use crate::chip::wire::{confirm, indication, status};
use bes_hal::time::Instant;
use core::time::Duration;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Awake,
    Going {
        announce: bool,
    },
    Dozing,
    Waking,
}

/// Power save of one interface.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PowerSave {
    mode: u8,
    state: State,
    idle: Duration,
    idle_at: Option<Instant>,
    polling: bool,
    stuck: bool,
    /// A service period is under way, or was asked for.
    triggered: bool,
}

/// Power save with bit 7 is fast: the station wakes for whole conversations instead of polling.
const FAST: u8 = 0x80;
/// The null frame was not acknowledged.
const UNKNOWN: u8 = 2;
/// PS-mode error: the access point did not answer a PS-poll.
const NO_ANSWER: u32 = 1;
/// PS-mode error: the access point did not answer a trigger.
const NO_SERVICE: u32 = 2;
/// TID of voice.
const VOICE: u8 = 6;

impl PowerSave {
    /// Whether frames leave without further ado.
    pub(crate) const fn is_awake(&self) -> bool {
        matches!(self.state, State::Awake)
    }

    /// Whether the access point believes that the station sleeps.
    pub(crate) const fn is_dozing(&self) -> bool {
        matches!(self.state, State::Dozing)
    }

    /// Whether host frames wait for the end of a handshake.
    pub(crate) const fn holds_frames(&self) -> bool {
        matches!(self.state, State::Going { .. } | State::Waking)
    }

    /// Mode as indications tell it.
    pub(crate) const fn psm(&self) -> u8 {
        self.mode & 1
    }

    /// The state sticks: dozing is all it does, whatever the host was told.
    pub(crate) fn stick(&mut self) {
        self.stuck = true;
        self.state = State::Going { announce: false };
        self.idle_at = None;
        self.polling = false;
    }

    /// Whether the state sticks.
    pub(crate) const fn is_stuck(&self) -> bool {
        self.stuck
    }

    const fn is_fast(&self) -> bool {
        self.mode & FAST != 0 && !self.stuck
    }

    /// A frame was sent or received: in fast mode the idle period starts again.
    pub(crate) fn activity(&mut self, now: Instant) {
        if self.is_fast() && self.is_awake() {
            self.idle_at = Some(now.after(self.idle));
        }
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.idle_at.filter(|_| self.is_awake())
    }
}

impl<M: Medium> Lmac<M> {
    /// SET_PM. The confirmation goes out at once; always `false`.
    pub(super) fn set_power_mode(
        &mut self,
        interface: u8,
        mode: u8,
        idle: u8,
        now: Instant,
    ) -> bool {
        let known = matches!(mode, 0x00 | 0x01 | 0x81);
        let result = if known {
            status::SUCCESS
        } else {
            self.violation(format!("SET_PM with mode {mode:#04x}"));
            status::INVALID_PARAMETER
        };
        self.confirm(confirm::generic(number::SET_PM, interface, result), 1);
        if !known {
            return false;
        }
        let associated = {
            let state = &self.interfaces[usize::from(interface)];
            state.joined().is_some() && state.bss.aid != 0
        };
        let power = &mut self.interfaces[usize::from(interface)].power;
        let was_asleep = !power.is_awake();
        power.mode = mode;
        power.idle = Duration::from_micros(500) * u32::from(idle.max(1));
        power.idle_at = None;
        if mode & 1 == 0 {
            power.stuck = false;
            power.state = State::Awake;
            if was_asleep && associated {
                power.state = State::Waking;
                self.send_null(interface, false, Own::Wake, now);
            }
            if self.config.active_ps_answered {
                self.send(indication::set_pm(interface, status::SUCCESS, 0));
            }
        } else if power.stuck {
            // It thinks that it dozes already, and says nothing.
        } else if associated {
            power.state = State::Going { announce: true };
            self.send_null(interface, true, Own::Doze, now);
        } else {
            // There is nobody to tell; the mode is in force for what comes.
            self.announce_power_mode(interface, 1);
        }
        false
    }

    fn announce_power_mode(&mut self, interface: u8, psm: u8) {
        let answered = if self.interfaces[usize::from(interface)].power.is_fast() {
            self.config.fast_ps_answered
        } else {
            self.config.legacy_ps_answered
        };
        if answered {
            self.send(indication::set_pm(interface, status::SUCCESS, psm));
        }
    }

    /// A null frame or PS-poll of this machine is through, or failed.
    pub(super) fn power_frame_done(&mut self, interface: u8, why: Own, acked: bool, now: Instant) {
        let power = &mut self.interfaces[usize::from(interface)].power;
        match (why, power.state) {
            (Own::Doze, State::Going { announce }) => {
                power.state = if acked { State::Dozing } else { State::Awake };
                if !acked {
                    power.activity(now);
                }
                if announce {
                    self.announce_power_mode(interface, if acked { 1 } else { UNKNOWN });
                }
            }
            (Own::Wake, State::Waking) => {
                power.state = State::Awake;
                power.activity(now);
            }
            (Own::PsPoll | Own::Trigger, _) if !acked => {
                power.polling = false;
                power.triggered = false;
                let error = if why == Own::PsPoll {
                    NO_ANSWER
                } else {
                    NO_SERVICE
                };
                self.send(indication::event(interface, event::PS_MODE_ERROR, error));
            }
            _ => {}
        }
    }

    /// Fast mode: nothing happened for the idle period.
    pub(super) fn power_step(&mut self, now: Instant) {
        for index in 0..super::INTERFACES {
            let interface = u8::try_from(index).unwrap_or(0);
            let due = self.interfaces[index].power.due();
            if due.is_none_or(|at| !at.is_due(now)) {
                continue;
            }
            let idle = self.transmitter.is_idle() && self.scan.is_none();
            let power = &mut self.interfaces[index].power;
            if idle {
                power.idle_at = None;
                power.state = State::Going { announce: false };
                self.send_null(interface, true, Own::Doze, now);
            } else {
                power.activity(now);
            }
        }
    }

    /// Whether the station must wake before a host frame can leave; it then does.
    pub(super) fn must_wake_first(&mut self, interface: u8, now: Instant) -> bool {
        let power = &mut self.interfaces[usize::from(interface)].power;
        if !(power.is_dozing() && power.is_fast()) {
            return false;
        }
        power.state = State::Waking;
        self.send_null(interface, false, Own::Wake, now);
        true
    }

    /// The traffic indication map says that frames wait.
    pub(super) fn frames_wait(&mut self, interface: u8, now: Instant) {
        let power = &mut self.interfaces[usize::from(interface)].power;
        if !power.is_dozing() {
            return;
        }
        if power.is_fast() {
            power.state = State::Waking;
            self.send_null(interface, false, Own::Wake, now);
        } else {
            // A poll that was lost does not block the next beacon's.
            power.polling = false;
            power.triggered = false;
            self.poll_access_point(interface, now);
        }
    }

    /// A data frame came: the answer to a poll, with perhaps more behind it.
    /// `ended`: it was the last of a service period.
    pub(super) fn polled_data(&mut self, interface: u8, more: bool, ended: bool, now: Instant) {
        let power = &mut self.interfaces[usize::from(interface)].power;
        power.activity(now);
        if power.triggered {
            power.triggered = !ended;
            if ended && more && power.is_dozing() {
                self.poll_access_point(interface, now);
            }
            return;
        }
        if power.is_dozing() && power.polling {
            power.polling = false;
            if more && !power.stuck {
                self.poll_access_point(interface, now);
            }
        }
    }

    /// TID of a trigger frame, if everything is delivered in service periods (MIB 0x1013, one bit per category).
    fn trigger_tid(&self, interface: u8) -> Option<u8> {
        let flags = self.mibs.word(interface, id::UAPSD) & 0x0F;
        let stuck = self.interfaces[usize::from(interface)].power.is_stuck();
        (flags == 0x0F && !stuck).then_some(VOICE)
    }

    fn poll_access_point(&mut self, interface: u8, now: Instant) {
        let own = self.interface_address(interface);
        let trigger = self.trigger_tid(interface);
        let sequence = self.next_sequence();
        let state = &mut self.interfaces[usize::from(interface)];
        let aid = state.bss.aid;
        let Some(bssid) = state.joined().map(|bss| bss.bssid) else {
            return;
        };
        if let Some(tid) = trigger {
            state.power.triggered = true;
            state.traffic.triggers += 1;
            let frame = frame::trigger(bssid, own, sequence, tid);
            return self.send_own(interface, frame, Own::Trigger, now);
        }
        state.power.polling = true;
        let poll = frame::ps_poll(bssid, own, aid);
        self.send_own(interface, poll, Own::PsPoll, now);
    }
}
