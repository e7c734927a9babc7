// SPDX-License-Identifier: GPL-2.0-only

//! A trivial SDIO card: CCCR, FBR, CIS, and one function that is a buffer.
//!
//! Written from the SDIO simplified specification 3.00, chapters 6 and 16.

use vsdio_device::abi::DATA_SIZE;
use vsdio_device::{Answer, Bus, Command, Direction, Status};

/// Manufacturer in the CIS.
pub(crate) const VENDOR: u16 = 0xBE5A;
/// Device in the CIS.
pub(crate) const DEVICE: u16 = 0x51F0;

/// A CMD52 that writes to this address of function 1 sets the interrupt: to the byte's being other than 0.
const INTERRUPT: u32 = 0xFFFF;
/// Bytes of the function's buffer. Addresses beyond wrap.
const BUFFER: usize = 64 * 1024;
/// CIS of the card.
const COMMON_CIS: usize = 0x1000;
/// CIS of function 1.
const FUNCTION_CIS: usize = 0x1100;
/// Relative address that the card gives itself.
const RCA: u32 = 1;
/// R5: the bus is in state CMD.
const R5_STATE: u32 = 1 << 12;
/// R5: there is no such function.
const R5_FUNCTION_NUMBER: u32 = 1 << 9;
/// R5: out of range.
const R5_OUT_OF_RANGE: u32 = 1 << 8;
/// R4: ready, one function, 3.2 to 3.4 V.
const R4: u32 = 1 << 31 | 1 << 28 | 0x30_0000;

/// The state of a card.
pub(crate) struct Card {
    registers: Vec<u8>,
    buffer: Vec<u8>,
    power_losses: u32,
    /// Commands answered.
    pub(crate) commands: u32,
}

impl Card {
    /// A card after power-up.
    pub(crate) fn new() -> Self {
        let mut card = Self {
            registers: Vec::new(),
            buffer: vec![0; BUFFER],
            power_losses: 0,
            commands: 0,
        };
        card.reset();
        card
    }

    fn reset(&mut self) {
        let mut registers = vec![0; 0x2000];
        let mut put = |at: usize, bytes: &[u8]| {
            if let Some(place) = registers.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        };
        put(0x00, &[0x32, 0x02]); // CCCR 1.20, SDIO 2.00; SD 2.00
        put(0x08, &[0x02]); // multiple blocks
        put(0x09, &pointer(COMMON_CIS));
        put(0x13, &[0x01]); // high speed
        put(0x109, &pointer(FUNCTION_CIS));
        let [vendor, vendor_high] = VENDOR.to_le_bytes();
        let [device, device_high] = DEVICE.to_le_bytes();
        put(
            COMMON_CIS,
            &[
                0x20,
                4,
                vendor,
                vendor_high,
                device,
                device_high, // CISTPL_MANFID
                0x22,
                4,
                0,
                0x00,
                0x02,
                0x5A, // CISTPL_FUNCE: blocks of 512, 50 MHz
                0xFF, // CISTPL_END
            ],
        );
        let mut function = vec![0x22, 42, 1]; // CISTPL_FUNCE of a function
        function.resize(2 + 42, 0);
        if let Some(size) = function.get_mut(2 + 12..2 + 14) {
            size.copy_from_slice(&512_u16.to_le_bytes());
        }
        if let Some(timeout) = function.get_mut(2 + 28..2 + 30) {
            timeout.copy_from_slice(&100_u16.to_le_bytes());
        }
        function.push(0xFF);
        put(FUNCTION_CIS, &function);
        self.registers = registers;
    }

    /// The bus changed.
    pub(crate) fn handle_bus(&mut self, bus: &Bus) {
        if bus.power_losses != self.power_losses {
            self.power_losses = bus.power_losses;
            self.reset();
        }
    }

    /// Answers a command, in the data area as well.
    pub(crate) fn handle_command(&mut self, command: &Command, data: &mut [u8]) -> Answer {
        self.commands += 1;
        let status = match command.opcode {
            0 => Status::Ok(0),
            3 => Status::Ok(RCA << 16),
            5 => Status::Ok(R4),
            7 => Status::Ok(0x1E00),
            52 => self.direct(command.argument),
            53 => self.extended(command, data),
            _ => Status::CommandTimeout,
        };
        let answer = Answer::new(command, status);
        let to_interrupt = 1 << 31 | 1 << 28 | INTERRUPT << 9;
        if command.opcode == 52 && command.argument & 0xF7FF_FE00 == to_interrupt {
            return answer.with_interrupt(command.argument & 0xFF != 0);
        }
        answer
    }

    fn direct(&mut self, argument: u32) -> Status {
        let address = (argument >> 9 & 0x1_FFFF) as usize;
        let function = argument >> 28 & 7;
        let byte = match function {
            0 => self.registers.get_mut(address),
            1 => self.buffer.get_mut(address % BUFFER),
            _ => return Status::Ok(R5_STATE | R5_FUNCTION_NUMBER),
        };
        let Some(byte) = byte else {
            return Status::Ok(R5_STATE | R5_OUT_OF_RANGE);
        };
        if argument >> 31 == 1 {
            let new = (argument & 0xFF) as u8;
            match (function, address) {
                (0, 0x06) if new & 8 != 0 => {
                    self.reset();
                    return Status::Ok(R5_STATE);
                }
                (0, 0x00..=0x01 | 0x03 | 0x05 | 0x08..=0x0F) => {}
                (0, 0x13) => *byte = new & 2 | 1,
                _ => *byte = new,
            }
        }
        let value = u32::from(*byte);
        if function == 0 && address == 0x02 {
            // Ready at once.
            let enabled = *byte;
            if let Some(ready) = self.registers.get_mut(0x03) {
                *ready = enabled;
            }
        }
        Status::Ok(R5_STATE | value)
    }

    fn extended(&mut self, command: &Command, data: &mut [u8]) -> Status {
        if command.argument >> 28 & 7 != 1 {
            return Status::Ok(R5_STATE | R5_FUNCTION_NUMBER);
        }
        let start = (command.argument >> 9 & 0x1_FFFF) as usize;
        let length = command.length().min(DATA_SIZE);
        for (offset, byte) in data.iter_mut().take(length).enumerate() {
            let Some(cell) = self.buffer.get_mut((start + offset) % BUFFER) else {
                continue;
            };
            match command.direction {
                Some(Direction::Read) => *byte = *cell,
                Some(Direction::Write) => *cell = *byte,
                None => {}
            }
        }
        Status::Ok(R5_STATE)
    }
}

/// A CIS pointer: 24 bits, lowest byte first.
fn pointer(address: usize) -> [u8; 3] {
    let [low, middle, high, ..] = address.to_le_bytes();
    [low, middle, high]
}
