//! Captures replayed through driver and chip: real ones, one of our own air, and bent ones.

use bes_hal::Duration;
use bes_sim::capture::Capture;
use bes_sim::replay::replay;
use bes_sim::rig::{Rig, Setup};
use bes_sim::scene::{home, Scene, PASSPHRASE, SECURE};
use bes_sim::transfer::{download, upload};
use mock_hal::air::Width;
use std::io::Write;
use std::sync::{Arc, Mutex};

const OPEN: &[u8] = include_bytes!("../../mock-hal/tests/data/open-2g4-ht20.pcap");
const WPA3: &[u8] = include_bytes!("../../mock-hal/tests/data/wpa3-sae-5g-ht40.pcap");

fn assert_replays(name: &str, bytes: &[u8]) -> (u64, u64) {
    let capture = Capture::parse(bytes).unwrap();
    let replayed = replay(&capture).unwrap();
    assert_eq!(
        replayed.report.mismatched, 0,
        "{name}: {:#?}",
        replayed.differences
    );
    assert_eq!((replayed.anomalies, replayed.violations), (0, 0), "{name}");
    let control = capture
        .frames
        .iter()
        .filter(|frame| frame.is_control())
        .count() as u64;
    let all = capture.frames.len() as u64;
    let report = replayed.report;
    assert_eq!(
        report.frames_up + report.frames_down + report.left_out,
        all,
        "{name}: every frame is accounted for"
    );
    assert!(report.left_out >= control);
    (report.frames_up, report.frames_down)
}

#[test]
fn the_open_capture_goes_through_unchanged_in_both_directions() {
    let (up, down) = assert_replays("open", OPEN);
    assert_eq!((up, down), (517, 365));
}

#[test]
fn the_protected_capture_goes_through_unchanged_although_nobody_has_its_keys() {
    let (up, down) = assert_replays("wpa3", WPA3);
    assert_eq!((up, down), (560, 478));
}

/// A file that can be read after the air has let go of it.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_capture_of_our_own_air_with_ccmp_replays_as_well() {
    let file = Shared::default();
    let Scene {
        mut air, secure, ..
    } = home(3, false, Width::Ht40);
    air.set_capture(Box::new(file.clone()));
    let mut rig = Rig::new(Setup::new(air));
    rig.bring_up().unwrap();
    rig.scan(&[6, 36, 44], &[]).unwrap();
    rig.connect(SECURE, Some(PASSPHRASE)).unwrap();
    download(&mut rig, secure, 1000, Duration::from_millis(20));
    upload(&mut rig, 700, Duration::from_millis(20));
    rig.disconnect().unwrap();
    drop(rig);
    let bytes = file.0.lock().unwrap().clone();
    let (up, down) = assert_replays("own", &bytes);
    assert!(up > 100 && down > 100, "{up} up, {down} down");
}

#[test]
fn a_frame_that_cannot_come_out_is_counted_and_explained() {
    // The comparison itself must be able to fail.
    let capture = Capture::parse(OPEN).unwrap();
    let mut bent = capture.clone();
    let at = bent
        .frames
        .iter()
        .position(|frame| frame.frame[0] == 0x88 && frame.frame.len() > 1400)
        .unwrap();
    // Longer than any slot: it cannot come out.
    bent.frames[at].frame.resize(1700, 0);
    bent.frames[at].frame[1] = bent.frames[at].frame[1] & !3 | 1;
    let (station, access_point) = capture.station().unwrap();
    bent.frames[at].frame[4..10].copy_from_slice(&access_point.0);
    bent.frames[at].frame[10..16].copy_from_slice(&station.0);
    let replayed = replay(&bent).unwrap();
    assert_eq!(replayed.report.mismatched, 1);
    assert!(
        replayed.differences[0].contains("fits no slot"),
        "{:?}",
        replayed.differences
    );
}
