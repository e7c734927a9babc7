//! An access point: what it is, what it can be told to do, and its management frames.
//!
//! [`downlink`](super::downlink) chooses what it sends, [`uplink`](super::uplink) takes the data it receives.

use super::authenticator::{Authenticator, GroupKey, Reaction};
use super::block_ack::{Action, Reorder, STATUS_DECLINED, STATUS_SUCCESS};
use super::ccmp::Key;
use super::elements::{id, is_ccmp_psk, Description, Elements, HtPeer, WMM};
use super::endpoint::{Behind, Endpoint, OwnedMsdu};
use super::frame::{
    kind, management, Mpdu, Msdu, ETHERTYPE_EAPOL, POWER_MANAGEMENT, PROTECTED, RETRY,
};
use super::power_save::PowerSave;
use super::station::{
    Outgoing, Purpose, RunningFlow, RxAgreement, Station, StationState, TxAgreement, QUEUE,
};
use super::traffic::{Flow, FlowCounters, Meter};
use super::wpa::{pmk, Pmk, Ptk};
use super::{Address, Band, Channel, PhyRate, Width};
use bes_hal::time::{earliest, Instant};
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

/// How an access point protects its network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    #[default]
    Open,
    /// WPA2 with a pre-shared key and CCMP.
    Wpa2 {
        /// Passphrase, 8 to 63 characters.
        passphrase: String,
    },
}

/// What an access point is.
#[derive(Clone, Debug, PartialEq)]
pub struct ApConfig {
    /// Network name, up to 32 octets.
    pub ssid: Vec<u8>,
    /// Its address. All zero: one is made up when it is added to the air.
    pub bssid: Address,
    /// Channel and width.
    pub channel: Channel,
    /// Protection.
    pub security: Security,
    /// Signal between it and the station, in dBm, in both directions.
    pub signal_dbm: i8,
    /// Beacon interval in TU.
    pub beacon_interval_tu: u16,
    /// Every how many beacons group frames are delivered, 1 or more.
    pub dtim_period: u8,
    /// Beacons do not tell the SSID, and probe requests without it get no answer.
    pub hidden: bool,
    /// It offers 802.11n.
    pub ht: bool,
    /// It offers WMM; needed for 802.11n.
    pub wmm: bool,
    /// It offers unscheduled automatic power-save delivery.
    pub uapsd: bool,
    /// It asks for block ack agreements and accepts them.
    pub aggregation: bool,
    /// Rate of its data frames; `None`: the best for the signal and the station.
    pub downlink_rate: Option<PhyRate>,
    /// How long it thinks before it answers a management frame.
    pub response_delay: Duration,
    /// IPv4 address of the network behind it, source of generated packets.
    pub ipv4: [u8; 4],
    /// IPv4 address of its stations, destination of generated packets.
    pub station_ipv4: [u8; 4],
}

impl Default for ApConfig {
    /// An open 802.11n network "air" on channel 6.
    fn default() -> Self {
        Self {
            ssid: b"air".to_vec(),
            bssid: [0; 6],
            channel: Channel::ht20(6),
            security: Security::Open,
            signal_dbm: -45,
            beacon_interval_tu: 100,
            dtim_period: 2,
            hidden: false,
            ht: true,
            wmm: true,
            uapsd: true,
            aggregation: true,
            downlink_rate: None,
            response_delay: Duration::from_micros(200),
            ipv4: [10, 0, 0, 1],
            station_ipv4: [10, 0, 0, 2],
        }
    }
}

impl ApConfig {
    /// An open network.
    pub fn open(ssid: &str, channel: Channel) -> Self {
        Self {
            ssid: ssid.into(),
            channel,
            ..Self::default()
        }
    }

    /// A network with WPA2 and a pre-shared key.
    pub fn wpa2(ssid: &str, channel: Channel, passphrase: &str) -> Self {
        Self {
            security: Security::Wpa2 {
                passphrase: passphrase.into(),
            },
            ..Self::open(ssid, channel)
        }
    }

    fn description(&self) -> Description {
        Description {
            ssid: self.ssid.clone(),
            channel: self.channel,
            ht: self.ht && self.wmm,
            wmm: self.wmm,
            uapsd: self.uapsd,
            rsn: self.security != Security::Open,
        }
    }
}

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
    /// Frames with fragment number or more-fragments bit, which it does not put together.
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
    pmk: Option<Pmk>,
    pub(super) group: GroupKey,
    pub(super) group_key: Key,
    pub(super) group_sent: u64,
    pub(super) present: bool,
    pub(super) ignoring: bool,
    refuse_authentication: Option<u16>,
    refuse_association: Option<u16>,
    pub(super) deafness: f64,
    pub(super) throttle: Option<u64>,
    pub(super) stations: Vec<Station>,
    pub(super) next_station: usize,
    /// Flows whose station is not there.
    parked: Vec<(Address, RunningFlow)>,
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
    last_management: Option<(Address, u16)>,
    pub(super) scratch: Vec<u8>,
    pub(super) downlink: super::endpoint::Downlink,
    dialog_token: u8,
    rng: fastrand::Rng,
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
            group_key: Key::new(group),
            group_sent: 0,
            present: true,
            ignoring: false,
            refuse_authentication: None,
            refuse_association: None,
            deafness: 0.0,
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
    fn describe(&mut self) {
        self.description = self.config.description();
        self.pmk = match &self.config.security {
            Security::Open => None,
            Security::Wpa2 { passphrase } => Some(pmk(passphrase, &self.config.ssid)),
        };
        let mut before = Vec::new();
        self.append_fixed(&mut before);
        self.description
            .append_before_tim(&mut before, self.config.hidden);
        self.beacon_before = before;
        self.beacon_after.clear();
        self.description.append_after_tim(&mut self.beacon_after);
    }

    fn append_fixed(&self, body: &mut Vec<u8>) {
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
            temporal_key: station.keys.as_ref().map(|keys| keys.key.bytes()),
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

    /// Makes a new group key and hands it to every authorised station.
    pub fn rekey_group(&mut self, now: Instant) {
        let mut bytes = [0; 16];
        self.rng.fill(&mut bytes);
        self.group = GroupKey {
            id: 3 - self.group.id,
            bytes,
        };
        self.group_key = Key::new(bytes);
        self.group_sent = 0;
        for at in 0..self.stations.len() {
            let group = self.group;
            let reaction = self.stations[at]
                .authenticator
                .as_mut()
                .map_or(Reaction::Nothing, |authenticator| {
                    authenticator.rekey(&group, now)
                });
            self.react(at, reaction);
        }
    }

    /// A block ack agreement, as the station negotiated it.
    pub(super) fn set_block_ack(
        &mut self,
        address: Address,
        tid: u8,
        from_station: bool,
        window: u8,
    ) {
        let Some(station) = self.station_mut(address) else {
            return;
        };
        let at = usize::from(tid & 7);
        if from_station {
            station.rx[at] = match (
                window,
                core::mem::replace(&mut station.rx[at], RxAgreement::None),
            ) {
                (0, _) => RxAgreement::None,
                (_, RxAgreement::Active(reorder)) => RxAgreement::Active(reorder),
                (window, _) => RxAgreement::Agreed(u16::from(window)),
            };
        } else {
            station.tx[at] = if window == 0 {
                TxAgreement::None
            } else {
                TxAgreement::Active {
                    window: u16::from(window),
                }
            };
        }
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

    /// Whether an A-MPDU with this frame is under an agreement; counts if not.
    pub(super) fn accepts_ampdu(&mut self, mpdu: Mpdu<'_>) -> bool {
        let tid = usize::from(mpdu.tid() & 7);
        let agreed = self
            .stations
            .iter()
            .find(|station| station.address == mpdu.transmitter())
            .is_some_and(|station| !matches!(station.rx[tid], RxAgreement::None));
        if !agreed {
            self.counters.unagreed_ampdus += 1;
        }
        agreed
    }

    /// A frame of a station arrived.
    pub(super) fn handle_frame(&mut self, mpdu: Mpdu<'_>, at: Instant) {
        self.counters.received += 1;
        let transmitter = mpdu.transmitter();
        if mpdu.is_management() {
            let identity = (transmitter, mpdu.sequence());
            let again = mpdu.has(RETRY) && self.last_management == Some(identity);
            self.last_management = Some(identity);
            if again {
                self.counters.duplicates += 1;
                return;
            }
        }
        match mpdu.kind() {
            kind::PROBE_REQUEST => self.handle_probe_request(mpdu, at),
            kind::AUTHENTICATION => self.handle_authentication(mpdu, at),
            kind::ASSOCIATION_REQUEST => self.handle_association(mpdu, 4, at),
            kind::REASSOCIATION_REQUEST => self.handle_association(mpdu, 10, at),
            kind::DEAUTHENTICATION | kind::DISASSOCIATION => {
                if let Some(at) = self.position(transmitter) {
                    self.remove_station(at);
                }
            }
            kind::ACTION => {
                self.update_power(mpdu);
                self.handle_action(mpdu, at);
            }
            kind::PS_POLL => {
                self.counters.ps_polls += 1;
                if let Some(station) = self.station_mut(transmitter) {
                    if station.aid == mpdu.association_id() {
                        station.ps.poll();
                    }
                }
            }
            kind::BLOCK_ACK_REQUEST => self.handle_block_ack_request(mpdu, at),
            _ if mpdu.is_data() => {
                self.update_power(mpdu);
                self.handle_data(mpdu, at);
            }
            _ => {}
        }
    }

    fn update_power(&mut self, mpdu: Mpdu<'_>) {
        let mut triggered = false;
        if let Some(station) = self.station_mut(mpdu.transmitter()) {
            station.ps.set_dozing(mpdu.has(POWER_MANAGEMENT));
            triggered = mpdu.is_qos() && station.ps.trigger(mpdu.tid());
        }
        self.counters.service_periods += u64::from(triggered);
    }

    fn handle_probe_request(&mut self, mpdu: Mpdu<'_>, at: Instant) {
        let elements = Elements::new(mpdu.body());
        let wanted = match elements.content(id::SSID) {
            Some([]) | None => !self.config.hidden,
            Some(ssid) => ssid == self.config.ssid,
        };
        // Neighbouring channels leak into each other: a request says for which one it is.
        let here = elements
            .content(id::DS)
            .is_none_or(|channel| channel == [self.config.channel.number]);
        if !wanted || !here {
            return;
        }
        self.counters.probe_requests += 1;
        let mut frame = self.answer_to(kind::PROBE_RESPONSE, mpdu.transmitter());
        self.append_fixed(&mut frame);
        let tsf = at.after(self.config.response_delay).as_micros();
        frame[24..32].copy_from_slice(&tsf.to_le_bytes());
        self.description.append_before_tim(&mut frame, false);
        self.description.append_after_tim(&mut frame);
        self.answer(frame, Purpose::ProbeResponse, at);
    }

    fn handle_authentication(&mut self, mpdu: Mpdu<'_>, at: Instant) {
        let word = |offset: usize| {
            let body = mpdu.body();
            Some(u16::from_le_bytes([
                *body.get(offset)?,
                *body.get(offset + 1)?,
            ]))
        };
        let (Some(algorithm), Some(1)) = (word(0), word(2)) else {
            return;
        };
        self.counters.authentications += 1;
        let status = match self.refuse_authentication {
            Some(status) => status,
            None if algorithm != 0 => 13,
            None => 0,
        };
        let address = mpdu.transmitter();
        if status == 0 {
            match self.position(address) {
                Some(at) => self.stations[at].reset(StationState::Authenticated),
                None => self.add_station(address),
            }
        }
        let mut frame = self.answer_to(kind::AUTHENTICATION, address);
        for word in [algorithm, 2, status] {
            frame.extend_from_slice(&word.to_le_bytes());
        }
        self.answer(frame, Purpose::Management, at);
    }

    fn add_station(&mut self, address: Address) {
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

    fn handle_association(&mut self, mpdu: Mpdu<'_>, fixed: usize, at: Instant) {
        let address = mpdu.transmitter();
        let (Some(position), Some(body)) = (self.position(address), mpdu.body().get(fixed..))
        else {
            self.complain(address, REASON_CLASS_2, at);
            return;
        };
        self.counters.associations += 1;
        let elements = Elements::new(body);
        let rsn = elements.content(id::RSN);
        let status = match self.refuse_association {
            Some(status) => status,
            None if self.pmk.is_some() && rsn.is_none() => 40,
            None if self.pmk.is_some() && !rsn.is_some_and(is_ccmp_psk) => 43,
            None => 0,
        };
        let wmm = elements.find_vendor(&WMM);
        let (config, offers_ht) = (self.config.clone(), self.description.ht);
        let station = &mut self.stations[position];
        station.reset(StationState::Authenticated);
        station.qos = config.wmm && wmm.is_some();
        station.ht = elements
            .content(id::HT_CAPABILITIES)
            .and_then(HtPeer::parse)
            .filter(|_| offers_ht && station.qos);
        let qos_info = wmm.and_then(|content| content.get(2)).copied().unwrap_or(0);
        station.ps = PowerSave::new(if config.uapsd && station.qos {
            qos_info
        } else {
            0
        });
        station.choose_rates(config.channel, config.signal_dbm, config.downlink_rate);
        let aid = station.aid;
        let answer_kind = if fixed == 4 {
            kind::ASSOCIATION_RESPONSE
        } else {
            kind::REASSOCIATION_RESPONSE
        };
        let mut frame = self.answer_to(answer_kind, address);
        let aid = if status == 0 { aid | 0xC000 } else { 0 };
        for word in [self.description.capabilities(), status, aid] {
            frame.extend_from_slice(&word.to_le_bytes());
        }
        self.description.append_association(&mut frame);
        let purpose = if status == 0 {
            Purpose::AssociationResponse
        } else {
            Purpose::Management
        };
        self.answer(frame, purpose, at);
    }

    /// The station has acknowledged the association response.
    pub(super) fn handle_associated(&mut self, address: Address, now: Instant) {
        let mut anonce = [0; 32];
        self.rng.fill(&mut anonce);
        let (bssid, pmk) = (self.config.bssid, self.pmk);
        let Some(at) = self.position(address) else {
            return;
        };
        let Some(pmk) = pmk else {
            self.stations[at].state = StationState::Authorized;
            return;
        };
        let station = &mut self.stations[at];
        station.state = StationState::Associated;
        let mut authenticator = Authenticator::new(pmk, bssid, address, anonce);
        let message = authenticator.start(now);
        station.authenticator = Some(authenticator);
        self.react(at, Reaction::Send(message));
    }

    /// EAPOL of a station.
    pub(super) fn handle_eapol(&mut self, position: usize, eapol: &[u8], at: Instant) {
        let group = self.group;
        let reaction = self.stations[position]
            .authenticator
            .as_mut()
            .map_or(Reaction::Nothing, |authenticator| {
                authenticator.handle(eapol, &group, at)
            });
        self.react(position, reaction);
    }

    fn react(&mut self, position: usize, reaction: Reaction) {
        let bssid = self.config.bssid;
        let station = &mut self.stations[position];
        match reaction {
            Reaction::Nothing => {}
            Reaction::Send(payload) => station.queues[7].push_front(OwnedMsdu {
                destination: station.address,
                source: bssid,
                tid: 7,
                ethertype: ETHERTYPE_EAPOL,
                payload,
            }),
            Reaction::Install(Ptk { tk, .. }) => {
                station.keys = Some(super::station::Keys {
                    key: Key::new(tk),
                    sent: 0,
                    received: [0; 16],
                });
                station.state = StationState::Authorized;
                self.counters.handshakes += 1;
            }
            Reaction::Fail(reason) => {
                let address = station.address;
                self.deauthenticate(address, reason);
            }
        }
    }

    fn handle_action(&mut self, mpdu: Mpdu<'_>, at: Instant) {
        let (aggregation, bssid) = (self.config.aggregation, self.config.bssid);
        let Some(station) = self.station_mut(mpdu.transmitter()) else {
            self.complain(mpdu.transmitter(), REASON_CLASS_3, at);
            return;
        };
        if mpdu.has(PROTECTED) {
            return;
        }
        match Action::parse(mpdu.body()) {
            Some(Action::Request {
                token,
                tid,
                window,
                timeout,
                start,
            }) => {
                let accepted = aggregation && station.ht.is_some() && tid < 8;
                let window = if window == 0 { 64 } else { window.min(64) };
                if accepted {
                    station.rx[usize::from(tid)] = RxAgreement::Active(Reorder::new(start, window));
                }
                let mut frame = management(kind::ACTION, station.address, bssid, bssid);
                Action::Response {
                    token,
                    status: if accepted {
                        STATUS_SUCCESS
                    } else {
                        STATUS_DECLINED
                    },
                    tid,
                    window,
                    timeout,
                }
                .append(&mut frame);
                station
                    .control
                    .push_back(Outgoing::new(frame, Purpose::Management));
            }
            Some(Action::Response {
                token,
                status,
                tid,
                window,
                ..
            }) if tid < 8 => {
                let agreement = &mut station.tx[usize::from(tid)];
                if matches!(*agreement, TxAgreement::Requested { token: asked, .. } if asked == token)
                {
                    *agreement = if status == STATUS_SUCCESS && window > 0 {
                        TxAgreement::Active { window }
                    } else {
                        // Declined: it is not asked again.
                        station.tx_requests[usize::from(tid)] = u8::MAX;
                        TxAgreement::None
                    };
                }
            }
            Some(Action::Delete {
                tid,
                from_originator,
                ..
            }) if tid < 8 => {
                if from_originator {
                    station.rx[usize::from(tid)] = RxAgreement::None;
                } else {
                    station.tx[usize::from(tid)] = TxAgreement::None;
                    station.tx_requests[usize::from(tid)] = u8::MAX;
                }
            }
            _ => {}
        }
    }

    /// Asks for an agreement after a few frames, as access points do.
    pub(super) fn consider_block_ack(&mut self, position: usize, tid: u8, now: Instant) {
        const FRAMES: u16 = 4;
        const REQUESTS: u8 = 3;
        let (aggregation, bssid) = (self.config.aggregation, self.config.bssid);
        let at = usize::from(tid & 7);
        let station = &mut self.stations[position];
        station.tx_sent[at] = station.tx_sent[at].saturating_add(1);
        if !aggregation
            || station.ht.is_none()
            || station.state != StationState::Authorized
            || station.tx[at] != TxAgreement::None
            || station.tx_sent[at] < FRAMES
            || station.tx_requests[at] >= REQUESTS
        {
            return;
        }
        station.tx_requests[at] += 1;
        station.tx_sent[at] = 0;
        self.dialog_token = self.dialog_token.wrapping_add(1).max(1);
        station.tx[at] = TxAgreement::Requested {
            token: self.dialog_token,
            deadline: now.after(Duration::from_secs(1)),
        };
        let start = station.pending[at]
            .iter()
            .find_map(|frame| match frame.purpose {
                Purpose::Data { sequence, .. } => Some(sequence),
                _ => None,
            })
            .unwrap_or(station.sequence[at]);
        let mut frame = management(kind::ACTION, station.address, bssid, bssid);
        Action::Request {
            token: self.dialog_token,
            tid,
            window: 64,
            timeout: 0,
            start,
        }
        .append(&mut frame);
        station
            .control
            .push_back(Outgoing::new(frame, Purpose::Management));
    }

    /// Tells somebody that it has no business here.
    pub(super) fn complain(&mut self, address: Address, reason: u16, at: Instant) {
        let mut frame = self.answer_to(kind::DEAUTHENTICATION, address);
        frame.extend_from_slice(&reason.to_le_bytes());
        self.answer(frame, Purpose::Management, at);
    }

    fn answer_to(&self, frame_kind: u8, address: Address) -> Vec<u8> {
        management(frame_kind, address, self.config.bssid, self.config.bssid)
    }

    fn answer(&mut self, frame: Vec<u8>, purpose: Purpose, at: Instant) {
        self.control.push_back(Answer {
            ready: at.after(self.config.response_delay),
            frame: Outgoing::new(frame, purpose),
        });
    }

    pub(super) fn position(&self, address: Address) -> Option<usize> {
        self.stations
            .iter()
            .position(|station| station.address == address)
    }

    /// When one of its timers is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.stations.iter().fold(None, |deadline, station| {
            earliest(deadline, station.deadline())
        })
    }

    /// Does what its timers demand.
    pub(super) fn handle_deadline(&mut self, now: Instant) {
        for position in 0..self.stations.len() {
            let group = self.group;
            let station = &mut self.stations[position];
            let reaction = station
                .authenticator
                .as_mut()
                .map_or(Reaction::Nothing, |authenticator| {
                    authenticator.poll(&group, now)
                });
            for agreement in &mut station.tx {
                if matches!(agreement, TxAgreement::Requested { deadline, .. } if deadline.is_due(now))
                {
                    *agreement = TxAgreement::None;
                }
            }
            self.react(position, reaction);
            self.release_held(position, now);
        }
    }
}
