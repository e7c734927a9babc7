//! 802.11 power save, and sleep of the chip's Wi-Fi CPU.
//!
//! SET_PM: u8 mode, then three periods of one byte each in units of 500 µs: idle time before fast power save dozes,
//! AP PSM change period, shortest automatic PS-poll period. Set-PM result: u32 status, u8 mode now in force.
//! CPU sleep control: u32, 1 = must not sleep.
//!
//! Source: file 20, sections 4.3, 9.6, 9.7 and 11.5.

use super::prelude::*;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct SetWire {
    header: RawHeader,
    mode: u8,
    fast_idle: u8,
    ap_change: u8,
    min_auto_poll: u8,
}

const_assert_eq!(size_of::<SetWire>(), 8);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ResultWire {
    header: RawHeader,
    status: U32,
    mode: u8,
}

const_assert_eq!(size_of::<ResultWire>(), 9);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct CpuSleepWire {
    header: RawHeader,
    disable: U32,
}

const_assert_eq!(size_of::<CpuSleepWire>(), 8);

open_enum! {
    /// 802.11 power-save mode.
    pub enum PsmMode: u8 {
        /// Always awake.
        Active = 0x00 => "active",
        /// Power save.
        PowerSave = 0x01 => "power save",
        /// The null frame that announces the change was not acknowledged.
        NotAcknowledged = 0x02 => "change not acknowledged",
        /// Power save that stays awake for a while after each frame.
        FastPowerSave = 0x81 => "fast power save",
    }
}

impl PsmMode {
    /// Whether the station dozes between frames in this mode: bit 0.
    pub const fn is_power_save(self) -> bool {
        self.raw() & 1 != 0
    }
}

/// A short time in units of 500 µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HalfMillis(pub u8);

impl HalfMillis {
    /// As a duration.
    pub const fn duration(self) -> bes_hal::Duration {
        let units = u64::from_le_bytes([self.0, 0, 0, 0, 0, 0, 0, 0]);
        bes_hal::Duration::from_micros(units.saturating_mul(500))
    }
}

/// Asks for a power-save mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetPowerMode {
    /// Mode.
    pub mode: PsmMode,
    /// Idle time before fast power save dozes.
    pub fast_idle: HalfMillis,
    /// AP PSM change period; 0 is the default.
    pub ap_change: HalfMillis,
    /// Shortest automatic PS-poll period; 0 switches it off.
    pub min_auto_poll: HalfMillis,
}

impl SetPowerMode {
    /// `mode` with an idle time, and defaults.
    pub const fn new(mode: PsmMode, fast_idle: HalfMillis) -> Self {
        Self {
            mode,
            fast_idle,
            ap_change: HalfMillis(0),
            min_auto_poll: HalfMillis(0),
        }
    }

    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<SetWire>(message, Self::ID)?;
        Ok(Self {
            mode: PsmMode::from_raw(wire.mode),
            fast_idle: HalfMillis(wire.fast_idle),
            ap_change: HalfMillis(wire.ap_change),
            min_auto_poll: HalfMillis(wire.min_auto_poll),
        })
    }
}

impl Request for SetPowerMode {
    const ID: MessageId = MessageId::SET_PM;
    type Confirm<'a> = GenericConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = SetWire {
            header: RawHeader::BLANK,
            mode: self.mode.raw(),
            fast_idle: self.fast_idle.0,
            ap_change: self.ap_change.0,
            min_auto_poll: self.min_auto_poll.0,
        };
        emit(Self::ID, interface, &wire, &[], out)
    }
}

impl fmt::Display for SetPowerMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "set power mode: {}, idle {:?}",
            self.mode,
            self.fast_idle.duration()
        )
    }
}

/// The power-save mode has changed, or could not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetPowerModeResult {
    /// How it went.
    pub status: Status,
    /// Mode now in force.
    pub mode: PsmMode,
}

impl SetPowerModeResult {
    /// Id of the message.
    pub const ID: MessageId = MessageId::SET_PM_RESULT;

    /// Writes the indication with its three bytes of padding and returns its length.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`].
    pub fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = ResultWire {
            header: RawHeader::BLANK,
            status: U32::new(self.status.raw()),
            mode: self.mode.raw(),
        };
        emit(Self::ID, interface, &wire, &[0; 3], out)
    }
}

impl Confirm<'_> for SetPowerModeResult {
    fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<ResultWire>(message, Self::ID)?;
        Ok(Self {
            status: Status::from_raw(wire.status.get()),
            mode: PsmMode::from_raw(wire.mode),
        })
    }
}

impl fmt::Display for SetPowerModeResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "set-PM result: {}, {}", self.status, self.mode)
    }
}

/// Allows the chip's Wi-Fi CPU to sleep, or forbids it. Its confirm says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuSleep {
    /// It must stay awake.
    pub disable: bool,
}

impl CpuSleep {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<CpuSleepWire>(message, Self::ID)?;
        Ok(Self {
            disable: wire.disable != U32::ZERO,
        })
    }
}

impl Request for CpuSleep {
    const ID: MessageId = MessageId::CPU_SLEEP;
    type Confirm<'a> = BareConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = CpuSleepWire {
            header: RawHeader::BLANK,
            disable: U32::new(u32::from(self.disable)),
        };
        emit(Self::ID, interface, &wire, &[], out)
    }
}

impl fmt::Display for CpuSleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.disable {
            "CPU must not sleep"
        } else {
            "CPU may sleep"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, round_trips};

    #[test]
    fn a_request_is_read_and_written() {
        both_ways!(
            SetPowerMode,
            8,
            [0x08, 0x00, 0x10, 0x00, 0x81, 0x10, 0x00, 0x00],
            SetPowerMode::new(PsmMode::FastPowerSave, HalfMillis(16))
        );
        let fast = SetPowerMode::new(PsmMode::FastPowerSave, HalfMillis(16));
        assert_eq!(
            fast.to_string(),
            "set power mode: fast power save, idle 8ms"
        );
    }

    #[test]
    fn the_captured_result_is_read_and_written() {
        both_ways!(
            SetPowerModeResult,
            9,
            [0x0c, 0x00, 0x09, 0x48, 0, 0, 0, 0, 0x01, 0, 0, 0],
            SetPowerModeResult {
                status: Status::Success,
                mode: PsmMode::PowerSave,
            }
        );
    }

    #[test]
    fn cpu_sleep_control_is_read_and_written() {
        let bytes = [0x08, 0x00, 0x24, 0x00, 1, 0, 0, 0];
        both_ways!(CpuSleep, 8, bytes, CpuSleep { disable: true });
    }

    #[test]
    fn bit_zero_of_the_mode_is_power_save() {
        assert!(PsmMode::PowerSave.is_power_save());
        assert!(PsmMode::FastPowerSave.is_power_save());
        assert!(!PsmMode::Active.is_power_save());
        assert!(!PsmMode::NotAcknowledged.is_power_save());
    }

    round_trips!(SetPowerModeResult, SetPowerModeResult::ID);
}
