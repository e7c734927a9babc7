//! Hours of traffic, scans and faults in virtual time.

use crate::browse::browse;
use crate::report::{Frames, Scans, Soak, Throughput};
use crate::rig::{Rig, Setup};
use crate::scene::{home, Scene, OPEN};
use crate::transfer::{start_download, MSDU};
use anyhow::{ensure, Context, Result};
use bes_hal::{Duration, Instant};
use bes_mac80211::event::Event;
use bes_mac80211::recovery::Rung;
use mock_hal::air::traffic::Pace;
use mock_hal::air::{ApId, Width};
use mock_hal::candidate::Candidate;
use mock_hal::chip::lmac::{Exception, Moment};
use mock_hal::fault::{Fault, Faults, Faulty, Plan};
use mock_hal::EmulatedSdio;
use plotters::prelude::*;
use std::path::{Path, PathBuf};

/// Options of the command.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = fault_help())]
pub struct Options {
    /// Virtual minutes.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    minutes: u32,
    /// A scan of both bands every so many seconds while connected; 0 for none.
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    scan_every: u64,
    /// Inject this fault on the bus, at random moments, or let one of the six candidates for throughput that collapses
    /// begin, by its number, or let the firmware crash once (`crash`). Can be given several times.
    #[arg(long = "fault", value_name = "NAME", num_args = 1.., value_parser = parse_fault)]
    faults: Vec<Trouble>,
    /// Let the candidate begin after so many seconds instead of the minutes that the field's reports suggest, or the
    /// firmware crash then instead of after 30.
    #[arg(long, value_name = "SECONDS")]
    fault_after: Option<u64>,
    /// Seed of faults and air.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Offered download in MiB/s of packets. The default is about what the best driver so far moved on hardware.
    #[arg(long, default_value_t = 2.4, value_name = "MIB_PER_S", value_parser = parse_rate)]
    rate: f64,
    /// What the traffic looks like.
    #[arg(long, value_enum, default_value_t = Pattern::Steady)]
    pattern: Pattern,
    /// Write throughput over time as an SVG plot.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Write the driver's last core dump, for `bes-sim explain`. Nothing is written if nothing failed badly enough.
    #[arg(long, value_name = "FILE")]
    core_dump: Option<PathBuf>,
    /// Print one JSON object instead of the table.
    #[arg(long)]
    json: bool,
}

/// When the firmware crashes, if nothing else is said.
const CRASH_AFTER: Duration = Duration::from_secs(30);

/// What can be wrong: a fault of the bus, a candidate of file 50, section 4, or the end of the firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A fault of the bus.
    Bus(Fault),
    /// A candidate.
    Candidate(Candidate),
    /// The firmware crashes once, with a report (file 20, section 15.8).
    Crash,
}

/// Traffic of a soak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Pattern {
    /// A download at `--rate`, and scans.
    Steady,
    /// Web pages and the time to read them: how much the chip sleeps. Without scans, faults and plot.
    Browse,
}

fn fault_help() -> String {
    let mut text = String::from("Faults:\n");
    let mut line = |name: &str, what: &str| text.push_str(&format!("  {name:<18} {what}\n"));
    for fault in Fault::ALL {
        line(fault.name(), fault.explanation());
    }
    line(
        "crash",
        "the firmware crashes once, with a report of its registers",
    );
    text.push_str("Candidates:\n");
    for candidate in Candidate::ALL {
        let (number, name) = (candidate.number(), candidate.name());
        text.push_str(&format!("  {number:<18} {name}\n"));
    }
    text
}

fn parse_fault(name: &str) -> Result<Trouble, String> {
    if let Ok(number) = name.parse() {
        return Candidate::from_number(number)
            .map(Trouble::Candidate)
            .ok_or_else(|| "candidates have the numbers 1 to 6".into());
    }
    if name == "crash" {
        return Ok(Trouble::Crash);
    }
    name.parse()
        .map(Trouble::Bus)
        .map_err(|error| format!("{error}, and crash"))
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.01..=20.0).contains(&rate) => Ok(rate),
        _ => Err("give 0.01 to 20 MiB/s; the radio does no more".into()),
    }
}

/// What the firmware tells of its end: an assertion, whose line is R1 (file 20, section 15.8).
fn assertion() -> Exception {
    let mut exception = Exception::new(4);
    exception.registers[1] = 1204;
    exception.text = String::from("lmac_tx.c");
    exception
}

type SoakRig = Rig<Faulty<EmulatedSdio>>;

/// Boots, joins, and starts the traffic.
fn set_out(options: &Options) -> Result<(SoakRig, ApId, Faults)> {
    let Scene { air, open, .. } = home(options.seed, false, Width::Ht20);
    let mut setup = Setup::new(air);
    setup.seed = options.seed;
    let mut faults = None;
    let mut rig = Rig::with_function(setup, |function| {
        let (faulty, handle) = Faulty::new(function, Plan::new(options.seed));
        faults = Some(handle);
        faulty
    });
    let faults = faults.context("the function was not wrapped")?;
    faults.set_doorbell(rig.doorbell.clone());
    connect(&mut rig, true)?;
    for trouble in &options.faults {
        match trouble {
            Trouble::Bus(fault) => faults.arm(*fault, fault.preset()),
            Trouble::Candidate(candidate) => {
                let act = candidate.preset();
                let act = match options.fault_after {
                    Some(seconds) => act.beginning(Duration::from_secs(seconds)),
                    None => act,
                };
                rig.handle.set_candidate(Some(act));
            }
            Trouble::Crash => {
                let after = options.fault_after.map_or(CRASH_AFTER, Duration::from_secs);
                let moment = Moment::At(rig.now().after(after));
                rig.lmac(|lmac| lmac.plan_crash(Some((moment, assertion()))));
            }
        }
    }
    start_traffic(&mut rig, open, options.rate);
    Ok((rig, open, faults))
}

fn connect(rig: &mut SoakRig, first: bool) -> Result<()> {
    rig.bring_up()?;
    rig.scan(&[1, 6, 11], &[])?;
    rig.connect(OPEN, None).context(if first {
        "at the start"
    } else {
        "after a recovery"
    })?;
    Ok(())
}

fn start_traffic(rig: &mut SoakRig, from: ApId, rate: f64) {
    let packets = rate * f64::from(1 << 20) / (MSDU - 8) as f64;
    start_download(
        rig,
        from,
        MSDU,
        Pace::Every(Duration::from_secs_f64(1.0 / packets)),
    );
}

/// Runs the soak.
pub fn soak(options: &Options) -> Result<Soak> {
    let (mut rig, open, faults) = set_out(options)?;
    let start = rig.now();
    let mut report = Soak::default();
    let mut scan_at = start.after(Duration::from_secs(options.scan_every.max(1)));
    let mut before = rig.stack.meter.octets;
    let last = start.after(Duration::from_secs(60 * u64::from(options.minutes)));
    for minute in 1..=u64::from(options.minutes) {
        let end = start.after(Duration::from_secs(60 * minute));
        while rig.now() < end {
            let stop = if options.scan_every == 0 {
                end
            } else {
                end.min(scan_at)
            };
            step(&mut rig, stop);
            if rig.needs_recovery()
                || (rig.stack.station.is_idle()
                    && !rig.stack.station.has_wishes()
                    && !rig.is_healing())
            {
                report.recoveries += 1;
                ensure!(
                    report.recoveries < 10_000,
                    "the driver recovers all the time"
                );
                recover(&mut rig, &faults)?;
                continue;
            }
            if options.scan_every != 0 && rig.now() >= scan_at && rig.now() < last {
                scan_at = scan_at.after(Duration::from_secs(options.scan_every));
                if rig.start_scan(&[], &[]).is_ok() {
                    report.scans.started += 1;
                }
            }
        }
        let octets = rig.stack.meter.octets;
        report
            .throughput
            .per_minute
            .push((octets - before) as f64 / f64::from(1 << 20) / 60.0);
        before = octets;
    }
    rig.air(|air| air.access_point_mut(open).stop_flow(crate::transfer::FLOW));
    rig.run_for(Duration::from_millis(500));
    finish(&rig, open, &faults, report)
}

/// Runs until `stop`, or until the driver needs help.
fn step(rig: &mut SoakRig, stop: Instant) {
    let left = stop.since(rig.now());
    rig.run_until(left, |rig| {
        rig.stack
            .events
            .retain(|event| matches!(event, Event::Completed { .. } | Event::ScanCompleted { .. }));
        if rig.stack.events.len() > 64 {
            rig.stack.events.clear();
        }
        rig.needs_recovery()
    });
}

/// Boots anew if that is needed, and connects again.
fn recover(rig: &mut SoakRig, faults: &Faults) -> Result<()> {
    for attempt in 0..20 {
        if faults.is_gone() {
            faults.reinsert();
        }
        rig.interface = if rig.needs_recovery() {
            None
        } else {
            rig.interface
        };
        let outcome = if rig.interface.is_none() {
            connect(rig, false)
        } else {
            rig.connect(OPEN, None).map(drop)
        };
        match outcome {
            Ok(()) => return Ok(()),
            Err(error) if attempt == 19 => return Err(error),
            Err(_) => rig.run_for(Duration::from_millis(100)),
        }
    }
    Ok(())
}

fn finish(rig: &SoakRig, open: ApId, faults: &Faults, mut report: Soak) -> Result<Soak> {
    let minutes = &report.throughput.per_minute;
    let mean = minutes.iter().sum::<f64>() / minutes.len() as f64;
    let least = minutes.iter().copied().fold(f64::INFINITY, f64::min);
    report.throughput = Throughput {
        mean_mib_per_s: mean,
        min_over_mean: if mean > 0.0 { least / mean } else { 0.0 },
        per_minute: report.throughput.per_minute,
        kept: None,
    };
    let statistics = rig.device.control_statistics();
    report.scans = Scans {
        refused: statistics.scan_refusals,
        ..report.scans
    };
    let made = rig.air(|air| {
        air.access_point(open)
            .flow(crate::transfer::FLOW)
            .map_or(0, |flow| flow.made)
    });
    let delivered = rig.stack.meter.packets;
    report.frames = Frames {
        delivered,
        lost: made.saturating_sub(delivered),
    };
    report.diagnosis = rig.device.diagnosis().number(rig.now());
    let ladder = rig.device.recovery();
    report.incidents = ladder.incidents();
    report.rungs = Rung::ALL
        .into_iter()
        .map(|rung| (rung.name().to_owned(), ladder.record(rung).count))
        .filter(|(_, count)| *count > 0)
        .collect();
    report.anomalies = rig.device.anomalies().total();
    report.anomaly_kinds = rig
        .device
        .anomalies()
        .iter()
        .map(|(kind, count)| (kind.to_string(), count))
        .collect();
    let injected = Fault::ALL
        .into_iter()
        .map(|fault| (fault.name().to_owned(), faults.count(fault)));
    report.faults = injected.filter(|(_, count)| *count > 0).collect();
    if let Some((number, text)) = rig.device.core_dump() {
        report.core_dumps = number;
        report.core_dump = text.to_vec();
    }
    Ok(report)
}

/// The same soak without its troubles, to compare with; `None` if it has none. Candidate 3 is compared with what its access
/// point grants, from the moment it begins.
fn reference(options: &Options) -> Result<Option<f64>> {
    if options.faults.is_empty() {
        return Ok(None);
    }
    let throttled = options
        .faults
        .contains(&Trouble::Candidate(Candidate::AccessPointThrottles));
    let healthy = Options {
        faults: Vec::new(),
        plot: None,
        core_dump: None,
        ..options.clone()
    };
    let mean = soak(&healthy)?.throughput.mean_mib_per_s;
    if !throttled {
        return Ok(Some(mean));
    }
    let act = Candidate::AccessPointThrottles.preset();
    let begins = options
        .fault_after
        .map_or(act.begins, Duration::from_secs)
        .as_secs_f64();
    let all = 60.0 * f64::from(options.minutes);
    let before = (begins / all).min(1.0);
    let granted = act.throttling.octets_per_second as f64 / f64::from(1 << 20);
    Ok(Some(mean * before + granted.min(mean) * (1.0 - before)))
}

/// Runs the soak, and the same without its troubles to compare with.
pub fn compared(options: &Options) -> Result<Soak> {
    let mut report = soak(options)?;
    if let Some(healthy) = reference(options)? {
        report.throughput.kept = Some(if healthy > 0.0 {
            report.throughput.mean_mib_per_s / healthy
        } else {
            0.0
        });
    }
    Ok(report)
}

/// Runs the command.
pub fn run(options: &Options) -> Result<bool> {
    if options.pattern == Pattern::Browse {
        return run_browse(options);
    }
    // Before the hour, not after it.
    if let Some(path) = &options.plot {
        std::fs::File::create(path)
            .with_context(|| format!("cannot write the plot {}", path.display()))?;
    }
    if let Some(path) = &options.core_dump {
        try_to_write(path)?;
    }
    let report = compared(options)?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    if let Some(path) = &options.plot {
        plot(&report, path).with_context(|| format!("cannot write the plot {}", path.display()))?;
    }
    match &options.core_dump {
        Some(path) if report.core_dumps == 0 => eprintln!(
            "no core dump was made, and {} was not written",
            path.display()
        ),
        Some(path) => std::fs::write(path, &report.core_dump)
            .with_context(|| format!("cannot write the core dump {}", path.display()))?,
        None => {}
    }
    Ok(true)
}

/// Whether a core dump could be written there; what is there stays.
fn try_to_write(path: &Path) -> Result<()> {
    let sentence = || format!("cannot write the core dump {}", path.display());
    let there = path.exists();
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .with_context(sentence)?;
    if !there {
        std::fs::remove_file(path).with_context(sentence)?;
    }
    Ok(())
}

fn run_browse(options: &Options) -> Result<bool> {
    ensure!(
        options.faults.is_empty() && options.plot.is_none() && options.core_dump.is_none(),
        "--pattern browse takes none of --fault, --plot and --core-dump"
    );
    let report = browse(options.minutes, options.seed)?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(true);
    }
    let sleep = &report.sleep;
    println!(
        "{} pages in {} minutes; the chip slept {:.1} % of {:.0} idle seconds, {} times",
        report.pages,
        report.minutes,
        100.0 * sleep.idle_share,
        sleep.idle_seconds,
        sleep.sleeps
    );
    println!(
        "{} frames delivered, {} lost; {} reasons to stay awake expired, {} anomalies",
        report.frames.delivered,
        report.frames.lost,
        sleep.reasons_expired,
        report.anomalies + sleep.anomalies
    );
    Ok(true)
}

fn print(report: &Soak) {
    println!("{:>6} {:>8}", "minute", "MiB/s");
    let most = report
        .throughput
        .per_minute
        .iter()
        .copied()
        .fold(0.001, f64::max);
    for (minute, rate) in report.throughput.per_minute.iter().enumerate() {
        println!(
            "{:>6} {:>8.3} {}",
            minute + 1,
            rate,
            "#".repeat((rate / most * 50.0) as usize)
        );
    }
    println!(
        "mean {:.3} MiB/s, worst minute {:.1} % of it; {} scans, {} requests refused; {} frames delivered, {} lost",
        report.throughput.mean_mib_per_s,
        100.0 * report.throughput.min_over_mean,
        report.scans.started,
        report.scans.refused,
        report.frames.delivered,
        report.frames.lost
    );
    if let Some(kept) = report.throughput.kept {
        println!("{:.1} % of the throughput without faults", 100.0 * kept);
    }
    println!(
        "diagnosis {}; {} incidents, {} core dumps, {} restarts from outside, {} anomalies",
        report.diagnosis, report.incidents, report.core_dumps, report.recoveries, report.anomalies
    );
    for (rung, count) in &report.rungs {
        println!("  {count:>8}  {rung}");
    }
    for (kind, count) in &report.anomaly_kinds {
        println!("  {count:>8}  {kind}");
    }
    for (fault, count) in &report.faults {
        println!("  {count:>8}  injected: {fault}");
    }
}

fn plot(report: &Soak, path: &Path) -> Result<()> {
    let minutes = &report.throughput.per_minute;
    let most = minutes.iter().copied().fold(0.1, f64::max) * 1.1;
    let area = SVGBackend::new(path, (900, 400)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(20)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..minutes.len() as f64, 0.0..most)?;
    chart
        .configure_mesh()
        .x_desc("virtual minutes")
        .y_desc("MiB/s")
        .draw()?;
    let points = minutes
        .iter()
        .enumerate()
        .map(|(minute, rate)| (minute as f64 + 0.5, *rate));
    chart.draw_series(LineSeries::new(points, &BLUE))?;
    area.present()?;
    Ok(())
}
