//! The six candidates of file 50, section 4, as acts of the emulated world: each begins at its time, shows on the wire,
//! and ends. What the firmware does under each is in `lmac/ailments.rs`.

mod host;

use bes_hal::error::SdioError;
use bes_hal::sdio::SdioFunction;
use host::Host;
use mock_hal::air::{Air, ApConfig, ApId, Channel};
use mock_hal::candidate::{Act, Candidate};
use mock_hal::chip::lmac::{Ailments, Cure, Deafness, Lmac, LmacConfig};
use mock_hal::Config;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn world() -> (Host, ApId) {
    let mut air = Air::new(7);
    let ap = air.add_access_point(ApConfig::open("home", Channel::ht20(6)));
    let lmac = Lmac::new(LmacConfig::default(), air);
    let mut host = Host::with_firmware(Config::default(), Box::new(lmac));
    host.sdio.set_wake_line(true);
    host.sdio.enable().unwrap();
    host.boot();
    host.ring(0x00, 0x21);
    host.wait_status(host::WIFI_READY, host::WIFI_READY);
    (host, ap)
}

fn act(number: u8) -> Act {
    Candidate::from_number(number).unwrap().preset()
}

fn ailments(host: &Host) -> Ailments {
    let ailments = host.card.with_lmac(|lmac| lmac.config().ailments.clone());
    ailments.unwrap()
}

#[test]
fn each_begins_between_5_and_13_minutes_after_it_was_set_and_not_before() {
    for candidate in Candidate::ALL {
        let (mut host, _) = world();
        let act = candidate.preset();
        assert!((5 * MINUTE..=13 * MINUTE).contains(&act.begins));
        let begins = act.begins;
        let start = host.card.now();
        host.card.set_candidate(Some(act));
        host.wait(begins - Duration::from_millis(1));
        assert_eq!(host.card.candidate_began(), None, "{candidate}");
        host.wait(Duration::from_millis(2));
        assert_eq!(host.card.candidate_began(), Some(start.after(begins)));
        host.card.set_candidate(None);
        assert_eq!(host.card.candidate_began(), None);
        assert_eq!(ailments(&host), Ailments::default());
    }
}

#[test]
fn those_of_the_firmware_make_the_firmware_ill() {
    for number in [1, 2, 6] {
        let (mut host, _) = world();
        let act = act(number).beginning(Duration::from_secs(1));
        host.card.set_candidate(Some(act));
        host.wait(Duration::from_secs(2));
        let ailments = ailments(&host);
        let ill = [
            ailments.exhaustion.is_some(),
            ailments.slow_scans.is_some(),
            ailments.event_leak.is_some(),
        ];
        assert_eq!(ill, [number == 1, number == 2, number == 6]);
    }
}

/// Candidate 3: every access point throttles, the medium is busy, and the beacons say so.
#[test]
fn f50_4_3_the_access_point_throttles_and_the_air_is_busy() {
    let (mut host, ap) = world();
    host.card
        .set_candidate(Some(act(3).beginning(Duration::from_secs(1))));
    host.wait(Duration::from_secs(2));
    let look = |host: &Host| {
        host.card.with_air(|air| {
            let throttle = air.access_point(ap).throttle();
            (throttle, air.counters().other_airtime)
        })
    };
    let (throttle, before) = look(&host).unwrap();
    assert_eq!(throttle, Some(512 * 1024));
    host.wait(Duration::from_secs(10));
    let busy = look(&host).unwrap().1 - before;
    assert!(
        (4.0..6.0).contains(&busy.as_secs_f64()),
        "half of ten seconds: {busy:?}"
    );
    host.card.set_candidate(None);
    assert_eq!(look(&host).unwrap().0, None);
}

/// Candidate 5: CRC errors grow with time, and tuning again heals for a while.
#[test]
fn f50_4_5_crc_errors_grow_until_the_bus_is_tuned_again() {
    let (mut host, _) = world();
    host.card
        .set_candidate(Some(act(5).beginning(Duration::from_secs(1))));
    let errors = |host: &mut Host| {
        let results = (0..2000).map(|_| host.sdio.read_register(0x10C));
        let failed: Vec<_> = results.filter_map(Result::err).collect();
        assert!(failed.iter().all(|error| *error == SdioError::Crc));
        failed.len()
    };
    host.wait(Duration::from_secs(2));
    assert_eq!(errors(&mut host), 0);
    host.wait(5 * MINUTE);
    let some = errors(&mut host);
    assert!((5..40).contains(&some), "one in a hundred: {some}");
    host.wait(60 * MINUTE);
    let more = errors(&mut host);
    assert!((40..90).contains(&more), "three in a hundred: {more}");
    // Not while it is forbidden, but right after.
    host.sdio.hold_tuning(true);
    host.sdio.retune().unwrap();
    assert!(errors(&mut host) > 0);
    host.sdio.hold_tuning(false);
    assert_eq!(errors(&mut host), 0);
    let statistics = host.card.statistics();
    assert_eq!(statistics.tunings, 1);
    assert!(statistics.crc_errors >= (some + more) as u64);
}

/// A transfer that was cut off blocks every other until the host aborts it.
#[test]
fn a_cut_transfer_fails_until_the_function_is_aborted() {
    let mut host = Host::with_wifi();
    host.card.with(|world| world.cut_transfer());
    host.chip_sends(100);
    for _ in 0..3 {
        assert_eq!(host.read_with_toggle(1, false), Err(SdioError::Crc));
    }
    host.sdio.abort().unwrap();
    assert_eq!(host.read(0x001) & 0x7F, 1);
    let burst = host.read_with_toggle(1, false).unwrap();
    assert_eq!(u16::from_le_bytes([burst[0], burst[1]]), 100);
    host.assert_well_behaved();
}

/// A firmware that only a download brings back does not start when Wi-Fi is switched off and on; it does after the
/// function was disabled and the firmware was downloaded again.
#[test]
fn a_firmware_that_needs_a_download_is_not_brought_back_by_wifi_off_and_on() {
    let (mut host, _) = world();
    host.wait(Duration::from_millis(50));
    host.card
        .with_lmac(|lmac| lmac.go_deaf(Deafness::Everything, Cure::Download));
    let start = |host: &mut Host| {
        host.ring(0x00, 0x11);
        host.wait_status(host::WIFI_READY, 0);
        host.ring(0x00, 0x21);
        host.wait_status(host::WIFI_READY, host::WIFI_READY);
        host.wait(Duration::from_secs(1));
        host.read(0x001) & 0x7F
    };
    assert_eq!(start(&mut host), 0);
    host.sdio.disable().unwrap();
    host.sdio.enable().unwrap();
    host.boot();
    assert_eq!(start(&mut host), 1);
}
