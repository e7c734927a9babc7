//! Faults as middleware: [`Faulty`] stands between a driver and any [`SdioFunction`] and spoils what a [`Plan`] says.
//!
//! Everything comes from a seed and from the order of the commands, so that a failure can be replayed. Every fault
//! that was injected is counted.
//!
//! | fault | opportunity | what the host sees | what the card sees |
//! |---|---|---|---|
//! | `crc` | every command | CRC error | a read happened, a write did not |
//! | `timeout` | every command | time-out | nothing |
//! | `not-moved` | CMD53 | CRC error | nothing |
//! | `moved` | CMD53 | CRC error, garbage in a read | the transfer happened |
//! | `stale` | announcement read | the last announcement again | nothing |
//! | `zero-length` | announcement read | length 0, and 0x000 says "genuine" | nothing |
//! | `zero-not-genuine` | announcement read | length 0, and 0x000 says "not genuine" | nothing |
//! | `oversized` | announcement read | 127 blocks | the announcement was read |
//! | `spurious-irq` | every command | an interrupt | nothing |
//! | `lost-irq` | interrupt taken | no interrupt, until the announcement is read | nothing |
//! | `card-gone` | every command | no card, until it is put back | nothing |
//! | `damaged` | burst read | a burst with [`Damage`] in it | the read happened |
//!
//! ```
//! use mock_hal::fault::{Fault, Faulty, Plan, When};
//! use mock_hal::{chip::ScriptedFirmware, Card, Config};
//! use bes_hal::sdio::SdioFunction;
//!
//! let (sdio, _handle) = Card::insert(Config::default(), Box::<ScriptedFirmware>::default());
//! let plan = Plan::new(7).with(Fault::Timeout, When::Opportunity(0));
//! let (mut sdio, faults) = Faulty::new(sdio, plan);
//! sdio.enable().unwrap();
//! assert!(sdio.read_register(0x10C).is_err());
//! assert!(sdio.read_register(0x10C).is_ok());
//! assert_eq!(faults.count(Fault::Timeout), 1);
//! ```

mod damage;
mod plan;

pub use damage::Damage;
pub use plan::{Fault, Plan, Rule, UnknownFault, When};

use bes_hal::doorbell::{Doorbell, Reasons};
use bes_hal::error::SdioError;
use bes_hal::sdio::{Cmd53, HostLimits, SdioFunction};
use bes_hal::time::Instant;
use fastrand::Rng;
use plan::Armed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Register addresses and doorbell bits that the middleware has to know (specification: file 10, section 3).
mod wire {
    pub(super) const GENUINE: u32 = 0x000;
    pub(super) const ANNOUNCEMENT: u32 = 0x001;
    pub(super) const DOORBELL: u32 = 0x120;
    pub(super) const WIFI_DEACTIVE: u8 = 0x10;
    pub(super) const WIFI_ACTIVE: u8 = 0x20;
}

/// Rewrites a burst.
type Hook = Box<dyn FnMut(&mut [u8], &mut Rng) + Send>;

struct State {
    rng: Rng,
    armed: Vec<Armed>,
    counts: [u64; Fault::ALL.len()],
    commands: u64,
    gone: bool,
    damage: Damage,
    hook: Option<Hook>,
    doorbell: Option<Arc<Doorbell>>,
    /// The host asked for Wi-Fi: 0x001 is an announcement.
    wifi: bool,
    /// The last announcement that was read, and whether its data was read since.
    announced: u8,
    consumed: bool,
    /// What 0x000 says next, after an invented length of 0.
    genuine: Option<u8>,
    spurious: bool,
    lost: bool,
}

impl State {
    /// Whether `fault` strikes now.
    #[inline]
    fn strikes(&mut self, fault: Fault, now: Instant) -> bool {
        !self.armed.is_empty() && self.is_struck(fault, now)
    }

    fn is_struck(&mut self, fault: Fault, now: Instant) -> bool {
        let mut strikes = false;
        for armed in &mut self.armed {
            if armed.rule.fault == fault && !strikes {
                strikes = armed.strikes(self.commands, now, &mut self.rng);
            }
        }
        if strikes {
            self.counts[fault as usize] += 1;
        }
        strikes
    }

    /// What happens to every command before it is known what it is.
    fn begin(&mut self, now: Instant) -> Result<(), SdioError> {
        if !self.gone && self.strikes(Fault::CardGone, now) {
            self.gone = true;
        }
        if self.gone {
            return Err(SdioError::NoCard);
        }
        if self.strikes(Fault::SpuriousInterrupt, now) {
            self.spurious = true;
            if let Some(doorbell) = &self.doorbell {
                // Who has to be woken finds the reason in the doorbell; there is nobody else to tell.
                let _ = doorbell.ring(Reasons::INTERRUPT);
            }
        }
        let timeout = self.strikes(Fault::Timeout, now);
        self.commands += 1;
        if timeout {
            return Err(SdioError::Timeout);
        }
        Ok(())
    }
}

/// An [`SdioFunction`] with faults.
pub struct Faulty<S> {
    inner: S,
    state: Arc<Mutex<State>>,
}

/// What a test or program holds while the driver holds the [`Faulty`] function. Clones belong to the same function.
#[derive(Clone)]
pub struct Faults {
    state: Arc<Mutex<State>>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: SdioFunction> Faulty<S> {
    /// Puts the faults of `plan` in front of `inner`.
    pub fn new(inner: S, plan: Plan) -> (Self, Faults) {
        let state = Arc::new(Mutex::new(State {
            rng: Rng::with_seed(plan.seed),
            armed: plan.rules.into_iter().map(Armed::new).collect(),
            counts: [0; Fault::ALL.len()],
            commands: 0,
            gone: false,
            damage: Damage::default(),
            hook: None,
            doorbell: None,
            wifi: false,
            announced: 0,
            consumed: false,
            genuine: None,
            spurious: false,
            lost: false,
        }));
        let faults = Faults {
            state: state.clone(),
        };
        (Self { inner, state }, faults)
    }

    /// The function without faults.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn read_announcement(inner: &mut S, state: &mut State, now: Instant) -> Result<u8, SdioError> {
        if state.consumed && state.strikes(Fault::Stale, now) {
            return Ok(state.announced);
        }
        for (fault, genuine) in [(Fault::ZeroLength, 1), (Fault::ZeroNotGenuine, 0)] {
            if state.strikes(fault, now) {
                state.genuine = Some(genuine);
                return Ok(state.announced & 0x80);
            }
        }
        let value = inner.read_register(wire::ANNOUNCEMENT)?;
        if value & 0x7F != 0 {
            state.announced = value;
            state.consumed = false;
            if state.strikes(Fault::Oversized, now) {
                return Ok(value | 0x7F);
            }
        }
        Ok(value)
    }
}

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Adds a rule. Its opportunities are counted from now on.
    pub fn arm(&self, fault: Fault, when: When) {
        self.arm_rule(Rule::new(fault, when));
    }

    /// Adds a rule. Its opportunities are counted from now on.
    pub fn arm_rule(&self, rule: Rule) {
        self.state().armed.push(Armed::new(rule));
    }

    /// Removes every rule of `fault`.
    pub fn disarm(&self, fault: Fault) {
        self.state().armed.retain(|armed| armed.rule.fault != fault);
    }

    /// Removes every rule.
    pub fn disarm_all(&self) {
        self.state().armed.clear();
    }

    /// How often `fault` was injected.
    pub fn count(&self, fault: Fault) -> u64 {
        self.state().counts[fault as usize]
    }

    /// How many faults were injected.
    pub fn total(&self) -> u64 {
        self.state().counts.iter().sum()
    }

    /// CMD52 and CMD53 commands the driver has issued.
    pub fn commands(&self) -> u64 {
        self.state().commands
    }

    /// Puts a card back that is gone. It is as it was; pull the emulated card out as well if it should be new.
    pub fn reinsert(&self) {
        self.state().gone = false;
    }

    /// Whether the card is gone.
    pub fn is_gone(&self) -> bool {
        self.state().gone
    }

    /// What [`Fault::Damaged`] does to a burst.
    pub fn set_damage(&self, damage: Damage) {
        let mut state = self.state();
        state.damage = damage;
        state.hook = None;
    }

    /// Lets `hook` rewrite the bursts that [`Fault::Damaged`] strikes.
    pub fn set_damage_hook(&self, hook: impl FnMut(&mut [u8], &mut Rng) + Send + 'static) {
        self.state().hook = Some(Box::new(hook));
    }

    /// Rings `doorbell` for spurious interrupts.
    pub fn set_doorbell(&self, doorbell: Arc<Doorbell>) {
        self.state().doorbell = Some(doorbell);
    }
}

impl<S: SdioFunction> SdioFunction for Faulty<S> {
    type Buffer = S::Buffer;

    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn limits(&self) -> HostLimits {
        self.inner.limits()
    }

    fn read_register(&mut self, address: u32) -> Result<u8, SdioError> {
        let now = self.inner.now();
        let mut state = lock(&self.state);
        state.begin(now)?;
        if address == wire::GENUINE {
            if let Some(value) = state.genuine.take() {
                return Ok(value);
            }
        }
        // Reading it acknowledges the interrupt, in the boot phase as well: what was lost is over.
        state.lost &= address != wire::ANNOUNCEMENT;
        let crc = state.strikes(Fault::Crc, now);
        let value = if state.wifi && address == wire::ANNOUNCEMENT {
            Self::read_announcement(&mut self.inner, &mut state, now)?
        } else {
            self.inner.read_register(address)?
        };
        if crc {
            return Err(SdioError::Crc);
        }
        Ok(value)
    }

    fn write_register(&mut self, address: u32, value: u8) -> Result<(), SdioError> {
        let now = self.inner.now();
        {
            let mut state = self.state();
            state.begin(now)?;
            if state.strikes(Fault::Crc, now) {
                return Err(SdioError::Crc);
            }
            if address == wire::DOORBELL {
                state.wifi |= value & wire::WIFI_ACTIVE != 0;
                state.wifi &= value & wire::WIFI_DEACTIVE == 0;
            }
        }
        self.inner.write_register(address, value)
    }

    fn allocate(&mut self, len: usize) -> Result<S::Buffer, SdioError> {
        self.inner.allocate(len)
    }

    fn read_data(&mut self, command: Cmd53, buffer: &mut [u8]) -> Result<(), SdioError> {
        let now = self.inner.now();
        let mut state = lock(&self.state);
        let state = &mut *state;
        state.begin(now)?;
        if state.strikes(Fault::NotMoved, now) {
            return Err(SdioError::Crc);
        }
        let moved = state.strikes(Fault::Moved, now);
        let crc = state.strikes(Fault::Crc, now);
        let spoiled = moved || crc;
        let damaged = state.wifi && state.strikes(Fault::Damaged, now);
        self.inner.read_data(command, buffer)?;
        state.consumed = true;
        if spoiled {
            Damage::Garbage.apply(buffer, &mut state.rng);
            return Err(SdioError::Crc);
        }
        if damaged {
            match &mut state.hook {
                Some(hook) => hook(buffer, &mut state.rng),
                None => state.damage.apply(buffer, &mut state.rng),
            }
        }
        Ok(())
    }

    fn write_data(&mut self, command: Cmd53, segments: &[&[u8]]) -> Result<(), SdioError> {
        let now = self.inner.now();
        let moved = {
            let mut state = self.state();
            state.begin(now)?;
            if state.strikes(Fault::Crc, now) || state.strikes(Fault::NotMoved, now) {
                return Err(SdioError::Crc);
            }
            state.strikes(Fault::Moved, now)
        };
        self.inner.write_data(command, segments)?;
        if moved {
            return Err(SdioError::Crc);
        }
        Ok(())
    }

    fn enable(&mut self) -> Result<(), SdioError> {
        if self.state().gone {
            return Err(SdioError::NoCard);
        }
        self.inner.enable()
    }

    fn disable(&mut self) -> Result<(), SdioError> {
        {
            let mut state = self.state();
            state.wifi = false;
            state.consumed = false;
            if state.gone {
                return Err(SdioError::NoCard);
            }
        }
        self.inner.disable()
    }

    fn take_interrupt(&mut self) -> bool {
        let raised = self.inner.take_interrupt();
        let now = self.inner.now();
        let mut state = self.state();
        let spurious = std::mem::take(&mut state.spurious);
        state.lost &= raised;
        if raised && !state.lost && state.strikes(Fault::LostInterrupt, now) {
            state.lost = true;
        }
        let gone = state.gone;
        (raised && !state.lost && !gone) || spurious
    }

    fn hold_tuning(&mut self, hold: bool) {
        self.inner.hold_tuning(hold);
    }

    fn abort(&mut self) -> Result<(), SdioError> {
        if self.state().gone {
            return Err(SdioError::NoCard);
        }
        self.inner.abort()
    }

    fn retune(&mut self) -> Result<(), SdioError> {
        if self.state().gone {
            return Err(SdioError::NoCard);
        }
        self.inner.retune()
    }

    fn set_wake_line(&mut self, asserted: bool) {
        self.inner.set_wake_line(asserted);
    }

    fn set_power(&mut self, on: bool) -> Result<(), SdioError> {
        self.inner.set_power(on)
    }
}

#[cfg(test)]
mod tests;
