//! What every story needs: the driver on an emulated card behind a bus that can fail, one open network, and traffic in
//! both directions of which each packet is counted at both ends.

use bes_hal::firmware::FirmwareFile;
use bes_hal::sdio::SdioFunction;
use bes_hal::Duration;
use bes_mac80211::device::DeviceState;
use bes_mac80211::event::Event;
use bes_mac80211::recovery::RecoveryPolicy;
use bes_sim::images::{image, Images};
use bes_sim::rig::{Rig, Setup, Upload, ADDRESS};
use bes_wsm::anomaly::AnomalyKind;
use bes_wsm::recovery::RecoveryReason;
use mock_hal::air::traffic::{Flow, Meter, Pace};
use mock_hal::air::{Air, AirConfig, ApConfig, ApId, Channel};
use mock_hal::chip::lmac::Lmac;
use mock_hal::fault::{Faults, Faulty, Plan};
use mock_hal::plain_host::{PlainHost, PERIOD};
use mock_hal::{BurstVec, EmulatedSdio};

/// Name of the open network.
pub(crate) const OPEN: &str = "story";
/// Its channel.
pub(crate) const CHANNEL: u8 = 6;
/// Number of the uplink flow, as the rig stamps it.
const UPLINK: u32 = 1;

/// The stories of `withstand_plain` are told on a host that can do little, all others on one that can do everything.
const PLAIN: bool = matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"withstand_plain");

/// Blocks of the longest burst: what the little host can move at once.
const FEW_BLOCKS: u16 = 64;

/// Milliseconds.
pub(crate) fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A driver, a chip, a network, and faults.
pub(crate) struct Story {
    pub(crate) rig: Rig<Faulty<PlainHost<EmulatedSdio>>>,
    pub(crate) faults: Faults,
    pub(crate) ap: ApId,
    /// Uplink packets made so far: their numbers go on from one exchange to the next.
    made_up: u64,
    flow: u32,
}

/// What became of an exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) down_made: u64,
    pub(crate) down: Meter,
    pub(crate) up_made: u64,
    pub(crate) up_packets: u64,
    pub(crate) up_duplicates: u64,
    pub(crate) up_out_of_order: u64,
}

impl Outcome {
    /// Every packet arrived once and in order, in both directions.
    pub(crate) fn assert_intact(&self, story: &str) {
        assert!(
            self.down_made > 20 && self.up_made > 20,
            "{story}: {self:?}"
        );
        assert_eq!(self.down.packets, self.down_made, "{story}: {self:?}");
        assert_eq!(self.down.duplicates, 0, "{story}: {self:?}");
        assert_eq!(self.down.out_of_order, 0, "{story}: {self:?}");
        assert_eq!(self.up_packets, self.up_made, "{story}: {self:?}");
        assert_eq!(self.up_duplicates, 0, "{story}: {self:?}");
        assert_eq!(self.up_out_of_order, 0, "{story}: {self:?}");
    }
}

/// Small files: the download is the smallest part of a story.
pub(crate) fn images() -> Images {
    let mut images = Images::made_up();
    images.set(FirmwareFile::Calibration, Some(image(2_000)));
    images.set(FirmwareFile::Main, Some(image(9_000)));
    images
}

/// An air with the open network in it.
pub(crate) fn air() -> (Air, ApId) {
    let mut air = Air::new(AirConfig {
        seed: 1,
        ..AirConfig::default()
    });
    let ap = air.add_access_point(ApConfig::open(OPEN, Channel::ht20(CHANNEL)));
    (air, ap)
}

/// Settings of a story, to be changed.
pub(crate) fn setup(air: Air) -> Setup {
    let mut setup = Setup::new(air);
    // These stories are about what ends a session, and that nothing is lost by it; what the driver does about it by itself
    // is told in the stories of recovery.
    setup.device.recovery = RecoveryPolicy::NONE;
    setup.images = images();
    setup
}

impl Story {
    /// Names of the networks that the last scan found, sorted.
    pub(crate) fn names_heard(&self) -> Vec<String> {
        let heard = self.rig.stack.station.heard.iter();
        let mut names: Vec<_> = heard
            .map(|bss| String::from_utf8_lossy(&bss.ssid).into_owned())
            .collect();
        names.sort();
        names
    }

    /// A card in the slot, nothing else yet.
    pub(crate) fn new() -> Self {
        let (air, ap) = air();
        Self::with(setup(air), ap)
    }

    /// The same with other settings.
    pub(crate) fn with(setup: Setup, ap: ApId) -> Self {
        let mut faults = None;
        let mut setup = setup;
        if PLAIN {
            setup.card.timing.width_bits = 1;
            setup.card.power_switch = false;
        }
        let mut rig = Rig::with_function(setup, |function| {
            let host = PlainHost::new(function, PLAIN.then_some(FEW_BLOCKS));
            let (faulty, handle) = Faulty::new(host, Plan::new(7));
            faults = Some(handle);
            faulty
        });
        rig.poll = PLAIN.then_some(PERIOD);
        let faults = faults.expect("the function was wrapped");
        faults.set_doorbell(rig.doorbell.clone());
        Self {
            rig,
            faults,
            ap,
            made_up: 0,
            flow: 100,
        }
    }

    /// Connected, and data flows.
    pub(crate) fn connected() -> Self {
        let mut story = Self::new();
        story.connect();
        story
    }

    /// Boots, scans and joins the open network.
    pub(crate) fn connect(&mut self) {
        self.rig.bring_up().expect("the chip comes up");
        self.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
        self.rig.connect(OPEN, None).expect("the network is joined");
    }

    pub(crate) fn lmac<R>(&self, look: impl FnOnce(&mut Lmac) -> R) -> R {
        self.rig.lmac(look)
    }

    pub(crate) fn count(&self, kind: AnomalyKind) -> u32 {
        self.rig.device.anomalies().count(kind)
    }

    /// Anomalies for a failure message.
    pub(crate) fn anomalies(&self) -> Vec<(String, u32)> {
        self.rig
            .device
            .anomalies()
            .iter()
            .map(|(kind, count)| (kind.to_string(), count))
            .collect()
    }

    pub(crate) fn reason(&self) -> Option<RecoveryReason> {
        match self.rig.device.state() {
            DeviceState::NeedsRecovery(reason) => Some(reason),
            _ => None,
        }
    }

    /// Why recovery was needed, also if somebody switched the device off since.
    pub(crate) fn verdict(&self) -> Option<RecoveryReason> {
        let told = self.rig.stack.events.iter().find_map(|event| match event {
            Event::RecoveryNeeded(reason) => Some(*reason),
            _ => None,
        });
        assert!(self.reason().is_none() || self.reason() == told);
        told
    }

    /// Starts paced packets in both directions.
    pub(crate) fn start_traffic(&mut self) {
        let now = self.rig.now();
        self.flow += 1;
        let flow = Flow {
            number: self.flow,
            tid: 0,
            octets: 600,
            pace: Pace::Every(Duration::from_micros(700)),
            limit: None,
        };
        self.rig.stack.meter = Meter::default();
        let ap = self.ap;
        self.rig
            .air(|air| air.access_point_mut(ap).start_flow(ADDRESS.0, flow, now));
        self.rig.upload = Some(Upload {
            msdu: 500,
            interval: Some(Duration::from_micros(900)),
            next: now,
            made: self.made_up,
        });
    }

    /// Number of the downlink flow.
    pub(crate) fn flow(&self) -> u32 {
        self.flow
    }

    /// Packets in both directions for some time; `meanwhile` happens while they flow, at their start.
    pub(crate) fn exchange_with(
        &mut self,
        time: Duration,
        meanwhile: impl FnOnce(&mut Self),
    ) -> Outcome {
        let ap = self.ap;
        let before = self.rig.air(|air| air.access_point(ap).meter(UPLINK));
        let made_before = self.made_up;
        self.start_traffic();
        meanwhile(self);
        self.rig.run_until(time, |rig| rig.needs_recovery());
        self.stop_traffic();
        let after = self.rig.air(|air| air.access_point(ap).meter(UPLINK));
        let flow = self.flow;
        let down_made = self
            .rig
            .air(|air| air.access_point(ap).flow(flow).map_or(0, |flow| flow.made));
        Outcome {
            down_made,
            down: self.rig.stack.meter,
            up_made: self.made_up - made_before,
            up_packets: after.packets - before.packets,
            up_duplicates: after.duplicates - before.duplicates,
            up_out_of_order: after.out_of_order - before.out_of_order,
        }
    }

    /// Ends the generators.
    pub(crate) fn stop_generators(&mut self) {
        if let Some(upload) = self.rig.upload.take() {
            self.made_up = upload.made;
        }
        let (ap, flow) = (self.ap, self.flow);
        self.rig.air(|air| air.access_point_mut(ap).stop_flow(flow));
    }

    /// Ends the generators and lets what is under way arrive.
    pub(crate) fn stop_traffic(&mut self) {
        self.stop_generators();
        self.rig.run_until(Duration::from_secs(12), |rig| {
            rig.needs_recovery() || rig.is_quiet()
        });
        // What only the poll for lost interrupts finds arrives within a second.
        self.rig.run_until(ms(1_200), |rig| rig.needs_recovery());
    }

    /// Packets in both directions for some time.
    pub(crate) fn exchange(&mut self, time: Duration) -> Outcome {
        self.exchange_with(time, |_| {})
    }

    /// Good traffic flows, nothing leaks, nothing is kept back.
    pub(crate) fn assert_good(&mut self, story: &str) {
        assert_eq!(self.reason(), None, "{story}: {:?}", self.anomalies());
        self.exchange(ms(60)).assert_intact(story);
        self.assert_balanced(story);
    }

    /// No credit is lost, and every frame was given back.
    pub(crate) fn assert_balanced(&self, story: &str) {
        assert_balanced(&self.rig, story);
    }

    /// Ends the faults, boots anew, connects, and moves data.
    pub(crate) fn recover(&mut self, story: &str) {
        self.assert_balanced(story);
        self.stop_generators();
        self.faults.disarm_all();
        if self.faults.is_gone() {
            self.faults.reinsert();
        }
        self.rig.forget();
        self.connect();
        self.assert_good(story);
    }

    /// Good traffic flows: at once if the session survived, after a boot if it needs recovery. Says which.
    pub(crate) fn settle(&mut self, story: &str) -> Option<RecoveryReason> {
        let reason = self.reason();
        if reason.is_some() {
            self.recover(story);
        } else {
            self.assert_good(story);
        }
        reason
    }
}

/// No credit is lost, and once nothing is under way every frame was given back.
pub(crate) fn assert_balanced<S: SdioFunction<Buffer = BurstVec>>(rig: &Rig<S>, story: &str) {
    assert_eq!(rig.device.bottom_half().leaked_credits(), 0, "{story}");
    if rig.is_quiet() || rig.needs_recovery() {
        let counters = rig.stack.counters;
        assert_eq!(
            counters.tx_given,
            counters.tx_acked + counters.tx_failed,
            "{story}"
        );
        // Frames that were given up keep their credit: the chip may still have them.
        let owner = rig.device.bottom_half();
        assert_eq!(
            usize::from(owner.window().outstanding()),
            owner.in_flight(),
            "{story}"
        );
    }
}
