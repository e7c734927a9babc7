//! libFuzzer entry of [`bes_fuzz::factory_text`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bes_fuzz::factory_text(data));
