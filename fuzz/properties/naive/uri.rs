//! A URI taken apart by hand, and the spelling that RFC 3986 (section 6.2.2) calls the normal one.

/// The parts of a URI.
pub struct Parts<'a> {
    pub scheme: &'a str,
    pub authority: Option<&'a str>,
    pub path: &'a str,
    /// Query and fragment, with what opens them.
    pub rest: &'a str,
}

/// Takes a text apart; none without a scheme.
pub fn split(text: &str) -> Option<Parts<'_>> {
    let (scheme, after) = text.split_once(':')?;
    let (authority, after) = match after.strip_prefix("//") {
        Some(after) => {
            let end = after.find(['/', '?', '#']).unwrap_or(after.len());
            (Some(&after[..end]), &after[end..])
        }
        None => (None, after),
    };
    let end = after.find(['?', '#']).unwrap_or(after.len());
    Some(Parts { scheme, authority, path: &after[..end], rest: &after[end..] })
}

/// The normal spelling: scheme in lower case, escapes in upper case and only where they are needed, no dot segments.
pub fn normal(text: &str) -> Option<String> {
    let parts = split(text)?;
    let mut out = format!("{}:", parts.scheme.to_ascii_lowercase());
    if let Some(authority) = parts.authority {
        out += &format!("//{}", unescaped(authority));
    }
    let mut kept: Vec<String> = Vec::new();
    for segment in unescaped(parts.path).split('/') {
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment.to_owned()),
        }
    }
    Some(out + &kept.join("/") + &unescaped(parts.rest))
}

/// Every byte that an escape stands for, decoded once; what is no escape stands for itself.
pub fn decoded(text: &str) -> Vec<u8> {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let escaped = text.get(at + 1..at + 3).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match escaped.filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

fn unescaped(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('%') {
        out += &rest[..at];
        let Some(byte) = rest.get(at + 1..at + 3).and_then(|pair| u8::from_str_radix(pair, 16).ok()) else {
            out.push('%');
            rest = &rest[at + 1..];
            continue;
        };
        match char::from(byte) {
            c if c.is_ascii_alphanumeric() || "-._~".contains(c) => out.push(c),
            _ => out += &format!("%{byte:02X}"),
        }
        rest = &rest[at + 3..];
    }
    out + rest
}
