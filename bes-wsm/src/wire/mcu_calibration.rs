//! Calibration values for the chip's flash or fuses: DRIVER_TO_MCU with sub-type 0 or 4.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 4 | 4 | sub-type |
//! | 8 | 4 | IQ offset |
//! | 12 | 2 | crystal trim |
//! | 14 | 3×2 | 2.4 GHz powers, channels 1, 7, 13 |
//! | 20 | 1 | trim flag |
//! | 21 | 1 | power type |
//! | 22 | 2 | temperature |
//! | 24 | 13×2 | 5 GHz powers, from channels 36-40 to 165-169 |
//! | 50 | 2 | 5 GHz flag |
//! | 52 | 4×4 | Bluetooth: BDR divider, BDR power, EDR divider, EDR power |
//! | 68 | 2 | temperature at 5 GHz |
//!
//! Source: file 20, section 14.3.

use super::mcu::McuConfirm;
use super::prelude::*;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Wire {
    header: RawHeader,
    sub_type: U32,
    iq_offset: U32,
    crystal_trim: U16,
    power_2g4: [U16; 3],
    trim_flag: u8,
    power_type: u8,
    temperature: U16,
    power_5g: [U16; 13],
    flag_5g: U16,
    bt_power: [U32; 4],
    temperature_5g: U16,
}

const_assert_eq!(size_of::<Wire>(), 70);
const_assert_eq!(offset_of!(Wire, power_2g4), 14);
const_assert_eq!(offset_of!(Wire, temperature), 22);
const_assert_eq!(offset_of!(Wire, flag_5g), 50);
const_assert_eq!(offset_of!(Wire, temperature_5g), 68);

closed_enum! {
    /// Where calibration values are kept.
    pub enum CalibrationStore: u32 {
        /// Flash.
        Flash = 0 => "flash",
        /// Fuses, which can be written once.
        Efuse = 4 => "efuse",
    }
}

/// Keeps calibration values in the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaveCalibration {
    /// Where.
    pub store: CalibrationStore,
    /// IQ offset.
    pub iq_offset: u32,
    /// Trim of the crystal.
    pub crystal_trim: u16,
    /// Powers on channels 1, 7 and 13.
    pub power_2g4: [u16; 3],
    /// Whether the trim counts.
    pub trim_flag: u8,
    /// Type of the powers.
    pub power_type: u8,
    /// Temperature at the calibration.
    pub temperature: u16,
    /// Powers on pairs of channels, from 36-40 to 165-169.
    pub power_5g: [u16; 13],
    /// Whether the powers at 5 GHz count.
    pub flag_5g: u16,
    /// Powers of Bluetooth: BDR divider, BDR power, EDR divider, EDR power.
    pub bt_power: [u32; 4],
    /// Temperature at the calibration of 5 GHz.
    pub temperature_5g: u16,
}

impl SaveCalibration {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`]; [`WireError::Value`] for another sub-type.
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<Wire>(message, Self::ID)?;
        Ok(Self {
            store: CalibrationStore::from_raw(wire.sub_type.get())?,
            iq_offset: wire.iq_offset.get(),
            crystal_trim: wire.crystal_trim.get(),
            power_2g4: wire.power_2g4.map(U16::get),
            trim_flag: wire.trim_flag,
            power_type: wire.power_type,
            temperature: wire.temperature.get(),
            power_5g: wire.power_5g.map(U16::get),
            flag_5g: wire.flag_5g.get(),
            bt_power: wire.bt_power.map(U32::get),
            temperature_5g: wire.temperature_5g.get(),
        })
    }
}

impl Request for SaveCalibration {
    const ID: MessageId = MessageId::DRIVER_TO_MCU;
    type Confirm<'a> = McuConfirm<'a>;

    /// Writes the message; the interface is always 0, whatever is said.
    fn emit(&self, _interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = Wire {
            header: RawHeader::BLANK,
            sub_type: U32::new(self.store.raw()),
            iq_offset: U32::new(self.iq_offset),
            crystal_trim: U16::new(self.crystal_trim),
            power_2g4: self.power_2g4.map(U16::new),
            trim_flag: self.trim_flag,
            power_type: self.power_type,
            temperature: U16::new(self.temperature),
            power_5g: self.power_5g.map(U16::new),
            flag_5g: U16::new(self.flag_5g),
            bt_power: self.bt_power.map(U32::new),
            temperature_5g: U16::new(self.temperature_5g),
        };
        emit(Self::ID, InterfaceId::Zero, &wire, &[], out)
    }
}

impl fmt::Display for SaveCalibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MCU command: save calibration to {}", self.store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, message, round_trips};

    #[test]
    fn it_is_read_and_written() {
        let mut bytes = vec![70, 0, 0x27, 0x0c, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0];
        bytes.extend_from_slice(&[3, 0, 4, 0, 5, 0, 6, 7, 8, 0]);
        for power in 20..33 {
            bytes.extend_from_slice(&[power, 1]);
        }
        bytes.extend_from_slice(&[9, 0]);
        bytes.extend_from_slice(&[1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 10, 0]);
        let mut power_5g = [0; 13];
        for (power, value) in power_5g.iter_mut().zip(256 + 20..) {
            *power = value;
        }
        both_ways!(
            SaveCalibration,
            70,
            bytes.clone(),
            SaveCalibration {
                store: CalibrationStore::Efuse,
                iq_offset: 1,
                crystal_trim: 2,
                power_2g4: [3, 4, 5],
                trim_flag: 6,
                power_type: 7,
                temperature: 8,
                power_5g,
                flag_5g: 9,
                bt_power: [1, 2, 3, 4],
                temperature_5g: 10,
            }
        );
    }

    #[test]
    fn another_sub_type_is_no_calibration() {
        let bytes = message(MessageId::DRIVER_TO_MCU, &[3; 66]);
        assert_eq!(SaveCalibration::parse(&bytes), Err(WireError::Value));
    }

    round_trips!(SaveCalibration, SaveCalibration::ID);
}
