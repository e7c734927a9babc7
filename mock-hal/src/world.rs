//! One emulated card with everything around it: time, bus, chip, side lines, trace and counters.
//!
//! Each bus command moves virtual time by its cost; whatever the chip does by itself on the way happens first. An
//! idle program moves time with [`World::advance_to`].

use crate::bus_timing::BusTiming;
use crate::candidate::{Act, Acting};
use crate::card::{Command52, Command53, Effect, Registers, Silence, R5};
use crate::chip::settings::ChipSettings;
use crate::chip::{Chip, Firmware};
use crate::clock::VirtualClock;
use crate::statistics::Statistics;
use crate::trace::{Event, Line, Trace};
use crate::tuning::{Drift, Fate, Tuning};
use crate::violation::{Violation, Violations};
use bes_hal::doorbell::{Doorbell, Reasons};
use bes_hal::sdio::{Count, HostLimits};
use bes_hal::time::{earliest, Instant};
use std::sync::Arc;
use std::time::Duration;

/// How the card, its bus and its host controller are.
#[derive(Clone, Debug)]
pub struct Config {
    /// Bus timing.
    pub timing: BusTiming,
    /// The chip.
    pub chip: ChipSettings,
    /// What the host controller can do.
    pub limits: HostLimits,
    /// From enabling function 1 to its ready bit.
    pub function_ready: Duration,
    /// Whether the platform can switch the card's power.
    pub power_switch: bool,
    /// Virtual time at the start.
    pub start: Instant,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timing: BusTiming::default(),
            chip: ChipSettings::default(),
            limits: HostLimits::default(),
            function_ready: Duration::from_millis(1),
            power_switch: true,
            start: Instant::ZERO,
        }
    }
}

/// Most events at one instant before the firmware is said to make no progress.
const EVENTS_PER_INSTANT: u32 = 100_000;

/// One emulated card with everything around it.
pub struct World {
    config: Config,
    clock: VirtualClock,
    card: Registers,
    chip: Chip,
    present: bool,
    powered: bool,
    /// Level of the interrupt as the host controller sees it.
    interrupt: bool,
    /// A rising edge since the host looked.
    latched: bool,
    /// Edges that are still to be lost, and whether the level now is one of a lost edge.
    losing: u32,
    lost: bool,
    doorbell: Option<Arc<Doorbell>>,
    wakeup: bool,
    tuning: Tuning,
    acting: Option<Acting>,
    /// A transfer was cut off in the middle, and the card waits for its rest.
    half_read: bool,
    /// Level of the host-wake line.
    host_wake: bool,
    trace: Trace,
}

impl World {
    /// A card that the platform has identified; function 1 is disabled.
    pub fn new(config: Config, firmware: Box<dyn Firmware>) -> Self {
        let mut card = Registers::new();
        card.identify();
        Self {
            clock: VirtualClock::new(config.start),
            card,
            chip: Chip::new(config.chip.clone(), firmware),
            present: true,
            powered: true,
            interrupt: false,
            latched: false,
            losing: 0,
            lost: false,
            doorbell: None,
            wakeup: false,
            tuning: Tuning::new(),
            acting: None,
            half_read: false,
            host_wake: false,
            trace: Trace::default(),
            config,
        }
    }

    /// Time now.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The clock.
    pub(crate) fn clock(&self) -> &VirtualClock {
        &self.clock
    }

    /// How the card, its bus and its host controller are. The chip's settings may have changed since.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Changes the bus timing from now on.
    pub fn set_timing(&mut self, timing: BusTiming) {
        self.config.timing = timing;
    }

    /// The chip.
    pub fn chip(&self) -> &Chip {
        &self.chip
    }

    /// Lets `change` do something to the chip; what follows from it happens at once.
    pub fn with_chip<R>(&mut self, change: impl FnOnce(&mut Chip) -> R) -> R {
        let result = change(&mut self.chip);
        self.chip.advance(self.clock.now());
        self.update_interrupt();
        result
    }

    /// The trace.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The trace, to switch it on or to empty it.
    pub fn trace_mut(&mut self) -> &mut Trace {
        &mut self.trace
    }

    /// The counters.
    pub fn statistics(&self) -> &Statistics {
        &self.chip.statistics
    }

    /// What the host did against the specification, as the bus and the boot saw it. The firmware has its own list.
    pub fn violations(&self) -> &Violations {
        &self.chip.violations
    }

    /// Rings `doorbell` on every edge of the interrupt from now on.
    pub fn set_doorbell(&mut self, doorbell: Arc<Doorbell>) {
        self.doorbell = Some(doorbell);
    }

    /// Whether a ring since the last call had to wake the doorbell's owner.
    pub fn take_wakeup(&mut self) -> bool {
        std::mem::take(&mut self.wakeup)
    }

    /// When something happens by itself, if anything will.
    pub fn next_event(&self) -> Option<Instant> {
        let card = self
            .card
            .ready_at()
            .filter(|ready| !ready.is_due(self.now()));
        earliest(card, self.next_by_itself())
    }

    fn next_by_itself(&self) -> Option<Instant> {
        let act = self.acting.as_ref().and_then(Acting::next_event);
        earliest(act, self.chip.next_event())
    }

    /// Lets one of the six candidates begin after the time it says; `None` ends the one before.
    pub fn set_candidate(&mut self, act: Option<Act>) {
        let now = self.clock.now();
        if let Some(before) = self.acting.take() {
            before.end(now, &mut self.chip, &mut self.tuning);
        }
        self.acting = act.map(|act| Acting::new(act, now));
    }

    /// When the candidate that was set began; `None` if it has not.
    pub fn candidate_began(&self) -> Option<Instant> {
        self.acting.as_ref().and_then(Acting::began)
    }

    /// Moves time to `instant`; everything on the way happens at its time.
    pub fn advance_to(&mut self, instant: Instant) {
        self.run(instant, false);
    }

    /// Moves time to `limit`, or to the first edge of the interrupt before it. Returns whether there was one.
    pub fn advance_to_interrupt(&mut self, limit: Instant) -> bool {
        self.run(limit, true)
    }

    fn run(&mut self, limit: Instant, stop: bool) -> bool {
        let interrupts = self.chip.statistics.interrupts;
        let mut repeats = 0;
        while let Some(at) = self.next_by_itself().filter(|at| at.is_due(limit)) {
            if at > self.clock.now() {
                self.clock.advance_to(at);
                repeats = 0;
            } else {
                repeats += 1;
                if repeats > EVENTS_PER_INSTANT {
                    self.chip
                        .violations
                        .note(self.clock.now(), Violation::NoProgress);
                    break;
                }
            }
            if let Some(acting) = &mut self.acting {
                acting.advance(self.clock.now(), &mut self.chip, &mut self.tuning);
            }
            self.chip.advance(self.clock.now());
            self.update_interrupt();
            if stop && self.chip.statistics.interrupts != interrupts {
                return true;
            }
        }
        self.clock.advance_to(limit);
        false
    }

    fn spend(&mut self, cost: Duration) {
        if !cost.is_zero() {
            self.chip.statistics.busy += cost;
            let end = self.clock.deadline(cost);
            self.run(end, false);
        }
    }

    /// The host-wake line is a wire of its own: neither the bus nor the card's registers stand between.
    fn update_host_wake(&mut self) {
        let level = self.chip.host_wake() && self.powered && self.present;
        if level == self.host_wake {
            return;
        }
        self.host_wake = level;
        self.chip.statistics.host_wakes += u64::from(level);
        self.trace
            .record(self.clock.now(), Duration::ZERO, || Event::Line {
                line: Line::HostWake,
                asserted: level,
            });
    }

    /// The logical level of the host-wake line: the chip sleeps and has something for the host, which may sleep too.
    pub fn host_wake_asserted(&self) -> bool {
        self.host_wake
    }

    /// Moves time to `limit`, or to the first time the host-wake line is asserted. Returns whether it is.
    pub fn advance_to_host_wake(&mut self, limit: Instant) -> bool {
        let mut before = None;
        while !self.host_wake {
            let next = self.next_by_itself().filter(|at| at.is_due(limit));
            match next {
                Some(at) if before.is_none_or(|before| at > before) => {
                    before = Some(at);
                    self.advance_to(at.max(self.clock.now()));
                }
                _ => {
                    self.advance_to(limit);
                    break;
                }
            }
        }
        self.host_wake
    }

    /// The level of the interrupt follows the chip as far as the card lets it through.
    fn update_interrupt(&mut self) {
        self.update_host_wake();
        let level =
            self.chip.interrupt() && self.powered && self.present && self.card.interrupt_passes();
        if level == self.interrupt {
            return;
        }
        self.interrupt = level;
        self.trace
            .record(self.clock.now(), Duration::ZERO, || Event::Line {
                line: Line::Interrupt,
                asserted: level,
            });
        self.lost = level && self.losing > 0;
        if self.lost {
            self.losing -= 1;
        } else if level {
            self.latched = true;
            self.chip.statistics.interrupts += 1;
            if let Some(doorbell) = &self.doorbell {
                if doorbell.ring(Reasons::INTERRUPT) {
                    self.chip.statistics.wakeups += 1;
                    self.wakeup = true;
                }
            }
        }
    }

    /// The level of the interrupt line.
    pub fn interrupt_asserted(&self) -> bool {
        self.interrupt
    }

    /// Whether there was an edge since the last call, or the line is still asserted: a level interrupt is signalled
    /// again until it is acknowledged (specification: file 10, section 15, item 15).
    pub fn take_interrupt(&mut self) -> bool {
        std::mem::take(&mut self.latched) || (self.interrupt && !self.lost)
    }

    /// Loses the next `edges` of the interrupt: neither the doorbell nor [`take_interrupt`](Self::take_interrupt)
    /// tells of them.
    pub fn lose_interrupts(&mut self, edges: u32) {
        self.losing += edges;
    }

    fn listening(&self) -> Result<(), Silence> {
        if self.present && self.powered {
            Ok(())
        } else {
            Err(Silence::NoCard)
        }
    }

    /// CMD0, CMD3, CMD5 or CMD7: returns the response, bits 39..8.
    ///
    /// # Errors
    ///
    /// [`Silence`] if the card does not respond.
    pub fn command(&mut self, index: u8, argument: u32) -> Result<u32, Silence> {
        self.listening()?;
        self.spend(self.config.timing.command);
        self.card.command(index, argument)
    }

    /// CMD52 with its argument as it stands on the command line.
    ///
    /// # Errors
    ///
    /// [`Silence`] if the card does not respond. Flags in the response are the caller's business.
    pub fn command52(&mut self, argument: u32) -> Result<R5, Silence> {
        self.listening()?;
        let began = self.clock.now();
        let cost = self.config.timing.register_access();
        self.spend(cost);
        let command = Command52::parse(argument);
        if command.write {
            self.chip.statistics.register_writes += 1;
        } else {
            self.chip.statistics.register_reads += 1;
        }
        let fate = self.tuning.judge_register(command.write, self.clock.now());
        let result = self.under(fate, |world| world.access(command));
        self.update_interrupt();
        self.trace.record(began, cost, || Event::Register {
            argument,
            response: result.ok(),
        });
        result
    }

    fn access(&mut self, command: Command52) -> Result<R5, Silence> {
        if !self.card.is_selected() {
            return Err(Silence::NoResponse);
        }
        let now = self.clock.now();
        match command.function {
            0 => {
                if command.write {
                    let settle = self.config.function_ready;
                    match self.card.write(command.address, command.data, now, settle) {
                        Effect::Enabled => self.chip.enable(),
                        Effect::Disabled => self.chip.disable(now),
                        // Otherwise nothing is under way between two commands of this bus.
                        Effect::Aborted => self.half_read = false,
                        Effect::None => {}
                    }
                    if !command.read_back {
                        return Ok(R5::good(command.data));
                    }
                }
                let pending = self.chip.interrupt();
                Ok(R5::good(self.card.read(command.address, pending, now)))
            }
            1 if !self.card.is_ready(now) => Ok(R5::refused(R5::ERROR)),
            1 => {
                if command.write {
                    self.chip
                        .write_register(command.address, command.data, now)
                        .ok_or(Silence::NoResponse)?;
                    if !command.read_back {
                        return Ok(R5::good(command.data));
                    }
                }
                self.chip
                    .read_register(command.address, now)
                    .map(R5::good)
                    .ok_or(Silence::NoResponse)
            }
            _ => Ok(R5::refused(R5::FUNCTION_NUMBER)),
        }
    }

    /// Does a command of that fate.
    fn under<R>(
        &mut self,
        fate: Fate,
        command: impl FnOnce(&mut Self) -> Result<R, Silence>,
    ) -> Result<R, Silence> {
        self.chip.statistics.crc_errors += u64::from(fate != Fate::Passes);
        match fate {
            Fate::Passes => command(self),
            Fate::SpoiledBefore => Err(Silence::Broken),
            Fate::SpoiledAfter => command(self).and(Err(Silence::Broken)),
        }
    }

    /// What becomes of a transfer that the card does not refuse.
    fn fate_of_data(&mut self, write: bool) -> Fate {
        let fate = if self.half_read {
            Fate::SpoiledBefore
        } else {
            self.tuning.judge_data(write, self.clock.now())
        };
        self.chip.statistics.crc_errors += u64::from(fate != Fate::Passes);
        fate
    }

    /// Judges a CMD53 before its data moves. `Some`: the card refuses it with this response.
    fn begin_data(&mut self, argument: u32) -> Result<(Command53, Option<R5>), Silence> {
        self.listening()?;
        let command = Command53::parse(argument);
        self.spend(self.config.timing.data(command.count));
        if !self.card.is_selected() {
            return Err(Silence::NoResponse);
        }
        let now = self.clock.now();
        let refused = match command.function {
            // The structures of function 0 are read with CMD52.
            0 => Some(R5::refused(R5::ERROR)),
            1 if !self.card.is_ready(now) => Some(R5::refused(R5::ERROR)),
            1 => match command.count {
                Count::Blocks(0) => Some(R5::refused(R5::ERROR)),
                Count::Blocks(_) if usize::from(self.card.block_size()) != Count::BLOCK_SIZE => {
                    Some(R5::refused(R5::ERROR))
                }
                _ => None,
            },
            _ => Some(R5::refused(R5::FUNCTION_NUMBER)),
        };
        if refused.is_none() && !command.incrementing {
            self.chip
                .violations
                .note(now, Violation::FixedAddress { argument });
        }
        Ok((command, refused))
    }

    /// CMD53 read with its argument as it stands on the command line. Fills `buffer`, as long as the count says.
    ///
    /// # Errors
    ///
    /// [`Silence`] if the card does not respond or sends no data.
    pub fn command53_read(&mut self, argument: u32, buffer: &mut [u8]) -> Result<R5, Silence> {
        let began = self.clock.now();
        let (command, refused) = self.begin_data(argument)?;
        self.chip.statistics.data_reads += 1;
        let fate = self.fate_of_data(false);
        let result = match refused {
            Some(response) => Ok(response),
            None if fate == Fate::SpoiledBefore => Err(Silence::Broken),
            None => {
                self.chip.statistics.bytes_read += buffer.len() as u64;
                let now = self.clock.now();
                let moved = self.chip.read_data(command.address, buffer, now);
                if moved && fate == Fate::SpoiledAfter {
                    self.tuning.spoil(buffer);
                }
                response(moved, fate)
            }
        };
        self.end_data(began, argument, result, || buffer.to_vec())
    }

    /// CMD53 write with its argument as it stands on the command line, of `segments` one after the other.
    ///
    /// # Errors
    ///
    /// [`Silence`] if the card does not respond or takes no data.
    pub fn command53_write(&mut self, argument: u32, segments: &[&[u8]]) -> Result<R5, Silence> {
        let began = self.clock.now();
        let (command, refused) = self.begin_data(argument)?;
        self.chip.statistics.data_writes += 1;
        let fate = self.fate_of_data(true);
        let result = match refused {
            Some(response) => Ok(response),
            None if fate == Fate::SpoiledBefore => Err(Silence::Broken),
            None => {
                self.chip.statistics.bytes_written += command.count.bytes() as u64;
                let now = self.clock.now();
                response(self.chip.write_data(command.address, segments, now), fate)
            }
        };
        self.end_data(began, argument, result, || segments.concat())
    }

    /// What follows from a CMD53, and its place in the trace.
    fn end_data(
        &mut self,
        began: Instant,
        argument: u32,
        result: Result<R5, Silence>,
        bytes: impl FnOnce() -> Vec<u8>,
    ) -> Result<R5, Silence> {
        self.update_interrupt();
        let duration = self.clock.now().since(began);
        self.trace.record(began, duration, || Event::Data {
            argument,
            response: result.ok(),
            bytes: bytes(),
        });
        result
    }

    /// Asserts or releases the wake line.
    pub fn set_wake_line(&mut self, asserted: bool) {
        if self.chip.wake_line() == asserted {
            return;
        }
        let now = self.clock.now();
        self.chip.statistics.wake_line_asserted += u64::from(asserted);
        self.trace.record(now, Duration::ZERO, || Event::Line {
            line: Line::Wake,
            asserted,
        });
        self.chip.set_wake_line(asserted, now);
        self.update_interrupt();
    }

    /// The logical level of the wake line.
    pub fn wake_line(&self) -> bool {
        self.chip.wake_line()
    }

    /// Forbids or allows re-tuning. What was wanted meanwhile happens when it is allowed again.
    pub fn hold_tuning(&mut self, hold: bool) {
        let tuned = self.tuning.hold(hold, self.clock.now());
        self.chip.statistics.tunings += u64::from(tuned);
    }

    /// Tunes the sampling point of the bus again, now or as soon as it is allowed.
    pub fn retune(&mut self) {
        let tuned = self.tuning.retune(self.clock.now());
        self.chip.statistics.tunings += u64::from(tuned);
    }

    /// Lets the sampling point of the bus drift from now on, or no more.
    pub fn set_drift(&mut self, drift: Option<Drift>) {
        self.tuning.set_drift(drift, self.clock.now());
    }

    /// Cuts the next transfer off in the middle: until the host aborts it (CCCR 0x06), every transfer fails with a CRC
    /// error and moves nothing (file 50, section 5, cyw43).
    pub fn cut_transfer(&mut self) {
        self.half_read = true;
    }

    /// Whether re-tuning is forbidden.
    pub fn tuning_held(&self) -> bool {
        self.tuning.held
    }

    /// Switches the card's power. A card that gets power back is as new, and the platform has identified it.
    pub fn set_power(&mut self, on: bool) {
        if self.powered == on {
            return;
        }
        self.powered = on;
        self.start_over(Line::Power, on);
    }

    /// Pulls the card out (`false`) or puts it back (`true`), as new and identified.
    pub fn set_present(&mut self, present: bool) {
        if self.present == present {
            return;
        }
        self.present = present;
        self.start_over(Line::Power, present);
    }

    fn start_over(&mut self, line: Line, asserted: bool) {
        let now = self.clock.now();
        self.trace
            .record(now, Duration::ZERO, || Event::Line { line, asserted });
        self.card = Registers::new();
        self.card.identify();
        self.chip.lose_power(now);
        self.half_read = false;
        self.update_interrupt();
        self.latched = false;
    }

    /// Resets the card to what it is before a host has identified it, for hosts that do so themselves.
    pub fn forget_identification(&mut self) {
        self.card = Registers::new();
        self.chip.lose_power(self.clock.now());
        self.update_interrupt();
    }
}

/// How a transfer ends whose data was there to move, or not.
const fn response(moved: bool, fate: Fate) -> Result<R5, Silence> {
    match (moved, fate) {
        (false, _) => Err(Silence::NoData),
        (true, Fate::Passes) => Ok(R5::good(0)),
        (true, _) => Err(Silence::Broken),
    }
}
