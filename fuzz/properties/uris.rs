//! F7: a URI that is taken is in its normal spelling but for characters beyond ASCII, is judged with those escaped, and a
//! reader who decodes it finds no other place in it.

use postern::catalog::Uri;

use super::naive::uri;

/// The promise. The bytes are a URI.
pub fn holds(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let taken = match Uri::parse(text) {
        Ok(taken) => taken,
        Err(fault) => return assert!(!fault.to_string().contains(char::is_control)),
    };
    assert_eq!(taken.as_str(), taken.to_string());
    assert!(taken.as_str().is_ascii() && uri::decoded(taken.as_str()) == uri::decoded(text), "a URI was rewritten");
    assert!(!text.is_ascii() || taken.as_str() == text, "a plain URI was rewritten");
    assert_eq!(Uri::parse(taken.as_str()).as_ref().map(Uri::as_str), Ok(taken.as_str()), "judged in another spelling");
    assert!(text.len() <= 2_048 && !text.contains(|c: char| c == '\\' || c.is_control() || c.is_whitespace()));
    let text = taken.as_str();
    let parts = uri::split(text).expect("a scheme");
    assert_eq!((taken.scheme(), taken.path()), (parts.scheme, parts.path), "two readings differ");
    assert!(parts.scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b)));
    assert_eq!(uri::normal(text).as_deref(), Some(text), "another spelling of the same URI");

    let decoded = uri::decoded(text);
    let bad = |byte: &u8| byte.is_ascii_control() || matches!(byte, b'\\' | b'%');
    assert!(!decoded.iter().any(bad), "an escape hides a character that is refused, or another escape");
    let path = uri::decoded(parts.path);
    let segments = |path: &[u8]| path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>();
    assert!(!segments(&path).iter().any(|segment| segment == b"." || segment == b".."), "a way out of a folder");
    assert_eq!(segments(&path).len(), segments(parts.path.as_bytes()).len(), "an escape hides a separator");
    if parts.scheme == "file" {
        assert_eq!(parts.authority, Some(""), "a file on another machine, or another spelling of one here");
        assert!(path.starts_with(b"/") && !path.windows(2).any(|two| two == b"//"), "a slash that systems skip");
    }
}
