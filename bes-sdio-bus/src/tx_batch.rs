//! A batch to the chip: slots of one size, filled from a gather list (file 10, sections 6.2 to 6.4).
//!
//! ```text
//!   slot 0                    slot 1                          surplus
//!   +-----------+---------+   +-----------+---------+         +-------+
//!   | message 0 | 0 0 0 0 |   | message 1 | 0 0 0 0 |   ...   | 0 0 0 |
//!   +-----------+---------+   +-----------+---------+         +-------+
//!   |<------ stride ----->|                                   to a whole block
//! ```
//!
//! Nothing is copied: the list names the messages where they are, and one constant block of zeros for everything
//! else. Neither the bytes behind a message nor memory of anybody else reaches the bus (traps T4 and T6).

use bes_hal::sdio::{Cmd53, Count};
use bes_hal::transport::{SlotClass, MAX_BATCH};
use bes_hal::TransportError;

use crate::toggle::Toggle;

/// Most segments of one transfer: each message and the zeros behind it.
pub const MAX_SEGMENTS: usize = 2 * MAX_BATCH;

/// Bytes that the chip may find behind a message: the host's time stamp (file 10, section 6.2).
const STAMP_LEN: usize = 4;

/// Bits of a message id that mark the MCU class, which travels alone (file 10, section 6.4).
const MCU_CLASS: u16 = 0x0C00;

/// Zeros for every padding. The longest run is the tail of a 1632-byte slot and the surplus of the last block behind
/// it: 99 + 511 bytes.
static ZEROS: [u8; 1024] = [0; 1024];

/// Size of the slots of a transfer. Its number is the code in bits 1..0 of L16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SlotSize {
    /// 512 bytes, code 0: messages up to 508 bytes.
    S512,
    /// 1024 bytes, code 1: messages up to 1020 bytes.
    S1024,
    /// 1536 bytes, code 2: messages up to 1532 bytes.
    S1536,
    /// 1632 bytes, code 3: messages up to 1628 bytes.
    S1632,
}

impl SlotSize {
    /// The slot for a message of `len` bytes, header included.
    ///
    /// # Errors
    ///
    /// [`TransportError::MessageTooLong`] above 1628 bytes. Such a message is never cut (trap T5).
    #[inline]
    pub fn for_message(len: u16) -> Result<Self, TransportError> {
        // Each slot holds 4 bytes less than its size, and all sizes but the last are multiples of 512.
        match len.saturating_add(3) >> 9 {
            0 => Ok(Self::S512),
            1 => Ok(Self::S1024),
            2 => Ok(Self::S1536),
            3 if len <= 1628 => Ok(Self::S1632),
            _ => Err(TransportError::MessageTooLong(u32::from(len))),
        }
    }

    /// Shortest and longest message of the slot, in bytes.
    const fn lengths(self) -> (u16, u16) {
        match self {
            Self::S512 => (4, 508),
            Self::S1024 => (509, 1020),
            Self::S1536 => (1021, 1532),
            Self::S1632 => (1533, 1628),
        }
    }

    /// Bytes of one slot on the wire.
    pub const fn stride(self) -> usize {
        match self {
            Self::S512 => 512,
            Self::S1024 => 1024,
            Self::S1536 => 1536,
            Self::S1632 => 1632,
        }
    }

    /// Bits 1..0 of L16.
    pub const fn code(self) -> u8 {
        match self {
            Self::S512 => 0,
            Self::S1024 => 1,
            Self::S1536 => 2,
            Self::S1632 => 3,
        }
    }

    /// Blocks on the wire for `slots` slots.
    fn blocks(self, slots: usize) -> usize {
        self.stride()
            .saturating_mul(slots)
            .div_ceil(Count::BLOCK_SIZE)
    }

    /// The CMD53 for `slots` slots: L16 = slots × stride | code, the toggle in bit 16, always block mode (file 10,
    /// sections 4.2 and 4.3). `None` if 16 bits cannot say it; 16 slots always fit.
    pub fn command(self, slots: usize, toggle: Toggle) -> Option<Cmd53> {
        let len = u16::try_from(self.stride().checked_mul(slots)?).ok()?;
        Some(Cmd53 {
            address: toggle.address_bit() | u32::from(len | u16::from(self.code())),
            count: Count::Blocks(u16::try_from(self.blocks(slots)).ok()?),
        })
    }

    /// Most slots of one transfer on a host that takes `max_blocks` blocks.
    pub fn slots_in(self, max_blocks: u16) -> usize {
        usize::from(max_blocks)
            .saturating_mul(Count::BLOCK_SIZE)
            .checked_div(self.stride())
            .unwrap_or(0)
    }
}

/// The slot of one message and whether it travels alone, from its 4-byte header.
///
/// # Errors
///
/// [`TransportError::BadBatch`] if the slice holds no header or less than the header says, or more than the message
/// and its stamp; [`TransportError::MessageTooLong`].
#[inline]
pub fn classify(message: &[u8]) -> Result<(SlotSize, bool), TransportError> {
    let Some(&[len_low, len_high, id_low, id_high]) = message.first_chunk() else {
        return Err(TransportError::BadBatch);
    };
    let len = u16::from_le_bytes([len_low, len_high]);
    let slot = SlotSize::for_message(len)?;
    let bytes = usize::from(len);
    if bytes < 4 || message.len() < bytes || message.len() > bytes.saturating_add(STAMP_LEN) {
        return Err(TransportError::BadBatch);
    }
    let id = u16::from_le_bytes([id_low, id_high]);
    Ok((slot, id & MCU_CLASS == MCU_CLASS))
}

/// The class of one message, as the layer above sees it. Errors as [`classify`].
#[inline]
pub fn slot_class(message: &[u8]) -> Result<SlotClass, TransportError> {
    let (slot, alone) = classify(message)?;
    Ok(SlotClass {
        index: slot.code(),
        alone,
        lengths: slot.lengths(),
    })
}

/// The size of the slots that all messages of `batch` share.
///
/// # Errors
///
/// [`TransportError::BadBatch`] if the batch is empty, has more than [`MAX_BATCH`] messages, mixes slot sizes, or has a
/// message of the MCU class next to others; otherwise as [`classify`].
#[inline]
pub fn common_slot(batch: &[&[u8]]) -> Result<SlotSize, TransportError> {
    let slot = first_slot(batch)?;
    let others = batch.get(1..).unwrap_or(&[]);
    if others.iter().all(|message| belongs(message, slot, false)) {
        Ok(slot)
    } else {
        Err(TransportError::BadBatch)
    }
}

/// The size of the slots of a batch by its first message. [`Gather::fill`] looks at the others.
///
/// # Errors
///
/// As [`common_slot`], but for what is wrong with other messages than the first.
#[inline]
pub fn first_slot(batch: &[&[u8]]) -> Result<SlotSize, TransportError> {
    let &first = batch.first().ok_or(TransportError::BadBatch)?;
    if batch.len() > MAX_BATCH {
        return Err(TransportError::BadBatch);
    }
    let (slot, alone) = classify(first)?;
    if alone && batch.len() > 1 {
        return Err(TransportError::BadBatch);
    }
    Ok(slot)
}

/// Whether a message may lie in a slot of `slot`: its length is one of those, there is at most its stamp behind it, and
/// one of the MCU class is `alone`.
#[inline(always)]
fn belongs(message: &[u8], slot: SlotSize, alone: bool) -> bool {
    let Some(&[len_low, len_high, id_low, id_high]) = message.first_chunk() else {
        return false;
    };
    let len = u16::from_le_bytes([len_low, len_high]);
    let id = u16::from_le_bytes([id_low, id_high]);
    let (shortest, longest) = slot.lengths();
    // Below zero wraps to far more than a stamp.
    let behind = message.len().wrapping_sub(usize::from(len));
    len.wrapping_sub(shortest) <= longest.wrapping_sub(shortest)
        && behind <= STAMP_LEN
        && (id & MCU_CLASS != MCU_CLASS || alone)
}

/// The segments of one transfer, in order.
#[derive(Clone, Copy, Debug)]
pub struct Gather<'a> {
    segments: [&'a [u8]; MAX_SEGMENTS],
    count: usize,
}

impl<'a> Gather<'a> {
    /// The list for `messages`, each in a slot of `slot`, filled up with zeros to whole blocks.
    ///
    /// The messages have passed [`common_slot`].
    #[inline]
    pub fn new(messages: &[&'a [u8]], slot: SlotSize) -> Self {
        let mut gather = Self::EMPTY;
        // What has passed `common_slot` is not refused here.
        let _passed = gather.fill(messages, slot);
        gather
    }

    /// No segments.
    pub const EMPTY: Self = Self {
        segments: [&[]; MAX_SEGMENTS],
        count: 0,
    };

    /// The same where the list is, which is large and not copied, for messages that nobody has looked at but for the
    /// first: its slot is `slot`, and it need not be alone.
    ///
    /// # Errors
    ///
    /// [`TransportError::BadBatch`] as [`common_slot`]; the list is good for nothing then.
    #[inline]
    pub fn fill(&mut self, messages: &[&'a [u8]], slot: SlotSize) -> Result<(), TransportError> {
        let stride = slot.stride();
        let wire = slot
            .blocks(messages.len())
            .saturating_mul(Count::BLOCK_SIZE);
        let surplus = wire.saturating_sub(stride.saturating_mul(messages.len()));
        let Some((last, others)) = messages.split_last() else {
            self.count = 0;
            return Ok(());
        };
        let alone = others.is_empty();
        let zeros = |count: usize| ZEROS.get(..count).unwrap_or(&ZEROS);
        let mut places = self.segments.iter_mut();
        let mut put = |segment: &'a [u8]| {
            if let Some(place) = places.next() {
                *place = segment;
            }
        };
        for message in others {
            if !belongs(message, slot, alone) {
                return Err(TransportError::BadBatch);
            }
            put(message);
            // A message that fills its slot has nothing behind it.
            let tail = stride.wrapping_sub(message.len());
            if tail > 0 {
                put(zeros(tail));
            }
        }
        if !belongs(last, slot, alone) {
            return Err(TransportError::BadBatch);
        }
        put(last);
        let tail = stride.saturating_sub(last.len()).saturating_add(surplus);
        if tail > 0 {
            put(zeros(tail));
        }
        self.count = MAX_SEGMENTS.saturating_sub(places.len());
        Ok(())
    }

    /// The segments.
    pub fn segments(&self) -> &[&'a [u8]] {
        self.segments.get(..self.count).unwrap_or(&[])
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use bes_hal::sdio::Direction;
    use proptest::prelude::*;

    fn message(len: u16, id: u16, stamp: usize) -> Vec<u8> {
        let mut bytes = vec![0x55; usize::from(len) + stamp];
        bytes[..2].copy_from_slice(&len.to_le_bytes());
        bytes[2..4].copy_from_slice(&id.to_le_bytes());
        bytes
    }

    fn wire(messages: &[Vec<u8>]) -> (Vec<u8>, SlotSize) {
        let batch: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let slot = common_slot(&batch).unwrap();
        (Gather::new(&batch, slot).segments().concat(), slot)
    }

    /// The table of file 10, section 6.3.
    #[test]
    fn slots_follow_the_table() {
        for (len, slot) in [
            (4, SlotSize::S512),
            (508, SlotSize::S512),
            (509, SlotSize::S1024),
            (1020, SlotSize::S1024),
            (1021, SlotSize::S1536),
            (1532, SlotSize::S1536),
            (1533, SlotSize::S1632),
            (1628, SlotSize::S1632),
        ] {
            assert_eq!(SlotSize::for_message(len), Ok(slot));
            // The rule of section 6.2 gives the same: L = len + 4 rounded up to 4 fits the stride.
            assert!((usize::from(len) + 4).next_multiple_of(4) <= slot.stride());
        }
    }

    #[test]
    fn t5_messages_above_1628_bytes_are_refused_and_not_cut() {
        for len in [1629, 2044, 2045, 65535] {
            assert_eq!(
                slot_class(&message(len, 0x0004, 0)),
                Err(TransportError::MessageTooLong(u32::from(len)))
            );
        }
    }

    /// File 10, section 16.2.
    #[test]
    fn commands_match_the_worked_examples() {
        let argument = |slot: SlotSize, slots, flipped| {
            let mut toggle = Toggle::default();
            if flipped {
                toggle.advance();
            }
            slot.command(slots, toggle)
                .unwrap()
                .argument(Direction::Write)
        };
        assert_eq!(argument(SlotSize::S512, 2, false), 0x9C08_0002);
        assert_eq!(argument(SlotSize::S1632, 2, false), 0x9C19_8607);
        assert_eq!(argument(SlotSize::S1632, 2, true), 0x9E19_8607);
        assert_eq!(argument(SlotSize::S512, 1, false), 0x9C04_0001);
        let largest = SlotSize::S1632.command(16, Toggle::default()).unwrap();
        assert_eq!(largest.address, 0x6603);
        assert_eq!(largest.count, Count::Blocks(51));
    }

    /// File 10, section 16.2.
    #[test]
    fn frames_of_the_worked_example_lie_in_their_slots() {
        let (bytes, slot) = wire(&[message(16, 0x4006, 4), message(52, 0x6004, 4)]);
        assert_eq!(slot, SlotSize::S512);
        assert_eq!(bytes.len(), 1024);
        assert_eq!(bytes[..4], [0x10, 0x00, 0x06, 0x40]);
        assert_eq!(bytes[0x200..0x204], [0x34, 0x00, 0x04, 0x60]);
        let (bytes, slot) = wire(&[message(1540, 0x0004, 4), message(1540, 0x2004, 4)]);
        assert_eq!(slot, SlotSize::S1632);
        assert_eq!(bytes.len(), 7 * 512);
        assert_eq!(bytes[0x660..0x664], [0x04, 0x06, 0x04, 0x20]);
    }

    #[test]
    fn t4_t6_everything_behind_the_messages_is_zero() {
        for len in [4, 508, 700, 1530, 1628] {
            let (bytes, slot) = wire(&[message(len, 0x0004, 4), message(len, 0x2004, 0)]);
            let end = usize::from(len);
            assert!(bytes[end + 4..slot.stride()].iter().all(|b| *b == 0));
            assert!(bytes[slot.stride() + end..].iter().all(|b| *b == 0));
            assert_eq!(bytes.len() % 512, 0);
        }
    }

    #[test]
    fn mcu_class_travels_alone_whatever_its_sequence_number() {
        let mcu = message(16, 0xEC25, 0);
        assert!(slot_class(&mcu).unwrap().alone);
        assert!(!slot_class(&message(16, 0xE825, 0)).unwrap().alone);
        let plain = message(16, 0x0004, 0);
        assert!(common_slot(&[&mcu]).is_ok());
        assert_eq!(common_slot(&[&mcu, &plain]), Err(TransportError::BadBatch));
        assert_eq!(common_slot(&[&plain, &mcu]), Err(TransportError::BadBatch));
    }

    #[test]
    fn empty_mixed_overfull_and_malformed_batches_are_refused() {
        let (short, long) = (message(16, 4, 0), message(600, 4, 0));
        assert_eq!(common_slot(&[]), Err(TransportError::BadBatch));
        assert_eq!(common_slot(&[&short, &long]), Err(TransportError::BadBatch));
        assert_eq!(
            common_slot(&[short.as_slice(); 17]),
            Err(TransportError::BadBatch)
        );
        for malformed in [
            vec![],
            vec![4, 0, 0],
            vec![3, 0, 4, 0],
            vec![8, 0, 4, 0],
            message(16, 4, 5),
        ] {
            assert_eq!(slot_class(&malformed), Err(TransportError::BadBatch));
        }
    }

    #[test]
    fn sixteen_slots_fit_the_gather_list() {
        let messages = vec![message(1533, 4, 4); 16];
        let (bytes, _) = wire(&messages);
        assert_eq!(bytes.len(), 26112);
    }

    #[test]
    fn a_host_with_few_blocks_takes_fewer_slots() {
        assert_eq!(SlotSize::S512.slots_in(16), 16);
        assert_eq!(SlotSize::S1632.slots_in(51), 16);
        assert_eq!(SlotSize::S1632.slots_in(50), 15);
        assert_eq!(SlotSize::S1632.slots_in(3), 0);
    }

    proptest! {
        #[test]
        fn any_slice_is_classified_without_panic_and_fills_whole_blocks(
            bytes in proptest::collection::vec(any::<u8>(), 0..2100), n in 1usize..=16,
        ) {
            if let Ok((slot, false)) = classify(&bytes) {
                let batch = vec![bytes.as_slice(); n];
                let total: usize = Gather::new(&batch, slot).segments().iter().map(|s| s.len()).sum();
                prop_assert_eq!(total, slot.command(n, Toggle::default()).unwrap().count.bytes());
            }
        }
    }
}
