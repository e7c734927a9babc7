//! 0x1016: rate policies. A frame names one with [`TxFlags::policy`](crate::wire::tx::TxFlags::policy).
//!
//! Header: u8 number of entries, 3 bytes 0. Entry, 20 bytes:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 1 | policy index 0 to 7 |
//! | 1 | 1 | short retry count |
//! | 2 | 1 | long retry count |
//! | 3 | 1 | flags |
//! | 4 | 1 | rate recovery count |
//! | 5 | 3 | 0 |
//! | 8 | 12 | 24 nibbles, low one first: tries at rate id 0, 1, ... |
//!
//! Source: file 21, section 2.19.

use super::prelude::*;

/// Bytes of a table of tries.
const TABLE_LEN: usize = 12;

/// Most tries at one rate.
pub const MAX_TRIES: u8 = 15;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct HeaderWire {
    count: u8,
    reserved: [u8; 3],
}

const_assert_eq!(size_of::<HeaderWire>(), 4);

/// How often each rate is tried: one nibble for each rate id.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(C)]
pub struct RateTries([u8; TABLE_LEN]);

impl RateTries {
    /// No rate is tried.
    pub const NONE: Self = Self([0; TABLE_LEN]);

    /// Tries at `rate`, 0 to 15.
    pub fn tries(&self, rate: RateId) -> u8 {
        let byte = self.0.get(usize::from(rate.raw() / 2)).copied();
        let byte = byte.unwrap_or(0);
        if rate.raw() % 2 == 0 {
            byte & 0xF
        } else {
            byte >> 4
        }
    }

    /// Sets the tries at `rate`; more than 15 are 15.
    pub fn set(&mut self, rate: RateId, tries: u8) {
        let tries = tries.min(MAX_TRIES);
        if let Some(byte) = self.0.get_mut(usize::from(rate.raw() / 2)) {
            *byte = if rate.raw() % 2 == 0 {
                (*byte & 0xF0) | tries
            } else {
                (*byte & 0x0F) | tries.wrapping_shl(4)
            };
        }
    }

    /// Adds to the tries at `rate`, up to 15.
    pub fn add(&mut self, rate: RateId, tries: u8) {
        self.set(rate, self.tries(rate).saturating_add(tries));
    }

    /// All tries together.
    pub fn total(&self) -> u32 {
        self.0.iter().fold(0_u32, |total, byte| {
            total.saturating_add(u32::from((byte & 0xF).saturating_add(byte >> 4)))
        })
    }
}

/// Flags of a policy.
#[bitfield(u8)]
#[derive(PartialEq, Eq, Hash)]
pub struct RatePolicyFlags {
    /// Not defined.
    #[bits(2)]
    __: u8,
    /// The frame has failed when the policy is exhausted.
    pub terminate: bool,
    /// The first transmission counts as a try but not as a retry.
    pub count_first: bool,
    /// Not defined.
    #[bits(4)]
    __: u8,
}

/// A policy as it lies on the wire.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct RatePolicyEntry {
    index: u8,
    short_retries: u8,
    long_retries: u8,
    flags: u8,
    recovery: u8,
    reserved: [u8; 3],
    tries: RateTries,
}

const_assert_eq!(size_of::<RatePolicyEntry>(), 20);
const_assert_eq!(offset_of!(RatePolicyEntry, flags), 3);
const_assert_eq!(offset_of!(RatePolicyEntry, tries), 8);

impl RatePolicyEntry {
    /// Flags that are always sent: 0x0C.
    pub const FLAGS: RatePolicyFlags = RatePolicyFlags::new()
        .with_terminate(true)
        .with_count_first(true);

    /// A policy with the flags that are always sent.
    pub const fn new(
        index: RatePolicyIndex,
        short_retries: u8,
        long_retries: u8,
        tries: RateTries,
    ) -> Self {
        Self {
            index: index.raw(),
            short_retries,
            long_retries,
            flags: Self::FLAGS.into_bits(),
            recovery: 0,
            reserved: [0; 3],
            tries,
        }
    }

    /// Which policy; `None` if it came from outside and there is no such policy.
    pub const fn index(&self) -> Option<RatePolicyIndex> {
        RatePolicyIndex::new(self.index)
    }

    /// Retries of short frames.
    pub const fn short_retries(&self) -> u8 {
        self.short_retries
    }

    /// Retries of long frames.
    pub const fn long_retries(&self) -> u8 {
        self.long_retries
    }

    /// Flags.
    pub const fn flags(&self) -> RatePolicyFlags {
        RatePolicyFlags::from_bits(self.flags)
    }

    /// Tries at each rate.
    pub const fn tries(&self) -> &RateTries {
        &self.tries
    }
}

/// Uploads policies; those that are not named stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxRateRetryPolicy<'a>(pub &'a [RatePolicyEntry]);

impl<'a> TxRateRetryPolicy<'a> {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`]; [`WireError::Count`] for more than 8 entries or more than there are;
    /// [`WireError::Value`] for a policy that does not exist.
    pub fn parse_data(data: &'a [u8]) -> Result<Self, WireError> {
        let (header, behind) = prefix::<HeaderWire>(data)?;
        let (entries, _) = array::<RatePolicyEntry>(behind, usize::from(header.count))?;
        if entries.iter().any(|entry| entry.index().is_none()) {
            return Err(WireError::Value);
        }
        if entries.len() > RatePolicyIndex::COUNT {
            return Err(WireError::Count);
        }
        Ok(Self(entries))
    }
}

impl Mib for TxRateRetryPolicy<'_> {
    const ID: MibId = MibId::TX_RATE_RETRY_POLICY;

    /// # Errors
    ///
    /// Also [`WireError::Count`] above 8 entries.
    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        if self.0.len() > RatePolicyIndex::COUNT {
            return Err(WireError::Count);
        }
        let mut writer = Writer::new(out);
        writer.put(&HeaderWire {
            count: u8::try_from(self.0.len()).map_err(|_error| WireError::Count)?,
            reserved: [0; 3],
        })?;
        writer.put(self.0)?;
        Ok(writer.written())
    }
}

impl fmt::Display for TxRateRetryPolicy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} policies", self.0.len())?;
        for entry in self.0 {
            write!(f, ", {}:", entry.index)?;
            for rate in RateMask::ANY.iter() {
                match entry.tries.tries(rate) {
                    0 => {}
                    tries => write!(f, " {rate} x{tries}")?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mib::check::{data_both_ways, data_round_trips};

    fn policy() -> RatePolicyEntry {
        let mut tries = RateTries::NONE;
        tries.set(RateId::from_mcs(7).unwrap(), 3);
        tries.set(RateId::from_mcs(0).unwrap(), 2);
        tries.add(RateId::DSSS_1, 1);
        RatePolicyEntry::new(RatePolicyIndex::new(1).unwrap(), 7, 4, tries)
    }

    #[test]
    fn a_policy_is_read_and_written() {
        data_both_ways!(
            TxRateRetryPolicy<'_>,
            4,
            [1, 0, 0, 0, 1, 7, 4, 0x0c, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0x30, 0],
            TxRateRetryPolicy(&[policy()])
        );
        assert_eq!(
            TxRateRetryPolicy(&[policy()]).to_string(),
            "1 policies, 1: 1 Mbit/s x1 MCS0 x2 MCS7 x3"
        );
    }

    #[test]
    fn tries_of_neighbours_do_not_touch_each_other() {
        let mut tries = RateTries::NONE;
        for rate in RateMask::ANY.iter() {
            tries.set(rate, 15);
        }
        tries.set(RateId::CCK_5_5, 1);
        for rate in RateMask::ANY.iter() {
            let expected = if rate == RateId::CCK_5_5 { 1 } else { 15 };
            assert_eq!(tries.tries(rate), expected);
        }
        assert_eq!(tries.total(), 21 * 15 + 1);
        tries.add(RateId::CCK_5_5, 200);
        assert_eq!(tries.tries(RateId::CCK_5_5), MAX_TRIES);
        assert_eq!(tries.tries(RateId::CCK_11), MAX_TRIES);
    }

    #[test]
    fn more_policies_than_there_are_are_refused() {
        let mut out = [0; 256];
        let nine = [policy(); 9];
        assert_eq!(TxRateRetryPolicy(&nine[..8]).emit_data(&mut out), Ok(164));
        assert_eq!(
            TxRateRetryPolicy(&nine).emit_data(&mut out),
            Err(WireError::Count)
        );
        out[0] = 9;
        assert_eq!(TxRateRetryPolicy::parse_data(&out), Err(WireError::Count));
        assert_eq!(
            TxRateRetryPolicy::parse_data(&out[..183]),
            Err(WireError::Count)
        );
        out[0] = 1;
        out[4] = 8;
        assert_eq!(TxRateRetryPolicy::parse_data(&out), Err(WireError::Value));
    }

    data_round_trips!(random_policies_are_no_danger, TxRateRetryPolicy<'_>);
}
