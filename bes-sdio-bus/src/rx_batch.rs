//! A burst from the chip: checked once, then a list of spans without an error path (file 10, section 5.3).
//!
//! ```text
//!   0          len1 rounded up to 4      ...                  end
//!   +-----------+------+-----------+-----+-------+----------+
//!   | message 1 | 0..3 | message 2 | ... | 00 00 | whatever |
//!   +-----------+------+-----------+-----+-------+----------+
//!     u16 len (whole message), u16 id, ...
//! ```

use bes_hal::frame::Span;
use bes_hal::transport::{BurstDefect, Spans, MAX_BATCH};

/// Bytes of a message header: `len` and `id`.
const HEADER_LEN: u16 = 4;

/// Longest message, rounded up to 4, that may follow another one in a burst.
const MAX_FOLLOWING: usize = 1632;

/// Finds the messages of a burst. The second value is what is wrong behind the last good message.
///
/// No header is read beyond `burst`, and every span lies inside (traps T2 and T3). A length above 1632 is accepted for
/// the first message only. Bytes behind a full burst of [`MAX_BATCH`] messages that look like a header are a defect.
pub fn split(burst: &[u8]) -> (Spans, Option<BurstDefect>) {
    let mut messages = Spans::EMPTY;
    let mut rest = burst;
    let mut start: u16 = 0;
    let mut count: usize = 0;
    while let Some(&[low, high, _, _]) = rest.first_chunk() {
        let len = u16::from_le_bytes([low, high]);
        if len == 0 {
            break;
        }
        if count == MAX_BATCH {
            return (messages, Some(BurstDefect::TooManyMessages));
        }
        if len < HEADER_LEN {
            return (messages, Some(BurstDefect::ShortLength(len)));
        }
        let bytes = usize::from(len);
        if bytes > rest.len() {
            return (messages, Some(BurstDefect::BeyondEnd(len)));
        }
        // Wide arithmetic: rounding up 65533 in 16 bits is 0 (trap T2).
        let rounded = bytes.wrapping_add(3) & !3;
        if rounded > MAX_FOLLOWING && count != 0 {
            return (messages, Some(BurstDefect::LongMessage(len)));
        }
        messages.push(Span { start, len });
        // Ends at the largest batch.
        count = count.wrapping_add(1);
        let (Some(behind), Some(next)) = (
            rest.get(rounded..),
            usize::from(start)
                .checked_add(rounded)
                .and_then(|next| u16::try_from(next).ok()),
        ) else {
            break;
        };
        rest = behind;
        start = next;
    }
    let defect = (count == 0).then_some(BurstDefect::NoMessage);
    (messages, defect)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, clippy::as_conversions)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn burst(lens: &[u16], total: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (i, len) in lens.iter().enumerate() {
            let mut message = vec![0xEE; usize::from(*len).next_multiple_of(4).max(4)];
            message[..2].copy_from_slice(&len.to_le_bytes());
            message[2..4].copy_from_slice(&(0x0804 + i as u16).to_le_bytes());
            bytes.extend(message);
        }
        bytes.resize(total, 0);
        bytes
    }

    /// File 10, section 16.1.
    #[test]
    fn the_worked_example_holds_three_messages() {
        let mut bytes = vec![0xAA; 1536];
        bytes[..4].copy_from_slice(&[0x08, 0x00, 0x06, 0xA4]);
        bytes[8..12].copy_from_slice(&[0x0C, 0x00, 0x05, 0xC8]);
        bytes[0x14..0x18].copy_from_slice(&[0x32, 0x04, 0x04, 0xE8]);
        bytes[0x448..0x44A].copy_from_slice(&[0, 0]);
        let (messages, defect) = split(&bytes);
        assert_eq!(defect, None);
        assert_eq!(
            messages.as_slice(),
            [
                Span { start: 0, len: 8 },
                Span { start: 8, len: 12 },
                Span {
                    start: 0x14,
                    len: 0x432
                },
            ]
        );
    }

    #[test]
    fn a_burst_may_end_exactly_on_its_length() {
        let (messages, defect) = split(&burst(&[256, 256], 512));
        assert_eq!((messages.as_slice().len(), defect), (2, None));
    }

    #[test]
    fn sixteen_messages_are_good_and_a_seventeenth_is_a_defect() {
        let (messages, defect) = split(&burst(&[16; 16], 512));
        assert_eq!((messages.as_slice().len(), defect), (16, None));
        let (messages, defect) = split(&burst(&[16; 17], 512));
        assert_eq!(messages.as_slice().len(), 16);
        assert_eq!(defect, Some(BurstDefect::TooManyMessages));
    }

    #[test]
    fn t2_lengths_of_one_to_three_and_near_65535_are_defects() {
        for len in 1..=3 {
            let (messages, defect) = split(&burst(&[8, len], 512));
            assert_eq!(messages.as_slice().len(), 1);
            assert_eq!(defect, Some(BurstDefect::ShortLength(len)));
        }
        for len in [65533, 65534, 65535] {
            let mut bytes = vec![0; 512];
            bytes[..2].copy_from_slice(&u16::to_le_bytes(len));
            let (messages, defect) = split(&bytes);
            assert!(messages.as_slice().is_empty());
            assert_eq!(defect, Some(BurstDefect::BeyondEnd(len)));
        }
    }

    #[test]
    fn t3_nothing_is_followed_beyond_the_burst() {
        let mut bytes = burst(&[500, 8], 508);
        bytes.truncate(504);
        let (messages, defect) = split(&bytes);
        assert_eq!(messages.as_slice().len(), 1);
        assert_eq!(defect, Some(BurstDefect::BeyondEnd(8)));
    }

    #[test]
    fn only_the_first_message_may_be_longer_than_a_slot() {
        let (messages, defect) = split(&burst(&[2000, 8], 2048));
        assert_eq!((messages.as_slice().len(), defect), (2, None));
        let (messages, defect) = split(&burst(&[8, 1633], 2048));
        assert_eq!(messages.as_slice().len(), 1);
        assert_eq!(defect, Some(BurstDefect::LongMessage(1633)));
        let (messages, defect) = split(&burst(&[8, 1632], 2048));
        assert_eq!((messages.as_slice().len(), defect), (2, None));
    }

    #[test]
    fn a_burst_that_starts_with_the_terminator_has_no_message() {
        let (messages, defect) = split(&[0; 512]);
        assert!(messages.as_slice().is_empty());
        assert_eq!(defect, Some(BurstDefect::NoMessage));
        assert_eq!(split(&[]).1, Some(BurstDefect::NoMessage));
    }

    proptest! {
        #[test]
        fn spans_always_lie_inside_and_never_overlap(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..4096),
            lens in proptest::collection::vec(0u16..1700, 0..20),
        ) {
            // Plant plausible headers, so that the walk gets far.
            let mut at = 0;
            for len in lens {
                if at + 4 > bytes.len() {
                    break;
                }
                bytes[at..at + 2].copy_from_slice(&len.to_le_bytes());
                at += usize::from(len).next_multiple_of(4).max(4);
            }
            let (messages, _) = split(&bytes);
            let mut end = 0;
            for span in messages.as_slice() {
                prop_assert!(usize::from(span.start) >= end);
                prop_assert!(span.len >= 4);
                end = usize::from(span.start) + usize::from(span.len);
                prop_assert!(end <= bytes.len());
            }
        }
    }
}
