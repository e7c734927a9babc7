//! Rules that no compiler checks: where `unsafe` may stand, how long a file may be, and what must not be in the tree.

use crate::project::{Project, PORTABLE};
use crate::step::Outcome;
use anyhow::{ensure, Context, Result};
use std::path::{Path, PathBuf};

/// The only place for `unsafe`: what wraps the kernel's C.
const UNSAFE_ALLOWED: &str = "kmod/src/abstractions";

/// Most lines of a file of a portable crate before its tests. The aim is 400 (`CONTRIBUTING.md`); beyond this there is
/// surely a second concept in it.
const LONGEST: usize = 900;

/// Checks the files that git knows, or would know.
pub(crate) fn run(project: &Project) -> Result<Outcome> {
    let shell = project.shell()?;
    let list = xshell::cmd!(shell, "git ls-files --cached --others --exclude-standard")
        .quiet()
        .read()
        .context("git is needed: apt-get install git")?;
    let denied = denied(&project.root)?;
    let mut found = Vec::new();
    for name in list.lines() {
        let path = project.root.join(name);
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue; // A capture, or a file that was deleted.
        };
        if name.ends_with(".rs") && !name.starts_with(UNSAFE_ALLOWED) {
            found.extend(matches(
                name,
                &text,
                &[
                    format!("uns{}", "afe {"),
                    format!("uns{}", "afe fn"),
                    format!("uns{}", "afe impl"),
                ],
            ));
        }
        if name.ends_with(".rs") {
            found.extend(matches(
                name,
                &text,
                &["#[ign".to_owned() + "ore", "to".to_owned() + "do!("],
            ));
        }
        if name.ends_with(".rs") && PORTABLE.iter().any(|portable| name.starts_with(portable)) {
            let lines = lines_before_tests(&text);
            if lines > LONGEST {
                found.push(format!(
                    "{name}: {lines} lines before its tests, at most {LONGEST}"
                ));
            }
        }
        if name != DENIED_FILE {
            found.extend(matches(name, &text, &denied));
        }
    }
    for name in PORTABLE {
        let library = PathBuf::from(name).join("src/lib.rs");
        let text = std::fs::read_to_string(project.root.join(&library))?;
        if !text.contains("#![cfg_attr(not(test), no_std)]") {
            found.push(format!("{}: not no_std", library.display()));
        }
    }
    found.extend(crate::defects::check(&project.root));
    for line in &found {
        println!("{line}");
    }
    ensure!(found.is_empty(), "{} places against the rules", found.len());
    Ok(Outcome::Check)
}

fn lines_before_tests(text: &str) -> usize {
    text.lines()
        .take_while(|line| *line != "#[cfg(test)]")
        .count()
}

/// Words that must not be in the tree, one a line; `#` begins a comment.
const DENIED_FILE: &str = ".ci/denied-words.txt";

fn denied(root: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join(DENIED_FILE)).unwrap_or_default();
    Ok(text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect())
}

fn matches(name: &str, text: &str, words: &[String]) -> Vec<String> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .flat_map(|(number, line)| {
            words
                .iter()
                .filter(move |word| line.contains(word.as_str()))
                .map(move |word| format!("{name}:{}: `{word}`", number + 1))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_of_a_file_do_not_make_it_long() {
        assert_eq!(lines_before_tests("a\nb\n\n#[cfg(test)]\nmod tests {}"), 3);
        assert_eq!(lines_before_tests("a\n    #[cfg(test)]\nb"), 3);
    }

    #[test]
    fn a_denied_word_is_found_with_its_place() {
        let words = ["secret".to_owned()];
        assert_eq!(
            matches("file", "fine\nno secret here\n// a secret comment", &words),
            ["file:2: `secret`"]
        );
    }
}
