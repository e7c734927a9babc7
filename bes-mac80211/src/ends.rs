//! Who ends something waits for a second at most.
//!
//! A stack that leaves a network, takes an interface down or switches off holds its locks meanwhile. A chip in good health
//! answers within milliseconds; one that has died takes six seconds to be given up, a dead bus even longer (file 31, C35:
//! 6 to 12 s under the locks of mac80211; file 50, section 1, row 4: minutes). So the caller is answered when its time is
//! over, with [`RequestError::TimedOut`](crate::error::RequestError::TimedOut); what it asked for goes on, and ends with the
//! chip or with its recovery.

use crate::request::Token;
use bes_hal::time::earliest;
use bes_hal::{Duration, Instant};

/// How long a caller waits.
const LIMIT: Duration = Duration::from_millis(900);

/// Callers that can be told apart. One more waits as long as it takes.
const CALLERS: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    token: Token,
    /// `None`: was told that its time is over.
    until: Option<Instant>,
}

/// Requests that end something, and are not over.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    entries: [Option<End>; CALLERS],
}

impl Ends {
    /// A request came.
    pub(crate) fn begin(&mut self, token: Token, now: Instant) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.is_none()) {
            *entry = Some(End {
                token,
                until: Some(now.after(LIMIT)),
            });
        }
    }

    /// A request is over. `true` if its caller is still to be told.
    pub(crate) fn finish(&mut self, token: Token) -> bool {
        let entry = self
            .entries
            .iter_mut()
            .find(|entry| entry.is_some_and(|end| end.token == token));
        entry
            .and_then(Option::take)
            .is_none_or(|end| end.until.is_some())
    }

    /// One whose time is over, once.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Token> {
        let mut due = self.entries.iter_mut().flatten();
        let end = due.find(|end| end.until.is_some_and(|until| until.is_due(now)))?;
        end.until = None;
        Some(end.token)
    }

    /// When the time of one is over.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let entries = self.entries.iter().flatten();
        entries.fold(None, |deadline, end| earliest(deadline, end.until))
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    #[test]
    fn every_caller_is_told_exactly_once() {
        let mut ends = Ends::default();
        let start = Instant::ZERO;
        assert!(ends.finish(Token(9)), "nobody's end");
        ends.begin(Token(1), start);
        ends.begin(Token(2), start.after(Duration::from_millis(1)));
        assert_eq!(ends.next_deadline(), Some(start.after(LIMIT)));
        // In time.
        assert!(ends.finish(Token(1)));
        assert_eq!(ends.poll(start.after(LIMIT)), None);
        // Too late.
        let late = start.after(Duration::from_secs(1));
        assert_eq!(ends.poll(late), Some(Token(2)));
        assert_eq!(ends.poll(late), None);
        assert_eq!(ends.next_deadline(), None);
        assert!(!ends.finish(Token(2)));
        assert!(ends.finish(Token(2)), "another request of that name");
    }

    #[test]
    fn one_caller_too_many_waits_as_long_as_it_takes() {
        let mut ends = Ends::default();
        for number in 0..9 {
            ends.begin(Token(number), Instant::ZERO);
        }
        let mut told = 0;
        while ends.poll(Instant::ZERO.after(LIMIT)).is_some() {
            told += 1;
        }
        assert_eq!(told, CALLERS);
        assert!(ends.finish(Token(8)));
    }
}
