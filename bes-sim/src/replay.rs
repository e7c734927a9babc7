//! Sends a capture of one station through driver and chip, and compares every frame that comes out.
//!
//! Frames of the station go down: they are given to the driver as its stack would, and compared with what the emulated
//! radio puts on the air. Frames to the station and to groups go up: they are put on the air, and compared with what
//! the driver delivers. The chip has no keys and its receive filters and own block-ack negotiation are off, so it is
//! specified to change nothing: the comparison is byte for byte.
//!
//! The station is joined to its network before the first frame, and again whenever a frame of the capture ended the
//! connection, because a chip that has not joined hears nothing.

use crate::capture::Capture;
use crate::report::Replay;
use crate::rig::{Rig, Setup};
use crate::station::{band, dot11};
use anyhow::{ensure, Context, Result};
use bes_hal::doorbell::Reasons;
use bes_hal::Duration;
use bes_mac80211::request::{AssociationParameters, BssDescription, JoinParameters, Request, Ssid};
use bes_mac80211::types::{
    AccessCategory, Channel, ChannelType, MacAddress, RateIndex, RateSeries, Tid, TxInfo,
};
use bes_wsm::wire::RateMask;
use mock_hal::air::replay::Injection;
use mock_hal::air::{Air, AirConfig};
use serde::Serialize;
use std::collections::VecDeque;
use std::path::PathBuf;

/// Options of the command.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Capture to replay: pcap or pcapng, radiotap or plain 802.11.
    #[arg(value_name = "FILE.pcap")]
    file: PathBuf,
    /// Print one JSON object instead of the text.
    #[arg(long)]
    json: bool,
}

/// Result of a replay.
#[derive(Clone, Debug, Serialize)]
pub struct Replayed {
    /// Frames.
    #[serde(rename = "replay")]
    pub report: Replay,
    /// Frames of the station that negotiate block ack: the driver refuses them, because the chip negotiates itself.
    pub block_ack_refused: u64,
    /// Differences, the first few of them, for people.
    pub differences: Vec<String>,
    /// Anomalies that the driver counted.
    pub anomalies: u32,
    /// Violations that the chip counted.
    pub violations: u64,
    /// Records of the file that hold no whole frame.
    pub skipped: u64,
}

/// Most frames that are under way at once, in one direction.
const GROUP: usize = 16;

/// Most differences that are described.
const DESCRIBED: usize = 10;

/// Longest frame that fits a slot with the driver's header (file 20, section 1).
const LONGEST_DOWN: usize = 1628 - 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

struct Player {
    rig: Rig,
    station: MacAddress,
    bss: BssDescription,
    beacon: Vec<u8>,
    result: Replayed,
}

/// Replays a capture.
pub fn replay(capture: &Capture) -> Result<Replayed> {
    let (station, access_point) = capture.station()?;
    let mut player = Player::new(capture, station, access_point)?;
    player.rejoin()?;
    let mut group: Vec<&[u8]> = Vec::with_capacity(GROUP);
    let mut way = Direction::Up;
    for captured in &capture.frames {
        let Some(direction) = player.direction(captured.is_control(), &captured.frame) else {
            player.result.report.left_out += 1;
            continue;
        };
        if direction != way || group.len() == GROUP {
            player.play(way, &group)?;
            group.clear();
        }
        way = direction;
        group.push(&captured.frame);
        // Deauthentication and disassociation end the connection.
        if matches!(captured.frame[0], 0xA0 | 0xC0) {
            player.play(way, &group)?;
            group.clear();
            player.rejoin()?;
        }
    }
    player.play(way, &group)?;
    let mut result = player.result;
    result.anomalies = player.rig.device.anomalies().total();
    result.violations = player.rig.violation_count();
    result.skipped = capture.skipped;
    Ok(result)
}

impl Player {
    fn new(capture: &Capture, station: MacAddress, access_point: MacAddress) -> Result<Self> {
        let channel = capture.frames.iter().find_map(|captured| captured.channel);
        let beacon = capture.frames.iter().find(|captured| {
            matches!(captured.frame[0], 0x80 | 0x50) && captured.transmitter() == access_point
        });
        let known = beacon
            .and_then(|captured| dot11::parse_bss(&captured.frame, channel.unwrap_or(6), None));
        let number = known
            .as_ref()
            .map(|bss| bss.channel)
            .or(channel)
            .unwrap_or(6);
        let channel = Channel::new(number.into()).with_context(|| {
            format!("the capture is on channel {number}, which the chip does not have")
        })?;
        let ssid = known.as_ref().map_or(&b"replay"[..], |bss| &bss.ssid);
        let bss = BssDescription {
            bssid: access_point,
            ssid: Ssid::new(ssid).unwrap_or_default(),
            channel,
            beacon_interval: known.as_ref().map_or(100, |bss| bss.beacon_interval),
            dtim_period: known.as_ref().and_then(|bss| bss.dtim_period).unwrap_or(1),
        };
        let mut air = Air::new(AirConfig {
            seed: 1,
            unlimited: true,
            ..AirConfig::default()
        });
        for captured in &capture.frames {
            if !captured.is_control() && captured.transmitter() == station {
                air.record(captured.receiver().0);
            }
        }
        let mut setup = Setup::new(air);
        setup.device.address = station;
        setup.lmac.negotiate_block_ack = false;
        let mut rig = Rig::new(setup);
        rig.stack.kept = Some(Vec::new());
        rig.bring_up()?;
        let player = Self {
            rig,
            station,
            bss,
            beacon: made_up_beacon(&bss),
            result: Replayed {
                report: Replay::default(),
                block_ack_refused: 0,
                differences: Vec::new(),
                anomalies: 0,
                violations: 0,
                skipped: 0,
            },
        };
        Ok(player)
    }

    /// Which way a frame goes; `None` if it is nobody's here.
    fn direction(&mut self, control: bool, frame: &[u8]) -> Option<Direction> {
        if control {
            return None;
        }
        let address = |at: usize| frame.get(at..at + 6);
        if address(10) == Some(&self.station.0) {
            // Block-ack action frames: category 3 behind the header (file 30, section 3.1, step 10).
            if frame[0] == 0xD0 && frame[1] & 0x40 == 0 && frame.get(24) == Some(&3) {
                self.result.block_ack_refused += 1;
                return None;
            }
            return Some(Direction::Down);
        }
        let group = frame.get(4).is_some_and(|byte| byte & 1 != 0);
        // Frames of others to groups are heard only if the access point sends them, or they are probe requests.
        (address(4) == Some(&self.station.0) || group && frame[1] & 3 != 1).then_some(Direction::Up)
    }

    fn is_joined(&self) -> bool {
        let vif = self
            .rig
            .interface
            .and_then(|interface| self.rig.device.interface(interface));
        vif.is_some_and(|vif| vif.connection.is_joined())
    }

    /// Joins the network of the capture with a beacon made for it, as far as it is not joined.
    fn rejoin(&mut self) -> Result<()> {
        self.rig
            .run_until(Duration::from_secs(1), |rig| rig.is_quiet());
        if self.is_joined() {
            return Ok(());
        }
        let Some(interface) = self.rig.interface else {
            return Ok(());
        };
        let channel = self.bss.channel.number();
        let now = self.rig.now();
        // A chip without filters hears no beacon to join by.
        self.rig
            .lmac(|lmac| lmac.config_mut().receive_filters = true);
        self.rig.air(|air| {
            for n in 1..=50 {
                let at = now.after(Duration::from_millis(20 * n));
                air.inject(Injection::new(self.beacon.clone(), channel, at));
            }
        });
        self.rig.request(
            Request::Join(interface, JoinParameters { bss: self.bss }),
            Duration::from_secs(10),
        )?;
        let legacy = band(channel);
        self.rig.request(
            Request::Associated(
                interface,
                AssociationParameters {
                    aid: 1,
                    beacon_interval: self.bss.beacon_interval,
                    dtim_period: self.bss.dtim_period,
                    rates: RateMask::ANY,
                    basic_rates: dot11::basic_rates(legacy),
                    ht: None,
                    channel_type: ChannelType::NoHt,
                    short_preamble: false,
                    short_slot: true,
                    qos: true,
                    protected_management: false,
                },
            ),
            Duration::from_secs(10),
        )?;
        self.rig.run_for(Duration::from_millis(1000));
        self.rig
            .lmac(|lmac| lmac.config_mut().receive_filters = false);
        self.drain();
        Ok(())
    }

    /// Forgets what came out so far.
    fn drain(&mut self) {
        self.rig.stack.kept = Some(Vec::new());
        self.rig.air(|air| while air.pop_recorded().is_some() {});
    }

    fn play(&mut self, direction: Direction, group: &[&[u8]]) -> Result<()> {
        if group.is_empty() {
            return Ok(());
        }
        ensure!(
            !self.rig.needs_recovery(),
            "the driver gave up: {:?}",
            self.rig.device.state()
        );
        let (came, sent) = match direction {
            Direction::Up => (self.up(group), &mut self.result.report.frames_up),
            Direction::Down => (self.down(group), &mut self.result.report.frames_down),
        };
        *sent += group.len() as u64;
        self.compare(direction, group, came);
        Ok(())
    }

    fn up(&mut self, group: &[&[u8]]) -> VecDeque<Vec<u8>> {
        let (now, channel) = (self.rig.now(), self.bss.channel.number());
        self.rig.air(|air| {
            group
                .iter()
                .for_each(|frame| air.inject(Injection::new(frame.to_vec(), channel, now)))
        });
        let wanted = group.len();
        self.rig.run_until(Duration::from_millis(200), |rig| {
            rig.stack
                .kept
                .as_ref()
                .is_some_and(|kept| kept.len() >= wanted)
        });
        let kept = self.rig.stack.kept.replace(Vec::new()).unwrap_or_default();
        kept.into_iter().map(|kept| kept.frame).collect()
    }

    fn down(&mut self, group: &[&[u8]]) -> VecDeque<Vec<u8>> {
        let channel = self.bss.channel.number();
        for content in group {
            let data = content[0] & 0x0C == 0x08;
            let category = match (data, content[0] & 0x80 != 0, content.get(24)) {
                (true, true, Some(control)) => {
                    AccessCategory::of_tid(Tid::from_qos_control(*control))
                }
                (true, ..) => AccessCategory::BestEffort,
                (false, ..) => AccessCategory::Voice,
            };
            let mut info = TxInfo::new(category, band(channel));
            info.rates = RateSeries::single(RateIndex::Legacy(if channel > 14 { 0 } else { 4 }), 7);
            let frame = self.rig.stack.frame(content);
            if let Err(frame) = self.rig.transmit(frame, info) {
                self.rig.stack.recycle(frame);
            }
        }
        let _ = self.rig.doorbell.ring(Reasons::FRAME);
        let wanted = group.len();
        let mut came = VecDeque::new();
        self.rig.run_until(Duration::from_secs(1), |rig| {
            rig.air(|air| {
                while let Some(recorded) = air.pop_recorded() {
                    came.push_back(recorded.frame);
                }
            });
            came.len() >= wanted
        });
        came
    }

    /// What came out must be what went in. Frames of different access categories may overtake each other.
    fn compare(&mut self, direction: Direction, group: &[&[u8]], mut came: VecDeque<Vec<u8>>) {
        for frame in group {
            match came.iter().position(|other| other == frame) {
                Some(at) => {
                    let _ = came.remove(at);
                }
                None => self.mismatch(direction, frame, "did not come out unchanged"),
            }
        }
        for frame in came {
            // A frame that nobody sent, or a changed one, which the sender's side counted already.
            self.describe(direction, &frame, "came out and was not sent");
        }
    }

    fn mismatch(&mut self, direction: Direction, frame: &[u8], what: &str) {
        self.result.report.mismatched += 1;
        let what = if direction == Direction::Down && frame.len() > LONGEST_DOWN {
            "fits no slot of the chip"
        } else {
            what
        };
        self.describe(direction, frame, what);
    }

    fn describe(&mut self, direction: Direction, frame: &[u8], what: &str) {
        if self.result.differences.len() < DESCRIBED {
            let start: String = frame
                .iter()
                .take(32)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            self.result.differences.push(format!(
                "{direction:?}, {} bytes, {start}..: {what}",
                frame.len()
            ));
        }
    }
}

/// A beacon of the network, for the chip to join by.
fn made_up_beacon(bss: &BssDescription) -> Vec<u8> {
    let mut beacon = vec![0x80, 0, 0, 0];
    beacon.extend([0xFF; 6]);
    beacon.extend(bss.bssid.0);
    beacon.extend(bss.bssid.0);
    beacon.extend([0; 10]);
    beacon.extend(bss.beacon_interval.to_le_bytes());
    beacon.extend([0x01, 0x04]);
    let ssid = bss.ssid.as_bytes();
    beacon.extend([0, ssid.len() as u8]);
    beacon.extend(ssid);
    beacon.extend([1, 8, 0x8C, 0x12, 0x98, 0x24, 0xB0, 0x48, 0x60, 0x6C]);
    beacon.extend([3, 1, bss.channel.number()]);
    beacon.extend([5, 4, 0, bss.dtim_period.max(1), 0, 0]);
    beacon
}

/// Runs the command.
pub fn run(options: &Options) -> Result<bool> {
    let capture = Capture::open(&options.file)?;
    let replayed = replay(&capture)?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&replayed)?);
    } else {
        println!(
            "{} frames up, {} down, {} mismatched; {} left out (control frames and frames of others), {} block-ack frames \
             refused (the chip negotiates itself), {} records without a whole frame",
            replayed.report.frames_up,
            replayed.report.frames_down,
            replayed.report.mismatched,
            replayed.report.left_out - replayed.block_ack_refused,
            replayed.block_ack_refused,
            replayed.skipped
        );
        for difference in &replayed.differences {
            println!("  {difference}");
        }
        println!(
            "anomalies {}, violations of the specification {}",
            replayed.anomalies, replayed.violations
        );
    }
    Ok(replayed.report.mismatched == 0)
}
