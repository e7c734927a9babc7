//! Keys.
//!
//! ADD_KEY: u8 type, u8 table index, u16 0, and 40 bytes whose layout depends on the type; unused bytes are zero.
//! REMOVE_KEY: u8 table index, u8 0, u16 0.
//!
//! | type | offset in the 40 bytes: size field |
//! |---|---|
//! | 0 WEP default | 0:1 key id; 1:1 key length; 2:2 reserved; 4:16 key |
//! | 1 WEP pairwise | 0:6 peer; 6:1 reserved; 7:1 key length; 8:16 key |
//! | 2 TKIP group | 0:16 key; 16:8 RX MIC key; 24:1 key id; 25:3 reserved; 28:8 RX counter |
//! | 3 TKIP pairwise | 0:6 peer; 6:2 reserved; 8:16 key; 24:8 RX MIC key; 32:8 TX MIC key |
//! | 4 AES group | 0:16 key; 16:1 key id; 17:3 reserved; 20:8 RX counter |
//! | 5 AES pairwise | 0:6 peer; 6:2 reserved; 8:16 key |
//! | 6 WAPI group | 0:16 key; 16:16 MIC key; 32:1 key id; 33:3 reserved |
//! | 7 WAPI pairwise | 0:6 peer; 6:1 key id; 7:1 reserved; 8:16 key; 24:16 MIC key |
//! | 8 IGTK | 0:16 key; 16:1 key id; 17:3 reserved; 20:8 IPN |
//!
//! Neither `Debug` nor `Display` shows key material.
//!
//! Source: file 20, section 10.

use super::prelude::*;

const MATERIAL_LEN: usize = 40;

/// Entries of the chip's key table, shared by all interfaces.
pub const KEY_TABLE_LEN: usize = 11;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct AddWire {
    header: RawHeader,
    key_type: u8,
    index: u8,
    reserved: U16,
    material: [u8; MATERIAL_LEN],
}

const_assert_eq!(size_of::<AddWire>(), 48);
const_assert_eq!(offset_of!(AddWire, material), 8);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RemoveWire {
    header: RawHeader,
    index: u8,
    reserved: u8,
    reserved2: U16,
}

const_assert_eq!(size_of::<RemoveWire>(), 8);

/// The layouts of the 40 bytes. Trailing unused bytes are left out: the buffer is zero before.
mod layout {
    use super::*;

    #[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
    #[repr(C)]
    pub(super) struct WepDefault {
        pub(super) key_id: u8,
        pub(super) key_len: u8,
        pub(super) reserved: [u8; 2],
        pub(super) key: [u8; 16],
    }

    #[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
    #[repr(C)]
    pub(super) struct WepPairwise {
        pub(super) peer: MacAddress,
        pub(super) reserved: u8,
        pub(super) key_len: u8,
        pub(super) key: [u8; 16],
    }

    #[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
    #[repr(C)]
    pub(super) struct TkipGroup {
        pub(super) key: [u8; 16],
        pub(super) rx_mic: [u8; 8],
        pub(super) key_id: u8,
        pub(super) reserved: [u8; 3],
        pub(super) rx_counter: [u8; 8],
    }

    #[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
    #[repr(C)]
    pub(super) struct TkipPairwise {
        pub(super) peer: MacAddress,
        pub(super) reserved: [u8; 2],
        pub(super) key: [u8; 16],
        pub(super) rx_mic: [u8; 8],
        pub(super) tx_mic: [u8; 8],
    }

    /// AES group key and IGTK.
    #[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
    #[repr(C)]
    pub(super) struct AesGroup {
        pub(super) key: [u8; 16],
        pub(super) key_id: u8,
        pub(super) reserved: [u8; 3],
        pub(super) rx_counter: [u8; 8],
    }

    #[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
    #[repr(C)]
    pub(super) struct AesPairwise {
        pub(super) peer: MacAddress,
        pub(super) reserved: [u8; 2],
        pub(super) key: [u8; 16],
    }

    #[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
    #[repr(C)]
    pub(super) struct WapiGroup {
        pub(super) key: [u8; 16],
        pub(super) mic: [u8; 16],
        pub(super) key_id: u8,
        pub(super) reserved: [u8; 3],
    }

    #[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
    #[repr(C)]
    pub(super) struct WapiPairwise {
        pub(super) peer: MacAddress,
        pub(super) key_id: u8,
        pub(super) reserved: u8,
        pub(super) key: [u8; 16],
        pub(super) mic: [u8; 16],
    }

    const_assert_eq!(size_of::<WepDefault>(), 20);
    const_assert_eq!(size_of::<WepPairwise>(), 24);
    const_assert_eq!(size_of::<TkipGroup>(), 36);
    const_assert_eq!(offset_of!(TkipGroup, rx_counter), 28);
    const_assert_eq!(size_of::<TkipPairwise>(), 40);
    const_assert_eq!(size_of::<AesGroup>(), 28);
    const_assert_eq!(offset_of!(AesGroup, rx_counter), 20);
    const_assert_eq!(size_of::<AesPairwise>(), 24);
    const_assert_eq!(size_of::<WapiGroup>(), 36);
    const_assert_eq!(offset_of!(WapiGroup, key_id), 32);
    const_assert_eq!(size_of::<WapiPairwise>(), 40);
}

/// Place in the chip's key table, 0 to 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyIndex(u8);

impl KeyIndex {
    /// `None` above 10.
    pub fn new(raw: u8) -> Option<Self> {
        (usize::from(raw) < KEY_TABLE_LEN).then_some(Self(raw))
    }

    /// 0 to 10.
    pub const fn raw(self) -> u8 {
        self.0
    }
}

/// A WEP key of 1 to 16 bytes; 5 and 13 are the usual ones.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WepKey {
    len: u8,
    bytes: [u8; 16],
}

impl WepKey {
    /// A key.
    ///
    /// # Errors
    ///
    /// [`WireError::Count`] above 16 bytes.
    pub fn new(key: &[u8]) -> Result<Self, WireError> {
        let mut bytes = [0; 16];
        bytes
            .get_mut(..key.len())
            .ok_or(WireError::Count)?
            .copy_from_slice(key);
        let len = u8::try_from(key.len()).map_err(|_error| WireError::Count)?;
        Ok(Self { len, bytes })
    }

    fn from_wire(len: u8, bytes: &[u8; 16]) -> Result<Self, WireError> {
        Self::new(bytes.get(..usize::from(len)).ok_or(WireError::Count)?)
    }
}

/// A key with what belongs to its cipher.
///
/// A counter is the last one seen from the sender, least significant byte first; only the first 6 bytes count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// WEP, for everybody.
    WepDefault {
        /// 0 to 3.
        key_id: u8,
        /// Key.
        key: WepKey,
    },
    /// WEP, for one station.
    WepPairwise {
        /// Station.
        peer: MacAddress,
        /// Key.
        key: WepKey,
    },
    /// TKIP group key.
    TkipGroup {
        /// Key.
        key: [u8; 16],
        /// MIC key of received frames.
        rx_mic: [u8; 8],
        /// 0 to 3.
        key_id: u8,
        /// Receive sequence counter.
        rx_counter: [u8; 8],
    },
    /// TKIP, for one station.
    TkipPairwise {
        /// Station.
        peer: MacAddress,
        /// Key.
        key: [u8; 16],
        /// MIC key of received frames.
        rx_mic: [u8; 8],
        /// MIC key of sent frames.
        tx_mic: [u8; 8],
    },
    /// CCMP group key.
    AesGroup {
        /// Key.
        key: [u8; 16],
        /// 0 to 3.
        key_id: u8,
        /// Receive sequence counter.
        rx_counter: [u8; 8],
    },
    /// CCMP, for one station.
    AesPairwise {
        /// Station.
        peer: MacAddress,
        /// Key.
        key: [u8; 16],
    },
    /// WAPI group key.
    WapiGroup {
        /// Key.
        key: [u8; 16],
        /// MIC key.
        mic: [u8; 16],
        /// Key id.
        key_id: u8,
    },
    /// WAPI, for one station.
    WapiPairwise {
        /// Station.
        peer: MacAddress,
        /// Key id.
        key_id: u8,
        /// Key.
        key: [u8; 16],
        /// MIC key.
        mic: [u8; 16],
    },
    /// Key of protected group management frames.
    Igtk {
        /// Key.
        key: [u8; 16],
        /// 4 or 5.
        key_id: u8,
        /// Packet number.
        ipn: [u8; 8],
    },
}

impl Key {
    /// The type on the wire.
    pub const fn key_type(&self) -> u8 {
        match self {
            Self::WepDefault { .. } => 0,
            Self::WepPairwise { .. } => 1,
            Self::TkipGroup { .. } => 2,
            Self::TkipPairwise { .. } => 3,
            Self::AesGroup { .. } => 4,
            Self::AesPairwise { .. } => 5,
            Self::WapiGroup { .. } => 6,
            Self::WapiPairwise { .. } => 7,
            Self::Igtk { .. } => 8,
        }
    }

    /// The station of a pairwise key.
    pub const fn peer(&self) -> Option<MacAddress> {
        match self {
            Self::WepPairwise { peer, .. }
            | Self::TkipPairwise { peer, .. }
            | Self::AesPairwise { peer, .. }
            | Self::WapiPairwise { peer, .. } => Some(*peer),
            Self::WepDefault { .. }
            | Self::TkipGroup { .. }
            | Self::AesGroup { .. }
            | Self::WapiGroup { .. }
            | Self::Igtk { .. } => None,
        }
    }

    fn emit(&self, material: &mut [u8; MATERIAL_LEN]) -> Result<(), WireError> {
        let mut writer = Writer::new(material);
        match *self {
            Self::WepDefault { key_id, key } => writer.put(&layout::WepDefault {
                key_id,
                key_len: key.len,
                reserved: [0; 2],
                key: key.bytes,
            }),
            Self::WepPairwise { peer, key } => writer.put(&layout::WepPairwise {
                peer,
                reserved: 0,
                key_len: key.len,
                key: key.bytes,
            }),
            Self::TkipGroup {
                key,
                rx_mic,
                key_id,
                rx_counter,
            } => writer.put(&layout::TkipGroup {
                key,
                rx_mic,
                key_id,
                reserved: [0; 3],
                rx_counter,
            }),
            Self::TkipPairwise {
                peer,
                key,
                rx_mic,
                tx_mic,
            } => writer.put(&layout::TkipPairwise {
                peer,
                reserved: [0; 2],
                key,
                rx_mic,
                tx_mic,
            }),
            Self::AesGroup {
                key,
                key_id,
                rx_counter,
            }
            | Self::Igtk {
                key,
                key_id,
                ipn: rx_counter,
            } => writer.put(&layout::AesGroup {
                key,
                key_id,
                reserved: [0; 3],
                rx_counter,
            }),
            Self::AesPairwise { peer, key } => writer.put(&layout::AesPairwise {
                peer,
                reserved: [0; 2],
                key,
            }),
            Self::WapiGroup { key, mic, key_id } => writer.put(&layout::WapiGroup {
                key,
                mic,
                key_id,
                reserved: [0; 3],
            }),
            Self::WapiPairwise {
                peer,
                key_id,
                key,
                mic,
            } => writer.put(&layout::WapiPairwise {
                peer,
                key_id,
                reserved: 0,
                key,
                mic,
            }),
        }
    }

    fn parse(key_type: u8, material: &[u8; MATERIAL_LEN]) -> Result<Self, WireError> {
        fn read<T>(material: &[u8]) -> Result<&T, WireError>
        where
            T: FromBytes + KnownLayout + Immutable + Unaligned,
        {
            T::ref_from_prefix(material)
                .map(|(layout, _)| layout)
                .map_err(|_error| WireError::Truncated)
        }
        Ok(match key_type {
            0 => {
                let wire = read::<layout::WepDefault>(material)?;
                Self::WepDefault {
                    key_id: wire.key_id,
                    key: WepKey::from_wire(wire.key_len, &wire.key)?,
                }
            }
            1 => {
                let wire = read::<layout::WepPairwise>(material)?;
                Self::WepPairwise {
                    peer: wire.peer,
                    key: WepKey::from_wire(wire.key_len, &wire.key)?,
                }
            }
            2 => {
                let wire = read::<layout::TkipGroup>(material)?;
                Self::TkipGroup {
                    key: wire.key,
                    rx_mic: wire.rx_mic,
                    key_id: wire.key_id,
                    rx_counter: wire.rx_counter,
                }
            }
            3 => {
                let wire = read::<layout::TkipPairwise>(material)?;
                Self::TkipPairwise {
                    peer: wire.peer,
                    key: wire.key,
                    rx_mic: wire.rx_mic,
                    tx_mic: wire.tx_mic,
                }
            }
            4 => {
                let wire = read::<layout::AesGroup>(material)?;
                Self::AesGroup {
                    key: wire.key,
                    key_id: wire.key_id,
                    rx_counter: wire.rx_counter,
                }
            }
            5 => {
                let wire = read::<layout::AesPairwise>(material)?;
                Self::AesPairwise {
                    peer: wire.peer,
                    key: wire.key,
                }
            }
            6 => {
                let wire = read::<layout::WapiGroup>(material)?;
                Self::WapiGroup {
                    key: wire.key,
                    mic: wire.mic,
                    key_id: wire.key_id,
                }
            }
            7 => {
                let wire = read::<layout::WapiPairwise>(material)?;
                Self::WapiPairwise {
                    peer: wire.peer,
                    key_id: wire.key_id,
                    key: wire.key,
                    mic: wire.mic,
                }
            }
            8 => {
                let wire = read::<layout::AesGroup>(material)?;
                Self::Igtk {
                    key: wire.key,
                    key_id: wire.key_id,
                    ipn: wire.rx_counter,
                }
            }
            _ => return Err(WireError::Value),
        })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WepDefault { key_id, .. } => write!(f, "WEP default {key_id}"),
            Self::WepPairwise { peer, .. } => write!(f, "WEP pairwise {peer}"),
            Self::TkipGroup { key_id, .. } => write!(f, "TKIP group {key_id}"),
            Self::TkipPairwise { peer, .. } => write!(f, "TKIP pairwise {peer}"),
            Self::AesGroup { key_id, .. } => write!(f, "AES group {key_id}"),
            Self::AesPairwise { peer, .. } => write!(f, "AES pairwise {peer}"),
            Self::WapiGroup { key_id, .. } => write!(f, "WAPI group {key_id}"),
            Self::WapiPairwise { peer, .. } => write!(f, "WAPI pairwise {peer}"),
            Self::Igtk { key_id, .. } => write!(f, "IGTK {key_id}"),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// Puts a key into the chip's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddKey {
    /// Where.
    pub index: KeyIndex,
    /// What.
    pub key: Key,
}

impl AddKey {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`]; [`WireError::Value`] for a type or index that does not exist;
    /// [`WireError::Count`] for a key longer than keys are.
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<AddWire>(message, Self::ID)?;
        Ok(Self {
            index: KeyIndex::new(wire.index).ok_or(WireError::Value)?,
            key: Key::parse(wire.key_type, &wire.material)?,
        })
    }
}

impl Request for AddKey {
    const ID: MessageId = MessageId::ADD_KEY;
    type Confirm<'a> = GenericConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let mut wire = AddWire {
            header: RawHeader::BLANK,
            key_type: self.key.key_type(),
            index: self.index.0,
            reserved: U16::ZERO,
            material: [0; MATERIAL_LEN],
        };
        self.key.emit(&mut wire.material)?;
        emit(Self::ID, interface, &wire, &[], out)
    }
}

impl fmt::Display for AddKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "add key {}: {}", self.index.0, self.key)
    }
}

/// Takes a key out of the chip's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoveKey {
    /// Where.
    pub index: KeyIndex,
}

impl RemoveKey {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`]; [`WireError::Value`] for an index that does not exist.
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<RemoveWire>(message, Self::ID)?;
        Ok(Self {
            index: KeyIndex::new(wire.index).ok_or(WireError::Value)?,
        })
    }
}

impl Request for RemoveKey {
    const ID: MessageId = MessageId::REMOVE_KEY;
    type Confirm<'a> = GenericConfirm;

    fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let wire = RemoveWire {
            header: RawHeader::BLANK,
            index: self.index.0,
            reserved: 0,
            reserved2: U16::ZERO,
        };
        emit(Self::ID, interface, &wire, &[], out)
    }
}

impl fmt::Display for RemoveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "remove key {}", self.index.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, round_trips};

    const PEER: MacAddress = MacAddress([0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5]);

    fn message(key_type: u8, parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; 48];
        bytes[..6].copy_from_slice(&[48, 0, 0x0c, 0, key_type, 3]);
        for (at, part) in parts {
            let start = 8_usize.wrapping_add(*at);
            bytes[start..start.wrapping_add(part.len())].copy_from_slice(part);
        }
        bytes
    }

    #[test]
    fn every_type_is_read_and_written_where_the_table_says() {
        let (key, mic, counter) = ([1; 16], [2; 8], [3, 0, 0, 0, 0, 0, 0, 0]);
        let wep = WepKey::new(&[9; 13]).unwrap();
        let cases = [
            (
                Key::WepDefault {
                    key_id: 2,
                    key: wep,
                },
                message(0, &[(0, &[2, 13]), (4, &[9; 13])]),
            ),
            (
                Key::WepPairwise {
                    peer: PEER,
                    key: wep,
                },
                message(1, &[(0, &PEER.0), (7, &[13]), (8, &[9; 13])]),
            ),
            (
                Key::TkipGroup {
                    key,
                    rx_mic: mic,
                    key_id: 1,
                    rx_counter: counter,
                },
                message(2, &[(0, &key), (16, &mic), (24, &[1]), (28, &counter)]),
            ),
            (
                Key::TkipPairwise {
                    peer: PEER,
                    key,
                    rx_mic: mic,
                    tx_mic: [4; 8],
                },
                message(3, &[(0, &PEER.0), (8, &key), (24, &mic), (32, &[4; 8])]),
            ),
            (
                Key::AesGroup {
                    key,
                    key_id: 1,
                    rx_counter: counter,
                },
                message(4, &[(0, &key), (16, &[1]), (20, &counter)]),
            ),
            (
                Key::AesPairwise { peer: PEER, key },
                message(5, &[(0, &PEER.0), (8, &key)]),
            ),
            (
                Key::WapiGroup {
                    key,
                    mic: [5; 16],
                    key_id: 1,
                },
                message(6, &[(0, &key), (16, &[5; 16]), (32, &[1])]),
            ),
            (
                Key::WapiPairwise {
                    peer: PEER,
                    key_id: 1,
                    key,
                    mic: [5; 16],
                },
                message(7, &[(0, &PEER.0), (6, &[1]), (8, &key), (24, &[5; 16])]),
            ),
            (
                Key::Igtk {
                    key,
                    key_id: 4,
                    ipn: counter,
                },
                message(8, &[(0, &key), (16, &[4]), (20, &counter)]),
            ),
        ];
        let index = KeyIndex::new(3).unwrap();
        for (key, bytes) in cases {
            both_ways!(AddKey, 48, bytes.clone(), AddKey { index, key });
        }
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        assert_eq!(AddKey::parse(&message(9, &[])), Err(WireError::Value));
        assert_eq!(
            AddKey::parse(&message(0, &[(1, &[17])])),
            Err(WireError::Count)
        );
        let mut bytes = message(5, &[]);
        bytes[5] = 11;
        assert_eq!(AddKey::parse(&bytes), Err(WireError::Value));
        assert!(WepKey::new(&[0; 17]).is_err());
        assert_eq!(
            (0..=u8::MAX).filter_map(KeyIndex::new).count(),
            KEY_TABLE_LEN
        );
    }

    #[test]
    fn key_material_is_not_shown() {
        let add = AddKey {
            index: KeyIndex::new(0).unwrap(),
            key: Key::AesPairwise {
                peer: PEER,
                key: [0x5a; 16],
            },
        };
        for text in [add.to_string(), format!("{add:?}")] {
            assert!(!text.contains("90") && !text.contains("5a"), "{text}");
        }
    }

    #[test]
    fn a_removal_is_read_and_written() {
        both_ways!(
            RemoveKey,
            8,
            [0x08, 0x00, 0x0d, 0x00, 10, 0, 0, 0],
            RemoveKey {
                index: KeyIndex::new(10).unwrap()
            }
        );
    }

    round_trips!(AddKey, AddKey::ID);
}
