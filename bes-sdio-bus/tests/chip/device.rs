//! A device on the scripted chip, and how far the tests take it.

use super::Chip;
use bes_hal::firmware::{FirmwareFile, FirmwareSource};
use bes_hal::time::Instant;
use bes_hal::transport::{Progress, Transition, Transport};
use bes_hal::TransportError;
use bes_sdio_bus::{Config, SdioTransport};
use std::collections::HashMap;
use std::time::Duration;

pub const CALIBRATION_AT: u32 = 0x2001_0000;
pub const MAIN_AT: u32 = 0x2002_0000;

/// Files in memory.
#[derive(Default)]
pub struct Files(pub HashMap<FirmwareFile, Vec<u8>>);

impl FirmwareSource for Files {
    fn file(&self, file: FirmwareFile) -> Option<&[u8]> {
        self.0.get(&file).map(Vec::as_slice)
    }
}

/// An image of `len` bytes for `address`.
pub fn image(len: usize, address: u32) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..len).map(|i| (i * 7 + i / 251) as u8).collect();
    bytes[len - 4..].copy_from_slice(&address.to_le_bytes());
    bytes
}

pub const FACTORY_TEXT: &str = "##head\nmagic:0xba80\nversion:0x2\ncrc:0xb1cf339f\n##iq&xtal\niQ_offset:0x0\n\
    freq_cal:0xa0\nfreq_cal_flags:0x0\n##2.4g_power_11n\nch1:0x1400\nch7:0x1400\nch13:0x1400\ntx_power_type:0xff\n\
    temperature:0x0\n##5g_power_11n\nch36-40:0x1400\nch44-48:0x1400\nch52-56:0x1400\nch60-64:0x1400\n\
    ch100-104:0x1400\nch108-112:0x1400\nch116-120:0x1400\nch124-128:0x1400\nch132-136:0x1400\nch140-144:0x1400\n\
    ch149-153:0x1400\nch157-161:0x1400\nch165-169:0x1400\ntx_power_flags_5G:0x0\ntemperature_5G:0x0\n##bt\n\
    bdr_div:0x5\nbdr_power:0x10\nedr_div:0x5\nedr_power:0x15\n##select_efuse_flag\nselect_efuse:0\n%%\n";

pub fn files() -> Files {
    Files(HashMap::from([
        (FirmwareFile::Calibration, image(10000, CALIBRATION_AT)),
        (FirmwareFile::Main, image(30001, MAIN_AT)),
        (FirmwareFile::NoSignal, image(5000, MAIN_AT)),
        (FirmwareFile::BluetoothTest, image(6000, MAIN_AT)),
        (FirmwareFile::Factory, FACTORY_TEXT.as_bytes().to_vec()),
    ]))
}

pub type Device = SdioTransport<Chip, Files>;

pub fn device() -> Device {
    SdioTransport::new(Chip::new(), files(), Config::default())
}

/// Runs `transition` to its end, stepping time to each deadline unless the chip raises its interrupt.
pub fn run(device: &mut Device, transition: Transition) -> Result<(), TransportError> {
    let now = device.now();
    device.begin(transition, now)?;
    finish(device)
}

pub fn finish(device: &mut Device) -> Result<(), TransportError> {
    let mut early = 0;
    for _ in 0..100_000 {
        let now = device.now();
        match device.poll(now)? {
            Progress::Done => return Ok(()),
            Progress::Pending(until) => {
                assert_ne!(until, Instant::NEVER, "waits for ever");
                let chip = device.function_mut();
                early += 1;
                if chip.interrupt && early % 4 != 0 && until > chip.now {
                    // The interrupt makes the owner poll early.
                    chip.now = chip.now.after(Duration::from_micros(10)).min(until);
                } else {
                    chip.now = chip.now.max(until);
                }
            }
        }
    }
    panic!("transition does not end");
}

/// A device with its firmware running, nothing in the record.
pub fn booted() -> Device {
    let mut device = device();
    run(&mut device, Transition::Boot).unwrap();
    device.function_mut().log();
    device
}

/// A device with Wi-Fi on and the startup indication read, nothing in the record.
pub fn online() -> Device {
    let mut device = booted();
    run(&mut device, Transition::WifiOn).unwrap();
    assert!(matches!(
        device.receive(),
        Ok(bes_hal::transport::Reception::Burst(_))
    ));
    device.function_mut().log();
    device.function_mut().interrupt = false;
    device
}

/// A message of `len` bytes with this id.
pub fn message(len: u16, id: u16) -> Vec<u8> {
    let mut bytes = vec![0xC3; usize::from(len)];
    bytes[..2].copy_from_slice(&len.to_le_bytes());
    bytes[2..4].copy_from_slice(&id.to_le_bytes());
    bytes
}
