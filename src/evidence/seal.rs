//! Encryption of what evidence keeps but does not show (AES-256-GCM).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::domain::{DecisionId, Digest, Secret};

/// Bytes of a text that is kept sealed; a larger one is kept as a digest only.
pub const SEALED_PLAINTEXT: usize = 32 << 10;

/// A sealed text: the key's id, then nonce and ciphertext in base64.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The first eight hex digits of the key's digest.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key has not 32 bytes.
    #[error("a sealing key has 32 bytes")]
    Key,
    /// The library refused.
    #[error("the text cannot be sealed")]
    Seal,
    /// Another key, another decision, or changed.
    #[error("the sealed text does not open: another key, another decision, or it was changed")]
    Open,
}

/// Seals and opens under one key; the text is bound to its decision.
pub struct Sealer {
    key: RandomizedNonceKey,
    id: String,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Sealer {
    /// A sealer with this key.
    ///
    /// # Errors
    /// The key has not 32 bytes.
    pub fn new(key: &Secret<Vec<u8>>) -> Result<Self, SealError> {
        let id = Digest::of_parts(&[b"postern seal key\n", key.expose()]).to_string().chars().skip(7).take(8).collect();
        let key = RandomizedNonceKey::new(&AES_256_GCM, key.expose()).map_err(|_| SealError::Key)?;
        Ok(Self { key, id })
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
        let nonce = self.key.seal_in_place_append_tag(aad, &mut sealed).map_err(|_| SealError::Seal)?;
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
        let opened = self.key.open_in_place(nonce, aad, &mut text).map_err(|_| SealError::Open)?;
        Ok(opened.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::{SEALED_PLAINTEXT, Sealer};
    use crate::domain::{DecisionId, Secret};

    #[test]
    fn a_sealed_text_opens_only_for_its_decision_and_key() {
        let sealer = Sealer::new(&Secret::new(vec![1; 32])).unwrap();
        let other = Sealer::new(&Secret::new(vec![2; 32])).unwrap();
        let (one, two) = (DecisionId::from_bits(1), DecisionId::from_bits(2));
        let sealed = sealer.seal(&one, b"canary").unwrap().unwrap();
        assert!(!serde_json::to_string(&sealed).unwrap().contains("canary"));
        assert_eq!(sealer.open(&one, &sealed).unwrap(), b"canary");
        assert!(sealer.open(&two, &sealed).is_err());
        assert!(other.open(&one, &sealed).is_err());
        assert!(sealer.seal(&one, &vec![0; SEALED_PLAINTEXT + 1]).unwrap().is_none());
    }
}
