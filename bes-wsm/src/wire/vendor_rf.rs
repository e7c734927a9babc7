//! Radio-frequency test commands of the vendor.
//!
//! Request: u32 type, u32 argument count, u32 text length, text with its NUL. The confirm is an MCU confirm whose
//! content says nothing; the result is an MCU indication with the type as its word and data behind.
//!
//! | type | data of the result, u16 each unless noted |
//! |---|---|
//! | 0, 1, 7 | text |
//! | 2, 4 | save type, value, status, flag |
//! | 3 | save type; if not 0: 3 powers at 2.4 GHz, 13 at 5 GHz, status |
//! | 5 | save type, mode, bandwidth, band, channel, power, status |
//! | 6 | save type, band, status |
//!
//! Source: file 20, section 14.4.

use super::mcu::{McuConfirm, McuIndication};
use super::prelude::*;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct CommandWire {
    header: RawHeader,
    kind: U32,
    arguments: U32,
    text_len: U32,
}

const_assert_eq!(size_of::<CommandWire>(), 16);

open_enum! {
    /// What is asked for.
    pub enum VendorRfKind: u32 {
        /// Command with signalling.
        Signalling = 0 => "signalling",
        /// Command without signalling.
        NoSignalling = 1 => "no signalling",
        /// Read the saved frequency offset.
        ReadFrequency = 2 => "read frequency offset",
        /// Read the saved powers.
        ReadPowers = 3 => "read powers",
        /// Save the frequency offset.
        SaveFrequency = 4 => "save frequency offset",
        /// Save a power.
        SavePower = 5 => "save power",
        /// The calibration is finished.
        Finished = 6 => "calibration finished",
        /// Read the calibration from the fuses.
        ReadEfuse = 7 => "read efuse",
    }
}

open_enum! {
    /// Where something is saved.
    pub enum SaveType: u16 {
        /// In a file of the host.
        HostFile = 0 => "host file",
        /// In fuses.
        Efuse = 1 => "efuse",
        /// In flash.
        Flash = 2 => "flash",
    }
}

/// A test command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VendorRfCommand<'a> {
    /// What.
    pub kind: VendorRfKind,
    /// Number of arguments in the text.
    pub arguments: u32,
    /// Text, its NUL included.
    pub text: &'a [u8],
}

impl<'a> VendorRfCommand<'a> {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`]; [`WireError::Count`] if the text is not as long as it says.
    pub fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let (wire, behind) = fixed::<CommandWire>(message, Self::ID)?;
        let text_len = usize::try_from(wire.text_len.get()).map_err(|_error| WireError::Count)?;
        let (text, _) = tail(behind, text_len)?;
        Ok(Self {
            kind: VendorRfKind::from_raw(wire.kind.get()),
            arguments: wire.arguments.get(),
            text,
        })
    }
}

impl Request for VendorRfCommand<'_> {
    const ID: MessageId = MessageId::VENDOR_RF;
    type Confirm<'b> = McuConfirm<'b>;

    /// Writes the message; the interface is always 0, whatever is said.
    fn emit(&self, _interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let text_len = u32::try_from(self.text.len()).map_err(|_error| WireError::TooLong)?;
        let wire = CommandWire {
            header: RawHeader::BLANK,
            kind: U32::new(self.kind.raw()),
            arguments: U32::new(self.arguments),
            text_len: U32::new(text_len),
        };
        emit(Self::ID, InterfaceId::Zero, &wire, self.text, out)
    }
}

impl fmt::Display for VendorRfCommand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vendor RF {}: {}", self.kind, self.text.escape_ascii())
    }
}

/// The result of a test command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VendorRfResult<'a> {
    /// What was asked for.
    pub kind: VendorRfKind,
    /// Data as it came.
    pub data: &'a [u8],
}

/// What a result says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VendorRfData<'a> {
    /// Text, or data of a type that nobody knows.
    Text(&'a [u8]),
    /// Frequency offset.
    Frequency {
        /// Where it is saved.
        save: SaveType,
        /// Offset.
        value: u16,
        /// Status as the chip counts it.
        status: u16,
        /// Flag.
        flag: u16,
    },
    /// Saved powers.
    Powers {
        /// Where they are saved.
        save: SaveType,
        /// The powers; none if they are in a file of the host.
        powers: Option<SavedPowers>,
    },
    /// A power was saved.
    PowerSaved {
        /// Where.
        save: SaveType,
        /// 802.11 mode.
        mode: u16,
        /// Bandwidth.
        bandwidth: u16,
        /// Band.
        band: u16,
        /// Channel.
        channel: u16,
        /// Power.
        power: u16,
        /// Status as the chip counts it.
        status: u16,
    },
    /// The calibration is finished.
    Finished {
        /// Where it is saved.
        save: SaveType,
        /// Band.
        band: u16,
        /// Status as the chip counts it.
        status: u16,
    },
}

/// Powers saved in the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedPowers {
    /// Three groups of channels at 2.4 GHz.
    pub power_2g4: [u16; 3],
    /// Thirteen pairs of channels at 5 GHz.
    pub power_5g: [u16; 13],
    /// Status as the chip counts it.
    pub status: u16,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct PowersWire {
    power_2g4: [U16; 3],
    power_5g: [U16; 13],
    status: U16,
}

const_assert_eq!(size_of::<PowersWire>(), 34);

fn words<const N: usize>(data: &[u8]) -> Result<[u16; N], WireError> {
    let (words, _) = <[U16; N]>::ref_from_prefix(data).map_err(|_error| WireError::Truncated)?;
    Ok(words.map(U16::get))
}

impl<'a> VendorRfResult<'a> {
    /// Id of the message.
    pub const ID: MessageId = MessageId::VENDOR_RF;

    /// What the data says.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`] if it is shorter than its type needs.
    pub fn decode(&self) -> Result<VendorRfData<'a>, WireError> {
        match self.kind {
            VendorRfKind::Signalling
            | VendorRfKind::NoSignalling
            | VendorRfKind::ReadEfuse
            | VendorRfKind::Unknown(_) => Ok(VendorRfData::Text(self.data)),
            VendorRfKind::ReadFrequency | VendorRfKind::SaveFrequency => {
                let [save, value, status, flag] = words(self.data)?;
                Ok(VendorRfData::Frequency {
                    save: SaveType::from_raw(save),
                    value,
                    status,
                    flag,
                })
            }
            VendorRfKind::ReadPowers => {
                let (save, behind) =
                    U16::ref_from_prefix(self.data).map_err(|_error| WireError::Truncated)?;
                let save = SaveType::from_raw(save.get());
                let powers = if save == SaveType::HostFile {
                    None
                } else {
                    let (wire, _) = PowersWire::ref_from_prefix(behind)
                        .map_err(|_error| WireError::Truncated)?;
                    Some(SavedPowers {
                        power_2g4: wire.power_2g4.map(U16::get),
                        power_5g: wire.power_5g.map(U16::get),
                        status: wire.status.get(),
                    })
                };
                Ok(VendorRfData::Powers { save, powers })
            }
            VendorRfKind::SavePower => {
                let [save, mode, bandwidth, band, channel, power, status] = words(self.data)?;
                Ok(VendorRfData::PowerSaved {
                    save: SaveType::from_raw(save),
                    mode,
                    bandwidth,
                    band,
                    channel,
                    power,
                    status,
                })
            }
            VendorRfKind::Finished => {
                let [save, band, status] = words(self.data)?;
                Ok(VendorRfData::Finished {
                    save: SaveType::from_raw(save),
                    band,
                    status,
                })
            }
        }
    }

    /// Writes the indication and returns its length. The interface is always 0.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`], [`WireError::TooLong`].
    pub fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let indication = McuIndication {
            id: Self::ID,
            word: self.kind.raw(),
            payload: self.data,
        };
        indication.emit(interface, out)
    }
}

impl<'a> Confirm<'a> for VendorRfResult<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let indication = McuIndication::parse(open(message, Self::ID)?)?;
        Ok(Self {
            kind: VendorRfKind::from_raw(indication.word),
            data: indication.payload,
        })
    }
}

impl fmt::Display for VendorRfResult<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vendor RF result {}: ", self.kind)?;
        match self.decode() {
            Ok(VendorRfData::Text(text)) => write!(f, "{}", text.escape_ascii()),
            Ok(data) => write!(f, "{data:?}"),
            Err(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, round_trips};

    #[test]
    fn a_command_is_read_and_written() {
        let bytes = [
            19, 0, 0x25, 0x0c, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, b't', b'x', 0,
        ];
        both_ways!(
            VendorRfCommand<'_>,
            16,
            bytes,
            VendorRfCommand {
                kind: VendorRfKind::NoSignalling,
                arguments: 2,
                text: b"tx\0",
            }
        );
        let mut longer = bytes;
        longer[12] = 4;
        assert_eq!(VendorRfCommand::parse(&longer), Err(WireError::Count));
    }

    #[test]
    fn a_result_is_read_and_written() {
        both_ways!(
            VendorRfResult<'_>,
            16,
            [22, 0, 0x25, 0x0c, 0, 0, 0, 0, 0xf0, 0, 0, 0, 6, 0, 0, 0, 1, 0, 2, 0, 3, 0],
            VendorRfResult {
                kind: VendorRfKind::Finished,
                data: &[1, 0, 2, 0, 3, 0],
            }
        );
    }

    #[test]
    fn data_is_understood_by_its_type() {
        let data: Vec<u8> = (1..=18_u16).flat_map(u16::to_le_bytes).collect();
        let result = |kind| VendorRfResult { kind, data: &data }.decode().unwrap();
        assert_eq!(
            result(VendorRfKind::ReadFrequency),
            VendorRfData::Frequency {
                save: SaveType::Efuse,
                value: 2,
                status: 3,
                flag: 4
            }
        );
        assert_eq!(
            result(VendorRfKind::ReadPowers),
            VendorRfData::Powers {
                save: SaveType::Efuse,
                powers: Some(SavedPowers {
                    power_2g4: [2, 3, 4],
                    power_5g: [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17],
                    status: 18,
                }),
            }
        );
        assert_eq!(
            result(VendorRfKind::SavePower),
            VendorRfData::PowerSaved {
                save: SaveType::Efuse,
                mode: 2,
                bandwidth: 3,
                band: 4,
                channel: 5,
                power: 6,
                status: 7,
            }
        );
        assert_eq!(
            result(VendorRfKind::Finished),
            VendorRfData::Finished {
                save: SaveType::Efuse,
                band: 2,
                status: 3
            }
        );
    }

    #[test]
    fn short_data_is_truncated() {
        for (kind, needed) in [
            (VendorRfKind::ReadFrequency, 8),
            (VendorRfKind::SaveFrequency, 8),
            (VendorRfKind::ReadPowers, 36),
            (VendorRfKind::SavePower, 14),
            (VendorRfKind::Finished, 6),
        ] {
            let data = [1; 36];
            for len in 0..=36 {
                let data = &data[..len];
                let decoded = VendorRfResult { kind, data }.decode();
                assert_eq!(decoded.is_ok(), len >= needed);
            }
        }
        let kind = VendorRfKind::ReadPowers;
        let data = &[0, 0];
        assert!(VendorRfResult { kind, data }.decode().is_ok());
    }

    round_trips!(VendorRfResult<'_>, VendorRfResult::ID);
}
