//! An hour of somebody who reads web pages, in virtual time: how much of the idle time the chip sleeps, and whether
//! anything is lost over it.
//!
//! The pattern: a page load is 50 requests of 500 bytes upward, 10 ms apart, and, from 100 ms after the first of them, when
//! the network has had time to answer, 600 packets of 1400 bytes downward in 400 ms (0.8 MiB, what a page of the web weighs
//! without its films); then the page is read for 5 to 45 s, evenly
//! distributed. Every 15 s of reading a packet of 200 bytes arrives unasked, as messengers and mail programs have it. The
//! connection has power save and an address, as any station of a desktop has.
//!
//! Idle is every moment in which nobody offers a packet, in either direction, and none waits.

use crate::report::{Browse, Frames, SleepReport};
use crate::rig::{Rig, Setup, Upload, ADDRESS};
use crate::scene::{home, Scene, OPEN};
use anyhow::{ensure, Result};
use bes_hal::{Duration, Instant};
use bes_mac80211::config::IDLE_SLEEP;
use bes_mac80211::device::DeviceState;
use bes_mac80211::request::{PowerSaveParameters, Request};
use mock_hal::air::traffic::{Flow, Pace};
use mock_hal::air::{ApId, Width};

/// How long the network takes for its first answer.
const ANSWER: Duration = Duration::from_millis(100);
/// How long a page loads.
const LOAD: Duration = Duration::from_millis(400);
/// Packets of a page.
const PACKETS: u64 = 600;
/// Bytes of one.
const OCTETS: usize = 1400;
/// Time between two requests.
const REQUEST_EVERY: Duration = Duration::from_millis(10);
/// A packet arrives unasked so often.
const NEWS_EVERY: Duration = Duration::from_secs(15);
/// How long the last packets of a burst may take to arrive.
const TAIL: Duration = Duration::from_millis(300);
/// How long what was sent may be under way at the end.
const SETTLE: Duration = Duration::from_secs(3);
/// Number of the uplink flow, as the rig stamps it.
const UPLINK: u32 = 1;

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Next {
    Page,
    News,
}

struct Reader {
    rig: Rig,
    ap: ApId,
    seed: u64,
    flow: u32,
    requests: u64,
    made: u64,
    received: u64,
    pages: u64,
    busy: bool,
    idle: Duration,
    idle_asleep: Duration,
}

impl Reader {
    fn new(seed: u64) -> Result<Self> {
        let Scene { air, open, .. } = home(seed, false, Width::Ht20);
        let mut setup = Setup::new(air);
        setup.seed = seed;
        setup.device.idle_sleep = Some(IDLE_SLEEP);
        let mut rig = Rig::new(setup);
        rig.bring_up()?;
        rig.scan(&[1, 6, 11], &[])?;
        rig.connect(OPEN, None)?;
        let Some(interface) = rig.interface else {
            anyhow::bail!("there is no interface")
        };
        let limit = Duration::from_secs(5);
        let parameters = PowerSaveParameters {
            enabled: true,
            dynamic_timeout: Duration::ZERO,
        };
        rig.request(Request::PowerSave(interface, parameters), limit)?;
        rig.request(Request::ArpAddresses(interface, &[[10, 0, 0, 2]]), limit)?;
        Ok(Self {
            rig,
            ap: open,
            seed,
            flow: 100,
            requests: 0,
            made: 0,
            received: 0,
            pages: 0,
            busy: false,
            idle: Duration::ZERO,
            idle_asleep: Duration::ZERO,
        })
    }

    /// An evenly distributed number below `most`.
    fn random(&mut self, most: u64) -> u64 {
        // SplitMix64.
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % most
    }

    /// Packets from the access point.
    fn download(&mut self, octets: usize, pace: Duration, count: u64) {
        self.end_flow();
        self.flow += 1;
        let flow = Flow {
            number: self.flow,
            tid: 0,
            octets,
            pace: Pace::Every(pace),
            limit: Some(count),
        };
        let now = self.rig.now();
        let ap = self.ap;
        self.rig
            .air(|air| air.access_point_mut(ap).start_flow(ADDRESS.0, flow, now));
    }

    /// Takes over what the flow before has made.
    fn end_flow(&mut self) {
        let (ap, flow) = (self.ap, self.flow);
        let made = self.rig.air(|air| {
            let made = air.access_point(ap).flow(flow).map_or(0, |flow| flow.made);
            air.access_point_mut(ap).stop_flow(flow);
            made
        });
        self.made += made;
        // Numbers begin anew with every flow.
        let meter = std::mem::take(&mut self.rig.stack.meter);
        self.received += meter.packets - meter.duplicates;
    }

    fn page(&mut self) {
        self.pages += 1;
        let now = self.rig.now();
        self.rig.upload = Some(Upload {
            msdu: 500,
            interval: Some(REQUEST_EVERY),
            next: now,
            made: self.requests,
        });
        self.busy = true;
        self.run(ANSWER);
        let pace = LOAD / u32::try_from(PACKETS).unwrap_or(1);
        self.download(OCTETS, pace, PACKETS);
        self.run(LOAD);
        if let Some(upload) = self.rig.upload.take() {
            self.requests = upload.made;
        }
        // What was offered at the end is still on its way.
        self.run(TAIL);
        self.busy = false;
    }

    fn news(&mut self) {
        self.download(200, Duration::from_secs(1), 1);
        self.busy = true;
        self.run(TAIL);
        self.busy = false;
    }

    /// Lets time pass and measures what of it was idle, and asleep.
    fn run(&mut self, time: Duration) {
        let mut since = self.rig.now();
        let (mut idle, mut asleep) = (Duration::ZERO, Duration::ZERO);
        let mut slept = self.rig.device.state() == DeviceState::Asleep;
        let mut note = |now: Instant, sleeps: bool| {
            let counted = now.since(since);
            idle += counted;
            if slept {
                asleep += counted;
            }
            since = now;
            slept = sleeps;
        };
        self.rig.run_until(time, |rig| {
            note(rig.now(), rig.device.state() == DeviceState::Asleep);
            rig.needs_recovery()
        });
        if !self.busy {
            self.idle += idle;
            self.idle_asleep += asleep;
        }
    }
}

/// Reads pages for so many minutes.
pub fn browse(minutes: u32, seed: u64) -> Result<Browse> {
    let mut reader = Reader::new(seed)?;
    let start = reader.rig.now();
    let before = reader.rig.handle.statistics().sleeps;
    let end = start.after(Duration::from_secs(60 * u64::from(minutes)));
    let mut page_at = start.after(Duration::from_secs(5));
    let mut news_at = start.after(NEWS_EVERY);
    while page_at.min(news_at) < end {
        let (next, at) = if page_at <= news_at {
            (Next::Page, page_at)
        } else {
            (Next::News, news_at)
        };
        let now = reader.rig.now();
        reader.run(at.since(now));
        ensure!(
            !reader.rig.needs_recovery() && reader.rig.stack.station.is_connected(),
            "the connection was lost (state {:?})",
            reader.rig.device.state()
        );
        match next {
            Next::Page => {
                reader.page();
                let reading = Duration::from_millis(5_000 + reader.random(40_001));
                page_at = reader.rig.now().after(reading);
                news_at = reader.rig.now().after(NEWS_EVERY);
            }
            Next::News => {
                reader.news();
                news_at = news_at.after(NEWS_EVERY);
            }
        }
    }
    reader.end_flow_after(SETTLE);
    let uplink = reader
        .rig
        .air(|air| air.access_point(reader.ap).meter(UPLINK));
    let offered = reader.made + reader.requests;
    let delivered = reader.received + uplink.packets - uplink.duplicates;
    let share = |part: Duration, whole: Duration| {
        if whole.is_zero() {
            0.0
        } else {
            part.as_secs_f64() / whole.as_secs_f64()
        }
    };
    let device = &reader.rig.device;
    Ok(Browse {
        minutes,
        pages: reader.pages,
        sleep: SleepReport {
            idle_share: share(reader.idle_asleep, reader.idle),
            idle_seconds: reader.idle.as_secs_f64(),
            asleep_seconds: reader.idle_asleep.as_secs_f64(),
            sleeps: reader.rig.handle.statistics().sleeps - before,
            reasons_expired: device.power_ledger().anomalies(),
            anomalies: device.sleep().anomalies(),
        },
        frames: Frames {
            delivered,
            lost: offered.saturating_sub(delivered),
        },
        anomalies: device.anomalies().total(),
        anomaly_kinds: device
            .anomalies()
            .iter()
            .map(|(kind, count)| (kind.to_string(), count))
            .collect(),
    })
}

impl Reader {
    /// Waits for what is under way, and ends the last flow.
    fn end_flow_after(&mut self, time: Duration) {
        self.rig.run_for(time);
        self.end_flow();
    }
}
