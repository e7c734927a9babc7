//! The first message of the chip.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 4 | 2 | number of input buffers: the credit limit |
//! | 6 | 2 | size of an input buffer |
//! | 8 | 2 | hardware id |
//! | 10 | 2 | hardware sub-id |
//! | 12 | 2 | status |
//! | 14 | 2 | firmware capability bits |
//! | 16 | 2 | firmware type |
//! | 18 | 2 | firmware API version |
//! | 20 | 2 | firmware build |
//! | 22 | 2 | firmware version |
//! | 24 | 128 | label, padded with NULs |
//!
//! Source: file 20, section 6.1.

use super::code::open_enum;
use super::codec::{emit, fixed};
use super::error::WireError;
use super::header::{InterfaceId, RawHeader};
use super::id::MessageId;
use super::status::Status;
use super::unit::Text;
use super::Confirm;
use core::fmt;
use core::mem::offset_of;
use static_assertions::const_assert_eq;
use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const LABEL_LEN: usize = 128;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Wire {
    header: RawHeader,
    input_buffers: U16,
    input_buffer_size: U16,
    hardware_id: U16,
    hardware_sub_id: U16,
    status: U16,
    capabilities: U16,
    firmware_type: U16,
    api_version: U16,
    build: U16,
    version: U16,
    label: [u8; LABEL_LEN],
}

const_assert_eq!(core::mem::size_of::<Wire>(), 152);
const_assert_eq!(offset_of!(Wire, status), 12);
const_assert_eq!(offset_of!(Wire, firmware_type), 16);
const_assert_eq!(offset_of!(Wire, label), 24);

open_enum! {
    /// What kind of firmware runs.
    pub enum FirmwareType: u16 {
        /// Engineering test firmware.
        Etf = 0 => "ETF",
        /// WFM.
        Wfm = 1 => "WFM",
        /// The normal one.
        Wsm = 2 => "WSM",
        /// Host interface test.
        HostInterfaceTest = 3 => "HI test",
        /// Platform test.
        PlatformTest = 4 => "platform test",
    }
}

/// The firmware is up and says what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Startup<'a> {
    /// Messages that the chip can hold: the credit limit. At least 2 are needed for data to flow.
    pub input_buffers: u16,
    /// Bytes of one of its input buffers.
    pub input_buffer_size: u16,
    /// Hardware id.
    pub hardware_id: u16,
    /// Hardware sub-id.
    pub hardware_sub_id: u16,
    /// Whether the firmware is well.
    pub status: Status,
    /// Capability bits, meaning unknown.
    pub capabilities: u16,
    /// Kind of firmware.
    pub firmware_type: FirmwareType,
    /// Version of its interface.
    pub api_version: u16,
    /// Build number.
    pub build: u16,
    /// Version.
    pub version: u16,
    /// Label without its padding.
    pub label: &'a [u8],
}

impl Startup<'_> {
    /// Id of the message.
    pub const ID: MessageId = MessageId::STARTUP;

    /// Whether the protocol can go on: status 0 and a known firmware type.
    pub const fn is_usable(&self) -> bool {
        self.status.is_success() && !matches!(self.firmware_type, FirmwareType::Unknown(_))
    }

    /// Writes the indication and returns its length. A label longer than 128 bytes is cut.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`]; [`WireError::Value`] if the status does not fit into its 16 bits.
    pub fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let mut label = [0; LABEL_LEN];
        for (to, from) in label.iter_mut().zip(self.label) {
            *to = *from;
        }
        let status = u16::try_from(self.status.raw()).map_err(|_error| WireError::Value)?;
        let wire = Wire {
            header: RawHeader::BLANK,
            input_buffers: U16::new(self.input_buffers),
            input_buffer_size: U16::new(self.input_buffer_size),
            hardware_id: U16::new(self.hardware_id),
            hardware_sub_id: U16::new(self.hardware_sub_id),
            status: U16::new(status),
            capabilities: U16::new(self.capabilities),
            firmware_type: U16::new(self.firmware_type.raw()),
            api_version: U16::new(self.api_version),
            build: U16::new(self.build),
            version: U16::new(self.version),
            label,
        };
        emit(Self::ID, interface, &wire, &[], out)
    }
}

impl<'a> Confirm<'a> for Startup<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<Wire>(message, Self::ID)?;
        let end = wire.label.iter().position(|byte| *byte == 0);
        let label = wire.label.get(..end.unwrap_or(LABEL_LEN));
        Ok(Self {
            input_buffers: wire.input_buffers.get(),
            input_buffer_size: wire.input_buffer_size.get(),
            hardware_id: wire.hardware_id.get(),
            hardware_sub_id: wire.hardware_sub_id.get(),
            status: Status::from_raw(u32::from(wire.status.get())),
            capabilities: wire.capabilities.get(),
            firmware_type: FirmwareType::from_raw(wire.firmware_type.get()),
            api_version: wire.api_version.get(),
            build: wire.build.get(),
            version: wire.version.get(),
            label: label.unwrap_or(&[]),
        })
    }
}

impl fmt::Display for Startup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "startup: {}, firmware {} {:#06x} build {} API {} \"{}\", hardware {:#06x}.{}, {} buffers of {} bytes",
            self.status,
            self.firmware_type,
            self.version,
            self.build,
            self.api_version,
            Text(self.label),
            self.hardware_id,
            self.hardware_sub_id,
            self.input_buffers,
            self.input_buffer_size,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, round_trips};

    fn capture() -> Vec<u8> {
        let mut bytes = vec![
            0x98, 0x00, 0x01, 0x08, 0x1e, 0x00, 0x60, 0x06, 0x00, 0x06, 0x00, 0x00, 0x00, 0x00,
            0x00, 0x00, 0x02, 0x00, 0x01, 0x00, 0x07, 0x00, 0x02, 0x01, 0x65, 0x6d, 0x75, 0x2d,
            0x66, 0x77,
        ];
        bytes.resize(152, 0);
        bytes
    }

    #[test]
    fn the_capture_is_read_and_written() {
        both_ways!(
            Startup<'_>,
            152,
            capture(),
            Startup {
                input_buffers: 30,
                input_buffer_size: 1632,
                hardware_id: 0x0600,
                hardware_sub_id: 0,
                status: Status::Success,
                capabilities: 0,
                firmware_type: FirmwareType::Wsm,
                api_version: 1,
                build: 7,
                version: 0x0102,
                label: b"emu-fw",
            }
        );
    }

    #[test]
    fn a_failed_or_unknown_firmware_is_not_usable() {
        let mut bytes = capture();
        assert!(Startup::parse(&bytes).unwrap().is_usable());
        bytes[16] = 5;
        assert!(!Startup::parse(&bytes).unwrap().is_usable());
        bytes[16] = 2;
        bytes[12] = 1;
        assert!(!Startup::parse(&bytes).unwrap().is_usable());
    }

    #[test]
    fn a_label_without_end_is_read_to_its_end() {
        let mut bytes = capture();
        bytes[24..].fill(b'x');
        assert_eq!(Startup::parse(&bytes).unwrap().label, [b'x'; 128]);
    }

    round_trips!(Startup<'_>, MessageId::STARTUP);
}
