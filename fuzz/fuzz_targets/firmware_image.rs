//! libFuzzer entry of [`bes_fuzz::firmware_image`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bes_fuzz::firmware_image(data));
