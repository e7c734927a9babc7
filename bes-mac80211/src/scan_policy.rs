//! How a scan is cut into requests, as data.
//!
//! What the firmware wants (specification: file 50, section 3; file 31, section 7 and C3, C4):
//!
//! - several 5 GHz channels in one request are refused, one is accepted;
//! - while joined, a request is a background scan of one channel, short, with data held; a foreground scan hangs the chip;
//! - whether probe requests may be sent is a property of each channel, so a request never mixes the two kinds;
//! - CCK does not exist on 5 GHz;
//! - a channel that is refused again and again is left alone for a while, so that a stack that scans every few minutes
//!   does not turn into a storm of refusals.

use crate::request::ScanChannel;
use crate::types::{Band, Channel, Dbm};
use bes_hal::{Duration, Instant};
use bes_wsm::wire::Status;
use core::fmt;

/// How long a channel is listened to, in the chip's units (TU or milliseconds: file 20, U23).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dwell {
    /// At least.
    pub min: u32,
    /// At most.
    pub max: u32,
}

/// Settings of the scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanPolicy {
    /// Most 2.4 GHz channels in one request while not joined.
    pub channels_2ghz: usize,
    /// Most 5 GHz channels in one request.
    pub channels_5ghz: usize,
    /// Most channels in one request while joined.
    pub channels_joined: usize,
    /// Dwell on 5 GHz.
    pub dwell_5ghz: Dwell,
    /// Dwell while joined, on any band.
    pub dwell_joined: Dwell,
    /// Probe requests per SSID and channel.
    pub probes: u8,
    /// Delay before a probe request, in microseconds.
    pub probe_delay: u8,
    /// How long the chip stays on the home channel between two requests while joined, so that data flows.
    pub home_time: Duration,
    /// How long a request may take beyond its dwell times.
    pub watchdog: Duration,
    /// The same while joined, when all data waits for it: the chip needs some milliseconds.
    pub watchdog_joined: Duration,
    /// How much longer it may take per channel.
    pub watchdog_per_channel: Duration,
    /// How long the end of a stopped scan may take.
    pub stop_limit: Duration,
    /// So many refusals in a row, and a channel is left out.
    pub refusals: u8,
    /// For so long.
    pub back_off: Duration,
}

impl Default for ScanPolicy {
    fn default() -> Self {
        Self {
            channels_2ghz: 14,
            channels_5ghz: 1,
            channels_joined: 1,
            dwell_5ghz: Dwell { min: 100, max: 100 },
            dwell_joined: Dwell { min: 10, max: 25 },
            probes: 2,
            probe_delay: 100,
            home_time: Duration::from_millis(60),
            watchdog: Duration::from_secs(5),
            watchdog_joined: Duration::from_secs(1),
            watchdog_per_channel: Duration::from_millis(10),
            stop_limit: Duration::from_secs(2),
            refusals: 3,
            back_off: Duration::from_secs(15 * 60),
        }
    }
}

/// Dwell on 2.4 GHz by the air time that Bluetooth needs, in microseconds (file 31, section 7.3).
fn dwell_2ghz(bluetooth: u32) -> Dwell {
    let (min, max) = match bluetooth {
        0 => (100, 100),
        1..=39_999 => (50, 110),
        40_000..=59_999 => (40, 110),
        60_000..=79_999 => (30, 120),
        _ => (30, 130),
    };
    Dwell { min, max }
}

/// One request of a scan: `count` channels from `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Index of the first channel in the list of the scan.
    pub first: usize,
    /// Number of channels.
    pub count: usize,
    /// Band of all of them.
    pub band: Band,
    /// Nothing is sent on any of them.
    pub passive: bool,
    /// Power for all of them.
    pub power: Dbm,
    /// Dwell on each.
    pub dwell: Dwell,
}

/// What the next request depends on beside the list of channels.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// The interface is joined.
    pub joined: bool,
    /// Channels have to go one by one: a request with more of them was refused.
    pub singly: bool,
    /// Transmit power that is set.
    pub power: Dbm,
    /// Air time that Bluetooth needs, in microseconds per period.
    pub bluetooth: u32,
}

impl ScanPolicy {
    /// The request that starts with the channel at `first`, or `None` behind the end of the list.
    pub fn batch(
        &self,
        channels: &[ScanChannel],
        first: usize,
        circumstances: Circumstances,
        left_out: impl Fn(Channel) -> bool,
    ) -> Option<Batch> {
        let rest = channels.get(first..)?;
        let lead = rest.first()?;
        let band = lead.channel.band();
        let limit = if circumstances.singly {
            1
        } else if circumstances.joined {
            self.channels_joined
        } else if band == Band::FiveGhz {
            self.channels_5ghz
        } else {
            self.channels_2ghz
        };
        let power = lead.max_power.min(circumstances.power);
        let count = rest
            .iter()
            .take(limit.clamp(1, MAX_CHANNELS_PER_REQUEST))
            .take_while(|channel| {
                channel.channel.band() == band
                    && channel.passive == lead.passive
                    && channel.max_power.min(circumstances.power) == power
                    && !left_out(channel.channel)
            })
            .count();
        let dwell = if circumstances.joined {
            self.dwell_joined
        } else if band == Band::FiveGhz {
            self.dwell_5ghz
        } else {
            dwell_2ghz(circumstances.bluetooth)
        };
        Some(Batch {
            first,
            count: count.max(1),
            band,
            passive: lead.passive,
            power,
            dwell,
        })
    }

    /// How long the chip may take for a request before it is stopped.
    pub fn time_limit(&self, batch: &Batch, joined: bool) -> Duration {
        let watchdog = if joined {
            self.watchdog_joined
        } else {
            self.watchdog
        };
        let count = u32::try_from(batch.count).unwrap_or(u32::MAX);
        // Time units of 1.024 ms if the dwell is in TU: the longer reading is the safe one.
        let dwell = Duration::from_micros(u64::from(batch.dwell.max).saturating_mul(1024));
        dwell
            .saturating_add(self.watchdog_per_channel)
            .saturating_mul(count)
            .saturating_add(watchdog)
    }
}

/// Most channels in a request (file 20, section 4.4).
pub const MAX_CHANNELS_PER_REQUEST: usize = 48;

/// How many channels are remembered as refused: every channel of both bands, and room to spare.
const REMEMBERED: usize = 56;

/// A channel that the chip refused to scan, and has not scanned since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The channel.
    pub channel: Channel,
    /// Refusals in a row.
    pub in_a_row: u8,
    /// What the chip said last.
    pub status: Status,
    /// It is left out of scans until then.
    pub left_out_until: Option<Instant>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (channel, times, status) = (self.channel, self.in_a_row, self.status);
        write!(
            f,
            "channel {channel}: refused {times} times in a row, last with \"{status}\""
        )?;
        match self.left_out_until {
            Some(until) => write!(f, ", left out until {until}"),
            None => Ok(()),
        }
    }
}

/// Channels that the chip refused.
#[derive(Clone, Debug)]
pub struct RefusedChannels {
    entries: [Option<Refusal>; REMEMBERED],
}

impl Default for RefusedChannels {
    fn default() -> Self {
        Self {
            entries: [None; REMEMBERED],
        }
    }
}

impl RefusedChannels {
    /// Whether a channel is left out at `now`.
    pub fn is_left_out(&self, channel: Channel, now: Instant) -> bool {
        self.entries
            .iter()
            .flatten()
            .find(|entry| entry.channel == channel)
            .and_then(|entry| entry.left_out_until)
            .is_some_and(|until| now < until)
    }

    /// The chip refused a request for this channel alone.
    pub fn handle_refused(
        &mut self,
        channel: Channel,
        status: Status,
        policy: &ScanPolicy,
        now: Instant,
    ) {
        let known = self
            .entries
            .iter()
            .position(|entry| entry.is_some_and(|entry| entry.channel == channel));
        let free = || self.entries.iter().position(Option::is_none);
        let Some(slot) = known.or_else(free) else {
            return;
        };
        let Some(entry) = self.entries.get_mut(slot) else {
            return;
        };
        let refusal = entry.get_or_insert(Refusal {
            channel,
            in_a_row: 0,
            status,
            left_out_until: None,
        });
        refusal.status = status;
        refusal.in_a_row = refusal.in_a_row.saturating_add(1);
        if refusal.in_a_row >= policy.refusals {
            refusal.left_out_until = Some(now.after(policy.back_off));
        }
    }

    /// The chip scanned this channel.
    pub fn handle_accepted(&mut self, channel: Channel) {
        for entry in &mut self.entries {
            if entry.is_some_and(|entry| entry.channel == channel) {
                *entry = None;
            }
        }
    }

    /// Channels that are left out at `now`.
    pub fn left_out(&self, now: Instant) -> impl Iterator<Item = Channel> + '_ {
        self.entries
            .iter()
            .flatten()
            .filter(move |entry| entry.left_out_until.is_some_and(|until| now < until))
            .map(|entry| entry.channel)
    }

    /// Every channel that was refused and has not been scanned since.
    pub fn iter(&self) -> impl Iterator<Item = &Refusal> {
        self.entries.iter().flatten()
    }

    /// Forgets everything: the chip has started anew.
    pub fn clear(&mut self) {
        for entry in &mut self.entries {
            *entry = None;
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    const IDLE: Circumstances = Circumstances {
        joined: false,
        singly: false,
        power: Dbm(20),
        bluetooth: 0,
    };

    fn channel(number: u16) -> ScanChannel {
        ScanChannel {
            channel: Channel::new(number).unwrap(),
            passive: false,
            max_power: Dbm(20),
        }
    }

    fn all() -> Vec<ScanChannel> {
        (1..=14)
            .chain((36..=48).step_by(4))
            .chain((100..=140).step_by(4))
            .map(channel)
            .collect()
    }

    fn batches(channels: &[ScanChannel], circumstances: Circumstances) -> Vec<Batch> {
        let policy = ScanPolicy::default();
        let mut batches = Vec::new();
        let mut first = 0;
        while let Some(batch) = policy.batch(channels, first, circumstances, |_| false) {
            first += batch.count;
            batches.push(batch);
        }
        batches
    }

    #[test]
    fn five_ghz_channels_are_never_together_in_a_request() {
        let batches = batches(&all(), IDLE);
        assert_eq!(batches[0].count, 14);
        assert_eq!(batches.len(), 16);
        assert!(batches
            .iter()
            .filter(|batch| batch.band == Band::FiveGhz)
            .all(|batch| batch.count == 1));
    }

    #[test]
    fn while_joined_every_channel_has_a_short_request_of_its_own() {
        let joined = Circumstances {
            joined: true,
            ..IDLE
        };
        let batches = batches(&all(), joined);
        assert_eq!(batches.len(), 29);
        let dwell = Dwell { min: 10, max: 25 };
        assert!(batches
            .iter()
            .all(|batch| batch.count == 1 && batch.dwell == dwell));
    }

    #[test]
    fn passive_and_active_channels_are_never_mixed_c3() {
        let mut channels = all();
        for index in [0, 5, 6, 13] {
            channels[index].passive = true;
        }
        let mut seen = 0;
        for batch in batches(&channels, IDLE) {
            for channel in &channels[batch.first..batch.first + batch.count] {
                assert_eq!(channel.passive, batch.passive);
                seen += 1;
            }
        }
        assert_eq!(seen, channels.len());
    }

    #[test]
    fn power_is_the_lower_of_what_is_set_and_what_is_allowed_c2() {
        let mut channels = all();
        channels[3].max_power = Dbm(14);
        channels[4].max_power = Dbm(30);
        let batches = batches(&channels, IDLE);
        let powers: Vec<_> = batches[..3]
            .iter()
            .map(|batch| (batch.count, batch.power.0))
            .collect();
        assert_eq!(powers, [(3, 20), (1, 14), (10, 20)]);
    }

    #[test]
    fn bluetooth_stretches_the_dwell_on_2_4_ghz() {
        let dwell = |bluetooth| {
            let circumstances = Circumstances { bluetooth, ..IDLE };
            let dwell = batches(&[channel(6)], circumstances)[0].dwell;
            (dwell.min, dwell.max)
        };
        assert_eq!(
            [0, 20_000, 40_000, 60_000, 80_000].map(dwell),
            [(100, 100), (50, 110), (40, 110), (30, 120), (30, 130)]
        );
    }

    #[test]
    fn a_channel_refused_three_times_in_a_row_is_left_out_for_a_while() {
        let policy = ScanPolicy::default();
        let mut refused = RefusedChannels::default();
        let channel = Channel::new(100).unwrap();
        let now = Instant::ZERO;
        for _ in 0..2 {
            refused.handle_refused(channel, Status::InvalidParameter, &policy, now);
            assert!(!refused.is_left_out(channel, now));
        }
        refused.handle_accepted(channel);
        for _ in 0..3 {
            assert!(!refused.is_left_out(channel, now));
            refused.handle_refused(channel, Status::InvalidParameter, &policy, now);
        }
        assert!(refused.is_left_out(channel, now));
        assert_eq!(refused.left_out(now).count(), 1);
        let later = now.after(policy.back_off);
        assert!(!refused.is_left_out(channel, later));
        refused.handle_refused(channel, Status::InvalidParameter, &policy, later);
        assert!(
            refused.is_left_out(channel, later),
            "one more refusal is enough now"
        );
    }

    #[test]
    fn the_time_limit_covers_every_channel() {
        let batch = batches(&all(), IDLE)[0];
        let limit = ScanPolicy::default().time_limit(&batch, false);
        assert!(limit >= Duration::from_millis(5000 + 14 * 110));
        assert!(limit < Duration::from_secs(8));
    }

    #[test]
    fn a_policy_that_makes_no_sense_still_makes_progress() {
        let policy = ScanPolicy {
            channels_2ghz: 0,
            channels_5ghz: usize::MAX,
            ..ScanPolicy::default()
        };
        assert_eq!(policy.batch(&all(), 0, IDLE, |_| false).unwrap().count, 1);
        let many: Vec<_> = core::iter::repeat_n(channel(36), 60).collect();
        assert_eq!(policy.batch(&many, 0, IDLE, |_| false).unwrap().count, 48);
    }
}
