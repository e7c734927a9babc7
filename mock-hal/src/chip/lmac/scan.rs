//! Scan (file 20, section 8; file 31, section 7; file 50, section 3).
//!
//! | state | what happens | next |
//! |---|---|---|
//! | none | request accepted, not joined | dwelling on the first channel |
//! | none | request accepted, associated | leaving: a null frame tells the access point to buffer |
//! | leaving | the null frame is through, or failed | dwelling |
//! | dwelling | shortest stay is over and nothing was heard, or the longest is over | next channel, or none |
//! | any | stop scan, reset | none |
//!
//! Reaching "none" sends exactly one scan-complete indication. A refusal sends none.

use super::config::ForegroundScan;
use super::frame::{self, Mpdu};
use super::interface::Role;
use super::join::TU;
use super::mib::template;
use super::transmit::Own;
use super::{Lmac, Medium};
use crate::air::{Band, Channel, Exchange, Heard, Width};
use crate::chip::wire::header::number;
use crate::chip::wire::scan::{ScanChannel, StartScan};
use crate::chip::wire::{confirm, indication, rate, request, status};
use bes_hal::time::Instant;
use core::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Leaving,
    Dwelling {
        next_probe: Option<Instant>,
        probes_left: u32,
        min_end: Instant,
        max_end: Instant,
    },
}

/// A scan that runs.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    interface: u8,
    /// Interface on which results go up.
    report_on: u8,
    request: StartScan,
    index: usize,
    phase: Phase,
    heard: bool,
    /// The access point was told that the station sleeps.
    announced: bool,
}

impl Scan {
    pub(crate) const fn interface(&self) -> u8 {
        self.interface
    }

    pub(crate) const fn report_on(&self) -> u8 {
        self.report_on
    }

    /// Whether the radio has left the home channel.
    pub(crate) const fn is_away(&self) -> bool {
        matches!(self.phase, Phase::Dwelling { .. })
    }

    fn current(&self) -> Option<ScanChannel> {
        self.request.channels.get(self.index).copied()
    }

    /// The channel being scanned.
    pub(crate) fn channel(&self) -> Option<Channel> {
        let number = u8::try_from(self.current()?.number).unwrap_or(0);
        Some(Channel::new(number, Width::Ht20))
    }
}

impl<M: Medium> Lmac<M> {
    /// Starts a scan or refuses it; `true` if the confirmation comes later, as that of an ailing chip, or never.
    pub(super) fn start_scan(&mut self, interface: u8, message: &[u8], now: Instant) -> bool {
        if self.refuse_slowly(interface, now) {
            return true;
        }
        let result = self.check_scan(interface, message);
        let (request, report_on) = match result {
            Ok(accepted) => accepted,
            Err(status) => {
                self.counters.scans_refused = self.counters.scans_refused.wrapping_add(1);
                self.confirm(confirm::generic(number::START_SCAN, interface, status), 1);
                return false;
            }
        };
        if self.dead {
            return true;
        }
        self.counters.scans = self.counters.scans.wrapping_add(1);
        self.confirm(
            confirm::generic(number::START_SCAN, interface, status::SUCCESS),
            1,
        );
        let mut scan = Scan {
            interface,
            report_on,
            request,
            index: 0,
            phase: Phase::Leaving,
            heard: false,
            announced: false,
        };
        let associated = (0..super::INTERFACES).find(|index| {
            let state = &self.interfaces[*index];
            state.joined().is_some() && state.bss.aid != 0 && state.power.is_awake()
        });
        match associated {
            Some(index) => {
                scan.announced = true;
                self.scan = Some(scan);
                let home = u8::try_from(index).unwrap_or(0);
                self.send_null(home, true, Own::LeaveForScan, now);
            }
            None => {
                self.scan = Some(scan);
                self.enter_channel(now);
            }
        }
        false
    }

    /// The request and the interface for its results, or the status that refuses it.
    fn check_scan(&mut self, interface: u8, message: &[u8]) -> Result<(StartScan, u8), u32> {
        let request = StartScan::parse(message).map_err(|what| {
            self.violation(format!("START_SCAN: {what}"));
            status::INVALID_PARAMETER
        })?;
        if let Some(channel) = request.channels.iter().find(|channel| {
            !request::valid_channel(channel.number) || (channel.number > 14) != (request.band == 1)
        }) {
            let number = channel.number;
            self.violation(format!("START_SCAN of channel {number} in another band"));
            return Err(status::INVALID_PARAMETER);
        }
        if self.scan.is_some() {
            self.violation("START_SCAN during a scan");
            return Err(status::FAILURE);
        }
        if request.band == 1 && request.channels.len() > self.config.max_5ghz_scan_channels {
            // Not a violation: a host finds out by being refused (file 50, section 3, item 1).
            return Err(status::INVALID_PARAMETER);
        }
        let limit = self.config.scans_until_exhausted;
        if limit.is_some_and(|limit| self.counters.scans >= limit) {
            return Err(status::FAILURE);
        }
        if self.is_exhausted_by_scan() {
            return Err(status::FAILURE);
        }
        let half = self
            .interfaces
            .iter()
            .any(|state| matches!(state.role, Role::HalfJoined));
        if half {
            self.violation("START_SCAN after a refused JOIN without a RESET");
            return Err(status::STILL_JOINED);
        }
        let joined = self
            .interfaces
            .iter()
            .position(|state| state.joined().is_some());
        match joined {
            Some(_) if !request.background => {
                self.violation("foreground START_SCAN while joined");
                match self.config.foreground_scan_while_joined {
                    ForegroundScan::Refuse => Err(status::STILL_JOINED),
                    ForegroundScan::Hang => {
                        self.dead = true;
                        Err(status::STILL_JOINED)
                    }
                }
            }
            Some(index) => {
                if request.channels.len() > 1 {
                    self.violation("START_SCAN of several channels while joined");
                }
                Ok((request, u8::try_from(index).unwrap_or(interface)))
            }
            None => Ok((request, 2)),
        }
    }

    /// The null frame that announces the absence is through, or failed: it makes no difference.
    pub(super) fn left_for_scan(&mut self, now: Instant) {
        if matches!(&self.scan, Some(scan) if scan.phase == Phase::Leaving) {
            self.enter_channel(now);
        }
    }

    fn enter_channel(&mut self, now: Instant) {
        let Some(scan) = &mut self.scan else {
            return;
        };
        let Some(channel) = scan.current() else {
            return self.end_scan(now);
        };
        let stay = |tu: u32| TU * tu.min(10_000);
        let rounds = u32::from(scan.request.probes);
        scan.phase = Phase::Dwelling {
            next_probe: (rounds > 0)
                .then(|| now.after(Duration::from_micros(scan.request.probe_delay.into()))),
            probes_left: rounds,
            // A shortest stay of 0 (a direct probe) would leave before any answer: the longest counts.
            min_end: now.after(stay(if channel.min_dwell == 0 {
                channel.max_dwell
            } else {
                channel.min_dwell
            })),
            max_end: now.after(stay(channel.max_dwell.max(channel.min_dwell))),
        };
        scan.heard = false;
        self.retune(now);
    }

    /// When the scan has something to do.
    pub(super) fn scan_due(&self) -> Option<Instant> {
        let scan = self.scan.as_ref()?;
        match scan.phase {
            Phase::Leaving => None,
            Phase::Dwelling {
                next_probe,
                min_end,
                max_end,
                ..
            } => {
                let end = scan_end(scan.heard, min_end, max_end);
                Some(next_probe.map_or(end, |probe| probe.min(end)))
            }
        }
    }

    pub(super) fn scan_step(&mut self, now: Instant) {
        let Some(scan) = &mut self.scan else {
            return;
        };
        let Phase::Dwelling {
            next_probe,
            probes_left,
            min_end,
            max_end,
        } = &mut scan.phase
        else {
            return;
        };
        if next_probe.is_some_and(|at| at.is_due(now)) {
            *probes_left -= 1;
            // The rounds are spread over the shortest stay, so that a lost request is not the only one.
            let rounds = u32::from(scan.request.probes).max(1);
            let gap = min_end.since(now).max(Duration::from_millis(4)) / rounds;
            *next_probe = (*probes_left > 0).then(|| now.after(gap));
            let interface = scan.interface;
            let wanted = scan.request.max_rate;
            let floor = if scan.request.band == 1 { 6 } else { 0 };
            let rate_id = wanted.max(floor);
            let mut ssids = scan.request.ssids.clone();
            if ssids.is_empty() {
                ssids.push(Vec::new());
            }
            for ssid in ssids {
                self.send_probe(interface, &ssid, rate_id, now);
            }
            return;
        }
        if scan_end(scan.heard, *min_end, *max_end).is_due(now) {
            scan.index += 1;
            self.enter_channel(now);
        }
    }

    /// Ends the scan, if there is one, with its one indication.
    pub(super) fn end_scan(&mut self, now: Instant) {
        let Some(scan) = self.scan.take() else {
            return;
        };
        self.retune(now);
        let channels = u8::try_from(scan.index).unwrap_or(u8::MAX);
        let psm = self
            .interfaces
            .iter()
            .find(|state| state.joined().is_some())
            .map_or(0, |state| state.power.psm());
        if !self.leaks_scan_complete() {
            self.send(indication::scan_complete(status::SUCCESS, psm, channels));
        }
        if scan.announced {
            for index in 0..super::INTERFACES {
                let state = &self.interfaces[index];
                if state.joined().is_some() && state.power.is_awake() {
                    let home = u8::try_from(index).unwrap_or(0);
                    self.send_null(home, false, Own::Other, now);
                }
            }
        }
    }

    /// A frame that was heard while away; beacons and probe responses are results.
    pub(super) fn heard_while_scanning(&mut self, heard: &Heard) -> bool {
        let is_result = Mpdu::new(&heard.frame).is_some_and(|mpdu| {
            matches!(
                mpdu.kind(),
                frame::kind::BEACON | frame::kind::PROBE_RESPONSE
            ) && mpdu.0.len() >= 36
        });
        if let (true, Some(scan)) = (is_result, &mut self.scan) {
            scan.heard = true;
        }
        is_result
    }

    /// Sends one probe request from the template with this SSID.
    pub(super) fn send_probe(&mut self, interface: u8, ssid: &[u8], rate_id: u8, now: Instant) {
        let Some(template) = self.mibs.template(interface, template::PROBE_REQUEST) else {
            return self.violation("active START_SCAN without a probe request template");
        };
        // The template has an empty SSID element right behind its header.
        let body = template.frame.get(24..).unwrap_or(&[]);
        if body.get(..2) != Some(&[0, 0]) {
            return self.violation("probe request template without an empty SSID first");
        }
        let mut frame = Vec::with_capacity(template.frame.len() + ssid.len());
        frame.extend_from_slice(&template.frame[..24]);
        frame.extend_from_slice(&[0, u8::try_from(ssid.len()).unwrap_or(0)]);
        frame.extend_from_slice(ssid);
        frame.extend_from_slice(&body[2..]);
        let sequence = self.next_sequence();
        frame[22..24].copy_from_slice(&(sequence << 4).to_le_bytes());
        let band = self.tuned.map_or(Band::Ghz2_4, |channel| channel.band);
        let rate = rate::to_phy(rate_id, Width::Ht20, false)
            .or_else(|| rate::to_phy(rate::lowest(band), Width::Ht20, false));
        if let Some(rate) = rate {
            let frames = [frame.as_slice()];
            let exchange = Exchange {
                frames: &frames,
                rate,
                rts: false,
            };
            self.medium.exchange(&exchange, now);
            self.counters.tx_multicast += 1;
        }
    }
}

fn scan_end(heard: bool, min_end: Instant, max_end: Instant) -> Instant {
    if heard {
        max_end
    } else {
        min_end
    }
}
