//! The table of rate policies (MIB 0x1016; file 21, section 2.19) and the series of attempts a frame makes with one.

use crate::chip::wire::rate::RATE_IDS;
use crate::chip::wire::u8_at;

/// One uploaded policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Policy {
    stop_when_exhausted: bool,
    long_retry: u8,
    /// Nibble r: tries at rate id r.
    tries: [u8; 12],
}

/// The eight policies of the chip.
#[derive(Clone, Debug, Default)]
pub(crate) struct RatePolicies {
    table: [Option<Policy>; 8],
}

/// What is left of a frame's attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Series {
    tries: [u8; 12],
    rate: u8,
    left: u8,
    extra: u8,
}

fn nibble(tries: &[u8; 12], rate: u8) -> u8 {
    tries
        .get(usize::from(rate / 2))
        .map_or(0, |byte| byte >> (4 * (rate & 1)) & 0x0F)
}

impl RatePolicies {
    /// Stores what a write of MIB 0x1016 carries. Its length is not checked against its count (file 50, section 3, item
    /// 8); what is missing counts as zero.
    ///
    /// # Errors
    ///
    /// The index of a policy outside the table.
    pub(crate) fn upload(&mut self, data: &[u8]) -> Result<(), u8> {
        let mut result = Ok(());
        for entry in 0..usize::from(u8_at(data, 0)).min(16) {
            let bytes = data.get(4 + 20 * entry..).unwrap_or(&[]);
            if bytes.is_empty() {
                break;
            }
            let mut tries = [0; 12];
            for (index, byte) in tries.iter_mut().enumerate() {
                *byte = u8_at(bytes, 8 + index);
            }
            let policy = Policy {
                stop_when_exhausted: u8_at(bytes, 3) & 4 != 0,
                long_retry: u8_at(bytes, 2),
                tries,
            };
            match self.table.get_mut(usize::from(u8_at(bytes, 0))) {
                Some(slot) => *slot = Some(policy),
                None => result = Err(u8_at(bytes, 0)),
            }
        }
        result
    }

    /// Forgets every policy, as a reset does (file 50, section 3, item 5).
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Number of policies that are uploaded.
    pub(crate) fn len(&self) -> usize {
        self.table.iter().flatten().count()
    }

    /// The series of a frame that names `index` and starts at `max_rate`; `None` if there is no usable policy.
    pub(crate) fn series(&self, index: u8, max_rate: u8) -> Option<Series> {
        let policy = self.table.get(usize::from(index))?.as_ref()?;
        let extra = if policy.stop_when_exhausted {
            0
        } else {
            policy.long_retry
        };
        Series::new(policy.tries, max_rate, extra)
    }
}

impl Series {
    fn new(tries: [u8; 12], max_rate: u8, extra: u8) -> Option<Self> {
        // The series starts at the frame's first rate, or at the next lower one that has tries; a policy that only has
        // higher ones is used from its top.
        let first = (0..=max_rate.min(RATE_IDS - 1))
            .rev()
            .chain((0..RATE_IDS).rev())
            .find(|&rate| nibble(&tries, rate) > 0)?;
        Some(Self {
            tries,
            rate: first,
            left: nibble(&tries, first),
            extra,
        })
    }

    /// `count` tries at one rate, for frames without a policy.
    pub(crate) fn fixed(rate: u8, count: u8) -> Self {
        Self {
            tries: [0; 12],
            rate,
            left: count.max(1),
            extra: 0,
        }
    }

    /// What the chip does without a policy: four tries at the first rate, four at the lowest.
    pub(crate) fn fallback(max_rate: u8, lowest: u8) -> Self {
        let mut tries = [0; 12];
        for rate in [max_rate.min(RATE_IDS - 1), lowest] {
            tries[usize::from(rate / 2)] |= 4 << (4 * (rate & 1));
        }
        Self::new(tries, max_rate, 0).unwrap_or_else(|| Self::fixed(lowest, 4))
    }

    /// Rate id of the next attempt.
    pub(crate) const fn rate(&self) -> u8 {
        self.rate
    }

    /// One attempt failed. `false` if it was the last.
    pub(crate) fn failed(&mut self) -> bool {
        self.left -= 1;
        if self.left > 0 {
            return true;
        }
        let next = (0..self.rate)
            .rev()
            .find(|&rate| nibble(&self.tries, rate) > 0);
        match next {
            Some(rate) => {
                self.rate = rate;
                self.left = nibble(&self.tries, rate);
                true
            }
            None => {
                // A policy without the "stop" flag goes on at its lowest rate up to the long retry count.
                self.left = core::mem::take(&mut self.extra);
                self.left > 0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(index: u8, flags: u8, tries: &[(u8, u8)]) -> Vec<u8> {
        let mut data = vec![1, 0, 0, 0, index, 31, 2, flags, 0, 0, 0, 0];
        data.resize(24, 0);
        for (rate, count) in tries {
            data[12 + usize::from(rate / 2)] |= count << (4 * (rate & 1));
        }
        data
    }

    fn walk(mut series: Series) -> Vec<u8> {
        let mut rates = vec![series.rate()];
        while series.failed() {
            rates.push(series.rate());
        }
        rates
    }

    #[test]
    fn attempts_go_down_through_the_nibbles() {
        let mut policies = RatePolicies::default();
        policies
            .upload(&upload(3, 0x0C, &[(21, 2), (18, 1), (0, 3)]))
            .unwrap();
        let series = policies.series(3, 21).unwrap();
        assert_eq!(walk(series), [21, 21, 18, 0, 0, 0]);
        assert_eq!(walk(policies.series(3, 20).unwrap()), [18, 0, 0, 0]);
    }

    #[test]
    fn without_the_stop_flag_the_lowest_rate_goes_on() {
        let mut policies = RatePolicies::default();
        policies.upload(&upload(0, 0x08, &[(6, 1)])).unwrap();
        assert_eq!(walk(policies.series(0, 13).unwrap()), [6, 6, 6]);
    }

    #[test]
    fn missing_empty_and_cleared_policies_have_no_series() {
        let mut policies = RatePolicies::default();
        assert_eq!(policies.series(1, 21), None);
        policies.upload(&upload(1, 0x0C, &[])).unwrap();
        assert_eq!(policies.series(1, 21), None);
        policies.upload(&upload(1, 0x0C, &[(21, 1)])).unwrap();
        assert!(policies.series(1, 21).is_some());
        policies.clear();
        assert_eq!(policies.len(), 0);
        assert_eq!(policies.series(1, 21), None);
        assert_eq!(walk(Series::fallback(21, 6)), [21, 21, 21, 21, 6, 6, 6, 6]);
        assert_eq!(walk(Series::fallback(0, 0)), [0, 0, 0, 0]);
    }

    #[test]
    fn an_index_outside_the_table_is_told_and_a_cut_upload_is_no_panic() {
        let mut policies = RatePolicies::default();
        assert_eq!(policies.upload(&upload(8, 0, &[(0, 1)])), Err(8));
        let data = upload(7, 0x0C, &[(21, 1), (0, 1)]);
        for len in 0..data.len() {
            let _ = policies.upload(&data[..len]);
        }
        assert!(policies.upload(&[200]).is_ok());
    }
}
