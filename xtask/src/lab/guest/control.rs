//! The control sockets of `hostapd` and `wpa_supplicant`: requests, answers, and events as they happen. No program has
//! to be started for a question, and an event is seen when it happens.

use anyhow::{bail, Context, Result};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A connection to one of them, attached to its events.
pub(crate) struct Control {
    socket: UnixDatagram,
    own: String,
    events: Vec<String>,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Control {
    /// Connects to a socket that appears within `limit`.
    pub(crate) fn open(path: &str, limit: Duration) -> Result<Self> {
        super::process::until(&format!("control socket {path}"), limit, || {
            Ok(Path::new(path).exists().then_some(()))
        })?;
        let own = format!(
            "/run/lab-control-{}",
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let socket = UnixDatagram::bind(&own)?;
        super::process::until(&format!("control socket {path}"), limit, || {
            Ok(socket.connect(path).ok())
        })?;
        let mut control = Self {
            socket,
            own,
            events: Vec::new(),
        };
        control.expect_ok("ATTACH")?;
        Ok(control)
    }

    /// Asks, and returns the answer.
    pub(crate) fn request(&mut self, text: &str) -> Result<String> {
        self.socket
            .send(text.as_bytes())
            .with_context(|| format!("cannot send {text}"))?;
        let deadline = Instant::now() + super::network::SHORT;
        loop {
            match self.receive(deadline)? {
                Some(message) if message.starts_with('<') => self.events.push(message),
                Some(message) => return Ok(message),
                None => bail!("no answer to {text}"),
            }
        }
    }

    /// Asks for something that is answered with OK.
    pub(crate) fn expect_ok(&mut self, text: &str) -> Result<()> {
        let answer = self.request(text)?;
        if answer.trim() != "OK" {
            bail!("{text}: {}", answer.trim());
        }
        Ok(())
    }

    /// Waits for an event that contains one of the words, and returns its text. Events before it are dropped.
    pub(crate) fn event(&mut self, words: &[&str], limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        let mut seen = Vec::new();
        loop {
            let message = if self.events.is_empty() {
                self.receive(deadline)?
            } else {
                Some(self.events.remove(0))
            };
            match message {
                Some(message) if words.iter().any(|word| message.contains(word)) => {
                    return Ok(message);
                }
                Some(message) => seen.push(message),
                None => {
                    let from = seen.len().saturating_sub(4);
                    bail!(
                        "no {} within {} s; events before: {}",
                        words.join(" or "),
                        limit.as_secs_f64(),
                        seen[from..].join(" / ")
                    );
                }
            }
        }
    }

    /// How many of the events so far contain the word. None is forgotten.
    pub(crate) fn count(&mut self, word: &str) -> Result<usize> {
        while let Some(message) = self.receive(Instant::now())? {
            self.events.push(message);
        }
        let contain = |message: &&String| message.contains(word);
        Ok(self.events.iter().filter(contain).count())
    }

    /// Whether one of the events so far contains the word. They are forgotten.
    pub(crate) fn seen(&mut self, word: &str) -> Result<bool> {
        let seen = self.count(word)? > 0;
        self.events.clear();
        Ok(seen)
    }

    /// Forgets the events so far.
    pub(crate) fn forget(&mut self) -> Result<()> {
        self.events.clear();
        while self.receive(Instant::now())?.is_some() {}
        Ok(())
    }

    fn receive(&mut self, deadline: Instant) -> Result<Option<String>> {
        let left = deadline.saturating_duration_since(Instant::now());
        // Zero would mean: for ever.
        self.socket
            .set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let mut buffer = vec![0; 8192];
        match self.socket.recv(&mut buffer) {
            Ok(length) => Ok(Some(
                String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned(),
            )),
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock
                        | std::io::ErrorKind::TimedOut
                        | std::io::ErrorKind::Interrupted
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error).context("control socket"),
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.own);
    }
}
