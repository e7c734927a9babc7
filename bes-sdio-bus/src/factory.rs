//! Factory calibration data: a text file in, a 72-byte block for the chip out (file 11, section 8).
//!
//! The text is read as the C driver's `sscanf` reads it: section lines, literals and values in a fixed order; white
//! space may stand where a line break is expected and in front of a value; values are hexadecimal and truncated to
//! the width of their field; nothing behind the 31st value matters.

use crate::crc32::Crc32;

/// Bytes of the block.
pub const BLOCK_LEN: usize = 72;

/// Where the block is written in the chip's memory.
pub const ADDRESS: u32 = 0x2008_B000;

/// Longest text.
pub const MAX_TEXT: usize = 600;

/// Values in the text.
pub const FIELDS: usize = 31;

/// The only magic.
pub const MAGIC: u16 = 0xBA80;

/// Bytes of the block in front of those that the CRC covers.
const HEADER_LEN: usize = 8;

/// Width of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    U8,
    U16,
    U32,
}

/// One line of the format: a section line, or a literal with a value behind it.
#[derive(Clone, Copy, Debug)]
enum Line {
    Section(&'static str),
    Value(&'static str, Width, u8),
}

use Line::{Section, Value};
use Width::{U16, U32, U8};

/// The format: literals in order, widths and offsets in the block (file 11, section 8.2).
const FORMAT: [Line; 37] = [
    Section("##head"),
    Value("magic:0x", U16, 0),
    Value("version:0x", U16, 2),
    Value("crc:0x", U32, 4),
    Section("##iq&xtal"),
    Value("iQ_offset:0x", U32, 8),
    Value("freq_cal:0x", U16, 12),
    Value("freq_cal_flags:0x", U8, 20),
    Section("##2.4g_power_11n"),
    Value("ch1:0x", U16, 14),
    Value("ch7:0x", U16, 16),
    Value("ch13:0x", U16, 18),
    Value("tx_power_type:0x", U8, 21),
    Value("temperature:0x", U16, 22),
    Section("##5g_power_11n"),
    Value("ch36-40:0x", U16, 24),
    Value("ch44-48:0x", U16, 26),
    Value("ch52-56:0x", U16, 28),
    Value("ch60-64:0x", U16, 30),
    Value("ch100-104:0x", U16, 32),
    Value("ch108-112:0x", U16, 34),
    Value("ch116-120:0x", U16, 36),
    Value("ch124-128:0x", U16, 38),
    Value("ch132-136:0x", U16, 40),
    Value("ch140-144:0x", U16, 42),
    Value("ch149-153:0x", U16, 44),
    Value("ch157-161:0x", U16, 46),
    Value("ch165-169:0x", U16, 48),
    Value("tx_power_flags_5G:0x", U16, 50),
    Value("temperature_5G:0x", U16, 68),
    Section("##bt"),
    Value("bdr_div:0x", U32, 52),
    Value("bdr_power:0x", U32, 56),
    Value("edr_div:0x", U32, 60),
    Value("edr_power:0x", U32, 64),
    Section("##select_efuse_flag"),
    Value("select_efuse:", U16, 70),
];

/// Why a text cannot be used. The boot goes on without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum FactoryError {
    /// The text is empty or longer than [`MAX_TEXT`].
    #[error("factory text of {0} bytes; 1 to {MAX_TEXT} are allowed")]
    Size(usize),
    /// This literal is not where it has to be.
    #[error("factory text has no {0:?} in its place")]
    Literal(&'static str),
    /// There is no hexadecimal number behind this literal.
    #[error("factory text has no value behind {0:?}")]
    Number(&'static str),
    /// The magic is not [`MAGIC`].
    #[error("factory magic {0:#06x}")]
    Magic(u16),
    /// The version is neither 1 nor 2.
    #[error("factory version {0}")]
    Version(u16),
    /// The CRC line does not fit the values.
    #[error("factory CRC line says {line:#010x}, the values give {values:#010x}")]
    Crc {
        /// What the text says.
        line: u32,
        /// What the values give.
        values: u32,
    },
}

/// A value outside its usual range. It is sent all the same; the chip knows better (file 11, section 8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FactoryWarning {
    /// Crystal trim outside 1 to 0x1FF.
    CrystalTrim(u16),
    /// 2.4 GHz power outside 1 to 0x3FFF.
    Power2G {
        /// Which of the 3 points.
        point: u8,
        /// Its value.
        value: u16,
    },
    /// 5 GHz power outside 1 to 0x3FFF.
    Power5G {
        /// Which of the 13 points.
        point: u8,
        /// Its value.
        value: u16,
    },
    /// A Bluetooth divider that is not 5.
    BluetoothDivider(u32),
    /// A Bluetooth power outside 1 to 0x20.
    BluetoothPower(u32),
}

/// The data of a text that passed the check, as the chip wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factory {
    block: [u8; BLOCK_LEN],
}

impl Factory {
    /// Reads a text. With `check_crc` its CRC line must fit its values.
    ///
    /// # Errors
    ///
    /// Each way in which a text can be wrong, see [`FactoryError`].
    pub fn parse(text: &[u8], check_crc: bool) -> Result<Self, FactoryError> {
        if text.is_empty() || text.len() > MAX_TEXT {
            return Err(FactoryError::Size(text.len()));
        }
        let mut factory = Self {
            block: [0; BLOCK_LEN],
        };
        let mut rest = text;
        for (index, line) in FORMAT.iter().enumerate() {
            // White space may stand where a line break is expected, so not in front of the first line.
            if index != 0 {
                rest = skip_space(rest);
            }
            match *line {
                Section(literal) => rest = after(rest, literal)?,
                Value(literal, width, offset) => {
                    rest = after(rest, literal)?;
                    let (value, behind) = number(rest).ok_or(FactoryError::Number(literal))?;
                    factory.put(width, offset, value);
                    rest = behind;
                }
            }
        }
        factory.check(check_crc)?;
        Ok(factory)
    }

    fn check(&mut self, check_crc: bool) -> Result<(), FactoryError> {
        let magic = self.u16_at(0);
        if magic != MAGIC {
            return Err(FactoryError::Magic(magic));
        }
        let version = self.u16_at(2);
        if !(1..=2).contains(&version) {
            return Err(FactoryError::Version(version));
        }
        let line = self.u32_at(4);
        let values = Crc32::of(self.block.get(HEADER_LEN..).unwrap_or(&[]));
        if check_crc && line != values {
            return Err(FactoryError::Crc { line, values });
        }
        // Always what the values give, whatever the text says.
        self.put(U32, 4, values);
        Ok(())
    }

    /// The block for the chip: 8 bytes of header with the CRC-32 of the rest, then 64 bytes of data.
    pub const fn block(&self) -> &[u8; BLOCK_LEN] {
        &self.block
    }

    /// Every value outside its usual range.
    pub fn warnings(&self) -> impl Iterator<Item = FactoryWarning> + '_ {
        let power = 1..=0x3FFF;
        let trim = self.u16_at(12);
        let trim = (!(1..=0x1FF).contains(&trim)).then_some(FactoryWarning::CrystalTrim(trim));
        let power_2g = [14, 16, 18].into_iter().zip(0u8..).filter_map({
            let power = power.clone();
            move |(offset, point)| {
                let value = self.u16_at(offset);
                (!power.contains(&value)).then_some(FactoryWarning::Power2G { point, value })
            }
        });
        let power_5g = (24..=48u8)
            .step_by(2)
            .zip(0u8..)
            .filter_map(move |(offset, point)| {
                let value = self.u16_at(offset);
                (!power.contains(&value)).then_some(FactoryWarning::Power5G { point, value })
            });
        let dividers = [52, 60].into_iter().filter_map(|offset| {
            let value = self.u32_at(offset);
            (value != 5).then_some(FactoryWarning::BluetoothDivider(value))
        });
        let bluetooth = [56, 64].into_iter().filter_map(|offset| {
            let value = self.u32_at(offset);
            (!(1..=0x20).contains(&value)).then_some(FactoryWarning::BluetoothPower(value))
        });
        trim.into_iter()
            .chain(power_2g)
            .chain(power_5g)
            .chain(dividers)
            .chain(bluetooth)
    }

    /// Writes the low bytes of `value` at `offset`.
    fn put(&mut self, width: Width, offset: u8, value: u32) {
        let bytes = value.to_le_bytes();
        let len = match width {
            U8 => 1,
            U16 => 2,
            U32 => 4,
        };
        let start = usize::from(offset);
        let target = self.block.get_mut(start..start.saturating_add(len));
        if let (Some(target), Some(source)) = (target, bytes.get(..len)) {
            target.copy_from_slice(source);
        }
    }

    fn u16_at(&self, offset: u8) -> u16 {
        let [low, high, _, _] = self.u32_at(offset).to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    fn u32_at(&self, offset: u8) -> u32 {
        self.block
            .get(usize::from(offset)..)
            .and_then(|rest| rest.first_chunk())
            .map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }
}

/// What is behind `literal`, which must come next.
fn after<'a>(text: &'a [u8], literal: &'static str) -> Result<&'a [u8], FactoryError> {
    text.strip_prefix(literal.as_bytes())
        .ok_or(FactoryError::Literal(literal))
}

/// A hexadecimal number, white space and an optional `0x` in front of it. Digits that do not fit are lost in front.
fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let text = skip_space(text);
    let text = match text {
        [b'0', b'x' | b'X', behind @ ..] if behind.first().is_some_and(u8::is_ascii_hexdigit) => {
            behind
        }
        _ => text,
    };
    let mut value: u32 = 0;
    let mut rest = text;
    while let Some((digit, behind)) = rest.split_first() {
        let Some(digit) = char::from(*digit).to_digit(16) else {
            break;
        };
        value = value << 4 | digit;
        rest = behind;
    }
    (rest.len() != text.len()).then_some((value, rest))
}

/// `text` without the white space of `isspace` in front: unlike [`u8::is_ascii_whitespace`] that includes the vertical
/// tab.
fn skip_space(text: &[u8]) -> &[u8] {
    let mut rest = text;
    while let [b' ' | 0x09..=0x0D, behind @ ..] = rest {
        rest = behind;
    }
    rest
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "##head\nmagic:0xba80\nversion:0x2\ncrc:0xb1cf339f\n##iq&xtal\niQ_offset:0x0\nfreq_cal:0xa0\n\
        freq_cal_flags:0x0\n##2.4g_power_11n\nch1:0x1400\nch7:0x1400\nch13:0x1400\ntx_power_type:0xff\n\
        temperature:0x0\n##5g_power_11n\nch36-40:0x1400\nch44-48:0x1400\nch52-56:0x1400\nch60-64:0x1400\n\
        ch100-104:0x1400\nch108-112:0x1400\nch116-120:0x1400\nch124-128:0x1400\nch132-136:0x1400\n\
        ch140-144:0x1400\nch149-153:0x1400\nch157-161:0x1400\nch165-169:0x1400\ntx_power_flags_5G:0x0\n\
        temperature_5G:0x0\n##bt\nbdr_div:0x5\nbdr_power:0x10\nedr_div:0x5\nedr_power:0x15\n\
        ##select_efuse_flag\nselect_efuse:0\n%%\n";

    /// File 11, section 8.4.
    const BLOCK: [u8; BLOCK_LEN] = [
        0x80, 0xBA, 0x02, 0x00, 0x9F, 0x33, 0xCF, 0xB1, 0x00, 0x00, 0x00, 0x00, 0xA0, 0x00, 0x00,
        0x14, 0x00, 0x14, 0x00, 0x14, 0x00, 0xFF, 0x00, 0x00, 0x00, 0x14, 0x00, 0x14, 0x00, 0x14,
        0x00, 0x14, 0x00, 0x14, 0x00, 0x14, 0x00, 0x14, 0x00, 0x14, 0x00, 0x14, 0x00, 0x14, 0x00,
        0x14, 0x00, 0x14, 0x00, 0x14, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00,
        0x05, 0x00, 0x00, 0x00, 0x15, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ];

    fn parse(text: &str) -> Result<Factory, FactoryError> {
        Factory::parse(text.as_bytes(), true)
    }

    /// File 11, sections 6.2 and 8.4.
    #[test]
    fn the_default_text_gives_the_block_of_the_specification() {
        let factory = parse(TEXT).unwrap();
        assert_eq!(factory.block(), &BLOCK);
        assert_eq!(Crc32::of(&BLOCK), 0xD24B_6CFA);
        assert_eq!(factory.warnings().count(), 0);
    }

    #[test]
    fn the_format_has_31_values_that_cover_the_block_without_gaps() {
        let mut covered = [0u8; BLOCK_LEN];
        let mut fields = 0;
        for line in FORMAT {
            if let Value(_, width, offset) = line {
                fields += 1;
                let len = match width {
                    U8 => 1,
                    U16 => 2,
                    U32 => 4,
                };
                for byte in &mut covered[usize::from(offset)..usize::from(offset) + len] {
                    *byte += 1;
                }
            }
        }
        assert_eq!(fields, FIELDS);
        assert_eq!(covered, [1; BLOCK_LEN]);
    }

    #[test]
    fn white_space_may_stand_for_a_line_break_and_before_a_value() {
        for text in [
            TEXT.replace('\n', "\r\n"),
            TEXT.replace("\n##", "##"),
            TEXT.replace('\n', " "),
            TEXT.replace("version:0x", "version:0x\t \x0B\r\n"),
        ] {
            assert_eq!(parse(&text).unwrap().block(), &BLOCK);
        }
        // A letter that could be a digit needs the white space.
        assert_eq!(
            parse(&TEXT.replace("0x2\ncrc", "0x2crc")),
            Err(FactoryError::Literal("crc:0x"))
        );
        assert_eq!(
            parse(&format!(" {TEXT}")),
            Err(FactoryError::Literal("##head"))
        );
        assert_eq!(
            parse(&TEXT.replace("magic:", "magic :")),
            Err(FactoryError::Literal("magic:0x"))
        );
    }

    #[test]
    fn a_value_may_have_a_prefix_and_loses_what_is_too_wide() {
        let text = TEXT
            .replace("select_efuse:0", "select_efuse:0x0")
            .replace("tx_power_type:0xff", "tx_power_type:0x12ff")
            .replace("ch1:0x1400", "ch1:0x0X1400")
            .replace("magic:0xba80", "magic:0x123456789ba80");
        assert_eq!(parse(&text).unwrap().block(), &BLOCK);
    }

    #[test]
    fn thirty_values_are_too_few_and_what_follows_the_last_is_ignored() {
        let cut = TEXT.find("select_efuse:").unwrap();
        assert_eq!(
            parse(&TEXT[..cut]),
            Err(FactoryError::Literal("select_efuse:"))
        );
        assert_eq!(
            parse(&TEXT[..cut + "select_efuse:".len()]),
            Err(FactoryError::Number("select_efuse:"))
        );
        let more = TEXT.replace("%%", "one_more:0x5");
        assert_eq!(parse(&more).unwrap().block(), &BLOCK);
        let inside = TEXT.replace("##bt", "extra:0x1\n##bt");
        assert_eq!(parse(&inside), Err(FactoryError::Literal("##bt")));
    }

    #[test]
    fn sizes_outside_1_to_600_are_refused() {
        assert_eq!(parse(""), Err(FactoryError::Size(0)));
        let padded = format!("{TEXT:<600}");
        assert!(parse(&padded).is_ok());
        assert_eq!(parse(&format!("{TEXT:<601}")), Err(FactoryError::Size(601)));
    }

    #[test]
    fn magic_and_version_are_checked() {
        assert_eq!(
            parse(&TEXT.replace("ba80", "ba81")),
            Err(FactoryError::Magic(0xBA81))
        );
        for version in [0, 3] {
            assert_eq!(
                parse(&TEXT.replace("version:0x2", &format!("version:0x{version}"))),
                Err(FactoryError::Version(version))
            );
        }
    }

    #[test]
    fn b20_the_crc_line_is_verified_if_wanted_and_recomputed_always() {
        let text = TEXT.replace("crc:0xb1cf339f", "crc:0x12345678");
        assert_eq!(
            parse(&text),
            Err(FactoryError::Crc {
                line: 0x1234_5678,
                values: 0xB1CF_339F
            })
        );
        let factory = Factory::parse(text.as_bytes(), false).unwrap();
        assert_eq!(factory.block(), &BLOCK);
    }

    #[test]
    fn b21_values_out_of_range_are_named_with_their_band() {
        let text = TEXT
            .replace("ch7:0x1400", "ch7:0x4000")
            .replace("ch165-169:0x1400", "ch165-169:0x0")
            .replace("freq_cal:0xa0", "freq_cal:0x200")
            .replace("edr_div:0x5", "edr_div:0x6")
            .replace("bdr_power:0x10", "bdr_power:0x21");
        let factory = Factory::parse(text.as_bytes(), false).unwrap();
        assert_eq!(
            factory.warnings().collect::<Vec<_>>(),
            [
                FactoryWarning::CrystalTrim(0x200),
                FactoryWarning::Power2G {
                    point: 1,
                    value: 0x4000
                },
                FactoryWarning::Power5G {
                    point: 12,
                    value: 0
                },
                FactoryWarning::BluetoothDivider(6),
                FactoryWarning::BluetoothPower(0x21),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(text in proptest::collection::vec(any::<u8>(), 0..650)) {
            let _ = Factory::parse(&text, true);
        }

        #[test]
        fn a_text_with_any_byte_changed_is_parsed_without_panic(at in 0..TEXT.len(), byte: u8, cut in 0..TEXT.len()) {
            let mut text = TEXT.as_bytes().to_vec();
            text[at] = byte;
            text.truncate(cut);
            if let Ok(factory) = Factory::parse(&text, false) {
                let _ = factory.warnings().count();
            }
        }
    }
}
