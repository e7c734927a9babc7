//! An access point that moves to another channel and tells so before (IEEE 802.11-2016, sections 9.4.2.19, 9.4.2.20 and
//! 11.9.8).
//!
//! Its beacons and probe responses carry the announcement with the number of beacons that are left; if it is asked to,
//! an action frame says the same at once. Then it is on the new channel, with its stations, and gone from the old one.

use super::access_point::{AccessPoint, Answer};
use super::elements::{append, id, secondary_above};
use super::frame::{kind, management};
use super::station::{Outgoing, Purpose};
use super::{Channel, Width, BROADCAST};
use bes_hal::time::Instant;
use core::time::Duration;

/// Category of spectrum management and its action "channel switch announcement".
const ANNOUNCEMENT: [u8; 2] = [0, 4];

/// How an access point announces that it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelSwitch {
    /// Where it moves to.
    pub channel: Channel,
    /// How many beacons announce it; 0 moves at once without a word.
    pub count: u8,
    /// Stations must not send until then (mode 1).
    pub quiet: bool,
    /// An action frame to everybody announces it as well.
    pub action: bool,
}

impl ChannelSwitch {
    /// Announced by this many beacons and nothing else, without silence.
    pub const fn new(channel: Channel, count: u8) -> Self {
        Self {
            channel,
            count,
            quiet: false,
            action: false,
        }
    }
}

/// A move under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moving {
    switch: ChannelSwitch,
    pub(super) at: Instant,
}

impl AccessPoint {
    /// Announces that it moves to another channel, and moves when the beacons have counted down.
    pub fn switch_channel(&mut self, switch: ChannelSwitch, now: Instant) {
        let at = if switch.count == 0 {
            now
        } else {
            // Right before the beacon that would count to nothing.
            let first = self.next_beacon.max(now);
            let beacons = self.beacon_interval() * u32::from(switch.count);
            Instant::from_nanos(first.after(beacons).as_nanos().saturating_sub(1_000))
        };
        self.moving = Some(Moving { switch, at });
        if switch.action && switch.count > 0 {
            let bssid = self.config.bssid;
            let mut frame = management(kind::ACTION, BROADCAST, bssid, bssid);
            frame.extend_from_slice(&ANNOUNCEMENT);
            self.append_announcement(&mut frame, now);
            self.control.push_back(Answer {
                ready: now,
                frame: Outgoing::new(frame, Purpose::Management),
            });
        }
    }

    /// Whether it has announced a move that it has not made yet.
    pub fn is_moving(&self) -> bool {
        self.moving.is_some()
    }

    /// Appends the announcement, if there is one.
    pub(super) fn append_announcement(&self, body: &mut Vec<u8>, now: Instant) {
        let Some(moving) = self.moving.filter(|moving| moving.at > now) else {
            return;
        };
        let left = moving.at.since(now).as_nanos() / self.beacon_interval().as_nanos();
        let count = u8::try_from(left + 1).unwrap_or(u8::MAX);
        let switch = moving.switch;
        let content = [u8::from(switch.quiet), switch.channel.number, count];
        append(body, id::CHANNEL_SWITCH, &content);
        if self.description.ht {
            let offset = match switch.channel.width {
                Width::Ht20 => 0,
                Width::Ht40 if secondary_above(switch.channel) => 1,
                Width::Ht40 => 3,
            };
            append(body, id::SECONDARY_CHANNEL_OFFSET, &[offset]);
        }
    }

    /// Moves, if it is time.
    pub(super) fn handle_move(&mut self, now: Instant) {
        let Some(moving) = self.moving.filter(|moving| moving.at.is_due(now)) else {
            return;
        };
        self.moving = None;
        self.config.channel = moving.switch.channel;
        self.describe();
        let (signal, forced) = (self.config.signal_dbm, self.config.downlink_rate);
        for station in &mut self.stations {
            station.choose_rates(moving.switch.channel, signal, forced);
        }
        if self.next_beacon < now {
            self.skip_beacons(now);
        }
        // Nobody sends in the moment of tuning.
        self.not_before = self.not_before.max(now.after(Duration::from_micros(100)));
    }
}
