//! The stack above the driver, as small as it can be: finds a network, authenticates, associates, does the WPA2
//! handshake, and reconnects when the link is lost. Linux: mac80211's managed mode with `wpa_supplicant`.
//!
//! | state | waits for | then |
//! |---|---|---|
//! | `Idle` | [`Station::connect`] | sends an authentication frame |
//! | `Authenticating` | the answer | sends an association request |
//! | `Associating` | the answer | tells the driver; open networks are connected |
//! | `Handshake` | messages 1 and 3 | answers, installs both keys |
//! | `Connected` | a new group key | answers, installs it |
//! | `Connected` | loss | `Idle` |
//!
//! Every waiting state has a deadline; three attempts, then the connection has failed.

pub mod dot11;
pub mod supplicant;

use bes_hal::{Duration, Instant};
use bes_mac80211::request::{AssociationParameters, BssDescription, HtParameters, Ssid};
use bes_mac80211::types::{Band, Channel, ChannelType, Cipher, HardwareKey, MacAddress};
use dot11::{subtype, Bss, Data, ETHERTYPE_EAPOL};
use std::collections::VecDeque;
use supplicant::{Step, Supplicant};

/// How long the access point may take for an answer.
const ANSWER: Duration = Duration::from_millis(300);

/// How often a frame is repeated.
const ATTEMPTS: u32 = 4;

/// How long the handshake may take. The access point repeats its messages itself.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// What the station wants done, in order.
#[derive(Debug)]
pub enum Wish {
    /// Tell the driver what is known of the network.
    BssKnown(BssDescription),
    /// Send a frame.
    Send {
        /// The frame.
        frame: Vec<u8>,
        /// Tell the station when it was acknowledged.
        mark: Option<Mark>,
    },
    /// Tell the driver that the association stands.
    Associated(AssociationParameters),
    /// Tell the driver that it is over.
    Disassociated,
    /// The access point moves to this channel now: tell the driver.
    SwitchChannel(Channel, ChannelType),
    /// Install a key.
    Key {
        /// Peer of a pairwise key; the group otherwise.
        peer: Option<MacAddress>,
        /// Key index.
        index: u8,
        /// Key.
        key: [u8; 16],
        /// Receive sequence counter.
        counter: u64,
    },
}

/// Frames whose end matters to the station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Message 4 of the handshake: the keys may go in.
    Message4,
}

/// Why a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No answer to an authentication.
    AuthenticationTimeout,
    /// The access point refused the authentication with this status.
    AuthenticationRefused(u16),
    /// No answer to an association request.
    AssociationTimeout,
    /// The access point refused the association with this status.
    AssociationRefused(u16),
    /// The handshake did not finish.
    HandshakeTimeout,
    /// The network needs a passphrase and none is known, or the other way round.
    Security,
    /// The driver lost the connection.
    Lost,
    /// The access point ended it.
    Disconnected,
}

#[derive(Debug)]
enum State {
    Idle,
    Authenticating {
        attempts: u32,
        deadline: Instant,
    },
    Associating {
        attempts: u32,
        deadline: Instant,
    },
    Handshake {
        supplicant: Box<Supplicant>,
        deadline: Instant,
        keys: Option<Keys>,
    },
    Connected {
        /// For the keys of a protected network that change later.
        supplicant: Option<Box<Supplicant>>,
    },
}

#[derive(Clone, Copy, Debug)]
struct Keys {
    pairwise: [u8; 16],
    group: [u8; 16],
    group_index: u8,
    counter: u64,
}

/// The station.
#[derive(Debug)]
pub struct Station {
    own: MacAddress,
    state: State,
    target: Option<Target>,
    wishes: VecDeque<Wish>,
    seed: fastrand::Rng,
    sequence: u16,
    /// When the last connection stood.
    pub connected_at: Option<Instant>,
    /// Why the last attempt failed.
    pub failure: Option<Failure>,
    /// Networks heard, by BSSID.
    pub heard: Vec<Bss>,
    /// Beacons of the own access point that came up.
    pub beacons: u64,
    /// The pairwise key in use. A repeated message 3 does not install it again: numbers would be used twice.
    pairwise: Option<[u8; 16]>,
    /// The access point moves then, to this channel and width.
    moving: Option<(Instant, Channel, ChannelType)>,
    /// QoS information for the next association: categories that are delivered in service periods (U-APSD).
    pub uapsd: u8,
    /// The last access point with which an association stood.
    last: Option<MacAddress>,
    /// The access point from which this attempt comes.
    from: Option<MacAddress>,
}

#[derive(Clone, Debug)]
struct Target {
    bss: Bss,
    master: Option<[u8; 32]>,
}

impl Station {
    /// A station with its address; `seed` makes its nonces reproducible.
    pub fn new(own: MacAddress, seed: u64) -> Self {
        Self {
            own,
            state: State::Idle,
            target: None,
            wishes: VecDeque::new(),
            seed: fastrand::Rng::with_seed(seed),
            sequence: 0,
            connected_at: None,
            failure: None,
            heard: Vec::new(),
            beacons: 0,
            pairwise: None,
            moving: None,
            uapsd: 0,
            last: None,
            from: None,
        }
    }

    /// Whether data may flow.
    pub const fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected { .. })
    }

    /// Whether nothing is under way.
    pub const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// The network that is joined or being joined.
    pub fn bss(&self) -> Option<&Bss> {
        self.target.as_ref().map(|target| &target.bss)
    }

    /// The key that data frames are protected with.
    pub fn key(&self) -> Option<HardwareKey> {
        let protected = self.is_connected()
            && self
                .target
                .as_ref()
                .is_some_and(|target| target.master.is_some());
        protected.then_some(HardwareKey {
            cipher: Cipher::Ccmp,
            index: 0,
        })
    }

    /// What the station wants done next.
    pub fn wish(&mut self) -> Option<Wish> {
        self.wishes.pop_front()
    }

    /// Whether the station wants something done.
    pub fn has_wishes(&self) -> bool {
        !self.wishes.is_empty()
    }

    /// Connects to a network that was heard.
    pub fn connect(&mut self, bss: &Bss, passphrase: Option<&str>, now: Instant) {
        if bss.rsn.is_some() != passphrase.is_some() {
            self.failure = Some(Failure::Security);
            return;
        }
        if !self.is_idle() {
            self.wishes.push_back(Wish::Disassociated);
        }
        let master = passphrase.map(|text| supplicant::pairwise_master_key(text, &bss.ssid));
        let target = Target {
            bss: bss.clone(),
            master,
        };
        self.begin(target, now);
    }

    /// Connects with a reassociation: to the access point that the station was with last, or from there to another one of
    /// its network.
    pub fn reassociate(&mut self, bss: &Bss, passphrase: Option<&str>, now: Instant) {
        let from = self.last;
        self.connect(bss, passphrase, now);
        self.from = from;
    }

    /// The driver lost the connection without its access point hearing of it: connects to the same network again, with
    /// keys of its own.
    pub fn reconnect(&mut self, now: Instant) {
        if let Some(target) = self.target.take() {
            self.begin(target, now);
        }
    }

    /// The driver knows nothing any more: everything waits for [`reconnect`](Self::reconnect).
    pub fn handle_restart(&mut self) {
        self.wishes.clear();
        self.state = State::Idle;
    }

    fn begin(&mut self, target: Target, now: Instant) {
        let bss = &target.bss;
        if let (Some(channel), Some(ssid)) =
            (Channel::new(bss.channel.into()), Ssid::new(&bss.ssid))
        {
            self.wishes.push_back(Wish::BssKnown(BssDescription {
                bssid: bss.bssid,
                ssid,
                channel,
                beacon_interval: bss.beacon_interval,
                dtim_period: bss.dtim_period.unwrap_or(0),
            }));
        }
        self.failure = None;
        self.connected_at = None;
        self.from = None;
        self.moving = None;
        self.pairwise = None;
        self.target = Some(target);
        self.authenticate(1, now);
    }

    /// Leaves the network.
    pub fn disconnect(&mut self) {
        if let Some(target) = self.target.take() {
            let frame = dot11::deauthentication(target.bss.bssid, self.own, 3);
            self.wishes.push_back(Wish::Send { frame, mark: None });
            self.wishes.push_back(Wish::Disassociated);
        }
        self.state = State::Idle;
    }

    /// When [`poll`](Self::poll) is due.
    pub const fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Idle => None,
            State::Connected { .. } => match self.moving {
                Some((at, ..)) => Some(at),
                None => None,
            },
            State::Authenticating { deadline, .. }
            | State::Associating { deadline, .. }
            | State::Handshake { deadline, .. } => Some(*deadline),
        }
    }

    /// Looks after deadlines.
    pub fn poll(&mut self, now: Instant) {
        if !self.deadline().is_some_and(|deadline| deadline.is_due(now)) {
            return;
        }
        match self.state {
            State::Authenticating { attempts, .. } if attempts < ATTEMPTS => {
                self.authenticate(attempts + 1, now)
            }
            State::Associating { attempts, .. } if attempts < ATTEMPTS => {
                self.associate(attempts + 1, now)
            }
            State::Authenticating { .. } => self.fail(Failure::AuthenticationTimeout),
            State::Associating { .. } => self.fail(Failure::AssociationTimeout),
            State::Handshake { .. } => self.fail(Failure::HandshakeTimeout),
            State::Connected { .. } => self.follow(),
            State::Idle => {}
        }
    }

    /// The access point moves: the driver follows.
    fn follow(&mut self) {
        let Some((_, channel, channel_type)) = self.moving.take() else {
            return;
        };
        if let Some(target) = &mut self.target {
            target.bss.channel = channel.number();
        }
        self.wishes
            .push_back(Wish::SwitchChannel(channel, channel_type));
    }

    /// The driver lost the connection.
    pub fn handle_loss(&mut self) {
        if !self.is_idle() {
            self.state = State::Idle;
            self.target = None;
            self.failure = Some(Failure::Lost);
            self.wishes.push_back(Wish::Disassociated);
        }
    }

    /// A marked frame is back.
    pub fn handle_sent(&mut self, mark: Mark, acknowledged: bool, now: Instant) {
        match (mark, &self.state) {
            (
                Mark::Message4,
                State::Handshake {
                    keys: Some(keys), ..
                },
            ) if acknowledged => {
                let keys = *keys;
                let peer = self.bss().map(|bss| bss.bssid);
                self.pairwise = Some(keys.pairwise);
                self.wishes.push_back(Wish::Key {
                    peer,
                    index: 0,
                    key: keys.pairwise,
                    counter: 0,
                });
                self.wishes.push_back(Wish::Key {
                    peer: None,
                    index: keys.group_index,
                    key: keys.group,
                    counter: keys.counter,
                });
                let supplicant = match std::mem::replace(&mut self.state, State::Idle) {
                    State::Handshake { supplicant, .. } => Some(supplicant),
                    _ => None,
                };
                self.state = State::Connected { supplicant };
                self.connected_at = Some(now);
            }
            _ => {}
        }
    }

    /// A frame came up.
    pub fn handle(
        &mut self,
        frame: &[u8],
        signal_dbm: Option<i8>,
        channel: u8,
        stripped: bool,
        now: Instant,
    ) {
        let Some(&kind) = frame.first() else { return };
        match kind {
            subtype::BEACON | subtype::PROBE_RESPONSE => {
                self.hear(frame, channel, signal_dbm);
                self.hear_own(frame, now);
            }
            subtype::AUTH => self.handle_authentication(frame, now),
            subtype::ASSOC_RESPONSE | subtype::REASSOC_RESPONSE => {
                self.handle_association(frame, now)
            }
            subtype::DEAUTH | subtype::DISASSOC => self.handle_disconnect(frame),
            subtype::DATA | subtype::QOS_DATA => {
                if let Some((_, ETHERTYPE_EAPOL, packet)) = dot11::parse_data(frame, stripped) {
                    self.handle_eapol(packet);
                }
            }
            _ => {}
        }
    }

    fn hear(&mut self, frame: &[u8], channel: u8, signal_dbm: Option<i8>) {
        let Some(bss) = dot11::parse_bss(frame, channel, signal_dbm) else {
            return;
        };
        match self.heard.iter_mut().find(|known| known.bssid == bss.bssid) {
            Some(known) => {
                // A probe response of a hidden network, or a beacon with the TIM, adds what the other lacks.
                let (ssid, dtim_period) = (known.ssid.clone(), known.dtim_period);
                *known = bss;
                if known.ssid.is_empty() {
                    known.ssid = ssid;
                }
                known.dtim_period = known.dtim_period.or(dtim_period);
            }
            None => self.heard.push(bss),
        }
    }

    /// A beacon of the own access point may announce that it moves.
    fn hear_own(&mut self, frame: &[u8], now: Instant) {
        let (true, Some(bss)) = (self.is_connected(), self.bss()) else {
            return;
        };
        if frame.get(10..16) != Some(&bss.bssid.0) {
            return;
        }
        let interval = Duration::from_micros(u64::from(bss.beacon_interval) * 1024);
        let ht = bss.ht;
        self.beacons += u64::from(frame.first() == Some(&subtype::BEACON));
        let Some((channel, count, above)) = dot11::parse_channel_switch(frame) else {
            return;
        };
        let channel_type = match (ht, above) {
            (false, _) => ChannelType::NoHt,
            (true, None) => ChannelType::Ht20,
            (true, Some(true)) => ChannelType::Ht40Plus,
            (true, Some(false)) => ChannelType::Ht40Minus,
        };
        if let (Some(channel), None) = (Channel::new(channel.into()), self.moving) {
            let left = interval.saturating_mul(u32::from(count.saturating_sub(1)));
            self.moving = Some((now.after(left), channel, channel_type));
        }
    }

    fn is_from_target(&self, frame: &[u8]) -> bool {
        self.bss()
            .is_some_and(|bss| frame.get(10..16) == Some(&bss.bssid.0))
            && frame.get(4..10) == Some(&self.own.0)
    }

    fn authenticate(&mut self, attempts: u32, now: Instant) {
        let Some(bssid) = self.bss().map(|bss| bss.bssid) else {
            return;
        };
        self.wishes.push_back(Wish::Send {
            frame: dot11::authentication(bssid, self.own),
            mark: None,
        });
        // The first frame triggers the join, which takes a channel switch and several commands.
        let deadline = now.after(ANSWER.saturating_mul(if attempts == 1 { 4 } else { 1 }));
        self.state = State::Authenticating { attempts, deadline };
    }

    fn associate(&mut self, attempts: u32, now: Instant) {
        let Some(bss) = self.bss() else { return };
        let frame = dot11::association_request(bss, self.own, self.from, self.uapsd);
        self.wishes.push_back(Wish::Send { frame, mark: None });
        self.state = State::Associating {
            attempts,
            deadline: now.after(ANSWER),
        };
    }

    fn handle_authentication(&mut self, frame: &[u8], now: Instant) {
        if !matches!(self.state, State::Authenticating { .. }) || !self.is_from_target(frame) {
            return;
        }
        let Some(&[_, _, 2, 0, low, high]) = frame.get(24..30) else {
            return;
        };
        match u16::from_le_bytes([low, high]) {
            0 => self.associate(1, now),
            status => self.fail(Failure::AuthenticationRefused(status)),
        }
    }

    fn handle_association(&mut self, frame: &[u8], now: Instant) {
        if !matches!(self.state, State::Associating { .. }) || !self.is_from_target(frame) {
            return;
        }
        let Some(&[_, _, low, high, aid_low, aid_high]) = frame.get(24..30) else {
            return;
        };
        let status = u16::from_le_bytes([low, high]);
        if status != 0 {
            self.fail(Failure::AssociationRefused(status));
            return;
        }
        let Some(target) = self.target.clone() else {
            return;
        };
        self.last = Some(target.bss.bssid);
        let aid = u16::from_le_bytes([aid_low, aid_high]) & 0x3FFF;
        self.wishes
            .push_back(Wish::Associated(association(&target.bss, aid)));
        match target.master {
            Some(master) => {
                let mut nonce = [0; 32];
                self.seed.fill(&mut nonce);
                let supplicant =
                    Box::new(Supplicant::new(master, self.own, target.bss.bssid, nonce));
                self.state = State::Handshake {
                    supplicant,
                    deadline: now.after(HANDSHAKE),
                    keys: None,
                };
            }
            None => {
                self.state = State::Connected { supplicant: None };
                self.connected_at = Some(now);
            }
        }
    }

    fn handle_disconnect(&mut self, frame: &[u8]) {
        if self.is_from_target(frame) && !self.is_idle() {
            self.fail(Failure::Disconnected);
        }
    }

    fn handle_eapol(&mut self, packet: &[u8]) {
        match &mut self.state {
            State::Handshake {
                supplicant, keys, ..
            } => {
                let (reply, mark) = match supplicant.handle(packet) {
                    Ok(Step::Send(reply)) => (reply, None),
                    Ok(Step::SendThenInstall {
                        packet,
                        pairwise,
                        group: (group, group_index),
                        group_rsc,
                    }) => {
                        *keys = Some(Keys {
                            pairwise,
                            group,
                            group_index,
                            counter: group_rsc,
                        });
                        (packet, Some(Mark::Message4))
                    }
                    Ok(Step::Ignore | Step::SendAndInstallGroup { .. }) | Err(_) => return,
                };
                let frame = self.data(ETHERTYPE_EAPOL, &reply, None);
                self.wishes.push_back(Wish::Send { frame, mark });
            }
            State::Connected {
                supplicant: Some(supplicant),
            } => {
                // What answers goes out under the present keys; new ones follow it at once.
                let (packet, pairwise, group) = match supplicant.handle(packet) {
                    Ok(Step::Send(packet)) => (packet, None, None),
                    Ok(Step::SendAndInstallGroup {
                        packet,
                        group,
                        group_rsc,
                    }) => (packet, None, Some((group, group_rsc))),
                    Ok(Step::SendThenInstall {
                        packet,
                        pairwise,
                        group,
                        group_rsc,
                    }) => (packet, Some(pairwise), Some((group, group_rsc))),
                    Ok(Step::Ignore) | Err(_) => return,
                };
                let frame = self.data(ETHERTYPE_EAPOL, &packet, self.key());
                self.wishes.push_back(Wish::Send { frame, mark: None });
                let new = pairwise.is_none() || pairwise != self.pairwise;
                if let (Some(key), true) = (pairwise, new) {
                    self.pairwise = Some(key);
                    let peer = self.bss().map(|bss| bss.bssid);
                    self.wishes.push_back(Wish::Key {
                        peer,
                        index: 0,
                        key,
                        counter: 0,
                    });
                }
                if let (Some(((key, index), counter)), true) = (group, new) {
                    self.wishes.push_back(Wish::Key {
                        peer: None,
                        index,
                        key,
                        counter,
                    });
                }
            }
            _ => {}
        }
    }

    /// A data frame to the access point itself.
    pub fn data(&mut self, ethertype: u16, payload: &[u8], key: Option<HardwareKey>) -> Vec<u8> {
        let mut frame = Vec::with_capacity(payload.len() + 64);
        if let Some(bss) = self.bss() {
            let (bssid, wmm) = (bss.bssid, bss.wmm);
            self.sequence = (self.sequence + 1) & 0xFFF;
            dot11::data_into(
                &mut frame,
                &Data {
                    bssid,
                    own: self.own,
                    destination: bssid,
                    tid: wmm.then_some(0),
                    sequence: self.sequence,
                    protected: key.map(|_| 8),
                    ethertype,
                    payload,
                },
            );
        }
        frame
    }

    fn fail(&mut self, failure: Failure) {
        self.failure = Some(failure);
        self.state = State::Idle;
        self.target = None;
        self.wishes.push_back(Wish::Disassociated);
    }
}

/// Band of a channel number.
pub const fn band(channel: u8) -> Band {
    if channel > 14 {
        Band::FiveGhz
    } else {
        Band::TwoPointFourGhz
    }
}

fn association(bss: &Bss, aid: u16) -> AssociationParameters {
    let legacy = band(bss.channel);
    AssociationParameters {
        aid,
        beacon_interval: bss.beacon_interval,
        dtim_period: bss.dtim_period.unwrap_or(1),
        rates: dot11::legacy_rates(legacy),
        basic_rates: dot11::basic_rates(legacy),
        ht: bss.ht.then_some(HtParameters {
            mcs: 0xFF,
            ampdu_density: 0,
            greenfield: false,
            short_gi: true,
            non_greenfield_present: false,
        }),
        channel_type: match (bss.ht, bss.secondary_above) {
            (false, _) => ChannelType::NoHt,
            (true, None) => ChannelType::Ht20,
            (true, Some(true)) => ChannelType::Ht40Plus,
            (true, Some(false)) => ChannelType::Ht40Minus,
        },
        short_preamble: bss.capability & 0x0020 != 0,
        short_slot: bss.capability & 0x0400 != 0,
        qos: bss.wmm,
        protected_management: false,
    }
}
