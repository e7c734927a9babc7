//! Objects that are one number.
//!
//! Each is a u32 except where said.
//!
//! | id | object | file 21 |
//! |---|---|---|
//! | 0x0003 | slot time in µs | 2.1 |
//! | 0x0005 | default WEP key id | 2.3 |
//! | 0x0007 | RTS threshold in bytes | 2.5 |
//! | 0x1000 | non-ERP protection, 0 or 1 | 2.6 |
//! | 0x1015 | automatic calibration | 1 |
//! | 0x1024 | multi-TX confirm, 0 or 1 | 2.25 |
//! | 0x1023 | TSF, u64 | 3.3 |
//! | 0x1043 | short guard interval, u8 0 or 1 | 2.35 |

use super::prelude::*;

/// An object that is one u32.
macro_rules! word {
    ($(#[$meta:meta])* $name:ident, $id:ident, $unit:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub u32);

        impl $name {
            /// Reads the data.
            ///
            /// # Errors
            ///
            /// [`WireError::Truncated`].
            pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
                let (word, _) = prefix::<U32>(data)?;
                Ok(Self(word.get()))
            }
        }

        impl Mib for $name {
            const ID: MibId = MibId::$id;

            fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
                emit_data(&U32::new(self.0), out)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{}", $unit), self.0)
            }
        }
    };
}

/// An object that is one u32 with the values 0 and 1.
macro_rules! switch {
    ($(#[$meta:meta])* $name:ident, $id:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub bool);

        impl $name {
            /// Reads the data; everything but 0 is "on".
            ///
            /// # Errors
            ///
            /// [`WireError::Truncated`].
            pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
                let (word, _) = prefix::<U32>(data)?;
                Ok(Self(*word != U32::ZERO))
            }
        }

        impl Mib for $name {
            const ID: MibId = MibId::$id;

            fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
                emit_data(&U32::new(u32::from(self.0)), out)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(if self.0 { "on" } else { "off" })
            }
        }
    };
}

word!(
    /// Slot time in µs: [`SHORT`](Self::SHORT) or [`LONG`](Self::LONG).
    SlotTime,
    SLOT_TIME,
    " us"
);

impl SlotTime {
    /// Short slot.
    pub const SHORT: Self = Self(9);
    /// Long slot.
    pub const LONG: Self = Self(20);
}

word!(
    /// WEP key to send with, 0 to 3.
    DefaultWepKeyId,
    DEFAULT_WEP_KEY_ID,
    ""
);

word!(
    /// Frames longer than so many bytes are preceded by an RTS; 0 switches it off.
    RtsThreshold,
    RTS_THRESHOLD,
    " bytes"
);

impl RtsThreshold {
    /// No RTS.
    pub const OFF: Self = Self(0);
}

word!(
    /// Automatic calibration; meaning of the number unknown.
    AutoCalibrationMode,
    AUTO_CALIBRATION_MODE,
    ""
);

switch!(
    /// CTS in front of frames that old stations cannot hear.
    NonErpProtection,
    NON_ERP_PROTECTION
);

switch!(
    /// The chip may confirm several frames with one message.
    MultiTxConfirm,
    MULTI_TX_CONFIRM
);

/// Send with the short guard interval. One byte on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxShortGi(pub bool);

impl TxShortGi {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (byte, _) = prefix::<u8>(data)?;
        Ok(Self(*byte != 0))
    }
}

impl Mib for TxShortGi {
    const ID: MibId = MibId::TX_SHORT_GI;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        emit_data(&u8::from(self.0), out)
    }
}

impl fmt::Display for TxShortGi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "on" } else { "off" })
    }
}

/// The timer that all stations of a BSS share, in µs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TsfCounter(pub u64);

impl TsfCounter {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (word, _) = prefix::<U64>(data)?;
        Ok(Self(word.get()))
    }
}

impl Mib for TsfCounter {
    const ID: MibId = MibId::TSF_COUNTER;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        emit_data(&U64::new(self.0), out)
    }
}

impl fmt::Display for TsfCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} us", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mib::check::{data_both_ways, data_round_trips};

    #[test]
    fn numbers_are_read_and_written() {
        data_both_ways!(SlotTime, 4, [9, 0, 0, 0], SlotTime::SHORT);
        data_both_ways!(DefaultWepKeyId, 4, [3, 0, 0, 0], DefaultWepKeyId(3));
        data_both_ways!(RtsThreshold, 4, [0x85, 9, 0, 0], RtsThreshold(2437));
        data_both_ways!(AutoCalibrationMode, 4, [1, 0, 0, 0], AutoCalibrationMode(1));
        data_both_ways!(
            TsfCounter,
            8,
            [1, 0, 0, 0, 2, 0, 0, 0],
            TsfCounter(0x2_0000_0001)
        );
        assert_eq!(SlotTime::SHORT.to_string(), "9 us");
    }

    #[test]
    fn switches_are_read_and_written() {
        data_both_ways!(NonErpProtection, 4, [0, 0, 0, 0], NonErpProtection(false));
        data_both_ways!(MultiTxConfirm, 4, [1, 0, 0, 0], MultiTxConfirm(true));
        data_both_ways!(TxShortGi, 1, [1], TxShortGi(true));
    }

    data_round_trips!(random_data_is_no_danger, MultiTxConfirm);
}
