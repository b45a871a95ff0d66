#![cfg(test)]
//! The house from outside: what the list of threats and the examples promise, and what the fuzz targets hold to.

// The fuzz crate's own files name these rooms as its root does.
use postern::upstream;

mod coverage;
#[path = "../../fuzz/framing.rs"]
mod framing;
mod help;
#[path = "../../fuzz/properties/mod.rs"]
mod properties;
mod replay;
#[path = "../../fuzz/sealing.rs"]
mod sealing;
