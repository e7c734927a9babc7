//! P2P: power save of a group, and what a device says about itself.
//!
//! * 0x1019 P2P PS mode, 16 bytes: u8 opportunistic bit and CT window, u8 NoA count, u8 index, u8 DTIM count,
//!   u32 duration, u32 interval, u32 start time.
//! * 0x101D P2P device info: 8 bytes device type, 3 bytes 0, u8 name length, 32 bytes name, 3 bytes 0, u8 count,
//!   8 bytes for each secondary device type.
//!
//! Source: file 21, sections 2.20 and 3.3.

use super::prelude::*;

/// Opportunistic power save and its window.
#[bitfield(u8)]
#[derive(PartialEq, Eq, Hash)]
pub struct OpportunisticPs {
    #[bits(7)]
    window_bits: u8,
    /// The group owner may doze when all clients do.
    pub enabled: bool,
}

impl OpportunisticPs {
    /// A window of up to 127 TU; `None` for a longer one.
    pub const fn of(window: u8) -> Option<Self> {
        if window > 127 {
            return None;
        }
        Some(Self::new().with_window_bits(window).with_enabled(true))
    }

    /// Client traffic window in TU.
    pub const fn window(self) -> u8 {
        self.window_bits()
    }
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct PsWire {
    opportunistic: u8,
    count: u8,
    index: u8,
    dtim_count: u8,
    duration: U32,
    interval: U32,
    start_time: U32,
}

const_assert_eq!(size_of::<PsWire>(), 16);

/// Power save of a P2P group: opportunistic and notice of absence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct P2pPsMode {
    /// Opportunistic.
    pub opportunistic: OpportunisticPs,
    /// Absences; 0 is none, 255 for ever.
    pub count: u8,
    /// Index, when read.
    pub index: u8,
    /// DTIM count.
    pub dtim_count: u8,
    /// Length of an absence, in µs as P2P has it.
    pub duration: u32,
    /// From one absence to the next, in µs as P2P has it.
    pub interval: u32,
    /// Start of the first, low word of the TSF.
    pub start_time: u32,
}

impl P2pPsMode {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = prefix::<PsWire>(data)?;
        Ok(Self {
            opportunistic: OpportunisticPs::from_bits(wire.opportunistic),
            count: wire.count,
            index: wire.index,
            dtim_count: wire.dtim_count,
            duration: wire.duration.get(),
            interval: wire.interval.get(),
            start_time: wire.start_time.get(),
        })
    }
}

impl Mib for P2pPsMode {
    const ID: MibId = MibId::P2P_PS_MODE;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = PsWire {
            opportunistic: self.opportunistic.into_bits(),
            count: self.count,
            index: self.index,
            dtim_count: self.dtim_count,
            duration: U32::new(self.duration),
            interval: U32::new(self.interval),
            start_time: U32::new(self.start_time),
        };
        emit_data(&wire, out)
    }
}

impl fmt::Display for P2pPsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "CT window {}, {} absences of {} every {}",
            self.opportunistic.window(),
            self.count,
            self.duration,
            self.interval
        )
    }
}

/// Kind of device, as P2P encodes it.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(C)]
pub struct DeviceType {
    category: U16,
    oui: [u8; 4],
    sub_category: U16,
}

const_assert_eq!(size_of::<DeviceType>(), 8);

impl DeviceType {
    /// A kind of device.
    pub const fn new(category: u16, oui: [u8; 4], sub_category: u16) -> Self {
        Self {
            category: U16::new(category),
            oui,
            sub_category: U16::new(sub_category),
        }
    }
}

const NAME_LEN: usize = 32;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct DeviceWire {
    primary: DeviceType,
    reserved: [u8; 3],
    name_len: u8,
    name: [u8; NAME_LEN],
    reserved2: [u8; 3],
    count: u8,
}

const_assert_eq!(size_of::<DeviceWire>(), 48);
const_assert_eq!(offset_of!(DeviceWire, name_len), 11);
const_assert_eq!(offset_of!(DeviceWire, count), 47);

/// What a P2P device says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct P2pDeviceInfo<'a> {
    /// Kind of device.
    pub primary: DeviceType,
    /// Name, up to 32 bytes.
    pub name: &'a [u8],
    /// What else it is.
    pub secondary: &'a [DeviceType],
}

impl<'a> P2pDeviceInfo<'a> {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`], [`WireError::Count`].
    pub fn parse_data(data: &'a [u8]) -> Result<Self, WireError> {
        let (wire, behind) = prefix::<DeviceWire>(data)?;
        let (secondary, _) = array::<DeviceType>(behind, usize::from(wire.count))?;
        let (name, _) = tail(&wire.name, usize::from(wire.name_len))?;
        Ok(Self {
            primary: wire.primary,
            name,
            secondary,
        })
    }
}

impl Mib for P2pDeviceInfo<'_> {
    const ID: MibId = MibId::P2P_DEVICE_INFO;

    /// # Errors
    ///
    /// Also [`WireError::Count`] for a name longer than 32 bytes or more than 255 kinds.
    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let mut name = [0; NAME_LEN];
        name.get_mut(..self.name.len())
            .ok_or(WireError::Count)?
            .copy_from_slice(self.name);
        let mut writer = Writer::new(out);
        writer.put(&DeviceWire {
            primary: self.primary,
            reserved: [0; 3],
            name_len: u8::try_from(self.name.len()).map_err(|_error| WireError::Count)?,
            name,
            reserved2: [0; 3],
            count: u8::try_from(self.secondary.len()).map_err(|_error| WireError::Count)?,
        })?;
        writer.put(self.secondary)?;
        Ok(writer.written())
    }
}

impl fmt::Display for P2pDeviceInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}\", {} secondary types",
            self.name.escape_ascii(),
            self.secondary.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mib::check::{data_both_ways, data_round_trips};

    #[test]
    fn power_save_is_read_and_written() {
        data_both_ways!(P2pPsMode, 16, [0; 16], P2pPsMode::default());
        data_both_ways!(
            P2pPsMode,
            16,
            [0x8a, 1, 2, 3, 4, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0],
            P2pPsMode {
                opportunistic: OpportunisticPs::of(10).unwrap(),
                count: 1,
                index: 2,
                dtim_count: 3,
                duration: 4,
                interval: 5,
                start_time: 6,
            }
        );
        assert_eq!(OpportunisticPs::of(128), None);
    }

    #[test]
    fn device_info_is_read_and_written() {
        let mut bytes = vec![1, 0, 0, 0x50, 0xf2, 4, 2, 0, 0, 0, 0, 3, b'b', b'e', b's'];
        bytes.resize(47, 0);
        bytes.extend_from_slice(&[1, 3, 0, 0, 0, 0, 0, 4, 0]);
        data_both_ways!(
            P2pDeviceInfo<'_>,
            48,
            bytes.clone(),
            P2pDeviceInfo {
                primary: DeviceType::new(1, [0, 0x50, 0xf2, 4], 2),
                name: b"bes",
                secondary: &[DeviceType::new(3, [0; 4], 4)],
            }
        );
        bytes[11] = 33;
        assert_eq!(P2pDeviceInfo::parse_data(&bytes), Err(WireError::Count));
        bytes[11] = 0;
        bytes[47] = 2;
        assert_eq!(P2pDeviceInfo::parse_data(&bytes), Err(WireError::Count));
    }

    data_round_trips!(random_device_info_is_no_danger, P2pDeviceInfo<'_>);
}
