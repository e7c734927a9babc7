//! Messages that no chip should send (specification: file 20).

use crate::common::{ms, Story, CHANNEL, OPEN};
use bes_hal::Duration;
use bes_mac80211::event::Event;
use bes_mac80211::request::{Request, Response};
use bes_wsm::anomaly::AnomalyKind;
use bes_wsm::recovery::RecoveryReason;
use bes_wsm::sequence::SequenceClass;
use bes_wsm::wire::rx::Peer;
use bes_wsm::wire::MessageId;
use mock_hal::chip::lmac::{LmacConfig, MessageFault, MessageKind};
use mock_hal::fault::{Fault, When};
use std::sync::{Arc, Mutex};

/// Identities of messages.
mod id {
    pub(super) const TRANSMIT_CONFIRM: u16 = 0x0404;
    pub(super) const WRITE_MIB_CONFIRM: u16 = 0x0406;
    pub(super) const MULTI_TRANSMIT_CONFIRM: u16 = 0x041E;
    pub(super) const EXCEPTION: u16 = 0x0800;
    pub(super) const STARTUP: u16 = 0x0801;
    pub(super) const RECEIVE: u16 = 0x0804;
    pub(super) const EVENT: u16 = 0x0805;
    pub(super) const SCAN_COMPLETE: u16 = 0x0806;
    pub(super) const SET_PM: u16 = 0x0809;
    pub(super) const CHANNEL_SWITCH: u16 = 0x080A;
    pub(super) const FIND_COMPLETE: u16 = 0x080B;
    pub(super) const SUSPEND_RESUME: u16 = 0x080C;
    pub(super) const MCU: u16 = 0x0C27;
    pub(super) const BLUETOOTH: u16 = 0x0C30;
}

/// A message with header; the chip numbers it.
fn message(id: u16, interface: u8, payload: &[u8]) -> Vec<u8> {
    let mut message = (payload.len() as u16 + 4).to_le_bytes().to_vec();
    message.extend((id | u16::from(interface) << 6).to_le_bytes());
    message.extend(payload);
    message
}

/// Lets the chip send a message and the driver take it. What was noticed, by kind.
fn take(story: &mut Story, message: Vec<u8>) -> Vec<(AnomalyKind, u32)> {
    let before: Vec<_> = AnomalyKind::ALL
        .iter()
        .map(|kind| story.count(*kind))
        .collect();
    let messages = story.rig.device.bottom_half().stats().rx_messages;
    story.lmac(|lmac| lmac.inject_message(message));
    story.rig.run_until(ms(5), |rig| rig.needs_recovery());
    assert!(story.rig.device.bottom_half().stats().rx_messages > messages);
    AnomalyKind::ALL
        .iter()
        .zip(before)
        .map(|(kind, before)| (*kind, story.count(*kind) - before))
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// A RECEIVE indication of a data frame of the access point.
fn receive(story: &Story, flags: u32, body: usize) -> Vec<u8> {
    let bssid = story
        .rig
        .lmac(|lmac| lmac.medium_mut().access_point(story.ap).bssid());
    let mut payload = vec![0, 0, 0, 0, CHANNEL, 0, 21, 0x78];
    payload.extend(flags.to_le_bytes());
    payload.extend([0; 16]);
    payload.extend([0x88, 0x02, 0, 0]);
    payload.extend(bes_sim::rig::ADDRESS.0);
    payload.extend(bssid);
    payload.extend(bssid);
    payload.extend([0x20, 0, 0, 0, 0xAA, 0xAA, 3, 0, 0, 0, 0x08, 0x06]);
    payload.resize(payload.len() + body, 0);
    message(id::RECEIVE, 0, &payload)
}

#[test]
fn every_id_of_every_class_is_noticed_and_nothing_else_happens() {
    let mut story = Story::connected();
    for class in [0x0000_u16, 0x0400, 0x0800, 0x0C00] {
        for number in 0..64 {
            let identity = class | number;
            let noticed = take(&mut story, message(identity, 0, &[0; 16]));
            let expected = match identity {
                id::EXCEPTION => {
                    assert_eq!(story.reason(), Some(RecoveryReason::Exception));
                    None
                }
                id::STARTUP => {
                    assert_eq!(story.reason(), Some(RecoveryReason::Restarted));
                    None
                }
                // Well-formed: "error 0", power save off as it is.
                id::EVENT | id::SET_PM => None,
                id::TRANSMIT_CONFIRM | id::MULTI_TRANSMIT_CONFIRM | id::RECEIVE => {
                    Some(AnomalyKind::Truncated)
                }
                id::SCAN_COMPLETE | id::CHANNEL_SWITCH | id::FIND_COMPLETE | id::SUSPEND_RESUME => {
                    Some(AnomalyKind::UnexpectedIndication)
                }
                _ => match class {
                    0x0400 => Some(AnomalyKind::ConfirmWithoutRequest),
                    0x0C00 => Some(AnomalyKind::McuLabel),
                    _ => Some(AnomalyKind::UnknownMessage),
                },
            };
            let expected: Vec<_> = expected.map(|kind| (kind, 1)).into_iter().collect();
            assert_eq!(noticed, expected, "{identity:#06x}");
            if story.reason().is_some() {
                story.recover(&format!("{identity:#06x}"));
            }
        }
        story.assert_good(&format!("class {class:#06x}"));
    }
}

#[test]
fn mcu_messages_of_unknown_number_and_label_are_noticed() {
    let mut story = Story::connected();
    for number in 0..64_u16 {
        for label in [0x0F_u32, 0xF0, 0x10, u32::MAX] {
            let mut payload = 0_u32.to_le_bytes().to_vec();
            payload.extend(label.to_le_bytes());
            payload.extend([0; 4]);
            let identity = 0x0C00 | number;
            let noticed = take(&mut story, message(identity, 0, &payload));
            let expected = match label {
                0x0F => Some(AnomalyKind::ConfirmWithoutRequest),
                0xF0 if identity == id::BLUETOOTH => None,
                0xF0 => {
                    assert!(
                        noticed.is_empty() || noticed == [(AnomalyKind::UnknownMessage, 1)],
                        "{identity:#06x}: {noticed:?}"
                    );
                    continue;
                }
                _ => Some(AnomalyKind::McuLabel),
            };
            let expected: Vec<_> = expected.map(|kind| (kind, 1)).into_iter().collect();
            assert_eq!(noticed, expected, "{identity:#06x} {label:#x}");
        }
    }
    story.assert_good("MCU messages");
}

#[test]
fn interfaces_above_2_are_noticed_for_every_kind_of_message() {
    let mut story = Story::connected();
    for interface in 3..16 {
        for (identity, len) in [
            (id::RECEIVE, 80),
            (id::EVENT, 8),
            (id::SCAN_COMPLETE, 8),
            (id::SET_PM, 8),
            (id::CHANNEL_SWITCH, 4),
            (0x083F, 8),
        ] {
            let delivered = story.rig.stack.counters.rx_data_frames;
            let noticed = take(&mut story, message(identity, interface, &vec![0; len]));
            assert_eq!(
                noticed,
                [(AnomalyKind::UnknownInterface, 1)],
                "{identity:#06x}, interface {interface}"
            );
            assert_eq!(story.rig.stack.counters.rx_data_frames, delivered);
        }
    }
    story.assert_good("interfaces");
    // A frame that was for us, in the middle of traffic, is lost and counted.
    for interface in 3..16 {
        let noticed = story.count(AnomalyKind::UnknownInterface);
        let outcome = story.exchange_with(ms(20), |story| {
            story.lmac(|lmac| {
                lmac.fault(
                    MessageKind::Receive,
                    MessageFault::WrongInterface(interface),
                );
            });
        });
        assert_eq!(story.count(AnomalyKind::UnknownInterface), noticed + 1);
        assert!(outcome.down.packets + 1 >= outcome.down_made, "{outcome:?}");
    }
    story.assert_good("interfaces in traffic");
}

#[test]
fn links_above_14_are_noticed() {
    let mut story = Story::connected();
    // Inactive stations 0 and 15 to 31 do not exist.
    for link in std::iter::once(0).chain(15..32) {
        let mut payload = 9_u32.to_le_bytes().to_vec();
        payload.extend((1_u32 << link).to_le_bytes());
        let noticed = take(&mut story, message(id::EVENT, 0, &payload));
        assert_eq!(noticed, [(AnomalyKind::UnknownLink, 1)], "link {link}");
    }
    // Link 15 of a frame means a station without a link (file 20, section 12.10). It never becomes an index.
    let frame = receive(&story, 15 << 25, 30);
    story.rig.stack.kept = Some(Vec::new());
    assert_eq!(take(&mut story, frame), []);
    let kept = story.rig.stack.kept.take().expect("frames were kept");
    let data: Vec<_> = kept.iter().filter(|kept| kept.frame[0] == 0x88).collect();
    assert_eq!(data.len(), 1);
    assert_eq!(data[0].status.peer, Peer::Unmapped);
    story.assert_good("links");
}

#[test]
fn indications_cut_at_every_length_are_truncated() {
    let mut story = Story::connected();
    // What the layout needs; padding behind it may be missing.
    let full: [(u16, usize); 5] = [
        (id::EVENT, 12),
        (id::SET_PM, 9),
        (id::SCAN_COMPLETE, 10),
        (id::CHANNEL_SWITCH, 8),
        (id::TRANSMIT_CONFIRM, 24),
    ];
    for (identity, full) in full {
        for len in 4..full {
            let noticed = take(&mut story, message(identity, 0, &vec![0; len - 4]));
            assert_eq!(
                noticed,
                [(AnomalyKind::Truncated, 1)],
                "{identity:#06x} of {len} bytes"
            );
        }
    }
    for len in 4..16 {
        for identity in [id::MCU, id::BLUETOOTH, 0x0C00, 0x0C3F] {
            let noticed = take(&mut story, message(identity, 0, &vec![0; len - 4]));
            assert_eq!(noticed, [(AnomalyKind::Truncated, 1)], "{identity:#06x}");
        }
    }
    story.assert_good("cut indications");
}

#[test]
fn received_frames_cut_at_every_length_are_dropped_or_handed_up_short() {
    let mut story = Story::connected();
    let whole = receive(&story, 0, 40);
    for len in 4..whole.len() {
        let mut cut = whole[..len].to_vec();
        cut[..2].copy_from_slice(&(len as u16).to_le_bytes());
        let down = story.rig.device.statistics().rx_dropped();
        story.rig.stack.kept = Some(Vec::new());
        let noticed = take(&mut story, cut);
        // Beacons come as well.
        let kept = story.rig.stack.kept.take().expect("frames were kept");
        let frames = kept
            .iter()
            .filter(|kept| kept.frame.first() != Some(&0x80))
            .count() as u64;
        let drops = story.rig.device.statistics().rx_dropped() - down;
        // Never both, never neither.
        assert!(frames + drops == 1, "{len}: {frames} up, {drops} dropped");
        if len < 32 {
            assert_eq!(noticed, [(AnomalyKind::Truncated, 1)], "{len}");
        }
    }
    story.assert_good("cut frames");
}

#[test]
fn every_received_frame_cut_in_traffic_is_counted_once() {
    let mut story = Story::connected();
    for len in 4..80 {
        let outcome = story.exchange_with(ms(20), |story| {
            story.lmac(|lmac| lmac.fault(MessageKind::Receive, MessageFault::Truncate(len)));
        });
        assert_eq!(story.reason(), None, "{len}");
        assert!(outcome.down.packets + 1 >= outcome.down_made, "{outcome:?}");
        assert_eq!(outcome.up_packets, outcome.up_made, "{outcome:?}");
    }
    story.assert_good("cut frames in traffic");
}

#[test]
fn an_exception_cut_at_every_length_needs_recovery() {
    for len in 4..=128_usize {
        let mut story = Story::connected();
        story.lmac(|lmac| lmac.inject_message(message(id::EXCEPTION, 0, &vec![0; len - 4])));
        story.rig.run_until(ms(20), |rig| rig.needs_recovery());
        assert_eq!(story.reason(), Some(RecoveryReason::Exception), "{len}");
        story.recover("exception");
    }
}

#[test]
fn an_exception_in_the_middle_of_traffic_needs_recovery() {
    for reason in [0, 1, 4, u32::MAX] {
        let mut story = Story::connected();
        story.exchange_with(ms(30), |story| {
            story.lmac(|lmac| lmac.raise_exception(reason));
        });
        assert_eq!(story.reason(), Some(RecoveryReason::Exception));
        assert!(story
            .rig
            .stack
            .events
            .iter()
            .any(|event| *event == Event::RecoveryNeeded(RecoveryReason::Exception)));
        story.recover("exception");
    }
}

#[test]
fn a_startup_cut_at_every_length_is_refused() {
    for len in 4..152 {
        let mut story = Story::new();
        story.lmac(|lmac| lmac.fault(MessageKind::Any, MessageFault::Truncate(len)));
        assert!(story.rig.bring_up().is_err(), "{len}");
        assert!(
            matches!(story.reason(), Some(RecoveryReason::StartupRefused(_))),
            "{len}: {:?}",
            story.reason()
        );
        story.recover("cut startup");
    }
}

#[test]
fn a_chip_that_starts_badly_is_refused_with_what_it_said() {
    type Change = fn(&mut LmacConfig);
    let bad: [Change; 4] = [
        |config| config.startup_status = 7,
        |config| config.firmware_type = 5,
        |config| config.input_buffers = 0,
        |config| config.input_buffers = 1,
    ];
    for change in bad {
        let mut story = Story::new();
        story.lmac(|lmac| change(lmac.config_mut()));
        assert!(story.rig.bring_up().is_err());
        assert!(
            matches!(story.reason(), Some(RecoveryReason::StartupRefused(_))),
            "{:?}",
            story.reason()
        );
        story.lmac(|lmac| *lmac.config_mut() = LmacConfig::default());
        story.recover("bad start");
    }
}

#[test]
fn a_startup_that_does_not_come_needs_recovery() {
    let mut story = Story::new();
    story.lmac(|lmac| lmac.fault(MessageKind::Any, MessageFault::Drop));
    assert!(story.rig.bring_up().is_err());
    assert_eq!(story.reason(), Some(RecoveryReason::StartupTimeout));
    story.recover("no startup");
}

/// Confirms of commands in a whole life, in order: id and length.
fn confirms_of_a_life() -> Vec<(u16, usize)> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let list = seen.clone();
    let mut story = Story::new();
    story.faults.set_damage_hook(move |burst, _| {
        let mut rest = &burst[..];
        while let Some(&[low, high, id_low, id_high]) = rest.first_chunk() {
            let len = usize::from(u16::from_le_bytes([low, high]));
            if len < 4 {
                break;
            }
            let identity = u16::from_le_bytes([id_low, id_high]) & 0x0C3F;
            let mcu = identity & 0x0C00 == 0x0C00 && rest.get(8) == Some(&0x0F);
            let command = identity & 0x0C00 == 0x0400
                && !matches!(identity, id::TRANSMIT_CONFIRM | id::MULTI_TRANSMIT_CONFIRM);
            if command || mcu {
                seen.lock().expect("nobody panics").push((identity, len));
            }
            rest = rest.get(len.next_multiple_of(4)..).unwrap_or(&[]);
        }
    });
    story.faults.arm(Fault::Damaged, When::Always);
    assert!(whole_life(&mut story));
    let confirms = list.lock().expect("nobody panics").clone();
    confirms
}

/// From power off to joined, counters read, and off again. Whether all of it worked.
fn whole_life(story: &mut Story) -> bool {
    let limit = Duration::from_secs(15);
    story.rig.bring_up().is_ok()
        && story.rig.scan(&[CHANNEL, 36], &[]).is_ok()
        && story.rig.connect(OPEN, None).is_ok()
        && matches!(
            story.rig.request(Request::ReadCounters, limit),
            Ok(Response::Counters(_))
        )
        && story.rig.disconnect().is_ok()
        && story.rig.request(Request::PowerOff, limit).is_ok()
}

#[test]
fn every_confirm_cut_at_every_length_is_noticed_and_survived() {
    let confirms = confirms_of_a_life();
    assert!(confirms.len() > 40, "{confirms:?}");
    for (index, (identity, full)) in confirms.iter().enumerate() {
        for len in 4..*full {
            let name = format!("confirm {index} ({identity:#06x}) cut to {len} of {full} bytes");
            let mut story = Story::new();
            story.lmac(|lmac| {
                for _ in 0..index {
                    // Those before it stay as they are.
                    lmac.fault(
                        MessageKind::CommandConfirm,
                        MessageFault::WrongWord { offset: 0, xor: 0 },
                    );
                }
                lmac.fault(MessageKind::CommandConfirm, MessageFault::Truncate(len));
            });
            let worked = whole_life(&mut story);
            assert!(
                story.rig.device.anomalies().total() > 0 || story.verdict().is_some(),
                "{name}: worked {worked}, and nobody noticed"
            );
            story.assert_balanced(&name);
            story.rig.device.shutdown(&mut story.rig.stack);
            story.recover(&name);
        }
    }
}

#[test]
fn every_confirm_that_is_refused_missing_doubled_or_of_another_command_is_survived() {
    let confirms = confirms_of_a_life();
    for index in 0..confirms.len() {
        for fault in [
            MessageFault::WrongWord { offset: 4, xor: 1 },
            MessageFault::WrongWord {
                offset: 4,
                xor: u32::MAX,
            },
            MessageFault::Drop,
            MessageFault::Duplicate,
            MessageFault::WrongNumber(0x3E),
            MessageFault::WrongSequence,
            MessageFault::WrongInterface(2),
            MessageFault::WrongInterface(15),
            MessageFault::Delay(Duration::from_millis(300)),
        ] {
            let name = format!("confirm {index} {:?}: {fault:?}", confirms[index]);
            let mut story = Story::new();
            story.lmac(|lmac| {
                for _ in 0..index {
                    lmac.fault(
                        MessageKind::CommandConfirm,
                        MessageFault::WrongWord { offset: 0, xor: 0 },
                    );
                }
                lmac.fault(MessageKind::CommandConfirm, fault);
            });
            let worked = whole_life(&mut story);
            if !worked {
                // A command may take as long as the limit of the step that waits for it.
                story
                    .rig
                    .run_until(Duration::from_secs(15), |rig| rig.needs_recovery());
            }
            match fault {
                MessageFault::Drop | MessageFault::WrongNumber(_) => {
                    assert!(
                        matches!(story.verdict(), Some(RecoveryReason::CommandTimeout(_))),
                        "{name}: {:?}, worked {worked}, {:?}",
                        story.verdict(),
                        story.anomalies()
                    );
                }
                MessageFault::WrongSequence => assert!(
                    matches!(story.verdict(), Some(RecoveryReason::Sequence { .. })),
                    "{name}: {:?}",
                    story.verdict()
                ),
                MessageFault::Duplicate => {
                    assert!(worked, "{name}: {:?}", story.verdict());
                    let noticed = story.count(AnomalyKind::ConfirmWithoutRequest)
                        + story.count(AnomalyKind::ConfirmForOther);
                    // The second one of the very last command finds Wi-Fi switched off.
                    assert!(noticed == 1 || index + 1 == confirms.len(), "{name}");
                }
                MessageFault::Delay(_) => assert!(worked, "{name}: {:?}", story.verdict()),
                MessageFault::WrongInterface(15) => {
                    assert!(story.count(AnomalyKind::UnknownInterface) > 0, "{name}");
                }
                _ => {}
            }
            story.rig.device.shutdown(&mut story.rig.stack);
            story.recover(&name);
        }
    }
}

#[test]
fn a_wrong_sequence_number_needs_recovery_in_both_classes() {
    let mut story = Story::connected();
    story.exchange_with(ms(30), |story| {
        story.lmac(|lmac| lmac.fault(MessageKind::Receive, MessageFault::WrongSequence));
    });
    assert!(matches!(
        story.reason(),
        Some(RecoveryReason::Sequence { due, got, .. }) if got == (due + 1) & 7
    ));
    story.recover("sequence");
    story.lmac(|lmac| lmac.fault(MessageKind::Any, MessageFault::WrongSequence));
    story.lmac(|lmac| lmac.raise_bluetooth_activity(0));
    story.rig.run_until(ms(20), |rig| rig.needs_recovery());
    assert!(
        matches!(
            story.reason(),
            Some(RecoveryReason::Sequence {
                class: SequenceClass::Mcu,
                ..
            })
        ),
        "{:?}",
        story.reason()
    );
    story.recover("sequence of the MCU class");
}

#[test]
fn a_confirm_without_a_request_is_noticed() {
    let mut story = Story::connected();
    let confirm = message(id::WRITE_MIB_CONFIRM, 0, &[0; 4]);
    assert_eq!(
        take(&mut story, confirm),
        [(AnomalyKind::ConfirmWithoutRequest, 1)]
    );
    story.assert_good("confirm without request");
}

#[test]
fn packet_ids_out_of_range_and_of_old_generations_free_nothing() {
    let mut story = Story::connected();
    story.assert_good("before");
    for packet in [
        0_u32,
        1,
        29,
        0x0001_0005,
        0x00FF_0000,
        0xFF,
        0xFFFF,
        u32::MAX,
    ] {
        let mut record = packet.to_le_bytes().to_vec();
        record.resize(20, 0);
        let noticed = take(&mut story, message(id::TRANSMIT_CONFIRM, 0, &record));
        assert!(
            noticed == [(AnomalyKind::StalePacketId, 1)]
                || noticed == [(AnomalyKind::PacketIdOutOfRange, 1)],
            "{packet:#010x}: {noticed:?}"
        );
    }
    assert!(story.count(AnomalyKind::StalePacketId) > 0);
    assert!(story.count(AnomalyKind::PacketIdOutOfRange) > 0);
    story.assert_good("packet ids");
    // In traffic, each confirm twice.
    let outcome = story.exchange_with(ms(60), |story| {
        story.lmac(|lmac| {
            for _ in 0..20 {
                lmac.fault(MessageKind::TransmitConfirm, MessageFault::Duplicate);
            }
        });
    });
    outcome.assert_intact("every confirm twice");
    assert!(story.count(AnomalyKind::StalePacketId) >= 20);
    story.assert_good("confirms twice");
}

#[test]
fn counts_larger_than_the_message_confirm_nothing() {
    let mut story = Story::connected();
    for records in 0..4_u32 {
        for count in [records + 1, records + 2, 255, 65_536, 0x0CCC_CCCD, u32::MAX] {
            let mut payload = count.to_le_bytes().to_vec();
            payload.resize(4 + 20 * records as usize, 0);
            let noticed = take(&mut story, message(id::MULTI_TRANSMIT_CONFIRM, 0, &payload));
            assert_eq!(
                noticed,
                [(AnomalyKind::Truncated, 1)],
                "{count} in {records}"
            );
        }
    }
    // Cut at every length.
    for len in 8..48 {
        let mut payload = 2_u32.to_le_bytes().to_vec();
        payload.resize(len - 4, 0);
        let noticed = take(&mut story, message(id::MULTI_TRANSMIT_CONFIRM, 0, &payload));
        assert_eq!(noticed, [(AnomalyKind::Truncated, 1)], "{len}");
    }
    // A MIB that says it is longer than its message.
    story.lmac(|lmac| {
        lmac.fault(
            MessageKind::CommandConfirm,
            MessageFault::WrongWord {
                offset: 8,
                xor: 0xFF00_0000,
            },
        );
    });
    let answer = story
        .rig
        .request(Request::ReadCounters, Duration::from_secs(10));
    assert!(answer.is_err());
    assert_eq!(
        story.count(AnomalyKind::BadConfirm),
        1,
        "{:?}",
        story.anomalies()
    );
    // A scan that says it scanned 255 channels.
    story.lmac(|lmac| {
        lmac.fault(
            MessageKind::ScanComplete,
            MessageFault::WrongWord {
                offset: 8,
                xor: 0xFF00,
            },
        );
    });
    story.rig.scan(&[1], &[]).expect("the scan ends");
    story.assert_good("counts");
}

#[test]
fn a_missing_transmit_confirm_is_a_lost_frame_and_not_a_leaked_credit() {
    let mut story = Story::connected();
    story.start_traffic();
    story.lmac(|lmac| lmac.fault(MessageKind::TransmitConfirm, MessageFault::Drop));
    story
        .rig
        .run_until(Duration::from_secs(13), |rig| rig.needs_recovery());
    assert_eq!(story.reason(), None);
    let lost = story.count(AnomalyKind::LostConfirm);
    assert!(lost > 0, "{:?}", story.anomalies());
    assert_eq!(
        story.rig.device.statistics().tx_total().lost,
        u64::from(lost)
    );
    story.stop_traffic();
    let counters = story.rig.stack.counters;
    assert_eq!(counters.tx_given, counters.tx_acked + counters.tx_failed);
    story.assert_good("lost confirm");
}

#[test]
fn confirms_that_all_stop_need_recovery() {
    let mut story = Story::connected();
    story.exchange_with(Duration::from_secs(6), |story| {
        story.lmac(|lmac| {
            for _ in 0..40 {
                lmac.fault(MessageKind::TransmitConfirm, MessageFault::Drop);
            }
        });
    });
    assert_eq!(story.reason(), Some(RecoveryReason::NoProgress));
    story.lmac(|lmac| lmac.clear_faults());
    story.recover("no confirms");
}

#[test]
fn half_of_the_confirms_lost_needs_recovery() {
    let mut story = Story::connected();
    story.start_traffic();
    for _ in 0..40 {
        story.lmac(|lmac| lmac.fault(MessageKind::TransmitConfirm, MessageFault::Drop));
        story.rig.run_until(ms(1_000), |rig| rig.needs_recovery());
    }
    assert_eq!(story.reason(), Some(RecoveryReason::ConfirmsLost));
    story.lmac(|lmac| lmac.clear_faults());
    story.recover("confirms lost");
}

#[test]
fn a_missing_scan_complete_ends_the_scan_and_is_noticed() {
    let mut story = Story::connected();
    story.lmac(|lmac| lmac.fault(MessageKind::ScanComplete, MessageFault::Drop));
    story.rig.scan(&[1, 11], &[]).expect("the scan ends");
    assert_eq!(story.count(AnomalyKind::MissingIndication), 1);
    assert_eq!(story.rig.device.control_statistics().scan_timeouts, 1);
    assert_eq!(story.rig.device.control_statistics().scans_aborted, 1);
    story.settle("missing scan complete");
    story.rig.scan(&[1], &[]).expect("the next scan runs");
    assert!(!story.rig.device.scan().is_active());
}

#[test]
fn extra_scan_completes_end_nothing_that_is_not_theirs() {
    let mut story = Story::connected();
    for _ in 0..3 {
        story.lmac(|lmac| lmac.fault(MessageKind::ScanComplete, MessageFault::Duplicate));
    }
    story.rig.scan(&[1, 11, 36], &[]).expect("the scan ends");
    assert!(story.count(AnomalyKind::UnexpectedIndication) > 0);
    let noticed = take(&mut story, message(id::SCAN_COMPLETE, 0, &[0; 8]));
    assert_eq!(noticed, [(AnomalyKind::UnexpectedIndication, 1)]);
    story.assert_good("extra scan complete");
}

#[test]
fn a_missing_channel_switch_needs_recovery() {
    let mut story = Story::new();
    story.rig.bring_up().expect("the chip comes up");
    story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
    story.lmac(|lmac| lmac.fault(MessageKind::ChannelSwitch, MessageFault::Drop));
    assert!(story.rig.connect(OPEN, None).is_err());
    story
        .rig
        .run_until(Duration::from_secs(5), |rig| rig.needs_recovery());
    assert_eq!(
        story.reason(),
        Some(RecoveryReason::IndicationTimeout(
            MessageId::CHANNEL_SWITCH_DONE
        ))
    );
    story.recover("missing channel switch");
}

#[test]
fn an_extra_channel_switch_is_noticed() {
    let mut story = Story::new();
    story.rig.bring_up().expect("the chip comes up");
    story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
    story.lmac(|lmac| lmac.fault(MessageKind::ChannelSwitch, MessageFault::Duplicate));
    story.rig.connect(OPEN, None).expect("joined all the same");
    assert_eq!(story.count(AnomalyKind::UnexpectedIndication), 1);
    let noticed = take(&mut story, message(id::CHANNEL_SWITCH, 0, &[0; 4]));
    assert_eq!(noticed, [(AnomalyKind::UnexpectedIndication, 1)]);
    story.assert_good("extra channel switch");
}

#[test]
fn a_chip_that_falls_silent_is_found_out() {
    // The firmware stops; the bus still works.
    let mut story = Story::connected();
    story.exchange_with(ms(500), |story| story.lmac(|lmac| lmac.wedge()));
    story
        .rig
        .run_until(Duration::from_secs(15), |rig| rig.needs_recovery());
    assert!(
        matches!(
            story.reason(),
            Some(RecoveryReason::NoProgress | RecoveryReason::CommandTimeout(_))
        ),
        "{:?}",
        story.reason()
    );
    story.recover("wedged firmware");
    // The whole chip stops.
    story.exchange_with(ms(500), |story| {
        story.rig.handle.with_chip(|chip| chip.hang());
    });
    story
        .rig
        .run_until(Duration::from_secs(15), |rig| rig.needs_recovery());
    assert!(story.reason().is_some());
    // Only a loss of power helps (file 50, section 3.15).
    story.rig.handle.set_present(false);
    story.rig.handle.set_present(true);
    story.recover("hung chip");
}
