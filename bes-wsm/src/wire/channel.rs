//! Changing the channel.
//!
//! SWITCH_CHANNEL: u8 mode (bit 7 set, channel type in bits 4-6), u8 switch count in TBTTs, u16 channel.
//! Channel switch done: u32 status; exactly one for each request that was confirmed with success.
//!
//! Source: file 20, sections 9.8 and 9.9.

use super::prelude::*;

const MODE_VALID: u8 = 0x80;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct SwitchWire {
    header: RawHeader,
    mode: u8,
    count: u8,
    channel: U16,
}

const_assert_eq!(size_of::<SwitchWire>(), 8);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct DoneWire {
    header: RawHeader,
    status: U32,
}

const_assert_eq!(size_of::<DoneWire>(), 8);

closed_enum! {
    /// Width of a channel and where its second half lies. Linux: `enum nl80211_channel_type`.
    pub enum ChannelType: u8 {
        /// 20 MHz without HT.
        NoHt = 0 => "no HT",
        /// 20 MHz with HT.
        Ht20 = 1 => "HT20",
        /// 40 MHz, second half below.
        Ht40Minus = 2 => "HT40-",
        /// 40 MHz, second half above.
        Ht40Plus = 3 => "HT40+",
    }
}

/// Changes the channel or its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwitchChannel {
    /// Width.
    pub channel_type: ChannelType,
    /// Beacons to wait before.
    pub count: u8,
    /// Channel.
    pub channel: ChannelNumber,
}

impl SwitchChannel {
    /// Now.
    pub const fn new(channel: ChannelNumber, channel_type: ChannelType) -> Self {
        Self {
            channel_type,
            count: 0,
            channel,
        }
    }

    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`], [`WireError::Value`].
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<SwitchWire>(message, Self::ID)?;
        if wire.mode & 0x8F != MODE_VALID {
            return Err(WireError::Value);
        }
        Ok(Self {
            channel_type: ChannelType::from_raw((wire.mode & !MODE_VALID) >> 4)?,
            count: wire.count,
            channel: ChannelNumber(wire.channel.get()),
        })
    }
}

impl Request for SwitchChannel {
    const ID: MessageId = MessageId::SWITCH_CHANNEL;
    type Confirm<'a> = GenericConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = SwitchWire {
            header: RawHeader::BLANK,
            mode: MODE_VALID | self.channel_type.raw().wrapping_shl(4),
            count: self.count,
            channel: U16::new(self.channel.0),
        };
        emit(Self::ID, interface, &wire, &[], out)
    }
}

impl fmt::Display for SwitchChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "switch channel: {} {}", self.channel, self.channel_type)
    }
}

/// The channel has changed, or could not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelSwitchDone {
    /// How it went.
    pub status: Status,
}

impl ChannelSwitchDone {
    /// Id of the message.
    pub const ID: MessageId = MessageId::CHANNEL_SWITCH_DONE;

    /// Writes the indication and returns its length.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`].
    pub fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = DoneWire {
            header: RawHeader::BLANK,
            status: U32::new(self.status.raw()),
        };
        emit(Self::ID, interface, &wire, &[], out)
    }
}

impl Confirm<'_> for ChannelSwitchDone {
    fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<DoneWire>(message, Self::ID)?;
        Ok(Self {
            status: Status::from_raw(wire.status.get()),
        })
    }
}

impl fmt::Display for ChannelSwitchDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "channel switch done: {}", self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, round_trips};

    #[test]
    fn the_captured_request_is_read_and_written() {
        both_ways!(
            SwitchChannel,
            8,
            [0x08, 0x00, 0x16, 0x00, 0xb0, 0x00, 0x24, 0x00],
            SwitchChannel::new(ChannelNumber(36), ChannelType::Ht40Plus)
        );
    }

    #[test]
    fn a_mode_without_its_mark_is_refused() {
        for mode in [0x00, 0x30, 0x81, 0xc0, 0xff] {
            let message = [0x08, 0x00, 0x16, 0x00, mode, 0x00, 0x24, 0x00];
            assert_eq!(SwitchChannel::parse(&message), Err(WireError::Value));
        }
    }

    #[test]
    fn the_captured_indication_is_read_and_written() {
        both_ways!(
            ChannelSwitchDone,
            8,
            [0x08, 0x00, 0x0a, 0x68, 0, 0, 0, 0],
            ChannelSwitchDone {
                status: Status::Success
            }
        );
    }

    round_trips!(SwitchChannel, SwitchChannel::ID);
}
