//! Promises of proofs.

mod exceptions;
mod limits;
mod roles;
mod support;
