//! A station that joins the network of the radio under test when that is an access point itself.
//!
//! ```text
//!   Searching ──beacon──► Authenticating ──► Associating ──► Handshake ──► Connected
//!       ▲                      │                 │             (WPA2)          │
//!       └── no answer, refusal, or deauthentication ──────────────────────────┘
//! ```

use super::access_point::TU;
use super::airtime::{self, Response};
use super::block_ack::{Action, STATUS_SUCCESS};
use super::ccmp::{self, Key};
use super::elements::{append, id, Elements, RSN_CCMP_PSK};
use super::endpoint::OwnedMsdu;
use super::frame::{
    kind, management, set_sequence, split_snap, Mpdu, Msdu, ETHERTYPE_EAPOL, POWER_MANAGEMENT,
    PROTECTED, RETRY, SNAP, TO_DS,
};
use super::medium::{chance, is_group, Air, ClientId};
use super::supplicant::Supplicant;
use super::wpa::pmk;
use super::{Address, Channel, Heard, PhyRate};
use bes_hal::time::Instant;
use core::time::Duration;
use std::collections::VecDeque;

/// What a client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// Its address.
    pub address: Address,
    /// The network it looks for.
    pub ssid: Vec<u8>,
    /// Passphrase if that is protected with WPA2.
    pub passphrase: Option<String>,
    /// Channel it stays on.
    pub channel: Channel,
    /// Signal in both directions, in dBm.
    pub signal_dbm: i8,
    /// Rate of everything it sends.
    pub rate: PhyRate,
}

impl ClientConfig {
    /// A client of an open network.
    pub fn open(address: Address, ssid: &str, channel: Channel) -> Self {
        Self {
            address,
            ssid: ssid.into(),
            passphrase: None,
            channel,
            signal_dbm: -45,
            rate: PhyRate::Ofdm(24),
        }
    }
}

/// How far a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientState {
    /// It listens for beacons of its network.
    Searching,
    /// It has sent an authentication.
    Authenticating,
    /// It has sent an association request.
    Associating,
    /// It is associated and waits for the handshake.
    Handshake,
    /// Its data passes.
    Connected,
}

/// What a client has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCounters {
    /// Times it got connected.
    pub connected: u64,
    /// Data frames received that carried an MSDU.
    pub received: u64,
    /// Frames received again.
    pub duplicates: u64,
    /// Frames that could not be decrypted.
    pub undecryptable: u64,
    /// Frames given up after the last retry.
    pub dropped: u64,
}

const TIMEOUT: Duration = Duration::from_millis(500);
const TRIES: u8 = 7;
/// Most MSDUs that wait to be taken out of a client.
const RECEIVED: usize = 4096;

/// A client. Made by [`Air::add_client`](super::Air::add_client).
#[derive(Debug)]
pub struct Client {
    pub(super) config: ClientConfig,
    state: ClientState,
    bssid: Address,
    aid: u16,
    pub(super) queue: VecDeque<(Vec<u8>, u8)>,
    received: VecDeque<OwnedMsdu>,
    counters: ClientCounters,
    deadline: Option<Instant>,
    supplicant: Option<Supplicant>,
    keys: Option<(Key, u64)>,
    group: Option<(u8, Key)>,
    agreements: u8,
    last: Option<(u8, u16)>,
    dozing: bool,
    sequence: u16,
    pub(super) not_before: Instant,
}

impl Client {
    pub(super) fn new(config: ClientConfig) -> Self {
        Self {
            config,
            state: ClientState::Searching,
            bssid: [0; 6],
            aid: 0,
            queue: VecDeque::new(),
            received: VecDeque::new(),
            counters: ClientCounters::default(),
            deadline: None,
            supplicant: None,
            keys: None,
            group: None,
            agreements: 0,
            last: None,
            dozing: false,
            sequence: 0,
            not_before: Instant::ZERO,
        }
    }

    /// How far it has come.
    pub fn state(&self) -> ClientState {
        self.state
    }

    /// What it has counted.
    pub fn counters(&self) -> ClientCounters {
        self.counters
    }

    /// Its association id; zero before it is associated.
    pub fn association_id(&self) -> u16 {
        self.aid
    }

    /// The next MSDU it has received.
    pub fn pop_received(&mut self) -> Option<OwnedMsdu> {
        self.received.pop_front()
    }

    /// Sends an MSDU. `false`: it is not connected.
    pub fn send(&mut self, msdu: &Msdu<'_>) -> bool {
        let connected = self.state == ClientState::Connected;
        if connected {
            self.send_data(msdu.destination, msdu.tid, msdu.ethertype, msdu.payload);
        }
        connected
    }

    /// Tells the access point that it dozes, or that it is awake again.
    pub fn set_dozing(&mut self, dozing: bool) {
        self.dozing = dozing;
        let mut frame = vec![kind::NULL, TO_DS, 0, 0];
        for address in [self.bssid, self.config.address, self.bssid] {
            frame.extend_from_slice(&address);
        }
        frame.extend_from_slice(&[0, 0]);
        self.push(frame);
    }

    /// Asks for one frame that waits (PS-Poll).
    pub fn poll(&mut self) {
        let mut frame = vec![kind::PS_POLL, 0];
        frame.extend_from_slice(&(self.aid | 0xC000).to_le_bytes());
        frame.extend_from_slice(&self.bssid);
        frame.extend_from_slice(&self.config.address);
        self.push(frame);
    }

    /// Leaves with a deauthentication and looks for its network again.
    pub fn leave(&mut self, reason: u16) {
        let mut frame = self.management(kind::DEAUTHENTICATION);
        frame.extend_from_slice(&reason.to_le_bytes());
        self.reset();
        self.push(frame);
    }

    fn reset(&mut self) {
        self.state = ClientState::Searching;
        self.queue.clear();
        self.deadline = None;
        self.supplicant = None;
        self.keys = None;
        self.group = None;
        self.agreements = 0;
        self.aid = 0;
        self.dozing = false;
    }

    fn management(&self, frame_kind: u8) -> Vec<u8> {
        management(frame_kind, self.bssid, self.config.address, self.bssid)
    }

    fn push(&mut self, mut frame: Vec<u8>) {
        if self.dozing {
            frame[1] |= POWER_MANAGEMENT;
        }
        // Control frames have no sequence number, and are shorter than to reach there.
        self.sequence = (self.sequence + 1) & 0x0FFF;
        set_sequence(&mut frame, self.sequence);
        self.queue.push_back((frame, 0));
    }

    fn send_data(&mut self, destination: Address, tid: u8, ethertype: u16, payload: &[u8]) {
        let mut frame = vec![kind::QOS_DATA, TO_DS, 0, 0];
        for address in [self.bssid, self.config.address, destination] {
            frame.extend_from_slice(&address);
        }
        frame.extend_from_slice(&[0, 0, tid & 7, 0]);
        if self.keys.is_some() {
            frame.extend_from_slice(&[0; ccmp::HEADER]);
        }
        frame.extend_from_slice(&SNAP);
        frame.extend_from_slice(&ethertype.to_be_bytes());
        frame.extend_from_slice(payload);
        if let Some((key, sent)) = &mut self.keys {
            *sent += 1;
            key.encrypt(&mut frame, *sent, 0);
        }
        self.push(frame);
    }

    /// When it wants the medium.
    pub(super) fn ready(&self, now: Instant) -> Option<Instant> {
        (!self.queue.is_empty()).then(|| now.max(self.not_before))
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn handle_deadline(&mut self, now: Instant) {
        if self.deadline.is_some_and(|deadline| deadline.is_due(now)) {
            self.reset();
        }
    }

    /// What became of the frame at the front of the queue.
    pub(super) fn handle_sent(&mut self, acked: bool) {
        let Some((mut frame, tries)) = self.queue.pop_front() else {
            return;
        };
        if acked {
            return;
        }
        if tries + 1 >= TRIES {
            self.counters.dropped += 1;
            return;
        }
        frame[1] |= RETRY;
        self.queue.push_front((frame, tries + 1));
    }

    /// Whether it acknowledges an A-MPDU with this traffic identifier.
    pub(super) fn accepts_ampdu(&self, tid: u8) -> bool {
        self.agreements & 1 << (tid & 7) != 0
    }

    /// A frame of the access point under test arrived.
    pub(super) fn handle_frame(&mut self, mpdu: Mpdu<'_>, at: Instant) {
        if !mpdu.is_group() && !mpdu.is_null() {
            let identity = (mpdu.tid(), mpdu.sequence());
            let again = mpdu.has(RETRY) && self.last == Some(identity);
            self.last = Some(identity);
            if again {
                self.counters.duplicates += 1;
                return;
            }
        }
        match (mpdu.kind(), self.state) {
            (kind::BEACON, ClientState::Searching) => self.handle_beacon(mpdu, at),
            _ if mpdu.transmitter() != self.bssid => {}
            (kind::AUTHENTICATION, ClientState::Authenticating) => match mpdu.body().get(2..6) {
                Some([2, 0, 0, 0]) => self.associate(at),
                _ => self.reset(),
            },
            (kind::ASSOCIATION_RESPONSE, ClientState::Associating) => {
                self.handle_association(mpdu, at);
            }
            (kind::DEAUTHENTICATION | kind::DISASSOCIATION, _) => self.reset(),
            (kind::ACTION, _) => self.handle_action(mpdu),
            _ if mpdu.is_data() => self.handle_data(mpdu),
            _ => {}
        }
    }

    fn handle_beacon(&mut self, mpdu: Mpdu<'_>, at: Instant) {
        let Some(body) = mpdu.body().get(12..) else {
            return;
        };
        if Elements::new(body).content(id::SSID) != Some(&self.config.ssid[..]) {
            return;
        }
        self.bssid = mpdu.transmitter();
        let mut frame = self.management(kind::AUTHENTICATION);
        frame.extend_from_slice(&[0, 0, 1, 0, 0, 0]);
        self.push(frame);
        self.state = ClientState::Authenticating;
        self.deadline = Some(at.after(TIMEOUT));
    }

    fn associate(&mut self, at: Instant) {
        let mut frame = self.management(kind::ASSOCIATION_REQUEST);
        let privacy = if self.config.passphrase.is_some() {
            0x11
        } else {
            0x01
        };
        frame.extend_from_slice(&[privacy, 0, 5, 0]);
        append(&mut frame, id::SSID, &self.config.ssid);
        append(
            &mut frame,
            id::RATES,
            &[0x02, 0x04, 0x0B, 0x16, 0x0C, 0x12, 0x18, 0x24],
        );
        append(&mut frame, id::EXTENDED_RATES, &[0x30, 0x48, 0x60, 0x6C]);
        if self.config.passphrase.is_some() {
            append(&mut frame, id::RSN, &RSN_CCMP_PSK);
        }
        let mut ht = [0; 26];
        (ht[0], ht[2], ht[3]) = (0x2C, 3, 0xFF);
        append(&mut frame, id::HT_CAPABILITIES, &ht);
        append(&mut frame, id::VENDOR, &[0x00, 0x50, 0xF2, 2, 0, 1, 0]);
        self.push(frame);
        self.state = ClientState::Associating;
        self.deadline = Some(at.after(TIMEOUT));
    }

    fn handle_association(&mut self, mpdu: Mpdu<'_>, at: Instant) {
        let Some([0, 0, low, high]) = mpdu.body().get(2..6) else {
            self.reset();
            return;
        };
        self.aid = u16::from_le_bytes([*low, *high]) & 0x3FFF;
        match &self.config.passphrase {
            None => self.connected(),
            Some(passphrase) => {
                let mut snonce = [0x5A; 32];
                snonce[..8].copy_from_slice(&at.as_nanos().to_le_bytes());
                let pmk = pmk(passphrase, &self.config.ssid);
                let address = self.config.address;
                self.supplicant = Some(Supplicant::new(pmk, self.bssid, address, snonce));
                self.state = ClientState::Handshake;
                self.deadline = Some(at.after(TU * 10_000));
            }
        }
    }

    fn connected(&mut self) {
        self.state = ClientState::Connected;
        self.deadline = None;
        self.counters.connected += 1;
    }

    fn handle_action(&mut self, mpdu: Mpdu<'_>) {
        match Action::parse(mpdu.body()) {
            Some(Action::Request {
                token,
                tid,
                window,
                timeout,
                ..
            }) if tid < 8 => {
                self.agreements |= 1 << tid;
                let mut frame = self.management(kind::ACTION);
                Action::Response {
                    token,
                    status: STATUS_SUCCESS,
                    tid,
                    window: window.clamp(1, 64),
                    timeout,
                }
                .append(&mut frame);
                self.push(frame);
            }
            Some(Action::Delete {
                tid,
                from_originator: true,
                ..
            }) if tid < 8 => self.agreements &= !(1 << tid),
            _ => {}
        }
    }

    fn handle_data(&mut self, mpdu: Mpdu<'_>) {
        if mpdu.is_null() {
            return;
        }
        let mut frame = mpdu.bytes().to_vec();
        let mut start = mpdu.header_len();
        if mpdu.has(PROTECTED) {
            let key = if mpdu.is_group() {
                self.group.as_ref().map(|(_, key)| key)
            } else {
                self.keys.as_ref().map(|(key, _)| key)
            };
            if key.and_then(|key| key.decrypt(&mut frame)).is_none() {
                self.counters.undecryptable += 1;
                return;
            }
            start += ccmp::HEADER;
        }
        let Some((ethertype, payload)) = frame.get(start..).and_then(split_snap) else {
            return;
        };
        if ethertype == ETHERTYPE_EAPOL {
            self.handle_eapol(payload);
            return;
        }
        // Once there is a key, nothing but the handshake may come in the clear.
        if self.keys.is_some() && !mpdu.has(PROTECTED) {
            self.counters.undecryptable += 1;
            return;
        }
        self.counters.received += 1;
        if self.received.len() < RECEIVED {
            self.received.push_back(OwnedMsdu {
                destination: mpdu.receiver(),
                source: mpdu.address3(),
                tid: mpdu.tid(),
                ethertype,
                payload: payload.to_vec(),
            });
        }
    }

    fn handle_eapol(&mut self, eapol: &[u8]) {
        let Some(supplicant) = &mut self.supplicant else {
            return;
        };
        let answer = supplicant.handle(eapol);
        if let Some(reply) = answer.reply {
            self.send_data(self.bssid, 7, ETHERTYPE_EAPOL, &reply);
        }
        if let Some((key_id, key)) = answer.group {
            self.group = Some((key_id, Key::new(key)));
        }
        if let Some(key) = answer.pairwise {
            self.keys = Some((Key::new(key), 0));
            self.connected();
        }
    }
}

impl Air {
    /// Adds a station that joins the network of the radio under test.
    pub fn add_client(&mut self, config: ClientConfig) -> ClientId {
        self.changed();
        self.clients.push(Client::new(config));
        ClientId(self.clients.len() - 1)
    }

    /// A client.
    ///
    /// # Panics
    ///
    /// If the id is from another air.
    pub fn client(&self, id: ClientId) -> &Client {
        &self.clients[id.0]
    }

    /// A client, to be told something.
    ///
    /// # Panics
    ///
    /// If the id is from another air.
    pub fn client_mut(&mut self, id: ClientId) -> &mut Client {
        self.changed();
        &mut self.clients[id.0]
    }

    /// A frame of the radio under test is on the air; whether a client acknowledges it.
    pub(super) fn arrive_at_clients(
        &mut self,
        mpdu: Mpdu<'_>,
        rate: PhyRate,
        ampdu: bool,
        at: Instant,
    ) -> bool {
        let mut arrived = false;
        for index in 0..self.clients.len() {
            let client = &self.clients[index];
            let here = self
                .tuned
                .is_some_and(|tuned| tuned.number == client.config.channel.number);
            let ours = mpdu.is_group() || mpdu.receiver() == client.config.address;
            if !here || !ours || ampdu && !client.accepts_ampdu(mpdu.tid()) {
                continue;
            }
            let signal = client.config.signal_dbm;
            if !self.is_lost(rate, signal, mpdu.bytes().len(), 0.0) {
                self.clients[index].handle_frame(mpdu, at);
                arrived = true;
            }
        }
        arrived
    }

    /// A client takes the medium.
    pub(super) fn transmit_client(&mut self, index: usize, start: Instant) {
        let client = &self.clients[index];
        let Some((frame, _)) = client.queue.front() else {
            return;
        };
        let frame = frame.clone();
        let (channel, rate, signal_dbm) = (
            client.config.channel,
            client.config.rate,
            client.config.signal_dbm,
        );
        let response = if is_group(&frame) {
            Response::None
        } else {
            Response::Ack
        };
        let octets = frame.len() + airtime::FCS;
        let end = self.occupy(channel, start, rate, octets, false, response);
        let at = self.end_of_ppdu(channel, end, rate, response);
        self.counters.other_airtime += end.since(start);
        if let Some(capture) = &mut self.capture {
            capture.write(&frame, at, channel, rate, signal_dbm);
        }
        let here = self
            .tuned
            .is_some_and(|tuned| tuned.number == channel.number);
        let arrived = here && !self.is_lost(rate, signal_dbm, frame.len(), 0.0);
        let ours = frame
            .get(4..10)
            .is_some_and(|receiver| self.stations.iter().any(|known| known == receiver));
        let acked = arrived && ours && !chance(&mut self.rng, self.config.ack_loss);
        if arrived {
            self.counters.heard += 1;
            self.push_heard((
                Heard {
                    frame,
                    at,
                    channel: channel.number,
                    rate,
                    signal_dbm,
                    ampdu: false,
                    first_of_ampdu: false,
                    last_of_ampdu: false,
                },
                false,
            ));
        }
        let client = &mut self.clients[index];
        client.handle_sent(acked || response == Response::None);
        client.not_before = end.after(Duration::from_nanos(1));
    }
}
