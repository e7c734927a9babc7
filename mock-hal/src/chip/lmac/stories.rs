//! What the firmware does when the host or the air does not behave: file 50, section 3, and the settings.

use super::script::*;
use super::{ForegroundScan, LinkState, LmacConfig};
use crate::chip::wire::{u16_at, u32_at};
use crate::chip::Firmware;
use core::time::Duration;

const MS: Duration = Duration::from_millis(1);

#[test]
fn several_5_ghz_channels_in_one_request_are_refused_and_one_is_not() {
    let mut host = Host::started();
    host.configure();
    host.write_mib(0, 0x1002, &probe_template());
    assert_eq!(host.status(0x0007, 0, &scan(0, &[36, 40], None)), 2);
    assert_eq!(host.status(0x0007, 0, &scan(0, &[36], Some(b"test"))), 0);
    host.run(Duration::from_millis(300));
    assert_eq!(host.all(0x0806).len(), 1);
    let probe = host.lmac.medium().sent[0].frames[0].clone();
    assert_eq!(probe[24..30], [0, 4, b't', b'e', b's', b't']);
    host.assert_clean();
}

#[test]
fn a_foreground_scan_while_joined_is_refused_with_13_or_hangs_the_chip() {
    let mut host = Host::started();
    host.associate();
    assert_eq!(host.status(0x0007, 0, &scan(0, &[1], None)), 13);
    assert_eq!(host.lmac.violation_count(), 1);
    assert_eq!(host.status(0x0007, 0, &scan(1, &[1], None)), 0);
    host.lmac.config_mut().foreground_scan_while_joined = ForegroundScan::Hang;
    host.run(Duration::from_secs(1));
    host.post(0x0007, 0, &scan(0, &[1], None));
    host.run(Duration::from_secs(1));
    assert_eq!(host.all(0x0407).len(), 2);
    assert!(host.lmac.is_dead());
    // Only a restart of the subsystem heals.
    host.lmac.stop(host.now);
    host.lmac.start(host.now);
    let seen = host.received.len();
    host.run(100 * MS);
    assert_eq!(u16_at(&host.received[seen].1, 2), 0x0801);
}

#[test]
fn a_refused_join_needs_a_reset_before_the_next() {
    let mut host = Host::started();
    host.configure();
    host.write_mib(0, 0x1002, &probe_template());
    assert_eq!(host.status(0x000B, 0, &join(6)), 1);
    assert_eq!(host.lmac.link(0), Some(LinkState::HalfJoined));
    assert_eq!(host.status(0x000A, 0, &[0; 4]), 0);
    assert_eq!(host.lmac.link(0), Some(LinkState::Idle));
    assert_eq!(host.join(), 0);
    host.assert_clean();
    assert_eq!(host.status(0x000A, 0, &[0; 4]), 0);
    assert_eq!(host.status(0x000B, 0, &join(6)), 1);
    host.post(0x000B, 0, &join(6));
    host.run(Duration::from_secs(10));
    assert!(host.lmac.is_dead());
    assert_eq!(host.all(0x040B).len(), 3);
}

#[test]
fn a_reset_empties_the_rate_policies_and_ends_the_frames() {
    let mut host = Host::started();
    host.associate();
    assert_eq!(host.lmac.rate_policies(), 1);
    assert_eq!(host.status(0x000A, 0, &[0; 4]), 0);
    assert_eq!(host.lmac.rate_policies(), 0);
    assert_eq!(host.lmac.medium().tuned.last().unwrap().1, None);
    host.assert_clean();
    host.transmit(3, 21, &data(true, 1, 20));
    host.run(10 * MS);
    assert_eq!(host.confirmed().last().unwrap().1, 8);
    assert!(host.lmac.violations()[0].contains("rate policy 0"));
}

#[test]
fn attempts_follow_the_policy_and_the_confirmation_tells_them() {
    let mut host = Host::started();
    host.associate();
    host.lmac.medium_mut().acks.extend([0, 0, 0, 1]);
    let before = host.lmac.medium().sent.len();
    host.transmit(9, 21, &data(true, 1, 20));
    host.run(10 * MS);
    let sent = &host.lmac.medium().sent[before..];
    let rates: Vec<u8> = sent
        .iter()
        .map(|sent| crate::chip::wire::rate::from_phy(sent.rate))
        .collect();
    assert_eq!(rates, [21, 21, 14, 14]);
    assert_eq!(sent[0].frames[0][1] & 8, 0);
    assert!(sent[1..].iter().all(|sent| sent.frames[0][1] & 8 != 0));
    assert_eq!(host.confirmed(), [(9, 0, 14, 3, 0)]);
    host.lmac.medium_mut().deaf = true;
    host.transmit(10, 21, &data(true, 1, 20));
    host.run(10 * MS);
    assert_eq!(host.confirmed()[1], (10, 6, 0, 6, 0));
    host.assert_clean();
}

#[test]
fn frames_protected_with_no_key_pass_and_with_a_wrong_one_get_status_9() {
    let mut host = Host::started();
    host.associate();
    let mut up = data(true, 1, 40);
    up[1] |= 0x40;
    let mut down = data(false, 1, 40);
    down[1] |= 0x40;
    host.transmit(1, 21, &up);
    let at = host.now.after(MS);
    host.lmac.medium_mut().hear(at, 6, down.clone());
    host.run(10 * MS);
    assert_eq!(host.lmac.medium().frames().last().unwrap(), &up);
    let received = host.all(0x0804).last().unwrap().to_vec();
    assert_eq!((u32_at(&received, 4), received[12] & 7), (0, 0));
    assert_eq!(received[32..], down);
    // A group key alone is no key for these.
    let mut key = vec![4, 0, 0, 0];
    key.extend_from_slice(&[1; 17]);
    key.resize(44, 0);
    assert_eq!(host.status(0x000C, 0, &key), 0);
    host.transmit(2, 21, &up);
    let at = host.now.after(MS);
    host.lmac.medium_mut().hear(at, 6, down);
    host.run(10 * MS);
    assert_eq!(host.confirmed()[1].1, 9);
    assert_eq!(u32_at(host.all(0x0804).last().unwrap(), 4), 9);
    // A WAPI key is taken and not emulated.
    assert_eq!(host.status(0x000D, 0, &[0; 4]), 0);
    let mut key = vec![7, 0, 0, 0];
    key.extend_from_slice(&AP);
    key.resize(44, 0);
    assert_eq!(host.status(0x000C, 0, &key), 0);
    host.transmit(3, 21, &up);
    host.run(10 * MS);
    assert_eq!(host.confirmed()[2].1, 9);
    assert_eq!(host.lmac.counters().unsupported_cipher, 1);
    host.assert_clean();
}

#[test]
fn received_data_is_bounded_and_everything_else_is_not() {
    let mut host = Host::started();
    host.associate();
    host.lmac.config_mut().receive_queue = 8;
    let now = host.now.after(MS);
    for sequence in 0..20 {
        host.lmac
            .medium_mut()
            .hear(now, 6, data(false, sequence, 10));
        host.lmac.medium_mut().hear(now, 6, beacon(&[]));
    }
    host.now = now;
    while host.lmac.next_event().is_some_and(|at| at <= now) {
        host.lmac.advance(now);
    }
    assert_eq!(host.lmac.medium().room, 0);
    assert_eq!(host.lmac.counters().rx_overflow, 12);
    assert!(host.lmac.pending() >= 28);
    host.run(MS);
    assert_eq!(host.lmac.medium().room, 8);
    host.assert_clean();
}

#[test]
fn foreign_frames_and_foreign_receivers_are_filtered() {
    let mut host = Host::started();
    host.associate();
    let seen = host.all(0x0804).len();
    let mut other_bss = data(false, 1, 10);
    other_bss[10..16].copy_from_slice(&[2, 9, 9, 9, 9, 9]);
    let mut other_station = data(false, 1, 10);
    other_station[4..10].copy_from_slice(&[2, 8, 8, 8, 8, 8]);
    let frames = [other_bss.clone(), other_station, vec![0xD4; 14], vec![1; 5]];
    for frame in frames {
        let at = host.now.after(MS);
        host.lmac.medium_mut().hear(at, 6, frame);
    }
    host.run(5 * MS);
    assert_eq!(host.all(0x0804).len(), seen);
    host.write_mib(0, 0x1026, &[1, 0, 0, 0]);
    let at = host.now.after(MS);
    host.lmac.medium_mut().hear(at, 6, other_bss);
    host.run(5 * MS);
    assert_eq!(host.all(0x0804).len(), seen + 1);
    host.assert_clean();
}

#[test]
fn keep_alive_frames_leave_when_nothing_else_does() {
    let mut host = Host::started();
    host.associate();
    host.write_mib(0, 0x1025, &[15, 0, 0, 0]);
    let before = host.lmac.medium().sent.len();
    host.run(Duration::from_secs(46));
    let nulls = host.lmac.medium().sent[before..]
        .iter()
        .filter(|sent| sent.frames[0][0] == 0x48)
        .count();
    assert_eq!(nulls, 3);
}

#[test]
fn data_that_comes_only_with_beacons_is_a_fault_on_demand() {
    let mut host = Host::new(LmacConfig {
        data_only_with_beacons: true,
        ..LmacConfig::default()
    });
    host.associate();
    let seen = host.all(0x0804).len();
    let at = host.now.after(MS);
    host.lmac.medium_mut().hear(at, 6, data(false, 1, 10));
    host.run(50 * MS);
    assert_eq!(host.all(0x0804).len(), seen);
    let at = host.now.after(MS);
    host.lmac.medium_mut().hear(at, 6, beacon(&[]));
    host.run(5 * MS);
    assert_eq!(host.all(0x0804).len(), seen + 2);
}

#[test]
fn an_exhausted_chip_refuses_every_further_scan() {
    let mut host = Host::new(LmacConfig {
        scans_until_exhausted: Some(2),
        ..LmacConfig::default()
    });
    host.configure();
    host.write_mib(0, 0x1002, &probe_template());
    for expected in [0, 0, 1, 1] {
        assert_eq!(host.status(0x0007, 0, &scan(0, &[6], None)), expected);
        host.run(Duration::from_millis(300));
    }
    assert_eq!(host.all(0x0806).len(), 2);
    assert_eq!(host.lmac.counters().scans_refused, 2);
}

#[test]
fn messages_cut_at_every_length_neither_panic_nor_stay_unconfirmed() {
    let mut host = Host::started();
    host.associate();
    for id in [
        0x0004_u16, 0x0005, 0x0006, 0x0007, 0x0009, 0x000C, 0x000D, 0x0010, 0x0011, 0x0016, 0x0017,
        0x001B, 0x001C, 0x0029, 0x0C25, 0x0C27, 0x0C3F,
    ] {
        for len in 0..100 {
            let payload = vec![0xFF; len];
            host.post(id, 0, &payload);
            host.run(Duration::from_secs(1));
            assert_eq!(host.lmac.outstanding(), 0, "{id:#06x} with {len} bytes");
        }
    }
    for len in 0..4 {
        host.lmac.request(&[0xFF; 4][..len], host.now);
    }
}

#[test]
fn anything_on_the_air_is_survived() {
    let mut host = Host::started();
    host.associate();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..3000 {
        let mut frame = data(false, 1, 60);
        frame[0] = random.u8(..) & 0xFC;
        frame[1] = random.u8(..);
        let at = random.usize(24..frame.len());
        frame[at] = random.u8(..);
        if frame[0] & 0x0C == 0 {
            frame[16..22].copy_from_slice(&AP);
        }
        frame.truncate(random.usize(0..=frame.len()));
        let at = host.now.after(MS);
        host.lmac.medium_mut().hear(at, 6, frame);
        host.run(2 * MS);
    }
    assert!(!host.lmac.is_dead());
    assert_eq!(host.status(0x0010, 0, &[0, 16, 0, 0]), 0);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Whatever the host and the air say, time goes on and nothing stays unconfirmed.
    #[test]
    fn time_goes_on_whatever_is_said(
        seed in proptest::prelude::any::<u64>(),
        airtime in 0..2000_u64,
    ) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut host = Host::new(LmacConfig {
            second_join_wedges: false,
            ..LmacConfig::default()
        });
        host.associate();
        host.lmac.medium_mut().airtime = Duration::from_micros(airtime);
        for _ in 0..60 {
            match random.u8(0..6) {
                0 => {
                    let mut payload = match random.u8(0..4) {
                        0 => scan(random.u8(0..2), &[u16::from(random.u8(1..15))], None),
                        1 => join(6),
                        2 => vec![random.choice([0, 1, 0x81]).unwrap_or(0), 16, 0, 0],
                        _ => vec![0x80 | random.u8(0..4) << 4, 0, 6, 0],
                    };
                    let id = match payload.len() {
                        60 => 0x000B,
                        4 if payload[0] & 0x0E == 0 && payload[2] == 0 => 0x0010,
                        4 => 0x0016,
                        _ => 0x0007,
                    };
                    if random.u8(0..8) == 0 {
                        let at = random.usize(0..payload.len());
                        payload[at] = random.u8(..);
                    }
                    host.post(id, random.u16(0..3) as u8, &payload);
                }
                1 => host.post(random.u16(5..0x30), 0, &[random.u8(..); 44][..random.usize(0..45)]),
                2 => host.lmac.medium_mut().deaf ^= true,
                3 => {
                    let at = host.now.after(Duration::from_micros(random.u64(0..50_000)));
                    let map = [5, 4, 0, 1, 0, 2];
                    host.lmac.medium_mut().hear(at, 6, beacon(&map));
                    host.lmac.medium_mut().hear(at, 6, data(false, 1, 40));
                }
                _ => {
                    for sequence in 0..random.u16(1..20) {
                        host.transmit(u32::from(sequence), 21, &data(true, sequence, 200));
                    }
                }
            }
            host.lmac.advance(host.now);
            if let Some(next) = host.lmac.next_event() {
                proptest::prop_assert!(next > host.now, "stuck at {next}");
            }
            host.run(Duration::from_millis(random.u64(0..30)));
        }
        host.run(Duration::from_secs(20));
        proptest::prop_assert_eq!(host.lmac.outstanding(), 0);
    }
}
