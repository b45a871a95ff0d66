//! The legacy era, revisions 2025-03-26 to 2025-11-25: `initialize`, then a session.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::sync::OwnedSemaphorePermit;

use crate::mcp::{CallParams, Era, Id, IdKey, Message, Params, ParseError, Version, code, emit, headers, sse};

use super::{
    Endpoint, ListRequest, RpcError,
    calling::{self, Setting},
    context::Context,
    reading,
    reply::{self, Answer, Outcome, Refused},
    results,
    session::Session,
    standing::Standing,
};

/// Messages that one batch may hold.
const BATCH: usize = 32;

/// Answers a legacy message.
pub(super) async fn answer(
    endpoint: &Endpoint,
    context: Context,
    message: Message<'_>,
    share: OwnedSemaphorePermit,
) -> Outcome {
    if let Message::Request { id, method, params } = &message
        && method == "initialize"
    {
        return initialize(endpoint, &context, *id, params).map_err(|error| reply::error(Some(*id), &error).into());
    }
    let session = session(endpoint, &context)?;
    match message {
        Message::Request { id, method, params } => {
            let refuse = |error: RpcError| Refused::from(reply::error(Some(id), &error));
            if method == "tools/call" {
                let setting = Setting {
                    handler: endpoint.handler(),
                    context: &context,
                    version: session.version,
                    session: Some(&session),
                    streams: context.accepts.stream,
                };
                let call =
                    calling::start(&setting, id, CallParams::read(&params), Some(Arc::new(share))).map_err(refuse)?;
                let stream = call.tells_progress() || !context.accepts.json;
                return Ok(if stream { call.stream() } else { call.answer().await });
            }
            let result = plain(endpoint, &context, &session, id, (&method, &params)).await.map_err(refuse)?;
            Ok(whole(&context, emit::one_line(emit::result(id, &result))))
        }
        Message::Notification { method, params } => {
            notified(&session, &method, &params);
            Ok(reply::empty(StatusCode::ACCEPTED))
        }
        Message::Response { .. } => Err(reply::refuse(StatusCode::BAD_REQUEST, "no response is awaited here").into()),
    }
}

/// Answers an array of messages: each is judged on its own, and the responses come together (2025-03-26).
pub(super) async fn batch(endpoint: &Endpoint, context: Context, body: &[u8], share: OwnedSemaphorePermit) -> Outcome {
    let session = session(endpoint, &context)?;
    if !session.version.batches() {
        return Err(reply::error(None, &ParseError::Batch.into()).into());
    }
    let messages = Message::parse_batch(body).map_err(|fault| Refused::from(reply::error(None, &fault.into())))?;
    if messages.is_empty() || messages.len() > BATCH {
        return Err(reply::refuse(StatusCode::BAD_REQUEST, "a batch holds 1 to 32 messages").into());
    }
    let share = Arc::new(share);
    let setting = Setting {
        handler: endpoint.handler(),
        context: &context,
        version: session.version,
        session: Some(&session),
        streams: false,
    };
    let (mut responses, mut calls) = (Vec::new(), Vec::new());
    for message in messages {
        match message {
            Ok(Message::Request { id, method, params }) if method == "tools/call" => {
                match calling::start(&setting, id, CallParams::read(&params), Some(Arc::clone(&share))) {
                    Ok(call) => calls.push(call),
                    Err(error) => responses.push(emit::error(Some(id), error.code, &error.message, None)),
                }
            }
            Ok(Message::Request { id, method, params }) => {
                responses.push(match plain(endpoint, &context, &session, id, (&method, &params)).await {
                    Ok(result) => emit::result(id, &result),
                    Err(error) => emit::error(Some(id), error.code, &error.message, error.data.as_deref()),
                });
            }
            Ok(Message::Notification { method, params }) => notified(&session, &method, &params),
            Ok(Message::Response { .. }) => {
                responses.push(emit::error(None, code::INVALID_REQUEST, "no response is awaited here", None));
            }
            Err(fault) => responses.push(emit::error(None, fault.code(), &fault.to_string(), None)),
        }
    }
    for call in calls {
        responses.push(call.finish().await.1);
    }
    if responses.is_empty() {
        return Ok(reply::empty(StatusCode::ACCEPTED));
    }
    Ok(whole(&context, emit::one_line(emit::array(&responses).into())))
}

/// Opens the standing stream of a session.
pub(super) async fn open_stream(endpoint: &Endpoint, context: Context) -> Outcome {
    let session = session(endpoint, &context)?;
    Standing::session(endpoint, context, session).await
}

/// Ends a session.
pub(super) fn end(endpoint: &Endpoint, context: &Context) -> Outcome {
    let session = session(endpoint, context)?;
    endpoint.sessions().end(&context.subject.agent, &session);
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// Opens a session; a client that asks for a revision that is not known is offered the newest.
fn initialize(endpoint: &Endpoint, context: &Context, id: Id<'_>, params: &Params<'_>) -> Result<Answer, RpcError> {
    let missing = || RpcError::invalid_params("`params.protocolVersion` is missing or malformed");
    let asked = params.text("protocolVersion").ok_or_else(missing)?;
    let version = Version::legacy(&asked).unwrap_or(Version::NEWEST_LEGACY);
    let agent = &context.subject.agent;
    let session = endpoint.sessions().open(agent, context.scope.clone(), version).ok_or_else(RpcError::internal)?;
    let body = emit::result(
        id,
        &results::initialize(endpoint.settings(), &endpoint.handler().offer(&context.subject, &context.scope), version),
    );
    Ok(reply::with_session(whole(context, emit::one_line(body)), &session.id))
}

/// The session of a request. One of another agent or scope answers like one that never was (T033).
fn session(endpoint: &Endpoint, context: &Context) -> Result<Arc<Session>, Refused> {
    let head = &context.head.headers;
    let Some(given) = head.get(headers::SESSION) else {
        let message = "`Mcp-Session-Id` is missing: call `initialize` first";
        return Err(reply::refuse(StatusCode::BAD_REQUEST, message).into());
    };
    let id = given.to_str().ok().and_then(|id| id.parse().ok());
    let found = id.and_then(|id| endpoint.sessions().find(&id, &context.subject.agent, &context.scope));
    let Some(session) = found else {
        return Err(reply::refuse(StatusCode::NOT_FOUND, "no such session: call `initialize` again").into());
    };
    if !agreed(head, session.version) {
        let message = "`MCP-Protocol-Version` is not the revision that was agreed on";
        return Err(reply::refuse(StatusCode::BAD_REQUEST, message).into());
    }
    Ok(session)
}

fn agreed(head: &HeaderMap, version: Version) -> bool {
    head.get(headers::VERSION).is_none_or(|given| given.as_bytes() == version.name.as_bytes())
}

/// Requests other than `initialize` and `tools/call`.
async fn plain(
    endpoint: &Endpoint,
    context: &Context,
    session: &Session,
    id: Id<'_>,
    (method, params): (&str, &Params<'_>),
) -> Result<Bytes, RpcError> {
    match method {
        "ping" => Ok(Bytes::from_static(b"{}")),
        "tools/list" => {
            let origin = context.origin(session.version, id, Some(&session.id));
            let cursor = reading::cursor(params)?;
            let list = super::List::Tools;
            let request = ListRequest { list, scope: context.scope.clone(), cursor, era: Era::Legacy, origin };
            Ok(results::list(&endpoint.handler().list(&context.subject, request).await?, list, Era::Legacy))
        }
        _ => Err(RpcError::new(code::METHOD_NOT_FOUND, "method not offered")),
    }
}

fn notified(session: &Session, method: &str, params: &Params<'_>) {
    if method == "notifications/cancelled" {
        let id: Option<IdKey> = params.get("requestId").and_then(|raw| Id::read(raw).ok()?.key());
        if let Some(id) = id {
            session.cancel(&id);
        }
    }
}

fn whole(context: &Context, body: Bytes) -> Answer {
    if context.accepts.json { reply::json(StatusCode::OK, body) } else { reply::once(sse::event(&body)) }
}
