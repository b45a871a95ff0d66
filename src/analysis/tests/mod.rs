//! What the analysis promises.

mod house;
mod removal;
mod replay;
mod submission;
