//! Promises of the enforcement point that need a whole one.

mod cuts;
mod holds;
mod outcomes;
mod questions;
mod standing;
mod support;
