//! A host for the tests of bus and boot: it issues the commands of the specification by hand.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file uses a part of it"
)]

use bes_hal::error::SdioError;
use bes_hal::sdio::{Cmd53, Count, SdioFunction};
use mock_hal::chip::boot::image::{self, ImageKind};
use mock_hal::chip::{Firmware, ScriptedFirmware};
use mock_hal::{Card, Config, EmulatedSdio, Handle};
use std::time::Duration;

pub const LOAD: u32 = 0x2001_0000;

/// Bits of the status register: file 10, section 3.3.
pub const MCU_READY: u8 = 0x01;
pub const DPD_READY: u8 = 0x02;
pub const WIFI_READY: u8 = 0x04;
pub const BT_READY: u8 = 0x08;
pub const MCU_AWAKE: u8 = 0x10;
pub const BT_AWAKE: u8 = 0x20;

pub struct Host {
    pub sdio: EmulatedSdio,
    pub card: Handle,
    pub read_toggle: bool,
    pub write_toggle: bool,
}

impl Host {
    pub fn new(config: Config) -> Self {
        Self::with_firmware(config, Box::<ScriptedFirmware>::default())
    }

    pub fn with_firmware(config: Config, firmware: Box<dyn Firmware>) -> Self {
        let (sdio, card) = Card::insert(config, firmware);
        Self {
            sdio,
            card,
            read_toggle: false,
            write_toggle: false,
        }
    }

    /// Function enabled, wake line asserted.
    pub fn enabled(config: Config) -> Self {
        let mut host = Self::new(config);
        host.sdio.set_wake_line(true);
        host.sdio.enable().unwrap();
        host
    }

    /// Main firmware runs, calibrated.
    pub fn booted(config: Config) -> Self {
        let mut host = Self::enabled(config);
        host.boot();
        host
    }

    /// Wi-Fi is on, no startup indication is scripted.
    pub fn with_wifi() -> Self {
        let mut host = Self::booted(Config::default());
        host.ring(0x00, 0x21);
        host.wait_status(WIFI_READY, WIFI_READY);
        host
    }

    pub fn boot(&mut self) {
        self.download(&image::synthetic(ImageKind::Calibration, LOAD, 9_000), true);
        self.wait_status(DPD_READY, DPD_READY);
        assert_eq!(self.waiting_length(), 15_124);
        self.read_answer(15_124).unwrap();
        self.download(&image::synthetic(ImageKind::Main, LOAD, 20_000), true);
        self.wait_status(MCU_READY, MCU_READY);
    }

    pub fn wait(&mut self, duration: Duration) {
        let end = self.card.now().after(duration);
        self.card.advance_to(end);
    }

    pub fn read(&mut self, address: u32) -> u8 {
        self.sdio.read_register(address).unwrap()
    }

    pub fn ring(&mut self, high: u8, low: u8) {
        self.sdio.write_register(0x121, high).unwrap();
        self.sdio.write_register(0x120, low).unwrap();
    }

    /// Polls the status every millisecond, for a minute at most.
    pub fn wait_status(&mut self, mask: u8, value: u8) {
        for _ in 0..60_000 {
            if self.read(0x10C) & mask == value {
                return;
            }
            self.wait(Duration::from_millis(1));
        }
        panic!("status {:#04x}", self.read(0x10C));
    }

    /// 0x000 and 0x001 in the boot phase.
    pub fn waiting_length(&mut self) -> u16 {
        u16::from_le_bytes([self.read(0x000), self.read(0x001)])
    }

    /// Writes a download message as file 11, section 3, says.
    pub fn write_message(&mut self, message: &[u8]) -> Result<(), SdioError> {
        let mut padded = message.to_vec();
        let count = if message.len() <= 512 {
            padded.resize(512, 0);
            Count::Bytes(512)
        } else {
            padded.resize(message.len().next_multiple_of(512), 0);
            Count::Blocks((padded.len() / 512) as u16)
        };
        let address = message.len().max(512) as u32;
        self.sdio.write_data(Cmd53 { address, count }, &[&padded])
    }

    pub fn read_answer(&mut self, len: u16) -> Result<Vec<u8>, SdioError> {
        let count = if len <= 512 {
            Count::Bytes(len)
        } else {
            Count::Blocks(len.div_ceil(512))
        };
        let mut buffer = vec![0; count.bytes()];
        let command = Cmd53 {
            address: u32::from(len),
            count,
        };
        self.sdio.read_data(command, &mut buffer)?;
        buffer.truncate(usize::from(len));
        Ok(buffer)
    }

    /// Sends a message, waits for the interrupt, reads the answer.
    pub fn exchange(&mut self, message: &[u8]) -> Vec<u8> {
        self.write_message(message).unwrap();
        let limit = self.card.now().after(Duration::from_secs(1));
        if !self.card.interrupt_asserted() {
            assert!(self.card.advance_to_interrupt(limit), "no answer");
        }
        let len = self.waiting_length();
        self.read_answer(len).unwrap()
    }

    pub fn info(sequence: u8, len: u32, address: u32) -> Vec<u8> {
        let mut message = vec![0xB1, sequence, 8, 0];
        message.extend_from_slice(&len.to_le_bytes());
        message.extend_from_slice(&address.to_le_bytes());
        message
    }

    pub fn data(sequence: u8, address: u32, bytes: &[u8]) -> Vec<u8> {
        let [low, high] = (bytes.len() as u16 + 4).to_le_bytes();
        let mut message = vec![0xB2, sequence, low, high];
        message.extend_from_slice(&address.to_le_bytes());
        message.extend_from_slice(bytes);
        message
    }

    pub fn word(message_type: u8, sequence: u8, value: u32) -> Vec<u8> {
        let mut message = vec![message_type, sequence, 4, 0];
        message.extend_from_slice(&value.to_le_bytes());
        message
    }

    /// Sends bytes to an address with INFO, DATA and END; returns the next sequence number.
    pub fn send_block(&mut self, address: u32, bytes: &[u8]) -> u8 {
        let good = |answer: Vec<u8>, sequence: u8| {
            assert_eq!(answer, [0xB0, sequence, 4, 0, 0, 0, 0, 0]);
        };
        good(
            self.exchange(&Self::info(0, bytes.len() as u32, address)),
            0,
        );
        let mut sequence = 1_u8;
        let mut to = address;
        let max = usize::from(u16::from_le_bytes([self.read(0x109), self.read(0x10A)]));
        for piece in bytes.chunks(max - 8) {
            good(self.exchange(&Self::data(sequence, to, piece)), sequence);
            to += piece.len() as u32;
            sequence = sequence.wrapping_add(1);
        }
        let crc = crc32fast::hash(bytes);
        good(self.exchange(&Self::word(0xB3, sequence, crc)), sequence);
        sequence.wrapping_add(1)
    }

    /// Downloads an image file, and runs it.
    pub fn download(&mut self, file: &[u8], run: bool) {
        let (sent, _) = file.split_at(file.len() - 4);
        let sequence = self.send_block(LOAD, sent);
        if run {
            let answer = self.exchange(&Self::word(0xB4, sequence, LOAD));
            assert_eq!(answer, [0xB0, sequence, 4, 0, 0, 0, 0, 0]);
        }
    }

    /// Reads a burst of so many blocks with the next toggle.
    pub fn read_burst(&mut self, blocks: u16) -> Vec<u8> {
        let burst = self.read_with_toggle(blocks, self.read_toggle).unwrap();
        self.read_toggle = !self.read_toggle;
        burst
    }

    pub fn read_with_toggle(&mut self, blocks: u16, toggle: bool) -> Result<Vec<u8>, SdioError> {
        let count = if blocks == 1 {
            Count::Bytes(512)
        } else {
            Count::Blocks(blocks)
        };
        let mut buffer = vec![0; count.bytes()];
        let address = (u32::from(blocks) * 512) | (u32::from(toggle) << 16);
        self.sdio.read_data(Cmd53 { address, count }, &mut buffer)?;
        Ok(buffer)
    }

    /// Sends messages of at most 508 bytes in slots of 512, with the next toggle.
    pub fn send(&mut self, messages: &[&[u8]]) {
        self.send_with_toggle(messages, self.write_toggle).unwrap();
        self.write_toggle = !self.write_toggle;
    }

    pub fn send_with_toggle(&mut self, messages: &[&[u8]], toggle: bool) -> Result<(), SdioError> {
        let mut transfer = Vec::new();
        for message in messages {
            let end = transfer.len() + 512;
            transfer.extend_from_slice(message);
            transfer.resize(end, 0);
        }
        let address = transfer.len() as u32 | (u32::from(toggle) << 16);
        let count = Count::Blocks(messages.len() as u16);
        self.sdio.write_data(Cmd53 { address, count }, &[&transfer])
    }

    /// Lets the firmware do something.
    pub fn firmware<R>(&self, f: impl FnOnce(&mut ScriptedFirmware) -> R) -> R {
        self.card.with_firmware(f).unwrap()
    }

    /// A message of `len` bytes from the firmware, as soon as possible.
    pub fn chip_sends(&self, len: usize) {
        self.firmware(|firmware| firmware.send(len));
    }

    pub fn assert_well_behaved(&self) {
        assert_eq!(self.card.violations(), []);
    }
}

/// A message with a proper header.
pub fn message(len: u16, id: u16) -> Vec<u8> {
    let mut bytes = vec![0x42; usize::from(len)];
    bytes[..2].copy_from_slice(&len.to_le_bytes());
    bytes[2..4].copy_from_slice(&id.to_le_bytes());
    bytes
}
