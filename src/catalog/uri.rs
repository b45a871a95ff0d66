//! URIs of resources: one spelling only, and nothing in them that two readers could take for different places (T037).

use std::{borrow::Cow, fmt};

use fluent_uri::Iri;

/// Bytes of a URI.
const LONGEST: usize = 2_048;

/// A resource's URI (RFC 3986, RFC 3987), as it is judged. A URI that is not in its plain spelling is refused. Only
/// characters beyond ASCII have two spellings that are both taken, since servers use both: plain ones are judged as their
/// escapes (RFC 3987, section 3.1), and sent as they came.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uri {
    text: Box<str>,
    scheme: usize,
    host: Box<str>,
    path: (usize, usize),
}

/// Why a URI is not taken. The text is for the agent that sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UriFault {
    /// Not a URI with a scheme, or too long.
    #[error("it is not an absolute URI of at most {LONGEST} bytes")]
    Malformed,
    /// `FILE:` for `file:`.
    #[error("its scheme must be in lower case")]
    Scheme,
    /// `.` or `..`, plain or escaped.
    #[error("its path holds a dot segment")]
    DotSegment,
    /// An escape of a separator, a dot or a control character, of a character that needs none, or in lower case.
    #[error("it escapes a character that must not be escaped, or in lower case")]
    Escape,
    /// Control, invisible or otherwise doubtful characters.
    #[error("it holds a character that people do not see, or a backslash")]
    Character,
    /// A file on another machine, a user before the host, or a host of the web beyond ASCII (which has a third spelling).
    #[error("it names a host or a user that is not taken here")]
    Host,
    /// `file:/a` or `file:///a//b`: what systems take for `file:///a/b`.
    #[error("a file URI begins with `file:///` and holds no empty segment")]
    File,
}

impl Uri {
    /// Reads a URI.
    ///
    /// # Errors
    /// The first reason not to take it.
    pub fn parse(text: &str) -> Result<Self, UriFault> {
        if text.len() > LONGEST {
            return Err(UriFault::Malformed);
        }
        if text.chars().any(|c| c == '\\' || c.is_control() || super::text::is_hidden('a', c)) {
            return Err(UriFault::Character);
        }
        Iri::parse(text).map_err(|_| UriFault::Malformed)?;
        let text = &*escaped(text);
        if text.len() > LONGEST {
            return Err(UriFault::Malformed);
        }
        let iri = Iri::parse(text).map_err(|_| UriFault::Malformed)?;
        let scheme = iri.scheme().as_str();
        if scheme.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(UriFault::Scheme);
        }
        if escapes(text).any(|(digits, byte)| !normal(digits, byte)) {
            return Err(UriFault::Escape);
        }
        let path = iri.path().as_str();
        if path.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(UriFault::DotSegment);
        }
        let authority = iri.authority();
        let host = authority.as_ref().map_or("", |authority| authority.host());
        if authority.as_ref().is_some_and(|authority| authority.has_userinfo())
            || (scheme == "file" && !host.is_empty())
            || (matches!(scheme, "http" | "https") && host.contains('%'))
        {
            return Err(UriFault::Host);
        }
        if scheme == "file" && (authority.is_none() || path.is_empty() || path.contains("//")) {
            return Err(UriFault::File);
        }
        let start = scheme.len() + 1 + authority.as_ref().map_or(0, |authority| authority.as_str().len() + 2);
        Ok(Self {
            scheme: scheme.len(),
            host: host.to_ascii_lowercase().into(),
            path: (start, start + path.len()),
            text: text.into(),
        })
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme, in lower case.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.text.get(..self.scheme).unwrap_or_default()
    }

    /// The host in lower case; empty where there is none.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path, without query and fragment.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.get(self.path.0..self.path.1).unwrap_or_default()
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The text with the characters beyond ASCII escaped, byte by byte.
fn escaped(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii() {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out.into()
}

/// The bytes that the text escapes, and their digits; every `%` begins an escape in a text that was parsed.
fn escapes(text: &str) -> impl Iterator<Item = (&str, u8)> {
    text.match_indices('%').filter_map(|(at, _)| {
        let digits = text.get(at + 1..at + 3)?;
        Some((digits, u8::from_str_radix(digits, 16).ok()?))
    })
}

/// Whether an escape is the one spelling of a character that needs one (RFC 3986, section 6.2.2).
fn normal(digits: &str, byte: u8) -> bool {
    let forbidden = matches!(byte, 0..0x20 | b'.' | b'/' | b'\\' | b'%' | 0x7f);
    let needless = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~');
    !forbidden && !needless && !digits.bytes().any(|digit| digit.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{Uri, UriFault};

    /// T037
    #[test]
    fn a_uri_has_one_spelling_and_no_way_out_of_its_folder() {
        for (bad, fault) in [
            ("file:///p/../../etc/passwd", UriFault::DotSegment),
            ("file:///p/./x", UriFault::DotSegment),
            ("file:///p/%2e%2e/etc", UriFault::Escape),
            ("file:///p/%2E%2E%2Fetc", UriFault::Escape),
            ("file:///p/..%5cetc", UriFault::Escape),
            ("file:///p/%252e%252e/etc", UriFault::Escape),
            ("file:///p/x%00.txt", UriFault::Escape),
            ("file://host/etc/passwd", UriFault::Host),
            ("FILE:///etc/passwd", UriFault::Scheme),
            ("file:///p\\..\\etc", UriFault::Character),
            ("file:///p/x\0", UriFault::Character),
            ("file:///p/\u{200b}x", UriFault::Character),
            ("/etc/passwd", UriFault::Malformed),
            ("", UriFault::Malformed),
            ("file:///p/%zz", UriFault::Malformed),
            ("file:///%65tc/passwd", UriFault::Escape),
            ("file:///%7Eroot", UriFault::Escape),
            ("file:///a%c3%bc", UriFault::Escape),
            ("file:/etc/passwd", UriFault::File),
            ("file:////etc/passwd", UriFault::File),
            ("file:///etc//passwd", UriFault::File),
            ("https://b\u{fc}cher.example/", UriFault::Host),
            ("https://b%C3%BCcher.example/", UriFault::Host),
        ] {
            assert_eq!(Uri::parse(bad), Err(fault), "{bad:?}");
        }
        let uri = Uri::parse("test://template/123/data?x=1#y").unwrap();
        assert_eq!((uri.scheme(), uri.path()), ("test", "/123/data"));
        let uri = Uri::parse("memo:insights").unwrap();
        assert_eq!((uri.scheme(), uri.path()), ("memo", "insights"));
    }

    /// T037
    #[test]
    fn a_character_beyond_ascii_is_judged_as_its_escape_however_it_is_written() {
        for (plain, escaped) in [
            ("file:///a%20b/\u{fc}.txt", "file:///a%20b/%C3%BC.txt"),
            ("memo://\u{fc}bung/\u{65e5}?q=\u{fc}#\u{fc}", "memo://%C3%BCbung/%E6%97%A5?q=%C3%BC#%C3%BC"),
        ] {
            let (one, two) = (Uri::parse(plain).unwrap(), Uri::parse(escaped).unwrap());
            assert_eq!(one, two);
            assert_eq!(one.as_str(), escaped);
            assert!(escaped.contains(one.path()) && one.path().starts_with('/'), "{}", one.path());
        }
        assert_eq!(Uri::parse("file:///a%20b/\u{fc}.txt").unwrap().path(), "/a%20b/%C3%BC.txt");
        assert!(Uri::parse("file:///\u{e000}").is_err());
    }
}
