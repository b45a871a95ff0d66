//! The promises of evidence.

mod consistency;
pub mod cosignature;
mod inclusion;
mod keep;
mod line;
mod reads;
mod retention;
mod sealer;
mod tiles;
mod verification;
