//! See `properties/envelope.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| postern::properties::envelope::holds(bytes));
