//! Powers: of the transmitter and of the device.
//!
//! * 0x0006 TX power: i32 in 0.1 dBm.
//! * 0x1006 operational power mode: u32, bits 0-3 mode, bit 4 ignore the "more" flag, bit 5 antenna diversity.
//! * 0x1044 TX/RX optimisation: u8 RTS retry limit, u8 protection bits, u16 RTS duration.
//! * 0x1045 power table: u8.
//!
//! Source: file 21, sections 2.4, 2.12, 2.36 and 2.37.

use super::prelude::*;

/// Transmit power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxPower(pub DeciDbm);

impl TxPower {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (word, _) = prefix::<U32>(data)?;
        Ok(Self(DeciDbm::from_bits(word.get())))
    }
}

impl Mib for TxPower {
    const ID: MibId = MibId::TX_POWER;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        emit_data(&U32::new(self.0.into_bits()), out)
    }
}

impl fmt::Display for TxPower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How awake the device is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DevicePowerMode {
    /// Awake.
    #[default]
    Active,
    /// Dozing.
    Doze,
    /// Asleep as far as possible.
    Quiescent,
    /// A code that the specification does not define: 3 to 15.
    Unknown(u8),
}

impl DevicePowerMode {
    const fn from_bits(bits: u8) -> Self {
        match bits & 0xF {
            0 => Self::Active,
            1 => Self::Doze,
            2 => Self::Quiescent,
            other => Self::Unknown(other),
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::Active => 0,
            Self::Doze => 1,
            Self::Quiescent => 2,
            Self::Unknown(other) => other & 0xF,
        }
    }
}

/// Power mode of the device.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct OperationalPowerMode {
    /// Mode.
    #[bits(4)]
    pub mode: DevicePowerMode,
    /// Ignore the "more" flag of frames: always set.
    pub ignore_more: bool,
    /// Antenna diversity.
    pub antenna_diversity: bool,
    /// Not defined.
    #[bits(26)]
    __: u32,
}

impl OperationalPowerMode {
    /// Leaves low power: 0x10.
    pub const ACTIVE: Self = Self::new().with_ignore_more(true);
    /// Enters low power: 0x12.
    pub const QUIESCENT: Self = Self::ACTIVE.with_mode(DevicePowerMode::Quiescent);

    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (word, _) = prefix::<U32>(data)?;
        Ok(Self::from_bits(word.get()))
    }
}

impl Mib for OperationalPowerMode {
    const ID: MibId = MibId::OPERATIONAL_POWER_MODE;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        emit_data(&U32::new(self.into_bits()), out)
    }
}

impl fmt::Display for OperationalPowerMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mode() {
            DevicePowerMode::Active => f.write_str("active"),
            DevicePowerMode::Doze => f.write_str("doze"),
            DevicePowerMode::Quiescent => f.write_str("quiescent"),
            DevicePowerMode::Unknown(other) => write!(f, "unknown({other})"),
        }
    }
}

/// Which transmissions are protected.
#[bitfield(u8)]
#[derive(PartialEq, Eq)]
pub struct ProtectionBits {
    /// RTS/CTS on first transmissions.
    pub rts_first: bool,
    /// CTS on all.
    pub cts_all: bool,
    /// RTS/CTS on retransmissions.
    pub rts_retry: bool,
    /// Not defined.
    #[bits(5)]
    __: u8,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct OptimisationWire {
    rts_retry_limit: u8,
    protection: u8,
    rts_duration: U16,
}

const_assert_eq!(size_of::<OptimisationWire>(), 4);

/// Retries and protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxRxOptimisation {
    /// How often an RTS is sent.
    pub rts_retry_limit: u8,
    /// What is protected.
    pub protection: ProtectionBits,
    /// Duration of an RTS, unit unknown.
    pub rts_duration: u16,
}

impl TxRxOptimisation {
    /// While associated: 02 05 B8 0B.
    pub const ASSOCIATED: Self = Self {
        rts_retry_limit: 2,
        protection: ProtectionBits::new()
            .with_rts_first(true)
            .with_rts_retry(true),
        rts_duration: 3000,
    };
    /// Otherwise: 01 00 D2 07.
    pub const IDLE: Self = Self {
        rts_retry_limit: 1,
        protection: ProtectionBits::new(),
        rts_duration: 2002,
    };

    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = prefix::<OptimisationWire>(data)?;
        Ok(Self {
            rts_retry_limit: wire.rts_retry_limit,
            protection: ProtectionBits::from_bits(wire.protection),
            rts_duration: wire.rts_duration.get(),
        })
    }
}

impl Mib for TxRxOptimisation {
    const ID: MibId = MibId::TX_RX_OPTIMISATION;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = OptimisationWire {
            rts_retry_limit: self.rts_retry_limit,
            protection: self.protection.into_bits(),
            rts_duration: U16::new(self.rts_duration),
        };
        emit_data(&wire, out)
    }
}

impl fmt::Display for TxRxOptimisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} RTS retries, protection {:#x}, RTS duration {}",
            self.rts_retry_limit,
            self.protection.into_bits(),
            self.rts_duration
        )
    }
}

open_enum! {
    /// Which table of transmit powers is used.
    pub enum PowerTable: u8 {
        /// The normal one.
        Standard = 1 => "standard",
        /// More power for weak links.
        High = 2 => "high power",
    }
}

impl PowerTable {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (byte, _) = prefix::<u8>(data)?;
        Ok(Self::from_raw(*byte))
    }
}

impl Mib for PowerTable {
    const ID: MibId = MibId::POWER_TABLE;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        emit_data(&self.raw(), out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::both_ways;
    use crate::wire::mib::check::{data_both_ways, data_round_trips};
    use crate::wire::mib::{WriteMib, WriteMibRequest};
    use crate::wire::{InterfaceId, Request};

    #[test]
    fn tx_power_is_signed() {
        data_both_ways!(TxPower, 4, [200, 0, 0, 0], TxPower(DeciDbm(200)));
        data_both_ways!(TxPower, 4, [0xfb, 0xff, 0xff, 0xff], TxPower(DeciDbm(-5)));
    }

    #[test]
    fn the_captured_power_mode_is_read_and_written() {
        data_both_ways!(
            OperationalPowerMode,
            4,
            [0x10, 0, 0, 0],
            OperationalPowerMode::ACTIVE
        );
        data_both_ways!(
            OperationalPowerMode,
            4,
            [0x12, 0, 0, 0],
            OperationalPowerMode::QUIESCENT
        );
        let capture = [
            0x0c, 0x00, 0x06, 0x80, 0x06, 0x10, 0x04, 0x00, 0x10, 0, 0, 0,
        ];
        both_ways!(
            WriteMibRequest<'_>,
            8,
            capture,
            WriteMibRequest {
                id: MibId::OPERATIONAL_POWER_MODE,
                data: &[0x10, 0, 0, 0],
            }
        );
        let mut out = [0; 12];
        let write = WriteMib(&OperationalPowerMode::ACTIVE);
        assert_eq!(write.emit(InterfaceId::Zero, &mut out), Ok(12));
        assert_eq!(out[4..], capture[4..]);
        assert_eq!(
            write.to_string(),
            "write MIB operational power mode: active"
        );
    }

    #[test]
    fn optimisation_is_read_and_written() {
        data_both_ways!(
            TxRxOptimisation,
            4,
            [2, 5, 0xb8, 0x0b],
            TxRxOptimisation::ASSOCIATED
        );
        data_both_ways!(
            TxRxOptimisation,
            4,
            [1, 0, 0xd2, 0x07],
            TxRxOptimisation::IDLE
        );
    }

    #[test]
    fn the_power_table_is_one_byte() {
        data_both_ways!(PowerTable, 1, [2], PowerTable::High);
    }

    data_round_trips!(random_power_modes_are_no_danger, OperationalPowerMode);
    data_round_trips!(random_optimisations_are_no_danger, TxRxOptimisation);
}
