//! What every object's file needs.

pub(super) use super::{emit_data, Mib, MibId};
pub(super) use crate::wire::code::{closed_enum, open_enum};
pub(super) use crate::wire::codec::{array, prefix, tail, Writer};
pub(super) use crate::wire::error::WireError;
pub(super) use crate::wire::rate::{RateId, RateMask, RatePolicyIndex};
pub(super) use crate::wire::unit::{DeciDbm, MacAddress};
pub(super) use bitfield_struct::bitfield;
pub(super) use core::fmt;
pub(super) use core::mem::{offset_of, size_of};
pub(super) use static_assertions::const_assert_eq;
pub(super) use zerocopy::little_endian::{U16, U32, U64};
pub(super) use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};
