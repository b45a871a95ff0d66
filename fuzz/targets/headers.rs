//! See `properties/headers.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| postern::properties::headers::holds(bytes));
