//! Trace events of the kernel: tasklets and work items that ran, and bus commands, while something was measured.

use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

const FOLDER: &str = "/sys/kernel/tracing";

/// Events that are recorded: what runs deferred, and the requests of the MMC core.
const EVENTS: [&str; 3] = [
    "irq/tasklet_entry",
    "workqueue/workqueue_execute_start",
    "mmc/mmc_request_start",
];

/// Kilobytes for each processor. A lost event would be a wrong count, so there is plenty of room.
const BUFFER: &str = "32768";

/// A radio has several tasklets, all of them within its one structure of mac80211.
const SAME_RADIO: u64 = 2048;

/// Counts of one stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tasklets of mac80211 that ran, by address: it belongs to one radio for as long as the radio lives.
    pub(crate) tasklets: BTreeMap<u64, u64>,
    /// Work items that ran, by function.
    pub(crate) work: BTreeMap<String, u64>,
    /// CMD52.
    pub(crate) cmd52: u64,
    /// CMD53 that read.
    pub(crate) reads: u64,
    /// CMD53 that wrote.
    pub(crate) writes: u64,
    /// Events that the buffer had no room for.
    pub(crate) lost: u64,
}

impl Counts {
    /// Bus commands of every kind.
    pub(crate) fn commands(&self) -> u64 {
        self.cmd52 + self.reads + self.writes
    }

    /// Tasklets of radios other than those whose tasklets are `known`.
    pub(crate) fn tasklets_without(&self, known: &BTreeSet<u64>) -> u64 {
        self.tasklets
            .iter()
            .filter(|(address, _)| {
                !known
                    .iter()
                    .any(|known| address.abs_diff(*known) < SAME_RADIO)
            })
            .map(|(_, count)| count)
            .sum()
    }

    /// Adds the counts of another stretch.
    pub(crate) fn join(&mut self, other: &Self) {
        for (address, count) in &other.tasklets {
            *self.tasklets.entry(*address).or_default() += count;
        }
        for (name, count) in &other.work {
            *self.work.entry(name.clone()).or_default() += count;
        }
        self.cmd52 += other.cmd52;
        self.reads += other.reads;
        self.writes += other.writes;
        self.lost += other.lost;
    }

    /// Work items of all functions.
    pub(crate) fn all_work(&self) -> u64 {
        self.work.values().sum()
    }

    /// The functions that ran most often.
    pub(crate) fn busiest(&self, count: usize) -> Vec<(String, u64)> {
        let mut list: Vec<_> = self
            .work
            .iter()
            .map(|(name, count)| (name.clone(), *count))
            .collect();
        list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        list.truncate(count);
        list
    }

    fn add(&mut self, line: &str) {
        if let Some((_, rest)) = line.split_once(": tasklet_entry: ") {
            let address =
                word(rest, "tasklet=0x").and_then(|text| u64::from_str_radix(text, 16).ok());
            // Others are not of a radio: the kernel's own have names.
            let of_radio = word(rest, "function=")
                .is_some_and(|name| name.starts_with("ieee80211_") || name.contains("bes2600"));
            if let (Some(address), true) = (address, of_radio) {
                *self.tasklets.entry(address).or_default() += 1;
            }
        } else if let Some((_, rest)) = line.split_once(": workqueue_execute_start: ") {
            if let Some((_, function)) = rest.split_once(": function ") {
                *self.work.entry(function.trim().to_owned()).or_default() += 1;
            }
        } else if let Some((_, rest)) = line.split_once(": mmc_request_start: ") {
            match word(rest, "cmd_opcode=") {
                Some("52") => self.cmd52 += 1,
                Some("53") => {
                    // Bit 31 of the argument says that the host writes.
                    let argument = word(rest, "cmd_arg=0x")
                        .and_then(|text| u32::from_str_radix(text, 16).ok())
                        .unwrap_or(0);
                    *(if argument >> 31 == 1 {
                        &mut self.writes
                    } else {
                        &mut self.reads
                    }) += 1;
                }
                _ => {}
            }
        }
    }
}

fn word<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    text.split_whitespace()
        .find_map(|word| word.strip_prefix(prefix))
}

/// A recording that runs.
pub(crate) struct Recording(());

impl Recording {
    /// Starts to record with an empty buffer.
    pub(crate) fn start() -> Result<Self> {
        write("tracing_on", "0")?;
        write("buffer_size_kb", BUFFER)?;
        empty()?;
        for event in EVENTS {
            // The events of a module that is not loaded do not exist; then nothing of it happens either.
            if path(&format!("events/{event}")).exists() {
                write(&format!("events/{event}/enable"), "1")?;
            }
        }
        write("tracing_on", "1")?;
        Ok(Self(()))
    }

    /// Ends it and counts.
    pub(crate) fn finish(self) -> Result<Counts> {
        write("tracing_on", "0")?;
        let mut counts = Counts::default();
        let file = fs::File::open(path("trace")).context("cannot read the trace")?;
        for line in BufReader::with_capacity(1 << 16, file).split(b'\n') {
            counts.add(&String::from_utf8_lossy(&line?));
        }
        for entry in fs::read_dir(path("per_cpu"))?.flatten() {
            let stats = fs::read_to_string(entry.path().join("stats"))?;
            counts.lost += stats
                .lines()
                .filter_map(|line| line.strip_prefix("overrun: "))
                .filter_map(|number| number.trim().parse::<u64>().ok())
                .sum::<u64>();
        }
        empty()?;
        Ok(counts)
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

fn write(name: &str, text: &str) -> Result<()> {
    fs::write(path(name), text).with_context(|| format!("tracefs: {name}"))
}

/// Opening the file for truncation empties the buffer.
fn empty() -> Result<()> {
    OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(path("trace"))
        .map(drop)
        .context("tracefs: trace")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasklets_are_told_apart_by_address_and_work_by_function() {
        let text = "# tracer: nop\n\
          iperf3-77    [000] ..s1.     9.120: tasklet_entry: tasklet=0x6105a0c8 function=ieee80211_tasklet_handler\n\
          iperf3-77    [000] ..s1.     9.121: tasklet_entry: tasklet=0x6105a0c8 function=ieee80211_tasklet_handler\n\
          iperf3-77    [000] ..s1.     9.122: tasklet_entry: tasklet=0x61000000 function=ieee80211_tasklet_handler\n\
          kworker/0:1-9 [000] ..... 9.200: workqueue_execute_start: work struct 0000000012345678: function cfg80211_wiphy_work\n";
        let text = format!(
            "{text}bes2600-61 [000] ..... 9.300: mmc_request_start: mmc0: start struct mmc_request[0000000012345678]: cmd_opcode=53 cmd_arg=0x9c000010 cmd_flags=0x1b5 cmd_retries=0 stop_opcode=0\n\
             bes2600-61 [000] ..... 9.300: mmc_request_start: mmc0: start struct mmc_request[0000000012345678]: cmd_opcode=53 cmd_arg=0x1c000010 cmd_flags=0x1b5\n\
             bes2600-61 [000] ..... 9.300: mmc_request_start: mmc0: start struct mmc_request[0000000012345678]: cmd_opcode=52 cmd_arg=0x80000000 cmd_flags=0x195\n"
        );
        let mut counts = Counts::default();
        text.lines().for_each(|line| counts.add(line));
        assert_eq!(counts.tasklets.get(&0x6105_a0c8), Some(&2));
        assert_eq!(counts.tasklets.len(), 2);
        let known = BTreeSet::from([0x6100_0100]);
        assert_eq!(counts.tasklets_without(&known), 2);
        assert_eq!((counts.cmd52, counts.reads, counts.writes), (1, 1, 1));
        assert_eq!(counts.all_work(), 1);
        let once = counts.clone();
        counts.join(&once);
        assert_eq!((counts.commands(), counts.all_work()), (6, 2));
        assert_eq!(counts.busiest(3), [("cfg80211_wiphy_work".to_owned(), 2)]);
    }
}
