//! Join and the supervision of the link (file 20, section 9; file 31, sections 8 and 12; file 50, section 3).
//!
//! | state | event | next |
//! |---|---|---|
//! | idle, joined | join | joining; the radio goes to the channel and asks for the BSS |
//! | joining | beacon or probe response of the BSS | joined, confirmed with 0 |
//! | joining | nothing until the timeout | half joined, confirmed with 1 |
//! | half joined | join | wedged (setting) |
//! | any | reset | idle |

use super::frame::Mpdu;
use super::interface::Role;
use super::mib::{id, template};
use super::transmit::Own;
use super::{frame, Lmac, Medium};
use crate::air::{Channel, Heard, Width};
use crate::chip::wire::indication::{self, event};
use crate::chip::wire::request::Join;
use crate::chip::wire::{confirm, rate, status};
use bes_hal::time::Instant;
use core::time::Duration;

/// A time unit of 802.11.
pub(crate) const TU: Duration = Duration::from_micros(1024);

/// The BSS an interface is joined to.
#[derive(Clone, Debug)]
pub(crate) struct Bss {
    pub(crate) bssid: [u8; 6],
    pub(crate) ssid: Vec<u8>,
    pub(crate) interval: Duration,
    pub(crate) last_beacon: Instant,
    pub(crate) lost: bool,
    /// Last sequence control by TID, with the last for frames without one, to count repeats.
    pub(crate) sequences: [u16; 17],
    /// At least one beacon went up since the join (file 20, section 18, item 13).
    pub(crate) beacon_delivered: bool,
}

impl Bss {
    /// When the BSS counts as lost after `count` missed beacons.
    pub(crate) fn loss_due(&self, count: u8) -> Option<Instant> {
        (count > 0 && !self.lost).then(|| self.last_beacon.after(self.interval * u32::from(count)))
    }
}

/// A join that waits for the BSS.
#[derive(Clone, Debug)]
pub(crate) struct Joining {
    interface: u8,
    join: Join,
    deadline: Instant,
    next_probe: Option<Instant>,
}

impl Joining {
    pub(crate) fn due(&self) -> Instant {
        self.next_probe
            .map_or(self.deadline, |probe| probe.min(self.deadline))
    }
}

/// Watches the signal against the threshold of MIB 0x1009.
#[derive(Clone, Debug, Default)]
pub(crate) struct RcpiWatch {
    mode: u8,
    lower: u8,
    upper: u8,
    count: u8,
    average: Option<i32>,
    samples: u8,
    /// Below (-1), between (0) or above (1) the thresholds, as last reported.
    zone: i8,
}

impl RcpiWatch {
    /// Takes over MIB 0x1009.
    pub(crate) fn write(&mut self, data: &[u8]) {
        let byte = |at| crate::chip::wire::u8_at(data, at);
        *self = Self {
            mode: byte(0),
            lower: byte(1),
            upper: byte(2),
            count: byte(3),
            ..Self::default()
        };
    }

    /// One beacon's RCPI. A value to report if a threshold was crossed.
    pub(crate) fn sample(&mut self, rcpi: u8) -> Option<u8> {
        if self.mode & 1 == 0 {
            return None;
        }
        let value = if self.mode & 2 != 0 {
            // Signal strength in dBm as a signed byte.
            i32::from(rcpi) / 2 - 110
        } else {
            i32::from(rcpi)
        };
        // A running average over the wanted number of beacons, in sixteenths.
        let scaled = value * 16;
        let count = i32::from(self.count.max(1));
        let average = self
            .average
            .map_or(scaled, |old| old + (scaled - old) / count);
        self.average = Some(average);
        self.samples = self.samples.saturating_add(1);
        if self.samples < self.count {
            return None;
        }
        let limit = |byte: u8| {
            if self.mode & 2 != 0 {
                i32::from(i8::from_le_bytes([byte])) * 16
            } else {
                i32::from(byte) * 16
            }
        };
        let zone = if self.mode & 4 == 0 && average > limit(self.upper) {
            1
        } else if self.mode & 8 == 0 && average < limit(self.lower) {
            -1
        } else {
            0
        };
        let crossed = zone != self.zone && zone != 0;
        self.zone = zone;
        let reported = (average / 16).to_le_bytes()[0];
        crossed.then_some(reported)
    }
}

impl<M: Medium> Lmac<M> {
    /// Begins a join. `true` if its confirmation comes later.
    pub(super) fn begin_join(&mut self, interface: u8, message: &[u8], now: Instant) -> bool {
        if matches!(
            self.interfaces[usize::from(interface)].role,
            Role::HalfJoined
        ) {
            self.violation("JOIN after a refused JOIN without a RESET");
            if self.config.second_join_wedges {
                self.dead = true;
                return true;
            }
        }
        let join = match Join::parse(message) {
            Ok(join) => join,
            Err(what) => {
                self.violation(format!("JOIN: {what}"));
                self.confirm(confirm::join(interface, status::INVALID_PARAMETER), 1);
                return false;
            }
        };
        if self.scan.is_some() {
            self.violation("JOIN during a scan");
            self.confirm(confirm::join(interface, status::WRONG_MODE), 1);
            return false;
        }
        if self
            .mibs
            .template(interface, template::PROBE_REQUEST)
            .is_none()
        {
            // Real firmware asserts (file 31, section 8.1, step 11).
            self.violation("JOIN without a probe request template");
            self.refuse_join(interface, status::FAILURE);
            return false;
        }
        let number = u8::try_from(join.channel).unwrap_or(0);
        let width = match self.home {
            Some(home) if home.number == number => home.width,
            _ => Width::Ht20,
        };
        self.home = Some(Channel::new(number, width));
        let own = self.interface_address(interface);
        self.medium.set_station_address(own);
        self.retune(now);
        self.joining = Some(Joining {
            interface,
            next_probe: join.probe.then_some(now),
            deadline: now.after(self.config.join_timeout),
            join,
        });
        self.join_step(now);
        true
    }

    fn refuse_join(&mut self, interface: u8, status: u32) {
        self.interfaces[usize::from(interface)].role = Role::HalfJoined;
        self.confirm(confirm::join(interface, status), 1);
    }

    /// Asks for the BSS again, or gives up.
    pub(super) fn join_step(&mut self, now: Instant) {
        let Some(joining) = &mut self.joining else {
            return;
        };
        if joining.join.force {
            return self.joined(now);
        }
        if joining.deadline.is_due(now) {
            let interface = joining.interface;
            self.joining = None;
            self.refuse_join(interface, status::FAILURE);
            return self.command_done(now);
        }
        if joining.next_probe.is_some_and(|at| at.is_due(now)) {
            joining.next_probe = Some(now.after(Duration::from_millis(40)));
            let ssid = joining.join.ssid.clone();
            let interface = joining.interface;
            let rate_id = rate::lowest(self.band());
            self.send_probe(interface, &ssid, rate_id, now);
        }
    }

    fn joined(&mut self, now: Instant) {
        let Some(joining) = self.joining.take() else {
            return;
        };
        let interface = &mut self.interfaces[usize::from(joining.interface)];
        interface.role = Role::Joined(Box::new(Bss {
            bssid: joining.join.bssid,
            ssid: joining.join.ssid,
            interval: TU * joining.join.beacon_interval.min(10_000),
            last_beacon: now,
            lost: false,
            sequences: [0xFFFF; 17],
            beacon_delivered: false,
        }));
        interface.last_sent = now;
        self.confirm(confirm::join(joining.interface, status::SUCCESS), 1);
        self.command_done(now);
    }

    /// Whether this beacon or probe response ends a join.
    pub(super) fn heard_while_joining(&mut self, heard: &Heard, now: Instant) {
        let Some(joining) = &self.joining else {
            return;
        };
        let found = Mpdu::new(&heard.frame).is_some_and(|mpdu| {
            matches!(
                mpdu.kind(),
                frame::kind::BEACON | frame::kind::PROBE_RESPONSE
            ) && mpdu.0.len() >= 36
                && mpdu.a3() == joining.join.bssid
        });
        if found {
            self.joined(now);
        }
    }

    /// A beacon of the BSS that `interface` is joined to: what the chip itself does with it.
    pub(super) fn beacon_heard(&mut self, interface: u8, rcpi: u8, now: Instant) {
        self.counters.beacons += 1;
        let state = &mut self.interfaces[usize::from(interface)];
        state.traffic.beacons += 1;
        let crossed = state.rcpi.sample(rcpi);
        let Some(bss) = state.joined_mut() else {
            return;
        };
        bss.last_beacon = now;
        let regained = std::mem::take(&mut bss.lost);
        if regained {
            self.send(indication::event(interface, event::BSS_REGAINED, 0));
        }
        if let Some(value) = crossed {
            self.send(indication::event(interface, event::RCPI, value.into()));
        }
    }

    /// Missed beacons and keep-alive frames.
    pub(super) fn link_step(&mut self, now: Instant) {
        for interface in 0..super::INTERFACES {
            let index = u8::try_from(interface).unwrap_or(0);
            let state = &mut self.interfaces[interface];
            if state.is_idle() {
                continue;
            }
            let count = state.bss.beacon_lost;
            let keep_alive = state.keep_alive_due().is_some_and(|at| at.is_due(now));
            if keep_alive {
                state.last_sent = now;
            }
            let mut lost = false;
            if let Some(bss) = state.joined_mut() {
                if bss.loss_due(count).is_some_and(|at| at.is_due(now)) {
                    bss.lost = true;
                    lost = true;
                }
            }
            if lost {
                self.send(indication::event(index, event::BSS_LOST, 0));
            }
            if keep_alive {
                let power_save = self.interfaces[interface].power.is_dozing();
                self.send_null(index, power_save, Own::KeepAlive, now);
            }
        }
    }

    /// RESET: the interface is idle, its frames come back, the rate policies are gone (file 50, section 3, item 5).
    pub(super) fn reset(&mut self, interface: u8, keep_statistics: bool, now: Instant) {
        let index = usize::from(interface);
        if let Some(scan) = &self.scan {
            if scan.interface() == interface {
                self.end_scan(now);
            }
        }
        for (peer, tid, from_station) in self.block_ack.clear_interface(interface) {
            self.medium.set_block_ack(peer, tid, from_station, 0);
        }
        self.heal_by_reset(interface);
        self.abandon(interface, status::LINK_LOST, now);
        let state = &mut self.interfaces[index];
        state.role = Role::Idle;
        state.traffic = Default::default();
        state.bss = Default::default();
        state.power = Default::default();
        state.doze = Default::default();
        state.keep_alive = Duration::ZERO;
        state.filters.write(id::BEACON_FILTER, &[]);
        self.policies.clear();
        if !keep_statistics {
            self.counters.reset_table();
        }
        if self.interfaces.iter().all(|state| state.is_idle()) {
            self.home = None;
        }
        self.medium.set_station_address(self.address);
        self.retune(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crossed_threshold_is_reported_once_per_crossing() {
        let mut watch = RcpiWatch::default();
        assert_eq!(watch.sample(10), None);
        // Enabled, lower 80, upper 100, no averaging.
        watch.write(&[1, 80, 100, 1]);
        assert_eq!(watch.sample(90), None);
        assert_eq!(watch.sample(70), Some(70));
        assert_eq!(watch.sample(60), None);
        assert_eq!(watch.sample(90), None);
        assert_eq!(watch.sample(120), Some(120));
        // Neither limit is used.
        watch.write(&[0x0D, 0, 0, 1]);
        assert_eq!(watch.sample(1), None);
        assert_eq!(watch.sample(200), None);
    }

    #[test]
    fn thresholds_may_be_signal_strengths() {
        let mut watch = RcpiWatch::default();
        // RSSI, lower -80 dBm, upper -40 dBm.
        watch.write(&[3, 0xB0, 0xD8, 1]);
        assert_eq!(watch.sample(100), None);
        assert_eq!(watch.sample(40), Some(0xA6));
    }
}
