//! Which received frames go up: the filters of file 21, sections 2.2, 2.7, 2.9 to 2.11, 2.21, 2.22 and 2.27 to 2.30.
//!
//! Data filters are lists of drop (1) and pass (2) entries. The first entry that matches decides; a frame that matches
//! none is passed, except by the IPv6 filter (a pass list excludes every other IPv6 frame) and by the magic-packet
//! filter, which drops everything else (file 50, section 3, item 9).

use super::frame::{self, Elements, Mpdu, VENDOR};
use super::mib::id;
use crate::chip::wire::{mac_at, u16_at, u32_at, u8_at};

/// Filter actions (file 20, section 4.3).
const DROP: u8 = 1;
const PASS: u8 = 2;

/// Filters of one interface.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters {
    group_enable: u32,
    group: Vec<[u8; 6]>,
    rx: u32,
    bssid_off: bool,
    beacon_enable: u32,
    beacon_count: u32,
    beacon_table: Vec<[u8; 8]>,
    /// Last content of each table entry's element, and whether a beacon was seen since the table was written.
    beacon_seen: Option<Vec<Option<Vec<u8>>>>,
    beacons_skipped: u32,
    ether: Vec<(u8, u16)>,
    no_ipv6_match: bool,
    udp: Vec<(u8, u8, u16)>,
    mac_action: u8,
    mac: Vec<(u8, u8, [u8; 6])>,
    ipv4_action: u8,
    ipv4: Vec<(u8, u8, [u8; 4])>,
    ipv6_action: u8,
    ipv6: Vec<(u8, u8, [u8; 16])>,
    magic: Option<(u8, usize, Vec<u8>)>,
    arp_enable: u32,
    arp_address: [u8; 4],
    /// Any data filter is armed; the hot path looks only at this.
    armed: bool,
}

/// Entries of `size` bytes behind a 4-byte header whose first byte is their count; what is cut off is ignored.
fn entries(data: &[u8], size: usize) -> impl Iterator<Item = &[u8]> {
    let body = data.get(4..).unwrap_or(&[]);
    body.chunks_exact(size).take(usize::from(u8_at(data, 0)))
}

impl Filters {
    /// Takes over a written object if it is a filter. Lengths are not checked; what is missing counts as zero.
    pub(crate) fn write(&mut self, mib: u16, data: &[u8]) {
        match mib {
            id::GROUP_ADDRESSES => {
                self.group_enable = u32_at(data, 0);
                let count = usize::try_from(u32_at(data, 4)).unwrap_or(usize::MAX);
                self.group = (0..count.min(8)).map(|n| mac_at(data, 8 + 6 * n)).collect();
            }
            id::RX_FILTER => self.rx = u32_at(data, 0),
            id::BSSID_FILTER => self.bssid_off = u8_at(data, 0) != 0,
            id::BEACON_TABLE => {
                let count = usize::try_from(u32_at(data, 0)).unwrap_or(usize::MAX);
                let body = data.get(4..).unwrap_or(&[]);
                self.beacon_table = body
                    .chunks_exact(8)
                    .take(count)
                    .map(|entry| {
                        let mut copy = [0; 8];
                        copy.copy_from_slice(entry);
                        copy
                    })
                    .collect();
                self.beacon_seen = None;
            }
            id::BEACON_FILTER => {
                self.beacon_enable = u32_at(data, 0);
                self.beacon_count = u32_at(data, 4);
                self.beacons_skipped = 0;
            }
            id::ETHER_TYPE => {
                self.no_ipv6_match = u8_at(data, 1) & 1 != 0;
                self.ether = entries(data, 4).map(|e| (e[0], u16_at(e, 2))).collect();
            }
            id::UDP_PORT => {
                self.udp = entries(data, 4)
                    .map(|e| (e[0], e[1], u16_at(e, 2)))
                    .collect();
            }
            id::MAC_FILTER => {
                self.mac_action = u8_at(data, 1);
                self.mac = entries(data, 8)
                    .map(|e| (e[0], e[1], mac_at(e, 2)))
                    .collect();
            }
            id::IPV4_FILTER => {
                self.ipv4_action = u8_at(data, 1);
                self.ipv4 = entries(data, 8)
                    .map(|e| (e[0], e[1], [e[4], e[5], e[6], e[7]]))
                    .collect();
            }
            id::IPV6_FILTER => {
                self.ipv6_action = u8_at(data, 1);
                self.ipv6 = entries(data, 20)
                    .map(|e| {
                        let mut address = [0; 16];
                        address.copy_from_slice(&e[4..]);
                        (e[0], e[1], address)
                    })
                    .collect();
            }
            id::MAGIC => {
                // Action, offset, length, reserved, pattern; no count (file 50, section 3, item 9).
                let pattern = data.get(4..).unwrap_or(&[]);
                let len = usize::from(u8_at(data, 2)).min(pattern.len());
                self.magic = match u8_at(data, 0) {
                    0 => None,
                    action => Some((action, u8_at(data, 1).into(), pattern[..len].to_vec())),
                };
            }
            id::ARP_IPV4 => {
                self.arp_enable = u32_at(data, 0);
                self.arp_address = u32_at(data, 4).to_le_bytes();
            }
            _ => return,
        }
        self.armed = !self.ether.is_empty()
            || !self.udp.is_empty()
            || (self.mac_action != 0 && !self.mac.is_empty())
            || (self.ipv4_action != 0 && !self.ipv4.is_empty())
            || (self.ipv6_action != 0 && !self.ipv6.is_empty())
            || self.magic.is_some()
            || self.arp_enable & 1 != 0;
    }

    /// Frames of any BSS go up.
    pub(crate) const fn passes_other_bss(&self) -> bool {
        self.bssid_off || self.rx & 3 != 0
    }

    /// Frames for any receiver go up.
    pub(crate) const fn is_promiscuous(&self) -> bool {
        self.rx & 1 != 0
    }

    /// The host answers probe requests itself.
    pub(crate) const fn host_answers_probes(&self) -> bool {
        self.rx & 1 << 3 != 0
    }

    /// Whether a group-addressed data frame passes the multicast table. Broadcast always does.
    pub(crate) fn passes_group(&self, mpdu: Mpdu<'_>, host_asleep: bool) -> bool {
        let on = match self.group_enable {
            0 => false,
            2 => host_asleep,
            _ => true,
        };
        !on || mpdu.is_broadcast() || self.group.contains(&mpdu.a1())
    }

    /// Whether a beacon of the own BSS goes up.
    pub(crate) fn passes_beacon(&mut self, elements: Elements<'_>) -> bool {
        if self.beacon_enable & 1 == 0 {
            return true;
        }
        let mut pass = false;
        if !self.beacon_table.is_empty() {
            let now: Vec<Option<Vec<u8>>> = self
                .beacon_table
                .iter()
                .map(|entry| {
                    elements
                        .into_iter()
                        .find(|(id, content)| {
                            *id == entry[0]
                                && (*id != VENDOR || content.get(..3) == Some(&entry[2..5]))
                        })
                        .map(|(_, content)| content.to_vec())
                })
                .collect();
            if let Some(before) = &self.beacon_seen {
                pass =
                    self.beacon_table
                        .iter()
                        .zip(before)
                        .zip(&now)
                        .any(|((entry, before), now)| match (before, now) {
                            (Some(before), Some(now)) => entry[1] & 1 != 0 && before != now,
                            (Some(_), None) => entry[1] & 2 != 0,
                            (None, Some(_)) => entry[1] & 4 != 0,
                            (None, None) => false,
                        });
            }
            self.beacon_seen = Some(now);
        }
        if !pass && self.beacon_count > 0 {
            self.beacons_skipped += 1;
            pass = self.beacons_skipped >= self.beacon_count;
        }
        if pass {
            self.beacons_skipped = 0;
        }
        pass
    }

    /// Whether a data frame passes the data filters; `payload` starts at LLC/SNAP and is in the clear.
    pub(crate) fn passes_data(&self, mpdu: Mpdu<'_>, payload: &[u8]) -> bool {
        if !self.armed {
            return true;
        }
        if self.mac_action != 0 {
            for (action, mode, address) in &self.mac {
                let own = match mode {
                    1 => mpdu.a1(),
                    2 => mpdu.a2(),
                    3 => mpdu.a3(),
                    _ => continue,
                };
                if own == *address && *action != PASS {
                    return false;
                }
            }
        }
        let protocol = frame::ether_type(payload);
        let packet = payload.get(8..).unwrap_or(&[]);
        let is_ipv6 = protocol == Some(0x86DD);
        if !(self.no_ipv6_match && is_ipv6) {
            let found = self
                .ether
                .iter()
                .find(|(_, ether)| protocol == Some(*ether));
            match found {
                Some((DROP, _)) => return false,
                Some((PASS, _)) => return true,
                _ => {}
            }
        }
        if let Some((action, offset, pattern)) = &self.magic {
            let found = payload
                .get(*offset..)
                .is_some_and(|part| part.starts_with(pattern));
            if found != (*action == PASS) {
                return false;
            }
        }
        match protocol {
            Some(0x0800) => self.passes_ipv4(packet),
            Some(0x86DD) => self.passes_ipv6(packet),
            Some(0x0806) if self.arp_enable & 1 != 0 => {
                // A request (operation 1) for somebody else's address is not for the host.
                packet.get(6..8) != Some(&[0, 1]) || packet.get(24..28) == Some(&self.arp_address)
            }
            _ => true,
        }
    }

    fn passes_ipv4(&self, packet: &[u8]) -> bool {
        let header = usize::from(u8_at(packet, 0) & 0x0F) * 4;
        if self.ipv4_action != 0 {
            for (action, mode, address) in &self.ipv4 {
                let hit = match mode {
                    1 => packet.get(12..16) == Some(address),
                    2 => packet.get(16..20) == Some(address),
                    // TCP segments that carry nothing but an acknowledgement.
                    3 => {
                        let total =
                            usize::from(u16::from_be_bytes([u8_at(packet, 2), u8_at(packet, 3)]));
                        let tcp = usize::from(u8_at(packet, header + 12) >> 4) * 4;
                        u8_at(packet, 9) == 6 && total == header + tcp
                    }
                    _ => false,
                };
                if hit && *action == DROP {
                    return false;
                }
            }
        }
        if u8_at(packet, 9) == 17 {
            let port = |at: usize| {
                u16::from_be_bytes([u8_at(packet, header + at), u8_at(packet, header + at + 1)])
            };
            let (source, destination) = (port(0), port(2));
            for (action, kind, filtered) in &self.udp {
                let hit = match kind {
                    0 => destination == *filtered,
                    1 => source == *filtered,
                    _ => false,
                };
                if hit {
                    return *action != DROP;
                }
            }
        }
        true
    }

    fn passes_ipv6(&self, packet: &[u8]) -> bool {
        if self.ipv6_action == 0 || self.ipv6.is_empty() {
            return true;
        }
        let hit = self.ipv6.iter().any(|(_, mode, address)| {
            let range = if *mode == 1 { 8..24 } else { 24..40 };
            packet.get(range) == Some(address)
        });
        hit == (self.ipv6_action == PASS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::wire::hex;

    fn data(receiver: [u8; 6], protocol: [u8; 2], packet: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let mut header = vec![0x08, 2, 0, 0];
        header.extend_from_slice(&receiver);
        header.extend_from_slice(&[2; 6]);
        header.extend_from_slice(&[3; 6]);
        header.extend_from_slice(&[0, 0]);
        let mut payload = vec![0xAA, 0xAA, 3, 0, 0, 0, protocol[0], protocol[1]];
        payload.extend_from_slice(packet);
        (header, payload)
    }

    fn passes(filters: &Filters, frame: &(Vec<u8>, Vec<u8>)) -> bool {
        filters.passes_data(Mpdu(&frame.0), &frame.1)
    }

    fn udp(destination: u16) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 28];
        packet.resize(28, 0);
        packet[9] = 17;
        packet[22..24].copy_from_slice(&destination.to_be_bytes());
        packet
    }

    #[test]
    fn suspend_filters_of_the_specification_drop_what_they_name() {
        let mut filters = Filters::default();
        filters.write(id::ETHER_TYPE, &hex("03010000 02008E88 0200B488 0100FFFF"));
        filters.write(id::UDP_PORT, &hex("03000000 01004300 01006C07 0100E914"));
        filters.write(
            id::IPV6_FILTER,
            &hex("01020000 02020000 012835DEBF349D8A476285697E8C2938"),
        );
        let own = [2, 0, 0, 0, 0, 1];
        assert!(passes(&filters, &data(own, [0x88, 0x8E], &[])));
        assert!(!passes(&filters, &data(own, [0xFF, 0xFF], &[])));
        for port in [67, 1900, 5353] {
            assert!(!passes(&filters, &data(own, [8, 0], &udp(port))));
        }
        assert!(passes(&filters, &data(own, [8, 0], &udp(53))));
        assert!(!passes(&filters, &data(own, [0x86, 0xDD], &[0; 40])));
        for mib in [id::ETHER_TYPE, id::UDP_PORT, id::IPV6_FILTER] {
            filters.write(mib, &[0; 4]);
        }
        assert!(!filters.armed);
        assert!(passes(&filters, &data(own, [0x86, 0xDD], &[0; 40])));
    }

    #[test]
    fn broadcast_and_foreign_arp_requests_are_dropped_in_low_power() {
        let mut filters = Filters::default();
        filters.write(id::MAC_FILTER, &hex("01010000 0101FFFFFFFFFFFF"));
        assert!(!passes(&filters, &data([0xFF; 6], [8, 0], &udp(1))));
        filters.write(id::MAC_FILTER, &hex("01000000 0101FFFFFFFFFFFF"));
        assert!(passes(&filters, &data([0xFF; 6], [8, 0], &udp(1))));
        filters.write(id::ARP_IPV4, &[3, 0, 0, 0, 10, 0, 0, 2]);
        let arp = |last: u8| {
            let mut packet = hex("0001080006040001");
            packet.resize(24, 0);
            packet.extend_from_slice(&[10, 0, 0, last]);
            data([0xFF; 6], [8, 6], &packet)
        };
        assert!(passes(&filters, &arp(2)));
        assert!(!passes(&filters, &arp(3)));
    }

    #[test]
    fn an_armed_magic_filter_drops_everything_else() {
        let mut filters = Filters::default();
        filters.write(id::MAGIC, &[2, 8, 2, 0, 0xAB, 0xCD]);
        assert!(!passes(&filters, &data([1; 6], [8, 0], &udp(1))));
        assert!(passes(&filters, &data([1; 6], [8, 0], &[0xAB, 0xCD])));
        filters.write(id::MAGIC, &[0; 4]);
        assert!(passes(&filters, &data([1; 6], [8, 0], &udp(1))));
    }

    #[test]
    fn the_multicast_table_lets_its_entries_and_broadcast_through() {
        let mut filters = Filters::default();
        let group = [1, 0, 0x5E, 0, 0, 1];
        let to = |receiver| data(receiver, [8, 0], &[]).0;
        assert!(filters.passes_group(Mpdu(&to([1, 2, 3, 4, 5, 6])), false));
        let mut table = vec![1, 0, 0, 0, 1, 0, 0, 0];
        table.extend_from_slice(&group);
        table.resize(56, 0);
        filters.write(id::GROUP_ADDRESSES, &table);
        assert!(filters.passes_group(Mpdu(&to(group)), false));
        assert!(filters.passes_group(Mpdu(&to([0xFF; 6])), false));
        assert!(!filters.passes_group(Mpdu(&to([1, 2, 3, 4, 5, 6])), false));
        table[0] = 2;
        filters.write(id::GROUP_ADDRESSES, &table);
        assert!(filters.passes_group(Mpdu(&to([1, 2, 3, 4, 5, 6])), false));
        assert!(!filters.passes_group(Mpdu(&to([1, 2, 3, 4, 5, 6])), true));
    }

    #[test]
    fn the_beacon_filter_reports_only_what_its_table_asks_for() {
        let mut filters = Filters::default();
        let plain = hex("0004 74657374");
        let vendor = [plain.clone(), hex("DD05 506F9A0101")].concat();
        let changed = [plain.clone(), hex("DD05 506F9A0102")].concat();
        assert!(filters.passes_beacon(Elements(&plain)));
        filters.write(id::BEACON_TABLE, &hex("01000000 DD07506F9A000000"));
        filters.write(id::BEACON_FILTER, &hex("07000000 00000000"));
        assert!(!filters.passes_beacon(Elements(&plain)));
        assert!(filters.passes_beacon(Elements(&vendor)));
        assert!(!filters.passes_beacon(Elements(&vendor)));
        assert!(filters.passes_beacon(Elements(&changed)));
        assert!(filters.passes_beacon(Elements(&plain)));
        assert!(!filters.passes_beacon(Elements(&plain)));
        filters.write(id::BEACON_FILTER, &hex("07000000 01000000"));
        assert!(filters.passes_beacon(Elements(&plain)));
        filters.write(id::BEACON_FILTER, &hex("00000000 01000000"));
        assert!(filters.passes_beacon(Elements(&plain)));
    }

    #[test]
    fn objects_cut_at_any_length_do_not_panic() {
        let mut filters = Filters::default();
        let frame = data([1; 6], [8, 0], &udp(67));
        for mib in 0x1000..0x1046 {
            for len in 0..40 {
                filters.write(mib, &[0xFF; 40][..len]);
                let _ = passes(&filters, &frame);
                let _ = filters.passes_beacon(Elements(&[0xDD, 3, 255, 255, 255]));
            }
        }
    }
}
