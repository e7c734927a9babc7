//! Time slots of Wi-Fi and Bluetooth.
//!
//! EPTA: u32 WLAN time in µs, u32 Bluetooth time in µs, u32 mode. Always sent on interface 0.
//!
//! Source: file 20, section 14.1.

use super::prelude::*;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Wire {
    header: RawHeader,
    wlan: U32,
    bt: U32,
    mode: U32,
}

const_assert_eq!(size_of::<Wire>(), 16);

/// Who decides whose turn it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Arbitration {
    /// Time slots made by software.
    #[default]
    Slots,
    /// The hardware.
    Hardware,
    /// A code that the specification does not define: 2.
    Reserved,
    /// Connected.
    Connected,
}

impl Arbitration {
    const fn from_bits(bits: u32) -> Self {
        match bits & 3 {
            0 => Self::Slots,
            1 => Self::Hardware,
            2 => Self::Reserved,
            _ => Self::Connected,
        }
    }

    const fn into_bits(self) -> u32 {
        match self {
            Self::Slots => 0,
            Self::Hardware => 1,
            Self::Reserved => 2,
            Self::Connected => 3,
        }
    }
}

/// Mode of coexistence.
#[bitfield(u32)]
#[derive(PartialEq, Eq, Hash)]
pub struct EptaMode {
    /// Who decides.
    #[bits(2)]
    pub arbitration: Arbitration,
    /// A connection is being made.
    pub connecting: bool,
    /// Not defined.
    #[bits(4)]
    __: u8,
    /// Protection.
    pub protection: bool,
    /// Not defined.
    #[bits(2)]
    __: u8,
    /// Wi-Fi and Bluetooth use different bands.
    pub frequency_division: bool,
    /// Not defined.
    #[bits(21)]
    __: u32,
}

/// Shares time between Wi-Fi and Bluetooth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epta {
    /// Time of Wi-Fi in µs.
    pub wlan_us: u32,
    /// Time of Bluetooth in µs.
    pub bt_us: u32,
    /// Mode.
    pub mode: EptaMode,
}

impl Epta {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<Wire>(message, Self::ID)?;
        Ok(Self {
            wlan_us: wire.wlan.get(),
            bt_us: wire.bt.get(),
            mode: EptaMode::from_bits(wire.mode.get()),
        })
    }
}

impl Request for Epta {
    const ID: MessageId = MessageId::EPTA;
    type Confirm<'a> = GenericConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = Wire {
            header: RawHeader::BLANK,
            wlan: U32::new(self.wlan_us),
            bt: U32::new(self.bt_us),
            mode: U32::new(self.mode.into_bits()),
        };
        emit(Self::ID, interface, &wire, &[], out)
    }
}

impl fmt::Display for Epta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "EPTA: WLAN {} us, Bluetooth {} us, mode {:#x}",
            self.wlan_us,
            self.bt_us,
            self.mode.into_bits()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, round_trips};

    #[test]
    fn it_is_read_and_written() {
        both_ways!(
            Epta,
            16,
            [0x10, 0x00, 0x29, 0x00, 0x20, 0x4e, 0, 0, 0x80, 0x38, 1, 0, 3, 4, 0, 0],
            Epta {
                wlan_us: 20_000,
                bt_us: 80_000,
                mode: EptaMode::new()
                    .with_arbitration(Arbitration::Connected)
                    .with_frequency_division(true),
            }
        );
        assert_eq!(EptaMode::new().with_connecting(true).into_bits(), 4);
        assert_eq!(EptaMode::new().with_protection(true).into_bits(), 0x80);
    }

    round_trips!(Epta, Epta::ID);
}
