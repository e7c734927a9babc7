//! Access point, group owner and P2P device.
//!
//! START:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 4 | 1 | mode |
//! | 5 | 1 | band |
//! | 6 | 2 | channel |
//! | 8 | 4 | CT window, or a hint how to change the address |
//! | 12 | 4 | beacon interval in TU |
//! | 16 | 1 | DTIM period |
//! | 17 | 1 | preamble |
//! | 18 | 1 | probe delay in µs |
//! | 19 | 1 | SSID length |
//! | 20 | 32 | SSID |
//! | 52 | 4 | basic rate mask |
//!
//! UPDATE_IE: u16 targets, u16 number of elements, elements. MAP_LINK: 6 bytes MAC, u8 unmap, u8 link id.
//! BEACON_TRANSMIT: u32 enable. START_FIND and STOP_FIND have no payload; find complete has none that counts.
//!
//! Source: file 20, sections 11.1 to 11.4.

use super::join::Preamble;
use super::prelude::*;
use super::ssid::{Ssid, MAX_SSID_LEN};

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct StartWire {
    header: RawHeader,
    mode: u8,
    band: u8,
    channel: U16,
    ct_window: U32,
    beacon_interval: U32,
    dtim_period: u8,
    preamble: u8,
    probe_delay: u8,
    ssid_len: u8,
    ssid: [u8; MAX_SSID_LEN],
    basic_rates: U32,
}

const_assert_eq!(size_of::<StartWire>(), 56);
const_assert_eq!(offset_of!(StartWire, ct_window), 8);
const_assert_eq!(offset_of!(StartWire, ssid_len), 19);
const_assert_eq!(offset_of!(StartWire, basic_rates), 52);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct UpdateWire {
    header: RawHeader,
    targets: U16,
    count: U16,
}

const_assert_eq!(size_of::<UpdateWire>(), 8);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct MapWire {
    header: RawHeader,
    station: MacAddress,
    unmap: u8,
    link: u8,
}

const_assert_eq!(size_of::<MapWire>(), 12);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct BeaconWire {
    header: RawHeader,
    enable: U32,
}

const_assert_eq!(size_of::<BeaconWire>(), 8);

/// What an interface becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StartRole {
    /// Access point.
    #[default]
    AccessPoint,
    /// P2P group owner.
    GroupOwner,
    /// P2P device.
    P2pDevice,
    /// A code that the specification does not define: 3 to 15.
    Unknown(u8),
}

impl StartRole {
    const fn from_bits(bits: u8) -> Self {
        match bits & 0xF {
            0 => Self::AccessPoint,
            1 => Self::GroupOwner,
            2 => Self::P2pDevice,
            other => Self::Unknown(other),
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::AccessPoint => 0,
            Self::GroupOwner => 1,
            Self::P2pDevice => 2,
            Self::Unknown(other) => other & 0xF,
        }
    }
}

impl fmt::Display for StartRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessPoint => f.write_str("access point"),
            Self::GroupOwner => f.write_str("group owner"),
            Self::P2pDevice => f.write_str("P2P device"),
            Self::Unknown(other) => write!(f, "unknown({other})"),
        }
    }
}

/// Mode of a start.
#[bitfield(u8)]
#[derive(PartialEq, Eq, Hash)]
pub struct StartMode {
    /// What the interface becomes.
    #[bits(4)]
    pub role: StartRole,
    /// Use the second MAC instance: for every interface but 0.
    pub second_mac: bool,
    /// Not defined.
    #[bits(1)]
    __: u8,
    /// Set when listening; meaning unknown.
    pub listen: bool,
    /// Not defined.
    #[bits(1)]
    __: u8,
}

/// Starts an access point, a group owner or listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// What the interface becomes.
    pub mode: StartMode,
    /// Band.
    pub band: Band,
    /// Channel.
    pub channel: ChannelNumber,
    /// 0 for interface 0 and when listening, otherwise all ones: the chip changes its address.
    pub ct_window: u32,
    /// Beacon interval.
    pub beacon_interval: Tu,
    /// DTIM period in beacon intervals.
    pub dtim_period: u8,
    /// Preamble.
    pub preamble: Preamble,
    /// Wait before a probe request, in µs as far as known.
    pub probe_delay_us: u8,
    /// Name of the network.
    pub ssid: Ssid,
    /// Basic rates.
    pub basic_rates: RateMask,
}

impl Start {
    /// What a listening P2P device sends.
    pub fn listen(band: Band, channel: ChannelNumber) -> Self {
        Self {
            mode: StartMode::new()
                .with_role(StartRole::P2pDevice)
                .with_second_mac(true)
                .with_listen(true),
            band,
            channel,
            ct_window: 0,
            beacon_interval: Tu(100),
            dtim_period: 1,
            preamble: Preamble::Long,
            probe_delay_us: 0,
            ssid: Ssid::default(),
            basic_rates: RateMask(0x0F),
        }
    }

    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`], [`WireError::Value`]; [`WireError::Count`] for a name longer than 32 bytes.
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<StartWire>(message, Self::ID)?;
        let name = wire.ssid.get(..usize::from(wire.ssid_len));
        Ok(Self {
            mode: StartMode::from_bits(wire.mode),
            band: Band::from_raw(wire.band)?,
            channel: ChannelNumber(wire.channel.get()),
            ct_window: wire.ct_window.get(),
            beacon_interval: Tu(wire.beacon_interval.get()),
            dtim_period: wire.dtim_period,
            preamble: Preamble::from_raw(wire.preamble)?,
            probe_delay_us: wire.probe_delay,
            ssid: Ssid::new(name.ok_or(WireError::Count)?)?,
            basic_rates: RateMask(wire.basic_rates.get()),
        })
    }
}

impl Request for Start {
    const ID: MessageId = MessageId::START;
    type Confirm<'a> = GenericConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let ssid = self.ssid.checked()?;
        let wire = StartWire {
            header: RawHeader::BLANK,
            mode: self.mode.into_bits(),
            band: self.band.raw(),
            channel: U16::new(self.channel.0),
            ct_window: U32::new(self.ct_window),
            beacon_interval: U32::new(self.beacon_interval.0),
            dtim_period: self.dtim_period,
            preamble: self.preamble.raw(),
            probe_delay: self.probe_delay_us,
            ssid_len: u8::try_from(ssid.name().len()).map_err(|_error| WireError::Count)?,
            ssid: *ssid.padded(),
            basic_rates: U32::new(self.basic_rates.0),
        };
        emit(Self::ID, interface, &wire, &[], out)
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "start: {} {}, {}, {}, beacon {} DTIM {}",
            self.mode.role(),
            self.ssid,
            self.band,
            self.channel,
            self.beacon_interval,
            self.dtim_period
        )
    }
}

/// Templates in which elements are replaced.
#[bitfield(u16)]
#[derive(PartialEq, Eq, Hash)]
pub struct UpdateIeTargets {
    /// Beacon.
    pub beacon: bool,
    /// Probe response.
    pub probe_response: bool,
    /// Probe request.
    pub probe_request: bool,
    /// Not defined.
    #[bits(13)]
    __: u16,
}

/// Replaces elements in templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpdateIe<'a> {
    /// Which templates.
    pub targets: UpdateIeTargets,
    /// Number of elements.
    pub count: u16,
    /// The elements.
    pub elements: &'a [u8],
}

impl<'a> UpdateIe<'a> {
    /// One element of the beacon.
    pub const fn beacon(element: &'a [u8]) -> Self {
        Self {
            targets: UpdateIeTargets::new().with_beacon(true),
            count: 1,
            elements: element,
        }
    }

    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let (wire, elements) = fixed::<UpdateWire>(message, Self::ID)?;
        Ok(Self {
            targets: UpdateIeTargets::from_bits(wire.targets.get()),
            count: wire.count.get(),
            elements,
        })
    }
}

impl Request for UpdateIe<'_> {
    const ID: MessageId = MessageId::UPDATE_IE;
    type Confirm<'b> = GenericConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = UpdateWire {
            header: RawHeader::BLANK,
            targets: U16::new(self.targets.into_bits()),
            count: U16::new(self.count),
        };
        emit(Self::ID, interface, &wire, self.elements, out)
    }
}

impl fmt::Display for UpdateIe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "update IE: {} elements, {} bytes",
            self.count,
            self.elements.len()
        )
    }
}

/// Gives a station a link id, or takes it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapLink {
    /// Station.
    pub station: MacAddress,
    /// Take it away.
    pub unmap: bool,
    /// Link id, 1 to 14: [`LinkId::BSS`] is refused.
    pub link: LinkId,
}

impl MapLink {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`]; [`WireError::LinkId`] for 0 and above 14.
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<MapWire>(message, Self::ID)?;
        let map = Self {
            station: wire.station,
            unmap: wire.unmap != 0,
            link: LinkId::new(wire.link)?,
        };
        map.check_link()?;
        Ok(map)
    }

    fn check_link(&self) -> Result<(), WireError> {
        if self.link == LinkId::BSS {
            Err(WireError::LinkId(0))
        } else {
            Ok(())
        }
    }
}

impl Request for MapLink {
    const ID: MessageId = MessageId::MAP_LINK;
    type Confirm<'a> = GenericConfirm;

    /// # Errors
    ///
    /// Also [`WireError::LinkId`] for link id 0.
    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        self.check_link()?;
        let wire = MapWire {
            header: RawHeader::BLANK,
            station: self.station,
            unmap: u8::from(self.unmap),
            link: self.link.raw(),
        };
        emit(Self::ID, interface, &wire, &[], out)
    }
}

impl fmt::Display for MapLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.unmap { "unmap" } else { "map" };
        write!(f, "{verb} {}: {}", self.link, self.station)
    }
}

/// Starts or stops beaconing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeaconTransmit {
    /// Start.
    pub enable: bool,
}

impl BeaconTransmit {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<BeaconWire>(message, Self::ID)?;
        Ok(Self {
            enable: wire.enable != U32::ZERO,
        })
    }
}

impl Request for BeaconTransmit {
    const ID: MessageId = MessageId::BEACON_TRANSMIT;
    type Confirm<'a> = GenericConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = BeaconWire {
            header: RawHeader::BLANK,
            enable: U32::new(u32::from(self.enable)),
        };
        emit(Self::ID, interface, &wire, &[], out)
    }
}

impl fmt::Display for BeaconTransmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.enable {
            "beacon transmit: on"
        } else {
            "beacon transmit: off"
        })
    }
}

/// Starts a P2P find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartFind;

impl StartFind {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        open(message, Self::ID).map(|_message| Self)
    }
}

impl Request for StartFind {
    const ID: MessageId = MessageId::START_FIND;
    type Confirm<'a> = GenericConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        emit_bare(Self::ID, interface, out)
    }
}

impl fmt::Display for StartFind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("start find")
    }
}

/// Stops a P2P find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StopFind;

impl StopFind {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        open(message, Self::ID).map(|_message| Self)
    }
}

impl Request for StopFind {
    const ID: MessageId = MessageId::STOP_FIND;
    type Confirm<'a> = GenericConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        emit_bare(Self::ID, interface, out)
    }
}

impl fmt::Display for StopFind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stop find")
    }
}

/// A P2P find has ended. Its payload, a status as far as known, may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FindComplete {
    /// How it went, if the chip says so.
    pub status: Option<Status>,
}

impl FindComplete {
    /// Id of the message.
    pub const ID: MessageId = MessageId::FIND_COMPLETE;

    /// Writes the indication and returns its length.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`].
    pub fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let mut writer = Writer::new(out);
        writer.header()?;
        if let Some(status) = self.status {
            writer.put(&U32::new(status.raw()))?;
        }
        writer.finish(Self::ID, interface)
    }
}

impl Confirm<'_> for FindComplete {
    fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (_, behind) = fixed::<RawHeader>(message, Self::ID)?;
        let status = U32::ref_from_prefix(behind).ok();
        Ok(Self {
            status: status.map(|(status, _)| Status::from_raw(status.get())),
        })
    }
}

impl fmt::Display for FindComplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "find complete: {status}"),
            None => f.write_str("find complete"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, round_trips};

    fn listen() -> Vec<u8> {
        let mut bytes = vec![
            0x38, 0x00, 0x97, 0x00, 0x52, 0, 6, 0, 0, 0, 0, 0, 100, 0, 0, 0, 1, 0, 0, 0,
        ];
        bytes.resize(52, 0);
        bytes.extend_from_slice(&[0x0f, 0, 0, 0]);
        bytes
    }

    #[test]
    fn listening_is_read_and_written() {
        let start = Start::listen(Band::TwoPointFourGhz, ChannelNumber(6));
        both_ways!(Start, 56, listen(), start);
    }

    #[test]
    fn a_name_has_its_length_in_one_byte() {
        let mut bytes = listen();
        bytes[19..23].copy_from_slice(b"\x03net");
        assert_eq!(
            Start::parse(&bytes).unwrap().ssid,
            Ssid::new(b"net").unwrap()
        );
        bytes[19] = 33;
        assert_eq!(Start::parse(&bytes), Err(WireError::Count));
    }

    #[test]
    fn an_element_update_is_read_and_written() {
        both_ways!(
            UpdateIe<'_>,
            8,
            [0x0b, 0x00, 0x1b, 0x00, 1, 0, 1, 0, 0x2a, 0x01, 0x03],
            UpdateIe::beacon(&[0x2a, 0x01, 0x03])
        );
    }

    #[test]
    fn a_mapping_is_read_and_written() {
        both_ways!(
            MapLink,
            12,
            [0x0c, 0x00, 0x1c, 0x00, 1, 2, 3, 4, 5, 6, 1, 14],
            MapLink {
                station: MacAddress([1, 2, 3, 4, 5, 6]),
                unmap: true,
                link: LinkId::MAX,
            }
        );
    }

    #[test]
    fn only_link_ids_1_to_14_can_be_mapped() {
        for link in [0, 15, 255] {
            let message = [0x0c, 0x00, 0x1c, 0x00, 1, 2, 3, 4, 5, 6, 0, link];
            assert_eq!(MapLink::parse(&message), Err(WireError::LinkId(link)));
        }
        let map = MapLink {
            station: MacAddress::default(),
            unmap: false,
            link: LinkId::BSS,
        };
        assert_eq!(
            map.emit(InterfaceId::Zero, &mut [0; 16]),
            Err(WireError::LinkId(0))
        );
    }

    #[test]
    fn beaconing_is_read_and_written() {
        let bytes = [0x08, 0x00, 0x18, 0x00, 1, 0, 0, 0];
        both_ways!(BeaconTransmit, 8, bytes, BeaconTransmit { enable: true });
    }

    #[test]
    fn finds_are_read_and_written() {
        both_ways!(StartFind, 4, [4, 0, 0x19, 0], StartFind);
        both_ways!(StopFind, 4, [4, 0, 0x1a, 0], StopFind);
        let status = Some(Status::Success);
        let bytes = [8, 0, 0x0b, 0x08, 0, 0, 0, 0];
        both_ways!(FindComplete, 4, bytes, FindComplete { status });
        both_ways!(
            FindComplete,
            4,
            [4, 0, 0x0b, 0x08],
            FindComplete { status: None }
        );
    }

    round_trips!(Start, Start::ID);
}
