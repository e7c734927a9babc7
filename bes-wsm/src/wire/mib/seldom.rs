//! Objects with a known layout that a normal driver does not use.
//!
//! * 0x101E WCDMA band: u8 band, 3 bytes 0.
//! * 0x101F group TX sequence counter: u32 bits 47 to 16, u16 bits 15 to 0, u16 reserved.
//! * 0x1022 GPIO command: u8 command, u8 pin (0xFF all), u16 configuration.
//! * 0x1033 forwarding offload: u8 enable, u8 flags, 2 bytes 0.
//!
//! Source: file 21, sections 2.31 and 3.3.

use super::prelude::*;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct BytesWire {
    first: u8,
    second: u8,
    reserved: [u8; 2],
}

const_assert_eq!(size_of::<BytesWire>(), 4);

/// Band of a cellular modem nearby.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WcdmaBand(pub u8);

impl WcdmaBand {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = prefix::<BytesWire>(data)?;
        Ok(Self(wire.first))
    }
}

impl Mib for WcdmaBand {
    const ID: MibId = MibId::WCDMA_BAND;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = BytesWire {
            first: self.0,
            second: 0,
            reserved: [0; 2],
        };
        emit_data(&wire, out)
    }
}

impl fmt::Display for WcdmaBand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "band {}", self.0)
    }
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct SequenceWire {
    high: U32,
    low: U16,
    reserved: U16,
}

const_assert_eq!(size_of::<SequenceWire>(), 8);

/// Packet number of the group key, 48 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTxSequenceCounter {
    /// Bits 47 to 16.
    pub high: u32,
    /// Bits 15 to 0.
    pub low: u16,
}

impl GroupTxSequenceCounter {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = prefix::<SequenceWire>(data)?;
        Ok(Self {
            high: wire.high.get(),
            low: wire.low.get(),
        })
    }
}

impl Mib for GroupTxSequenceCounter {
    const ID: MibId = MibId::GROUP_TX_SEQUENCE_COUNTER;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = SequenceWire {
            high: U32::new(self.high),
            low: U16::new(self.low),
            reserved: U16::ZERO,
        };
        emit_data(&wire, out)
    }
}

impl fmt::Display for GroupTxSequenceCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}{:04x}", self.high, self.low)
    }
}

open_enum! {
    /// What to do with a pin.
    pub enum GpioAction: u8 {
        /// Set it up.
        Setup = 0 => "set up",
        /// Read it.
        Read = 1 => "read",
        /// Write it.
        Write = 2 => "write",
        /// Put it back.
        Reset = 3 => "reset",
    }
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct GpioWire {
    action: u8,
    pin: u8,
    config: U16,
}

const_assert_eq!(size_of::<GpioWire>(), 4);

/// Does something with pins of the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpioCommand {
    /// What.
    pub action: GpioAction,
    /// With which pin; [`ALL_PINS`](Self::ALL_PINS) for all.
    pub pin: u8,
    /// How.
    pub config: u16,
}

impl GpioCommand {
    /// Every pin.
    pub const ALL_PINS: u8 = 0xFF;

    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = prefix::<GpioWire>(data)?;
        Ok(Self {
            action: GpioAction::from_raw(wire.action),
            pin: wire.pin,
            config: wire.config.get(),
        })
    }
}

impl Mib for GpioCommand {
    const ID: MibId = MibId::GPIO_COMMAND;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = GpioWire {
            action: self.action.raw(),
            pin: self.pin,
            config: U16::new(self.config),
        };
        emit_data(&wire, out)
    }
}

impl fmt::Display for GpioCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pin {}, {:#x}", self.action, self.pin, self.config)
    }
}

/// Multicast forwarding in the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardingOffload {
    /// It forwards.
    pub enable: bool,
    /// The host is suspended.
    pub suspended: bool,
}

impl ForwardingOffload {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = prefix::<BytesWire>(data)?;
        Ok(Self {
            enable: wire.first != 0,
            suspended: wire.second & 1 != 0,
        })
    }
}

impl Mib for ForwardingOffload {
    const ID: MibId = MibId::FORWARDING_OFFLOAD;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = BytesWire {
            first: u8::from(self.enable),
            second: u8::from(self.suspended),
            reserved: [0; 2],
        };
        emit_data(&wire, out)
    }
}

impl fmt::Display for ForwardingOffload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "enable {}, suspended {}", self.enable, self.suspended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mib::check::{data_both_ways, data_round_trips};

    #[test]
    fn they_are_read_and_written() {
        data_both_ways!(WcdmaBand, 4, [8, 0, 0, 0], WcdmaBand(8));
        data_both_ways!(
            GroupTxSequenceCounter,
            8,
            [4, 3, 2, 1, 6, 5, 0, 0],
            GroupTxSequenceCounter {
                high: 0x0102_0304,
                low: 0x0506
            }
        );
        data_both_ways!(
            GpioCommand,
            4,
            [2, 0xff, 1, 0],
            GpioCommand {
                action: GpioAction::Write,
                pin: GpioCommand::ALL_PINS,
                config: 1,
            }
        );
        data_both_ways!(
            ForwardingOffload,
            4,
            [1, 1, 0, 0],
            ForwardingOffload {
                enable: true,
                suspended: true
            }
        );
    }

    data_round_trips!(random_pins_are_no_danger, GpioCommand);
}
