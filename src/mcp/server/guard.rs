//! What a request's head must be before anybody is asked who sent it (T001, T002, T005, T008, T015, T018).

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header, request::Parts};

use crate::{
    domain::limits,
    mcp::{MODERN, headers},
};

use super::{
    EndpointSettings, RpcError, Scope,
    reply::{self, Refused},
};

/// Headers of HTTP that may stand only once, beside those of the protocol.
const ONCE: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::TRANSFER_ENCODING,
    header::EXPECT,
];

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// A message.
    Post,
    /// The standing stream of a legacy session.
    Get,
    /// The end of a legacy session.
    Delete,
}

/// What the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepts {
    pub(super) json: bool,
    pub(super) stream: bool,
}

/// A head that passed.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) verb: Verb,
    pub(super) scope: Scope,
    pub(super) accepts: Accepts,
}

/// Checks a head.
pub(super) fn check(head: &Parts, settings: &EndpointSettings) -> Result<Route, Refused> {
    strict(head)?;
    host(head, settings)?;
    origin(&head.headers, settings)?;
    let Some(scope) = scope(head) else {
        return Err(reply::refuse(StatusCode::NOT_FOUND, "there is nothing here").into());
    };
    let verb = verb(head, settings)?;
    let accepts = accepts(&head.headers);
    if verb == Verb::Post {
        content(&head.headers)?;
    }
    if verb != Verb::Delete && !accepts.stream && (verb == Verb::Get || !accepts.json) {
        let message = "accept application/json and text/event-stream";
        return Err(reply::refuse(StatusCode::NOT_ACCEPTABLE, message).into());
    }
    Ok(Route { verb, scope, accepts })
}

/// One reading of the head only: no form, header or framing that two readers could take for different things.
fn strict(head: &Parts) -> Result<(), Refused> {
    let bad = |message| Err(reply::refuse_and_close(StatusCode::BAD_REQUEST, message).into());
    let headers = &head.headers;
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if headers.len() > limits::HEADERS || size > limits::HEADER_BYTES {
        let message = "too many or too long headers";
        return Err(reply::refuse_and_close(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message).into());
    }
    if head.version != Version::HTTP_11 {
        return bad("HTTP/1.1 is served here");
    }
    if head.uri.scheme().is_some() || head.uri.authority().is_some() {
        return bad("the request's target must be a path");
    }
    if headers.contains_key(header::CONTENT_LENGTH) && headers.contains_key(header::TRANSFER_ENCODING) {
        return bad("a body has one length");
    }
    if headers.get(header::TRANSFER_ENCODING).is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return bad("no transfer encoding but `chunked` is read here");
    }
    for name in ONCE {
        if headers.get_all(&name).iter().nth(1).is_some() {
            return bad("a header stands twice that may stand only once");
        }
    }
    for name in headers::ONCE {
        if let Err(fault) = headers::single(headers, &name) {
            return Err(reply::error(None, &RpcError::from(fault)).into());
        }
    }
    Ok(())
}

/// Exactly one `Host`, of those that are served.
fn host(head: &Parts, settings: &EndpointSettings) -> Result<(), Refused> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(reply::refuse_and_close(StatusCode::BAD_REQUEST, "exactly one `Host` is needed").into());
    };
    let shaped = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
    let host = host.as_bytes();
    if host.is_empty() || !host.iter().all(shaped) {
        return Err(reply::refuse_and_close(StatusCode::BAD_REQUEST, "`Host` is malformed").into());
    }
    if settings.allowed_hosts.iter().any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(host)) {
        return Ok(());
    }
    Err(reply::refuse(StatusCode::FORBIDDEN, "this host is not served here").into())
}

/// No `Origin`, or exactly one that is served.
fn origin(headers: &HeaderMap, settings: &EndpointSettings) -> Result<(), Refused> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let allowed = |origin: &HeaderValue| {
        settings.allowed_origins.iter().any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
    };
    match (origins.next(), origins.next()) {
        (None, _) => Ok(()),
        (Some(origin), None) if allowed(origin) => Ok(()),
        _ => Err(reply::refuse(StatusCode::FORBIDDEN, "this origin is not served here").into()),
    }
}

/// `/mcp` or `/mcp/{server}`, spelled exactly so. A query says nothing: a key in it is no key (T040).
fn scope(head: &Parts) -> Option<Scope> {
    match head.uri.path().strip_prefix("/mcp")? {
        "" => Some(Scope::All),
        rest => rest.strip_prefix('/')?.parse().ok().map(Scope::Server),
    }
}

/// POST; GET and DELETE for a legacy session only.
fn verb(head: &Parts, settings: &EndpointSettings) -> Result<Verb, Refused> {
    if head.method == Method::POST {
        return Ok(Verb::Post);
    }
    let modern = head.headers.get(headers::VERSION).is_some_and(|version| version.as_bytes() == MODERN.as_bytes());
    let legacy = settings.legacy && !modern && head.headers.contains_key(headers::SESSION);
    match head.method {
        Method::GET if legacy => Ok(Verb::Get),
        Method::DELETE if legacy => Ok(Verb::Delete),
        _ if settings.legacy => Err(reply::method_not_allowed("POST, GET, DELETE").into()),
        _ => Err(reply::method_not_allowed("POST").into()),
    }
}

/// JSON in UTF-8, not encoded: nothing that a browser sends without asking first (T002, T025).
fn content(headers: &HeaderMap) -> Result<(), Refused> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (essence, parameter) = kind.split_once(';').map_or((kind, None), |(essence, rest)| (essence, Some(rest)));
    let utf8 = |parameter: &str| {
        matches!(parameter.trim().to_ascii_lowercase().as_str(), "charset=utf-8" | "charset=\"utf-8\"")
    };
    if !essence.trim().eq_ignore_ascii_case("application/json") || !parameter.is_none_or(utf8) {
        let message = "the content type must be application/json";
        return Err(reply::refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, message).into());
    }
    if headers.get(header::CONTENT_ENCODING).is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let message = "encoded bodies are not read here";
        return Err(reply::refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, message).into());
    }
    Ok(())
}

/// What `Accept` allows; everything if it is not there.
fn accepts(headers: &HeaderMap) -> Accepts {
    if !headers.contains_key(header::ACCEPT) {
        return Accepts { json: true, stream: true };
    }
    let mut accepts = Accepts { json: false, stream: false };
    for value in headers.get_all(header::ACCEPT) {
        for range in value.to_str().unwrap_or_default().split(',') {
            let (essence, quality) = range.split_once(';').unwrap_or((range, ""));
            if matches!(quality.replace(' ', "").as_str(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000") {
                continue;
            }
            let essence = essence.trim().to_ascii_lowercase();
            accepts.json |= matches!(essence.as_str(), "application/json" | "application/*" | "*/*");
            accepts.stream |= matches!(essence.as_str(), "text/event-stream" | "text/*" | "*/*");
        }
    }
    accepts
}
