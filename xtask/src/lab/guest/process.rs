//! Programs that run in the guest. Every one has a deadline.

use super::system::{OUT, SCRATCH};
use anyhow::{bail, Context, Result};
use rustix::process::{kill_process, Pid, Signal};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// What a program said before it ended well.
pub(crate) struct Output {
    /// Its standard output.
    pub(crate) out: String,
    /// How long it ran.
    pub(crate) time: Duration,
}

/// What a program said, however it ended.
pub(crate) struct Ending {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// Its standard output.
    pub(crate) out: String,
    /// Its standard error.
    pub(crate) error: String,
    /// How long it ran.
    pub(crate) time: Duration,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A command of words that are separated by blanks.
pub(crate) fn words(text: &str) -> Command {
    let mut words = text.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("true"));
    command.args(words);
    command
}

/// Runs a program to its end; an error if it fails or takes longer than `limit`.
pub(crate) fn run(text: &str, limit: Duration) -> Result<Output> {
    let ending = attempt(text, limit)?;
    if !ending.status.success() {
        bail!(
            "`{text}`: {}: {}",
            ending.status,
            last_lines(&ending.error, &ending.out)
        );
    }
    Ok(Output {
        out: ending.out,
        time: ending.time,
    })
}

/// Runs a program to its end, which may be a failure; an error only if it takes longer than `limit`.
pub(crate) fn attempt(text: &str, limit: Duration) -> Result<Ending> {
    attempt_command(words(text), text, limit)
}

/// The same for a command that is not only words.
pub(crate) fn attempt_command(mut command: Command, text: &str, limit: Duration) -> Result<Ending> {
    // Files rather than pipes: nobody has to read while the program runs, and system calls are dear in a guest.
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = |what: &str| format!("{SCRATCH}/{number}.{what}");
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(path("out"))?)
        .stderr(File::create(path("err"))?)
        .spawn()
        .with_context(|| format!("cannot run `{text}`"))?;
    let status = wait(&mut child, limit)?;
    let time = start.elapsed();
    if status.is_none() {
        // A process that waits inside the kernel does not end; nobody waits for it.
        let _ = child.kill();
    }
    let take = |what: &str| -> String {
        let text = fs::read(path(what)).unwrap_or_default();
        let _ = fs::remove_file(path(what));
        String::from_utf8_lossy(&text).into_owned()
    };
    let (out, error) = (take("out"), take("err"));
    note(&format!(
        "$ {text}\n{out}{error}-> {} after {:.3} s\n",
        status.map_or("killed".to_owned(), |status| status.to_string()),
        time.as_secs_f64()
    ));
    let Some(status) = status else {
        bail!("`{text}` did not end within {} s", limit.as_secs_f64());
    };
    Ok(Ending {
        status,
        out,
        error,
        time,
    })
}

/// Waits for the end of a program; `None` when it takes longer than `limit`.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() >= limit {
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

fn last_lines(error: &str, out: &str) -> String {
    let text = if error.trim().is_empty() { out } else { error };
    let lines: Vec<_> = text.trim().lines().collect();
    let from = lines.len().saturating_sub(4);
    lines[from..].join(" / ")
}

/// Adds to the log of commands.
pub(crate) fn note(text: &str) {
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(Path::new(OUT).join("commands.log"))
        .and_then(|mut file| file.write_all(text.as_bytes()));
    if let Err(error) = written {
        eprintln!("cannot write commands.log: {error}");
    }
}

/// A program that runs until it is told to stop. Its output goes to a file of the logs.
pub(crate) struct Daemon {
    child: Child,
    name: String,
    log: String,
    /// Where its own words begin: a program of the same name may have run before.
    start: usize,
}

impl Daemon {
    /// Starts a program; its log is `NAME.log`.
    pub(crate) fn start(name: &str, text: &str) -> Result<Self> {
        note(&format!("$ {text} &\n"));
        let log = format!("{OUT}/{name}.log");
        let start = fs::read(&log).map_or(0, |bytes| bytes.len());
        let file = OpenOptions::new().create(true).append(true).open(&log)?;
        let child = words(text)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot run `{text}`"))?;
        Ok(Self {
            child,
            name: name.to_owned(),
            log,
            start,
        })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// An error if it has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "{} ended, {status}: {}",
                self.name,
                last_lines("", &self.text())
            );
        }
        Ok(())
    }

    /// What it said so far.
    pub(crate) fn text(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(bytes.get(self.start..).unwrap_or_default()).into_owned()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        wait(&mut self.child, limit)?
            .with_context(|| format!("{} did not end within {} s", self.name, limit.as_secs_f64()))
    }

    /// Asks it to end, and gives it `limit` for that.
    pub(crate) fn stop(mut self, limit: Duration) -> Result<ExitStatus> {
        self.terminate();
        let ended = self.wait(limit);
        if ended.is_err() {
            self.signal(Signal::KILL);
        }
        ended
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends it without a chance to tidy up.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL);
        self.wait(Duration::from_secs(10)).map(drop)
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(id) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(id, signal);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
        }
    }
}

/// Waits until something is there; an error that says what was missing after `limit`.
pub(crate) fn until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(found) = probe()? {
            return Ok(found);
        }
        if start.elapsed() >= limit {
            bail!("{what}: not within {} s", limit.as_secs_f64());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}
