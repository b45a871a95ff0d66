//! One legacy message, from its session to its answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    domain::{Method, Subject},
    mcp::{Id, IdKey, List, Message, Params, RpcFault, Version, code, emit, headers},
};

use crate::mcp::server::{
    Endpoint, RpcError,
    context::Context,
    listing, offered, reading,
    reply::{self, Outcome, Refused},
};

use super::{
    asked::Said,
    initialize::initialize,
    results,
    serving::{self, First},
    session::Session,
    subscribing,
};

/// Answers a legacy message.
pub(in crate::mcp::server) async fn answer(
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
            let refuse = |error: RpcError| Refused::from(reply::error(Some(id), &results::fault(error, None)));
            if let Some(method) = carried(&method) {
                served(endpoint, &context, method.as_str()).map_err(refuse)?;
                let asked = serving::Asked { id, method, params: &params, streams: context.accepts.stream };
                let first = serving::start(endpoint, &context, &session, asked, Arc::new(share)).map_err(refuse)?;
                return match first.await {
                    Ok(First::Stream(answer)) => Ok(answer),
                    Ok(First::Whole(status, body)) => Ok(reply::whole(context.accepts, status, body)),
                    Err(_) => Err(refuse(RpcError::internal())),
                };
            }
            let result = plain(endpoint, &context, &session, (id, &method, &params)).await.map_err(refuse)?;
            let body = emit::one_line(emit::result(id, &result));
            Ok(reply::whole(context.accepts, StatusCode::OK, body))
        }
        Message::Notification { method, params } => {
            notified(&session, &method, &params);
            Ok(reply::empty(StatusCode::ACCEPTED))
        }
        Message::Response { id, answer } => {
            if answered(&session, &context.subject, id, answer) {
                return Ok(reply::empty(StatusCode::ACCEPTED));
            }
            Err(reply::refuse(StatusCode::BAD_REQUEST, "no such response is awaited").into())
        }
    }
}

/// Ends a session.
pub(in crate::mcp::server) fn end(endpoint: &Endpoint, context: &Context) -> Outcome {
    let session = session(endpoint, context)?;
    endpoint.sessions().end(&context.subject.agent, &session);
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// The session of a request. One of another agent or scope answers like one that never was (T033).
pub(super) fn session(endpoint: &Endpoint, context: &Context) -> Result<Arc<Session>, Refused> {
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

/// The method of a request that is carried to a tool server. The methods of tasks are of the modern era only.
pub(super) fn carried(method: &str) -> Option<Method> {
    let task = |method: &Method| matches!(method, Method::GetTask | Method::UpdateTask | Method::CancelTask);
    Method::of(method).filter(|method| !task(method))
}

/// Whether a method is offered.
pub(super) fn served(endpoint: &Endpoint, context: &Context, method: &str) -> Result<(), RpcError> {
    if offered::serves(endpoint, &context.subject, &context.scope, method) { Ok(()) } else { Err(not_offered()) }
}

/// Requests that are answered here.
pub(super) async fn plain(
    endpoint: &Endpoint,
    context: &Context,
    session: &Arc<Session>,
    (id, method, params): (Id<'_>, &str, &Params<'_>),
) -> Result<Bytes, RpcError> {
    const EMPTY: Bytes = Bytes::from_static(b"{}");
    if let Some(list) = List::of(method) {
        served(endpoint, context, method)?;
        return listing::page(endpoint, context, (session.version, Some(&session.id)), (id, list, params)).await;
    }
    match method {
        "ping" => return Ok(EMPTY),
        "logging/setLevel" => {
            served(endpoint, context, method)?;
            let missing = || RpcError::invalid_params("`params.level` is missing");
            session.set_level(reading::level(params.get("level").ok_or_else(missing)?)?);
        }
        "resources/subscribe" => {
            served(endpoint, context, method)?;
            subscribing::subscribe(endpoint, context, session, (id, params)).await?;
        }
        "resources/unsubscribe" => {
            served(endpoint, context, method)?;
            subscribing::unsubscribe(session, params)?;
        }
        _ => return Err(not_offered()),
    }
    Ok(EMPTY)
}

/// Takes a notification; one that is not known says nothing here.
pub(super) fn notified(session: &Session, method: &str, params: &Params<'_>) {
    if method == "notifications/cancelled" {
        let id: Option<IdKey> = params.get("requestId").and_then(|raw| Id::read(raw).ok()?.key());
        if let Some(id) = id {
            session.cancel(&id);
        }
    }
}

/// Takes what the client says to a question; whether it was asked that.
pub(super) fn answered(
    session: &Session,
    subject: &Arc<Subject>,
    id: Option<Id<'_>>,
    answer: Result<&RawValue, RpcFault<'_>>,
) -> bool {
    let Some(id) = id else { return false };
    let answer = answer.map(reading::flat).map_err(|fault| (fault.code, fault.message.into_owned()));
    session.asked.answer(id, Said { subject: Arc::clone(subject), answer })
}

fn not_offered() -> RpcError {
    RpcError::new(code::METHOD_NOT_FOUND, "method not offered")
}
