//! What an access point does with the data of its stations: duplicates, order, decryption, and the endpoint.

use super::access_point::{AccessPoint, REASON_CLASS_3};
use super::block_ack::{Arrival, Reorder};
use super::ccmp;
use super::frame::{
    split_snap, Mpdu, Msdu, AMSDU, ETHERTYPE_EAPOL, ETHERTYPE_IPV4, MORE_FRAGMENTS, PROTECTED,
    RETRY, TO_DS,
};
use super::station::{RxAgreement, StationState};
use super::traffic::{Meter, Stamp};
use super::Address;
use bes_hal::time::Instant;

/// Fragments of one MSDU that have come so far.
#[derive(Debug)]
pub(super) struct Partial {
    sequence: u16,
    /// Number of the fragment that has to follow.
    next: u8,
    body: Vec<u8>,
}

impl AccessPoint {
    /// A data frame arrived.
    pub(super) fn handle_data(&mut self, mpdu: Mpdu<'_>, at: Instant) {
        let Some(position) = self
            .position(mpdu.transmitter())
            .filter(|&at| self.stations[at].state != StationState::Authenticated)
        else {
            self.counters.unauthorized += 1;
            self.complain(mpdu.transmitter(), REASON_CLASS_3, at);
            return;
        };
        if mpdu.is_null() || !mpdu.has(TO_DS) {
            return;
        }
        let is_fragment = mpdu.has(MORE_FRAGMENTS) || mpdu.fragment() != 0;
        if is_fragment {
            self.counters.fragments += 1;
        }
        let station = &mut self.stations[position];
        let tid = usize::from(mpdu.tid() & 7);
        // Fragments are never sent under an agreement.
        if mpdu.is_qos() && !is_fragment {
            if let RxAgreement::Agreed(window) = station.rx[tid] {
                station.rx[tid] = RxAgreement::Active(Reorder::new(mpdu.sequence(), window));
            }
            if let RxAgreement::Active(reorder) = &mut station.rx[tid] {
                match reorder.insert(mpdu.sequence(), at, || mpdu.bytes().to_vec()) {
                    Arrival::InOrder => self.open(position, mpdu, at),
                    Arrival::Kept => self.release(position, tid, at),
                    Arrival::Old => self.counters.duplicates += 1,
                }
                return;
            }
        }
        let last = &mut station.last[if mpdu.is_qos() { tid } else { 8 }];
        let control = mpdu.sequence() << 4 | u16::from(mpdu.fragment());
        let again = mpdu.has(RETRY) && *last == Some(control);
        *last = Some(control);
        if again {
            self.counters.duplicates += 1;
        } else {
            self.open(position, mpdu, at);
        }
    }

    /// A block ack request moves the window.
    pub(super) fn handle_block_ack_request(&mut self, mpdu: Mpdu<'_>, at: Instant) {
        let (Some(position), Some(body)) =
            (self.position(mpdu.transmitter()), mpdu.body().get(..4))
        else {
            return;
        };
        let tid = usize::from(body[1] >> 4 & 7);
        if let RxAgreement::Active(reorder) = &mut self.stations[position].rx[tid] {
            reorder.move_to(u16::from_le_bytes([body[2], body[3]]) >> 4);
        }
        self.release(position, tid, at);
    }

    /// Gives up the holes whose time has come.
    pub(super) fn release_held(&mut self, position: usize, now: Instant) {
        for tid in 0..8 {
            let Some(station) = self.stations.get_mut(position) else {
                return;
            };
            if let RxAgreement::Active(reorder) = &mut station.rx[tid] {
                reorder.skip_hole(now);
                self.release(position, tid, now);
            }
        }
    }

    fn release(&mut self, position: usize, tid: usize, at: Instant) {
        loop {
            let Some(station) = self.stations.get_mut(position) else {
                return;
            };
            let RxAgreement::Active(reorder) = &mut station.rx[tid] else {
                return;
            };
            let Some(frame) = reorder.pop() else {
                return;
            };
            if let Some(mpdu) = Mpdu::parse(&frame) {
                self.open(position, mpdu, at);
            }
        }
    }

    /// Decrypts a frame if it has to be, and hands its content on.
    fn open(&mut self, position: usize, mpdu: Mpdu<'_>, at: Instant) {
        let station = &mut self.stations[position];
        match (&mut station.keys, mpdu.has(PROTECTED)) {
            (Some(keys), true) => {
                let mut scratch = core::mem::take(&mut self.scratch);
                scratch.clear();
                scratch.extend_from_slice(mpdu.bytes());
                let mut number = keys.key.decrypt(&mut scratch);
                let mut follows = false;
                if let (None, Some((next, _))) = (number, &keys.next) {
                    scratch.clear();
                    scratch.extend_from_slice(mpdu.bytes());
                    number = next.decrypt(&mut scratch);
                    follows = number.is_some();
                }
                if follows {
                    station.hand_over();
                }
                let Some(keys) = &mut station.keys else {
                    return;
                };
                let counts = keys.key.counts();
                let last = &mut keys.received[usize::from(mpdu.tid())];
                match number {
                    None => self.counters.undecryptable += 1,
                    Some(number) if number <= *last && counts => self.counters.replays += 1,
                    Some(number) => {
                        *last = number;
                        if let Some(opened) = Mpdu::parse(&scratch) {
                            let body = opened.body().get(ccmp::HEADER..).unwrap_or(&[]);
                            self.put_together(position, opened, body, at);
                        }
                    }
                }
                self.scratch = scratch;
            }
            (None, true) => self.counters.undecryptable += 1,
            (keys, false) => {
                // A key is there, so that only the handshake itself may still come in the clear.
                let only_eapol = keys.is_some() || station.state != StationState::Authorized;
                let eapol = split_snap(mpdu.body())
                    .is_some_and(|(ethertype, _)| ethertype == ETHERTYPE_EAPOL);
                if only_eapol && !eapol {
                    if keys.is_some() {
                        self.counters.undecryptable += 1;
                    } else {
                        self.counters.unauthorized += 1;
                    }
                } else {
                    self.put_together(position, mpdu, mpdu.body(), at);
                }
            }
        }
    }

    /// Keeps fragments until the last one is there. One that does not follow the one before ends them all.
    fn put_together(&mut self, position: usize, mpdu: Mpdu<'_>, body: &[u8], at: Instant) {
        let more = mpdu.has(MORE_FRAGMENTS);
        if !more && mpdu.fragment() == 0 {
            self.split(position, mpdu, body, at);
            return;
        }
        let partial = &mut self.stations[position].partial;
        match partial {
            _ if mpdu.fragment() == 0 => {
                *partial = Some(Partial {
                    sequence: mpdu.sequence(),
                    next: 1,
                    body: body.to_vec(),
                });
            }
            Some(begun) if begun.sequence == mpdu.sequence() && begun.next == mpdu.fragment() => {
                begun.next += 1;
                begun.body.extend_from_slice(body);
            }
            _ => *partial = None,
        }
        if !more {
            if let Some(whole) = partial.take() {
                self.split(position, mpdu, &whole.body, at);
            }
        }
    }

    /// Takes an A-MSDU apart.
    fn split(&mut self, position: usize, mpdu: Mpdu<'_>, body: &[u8], at: Instant) {
        if mpdu.qos_control() & AMSDU == 0 {
            self.deliver(
                position,
                mpdu.address3(),
                mpdu.transmitter(),
                mpdu.tid(),
                body,
                at,
            );
            return;
        }
        let mut rest = body;
        while let Some((header, tail)) = rest.split_at_checked(14) {
            let length = usize::from(u16::from_be_bytes([header[12], header[13]]));
            let Some(content) = tail.get(..length) else {
                return;
            };
            let mut destination = [0; 6];
            destination.copy_from_slice(&header[..6]);
            let mut source = [0; 6];
            source.copy_from_slice(&header[6..12]);
            self.deliver(position, destination, source, mpdu.tid(), content, at);
            // Header and content together are padded to whole words.
            let padded = (14 + length).next_multiple_of(4) - 14;
            rest = tail.get(padded..).unwrap_or(&[]);
        }
    }

    fn deliver(
        &mut self,
        position: usize,
        destination: Address,
        source: Address,
        tid: u8,
        body: &[u8],
        at: Instant,
    ) {
        let Some((ethertype, payload)) = split_snap(body) else {
            return;
        };
        if ethertype == ETHERTYPE_EAPOL {
            self.handle_eapol(position, payload, at);
            return;
        }
        self.counters.received_msdus += 1;
        self.counters.received_octets += payload.len() as u64;
        if ethertype == ETHERTYPE_IPV4 {
            if let Some(stamp) = Stamp::of_packet(payload) {
                self.count(stamp.flow, payload, at);
            }
        }
        if let Some(endpoint) = &mut self.behind.0 {
            let msdu = Msdu {
                destination,
                source,
                tid,
                ethertype,
                payload,
            };
            endpoint.receive(&msdu, at, &mut self.downlink);
            while let Some(answer) = self.downlink.queue.pop_front() {
                self.enqueue(answer);
            }
        }
    }

    fn count(&mut self, flow: u32, packet: &[u8], at: Instant) {
        // A station may write any number; not each gets memory.
        const METERS: usize = 256;
        let known = self.meters.iter().any(|(number, _)| *number == flow);
        if !known && self.meters.len() < METERS {
            self.meters.push((flow, Meter::default()));
        }
        if let Some((_, meter)) = self.meters.iter_mut().find(|(number, _)| *number == flow) {
            meter.count(packet, at);
        }
    }
}
