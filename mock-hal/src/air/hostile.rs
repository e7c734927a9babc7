//! Frames that nobody with good intentions sends: broken and overlong elements, odd A-MSDUs, fragments, truncation.
//! From a seed, so that a failure can be repeated.

use super::elements::{append, id, Description, RSN_CCMP_PSK};
use super::frame::{
    append_downlink, kind, management, set_sequence, Msdu, AMSDU, FROM_DS, MORE_FRAGMENTS, ORDER,
    PROTECTED, RETRY, TO_DS,
};
use super::power_save::append_tim;
use super::{block_ack, Address, Channel, BROADCAST};

/// Makes hostile frames that pretend to come from an access point.
#[derive(Clone, Debug)]
pub struct Hostile {
    rng: fastrand::Rng,
    station: Address,
    bssid: Address,
    description: Description,
    sequence: u16,
}

impl Hostile {
    /// A generator of frames from `bssid` on `channel` to `station`.
    pub fn new(seed: u64, station: Address, bssid: Address, ssid: &[u8], channel: Channel) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            station,
            bssid,
            description: Description {
                country: None,
                ssid: ssid.to_vec(),
                channel,
                ht: true,
                wmm: true,
                uapsd: true,
                rsn: true,
                privacy: true,
            },
            sequence: 0,
        }
    }

    /// The next frame, at least two octets, at most 8192.
    pub fn frame(&mut self) -> Vec<u8> {
        let mut frame = match self.rng.u8(0..12) {
            0 => self.beacon(kind::BEACON),
            1 => self.beacon(kind::PROBE_RESPONSE),
            2 => self.association_response(),
            3 => self.action(),
            4 => self.amsdu(),
            5 => self.fragment(),
            6 => self.management_of_any_kind(),
            7 => self.eapol(),
            8 => self.dismissal(),
            9 => self.four_addresses(),
            10 => self.overlong(),
            _ => self.noise(),
        };
        self.sequence = (self.sequence + 1) & 0x0FFF;
        if frame.first().is_some_and(|first| first & 0x0C != 0x04) && self.rng.u8(0..4) != 0 {
            let fragment = frame.get(22).copied().unwrap_or(0) & 15;
            set_sequence(&mut frame, self.sequence);
            if let Some(low) = frame.get_mut(22) {
                *low |= fragment;
            }
        }
        match self.rng.u8(0..8) {
            0 => frame.truncate(self.rng.usize(2..=frame.len().max(2))),
            1 => {
                let at = self.rng.usize(0..frame.len());
                frame[at] ^= 1 << self.rng.u8(0..8);
            }
            _ => {}
        }
        while frame.len() < 2 {
            frame.push(self.rng.u8(..));
        }
        frame.truncate(8192);
        frame
    }

    fn octets(&mut self, count: usize) -> Vec<u8> {
        let mut octets = vec![0; count];
        self.rng.fill(&mut octets);
        octets
    }

    fn receiver(&mut self) -> Address {
        match self.rng.u8(0..4) {
            0 => BROADCAST,
            _ => self.station,
        }
    }

    /// Appends elements of which some lie about their length.
    fn append_elements(&mut self, body: &mut Vec<u8>) {
        for _ in 0..self.rng.usize(0..12) {
            let element = match self.rng.u8(0..14) {
                0 => id::SSID,
                1 => id::RATES,
                2 => id::DS,
                3 => id::TIM,
                4 => id::HT_CAPABILITIES,
                5 => id::HT_OPERATION,
                6 => id::RSN,
                7 => id::EXTENDED_RATES,
                8 => id::VENDOR,
                9 => id::CHANNEL_SWITCH,
                10 => id::ERP,
                11 => 255,
                _ => self.rng.u8(..),
            };
            let count = match self.rng.u8(0..5) {
                0 => 0,
                1 => 255,
                2 => 33,
                _ => self.rng.usize(0..40),
            };
            let content = self.octets(count);
            append(body, element, &content);
            if self.rng.u8(0..6) == 0 {
                let at = body.len() - count - 1;
                body[at] = self.rng.u8(..);
            }
        }
    }

    fn beacon(&mut self, frame_kind: u8) -> Vec<u8> {
        let receiver = self.receiver();
        let mut frame = management(frame_kind, receiver, self.bssid, self.bssid);
        let fixed = self.octets(8);
        frame.extend_from_slice(&fixed);
        let interval: u16 = match self.rng.u8(0..3) {
            0 => 0,
            1 => u16::MAX,
            _ => 100,
        };
        frame.extend_from_slice(&interval.to_le_bytes());
        frame.extend_from_slice(&self.description.capabilities().to_le_bytes());
        self.description.append_before_tim(&mut frame, false);
        match self.rng.u8(0..4) {
            // DTIM count above the period, period zero.
            0 => append_tim(&mut frame, 7, 0, true, [1, 2007].into_iter()),
            // A map that is too short to be one.
            1 => append(&mut frame, id::TIM, &[0, 1]),
            2 => append(&mut frame, id::TIM, &[0; 254]),
            _ => append_tim(&mut frame, 0, 1, false, [1].into_iter()),
        }
        self.append_elements(&mut frame);
        self.description.append_after_tim(&mut frame);
        frame
    }

    fn association_response(&mut self) -> Vec<u8> {
        let mut frame = management(
            kind::ASSOCIATION_RESPONSE,
            self.station,
            self.bssid,
            self.bssid,
        );
        let aid = self.rng.u16(..);
        for word in [self.description.capabilities(), 0, aid] {
            frame.extend_from_slice(&word.to_le_bytes());
        }
        self.append_elements(&mut frame);
        frame
    }

    fn action(&mut self) -> Vec<u8> {
        let mut frame = management(kind::ACTION, self.station, self.bssid, self.bssid);
        let tid = self.rng.u8(0..16);
        match self.rng.u8(0..4) {
            0 => block_ack::Action::Request {
                token: self.rng.u8(..),
                tid,
                window: self.rng.u16(0..1024),
                timeout: self.rng.u16(..),
                start: self.rng.u16(0..4096),
            }
            .append(&mut frame),
            1 => block_ack::Action::Response {
                token: self.rng.u8(..),
                status: self.rng.u16(..),
                tid,
                window: self.rng.u16(0..1024),
                timeout: self.rng.u16(..),
            }
            .append(&mut frame),
            2 => block_ack::Action::Delete {
                tid,
                from_originator: self.rng.bool(),
                reason: self.rng.u16(..),
            }
            .append(&mut frame),
            _ => {
                let count = self.rng.usize(0..30);
                let body = self.octets(count);
                frame.extend_from_slice(&body);
            }
        }
        frame
    }

    fn data(&mut self, payload: &[u8]) -> Vec<u8> {
        let destination = self.receiver();
        let msdu = Msdu {
            destination,
            source: self.bssid,
            tid: self.rng.u8(0..8),
            ethertype: 0x0800,
            payload,
        };
        let (qos, protected) = (self.rng.u8(0..4) != 0, self.rng.bool());
        let mut frame = Vec::new();
        append_downlink(&mut frame, self.bssid, &msdu, qos, protected);
        frame
    }

    /// Subframes with lengths beyond the end, of zero, and without padding.
    fn amsdu(&mut self) -> Vec<u8> {
        let msdu = Msdu {
            destination: self.station,
            source: self.bssid,
            tid: 0,
            ethertype: 0,
            payload: &[],
        };
        let mut frame = Vec::new();
        append_downlink(&mut frame, self.bssid, &msdu, true, false);
        frame.truncate(26);
        frame[24] |= AMSDU;
        for _ in 0..self.rng.usize(0..6) {
            frame.extend_from_slice(&self.station);
            frame.extend_from_slice(&self.bssid);
            let count = self.rng.usize(0..200);
            let length: u16 = match self.rng.u8(0..5) {
                0 => 0,
                1 => u16::MAX,
                2 => count as u16 + 1,
                _ => count as u16,
            };
            frame.extend_from_slice(&length.to_be_bytes());
            let content = self.octets(count);
            frame.extend_from_slice(&content);
            if self.rng.bool() {
                frame.resize(frame.len().next_multiple_of(4), 0);
            }
        }
        frame
    }

    fn fragment(&mut self) -> Vec<u8> {
        let count = self.rng.usize(0..300);
        let payload = self.octets(count);
        let mut frame = self.data(&payload);
        frame[1] |= self
            .rng
            .choice([MORE_FRAGMENTS, 0, MORE_FRAGMENTS | RETRY])
            .unwrap_or(0);
        frame[22] = frame[22] & 0xF0 | self.rng.u8(0..16);
        frame
    }

    fn management_of_any_kind(&mut self) -> Vec<u8> {
        let receiver = self.receiver();
        let mut frame = management(self.rng.u8(0..16) << 4, receiver, self.bssid, self.bssid);
        frame[1] = self
            .rng
            .choice([0, PROTECTED, ORDER, TO_DS | FROM_DS])
            .unwrap_or(0);
        let count = self.rng.usize(0..64);
        let body = self.octets(count);
        frame.extend_from_slice(&body);
        self.append_elements(&mut frame);
        frame
    }

    fn eapol(&mut self) -> Vec<u8> {
        let count = self.rng.usize(0..160);
        let mut payload = self.octets(count);
        for (at, byte) in [2, 3].into_iter().enumerate() {
            if let Some(octet) = payload.get_mut(at) {
                *octet = byte;
            }
        }
        let msdu = Msdu {
            destination: self.station,
            source: self.bssid,
            tid: 7,
            ethertype: super::frame::ETHERTYPE_EAPOL,
            payload: &payload,
        };
        let mut frame = Vec::new();
        append_downlink(&mut frame, self.bssid, &msdu, true, self.rng.bool());
        frame
    }

    /// Deauthentications and disassociations that are not to be believed.
    fn dismissal(&mut self) -> Vec<u8> {
        let frame_kind = self
            .rng
            .choice([kind::DEAUTHENTICATION, kind::DISASSOCIATION])
            .unwrap_or(kind::DEAUTHENTICATION);
        let stranger = [0x02, 0xBA, 0xD0, 0, 0, self.rng.u8(..)];
        let receiver = self.receiver();
        let mut frame = management(frame_kind, receiver, stranger, stranger);
        let count = self.rng.usize(0..4);
        let reason = self.octets(count);
        frame.extend_from_slice(&reason);
        if self.rng.bool() {
            append(&mut frame, id::RSN, &RSN_CCMP_PSK);
        }
        frame
    }

    fn four_addresses(&mut self) -> Vec<u8> {
        let mut frame = self.data(&[0; 40]);
        frame[1] |= TO_DS | FROM_DS;
        frame
    }

    fn overlong(&mut self) -> Vec<u8> {
        let count = self.rng.usize(2305..8000);
        let payload = self.octets(count);
        self.data(&payload)
    }

    fn noise(&mut self) -> Vec<u8> {
        let count = self.rng.usize(2..120);
        self.octets(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hostile(seed: u64) -> Hostile {
        Hostile::new(seed, [2; 6], [4; 6], b"net", Channel::ht20(1))
    }

    #[test]
    fn the_same_seed_makes_the_same_frames() {
        let (mut a, mut b, mut c) = (hostile(5), hostile(5), hostile(6));
        let (a, b, c): (Vec<_>, Vec<_>, Vec<_>) = (
            (0..50).map(|_| a.frame()).collect(),
            (0..50).map(|_| b.frame()).collect(),
            (0..50).map(|_| c.frame()).collect(),
        );
        assert_eq!(a, b);
        assert_ne!(a, c);
    }

    #[test]
    fn frames_are_never_too_short_or_too_long_for_the_air() {
        let mut hostile = hostile(1);
        for _ in 0..20_000 {
            assert!((2..=8192).contains(&hostile.frame().len()));
        }
    }
}
