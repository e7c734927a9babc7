//! Scans: request, stop, completion.
//!
//! START_SCAN:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 4 | 1 | band |
//! | 5 | 1 | type |
//! | 6 | 1 | flags |
//! | 7 | 1 | highest rate id for probe requests |
//! | 8 | 4 | interval of automatic scans in TU |
//! | 12 | 1 | probe requests per SSID and channel |
//! | 13 | 1 | number of channels C, 1 to 48 |
//! | 14 | 1 | number of SSIDs S, 0 to 2 |
//! | 15 | 1 | probe delay in µs |
//! | 16 | 16·C | channels: u16 number, u16 0, u32 min dwell, u32 max dwell, u32 TX power |
//! | 16+16C | 36·S | SSIDs: u32 length, 32 bytes |
//!
//! STOP_SCAN has no payload. Scan complete: u32 status, u8 power-save mode, u8 channels completed.
//!
//! Source: file 20, section 8.

use super::pm::PsmMode;
use super::prelude::*;
use super::ssid::Ssid;

/// Most channels of one request.
pub const MAX_CHANNELS: usize = 48;

/// Most SSIDs of one request.
pub const MAX_SSIDS: usize = 2;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct StartWire {
    header: RawHeader,
    band: u8,
    scan_type: u8,
    flags: u8,
    max_rate: u8,
    interval: U32,
    probes: u8,
    channels: u8,
    ssids: u8,
    probe_delay: u8,
}

const_assert_eq!(size_of::<StartWire>(), 16);
const_assert_eq!(offset_of!(StartWire, interval), 8);
const_assert_eq!(offset_of!(StartWire, channels), 13);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct CompleteWire {
    header: RawHeader,
    status: U32,
    psm: u8,
    channels: u8,
}

const_assert_eq!(size_of::<CompleteWire>(), 10);

/// A channel to visit, and for how long.
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
pub struct ScanChannel {
    number: U16,
    reserved: U16,
    min_dwell: U32,
    max_dwell: U32,
    tx_power: U32,
}

const_assert_eq!(size_of::<ScanChannel>(), 16);
const_assert_eq!(offset_of!(ScanChannel, min_dwell), 4);

impl ScanChannel {
    /// A channel; the chip stays at least `min` and, if it hears something, at most `max` (about 1 ms each, the exact
    /// unit is not known).
    pub const fn new(number: ChannelNumber, min: Tu, max: Tu) -> Self {
        Self {
            number: U16::new(number.0),
            reserved: U16::ZERO,
            min_dwell: U32::new(min.0),
            max_dwell: U32::new(max.0),
            tx_power: U32::ZERO,
        }
    }

    /// Channel number.
    pub const fn number(&self) -> ChannelNumber {
        ChannelNumber(self.number.get())
    }

    /// Shortest stay.
    pub const fn min_dwell(&self) -> Tu {
        Tu(self.min_dwell.get())
    }

    /// Longest stay.
    pub const fn max_dwell(&self) -> Tu {
        Tu(self.max_dwell.get())
    }
}

closed_enum! {
    /// How a scan behaves towards traffic.
    pub enum ScanType: u8 {
        /// Nothing else happens meanwhile.
        Foreground = 0 => "foreground",
        /// The chip returns to its own channel between channels.
        Background = 1 => "background",
        /// Repeated, foreground. Unused.
        AutoForeground = 2 => "automatic foreground",
        /// Repeated, background. Unused.
        AutoBackground = 3 => "automatic background",
    }
}

/// Flags of a scan.
#[bitfield(u8)]
#[derive(PartialEq, Eq, Hash)]
pub struct ScanFlags {
    /// Background whatever the type says.
    pub force_background: bool,
    /// One channel at a time.
    pub split: bool,
    /// Short preamble.
    pub short_preamble: bool,
    /// Greenfield.
    pub greenfield: bool,
    /// Use the second MAC instance.
    pub second_mac: bool,
    /// Not defined.
    #[bits(3)]
    __: u8,
}

/// Starts a scan of some channels of one band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartScan<'a> {
    /// Band.
    pub band: Band,
    /// Type.
    pub scan_type: ScanType,
    /// Flags.
    pub flags: ScanFlags,
    /// Rate of probe requests.
    pub max_rate: RateId,
    /// Interval of automatic scans.
    pub interval: Tu,
    /// Probe requests per SSID and channel; 0 is a passive scan.
    pub probes: u8,
    /// Wait before the first probe request, in µs as far as known.
    pub probe_delay_us: u8,
    /// Channels, 1 to 48.
    pub channels: &'a [ScanChannel],
    /// Names to ask for, up to 2; none asks for all.
    pub ssids: &'a [Ssid],
}

impl<'a> StartScan<'a> {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`]; [`WireError::Count`] for counts beyond the limits or the message, and for a name
    /// longer than 32 bytes; [`WireError::Value`], [`WireError::Rate`].
    pub fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let (wire, behind) = fixed::<StartWire>(message, Self::ID)?;
        let (channels, behind) = array::<ScanChannel>(behind, usize::from(wire.channels))?;
        let (ssids, _) = array::<Ssid>(behind, usize::from(wire.ssids))?;
        for ssid in ssids {
            ssid.checked()?;
        }
        let scan = Self {
            band: Band::from_raw(wire.band)?,
            scan_type: ScanType::from_raw(wire.scan_type)?,
            flags: ScanFlags::from_bits(wire.flags),
            max_rate: RateId::try_from(wire.max_rate)?,
            interval: Tu(wire.interval.get()),
            probes: wire.probes,
            probe_delay_us: wire.probe_delay,
            channels,
            ssids,
        };
        scan.check_counts()?;
        Ok(scan)
    }

    fn check_counts(&self) -> Result<(), WireError> {
        let channels = 1..=MAX_CHANNELS;
        if channels.contains(&self.channels.len()) && self.ssids.len() <= MAX_SSIDS {
            Ok(())
        } else {
            Err(WireError::Count)
        }
    }
}

impl Request for StartScan<'_> {
    const ID: MessageId = MessageId::START_SCAN;
    type Confirm<'b> = GenericConfirm;

    /// # Errors
    ///
    /// Also [`WireError::Count`] for no or too many channels, or too many names.
    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        self.check_counts()?;
        let mut writer = Writer::new(out);
        writer.put(&StartWire {
            header: RawHeader::BLANK,
            band: self.band.raw(),
            scan_type: self.scan_type.raw(),
            flags: self.flags.into_bits(),
            max_rate: self.max_rate.raw(),
            interval: U32::new(self.interval.0),
            probes: self.probes,
            channels: u8::try_from(self.channels.len()).map_err(|_error| WireError::Count)?,
            ssids: u8::try_from(self.ssids.len()).map_err(|_error| WireError::Count)?,
            probe_delay: self.probe_delay_us,
        })?;
        writer.put(self.channels)?;
        for ssid in self.ssids {
            writer.put(&ssid.checked()?)?;
        }
        writer.finish(Self::ID, interface)
    }
}

impl fmt::Display for StartScan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "start scan: {}, {}, channels", self.scan_type, self.band)?;
        for channel in self.channels {
            write!(f, " {}", channel.number().0)?;
        }
        for ssid in self.ssids {
            write!(f, ", {ssid}")?;
        }
        match self.probes {
            0 => f.write_str(", passive"),
            probes => write!(f, ", {probes} probes"),
        }
    }
}

/// Stops the scan under way; its [`ScanComplete`] is still due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StopScan;

impl StopScan {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        open(message, Self::ID).map(|_message| Self)
    }
}

impl Request for StopScan {
    const ID: MessageId = MessageId::STOP_SCAN;
    type Confirm<'a> = GenericConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        emit_bare(Self::ID, interface, out)
    }
}

impl fmt::Display for StopScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stop scan")
    }
}

/// A scan has ended. The chip sends exactly one for each START_SCAN that it confirmed with success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanComplete {
    /// How it went.
    pub status: Status,
    /// Power-save mode of the interface.
    pub psm: PsmMode,
    /// Channels that were visited.
    pub channels: u8,
}

impl ScanComplete {
    /// Id of the message.
    pub const ID: MessageId = MessageId::SCAN_COMPLETE;

    /// Writes the indication with its two bytes of padding and returns its length.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`].
    pub fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = CompleteWire {
            header: RawHeader::BLANK,
            status: U32::new(self.status.raw()),
            psm: self.psm.raw(),
            channels: self.channels,
        };
        emit(Self::ID, interface, &wire, &[0; 2], out)
    }
}

impl Confirm<'_> for ScanComplete {
    fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<CompleteWire>(message, Self::ID)?;
        Ok(Self {
            status: Status::from_raw(wire.status.get()),
            psm: PsmMode::from_raw(wire.psm),
            channels: wire.channels,
        })
    }
}

impl fmt::Display for ScanComplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "scan complete: {}, {} channels, {}",
            self.status, self.channels, self.psm
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, round_trips};

    const CHANNELS: [ScanChannel; 3] = [
        ScanChannel::new(ChannelNumber(1), Tu(100), Tu(100)),
        ScanChannel::new(ChannelNumber(6), Tu(100), Tu(100)),
        ScanChannel::new(ChannelNumber(11), Tu(100), Tu(100)),
    ];

    fn scan<'a>(channels: &'a [ScanChannel], ssids: &'a [Ssid]) -> StartScan<'a> {
        StartScan {
            band: Band::TwoPointFourGhz,
            scan_type: ScanType::Foreground,
            flags: ScanFlags::new(),
            max_rate: RateId::DSSS_1,
            interval: Tu(0),
            probes: 2,
            probe_delay_us: 100,
            channels,
            ssids,
        }
    }

    fn capture() -> Vec<u8> {
        let mut bytes = vec![
            0x64, 0x00, 0x07, 0xe0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03,
            0x01, 0x64, 0x01, 0x00, 0x00, 0x00, 0x64, 0x00, 0x00, 0x00, 0x64, 0x00, 0x00, 0x00,
            0x00, 0x00, 0x00, 0x00, 0x06, 0x00, 0x00, 0x00, 0x64, 0x00, 0x00, 0x00, 0x64, 0x00,
            0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0b, 0x00, 0x00, 0x00, 0x64, 0x00, 0x00, 0x00,
            0x64, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x74, 0x65,
            0x73, 0x74,
        ];
        bytes.resize(100, 0);
        bytes
    }

    #[test]
    fn the_captured_request_is_read_and_written() {
        let ssids = [Ssid::new(b"test").unwrap()];
        both_ways!(StartScan<'_>, 16, capture(), scan(&CHANNELS, &ssids));
        assert_eq!(
            scan(&CHANNELS, &ssids).to_string(),
            "start scan: foreground, 2.4 GHz, channels 1 6 11, \"test\", 2 probes"
        );
    }

    #[test]
    fn counts_beyond_message_or_limit_are_refused() {
        for (at, count) in [(13, 0), (13, 4), (13, 255), (14, 2), (14, 255)] {
            let mut bytes = capture();
            bytes[at] = count;
            assert_eq!(
                StartScan::parse(&bytes),
                Err(WireError::Count),
                "{at} {count}"
            );
        }
        let many = [ScanChannel::default(); 49];
        let (two, three) = ([Ssid::default(); 2], [Ssid::default(); 3]);
        let mut out = [0; 1024];
        let mut emit = |channels, ssids| scan(channels, ssids).emit(InterfaceId::Zero, &mut out);
        assert_eq!(emit(&many, &[]), Err(WireError::Count));
        assert_eq!(emit(&[], &[]), Err(WireError::Count));
        assert_eq!(emit(&CHANNELS, &three), Err(WireError::Count));
        assert_eq!(emit(&many[..48], &two), Ok(16 + 48 * 16 + 72));
    }

    #[test]
    fn a_name_longer_than_names_are_is_refused() {
        let mut bytes = capture();
        bytes[64] = 33;
        assert_eq!(StartScan::parse(&bytes), Err(WireError::Count));
    }

    #[test]
    fn a_stop_is_read_and_written() {
        both_ways!(StopScan, 4, [0x04, 0x00, 0x48, 0x00], StopScan);
    }

    #[test]
    fn a_completion_is_read_and_written() {
        both_ways!(
            ScanComplete,
            10,
            [0x0c, 0x00, 0x06, 0xa8, 0, 0, 0, 0, 0x00, 0x03, 0, 0],
            ScanComplete {
                status: Status::Success,
                psm: PsmMode::Active,
                channels: 3,
            }
        );
    }

    round_trips!(StartScan<'_>, StartScan::ID);
}
