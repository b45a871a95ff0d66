//! An issuer's public keys, read from a JWKS.

use std::collections::BTreeMap;

use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

use super::SigningAlgorithm;
use crate::domain::Digest;

/// Bytes of a JWKS.
pub(super) const LARGEST: usize = 256 << 10;
/// Keys in it.
const KEYS: usize = 100;
/// Characters of a `kid`; it is a key of a map and nothing else (T046).
const KEY_ID: usize = 256;

/// The keys of one issuer that can verify signatures.
pub(super) struct KeySet {
    /// What changes when the keys change.
    pub(super) digest: Digest,
    keys: BTreeMap<(Option<String>, SigningAlgorithm), DecodingKey>,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a JWKS. Keys that cannot verify (secrets, encryption, other curves) are left out, and so is a
    /// `kid` that two keys of one algorithm claim. A set without keys is a set: the issuer took them away.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > LARGEST {
            return None;
        }
        let document: Document = serde_json::from_slice(bytes).ok()?;
        if document.keys.len() > KEYS {
            return None;
        }
        let mut found: BTreeMap<_, Vec<(String, DecodingKey)>> = BTreeMap::new();
        for value in document.keys {
            let text = value.to_string();
            let Ok(jwk) = serde_json::from_value::<Jwk>(value) else { continue };
            let Some(algorithm) = algorithm(&jwk) else { continue };
            let Ok(key) = DecodingKey::from_jwk(&jwk) else { continue };
            let id = jwk.common.key_id;
            if id.as_ref().is_none_or(|id| id.len() <= KEY_ID) {
                found.entry((id, algorithm)).or_default().push((text, key));
            }
        }
        let mut texts = String::new();
        let mut keys = BTreeMap::new();
        for (name, candidates) in found {
            if let Ok([(text, key)]) = <[_; 1]>::try_from(candidates) {
                texts.push_str(&text);
                keys.insert(name, key);
            }
        }
        Some(Self { digest: Digest::of(texts.as_bytes()), keys })
    }

    /// The key of this id, or without an id the only key of this algorithm.
    pub(super) fn find(&self, id: Option<&str>, algorithm: SigningAlgorithm) -> Option<&DecodingKey> {
        match id {
            Some(id) => self.keys.get(&(Some(id.to_owned()), algorithm)),
            None => {
                let mut fit = self.keys.iter().filter(|((_, of), _)| *of == algorithm);
                match (fit.next(), fit.next()) {
                    (Some((_, key)), None) => Some(key),
                    _ => None,
                }
            }
        }
    }
}

/// Whether a `kid` is short enough to be looked for.
pub(super) fn is_plausible(id: Option<&str>) -> bool {
    id.is_none_or(|id| id.len() <= KEY_ID)
}

/// The one algorithm that the key is good for, if it is one of ours and the key does not say otherwise.
fn algorithm(jwk: &Jwk) -> Option<SigningAlgorithm> {
    if jwk.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return None;
    }
    #[expect(clippy::wildcard_enum_match_arm, reason = "the list is the library's; what is new there is refused")]
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => SigningAlgorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => SigningAlgorithm::ES256,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => SigningAlgorithm::EdDSA,
        _ => return None,
    };
    let stated = jwk.common.key_algorithm;
    stated.is_none_or(|stated| stated == algorithm.wire().into()).then_some(algorithm)
}
