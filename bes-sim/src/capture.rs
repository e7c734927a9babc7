//! Reads captures of 802.11 frames: pcap and pcapng, with or without radiotap headers.

use anyhow::{bail, ensure, Context, Result};
use bes_hal::Duration;
use bes_mac80211::types::MacAddress;
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::{Block, PcapNgReader};
use pcap_file::DataLink;
use std::collections::HashMap;
use std::path::Path;

/// One captured frame, without radiotap header and FCS.
#[derive(Clone, Debug)]
pub struct Captured {
    /// Time since the first frame.
    pub at: Duration,
    /// The frame.
    pub frame: Vec<u8>,
    /// Channel number, if the radiotap header tells it.
    pub channel: Option<u8>,
}

impl Captured {
    /// Whether it is a control frame.
    pub fn is_control(&self) -> bool {
        self.frame[0] & 0x0C == 0x04
    }

    /// Receiver.
    pub fn receiver(&self) -> MacAddress {
        address(&self.frame, 4)
    }

    /// Transmitter of a management or data frame.
    pub fn transmitter(&self) -> MacAddress {
        address(&self.frame, 10)
    }
}

fn address(frame: &[u8], at: usize) -> MacAddress {
    let mut bytes = [0; 6];
    if let Some(found) = frame.get(at..at + 6) {
        bytes.copy_from_slice(found);
    }
    MacAddress(bytes)
}

/// A capture.
#[derive(Clone, Debug)]
pub struct Capture {
    /// Frames in order.
    pub frames: Vec<Captured>,
    /// Records that hold no whole 802.11 frame, or one with a wrong check sequence.
    pub skipped: u64,
}

impl Capture {
    /// Reads a file.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display();
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
        Self::parse(&bytes).with_context(|| format!("{name} cannot be replayed"))
    }

    /// Reads the content of a file.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let records = match bytes.get(..4) {
            Some([0x0A, 0x0D, 0x0D, 0x0A]) => read_pcapng(bytes)?,
            Some(
                [0xD4, 0xC3, 0xB2, 0xA1]
                | [0xA1, 0xB2, 0xC3, 0xD4]
                | [0x4D, 0x3C, 0xB2, 0xA1]
                | [0xA1, 0xB2, 0x3C, 0x4D],
            ) => read_pcap(bytes)?,
            _ => bail!("it is neither a pcap nor a pcapng file; record one with `tcpdump -i MONITOR -w FILE`"),
        };
        let start = records.first().map_or(Duration::ZERO, |record| record.at);
        let mut capture = Self {
            frames: Vec::with_capacity(records.len()),
            skipped: 0,
        };
        for record in records {
            let (frame, channel) = match record.link {
                DataLink::IEEE802_11 => (Some(record.bytes.as_slice()), None),
                DataLink::IEEE802_11_RADIOTAP => match strip_radiotap(&record.bytes) {
                    Some((frame, channel)) => (Some(frame), channel),
                    None => (None, None),
                },
                other => bail!(
                    "its link type is {other:?}, not 802.11; capture on a monitor interface, which gives radiotap or plain \
                     802.11 frames"
                ),
            };
            match frame {
                // The shortest frame is an acknowledgement; management and data frames have a whole header.
                Some(frame)
                    if frame.len() >= 10 && (frame[0] & 0x0C == 0x04 || frame.len() >= 24) =>
                {
                    let at = record.at.saturating_sub(start);
                    capture.frames.push(Captured {
                        at,
                        frame: frame.to_vec(),
                        channel,
                    });
                }
                _ => capture.skipped += 1,
            }
        }
        ensure!(!capture.frames.is_empty(), "it holds no 802.11 frame");
        Ok(capture)
    }

    /// The station of the capture and its access point: whose frames go to the distribution system, or who asks to be
    /// authenticated. With several, the one with the most frames.
    pub fn station(&self) -> Result<(MacAddress, MacAddress)> {
        let mut counts: HashMap<(MacAddress, MacAddress), usize> = HashMap::new();
        for captured in &self.frames {
            let control = captured.frame[0];
            let to_ap = captured.frame[1] & 3 == 1;
            let asks = matches!(control, 0x00 | 0x20);
            if control & 0x0C == 0x08 && to_ap || asks {
                *counts
                    .entry((captured.transmitter(), captured.receiver()))
                    .or_default() += 1;
            }
        }
        counts
            .into_iter()
            .max_by_key(|(pair, count)| (*count, *pair))
            .map(|(pair, _)| pair)
            .context(
                "there is no station in it: nobody associates or sends data to an access point",
            )
    }
}

struct Record {
    at: Duration,
    link: DataLink,
    bytes: Vec<u8>,
}

fn read_pcap(bytes: &[u8]) -> Result<Vec<Record>> {
    let mut reader = PcapReader::new(bytes).context("its header is damaged")?;
    let link = reader.header().datalink;
    let mut records = Vec::new();
    while let Some(packet) = reader.next_packet() {
        let packet = packet
            .with_context(|| format!("it is cut or damaged after {} frames", records.len()))?;
        records.push(Record {
            at: packet.timestamp,
            link,
            bytes: packet.data.into_owned(),
        });
    }
    Ok(records)
}

fn read_pcapng(bytes: &[u8]) -> Result<Vec<Record>> {
    let mut reader = PcapNgReader::new(bytes).context("its header is damaged")?;
    let mut links = Vec::new();
    let mut records = Vec::new();
    while let Some(block) = reader.next_block() {
        let block = block
            .with_context(|| format!("it is cut or damaged after {} frames", records.len()))?;
        match block {
            Block::InterfaceDescription(interface) => links.push(interface.linktype),
            Block::EnhancedPacket(packet) => {
                let link = *usize::try_from(packet.interface_id)
                    .ok()
                    .and_then(|id| links.get(id))
                    .context("a frame names an interface that is not described")?;
                records.push(Record {
                    at: packet.timestamp,
                    link,
                    bytes: packet.data.into_owned(),
                });
            }
            _ => {}
        }
    }
    Ok(records)
}

/// The frame behind a radiotap header, without FCS, and its channel. `None` if the header is damaged or the frame has a
/// wrong check sequence.
fn strip_radiotap(bytes: &[u8]) -> Option<(&[u8], Option<u8>)> {
    const EXTENDED: u32 = 1 << 31;
    let header_len = usize::from(u16::from_le_bytes([*bytes.get(2)?, *bytes.get(3)?]));
    let header = bytes.get(..header_len)?;
    if header_len < 8 || header[0] != 0 {
        return None;
    }
    let word = |at: usize| Some(u32::from_le_bytes(header.get(at..at + 4)?.try_into().ok()?));
    let present = word(4)?;
    let mut at = 8;
    let mut more = present;
    while more & EXTENDED != 0 {
        more = word(at)?;
        at += 4;
    }
    let mut flags = 0;
    let mut channel = None;
    // Size and alignment of the fields up to the channel: TSFT, flags, rate, channel.
    for (bit, (size, align)) in [(8, 8), (1, 1), (1, 1), (4, 2)].into_iter().enumerate() {
        if present & 1 << bit == 0 {
            continue;
        }
        at = usize::next_multiple_of(at, align);
        let field = header.get(at..at + size)?;
        match bit {
            1 => flags = field[0],
            3 => channel = channel_number(u16::from_le_bytes([field[0], field[1]])),
            _ => {}
        }
        at += size;
    }
    let frame = &bytes[header_len..];
    if flags & 0x40 != 0 {
        return None;
    }
    let frame = if flags & 0x10 != 0 {
        frame.get(..frame.len().checked_sub(4)?)?
    } else {
        frame
    };
    Some((frame, channel))
}

fn channel_number(mhz: u16) -> Option<u8> {
    let number = match mhz {
        2484 => 14,
        2412..=2472 => (mhz - 2407) / 5,
        5000..=5900 => (mhz - 5000) / 5,
        _ => return None,
    };
    u8::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &[u8] = include_bytes!("../../mock-hal/tests/data/open-2g4-ht20.pcap");

    #[test]
    fn a_real_capture_is_read_and_its_station_found() {
        let capture = Capture::parse(OPEN).unwrap();
        assert_eq!((capture.frames.len(), capture.skipped), (1622, 0));
        let (station, access_point) = capture.station().unwrap();
        assert_eq!(station.to_string(), "02:00:00:00:01:00");
        assert_eq!(access_point.to_string(), "02:00:00:00:00:00");
        assert_eq!(
            capture.frames[0].channel,
            Some(1),
            "a probe request, sent while scanning"
        );
    }

    #[test]
    fn cut_and_foreign_files_get_a_sentence_that_says_what_to_do() {
        let says = |bytes: &[u8]| format!("{:#}", Capture::parse(bytes).unwrap_err());
        assert!(says(b"").contains("neither a pcap nor a pcapng"));
        assert!(says(b"hello, world").contains("tcpdump"));
        assert!(says(&OPEN[..10]).contains("damaged"));
        assert!(says(&OPEN[..24]).contains("no 802.11 frame"));
        let cut = says(&OPEN[..OPEN.len() - 5]);
        assert!(cut.contains("cut or damaged after 1621 frames"), "{cut}");
        let mut ethernet = OPEN.to_vec();
        ethernet[20] = 1;
        assert!(says(&ethernet).contains("monitor interface"));
    }

    #[test]
    fn damaged_radiotap_headers_are_skipped_and_nothing_panics() {
        let capture = Capture::parse(OPEN).unwrap();
        let whole = [
            &[0, 0, 15, 0, 0x0E, 0, 0, 0, 0x10, 2, 0x85, 9, 0xA0, 0, 0][..],
            &capture.frames[0].frame,
        ]
        .concat();
        for cut in 0..whole.len() {
            let _ = strip_radiotap(&whole[..cut]);
        }
        for at in 0..16 {
            for value in 0..=255 {
                let mut bent = whole.clone();
                bent[at] = value;
                let _ = strip_radiotap(&bent);
            }
        }
    }
}
