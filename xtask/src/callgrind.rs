//! Counts instructions with Valgrind's callgrind, crate by crate: exact, and the same on every machine, unlike time.
//!
//! The compiler inlines across crates, so whole functions say little. Callgrind writes for every cost the source file
//! it came from, even of inlined code; a cost from a file of this project belongs to that file's crate. Code that is
//! nobody's, as `memcpy` or the standard library, belongs to whoever asked for it: inlined, to the crate of the
//! function that it stands in; called, to the callers, in proportion to what they spent there.

use crate::project::{is_ci, Project};
use anyhow::{bail, ensure, Context, Result};
use std::collections::{BTreeMap, HashMap};
use std::process::{Command, Stdio};

/// What to count.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The command and its arguments.
    #[arg(required = true, trailing_var_arg = true)]
    command: Vec<String>,
}

/// The crates of this project. What none of them asked for is counted under [`OTHER`].
const CRATES: [&str; 8] = [
    "bes-hal",
    "bes-sdio-bus",
    "bes-wsm",
    "bes-pm",
    "bes-mac80211",
    "mock-hal",
    "bes-sim",
    "kmod",
];

/// Start and end of the program, and what cannot be told.
const OTHER: &str = "other";

/// Instructions by crate.
pub(crate) type Costs = BTreeMap<&'static str, u64>;

/// Counts and prints.
pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    let (costs, output) = instructions(project, &options.command)?;
    print!("{}", String::from_utf8_lossy(&output));
    for (name, count) in &costs {
        println!("{name:<14} {count:>16}");
    }
    println!("{:<14} {:>16}", "total", costs.values().sum::<u64>());
    Ok(())
}

/// Instructions that `command` executes, and what it prints.
pub(crate) fn instructions(project: &Project, command: &[String]) -> Result<(Costs, Vec<u8>)> {
    install()?;
    let folder = project.target.join("callgrind");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(format!("out.{}", std::process::id()));
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", file.display()))
        .args(command)
        .output()
        .context("cannot run valgrind")?;
    ensure!(
        output.status.success(),
        "{command:?} failed under valgrind:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let profile = Profile::parse(&std::fs::read_to_string(&file)?)?;
    std::fs::remove_file(&file)?;
    Ok((profile.by_crate(), output.stdout))
}

/// A function, and what it cost.
#[derive(Default)]
struct Function {
    /// Crate by its symbol.
    owner: Option<&'static str>,
    /// Own costs in files of this project.
    placed: Vec<(&'static str, u64)>,
    /// Own costs in other files.
    unplaced: u64,
    /// Calls of it: who called (a crate, or a function that belongs to none), and what that cost.
    callers: Vec<(Caller, u64)>,
}

#[derive(Clone, Copy)]
enum Caller {
    Crate(&'static str),
    Function(u32),
}

/// What callgrind wrote.
struct Profile {
    functions: HashMap<u32, Function>,
}

impl Profile {
    fn parse(text: &str) -> Result<Self> {
        let mut functions: HashMap<u32, Function> = HashMap::new();
        let mut files: HashMap<u32, Option<&'static str>> = HashMap::new();
        let (mut function, mut file, mut callee) = (0, None, 0);
        let mut is_call = false;
        for line in text.lines() {
            if let Some((key, value)) = line.split_once('=') {
                match key {
                    "fl" | "fi" | "fe" => {
                        let (number, path) = compressed(value).context("callgrind: file")?;
                        if let Some(path) = path {
                            files.insert(number, crate_of_file(path));
                        }
                        file = files.get(&number).copied().flatten();
                    }
                    "fn" | "cfn" => {
                        let (number, name) = compressed(value).context("callgrind: function")?;
                        let entry = functions.entry(number).or_default();
                        if let Some(name) = name {
                            entry.owner = crate_of_symbol(name);
                        }
                        if key == "fn" {
                            function = number;
                        } else {
                            callee = number;
                        }
                    }
                    // Files of called functions have numbers in common with the others.
                    "cfi" | "cfl" => {
                        if let (number, Some(path)) =
                            compressed(value).context("callgrind: file")?
                        {
                            files.insert(number, crate_of_file(path));
                        }
                    }
                    "calls" => is_call = true,
                    _ => {}
                }
                continue;
            }
            if !line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
                continue;
            }
            let cost: u64 = line
                .split(' ')
                .nth(1)
                .map_or(Ok(0), str::parse)
                .context("callgrind: cost")?;
            let owner = functions.get(&function).and_then(|entry| entry.owner);
            if is_call {
                is_call = false;
                let caller = file
                    .or(owner)
                    .map_or(Caller::Function(function), Caller::Crate);
                functions
                    .entry(callee)
                    .or_default()
                    .callers
                    .push((caller, cost));
            } else {
                let entry = functions.entry(function).or_default();
                match file {
                    // The seam is used from both sides: what the emulated chip has inlined of it is the chip's.
                    Some("bes-hal") if owner == Some("mock-hal") => {
                        entry.placed.push(("mock-hal", cost));
                    }
                    Some(name) => entry.placed.push((name, cost)),
                    None => entry.unplaced += cost,
                }
            }
        }
        ensure!(!functions.is_empty(), "callgrind wrote no functions");
        Ok(Self { functions })
    }

    fn by_crate(&self) -> Costs {
        let shares = self.shares();
        let mut costs: BTreeMap<&'static str, f64> = BTreeMap::new();
        for (number, function) in &self.functions {
            for (name, cost) in &function.placed {
                *costs.entry(name).or_default() += *cost as f64;
            }
            for (name, share) in &shares[number] {
                *costs.entry(name).or_default() += share * function.unplaced as f64;
            }
        }
        costs
            .into_iter()
            .map(|(name, cost)| (name, cost.round() as u64))
            .filter(|(_, cost)| *cost > 0)
            .collect()
    }

    /// For whom a function worked: a share of 1 in all. Functions without a crate inherit from their callers, over as
    /// many rounds as calls between them are deep.
    fn shares(&self) -> HashMap<u32, BTreeMap<&'static str, f64>> {
        let mut shares: HashMap<u32, BTreeMap<&'static str, f64>> = self
            .functions
            .iter()
            .map(|(number, function)| {
                (
                    *number,
                    BTreeMap::from([(function.owner.unwrap_or(OTHER), 1.0)]),
                )
            })
            .collect();
        for _ in 0..24 {
            let mut next = HashMap::new();
            for (number, function) in &self.functions {
                let total: u64 = function.callers.iter().map(|(_, cost)| cost).sum();
                if function.owner.is_some() || total == 0 {
                    next.insert(*number, shares[number].clone());
                    continue;
                }
                let mut mine: BTreeMap<&'static str, f64> = BTreeMap::new();
                for (caller, cost) in &function.callers {
                    let part = *cost as f64 / total as f64;
                    match caller {
                        Caller::Crate(name) => *mine.entry(name).or_default() += part,
                        Caller::Function(other) => {
                            for (name, share) in &shares[other] {
                                *mine.entry(name).or_default() += part * share;
                            }
                        }
                    }
                }
                next.insert(*number, mine);
            }
            shares = next;
        }
        shares
    }
}

/// Reads `(12) name` or, for a name that was told before, `(12)`.
fn compressed(value: &str) -> Option<(u32, Option<&str>)> {
    let (number, name) = value.strip_prefix('(')?.split_once(')')?;
    let name = name.trim();
    Some((number.parse().ok()?, (!name.is_empty()).then_some(name)))
}

/// The crate whose folder the file lies in. Paths may be relative to the workspace.
fn crate_of_file(path: &str) -> Option<&'static str> {
    if path.contains("/.cargo/") || path.contains("/rustc/") {
        return None;
    }
    CRATES.into_iter().find(|name| {
        path.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with("/src/"))
            || path.contains(&format!("/{name}/src/"))
    })
}

/// The crate that a symbol begins with: `bes_wsm::tx::f`, `<bes_wsm::tx::T as core::Trait>::f`.
fn crate_of_symbol(name: &str) -> Option<&'static str> {
    let start = name.trim_start_matches(['<', '&', '*']);
    let start = start.strip_prefix("mut ").unwrap_or(start);
    CRATES.into_iter().find(|krate| {
        start
            .strip_prefix(&krate.replace('-', "_"))
            .is_some_and(|rest| rest.starts_with("::"))
    })
}

fn has_valgrind() -> bool {
    Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn install() -> Result<()> {
    if has_valgrind() {
        return Ok(());
    }
    if is_ci() {
        let _ = Command::new("apt-get")
            .args(["install", "-y", "valgrind"])
            .status();
        if has_valgrind() {
            return Ok(());
        }
    }
    bail!("valgrind is needed to count instructions: apt-get install valgrind")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `main` of the simulator calls the driver, which has the chip inlined; both call `memcpy`.
    const PROFILE: &str = "\
positions: line
events: Ir

fl=(1) /project/bes-sim/src/main.rs
fn=(1) bes_sim::main
1 10
cfi=(2) /project/bes-wsm/src/bottom_half.rs
cfn=(2) bes_wsm::bottom_half::BottomHalf<B>::run
calls=1 5
+1 1000

fl=(2)
fn=(2)
5 100
fi=(3) /rustc/abc/library/core/src/slice/mod.rs
* 7
fi=(4) /project/mock-hal/src/card.rs
9 50
cfi=(5) /build/string.c
cfn=(3) memcpy
calls=2 1
9 300
fe=(2)
6 20
cfn=(3)
calls=1 1
6 100

fl=(5)
fn=(3)
1 400
";

    #[test]
    fn inlined_code_belongs_to_its_file_and_shared_code_to_its_callers() {
        let costs = Profile::parse(PROFILE).unwrap().by_crate();
        let expected = [
            ("bes-sim", 10),
            ("bes-wsm", 100 + 7 + 20 + 100),
            ("mock-hal", 50 + 300),
        ];
        assert_eq!(costs, Costs::from(expected));
    }

    #[test]
    fn crates_are_told_by_path_and_by_symbol() {
        assert_eq!(crate_of_file("bes-pm/src/lib.rs"), Some("bes-pm"));
        assert_eq!(
            crate_of_file("/root/.cargo/registry/src/kmod/src/lib.rs"),
            None
        );
        assert_eq!(
            crate_of_symbol("<mock_hal::Card as bes_hal::sdio::SdioFunction>::now"),
            Some("mock-hal")
        );
        assert_eq!(
            crate_of_symbol("core::ptr::drop_in_place<bes_wsm::T>"),
            None
        );
    }
}
