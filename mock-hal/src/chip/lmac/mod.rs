//! The firmware of the Wi-Fi subsystem: the lower MAC that speaks WSM with the host and 802.11 with the air.
//!
//! Written from files 20, 21, 30, 31 and 50 of the specification. It has no clock: messages and time go in through
//! [`Firmware`], [`Firmware::next_event`] says when it wants to be called next. What the host does against the
//! specification is recorded as a [violation](Firmware::violations) and treated as mildly as the specification allows.
//!
//! | part | file |
//! |---|---|
//! | every setting, every counter | `config`, `counters` |
//! | queue to the host, sequence numbers, faults on demand | `outbox` |
//! | commands one by one, MIBs | `command`, `mib` |
//! | scan, join and link supervision, power save, AP mode | `scan`, `join`, `power`, `doze`, `ap` |
//! | queues, rate series, aggregation, confirmations | `transmit`, `completion`, `rate_policy`, `block_ack` |
//! | answers in place of the host | `offload` |
//! | slow illnesses, sudden ends | `ailment`, `crash` |
//! | filters, decryption, receive indications | `receive`, `filter`, `key`, `ccmp` |
//! | the seam to the air | `medium` |
//!
//! ```text
//!   request() ─► command queue ─► (latency) ─► execute ─┐
//!            └─► four TX queues ─► exchange() ─► confirm ├─► outbox ─► next_message()
//!   air ─────► pop_heard() ─► filters, keys ────────────┘
//! ```

mod ailment;
mod ap;
mod block_ack;
mod ccmp;
mod command;
mod completion;
mod config;
mod counters;
mod crash;
mod doze;
mod filter;
mod frame;
mod interface;
mod join;
mod key;
mod medium;
mod mib;
mod offload;
mod outbox;
mod power;
mod rate_policy;
mod receive;
mod scan;
mod transmit;

#[cfg(test)]
mod obligations;
#[cfg(test)]
mod script;
#[cfg(test)]
mod stories;

pub use ailment::{Ailments, EventLeak, Exhaustion, SlowScans};
pub use config::{ForegroundScan, LmacConfig};
pub use counters::{Counters, Traffic};
pub use crash::{Cure, Deafness, Exception, Moment};
pub use interface::LinkState;
pub use medium::Medium;
pub use outbox::{MessageFault, MessageKind};

use super::wire::header::{number, Class, Header};
use super::wire::indication::{self, Startup};
use super::wire::{request, transmit::packet_id, u32_at};
use super::Firmware;
use crate::air::{Air, Band, Channel};
use bes_hal::time::{earliest, Instant};
use block_ack::BlockAck;
use command::Command;
use interface::Interface;
use key::KeyTable;
use mib::{id, MibStore};
use outbox::Outbox;
use rate_policy::RatePolicies;
use std::cell::Cell;
use std::collections::VecDeque;
use transmit::Transmitter;

/// Interfaces of the chip (file 20, section 2.3).
const INTERFACES: usize = 3;
/// Violations that are kept as text; the rest is only counted.
const MAX_VIOLATIONS: usize = 256;
/// Steps in one call of [`Firmware::advance`] at one instant, far above what any traffic needs: the guard against a
/// clockwork that does not move on.
const MAX_STEPS: u32 = 1_000_000;

/// The lower MAC.
#[derive(Debug)]
pub struct Lmac<M: Medium = Air> {
    config: LmacConfig,
    medium: M,
    now: Instant,
    running: bool,
    /// Wedged or crashed: takes everything, answers nothing.
    dead: bool,
    asleep: bool,
    startup_at: Option<Instant>,
    outbox: Outbox,
    host_sequence: [u8; 2],
    /// Messages of the host that are not confirmed yet.
    outstanding: usize,
    commands: VecDeque<Command>,
    command_due: Option<Instant>,
    joining: Option<join::Joining>,
    interfaces: [Interface; INTERFACES],
    mibs: MibStore,
    keys: KeyTable,
    policies: RatePolicies,
    address: [u8; 6],
    /// Channel of the interfaces, as the last channel switch, join or start set it.
    home: Option<Channel>,
    tuned: Option<Channel>,
    scan: Option<scan::Scan>,
    switches: VecDeque<(Instant, u8)>,
    transmitter: Transmitter,
    block_ack: BlockAck,
    condition: ailment::Condition,
    doom: crash::Doom,
    /// Broken frames that were counted already.
    damaged: u64,
    /// Sequence number of the frames that the chip itself originates.
    sequence: u16,
    counters: Counters,
    violations: Vec<String>,
    violation_count: u64,
    /// The answer of [`Firmware::next_event`], until something changes that it depends on.
    upcoming: Cell<Option<Option<Instant>>>,
}

impl<M: Medium> Lmac<M> {
    /// Something may have changed that [`Firmware::next_event`] depends on. It is asked for far more often than that.
    fn changed(&mut self) {
        self.upcoming.set(None);
    }

    /// A firmware that is not running yet, with the radio it will use.
    pub fn new(config: LmacConfig, medium: M) -> Self {
        Self {
            config,
            medium,
            now: Instant::ZERO,
            running: false,
            dead: false,
            asleep: false,
            startup_at: None,
            outbox: Outbox::default(),
            host_sequence: [0; 2],
            outstanding: 0,
            commands: VecDeque::new(),
            command_due: None,
            joining: None,
            interfaces: Default::default(),
            mibs: MibStore::default(),
            keys: KeyTable::default(),
            policies: RatePolicies::default(),
            address: [0; 6],
            home: None,
            tuned: None,
            scan: None,
            switches: VecDeque::new(),
            transmitter: Transmitter::default(),
            block_ack: BlockAck::default(),
            condition: ailment::Condition::default(),
            doom: crash::Doom::default(),
            damaged: 0,
            sequence: 0,
            counters: Counters::default(),
            violations: Vec::new(),
            violation_count: 0,
            upcoming: Cell::new(None),
        }
    }

    /// The air.
    pub const fn medium(&self) -> &M {
        &self.medium
    }

    /// The air, to be changed.
    pub fn medium_mut(&mut self) -> &mut M {
        self.changed();
        &mut self.medium
    }

    /// The settings.
    pub const fn config(&self) -> &LmacConfig {
        &self.config
    }

    /// The settings, to be changed while the firmware runs.
    pub fn config_mut(&mut self) -> &mut LmacConfig {
        self.changed();
        &mut self.config
    }

    /// What was counted since the start.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// All violations, also those that are not kept as text.
    pub const fn violation_count(&self) -> u64 {
        self.violation_count
    }

    /// Station address as the configuration request set it.
    pub const fn address(&self) -> [u8; 6] {
        self.address
    }

    /// Messages of the host that wait for a confirmation.
    pub const fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// What an interface is doing; `None` if there is no such interface.
    pub fn link(&self, interface: u8) -> Option<LinkState> {
        self.interfaces
            .get(usize::from(interface))
            .map(Interface::link)
    }

    /// What was last written to a MIB.
    pub fn mib(&self, interface: u8, id: u16) -> Option<&[u8]> {
        self.mibs.read(interface, id)
    }

    /// Number of installed keys.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// Number of uploaded rate policies.
    pub fn rate_policies(&self) -> usize {
        self.policies.len()
    }

    /// Frames and octets of an interface, as the host gave and got them; `None` if there is no such interface.
    pub fn traffic(&self, interface: u8) -> Option<Traffic> {
        let state = self.interfaces.get(usize::from(interface))?;
        Some(state.traffic)
    }

    /// Transmit power in units of 0.1 dBm as the host last set it for an interface (MIB 0x0006).
    pub fn transmit_power(&self, interface: u8) -> Option<i32> {
        let data = self.mibs.read(interface, id::TX_POWER)?;
        Some(i32::from_le_bytes(u32_at(data, 0).to_le_bytes()))
    }

    /// Whether the firmware has wedged or crashed.
    pub const fn is_dead(&self) -> bool {
        self.dead
    }

    /// Makes something go wrong with the next message of a kind.
    pub fn fault(&mut self, kind: MessageKind, fault: MessageFault) {
        self.outbox.fault(kind, fault);
    }

    /// Forgets the faults that have not struck yet.
    pub fn clear_faults(&mut self) {
        self.outbox.clear_faults();
    }

    /// Queues a message for the host; it gets the next sequence number of its class.
    pub fn inject_message(&mut self, message: Vec<u8>) {
        self.changed();
        self.outbox.push(message, self.now);
    }

    /// Queues a message for the host exactly as it is.
    pub fn inject_raw(&mut self, message: Vec<u8>) {
        self.outbox.push_raw(message);
    }

    /// Queues an event indication (file 20, section 13.1).
    pub fn raise_event(&mut self, interface: u8, event: u32, data: u32) {
        self.send(indication::event(interface, event, data));
    }

    /// Queues a report of Bluetooth activity (file 20, section 14.2).
    pub fn raise_bluetooth_activity(&mut self, state: u32) {
        self.send(indication::bluetooth_activity(state));
    }

    /// Crashes the firmware: an exception indication, then silence (file 20, section 15.8).
    pub fn raise_exception(&mut self, reason: u32) {
        self.crash(&Exception::new(reason));
    }

    /// Wedges the firmware: silence without a word.
    pub fn wedge(&mut self) {
        self.changed();
        self.dead = true;
    }

    fn send(&mut self, message: Vec<u8>) {
        self.changed();
        if !self.dead && !self.swallows(&message) {
            if Header::parse(&message).is_some_and(|header| header.identity() == indication::EVENT)
            {
                self.event_sent();
            }
            self.outbox.push(message, self.now);
        }
    }

    /// Queues a confirmation, which gives the host its buffer back.
    fn confirm(&mut self, message: Vec<u8>, count: usize) {
        self.outstanding = self.outstanding.saturating_sub(count);
        self.send(message);
    }

    fn violation(&mut self, text: impl Into<String>) {
        self.violation_count += 1;
        if self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(text.into());
        }
    }

    /// Address of an interface, derived from the configured one (file 20, section 2.3).
    fn interface_address(&self, interface: u8) -> [u8; 6] {
        let mut address = self.address;
        if interface != 0 {
            address[5] = address[5].wrapping_add(1);
        }
        if interface == 1 {
            address[4] ^= 0x80;
        }
        address
    }

    /// Band of the home channel.
    fn band(&self) -> Band {
        self.home.map_or(Band::Ghz2_4, |channel| channel.band)
    }

    /// Number for a frame that the chip itself originates.
    fn next_sequence(&mut self) -> u16 {
        self.sequence = (self.sequence + 1) & 0x0FFF;
        self.sequence
    }

    /// Puts the radio where it belongs: the scanned channel, the home channel, or off.
    fn retune(&mut self, now: Instant) {
        let wanted = match &self.scan {
            Some(scan) if scan.is_away() => scan.channel(),
            _ => self.home,
        };
        if wanted != self.tuned {
            self.tuned = wanted;
            self.medium.tune(wanted, now);
        }
    }

    fn update_room(&mut self) {
        let room = self
            .config
            .receive_queue
            .saturating_sub(self.outbox.receiving());
        if self.medium.set_receive_room(room) {
            self.changed();
        }
    }

    fn forget(&mut self, now: Instant) {
        self.changed();
        self.heal_by_restart();
        self.asleep = false;
        self.startup_at = None;
        self.outbox.clear();
        self.host_sequence = [0; 2];
        self.outstanding = 0;
        self.commands.clear();
        self.command_due = None;
        self.joining = None;
        for agreement in self.block_ack.clear() {
            let (peer, tid, from_station) = agreement;
            self.medium.set_block_ack(peer, tid, from_station, 0);
        }
        self.condition = ailment::Condition::default();
        self.interfaces = Default::default();
        self.mibs = MibStore::default();
        self.keys = KeyTable::default();
        self.policies.clear();
        self.home = None;
        self.scan = None;
        self.switches.clear();
        self.transmitter = Transmitter::default();
        self.sequence = 0;
        self.counters = Counters::default();
        self.damaged = self.medium.damaged();
        self.retune(now);
        self.update_room();
    }

    /// Does what is due at `now`, of which `next` is the first.
    fn advance_from(&mut self, mut next: Option<Instant>, now: Instant) {
        if self.dead {
            self.changed();
            self.now = self.now.max(now);
            return self.outbox.advance(now);
        }
        for _step in 0..MAX_STEPS {
            match next {
                Some(at) if at <= now => self.step(at.max(self.now).min(now)),
                _ => break,
            }
            if self.dead {
                break;
            }
            next = self.known_due();
        }
        self.now = self.now.max(now);
    }

    fn known_due(&self) -> Option<Instant> {
        if let Some(known) = self.upcoming.get() {
            return known;
        }
        let next = self.due();
        self.upcoming.set(Some(next));
        next
    }

    /// When something is due by itself.
    fn due(&self) -> Option<Instant> {
        if !self.running {
            return None;
        }
        if self.dead {
            return self.outbox.next_event();
        }
        let mut next = earliest(self.medium.next_event(), self.startup_at);
        next = earliest(next, self.outbox.next_event());
        next = earliest(next, self.command_due);
        next = earliest(next, self.switches.front().map(|(at, _)| *at));
        next = earliest(next, self.transmit_due());
        next = earliest(next, self.scan_due());
        next = earliest(next, self.joining.as_ref().map(join::Joining::due));
        next = earliest(next, self.block_ack.due());
        next = earliest(next, self.ailment_due());
        next = earliest(next, self.doom_due());
        for interface in &self.interfaces {
            next = earliest(next, interface.due());
        }
        next
    }

    /// Does what is due at `now`, once.
    fn step(&mut self, now: Instant) {
        self.changed();
        self.now = now;
        if self.startup_at.is_some_and(|at| at.is_due(now)) {
            self.startup_at = None;
            let config = &self.config;
            let message = indication::startup(&Startup {
                buffers: config.input_buffers,
                buffer_size: config.buffer_size,
                hardware: config.hardware,
                status: config.startup_status,
                firmware_type: config.firmware_type,
                api: 1,
                build: 7,
                version: 0x0102,
                label: &config.label,
            });
            self.send(message);
        }
        self.outbox.advance(now);
        if self.command_due.is_some_and(|at| at.is_due(now)) {
            self.command_due = None;
            self.execute_next(now);
        }
        while self.switches.front().is_some_and(|(at, _)| at.is_due(now)) {
            if let Some((_, interface)) = self.switches.pop_front() {
                self.send(indication::channel_switch(interface, 0));
            }
        }
        // Whoever had the medium last lets the other go first, so that neither starves.
        if !self.transmitter.had_last_turn() {
            self.transmit_step(now);
        }
        self.medium.advance(now);
        while let Some(heard) = self.medium.pop_heard() {
            self.receive(heard, now);
        }
        let damaged = self.medium.damaged();
        let new = damaged.saturating_sub(std::mem::replace(&mut self.damaged, damaged));
        self.counters.fcs_errors = self.counters.fcs_errors.wrapping_add(new as u32);
        self.transmitter.end_turn();
        self.scan_step(now);
        self.join_step(now);
        self.link_step(now);
        self.power_step(now);
        self.block_ack_step(now);
        self.ap_step(now);
        self.ailment_step(now);
        self.doom_step(now);
        self.transmit_step(now);
        // An exchange or a change of channel moves the air too.
        while let Some(heard) = self.medium.pop_heard() {
            self.receive(heard, now);
        }
        self.flush_confirms();
    }
}

impl<M: Medium + 'static> Firmware for Lmac<M> {
    fn start(&mut self, now: Instant) {
        self.changed();
        self.now = now;
        self.forget(now);
        self.running = true;
        if self.dead {
            // Nothing is left that could start.
            return;
        }
        self.startup_at = Some(now.after(self.config.startup_delay));
    }

    fn stop(&mut self, now: Instant) {
        self.changed();
        self.now = now;
        self.forget(now);
        self.running = false;
    }

    fn request(&mut self, message: &[u8], now: Instant) {
        self.changed();
        self.now = self.now.max(now);
        if !self.running {
            return self.violation("request although Wi-Fi is not active");
        }
        if self.dead {
            return;
        }
        let Some(header) = Header::parse(message) else {
            return self.violation("request of less than 4 bytes");
        };
        if usize::from(header.len) != message.len() {
            self.violation(format!(
                "length {} in the header of a message of {} bytes",
                header.len,
                message.len()
            ));
        }
        if self.startup_at.is_some() {
            self.violation("request before the startup indication");
        }
        if header.id & 0x1000 != 0 {
            self.violation(format!("bit 12 of id {:#06x} is set", header.id));
        }
        let class = header.class();
        let counter = class.counter();
        if header.sequence() != self.host_sequence[counter] {
            self.violation(format!(
                "sequence {} instead of {} in id {:#06x}",
                header.sequence(),
                self.host_sequence[counter],
                header.id
            ));
        }
        self.host_sequence[counter] = (header.sequence() + 1) & 7;
        if matches!(class, Class::Confirm | Class::Indication) {
            return self.violation(format!("id {:#06x} is not a request", header.id));
        }
        if self.crashes_over(header) {
            return;
        }
        self.outstanding += 1;
        if self.outstanding > usize::from(self.config.input_buffers) {
            self.violation(format!(
                "{} messages in {} input buffers",
                self.outstanding, self.config.input_buffers
            ));
        }
        if class == Class::Request && header.number() == number::TRANSMIT {
            return self.enqueue(header, message, now);
        }
        if !self.commands.is_empty() {
            self.violation(format!(
                "{} while a command is outstanding",
                request::name(header.number())
            ));
        }
        self.commands.push_back(Command {
            header,
            message: message.to_vec(),
        });
        if self.commands.len() == 1 {
            self.command_due = Some(now.after(self.config.command_latency));
        }
    }

    fn next_message(&mut self) -> Option<Vec<u8>> {
        let message = self.outbox.pop()?;
        self.update_room();
        Some(message)
    }

    fn pending(&self) -> usize {
        self.outbox.len()
    }

    fn next_event(&self) -> Option<Instant> {
        self.known_due()
    }

    fn advance(&mut self, now: Instant) {
        self.advance_from(self.next_event(), now);
    }

    fn advance_if_due(&mut self, now: Instant) {
        let next = self.next_event();
        if next.is_some_and(|at| at.is_due(now)) {
            self.advance_from(next, now);
        }
    }

    fn unload(&mut self, _now: Instant) {
        self.changed();
        self.heal_by_download();
    }

    fn sleep(&mut self, asleep: bool, now: Instant) {
        self.changed();
        self.now = self.now.max(now);
        self.asleep = asleep;
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }

    fn as_any_mut(&mut self) -> &mut dyn std::any::Any {
        self
    }

    fn recycle(&mut self, message: Vec<u8>) {
        self.outbox.recycle(message);
    }
}

/// The packet id of a transmit request, for messages that are too short to be parsed as a whole.
fn packet_id_of(message: &[u8]) -> u32 {
    packet_id(message).unwrap_or(0)
}
