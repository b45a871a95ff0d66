//! See `properties/lines.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| postern::properties::lines::holds(bytes));
