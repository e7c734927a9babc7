//! libFuzzer entry of [`bes_fuzz::hostile_chip`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bes_fuzz::hostile_chip(data));
