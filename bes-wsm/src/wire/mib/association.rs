//! Properties of a BSS and of the association with it.
//!
//! * 0x100E block-ack policy: u8 TX TIDs, u8 0, u8 RX TIDs, u8 0.
//! * 0x100F override internal TX rate: u8 rate id, u8 rate id for non-ERP, 2 bytes 0.
//! * 0x1010 association mode: u8 valid bits, u8 preamble, u8 greenfield, u8 MPDU start spacing, u32 basic rates.
//! * 0x1013 U-APSD information: u16 access categories, u16 min, u16 max, u16 step of the auto-trigger interval.
//! * 0x1020 protected management policy: u32 of bits.
//! * 0x1021 HT protection: u32 of bits.
//!
//! Source: file 21, sections 2.15 to 2.18, 2.23 and 2.24.

use super::prelude::*;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct BlockAckWire {
    tx_tids: u8,
    reserved: u8,
    rx_tids: u8,
    reserved2: u8,
}

const_assert_eq!(size_of::<BlockAckWire>(), 4);

/// TIDs for which the chip agrees on block ack; bit n is TID n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockAckPolicy {
    /// When sending.
    pub tx_tids: u8,
    /// When receiving.
    pub rx_tids: u8,
}

impl BlockAckPolicy {
    /// Not associated.
    pub const IDLE: Self = Self::new(0x00, 0xB1);
    /// Station, associated with HT.
    pub const STATION: Self = Self::new(0xB1, 0xB1);
    /// Access point with at most one station.
    pub const ACCESS_POINT: Self = Self::new(0x3F, 0x3F);
    /// None at all: access point with several stations.
    pub const NONE: Self = Self::new(0, 0);

    /// A policy.
    pub const fn new(tx_tids: u8, rx_tids: u8) -> Self {
        Self { tx_tids, rx_tids }
    }

    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = prefix::<BlockAckWire>(data)?;
        Ok(Self::new(wire.tx_tids, wire.rx_tids))
    }
}

impl Mib for BlockAckPolicy {
    const ID: MibId = MibId::BLOCK_ACK_POLICY;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = BlockAckWire {
            tx_tids: self.tx_tids,
            reserved: 0,
            rx_tids: self.rx_tids,
            reserved2: 0,
        };
        emit_data(&wire, out)
    }
}

impl fmt::Display for BlockAckPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "TX TIDs {:#04x}, RX TIDs {:#04x}",
            self.tx_tids, self.rx_tids
        )
    }
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct InternalRateWire {
    rate: u8,
    non_erp_rate: u8,
    reserved: [u8; 2],
}

const_assert_eq!(size_of::<InternalRateWire>(), 4);

/// Rate of frames that the chip sends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InternalTxRate {
    /// Usually.
    pub rate: RateId,
    /// With old stations around.
    pub non_erp_rate: RateId,
}

impl InternalTxRate {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`], [`WireError::Rate`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = prefix::<InternalRateWire>(data)?;
        Ok(Self {
            rate: RateId::try_from(wire.rate)?,
            non_erp_rate: RateId::try_from(wire.non_erp_rate)?,
        })
    }
}

impl Mib for InternalTxRate {
    const ID: MibId = MibId::OVERRIDE_INTERNAL_TX_RATE;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = InternalRateWire {
            rate: self.rate.raw(),
            non_erp_rate: self.non_erp_rate.raw(),
            reserved: [0; 2],
        };
        emit_data(&wire, out)
    }
}

impl fmt::Display for InternalTxRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, non-ERP {}", self.rate, self.non_erp_rate)
    }
}

/// Which fields of [`AssociationMode`] count.
#[bitfield(u8)]
#[derive(PartialEq, Eq)]
pub struct AssociationFields {
    /// Preamble.
    pub preamble: bool,
    /// Greenfield.
    pub ht_mode: bool,
    /// Basic rates.
    pub basic_rates: bool,
    /// MPDU spacing.
    pub mpdu_spacing: bool,
    /// The chip reads association frames itself.
    pub snoop: bool,
    /// Not defined.
    #[bits(3)]
    __: u8,
}

impl AssociationFields {
    /// All of them: 0x1F.
    pub const ALL: Self = Self::from_bits(0x1F);
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct AssociationWire {
    fields: u8,
    preamble: u8,
    greenfield: u8,
    mpdu_spacing: u8,
    basic_rates: U32,
}

const_assert_eq!(size_of::<AssociationWire>(), 8);

/// Properties of the association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssociationMode {
    /// What counts.
    pub fields: AssociationFields,
    /// Short preamble.
    pub short_preamble: bool,
    /// Greenfield.
    pub greenfield: bool,
    /// Shortest distance of MPDUs in an A-MPDU as 802.11 encodes it, 0 to 7.
    pub mpdu_spacing: u8,
    /// Basic rates.
    pub basic_rates: RateMask,
}

impl AssociationMode {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = prefix::<AssociationWire>(data)?;
        Ok(Self {
            fields: AssociationFields::from_bits(wire.fields),
            short_preamble: wire.preamble != 0,
            greenfield: wire.greenfield != 0,
            mpdu_spacing: wire.mpdu_spacing,
            basic_rates: RateMask(wire.basic_rates.get()),
        })
    }
}

impl Mib for AssociationMode {
    const ID: MibId = MibId::ASSOCIATION_MODE;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = AssociationWire {
            fields: self.fields.into_bits(),
            preamble: u8::from(self.short_preamble),
            greenfield: u8::from(self.greenfield),
            mpdu_spacing: self.mpdu_spacing,
            basic_rates: U32::new(self.basic_rates.0),
        };
        emit_data(&wire, out)
    }
}

impl fmt::Display for AssociationMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} preamble, {}, spacing {}, basic {}",
            if self.short_preamble { "short" } else { "long" },
            if self.greenfield {
                "greenfield"
            } else {
                "mixed"
            },
            self.mpdu_spacing,
            self.basic_rates
        )
    }
}

/// Access categories with U-APSD.
#[bitfield(u16)]
#[derive(PartialEq, Eq)]
pub struct UapsdQueues {
    /// Background.
    pub background: bool,
    /// Best effort.
    pub best_effort: bool,
    /// Video.
    pub video: bool,
    /// Voice.
    pub voice: bool,
    /// Not defined.
    #[bits(12)]
    __: u16,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct UapsdWire {
    queues: U16,
    min_interval: U16,
    max_interval: U16,
    step: U16,
}

const_assert_eq!(size_of::<UapsdWire>(), 8);

/// U-APSD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UapsdInformation {
    /// Which access categories use it.
    pub queues: UapsdQueues,
    /// Shortest interval of automatic triggers; 0 as far as known means none.
    pub min_interval: u16,
    /// Longest interval.
    pub max_interval: u16,
    /// Step between them.
    pub step: u16,
}

impl UapsdInformation {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = prefix::<UapsdWire>(data)?;
        Ok(Self {
            queues: UapsdQueues::from_bits(wire.queues.get()),
            min_interval: wire.min_interval.get(),
            max_interval: wire.max_interval.get(),
            step: wire.step.get(),
        })
    }
}

impl Mib for UapsdInformation {
    const ID: MibId = MibId::UAPSD_INFORMATION;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = UapsdWire {
            queues: U16::new(self.queues.into_bits()),
            min_interval: U16::new(self.min_interval),
            max_interval: U16::new(self.max_interval),
            step: U16::new(self.step),
        };
        emit_data(&wire, out)
    }
}

impl fmt::Display for UapsdInformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "access categories {:#x}", self.queues.into_bits())
    }
}

/// Protection of management frames.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct ProtectedManagementPolicy {
    /// Management frames are protected.
    pub enabled: bool,
    /// Unprotected ones are allowed.
    pub unprotected_allowed: bool,
    /// Authentication frames are encrypted.
    pub encrypt_authentication: bool,
    /// Not defined.
    #[bits(29)]
    __: u32,
}

impl ProtectedManagementPolicy {
    /// Before a join: 6.
    pub const BEFORE_JOIN: Self = Self::new()
        .with_unprotected_allowed(true)
        .with_encrypt_authentication(true);
    /// Before a key for management frames is installed: 1.
    pub const PROTECTED: Self = Self::new().with_enabled(true);

    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (word, _) = prefix::<U32>(data)?;
        Ok(Self::from_bits(word.get()))
    }
}

impl Mib for ProtectedManagementPolicy {
    const ID: MibId = MibId::PROTECTED_MANAGEMENT_POLICY;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        emit_data(&U32::new(self.into_bits()), out)
    }
}

impl fmt::Display for ProtectedManagementPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.into_bits())
    }
}

/// What a BSS with HT must respect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HtProtectionMode {
    /// Nothing.
    #[default]
    None,
    /// Stations that are no members.
    NonMember,
    /// Stations with 20 MHz.
    TwentyMhz,
    /// Stations without HT.
    Mixed,
}

impl HtProtectionMode {
    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::None,
            1 => Self::NonMember,
            2 => Self::TwentyMhz,
            _ => Self::Mixed,
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::None => 0,
            Self::NonMember => 1,
            Self::TwentyMhz => 2,
            Self::Mixed => 3,
        }
    }
}

/// HT protection.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct HtProtection {
    /// Dual CTS.
    pub dual_cts: bool,
    /// There is a station that cannot hear greenfield.
    pub non_greenfield: bool,
    /// What must be respected.
    #[bits(2)]
    pub mode: HtProtectionMode,
    /// Full L-SIG TXOP.
    pub lsig_txop: bool,
    /// Large L-length.
    pub large_l_length: bool,
    /// Not defined.
    #[bits(26)]
    __: u32,
}

impl HtProtection {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (word, _) = prefix::<U32>(data)?;
        Ok(Self::from_bits(word.get()))
    }
}

impl Mib for HtProtection {
    const ID: MibId = MibId::HT_PROTECTION;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        emit_data(&U32::new(self.into_bits()), out)
    }
}

impl fmt::Display for HtProtection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.into_bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mib::check::{data_both_ways, data_round_trips};

    #[test]
    fn block_ack_policies_are_read_and_written() {
        data_both_ways!(BlockAckPolicy, 4, [0, 0, 0xb1, 0], BlockAckPolicy::IDLE);
        data_both_ways!(
            BlockAckPolicy,
            4,
            [0xb1, 0, 0xb1, 0],
            BlockAckPolicy::STATION
        );
        data_both_ways!(
            BlockAckPolicy,
            4,
            [0x3f, 0, 0x3f, 0],
            BlockAckPolicy::ACCESS_POINT
        );
    }

    #[test]
    fn the_internal_rate_is_read_and_written() {
        let rate = InternalTxRate {
            rate: RateId::OFDM_6,
            non_erp_rate: RateId::DSSS_1,
        };
        data_both_ways!(InternalTxRate, 4, [6, 0, 0, 0], rate);
        assert_eq!(
            InternalTxRate::parse_data(&[6, 99, 0, 0]),
            Err(WireError::Rate(99))
        );
    }

    #[test]
    fn the_association_mode_is_read_and_written() {
        data_both_ways!(
            AssociationMode,
            8,
            [0x1f, 1, 0, 6, 0x0f, 0, 0, 0],
            AssociationMode {
                fields: AssociationFields::ALL,
                short_preamble: true,
                greenfield: false,
                mpdu_spacing: 6,
                basic_rates: RateMask(0x0f),
            }
        );
    }

    #[test]
    fn uapsd_is_read_and_written() {
        data_both_ways!(
            UapsdInformation,
            8,
            [9, 0, 0, 0, 0, 0, 0, 0],
            UapsdInformation {
                queues: UapsdQueues::new().with_background(true).with_voice(true),
                ..UapsdInformation::default()
            }
        );
    }

    #[test]
    fn protections_are_read_and_written() {
        data_both_ways!(
            ProtectedManagementPolicy,
            4,
            [6, 0, 0, 0],
            ProtectedManagementPolicy::BEFORE_JOIN
        );
        data_both_ways!(
            ProtectedManagementPolicy,
            4,
            [1, 0, 0, 0],
            ProtectedManagementPolicy::PROTECTED
        );
        data_both_ways!(
            HtProtection,
            4,
            [0x0e, 0, 0, 0],
            HtProtection::new()
                .with_non_greenfield(true)
                .with_mode(HtProtectionMode::Mixed)
        );
    }

    data_round_trips!(random_association_modes_are_no_danger, AssociationMode);
    data_round_trips!(random_internal_rates_are_no_danger, InternalTxRate);
}
