//! Why a caller could not be identified, and the challenge that answers it.

use crate::domain::Fault;

/// Why a caller could not be identified. The text is safe to show to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No credential of a kind that is taken.
    #[error("a bearer credential is required")]
    Missing,
    /// More than one credential, or a header that is not `Bearer` and one token.
    #[error("send one `Authorization: Bearer` header with one token")]
    Malformed,
    /// Not a credential that this gateway made or trusts, or one that was revoked.
    #[error("the credential is not valid")]
    Invalid,
    /// Past its end.
    #[error("the credential has expired")]
    Expired,
    /// A token for somebody else.
    #[error("the token was issued for another audience")]
    WrongAudience,
    /// A valid credential of somebody whom the registry does not know, or who is not active.
    #[error("the credential belongs to nobody who is registered here")]
    Unregistered,
    /// The credential cannot be checked now, and so proves nothing.
    #[error("credentials cannot be checked now")]
    Unavailable,
}

impl AuthError {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(self) -> Fault {
        match self {
            Self::Missing
            | Self::Malformed
            | Self::Invalid
            | Self::Expired
            | Self::WrongAudience
            | Self::Unregistered => Fault::Caller,
            Self::Unavailable => Fault::Unavailable,
        }
    }

    /// The HTTP status that answers it: 401, or 503 if nobody could have passed.
    #[must_use]
    pub const fn status(self) -> http::StatusCode {
        match self.fault() {
            Fault::Caller | Fault::Refused => http::StatusCode::UNAUTHORIZED,
            Fault::Unavailable | Fault::Internal => http::StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The value of `WWW-Authenticate` (RFC 6750 section 3, RFC 9728 section 5.1).
    ///
    /// `resource_metadata` is the URL of the protected-resource metadata; characters that a quoted string
    /// cannot hold are left out of it.
    #[must_use]
    pub fn challenge(self, resource_metadata: &str) -> String {
        let url: String =
            resource_metadata.chars().filter(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\')).collect();
        let code = match self {
            Self::Missing | Self::Unavailable => return format!("Bearer resource_metadata=\"{url}\""),
            Self::Malformed => "invalid_request",
            Self::Invalid | Self::Expired | Self::WrongAudience | Self::Unregistered => "invalid_token",
        };
        // A quoted string holds no back quote that matters, but the messages use them for emphasis only.
        let description = self.to_string().replace('`', "'");
        format!("Bearer error=\"{code}\", error_description=\"{description}\", resource_metadata=\"{url}\"")
    }
}
