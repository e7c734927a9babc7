//! Information elements: the bodies of beacons, probe and association responses, and reading them (IEEE 802.11-2016,
//! section 9.4.2).

use super::{Band, Channel, Width};

/// Element ids.
pub mod id {
    /// SSID.
    pub const SSID: u8 = 0;
    /// Supported rates.
    pub const RATES: u8 = 1;
    /// DSSS parameter set: the channel.
    pub const DS: u8 = 3;
    /// Traffic indication map.
    pub const TIM: u8 = 5;
    /// BSS load.
    pub const BSS_LOAD: u8 = 11;
    /// Channel switch announcement.
    pub const CHANNEL_SWITCH: u8 = 37;
    /// ERP information.
    pub const ERP: u8 = 42;
    /// HT capabilities.
    pub const HT_CAPABILITIES: u8 = 45;
    /// Robust security network.
    pub const RSN: u8 = 48;
    /// Extended supported rates.
    pub const EXTENDED_RATES: u8 = 50;
    /// HT operation.
    pub const HT_OPERATION: u8 = 61;
    /// Secondary channel offset, beside a channel switch announcement.
    pub const SECONDARY_CHANNEL_OFFSET: u8 = 62;
    /// Country.
    pub const COUNTRY: u8 = 7;
    /// Extended capabilities.
    pub const EXTENDED_CAPABILITIES: u8 = 127;
    /// Vendor specific.
    pub const VENDOR: u8 = 221;
}

/// The elements in a body, one after the other. Ends at the first that is cut off.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// The elements in `body`, which starts with the first one.
    pub const fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    /// The content of the first element with this id.
    pub fn content(self, id: u8) -> Option<&'a [u8]> {
        self.into_iter()
            .find(|&(found, _)| found == id)
            .map(|(_, content)| content)
    }

    /// The content behind OUI and type of the first vendor element that starts with `prefix`.
    pub fn find_vendor(self, prefix: &[u8]) -> Option<&'a [u8]> {
        self.filter(|&(found, _)| found == id::VENDOR)
            .find_map(|(_, content)| content.strip_prefix(prefix))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (header, rest) = self.0.split_at_checked(2)?;
        let (content, rest) = rest.split_at_checked(usize::from(header[1]))?;
        self.0 = rest;
        Some((header[0], content))
    }
}

/// OUI and type of the WMM element.
pub const WMM: [u8; 4] = [0x00, 0x50, 0xF2, 0x02];

/// Capability bit: infrastructure BSS.
pub const CAPABILITY_ESS: u16 = 0x0001;
/// Capability bit: frames are encrypted.
pub const CAPABILITY_PRIVACY: u16 = 0x0010;
/// Capability bit: short preambles allowed.
pub const CAPABILITY_SHORT_PREAMBLE: u16 = 0x0020;
/// Capability bit: short slots.
pub const CAPABILITY_SHORT_SLOT: u16 = 0x0400;

/// What an access point tells about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Network name.
    pub ssid: Vec<u8>,
    /// Channel and width.
    pub channel: Channel,
    /// It offers 802.11n.
    pub ht: bool,
    /// It offers WMM.
    pub wmm: bool,
    /// It offers unscheduled automatic power-save delivery.
    pub uapsd: bool,
    /// It demands RSN with CCMP and a pre-shared key.
    pub rsn: bool,
    /// Data is encrypted, by whatever cipher.
    pub privacy: bool,
    /// The country it says it is in.
    pub country: Option<Country>,
}

/// A country element (IEEE 802.11-2016, section 9.4.2.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Country {
    /// ISO 3166-1 code and environment: `b"DE "` is any environment in Germany.
    pub code: [u8; 3],
    /// First channel, number of channels, highest power in dBm.
    pub ranges: Vec<(u8, u8, u8)>,
}

impl Country {
    /// One range of 20 MHz channels.
    pub fn new(code: [u8; 2], first: u8, count: u8, dbm: u8) -> Self {
        Self {
            code: [code[0], code[1], b' '],
            ranges: vec![(first, count, dbm)],
        }
    }

    fn append(&self, body: &mut Vec<u8>) {
        let mut content = self.code.to_vec();
        for &(first, count, dbm) in &self.ranges {
            content.extend_from_slice(&[first, count, dbm]);
        }
        // An even number of octets.
        if content.len() % 2 == 1 {
            content.push(0);
        }
        append(body, id::COUNTRY, &content);
    }
}

impl Description {
    /// The capability field.
    pub fn capabilities(&self) -> u16 {
        let privacy = if self.privacy { CAPABILITY_PRIVACY } else { 0 };
        let erp = match self.channel.band {
            Band::Ghz2_4 => CAPABILITY_SHORT_PREAMBLE | CAPABILITY_SHORT_SLOT,
            Band::Ghz5 => 0,
        };
        CAPABILITY_ESS | privacy | erp
    }

    /// Appends the elements of a beacon in front of the TIM. `hidden`: an empty SSID.
    pub fn append_before_tim(&self, body: &mut Vec<u8>, hidden: bool) {
        append(body, id::SSID, if hidden { &[] } else { &self.ssid });
        self.append_rates(body);
        append(body, id::DS, &[self.channel.number]);
    }

    /// Appends the elements of a beacon behind the TIM.
    pub fn append_after_tim(&self, body: &mut Vec<u8>) {
        if let Some(country) = &self.country {
            country.append(body);
        }
        if self.channel.band == Band::Ghz2_4 {
            append(body, id::ERP, &[0]);
        }
        self.append_extended_rates(body);
        if self.rsn {
            append(body, id::RSN, &RSN_CCMP_PSK);
        }
        self.append_ht_and_wmm(body);
    }

    /// Appends the elements of an association response.
    pub fn append_association(&self, body: &mut Vec<u8>) {
        self.append_rates(body);
        self.append_extended_rates(body);
        self.append_ht_and_wmm(body);
    }

    fn append_rates(&self, body: &mut Vec<u8>) {
        let rates: [u8; 8] = match self.channel.band {
            // 1, 2, 5.5 and 11 Mbit/s are basic; 6, 9, 12 and 18 are supported.
            Band::Ghz2_4 => [0x82, 0x84, 0x8B, 0x96, 0x0C, 0x12, 0x18, 0x24],
            // 6, 12 and 24 Mbit/s are basic.
            Band::Ghz5 => [0x8C, 0x12, 0x98, 0x24, 0xB0, 0x48, 0x60, 0x6C],
        };
        append(body, id::RATES, &rates);
    }

    fn append_extended_rates(&self, body: &mut Vec<u8>) {
        if self.channel.band == Band::Ghz2_4 {
            append(body, id::EXTENDED_RATES, &[0x30, 0x48, 0x60, 0x6C]);
        }
    }

    fn append_ht_and_wmm(&self, body: &mut Vec<u8>) {
        if self.ht {
            append(body, id::HT_CAPABILITIES, &ht_capabilities(self.channel));
            append(body, id::HT_OPERATION, &ht_operation(self.channel));
            append(
                body,
                id::EXTENDED_CAPABILITIES,
                &[0x04, 0, 0, 0x02, 0, 0, 0, 0x40],
            );
        }
        if self.wmm {
            let mut content = [0; 24];
            content[..4].copy_from_slice(&WMM);
            // Parameter element, version 1.
            content[4..6].copy_from_slice(&[1, 1]);
            content[6] = if self.uapsd { 0x81 } else { 0x01 };
            // Best effort, background, video, voice: AIFSN and ACI, contention window, limit of a burst.
            content[8..].copy_from_slice(&[
                0x03, 0xA4, 0, 0, 0x27, 0xA4, 0, 0, 0x42, 0x43, 0x5E, 0, 0x62, 0x32, 0x2F, 0,
            ]);
            append(body, id::VENDOR, &content);
        }
    }
}

/// RSN element content: version 1, group and pairwise cipher CCMP, key management by pre-shared key.
pub const RSN_CCMP_PSK: [u8; 20] = [
    1, 0, 0x00, 0x0F, 0xAC, 4, 1, 0, 0x00, 0x0F, 0xAC, 4, 1, 0, 0x00, 0x0F, 0xAC, 2, 0, 0,
];

/// Appends one element. Content beyond 255 octets is cut off.
pub fn append(body: &mut Vec<u8>, id: u8, content: &[u8]) {
    let content = &content[..content.len().min(255)];
    body.extend_from_slice(&[id, content.len() as u8]);
    body.extend_from_slice(content);
}

/// Whether an RSN element demands exactly what [`RSN_CCMP_PSK`] offers: CCMP for both and the pre-shared key.
pub fn is_ccmp_psk(rsn: &[u8]) -> bool {
    rsn.get(..18) == RSN_CCMP_PSK.get(..18)
}

fn ht_capabilities(channel: Channel) -> [u8; 26] {
    let mut content = [0; 26];
    // Short guard interval at 20 MHz, spatial multiplexing power save off; with 40 MHz: both widths, short guard too.
    let info: u16 = match channel.width {
        Width::Ht20 => 0x002C,
        Width::Ht40 => 0x006E,
    };
    content[..2].copy_from_slice(&info.to_le_bytes());
    // A-MPDUs of up to 64 KiB, no minimum spacing.
    content[2] = 0x03;
    content[3] = 0xFF;
    content
}

fn ht_operation(channel: Channel) -> [u8; 22] {
    let mut content = [0; 22];
    content[0] = channel.number;
    content[1] = match channel.width {
        Width::Ht20 => 0,
        Width::Ht40 if secondary_above(channel) => 0x05,
        Width::Ht40 => 0x07,
    };
    content
}

/// Whether the secondary channel of a 40 MHz channel is the one above: in 5 GHz the lower of each pair has it there,
/// in 2.4 GHz the channels up to 7.
pub fn secondary_above(channel: Channel) -> bool {
    match channel.band {
        Band::Ghz2_4 => channel.number <= 7,
        Band::Ghz5 => {
            let first = if channel.number < 149 { 36 } else { 149 };
            channel.number.saturating_sub(first) % 8 == 0
        }
    }
}

/// What a station's HT capabilities say about receiving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HtPeer {
    /// It receives 40 MHz.
    pub wide: bool,
    /// It receives short guard intervals at 20 MHz.
    pub short_gi_20: bool,
    /// It receives short guard intervals at 40 MHz.
    pub short_gi_40: bool,
    /// Longest A-MPDU it receives, in octets.
    pub ampdu_octets: usize,
    /// Highest MCS it receives, 0 to 7.
    pub mcs: u8,
}

impl HtPeer {
    /// Reads the content of an HT capabilities element. `None` if it is too short or offers no MCS of one stream.
    pub fn parse(content: &[u8]) -> Option<Self> {
        let info = u16::from_le_bytes([*content.first()?, *content.get(1)?]);
        let parameters = *content.get(2)?;
        let mask = *content.get(3)?;
        if content.len() < 26 || mask == 0 {
            return None;
        }
        Some(Self {
            wide: info & 0x0002 != 0,
            short_gi_20: info & 0x0020 != 0,
            short_gi_40: info & 0x0040 != 0,
            ampdu_octets: (1 << (13 + (parameters & 3))) - 1,
            mcs: (7 - mask.leading_zeros()) as u8,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description() -> Description {
        Description {
            ssid: b"net".to_vec(),
            channel: Channel::ht20(6),
            ht: true,
            wmm: true,
            uapsd: false,
            rsn: true,
            privacy: true,
            country: None,
        }
    }

    #[test]
    fn what_is_appended_is_found_again() {
        let mut body = Vec::new();
        description().append_before_tim(&mut body, false);
        description().append_after_tim(&mut body);
        let elements = Elements::new(&body);
        assert_eq!(elements.content(id::SSID), Some(&b"net"[..]));
        assert_eq!(elements.content(id::DS), Some(&[6][..]));
        assert!(is_ccmp_psk(elements.content(id::RSN).unwrap()));
        assert_eq!(elements.find_vendor(&WMM).unwrap().len(), 20);
        let ht = HtPeer::parse(elements.content(id::HT_CAPABILITIES).unwrap()).unwrap();
        assert_eq!((ht.wide, ht.short_gi_20, ht.mcs), (false, true, 7));
        assert_eq!(ht.ampdu_octets, 65535);
        assert_eq!(elements.content(id::TIM), None);
    }

    #[test]
    fn a_cut_off_element_ends_the_walk() {
        let body = [id::SSID, 1, b'x', id::DS, 2, 1];
        let found: Vec<_> = Elements::new(&body).collect();
        assert_eq!(found, [(id::SSID, &b"x"[..])]);
    }

    #[test]
    fn a_hidden_network_keeps_its_name_to_itself() {
        let mut body = Vec::new();
        description().append_before_tim(&mut body, true);
        assert_eq!(Elements::new(&body).content(id::SSID), Some(&[][..]));
    }

    #[test]
    fn secondary_channels_lie_where_the_regulations_put_them() {
        let above = [36, 44, 52, 60, 100, 149, 157];
        let below = [40, 48, 56, 64, 104, 153, 161];
        assert!(above
            .iter()
            .all(|&number| secondary_above(Channel::ht40(number))));
        assert!(!below
            .iter()
            .any(|&number| secondary_above(Channel::ht40(number))));
    }
}
