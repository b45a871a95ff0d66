//! The requests that are sent to tool servers, with the headers that HTTP needs beside them.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use serde_json::value::RawValue;

use crate::{
    domain::Method,
    mcp::{Capabilities, Filter, InputGiven, List, LogLevel, MODERN, Mirrors, Version, emit, headers, sentinel},
};

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

/// A request of a client that is carried to a server.
#[derive(Debug, Clone, Copy)]
pub struct Carried<'a> {
    /// Our id; also the progress token.
    pub id: u64,
    /// What is asked.
    pub method: Method,
    /// The value of [`Method::target`].
    pub name: &'a str,
    /// The arguments of a tool call: a JSON object.
    pub arguments: Option<&'a RawValue>,
    /// Further members of `params`.
    pub members: &'a [(Box<str>, Box<RawValue>)],
    /// Answers to the questions of an earlier round (modern servers only).
    pub input: Option<&'a InputGiven>,
    /// What is told in `_meta`.
    pub along: Along<'a>,
}

/// What a request tells in `_meta`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Along<'a> {
    /// What the server may know of the client (modern servers only).
    pub capabilities: Option<&'a Capabilities>,
    /// W3C trace context for the server.
    pub traceparent: Option<&'a str>,
    /// Whether progress is wanted.
    pub progress: bool,
    /// The least severe level of wanted log messages (modern servers only).
    pub log_level: Option<LogLevel>,
}

/// What the gateway itself can do for a server that lists to it, so that all is listed (modern).
const OWN: &[u8] = br#"{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{},"extensions":{"io.modelcontextprotocol/tasks":{},"io.modelcontextprotocol/ui":{"mimeTypes":["text/html;profile=mcp-app"]}}}"#;

/// A page of a list, from a cursor on.
#[must_use]
pub fn list(speaker: Speaker<'_>, id: u64, list: List, cursor: Option<&str>) -> Outgoing {
    let meta = own_meta(speaker);
    let cursor = cursor.map(emit::json);
    let mut params = Vec::with_capacity(2);
    if let Some(cursor) = &cursor {
        params.push(("cursor", cursor.as_slice()));
    }
    if !meta.is_empty() {
        params.push(("_meta", &meta));
    }
    outgoing(speaker, list.method(), None, emit::request(id, list.method(), &params))
}

/// A request of a client. `mirrors` are the headers that a tool's schema wants (modern servers only).
#[must_use]
pub fn carry(speaker: Speaker<'_>, carried: Carried<'_>, mirrors: &Mirrors) -> Outgoing {
    let modern = speaker.version == Version::MODERN;
    let meta = meta(speaker, carried.along, carried.along.progress.then_some(carried.id));
    let name = emit::json(carried.name);
    let input = carried.input.filter(|_| modern);
    let state = input.and_then(|input| input.state.as_deref()).map(emit::json);
    let mut params = Vec::with_capacity(6 + carried.members.len());
    if let Some(target) = carried.method.target() {
        params.push((target, name.as_slice()));
    }
    if let Some(arguments) = carried.arguments {
        params.push(("arguments", arguments.get().as_bytes()));
    }
    let given = |key: &str| input.is_some() && matches!(key, "inputResponses" | "requestState");
    let others = carried.members.iter().filter(|(key, _)| &**key != "_meta" && !given(key));
    params.extend(others.map(|(key, value)| (&**key, value.get().as_bytes())));
    if let Some(responses) = input.and_then(|input| input.responses.as_deref()) {
        params.push(("inputResponses", responses.get().as_bytes()));
    }
    if let Some(state) = &state {
        params.push(("requestState", state));
    }
    if !meta.is_empty() {
        params.push(("_meta", &meta));
    }
    let method = carried.method.as_str();
    let named = carried.method.target().map(|_| carried.name);
    let mut out = outgoing(speaker, method, named, emit::request(carried.id, method, &params));
    if modern {
        out.headers.extend(mirrors.headers(carried.arguments));
    }
    out
}

/// `logging/setLevel` (legacy servers).
#[must_use]
pub fn set_level(speaker: Speaker<'_>, id: u64, level: LogLevel) -> Outgoing {
    let params: emit::Pieces<'_> = &[("level", &emit::json(level.as_str()))];
    outgoing(speaker, "logging/setLevel", None, emit::request(id, "logging/setLevel", params))
}

/// `resources/subscribe`, or its end (legacy servers).
#[must_use]
pub fn subscribe(speaker: Speaker<'_>, id: u64, uri: &str, on: bool) -> Outgoing {
    let method = if on { "resources/subscribe" } else { "resources/unsubscribe" };
    outgoing(speaker, method, None, emit::request(id, method, &[("uri", &emit::json(uri))]))
}

/// `subscriptions/listen` (modern servers).
#[must_use]
pub fn listen(id: u64, filter: &Filter) -> Outgoing {
    let (meta, filter) = (own_meta(Speaker::MODERN), filter.json());
    let params: emit::Pieces<'_> = &[("notifications", &filter), ("_meta", &meta)];
    outgoing(Speaker::MODERN, "subscriptions/listen", None, emit::request(id, "subscriptions/listen", params))
}

/// `notifications/cancelled` for one of our requests (legacy servers, and any on stdio).
#[must_use]
pub fn cancelled(speaker: Speaker<'_>, id: u64) -> Outgoing {
    let params: emit::Pieces<'_> = &[("requestId", &emit::json(&id)), ("reason", br#""the caller no longer waits""#)];
    outgoing(speaker, "notifications/cancelled", None, emit::notification("notifications/cancelled", params))
}

pub(super) fn client_info() -> Vec<u8> {
    format!(r#"{{"name":"postern","version":"{}"}}"#, env!("CARGO_PKG_VERSION")).into()
}

/// `_meta` of the gateway's own requests.
pub(super) fn own_meta(speaker: Speaker<'_>) -> Vec<u8> {
    meta_with(speaker, Along::default(), None, OWN)
}

/// `_meta` as the era wants it; empty where there is nothing to say.
fn meta(speaker: Speaker<'_>, along: Along<'_>, token: Option<u64>) -> Vec<u8> {
    match along.capabilities.filter(|_| speaker.version == Version::MODERN) {
        Some(capabilities) => meta_with(speaker, along, token, &capabilities.json()),
        None => meta_with(speaker, along, token, b"{}"),
    }
}

fn meta_with(speaker: Speaker<'_>, along: Along<'_>, token: Option<u64>, capabilities: &[u8]) -> Vec<u8> {
    let (info, traceparent, token) =
        (client_info(), along.traceparent.map(emit::json), token.map(|token| emit::json(&token)));
    let (version, level) = (emit::json(MODERN), along.log_level.map(|level| emit::json(level.as_str())));
    let mut members: Vec<(&str, &[u8])> = Vec::with_capacity(6);
    if speaker.version == Version::MODERN {
        members.push(("io.modelcontextprotocol/protocolVersion", &version));
        members.push(("io.modelcontextprotocol/clientInfo", &info));
        members.push(("io.modelcontextprotocol/clientCapabilities", capabilities));
        if let Some(level) = &level {
            members.push(("io.modelcontextprotocol/logLevel", level));
        }
    }
    if let Some(token) = &token {
        members.push(("progressToken", token));
    }
    if let Some(traceparent) = &traceparent {
        members.push(("traceparent", traceparent));
    }
    if members.is_empty() { Vec::new() } else { emit::object(&members).into() }
}

pub(super) fn content() -> [(HeaderName, HeaderValue); 2] {
    [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream")),
    ]
}

/// The headers of every message once the revision is agreed on.
pub(super) fn standing(speaker: Speaker<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let mut out = Vec::from(content());
    out.push((headers::VERSION, HeaderValue::from_static(speaker.version.name)));
    if let Some(Ok(mut session)) = speaker.session.map(HeaderValue::from_str) {
        session.set_sensitive(true);
        out.push((headers::SESSION, session));
    }
    out
}

pub(super) fn outgoing(speaker: Speaker<'_>, method: &'static str, name: Option<&str>, body: Bytes) -> Outgoing {
    let mut headers = standing(speaker);
    if speaker.version == Version::MODERN {
        headers.push((headers::METHOD, HeaderValue::from_static(method)));
        headers.extend(name.and_then(sentinel::encode).map(|name| (headers::NAME, name)));
    }
    Outgoing { headers, body: emit::one_line(body) }
}
