//! The digest of what agents send and get, made so that a short secret cannot be guessed from it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::domain::Digest;

const KEYED: &str = "hmac-sha256:";

/// HMAC-SHA256 over a SHA-256 digest under a sealing key, as `hmac-sha256:<key>:<hex>`. Records of early versions, and
/// records that no gateway made, have the digest itself: `sha256:<hex>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(Box<str>);

impl Fingerprint {
    pub(super) fn keyed(key: &str, hmac: Digest) -> Self {
        let hex = hmac.to_string();
        let hex = hex.strip_prefix("sha256:").unwrap_or_default();
        Self(format!("{KEYED}{key}:{hex}").into())
    }

    /// The id of the key that made it; none for a bare digest.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.0.strip_prefix(KEYED)?.rsplit_once(':').map(|(key, _)| key)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Digest> for Fingerprint {
    fn from(digest: Digest) -> Self {
        Self(digest.to_string().into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is neither form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is `hmac-sha256:KEY:` or `sha256:`, and 64 lower-case hex digits")]
pub struct ParseFingerprintError;

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = match text.strip_prefix(KEYED) {
            Some(rest) => rest.rsplit_once(':').filter(|(key, _)| !key.is_empty()).map(|(_, hex)| hex),
            None => text.strip_prefix("sha256:"),
        };
        let fits = |hex: &str| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if hex.is_some_and(fits) { Ok(Self(text.into())) } else { Err(ParseFingerprintError) }
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Fingerprint;
    use crate::domain::Digest;

    #[test]
    fn both_forms_of_a_fingerprint_read_back_and_nothing_else_does() {
        let digest = Digest::of(b"x");
        let keyed = Fingerprint::keyed("2026-11-24.EX-1.0a1b2c3d", digest);
        assert_eq!(keyed.key(), Some("2026-11-24.EX-1.0a1b2c3d"));
        assert_eq!(keyed.as_str().parse(), Ok(keyed.clone()));
        let bare = Fingerprint::from(digest);
        assert_eq!((bare.key(), bare.as_str().parse()), (None, Ok(bare.clone())));
        for bad in ["", "sha256:00", "hmac-sha256::aa", "md5:00"] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }
}
