//! Commands, executed one by one (file 20, sections 3.1, 5 to 11, 14 and 15.1).

use super::frame::{self, Mpdu};
use super::interface::Role;
use super::mib::{self, id};
use super::{Lmac, Medium};
use crate::air::{Channel, Width};
use crate::chip::wire::header::{number, Class, Header};
use crate::chip::wire::request::{self, BssParameters, Configuration, Start};
use crate::chip::wire::{confirm, indication, status, u16_at, u32_at, u8_at};
use bes_hal::time::Instant;

/// A command that waits for its turn.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) header: Header,
    pub(crate) message: Vec<u8>,
}

impl<M: Medium> Lmac<M> {
    /// Executes the command whose time has come.
    pub(super) fn execute_next(&mut self, now: Instant) {
        let Some(command) = self.commands.front().cloned() else {
            return;
        };
        self.counters.commands = self.counters.commands.wrapping_add(1);
        if self.ignores_command(command.header) {
            // Its buffer is free again, only the host does not know.
            self.outstanding = self.outstanding.saturating_sub(1);
            return self.command_done(now);
        }
        let later = match command.header.class() {
            Class::Mcu => {
                self.execute_mcu(command.header, &command.message);
                false
            }
            _ => self.execute_lmac(command.header, &command.message, now),
        };
        if !later {
            self.command_done(now);
        }
    }

    /// The command at the front is confirmed; the next one gets its turn.
    pub(super) fn command_done(&mut self, now: Instant) {
        self.commands.pop_front();
        if !self.commands.is_empty() {
            self.command_due = Some(now.after(self.config.command_latency));
        }
    }

    /// `true` if the confirmation comes later.
    fn execute_lmac(&mut self, header: Header, message: &[u8], now: Instant) -> bool {
        let request = header.number();
        let name = request::name(request);
        let interface = header.interface();
        if usize::from(interface) >= super::INTERFACES {
            self.violation(format!("{name} on interface {interface}"));
            self.confirm(confirm::generic(request, 0, status::INVALID_PARAMETER), 1);
            return false;
        }
        if let Some(len) = request::fixed_len(request) {
            if message.len() != len {
                self.violation(format!(
                    "{name} of {} bytes instead of {len}",
                    message.len()
                ));
                if message.len() < len {
                    let status = status::INVALID_PARAMETER;
                    self.confirm(confirm::generic(request, interface, status), 1);
                    return false;
                }
            }
        }
        let status = match request {
            number::READ_MIB => {
                self.read_mib(interface, u16_at(message, 4));
                return false;
            }
            number::WRITE_MIB => self.write_mib(interface, message, now),
            number::START_SCAN => return self.start_scan(interface, message, now),
            number::STOP_SCAN => {
                self.confirm(confirm::generic(request, interface, status::SUCCESS), 1);
                self.end_scan(now);
                return false;
            }
            number::CONFIGURATION => {
                self.configure(interface, message);
                return false;
            }
            number::RESET => {
                self.reset(interface, u32_at(message, 4) & 1 != 0, now);
                status::SUCCESS
            }
            number::JOIN => return self.begin_join(interface, message, now),
            number::ADD_KEY => match self.keys.add(interface, message) {
                Ok(()) => status::SUCCESS,
                Err(what) => {
                    self.violation(format!("ADD_KEY: {what}"));
                    status::INVALID_PARAMETER
                }
            },
            number::REMOVE_KEY => {
                let index = u8_at(message, 4);
                if self.keys.remove(index) {
                    status::SUCCESS
                } else {
                    self.violation(format!("REMOVE_KEY of the empty slot {index}"));
                    status::INVALID_PARAMETER
                }
            }
            number::SET_PM => {
                let (mode, idle) = (u8_at(message, 4), u8_at(message, 5));
                return self.set_power_mode(interface, mode, idle, now);
            }
            number::SET_BSS => {
                let state = &mut self.interfaces[usize::from(interface)];
                state.bss = BssParameters::parse(message);
                state.last_sent = now;
                if let Some(bss) = state.joined_mut() {
                    bss.last_beacon = now;
                    status::SUCCESS
                } else {
                    self.violation("SET_BSS_PARAMETERS without a BSS");
                    status::SUCCESS
                }
            }
            number::TX_QUEUE if u8_at(message, 4) > 3 => {
                self.violation("SET_TX_QUEUE for a queue above 3");
                status::INVALID_PARAMETER
            }
            number::SWITCH_CHANNEL => return self.switch_channel(interface, message, now),
            number::START => self.start_network(interface, message, now),
            number::START_FIND => {
                self.confirm(confirm::generic(request, interface, status::SUCCESS), 1);
                self.send(indication::find_complete(interface, status::SUCCESS));
                return false;
            }
            number::UPDATE_IE => self.update_elements(interface, message),
            number::MAP_LINK => self.map_link(interface, message, now),
            number::REQUEST_BUFFERS => {
                self.confirm(confirm::request_buffers(interface, 0, 0), 1);
                return false;
            }
            // Accepted without consequences: lifetimes and medium times, contention, coexistence, unused features.
            number::TX_QUEUE
            | number::EDCA
            | number::EPTA
            | number::BEACON_TRANSMIT
            | number::STOP_FIND
            | number::RELEASE_BUFFER
            | number::CPU_SLEEP => status::SUCCESS,
            _ => {
                self.violation(format!("unknown request {request:#04x}"));
                status::INVALID_PARAMETER
            }
        };
        self.confirm(confirm::generic(request, interface, status), 1);
        false
    }

    /// MCU commands (file 20, sections 14.3 and 14.4).
    fn execute_mcu(&mut self, header: Header, message: &[u8]) {
        let request = header.number();
        if header.interface() != 0 {
            self.violation("MCU message with interface bits");
        }
        if message.len() < 8 {
            self.violation("MCU message without a sub-type");
        }
        let command = u32_at(message, 4);
        match request {
            number::MCU_COMMAND => {
                let expected = match command {
                    0 | 4 => 70,
                    1 => 14,
                    2 => 8,
                    3 => 12,
                    _ => message.len(),
                };
                if message.len() != expected || command > 4 {
                    self.violation(format!("MCU command {command} of {} bytes", message.len()));
                }
                // Only the answer to sub-type 0, writing the flash, carries a status.
                let payload: &[u8] = if command == 0 { &[0; 4] } else { &[] };
                self.confirm(confirm::mcu(request, command, payload), 1);
            }
            number::MCU_VENDOR_RF => {
                self.confirm(confirm::mcu(request, command, &[]), 1);
                // Result: save type "host file", and zeros.
                self.send(indication::mcu(request, command, &[0; 16]));
            }
            _ => {
                self.violation(format!("unknown MCU message {request:#04x}"));
                self.confirm(confirm::mcu(request, 1, &[]), 1);
            }
        }
    }

    fn configure(&mut self, interface: u8, message: &[u8]) {
        let Some(configuration) = Configuration::parse(message) else {
            self.violation("CONFIGURATION of less than 28 bytes");
            let status = status::INVALID_PARAMETER;
            return self.confirm(confirm::configuration(interface, status, self.address), 1);
        };
        if !configuration.consistent {
            self.violation("CONFIGURATION whose block length does not match");
        }
        let address = configuration.address;
        if address[0] & 1 != 0 || address == [0; 6] {
            self.violation("CONFIGURATION with a group or zero address");
        }
        if interface == 0 || self.address == [0; 6] {
            self.address = address;
            self.medium.set_station_address(address);
        } else if address != self.address {
            self.violation("CONFIGURATION of another interface with another address");
        }
        self.confirm(
            confirm::configuration(interface, status::SUCCESS, address),
            1,
        );
    }

    fn switch_channel(&mut self, interface: u8, message: &[u8], now: Instant) -> bool {
        let (mode, channel) = (u8_at(message, 4), u16_at(message, 6));
        let valid = mode & 0xCF == 0x80 && request::valid_channel(channel);
        let result = if valid {
            let width = if mode & 0x20 != 0 {
                Width::Ht40
            } else {
                Width::Ht20
            };
            self.home = Some(Channel::new(u8::try_from(channel).unwrap_or(0), width));
            self.retune(now);
            status::SUCCESS
        } else {
            self.violation(format!("SWITCH_CHANNEL mode {mode:#04x} channel {channel}"));
            status::INVALID_PARAMETER
        };
        self.confirm(
            confirm::generic(number::SWITCH_CHANNEL, interface, result),
            1,
        );
        if valid {
            let at = now.after(self.config.channel_switch_time);
            self.switches.push_back((at, interface));
        }
        false
    }

    fn start_network(&mut self, interface: u8, message: &[u8], now: Instant) -> u32 {
        let start = match Start::parse(message) {
            Ok(start) => start,
            Err(what) => {
                self.violation(format!("START: {what}"));
                return status::INVALID_PARAMETER;
            }
        };
        if !self.interfaces[usize::from(interface)].is_idle() {
            self.violation("START on an interface that is in use");
            return status::WRONG_MODE;
        }
        let number = u8::try_from(start.channel).unwrap_or(0);
        if self.home.is_none_or(|home| home.number != number) {
            self.home = Some(Channel::ht20(number));
        }
        let own = self.interface_address(interface);
        self.medium.set_station_address(own);
        self.retune(now);
        self.interfaces[usize::from(interface)].role = if start.mode == 2 {
            Role::Listening
        } else {
            Role::AccessPoint(Box::new(super::ap::Ap::new(start, now)))
        };
        status::SUCCESS
    }

    fn read_mib(&mut self, interface: u8, mib: u16) {
        let message = if mib::is_defined(mib) {
            let data = match mib {
                id::STATION_ID => self.interface_address(interface).to_vec(),
                id::COUNTERS => self.counters.table(),
                id::TSF => self.now.as_micros().to_le_bytes().to_vec(),
                _ => self.mibs.read_or_zero(interface, mib),
            };
            confirm::read_mib(interface, status::SUCCESS, mib, &data)
        } else {
            self.violation(format!("READ_MIB of undefined {mib:#06x}"));
            confirm::read_mib(interface, status::INVALID_PARAMETER, mib, &[])
        };
        self.confirm(message, 1);
    }

    /// Ids are checked, lengths are not (file 50, section 3, item 8); a wrong length is still a violation.
    fn write_mib(&mut self, interface: u8, message: &[u8], now: Instant) -> u32 {
        let (mib, len) = (u16_at(message, 4), usize::from(u16_at(message, 6)));
        let data = message.get(8..).unwrap_or(&[]);
        if message.len() < 8 || data.len() != len {
            self.violation(format!(
                "WRITE_MIB {mib:#06x} says {len} bytes and has {}",
                data.len()
            ));
        }
        let data = &data[..len.min(data.len())];
        if !mib::is_defined(mib) {
            self.violation(format!("WRITE_MIB of undefined {mib:#06x}"));
            return status::INVALID_PARAMETER;
        }
        if !mib::has_right_size(mib, data) {
            self.violation(format!("WRITE_MIB {mib:#06x} of {} bytes", data.len()));
        }
        if mib == id::TX_POWER {
            let power = i32::from_le_bytes(u32_at(data, 0).to_le_bytes());
            if self.config.highest_power.is_some_and(|most| power > most) {
                return status::INVALID_PARAMETER;
            }
        }
        self.mibs.write(interface, mib, data);
        let state = &mut self.interfaces[usize::from(interface)];
        state.filters.write(mib, data);
        match mib {
            id::RATE_POLICY => {
                if let Err(index) = self.policies.upload(data) {
                    self.violation(format!("rate policy with index {index}"));
                }
            }
            id::BLOCK_ACK => {
                state.block_ack_tx = u8_at(data, 0);
                state.block_ack_rx = u8_at(data, 2);
                self.enforce_block_ack_policy(interface, now);
            }
            id::WEP_DEFAULT => self.keys.set_default_wep(interface, u32_at(data, 0)),
            id::RCPI_THRESHOLD => state.rcpi.write(data),
            id::MULTI_CONFIRM => state.multi_confirm = u32_at(data, 0) & 1 != 0,
            id::SHORT_GI => {
                // Sent on interface 0, meant for the radio.
                let on = u8_at(data, 0) != 0;
                for state in &mut self.interfaces {
                    state.short_gi = on;
                }
            }
            id::KEEP_ALIVE => {
                state.keep_alive = core::time::Duration::from_secs(u16_at(data, 0).into());
                state.last_sent = now;
            }
            id::INACTIVITY => {
                let unit = self.config.inactivity_unit;
                if let Role::AccessPoint(ap) = &mut state.role {
                    ap.set_inactivity(unit * u32::from(u8_at(data, 0)));
                }
            }
            id::TEMPLATE if u8_at(data, 0) & 0x7F > 7 => {
                self.violation("template of an unknown type");
            }
            _ => {}
        }
        status::SUCCESS
    }

    /// A null frame of this interface, from the template if there is one.
    pub(super) fn null_frame(&mut self, interface: u8, power_save: bool) -> Option<Vec<u8>> {
        let own = self.interface_address(interface);
        let bssid = self.interfaces[usize::from(interface)].joined()?.bssid;
        let sequence = self.next_sequence();
        let kinds = [mib::template::NULL, mib::template::QOS_NULL];
        let template = kinds
            .iter()
            .find_map(|kind| self.mibs.template(interface, *kind))
            .map(|template| template.frame.clone())
            .filter(|frame| {
                // A template of another association is of no use.
                Mpdu::new(frame)
                    .is_some_and(|mpdu| frame.len() >= 24 && mpdu.is_null() && mpdu.a1() == bssid)
            });
        let mut frame = template.unwrap_or_else(|| frame::null(bssid, own, sequence, power_save));
        frame[1] &= !frame::fc::POWER_MANAGEMENT;
        if power_save {
            frame[1] |= frame::fc::POWER_MANAGEMENT;
        }
        frame[22..24].copy_from_slice(&(sequence << 4).to_le_bytes());
        Some(frame)
    }
}
