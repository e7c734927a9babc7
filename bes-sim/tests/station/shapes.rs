//! Frames of unusual shape: A-MSDUs, fragments in both directions, and all four access categories at once.

use crate::common::{ms, Story, CHANNEL};
use bes_hal::Duration;
use bes_mac80211::types::AccessCategory;
use bes_sim::rig::ADDRESS;
use bes_sim::stack::Kept;
use mock_hal::air::traffic::{append_packet, Stamp};
use mock_hal::air::{Injection, Msdu};
use std::sync::{Arc, Mutex};

const SNAP: [u8; 8] = [0xAA, 0xAA, 0x03, 0, 0, 0, 0x08, 0x00];

fn bssid(story: &mut Story) -> [u8; 6] {
    let ap = story.ap;
    story.rig.air(|air| air.access_point(ap).bssid())
}

/// An 802.11 header from the access point to the station, or the other way round.
fn header(kind: u8, flags: u8, [to, from, third]: [[u8; 6]; 3], sequence_control: u16) -> Vec<u8> {
    let mut frame = vec![kind, flags, 0, 0];
    frame.extend(to);
    frame.extend(from);
    frame.extend(third);
    frame.extend(sequence_control.to_le_bytes());
    frame
}

fn content(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|at| ((at + seed) * 7 % 251) as u8).collect()
}

/// Frames that went up since `story.rig.stack.kept` was set, of one kind.
fn went_up(story: &mut Story, kind: u8) -> Vec<Kept> {
    let kept = story.rig.stack.kept.take().expect("they were kept");
    kept.into_iter()
        .filter(|kept| kept.frame[0] == kind && kept.frame[23] >= 0xF0)
        .collect()
}

fn inject(story: &mut Story, frame: Vec<u8>, ampdu: bool) {
    let at = story.rig.now();
    let injection = Injection {
        ampdu,
        ..Injection::new(frame, CHANNEL, at)
    };
    story.rig.air(|air| air.inject(injection));
    story.rig.run_for(ms(5));
}

/// The chip hands an A-MSDU up whole (file 30, section 5); taking it apart is the stack's, by the bit in its QoS control.
#[test]
fn an_a_msdu_in_an_a_mpdu_goes_up_whole_and_its_subframes_come_out() {
    let mut story = Story::connected();
    let ap = bssid(&mut story);
    for (number, lens) in [vec![40, 41, 42, 43], vec![700, 800], vec![1], vec![60; 20]]
        .into_iter()
        .enumerate()
    {
        let mut frame = header(
            0x88,
            0x02,
            [ADDRESS.0, ap, ap],
            0xF000 | (number as u16) << 4,
        );
        frame.extend([0x80, 0]);
        let packets: Vec<Vec<u8>> = lens.iter().map(|len| content(*len, *len)).collect();
        for packet in &packets {
            frame.resize(26 + (frame.len() - 26).next_multiple_of(4), 0);
            frame.extend(ADDRESS.0);
            frame.extend(ap);
            frame.extend(((packet.len() + SNAP.len()) as u16).to_be_bytes());
            frame.extend(SNAP);
            frame.extend(packet);
        }
        story.rig.stack.kept = Some(Vec::new());
        inject(&mut story, frame.clone(), true);
        let [up] = &went_up(&mut story, 0x88)[..] else {
            panic!("{lens:?}: it goes up once");
        };
        assert_eq!(up.frame, frame, "{lens:?}");
        assert!(up.status.aggregate.part, "{lens:?}");
        // As mac80211 does it.
        assert_eq!(up.frame[24] & 0x80, 0x80);
        let mut rest = &up.frame[26..];
        let mut out = Vec::new();
        while rest.len() >= 14 {
            let len = usize::from(u16::from_be_bytes([rest[12], rest[13]]));
            out.push(rest[14 + SNAP.len()..14 + len].to_vec());
            rest = &rest[(14 + len).next_multiple_of(4).min(rest.len())..];
        }
        assert_eq!(out, packets, "{lens:?}");
    }
    story.assert_good("after A-MSDUs");
}

/// Nobody but the stack puts fragments together: they go up one by one, in order, with their numbers.
#[test]
fn fragments_go_up_in_order_and_are_whole_together() {
    let mut story = Story::connected();
    let ap = bssid(&mut story);
    let whole = [&SNAP[..], &content(1200, 3)].concat();
    story.rig.stack.kept = Some(Vec::new());
    let parts: Vec<&[u8]> = whole.chunks(400).collect();
    for (number, part) in parts.iter().enumerate() {
        let more = if number + 1 < parts.len() { 0x04 } else { 0 };
        let mut frame = header(
            0x08,
            0x02 | more,
            [ADDRESS.0, ap, ap],
            0xF050 | number as u16,
        );
        frame.extend(*part);
        inject(&mut story, frame, false);
    }
    let up = went_up(&mut story, 0x08);
    let numbers: Vec<u8> = up.iter().map(|kept| kept.frame[22] & 0x0F).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
    let together: Vec<u8> = up
        .iter()
        .flat_map(|kept| kept.frame[24..].to_vec())
        .collect();
    assert_eq!(together, whole);
    story.assert_good("after fragments");
}

/// The stack cuts frames by its fragmentation threshold; driver and chip send the pieces as they are and in order.
#[test]
fn fragments_of_the_stack_arrive_whole_at_the_access_point() {
    let mut story = Story::connected();
    let ap = bssid(&mut story);
    let arrived = Arc::new(Mutex::new(Vec::new()));
    let (id, there) = (story.ap, arrived.clone());
    story.rig.air(|air| {
        air.access_point_mut(id).set_endpoint(
            move |msdu: &Msdu<'_>, _at: bes_hal::Instant, _: &mut mock_hal::air::Downlink| {
                there.lock().expect("alone").push(msdu.payload.to_vec());
            },
        );
    });
    for (sequence, threshold) in [(1_u16, 256), (2, 700), (3, 1499)] {
        let packet = content(1200, threshold);
        let whole = [&SNAP[..], &packet].concat();
        let parts: Vec<&[u8]> = whole.chunks(threshold).collect();
        for (number, part) in parts.iter().enumerate() {
            let more = if number + 1 < parts.len() { 0x04 } else { 0 };
            let control = sequence << 4 | number as u16;
            let mut frame = header(0x08, 0x01 | more, [ap, ADDRESS.0, ap], control);
            frame.extend(*part);
            let frame = story.rig.stack.frame(&frame);
            let info = story.rig.info(AccessCategory::BestEffort, true, None);
            assert!(story.rig.transmit(frame, info).is_ok());
        }
        story.rig.run_for(ms(50));
        let got = std::mem::take(&mut *arrived.lock().expect("alone"));
        assert_eq!(got, [packet], "threshold {threshold}");
    }
    story.assert_balanced("fragments");
}

/// All categories saturated for two seconds: each gets more than the less urgent ones, and the least urgent one still gets
/// something.
#[test]
fn four_saturated_categories_share_by_urgency_and_none_starves() {
    const FLOW: u32 = 60;
    let mut story = Story::connected();
    let (ap, interface) = (
        bssid(&mut story),
        story.rig.interface.expect("there is one"),
    );
    let mut made = [0_u64; 4];
    for _ in 0..2000 {
        for (place, category) in AccessCategory::ALL.into_iter().enumerate() {
            let tid = [6, 5, 0, 1][place];
            while story.rig.device.room(interface, category) > 0 {
                let mut packet = Vec::new();
                append_packet(&mut packet, 1000, [10, 0, 0, 2], [10, 0, 0, 1]);
                Stamp {
                    flow: FLOW + place as u32,
                    sequence: made[place],
                    made: story.rig.now(),
                }
                .write(&mut packet);
                let sequence = (made[place] as u16) << 4;
                let mut frame = header(0x88, 0x01, [ap, ADDRESS.0, ap], sequence);
                frame.extend([tid, 0]);
                frame.extend(SNAP);
                frame.extend(&packet);
                let frame = story.rig.stack.frame(&frame);
                let info = story.rig.info(category, true, None);
                if story.rig.transmit(frame, info).is_err() {
                    break;
                }
                made[place] += 1;
            }
        }
        story.rig.run_for(ms(1));
    }
    let id = story.ap;
    let got: Vec<u64> = (0..4)
        .map(|place| {
            story
                .rig
                .air(|air| air.access_point(id).meter(FLOW + place).packets)
        })
        .collect();
    let all: u64 = got.iter().sum();
    assert!(all > 5_000, "the air was full: {got:?}");
    assert!(got.windows(2).all(|pair| pair[0] > pair[1]), "{got:?}");
    // A twentieth of what the most urgent gets is no starvation.
    assert!(got[3] * 40 > all, "{got:?}");
    story.rig.run_for(Duration::from_secs(3));
    story.assert_balanced("four categories");
}
