//! Messages written anew from their parts: what leaves is never what came.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::Id;

/// Members of an object that is written: key, and value as JSON.
pub type Pieces<'a> = &'a [(&'a str, &'a [u8])];

/// A response that holds a result (a JSON object).
#[must_use]
pub fn result(id: Id<'_>, result: &[u8]) -> Bytes {
    Text::message(result.len() + 64).member("id", id.raw().get().as_bytes()).member("result", result).end()
}

/// A response that holds an error. Without an id if none could be read: the MCP schema knows no null id.
#[must_use]
pub fn error(id: Option<Id<'_>>, code: i32, message: &str, data: Option<&RawValue>) -> Bytes {
    fault(id, (code, message, data), &[])
}

/// The same with further members in the error.
#[must_use]
pub fn fault(
    id: Option<Id<'_>>,
    (code, message, data): (i32, &str, Option<&RawValue>),
    more: &[(Box<str>, Box<RawValue>)],
) -> Bytes {
    let mut inner = Text::object(message.len() + 64).member("code", &json(&code)).member("message", &json(message));
    if let Some(data) = data {
        inner = inner.member("data", data.get().as_bytes());
    }
    for (key, value) in more {
        inner = inner.member(key, value.get().as_bytes());
    }
    let mut text = Text::message(message.len() + 128);
    if let Some(id) = id {
        text = text.member("id", id.raw().get().as_bytes());
    }
    text.member("error", &inner.end()).end()
}

/// A request; its id is one of our own.
#[must_use]
pub fn request(id: u64, method: &str, params: Pieces<'_>) -> Bytes {
    Text::message(128).member("id", &json(&id)).member("method", &json(method)).params(params).end()
}

/// A request to a client; its id is one of our own, its params an object.
#[must_use]
pub fn question(id: &str, method: &str, params: Option<&[u8]>) -> Bytes {
    let text = Text::message(128).member("id", &json(id)).member("method", &json(method));
    match params {
        Some(params) => text.member("params", params).end(),
        None => text.end(),
    }
}

/// A notification.
#[must_use]
pub fn notification(method: &str, params: Pieces<'_>) -> Bytes {
    Text::message(128).member("method", &json(method)).params(params).end()
}

/// A JSON object of these members.
#[must_use]
pub fn object(members: Pieces<'_>) -> Bytes {
    let size = members.iter().map(|(key, value)| key.len() + value.len() + 4).sum();
    members.iter().fold(Text::object(size), |text, (key, value)| text.member(key, value)).end()
}

/// A JSON array of these values.
#[must_use]
pub fn array<T: AsRef<[u8]>>(values: &[T]) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.iter().map(|value| value.as_ref().len() + 1).sum::<usize>() + 1);
    out.push(b'[');
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(value.as_ref());
    }
    out.push(b']');
    out
}

/// The same JSON without line ends: they stand only between tokens, where a space means the same.
#[must_use]
pub fn one_line(json: Bytes) -> Bytes {
    if !json.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return json;
    }
    json.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect::<Vec<_>>().into()
}

/// A value as JSON.
#[must_use]
pub fn json<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|_| b"null".to_vec())
}

/// An object that is being written.
struct Text(Vec<u8>);

impl Text {
    fn object(size: usize) -> Self {
        let mut out = Vec::with_capacity(size + 2);
        out.push(b'{');
        Self(out)
    }

    fn message(size: usize) -> Self {
        Self::object(size + 32).member("jsonrpc", b"\"2.0\"")
    }

    fn member(mut self, key: &str, value: &[u8]) -> Self {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        if key.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\') {
            self.0.push(b'"');
            self.0.extend_from_slice(key.as_bytes());
            self.0.push(b'"');
        } else {
            self.0.extend_from_slice(&json(key));
        }
        self.0.push(b':');
        self.0.extend_from_slice(value);
        self
    }

    fn params(self, params: Pieces<'_>) -> Self {
        if params.is_empty() { self } else { self.member("params", &object(params)) }
    }

    fn end(mut self) -> Bytes {
        self.0.push(b'}');
        self.0.into()
    }
}
