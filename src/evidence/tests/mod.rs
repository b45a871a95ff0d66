//! The promises of evidence.

mod consistency;
mod inclusion;
mod line;
mod tiles;
mod verification;
