//! Collects the figures.

use crate::bench;
use crate::callgrind;
use crate::project::{Project, PORTABLE};
use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use std::path::Path;
use std::process::Command;

/// Bytes of MSDUs.
const SIZES: [u16; 6] = [100, 300, 600, 900, 1200, 1500];

/// Cards in one process.
const CARDS: [u8; 4] = [1, 2, 4, 8];

/// Access points in range.
const ACCESS_POINTS: [u8; 4] = [1, 2, 4, 8];

/// Fault candidates of a soak (specification: file 50, section 4). 0 is none.
const CANDIDATES: [u8; 7] = [0, 1, 2, 3, 4, 5, 6];

/// One measurement of a series.
pub(crate) struct Point {
    /// What was varied.
    pub(crate) at: f64,
    /// What the program printed.
    pub(crate) result: Value,
    /// Instructions of the driver's crates, if they were counted.
    pub(crate) instructions: Option<f64>,
}

impl Point {
    /// A number of the result, by its JSON pointer.
    pub(crate) fn number(&self, pointer: &str) -> Option<f64> {
        self.result.pointer(pointer)?.as_f64()
    }

    fn json(&self) -> Value {
        json!({ "at": self.at, "result": self.result, "driver_instructions": self.instructions })
    }
}

/// Everything that was measured.
pub(crate) struct Figures {
    /// `cargo xtask bench`.
    pub(crate) bench: Value,
    /// By size of the MSDUs, in bytes.
    pub(crate) sizes: Vec<Point>,
    /// By number of cards. Instructions are those of the driver alone, for all cards.
    pub(crate) cards: Vec<Point>,
    /// By number of access points in range.
    pub(crate) access_points: Vec<Point>,
    /// An hour of traffic, by fault candidate.
    pub(crate) soaks: Vec<Point>,
    /// `cargo xtask lab throughput`.
    pub(crate) lab: Option<Value>,
}

impl Figures {
    /// For other programs.
    pub(crate) fn json(&self) -> Value {
        let series = |points: &[Point]| points.iter().map(Point::json).collect::<Vec<_>>();
        json!({
            "bench": self.bench,
            "by_msdu_bytes": series(&self.sizes),
            "by_cards": series(&self.cards),
            "by_access_points": series(&self.access_points),
            "soak_by_fault_candidate": series(&self.soaks),
            "lab": self.lab,
        })
    }
}

/// Measures everything that needs no kernel. `quick` leaves out instruction counts and soaks.
pub(crate) fn all(project: &Project, quick: bool) -> Result<Figures> {
    let program = bench::build(project)?;
    let say = |what: &str| eprintln!("report: {what}");
    say("bus and instructions");
    let bench = bench::figures(project, &program, !quick)?;
    let mut sizes = Vec::new();
    for size in SIZES {
        say(&format!("MSDUs of {size} bytes"));
        let words = ["bench", "--json", "--msdu", &size.to_string()].map(str::to_owned);
        sizes.push(point(f64::from(size), json_of(&program, &words)?));
    }
    let mut cards = Vec::new();
    for count in CARDS {
        say(&format!("{count} cards"));
        let words = ["chips", &count.to_string(), "--json", "--time", "100"].map(str::to_owned);
        let mut one = point(f64::from(count), json_of(&program, &words)?);
        if !quick {
            let command: Vec<String> = [program.clone()].into_iter().chain(words).collect();
            let (costs, _) = callgrind::instructions(project, &command)?;
            let driver: u64 = PORTABLE.iter().filter_map(|name| costs.get(name)).sum();
            one.instructions = Some(driver as f64);
        }
        cards.push(one);
    }
    let mut access_points = Vec::new();
    for count in ACCESS_POINTS {
        say(&format!("{count} access points"));
        let words = ["bench", "--json", "--access-points", &count.to_string()].map(str::to_owned);
        access_points.push(point(f64::from(count), json_of(&program, &words)?));
    }
    let mut soaks = Vec::new();
    for candidate in CANDIDATES.into_iter().filter(|_| !quick) {
        say(&format!("an hour of traffic, fault candidate {candidate}"));
        let mut words = ["soak", "--json", "--minutes", "60", "--scan-every", "300"]
            .map(str::to_owned)
            .to_vec();
        if candidate > 0 {
            words.extend(["--fault".to_owned(), candidate.to_string()]);
        }
        soaks.push(point(f64::from(candidate), json_of(&program, &words)?));
    }
    Ok(Figures {
        bench,
        sizes,
        cards,
        access_points,
        soaks,
        lab: None,
    })
}

const fn point(at: f64, result: Value) -> Point {
    Point {
        at,
        result,
        instructions: None,
    }
}

fn json_of(program: &str, words: &[String]) -> Result<Value> {
    let output = Command::new(program).args(words).output()?;
    ensure!(
        output.status.success(),
        "{program} {} failed:\n{}",
        words.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{} did not print JSON", words.join(" ")))
}

/// Runs the laboratory's throughput scenario.
pub(crate) fn lab() -> Result<Value> {
    let program = std::env::current_exe()?;
    let words = ["lab", "throughput", "--json"].map(str::to_owned);
    json_of(&program.display().to_string(), &words)
}

/// An earlier result of it.
pub(crate) fn read_lab(path: &Path) -> Result<Value> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| {
        format!(
            "{} is not a result of `cargo xtask lab throughput --json`",
            path.display()
        )
    })
}
