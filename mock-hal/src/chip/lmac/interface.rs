//! State of one of the three interfaces.

use super::ap::Ap;
use super::counters::Traffic;
use super::doze::Doze;
use super::filter::Filters;
use super::join::{Bss, RcpiWatch};
use super::power::PowerSave;
use crate::chip::wire::request::BssParameters;
use bes_hal::time::{earliest, Instant};
use core::time::Duration;

/// What an interface is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Nothing.
    Idle,
    /// A join was refused and no reset has followed (file 50, section 3, item 4).
    HalfJoined,
    /// Joined to a BSS.
    Joined {
        /// Its address.
        bssid: [u8; 6],
        /// Association id; 0 before the association.
        aid: u16,
        /// Its beacons are missing.
        lost: bool,
    },
    /// An access point or group owner.
    AccessPoint,
    /// Listening as a P2P device.
    Listening,
}

/// Role and what belongs to it.
#[derive(Clone, Debug, Default)]
pub(crate) enum Role {
    #[default]
    Idle,
    HalfJoined,
    Joined(Box<Bss>),
    AccessPoint(Box<Ap>),
    Listening,
}

/// State of one interface.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interface {
    pub(crate) role: Role,
    pub(crate) bss: BssParameters,
    pub(crate) filters: Filters,
    pub(crate) rcpi: RcpiWatch,
    pub(crate) power: PowerSave,
    pub(crate) doze: Doze,
    /// TIDs for which the chip may be originator of a block ack agreement.
    pub(crate) block_ack_tx: u8,
    /// TIDs for which the chip accepts one.
    pub(crate) block_ack_rx: u8,
    pub(crate) multi_confirm: bool,
    pub(crate) short_gi: bool,
    pub(crate) keep_alive: Duration,
    pub(crate) traffic: Traffic,
    /// When the last frame left, or the keep-alive was set.
    pub(crate) last_sent: Instant,
}

impl Interface {
    pub(crate) fn link(&self) -> LinkState {
        match &self.role {
            Role::Idle => LinkState::Idle,
            Role::HalfJoined => LinkState::HalfJoined,
            Role::Joined(bss) => LinkState::Joined {
                bssid: bss.bssid,
                aid: self.bss.aid,
                lost: bss.lost,
            },
            Role::AccessPoint(_) => LinkState::AccessPoint,
            Role::Listening => LinkState::Listening,
        }
    }

    pub(crate) const fn is_idle(&self) -> bool {
        matches!(self.role, Role::Idle)
    }

    /// The BSS the interface is joined to.
    pub(crate) fn joined(&self) -> Option<&Bss> {
        match &self.role {
            Role::Joined(bss) => Some(bss),
            _ => None,
        }
    }

    /// The BSS the interface is joined to, to be changed.
    pub(crate) fn joined_mut(&mut self) -> Option<&mut Bss> {
        match &mut self.role {
            Role::Joined(bss) => Some(bss),
            _ => None,
        }
    }

    /// When the keep-alive frame is due.
    pub(crate) fn keep_alive_due(&self) -> Option<Instant> {
        (self.keep_alive > Duration::ZERO && self.bss.aid != 0 && self.joined().is_some())
            .then(|| self.last_sent.after(self.keep_alive))
    }

    /// When something of this interface is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        let mut due = match &self.role {
            Role::Joined(bss) => bss.loss_due(self.bss.beacon_lost),
            Role::AccessPoint(ap) => Some(ap.due()),
            _ => return None,
        };
        due = earliest(due, self.keep_alive_due());
        earliest(due, self.power.due())
    }
}
