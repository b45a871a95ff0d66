//! The rooms of the product that are fuzzed, built from their own sources; the names are those of the product.
#![forbid(unsafe_code)]

extern crate self as postern;

#[path = "../src/catalog/mod.rs"]
pub mod catalog;
#[path = "../src/domain/mod.rs"]
pub mod domain;
#[path = "../src/mcp/mod.rs"]
pub mod mcp;

mod framing;
pub mod properties;
#[path = "../src/gateway/seal.rs"]
mod seal;
mod sealing;

/// Of the gateway only what seals tokens.
pub mod gateway {
    pub use super::seal::{Purpose, Seals};
}

/// Of the room of tool servers only what its line framing names.
pub mod upstream {
    /// Why a tool server's pipe is not read any further.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum FailureKind {
        /// The pipe is gone.
        Closed,
        /// A line is longer than the bound.
        TooLarge,
    }
}
