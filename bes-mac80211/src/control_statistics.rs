//! What the control plane counted.

/// Counters of the control plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ControlStatistics {
    /// Scans that began.
    pub scans_started: u64,
    /// Scans that did not run to their end.
    pub scans_aborted: u64,
    /// START_SCAN requests that the chip accepted.
    pub scan_requests: u64,
    /// START_SCAN requests that the chip refused.
    pub scan_refusals: u64,
    /// Channels left out because of earlier refusals.
    pub channels_left_out: u64,
    /// Scans that had to be stopped because their end did not come.
    pub scan_timeouts: u64,
    /// Joins that the chip accepted.
    pub joins: u64,
    /// Joins that the chip refused.
    pub join_refusals: u64,
    /// Unjoins.
    pub unjoins: u64,
    /// Associations that followed their access point to another channel.
    pub channel_switches: u64,
    /// Connections reported as lost because beacons stopped.
    pub beacon_losses: u64,
    /// Commands that the chip refused and the procedure went on without.
    pub refused_commands: u64,
    /// Times that an interface had several IPv6 addresses, so that the chip answers neighbour solicitations for none.
    pub neighbours_left_out: u64,
    /// Times that the chip refused to answer neighbour solicitations.
    pub neighbours_refused: u64,
    /// Suspends of the host with the session kept.
    pub suspends: u64,
    /// Of these, with a chip that did not sleep.
    pub suspends_awake: u64,
    /// Events that found no room: the stack did not take them.
    pub events_lost: u64,
}
