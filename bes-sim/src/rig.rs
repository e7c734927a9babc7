//! The composition: an emulated card, the driver on it, the stack above, and virtual time that steps from deadline to
//! deadline. `kmod` is the same composition for a real kernel.

use crate::frame::SimFrame;
use crate::images::Images;
use crate::stack::SimStack;
use crate::station::dot11::Bss;
use crate::station::{band, Station, Wish};
use anyhow::{bail, ensure, Result};
use bes_hal::doorbell::{Doorbell, Reasons};
use bes_hal::memory::Heap;
use bes_hal::sdio::SdioFunction;
use bes_hal::time::earliest;
use bes_hal::{Duration, Instant};
use bes_mac80211::config::DeviceConfig;
use bes_mac80211::device::{Device, DeviceState};
use bes_mac80211::error::RequestError;
use bes_mac80211::event::Event;
use bes_mac80211::key::KeyParameters;
use bes_mac80211::request::{
    InterfaceKind, Request, Response, ScanChannel, ScanRequest, Ssid, Token,
};
use bes_mac80211::types::{
    AccessCategory, Channel, Cipher, Dbm, HardwareKey, MacAddress, RateIndex, RateSeries, TxInfo,
    TxRate,
};
use bes_sdio_bus::{Config as BusConfig, SdioTransport};
use bes_wsm::wire::InterfaceId;
use mock_hal::air::{Air, Radio};
use mock_hal::chip::lmac::{Lmac, LmacConfig};
use mock_hal::chip::Firmware;
use mock_hal::{BurstVec, Card, Config as CardConfig, EmulatedSdio, Handle};
use std::sync::Arc;

/// The driver on an emulated card.
pub type Driver<S = EmulatedSdio> = Device<SdioTransport<S, Images>, SimStack>;

/// The station's address in every simulation.
pub const ADDRESS: MacAddress = MacAddress([0x02, 0, 0, 0, 0x01, 0]);

/// Most rounds at one instant of virtual time before the program calls it a standstill.
const ROUNDS_PER_INSTANT: u32 = 10_000;

/// How long the generator of traffic waits when a frame was refused.
const REFUSED_PAUSE: Duration = Duration::from_millis(1);

/// How everything is set up.
pub struct Setup {
    /// Card, chip and bus.
    pub card: CardConfig,
    /// Firmware of the chip.
    pub lmac: LmacConfig,
    /// The air, with its access points.
    pub air: Air,
    /// Firmware files.
    pub images: Images,
    /// The driver's bus settings.
    pub bus: BusConfig,
    /// The driver's settings.
    pub device: DeviceConfig,
    /// Seed of the station.
    pub seed: u64,
}

impl Setup {
    /// Defaults around an air.
    pub fn new(air: Air) -> Self {
        Self {
            card: CardConfig::default(),
            lmac: LmacConfig::default(),
            air,
            images: Images::made_up(),
            bus: BusConfig::default(),
            device: DeviceConfig::new(ADDRESS, &bes_sdio_bus::sdd::SDD),
            seed: 1,
        }
    }
}

/// A driver, a chip, and everything around them.
pub struct Rig<S: SdioFunction<Buffer = BurstVec> = EmulatedSdio> {
    /// The driver.
    pub device: Driver<S>,
    /// The stack above it.
    pub stack: SimStack,
    /// The world below it.
    pub handle: Handle,
    /// How the world wakes the driver.
    pub doorbell: Arc<Doorbell>,
    /// The interface, once added.
    pub interface: Option<InterfaceId>,
    /// How often the driver was woken.
    pub wakeups: u64,
    /// How often the platform looks for the card's interrupt, if nothing else wakes it.
    pub poll: Option<Duration>,
    /// The stack gives no more frames than the driver asks for, as mac80211's queues do; otherwise until it is told to stop.
    pub pull: bool,
    /// Traffic that the stack generates, if any.
    pub upload: Option<Upload>,
    address: MacAddress,
    token: u32,
    /// Requests whose answers only have to arrive.
    asked: Vec<Token>,
    /// The interface is being added again after the chip was restarted.
    adding: Option<Token>,
    scratch: Vec<u8>,
}

/// Saturated traffic upward.
#[derive(Clone, Copy, Debug)]
pub struct Upload {
    /// Bytes of each MSDU, LLC/SNAP included.
    pub msdu: usize,
    /// Pace: one frame per so much time; `None` as many as the driver takes.
    pub interval: Option<Duration>,
    /// When the next frame is due.
    pub next: Instant,
    /// Frames made.
    pub made: u64,
}

impl Rig<EmulatedSdio> {
    /// Inserts the card.
    pub fn new(setup: Setup) -> Self {
        Self::with_function(setup, |function| function)
    }

    /// Inserts the card, in an air that it shares with others; the setup's own air is not used. What looks at the firmware
    /// or the air of the rig alone ([`lmac`](Self::lmac), [`air`](Self::air)) is not for such a rig.
    pub fn sharing(setup: Setup, radio: Radio) -> Self {
        let (parts, lmac, _) = setup.split();
        Self::around(parts, Box::new(Lmac::new(lmac, radio)), |function| function)
    }
}

/// A setup without chip and air.
struct Parts {
    card: CardConfig,
    images: Images,
    bus: BusConfig,
    device: DeviceConfig,
    seed: u64,
}

impl Setup {
    fn split(self) -> (Parts, LmacConfig, Air) {
        let parts = Parts {
            card: self.card,
            images: self.images,
            bus: self.bus,
            device: self.device,
            seed: self.seed,
        };
        (parts, self.lmac, self.air)
    }
}

impl<S: SdioFunction<Buffer = BurstVec>> Rig<S> {
    /// Inserts the card, with something around its function.
    pub fn with_function(setup: Setup, wrap: impl FnOnce(EmulatedSdio) -> S) -> Self {
        let (parts, lmac, air) = setup.split();
        Self::around(parts, Box::new(Lmac::new(lmac, air)), wrap)
    }

    fn around(
        setup: Parts,
        firmware: Box<dyn Firmware>,
        wrap: impl FnOnce(EmulatedSdio) -> S,
    ) -> Self {
        let (function, handle) = Card::insert(setup.card, firmware);
        let doorbell = Arc::new(Doorbell::new());
        handle.set_doorbell(doorbell.clone());
        let transport = SdioTransport::new(wrap(function), setup.images, setup.bus);
        let address = setup.device.address;
        let station = Station::new(address, setup.seed);
        Self {
            device: Device::new(transport, setup.device, &mut Heap)
                .expect("a program's heap does not say that it is empty"),
            stack: SimStack::new(station),
            handle,
            doorbell,
            interface: None,
            wakeups: 0,
            poll: None,
            pull: false,
            upload: None,
            address,
            token: 0,
            asked: Vec::new(),
            adding: None,
            scratch: Vec::new(),
        }
    }

    /// Virtual time.
    pub fn now(&self) -> Instant {
        self.handle.now()
    }

    /// Looks at the firmware of the chip, and at the air through it.
    pub fn lmac<R>(&self, look: impl FnOnce(&mut Lmac) -> R) -> R {
        self.handle
            .with_firmware(look)
            .expect("the chip runs the emulated firmware")
    }

    /// Looks at the air.
    pub fn air<R>(&self, look: impl FnOnce(&mut Air) -> R) -> R {
        self.lmac(|lmac| look(lmac.medium_mut()))
    }

    /// Runs until `done`, or until `limit` of virtual time has passed; says which.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now().after(limit);
        let mut standstill = (self.now(), 0);
        loop {
            let now = self.now();
            self.stack.set_now(now);
            self.stack.station.poll(now);
            self.set_up_again();
            self.serve_station();
            self.feed(now);
            let reasons = self.doorbell.answer();
            let deadline = self.device.run(reasons, &mut self.stack);
            self.collect_answers();
            if done(self) {
                return true;
            }
            let now = self.now();
            if now >= end {
                return false;
            }
            if standstill.0 == now {
                standstill.1 += 1;
                assert!(
                    standstill.1 < ROUNDS_PER_INSTANT,
                    "the driver stands still at {now}: {:?}",
                    self.device.state()
                );
            } else {
                standstill = (now, 0);
            }
            if self.stack.station.has_wishes() || !self.doorbell.rest() {
                continue;
            }
            let mut next = earliest(deadline, self.stack.station.deadline());
            if let Some(upload) = &self.upload {
                if self.wants_frames() {
                    next = earliest(next, Some(upload.next));
                }
            }
            let next = next.unwrap_or(end).min(end);
            if next > now {
                match self.poll {
                    Some(period) => self.handle.advance_to(next.min(now.after(period))),
                    None => {
                        let _ = self.handle.advance_to_interrupt(next);
                    }
                }
                self.wakeups += 1;
            }
            // Whoever waits for a deadline wakes by it.
            let _ = self.doorbell.ring(Reasons::TIMER);
        }
    }

    /// Runs for a while.
    pub fn run_for(&mut self, time: Duration) {
        let _ = self.run_until(time, |_| false);
    }

    /// Makes a request and runs until it is answered.
    pub fn request(&mut self, request: Request<'_>, limit: Duration) -> Result<Response> {
        self.request_watching(request, limit, |_| {})
    }

    /// The same, with a look at every step.
    pub fn request_watching(
        &mut self,
        request: Request<'_>,
        limit: Duration,
        mut watch: impl FnMut(&mut Self),
    ) -> Result<Response> {
        self.token += 1;
        let token = Token(self.token);
        let name = format!("{request:?}");
        let name = name
            .split([' ', '(', '{'])
            .next()
            .unwrap_or_default()
            .to_owned();
        let now = self.now();
        self.device
            .request(token, request, now)
            .map_err(|error| anyhow::anyhow!("{name} was not accepted: {error}"))?;
        let mut answer = None;
        self.run_until(limit, |rig| {
            watch(rig);
            let found = rig.stack.events.iter().position(
                |event| matches!(event, Event::Completed { token: theirs, .. } if *theirs == token),
            );
            if let Some(at) = found {
                if let Some(Event::Completed { result, .. }) = rig.stack.events.remove(at) {
                    answer = Some(result);
                }
            }
            answer.is_some()
        });
        match answer {
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) => bail!("{name} failed: {error}"),
            None => bail!(
                "{name} was not answered within {limit:?} (state {:?})",
                self.device.state()
            ),
        }
    }

    /// Asks for something without waiting for the answer.
    pub fn ask(&mut self, request: Request<'_>) -> Result<(), RequestError> {
        self.token += 1;
        let (token, now) = (Token(self.token), self.now());
        self.device.request(token, request, now)?;
        self.asked.push(token);
        let _ = self.doorbell.ring(Reasons::REQUEST);
        Ok(())
    }

    /// The chip was restarted under the stack: the interface is made anew, and the station connects again, as Linux does
    /// after `ieee80211_restart_hw`.
    fn set_up_again(&mut self) {
        let now = self.now();
        if std::mem::take(&mut self.stack.restart) {
            self.interface = None;
            self.token += 1;
            let token = Token(self.token);
            let station = Request::AddInterface {
                kind: InterfaceKind::Station,
                address: self.address,
            };
            // Refused only if the device has failed again, and then it says so.
            self.adding = self
                .device
                .request(token, station, now)
                .is_ok()
                .then_some(token);
        }
        let Some(adding) = self.adding else {
            return;
        };
        let answer =
            self.stack.events.iter().position(
                |event| matches!(event, Event::Completed { token, .. } if *token == adding),
            );
        if let Some(Event::Completed { result, .. }) =
            answer.and_then(|at| self.stack.events.remove(at))
        {
            self.adding = None;
            if let Ok(Response::Interface(interface)) = result {
                self.interface = Some(interface);
                self.stack.station.reconnect(now);
            }
        }
    }

    /// Whether the driver heals itself, or the stack still sets up what was lost by it.
    pub fn is_healing(&self) -> bool {
        self.device.is_recovering() || self.stack.restart || self.adding.is_some()
    }

    /// Takes the answers to what was only asked.
    fn collect_answers(&mut self) {
        let asked = &mut self.asked;
        if asked.is_empty() {
            return;
        }
        self.stack.events.retain(|event| {
            let Event::Completed { token, .. } = event else {
                return true;
            };
            match asked.iter().position(|asked| asked == token) {
                Some(at) => {
                    asked.swap_remove(at);
                    false
                }
                None => true,
            }
        });
    }

    /// Whether nothing is under way: no wish, no request, no frame.
    pub fn is_quiet(&self) -> bool {
        self.asked.is_empty()
            && !self.stack.station.has_wishes()
            && self.device.queued_frames() == 0
            && self.device.bottom_half().is_idle()
    }

    /// Power on, firmware, Wi-Fi, one station interface.
    pub fn bring_up(&mut self) -> Result<()> {
        self.request(Request::Boot, Duration::from_secs(30))?;
        self.start()
    }

    /// Wi-Fi and one station interface, once the firmware runs.
    pub fn start(&mut self) -> Result<()> {
        self.request(Request::Start, Duration::from_secs(15))?;
        let added = self.request(
            Request::AddInterface {
                kind: InterfaceKind::Station,
                address: self.address,
            },
            Duration::from_secs(10),
        )?;
        let Response::Interface(interface) = added else {
            bail!("no interface: {added:?}")
        };
        self.interface = Some(interface);
        Ok(())
    }

    /// Scans these channels; every 2.4 GHz and the usual 5 GHz channels if there are none.
    pub fn scan(&mut self, channels: &[u8], ssids: &[&str]) -> Result<Vec<Bss>> {
        let limit = Duration::from_secs(60);
        self.start_scan(channels, ssids)?;
        let mut aborted = None;
        self.run_until(limit, |rig| {
            let at = rig
                .stack
                .events
                .iter()
                .position(|event| matches!(event, Event::ScanCompleted { .. }));
            if let Some(Event::ScanCompleted { aborted: how, .. }) =
                at.and_then(|at| rig.stack.events.remove(at))
            {
                aborted = Some(how);
            }
            aborted.is_some()
        });
        ensure!(
            aborted.is_some(),
            "the scan did not end (state {:?})",
            self.device.state()
        );
        Ok(self.stack.station.heard.clone())
    }

    /// Starts a scan and runs until the driver has accepted it.
    pub fn start_scan(&mut self, channels: &[u8], ssids: &[&str]) -> Result<()> {
        let Some(interface) = self.interface else {
            bail!("there is no interface to scan with")
        };
        let usual: Vec<u8> = (1..=13)
            .chain([36, 40, 44, 48, 149, 153, 157, 161, 165])
            .collect();
        let channels: Vec<_> = if channels.is_empty() {
            &usual
        } else {
            channels
        }
        .iter()
        .filter_map(|number| Channel::new((*number).into()))
        .map(|channel| ScanChannel {
            channel,
            passive: false,
            max_power: Dbm(20),
        })
        .collect();
        let ssids: Vec<_> = ssids
            .iter()
            .filter_map(|ssid| Ssid::new(ssid.as_bytes()))
            .collect();
        let request = ScanRequest {
            channels: &channels,
            ssids: &ssids,
            elements: &[],
            no_cck: false,
            source: None,
        };
        self.request(Request::Scan(interface, &request), Duration::from_secs(10))?;
        Ok(())
    }

    /// Connects to a network that was found, and runs until data flows.
    pub fn connect(&mut self, ssid: &str, passphrase: Option<&str>) -> Result<Duration> {
        let bss = self
            .stack
            .station
            .heard
            .iter()
            .find(|bss| bss.ssid == ssid.as_bytes())
            .cloned();
        let Some(bss) = bss else {
            bail!("no network named {ssid} was heard")
        };
        let start = self.now();
        self.stack.station.connect(&bss, passphrase, start);
        let up = self.run_until(Duration::from_secs(20), |rig| {
            rig.stack.station.is_connected() || rig.stack.station.failure.is_some()
        });
        if let Some(failure) = self.stack.station.failure {
            bail!(
                "the connection to {ssid} failed: {failure:?} (state {:?})",
                self.device.state()
            );
        }
        ensure!(up, "the connection to {ssid} did not come up");
        // Keys go in behind the last message of the handshake.
        self.run_until(Duration::from_secs(2), |rig| rig.is_quiet());
        Ok(self.now().since(start))
    }

    /// Leaves the network and runs until the chip has left it.
    pub fn disconnect(&mut self) -> Result<()> {
        self.stack.station.disconnect();
        let gone = self.run_until(Duration::from_secs(5), |rig| rig.is_quiet());
        ensure!(
            gone,
            "the network was not left (state {:?})",
            self.device.state()
        );
        Ok(())
    }

    /// Violations of the specification by the driver, as card and firmware count them.
    pub fn violation_count(&self) -> u64 {
        let bus = self.handle.with(|world| world.violations().count());
        bus + self.lmac(|lmac| lmac.violation_count())
    }

    /// Gives a frame to the driver.
    pub fn transmit(&mut self, mut frame: SimFrame, info: TxInfo) -> Result<(), SimFrame> {
        let Some(interface) = self.interface else {
            return Err(frame);
        };
        let now = self.now();
        frame.set_given(now);
        match self.device.transmit(interface, frame, info, now) {
            Ok(()) => {
                self.stack.counters.tx_given += 1;
                let _ = self.doorbell.ring(Reasons::FRAME);
                Ok(())
            }
            Err((frame, _)) => Err(frame),
        }
    }

    /// How a frame of this station is sent.
    pub fn info(&self, category: AccessCategory, data: bool, key: Option<HardwareKey>) -> TxInfo {
        let (channel, ht) = self
            .stack
            .station
            .bss()
            .map_or((1, false), |bss| (bss.channel, bss.ht));
        let mut info = TxInfo::new(category, band(channel));
        info.rates = if data && ht {
            RateSeries::new(&[
                TxRate {
                    index: RateIndex::Mcs(7),
                    count: 4,
                },
                TxRate {
                    index: RateIndex::Mcs(4),
                    count: 4,
                },
                TxRate {
                    index: RateIndex::Mcs(0),
                    count: 4,
                },
            ])
        } else {
            RateSeries::single(RateIndex::Legacy(0), 6)
        };
        info.key = key;
        info
    }

    fn is_open(&self) -> bool {
        self.stack.is_open(AccessCategory::BestEffort)
    }

    /// Fills the driver's queue with generated frames.
    /// Whether generated frames may be given to the driver now.
    fn wants_frames(&self) -> bool {
        let has_room = || {
            self.interface.is_some_and(|interface| {
                self.device.room(interface, AccessCategory::BestEffort) > 0
            })
        };
        self.is_open() && self.stack.station.is_connected() && (!self.pull || has_room())
    }

    fn feed(&mut self, now: Instant) {
        let Some(mut upload) = self.upload else {
            return;
        };
        let key = self.stack.station.key();
        let info = self.info(AccessCategory::BestEffort, true, key);
        while upload.next <= now && self.wants_frames() {
            let frame = self.generate(&upload, key, now);
            if let Err(frame) = self.transmit(frame, info) {
                self.stack.recycle(frame);
                // The device does not take frames at all, or this queue is just full.
                upload.next = now.after(REFUSED_PAUSE);
                break;
            }
            upload.made += 1;
            if let Some(interval) = upload.interval {
                upload.next = upload.next.after(interval);
            }
        }
        self.upload = Some(upload);
    }

    fn generate(&mut self, upload: &Upload, key: Option<HardwareKey>, now: Instant) -> SimFrame {
        use mock_hal::air::traffic::{append_packet, Stamp, HEADERS};
        if self.scratch.len() != upload.msdu - 8 {
            self.scratch.clear();
            append_packet(
                &mut self.scratch,
                upload.msdu - 8,
                [10, 0, 0, 2],
                [10, 0, 0, 1],
            );
        }
        Stamp {
            flow: 1,
            sequence: upload.made,
            made: now,
        }
        .write(&mut self.scratch);
        debug_assert!(self.scratch.len() > HEADERS);
        let packet = std::mem::take(&mut self.scratch);
        let content = self.stack.station.data(0x0800, &packet, key);
        self.scratch = packet;
        self.stack.frame(&content)
    }

    /// Does what the station wants.
    fn serve_station(&mut self) {
        let Some(interface) = self.interface else {
            // Nothing that a station wants can be done without one.
            while self.stack.station.wish().is_some() {}
            return;
        };
        while let Some(wish) = self.stack.station.wish() {
            match wish {
                Wish::BssKnown(bss) => {
                    let _ = self.ask(Request::BssKnown(interface, bss));
                }
                Wish::Send { frame, mark } => {
                    if let Some(mark) = mark {
                        self.stack.mark(&frame, mark);
                    }
                    // A protected frame is one that the chip has the key for.
                    let protected = frame.get(1).is_some_and(|flags| flags & 0x40 != 0);
                    let key = self.stack.station.key().filter(|_| protected);
                    let info = self.info(AccessCategory::Voice, false, key);
                    let frame = self.stack.frame(&frame);
                    if let Err(frame) = self.transmit(frame, info) {
                        self.stack.recycle(frame);
                    }
                }
                Wish::Associated(parameters) => {
                    let _ = self.ask(Request::Associated(interface, parameters));
                }
                Wish::SwitchChannel(channel, channel_type) => {
                    let _ = self.ask(Request::SwitchChannel(channel, channel_type));
                }
                Wish::Disassociated => {
                    // Keys go with the connection, as in mac80211; the chip keeps them otherwise.
                    let keys: Vec<_> = self
                        .device
                        .keys()
                        .iter()
                        .filter(|(_, key)| key.interface == interface)
                        .map(|(slot, _)| slot)
                        .collect();
                    for slot in keys {
                        let _ = self.ask(Request::RemoveKey(slot));
                    }
                    let _ = self.ask(Request::Disassociated(interface));
                }
                Wish::Key {
                    peer,
                    index,
                    key,
                    counter,
                } => {
                    // A key with the same number goes first, as mac80211 does it.
                    let old = self.device.keys().iter().find(|(_, old)| {
                        (old.interface, old.peer, old.index) == (interface, peer, index)
                    });
                    if let Some((slot, _)) = old {
                        let _ = self.ask(Request::RemoveKey(slot));
                    }
                    if let Some(parameters) = KeyParameters::new(Cipher::Ccmp, peer, index, &key) {
                        let parameters = parameters.with_receive_counter(counter.to_le_bytes());
                        let _ = self.ask(Request::SetKey(interface, parameters));
                    }
                }
            }
        }
    }

    /// Forgets connection, interface and what was asked, as a stack does when its device is gone.
    pub fn forget(&mut self) {
        let seed = u64::from(self.token) + 1;
        self.stack.station = Station::new(self.address, seed);
        self.stack.stopped = [false; 4];
        self.stack.events.clear();
        self.stack.restart = false;
        self.asked.clear();
        self.adding = None;
        self.interface = None;
        self.upload = None;
    }

    /// The driver needs recovery: see [`DeviceState::NeedsRecovery`].
    pub fn needs_recovery(&self) -> bool {
        matches!(self.device.state(), DeviceState::NeedsRecovery(_))
    }
}
