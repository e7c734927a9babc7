//! The twelve FIFOs of frames that wait in the host, one for each interface and access category, and sets of them.

use crate::types::{AccessCategory, ACCESS_CATEGORIES};
use bes_wsm::wire::header::InterfaceId;
use core::fmt;

/// Number of interfaces of the chip.
pub const INTERFACES: usize = InterfaceId::ALL.len();

/// Places for FIFOs, a power of two: an index below it needs no check.
pub(crate) const PLACES: usize = 16;

const _: () = assert!(FifoId::COUNT <= PLACES);

/// One of the twelve FIFOs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FifoId {
    /// Interface that the frames are sent on.
    pub interface: InterfaceId,
    /// Their access category.
    pub access_category: AccessCategory,
}

impl FifoId {
    /// How many there are.
    pub const COUNT: usize = ACCESS_CATEGORIES * INTERFACES;

    /// The FIFO of this interface and category.
    pub const fn new(interface: InterfaceId, access_category: AccessCategory) -> Self {
        Self {
            interface,
            access_category,
        }
    }

    /// All of them, by interface, then by urgency.
    pub fn all() -> impl Iterator<Item = Self> {
        InterfaceId::ALL
            .into_iter()
            .flat_map(|interface| AccessCategory::ALL.map(|ac| Self::new(interface, ac)))
    }

    /// Its place among the twelve, by interface, then by urgency.
    #[inline]
    pub(crate) const fn index(self) -> usize {
        let row = match self.interface {
            InterfaceId::Zero => 0_usize,
            InterfaceId::One => 4,
            InterfaceId::Two => 8,
        };
        let column = match self.access_category {
            AccessCategory::Voice => 0_usize,
            AccessCategory::Video => 1,
            AccessCategory::BestEffort => 2,
            AccessCategory::Background => 3,
        };
        row.wrapping_add(column)
    }

    #[inline]
    const fn bit(self) -> u16 {
        let row = match self.interface {
            InterfaceId::Zero => 0_u32,
            InterfaceId::One => 4,
            InterfaceId::Two => 8,
        };
        let column = match self.access_category {
            AccessCategory::Voice => 0_u32,
            AccessCategory::Video => 1,
            AccessCategory::BestEffort => 2,
            AccessCategory::Background => 3,
        };
        1_u16.wrapping_shl(row.wrapping_add(column))
    }
}

impl fmt::Display for FifoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.interface, self.access_category)
    }
}

/// A set of FIFOs: which have frames, or which may send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FifoSet(u16);

impl FifoSet {
    /// No FIFO.
    pub const EMPTY: Self = Self(0);
    /// All twelve.
    pub const ALL: Self = Self(0x0FFF);

    /// The four FIFOs of one interface.
    #[inline]
    pub const fn of_interface(interface: InterfaceId) -> Self {
        match interface {
            InterfaceId::Zero => Self(0x00F),
            InterfaceId::One => Self(0x0F0),
            InterfaceId::Two => Self(0xF00),
        }
    }

    /// Those of one interface: the most urgent category in bit 0.
    #[inline]
    pub(crate) const fn row(self, interface: InterfaceId) -> u16 {
        let shift = match interface {
            InterfaceId::Zero => 0_u32,
            InterfaceId::One => 4,
            InterfaceId::Two => 8,
        };
        self.0.wrapping_shr(shift) & 0x0F
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `queue` is in the set.
    pub const fn has(self, queue: FifoId) -> bool {
        self.0 & queue.bit() != 0
    }

    /// The set with `queue` in it.
    #[must_use]
    pub const fn with(self, queue: FifoId) -> Self {
        Self(self.0 | queue.bit())
    }

    /// The set without `queue`.
    #[must_use]
    pub const fn without(self, queue: FifoId) -> Self {
        Self(self.0 & !queue.bit())
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in exactly one of the two sets.
    #[must_use]
    pub(crate) const fn differing(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }

    /// Takes one FIFO out of the set: that of the lowest interface, the most urgent of it.
    #[inline]
    fn pop(&mut self) -> Option<FifoId> {
        let bit = self.0.trailing_zeros();
        let interface = match bit {
            0..=3 => InterfaceId::Zero,
            4..=7 => InterfaceId::One,
            8..=11 => InterfaceId::Two,
            _ => return None,
        };
        let access_category = match bit & 3 {
            0 => AccessCategory::Voice,
            1 => AccessCategory::Video,
            2 => AccessCategory::BestEffort,
            _ => AccessCategory::Background,
        };
        self.0 &= self.0.wrapping_sub(1);
        Some(FifoId::new(interface, access_category))
    }
}

impl Iterator for FifoSet {
    type Item = FifoId;

    fn next(&mut self) -> Option<FifoId> {
        self.pop()
    }
}
