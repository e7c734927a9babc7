//! The corpus in the tree is what its generator makes, every target passes it, and no target was half added.

use bes_fuzz::{corpus::seeds, TARGETS};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn names(path: PathBuf) -> BTreeSet<String> {
    std::fs::read_dir(path)
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

#[test]
fn every_target_has_an_entry_a_corpus_and_seeds() {
    let known: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(folder("fuzz_targets")), known);
    assert_eq!(names(folder("corpus")), known);
    let manifest = std::fs::read_to_string(folder("Cargo.toml")).unwrap();
    for name in known {
        assert!(seeds(&name).len() > 3, "{name} has few seeds");
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")),
            "{name}"
        );
    }
}

#[test]
fn every_seed_is_in_the_tree_as_it_is_made() {
    for (target, _) in TARGETS {
        for (name, content) in seeds(target) {
            let path = folder("corpus").join(target).join(&name);
            let found =
                std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(
                found == content,
                "{} differs; cargo run -p bes-fuzz --bin corpus",
                path.display()
            );
        }
    }
}

#[test]
fn every_target_passes_its_corpus_cut_at_every_length() {
    for (target, run) in TARGETS {
        // A script for the whole driver is no message with a length in it: some cuts show as much as all.
        let step = if target == "hostile_chip" { 23 } else { 1 };
        for entry in std::fs::read_dir(folder("corpus").join(target)).unwrap() {
            let content = std::fs::read(entry.unwrap().path()).unwrap();
            run(&content);
            for len in (0..content.len().min(700)).step_by(step) {
                run(&content[..len]);
            }
        }
    }
}
