//! Messages to and from the other core of the chip.
//!
//! From the chip, confirms and indications share the id of the request and are told apart by a label:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | header, class MCU |
//! | 4 | 4 | reserved |
//! | 8 | 4 | label: 0x0F confirm, 0xF0 indication |
//! | 12 | 4 | sub-command (confirm) or payload word (indication) |
//! | 16 | n | payload |
//!
//! To the chip: u32 sub-type, payload. The interface bits are always 0.
//!
//! | sub-type | payload of DRIVER_TO_MCU |
//! |---|---|
//! | 0, 4 | calibration, 62 bytes |
//! | 1 | u32 channel, u16 channel type |
//! | 2 | none |
//! | 3 | u32 Wi-Fi status |
//!
//! Source: file 20, sections 2.5 and 14.3.

use super::channel::ChannelType;
use super::header::{Class, Header};
use super::prelude::*;

/// Label of a confirm.
const LABEL_CONFIRM: u32 = 0x0F;
/// Label of an indication.
const LABEL_INDICATION: u32 = 0xF0;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct FromChipWire {
    header: RawHeader,
    reserved: U32,
    label: U32,
    word: U32,
}

const_assert_eq!(size_of::<FromChipWire>(), 16);
const_assert_eq!(offset_of!(FromChipWire, label), 8);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct CommandWire {
    header: RawHeader,
    sub_type: U32,
}

const_assert_eq!(size_of::<CommandWire>(), 8);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ChannelWire {
    channel: U32,
    channel_type: U16,
}

const_assert_eq!(size_of::<ChannelWire>(), 6);

/// A message of the MCU, either kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum McuMessage<'a> {
    /// The answer to a request of the same id.
    Confirm(McuConfirm<'a>),
    /// The MCU speaks by itself.
    Indication(McuIndication<'a>),
}

impl<'a> Confirm<'a> for McuMessage<'a> {
    /// Reads a whole message of any id of the MCU class.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`] below 16 bytes, [`WireError::Id`] for another class, [`WireError::Label`].
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let id = Header::parse(message)?.id();
        if id.class() != Class::Mcu {
            return Err(WireError::Id(id));
        }
        let (wire, payload) = fixed::<FromChipWire>(message, id)?;
        match wire.label.get() {
            LABEL_CONFIRM => Ok(Self::Confirm(McuConfirm {
                id,
                sub_type: wire.word.get(),
                payload,
            })),
            LABEL_INDICATION => Ok(Self::Indication(McuIndication {
                id,
                word: wire.word.get(),
                payload,
            })),
            label => Err(WireError::Label(label)),
        }
    }
}

impl fmt::Display for McuMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confirm(confirm) => confirm.fmt(f),
            Self::Indication(indication) => indication.fmt(f),
        }
    }
}

fn emit_from_chip(
    id: MessageId,
    label: u32,
    word: u32,
    payload: &[u8],
    out: &mut [u8],
) -> Result<usize, WireError> {
    let wire = FromChipWire {
        header: RawHeader::BLANK,
        reserved: U32::ZERO,
        label: U32::new(label),
        word: U32::new(word),
    };
    emit(id, InterfaceId::Zero, &wire, payload, out)
}

/// The answer of the MCU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct McuConfirm<'a> {
    /// Id of request and answer.
    pub id: MessageId,
    /// Sub-type of the command, or something else but 0: it is not known whether the chip echoes it.
    pub sub_type: u32,
    /// What follows.
    pub payload: &'a [u8],
}

impl McuConfirm<'_> {
    /// The status behind a confirm of sub-type 0, the only one that has one.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`] if it is missing there.
    pub fn status(&self) -> Result<Option<Status>, WireError> {
        if self.sub_type != 0 {
            return Ok(None);
        }
        let (status, _) =
            U32::ref_from_prefix(self.payload).map_err(|_error| WireError::Truncated)?;
        Ok(Some(Status::from_raw(status.get())))
    }

    /// Writes the confirm and returns its length. The interface is always 0.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`], [`WireError::TooLong`].
    pub fn emit(&self, _interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        emit_from_chip(self.id, LABEL_CONFIRM, self.sub_type, self.payload, out)
    }
}

impl<'a> Confirm<'a> for McuConfirm<'a> {
    /// # Errors
    ///
    /// As [`McuMessage`]; [`WireError::Label`] for an indication.
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        match McuMessage::parse(message)? {
            McuMessage::Confirm(confirm) => Ok(confirm),
            McuMessage::Indication(_) => Err(WireError::Label(LABEL_INDICATION)),
        }
    }
}

impl fmt::Display for McuConfirm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} confirm, type {}", self.id, self.sub_type)?;
        match self.status() {
            Ok(Some(status)) => write!(f, ": {status}"),
            Ok(None) | Err(_) => Ok(()),
        }
    }
}

/// The MCU speaks by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct McuIndication<'a> {
    /// What about.
    pub id: MessageId,
    /// Its first word.
    pub word: u32,
    /// What follows.
    pub payload: &'a [u8],
}

impl McuIndication<'_> {
    /// Writes the indication and returns its length. The interface is always 0.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`], [`WireError::TooLong`].
    pub fn emit(&self, _interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        emit_from_chip(self.id, LABEL_INDICATION, self.word, self.payload, out)
    }
}

impl<'a> Confirm<'a> for McuIndication<'a> {
    /// # Errors
    ///
    /// As [`McuMessage`]; [`WireError::Label`] for a confirm.
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        match McuMessage::parse(message)? {
            McuMessage::Indication(indication) => Ok(indication),
            McuMessage::Confirm(_) => Err(WireError::Label(LABEL_CONFIRM)),
        }
    }
}

impl fmt::Display for McuIndication<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} indication, word {:#x}, {} bytes",
            self.id,
            self.word,
            self.payload.len()
        )
    }
}

open_enum! {
    /// What Wi-Fi is doing, as the MCU wants to know it.
    pub enum WifiState: u32 {
        /// Nothing.
        Idle = 0 => "idle",
        /// Disconnecting.
        Disconnecting = 1 => "disconnecting",
        /// Scanning.
        Scanning = 2 => "scanning",
        /// Connecting.
        Connecting = 3 => "connecting",
        /// WPS.
        Wps = 4 => "WPS",
        /// Connected.
        Connected = 5 => "connected",
        /// Waiting for an address.
        Dhcp = 6 => "DHCP",
        /// Has an address.
        GotAddress = 7 => "got IP",
    }
}

/// A command to the MCU (DRIVER_TO_MCU) other than calibration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum McuCommand {
    /// The channel in use; only with frequency-division coexistence.
    ChannelInfo {
        /// Channel, 0 when disconnected.
        channel: ChannelNumber,
        /// Its width.
        channel_type: ChannelType,
    },
    /// Asks how busy the CPU is.
    CpuUsage,
    /// What Wi-Fi is doing; sent after each connect and disconnect.
    WifiState(WifiState),
}

impl McuCommand {
    const CHANNEL_INFO: u32 = 1;
    const CPU_USAGE: u32 = 2;
    const WIFI_STATE: u32 = 3;

    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`]; [`WireError::Value`] for another sub-type or a channel that cannot be.
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, payload) = fixed::<CommandWire>(message, Self::ID)?;
        match wire.sub_type.get() {
            Self::CHANNEL_INFO => {
                let (info, _) =
                    ChannelWire::ref_from_prefix(payload).map_err(|_error| WireError::Truncated)?;
                let channel =
                    u16::try_from(info.channel.get()).map_err(|_error| WireError::Value)?;
                let channel_type =
                    u8::try_from(info.channel_type.get()).map_err(|_error| WireError::Value)?;
                Ok(Self::ChannelInfo {
                    channel: ChannelNumber(channel),
                    channel_type: ChannelType::from_raw(channel_type)?,
                })
            }
            Self::CPU_USAGE => Ok(Self::CpuUsage),
            Self::WIFI_STATE => {
                let (state, _) =
                    U32::ref_from_prefix(payload).map_err(|_error| WireError::Truncated)?;
                Ok(Self::WifiState(WifiState::from_raw(state.get())))
            }
            _ => Err(WireError::Value),
        }
    }
}

impl Request for McuCommand {
    const ID: MessageId = MessageId::DRIVER_TO_MCU;
    type Confirm<'a> = McuConfirm<'a>;

    /// Writes the message; the interface is always 0, whatever is said.
    fn emit(&self, _interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let sub_type = match self {
            Self::ChannelInfo { .. } => Self::CHANNEL_INFO,
            Self::CpuUsage => Self::CPU_USAGE,
            Self::WifiState(_) => Self::WIFI_STATE,
        };
        let mut writer = Writer::new(out);
        writer.put(&CommandWire {
            header: RawHeader::BLANK,
            sub_type: U32::new(sub_type),
        })?;
        match self {
            Self::ChannelInfo {
                channel,
                channel_type,
            } => writer.put(&ChannelWire {
                channel: U32::new(u32::from(channel.0)),
                channel_type: U16::new(u16::from(channel_type.raw())),
            })?,
            Self::CpuUsage => {}
            Self::WifiState(state) => writer.put(&U32::new(state.raw()))?,
        }
        writer.finish(Self::ID, InterfaceId::Zero)
    }
}

impl fmt::Display for McuCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChannelInfo {
                channel,
                channel_type,
            } => write!(f, "MCU command: {channel} {channel_type}"),
            Self::CpuUsage => f.write_str("MCU command: CPU usage"),
            Self::WifiState(state) => write!(f, "MCU command: Wi-Fi {state}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, round_trips};

    const CONFIRM: [u8; 16] = [
        0x10, 0x00, 0x27, 0x0c, 0, 0, 0, 0, 0x0f, 0, 0, 0, 0x03, 0, 0, 0,
    ];

    #[test]
    fn the_captured_command_is_read_and_written() {
        both_ways!(
            McuCommand,
            8,
            [0x0c, 0x00, 0x27, 0x0c, 3, 0, 0, 0, 5, 0, 0, 0],
            McuCommand::WifiState(WifiState::Connected)
        );
    }

    #[test]
    fn the_other_commands_are_read_and_written() {
        both_ways!(
            McuCommand,
            8,
            [8, 0, 0x27, 0x0c, 2, 0, 0, 0],
            McuCommand::CpuUsage
        );
        both_ways!(
            McuCommand,
            14,
            [14, 0, 0x27, 0x0c, 1, 0, 0, 0, 36, 0, 0, 0, 3, 0],
            McuCommand::ChannelInfo {
                channel: ChannelNumber(36),
                channel_type: ChannelType::Ht40Plus,
            }
        );
    }

    #[test]
    fn mcu_messages_carry_no_interface() {
        let mut out = [0; 16];
        McuCommand::CpuUsage
            .emit(InterfaceId::Two, &mut out)
            .unwrap();
        assert_eq!(out[2..4], [0x27, 0x0c]);
    }

    #[test]
    fn the_captured_confirm_is_read_and_written() {
        both_ways!(
            McuConfirm<'_>,
            16,
            CONFIRM,
            McuConfirm {
                id: MessageId::DRIVER_TO_MCU,
                sub_type: 3,
                payload: &[],
            }
        );
    }

    #[test]
    fn the_label_says_what_it_is() {
        let mut bytes = CONFIRM;
        assert!(McuIndication::parse(&bytes).is_err());
        bytes[8] = 0xf0;
        assert!(matches!(
            McuMessage::parse(&bytes),
            Ok(McuMessage::Indication(_))
        ));
        assert_eq!(McuConfirm::parse(&bytes), Err(WireError::Label(0xf0)));
        bytes[8] = 0xff;
        assert_eq!(McuMessage::parse(&bytes), Err(WireError::Label(0xff)));
        bytes[3] = 0x08;
        assert!(matches!(McuMessage::parse(&bytes), Err(WireError::Id(_))));
    }

    #[test]
    fn only_sub_type_0_has_a_status() {
        let mut bytes = [CONFIRM, [0; 16]].concat();
        bytes[0] = 20;
        assert_eq!(McuConfirm::parse(&bytes).unwrap().status(), Ok(None));
        bytes[12] = 0;
        bytes[16] = 1;
        let confirm = McuConfirm::parse(&bytes).unwrap();
        assert_eq!(confirm.status(), Ok(Some(Status::Failure)));
        bytes[0] = 16;
        let confirm = McuConfirm::parse(&bytes).unwrap();
        assert_eq!(confirm.status(), Err(WireError::Truncated));
    }

    round_trips!(McuCommand, MessageId::DRIVER_TO_MCU);
}
