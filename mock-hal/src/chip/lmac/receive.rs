//! Received frames: which interface they are for, filters, decryption, the receive indication (file 20, sections 12.7
//! to 12.11; file 30, section 5).

use super::frame::{fc, kind, Mpdu, Tim, TIM};
use super::interface::Role;
use super::key::{Cipher, Opened};
use super::{ccmp, Lmac, Medium};
use crate::air::{Heard, PhyRate};
use crate::chip::wire::indication::{self, rx_flags, RxDescriptor};
use crate::chip::wire::{rate, status};
use bes_hal::time::Instant;

/// RCPI of a signal: half dB steps above -110 dBm, never 0, because the host drops beacons with 0.
fn rcpi(signal_dbm: i8) -> u8 {
    let steps = (i16::from(signal_dbm) + 110) * 2;
    u8::try_from(steps.clamp(1, 220)).unwrap_or(1)
}

/// First octet of QoS control: end of service period.
const EOSP: u8 = 0x10;

/// Flags and head of a frame whose payload may have to move.
struct Opening {
    status: u32,
    flags: u32,
    /// The cipher whose header and trailer are to be left out.
    cut: Option<Cipher>,
    /// The cipher that was opened, whose header may still be there.
    opened: Option<Cipher>,
}

impl<M: Medium> Lmac<M> {
    /// A frame that the radio heard.
    pub(super) fn receive(&mut self, heard: Heard, now: Instant) {
        self.counters.rx_packets = self.counters.rx_packets.wrapping_add(1);
        let Some(mpdu) = Mpdu::new(&heard.frame) else {
            self.counters.rx_packet_errors = self.counters.rx_packet_errors.wrapping_add(1);
            return;
        };
        if !self.config.receive_filters {
            return self.pass(0, heard, 0, 0, now);
        }
        if mpdu.is_control() || heard.frame.len() < 24 {
            return;
        }
        let own = !mpdu.is_group() && self.is_own(mpdu.a1());
        if self.scan.as_ref().is_some_and(|scan| scan.is_away()) {
            let report_on = self.scan.as_ref().map_or(2, |scan| scan.report_on());
            if self.heard_while_scanning(&heard) {
                self.pass(report_on, heard, 0, 0, now);
            }
            return;
        }
        if self.joining.is_some() {
            self.heard_while_joining(&heard, now);
        }
        let Some(mpdu) = Mpdu::new(&heard.frame) else {
            return;
        };
        let bssid = mpdu.bssid();
        let joined = self
            .interfaces
            .iter()
            .position(|state| state.joined().is_some_and(|bss| bss.bssid == bssid));
        if let Some(index) = joined {
            let interface = u8::try_from(index).unwrap_or(0);
            if !own && !mpdu.is_group() && !self.interfaces[index].filters.is_promiscuous() {
                return;
            }
            return self.receive_from_bss(interface, heard, now);
        }
        for index in 0..super::INTERFACES {
            let interface = u8::try_from(index).unwrap_or(0);
            let state = &self.interfaces[index];
            match &state.role {
                Role::AccessPoint(_) if own || mpdu.is_group() => {
                    if let Some(link) = self.heard_as_ap(interface, &heard, now) {
                        self.receive_data(interface, heard, link, 0, now);
                    }
                    return;
                }
                Role::Listening if own || mpdu.is_group() => {
                    return self.pass(2, heard, 0, 0, now);
                }
                _ => {}
            }
            if state.filters.passes_other_bss()
                && (own || mpdu.is_group() || state.filters.is_promiscuous())
            {
                return self.receive_data(interface, heard, 0, 0, now);
            }
        }
        self.counters.rx_filtered = self.counters.rx_filtered.wrapping_add(1);
    }

    fn is_own(&self, address: [u8; 6]) -> bool {
        address == self.address
            || (1..3_u8).any(|interface| {
                !self.interfaces[usize::from(interface)].is_idle()
                    && address == self.interface_address(interface)
            })
    }

    /// A frame of the BSS an interface is joined to.
    fn receive_from_bss(&mut self, interface: u8, heard: Heard, now: Instant) {
        let Some(mpdu) = Mpdu::new(&heard.frame) else {
            return;
        };
        if self.sleeps_through(interface, mpdu) {
            return;
        }
        let mut flags = rx_flags::BSSID_MATCH;
        if mpdu.kind() == kind::BEACON && heard.frame.len() >= 36 {
            return self.receive_beacon(interface, heard, flags, now);
        }
        if mpdu.is_data() {
            if mpdu.is_group() {
                let asleep = self.asleep;
                let filters = &self.interfaces[usize::from(interface)].filters;
                if !filters.passes_group(mpdu, asleep) {
                    self.counters.rx_filtered = self.counters.rx_filtered.wrapping_add(1);
                    return;
                }
            } else {
                let more = mpdu.flags() & fc::MORE_DATA != 0;
                let ended = mpdu.is_qos() && mpdu.0.get(24).is_some_and(|qos| qos & EOSP != 0);
                self.polled_data(interface, more, ended, now);
            }
        } else if mpdu.is_management() && !mpdu.is_group() {
            // An action frame may be what was buffered.
            let more = mpdu.flags() & fc::MORE_DATA != 0;
            self.polled_data(interface, more, false, now);
        }
        if !mpdu.is_group() && self.is_repeat(interface, &heard) {
            self.counters.rx_duplicates = self.counters.rx_duplicates.wrapping_add(1);
            if self.config.drop_duplicates {
                return;
            }
        }
        if mpdu.kind() == kind::PROBE_RESPONSE {
            flags |= self.ssid_flag(interface, mpdu);
        }
        self.receive_data(interface, heard, 0, flags, now);
    }

    fn ssid_flag(&self, interface: u8, mpdu: Mpdu<'_>) -> u32 {
        let matches = self.interfaces[usize::from(interface)]
            .joined()
            .is_some_and(|bss| {
                mpdu.elements()
                    .next()
                    .is_some_and(|(id, ssid)| id == 0 && ssid == bss.ssid)
            });
        if matches {
            rx_flags::SSID_MATCH
        } else {
            0
        }
    }

    fn is_repeat(&mut self, interface: u8, heard: &Heard) -> bool {
        let (Some(mpdu), Some(bss)) = (
            Mpdu::new(&heard.frame),
            self.interfaces[usize::from(interface)].joined_mut(),
        ) else {
            return false;
        };
        let lane = if mpdu.is_qos() {
            usize::from(mpdu.tid())
        } else {
            16
        };
        let sequence = mpdu.sequence_control();
        let last = std::mem::replace(&mut bss.sequences[lane], sequence);
        last == sequence && mpdu.flags() & fc::RETRY != 0
    }

    fn receive_beacon(&mut self, interface: u8, heard: Heard, mut flags: u32, now: Instant) {
        let Some(mpdu) = Mpdu::new(&heard.frame) else {
            return;
        };
        flags |= rx_flags::BEACON | self.ssid_flag(interface, mpdu);
        let state = &mut self.interfaces[usize::from(interface)];
        let aid = state.bss.aid;
        let tim = mpdu
            .elements()
            .find(|(id, _)| *id == TIM)
            .and_then(|(_, content)| Tim::parse(content, aid))
            .unwrap_or_default();
        if tim.unicast {
            flags |= rx_flags::TIM_UNICAST;
        }
        if tim.multicast {
            flags |= rx_flags::TIM_MULTICAST;
        }
        let mut pass = state.filters.passes_beacon(mpdu.elements());
        if let Some(bss) = state.joined_mut() {
            // The host leaves its unfiltered state only when it has seen a beacon of the BSS (obligation 13).
            pass |= !bss.beacon_delivered;
            bss.beacon_delivered |= pass;
        }
        let signal = rcpi(heard.signal_dbm);
        if pass {
            self.pass(interface, heard, 0, flags, now);
        } else {
            self.counters.rx_filtered = self.counters.rx_filtered.wrapping_add(1);
        }
        self.beacon_heard(interface, signal, now);
        if tim.unicast {
            self.frames_wait(interface, now);
        }
        if !self.keeps_received() {
            self.release_held_data();
        }
    }

    /// Decrypts, filters and passes up.
    fn receive_data(
        &mut self,
        interface: u8,
        mut heard: Heard,
        link: u8,
        flags: u32,
        now: Instant,
    ) {
        let opening = self.open(interface, &mut heard.frame, now);
        let Some(mut opening) = opening else {
            return;
        };
        opening.flags |= flags | u32::from(link) << rx_flags::LINK;
        let Some(mpdu) = Mpdu::new(&heard.frame) else {
            return;
        };
        if mpdu.is_data() && opening.status == status::SUCCESS {
            let clear = !mpdu.is_protected() || opening.flags & 7 != 0;
            let body = mpdu.body();
            let payload = if mpdu.is_protected() {
                let header = opening.opened.unwrap_or(Cipher::Aes).header();
                body.get(header..).unwrap_or(&[])
            } else {
                body
            };
            if clear && self.answer_for_host(interface, mpdu, payload, now) {
                return;
            }
            let filters = &self.interfaces[usize::from(interface)].filters;
            if clear && !filters.passes_data(mpdu, payload) {
                self.counters.rx_filtered = self.counters.rx_filtered.wrapping_add(1);
                return;
            }
        }
        if mpdu.kind() == kind::ACTION
            && opening.cut.is_none()
            && mpdu.body().first() == Some(&3)
            && self.block_ack_heard(interface, mpdu, now)
        {
            return;
        }
        if opening.cut.is_some() && mpdu.kind() == kind::ACTION {
            // Block ack frames under management frame protection: the same, in the clear.
            let start = mpdu.header_len();
            let clear = [
                &heard.frame[..start],
                &heard.frame[start + ccmp::HEADER..heard.frame.len() - ccmp::MIC],
            ]
            .concat();
            if clear.get(24) == Some(&3) && self.block_ack_heard(interface, Mpdu(&clear), now) {
                return;
            }
        }
        self.emit(interface, &heard, &opening);
        self.medium.recycle(heard.frame);
    }

    /// Opens a protected frame. `None` if it must not go up at all.
    fn open(&mut self, interface: u8, frame: &mut [u8], _now: Instant) -> Option<Opening> {
        let mut opening = Opening {
            status: status::SUCCESS,
            flags: 0,
            cut: None,
            opened: None,
        };
        let counters = &mut self.counters;
        let count = |counter: &mut u32| *counter = counter.wrapping_add(1);
        match self.keys.open(interface, frame) {
            Opened::Unchanged | Opened::Signed => {}
            Opened::Decrypted {
                group,
                slot,
                cipher,
            } => {
                opening.opened = Some(cipher);
                opening.cut = opening.opened.filter(|_| self.config.strip_cipher);
                opening.flags = match (opening.cut, cipher) {
                    (Some(_), _) => rx_flags::STRIPPED,
                    (None, Cipher::Wep) => rx_flags::WEP,
                    (None, Cipher::Tkip) => rx_flags::TKIP,
                    (None, Cipher::Aes) => rx_flags::AES,
                };
                opening.flags |= u32::from(slot) << rx_flags::KEY_INDEX;
                if group {
                    opening.flags |= rx_flags::GROUP_KEY;
                }
            }
            Opened::Forged { group, slot } => {
                count(&mut counters.rx_mic_failures);
                opening.status = status::MIC_FAILURE;
                opening.opened = Some(Cipher::Tkip);
                // The host does not look for a trailer behind a forged frame (file 30, section 5.5).
                opening.cut = opening.opened;
                opening.flags = rx_flags::STRIPPED | u32::from(slot) << rx_flags::KEY_INDEX;
                if group {
                    opening.flags |= rx_flags::GROUP_KEY;
                }
            }
            Opened::NoKey => {
                count(&mut counters.rx_no_key);
                opening.status = status::NO_KEY;
            }
            Opened::Unsupported => {
                count(&mut counters.unsupported_cipher);
                opening.status = status::NO_KEY;
            }
            Opened::Failed => {
                count(&mut counters.rx_decryption_failures);
                opening.status = status::DECRYPTION_FAILURE;
            }
            Opened::Replayed => {
                if Mpdu(frame).is_management() {
                    if Mpdu(frame).is_protected() {
                        count(&mut counters.rx_mgmt_ccmp_replays);
                    } else {
                        count(&mut counters.rx_cmac_replays);
                    }
                }
                count(&mut counters.rx_replays);
                return None;
            }
            Opened::BadSignature => {
                count(&mut counters.rx_cmac_icv_errors);
                return None;
            }
        }
        Some(opening)
    }

    /// Passes a frame up as it is.
    fn pass(&mut self, interface: u8, heard: Heard, link: u8, flags: u32, _now: Instant) {
        let opening = Opening {
            status: status::SUCCESS,
            flags: flags | u32::from(link) << rx_flags::LINK,
            cut: None,
            opened: None,
        };
        self.emit(interface, &heard, &opening);
        self.medium.recycle(heard.frame);
    }

    /// Builds and queues the receive indication. Data frames may find the queue full.
    fn emit(&mut self, interface: u8, heard: &Heard, opening: &Opening) {
        let Some(mpdu) = Mpdu::new(&heard.frame) else {
            return;
        };
        let counters = &mut self.counters;
        counters.rx_success = counters.rx_success.wrapping_add(1);
        if mpdu.is_group() {
            counters.rx_multicast = counters.rx_multicast.wrapping_add(1);
        }
        if mpdu.is_data() && self.outbox.receiving() >= self.config.receive_queue {
            counters.rx_overflow = counters.rx_overflow.wrapping_add(1);
            self.interfaces[usize::from(interface.min(2))]
                .traffic
                .overflowed += 1;
            return;
        }
        if mpdu.is_data() && self.is_dropped_by_ailment(heard.frame.len(), self.now) {
            self.counters.rx_overflow = self.counters.rx_overflow.wrapping_add(1);
            return;
        }
        let mut flags = opening.flags;
        if heard.ampdu {
            flags |= rx_flags::AMPDU;
            if heard.first_of_ampdu {
                flags |= rx_flags::FIRST_OF_AMPDU;
            }
            if heard.last_of_ampdu {
                flags |= rx_flags::LAST_OF_AMPDU;
            }
        }
        if mpdu.flags() & fc::MORE_DATA != 0 {
            flags |= rx_flags::MORE_DATA;
        }
        if matches!(heard.rate, PhyRate::Ht { .. }) {
            flags |= rx_flags::HT;
        }
        if mpdu.is_broadcast() {
            flags |= rx_flags::GROUP_ADDRESS | rx_flags::BROADCAST;
        } else if mpdu.is_group() {
            flags |= rx_flags::GROUP_ADDRESS;
        } else if self.is_own(mpdu.a1()) {
            flags |= rx_flags::OWN_ADDRESS;
        }
        let descriptor = RxDescriptor {
            status: opening.status,
            channel: heard.channel.into(),
            rate: rate::from_phy(heard.rate),
            rcpi: rcpi(heard.signal_dbm),
            flags,
        };
        let frame = &heard.frame;
        let (head, tail): (&[u8], &[u8]) = match opening.cut {
            Some(cipher) => {
                let start = mpdu.header_len();
                let end = frame.len() - cipher.trailer();
                (&frame[..start], &frame[start + cipher.header()..end])
            }
            None => (frame, &[]),
        };
        if mpdu.is_data() {
            let traffic = &mut self.interfaces[usize::from(interface.min(2))].traffic;
            traffic.received += 1;
            traffic.received_octets += (head.len() + tail.len()) as u64;
        }
        let memory = self.outbox.spare();
        let message = indication::receive_into(memory, interface, &descriptor, head, tail);
        if (self.config.data_only_with_beacons || self.keeps_received()) && mpdu.is_data() {
            self.outbox.hold(message);
        } else {
            self.send(message);
        }
        self.update_room();
        self.frame_went_up();
    }

    /// Lets data go that only comes with beacons.
    pub(super) fn release_held_data(&mut self) {
        for message in self.outbox.held() {
            self.send(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_become_rcpi_and_never_zero() {
        assert_eq!(rcpi(-50), 120);
        assert_eq!(rcpi(-110), 1);
        assert_eq!(rcpi(-128), 1);
        assert_eq!(rcpi(20), 220);
    }
}
