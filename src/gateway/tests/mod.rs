//! Promises of the enforcement point that need a whole one.

mod cuts;
mod questions;
mod standing;
mod support;
