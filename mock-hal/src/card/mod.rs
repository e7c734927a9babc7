//! The card: identification, CCCR, FBR, CIS, and what is enabled.
//!
//! These are the registers of function 0, as in the SDIO specification, section 6. Function 1 is the
//! [chip](crate::chip).

pub mod cis;
mod command;

pub(crate) use command::{Command52, Command53};
pub use command::{Silence, R5};

use bes_hal::time::Instant;
use std::time::Duration;

/// Registers of function 0 that hosts use by name.
pub mod cccr {
    /// I/O enable, one bit per function.
    pub const IO_ENABLE: u32 = 0x02;
    /// I/O ready, one bit per function.
    pub const IO_READY: u32 = 0x03;
    /// Interrupt enable: bit 0 master, then one bit per function.
    pub const INTERRUPT_ENABLE: u32 = 0x04;
    /// Interrupt pending, one bit per function.
    pub const INTERRUPT_PENDING: u32 = 0x05;
    /// I/O abort: bits 2..0 function, bit 3 reset of all functions.
    pub const ABORT: u32 = 0x06;
    /// Bus interface control: bits 1..0 are the bus width.
    pub const BUS_INTERFACE: u32 = 0x07;
    /// Card capability: bit 1 is SMB, multi-block transfers.
    pub const CAPABILITY: u32 = 0x08;
    /// Pointer to the common CIS, three bytes.
    pub const CIS_POINTER: u32 = 0x09;
    /// Block size of function 0, two bytes.
    pub const BLOCK_SIZE: u32 = 0x10;
    /// High speed: bit 0 supported, bit 1 enabled.
    pub const HIGH_SPEED: u32 = 0x13;
    /// FBR of function 1: pointer to its CIS, three bytes.
    pub const FUNCTION_CIS_POINTER: u32 = 0x109;
    /// FBR of function 1: block size, two bytes.
    pub const FUNCTION_BLOCK_SIZE: u32 = 0x110;
}

/// CCCR 1.20 and SDIO 2.00.
const REVISION: u8 = 0x32;
/// SD physical layer 2.00.
const SD_REVISION: u8 = 0x02;
/// CMD52 during data (SDC), multi-block (SMB), interrupts between blocks (S4MI).
const CAPABILITY: u8 = 0x13;
/// Bit of function 1 in the enable, ready and interrupt registers.
const FUNCTION: u8 = 1 << 1;
const MASTER: u8 = 1;
/// The voltages the card takes, as in the response to CMD5.
const OCR: u32 = 0x00FF_8000;
const RCA: u32 = 1;

/// How far the host has got with the card (SDIO specification, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identification {
    Initialization,
    Standby,
    Command,
}

/// What a write to function 0 did besides changing a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    None,
    /// Function 1 was enabled.
    Enabled,
    /// Function 1 was disabled, alone or by a reset of all functions.
    Disabled,
    /// The transfer of function 1 is to be given up.
    Aborted,
}

/// Function 0.
#[derive(Clone, Debug)]
pub(crate) struct Registers {
    identification: Identification,
    enabled: bool,
    ready_at: Instant,
    interrupt_enable: u8,
    bus_interface: u8,
    capability: u8,
    high_speed: u8,
    block_size: [[u8; 2]; 2],
    common_cis: Vec<u8>,
    function_cis: Vec<u8>,
}

impl Registers {
    /// A card that has just got power.
    pub(crate) fn new() -> Self {
        Self {
            identification: Identification::Initialization,
            enabled: false,
            ready_at: Instant::NEVER,
            interrupt_enable: 0,
            bus_interface: 0,
            capability: CAPABILITY,
            high_speed: 1,
            block_size: [[0; 2]; 2],
            common_cis: cis::common(),
            function_cis: cis::function(),
        }
    }

    /// Does what the platform's bus core does before a driver sees the card: select it, 4 bit, high speed.
    pub(crate) fn identify(&mut self) {
        self.identification = Identification::Command;
        self.bus_interface = 2;
        self.high_speed = 3;
    }

    pub(crate) fn is_selected(&self) -> bool {
        self.identification == Identification::Command
    }

    /// CMD0, CMD3, CMD5 and CMD7: identification and selection.
    pub(crate) fn command(&mut self, index: u8, argument: u32) -> Result<u32, Silence> {
        match index {
            // An SDIO card takes no notice of CMD0; its functions are reset through the CCCR.
            0 => Ok(0),
            5 => {
                let ready = u32::from(argument & OCR != 0) << 31;
                Ok(ready | 1 << 28 | OCR)
            }
            3 => {
                self.identification = Identification::Standby;
                Ok(RCA << 16)
            }
            7 if self.identification == Identification::Initialization => Err(Silence::NoResponse),
            7 if argument >> 16 == RCA => {
                self.identification = Identification::Command;
                Ok(0)
            }
            7 => {
                self.identification = Identification::Standby;
                Err(Silence::NoResponse)
            }
            _ => Err(Silence::NoResponse),
        }
    }

    /// Whether function 1 takes commands.
    pub(crate) fn is_ready(&self, now: Instant) -> bool {
        self.enabled && self.ready_at.is_due(now)
    }

    /// When the function becomes ready, if it is on the way.
    pub(crate) fn ready_at(&self) -> Option<Instant> {
        self.enabled.then_some(self.ready_at)
    }

    /// Whether an interrupt of function 1 reaches the host.
    pub(crate) fn interrupt_passes(&self) -> bool {
        self.enabled && self.interrupt_enable & (FUNCTION | MASTER) == FUNCTION | MASTER
    }

    pub(crate) fn read(&self, address: u32, pending: bool, now: Instant) -> u8 {
        let [_, cis1, cis2, _] = cis::COMMON_POINTER.to_be_bytes();
        let [_, fn1, fn2, _] = cis::FUNCTION_POINTER.to_be_bytes();
        match address {
            0x00 => REVISION,
            0x01 => SD_REVISION,
            cccr::IO_ENABLE => u8::from(self.enabled) << 1,
            cccr::IO_READY => u8::from(self.is_ready(now)) << 1,
            cccr::INTERRUPT_ENABLE => self.interrupt_enable,
            cccr::INTERRUPT_PENDING => u8::from(pending && self.enabled) << 1,
            cccr::BUS_INTERFACE => self.bus_interface,
            cccr::CAPABILITY => self.capability,
            // Pointers to a CIS are 24 bits, lowest byte first.
            0x09 => cis::COMMON_POINTER as u8,
            0x0A => cis2,
            0x0B => cis1,
            0x10 | 0x11 => self.block_size[0][(address & 1) as usize],
            cccr::HIGH_SPEED => self.high_speed,
            0x109 => cis::FUNCTION_POINTER as u8,
            0x10A => fn2,
            0x10B => fn1,
            0x110 | 0x111 => self.block_size[1][(address & 1) as usize],
            _ => {
                let from = |start: u32, bytes: &[u8]| {
                    let offset = address.checked_sub(start)?;
                    bytes.get(offset as usize).copied()
                };
                from(cis::FUNCTION_POINTER, &self.function_cis)
                    .or_else(|| from(cis::COMMON_POINTER, &self.common_cis))
                    .unwrap_or(0)
            }
        }
    }

    /// `settle`: how long function 1 needs to become ready.
    pub(crate) fn write(
        &mut self,
        address: u32,
        value: u8,
        now: Instant,
        settle: Duration,
    ) -> Effect {
        match address {
            cccr::IO_ENABLE => {
                let enabled = value & FUNCTION != 0;
                match (self.enabled, enabled) {
                    (false, true) => {
                        self.enabled = true;
                        self.ready_at = now.after(settle);
                        return Effect::Enabled;
                    }
                    (true, false) => {
                        self.enabled = false;
                        return Effect::Disabled;
                    }
                    _ => {}
                }
            }
            cccr::INTERRUPT_ENABLE => self.interrupt_enable = value & (FUNCTION | MASTER),
            cccr::ABORT if value & 8 != 0 => {
                let was = self.enabled;
                let identification = self.identification;
                *self = Self::new();
                // A reset of the functions leaves the card selected.
                self.identification = identification;
                if was {
                    return Effect::Disabled;
                }
            }
            cccr::ABORT if value & 7 == 1 => return Effect::Aborted,
            cccr::BUS_INTERFACE => self.bus_interface = value,
            // Bit 5 enables interrupts between blocks; the rest says what the card can do.
            cccr::CAPABILITY => self.capability = CAPABILITY | value & 0x20,
            0x10 | 0x11 => self.block_size[0][(address & 1) as usize] = value,
            cccr::HIGH_SPEED => self.high_speed = 1 | value & 2,
            0x110 | 0x111 => self.block_size[1][(address & 1) as usize] = value,
            _ => {}
        }
        Effect::None
    }

    /// Block size of function 1 in bytes, as the host set it.
    pub(crate) fn block_size(&self) -> u16 {
        u16::from_le_bytes(self.block_size[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(card: &mut Registers, address: u32, value: u8) -> Effect {
        card.write(address, value, Instant::ZERO, Duration::from_millis(1))
    }

    fn read(card: &Registers, address: u32) -> u8 {
        card.read(address, false, Instant::ZERO)
    }

    #[test]
    fn the_card_does_multi_block_transfers() {
        assert_eq!(read(&Registers::new(), cccr::CAPABILITY) & 2, 2);
    }

    #[test]
    fn a_function_becomes_ready_some_time_after_it_was_enabled() {
        let mut card = Registers::new();
        assert_eq!(write(&mut card, cccr::IO_ENABLE, 2), Effect::Enabled);
        assert_eq!(write(&mut card, cccr::IO_ENABLE, 2), Effect::None);
        assert_eq!(read(&card, cccr::IO_READY), 0);
        assert_eq!(card.read(cccr::IO_READY, false, Instant::from_millis(1)), 2);
        assert_eq!(write(&mut card, cccr::IO_ENABLE, 0), Effect::Disabled);
        assert_eq!(card.read(cccr::IO_READY, false, Instant::from_millis(1)), 0);
    }

    #[test]
    fn an_interrupt_needs_master_and_function_enable() {
        let mut card = Registers::new();
        write(&mut card, cccr::IO_ENABLE, 2);
        for (enable, passes) in [(0, false), (1, false), (2, false), (3, true)] {
            write(&mut card, cccr::INTERRUPT_ENABLE, enable);
            assert_eq!(card.interrupt_passes(), passes);
        }
        assert_eq!(card.read(cccr::INTERRUPT_PENDING, true, Instant::ZERO), 2);
    }

    #[test]
    fn pointers_lead_to_the_structures() {
        let card = Registers::new();
        for (pointer, cis) in [
            (cccr::CIS_POINTER, cis::common()),
            (cccr::FUNCTION_CIS_POINTER, cis::function()),
        ] {
            let start = u32::from_le_bytes([
                read(&card, pointer),
                read(&card, pointer + 1),
                read(&card, pointer + 2),
                0,
            ]);
            let bytes: Vec<u8> = (0..cis.len() as u32)
                .map(|offset| read(&card, start + offset))
                .collect();
            assert_eq!(bytes, cis);
        }
    }

    #[test]
    fn block_sizes_are_kept_per_function() {
        let mut card = Registers::new();
        write(&mut card, cccr::FUNCTION_BLOCK_SIZE + 1, 2);
        assert_eq!(card.block_size(), 512);
        assert_eq!(read(&card, cccr::BLOCK_SIZE + 1), 0);
    }

    #[test]
    fn a_card_is_identified_as_every_sdio_card_is() {
        let mut card = Registers::new();
        assert!(!card.is_selected());
        assert_eq!(card.command(7, 1 << 16), Err(Silence::NoResponse));
        assert_eq!(card.command(5, 0), Ok(0x10FF_8000));
        assert_eq!(card.command(5, 0x0020_0000), Ok(0x90FF_8000));
        assert_eq!(card.command(3, 0), Ok(0x0001_0000));
        assert_eq!(card.command(7, 1 << 16), Ok(0));
        assert!(card.is_selected());
    }

    #[test]
    fn a_reset_of_all_functions_disables_but_leaves_the_card_selected() {
        let mut card = Registers::new();
        card.identify();
        write(&mut card, cccr::IO_ENABLE, 2);
        assert_eq!(write(&mut card, cccr::ABORT, 8), Effect::Disabled);
        assert!(card.is_selected());
        assert_eq!(read(&card, cccr::IO_ENABLE), 0);
    }
}
