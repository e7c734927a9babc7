//! Tests that the crates know only whom they may know, and that the portable ones stay portable.

use crate::project::{metadata, PORTABLE};
use serde_json::Value;

/// Which crates of this workspace a crate may know (`docs/architecture.md`, "Crates, and who may know whom").
const ALLOWED: [(&str, &[&str]); 10] = [
    ("bes-hal", &[]),
    ("bes-sdio-bus", &["bes-hal"]),
    ("bes-wsm", &["bes-hal"]),
    ("bes-pm", &["bes-hal"]),
    ("bes-mac80211", &["bes-hal", "bes-wsm", "bes-pm"]),
    ("mock-hal", &["bes-hal"]),
    (
        "bes-sim",
        &[
            "bes-hal",
            "bes-sdio-bus",
            "bes-wsm",
            "bes-pm",
            "bes-mac80211",
            "mock-hal",
            "vsdio-device",
        ],
    ),
    (
        "bes-fuzz",
        &[
            "bes-hal",
            "bes-sdio-bus",
            "bes-wsm",
            "bes-mac80211",
            "bes-sim",
        ],
    ),
    ("vsdio-device", &[]),
    ("xtask", &[]),
];

/// What portable crates may use from outside. Each needs nothing but `core`, and can be vendored into a kernel.
const PORTABLE_EXTERNAL: [&str; 4] = [
    "bitfield-struct",
    "static_assertions",
    "thiserror",
    "zerocopy",
];

fn packages(metadata: &Value) -> Vec<(&str, &Value)> {
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (package["name"].as_str().unwrap(), package))
        .collect()
}

/// Names of the normal and build dependencies, apart from those that only model checking needs.
fn dependencies(package: &Value) -> Vec<&Value> {
    package["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
        .filter(|dependency| dependency["target"].as_str() != Some("cfg(loom)"))
        .collect()
}

#[test]
fn every_crate_of_the_workspace_has_its_place_in_the_layers() {
    let metadata = metadata().unwrap();
    let mut found: Vec<_> = packages(&metadata).iter().map(|(name, _)| *name).collect();
    let mut known: Vec<_> = ALLOWED.iter().map(|(name, _)| *name).collect();
    found.sort_unstable();
    known.sort_unstable();
    assert_eq!(found, known);
}

#[test]
fn a_crate_knows_only_the_layers_it_may_know() {
    let metadata = metadata().unwrap();
    for (name, package) in packages(&metadata) {
        let allowed = ALLOWED.iter().find(|(known, _)| *known == name).unwrap().1;
        for dependency in dependencies(package) {
            let other = dependency["name"].as_str().unwrap();
            let ours = ALLOWED.iter().any(|(known, _)| *known == other);
            assert!(
                !ours || allowed.contains(&other),
                "{name} must not depend on {other}"
            );
        }
    }
}

#[test]
fn portable_crates_use_few_crates_from_outside_and_without_default_features_that_need_std() {
    let metadata = metadata().unwrap();
    for (name, package) in packages(&metadata) {
        if !PORTABLE.contains(&name) {
            continue;
        }
        for dependency in dependencies(package) {
            let other = dependency["name"].as_str().unwrap();
            let ours = ALLOWED.iter().any(|(known, _)| *known == other);
            assert!(
                ours || PORTABLE_EXTERNAL.contains(&other),
                "{name} must not depend on {other}"
            );
            if other == "thiserror" {
                assert_eq!(dependency["uses_default_features"], Value::Bool(false));
            }
        }
    }
}

#[test]
fn portable_crates_keep_to_the_kernel_s_compiler_and_edition() {
    let metadata = metadata().unwrap();
    for (name, package) in packages(&metadata) {
        assert_eq!(package["license"], "GPL-2.0-only", "{name}");
        if PORTABLE.contains(&name) {
            assert_eq!(package["edition"], "2021", "{name}");
            assert_eq!(package["rust_version"], "1.85", "{name}");
        }
    }
}
