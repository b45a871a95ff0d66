//! The promises of evidence.

mod inclusion;
mod tiles;
mod verification;
