//! The few fields of an 802.11 MPDU that a lower MAC looks at.

/// Frame control bits.
pub(crate) mod fc {
    pub(crate) const RETRY: u8 = 0x08;
    pub(crate) const POWER_MANAGEMENT: u8 = 0x10;
    pub(crate) const MORE_DATA: u8 = 0x20;
    pub(crate) const PROTECTED: u8 = 0x40;
}

/// First byte of the frame control field: type and subtype.
pub(crate) mod kind {
    pub(crate) const PROBE_REQUEST: u8 = 0x40;
    pub(crate) const PROBE_RESPONSE: u8 = 0x50;
    pub(crate) const BEACON: u8 = 0x80;
    pub(crate) const DISASSOCIATION: u8 = 0xA0;
    pub(crate) const DEAUTHENTICATION: u8 = 0xC0;
    pub(crate) const ACTION: u8 = 0xD0;
    pub(crate) const PS_POLL: u8 = 0xA4;
    pub(crate) const NULL: u8 = 0x48;
}

/// The element id of the traffic indication map.
pub(crate) const TIM: u8 = 5;
/// A vendor's element.
pub(crate) const VENDOR: u8 = 221;

/// A view of an MPDU that has at least its first address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mpdu<'a>(pub(crate) &'a [u8]);

fn address(bytes: &[u8], at: usize) -> [u8; 6] {
    crate::chip::wire::mac_at(bytes, at)
}

impl<'a> Mpdu<'a> {
    /// `None` if there is no first address.
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        (bytes.len() >= 10).then_some(Self(bytes))
    }

    /// Type and subtype as in the first byte.
    pub(crate) fn kind(self) -> u8 {
        self.0[0] & 0xFC
    }

    /// Second byte of the frame control field.
    pub(crate) fn flags(self) -> u8 {
        self.0[1]
    }

    pub(crate) fn is_management(self) -> bool {
        self.0[0] & 0x0C == 0x00
    }

    pub(crate) fn is_control(self) -> bool {
        self.0[0] & 0x0C == 0x04
    }

    pub(crate) fn is_data(self) -> bool {
        self.0[0] & 0x0C == 0x08
    }

    /// Data frame with a QoS control field.
    pub(crate) fn is_qos(self) -> bool {
        self.0[0] & 0x8C == 0x88
    }

    /// Data frame without a body.
    pub(crate) fn is_null(self) -> bool {
        self.0[0] & 0x4C == 0x48
    }

    pub(crate) fn is_protected(self) -> bool {
        self.flags() & fc::PROTECTED != 0
    }

    /// Receiver is a group.
    pub(crate) fn is_group(self) -> bool {
        self.0[4] & 1 != 0
    }

    pub(crate) fn is_broadcast(self) -> bool {
        self.0[4..10] == [0xFF; 6]
    }

    /// Receiver.
    pub(crate) fn a1(self) -> [u8; 6] {
        address(self.0, 4)
    }

    /// Transmitter; zero if the frame has none.
    pub(crate) fn a2(self) -> [u8; 6] {
        address(self.0, 10)
    }

    /// Third address; zero if the frame has none.
    pub(crate) fn a3(self) -> [u8; 6] {
        address(self.0, 16)
    }

    /// The BSS the frame belongs to.
    pub(crate) fn bssid(self) -> [u8; 6] {
        if self.is_data() {
            match self.flags() & 3 {
                // From the access point, to it, neither; both ways has no BSSID and counts by its transmitter.
                1 => self.a1(),
                2 => self.a2(),
                0 => self.a3(),
                _ => self.a2(),
            }
        } else if self.is_control() {
            self.a1()
        } else {
            self.a3()
        }
    }

    /// Length of the MAC header, the cipher header not included.
    pub(crate) fn header_len(self) -> usize {
        if self.is_control() {
            return 16;
        }
        let mut len = 24;
        if self.is_data() {
            if self.flags() & 3 == 3 {
                len += 6;
            }
            if self.is_qos() {
                len += 2;
                if self.flags() & 0x80 != 0 {
                    len += 4;
                }
            }
        } else if self.flags() & 0x80 != 0 {
            len += 4;
        }
        len
    }

    /// Traffic identifier; 0 for frames without QoS control.
    pub(crate) fn tid(self) -> u8 {
        if !self.is_qos() {
            return 0;
        }
        let at = if self.flags() & 3 == 3 { 30 } else { 24 };
        self.0.get(at).map_or(0, |byte| byte & 0x0F)
    }

    /// Sequence control: number in bits 4 to 15, fragment in bits 0 to 3.
    pub(crate) fn sequence_control(self) -> u16 {
        crate::chip::wire::u16_at(self.0, 22)
    }

    /// What follows the MAC header.
    pub(crate) fn body(self) -> &'a [u8] {
        self.0.get(self.header_len()..).unwrap_or(&[])
    }

    /// The protocol of an LLC/SNAP payload that is not encrypted.
    pub(crate) fn ether_type(self) -> Option<u16> {
        ether_type(self.body())
    }

    /// Elements of a beacon or probe response.
    pub(crate) fn elements(self) -> Elements<'a> {
        Elements(self.0.get(36..).unwrap_or(&[]))
    }
}

/// The protocol of an LLC/SNAP payload.
pub(crate) fn ether_type(payload: &[u8]) -> Option<u16> {
    (payload.len() >= 8 && payload[..6] == [0xAA, 0xAA, 3, 0, 0, 0])
        .then(|| u16::from_be_bytes([payload[6], payload[7]]))
}

/// Elements of a management frame, `(id, content)`; ends at the first that is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elements<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (head, rest) = self.0.split_at_checked(2)?;
        let (content, rest) = rest.split_at_checked(usize::from(head[1]))?;
        self.0 = rest;
        Some((head[0], content))
    }
}

/// What the traffic indication map says to a station.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tim {
    pub(crate) dtim_count: u8,
    pub(crate) multicast: bool,
    /// The station's own bit is set.
    pub(crate) unicast: bool,
}

impl Tim {
    /// Reads the content of the element for association `aid`; `None` if it is too short.
    pub(crate) fn parse(content: &[u8], aid: u16) -> Option<Self> {
        if content.len() < 4 {
            return None;
        }
        let first = usize::from(content[2] & 0xFE);
        let bitmap = &content[3..];
        let byte = usize::from(aid & 0x3FFF) / 8;
        let bits = byte
            .checked_sub(first)
            .and_then(|index| bitmap.get(index))
            .copied()
            .unwrap_or(0);
        Some(Self {
            dtim_count: content[0],
            multicast: content[2] & 1 != 0,
            unicast: aid != 0 && bits >> (aid % 8) & 1 != 0,
        })
    }
}

/// A null frame of a station.
pub(crate) fn null(bssid: [u8; 6], own: [u8; 6], sequence: u16, power_save: bool) -> Vec<u8> {
    let flags = 1 | if power_save { fc::POWER_MANAGEMENT } else { 0 };
    let mut frame = vec![kind::NULL, flags, 0, 0];
    for part in [bssid, own, bssid] {
        frame.extend_from_slice(&part);
    }
    frame.extend_from_slice(&(sequence << 4).to_le_bytes());
    frame
}

/// A trigger frame: a QoS null frame of a station that dozes.
pub(crate) fn trigger(bssid: [u8; 6], own: [u8; 6], sequence: u16, tid: u8) -> Vec<u8> {
    let mut frame = null(bssid, own, sequence, true);
    frame[0] |= 0x80;
    frame.extend_from_slice(&[tid, 0]);
    frame
}

/// A PS-poll.
pub(crate) fn ps_poll(bssid: [u8; 6], own: [u8; 6], aid: u16) -> Vec<u8> {
    let mut frame = vec![kind::PS_POLL, fc::POWER_MANAGEMENT];
    frame.extend_from_slice(&(aid | 0xC000).to_le_bytes());
    frame.extend_from_slice(&bssid);
    frame.extend_from_slice(&own);
    frame
}

/// An action frame of category 3, block ack.
pub(crate) fn block_ack_action(
    peer: [u8; 6],
    own: [u8; 6],
    bssid: [u8; 6],
    sequence: u16,
    body: &[u8],
) -> Vec<u8> {
    let mut frame = vec![kind::ACTION, 0, 0, 0];
    for part in [peer, own, bssid] {
        frame.extend_from_slice(&part);
    }
    frame.extend_from_slice(&(sequence << 4).to_le_bytes());
    frame.push(3);
    frame.extend_from_slice(body);
    frame
}

/// Marks a management frame as protected and opens the places of the cipher header and the MIC.
pub(crate) fn make_room_for_cipher(frame: &mut Vec<u8>, header: usize, mic: usize) {
    let start = Mpdu(frame).header_len();
    frame[1] |= fc::PROTECTED;
    frame.splice(start..start, std::iter::repeat_n(0, header));
    frame.resize(frame.len() + mic, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_lengths_follow_type_and_flags() {
        let len = |first, second| {
            let mut bytes = [0; 40];
            bytes[0] = first;
            bytes[1] = second;
            Mpdu(&bytes).header_len()
        };
        assert_eq!(len(0x08, 0x01), 24);
        assert_eq!(len(0x88, 0x01), 26);
        assert_eq!(len(0x88, 0x03), 32);
        assert_eq!(len(0x88, 0x82), 30);
        assert_eq!(len(0x80, 0x00), 24);
        assert_eq!(len(0xA4, 0x00), 16);
    }

    #[test]
    fn the_bssid_is_where_the_direction_says() {
        let mut bytes = [0_u8; 24];
        bytes[4..10].fill(1);
        bytes[10..16].fill(2);
        bytes[16..22].fill(3);
        for (flags, expected) in [(0, 3), (1, 1), (2, 2)] {
            bytes[0] = 0x08;
            bytes[1] = flags;
            assert_eq!(Mpdu(&bytes).bssid(), [expected; 6]);
        }
        bytes[0] = kind::BEACON;
        assert_eq!(Mpdu(&bytes).bssid(), [3; 6]);
    }

    #[test]
    fn the_traffic_indication_map_is_read_for_the_own_bit() {
        // DTIM count 1, period 3, bitmap starts at byte 2, multicast waits.
        let content = [1, 3, 2 | 1, 0b0010_0000];
        let tim = Tim::parse(&content, 21).unwrap();
        assert_eq!(
            tim,
            Tim {
                dtim_count: 1,
                multicast: true,
                unicast: true
            }
        );
        assert!(!Tim::parse(&content, 5).unwrap().unicast);
        assert!(!Tim::parse(&content, 2000).unwrap().unicast);
        assert_eq!(Tim::parse(&content[..3], 21), None);
    }

    #[test]
    fn a_cut_element_ends_the_list() {
        let mut list = Elements(&[0, 1, b'a', 5, 9, 1]);
        assert_eq!(list.next(), Some((0, &b"a"[..])));
        assert_eq!(list.next(), None);
    }
}
