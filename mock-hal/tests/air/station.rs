//! A station of a few lines: it sends frames with retries, hears frames, and answers what a radio must answer.

use bes_hal::time::Instant;
use core::time::Duration;
use mock_hal::air::block_ack::Action;
use mock_hal::air::ccmp::{self, Key};
use mock_hal::air::elements::{append, id, RSN_CCMP_PSK};
use mock_hal::air::frame::{kind, management, set_sequence, Mpdu, PROTECTED, RETRY, SNAP, TO_DS};
use mock_hal::air::traffic::{append_packet, Stamp};
use mock_hal::air::wpa::{
    find_group_key, mic_is_right, pmk, unwrap, KeyFrame, Ptk, PAIRWISE, SECURE, VERSION_2, WITH_MIC,
};
use mock_hal::air::{
    Address, Air, AirConfig, ApConfig, ApId, Channel, Exchange, Heard, PhyRate, StationState,
    BROADCAST,
};

pub(crate) const STATION: Address = [0x02, 0x57, 0xA0, 0, 0, 9];
pub(crate) const MCS7: PhyRate = PhyRate::Ht {
    mcs: 7,
    width: mock_hal::air::Width::Ht20,
    short_gi: true,
};

/// An air with a station in it.
pub(crate) struct Lab {
    pub(crate) air: Air,
    pub(crate) now: Instant,
    pub(crate) rate: PhyRate,
    pub(crate) key: Option<Key>,
    pub(crate) group_key: Option<(u8, [u8; 16])>,
    pub(crate) ptk: Option<Ptk>,
    sent: u64,
    sequence: u16,
}

impl Lab {
    pub(crate) fn new(config: impl Into<AirConfig>) -> Self {
        let mut air = Air::new(config);
        air.set_station_address(STATION);
        Self {
            air,
            now: Instant::ZERO,
            rate: PhyRate::Ofdm(6),
            key: None,
            group_key: None,
            ptk: None,
            sent: 0,
            sequence: 0,
        }
    }

    /// An air with one access point, tuned to its channel.
    pub(crate) fn with(config: impl Into<AirConfig>, access_point: ApConfig) -> (Self, ApId) {
        let channel = access_point.channel;
        let mut lab = Self::new(config);
        let ap = lab.air.add_access_point(access_point);
        lab.tune(Some(channel));
        (lab, ap)
    }

    /// The same, associated (and with WPA2: with keys).
    pub(crate) fn connected(config: impl Into<AirConfig>, access_point: ApConfig) -> (Self, ApId) {
        let (mut lab, ap) = Self::with(config, access_point);
        assert_eq!(lab.join(ap), Ok(()));
        (lab, ap)
    }

    pub(crate) fn tune(&mut self, channel: Option<Channel>) {
        self.air.tune(channel, self.now);
    }

    pub(crate) fn bssid(&self, ap: ApId) -> Address {
        self.air.access_point(ap).bssid()
    }

    /// Sends what is ready; each frame gets up to seven attempts. Whether it was acknowledged.
    pub(crate) fn send(&mut self, frame: &[u8]) -> bool {
        let mut frame = frame.to_vec();
        if frame[0] & 0x0C != 0x04 {
            self.sequence = (self.sequence + 1) & 0x0FFF;
            set_sequence(&mut frame, self.sequence);
        }
        self.send_as_it_is(frame)
    }

    pub(crate) fn send_as_it_is(&mut self, mut frame: Vec<u8>) -> bool {
        for _ in 0..7 {
            self.now = self.now.max(self.air.busy_until());
            let exchange = Exchange {
                frames: &[&frame],
                rate: self.rate,
                rts: false,
            };
            let outcome = self.air.exchange(&exchange, self.now);
            self.now = self.now.after(outcome.airtime);
            if outcome.acked == 1 {
                return true;
            }
            frame[1] |= RETRY;
        }
        false
    }

    /// Steps to the next event, at most to `until`. `false`: nothing happens until then.
    pub(crate) fn step(&mut self, until: Instant) -> bool {
        match self.air.next_event() {
            Some(at) if at <= until => {
                self.now = self.now.max(at);
                self.air.advance(self.now);
                true
            }
            _ => {
                self.now = self.now.max(until);
                self.air.advance(self.now);
                false
            }
        }
    }

    /// Everything that is heard within a time.
    pub(crate) fn hear_for(&mut self, time: Duration) -> Vec<Heard> {
        let until = self.now.after(time);
        let mut all = Vec::new();
        loop {
            let more = self.step(until);
            while let Some(heard) = self.air.pop_heard() {
                all.push(heard);
            }
            if !more {
                return all;
            }
        }
    }

    /// The first frame of this kind within a second, for this station or for all.
    pub(crate) fn hear(&mut self, wanted: u8) -> Option<Heard> {
        let until = self.now.after(Duration::from_secs(1));
        loop {
            while let Some(heard) = self.air.pop_heard() {
                let mpdu = Mpdu::parse(&heard.frame).unwrap();
                let ours = [STATION, BROADCAST].contains(&mpdu.receiver());
                if ours && mpdu.kind() == wanted {
                    return Some(heard);
                }
            }
            if !self.step(until) {
                self.air.advance(until);
                if self.air.next_event().is_none_or(|at| at > until) {
                    let heard = self.air.pop_heard()?;
                    let mpdu = Mpdu::parse(&heard.frame).unwrap();
                    if mpdu.kind() == wanted {
                        return Some(heard);
                    }
                }
            }
        }
    }

    pub(crate) fn authenticate(&mut self, ap: ApId) -> Result<(), u16> {
        let bssid = self.bssid(ap);
        let mut frame = management(kind::AUTHENTICATION, bssid, STATION, bssid);
        frame.extend_from_slice(&[0, 0, 1, 0, 0, 0]);
        if !self.send(&frame) {
            return Err(u16::MAX);
        }
        let answer = self.hear(kind::AUTHENTICATION).ok_or(u16::MAX)?.frame;
        match u16::from_le_bytes([answer[28], answer[29]]) {
            0 => Ok(()),
            status => Err(status),
        }
    }

    /// Associates with these elements behind SSID and rates. Returns the association id.
    pub(crate) fn associate(&mut self, ap: ApId, elements: &[(u8, &[u8])]) -> Result<u16, u16> {
        let bssid = self.bssid(ap);
        let ssid = self.air.access_point(ap).config().ssid.clone();
        let mut frame = management(kind::ASSOCIATION_REQUEST, bssid, STATION, bssid);
        frame.extend_from_slice(&[0x01, 0x00, 5, 0]);
        append(&mut frame, id::SSID, &ssid);
        append(&mut frame, id::RATES, &[0x0C, 0x12, 0x18, 0x24]);
        for (element, content) in elements {
            append(&mut frame, *element, content);
        }
        if !self.send(&frame) {
            return Err(u16::MAX);
        }
        let answer = self.hear(kind::ASSOCIATION_RESPONSE).ok_or(u16::MAX)?.frame;
        match u16::from_le_bytes([answer[26], answer[27]]) {
            0 => Ok(u16::from_le_bytes([answer[28], answer[29]]) & 0x3FFF),
            status => Err(status),
        }
    }

    /// Authenticates, associates with 802.11n and WMM, and does the 4-way handshake if the network wants one.
    pub(crate) fn join(&mut self, ap: ApId) -> Result<(), u16> {
        self.join_with(ap, &HT, 0x00)
    }

    pub(crate) fn join_with(&mut self, ap: ApId, ht: &[u8; 26], qos_info: u8) -> Result<(), u16> {
        self.key = None;
        self.authenticate(ap)?;
        let wmm = [0x00, 0x50, 0xF2, 0x02, 0, 1, qos_info];
        let secure = self.air.access_point(ap).config().security.clone();
        let mut elements: Vec<(u8, &[u8])> = vec![(id::HT_CAPABILITIES, ht), (id::VENDOR, &wmm)];
        if secure != mock_hal::air::Security::Open {
            elements.insert(0, (id::RSN, &RSN_CCMP_PSK));
        }
        self.associate(ap, &elements)?;
        if let mock_hal::air::Security::Wpa2 { passphrase } = secure {
            self.handshake(ap, &passphrase).ok_or(15u16)?;
        }
        let state = self.air.access_point(ap).station(STATION).unwrap().state;
        assert_eq!(state, StationState::Authorized);
        Ok(())
    }

    pub(crate) fn eapol(&mut self, ap: ApId, payload: &[u8]) -> bool {
        let frame = self.data(ap, 7, 0x888E, payload);
        self.send(&frame)
    }

    /// The next EAPOL frame.
    pub(crate) fn hear_eapol(&mut self) -> Option<Vec<u8>> {
        loop {
            let frame = self.hear(kind::QOS_DATA)?.frame;
            let body = self.opened(frame)?;
            if body[6..8] == [0x88, 0x8E] {
                return Some(body[8..].to_vec());
            }
        }
    }

    /// LLC/SNAP and payload of a data frame, decrypted if it has to be.
    pub(crate) fn opened(&self, mut frame: Vec<u8>) -> Option<Vec<u8>> {
        let mpdu = Mpdu::parse(&frame)?;
        let (header, group) = (mpdu.header_len(), mpdu.is_group());
        if !mpdu.has(PROTECTED) {
            return Some(frame[header..].to_vec());
        }
        if group {
            let (_, key) = self.group_key?;
            Key::new(key).decrypt(&mut frame)?;
        } else {
            self.key.as_ref()?.decrypt(&mut frame)?;
        }
        Some(frame[header + ccmp::HEADER..].to_vec())
    }

    pub(crate) fn handshake(&mut self, ap: ApId, passphrase: &str) -> Option<()> {
        let bssid = self.bssid(ap);
        let ssid = self.air.access_point(ap).config().ssid.clone();
        let m1 = KeyFrame::parse(&self.hear_eapol()?)?;
        let snonce = [0x5A; 32];
        let ptk = Ptk::derive(&pmk(passphrase, &ssid), bssid, STATION, &m1.nonce, &snonce);
        let mut data = Vec::new();
        append(&mut data, id::RSN, &RSN_CCMP_PSK);
        let m2 = KeyFrame {
            info: VERSION_2 | PAIRWISE | WITH_MIC,
            replay_counter: m1.replay_counter,
            nonce: snonce,
            data,
        };
        self.eapol(ap, &m2.emit(Some(&ptk.kck))).then_some(())?;
        let bytes = self.hear_eapol()?;
        let m3 = KeyFrame::parse(&bytes)?;
        mic_is_right(&ptk.kck, &bytes).then_some(())?;
        self.group_key = find_group_key(&unwrap(&ptk.kek, &m3.data)?);
        let m4 = KeyFrame {
            info: VERSION_2 | PAIRWISE | WITH_MIC | SECURE,
            replay_counter: m3.replay_counter,
            nonce: [0; 32],
            data: Vec::new(),
        };
        self.eapol(ap, &m4.emit(Some(&ptk.kck))).then_some(())?;
        self.ptk = Some(ptk);
        self.key = Some(Key::new(ptk.tk));
        Some(())
    }

    /// A QoS data frame to the network behind the access point; sequence number zero.
    pub(crate) fn data(&mut self, ap: ApId, tid: u8, ethertype: u16, payload: &[u8]) -> Vec<u8> {
        let bssid = self.bssid(ap);
        let mut frame = vec![kind::QOS_DATA, TO_DS, 0, 0];
        for address in [bssid, STATION, bssid] {
            frame.extend_from_slice(&address);
        }
        frame.extend_from_slice(&[0, 0, tid, 0]);
        if self.key.is_some() {
            frame.extend_from_slice(&[0; ccmp::HEADER]);
        }
        frame.extend_from_slice(&SNAP);
        frame.extend_from_slice(&ethertype.to_be_bytes());
        frame.extend_from_slice(payload);
        if let Some(key) = &self.key {
            self.sent += 1;
            assert!(key.encrypt(&mut frame, self.sent, 0));
        }
        frame
    }

    /// A stamped packet as a QoS data frame.
    pub(crate) fn packet(&mut self, ap: ApId, tid: u8, number: u64) -> Vec<u8> {
        let mut packet = Vec::new();
        append_packet(&mut packet, 200, [10, 0, 0, 2], [10, 0, 0, 1]);
        Stamp {
            flow: 1,
            sequence: number,
            made: self.now,
        }
        .write(&mut packet);
        self.data(ap, tid, 0x0800, &packet)
    }

    /// A null frame with these flags.
    pub(crate) fn null(&mut self, ap: ApId, flags: u8) -> Vec<u8> {
        let bssid = self.bssid(ap);
        let mut frame = vec![kind::NULL, TO_DS | flags, 0, 0];
        for address in [bssid, STATION, bssid] {
            frame.extend_from_slice(&address);
        }
        frame.extend_from_slice(&[0, 0]);
        frame
    }

    /// An action frame to the access point.
    pub(crate) fn action(&mut self, ap: ApId, action: Action) -> bool {
        let bssid = self.bssid(ap);
        let mut frame = management(kind::ACTION, bssid, STATION, bssid);
        action.append(&mut frame);
        self.send(&frame)
    }
}

/// 802.11n, 20 MHz, short guard interval, A-MPDUs of 32 KiB.
pub(crate) const HT: [u8; 26] = {
    let mut ht = [0; 26];
    ht[0] = 0x2C;
    ht[2] = 2;
    ht[3] = 0xFF;
    ht
};

/// The same with 40 MHz.
pub(crate) const HT40: [u8; 26] = {
    let mut ht = HT;
    ht[0] = 0x6E;
    ht
};
