//! Beacons: which reach the host, when to wake for them, and what their strength means.
//!
//! * 0x1004 beacon filter table: u32 number of entries, entries of 8 bytes: u8 element id, u8 actions, 3 bytes OUI,
//!   3 bytes match data.
//! * 0x1005 beacon filter control: u32 enable bits, u32 beacon count.
//! * 0x1007 beacon wake-up period: u8 periods, u8 0, u16 listen interval.
//! * 0x1009 RCPI/RSSI threshold: u8 mode bits, u8 lower, u8 upper, u8 averaging count.
//!
//! Source: file 20, section 4.5; file 21, sections 2.10, 2.11, 2.13 and 2.14.

use super::prelude::*;

/// What makes an element worth passing a beacon on.
#[bitfield(u8)]
#[derive(PartialEq, Eq)]
pub struct ElementActions {
    /// It changed.
    pub changed: bool,
    /// It disappeared.
    pub disappeared: bool,
    /// It appeared.
    pub appeared: bool,
    /// Not defined.
    #[bits(5)]
    __: u8,
}

impl ElementActions {
    /// All three.
    pub const ALL: Self = Self::new()
        .with_changed(true)
        .with_disappeared(true)
        .with_appeared(true);
}

/// An element of beacons that the host wants to know about.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct BeaconFilterEntry {
    element: u8,
    actions: u8,
    oui: [u8; 3],
    data: [u8; 3],
}

const_assert_eq!(size_of::<BeaconFilterEntry>(), 8);
const_assert_eq!(offset_of!(BeaconFilterEntry, data), 5);

impl BeaconFilterEntry {
    const VENDOR: u8 = 221;

    /// An element by its id.
    pub const fn element(element: u8, actions: ElementActions) -> Self {
        Self {
            element,
            actions: actions.into_bits(),
            oui: [0; 3],
            data: [0; 3],
        }
    }

    /// A vendor element by its OUI.
    pub const fn vendor(oui: [u8; 3], actions: ElementActions) -> Self {
        Self {
            element: Self::VENDOR,
            actions: actions.into_bits(),
            oui,
            data: [0; 3],
        }
    }

    /// Element id.
    pub const fn id(&self) -> u8 {
        self.element
    }

    /// What makes it worth passing on.
    pub const fn actions(&self) -> ElementActions {
        ElementActions::from_bits(self.actions)
    }

    /// P2P: what every station asks for.
    pub const P2P: Self = Self::vendor([0x50, 0x6F, 0x9A], ElementActions::ALL);
    /// ERP information.
    pub const ERP: Self = Self::element(42, ElementActions::ALL);
    /// HT operation.
    pub const HT_OPERATION: Self = Self::element(61, ElementActions::ALL);
    /// The access point announces that it will move to another channel.
    pub const CHANNEL_SWITCH: Self = Self::element(37, ElementActions::ALL);
    /// The same, with the operating class of the new channel.
    pub const EXTENDED_CHANNEL_SWITCH: Self = Self::element(60, ElementActions::ALL);
}

/// The elements of beacons that the host wants to know about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeaconFilterTable<'a>(pub &'a [BeaconFilterEntry]);

impl<'a> BeaconFilterTable<'a> {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`]; [`WireError::Count`] if there are fewer entries than it says.
    pub fn parse_data(data: &'a [u8]) -> Result<Self, WireError> {
        let (count, behind) = prefix::<U32>(data)?;
        let count = usize::try_from(count.get()).map_err(|_error| WireError::Count)?;
        let (entries, _) = array::<BeaconFilterEntry>(behind, count)?;
        Ok(Self(entries))
    }
}

impl Mib for BeaconFilterTable<'_> {
    const ID: MibId = MibId::BEACON_FILTER_TABLE;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let count = u32::try_from(self.0.len()).map_err(|_error| WireError::Count)?;
        let mut writer = Writer::new(out);
        writer.put(&U32::new(count))?;
        writer.put(self.0)?;
        Ok(writer.written())
    }
}

impl fmt::Display for BeaconFilterTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} elements:", self.0.len())?;
        self.0
            .iter()
            .try_for_each(|entry| write!(f, " {}", entry.element))
    }
}

/// What the chip does about beacons by itself.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct BeaconFilterEnable {
    /// Beacons without news are not passed on.
    pub filter: bool,
    /// The chip handles changes of ERP.
    pub auto_erp: bool,
    /// The chip handles changes of HT.
    pub auto_ht: bool,
    /// Not defined.
    #[bits(29)]
    __: u32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ControlWire {
    enable: U32,
    count: U32,
}

const_assert_eq!(size_of::<ControlWire>(), 8);

/// Whether beacons are filtered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeaconFilterControl {
    /// What the chip does by itself.
    pub enable: BeaconFilterEnable,
    /// 1: every beacon is passed on all the same.
    pub beacon_count: u32,
}

impl BeaconFilterControl {
    /// After a join, until the first beacon of the BSS.
    pub const ALL_BEACONS: Self = Self {
        enable: BeaconFilterEnable::new(),
        beacon_count: 1,
    };

    /// A station afterwards; `beacons` if it wants them all.
    pub fn station(beacons: bool) -> Self {
        Self {
            enable: BeaconFilterEnable::new()
                .with_filter(true)
                .with_auto_erp(true)
                .with_auto_ht(true),
            beacon_count: u32::from(beacons),
        }
    }

    /// A P2P client afterwards; `beacons` if it wants them all.
    pub fn p2p(beacons: bool) -> Self {
        Self {
            enable: BeaconFilterEnable::new().with_filter(true),
            beacon_count: u32::from(beacons),
        }
    }

    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = prefix::<ControlWire>(data)?;
        Ok(Self {
            enable: BeaconFilterEnable::from_bits(wire.enable.get()),
            beacon_count: wire.count.get(),
        })
    }
}

impl Mib for BeaconFilterControl {
    const ID: MibId = MibId::BEACON_FILTER_CONTROL;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = ControlWire {
            enable: U32::new(self.enable.into_bits()),
            count: U32::new(self.beacon_count),
        };
        emit_data(&wire, out)
    }
}

impl fmt::Display for BeaconFilterControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "enable {:#x}, beacons {}",
            self.enable.into_bits(),
            self.beacon_count
        )
    }
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct WakeupWire {
    periods: u8,
    reserved: u8,
    listen_interval: U16,
}

const_assert_eq!(size_of::<WakeupWire>(), 4);

/// How often to wake for beacons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeaconWakeupPeriod {
    /// Beacon periods from one to the next.
    pub periods: u8,
    /// Listen interval in beacon periods; 0 is none.
    pub listen_interval: u16,
}

impl BeaconWakeupPeriod {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = prefix::<WakeupWire>(data)?;
        Ok(Self {
            periods: wire.periods,
            listen_interval: wire.listen_interval.get(),
        })
    }
}

impl Mib for BeaconWakeupPeriod {
    const ID: MibId = MibId::BEACON_WAKEUP_PERIOD;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = WakeupWire {
            periods: self.periods,
            reserved: 0,
            listen_interval: U16::new(self.listen_interval),
        };
        emit_data(&wire, out)
    }
}

impl fmt::Display for BeaconWakeupPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "every {} beacons, listen interval {}",
            self.periods, self.listen_interval
        )
    }
}

/// How thresholds of the signal are used.
#[bitfield(u8)]
#[derive(PartialEq, Eq)]
pub struct ThresholdMode {
    /// Raise events.
    pub enable: bool,
    /// Thresholds are RSSI in dBm, not RCPI.
    pub rssi: bool,
    /// Do not use the upper one.
    pub ignore_upper: bool,
    /// Do not use the lower one.
    pub ignore_lower: bool,
    /// Not defined.
    #[bits(4)]
    __: u8,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ThresholdWire {
    mode: u8,
    lower: u8,
    upper: u8,
    averaging: u8,
}

const_assert_eq!(size_of::<ThresholdWire>(), 4);

/// Signal thresholds that raise an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalThreshold {
    /// How they are used.
    pub mode: ThresholdMode,
    /// Below this.
    pub lower: u8,
    /// Above this.
    pub upper: u8,
    /// How many beacons are averaged.
    pub averaging: u8,
}

impl SignalThreshold {
    /// No events, averaging over `averaging` beacons.
    pub const fn unused(averaging: u8) -> Self {
        Self {
            mode: ThresholdMode::new()
                .with_enable(true)
                .with_ignore_upper(true)
                .with_ignore_lower(true),
            lower: 0,
            upper: 0,
            averaging,
        }
    }

    /// Events below `lower` and above `upper`, both RCPI ([`dbm_to_rcpi`](crate::wire::rx::dbm_to_rcpi)).
    pub const fn rcpi(lower: u8, upper: u8, averaging: u8) -> Self {
        Self {
            mode: ThresholdMode::new().with_enable(true),
            lower,
            upper,
            averaging,
        }
    }

    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = prefix::<ThresholdWire>(data)?;
        Ok(Self {
            mode: ThresholdMode::from_bits(wire.mode),
            lower: wire.lower,
            upper: wire.upper,
            averaging: wire.averaging,
        })
    }
}

impl Mib for SignalThreshold {
    const ID: MibId = MibId::RCPI_RSSI_THRESHOLD;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = ThresholdWire {
            mode: self.mode.into_bits(),
            lower: self.lower,
            upper: self.upper,
            averaging: self.averaging,
        };
        emit_data(&wire, out)
    }
}

impl fmt::Display for SignalThreshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "mode {:#x}, {} to {}, average of {}",
            self.mode.into_bits(),
            self.lower,
            self.upper,
            self.averaging
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mib::check::{data_both_ways, data_round_trips};

    #[test]
    fn the_filter_table_of_a_station_is_read_and_written() {
        data_both_ways!(
            BeaconFilterTable<'_>,
            4,
            [1, 0, 0, 0, 0xdd, 7, 0x50, 0x6f, 0x9a, 0, 0, 0],
            BeaconFilterTable(&[BeaconFilterEntry::P2P])
        );
        data_both_ways!(
            BeaconFilterTable<'_>,
            4,
            [
                3, 0, 0, 0, 0xdd, 7, 0x50, 0x6f, 0x9a, 0, 0, 0, 0x2a, 7, 0, 0, 0, 0, 0, 0, 0x3d, 7,
                0, 0, 0, 0, 0, 0
            ],
            BeaconFilterTable(&[
                BeaconFilterEntry::P2P,
                BeaconFilterEntry::ERP,
                BeaconFilterEntry::HT_OPERATION
            ])
        );
    }

    #[test]
    fn a_table_with_fewer_entries_than_it_says_is_refused() {
        for count in [1, 2, u32::MAX] {
            assert_eq!(
                BeaconFilterTable::parse_data(&[&count.to_le_bytes()[..], &[0; 7]].concat()),
                Err(WireError::Count)
            );
        }
    }

    #[test]
    fn filter_control_is_read_and_written() {
        data_both_ways!(
            BeaconFilterControl,
            8,
            [0, 0, 0, 0, 1, 0, 0, 0],
            BeaconFilterControl::ALL_BEACONS
        );
        data_both_ways!(
            BeaconFilterControl,
            8,
            [7, 0, 0, 0, 0, 0, 0, 0],
            BeaconFilterControl::station(false)
        );
        data_both_ways!(
            BeaconFilterControl,
            8,
            [1, 0, 0, 0, 1, 0, 0, 0],
            BeaconFilterControl::p2p(true)
        );
    }

    #[test]
    fn the_wakeup_period_is_read_and_written() {
        data_both_ways!(
            BeaconWakeupPeriod,
            4,
            [1, 0, 3, 0],
            BeaconWakeupPeriod {
                periods: 1,
                listen_interval: 3
            }
        );
    }

    #[test]
    fn thresholds_are_read_and_written() {
        data_both_ways!(
            SignalThreshold,
            4,
            [0x0d, 0, 0, 0x10],
            SignalThreshold::unused(16)
        );
        data_both_ways!(
            SignalThreshold,
            4,
            [1, 80, 90, 8],
            SignalThreshold::rcpi(80, 90, 8)
        );
    }

    data_round_trips!(random_tables_are_no_danger, BeaconFilterTable<'_>);
    data_round_trips!(random_controls_are_no_danger, BeaconFilterControl);
    data_round_trips!(random_thresholds_are_no_danger, SignalThreshold);
}
