//! The headers of a modern request, held against its body; the body is the truth.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::sentinel;

/// The revision.
pub const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The method.
pub const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// The name of what is called.
pub const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// The legacy session.
pub const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// The last event that a legacy client saw on a stream.
pub const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
/// The headers of the protocol, none of which may stand twice (T005).
pub const ONCE: [HeaderName; 4] = [VERSION, METHOD, NAME, SESSION];
/// What headers that mirror arguments begin with.
pub const PARAMETER: &str = "mcp-param-";

/// A header that does not agree with the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// It is not there.
    #[error("the header `{0}` is missing")]
    Missing(String),
    /// It is there more than once.
    #[error("the header `{0}` stands twice")]
    Twice(String),
    /// Its value is not well-formed.
    #[error("the header `{0}` is malformed")]
    Malformed(String),
    /// It says something else than the body.
    #[error("the header `{0}` does not agree with the body")]
    Mismatch(String),
}

/// The only value of a header.
///
/// # Errors
/// It stands there more than once.
pub fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, HeaderFault> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(HeaderFault::Twice(name.to_string())),
    }
}

/// A header's value that carries this text: plain where that is safe, else in the base64 form.
#[must_use]
pub fn value(text: &str) -> Option<HeaderValue> {
    sentinel::encode(text)
}

/// A header is there once and says what the body says.
///
/// # Errors
/// It is missing, twice there, malformed or different.
pub fn agrees(headers: &HeaderMap, name: &HeaderName, expected: &str) -> Result<(), HeaderFault> {
    let value = single(headers, name)?.ok_or_else(|| HeaderFault::Missing(name.to_string()))?;
    match sentinel::decode(value) {
        Some(text) if text == expected => Ok(()),
        Some(_) => Err(HeaderFault::Mismatch(name.to_string())),
        None => Err(HeaderFault::Malformed(name.to_string())),
    }
}
