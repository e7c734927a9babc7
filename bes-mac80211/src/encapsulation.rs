//! What is put around a frame for the chip, how it is taken off again, and what a confirm says about the frame.
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

use crate::mpdu::{is_eapol, FrameControl};
use crate::rate_policy::Policy;
use crate::record::Record;
use crate::tx::{TxDrop, TxOutcome, TxRefused, TxStatus, TIME_STAMP};
use crate::types::AccessCategory;
use bes_hal::frame::{NoRoom, TxFrame};
use bes_wsm::client::ReturnReason;
use bes_wsm::wire::tx::{
    EptaPriority, HtFormat, HtTxParameters, TransmitConfirm, TransmitHeader, TxFlags, SHIFT_LEN,
    TRANSMIT_HEADER_LEN,
};
use bes_wsm::wire::{PacketId, RateId, Tu};

/// How often the chip may give the same frame back unsent (file 30, section 3.6).
const MAX_REQUEUES: u8 = 5;

/// Circumstances of sending, the same for all frames of a batch on one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TxContext {
    /// The connection uses HT greenfield.
    pub(crate) greenfield: bool,
    /// Tell the chip how urgent a frame is against Bluetooth.
    pub(crate) bluetooth: bool,
    /// For the time stamp: milliseconds since the start.
    pub(crate) millis: u64,
}

/// Makes the TRANSMIT message around a frame, but for the packet id and the sequence number. Leaves the frame as it was if
/// it fails; its policy is the caller's to release.
///
/// # Errors
///
/// Why it cannot be sent.
#[inline(always)]
pub(crate) fn encapsulate<F: TxFrame>(
    frame: &mut F,
    record: &mut Record,
    policy: &Policy,
    context: &TxContext,
) -> Result<(), TxRefused> {
    let outline = record.outline;
    let trailer = usize::from(outline.trailer);
    // The chip's bus master wants the 802.11 header on a multiple of 4 in host memory, as the transfer starts with the
    // message. At an odd address nothing helps, and the bus has to copy.
    let bytes = frame.bytes();
    let shifted = bytes.as_ptr().addr() & 3 == 2;
    let (offset, front) = if shifted {
        const {
            (
                shorten(TRANSMIT_HEADER_LEN + SHIFT_LEN),
                TRANSMIT_HEADER_LEN + SHIFT_LEN,
            )
        }
    } else {
        const { (shorten(TRANSMIT_HEADER_LEN), TRANSMIT_HEADER_LEN) }
    };
    let epta_priority = if context.bluetooth {
        priority(
            bytes,
            record.info.access_category,
            usize::from(outline.body),
        )
    } else {
        EptaPriority::None
    };
    let header = TransmitHeader {
        interface: record.fifo.interface,
        packet: PacketId::from_raw(0),
        max_rate: policy.max_rate,
        queue: record.info.access_category.queue(),
        link: record.info.link,
        flags: TxFlags::new()
            .with_epta_priority(epta_priority)
            .with_policy(policy.index)
            .with_shifted(shifted),
        expire: Tu(0),
        ht: HtTxParameters::new().with_format(ht_format(policy.max_rate, context.greenfield)),
        frame_len: outline.len.wrapping_add(u16::from(outline.trailer)),
    };

    // Nobody knows whether the chip reads the time stamp, so a frame without room for it goes without.
    let stamped = frame.put(trailer.wrapping_add(TIME_STAMP)).is_ok();
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
    record.policy = policy.index;
    record.rate = policy.max_rate;
    record.rates = policy.series;
    record.offset = offset;
    Ok(())
}

/// A small length as a byte.
const fn shorten(len: usize) -> u8 {
    assert!(len < 256);
    let [low, ..] = len.to_le_bytes();
    low
}

/// HT parameters follow the rate. The C driver took a flag of the rate table for the MCS bit and marked most legacy
/// rates as HT (file 30, D37).
#[inline]
const fn ht_format(rate: RateId, greenfield: bool) -> HtFormat {
    match (rate.is_ht(), greenfield) {
        (false, _) => HtFormat::NonHt,
        (true, false) => HtFormat::Mixed,
        (true, true) => HtFormat::Greenfield,
    }
}

/// How urgent a frame is against Bluetooth (file 20, section 4.3). `body` is where its body starts.
#[inline(always)]
fn priority(frame: &[u8], access_category: AccessCategory, body: usize) -> EptaPriority {
    if is_eapol(frame, body) {
        EptaPriority::Eapol
    } else if !FrameControl::of(frame).is_data() {
        EptaPriority::Management
    } else {
        match access_category {
            AccessCategory::Voice => EptaPriority::Voice,
            AccessCategory::Video => EptaPriority::Management,
            AccessCategory::BestEffort | AccessCategory::Background => EptaPriority::Data,
        }
    }
}

/// Takes everything off a frame that [`encapsulate`] put around it.
#[inline]
pub(crate) fn restore<F: TxFrame>(frame: &mut F, record: &Record) {
    frame.pull(usize::from(record.offset));
    frame.trim(usize::from(record.outline.len));
}

/// Whether a frame that the chip has not sent, and wants to be sent again later, may take its place in its queue once
/// more (file 30, section 3.12).
pub(crate) const fn may_go_back(record: &Record) -> bool {
    record.requeues < MAX_REQUEUES
}

/// What a confirm says about its frame, other than "send it again later".
#[inline(always)]
pub(crate) fn outcome(record: &Record, confirm: &TransmitConfirm) -> TxStatus {
    let failures = confirm.ack_failures;
    let acked = confirm.status.is_success();
    // The acknowledged attempt is not among the failures; a failed frame without any was never sent.
    let attempts = if acked || failures > 0 {
        u32::from(failures).wrapping_add(1)
    } else {
        0
    };
    TxStatus {
        outcome: if acked {
            TxOutcome::Acked
        } else {
            TxOutcome::Failed(confirm.status)
        },
        rates: record.rates.used(attempts),
        final_rate: confirm.rate.known(),
        ack_failures: failures,
        aggregated: confirm.flags.aggregated(),
    }
}

/// The status of a frame that came back without a confirm. Its policy is to be released.
pub(crate) const fn returned(reason: ReturnReason) -> TxStatus {
    TxStatus::dropped(match reason {
        ReturnReason::ConfirmLost => TxDrop::ConfirmLost,
        ReturnReason::Closed => TxDrop::Closed,
        ReturnReason::Unsendable => TxDrop::Unsendable,
    })
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
#[path = "encapsulation_tests.rs"]
mod tests;
