//! Everything that crosses the bus, as text and as pcapng.

use crate::rig::{Rig, Setup};
use crate::scene::{home, Scene, OPEN, PASSPHRASE, SECURE};
use crate::transfer::{start_download, FLOW, MSDU};
use anyhow::{Context, Result};
use bes_hal::Duration;
use bes_wsm::wire::{describe, Direction};
use mock_hal::air::traffic::Pace;
use mock_hal::air::Width;
use mock_hal::trace::{Event, Record};
use serde::Serialize;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// Options of the command.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Also write a pcapng file (link type USER0: one bus transfer per packet).
    #[arg(long, value_name = "FILE")]
    pcapng: Option<PathBuf>,
    /// Leave the firmware download out.
    #[arg(long)]
    skip_boot: bool,
    /// Print one JSON object with counts instead of the lines.
    #[arg(long)]
    json: bool,
}

/// Counts of what was traced.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Records.
    pub records: usize,
    /// Register accesses.
    pub registers: usize,
    /// Bursts and batches.
    pub transfers: usize,
    /// Messages in them.
    pub messages: usize,
}

/// Messages of a Wi-Fi transfer, as the trace shows them: split by the headers, without trusting them.
pub(crate) fn messages(record: &Record) -> Vec<(bool, Vec<u8>)> {
    let Event::Data {
        argument, bytes, ..
    } = &record.event
    else {
        return Vec::new();
    };
    let down = argument >> 31 != 0;
    let address = argument >> 9 & 0xFFFF;
    let stride = if down {
        [512, 1024, 1536, 1632][address as usize & 3]
    } else {
        0
    };
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + 4) {
        let len = usize::from(u16::from_le_bytes([header[0], header[1]]));
        let Some(message) = bytes.get(at..at + len) else {
            break;
        };
        if len < 4 || down && found.len() >= (address & 0xFFFC) as usize / stride {
            break;
        }
        found.push((down, message.to_vec()));
        at += if down {
            stride
        } else {
            len.next_multiple_of(4)
        };
    }
    found
}

/// Runs the command.
pub fn run(options: &Options) -> Result<bool> {
    let Scene { air, secure, .. } = home(1, false, Width::Ht20);
    let mut rig = Rig::new(Setup::new(air));
    rig.handle
        .with_trace(|trace| trace.enable(!options.skip_boot));
    rig.request(
        bes_mac80211::request::Request::Boot,
        Duration::from_secs(30),
    )?;
    rig.handle.with_trace(|trace| trace.enable(true));
    // Bursts carry messages from here on; the download before has a language of its own.
    let wifi = rig.now();
    rig.start()?;
    rig.scan(&[1, 6, 11], &[OPEN])?;
    rig.connect(SECURE, Some(PASSPHRASE))?;
    start_download(
        &mut rig,
        secure,
        MSDU,
        Pace::Every(Duration::from_millis(1)),
    );
    rig.run_for(Duration::from_millis(20));
    rig.air(|air| air.access_point_mut(secure).stop_flow(FLOW));
    rig.run_for(Duration::from_millis(20));
    rig.disconnect()?;

    let mut report = Report::default();
    let stdout = std::io::stdout();
    let mut out = BufWriter::new(stdout.lock());
    let printed: std::io::Result<()> = rig.handle.with_trace(|trace| {
        for record in trace.iter() {
            report.records += 1;
            let found = if record.at >= wifi {
                messages(record)
            } else {
                Vec::new()
            };
            match record.event {
                Event::Register { .. } => report.registers += 1,
                Event::Data { .. } => report.transfers += 1,
                Event::Line { .. } => {}
            }
            report.messages += found.len();
            if !options.json {
                writeln!(out, "{record}")?;
                for (down, message) in found {
                    let direction = if down {
                        Direction::ToChip
                    } else {
                        Direction::FromChip
                    };
                    writeln!(out, "{:>16} {}", "", describe(&message, direction))?;
                }
            }
        }
        Ok(())
    });
    match printed {
        // Somebody who looks at the first lines only is no failure.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(true),
        other => other?,
    }
    if options.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    }
    if let Some(path) = &options.pcapng {
        let file = std::fs::File::create(path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        rig.handle
            .with_trace(|trace| trace.write_pcapng(BufWriter::new(file)))?;
    }
    Ok(true)
}
