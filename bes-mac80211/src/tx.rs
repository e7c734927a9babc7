//! Frames on their way down: what is checked at the entrance, how a TRANSMIT message is made around a frame, and how
//! the frame and its status come out again.
//!
//! ```text
//!   check ──► queue ──► prepare ──► chip ──► confirmed ──► status, or back to the queue
//!                                      └───► returned  ──► status
//! ```
//!
//! ```text
//!   │ header 24 │ shift 0/2 │ 802.11 header, room, body │ trailer 0..16 │ time stamp 0/4 │
//!                           └──── as the stack gave it ─┘
//! ```
//!
//! The message is made in place: header and shift in front, the room for the cipher's trailer behind. The time stamp is
//! not part of the message; the bus sends it along where it is (file 20, section 2.6). All of it is taken off again, so
//! that the stack gets its frame back byte for byte.
//!
//! Source: file 30, sections 3.1 to 3.5 and 3.11, without D5 to D8, D24 and D37; file 20, section 12.

use crate::cipher::{Room, MAX_TRAILER};
use crate::mpdu::{is_block_ack_action, is_eapol, FrameControl};
use crate::queue::{Admission, Queued};
use crate::rate::RateSeries;
use crate::rate_policy::Policy;
use crate::types::{AccessCategory, TxInfo};
use bes_hal::frame::{NoRoom, TxFrame};
use bes_wsm::client::{Outgoing, ReturnReason};
use bes_wsm::wire::tx::{
    EptaPriority, HtFormat, HtTxParameters, TransmitConfirm, TransmitHeader, TxFlags, SHIFT_LEN,
    TRANSMIT_HEADER_LEN,
};
use bes_wsm::wire::{PacketId, RateId, RatePolicyIndex, Status, Tu, MAX_MESSAGE_LEN};
use core::fmt;

/// Room in front of a frame that the stack has to leave, in bytes.
pub const HEADROOM: usize = TRANSMIT_HEADER_LEN.wrapping_add(SHIFT_LEN);

/// Room behind a frame that the stack has to leave: the longest trailer and the time stamp, in bytes.
pub const TAILROOM: usize = MAX_TRAILER.wrapping_add(TIME_STAMP);

const TIME_STAMP: usize = 4;

/// Shortest frame that is sent, in bytes: frame control, duration, receiver. The chip reads no further in a control
/// frame.
const MIN_FRAME: usize = 10;

/// How often the chip may give the same frame back unsent (file 30, section 3.6).
const MAX_REQUEUES: u8 = 5;

/// Why a frame is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TxRefused {
    /// A block-ack action frame: the chip negotiates block ack itself, so the stack must not (file 30, section 3.1,
    /// step 10).
    BlockAck,
    /// Shorter than its header and the room its cipher needs.
    TooShort,
    /// Longer than the bus carries.
    TooLong,
    /// The queue is full; the stack was told to stop.
    QueueFull,
    /// There is no such interface, or it may not send now.
    NotRunning,
    /// The frame is for another network than the one that was joined (file 30, section 3.6).
    NotJoined,
    /// Too little room in front of the frame or behind it: [`HEADROOM`], [`TAILROOM`].
    NoRoom,
}

impl fmt::Display for TxRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BlockAck => "block ack is the chip's business",
            Self::TooShort => "shorter than its header",
            Self::TooLong => "longer than the bus carries",
            Self::QueueFull => "queue full",
            Self::NotRunning => "not running",
            Self::NotJoined => "for another network",
            Self::NoRoom => "no room around the frame",
        })
    }
}

/// Why an accepted frame was given back without having been sent, or without anybody knowing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TxDrop {
    /// It could not be sent after all.
    Refused(TxRefused),
    /// It waited too long.
    Expired,
    /// Its interface was flushed or removed, or the device was stopped.
    Flushed,
    /// The chip gave it back unsent too often.
    Requeued,
    /// The chip never confirmed it.
    ConfirmLost,
    /// The session with the chip ended.
    Closed,
    /// It fits into no slot of the bus.
    Unsendable,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TxOutcome {
    /// Sent, and acknowledged if it had to be.
    Acked,
    /// Sent, and not acknowledged, or not sent at all, for the chip's reason.
    Failed(Status),
    /// Not known to have been sent.
    Dropped(TxDrop),
}

/// What the stack learns about a frame that it gets back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxStatus {
    /// What became of it.
    pub outcome: TxOutcome,
    /// The rates that were tried, and how often: a beginning of the list that the frame went out with.
    pub rates: RateSeries,
    /// Rate of the last attempt, as the chip reports it.
    pub final_rate: Option<RateId>,
    /// Attempts without an acknowledgement.
    pub ack_failures: u8,
    /// It was part of an A-MPDU.
    pub aggregated: bool,
}

impl TxStatus {
    /// The status of a frame that did not reach the air.
    pub const fn dropped(reason: TxDrop) -> Self {
        Self {
            outcome: TxOutcome::Dropped(reason),
            rates: RateSeries::EMPTY,
            final_rate: None,
            ack_failures: 0,
            aggregated: false,
        }
    }

    /// Whether it was acknowledged.
    pub const fn is_acked(&self) -> bool {
        matches!(self.outcome, TxOutcome::Acked)
    }
}

/// What travels with a frame through the chip: how to take the message off it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxTag {
    /// What the stack said about the frame.
    pub info: TxInfo,
    /// What its bytes say about it.
    pub outline: Outline,
    /// Its place in the queue.
    pub admission: Admission,
    /// The policy that it uses, to be released when it is back.
    pub policy: RatePolicyIndex,
    /// The rates of the policy.
    pub rates: RateSeries,
    /// Bytes in front of it.
    offset: u8,
}

/// Circumstances of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxContext {
    /// The connection uses HT greenfield.
    pub greenfield: bool,
    /// Tell the chip how urgent a frame is against Bluetooth.
    pub bluetooth: bool,
    /// For the time stamp: milliseconds since the start.
    pub millis: u64,
}

/// What the bytes of a frame say about how it is sent. They are looked at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Length of the frame as the stack gave it, in bytes.
    pub len: u16,
    /// Room that its cipher needs behind it, in bytes.
    trailer: u8,
    /// How urgent it is against Bluetooth.
    priority: EptaPriority,
}

impl Outline {
    /// Looks at a frame.
    #[inline]
    pub fn of(frame: &[u8], info: &TxInfo) -> Self {
        let control = FrameControl::of(frame);
        let room = Room::for_frame(control, info.key);
        Self {
            len: u16::try_from(frame.len()).unwrap_or(u16::MAX),
            trailer: u8::try_from(room.trailer).unwrap_or(u8::MAX),
            priority: priority(frame, control, info.access_category, room.header),
        }
    }
}

/// Whether a frame can be sent at all. It is looked at once, at the entrance.
///
/// # Errors
///
/// [`TxRefused::TooShort`], [`TxRefused::TooLong`], [`TxRefused::BlockAck`].
#[inline]
pub fn check(frame: &[u8], info: &TxInfo) -> Result<Outline, TxRefused> {
    let control = FrameControl::of(frame);
    let room = Room::for_frame(control, info.key);
    let needed = if control.is_control() {
        MIN_FRAME
    } else {
        control.header_len().saturating_add(room.header)
    };
    if frame.len() < needed {
        return Err(TxRefused::TooShort);
    }
    let message = frame
        .len()
        .saturating_add(HEADROOM)
        .saturating_add(room.trailer);
    if message > MAX_MESSAGE_LEN {
        return Err(TxRefused::TooLong);
    }
    if is_block_ack_action(frame, room.header) {
        return Err(TxRefused::BlockAck);
    }
    Ok(Outline::of(frame, info))
}

/// Makes the TRANSMIT message around a frame, but for the packet id and the sequence number.
///
/// # Errors
///
/// The frame as it was, and why it cannot be sent; its policy is the caller's to release.
#[inline]
pub fn prepare<F: TxFrame>(
    queued: Queued<F>,
    policy: &Policy,
    context: &TxContext,
) -> Result<Outgoing<F, TxTag>, (Queued<F>, TxRefused)> {
    let mut queued = queued;
    match encapsulate(&mut queued, policy, context) {
        Ok(tag) => Ok(Outgoing {
            frame: queued.frame,
            tag,
            queue: queued.admission.queue.access_category.number(),
            interface: queued.admission.queue.interface,
            link: queued.info.link.raw(),
        }),
        Err(refused) => Err((queued, refused)),
    }
}

/// The same where the frame is. Leaves it as it was if it fails.
#[inline]
pub(crate) fn encapsulate<F: TxFrame>(
    queued: &mut Queued<F>,
    policy: &Policy,
    context: &TxContext,
) -> Result<TxTag, TxRefused> {
    let Queued {
        frame,
        info,
        outline,
        admission,
    } = queued;
    let (info, outline, admission) = (*info, *outline, *admission);
    let trailer = usize::from(outline.trailer);
    // The chip's bus master wants the 802.11 header on a multiple of 4 in host memory, as the transfer starts with the
    // message. At an odd address nothing helps, and the bus has to copy.
    let shifted = frame.bytes().as_ptr().addr() & 3 == 2;
    let (offset, front) = if shifted {
        const { (shorten(HEADROOM), HEADROOM) }
    } else {
        const { (shorten(TRANSMIT_HEADER_LEN), TRANSMIT_HEADER_LEN) }
    };
    let epta_priority = if context.bluetooth {
        outline.priority
    } else {
        EptaPriority::None
    };
    let header = TransmitHeader {
        interface: admission.queue.interface,
        packet: PacketId::from_raw(0),
        max_rate: policy.max_rate,
        queue: info.access_category.queue(),
        link: info.link,
        flags: TxFlags::new()
            .with_epta_priority(epta_priority)
            .with_policy(policy.index)
            .with_shifted(shifted),
        expire: Tu(0),
        ht: HtTxParameters::new().with_format(ht_format(policy.max_rate, context.greenfield)),
        frame_len: outline.len.saturating_add(u16::from(outline.trailer)),
    };

    // Nobody knows whether the chip reads the time stamp, so a frame without room for it goes without.
    let stamped = frame.put(trailer.saturating_add(TIME_STAMP)).is_ok();
    if !stamped {
        frame.put(trailer).map_err(|NoRoom| TxRefused::NoRoom)?;
    }
    if frame.push(front).is_err() {
        frame.trim(usize::from(outline.len));
        return Err(TxRefused::NoRoom);
    }
    let bytes = frame.bytes_mut();
    if header.write(bytes).is_err() {
        frame.pull(front);
        frame.trim(usize::from(outline.len));
        return Err(TxRefused::TooLong);
    }
    if let (true, Some(stamp)) = (stamped, bytes.last_chunk_mut()) {
        let [a, b, c, d, ..] = context.millis.to_le_bytes();
        *stamp = [a, b, c, d];
    }
    Ok(TxTag {
        info,
        outline,
        admission,
        policy: policy.index,
        rates: policy.series,
        offset,
    })
}

/// A small length as a byte.
const fn shorten(len: usize) -> u8 {
    assert!(len < 256);
    let [low, ..] = len.to_le_bytes();
    low
}

/// HT parameters follow the rate. The C driver took a flag of the rate table for the MCS bit and marked most legacy
/// rates as HT (file 30, D37).
const fn ht_format(rate: RateId, greenfield: bool) -> HtFormat {
    match (rate.is_ht(), greenfield) {
        (false, _) => HtFormat::NonHt,
        (true, false) => HtFormat::Mixed,
        (true, true) => HtFormat::Greenfield,
    }
}

/// How urgent a frame is against Bluetooth (file 20, section 4.3).
#[inline]
fn priority(
    frame: &[u8],
    control: FrameControl,
    access_category: AccessCategory,
    iv: usize,
) -> EptaPriority {
    if is_eapol(frame, iv) {
        EptaPriority::Eapol
    } else if !control.is_data() {
        EptaPriority::Management
    } else {
        match access_category {
            AccessCategory::Voice => EptaPriority::Voice,
            AccessCategory::Video => EptaPriority::Management,
            AccessCategory::BestEffort | AccessCategory::Background => EptaPriority::Data,
        }
    }
}

/// Takes everything off a frame that [`prepare`] put around it.
#[inline]
fn restore<F: TxFrame>(frame: &mut F, tag: &TxTag) {
    frame.pull(usize::from(tag.offset));
    frame.trim(usize::from(tag.outline.len));
}

/// What to do with a frame whose confirm has come. In both cases the policy in its tag is to be released.
#[derive(Debug, PartialEq, Eq)]
pub enum Confirmed<F> {
    /// Give it back to the stack.
    Done(F, TxStatus),
    /// Put it back into its queue: the chip has not sent it (file 30, section 3.12). The link, or multicast if it is
    /// link 0, takes no frames for now.
    Requeue(Queued<F>),
}

/// The chip confirmed a frame.
#[inline]
pub fn confirmed<F: TxFrame>(mut frame: F, tag: &TxTag, confirm: &TransmitConfirm) -> Confirmed<F> {
    restore(&mut frame, tag);
    if confirm.status == Status::Requeue && confirm.flags.requeue() {
        if tag.admission.requeues >= MAX_REQUEUES {
            return Confirmed::Done(frame, TxStatus::dropped(TxDrop::Requeued));
        }
        return Confirmed::Requeue(Queued {
            frame,
            info: tag.info,
            outline: tag.outline,
            admission: tag.admission,
        });
    }
    let failures = u32::from(confirm.ack_failures);
    let acked = confirm.status.is_success();
    // The acknowledged attempt is not among the failures; a failed frame without any was never sent.
    let attempts = if acked || failures > 0 {
        failures.saturating_add(1)
    } else {
        0
    };
    let status = TxStatus {
        outcome: if acked {
            TxOutcome::Acked
        } else {
            TxOutcome::Failed(confirm.status)
        },
        rates: tag.rates.used(attempts),
        final_rate: confirm.rate.known(),
        ack_failures: confirm.ack_failures,
        aggregated: confirm.flags.aggregated(),
    };
    Confirmed::Done(frame, status)
}

/// A frame came back without a confirm. The policy in its tag is to be released.
pub fn returned<F: TxFrame>(mut frame: F, tag: &TxTag, reason: ReturnReason) -> (F, TxStatus) {
    restore(&mut frame, tag);
    let reason = match reason {
        ReturnReason::ConfirmLost => TxDrop::ConfirmLost,
        ReturnReason::Closed => TxDrop::Closed,
        ReturnReason::Unsendable => TxDrop::Unsendable,
    };
    (frame, TxStatus::dropped(reason))
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use crate::queue::{Limits, TxQueues};
    use crate::rate::{RateIndex, TxRate};
    use crate::rate_policy::{Acquisition, RatePolicies};
    use crate::types::{Band, Cipher, HardwareKey, LinkId};
    use bes_hal::frame::ArrayFrame;
    use bes_hal::memory::Heap;
    use bes_hal::Instant;
    use bes_wsm::wire::tx::TxConfirmFlags;
    use bes_wsm::wire::{InterfaceId, ReportedRate};
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

    fn queued<F: TxFrame>(frame: F, info: TxInfo) -> Queued<F> {
        let mut queues = TxQueues::new(&mut Heap, 16, Limits::DEFAULT).unwrap();
        assert!(queues
            .push(InterfaceId::Zero, frame, info, Instant::ZERO)
            .is_ok());
        let fifo = queues.waiting().next().unwrap();
        queues.pop(fifo).unwrap()
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

    fn status<F: TxFrame>(outgoing: Outgoing<F, TxTag>, confirm: &TransmitConfirm) -> TxStatus {
        match confirmed(outgoing.frame, &outgoing.tag, confirm) {
            Confirmed::Done(_, status) => status,
            Confirmed::Requeue(_) => panic!("requeued"),
        }
    }

    #[test]
    fn the_worked_example_is_made() {
        let frame = Placed(placed(&example(), 0));
        let queued = queued(frame, info());
        let outgoing = prepare(queued, &policy(1, &[mcs(7, 4)]), &CONTEXT).unwrap();
        assert_eq!((outgoing.queue, outgoing.link), (2, 0));
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
            let queued = queued(Placed(placed(&example(), rest)), info());
            let outgoing = prepare(queued, &policy(0, &[mcs(7, 4)]), &CONTEXT).unwrap();
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
        let queued = queued(Placed(frame), info);
        let outgoing = prepare(queued, &policy(0, &[mcs(7, 1)]), &CONTEXT).unwrap();
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
                let outgoing =
                    prepare(queued(frame, info), &policy(0, &[mcs(7, 4)]), &CONTEXT).unwrap();
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
            let outgoing = prepare(queued(frame, info()), &policy, &CONTEXT).unwrap();
            let header = TransmitHeader::parse(outgoing.frame.bytes()).unwrap();
            assert_eq!(header.ht.format(), HtFormat::NonHt, "legacy rate {index}");
        }
        let context = TxContext {
            greenfield: true,
            ..CONTEXT
        };
        let frame = Frame::new(40, &example()).unwrap();
        let outgoing = prepare(queued(frame, info()), &policy(0, &[mcs(0, 4)]), &context).unwrap();
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
            let outgoing =
                prepare(queued(frame, info), &policy(5, &[mcs(7, 1)]), &context).unwrap();
            let header = TransmitHeader::parse(outgoing.frame.bytes()).unwrap();
            assert_eq!(header.queue, ac.queue());
            assert_eq!(header.link, link);
            assert_eq!(header.flags.policy().raw(), 5);
            assert_eq!(header.flags.epta_priority(), expected);
            assert_eq!(outgoing.queue, ac.number());
        }
    }

    #[test]
    fn without_bluetooth_no_priority_is_sent() {
        let frame = Frame::new(40, &example()).unwrap();
        let outgoing = prepare(queued(frame, info()), &policy(0, &[mcs(7, 1)]), &CONTEXT).unwrap();
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
        let (back, refused) =
            prepare(queued(frame, info), &policy(0, &[mcs(7, 1)]), &CONTEXT).unwrap_err();
        assert_eq!(
            (back.frame.bytes(), refused),
            (&content[..], TxRefused::NoRoom)
        );
        // No room behind for the trailer.
        let frame = ArrayFrame::<134>::new(30, &content).unwrap();
        let (back, refused) =
            prepare(queued(frame, info), &policy(0, &[mcs(7, 1)]), &CONTEXT).unwrap_err();
        assert_eq!(
            (back.frame.bytes(), refused),
            (&content[..], TxRefused::NoRoom)
        );
        // Room for the trailer, not for the time stamp: that is good enough.
        let frame = ArrayFrame::<138>::new(30, &content).unwrap();
        let outgoing = prepare(queued(frame, info), &policy(0, &[mcs(7, 1)]), &CONTEXT).unwrap();
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
            prepare(queued(frame, info()), &policy, &CONTEXT).unwrap()
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
        let outgoing = prepare(queued(frame, info()), &policy(0, &[mcs(7, 1)]), &CONTEXT).unwrap();
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
        let mut queues = TxQueues::new(&mut Heap, 16, Limits::DEFAULT).unwrap();
        let frame = Frame::new(40, &example()).unwrap();
        queues
            .push(InterfaceId::Zero, frame, info(), Instant::ZERO)
            .unwrap();
        let fifo = queues.waiting().next().unwrap();
        let answer = TransmitConfirm {
            flags: TxConfirmFlags::new().with_requeue(true),
            ..confirm(Status::Requeue, 0)
        };
        let policy = policy(0, &[mcs(7, 1)]);
        for _ in 0..MAX_REQUEUES {
            let outgoing = prepare(queues.pop(fifo).unwrap(), &policy, &CONTEXT).unwrap();
            let Confirmed::Requeue(queued) = confirmed(outgoing.frame, &outgoing.tag, &answer)
            else {
                panic!("not requeued");
            };
            assert_eq!(queued.frame.bytes(), example());
            queues.requeue(queued).unwrap();
        }
        let outgoing = prepare(queues.pop(fifo).unwrap(), &policy, &CONTEXT).unwrap();
        let done = status(outgoing, &answer);
        assert_eq!(done.outcome, TxOutcome::Dropped(TxDrop::Requeued));
    }

    #[test]
    fn requeue_without_its_flag_is_a_failure() {
        let frame = Frame::new(40, &example()).unwrap();
        let outgoing = prepare(queued(frame, info()), &policy(0, &[mcs(7, 1)]), &CONTEXT).unwrap();
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
            match prepare(queued(frame, info), &policy, &CONTEXT) {
                Ok(outgoing) => {
                    let header = TransmitHeader::parse(outgoing.frame.bytes()).unwrap();
                    let at = header.frame_offset();
                    prop_assert_eq!(&outgoing.frame.bytes()[at..at + content.len()], &content[..]);
                    let back = if confirm_it {
                        match confirmed(outgoing.frame, &outgoing.tag, &confirm(Status::Success, 2)) {
                            Confirmed::Done(frame, _) => frame,
                            Confirmed::Requeue(queued) => queued.frame,
                        }
                    } else {
                        returned(outgoing.frame, &outgoing.tag, ReturnReason::ConfirmLost).0
                    };
                    prop_assert_eq!(back.bytes(), &content[..]);
                }
                Err((queued, refused)) => {
                    prop_assert_eq!(refused, TxRefused::NoRoom);
                    prop_assert!(headroom < HEADROOM);
                    prop_assert_eq!(queued.frame.bytes(), &content[..]);
                }
            }
        }
    }
}
