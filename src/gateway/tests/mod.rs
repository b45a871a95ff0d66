//! Promises of the enforcement point that need a whole one.

mod standing;
mod support;
