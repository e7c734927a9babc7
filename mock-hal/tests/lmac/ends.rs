//! How the firmware ends before its time, and what brings it back (file 20, section 15.8; file 50, sections 3 and 7).

use crate::rig::{Rig, STATION};
use core::time::Duration;
use mock_hal::air::{ApConfig, Channel, Flow, Pace};
use mock_hal::chip::lmac::{Cure, Deafness, Exception, LinkState, Moment};
use mock_hal::chip::Firmware;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// SET_PM to active, a command that any state takes.
const ACTIVE: [u8; 4] = [0, 16, 0, 0];

fn connected() -> Rig {
    let mut rig = Rig::new(1, ApConfig::wpa2("home", Channel::ht20(6), "correct horse"));
    rig.connect();
    rig
}

/// Messages with this identity after the first `seen`.
fn count(rig: &Rig, seen: usize, identity: u16) -> usize {
    let messages = rig.messages[seen..].iter();
    messages
        .filter(|message| message.identity() == identity)
        .count()
}

/// A packet every 10 ms.
fn download(rig: &mut Rig) {
    let (now, ap) = (rig.now, rig.ap);
    let flow = Flow {
        pace: Pace::Every(10 * MS),
        ..Flow::default()
    };
    let access_point = rig.lmac.medium_mut().access_point_mut(ap);
    access_point.start_flow(STATION, flow, now);
}

#[test]
fn f20_15_8_a_crash_tells_what_it_was_asked_to_tell_and_then_nothing() {
    let mut rig = connected();
    download(&mut rig);
    let exception = Exception {
        reason: 5,
        registers: core::array::from_fn(|register| 0x1000 + register as u32),
        text: String::from("lmac_scan.c"),
    };
    let at = rig.now.after(SECOND);
    rig.lmac.plan_crash(Some((Moment::At(at), exception)));
    let seen = rig.messages.len();
    rig.run(3 * SECOND);
    let report = rig.messages.last().unwrap().clone();
    assert_eq!((report.identity(), report.0.len()), (0x0800, 128));
    assert_eq!(report.word(4), 5);
    for register in 0..18 {
        assert_eq!(report.word(8 + 4 * register), 0x1000 + register as u32);
    }
    assert_eq!(&report.0[80..92], b"lmac_scan.c\0");
    assert_eq!(count(&rig, seen, 0x0800), 1);
    // About a hundred packets came before it.
    assert!(count(&rig, seen, 0x0804) >= 95);
    assert!(rig.lmac.is_dead());
    rig.post(0x0010, 0, &ACTIVE);
    rig.run(10 * SECOND);
    assert_eq!(count(&rig, seen, 0x0410), 0);
}

/// A restart heals, and everything the host had told is gone.
#[test]
fn a_restart_after_a_crash_has_lost_keys_policies_filters_and_power_save() {
    let mut rig = connected();
    rig.write_mib(0, 0x101B, &[1, 0, 0, 0, 1, 0, 67, 0]);
    rig.write_mib(0, 0x0004, &{
        let mut table = vec![1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0x5E, 0, 0, 1];
        table.resize(56, 0);
        table
    });
    assert_eq!(rig.status(0x0010, &[0x81, 16, 0, 0]), 0);
    rig.run(100 * MS);
    assert!(rig.lmac.keys() == 2 && rig.lmac.rate_policies() == 1);
    rig.lmac.crash(&Exception::new(0));
    rig.run(MS);
    rig.lmac.stop(rig.now);
    rig.lmac.start(rig.now);
    assert!(!rig.lmac.is_dead());
    assert_eq!((rig.lmac.keys(), rig.lmac.rate_policies()), (0, 0));
    for mib in [0x101B, 0x0004, 0x1016, 0x1002, 0x1024, 0x100E] {
        assert_eq!(rig.lmac.mib(0, mib), None, "{mib:#06x}");
    }
    assert_eq!(rig.lmac.link(0), Some(LinkState::Idle));
    assert_eq!(rig.lmac.medium().tuned(), None);
    let seen = rig.messages.len();
    rig.run(20 * MS);
    assert_eq!(rig.messages[seen].identity(), 0x0801);
}

#[test]
fn a_crash_may_wait_for_a_command_for_messages_or_for_received_frames() {
    let crash = |moment: Moment, act: &dyn Fn(&mut Rig)| {
        let mut rig = connected();
        let plan = (moment, Exception::new(2));
        rig.lmac.plan_crash(Some(plan));
        let seen = rig.messages.len();
        act(&mut rig);
        rig.run(10 * MS);
        (
            rig.lmac.is_dead(),
            count(&rig, seen, 0x0410),
            count(&rig, seen, 0x0804),
            count(&rig, seen, 0x0800),
        )
    };
    let three_commands = |rig: &mut Rig| {
        for _ in 0..3 {
            rig.post(0x0010, 0, &ACTIVE);
            rig.run(5 * MS);
        }
    };
    let (dead, confirmed, _, told) = crash(Moment::Requests(2), &three_commands);
    assert_eq!((dead, confirmed, told), (true, 2, 1));
    let (dead, confirmed, _, told) = crash(Moment::Command(0x10), &three_commands);
    assert_eq!((dead, confirmed, told), (true, 0, 1));
    let (dead, _, _, told) = crash(Moment::Command(0x0B), &three_commands);
    assert_eq!((dead, told), (false, 0));
    let (dead, _, received, told) = crash(Moment::Received(4), &|rig| {
        download(rig);
        rig.run(SECOND);
    });
    assert_eq!((dead, received, told), (true, 5, 1));
}

#[test]
fn a_firmware_deaf_to_commands_still_moves_frames_until_it_is_restarted() {
    let mut rig = connected();
    rig.lmac.go_deaf(Deafness::Commands, Cure::WifiRestart);
    download(&mut rig);
    let seen = rig.messages.len();
    for id in [0x0010, 0x000A] {
        rig.post(id, 0, &ACTIVE);
        rig.run(5 * SECOND);
    }
    assert_eq!(count(&rig, seen, 0x0410) + count(&rig, seen, 0x040A), 0);
    assert!(count(&rig, seen, 0x0804) > 900);
    let packet = rig.packet(1);
    rig.transmit(21, &packet);
    rig.run(20 * MS);
    assert_eq!((rig.in_flight, rig.failed), (0, 0));
    rig.lmac.stop(rig.now);
    rig.lmac.start(rig.now);
    assert_eq!(rig.lmac.deafness(), None);
}

#[test]
fn a_dead_interface_comes_back_with_its_reset() {
    let mut rig = connected();
    rig.lmac.go_deaf(Deafness::Interface(0), Cure::WifiRestart);
    download(&mut rig);
    let seen = rig.messages.len();
    let packet = rig.packet(1);
    rig.transmit(21, &packet);
    rig.post(0x0010, 0, &ACTIVE);
    rig.run(SECOND);
    assert_eq!(rig.messages.len(), seen);
    assert_eq!(rig.in_flight, 1);
    // The other interface is well.
    assert_eq!(rig.command(0x0010, 1, &ACTIVE).word(4), 0);
    assert_eq!(rig.status(0x000A, &[0; 4]), 0);
    // The frame came back with the reset.
    assert_eq!((rig.in_flight, rig.failed), (0, 1));
    assert_eq!(rig.status(0x0010, &ACTIVE), 0);
    assert_eq!(rig.lmac.deafness(), None);
}

#[test]
fn what_needs_a_download_survives_a_restart() {
    let mut rig = connected();
    rig.lmac.go_deaf(Deafness::Everything, Cure::Download);
    let seen = rig.messages.len();
    rig.lmac.stop(rig.now);
    rig.lmac.start(rig.now);
    rig.run(SECOND);
    assert!(rig.lmac.is_dead());
    assert_eq!(rig.messages.len(), seen);
    rig.lmac.stop(rig.now);
    rig.lmac.unload(rig.now);
    rig.lmac.start(rig.now);
    rig.run(20 * MS);
    assert_eq!(rig.messages[seen].identity(), 0x0801);
}
