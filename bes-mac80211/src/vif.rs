//! One interface: what it is, where it is joined, and what it still has to do.

use crate::address::derived;
use crate::beacon_loss::BeaconLoss;
use crate::edca::EdcaSet;
use crate::filter::FilterState;
use crate::neighbour::NeighbourOffload;
use crate::power::WakeFilters;
use crate::request::{AssociationParameters, BssDescription, CqmThreshold, InterfaceKind};
use crate::types::{Channel, Cipher, MacAddress};
use bes_hal::time::earliest;
use bes_hal::{Duration, Instant};
use bes_pm::psm::{Mode, PmRequest, PowerSave, Support};
use bes_wsm::wire::InterfaceId;

/// Where an interface stands (specification: file 31, section 14.1).
///
/// | from | event | to |
/// |---|---|---|
/// | idle | join starts | joining |
/// | joining | JOIN accepted | joined |
/// | joining | JOIN refused, after the reset | idle |
/// | joined | associated | associated |
/// | joined | no association in time | leaving |
/// | joined, associated | unjoin starts | leaving |
/// | leaving | reset done | idle |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    /// Not joined.
    #[default]
    Idle,
    /// The messages of a join are under way. Its frames wait.
    Joining {
        /// The BSS.
        bssid: MacAddress,
    },
    /// The chip is joined; authentication and association are the stack's.
    Joined {
        /// The BSS.
        bssid: MacAddress,
        /// When the attempt is given up.
        until: Instant,
    },
    /// Associated.
    Associated {
        /// The BSS.
        bssid: MacAddress,
    },
    /// The messages of an unjoin are under way.
    Leaving {
        /// The BSS.
        bssid: MacAddress,
    },
}

impl Connection {
    /// The BSS that the chip is joined to.
    pub const fn joined_bssid(&self) -> Option<MacAddress> {
        match *self {
            Self::Joined { bssid, .. } | Self::Associated { bssid } | Self::Leaving { bssid } => {
                Some(bssid)
            }
            Self::Idle | Self::Joining { .. } => None,
        }
    }

    /// Whether the chip is joined and stays so.
    pub const fn is_joined(&self) -> bool {
        matches!(self, Self::Joined { .. } | Self::Associated { .. })
    }

    /// Whether the association stands.
    pub const fn is_associated(&self) -> bool {
        matches!(self, Self::Associated { .. })
    }
}

/// Work of an interface that is due but not begun. Flags, so that nothing can overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// An authentication frame waits for this join.
    pub(crate) join: Option<BssDescription>,
    /// Leave the BSS.
    pub(crate) unjoin: bool,
    /// Write the filters again.
    pub(crate) filters: bool,
    /// Tell the chip the changed DTIM period.
    pub(crate) wake_period: bool,
    /// A frame waits for this WEP default key.
    pub(crate) wep_key: Option<u8>,
    /// Tell the chip to stay awake: it dozes although nobody wanted it to.
    pub(crate) awake: bool,
}

impl Work {
    /// Whether anything is due.
    pub(crate) const fn is_due(&self) -> bool {
        self.join.is_some()
            || self.unjoin
            || self.filters
            || self.wake_period
            || self.wep_key.is_some()
            || self.awake
    }
}

/// An interface.
#[derive(Clone, Debug)]
pub struct Vif {
    /// Its id.
    pub id: InterfaceId,
    /// What it is.
    pub kind: InterfaceKind,
    /// Its address.
    pub address: MacAddress,
    /// Where it stands.
    pub connection: Connection,
    /// What is known of the BSS that may be joined next, or is joined.
    pub known_bss: Option<BssDescription>,
    /// Channel of the BSS it is joined to.
    pub home: Option<Channel>,
    /// What was agreed at association.
    pub association: Option<AssociationParameters>,
    /// Channel access.
    pub edca: EdcaSet,
    /// Signal threshold.
    pub cqm: Option<CqmThreshold>,
    /// The one IPv4 address, if there is exactly one.
    pub arp_address: Option<[u8; 4]>,
    /// What becomes of neighbour solicitations while the host sleeps.
    pub neighbours: NeighbourOffload,
    /// The chip may be answering them.
    pub(crate) neighbours_armed: bool,
    /// Cipher of the pairwise key.
    pub cipher: Option<Cipher>,
    /// The stack protects data itself, with a cipher that the chip does not know: the chip gets no data key at all.
    pub software_cipher: bool,
    /// The pairwise key was taken away and a new one is due: frames wait for it, until then at the latest.
    pub(crate) rekey: Option<Instant>,
    /// WEP default key that the chip uses.
    pub wep_key: Option<u8>,
    /// DTIM period in beacons; 0 if not known.
    pub dtim_period: u8,
    /// 802.11 power save.
    pub power_save: PowerSave,
    /// The association waits for an IP address, until then at the latest.
    pub awaits_address: Option<Instant>,
    /// The procedure after beacons stopped.
    pub beacon_loss: BeaconLoss,
    /// Filters that the chip was told.
    pub(crate) filters: FilterState,
    /// Filters of a suspended host that the chip may have.
    pub(crate) wake_filters: WakeFilters,
    pub(crate) work: Work,
}

impl Vif {
    /// A new interface, joined to nothing.
    pub(crate) fn new(id: InterfaceId, kind: InterfaceKind, address: MacAddress) -> Self {
        Self {
            id,
            kind,
            address,
            connection: Connection::Idle,
            known_bss: None,
            home: None,
            association: None,
            edca: EdcaSet::default(),
            cqm: None,
            arp_address: None,
            neighbours: NeighbourOffload::NoAddress,
            neighbours_armed: false,
            cipher: None,
            software_cipher: false,
            rekey: None,
            wep_key: None,
            dtim_period: 0,
            power_save: PowerSave::default(),
            awaits_address: None,
            beacon_loss: BeaconLoss::default(),
            filters: FilterState::default(),
            wake_filters: WakeFilters::default(),
            work: Work::default(),
        }
    }

    /// Whether the interface is the generic one (interface 2), which is configured with nothing.
    pub const fn is_generic(&self) -> bool {
        matches!(self.id, InterfaceId::Two)
    }

    /// Whether filters of a suspended host may be armed in the chip. Never while the host runs.
    pub const fn has_wake_filters(&self) -> bool {
        !self.wake_filters.is_empty()
    }

    /// Forgets everything of the last connection.
    pub(crate) fn forget_connection(&mut self) {
        self.connection = Connection::Idle;
        self.home = None;
        self.association = None;
        self.dtim_period = 0;
        self.wep_key = None;
        self.software_cipher = false;
        self.rekey = None;
        self.power_save.handle_unjoin();
        self.awaits_address = None;
        self.beacon_loss.reset();
        self.filters = FilterState::default();
        self.work.unjoin = false;
        self.work.filters = false;
        self.work.wake_period = false;
        self.work.wep_key = None;
        self.work.awake = false;
    }

    /// The host was suspended for so long: what was to happen at a time happens as much later (file 40, section 5.4).
    pub(crate) fn postpone(&mut self, by: Duration) {
        if let Some(until) = &mut self.awaits_address {
            *until = until.after(by);
        }
        self.beacon_loss.postpone(by);
    }

    /// The power-save request to send now: once the association stands and has its address, or has waited for it long
    /// enough; at once for a host that suspends.
    pub(crate) fn power_save_due(&self, support: &Support, now: Instant) -> Option<PmRequest> {
        if !self.connection.is_associated() {
            return None;
        }
        let request = self.power_save.request(support, now)?;
        let settling = self.awaits_address.is_some_and(|until| now < until);
        let may_wait = request.mode != Mode::Active && !self.power_save.host_sleeps();
        (!settling || !may_wait).then_some(request)
    }

    /// When something about power save is due.
    pub(crate) fn power_save_deadline(&self, support: &Support, now: Instant) -> Option<Instant> {
        if !self.connection.is_associated() {
            return None;
        }
        let address = self.awaits_address.filter(|until| now < *until);
        earliest(self.power_save.next_deadline(support, now), address)
    }

    /// How many DTIM periods the chip may sleep from beacon to beacon: one if that is more than about a second (file
    /// 21, section 2.13).
    pub(crate) fn wake_periods(&self) -> u8 {
        let interval = self
            .association
            .map_or(100, |association| association.beacon_interval);
        let dtim = self.dtim_period.max(1);
        if u32::from(interval).saturating_mul(u32::from(dtim)) > 1000 {
            1
        } else {
            dtim
        }
    }
}

/// Which interface id an address gets: the three addresses of a device have one each (file 30, section 2).
pub(crate) fn interface_for(permanent: MacAddress, address: MacAddress) -> Option<InterfaceId> {
    let ids = [InterfaceId::Zero, InterfaceId::Two, InterfaceId::One];
    derived(permanent)
        .iter()
        .zip(ids)
        .find(|(own, _)| **own == address)
        .map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_decides_the_interface() {
        let permanent = MacAddress([2, 0, 0, 0, 0x10, 0xFF]);
        let id = |bytes| interface_for(permanent, MacAddress(bytes));
        assert_eq!(id([2, 0, 0, 0, 0x10, 0xFF]), Some(InterfaceId::Zero));
        assert_eq!(id([2, 0, 0, 0, 0x10, 0x00]), Some(InterfaceId::Two));
        assert_eq!(id([2, 0, 0, 0, 0x90, 0x00]), Some(InterfaceId::One));
        assert_eq!(id([2, 0, 0, 0, 0x11, 0xFF]), None);
    }

    #[test]
    fn the_chip_never_sleeps_longer_than_about_a_second_between_beacons() {
        let mut vif = Vif::new(
            InterfaceId::Zero,
            InterfaceKind::Station,
            MacAddress([2; 6]),
        );
        assert_eq!(vif.wake_periods(), 1);
        vif.dtim_period = 3;
        assert_eq!(vif.wake_periods(), 3);
        vif.dtim_period = 11;
        assert_eq!(vif.wake_periods(), 1);
    }
}
