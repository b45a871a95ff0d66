//! One key of a log takes over from another, and both of them say so.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{SigningKey, VerifyingKey};
use crate::domain::Timestamp;

/// Another key signs the log from here on. The old key signs that it hands over, and the new one that it takes over: so
/// whoever knows one of the two knows the other. Where the old key was lost there is only the word of the new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningChange {
    /// When.
    pub at: Timestamp,
    /// The sequence number of this record. The old key signs no checkpoint of more records.
    pub seq: u64,
    /// Who did it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// The key that signed until here.
    pub old: VerifyingKey,
    /// The key that signs from here on.
    pub new: VerifyingKey,
    /// Signature of the old key over [`SigningChange::message`], base64; none if it was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by_old: Option<String>,
    /// Signature of the new key over the same, base64.
    pub signed_by_new: String,
}

/// What became of the private half of a key when another took over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OldKey {
    /// It was overwritten and removed.
    Destroyed,
    /// It was removed, and its bytes may still be on the disk.
    Removed,
    /// It may still be in the data folder; the next start puts the new one in its place.
    Left,
    /// It was lost before.
    Lost,
}

/// What happens, before it is signed.
#[derive(Debug, Clone)]
pub struct What {
    /// When.
    pub at: Timestamp,
    /// The sequence number that the record will have.
    pub seq: u64,
    /// Who does it.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// Why a change of keys does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SuccessionError {
    /// The record stands elsewhere than it says.
    #[error("the change of the signing key was signed for another place in the journal")]
    Place,
    /// The two keys are of different logs.
    #[error("the change of the signing key names a key of another log")]
    Name,
    /// It does not follow from the change before it.
    #[error("the change of the signing key names another key as the old one than the one that was in force")]
    Order,
    /// The key before it did not sign.
    #[error("the signature of the old key under the change of the signing key does not hold")]
    Old,
    /// The key after it did not sign.
    #[error("the signature of the new key under the change of the signing key does not hold")]
    New,
    /// Longer than any line of keys gets.
    #[error("there are more changes of the signing key than a log can have")]
    TooMany,
    /// Not among those that the line was read from.
    #[error("the change of the signing key is not indexed as one")]
    Unknown,
}

/// What is signed; `purpose` keeps it apart from all else that the same keys sign.
#[derive(Serialize)]
struct Message<'a> {
    purpose: &'static str,
    at: Timestamp,
    seq: u64,
    actor: &'a str,
    reason: &'a str,
    old: &'a VerifyingKey,
    new: &'a VerifyingKey,
    lost: bool,
}

impl SigningChange {
    /// The old key hands over to the new one.
    #[must_use]
    pub fn handover(what: What, old: &SigningKey, new: &SigningKey) -> Option<Self> {
        let mut change = Self::unsigned(what, old.verifying(), new.verifying());
        change.signed_by_old = Some(String::new());
        let message = change.message()?;
        change.signed_by_old = Some(STANDARD.encode(old.sign(&message)));
        change.signed_by_new = STANDARD.encode(new.sign(&message));
        Some(change)
    }

    /// The new key says that it stands for one that was lost.
    #[must_use]
    pub fn lost(what: What, old: &VerifyingKey, new: &SigningKey) -> Option<Self> {
        let mut change = Self::unsigned(what, old, new.verifying());
        let message = change.message()?;
        change.signed_by_new = STANDARD.encode(new.sign(&message));
        Some(change)
    }

    fn unsigned(what: What, old: &VerifyingKey, new: &VerifyingKey) -> Self {
        let What { at, seq, actor, reason } = what;
        let (old, new) = (old.clone(), new.clone());
        Self { at, seq, actor, reason, old, new, signed_by_old: None, signed_by_new: String::new() }
    }

    /// The canonical JSON (RFC 8785) that is signed; none for a value that canonical JSON does not have.
    #[must_use]
    pub fn message(&self) -> Option<Vec<u8>> {
        serde_json_canonicalizer::to_vec(&Message {
            purpose: "postern/signing-key/v1",
            at: self.at,
            seq: self.seq,
            actor: &self.actor,
            reason: &self.reason,
            old: &self.old,
            new: &self.new,
            lost: self.is_break(),
        })
        .ok()
    }

    /// Whether the old key was lost and says nothing.
    #[must_use]
    pub const fn is_break(&self) -> bool {
        self.signed_by_old.is_none()
    }

    /// The greatest checkpoint that the old key may have signed.
    #[must_use]
    pub const fn last_of_old(&self) -> u64 {
        if self.is_break() { self.seq.saturating_sub(1) } else { self.seq }
    }

    /// Whether it is what its keys signed, at this place of the journal.
    ///
    /// # Errors
    /// It is not.
    pub fn check(&self, seq: u64) -> Result<(), SuccessionError> {
        if seq != self.seq || seq == 0 {
            return Err(SuccessionError::Place);
        }
        if self.old.name() != self.new.name() || self.old == self.new {
            return Err(SuccessionError::Name);
        }
        let message = self.message().ok_or(SuccessionError::New)?;
        let holds =
            |key: &VerifyingKey, text: &str| STANDARD.decode(text).is_ok_and(|found| key.verify(&message, &found));
        if !holds(&self.new, &self.signed_by_new) {
            return Err(SuccessionError::New);
        }
        if self.signed_by_old.as_ref().is_some_and(|signature| !holds(&self.old, signature)) {
            return Err(SuccessionError::Old);
        }
        Ok(())
    }
}
