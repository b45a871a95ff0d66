#![cfg(test)]
//! The house from outside: what the list of threats and the examples promise.

mod coverage;
