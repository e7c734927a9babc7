//! Traffic: generated packets, the stamp inside them, and the meter that reads it at the other end.
//!
//! A packet is IPv4 with UDP, so that captures look sane. Its payload starts with a [`Stamp`]; whoever receives it,
//! on either side of the air, gives it to a [`Meter`].

use bes_hal::time::Instant;
use core::time::Duration;

/// Octets of the IPv4 and UDP headers of a generated packet.
pub const HEADERS: usize = 28;
/// Octets of a stamp.
pub const STAMP: usize = 24;
/// Octets of the shortest packet with a stamp.
pub const MIN_PACKET: usize = HEADERS + STAMP;

const MAGIC: [u8; 4] = *b"Flow";

/// What every generated packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Which flow the packet belongs to.
    pub flow: u32,
    /// Number of the packet in its flow, from 0 on.
    pub sequence: u64,
    /// When it was made.
    pub made: Instant,
}

impl Stamp {
    /// Reads the stamp of an IPv4 packet. `None` if it carries none.
    pub fn of_packet(packet: &[u8]) -> Option<Self> {
        let bytes = packet.get(HEADERS..MIN_PACKET)?;
        if bytes[..4] != MAGIC {
            return None;
        }
        let wide = |at: usize| {
            let mut value = [0; 8];
            value.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(value)
        };
        Some(Self {
            flow: u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
            sequence: wide(8),
            made: Instant::from_nanos(wide(16)),
        })
    }

    /// Writes the stamp into an IPv4 packet of at least [`MIN_PACKET`] octets; a shorter one is left as it is.
    pub fn write(self, packet: &mut [u8]) {
        if let Some(bytes) = packet.get_mut(HEADERS..MIN_PACKET) {
            bytes[..4].copy_from_slice(&MAGIC);
            bytes[4..8].copy_from_slice(&self.flow.to_le_bytes());
            bytes[8..16].copy_from_slice(&self.sequence.to_le_bytes());
            bytes[16..].copy_from_slice(&self.made.as_nanos().to_le_bytes());
        }
    }
}

/// Appends an IPv4/UDP packet of `octets` (at least [`MIN_PACKET`], at most 65535) from `source` to `destination`,
/// port 5001. The stamp is left blank.
pub fn append_packet(out: &mut Vec<u8>, octets: usize, source: [u8; 4], destination: [u8; 4]) {
    let octets = octets.clamp(MIN_PACKET, 65535);
    let start = out.len();
    let total = (octets as u16).to_be_bytes();
    out.extend_from_slice(&[0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, 17, 0, 0]);
    out.extend_from_slice(&source);
    out.extend_from_slice(&destination);
    let sum: u32 = out[start..]
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let sum = !((sum & 0xFFFF) + (sum >> 16)) as u16;
    out[start + 10..start + 12].copy_from_slice(&sum.to_be_bytes());
    let udp = ((octets - 20) as u16).to_be_bytes();
    // Checksum 0: none, which IPv4 allows.
    out.extend_from_slice(&[0x13, 0x89, 0x13, 0x89, udp[0], udp[1], 0, 0]);
    let end = start + octets;
    while out.len() < end {
        out.push((out.len() - start) as u8);
    }
}

/// When a flow makes its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Always one more, as long as the station has room for it.
    Saturated,
    /// Always one more, whether the station has room or not: its receive queue overflows.
    Flood,
    /// One in every interval; at most 64 wait.
    Every(Duration),
}

/// A generator of packets from an access point to a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Number in the [`Stamp`].
    pub number: u32,
    /// Traffic identifier, 0 to 7.
    pub tid: u8,
    /// Octets of each IPv4 packet, at least [`MIN_PACKET`].
    pub octets: usize,
    /// When packets are made.
    pub pace: Pace,
    /// How many packets are made before the flow ends; `None`: until it is stopped.
    pub limit: Option<u64>,
}

impl Default for Flow {
    /// Saturated, 1500 octets, best effort.
    fn default() -> Self {
        Self {
            number: 0,
            tid: 0,
            octets: 1500,
            pace: Pace::Saturated,
            limit: None,
        }
    }
}

/// What a flow has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCounters {
    /// Packets made.
    pub made: u64,
    /// Packets acknowledged by the station's radio.
    pub acked: u64,
    /// Packets given up after the last retry.
    pub dropped: u64,
}

/// Reads stamps where packets arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// Packets with a stamp, duplicates included.
    pub packets: u64,
    /// Octets of these packets.
    pub octets: u64,
    /// Packets whose number was not above all before it, duplicates included.
    pub out_of_order: u64,
    /// Packets whose number arrived before, as far as the last 64 numbers tell.
    pub duplicates: u64,
    /// Sum of all latencies.
    pub latency_sum: Duration,
    /// Longest latency.
    pub latency_max: Duration,
    /// When the first packet arrived.
    pub first: Option<Instant>,
    /// When the last packet arrived.
    pub last: Option<Instant>,
    next: u64,
    /// Bit n: number `next` - 1 - n arrived.
    recent: u64,
}

impl Meter {
    /// A packet arrived. `false`: it carries no stamp and was not counted.
    pub fn count(&mut self, packet: &[u8], at: Instant) -> bool {
        let Some(stamp) = Stamp::of_packet(packet) else {
            return false;
        };
        self.packets += 1;
        self.octets += packet.len() as u64;
        let latency = at.since(stamp.made);
        self.latency_sum += latency;
        self.latency_max = self.latency_max.max(latency);
        self.first.get_or_insert(at);
        self.last = Some(at);
        if stamp.sequence >= self.next {
            let ahead = (stamp.sequence - self.next).saturating_add(1);
            self.recent = if ahead < 64 {
                self.recent << ahead | 1
            } else {
                1
            };
            self.next = stamp.sequence.saturating_add(1);
        } else {
            self.out_of_order += 1;
            let bit = 1u64
                .checked_shl((self.next - 1 - stamp.sequence).min(64) as u32)
                .unwrap_or(0);
            if self.recent & bit != 0 {
                self.duplicates += 1;
            }
            self.recent |= bit;
        }
        true
    }

    /// Packets that were made before the latest one and did not arrive.
    pub fn lost(&self) -> u64 {
        self.next.saturating_sub(self.packets - self.duplicates)
    }

    /// Mean latency; zero before the first packet.
    pub fn latency_mean(&self) -> Duration {
        match u32::try_from(self.packets) {
            Ok(0) => Duration::ZERO,
            Ok(packets) => self.latency_sum / packets,
            Err(_) => Duration::from_secs_f64(self.latency_sum.as_secs_f64() / self.packets as f64),
        }
    }

    /// Mean rate between the first and the last packet, in bits per second; zero before the second.
    pub fn bits_per_second(&self) -> f64 {
        match (self.first, self.last) {
            (Some(first), Some(last)) if last > first => {
                let seconds = last.since(first).as_secs_f64();
                // The first packet's octets arrived before the measured time.
                self.octets as f64 * 8.0 * (1.0 - 1.0 / self.packets as f64) / seconds
            }
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u64) -> Vec<u8> {
        let mut packet = Vec::new();
        append_packet(&mut packet, 100, [10, 0, 0, 1], [10, 0, 0, 2]);
        Stamp {
            flow: 3,
            sequence,
            made: Instant::from_millis(sequence),
        }
        .write(&mut packet);
        packet
    }

    #[test]
    fn a_packet_has_its_length_and_a_right_checksum() {
        let packet = packet(7);
        assert_eq!(packet.len(), 100);
        let sum: u32 = packet[..20]
            .chunks(2)
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
            .sum();
        assert_eq!((sum & 0xFFFF) + (sum >> 16), 0xFFFF);
        let stamp = Stamp::of_packet(&packet).unwrap();
        assert_eq!((stamp.flow, stamp.sequence), (3, 7));
        assert_eq!(Stamp::of_packet(&packet[..51]), None);
    }

    #[test]
    fn the_meter_counts_loss_order_duplicates_and_latency() {
        let mut meter = Meter::default();
        for sequence in [0, 1, 3, 2, 2, 6] {
            assert!(meter.count(&packet(sequence), Instant::from_millis(10)));
        }
        assert!(!meter.count(&[0; 100], Instant::ZERO));
        assert_eq!(meter.packets, 6);
        assert_eq!(meter.out_of_order, 2);
        assert_eq!(meter.duplicates, 1);
        assert_eq!(meter.lost(), 2);
        assert_eq!(meter.latency_max, Duration::from_millis(10));
    }

    #[test]
    fn the_rate_is_that_between_first_and_last() {
        let mut meter = Meter::default();
        for sequence in 0..11 {
            meter.count(&packet(sequence), Instant::from_millis(100 * sequence));
        }
        // Ten packets of 800 bits in one second.
        assert!((meter.bits_per_second() - 8000.0).abs() < 1e-6);
    }
}
