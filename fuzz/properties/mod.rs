//! What must hold for any bytes: one function for each fuzz target. Each panics where its promise is broken.
//!
//! The fuzz targets call these with what the fuzzer makes up; `tests/it/replay.rs` calls the same functions with the
//! corpora, on stable, in every test run.

pub mod envelope;
pub mod events;
pub mod headers;
pub mod lines;
pub mod names;
pub mod tokens;
pub mod uris;

mod house;
mod naive;

/// A promise, and the name of its corpus.
pub type Property = (&'static str, fn(&[u8]));

/// Every promise.
pub const ALL: [Property; 7] = [
    ("envelope", envelope::holds),
    ("events", events::holds),
    ("headers", headers::holds),
    ("lines", lines::holds),
    ("names", names::holds),
    ("tokens", tokens::holds),
    ("uris", uris::holds),
];
