//! What the analysis promises.

mod house;
mod replay;
