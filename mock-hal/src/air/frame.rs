//! MAC headers: read in place, built into vectors (IEEE 802.11-2016, section 9.2 to 9.4).

use super::Address;

/// Frame control values, protocol version 0, as the first octet on the air.
pub mod kind {
    /// Association request.
    pub const ASSOCIATION_REQUEST: u8 = 0x00;
    /// Association response.
    pub const ASSOCIATION_RESPONSE: u8 = 0x10;
    /// Reassociation request.
    pub const REASSOCIATION_REQUEST: u8 = 0x20;
    /// Reassociation response.
    pub const REASSOCIATION_RESPONSE: u8 = 0x30;
    /// Probe request.
    pub const PROBE_REQUEST: u8 = 0x40;
    /// Probe response.
    pub const PROBE_RESPONSE: u8 = 0x50;
    /// Beacon.
    pub const BEACON: u8 = 0x80;
    /// Disassociation.
    pub const DISASSOCIATION: u8 = 0xA0;
    /// Authentication.
    pub const AUTHENTICATION: u8 = 0xB0;
    /// Deauthentication.
    pub const DEAUTHENTICATION: u8 = 0xC0;
    /// Action.
    pub const ACTION: u8 = 0xD0;
    /// Block ack request.
    pub const BLOCK_ACK_REQUEST: u8 = 0x84;
    /// PS-Poll.
    pub const PS_POLL: u8 = 0xA4;
    /// Acknowledgement.
    pub const ACK: u8 = 0xD4;
    /// Data.
    pub const DATA: u8 = 0x08;
    /// Null data.
    pub const NULL: u8 = 0x48;
    /// QoS data.
    pub const QOS_DATA: u8 = 0x88;
    /// QoS null data.
    pub const QOS_NULL: u8 = 0xC8;
}

/// Second octet of frame control: to the distribution system.
pub const TO_DS: u8 = 0x01;
/// Second octet of frame control: from the distribution system.
pub const FROM_DS: u8 = 0x02;
/// Second octet of frame control: more fragments follow.
pub const MORE_FRAGMENTS: u8 = 0x04;
/// Second octet of frame control: a retry.
pub const RETRY: u8 = 0x08;
/// Second octet of frame control: the sender is in power save after this exchange.
pub const POWER_MANAGEMENT: u8 = 0x10;
/// Second octet of frame control: more is buffered for the receiver.
pub const MORE_DATA: u8 = 0x20;
/// Second octet of frame control: the body is encrypted.
pub const PROTECTED: u8 = 0x40;
/// Second octet of frame control: an HT control field follows.
pub const ORDER: u8 = 0x80;

/// First octet of QoS control: end of service period.
pub const EOSP: u8 = 0x10;
/// First octet of QoS control: the body is an A-MSDU.
pub const AMSDU: u8 = 0x80;

/// Octets of the LLC and SNAP header in front of the EtherType.
pub const SNAP: [u8; 6] = [0xAA, 0xAA, 0x03, 0, 0, 0];
/// EtherType of EAPOL.
pub const ETHERTYPE_EAPOL: u16 = 0x888E;
/// EtherType of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;

/// A frame whose header is known to be whole.
#[derive(Clone, Copy, Debug)]
pub struct Mpdu<'a> {
    bytes: &'a [u8],
    header: usize,
}

impl<'a> Mpdu<'a> {
    /// Reads the header of a frame without FCS. `None` if the header is cut off, or the frame is a control frame
    /// other than PS-Poll and block ack request.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let header = match first & 0x0C {
            0x00 => 24,
            0x04 if first == kind::PS_POLL || first == kind::BLOCK_ACK_REQUEST => 16,
            0x08 => {
                let four_addresses = second & (TO_DS | FROM_DS) == TO_DS | FROM_DS;
                let qos = first & 0x80 != 0;
                24 + if four_addresses { 6 } else { 0 }
                    + if qos { 2 } else { 0 }
                    + if qos && second & ORDER != 0 { 4 } else { 0 }
            }
            _ => return None,
        };
        (bytes.len() >= header).then_some(Self { bytes, header })
    }

    /// First octet of frame control; see [`kind`].
    pub fn kind(self) -> u8 {
        self.bytes[0]
    }

    /// Second octet of frame control.
    pub fn flags(self) -> u8 {
        self.bytes[1]
    }

    /// Whether all of `flags` are set in the second octet of frame control.
    pub fn has(self, flags: u8) -> bool {
        self.bytes[1] & flags == flags
    }

    /// Whether this is a management frame.
    pub fn is_management(self) -> bool {
        self.bytes[0] & 0x0C == 0
    }

    /// Whether this is a data frame of any subtype.
    pub fn is_data(self) -> bool {
        self.bytes[0] & 0x0C == 0x08
    }

    /// Whether this is a data frame with a QoS control field.
    pub fn is_qos(self) -> bool {
        self.bytes[0] & 0x8C == 0x88
    }

    /// Whether this is a data frame without a body.
    pub fn is_null(self) -> bool {
        self.bytes[0] & 0x4C == 0x48
    }

    fn address(self, offset: usize) -> Address {
        let mut address = [0; 6];
        address.copy_from_slice(&self.bytes[offset..offset + 6]);
        address
    }

    /// Address 1.
    pub fn receiver(self) -> Address {
        self.address(4)
    }

    /// Address 2.
    pub fn transmitter(self) -> Address {
        self.address(10)
    }

    /// Address 3; all zero in a control frame.
    pub fn address3(self) -> Address {
        if self.header >= 24 {
            self.address(16)
        } else {
            [0; 6]
        }
    }

    /// Whether the receiver is a group.
    pub fn is_group(self) -> bool {
        self.bytes[4] & 1 == 1
    }

    /// Sequence number; zero in a control frame.
    pub fn sequence(self) -> u16 {
        self.sequence_control() >> 4
    }

    /// Fragment number; zero in a control frame.
    pub fn fragment(self) -> u8 {
        (self.sequence_control() & 15) as u8
    }

    fn sequence_control(self) -> u16 {
        if self.header >= 24 {
            u16::from_le_bytes([self.bytes[22], self.bytes[23]])
        } else {
            0
        }
    }

    /// First octet of QoS control; zero in a frame without.
    pub fn qos_control(self) -> u8 {
        if self.is_qos() {
            let four_addresses = self.has(TO_DS | FROM_DS);
            self.bytes[if four_addresses { 30 } else { 24 }]
        } else {
            0
        }
    }

    /// Traffic identifier; zero in a frame without QoS control.
    pub fn tid(self) -> u8 {
        self.qos_control() & 15
    }

    /// Octets of the MAC header.
    pub fn header_len(self) -> usize {
        self.header
    }

    /// What follows the MAC header.
    pub fn body(self) -> &'a [u8] {
        &self.bytes[self.header..]
    }

    /// The whole frame.
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The association id of a PS-Poll.
    pub fn association_id(self) -> u16 {
        u16::from_le_bytes([self.bytes[2], self.bytes[3]]) & 0x3FFF
    }
}

/// A management frame's header, sequence control zero, followed by room for a body.
pub fn management(kind: u8, receiver: Address, transmitter: Address, bssid: Address) -> Vec<u8> {
    let mut frame = Vec::with_capacity(256);
    frame.extend_from_slice(&[kind, 0, 0, 0]);
    frame.extend_from_slice(&receiver);
    frame.extend_from_slice(&transmitter);
    frame.extend_from_slice(&bssid);
    frame.extend_from_slice(&[0, 0]);
    frame
}

/// Writes the sequence number of a frame with fragment number 0.
pub fn set_sequence(frame: &mut [u8], sequence: u16) {
    if let Some(field) = frame.get_mut(22..24) {
        field.copy_from_slice(&(sequence << 4).to_le_bytes());
    }
}

/// A MAC service data unit: what the layer above sends and receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Msdu<'a> {
    /// Final destination.
    pub destination: Address,
    /// Original source.
    pub source: Address,
    /// Traffic identifier, 0 to 7.
    pub tid: u8,
    /// EtherType.
    pub ethertype: u16,
    /// What follows the EtherType.
    pub payload: &'a [u8],
}

/// Takes the LLC and SNAP header off. `None` if there is none.
pub fn split_snap(body: &[u8]) -> Option<(u16, &[u8])> {
    let (header, payload) = body.split_at_checked(8)?;
    (header[..6] == SNAP).then(|| (u16::from_be_bytes([header[6], header[7]]), payload))
}

/// Appends a data frame from the distribution system to a station: header, room for a CCMP header if `protected`,
/// LLC/SNAP, payload. `qos`: with QoS control. Sequence number and everything variable is zero.
pub fn append_downlink(
    frame: &mut Vec<u8>,
    bssid: Address,
    msdu: &Msdu<'_>,
    qos: bool,
    protected: bool,
) {
    let kind = if qos { kind::QOS_DATA } else { kind::DATA };
    let flags = if protected {
        FROM_DS | PROTECTED
    } else {
        FROM_DS
    };
    frame.extend_from_slice(&[kind, flags, 0, 0]);
    frame.extend_from_slice(&msdu.destination);
    frame.extend_from_slice(&bssid);
    frame.extend_from_slice(&msdu.source);
    frame.extend_from_slice(&[0, 0]);
    if qos {
        frame.extend_from_slice(&[msdu.tid & 15, 0]);
    }
    if protected {
        frame.extend_from_slice(&[0; super::ccmp::HEADER]);
    }
    frame.extend_from_slice(&SNAP);
    frame.extend_from_slice(&msdu.ethertype.to_be_bytes());
    frame.extend_from_slice(msdu.payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_off_header_is_refused_at_every_length() {
        let mut frame = Vec::new();
        let msdu = Msdu {
            destination: [1; 6],
            source: [2; 6],
            tid: 5,
            ethertype: 0x0800,
            payload: &[],
        };
        append_downlink(&mut frame, [3; 6], &msdu, true, false);
        for len in 0..26 {
            assert!(Mpdu::parse(&frame[..len]).is_none());
        }
        let mpdu = Mpdu::parse(&frame).unwrap();
        assert_eq!(mpdu.tid(), 5);
        assert_eq!(mpdu.transmitter(), [3; 6]);
        assert_eq!(mpdu.address3(), [2; 6]);
        assert_eq!(split_snap(mpdu.body()), Some((0x0800, &[][..])));
    }

    #[test]
    fn a_ps_poll_has_an_association_id_and_no_sequence_number() {
        let frame = [0xA4, 0x10, 0x05, 0xC0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2];
        let mpdu = Mpdu::parse(&frame).unwrap();
        assert_eq!(mpdu.association_id(), 5);
        assert_eq!(mpdu.sequence(), 0);
        assert!(mpdu.has(POWER_MANAGEMENT));
    }

    #[test]
    fn the_sequence_number_is_written_above_the_fragment_number() {
        let mut frame = management(kind::BEACON, [0xFF; 6], [2; 6], [2; 6]);
        set_sequence(&mut frame, 0xABC);
        let mpdu = Mpdu::parse(&frame).unwrap();
        assert_eq!((mpdu.sequence(), mpdu.fragment()), (0xABC, 0));
    }
}
