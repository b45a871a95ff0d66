//! The promises of evidence.

mod consistency;
pub mod cosignature;
mod inclusion;
mod tiles;
mod verification;
