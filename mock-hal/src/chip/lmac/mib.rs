//! The MIB store: which objects exist, what size they should have, and what was written (file 21).

use crate::chip::wire::{u16_at, u32_at, u8_at};
use std::collections::HashMap;

/// Ids of the objects that this firmware acts upon.
pub(crate) mod id {
    pub(crate) const STATION_ID: u16 = 0x0000;
    pub(crate) const GROUP_ADDRESSES: u16 = 0x0004;
    pub(crate) const WEP_DEFAULT: u16 = 0x0005;
    pub(crate) const TX_POWER: u16 = 0x0006;
    pub(crate) const RTS_THRESHOLD: u16 = 0x0007;
    pub(crate) const ARP_IPV4: u16 = 0x1001;
    pub(crate) const TEMPLATE: u16 = 0x1002;
    pub(crate) const RX_FILTER: u16 = 0x1003;
    pub(crate) const BEACON_TABLE: u16 = 0x1004;
    pub(crate) const BEACON_FILTER: u16 = 0x1005;
    pub(crate) const WAKE_UP: u16 = 0x1007;
    pub(crate) const RCPI_THRESHOLD: u16 = 0x1009;
    pub(crate) const COUNTERS: u16 = 0x100C;
    pub(crate) const BLOCK_ACK: u16 = 0x100E;
    pub(crate) const UAPSD: u16 = 0x1013;
    pub(crate) const RATE_POLICY: u16 = 0x1016;
    pub(crate) const ETHER_TYPE: u16 = 0x101A;
    pub(crate) const UDP_PORT: u16 = 0x101B;
    pub(crate) const MAGIC: u16 = 0x101C;
    pub(crate) const TSF: u16 = 0x1023;
    pub(crate) const MULTI_CONFIRM: u16 = 0x1024;
    pub(crate) const KEEP_ALIVE: u16 = 0x1025;
    pub(crate) const BSSID_FILTER: u16 = 0x1026;
    pub(crate) const MAC_FILTER: u16 = 0x1030;
    pub(crate) const IPV4_FILTER: u16 = 0x1031;
    pub(crate) const IPV6_FILTER: u16 = 0x1032;
    pub(crate) const NDP_IPV6: u16 = 0x1034;
    pub(crate) const INACTIVITY: u16 = 0x1035;
    pub(crate) const SHORT_GI: u16 = 0x1043;
}

/// The size an object should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Fixed(usize),
    /// Four bytes, the first of them a count, and so many bytes per entry.
    Counted(usize),
    /// Four bytes that are a count, and so many bytes per entry.
    LongCounted(usize),
    /// Type, rate, length, frame.
    Template,
    /// Device type, name, and a count of types at offset 47.
    P2pDevice,
    /// The specification gives no layout.
    Any,
}

/// Size of a defined object; `None` if the id is not defined.
const fn size(id: u16) -> Option<Size> {
    Some(match id {
        0x0000 => Size::Fixed(6),
        0x0001 | 0x0002 => Size::Any,
        0x0003 | 0x0005 | 0x0006 | 0x0007 => Size::Fixed(4),
        0x0004 => Size::Fixed(56),
        0x1000 | 0x1003 | 0x1006 | 0x1007 | 0x1009 => Size::Fixed(4),
        0x1001 | 0x1005 => Size::Fixed(8),
        0x1002 => Size::Template,
        0x1004 => Size::LongCounted(8),
        0x100A | 0x100B | 0x100D => Size::Any,
        0x100C => Size::Fixed(88),
        0x100E | 0x100F => Size::Fixed(4),
        0x1010 | 0x1013 => Size::Fixed(8),
        0x1011 | 0x1012 | 0x1017 | 0x1018 | 0x101C => Size::Any,
        0x1015 => Size::Fixed(4),
        0x1016 => Size::Counted(20),
        0x1019 => Size::Fixed(16),
        0x101A | 0x101B => Size::Counted(4),
        0x101D => Size::P2pDevice,
        0x101E | 0x1020 | 0x1021 | 0x1022 | 0x1024 | 0x1025 | 0x1026 => Size::Fixed(4),
        0x101F | 0x1023 => Size::Fixed(8),
        0x1030 => Size::Counted(8),
        0x1031 => Size::Counted(8),
        0x1032 => Size::Counted(20),
        0x1033 | 0x1035 | 0x1042 | 0x1044 => Size::Fixed(4),
        0x1034 => Size::Fixed(20),
        0x1040 | 0x1041 => Size::Any,
        0x1043 | 0x1045 => Size::Fixed(1),
        _ => return None,
    })
}

/// Whether an id is defined.
pub(crate) const fn is_defined(id: u16) -> bool {
    size(id).is_some()
}

/// Whether the data of a defined object has the size its layout says. The chip takes it either way.
pub(crate) fn has_right_size(id: u16, data: &[u8]) -> bool {
    let counted = |entry: usize, count: usize| data.len() == 4 + entry * count;
    match size(id) {
        None => false,
        Some(Size::Any) => true,
        Some(Size::Fixed(len)) => data.len() == len,
        Some(Size::Counted(entry)) => counted(entry, usize::from(u8_at(data, 0))),
        Some(Size::LongCounted(entry)) => counted(
            entry,
            usize::try_from(u32_at(data, 0)).unwrap_or(usize::MAX / 64),
        ),
        Some(Size::Template) => counted(1, usize::from(u16_at(data, 2))),
        Some(Size::P2pDevice) => data.len() == 48 + 8 * usize::from(u8_at(data, 47)),
    }
}

/// What was written, by interface and id. Templates are kept by type.
#[derive(Clone, Debug, Default)]
pub(crate) struct MibStore {
    objects: HashMap<(u8, u16), Vec<u8>>,
    templates: HashMap<(u8, u8), Template>,
}

/// A template frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Template {
    /// Rate id, 0xFF lets the firmware choose.
    pub(crate) rate: u8,
    pub(crate) frame: Vec<u8>,
}

/// Template types (file 20, section 4.3).
pub(crate) mod template {
    pub(crate) const PROBE_REQUEST: u8 = 0;
    pub(crate) const BEACON: u8 = 1;
    pub(crate) const NULL: u8 = 2;
    pub(crate) const QOS_NULL: u8 = 3;
    pub(crate) const PROBE_RESPONSE: u8 = 5;
    pub(crate) const ARP_REPLY: u8 = 6;
    pub(crate) const ADVERTISEMENT: u8 = 7;
}

impl MibStore {
    /// Stores an object.
    pub(crate) fn write(&mut self, interface: u8, id: u16, data: &[u8]) {
        if id == id::TEMPLATE {
            let len = usize::from(u16_at(data, 2));
            let frame = data.get(4..).unwrap_or(&[]);
            let template = Template {
                rate: u8_at(data, 1),
                frame: frame[..len.min(frame.len())].to_vec(),
            };
            self.templates
                .insert((interface, u8_at(data, 0) & 0x7F), template);
        }
        self.objects.insert((interface, id), data.to_vec());
    }

    /// What was last written on the interface.
    pub(crate) fn read(&self, interface: u8, id: u16) -> Option<&[u8]> {
        self.objects.get(&(interface, id)).map(Vec::as_slice)
    }

    /// As [`read`](Self::read), or as many zeros as the object has bytes.
    pub(crate) fn read_or_zero(&self, interface: u8, id: u16) -> Vec<u8> {
        match (self.read(interface, id), size(id)) {
            (Some(data), _) => data.to_vec(),
            (None, Some(Size::Fixed(len))) => vec![0; len],
            (None, Some(Size::P2pDevice)) => vec![0; 48],
            (None, _) => vec![0; 4],
        }
    }

    /// A template with a frame in it. Those for scan and join lie on interface 0 whoever asks (file 20, section 2.3).
    pub(crate) fn template(&self, interface: u8, kind: u8) -> Option<&Template> {
        self.templates
            .get(&(interface, kind))
            .or_else(|| self.templates.get(&(0, kind)))
            .filter(|template| !template.frame.is_empty())
    }

    /// The first word of an object; 0 if it was never written.
    pub(crate) fn word(&self, interface: u8, id: u16) -> u32 {
        self.read(interface, id).map_or(0, |data| {
            let mut word = [0; 4];
            let len = data.len().min(4);
            word[..len].copy_from_slice(&data[..len]);
            u32::from_le_bytes(word)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_undefined_ranges_are_undefined() {
        for id in [
            0x1008, 0x1014, 0x1027, 0x102F, 0x1036, 0x103F, 0x1046, 0x0008,
        ] {
            assert!(!is_defined(id), "{id:#06x}");
        }
        assert!(is_defined(0x101C) && is_defined(0x0000));
    }

    #[test]
    fn sizes_follow_counts_inside_the_object() {
        assert!(has_right_size(0x1016, &[0, 0, 0, 0]));
        assert!(has_right_size(
            0x1016,
            &[[1; 1].as_slice(), &[0; 23]].concat()
        ));
        assert!(!has_right_size(0x1016, &[1, 0, 0, 0]));
        assert!(has_right_size(
            0x1004,
            &[1, 0, 0, 0, 0xDD, 7, 0x50, 0x6F, 0x9A, 0, 0, 0]
        ));
        assert!(!has_right_size(0x1004, &[0xFF; 8]));
        assert!(has_right_size(0x1002, &[0, 0, 2, 0, 9, 9]));
        assert!(!has_right_size(0x1002, &[0, 0, 3, 0, 9, 9]));
        assert!(has_right_size(0x1043, &[1]) && !has_right_size(0x1043, &[1, 0]));
        assert!(!has_right_size(0x1008, &[]));
    }

    #[test]
    fn templates_are_kept_by_type_and_those_of_interface_0_serve_all() {
        let mut store = MibStore::default();
        store.write(0, id::TEMPLATE, &[0, 6, 2, 0, 0x40, 0]);
        store.write(0, id::TEMPLATE, &[3, 0xFF, 1, 0, 0x48]);
        let probe = store.template(1, template::PROBE_REQUEST).unwrap();
        assert_eq!((probe.rate, probe.frame.as_slice()), (6, &[0x40, 0][..]));
        assert_eq!(store.template(0, template::QOS_NULL).unwrap().rate, 0xFF);
        assert!(store.template(0, template::BEACON).is_none());
    }

    #[test]
    fn objects_that_were_never_written_read_as_zeros() {
        let mut store = MibStore::default();
        assert_eq!(store.read_or_zero(0, 0x1001), vec![0; 8]);
        store.write(0, 0x1045, &[2]);
        assert_eq!(store.read_or_zero(0, 0x1045), [2]);
        assert_eq!(store.word(0, 0x1045), 2);
        assert_eq!(store.word(1, 0x1045), 0);
    }
}
