//! Beacons of an access point.

use super::access_point::{AccessPoint, TU};
use super::frame::kind;
use super::power_save::append_tim;
use super::station::{Outgoing, Purpose};
use super::BROADCAST;
use bes_hal::time::Instant;
use core::time::Duration;

impl AccessPoint {
    /// The beacons that nobody heard up to `now`.
    pub(super) fn skip_beacons(&mut self, now: Instant) {
        let interval = self.beacon_interval();
        let missed = now.since(self.next_beacon).as_nanos() / interval.as_nanos();
        if self.next_beacon > now {
            return;
        }
        let missed = missed as u64 + 1;
        self.next_beacon = self.next_beacon.after(Duration::from_nanos(
            (interval.as_nanos() as u64).saturating_mul(missed),
        ));
        let period = u64::from(self.config.dtim_period.max(1));
        let count = u64::from(self.dtim_count);
        if missed > count {
            // A DTIM was among them.
            self.group_queue.clear();
        }
        self.dtim_count = ((count + period - missed % period) % period) as u8;
    }

    pub(super) fn beacon_interval(&self) -> Duration {
        TU * u32::from(self.config.beacon_interval_tu.max(1))
    }

    pub(super) fn beacon(&mut self, now: Instant, mut bytes: Vec<u8>) -> Outgoing {
        self.counters.beacons += 1;
        let interval = self.beacon_interval();
        let bssid = self.config.bssid;
        bytes.extend_from_slice(&[kind::BEACON, 0, 0, 0]);
        for address in [BROADCAST, bssid, bssid] {
            bytes.extend_from_slice(&address);
        }
        self.sequence = (self.sequence + 1) & 0x0FFF;
        bytes.extend_from_slice(&(self.sequence << 4).to_le_bytes());
        bytes.extend_from_slice(&self.beacon_before);
        bytes[24..32].copy_from_slice(&now.as_micros().to_le_bytes());
        let group = !self.group_queue.is_empty();
        append_tim(
            &mut bytes,
            self.dtim_count,
            self.config.dtim_period.max(1),
            self.dtim_count == 0 && group,
            self.stations
                .iter()
                .filter(|station| station.shows(now))
                .map(|station| station.aid),
        );
        bytes.extend_from_slice(&self.beacon_after);
        self.append_announcement(&mut bytes, now);
        if self.dtim_count == 0 {
            self.group_release = self.group_queue.len();
        }
        let period = self.config.dtim_period.max(1);
        self.dtim_count = self.dtim_count.checked_sub(1).unwrap_or(period - 1);
        self.next_beacon = self.next_beacon.after(interval);
        // After a pause there is no catching up.
        self.skip_beacons(now);
        Outgoing::new(bytes, Purpose::Beacon)
    }
}
