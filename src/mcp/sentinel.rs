//! Header values that carry any text: plain where it is safe, else `=?base64?…?=` (SEP-2243).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;

const OPEN: &str = "=?base64?";
const CLOSE: &str = "?=";

/// The text that a header value carries; none if it is not well-formed.
pub(super) fn decode(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?;
    let Some(inner) = text.strip_prefix(OPEN).and_then(|rest| rest.strip_suffix(CLOSE)) else {
        return Some(text.to_owned());
    };
    String::from_utf8(STANDARD.decode(inner).ok()?).ok()
}

/// A header value that carries this text.
pub(super) fn encode(text: &str) -> Option<HeaderValue> {
    let visible = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    let sentinel = text.starts_with(OPEN) && text.ends_with(CLOSE);
    if visible && !sentinel && !text.is_empty() && text.trim() == text {
        return HeaderValue::from_str(text).ok();
    }
    HeaderValue::from_str(&format!("{OPEN}{}{CLOSE}", STANDARD.encode(text))).ok()
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn every_text_survives_a_header() {
        for text in ["fs.read_file", "", " a", "a ", "é", "a\r\nb: c", "=?base64?YQ==?=", "tab\there", "\0"] {
            assert_eq!(decode(&encode(text).unwrap()).as_deref(), Some(text), "{text:?}");
        }
    }

    #[test]
    fn a_broken_sentinel_is_not_a_text_and_other_cases_are_plain() {
        for bad in ["=?base64?***?=", "=?base64?_w==?=", "=?base64?/w==?="] {
            assert_eq!(decode(&bad.parse().unwrap()), None, "{bad}");
        }
        assert_eq!(decode(&"=?BASE64?YQ==?=".parse().unwrap()).as_deref(), Some("=?BASE64?YQ==?="));
    }
}
