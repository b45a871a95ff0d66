//! See `properties/uris.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| postern::properties::uris::holds(bytes));
