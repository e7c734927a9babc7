//! The BES2600 driver and an emulated chip in one program.
fn main() {}
