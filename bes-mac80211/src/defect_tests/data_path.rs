//! File 30.

use super::*;
use crate::test_bench::{frame_from, OTHER_AP};
use bes_wsm::wire::RateMask;

/// Status "requeue".
const REQUEUE: u32 = 11;

/// Confirms the frames that the chip has, from the first on: a status, and whether the chip wants them to be sent again.
fn confirm_frames(bench: &mut Bench, status: u32, again: bool) {
    let messages = bench.chip().messages.clone();
    let frames = messages
        .iter()
        .filter(|message| u16::from_le_bytes([message[2], message[3]]) & 0x0C3F == 4);
    for message in frames {
        let mut confirm = message[4..8].to_vec();
        confirm.extend_from_slice(&status.to_le_bytes());
        confirm.extend_from_slice(&[0, 0, u8::from(again) << 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bench.chip().say(0x0404, &confirm);
    }
    bench.chip().messages.clear();
}

fn frames(bench: &Bench) -> usize {
    bench.log().iter().filter(|name| **name == "T").count()
}

/// File 30, D10: what the chip could not send is sent again, also after a queue was cleared.
#[test]
fn file_30_d10_a_frame_is_sent_again_after_a_queue_was_cleared() {
    let mut bench = Bench::associated();
    bench.chip().frames_stay = true;
    for round in 1..=3 {
        send_from(&mut bench, ZERO, round);
        bench.pass(ms(5));
        assert_eq!(frames(&bench), 1, "round {round}");
        confirm_frames(&mut bench, REQUEUE, true);
        bench.pass(ms(5));
        assert_eq!(frames(&bench), 2, "round {round}: sent again");
        confirm_frames(&mut bench, 0, false);
        bench.pass(ms(5));
        assert_eq!(bench.stack.statuses.len(), 1);
        assert!(bench.stack.statuses[0].1.is_acked());
        let clear = Request::Flush {
            interface: ZERO,
            drop: true,
        };
        assert_eq!(bench.ask(clear), Ok(Response::Done));
        bench.forget();
    }
}

/// File 30, D2 and D3: frames of one interface are dropped while frames of all are in the chip. Their confirms count for
/// them, and those of the dropped ones never for the frames that took their places.
#[test]
fn file_30_d2_d3_late_confirms_find_their_own_frames_after_a_queue_was_cleared() {
    let mut bench = Bench::associated();
    add(&mut bench, ONE);
    connect(&mut bench, ONE);
    bench.forget();
    bench.chip().frames_stay = true;
    for mark in 0..40 {
        send_from(&mut bench, ZERO, mark);
        send_from(&mut bench, ONE, 100 + mark);
    }
    bench.pass(ms(5));
    let away = frames(&bench);
    assert!(0 < away && away < 80, "{away}");
    let clear = Request::Flush {
        interface: ZERO,
        drop: true,
    };
    bench.begin(clear).unwrap();
    bench.run();
    for mark in 200..220 {
        send_from(&mut bench, ZERO, mark);
    }
    // Every confirm in turn, the old ones while the new ones go.
    for _ in 0..20 {
        confirm_frames(&mut bench, 0, false);
        bench.pass(ms(5));
    }
    // 24 bytes of header, then the mark.
    let acked = |mark: u8| {
        let statuses = bench.stack.statuses.iter();
        let mut of_mark = statuses.filter(|(frame, _)| frame[24] == mark);
        let status = of_mark.next().expect("every frame comes back");
        assert!(of_mark.next().is_none(), "frame {mark} came back twice");
        status.1.is_acked()
    };
    for mark in 0..40 {
        assert!(acked(100 + mark), "frame {mark} of the other interface");
    }
    for mark in 200..220 {
        assert!(acked(mark), "new frame {mark}");
    }
    let dropped = (0..40).filter(|mark| !acked(*mark)).count();
    assert!(dropped > 0);
    assert_eq!(bench.device.queued_frames(), 0);
    assert_eq!(bench.device.bottom_half().leaked_credits(), 0);
    assert_eq!(bench.device.anomalies().total(), 0);
}

/// File 30, D16 and D17: nothing waits for an unrelated wake-up after frames before it were dropped.
#[test]
fn file_30_d16_d17_frames_behind_dropped_ones_leave_at_once() {
    let mut bench = Bench::associated();
    add(&mut bench, ONE);
    connect(&mut bench, ONE);
    // Policies are uploaded before.
    for interface in [ZERO, ONE] {
        send_from(&mut bench, interface, 0);
    }
    bench.pass(ms(50));
    bench.forget();
    bench.chip().frames_stay = true;
    for mark in 0..40 {
        send_from(&mut bench, ZERO, mark);
    }
    bench.pass(ms(5));
    send_from(&mut bench, ONE, 100);
    bench.run();
    let clear = Request::Flush {
        interface: ZERO,
        drop: true,
    };
    bench.begin(clear).unwrap();
    confirm_frames(&mut bench, 0, false);
    let before = bench.now();
    bench.pass(ms(1));
    let last = bench.chip().messages.last().cloned().unwrap_or_default();
    assert!(
        last.ends_with(&[100; 40]) || last.windows(40).any(|part| part == [100; 40]),
        "the other interface's frame is in the chip {:?} later",
        bench.now().since(before)
    );
}

/// File 30, D29: what other access points say of their channel changes nothing here, however often they say it.
#[test]
fn file_30_d29_beacons_of_other_networks_send_nothing_to_the_chip() {
    let mut bench = Bench::associated();
    let mut beacon = frame_from([0x80, 0], OTHER_AP, &[0; 8]);
    beacon.extend_from_slice(&[100, 0, 1, 0]);
    for round in 0..100_u8 {
        let mut changed = beacon.clone();
        // HT operation: 22 bytes, different each time.
        changed.extend_from_slice(&[61, 22, 11, round & 7]);
        changed.extend_from_slice(&[round; 20]);
        bench.chip().frame(0, 0, &changed);
        bench.pass(ms(2));
    }
    assert_eq!(bench.log(), [""; 0]);
    assert_eq!(bench.stack.frames.len(), 100, "the stack hears them all");
}

/// File 30, D31; file 31, C29; file 20, D54: a name is a name, whatever stands in it and however long it is.
#[test]
fn file_30_d31_file_31_c29_no_name_changes_what_is_done() {
    let mut plain = None;
    for name in [
        &b"test"[..],
        b"6.1.12",
        b"my 5.1.4 net",
        b"5.1.4 and 6.1.12",
        &[b'5'; 32],
        b"..........................5.1.4..",
    ] {
        let name = &name[..name.len().min(32)];
        let mut bench = Bench::running();
        let start = bench.now();
        let mut parameters = JoinParameters { bss: bss(AP) };
        parameters.bss.ssid = crate::request::Ssid::new(name).unwrap();
        let token = bench.begin(Request::Join(ZERO, parameters)).unwrap();
        while bench.result(token).is_none() {
            bench.pass(ms(1));
            assert!(bench.now().since(start) < ms(1000));
        }
        let took = bench.now().since(start);
        bench.ask(Request::Associated(ZERO, association())).unwrap();
        send_from(&mut bench, ZERO, 1);
        bench.pass(ms(20));
        let log: Vec<_> = bench.log().iter().map(|name| (*name).to_owned()).collect();
        // Everything in the JOIN but the name itself.
        let mut join = bench.payload("000B/0");
        join[16..52].fill(0);
        let sent = (log, took, join);
        assert_eq!(*plain.get_or_insert_with(|| sent.clone()), sent);
    }
}

/// File 30, D33: settings and marks belong to a device and to a session of its chip: a chip that was started anew is told
/// everything again.
#[test]
fn file_30_d33_a_restarted_chip_is_told_every_setting_again() {
    let mut bench = Bench::running();
    let settle = |bench: &mut Bench| {
        bench.ask(Request::RtsThreshold(Some(700))).unwrap();
        bench
            .ask(Request::RetryLimits { short: 5, long: 3 })
            .unwrap();
        connect(bench, ZERO);
        send_from(bench, ZERO, 1);
        bench.pass(ms(50));
        let mut log: Vec<_> = bench.log().iter().map(|name| (*name).to_owned()).collect();
        log.sort();
        let rts = bench.payload("W:0007/0");
        (log, rts)
    };
    let first = settle(&mut bench);
    assert_eq!(first.1, 700_u32.to_le_bytes());
    bench.ask(Request::Stop).unwrap();
    bench.ask(Request::Start).unwrap();
    add(&mut bench, ZERO);
    bench.forget();
    assert_eq!(settle(&mut bench), first);
}

/// File 30, D36; file 31, C12; file 40, P16: an interface counts whether or not there is one before it.
#[test]
fn file_30_d36_file_31_c12_an_interface_alone_is_served_whatever_its_number() {
    let mut bench = alone(ONE, |_| {});
    bench
        .ask(Request::Multicast(&[MacAddress([1, 0, 0x5E, 0, 0, 0xFB])]))
        .unwrap();
    bench
        .ask(Request::RetryLimits { short: 6, long: 6 })
        .unwrap();
    send_from(&mut bench, ONE, 1);
    bench.pass(ms(50));
    assert!(bench.log().contains(&"W:0004/1"), "{:?}", bench.log());
    assert!(bench.stack.statuses[0].1.is_acked());
    // Stopping finds its frames and its connection.
    bench.chip().frames_stay = true;
    for mark in 0..40 {
        send_from(&mut bench, ONE, mark);
    }
    bench.run();
    bench.ask(Request::Stop).unwrap();
    assert_eq!(bench.stack.statuses.len(), 41);
    assert_eq!(bench.device.queued_frames(), 0);
}

/// File 30, D35: a mask with bits that no rate of the band has.
#[test]
fn file_30_d35_an_association_with_every_rate_bit_set_names_only_rates_there_are() {
    let mut bench = Bench::joined();
    let mut all = association();
    all.rates = RateMask(u32::MAX);
    all.basic_rates = RateMask(u32::MAX);
    assert_eq!(
        bench.ask(Request::Associated(ZERO, all)),
        Ok(Response::Done)
    );
    send_from(&mut bench, ZERO, 1);
    bench.pass(ms(50));
    assert!(bench.stack.statuses[0].1.is_acked());
}
