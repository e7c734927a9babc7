//! What may wake a suspended host, what the chip is told for it, and what it was that did.
//!
//! The chip has one pattern filter (MIB 0x101C): one run of bytes at one place of a data frame. While it is armed every
//! data frame without the pattern is dropped (specification: file 50, section 3, item 9), which is what makes it useful,
//! and why it must never stay armed. Frames that keep the connection (EAPOL, WAI) are passed by their ether type.
//!
//! | triggers | data frames that wake the host |
//! |---|---|
//! | any | all that reach a sleeping host otherwise |
//! | none, or only disconnect | EAPOL and WAI |
//! | only magic packet | EAPOL, WAI, and magic packets in UDP over IPv4 |
//! | only one pattern that the filter can hold | EAPOL, WAI, and frames with it |
//! | whatever else | all, broadcasts too: rather once too often than never ([`Armed::exact`] says so) |
//!
//! Deauthentication, disassociation and the loss of the access point wake the host in every case: the chip does not
//! filter them, and a host that slept through them would find itself without a connection.
//!
//! The sources of the table: file 40, section 5.4; file 20, section 16.5, "System suspend".

use crate::mpdu::FrameControl;
use crate::types::MacAddress;
use bes_wsm::wire::InterfaceId;
use core::fmt;

/// Most bytes of a pattern.
pub const MAX_PATTERN: u8 = 128;
/// The same as a length.
const PATTERN_ROOM: usize = 128;
/// Most bytes in front of a pattern, counted from the Ethernet header: what the chip's offset of one byte, counted from
/// LLC/SNAP, reaches.
pub const MAX_PATTERN_OFFSET: u16 = 255 + LLC_IN_ETHERNET;
/// Patterns that the chip can hold at a time.
pub const MAX_PATTERNS: u8 = 1;

/// Bytes of the Ethernet header in front of what stands at the start of LLC/SNAP: ether type at 12 there, at 6 here.
const LLC_IN_ETHERNET: u16 = 6;
/// First byte of an Ethernet frame that is behind LLC/SNAP's constant part as well: the ether type.
const ETHER_TYPE: u16 = 12;
/// Where the payload of UDP over IPv4 without options begins, from LLC/SNAP: 8 + 20 + 8.
const UDP_PAYLOAD: u8 = 36;
/// How LLC/SNAP begins.
const LLC_SNAP: [u8; 3] = [0xAA, 0xAA, 0x03];
/// Bytes of a magic packet: six of 0xFF and sixteen times the address.
const MAGIC_LEN: usize = 102;

/// A pattern as the stack describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WakePattern<'a> {
    /// Where it begins, in bytes from the start of the Ethernet header that the frame has above the driver.
    pub offset: u16,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Which of them count: bit n of byte n / 8 for byte n. What is missing counts as 0.
    pub mask: &'a [u8],
}

impl WakePattern<'_> {
    fn counts(&self, index: usize) -> bool {
        self.mask
            .get(index / 8)
            .is_some_and(|byte| byte.wrapping_shr(u32::try_from(index % 8).unwrap_or(0)) & 1 != 0)
    }

    /// The pattern as the chip's filter can hold it: bytes without gaps, from the ether type on.
    fn for_chip(&self) -> Option<Pattern> {
        let first = (0..self.bytes.len()).find(|index| self.counts(*index))?;
        let last = (0..self.bytes.len()).rfind(|index| self.counts(*index))?;
        if !(first..=last).all(|index| self.counts(index)) {
            return None;
        }
        let start = self.offset.checked_add(u16::try_from(first).ok()?)?;
        if start < ETHER_TYPE {
            return None;
        }
        let offset = u8::try_from(start.checked_sub(LLC_IN_ETHERNET)?).ok()?;
        Pattern::new(offset, self.bytes.get(first..=last)?)
    }
}

/// What may wake a suspended host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WakeTriggers<'a> {
    /// Whatever arrives.
    pub any: bool,
    /// The connection ends.
    pub disconnect: bool,
    /// A magic packet: six bytes 0xFF and sixteen times the station's address.
    pub magic_packet: bool,
    /// Frames with one of these patterns.
    pub patterns: &'a [WakePattern<'a>],
}

/// What is armed in the chip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Armed {
    /// Whatever arrives.
    pub any: bool,
    /// Magic packets.
    pub magic_packet: bool,
    /// Patterns.
    pub patterns: bool,
    /// The chip can tell what was asked for from the rest. If not, more wakes the host than was asked for.
    pub exact: bool,
}

/// Why a suspended host was woken, as far as what the chip had for it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WakeReason {
    /// The connection ended, or the access point is gone.
    Disconnect,
    /// A magic packet.
    MagicPacket,
    /// The pattern that was armed.
    Pattern,
    /// Something else: a frame, or a reason of the chip that the specification does not name.
    Other,
}

impl fmt::Display for WakeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disconnect => "disconnect",
            Self::MagicPacket => "magic packet",
            Self::Pattern => "pattern",
            Self::Other => "other",
        })
    }
}

/// What woke the host, and for which interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WakeUp {
    /// Interface.
    pub interface: InterfaceId,
    /// Why.
    pub reason: WakeReason,
}

/// Bytes at a place of a data frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// From LLC/SNAP.
    offset: u8,
    bytes: [u8; PATTERN_ROOM],
    len: u8,
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x?} at {}", self.bytes(), self.offset)
    }
}

impl Pattern {
    fn new(offset: u8, content: &[u8]) -> Option<Self> {
        let mut bytes = [0; PATTERN_ROOM];
        bytes.get_mut(..content.len())?.copy_from_slice(content);
        Some(Self {
            offset,
            bytes,
            len: u8::try_from(content.len()).ok()?,
        })
    }

    /// A magic packet for `address` where the usual tools put it.
    fn magic(address: MacAddress) -> Option<Self> {
        Self::new(UDP_PAYLOAD, &magic(address))
    }

    /// A run of bytes that no data frame has: LLC/SNAP begins otherwise.
    fn never() -> Option<Self> {
        Self::new(0, &[0; 8])
    }

    pub(crate) const fn offset(&self) -> u8 {
        self.offset
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }

    fn is_in(&self, payload: &[u8]) -> bool {
        payload
            .get(usize::from(self.offset)..)
            .is_some_and(|rest| rest.starts_with(self.bytes()))
    }
}

fn magic(address: MacAddress) -> [u8; MAGIC_LEN] {
    let mut bytes = [0xFF; MAGIC_LEN];
    for copy in bytes.chunks_exact_mut(6).skip(1) {
        copy.copy_from_slice(&address.0);
    }
    bytes
}

/// Which data frames reach the suspended host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Data {
    /// Those that reach a sleeping one.
    AsAsleep,
    /// All.
    All,
    /// Only those that keep the connection.
    None,
    /// Those, and magic packets.
    Magic,
    /// Those, and frames with this pattern.
    Pattern(Pattern),
}

/// What the chip is told for a suspend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WakePlan {
    data: Data,
    pub(crate) armed: Armed,
}

impl WakePlan {
    pub(crate) fn new(triggers: &WakeTriggers<'_>) -> Self {
        let mut armed = Armed {
            any: triggers.any,
            magic_packet: triggers.magic_packet,
            patterns: !triggers.patterns.is_empty(),
            exact: true,
        };
        let data = match (triggers.any, triggers.magic_packet, triggers.patterns) {
            (true, ..) => Data::AsAsleep,
            (false, false, []) => Data::None,
            (false, true, []) => Data::Magic,
            (false, false, [only]) => only.for_chip().map_or(Data::All, Data::Pattern),
            _ => Data::All,
        };
        armed.exact = data != Data::All;
        Self { data, armed }
    }

    /// Whether frames that nobody asked for are dropped. Then all of these filters are set together.
    pub(crate) const fn filters(&self) -> bool {
        matches!(self.data, Data::None | Data::Magic | Data::Pattern(_))
    }

    /// Whether frames are filtered by their protocol too: not with a pattern, which may be in any.
    pub(crate) const fn filters_protocols(&self) -> bool {
        matches!(self.data, Data::None | Data::Magic)
    }

    /// Whether a sleeping chip may go on dropping broadcasts: magic packets and patterns come in them.
    pub(crate) const fn drops_broadcasts(&self) -> bool {
        matches!(self.data, Data::AsAsleep | Data::None)
    }

    /// What a data frame must have to pass, if not all do. `own`: the address of the station.
    pub(crate) fn pattern(&self, own: MacAddress) -> Option<Pattern> {
        match self.data {
            Data::AsAsleep | Data::All => None,
            Data::None => Pattern::never(),
            Data::Magic => Pattern::magic(own),
            Data::Pattern(pattern) => Some(pattern),
        }
    }

    /// Why a received data frame would have woken the host.
    fn judge(&self, frame: &[u8], own: MacAddress) -> WakeReason {
        let body = frame
            .get(FrameControl::of(frame).header_len()..)
            .unwrap_or(&[]);
        // A cipher header may still be in front of LLC/SNAP: of four bytes, or of eight.
        let payload = [0, 4, 8]
            .into_iter()
            .filter_map(|iv| body.get(iv..))
            .find(|rest| rest.starts_with(&LLC_SNAP))
            .unwrap_or(body);
        if let Data::Pattern(pattern) = self.data {
            if pattern.is_in(payload) {
                return WakeReason::Pattern;
            }
        }
        let wanted = magic(own);
        let is_magic = payload
            .windows(MAGIC_LEN)
            .any(|window| window == wanted.as_slice());
        if self.armed.magic_packet && is_magic {
            WakeReason::MagicPacket
        } else {
            WakeReason::Other
        }
    }
}

/// Looks at what the chip had for a host that comes back, and keeps the first reason that says something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WakeWatch {
    pub(crate) plan: WakePlan,
    found: Option<WakeUp>,
}

impl WakeWatch {
    pub(crate) const fn new(plan: WakePlan) -> Self {
        Self { plan, found: None }
    }

    pub(crate) const fn found(&self) -> Option<WakeUp> {
        self.found
    }

    /// Something came. A better known reason replaces "other".
    pub(crate) fn note(&mut self, interface: InterfaceId, reason: WakeReason) {
        let better = match self.found {
            None => true,
            Some(found) => found.reason == WakeReason::Other && reason != WakeReason::Other,
        };
        if better {
            self.found = Some(WakeUp { interface, reason });
        }
    }

    /// A data frame came.
    pub(crate) fn note_data(&mut self, interface: InterfaceId, frame: &[u8], own: MacAddress) {
        let reason = self.plan.judge(frame, own);
        self.note(interface, reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: MacAddress = MacAddress([2, 1, 2, 3, 4, 5]);

    fn plan(triggers: WakeTriggers<'_>) -> WakePlan {
        WakePlan::new(&triggers)
    }

    #[test]
    fn a_magic_packet_is_looked_for_where_udp_has_its_payload() {
        let plan = plan(WakeTriggers {
            magic_packet: true,
            disconnect: true,
            ..WakeTriggers::default()
        });
        let pattern = plan.pattern(OWN).unwrap();
        assert_eq!(pattern.offset(), 36);
        assert_eq!(pattern.bytes().len(), 102);
        assert_eq!(
            pattern.bytes()[..12],
            [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2, 1, 2, 3, 4, 5]
        );
        assert_eq!(pattern.bytes()[96..], OWN.0);
        assert!(plan.filters() && plan.filters_protocols() && !plan.drops_broadcasts());
        assert!(plan.armed.exact);
    }

    #[test]
    fn without_a_data_trigger_no_data_frame_passes() {
        let plan = plan(WakeTriggers {
            disconnect: true,
            ..WakeTriggers::default()
        });
        let pattern = plan.pattern(OWN).unwrap();
        assert!(!pattern.is_in(&[0xAA, 0xAA, 3, 0, 0, 0, 8, 0, 0x45]));
        assert!(plan.filters() && plan.drops_broadcasts());
    }

    #[test]
    fn any_arms_nothing() {
        let plan = plan(WakeTriggers {
            any: true,
            ..WakeTriggers::default()
        });
        assert!(!plan.filters());
        assert_eq!(plan.pattern(OWN), None);
        assert!(plan.armed.exact);
    }

    #[test]
    fn a_pattern_is_moved_from_ethernet_to_llc_and_cut_to_what_counts() {
        let bytes = [0, 0, 0x08, 0x06, 0x00];
        let pattern = WakePattern {
            offset: 10,
            bytes: &bytes,
            mask: &[0b0_1100],
        };
        let chip = pattern.for_chip().unwrap();
        assert_eq!((chip.offset(), chip.bytes()), (6, &[0x08, 0x06][..]));
        assert!(chip.is_in(&[0xAA, 0xAA, 3, 0, 0, 0, 8, 6, 1]));
        let last = WakePattern {
            offset: MAX_PATTERN_OFFSET,
            bytes: &[1],
            mask: &[1],
        };
        assert_eq!(last.for_chip().unwrap().offset(), 255);
    }

    #[test]
    fn what_the_filter_cannot_hold_wakes_by_everything_and_says_so() {
        let gap = WakePattern {
            offset: 14,
            bytes: &[1, 2, 3],
            mask: &[0b101],
        };
        let address = WakePattern {
            offset: 0,
            bytes: &[1, 2, 3],
            mask: &[0b111],
        };
        let far = WakePattern {
            offset: MAX_PATTERN_OFFSET + 1,
            bytes: &[1],
            mask: &[1],
        };
        let empty = WakePattern {
            offset: 20,
            bytes: &[1],
            mask: &[],
        };
        let long = WakePattern {
            offset: 20,
            bytes: &[1; PATTERN_ROOM + 1],
            mask: &[0xFF; 17],
        };
        let good = WakePattern {
            offset: 20,
            bytes: &[1],
            mask: &[1],
        };
        let with = |magic_packet, patterns: &[WakePattern<'_>]| {
            WakePlan::new(&WakeTriggers {
                magic_packet,
                patterns,
                ..WakeTriggers::default()
            })
        };
        for pattern in [gap, address, far, empty, long] {
            let plan = with(false, &[pattern]);
            assert!(!plan.armed.exact && !plan.filters() && !plan.drops_broadcasts());
        }
        assert!(!with(false, &[good, good]).armed.exact);
        assert!(!with(true, &[good]).armed.exact);
        assert!(with(false, &[good]).armed.exact);
    }

    #[test]
    fn the_reason_is_the_one_that_says_most() {
        let mut frame = vec![0x08, 0x02];
        frame.resize(24, 0);
        frame.extend_from_slice(&[0; 8]);
        frame.extend_from_slice(&[0xAA, 0xAA, 3, 0, 0, 0, 8, 0]);
        frame.extend_from_slice(&[0; 28]);
        let plain = frame.clone();
        frame.extend_from_slice(&magic(OWN));
        let plan = plan(WakeTriggers {
            magic_packet: true,
            ..WakeTriggers::default()
        });
        let mut watch = WakeWatch::new(plan);
        assert_eq!(watch.found(), None);
        watch.note_data(InterfaceId::Zero, &plain, OWN);
        assert_eq!(watch.found().unwrap().reason, WakeReason::Other);
        watch.note_data(InterfaceId::Zero, &frame, OWN);
        watch.note(InterfaceId::One, WakeReason::Disconnect);
        let expected = WakeUp {
            interface: InterfaceId::Zero,
            reason: WakeReason::MagicPacket,
        };
        assert_eq!(watch.found(), Some(expected));
        for len in 0..frame.len() {
            watch.note_data(InterfaceId::Zero, &frame[..len], OWN);
        }
    }
}
