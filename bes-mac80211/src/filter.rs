//! What the chip passes up, and what it was told of it.
//!
//! The messages are MIB 0x1003, 0x1004, 0x1005, 0x1026 and 0x0004, in this order, and only for a joined interface
//! (specification: file 31, section 5.2). What was sent is remembered per interface and forgotten when the chip forgets
//! it: at a reset and at a restart (C22).

use crate::request::{InterfaceKind, ReceiveFilter, MAX_GROUP_ADDRESSES};
use crate::types::MacAddress;

/// RX filter bits (file 21, section 2.9).
const PASS_OTHER_BSS: u32 = 1 << 1;
const PASS_FCS_ERRORS: u32 = 1 << 2;

/// Group addresses to receive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupFilter {
    addresses: [MacAddress; MAX_GROUP_ADDRESSES],
    count: u8,
}

impl GroupFilter {
    /// A filter for `addresses`. With more than eight the filter is off, and every group frame passes.
    pub(crate) fn new(addresses: &[MacAddress]) -> Self {
        let mut filter = Self::default();
        let Some(slots) = filter.addresses.get_mut(..addresses.len()) else {
            return filter;
        };
        slots.copy_from_slice(addresses);
        filter.count = u8::try_from(addresses.len()).unwrap_or(0);
        filter
    }

    /// The addresses; none means that the filter is off.
    pub(crate) fn addresses(&self) -> &[MacAddress] {
        self.addresses.get(..usize::from(self.count)).unwrap_or(&[])
    }
}

/// Beacon filter (MIB 0x1005): enable bits and beacon count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BeaconControl {
    pub(crate) enable: u32,
    pub(crate) count: u32,
}

impl BeaconControl {
    /// No beacon passes; the chip itself follows what changes in them.
    pub(crate) const FILTERED: Self = Self {
        enable: 7,
        count: 0,
    };
}

/// What an interface's chip-side filters are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FilterState {
    /// A beacon of the own BSS came since the join: beacons may be filtered again (file 30, section 5.6). Set once per
    /// join, not with every beacon (D21).
    pub(crate) beacon_seen: bool,
    /// What the chip was told.
    pub(crate) sent: Option<BeaconControl>,
}

impl ReceiveFilter {
    /// RX filter word (MIB 0x1003).
    pub(crate) fn rx_word(&self) -> u32 {
        let mut word = 0;
        if self.other_bss || self.probe_requests {
            word |= PASS_OTHER_BSS;
        }
        if self.fcs_errors {
            word |= PASS_FCS_ERRORS;
        }
        word
    }

    /// Whether the chip is to pass frames of other BSSs (MIB 0x1026).
    pub(crate) fn bssid_filter_off(&self, kind: InterfaceKind) -> bool {
        kind != InterfaceKind::Station || self.other_bss || self.probe_requests
    }

    /// Beacon filter (MIB 0x1005).
    pub(crate) fn beacon_control(&self, kind: InterfaceKind, beacon_seen: bool) -> BeaconControl {
        if !beacon_seen {
            return BeaconControl {
                enable: 0,
                count: 1,
            };
        }
        BeaconControl {
            enable: if kind == InterfaceKind::Station { 7 } else { 1 },
            count: u32::from(self.beacons || self.probe_requests),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_eight_groups_switch_the_filter_off() {
        let address = MacAddress([0x01, 0x00, 0x5E, 0, 0, 0xFB]);
        assert_eq!(GroupFilter::new(&[address; 8]).addresses().len(), 8);
        assert!(GroupFilter::new(&[address; 9]).addresses().is_empty());
    }

    #[test]
    fn beacons_pass_until_the_first_of_the_bss_was_seen() {
        let filter = ReceiveFilter::default();
        let control = |seen| filter.beacon_control(InterfaceKind::Station, seen);
        assert_eq!(
            control(false),
            BeaconControl {
                enable: 0,
                count: 1
            }
        );
        assert_eq!(
            control(true),
            BeaconControl {
                enable: 7,
                count: 0
            }
        );
        let beacons = ReceiveFilter {
            beacons: true,
            ..filter
        };
        let p2p = beacons.beacon_control(InterfaceKind::P2pClient, true);
        assert_eq!(
            p2p,
            BeaconControl {
                enable: 1,
                count: 1
            }
        );
    }

    #[test]
    fn a_station_filters_by_bssid_unless_others_are_wanted() {
        let filter = ReceiveFilter::default();
        assert_eq!(filter.rx_word(), 0);
        assert!(!filter.bssid_filter_off(InterfaceKind::Station));
        let curious = ReceiveFilter {
            probe_requests: true,
            fcs_errors: true,
            ..filter
        };
        assert_eq!(curious.rx_word(), 6);
        assert!(curious.bssid_filter_off(InterfaceKind::Station));
    }
}
