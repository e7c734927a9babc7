//! What every message file needs.

pub(super) use super::code::{closed_enum, open_enum};
pub(super) use super::codec::{array, emit, emit_bare, fixed, open, tail, Writer};
pub(super) use super::error::WireError;
pub(super) use super::generic::{BareConfirm, GenericConfirm};
pub(super) use super::header::{InterfaceId, RawHeader};
pub(super) use super::id::MessageId;
pub(super) use super::rate::{RateId, RateMask};
pub(super) use super::status::Status;
pub(super) use super::unit::{Band, ChannelNumber, DeciDbm, LinkId, MacAddress, QueueId, Tu};
pub(super) use super::{Confirm, Request};
pub(super) use bitfield_struct::bitfield;
pub(super) use core::fmt;
pub(super) use core::mem::{offset_of, size_of};
pub(super) use static_assertions::const_assert_eq;
pub(super) use zerocopy::little_endian::{U16, U32};
pub(super) use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};
