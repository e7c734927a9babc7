//! What the emulator says when it ends: what happened, and where the time went.

use super::ether::EtherCounters;
use super::hub::Sent;
use super::slot::Slot;
use mock_hal::Statistics;
use serde::Serialize;
use std::time::Duration;

/// Where the time of a card's thread went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shares {
    /// Exchanges with the host.
    pub exchanges: u64,
    /// Of these: those that brought nothing.
    pub idle_exchanges: u64,
    /// Of these: those whose answer came too late.
    pub refused: u64,
    /// Commands carried out.
    pub commands: u64,
    /// Of these: until the first burst of the firmware, for the most part the download.
    pub boot_commands: Option<u64>,
    /// Time in the emulated chip.
    pub chip: Duration,
    /// Time handing frames to the kernel.
    pub medium: Duration,
    /// Time answers were held for the bus model.
    pub held: Duration,
    /// Time in exchanges: waiting, and the host's own work.
    pub waiting: Duration,
}

/// Where the time of the medium's thread went.
#[derive(Clone, Copy, Debug, Default)]
pub struct MediumShares {
    /// Waits.
    pub polls: u64,
    /// Calls that took frames.
    pub receives: u64,
    /// Datagrams taken.
    pub datagrams: u64,
    /// Time at work: taking frames, chips, sending.
    pub working: Duration,
    /// Time waiting.
    pub waiting: Duration,
}

/// What one card did.
#[derive(Clone, Debug, Serialize)]
pub struct CardReport {
    /// Number of its slot.
    pub card: usize,
    /// CMD52 reads.
    pub cmd52_reads: u64,
    /// CMD52 writes.
    pub cmd52_writes: u64,
    /// CMD53 reads.
    pub cmd53_reads: u64,
    /// CMD53 writes.
    pub cmd53_writes: u64,
    /// Bytes of CMD53 reads.
    pub bytes_read: u64,
    /// Bytes of CMD53 writes.
    pub bytes_written: u64,
    /// Messages of the chip in bursts, frames for the most part.
    pub messages_up: u64,
    /// Messages of the host.
    pub messages_down: u64,
    /// Bursts of the chip.
    pub bursts: u64,
    /// Transfers of the host.
    pub transfers: u64,
    /// Frames the chip sent, each attempt counted.
    pub frames_sent: u64,
    /// Frames the chip heard.
    pub frames_heard: u64,
    /// Commands until the first burst of the firmware, for the most part the download.
    pub boot_commands: u64,
    /// Commands after that, per frame sent or heard.
    pub commands_per_frame: f64,
    /// Commands after that, per message in either direction.
    pub commands_per_message: f64,
    /// Messages per burst of the chip.
    pub messages_per_burst: f64,
    /// Messages per transfer of the host.
    pub messages_per_transfer: f64,
    /// Rising edges of the interrupt.
    pub interrupts: u64,
    /// Times the host woke the chip with its line.
    pub wake_ups: u64,
    /// Times the chip fell asleep.
    pub sleeps: u64,
    /// What the driver did against the specification.
    pub violations: u64,
    /// The first of these, in words.
    pub violation_texts: Vec<String>,
    /// Exchanges with the host, one system call each.
    pub exchanges: u64,
    /// Exchanges that brought nothing.
    pub idle_exchanges: u64,
    /// Answers that came too late.
    pub refused_answers: u64,
    /// Shares of the thread's time, together 1.
    pub time: TimeShares,
}

/// Shares of a thread's time.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct TimeShares {
    /// In the emulated chip.
    pub chip: f64,
    /// Handing frames to the kernel, or taking them.
    pub medium: f64,
    /// Holding answers for the bus model.
    pub held: f64,
    /// Waiting for the host.
    pub waiting: f64,
}

/// What the medium did.
#[derive(Clone, Debug, Serialize)]
pub struct MediumReport {
    /// Radios of the kernel.
    pub radios: usize,
    /// Frames.
    #[serde(flatten)]
    pub frames: EtherCounters,
    /// Messages to the kernel.
    pub messages_out: u64,
    /// System calls that took.
    pub calls_out: u64,
    /// Datagrams of the kernel.
    pub datagrams_in: u64,
    /// System calls that took, waits not counted.
    pub calls_in: u64,
    /// Waits of the medium's thread.
    pub waits: u64,
    /// Share of the time the medium's thread worked.
    pub working: f64,
}

/// What the emulator did.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// From the start to the end.
    pub seconds: f64,
    /// Each card.
    pub cards: Vec<CardReport>,
    /// The medium.
    pub medium: MediumReport,
}

fn share(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() {
        0.0
    } else {
        part.as_secs_f64() / whole.as_secs_f64()
    }
}

fn ratio(count: u64, per: u64) -> f64 {
    if per == 0 {
        0.0
    } else {
        count as f64 / per as f64
    }
}

/// Violations that are told in words.
const TEXTS: usize = 10;

impl CardReport {
    /// What a card did; `frames` are those its chip sent and heard.
    pub fn new(slot: &Slot, shares: &Shares, frames: (u64, u64)) -> Self {
        let statistics: Statistics = slot.handle.statistics();
        let mut texts = slot.handle.all_violations();
        let bus = slot.handle.violation_count();
        let firmware = slot
            .handle
            .with(|world| world.chip().firmware().violations().len() as u64);
        texts.truncate(TEXTS);
        let whole = shares.chip + shares.medium + shares.held + shares.waiting;
        let messages = statistics.messages_up + statistics.messages_down;
        let boot = shares.boot_commands.unwrap_or(shares.commands);
        let commands = shares.commands - boot;
        let (frames_sent, frames_heard) = frames;
        Self {
            card: slot.place,
            frames_sent,
            frames_heard,
            boot_commands: boot,
            commands_per_frame: ratio(commands, frames_sent + frames_heard),
            cmd52_reads: statistics.register_reads,
            cmd52_writes: statistics.register_writes,
            cmd53_reads: statistics.data_reads,
            cmd53_writes: statistics.data_writes,
            bytes_read: statistics.bytes_read,
            bytes_written: statistics.bytes_written,
            messages_up: statistics.messages_up,
            messages_down: statistics.messages_down,
            bursts: statistics.bursts,
            transfers: statistics.transfers,
            commands_per_message: ratio(commands, messages),
            messages_per_burst: ratio(statistics.messages_up, statistics.bursts),
            messages_per_transfer: ratio(statistics.messages_down, statistics.transfers),
            interrupts: statistics.interrupts,
            wake_ups: statistics.wake_line_asserted,
            sleeps: statistics.sleeps,
            violations: bus + firmware,
            violation_texts: texts,
            exchanges: shares.exchanges,
            idle_exchanges: shares.idle_exchanges,
            refused_answers: shares.refused,
            time: TimeShares {
                chip: share(shares.chip, whole),
                medium: share(shares.medium, whole),
                held: share(shares.held, whole),
                waiting: share(shares.waiting, whole),
            },
        }
    }
}

impl MediumReport {
    /// What the medium did.
    pub fn new(radios: usize, frames: EtherCounters, sent: Sent, shares: &MediumShares) -> Self {
        Self {
            radios,
            frames,
            messages_out: sent.messages,
            calls_out: sent.calls,
            datagrams_in: shares.datagrams,
            calls_in: shares.receives,
            waits: shares.polls,
            working: share(shares.working, shares.working + shares.waiting),
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for card in &self.cards {
            writeln!(
                f,
                "card {}: {} CMD52, {} CMD53, {:.3} commands per frame, {:.1} messages per burst up, {:.1} down, {} \
                 violations",
                card.card,
                card.cmd52_reads + card.cmd52_writes,
                card.cmd53_reads + card.cmd53_writes,
                card.commands_per_frame,
                card.messages_per_burst,
                card.messages_per_transfer,
                card.violations
            )?;
            for text in &card.violation_texts {
                writeln!(f, "  {text}")?;
            }
            let time = &card.time;
            writeln!(
                f,
                "  time: chip {:.1} %, medium {:.1} %, held {:.1} %, waiting {:.1} %",
                time.chip * 100.0,
                time.medium * 100.0,
                time.held * 100.0,
                time.waiting * 100.0
            )?;
        }
        let medium = &self.medium;
        let frames = &medium.frames;
        write!(
            f,
            "medium: {} radios, {} frames from them ({} acknowledged, {} failed), {} from chips ({} acknowledged, {} \
             failed), {} system calls out, {} in, {:.1} s",
            medium.radios,
            frames.from_radios,
            frames.from_radios_acked,
            frames.from_radios_failed,
            frames.from_chips,
            frames.from_chips_acked,
            frames.from_chips_failed,
            medium.calls_out,
            medium.calls_in,
            self.seconds
        )
    }
}
