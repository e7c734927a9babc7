//! Which address a device gets (specification: file 11, section 10; file 50, section 1, row 11).
//!
//! | order | source | stays the same |
//! |---|---|---|
//! | 1 | [`Source::Description`]: device tree or non-volatile memory | yes |
//! | 2 | [`Source::Factory`]: a line of the factory text | yes |
//! | 3 | [`Source::Machine`]: made from what names the machine | on this machine, in this slot |
//! | 4 | [`Source::Random`] | no |
//!
//! A source that gives zeros, a group address or the placeholder of a widely copied device tree is passed over, and the
//! caller is told so that it can log it.

use crate::address::{check_device, AddressError};
use crate::types::MacAddress;
use core::fmt;

/// Where an address comes from; see the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Device tree or non-volatile memory.
    Description,
    /// The factory text.
    Factory,
    /// Made from what names the machine.
    Machine,
    /// Chance.
    Random,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Description => "device description",
            Self::Factory => "factory data",
            Self::Machine => "machine id",
            Self::Random => "random",
        })
    }
}

/// Chooses the first of `candidates` that may name a device; `refused` is told about those before it that may not.
///
/// `random` has the last word: whatever it gives is made a proper address, so there is always one.
pub fn choose(
    candidates: impl IntoIterator<Item = (Source, MacAddress)>,
    random: [u8; 6],
    mut refused: impl FnMut(Source, MacAddress, AddressError),
) -> (Source, MacAddress) {
    for (source, address) in candidates {
        match check_device(address) {
            Ok(()) => return (source, address),
            Err(error) => refused(source, address, error),
        }
    }
    (Source::Random, local(random))
}

/// The address in a factory text: behind the line `%%` that ends the calibration values, a line
/// `mac:XX:XX:XX:XX:XX:XX`. Nobody who reads only the values minds it (file 11, section 8.2).
pub fn from_factory_text(text: &[u8]) -> Option<MacAddress> {
    text.split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .skip_while(|line| *line != b"%%")
        .find_map(|line| parse(line.strip_prefix(b"mac:")?))
}

/// Six hexadecimal bytes with colons between them.
fn parse(text: &[u8]) -> Option<MacAddress> {
    let mut address = [0; 6];
    let mut parts = text.split(|byte| *byte == b':');
    for byte in &mut address {
        let part = core::str::from_utf8(parts.next()?).ok()?;
        if part.len() != 2 {
            return None;
        }
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(MacAddress(address))
}

/// An address made from the first of `names` that really names a machine, and from `slot`, which tells several devices
/// of one machine apart. The names cannot be found out from it.
pub fn from_machine<'a>(
    names: impl IntoIterator<Item = &'a [u8]>,
    slot: &[u8],
) -> Option<MacAddress> {
    let name = names.into_iter().find(|name| is_name(name))?;
    let mut hash = FNV_OFFSET;
    // The purpose first, so that nobody else who hashes the same name gets the same bytes.
    for part in [b"bes2600".as_slice(), name.trim_ascii(), slot] {
        for byte in part {
            hash = fold(hash, *byte);
        }
        hash = fold(hash, 0);
    }
    let [a, b, c, d, e, f, ..] = mix(hash).to_le_bytes();
    Some(local([a, b, c, d, e, f]))
}

/// 64-bit FNV-1a.
const FNV_OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01B3;

const fn fold(hash: u64, byte: u8) -> u64 {
    (hash ^ widen(byte)).wrapping_mul(FNV_PRIME)
}

const fn widen(byte: u8) -> u64 {
    u64::from_le_bytes([byte, 0, 0, 0, 0, 0, 0, 0])
}

/// Spreads every bit over all of them (the finaliser of MurmurHash3): FNV alone leaves the last bytes visible.
const fn mix(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    hash ^ (hash >> 33)
}

/// What makers of machines leave in where a name should be, in small letters.
const FILLERS: [&[u8]; 8] = [
    b"to be filled by o.e.m.",
    b"default string",
    b"not specified",
    b"not applicable",
    b"system serial number",
    b"base board serial number",
    b"03000200-0400-0500-0006-000700080009",
    b"none",
];

/// Whether a text can name one machine: long enough, no filler, and not the same character over and over.
fn is_name(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let mut letters = text.iter().filter(|byte| byte.is_ascii_alphanumeric());
    let Some(first) = letters.next() else {
        return false;
    };
    text.len() >= 4
        && letters.any(|letter| letter != first)
        && !FILLERS
            .iter()
            .any(|filler| text.eq_ignore_ascii_case(filler))
        && !text.eq_ignore_ascii_case(b"123456789")
        && !text.eq_ignore_ascii_case(b"0123456789")
}

/// A locally administered address of one station with these bytes.
fn local(bytes: [u8; 6]) -> MacAddress {
    let [first, rest @ ..] = bytes;
    let [a, b, c, d, e] = rest;
    MacAddress([first & 0xFC | 0x02, a, b, c, d, e])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::PLACEHOLDER;
    use proptest::prelude::*;

    const GOOD: MacAddress = MacAddress([0x00, 0x11, 0x22, 0x33, 0x44, 0x55]);

    #[test]
    fn the_first_source_wins_and_what_cannot_name_a_device_is_passed_over_and_told() {
        let zero = MacAddress([0; 6]);
        let group = MacAddress([0x01, 0, 0, 0, 0, 1]);
        let mut told = Vec::new();
        let chosen = choose(
            [
                (Source::Description, PLACEHOLDER),
                (Source::Description, zero),
                (Source::Factory, group),
                (Source::Machine, GOOD),
            ],
            [1; 6],
            |source, _, error| told.push((source, error)),
        );
        assert_eq!(chosen, (Source::Machine, GOOD));
        assert_eq!(
            told,
            [
                (Source::Description, AddressError::Placeholder),
                (Source::Description, AddressError::Zero),
                (Source::Factory, AddressError::Multicast),
            ]
        );
    }

    #[test]
    fn without_a_source_chance_decides_and_says_that_the_address_is_local() {
        let (source, address) = choose([], [0xFF; 6], |_, _, _| {});
        assert_eq!(source, Source::Random);
        assert_eq!(address, MacAddress([0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]));
        assert_eq!(choose([], [0; 6], |_, _, _| {}).1 .0[0], 0x02);
    }

    #[test]
    fn the_factory_text_may_name_an_address_behind_its_values() {
        let text = b"##head\nmagic:0xBA80\n%%\r\nmac:00:11:22:33:44:55\r\n";
        assert_eq!(from_factory_text(text), Some(GOOD));
        // Among the values it would be an error in the text; here it is not looked for.
        assert_eq!(from_factory_text(b"mac:00:11:22:33:44:55\n%%\n"), None);
        for wrong in [
            "mac:00:11:22:33:44",
            "mac:00:11:22:33:44:55:66",
            "mac:0:11:22:33:44:55",
            "mac:00:11:22:33:44:5g",
            "mac:",
            "",
        ] {
            assert_eq!(from_factory_text(format!("%%\n{wrong}\n").as_bytes()), None);
        }
    }

    #[test]
    fn a_machine_gives_the_same_address_each_time_and_another_for_another_slot() {
        let names = || [b"PT2-00012345".as_slice()];
        let first = from_machine(names(), b"mmc1:0001:1").unwrap();
        assert_eq!(from_machine(names(), b"mmc1:0001:1"), Some(first));
        assert_ne!(from_machine(names(), b"mmc2:0001:1"), Some(first));
        assert_ne!(
            from_machine([b"PT2-00012346".as_slice()], b"mmc1:0001:1"),
            Some(first)
        );
        assert_eq!(first.0[0] & 0x03, 0x02);
    }

    #[test]
    fn fillers_name_no_machine() {
        for filler in [
            "To Be Filled By O.E.M.",
            "Default string",
            "00000000-0000-0000-0000-000000000000",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "0",
            "    ",
            "",
            "123456789",
        ] {
            assert_eq!(from_machine([filler.as_bytes()], b""), None, "{filler}");
        }
        let name = [b"None".as_slice(), b"4C4C4544-0043".as_slice()];
        assert_eq!(from_machine(name, b""), from_machine([name[1]], b""));
        assert!(from_machine(name, b"").is_some());
    }

    proptest! {
        #[test]
        fn whatever_is_made_can_name_a_device(name: Vec<u8>, slot: Vec<u8>, random: [u8; 6], text: Vec<u8>) {
            if let Some(address) = from_machine([name.as_slice()], &slot) {
                prop_assert_eq!(check_device(address), Ok(()));
            }
            let (_, address) = choose([], random, |_, _, _| {});
            prop_assert_eq!(check_device(address), Ok(()));
            let _ = from_factory_text(&text);
        }
    }
}
