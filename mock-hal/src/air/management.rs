//! The management frames of stations, and the answers of their access point.

use super::access_point::{AccessPoint, Answer, REASON_CLASS_2};
use super::elements::{id, is_ccmp_psk, Elements, HtPeer, WMM};
use super::frame::{kind, management, Mpdu, POWER_MANAGEMENT, RETRY};
use super::power_save::PowerSave;
use super::station::{Outgoing, Purpose, StationState};
use super::Address;
use bes_hal::time::Instant;

impl AccessPoint {
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

    pub(super) fn update_power(&mut self, mpdu: Mpdu<'_>) {
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
        self.append_announcement(&mut frame, at);
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

    fn handle_association(&mut self, mpdu: Mpdu<'_>, fixed: usize, at: Instant) {
        let address = mpdu.transmitter();
        let (Some(position), Some(body)) = (self.position(address), mpdu.body().get(fixed..))
        else {
            self.complain(address, REASON_CLASS_2, at);
            return;
        };
        self.counters.associations += 1;
        self.counters.reassociations += u64::from(fixed == 10);
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

    /// Tells somebody that it has no business here.
    pub(super) fn complain(&mut self, address: Address, reason: u16, at: Instant) {
        let mut frame = self.answer_to(kind::DEAUTHENTICATION, address);
        frame.extend_from_slice(&reason.to_le_bytes());
        self.answer(frame, Purpose::Management, at);
    }

    pub(super) fn answer_to(&self, frame_kind: u8, address: Address) -> Vec<u8> {
        management(frame_kind, address, self.config.bssid, self.config.bssid)
    }

    pub(super) fn answer(&mut self, frame: Vec<u8>, purpose: Purpose, at: Instant) {
        self.control.push_back(Answer {
            ready: at.after(self.config.response_delay),
            frame: Outgoing::new(frame, purpose),
        });
    }
}
