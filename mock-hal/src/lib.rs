//! An emulated BES2600: the chip, its air, its faults and virtual time.

pub mod air;
pub mod chip;
