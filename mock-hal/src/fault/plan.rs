//! Which faults, and when.

use bes_hal::time::Instant;
use fastrand::Rng;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// CRC error.
    Crc,
    /// No response.
    Timeout,
    /// A transfer failed and its data was not moved.
    NotMoved,
    /// A transfer failed although its data was moved.
    Moved,
    /// An announcement that was consumed already is read again.
    Stale,
    /// A length of 0 that claims to be genuine.
    ZeroLength,
    /// A length of 0 that does not claim to be genuine.
    ZeroNotGenuine,
    /// An interrupt for nothing.
    SpuriousInterrupt,
    /// An interrupt that does not arrive.
    LostInterrupt,
    /// The card is pulled out.
    CardGone,
    /// An announcement of more than any burst may have.
    Oversized,
    /// A burst with wrong content.
    Damaged,
}

impl Fault {
    /// Every fault, in the order of the documentation.
    pub const ALL: [Self; 12] = [
        Self::Crc,
        Self::Timeout,
        Self::NotMoved,
        Self::Moved,
        Self::Stale,
        Self::ZeroLength,
        Self::ZeroNotGenuine,
        Self::SpuriousInterrupt,
        Self::LostInterrupt,
        Self::CardGone,
        Self::Oversized,
        Self::Damaged,
    ];

    /// Name on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc => "crc",
            Self::Timeout => "timeout",
            Self::NotMoved => "not-moved",
            Self::Moved => "moved",
            Self::Stale => "stale",
            Self::ZeroLength => "zero-length",
            Self::ZeroNotGenuine => "zero-not-genuine",
            Self::SpuriousInterrupt => "spurious-irq",
            Self::LostInterrupt => "lost-irq",
            Self::CardGone => "card-gone",
            Self::Oversized => "oversized",
            Self::Damaged => "damaged",
        }
    }

    /// One line for the help of a command line.
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::Crc => "a command ends in a CRC error (1 in 1000)",
            Self::Timeout => "the card does not answer a command (1 in 2000)",
            Self::NotMoved => "a transfer fails and its data was not moved (1 in 200)",
            Self::Moved => "a transfer fails although its data was moved (1 in 200)",
            Self::Stale => "the announcement already consumed is shown again (1 in 200)",
            Self::ZeroLength => "an announcement is hidden, and called genuine (1 in 200)",
            Self::ZeroNotGenuine => "an announcement is hidden, and not called genuine (1 in 200)",
            Self::SpuriousInterrupt => "the card interrupts for nothing (1 in 200 commands)",
            Self::LostInterrupt => "an interrupt does not arrive (1 in 200)",
            Self::CardGone => "the card is pulled out, once (after 100000 commands)",
            Self::Oversized => "an announcement says 127 blocks (1 in 10000)",
            Self::Damaged => "a burst has wrong content (1 in 10000)",
        }
    }

    /// When the fault strikes if a user only names it.
    pub const fn preset(self) -> When {
        match self {
            Self::Crc => When::Probability(0.001),
            Self::Timeout => When::Probability(0.000_5),
            Self::NotMoved
            | Self::Moved
            | Self::Stale
            | Self::ZeroLength
            | Self::ZeroNotGenuine
            | Self::SpuriousInterrupt
            | Self::LostInterrupt => When::Probability(0.005),
            Self::CardGone => When::Command(100_000),
            Self::Oversized | Self::Damaged => When::Probability(0.000_1),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no fault's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no fault is called \"{0}\"; there are {names}", names = Fault::ALL.map(Fault::name).join(", "))]
pub struct UnknownFault(pub String);

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, UnknownFault> {
        Self::ALL
            .into_iter()
            .find(|fault| fault.name() == name)
            .ok_or_else(|| UnknownFault(name.to_owned()))
    }
}

/// When a fault strikes. An opportunity is a command or moment at which the fault is possible.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// At each opportunity with this probability, 0 to 1.
    Probability(f64),
    /// Once, at this opportunity, counted from 0.
    Opportunity(u64),
    /// At every n-th opportunity.
    Every(u64),
    /// Once, at the first opportunity at or after this command, counted from 0.
    Command(u64),
    /// Once, at the first opportunity at or after this time.
    At(Instant),
    /// At each opportunity.
    Always,
}

/// One fault and when it strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// The fault.
    pub fault: Fault,
    /// When it strikes.
    pub when: When,
    /// Opportunities before this time do not count.
    pub from: Instant,
}

impl Rule {
    /// A rule without a start.
    pub const fn new(fault: Fault, when: When) -> Self {
        Self {
            fault,
            when,
            from: Instant::ZERO,
        }
    }
}

/// All rules and the seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub(super) seed: u64,
    pub(super) rules: Vec<Rule>,
}

impl Plan {
    /// A plan without faults.
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            rules: Vec::new(),
        }
    }

    /// The named faults with their presets, from `from` on.
    pub fn preset(seed: u64, faults: &[Fault], from: Instant) -> Self {
        Self {
            seed,
            rules: faults
                .iter()
                .map(|&fault| Rule {
                    fault,
                    when: fault.preset(),
                    from,
                })
                .collect(),
        }
    }

    /// The plan with one more rule.
    #[must_use]
    pub fn with(mut self, fault: Fault, when: When) -> Self {
        self.rules.push(Rule::new(fault, when));
        self
    }
}

/// A rule and how many opportunities it has had.
#[derive(Clone, Debug)]
pub(super) struct Armed {
    pub(super) rule: Rule,
    seen: u64,
    done: bool,
}

impl Armed {
    pub(super) fn new(rule: Rule) -> Self {
        Self {
            rule,
            seen: 0,
            done: false,
        }
    }

    /// Whether it strikes at this opportunity.
    pub(super) fn strikes(&mut self, command: u64, now: Instant, rng: &mut Rng) -> bool {
        if self.done || !self.rule.from.is_due(now) {
            return false;
        }
        let index = self.seen;
        self.seen += 1;
        let once = match self.rule.when {
            When::Always => return true,
            When::Probability(probability) => return rng.f64() < probability,
            When::Every(n) => return n != 0 && (index + 1) % n == 0,
            When::Opportunity(n) => index == n,
            When::Command(n) => command >= n,
            When::At(at) => at.is_due(now),
        };
        self.done = once;
        once
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(when: When, opportunities: u64) -> Vec<u64> {
        let mut armed = Armed::new(Rule::new(Fault::Crc, when));
        let mut rng = Rng::with_seed(1);
        (0..opportunities)
            .filter(|&index| armed.strikes(index, Instant::from_millis(index), &mut rng))
            .collect()
    }

    #[test]
    fn every_name_is_a_fault_and_back() {
        for fault in Fault::ALL {
            assert_eq!(fault.to_string().parse(), Ok(fault));
            assert!(!fault.explanation().is_empty());
        }
        let error = "crcc".parse::<Fault>().expect_err("no such fault");
        assert!(error.to_string().contains("spurious-irq"));
    }

    #[test]
    fn counts_index_the_faults_in_their_order() {
        for (index, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, index);
        }
    }

    #[test]
    fn exact_rules_strike_once_and_where_they_say() {
        assert_eq!(strikes(When::Opportunity(3), 10), [3]);
        assert_eq!(strikes(When::Command(4), 10), [4]);
        assert_eq!(strikes(When::At(Instant::from_millis(5)), 10), [5]);
        assert_eq!(strikes(When::Every(4), 10), [3, 7]);
    }

    #[test]
    fn a_probability_comes_from_the_seed() {
        let first = strikes(When::Probability(0.1), 1_000);
        assert_eq!(first, strikes(When::Probability(0.1), 1_000));
        assert!((50..200).contains(&first.len()), "{}", first.len());
    }

    #[test]
    fn nothing_strikes_before_the_start() {
        let mut armed = Armed::new(Rule {
            from: Instant::from_millis(3),
            ..Rule::new(Fault::Crc, When::Always)
        });
        let mut rng = Rng::with_seed(1);
        assert!(!armed.strikes(0, Instant::from_millis(2), &mut rng));
        assert!(armed.strikes(1, Instant::from_millis(3), &mut rng));
    }
}
