//! What can be wrong with the content of a burst.
//!
//! A burst is messages one after the other, each padded to a multiple of 4, then two zero bytes unless it ends
//! exactly (specification: file 10, section 5.3).

use fastrand::Rng;

/// One defect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Damage {
    /// Some bits are flipped anywhere.
    #[default]
    BitFlips,
    /// Every byte is random.
    Garbage,
    /// The burst starts with the terminator.
    NoMessage,
    /// As many small messages, copies of the header of the first one; 16 is the most a burst may have.
    Messages(u8),
    /// The first message says this length; 1 to 3 is less than a header.
    FirstLength(u16),
    /// The last message says this length.
    LastLength(u16),
    /// The last message says one byte more than there is.
    BeyondEnd,
    /// The second message, or the first if there is no other, says 1633 bytes, more than a slot.
    AboveSlot,
    /// The terminator and everything behind it is a message's header without an end.
    NoTerminator,
    /// The last message ends one byte before the burst does, so that its padding ends with the burst.
    UnalignedEnd,
}

impl Damage {
    /// One of each kind, for tests that go through all.
    pub const ALL: [Self; 18] = [
        Self::BitFlips,
        Self::Garbage,
        Self::NoMessage,
        Self::Messages(1),
        Self::Messages(16),
        Self::Messages(17),
        Self::FirstLength(0),
        Self::FirstLength(1),
        Self::FirstLength(2),
        Self::FirstLength(3),
        Self::FirstLength(1_633),
        Self::FirstLength(u16::MAX),
        Self::LastLength(3),
        Self::LastLength(u16::MAX),
        Self::BeyondEnd,
        Self::AboveSlot,
        Self::NoTerminator,
        Self::UnalignedEnd,
    ];

    /// Puts the defect into `burst`.
    pub fn apply(self, burst: &mut [u8], rng: &mut Rng) {
        let starts = starts(burst);
        let last = starts.last().copied().unwrap_or(0);
        match self {
            Self::BitFlips => {
                for _ in 0..8.min(burst.len()) {
                    let index = rng.usize(..burst.len());
                    burst[index] ^= 1 << rng.u8(..8);
                }
            }
            Self::Garbage => rng.fill(burst),
            Self::NoMessage => set_length(burst, 0, 0),
            Self::Messages(count) => {
                let Some(id) = burst.get(2..4).map(<[u8]>::to_vec) else {
                    return;
                };
                burst.fill(0);
                for slot in burst.chunks_exact_mut(8).take(usize::from(count)) {
                    slot[..2].copy_from_slice(&8_u16.to_le_bytes());
                    slot[2..4].copy_from_slice(&id);
                }
            }
            Self::FirstLength(len) => set_length(burst, 0, len),
            Self::LastLength(len) => set_length(burst, last, len),
            Self::BeyondEnd => {
                let len = burst.len() - last + 1;
                set_length(burst, last, u16::try_from(len).unwrap_or(u16::MAX));
            }
            Self::AboveSlot => set_length(burst, starts.get(1).copied().unwrap_or(0), 1_633),
            Self::NoTerminator => {
                let end = end_of(burst, last);
                let (_, rest) = burst.split_at_mut(end);
                for header in rest.chunks_mut(4) {
                    header.fill(0x04);
                    if let [_, high, ..] = header {
                        *high = 0;
                    }
                }
            }
            Self::UnalignedEnd => {
                let len = burst.len() - last - 1;
                set_length(burst, last, u16::try_from(len).unwrap_or(u16::MAX));
            }
        }
    }
}

fn set_length(burst: &mut [u8], start: usize, len: u16) {
    if let Some(field) = burst.get_mut(start..start + 2) {
        field.copy_from_slice(&len.to_le_bytes());
    }
}

fn length(burst: &[u8], start: usize) -> usize {
    match burst.get(start..start + 4) {
        Some(&[low, high, ..]) => usize::from(u16::from_le_bytes([low, high])),
        _ => 0,
    }
}

fn end_of(burst: &[u8], start: usize) -> usize {
    (start + length(burst, start).next_multiple_of(4)).min(burst.len())
}

/// Where the messages start, as far as the burst makes sense.
fn starts(burst: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut start = 0;
    while length(burst, start) >= 4 && starts.len() < 16 {
        starts.push(start);
        start = end_of(burst, start);
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burst() -> Vec<u8> {
        let mut burst = vec![0; 512];
        burst[..4].copy_from_slice(&[8, 0, 6, 4]);
        burst[8..12].copy_from_slice(&[13, 0, 5, 8]);
        burst
    }

    fn damaged(damage: Damage) -> Vec<u8> {
        let mut burst = burst();
        damage.apply(&mut burst, &mut Rng::with_seed(1));
        burst
    }

    #[test]
    fn each_damage_changes_something_and_none_panics_on_any_size() {
        for damage in Damage::ALL {
            assert_ne!(damaged(damage), burst(), "{damage:?}");
            for len in [4, 8, 511, 512, 1024] {
                let mut burst = burst();
                burst.resize(len, 0);
                damage.apply(&mut burst, &mut Rng::with_seed(2));
            }
        }
    }

    #[test]
    fn seventeen_messages_are_seventeen() {
        let burst = damaged(Damage::Messages(17));
        assert_eq!(starts(&burst).len(), 16);
        assert_eq!(length(&burst, 16 * 8), 8);
        assert_eq!(length(&burst, 17 * 8), 0);
    }

    #[test]
    fn lengths_land_where_they_should() {
        assert_eq!(length(&damaged(Damage::FirstLength(3)), 0), 3);
        assert_eq!(length(&damaged(Damage::LastLength(3)), 8), 3);
        assert_eq!(length(&damaged(Damage::BeyondEnd), 8), 512 - 8 + 1);
        assert_eq!(length(&damaged(Damage::UnalignedEnd), 8), 512 - 8 - 1);
        assert_eq!(length(&damaged(Damage::AboveSlot), 8), 1_633);
        assert_eq!(length(&damaged(Damage::NoTerminator), 24), 4);
    }
}
