//! Tests of what is put around a frame, and of what becomes of it.

use super::*;
use crate::queue::{Departed, Departure, FifoId, FrameNumber, Limits, Loader, TxQueues};
use crate::rate::RateSeries;
use crate::rate::{RateIndex, TxRate};
use crate::rate_policy::{Acquisition, RatePolicies};
use crate::tx::{check, Outline, HEADROOM};
use crate::types::{AccessCategory, Band, Cipher, HardwareKey, LinkId, TxInfo};
use bes_hal::frame::ArrayFrame;
use bes_hal::memory::Heap;
use bes_hal::Instant;
use bes_wsm::wire::tx::{EptaPriority, TxConfirmFlags};
use bes_wsm::wire::{InterfaceId, RatePolicyIndex, ReportedRate, Status};
use proptest::prelude::*;

type Frame = ArrayFrame<1700>;

const CONTEXT: TxContext = TxContext {
    greenfield: false,
    bluetooth: false,
    millis: 0x0001_2345,
};

/// The example of file 20, section 20.7, from its third line on.
fn example() -> Vec<u8> {
    let mut frame = vec![0x08, 0x01, 0, 0];
    for address in [
        [0x00, 0x1a, 0x2b, 0x3c, 0x4d, 0x5e],
        [0x02, 0x11, 0x22, 0x33, 0x44, 0x55],
        [0x00, 0x1a, 0x2b, 0x3c, 0x4d, 0x5f],
    ] {
        frame.extend(address);
    }
    frame.extend([0x10, 0x00, 0xaa, 0xaa, 0x03, 0, 0, 0, 0x08, 0x00]);
    frame.extend(0..68);
    frame
}

/// A frame whose first byte lies at an address that is `rest` modulo 4, with `tail` bytes behind it.
fn placed(content: &[u8], rest: usize) -> Box<Frame> {
    let mut frame = Box::new(Frame::new(40, content).unwrap());
    // The box does not move, so the address stays what it is.
    let have = frame.bytes().as_ptr().addr() & 3;
    *frame = Frame::new(40 + (rest + 4 - have) % 4, content).unwrap();
    assert_eq!(frame.bytes().as_ptr().addr() & 3, rest);
    frame
}

/// A frame that can be put into a box: its address must not change.
#[derive(Debug)]
struct Placed(Box<Frame>);

impl TxFrame for Placed {
    fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.bytes_mut()
    }
    fn push(&mut self, count: usize) -> Result<(), NoRoom> {
        self.0.push(count)
    }
    fn pull(&mut self, count: usize) {
        self.0.pull(count);
    }
    fn put(&mut self, count: usize) -> Result<(), NoRoom> {
        self.0.put(count)
    }
    fn trim(&mut self, len: usize) {
        self.0.trim(len);
    }
}

/// A frame as it lies in its place: with what is known about it.
#[derive(Debug)]
struct Out<F> {
    frame: F,
    record: Record,
}

/// The frame, ready to be sent; or as it was, and why not.
fn prepare<F: TxFrame>(
    frame: F,
    info: TxInfo,
    policy: &Policy,
    context: &TxContext,
) -> Result<Out<F>, (F, TxRefused)> {
    let fifo = FifoId::new(InterfaceId::Zero, info.access_category);
    let outline = Outline::of(frame.bytes(), &info);
    let record = Record::new(fifo, info, outline, 0, Instant::ZERO);
    let mut out = Out { frame, record };
    let template = template(fifo, policy, context);
    match encapsulate(&mut out.frame, &mut out.record, policy, &template, context) {
        Ok(()) => Ok(out),
        Err(refused) => Err((out.frame, refused)),
    }
}

fn info() -> TxInfo {
    TxInfo::new(AccessCategory::BestEffort, Band::TwoPointFourGhz)
}

fn policy(index: u8, rates: &[TxRate]) -> Policy {
    let mut policies = RatePolicies::new();
    let series = RateSeries::new(rates);
    let band = Band::TwoPointFourGhz;
    assert_eq!(policies.acquire(series, band), Acquisition::NeedsUpload);
    let upload = policies.upload().unwrap();
    policies.upload_confirmed(&upload);
    let Acquisition::Ready(policy) = policies.acquire(series, band) else {
        panic!("no policy");
    };
    let index = RatePolicyIndex::new(index).unwrap();
    Policy { index, ..policy }
}

fn mcs(index: u8, count: u8) -> TxRate {
    TxRate {
        index: RateIndex::Mcs(index),
        count,
    }
}

fn legacy(index: u8, count: u8) -> TxRate {
    TxRate {
        index: RateIndex::Legacy(index),
        count,
    }
}

fn key(cipher: Cipher) -> Option<HardwareKey> {
    Some(HardwareKey { cipher, index: 0 })
}

fn confirm(status: Status, ack_failures: u8) -> TransmitConfirm {
    TransmitConfirm {
        packet: PacketId::from_raw(0),
        status,
        rate: ReportedRate::from_raw(21),
        ack_failures,
        flags: TxConfirmFlags::new(),
        media_delay_us: 0,
        queue_delay_us: 0,
    }
}

fn status<F: TxFrame>(out: Out<F>, confirm: &TransmitConfirm) -> TxStatus {
    assert!(!confirm.is_requeue());
    outcome(&out.record, confirm)
}

#[test]
fn the_worked_example_is_made() {
    let frame = Placed(placed(&example(), 0));
    let outgoing = prepare(frame, info(), &policy(1, &[mcs(7, 4)]), &CONTEXT).unwrap();
    let bytes = outgoing.frame.bytes();
    assert_eq!(
        bytes[..24],
        [
            0x7c, 0x00, 0x04, 0x00, 0, 0, 0, 0, 0x15, 0x00, 0x00, 0x10, 0, 0, 0, 0, 0, 0, 0, 0,
            0x01, 0, 0, 0
        ]
    );
    assert_eq!(bytes[24..124], example());
    assert_eq!(bytes[124..], [0x45, 0x23, 0x01, 0x00]);
}

#[test]
fn a_frame_at_2_modulo_4_is_shifted_by_zeroed_bytes() {
    for rest in 0..4 {
        let frame = Placed(placed(&example(), rest));
        let outgoing = prepare(frame, info(), &policy(0, &[mcs(7, 4)]), &CONTEXT).unwrap();
        let header = TransmitHeader::parse(outgoing.frame.bytes()).unwrap();
        assert_eq!(header.flags.shifted(), rest == 2);
        let bytes = outgoing.frame.bytes();
        let offset = header.frame_offset();
        assert_eq!(bytes[24..offset], [0; 2][..offset - 24]);
        assert_eq!(bytes[offset..offset + 100], example());
        assert_eq!(usize::from(bytes[0]), offset + 100);
    }
}

/// File 20, D30.
#[test]
fn d30_what_the_driver_adds_never_holds_foreign_bytes() {
    let mut content = example();
    content[1] |= 0x40;
    let mut frame = placed(&content, 2);
    // What lay around the frame before.
    frame.push(30).unwrap();
    frame.put(30).unwrap();
    frame.bytes_mut()[..30].fill(0xEE);
    frame.bytes_mut()[130..].fill(0xEE);
    frame.pull(30);
    frame.trim(100);
    let info = TxInfo {
        key: key(Cipher::Ccmp),
        ..info()
    };
    let outgoing = prepare(Placed(frame), info, &policy(0, &[mcs(7, 1)]), &CONTEXT).unwrap();
    let bytes = outgoing.frame.bytes();
    assert_eq!(bytes.len(), 26 + 100 + 8 + 4);
    assert_eq!(bytes[24..26], [0; 2]);
    assert_eq!(bytes[126..134], [0; 8]);
    assert!(!bytes[..26].contains(&0xEE));
}

#[test]
fn every_cipher_gets_its_trailer_and_nothing_else_does() {
    for (cipher, trailer) in [
        (Cipher::Wep, 4),
        (Cipher::Tkip, 12),
        (Cipher::Ccmp, 8),
        (Cipher::Wapi, 16),
        (Cipher::AesCmac, 0),
    ] {
        for protected in [false, true] {
            let mut content = example();
            content[1] |= if protected { 0x40 } else { 0 };
            let frame = Frame::new(40, &content).unwrap();
            let info = TxInfo {
                key: key(cipher),
                ..info()
            };
            let outgoing = prepare(frame, info, &policy(0, &[mcs(7, 4)]), &CONTEXT).unwrap();
            let header = TransmitHeader::parse(outgoing.frame.bytes()).unwrap();
            let added = if protected { trailer } else { 0 };
            assert_eq!(header.frame_len, 100 + added);
        }
    }
}

/// File 30, D37.
#[test]
fn d37_legacy_rates_are_never_marked_as_ht() {
    for index in 0..12 {
        let frame = Frame::new(40, &example()).unwrap();
        let policy = policy(0, &[legacy(index, 4)]);
        let outgoing = prepare(frame, info(), &policy, &CONTEXT).unwrap();
        let header = TransmitHeader::parse(outgoing.frame.bytes()).unwrap();
        assert_eq!(header.ht.format(), HtFormat::NonHt, "legacy rate {index}");
    }
    let context = TxContext {
        greenfield: true,
        ..CONTEXT
    };
    let frame = Frame::new(40, &example()).unwrap();
    let outgoing = prepare(frame, info(), &policy(0, &[mcs(0, 4)]), &context).unwrap();
    let header = TransmitHeader::parse(outgoing.frame.bytes()).unwrap();
    assert_eq!(header.ht.format(), HtFormat::Greenfield);
}

#[test]
fn queue_link_and_priority_stand_in_the_header() {
    let context = TxContext {
        bluetooth: true,
        ..CONTEXT
    };
    let mut eapol = example();
    eapol[30..32].copy_from_slice(&[0x88, 0x8E]);
    let mut management = example();
    management[0] = 0xB0;
    for (content, ac, expected) in [
        (example(), AccessCategory::BestEffort, EptaPriority::Data),
        (example(), AccessCategory::Video, EptaPriority::Management),
        (example(), AccessCategory::Voice, EptaPriority::Voice),
        (eapol, AccessCategory::Voice, EptaPriority::Eapol),
        (management, AccessCategory::Voice, EptaPriority::Management),
    ] {
        let link = LinkId::new(7).unwrap();
        let info = TxInfo {
            access_category: ac,
            link,
            ..info()
        };
        let frame = Frame::new(40, &content).unwrap();
        let outgoing = prepare(frame, info, &policy(5, &[mcs(7, 1)]), &context).unwrap();
        let header = TransmitHeader::parse(outgoing.frame.bytes()).unwrap();
        assert_eq!(header.queue, ac.queue());
        assert_eq!(header.link, link);
        assert_eq!(header.flags.policy().raw(), 5);
        assert_eq!(header.flags.epta_priority(), expected);
    }
}

#[test]
fn without_bluetooth_no_priority_is_sent() {
    let frame = Frame::new(40, &example()).unwrap();
    let outgoing = prepare(frame, info(), &policy(0, &[mcs(7, 1)]), &CONTEXT).unwrap();
    let header = TransmitHeader::parse(outgoing.frame.bytes()).unwrap();
    assert_eq!(header.flags.epta_priority(), EptaPriority::None);
}

#[test]
fn a_frame_without_room_comes_back_as_it_was() {
    let info = TxInfo {
        key: key(Cipher::Ccmp),
        ..info()
    };
    let mut content = example();
    content[1] |= 0x40;
    // No room in front.
    let frame = ArrayFrame::<200>::new(20, &content).unwrap();
    let (back, refused) = prepare(frame, info, &policy(0, &[mcs(7, 1)]), &CONTEXT).unwrap_err();
    assert_eq!((back.bytes(), refused), (&content[..], TxRefused::NoRoom));
    // No room behind for the trailer.
    let frame = ArrayFrame::<134>::new(30, &content).unwrap();
    let (back, refused) = prepare(frame, info, &policy(0, &[mcs(7, 1)]), &CONTEXT).unwrap_err();
    assert_eq!((back.bytes(), refused), (&content[..], TxRefused::NoRoom));
    // Room for the trailer, not for the time stamp: that is good enough.
    let frame = ArrayFrame::<138>::new(30, &content).unwrap();
    let outgoing = prepare(frame, info, &policy(0, &[mcs(7, 1)]), &CONTEXT).unwrap();
    let header = TransmitHeader::parse(outgoing.frame.bytes()).unwrap();
    assert_eq!(header.message_len(), outgoing.frame.bytes().len());
}

/// File 30, section 3.1, step 10.
#[test]
fn block_ack_frames_of_the_stack_are_refused() {
    let mut frame = vec![0; 40];
    frame[0] = 0xD0;
    frame[24] = 3;
    assert_eq!(check(&frame, &info()).unwrap_err(), TxRefused::BlockAck);
    frame[24] = 4;
    assert!(check(&frame, &info()).is_ok());
    // The same, protected: the room for the cipher header comes first.
    frame[1] = 0x40;
    frame[32] = 3;
    let info = TxInfo {
        key: key(Cipher::Ccmp),
        ..info()
    };
    assert_eq!(check(&frame, &info).unwrap_err(), TxRefused::BlockAck);
}

#[test]
fn frames_of_impossible_length_are_refused() {
    let mut frame = vec![0x88, 0x41];
    frame.resize(33, 0);
    let info = TxInfo {
        key: key(Cipher::Ccmp),
        ..info()
    };
    assert_eq!(check(&frame, &info).unwrap_err(), TxRefused::TooShort);
    frame.resize(34, 0);
    assert!(check(&frame, &info).is_ok());
    frame.resize(1628 - 26 - 8, 0);
    assert!(check(&frame, &info).is_ok());
    frame.push(0);
    assert_eq!(check(&frame, &info).unwrap_err(), TxRefused::TooLong);
    assert_eq!(check(&[], &info).unwrap_err(), TxRefused::TooShort);
    assert!(check(&[0xA4; 16], &info).is_ok());
}

#[test]
fn attempts_are_reported_in_the_order_of_the_list() {
    let make = || {
        let frame = Frame::new(40, &example()).unwrap();
        let policy = policy(0, &[mcs(7, 3), mcs(4, 2)]);
        prepare(frame, info(), &policy, &CONTEXT).unwrap()
    };
    let done = status(make(), &confirm(Status::Success, 0));
    assert!(done.is_acked());
    assert_eq!(done.rates.to_string(), "MCS7x1");
    let done = status(make(), &confirm(Status::Success, 3));
    assert_eq!(done.rates.to_string(), "MCS7x3 MCS4x1");
    let done = status(make(), &confirm(Status::RetryLimit, 4));
    assert_eq!(done.outcome, TxOutcome::Failed(Status::RetryLimit));
    assert_eq!(done.rates.to_string(), "MCS7x3 MCS4x2");
    let done = status(make(), &confirm(Status::LinkLost, 0));
    assert_eq!(done.rates, RateSeries::EMPTY);
}

/// File 30, D24.
#[test]
fn d24_a_status_says_what_the_confirm_said_and_nothing_old() {
    let frame = Frame::new(40, &example()).unwrap();
    let outgoing = prepare(frame, info(), &policy(0, &[mcs(7, 1)]), &CONTEXT).unwrap();
    let flags = TxConfirmFlags::new().with_aggregated(true);
    let done = status(
        outgoing,
        &TransmitConfirm {
            flags,
            rate: ReportedRate::from_raw(99),
            ..confirm(Status::Success, 0)
        },
    );
    assert_eq!(
        done,
        TxStatus {
            outcome: TxOutcome::Acked,
            rates: RateSeries::single(RateIndex::Mcs(7), 1),
            final_rate: None,
            ack_failures: 0,
            aggregated: true,
        }
    );
}

#[test]
fn a_frame_that_the_chip_could_not_send_goes_back_to_its_queue_a_few_times() {
    let mut queues = TxQueues::<Frame, Heap>::new(&mut Heap, 16, Limits::DEFAULT).unwrap();
    let frame = Frame::new(40, &example()).unwrap();
    let fifo = FifoId::new(InterfaceId::Zero, info().access_category);
    let outline = Outline::of(frame.bytes(), &info());
    queues
        .push(fifo, frame, info(), outline, Instant::ZERO)
        .unwrap();
    let answer = TransmitConfirm {
        flags: TxConfirmFlags::new().with_requeue(true),
        ..confirm(Status::Requeue, 0)
    };
    let policy = policy(0, &[mcs(7, 1)]);
    struct Send(Policy);
    impl Loader<Frame> for Send {
        fn load(&mut self, frame: &mut Frame, record: &mut Record) -> Departure {
            let template = template(record.fifo, &self.0, &CONTEXT);
            encapsulate(frame, record, &self.0, &template, &CONTEXT).unwrap();
            Departure::Go
        }
    }
    let send = |queues: &mut TxQueues<Frame, Heap>| -> (FrameNumber, Frame) {
        let departed = queues.depart(fifo, &mut Send(policy));
        let Departed::Gone { number, frame, .. } = departed else {
            panic!("it does not go");
        };
        (number, frame)
    };
    for _ in 0..MAX_REQUEUES {
        let (number, mut frame) = send(&mut queues);
        let record = *queues.away(number).unwrap();
        assert!(answer.is_requeue() && may_go_back(&record));
        restore(&mut frame, &record);
        assert_eq!(frame.bytes(), example());
        queues.put_back(number, frame).unwrap();
    }
    let (number, _) = send(&mut queues);
    assert!(!may_go_back(queues.away(number).unwrap()));
}

#[test]
fn requeue_without_its_flag_is_a_failure() {
    let frame = Frame::new(40, &example()).unwrap();
    let outgoing = prepare(frame, info(), &policy(0, &[mcs(7, 1)]), &CONTEXT).unwrap();
    let done = status(outgoing, &confirm(Status::Requeue, 0));
    assert_eq!(done.outcome, TxOutcome::Failed(Status::Requeue));
}

proptest! {
    /// Whatever is sent comes back byte for byte, whether it is confirmed or not.
    #[test]
    fn frames_come_back_as_they_went_in(
        content in proptest::collection::vec(any::<u8>(), 0..1500),
        cipher in prop::sample::select(vec![
            None, Some(Cipher::Wep), Some(Cipher::Tkip), Some(Cipher::Ccmp), Some(Cipher::Wapi),
        ]),
        headroom in 20_usize..64,
        confirm_it in any::<bool>(),
    ) {
        let info = TxInfo { key: cipher.and_then(key), ..info() };
        prop_assume!(check(&content, &info).is_ok());
        let frame = Frame::new(headroom, &content).unwrap();
        let policy = policy(3, &[mcs(5, 2), legacy(4, 1)]);
        match prepare(frame, info, &policy, &CONTEXT) {
            Ok(outgoing) => {
                let header = TransmitHeader::parse(outgoing.frame.bytes()).unwrap();
                let at = header.frame_offset();
                prop_assert_eq!(&outgoing.frame.bytes()[at..at + content.len()], &content[..]);
                let Out { mut frame, record } = outgoing;
                if confirm_it {
                    let confirm = confirm(Status::Success, 2);
                    prop_assert!(outcome(&record, &confirm).is_acked());
                }
                restore(&mut frame, &record);
                prop_assert_eq!(frame.bytes(), &content[..]);
            }
            Err((frame, refused)) => {
                prop_assert_eq!(refused, TxRefused::NoRoom);
                prop_assert!(headroom < HEADROOM);
                prop_assert_eq!(frame.bytes(), &content[..]);
            }
        }
    }
}
