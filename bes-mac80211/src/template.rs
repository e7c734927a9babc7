//! Frames that the chip sends by itself, as the host gives them to it (specification: file 21, section 2.8).

use crate::address::BROADCAST;
use crate::request::MAX_SCAN_ELEMENTS;
use crate::types::{Cipher, MacAddress};

/// Length of a MAC header with three addresses.
const HEADER: usize = 24;

/// Frame control of what is built here, first byte.
const PROBE_REQUEST: u8 = 0x40;
const NULL: u8 = 0x48;
const QOS_NULL: u8 = 0xC8;
const DATA: u8 = 0x08;
const QOS_DATA: u8 = 0x88;
/// Frame control, second byte.
const TO_DS: u8 = 0x01;
const PROTECTED: u8 = 0x40;

/// A frame of at most `N` bytes.
#[derive(Clone, Debug)]
pub(crate) struct Frame<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Frame<N> {
    fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
        }
    }

    /// Appends bytes; what does not fit is left out. Every caller has checked its sizes against `N`.
    fn put(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(slot) = self.bytes.get_mut(self.len) {
                *slot = *byte;
                self.len = self.len.saturating_add(1);
            }
        }
    }

    fn zeros(&mut self, count: usize) {
        self.len = self.len.saturating_add(count).min(N);
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

fn header<const N: usize>(control: [u8; 2], addresses: [MacAddress; 3]) -> Frame<N> {
    let mut frame = Frame::new();
    frame.put(&control);
    frame.zeros(2);
    for address in addresses {
        frame.put(&address.0);
    }
    frame.zeros(2);
    frame
}

/// Most bytes of a probe request of the scan: empty SSID element and the elements of the stack.
pub(crate) const PROBE_REQUEST_LEN: usize = (HEADER + 2).saturating_add(MAX_SCAN_ELEMENTS);

/// Writes a probe request with `elements` behind an empty SSID element, whose sender is still to be
/// [set](set_source). Its length, or `None` if the elements are too long.
pub(crate) fn probe_request(out: &mut [u8], elements: &[u8]) -> Option<usize> {
    let head = empty_probe_request(MacAddress::default());
    let len = head.len().checked_add(elements.len())?;
    let (first, rest) = out.get_mut(..len)?.split_at_mut_checked(head.len())?;
    first.copy_from_slice(&head);
    rest.copy_from_slice(elements);
    Some(len)
}

/// Writes the address of the sender into a MAC header.
pub(crate) fn set_source(frame: &mut [u8], own: MacAddress) {
    if let Some(bytes) = frame.get_mut(10..16) {
        bytes.copy_from_slice(&own.0);
    }
}

/// A probe request without elements, for a join.
pub(crate) fn empty_probe_request(own: MacAddress) -> [u8; HEADER + 2] {
    let everybody = BROADCAST;
    header::<{ HEADER + 2 }>([PROBE_REQUEST, 0], [everybody, own, everybody]).bytes
}

/// A null frame to the access point.
pub(crate) fn null(bssid: MacAddress, own: MacAddress) -> [u8; HEADER] {
    header::<HEADER>([NULL, TO_DS], [bssid, own, bssid]).bytes
}

/// A QoS null frame to the access point.
pub(crate) fn qos_null(bssid: MacAddress, own: MacAddress) -> [u8; HEADER + 2] {
    header::<{ HEADER + 2 }>([QOS_NULL, TO_DS], [bssid, own, bssid]).bytes
}

/// What of a data frame depends on the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) bssid: MacAddress,
    pub(crate) own: MacAddress,
    pub(crate) qos: bool,
    /// Room is left for this one.
    pub(crate) cipher: Option<Cipher>,
}

impl Link {
    /// A data frame of this ether type with what `packet` puts behind LLC/SNAP, and with the room that the cipher needs.
    fn data<const N: usize>(
        self,
        ether_type: [u8; 2],
        packet: impl FnOnce(&mut Frame<N>),
    ) -> Frame<N> {
        let (head, tail) = match self.cipher {
            Some(Cipher::Wep) => (4, 4),
            Some(Cipher::Tkip) => (8, 12),
            Some(Cipher::Ccmp) => (8, 8),
            Some(Cipher::Wapi) => (18, 16),
            Some(Cipher::AesCmac) | None => (0, 0),
        };
        let protected = if head > 0 { PROTECTED } else { 0 };
        let kind = if self.qos { QOS_DATA } else { DATA };
        let addresses = [self.bssid, self.own, self.bssid];
        let mut frame = header([kind, TO_DS | protected], addresses);
        if self.qos {
            frame.zeros(2);
        }
        frame.zeros(head);
        frame.put(&[0xAA, 0xAA, 0x03, 0, 0, 0]);
        frame.put(&ether_type);
        packet(&mut frame);
        frame.zeros(tail);
        frame
    }
}

/// The ARP reply, whose addresses the firmware fills in. With the room that the cipher needs.
pub(crate) fn arp_reply(link: Link) -> Frame<96> {
    link.data([0x08, 0x06], |frame| {
        // Ethernet, IPv4, lengths, reply.
        frame.put(&[0, 1, 0x08, 0, 6, 4, 0, 2]);
        frame.zeros(20);
    })
}

/// The neighbour advertisement for an address, in whatever the host knows: who asked, and so the checksum, only the
/// firmware does. What it fills in beyond that is the same again. No layout is specified (file 21, section 2.8); the packet
/// is that of RFC 4861, section 4.4: solicited, overriding, with the target's link-layer address.
pub(crate) fn neighbour_advertisement(link: Link, address: [u8; 16]) -> Frame<140> {
    link.data([0x86, 0xDD], |frame| {
        // IPv6 with 32 bytes of ICMPv6 behind it, hop limit 255.
        frame.put(&[0x60, 0, 0, 0, 0, 32, 58, 255]);
        frame.put(&address);
        frame.zeros(16);
        frame.put(&[136, 0, 0, 0, 0x60, 0, 0, 0]);
        frame.put(&address);
        frame.put(&[2, 1]);
        frame.put(&link.own.0);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
    const AP: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);

    fn link(qos: bool, cipher: Option<Cipher>) -> Link {
        Link {
            bssid: AP,
            own: OWN,
            qos,
            cipher,
        }
    }

    #[test]
    fn an_arp_reply_under_ccmp_with_qos_has_78_bytes() {
        let reply = |qos, cipher| arp_reply(link(qos, cipher));
        let frame = reply(true, Some(Cipher::Ccmp));
        assert_eq!(frame.as_bytes().len(), 78);
        assert_eq!(frame.as_bytes()[..2], [0x88, 0x41]);
        assert_eq!(frame.as_bytes()[34..42], [0xAA, 0xAA, 3, 0, 0, 0, 8, 6]);
        assert_eq!(reply(false, None).as_bytes().len(), 60);
        assert_eq!(reply(true, Some(Cipher::Wapi)).as_bytes().len(), 96);
    }

    #[test]
    fn a_neighbour_advertisement_has_room_for_every_cipher() {
        let frame = |qos, cipher| neighbour_advertisement(link(qos, cipher), [0xFE; 16]);
        assert_eq!(frame(false, None).as_bytes().len(), 24 + 8 + 72);
        let wapi = frame(true, Some(Cipher::Wapi));
        assert_eq!(wapi.as_bytes().len(), 24 + 2 + 18 + 8 + 72 + 16);
        let ccmp = frame(true, Some(Cipher::Ccmp));
        let packet = &ccmp.as_bytes()[34..ccmp.as_bytes().len() - 8];
        assert_eq!(packet[..8], [0xAA, 0xAA, 3, 0, 0, 0, 0x86, 0xDD]);
        assert_eq!(packet[8..16], [0x60, 0, 0, 0, 0, 32, 58, 255]);
        assert_eq!(packet[16..32], [0xFE; 16]);
        assert_eq!(packet[48..56], [136, 0, 0, 0, 0x60, 0, 0, 0]);
        assert_eq!(packet[56..72], [0xFE; 16]);
        assert_eq!(packet[72..], [2, 1, 2, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn the_qos_null_template_is_a_qos_null_frame_c20() {
        let frame = qos_null(AP, OWN);
        assert_eq!(frame[..2], [0xC8, 0x01]);
        assert_eq!(frame[4..10], AP.0);
        assert_eq!(frame[10..16], OWN.0);
        assert_eq!(frame[24..], [0, 0]);
        assert_eq!(null(AP, OWN)[..2], [0x48, 0x01]);
    }

    #[test]
    fn long_elements_fit_or_are_refused_c28() {
        let mut frame = [0xEE; PROBE_REQUEST_LEN];
        let len = probe_request(&mut frame, &[0x5A; 1100]);
        assert_eq!(len, Some(24 + 2 + 1100));
        set_source(&mut frame, OWN);
        assert_eq!(frame[10..16], OWN.0);
        assert_eq!(frame[24..26], [0, 0]);
        assert!(frame[26..1126].iter().all(|byte| *byte == 0x5A));
        assert!(probe_request(&mut frame, &[0; MAX_SCAN_ELEMENTS]).is_some());
        assert!(probe_request(&mut frame, &[0; MAX_SCAN_ELEMENTS + 1]).is_none());
    }
}
