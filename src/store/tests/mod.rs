//! The promises of the store.

mod admission;
mod exceptions;
mod failure;
mod opening;
mod support;
