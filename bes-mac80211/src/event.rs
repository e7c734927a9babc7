//! What the device tells the stack above, frames apart.

use crate::error::RequestError;
use crate::recovery::Rung;
use crate::request::{Response, Token};
use crate::types::{AccessCategory, Dbm, LinkId, MacAddress};
use bes_pm::psm::Mode;
use bes_wsm::recovery::RecoveryReason;
use bes_wsm::wire::{InterfaceId, Status};

/// Why a connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LossReason {
    /// Beacons stopped, and the access point did not answer (file 31, section 12.1).
    Beacons,
    /// The chip refused to join; it was reset (file 50, section 3.4).
    JoinRefused,
    /// No association followed the join in time (file 31, section 8.2).
    JoinTimeout,
    /// The host suspended in the middle of the attempt.
    Suspended,
    /// The access point moved to a channel that the chip refuses.
    ChannelSwitch,
    /// The interface was reset, because the chip did not do what it had to (file 50, section 7).
    Reset,
}

/// Why power save is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PowerSaveFault {
    /// The access point does not do it well. It stays off for this association (file 40, section 2.4).
    AccessPoint,
    /// The chip does not say that this mode has begun (file 50, section 3, item 7). It is not asked for again before the
    /// chip is started anew.
    Unanswered(Mode),
}

/// Which way the signal crossed its threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignalLevel {
    /// At or below the threshold.
    Low,
    /// Above it.
    High,
}

/// Something the stack should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The firmware runs.
    Booted,
    /// A request is done.
    Completed {
        /// Which.
        token: Token,
        /// How it went.
        result: Result<Response, RequestError>,
    },
    /// A scan is over. Every frame it received has been delivered before.
    ScanCompleted {
        /// Interface that asked.
        interface: InterfaceId,
        /// It did not run to its end. What was found is good all the same.
        aborted: bool,
        /// Channels that the chip refused, or that were left out because it refused them before.
        refused_channels: u8,
    },
    /// The interface joined a BSS.
    Joined {
        /// Interface.
        interface: InterfaceId,
        /// The BSS.
        bssid: MacAddress,
    },
    /// The chip refused to join. It was reset; [`Event::ConnectionLost`] follows.
    JoinRefused {
        /// Interface.
        interface: InterfaceId,
        /// The BSS.
        bssid: MacAddress,
        /// What the chip said.
        status: Status,
    },
    /// The connection is lost; nothing was sent to end it.
    ConnectionLost {
        /// Interface.
        interface: InterfaceId,
        /// Why.
        reason: LossReason,
    },
    /// No more frames of this category, please.
    QueueStop {
        /// Interface.
        interface: InterfaceId,
        /// Category.
        access_category: AccessCategory,
    },
    /// There is room again.
    QueueWake {
        /// Interface.
        interface: InterfaceId,
        /// Category.
        access_category: AccessCategory,
    },
    /// The signal crossed its threshold.
    Signal {
        /// Interface.
        interface: InterfaceId,
        /// Which way.
        level: SignalLevel,
        /// What it is now.
        signal: Dbm,
    },
    /// Power save, or one mode of it, is not used any more.
    PowerSaveUnsupported {
        /// Interface.
        interface: InterfaceId,
        /// Why, and for how long.
        fault: PowerSaveFault,
    },
    /// A station of an access point was silent for too long.
    StationInactive {
        /// Interface.
        interface: InterfaceId,
        /// The station.
        link: LinkId,
    },
    /// Something failed, and this is done about it (file 50, section 7). Told once per rung and incident.
    Recovering {
        /// What is done.
        rung: Rung,
        /// What failed.
        reason: RecoveryReason,
    },
    /// The card is about to be reset, or was: Bluetooth on the same chip is gone, or may come back.
    CardReset {
        /// It is over, and the firmware runs again.
        done: bool,
        /// Bluetooth is on at this moment: before the reset, or again after it.
        bluetooth: bool,
    },
    /// The chip has forgotten everything and runs again: interfaces, keys and associations are to be made anew, as after
    /// [`Request::Start`](crate::request::Request::Start). Linux: `ieee80211_restart_hw`.
    ChipRestarted,
    /// The ladder is at its end. Every frame and request has been given back, and the bus is left alone;
    /// [`Request::Boot`](crate::request::Request::Boot) starts anew.
    RecoveryNeeded(RecoveryReason),
}
