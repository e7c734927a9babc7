//! Addresses of the device.
//!
//! * 0x0000 station id: 6 bytes MAC.
//! * 0x1001 ARP IPv4 table: u32 enable bits, 4 bytes address in network order.
//! * 0x1034 NDP table: u32 enable, 16 bytes IPv6 address.
//!
//! Source: file 21, sections 2.7, 3.1 and 3.3.

use super::prelude::*;
use core::net::{Ipv4Addr, Ipv6Addr};

/// MAC address of the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StationId(pub MacAddress);

impl StationId {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (address, _) = prefix::<MacAddress>(data)?;
        Ok(Self(*address))
    }
}

impl Mib for StationId {
    const ID: MibId = MibId::STATION_ID;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        emit_data(&self.0, out)
    }
}

impl fmt::Display for StationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the chip does about ARP by itself.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct ArpEnable {
    /// Requests for other addresses are dropped.
    pub filter: bool,
    /// Requests for the own address are answered with the ARP template.
    pub reply: bool,
    /// Not defined.
    #[bits(30)]
    __: u32,
}

impl ArpEnable {
    /// A station that dozes: 3.
    pub const STATION: Self = Self::new().with_filter(true).with_reply(true);
    /// An access point: 2.
    pub const ACCESS_POINT: Self = Self::new().with_reply(true);
    /// Nothing: 0.
    pub const OFF: Self = Self::new();
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ArpWire {
    enable: U32,
    address: [u8; 4],
}

const_assert_eq!(size_of::<ArpWire>(), 8);

/// ARP filter and reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArpIpv4Table {
    /// What the chip does.
    pub enable: ArpEnable,
    /// Own address.
    pub address: Ipv4Addr,
}

impl ArpIpv4Table {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = prefix::<ArpWire>(data)?;
        Ok(Self {
            enable: ArpEnable::from_bits(wire.enable.get()),
            address: Ipv4Addr::from(wire.address),
        })
    }
}

impl Mib for ArpIpv4Table {
    const ID: MibId = MibId::ARP_IPV4_TABLE;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = ArpWire {
            enable: U32::new(self.enable.into_bits()),
            address: self.address.octets(),
        };
        emit_data(&wire, out)
    }
}

impl fmt::Display for ArpIpv4Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "enable {:#x}, {}", self.enable.into_bits(), self.address)
    }
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct NdpWire {
    enable: U32,
    address: [u8; 16],
}

const_assert_eq!(size_of::<NdpWire>(), 20);

/// Neighbour discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NdpTable {
    /// Enable bits, meaning presumably as for ARP.
    pub enable: u32,
    /// Own address.
    pub address: Ipv6Addr,
}

impl NdpTable {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = prefix::<NdpWire>(data)?;
        Ok(Self {
            enable: wire.enable.get(),
            address: Ipv6Addr::from(wire.address),
        })
    }
}

impl Mib for NdpTable {
    const ID: MibId = MibId::NDP_TABLE;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = NdpWire {
            enable: U32::new(self.enable),
            address: self.address.octets(),
        };
        emit_data(&wire, out)
    }
}

impl fmt::Display for NdpTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "enable {:#x}, {}", self.enable, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mib::check::data_both_ways;

    #[test]
    fn addresses_are_read_and_written_in_the_order_of_the_air() {
        let mac = MacAddress([2, 0x11, 0x22, 0x33, 0x44, 0x55]);
        data_both_ways!(StationId, 6, mac.0, StationId(mac));
        data_both_ways!(
            ArpIpv4Table,
            8,
            [3, 0, 0, 0, 192, 168, 1, 7],
            ArpIpv4Table {
                enable: ArpEnable::STATION,
                address: Ipv4Addr::new(192, 168, 1, 7),
            }
        );
        data_both_ways!(
            NdpTable,
            20,
            [1, 0, 0, 0, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            NdpTable {
                enable: 1,
                address: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1),
            }
        );
    }
}
