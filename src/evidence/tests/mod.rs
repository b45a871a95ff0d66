//! The promises of evidence.

mod consistency;
mod inclusion;
mod retention;
mod tiles;
mod verification;
