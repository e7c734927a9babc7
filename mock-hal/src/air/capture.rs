//! Writes what is on the air to a pcap file with radiotap headers, for Wireshark.

use super::{Channel, PhyRate, Width};
use bes_hal::time::Instant;
use core::fmt;
use core::time::Duration;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::{DataLink, TsResolution};
use std::io::Write;

/// A capture file under way.
pub struct Capture {
    /// `None` after a write failed: the air goes on without.
    writer: Option<PcapWriter<Box<dyn Write + Send>>>,
    scratch: Vec<u8>,
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Capture")
    }
}

impl Capture {
    /// Starts a file. If it cannot be written, nothing is.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        let header = PcapHeader {
            datalink: DataLink::IEEE802_11_RADIOTAP,
            ts_resolution: TsResolution::NanoSecond,
            ..PcapHeader::default()
        };
        Self {
            writer: PcapWriter::with_header(out, header).ok(),
            scratch: Vec::new(),
        }
    }

    /// Adds a frame without FCS that ended at `at`.
    pub fn write(
        &mut self,
        frame: &[u8],
        at: Instant,
        channel: Channel,
        rate: PhyRate,
        signal_dbm: i8,
    ) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        self.scratch.clear();
        append_radiotap(&mut self.scratch, channel, rate, signal_dbm);
        self.scratch.extend_from_slice(frame);
        let packet = PcapPacket::new(
            Duration::from_nanos(at.as_nanos()),
            self.scratch.len() as u32,
            &self.scratch,
        );
        if writer.write_packet(&packet).is_err() {
            self.writer = None;
        }
    }
}

/// Flags, rate, channel, signal; with HT also the MCS.
fn append_radiotap(out: &mut Vec<u8>, channel: Channel, rate: PhyRate, signal_dbm: i8) {
    let present: u32 = match rate {
        PhyRate::Ht { .. } => 0x0008_002A,
        _ => 0x0000_002E,
    };
    let band: u16 = if channel.number > 14 { 0x0100 } else { 0x0080 };
    let modulation: u16 = if matches!(rate, PhyRate::Cck(_)) {
        0x0020
    } else {
        0x0040
    };
    out.extend_from_slice(&[0, 0, 0, 0]);
    out.extend_from_slice(&present.to_le_bytes());
    // Flags: no FCS at the end.
    out.push(0);
    match rate {
        PhyRate::Cck(units) => out.push(units),
        PhyRate::Ofdm(mbits) => out.push(2 * mbits),
        // The channel is aligned to two octets.
        PhyRate::Ht { .. } => out.push(0),
    }
    out.extend_from_slice(&channel.frequency_mhz().to_le_bytes());
    out.extend_from_slice(&(band | modulation).to_le_bytes());
    out.push(signal_dbm as u8);
    if let PhyRate::Ht {
        mcs,
        width,
        short_gi,
    } = rate
    {
        let bandwidth = u8::from(width == Width::Ht40);
        // Known: bandwidth, MCS, guard interval.
        out.extend_from_slice(&[0x07, bandwidth | u8::from(short_gi) << 2, mcs]);
    }
    let length = out.len() as u16;
    out[2..4].copy_from_slice(&length.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn radiotap_headers_tell_their_length_rate_and_signal() {
        let mut out = Vec::new();
        append_radiotap(&mut out, Channel::ht20(6), PhyRate::Cck(22), -45);
        assert_eq!(
            out,
            [0, 0, 15, 0, 0x2E, 0, 0, 0, 0, 22, 0x85, 0x09, 0xA0, 0, 0xD3]
        );
        out.clear();
        let ht = PhyRate::Ht {
            mcs: 7,
            width: Width::Ht40,
            short_gi: true,
        };
        append_radiotap(&mut out, Channel::ht40(36), ht, -45);
        assert_eq!(
            out,
            [0, 0, 18, 0, 0x2A, 0, 8, 0, 0, 0, 0x3C, 0x14, 0x40, 0x01, 0xD3, 7, 5, 7]
        );
    }
}
