//! Reads a core dump back and says what somebody can make of it.
//!
//! The dump is the driver's text (`bes_mac80211::dump`): from `soak --core-dump`, from `/sys/class/devcoredump`, or from the
//! `dump` file in debugfs. It may be cut, edited or damaged on its way here, so nothing in it is relied upon: what cannot be
//! read is left out and counted.

use anyhow::{bail, ensure, Context, Result};
use serde::Serialize;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Most bytes that are read; a dump has 16 KiB at most.
const LIMIT: usize = 1 << 20;

/// First line of a dump, before the version of its format.
const TITLE: &str = "bes2600 core dump ";

/// Version of the format that is read here.
const VERSION: &str = "1";

/// Names of R0 to R15.
const REGISTERS: [&str; 16] = [
    "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "sp", "lr",
    "pc",
];

/// Options of the command.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The core dump: a copy of /sys/class/devcoredump/devcd*/data or of dump in debugfs, or what `soak` wrote.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How many of the last messages to show.
    #[arg(long, default_value_t = 12, value_name = "COUNT")]
    messages: usize,
    /// Print one JSON object instead of the text.
    #[arg(long)]
    json: bool,
}

/// What a dump says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Digest {
    /// Seconds since the device was made, as the dump writes them.
    pub time: String,
    /// State of the device.
    pub device: String,
    /// What failed.
    pub reason: String,
    /// What was done about it: a rung of the recovery ladder.
    pub rung: String,
    /// The firmware's own report, if it made one.
    pub exception: Option<Exception>,
    /// Failures since the device was made.
    pub incidents: u32,
    /// Rungs that were tried, as the ladder counts them.
    pub ladder: Vec<String>,
    /// What was wrong with the throughput.
    pub diagnosis: Vec<String>,
    /// Interfaces, keys, scan.
    pub interfaces: Vec<String>,
    /// What keeps the chip awake.
    pub awake: Vec<String>,
    /// The chip's input buffers.
    pub credits: Option<Credits>,
    /// Frames that wait, by queue.
    pub waiting: Vec<String>,
    /// Frames inside the chip.
    pub in_flight: usize,
    /// Age of the oldest of them, in microseconds.
    pub oldest_micros: Option<u64>,
    /// Anomalies with their counts.
    pub anomalies: Vec<String>,
    /// The last command, if no confirm for it is there.
    pub unanswered: Option<String>,
    /// Confirms that were no success.
    pub refused: Vec<String>,
    /// The last messages that were not frames, oldest first.
    pub messages: Vec<String>,
    /// The dump was too long for its memory, or its end is missing.
    pub cut: bool,
    /// Lines that could not be read.
    pub unreadable: usize,
}

/// How the firmware ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exception {
    /// What happened: kind, program counter, text and line of an assertion.
    pub what: String,
    /// Registers by name, as far as they are there.
    pub registers: Vec<(String, u32)>,
}

/// The chip's input buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Credits {
    /// Held by frames and commands.
    pub held: u32,
    /// All of them.
    pub of: u32,
    /// Neither free nor held.
    pub leaked: u32,
}

impl Digest {
    /// Reads a dump.
    ///
    /// # Errors
    ///
    /// If it is none, or one of another version.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.lines();
        let version = lines
            .next()
            .and_then(|line| line.strip_prefix(TITLE))
            .context("this is no core dump of the driver: its first line is missing")?
            .trim();
        ensure!(
            version == VERSION,
            "core dump of version {}, and this program reads {VERSION}",
            version.escape_debug().take(20).collect::<String>()
        );
        let mut digest = Self::default();
        let mut section = "";
        let mut sections = 0;
        for line in lines {
            if line == "[cut]" {
                digest.cut = true;
            } else if let Some(name) = line
                .strip_prefix('[')
                .and_then(|line| line.strip_suffix(']'))
            {
                section = name;
                sections += 1;
            } else if !line.trim().is_empty() && !digest.take(section, line) {
                digest.unreadable += 1;
            }
        }
        ensure!(
            sections > 0,
            "this core dump ends after its first line: nothing is in it"
        );
        // The messages are the last section of every dump.
        digest.cut |= section != "messages";
        digest.judge_messages();
        Ok(digest)
    }

    /// Takes a line of a section; says whether it could be read.
    fn take(&mut self, section: &str, line: &str) -> bool {
        match section {
            "failure" => self.take_failure(line),
            "recovery" => self.take_recovery(line),
            "exception" => self.take_exception(line),
            "queues" => self.take_queue(line),
            "diagnosis" => keep(&mut self.diagnosis, line),
            "interfaces" => keep(&mut self.interfaces, line),
            "power" => keep(
                &mut self.awake,
                line.strip_prefix("awake for ").unwrap_or(line),
            ),
            // Moments of single anomalies are in the dump; the digest has the counts.
            "anomalies" if line.starts_with(' ') => keep(&mut self.anomalies, line.trim()),
            "messages" => keep(&mut self.messages, line),
            "anomalies" | "counters" => true,
            _ => false,
        }
    }

    fn take_failure(&mut self, line: &str) -> bool {
        let Some((name, value)) = line.split_once(' ') else {
            return false;
        };
        let place = match name {
            "time" => &mut self.time,
            "device" => &mut self.device,
            "reason" => &mut self.reason,
            "rung" => &mut self.rung,
            _ => return false,
        };
        *place = value.to_owned();
        true
    }

    fn take_recovery(&mut self, line: &str) -> bool {
        if let Some(count) = line.strip_prefix("incidents ") {
            return count.parse().map(|count| self.incidents = count).is_ok();
        }
        // "retry            0 tried, 0 of them asked for, 0 left out"
        let numbers: Vec<u32> = line
            .split([' ', ',', ';'])
            .filter_map(|word| word.parse().ok())
            .take(3)
            .collect();
        match numbers[..] {
            [0, _, 0] => true,
            [_, _, _] => keep(&mut self.ladder, line),
            _ => false,
        }
    }

    fn take_exception(&mut self, line: &str) -> bool {
        let exception = self.exception.get_or_insert_with(Exception::default);
        if let Some(rest) = line.strip_prefix("at ") {
            exception.what = rest
                .split_once(": ")
                .map_or(rest, |(_, what)| what)
                .to_owned();
            return true;
        }
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        let hexadecimal = |word: &str| u32::from_str_radix(word, 16).ok();
        if first == "cpsr" {
            let mut name = Some(first);
            while let (Some(register), Some(word)) = (name, words.next()) {
                let Some(value) = hexadecimal(word) else {
                    return false;
                };
                exception.registers.push((register.to_owned(), value));
                name = words.next();
            }
            return true;
        }
        let Some(number) = first
            .strip_prefix('r')
            .and_then(|number| number.parse::<usize>().ok())
        else {
            // A report that was none says so in a sentence.
            exception.what = line.to_owned();
            return true;
        };
        let names = REGISTERS.iter().skip(number).take(4);
        for (name, word) in names.zip(words) {
            let Some(value) = hexadecimal(word) else {
                return false;
            };
            exception.registers.push(((*name).to_owned(), value));
        }
        true
    }

    fn take_queue(&mut self, line: &str) -> bool {
        if let Some(credits) = line.strip_prefix("credits ") {
            let numbers: Vec<u32> = credits
                .split([' ', ','])
                .filter_map(|word| word.parse().ok())
                .collect();
            let [held, of, leaked] = numbers[..] else {
                return false;
            };
            self.credits = Some(Credits { held, of, leaked });
            return true;
        }
        let Some((packet, rest)) = line.split_once(": ") else {
            return false;
        };
        if !packet.starts_with("0x") {
            return keep(&mut self.waiting, line);
        }
        let Some(age) = rest
            .split(' ')
            .next()
            .and_then(|age| age.parse::<u64>().ok())
        else {
            return false;
        };
        self.in_flight += 1;
        self.oldest_micros = self.oldest_micros.max(Some(age));
        true
    }

    /// Which command had no answer, and which had a bad one.
    fn judge_messages(&mut self) {
        for line in &self.messages {
            if line.contains(" -> ") {
                self.unanswered = Some(line.clone());
            } else if line.contains(" confirm") {
                self.unanswered = None;
                let said = line.split_once(" confirm").map_or("", |(_, said)| said);
                if said.starts_with(':') && !said.contains("success") {
                    self.refused.push(line.clone());
                }
            }
        }
    }

    /// What somebody can do about it, in sentences.
    pub fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        if let Some(exception) = &self.exception {
            advice.push(format!(
                "The chip's firmware crashed by itself ({}). Report it to whoever made the firmware, with this dump and the \
                 messages at its end.",
                exception.what
            ));
        }
        if let Some(command) = &self.unanswered {
            advice.push(format!(
                "The chip did not answer its last command: {command}"
            ));
        }
        if let Some(credits) = self.credits.filter(|credits| credits.leaked > 0) {
            advice.push(format!(
                "{} input buffers of the chip are neither free nor held: a fault of the driver; report it.",
                credits.leaked
            ));
        }
        let second = 1_000_000;
        if self.oldest_micros > Some(second) {
            advice.push(String::from(
                "Frames were inside the chip for more than a second: it had stopped to send.",
            ));
        }
        for line in self.diagnosis.iter().filter(|line| !line.starts_with("0:")) {
            advice.push(format!("Throughput was bad before: {line}"));
        }
        advice.extend(rung_says(&self.rung).map(str::to_owned));
        advice
    }
}

/// What a rung means for a user (`bes_mac80211::recovery`).
fn rung_says(rung: &str) -> Option<&'static str> {
    Some(match rung {
        "retry" => "The driver repeated a transfer; the connection was kept.",
        "abort" => "The driver aborted a transfer and repeated it; the connection was kept.",
        "interface-reset" => "The driver reset the interface; the connection was made anew.",
        "wifi-restart" => "The driver restarted the Wi-Fi part of the chip; nothing has to be done.",
        "card-reset" => {
            "The driver switched the chip off and downloaded its firmware again; Bluetooth was off meanwhile."
        }
        "stack-restart" => "The driver had everything set up anew; nothing has to be done.",
        "give-up" => {
            "The driver gave the chip up: check that the card is there and its firmware files are installed, then set the \
             interface up again."
        }
        _ => return None,
    })
}

/// Keeps a line.
fn keep(lines: &mut Vec<String>, line: &str) -> bool {
    lines.push(line.to_owned());
    true
}

/// A line as it may go to a terminal: control characters of a damaged dump are shown, not obeyed.
struct Safe<'a>(&'a str);

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

fn block(f: &mut fmt::Formatter<'_>, title: &str, lines: &[String]) -> fmt::Result {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(f, "{title}")?;
    for line in lines {
        writeln!(f, "  {}", Safe(line))?;
    }
    Ok(())
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_unknown = |text: &str| {
            let text = if text.is_empty() { "(missing)" } else { text };
            Safe(text).to_string()
        };
        writeln!(f, "failed     at {} s", or_unknown(&self.time))?;
        writeln!(f, "reason     {}", or_unknown(&self.reason))?;
        writeln!(f, "device     {}", or_unknown(&self.device))?;
        let rung = or_unknown(&self.rung);
        writeln!(f, "done       {rung} (incident {})", self.incidents)?;
        if let Some(exception) = &self.exception {
            writeln!(f, "exception  {}", or_unknown(&exception.what))?;
            for four in exception.registers.chunks(4) {
                write!(f, "          ")?;
                for (name, value) in four {
                    write!(f, " {:>4} {value:08x}", Safe(name).to_string())?;
                }
                writeln!(f)?;
            }
        }
        match self.credits {
            Some(Credits { held, of, leaked }) => {
                writeln!(f, "credits    {held} of {of} held, {leaked} leaked")?;
            }
            None => writeln!(f, "credits    (missing)")?,
        }
        write!(f, "in flight  {} frames", self.in_flight)?;
        if let Some(oldest) = self.oldest_micros {
            write!(f, ", the oldest for {oldest} us")?;
        }
        writeln!(f)?;
        block(f, "queues", &self.waiting)?;
        block(f, "interfaces", &self.interfaces)?;
        block(f, "awake for", &self.awake)?;
        block(f, "ladder", &self.ladder)?;
        block(f, "diagnosis", &self.diagnosis)?;
        block(f, "anomalies", &self.anomalies)?;
        block(f, "refused by the chip", &self.refused)?;
        block(f, "last messages", &self.messages)?;
        if self.cut {
            writeln!(f, "The dump is cut: its end is missing.")?;
        }
        if self.unreadable > 0 {
            writeln!(f, "{} lines of it could not be read.", self.unreadable)?;
        }
        block(f, "what to make of it", &self.advice())
    }
}

/// The bytes of a dump, as far as they are of a reasonable size.
fn load(path: &Path) -> Result<Vec<u8>> {
    let sentence = || format!("cannot read {}", path.display());
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .with_context(sentence)?
        .take(LIMIT as u64 + 1)
        .read_to_end(&mut bytes)
        .with_context(sentence)?;
    if bytes.len() > LIMIT {
        bail!(
            "{} is no core dump: it is larger than 1 MiB",
            path.display()
        );
    }
    Ok(bytes)
}

/// Runs the command.
///
/// # Errors
///
/// When the file cannot be read or is no core dump.
pub fn run(options: &Options) -> Result<bool> {
    let bytes = load(&options.file)?;
    let mut digest = Digest::read(&bytes).with_context(|| format!("{}", options.file.display()))?;
    let surplus = digest.messages.len().saturating_sub(options.messages);
    digest.messages.drain(..surplus);
    if options.json {
        println!("{}", serde_json::to_string_pretty(&digest)?);
    } else {
        print!("{digest}");
    }
    Ok(true)
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
