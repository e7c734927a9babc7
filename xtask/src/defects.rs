//! `docs/defects.md` answers for every defect of the C driver that the specification names. Nothing in it may go stale:
//! each number stands there exactly once, and each test that it names exists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Where the answers are.
pub(crate) const DOCUMENT: &str = "docs/defects.md";

/// What the specification numbers: heading of the table, letter, how many.
const NUMBERED: [(&str, &str, u32); 8] = [
    ("File 10", "T", 40),
    ("File 11", "B", 37),
    ("File 20", "D", 55),
    ("File 30", "D", 37),
    ("File 31", "C", 36),
    ("File 31", "L", 10),
    ("File 40", "P", 29),
    ("File 50", "F", 15),
];

/// How an answer without a test begins: it says why there is none.
const WITHOUT_TEST: [&str; 3] = ["not possible:", "not built:", "hardware only:"];

/// What is wrong with the document in the tree at `root`.
pub(crate) fn check(root: &Path) -> Vec<String> {
    match std::fs::read_to_string(root.join(DOCUMENT)) {
        Ok(text) => check_text(&text, |file| std::fs::read_to_string(root.join(file)).ok()),
        Err(error) => vec![format!("{DOCUMENT}: {error}")],
    }
}

/// Scenarios of the laboratory that a line names, as `` `lab NAME` ``.
fn named_scenarios(line: &str) -> impl Iterator<Item = &str> {
    line.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|quoted| quoted.strip_prefix("lab "))
}

/// What is wrong with `document`; `read` gives the contents of a file.
fn check_text(document: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = BTreeMap::<(String, String), u32>::new();
    let mut tests = BTreeMap::<String, Option<BTreeSet<String>>>::new();
    let mut heading = String::new();
    for (index, line) in document.lines().enumerate() {
        let place = format!("{DOCUMENT}:{}", index + 1);
        if let Some(title) = line.strip_prefix("## ") {
            heading = title.split([',', ':']).next().unwrap_or(title).to_owned();
        }
        let named = named_tests(line);
        for (file, name) in &named {
            let of_file = tests
                .entry(file.clone())
                .or_insert_with(|| read(file).as_deref().map(tests_in));
            match of_file {
                None => found.push(format!("{place}: there is no file {file}")),
                Some(known) if !known.contains(name) => {
                    found.push(format!("{place}: {file} has no test `{name}`"));
                }
                Some(_) => {}
            }
        }
        let scenarios: Vec<_> = named_scenarios(line).collect();
        for name in &scenarios {
            if !crate::lab::has_scenario(name) {
                found.push(format!("{place}: the laboratory has no scenario `{name}`"));
            }
        }
        let Some((number, answer)) = row(line) else {
            continue;
        };
        if !is_numbered(&heading, number) {
            found.push(format!("{place}: {heading} has no {number}"));
            continue;
        }
        *seen
            .entry((heading.clone(), number.to_owned()))
            .or_default() += 1;
        if named.is_empty()
            && scenarios.is_empty()
            && !WITHOUT_TEST.iter().any(|words| answer.starts_with(words))
        {
            found.push(format!(
                "{place}: {number} names no test and does not begin with one of {WITHOUT_TEST:?}"
            ));
        }
    }
    for (file, letter, count) in NUMBERED {
        for number in 1..=count {
            let name = format!("{letter}{number}");
            match seen.get(&(file.to_owned(), name.clone())) {
                Some(1) => {}
                times => found.push(format!(
                    "{DOCUMENT}: {file}, {name} stands there {} times",
                    times.unwrap_or(&0)
                )),
            }
        }
    }
    found
}

/// Number and answer of a row of a table, if the line is one.
fn row(line: &str) -> Option<(&str, &str)> {
    let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
    let number = cells.next()?;
    let digits = number.strip_prefix(|letter: char| letter.is_ascii_uppercase())?;
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    let answer = cells.nth(1)?;
    is_number.then_some((number, answer))
}

fn is_numbered(heading: &str, number: &str) -> bool {
    NUMBERED.iter().any(|(file, letter, count)| {
        let value = number
            .strip_prefix(letter)
            .and_then(|digits| digits.parse::<u32>().ok());
        heading == *file && value.is_some_and(|value| (1..=*count).contains(&value))
    })
}

/// The tests that a line names, as `` `file.rs::name` ``.
fn named_tests(line: &str) -> Vec<(String, String)> {
    line.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|quoted| {
            let (file, name) = quoted.split_once(".rs::")?;
            Some((format!("{file}.rs"), name.to_owned()))
        })
        .collect()
}

/// Names of the functions of `text` that carry `#[test]`.
fn tests_in(text: &str) -> BTreeSet<String> {
    let mut marked = false;
    let mut names = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        if line == "#[test]" {
            marked = true;
        } else if let Some(rest) = line.strip_prefix("fn ") {
            let end = rest.find(|c: char| c != '_' && !c.is_ascii_alphanumeric());
            let name = end.map_or(rest, |end| &rest[..end]);
            if std::mem::take(&mut marked) {
                names.insert(name.to_owned());
            }
        } else if !line.starts_with("#[") && !line.starts_with("//") {
            marked = false;
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "#[test]\n#[should_panic]\nfn first() {}\n\nfn helper() {}\n\n/// Said.\n#[test]\nfn second(\n";

    fn read(file: &str) -> Option<String> {
        (file == "a/b.rs").then(|| CODE.to_owned())
    }

    /// A document with every number, each with the same answer.
    fn complete(answer: &str) -> String {
        let mut text = String::new();
        for (file, letter, count) in NUMBERED {
            text.push_str(&format!("## {file}: title\n"));
            for number in 1..=count {
                text.push_str(&format!("| {letter}{number} | fault | {answer} |\n"));
            }
        }
        text
    }

    #[test]
    fn functions_that_are_no_tests_do_not_count() {
        let names: Vec<_> = tests_in(CODE).into_iter().collect();
        assert_eq!(names, ["first", "second"]);
    }

    #[test]
    fn a_complete_document_is_right() {
        for answer in ["`a/b.rs::first`", "not possible: no such thread"] {
            assert_eq!(check_text(&complete(answer), read), Vec::<String>::new());
        }
    }

    #[test]
    fn a_scenario_of_the_laboratory_is_a_test_if_there_is_one() {
        let good = check_text(&complete("shown by `lab reload`"), read);
        assert_eq!(good, Vec::<String>::new());
        let bad = check_text("`lab nonsense`", read);
        assert!(bad[0].ends_with("no scenario `nonsense`"), "{}", bad[0]);
    }

    #[test]
    fn an_answer_needs_a_test_or_a_reason() {
        let found = check_text(&complete("surely right"), read);
        assert!(found[0].contains("T1 names no test"), "{}", found[0]);
    }

    #[test]
    fn a_number_that_is_missing_doubled_or_made_up_is_found() {
        let good = complete("not built: X");
        let missing = good.replacen("| D7 | fault | not built: X |\n", "", 1);
        assert_eq!(
            check_text(&missing, read),
            [format!("{DOCUMENT}: File 20, D7 stands there 0 times")]
        );
        let doubled = format!("{good}| F1 | fault | not built: X |\n");
        assert_eq!(
            check_text(&doubled, read),
            [format!("{DOCUMENT}: File 50, F1 stands there 2 times")]
        );
        let made_up = format!("{good}| F99 | fault | not built: X |\n");
        assert!(check_text(&made_up, read)[0].ends_with("File 50 has no F99"));
    }

    #[test]
    fn a_test_that_does_not_exist_is_found_with_its_line() {
        let text = format!(
            "See `a/b.rs::helper`, `c.rs::first`.\n{}",
            complete("not built: X")
        );
        assert_eq!(
            check_text(&text, read),
            [
                format!("{DOCUMENT}:1: a/b.rs has no test `helper`"),
                format!("{DOCUMENT}:1: there is no file c.rs"),
            ]
        );
    }
}
