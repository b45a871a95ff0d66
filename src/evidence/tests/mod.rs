//! The promises of evidence.

mod consistency;
mod inclusion;
mod keep;
mod sealer;
mod tiles;
mod verification;
