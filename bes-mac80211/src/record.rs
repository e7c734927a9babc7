//! What is known about a frame on its way down.

use crate::fifo::FifoId;
use crate::rate::RateSeries;
use crate::tx::Outline;
use crate::types::{AccessCategory, Band, TxInfo};
use bes_hal::Instant;
use bes_wsm::wire::{InterfaceId, RateId, RatePolicyIndex};

/// Number of a frame's place in the pool. It is what travels through the chip with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameNumber(pub(crate) u16);

/// What is known about a frame, from its arrival until its status. It lies in one place all the time, so nothing of it is
/// copied on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// What the stack said about it.
    pub info: TxInfo,
    /// The rates that the chip works through; valid while the frame is in the chip.
    pub rates: RateSeries,
    /// When the stack gave it.
    pub arrived: Instant,
    /// What its bytes say about it.
    pub outline: Outline,
    order: u32,
    /// Where it waits.
    pub fifo: FifoId,
    /// How often the chip gave it back unsent.
    pub requeues: u8,
    /// A frame of the driver itself: the stack never sees it.
    pub own: bool,
    /// The policy that it uses, to be released when it is back; valid while the frame is in the chip.
    pub(crate) policy: RatePolicyIndex,
    /// Rate of its first attempt; valid while the frame is in the chip.
    pub(crate) rate: RateId,
}

impl Record {
    /// What an empty place holds.
    pub(crate) const BLANK: Self = Self {
        info: TxInfo::new(AccessCategory::BestEffort, Band::TwoPointFourGhz),
        rates: RateSeries::EMPTY,
        arrived: Instant::ZERO,
        outline: Outline::EMPTY,
        order: 0,
        fifo: FifoId::new(InterfaceId::Zero, AccessCategory::BestEffort),
        requeues: 0,
        own: false,
        policy: RatePolicyIndex::FIRST,
        rate: RateId::DSSS_1,
    };

    /// A frame that arrives now, as the `order`th.
    #[inline(always)]
    pub(crate) fn new(
        fifo: FifoId,
        info: TxInfo,
        outline: Outline,
        order: u32,
        now: Instant,
    ) -> Self {
        Self {
            info,
            rates: RateSeries::EMPTY,
            arrived: now,
            outline,
            order,
            fifo,
            requeues: 0,
            own: false,
            policy: RatePolicyIndex::FIRST,
            rate: RateId::DSSS_1,
        }
    }

    /// When it is too old to be sent.
    pub fn deadline(&self) -> Instant {
        self.arrived.after(self.info.access_category.time_to_live())
    }

    /// Whether it arrived earlier. Arrivals are counted modulo 2³², far more than can wait.
    #[inline]
    pub(crate) const fn is_before(&self, other: &Self) -> bool {
        self.order.wrapping_sub(other.order) > u32::MAX / 2
    }
}

const _: () = assert!(
    size_of::<Record>() <= 48,
    "a frame's place is one cache line"
);
