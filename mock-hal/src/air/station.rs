//! What an access point keeps about one station.

use super::authenticator::Authenticator;
use super::block_ack::Reorder;
use super::cipher::Cipher;
use super::elements::HtPeer;
use super::endpoint::OwnedMsdu;
use super::power_save::{Category, PowerSave};
use super::traffic::{Flow, FlowCounters, Pace};
use super::{loss, Address, Band, Channel, PhyRate, Width};
use bes_hal::time::{earliest, Instant};
use core::time::Duration;
use std::collections::VecDeque;

/// Most MSDUs that wait for one traffic identifier of one station.
pub const QUEUE: usize = 1024;

/// Most packets of a paced flow that wait.
const BACKLOG: u64 = 64;

/// How far a station has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StationState {
    /// It has passed open authentication.
    Authenticated,
    /// It is associated; on a protected network the 4-way handshake is under way.
    Associated,
    /// Its data passes.
    Authorized,
    /// It is about to be told that it is not wanted.
    Leaving,
}

/// Agreement for frames towards the station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TxAgreement {
    None,
    Requested { token: u8, deadline: Instant },
    Active { window: u16 },
}

/// Agreement for frames from the station.
#[derive(Clone, Debug)]
pub(super) enum RxAgreement {
    None,
    /// Agreed without a starting sequence number: the first frame tells.
    Agreed(u16),
    Active(Reorder<Vec<u8>>),
}

/// A frame on its way to the station.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) bytes: Vec<u8>,
    pub(super) tries: u8,
    pub(super) purpose: Purpose,
    /// Set by the medium: the station heard it.
    pub(super) arrived: bool,
    /// Set by the medium: its acknowledgement came back.
    pub(super) acked: bool,
}

impl Outgoing {
    pub(super) const fn new(bytes: Vec<u8>, purpose: Purpose) -> Self {
        Self {
            bytes,
            tries: 0,
            purpose,
            arrived: false,
            acked: false,
        }
    }

    pub(super) const fn is_generated(&self) -> bool {
        matches!(self.purpose, Purpose::Data { flow: Some(_), .. })
    }
}

/// What a frame is for, so that its fate can have consequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Beacon,
    Management,
    ProbeResponse,
    AssociationResponse,
    Farewell,
    Null,
    Data {
        tid: u8,
        sequence: u16,
        flow: Option<usize>,
    },
}

impl Purpose {
    pub(super) const fn tries(self) -> u8 {
        match self {
            Self::ProbeResponse => 3,
            Self::Data { .. } => 10,
            _ => 7,
        }
    }
}

/// A pairwise key and its counters.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) key: Cipher,
    pub(super) sent: u64,
    /// Highest packet number received, by traffic identifier.
    pub(super) received: [u64; 16],
    /// The key that follows, and when it is used for sending at the latest.
    pub(super) next: Option<(Cipher, Instant)>,
}

impl Keys {
    pub(super) const fn new(key: Cipher) -> Self {
        Self {
            key,
            sent: 0,
            received: [0; 16],
            next: None,
        }
    }
}

/// How long after message 4 of a second handshake an access point sends nothing, so that the station can install the
/// key.
pub const HANDOVER: Duration = Duration::from_millis(20);

/// A generator under way.
#[derive(Clone, Debug)]
pub(super) struct RunningFlow {
    pub(super) flow: Flow,
    pub(super) counters: FlowCounters,
    pub(super) running: bool,
    /// When the next packet of a paced flow is made.
    pub(super) due: Instant,
    /// The frame without what varies, and whether it was built for encryption.
    pub(super) template: Option<(bool, Vec<u8>)>,
}

impl RunningFlow {
    /// When it has a packet, given the room of the station; `None`: not before something else changes.
    pub(super) fn ready(&self, now: Instant, room: usize) -> Option<Instant> {
        if !self.running
            || self
                .flow
                .limit
                .is_some_and(|limit| self.counters.made >= limit)
        {
            return None;
        }
        match self.flow.pace {
            Pace::Saturated => (room > 0).then_some(now),
            Pace::Flood => Some(now),
            Pace::Every(_) => Some(self.due.max(now)),
        }
    }

    /// Accounts for one packet made at `now`; returns its number and when it was due.
    pub(super) fn make(&mut self, now: Instant) -> (u64, Instant) {
        let number = self.counters.made;
        self.counters.made += 1;
        let Pace::Every(interval) = self.flow.pace else {
            return (number, now);
        };
        let interval = interval.max(core::time::Duration::from_nanos(1));
        let behind = now.since(self.due);
        if behind > interval.saturating_mul(BACKLOG as u32) {
            let late = (behind.as_nanos() / interval.as_nanos()) as u64;
            // Behind its limit a flow makes nothing, however late somebody comes for it.
            let left = self
                .flow
                .limit
                .map_or(u64::MAX, |limit| limit.saturating_sub(self.counters.made));
            let lost = late.min(left).saturating_sub(BACKLOG);
            self.counters.dropped += lost;
            self.counters.made += lost;
            self.due = self.due.after(core::time::Duration::from_nanos(
                (interval.as_nanos() as u64).saturating_mul(lost),
            ));
            return self.take_due(number + lost, interval);
        }
        self.take_due(number, interval)
    }

    fn take_due(&mut self, number: u64, interval: core::time::Duration) -> (u64, Instant) {
        let due = self.due;
        self.due = due.after(interval);
        (number, due)
    }
}

/// One station.
#[derive(Debug)]
pub(super) struct Station {
    pub(super) address: Address,
    pub(super) aid: u16,
    pub(super) state: StationState,
    pub(super) qos: bool,
    pub(super) ht: Option<HtPeer>,
    /// Rates towards it, from slow to fast, and which one is used first.
    pub(super) rates: Vec<PhyRate>,
    pub(super) rate: usize,
    pub(super) authenticator: Option<Authenticator>,
    pub(super) keys: Option<Keys>,
    pub(super) ps: PowerSave,
    /// Management frames that wait for it to be awake.
    pub(super) control: VecDeque<Outgoing>,
    pub(super) queues: [VecDeque<OwnedMsdu>; 8],
    /// Built frames that were not acknowledged, in order.
    pub(super) pending: [VecDeque<Outgoing>; 8],
    pub(super) flows: Vec<RunningFlow>,
    pub(super) next_flow: usize,
    pub(super) sequence: [u16; 8],
    pub(super) tx: [TxAgreement; 8],
    pub(super) tx_sent: [u16; 8],
    pub(super) tx_requests: [u8; 8],
    pub(super) rx: [RxAgreement; 8],
    /// Sequence control of the last frame, by traffic identifier, and without.
    pub(super) last: [Option<u16>; 9],
    /// Fragments that are being put together.
    pub(super) partial: Option<super::uplink::Partial>,
    /// Nothing is sent before, because the access point throttles it.
    pub(super) throttled_until: Instant,
}

impl Station {
    pub(super) fn new(address: Address, aid: u16) -> Self {
        Self {
            address,
            aid,
            state: StationState::Authenticated,
            qos: false,
            ht: None,
            rates: Vec::new(),
            rate: 0,
            authenticator: None,
            keys: None,
            ps: PowerSave::default(),
            control: VecDeque::new(),
            queues: Default::default(),
            pending: Default::default(),
            flows: Vec::new(),
            next_flow: 0,
            sequence: [0; 8],
            tx: [TxAgreement::None; 8],
            tx_sent: [0; 8],
            tx_requests: [0; 8],
            rx: [const { RxAgreement::None }; 8],
            last: [None; 9],
            partial: None,
            throttled_until: Instant::ZERO,
        }
    }

    /// Installs a pairwise key: at once if it is the first, else as the one that follows.
    pub(super) fn install(&mut self, key: Cipher, now: Instant) {
        match &mut self.keys {
            None => self.keys = Some(Keys::new(key)),
            Some(keys) => {
                self.throttled_until = now.after(HANDOVER);
                keys.next = Some((key, self.throttled_until));
            }
        }
    }

    /// The time for the old key is over.
    pub(super) fn hand_over_if_due(&mut self, now: Instant) {
        let due = self.keys.as_ref().and_then(|keys| keys.next.as_ref());
        if due.is_some_and(|(_, at)| at.is_due(now)) {
            self.hand_over();
        }
    }

    /// The key that follows is the key from now on, also for what is still to be sent again.
    pub(super) fn hand_over(&mut self) {
        let Some(old) = self.keys.take() else {
            return;
        };
        let Some((key, _)) = old.next else {
            self.keys = Some(old);
            return;
        };
        self.throttled_until = Instant::ZERO;
        let mut keys = Keys::new(key);
        for frame in self.pending.iter_mut().flatten() {
            if old.key.decrypt(&mut frame.bytes).is_some() {
                keys.sent += 1;
                keys.key.encrypt(&mut frame.bytes, keys.sent, 0);
            }
        }
        self.keys = Some(keys);
    }

    /// Chooses the rates for a signal, or for the one rate that is forced.
    pub(super) fn choose_rates(
        &mut self,
        channel: Channel,
        signal_dbm: i8,
        forced: Option<PhyRate>,
    ) {
        self.rates = match (forced, self.ht) {
            (Some(rate), _) => vec![rate],
            (None, Some(peer)) => {
                let width = if peer.wide {
                    channel.width
                } else {
                    Width::Ht20
                };
                let short_gi = match width {
                    Width::Ht20 => peer.short_gi_20,
                    Width::Ht40 => peer.short_gi_40,
                };
                (0..=peer.mcs)
                    .map(|mcs| PhyRate::Ht {
                        mcs,
                        width,
                        short_gi,
                    })
                    .collect()
            }
            (None, None) => {
                let cck: &[u8] = match channel.band {
                    Band::Ghz2_4 => &[2, 4, 11],
                    Band::Ghz5 => &[],
                };
                let ofdm = [6, 9, 12, 18, 24, 36, 48, 54];
                cck.iter()
                    .map(|&units| PhyRate::Cck(units))
                    .chain(ofdm.map(PhyRate::Ofdm))
                    .collect()
            }
        };
        let best = loss::best(self.rates.iter().copied(), signal_dbm);
        self.rate = self
            .rates
            .iter()
            .position(|&rate| Some(rate) == best)
            .unwrap_or(0);
    }

    /// The rate of a frame that failed `tries` times: one step slower for every second failure.
    pub(super) fn rate_after(&self, tries: u8) -> PhyRate {
        self.rates
            .get(self.rate.saturating_sub(usize::from(tries / 2)))
            .copied()
            .unwrap_or(PhyRate::Ofdm(6))
    }

    /// Whether anything waits for this traffic identifier.
    pub(super) fn waits(&self, tid: u8, now: Instant, room: usize) -> bool {
        let at = usize::from(tid & 7);
        !self.pending[at].is_empty()
            || !self.queues[at].is_empty()
            || self.state == StationState::Authorized
                && self
                    .flows
                    .iter()
                    .any(|flow| flow.flow.tid & 7 == tid && flow.ready(now, room) == Some(now))
    }

    /// Whether anything waits that shows in the traffic indication map.
    pub(super) fn shows(&self, now: Instant) -> bool {
        if !self.ps.is_dozing() {
            return false;
        }
        !self.control.is_empty()
            || (0..8).any(|tid| self.ps.shows(Category::of_tid(tid)) && self.waits(tid, now, 1))
    }

    /// When something can be sent to it; `None`: not before something else changes.
    pub(super) fn ready(&self, now: Instant, room: usize) -> Option<Instant> {
        if self.ps.service() > 0 || self.ps.is_polled() {
            return Some(now);
        }
        if self.ps.is_dozing() {
            return None;
        }
        if !self.control.is_empty() {
            return Some(now);
        }
        let mut ready = None;
        let open = self.state == StationState::Authorized;
        if (0..8).any(|at| !self.pending[at].is_empty() || !self.queues[at].is_empty()) {
            ready = Some(now);
        } else if open {
            for flow in &self.flows {
                ready = earliest(ready, flow.ready(now, room));
            }
        }
        ready.map(|at| at.max(self.throttled_until))
    }

    /// Forgets everything that belongs to an association.
    pub(super) fn reset(&mut self, state: StationState) {
        let flows = core::mem::take(&mut self.flows);
        *self = Self::new(self.address, self.aid);
        self.flows = flows;
        for flow in &mut self.flows {
            flow.template = None;
        }
        self.state = state;
    }

    /// When one of its timers is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let mut deadline = self
            .authenticator
            .as_ref()
            .and_then(Authenticator::deadline);
        for agreement in &self.tx {
            if let TxAgreement::Requested { deadline: at, .. } = agreement {
                deadline = earliest(deadline, Some(*at));
            }
        }
        for agreement in &self.rx {
            if let RxAgreement::Active(reorder) = agreement {
                deadline = earliest(deadline, reorder.deadline());
            }
        }
        deadline
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    fn paced() -> RunningFlow {
        RunningFlow {
            flow: Flow {
                pace: Pace::Every(Duration::from_millis(1)),
                ..Flow::default()
            },
            counters: FlowCounters::default(),
            running: true,
            due: Instant::ZERO,
            template: None,
        }
    }

    #[test]
    fn a_paced_flow_keeps_its_pace_and_a_bounded_backlog() {
        let mut flow = paced();
        let now = Instant::from_millis(3);
        assert_eq!(flow.make(now), (0, Instant::ZERO));
        assert_eq!(flow.make(now), (1, Instant::from_millis(1)));
        assert_eq!(flow.ready(now, 0), Some(now));
        flow.make(now);
        flow.make(now);
        assert_eq!(flow.ready(now, 0), Some(Instant::from_millis(4)));
        // A second later only the last 64 are left.
        let later = Instant::from_millis(1000);
        assert_eq!(flow.make(later), (936, Instant::from_millis(936)));
        assert_eq!(flow.counters.dropped, 932);
    }

    #[test]
    fn a_flow_that_nobody_comes_for_makes_no_more_than_its_limit() {
        for limit in [1, 10, 64, 65, 100] {
            let mut flow = paced();
            flow.flow.limit = Some(limit);
            let late = Instant::from_millis(60_000);
            let mut numbers = Vec::new();
            while flow.ready(late, 0) == Some(late) {
                numbers.push(flow.make(late).0);
            }
            // The one that is asked for, and a backlog behind it: the last ones.
            let first = limit.saturating_sub(BACKLOG + 1);
            assert_eq!(numbers, (first..limit).collect::<Vec<_>>());
            assert_eq!((flow.counters.made, flow.counters.dropped), (limit, first));
        }
    }

    #[test]
    fn a_saturated_flow_waits_for_room() {
        let mut flow = paced();
        flow.flow.pace = Pace::Saturated;
        assert_eq!(flow.ready(Instant::ZERO, 0), None);
        assert_eq!(flow.ready(Instant::ZERO, 1), Some(Instant::ZERO));
        flow.flow.limit = Some(1);
        flow.make(Instant::ZERO);
        assert_eq!(flow.ready(Instant::ZERO, 1), None);
    }

    #[test]
    fn rates_follow_what_the_station_receives() {
        let mut station = Station::new([2; 6], 1);
        station.ht = Some(HtPeer {
            wide: true,
            short_gi_20: true,
            short_gi_40: false,
            ampdu_octets: 32767,
            mcs: 7,
        });
        station.choose_rates(Channel::ht40(36), -40, None);
        let expected = PhyRate::Ht {
            mcs: 7,
            width: Width::Ht40,
            short_gi: false,
        };
        assert_eq!(station.rate_after(0), expected);
        station.ht = None;
        station.choose_rates(Channel::ht40(36), -40, None);
        assert_eq!(station.rate_after(0), PhyRate::Ofdm(54));
        assert_eq!(station.rate_after(4), PhyRate::Ofdm(36));
    }
}
