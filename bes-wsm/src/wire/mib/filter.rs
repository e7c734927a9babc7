//! What to receive from the air.
//!
//! * 0x0004 group address table, always 56 bytes: u32 enable, u32 count, 8 addresses.
//! * 0x1003 RX filter: u32 of bits.
//! * 0x1026 disable BSSID filter: u8, 3 bytes 0.
//!
//! Source: file 21, sections 2.2, 2.9 and 2.27.

use super::prelude::*;

/// Most multicast addresses.
pub const MAX_GROUP_ADDRESSES: usize = 8;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct GroupWire {
    enable: U32,
    count: U32,
    addresses: [MacAddress; MAX_GROUP_ADDRESSES],
}

const_assert_eq!(size_of::<GroupWire>(), 56);

closed_enum! {
    /// When multicast is filtered.
    pub enum GroupFilter: u32 {
        /// Never: everything is received.
        Off = 0 => "off",
        /// Always.
        On = 1 => "on",
        /// While the host is suspended.
        WhileSuspended = 2 => "while suspended",
    }
}

/// The multicast addresses to receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupAddressTable {
    filter: GroupFilter,
    addresses: [MacAddress; MAX_GROUP_ADDRESSES],
    count: usize,
}

impl GroupAddressTable {
    /// Receives all multicast.
    pub const OFF: Self = Self {
        filter: GroupFilter::Off,
        addresses: [MacAddress([0; 6]); MAX_GROUP_ADDRESSES],
        count: 0,
    };

    /// A table.
    ///
    /// # Errors
    ///
    /// [`WireError::Count`] above 8 addresses: then receive everything ([`OFF`](Self::OFF)).
    pub fn new(filter: GroupFilter, addresses: &[MacAddress]) -> Result<Self, WireError> {
        let mut table = Self::OFF;
        table
            .addresses
            .get_mut(..addresses.len())
            .ok_or(WireError::Count)?
            .copy_from_slice(addresses);
        Ok(Self {
            filter,
            count: addresses.len(),
            ..table
        })
    }

    /// When it is used.
    pub const fn filter(&self) -> GroupFilter {
        self.filter
    }

    /// The addresses.
    pub fn addresses(&self) -> &[MacAddress] {
        self.addresses.get(..self.count).unwrap_or(&[])
    }

    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`], [`WireError::Count`], [`WireError::Value`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = prefix::<GroupWire>(data)?;
        let count = usize::try_from(wire.count.get()).map_err(|_error| WireError::Count)?;
        let addresses = wire.addresses.get(..count).ok_or(WireError::Count)?;
        Self::new(GroupFilter::from_raw(wire.enable.get())?, addresses)
    }
}

impl Mib for GroupAddressTable {
    const ID: MibId = MibId::GROUP_ADDRESS_TABLE;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = GroupWire {
            enable: U32::new(self.filter.raw()),
            count: U32::new(u32::try_from(self.count).map_err(|_error| WireError::Count)?),
            addresses: self.addresses,
        };
        emit_data(&wire, out)
    }
}

impl fmt::Display for GroupAddressTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.filter)?;
        self.addresses()
            .iter()
            .try_for_each(|address| write!(f, " {address}"))
    }
}

/// Which frames reach the host.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct RxFilter {
    /// Frames for others.
    pub promiscuous: bool,
    /// Frames of other BSSs.
    pub other_bss: bool,
    /// Frames with a wrong checksum.
    pub fcs_errors: bool,
    /// The host answers probe requests.
    pub probe_responder: bool,
    /// Keep-alive filter of an access point whose host is suspended.
    pub keep_alive: bool,
    /// Not defined.
    #[bits(27)]
    __: u32,
}

impl RxFilter {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (word, _) = prefix::<U32>(data)?;
        Ok(Self::from_bits(word.get()))
    }
}

impl Mib for RxFilter {
    const ID: MibId = MibId::RX_FILTER;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        emit_data(&U32::new(self.into_bits()), out)
    }
}

impl fmt::Display for RxFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.into_bits())
    }
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct BssidWire {
    disabled: u8,
    reserved: [u8; 3],
}

const_assert_eq!(size_of::<BssidWire>(), 4);

/// Receive frames whatever their BSSID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DisableBssidFilter(pub bool);

impl DisableBssidFilter {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = prefix::<BssidWire>(data)?;
        Ok(Self(wire.disabled != 0))
    }
}

impl Mib for DisableBssidFilter {
    const ID: MibId = MibId::DISABLE_BSSID_FILTER;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = BssidWire {
            disabled: u8::from(self.0),
            reserved: [0; 3],
        };
        emit_data(&wire, out)
    }
}

impl fmt::Display for DisableBssidFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "any BSSID" } else { "own BSSID" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mib::check::{data_both_ways, data_round_trips};

    const ALL_HOSTS: MacAddress = MacAddress([1, 0, 0x5e, 0, 0, 1]);

    #[test]
    fn the_group_table_always_has_its_full_size() {
        let mut bytes = vec![1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0x5e, 0, 0, 1];
        bytes.resize(56, 0);
        data_both_ways!(
            GroupAddressTable,
            56,
            bytes.clone(),
            GroupAddressTable::new(GroupFilter::On, &[ALL_HOSTS]).unwrap()
        );
        data_both_ways!(GroupAddressTable, 56, [0; 56], GroupAddressTable::OFF);
    }

    #[test]
    fn more_addresses_than_there_are_places_are_refused() {
        let nine = [ALL_HOSTS; 9];
        assert!(GroupAddressTable::new(GroupFilter::On, &nine[..8]).is_ok());
        assert_eq!(
            GroupAddressTable::new(GroupFilter::On, &nine),
            Err(WireError::Count)
        );
        let mut bytes = [0; 56];
        bytes[4] = 9;
        assert_eq!(GroupAddressTable::parse_data(&bytes), Err(WireError::Count));
        bytes[4] = 0;
        bytes[0] = 3;
        assert_eq!(GroupAddressTable::parse_data(&bytes), Err(WireError::Value));
    }

    #[test]
    fn filters_are_read_and_written() {
        data_both_ways!(
            RxFilter,
            4,
            [2, 0, 0, 0],
            RxFilter::new().with_other_bss(true)
        );
        assert_eq!(RxFilter::new().with_keep_alive(true).into_bits(), 0x10);
        data_both_ways!(
            DisableBssidFilter,
            4,
            [1, 0, 0, 0],
            DisableBssidFilter(true)
        );
    }

    data_round_trips!(random_tables_are_no_danger, GroupAddressTable);
}
