//! The messages of the generic netlink family `MAC80211_HWSIM`
//! (Linux, `drivers/net/wireless/virtual/mac80211_hwsim.h`).
//!
//! A radio is named by its *hardware address*, which is not the address of its interfaces: `42:…` where the interface
//! has `02:…`.

use super::netlink::{self, flags, Attributes, Message, Writer};

/// Name of the family.
pub const FAMILY: &str = "MAC80211_HWSIM";
/// Name of its multicast group, which tells of radios that come and go.
pub const GROUP: &str = "config";
/// Longest frame the kernel takes (`IEEE80211_MAX_DATA_LEN`).
pub const MAX_FRAME: usize = 2304;
/// Shortest frame the kernel takes: a header with three addresses.
pub const MIN_FRAME: usize = 24;

mod command {
    pub(super) const REGISTER: u8 = 1;
    pub(super) const FRAME: u8 = 2;
    pub(super) const TX_INFO_FRAME: u8 = 3;
    pub(super) const NEW_RADIO: u8 = 4;
    pub(super) const DEL_RADIO: u8 = 5;
    pub(super) const GET_RADIO: u8 = 6;
    pub(super) const ADD_MAC_ADDR: u8 = 7;
    pub(super) const DEL_MAC_ADDR: u8 = 8;
}

mod attribute {
    pub(super) const ADDR_RECEIVER: u16 = 1;
    pub(super) const ADDR_TRANSMITTER: u16 = 2;
    pub(super) const FRAME: u16 = 3;
    pub(super) const FLAGS: u16 = 4;
    pub(super) const RX_RATE: u16 = 5;
    pub(super) const SIGNAL: u16 = 6;
    pub(super) const TX_INFO: u16 = 7;
    pub(super) const COOKIE: u16 = 8;
    pub(super) const RADIO_ID: u16 = 10;
    pub(super) const FREQ: u16 = 19;
    pub(super) const TX_INFO_FLAGS: u16 = 21;
}

/// Flags of a frame.
pub mod control {
    /// Nobody waits for an acknowledgement.
    pub const NO_ACK: u32 = 2;
    /// It was acknowledged.
    pub const ACKED: u32 = 4;
}

/// Flags of a rate.
pub mod rate_flag {
    /// RTS and CTS go first.
    pub const RTS: u16 = 1;
    /// The index is an HT MCS.
    pub const MCS: u16 = 1 << 3;
    /// 40 MHz.
    pub const WIDTH_40: u16 = 1 << 5;
    /// Short guard interval.
    pub const SHORT_GI: u16 = 1 << 7;
    /// The index is a VHT MCS in its low four bits.
    pub const VHT: u16 = 1 << 8;
}

/// A MAC address.
pub type Address = [u8; 6];

/// One rate of a frame's series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Index, negative for none.
    pub index: i8,
    /// Attempts.
    pub tries: u8,
    /// See [`rate_flag`].
    pub flags: u16,
}

impl Rate {
    /// No rate.
    pub const NONE: Self = Self {
        index: -1,
        tries: 0,
        flags: 0,
    };
}

/// Rates of a frame.
pub const RATES: usize = 4;

/// A frame that a radio sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Hardware address of the radio.
    pub radio: Address,
    /// The MPDU without FCS.
    pub mpdu: &'a [u8],
    /// See [`control`].
    pub flags: u32,
    /// Names the frame when its fate is told.
    pub cookie: u64,
    /// Centre of the primary channel in MHz.
    pub frequency: u16,
    /// What to try.
    pub rates: [Rate; RATES],
}

/// What the kernel tells the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A radio sends.
    Frame(Frame<'a>),
    /// A radio listens to an address from now on.
    AddressAdded {
        /// Hardware address of the radio.
        radio: Address,
        /// The address.
        address: Address,
    },
    /// A radio listens to an address no more.
    AddressRemoved {
        /// Hardware address of the radio.
        radio: Address,
        /// The address.
        address: Address,
    },
    /// There is a radio.
    Radio {
        /// Its number.
        id: u32,
    },
    /// A radio is gone.
    RadioGone {
        /// Its number.
        id: u32,
    },
    /// Answer to a request: 0, or a negative error number.
    Answer {
        /// Sequence number of the request.
        sequence: u32,
        /// 0, or a negative error number.
        code: i32,
    },
}

/// The attributes that matter here, as far as they are there and well-formed.
#[derive(Default)]
struct Found<'a> {
    receiver: Option<Address>,
    transmitter: Option<Address>,
    frame: Option<&'a [u8]>,
    flags: u32,
    cookie: Option<u64>,
    frequency: Option<u16>,
    rates: Option<&'a [u8]>,
    rate_flags: &'a [u8],
    id: Option<u32>,
}

impl<'a> Found<'a> {
    fn new(attributes: Attributes<'a>) -> Self {
        let mut found = Self::default();
        for (kind, content) in attributes {
            match kind {
                attribute::ADDR_RECEIVER => found.receiver = content.try_into().ok(),
                attribute::ADDR_TRANSMITTER => found.transmitter = content.try_into().ok(),
                attribute::FRAME => found.frame = Some(content),
                attribute::FLAGS => found.flags = netlink::number(content).unwrap_or(0),
                attribute::COOKIE => {
                    found.cookie = content.try_into().ok().map(u64::from_ne_bytes);
                }
                attribute::FREQ => {
                    found.frequency =
                        netlink::number(content).and_then(|mhz| u16::try_from(mhz).ok());
                }
                attribute::TX_INFO => found.rates = Some(content),
                attribute::TX_INFO_FLAGS => found.rate_flags = content,
                attribute::RADIO_ID => found.id = netlink::number(content),
                _ => {}
            }
        }
        found
    }

    fn series(&self) -> Option<[Rate; RATES]> {
        let rates = self.rates?;
        let mut series = [Rate::NONE; RATES];
        for (at, rate) in series.iter_mut().enumerate() {
            let [index, tries] = rates.get(2 * at..2 * at + 2)?.try_into().ok()?;
            // Index again, then the flags, packed.
            let flags = match self.rate_flags.get(3 * at + 1..3 * at + 3) {
                Some(bytes) => u16::from_ne_bytes(bytes.try_into().ok()?),
                None => 0,
            };
            *rate = Rate {
                index: i8::from_ne_bytes([index]),
                tries,
                flags,
            };
        }
        Some(series)
    }
}

/// Reads a message; `None` if it is of another family, of no interest, or malformed.
pub fn parse<'a>(family: u16, message: &Message<'a>) -> Option<Event<'a>> {
    let (command, attributes) = match *message {
        Message::Answer { sequence, code } => return Some(Event::Answer { sequence, code }),
        Message::Generic {
            family: theirs,
            command,
            attributes,
        } if theirs == family => (command, attributes),
        _ => return None,
    };
    let found = Found::new(attributes);
    Some(match command {
        command::FRAME => Event::Frame(Frame {
            radio: found.transmitter?,
            mpdu: found.frame.filter(|frame| frame.len() >= 10)?,
            flags: found.flags,
            cookie: found.cookie?,
            frequency: found.frequency?,
            rates: found.series()?,
        }),
        command::ADD_MAC_ADDR => Event::AddressAdded {
            radio: found.transmitter?,
            address: found.receiver?,
        },
        command::DEL_MAC_ADDR => Event::AddressRemoved {
            radio: found.transmitter?,
            address: found.receiver?,
        },
        command::NEW_RADIO | command::GET_RADIO => Event::Radio { id: found.id? },
        command::DEL_RADIO => Event::RadioGone { id: found.id? },
        _ => return None,
    })
}

/// The hardware address of a radio that was made without one.
pub const fn default_address(id: u32) -> Address {
    let [low, high, ..] = id.to_le_bytes();
    [0x42, 0, 0, high, low, 0]
}

/// Asks to be the medium.
pub fn register(writer: &mut Writer, family: u16, sequence: u32) {
    let flags = flags::REQUEST | flags::ACK;
    writer.begin(family, flags, sequence, command::REGISTER);
    writer.end();
}

/// Asks for all radios.
pub fn dump_radios(writer: &mut Writer, family: u16, sequence: u32) {
    let flags = flags::REQUEST | flags::DUMP;
    writer.begin(family, flags, sequence, command::GET_RADIO);
    writer.end();
}

/// A frame for a radio.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// Hardware address of the radio that hears it.
    pub radio: Address,
    /// The MPDU without FCS.
    pub mpdu: &'a [u8],
    /// Index into the band's legacy rates: the kernel has no other numbers here.
    pub rate: u32,
    /// Signal in dBm.
    pub signal_dbm: i8,
    /// Centre of the primary channel in MHz.
    pub frequency: u16,
}

/// Hands a frame to a radio.
pub fn deliver(writer: &mut Writer, family: u16, sequence: u32, delivery: &Delivery<'_>) {
    writer.begin(family, flags::REQUEST, sequence, command::FRAME);
    writer.attribute(attribute::ADDR_RECEIVER, &delivery.radio);
    writer.attribute(attribute::FRAME, delivery.mpdu);
    writer.number(attribute::RX_RATE, delivery.rate);
    let signal = i32::from(delivery.signal_dbm).to_ne_bytes();
    writer.number(attribute::SIGNAL, u32::from_ne_bytes(signal));
    writer.number(attribute::FREQ, u32::from(delivery.frequency));
    writer.end();
}

/// What became of a frame.
#[derive(Clone, Copy, Debug)]
pub struct Fate {
    /// Hardware address of the radio that sent it.
    pub radio: Address,
    /// As the frame had it.
    pub cookie: u64,
    /// See [`control`].
    pub flags: u32,
    /// Signal of the acknowledgement in dBm.
    pub signal_dbm: i8,
    /// What was tried.
    pub rates: [Rate; RATES],
}

/// Tells a radio what became of its frame.
pub fn tell(writer: &mut Writer, family: u16, sequence: u32, fate: &Fate) {
    writer.begin(family, flags::REQUEST, sequence, command::TX_INFO_FRAME);
    writer.attribute(attribute::ADDR_TRANSMITTER, &fate.radio);
    writer.number(attribute::FLAGS, fate.flags);
    let signal = i32::from(fate.signal_dbm).to_ne_bytes();
    writer.number(attribute::SIGNAL, u32::from_ne_bytes(signal));
    let mut rates = [0; 2 * RATES];
    for (pair, rate) in rates.chunks_exact_mut(2).zip(&fate.rates) {
        pair[0] = rate.index.to_ne_bytes()[0];
        pair[1] = rate.tries;
    }
    writer.attribute(attribute::TX_INFO, &rates);
    writer.attribute(attribute::COOKIE, &fate.cookie.to_ne_bytes());
    writer.end();
}
