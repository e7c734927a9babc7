//! What an access point has counted, and what can be asked about its stations.

use super::station::StationState;

/// What an access point has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ApCounters {
    /// Beacons sent while somebody could hear them.
    pub beacons: u64,
    /// Probe requests that it answers.
    pub probe_requests: u64,
    /// Authentication requests.
    pub authentications: u64,
    /// Association and reassociation requests.
    pub associations: u64,
    /// Reassociation requests.
    pub reassociations: u64,
    /// Handshakes completed.
    pub handshakes: u64,
    /// Frames received from stations, of any type, that were acknowledged.
    pub received: u64,
    /// MSDUs handed to the endpoint.
    pub received_msdus: u64,
    /// Octets of the payloads of these MSDUs.
    pub received_octets: u64,
    /// Frames received again.
    pub duplicates: u64,
    /// Frames that could not be decrypted, or were not encrypted although they had to be.
    pub undecryptable: u64,
    /// Frames whose packet number was not above the last.
    pub replays: u64,
    /// Data frames of stations that are not associated, or whose handshake is not complete.
    pub unauthorized: u64,
    /// A-MPDUs without an agreement.
    pub unagreed_ampdus: u64,
    /// Frames with fragment number or more-fragments bit.
    pub fragments: u64,
    /// PS-Polls received.
    pub ps_polls: u64,
    /// Service periods started by trigger frames.
    pub service_periods: u64,
    /// Data frames sent, each attempt counted.
    pub sent_attempts: u64,
    /// Data frames acknowledged by the station.
    pub sent_acked: u64,
    /// Data frames given up after the last retry.
    pub sent_dropped: u64,
    /// A-MPDUs sent.
    pub sent_ampdus: u64,
    /// MSDUs refused because a queue was full or their station was not there.
    pub refused_msdus: u64,
}

/// What can be asked about a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StationView {
    /// How far it has come.
    pub state: StationState,
    /// Association id.
    pub aid: u16,
    /// Whether it dozes.
    pub dozing: bool,
    /// Traffic identifiers under a block ack agreement towards the station, one bit each.
    pub tx_agreements: u8,
    /// Traffic identifiers under a block ack agreement from the station, one bit each.
    pub rx_agreements: u8,
    /// Temporal key, once installed.
    pub temporal_key: Option<[u8; 16]>,
}
