//! The stack as full as it may be: how long frames take, and who gets how much of the air.

use bes_sim::bench;
use bes_sim::transfer::download;
use mock_hal::air::Width;
use std::time::Duration;

/// At saturation, in the air as it is by default, 99 of 100 frames are acknowledged within 20 ms.
#[test]
fn frames_do_not_wait_long_at_saturation() {
    let latency = bench::latency(Width::Ht20, 1500, Duration::from_secs(1)).expect("it connects");
    assert!(latency.frames > 3_000, "{latency:?}");
    assert!(latency.p99_ms <= 20.0, "{latency:?}");
}

/// The same for short frames: more of them wait, each for less time.
#[test]
fn short_frames_do_not_wait_long_either() {
    let latency = bench::latency(Width::Ht20, 200, Duration::from_secs(1)).expect("it connects");
    assert!(latency.frames > 3_000, "{latency:?}");
    assert!(latency.p99_ms <= 20.0, "{latency:?}");
}

/// File 30, section 6.1: the stack must have its reorder buffer before the first frame of an agreement comes, and the driver
/// changes the order of nothing.
#[test]
fn the_request_for_an_agreement_goes_up_before_the_frames_of_its_aggregates() {
    let (mut rig, open) = bench::connected(1).expect("it connects");
    rig.stack.kept = Some(Vec::new());
    let down = download(&mut rig, open, 1500, Duration::from_millis(50));
    assert!(down.frames > 100);
    let kept = rig.stack.kept.take().expect("they were kept");
    let is_data = |frame: &[u8]| frame[0] & 0x0C == 0x08;
    let request = kept
        .iter()
        .position(|kept| kept.frame[0] == 0xD0 && kept.frame[24..26] == [3, 0]);
    let part = kept
        .iter()
        .position(|kept| is_data(&kept.frame) && kept.status.aggregate.part);
    let (request, part) = request.zip(part).expect("the access point aggregates");
    assert!(request < part, "{request} {part}");
    let numbers: Vec<u16> = kept
        .iter()
        .filter(|kept| is_data(&kept.frame))
        .map(|kept| u16::from_le_bytes([kept.frame[22], kept.frame[23]]) >> 4)
        .collect();
    for pair in numbers.windows(2) {
        assert_eq!((pair[0] + 1) % 4096, pair[1]);
    }
}
