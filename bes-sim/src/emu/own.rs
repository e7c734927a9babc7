//! The emulator's own network: an access point of [`mock_hal::air`] inside this process instead of the kernel's radios.
//!
//! It needs no `mac80211_hwsim` and no second network stack, and it is not suspended with the machine: the card sees an
//! access point that stays where it is while its host sleeps. Every card has an air of its own.
//!
//! Behind the access point stands one host, [`ADDRESS`], which answers ARP and ICMP echo requests and takes whatever else
//! comes.

use anyhow::{bail, Result};
use bes_hal::time::Instant;
use mock_hal::air::{Air, ApConfig, Channel, Downlink, Endpoint, Msdu};

/// The host behind the access point.
pub const ADDRESS: [u8; 4] = [10, 0, 0, 1];
/// Ethernet address of that host.
const HARDWARE: [u8; 6] = [0x02, 0xA1, 0x12, 0, 1, 1];

const ARP: u16 = 0x0806;
const IPV4: u16 = 0x0800;
const ICMP: u8 = 1;
const ECHO_REQUEST: u8 = 8;

/// What the network is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name.
    pub ssid: String,
    /// WPA2 with this passphrase; `None`: open.
    pub passphrase: Option<String>,
    /// Primary channel. With 40 MHz where there is room above it.
    pub channel: u8,
}

impl Network {
    /// The access point.
    ///
    /// # Errors
    ///
    /// One sentence about what such a network cannot have.
    pub fn access_point(&self, signal_dbm: i8) -> Result<ApConfig> {
        if !(1..=32).contains(&self.ssid.len()) {
            bail!("a network's name has 1 to 32 octets");
        }
        let channel = match self.channel {
            number @ 1..=14 => Channel::ht20(number),
            // The lower channel of a pair carries 40 MHz as well.
            number @ (36 | 44 | 149 | 157) => Channel::ht40(number),
            number @ (40 | 48 | 153 | 161 | 165) => Channel::ht20(number),
            number => bail!("no network on channel {number}"),
        };
        let config = match &self.passphrase {
            Some(passphrase) if !(8..=63).contains(&passphrase.len()) => {
                bail!("a passphrase has 8 to 63 characters")
            }
            Some(passphrase) => ApConfig::wpa2(&self.ssid, channel, passphrase),
            None => ApConfig::open(&self.ssid, channel),
        };
        Ok(ApConfig {
            signal_dbm,
            ipv4: ADDRESS,
            ..config
        })
    }
}

/// An air with this access point and its host in it.
pub fn air(access_point: ApConfig, seed: u64, limited: bool) -> Air {
    let mut air = Air::new(seed);
    air.set_unlimited(!limited);
    let id = air.add_access_point(access_point);
    air.access_point_mut(id).set_endpoint(Host);
    air
}

/// The host behind the access point.
#[derive(Clone, Copy, Debug)]
struct Host;

impl Endpoint for Host {
    fn receive(&mut self, msdu: &Msdu<'_>, _at: Instant, downlink: &mut Downlink) {
        let answer = match msdu.ethertype {
            ARP => arp(msdu.payload),
            IPV4 => echo(msdu.payload),
            _ => None,
        };
        if let Some(payload) = answer {
            downlink.send(&Msdu {
                destination: msdu.source,
                source: HARDWARE,
                payload: &payload,
                ..*msdu
            });
        }
    }
}

/// The answer to an ARP request for the host.
fn arp(request: &[u8]) -> Option<Vec<u8>> {
    let request: &[u8; 28] = request.first_chunk()?;
    // Ethernet, IPv4, addresses of 6 and 4 bytes, a request, for the host.
    let (head, rest) = request.split_at(8);
    if head != [0, 1, 8, 0, 6, 4, 0, 1] || rest[16..20] != ADDRESS {
        return None;
    }
    let mut answer = vec![0, 1, 8, 0, 6, 4, 0, 2];
    answer.extend_from_slice(&HARDWARE);
    answer.extend_from_slice(&ADDRESS);
    answer.extend_from_slice(&rest[..10]);
    Some(answer)
}

/// The answer to an ICMP echo request.
fn echo(packet: &[u8]) -> Option<Vec<u8>> {
    let header = usize::from(packet.first()? & 0xF) * 4;
    let total = usize::from(u16::from_be_bytes(packet.get(2..4)?.try_into().ok()?));
    let packet = packet.get(..total)?;
    let (ip, icmp) = packet.split_at_checked(header)?;
    let whole = packet[0] >> 4 == 4 && header >= 20 && ip[6] & 0x3F == 0 && ip[7] == 0;
    if !whole || ip[9] != ICMP || ip[16..20] != ADDRESS || *icmp.first()? != ECHO_REQUEST {
        return None;
    }
    let mut answer = packet.to_vec();
    answer[12..16].copy_from_slice(&ip[16..20]);
    answer[16..20].copy_from_slice(&ip[12..16]);
    // The sum of the header stays: the addresses changed their places only.
    let icmp = &mut answer[header..];
    icmp[0] = 0;
    let sum = checksum(icmp.get(4..)?);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    Some(answer)
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATION: [u8; 6] = [2, 0, 0, 0, 0, 7];

    fn network(ssid: &str, passphrase: Option<&str>, channel: u8) -> Network {
        Network {
            ssid: ssid.into(),
            passphrase: passphrase.map(str::to_owned),
            channel,
        }
    }

    #[test]
    fn a_network_that_cannot_be_is_refused_in_a_sentence() {
        for (wrong, sentence) in [
            (network("", None, 6), "1 to 32"),
            (network("x", Some("short"), 6), "8 to 63"),
            (network("x", None, 35), "channel 35"),
        ] {
            let error = wrong.access_point(-45).unwrap_err();
            assert!(error.to_string().contains(sentence), "{error}");
        }
        let good = network("x", Some("long enough"), 36).access_point(-60);
        assert_eq!(good.unwrap().channel, Channel::ht40(36));
    }

    #[test]
    fn an_arp_request_for_the_host_is_answered() {
        let mut request = vec![0, 1, 8, 0, 6, 4, 0, 1];
        request.extend_from_slice(&STATION);
        request.extend_from_slice(&[10, 0, 0, 2]);
        request.extend_from_slice(&[0; 6]);
        request.extend_from_slice(&ADDRESS);
        let answer = arp(&request).unwrap();
        assert_eq!(answer[6..8], [0, 2]);
        assert_eq!(answer[8..18], [2, 0xA1, 0x12, 0, 1, 1, 10, 0, 0, 1]);
        assert_eq!(answer[18..28], [2, 0, 0, 0, 0, 7, 10, 0, 0, 2]);
        request[27] = 9;
        assert_eq!(arp(&request), None);
        assert_eq!(arp(&request[..27]), None);
    }

    /// An echo request as `ping` sends it, with its sums.
    fn ping() -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 32, 0x12, 0x34, 0x40, 0, 64, 1, 0, 0];
        packet.extend_from_slice(&[10, 0, 0, 2, 10, 0, 0, 1]);
        let sum = checksum(&packet).to_be_bytes();
        packet[10..12].copy_from_slice(&sum);
        packet.extend_from_slice(&[8, 0, 0, 0, 0, 1, 0, 2, 0xAA, 0xBB, 0xCC, 0xDD]);
        let sum = checksum(&packet[20..]).to_be_bytes();
        packet[22..24].copy_from_slice(&sum);
        packet
    }

    #[test]
    fn an_echo_request_is_answered_with_sums_that_are_right() {
        let answer = echo(&ping()).unwrap();
        assert_eq!(answer[12..20], [10, 0, 0, 1, 10, 0, 0, 2]);
        assert_eq!(answer[20], 0);
        assert_eq!(answer[24..], ping()[24..]);
        assert_eq!(checksum(&answer[..20]), 0);
        assert_eq!(checksum(&answer[20..]), 0);
    }

    #[test]
    fn what_is_cut_or_for_somebody_else_is_not_answered() {
        let packet = ping();
        for len in 0..packet.len() {
            assert_eq!(echo(&packet[..len]), None, "{len}");
        }
        let mut other = packet.clone();
        other[19] = 9;
        assert_eq!(echo(&other), None);
        let mut fragment = packet;
        fragment[6] = 0x20;
        assert_eq!(echo(&fragment), None);
    }
}
