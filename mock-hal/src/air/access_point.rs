//! An access point: what it is, what it can be told to do, and its management frames.
//!
//! `downlink` chooses what it sends, `uplink` takes the data it receives.

use super::ap_config::{ApConfig, BssLoad, Security};
use super::ap_counters::{ApCounters, StationView};
use super::authenticator::GroupKey;
use super::channel_switch::Moving;
use super::cipher::Cipher;
use super::elements::{append, id, Description};
use super::endpoint::{Behind, Endpoint, OwnedMsdu};
use super::frame::{kind, management, Msdu};
use super::station::{
    Outgoing, Purpose, RunningFlow, RxAgreement, Station, StationState, TxAgreement, QUEUE,
};
use super::storm::Storm;
use super::traffic::{Flow, FlowCounters, Meter};
use super::wpa::{pmk, Pmk};
use super::{Address, Band, PhyRate, Width};
use bes_hal::time::Instant;
use core::time::Duration;
use std::collections::VecDeque;

/// A time unit of 802.11: 1024 µs.
pub const TU: Duration = Duration::from_micros(1024);

/// Reason code: the previous authentication is no longer valid.
pub const REASON_AUTHENTICATION_INVALID: u16 = 2;
/// Reason code: a frame of class 2 came from a station that is not authenticated.
pub const REASON_CLASS_2: u16 = 6;
/// Reason code: a frame of class 3 came from a station that is not associated.
pub const REASON_CLASS_3: u16 = 7;

/// An answer that is not sent before its time.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) ready: Instant,
    pub(super) frame: Outgoing,
}

/// An access point. Made by [`Air::add_access_point`](super::Air::add_access_point).
#[derive(Debug)]
pub struct AccessPoint {
    pub(super) config: ApConfig,
    pub(super) description: Description,
    pub(super) pmk: Option<Pmk>,
    pub(super) group: GroupKey,
    pub(super) group_key: Cipher,
    pub(super) group_sent: u64,
    pub(super) present: bool,
    pub(super) ignoring: bool,
    pub(super) refuse_authentication: Option<u16>,
    pub(super) refuse_association: Option<u16>,
    pub(super) deafness: f64,
    pub(super) collisions: f64,
    pub(super) bss_load: Option<BssLoad>,
    pub(super) moving: Option<Moving>,
    pub(super) storm: Option<Storm>,
    pub(super) throttle: Option<u64>,
    pub(super) stations: Vec<Station>,
    pub(super) next_station: usize,
    /// Flows whose station is not there.
    pub(super) parked: Vec<(Address, RunningFlow)>,
    pub(super) control: VecDeque<Answer>,
    pub(super) group_queue: VecDeque<OwnedMsdu>,
    /// Group frames that may be sent although stations doze.
    pub(super) group_release: usize,
    pub(super) next_beacon: Instant,
    pub(super) dtim_count: u8,
    pub(super) beacon_before: Vec<u8>,
    pub(super) beacon_after: Vec<u8>,
    pub(super) sequence: u16,
    pub(super) not_before: Instant,
    pub(super) behind: Behind,
    pub(super) meters: Vec<(u32, Meter)>,
    pub(super) counters: ApCounters,
    pub(super) last_management: Option<(Address, u16)>,
    pub(super) scratch: Vec<u8>,
    pub(super) downlink: super::endpoint::Downlink,
    pub(super) dialog_token: u8,
    pub(super) rng: fastrand::Rng,
}

impl AccessPoint {
    pub(super) fn new(config: ApConfig, first_beacon: Instant, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut group = [0; 16];
        rng.fill(&mut group);
        let mut access_point = Self {
            description: config.description(),
            config,
            pmk: None,
            group: GroupKey {
                id: 1,
                bytes: group,
            },
            group_key: Cipher::ccmp(group),
            group_sent: 0,
            present: true,
            ignoring: false,
            refuse_authentication: None,
            refuse_association: None,
            deafness: 0.0,
            collisions: 0.0,
            bss_load: None,
            moving: None,
            storm: None,
            throttle: None,
            stations: Vec::new(),
            next_station: 0,
            parked: Vec::new(),
            control: VecDeque::new(),
            group_queue: VecDeque::new(),
            group_release: 0,
            next_beacon: first_beacon,
            dtim_count: 0,
            beacon_before: Vec::new(),
            beacon_after: Vec::new(),
            sequence: 0,
            not_before: Instant::ZERO,
            behind: Behind::default(),
            meters: Vec::new(),
            counters: ApCounters::default(),
            last_management: None,
            scratch: Vec::new(),
            downlink: super::endpoint::Downlink::default(),
            dialog_token: 0,
            rng,
        };
        access_point.describe();
        access_point
    }

    /// Prepares what is derived from the configuration.
    pub(super) fn describe(&mut self) {
        self.description = self.config.description();
        self.pmk = match &self.config.security {
            Security::Open | Security::Wep { .. } => None,
            Security::Wpa2 { passphrase } => Some(pmk(passphrase, &self.config.ssid)),
        };
        if let Some(cipher) = self.wep() {
            self.group_key = cipher;
        }
        let mut before = Vec::new();
        self.append_fixed(&mut before);
        self.description
            .append_before_tim(&mut before, self.config.hidden);
        self.beacon_before = before;
        self.beacon_after.clear();
        self.description.append_after_tim(&mut self.beacon_after);
        if let Some(load) = self.bss_load {
            let [low, high] = load.stations.to_le_bytes();
            // No admission capacity.
            let content = [low, high, load.utilisation, 0, 0];
            append(&mut self.beacon_after, id::BSS_LOAD, &content);
        }
    }

    pub(super) fn append_fixed(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(&[0; 8]);
        body.extend_from_slice(&self.config.beacon_interval_tu.to_le_bytes());
        body.extend_from_slice(&self.description.capabilities().to_le_bytes());
    }

    /// What it is.
    pub fn config(&self) -> &ApConfig {
        &self.config
    }

    /// Its address.
    pub fn bssid(&self) -> Address {
        self.config.bssid
    }

    /// What it has counted.
    pub fn counters(&self) -> ApCounters {
        self.counters
    }

    /// What it knows about a station; `None` if it does not know it.
    pub fn station(&self, address: Address) -> Option<StationView> {
        let station = self
            .stations
            .iter()
            .find(|known| known.address == address)?;
        let bits = |agreed: &dyn Fn(usize) -> bool| {
            (0..8).fold(0, |bits, tid| bits | u8::from(agreed(tid)) << tid)
        };
        Some(StationView {
            state: station.state,
            aid: station.aid,
            dozing: station.ps.is_dozing(),
            tx_agreements: bits(&|tid| matches!(station.tx[tid], TxAgreement::Active { .. })),
            rx_agreements: bits(&|tid| !matches!(station.rx[tid], RxAgreement::None)),
            temporal_key: station.keys.as_ref().and_then(|keys| keys.key.temporal()),
        })
    }

    /// What arrived of a flow of stamped packets from stations.
    pub fn meter(&self, flow: u32) -> Meter {
        self.meters
            .iter()
            .find(|(number, _)| *number == flow)
            .map_or_else(Meter::default, |(_, meter)| *meter)
    }

    /// Puts something behind the access point, instead of what was there.
    pub fn set_endpoint(&mut self, endpoint: impl Endpoint + 'static) {
        self.behind = Behind(Some(Box::new(endpoint)));
    }

    /// Sends an MSDU to the station, or group, that is its destination. `false`: the station is not there, not
    /// authorised, or its queue is full.
    pub fn send(&mut self, msdu: &Msdu<'_>) -> bool {
        self.enqueue(msdu.into())
    }

    pub(super) fn enqueue(&mut self, msdu: OwnedMsdu) -> bool {
        let queue = if msdu.destination[0] & 1 == 1 {
            Some(&mut self.group_queue)
        } else {
            self.stations
                .iter_mut()
                .find(|station| {
                    station.address == msdu.destination && station.state == StationState::Authorized
                })
                .map(|station| &mut station.queues[usize::from(msdu.tid & 7)])
        };
        match queue {
            Some(queue) if queue.len() < QUEUE => {
                queue.push_back(msdu);
                true
            }
            _ => {
                self.counters.refused_msdus += 1;
                false
            }
        }
    }

    /// Starts to generate packets for a station, now or as soon as it is authorised. A flow with the same number is
    /// replaced. `now` is when a paced flow makes its first packet.
    pub fn start_flow(&mut self, station: Address, flow: Flow, now: Instant) {
        self.remove_flow(flow.number);
        let running = RunningFlow {
            flow,
            counters: FlowCounters::default(),
            running: true,
            due: now,
            template: None,
        };
        match self.station_mut(station) {
            Some(known) => known.flows.push(running),
            None => self.parked.push((station, running)),
        }
    }

    /// Stops to generate packets; what is under way still arrives. The counters stay.
    pub fn stop_flow(&mut self, number: u32) {
        for flow in self.flows_mut().filter(|flow| flow.flow.number == number) {
            flow.running = false;
        }
    }

    /// What a flow has done; `None` if there is none with this number.
    pub fn flow(&self, number: u32) -> Option<FlowCounters> {
        self.stations
            .iter()
            .flat_map(|station| &station.flows)
            .chain(self.parked.iter().map(|(_, flow)| flow))
            .find(|flow| flow.flow.number == number)
            .map(|flow| flow.counters)
    }

    fn flows_mut(&mut self) -> impl Iterator<Item = &mut RunningFlow> {
        self.stations
            .iter_mut()
            .flat_map(|station| &mut station.flows)
            .chain(self.parked.iter_mut().map(|(_, flow)| flow))
    }

    fn remove_flow(&mut self, number: u32) {
        // The frames on their way refer to flows by their place, so a running one is only emptied.
        for station in &mut self.stations {
            for flow in &mut station.flows {
                if flow.flow.number == number {
                    flow.running = false;
                    flow.flow.number = u32::MAX;
                }
            }
        }
        self.parked.retain(|(_, flow)| flow.flow.number != number);
    }

    /// Vanishes without a word, or comes back without remembering anybody.
    pub fn set_present(&mut self, present: bool) {
        self.present = present;
        if !present {
            self.control.clear();
            self.group_queue.clear();
            self.group_release = 0;
            while !self.stations.is_empty() {
                self.remove_station(0);
            }
        }
    }

    /// Whether it is there.
    pub fn is_present(&self) -> bool {
        self.present
    }

    /// Goes deaf to everything, without acknowledging, while its beacons go on.
    pub fn set_ignoring(&mut self, ignoring: bool) {
        self.ignoring = ignoring;
    }

    /// Misses this share of the stations' data frames, 0.0 to 1.0: retries go up.
    pub fn set_deafness(&mut self, share: f64) {
        self.deafness = share.clamp(0.0, 1.0);
    }

    /// Loses this share of the unicast frames of either direction to collisions, 0.0 to 1.0: retries go up on both
    /// sides. Beacons are not lost.
    pub fn set_collisions(&mut self, share: f64) {
        self.collisions = share.clamp(0.0, 1.0);
    }

    /// Tells this load in its beacons, or none.
    pub fn set_bss_load(&mut self, load: Option<BssLoad>) {
        self.bss_load = load;
        self.describe();
    }

    /// How many octets per second each station gets at most.
    pub fn throttle(&self) -> Option<u64> {
        self.throttle
    }

    /// Sends not more than this many octets per second to each station.
    pub fn set_throttle(&mut self, octets_per_second: Option<u64>) {
        self.throttle = octets_per_second;
    }

    /// Refuses authentication with this status code, or accepts it again.
    pub fn refuse_authentication(&mut self, status: Option<u16>) {
        self.refuse_authentication = status;
    }

    /// Refuses association with this status code, or accepts it again.
    pub fn refuse_association(&mut self, status: Option<u16>) {
        self.refuse_association = status;
    }

    /// Changes the signal in both directions.
    pub fn set_signal(&mut self, dbm: i8) {
        self.config.signal_dbm = dbm;
        let (channel, forced) = (self.config.channel, self.config.downlink_rate);
        for station in &mut self.stations {
            station.choose_rates(channel, dbm, forced);
        }
    }

    /// Changes the rate of data frames; `None`: the best for the signal and the station.
    pub fn set_downlink_rate(&mut self, rate: Option<PhyRate>) {
        self.config.downlink_rate = rate;
        self.set_signal(self.config.signal_dbm);
    }

    /// Starts over with another configuration, as after a change in its menu: stations are forgotten without a word.
    /// The address stays if the new one is all zero.
    pub fn reconfigure(&mut self, config: ApConfig) {
        let bssid = self.config.bssid;
        self.set_present(false);
        self.config = config;
        if self.config.bssid == [0; 6] {
            self.config.bssid = bssid;
        }
        self.describe();
        self.present = true;
    }

    /// Changes the protection; stations are forgotten without a word.
    pub fn set_security(&mut self, security: Security) {
        let config = ApConfig {
            security,
            ..self.config.clone()
        };
        self.reconfigure(config);
    }

    /// Sends a deauthentication and forgets the station. `false`: it is not there.
    pub fn deauthenticate(&mut self, station: Address, reason: u16) -> bool {
        self.dismiss(station, kind::DEAUTHENTICATION, reason)
    }

    /// Sends a disassociation and forgets the station. `false`: it is not there.
    pub fn disassociate(&mut self, station: Address, reason: u16) -> bool {
        self.dismiss(station, kind::DISASSOCIATION, reason)
    }

    fn dismiss(&mut self, address: Address, frame_kind: u8, reason: u16) -> bool {
        let bssid = self.config.bssid;
        let Some(station) = self.station_mut(address) else {
            return false;
        };
        let mut frame = management(frame_kind, address, bssid, bssid);
        frame.extend_from_slice(&reason.to_le_bytes());
        station.state = StationState::Leaving;
        station.authenticator = None;
        station
            .control
            .push_back(Outgoing::new(frame, Purpose::Farewell));
        for (queue, pending) in station.queues.iter_mut().zip(&mut station.pending) {
            queue.clear();
            pending.clear();
        }
        true
    }

    /// Sends a frame as it is to a station, below everything the access point knows, at a rate for management
    /// frames. The sequence number is filled in.
    pub fn send_raw(&mut self, frame: Vec<u8>) {
        self.control.push_back(Answer {
            ready: Instant::ZERO,
            frame: Outgoing::new(frame, Purpose::Management),
        });
    }

    pub(super) fn station_mut(&mut self, address: Address) -> Option<&mut Station> {
        self.stations
            .iter_mut()
            .find(|station| station.address == address)
    }

    /// Whether a frame at this rate on this channel reaches its receiver at all.
    pub(super) fn understands(&self, rate: PhyRate) -> bool {
        match rate {
            PhyRate::Cck(_) => self.config.channel.band == Band::Ghz2_4,
            PhyRate::Ofdm(_) => true,
            PhyRate::Ht { width, .. } => {
                self.description.ht
                    && (width == Width::Ht20 || self.config.channel.width == Width::Ht40)
            }
        }
    }

    pub(super) fn add_station(&mut self, address: Address) {
        let aid = (1..=2007)
            .find(|aid| self.stations.iter().all(|station| station.aid != *aid))
            .unwrap_or(2007);
        let mut station = Station::new(address, aid);
        let mut at = 0;
        while at < self.parked.len() {
            if self.parked[at].0 == address {
                station.flows.push(self.parked.remove(at).1);
            } else {
                at += 1;
            }
        }
        self.stations.push(station);
    }

    pub(super) fn remove_station(&mut self, at: usize) {
        let station = self.stations.remove(at);
        for mut flow in station.flows {
            flow.template = None;
            self.parked.push((station.address, flow));
        }
    }

    pub(super) fn position(&self, address: Address) -> Option<usize> {
        self.stations
            .iter()
            .position(|station| station.address == address)
    }
}
