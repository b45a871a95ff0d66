//! Why a credential proves nothing.

use crate::domain::Fault;

/// Why a credential proves nothing. The caller learns only the challenge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No `Authorization` header.
    #[error("no credential was shown")]
    Missing,
    /// More than one `Authorization` header, or not `Bearer` and one token.
    #[error("the authorization header is not `Bearer` and one token")]
    Malformed,
    /// No such key, a bad signature, a claim that is missing or wrong.
    #[error("the credential is not valid: {0}")]
    Invalid(&'static str),
    /// Past its end.
    #[error("the credential has expired")]
    Expired,
    /// Revoked.
    #[error("the credential was revoked")]
    Revoked,
    /// The keys to verify with cannot be had now.
    #[error("the credential cannot be checked now: {0}")]
    Unavailable(String),
}

impl AuthError {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Missing | Self::Malformed | Self::Invalid(_) | Self::Expired | Self::Revoked => Fault::Caller,
            Self::Unavailable(_) => Fault::Unavailable,
        }
    }

    /// The `WWW-Authenticate` challenge (RFC 6750 section 3, RFC 9728 section 5.1).
    #[must_use]
    pub fn challenge(&self, resource_metadata: &str) -> String {
        match self {
            Self::Missing => format!("Bearer resource_metadata=\"{resource_metadata}\""),
            Self::Malformed => format!("Bearer error=\"invalid_request\", resource_metadata=\"{resource_metadata}\""),
            Self::Invalid(_) | Self::Expired | Self::Revoked | Self::Unavailable(_) => {
                format!("Bearer error=\"invalid_token\", resource_metadata=\"{resource_metadata}\"")
            }
        }
    }
}
