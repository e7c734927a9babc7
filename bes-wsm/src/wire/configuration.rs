//! MAC address and parameter block ("SDD"), sent once for interface 0 and once for interface 1 after the start.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 4 | 4 | max TX MSDU lifetime |
//! | 8 | 4 | max RX lifetime |
//! | 12 | 4 | RTS threshold |
//! | 16 | 2 | block length: data and the 12 bytes from here |
//! | 18 | 2 | block version |
//! | 20 | 6 | MAC address |
//! | 26 | 2 | block flags |
//! | 28 | n | parameter data, opaque |
//!
//! Confirm:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 4 | 4 | status |
//! | 8 | 6 | MAC address |
//! | 14 | 1 | bands |
//! | 15 | 1 | reserved |
//! | 16 | 4 | rate mask |
//! | 20 | 12 | 2.4 GHz: lowest and highest power, step, in 0.1 dBm |
//! | 32 | 12 | 5 GHz: the same |
//!
//! Source: file 20, sections 6.2 and 6.3.

use super::prelude::*;

const BLOCK_OVERHEAD: usize = 12;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RequestWire {
    header: RawHeader,
    max_tx_lifetime: U32,
    max_rx_lifetime: U32,
    rts_threshold: U32,
    block_len: U16,
    version: U16,
    station: MacAddress,
    flags: U16,
}

const_assert_eq!(size_of::<RequestWire>(), 28);
const_assert_eq!(offset_of!(RequestWire, block_len), 16);
const_assert_eq!(offset_of!(RequestWire, station), 20);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct PowerWire {
    min: U32,
    max: U32,
    step: U32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct StatusWire {
    header: RawHeader,
    status: U32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct DetailsWire {
    station: MacAddress,
    bands: u8,
    reserved: u8,
    rates: U32,
    power: [PowerWire; 2],
}

const_assert_eq!(size_of::<StatusWire>(), 8);
// Offsets behind the status: the table's less 8.
const_assert_eq!(size_of::<DetailsWire>(), 36);
const_assert_eq!(offset_of!(DetailsWire, bands), 6);
const_assert_eq!(offset_of!(DetailsWire, rates), 8);
const_assert_eq!(offset_of!(DetailsWire, power), 12);

/// Tells the chip its MAC address and parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Configuration<'a> {
    /// Lifetime of frames to send; 0 as far as known means "default".
    pub max_tx_lifetime: u32,
    /// Lifetime of fragments received; 0 as far as known means "default".
    pub max_rx_lifetime: u32,
    /// RTS threshold in bytes; 0 as far as known means "off".
    pub rts_threshold: u32,
    /// Version of the block.
    pub version: u16,
    /// MAC address of the device.
    pub station: MacAddress,
    /// Flags of the block, meaning unknown.
    pub flags: u16,
    /// Parameter data, opaque.
    pub data: &'a [u8],
}

impl<'a> Configuration<'a> {
    /// A configuration with the values that are always sent.
    pub const fn new(station: MacAddress, data: &'a [u8]) -> Self {
        Self {
            max_tx_lifetime: 0,
            max_rx_lifetime: 0,
            rts_threshold: 0,
            version: 1,
            station,
            flags: 5,
            data,
        }
    }

    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`]; [`WireError::Count`] if the block is not as long as it says.
    pub fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let (wire, behind) = fixed::<RequestWire>(message, Self::ID)?;
        let data_len = usize::from(wire.block_len.get())
            .checked_sub(BLOCK_OVERHEAD)
            .ok_or(WireError::Count)?;
        let (data, _) = tail(behind, data_len)?;
        Ok(Self {
            max_tx_lifetime: wire.max_tx_lifetime.get(),
            max_rx_lifetime: wire.max_rx_lifetime.get(),
            rts_threshold: wire.rts_threshold.get(),
            version: wire.version.get(),
            station: wire.station,
            flags: wire.flags.get(),
            data,
        })
    }
}

impl Request for Configuration<'_> {
    const ID: MessageId = MessageId::CONFIGURATION;
    type Confirm<'b> = ConfigurationConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let block_len = self.data.len().saturating_add(BLOCK_OVERHEAD);
        let wire = RequestWire {
            header: RawHeader::BLANK,
            max_tx_lifetime: U32::new(self.max_tx_lifetime),
            max_rx_lifetime: U32::new(self.max_rx_lifetime),
            rts_threshold: U32::new(self.rts_threshold),
            block_len: U16::new(u16::try_from(block_len).map_err(|_error| WireError::TooLong)?),
            version: U16::new(self.version),
            station: self.station,
            flags: U16::new(self.flags),
        };
        emit(Self::ID, interface, &wire, self.data, out)
    }
}

impl fmt::Display for Configuration<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "configuration: {}, {} bytes",
            self.station,
            self.data.len()
        )
    }
}

/// Range of transmit powers of a band.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PowerRange {
    /// Lowest.
    pub min: DeciDbm,
    /// Highest.
    pub max: DeciDbm,
    /// Step.
    pub step: DeciDbm,
}

impl PowerRange {
    fn from_wire(wire: &PowerWire) -> Self {
        Self {
            min: DeciDbm::from_bits(wire.min.get()),
            max: DeciDbm::from_bits(wire.max.get()),
            step: DeciDbm::from_bits(wire.step.get()),
        }
    }

    fn to_wire(self) -> PowerWire {
        PowerWire {
            min: U32::new(self.min.into_bits()),
            max: U32::new(self.max.into_bits()),
            step: U32::new(self.step.into_bits()),
        }
    }
}

/// What a configured chip says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfigurationDetails {
    /// MAC address as the chip has it. Data, not an order: the device keeps the address it chose.
    pub station: MacAddress,
    /// Bands, bit 0 for 2.4 GHz and bit 1 for 5 GHz.
    pub bands: u8,
    /// Rates.
    pub rates: RateMask,
    /// Powers at 2.4 GHz.
    pub power_2g4: PowerRange,
    /// Powers at 5 GHz.
    pub power_5g: PowerRange,
}

/// Whether the chip took its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigurationConfirm {
    /// Whether it did.
    pub status: Status,
    /// What it says about itself; always there on success.
    pub details: Option<ConfigurationDetails>,
}

impl ConfigurationConfirm {
    /// Id of the message.
    pub const ID: MessageId = MessageId::CONFIGURATION.confirm();

    /// Writes the confirm and returns its length.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`]; [`WireError::Value`] for a success without details.
    pub fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        if self.status.is_success() && self.details.is_none() {
            return Err(WireError::Value);
        }
        let mut writer = Writer::new(out);
        writer.put(&StatusWire {
            header: RawHeader::BLANK,
            status: U32::new(self.status.raw()),
        })?;
        if let Some(details) = &self.details {
            writer.put(&DetailsWire {
                station: details.station,
                bands: details.bands,
                reserved: 0,
                rates: U32::new(details.rates.0),
                power: [details.power_2g4.to_wire(), details.power_5g.to_wire()],
            })?;
        }
        writer.finish(Self::ID, interface)
    }
}

impl Confirm<'_> for ConfigurationConfirm {
    /// Reads a whole message: 44 bytes on success, at least 8 otherwise.
    fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, behind) = fixed::<StatusWire>(message, Self::ID)?;
        let status = Status::from_raw(wire.status.get());
        let details = match DetailsWire::ref_from_prefix(behind) {
            Ok((details, _)) => {
                let [power_2g4, power_5g] = &details.power;
                Some(ConfigurationDetails {
                    station: details.station,
                    bands: details.bands,
                    rates: RateMask(details.rates.get()),
                    power_2g4: PowerRange::from_wire(power_2g4),
                    power_5g: PowerRange::from_wire(power_5g),
                })
            }
            Err(_) if status.is_success() => return Err(WireError::Truncated),
            Err(_) => None,
        };
        Ok(Self { status, details })
    }
}

impl fmt::Display for ConfigurationConfirm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "configuration confirm: {}", self.status)?;
        if let Some(details) = &self.details {
            write!(
                f,
                ", {}, bands {}, {}, {} to {}",
                details.station,
                details.bands,
                details.rates,
                details.power_2g4.min,
                details.power_2g4.max
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, round_trips};

    const STATION: MacAddress = MacAddress([2, 0x11, 0x22, 0x33, 0x44, 0x55]);

    const CONFIRM: [u8; 44] = [
        0x2c, 0x00, 0x09, 0x64, 0x00, 0x00, 0x00, 0x00, 0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 0x03,
        0x00, 0xcf, 0xff, 0x3f, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc8, 0x00, 0x00, 0x00, 0x0a, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc8, 0x00, 0x00, 0x00, 0x0a, 0x00, 0x00, 0x00,
    ];

    #[test]
    fn the_request_is_read_and_written() {
        // The head of the captured request, with a block of 832 bytes of which the first and last are those captured.
        let mut block = vec![0; 832];
        block[..14].copy_from_slice(&[
            0xc0, 0x02, 0x02, 0x03, 0xc1, 0x06, 0x00, 0x01, 0x00, 0x00, 0x4c, 0x00, 0xc4, 0x0a,
        ]);
        block[820..].copy_from_slice(&[0xfe, 2, 0, 0, 0xc1, 6, 0xff, 0, 0, 0, 0, 0]);
        let mut bytes = vec![
            0x5c, 0x03, 0x09, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
            0x00, 0x00, 0x4c, 0x03, 0x01, 0x00, 0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 0x05, 0x00,
        ];
        bytes.extend_from_slice(&block);
        assert_eq!(bytes.len(), 860);
        both_ways!(
            Configuration<'_>,
            28,
            bytes.clone(),
            Configuration::new(STATION, &block)
        );
    }

    #[test]
    fn a_block_that_is_not_there_is_refused() {
        let mut message = [0; 32];
        let len = Configuration::new(STATION, &[1, 2, 3, 4])
            .emit(InterfaceId::One, &mut message)
            .unwrap();
        assert_eq!(len, 32);
        for block_len in [0_u16, 11, 17, u16::MAX] {
            message[16..18].copy_from_slice(&block_len.to_le_bytes());
            assert_eq!(Configuration::parse(&message), Err(WireError::Count));
        }
    }

    #[test]
    fn the_confirm_is_read_and_written() {
        let range = PowerRange {
            min: DeciDbm(0),
            max: DeciDbm(200),
            step: DeciDbm(10),
        };
        both_ways!(
            ConfigurationConfirm,
            44,
            CONFIRM,
            ConfigurationConfirm {
                status: Status::Success,
                details: Some(ConfigurationDetails {
                    station: STATION,
                    bands: 3,
                    rates: RateMask(0x003f_ffcf),
                    power_2g4: range,
                    power_5g: range,
                }),
            }
        );
    }

    #[test]
    fn a_refusal_may_be_short() {
        let bytes = [0x08, 0x00, 0x09, 0x04, 2, 0, 0, 0];
        both_ways!(
            ConfigurationConfirm,
            8,
            bytes,
            ConfigurationConfirm {
                status: Status::InvalidParameter,
                details: None,
            }
        );
    }

    round_trips!(ConfigurationConfirm, ConfigurationConfirm::ID);
}
