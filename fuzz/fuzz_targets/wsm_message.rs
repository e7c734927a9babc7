//! libFuzzer entry of [`bes_fuzz::wsm_message`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bes_fuzz::wsm_message(data));
