//! A host without a driver: raw WSM bytes on one side of the firmware, a real air with an access point on the other.

use bes_hal::time::Instant;
use core::time::Duration;
use mock_hal::air::elements::{append, id, RSN_CCMP_PSK};
use mock_hal::air::frame::{kind, management, PROTECTED, SNAP, TO_DS};
use mock_hal::air::traffic::{append_packet, Stamp};
use mock_hal::air::wpa::{
    find_group_key, mic_is_right, pmk, unwrap, KeyFrame, Ptk, PAIRWISE, SECURE, VERSION_2, WITH_MIC,
};
use mock_hal::air::{Address, Air, AirConfig, ApConfig, ApId, Security};
use mock_hal::chip::lmac::{Lmac, LmacConfig};
use mock_hal::chip::Firmware;

pub(crate) const STATION: Address = [0x02, 0x57, 0xA0, 0, 0, 9];
const MS: Duration = Duration::from_millis(1);
/// HT capabilities: short guard intervals, MCS 0 to 7.
const HT: [u8; 26] = {
    let mut content = [0; 26];
    content[0] = 0x6E;
    content[2] = 0x02;
    content[3] = 0xFF;
    content
};

/// One message from the chip.
#[derive(Clone, Debug)]
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    pub(crate) fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }

    pub(crate) fn identity(&self) -> u16 {
        u16::from_le_bytes([self.0[2], self.0[3]]) & 0x0C3F
    }
}

pub(crate) struct Rig {
    pub(crate) lmac: Lmac,
    pub(crate) ap: ApId,
    pub(crate) now: Instant,
    pub(crate) messages: Vec<Message>,
    /// Received data frames that were only counted.
    pub(crate) counted: (u64, u64),
    /// Count received data frames instead of keeping them.
    pub(crate) count_only: bool,
    pub(crate) confirmed: u64,
    pub(crate) failed: u64,
    pub(crate) in_flight: u64,
    pub(crate) secure: bool,
    /// QoS information of the association request: categories with U-APSD.
    pub(crate) qos_info: u8,
    /// The access point to come from.
    before: Option<Address>,
    sequence: u16,
    frame_sequence: u16,
}

impl Rig {
    pub(crate) fn new(air: impl Into<AirConfig>, access_point: ApConfig) -> Self {
        let mut air = Air::new(air);
        let ap = air.add_access_point(access_point);
        let mut rig = Self {
            lmac: Lmac::new(LmacConfig::default(), air),
            ap,
            now: Instant::ZERO,
            messages: Vec::new(),
            counted: (0, 0),
            count_only: false,
            confirmed: 0,
            failed: 0,
            in_flight: 0,
            secure: false,
            qos_info: 0,
            before: None,
            sequence: 0,
            frame_sequence: 0,
        };
        rig.lmac.start(rig.now);
        rig.run(10 * MS);
        for interface in 0..2 {
            rig.write_mib(interface, 0x1024, &[1, 0, 0, 0]);
            rig.configure(interface, STATION);
        }
        rig.upload_policy();
        let mut template = management(kind::PROBE_REQUEST, [0xFF; 6], STATION, [0xFF; 6]);
        append(&mut template, id::SSID, &[]);
        append(&mut template, id::RATES, &[0x0C, 0x12]);
        let len = u16::try_from(template.len()).unwrap().to_le_bytes();
        rig.write_mib(0, 0x1002, &[&[0, 0][..], &len, &template].concat());
        rig
    }

    fn upload_policy(&mut self) {
        let mut policy = vec![1, 0, 0, 0, 0, 15, 4, 0x0C, 0, 0, 0, 0];
        // Three tries at MCS 7, two at MCS 3, MCS 0 and 6 Mbit/s.
        policy.extend_from_slice(&[0, 0, 0, 2, 0, 0, 0, 2, 0x20, 0, 0x30, 0]);
        self.write_mib(0, 0x1016, &policy);
    }

    pub(crate) fn configure(&mut self, interface: u16, address: Address) {
        let mut configuration = vec![0; 12];
        configuration.extend_from_slice(&[0x4C, 3, 1, 0]);
        configuration.extend_from_slice(&address);
        configuration.extend_from_slice(&[5, 0]);
        configuration.resize(856, 0);
        assert_eq!(self.command(0x0009, interface, &configuration).0.len(), 44);
    }

    pub(crate) fn bssid(&self) -> Address {
        self.lmac.medium().access_point(self.ap).bssid()
    }

    fn take(&mut self) {
        while let Some(message) = self.lmac.next_message() {
            let message = Message(message);
            let records: Vec<u32> = match message.identity() {
                0x0404 => vec![message.word(8)],
                0x041E => (0..message.word(4) as usize)
                    .map(|record| message.word(12 + 20 * record))
                    .collect(),
                0x0804 if self.count_only && message.0[32] & 0x0C == 0x08 => {
                    self.counted.0 += 1;
                    self.counted.1 += message.0.len() as u64 - 32;
                    self.lmac.recycle(message.0);
                    continue;
                }
                _ => Vec::new(),
            };
            for status in &records {
                self.in_flight -= 1;
                self.confirmed += 1;
                self.failed += u64::from(*status != 0);
            }
            if records.is_empty() || !self.count_only {
                self.messages.push(message);
            }
        }
    }

    /// Runs to the next event, at most to `end`; `false` at the end.
    pub(crate) fn step(&mut self, end: Instant) -> bool {
        self.take();
        match self.lmac.next_event() {
            Some(at) if at <= end => {
                self.now = self.now.max(at);
                self.lmac.advance(self.now);
                self.take();
                true
            }
            _ => {
                self.now = end;
                false
            }
        }
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now.after(time);
        while self.step(end) {}
    }

    pub(crate) fn post(&mut self, id: u16, interface: u16, payload: &[u8]) {
        let id = id | interface << 6 | self.sequence << 13;
        self.sequence = (self.sequence + 1) & 7;
        let len = u16::try_from(payload.len() + 4).unwrap();
        let message = [&len.to_le_bytes()[..], &id.to_le_bytes(), payload].concat();
        self.lmac.request(&message, self.now);
    }

    pub(crate) fn command(&mut self, id: u16, interface: u16, payload: &[u8]) -> Message {
        let seen = self.messages.len();
        self.post(id, interface, payload);
        self.wait(seen, |message| message.identity() == id | 0x0400)
            .expect("every command is confirmed")
    }

    pub(crate) fn status(&mut self, id: u16, payload: &[u8]) -> u32 {
        self.command(id, 0, payload).word(4)
    }

    pub(crate) fn write_mib(&mut self, interface: u16, mib: u16, data: &[u8]) {
        let len = u16::try_from(data.len()).unwrap();
        let payload = [&mib.to_le_bytes(), &len.to_le_bytes(), data].concat();
        assert_eq!(self.command(0x0006, interface, &payload).word(4), 0);
    }

    /// The first message after the first `seen` that fits, within three seconds.
    pub(crate) fn wait(&mut self, seen: usize, fits: impl Fn(&Message) -> bool) -> Option<Message> {
        let end = self.now.after(Duration::from_secs(3));
        loop {
            if let Some(found) = self.messages[seen..].iter().find(|message| fits(message)) {
                return Some(found.clone());
            }
            if !self.step(end) {
                return None;
            }
        }
    }

    /// The next received frame of a kind, from its first byte.
    pub(crate) fn hear(&mut self, seen: usize, wanted: u8) -> Option<Vec<u8>> {
        self.wait(seen, |message| {
            message.identity() == 0x0804 && message.0[32] == wanted
        })
        .map(|message| message.0[32..].to_vec())
    }

    pub(crate) fn transmit(&mut self, rate: u8, frame: &[u8]) {
        let mut payload = vec![0, 0, 0, 0, rate, 0, 0, 0];
        payload.extend_from_slice(&[0; 8]);
        payload.extend_from_slice(&[1, 0, 0, 0]);
        payload.extend_from_slice(frame);
        self.in_flight += 1;
        self.post(0x0004, 0, &payload);
    }

    fn sequence_control(&mut self) -> [u8; 2] {
        self.frame_sequence = (self.frame_sequence + 1) & 0x0FFF;
        (self.frame_sequence << 4).to_le_bytes()
    }

    fn send_management(&mut self, mut frame: Vec<u8>) {
        let control = self.sequence_control();
        frame[22..24].copy_from_slice(&control);
        self.transmit(6, &frame);
    }

    /// Switches the channel and joins.
    pub(crate) fn join(&mut self) -> u32 {
        let config = self.lmac.medium().access_point(self.ap).config().clone();
        self.join_bss(config.channel.number, config.bssid, &config.ssid)
    }

    pub(crate) fn join_bss(&mut self, channel: u8, bssid: Address, ssid: &[u8]) -> u32 {
        assert_eq!(self.status(0x0016, &[0x90, 0, channel, 0]), 0);
        let mut join = vec![1, u8::from(channel > 14), channel, 0];
        join.extend_from_slice(&bssid);
        join.extend_from_slice(&[0, 0, 1, 1, 2, 0]);
        join.extend_from_slice(&u32::try_from(ssid.len()).unwrap().to_le_bytes());
        join.extend_from_slice(ssid);
        join.resize(52, 0);
        join.extend_from_slice(&[100, 0, 0, 0, 7, 0, 0, 0]);
        self.status(0x000B, &join)
    }

    /// Joins, authenticates, associates, does the handshake if there is one, allows block ack.
    pub(crate) fn connect(&mut self) {
        assert_eq!(self.join(), 0);
        let bssid = self.bssid();
        let seen = self.messages.len();
        let mut frame = management(kind::AUTHENTICATION, bssid, STATION, bssid);
        frame.extend_from_slice(&[0, 0, 1, 0, 0, 0]);
        self.send_management(frame);
        let answer = self.hear(seen, kind::AUTHENTICATION).unwrap();
        assert_eq!(answer[28..30], [0, 0]);
        let config = self.lmac.medium().access_point(self.ap).config().clone();
        let before = self.before.take();
        let (request, response) = match before {
            None => (kind::ASSOCIATION_REQUEST, kind::ASSOCIATION_RESPONSE),
            Some(_) => (kind::REASSOCIATION_REQUEST, kind::REASSOCIATION_RESPONSE),
        };
        let mut frame = management(request, bssid, STATION, bssid);
        frame.extend_from_slice(&[0x01, 0x00, 5, 0]);
        frame.extend_from_slice(before.as_ref().map_or(&[], |from| &from[..]));
        append(&mut frame, id::SSID, &config.ssid);
        append(&mut frame, id::RATES, &[0x0C, 0x12, 0x18, 0x24]);
        if matches!(config.security, Security::Wpa2 { .. }) {
            append(&mut frame, id::RSN, &RSN_CCMP_PSK);
        }
        append(&mut frame, id::HT_CAPABILITIES, &HT);
        let wmm = [0x00, 0x50, 0xF2, 0x02, 0, 1, self.qos_info];
        append(&mut frame, id::VENDOR, &wmm);
        self.send_management(frame);
        let answer = self.hear(seen, response).unwrap();
        assert_eq!(answer[26..28], [0, 0]);
        let bss = [
            0,
            50,
            answer[28],
            answer[29] & 0x3F,
            0xFF,
            0x3F,
            0,
            0,
            0,
            0xC0,
            0x3F,
            0,
        ];
        assert_eq!(self.status(0x0011, &bss), 0);
        if let Security::Wpa2 { passphrase } = &config.security {
            self.handshake(seen, &config.ssid, passphrase);
        }
        self.write_mib(0, 0x100E, &[0xB1, 0, 0xB1, 0]);
    }

    /// Leaves for the access point that is set now, from the one before: as [`connect`](Self::connect), with a
    /// reassociation.
    pub(crate) fn reconnect(&mut self, before: ApId) {
        // The reset has emptied the table.
        self.upload_policy();
        self.before = Some(self.lmac.medium().access_point(before).bssid());
        self.connect();
    }

    /// The temporal key that the access point has for the station.
    pub(crate) fn key_of_access_point(&self) -> Option<[u8; 16]> {
        let view = self.lmac.medium().access_point(self.ap).station(STATION)?;
        view.temporal_key
    }

    /// Takes part in a handshake that the access point has begun just now.
    pub(crate) fn answer_handshake(&mut self, passphrase: &str) {
        let seen = self.messages.len();
        let ssid = self
            .lmac
            .medium()
            .access_point(self.ap)
            .config()
            .ssid
            .clone();
        self.handshake(seen, &ssid, passphrase);
    }

    fn eapol(&mut self, seen: usize, number: usize) -> Vec<u8> {
        let is_eapol = |message: &&Message| {
            message.identity() == 0x0804 && message.0.get(64..66) == Some(&[0x88, 0x8E])
        };
        let end = self.now.after(Duration::from_secs(3));
        loop {
            if let Some(found) = self.messages[seen..].iter().filter(is_eapol).nth(number) {
                return found.0[66..].to_vec();
            }
            assert!(self.step(end), "no EAPOL frame");
        }
    }

    fn handshake(&mut self, seen: usize, ssid: &[u8], passphrase: &str) {
        let bssid = self.bssid();
        let m1 = KeyFrame::parse(&self.eapol(seen, 0)).unwrap();
        let nonce = [0x5A; 32];
        let ptk = Ptk::derive(&pmk(passphrase, ssid), bssid, STATION, &m1.nonce, &nonce);
        let mut data = Vec::new();
        append(&mut data, id::RSN, &RSN_CCMP_PSK);
        let m2 = KeyFrame {
            info: VERSION_2 | PAIRWISE | WITH_MIC,
            replay_counter: m1.replay_counter,
            nonce,
            data,
        };
        let frame = self.data(0x888E, &m2.emit(Some(&ptk.kck)));
        self.transmit(6, &frame);
        let bytes = self.eapol(seen, 1);
        assert!(mic_is_right(&ptk.kck, &bytes));
        let m3 = KeyFrame::parse(&bytes).unwrap();
        let (key_id, group) = find_group_key(&unwrap(&ptk.kek, &m3.data).unwrap()).unwrap();
        let m4 = KeyFrame {
            info: VERSION_2 | PAIRWISE | WITH_MIC | SECURE,
            replay_counter: m3.replay_counter,
            nonce: [0; 32],
            data: Vec::new(),
        };
        let frame = self.data(0x888E, &m4.emit(Some(&ptk.kck)));
        self.transmit(6, &frame);
        self.run(5 * MS);
        let mut key = vec![5, 0, 0, 0];
        key.extend_from_slice(&bssid);
        key.extend_from_slice(&[0, 0]);
        key.extend_from_slice(&ptk.tk);
        key.resize(44, 0);
        assert_eq!(self.status(0x000C, &key), 0);
        let mut key = vec![4, 1, 0, 0];
        key.extend_from_slice(&group);
        key.push(key_id);
        key.resize(44, 0);
        assert_eq!(self.status(0x000C, &key), 0);
        self.secure = true;
    }

    /// A QoS data frame to the network behind the access point, with room for the cipher if there is a key.
    pub(crate) fn data(&mut self, protocol: u16, payload: &[u8]) -> Vec<u8> {
        let bssid = self.bssid();
        let flags = TO_DS | if self.secure { PROTECTED } else { 0 };
        let mut frame = vec![kind::QOS_DATA, flags, 0, 0];
        for address in [bssid, STATION, bssid] {
            frame.extend_from_slice(&address);
        }
        frame.extend_from_slice(&self.sequence_control());
        frame.extend_from_slice(&[0, 0]);
        if self.secure {
            frame.extend_from_slice(&[0; 8]);
        }
        frame.extend_from_slice(&SNAP);
        frame.extend_from_slice(&protocol.to_be_bytes());
        frame.extend_from_slice(payload);
        if self.secure {
            frame.extend_from_slice(&[0; 8]);
        }
        frame
    }

    /// A stamped packet of 1500 octets in flow 1.
    pub(crate) fn packet(&mut self, number: u64) -> Vec<u8> {
        let mut packet = Vec::new();
        append_packet(&mut packet, 1500, [10, 0, 0, 2], [10, 0, 0, 1]);
        Stamp {
            flow: 1,
            sequence: number,
            made: self.now,
        }
        .write(&mut packet);
        self.data(0x0800, &packet)
    }

    /// The same, protected, with so many octets in front of the data and behind it for the chip to fill.
    pub(crate) fn packet_with_room(&mut self, number: u64, room: (usize, usize)) -> Vec<u8> {
        let mut frame = self.packet(number);
        frame[1] |= PROTECTED;
        frame.splice(26..26, vec![0; room.0]);
        frame.extend_from_slice(&vec![0; room.1]);
        frame
    }

    /// Keeps 29 frames in the chip for a time.
    pub(crate) fn upload(&mut self, time: Duration) {
        let end = self.now.after(time);
        let mut number = 0;
        loop {
            while self.in_flight < 29 && self.now < end {
                let frame = self.packet(number);
                number += 1;
                self.transmit(21, &frame);
            }
            if !self.step(end) {
                return;
            }
        }
    }

    pub(crate) fn assert_clean(&self) {
        assert_eq!(self.lmac.violations(), [] as [&str; 0]);
    }
}
