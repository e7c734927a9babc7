//! What the chip answers for its host: ARP requests (MIB 0x1001, template 6) and neighbour solicitations (MIB 0x1034,
//! template 7), file 21, sections 2.7, 2.8 and 3.3.
//!
//! The template is a whole frame with zeros where the firmware writes. A request that was answered does not go up.

use super::frame::Mpdu;
use super::mib::{id, template};
use super::transmit::Own;
use super::{Lmac, Medium};
use crate::chip::wire::u32_at;
use bes_hal::time::Instant;

/// Octets of LLC/SNAP in front of the packet.
const SNAP: usize = 8;
/// Octets of an ARP packet for IPv4 over Ethernet.
const ARP: usize = 28;
/// Octets of IPv6 header, neighbour advertisement and its link-layer address option.
const ADVERTISEMENT: usize = 40 + 24 + 8;
/// Enable bit of the reply offload in MIB 0x1001.
const REPLY: u32 = 1 << 1;

impl<M: Medium> Lmac<M> {
    /// Answers a received data frame in place of the host, if it was told to. `payload` starts at LLC/SNAP and is in
    /// the clear.
    pub(super) fn answer_for_host(
        &mut self,
        interface: u8,
        mpdu: Mpdu<'_>,
        payload: &[u8],
        now: Instant,
    ) -> bool {
        let answer = match payload.get(6..8) {
            Some([0x08, 0x06]) => self.arp_reply(interface, mpdu, payload),
            Some([0x86, 0xDD]) => self.advertisement(interface, mpdu, payload),
            _ => None,
        };
        let Some(frame) = answer else {
            return false;
        };
        self.counters.answered_for_host = self.counters.answered_for_host.wrapping_add(1);
        self.send_own(interface, frame, Own::Other, now);
        true
    }

    /// The template of this kind, addressed, and where its packet starts: behind header, cipher room and LLC/SNAP.
    fn answer_frame(
        &mut self,
        interface: u8,
        kind: u8,
        to: [u8; 6],
        packet: usize,
    ) -> Option<(Vec<u8>, usize)> {
        let bssid = self.interfaces[usize::from(interface)].joined()?.bssid;
        let mut frame = self.mibs.template(interface, kind)?.frame.clone();
        let header = Mpdu::new(&frame).filter(|mpdu| mpdu.is_data() && mpdu.a1() == bssid)?;
        let from = header.header_len();
        // The room for the cipher is not told: LLC/SNAP is looked for behind it.
        let snap = (from..frame.len().min(from + 19))
            .find(|at| frame.get(*at..at + 3) == Some(&[0xAA, 0xAA, 3]))?;
        let start = snap + SNAP;
        frame.get(start..start + packet)?;
        frame[16..22].copy_from_slice(&to);
        let sequence = self.next_sequence();
        frame[22..24].copy_from_slice(&(sequence << 4).to_le_bytes());
        Some((frame, start))
    }

    fn arp_reply(&mut self, interface: u8, mpdu: Mpdu<'_>, payload: &[u8]) -> Option<Vec<u8>> {
        let mib = self.mibs.read(interface, id::ARP_IPV4)?;
        if u32_at(mib, 0) & REPLY == 0 {
            return None;
        }
        let own: [u8; 4] = mib.get(4..8)?.try_into().ok()?;
        let request = payload.get(SNAP..SNAP + ARP)?;
        // Ethernet, IPv4, lengths, operation 1, and for our address.
        let asked = request[..8] == [0, 1, 8, 0, 6, 4, 0, 1] && request[24..28] == own;
        if !asked || mpdu.a1() == mpdu.a2() {
            return None;
        }
        let asker: [u8; 10] = request[8..18].try_into().ok()?;
        let to: [u8; 6] = request[8..14].try_into().ok()?;
        let address = self.interface_address(interface);
        let (mut frame, at) = self.answer_frame(interface, template::ARP_REPLY, to, ARP)?;
        frame[at + 6..at + 8].copy_from_slice(&[0, 2]);
        frame[at + 8..at + 14].copy_from_slice(&address);
        frame[at + 14..at + 18].copy_from_slice(&own);
        frame[at + 18..at + 28].copy_from_slice(&asker);
        Some(frame)
    }

    fn advertisement(&mut self, interface: u8, mpdu: Mpdu<'_>, payload: &[u8]) -> Option<Vec<u8>> {
        let mib = self.mibs.read(interface, id::NDP_IPV6)?;
        if u32_at(mib, 0) == 0 {
            return None;
        }
        let own: [u8; 16] = mib.get(4..20)?.try_into().ok()?;
        let packet = payload.get(SNAP..SNAP + 64)?;
        // ICMPv6, hop limit 255, neighbour solicitation for our address.
        let asked = packet[6..8] == [58, 255] && packet[40] == 135 && packet[48..64] == own;
        let asker: [u8; 16] = packet[8..24].try_into().ok()?;
        if !asked || asker == [0; 16] {
            // A duplicate address detection is the host's business.
            return None;
        }
        let to = mpdu.a3();
        let address = self.interface_address(interface);
        let (mut frame, at) =
            self.answer_frame(interface, template::ADVERTISEMENT, to, ADVERTISEMENT)?;
        let packet = &mut frame[at..at + ADVERTISEMENT];
        packet[..8].copy_from_slice(&[0x60, 0, 0, 0, 0, 32, 58, 255]);
        packet[8..24].copy_from_slice(&own);
        packet[24..40].copy_from_slice(&asker);
        // Neighbour advertisement, solicited and overriding.
        packet[40..48].copy_from_slice(&[136, 0, 0, 0, 0x60, 0, 0, 0]);
        packet[48..64].copy_from_slice(&own);
        packet[64..66].copy_from_slice(&[2, 1]);
        packet[66..72].copy_from_slice(&address);
        let sum = checksum(packet);
        packet[42..44].copy_from_slice(&sum.to_be_bytes());
        Some(frame)
    }
}

/// Checksum of ICMPv6 over the pseudo header, for an IPv6 packet whose checksum field is zero.
fn checksum(packet: &[u8]) -> u16 {
    let icmp = &packet[40..];
    let mut sum = icmp.len() as u32 + 58;
    for pair in packet[8..40].chunks(2).chain(icmp.chunks(2)) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
    }
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}
