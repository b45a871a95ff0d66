//! Encryption of what evidence keeps but does not show (AES-256-GCM).

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hmac,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::Fingerprint;
use crate::domain::{DecisionId, Digest, Secret, Timestamp};

/// Bytes of a text that is kept sealed; a larger one is kept as a digest only.
pub const SEALED_PLAINTEXT: usize = 32 << 10;

/// A sealed text: the key's id, then nonce and ciphertext in base64.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The key's id: its day, the exception that it is for, and eight hex digits of its digest.
    pub key: String,
    /// Nonce (12 bytes), ciphertext and tag.
    pub text: String,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[sealed with {}]", self.key)
    }
}

/// A text cannot be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key has not 32 bytes.
    #[error("a sealing key has 32 bytes")]
    Key,
    /// The library refused.
    #[error("the text cannot be sealed")]
    Seal,
    /// A key for the day cannot be made or kept.
    #[error("a sealing key cannot be made: {0}")]
    Make(String),
    /// The key is not here.
    #[error("its key `{0}` is not in the folder of the keys; restore it from the backup of the data folder")]
    Missing(String),
    /// The key was destroyed on purpose.
    #[error("shredded on {} by {by}", .at.format("%Y-%m-%d"))]
    Shredded {
        /// When.
        at: Timestamp,
        /// By whom.
        by: String,
    },
    /// Another decision, or changed.
    #[error("the sealed text does not open: another key, another decision, or it was changed")]
    Open,
}

/// One sealing key. A text that it seals is bound to its decision.
pub struct SealKey {
    seal: RandomizedNonceKey,
    prints: hmac::Key,
    id: String,
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SealKey {
    /// The key of these bytes; its id is `stem`, a point, and its mark.
    ///
    /// # Errors
    /// The key has not 32 bytes.
    pub(super) fn new(stem: &str, key: &Secret<Vec<u8>>) -> Result<Self, SealError> {
        let mark: String =
            Digest::of_parts(&[b"postern seal key\n", key.expose()]).to_string().chars().skip(7).take(8).collect();
        let id = if stem.is_empty() { mark } else { format!("{stem}.{mark}") };
        let prints = Digest::of_parts(&[b"postern fingerprint key\n", key.expose()]);
        let prints = hmac::Key::new(hmac::HMAC_SHA256, prints.as_bytes());
        let seal = RandomizedNonceKey::new(&AES_256_GCM, key.expose()).map_err(|_| SealError::Key)?;
        Ok(Self { seal, prints, id })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The sealed text; `None` if it is larger than [`SEALED_PLAINTEXT`].
    ///
    /// # Errors
    /// The library refuses.
    pub fn seal(&self, decision: &DecisionId, text: &[u8]) -> Result<Option<Sealed>, SealError> {
        if text.len() > SEALED_PLAINTEXT {
            return Ok(None);
        }
        let mut sealed = text.to_vec();
        let aad = Aad::from(decision.as_str());
        let nonce = self.seal.seal_in_place_append_tag(aad, &mut sealed).map_err(|_| SealError::Seal)?;
        let mut bytes = nonce.as_ref().to_vec();
        bytes.append(&mut sealed);
        Ok(Some(Sealed { key: self.id.clone(), text: STANDARD.encode(bytes) }))
    }

    /// The text.
    ///
    /// # Errors
    /// It was sealed with another key or for another decision, or was changed.
    pub fn open(&self, decision: &DecisionId, sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        let bytes = STANDARD.decode(&sealed.text).map_err(|_| SealError::Open)?;
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN).ok_or(SealError::Open)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Open)?;
        let mut text = text.to_vec();
        let aad = Aad::from(decision.as_str());
        let opened = self.seal.open_in_place(nonce, aad, &mut text).map_err(|_| SealError::Open)?;
        Ok(opened.to_vec())
    }

    /// The digest of something, so that nobody without this key can find it by guessing.
    #[must_use]
    pub fn print(&self, digest: &Digest) -> Fingerprint {
        Fingerprint::keyed(&self.id, self.keyed(digest.as_bytes()))
    }

    /// The same over any bytes, without the name of the key.
    pub(super) fn keyed(&self, bytes: &[u8]) -> Digest {
        let mut out = [0; 32];
        for (to, from) in out.iter_mut().zip(hmac::sign(&self.prints, bytes).as_ref()) {
            *to = *from;
        }
        Digest::from_bytes(out)
    }
}

#[cfg(test)]
mod tests {
    use super::{SEALED_PLAINTEXT, SealKey};
    use crate::domain::{DecisionId, Secret};

    #[test]
    fn a_sealed_text_opens_only_for_its_decision_and_key() {
        let sealer = SealKey::new("", &Secret::new(vec![1; 32])).unwrap();
        let other = SealKey::new("", &Secret::new(vec![2; 32])).unwrap();
        let (one, two) = (DecisionId::from_bits(1), DecisionId::from_bits(2));
        let sealed = sealer.seal(&one, b"canary").unwrap().unwrap();
        assert!(!serde_json::to_string(&sealed).unwrap().contains("canary"));
        assert_eq!(sealer.open(&one, &sealed).unwrap(), b"canary");
        assert!(sealer.open(&two, &sealed).is_err());
        assert!(other.open(&one, &sealed).is_err());
        assert!(sealer.seal(&one, &vec![0; SEALED_PLAINTEXT + 1]).unwrap().is_none());
    }
}
