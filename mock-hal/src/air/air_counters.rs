//! What the air counts.

use core::time::Duration;

/// What the air has counted, from the station's point of view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AirCounters {
    /// Attempts of the station.
    pub exchanges: u64,
    /// Frames in these attempts.
    pub frames: u64,
    /// Frames of these attempts that were not acknowledged; group frames never are.
    pub unacknowledged: u64,
    /// Attempts that began with an RTS.
    pub rts: u64,
    /// Fragments in these attempts: frames with a fragment number, or with more fragments to come.
    pub fragments: u64,
    /// Attempts that found the medium busy.
    pub deferred: u64,
    /// Frames that the station heard.
    pub heard: u64,
    /// Frames on the station's channel that arrived there with a wrong FCS.
    pub damaged: u64,
    /// Time during which the station's own channel was used by the station.
    pub station_airtime: Duration,
    /// Time during which any channel was used by somebody else.
    pub other_airtime: Duration,
    /// Of this, for frames of an access point to the station alone.
    pub delivery_airtime: Duration,
}
