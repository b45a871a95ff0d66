//! The one place where a credential may stand: the `Authorization` header.

use http::{HeaderMap, header::AUTHORIZATION};

use super::AuthError;

/// Characters of a credential.
const LONGEST: usize = 16 << 10;

/// The bearer credential of a request. Query strings, cookies and other headers are never looked at.
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str, AuthError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(AuthError::Missing)?;
    if values.next().is_some() {
        return Err(AuthError::Malformed);
    }
    let text = value.to_str().map_err(|_| AuthError::Malformed)?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(AuthError::Missing);
    }
    // RFC 6750 section 2.1: b64token. A comma, a second scheme or a space cannot be part of it.
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
    if token.is_empty() || token.len() > LONGEST || !token.bytes().all(allowed) {
        return Err(AuthError::Malformed);
    }
    Ok(token)
}
