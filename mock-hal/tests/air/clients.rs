//! Clients of a network whose access point is the radio under test: here played by an authenticator and a few lines.

use bes_hal::time::Instant;
use core::time::Duration;
use mock_hal::air::authenticator::{Authenticator, GroupKey, Reaction};
use mock_hal::air::ccmp::{self, Key};
use mock_hal::air::elements::{append, id};
use mock_hal::air::frame::{
    append_downlink, kind, management, set_sequence, Mpdu, POWER_MANAGEMENT, PROTECTED,
};
use mock_hal::air::wpa::pmk;
use mock_hal::air::{
    Air, Channel, ClientConfig, ClientId, ClientState, Exchange, Msdu, PhyRate, BROADCAST,
};

const AP: [u8; 6] = [0x02, 0, 0, 0, 0, 1];
const CLIENT: [u8; 6] = [0x02, 0, 0, 0, 0, 2];
const GROUP: GroupKey = GroupKey {
    id: 1,
    bytes: [3; 16],
};

/// The radio under test as an access point.
struct Host {
    air: Air,
    now: Instant,
    sequence: u16,
    key: Option<Key>,
    sent: u64,
}

impl Host {
    fn new(config: ClientConfig) -> (Self, ClientId) {
        let mut air = Air::new(1);
        air.set_station_address(AP);
        air.tune(Some(config.channel), Instant::ZERO);
        let client = air.add_client(config);
        let host = Self {
            air,
            now: Instant::ZERO,
            sequence: 0,
            key: None,
            sent: 0,
        };
        (host, client)
    }

    fn send(&mut self, mut frame: Vec<u8>) -> bool {
        self.sequence += 1;
        set_sequence(&mut frame, self.sequence);
        self.now = self.now.max(self.air.busy_until());
        let exchange = Exchange {
            frames: &[&frame],
            rate: PhyRate::Ofdm(24),
            rts: false,
        };
        let outcome = self.air.exchange(&exchange, self.now);
        self.now = self.now.after(outcome.airtime);
        outcome.acked == 1
    }

    fn beacon(&mut self) {
        let mut frame = management(kind::BEACON, BROADCAST, AP, AP);
        frame.extend_from_slice(&[0; 12]);
        append(&mut frame, id::SSID, b"hotspot");
        self.send(frame);
    }

    fn answer(&mut self, answer: u8, words: [u16; 3]) {
        let mut frame = management(answer, CLIENT, AP, AP);
        for word in words {
            frame.extend_from_slice(&word.to_le_bytes());
        }
        assert!(self.send(frame));
    }

    fn hear(&mut self) -> Option<Vec<u8>> {
        let until = self.now.after(Duration::from_millis(50));
        loop {
            if let Some(heard) = self.air.pop_heard() {
                return Some(heard.frame);
            }
            self.now = self
                .air
                .next_event()
                .filter(|&at| at <= until)?
                .max(self.now);
            self.air.advance(self.now);
        }
    }

    fn associate(&mut self) {
        self.beacon();
        assert_eq!(self.hear().unwrap()[0], kind::AUTHENTICATION);
        self.answer(kind::AUTHENTICATION, [0, 2, 0]);
        let request = self.hear().unwrap();
        assert_eq!(request[0], kind::ASSOCIATION_REQUEST);
        self.answer(kind::ASSOCIATION_RESPONSE, [0x0421, 0, 0xC005]);
    }

    fn data(&mut self, ethertype: u16, payload: &[u8]) -> bool {
        let msdu = Msdu {
            destination: CLIENT,
            source: AP,
            tid: 0,
            ethertype,
            payload,
        };
        let mut frame = Vec::new();
        append_downlink(&mut frame, AP, &msdu, true, self.key.is_some());
        if let Some(key) = &self.key {
            self.sent += 1;
            key.encrypt(&mut frame, self.sent, 0);
        }
        self.send(frame)
    }
}

fn body(frame: &[u8]) -> &[u8] {
    &Mpdu::parse(frame).unwrap().body()[8..]
}

#[test]
fn a_client_joins_an_open_network_and_passes_data() {
    let (mut host, client) = Host::new(ClientConfig::open(CLIENT, "hotspot", Channel::ht20(6)));
    host.associate();
    assert_eq!(host.air.client(client).state(), ClientState::Connected);
    assert_eq!(host.air.client(client).association_id(), 5);
    assert!(host.data(0x0800, b"down"));
    let received = host.air.client_mut(client).pop_received().unwrap();
    assert_eq!(received.payload, b"down");
    let up = Msdu {
        destination: AP,
        source: CLIENT,
        tid: 0,
        ethertype: 0x0800,
        payload: b"up",
    };
    assert!(host.air.client_mut(client).send(&up));
    assert_eq!(body(&host.hear().unwrap()), b"up");
}

#[test]
fn a_client_does_the_handshake_of_a_protected_network() {
    let config = ClientConfig {
        passphrase: Some("12345678".into()),
        ..ClientConfig::open(CLIENT, "hotspot", Channel::ht20(6))
    };
    let (mut host, client) = Host::new(config);
    host.associate();
    assert_eq!(host.air.client(client).state(), ClientState::Handshake);
    let master = pmk("12345678", b"hotspot");
    let mut authenticator = Authenticator::new(master, AP, CLIENT, [1; 32]);
    let m1 = authenticator.start(host.now);
    assert!(host.data(0x888E, &m1));
    let m2 = host.hear().unwrap();
    let Reaction::Send(m3) = authenticator.handle(body(&m2), &GROUP, host.now) else {
        panic!("message 2 was not accepted");
    };
    assert!(host.data(0x888E, &m3));
    let m4 = host.hear().unwrap();
    let Reaction::Install(ptk) = authenticator.handle(body(&m4), &GROUP, host.now) else {
        panic!("message 4 was not accepted");
    };
    assert_eq!(host.air.client(client).state(), ClientState::Connected);
    host.key = Some(Key::new(ptk.tk));
    assert!(host.data(0x0800, b"down"));
    let received = host.air.client_mut(client).pop_received().unwrap();
    assert_eq!(received.payload, b"down");
    let up = Msdu {
        destination: AP,
        source: CLIENT,
        tid: 0,
        ethertype: 0x0800,
        payload: b"up",
    };
    assert!(host.air.client_mut(client).send(&up));
    let mut frame = host.hear().unwrap();
    assert!(Mpdu::parse(&frame).unwrap().has(PROTECTED));
    assert!(Key::new(ptk.tk).decrypt(&mut frame).is_some());
    assert_eq!(frame[26 + ccmp::HEADER + 8..], *b"up");
    // In the clear it is not taken any more once the key is there, nor under another key.
    host.key = Some(Key::new([9; 16]));
    host.data(0x0800, b"forged");
    assert_eq!(host.air.client_mut(client).pop_received(), None);
    host.key = None;
    host.data(0x0800, b"forged");
    assert_eq!(host.air.client_mut(client).pop_received(), None);
    assert_eq!(host.air.client(client).counters().undecryptable, 2);
}

#[test]
fn a_client_dozes_polls_leaves_and_comes_back() {
    let (mut host, client) = Host::new(ClientConfig::open(CLIENT, "hotspot", Channel::ht20(6)));
    host.associate();
    host.air.client_mut(client).set_dozing(true);
    let null = host.hear().unwrap();
    assert_eq!(null[0], kind::NULL);
    assert!(Mpdu::parse(&null).unwrap().has(POWER_MANAGEMENT));
    host.air.client_mut(client).poll();
    let poll = host.hear().unwrap();
    assert_eq!(Mpdu::parse(&poll).unwrap().association_id(), 5);
    host.air.client_mut(client).leave(3);
    assert_eq!(host.hear().unwrap()[0], kind::DEAUTHENTICATION);
    host.associate();
    assert_eq!(host.air.client(client).counters().connected, 2);
}

#[test]
fn a_refused_client_looks_for_its_network_again() {
    let (mut host, client) = Host::new(ClientConfig::open(CLIENT, "hotspot", Channel::ht20(6)));
    host.beacon();
    host.hear().unwrap();
    host.answer(kind::AUTHENTICATION, [0, 2, 1]);
    assert_eq!(host.air.client(client).state(), ClientState::Searching);
    // No answer at all: half a second later, too.
    host.beacon();
    host.hear().unwrap();
    assert_eq!(host.air.client(client).state(), ClientState::Authenticating);
    host.now = host.now.after(Duration::from_secs(1));
    host.air.advance(host.now);
    assert_eq!(host.air.client(client).state(), ClientState::Searching);
}
