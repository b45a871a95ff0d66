//! The promises of evidence.

mod consistency;
mod inclusion;
mod line;
mod retention;
mod tiles;
mod verification;
