//! The promises of evidence.

mod verification;
