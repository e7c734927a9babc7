//! How much stack the driver takes: a kernel has 16 KiB, and whoever calls the driver has used some of it.
//!
//! The portable crates are built as a kernel builds them and put together with a platform that does nothing
//! (`stack/probe.rs`). The compiler says how large each frame is (`-Zemit-stack-sizes`, so this needs
//! `RUSTC_BOOTSTRAP`), the disassembly who calls whom. Frames of the platform do not count. Calls through pointers are not
//! followed; the driver has none but formatting, which is not reached from here.

use crate::project::{Project, PORTABLE};
use anyhow::{ensure, Context, Result};
use object::{Object, ObjectSection};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use xshell::{cmd, Shell};

/// Largest frame of one function, in bytes.
const FRAME: u64 = 2048;

/// Deepest chain of calls from an entry of the driver to the platform, in bytes: a third of a kernel's stack.
const CHAIN: u64 = 5 * 1024 + 512;

/// Optimised for speed and checked, as kernels are.
const FLAGS: [&str; 6] = [
    "-Copt-level=2",
    "-Cpanic=abort",
    "-Coverflow-checks=on",
    "-Cforce-unwind-tables=no",
    "-Csymbol-mangling-version=v0",
    "-Zemit-stack-sizes",
];

/// A function of the driver.
#[derive(Default)]
struct Function {
    name: String,
    frame: u64,
    calls: BTreeSet<u64>,
}

impl Function {
    fn is_driver(&self) -> bool {
        // Methods of the probe's types mention the crates whose traits they implement.
        let platform = self.name.starts_with("probe::") || self.name.starts_with("<probe::");
        !platform && self.name.contains("bes_")
    }

    fn is_entry(&self) -> bool {
        self.name.starts_with("probe::entry_")
    }
}

/// Builds, measures, prints, and fails if something is too large.
pub(crate) fn run(project: &Project) -> Result<()> {
    let shell = project.shell()?;
    let program = build(project, &shell)?;
    let disassembly = cmd!(
        shell,
        "objdump --disassemble --demangle --no-show-raw-insn {program}"
    )
    .quiet()
    .read()
    .context("objdump (package binutils)")?;
    let mut functions = calls(&disassembly);
    for (address, frame) in frames(&std::fs::read(&program)?)? {
        if let Some(function) = functions.get_mut(&address) {
            function.frame = frame;
        }
    }
    report(&functions)
}

fn build(project: &Project, shell: &Shell) -> Result<std::path::PathBuf> {
    let folder = project.target.join("stack");
    let flags = FLAGS.join(" ");
    let packages = PORTABLE.iter().flat_map(|name| ["-p", name]);
    let _bootstrap = shell.push_env("RUSTC_BOOTSTRAP", "1");
    let _flags = shell.push_env("RUSTFLAGS", &flags);
    let _folder = shell.push_env("CARGO_TARGET_DIR", &folder);
    let _lto = shell.push_env("CARGO_PROFILE_RELEASE_LTO", "off");
    let _opt = shell.push_env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "2");
    cmd!(shell, "cargo build --release --lib {packages...}").run()?;

    let release = folder.join("release");
    let dependencies = release.join("deps");
    let program = release.join("probe");
    let source = Path::new("xtask/src/stack/probe.rs");
    let crates = PORTABLE.iter().flat_map(|name| {
        let name = name.replace('-', "_");
        let file = release.join(format!("lib{name}.rlib"));
        ["--extern".to_owned(), format!("{name}={}", file.display())]
    });
    cmd!(
        shell,
        "rustc --edition 2021 --crate-type bin -Ccodegen-units=1 {FLAGS...} {crates...} -L {dependencies} -o {program} {source}"
    )
    .run()?;
    Ok(program)
}

/// The section that the compiler wrote: for each function its address and, as ULEB128, its frame.
fn frames(program: &[u8]) -> Result<BTreeMap<u64, u64>> {
    let file = object::File::parse(program)?;
    let section = file
        .section_by_name(".stack_sizes")
        .context("the compiler wrote no sizes of frames")?;
    let mut rest = section.data()?;
    let mut frames = BTreeMap::new();
    while let Some((address, behind)) = rest.split_first_chunk::<8>() {
        let len = behind.iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
        ensure!(len <= behind.len().min(9), "a size of a frame is cut");
        let (digits, behind) = behind.split_at(len);
        let frame = digits
            .iter()
            .rev()
            .fold(0, |sum, digit| sum << 7 | u64::from(digit & 0x7F));
        frames.insert(u64::from_le_bytes(*address), frame);
        rest = behind;
    }
    Ok(frames)
}

/// Who calls whom, or goes on there without coming back.
fn calls(disassembly: &str) -> BTreeMap<u64, Function> {
    let mut functions: BTreeMap<u64, Function> = BTreeMap::new();
    let mut current = None;
    for line in disassembly.lines() {
        if let Some((address, name)) = line
            .strip_suffix(">:")
            .and_then(|line| line.split_once(" <"))
        {
            let Ok(address) = u64::from_str_radix(address, 16) else {
                continue;
            };
            let name = name.to_owned();
            functions.entry(address).or_default().name = name;
            current = Some(address);
            continue;
        }
        // `  1234:\tcall   5678 <name+0x12>`
        let Some((_, instruction)) = line.split_once(":\t") else {
            continue;
        };
        let mut words = instruction.split_whitespace();
        let Some("call" | "jmp" | "bl" | "b") = words.next() else {
            continue;
        };
        let target = words
            .next()
            .and_then(|word| u64::from_str_radix(word, 16).ok());
        if let (Some(target), Some(current)) = (target, current) {
            if let Some(function) = functions.get_mut(&current) {
                function.calls.insert(target);
            }
        }
    }
    // Jumps inside a function are no calls.
    let starts: BTreeSet<u64> = functions.keys().copied().collect();
    for (address, function) in &mut functions {
        function
            .calls
            .retain(|target| target != address && starts.contains(target));
    }
    functions
}

/// The deepest chain below a function.
#[derive(Clone, Default)]
struct Chain {
    bytes: u64,
    functions: Vec<u64>,
}

fn deepest(
    functions: &BTreeMap<u64, Function>,
    address: u64,
    above: &mut Vec<u64>,
    known: &mut BTreeMap<u64, Chain>,
) -> Result<Chain> {
    if let Some(chain) = known.get(&address) {
        return Ok(chain.clone());
    }
    let function = &functions[&address];
    ensure!(
        !above.contains(&address),
        "{} calls itself, so its stack has no bound",
        function.name
    );
    let mut longest = Chain::default();
    if function.is_driver() || function.is_entry() {
        above.push(address);
        for callee in &function.calls {
            let chain = deepest(functions, *callee, above, known)?;
            if chain.bytes > longest.bytes {
                longest = chain;
            }
        }
        above.pop();
        // The return address, too.
        longest.bytes += function.frame + 8;
        longest.functions.push(address);
    }
    known.insert(address, longest.clone());
    Ok(longest)
}

fn report(functions: &BTreeMap<u64, Function>) -> Result<()> {
    let mut driver: Vec<_> = functions.values().filter(|f| f.is_driver()).collect();
    ensure!(
        driver.len() > 100,
        "only {} functions were found",
        driver.len()
    );
    driver.sort_by_key(|function| std::cmp::Reverse(function.frame));
    println!("largest frames of {} functions, in bytes:", driver.len());
    for function in driver.iter().take(8) {
        println!("{:>6}  {}", function.frame, short(&function.name));
    }
    let mut worst = 0;
    let mut entries = 0;
    for (address, entry) in functions.iter().filter(|(_, f)| f.is_entry()) {
        let chain = deepest(functions, *address, &mut Vec::new(), &mut BTreeMap::new())?;
        println!(
            "deepest calls of {}: {} bytes",
            short(&entry.name),
            chain.bytes
        );
        for callee in chain.functions.iter().rev() {
            let function = &functions[callee];
            println!("{:>6}  {}", function.frame, short(&function.name));
        }
        worst = worst.max(chain.bytes);
        entries += 1;
    }
    ensure!(
        entries == 5,
        "{entries} of 5 entries of the driver were found"
    );
    let largest = driver.first().map_or(0, |function| function.frame);
    ensure!(
        largest <= FRAME,
        "a frame of {largest} bytes; at most {FRAME} are allowed"
    );
    ensure!(
        worst <= CHAIN,
        "a chain of calls takes {worst} bytes; at most {CHAIN} are allowed"
    );
    Ok(())
}

/// A name without the types that the probe is made of.
fn short(name: &str) -> String {
    let mut depth = 0_u32;
    let mut short = String::new();
    for part in name.trim_start_matches('<').split_inclusive(['<', '>']) {
        let text = part.trim_end_matches(['<', '>']);
        if depth == 0 {
            short.push_str(text);
        }
        match part.chars().last() {
            Some('<') => depth += 1,
            Some('>') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISASSEMBLY: &str = "\
0000000000001000 <probe::entry_run>:
    1000:\tpush   rbp
    1001:\tcall   2000 <bes_wsm::run>
    1006:\tjmp    1001 <probe::entry_run+0x1>

0000000000002000 <bes_wsm::run>:
    2000:\tcall   3000 <bes_wsm::send>
    2005:\tcall   4000 <<probe::Above as bes_hal::stack::Stack>::notify>

0000000000003000 <bes_wsm::send>:
    3000:\tret

0000000000004000 <<probe::Above as bes_hal::stack::Stack>::notify>:
    4000:\tret
";

    fn example() -> BTreeMap<u64, Function> {
        let mut functions = calls(DISASSEMBLY);
        for (address, frame) in [(0x1000, 16), (0x2000, 100), (0x3000, 50), (0x4000, 5000)] {
            functions.get_mut(&address).unwrap().frame = frame;
        }
        functions
    }

    #[test]
    fn the_deepest_chain_ends_where_the_platform_begins() {
        let functions = example();
        let chain = deepest(&functions, 0x1000, &mut Vec::new(), &mut BTreeMap::new()).unwrap();
        assert_eq!(chain.bytes, 16 + 100 + 50 + 3 * 8);
        assert_eq!(chain.functions, [0x3000, 0x2000, 0x1000]);
    }

    #[test]
    fn recursion_is_an_error() {
        let mut functions = example();
        functions.get_mut(&0x3000).unwrap().calls.insert(0x2000);
        assert!(deepest(&functions, 0x1000, &mut Vec::new(), &mut BTreeMap::new()).is_err());
    }

    #[test]
    fn names_are_shortened() {
        assert_eq!(
            short("<bes_wsm::BottomHalf<probe::A, B<C>>>::run::<D>"),
            "bes_wsm::BottomHalf::run::"
        );
    }
}
