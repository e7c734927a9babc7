//! What the stack above asks of the device.

use crate::edca::EdcaParameters;
use crate::key::{KeyParameters, KeySlot};
use crate::recovery::Rung;
use crate::types::{AccessCategory, Channel, ChannelType, Dbm, MacAddress};
use crate::wake::{Armed, WakeTriggers, WakeUp};
use bes_hal::Duration;
use bes_wsm::wire::mib::counters::Counters;
use bes_wsm::wire::{InterfaceId, RateMask};

/// Names a request; comes back with its result. The caller chooses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Token(pub u32);

/// Most SSIDs in a scan (specification: file 20, section 4.4).
pub const MAX_SCAN_SSIDS: usize = 2;
/// Most channels in a scan: every channel of both bands, and room to spare.
pub const MAX_SCAN_CHANNELS: usize = 64;
/// Most bytes of information elements in the probe requests of a scan. A template has to fit into one message of
/// 1628 bytes (file 20, section 1) with its 12 bytes of headers, the MAC header and an empty SSID element.
pub const MAX_SCAN_ELEMENTS: usize = 1590;
/// Most subscribed group addresses; beyond it the filter is off and every group frame passes (file 20, section 4.4).
pub const MAX_GROUP_ADDRESSES: usize = 8;

/// An SSID: up to 32 bytes, not necessarily text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ssid {
    bytes: [u8; 32],
    len: u8,
}

impl Ssid {
    /// `bytes` if there are at most 32.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut ssid = Self::default();
        ssid.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        ssid.len = u8::try_from(bytes.len()).ok()?;
        Some(ssid)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

/// What an interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InterfaceKind {
    /// A station.
    Station,
    /// The client of a P2P group: a station that joins a group owner.
    P2pClient,
    /// The P2P device: listens and sends management frames, joins nothing.
    P2pDevice,
}

/// One channel of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanChannel {
    /// The channel.
    pub channel: Channel,
    /// Nothing may be sent on it before a beacon was heard (`NO_IR`): it is scanned passively.
    pub passive: bool,
    /// Most power that may be used on it.
    pub max_power: Dbm,
}

/// A scan, as the stack wants it.
#[derive(Clone, Copy, Debug)]
pub struct ScanRequest<'a> {
    /// Channels, in the order wanted; at most [`MAX_SCAN_CHANNELS`].
    pub channels: &'a [ScanChannel],
    /// Networks to probe for; at most [`MAX_SCAN_SSIDS`]. None, or one empty SSID, probes for any.
    pub ssids: &'a [Ssid],
    /// Information elements for the probe requests, behind the SSID; at most [`MAX_SCAN_ELEMENTS`] bytes.
    pub elements: &'a [u8],
    /// Do not send at CCK rates.
    pub no_cck: bool,
    /// Address in the probe requests instead of the interface's own, so that nobody can follow a station by it. Only
    /// while the interface is joined to nothing; it is left alone otherwise.
    pub source: Option<MacAddress>,
}

/// What is known of a BSS before it is joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BssDescription {
    /// Its address.
    pub bssid: MacAddress,
    /// Its name; empty if it hides it.
    pub ssid: Ssid,
    /// Its channel.
    pub channel: Channel,
    /// Beacon interval in TU (1024 µs).
    pub beacon_interval: u16,
    /// DTIM period in beacons, 0 if not known.
    pub dtim_period: u8,
}

/// Parameters of a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinParameters {
    /// The BSS.
    pub bss: BssDescription,
}

/// What an access point can do with HT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HtParameters {
    /// MCS 0 to 7 that it receives, one bit each.
    pub mcs: u8,
    /// Minimum start spacing of MPDUs, 0 to 7.
    pub ampdu_density: u8,
    /// It receives greenfield frames, and the network allows them.
    pub greenfield: bool,
    /// It receives short guard intervals in the width of [`AssociationParameters::channel_type`].
    pub short_gi: bool,
    /// Stations that cannot do greenfield are present.
    pub non_greenfield_present: bool,
}

/// What was agreed with the access point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssociationParameters {
    /// Association id, 1 to 2007.
    pub aid: u16,
    /// Beacon interval in TU.
    pub beacon_interval: u16,
    /// DTIM period in beacons, 0 if still unknown.
    pub dtim_period: u8,
    /// Legacy rates of the peer; [`RateMask::ANY`] if it is not known.
    pub rates: RateMask,
    /// Rates that every member can do.
    pub basic_rates: RateMask,
    /// HT of the peer, or none.
    pub ht: Option<HtParameters>,
    /// Width of the channel.
    pub channel_type: ChannelType,
    /// Short preambles are allowed.
    pub short_preamble: bool,
    /// Short slots (9 µs) are used.
    pub short_slot: bool,
    /// The association uses QoS.
    pub qos: bool,
    /// Management frames are protected.
    pub protected_management: bool,
}

/// Signal threshold for connection quality monitoring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CqmThreshold {
    /// Report when the signal falls to this.
    pub threshold: Dbm,
    /// Report when it rises this many dB above.
    pub hysteresis: u8,
}

/// What the stack wants to receive beyond its own frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiveFilter {
    /// Frames of other BSSs.
    pub other_bss: bool,
    /// Frames with a wrong check sequence.
    pub fcs_errors: bool,
    /// Beacons and probe responses.
    pub beacons: bool,
    /// Probe requests.
    pub probe_requests: bool,
}

/// Power save, as the stack wants it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PowerSaveParameters {
    /// Doze between beacons.
    pub enabled: bool,
    /// Stay awake this long after the last frame; zero for legacy power save.
    pub dynamic_timeout: Duration,
}

/// Something the stack asks for. The result comes as [`Event::Completed`](crate::event::Event::Completed).
///
/// Requests that end something ([`Stop`](Self::Stop), [`PowerOff`](Self::PowerOff), [`Unjoin`](Self::Unjoin),
/// [`Disassociated`](Self::Disassociated), [`RemoveInterface`](Self::RemoveInterface)) are answered within a second whatever
/// the chip does: with [`RequestError::TimedOut`](crate::error::RequestError::TimedOut) if it did not answer by then. They go
/// on all the same.
#[derive(Clone, Copy, Debug)]
pub enum Request<'a> {
    /// Power on and boot the firmware; from "needs recovery" too, which it ends: interfaces, keys and everything else
    /// the chip knew are gone afterwards. Done at once if the firmware runs.
    Boot,
    /// Switch Wi-Fi on and configure it.
    Start,
    /// Send what is queued (half a second at most) and switch Wi-Fi off.
    Stop,
    /// Switch everything off.
    PowerOff,
    /// A new interface. Answered with [`Response::Interface`].
    AddInterface {
        /// What it is.
        kind: InterfaceKind,
        /// Its address. One of the three addresses of the device decides the interface id; another one is given
        /// to the chip.
        address: MacAddress,
    },
    /// Takes an interface away: unjoins, and returns its frames.
    RemoveInterface(InterfaceId),
    /// Starts a scan. Completed when it runs; its end is [`Event::ScanCompleted`](crate::event::Event::ScanCompleted).
    Scan(InterfaceId, &'a ScanRequest<'a>),
    /// Ends the scan. Completed after its end was told.
    CancelScan,
    /// Tells what is known of a BSS, so that an authentication frame to it triggers the join.
    BssKnown(InterfaceId, BssDescription),
    /// Joins a BSS, leaving the present one first.
    Join(InterfaceId, JoinParameters),
    /// Leaves the BSS.
    Unjoin(InterfaceId),
    /// The association stands.
    Associated(InterfaceId, AssociationParameters),
    /// The association is over. Leaves the BSS if that has not happened yet.
    Disassociated(InterfaceId),
    /// Installs a key. Answered with [`Response::Key`].
    SetKey(InterfaceId, KeyParameters),
    /// Removes a key. A pairwise key of an association goes when the frames under it have left; later ones wait for the
    /// key that replaces it, for a second at most.
    RemoveKey(KeySlot),
    /// The stack protects the data of this connection itself, with a cipher that the chip does not know. The chip is told
    /// nothing and passes the frames through as they are; other data keys are left to the stack as well, because a chip
    /// with any key refuses protected frames it has none for.
    KeyInSoftware(InterfaceId),
    /// Channel access of one category.
    ConfigureTx(InterfaceId, AccessCategory, EdcaParameters),
    /// What to receive.
    ConfigureFilter(ReceiveFilter),
    /// Group addresses to receive; more than [`MAX_GROUP_ADDRESSES`] receive all.
    Multicast(&'a [MacAddress]),
    /// Transmit power.
    TxPower(Dbm),
    /// RTS for frames longer than this many bytes; `None` for never.
    RtsThreshold(Option<u16>),
    /// Attempts per frame.
    RetryLimits {
        /// For short frames.
        short: u8,
        /// For long frames.
        long: u8,
    },
    /// 802.11 power save.
    PowerSave(InterfaceId, PowerSaveParameters),
    /// IPv4 addresses of the interface; with exactly one, the chip answers ARP requests while asleep.
    ArpAddresses(InterfaceId, &'a [[u8; 4]]),
    /// IPv6 addresses of the interface, in network order; with exactly one, the chip answers neighbour solicitations while
    /// asleep. See [`NeighbourOffload`](crate::neighbour::NeighbourOffload) for what several mean.
    NeighbourAddresses(InterfaceId, &'a [[u8; 16]]),
    /// Signal threshold, or none.
    Cqm(InterfaceId, Option<CqmThreshold>),
    /// Short (9 µs) or long (20 µs) slots.
    SlotTime {
        /// Interface.
        interface: InterfaceId,
        /// 9 µs.
        short: bool,
    },
    /// Waits until the frames of the interface are gone, 2 s at most; with `drop` the queued ones are returned at once.
    Flush {
        /// Interface.
        interface: InterfaceId,
        /// Return what is queued instead of sending it.
        drop: bool,
    },
    /// Reads the chip's counters. Answered with [`Response::Counters`].
    ReadCounters,
    /// Width of the channel of an association.
    Bandwidth(InterfaceId, ChannelType),
    /// The host is about to suspend. What is under way is ended, what the host is to be woken by is armed, and the chip
    /// goes to sleep. Always answered with [`Response::Suspended`] within a few
    /// seconds, in every state, on a dead bus too; only a [`Request::Resume`] that comes before the answer makes it
    /// [`RequestError::Aborted`](crate::error::RequestError::Aborted). Afterwards [`Device::run`](crate::device::Device::run) does nothing
    /// until [`Request::Resume`].
    Suspend {
        /// What may wake the host.
        triggers: WakeTriggers<'a>,
        /// The card keeps its power meanwhile. If not, everything is switched off.
        power_kept: bool,
    },
    /// The host is back, or did not suspend after all. Wakes the chip, disarms everything, and says what woke the host.
    /// Answered with [`Response::Resumed`] in every state; it ends a suspend that is still under way.
    Resume,
    /// The channel of the device. Associations that are elsewhere move: their access point has announced it. A scan is
    /// cancelled for it. If the chip refuses, they are told to be lost. Nothing happens without an association: a join
    /// names its channel itself.
    SwitchChannel(Channel, ChannelType),
    /// Tries a rung of the recovery ladder now, whatever was tried before. Done at once, beside everything that is under
    /// way; completed when the rung is, [`RequestError::WrongState`](crate::error::RequestError::WrongState) if it is not
    /// possible in the state of the device.
    Recover(Rung),
}

/// What a successful request answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// Nothing but success.
    Done,
    /// The new interface.
    Interface(InterfaceId),
    /// The slot of the new key.
    Key(KeySlot),
    /// The chip's counters.
    Counters(Counters),
    /// The host may suspend.
    Suspended(Suspended),
    /// The host is back.
    Resumed(Resumed),
}

/// What became of a suspend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Suspended {
    /// The session goes on: interfaces, keys and associations are kept. Otherwise the device is switched off, or was
    /// not in use.
    pub session_kept: bool,
    /// The chip sleeps. If not although the session is kept, it costs power, and every frame wakes the host.
    pub asleep: bool,
    /// What may wake the host.
    pub armed: Armed,
}

/// What a host that comes back finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resumed {
    /// The session goes on as it was. Otherwise the stack starts anew, with [`Request::Boot`], if the device was in use.
    pub session_kept: bool,
    /// What woke the host, if it was this device.
    pub woken_by: Option<WakeUp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ssid_holds_at_most_32_bytes() {
        assert_eq!(Ssid::new(b"home").unwrap().as_bytes(), b"home");
        assert_eq!(Ssid::new(&[7; 32]).unwrap().as_bytes(), [7; 32]);
        assert_eq!(Ssid::new(&[7; 33]), None);
        assert!(Ssid::default().as_bytes().is_empty());
    }
}
