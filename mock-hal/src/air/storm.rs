//! Deauthentication storms: an access point, or somebody in its name, that throws a station out again and again.

use super::access_point::{AccessPoint, Answer};
use super::frame::{kind, management};
use super::station::{Outgoing, Purpose};
use super::Address;
use bes_hal::time::Instant;
use core::time::Duration;

/// A storm under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storm {
    station: Address,
    left: u32,
    pause: Duration,
    pub(super) next: Instant,
}

impl AccessPoint {
    /// Sends a station `count` deauthentications, one each `pause`, whether it is associated or not. It is forgotten
    /// with each, and may come back in between. A count of 0 ends a storm.
    pub fn storm(&mut self, station: Address, count: u32, pause: Duration, now: Instant) {
        self.storm = (count > 0).then_some(Storm {
            station,
            left: count,
            pause,
            next: now,
        });
    }

    /// The next deauthentication, if it is time.
    pub(super) fn handle_storm(&mut self, now: Instant) {
        let Some(mut storm) = self.storm.filter(|storm| storm.next.is_due(now)) else {
            return;
        };
        storm.left -= 1;
        storm.next = now.after(storm.pause);
        self.storm = (storm.left > 0).then_some(storm);
        if let Some(position) = self.position(storm.station) {
            self.remove_station(position);
        }
        let bssid = self.config.bssid;
        let mut frame = management(kind::DEAUTHENTICATION, storm.station, bssid, bssid);
        frame.extend_from_slice(&7_u16.to_le_bytes());
        self.control.push_back(Answer {
            ready: now,
            frame: Outgoing::new(frame, Purpose::Management),
        });
    }
}
