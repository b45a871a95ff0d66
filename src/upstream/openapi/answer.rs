//! What an API answers, as the result of a tool.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::{
    argument::{BadArgument, encode},
    operation::Operation,
    parameter::is_json,
};
use crate::{
    domain::{Secret, limits},
    mcp::{Limits, emit, scan},
    upstream::{CallEnd, FailureKind},
};

/// Bytes of the body of an error that are shown.
const ERROR: usize = 16 << 10;
/// Bytes of an image that is shown.
const IMAGE: usize = 256 << 10;
/// Types of images that models are shown.
const IMAGES: [&str; 4] = ["image/gif", "image/jpeg", "image/png", "image/webp"];
/// Types that are text although their name does not begin with it.
const TEXTS: [&str; 6] = [
    "application/javascript",
    "application/ndjson",
    "application/x-ndjson",
    "application/xml",
    "application/yaml",
    "application/x-www-form-urlencoded",
];
/// Credentials shorter than this would be found everywhere.
const SECRET: usize = 6;

/// Credentials of the configuration that must not come back in an answer, such as that of an API that echoes.
pub(super) struct Veil(Vec<String>);

impl Veil {
    pub(super) fn new(secrets: &[Secret<String>]) -> Self {
        let mut hidden = Vec::new();
        for secret in secrets {
            let whole = secret.expose();
            for part in [whole.as_str(), whole.rsplit(' ').next().unwrap_or_default()] {
                let escaped = Value::from(part).to_string();
                hidden.extend([part.to_owned(), encode(part), escaped.trim_matches('"').to_owned()]);
            }
        }
        hidden.retain(|text| text.len() >= SECRET);
        // The longest first, so that no rest of one stays.
        hidden.sort_by_key(|text| std::cmp::Reverse(text.len()));
        hidden.dedup();
        Self(hidden)
    }

    fn cover(&self, text: String) -> String {
        let found = |text: &String, secret: &String| text.contains(secret.as_str());
        self.0.iter().fold(text, |text, secret| {
            if found(&text, secret) { text.replace(secret.as_str(), "[credential]") } else { text }
        })
    }
}

/// A response that was read.
pub(super) struct Taken {
    pub(super) status: StatusCode,
    pub(super) kind: String,
    /// Its body, or nothing if that is larger than the bound.
    pub(super) body: Option<Vec<u8>>,
}

/// The content type, small and printable.
pub(super) fn kind(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().chars().take(100).collect::<String>().to_ascii_lowercase()
}

/// The end of a call that got this response.
pub(super) fn end(taken: Taken, operation: &Operation, veil: &Veil) -> CallEnd {
    let Taken { status, kind, body } = taken;
    let Some(body) = body else {
        return if status.is_success() { CallEnd::lost(FailureKind::TooLarge) } else { failure(status, "") };
    };
    if !status.is_success() {
        let text = if is_text(&kind) {
            veil.cover(String::from_utf8_lossy(&body).into_owned())
        } else {
            described(&kind, &body)
        };
        return failure(status, &text);
    }
    if body.is_empty() {
        return promised(operation, &format!("{}; the answer has no body", named(status)));
    }
    if is_json(&kind) {
        return json_answer(body, operation, veil);
    }
    if IMAGES.contains(&kind.as_str()) && body.len() <= IMAGE {
        let image = json!({"type": "image", "mimeType": kind, "data": STANDARD.encode(&body)});
        return result(&image, None, false);
    }
    let text =
        if is_text(&kind) { veil.cover(String::from_utf8_lossy(&body).into_owned()) } else { described(&kind, &body) };
    promised(operation, &text)
}

/// The end of a call that was not sent.
pub(super) fn refused(bad: &BadArgument) -> CallEnd {
    result(&text_block(&bad.to_string()), None, true)
}

fn json_answer(body: Vec<u8>, operation: &Operation, veil: &Veil) -> CallEnd {
    let bounds = Limits { depth: 2 * limits::DEPTH - 4, safe_numbers: false, batch: true };
    let text = veil.cover(String::from_utf8_lossy(&body).into_owned());
    let sound = scan(text.as_bytes(), bounds).is_ok();
    if !sound || !text.trim_start().starts_with('{') {
        return promised(operation, &text);
    }
    let fits = |output: &jsonschema::Validator| {
        serde_json::from_str::<Value>(&text).is_ok_and(|value| output.is_valid(&value))
    };
    if operation.output.as_ref().is_some_and(|output| !fits(output)) {
        return promised(operation, &text);
    }
    let structured = emit::one_line(Bytes::copy_from_slice(text.trim().as_bytes()));
    result(&text_block(&text), Some(&structured), false)
}

/// Text of an answer. Where the tool promises an object of a certain shape, clients refuse anything else: then it is
/// an error that says what happened.
fn promised(operation: &Operation, text: &str) -> CallEnd {
    if operation.output.is_none() {
        return result(&text_block(text), None, false);
    }
    let said = "The API took the call and answered with success, but not in the form that its document promises:";
    result(&text_block(&format!("{said}\n\n{text}")), None, true)
}

fn failure(status: StatusCode, body: &str) -> CallEnd {
    let shown: String = body.chars().take(ERROR).collect();
    let more = if shown.len() < body.len() { "…" } else { "" };
    let gap = if shown.is_empty() { "" } else { "\n\n" };
    result(&text_block(&format!("The API answered with {}.{gap}{shown}{more}", named(status))), None, true)
}

fn named(status: StatusCode) -> String {
    let reason = status.canonical_reason().unwrap_or_default();
    format!("http status {} {reason}", status.as_u16()).trim_end().to_owned()
}

fn is_text(kind: &str) -> bool {
    kind.starts_with("text/")
        || is_json(kind)
        || TEXTS.contains(&kind)
        || kind.ends_with("+xml")
        || kind.ends_with("+yaml")
}

fn described(kind: &str, body: &[u8]) -> String {
    let kind = if kind.is_empty() { "no stated type" } else { kind };
    let kind: String = kind.chars().flat_map(char::escape_debug).collect();
    format!("{} bytes of {kind}, which is not shown", body.len())
}

fn text_block(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn result(block: &Value, structured: Option<&Bytes>, is_error: bool) -> CallEnd {
    let content = emit::array(&[emit::json(block)]);
    let mut pieces: Vec<(&str, &[u8])> = vec![("content", &content)];
    if let Some(structured) = structured {
        pieces.push(("structuredContent", structured));
    }
    if is_error {
        pieces.push(("isError", b"true"));
    }
    let result = emit::object(&pieces);
    if result.len() > limits::ANSWER {
        return CallEnd::lost(FailureKind::TooLarge);
    }
    CallEnd::Answered { result, is_error, ttl_ms: None }
}
