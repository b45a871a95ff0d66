//! An issuer of access tokens, as the configuration names it.

use std::path::PathBuf;

use jsonwebtoken::Algorithm;

/// Where an issuer's keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A JWK Set (RFC 7517) at this URL.
    Url(String),
    /// A JWK Set in this file.
    File(PathBuf),
}

/// An issuer of JWT access tokens (RFC 9068).
#[derive(Debug, Clone)]
pub struct Issuer {
    /// Exact value of `iss`; compared as it is, never normalised (T049).
    pub issuer: String,
    /// Exact value that `aud` must be or hold.
    pub audience: String,
    /// Where its keys are.
    pub keys: KeySource,
    /// Algorithms that it may sign with; asymmetric ones only (T043).
    pub algorithms: Vec<Algorithm>,
}
