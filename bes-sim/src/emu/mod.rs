//! `bes-sim emu`: the emulated chip as a card of the kernel's virtual SDIO host, with the kernel's emulated radios
//! (`mac80211_hwsim`) as its air.
//!
//! ```text
//!            /dev/vsdioN                                        generic netlink
//!  kernel ◄──────────────► card thread ─► World (chip) ─► Ether ◄──────────────► kernel
//!           one call per    [card]        real time        │      batches         mac80211_hwsim
//!           bus command                                medium thread [hub]
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`netlink`], [`hwsim`], [`socket`] | the bytes, the messages, the socket |
//! | [`rates`], [`ht`] | rates as the kernel numbers them, and the best one |
//! | [`ether`], `lane` | the rules of the medium, without clock, thread or socket |
//! | [`radio`] | a chip's view of the medium |
//! | [`own`] | a network of the emulator's own instead of the medium |
//! | [`source`], [`vsdio`] | where bus commands come from |
//! | [`slot`], [`card`], [`hub`] | one card, its thread, and what all threads share |
//! | [`wake_line`] | the wake line, where the kernel has one |
//! | [`clock`] | real time, without a system call for each look |
//! | [`tracer`], [`report`] | what it writes |

pub mod card;
pub mod clock;
pub mod ether;
pub mod ht;
pub mod hub;
pub mod hwsim;
mod lane;
pub mod netlink;
pub mod own;
pub mod radio;
pub mod rates;
pub mod report;
pub mod slot;
pub mod socket;
pub mod source;
pub mod tracer;
pub mod vsdio;
pub mod wake_line;

#[cfg(test)]
mod captured;
#[cfg(test)]
mod card_tests;
#[cfg(test)]
mod ether_tests;

use crate::hostile::{Hostile, Script};
use anyhow::{bail, Context, Result};
use bes_hal::sdio::SdioFunction;
use bes_hal::Instant;
use card::{Between, CardThread};
use clock::Clock;
use ether::{Ether, EtherConfig};
use hub::Hub;
use mock_hal::air::capture::Capture;
use mock_hal::air::ApConfig;
use mock_hal::chip::lmac::{Lmac, LmacConfig};
use mock_hal::fault::{Fault, Faulty, Plan};
use mock_hal::{BusTiming, Card, Config, EmulatedSdio, World};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use radio::Radio;
use report::{CardReport, MediumReport, Report, Shares};
use slot::Slot;
use socket::HwsimSocket;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracer::Tracer;
use vsdio::VsdioSource;
use wake_line::WakeLine;

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

/// Who chooses the rates of the kernel's radios.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Rates {
    /// The medium: the best of both ends.
    Best,
    /// The kernel.
    Asked,
}

/// Which slots get a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cards(Vec<usize>);

impl std::str::FromStr for Cards {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        if list == "none" {
            return Ok(Self(Vec::new()));
        }
        let mut cards = Vec::new();
        for number in list.split(',') {
            let number: usize = number
                .parse()
                .ok()
                .filter(|number| *number < MOST_CARDS)
                .ok_or_else(|| {
                    format!(
                        "'{number}' is no slot: numbers from 0 to {}, or none",
                        MOST_CARDS - 1
                    )
                })?;
            if cards.contains(&number) {
                return Err(format!("slot {number} is named twice"));
            }
            cards.push(number);
        }
        Ok(Self(cards))
    }
}

/// Slots the kernel module can have.
const MOST_CARDS: usize = 64;

/// Options of the command.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = fault_help())]
pub struct Options {
    /// Slots of the virtual host that get a card, separated by commas; `none` for a medium without chips.
    #[arg(long, default_value = "0", value_name = "LIST")]
    cards: Cards,
    /// Write everything on the air to this file (pcap with radiotap headers).
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Write everything on the bus to this file: text, or pcapng if it is called so.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Bus commands take the time they take on 4 bits at 50 MHz.
    #[arg(long, value_enum, default_value = "off")]
    bus_timing: Switch,
    /// With the bus model: what each command takes besides its bits, in microseconds.
    #[arg(long, default_value_t = 8, value_name = "US", requires = "bus_timing", value_parser = clap::value_parser!(u64).range(0..=1000))]
    command_time: u64,
    /// Frames take airtime.
    #[arg(long, value_enum, default_value = "on")]
    air_limit: Switch,
    /// Signal at which everybody hears everybody, in dBm.
    #[arg(long, default_value_t = -45, value_name = "DBM", allow_negative_numbers = true, value_parser = clap::value_parser!(i8).range(-95..=-10))]
    signal: i8,
    /// At which rate the kernel's radios send HT data: the best of both ends, or as the kernel asks, whose rate control
    /// does not learn from this medium.
    #[arg(long, value_enum, default_value = "best")]
    rates: Rates,
    /// Instead of the kernel's radios the chips hear an access point of this program, with this network name. It answers
    /// ping at 10.0.0.1, and stays awake when the machine sleeps.
    #[arg(long, value_name = "SSID", conflicts_with_all = ["pcap", "rates"])]
    own_network: Option<String>,
    /// The own network is protected with WPA2 and this passphrase.
    #[arg(long, requires = "own_network")]
    passphrase: Option<String>,
    /// Channel of the own network; 36, 44, 149 and 157 with 40 MHz.
    #[arg(long, default_value_t = 6, requires = "own_network")]
    channel: u8,
    /// Inject this fault on the bus, at random moments. Can be given several times.
    #[arg(long = "fault", value_name = "NAME", num_args = 1.., value_parser = parse_fault)]
    faults: Vec<Fault>,
    /// Seed of faults and lies.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The chip lies on its bus, in episodes.
    #[arg(long)]
    hostile: bool,
    /// The file with the level of the only chip's wake line: `value` of a simulated GPIO line. Without it the line is tied to
    /// its asserted level, and the chip never sleeps.
    #[arg(long, value_name = "FILE")]
    wake_line: Option<PathBuf>,
    /// A level of 0 asserts the wake line.
    #[arg(long, requires = "wake_line")]
    wake_line_active_low: bool,
    /// End with one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Faults of the side line, which here is the kernel's.
const NOT_HERE: [Fault; 2] = [Fault::SpuriousInterrupt, Fault::LostInterrupt];

fn fault_help() -> String {
    let mut text = String::from("Faults:\n");
    for fault in Fault::ALL {
        if !NOT_HERE.contains(&fault) {
            text.push_str(&format!("  {:<18} {}\n", fault.name(), fault.explanation()));
        }
    }
    text
}

fn parse_fault(name: &str) -> Result<Fault, String> {
    let fault: Fault = name
        .parse()
        .map_err(|error: mock_hal::fault::UnknownFault| error.to_string())?;
    if NOT_HERE.contains(&fault) {
        return Err(format!(
            "{name} is not possible here: the interrupt is a level of the kernel's host"
        ));
    }
    Ok(fault)
}

/// The chip's settings in real time: without a bus model nothing is waited for that a program would have to be woken
/// for.
fn firmware_settings(timing: Switch) -> LmacConfig {
    match timing {
        Switch::On => LmacConfig::default(),
        Switch::Off => LmacConfig {
            command_latency: Duration::ZERO,
            transmit_latency: Duration::ZERO,
            ..LmacConfig::default()
        },
    }
}

fn between(options: &Options, card: usize, function: EmulatedSdio) -> Option<Between> {
    let seed = options.seed.wrapping_add(card as u64);
    let script = || Script::endless(seed);
    let plan =
        (!options.faults.is_empty()).then(|| Plan::preset(seed, &options.faults, Instant::ZERO));
    match (options.hostile, plan) {
        (false, None) => None,
        (true, None) => Some(Box::new(Hostile::new(function, script()))),
        (false, Some(plan)) => Some(Box::new(Faulty::new(function, plan).0)),
        (true, Some(plan)) => Some(Box::new(
            Faulty::new(Hostile::new(function, script()), plan).0,
        )),
    }
}

/// What the chips hear.
enum Surroundings {
    /// The kernel's radios.
    Medium(radio::SharedEther),
    /// An access point of this program, for each chip one.
    Own(ApConfig),
}

/// The world of one card.
fn world(
    options: &Options,
    clock: &Clock,
    surroundings: &Surroundings,
    chip: usize,
) -> (EmulatedSdio, mock_hal::Handle) {
    let mut config = Config {
        timing: match options.bus_timing {
            Switch::On => BusTiming {
                command: Duration::from_micros(options.command_time),
                ..BusTiming::HIGH_SPEED
            },
            Switch::Off => BusTiming::NONE,
        },
        start: clock.now(),
        ..Config::default()
    };
    if options.hostile || !options.faults.is_empty() {
        // What liars and faults make of the messages is not the driver's fault.
        config.chip.check_padding = false;
    }
    let firmware = firmware_settings(options.bus_timing);
    let (mut function, handle) = match surroundings {
        Surroundings::Medium(ether) => {
            let radio = Radio::new(ether.clone(), chip);
            Card::insert(config, Box::new(Lmac::new(firmware, radio)))
        }
        Surroundings::Own(access_point) => {
            let seed = options.seed.wrapping_add(chip as u64);
            let limited = options.air_limit == Switch::On;
            let air = own::air(access_point.clone(), seed, limited);
            Card::insert(config, Box::new(Lmac::new(firmware, air)))
        }
    };
    handle.with(World::forget_identification);
    // The virtual host has no side lines: the wake line is tied to its asserted level, as on boards without a pin for it, until
    // somebody follows one.
    function.set_wake_line(true);
    if options.trace.is_some() {
        handle.with_trace(|trace| trace.enable(true));
    }
    (function, handle)
}

/// The access point of the own network, if there is to be one.
fn own_network(options: &Options) -> Result<Option<ApConfig>> {
    let Some(ssid) = &options.own_network else {
        return Ok(None);
    };
    let network = own::Network {
        ssid: ssid.clone(),
        passphrase: options.passphrase.clone(),
        channel: options.channel,
    };
    network.access_point(options.signal).map(Some)
}

/// Runs the command.
///
/// # Errors
///
/// When there is no virtual host, no medium, no file, or the kernel takes one of them away.
pub fn run(options: &Options) -> Result<bool> {
    // Before any thread is made, so that all of them leave the signals to the one that reads them.
    let mut orders = SigSet::empty();
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
    ] {
        orders.add(signal);
    }
    orders.thread_block().context("cannot block signals")?;
    let signals =
        SignalFd::with_flags(&orders, SfdFlags::SFD_CLOEXEC).context("cannot wait for signals")?;

    let clock = Clock::start();
    let own = own_network(options)?;
    let mut socket = match own {
        Some(_) => None,
        None => Some(HwsimSocket::register()?),
    };
    let family = socket.as_ref().map_or(0, HwsimSocket::family);
    let mut ether = Ether::new(
        EtherConfig {
            family,
            limited: options.air_limit == Switch::On,
            signal_dbm: options.signal,
            best_rates: options.rates == Rates::Best,
        },
        options.cards.0.len(),
    );
    if let Some(path) = &options.pcap {
        let file = std::fs::File::create(path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        ether.set_capture(Some(Capture::new(Box::new(BufWriter::new(file)))));
    }
    if socket.is_some() {
        hwsim::dump_radios(ether.outgoing(), family, 0);
    }
    let tracer = options.trace.as_deref().map(Tracer::create).transpose()?;
    let ether = Arc::new(Mutex::new(ether));
    let surroundings = match own {
        Some(access_point) => Surroundings::Own(access_point),
        None => Surroundings::Medium(ether.clone()),
    };

    let wake_line = match &options.wake_line {
        Some(_) if options.cards.0.len() != 1 => {
            bail!("one wake line wakes one chip; name one slot with --cards")
        }
        Some(path) => Some(WakeLine::open(path, options.wake_line_active_low)?),
        None => None,
    };

    // All slots are tried before anything runs, so that a wrong number leaves nothing half done.
    let mut sources = Vec::new();
    for number in &options.cards.0 {
        sources.push(VsdioSource::open(*number)?);
    }
    let mut cards = Vec::new();
    for (chip, (source, &place)) in sources.into_iter().zip(&options.cards.0).enumerate() {
        let (function, handle) = world(options, &clock, &surroundings, chip);
        let slot = Arc::new(Slot::new(chip, place, handle, source.interrupt()));
        cards.push((source, slot, between(options, chip, function)));
    }
    let sender = socket.as_ref().map(HwsimSocket::sender).transpose()?;
    let hub = Arc::new(Hub::new(clock, ether, sender, tracer));
    hub.set_slots(cards.iter().map(|(_, slot, _)| slot.clone()).collect());

    let slots: Vec<Arc<Slot>> = cards.iter().map(|(_, slot, _)| slot.clone()).collect();
    let hosts: Vec<String> = cards
        .iter()
        .zip(&options.cards.0)
        .map(|((source, _, _), number)| format!("/dev/vsdio{number} (mmc{})", source.host()))
        .collect();
    let follower = wake_line.zip(slots.first().cloned()).map(|(line, slot)| {
        let hub = hub.clone();
        std::thread::spawn(move || {
            let result = line.follow(&slot, &hub);
            if result.is_err() {
                hub.stop();
            }
            result
        })
    });
    let threads: Vec<_> = cards
        .into_iter()
        .map(|(source, slot, between)| {
            let hub = hub.clone();
            std::thread::spawn(move || {
                let mut card = CardThread::new(source, slot, hub.clone(), between);
                let result = card.run();
                if result.is_err() {
                    hub.stop();
                }
                result.map(|()| card.shares)
            })
        })
        .collect();
    let places = if hosts.is_empty() {
        String::from("no card")
    } else {
        format!("card in {}", hosts.join(", "))
    };
    let around = match &options.own_network {
        Some(ssid) => format!("network {ssid}"),
        None => String::from("medium of mac80211_hwsim"),
    };
    println!("ready: {places}, {around}");
    std::io::stdout().flush()?;

    let medium = match &mut socket {
        Some(socket) => hub::run_medium(&hub, socket, &signals),
        None => hub::wait_for_end(&hub, &signals).map(|()| report::MediumShares::default()),
    };
    hub.stop();
    let mut shares: Vec<Shares> = Vec::new();
    let mut failure = None;
    for thread in threads {
        match thread.join() {
            Ok(Ok(done)) => shares.push(done),
            Ok(Err(error)) => failure = Some(error),
            Err(_) => bail!("a card's thread panicked"),
        }
    }
    match follower.map(std::thread::JoinHandle::join) {
        None | Some(Ok(Ok(()))) => {}
        Some(Ok(Err(error))) => failure = failure.or(Some(error)),
        Some(Err(_)) => bail!("the wake line's thread panicked"),
    }
    hub.ether().set_capture(None);
    hub.finish_trace()?;
    if let Some(error) = failure {
        return Err(error);
    }
    let medium = medium?;
    let report = Report {
        seconds: hub.now().as_nanos() as f64 / 1e9,
        cards: slots
            .iter()
            .zip(&shares)
            .map(|(slot, shares)| {
                let frames = hub.ether().frames(slot.number);
                CardReport::new(slot, shares, frames)
            })
            .collect(),
        medium: {
            let ether = hub.ether();
            let (radios, counters) = (ether.radios(), ether.counters());
            drop(ether);
            MediumReport::new(radios, counters, hub.sent(), &medium)
        },
    };
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{report}");
    }
    Ok(true)
}
