//! The messages that are sent to tool servers, with the headers that HTTP needs beside them.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use serde_json::value::RawValue;

use crate::mcp::{Id, MODERN, Mirrors, Version, code, emit, headers, sentinel};

/// What is sent: over HTTP both parts, over stdio the body and a line feed (the body holds none).
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The headers that belong to the body, content type and accept included.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The message.
    pub body: Bytes,
}

/// How a tool server is spoken to.
#[derive(Debug, Clone, Copy)]
pub struct Speaker<'a> {
    /// The revision that was agreed on.
    pub version: Version,
    /// The legacy session, over HTTP.
    pub session: Option<&'a str>,
}

impl Speaker<'static> {
    /// To a modern server.
    pub const MODERN: Self = Self { version: Version::MODERN, session: None };
}

/// A tool call to send.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Our id; also the progress token.
    pub id: u64,
    /// The tool's own name.
    pub name: &'a str,
    /// The arguments: a JSON object.
    pub arguments: Option<&'a RawValue>,
    /// Further members of `params`.
    pub passthrough: &'a [(Box<str>, Box<RawValue>)],
    /// W3C trace context for the server.
    pub traceparent: Option<&'a str>,
    /// Whether progress is wanted.
    pub progress: bool,
}

/// `server/discover`: what a modern server answers to and a legacy one refuses.
#[must_use]
pub fn discover(id: u64) -> Outgoing {
    let meta = meta(Speaker::MODERN, None, None);
    let body = emit::request(id, "server/discover", &[("_meta", &meta)]);
    outgoing(Speaker::MODERN, "server/discover", None, body)
}

/// `initialize`: opens a legacy session.
#[must_use]
pub fn initialize(id: u64, version: Version) -> Outgoing {
    let params: emit::Pieces<'_> =
        &[("protocolVersion", &emit::json(version.name)), ("capabilities", b"{}"), ("clientInfo", &client_info())];
    let body = emit::request(id, "initialize", params);
    // The revision is not agreed on yet, so no header names it.
    Outgoing { headers: content().into(), body }
}

/// `notifications/initialized`: closes the opening of a legacy session.
#[must_use]
pub fn initialized(speaker: Speaker<'_>) -> Outgoing {
    outgoing(speaker, "notifications/initialized", None, emit::notification("notifications/initialized", &[]))
}

/// `tools/list`, from a cursor on.
#[must_use]
pub fn list_tools(speaker: Speaker<'_>, id: u64, cursor: Option<&str>) -> Outgoing {
    let meta = meta(speaker, None, None);
    let cursor = cursor.map(emit::json);
    let mut params = Vec::with_capacity(2);
    if let Some(cursor) = &cursor {
        params.push(("cursor", cursor.as_slice()));
    }
    if !meta.is_empty() {
        params.push(("_meta", &meta));
    }
    outgoing(speaker, "tools/list", None, emit::request(id, "tools/list", &params))
}

/// `tools/call`. `mirrors` are the headers that the tool's schema wants (modern servers only).
#[must_use]
pub fn call_tool(speaker: Speaker<'_>, call: Call<'_>, mirrors: &Mirrors) -> Outgoing {
    let meta = meta(speaker, call.traceparent, call.progress.then_some(call.id));
    let name = emit::json(call.name);
    let mut params = Vec::with_capacity(3 + call.passthrough.len());
    params.push(("name", name.as_slice()));
    if let Some(arguments) = call.arguments {
        params.push(("arguments", arguments.get().as_bytes()));
    }
    params.extend(call.passthrough.iter().map(|(key, value)| (&**key, value.get().as_bytes())));
    if !meta.is_empty() {
        params.push(("_meta", &meta));
    }
    let mut out = outgoing(speaker, "tools/call", Some(call.name), emit::request(call.id, "tools/call", &params));
    if speaker.version == Version::MODERN {
        out.headers.extend(mirrors.headers(call.arguments));
    }
    out
}

/// `subscriptions/listen` for changes of the list of tools (modern servers).
#[must_use]
pub fn listen(id: u64) -> Outgoing {
    let meta = meta(Speaker::MODERN, None, None);
    let params: emit::Pieces<'_> = &[("notifications", br#"{"toolsListChanged":true}"#), ("_meta", &meta)];
    outgoing(Speaker::MODERN, "subscriptions/listen", None, emit::request(id, "subscriptions/listen", params))
}

/// `notifications/cancelled` for one of our requests (legacy servers, and any on stdio).
#[must_use]
pub fn cancelled(speaker: Speaker<'_>, id: u64) -> Outgoing {
    let params: emit::Pieces<'_> = &[("requestId", &emit::json(&id)), ("reason", br#""the caller no longer waits""#)];
    outgoing(speaker, "notifications/cancelled", None, emit::notification("notifications/cancelled", params))
}

/// The answer to a server's `ping` (legacy).
#[must_use]
pub fn pong(speaker: Speaker<'_>, id: Id<'_>) -> Outgoing {
    Outgoing { headers: standing(speaker), body: emit::one_line(emit::result(id, b"{}")) }
}

/// The answer to any other request of a server: we offer nothing to it.
#[must_use]
pub fn refuse(speaker: Speaker<'_>, id: Id<'_>) -> Outgoing {
    let body = emit::error(Some(id), code::METHOD_NOT_FOUND, "method not offered", None);
    Outgoing { headers: standing(speaker), body: emit::one_line(body) }
}

fn client_info() -> Vec<u8> {
    format!(r#"{{"name":"postern","version":"{}"}}"#, env!("CARGO_PKG_VERSION")).into()
}

/// `_meta` as the era wants it; empty where there is nothing to say.
fn meta(speaker: Speaker<'_>, traceparent: Option<&str>, token: Option<u64>) -> Vec<u8> {
    let (info, traceparent, token) =
        (client_info(), traceparent.map(emit::json), token.map(|token| emit::json(&token)));
    let version = emit::json(MODERN);
    let mut members: Vec<(&str, &[u8])> = Vec::with_capacity(5);
    if speaker.version == Version::MODERN {
        members.push(("io.modelcontextprotocol/protocolVersion", &version));
        members.push(("io.modelcontextprotocol/clientInfo", &info));
        members.push(("io.modelcontextprotocol/clientCapabilities", b"{}"));
    }
    if let Some(token) = &token {
        members.push(("progressToken", token));
    }
    if let Some(traceparent) = &traceparent {
        members.push(("traceparent", traceparent));
    }
    if members.is_empty() { Vec::new() } else { emit::object(&members).into() }
}

fn content() -> [(HeaderName, HeaderValue); 2] {
    [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream")),
    ]
}

/// The headers of every message once the revision is agreed on.
fn standing(speaker: Speaker<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let mut out = Vec::from(content());
    out.push((headers::VERSION, HeaderValue::from_static(speaker.version.name)));
    if let Some(Ok(mut session)) = speaker.session.map(HeaderValue::from_str) {
        session.set_sensitive(true);
        out.push((headers::SESSION, session));
    }
    out
}

fn outgoing(speaker: Speaker<'_>, method: &'static str, name: Option<&str>, body: Bytes) -> Outgoing {
    let mut headers = standing(speaker);
    if speaker.version == Version::MODERN {
        headers.push((headers::METHOD, HeaderValue::from_static(method)));
        headers.extend(name.and_then(sentinel::encode).map(|name| (headers::NAME, name)));
    }
    Outgoing { headers, body: emit::one_line(body) }
}
