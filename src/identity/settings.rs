//! Whose tokens are trusted, as configured.

use std::{collections::BTreeSet, path::PathBuf};

use jsonwebtoken::Algorithm;
use serde::{Deserialize, Serialize};

use crate::domain::PersonId;

/// A signature algorithm that issuers may use. All are asymmetric: there is no secret to confuse a public key
/// with (T043).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits and more.
    RS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDSA,
}

impl SigningAlgorithm {
    pub(super) const fn wire(self) -> Algorithm {
        match self {
            Self::RS256 => Algorithm::RS256,
            Self::ES256 => Algorithm::ES256,
            Self::EdDSA => Algorithm::EdDSA,
        }
    }

    pub(super) fn of(wire: Algorithm) -> Option<Self> {
        [Self::RS256, Self::ES256, Self::EdDSA].into_iter().find(|algorithm| algorithm.wire() == wire)
    }
}

/// Where an issuer's keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A JWKS behind a URL: `https`, or `http` on this machine.
    Url(String),
    /// A JWKS in a file, read again as a URL would be.
    File(PathBuf),
}

/// An issuer whose access tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerSettings {
    /// Compared with `iss` byte for byte.
    pub issuer: String,
    /// This gateway, as the issuer names it in `aud`.
    pub audience: String,
    /// Its keys.
    pub keys: KeySource,
    /// Its algorithms; never empty.
    pub algorithms: Vec<SigningAlgorithm>,
    /// Whether it speaks for people too: a token without `act` whose `sub` is no agent is a person's, and `groups`
    /// are believed.
    pub people: bool,
}

/// What identity is told by the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Issuers of access tokens; with none, only keys are taken.
    pub issuers: Vec<IssuerSettings>,
    /// The person who may administer before people.yaml names anybody, and does so with a key.
    pub administrator: Option<PersonId>,
}

/// Settings that would not be safe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// An issuer without a name, audience or algorithm.
    #[error("the issuer `{0}` needs a name, an audience and at least one algorithm")]
    Incomplete(String),
    /// Two issuers of one name.
    #[error("the issuer `{0}` stands twice")]
    Twice(String),
    /// Keys over a connection that anybody can change.
    #[error("the keys of issuer `{issuer}` must come over https, or http from this machine, not from `{url}`")]
    Insecure {
        /// The issuer.
        issuer: String,
        /// Where its keys are said to be.
        url: String,
    },
    /// A pepper that could be guessed.
    #[error("the pepper for keys must be at least 32 bytes")]
    Pepper,
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let mut seen = BTreeSet::new();
        for issuer in &self.issuers {
            let name = &issuer.issuer;
            if name.is_empty() || issuer.audience.is_empty() || issuer.algorithms.is_empty() {
                return Err(SettingsError::Incomplete(name.clone()));
            }
            if !seen.insert(name) {
                return Err(SettingsError::Twice(name.clone()));
            }
            match &issuer.keys {
                KeySource::Url(url) if !is_secure(url) => {
                    return Err(SettingsError::Insecure { issuer: name.clone(), url: url.clone() });
                }
                KeySource::Url(_) | KeySource::File(_) => {}
            }
        }
        Ok(())
    }
}

fn is_secure(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else { return false };
    let user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    let secure = match (uri.scheme_str(), uri.host()) {
        (Some("https"), Some(_)) => true,
        (Some("http"), Some(host)) => matches!(host, "127.0.0.1" | "localhost" | "[::1]"),
        _ => false,
    };
    secure && !user
}
