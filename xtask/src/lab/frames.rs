//! Stack frames of the modules: a kernel's stack is small (8 to 16 KiB), and nobody notices at once when it is too small.
//! `cargo xtask stack` looks at the portable crates; this looks at what a kernel build made of them and of the glue.

use crate::lab::tools::{find, quiet};
use anyhow::{ensure, Context, Result};
use std::path::Path;
use std::process::Command;

/// The largest frame that one function may have, as `CONFIG_FRAME_WARN` is on 64-bit kernels.
const LIMIT: u64 = 2048;

/// Functions that put a device together: called once, on a stack that is nearly empty, where values move to their places.
const SET_UP: [&str; 2] = ["7bes26003bus6driver", "6placed"];
/// The largest frame of those.
const SET_UP_LIMIT: u64 = 3072;

/// A function and the bytes of its frame.
type Frame = (String, u64);

/// Fails if a function of the module has a larger frame than it may have. Returns the largest one.
///
/// # Errors
///
/// Also if the module cannot be disassembled.
pub(crate) fn check(module: &Path) -> Result<Option<Frame>> {
    let objdump = ["llvm-objdump-19", "llvm-objdump", "objdump"]
        .into_iter()
        .find_map(find)
        .context("apt-get install binutils")?;
    let text = quiet(
        Command::new(objdump)
            .args(["-d", "--no-show-raw-insn"])
            .arg(module),
    )?;
    let mut frames = frames(&text);
    frames.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let large: Vec<_> = frames
        .iter()
        .filter(|(name, bytes)| *bytes > limit(name))
        .map(|(name, bytes)| format!("{name}: {bytes} bytes"))
        .collect();
    ensure!(
        large.is_empty(),
        "functions of {} with a stack frame that is too large:\n{}",
        module.display(),
        large.join("\n")
    );
    Ok(frames.into_iter().next())
}

/// The largest frame that a function may have.
fn limit(name: &str) -> u64 {
    if SET_UP.iter().any(|part| name.contains(part)) {
        SET_UP_LIMIT
    } else {
        LIMIT
    }
}

/// The functions that make room on the stack, from a disassembly of x86-64 code.
fn frames(disassembly: &str) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    let mut function = None;
    for line in disassembly.lines() {
        if let Some(name) = line.strip_suffix(">:").and_then(|line| {
            let (address, name) = line.split_once(" <")?;
            (!address.is_empty()).then(|| name.to_owned())
        }) {
            function = Some(name);
            continue;
        }
        let Some(bytes) = reserved(line) else {
            continue;
        };
        if let Some(name) = &function {
            match frames.last_mut() {
                // Only branches make room a second time.
                Some((last, largest)) if last == name => *largest = (*largest).max(bytes),
                _ => frames.push((name.clone(), bytes)),
            }
        }
    }
    frames
}

/// Bytes by which an instruction moves the stack pointer down.
fn reserved(line: &str) -> Option<u64> {
    let instruction = line.split_once(':')?.1;
    let instruction = instruction
        .split_once('#')
        .map_or(instruction, |(instruction, _)| instruction)
        .trim();
    let operands = instruction
        .strip_prefix("subq")
        .or_else(|| instruction.strip_prefix("sub"))?
        .trim();
    let amount = operands
        .strip_suffix(", %rsp")
        .or_else(|| operands.strip_suffix(",%rsp"))?;
    u64::from_str_radix(amount.strip_prefix("$0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISASSEMBLY: &str = "\
0000000000000010 <_RNvCs_7bes2600_3run>:
      10: pushq\t%rbp
      11: subq\t$0x18, %rsp
      20: subq\t$0x1000, %rsp           # imm = 0x1000
0000000000000030 <leaf>:
      30: subq\t$0x8, %rax
0000000000000040 <gnu>:
      40:\tsub    $0x820,%rsp
";

    #[test]
    fn the_frame_of_a_function_is_what_it_takes_from_the_stack() {
        let text = DISASSEMBLY.replace("           # imm = 0x1000", "");
        assert_eq!(
            frames(&text),
            [
                ("_RNvCs_7bes2600_3run".to_owned(), 0x1000),
                ("gnu".to_owned(), 0x820)
            ]
        );
    }

    #[test]
    fn a_remark_behind_the_instruction_does_not_matter() {
        assert_eq!(frames(DISASSEMBLY)[0].1, 0x1000);
    }
}
