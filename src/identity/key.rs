//! Keys that the gateway makes itself: shown once, kept only as a MAC, and always with an end.

use async_trait::async_trait;
use aws_lc_rs::{constant_time, hmac, rand};
use chrono::Duration;
use serde::{Deserialize, Serialize};

use crate::domain::{AgentId, CredentialId, Network, PersonId, Secret, Timestamp};

/// What every key begins with, so that scanners find one that leaked.
const PREFIX: &str = "pst_";
/// Digits of 32 bytes in base 62.
const DIGITS: usize = 43;
/// Days that a key may live.
const LONGEST_DAYS: u32 = 90;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Whom a key stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyPrincipal {
    /// An agent; such a key never governs.
    Agent(AgentId),
    /// A person; such a key never calls tools.
    Person(PersonId),
}

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its id, which is no secret.
    pub id: CredentialId,
    /// HMAC-SHA256 of the key under the pepper; the key itself is nowhere.
    pub mac: [u8; 32],
    /// Whom it stands for.
    pub principal: KeyPrincipal,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends, at most 90 days later.
    pub expires: Timestamp,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// What its maker said about it.
    pub note: String,
    /// From where it may be shown; none means from anywhere.
    pub networks: Vec<Network>,
}

impl KeyRow {
    /// The end that counts: a row that was lengthened by hand lives no longer than a key may.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.expires.min(self.created + Duration::days(i64::from(LONGEST_DAYS)))
    }
}

/// Keys cannot be read or written now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store of keys cannot be reached: {0}")]
pub struct KeyStoreError(pub String);

/// Where keys are kept.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// The key with this MAC.
    async fn find(&self, mac: &[u8; 32]) -> Result<Option<KeyRow>, KeyStoreError>;
    /// Keeps a new key; durable when it returns.
    async fn insert(&self, row: KeyRow) -> Result<(), KeyStoreError>;
    /// Revokes a key; `false` if there is none of that id. The first revocation is the one that is kept.
    async fn revoke(&self, id: &CredentialId, at: Timestamp) -> Result<bool, KeyStoreError>;
    /// All keys, in the order in which they were made.
    async fn list(&self) -> Result<Vec<KeyRow>, KeyStoreError>;
}

/// A key could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// Too short or too long a life.
    #[error("a key lives 1 to {LONGEST_DAYS} days, not {0}")]
    Days(u32),
    /// The operating system gave no random bytes.
    #[error("no random bytes to be had")]
    Random,
}

/// Makes a key and the row that keeps it. The key is shown once and then forgotten.
///
/// # Errors
/// `days` is not 1 to 90, or there is no randomness.
pub fn issue(
    pepper: &Secret<Vec<u8>>,
    principal: KeyPrincipal,
    days: u32,
    note: &str,
    now: Timestamp,
) -> Result<(Secret<String>, KeyRow), IssueError> {
    if !(1..=LONGEST_DAYS).contains(&days) {
        return Err(IssueError::Days(days));
    }
    let mut bits = [0; 32];
    let mut id = [0; 16];
    rand::fill(&mut bits).and_then(|()| rand::fill(&mut id)).map_err(|_| IssueError::Random)?;
    let key = format!("{PREFIX}{}", base62(bits));
    let row = KeyRow {
        id: CredentialId::from_bits(u128::from_be_bytes(id)),
        mac: Pepper::new(pepper).mac(&key),
        principal,
        created: now,
        expires: now + Duration::days(i64::from(days)),
        revoked: None,
        note: note.chars().filter(|c| !c.is_control()).take(200).collect(),
        networks: Vec::new(),
    };
    Ok((Secret::new(key), row))
}

/// Whether the text can be a key; anything else never gets near the store (T042).
pub(super) fn is_key(text: &str) -> bool {
    text.strip_prefix(PREFIX)
        .is_some_and(|rest| rest.len() == DIGITS && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Whether somebody meant the text to be a key.
pub(super) fn is_meant_as_key(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// The pepper, ready for use.
pub(super) struct Pepper(hmac::Key);

impl Pepper {
    pub(super) fn new(pepper: &Secret<Vec<u8>>) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, pepper.expose()))
    }

    /// What is looked up instead of the key: nobody without the pepper can choose it, so how long the
    /// look-up takes says nothing about keys (T041).
    pub(super) fn mac(&self, key: &str) -> [u8; 32] {
        let mut out = [0; 32];
        for (to, from) in out.iter_mut().zip(hmac::sign(&self.0, key.as_bytes()).as_ref()) {
            *to = *from;
        }
        out
    }
}

/// Whether the row is the one that was asked for, compared in constant time.
pub(super) fn is_row_of(row: &KeyRow, mac: &[u8; 32]) -> bool {
    constant_time::verify_slices_are_equal(&row.mac, mac).is_ok()
}

/// 32 bytes as 43 digits: 62^43 is just above 2^256.
fn base62(mut number: [u8; 32]) -> String {
    let mut digits = [b'0'; DIGITS];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0_usize;
        for byte in &mut number {
            let value = rest << 8 | usize::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or_default();
            rest = value % 62;
        }
        *digit = ALPHABET.get(rest).copied().unwrap_or(b'0');
    }
    digits.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::{base62, is_key};

    #[test]
    fn every_32_bytes_have_their_own_43_digits() {
        assert_eq!(base62([0; 32]), "0".repeat(43));
        let mut one = [0; 32];
        one[31] = 63;
        assert_eq!(base62(one), format!("{}11", "0".repeat(41)));
        let most = base62([255; 32]);
        assert_eq!(most, "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1");
        assert!(is_key(&format!("pst_{most}")));
    }
}
