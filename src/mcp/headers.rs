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

/// What the body says and the standard headers must repeat.
#[derive(Debug, Clone, Copy)]
pub struct Standard<'a> {
    /// The revision in `_meta`; a notification has none.
    pub version: Option<&'a str>,
    /// The method.
    pub method: &'a str,
    /// The name, where the method demands `Mcp-Name`.
    pub name: Option<&'a str>,
}

/// Holds the standard headers against the body.
///
/// # Errors
/// The first header that is missing, twice there, malformed or different.
pub fn check_standard(headers: &HeaderMap, body: Standard<'_>) -> Result<(), HeaderFault> {
    let version = single(headers, &VERSION)?.ok_or_else(|| HeaderFault::Missing(VERSION.to_string()))?;
    if body.version.is_some_and(|expected| version.as_bytes() != expected.as_bytes()) {
        return Err(HeaderFault::Mismatch(VERSION.to_string()));
    }
    agrees(headers, &METHOD, body.method)?;
    body.name.map_or(Ok(()), |name| agrees(headers, &NAME, name))
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

fn agrees(headers: &HeaderMap, name: &HeaderName, expected: &str) -> Result<(), HeaderFault> {
    let value = single(headers, name)?.ok_or_else(|| HeaderFault::Missing(name.to_string()))?;
    match sentinel::decode(value) {
        Some(text) if text == expected => Ok(()),
        Some(_) => Err(HeaderFault::Mismatch(name.to_string())),
        None => Err(HeaderFault::Malformed(name.to_string())),
    }
}
