//! The promises of evidence.

mod consistency;
mod inclusion;
mod keep;
mod line;
mod retention;
mod sealer;
mod tiles;
mod verification;
