//! Keeping connections alive, and noticing that stations do not.
//!
//! * 0x1025 keep-alive period: u16 seconds, 2 bytes 0.
//! * 0x1035 inactivity: u8 minimum, u8 maximum, u16 0.
//! * 0x1041 TCP/UDP keep-alive frame: u8 stream and flags, u8 0xFF, u16 length of the rest, then the frame, 16 bytes
//!   key, 16 bytes IV, u8 cipher and vendor. Without the rest it deletes the stream.
//! * 0x1042 TCP/UDP keep-alive period: u16 seconds, u8 cipher and vendor, u8 0.
//!
//! Source: file 21, sections 2.26 and 2.32 to 2.34.

use super::prelude::*;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct PeriodWire {
    seconds: U16,
    cipher: u8,
    reserved: u8,
}

const_assert_eq!(size_of::<PeriodWire>(), 4);

/// How often the chip sends a null frame; 0 is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlivePeriod {
    /// Seconds.
    pub seconds: u16,
}

impl KeepAlivePeriod {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = prefix::<PeriodWire>(data)?;
        Ok(Self {
            seconds: wire.seconds.get(),
        })
    }
}

impl Mib for KeepAlivePeriod {
    const ID: MibId = MibId::KEEP_ALIVE_PERIOD;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = PeriodWire {
            seconds: U16::new(self.seconds),
            cipher: 0,
            reserved: 0,
        };
        emit_data(&wire, out)
    }
}

impl fmt::Display for KeepAlivePeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.seconds)
    }
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct InactivityWire {
    min: u8,
    max: u8,
    reserved: U16,
}

const_assert_eq!(size_of::<InactivityWire>(), 4);

/// When a station of an access point counts as inactive. Unit unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inactivity {
    /// Minimum.
    pub min: u8,
    /// Maximum.
    pub max: u8,
}

impl Inactivity {
    /// What is known to work, although the minimum is above the maximum.
    pub const ACCESS_POINT: Self = Self { min: 9, max: 1 };

    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = prefix::<InactivityWire>(data)?;
        Ok(Self {
            min: wire.min,
            max: wire.max,
        })
    }
}

impl Mib for Inactivity {
    const ID: MibId = MibId::INACTIVITY;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = InactivityWire {
            min: self.min,
            max: self.max,
            reserved: U16::ZERO,
        };
        emit_data(&wire, out)
    }
}

impl fmt::Display for Inactivity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "min {}, max {}", self.min, self.max)
    }
}

/// Cipher of keep-alive frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeepAliveCipher {
    /// WEP.
    Wep,
    /// TKIP.
    Tkip,
    /// CCMP.
    Ccmp,
    /// WAPI.
    Wapi,
    /// None.
    None,
    /// A code that the specification does not define, or 0 for "not filled in".
    #[default]
    Unset,
    /// Another code.
    Unknown(u8),
}

impl KeepAliveCipher {
    const fn from_bits(bits: u8) -> Self {
        match bits & 0xF {
            0 => Self::Unset,
            1 => Self::Wep,
            3 => Self::Tkip,
            5 => Self::Ccmp,
            7 => Self::Wapi,
            8 => Self::None,
            other => Self::Unknown(other),
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::Unset => 0,
            Self::Wep => 1,
            Self::Tkip => 3,
            Self::Ccmp => 5,
            Self::Wapi => 7,
            Self::None => 8,
            Self::Unknown(other) => other & 0xF,
        }
    }
}

/// Vendor whose server is kept alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeepAliveVendor {
    /// Any.
    #[default]
    Standard,
    /// Xiaomi.
    Xiaomi,
    /// Another code.
    Unknown(u8),
}

impl KeepAliveVendor {
    const fn from_bits(bits: u8) -> Self {
        match bits & 0xF {
            0 => Self::Standard,
            1 => Self::Xiaomi,
            other => Self::Unknown(other),
        }
    }

    const fn into_bits(self) -> u8 {
        match self {
            Self::Standard => 0,
            Self::Xiaomi => 1,
            Self::Unknown(other) => other & 0xF,
        }
    }
}

/// Cipher and vendor of keep-alive frames.
#[bitfield(u8)]
#[derive(PartialEq, Eq, Hash)]
pub struct KeepAliveKind {
    /// Cipher.
    #[bits(4)]
    pub cipher: KeepAliveCipher,
    /// Vendor.
    #[bits(4)]
    pub vendor: KeepAliveVendor,
}

/// How often TCP and UDP connections are kept alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpKeepAlivePeriod {
    /// Seconds.
    pub seconds: u16,
    /// Cipher and vendor.
    pub kind: KeepAliveKind,
}

impl IpKeepAlivePeriod {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = prefix::<PeriodWire>(data)?;
        Ok(Self {
            seconds: wire.seconds.get(),
            kind: KeepAliveKind::from_bits(wire.cipher),
        })
    }
}

impl Mib for IpKeepAlivePeriod {
    const ID: MibId = MibId::IP_KEEP_ALIVE_PERIOD;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = PeriodWire {
            seconds: U16::new(self.seconds),
            cipher: self.kind.into_bits(),
            reserved: 0,
        };
        emit_data(&wire, out)
    }
}

impl fmt::Display for IpKeepAlivePeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s, cipher {:?}", self.seconds, self.kind.cipher())
    }
}

/// Stream and flags of a keep-alive frame.
#[bitfield(u8)]
#[derive(PartialEq, Eq, Hash)]
pub struct KeepAliveStream {
    #[bits(3)]
    index_bits: u8,
    /// Not defined.
    #[bits(3)]
    __: u8,
    /// The stream is in use.
    pub enable: bool,
    /// TCP; otherwise UDP.
    pub tcp: bool,
}

impl KeepAliveStream {
    /// A stream in use; `None` for an index above 7.
    pub const fn of(index: u8, tcp: bool) -> Option<Self> {
        if index > 7 {
            return None;
        }
        let stream = Self::new().with_index_bits(index);
        Some(stream.with_enable(true).with_tcp(tcp))
    }

    /// Index of the stream, 0 to 7.
    pub const fn index(self) -> u8 {
        self.index_bits()
    }
}

/// What follows the frame.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct TrailerWire {
    key: [u8; 16],
    iv: [u8; 16],
    kind: u8,
}

const_assert_eq!(size_of::<TrailerWire>(), 33);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct FrameWire {
    stream: u8,
    mark: u8,
    len: U16,
}

const_assert_eq!(size_of::<FrameWire>(), 4);

const MARK: u8 = 0xFF;

/// A frame that keeps a connection alive, and the key of its contents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeepAliveContent<'a> {
    /// 802.11 data frame with IPv4, TCP or UDP, payload and room for the cipher's trailer.
    pub frame: &'a [u8],
    /// AES key of the payload.
    pub key: [u8; 16],
    /// AES IV of the payload.
    pub iv: [u8; 16],
    /// Cipher of the link, and vendor.
    pub kind: KeepAliveKind,
}

impl fmt::Debug for KeepAliveContent<'_> {
    /// Without key material.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeepAliveContent({} bytes)", self.frame.len())
    }
}

/// Sets or deletes the keep-alive frame of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpKeepAliveFrame<'a> {
    /// Which stream.
    pub stream: KeepAliveStream,
    /// The frame; `None` deletes the stream.
    pub content: Option<KeepAliveContent<'a>>,
}

impl<'a> IpKeepAliveFrame<'a> {
    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`]; [`WireError::Count`] if the rest is not as long as it says.
    pub fn parse_data(data: &'a [u8]) -> Result<Self, WireError> {
        let (wire, behind) = prefix::<FrameWire>(data)?;
        let (rest, _) = tail(behind, usize::from(wire.len.get()))?;
        let content = if rest.is_empty() {
            None
        } else {
            let (frame, trailer) =
                TrailerWire::ref_from_suffix(rest).map_err(|_error| WireError::Count)?;
            Some(KeepAliveContent {
                frame,
                key: trailer.key,
                iv: trailer.iv,
                kind: KeepAliveKind::from_bits(trailer.kind),
            })
        };
        Ok(Self {
            stream: KeepAliveStream::from_bits(wire.stream),
            content,
        })
    }
}

impl Mib for IpKeepAliveFrame<'_> {
    const ID: MibId = MibId::IP_KEEP_ALIVE_FRAME;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let len = match &self.content {
            Some(content) => content.frame.len().saturating_add(size_of::<TrailerWire>()),
            None => 0,
        };
        let mut writer = Writer::new(out);
        writer.put(&FrameWire {
            stream: self.stream.into_bits(),
            mark: MARK,
            len: U16::new(u16::try_from(len).map_err(|_error| WireError::TooLong)?),
        })?;
        if let Some(content) = &self.content {
            writer.bytes(content.frame)?;
            writer.put(&TrailerWire {
                key: content.key,
                iv: content.iv,
                kind: content.kind.into_bits(),
            })?;
        }
        Ok(writer.written())
    }
}

impl fmt::Display for IpKeepAliveFrame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream {}", self.stream.index())?;
        match &self.content {
            Some(content) => write!(f, ", {} bytes", content.frame.len()),
            None => f.write_str(", deleted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mib::check::{data_both_ways, data_round_trips};

    #[test]
    fn periods_are_read_and_written() {
        data_both_ways!(
            KeepAlivePeriod,
            4,
            [15, 0, 0, 0],
            KeepAlivePeriod { seconds: 15 }
        );
        let kind = KeepAliveKind::new()
            .with_cipher(KeepAliveCipher::Ccmp)
            .with_vendor(KeepAliveVendor::Xiaomi);
        data_both_ways!(
            IpKeepAlivePeriod,
            4,
            [60, 0, 0x15, 0],
            IpKeepAlivePeriod { seconds: 60, kind }
        );
    }

    #[test]
    fn inactivity_is_read_and_written() {
        data_both_ways!(Inactivity, 4, [9, 1, 0, 0], Inactivity::ACCESS_POINT);
    }

    #[test]
    fn keep_alive_frames_are_read_and_written() {
        let stream = KeepAliveStream::of(2, true).unwrap();
        let mut bytes = vec![0xc2, 0xff, 36, 0, 7, 8, 9];
        bytes.extend_from_slice(&[1; 16]);
        bytes.extend_from_slice(&[2; 16]);
        bytes.push(8);
        data_both_ways!(
            IpKeepAliveFrame<'_>,
            4,
            bytes.clone(),
            IpKeepAliveFrame {
                stream,
                content: Some(KeepAliveContent {
                    frame: &[7, 8, 9],
                    key: [1; 16],
                    iv: [2; 16],
                    kind: KeepAliveKind::new().with_cipher(KeepAliveCipher::None),
                }),
            }
        );
        let deleted = IpKeepAliveFrame {
            stream: KeepAliveStream::from_bits(2),
            content: None,
        };
        data_both_ways!(IpKeepAliveFrame<'_>, 4, [2, 0xff, 0, 0], deleted);
        assert_eq!(KeepAliveStream::of(8, false), None);
    }

    #[test]
    fn a_rest_without_its_trailer_is_refused() {
        for len in 1..33_u8 {
            let mut bytes = vec![0xc2, 0xff, len, 0];
            bytes.resize(64, 0);
            assert_eq!(IpKeepAliveFrame::parse_data(&bytes), Err(WireError::Count));
        }
    }

    data_round_trips!(random_frames_are_no_danger, IpKeepAliveFrame<'_>);
}
