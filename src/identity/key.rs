//! API keys: shown once, found by their HMAC (T041, T042).

use async_trait::async_trait;
use aws_lc_rs::{hmac, rand};

use crate::domain::{AgentId, CredentialId, PersonId, Secret, Timestamp};

/// A key lives no longer than this.
pub const LONGEST_LIFE_DAYS: i64 = 90;

const PREFIX: &str = "pst_";
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LENGTH: usize = 43;

/// A key as its holder has it: `pst_` and 43 base62 digits (256 bits).
#[derive(Debug, Clone)]
pub struct ApiKey(Secret<String>);

impl ApiKey {
    /// A new key.
    ///
    /// # Errors
    /// The machine gives no random bytes.
    pub fn generate() -> Result<Self, KeyStoreError> {
        let mut text = String::from(PREFIX);
        let mut bytes = [0; 64];
        while text.len() < PREFIX.len() + LENGTH {
            rand::fill(&mut bytes).map_err(|_| KeyStoreError("no random bytes".to_owned()))?;
            let digits = bytes.iter().filter(|byte| **byte < 248).filter_map(|byte| DIGITS.get(usize::from(*byte % 62)));
            text.extend(digits.take(PREFIX.len() + LENGTH - text.len()).map(|digit| char::from(*digit)));
        }
        Ok(Self(Secret::new(text)))
    }

    /// The key's text, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.expose()
    }

    /// Whether this has the shape of a key.
    #[must_use]
    pub fn looks_like(text: &str) -> bool {
        text.strip_prefix(PREFIX).is_some_and(|rest| rest.len() == LENGTH && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
    }
}

/// The key of the HMAC under which API keys are stored; from a file.
#[derive(Debug, Clone)]
pub struct Pepper(Secret<hmac::Key>);

impl Pepper {
    /// A pepper of these bytes (32 or more).
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(Secret::new(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// HMAC-SHA256 of a credential's text.
    #[must_use]
    pub fn mac(&self, text: &str) -> [u8; 32] {
        let tag = hmac::sign(self.0.expose(), text.as_bytes());
        let mut out = [0; 32];
        for (to, from) in out.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        out
    }
}

/// Whose key it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPrincipal {
    /// An agent's.
    Agent(AgentId),
    /// A person's.
    Person(PersonId),
}

/// A key as it is stored: never the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// The key's id.
    pub id: CredentialId,
    /// HMAC of the key.
    pub mac: [u8; 32],
    /// Whose it is.
    pub principal: KeyPrincipal,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// What it is for.
    pub note: String,
}

/// The keys are not there.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the keys cannot be read or written: {0}")]
pub struct KeyStoreError(pub String);

/// Keeps keys. Implemented by the store.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// The key with this HMAC.
    async fn find(&self, mac: &[u8; 32]) -> Result<Option<KeyRow>, KeyStoreError>;
    /// A new key.
    async fn insert(&self, row: KeyRow) -> Result<(), KeyStoreError>;
    /// Ends a key; `false` if there is none of that id.
    async fn revoke(&self, id: &CredentialId, at: Timestamp) -> Result<bool, KeyStoreError>;
    /// All keys, newest first.
    async fn list(&self) -> Result<Vec<KeyRow>, KeyStoreError>;
}
