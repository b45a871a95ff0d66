//! See `properties/names.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| postern::properties::names::holds(bytes));
