//! See `properties/tokens.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| postern::properties::tokens::holds(bytes));
