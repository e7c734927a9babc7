//! libFuzzer entry of [`bes_fuzz::rx_burst`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bes_fuzz::rx_burst(data));
