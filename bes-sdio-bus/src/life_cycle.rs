//! The life cycle of the chip: which transition is possible when, and what it changes (file 10, sections 8 to 10).
//!
//! | transition | possible | wake line owner | requests |
//! |---|---|---|---|
//! | `Boot` | not booted | `Boot` | see [`crate::boot`] |
//! | `WifiOn` | booted, Wi-Fi not on | `WifiOn`, then `Mcu` | Wi-Fi active |
//! | `WifiOff` | booted | `WifiOff`; gives up `Mcu` | MCU deactive if the MCU was told to stay awake, Wi-Fi deactive |
//! | `Wake` | booted | `Mcu` | MCU active |
//! | `Sleep` | booted | `Mcu`; gives it up | MCU deactive |
//! | `Bluetooth…` | booted | one of its own | the one of its name |
//! | `PowerOff` | always | releases all | none |
//!
//! Wi-Fi active implies an awake MCU, so no MCU active precedes it (file 10, section 15, item 14). The test firmwares
//! take no requests but Wi-Fi active of the one without signalling; what would switch something off does nothing
//! there (file 10, section 8).
//!
//! After a request for Wi-Fi that failed once the doorbell was rung it is not known whether Wi-Fi is on. Then nothing is
//! sent or received (trap T8), and the next `WifiOn` switches Wi-Fi off first (trap B33).

use crate::boot::{Boot, Environment};
use crate::config::FirmwareType;
use crate::handshake::{Handshake, Request};
use crate::transport::SdioTransport;
use crate::wake_line::Owner;
use bes_hal::firmware::FirmwareSource;
use bes_hal::sdio::SdioFunction;
use bes_hal::transport::{Progress, Transition};
use bes_hal::{Instant, SdioError, TransportError};

/// What is known about the Wi-Fi subsystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wifi {
    Off,
    On,
    /// A request failed half-way.
    Unknown,
}

/// Requests to the MCU, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Switch {
    transition: Transition,
    owner: Owner,
    /// The owner was given its reference by this transition.
    taken: bool,
    request: Request,
    then: Option<Request>,
    handshake: Option<Handshake>,
}

/// What is under way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Job {
    Idle,
    Boot(Boot),
    Switch(Switch),
    /// Power off; the time is known once the power is off.
    PowerOff(Option<Instant>),
}

impl<S: SdioFunction, F: FirmwareSource> SdioTransport<S, F> {
    /// Starts `transition`.
    pub(crate) fn begin_job(
        &mut self,
        transition: Transition,
        now: Instant,
    ) -> Result<(), TransportError> {
        if !matches!(self.job, Job::Idle) {
            return Err(TransportError::WrongState);
        }
        self.job = self.plan(transition, now)?;
        self.open_or_close();
        Ok(())
    }

    fn plan(&mut self, transition: Transition, now: Instant) -> Result<Job, TransportError> {
        let (request, then, owner) = match transition {
            Transition::PowerOff => return Ok(Job::PowerOff(None)),
            Transition::Boot => {
                if self.booted {
                    return Err(TransportError::WrongState);
                }
                self.boot_progress = (0, 0);
                self.hold(Owner::Boot, now);
                return Ok(Job::Boot(Boot::new()));
            }
            Transition::WifiOn => {
                let before = (self.wifi == Wifi::Unknown).then_some(Request::WifiDeactive);
                let then = before.map(|_| Request::WifiActive);
                let request = before.unwrap_or(Request::WifiActive);
                (request, then, Owner::WifiOn)
            }
            Transition::WifiOff if self.mcu_active => (
                Request::McuDeactive,
                Some(Request::WifiDeactive),
                Owner::WifiOff,
            ),
            Transition::WifiOff => (Request::WifiDeactive, None, Owner::WifiOff),
            Transition::Wake => (Request::McuActive, None, Owner::Mcu),
            Transition::Sleep => (Request::McuDeactive, None, Owner::Mcu),
            Transition::BluetoothOn => (Request::BtActive, None, Owner::BluetoothOn),
            Transition::BluetoothOff => (Request::BtDeactive, None, Owner::BluetoothOff),
            Transition::BluetoothWake => (Request::BtWakeup, None, Owner::BluetoothWake),
            Transition::BluetoothSleep => (Request::BtSleep, None, Owner::BluetoothSleep),
        };
        if !self.booted || transition == Transition::WifiOn && self.wifi == Wifi::On {
            return Err(TransportError::WrongState);
        }
        if self.config.firmware != FirmwareType::Signal {
            let wifi_test = self.config.firmware == FirmwareType::NoSignal;
            return match request {
                Request::WifiActive if wifi_test => Ok(self.switch(transition, request, now)),
                // Says nothing to the chip, so what it does from here on is not known.
                Request::WifiDeactive if transition == Transition::WifiOff => {
                    if self.wifi == Wifi::On {
                        self.wifi = Wifi::Unknown;
                        self.restart_traffic();
                        self.unhold(Owner::Mcu);
                    }
                    Ok(Job::Idle)
                }
                Request::McuDeactive | Request::BtDeactive | Request::BtSleep => Ok(Job::Idle),
                _ => Err(TransportError::WrongState),
            };
        }
        if transition == Transition::WifiOff && self.wifi == Wifi::Off {
            return Ok(Job::Idle);
        }
        let taken = self.hold(owner, now);
        Ok(Job::Switch(Switch {
            transition,
            owner,
            taken,
            request,
            then,
            handshake: None,
        }))
    }

    fn switch(&mut self, transition: Transition, request: Request, now: Instant) -> Job {
        Job::Switch(Switch {
            transition,
            owner: Owner::WifiOn,
            taken: self.hold(Owner::WifiOn, now),
            request,
            then: None,
            handshake: None,
        })
    }

    /// Does what is due of the transition under way.
    pub(crate) fn poll_job(&mut self, now: Instant) -> Result<Progress, TransportError> {
        let result = match self.job {
            Job::Idle => return Ok(Progress::Done),
            Job::Boot(boot) => self.poll_boot(boot, now),
            Job::Switch(switch) => self.poll_switch(switch, now),
            Job::PowerOff(until) => self.poll_power_off(until, now),
        };
        if !matches!(result, Ok(Progress::Pending(_))) {
            self.job = Job::Idle;
            self.open_or_close();
        }
        result
    }

    fn poll_boot(&mut self, mut boot: Boot, now: Instant) -> Result<Progress, TransportError> {
        let mut environment = Environment {
            bus: &mut self.bus,
            firmware: &self.firmware,
            config: &self.config,
            line: &mut self.line,
            dpd: &mut self.dpd,
            factory: &mut self.factory,
            report: &mut self.factory_report,
            used: &mut self.used,
        };
        let result = boot.poll(&mut environment, now);
        self.boot_progress = boot.progress();
        match result {
            Ok(Progress::Pending(_)) => self.job = Job::Boot(boot),
            Ok(Progress::Done) => {
                // The chip is silent from here to Wi-Fi on (file 10, section 7); what is latched is of the past.
                self.bus.take_interrupt();
                self.booted = true;
                self.bluetooth = self.config.bluetooth_at_boot;
                self.wifi = Wifi::Off;
                self.asleep = false;
                self.mcu_active = false;
                self.restart_traffic();
                self.unhold(Owner::Boot);
            }
            Err(_) => {
                // The next boot begins with a chip that was used; the failure to report is the one that ended this.
                let _ = self.bus.function.disable();
                self.unhold(Owner::Boot);
            }
        }
        result
    }

    fn poll_switch(
        &mut self,
        mut switch: Switch,
        now: Instant,
    ) -> Result<Progress, TransportError> {
        if let Err(until) = self.line.settled(now) {
            return Ok(Progress::Pending(until));
        }
        // At most two requests, so at most three turns.
        loop {
            let handshake = match &mut switch.handshake {
                Some(handshake) => handshake,
                none => {
                    if switch.request == Request::WifiActive {
                        self.restart_traffic();
                    }
                    none.insert(Handshake::new(
                        switch.request,
                        switch.transition,
                        now,
                        &self.config.timing,
                    ))
                }
            };
            match handshake.poll(&mut self.bus, now) {
                Ok(Progress::Pending(until)) => {
                    self.job = Job::Switch(switch);
                    return Ok(Progress::Pending(until));
                }
                Ok(Progress::Done) => {
                    self.confirmed(switch.request);
                    match switch.then.take() {
                        Some(request) => {
                            switch.request = request;
                            switch.handshake = None;
                        }
                        None => {
                            self.finish(switch, now);
                            return Ok(Progress::Done);
                        }
                    }
                }
                Err(error) => {
                    let rung = handshake.has_rung();
                    self.failed(switch, rung);
                    return Err(error);
                }
            }
        }
    }

    /// The chip confirmed a request.
    fn confirmed(&mut self, request: Request) {
        match request {
            Request::McuActive => self.mcu_active = true,
            Request::McuDeactive => self.mcu_active = false,
            Request::WifiActive => self.wifi = Wifi::On,
            Request::WifiDeactive => {
                self.wifi = Wifi::Off;
                self.restart_traffic();
            }
            Request::BtActive => self.bluetooth = true,
            Request::BtDeactive => self.bluetooth = false,
            Request::BtWakeup | Request::BtSleep => {}
        }
    }

    /// A transition ended well.
    fn finish(&mut self, switch: Switch, now: Instant) {
        match switch.transition {
            Transition::WifiOn => {
                // Before the other owner lets go, so that the line stays asserted.
                self.hold(Owner::Mcu, now);
                self.asleep = false;
            }
            Transition::WifiOff => {
                self.unhold(Owner::Mcu);
                self.asleep = false;
            }
            Transition::Wake => {
                self.asleep = false;
                return;
            }
            Transition::Sleep => self.asleep = true,
            _ => {}
        }
        self.unhold(switch.owner);
    }

    /// A transition failed.
    fn failed(&mut self, switch: Switch, rung: bool) {
        let about_wifi = matches!(switch.request, Request::WifiActive | Request::WifiDeactive);
        if about_wifi && rung {
            self.wifi = Wifi::Unknown;
            self.restart_traffic();
        }
        // A device that was awake and may not be asleep stays awake.
        if switch.taken {
            self.unhold(switch.owner);
        }
    }

    fn poll_power_off(
        &mut self,
        until: Option<Instant>,
        now: Instant,
    ) -> Result<Progress, TransportError> {
        if let Some(until) = until {
            return Ok(if until.is_due(now) {
                Progress::Done
            } else {
                Progress::Pending(until)
            });
        }
        self.abandon();
        match self.bus.function.set_power(false) {
            Ok(()) => {
                self.used = false;
                let until = now.after(self.config.timing.power_settle);
                self.job = Job::PowerOff(Some(until));
                Ok(Progress::Pending(until))
            }
            // A card that is gone has no power.
            Err(SdioError::Unsupported | SdioError::NoCard) => Ok(Progress::Done),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives up everything: lines released, function disabled, nothing known about the chip but that it was used.
    pub(crate) fn abandon(&mut self) {
        self.job = Job::Idle;
        self.booted = false;
        self.bluetooth = false;
        self.wifi = Wifi::Off;
        self.asleep = false;
        self.mcu_active = false;
        self.restart_traffic();
        let _ = self.line.release_all();
        self.bus.function.set_wake_line(false);
        // On a dead bus this fails, and there is nothing else to do.
        let _ = self.bus.function.disable();
        self.bus.interrupt = false;
        self.open_or_close();
    }

    /// Decides whether messages may travel, once per change instead of once per message.
    fn open_or_close(&mut self) {
        let (receive, send) = match &self.job {
            Job::Idle => (true, true),
            Job::Boot(_) | Job::PowerOff(_) => (false, false),
            Job::Switch(switch) => match switch.transition {
                Transition::WifiOn | Transition::WifiOff => (false, false),
                Transition::Wake | Transition::Sleep => (true, false),
                _ => (true, true),
            },
        };
        let on = self.booted && self.wifi == Wifi::On;
        self.may_receive = on && receive;
        self.may_send = on && send && !self.asleep;
    }

    /// Makes `owner` hold the line; whether it did not before.
    fn hold(&mut self, owner: Owner, now: Instant) -> bool {
        !self.line.is_held_by(owner) && self.take_wake_line(owner, now).is_ok()
    }

    /// Makes `owner` not hold the line.
    fn unhold(&mut self, owner: Owner) {
        if self.line.is_held_by(owner) {
            // Is held.
            let _ = self.release_wake_line(owner);
        }
    }
}
