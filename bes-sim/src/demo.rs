//! The demonstration: everything that works, in one go, with what it cost.

use crate::bench::print_transfers;
use crate::capture::Capture;
use crate::images::Images;
use crate::replay;
use crate::report::{Boot, Credits, Demo, Join, Joined, Network, Scan};
use crate::rig::{Rig, Setup};
use crate::scene::{home, Scene, OPEN, PASSPHRASE, SECURE};
use crate::transfer::{download, upload, MSDU};
use anyhow::Result;
use bes_hal::Duration;
use bes_mac80211::request::Request;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mock_hal::air::Width;
use std::path::PathBuf;

/// A capture of a stock access point and a stock station, replayed by the demonstration.
const CAPTURE: &[u8] = include_bytes!("../../mock-hal/tests/data/open-2g4-ht20.pcap");

/// Options of the command.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Options {
    /// Print one JSON object on standard output instead of the story.
    #[arg(long)]
    json: bool,
    /// Folder with real firmware files (the one that holds `bes2600/`) instead of made-up ones.
    #[arg(long, value_name = "FOLDER")]
    firmware: Option<PathBuf>,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Prints a line of the story with its virtual time.
struct Story {
    quiet: bool,
}

impl Story {
    fn tell(&self, rig: &Rig, text: &str) {
        if !self.quiet {
            println!("{:>12}  {text}", rig.now().to_string());
        }
    }
}

/// Does everything and reports it.
pub fn perform(options: &Options) -> Result<Demo> {
    let story = Story {
        quiet: options.json,
    };
    let Scene { air, open, .. } = home(options.seed, true, Width::Ht20);
    let mut setup = Setup::new(air);
    setup.seed = options.seed;
    if let Some(folder) = &options.firmware {
        setup.images = Images::from_folder(folder)?;
    }
    let mut rig = Rig::new(setup);
    let mut demo = Demo::default();

    story.tell(
        &rig,
        "power on; the card answers, its ROM waits for firmware",
    );
    let start = rig.now();
    let bar = ProgressBar::with_draw_target(
        None,
        if options.json {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        },
    );
    bar.set_style(
        ProgressStyle::with_template("{msg:>12}  [{bar:40}] {bytes}/{total_bytes}")?
            .progress_chars("=> "),
    );
    bar.set_message("download");
    rig.request_watching(Request::Boot, Duration::from_secs(30), |rig| {
        let (done, total) = rig.device.transport().boot_progress();
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    let bus = rig.handle.statistics();
    demo.boot = Boot {
        messages: bus.boot_messages,
        bytes: bus.boot_bytes,
        virtual_ms: rig.now().since(start).as_secs_f64() * 1e3,
    };
    story.tell(
        &rig,
        &format!(
            "firmware runs: {} messages, {} bytes, calibration and factory data included",
            demo.boot.messages, demo.boot.bytes
        ),
    );
    rig.start()?;
    demo.credits.capacity = rig.device.bottom_half().window().capacity();
    story.tell(
        &rig,
        &format!(
            "Wi-Fi is on and configured; the chip has {} input buffers",
            demo.credits.capacity
        ),
    );

    let start = rig.now();
    let found = rig.scan(&[], &[])?;
    demo.scan = Scan {
        bss: found
            .iter()
            .map(|bss| Network {
                ssid: String::from_utf8_lossy(&bss.ssid).into_owned(),
                bssid: bss.bssid.to_string(),
                channel: bss.channel,
                signal_dbm: bss.signal_dbm.unwrap_or(i8::MIN),
            })
            .collect(),
        virtual_ms: rig.now().since(start).as_secs_f64() * 1e3,
    };
    story.tell(
        &rig,
        &format!("scan of both bands found {} networks", found.len()),
    );
    for network in &demo.scan.bss {
        let name = if network.ssid.is_empty() {
            "(hidden)"
        } else {
            &network.ssid
        };
        story.tell(
            &rig,
            &format!(
                "  {} channel {:>3} {:>4} dBm  {name}",
                network.bssid, network.channel, network.signal_dbm
            ),
        );
    }

    demo.join = Join::default();
    for (ssid, security, passphrase) in [(SECURE, "wpa2", Some(PASSPHRASE)), (OPEN, "open", None)] {
        let took = rig.connect(ssid, passphrase)?;
        let virtual_ms = took.as_secs_f64() * 1e3;
        story.tell(
            &rig,
            &format!("connected to {ssid} ({security}) after {virtual_ms:.1} ms"),
        );
        demo.join.networks.push(Joined {
            ssid: ssid.to_owned(),
            security,
            virtual_ms,
        });
        demo.join.virtual_ms = demo.join.virtual_ms.max(virtual_ms);
        if passphrase.is_some() {
            rig.disconnect()?;
            story.tell(&rig, &format!("left {ssid}"));
        }
    }

    let capture = Capture::parse(CAPTURE)?;
    let replayed = replay::replay(&capture)?;
    demo.replay = replayed.report;
    demo.anomalies = replayed.anomalies;
    demo.violations = replayed.violations;
    story.tell(
        &rig,
        &format!(
            "a second card replayed a real capture: {} frames up, {} down, {} mismatched",
            demo.replay.frames_up, demo.replay.frames_down, demo.replay.mismatched
        ),
    );
    demo.rx = download(&mut rig, open, MSDU, Duration::from_secs(2));
    story.tell(
        &rig,
        &format!(
            "saturated download for 2 s: {} frames, {:.2} MiB/s",
            demo.rx.frames, demo.rx.mib_per_s
        ),
    );
    demo.tx = upload(&mut rig, MSDU, Duration::from_secs(2));
    story.tell(
        &rig,
        &format!(
            "saturated upload for 2 s: {} frames, {:.2} MiB/s",
            demo.tx.frames, demo.tx.mib_per_s
        ),
    );

    demo.credits = Credits {
        leaked: rig.device.bottom_half().leaked_credits(),
        ..demo.credits
    };
    demo.anomalies += rig.device.anomalies().total();
    demo.violations += rig.violation_count();

    Ok(demo)
}

/// Runs the command.
pub fn run(options: &Options) -> Result<bool> {
    let demo = perform(options)?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&demo)?);
    } else {
        println!();
        println!(
            "What it cost (emulated bus: 4 bit, 50 MHz, 8 us per command; the air does not limit)"
        );
        print_transfers(Some(&demo.rx), Some(&demo.tx));
        println!();
        println!(
            "credits {} (leaked {}), anomalies {}, violations of the specification {}, frames mismatched {}",
            demo.credits.capacity, demo.credits.leaked, demo.anomalies, demo.violations, demo.replay.mismatched
        );
        println!("All of it on an emulated chip in virtual time; no hardware has been tried.");
    }
    Ok(demo.credits.leaked == 0 && demo.violations == 0 && demo.replay.mismatched == 0)
}
