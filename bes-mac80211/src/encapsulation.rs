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

use crate::fifo::FifoId;
use crate::rate::RateSeries;
use crate::rate_policy::Policy;
use crate::record::Record;
use crate::tx::{TxDrop, TxOutcome, TxRefused, TxStatus, TIME_STAMP};
use bes_hal::frame::{NoRoom, TxFrame};
use bes_wsm::client::ReturnReason;
use bes_wsm::wire::tx::{
    HtFormat, HtTxParameters, TransmitConfirm, TransmitHeader, TransmitTemplate, TxFlags,
};
use bes_wsm::wire::{LinkId, PacketId, RateId, Tu};

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

/// What the headers of all frames of a FIFO with the same policy have in common.
pub(crate) fn template(fifo: FifoId, policy: &Policy, context: &TxContext) -> TransmitTemplate {
    let template = TransmitTemplate::new(&TransmitHeader {
        interface: fifo.interface,
        packet: PacketId::from_raw(0),
        max_rate: policy.max_rate,
        queue: fifo.access_category.queue(),
        link: LinkId::BSS,
        flags: TxFlags::new().with_policy(policy.index),
        expire: Tu(0),
        ht: HtTxParameters::new().with_format(ht_format(policy.max_rate, context.greenfield)),
        frame_len: 0,
    });
    if context.bluetooth {
        template
    } else {
        template.without_priority()
    }
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
    template: &TransmitTemplate,
    context: &TxContext,
) -> Result<(), TxRefused> {
    let outline = record.outline;
    let trailer = usize::from(outline.trailer);
    let front = outline.front();
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
    let len = front
        .wrapping_add(usize::from(outline.len))
        .wrapping_add(trailer);
    if template
        .write(record.info.link, outline.flags, len, bytes)
        .is_err()
    {
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
    Ok(())
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

/// Takes everything off a frame that [`encapsulate`] put around it.
#[inline]
pub(crate) fn restore<F: TxFrame>(frame: &mut F, record: &Record) {
    frame.pull(record.outline.front());
    frame.trim(usize::from(record.outline.len));
}

/// Whether a frame that the chip has not sent, and wants to be sent again later, may take its place in its queue once
/// more (file 30, section 3.12).
pub(crate) const fn may_go_back(record: &Record) -> bool {
    record.requeues < MAX_REQUEUES
}

/// What a confirm says about a frame that was acknowledged at once, as most are.
#[inline(always)]
pub(crate) fn at_once(record: &Record, confirm: &TransmitConfirm) -> TxStatus {
    TxStatus {
        outcome: TxOutcome::Acked,
        rates: record.rates.once(),
        final_rate: confirm.rate.known(),
        ack_failures: 0,
        aggregated: confirm.flags.aggregated(),
    }
}

/// What a confirm says about its frame, other than "send it again later".
pub(crate) fn outcome(record: &Record, confirm: &TransmitConfirm) -> TxStatus {
    let failures = confirm.ack_failures;
    let acked = confirm.status.is_success();
    let rates = if acked || failures > 0 {
        // The acknowledged attempt is not among the failures.
        record.rates.used(u32::from(failures).wrapping_add(1))
    } else {
        // A failed frame without any was never sent.
        RateSeries::EMPTY
    };
    TxStatus {
        outcome: if acked {
            TxOutcome::Acked
        } else {
            TxOutcome::Failed(confirm.status)
        },
        rates,
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
