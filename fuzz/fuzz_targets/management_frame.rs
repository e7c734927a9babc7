//! libFuzzer entry of [`bes_fuzz::management_frame`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bes_fuzz::management_frame(data));
