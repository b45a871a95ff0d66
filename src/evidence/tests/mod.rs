//! The promises of evidence.

mod inclusion;
mod verification;
