//! Stories of the bottom half against a scripted transport: what the chip may do wrong, and what becomes of it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use bes_hal::doorbell::Reasons;
use bes_hal::frame::{ArrayBuffer, ArrayFrame, RxBuffer, Span, TxFrame};
use bes_hal::memory::Heap;
use bes_hal::transport::{
    Burst, BurstDefect, Progress, Reception, SlotClass, Spans, Transition, Transport,
};
use bes_hal::{Duration, Instant, SdioError, TransportError};
use bes_wsm::anomaly::{Anomaly, AnomalyKind};
use bes_wsm::bottom_half::{
    BottomHalf, Work, CONFIRM_TIMEOUT, GATHER, POLL_BUSY, PROGRESS_TIMEOUT, STARTUP_TIMEOUT,
};
use bes_wsm::client::{Client, Command, CommandError, FrameSink, Offer, Outgoing, ReturnReason};
use bes_wsm::recovery::RecoveryReason;
use bes_wsm::wire::tx::TransmitConfirm;
use bes_wsm::wire::InterfaceId;
use std::collections::VecDeque;

type Frame = ArrayFrame<256>;
type Buffer = ArrayBuffer<4096>;

/// A transport that gives what the test put in and remembers what was sent.
#[derive(Default)]
struct Scripted {
    now: Instant,
    interrupt: bool,
    bursts: VecDeque<Result<Reception<Buffer>, TransportError>>,
    sent: Vec<Vec<Vec<u8>>>,
    looks: usize,
    fail_send: bool,
}

impl Transport for Scripted {
    type Buffer = Buffer;

    fn now(&self) -> Instant {
        self.now
    }

    fn take_interrupt(&mut self) -> bool {
        std::mem::take(&mut self.interrupt)
    }

    fn receive(&mut self) -> Result<Reception<Buffer>, TransportError> {
        self.looks += 1;
        self.bursts.pop_front().unwrap_or(Ok(Reception::Empty))
    }

    fn slot_class(&self, message: &[u8]) -> Result<SlotClass, TransportError> {
        let len = usize::from(u16::from_le_bytes([message[0], message[1]]));
        if len > 1628 {
            return Err(TransportError::MessageTooLong(len as u32));
        }
        Ok(SlotClass {
            index: (len / 128) as u8,
            alone: message[3] & 0x0C == 0x0C,
            lengths: ((len & !127) as u16, (len | 127) as u16),
        })
    }

    fn send(&mut self, batch: &[&[u8]]) -> Result<(), TransportError> {
        if self.fail_send {
            return Err(TransportError::Bus(SdioError::NoCard));
        }
        self.sent
            .push(batch.iter().map(|bytes| bytes.to_vec()).collect());
        Ok(())
    }

    fn begin(&mut self, _: Transition, _: Instant) -> Result<(), TransportError> {
        Ok(())
    }

    fn poll(&mut self, _: Instant) -> Result<Progress, TransportError> {
        Ok(Progress::Done)
    }

    fn reset(&mut self) {}
}

#[derive(Default)]
struct Upper {
    commands: VecDeque<Vec<u8>>,
    frames: VecDeque<Frame>,
    answers: Vec<Result<Vec<u8>, CommandError>>,
    confirmed: Vec<(u8, TransmitConfirm)>,
    returned: Vec<(u8, ReturnReason)>,
    received: Vec<Vec<u8>>,
    indications: Vec<u16>,
    hand_overs: usize,
}

impl Client for Upper {
    type Frame = Frame;
    type Buffer = Buffer;
    type Tag = u8;

    fn next_command(&mut self, _: Instant, out: &mut [u8]) -> Option<Command> {
        let command = self.commands.pop_front()?;
        out[..command.len()].copy_from_slice(&command);
        Some(Command {
            len: command.len(),
            timeout: Duration::from_secs(6),
        })
    }

    fn command_done(&mut self, result: Result<&[u8], CommandError>, _: Instant) {
        self.answers.push(result.map(<[u8]>::to_vec));
    }

    fn frames(&mut self, now: Instant, sink: &mut impl FrameSink<Frame, u8>) {
        while let Some(frame) = self.frames.pop_front() {
            let tag = frame.bytes()[24];
            let outgoing = Outgoing {
                frame,
                tag,
                queue: 2,
                interface: InterfaceId::Zero,
                link: 0,
            };
            match sink.offer(outgoing) {
                Offer::More => {}
                Offer::Enough => return,
                Offer::Unsendable(frame, tag) => {
                    self.returned(frame, tag, ReturnReason::Unsendable, now);
                }
            }
        }
    }

    fn backlog(&self) -> usize {
        self.frames.len()
    }

    fn confirmed(&mut self, _: Frame, tag: u8, confirm: &TransmitConfirm, _: Instant) {
        self.confirmed.push((tag, *confirm));
    }

    fn returned(&mut self, _: Frame, tag: u8, reason: ReturnReason, _: Instant) {
        self.returned.push((tag, reason));
    }

    fn receive(&mut self, buffer: &mut Buffer, message: Span, _: Instant) -> Result<(), Anomaly> {
        self.received.push(message.of(buffer.bytes()).to_vec());
        Ok(())
    }

    fn indication(&mut self, message: &[u8], _: Instant) -> Result<(), Anomaly> {
        self.indications
            .push(u16::from_le_bytes([message[2], message[3]]) & 0x1FFF);
        Ok(())
    }

    fn end_of_burst(&mut self, _: Buffer, _: Instant) {
        self.hand_overs += 1;
    }
}

/// A bottom half with its client, and a chip that is played by the test.
struct Story {
    owner: BottomHalf<Scripted, Frame, u8, Heap>,
    upper: Upper,
    sequence: [u16; 2],
}

impl Story {
    fn unopened() -> Self {
        Self {
            owner: BottomHalf::new(Scripted::default(), &mut Heap).unwrap(),
            upper: Upper::default(),
            sequence: [0; 2],
        }
    }

    fn with_buffers(buffers: u16) -> Self {
        let mut story = Self::unopened();
        story.owner.open(Instant::ZERO);
        let mut startup = [0; 152];
        startup[4..6].copy_from_slice(&buffers.to_le_bytes());
        startup[16] = 2;
        story.chip_says(&[(0x0801, &startup[4..])]);
        story.run().unwrap();
        assert!(story.owner.is_ready());
        story
    }

    fn new() -> Self {
        Self::with_buffers(30)
    }

    fn message(&mut self, id: u16, body: &[u8]) -> Vec<u8> {
        let class = usize::from(id & 0x0C00 == 0x0C00);
        let stamped = id | self.sequence[class] << 13;
        if id & 0x0FFF != 0x0800 {
            self.sequence[class] = (self.sequence[class] + 1) % 8;
        }
        raw(stamped, body)
    }

    /// The chip puts messages into one burst and raises its interrupt.
    fn chip_says(&mut self, messages: &[(u16, &[u8])]) {
        let messages: Vec<_> = messages
            .iter()
            .map(|(id, body)| self.message(*id, body))
            .collect();
        self.chip_sends(&messages, None);
    }

    fn chip_sends(&mut self, messages: &[Vec<u8>], defect: Option<BurstDefect>) {
        let mut buffer = Buffer::new(4096).unwrap();
        let mut spans = Spans::EMPTY;
        let mut at = 0;
        for message in messages {
            buffer.bytes_mut()[at..at + message.len()].copy_from_slice(message);
            assert!(spans.push(Span {
                start: at as u16,
                len: message.len() as u16
            }));
            at += message.len().next_multiple_of(4);
        }
        let transport = self.owner.transport_mut();
        transport.bursts.push_back(Ok(Reception::Burst(Burst {
            buffer,
            messages: spans,
            defect,
        })));
        transport.interrupt = true;
    }

    fn run(&mut self) -> Result<Work, RecoveryReason> {
        self.owner.run(&mut self.upper)
    }

    /// Runs until nothing waits for company any more.
    fn run_gathered(&mut self) {
        self.run().unwrap();
        self.wait(GATHER);
        self.run().unwrap();
    }

    fn wait(&mut self, duration: Duration) {
        let transport = self.owner.transport_mut();
        transport.now = transport.now.after(duration);
    }

    fn queue_frames(&mut self, tags: std::ops::Range<u8>) {
        for tag in tags {
            self.upper.frames.push_back(frame(tag, 40));
        }
    }

    fn sent(&self) -> &[Vec<Vec<u8>>] {
        &self.owner.transport().sent
    }

    fn packet_of(&self, batch: usize, slot: usize) -> [u8; 4] {
        self.sent()[batch][slot][4..8].try_into().unwrap()
    }

    fn count(&self, kind: AnomalyKind) -> u32 {
        self.owner.anomalies().count(kind)
    }

    /// The rule behind all stories: no credit may get lost.
    fn assert_no_leak(&self) {
        assert_eq!(self.owner.leaked_credits(), 0);
    }
}

fn raw(id: u16, body: &[u8]) -> Vec<u8> {
    let mut message = ((body.len() + 4) as u16).to_le_bytes().to_vec();
    message.extend(id.to_le_bytes());
    message.extend(body);
    message
}

fn frame(tag: u8, payload: usize) -> Frame {
    let mut body = vec![0; 20 + payload];
    body[20] = tag;
    Frame::new(0, &raw(0x0004, &body)).unwrap()
}

fn write_mib() -> Vec<u8> {
    raw(0x0006, &[0x06, 0x10, 4, 0, 0x10, 0, 0, 0])
}

fn tx_confirm(packet: [u8; 4], status: u8) -> Vec<u8> {
    let mut body = packet.to_vec();
    body.extend([status, 0, 0, 0]);
    body.extend([0; 12]);
    body
}

#[test]
fn the_chip_speaks_first_and_nothing_is_sent_before() {
    let mut story = Story::unopened();
    story.owner.open(Instant::ZERO);
    story.queue_frames(0..1);
    story.upper.commands.push_back(write_mib());
    story.run().unwrap();
    assert!(story.sent().is_empty());
    story.wait(STARTUP_TIMEOUT);
    assert_eq!(story.run(), Err(RecoveryReason::StartupTimeout));
}

#[test]
fn a_start_with_a_bad_status_or_one_buffer_is_refused() {
    for (buffers, status, firmware_type) in [(30, 1, 2), (1, 0, 2), (30, 0, 5)] {
        let mut story = Story::unopened();
        story.owner.open(Instant::ZERO);
        let mut body = vec![0; 148];
        (body[0], body[8], body[12]) = (buffers, status, firmware_type);
        story.chip_says(&[(0x0801, &body)]);
        assert!(matches!(
            story.run(),
            Err(RecoveryReason::StartupRefused(_))
        ));
    }
}

#[test]
fn a_second_start_in_a_session_is_a_restart_of_the_chip() {
    let mut story = Story::new();
    story.chip_says(&[(0x0801, &[0; 148])]);
    assert_eq!(story.run(), Err(RecoveryReason::Restarted));
}

#[test]
fn frames_travel_in_batches_of_up_to_sixteen_with_consecutive_sequence_numbers() {
    let mut story = Story::new();
    story.queue_frames(0..20);
    story.run_gathered();
    assert_eq!(
        story.sent().iter().map(Vec::len).collect::<Vec<_>>(),
        [16, 4]
    );
    for (n, message) in story.sent().iter().flatten().enumerate() {
        assert_eq!(usize::from(message[3] >> 5), n % 8);
        assert_eq!(message[24], n as u8, "first in, first out");
    }
    story.assert_no_leak();
}

#[test]
fn frames_of_another_size_class_wait_for_the_next_batch_in_order() {
    let mut story = Story::new();
    let sizes = [40, 40, 160, 40];
    for (tag, size) in sizes.into_iter().enumerate() {
        story.upper.frames.push_back(frame(tag as u8, size));
    }
    story.run_gathered();
    story.run_gathered();
    let tags: Vec<Vec<u8>> = story
        .sent()
        .iter()
        .map(|batch| batch.iter().map(|m| m[24]).collect())
        .collect();
    assert_eq!(tags, [vec![0, 1], vec![2], vec![3]]);
    story.assert_no_leak();
}

#[test]
fn a_message_of_the_mcu_travels_alone_and_counts_on_its_own() {
    let mut story = Story::new();
    story.queue_frames(0..3);
    story.run().unwrap();
    story
        .upper
        .commands
        .push_back(raw(0x0C27, &[3, 0, 0, 0, 5, 0, 0, 0]));
    story.queue_frames(10..12);
    story.run().unwrap();
    assert_eq!(story.sent()[1].len(), 1);
    assert_eq!(story.sent()[2].len(), 2);
    assert_eq!(story.sent()[1][0][3] >> 5, 0, "first of its sequence class");
    assert_eq!(
        story.sent()[2][0][3] >> 5,
        3,
        "the other class is not disturbed"
    );
}

#[test]
fn the_last_credit_is_kept_for_a_command() {
    let mut story = Story::with_buffers(4);
    story.queue_frames(0..10);
    story.run().unwrap();
    assert_eq!(story.owner.in_flight(), 3);
    story.upper.commands.push_back(write_mib());
    story.run().unwrap();
    assert_eq!(story.owner.window().outstanding(), 4);
    story.assert_no_leak();
}

#[test]
fn a_command_goes_first_and_shares_the_transfer_with_frames_of_its_class() {
    let mut story = Story::new();
    story.queue_frames(0..2);
    story.upper.commands.push_back(write_mib());
    story.run().unwrap();
    assert_eq!(story.sent()[0].len(), 3);
    assert_eq!(story.sent()[0][0][2], 0x06);
    story.chip_says(&[(0x0406, &[0; 4])]);
    story.run().unwrap();
    assert_eq!(story.upper.answers.len(), 1);
    story.assert_no_leak();
}

#[test]
fn confirms_return_frames_and_credits() {
    let mut story = Story::new();
    story.queue_frames(0..3);
    story.run().unwrap();
    let packets: Vec<_> = (0..3).map(|slot| story.packet_of(0, slot)).collect();
    let single = tx_confirm(packets[1], 0);
    let mut many = vec![2, 0, 0, 0];
    many.extend(tx_confirm(packets[0], 0));
    many.extend(tx_confirm(packets[2], 6));
    story.chip_says(&[(0x0404, &single), (0x041E, &many)]);
    story.run().unwrap();
    assert_eq!(
        story
            .upper
            .confirmed
            .iter()
            .map(|(tag, _)| *tag)
            .collect::<Vec<_>>(),
        [1, 0, 2]
    );
    assert_eq!(story.owner.window().outstanding(), 0);
    assert_eq!(story.owner.anomalies().total(), 0);
}

#[test]
fn a_confirm_that_comes_twice_or_is_made_up_is_counted_and_changes_nothing() {
    let mut story = Story::new();
    story.queue_frames(0..2);
    story.run().unwrap();
    let first = tx_confirm(story.packet_of(0, 0), 0);
    story.chip_says(&[
        (0x0404, &first),
        (0x0404, &first),
        (0x0404, &tx_confirm([200, 0, 0, 0], 0)),
    ]);
    story.run().unwrap();
    assert_eq!(story.upper.confirmed.len(), 1);
    assert_eq!(story.count(AnomalyKind::StalePacketId), 1);
    assert_eq!(story.count(AnomalyKind::PacketIdOutOfRange), 1);
    assert_eq!(story.owner.window().outstanding(), 1);
    story.assert_no_leak();
}

#[test]
fn d41_a_cut_list_of_confirms_confirms_nothing() {
    let mut story = Story::new();
    story.queue_frames(0..2);
    story.run().unwrap();
    let mut many = vec![2, 0, 0, 0];
    many.extend(tx_confirm(story.packet_of(0, 0), 0));
    many.extend(&tx_confirm(story.packet_of(0, 1), 0)[..10]);
    story.chip_says(&[(0x041E, &many)]);
    story.run().unwrap();
    assert!(story.upper.confirmed.is_empty());
    assert_eq!(story.count(AnomalyKind::Truncated), 1);
    assert_eq!(story.owner.window().outstanding(), 2);
}

#[test]
fn confirms_of_commands_must_match() {
    let mut story = Story::new();
    story.chip_says(&[(0x0406, &[0; 4])]);
    story.run().unwrap();
    assert_eq!(story.count(AnomalyKind::ConfirmWithoutRequest), 1);
    story.upper.commands.push_back(write_mib());
    story.run().unwrap();
    story.chip_says(&[(0x040B, &[0; 12]), (0x0406, &[0; 4]), (0x0406, &[0; 4])]);
    story.run().unwrap();
    assert_eq!(story.count(AnomalyKind::ConfirmForOther), 1);
    assert_eq!(story.count(AnomalyKind::ConfirmWithoutRequest), 2);
    assert_eq!(story.upper.answers.len(), 1);
    assert_eq!(story.owner.window().outstanding(), 0);
}

#[test]
fn a_command_without_an_answer_ends_the_session_and_leaks_nothing() {
    let mut story = Story::new();
    story.upper.commands.push_back(write_mib());
    story.run().unwrap();
    story.wait(Duration::from_secs(6));
    assert!(matches!(
        story.run(),
        Err(RecoveryReason::CommandTimeout(_))
    ));
    assert_eq!(story.upper.answers, [Err(CommandError::TimedOut)]);
    story.assert_no_leak();
}

#[test]
fn frames_without_any_confirm_end_the_session() {
    let mut story = Story::new();
    story.queue_frames(0..2);
    story.run().unwrap();
    story.wait(PROGRESS_TIMEOUT);
    assert_eq!(story.run(), Err(RecoveryReason::NoProgress));
    let now = story.owner.transport().now;
    story.owner.close(&mut story.upper, now);
    assert_eq!(
        story.upper.returned,
        [(0, ReturnReason::Closed), (1, ReturnReason::Closed)]
    );
    assert_eq!(story.owner.window().capacity(), 0);
    assert!(story.owner.is_idle());
}

#[test]
fn d23_frames_behind_a_slow_command_get_their_full_time() {
    let mut story = Story::new();
    story.queue_frames(0..1);
    story.upper.commands.push_back(write_mib());
    story.run().unwrap();
    story.wait(Duration::from_secs(5));
    story.run().unwrap();
    // The frames are overdue already, which is nobody's business yet: it must not wake the owner again and again.
    let now = story.owner.transport().now;
    assert!(story.owner.next_deadline().unwrap() > now);
    story.chip_says(&[(0x0406, &[0; 4])]);
    story.run().unwrap();
    story.wait(PROGRESS_TIMEOUT - Duration::from_millis(1));
    story.run().unwrap();
    story.wait(Duration::from_millis(1));
    assert_eq!(story.run(), Err(RecoveryReason::NoProgress));
}

#[test]
fn one_lost_confirm_gives_its_frame_back_and_a_late_one_its_credit() {
    let mut story = Story::new();
    story.queue_frames(0..1);
    story.run().unwrap();
    let lost = story.packet_of(0, 0);
    // Other frames are confirmed all the time.
    for tag in 1..13 {
        story.queue_frames(tag..tag + 1);
        story.run_gathered();
        let batch = story.sent().len() - 1;
        let confirm = tx_confirm(story.packet_of(batch, 0), 0);
        story.chip_says(&[(0x0404, &confirm)]);
        story.run().unwrap();
        story.wait(Duration::from_secs(1));
        story.run().unwrap();
    }
    assert!(story.owner.transport().now.since(Instant::ZERO) > CONFIRM_TIMEOUT);
    assert_eq!(story.upper.returned, [(0, ReturnReason::ConfirmLost)]);
    assert_eq!(story.count(AnomalyKind::LostConfirm), 1);
    assert_eq!(
        story.owner.window().outstanding(),
        1,
        "the chip may still hold the buffer"
    );
    story.chip_says(&[(0x0404, &tx_confirm(lost, 0))]);
    story.run().unwrap();
    assert_eq!(story.count(AnomalyKind::LateConfirm), 1);
    assert_eq!(story.owner.window().outstanding(), 0);
}

#[test]
fn a_wrong_sequence_number_ends_the_session() {
    let mut story = Story::new();
    story.chip_sends(&[raw(0x0805 | 5 << 13, &[0; 8])], None);
    assert!(matches!(
        story.run(),
        Err(RecoveryReason::Sequence { due: 1, got: 5, .. })
    ));
}

#[test]
fn what_was_good_before_the_end_of_the_session_is_handed_up() {
    let mut story = Story::new();
    let good = story.message(0x0804, &[0; 60]);
    story.chip_sends(&[good, raw(0x0804 | 7 << 13, &[0; 60])], None);
    assert!(story.run().is_err());
    assert_eq!((story.upper.received.len(), story.upper.hand_overs), (1, 2));
}

#[test]
fn an_exception_is_outside_the_sequence_and_ends_the_session() {
    let mut story = Story::new();
    story.chip_sends(&[raw(0x0800, &[0; 124])], None);
    assert_eq!(story.run(), Err(RecoveryReason::Exception));
    assert_eq!(story.upper.indications.last(), Some(&0x0800));
}

#[test]
fn unknown_ids_classes_labels_and_interfaces_are_counted() {
    let mut story = Story::new();
    story.chip_says(&[
        (0x0006, &[0; 8]),                                  // a chip sends no requests
        (0x0804 | 3 << 6, &[0; 60]),                        // interface 3
        (0x0805 | 15 << 6, &[0; 8]),                        // interface 15
        (0x0C30, &[0; 8]),                                  // too short for a label
        (0x0C30, &[0, 0, 0, 0, 0x77, 0, 0, 0, 0, 0, 0, 0]), // no label
        (0x0C30, &[0, 0, 0, 0, 0xF0, 0, 0, 0, 0, 0, 0, 0]), // good
    ]);
    story.run().unwrap();
    assert_eq!(story.count(AnomalyKind::UnknownMessage), 1);
    assert_eq!(story.count(AnomalyKind::UnknownInterface), 2);
    assert_eq!(story.count(AnomalyKind::Truncated), 1);
    assert_eq!(story.count(AnomalyKind::McuLabel), 1);
    assert!(story.upper.received.is_empty());
    assert_eq!(story.upper.indications, [0x0801, 0x0C30]);
}

#[test]
fn a_confirm_with_an_impossible_interface_still_returns_its_credit() {
    let mut story = Story::new();
    story.queue_frames(0..1);
    story.run().unwrap();
    let confirm = tx_confirm(story.packet_of(0, 0), 0);
    story.chip_says(&[(0x0404 | 9 << 6, &confirm)]);
    story.run().unwrap();
    assert_eq!(story.owner.window().outstanding(), 0);
    assert_eq!(story.count(AnomalyKind::UnknownInterface), 1);
}

#[test]
fn a_defect_behind_good_messages_is_counted_and_they_count() {
    let mut story = Story::new();
    let good = story.message(0x0804, &[0; 60]);
    story.chip_sends(&[good], Some(BurstDefect::BeyondEnd(9999)));
    story.run().unwrap();
    assert_eq!(story.upper.received.len(), 1);
    assert_eq!(story.count(AnomalyKind::BurstDefect), 1);
}

#[test]
fn a_lost_interrupt_is_made_up_for_by_polling_while_an_answer_is_due() {
    let mut story = Story::new();
    story.queue_frames(0..1);
    story.run().unwrap();
    let confirm = tx_confirm(story.packet_of(0, 0), 0);
    story.chip_says(&[(0x0404, &confirm)]);
    story.owner.transport_mut().interrupt = false;
    story.run().unwrap();
    assert!(
        story.upper.confirmed.is_empty(),
        "not looked at before the period is over"
    );
    assert!(story.owner.next_deadline().unwrap() <= story.owner.transport().now.after(POLL_BUSY));
    story.wait(POLL_BUSY);
    story.run().unwrap();
    assert_eq!(story.upper.confirmed.len(), 1);
    assert_eq!(story.count(AnomalyKind::LostInterrupt), 1);
}

#[test]
fn a_lost_interrupt_in_the_middle_of_reception_costs_no_second() {
    let mut story = Story::new();
    story.chip_says(&[(0x0804, &[0; 60])]);
    story.run().unwrap();
    story.chip_says(&[(0x0804, &[0; 60])]);
    story.owner.transport_mut().interrupt = false;
    story.wait(POLL_BUSY);
    story.run().unwrap();
    assert_eq!(story.upper.received.len(), 2);
    // Once it is quiet, looking costs little.
    story.wait(Duration::from_secs(2));
    story.run().unwrap();
    let rest = story.owner.next_deadline().unwrap();
    assert!(rest.since(story.owner.transport().now) >= Duration::from_millis(500));
}

#[test]
fn a_spurious_interrupt_costs_one_look() {
    let mut story = Story::new();
    let looks = story.owner.transport().looks;
    story.owner.transport_mut().interrupt = true;
    story.run().unwrap();
    assert_eq!(story.owner.transport().looks, looks + 1);
    assert_eq!(story.owner.anomalies().total(), 0);
}

#[test]
fn an_undecided_chip_is_looked_at_again_and_not_for_ever() {
    let mut story = Story::new();
    for _ in 0..100 {
        story
            .owner
            .transport_mut()
            .bursts
            .push_back(Ok(Reception::Unsettled));
    }
    story.owner.transport_mut().interrupt = true;
    let looks = story.owner.transport().looks;
    story.run().unwrap();
    for _ in 0..100 {
        story.wait(Duration::from_millis(1));
        story.run().unwrap();
    }
    assert!(story.count(AnomalyKind::Unsettled) >= 1);
    assert!(
        story.owner.transport().looks - looks < 80,
        "it rests in between"
    );
}

#[test]
fn a_chip_that_never_stops_talking_does_not_hold_its_caller() {
    let mut story = Story::new();
    let full: [(u16, &[u8]); 16] = [(0x0804, &[0; 60]); 16];
    for _ in 0..1000 {
        story.chip_says(&full);
    }
    assert_eq!(story.run(), Ok(Work::More));
    assert!(story.upper.received.len() < 16_000);
    while story.run() == Ok(Work::More) {}
    assert_eq!(story.upper.received.len(), 16_000);
}

#[test]
fn a_dead_bus_ends_the_session_and_every_frame_comes_back() {
    let mut story = Story::new();
    story.queue_frames(0..5);
    story.upper.commands.push_back(write_mib());
    story.owner.transport_mut().fail_send = true;
    assert!(matches!(story.run(), Err(RecoveryReason::Transport(_))));
    story.owner.close(&mut story.upper, Instant::ZERO);
    assert_eq!(story.upper.returned.len(), 5);
    assert_eq!(story.upper.answers, [Err(CommandError::Closed)]);
    assert_eq!(story.owner.leaked_credits(), 0);
}

#[test]
fn a_new_session_starts_with_fresh_credits_and_sequence_numbers() {
    let mut story = Story::new();
    story.queue_frames(0..3);
    story.run().unwrap();
    let old = story.packet_of(0, 0);
    story.owner.close(&mut story.upper, Instant::ZERO);
    story.owner.open(Instant::ZERO);
    story.sequence = [0; 2];
    let mut startup = vec![0; 148];
    (startup[0], startup[12]) = (8, 2);
    story.chip_says(&[(0x0801, &startup), (0x0404, &tx_confirm(old, 0))]);
    story.run().unwrap();
    assert_eq!(story.count(AnomalyKind::StalePacketId), 1);
    story.queue_frames(0..1);
    story.run().unwrap();
    assert_eq!(story.sent().last().unwrap()[0][3] >> 5, 0);
    assert_eq!(story.owner.window().outstanding(), 1);
}

#[test]
fn nothing_is_read_or_sent_while_the_chip_sleeps() {
    let mut story = Story::new();
    story.owner.set_awake(false);
    let looks = story.owner.transport().looks;
    story.queue_frames(0..1);
    story.chip_says(&[(0x0805, &[0; 8])]);
    story.run().unwrap();
    assert!(story.sent().is_empty());
    assert_eq!(story.owner.transport().looks, looks);
    assert_eq!(story.owner.next_deadline(), None);
    story.owner.set_awake(true);
    story.run().unwrap();
    assert_eq!(story.sent().len(), 1);
    assert_eq!(
        story.upper.indications.last(),
        Some(&0x0805),
        "the interrupt was not forgotten"
    );
}

#[test]
fn a_small_batch_waits_for_confirms_while_the_air_has_work() {
    let mut story = Story::with_buffers(20);
    story.queue_frames(0..40);
    story.run().unwrap();
    assert_eq!(
        story.owner.in_flight(),
        16,
        "three more credits are not worth a transfer"
    );
    let confirm = tx_confirm(story.packet_of(0, 0), 0);
    story.chip_says(&[(0x0404, &confirm)]);
    let batches = story.sent().len();
    story.run().unwrap();
    assert_eq!(story.sent().len(), batches, "nor are four");
    for slot in 1..10 {
        let confirm = tx_confirm(story.packet_of(0, slot), 0);
        story.chip_says(&[(0x0404, &confirm)]);
    }
    story.run().unwrap();
    assert!(story.sent()[batches].len() >= 8);
}

#[test]
fn a_single_frame_waits_for_company_while_the_chip_has_another() {
    let mut story = Story::new();
    story.queue_frames(0..1);
    story.run().unwrap();
    assert_eq!(story.sent().len(), 1, "an idle chip gets it at once");
    let end = Instant::ZERO.after(GATHER);
    for tag in 1..4 {
        story.wait(GATHER / 8);
        story.queue_frames(tag..tag + 1);
        story.run().unwrap();
        assert_eq!(story.sent().len(), 1);
        assert_eq!(story.owner.next_deadline(), Some(end));
    }
    story.wait(GATHER);
    story.run().unwrap();
    assert_eq!(story.sent().len(), 2);
    assert_eq!(story.sent()[1].len(), 3, "in one transfer");
    assert_ne!(story.owner.next_deadline(), Some(end));
}

#[test]
fn a_confirm_or_a_full_batch_or_a_command_ends_the_wait_for_company() {
    let waiting = || {
        let mut story = Story::new();
        story.queue_frames(0..1);
        story.run().unwrap();
        story.queue_frames(1..2);
        story.run().unwrap();
        assert_eq!(story.sent().len(), 1);
        story
    };
    let mut story = waiting();
    let confirm = tx_confirm(story.packet_of(0, 0), 0);
    story.chip_says(&[(0x0404, &confirm)]);
    story.run().unwrap();
    assert_eq!(story.sent().len(), 2, "the chip has nothing else to do");
    let mut story = waiting();
    story.queue_frames(2..9);
    story.run().unwrap();
    assert_eq!(story.sent()[1].len(), 8, "worth a transfer");
    let mut story = waiting();
    story.upper.commands.push_back(write_mib());
    story.run().unwrap();
    assert_eq!(story.sent().len(), 2, "goes along or right behind");
}

#[test]
fn a_frame_that_fits_no_slot_comes_back_and_costs_no_credit() {
    let mut story = Story::new();
    let mut bad = frame(1, 40);
    bad.bytes_mut()[..2].copy_from_slice(&4000_u16.to_le_bytes());
    story.upper.frames.push_back(bad);
    story.queue_frames(2..3);
    story.run().unwrap();
    assert_eq!(story.upper.returned, [(1, ReturnReason::Unsendable)]);
    assert_eq!(story.owner.window().outstanding(), 1);
}

#[test]
fn the_doorbell_is_all_that_another_context_may_touch() {
    // The owner is Send: it can live in a thread. What others hold is the doorbell.
    fn is_send<T: Send>(_: &T) {}
    let story = Story::new();
    is_send(&story.owner);
    let bell = std::sync::Arc::new(bes_hal::doorbell::Doorbell::new());
    let theirs = bell.clone();
    let woken = std::thread::spawn(move || theirs.ring(Reasons::INTERRUPT))
        .join()
        .unwrap();
    assert!(woken && bell.answer().has(Reasons::INTERRUPT));
}
