//! Joining a BSS.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 4 | 1 | mode |
//! | 5 | 1 | band |
//! | 6 | 2 | channel |
//! | 8 | 6 | BSSID |
//! | 14 | 2 | ATIM window |
//! | 16 | 1 | preamble |
//! | 17 | 1 | probe for join |
//! | 18 | 1 | DTIM period |
//! | 19 | 1 | flags |
//! | 20 | 36 | SSID: u32 length, 32 bytes |
//! | 56 | 4 | beacon interval in TU |
//! | 60 | 4 | basic rate mask |
//!
//! Confirm: u32 status; on success also i32 lowest and i32 highest TX power in 0.1 dBm. The confirm is the
//! completion: there is no indication.
//!
//! Source: file 20, sections 9.1 and 9.2.

use super::prelude::*;
use super::ssid::Ssid;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct JoinWire {
    header: RawHeader,
    mode: u8,
    band: u8,
    channel: U16,
    bssid: MacAddress,
    atim_window: U16,
    preamble: u8,
    probe: u8,
    dtim_period: u8,
    flags: u8,
    ssid: Ssid,
    beacon_interval: U32,
    basic_rates: U32,
}

const_assert_eq!(size_of::<JoinWire>(), 64);
const_assert_eq!(offset_of!(JoinWire, bssid), 8);
const_assert_eq!(offset_of!(JoinWire, preamble), 16);
const_assert_eq!(offset_of!(JoinWire, ssid), 20);
const_assert_eq!(offset_of!(JoinWire, beacon_interval), 56);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct StatusWire {
    header: RawHeader,
    status: U32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct PowerWire {
    min: U32,
    max: U32,
}

const_assert_eq!(size_of::<StatusWire>(), 8);
const_assert_eq!(size_of::<PowerWire>(), 8);

closed_enum! {
    /// What kind of BSS.
    pub enum JoinMode: u8 {
        /// Without an access point.
        Ibss = 0 => "IBSS",
        /// With an access point.
        Bss = 1 => "BSS",
    }
}

closed_enum! {
    /// Preamble of DSSS and CCK frames.
    pub enum Preamble: u8 {
        /// Long.
        Long = 0 => "long",
        /// Short; long at 1 Mbit/s.
        Short = 1 => "short",
        /// Short; long at 1 and 2 Mbit/s.
        ShortAbove2 = 2 => "short above 2 Mbit/s",
    }
}

/// Flags of a join.
#[bitfield(u8)]
#[derive(PartialEq, Eq, Hash)]
pub struct JoinFlags {
    /// Do not wait for synchronisation.
    pub unsynchronised: bool,
    /// The peer is a P2P group owner.
    pub p2p_group_owner: bool,
    /// Do not wait for a beacon.
    pub force: bool,
    /// Probe requests go before Bluetooth.
    pub probe_priority: bool,
    /// Use the second MAC instance.
    pub second_mac: bool,
    /// Not defined.
    #[bits(1)]
    __: u8,
    /// Always set together with `p2p_group_owner`; meaning unknown.
    pub p2p: bool,
    /// Not defined.
    #[bits(1)]
    __: u8,
}

/// Joins a BSS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join {
    /// Kind of BSS.
    pub mode: JoinMode,
    /// Band.
    pub band: Band,
    /// Channel.
    pub channel: ChannelNumber,
    /// Which BSS.
    pub bssid: MacAddress,
    /// ATIM window of an IBSS.
    pub atim_window: u16,
    /// Preamble.
    pub preamble: Preamble,
    /// Send probe requests to find the BSS.
    pub probe: bool,
    /// DTIM period in beacon intervals.
    pub dtim_period: u8,
    /// Flags.
    pub flags: JoinFlags,
    /// Its name.
    pub ssid: Ssid,
    /// Its beacon interval.
    pub beacon_interval: Tu,
    /// Its basic rates.
    pub basic_rates: RateMask,
}

impl Join {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`], [`WireError::Value`]; [`WireError::Count`] for a name longer than 32 bytes.
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<JoinWire>(message, Self::ID)?;
        Ok(Self {
            mode: JoinMode::from_raw(wire.mode)?,
            band: Band::from_raw(wire.band)?,
            channel: ChannelNumber(wire.channel.get()),
            bssid: wire.bssid,
            atim_window: wire.atim_window.get(),
            preamble: Preamble::from_raw(wire.preamble)?,
            probe: wire.probe != 0,
            dtim_period: wire.dtim_period,
            flags: JoinFlags::from_bits(wire.flags),
            ssid: wire.ssid.checked()?,
            beacon_interval: Tu(wire.beacon_interval.get()),
            basic_rates: RateMask(wire.basic_rates.get()),
        })
    }
}

impl Request for Join {
    const ID: MessageId = MessageId::JOIN;
    type Confirm<'a> = JoinConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = JoinWire {
            header: RawHeader::BLANK,
            mode: self.mode.raw(),
            band: self.band.raw(),
            channel: U16::new(self.channel.0),
            bssid: self.bssid,
            atim_window: U16::new(self.atim_window),
            preamble: self.preamble.raw(),
            probe: u8::from(self.probe),
            dtim_period: self.dtim_period,
            flags: self.flags.into_bits(),
            ssid: self.ssid.checked()?,
            beacon_interval: U32::new(self.beacon_interval.0),
            basic_rates: U32::new(self.basic_rates.0),
        };
        emit(Self::ID, interface, &wire, &[], out)
    }
}

impl fmt::Display for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "join: {} {} {}, {}, {}, beacon {} DTIM {}, basic {}",
            self.mode,
            self.bssid,
            self.ssid,
            self.band,
            self.channel,
            self.beacon_interval,
            self.dtim_period,
            self.basic_rates
        )
    }
}

/// Whether the BSS was joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinConfirm {
    /// Whether it was.
    pub status: Status,
    /// Lowest and highest transmit power; always there on success.
    pub power: Option<(DeciDbm, DeciDbm)>,
}

impl JoinConfirm {
    /// Id of the message.
    pub const ID: MessageId = MessageId::JOIN.confirm();

    /// Writes the confirm and returns its length.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`]; [`WireError::Value`] for a success without powers.
    pub fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        if self.status.is_success() && self.power.is_none() {
            return Err(WireError::Value);
        }
        let mut writer = Writer::new(out);
        writer.put(&StatusWire {
            header: RawHeader::BLANK,
            status: U32::new(self.status.raw()),
        })?;
        if let Some((min, max)) = self.power {
            writer.put(&PowerWire {
                min: U32::new(min.into_bits()),
                max: U32::new(max.into_bits()),
            })?;
        }
        writer.finish(Self::ID, interface)
    }
}

impl Confirm<'_> for JoinConfirm {
    /// Reads a whole message: 16 bytes on success, at least 8 otherwise.
    fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, behind) = fixed::<StatusWire>(message, Self::ID)?;
        let status = Status::from_raw(wire.status.get());
        let power = match PowerWire::ref_from_prefix(behind) {
            Ok((power, _)) => Some((
                DeciDbm::from_bits(power.min.get()),
                DeciDbm::from_bits(power.max.get()),
            )),
            Err(_) if status.is_success() => return Err(WireError::Truncated),
            Err(_) => None,
        };
        Ok(Self { status, power })
    }
}

impl fmt::Display for JoinConfirm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "join confirm: {}", self.status)?;
        if let Some((min, max)) = self.power {
            write!(f, ", {min} to {max}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, round_trips};

    fn capture() -> Vec<u8> {
        let mut bytes = vec![
            0x40, 0x00, 0x0b, 0x20, 0x01, 0x00, 0x06, 0x00, 0x00, 0x1a, 0x2b, 0x3c, 0x4d, 0x5e,
            0x00, 0x00, 0x01, 0x01, 0x03, 0x00, 0x04, 0x00, 0x00, 0x00, 0x74, 0x65, 0x73, 0x74,
        ];
        bytes.resize(56, 0);
        bytes.extend_from_slice(&[0x64, 0, 0, 0, 0x07, 0, 0, 0]);
        bytes
    }

    #[test]
    fn the_captured_request_is_read_and_written() {
        both_ways!(
            Join,
            64,
            capture(),
            Join {
                mode: JoinMode::Bss,
                band: Band::TwoPointFourGhz,
                channel: ChannelNumber(6),
                bssid: MacAddress([0x00, 0x1a, 0x2b, 0x3c, 0x4d, 0x5e]),
                atim_window: 0,
                preamble: Preamble::Short,
                probe: true,
                dtim_period: 3,
                flags: JoinFlags::new(),
                ssid: Ssid::new(b"test").unwrap(),
                beacon_interval: Tu(100),
                basic_rates: RateMask(7),
            }
        );
    }

    #[test]
    fn values_that_do_not_exist_are_refused() {
        for (at, value, error) in [
            (4, 2, WireError::Value),
            (5, 2, WireError::Value),
            (16, 3, WireError::Value),
            (20, 33, WireError::Count),
        ] {
            let mut bytes = capture();
            bytes[at] = value;
            assert_eq!(Join::parse(&bytes), Err(error));
        }
    }

    #[test]
    fn flags_lie_where_the_specification_says() {
        let p2p = JoinFlags::new().with_p2p_group_owner(true).with_p2p(true);
        assert_eq!(p2p.into_bits(), 0x42);
        assert_eq!(JoinFlags::new().with_second_mac(true).into_bits(), 0x10);
    }

    #[test]
    fn the_captured_confirm_is_read_and_written() {
        both_ways!(
            JoinConfirm,
            16,
            [0x10, 0x00, 0x0b, 0xc4, 0, 0, 0, 0, 0, 0, 0, 0, 0xc8, 0, 0, 0],
            JoinConfirm {
                status: Status::Success,
                power: Some((DeciDbm(0), DeciDbm(200))),
            }
        );
    }

    #[test]
    fn a_refusal_may_be_short() {
        both_ways!(
            JoinConfirm,
            8,
            [0x08, 0x00, 0x0b, 0x04, 1, 0, 0, 0],
            JoinConfirm {
                status: Status::Failure,
                power: None,
            }
        );
    }

    round_trips!(JoinConfirm, JoinConfirm::ID);
}
