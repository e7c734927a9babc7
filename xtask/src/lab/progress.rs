//! What the set-up says while it works: one line that changes on a terminal, a line now and then in a log.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often a log gets a line.
const LOG_PERIOD: Duration = Duration::from_secs(30);
/// How often a terminal's line changes.
const TERMINAL_PERIOD: Duration = Duration::from_millis(200);

/// One step of the set-up.
pub(crate) struct Progress {
    what: String,
    expected: Option<usize>,
    count: usize,
    start: Instant,
    shown: Option<Instant>,
    terminal: bool,
}

impl Progress {
    /// Begins a step; `expected` says about how many parts it has.
    pub(crate) fn start(what: impl Into<String>, expected: Option<usize>) -> Self {
        let mut progress = Self {
            what: what.into(),
            expected,
            count: 0,
            start: Instant::now(),
            shown: None,
            terminal: std::io::stderr().is_terminal(),
        };
        progress.show();
        progress
    }

    /// One more part is done.
    pub(crate) fn advance(&mut self) {
        self.count += 1;
        let period = if self.terminal {
            TERMINAL_PERIOD
        } else {
            LOG_PERIOD
        };
        if self.shown.is_none_or(|shown| shown.elapsed() >= period) {
            self.show();
        }
    }

    /// The step is done.
    pub(crate) fn finish(self) {
        let clear = if self.terminal { "\r\x1b[K" } else { "" };
        eprintln!(
            "{clear}lab: {}: done in {}",
            self.what,
            minutes(self.start.elapsed())
        );
    }

    fn show(&mut self) {
        self.shown = Some(Instant::now());
        let text = line(&self.what, self.count, self.expected, self.start.elapsed());
        let mut error = std::io::stderr().lock();
        // Nobody is hurt by a progress line that could not be written.
        let _ = if self.terminal {
            write!(error, "\r\x1b[Klab: {text}").and_then(|()| error.flush())
        } else {
            writeln!(error, "lab: {text}")
        };
    }
}

fn line(what: &str, count: usize, expected: Option<usize>, elapsed: Duration) -> String {
    let share = match (count, expected) {
        (0, _) => String::new(),
        (count, Some(expected)) if count <= expected => format!(" {count} of about {expected}"),
        (count, _) => format!(" {count}"),
    };
    format!("{what}{share} ({})", minutes(elapsed))
}

/// `3:07`.
pub(crate) fn minutes(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_and_how_long() {
        let time = Duration::from_secs(187);
        assert_eq!(
            line("kernel", 12, Some(700), time),
            "kernel 12 of about 700 (3:07)"
        );
        assert_eq!(line("kernel", 701, Some(700), time), "kernel 701 (3:07)");
        assert_eq!(line("source", 0, None, Duration::ZERO), "source (0:00)");
    }
}
