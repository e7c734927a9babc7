//! Access point mode (file 20, section 11; file 30, section 4; file 31, section 10): beacons from the template, mapped
//! stations, their sleep, and the multicast indication at each DTIM while any of them sleeps.

use super::frame::{fc, kind, Elements, Mpdu, TIM};
use super::interface::Role;
use super::join::TU;
use super::mib::template;
use super::transmit::Own;
use super::{Lmac, Medium};
use crate::air::Heard;
use crate::chip::wire::indication::{self, event};
use crate::chip::wire::request::Start;
use crate::chip::wire::{mac_at, status, u16_at, u8_at};
use bes_hal::time::Instant;
use core::time::Duration;

/// A mapped station.
#[derive(Clone, Copy, Debug)]
struct Station {
    address: [u8; 6],
    asleep: bool,
    heard: Instant,
    reported: bool,
}

/// State of an access point.
#[derive(Clone, Debug)]
pub(crate) struct Ap {
    start: Start,
    next_beacon: Instant,
    dtim_count: u8,
    /// By link id, 1 to 14.
    stations: [Option<Station>; 15],
    /// Elements that replace those of the template, by id.
    updated: Vec<Vec<u8>>,
    inactivity: Duration,
    multicast_resumed: bool,
}

impl Ap {
    pub(crate) fn new(start: Start, now: Instant) -> Self {
        let interval = TU * start.beacon_interval.min(10_000);
        Self {
            next_beacon: now.after(interval),
            start,
            dtim_count: 0,
            stations: [None; 15],
            updated: Vec::new(),
            inactivity: Duration::ZERO,
            multicast_resumed: false,
        }
    }

    pub(crate) const fn due(&self) -> Instant {
        self.next_beacon
    }

    pub(crate) fn set_inactivity(&mut self, period: Duration) {
        self.inactivity = period;
    }

    /// Whether the station with this link id sleeps.
    pub(crate) fn is_asleep(&self, link: u8) -> bool {
        self.stations
            .get(usize::from(link))
            .and_then(Option::as_ref)
            .is_some_and(|station| station.asleep)
    }

    /// Link id of a station; 15 if it is not mapped.
    pub(crate) fn link(&self, address: [u8; 6]) -> u8 {
        (1..15_u8)
            .find(|link| {
                self.stations[usize::from(*link)].is_some_and(|station| station.address == address)
            })
            .unwrap_or(15)
    }

    /// A frame of a station was heard.
    fn heard(&mut self, link: u8, power_save: Option<bool>, now: Instant) {
        if let Some(Some(station)) = self.stations.get_mut(usize::from(link)) {
            station.heard = now;
            station.reported = false;
            if let Some(power_save) = power_save {
                station.asleep = power_save;
            }
        }
    }

    /// Link ids that have been silent for too long, each reported once.
    fn inactive(&mut self, now: Instant) -> Vec<u8> {
        if self.inactivity == Duration::ZERO {
            return Vec::new();
        }
        let mut links = Vec::new();
        for (link, station) in (0..15_u8).zip(&mut self.stations) {
            if let Some(station) = station {
                if !station.reported && now.since(station.heard) >= self.inactivity {
                    station.reported = true;
                    links.push(link);
                }
            }
        }
        links
    }

    /// The template with timestamp, TIM and updated elements in it.
    fn beacon(&self, template: &[u8], now: Instant) -> Vec<u8> {
        let mut frame = template.to_vec();
        if let Some(timestamp) = frame.get_mut(24..32) {
            timestamp.copy_from_slice(&now.as_micros().to_le_bytes());
        }
        for element in &self.updated {
            replace_element(&mut frame, element, self.dtim_count);
        }
        frame
    }
}

/// Replaces the element with the same id in a beacon, or appends it.
fn replace_element(frame: &mut Vec<u8>, element: &[u8], dtim_count: u8) {
    let mut element = element.to_vec();
    if element[0] == TIM {
        if let Some(count) = element.get_mut(2) {
            *count = dtim_count;
        }
    }
    let mut at = 36;
    for (id, content) in Elements(frame.get(36..).unwrap_or(&[])) {
        let len = 2 + content.len();
        if id == element[0] {
            frame.splice(at..at + len, element);
            return;
        }
        at += len;
    }
    frame.extend_from_slice(&element);
}

impl<M: Medium> Lmac<M> {
    /// Beacons, DTIM, inactive stations.
    pub(super) fn ap_step(&mut self, now: Instant) {
        for index in 0..super::INTERFACES {
            let interface = u8::try_from(index).unwrap_or(0);
            let Role::AccessPoint(ap) = &mut self.interfaces[index].role else {
                continue;
            };
            if !ap.next_beacon.is_due(now) {
                continue;
            }
            let interval = TU * ap.start.beacon_interval.min(10_000);
            ap.next_beacon = now.after(interval);
            let dtim = ap.dtim_count == 0;
            let sleeping = ap.stations.iter().flatten().any(|station| station.asleep);
            let template = self.mibs.template(interface, template::BEACON);
            let frame = template.map(|template| ap.beacon(&template.frame, now));
            ap.dtim_count = match ap.dtim_count {
                0 => ap.start.dtim_period - 1,
                count => count - 1,
            };
            let resume = dtim && sleeping;
            let stop = !sleeping && std::mem::take(&mut ap.multicast_resumed);
            ap.multicast_resumed |= resume;
            let inactive = ap.inactive(now);
            if let Some(mut frame) = frame.filter(|frame| frame.len() >= 36) {
                let sequence = self.next_sequence();
                frame[22..24].copy_from_slice(&(sequence << 4).to_le_bytes());
                self.send_own(interface, frame, Own::Other, now);
            }
            if resume {
                self.send(indication::suspend_resume(interface, true));
            } else if stop {
                self.send(indication::suspend_resume(interface, false));
            }
            for link in inactive {
                let bitmap = 1_u32 << link;
                self.send(indication::event(interface, event::INACTIVITY, bitmap));
            }
        }
    }

    pub(super) fn update_elements(&mut self, interface: u8, message: &[u8]) -> u32 {
        let (target, count) = (u16_at(message, 4), u16_at(message, 6));
        let raw = message.get(8..).unwrap_or(&[]);
        let whole: usize = Elements(raw).map(|(_, content)| 2 + content.len()).sum();
        if target & !7 != 0 || Elements(raw).count() != usize::from(count) || whole != raw.len() {
            self.violation(format!("UPDATE_IE target {target} with {count} elements"));
        }
        let Role::AccessPoint(ap) = &mut self.interfaces[usize::from(interface)].role else {
            self.violation("UPDATE_IE without an access point");
            return status::WRONG_MODE;
        };
        for (id, content) in Elements(raw) {
            let len = u8::try_from(content.len()).unwrap_or(u8::MAX);
            let element = [&[id, len], content].concat();
            ap.updated.retain(|old| old[0] != id);
            ap.updated.push(element);
        }
        status::SUCCESS
    }

    pub(super) fn map_link(&mut self, interface: u8, message: &[u8], now: Instant) -> u32 {
        let (address, unmap, link) = (mac_at(message, 4), u8_at(message, 10), u8_at(message, 11));
        if !(1..=14).contains(&link) {
            self.violation(format!("MAP_LINK of link id {link}"));
            return status::INVALID_PARAMETER;
        }
        let Role::AccessPoint(ap) = &mut self.interfaces[usize::from(interface)].role else {
            self.violation("MAP_LINK without an access point");
            return status::WRONG_MODE;
        };
        ap.stations[usize::from(link)] = (unmap & 1 == 0).then_some(Station {
            address,
            asleep: false,
            heard: now,
            reported: false,
        });
        status::SUCCESS
    }

    /// What an access point does with a frame for it, before the host sees it. `None` if the host does not; otherwise
    /// the sender's link id.
    pub(super) fn heard_as_ap(&mut self, interface: u8, heard: &Heard, now: Instant) -> Option<u8> {
        let mpdu = Mpdu::new(&heard.frame)?;
        let host_answers = self.interfaces[usize::from(interface)]
            .filters
            .host_answers_probes();
        let wants_probes = self.interfaces[usize::from(interface)]
            .filters
            .passes_other_bss();
        let own = self.interface_address(interface);
        let Role::AccessPoint(ap) = &mut self.interfaces[usize::from(interface)].role else {
            return None;
        };
        if mpdu.kind() == kind::PROBE_REQUEST {
            let asked = Elements(mpdu.0.get(24..).unwrap_or(&[]))
                .find(|(id, _)| *id == 0)
                .map(|(_, ssid)| ssid.to_vec());
            let for_us = asked.is_some_and(|ssid| ssid.is_empty() || ssid == ap.start.ssid);
            let asker = mpdu.a2();
            let answer = self
                .mibs
                .template(interface, template::PROBE_RESPONSE)
                .filter(|template| for_us && !host_answers && template.frame.len() >= 36)
                .map(|template| ap.beacon(&template.frame, now));
            if let Some(mut frame) = answer {
                frame[4..10].copy_from_slice(&asker);
                let sequence = self.next_sequence();
                frame[22..24].copy_from_slice(&(sequence << 4).to_le_bytes());
                self.send_own(interface, frame, Own::Other, now);
            }
            return (wants_probes || host_answers).then_some(15);
        }
        if mpdu.a1() != own && mpdu.bssid() != own {
            return wants_probes.then_some(15);
        }
        let link = ap.link(mpdu.a2());
        let power_save = mpdu
            .is_data()
            .then(|| mpdu.flags() & fc::POWER_MANAGEMENT != 0);
        ap.heard(link, power_save, now);
        Some(link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_updated_element_replaces_or_follows() {
        let mut frame = vec![0; 36];
        frame.extend_from_slice(&[0, 1, b'x', TIM, 4, 0, 1, 0, 0, 42, 1, 0]);
        replace_element(&mut frame, &[TIM, 5, 9, 3, 1, 0, 7], 2);
        assert_eq!(frame[36..], [0, 1, b'x', TIM, 5, 2, 3, 1, 0, 7, 42, 1, 0]);
        replace_element(&mut frame, &[61, 1, 6], 0);
        assert!(frame.ends_with(&[42, 1, 0, 61, 1, 6]));
    }
}
