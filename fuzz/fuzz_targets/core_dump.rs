//! libFuzzer entry of [`bes_fuzz::core_dump`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bes_fuzz::core_dump(data));
