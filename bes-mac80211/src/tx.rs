//! Frames on their way down: what is checked at the entrance, and what the stack learns about them at the end.
//!
//! ```text
//!   check ──► queue ──► encapsulate ──► chip ──► judge ──► status, or back to the queue
//!                                         └──► returned ──► status
//! ```
//!
//! Source: file 30, sections 3.1 to 3.5 and 3.11, without D5 to D8, D24 and D37; file 20, section 12.

use crate::cipher::{Room, MAX_TRAILER};
use crate::mpdu::{is_block_ack_action, is_eapol, FrameControl};
use crate::rate::RateSeries;
use crate::types::{AccessCategory, TxInfo};
use bes_wsm::wire::tx::{EptaPriority, TxFlags, SHIFT_LEN, TRANSMIT_HEADER_LEN};
use bes_wsm::wire::{RateId, Status, MAX_MESSAGE_LEN};
use core::fmt;

/// Room in front of a frame that the stack has to leave, in bytes.
pub const HEADROOM: usize = TRANSMIT_HEADER_LEN.wrapping_add(SHIFT_LEN);

/// Room behind a frame that the stack has to leave: the longest trailer and the time stamp, in bytes.
pub const TAILROOM: usize = MAX_TRAILER.wrapping_add(TIME_STAMP);

/// Bytes of the time stamp behind a frame.
pub(crate) const TIME_STAMP: usize = 4;

/// Shortest frame that is sent, in bytes: frame control, duration, receiver. The chip reads no further in a control
/// frame.
const MIN_FRAME: usize = 10;

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

impl fmt::Display for TxDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused(refused) => return refused.fmt(f),
            Self::Expired => "waited too long",
            Self::Flushed => "flushed",
            Self::Requeued => "given back unsent too often",
            Self::ConfirmLost => "never confirmed",
            Self::Closed => "the session ended",
            Self::Unsendable => {
                "longer than the bus of this host carries: let the stack make fragments"
            }
        })
    }
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

/// What the stack learns about a frame that it gets back. Width and guard interval are not among it: rate ids and confirms do not
/// carry them (file 20, sections 4.3 and 12.5).
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

/// What the bytes of a frame say about how it is sent. They are looked at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Length of the frame as the stack gave it, in bytes.
    pub len: u16,
    /// Where its body starts, behind the room that its cipher has there, in bytes.
    pub(crate) body: u8,
    /// Room that its cipher needs behind it, in bytes.
    pub(crate) trailer: u8,
    /// Flags of its message, but for the rate policy: whether it lies so that it has to be shifted, and how urgent it is
    /// against Bluetooth.
    pub(crate) flags: TxFlags,
}

impl Outline {
    /// No frame.
    pub const EMPTY: Self = Self {
        len: 0,
        body: 0,
        trailer: 0,
        flags: TxFlags::new(),
    };

    /// Looks at a frame.
    pub fn of(frame: &[u8], info: &TxInfo) -> Self {
        Self::look(frame, FrameControl::of(frame), info)
    }

    #[inline(always)]
    fn look(frame: &[u8], control: FrameControl, info: &TxInfo) -> Self {
        let room = Room::for_frame(control, info.key);
        // At most 36 bytes.
        let [header, ..] = control.header_len().to_le_bytes();
        let body = header.wrapping_add(room.header);
        // The chip's bus master wants the 802.11 header on a multiple of 4 in host memory, as the transfer starts with the
        // message. At an odd address nothing helps, and the bus has to copy.
        let shifted = frame.as_ptr().addr() & 3 == 2;
        let priority = priority(frame, control, info.access_category, usize::from(body));
        Self {
            len: u16::try_from(frame.len()).unwrap_or(u16::MAX),
            body,
            trailer: room.trailer,
            flags: TxFlags::new()
                .with_epta_priority(priority)
                .with_shifted(shifted),
        }
    }

    /// Bytes that the driver puts in front of it.
    #[inline]
    pub(crate) fn front(self) -> usize {
        TRANSMIT_HEADER_LEN.wrapping_add(SHIFT_LEN.wrapping_mul(usize::from(self.flags.shifted())))
    }
}

/// How urgent a frame is against Bluetooth (file 20, section 4.3). `body` is where its body starts.
#[inline(always)]
fn priority(
    frame: &[u8],
    control: FrameControl,
    access_category: AccessCategory,
    body: usize,
) -> EptaPriority {
    if is_eapol(frame, body) {
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

/// Whether a frame can be sent at all. It is looked at once, at the entrance.
///
/// # Errors
///
/// [`TxRefused::TooShort`], [`TxRefused::TooLong`], [`TxRefused::BlockAck`].
pub fn check(frame: &[u8], info: &TxInfo) -> Result<Outline, TxRefused> {
    check_as(frame, FrameControl::of(frame), info)
}

/// The same for a frame whose control field is known: where its kind is known too, half of the questions answer themselves.
#[inline(always)]
pub(crate) fn check_as(
    frame: &[u8],
    control: FrameControl,
    info: &TxInfo,
) -> Result<Outline, TxRefused> {
    let outline = Outline::look(frame, control, info);
    let needed = if control.is_control() {
        MIN_FRAME
    } else {
        usize::from(outline.body)
    };
    if frame.len() < needed {
        return Err(TxRefused::TooShort);
    }
    let longest = const { MAX_MESSAGE_LEN.saturating_sub(HEADROOM) };
    if frame.len().wrapping_add(usize::from(outline.trailer)) > longest {
        return Err(TxRefused::TooLong);
    }
    if control.is_management() {
        let iv = usize::from(outline.body).saturating_sub(control.header_len());
        if is_block_ack_action(frame, iv) {
            return Err(TxRefused::BlockAck);
        }
    }
    Ok(outline)
}
