//! The Ed25519 keys of checkpoints and approvals, in the text forms of C2SP signed-note.

use std::{fmt, str::FromStr};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::domain::{Digest, Secret};

/// A key cannot be read or made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not PKCS#8 of an Ed25519 key.
    #[error("not an Ed25519 key in PKCS#8")]
    Pkcs8,
    /// Not `name+id+key` of an Ed25519 key.
    #[error("not a verifier key: expected `name+id+base64` of an Ed25519 key")]
    Verifier,
    /// The cryptographic library refused.
    #[error("the key cannot be used by the cryptographic library")]
    Library,
}

/// A key that signs; never shown.
#[derive(Debug)]
pub struct SigningKey {
    pair: Secret<std::sync::Arc<Ed25519KeyPair>>,
    public: VerifyingKey,
}

impl SigningKey {
    /// A new key as PKCS#8.
    ///
    /// # Errors
    /// The library has no randomness.
    pub fn generate() -> Result<Secret<Vec<u8>>, KeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Library)?;
        let document = pair.to_pkcs8().map_err(|_| KeyError::Library)?;
        Ok(Secret::new(document.as_ref().to_vec()))
    }

    /// The key in this PKCS#8 document, as the first of a log: the log's name is made from it.
    ///
    /// # Errors
    /// It holds no Ed25519 key.
    pub fn read(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let mut key = Self::named(pkcs8, "")?;
        let fingerprint: String = Digest::of(&key.public.public).to_string().chars().skip(7).take(16).collect();
        key.public.name = format!("postern/{fingerprint}");
        Ok(key)
    }

    /// The key in this PKCS#8 document, of the log with this name.
    ///
    /// # Errors
    /// It holds no Ed25519 key.
    pub fn named(pkcs8: &[u8], name: &str) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| KeyError::Pkcs8)?;
        let public: [u8; 32] = pair.public_key().as_ref().try_into().map_err(|_| KeyError::Library)?;
        let public = VerifyingKey { name: name.to_owned(), public };
        Ok(Self { pair: Secret::new(std::sync::Arc::new(pair)), public })
    }

    /// The signature of these bytes.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        let mut out = [0; 64];
        for (to, from) in out.iter_mut().zip(self.pair.expose().sign(bytes).as_ref()) {
            *to = *from;
        }
        out
    }

    /// The key that verifies.
    #[must_use]
    pub const fn verifying(&self) -> &VerifyingKey {
        &self.public
    }
}

/// A key that verifies; text form `name+id+base64`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VerifyingKey {
    name: String,
    public: [u8; 32],
}

const ALGORITHM: u8 = 1;

impl VerifyingKey {
    /// The key's name, which is also the origin of its checkpoints.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of SHA-256 over name, line feed, algorithm and key.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let digest = Digest::of_parts(&[self.name.as_bytes(), b"\n", &[ALGORITHM], &self.public]);
        let [a, b, c, d, ..] = *digest.as_bytes();
        [a, b, c, d]
    }

    /// Whether this is the signature of these bytes.
    #[must_use]
    pub fn verify(&self, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(bytes, signature).is_ok()
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        let mut typed = vec![ALGORITHM];
        typed.extend(self.public);
        write!(f, "{}+{id:08x}+{}", self.name, STANDARD.encode(typed))
    }
}

impl FromStr for VerifyingKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Verifier);
        };
        let typed = STANDARD.decode(key).map_err(|_| KeyError::Verifier)?;
        let Some((&ALGORITHM, public)) = typed.split_first() else { return Err(KeyError::Verifier) };
        let public = public.try_into().map_err(|_| KeyError::Verifier)?;
        let key = Self { name: name.to_owned(), public };
        let fits = !name.is_empty() && format!("{:08x}", u32::from_be_bytes(key.id())) == id;
        if fits { Ok(key) } else { Err(KeyError::Verifier) }
    }
}

impl TryFrom<String> for VerifyingKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<VerifyingKey> for String {
    fn from(key: VerifyingKey) -> Self {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{SigningKey, VerifyingKey};

    #[test]
    fn a_verifier_key_reads_back_and_verifies_only_what_was_signed() {
        let key = SigningKey::read(SigningKey::generate().unwrap().expose()).unwrap();
        let public: VerifyingKey = key.verifying().to_string().parse().unwrap();
        assert_eq!(&public, key.verifying());
        assert!(public.verify(b"a", &key.sign(b"a")));
        assert!(!public.verify(b"b", &key.sign(b"a")));
        assert!(!format!("{key:?}").contains("Ed25519KeyPair"));
    }
}
