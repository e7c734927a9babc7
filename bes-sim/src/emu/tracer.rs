//! Writes what crosses the bus while it happens: text, or pcapng at the end.

use anyhow::{Context, Result};
use bes_wsm::wire::{describe, Direction};
use mock_hal::trace::{write_pcapng, Record};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Most records of a pcapng file, which is written at the end; the rest is only counted.
const MOST: usize = 2_000_000;

/// A trace file.
pub struct Tracer {
    path: PathBuf,
    kind: Kind,
    /// Why it cannot be written any more.
    failed: Option<std::io::Error>,
}

enum Kind {
    Text(BufWriter<File>),
    Pcapng {
        out: BufWriter<File>,
        records: Vec<Record>,
        lost: u64,
    },
}

impl Tracer {
    /// Opens a file; `.pcapng` for one that Wireshark reads, anything else for text.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        let file =
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let out = BufWriter::new(file);
        let kind = if path.extension().is_some_and(|kind| kind == "pcapng") {
            Kind::Pcapng {
                out,
                records: Vec::new(),
                lost: 0,
            }
        } else {
            Kind::Text(out)
        };
        Ok(Self {
            path: path.to_owned(),
            kind,
            failed: None,
        })
    }

    /// Adds records of a card.
    pub fn write(&mut self, card: usize, new: Vec<Record>) {
        if self.failed.is_some() {
            return;
        }
        match &mut self.kind {
            Kind::Pcapng { records, lost, .. } => {
                let room = MOST.saturating_sub(records.len());
                *lost += new.len().saturating_sub(room) as u64;
                records.extend(new.into_iter().take(room));
            }
            Kind::Text(out) => {
                let written = new.iter().try_for_each(|record| {
                    writeln!(out, "{card} {record}")?;
                    for (down, message) in crate::trace::messages(record) {
                        let direction = if down {
                            Direction::ToChip
                        } else {
                            Direction::FromChip
                        };
                        writeln!(out, "{:>18} {}", "", describe(&message, direction))?;
                    }
                    Ok(())
                });
                self.failed = written.err();
            }
        }
    }

    /// Completes the file.
    ///
    /// # Errors
    ///
    /// When it could not be written, now or before.
    pub fn finish(&mut self) -> Result<()> {
        let failure = || format!("cannot write {}", self.path.display());
        if let Some(error) = self.failed.take() {
            return Err(error).with_context(failure);
        }
        match &mut self.kind {
            Kind::Text(out) => out.flush().with_context(failure),
            Kind::Pcapng { out, records, lost } => {
                if *lost > 0 {
                    eprintln!("bes-sim: {lost} records did not fit into the trace");
                }
                write_pcapng(records.iter(), &mut *out).with_context(failure)?;
                out.flush().with_context(failure)
            }
        }
    }
}
