//! The promises of evidence.

mod consistency;
mod inclusion;
mod tiles;
mod verification;
