//! Register map of function 1: addresses, the status bits and the doorbell words (file 10, section 3).
//!
//! ```text
//!   0x000  R  pending length, low byte (boot)  | bit 0: "empty is genuine" (Wi-Fi)
//!   0x001  R  pending length, high byte (boot) | announcement (Wi-Fi); reading it acknowledges the interrupt
//!   0x108  R  free receive buffers (boot)
//!   0x109  R  largest message the chip takes, 16 bit (boot)
//!   0x10C  R  status
//!   0x120  W  doorbell, low byte: the trigger
//!   0x121  W  doorbell, high byte, written first
//! ```

/// Low byte of the pending length while booting; while Wi-Fi is on, bit 0 says that an empty announcement is genuine.
/// C: `BES_TX_CTRL_REG_ID`.
pub const LENGTH_LOW: u32 = 0x000;

/// High byte of the pending length while booting; the announcement while Wi-Fi is on. Reading it acknowledges the
/// chip's interrupt (file 10, section 7).
pub const LENGTH_HIGH: u32 = 0x001;

/// Number of receive buffers the chip has free while booting.
pub const FREE_BUFFERS: u32 = 0x108;

/// Low byte of the largest message, header included, that the chip takes while booting; the high byte follows.
pub const MAX_MESSAGE: u32 = 0x109;

/// Status of the chip. C: `BES_SLAVE_STATUS_REG_ID`.
pub const STATUS: u32 = 0x10C;

/// Low byte of the doorbell: writing it rings. C: `BES_HOST_INT_REG_ID`.
pub const DOORBELL_LOW: u32 = 0x120;

/// High byte of the doorbell, written before the low one.
pub const DOORBELL_HIGH: u32 = 0x121;

/// Bit of [`LENGTH_LOW`] that says, while Wi-Fi is on, that there is really nothing to receive (file 10, section 5.2).
pub const EMPTY_IS_GENUINE: u8 = 1;

/// Content of [`STATUS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Status(u8);

impl Status {
    /// The firmware takes doorbell requests.
    pub const MCU_READY: Self = Self(0x01);
    /// The calibration firmware has its block ready (file 11, section 7).
    pub const DPD_READY: Self = Self(0x02);
    /// Wi-Fi is on.
    pub const WIFI_READY: Self = Self(0x04);
    /// Bluetooth is on.
    pub const BT_READY: Self = Self(0x08);
    /// The host keeps the MCU awake.
    pub const MCU_AWAKE: Self = Self(0x10);
    /// Bluetooth is out of low power.
    pub const BT_AWAKE: Self = Self(0x20);
    /// The calibration log is ready; not used in operation.
    pub const DPD_LOG_READY: Self = Self(0x40);

    /// From the byte of the register.
    pub const fn new(byte: u8) -> Self {
        Self(byte)
    }

    /// Whether every bit of `bits` is set.
    pub const fn has(self, bits: Self) -> bool {
        self.0 & bits.0 == bits.0
    }
}

/// A request to the MCU: the 16-bit doorbell word, the bell bit included (file 10, section 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DoorbellWord(u16);

impl DoorbellWord {
    /// The MCU may sleep.
    pub const MCU_DEACTIVE: Self = Self(0x0005);
    /// Keep the MCU awake.
    pub const MCU_ACTIVE: Self = Self(0x0009);
    /// Switch Wi-Fi off.
    pub const WIFI_DEACTIVE: Self = Self(0x0011);
    /// Switch Wi-Fi on.
    pub const WIFI_ACTIVE: Self = Self(0x0021);
    /// Switch Bluetooth off.
    pub const BT_DEACTIVE: Self = Self(0x0081);
    /// Switch Bluetooth on.
    pub const BT_ACTIVE: Self = Self(0x0101);
    /// Bluetooth out of low power.
    pub const BT_WAKEUP: Self = Self(0x0401);
    /// Bluetooth may enter low power.
    pub const BT_SLEEP: Self = Self(0x0801);

    /// The two bytes in the order in which they are written: [`DOORBELL_HIGH`], then [`DOORBELL_LOW`].
    pub const fn bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table "exact byte pairs" of file 10, section 3.3.
    #[test]
    fn doorbell_bytes_are_those_of_the_table() {
        for (word, bytes) in [
            (DoorbellWord::MCU_ACTIVE, [0x00, 0x09]),
            (DoorbellWord::MCU_DEACTIVE, [0x00, 0x05]),
            (DoorbellWord::WIFI_ACTIVE, [0x00, 0x21]),
            (DoorbellWord::WIFI_DEACTIVE, [0x00, 0x11]),
            (DoorbellWord::BT_ACTIVE, [0x01, 0x01]),
            (DoorbellWord::BT_DEACTIVE, [0x00, 0x81]),
            (DoorbellWord::BT_WAKEUP, [0x04, 0x01]),
            (DoorbellWord::BT_SLEEP, [0x08, 0x01]),
        ] {
            assert_eq!(word.bytes(), bytes);
        }
    }

    #[test]
    fn a_status_has_a_bit_only_if_it_is_set() {
        let status = Status::new(0x05);
        assert!(status.has(Status::MCU_READY) && status.has(Status::WIFI_READY));
        assert!(!status.has(Status::BT_READY));
    }
}
