//! 0x1002: frames that the chip sends by itself.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 1 | type; bit 7 greenfield |
//! | 1 | 1 | rate id; 0xFF = the chip chooses |
//! | 2 | 2 | frame length n; 0 disables |
//! | 4 | n | frame |
//!
//! Source: file 20, section 4.3; file 21, section 2.8.

use super::prelude::*;

const RATE_BY_CHIP: u8 = 0xFF;
const GREENFIELD: u8 = 0x80;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Wire {
    kind: u8,
    rate: u8,
    len: U16,
}

const_assert_eq!(size_of::<Wire>(), 4);

closed_enum! {
    /// Which frame it is.
    pub enum TemplateKind: u8 {
        /// Probe request of scans and joins.
        ProbeRequest = 0 => "probe request",
        /// Beacon.
        Beacon = 1 => "beacon",
        /// Null frame.
        Null = 2 => "null",
        /// QoS null frame.
        QosNull = 3 => "QoS null",
        /// PS-poll.
        PsPoll = 4 => "PS-poll",
        /// Probe response.
        ProbeResponse = 5 => "probe response",
        /// ARP reply.
        ArpReply = 6 => "ARP reply",
        /// Neighbour advertisement.
        NeighbourAdvertisement = 7 => "neighbour advertisement",
    }
}

/// A frame that the chip sends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateFrame<'a> {
    /// Which one.
    pub kind: TemplateKind,
    /// Send it in greenfield format.
    pub greenfield: bool,
    /// Rate; `None` lets the chip choose.
    pub rate: Option<RateId>,
    /// The frame without FCS; empty disables the template.
    pub frame: &'a [u8],
}

impl<'a> TemplateFrame<'a> {
    /// A template.
    pub const fn new(kind: TemplateKind, rate: Option<RateId>, frame: &'a [u8]) -> Self {
        Self {
            kind,
            greenfield: false,
            rate,
            frame,
        }
    }

    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`]; [`WireError::Count`] if the frame is not as long as it says; [`WireError::Value`],
    /// [`WireError::Rate`].
    pub fn parse_data(data: &'a [u8]) -> Result<Self, WireError> {
        let (wire, behind) = prefix::<Wire>(data)?;
        let (frame, _) = tail(behind, usize::from(wire.len.get()))?;
        Ok(Self {
            kind: TemplateKind::from_raw(wire.kind & !GREENFIELD)?,
            greenfield: wire.kind & GREENFIELD != 0,
            rate: match wire.rate {
                RATE_BY_CHIP => None,
                rate => Some(RateId::try_from(rate)?),
            },
            frame,
        })
    }
}

impl Mib for TemplateFrame<'_> {
    const ID: MibId = MibId::TEMPLATE_FRAME;

    fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let greenfield = if self.greenfield { GREENFIELD } else { 0 };
        let mut writer = Writer::new(out);
        writer.put(&Wire {
            kind: self.kind.raw() | greenfield,
            rate: self.rate.map_or(RATE_BY_CHIP, RateId::raw),
            len: U16::new(u16::try_from(self.frame.len()).map_err(|_error| WireError::TooLong)?),
        })?;
        writer.bytes(self.frame)?;
        Ok(writer.written())
    }
}

impl fmt::Display for TemplateFrame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} bytes", self.kind, self.frame.len())?;
        match self.rate {
            Some(rate) => write!(f, ", {rate}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mib::check::{data_both_ways, data_round_trips};

    #[test]
    fn templates_are_read_and_written() {
        data_both_ways!(
            TemplateFrame<'_>,
            4,
            [0, 0, 3, 0, 0x40, 0x00, 0x01],
            TemplateFrame::new(
                TemplateKind::ProbeRequest,
                Some(RateId::DSSS_1),
                &[0x40, 0, 1]
            )
        );
        data_both_ways!(
            TemplateFrame<'_>,
            4,
            [3, 0xff, 1, 0, 0xc8],
            TemplateFrame::new(TemplateKind::QosNull, None, &[0xc8])
        );
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert_eq!(
            TemplateFrame::parse_data(&[0, 0, 2, 0, 1]),
            Err(WireError::Count)
        );
        assert_eq!(
            TemplateFrame::parse_data(&[8, 0, 0, 0]),
            Err(WireError::Value)
        );
        assert_eq!(
            TemplateFrame::parse_data(&[0, 22, 0, 0]),
            Err(WireError::Rate(22))
        );
    }

    data_round_trips!(random_templates_are_no_danger, TemplateFrame<'_>);
}
