//! A medium that follows a script, and a host that speaks raw WSM: what the tests of the firmware are written with.

use super::{Lmac, LmacConfig, Medium};
use crate::air::{Channel, Exchange, Heard, Outcome, PhyRate};
use crate::chip::wire::{u16_at, u32_at};
use crate::chip::Firmware;
use bes_hal::time::Instant;
use core::time::Duration;
use std::collections::VecDeque;

/// The access point of the tests.
pub(crate) const AP: [u8; 6] = [0x00, 0x1A, 0x2B, 0x3C, 0x4D, 0x5E];
/// The station.
pub(crate) const STA: [u8; 6] = [0x02, 0x11, 0x22, 0x33, 0x44, 0x55];

/// One exchange as it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) channel: Option<Channel>,
    pub(crate) rate: PhyRate,
    pub(crate) frames: Vec<Vec<u8>>,
}

/// The medium: everything is acknowledged unless the script says otherwise.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) sent: Vec<Sent>,
    pub(crate) tuned: Vec<(Instant, Option<Channel>)>,
    pub(crate) airtime: Duration,
    /// Acknowledgement maps of the next exchanges.
    pub(crate) acks: VecDeque<u64>,
    /// Nothing is acknowledged.
    pub(crate) deaf: bool,
    pub(crate) heard: VecDeque<Heard>,
    pub(crate) agreements: Vec<([u8; 6], u8, bool, u8)>,
    pub(crate) station: [u8; 6],
    pub(crate) room: usize,
    now: Instant,
    busy: Instant,
}

impl Script {
    /// Lets a frame be heard at a time.
    pub(crate) fn hear(&mut self, at: Instant, channel: u8, frame: Vec<u8>) {
        let heard = Heard {
            frame,
            at,
            channel,
            rate: PhyRate::Ofdm(6),
            signal_dbm: -50,
            ampdu: false,
            first_of_ampdu: false,
            last_of_ampdu: false,
        };
        let index = self.heard.partition_point(|other| other.at <= at);
        self.heard.insert(index, heard);
    }

    /// Every frame that was sent, in order.
    pub(crate) fn frames(&self) -> Vec<&[u8]> {
        self.sent
            .iter()
            .flat_map(|sent| sent.frames.iter().map(Vec::as_slice))
            .collect()
    }
}

impl Medium for Script {
    fn set_station_address(&mut self, address: [u8; 6]) {
        self.station = address;
    }

    fn tune(&mut self, channel: Option<Channel>, now: Instant) {
        self.tuned.push((now, channel));
    }

    fn exchange(&mut self, exchange: &Exchange<'_>, now: Instant) -> Outcome {
        self.sent.push(Sent {
            channel: self.tuned.last().and_then(|(_, channel)| *channel),
            rate: exchange.rate,
            frames: exchange.frames.iter().map(|frame| frame.to_vec()).collect(),
        });
        self.busy = now.after(self.airtime);
        let acked = if self.deaf {
            0
        } else {
            self.acks.pop_front().unwrap_or(u64::MAX)
        };
        Outcome {
            airtime: self.airtime,
            acked,
        }
    }

    fn busy_until(&self) -> Instant {
        self.busy
    }

    fn set_receive_room(&mut self, frames: usize) -> bool {
        self.room = frames;
        true
    }

    fn set_block_ack(&mut self, peer: [u8; 6], tid: u8, from_station: bool, window: u8) {
        self.agreements.push((peer, tid, from_station, window));
    }

    fn next_event(&self) -> Option<Instant> {
        self.heard.front().map(|heard| heard.at)
    }

    fn advance(&mut self, now: Instant) {
        self.now = now;
    }

    fn pop_heard(&mut self) -> Option<Heard> {
        if self.heard.front()?.at <= self.now {
            self.heard.pop_front()
        } else {
            None
        }
    }
}

/// A host without any driver.
pub(crate) struct Host {
    pub(crate) lmac: Lmac<Script>,
    pub(crate) now: Instant,
    sequence: [u8; 2],
    /// Every message from the chip, with its time.
    pub(crate) received: Vec<(Instant, Vec<u8>)>,
}

impl Host {
    /// A started firmware whose startup indication was taken.
    pub(crate) fn new(config: LmacConfig) -> Self {
        let mut host = Self {
            lmac: Lmac::new(config, Script::default()),
            now: Instant::from_millis(1),
            sequence: [0; 2],
            received: Vec::new(),
        };
        host.lmac.start(host.now);
        host.run(Duration::from_millis(10));
        host
    }

    /// With the default settings.
    pub(crate) fn started() -> Self {
        Self::new(LmacConfig::default())
    }

    /// Runs for a time and takes every message.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now.after(time);
        loop {
            while let Some(message) = self.lmac.next_message() {
                self.received.push((self.now, message));
            }
            match self.lmac.next_event() {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    self.lmac.advance(self.now);
                }
                _ => break,
            }
        }
        self.now = end;
    }

    /// A message with header, ready to be sent.
    pub(crate) fn message(&mut self, id: u16, interface: u8, payload: &[u8]) -> Vec<u8> {
        let class = usize::from(id & 0x0C00 == 0x0C00);
        let sequence = u16::from(self.sequence[class]);
        self.sequence[class] = (self.sequence[class] + 1) & 7;
        let id = id | u16::from(interface) << 6 | sequence << 13;
        let len = u16::try_from(payload.len() + 4).unwrap();
        let mut message = len.to_le_bytes().to_vec();
        message.extend_from_slice(&id.to_le_bytes());
        message.extend_from_slice(payload);
        message
    }

    /// Sends a request.
    pub(crate) fn post(&mut self, id: u16, interface: u8, payload: &[u8]) {
        let message = self.message(id, interface, payload);
        self.lmac.request(&message, self.now);
    }

    /// Sends a command and gives its confirmation.
    pub(crate) fn command(&mut self, id: u16, interface: u8, payload: &[u8]) -> Vec<u8> {
        let seen = self.received.len();
        self.post(id, interface, payload);
        let wanted = if id & 0x0C00 == 0 { id | 0x0400 } else { id };
        for _ in 0..2000 {
            let found = self.received[seen..]
                .iter()
                .find(|(_, message)| identity(message) == wanted);
            if let Some((_, message)) = found {
                return message.clone();
            }
            self.run(Duration::from_millis(1));
        }
        panic!("no confirmation of {id:#06x}");
    }

    /// Sends a command and gives the status of its confirmation.
    pub(crate) fn status(&mut self, id: u16, interface: u8, payload: &[u8]) -> u32 {
        u32_at(&self.command(id, interface, payload), 4)
    }

    /// Writes a MIB and gives the status.
    pub(crate) fn write_mib(&mut self, interface: u8, mib: u16, data: &[u8]) -> u32 {
        let len = u16::try_from(data.len()).unwrap();
        let payload = [&mib.to_le_bytes(), &len.to_le_bytes(), data].concat();
        self.status(0x0006, interface, &payload)
    }

    /// Every received message with this identity.
    pub(crate) fn all(&self, wanted: u16) -> Vec<&[u8]> {
        self.received
            .iter()
            .map(|(_, message)| message.as_slice())
            .filter(|message| identity(message) == wanted)
            .collect()
    }

    /// Asserts that the host did nothing wrong.
    pub(crate) fn assert_clean(&self) {
        assert_eq!(self.lmac.violations(), [] as [&str; 0]);
    }

    /// Configuration request, as after a start.
    pub(crate) fn configure(&mut self) {
        for interface in 0..2 {
            assert_eq!(self.write_mib(interface, 0x1024, &[1, 0, 0, 0]), 0);
        }
        for interface in 0..2 {
            let confirm = self.command(0x0009, interface, &configuration(STA));
            assert_eq!(u32_at(&confirm, 4), 0);
        }
    }

    /// Uploads policy 0: two tries at MCS 7, two at MCS 0, two at the lowest rate.
    pub(crate) fn upload_policy(&mut self) {
        assert_eq!(
            self.write_mib(0, 0x1016, &policy(0, &[(21, 2), (14, 2), (0, 2)])),
            0
        );
    }

    /// Channel switch, template and join; a beacon is heard. Gives the status.
    pub(crate) fn join(&mut self) -> u32 {
        self.configure();
        self.upload_policy();
        assert_eq!(self.write_mib(0, 0x1002, &probe_template()), 0);
        assert_eq!(self.status(0x0016, 0, &[0x80, 0, 6, 0]), 0);
        let at = self.now.after(Duration::from_millis(3));
        self.lmac.medium_mut().hear(at, 6, beacon(&[]));
        self.status(0x000B, 0, &join(6))
    }

    /// As [`join`](Self::join), then associated with id 1, HT, block ack allowed.
    pub(crate) fn associate(&mut self) {
        assert_eq!(self.join(), 0);
        assert_eq!(self.status(0x0016, 0, &[0x90, 0, 6, 0]), 0);
        let bss = [0, 50, 1, 0, 0xFF, 0x3F, 0, 0, 0, 0xC0, 0x3F, 0];
        assert_eq!(self.status(0x0011, 0, &bss), 0);
        assert_eq!(self.write_mib(0, 0x100E, &[0xB1, 0, 0xB1, 0]), 0);
    }

    /// Sends a frame with policy 0 at a rate.
    pub(crate) fn transmit(&mut self, packet_id: u32, rate: u8, frame: &[u8]) {
        let payload = transmit(packet_id, rate, 0, frame);
        self.post(0x0004, 0, &payload);
    }

    /// Every confirmation record so far: packet id, status, rate, failures, flags.
    pub(crate) fn confirmed(&self) -> Vec<(u32, u32, u8, u8, u16)> {
        let mut records = Vec::new();
        for (_, message) in &self.received {
            let (start, count) = match identity(message) {
                0x0404 => (4, 1),
                0x041E => (8, u32_at(message, 4)),
                _ => continue,
            };
            for index in 0..usize::try_from(count).unwrap() {
                let at = start + 20 * index;
                records.push((
                    u32_at(message, at),
                    u32_at(message, at + 4),
                    message[at + 8],
                    message[at + 9],
                    u16_at(message, at + 10),
                ));
            }
        }
        records
    }
}

/// Number and class of a message.
pub(crate) fn identity(message: &[u8]) -> u16 {
    u16_at(message, 2) & 0x0C3F
}

/// Payload of a configuration request.
pub(crate) fn configuration(address: [u8; 6]) -> Vec<u8> {
    let mut payload = vec![0; 12];
    payload.extend_from_slice(&844_u16.to_le_bytes());
    payload.extend_from_slice(&[1, 0]);
    payload.extend_from_slice(&address);
    payload.extend_from_slice(&[5, 0]);
    payload.resize(856, 0);
    payload
}

/// Data of MIB 0x1016 with one policy.
pub(crate) fn policy(index: u8, tries: &[(u8, u8)]) -> Vec<u8> {
    let mut data = vec![1, 0, 0, 0, index, 15, 4, 0x0C];
    data.resize(24, 0);
    for (rate, count) in tries {
        data[12 + usize::from(rate / 2)] |= count << (4 * (rate & 1));
    }
    data
}

/// Data of MIB 0x1002 with a probe request.
pub(crate) fn probe_template() -> Vec<u8> {
    let mut frame = vec![0x40, 0, 0, 0];
    for address in [[0xFF; 6], STA, [0xFF; 6]] {
        frame.extend_from_slice(&address);
    }
    frame.extend_from_slice(&[0, 0, 0, 0, 1, 2, 0x82, 0x84]);
    let len = u16::try_from(frame.len()).unwrap().to_le_bytes();
    [&[0, 0], &len[..], &frame].concat()
}

/// Payload of a join request.
pub(crate) fn join(channel: u8) -> Vec<u8> {
    let mut payload = vec![1, u8::from(channel > 14), channel, 0];
    payload.extend_from_slice(&AP);
    payload.extend_from_slice(&[0, 0, 1, 1, 1, 0, 4, 0, 0, 0]);
    payload.extend_from_slice(b"test");
    payload.resize(52, 0);
    payload.extend_from_slice(&[100, 0, 0, 0, 7, 0, 0, 0]);
    payload
}

/// Payload of a start-scan request.
pub(crate) fn scan(kind: u8, channels: &[u16], ssid: Option<&[u8]>) -> Vec<u8> {
    let band = u8::from(channels.first().is_some_and(|channel| *channel > 14));
    let count = u8::try_from(channels.len()).unwrap();
    let mut payload = vec![band, kind, kind, if band == 1 { 6 } else { 0 }];
    payload.extend_from_slice(&[0, 0, 0, 0, 2, count, u8::from(ssid.is_some()), 100]);
    for channel in channels {
        let mut record = channel.to_le_bytes().to_vec();
        record.extend_from_slice(&[0, 0, 50, 0, 0, 0, 100, 0, 0, 0]);
        record.resize(16, 0);
        payload.extend_from_slice(&record);
    }
    if let Some(ssid) = ssid {
        let len = u32::try_from(ssid.len()).unwrap();
        payload.extend_from_slice(&len.to_le_bytes());
        let end = payload.len() + 32;
        payload.extend_from_slice(ssid);
        payload.resize(end, 0);
    }
    payload
}

/// A beacon of the access point on channel 6, with more elements behind.
pub(crate) fn beacon(more: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80, 0, 0, 0];
    for address in [[0xFF; 6], AP, AP] {
        frame.extend_from_slice(&address);
    }
    frame.extend_from_slice(&[0; 10]);
    frame.extend_from_slice(&[100, 0, 1, 0]);
    frame.extend_from_slice(&[0, 4, b't', b'e', b's', b't']);
    frame.extend_from_slice(more);
    frame
}

/// A QoS data frame of the station (`up`) or of the access point, with an IPv4 packet of a length.
pub(crate) fn data(up: bool, sequence: u16, len: usize) -> Vec<u8> {
    let mut frame = vec![0x88, if up { 1 } else { 2 }, 0, 0];
    let addresses = if up { [AP, STA, AP] } else { [STA, AP, [2; 6]] };
    for address in addresses {
        frame.extend_from_slice(&address);
    }
    frame.extend_from_slice(&(sequence << 4).to_le_bytes());
    frame.extend_from_slice(&[0, 0]);
    frame.extend_from_slice(&[0xAA, 0xAA, 3, 0, 0, 0, 8, 0, 0x45]);
    frame.resize(34 + len, 0x5A);
    frame
}

/// Payload of a transmit request.
pub(crate) fn transmit(packet_id: u32, rate: u8, policy: u8, frame: &[u8]) -> Vec<u8> {
    let mut payload = packet_id.to_le_bytes().to_vec();
    payload.extend_from_slice(&[rate, 0, 0, policy << 4]);
    payload.extend_from_slice(&[0; 8]);
    payload.extend_from_slice(&[1, 0, 0, 0]);
    payload.extend_from_slice(frame);
    payload
}
