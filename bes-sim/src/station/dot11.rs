//! 802.11 frames as a station's stack builds and reads them.

use bes_mac80211::types::{Band, MacAddress};
use bes_wsm::wire::RateMask;

/// LLC/SNAP header in front of an EtherType.
const SNAP: [u8; 6] = [0xAA, 0xAA, 0x03, 0, 0, 0];

/// EtherType of EAPOL.
pub const ETHERTYPE_EAPOL: u16 = 0x888E;

/// RSN element of a WPA2-PSK station: CCMP for group and pairwise, PSK.
pub const RSN_PSK_CCMP: [u8; 22] = [
    0x30, 20, 1, 0, 0x00, 0x0F, 0xAC, 4, 1, 0, 0x00, 0x0F, 0xAC, 4, 1, 0, 0x00, 0x0F, 0xAC, 2, 0, 0,
];

/// What a station knows of a network before it joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bss {
    /// Network name.
    pub ssid: Vec<u8>,
    /// Address of the access point.
    pub bssid: MacAddress,
    /// Channel number.
    pub channel: u8,
    /// Signal of the last beacon or probe response.
    pub signal_dbm: Option<i8>,
    /// Beacon interval in TU.
    pub beacon_interval: u16,
    /// Capability information.
    pub capability: u16,
    /// DTIM period, if a TIM was seen.
    pub dtim_period: Option<u8>,
    /// RSN element content, if there is one.
    pub rsn: Option<Vec<u8>>,
    /// Whether it does 802.11n.
    pub ht: bool,
    /// Whether it does 40 MHz, and whether the second channel is above.
    pub secondary_above: Option<bool>,
    /// Whether it does WMM.
    pub wmm: bool,
}

/// Frame type and subtype bits of the first frame control byte.
pub mod subtype {
    /// Association request.
    pub const ASSOC_REQUEST: u8 = 0x00;
    /// Association response.
    pub const ASSOC_RESPONSE: u8 = 0x10;
    /// Reassociation request.
    pub const REASSOC_REQUEST: u8 = 0x20;
    /// Reassociation response.
    pub const REASSOC_RESPONSE: u8 = 0x30;
    /// Probe response.
    pub const PROBE_RESPONSE: u8 = 0x50;
    /// Beacon.
    pub const BEACON: u8 = 0x80;
    /// Disassociation.
    pub const DISASSOC: u8 = 0xA0;
    /// Authentication.
    pub const AUTH: u8 = 0xB0;
    /// Deauthentication.
    pub const DEAUTH: u8 = 0xC0;
    /// Data.
    pub const DATA: u8 = 0x08;
    /// QoS data.
    pub const QOS_DATA: u8 = 0x88;
}

fn management(subtype: u8, bssid: MacAddress, own: MacAddress) -> Vec<u8> {
    let mut frame = vec![subtype, 0, 0, 0];
    frame.extend(bssid.0);
    frame.extend(own.0);
    frame.extend(bssid.0);
    frame.extend([0, 0]);
    frame
}

/// Open-system authentication request.
pub fn authentication(bssid: MacAddress, own: MacAddress) -> Vec<u8> {
    let mut frame = management(subtype::AUTH, bssid, own);
    frame.extend([0, 0, 1, 0, 0, 0]);
    frame
}

/// Association request with the rates of the band, HT and WMM if the network has them; a reassociation request if the
/// station comes from an access point of the network. `uapsd`: QoS information of the station, whose low four bits are the
/// categories that it wants delivered in service periods: voice, video, background, best effort.
pub fn association_request(
    bss: &Bss,
    own: MacAddress,
    from: Option<MacAddress>,
    uapsd: u8,
) -> Vec<u8> {
    let kind = match from {
        None => subtype::ASSOC_REQUEST,
        Some(_) => subtype::REASSOC_REQUEST,
    };
    let mut frame = management(kind, bss.bssid, own);
    let privacy = bss.capability & 0x0010;
    frame.extend((0x0401 | privacy).to_le_bytes());
    frame.extend(3_u16.to_le_bytes());
    if let Some(from) = from {
        frame.extend(from.0);
    }
    frame.extend([0, bss.ssid.len() as u8]);
    frame.extend(&bss.ssid);
    if bss.channel <= 14 {
        frame.extend([1, 8, 0x82, 0x84, 0x8B, 0x96, 0x0C, 0x12, 0x18, 0x24]);
        frame.extend([50, 4, 0x30, 0x48, 0x60, 0x6C]);
    } else {
        frame.extend([1, 8, 0x8C, 0x12, 0x98, 0x24, 0xB0, 0x48, 0x60, 0x6C]);
    }
    if bss.rsn.is_some() {
        frame.extend(RSN_PSK_CCMP);
    }
    if bss.ht {
        let cap: u16 = 0x087E;
        frame.extend([45, 26]);
        frame.extend(cap.to_le_bytes());
        frame.push(0x02);
        frame.extend([0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        frame.extend([0; 7]);
    }
    if bss.wmm {
        frame.extend([221, 7, 0x00, 0x50, 0xF2, 2, 0, 1, uapsd]);
    }
    frame
}

/// Rates that every member of a network without other knowledge can do: 1, 2 and 5.5 Mbit/s, or 6 Mbit/s.
pub const fn basic_rates(band: Band) -> RateMask {
    match band {
        Band::TwoPointFourGhz => RateMask(0x07),
        Band::FiveGhz => RateMask(0x40),
    }
}

/// Every legacy rate of a band.
pub const fn legacy_rates(band: Band) -> RateMask {
    match band {
        Band::TwoPointFourGhz => RateMask::LEGACY_2G4,
        Band::FiveGhz => RateMask::LEGACY_5G,
    }
}

/// Deauthentication with a reason.
pub fn deauthentication(bssid: MacAddress, own: MacAddress, reason: u16) -> Vec<u8> {
    let mut frame = management(subtype::DEAUTH, bssid, own);
    frame.extend(reason.to_le_bytes());
    frame
}

/// A data frame to the access point.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    /// Access point.
    pub bssid: MacAddress,
    /// Own address.
    pub own: MacAddress,
    /// Final destination.
    pub destination: MacAddress,
    /// TID of a QoS frame.
    pub tid: Option<u8>,
    /// Sequence number, 0 to 4095.
    pub sequence: u16,
    /// Protected, with a hole of this many bytes for the cipher header.
    pub protected: Option<usize>,
    /// EtherType of the payload.
    pub ethertype: u16,
    /// Payload behind the EtherType.
    pub payload: &'a [u8],
}

/// Builds a data frame into a cleared buffer.
pub fn data_into(frame: &mut Vec<u8>, data: &Data<'_>) {
    frame.clear();
    let kind = if data.tid.is_some() {
        subtype::QOS_DATA
    } else {
        subtype::DATA
    };
    let protected = if data.protected.is_some() { 0x40 } else { 0 };
    frame.extend([kind, 0x01 | protected, 0, 0]);
    frame.extend(data.bssid.0);
    frame.extend(data.own.0);
    frame.extend(data.destination.0);
    frame.extend((data.sequence << 4).to_le_bytes());
    if let Some(tid) = data.tid {
        frame.extend([tid, 0]);
    }
    frame.resize(frame.len() + data.protected.unwrap_or(0), 0);
    frame.extend(SNAP);
    frame.extend(data.ethertype.to_be_bytes());
    frame.extend(data.payload);
}

/// Reads a beacon or probe response.
pub fn parse_bss(frame: &[u8], channel: u8, signal_dbm: Option<i8>) -> Option<Bss> {
    let fixed = frame.get(24..36)?;
    let mut bss = Bss {
        ssid: Vec::new(),
        bssid: MacAddress(frame.get(16..22)?.try_into().ok()?),
        channel,
        signal_dbm,
        beacon_interval: u16::from_le_bytes([fixed[8], fixed[9]]),
        capability: u16::from_le_bytes([fixed[10], fixed[11]]),
        dtim_period: None,
        rsn: None,
        ht: false,
        secondary_above: None,
        wmm: false,
    };
    for (id, body) in elements(frame.get(36..)?) {
        match (id, body) {
            (0, ssid) if ssid.len() <= 32 => bss.ssid = ssid.to_vec(),
            (3, [number]) => bss.channel = *number,
            (5, [_, period, ..]) => bss.dtim_period = Some(*period),
            (45, _) => bss.ht = true,
            (48, rsn) => bss.rsn = Some(rsn.to_vec()),
            (61, [_, parameters, ..]) => {
                bss.secondary_above = match parameters & 3 {
                    1 => Some(true),
                    3 => Some(false),
                    _ => None,
                };
            }
            (221, [0x00, 0x50, 0xF2, 2, ..]) => bss.wmm = true,
            _ => {}
        }
    }
    Some(bss)
}

/// The channel switch that a beacon or probe response announces: channel, beacons until then, and whether the second half
/// of a wide channel will be above.
pub fn parse_channel_switch(frame: &[u8]) -> Option<(u8, u8, Option<bool>)> {
    let mut announced = None;
    let mut above = None;
    for (id, body) in elements(frame.get(36..)?) {
        match (id, body) {
            (37, &[_, channel, count]) => announced = Some((channel, count)),
            (62, &[1]) => above = Some(true),
            (62, &[3]) => above = Some(false),
            _ => {}
        }
    }
    let (channel, count) = announced?;
    Some((channel, count, above))
}

/// Elements of a management frame's body, as far as they are whole.
pub fn elements(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&[id, len], rest) = bytes.split_first_chunk::<2>()?;
        let body = rest.get(..usize::from(len))?;
        bytes = &rest[usize::from(len)..];
        Some((id, body))
    })
}

/// A received data frame taken apart: source, EtherType, payload.
pub fn parse_data(frame: &[u8], cipher_stripped: bool) -> Option<(MacAddress, u16, &[u8])> {
    let control = *frame.first()?;
    if control & 0x0C != 0x08 || control & 0x40 != 0 {
        return None;
    }
    let mut header = 24;
    if control & 0x80 != 0 {
        header += 2;
    }
    if frame.get(1)? & 0x40 != 0 && !cipher_stripped {
        return None;
    }
    // From the distribution system: address 3 is the source.
    let source = MacAddress(frame.get(16..22)?.try_into().ok()?);
    let body = frame.get(header..)?;
    if body.get(..6)? != SNAP {
        return None;
    }
    let ethertype = u16::from_be_bytes([*body.get(6)?, *body.get(7)?]);
    Some((source, ethertype, &body[8..]))
}
