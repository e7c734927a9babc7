//! The program as a user runs it: exit codes, the names in its JSON, and its sentences for bad input.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn bes_sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bes-sim"))
        .args(arguments)
        .output()
        .expect("the program runs")
}

fn json(arguments: &[&str]) -> Value {
    let output = bes_sim(arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("one JSON object on standard output")
}

#[track_caller]
fn assert_has(value: &Value, paths: &[&str]) {
    for path in paths {
        let found = path
            .split('.')
            .try_fold(value, |value, name| value.get(name));
        assert!(
            found.is_some_and(|found| !found.is_null()),
            "{path} is missing in {value:#}"
        );
    }
}

#[test]
fn the_demonstration_reports_under_the_names_that_are_its_interface() {
    let demo = json(&["demo", "--json"]);
    assert_has(
        &demo,
        &[
            "boot.messages",
            "boot.bytes",
            "boot.virtual_ms",
            "scan.bss",
            "join.virtual_ms",
            "credits.capacity",
            "anomalies",
        ],
    );
    assert_has(
        &demo["scan"]["bss"][0],
        &["ssid", "bssid", "channel", "signal_dbm"],
    );
    for direction in ["rx", "tx"] {
        assert_has(
            &demo[direction],
            &[
                "frames",
                "mib_per_s",
                "bus_efficiency",
                "frames_per_burst",
                "bus_commands_per_frame",
                "wakeups_per_1000_frames",
                "dispatches_per_1000_frames",
            ],
        );
    }
    assert!(
        demo["replay"]["frames_up"].as_u64() > Some(400)
            && demo["replay"]["frames_down"].as_u64() > Some(300)
    );
    for zero in [
        &demo["replay"]["mismatched"],
        &demo["credits"]["leaked"],
        &demo["anomalies"],
        &demo["violations"],
    ] {
        assert_eq!(zero.as_u64(), Some(0), "{demo:#}");
    }
    // The bounds of the bus are virtual: the same on every machine.
    assert!(
        demo["rx"]["bus_efficiency"].as_f64() >= Some(0.92),
        "{demo:#}"
    );
    assert!(
        demo["tx"]["bus_efficiency"].as_f64() >= Some(0.86),
        "{demo:#}"
    );
    assert!(
        demo["rx"]["bus_commands_per_frame"].as_f64() <= Some(0.2),
        "{demo:#}"
    );
}

#[test]
fn the_same_seed_gives_the_same_demonstration() {
    assert_eq!(
        json(&["demo", "--json"]),
        json(&["demo", "--json", "--seed", "1"])
    );
}

#[test]
fn without_a_command_the_demonstration_runs_and_a_person_can_read_it() {
    let output = bes_sim(&[]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for said in [
        "firmware runs",
        "connected to bes-secure (wpa2)",
        "download",
        "upload",
        "no hardware has been tried",
    ] {
        assert!(text.contains(said), "\"{said}\" is missing in:\n{text}");
    }
}

/// File 40: the device sleeps at least 70 % of the idle time of somebody who reads web pages, loses nothing over it, and
/// no reason to stay awake outlives its owner. The whole hour is `soak --minutes 60 --pattern browse`.
#[test]
fn a_reader_of_web_pages_lets_the_chip_sleep_and_misses_nothing() {
    let browse = json(&["soak", "--minutes", "12", "--pattern", "browse", "--json"]);
    assert_has(
        &browse,
        &["sleep.idle_share", "sleep.sleeps", "frames.lost", "pages"],
    );
    assert!(
        browse["sleep"]["idle_share"].as_f64() >= Some(0.7),
        "{browse:#}"
    );
    assert!(browse["frames"]["delivered"].as_u64() > Some(5_000));
    assert!(browse["sleep"]["sleeps"].as_u64() > Some(20));
    for zero in [
        &browse["frames"]["lost"],
        &browse["sleep"]["reasons_expired"],
        &browse["sleep"]["anomalies"],
        &browse["anomalies"],
    ] {
        assert_eq!(zero.as_u64(), Some(0), "{browse:#}");
    }
    let refused = bes_sim(&["soak", "--pattern", "browse", "--plot", "x.svg"]);
    assert!(!refused.status.success());
}

#[test]
fn a_soak_reports_under_the_names_that_are_its_interface_and_plots() {
    let plot = Path::new(env!("CARGO_TARGET_TMPDIR")).join("soak.svg");
    let plot = plot.to_str().unwrap();
    let soak = json(&[
        "soak",
        "--minutes",
        "2",
        "--scan-every",
        "30",
        "--fault",
        "crc",
        "moved",
        "--json",
        "--plot",
        plot,
    ]);
    assert_has(
        &soak,
        &[
            "throughput.mean_mib_per_s",
            "throughput.min_over_mean",
            "throughput.per_minute",
            "scans.started",
            "scans.refused",
            "frames.lost",
            "anomalies",
        ],
    );
    assert_eq!(
        soak["throughput"]["per_minute"].as_array().map(Vec::len),
        Some(2)
    );
    assert_eq!(soak["scans"]["started"].as_u64(), Some(3));
    assert!(
        soak["faults"]["crc"].as_u64() > Some(0) && soak["faults"]["moved"].as_u64() > Some(0),
        "{soak:#}"
    );
    assert!(
        soak["throughput"]["min_over_mean"].as_f64() > Some(0.9),
        "{soak:#}"
    );
    assert!(std::fs::read_to_string(plot).unwrap().contains("<svg"));
}

/// The firmware crashes, the driver writes its dump, and the program reads it back: whole, cut, and from a JSON reader's side.
#[test]
fn a_core_dump_of_a_crash_is_written_and_explained() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("core.dump");
    let _ = std::fs::remove_file(&file);
    let file = file.to_str().unwrap();
    let soak = |more: &[&str]| {
        let usual = [
            "soak",
            "--minutes",
            "1",
            "--rate",
            "0.1",
            "--json",
            "--core-dump",
            file,
        ];
        json(&[&usual[..], more].concat())
    };
    // Nothing failed: nothing is written.
    assert_eq!(soak(&[])["core_dumps"], 0);
    assert!(!Path::new(file).exists());

    let crash = soak(&["--fault", "crash", "--fault-after", "20"]);
    assert_eq!(
        (&crash["core_dumps"], &crash["incidents"]),
        (&1.into(), &1.into())
    );
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.starts_with("bes2600 core dump 1\n"));

    let digest = json(&["explain", file, "--json", "--messages", "3"]);
    assert_eq!(digest["reason"], "firmware exception", "{digest:#}");
    assert_eq!(
        (&digest["cut"], &digest["unreadable"]),
        (&false.into(), &0.into())
    );
    assert_eq!(digest["credits"]["of"], 30);
    assert_eq!(digest["messages"].as_array().map(Vec::len), Some(3));
    let registers = digest["exception"]["registers"].as_array().unwrap();
    assert_eq!(registers.len(), 18);
    assert!(registers.contains(&serde_json::json!(["pc", 0x2000_003C])));

    let explained = |file: &str| {
        let output = bes_sim(&["explain", file]);
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let said = explained(file);
    for part in [
        "assertion",
        "lmac_tx.c line 1204",
        "wifi-restart",
        "firmware crashed by itself",
    ] {
        assert!(said.contains(part), "{part}:\n{said}");
    }
    std::fs::write(file, &text[..text.len() / 4]).unwrap();
    assert!(explained(file).contains("The dump is cut"));
}

#[test]
fn a_trace_is_readable_and_its_file_is_pcapng() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bus.pcapng");
    let output = bes_sim(&["trace", "--skip-boot", "--pcapng", file.to_str().unwrap()]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for said in [
        "CMD52 R 1:0x001",
        "CMD53 W 1:",
        "startup",
        "join",
        "receive",
    ] {
        assert!(text.contains(said), "\"{said}\" is missing in the trace");
    }
    assert_eq!(std::fs::read(file).unwrap()[..4], [0x0A, 0x0D, 0x0D, 0x0A]);
}

#[test]
fn chips_do_not_share_anything() {
    let chips = json(&["chips", "3", "--time", "100", "--json"]);
    let each = chips["per_chip"].as_array().unwrap();
    assert_eq!(each.len(), 3);
    // Seeds differ, the bus does not: the same figures for each of them.
    assert!(
        each.iter()
            .all(|chip| chip["leaked"] == 0 && chip["rx"]["frames"] == each[0]["rx"]["frames"]),
        "{chips:#}"
    );
}

#[test]
fn bad_files_and_options_get_one_sentence_that_says_what_to_do() {
    let says = |arguments: &[&str]| {
        let output = bes_sim(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(says(&["replay", "does-not-exist.pcap"]).contains("cannot read does-not-exist.pcap"));
    assert!(
        says(&["replay", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
            .contains("neither a pcap nor a pcapng")
    );
    assert!(says(&["soak", "--fault", "gremlins"]).contains("there are crc, timeout"));
    assert!(says(&["soak", "--minutes", "0"]).contains("0 is not in"));
    assert!(
        says(&["soak", "--minutes", "1", "--plot", "/does/not/exist.svg"])
            .contains("cannot write the plot")
    );
    assert!(says(&["demo", "--firmware", env!("CARGO_MANIFEST_DIR")])
        .contains("give the folder that holds bes2600/"));
    assert!(says(&["explain", "does-not-exist"]).contains("cannot read does-not-exist"));
    assert!(says(&[
        "explain",
        concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")
    ])
    .contains("this is no core dump of the driver"));
    assert!(
        says(&["soak", "--minutes", "1", "--core-dump", "/does/not/exist"])
            .contains("cannot write the core dump /does/not/exist")
    );
    assert!(says(&["chips", "1000"]).contains("1000 is not in"));
}
