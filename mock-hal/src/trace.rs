//! Everything that crossed the bus, with virtual time.
//!
//! Off by default; while off it costs one look at a flag per command. On, it keeps the bytes of every transfer, up to
//! a limit of records, oldest first.

use crate::card::{Command52, Command53, R5};
use crate::chip::registers;
use bes_hal::time::Instant;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::{DataLink, PcapError};
use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::time::Duration;

/// A side line of the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Interrupt, card to host.
    Interrupt,
    /// Wake line, host to chip.
    Wake,
    /// Host-wake line, chip to host.
    HostWake,
    /// Power of the card.
    Power,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// CMD52. `response` is `None` if there was none.
    Register {
        /// Argument of the command.
        argument: u32,
        /// Response, with the data of a read.
        response: Option<R5>,
    },
    /// CMD53. For a read the bytes the card sent, for a write those it got.
    Data {
        /// Argument of the command.
        argument: u32,
        /// Response.
        response: Option<R5>,
        /// Bytes on the data lines.
        bytes: Vec<u8>,
    },
    /// A side line changed.
    Line {
        /// Which one.
        line: Line,
        /// Its logical level.
        asserted: bool,
    },
}

/// One entry of the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it began.
    pub at: Instant,
    /// How long it took.
    pub duration: Duration,
    /// What it was.
    pub event: Event,
}

impl fmt::Display for Record {
    /// One line: time, command, what it means.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>12}  ", self.at.to_string())?;
        match &self.event {
            Event::Register { argument, response } => {
                let command = Command52::parse(*argument);
                let direction = if command.write { 'W' } else { 'R' };
                let name = match command.function {
                    1 => registers::name(command.address),
                    _ => "card",
                };
                write!(
                    f,
                    "CMD52 {direction} {}:{:#05x} {name}",
                    command.function, command.address
                )?;
                match response {
                    None => f.write_str(" no response"),
                    Some(r5) if r5.errors() != 0 => write!(f, " R5 {:#06x}", r5.0),
                    Some(_) if command.write => write!(f, " <- {:02x}", command.data),
                    Some(r5) => write!(f, " -> {:02x}", r5.data()),
                }
            }
            Event::Data {
                argument,
                response,
                bytes,
            } => {
                let command = Command53::parse(*argument);
                let direction = if command.write { 'W' } else { 'R' };
                write!(
                    f,
                    "CMD53 {direction} {}:{:#07x} {} bytes",
                    command.function,
                    command.address,
                    bytes.len()
                )?;
                match response {
                    None => f.write_str(" no data"),
                    Some(r5) if r5.errors() != 0 => write!(f, " R5 {:#06x}", r5.0),
                    Some(_) => {
                        let start = &bytes[..bytes.len().min(16)];
                        start.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
                    }
                }
            }
            Event::Line { line, asserted } => {
                let name = match line {
                    Line::Interrupt => "interrupt",
                    Line::Wake => "wake line",
                    Line::HostWake => "host-wake line",
                    Line::Power => "power",
                };
                let level = if *asserted { "asserted" } else { "released" };
                write!(f, "{name} {level}")
            }
        }
    }
}

/// Most records that are kept unless told otherwise.
const DEFAULT_LIMIT: usize = 1_000_000;

/// The trace of one card.
#[derive(Clone, Debug)]
pub struct Trace {
    enabled: bool,
    limit: usize,
    records: VecDeque<Record>,
    lost: u64,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            enabled: false,
            limit: DEFAULT_LIMIT,
            records: VecDeque::new(),
            lost: 0,
        }
    }
}

impl Trace {
    /// Switches recording on or off. What is recorded stays.
    pub fn enable(&mut self, enabled: bool) {
        self.enabled = enabled;
    }

    /// Whether it records.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Keeps at most `records`; older ones are dropped and counted.
    pub fn set_limit(&mut self, records: usize) {
        self.limit = records.max(1);
        while self.records.len() > self.limit {
            self.records.pop_front();
            self.lost += 1;
        }
    }

    /// The records, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.records.iter()
    }

    /// How many records are kept.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Records dropped because of the limit.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Takes all records out.
    pub fn take(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records).into()
    }

    pub(crate) fn record(
        &mut self,
        at: Instant,
        duration: Duration,
        event: impl FnOnce() -> Event,
    ) {
        if !self.enabled {
            return;
        }
        if self.records.len() == self.limit {
            self.records.pop_front();
            self.lost += 1;
        }
        self.records.push_back(Record {
            at,
            duration,
            event: event(),
        });
    }

    /// Writes the records as lines of text.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn write_text(&self, mut to: impl Write) -> std::io::Result<()> {
        self.iter().try_for_each(|record| writeln!(to, "{record}"))
    }

    /// Writes the records as a pcapng file, see [`write_pcapng`].
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn write_pcapng(&self, to: impl Write) -> Result<(), PcapError> {
        write_pcapng(self.iter(), to)
    }
}

/// Kinds of record in a pcapng file.
mod kind {
    pub(super) const REGISTER: u8 = 0;
    pub(super) const DATA_READ: u8 = 1;
    pub(super) const DATA_WRITE: u8 = 2;
    pub(super) const LINE: u8 = 3;
}

/// Writes records as a pcapng file with link type USER0 (147) and nanosecond time stamps.
///
/// Each packet has a header of 8 bytes, all little-endian, then the bytes of the transfer:
///
/// | offset | size | content |
/// |---|---|---|
/// | 0 | 1 | kind: 0 CMD52, 1 CMD53 read, 2 CMD53 write, 3 side line |
/// | 1 | 1 | 1 if there was a response |
/// | 2 | 2 | response R5 |
/// | 4 | 4 | argument of the command; of a line: 0 interrupt, 1 wake, 2 power, plus 256 if asserted |
///
/// # Errors
///
/// Those of the writer.
pub fn write_pcapng<'a>(
    records: impl IntoIterator<Item = &'a Record>,
    to: impl Write,
) -> Result<(), PcapError> {
    let mut writer = PcapNgWriter::new(to)?;
    writer.write_pcapng_block(InterfaceDescriptionBlock {
        linktype: DataLink::USER0,
        snaplen: 0,
        options: vec![InterfaceDescriptionOption::IfTsResol(9)],
    })?;
    for record in records {
        let packet = packet(&record.event);
        writer.write_pcapng_block(EnhancedPacketBlock {
            interface_id: 0,
            timestamp: Duration::from_nanos(record.at.as_nanos()),
            original_len: packet.len() as u32,
            data: packet.into(),
            options: Vec::new(),
        })?;
    }
    Ok(())
}

fn packet(event: &Event) -> Vec<u8> {
    let (kind, response, argument, bytes): (u8, Option<R5>, u32, &[u8]) = match event {
        Event::Register { argument, response } => (kind::REGISTER, *response, *argument, &[]),
        Event::Data {
            argument,
            response,
            bytes,
        } => {
            let kind = if argument >> 31 == 0 {
                kind::DATA_READ
            } else {
                kind::DATA_WRITE
            };
            (kind, *response, *argument, bytes)
        }
        Event::Line { line, asserted } => {
            let line = match line {
                Line::Interrupt => 0,
                Line::Wake => 1,
                Line::Power => 2,
                Line::HostWake => 3,
            };
            (kind::LINE, None, line | u32::from(*asserted) << 8, &[])
        }
    };
    let mut packet = Vec::with_capacity(8 + bytes.len());
    packet.extend_from_slice(&[kind, u8::from(response.is_some())]);
    packet.extend_from_slice(&response.map_or(0, |r5| r5.0).to_le_bytes());
    packet.extend_from_slice(&argument.to_le_bytes());
    packet.extend_from_slice(bytes);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use pcap_file::pcapng::{Block, PcapNgReader};

    fn filled() -> Trace {
        let mut trace = Trace::default();
        trace.enable(true);
        trace.record(Instant::from_micros(8), Duration::from_micros(8), || {
            Event::Register {
                argument: 0x1000_0200,
                response: Some(R5::good(0x83)),
            }
        });
        trace.record(Instant::from_micros(16), Duration::from_micros(70), || {
            Event::Data {
                argument: 0x1E0C_0003,
                response: Some(R5::good(0)),
                bytes: vec![8, 0, 6, 0xA4],
            }
        });
        trace.record(Instant::from_micros(90), Duration::ZERO, || Event::Line {
            line: Line::Wake,
            asserted: true,
        });
        trace
    }

    #[test]
    fn lines_say_what_happened() {
        let mut text = Vec::new();
        filled().write_text(&mut text).expect("memory");
        assert_eq!(
            String::from_utf8(text).expect("text"),
            "    0.000008  CMD52 R 1:0x001 ANNOUNCEMENT -> 83\n    \
             0.000016  CMD53 R 1:0x10600 4 bytes 08 00 06 a4\n    \
             0.000090  wake line asserted\n"
        );
    }

    #[test]
    fn a_pcapng_file_holds_every_record_with_its_time() {
        let mut file = Vec::new();
        filled().write_pcapng(&mut file).expect("memory");
        let mut reader = PcapNgReader::new(&file[..]).expect("a pcapng file");
        let mut packets = Vec::new();
        while let Some(block) = reader.next_block() {
            match block.expect("a block") {
                Block::EnhancedPacket(packet) => {
                    packets.push((packet.timestamp, packet.data.to_vec()));
                }
                Block::InterfaceDescription(interface) => {
                    assert_eq!(interface.linktype, DataLink::USER0);
                }
                _ => {}
            }
        }
        assert_eq!(packets.len(), 3);
        assert_eq!(packets[1].0, Duration::from_micros(16));
        assert_eq!(
            packets[1].1,
            [1, 1, 0x00, 0x10, 3, 0, 0x0C, 0x1E, 8, 0, 6, 0xA4]
        );
    }

    #[test]
    fn nothing_is_kept_while_it_is_off_and_no_more_than_the_limit_while_on() {
        let mut trace = Trace::default();
        trace.record(Instant::ZERO, Duration::ZERO, || panic!("not asked for"));
        assert!(trace.is_empty());
        let mut trace = filled();
        trace.set_limit(2);
        assert_eq!((trace.len(), trace.lost()), (2, 1));
    }
}
