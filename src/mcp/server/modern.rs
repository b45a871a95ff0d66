//! The modern era, revision 2026-07-28: every request stands alone, and its headers agree with its body.

use std::sync::Arc;

use http::StatusCode;
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;

use crate::mcp::{
    CallParams, Era, HeaderFault, Id, MODERN, Message, Meta, Params, Version, code, emit, headers, message, sse,
};

use super::{
    Endpoint, ListRequest, RpcError,
    calling::{self, Setting},
    context::Context,
    reply::{self, Answer, Outcome, Refused},
    results,
    standing::Standing,
};

/// Answers a modern message.
pub(super) async fn answer(
    endpoint: &Endpoint,
    context: Context,
    message: Message<'_>,
    meta: Meta<'_>,
    share: OwnedSemaphorePermit,
) -> Outcome {
    match message {
        Message::Request { id, method, params } => {
            let refuse = |error: RpcError| Refused::from(reply::error(Some(id), &error));
            agree(endpoint, &context, &meta, (&method, &params)).map_err(refuse)?;
            request(endpoint, context, id, (&method, &params, meta), share).await.map_err(refuse)
        }
        Message::Notification { method, .. } => {
            let refuse = |error: RpcError| Refused::from(reply::error(None, &error));
            version(endpoint, &context, &meta).map_err(refuse)?;
            headers::agrees(&context.head.headers, &headers::METHOD, &method).map_err(|fault| refuse(fault.into()))?;
            // Over HTTP a modern client cancels by going away; the notification is taken and says nothing.
            if method == "notifications/cancelled" {
                return Ok(reply::empty(StatusCode::ACCEPTED));
            }
            Err(refuse(not_offered()))
        }
        Message::Response { .. } => Err(reply::refuse(StatusCode::BAD_REQUEST, "no response is awaited here").into()),
    }
}

/// Holds the headers and what `_meta` must say against each other: revision first, since it says what the rest means.
fn agree(
    endpoint: &Endpoint,
    context: &Context,
    meta: &Meta<'_>,
    (method, params): (&str, &Params<'_>),
) -> Result<(), RpcError> {
    version(endpoint, context, meta)?;
    let bad = |member: &str| RpcError::invalid_params(member).with_status(StatusCode::BAD_REQUEST);
    if meta.protocol_version.is_none() {
        return Err(bad("`_meta` must name `io.modelcontextprotocol/protocolVersion`"));
    }
    if meta.client_capabilities.is_none() {
        return Err(bad("`_meta` must hold `io.modelcontextprotocol/clientCapabilities`"));
    }
    let head = &context.head.headers;
    headers::agrees(head, &headers::METHOD, method)?;
    if method == "tools/call" {
        let name = params.text("name").ok_or_else(|| bad("`params.name` is missing or malformed"))?;
        headers::agrees(head, &headers::NAME, &name)?;
    }
    Ok(())
}

/// The revision: the header is there, agrees with the body, and is served.
fn version(endpoint: &Endpoint, context: &Context, meta: &Meta<'_>) -> Result<(), RpcError> {
    let name = headers::VERSION;
    let given = headers::single(&context.head.headers, &name)?.ok_or_else(|| HeaderFault::Missing(name.to_string()))?;
    if meta.protocol_version.as_deref().is_some_and(|version| version.as_bytes() != given.as_bytes()) {
        return Err(HeaderFault::Mismatch(name.to_string()).into());
    }
    if given.as_bytes() == MODERN.as_bytes() {
        return Ok(());
    }
    let requested = String::from_utf8_lossy(given.as_bytes());
    Err(unsupported(&results::versions(endpoint.settings().legacy), &requested))
}

/// -32022, with what is served instead.
pub(super) fn unsupported(supported: &[&str], requested: &str) -> RpcError {
    let requested: String = requested.chars().take(64).collect();
    let data = emit::object(&[("supported", &emit::json(supported)), ("requested", &emit::json(&requested))]);
    let data = String::from_utf8(data.into()).ok().and_then(|data| RawValue::from_string(data).ok());
    let error = RpcError::new(code::UNSUPPORTED_VERSION, "this revision of the protocol is not served");
    RpcError { data, ..error }.with_status(StatusCode::BAD_REQUEST)
}

async fn request(
    endpoint: &Endpoint,
    context: Context,
    id: Id<'_>,
    (method, params, meta): (&str, &Params<'_>, Meta<'_>),
    share: OwnedSemaphorePermit,
) -> Result<Answer, RpcError> {
    match method {
        "server/discover" => Ok(whole(&context, id, &results::discover(endpoint.settings()))),
        "tools/list" => {
            let cursor = cursor(params)?;
            let origin = context.origin(Version::MODERN, id, None);
            let list = super::List::Tools;
            let request = ListRequest { list, scope: context.scope.clone(), cursor, era: Era::Modern, origin };
            let page = endpoint.handler().list(&context.subject, request).await?;
            Ok(whole(&context, id, &results::list(&page, Era::Modern)))
        }
        "tools/call" => {
            let setting = Setting {
                handler: endpoint.handler(),
                context: &context,
                version: Version::MODERN,
                session: None,
                streams: context.accepts.stream,
            };
            let call = calling::start(&setting, id, CallParams::with(params, meta), Some(Arc::new(share)))?;
            let stream = call.tells_progress() || !context.accepts.json;
            Ok(if stream { call.stream() } else { call.answer().await })
        }
        "subscriptions/listen" => {
            drop(share);
            Ok(listen(endpoint, context, id, params).await?.unwrap_or_else(|refused| *refused))
        }
        _ => Err(not_offered()),
    }
}

/// Opens a stream of changes. It tells of tools only, and acknowledges no more than that.
async fn listen(
    endpoint: &Endpoint,
    context: Context,
    id: Id<'_>,
    params: &Params<'_>,
) -> Result<Result<Answer, Refused>, RpcError> {
    let bad = || RpcError::invalid_params("`params.notifications` is missing or malformed");
    let wanted = params.get("notifications").and_then(|raw| crate::mcp::members(raw.get()).ok()).ok_or_else(bad)?;
    let tools = match wanted.iter().find(|(key, _)| key == "toolsListChanged").map(|(_, value)| value.get()) {
        Some("true") => true,
        Some("false") | None => false,
        Some(_) => return Err(bad()),
    };
    if !context.accepts.stream {
        return Ok(Err(reply::refuse(StatusCode::NOT_ACCEPTABLE, "accept text/event-stream").into()));
    }
    Ok(Standing::listen(endpoint, context, id, tools).await)
}

/// A result as the whole answer.
fn whole(context: &Context, id: Id<'_>, result: &[u8]) -> Answer {
    let body = emit::one_line(emit::result(id, result));
    if context.accepts.json {
        return reply::json(StatusCode::OK, body);
    }
    reply::once(sse::event(&body))
}

/// The cursor of a list: a string, if there is one.
pub(super) fn cursor(params: &Params<'_>) -> Result<Option<String>, RpcError> {
    let Some(raw) = params.get("cursor") else { return Ok(None) };
    let text = message::string(raw).ok_or_else(|| RpcError::invalid_params("`params.cursor` must be a string"))?;
    Ok(Some(text.into_owned()))
}

fn not_offered() -> RpcError {
    RpcError::new(code::METHOD_NOT_FOUND, "method not offered").with_status(StatusCode::NOT_FOUND)
}
