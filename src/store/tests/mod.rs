//! The promises of the store.

mod admission;
mod calls;
mod exceptions;
mod failure;
mod holds;
mod keys;
mod opening;
mod pilots;
mod pruning;
mod rotation;
mod shredding;
mod support;
