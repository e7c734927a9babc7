//! Which data frames wake a sleeping host.
//!
//! Every table is a header of 4 bytes, whose first byte counts the entries, and the entries:
//!
//! | id | header behind the count | entry |
//! |---|---|---|
//! | 0x101A ether type | u8 extension flags, 2×0 | u8 action, u8 0, u16 ether type |
//! | 0x101B UDP port | 3×0 | u8 action, u8 port type, u16 port |
//! | 0x101C magic | not a table: u8 action, u8 offset, u8 length, u8 0, pattern | |
//! | 0x1030 MAC | u8 action, 2×0 | u8 mode, u8 address mode, 6 MAC |
//! | 0x1031 IPv4 | u8 action, 2×0 | u8 mode, u8 address mode, 2×0, 4 address |
//! | 0x1032 IPv6 | u8 action, 2×0 | u8 mode, u8 address mode, 2×0, 16 address |
//!
//! Ether types and ports are little-endian, unlike on the air.
//!
//! Source: file 21, sections 2.21, 2.22 and 2.28 to 2.30; 0x101C: file 50, section 3, item 9.

use super::prelude::*;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct HeaderWire {
    count: u8,
    flags: u8,
    reserved: [u8; 2],
}

const_assert_eq!(size_of::<HeaderWire>(), 4);

/// Reads a table: what stands behind the count, and the entries.
fn parse_table<E>(data: &[u8]) -> Result<(u8, &[E]), WireError>
where
    E: FromBytes + Immutable + Unaligned,
{
    let (header, behind) = prefix::<HeaderWire>(data)?;
    let (entries, _) = array::<E>(behind, usize::from(header.count))?;
    Ok((header.flags, entries))
}

/// Writes a table.
fn emit_table<E>(flags: u8, entries: &[E], out: &mut [u8]) -> Result<usize, WireError>
where
    E: IntoBytes + Immutable,
{
    let mut writer = Writer::new(out);
    writer.put(&HeaderWire {
        count: u8::try_from(entries.len()).map_err(|_error| WireError::Count)?,
        flags,
        reserved: [0; 2],
    })?;
    writer.put(entries)?;
    Ok(writer.written())
}

open_enum! {
    /// What happens to a frame that matches.
    pub enum FilterAction: u8 {
        /// The filter is off.
        Ignore = 0 => "ignore",
        /// It is dropped.
        Drop = 1 => "drop",
        /// It is passed on.
        Pass = 2 => "pass",
    }
}

open_enum! {
    /// Which address of a frame is compared with a MAC address.
    pub enum MacField: u8 {
        /// None.
        None = 0 => "none",
        /// Address 1.
        A1 = 1 => "A1",
        /// Address 2.
        A2 = 2 => "A2",
        /// Address 3.
        A3 = 3 => "A3",
    }
}

open_enum! {
    /// What of a packet is compared.
    pub enum IpField: u8 {
        /// Source address.
        Source = 1 => "source",
        /// Destination address.
        Destination = 2 => "destination",
        /// It is a bare TCP acknowledgement.
        TcpAck = 3 => "TCP ACK",
    }
}

open_enum! {
    /// Which port is compared.
    pub enum PortField: u8 {
        /// Destination port.
        Destination = 0 => "destination",
        /// Source port.
        Source = 1 => "source",
    }
}

/// An ether type.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct EtherTypeEntry {
    action: u8,
    reserved: u8,
    ether_type: U16,
}

const_assert_eq!(size_of::<EtherTypeEntry>(), 4);

impl EtherTypeEntry {
    /// What to do with frames of `ether_type`.
    pub const fn new(action: FilterAction, ether_type: u16) -> Self {
        Self {
            action: action.raw(),
            reserved: 0,
            ether_type: U16::new(ether_type),
        }
    }
}

/// Data frames by ether type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EtherTypeFilter<'a> {
    /// Do not look into IPv6.
    pub skip_ipv6: bool,
    /// Entries, up to 4 as far as known.
    pub entries: &'a [EtherTypeEntry],
}

impl<'a> EtherTypeFilter<'a> {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`], [`WireError::Count`].
    pub fn parse_data(data: &'a [u8]) -> Result<Self, WireError> {
        let (flags, entries) = parse_table(data)?;
        Ok(Self {
            skip_ipv6: flags & 1 != 0,
            entries,
        })
    }
}

impl Mib for EtherTypeFilter<'_> {
    const ID: MibId = MibId::ETHER_TYPE_FILTER;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        emit_table(u8::from(self.skip_ipv6), self.entries, out)
    }
}

impl fmt::Display for EtherTypeFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ether types", self.entries.len())?;
        self.entries.iter().try_for_each(|entry| {
            let action = FilterAction::from_raw(entry.action);
            write!(f, ", {action} {:#06x}", entry.ether_type.get())
        })
    }
}

/// A UDP port.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct UdpPortEntry {
    action: u8,
    field: u8,
    port: U16,
}

const_assert_eq!(size_of::<UdpPortEntry>(), 4);

impl UdpPortEntry {
    /// What to do with packets of `port`.
    pub const fn new(action: FilterAction, field: PortField, port: u16) -> Self {
        Self {
            action: action.raw(),
            field: field.raw(),
            port: U16::new(port),
        }
    }
}

/// Data frames by UDP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpPortFilter<'a>(pub &'a [UdpPortEntry]);

impl<'a> UdpPortFilter<'a> {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`], [`WireError::Count`].
    pub fn parse_data(data: &'a [u8]) -> Result<Self, WireError> {
        parse_table(data).map(|(_, entries)| Self(entries))
    }
}

impl Mib for UdpPortFilter<'_> {
    const ID: MibId = MibId::UDP_PORT_FILTER;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        emit_table(0, self.0, out)
    }
}

impl fmt::Display for UdpPortFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ports", self.0.len())?;
        self.0.iter().try_for_each(|entry| {
            let action = FilterAction::from_raw(entry.action);
            let field = PortField::from_raw(entry.field);
            write!(f, ", {action} {field} {}", entry.port.get())
        })
    }
}

/// A MAC address.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct MacEntry {
    action: u8,
    field: u8,
    address: MacAddress,
}

const_assert_eq!(size_of::<MacEntry>(), 8);

impl MacEntry {
    /// What to do with frames of `address`.
    pub const fn new(action: FilterAction, field: MacField, address: MacAddress) -> Self {
        Self {
            action: action.raw(),
            field: field.raw(),
            address,
        }
    }
}

/// An IPv4 address.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Ipv4Entry {
    action: u8,
    field: u8,
    reserved: [u8; 2],
    address: [u8; 4],
}

const_assert_eq!(size_of::<Ipv4Entry>(), 8);

impl Ipv4Entry {
    /// What to do with packets of `address`.
    pub const fn new(action: FilterAction, field: IpField, address: [u8; 4]) -> Self {
        Self {
            action: action.raw(),
            field: field.raw(),
            reserved: [0; 2],
            address,
        }
    }
}

/// An IPv6 address.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Ipv6Entry {
    action: u8,
    field: u8,
    reserved: [u8; 2],
    address: [u8; 16],
}

const_assert_eq!(size_of::<Ipv6Entry>(), 20);

impl Ipv6Entry {
    /// What to do with packets of `address`.
    pub const fn new(action: FilterAction, field: IpField, address: [u8; 16]) -> Self {
        Self {
            action: action.raw(),
            field: field.raw(),
            reserved: [0; 2],
            address,
        }
    }
}

/// A table of addresses: an action for the whole, and entries.
macro_rules! address_filter {
    ($(#[$meta:meta])* $name:ident, $id:ident, $entry:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<'a> {
            /// Action of the whole table.
            pub action: FilterAction,
            /// Entries.
            pub entries: &'a [$entry],
        }

        impl<'a> $name<'a> {
            /// Reads the data.
            ///
            /// # Errors
            ///
            /// [`WireError::Truncated`], [`WireError::Count`].
            pub fn parse_data(data: &'a [u8]) -> Result<Self, WireError> {
                let (action, entries) = parse_table(data)?;
                Ok(Self { action: FilterAction::from_raw(action), entries })
            }
        }

        impl Mib for $name<'_> {
            const ID: MibId = MibId::$id;

            fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
                emit_table(self.action.raw(), self.entries, out)
            }
        }

        impl fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}, {} addresses", self.action, self.entries.len())
            }
        }
    };
}

address_filter!(
    /// Data frames by MAC address.
    MacAddressFilter,
    MAC_ADDRESS_FILTER,
    MacEntry
);

address_filter!(
    /// Data frames by IPv4 address.
    Ipv4AddressFilter,
    IPV4_ADDRESS_FILTER,
    Ipv4Entry
);

address_filter!(
    /// Data frames by IPv6 address.
    Ipv6AddressFilter,
    IPV6_ADDRESS_FILTER,
    Ipv6Entry
);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct MagicWire {
    action: u8,
    offset: u8,
    length: u8,
    reserved: u8,
}

const_assert_eq!(size_of::<MagicWire>(), 4);

/// One pattern at one place of a data frame. While it is armed, every data frame that does not have it is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MagicDataFilter<'a> {
    /// What happens to frames that have the pattern; [`FilterAction::Ignore`] disarms the filter.
    pub action: FilterAction,
    /// Where the pattern begins, in bytes from LLC/SNAP.
    pub offset: u8,
    /// The pattern, at most 255 bytes.
    pub pattern: &'a [u8],
}

impl<'a> MagicDataFilter<'a> {
    /// The filter disarmed.
    pub const OFF: Self = Self {
        action: FilterAction::Ignore,
        offset: 0,
        pattern: &[],
    };

    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`], [`WireError::Count`].
    pub fn parse_data(data: &'a [u8]) -> Result<Self, WireError> {
        let (header, behind) = prefix::<MagicWire>(data)?;
        let pattern = behind.get(..usize::from(header.length));
        Ok(Self {
            action: FilterAction::from_raw(header.action),
            offset: header.offset,
            pattern: pattern.ok_or(WireError::Count)?,
        })
    }
}

impl Mib for MagicDataFilter<'_> {
    const ID: MibId = MibId::MAGIC_DATA_FILTER;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let mut writer = Writer::new(out);
        writer.put(&MagicWire {
            action: self.action.raw(),
            offset: self.offset,
            length: u8::try_from(self.pattern.len()).map_err(|_error| WireError::Count)?,
            reserved: 0,
        })?;
        writer.put(self.pattern)?;
        Ok(writer.written())
    }
}

impl fmt::Display for MagicDataFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {} bytes at {}",
            self.action,
            self.pattern.len(),
            self.offset
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mib::check::{data_both_ways, data_round_trips};

    #[test]
    fn the_ether_types_of_a_suspended_host_are_read_and_written() {
        data_both_ways!(
            EtherTypeFilter<'_>,
            4,
            [
                0x03, 0x01, 0x00, 0x00, 0x02, 0x00, 0x8e, 0x88, 0x02, 0x00, 0xb4, 0x88, 0x01, 0x00,
                0xff, 0xff
            ],
            EtherTypeFilter {
                skip_ipv6: true,
                entries: &[
                    EtherTypeEntry::new(FilterAction::Pass, 0x888e),
                    EtherTypeEntry::new(FilterAction::Pass, 0x88b4),
                    EtherTypeEntry::new(FilterAction::Drop, 0xffff),
                ],
            }
        );
    }

    #[test]
    fn the_ports_of_a_suspended_host_are_read_and_written() {
        let drop = |port| UdpPortEntry::new(FilterAction::Drop, PortField::Destination, port);
        let entries = [drop(67), drop(1900), drop(5353)];
        data_both_ways!(
            UdpPortFilter<'_>,
            4,
            [
                0x03, 0x00, 0x00, 0x00, 0x01, 0x00, 0x43, 0x00, 0x01, 0x00, 0x6c, 0x07, 0x01, 0x00,
                0xe9, 0x14
            ],
            UdpPortFilter(&entries)
        );
        data_both_ways!(UdpPortFilter<'_>, 4, [0; 4], UdpPortFilter(&[]));
        assert_eq!(
            UdpPortFilter(&entries[..1]).to_string(),
            "1 ports, drop destination 67"
        );
    }

    #[test]
    fn address_tables_are_read_and_written() {
        data_both_ways!(
            MacAddressFilter<'_>,
            4,
            [1, 1, 0, 0, 1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            MacAddressFilter {
                action: FilterAction::Drop,
                entries: &[MacEntry::new(
                    FilterAction::Drop,
                    MacField::A1,
                    MacAddress([0xff; 6])
                )],
            }
        );
        data_both_ways!(
            Ipv4AddressFilter<'_>,
            4,
            [1, 1, 0, 0, 1, 3, 0, 0, 0, 0, 0, 0],
            Ipv4AddressFilter {
                action: FilterAction::Drop,
                entries: &[Ipv4Entry::new(FilterAction::Drop, IpField::TcpAck, [0; 4])],
            }
        );
        let address = [
            0x01, 0x28, 0x35, 0xde, 0xbf, 0x34, 0x9d, 0x8a, 0x47, 0x62, 0x85, 0x69, 0x7e, 0x8c,
            0x29, 0x38,
        ];
        let bytes = [&[1, 2, 0, 0, 2, 2, 0, 0][..], &address].concat();
        data_both_ways!(
            Ipv6AddressFilter<'_>,
            4,
            bytes.clone(),
            Ipv6AddressFilter {
                action: FilterAction::Pass,
                entries: &[Ipv6Entry::new(
                    FilterAction::Pass,
                    IpField::Destination,
                    address
                )],
            }
        );
    }

    #[test]
    fn a_magic_pattern_is_read_and_written() {
        data_both_ways!(
            MagicDataFilter<'_>,
            4,
            [2, 36, 3, 0, 0xff, 0xff, 0x02],
            MagicDataFilter {
                action: FilterAction::Pass,
                offset: 36,
                pattern: &[0xff, 0xff, 0x02],
            }
        );
        data_both_ways!(MagicDataFilter<'_>, 4, [0; 4], MagicDataFilter::OFF);
        assert_eq!(
            MagicDataFilter::parse_data(&[2, 0, 3, 0, 1, 2]),
            Err(WireError::Count)
        );
        let mut out = [0; 300];
        let long = MagicDataFilter {
            pattern: &[0; 256],
            ..MagicDataFilter::OFF
        };
        assert_eq!(long.emit_data(&mut out), Err(WireError::Count));
    }

    #[test]
    fn a_table_with_fewer_entries_than_it_says_is_refused() {
        let data = [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert!(UdpPortFilter::parse_data(&data).is_ok());
        assert_eq!(MacAddressFilter::parse_data(&data), Err(WireError::Count));
        assert_eq!(Ipv6AddressFilter::parse_data(&data), Err(WireError::Count));
    }

    data_round_trips!(random_ether_types_are_no_danger, EtherTypeFilter<'_>);
    data_round_trips!(random_addresses_are_no_danger, Ipv6AddressFilter<'_>);
}
