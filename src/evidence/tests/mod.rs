//! The promises of evidence.

mod consistency;
mod inclusion;
mod reads;
mod tiles;
mod verification;
